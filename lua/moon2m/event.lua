-- Which subscriptions a change concerns, and the notices that it makes.  The subscriptions of a
-- resource are grouped into classes of equal criteria, content type and format; each class has one
-- audience in the C core.  A class is judged once and formatted once per event, so ten thousand
-- alike subscriptions cost one Lua call and ten thousand memory copies.
-- Clauses: TS-0001 9.6.8, TS-0004 7.4.8 and 7.5.1.2.2; steps 1 and 2 of the delivery pipeline.

local core = require "moon2m.core.cse"
local sys = require "moon2m.core.sys"
local format = require "moon2m.format"
local json = require "moon2m.json"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"
local tree = require "moon2m.tree"

local event = {}

local OP_OF_NET = { "update", "delete", "create", "delete" }
local ALL, MODIFIED, ID_ONLY = 1, 2, 3
local default_format = "standard"

--- The format for subscriptions that name none (`notification.format` of the configuration).
function event.set_default_format(name)
  default_format = name
end

local last_at = 0

--- A sequence number: ascending, also over restarts as long as the clock does not go back.
function event.sequence()
  local now = sys.now()
  last_at = now > last_at and now or last_at + 1
  return last_at
end

--- The target that a `nu` entry means: an AE-ID stem, or a URL.  Yields.
-- nil, err (rsc 4004) when it names nothing that is registered here.
function event.target_of(nu)
  if nu:match("^%a[%w+.-]*://") and not nu:match("^//") then return nu end
  local plain = nu:gsub("[?&]ct=%a+$", "")
  local r, err = tree.resolve(plain)
  if not r then return nil, err end
  if r.ty == 2 then return (tree.value(r, "aei")) end
  return nil, rsc.err(rsc.NOT_FOUND, "attribute 'nu': %s is no AE", nu)
end

-- ---- classes ------------------------------------------------------------------------------------

local function set_of(list)
  if not list then return nil end
  local s = {}
  for _, v in ipairs(list) do s[v] = true end
  return s
end

-- The label `format:NAME` asks for a format (labels are standard and survive other CSEs).
local function format_of(sub)
  for _, label in ipairs(tree.value(sub, "lbl") or {}) do
    local name = label:match("^format:(.+)$")
    if name then return name end
  end
  return default_format
end

local function key_of(sub)
  return table.concat({ sub.raw.enc or "", sub.raw.nct or "", format_of(sub),
    sub.raw.cr and "cr" or "", sub.raw.nec or "" }, "\0")
end

local function new_class(sub)
  local enc = tree.value(sub, "enc") or {}
  local nets = enc.net
  if not nets or #nets == 0 then nets = { 1 } end
  return { nets = nets, atr = set_of(enc.atr), chty = set_of(enc.chty), cr = sub.raw.cr ~= nil,
    nct = tree.value(sub, "nct"), ec = tree.value(sub, "nec"), format = format_of(sub),
    audience = core.audience(), members = {}, size = 0 }
end

