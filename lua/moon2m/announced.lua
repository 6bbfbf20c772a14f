-- Announced resources (TS-0001 9.6.26, TS-0004 7.4.26): copies of what another CSE hosts, made and
-- kept up to date by that CSE.  Their types are derived from the original's file: its number and
-- 10,000, its root and "A", `lnk` to the original, and of its attributes those that its rows mark:
-- announced = "MA" always there when the original has it, "OA" when the original's `aa` names it.
-- What the server does for them: procedures/announced.lua.
-- The types of mgmtObj and flexContainer have a variant for each specialisation, made when it is
-- first asked for; attributes of a specialisation without a mark are OA.

local kind = require "moon2m.kind"
local path = require "moon2m.path"
local rsc = require "moon2m.rsc"
local schema = require "moon2m.schema"

local MORE = 10000               -- added to the number of a type
local MGMT, FLEX = 13, 28
local BIDIRECTIONAL = 2

local announced = {}
local suffix_of_flex = "A"

--- o.flex_suffix: what the roots of announced flexContainers have behind the original's: "A"
-- (TS-0004 8.2.4) or "Annc", as some CSEs have it.
function announced.configure(o)
  suffix_of_flex = o.flex_suffix
end

-- ---- what there is ------------------------------------------------------------------------------

-- Type -> what may be below its variant; "+": the plain type and its variant.
local CHILDREN = {
  acp = "subscription",
  ae = "subscription container+ flex_container+ group+ acp+ semantic_descriptor+ time_series+ "
    .. "action+ dynamic_authorization_consultation",
  container = "subscription container+ flex_container+ content_instance_annc semantic_descriptor+ "
    .. "time_series+ action+",
  content_instance = "semantic_descriptor+",
  cse_base = "subscription container+ flex_container+ group+ acp+ time_series+ schedule_annc "
    .. "semantic_descriptor_annc remote_cse_annc node_annc mgmt_obj_annc ae_annc "
    .. "location_policy_annc action+ time_sync_beacon_annc dependency_annc "
    .. "dynamic_authorization_consultation",
  group = "subscription semantic_descriptor+ action+",
  location_policy = "subscription",
  node = "subscription mgmt_obj_annc semantic_descriptor+ schedule_annc action+",
  remote_cse = "subscription container+ flex_container+ group+ acp+ time_series+ schedule_annc "
    .. "semantic_descriptor_annc remote_cse_annc node_annc mgmt_obj_annc ae_annc "
    .. "location_policy_annc action+ time_sync_beacon+ dynamic_authorization_consultation",
  schedule = "subscription",
  semantic_descriptor = "subscription",
  time_series = "subscription time_series_instance_annc semantic_descriptor+ action+",
  time_series_instance = "",
  mgmt_obj = "subscription semantic_descriptor+",
  flex_container = "subscription container+ flex_container+ semantic_descriptor+ time_series+ "
    .. "action+",
  time_sync_beacon = "subscription",
  action = "subscription dependency_annc",
  dependency = "subscription",
}
-- Plain instances below a copy: the standard has them, the store keeps them in containers only.
local LATER = { container = { content_instance = true },
  time_series = { time_series_instance = true } }
-- Beside the parents that the table above implies.
local PARENTS = { cse_base = { "cse_base" }, remote_cse = { "cse_base", "remote_cse" } }

