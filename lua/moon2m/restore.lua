-- `moon2m import`: resources as they were, from lines of an export (dump.lua) or plain
-- representations of another CSE.
--
-- A line of an export comes back with its identifier, times, stateTag and the CSE's own texts when
-- its identifier is free here; any other is created by the administrator as a request would, with
-- the identifier that comes next, its times and its creator (that of its parent when it names
-- none).  Nobody is notified, no target verified. Guarantees: what is there already stays as it is,
-- so that an import that broke off is begun again.

local core = require "moon2m.core.json"
local announce = require "moon2m.announce"
local json = require "moon2m.json"
local kinds = require "moon2m.kind"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"
local types = require "moon2m.types"
local write = require "moon2m.write"

local AE, CSE_BASE, REQUEST, REMOTE_CSE = 2, 5, 17, 16
local BATCH = 500                -- instances of one transaction
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

-- A line as { to, root, given = texts, own = `_` or nil, raw = its raw, replace }.
local function read(text, ctx)
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
  l.rename = renamer(ctx.from, line.refs and json.decode(line.refs))
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

local function join(p, rn)
  return p == "" and rn or p .. "/" .. rn
end

-- ---- instances ----------------------------------------------------------------------------------

local function flush(ctx)
  local batch = ctx.batch
  if not batch then return end
  ctx.batch = nil
  local r = batch.container
  local ok, e = write.commit(batch.ops, nil, r)
  tree.forget_newest(r)
  if not ok then
    r.st = batch.before
    fail(nil, "%s", e.msg)
  end
  ctx.done, ctx.made = ctx.done + batch.n, ctx.made + batch.n
end

local function instance_object(l, T, parent)
  local raw, values = attributes(l, T)
  for _, name in ipairs(T.mandatory) do
    if not raw[name] then fail(name, "missing") end
  end
  local i = { cid = parent.id, ty = T.ty, type = T, parent = parent, pi = parent.ri, raw = raw,
    values = values, ct = values.ct or sys.now(), size = tonumber(raw.cs) or 0, rn = values.rn }
  if T.create then
    local ok, e = T.create({ req = { now = i.ct }, tree = tree }, parent, i)
    if not ok then fail(nil, "%s", e.msg) end
  end
  for name, text in pairs(l.raw) do raw[name] = text end
  i.et = stamp_in(l.own or l.given, "et")
  i.cr = raw.cr and core.string(raw.cr)
  for _, name in ipairs { "rn", "ri", "pi", "ty", "ct", "lt", "et", "st", "cs" } do
    raw[name] = nil
  end
  return i
end

-- Its stateTag, or nil when it is there already or the container has gone on without it.
local function place(l, i, parent)
  local cid, st
  if l.own then cid, st = path.parse_ri(text_in(l.given, "ri") or "") end
  local named = i.rn and path.parse_ri(i.rn) == nil and i.rn or nil
  i.rn = named
  if not st or not l.own then
    if named and tree.named(parent, named) then return nil, "there" end
    return parent.st + 1
  end
  if cid ~= parent.id and named and tree.named(parent, named) then return nil, "there" end
  if st > parent.st then return st end
  return nil, tree.instance(parent, st) and "there" or "left"
end

local function instance(ctx, l, T, parent)
  local batch = ctx.batch
  if batch and (batch.container ~= parent or batch.n >= BATCH) then
    flush(ctx)
    batch = nil
  end
  local i = instance_object(l, T, parent)
  local st, why = place(l, i, parent)
  if not st then
    flush(ctx)
    ctx[why], ctx.done = ctx[why] + 1, ctx.done + 1
    return
  end
  if not batch then
    batch = { container = parent, ops = {}, n = 0, before = parent.st }
    ctx.batch = batch
  end
  parent.st, parent.lt = st, i.ct
  batch.n = batch.n + 1
  batch.ops[#batch.ops + 1] = { "inst", parent.id, st, i.ct, i.et, i.size, parent.path, i.rn, i.cr,
    i.raw.lbl, require("moon2m.op_instance").further(T, i.raw), i.raw.con or "null", i.mark }
  if i.raw.at then
    i.st, i.ri = st, path.ri_inst(parent.id, st)
    announce.prepare(batch.ops, i, true)
  end
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

