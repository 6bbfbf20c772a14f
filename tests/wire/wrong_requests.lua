-- Wrong requests for every type and every attribute, generated from the types' files:
--   moon2m lua tests/wire/wrong_requests.lua [all]
-- writes JSON lines: { sample, text } are requests that must succeed, in this order, and so must a
-- NOTIFY { told = text }; { group, cases = { { what, code, named, text }, ... } } are requests that
-- must be refused with that code and a text that begins with what is named.  Of the classes of
-- flexContainer a few, or all.
--
-- What is wrong with a value follows from what scripts see of its kind (a string, an integer ...),
-- from its bounds, its values and its members, not from what its check says.

local directory = arg[0]:match("^(.*)/[^/]*$")
package.path = directory .. "/?.lua;" .. package.path

local flex = require "moon2m.flex"
local json = require "moon2m.json"
local core = require "moon2m.core.json"
local rsc = require "moon2m.rsc"
local samples = require "type_samples"
local types = require "moon2m.types"
local wrong = require "wrong_values"

local CREATE, RETRIEVE, UPDATE, DELETE = 1, 2, 3, 4
local BAD, NOT_IMPLEMENTED, NOT_ALLOWED = rsc.BAD_REQUEST, rsc.NOT_IMPLEMENTED,
  rsc.OPERATION_NOT_ALLOWED
local NO_PRIVILEGE = rsc.ORIGINATOR_HAS_NO_PRIVILEGE
local EVERY = 7                  -- of the classes of flexContainer, one

local quote = core.quote
local by_name = {}               -- the samples, by type
local serial = 0

-- ---- requests -----------------------------------------------------------------------------------

-- members: { name = raw text }; the text of an object, in the order of the names.
local function object(members)
  local names, parts = {}, {}
  for name in pairs(members) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = quote(name) .. ":" .. members[name] end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function with(members, name, raw)
  local copy = {}
  for k, v in pairs(members) do copy[k] = v end
  copy[name] = raw
  return copy
end

-- ty: a number or raw text, nil for what is no CREATE.
local function primitive(op, to, fr, ty, pc)
  serial = serial + 1
  return ('{"op":%d,"to":%s,"fr":%s,"rqi":"w%d","rvi":"4"%s%s}'):format(op, quote(to), quote(fr),
    serial, ty and ',"ty":' .. ty or "", pc and ',"pc":' .. pc or "")
end

local function content(root, members)
  return "{" .. quote(root) .. ":" .. object(members) .. "}"
end

-- A CREATE of sample s with other members, and an UPDATE of it.
local function create(s, members)
  return primitive(CREATE, s.at, s.maker, s.T.ty, content(s.T.root, members))
end

local function update(s, members)
  return primitive(UPDATE, s.path, s.owner, nil, content(s.T.root, members))
end

local function write(line) io.write(json.encode(line), "\n") end

