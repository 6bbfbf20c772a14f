-- What a request becomes that is passed on to another CSE (TS-0004 7.3.2.6): the primitive of a
-- WebSocket (TS-0020), and the path, query and header lines of HTTP (TS-0009); which of them is
-- sent is decided where the way is known.
-- Guarantees: parameters go on as they came, also those that this CSE does not know; those that it
-- acts on itself (rt, rp, oet) stay here.  What HTTP cannot carry is refused, nothing is left out;
-- no value ends a header line.

local core = require "moon2m.core.json"
local json = require "moon2m.json"
local path = require "moon2m.path"
local query = require "moon2m.query"
local rsc = require "moon2m.rsc"

local quote, concat = core.quote, table.concat
local CREATE, RETRIEVE = 1, 2
local MAX_FIELDS = 64
local NONE = {}

local passing = {}
local release = "3"

--- rvi of a script's requests.
function passing.configure(rvi)
  release = rvi
end

local function set(names)
  local out = {}
  for name in names:gmatch("%S+") do out[name] = true end
  return out
end

-- Members of a primitive that are made anew, and those that this CSE acts on.
local OWN = set "op to fr rqi ty pc ot rqet rset oet ec gid rvi vsi rt rp"

-- How a query string's fields stand in a primitive; what is in none of these is a text.
local NUMBER = set "rcn drt fu fo lim lvl ofst sts stb sza szb cfs gmty gsf"
local NUMBERS = set "ty chty pty"
local TEXTS = set "lbl cty clbl palb grtm rids tids ltids aus"
local FLAG = set "da tqi asi auri sqi"
-- Those that are no filter criteria; and the criteria that are no attribute conditions.
local OUTER = set "rcn drt da grtm rids tids ltids tqi asi aus auri sqi"
local CRITERIA = set [[crb cra ms us exb exa sts stb sza szb ty lbl cty fu fo chty pty clbl palb lbq
  cfs cfq gmty geom gsf lim lvl ofst arp smf]]
local RELATIVE = { c = "catr", p = "patr" }
local PREFIX = { atr = "", catr = "c.", patr = "p." }

local function bad(...)
  return nil, rsc.err(rsc.BAD_REQUEST, ...)
end

-- ---- from a query string ------------------------------------------------------------------------

