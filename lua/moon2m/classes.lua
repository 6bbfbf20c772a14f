-- The subscriptions of a resource, grouped into classes of equal criteria, content type and format;
-- each class has one audience in the C core.  A class is judged once and formatted once per event,
-- so ten thousand alike subscriptions cost one Lua call and ten thousand memory copies.
-- The index of a resource is built at its first use, kept with it and mended when a subscription
-- changes; an event that is prepared after a change was answered meets the change.

local core = require "moon2m.core.cse"
local criteria = require "moon2m.criteria"
local format = require "moon2m.format"
local members = require "moon2m.members"
local path = require "moon2m.path"
local policy = require "moon2m.policy"
local preference = require "moon2m.preference"
local statistics = require "moon2m.statistics"
local target = require "moon2m.target"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"

local classes = {}

local BUILD_TIME = 60            -- seconds to wait for an index that another task builds

local default_format = "standard"

--- The format for subscriptions that name none (`notification.format` of the configuration).
function classes.set_default_format(name)
  default_format = name
end

-- ---- classes ------------------------------------------------------------------------------------

-- The label `format:NAME` asks for a format (labels are standard and survive other CSEs).
local function format_of(sub)
  for _, label in ipairs(tree.value(sub, "lbl") or {}) do
    local name = label:match("^format:(.+)$")
    if name then return name end
  end
  return default_format
end

-- eeno: without a creator, `cr` is the originator of what happened.
local function wants_originator(sub)
  return sub.raw.eeno == "true" and sub.raw.cr == nil
end

local function key_of(sub, ec)
  return table.concat({ sub.raw.enc or "", sub.raw.nct or "", format_of(sub),
    sub.raw.cr and "cr" or wants_originator(sub) and "or" or "", ec or "",
    sub.raw.nfu or "", target.forwards(sub) and sub.id or "" }, "\0")
end

local function new_class(sub, ec)
  return { criteria = criteria.compile(tree.value(sub, "enc")), cr = sub.raw.cr ~= nil,
    eeno = wants_originator(sub), nct = tree.value(sub, "nct"), ec = ec,
    format = format_of(sub), audience = core.audience(), members = {}, size = 0,
    nfu = tree.value(sub, "nfu"), forwards = target.forwards(sub) ~= nil }
end

local function class_of(index, sub, ec)
  local key = key_of(sub, ec)
  local class = index.classes[key]
  if not class then
    class = new_class(sub, ec)
    class.key = key
    index.classes[key] = class
    for _, net in ipairs(class.criteria.nets) do
      index.by_net[net] = index.by_net[net] or {}
      table.insert(index.by_net[net], class)
    end
  end
  return class
end

