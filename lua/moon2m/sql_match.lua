-- The conditions of filter criteria on the rows of the store's tables: what sql.lua puts behind
-- WHERE.  Two kinds of rows have them, resources and instances; the conditions on a child or the
-- parent are the same ones, asked of that row (TS-0001 Table 8.1.2-2).
--
-- Values are bound, never written into the text.  Rows that have expired meet no condition on a
-- child.

local jsonpath = require "moon2m.jsonpath"
local label_query = require "moon2m.label_query"
local path = require "moon2m.path"
local types = require "moon2m.types"

local concat = table.concat
local find, gsub = string.find, string.gsub

local match = {}

local NEVER = 9223372036854774784  -- later than any time; exact as a double
local OR, XOR = 2, 3

-- ---- a statement under construction -------------------------------------------------------------

--- A statement's parameters; now: microseconds.
function match.new_query(now)
  return { params = {}, n = 0, now = now }
end

--- The mark of a value in the text.
local function bind(q, value)
  q.n = q.n + 1
  q.params[q.n] = value
  return "?" .. q.n
end
match.bind = bind

local function bind_all(q, values)
  local marks = {}
  for i, v in ipairs(values) do marks[i] = bind(q, v) end
  return concat(marks, ",")
end

--- `column` is one of values; a single one as "=", so that an index gives rows in path order.
local function one_of(q, column, values)
  if #values == 1 then return column .. "=" .. bind(q, values[1]) end
  return column .. " IN (" .. bind_all(q, values) .. ")"
end
match.one_of = one_of

--- What keeps expired, aged and hidden instances out (`et`, `mia`, `disr`): c, s, i are the aliases
-- of res, cs and cin.
function match.alive(q, c, s, i)
  local now = bind(q, q.now)
  return { ("(%s.et IS NULL OR %s.et>%s)"):format(c, c, now),
    ("(%s.mia IS NULL OR %s.ct+%s.mia*1000000>%s)"):format(s, i, s, now),
    ("(%s.et IS NULL OR %s.et>%s)"):format(i, i, now),
    ("coalesce(json_extract(%s.doc,'$.disr'),0)=0"):format(c) }
end

-- ---- attribute conditions -----------------------------------------------------------------------

-- A value with "*" for any characters as a GLOB pattern; nil when it has none.
local function glob(value)
  if not find(value, "*", 1, true) then return nil end
  return (gsub(value, "[%[?]", "[%0]"))
end

local function compare(q, column, value)
  local pattern = glob(value)
  if pattern then return column .. " GLOB " .. bind(q, pattern) end
  return column .. "=" .. bind(q, value)
end

-- Some value at a JSON path: of an array any element, of true "true", of a number the same
-- number.
local function compare_json(q, document, member, value)
  local each = member and document .. "," .. bind(q, '$."' .. member .. '"') or document
  local pattern, number = glob(value), tonumber(value)
  local text = "CASE e.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
    .. " ELSE CAST(e.value AS TEXT) END"
  local test = pattern and text .. " GLOB " .. bind(q, pattern) or text .. "=" .. bind(q, value)
  if number and not pattern then
    test = "(" .. test .. " OR e.type IN ('integer','real') AND e.value=" .. bind(q, number) .. ")"
  end
  return "EXISTS(SELECT 1 FROM json_each(" .. each .. ") e WHERE " .. test .. ")"
end

local COLUMN = { rn = "rn", aei = "aei" }
local COUNTER = { cni = true, cbs = true }

-- An identifier as conditions on numbers; text that is none matches an AE's aei only.
local function res_identifier(q, r, name, value)
  local id, st = path.parse_ri(value)
  if name == "ri" then
    if id and not st then return ("(%s.id=%s AND %s.ty<>2)"):format(r, bind(q, id), r) end
    return r .. ".aei=" .. bind(q, value)
  end
  if id and not st then
    return ("(%s.pid=%s AND NOT EXISTS(SELECT 1 FROM res n WHERE n.id=%s.pid AND n.ty=2))")
      :format(r, bind(q, id), r)
  end
  return ("EXISTS(SELECT 1 FROM res n WHERE n.id=%s.pid AND n.aei=%s)"):format(r, bind(q, value))
end

local function res_attribute(q, k, nm, value)
  local r = k.r
  if nm == "ri" or nm == "pi" then return res_identifier(q, r, nm, value) end
  if COLUMN[nm] then return compare(q, r .. "." .. COLUMN[nm], value) end
  if COUNTER[nm] then return k.s .. "." .. nm .. "=" .. bind(q, tonumber(value) or -1) end
  if nm == "acpi" then return compare_json(q, r .. ".acpi", nil, value) end
  return compare_json(q, r .. ".doc", nm, value)
