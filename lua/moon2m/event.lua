-- The notices that a change makes, and the events that are no change: an operation that somebody
-- monitors, a container without data, a trigger, missing data.  Which subscriptions an event
-- concerns is criteria.lua's and classes.lua's; what a notice looks like is format.lua's.
-- Clauses: TS-0001 9.6.8, TS-0004 7.5.1.2.2; steps 1 and 2 of the delivery pipeline.

local core = require "moon2m.core.cse"
local cjson = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local classes = require "moon2m.classes"
local criteria = require "moon2m.criteria"
local format = require "moon2m.format"
local json = require "moon2m.json"
local missing = require "moon2m.missing"
local preference = require "moon2m.preference"
local schema = require "moon2m.schema"
local target = require "moon2m.target"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local event = { index = classes.index, entry = classes.entry, changed = classes.changed,
  target_of = target.of, set_default_format = classes.set_default_format }

local OP_OF_NET = { "update", "delete", "create", "delete", "retrieve", "trigger",
  [8] = "missing" }
local OP_NAME = { "create", "retrieve", "update", "delete", "notify" }
local NO_DATA, TRIGGER, MISSING = 5, 6, 8
local ALL, MODIFIED, ID_ONLY = 1, 2, 3
local NONE = {}

local om_net                     -- `net` in the notices of operation monitors, or nil

--- o.om_net: true: operation monitors are told net 0, as the standard wants a `net` in each event
-- and has no value for theirs; false: they are told none.
function event.configure(o)
  om_net = o.om_net and 0 or nil
end

local last_at = 0

--- A sequence number: ascending, also over restarts as long as the clock does not go back.
function event.sequence()
  local now = sys.now()
  last_at = now > last_at and now or last_at + 1
  return last_at
end

-- ---- making notices -----------------------------------------------------------------------------

-- The representation by notification content type (TS-0004 6.3.4.2.18); opts.payload: what an event
-- without a resource carries (nct 4 and 5).
local function representation(class, net, subject, opts)
  if opts.payload then return opts.payload end
  local nct = class.nct or ALL
  if nct == ID_ONLY then return '{"m2m:uri":' .. json.encode(subject.ri) .. "}" end
  if nct == MODIFIED and net == 1 then
    opts.rep_modified = opts.rep_modified or schema.encode(subject.type, subject, opts.changed)
    return opts.rep_modified
  end
  opts.rep = opts.rep or schema.encode(subject.type, subject)
  return opts.rep
end

-- What is kept of an event whose format failed: enough to format it again.
local function parked(name, e, why)
  sys.log("error", "format", ("format %s failed; its notices are parked: %s"):format(name, why))
  local body = { to = e.to, rep = e.rep, old = e.old, net = e.net, om = e.om, op = e.op,
    fr = e.fr, at = e.at, cr = e.cr, sub = e.sub, target = e.target, sur = e.sur,
    creator = e.creator, nfu = e.nfu, ec = e.ec }
  return { frame = "raw", format_failed = name }, json.encode(body)
end

-- A body and what the C core needs to know of it; body nil: nothing to send.
local function rendered(name, e)
  local f = format.get(name)
  if not f then return parked(name, e, "no script declares it") end
  local ok, body, ctype = format.render(f, e)
  if not ok then return parked(name, e, body) end
  return { frame = f.frame, binary = f.binary, type = ctype, ec = e.ec }, body
end

