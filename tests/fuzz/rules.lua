-- Broken texts for what reads them in Lua: moon2m lua tests/fuzz/rules.lua [TARGET [COUNT [SEED]]].
-- TARGET: addresses, filters, times, types, or all.  COUNT texts each, made from good ones by a
-- seeded mutator.  Whatever the text: no error is raised, a refusal has a code and a reason in one
-- line of UTF-8, and what is accepted means the same when it is written and read again.

package.path = "tests/lua/?.lua;" .. package.path
require("fake").reset()
package.loaded["moon2m.sql"] = nil          -- the fake store searches by itself, not by statements
local core = require "moon2m.core.json"
local json = require "moon2m.json"
local path = require "moon2m.path"
local query = require "moon2m.query"
local schema = require "moon2m.schema"
local sql = require "moon2m.sql"
local sys = require "moon2m.core.sys"
local times = require "moon2m.times"
local types = require "moon2m.types"

local TARGET = arg[1] or "all"
local COUNT = tonumber(arg[2]) or 1000000
local SEED = tonumber(arg[3]) or os.time() % 1000000
local rnd, sub, char = math.random, string.sub, string.char

path.configure { csi = "/moon", csn = "moon", spi = "//sp.local" }
local NOW = sys.now()

local function pick(list) return list[rnd(#list)] end

-- ---- what must hold -----------------------------------------------------------------------------

local function require_that(ok, what, ...)
  if not ok then error("broken: " .. what:format(...), 2) end
end

-- A refusal as a client gets it: m2m:dbg in JSON must be readable.
local function refusal(e)
  require_that(type(e) == "table" and e.rsc >= 4000 and e.rsc < 6000, "a refusal has a code")
  require_that(type(e.msg) == "string" and #e.msg > 3 and not e.msg:find("[%z\1-\31\127]"),
    "a refusal has a reason: %s", tostring(e.msg))
  require_that(core.members(json.encode { dbg = e.msg }), "m2m:dbg is JSON")
end

-- Both tables (from JSON, or plain data) say the same.
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end

-- ---- targets: seeds, words to put in, check(text) -----------------------------------------------

local targets = {}

targets.addresses = {
  seeds = { "moon", "moon/ae/c/la", "-/ae", "Cx", "/moon/-/ae", "//sp.local/moon/moon/ae#lbl",
    "/other/Cx", "//sp.other/other/x/y", "15", "210/c/fopt/la", "15-12", "moon/g/fopt/c#con",
    "S123", "/S123", "moon/" .. ("a/"):rep(63) },
  words = { "/", "//", "#", "-", "la", "ol", "fopt", "moon", "//sp.local", "/moon", " ", "\0", "~",
    "_", "S", "%2F", "." },
  check = function(text)
    local a, e = path.parse(text)
    if not a then return refusal(e) end
    require_that(a.remote or a.base or a.id, "an address is somewhere")
    for _, name in ipairs(a.names) do require_that(name ~= "", "no name is empty") end
    local fr = path.originator(text)
    require_that(path.originator(path.absolute(fr)) == fr, "an originator has one form: %s", fr)
    path.parse_ri(text)
    path.is_name(text)
    return true
  end,
}

-- The statement of an accepted search: each condition's value is a parameter, none its text.
local function check_search(fc)
  local ok, params = sql.search({ id = 1, path = "", now = NOW }, fc)
  if not ok then return end
  local _, marks = ok:gsub("%?", "")
  require_that(marks >= 0 and type(params) == "table", "a search has parameters")
  require_that(not ok:find("[%z\1-\9\11-\31\127-\255]"), "a statement is our text alone")
end

targets.filters = {
  seeds = { "fu=1&ty=3+4&lbl=a%20b&lim=10&ofst=1&lvl=2", "crb=20250101T000000&cra=20240101T000000",
    "fu=1&sts=1&stb=5&exb=20300101T000000&ms=20250101T000000,5&us=20240101T000000",
    "sza=1&szb=100&cty=text%2Fplain%3A0&rn=a*&cnf=x", "rcn=4&drt=2&atrl=lbl+rn+con&fo=2&rt=3",
    "fu=1&arp=la&ops=2&cfs=1&cfq=%24.a%5B%3F(%40.b%3E1)%5D", "rp=PT5M&rqet=20300101T000000",
    "fu=1&gmty=3&geom=%5B%5B%5B0,0%5D,%5B1,0%5D,%5B1,1%5D,%5B0,0%5D%5D%5D&gsf=1",
    "fu=1&lbq=a%20AND%20NOT%20(b%3Ac%20OR%20d)&chty=3&pty=2&clbl=x&plbl=y&api=Nx*" },
  words = { "&", "=", "+", "%20", "%", "fu=1", "fo=1", "lim=0", "ofst=", "atr=", "'", '"', "*", "[",
    "&&", "rcn=7", "lvl=-1", "1e9", "99999999999999999999", "%00", "%FF", "%C3%28", "geom=",
    "cfq=$", "smf=x" },
  check = function(text)
    local out, e = query.params(text)
    if not out then return refusal(e) end
    if not out.fc then return true end
    local again, why = query.from_fields('{"fc":' .. query.criteria(out.fc) .. "}")
    require_that(again, "criteria are read again: %s", why and why.msg or "")
    require_that(query.criteria(again.fc) == query.criteria(out.fc), "and say the same")
    check_search(out.fc)
    return true
  end,
}

targets.times = {
  seeds = { "20250101T000000", "20250101T000000,123456", "20991231T235959", "20240229T120000", "0",
    "5000", "PT5M", "P1Y2M3DT4H5M6S", "P1W", "PT0.5S", "99999999999999999" },
  words = { "T", "P", "-", ",", ".", "0", "99", "1e5", "Z", "+01", " ", "Y", "M", "D", "H", "S" },
  check = function(text)
    local us = sys.parse_stamp(text)
    if us then require_that(sys.parse_stamp(sys.stamp(us)) == us, "a stamp is written as read") end
    local req = { now = NOW, rqet = text, rset = rnd(2) == 1 and text or nil,
      oet = rnd(2) == 1 and text or nil }
    local e = times.read(req)
    if e then refusal(e) else require_that(times.deadline(req) > NOW, "a deadline is ahead") end
    local at, why = times.persistence(text, NOW)
    if at then require_that(at > NOW, "a result is kept") else refusal(why) end
    return us or at
  end,
}

local ROOTS = {}
for root in pairs(types.by_root) do ROOTS[#ROOTS + 1] = root end
table.sort(ROOTS)

-- An accepted CREATE is what a second reading of its members accepts too, and an UPDATE with the
-- same members is answered or refused, never an error.
targets.types = {
  seeds = {
    '{"m2m:cnt":{"rn":"a","lbl":["a","k:v"],"et":"20300101T000000"}}',
    '{"m2m:ae":{"api":"Nx","rr":true,"srv":["3"],"poa":["http://a.b:1/"],"nl":"15"}}',
    '{"m2m:cnt":{"mni":5,"mbs":100,"mia":9,"or":"http://x","li":"15","disr":true,"loc":'
      .. '{"typ":1,"crd":"[1,2]"}}}',
    '{"m2m:cin":{"con":"x","cnf":"text/plain:0"}}',
    '{"m2m:sub":{"nu":["Cx","http://a.b"],"enc":{"net":[1,2],"atr":["lbl"],"om":[{"ops":2,"org":'
      .. '"Cx"}]},"nct":1,"bn":{"num":5,"dur":1000},"exc":5,"su":"Cx","nec":1,"pn":1}}',
    '{"m2m:acp":{"pv":{"acr":[{"acor":["all","Cx"],"acop":63,"acco":[{"actw":["* * * * * * *"],'
      .. '"acip":{"ipv4":["1.2.3.4"]}}],"acod":[{"chty":[3]}]}]},'
      .. '"pvs":{"acr":[{"acor":["Cx"],"acop":63}]}}}',
    '{"m2m:grp":{"mnm":5,"mid":["15","16"],"mt":3,"csy":2,"gn":"g","macp":["15"]}}',
    '{"m2m:sch":{"se":{"sce":["0 0 * * * * *","* 1-5 */2 1,2 * * *"]}}}',
    '{"m2m:ts":{"pei":1000,"peid":10,"mdd":true,"mdn":5,"mdt":500,"cnf":"text/plain:0"}}',
    '{"m2m:tsi":{"dgt":"20250102T030405","con":"1"}}',
    '{"m2m:crs":{"nu":["Cx"],"twt":1,"tws":"PT1S","rrat":["15"],"encs":[{}]}}',
    '{"m2m:fwr":{"mgd":1001,"vr":"1","fwn":"x","url":"http://x","ud":true}}',
    '{"m2m:lcp":{"los":2,"lou":["PT1M"],"lot":"Cx","gta":{"typ":3,"crd":'
      .. '"[[[0,0],[1,0],[1,1],[0,0]]]"},"gec":1}}',
  },
  words = { '"', ",", ":", "{", "}", "[", "]", "null", "true", "-1", "1.5", "1e999", '"x":1', '""',
    '"rn":"la"', "[[[[", "\\u0000", "\\ud800", "\\u0007", '"et":5', "9007199254740993", "[]",
    "{}", "[null]" },
  check = function(text)
    local outer, names = core.members(text)
    local T = types.by_root[outer and names[1] or ""] or types.by_root[pick(ROOTS)]
    local members = core.members(outer and names[1] and outer[names[1]] or text)
    if not members then return end
    local ok, values = schema.check_create(T, members)
    if not ok then refusal(values) end
    if ok then
      local again, second = schema.check_create(T, members)
      require_that(again and same(second, values), "%s: read twice, the same", T.root)
    end
    local raw, e = schema.check_update(T, members, { raw = ok or {}, type = T })
    if not raw then refusal(e) end
    return ok
  end,
}

-- ---- the mutator --------------------------------------------------------------------------------

local function put(text, at, length, with)
  return sub(text, 1, at - 1) .. with .. sub(text, at + length)
end

local CHANGES = {
  function(text) return put(text, rnd(#text + 1), 1, char(rnd(0, 255))) end,
  function(text) return put(text, rnd(#text + 1), rnd(0, 8), "") end,
  function(text, t) return put(text, rnd(#text + 1), 0, pick(t.words)) end,
  function(text, t) return put(text, rnd(#text + 1), rnd(0, 8), pick(t.words)) end,
  function(text, t)                                             -- the end of another one
    local other = pick(t.seeds)
    return sub(text, 1, rnd(#text + 1)) .. sub(other, rnd(#other))
  end,
  function(text)                                                -- a piece of itself, again
    local at = rnd(#text + 1)
    return put(text, rnd(#text + 1), 0, sub(text, at, at + rnd(0, 16)))
  end,
}

local function mutated(t)
  local text = pick(t.seeds)
  for _ = 1, rnd(0, 4) do text = pick(CHANGES)(text, t) end
  return text
end

-- ---- the run ------------------------------------------------------------------------------------

local function run(name)
  local t, accepted = targets[name], 0
  math.randomseed(SEED)
  for i = 1, COUNT do
    local text = mutated(t)
    local ok, result = xpcall(t.check, debug.traceback, text)
    if not ok then
      print(("%s: seed %d, text %d: %q\n%s"):format(name, SEED, i, text, result))
      return false
    end
    if result then accepted = accepted + 1 end
  end
  print(("%s: %d texts from seed %d, %d accepted, no fault"):format(name, COUNT, SEED, accepted))
  return true
end

local ok = true
for _, name in ipairs { "addresses", "filters", "times", "types" } do
  if TARGET == "all" or TARGET == name then ok = run(name) and ok end
end
return ok
