-- `moon2m import`: resources as they were, from lines of an export (dump.lua) or plain
-- representations of another CSE.
--
-- A line of an export comes back with its identifier, times, stateTag and the CSE's own texts when
-- its identifier is free here; any other is created by the administrator as a request would, with
-- the identifier that comes next, its times and its creator (that of its parent when it names
-- none).  Nobody is notified, no target verified.  How many lines at a time: intake.lua.
-- Guarantees: what is there already stays as it is, so that an import that broke off is begun
-- again.

local core = require "moon2m.core.json"
local announce = require "moon2m.announce"
local json = require "moon2m.json"
local kinds = require "moon2m.kind"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local sql_life = require "moon2m.sql_life"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local write = require "moon2m.write"

local AE, CSE_BASE, REQUEST, REMOTE_CSE = 2, 5, 17, 16
local PATIENCE, PAUSE = 1200, 0.05           -- times, seconds: until what was deleted is wiped

local restore = {}
local admin                      -- who creates what is made anew

--- who: the administrator's originator.
function restore.configure(who)
  admin = who
end

local function fail(attr, fmt, ...)
  error({ attr = attr, why = fmt:format(...) }, 0)
end

-- ---- references ---------------------------------------------------------------------------------

local refers = setmetatable({}, { __mode = "k" })            -- kind -> whether it holds identifiers

local function has_identifiers(kind)
  if refers[kind] ~= nil then return refers[kind] end
  local yes = kind == kinds.named.id or kind == kinds.named.uri
    or kind.of ~= nil and has_identifiers(kind.of)
  for _, m in ipairs(kind.members or {}) do yes = yes or has_identifiers(kinds.of(m[2])) end
  refers[kind] = yes
  return yes
end