end

local function cin_identifier(q, i, nm, value)
  local id, st = path.parse_ri(value)
  if nm == "pi" then
    return not st and id and i .. ".cid=" .. bind(q, id) or "0"
  end
  if not st then return "0" end
  return ("(%s.cid=%s AND %s.st=%s)"):format(i, bind(q, id), i, bind(q, st))
end

local function cin_attribute(q, k, nm, value)
  local i = k.i
  if nm == "ri" or nm == "pi" then return cin_identifier(q, i, nm, value) end
  if nm == "rn" then
    local id, st = path.parse_ri(value)
    if not st then return compare(q, i .. ".rn", value) end
    return ("(%s.rn IS NULL AND %s.cid=%s AND %s.st=%s)"):format(i, i, bind(q, id), i, bind(q, st))
  end
  if nm == "cr" then return compare(q, i .. ".cr", value) end
  if nm == "con" then return compare_json(q, i .. ".con", nil, value) end
  return compare_json(q, i .. ".att", nm, value)
end

local function any_attribute(q, k, list)
  local any = {}
  for i, a in ipairs(list) do any[i] = k.attribute(q, k, a.nm, a.val) end
  return "(" .. concat(any, " OR ") .. ")"
end

-- ---- labels -------------------------------------------------------------------------------------

local function some_label(k, test)
  return "EXISTS(SELECT 1 FROM lbl l WHERE " .. k.labels .. " AND " .. test .. ")"
end

local function labelled(q, k, list)
  return some_label(k, one_of(q, "l.lbl", list))
end

-- A query of labels: ";" is what follows ":".
local function label_conditions(q, k, text)
  local query = label_query.parse(text)
  if query.only then return labelled(q, k, query.only) end
  local key = some_label(k, ("(l.lbl=%s OR l.lbl>=%s AND l.lbl<%s)"):format(bind(q, query.key),
    bind(q, query.key .. ":"), bind(q, query.key .. ";")))
  if query.absent then return "NOT " .. key end
  return query.other and "(" .. key .. " AND NOT " .. labelled(q, k, query.other) .. ")" or key
end

-- ---- content ------------------------------------------------------------------------------------

-- The media type part of contentInfo: what stands before the first ":" or ";".
local function media_type(q, k, list)
  local tests = {}
  for n, media in ipairs(list) do
    local cnf = "lower(json_extract(" .. k.i .. ".att,'$.cnf'))"
    local p = bind(q, media:lower())
    tests[n] = "substr(" .. cnf .. ",1,length(" .. p .. ")+1) IN (" .. p .. "||':'," .. p
      .. "||';')"
  end
  return "(" .. concat(tests, " OR ") .. ")"
end

-- A JSONPath query of the content; content that is a text with a JSON document in it is that.
local function content(q, k, text)
  local con = k.i .. ".con"
  local inner = "json_extract(" .. con .. ",'$')"
  local document = ("CASE WHEN json_type(%s)='text' AND json_valid(%s) THEN %s ELSE %s END")
    :format(con, inner, inner, con)
  return jsonpath.sql(jsonpath.parse(text), document, function(v) return bind(q, v) end)
end

-- ---- the two kinds of rows ----------------------------------------------------------------------

local function has(list, v)
  for _, x in ipairs(list) do
    if x == v then return true end
  end
  return false
end

local function never() return "0" end

--- Resources: the aliases of res and cs (left joined).
function match.res(r, s)
  return { r = r, s = s, document = r .. ".doc", attribute = res_attribute,
    media = never, content = never,
    value = { ct = r .. ".ct", et = r .. ".et",
      lt = ("max(%s.lt,coalesce(%s.lt,0))"):format(r, s),
      st = ("max(%s.st,coalesce(%s.st,0))"):format(r, s) },
    labels = "l.id=" .. r .. ".id AND l.st=0",
    type = function(q, list) return one_of(q, r .. ".ty", list) end }
end

