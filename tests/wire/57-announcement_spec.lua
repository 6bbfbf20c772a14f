-- Announcement (TS-0001 9.6.26, 10.2.13) between two servers: copies are made below the copy of
-- the parent or this CSE's, follow changes, go with their original; what could not be done while
-- the other server was away is done when it is back.

local null = require("cjson").null
local h = require "harness"
local expect = h.expect

local function csr(csi, base, port)
  return { ["m2m:csr"] = { rn = csi:sub(2), cb = csi .. "/" .. base, rr = true, srv = { "3" },
    poa = port and { "http://127.0.0.1:" .. port } or nil } }
end

describe("announcement", function()
  local a, b

  -- What b has at an address of a's `at` entry.
  local function copy(entry)
    return b:retrieve("/" .. entry:match("^/b/(.+)$"), "CAdmin")
  end

  local function wait_for(what, entry, test)
    return h.wait(what, function()
      local got = copy(entry)
      local attrs = got.rsc == 2000 and select(2, next(got.body))
      return test(attrs, got.rsc) and (attrs or true)
    end)
  end

  local function container(where, rn, attrs)
    attrs = attrs or {}
    attrs.rn, attrs.at = rn, attrs.at or { "/b" }
    return a:create("/abase/me" .. where, "Cme", 3, attrs)
  end

  setup(function()
    b = h.start { config = [[cse = { id = "/b", name = "bbase" }]] }
    a = h.start { config = [[cse = { id = "/a", name = "abase" }]] }
    expect(2001, a:create("/abase", "/b", 16, csr("/b", "bbase", b.port)))
    expect(2001, b:create("/bbase", "/a", 16, csr("/a", "abase", a.port)))
    expect(2001, a:create("/abase", "Cme", 2, { rn = "me", api = "Nme", rr = true,
      srv = { "3" } }))
  end)
  teardown(h.stop_all)

  it("makes a copy below this CSE's, with what is always announced and what aa names", function()
    local cnt = expect(2001, container("", "c1", { lbl = { "x" }, mni = 5, mbs = 9,
      aa = { "mni", "mia", "cni" } }))
    assert.same({ "mni" }, cnt.aa)
    local entry = cnt.at[1]
    assert.truthy(entry:find("^/b/%w"), entry)
    local c = expect(2000, copy(entry))
    assert.same({ 10003, "/a/" .. cnt.ri, 5, { "x" }, cnt.et },
      { c.ty, c.lnk, c.mni, c.lbl, c.et })
    assert.is_nil(c.mbs)
    local base = expect(2000, b:retrieve("/" .. c.pi, "CAdmin"))
    assert.same({ 10005, expect(2000, a:retrieve("/abase", "CAdmin")).srv }, { base.ty, base.srv })
    assert.truthy(base.lnk:find("^/a/"))
    local again = expect(2001, container("", "c2"))
    assert.equal(c.pi, expect(2000, copy(again.at[1])).pi)
    assert.same(cnt.at, expect(2000, a:retrieve("/abase/me/c1", "Cme")).at)
  end)

  it("puts the copy of a child below that of its parent, instances nowhere else", function()
    local parent = expect(2001, container("", "p"))
    local cnt = expect(2001, container("/p", "q"))
    assert.equal("/b/" .. expect(2000, copy(cnt.at[1])).pi, parent.at[1])
    local cin = expect(2001, a:create("/abase/me/p/q", "Cme", 4, { con = "1", at = { "/b" },
      aa = { "con" } }))
    local c = expect(2000, copy(cin.at[1]))
    assert.same({ 10004, "1", "/a/" .. cin.ri }, { c.ty, c.con, c.lnk })
    assert.equal("/b/" .. c.pi, cnt.at[1])
    assert.same(cin.at, expect(2000, a:retrieve("/abase/me/p/q/la", "Cme")).at)
    expect(2001, a:create("/abase/me", "Cme", 3, { rn = "lone" }))
    assert.same({ "/b" }, expect(2001, a:create("/abase/me/lone", "Cme", 4,
      { con = "1", at = { "/b" } })).at)
    expect(2002, a:delete("/abase/me/p/q/" .. cin.rn, "Cme"))
    wait_for("the instance's copy to go", cin.at[1], function(_, rsc) return rsc == 4004 end)
    expect(2002, a:delete("/abase/me/p", "Cme"))
    wait_for("the copies to go", cnt.at[1], function(_, rsc) return rsc == 4004 end)
    expect(4004, copy(parent.at[1]))
  end)

  it("is the same for every type", function()
    local function told(to, who, ty, pc, root)
      local entry = expect(2001, a:create(to, who, ty, pc)).at[1]
      local got = copy(entry)
      local c = expect(2000, got)
      assert.same({ root, 10000 + ty }, { (next(got.body)), c.ty })
      return c
    end
    local at = { "/b" }
    local function set() return { acr = { { acor = { "Cme" }, acop = 63 } } } end
    told("/abase", "Cyou", 2, { rn = "you", api = "Ny", rr = true, srv = { "3" }, at = at,
      aa = { "aei" } }, "m2m:aeA")
    assert.is_true(told("/abase/you", "Cyou", 28, { ["cod:binSh"] = { rn = "sw", state = true,
      cnd = "org.onem2m.common.moduleclass.binarySwitch", at = at, aa = { "state" } } },
      "cod:binShA").state)
    expect(2004, a:update("/abase/you/sw", "Cyou", { ["cod:binSh"] = { state = false } }))
    local entry = expect(2000, a:retrieve("/abase/you/sw", "Cyou")).at[1]
    assert.is_false(expect(2000, copy(entry)).state)
    told("/abase", "CAdmin", 14, { ["m2m:nod"] = { rn = "n", ni = "n1", at = at } }, "m2m:nodA")
    assert.equal(4, told("/abase/n", "CAdmin", 13, { ["m2m:bat"] = { mgd = 1006, btl = 4, bts = 1,
      at = at, aa = { "btl" } } }, "m2m:batA").btl)
    assert.same(set(), told("/abase/you", "Cyou", 1, { pv = set(), pvs = set(), at = at },
      "m2m:acpA").pvs)
    told("/abase/you", "Cyou", 29, { rn = "ts", at = at }, "m2m:tsA")
    assert.equal(5, told("/abase/you/ts", "Cyou", 30, { dgt = "20260101T000000", con = 5, at = at,
      aa = { "con" } }, "m2m:tsiA").con)
    expect(2002, a:delete("/abase/you", "Cyou"))
    wait_for("the class's copy to go", entry, function(_, rsc) return rsc == 4004 end)
  end)

  it("takes the copies of what a container evicts", function()
    expect(2001, container("", "e", { mni = 1 }))
    local function add(con)
      return expect(2001, a:create("/abase/me/e", "Cme", 4, { con = con, at = { "/b" } })).at[1]
    end
    local first, second = add "1", add "2"
    wait_for("the evicted one's copy to go", first, function(_, rsc) return rsc == 4004 end)
    expect(2000, copy(second))
    expect(2002, a:delete("/abase/me/e", "Cme"))
    wait_for("the last copy to go", second, function(_, rsc) return rsc == 4004 end)
  end)

  it("makes a copy where `at` says, when it names a place", function()
    local cnt = expect(2001, container("", "w", { at = { "/b/bbase/a" } }))
    assert.equal("a", expect(2000, b:retrieve("/" .. expect(2000, copy(cnt.at[1])).pi,
      "CAdmin")).rn)
  end)

  it("follows changes of attributes, of aa and of at", function()
    local cnt = expect(2001, container("", "f", { lbl = { "x" } }))
    local entry = cnt.at[1]
    local function update(attrs)
      return expect(2004, a:update("/abase/me/f", "Cme", { ["m2m:cnt"] = attrs }))
    end
    update { lbl = { "y" }, mni = 3 }
    local c = expect(2000, copy(entry))
    assert.same({ "y" }, c.lbl)
    assert.is_nil(c.mni)
    assert.same({ "mni" }, update { aa = { "mni", "st" } }.aa)
    assert.equal(3, expect(2000, copy(entry)).mni)
    update { mni = 4 }
    assert.equal(4, expect(2000, copy(entry)).mni)
    update { lbl = null }
    assert.is_nil(expect(2000, copy(entry)).lbl)
    assert.is_nil(update { aa = { "st" } }.aa)
    assert.is_nil(expect(2000, copy(entry)).mni)
    expect(4000, a:update("/abase/me/f", "Cme", { ["m2m:cnt"] = { aa = { "odd" } } }), "aa: odd")
    assert.is_nil(update { at = null }.at)
    expect(4004, copy(entry))
    entry = update({ at = { "/b" } }).at[1]
    assert.equal("/a/" .. cnt.ri, expect(2000, copy(entry)).lnk)
    assert.same({ entry }, update({ at = { "/b" } }).at)
    expect(2002, a:delete("/abase/me/f", "Cme"))
    expect(4004, copy(entry))
  end)

  it("has the policies of the original or its parent, which the other CSE reads there", function()
    expect(2001, a:create("/abase", "CAdmin", 1, { rn = "acp",
      pv = { acr = { { acor = { "Cme", "/b", "/b/Cyou" }, acop = 63 } } },
      pvs = { acr = { { acor = { "Cme", "/b" }, acop = 63 } } } }))
    expect(2001, b:create("/bbase", "Cyou", 2, { rn = "you", api = "Ny", rr = true,
      srv = { "3" } }))
    local cnt = expect(2001, container("", "o", { acpi = { "abase/acp" } }))
    local to = "/" .. cnt.at[1]:match("^/b/(.+)$")
    assert.same({ "/a/abase/acp" }, expect(2000, b:retrieve(to, "Cyou")).acpi)
    local original = expect(2000, b:retrieve(to .. "?rcn=7", "Cyou"))
    assert.same({ 3, "o", cnt.at }, { original.ty, original.rn, original.at })
    expect(4000, a:retrieve("/abase/me/o?rcn=7", "Cme"), "rcn")
    expect(4103, b:update(to, "Cyou", { ["m2m:cntA"] = { lbl = { "mine" } } }))
    expect(4103, b:delete(to, "Cyou"))
    assert.same({ to:sub(2) }, expect(2000, b:retrieve("/bbase?fu=1&drt=2&ty=10003&lnk=/a/"
      .. cnt.ri, "CAdmin")))
    expect(2004, a:update("/abase/me/o", "Cme", { ["m2m:cnt"] = { acpi = null } }))
    expect(4103, b:retrieve(to, "Cyou"))
  end)

  it("refuses what it does not know of", function()
    local function refused(attrs, text)
      attrs.rn = "no"
      expect(attrs.ast and 5001 or 4000, a:create("/abase/me", "Cme", 3, attrs), text)
    end
    refused({ at = { "b" } }, "at: entry 1")
    refused({ at = { "/b", "/b/bbase" } }, "at: entry 2")
    refused({ at = { "/a" } }, "this CSE itself")
    refused({ aa = { "odd" } }, "aa: odd")
    refused({ ast = 2 }, "ast: 2")
  end)

  it("is made up for when the other CSE is back, also after a restart", function()
    local kept = expect(2001, container("", "k", { lbl = { "x" } }))
    local gone = expect(2001, container("", "g"))
    b:kill()
    expect(2004, a:update("/abase/me/k", "Cme", { ["m2m:cnt"] = { lbl = { "y" } } }))
    expect(2002, a:delete("/abase/me/g", "Cme"))
    assert.same({ "/b" }, expect(2001, container("", "n")).at)
    assert.same({ "/b" }, expect(2001, container("/n", "m")).at)
    a:kill()
    a:run()
    b:run()
    wait_for("the change", kept.at[1], function(c) return c and c.lbl[1] == "y" end)
    wait_for("the end", gone.at[1], function(_, rsc) return rsc == 4004 end)
    local inner = h.wait("the new one's child", function()
      local entry = expect(2000, a:retrieve("/abase/me/n/m", "Cme")).at[1]
      return entry ~= "/b" and entry
    end)
    local outer = expect(2000, a:retrieve("/abase/me/n", "Cme")).at[1]
    assert.equal(outer, "/b/" .. expect(2000, copy(inner)).pi)
    assert.equal(1, #expect(2000, b:retrieve("/bbase?fu=1&ty=10005", "CAdmin")))
  end)

  it("is made anew when the copy was lost", function()
    local cnt = expect(2001, container("", "l", { lbl = { "x" } }))
    expect(2002, b:delete("/" .. cnt.at[1]:match("^/b/(.+)$"), "CAdmin"))
    local at = expect(2004, a:update("/abase/me/l", "Cme", { ["m2m:cnt"] = { lbl = { "z" } } })).at
    assert.not_same(cnt.at, at)
    assert.same({ "z" }, expect(2000, copy(at[1])).lbl)
  end)

  it("leaves no error in the logs", function()
    for _, s in ipairs { a, b } do assert.not_matches("\nerror ", s:text()) end
  end)
end)
