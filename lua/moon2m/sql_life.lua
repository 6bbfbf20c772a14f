-- Statements about the life of resources: what is below one that is deleted and must be told, and
-- what has expired.  SQLite's dialect, like sql.lua; values are bound.  Each is limited by its
-- caller.

local sql_life = {}

-- The types that need more than their rows removed.
sql_life.kept_types = { 1, 2, 9, 13, 23, 48 }

local BELOW = [[
SELECT id, pid, ty, path, aei, json_extract(doc, '$.su') AS su,
json_extract(doc, '$.acrs') AS acrs, CASE ty WHEN 48 THEN doc END AS doc,
CASE ty WHEN 13 THEN json_extract(doc, '$.awi') END AS awi,
CASE ty WHEN 23 THEN EXISTS(SELECT 1 FROM json_each(doc, '$.enc.net') e WHERE e.value = 2) END
AS of_deletion FROM res WHERE ]]

--- The AEs, groups, subscriptions, policies and devices in area networks (ty 13 with awi) below a
-- path, by type and path: columns id pid ty path aei su acrs awi, doc of a
-- crossResourceSubscription,
-- and of a subscription whether it is to the deletion of its parent (1).
-- Parameters: the path with "/" behind, the path with "0" behind.
sql_life.below = BELOW .. "path >= ?1 AND path < ?2 AND ty IN (" ..
  table.concat(sql_life.kept_types, ",") .. ") ORDER BY ty, path"

--- The same of one type, to be continued.  Parameters: the path to start after, the path with "0"
-- behind, the type.
sql_life.below_of = BELOW .. "ty = ?3 AND path > ?1 AND path < ?2 ORDER BY path"

--- The children of a resource that are no instances, the newest first: column id.
-- Parameters: the resource's id, the id to stay below.
sql_life.newest_children = "SELECT id FROM res WHERE pid = ?1 AND id < ?2 ORDER BY id DESC"

--- Which of some names instances of a container have, wiped or not: column rn.  Parameters: the
-- container's id, a JSON list of names.
sql_life.names = "SELECT rn FROM cin WHERE cid = ?1 AND rn IN (SELECT value FROM json_each(?2))"

--- Resources with some paths, or with some ids: columns path id.  Parameters: JSON lists of them.
sql_life.taken = [[
SELECT path, id FROM res WHERE path IN (SELECT value FROM json_each(?1)) UNION ALL
SELECT path, id FROM res WHERE id IN (SELECT value FROM json_each(?2))]]

--- Subscriptions with a storage priority, by id: columns id nsp.  Parameter: the id to start after.
sql_life.ranked = [[
SELECT id, json_extract(doc, '$.nsp') AS nsp FROM res WHERE ty = 23 AND id > ?1
AND json_type(doc, '$.nsp') IS NOT NULL ORDER BY id]]

--- The latest expiration time of a resource's children that are no instances: column et.
-- Parameter: the resource's id.
sql_life.latest_child = "SELECT max(et) AS et FROM res WHERE pid = ?1"

--- Resources whose expiration time has come, by it: columns id path.  Parameter: now.
sql_life.expired = "SELECT id, path FROM res WHERE et <= ?1 ORDER BY et"

--- Instances whose creator's expiration time has come: columns cid st.  Parameter: now.
sql_life.expired_instances = "SELECT cid, st FROM cin WHERE et <= ?1 ORDER BY et"

--- Containers whose oldest instance is older than their `mia` allows, among the ids ?1 < id <= ?2,
-- by id: columns cid mia.  Parameters: the two ids, now.
sql_life.aged = [[
SELECT s.cid AS cid, s.mia AS mia FROM cs s
WHERE s.cid > ?1 AND s.cid <= ?2 AND s.mia IS NOT NULL AND s.cni > 0
AND (SELECT i.ct FROM cin i WHERE i.cid = s.cid AND i.st >= s.ol ORDER BY i.st LIMIT 1)
  <= ?3 - s.mia * 1000000 ORDER BY s.cid]]

--- Resources whose operations are monitored by a subscription, by id: column pid.  Parameter: the
-- id to start after.
sql_life.monitored = [[
SELECT DISTINCT pid FROM res WHERE ty = 23 AND pid > ?1
AND json_type(doc, '$.enc.om') IS NOT NULL ORDER BY pid]]

--- The pollingChannels of AEs that are not reachable otherwise (rr false), by path: columns path
-- aei. Parameter: the path to start after.
sql_life.channels = [[
SELECT c.path AS path, a.aei AS aei FROM res c JOIN res a ON a.id = c.pid
WHERE c.ty = 15 AND c.path > ?1 AND a.ty = 2 AND json_extract(a.doc, '$.rr') = 0
ORDER BY c.path]]

--- AEs whose registration is inactive, by path: columns path aei.  Parameter: the path to start
-- after.
sql_life.inactive = "SELECT path, aei FROM res WHERE ty = 2 AND path > ?1"
  .. " AND json_extract(doc, '$.regs') = 2 ORDER BY path"

--- Requests that are not done, by path: columns id path.  Parameter: the path to start after.
sql_life.pending = [[
SELECT id, path FROM res WHERE ty = 17 AND path > ?1 AND json_extract(doc, '$.rs') IN (3, 4, 5)
ORDER BY path]]

--- The groups whose members' types are not verified, by id: column id.  Parameter: the id to start
-- after.
sql_life.unverified_groups = [[
SELECT id FROM res WHERE ty = 9 AND id > ?1 AND json_extract(doc, '$.mtv') = 0 ORDER BY id]]

--- The resources of a type, by id: column id.  Parameters: the type, the id to start after.
sql_life.of_type =
  "SELECT id FROM res WHERE ty = ?1 AND id > ?2 ORDER BY id"

--- The AEs with a Trigger-Recipient-ID, by id: column id.  Parameter: the identifier.
sql_life.triggered =
  "SELECT id FROM res WHERE ty = 2 AND json_extract(doc, '$.tri') = ?1 ORDER BY id"

--- The schedules of subscriptions, crossResourceSubscriptions and nodes, by id: columns id pid doc.
-- Parameter: the id to start after.
sql_life.schedules = [[
SELECT s.id AS id, s.pid AS pid, s.doc AS doc FROM res s JOIN res p ON p.id = s.pid
WHERE s.ty = 18 AND p.ty IN (14, 23, 48) AND s.id > ?1 ORDER BY s.id]]

--- The value that is kept under a name: column v.  Parameter: the name.
sql_life.named = "SELECT v FROM meta WHERE k = ?1"

--- What is kept under the names in a range, by name: columns k v.  Parameters: the name to start
-- after, the name to stay below.
sql_life.kept = "SELECT k, v FROM meta WHERE k > ?1 AND k < ?2 ORDER BY k"

--- The subscriptions that crossResourceSubscriptions rest on, by id: column id.  Parameter: the id
-- to start after.
sql_life.crossed = [[
SELECT id FROM res WHERE ty = 23 AND id > ?1 AND json_type(doc, '$.acrs') IS NOT NULL
ORDER BY id]]

--- Events that wait for scripts, by key: columns k v.  Parameter: the key to start after.
sql_life.waiting_events = "SELECT k, v FROM meta WHERE k > ?1 AND k < 'evt0' ORDER BY k"

--- The same of those that have no row of their own, those of a group commit in one row, in order:
-- columns id body.  Parameter: the id to start after.
sql_life.event_groups = "SELECT id, body FROM evt WHERE id > ?1 ORDER BY id"

return sql_life
