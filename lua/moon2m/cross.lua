-- Cross-resource subscriptions at work (TS-0004 7.4.58, 7.5.1.2.18, 7.5.1.2.20; TS-0001
-- 10.2.10.26): making and undoing the subscriptions that they rest on, their time windows, their
-- notices.
-- A notice of one of these subscriptions goes into a lane of its own and is taken out by the
-- transaction that stores what becomes of it, so an event that was answered counts, also after
-- kill -9.  The marks of a window are stored with it: a restart neither ends a window nor forgets
-- what was marked; one without marks begins anew.  What a creation or deletion left half done is
-- undone at the start.
-- Never: a notification or deletion taken from a subscription that is none of its own.

local cjson = require "moon2m.core.json"
local core = require "moon2m.core.cse"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local json = require "moon2m.json"
local opening = require "moon2m.opening"
local path = require "moon2m.path"
local rows = require "moon2m.rows"
local rsc = require "moon2m.rsc"
local sql_life = require "moon2m.sql_life"
local statistics = require "moon2m.statistics"
local target = require "moon2m.target"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local turns = require "moon2m.turns"
local verify = require "moon2m.verify"
local write = require "moon2m.write"

local CREATE, UPDATE, DELETE = 1, 3, 4
local CROSS, SUBSCRIPTION = 48, 23
local PERIODIC = 1
local IMMEDIATE = "2"            -- event category
local ALL_PRESENT, SOME_OR_ALL_PRESENT, SOME_MISSING, ALL_MISSING, SOME_PRESENT = 1, 2, 3, 4, 5
local RETRY = 1                  -- s until a lane is looked at again after the store failed
local EMPTY = '{"m2m:sgn":{"sur":%s}}'

local cross = {}

-- ---- requests of its own -----------------------------------------------------------------------

-- A primitive on behalf of `who`; req: the request that it is part of, or nil.  rsc, decoded
-- content or nil.  Yields.
local function ask(who, req, op, to, pc, ty)
  req = req or {}
  local code, content = require("moon2m.dispatch").perform { op = op, to = to, ty = ty, fr = who,
    pc = pc, rqi = "cross-" .. sys.random(6), rvi = "3", via = "script", peer = req.peer,
    authenticated = req.authenticated, hop = req.hop, chain = req.chain }
  return code, content and json.decode(content)
end

local function reason(code, content)
  local text = type(content) == "table" and content["m2m:dbg"]
  return text and ("%d, %s"):format(code, text) or tostring(code)
end

local function failed(name, address, code, content)
  return rsc.err(rsc.CROSS_RESOURCE_OPERATION_FAILURE, "%s: %s: answered %s", name, address,
    reason(code, content))
end

-- ---- subscriptions that are there already ------------------------------------------------------

-- Whether an entry of a list names the resource with this identifier.
local function names(entry, ri)
  local a = path.parse(entry)
  return a ~= nil and a.id == ri and #a.names == 0 and not a.virtual
end