-- Instances of the types in a list, below containers of any kind.
local function instance_type(q, c, list)
  local kinds = {}
  for _, h in ipairs(types.containers()) do
    if has(list, h[2]) then kinds[#kinds + 1] = h[1] end
  end
  return kinds[1] and one_of(q, c .. ".ty", kinds) or "0"
end

--- Instances: the aliases of the container's res and cs, and of cin; ty: their type, nil when the
-- containers are of several kinds.
function match.cin(c, s, i, ty)
  return { c = c, s = s, i = i, document = i .. ".att", attribute = cin_attribute,
    media = media_type, content = content,
    value = { ct = i .. ".ct", lt = i .. ".ct", st = i .. ".st", size = i .. ".size",
      et = ("nullif(min(coalesce(%s.et,%d),coalesce(%s.ct+%s.mia*1000000,%d),coalesce(%s.et,%d)),"
        .. "%d)"):format(i, NEVER, i, s, NEVER, c, NEVER, NEVER) },
    labels = ("l.id=%s.cid AND l.st=%s.st"):format(i, i),
    type = function(q, list)
      if not ty then return instance_type(q, c, list) end
      return has(list, ty) and "1" or "0"
    end }
end

-- ---- relatives ----------------------------------------------------------------------------------

local PARENT = match.res("p", "o")
local CHILD, CHILD_INSTANCE = match.res("k", "o"), match.cin("n", "o", "j")

-- Whether the parent meets test(kind).
local function parent(k, test)
  if k.i then
    return test(match.res(k.c, k.s))
  end
  return "EXISTS(SELECT 1 FROM res p LEFT JOIN cs o ON o.cid=p.id WHERE p.id=" .. k.r ..
    ".pid AND " .. test(PARENT) .. ")"
end

-- Whether some child meets test(kind).
local function child(q, k, test)
  if k.i then return "0" end
  local alive = "(k.et IS NULL OR k.et>" .. bind(q, q.now) .. ")"
  local resources = "EXISTS(SELECT 1 FROM res k LEFT JOIN cs o ON o.cid=k.id WHERE k.pid=" .. k.r ..
    ".id AND " .. alive .. " AND " .. test(CHILD) .. ")"
  local instance = test(CHILD_INSTANCE)
  if instance == "0" then return resources end
  return "(" .. resources .. " OR EXISTS(SELECT 1 FROM res n CROSS JOIN cs o ON o.cid=n.id"
    .. " CROSS JOIN cin j ON j.cid=n.id WHERE n.id=" .. k.r .. ".id AND " ..
    concat(match.alive(q, "n", "o", "j"), " AND ") .. " AND " .. instance .. "))"
end

-- The parents of what has one of these labels, found from the labels.
local function child_labels(q, k, list)
  if k.i then return "0" end
  local resources = "SELECT k.pid FROM lbl l CROSS JOIN res k ON k.id=l.id WHERE " ..
    one_of(q, "l.lbl", list) .. " AND l.st=0 AND (k.et IS NULL OR k.et>" .. bind(q, q.now) .. ")"
  local instances = "SELECT l.id FROM lbl l CROSS JOIN res n ON n.id=l.id CROSS JOIN cs o"
    .. " ON o.cid=l.id CROSS JOIN cin j ON j.cid=l.id AND j.st=l.st WHERE " ..
    one_of(q, "l.lbl", list) .. " AND l.st>0 AND " ..
    concat(match.alive(q, "n", "o", "j"), " AND ")
  return k.r .. ".id IN (" .. resources .. " UNION ALL " .. instances .. ")"
end

local RELATIVES = {
  { "pty", function(q, k, v) return parent(k, function(of) return of.type(q, v) end) end },
  { "palb", function(q, k, v) return parent(k, function(of) return labelled(q, of, v) end) end },
  { "patr", function(q, k, v)
    return parent(k, function(of) return any_attribute(q, of, v) end)
  end },
  { "chty", function(q, k, v) return child(q, k, function(of) return of.type(q, v) end) end },
  { "clbl", child_labels },
  { "catr", function(q, k, v)
    return child(q, k, function(of) return any_attribute(q, of, v) end)
  end },
}

-- ---- all conditions -----------------------------------------------------------------------------

-- Lower bounds hold for the value itself, upper ones do not (TS-0004 7.3.3.17).
local RANGES = {
  { "crb", "ct", "<" }, { "cra", "ct", ">=" }, { "us", "lt", "<" }, { "ms", "lt", ">=" },
  { "sts", "st", "<" }, { "stb", "st", ">=" }, { "exb", "et", "<" }, { "exa", "et", ">=" },
  { "szb", "size", "<" }, { "sza", "size", ">=" },
}

-- A range of an attribute that the type has; stateTag: only some types have one.
local function range(q, kind, fc, r)
  local column = kind.value[r[2]]
  if not column then return "0" end
  local test = column .. r[3] .. bind(q, fc[r[1]])
  if r[2] == "st" and not kind.i then
    test = "(" .. one_of(q, kind.r .. ".ty", types.with_attribute("st")) .. " AND " .. test .. ")"
  end
  return test
end

-- What has a location that may be where the query's geometry is: of a point this is known, any
-- other may.
local function place(q, kind, geo)
  local box, doc = geo[1].box, kind.document
  local crd = "json_extract(" .. doc .. ",'$.loc.crd')"
  local function between(i, low, high)
    local slack = 1e-9 * (1 + math.abs(low) + math.abs(high))
    return ("json_extract(%s,'$[%d]') BETWEEN %s AND %s"):format(crd, i, bind(q, low - slack),
      bind(q, high + slack))
  end
  return ("json_type(%s,'$.loc')='object' AND CASE WHEN json_extract(%s,'$.loc.typ')=1"):format(doc,
    doc) .. " AND json_valid(" .. crd .. ") THEN " .. between(0, box[1], box[3]) .. " AND "
    .. between(1, box[2], box[4]) .. " ELSE 1 END"
end

-- The conditions of fc but for those in `done`, one for each tag.
local function conditions(q, kind, fc, done)
  local list = {}
  if fc.ty and not done.ty then list[#list + 1] = kind.type(q, fc.ty) end
  if fc.lbl and not done.lbl then list[#list + 1] = labelled(q, kind, fc.lbl) end
  if fc.lbq then list[#list + 1] = label_conditions(q, kind, fc.lbq) end
  for _, r in ipairs(RANGES) do
    if fc[r[1]] ~= nil then list[#list + 1] = range(q, kind, fc, r) end
  end
  if fc.cty then list[#list + 1] = kind.media(q, kind, fc.cty) end
  if fc.cfq then list[#list + 1] = kind.content(q, kind, fc.cfq) end
  if fc.geo then list[#list + 1] = place(q, kind, fc.geo) end
  if fc.atr then list[#list + 1] = any_attribute(q, kind, fc.atr) end
  for _, r in ipairs(RELATIVES) do
    if fc[r[1]] then list[#list + 1] = r[2](q, kind, fc[r[1]]) end
  end
  return list
end

local function joined(list, fo)
  if fo == OR then return "((" .. concat(list, ") OR (") .. "))" end
  if fo ~= XOR then return concat(list, " AND ") end
  for i, c in ipairs(list) do list[i] = "((" .. c .. ") IS TRUE)" end
  return concat(list, "+") .. "=1"
end

--- Adds what fc asks of a kind of rows to a list of conditions, but for the tags in `done`;
-- filterOperation joins them: 1 all, 2 any, 3 exactly one.  Of a geo-query it finds what may be
-- there: the caller looks at those.
function match.add(must, q, kind, fc, done)
  local list = conditions(q, kind, fc, done)
  if list[1] then must[#must + 1] = joined(list, fc.geo and fc.fo == XOR and OR or fc.fo) end
end

--- Whether all conditions of fc have to hold.
function match.all(fc)
  return fc.fo ~= OR and fc.fo ~= XOR
end

local RES_ONLY = { "chty", "clbl", "catr" }
local CIN_ONLY = { "sza", "szb", "cty", "cfq" }

local function any_of(fc, tags)
  for _, tag in ipairs(tags) do
    if fc[tag] ~= nil then return true end
  end
  return false
end

-- Whether a resource that is no instance can have one of the types.
local function some_resource(list)
  for _, ty in ipairs(list) do
    local T = types.by_ty[ty]
    if not (T and T.instance) then return true end
  end
  return false
end

--- Which kinds of rows can match, an AND of conditions that one of them never meets leaves it out:
-- whether resources can, and the kinds of containers whose instances can.
function match.kinds(fc)
  local holders = types.containers()
  if not match.all(fc) then return true, holders end
  local wants_res = not any_of(fc, CIN_ONLY) and not (fc.ty and not some_resource(fc.ty))
  if any_of(fc, RES_ONLY) then return wants_res, {} end
  local wanted = {}
  for _, h in ipairs(holders) do
    if (not fc.ty or has(fc.ty, h[2])) and (not fc.pty or has(fc.pty, h[1])) then
      wanted[#wanted + 1] = h
    end
  end
  return wants_res, wanted
end

--- Whether a condition looks at a container's hot row.
function match.counts(fc)
  if fc.us or fc.ms or fc.sts or fc.stb then return true end
  for _, a in ipairs(fc.atr or {}) do
    if COUNTER[a.nm] then return true end
  end
  return false
end

--- Whether fc looks at more than the resource's own attributes, so that the store has to be asked.
function match.asks_store(fc)
  return any_of(fc, RES_ONLY) or any_of(fc, { "pty", "palb", "patr", "cfq" })
end

return match