-- Where a subscription's notices go.  Yields.
local function targets_of(sub)
  local targets = {}
  for _, nu in ipairs(tree.value(sub, "nu")) do
    local target = event.target_of(nu)
    if target then targets[#targets + 1] = target end
  end
  return targets
end

local function class_of(index, sub)
  local key = key_of(sub)
  local class = index.classes[key]
  if not class then
    class = new_class(sub)
    class.key = key
    index.classes[key] = class
    for _, net in ipairs(class.nets) do
      index.by_net[net] = index.by_net[net] or {}
      table.insert(index.by_net[net], class)
    end
  end
  return class
end

local function join(index, sub, targets)
  local class = class_of(index, sub)
  local sur = path.sp_relative(sub.ri)
  local cr = class.cr and tree.value(sub, "cr") or nil
  for _, target in ipairs(targets) do class.audience:add(sub.id, sur, cr, target) end
  class.members[sub.id] = { sub = sub, sur = sur, cr = cr, targets = targets }
  class.size = class.size + 1
  index.class_of[sub.id] = class
end

-- A class without members is gone, and a kind of event that nobody asks for costs nothing.
local function drop(index, class)
  index.classes[class.key] = nil
  for _, net in ipairs(class.nets) do
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
  class.audience:remove(id)
  class.size = class.size - 1
  if class.size == 0 then drop(index, class) end
end

local function build(r)
  local index = { classes = {}, by_net = {}, class_of = {} }
  for _, sub in ipairs(tree.subs(r)) do
    local targets = targets_of(sub)
    leave(index, sub.id)
    join(index, sub, targets)
  end
  return index
end

--- The index of r's subscriptions, built at its first use (yields); built again when a
-- subscription changed meanwhile.
function event.index(r)
  while not r.events do
    local version = r.subs_version
    local index = build(r)
    if not r.events and r.subs_version == version then r.events = index end
  end
  return r.events
end

--- A subscription of r was created, updated or deleted ("create", "update", "delete"); without sub,
-- the index is built anew at its next use.  Call before the request is answered, after
-- tree.subs_changed: an event after the answer then meets the change.  A deletion does not yield.
function event.changed(r, sub, op)
  local index = r.events
  if not index then return end
  if not sub then
    r.events = nil
    return
  end
  if op == "delete" then return leave(index, sub.id) end
  local raw = sub.raw
  local targets = targets_of(sub)
  if sub.gone == "deleted" or sub.raw ~= raw then return end  -- a later change sees to it
  leave(index, sub.id)
  join(index, sub, targets)
end

-- ---- judging ------------------------------------------------------------------------------------

local function touches(atr, changed)
  for name in pairs(changed or {}) do
    if atr[name] then return true end
  end
  return false
end

local function concerns(class, net, subject, changed)
  if class.size == 0 then return false end
  if net == 1 and class.atr then return touches(class.atr, changed) end
  if (net == 3 or net == 4) and class.chty then return class.chty[subject.ty] ~= nil end
  return true
end

-- The representation by notification content type (TS-0004 6.3.4.2.18).
local function representation(class, net, subject, opts)
  local nct = class.nct or ALL
  if nct == ID_ONLY then return '{"m2m:uri":' .. json.encode(subject.ri) .. "}" end
  if nct == MODIFIED and net == 1 then
    opts.rep_modified = opts.rep_modified or schema.encode(subject.type, subject, opts.changed)
    return opts.rep_modified
  end
  opts.rep = opts.rep or schema.encode(subject.type, subject)
  return opts.rep
end

-- ---- making notices -----------------------------------------------------------------------------

-- What is kept of an event whose format failed: enough to format it again.
local function parked(class, e, why)
  sys.log("error", "format", ("format %s failed; its notices are parked: %s"):format(
    class.format, why))
  local body = { to = e.to, rep = e.rep, old = e.old, net = e.net, op = e.op, fr = e.fr, at = e.at,
    cr = e.cr }
  return { frame = "raw", format_failed = class.format }, json.encode(body)
end

local function make(out, class, f, audience, e)
  local ok, body, ctype = format.render(f, e)
  local opts
  if not ok then
    opts, body = parked(class, e, body)
  else
    opts = { frame = f.frame, binary = f.binary, type = ctype, ec = class.ec }
  end
  if body then out[#out + 1] = core.event(audience, opts, body) end
end

-- per = "target": one call and one notice per member.
local function make_each(out, class, f, e)
  for id, m in pairs(class.members) do
    for _, target in ipairs(m.targets) do
      local audience = core.audience()
      audience:add(id, m.sur, m.cr, target)
      e.sub, e.target = { ri = m.sub.ri, rn = m.sub.rn, lbl = tree.value(m.sub, "lbl") }, target
      make(out, class, f, audience, e)
    end
  end
end

local function notify_class(out, class, net, subject, opts)
  local f = format.get(class.format)
  local e = { to = opts.to, rep = representation(class, net, subject, opts), old = opts.old,
    net = net, op = OP_OF_NET[net], fr = opts.originator, at = opts.at, cr = class.cr }
  if not f then
    local o, body = parked(class, e, "no script declares it")
    out[#out + 1] = core.event(class.audience, o, body)
  elseif f.per == "target" then
    make_each(out, class, f, e)
  else
    make(out, class, f, class.audience, e)
  end
end

local NONE = {}

--- The notices of one change, ready for the transaction that makes it: {ev, ...}, to be stored with
-- {"event", ev} and published after the commit.
-- r        the subscribed-to resource;  net  1 update, 2 delete, 3 child created, 4 child deleted
-- subject  what the notice is about: r itself (1, 2) or the child (3, 4)
-- opts     { rep, old (JSON texts), changed = {attr = true} (net 1), originator }
-- Yields when r's subscriptions are not in memory yet.
function event.prepare(r, net, subject, opts)
  local index = r.events or event.index(r)
  local classes = index.by_net[net]
  if not classes then return NONE end
  local out
  for i = 1, #classes do
    local class = classes[i]
    if concerns(class, net, subject, opts.changed) then
      out = out or {}
      opts.at = opts.at or event.sequence()
      opts.to = opts.to or "/" .. r.path
      notify_class(out, class, net, subject, opts)
    end
  end
  return out or NONE
end

return event