local function unescape(s)
  return (s:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
end

local function split_list(value)
  local out = {}
  for part in value:gsub("%%20", "+"):gmatch("[^+]+") do out[#out + 1] = unescape(part) end
  return out
end

local function number(text)
  return text:find("^%-?%d+$") and text or quote(text)
end

local function list_text(values, as)
  for i, v in ipairs(values) do values[i] = as(v) end
  return "[" .. concat(values, ",") .. "]"
end

local FLAGS = { ["1"] = "true", ["0"] = "false" }

-- The JSON text of a field's value.
local function value_text(name, value)
  if NUMBERS[name] then return list_text(split_list(value), number) end
  if TEXTS[name] then return list_text(split_list(value), quote) end
  local text = unescape((value:gsub("+", " ")))
  if FLAG[name] then return FLAGS[text] or text == "true" and text or "false" end
  return NUMBER[name] and number(text) or quote(text)
end

-- One more field: outer[name], or fc.list[name], or a condition on an attribute.
local function add_field(into, name, value)
  if OWN[name] and name ~= "ty" then return end
  if name == "atrl" then
    into.atrl = split_list(value)
  elseif OUTER[name] then
    into.outer[#into.outer + 1] = quote(name) .. ":" .. value_text(name, value)
  elseif CRITERIA[name] then
    into.fc[#into.fc + 1] = quote(name) .. ":" .. value_text(name, value)
  else
    local relative, attribute = name:match("^([cp])%.(%a%w*)$")
    local list = into[relative and RELATIVE[relative] or "atr"]
    list[#list + 1] = ('{"nm":%s,"val":%s}'):format(quote(attribute or name),
      quote(unescape((value:gsub("+", " ")))))
  end
end

-- The members of a primitive (JSON text, each followed by a comma) that a query string stands for,
-- and the attributes that it names; nil, err.
local function members_of_query(text)
  local into, n = { outer = {}, fc = {}, atr = {}, catr = {}, patr = {} }, 0
  for field in text:gmatch("[^&]+") do
    n = n + 1
    local name, value = field:match("^([^=]+)=(.*)$")
    if n > MAX_FIELDS then return bad("query: more than %d fields", MAX_FIELDS) end
    if not name then
      return bad("query: expected name=value, got %s", quote(field:sub(1, 64)))
    end
    add_field(into, unescape(name), value)
  end
  for _, tag in ipairs { "atr", "catr", "patr" } do
    local list = into[tag]
    if list[1] then into.fc[#into.fc + 1] = ('"%s":[%s]'):format(tag, concat(list, ",")) end
  end
  if into.fc[1] then into.outer[#into.outer + 1] = '"fc":{' .. concat(into.fc, ",") .. "}" end
  return concat(into.outer, ","), into.atrl
end

-- The query string without what this CSE acts on; without grtm when the request is a group's.
local function rest_of_query(text, req)
  local out = {}
  for field in text:gmatch("[^&]+") do
    local name = unescape(field:match("^([^=]*)"))
    local own = name == "rt" or name == "rp" or name == "grtm" and req.fan
    if not own then out[#out + 1] = field end
  end
  return concat(out, "&")
end

-- ---- from a primitive ---------------------------------------------------------------------------

local function not_over_http(name)
  return nil, rsc.err(rsc.NOT_IMPLEMENTED, "%s: cannot be passed on over HTTP", name)
end

local function escape(s)
  return (s:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- A scalar's text; nil for anything else.
local function scalar(raw)
  local c = raw:byte()
  if c == 34 then return core.string(raw) end
  if c == 123 or c == 91 or c == 110 then return nil end
  return raw
end

-- name=value; nil, err when it does not fit.
local function field_of(name, raw)
  local value = scalar(raw)
  if value then return escape(name) .. "=" .. escape(value) end
  local items = raw:byte() == 91 and core.elements(raw)
  if not items or not items[1] then return not_over_http(name) end
  for i, item in ipairs(items) do
    local v = scalar(item)
    if not v or v:find(" ", 1, true) or v == "" then return not_over_http(name) end
    items[i] = escape(v)
  end
  return escape(name) .. "=" .. concat(items, "+")
end

local function conditions(out, tag, raw)
  local items = raw:byte() == 91 and core.elements(raw)
  if not items then return not_over_http("fc." .. tag) end
  for _, item in ipairs(items) do
    local m = item:byte() == 123 and core.members(item)
    local nm = m and m.nm and scalar(m.nm)
    if not nm or not m.val then return not_over_http("fc." .. tag) end
    local field, e = field_of(PREFIX[tag] .. nm, m.val)
    if not field then return nil, e end
    out[#out + 1] = field
  end
  return true
end

local function criteria(out, raw)
  local members, names
  if raw:byte() == 123 then members, names = core.members(raw) end
  if not members then return bad("fc: expected an object") end
  for _, name in ipairs(names) do
    local ok, e
    if PREFIX[name] then
      ok, e = conditions(out, name, members[name])
    else
      ok, e = field_of(name, members[name])
      out[#out + 1] = ok
    end
    if not ok then return nil, e end
  end
  return true
end

-- Both forms of the members of a primitive (JSON text of an object): members as above, query
-- string or nil; the third: why there is no query string.  nil, err when it cannot be read.
local function forms_of_members(text, req)
  local members, names = core.members(text)
  if not members then return bad("%s", names) end
  local out, fields, why = {}, {}, nil
  for _, name in ipairs(names) do
    local raw = members[name]
    if not OWN[name] and not (name == "grtm" and req.fan) then
      out[#out + 1] = quote(name) .. ":" .. raw
      local ok, e
      if name == "fc" then
        ok, e = criteria(fields, raw)
      else
        ok, e = field_of(name, raw)
        fields[#fields + 1] = ok
      end
      if not ok then why = why or e end
    end
  end
  return concat(out, ","), not why and concat(fields, "&") or nil, why
end

-- ---- what both have -----------------------------------------------------------------------------

local function script_members(req)
  return json.encode { rcn = req.rcn, fc = req.fc, drt = req.drt } or "{}"
end

--- What this CSE acts on: { rt =, rp = }; nil, err.
function passing.params(req)
  if req.fields then
    local m, why = core.members(req.fields)
    if not m then return bad("%s", why) end
    local parts = {}
    for _, name in ipairs { "rt", "rp" } do
      if m[name] then parts[#parts + 1] = quote(name) .. ":" .. m[name] end
    end
    return query.from_fields("{" .. concat(parts, ",") .. "}")
  end
  local parts = {}
  for field in (req.query or ""):gmatch("[^&]+") do
    if field:find("^r[tp]=") then parts[#parts + 1] = field end
  end
  if not parts[1] then return NONE end
  return query.params(concat(parts, "&"))
end

-- The list that a RETRIEVE's content names; nil for any other content.
local function named(pc)
  local outer = core.members(pc)
  local raw = outer and (outer["m2m:atrl"] or outer.atrl)
  local items = raw and raw:byte() == 91 and core.elements(raw)
  for i, item in ipairs(items or NONE) do
    items[i] = item:byte() == 34 and core.string(item) or ""
  end
  return items or nil
end

local function content_of_names(names)
  return '{"m2m:atrl":' .. list_text({ unpack(names) }, quote) .. "}"
end

-- Attributes go in the query over HTTP, in the content else.  Sets out.pc; the query string; nil,
-- err.
local function attributes(out, req, attr, fields, atrl)
  if req.op ~= RETRIEVE then return fields end
  local names = atrl
  if req.pc then
    names = named(req.pc)
    if not names then return not_over_http("pc") end
  elseif attr then
    names = { attr }
  end
  if not names then return fields end
  if atrl then                                -- they are in the query
    out.pc = req.pc or content_of_names(atrl)
    return fields
  end
  for i, name in ipairs(names) do names[i] = escape(name) end
  return fields .. (fields == "" and "" or "&") .. "atrl=" .. concat(names, "+")
end

-- ---- the texts ----------------------------------------------------------------------------------

-- The originator as another CSE knows it (TS-0004 7.3.2.6, TS-0001 7.2): SP-relative, absolute
-- beyond.  An AE-ID-Stem that begins with "S" is the service provider's, "/Sx".
local function originator(req, to)
  if to:sub(1, 2) == "//" then return path.absolute(req.who) end
  return path.sp_relative(req.who)
end

local TIMES = { "rqet", "rset", "ot" }
local HEADERS = { { "rvi", "RVI" }, { "rqet", "RET" }, { "rset", "RST" }, { "ot", "OT" },
  { "ec", "EC" }, { "gid", "GID" }, { "vsi", "VSI" } }

-- The identifier that a group's host gives the requests of one fan-out.
local function group_id(req)
  return req.gid or req.fan and req.fan.gid
end

local function frame(req, to, fr, members)
  local out = { ('{"op":%d,"to":%s,"fr":%s'):format(req.op, quote(to), quote(fr)) }
  if req.op == CREATE then out[#out + 1] = ('"ty":%d'):format(req.ty) end
  out[#out + 1] = '"rvi":' .. quote(req.rvi or release)
  for _, name in ipairs(TIMES) do
    if req[name] then out[#out + 1] = ('"%s":%s'):format(name, quote(req[name])) end
  end
  if req.ec then
    out[#out + 1] = '"ec":' .. (tonumber(req.ec) and ("%d"):format(req.ec) or quote(req.ec))
  end
  local gid = group_id(req)
  if gid then out[#out + 1] = '"gid":' .. quote(gid) end
  if req.vsi then out[#out + 1] = '"vsi":' .. quote(req.vsi) end
  if members ~= "" then out[#out + 1] = members end
  return concat(out, ",")
end

local function head(req, fr)
  local out = { "X-M2M-Origin: " .. fr, "Accept: application/json" }
  for _, h in ipairs(HEADERS) do
    local value = req[h[1]]
    if h[1] == "gid" then value = group_id(req) end
    if h[1] == "rvi" then value = value or release end
    if value then out[#out + 1] = ("X-M2M-%s: %s"):format(h[2], value) end
  end
  if req.pc and req.op ~= RETRIEVE then
    out[#out + 1] = "Content-Type: application/json" ..
      (req.op == CREATE and (";ty=%d"):format(req.ty) or "")
  end
  for _, line in ipairs(out) do
    if line:find("%c") then
      return bad("%s: control characters cannot be passed on", line:match("^[^:]*"))
    end
  end
  return concat(out, "\r\n") .. "\r\n"
end

local function percent(c)
  return ("%%%02X"):format(c:byte())
end

local function http_path(to, fields)
  local plain = to:gsub("[^%w%-._~/!$&'()*+,;=:@]", percent)
  local p = plain:sub(1, 2) == "//" and "/_" .. plain:sub(2) or "/~" .. plain
  return fields == "" and p or p .. "?" .. fields:gsub("[^!-~]", percent)
end

-- members, query string or nil, why there is none, attribute names; nil, err.
local function forms(req)
  if req.fields then return forms_of_members(req.fields, req) end
  if not req.query then return forms_of_members(script_members(req), req) end
  local rest = rest_of_query(req.query, req)
  local members, atrl = members_of_query(rest)
  if not members then return nil, atrl end
  return members, rest, nil, atrl
end

--- The parameters of an admitted request that go on, as the members of a primitive ("" or JSON text
-- without braces), and its content or nil.
function passing.members(req)
  local members, _, _, atrl = forms(req)
  return members or "", req.pc or atrl and content_of_names(atrl) or nil
end

--- The texts of an admitted request for `to`, which another CSE hosts (SP-relative or absolute);
-- attr: the attribute that its address names, or nil.  { op, frame, pc, path, head } as core.pass
-- takes them; http = the err when HTTP cannot carry it (path is empty then).  nil, err.
function passing.compose(req, to, attr)
  local members, fields, why, atrl = forms(req)
  if not members then return nil, fields end
  local fr = originator(req, to)
  local out = { op = req.op, pc = req.pc, path = "", head = "" }
  local lines, e = head(req, fr)
  if not lines then return nil, e end
  if fields then fields, why = attributes(out, req, attr, fields, atrl) end
  out.frame = frame(req, attr and to .. "#" .. attr or to, fr, members)
  if not fields then
    out.http = why
    return out
  end
  out.path, out.head = http_path(to, fields), lines
  return out
end

return passing
