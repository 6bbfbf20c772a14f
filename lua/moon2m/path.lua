-- Addresses: the six forms of a oneM2M identifier (TS-0001 7.2, 9.3.1; TS-0004 6.2.3, 7.3.2.8),
-- resource identifiers as this CSE makes them, originators, and path patterns.
--
-- Works on text only; whether a resource exists is the tree's business.  An address that cannot
-- name anything is refused with 4000 and the reason.  configure() must run before parse().
--
-- A resource identifier is the number of the resource in base 32 (Crockford's digits in lower
-- case) after one digit that tells how many follow: 5 -> "15", 32 -> "210".  So identifiers sort
-- like their numbers and always start with a digit.  An instance: container's identifier "-"
-- stateTag in the same form.

local rsc = require "moon2m.rsc"

local byte, find, sub, gsub, match = string.byte, string.find, string.sub, string.gsub, string.match
local floor, concat, sort = math.floor, table.concat, table.sort
local err, BAD = rsc.err, rsc.BAD_REQUEST

local MAX_LENGTH, MAX_NAMES, MAX_DEEP = 4096, 64, 4

local path = {}
local csi, csn, spi = "/moon", "moon", "//moon2m.local"

--- Sets what is "here": csi "/moon", csn the CSEBase's name, spi "//sp.example".
function path.configure(o)
  csi, csn, spi = o.csi or csi, o.csn or csn, o.spi or spi
end

--- What configure() set: csi, csn, spi.
function path.configured()
  return csi, csn, spi
end

-- ---- resource identifiers -----------------------------------------------------------------------

local DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
local digit, value_of = {}, {}
for i = 0, 31 do
  digit[i] = sub(DIGITS, i + 1, i + 1)
  value_of[byte(DIGITS, i + 1)] = i
end

local function encode(n)
  local low = digit[n % 32]
  if n < 32 then return "1" .. low end
  local out, len = low, 1
  n = floor(n / 32)
  while n > 0 do
    out, len, n = digit[n % 32] .. out, len + 1, floor(n / 32)
  end
  return len .. out
end

local function decode(s)
  local len = byte(s, 1)
  len = len and len - 48 or 0
  if len < 1 or len > 9 or #s ~= len + 1 then return nil end
  if len > 1 and byte(s, 2) == 48 then return nil end
  local n = 0
  for i = 2, #s do
    local d = value_of[byte(s, i)]
    if not d then return nil end
    n = n * 32 + d
  end
  return n
end

--- Resource identifier of resource number id (0 .. 2^45 - 1).
path.ri = encode

--- Resource identifier of the instance with stateTag st in container number cid.
function path.ri_inst(cid, st)
  return encode(cid) .. "-" .. encode(st)
end

--- The numbers in a resource identifier: id, or cid and st of an instance; nil for any other
-- text.
function path.parse_ri(s)
  local dash = find(s, "-", 1, true)
  if not dash then return decode(s) end
  local id, st = decode(sub(s, 1, dash - 1)), decode(sub(s, dash + 1))
  if id and st then return id, st end
end

-- ---- names --------------------------------------------------------------------------------------

-- Names that a virtual child has below its parent (TS-0004 6.8).
local VIRTUAL = { la = true, ol = true, fopt = true, sfop = true, pcu = true, ntsr = true,
  smv = true, msp = true }

--- Whether a client may give this resourceName (TS-0004 6.2.4: a letter or digit, then letters,
-- digits, "-", ".", "_"), 1 to 128 characters, not the name of a virtual resource.
function path.is_name(rn)
  return type(rn) == "string" and #rn <= 128 and find(rn, "^%w[%w%-%._]*$") ~= nil
    and not VIRTUAL[rn]
end

--- The structured, CSE-relative address of a resource's stored path ("" is the CSEBase).
function path.structured(p)
  return p == "" and csn or csn .. "/" .. p
end

-- ---- parse --------------------------------------------------------------------------------------

local function split(s)
  local seg, n, from = {}, 0, 1
  while true do
    local slash = find(s, "/", from, true)
    n = n + 1
    seg[n] = sub(s, from, slash and slash - 1 or nil)
    if not slash then return seg, n end
    from = slash + 1
  end
end

local function remote(whole)
  return { remote = whole, names = {} }
end

-- Segments i..n are below what has been found: names, then perhaps a virtual one and its rest.
local function tail(a, seg, i, n)
  local names, k = a.names, 0
  for j = i, n do
    local s = seg[j]
    if VIRTUAL[s] and (j == n or s == "fopt" or s == "sfop") then
      a.virtual = s
      if j < n then a.rest = concat(seg, "/", j + 1, n) end
      return a
    end
    k = k + 1
    names[k] = s
  end
  return a