-- Classes that are told the same in the same format share one call of it.
local function make(out, name, audience, e, made)
  local key = made and table.concat({ name, tostring(e.cr), tostring(e.ec), tostring(e.nfu),
    tostring(e.sur) }, "\0")
  local same = made and made[key] and made[key][e.rep]
  if not same then
    same = { rendered(name, e) }
    if made then
      made[key] = made[key] or {}
      made[key][e.rep] = same
    end
  end
  if same[2] then out[#out + 1] = core.event(audience, same[1], same[2]) end
end

-- per = "target": one call and one notice per member.  prefers: only the targets whose AE prefers
-- this format, nil: only those that prefer none.
local function make_each(out, name, class, e, prefers)
  for id, m in pairs(class.members) do
    e.sub, e.sur, e.creator = { ri = m.sub.ri, rn = m.sub.rn, lbl = tree.value(m.sub, "lbl") },
      m.sur, m.cr
    for _, to in ipairs(m.targets) do
      if preference.of(to) == prefers then
        local audience = core.audience()
        audience:add(id, m.sur, m.cr, classes.store_as(m, to))
        e.target = to
        make(out, name, audience, e)
      end
    end
  end
  e.sub, e.sur, e.creator, e.target = nil, nil, nil, nil
end

local function tell(out, class, e, made, name, audience, prefers)
  local f = format.get(name)
  if f and f.per == "target" then
    make_each(out, name, class, e, prefers)
  else
    make(out, name, audience, e, made)
  end
end

-- A subscription that a group forwards: its notices wait in the group's lane, so they are complete.
local function hold(out, class, e, made)
  local m = class.only
  e.sur, e.creator = m.sur, m.cr
  make(out, "standard", class.audience, e, made)
end

local function notify_class(out, class, net, subject, opts)
  opts.at = opts.at or event.sequence()
  opts.to = opts.to or "/" .. subject.path
  local e = { to = opts.to, rep = representation(class, net, subject, opts), old = opts.old,
    net = net, op = opts.op or OP_OF_NET[net], om = opts.om, fr = opts.originator, at = opts.at,
    cr = class.cr or class.eeno and opts.originator, nfu = class.nfu, ec = class.ec }
  if class.forwards then return hold(out, class, e, opts.made) end
  if not class.by_format then
    return tell(out, class, e, opts.made, class.format, class.audience)
  end
  for name, audience, prefers in classes.formats(class) do
    tell(out, class, e, opts.made, name, audience, prefers)
  end
end

--- Formats an event again whose format had failed.  body: what was kept.  The event's options and
-- body as core.event takes them (format_failed is set when it fails again); body nil: the format
-- has nothing to send.
function event.reformat(name, body)
  local e = json.decode(body)
  return rendered(name, e)
end

--- The notices of one change, ready for the transaction that makes it: {ev, ...}, to be stored with
-- {"event", ev} and published after the commit.
-- r        the subscribed-to resource;  net  1 update, 2 delete, 3 child created, 4 child deleted
-- subject  what the notice is about: r itself (1, 2) or the child (3, 4)
-- opts     { rep, old (JSON texts), changed = {attr = true} (net 1), originator }
-- Yields when r's subscriptions are not in memory yet.
function event.prepare(r, net, subject, opts)
  local index = r.events or classes.index(r)
  local list = index.by_net[net]
  if not list then return NONE end
  if index.seen ~= preference.version then
    classes.regroup(index)
    list = index.by_net[net]
  end
  if list[2] or list[1].by_format then opts.made = {} end
  local out
  for i = 1, #list do
    local class = list[i]
    if criteria.concerns(class.criteria, net, subject, opts.changed) then
      out = out or {}
      opts.to = opts.to or "/" .. r.path
      notify_class(out, class, net, subject, opts)
    end
  end
  return out or NONE
end

-- One subscription of a class as a class of its own.
local function alone(class, id)
  local m = class.members[id]
  local one = setmetatable({ members = { [id] = m }, audience = core.audience(),
    by_format = false }, { __index = class })
  classes.enter(one, id, m)
  return one
end

--- The notices that tell a subscription of r that has just been enrolled of children that are there
-- (net 3), in their order.  Never yields.
function event.of_children(r, sub, list)
  local index, out = r.events, {}
  if index.seen ~= preference.version then classes.regroup(index) end
  local one = alone(index.class_of[sub.id], sub.id)
  for _, child in ipairs(list) do
    notify_class(out, one, 3, child, { to = "/" .. r.path, at = child.ct })
  end
  return out
end

-- ---- events that are no change ------------------------------------------------------------------

-- Stores and publishes notices that belong to no other transaction.  true | nil, err.  Yields.
local function send(events)
  if #events == 0 then return true end
  return write.commit({}, events)
end

--- The notices for those who monitor an operation on r (enc.om): op 1 to 5, op_bit its bit of
-- `acop`, who the originator.  Yields when r's subscriptions are not in memory yet.
function event.monitored(r, op, op_bit, who)
  local index = classes.index(r)
  local list = index.by_net[criteria.MONITOR]
  if not list then return NONE end
  if index.seen ~= preference.version then
    classes.regroup(index)
    list = index.by_net[criteria.MONITOR]
  end
  local out = {}
  local opts = { om = { op = op, ["or"] = who }, op = OP_NAME[op], originator = who }
  for _, class in ipairs(list) do
    if criteria.monitors(class.criteria, op_bit, who, r) then
      notify_class(out, class, om_net, r, opts)
    end
  end
  return out
end

--- A RETRIEVE of container r with its instances found none: tells the subscribers of net 5.
-- true | nil, err.  Yields.
function event.no_data(r, who)
  return send(event.prepare(r, NO_DATA, r, { originator = who }))
end

--- An AE was triggered (net 6).  payload: the content of m2m:tgp as JSON text.  true | nil, err.
-- Yields.
function event.trigger(ae, payload)
  if cjson.type(payload) ~= "object" then error("a trigger's payload is a JSON object", 2) end
  return send(event.prepare(ae, TRIGGER, ae, { payload = '{"m2m:tgp":' .. payload .. "}" }))
end

--- Data points of ts (a timeSeries) are missing: list of their times in microseconds, ascending,
-- the newest of count (nil: all).  The notices of the subscribers of net 8 whose md says so
-- (TS-0004 7.5.1.2.9), and the operations that keep what is counted for them, for one transaction.
-- Yields when ts's subscriptions are not in memory yet.
function event.missing(ts, list, count)
  local out, ops, index = {}, {}, classes.index(ts)
  if index.seen ~= preference.version then classes.regroup(index) end
  for _, class in ipairs(index.by_net[MISSING] or NONE) do
    if criteria.concerns(class.criteria, MISSING, ts) then
      for id in pairs(class.members) do
        for _, tsn in ipairs(missing.points(id, class.criteria.md, list, count)) do
          notify_class(out, alone(class, id), MISSING, ts, { payload = tsn })
        end
        ops[#ops + 1] = missing.row(id)
      end
    end
  end
  return out, ops
end

return event