-- Targets whose AE prefers a format (its connection's subprotocol named it) are in audiences of
-- their own; a class without such targets has by_format nil.
local function audience_of(class, to)
  local name = preference.of(to)
  if not name then return class.audience end
  local by_format = class.by_format or {}
  class.by_format = by_format
  by_format[name] = by_format[name] or core.audience()
  return by_format[name]
end

--- The name under which a member's notices for a target are stored: the target, or its lane.
function classes.store_as(m, to)
  return m.lane and not to:find("^lane:") and m.lane .. to or to
end

--- Adds the member m of subscription `id` to the audiences of a class.
local function enter(class, id, m)
  for _, to in ipairs(m.targets) do
    audience_of(class, to):add(id, m.sur, m.cr, classes.store_as(m, to))
  end
end

classes.enter = enter

local function withdraw(class, id)
  class.audience:remove(id)
  for name, audience in pairs(class.by_format or {}) do
    audience:remove(id)
    if audience:size() == 0 then class.by_format[name] = nil end
  end
  if class.by_format and not next(class.by_format) then class.by_format = nil end
end

-- Parents of subscriptions whose targets depend on groups, as long as they are cached.
local dependents = setmetatable({}, { __mode = "k" })

local function depend(index, r, groups)
  local id = next(groups)
  if not id then return end
  dependents[r] = true
  index.groups = index.groups or {}
  for one in pairs(groups) do index.groups[one] = true end
end

-- Members of subscriptions without `exc`: nobody needs to hear of what was delivered to them.
local uncounted = setmetatable({}, { __mode = "v" })

--- Whether deliveries of subscription `id` have to be counted down; true when in doubt.
function classes.counts(id)
  return uncounted[id] == nil
end

local function join(index, sub, targets)
  statistics.joined(sub, targets)
  local lane = policy.lane_of(sub, targets)
  local class = class_of(index, sub, policy.category(sub, lane))
  local sur = path.sp_relative(sub.ri)
  local cr = class.cr and tree.value(sub, "cr") or nil
  local m = { sub = sub, sur = sur, cr = cr, targets = targets, lane = lane }
  if class.forwards then class.only = m end
  enter(class, sub.id, m)
  policy.rank(sub)
  class.members[sub.id] = m
  uncounted[sub.id] = not sub.raw.exc and m or nil
  class.size = class.size + 1
  index.class_of[sub.id] = class
end

-- A class without members is gone, and a kind of event that nobody asks for costs nothing.
local function drop(index, class)
  index.classes[class.key] = nil
  for _, net in ipairs(class.criteria.nets) do
    local list = index.by_net[net]
    for i = #list, 1, -1 do
      if list[i] == class then table.remove(list, i) end
    end
    if not list[1] then index.by_net[net] = nil end
  end
end

local function leave(index, id)
  local class = index.class_of[id]
  if not class then return end
  index.class_of[id] = nil
  class.members[id] = nil
  uncounted[id] = nil
  withdraw(class, id)
  class.size = class.size - 1
  if class.size == 0 then drop(index, class) end
end

-- ---- the index ----------------------------------------------------------------------------------

local function build(r)
  local index = { classes = {}, by_net = {}, class_of = {}, seen = preference.version }
  for _, sub in ipairs(tree.subs(r)) do
    local targets, groups = target.list(sub)
    leave(index, sub.id)
    join(index, sub, targets)
    depend(index, r, groups)
  end
  return index
end

-- Builds once for all tasks that want it; the others wait.  Raises what build raises.
local function build_or_wait(r)
  if r.building then
    local gate = timers.gate()
    table.insert(r.building, gate)
    timers.wait(gate, BUILD_TIME)
    return
  end
  r.building = {}
  local version, at = r.subs_version, members.version
  local ok, index = pcall(build, r)
  local waiting = r.building
  r.building = nil
  if ok and r.subs_version == version and (at == members.version or not index.groups) then
    r.events = r.events or index
  end
  for _, gate in ipairs(waiting) do timers.wake(gate) end
  if not ok then error(index, 0) end
end

--- The index of r's subscriptions: { by_net = { [net] = { class, ... } } }.  Built at its first use
-- (yields); built again when a subscription changed meanwhile.
function classes.index(r)
  while not r.events do build_or_wait(r) end
  return r.events
end

-- ---- children that wait -------------------------------------------------------------------------

--- The index of r for whoever is about to create a child of it: waits while r is held.  What is
-- queued before anything yields again is told to the subscriptions of this index.  Yields.
function classes.entry(r)
  while r.hold or not r.events do
    if r.hold then
      local gate = timers.gate()
      table.insert(r.hold, gate)
      timers.wait(gate, BUILD_TIME)
    else
      build_or_wait(r)
    end
  end
  return r.events
end

--- Nobody creates a child of r from now on until `release`, which must follow.  Yields.
function classes.hold(r)
  classes.entry(r)
  r.hold = {}
  tree.pin(r)
end

--- Ends a hold, if there is one; those who waited go on in the next turn of the loop.
function classes.release(r)
  local waiting = r.hold
  if not waiting then return end
  r.hold = nil
  tree.unpin(r)
  for _, gate in ipairs(waiting) do timers.wake(gate) end
end

--- A subscription of r that is about to be stored, with what target.list said of it: it is told of
-- what happens from now on.  The index is there.  Never yields.
function classes.enrol(r, sub, targets, groups)
  join(r.events, sub, targets)
  depend(r.events, r, groups)
end

local function has_moved(m, since)
  for _, to in ipairs(m.targets) do
    if preference.moved_since(to, since) then return true end
  end
  return false
end

-- A member goes to the audiences that its targets prefer now, or to another class when its notices
-- have to be held back from now on.
local function regroup(index, class, id, m)
  if policy.lane_of(m.sub, m.targets) ~= m.lane then
    leave(index, id)
    join(index, m.sub, m.targets)
  else
    withdraw(class, id)
    enter(class, id, m)
  end
end

--- AEs have changed the format they prefer, or the times when they can be reached, since the index
-- was last looked at: their subscriptions go to other audiences.  Call when index.seen ~=
-- preference.version.  Never yields.
function classes.regroup(index)
  local all, list = index.seen < preference.floor, {}
  for id, class in pairs(index.class_of) do
    local m = class.members[id]
    if all or has_moved(m, index.seen) then list[id] = class end
  end
  for id, class in pairs(list) do regroup(index, class, id, class.members[id]) end
  index.seen = preference.version
end

--- Iterates over the formats that a class with by_format is delivered in: name, audience, and the
-- format that its targets prefer (nil: none).  A format that no script declares any more is not
-- waited for: its targets get the class's own.
function classes.formats(class)
  local list = {}
  if class.audience:size() > 0 then list[1] = { class.format, class.audience } end
  for name, audience in pairs(class.by_format) do
    list[#list + 1] = { format.get(name) and name or class.format, audience, name }
  end
  local i = 0
  return function()
    i = i + 1
    if list[i] then return unpack(list[i], 1, 3) end
  end
end

--- A subscription of r was created, updated or deleted ("create", "update", "delete"); without sub,
-- the index is built anew at its next use.  A deletion does not yield.
function classes.changed(r, sub, op)
  local index = r.events
  if sub then uncounted[sub.id] = nil end
  if not index then return end
  if not sub then
    r.events = nil
    return
  end
  if op == "delete" then return leave(index, sub.id) end
  local raw = sub.raw
  local targets, groups = target.list(sub)
  if sub.gone == "deleted" or sub.raw ~= raw then return end  -- a later change sees to it
  if r.events ~= index then return classes.changed(r) end
  leave(index, sub.id)
  join(index, sub, targets)
  depend(index, r, groups)
end

-- A group changed (id nil: any may have): what depends on it is made anew at its next use.
members.on_change(function(id)
  for r in pairs(dependents) do
    local groups = r.events and r.events.groups
    if groups and (id == nil or groups[id]) then r.events = nil end
    if r.gone then dependents[r] = nil end
  end
end)

return classes