-- "/old/x", "//sp/old/x" and "oldbase/x" as they are called here.
local function renamer(from, refs)
  local csi, csn, spi = path.configured()
  local function prefix(s, old, new)
    if old and old ~= new and (s == old or s:sub(1, #old + 1) == old .. "/") then
      return new .. s:sub(#old + 1)
    end
  end
  return function(s)
    return refs and refs[s]
      or from.spi and from.csi and prefix(s, from.spi .. from.csi, spi .. csi)
      or prefix(s, from.csi, csi) or prefix(s, from.csn, csn) or s
  end
end

local function renamed(rename, text)
  return json.strings(text, function(s)
    local new = rename(s)
    return new ~= s and new or nil
  end)
end

-- ---- one line -----------------------------------------------------------------------------------

local function members_of(text, what)
  local t, names = core.members(text)
  if not t then fail(what, "%s", names) end
  return t, names
end

local function text_in(t, name)
  if not t[name] then return nil end
  return core.string(t[name]) or fail(name, "expected a string")
end

local function stamp_in(t, name)
  local s = text_in(t, name)
  return s and (sys.parse_stamp(s) or fail(name, "not a timestamp"))
end

-- The numbers in the identifier that a line's resource or instance had: its own or its container's,
-- and the stateTag of an instance.
local function numbers(l)
  return path.parse_ri(text_in(l.own, "ri") or text_in(l.given, "ri") or "")
end

--- A line of the CSE `from` as { to, root, given = texts, own = `_` or nil, raw = its raw, replace,
-- path or nil, id or nil, st or nil: the numbers that it had }, or without root { to, st, lt }:
-- what a container is after its last instance.  Raises { attr, why }.
function restore.parse(text, from)
  local ok, bad = core.check(text)
  if not ok then fail(nil, "%s", tostring(bad)) end
  local line, names = core.members(text)
  if not line then fail(nil, "%s", names) end
  local l = { to = text_in(line, "to") or fail("to", "missing"), replace = line.replace == "true" }
  for _, name in ipairs(names) do
    if name:find(":", 1, true) then l.root = l.root and fail(name, "a second resource") or name end
  end
  if not l.root then
    l.st, l.lt = tonumber(line.st), stamp_in(line, "lt")
    if not l.st then fail(nil, 'no resource in the line (as "m2m:cnt")') end
    return l
  end
  l.given = members_of(line[l.root], l.root)
  l.own = line._ and members_of(line._, "_")
  l.raw = l.own and l.own.raw and members_of(l.own.raw, "_") or {}
  local rn = text_in(l.given, "rn")
  l.path = rn and (l.to == "" and rn or l.to .. "/" .. rn)
  if l.own then l.id, l.st = numbers(l) end
  l.rename = renamer(from, line.refs and json.decode(line.refs))
  return l
end

-- The type that a line is of, below parent.
local function type_of(l, parent)
  local T = types.find(l.root)
  local I = parent.type.container and types.instance_type(parent.type)
  if I and (I.root == l.root) and (not T or T.instance or tonumber(l.given.ty) == I.ty) then
    return I
  end
  if not T then fail(l.root, "unknown type") end
  if T.ty == CSE_BASE or T.ty == REQUEST then fail(l.root, "cannot be imported") end
  local e = types.child_error(parent.type, T)
  if e then fail(l.root, "%s", e.msg) end
  return T
end

--- Finds the parent of a line with root, and the type of what it is about: l.parent and l.T.
-- Raises { attr, why }.  Yields when the parent is not cached.
function restore.place(l)
  l.parent = l.to == "" and tree.by_id(1) or tree.by_path(l.to)
  if not l.parent then fail("to", "there is nothing at %s", l.to) end
  l.T = type_of(l, l.parent)
end

--- Looks up at once what is taken of the addresses and numbers of these lines, for
-- restore.resource: l.known.  Yields.
function restore.look_up(lines)
  local paths, ids = json.array {}, json.array {}
  for _, l in ipairs(lines) do
    local T = l.path and types.find(l.root)
    if T and not T.instance then
      paths[#paths + 1], ids[#ids + 1] = l.path, not l.st and l.id or nil
    end
  end
  if not paths[1] then return end
  local known = {}
  for _, row in ipairs(store.find(sql_life.taken, { json.encode(paths), json.encode(ids) },
    #paths + #ids)) do
    known[row.path], known[row.id] = true, true
  end
  for _, l in ipairs(lines) do l.known = known end
end

-- The attributes of a line, checked and renamed: texts and values.
local function attributes(l, T)
  local raw, values = {}, {}
  for name, text in pairs(l.given) do
    local A = T.attr[name]
    if not A then fail(name, "unknown attribute of %s", T.root) end
    if has_identifiers(A.kind) then text = renamed(l.rename, text) end
    local v, why = A.check(text)
    if v == nil and A.create ~= "-" then fail(name, "%s", why) end
    raw[name], values[name] = text, v
  end
  return raw, values
end

-- ---- instances ----------------------------------------------------------------------------------

-- Its name, whether that may be taken, and the stateTag that it had.
local function identify(l, i, parent)
  local rn = i.values.rn
  if rn and not path.parse_ri(rn) then i.rn = rn end
  i.was = l.st
  i.ask = i.rn and (not l.st or l.id ~= parent.id)
end

--- A line of an instance that has its place, checked: what restore.instances takes.  Raises
-- { attr, why }.
function restore.instance(l)
  local T, parent = l.T, l.parent
  local raw, values = attributes(l, T)
  for _, name in ipairs(T.mandatory) do
    if not raw[name] then fail(name, "missing") end
  end
  local i = { cid = parent.id, ty = T.ty, type = T, parent = parent, pi = parent.ri, raw = raw,
    values = values, ct = values.ct or sys.now(), size = tonumber(raw.cs) or 0 }
  if T.create then
    local ok, e = T.create({ req = { now = i.ct }, tree = tree }, parent, i)
    if not ok then fail(nil, "%s", e.msg) end
  end
  for name, text in pairs(l.raw) do raw[name] = text end
  i.et = stamp_in(l.own or l.given, "et")
  i.cr = raw.cr and core.string(raw.cr)
  identify(l, i, parent)
  for _, name in ipairs { "rn", "ri", "pi", "ty", "ct", "lt", "et", "st", "cs" } do
    raw[name] = nil
  end
  return i
end

-- Which of these instances' names are taken in their container: name -> true.  Yields.
local function names_taken(parent, list)
  local taken, names = {}, json.array {}
  for _, i in ipairs(list) do
    if i.ask then names[#names + 1] = i.rn end
  end
  if parent.st == 0 or not names[1] then return taken end
  for _, row in ipairs(store.find(sql_life.names, { parent.id, json.encode(names) }, #names)) do
    taken[row.rn] = tree.named(parent, row.rn) ~= nil
  end
  return taken
end

local function add_instance(ops, parent, i)
  ops[#ops + 1] = { "inst", parent.id, i.st, i.ct, i.et, i.size, parent.path, i.rn, i.cr,
    i.raw.lbl, require("moon2m.op_instance").further(i.type, i.raw), i.raw.con or "null", i.mark }
  if i.raw.at then
    i.ri = path.ri_inst(parent.id, i.st)
    announce.prepare(ops, i, true)
  end
end

-- Gives those that find a place their stateTags: what is to be stored.  Never yields.
local function placed(parent, list, taken, outcomes)
  local ops = {}
  for k, i in ipairs(list) do
    i.st = i.was or parent.st + 1
    if i.ask and taken[i.rn] then
      outcomes[k] = "there"
    elseif i.st > parent.st then
      parent.st, parent.lt = i.st, i.ct
      add_instance(ops, parent, i)
      outcomes[k] = "made"
    end
  end
  return ops
end

--- Stores instances of one container in one transaction; queued() (may be nil) is called when what
-- follows may begin.  For each "made", "there" or "left" (its container has gone on without it).
-- Raises { why }, then none of them is stored.  Yields.
function restore.instances(parent, list, queued)
  local taken, outcomes = names_taken(parent, list), {}
  if parent.gone then fail("to", "%s was deleted meanwhile", parent.path) end
  local st, lt = parent.st, parent.lt
  local ops = placed(parent, list, taken, outcomes)
  local last = parent.st
  if ops[1] then
    if queued then queued() end
    local ok, e = write.commit(ops, nil, parent)
    tree.forget_newest(parent)
    if not ok then
      if parent.st == last then parent.st, parent.lt = st, lt end
      fail(nil, "%s", e.msg)
    end
  end
  for k, i in ipairs(list) do
    outcomes[k] = outcomes[k] or (tree.instance(parent, i.st) and "there" or "left")
  end
  return outcomes
end

-- ---- resources ----------------------------------------------------------------------------------

local function perform(req)
  req.fr = req.fr or admin
  return require("moon2m.dispatch").perform(req)
end

local function refused(code, pc)
  local why = pc and json.decode(pc)
  why = why and why["m2m:dbg"] or "refused"
  local attr, rest = why:match("^([%w_]+): (.*)$")
  fail(attr, "%s (%d)", rest or why, code)
end

-- What is at the address of a line, and whether its number is taken.  known: what the store had
-- before, now the cache tells; else both are asked, which yields.
local function at_path(l, known)
  if known and not known[l.path] then return tree.peek_path(l.path) end
  return tree.by_path(l.path)
end

local function taken(id, known)
  if known and not known[id] then return tree.peek_id(id) end
  return tree.by_id(id)
end

-- The resource as it was, with its number.  Yields.
local function as_it_was(l, T, parent)
  local raw, values = attributes(l, T)
  local r = { id = l.id, pid = parent.id, ty = T.ty, type = T, rn = values.rn, path = l.path,
    ri = path.ri(l.id), pi = parent.ri, ct = values.ct or sys.now(), et = values.et,
    st = tonumber(l.own.st) or 0, raw = {} }
  r.lt = values.lt or r.ct
  for name, text in pairs(raw) do
    if not T.attr[name].get then r.raw[name] = text end
  end
  for name, text in pairs(l.raw) do r.raw[name] = text end
  if r.raw._cr then r.raw._cr = renamed(l.rename, r.raw._cr) end
  r.raw._pi = parent.ty == AE and core.quote(parent.ri) or nil
  if T.ty == AE then r.ri = core.string(raw.aei or "") or fail("aei", "missing") end
  local key = raw[T.ty == AE and "aei" or T.ty == REMOTE_CSE and "csi" or ""]
  if key and tree.by_aei(core.string(key)) then
    fail(T.ty == AE and "aei" or "csi", "%s is registered already", core.string(key))
  end
  if T.container then r.cni, r.cbs, r.oldest = 0, 0, 0 end
  if tree.holds(r) then r.st = 0 end          -- its instances raise it
  return r
end

-- As it was, with its identifier.
local function exact(l, T, parent, queued)
  local r = as_it_was(l, T, parent)
  if tree.peek_path(l.path) then fail("rn", "%s was created meanwhile", l.path) end
  local req = { who = admin, now = sys.now(), op = 1, ty = T.ty, params = {},
    restored = { queued = queued } }
  tree.claim(l.id)
  for _ = 1, queued and 1 or PATIENCE do
    local ok, e = require("moon2m.op_create").restore(req, parent, r)
    if ok then return end
    if e.rsc ~= rsc.NOT_FOUND then fail(nil, "%s", e.msg) end
    if parent.gone then fail("to", "%s was deleted meanwhile", parent.path) end
    if not queued then sys.sleep(PAUSE) end
    r.gone = nil
  end
  fail("rn", "what was deleted here is not wiped yet, try again")
end

-- As a request would, with the times and the creator that the line names.
local function anew(l, T, parent, queued)
  local raw, values = attributes(l, T)
  local parts, fr = {}, nil
  for name, text in pairs(raw) do
    local A, past = T.attr[name], name == "et" and values.et and values.et <= sys.now()
    if A.create ~= "-" and A.create ~= "null" and not past then
      parts[#parts + 1] = core.quote(name) .. ":" .. text
    end
  end
  if T.ty == AE or T.ty == REMOTE_CSE then
    local attr = T.ty == AE and "aei" or "csi"
    fr = raw[attr] and core.string(raw[attr]) or fail(attr, "missing")
  end
  table.sort(parts)
  local cr = l.raw._cr and renamed(l.rename, l.raw._cr)
    or parent.creator and core.quote(parent.creator)
  local code, pc = perform { op = 1, ty = T.ty, fr = fr, to = path.structured(parent.path),
    pc = ('{"%s":{%s}}'):format(T.root, table.concat(parts, ",")),
    restored = { rn = T.attr.rn.create == "-" and values.rn or nil, ct = values.ct, lt = values.lt,
      cr = raw.cr ~= "null" and raw.cr, _cr = cr, queued = queued } }
  if code ~= rsc.CREATED then refused(code, pc) end
end

--- Stores what a line that has its place is about: "made", "there", or "new" when it was made with
-- a new identifier.  queued() is called when what follows may begin; nil: nobody waits, what was
-- deleted here has time to be wiped.  Raises { attr, why }.  Yields.
function restore.resource(l, queued)
  local T, parent, known = l.T, l.parent, queued and l.known
  if not l.path then fail("rn", "missing") end
  if not path.is_name(l.path:match "[^/]*$") then fail("rn", "not a resource name") end
  local there = at_path(l, known)
  if there and l.replace then
    local code, pc = perform { op = 4, to = path.structured(l.path) }
    if code ~= rsc.DELETED then refused(code, pc) end
  elseif there then
    if there.ty ~= T.ty then fail("rn", "%s is here another type's", l.path) end
    return "there"
  end
  if l.id and not l.st and not taken(l.id, known) then
    exact(l, T, parent, queued)
    return "made"
  end
  anew(l, T, parent, queued)
  return "new"
end

--- Makes a container what a line without root says: as it was after its last instance.  Raises
-- { why }.  Yields.
function restore.finish(l, queued)
  local r = tree.by_path(l.to)
  if not (r and tree.holds(r) and l.st >= r.st) then return end
  r.st, r.lt = l.st, l.lt
  if queued then queued() end
  local ok, e = write.commit({ { "touch", r.id, l.st, l.lt } }, nil, r)
  if not ok then fail(nil, "%s", e.msg) end
end

return restore
