-- Identity by TLS: a client's certificate and a pre-shared key are credentials over HTTP and
-- WebSocket, without a header.  Clients: curl, Node's ws, openssl s_client.

local h = require "harness"
local tls = require "tls"

local s, dir, key

local function credential(arguments)
  local out, rc = h.sh("%s credential %s --data %s/data 2>/dev/null", h.bin, arguments, dir)
  assert.equal(0, rc, out)
  return out
end

-- The response status code of a GET with curl, as originator.
local function get(options, origin, path)
  local out = tls.curl(s, ("%s -i -H 'X-M2M-RI: 1' -H 'X-M2M-RVI: 3' -H 'X-M2M-Origin: %s'"):format(
    options, origin), path)
  return tonumber(out:match("X%-M2M%-RSC: (%d+)")), out
end

-- The answer to a GET /moon/gw over a session of openssl s_client.
local function over_psk(identity, secret, version, origin)
  local request = ("GET /moon/gw HTTP/1.1\r\nHost: localhost\r\nX-M2M-Origin: %s\r\nX-M2M-RI: 1\r\n"
    .. "X-M2M-RVI: 3\r\nConnection: close\r\n\r\n"):format(origin)
  h.write_file(dir .. "/request", request)
  local out = h.sh("timeout 10 openssl s_client -quiet -connect 127.0.0.1:%d -psk_identity %s"
    .. " -psk %s %s <%s/request", tls.port(s), identity, secret, version, dir)
  return tonumber(out:match("X%-M2M%-RSC: (%d+)")), out
end

setup(function()
  dir = h.directory()
  tls.make(dir)
  h.sh("mkdir -m 700 %s/data", dir)
  credential "add dev --kind certificate --subject uri:urn:ae:Cdev Cdev"
  key = credential "add gateway --kind psk --subject gw@site Cgw"
  local token = credential "add root '*'"
  s = h.start { dir = dir, args = "--listen 127.0.0.1:0,tls",
    config = ("tls = { cert = %q, key = %q, ca = %q, client = 'optional', profile = 'onem2m' }")
      :format(dir .. "/localhost.pem", dir .. "/localhost.key", dir .. "/authority.pem") }
  for rn, fr in pairs { dev = "Cdev", gw = "Cgw" } do
    h.expect(2001, s:create("/moon", fr, 2, { rn = rn, api = "Nid", rr = true, srv = { "3" } },
      { headers = { authorization = "Bearer " .. token } }))
  end
end)
teardown(function() h.stop_all() end)

it("a certificate's name speaks for its originators, over HTTP", function()
  local with = ("--cert %s/client.pem --key %s/client.key"):format(dir, dir)
  assert.equal(2000, (get(with, "Cdev", "/moon/dev")))
  assert.equal(4106, (get(with, "Cgw", "/moon/gw")))
  local code, out = get("", "Cdev", "/moon/dev")
  assert.equal(4106, code)
  assert.truthy(out:find("HTTP/1.1 401", 1, true))
end)

it("and over WebSocket", function()
  local out, rc = h.node("identity_tls_client", tls.port(s), dir, "Cdev", "Cgw")
  assert.equal(0, rc, out)
  assert.truthy(out:find("all well", 1, true), out)
end)

it("a pre-shared key's identity does, in TLS 1.2 and 1.3", function()
  for _, version in ipairs { "-tls1_2 -cipher PSK-AES128-CBC-SHA256", "-tls1_3" } do
    local code, out = over_psk("gw@site", key, version, "Cgw")
    assert.equal(2000, code, version .. "\n" .. out)
    assert.equal(4106, (over_psk("gw@site", key, version, "Cdev")))
    assert.is_nil((over_psk("gw@site", ("00"):rep(32), version, "Cgw")))
    -- TLS 1.3 goes on without the key that the server does not know
    assert.are_not.equal(2000, (over_psk("gateway", key, version, "Cgw")))
  end
end)

describe("a list of revoked certificates", function()
  local server, at

  -- `-gencrl` of openssl ca, which wants a database: the serial numbers that are revoked.
  local function publish(serials, days)
    local rows = {}
    for i, serial in ipairs(serials) do
      rows[i] = ("R\t350101000000Z\t260101000000Z\t%s\tunknown\t/CN=client\n"):format(serial)
    end
    h.write_file(at .. "/index", table.concat(rows))
    h.write_file(at .. "/ca.conf", ("[ca]\ndefault_ca=a\n[a]\ndatabase=%s/index\n"
      .. "default_md=sha256\ndefault_crl_days=%d\n"):format(at, days))
    local out, rc = h.sh("cd %s && openssl ca -gencrl -config ca.conf -keyfile authority.key"
      .. " -cert authority.pem -out revoked.pem", at)
    assert.equal(0, rc, out)
  end

  local function dev()
    local out = tls.curl(server, ("--cert %s/client.pem --key %s/client.key -i -H 'X-M2M-RI: 1'"
      .. " -H 'X-M2M-RVI: 3' -H 'X-M2M-Origin: Cdev'"):format(at, at), "/moon")
    return tonumber(out:match "X%-M2M%-RSC: (%d+)")
  end

  it("ends what is on it, from a reload on", function()
    at = h.directory()
    tls.make(at)
    publish({}, 30)
    server = h.start { dir = at, args = "--listen 127.0.0.1:0,tls",
      config = ("tls = { cert = %q, key = %q, ca = %q, crl = %q, client = 'optional' }")
        :format(at .. "/localhost.pem", at .. "/localhost.key", at .. "/authority.pem",
          at .. "/revoked.pem") }
    assert.truthy(dev())
    publish({ (h.sh("openssl x509 -in %s/client.pem -noout -serial", at):match "serial=(%x+)") },
      30)
    server:signal "HUP"
    h.wait("its end", function() return not dev() end)
    publish({}, 30)
    server:signal "HUP"
    h.wait("its return", dev)
    h.write_file(at .. "/revoked.pem", "nothing\n")
    server:signal "HUP"
    h.wait("the reason", function()
      return server:text():find "tls revoked certificates of clients .-revoked%.pem"
    end)
    assert.truthy(dev())      -- as it was before
  end)
end)

it("not any more when it is revoked", function()
  credential "revoke gateway dev"
  assert.is_nil((over_psk("gw@site", key, "-tls1_2 -cipher PSK-AES128-CBC-SHA256", "Cgw")))
  assert.equal(4106, (get(("--cert %s/client.pem --key %s/client.key"):format(dir, dir), "Cdev",
    "/moon/dev")))
end)
