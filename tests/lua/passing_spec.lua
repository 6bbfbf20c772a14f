-- Requests that go on to another CSE: the primitive and the HTTP request that they become.

local fake = require "fake"

local cjson = require "cjson"
local passing

before_each(function()
  fake.reset()
  passing = require "moon2m.passing"
  require("moon2m.path").configure { csi = "/moon", csn = "moon", spi = "//sp.example" }
end)

local function compose(req, to, attr)
  req.who, req.rqi, req.op = req.who or "Cme", "r1", req.op or 2
  req.rvi = req.rvi or "3"
  return passing.compose(req, to or "/b/base/x", attr)
end

local function frame(text) return cjson.decode(text.frame .. "}") end

local function refused(pattern, ...)
  local text, e = compose(...)
  e = e or text and text.http
  assert.is_table(e)
  assert.matches(pattern, e.msg)
  return e
end

describe("a query string", function()
  it("goes on as it is over HTTP, as members over WebSocket", function()
    local t = compose {
      query = "rcn=4&fu=1&ty=3+4&lbl=a%2Fb+c&cni=5&c.con=x%20y&lim=7&rt=1&rp=PT1S" }
    assert.equal("/~/b/base/x?rcn=4&fu=1&ty=3+4&lbl=a%2Fb+c&cni=5&c.con=x%20y&lim=7", t.path)
    assert.same({ op = 2, to = "/b/base/x", fr = "/moon/Cme", rvi = "3", rcn = 4,
      fc = { fu = 1, ty = { 3, 4 }, lbl = { "a/b", "c" }, lim = 7,
        atr = { { nm = "cni", val = "5" } },
        catr = { { nm = "con", val = "x y" } } } }, frame(t))
    assert.is_nil(t.pc)
  end)

  it("names attributes: the content of a primitive", function()
    local t = compose { query = "atrl=lbl+cni" }
    assert.equal("/~/b/base/x?atrl=lbl+cni", t.path)
    assert.equal('{"m2m:atrl":["lbl","cni"]}', t.pc)
    t = compose({ query = "" }, nil, "lbl")
    assert.equal("/~/b/base/x?atrl=lbl", t.path)
    assert.equal("/b/base/x#lbl", frame(t).to)
    assert.is_nil(t.pc)
  end)

  it("does not end the request line", function()
    local t = compose { query = "rn=a b\r\nX: y&lbl=é" }
    assert.equal("/~/b/base/x?rn=a%20b%0D%0AX:%20y&lbl=%C3%A9", t.path)
  end)

  it("that is none is refused", function()
    refused("name=value", { query = "fu" })
    refused("more than 64", { query = ("a=1&"):rep(65) })
  end)
end)

describe("a primitive", function()
  it("goes on as it is over WebSocket, as a query string over HTTP", function()
    local t = compose { op = 1, ty = 3, pc = "{}", ec = "4", ot = "20260101T000000", gid = "g1",
      vsi = "v", rqet = "20300101T000000", fields = cjson.encode { op = 1, to = "x", fr = "y",
        rqi = "q", rcn = 3, ec = 4, vsi = "v", rt = { rtv = 1 }, odd = { a = 1 } } }
    assert.same({ op = 1, to = "/b/base/x", fr = "/moon/Cme", rvi = "3", ty = 3, ec = 4, vsi = "v",
      gid = "g1", ot = "20260101T000000", rqet = "20300101T000000", rcn = 3, odd = { a = 1 } },
      frame(t))
    assert.matches("^odd: cannot", t.http.msg)
    t = compose { fields = cjson.encode { fc = { fu = 1, ty = { 3, 4 }, lbl = { "a/b" },
      atr = { { nm = "cni", val = 5 } }, patr = { { nm = "rn", val = "é*" } }, creator = "Cx" },
      da = true } }
    local path, query = t.path:match("^(.-)%?(.*)$")
    local set = {}
    for field in query:gmatch("[^&]+") do set[field] = true end
    assert.equal("/~/b/base/x", path)
    assert.same({ ["fu=1"] = true, ["ty=3+4"] = true, ["lbl=a%2Fb"] = true, ["cni=5"] = true,
      ["p.rn=%C3%A9%2A"] = true, ["creator=Cx"] = true, ["da=true"] = true }, set)
  end)

  it("names attributes in its content: a query string has them", function()
    local t = compose { fields = "{}", pc = '{"m2m:atrl":["lbl","cni"]}' }
    assert.equal("/~/b/base/x?atrl=lbl+cni", t.path)
    refused("^pc: cannot", { fields = "{}", pc = '{"m2m:cnt":{}}' })
  end)

  it("what a list in a query cannot hold is told", function()
    refused("^lbl: cannot", { fields = '{"fc":{"lbl":["a b"]}}' })
    refused("^lbl: cannot", { fields = '{"fc":{"lbl":[]}}' })
    refused("^fc%.atr: cannot", { fields = '{"fc":{"atr":[1]}}' })
  end)
end)

describe("header lines", function()
  it("carry what has one", function()
    local t = compose { op = 1, ty = 4, pc = "{}", ec = "4", query = "", rqet = "20300101T000000" }
    assert.equal("X-M2M-Origin: /moon/Cme\r\nAccept: application/json\r\nX-M2M-RVI: 3\r\n" ..
      "X-M2M-RET: 20300101T000000\r\nX-M2M-EC: 4\r\nContent-Type: application/json;ty=4\r\n",
      t.head)
  end)

  it("are not ended by a value", function()
    refused("control", { fields = "{}", vsi = "a\r\nX-M2M-Origin: CAdmin" })
    refused("control", { fields = "{}", gid = "a\nb" })
    refused("control", { fields = "{}", rvi = "3\r\n" })
  end)
end)

it("addresses are escaped; other service providers are told absolute originators", function()
  local t = compose({ query = "" }, "/b/base/ä?&%")
  assert.equal("/~/b/base/%C3%A4%3F&%25", t.path)
  t = compose({ query = "", who = "/c/Cx" }, "//other.example/b/x")
  assert.equal("/_/other.example/b/x", t.path)
  assert.equal("//sp.example/c/Cx", frame(t).fr)
end)

it("a group's requests have its identifier, and not its members", function()
  local t = compose { fields = '{"grtm":["a"],"rcn":1}', fan = { gid = "g7" } }
  assert.same({ op = 2, to = "/b/base/x", fr = "/moon/Cme", rvi = "3", rcn = 1, gid = "g7" },
    frame(t))
  assert.matches("X%-M2M%-GID: g7\r\n", t.head)
  t = compose { query = "grtm=a&rcn=1", fan = { gid = "g7" } }
  assert.equal("/~/b/base/x?rcn=1", t.path)
end)

it("what this CSE acts on itself is read", function()
  assert.same({ rtv = 2, nu = { "Cx" } }, passing.params({ fields =
    '{"rt":{"rtv":2,"nu":["Cx"]},"odd":1}' }).rt)
  assert.same({ rt = { rtv = 1 }, rp = "PT5S" }, passing.params { query = "odd=1&rt=1&rp=PT5S" })
  local params, e = passing.params { query = "rt=9" }
  assert.is_nil(params)
  assert.matches("^rt:", e.msg)
end)
