-- Stand-ins for the store and the network, so that the whole dispatcher runs without either:
-- moon2m.core.store in memory with the semantics of runtime/store.h, moon2m.core.cse as a
-- recorder.  Tasks are plain coroutines: every read yields once, commits wait for fake.flush()
-- after fake.hold().

local json = require "moon2m.core.json"

local fake = {}

local res, cs, cin                -- id -> row, cid -> row, cid -> { st -> row }
local queue                       -- transactions not yet on disk
local ready                       -- coroutines to resume: { co, values }
local held                        -- commits wait for fake.flush()
local failing, failures           -- code that the next transactions fail with, and how many
local max_id
local lanes                       -- key -> { notice, ... }, with `watch` and `told`
local last_notice
local meta                        -- name -> value
local evt                         -- number -> text

local store, core = {}, {}

-- ---- tasks -------------------------------------------------------------------------------------

local function wait()
  return coroutine.yield()
end

local function later(co, ...)
  ready[#ready + 1] = { co, n = select("#", ...), ... }
end

local function resume(co, ...)
  local ok, what = coroutine.resume(co, ...)
  if not ok then error(debug.traceback(co, tostring(what)), 0) end
end

--- Runs fn in a task; its results are in the returned table once it has ended.
function fake.task(fn, ...)
  local box = { done = false }
  local co = coroutine.create(function(...)
    local function keep(...)
      box.n = select("#", ...)
      for i = 1, box.n do box[i] = (select(i, ...)) end
      box.done = true
    end
    keep(fn(...))
  end)
  resume(co, ...)
  return box
end

-- ---- store: writes -----------------------------------------------------------------------------

local function find_res(column, value)
  for _, row in pairs(res) do
    if row[column] == value then return row end
  end
end

local function copy(row)
  local c = {}
  for k, v in pairs(row) do c[k] = v end
  return c
end

local function count(cid)
  local c = cs[cid]
  c.cni, c.cbs, c.oldest = 0, 0, 0
  for st, i in pairs(cin[cid]) do
    c.cni, c.cbs = c.cni + 1, c.cbs + i.size
    if c.oldest == 0 or st < c.oldest then c.oldest = st end
  end
end

local function evict(cid)
  count(cid)
  local c = cs[cid]
  while c.cni > 0 and ((c.mni and c.cni > c.mni) or (c.mbs and c.cbs > c.mbs)) do
    cin[cid][c.oldest] = nil
    count(cid)
  end
end

local function limits(row)
  local c = cs[row.id]
  c.mni, c.mbs, c.mia = row.mni, row.mbs, row.mia
  evict(row.id)
end

local apply = {}

function apply.put(_, row)
  if res[row.id] or find_res("path", row.path) then return "conflict" end
  if row.aei and find_res("aei", row.aei) then return "conflict" end
  if row.pid ~= 0 and not res[row.pid] then return "gone" end
  res[row.id] = copy(row)
  max_id = math.max(max_id, row.id)
  if row.container then
    cin[row.id] = {}
    cs[row.id] = { cid = row.id, st = row.st, lt = row.lt, cni = 0, cbs = 0, oldest = 0 }
    limits(row)
  end
end

function apply.set(touched, row)
  if not res[row.id] then return "gone" end
  res[row.id] = copy(row)
  if row.container then
    if not cs[row.id] then
      cin[row.id] = {}
      cs[row.id] = { cid = row.id, st = row.st, lt = row.lt, cni = 0, cbs = 0, oldest = 0 }
    end
    limits(row)
    touched[row.id] = true
  end
end

function apply.delete(_, id, path)
  if not res[id] then return "gone" end
  for k, row in pairs(copy(res)) do
    if k == id or row.path:sub(1, #path + 1) == path .. "/" then
      res[k], cs[k], cin[k] = nil, nil, nil
    end
  end
end

function apply.inst(touched, cid, st, ct, et, size, _, rn, cr, lbl, att, con, mark)
  local c = cs[cid]
  if not c then return "gone" end
  for _, i in pairs(cin[cid]) do
    if rn and i.rn == rn then return "conflict" end
    if mark and i.mark == mark then return "twice" end
  end
  if cin[cid][st] then return "conflict" end
  if c.mbs and size > c.mbs then return "toobig" end
  cin[cid][st] = { cid = cid, st = st, ct = ct, et = et, size = size, rn = rn, cr = cr, lbl = lbl,
    att = att, con = con, mark = mark }
  c.st, c.lt = math.max(c.st, st), ct
  evict(cid)
  touched[cid] = true
end

function apply.inst_delete(touched, cid, st)
  if not cs[cid] or not cin[cid][st] then return "gone" end
  cin[cid][st] = nil
  count(cid)
  touched[cid] = true
end

function apply.touch(touched, cid, st, lt)
  cs[cid].st, cs[cid].lt = st, lt
  touched[cid] = true
end

function apply.event(_, ev)
  ev.stored = true
end

function apply.meta(_, k, v)
  meta[k] = v
end

function apply.evt(_, n, ...)
  local text = ("%.0f "):format(n)
  for _, part in ipairs { ... } do
    text = text .. (part and ("%d:%s"):format(#part, part) or "~")
  end
  evt[n] = text
end

function apply.evt_delete(_, upto)
  for n in pairs(copy(evt)) do
    if n <= upto then evt[n] = nil end
  end
end

function apply.lane_done(_, key, id)
  assert(lanes[key], key)
  for _, item in ipairs(lanes[key]) do item.leaving = item.leaving or item.id <= id end
end

local function snapshot()
  local s = { res = {}, cs = {}, cin = {} }
  for k, v in pairs(res) do s.res[k] = v end
  for k, v in pairs(cs) do s.cs[k] = copy(v) end
  for k, v in pairs(cin) do s.cin[k] = copy(v) end
  return s
end

local function run(ops)
  if failing and failures > 0 then
    failures = failures - 1
    return nil, failing, "made to fail"
  end
  local before, touched = snapshot(), {}
  for i = 1, #ops do
    local o = ops[i]
    local why = assert(apply[o[1]], o[1])(touched, unpack(o, 2, 13))
    if why then
      res, cs, cin = before.res, before.cs, before.cin
      return nil, why, "transaction"
    end
  end
  local list = {}
  for cid in pairs(touched) do
    if cs[cid] then list[#list + 1] = copy(cs[cid]) end
  end
  return true, list
end

local function commit_first()
  local t = table.remove(queue, 1)
  resume(t.co, run(t.ops))
end

function store.commit(ops)
  queue[#queue + 1] = { co = coroutine.running(), ops = ops }
  if not held then later(commit_first) end
  return wait()
end

-- ---- store: reads ------------------------------------------------------------------------------

local function delayed(...)
  later(coroutine.running(), ...)
  return wait()
end

local function full(row)
  if not row then return nil end
  row = copy(row)
  local c = cs[row.id]
  if c then
    row.cni, row.cbs, row.oldest, row.cs_st, row.cs_lt = c.cni, c.cbs, c.oldest, c.st, c.lt
  end
  return row
end

function store.get(by, key)
  fake.reads = fake.reads + 1
  return delayed(full(by == "id" and res[key] or by ~= "id" and find_res(by, key) or nil))
end

local function sorted(cid)
  local list = {}
  for _, i in pairs(cin[cid] or {}) do list[#list + 1] = i end
  table.sort(list, function(a, b) return a.st < b.st end)
  return list
end

function store.inst(cid, how, key)
  local list = sorted(cid)
  local row
  if how == "latest" then row = list[#list] end
  if how == "oldest" then row = list[1] end
  for _, i in ipairs(list) do
    if how == "at" and i.st == key or how == "named" and i.rn == key then row = i end
  end
  return delayed(row and copy(row))
end

function store.insts(cid, how, n, st)
  local list, out = sorted(cid), {}
  for k = 1, #list do
    local i = how == "newest" and list[#list + 1 - k] or list[k]
    if #out < n and (how == "newest" or i.st >= st) then out[#out + 1] = copy(i) end
  end
  return delayed(out)
end

local function by_id(filter)
  local list = {}
  for _, row in pairs(res) do
    if filter(row) then list[#list + 1] = full(row) end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

function store.kids(pid, ty, after, n)
  local list = by_id(function(row)
    return row.pid == pid and row.id > after and (ty == 0 or row.ty == ty)
  end)
  local more = #list > n
  for i = #list, n + 1, -1 do list[i] = nil end
  return delayed(list, more)
end

-- The few statements of sql_life, and searches: sql.search is replaced by one that keeps its
-- arguments.
local find = {}

local function below(p, wanted)
  local list = by_id(function(row)
    if row.path < p[1] or row.path >= p[2] then return false end
    row.su = json.member(row.doc, "su") and json.string(json.member(row.doc, "su"))
    row.acrs = json.member(row.doc, "acrs")
    row.awi = row.ty == 13 and json.member(row.doc, "awi")
    row.awi = row.awi and json.string(row.awi) or nil
    local enc = row.ty == 23 and json.member(row.doc, "enc")
    local net = enc and json.member(enc, "net")
    row.of_deletion = net and net:find("%f[%d]2%f[%D]") and 1 or 0
    return wanted(row)
  end)
  table.sort(list, function(a, b)
    if a.ty ~= b.ty then return a.ty < b.ty end
    return a.path < b.path
  end)
  return list
end

function find.unverified_groups(p)
  return by_id(function(row)
    return row.ty == 9 and row.id > p[1] and json.member(row.doc, "mtv") == "false"
  end)
end

function find.below(p)
  return below(p, function(row)
    return row.ty == 1 or row.ty == 2 or row.ty == 9 or row.ty == 13 or row.ty == 23
      or row.ty == 48
  end)
end

function find.below_of(p)
  return below(p, function(row) return row.ty == p[3] and row.path > p[1] end)
end

local function given(p, text)
  for _, v in ipairs(require("moon2m.json").decode(text)) do
    if v == p then return true end
  end
end

function find.taken(p)
  return by_id(function(row) return given(row.path, p[1]) or given(row.id, p[2]) end)
end

function find.names(p)
  local list = {}
  for _, i in ipairs(sorted(p[1])) do
    if i.rn and given(i.rn, p[2]) then list[#list + 1] = i end
  end
  return list
end

function find.newest_children(p)
  local list = by_id(function(row) return row.pid == p[1] and row.id < p[2] end)
  table.sort(list, function(a, b) return a.id > b.id end)
  return list
end

function find.ranked(p)
  return by_id(function(row)
    row.nsp = tonumber(json.member(row.doc, "nsp"))
    return row.ty == 23 and row.id > p[1] and row.nsp ~= nil
  end)
end

function find.latest_child(p)
  local et
  for _, row in pairs(res) do
    if row.pid == p[1] and row.et and row.et > (et or 0) then et = row.et end
  end
  return { { et = et } }
end

function find.channels(p)
  local list = {}
  for _, row in pairs(res) do
    local ae = row.ty == 15 and res[row.pid]
    if ae and ae.ty == 2 and row.path > p[1] and json.member(ae.doc, "rr") == "false" then
      list[#list + 1] = { path = row.path, aei = ae.aei }
    end
  end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

function find.pending(p)
  local list = {}
  for _, row in pairs(res) do
    local rs = json.member(row.doc, "rs")
    if row.ty == 17 and row.path > p[1] and (rs == "3" or rs == "4" or rs == "5") then
      list[#list + 1] = row
    end
  end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

function find.of_type(p)
  return by_id(function(row) return row.ty == p[1] and row.id > p[2] end)
end

function find.cross(p)
  return by_id(function(row) return row.ty == 48 and row.id > p[1] end)
end

function find.named(p)
  return { meta[p[1]] and { v = meta[p[1]] } }
end

function find.kept(p)
  local list = {}
  for k, v in pairs(meta) do
    if k > p[1] and k < p[2] then list[#list + 1] = { k = k, v = v } end
  end
  table.sort(list, function(a, b) return a.k < b.k end)
  return list
end

function find.crossed(p)
  return by_id(function(row)
    return row.ty == 23 and row.id > p[1] and json.member(row.doc, "acrs") ~= nil
  end)
end

function find.expired(p)
  return by_id(function(row) return row.et ~= nil and row.et <= p[1] end)
end

function find.expired_instances(p)
  local list = {}
  for cid in pairs(cin) do
    for _, i in ipairs(sorted(cid)) do
      if i.et and i.et <= p[1] then list[#list + 1] = i end
    end
  end
  return list
end

function find.aged(p)
  local list = {}
  for cid, c in pairs(cs) do
    local first = sorted(cid)[1]
    if cid > p[1] and cid <= p[2] and c.mia and first and first.ct <= p[3] - c.mia * 1e6 then
      list[#list + 1] = { cid = cid, mia = c.mia }
    end
  end
  return list
end

function find.schedules(p)
  return by_id(function(row) return row.ty == 18 and row.id > p[1] end)
end

function find.monitored(p)
  local list, seen = {}, {}
  for _, row in ipairs(by_id(function(row) return row.ty == 23 and row.pid > p[1] end)) do
    local enc = json.member(row.doc, "enc")
    if enc and json.member(enc, "om") and not seen[row.pid] then
      seen[row.pid] = true
      list[#list + 1] = { pid = row.pid }
    end
  end
  table.sort(list, function(a, b) return a.pid < b.pid end)
  return list
end

local function search(q)
  local discovery = require "moon2m.discovery"
  local decode = require("moon2m.json").decode
  local scope, fc, list = q.scope, q.fc, {}
  local instance = {}
  for _, pair in ipairs(require("moon2m.types").containers()) do instance[pair[1]] = pair[2] end
  local function consider(row, get, path)
    local low = scope.path == "" and "" or scope.path .. "/"
    local inside = path ~= scope.path and path:sub(1, #low) == low
    local _, depth = path:sub(#low + 1):gsub("/", "")
    local after = scope.after
    if inside and (not fc.lvl or depth < fc.lvl) and discovery.match(fc, get) and not (after and
      (row.path < after.path or row.path == after.path and row.st <= after.st)) then
      list[#list + 1] = row
    end
  end
  for id, row in pairs(res) do
    local function value(name)
      if row[name] and name ~= "lbl" then return row[name] end
      local raw = name == "lbl" and row.lbl or json.member(row.doc, name)
      return raw and decode(raw)
    end
    consider({ path = row.path, st = 0, ty = row.ty, id = id, pid = row.pid, rn = row.rn,
      aei = row.aei }, value, row.path)
    for st, i in pairs(cin[id] or {}) do
      local one = { path = row.path, st = st, ty = instance[row.ty], id = id, pid = id, rn = i.rn }
      consider(one, function(name)
        return name == "ty" and one.ty or i[name]
      end, row.path .. "/x")
    end
  end
  table.sort(list, function(a, b)
    if a.path == b.path then return a.st < b.st end
    return a.path < b.path
  end)
  return list
end

function store.find(statement, params, limit)
  local list
  if type(statement) == "table" then
    list = search(statement)
  else
    for name, text in pairs(require "moon2m.sql_life") do
      if text == statement then list = find[name](params) end
    end
  end
  local more = #list > limit
  for i = #list, limit + 1, -1 do list[i] = nil end
  return delayed(list, more)
end

function store.max_id() return max_id end
function store.meta() return nil end

function find.event_groups(p)
  local list = {}
  for n, text in pairs(evt) do
    if n > p[1] then list[#list + 1] = { id = n, body = text } end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

function find.waiting_events(p)
  local list = {}
  for k, v in pairs(meta) do
    if k > p[1] and k < "evt0" then list[#list + 1] = { k = k, v = v } end
  end
  table.sort(list, function(a, b) return a.k < b.k end)
  return list
end

-- ---- the network -------------------------------------------------------------------------------

local audience = {}
audience.__index = audience

function audience:add(sub, sur, cr, target)
  self.list[#self.list + 1] = { sub = sub, sur = sur, cr = cr, target = target }
end

function audience:remove(sub)
  for i = #self.list, 1, -1 do
    if self.list[i].sub == sub then table.remove(self.list, i) end
  end
end

function audience:size() return #self.list end

function core.audience()
  return setmetatable({ list = {} }, audience)
end

function core.slot(name) return "|" .. name .. "|" end

function core.event(aud, opts, body)
  local to = {}
  for i, m in ipairs(aud.list) do to[i] = m end
  return { to = to, opts = opts, body = body }
end

-- ---- lanes -------------------------------------------------------------------------------------

local function tell(key)
  local lane = lanes[key]
  if not lane[1] then
    lane.told, lane.watch = nil, nil
  elseif not lane.told or lane.watch and #lane >= lane.watch then
    lane.told, lane.watch = true, nil
    later(function() fake.task(require("moon2m.boot").lane, key) end)
  end
end

local function hold(ev, to)
  lanes[to] = lanes[to] or {}
  last_notice = last_notice + 1
  table.insert(lanes[to], { id = last_notice, body = ev.body, raw = ev.opts.frame == "raw",
    binary = ev.opts.binary or false, type = ev.opts.type, ec = ev.opts.ec,
    at = require("moon2m.core.sys").now() })
  tell(to)
end

function core.publish(ev)
  assert(ev.stored, "published before it was stored")
  local direct = {}
  for _, m in ipairs(ev.to) do
    if m.target:find("^lane:") then hold(ev, m.target) else direct[#direct + 1] = m end
  end
  ev.to = direct
  if direct[1] then fake.published[#fake.published + 1] = ev end
end

function core.lane_waiting(key)
  return lanes[key] and #lanes[key] or 0
end

function core.lane_oldest(key)
  return lanes[key] and lanes[key][1] and lanes[key][1].at
end

function core.lane_read(key, n, after)
  local out = {}
  for _, item in ipairs(lanes[key] or {}) do
    if item.id > (after or 0) and #out < n then out[#out + 1] = copy(item) end
  end
  fake.lane_reads = fake.lane_reads + 1
  return delayed(out)
end

local function take(key, leaves)
  local n, lane = 0, lanes[key] or {}
  for i = #lane, 1, -1 do
    if leaves(lane[i], i) then
      table.remove(lane, i)
      n = n + 1
    end
  end
  if n > 0 then tell(key) end
  return n
end

function core.lane_done(key, id)
  take(key, function(item)
    assert(item.id > id or item.leaving, "taken out before it was stored")
    return item.id <= id
  end)
end

function core.lane_watch(key, n)
  if not lanes[key] then return end
  lanes[key].watch = n > 0 and n or nil
  tell(key)
end

function core.lane_drop(key, which, reason)
  local set = {}
  if type(which) == "table" then
    for _, id in ipairs(which) do set[id] = true end
  end
  local length = #(lanes[key] or {})
  local n = take(key, function(item, i)
    return which == "all" or which == "but newest" and i < length or set[item.id]
  end)
  fake.dropped[reason] = (fake.dropped[reason] or 0) + n
  return n
end

--- What the core counted: fake.stats[number of a subscription] = { { tg, rqs, rsr, noec }, ... }.
function core.sub_stats(id)
  return fake.stats[id] or {}
end

--- What a lane holds, oldest first.
function fake.lane(key) return lanes[key] or {} end

--- As after a restart: everything that waits in lanes is told again.
function fake.tell_lanes()
  for key, lane in pairs(lanes) do
    lane.told = nil
    tell(key)
  end
end

function core.abandon(ev)
  fake.abandoned[#fake.abandoned + 1] = ev
end

local function record(name)
  core[name] = function(...)
    fake.calls[#fake.calls + 1] = { name, ... }
    return true
  end
end
for _, name in ipairs { "routes", "reroute", "forget_target", "forget_sub", "keep_newest",
  "priority", "unbind", "bind", "refuse", "reply", "listen", "configure" } do
  record(name)
end

--- What targets answer: fake.answers[target] = rsc; absent: 0, unreachable.
function core.ask(target, pc)
  fake.asked[#fake.asked + 1] = { target = target, pc = pc }
  return delayed(fake.answers[target] or 0)
end

--- What other CSEs answer: fake.pass(key, text) -> end, rsc, pc, whole, head; nil: unreached.
function core.pass(key, text)
  fake.passed[#fake.passed + 1] = { key = key, text = text }
  if fake.pass then return delayed(fake.pass(key, text)) end
  return delayed("unreached", 0)
end

function core.connected(key) return fake.connected[key] or false end

-- ---- control -----------------------------------------------------------------------------------

--- Resumes everything that can go on, until nothing can.
function fake.run()
  while ready[1] do
    local r = table.remove(ready, 1)
    local go = type(r[1]) == "function" and r[1] or resume
    if go == resume then go(unpack(r, 1, r.n + 1)) else go(unpack(r, 2, r.n + 1)) end
  end
end

--- Commits wait until flush().
function fake.hold()
  held = true
end

--- Commits what is queued (n of them, default all), in order.
function fake.flush(n)
  for _ = 1, n or #queue do later(commit_first) end
  fake.run()
  if not n then held = false end
end

function fake.queued() return #queue end

--- The next n transactions (nil: all) fail with this code ("io", "gone", ...); nil: they succeed
-- again.
function fake.fail(code, n)
  failing, failures = code, n or math.huge
end

--- The instances of a container: list of rows, oldest first; and its hot row.
function fake.instances(cid)
  return sorted(cid), cs[cid]
end

--- What the store has under a name.
function fake.meta(k) return meta[k] end

function fake.row(id) return res[id] end
function fake.by_path(p) return find_res("path", p) end

--- The calls of the network module with this name.
function fake.called(name)
  local list = {}
  for _, c in ipairs(fake.calls) do
    if c[1] == name then list[#list + 1] = c end
  end
  return list
end

function core.poll(target, max, upto)
  local list, kept = {}, fake.kept[target] or {}
  while kept[1] and #list < max and kept[1].id <= (upto or 1e15) do
    local n = table.remove(kept, 1)
    fake.given[n.rqi] = target
    list[#list + 1] = ('{"op":5,"to":"%s","rqi":"%s","pc":%s}'):format(target, n.rqi, n.pc)
  end
  return list, false
end

function core.poll_last() return fake.last_notice end

function core.poll_answer(target, rqi, rsc)
  local ours = fake.given[rqi] == target
  if ours then fake.given[rqi] = rsc end
  return ours
end

--- A notice for an AE that polls is kept.
function fake.keep(target, rqi, pc)
  fake.last_notice = fake.last_notice + 1
  fake.kept[target] = fake.kept[target] or {}
  table.insert(fake.kept[target], { id = fake.last_notice, rqi = rqi, pc = pc })
  fake.task(require("moon2m.polling").polled, target)
  fake.run()
end

local function install_timers()
  local sys = require "moon2m.core.sys"
  local timers = require "moon2m.timers"
  fake.timers = {}
  sys.after = function(seconds, id)
    fake.timers[#fake.timers + 1] = { seconds = seconds, id = id }
  end
  sys.cancel = function(id)
    for i, t in ipairs(fake.timers) do
      if t.id == id then table.remove(fake.timers, i) end
    end
  end
  local sleepers, gates = {}, {}
  sys.wait = function(_, id)
    gates[id] = coroutine.running()
    return wait()
  end
  sys.wake = function(id)
    local co = gates[id]
    gates[id] = nil
    if co then later(co, true) end
    return co ~= nil
  end
  local yielded = {}                    -- those that sleep for 0 seconds
  sys.sleep = function(seconds)
    table.insert(seconds == 0 and yielded or sleepers, (coroutine.running()))
    return wait()
  end

  -- What is due at once: timers and sleeps of 0 seconds.  Whether there was any.
  local function turn()
    local due, rest, awake = {}, {}, yielded
    yielded = {}
    for _, t in ipairs(fake.timers) do table.insert(t.seconds == 0 and due or rest, t) end
    fake.timers = rest
    for _, co in ipairs(awake) do later(co) end
    for _, t in ipairs(due) do fake.task(timers.fire, t.id) end
    fake.run()
    return due[1] ~= nil or awake[1] ~= nil
  end

  --- Runs the tasks that were started for soon, and those that these start.  Whether there was any.
  function fake.soon()
    local any = false
    while turn() do any = true end
    return any
  end

  --- Lets time pass: every timer is due, every sleep is over.
  function fake.fire()
    turn()
    local due, awake, closed = fake.timers, sleepers, gates
    fake.timers, sleepers, gates = {}, {}, {}
    for _, co in ipairs(awake) do later(co) end
    for _, co in pairs(closed) do later(co, false) end
    for _, t in ipairs(due) do fake.task(timers.fire, t.id) end
    fake.run()
  end
end

--- A fresh library over an empty store; returns nothing, require what is needed afterwards.
function fake.reset()
  res, cs, cin, queue, ready, held, failing, max_id = {}, {}, {}, {}, {}, false, nil, 0
  fake.published, fake.abandoned, fake.calls, fake.asked, fake.answers = {}, {}, {}, {}, {}
  fake.reads, fake.kept, fake.given, fake.last_notice = 0, {}, {}, 0
  meta, evt = {}, {}
  lanes, last_notice, fake.dropped, fake.lane_reads = {}, 0, {}, 0
  fake.stats, fake.passed, fake.pass, fake.connected = {}, {}, nil, {}
  for name in pairs(package.loaded) do
    if name:match("^moon2m") and not name:match("^moon2m%.core%.") then
      package.loaded[name] = nil
    end
  end
  package.loaded["moon2m.core.store"] = store
  package.loaded["moon2m.core.cse"] = core
  require("moon2m.sql").search = function(scope, fc)
    return { scope = { id = scope.id, path = scope.path, after = scope.after }, fc = fc }, {}
  end
  install_timers()
end

return fake
