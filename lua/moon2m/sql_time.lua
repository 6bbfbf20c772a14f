-- Searches by time (crb, cra, us, ms) over the store's indexes of times and what is known of the
-- containers that were written last (recent.lua): whether the few resources that are recent (or
-- old) enough lead the search or the paths of the subtree do, and where in a container the
-- instances of a time can begin and end.
--
-- Rests on what the operations guarantee: lastModifiedTime never goes back and is no earlier than
-- creationTime, and a container's is that of its newest instance or later; the instances of a
-- container have their creation times in the order of their stateTags (op_instance.lua).

local match = require "moon2m.sql_match"

local bind = match.bind
local concat = table.concat

local time = { MOST = 2000 }     -- resources that lead a search at most

local STEPS = { 100, 3000, 100000 }    -- instances from the newest or oldest that are tried
local NEVER = "9223372036854775807"

-- The bounds that every match keeps: created or changed at this time or later, created before.
local function bounds(fc)
  local since = fc.cra and fc.ms and math.max(fc.cra, fc.ms) or fc.cra or fc.ms
  local before = fc.crb and fc.us and math.min(fc.crb, fc.us) or fc.crb or fc.us
  return since, before
end

local function counted(from, as)
  return ("(SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)) AS %s"):format(from,
    time.MOST + 1, as)
end

--- The time that every match was changed at or later; nil when fc has no such condition, or labels
-- lead anyway.
function time.since(fc)
  if not match.all(fc) or fc.lbl then return nil end
  return (bounds(fc))
end

--- How many resources each way to search would look at (up to 2,001): a statement with the columns
-- since (without containers that have new instances), earlier and below, and its parameters; nil
-- when fc is not about times, or labels lead.  written: the number of those containers, nil: many.
function time.probe(scope, fc, written)
  local since, before = bounds(fc)
  if not match.all(fc) or fc.lbl then return nil end
  local q = match.new_query(scope.now)
  local parts = {}
  if since and written then parts[1] = counted("res WHERE lt>=" .. bind(q, since), "since") end
  if before then parts[#parts + 1] = counted("res WHERE ct<" .. bind(q, before), "earlier") end
  if not parts[1] then return nil end
  local top = scope.path
  parts[#parts + 1] = counted("res WHERE " .. (top == "" and "path>''" or "path>=" ..
    bind(q, top .. "/") .. " AND path<" .. bind(q, top .. "0")), "below")
  return "SELECT " .. concat(parts, ","), q.params
end

--- What leads, from the probe's answer: "since", "before", or nil: the paths.
function time.choose(n, written)
  local since, before = n.since and n.since + written or time.MOST + 1, n.earlier or time.MOST + 1
  local best = math.min(since, before)
  if best > time.MOST or best >= n.below then return nil end
  return best == since and "since" or "before"
end

--- The condition on the path of a resource (alias r, of res) or of the container of instances
-- (instances true) when times lead.  scope.by: what leads; scope.written: the containers that were
-- written since then, a JSON array of numbers.
function time.leading(q, scope, fc, r, instances)
  local since, before = bounds(fc)
  local inner
  if scope.by == "before" then
    inner = "SELECT path FROM res WHERE ct<" .. bind(q, before)
  else
    inner = "SELECT n.path FROM json_each(" .. bind(q, scope.written) .. ") e CROSS JOIN res n"
      .. " ON n.id=e.value"
    if not instances then
      inner = "SELECT path FROM res WHERE lt>=" .. bind(q, since) .. " UNION ALL " .. inner
    end
  end
  return r .. ".path IN (" .. inner .. ")"
end

-- CASE over places in a container, the nearest first: one with an instance beyond the time on its
-- far side is the bound.
local function bound(place, order, beyond)
  local out = {}
  for i, n in ipairs(STEPS) do
    local at = place:format(n)
    out[i] = ("WHEN (SELECT b.ct FROM cin b WHERE b.cid=c.id AND b.st%s%s ORDER BY b.st%s LIMIT 1)"
      .. "%s THEN %s"):format(order == " DESC" and "<=" or ">=", at, order, beyond, at)
  end
  return concat(out, " ")
end

--- Conditions on the stateTags of instances (aliases c, s, i of sql.lua) that spare a search in a
-- large container: each leaves out only what has another time.
function time.instances(q, fc)
  if not match.all(fc) then return {} end
  local since, before = bounds(fc)
  local out = {}
  if since then
    local t = bind(q, since)
    out[1] = "s.lt>=" .. t
    out[2] = "i.st>CASE " .. bound("s.st-%d", " DESC", "<" .. t) .. " ELSE 0 END"
  end
  if before then
    out[#out + 1] = "i.st<CASE " .. bound("s.ol+%d", "", ">=" .. bind(q, before)) .. " ELSE "
      .. NEVER .. " END"
  end
  return out
end

return time