end

local function local_address(seg, i, n)
  local first = seg[i]
  if first == nil then return { base = true, names = {} } end
  if first == "-" or first == csn then return tail({ base = true, names = {} }, seg, i + 1, n) end
  return tail({ id = first, names = {} }, seg, i + 1, n)
end

local function attribute(to)
  local hash = find(to, "#", 1, true)
  if not hash then return to end
  local name = sub(to, hash + 1)
  if not find(name, "^%a%w*$") then
    return nil, err(BAD, 'to: "#" must be followed by one attribute name')
  end
  return sub(to, 1, hash - 1), name
end

local function check_text(to)
  if type(to) ~= "string" or to == "" then return err(BAD, "to: missing") end
  if #to > MAX_LENGTH then return err(BAD, "to: longer than %d bytes", MAX_LENGTH) end
  if find(to, "[%z\1-\32\127]") then return err(BAD, "to: space or control character") end
end

local function segments(to, lead)
  local seg, n = split(sub(to, lead + 1))
  if n > 1 and seg[n] == "" then seg[n], n = nil, n - 1 end
  if n > MAX_NAMES then return nil, err(BAD, "to: more than %d levels", MAX_NAMES) end
  for i = 1, n do
    if seg[i] == "" then return nil, err(BAD, "to: empty segment") end
  end
  return seg, n
end

local function resolve_form(to, lead, seg, n)
  local i = 1
  if lead == 2 then
    if "//" .. seg[1] ~= spi then return remote(to) end
    i = 2
    if not seg[2] then return { base = true, names = {} } end
  end
  if lead >= 1 then
    if "/" .. seg[i] == csi then
      i = i + 1
         elseif i == n and byte(seg[i]) == 83 then  -- "S": an AE-ID-Stem of the service provider's
      return local_address(seg, i, n)
    else
      return remote(lead == 2 and "/" .. concat(seg, "/", i, n) or to)
    end
  end
  return local_address(seg, i, n)
end

--- Takes an address apart.  Returns one of
--   { remote = SP-relative or absolute address, names = {} }        not hosted here
--   { base = true, names = {...} }                        structured, from the CSEBase
--   { id = "15", names = {...} }                          unstructured identifier, then names
--   (hybrid)
-- with virtual = "la" ... and rest (the path after fopt) and attr (after "#") where present;
-- or nil, err (4000).
function path.parse(to)
  local bad = check_text(to)
  if bad then return nil, bad end
  local attr
  to, attr = attribute(to)
  if not to then return nil, attr end
  local _, lead = find(to, "^/*")
  if lead > 2 then return nil, err(BAD, "to: more than two leading slashes") end
  if #to == lead then return nil, err(BAD, "to: empty address") end
  local seg, n = segments(to, lead)
  if not seg then return nil, n end
  local a = resolve_form(to, lead, seg, n)
  a.attr = attr
  return a
end

--- Whether an address names something that another CSE hosts; false for what is no address.
function path.is_remote(to)
  if byte(to, 1) ~= 47 then return false end
  local n = #csi
  if sub(to, 1, n) == csi and byte(to, n + 1) == 47 then return false end
  local a = path.parse(to)
  return a ~= nil and a.remote ~= nil
end

-- ---- originators --------------------------------------------------------------------------------

--- Normal form of an originator or of an AE/CSE reference: the AE-ID-Stem for an AE of this CSE
-- ("Cx", "Sx"), SP-relative for others of this service provider ("/other/Cx", "/moon" for this
-- CSE), absolute beyond it.  Any other text comes back as it is.
function path.originator(fr)
  if byte(fr, 1) ~= 47 then return fr end
  if byte(fr, 2) == 47 then
    local n = #spi
    if sub(fr, 1, n) ~= spi or byte(fr, n + 1) ~= 47 or byte(fr, n + 2) == 47 then return fr end
    fr = sub(fr, n + 1)
  end
  local n = #csi
  if sub(fr, 1, n) == csi and byte(fr, n + 1) == 47 then return sub(fr, n + 2) end
  if byte(fr, 2) == 83 and not find(fr, "/", 2, true) and fr ~= csi then return sub(fr, 2) end
  return fr
end

--- SP-relative form of an identifier of this CSE: "Cx" -> "/moon/Cx"; others unchanged.
function path.sp_relative(id)
  if byte(id, 1) == 47 then return id end
  if byte(id, 1) == 83 and not find(id, "/", 1, true) then return "/" .. id end
  return csi .. "/" .. id
end

--- Absolute form of an identifier: "Cx" -> "//sp.example/moon/Cx"; absolute ones unchanged.
function path.absolute(id)
  if sub(id, 1, 2) == "//" then return id end
  return spi .. path.sp_relative(id)
