-- lua/moon2m/identity.lua over a stand-in for the credentials: where the server may listen, who the
-- administrator is, the AE-IDs that registrations get, what is said of the file.

local state
package.loaded["moon2m.core.identity"] = {
  required = function() return state.required end,
  count = function() return state.count end,
  admin = function(who) state.admin = who end,
  reload = function() return state.ok, state.why end,
  assign = function(name, kind, random, n)
    local pattern = state.patterns[n + 1]
    if not pattern then return nil end
    return (pattern:gsub("*", random)), n + 1, name, kind
  end,
}
local identity = require "moon2m.identity"
package.loaded["moon2m.core.identity"] = nil

local config = require "moon2m.config"

local function configured(o)
  return config.load(o.file or nil, { listen = o.listen, dev = o.dev })
end

local sys = require "moon2m.core.sys"

describe("identity", function()
  local log = sys.log
  before_each(function()
    state = { required = false, count = 0, patterns = {}, ok = true }
    sys.log = function(level, _, text)
      state.log = ("%s%s %s\n"):format(state.log or "", level, text)
    end
  end)
  after_each(function() sys.log = log end)

  it("lets only loopback be listened on without credentials", function()
    for address, fine in pairs { ["127.0.0.1:1"] = true, ["127.8.9.10:1"] = true,
      ["[::1]:1"] = true, ["localhost:1"] = true, ["0.0.0.0:1"] = false, ["[::]:1"] = false,
      ["10.0.0.1:1"] = false, ["1270.0.0.1:1"] = false, ["127.0.0.1.example:1"] = false,
      ["[::ffff:127.0.0.1]:1"] = false } do
      local cfg = configured { listen = { "127.0.0.1:2", address } }
      local ok, why = pcall(identity.check_listen, cfg)
      assert.equal(fine, ok, address)
      if not fine then
        assert.truthy(why:find("^listen%.2: "), why)
        assert.truthy(why:find("moon2m credential add", 1, true))
      end
      state.required, state.log = true, ""
      identity.check_listen(configured { listen = { address } })
      assert.equal(fine, state.log:find("is without TLS", 1, true) == nil, address)
      state.log = ""
      identity.check_listen(configured { listen = { address .. ",tls" },
        file = { tls = { cert = "c", key = "k" } } })
      assert.is_nil(state.log:find("is without TLS", 1, true))
      state.required = false
      identity.check_listen(configured { listen = { address }, dev = true })
      assert.truthy(state.log:find("warn --dev: FOR DEVELOPMENT ONLY", 1, true))
    end
  end)

  it("counts the port for figures among them", function()
    local cfg = configured { file = { admin = { host = "0.0.0.0", port = 9000 } } }
    local ok, why = pcall(identity.check_listen, cfg)
    assert.is_false(ok)
    assert.truthy(why:find("^admin%.host: 0%.0%.0%.0 can be reached"), why)
  end)

  it("has a well-known administrator only while no credential is needed", function()
    assert.equal("CAdmin", identity.administrator(configured {}))
    assert.equal("CAdmin", state.admin)
    state.required = true
    assert.is_false(identity.administrator(configured {}))
    assert.is_nil(state.admin)
    assert.truthy(state.log:find("there is no administrator", 1, true))
    local cfg = configured { file = { cse = { admin = "Croot" } } }
    assert.equal("Croot", identity.administrator(cfg))
    assert.equal("Croot", state.admin)
  end)

  it("assigns what the credential covers and nobody has", function()
    state.patterns = { "Cpump", "Cpump-*" }
    local req = { credential = "pump" }
    local function free() return false end
    assert.equal("Cpump", identity.assign(req, "C", free))
    local aei = identity.assign(req, "C", function(id) return id == "Cpump" end)
    assert.truthy(aei:find("^Cpump%-%x+$"))
    local none, e = identity.assign(req, "C", function() return true end)
    assert.is_nil(none)
    assert.equal(4106, e.rsc)
    assert.truthy(e.msg:find("the credential pump has no free AE-ID", 1, true))
  end)

  it("says what became of the file", function()
    assert.equal("no credentials", identity.reload())
    state.required, state.count = true, 3
    assert.equal("credentials: 3", identity.reload())
    state.ok, state.why = nil, "x: line 2: name: missing"
    local line, why = identity.reload()
    assert.is_nil(line)
    assert.truthy(why:find("nobody is let in", 1, true) and why:find("line 2", 1, true))
  end)
end)