-- The list without a resource, and with `self` at the end when it is given.
local function changed(list, ri, self)
  local out = json.array {}
  for _, entry in ipairs(list or {}) do
    if not names(entry, ri) then out[#out + 1] = entry end
  end
  if self then out[#out + 1] = self end
  return out
end

-- Adds the cross-resource subscription `ri` to (self: its address) or takes it (self nil) from the
-- subscription at an address.  nil and the subscription's identifier, or rsc, content.  Yields.
local function attach(who, req, address, ri, self)
  return turns.take("attach", function()
    local sub, e = tree.resolve(address)
    if not sub then return e.rsc, { ["m2m:dbg"] = e.msg } end
    if sub.virtual or sub.ty ~= SUBSCRIPTION then
      return rsc.BAD_REQUEST, { ["m2m:dbg"] = "no subscription" }
    end
    local acrs = changed(tree.value(sub, "acrs"), ri, self)
    local nu = changed(tree.value(sub, "nu"), ri, self)
    local attrs = { acrs = acrs[1] and acrs or json.null, nu = nu[1] and nu or nil }
    local code, content = ask(who, req, UPDATE, sub.ri, json.encode { ["m2m:sub"] = attrs })
    if code ~= rsc.UPDATED then return code, content end
    return nil, sub.ri
  end)
end

-- ---- creation ----------------------------------------------------------------------------------

-- The subscription to the i-th regular resource.
local function subscription_of(new, self, encs, i)
  local parts = { '"nu":[' .. self .. "]", '"acrs":[' .. self .. "]",
    '"enc":' .. (encs[i] or encs[1]), '"et":' .. cjson.quote(sys.stamp(new.et)) }
  if new.raw.nec then parts[#parts + 1] = '"nec":' .. new.raw.nec end
  return '{"m2m:sub":{' .. table.concat(parts, ",") .. "}}"
end

-- done: what was made so far, { made = {identifiers}, changed = {identifiers} }.
local function subscribe(ctx, new, done)
  local self = path.sp_relative(new.ri)
  local encs = new.raw.encs and cjson.elements(new.raw.encs)
  for _, address in ipairs(new.values.srat or {}) do
    local code, ri = attach(ctx.originator, ctx.req, address, new.ri, self)
    if code then return failed("srat", address, code, ri) end
    done.changed[#done.changed + 1] = ri
  end
  for i, address in ipairs(new.values.rrat or {}) do
    local code, pc = ask(ctx.originator, ctx.req, CREATE, address,
      subscription_of(new, cjson.quote(self), encs, i), SUBSCRIPTION)
    if code ~= rsc.CREATED then return failed("rrat", address, code, pc) end
    done.made[#done.made + 1] = pc["m2m:sub"].ri
  end
end

-- Takes back what `subscribe` did; what is gone already is no failure, others are logged.
local function withdraw(who, ri, made, attached)
  local function note(what, code, content)
    if code and code ~= rsc.NOT_FOUND then
      sys.log("warn", "cross", ("undoing %s: %s: %s"):format(ri, what, reason(code, content)))
    end
  end
  for _, sub in ipairs(made) do
    local code, content = ask(who, nil, DELETE, sub)
    note(sub, code ~= rsc.DELETED and code, content)
  end
  for _, sub in ipairs(attached) do
    local code, content = attach(who, nil, sub, ri)
    note(sub, code, content)
  end
end

--- Hook of the type: makes the subscriptions with the originator's rights and verifies the targets
-- (TS-0004 7.4.58.2.1).  true | nil, err; sets new.undo, to be called when the creation fails
-- after all.  Yields.
function cross.create(ctx, new)
  local address = path.sp_relative(new.ri)
  local e = verify.targets(new.values.nu, address, new.values.cr and ctx.originator, ctx.req)
  if e then return nil, e end
  local done = { made = json.array {}, changed = json.array {} }
  target.expect(address, new.ri)
  new.undo = function()
    new.undo = nil
    withdraw(ctx.originator, new.ri, done.made, done.changed)
    target.expect(address, nil)
  end
  e = subscribe(ctx, new, done)
  if e then
    new.undo()
    return nil, e
  end
  if done.made[1] then new.raw.rrats = json.encode(done.made) end
  if done.changed[1] then new.raw._srat = json.encode(done.changed) end
  return true
end

-- ---- windows -----------------------------------------------------------------------------------

-- In the store a window is named "crs." and the number of its CRS; its value is its end in
-- microseconds since 1970, whether its notice is sent, and the subscriptions that are marked.
local ROW = "crs.%d"
local windows = {}               -- number of a CRS -> { marks, count, sent, timer, ends }

-- The subscriptions it rests on: a set of identifiers and their number.
local function expected(crs)
  local set, n = {}, 0
  for _, name in ipairs { "rrats", "_srat" } do
    for _, ri in ipairs(tree.value(crs, name) or {}) do
      if not set[ri] then set[ri], n = true, n + 1 end
    end
  end
  return set, n
end

-- Its schedule, where it has one, must be open; nec 2 is for what cannot wait.
local function is_open(crs)
  local list = opening.of(crs.id)
  return not list or crs.raw.nec == IMMEDIATE or opening.covers(list, sys.now())
end

-- The notices to its targets, to be committed.  Yields.
local function notices(crs)
  if not is_open(crs) then return {} end
  local audience, sur = core.audience(), path.sp_relative(crs.ri)
  local targets = target.list(crs)
  statistics.joined(crs, targets)
  for _, to in ipairs(targets) do audience:add(crs.id, sur, nil, to) end
  if audience:size() == 0 then return {} end
  local ev = core.event(audience, { frame = "primitive", ec = tree.value(crs, "nec") },
    EMPTY:format(cjson.quote(sur)))
  return ev and { ev } or {}
end

local function commit(ops, events)
  if not ops[1] and not events[1] then return true end
  local ok, e = write.commit(ops, events)
  if not ok then sys.log("error", "cross", e.msg) end
  return ok
end

local function holds(eem, n, total)
  if eem == SOME_OR_ALL_PRESENT then return n > 0 end
  if eem == SOME_MISSING then return n < total end
  if eem == ALL_MISSING then return n == 0 end
  return eem == SOME_PRESENT and n > 0 and n < total
end

local function close(id)
  local w = windows[id]
  windows[id] = nil
  if w then timers.cancel(w.timer) end
end

-- The operation that stores the window of a CRS, or that there is none.
local function state(id)
  local w = windows[id]
  if not w then return { "meta", ROW:format(id) } end
  local list = {}
  for ri in pairs(w.marks) do list[#list + 1] = ri end
  return { "meta", ROW:format(id), ("%.0f,%d,%s"):format(sys.now() + w.ends - sys.mono(),
    w.sent and 1 or 0, table.concat(list, " ")) }
end

local open

-- A window is over: what it says is sent, and a periodic one begins again.  Yields.
local function over(id, w)
  local crs = tree.by_id(id)
  if windows[id] ~= w then return end
  windows[id] = nil
  if not crs then return end
  if tree.value(crs, "twt") == PERIODIC then open(crs, w.ends) end
  local _, total = expected(crs)
  if holds(tree.value(crs, "eem") or ALL_PRESENT, w.count, total) then
    commit({}, notices(crs))
  end
end

-- from: when it begins, in microseconds of the monotonic clock; windows that passed unseen (the
-- process was stopped) are not made up for.
function open(crs, from)
  local id, now, size = crs.id, sys.mono(), sys.parse_duration(tree.value(crs, "tws"))
  local w = { marks = {}, count = 0, ends = (from or now) + size }
  if w.ends <= now then w.ends = now + size end
  w.timer = timers.after((w.ends - now) / 1e6, function() return over(id, w) end)
  windows[id] = w
  return w
end

-- The window that an earlier process left, when it is not over.
local function restore(crs, text)
  local ends, sent, list = text:match("^(%d+),(%d),(.*)$")
  local left = ends and tonumber(ends) - sys.now() or 0
  local size = sys.parse_duration(tree.value(crs, "tws"))
  if left <= 0 or left > size then return end
  local set, w = expected(crs), open(crs, sys.mono() + left - size)
  w.sent = sent == "1" or nil
  for ri in list:gmatch("%S+") do
    if set[ri] then w.marks[ri], w.count = true, w.count + 1 end
  end
end

local looked = {}                -- number of a CRS -> true: what an earlier process left is known

-- The window of a CRS, nil when there is none.  Yields at its first use.
local function window_of(crs)
  local id = crs.id
  if not looked[id] then
    local kept = store.find(sql_life.named, { ROW:format(id) }, 1)
    if kept[1] and not looked[id] and not windows[id] then restore(crs, kept[1].v) end
    looked[id] = true
  end
  return windows[id]
end

-- A notification of subscription `ri` has come: the notices that it makes, and the window that it
-- marked, nil when nothing is new.  Yields.
local function mark(crs, ri)
  local set, total = expected(crs)
  if not set[ri] then return {} end
  local w = window_of(crs) or open(crs)
  if w.marks[ri] then return {} end
  w.marks[ri] = true
  w.count = w.count + 1
  if w.count < total or w.sent or (tree.value(crs, "eem") or ALL_PRESENT) ~= ALL_PRESENT then
    return {}, w
  end
  w.sent = true
  if tree.value(crs, "twt") ~= PERIODIC then close(crs.id) end
  return notices(crs), w
end

-- The mark was not stored: it will come again.
local function unmark(id, w, ri)
  w.marks[ri], w.count, w.sent = nil, w.count - 1, nil
  if windows[id] then return end
  windows[id] = w
  w.timer = timers.after(math.max(0, (w.ends - sys.mono()) / 1e6), function()
    return over(id, w)
  end)
end

-- Marks, and commits what follows from it together with ops.  False: the store failed.  Yields.
local function mark_and_commit(crs, ri, ops)
  local events, w = mark(crs, ri)
  if w then ops[#ops + 1] = state(crs.id) end
  if commit(ops, events) then return true end
  if w then unmark(crs.id, w, ri) end
  return false
end

--- A CRS is on disk: a periodic window begins (TS-0004 7.4.58.2.1).
function cross.created(crs)
  target.expect(path.sp_relative(crs.ri), nil)
  looked[crs.id] = true
  if tree.value(crs, "twt") == PERIODIC then open(crs) end
end

--- A CRS was updated; values: what the request said.  Another window begins anew.  Yields.
function cross.updated(crs, values)
  statistics.changed(crs, values.nse)
  if values.nu and crs.raw.nse == "true" then statistics.joined(crs, target.list(crs)) end
  if values.tws == nil and values.twt == nil and values.eem == nil then return end
  looked[crs.id] = true
  close(crs.id)
  if tree.value(crs, "twt") == PERIODIC then open(crs) end
  commit({ state(crs.id) }, {})
end

-- The CRS of this CSE that an entry of acrs names as `subscribe` writes it, when there is none.
local function missing(entry)
  local a = path.parse(entry)
  local ri = a and #a.names == 0 and a.id or nil
  if not ri or not path.parse_ri(ri) or target.expected(path.sp_relative(ri)) then return nil end
  return not tree.by_id((path.parse_ri(ri))) and ri or nil
end

-- What was going on when the process ended: a subscription to nobody but a CRS that is not there is
-- deleted, others forget it.
local function mend(sub)
  local csi = path.configured()
  for _, entry in ipairs(tree.value(sub, "acrs")) do
    local ri = missing(entry)
    local nu = tree.value(sub, "nu")
    if ri and #nu == 1 and names(nu[1], ri) then
      return withdraw(csi, ri, { sub.ri }, {})
    elseif ri then
      withdraw(csi, ri, {}, { sub.ri })
    end
  end
end

--- Start only: windows go on, periodic ones begin, and what is left of others is undone.  Yields.
function cross.start()
  for crs in tree.all(CROSS) do
    if not window_of(crs) and tree.value(crs, "twt") == PERIODIC then open(crs) end
  end
  for row in rows.each(sql_life.crossed, "id", 0) do
    local sub = tree.by_id(row.id)
    if sub then mend(sub) end
  end
end

-- ---- what comes in -----------------------------------------------------------------------------

local function find(ri)
  local id = path.parse_ri(ri)
  local r = id and tree.by_id(id)
  return r and r.ty == CROSS and r or nil
end

local running = {}               -- lane -> true: a task takes its notices; "again": told meanwhile

-- Takes what is in the lane.  False when the store failed.  Yields.
local function take(key, crs, ri)
  local sub = path.parse_ri(ri)
  while true do
    local list = core.lane_read(key, 1000)
    if not list then return false end
    if not list[1] then return true end
    local last = list[#list].id
    if not mark_and_commit(crs, ri, { { "lane_done", key, last } }) then return false end
    core.lane_done(key, last)
    require("moon2m.expire").delivered(sub, #list)
  end
end

local function drain(key)
  local owner, ri = target.local_of(key)
  local crs = owner and find(owner)
  if crs then return take(key, crs, ri) end
  if owner and target.expected(path.sp_relative(owner)) then return false end
  core.lane_drop(key, "all", "forgotten")
  return true
end

--- Entry of the C core for lanes of this kind: a subscription's notices wait for a CRS.  Yields.
function cross.lane(key)
  if running[key] then
    running[key] = "again"
    return
  end
  repeat
    running[key] = true
    local ok, done = pcall(drain, key)
    if not ok then sys.log("error", "cross", tostring(done)) end
    if not ok or not done then
      timers.after(RETRY, function() return cross.lane(key) end)
      break
    end
  until running[key] ~= "again"
  running[key] = nil
end

local function notification(pc)
  local sgn = pc and cjson.member(pc, "m2m:sgn")
  return sgn and cjson.type(sgn) == "object" and json.decode(sgn) or nil
end

--- A NOTIFY to a CRS by a request: marks, or the end of one of its subscriptions.  rsc | nil, err.
-- Yields.
function cross.notified(crs, pc)
  local sgn = notification(pc)
  local sur = sgn and type(sgn.sur) == "string" and path.parse(sgn.sur)
  if not sur or not sur.id then
    return nil, rsc.err(rsc.BAD_REQUEST, "sur: missing, or no reference to a subscription")
  end
  if sgn.vrq then return rsc.OK end
  if sgn.sud then
    cross.ended(crs.ri, sur.id)
    return rsc.OK
  end
  if not mark_and_commit(crs, sur.id, {}) then
    return nil, rsc.err(rsc.INTERNAL_SERVER_ERROR, "the store failed, nothing was changed")
  end
  return rsc.OK
end

-- ---- the end -----------------------------------------------------------------------------------

--- Subscription `ri` is gone, or named the CRS `owner` in its acrs no longer: the CRS is deleted
-- when it rests on that subscription (TS-0004 7.5.1.2.20).  Yields.
function cross.ended(owner, ri)
  for _ = 1, 5 do
    local crs = find(owner)
    if not crs or not expected(crs)[ri] then return end
    local ok, e = require("moon2m.op_delete").resource(crs, nil)
    if ok then return end
    if e and e.rsc ~= rsc.NOT_FOUND then
      return sys.log("warn", "cross", "deleting " .. crs.path .. ": " .. e.msg)
    end
  end
end

--- A CRS is off the disk: its window ends, its subscriptions are undone, `su` is told.
-- o = { id, ri, who = creator, made, attached (lists of identifiers), su }.
function cross.deleted(o)
  close(o.id)
  looked[o.id] = nil
  opening.set(o.id, nil)
  statistics.forget(o.id)
  core.forget_sub(o.id)
  if o.su then verify.deleted(o.su, o.id, o.ri) end
  timers.spawn(function()
    local csi = path.configured()
    commit({ state(o.id) }, {})
    withdraw(o.who or csi, o.ri, o.made or {}, o.attached or {})
  end)
end

--- What `deleted` wants to know of a resource.
function cross.description(crs)
  return { id = crs.id, ri = crs.ri, who = crs.creator, made = tree.value(crs, "rrats"),
    attached = tree.value(crs, "_srat"), su = tree.value(crs, "su") }
end

--- The same of a row that has id and doc.
function cross.description_of_row(row)
  local function value(name)
    local raw = cjson.member(row.doc, name)
    return raw and json.decode(raw)
  end
  return { id = row.id, ri = path.ri(row.id), who = value "cr" or value "_cr",
    made = value "rrats", attached = value "_srat", su = value "su" }
end

return cross