local function names_of(text)
  local list = {}
  for name, both in text:gmatch("([%w_]+)(%+?)") do
    list[#list + 1] = name
    if both == "+" then list[#list + 1] = name .. "_annc" end
  end
  return list
end

--- Whether a number is that of an announced resource's type.
function announced.is(ty)
  return ty > MORE and ty < 2 * MORE
end

--- The number of the announced variant of type ty.
function announced.number(ty)
  return ty + MORE
end

--- The root of the variant of a type T.
function announced.root(T)
  return T.root .. (T.ty == FLEX and suffix_of_flex or "A")
end

--- The roots whose announced variant may have this root, those to look for first in front.
function announced.originals(root)
  local list = {}
  if #suffix_of_flex > 1 then list[1] = root:match("^(.+)" .. suffix_of_flex .. "$") end
  list[#list + 1] = root:match("^(.+)A$")
  return list
end

-- ---- attributes ---------------------------------------------------------------------------------

--- The CSE-ID of the CSE that hosts an SP-relative or absolute address; nil for any other text.
function announced.cse_of(address)
  if address:byte() ~= 47 then return nil end
  local plain = path.sp_relative(path.originator(address))
  return plain:match("^//[^/]+/[^/]+") or plain:match("^/[^/]+")
end

local link = kind.text("an address (string)", function(s)
  if announced.cse_of(s) and not s:find("[%s%c]") then return true end
  return false, "not an SP-relative or absolute address"
end)

local function check(values)
  if values.ast ~= BIDIRECTIONAL then return nil end
  return announced.not_synchronised()
end

--- The 5001 for ast 2.
function announced.not_synchronised()
  return rsc.err(rsc.NOT_IMPLEMENTED,
    "ast: %d (changes of the copies come back) is not supported by this CSE", BIDIRECTIONAL)
end

-- Beside those of the original; none of the others that have a column or are the CSE's own.
local HEAD = { { "rn", create = "-" }, "ty", "ri", "pi", "ct", "lt", { "et", create = "M" }, "lbl",
  "acpi", "daci", { "lnk", link, create = "M", update = "O", one = true },
  { "ast", create = "O", update = "O", later = false } }
local TAKEN = { et = true, lbl = true, acpi = true, daci = true, lnk = true, ast = true }

-- A row of the original (with its mark) as the copy has it.
local function copied(r, mark)
  local row = {}
  for k, v in pairs(r) do row[k] = v end
  local always = mark == "MA" and (r.create == "M" or r.one)
  row.create, row.update = always and "M" or "O", "O"
  row.one, row.later, row.default, row.announced = nil, nil, nil, nil
  return row
end

local function row_of(r)
  return type(r) == "string" and schema.common[r] or r
end

local function rows(spec)
  local attrs = {}
  for i, r in ipairs(HEAD) do attrs[i] = r end
  for _, r in ipairs(spec.attrs) do
    local full = row_of(r)
    local mark = full.announced or not full[2] and schema.common[full[1]].announced
    if mark and not TAKEN[full[1]] then
      attrs[#attrs + 1] = copied(full[2] and full or schema.common[full[1]], mark)
    end
  end
  return attrs
end

-- ---- types --------------------------------------------------------------------------------------

-- For a type that has only specialisations.
local function abstract(spec, key)
  spec.abstract, spec.special = true, { key, key == "cnd" and "string" or "number", "its kind" }
  spec.special_check = function(one)
    return function(values, r)
      if values[key] ~= nil and one[key] and values[key] ~= one[key] then
        return rsc.err(rsc.BAD_REQUEST, "%s: expected %s for %s, got %s", key, tostring(one[key]),
          one.short, tostring(values[key]))
      end
      return check(values, r)
    end
  end
  return spec
end

--- The type's file of the announced variant of an original's file; nil: it is never announced.
function announced.spec(original)
  local children = CHILDREN[original.name]
  if not children then return nil end
  local spec = { ty = original.ty + MORE, name = original.name .. "_annc", of = original.name,
    short = original.short .. "A", children = names_of(children), attrs = rows(original),
    parents = PARENTS[original.name] or { "remote_cse" }, children_later = LATER[original.name],
    check = check, announced = true }
  if original.ty == MGMT then return abstract(spec, "mgd") end
  if original.ty == FLEX then return abstract(spec, "cnd") end
  return spec
end

--- The same of a specialisation T.
function announced.special(T)
  local attrs = {}
  for _, r in ipairs(T.spec.special_attrs) do
    local full = row_of(r)
    if not TAKEN[full[1]] then attrs[#attrs + 1] = copied(full, full.announced or "OA") end
  end
  return { ty = T.ty + MORE, name = T.name .. "_annc", short = announced.root(T), standard = true,
    parents = {}, mgd = T.spec.mgd, cnd = T.spec.cnd, attrs = attrs, announced = true }
end

--- How attribute `name` of T is announced: "MA", "OA", or nil: never, or there is none.  base: as
-- above, T itself for any other type.
function announced.mark(T, base, name)
  local A = T.attr[name]
  if not A then return nil end
  return A.announced or T ~= base and not base.attr[name] and "OA" or nil
end

return announced
