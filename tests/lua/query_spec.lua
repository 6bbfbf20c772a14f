-- The rare parameters of a request: query strings and WebSocket primitives.

local sys = require "moon2m.core.sys"
local query = require "moon2m.query"

local function params(s)
  local out, e = query.params(s)
  return out or error(tostring(e), 2)
end

local function fields(s)
  local out, e = query.from_fields(s)
  return out or error(tostring(e), 2)
end

local function refused(read, s, code)
  local out, e = read(s)
  assert.is_nil(out, s)
  assert.same(code or 4000, e.rsc, s .. ": " .. e.msg)
  return e.msg
end

local T = sys.parse_stamp("20240101T000000")

describe("query string", function()
  it("gives parameters and criteria", function()
    assert.same({ rcn = 4, drt = 2, da = true, rp = "PT5S", rt = { rtv = 3 } },
      params("rcn=4&drt=2&da=true&rp=PT5S&rt=3"))
    assert.same({ fc = { fu = 1, fo = 2, lim = 0, lvl = 1, ofst = 1, arp = "a/la" } },
      params("fu=1&fo=2&lim=0&lvl=1&ofst=1&arp=a/la"))
    local all = params("crb=20240101T000000&cra=20240101T000000&ms=20240101T000000"
      .. "&us=20240101T000000&exb=20240101T000000&exa=20240101T000000&sts=1&stb=0&sza=0&szb=1")
    assert.same({ fc = { crb = T, cra = T, ms = T, us = T, exb = T, exa = T, sts = 1, stb = 0,
      sza = 0, szb = 1 } }, all)
    assert.same({}, params(""))
  end)

  it("reads lists with plus, %20 and repetition", function()
    assert.same({ 2, 3, 4 }, params("ty=2+3&ty=4").fc.ty)
    assert.same({ "a", "b", "c:1" }, params("lbl=a%20b+c:1").fc.lbl)
    assert.same({ "a+b", "ä" }, params("lbl=a%2Bb&lbl=%C3%A4").fc.lbl)
    assert.same({ "text/plain" }, params("cty=text%2Fplain").fc.cty)
    assert.same({ "ri", "lbl", "et" }, params("atrl=ri+lbl&atrl=et").atrl)
  end)

  it("takes any other attribute as a condition", function()
    assert.same({ { nm = "cr", val = "C*" }, { nm = "mni", val = "5" },
      { nm = "api", val = "a b" } }, params("cr=C*&mni=5&api=a+b").fc.atr)
    assert.same({ { nm = "cr", val = "a" }, { nm = "cr", val = "b" } }, params("cr=a&cr=b").fc.atr)
    assert.same({ { nm = "or", val = "x=y" } }, params("or=x=y").fc.atr)
  end)

  it("booleans are words or digits", function()
    assert.same({ true, false, true, false }, { params("da=true").da, params("da=false").da,
      params("da=1").da, params("da=0").da })
    assert.matches("^da: ", refused(query.params, "da=yes"))
  end)

  it("names what it refuses", function()
    local cases = {
      ["rcn=x"] = "rcn: expected a non-negative integer", ["rcn="] = "rcn: ", ["rcn=-1"] = "rcn: ",
      ["rcn=1&rcn=1"] = "rcn: given twice", ["drt=3"] = "drt: ", ["rt=6"] = "rt: ",
      ["rt=a"] = "rt: ", ["fu=9"] = "fu: ", ["fo=4"] = "fo: ", ["lim=-1"] = "lim: ",
      ["lvl=0"] = "lvl: ", ["ofst=0"] = "ofst: ", ["crb=2024"] = "crb: not a timestamp",
      ["ty=a"] = "ty: ", ["ty="] = "ty: empty list", ["lbl="] = "lbl: empty list",
      ["lbl=%zz"] = "lbl: bad percent-encoding", ["cr=%"] = "cr: bad percent-encoding",
      ["zz=1"] = "zz: unknown parameter or attribute", ["ct=1"] = "atr: ct has a filter condition",
      ["st=1"] = "atr: st", ["cnf=1"] = "atr: cnf", ["op=1"] = "op: not permitted in a query",
      ["fc=1"] = "fc: not permitted in a query", ["atrl="] = "atrl: expected attribute names",
      ["arp=/x"] = "arp: expected a relative path", ["arp="] = "arp: ", ["arp=a//b"] = "arp: ",
      ["sts=0"] = "sts: ", ["x"] = 'query: expected name=value, got "x"', ["=1"] = "query: ",
      ["%zz=1"] = "query: ", ["a b=1"] = "query: ",
    }
    for s, why in pairs(cases) do
      local msg = refused(query.params, s)
      assert.same(why, msg:sub(1, #why), s)
    end
  end)

  it("tells what this CSE does not do", function()
    for _, s in ipairs { "sqi=1", "sqi=true", "rids=a", "tids=a", "ltids=a", "smf=x",
      "ma=PT1S" } do
      local msg = refused(query.params, s, 5001)
      assert.matches("not supported by this CSE", msg)
    end
    assert.same({}, params("sqi=0&tqi=false"))
  end)

  it("reads conditions on relatives, labels and content", function()
    assert.same({ chty = { 3, 4 }, pty = { 2 }, clbl = { "a", "b" }, palb = { "c" } },
      params("chty=3+4&pty=2&clbl=a+b&palb=c").fc)
    assert.same({ catr = { { nm = "cr", val = "C*" }, { nm = "mni", val = "5" } },
      patr = { { nm = "rn", val = "x" } } }, params("c.cr=C*&c.mni=5&p.rn=x").fc)
    assert.same({ lbq = "room IN (1, 2)" }, params("lbq=room%20IN%20(1,%202)").fc)
    assert.same({ cfs = 1, cfq = "$.a[?(@.b > 5)]" },
      params("cfs=1&cfq=$.a[?(@.b%20%3E%205)]").fc)
    for s, why in pairs { ["cfs=1"] = "cfq: missing", ["cfs=2&cfq=$"] = "cfs: ",
      ["cfq=a"] = "cfq: not a JSONPath that this CSE reads, at character 1",
      ["cfq=$.a[1:2]"] = "cfq: not a JSONPath that this CSE reads, at character 4",
      ["lbq=a+b+c"] = "lbq: expected key", ["lbq=a+IN+b"] = "lbq: ", ["chty=x"] = "chty: ",
      ["clbl="] = "clbl: empty list", ["c.lbl=x"] = "catr: lbl has a filter condition",
      ["p.ty=3"] = "patr: ty has", ["c.zz=1"] = "zz: unknown", ["catr=x"] = "catr: not permitted",
    } do
      assert.same(why, refused(query.params, s):sub(1, #why), s)
    end
  end)

  it("is bounded", function()
    assert.matches("more than 64 fields", refused(query.params, ("cr=a&"):rep(65)))
    assert.matches("^ty: more than 128", refused(query.params, "ty=" .. ("3+"):rep(129)))
    assert.matches("^ty: more than 128",
      refused(query.params, "ty=" .. ("3+"):rep(70) .. "&ty=" .. ("3+"):rep(70)))
    assert.matches("^atrl: more than 128", refused(query.params, "atrl=" .. ("a+"):rep(129)))
  end)
end)

describe("primitive fields", function()
  it("give the same as a query string", function()
    assert.same(params("rcn=4&drt=2&fu=1&ty=2+3&lbl=a+b&crb=20240101T000000&lim=5&cr=C*"),
      fields('{"op":2,"to":"x","fr":"Cx","rqi":"1","rvi":"3","rcn":4,"drt":2,"fc":{"fu":1,'
        .. '"ty":[2,3],"lbl":["a","b"],"crb":"20240101T000000","lim":5,'
        .. '"atr":[{"nm":"cr","val":"C*"}]}}'))
  end)

  it("read response types and attribute conditions of every kind", function()
    assert.same({ rtv = 2, nu = {} }, fields('{"rt":{"rtv":2,"nu":[]}}').rt)
    local fc = fields('{"fc":{"atr":[{"nm":"mni","val":5},{"nm":"rr","val":true}],"cr":"x"}}').fc
    assert.same({ { nm = "mni", val = "5" }, { nm = "rr", val = "true" },
      { nm = "cr", val = "x" } }, fc.atr)
    assert.same({ fc = {} }, fields('{"fc":{}}'))
    fc = fields('{"fc":{"catr":[{"nm":"mni","val":5}],"patr":[{"nm":"rn","val":"a"}],'
      .. '"chty":[4],"lbq":"NT k","cfs":1,"cfq":"$.a"}}').fc
    assert.same({ catr = { { nm = "mni", val = "5" } }, patr = { { nm = "rn", val = "a" } },
      chty = { 4 }, lbq = "NT k", cfs = 1, cfq = "$.a" }, fc)
  end)

  it("criteria can be written again as they were", function()
    for _, q in ipairs { "crb=20240101T000000&ty=3&lbl=a+b&c.mni=5&cfq=$.a&lim=3",
      "gmty=1&geom=[1,2]&gsf=1&fo=2&ty=4" } do
      local text = query.criteria(params(q).fc)
      assert.equal(text, query.criteria(fields('{"fc":' .. text .. "}").fc))
    end
    assert.matches('"gmty":1', query.criteria(params("gmty=1&geom=[1,2]&gsf=1").fc))
  end)

  it("let the bindings' members pass", function()
    assert.same({}, fields('{"op":1,"to":"x","fr":"C","rqi":"1","rvi":"3","ty":3,'
      .. '"pc":{"m2m:cnt":{}},"ot":"x","rqet":"1","rset":"2","oet":"3","ec":2,'
      .. '"gid":"g","vsi":"v"}'))
  end)

  it("name what they refuse", function()
    local cases = {
      ['{"zz":1}'] = "zz: unknown parameter", ['{"rcn":"4"}'] = "rcn: ", ['{"rcn":null}'] = "rcn: ",
      ['{"drt":3}'] = "drt: ", ['{"da":1}'] = "da: ", ['{"rt":3}'] = "rt: expected an object",
      ['{"rt":{"rtv":9}}'] = "rt: rtv: ", ['{"rt":{}}'] = "rt: member rtv is missing",
      ['{"fc":1}'] = "fc: expected an object", ['{"fc":{"ty":3}}'] = "ty: expected an array",
      ['{"fc":{"ty":[]}}'] = "ty: empty list", ['{"fc":{"ty":["3"]}}'] = "ty: ",
      ['{"fc":{"lbl":"a"}}'] = "lbl: expected an array", ['{"fc":{"zz":1}}'] = "zz: unknown",
      ['{"fc":{"cr":[]}}'] = "cr: expected a string, a number or a boolean",
      ['{"fc":{"atr":{}}}'] = "atr: expected an array", ['{"fc":{"atr":[{"nm":"cr"}]}}'] = "atr: ",
      ['{"fc":{"atr":[{"nm":"ct","val":"x"}]}}'] = "atr: ct has", ['{"fc":{"fu":"1"}}'] = "fu: ",
      ['{"fc":{"atr":[{"nm":"cr","val":null}]}}'] = "atr: expected entries with nm and val",
      ['{"fc":{"arp":"/x"}}'] = "arp: ", ['{"fc":{"crb":5}}'] = "crb: ",
      ['{"rcn":1,"rcn":2}'] = "",
    }
    for s, why in pairs(cases) do
      local msg = refused(query.from_fields, s)
      assert.same(why, msg:sub(1, #why), s)
    end
  end)

  it("tell what this CSE does not do", function()
    for _, s in ipairs { '{"sqi":true}', '{"tkns":["x"]}', '{"rids":["x"]}', '{"omr":["x"]}',
      '{"fc":{"smf":["x"]}}' } do
      assert.matches("not supported by this CSE", refused(query.from_fields, s, 5001))
    end
    assert.same({}, fields('{"sqi":false,"rids":[]}'))
  end)

  it("take the members of a group that are meant", function()
    assert.same({ grtm = { "moon/a", "15" } }, fields('{"grtm":["moon/a","15"]}'))
    assert.same({ grtm = { "moon/a", "15" } }, query.params("grtm=moon/a+15"))
    for _, s in ipairs { '{"grtm":"x"}', '{"grtm":[]}', '{"grtm":[5]}' } do
      assert.matches("^grtm: ", refused(query.from_fields, s))
    end
  end)
end)