-- Collects the cases of a group; call the result to write them.
local function group(name)
  local cases = json.array {}
  local g = {}
  function g.add(what, code, named, text)
    cases[#cases + 1] = { what = what, code = code, named = named, text = text }
  end
  function g.close()
    if cases[1] then write { group = name, cases = cases } end
  end
  return g
end

-- ---- attributes ---------------------------------------------------------------------------------

local function is_updated(T)
  return not T.instance and T.name ~= "cse_base" and not T.spec.by_cse
end

local function good(s, a)
  return s.members[a.name] or wrong.right(a.kind)
    or error(("no value for %s of %s: add one to type_samples.lua"):format(a.name, s.T.root), 0)
end

local function in_create(s, a, add)
  local name, new = a.name, s.new
  if a.create == "-" then
    return add("not permitted in a CREATE", BAD, name, create(s, with(new, name, good(s, a))))
  elseif a.create == "null" then
    add("with a value", BAD, name, create(s, with(new, name, '"Cx"')))
    return add("with a number", BAD, name, create(s, with(new, name, "5")))
  end
  for _, v in ipairs(wrong.of(a.kind)) do
    add(v[1] .. " in a CREATE", BAD, name, create(s, with(new, name, v[2])))
  end
  add("null in a CREATE", BAD, name, create(s, with(new, name, "null")))
  if a.create == "M" then add("missing", BAD, name, create(s, with(new, name, nil))) end
  if a.later then
    add("not supported", NOT_IMPLEMENTED, name, create(s, with(new, name, good(s, a))))
  end
end

local function in_update(s, a, add)
  local name = a.name
  if a.update == "-" then
    add("not permitted in an UPDATE", BAD, name, update(s, { [name] = good(s, a) }))
    return add("removed, not permitted", BAD, name, update(s, { [name] = "null" }))
  end
  for _, v in ipairs(wrong.of(a.kind)) do
    add(v[1] .. " in an UPDATE", BAD, name, update(s, { [name] = v[2] }))
    if name ~= "lbl" and name ~= "acpi" then
      add(v[1] .. " beside what is right", BAD, name, update(s, { [name] = v[2], lbl = '["no"]' }))
    end
  end
  if a.one then add("removed", BAD, name, update(s, { [name] = "null" })) end
  if a.later then
    add("not supported in an UPDATE", NOT_IMPLEMENTED, name, update(s, { [name] = good(s, a) }))
  end
end

-- only: the names of the attributes that count, or nil for all.
local function attributes(s, only)
  local T = s.T
  for _, a in ipairs(T.rows) do
    if not only or only[a.name] then
      local g = group(T.root .. " " .. a.name)
      in_create(s, a, g.add)
      if is_updated(T) then in_update(s, a, g.add) end
      g.close()
    end
  end
end

-- ---- types --------------------------------------------------------------------------------------

local function roots(s)
  local T, g = s.T, group(s.T.root .. " root")
  local function both(what, named, pc)
    g.add(what .. " in a CREATE", BAD, named, primitive(CREATE, s.at, s.maker, T.ty, pc))
    if is_updated(T) then
      g.add(what .. " in an UPDATE", BAD, named, primitive(UPDATE, s.path, s.owner, nil, pc))
    end
  end
  local other = T.root == "m2m:cnt" and "m2m:ts" or "m2m:cnt"
  both("an unknown root", "pc", content("m2m:zz", {}))
  both("the root of another type", "pc", content(other, {}))
  both("no content", "pc", nil)
  both("two roots", "pc", '{"m2m:zz":{},"m2m:zy":{}}')
  both("a root without prefix", "pc", content("zz", {}))
  both("a root that is an array", T.root, "{" .. quote(T.root) .. ":[]}")
  both("a root that is null", T.root, "{" .. quote(T.root) .. ":null}")
  g.add("an unknown attribute in a CREATE", BAD, "zz", create(s, with(s.new, "zz", "1")))
  if is_updated(T) then
    g.add("an unknown attribute in an UPDATE", BAD, "zz", update(s, { zz = "1" }))
    g.add("an unknown attribute removed", BAD, "zz", update(s, { zz = "null" }))
    if T.attr.acpi then
      g.add("acpi in company", BAD, "acpi", update(s, { acpi = '["moon/bad/acp"]', lbl = "null" }))
    end
    if T.attr.et and T.attr.et.update == "O" then
      g.add("an et in the past", BAD, "et", update(s, { et = '"20010101T000000"' }))
    end
  end
  g.close()
end

local function numbers(s)
  local T, g = s.T, group(s.T.root .. " ty")
  local pc = content(T.root, s.new)
  local maker = s.P.name == "cse_base" and "CAdmin" or s.maker     -- who may create anything there
  local function make(ty) return primitive(CREATE, s.at, maker, ty, pc) end
  g.add("no ty", BAD, "ty", make(nil))
  g.add("ty 0", BAD, "ty", make(0))
  g.add("ty 999", BAD, "ty", make(999))
  g.add("a ty of the standard that is not here", NOT_IMPLEMENTED, "ty", make(21))
  g.add("ty of an announced resource that is not here", NOT_IMPLEMENTED, "ty",
    primitive(CREATE, s.at, "CAdmin", 10006, pc))
  if not T.spec.announced then
    g.add("ty of an announced resource", s.maker == "CAdmin" and BAD or NO_PRIVILEGE, "",
      primitive(CREATE, s.P.name == "cse_base" and s.at or "moon/remote_cse",
        s.maker == "CAdmin" and "CAdmin" or "Cbad", 10016, pc))
  end
  g.add("ty of nothing announced", BAD, "ty", make(10999))
  if T.ty ~= 3 and s.P.children.container then
    g.add("ty of another type", BAD, "pc", make(3))
  end
  g.close()
end

local function originators(s)
  local T, g = s.T, group(s.T.root .. " originator")
  local NOBODY, refused = "Cnobody", rsc.ORIGINATOR_NOT_AUTHENTICATED
  if T.name ~= "ae" and T.name ~= "remote_cse" then
    g.add("CREATE by nobody", refused, "fr",
      primitive(CREATE, s.at, NOBODY, T.ty, content(T.root, s.new)))
  elseif T.name == "remote_cse" then
    g.add("CREATE by nobody", NOT_ALLOWED, "fr",
      primitive(CREATE, s.at, NOBODY, T.ty, content(T.root, s.new)))
  end
  g.add("UPDATE by nobody", refused, "fr",
    primitive(UPDATE, s.path, NOBODY, nil, content(T.root, { lbl = '["no"]' })))
  g.add("RETRIEVE by nobody", refused, "fr", primitive(RETRIEVE, s.path, NOBODY))
  g.add("DELETE by nobody", refused, "fr", primitive(DELETE, s.path, NOBODY))
  g.add("DELETE by a CSE that is not registered", rsc.SECURITY_ASSOCIATION_REQUIRED, "fr",
    primitive(DELETE, s.path, "/nobody"))
  -- who may not is not told what else is wrong
  local may_not, wrong_content = rsc.ORIGINATOR_HAS_NO_PRIVILEGE, content(T.root, { zz = "1" })
  g.add("DELETE by who may not", may_not, "Cother", primitive(DELETE, s.path, "Cother"))
  g.add("UPDATE by who may not", may_not, "Cother",
    primitive(UPDATE, s.path, "Cother", nil, wrong_content))
  if not s.open then
    g.add("CREATE by who may not", may_not, "Cother",
      primitive(CREATE, s.at, "Cother", T.ty, wrong_content))
  end
  g.close()
end

-- T below each sample that may not have one.
local function parents(s, all)
  local T, g = s.T, group(s.T.root .. " parent")
  local code = T.name == "subscription" and rsc.TARGET_NOT_SUBSCRIBABLE
    or rsc.INVALID_CHILD_RESOURCE_TYPE
  for _, p in ipairs(all) do
    local later = p.T.spec.children_later
    if not p.T.children[T.as or T.name] then
      local expected = later and later[T.name] and rsc.NOT_IMPLEMENTED or code
      g.add("below a " .. p.T.root, expected, "", primitive(CREATE, p.path,
        p.owner == "CAdmin" and s.maker == "Cbad" and "CAdmin" or s.maker, T.ty,
        content(T.root, s.new)))
    end
  end
  g.close()
end

-- What nobody writes by request.
local function untouchable(s)
  local T, g = s.T, group(s.T.root .. " operations")
  g.add("UPDATE", NOT_ALLOWED, "", update(s, { lbl = '["no"]' }))
  if T.name == "cse_base" then
    g.add("CREATE", NOT_ALLOWED, "ty", create(s, {}))
    g.add("DELETE", NOT_ALLOWED, "", primitive(DELETE, s.path, s.owner))
  end
  g.close()
end

local function made_by_cse(T)
  local g = group(T.root .. " operations")
  g.add("CREATE", NOT_ALLOWED, "ty", primitive(CREATE, "moon", "CAdmin", T.ty,
    content(T.root, {})))
  g.close()
end

-- What the CSE makes and nobody else writes: s as of sample, but for what a CREATE would carry.
local function kept_by_cse(s, all)
  local T = s.T
  for _, a in ipairs(T.rows) do
    local g = group(T.root .. " " .. a.name)
    g.add("in a CREATE", NOT_ALLOWED, "ty", create(s, { [a.name] = good(s, a) }))
    g.add("in an UPDATE", BAD, a.name, update(s, { [a.name] = good(s, a) }))
    g.add("removed", BAD, a.name, update(s, { [a.name] = "null" }))
    g.add("in company", BAD, "", update(s, { [a.name] = good(s, a), zz = "1" }))
    g.close()
  end
  local g = group(T.root .. " root")
  local function wrong_root(what, named, pc)
    g.add(what, BAD, named, primitive(UPDATE, s.path, s.owner, nil, pc))
  end
  wrong_root("an unknown root", "pc", content("m2m:zz", {}))
  wrong_root("the root of another type", "pc", content("m2m:cnt", {}))
  wrong_root("no content", "pc", nil)
  wrong_root("a root that is an array", T.root, "{" .. quote(T.root) .. ":[]}")
  wrong_root("an unknown attribute", "zz", content(T.root, { zz = "1" }))
  g.close()
  g = group(T.root .. " parent")
  for _, p in ipairs(all) do
    g.add("below a " .. p.T.root, NOT_ALLOWED, "ty", primitive(CREATE, p.path, "CAdmin", T.ty,
      content(T.root, {})))
  end
  g.close()
end

-- What the CSE answers itself.
local function virtual_children(s)
  local g = group(s.T.root .. " virtual")
  for name, what in pairs(s.T.virtual) do
    if what ~= "fanOutPoint" then
      local to = s.path .. "/" .. name
      g.add("CREATE in " .. name, NOT_ALLOWED, "", primitive(CREATE, to, s.owner, 3,
        content("m2m:cnt", { rn = '"no"' })))
      g.add("UPDATE of " .. name, NOT_ALLOWED, "", primitive(UPDATE, to, s.owner, nil,
        content(s.T.root, { lbl = '["no"]' })))
    end
  end
  g.close()
end

-- Specialisations by what defines them.
local function definitions()
  local NO_SCHEMA = rsc.SPECIALIZATION_SCHEMA_NOT_FOUND
  local g, node, ae = group("definitions"), by_name.node, by_name.ae
  local function mgmt(what, code, named, root, mgd)
    g.add(what, code, named, primitive(CREATE, node.path, node.owner, 13,
      content(root, { mgd = mgd, rn = '"no"' })))
  end
  mgmt("an unknown mgd", BAD, "mgd", "m2m:zz", "7")
  mgmt("an mgd that is a text", BAD, "mgd", "m2m:zz", '"x"')
  mgmt("an mgd that is not here", NOT_IMPLEMENTED, "mgd", "m2m:zz", "1020")
  mgmt("an mgd of nobody's", NO_SCHEMA, "mgd", "m2m:zz", "0")
  mgmt("a root of another mgd", BAD, "pc", "m2m:zz", "1006")
  mgmt("an mgd of another root", BAD, "mgd", "m2m:rbo", "1006")
  local function class(what, code, named, root, cnd)
    g.add(what, code, named, primitive(CREATE, ae.path, ae.owner, 28,
      content(root, { cnd = quote(cnd), rn = '"no"' })))
  end
  local SWITCH = "org.onem2m.common.moduleclass.binarySwitch"
  class("an unknown cnd", NO_SCHEMA, "cnd", "m2m:zz", "org.example.nothing")
  class("a root of another cnd", BAD, "pc", "m2m:zz", SWITCH)
  class("a cnd of another root", BAD, "cnd", "cod:togge", SWITCH)
  class("an announced class", BAD, "pc", "cod:binShAnnc", SWITCH)
  class("the root of no class", BAD, "pc", "m2m:flexContainer", SWITCH)
  g.close()
end

-- ---- samples ------------------------------------------------------------------------------------

local function missing_members(T, members)
  local full = {}
  for k, v in pairs(members) do full[k] = v end
  for _, name in ipairs(T.mandatory) do
    full[name] = full[name] or wrong.right(T.attr[name].kind)
      or error(("no value for %s of %s: add one to type_samples.lua"):format(name, T.root), 0)
  end
  return full
end

-- The AE, or the first of the types that it may be below.
local function parent_of(T)
  for _, name in ipairs { "ae", unpack(T.spec.parents or {}) } do
    local s = by_name[name]
    if s and s.T.children[T.as or T.name] then return name end
  end
  error(("where may a %s be? add it to type_samples.lua"):format(T.root), 0)
end

-- Announced resources are the administrator's here, who may do what only their CSE may.
local function announced_sample(T, given)
  local members = {}
  for _, name in ipairs(T.mandatory) do members[name] = by_name[T.spec.of].members[name] end
  return { members = members, below = given.below or T.spec.parents[1], owner = "CAdmin",
    named = "@" .. T.name .. "@" }
end

-- given: a row of type_samples.lua or {}.
local function sample(T, given)
  if T.spec.announced then given = announced_sample(T, given) end
  local name = given.rn or T.name:gsub(":", "_")
  local parent = not given.path and by_name[given.below or parent_of(T)] or nil
  local owner = given.owner or parent and parent.owner or "CAdmin"
  local s = { T = T, P = parent and parent.T, owner = owner, maker = given.maker or owner,
    at = parent and parent.path or "moon", members = missing_members(T, given.members or {}) }
  s.open = given.open
  s.path = given.path or given.named or s.at .. "/" .. (given.fixed or name)
  s.new = with(s.members, "rn", not given.fixed and T.attr.rn.create ~= "-" and '"no"' or nil)
  by_name[T.name] = by_name[T.name] or s
  if not given.path then
    local members = with(s.members, "rn", not given.fixed and not given.named and quote(name)
      or nil)
    for k, v in pairs(given.instead or {}) do members[k] = v end
    write { sample = T.root, name = given.named, text = primitive(CREATE, s.at,
      given.first or s.maker, T.ty, content(T.root, members)) }
  end
  return s
end

-- The types without specialisations in the order of the samples, then those without a sample.
local function plain_types()
  local list, seen = {}, {}
  for _, given in ipairs(samples) do
    local T = types.by_name[given[1]]
    if T then list[#list + 1], seen[T.name] = { T, given }, true end
  end
  for _, T in pairs(types.by_ty) do
    if not seen[T.name] and not T.abstract and not T.spec.by_cse and T.name ~= "request" then
      list[#list + 1] = { T, {} }
    end
  end
  return list
end

-- The kinds of an announced resource's attributes are those of its original: all of them for one
-- type, what it has by itself for the others.
local function of_announced(T)
  if not T.spec.announced or T.name == "container_annc" then return nil end
  return { rn = true, lnk = true, et = true, ast = true, lbl = true }
end

-- The names of the attributes that a specialisation adds.
local function own_of(spec, key)
  local own = { [key] = true }
  for _, r in ipairs(spec.attrs) do own[type(r) == "table" and r[1] or r] = true end
  return own
end

local function classes(all)
  local list = {}
  flex.each(function(root)
    if not flex.announced(root) then list[#list + 1] = root end
  end)
  table.sort(list)
  local some = {}
  for i, root in ipairs(list) do
    if all or i % EVERY == 1 then some[#some + 1] = root end
  end
  return some
end

local function specialisations(all)
  local list = {}
  for _, spec in ipairs(require "moon2m.types.mgmt") do
    local mgd = ("%d"):format(spec.mgd)
    list[#list + 1] = { sample(types.by_name[spec.name], { below = "node",
      members = with(samples.specialised[spec.short] or {}, "mgd", mgd) }), own_of(spec, "mgd") }
  end
  for i, root in ipairs(classes(all)) do
    local T = types.find(root)
    local members = with(samples.specialised[root] or {}, "cnd",
      quote(T.spec.cnd or "org.example.any"))
    list[#list + 1] = { sample(T, { rn = "flex" .. i, members = members }),
      own_of(flex.spec(root), "cnd") }
  end
  return list
end

-- ---- all of it ----------------------------------------------------------------------------------

local all = {}
for _, one in ipairs(plain_types()) do all[#all + 1] = sample(one[1], one[2]) end
local plain = #all
-- A CSE's report makes these (TS-0004 7.5.1.2.17).
write { told = ('{"op":5,"to":"moon","fr":"/other","rqi":"told","rvi":"4","pc":%s}'):format(
  '{"m2m:sgn":{"aerid":true,"tid1":null,"tid2":"/third/Ca","sur":"/other/x"}}') }
local kept = {}
for i, place in ipairs { { "ae_contact_list", "moon" },
  { "ae_contact_list_per_cse", "moon/AEContactList", "other" } } do
  kept[i] = { T = types.by_name[place[1]], at = place[2], owner = "CAdmin", maker = "CAdmin",
    path = place[2] .. "/" .. (place[3] or "AEContactList"), members = {}, new = {}, open = true,
    P = types.by_name[i == 1 and "cse_base" or "ae_contact_list"] }
end
local special = specialisations(arg[1] == "all")
local base = {}
for _, one in ipairs(special) do
  if not base[one[1].T.ty] then                -- one of each stands for what they have in common
    base[one[1].T.ty], all[#all + 1] = true, one[1]
    one[2] = nil
  end
end

for _, s in ipairs(kept) do all[#all + 1] = s end

for _, one in ipairs(special) do
  attributes(one[1], one[2])
  roots(one[1])
end
for _, s in ipairs(kept) do
  kept_by_cse(s, all)
  originators(s)
end
for i = 1, #all - #kept do
  local s = all[i]
  if s.T.name == "cse_base" or s.T.instance then untouchable(s) end
  if s.T.name ~= "cse_base" then
    if i <= plain then
      attributes(s, of_announced(s.T))
      roots(s)
    end
    numbers(s)
    virtual_children(s)
    originators(s)
    parents(s, all)
  end
end
definitions()
made_by_cse(types.by_name.request)
made_by_cse(types.by_name.flex_container_instance)
