-- Filter criteria to SQL: every condition rendered and run against SQLite, order, paging, access.

local sqlite = require "sqlite"

local db
local store = { find = function(...) return db:find(...) end }
package.loaded["moon2m.core.store"] = store

local sys = require "moon2m.core.sys"
local path = require "moon2m.path"
local discovery = require "moon2m.discovery"
local query = require "moon2m.query"
local sql = require "moon2m.sql"
local sql_time = require "moon2m.sql_time"

local ROOT = arg[0]:match("^(.*)/tests/lua/[^/]*$") or "."
local NOW, DAY = sys.now(), 86400 * 1e6
local T0 = assert(sys.parse_stamp("20240101T000000"))

local function at(days) return T0 + days * DAY end
local function stamp(days) return sys.stamp(at(days)) end

local numbers = {}

-- A resource of the test tree; labels feed the label index as the store's writer does.
local function put(id, pid, ty, p, more)
  more = more or {}
  local row = { id = id, pid = pid, ty = ty, path = p, rn = p:match("[^/]*$"),
    ct = more.ct or at(id), lt = more.lt or at(id), et = more.et, st = more.st or 0,
    aei = more.aei, acpi = more.acpi, doc = more.doc or "{}" }
  if more.lbl then
    row.lbl = '["' .. table.concat(more.lbl, '","') .. '"]'
    for _, l in ipairs(more.lbl) do
      db:insert("lbl", { lbl = l, path = p, st = 0, ty = ty, id = id })
    end
  end
  numbers[p] = id
  db:insert("res", row)
  if ty == 3 then
    db:insert("cs", { cid = id, st = more.cs_st or 0, cni = more.cni or 0, cbs = 0, ol = 0,
      lt = more.cs_lt or row.lt, mia = more.mia })
  end
end

local function inst(p, st, more)
  local cid = numbers[p]
  local row = { cid = cid, st = st, ct = more.ct or at(100 + st), et = more.et,
    size = more.size or 2, rn = more.rn, cr = more.cr, att = more.att, con = more.con or '"x"' }
  if more.lbl then
    row.lbl = '["' .. table.concat(more.lbl, '","') .. '"]'
    for _, l in ipairs(more.lbl) do
      db:insert("lbl", { lbl = l, path = p, st = st, ty = 4, id = cid })
    end
  end
  db:insert("cin", row)
end

local function build()
  put(1, 0, 5, "", { lbl = { "base" } })
  put(2, 1, 2, "pump", { aei = "Cpump",
    doc = '{"api":"Nfactory.pump","rr":true,"srv":["2a","3"]}' })
  put(3, 2, 3, "pump/level", { lbl = { "room:1", "wet" }, cs_st = 4, cni = 4, cs_lt = at(104),
    doc = '{"mni":10,"_cr":"\\"Cpump\\""}' })
  put(4, 2, 3, "pump/flow", { lbl = { "wet" }, doc = '{"or":"http://x/y","mni":10}' })
  put(5, 3, 23, "pump/level/sub", { doc = '{"nu":["Cview","http://a/b"],"cr":"Cview"}',
    et = at(4000) })
  put(6, 3, 3, "pump/level/raw", { lbl = { "room:1" }, cs_st = 1, cni = 1, cs_lt = at(101) })
  put(7, 1, 2, "pump-2", { aei = "Cpump2", doc = '{"api":"Nother","rr":false}' })
  put(8, 7, 3, "pump-2/level", { lbl = { "room:2" }, cs_st = 2, cni = 2, cs_lt = at(102) })
  put(9, 1, 1, "acp", { doc = '{"pv":{}}' })
  put(10, 2, 3, "pump/dead", { et = NOW - 1, cs_st = 1, cni = 1, lbl = { "wet" } })
  put(11, 2, 3, "pump/shut", { doc = '{"disr":true}', cs_st = 1, cni = 1 })
  put(12, 2, 3, "pump/aged", { mia = 3600, cs_st = 2, cni = 2 })
  inst("pump/level", 1, { size = 2, att = '{"cnf":"text/plain:0"}', con = '"21.5"' })
  inst("pump/level", 2, { size = 20, rn = "named", lbl = { "wet" }, con = "21.5", cr = "Cpump" })
  inst("pump/level", 3, { size = 200, att = '{"cnf":"application/json:1"}', con = '{"a":1}',
    lbl = { "wet", "odd" } })
  inst("pump/level", 4, { et = NOW - 1 })
  inst("pump/level/raw", 1, { con = "true", et = NOW + DAY })
  inst("pump-2/level", 1, {})
  inst("pump-2/level", 2, { lbl = { "wet" } })
  inst("pump/dead", 1, {})
  inst("pump/shut", 1, {})
  inst("pump/aged", 1, { ct = NOW - 7200 * 1e6 })
  inst("pump/aged", 2, { ct = NOW - 60 * 1e6 })