end

-- ---- globs --------------------------------------------------------------------------------------

local NONE = {}

local globs = {}
globs.__index = globs

-- { lit, wild, values, star, deep }, each made when it is needed: there may be thousands.
local function node() return {} end

local function child(at, seg)
  if seg == "**" then
    at.deep = at.deep or node()
    at.deep.is_deep = true
    return at.deep
  elseif seg == "*" then
    at.star = at.star or node()
    return at.star
  elseif not find(seg, "*", 1, true) then
    at.lit = at.lit or {}
    at.lit[seg] = at.lit[seg] or node()
    return at.lit[seg]
  end
  local pattern = "^" .. gsub(gsub(seg, "[^%w*]", "%%%0"), "%*", "(.-)") .. "$"
  at.wild = at.wild or {}
  for _, w in ipairs(at.wild) do
    if w.pattern == pattern then return w.node end
  end
  local w = { pattern = pattern, node = node() }
  at.wild[#at.wild + 1] = w
  return w.node
end

--- Adds a value under a pattern: "/pump/*/level" ("*" is one level or, inside a name, any
-- characters of it), "/home/**" ("**" is any number of levels, none included; at most four of
-- them). Raises at the caller's line when the pattern is not one.
function globs:add(pattern, value)
  if type(pattern) ~= "string" or byte(pattern) ~= 47 then
    error('a path pattern starts with "/", got ' .. tostring(pattern), 2)
  end
  local at, deep = self.root, 0
  if pattern ~= "/" then
    local seg, n = split(sub(pattern, 2))
    if n > MAX_NAMES then error("a path pattern has at most 64 levels", 2) end
    for i = 1, n do
      if seg[i] == "" then error("empty level in the path pattern " .. pattern, 2) end
      if seg[i]:find("**", 1, true) and seg[i] ~= "**" then
        error(('"%s" in the path pattern %s: "**" is a level of its own'):format(seg[i], pattern),
          2)
      end
      if seg[i] == "**" then deep = deep + 1 end
      if deep > MAX_DEEP then error('more than four "**" in ' .. pattern, 2) end
      at = child(at, seg[i])
    end
  end
  self.n = self.n + 1
  at.values = at.values or {}
  at.values[#at.values + 1] = { seq = self.n, value = value }
end

local function leaf(m, at)
  for _, v in ipairs(at.values or NONE) do
    if not m.seen[v.seq] then
      m.seen[v.seq] = true
      local hit = { v.value, seq = v.seq }
      for i = 1, m.ncap do hit[i + 1] = m.cap[i] end
      m.hits[#m.hits + 1] = hit
    end
  end
end

local walk

-- One capture more while the rest is matched.
local function with(m, text, at, i)
  m.ncap = m.ncap + 1
  m.cap[m.ncap] = text
  walk(m, at, i)
  m.ncap = m.ncap - 1
end

local function wildcards(m, at, i)
  local s = m.seg[i]
  for _, w in ipairs(at.wild or NONE) do
    local got = { match(s, w.pattern) }
    if got[1] then
      local base = m.ncap
      for k = 1, #got do m.cap[base + k] = got[k] end
      m.ncap = base + #got
      walk(m, w.node, i + 1)
      m.ncap = base
    end
  end
end

-- Every (node, position) is walked once, so the work is bounded by their product.
function walk(m, at, i)
  local been = m.been[at]
  if not been then
    been = {}
    m.been[at] = been
  end
  if been[i] then return end
  been[i] = true
  if at.deep then
    for j = m.n + 1, i, -1 do with(m, concat(m.seg, "/", i, j - 1), at.deep, j) end
  end
  local s = m.seg[i]
  if not s then return leaf(m, at) end
  local lit = at.lit and at.lit[s]
  if lit then walk(m, lit, i + 1) end
  if at.star then with(m, s, at.star, i + 1) end
  wildcards(m, at, i)
end

local function in_order(a, b) return a.seq < b.seq end

--- The values whose pattern matches a path ("/pump/level"; "/" is the CSEBase), in order of
-- adding: a list of { value, capture1, ... }.  A "**" that stood for no level captures "".
function globs:match(p)
  if self.n == 0 then return {} end
  local m = { seg = {}, n = 0, cap = {}, ncap = 0, hits = {}, seen = {}, been = {} }
  if byte(p) == 47 then p = sub(p, 2) end
  if p ~= "" then m.seg, m.n = split(p) end
  walk(m, self.root, 1)
  sort(m.hits, in_order)
  return m.hits
end

--- An empty set of path patterns, compiled into a tree as they are added.
function path.globs()
  return setmetatable({ root = node(), n = 0 }, globs)
end

return path
