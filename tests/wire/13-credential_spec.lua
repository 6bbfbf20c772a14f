-- `moon2m credential` without a server: what it lists, what it refuses and why.

local cjson = require "cjson"
local h = require "harness"

local dir

-- What it prints, its exit code, what it says.
local function credential(arguments, input)
  local out, rc = h.sh("printf %%s %s | %s credential %s 2>%s/said", h.quoted(input or ""), h.bin,
    arguments:gsub("DIR", dir), dir)
  return out, rc, h.read_file(dir .. "/said")
end

local function fails(code, pattern, arguments, input)
  local out, rc, said = credential(arguments, input)
  assert.equal(code, rc, arguments .. "\n" .. said)
  assert.equal("", out, arguments)
  assert.truthy(said:find(pattern, 1, true), arguments .. "\n" .. said)
end

describe("moon2m credential", function()
  before_each(function() dir = h.directory() end)
  after_each(function() h.sh("rm -rf %s", dir) end)

  it("makes the folder and the file, for its owner alone, and lists what is in it", function()
    local token, rc, said = credential "add pump Cpump 'Cpump-*' --data DIR/new"
    assert.equal(0, rc, said)
    assert.truthy(#token >= 43 and not token:find "%s", token)
    assert.truthy(said:find("shown this once", 1, true))
    assert.truthy(said:find("from the next start of the server on", 1, true))
    assert.equal("600", (h.sh("stat -c %%a %s/new/credentials", dir)))
    assert.is_nil(h.read_file(dir .. "/new/credentials"):find(token, 1, true))
    assert.equal(0, select(2, credential("add site --kind psk --subject gw@site /gw '/gw/*' "
      .. "--data DIR/new")))
    assert.equal(0, select(2, credential("add dev --kind certificate --subject uri:urn:dev Cdev "
      .. "--data DIR/new")))
    assert.equal("", (credential("add anna --kind basic --stdin Canna --data DIR/new",
      "open sesame\nmore")))
    local out = credential "list --data DIR/new"
    assert.truthy(out:find "NAME +KIND +CREATED +MAY SPEAK FOR\n")
    assert.truthy(out:find "pump +bearer +%d+ +Cpump Cpump%-%*\n")
    assert.truthy(out:find "site +psk +%d+ +gw@site for /gw /gw/%*\n")
    local listed = {}
    for line in (credential "list --json --data DIR/new"):gmatch "[^\n]+" do
      local one = cjson.decode(line)
      listed[one.name] = one
    end
    assert.same({ "Cpump", "Cpump-*" }, listed.pump.originators)
    assert.equal("bearer", listed.pump.kind)
    assert.equal("gw@site", listed.site.identity)
    assert.equal("uri:urn:dev", listed.dev.subject)
    assert.equal("basic", listed.anna.kind)
    assert.truthy(listed.anna.created:find "^%d+T%d+")
  end)

  it("keeps the file where it is told to, and says when there is none", function()
    local _, rc, said = credential "list --file DIR/other"
    assert.equal(0, rc)
    assert.truthy(said:find("no credentials, there is no such file", 1, true), said)
    assert.equal(0, select(2, credential "add pump Cpump --file DIR/other"))
    assert.equal(0, select(2, credential "revoke pump --file DIR/other"))
    _, rc, said = credential "list --file DIR/other"
    assert.equal(0, rc)
    assert.truthy(said:find("no credentials\n", 1, true), said)
  end)

  it("revokes all that are named or none", function()
    for _, name in ipairs { "a", "b", "c" } do
      credential(("add %s C%s --data DIR"):format(name, name))
    end
    fails(1, "no credential is named x; nothing was changed", "revoke a x --data DIR")
    assert.truthy((credential "list --data DIR"):find "\na +bearer")
    assert.equal(0, select(2, credential "revoke a c --data DIR"))
    local out = credential "list --data DIR"
    assert.is_nil(out:find "\na +bearer")
    assert.truthy(out:find "\nb +bearer")
  end)

  it("says what is wrong with the command", function()
    for arguments, pattern in pairs {
      [""] = "add, list or revoke expected",
      ["show"] = "'show': add, list or revoke expected",
      ["list pump"] = "list takes no argument",
      ["add"] = "a name and at least one originator expected",
      ["add pump"] = "a name and at least one originator expected",
      ["add 'a b' Cx"] = "'a b': a name has 1 to",
      ["add pump --kind magic Cx"] = "--kind magic: bearer, basic, psk or certificate expected",
      ["add dev --kind certificate Cx"] = "a certificate needs --subject",
      ["revoke"] = "which one?",
      ["revoke --service"] = "--service: one AE-ID or CSE-ID expected",
      ["add --service Ca Cb"] = "--service: one AE-ID or CSE-ID expected",
      ["list --nonsense"] = "nonsense",
    } do
      fails(2, pattern, arguments .. " --data DIR")
    end
    local out, rc = credential "--help"
    assert.equal(0, rc)
    assert.truthy(out:find("Exit code: 0 done", 1, true))
  end)

  it("says what is wrong with a credential, and keeps none of it", function()
    credential "add pump Cpump --data DIR"
    local before = h.read_file(dir .. "/credentials")
    for arguments, pattern in pairs {
      ["add pump Cother"] = "pump",
      ["add x 'C x'"] = "C x",
      ["add x ''"] = "originator",
      ["add dev --kind certificate --subject urn:dev Cx"] = "expected uri:URI or dns:NAME",
    } do
      fails(1, pattern, arguments .. " --data DIR")
    end
    fails(1, "expected the secret in its first line", "add x --kind basic --stdin Cx --data DIR")
    fails(1, "the secret is longer than", "add x --kind basic --stdin Cx --data DIR",
      ("x"):rep(5000))
    fails(1, "hexadecimal", "add x --kind psk --stdin Cx --data DIR", "no key at all!")
    assert.equal(before, h.read_file(dir .. "/credentials"))
  end)

  it("does not work on a file that others may read, nor on a damaged one", function()
    credential "add pump Cpump --data DIR"
    h.sh("chmod 644 %s/credentials", dir)
    fails(1, "credentials", "list --data DIR")
    fails(1, "credentials", "add x Cx --data DIR")
    h.sh("chmod 600 %s/credentials", dir)
    h.write_file(dir .. "/credentials", "this is no credential\n")
    fails(1, "credentials", "list --data DIR")
    fails(1, "credentials", "revoke pump --data DIR")
    fails(1, "/nowhere", "add x Cx --file /nowhere/at/all")
  end)

  it("has no server to ask for the token of a service", function()
    fails(1, "", "revoke --service Cpump --data DIR")
    fails(1, "", "add --service Cpump --data DIR")
  end)
end)