end

local function root(p) return { id = numbers[p], path = p } end

-- Paths found below p for a query string.
local function found(p, q, opts)
  local params, e = query.params(q)
  assert(params, tostring(e))
  local hits, next_one = discovery.find(root(p), params.fc or {}, opts or {})
  local out = {}
  for i, h in ipairs(hits) do out[i] = h.path end
  return out, next_one, hits
end

local function inst_path(p, st)
  return p .. "/" .. path.ri_inst(numbers[p], st)
end

-- The rows of one statement, whatever leads it.
local function search(scope, fc)
  local statement, values = sql.search(scope, fc)
  return statement and (db:find(statement, values, 100)) or {}
end

local describe_sql = sqlite.present() and describe or pending

describe_sql("discovery", function()
  setup(function()
    db = sqlite.new(ROOT)
    build()
  end)
  teardown(function() db:close() end)

  local function finds(p, q, ...)
    assert.same({ ... }, (found(p, q)))
  end

  it("lists resources and instances in order, without expired ones", function()
    assert.same({ "acp", "pump", "pump-2", "pump-2/level", inst_path("pump-2/level", 1),
      inst_path("pump-2/level", 2), "pump/aged", inst_path("pump/aged", 2), "pump/flow",
      "pump/level", inst_path("pump/level", 1), "pump/level/named", inst_path("pump/level", 3),
      "pump/level/raw", inst_path("pump/level/raw", 1), "pump/level/sub", "pump/shut" },
      (found("", "fu=1")))
  end)

  it("keeps to the subtree, which does not include neighbours or itself", function()
    finds("pump", "ty=3", "pump/aged", "pump/flow", "pump/level", "pump/level/raw", "pump/shut")
    finds("pump-2", "ty=3", "pump-2/level")
    finds("pump/level", "ty=3", "pump/level/raw")
    finds("pump/level/raw", "ty=4", inst_path("pump/level/raw", 1))
    finds("pump/flow", "fu=1")
  end)

  it("gives the fields of a hit", function()
    local _, _, hits = found("pump/level", "ty=23+4")
    assert.same({ path = inst_path("pump/level", 1), ty = 4, id = 3, pid = 3, st = 1,
      rn = "13-11", ri = "13-11" }, hits[1])
    assert.same("named", hits[2].rn)
    assert.same("13-12", hits[2].ri)
    assert.same({ path = "pump/level/sub", ty = 23, id = 5, pid = 3, rn = "sub", ri = "15" },
      hits[#hits])
    _, _, hits = found("", "ty=2")
    assert.same({ "Cpump", "Cpump2" }, { hits[1].ri, hits[2].ri })
  end)

  it("ty: one, several, none", function()
    finds("", "ty=2", "pump", "pump-2")
    finds("", "ty=2+1", "acp", "pump", "pump-2")
    finds("", "ty=9")
    finds("pump/level", "ty=4", inst_path("pump/level", 1), "pump/level/named",
      inst_path("pump/level", 3), inst_path("pump/level/raw", 1))
  end)

  it("lbl: any of the labels, each resource once", function()
    finds("", "lbl=wet", inst_path("pump-2/level", 2), "pump/flow", "pump/level",
      "pump/level/named", inst_path("pump/level", 3))
    finds("", "ty=3&lbl=wet+room:1+room:2", "pump-2/level", "pump/flow", "pump/level",
      "pump/level/raw")
    finds("pump/level", "lbl=wet+odd", "pump/level/named", inst_path("pump/level", 3))
    finds("", "lbl=WET")
    finds("", "lbl=base")
  end)

  it("crb and cra: creation time", function()
    finds("", "ty=3&crb=" .. stamp(4), "pump/level")
    finds("", "ty=3&cra=" .. stamp(6) .. "&crb=" .. stamp(9), "pump-2/level", "pump/level/raw")
    finds("pump/level", "ty=4&cra=" .. stamp(102) .. "&crb=" .. stamp(103), "pump/level/named")
  end)

  it("us and ms: modification time, of a container also by its instances", function()
    finds("", "ty=3&ms=" .. stamp(104), "pump/level")
    finds("", "ty=3&us=" .. stamp(5), "pump/flow")
    finds("pump-2", "ty=4&ms=" .. stamp(102), inst_path("pump-2/level", 2))
    finds("pump-2", "ty=4&us=" .. stamp(102), inst_path("pump-2/level", 1))
  end)

  it("sts and stb: only where there is a stateTag", function()
    finds("", "ty=2+3+23&stb=0&sts=1", "pump/flow")
    finds("", "stb=4", "pump/level")
    finds("pump/level", "ty=4&stb=2", "pump/level/named", inst_path("pump/level", 3))
  end)

  it("exb and exa: resources with an expiration time", function()
    finds("", "ty=3+23&exa=20240101T000000", "pump/level/sub")
    finds("", "ty=23&exb=" .. stamp(4000))
    finds("", "ty=23&exb=" .. stamp(4001), "pump/level/sub")
    finds("", "ty=4&exa=20240101T000000&exb=" .. sys.stamp(NOW + 2 * DAY),
      inst_path("pump/aged", 2), inst_path("pump/level/raw", 1))
  end)

  it("sza and szb: size of instances", function()
    finds("pump", "sza=20&szb=200", "pump/level/named")
    finds("pump", "sza=200", inst_path("pump/level", 3))
    finds("pump", "ty=3&sza=0")
  end)

  it("cty: media type of instances", function()
    finds("", "cty=text/plain", inst_path("pump/level", 1))
    finds("", "cty=TEXT/plain+application/json", inst_path("pump/level", 1),
      inst_path("pump/level", 3))
    finds("", "cty=text")
  end)

  it("atr: strings, numbers, booleans, lists, wildcards", function()
    finds("", "api=Nfactory.pump", "pump")
    finds("", "api=N*", "pump", "pump-2")
    finds("", "api=n*")
    finds("", "rr=true", "pump")
    finds("", "rr=false", "pump-2")
    finds("", "mni=10", "pump/flow", "pump/level")
    finds("", "mni=10.0", "pump/flow", "pump/level")
    finds("", "mni=1*", "pump/flow", "pump/level")
    finds("", "nu=http://a/b", "pump/level/sub")
    finds("", "nu=C*", "pump/level/sub")
    finds("", "srv=2a", "pump")
    finds("", "api=Nfactory_pump")
    finds("", "api=N[a-z]*")
    finds("", "api=Nothe?")
  end)

  it("atr: attributes with a column of their own", function()
    finds("", "rn=flow", "pump/flow")
    finds("", "rn=le*", "pump-2/level", "pump/level")
    finds("", "rn=named", "pump/level/named")
    finds("", "rn=13-11", inst_path("pump/level", 1))
    finds("", "aei=Cpump*", "pump", "pump-2")
    finds("", "ri=14", "pump/flow")
    finds("", "ri=12")
    finds("", "ri=Cpump", "pump")
    finds("", "ri=13-13", inst_path("pump/level", 3))
    finds("", "pi=13", inst_path("pump/level", 1), "pump/level/named", inst_path("pump/level", 3),
      "pump/level/raw", "pump/level/sub")
    finds("", "pi=Cpump2", "pump-2/level")
    finds("", "cni=2", "pump-2/level", "pump/aged")
    finds("", "cr=Cpump", "pump/level/named")
    finds("", "cr=C*", "pump/level/named", "pump/level/sub")
  end)

  it("atr: content of instances", function()
    finds("", "con=21.5", inst_path("pump/level", 1), "pump/level/named")
    finds("", "con=true", inst_path("pump/level/raw", 1))
  end)

  it("several atr are any of them", function()
    finds("", "ty=2&rr=false&api=Nfactory.pump", "pump", "pump-2")
  end)

  it("quotes in values are values", function()
    finds("", "lbl=%27%20OR%201=1%20--")
    finds("", "api=%27;DROP%20TABLE%20res;--")
    finds("", "ty=2", "pump", "pump-2")
  end)

  it("lvl: depth below the root", function()
    finds("", "lvl=1", "acp", "pump", "pump-2")
    finds("", "lvl=2&ty=3", "pump-2/level", "pump/aged", "pump/flow", "pump/level", "pump/shut")
    finds("", "lvl=2&ty=4")
    finds("pump", "lvl=1&ty=3", "pump/aged", "pump/flow", "pump/level", "pump/shut")
    finds("pump/level", "lvl=1", inst_path("pump/level", 1), "pump/level/named",
      inst_path("pump/level", 3), "pump/level/raw", "pump/level/sub")
    finds("pump", "lvl=2&ty=4", inst_path("pump/aged", 2), inst_path("pump/level", 1),
      "pump/level/named", inst_path("pump/level", 3))
  end)

  it("fo 2: any condition", function()
    finds("", "fo=2&ty=2&lbl=room:2", "pump", "pump-2", "pump-2/level")
    finds("", "fo=2&ty=1&sza=100", "acp", inst_path("pump/level", 3))
    finds("pump-2", "fo=2&ty=4&rr=false", inst_path("pump-2/level", 1),
      inst_path("pump-2/level", 2))
  end)

  it("fo 3: exactly one condition", function()
    finds("", "fo=3&ty=2&lbl=room:2", "pump", "pump-2", "pump-2/level")
    finds("", "fo=3&ty=2&api=Nother", "pump")
    finds("pump-2", "fo=3&ty=4&lbl=wet", inst_path("pump-2/level", 1))
  end)

  it("lbq: keys and values of labels", function()
    finds("", "lbq=room", "pump-2/level", "pump/level", "pump/level/raw")
    finds("", "ty=3&lbq=NT+room", "pump/aged", "pump/flow", "pump/shut")
    for _, q in ipairs { "room:1", "room+EQ+1", "room+IN+(1)", "room+IN+(7,+1)", "room+NE+2",
      "room+NI+(2,3)" } do
      finds("", "lbq=" .. q, "pump/level", "pump/level/raw")
    end
    finds("", "lbq=roo")
    finds("", "lbq=odd", inst_path("pump/level", 3))
    finds("", "lbq=wet+NE+1&ty=3", "pump/flow", "pump/level")
  end)

  it("pty, palb, patr: what the parent is", function()
    finds("", "pty=5", "acp", "pump", "pump-2")
    finds("", "ty=3&pty=3", "pump/level/raw")
    finds("", "ty=4&pty=3+2", inst_path("pump-2/level", 1), inst_path("pump-2/level", 2),
      inst_path("pump/aged", 2), inst_path("pump/level", 1), "pump/level/named",
      inst_path("pump/level", 3), inst_path("pump/level/raw", 1))
    finds("", "ty=4&pty=2")
    finds("", "palb=base", "acp", "pump", "pump-2")
    finds("", "palb=room:2+odd", inst_path("pump-2/level", 1), inst_path("pump-2/level", 2))
    finds("", "p.api=Nother", "pump-2/level")
    finds("pump", "p.mni=10&ty=4", inst_path("pump/level", 1), "pump/level/named",
      inst_path("pump/level", 3))
    finds("", "p.rn=raw&p.cni=4", inst_path("pump/level", 1), "pump/level/named",
      inst_path("pump/level", 3), "pump/level/raw", inst_path("pump/level/raw", 1),
      "pump/level/sub")
  end)

  it("chty, clbl, catr: what some child is", function()
    finds("", "chty=23", "pump/level")
    finds("", "chty=4", "pump-2/level", "pump/aged", "pump/level", "pump/level/raw")
    finds("", "chty=3+1&ty=2", "pump", "pump-2")
    finds("", "clbl=room:2", "pump-2")
    finds("", "clbl=wet", "pump", "pump-2/level", "pump/level")
    finds("", "clbl=wet&ty=3", "pump-2/level", "pump/level")
    finds("", "c.nu=C*", "pump/level")
    finds("", "c.con=21.5", "pump/level")
    finds("", "c.rn=named", "pump/level")
    finds("", "c.mni=10", "pump")
    finds("pump/level/raw", "ty=4&chty=4")
    finds("", "fo=2&chty=23&lbl=odd", "pump/level", inst_path("pump/level", 3))
  end)

  it("cfq: JSONPath on the content of instances", function()
    finds("", "cfq=$.a", inst_path("pump/level", 3))
    finds("", "cfq=$.b")
    finds("", "cfq=$..a", inst_path("pump/level", 3))
    finds("pump/level/raw", "cfq=$", inst_path("pump/level/raw", 1))
    finds("", "ty=3&cfq=$")
  end)

  it("asks the same of one resource", function()
    local function met(p, st, q)
      local r = st and { cid = numbers[p], st = st } or { id = numbers[p] }
      return discovery.met(r, query.params(q).fc, error)
    end
    assert.is_true(met("pump/level", nil, "pty=2&lbl=wet"))
    assert.is_false(met("pump/level", nil, "pty=2&lbl=dry"))
    assert.is_true(met("pump/level", nil, "chty=4&lvl=1"))
    assert.is_true(met("pump/level", 3, "cfq=$.a&palb=wet"))
    assert.is_false(met("pump/level", 1, "cfq=$.a"))
    assert.is_true(met("pump/level", 2, "pty=3"))
    assert.is_false(met("pump/level", 2, "chty=3"))
    assert.is_true(met("", nil, "chty=2"))
    assert.is_false(met("", nil, "cfq=$"))
  end)

  it("finds the same by time whatever leads the search", function()
    local now = #(found("", "fu=1"))
    for _, q in ipairs { "cra=" .. stamp(103), "ms=" .. stamp(103), "crb=" .. stamp(6),
      "us=" .. stamp(6), "cra=" .. stamp(6) .. "&crb=" .. stamp(103), "ms=" .. stamp(101) ..
      "&us=" .. stamp(103), "ty=4&cra=" .. stamp(102), "ty=3&ms=" .. stamp(102),
      "cra=20990101T000000",
      "crb=19990101T000000", "cra=20000101T000000", "crb=20990101T000000", "ty=3&lvl=2&ms=" ..
      stamp(102) } do
      local fc = query.params(q).fc
      for _, p in ipairs { "", "pump", "pump/level" } do
        local want
        for _, by in ipairs { "paths", "since", "before" } do
          local led = by == "since" and (fc.cra or fc.ms) or by == "before" and (fc.crb or fc.us)
          if by == "paths" or led then
            local scope = { id = numbers[p], path = p, now = NOW, by = led and by or nil,
              written = "[3,4,6,8,10,11,12]" }
            local list = {}
            for i, row in ipairs(search(scope, fc)) do
              list[i] = row.path .. " " .. row.st
            end
            want = want or list
            assert.same(want, list, q .. " below " .. p .. " by " .. by)
            assert.is_true(#list <= now)
          end
        end
      end
    end
  end)

  it("times lead when they leave less than the paths do", function()
    local most = sql_time.MOST
    for _, case in ipairs { { { since = 3, below = 100 }, 5, "since" },
      { { since = 3, below = 8 }, 5 }, { { since = most, below = most + 1 }, 0, "since" },
      { { since = most, below = most + 1 }, 1 }, { { earlier = 4, below = 5 }, nil, "before" },
      { { earlier = 4, since = 9, below = 99 }, 1, "before" },
      { { earlier = 40, since = 9, below = 99 }, 1, "since" } } do
      assert.equal(case[3], (sql_time.choose(case[1], case[2])))
    end
  end)

  it("lim and ofst: pages that join without gap or repeat", function()
    local all = found("", "fu=1")
    local joined, from, rounds = {}, 1, 0
    while from do
      local page, next_one = found("", "lim=3&ofst=" .. from)
      for _, p in ipairs(page) do joined[#joined + 1] = p end
      assert.is_true(#page == 3 or not next_one)
      from, rounds = next_one, rounds + 1
    end
    assert.same(all, joined)
    assert.same(6, rounds)
    local none, first = found("", "lim=0")
    assert.same({ {}, 1 }, { none, first })
    local page, next_one = found("", "lim=" .. #all)
    assert.same({ #all }, { #page, next_one })
    assert.same({}, (found("", "ofst=1000")))
  end)

  it("pages internally when access drops rows", function()
    local asked = 0
    local opts = { max = 2, allow = function(h)
      asked = asked + 1
      return h.ty == 3
    end }
    local page, next_one = found("", "fu=1", opts)
    assert.same({ "pump-2/level", "pump/aged" }, page)
    assert.same(3, next_one)
    assert.same(9, asked)
    page, next_one = found("", "fu=1&ofst=3", opts)
    assert.same({ "pump/flow", "pump/level" }, page)
    assert.same(5, next_one)
    page, next_one = found("", "fu=1&ofst=5", opts)
    assert.same({ "pump/level/raw", "pump/shut" }, page)
    assert.is_nil(next_one)
  end)

  it("continues inside the instances of a container", function()
    local small = store.find
    store.find = function(s, p) return small(s, p, 2) end
    local ok, why = pcall(function()
      assert.same(17, #(found("", "fu=1")))
      assert.same(7, #(found("", "ty=4")))
      assert.same(5, #(found("", "lbl=wet")))
      assert.same(4, #(found("pump/level", "ty=4")))
    end)
    store.find = small
    assert(ok, why)
  end)

  it("arp: what lies at a relative path of each match", function()
    local opts = { resolve = function(address)
      local p = address:match("^moon/(.*)$")
      if p:match("/la$") then return { virtual = "la", parent = { id = 3, ri = "13", ty = 3 } } end
      local id = numbers[p]
      return id and { id = id, ty = 3, rn = p:match("[^/]*$"), ri = path.ri(id), pid = 1 }
    end }
    assert.same({ "pump/level", "pump-2/level" }, (found("", "ty=2&arp=level", opts)))
    assert.same({ "pump/level/la" }, (found("", "ty=3&lbl=wet&rn=level&arp=la", opts)))
    assert.same({}, (found("", "ty=2&arp=nothing", opts)))
  end)

  it("leaves out what is nobody's business: refused policies, others' resources", function()
    local function seen(view, q)
      local scope = { id = 1, path = "", now = NOW, view = view }
      local out = {}
      for i, row in ipairs(search(scope, query.params(q).fc or {})) do out[i] = row.path end
      return out
    end
    local all = seen(nil, "fu=1")
    assert.is_true(#all > 10)
    assert.same({ "acp" }, seen({ who = "Cnobody", refused = {} }, "fu=1"))
    assert.same({ "acp", "pump-2" }, seen({ who = "Cpump2", refused = {} }, "fu=1"))
    assert.same({ "acp", "pump/level/sub" }, seen({ who = "Cview", refused = {} }, "fu=1"))
  end)

  it("a geo-query: points that may be there, and any other shape", function()
    local kept = db
    db = sqlite.new(ROOT)
    local function located(id, name, loc) put(id, 1, 3, name, { doc = '{"loc":' .. loc .. "}" }) end
    located(2, "in", '{"typ":1,"crd":"[2,2]"}')
    located(3, "edge", '{"typ":1,"crd":"[0.1,4]"}')
    located(4, "east", '{"typ":1,"crd":"[9,2]"}')
    located(5, "north", '{"typ":1,"crd":"[2,9,100]"}')
    located(6, "line", '{"typ":2,"crd":"[[7,7],[8,8]]"}')
    located(7, "text", '"here"')
    located(8, "odd", '{"typ":1,"crd":"[2,"}')
    local fc = query.params("gmty=3&gsf=1&geom=" ..
      "%5B%5B0.1,0%5D,%5B4,0%5D,%5B4,4%5D,%5B0.1,0%5D%5D").fc
    local out = {}
    for i, row in ipairs(search({ id = 1, path = "", now = NOW }, fc)) do out[i] = row.path end
    assert.same({ "edge", "in", "line", "odd" }, out)
    db:close()
    db = kept
  end)

  it("a geo-query: the boxes lead to resources and instances, in a subtree and in order", function()
    local kept = db
    db = sqlite.new(ROOT)
    local sql_geo = require "moon2m.sql_geo"
    local function loc(x, y) return ('{"loc":{"typ":1,"crd":"[%d,%d]"}}'):format(x, y) end
    local function box(number, x, y)
      db:insert("geo", { id = number, x0 = x, x1 = x, y0 = y, y1 = y })
    end
    put(2, 1, 3, "a", { doc = "{}", cs_st = 2, cni = 2 })
    put(3, 2, 3, "a/c", { doc = loc(1, 1) })
    put(4, 2, 3, "a/b", { doc = loc(2, 2) })
    put(5, 1, 3, "d", { doc = loc(1, 2) })
    put(6, 2, 3, "a/far", { doc = loc(50, 2) })
    inst("a", 1, { att = loc(2, 1) })
    inst("a", 2, { att = loc(70, 1) })
    for number, p in pairs { [6] = { 1, 1 }, [8] = { 2, 2 }, [10] = { 1, 2 }, [12] = { 50, 2 },
      [3] = { 2, 1 }, [5] = { 70, 1 } } do box(number, p[1], p[2]) end
    local fc = query.params("gmty=3&gsf=1&geom=[[0,0],[4,0],[4,4],[0,4],[0,0]]").fc
    local statement, values = sql_geo.probe(sql_geo.box(fc))
    local n = db:find(statement, values, 1)[1]
    assert.same({ 3, 1 }, { n.resources, n.instances })
    local function found_by(near, top, id)
      local out = {}
      local scope = { id = id, path = top, now = NOW, near = near }
      for i, row in ipairs(search(scope, fc)) do out[i] = row.path .. ":" .. row.st end
      return out
    end
    for _, near in ipairs { sql_geo.choose(n), { resources = true }, { instances = true },
      false } do
      assert.same({ "a:1", "a/b:0", "a/c:0", "d:0" }, found_by(near or nil, "", 1))
      assert.same({ "a:1", "a/b:0", "a/c:0" }, found_by(near or nil, "a", 2))
    end
    assert.matches("VIRTUAL TABLE INDEX", db:plan(sql.search({ id = 1, path = "", now = NOW,
      near = sql_geo.choose(n) }, fc)))
    db:close()
    db = kept
  end)

  it("uses the indexes that the store has for it", function()
    local function plan(p, q, after)
      local scope = { id = numbers[p], path = p, now = NOW, after = after }
      return db:plan(sql.search(scope, query.params(q).fc))
    end
    assert.matches("USING PRIMARY KEY %(lbl=%? AND path>", plan("pump", "ty=3&lbl=wet"))
    assert.matches("INDEX res_ty %(ty=%? AND path>", plan("pump", "ty=3"))
    assert.matches("INDEX cin_key %(cid=%?", plan("pump", "ty=4"))
    for _, q in ipairs { "ty=3", "ty=3&lbl=wet", "ty=4", "ty=4&lbl=wet", "lbl=wet", "fu=1" } do
      assert.not_matches("TEMP B%-TREE", plan("pump", q))
      assert.not_matches("TEMP B%-TREE", plan("pump", q, { path = "pump/level", st = 2 }))
    end
  end)
end)

describe("discovery.match", function()
  local r = { ct = 100, lt = 200, st = 5, et = 300, cs = 10, ty = 4, lbl = { "a", "b" },
    cnf = "text/plain:0", cr = "Cx", mni = 5, rr = true, nu = { "Cy" } }
  local function holds(fc) return discovery.match(fc, function(name) return r[name] end) end

  it("has the same edges as the search", function()
    for tag, edge in pairs { crb = { 100, 101 }, us = { 200, 201 }, sts = { 5, 6 },
      exb = { 300, 301 }, szb = { 10, 11 } } do
      assert.is_false(holds { [tag] = edge[1] }, tag)
      assert.is_true(holds { [tag] = edge[2] }, tag)
    end
    for tag, edge in pairs { cra = { 101, 100 }, ms = { 201, 200 }, stb = { 6, 5 },
      exa = { 301, 300 }, sza = { 11, 10 } } do
      assert.is_false(holds { [tag] = edge[1] }, tag)
      assert.is_true(holds { [tag] = edge[2] }, tag)
    end
  end)

  it("compares types, labels, media types and attributes", function()
    assert.is_true(holds { ty = { 3, 4 } })
    assert.is_false(holds { ty = { 3 } })
    assert.is_true(holds { lbl = { "z", "b" } })
    assert.is_false(holds { lbl = { "z" } })
    assert.is_true(holds { cty = { "Text/Plain" } })
    assert.is_false(holds { cty = { "text" } })
    local function atr(nm, val) return holds { atr = { { nm = nm, val = val } } } end
    assert.is_true(atr("cr", "Cx") and atr("cr", "C*") and atr("mni", "5") and atr("mni", "5.0"))
    assert.is_true(atr("rr", "true") and atr("nu", "Cy") and atr("nu", "*y"))
    assert.is_false(atr("cr", "C") or atr("cr", "*y") or atr("mni", "50") or atr("or", "*"))
  end)

  it("joins tags by fo", function()
    assert.is_true(holds {})
    assert.is_true(holds { fo = 2 })
    assert.is_false(holds { ty = { 4 }, lbl = { "z" } })
    assert.is_true(holds { ty = { 4 }, lbl = { "z" }, fo = 2 })
    assert.is_false(holds { ty = { 3 }, lbl = { "z" }, fo = 2 })
    assert.is_true(holds { fo = 3 } and holds { ty = { 4 }, lbl = { "z" }, fo = 3 })
    assert.is_false(holds { ty = { 4 }, lbl = { "a" }, fo = 3 })
    assert.is_true(holds { lbq = "a" } and holds { lbq = "NT c" })
    assert.is_false(holds { lbq = "c" })
  end)
end)

describe("sql", function()
  it("binds every value", function()
    local scope = { id = 1, path = "a'b", now = 5 }
    local fc = { lbl = { "x'y" }, atr = { { nm = "api", val = "z'*" } }, ty = { 3 }, cty = nil }
    local text, params = sql.search(scope, fc)
    assert.is_nil(text:find("'y", 1, true))
    assert.is_nil(text:find("a'b", 1, true))
    assert.is_nil(text:find("z'", 1, true))
    local top = 0
    for n in text:gmatch("%?(%d+)") do top = math.max(top, tonumber(n)) end
    assert.same(#params, top)
  end)

  it("has one text for one shape", function()
    local a = sql.search({ id = 1, path = "a", now = 5 }, { ty = { 3 }, lbl = { "x" } })
    local b = sql.search({ id = 9, path = "b", now = 6 }, { ty = { 2 }, lbl = { "y" } })
    assert.same(a, b)
  end)

  it("knows when nothing can match", function()
    assert.is_nil(sql.search({ id = 1, path = "", now = 5 }, { ty = { 3 }, sza = 5 }))
  end)
end)