-- The number of a resource of an export, when it is free here.
local function free_id(l)
  if not l.own then return nil end
  local id, st = path.parse_ri(text_in(l.own, "ri") or text_in(l.given, "ri") or "")
  if not id or st or tree.by_id(id) then return nil end
  return id
end

-- As it was, with its identifier.
local function exact(l, T, parent, id, p)
  local raw, values = attributes(l, T)
  local r = { id = id, pid = parent.id, ty = T.ty, type = T, rn = values.rn, path = p,
    ri = path.ri(id), pi = parent.ri, ct = values.ct or sys.now(), et = values.et,
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
  tree.claim(id)
  for _ = 1, PATIENCE do
    local ok, e = require("moon2m.op_create").restore({ who = admin, now = sys.now(), op = 1,
      ty = T.ty, params = {} }, parent, r)
    if ok then return end
    if e.rsc ~= rsc.NOT_FOUND then fail(nil, "%s", e.msg) end
    sys.sleep(PAUSE)
    r.gone = nil
  end
  fail("rn", "what was deleted here is not wiped yet, try again")
end

-- As a request would, with the times and the creator that the line names.
local function anew(l, T, parent)
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
    restored = { rn = T.attr.rn.create == "-" and values.rn or nil,
      ct = values.ct, lt = values.lt, cr = raw.cr ~= "null" and raw.cr, _cr = cr } }
  if code ~= rsc.CREATED then refused(code, pc) end
end

local function resource(ctx, l, T, parent)
  local rn = text_in(l.given, "rn") or fail("rn", "missing")
  if not path.is_name(rn) then fail("rn", "not a resource name") end
  local p = join(parent.path, rn)
  local there = tree.by_path(p)
  if there and l.replace then
    local code, pc = perform { op = 4, to = path.structured(p) }
    if code ~= rsc.DELETED then refused(code, pc) end
  elseif there then
    if there.ty ~= T.ty then fail("rn", "%s is here another type's", p) end
    ctx.there, ctx.done = ctx.there + 1, ctx.done + 1
    return
  end
  local id = free_id(l)
  if id then exact(l, T, parent, id, p) else anew(l, T, parent) end
  if not id then ctx.new_ids = ctx.new_ids + 1 end
  ctx.made, ctx.done = ctx.made + 1, ctx.done + 1
end

-- A container as it was after its last instance.
local function finish(ctx, l)
  local r = tree.by_path(l.to)
  if r and tree.holds(r) and l.st >= r.st then
    r.st, r.lt = l.st, l.lt
    local ok, e = write.commit({ { "touch", r.id, l.st, l.lt } }, nil, r)
    if not ok then fail(nil, "%s", e.msg) end
  end
  ctx.done = ctx.done + 1
end

local function one(ctx, text)
  local l = read(text, ctx)
  if not l.root then
    flush(ctx)
    return finish(ctx, l)
  end
  local parent = l.to == "" and tree.by_id(1) or tree.by_path(l.to)
  if not parent then fail("to", "there is nothing at %s", l.to) end
  local T = type_of(l, parent)
  if T.instance then return instance(ctx, l, T, parent) end
  flush(ctx)
  return resource(ctx, l, T, parent)
end

--- Imports lines: rows, a list of texts; from: { csi, csn, spi } of the CSE that wrote them, fields
-- may be missing.  { done, made, there, left, new_ids } and, when a line was refused (the one after
-- `done`), attr (or nil) and why.  Yields.
function restore.rows(rows, from)
  local ctx = { done = 0, made = 0, there = 0, left = 0, new_ids = 0, from = from }
  local ok, e = pcall(function()
    for _, text in ipairs(rows) do one(ctx, text) end
    flush(ctx)
  end)
  if not ok then
    if type(e) ~= "table" then error(e, 0) end
    if ctx.batch then pcall(flush, ctx) end   -- what stands before the bad line
    ctx.attr, ctx.why = e.attr, e.why
  end
  ctx.batch, ctx.from = nil, nil
  return ctx
end

return restore
