-- What stands for moon2m.core.cse and, in commits, for the notification engine.  A notice that
-- would leave counts as delivered and acknowledged at once and is written down; lanes (batches,
-- rate limits, schedules) hold notices as the engine does, so that the library's rules for them
-- work.
-- Not here: queues of targets that are away, retries, windows; t.server runs those.

local network = {}

local core                       -- the module that the library sees
local loop, boot
local notices                    -- what was delivered, oldest first
local parked                     -- events whose format failed
local pages                      -- path -> { type, body }
local lanes                      -- key -> { notice, ... }, with `watch` and `told`
local last_id, last_rqi
local delivered                  -- in this turn: { subscription, n, ... }

local function copy(t)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  return c
end

-- ---- audiences and events -----------------------------------------------------------------------

local audience = {}
audience.__index = audience

function audience:add(sub, sur, cr, target)
  self.list[#self.list + 1] = { sub = sub, sur = sur, cr = cr or "", target = target }
end

function audience:remove(sub)
  for i = #self.list, 1, -1 do
    if self.list[i].sub == sub then table.remove(self.list, i) end
  end
end

function audience:size() return #self.list end

local function slot(name) return "@@moon2m-test-" .. name .. "@@" end

local function fill(body, m, rqi)
  local value = { sur = m.sur, cr = m.cr, to = m.target, rqi = rqi }
  return (body:gsub("@@moon2m%-test%-(%l+)@@", value))
end

-- ---- delivery -----------------------------------------------------------------------------------

-- The subscription's path below the CSEBase, while it is there.
local function sub_path(id)
  local r = require("moon2m.tree").by_id(id)
  return r and "/" .. r.path
end

-- The library is told once per turn what was delivered: { id, n, id, n, ... }.
local function count(sub)
  if not delivered then
    delivered = {}
    loop.soon(function()
      local list = delivered
      delivered = nil
      return boot.delivered(list)
    end)
  end
  for i = 1, #delivered, 2 do
    if delivered[i] == sub then
      delivered[i + 1] = delivered[i + 1] + 1
      return
    end
  end
  delivered[#delivered + 1] = sub
  delivered[#delivered + 1] = 1
end

local function deliver(m, opts, body)
  last_rqi = last_rqi + 1
  notices[#notices + 1] = { target = m.target, sub = sub_path(m.sub), sur = m.sur,
    body = fill(body, m, "rqi" .. last_rqi), type = opts.type, frame = opts.frame or "primitive",
    binary = opts.binary or false, ec = opts.ec, at = loop.sys.now() }
  count(m.sub)
end

local function tell(key)
  local lane = lanes[key]
  if not lane[1] then
    lane.told, lane.watch = nil, nil
  elseif not lane.told or lane.watch and #lane >= lane.watch then
    lane.told, lane.watch = true, nil
    loop.soon(function() return boot.lane(key) end)
  end
end

local function hold(m, opts, body)
  lanes[m.target] = lanes[m.target] or {}
  last_id = last_id + 1
  table.insert(lanes[m.target], { id = last_id, body = fill(body, m, ""),
    raw = opts.frame == "raw", binary = opts.binary or false, type = opts.type, ec = opts.ec,
    at = loop.sys.now() })
  tell(m.target)
end

local function send(members, opts, body)
  for _, m in ipairs(members) do
    if m.target:find("^lane:") then hold(m, opts, body) else deliver(m, opts, body) end
  end
end

local function events()
  function core.audience() return setmetatable({ list = {} }, audience) end
  core.slot = slot
  function core.event(a, opts, body) return { to = copy(a.list), opts = opts, body = body } end
  function core.publish(ev)
    assert(ev.stored, "published before it was stored")
    if not ev.opts.format_failed then return send(ev.to, ev.opts, ev.body) end
    last_id = last_id + 1
    parked[#parked + 1] = { id = last_id, to = ev.to, format = ev.opts.format_failed,
      body = ev.body }
  end
  function core.abandon() end
  function core.replay()
    for _, p in ipairs(copy(parked)) do
      loop.soon(function() return boot.reformat(p.id, p.format, p.body) end)
    end
  end
  function core.reformat(id, opts, body)
    if opts and opts.format_failed then return false end
    for i, p in ipairs(parked) do
      if p.id == id then
        table.remove(parked, i)
        if body then send(p.to, opts, body) end
        return true
      end
    end
    return false
  end
end

-- ---- lanes --------------------------------------------------------------------------------------

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

local function lane_functions()
  function core.lane_waiting(key) return lanes[key] and #lanes[key] or 0 end
  function core.lane_oldest(key) return lanes[key] and lanes[key][1] and lanes[key][1].at end
  function core.lane_read(key, n, after)
    local out = {}
    for _, item in ipairs(lanes[key] or {}) do
      if item.id > (after or 0) and #out < n then out[#out + 1] = copy(item) end
    end
    return out
  end
  function core.lane_done(key, id)
    take(key, function(item) return item.id <= id end)
  end
  function core.lane_watch(key, n)
    if not lanes[key] then return end
    lanes[key].watch = n > 0 and n or nil
    tell(key)
  end
  function core.lane_drop(key, which)
    local set, length = {}, #(lanes[key] or {})
    if type(which) == "table" then
      for _, id in ipairs(which) do set[id] = true end
    end
    return take(key, function(item, i)
      return which == "all" or which == "but newest" and i < length or set[item.id]
    end)
  end
end

-- ---- the rest -----------------------------------------------------------------------------------

local function nothing() return true end

local function others()
  for _, name in ipairs { "routes", "reroute", "forget_target", "forget_sub", "keep_newest",
    "priority", "unbind", "bind", "refuse", "reply", "configure", "formats" } do
    core[name] = nothing
  end
  function core.page(path, kind, body)
    pages[path] = body and { type = kind, body = body } or nil
    return true
  end
  function core.listen(o) return o.port end
  function core.connected() return false end
  function core.ask() return 2000 end
  function core.sub_stats() return {} end
  function core.accounts() return {} end
  function core.notices() return {} end
  function core.drop() return 0 end
  function core.poll() return {}, false end
  function core.poll_last() return 0 end
  function core.poll_answer() return false end
end

local MISSING = { __index = function(_, name)
  error(("moon2m.core.cse.%s has no stand-in in lua/moon2m/test/network.lua"):format(name), 2)
end }

--- A network that nothing went through yet, or (again) what a restart left; the module that the
-- library requires as moon2m.core.cse.
function network.open(the_loop, again)
  loop, pages, delivered = the_loop, {}, nil
  if not again then notices, parked, lanes, last_id, last_rqi = {}, {}, {}, 0, 0 end
  for _, lane in pairs(lanes) do lane.told = nil end
  core = setmetatable({}, MISSING)
  events()
  lane_functions()
  others()
  return core
end

--- The boot module of the library that was loaded over it.  What waits in lanes is told again.
function network.serve(the_boot)
  boot = the_boot
  for key in pairs(lanes) do tell(key) end
end

--- A commit without what belongs to the notification engine, which has no store here.
function network.commit(real)
  return function(ops)
    local kept = {}
    for _, op in ipairs(ops) do
      if op[1] == "event" then
        op[2].stored = true
      elseif op[1] ~= "lane_done" then
        kept[#kept + 1] = op
      end
    end
    return real(kept)
  end
end

--- Everything that was delivered: { target, sub (path or nil), sur, body, type, frame, binary, ec,
-- at }, oldest first.
function network.notices() return notices end

--- The page that a script serves at a path: { type, body }, or nil.
function network.page(path) return pages[path] end

--- What waits because its format failed: { format, ... }.
function network.parked() return parked end

return network
