-- The format that a connection's subprotocol asks for: which notices it applies to, how it is
-- remembered, and that formats are entered once per event.

local world = require "world"

local w, format, calls

local function identify(aei, name)
  w.fake.task(require("moon2m.register").identify, 7, "origin", aei, name)
  w.fake.run()
end

local function sub(fr, attrs)
  attrs.nu, attrs.enc = attrs.nu or { fr }, attrs.enc or { net = { 3 } }
  assert.equal(2001, (w:create(fr, "moon/alice/c", 23, attrs)))
end

-- One reading; "target=frame type" of the notices that it made, sorted.
local function add()
  local before, list = #w.fake.published, {}
  assert.equal(2001, (w:create("Calice", "moon/alice/c", 4, { con = "21" })))
  for i = before + 1, #w.fake.published do
    local ev = w.fake.published[i]
    for _, m in ipairs(ev.to) do
      list[#list + 1] = ("%s=%s"):format(m.target, ev.opts.format_failed and "failed" or
        ev.opts.type)
    end
  end
  table.sort(list)
  return table.concat(list, " ")
end

before_each(function()
  w = world.new(true)
  format = require "moon2m.format"
  calls = { senml = 0, plain = 0 }
  for name in pairs(calls) do
    format.register(name, function(n)
      calls[name] = calls[name] + 1
      return n.res.con, name
    end)
  end
  w:create("Calice", "moon/alice", 3, { rn = "c" })
  w:create("CAdmin", "moon", 1, { rn = "open", pv = { acr = { { acor = { "all" }, acop = 63 } } },
    pvs = { acr = { { acor = { "CAdmin" }, acop = 63 } } } })
  local _, acp = w:retrieve("CAdmin", "moon/open")
  w:update("Calice", "moon/alice/c", "m2m:cnt", { acpi = { acp["m2m:acp"].ri } })
end)

after_each(function()
  format.forget("senml")
  format.forget("plain")
end)

describe("a connection's format", function()
  it("is that of all notices of its AEs, from the next event on", function()
    sub("Calice", {})
    sub("Cbob", {})
    assert.equal("Calice=application/json Cbob=application/json", add())
    identify("Cbob", "senml")
    assert.matches("Calice=%S+ Cbob=senml", add())
    identify("Calice", "senml")
    assert.equal("Calice=senml Cbob=senml", add())
    assert.equal(2, calls.senml)          -- one call for each event, not for each target
  end)

  it("goes before a label, and ends with a connection that names none", function()
    sub("Cbob", { lbl = { "format:plain" } })
    assert.equal("Cbob=plain", add())
    identify("Cbob", "senml")
    assert.equal("Cbob=senml", add())
    identify("Cbob", nil)
    assert.equal("Cbob=plain", add())
  end)

  it("splits one subscription by its targets", function()
    sub("Cbob", { nu = { "Cbob", "http://127.0.0.1:9/" } })
    identify("Cbob", "senml")
    assert.matches("^Cbob=senml http://127.0.0.1:9/=", add())
  end)

  it("is kept with the AE, hidden", function()
    identify("Cbob", "senml")
    local _, ae = w:retrieve("Cbob", "moon/bob")
    assert.is_nil(ae["m2m:ae"]._fmt)
    w.tree.drop()
    sub("Cbob", {})
    assert.equal("Cbob=senml", add())
    w:update("Cbob", "moon/bob", "m2m:ae", { lbl = { "x" } })
    w.tree.drop()
    assert.equal("Cbob=senml", add())
  end)

  it("is that of an AE which registers over such a connection", function()
    local rsc = w:ae("Cnew", "new", nil)
    assert.equal(2001, rsc)
    rsc = w:request { op = 1, to = "moon", fr = "Cws", ty = 2, via = "ws", format = "senml",
      pc = { ["m2m:ae"] = { rn = "ws", api = "Nx", rr = true, srv = { "3" } } } }
    assert.equal(2001, rsc)
    sub("Cws", {})
    assert.equal("Cws=senml", add())
    -- registered again without: nothing of the old one is left
    assert.equal(2002, (w:delete("Cws", "moon/ws")))
    w:ae("Cws", "ws")
    assert.equal("Cws=application/json", add())
  end)

  it("follows the first request on a connection of an AE that was known before", function()
    sub("Cbob", {})
    w:request { op = 2, to = "moon/bob", fr = "Cbob", via = "ws", format = "senml" }
    assert.equal("Cbob=senml", add())
  end)

  it("is found again after more changes than are remembered one by one", function()
    local preference = require "moon2m.preference"
    sub("Calice", {})
    sub("Cbob", {})
    add()
    preference.limit(1)
    identify("Calice", "plain")
    identify("Cbob", "senml")
    identify("Calice", "senml")
    preference.limit(65536)
    assert.equal("Calice=senml Cbob=senml", add())
  end)

  it("that no script declares any more is the subscription's own", function()
    sub("Cbob", { lbl = { "format:plain" } })
    identify("Cbob", "senml")
    format.forget("senml")
    assert.equal("Cbob=plain", add())
  end)
end)

describe("formats", function()
  it("are called once for subscriptions of different criteria", function()
    sub("Calice", { lbl = { "format:plain" } })
    sub("Cbob", { lbl = { "format:plain" }, enc = { net = { 3, 4 } } })
    calls.plain = 0
    assert.equal("Calice=plain Cbob=plain", add())
    assert.equal(1, calls.plain)
  end)

  it("for each target get what differs between them", function()
    local seen = {}
    format.register("plain", function(n)
      seen[n.target] = n.sur .. " " .. n.sub.rn
      return "x", "plain"
    end, { per = "target" })
    sub("Calice", { rn = "s1", lbl = { "format:plain" } })
    sub("Cbob", { rn = "s2", lbl = { "format:plain" } })
    identify("Cbob", "senml")
    assert.equal("Calice=plain Cbob=senml", add())
    assert.matches("^/moon/%w+ s1$", seen.Calice)
    assert.is_nil(seen.Cbob)
  end)

  it("that fail are tried again from what was kept", function()
    local event = require "moon2m.event"
    local bad = true
    format.register("plain", function(n)
      if bad then error("no") end
      return n.to .. n.res.con, "plain"
    end, nil, function(n) return pcall(format.get("plain").fn, n) end)
    sub("Cbob", { lbl = { "format:plain" } })
    assert.equal("Cbob=failed", add())
    local kept = w.fake.published[#w.fake.published].body
    assert.equal("plain", (event.reformat("plain", kept)).format_failed)
    bad = false
    local opts, body = event.reformat("plain", kept)
    assert.is_nil(opts.format_failed)
    assert.equal("/alice/c21", body)
  end)

  it("of CBOR refuse what is filled in later", function()
    assert.equal("\161aa\1", format.cbor { a = 1 })
    assert.has_error(function() format.cbor { a = require("moon2m.core.cse").slot("sur") } end)
  end)
end)
