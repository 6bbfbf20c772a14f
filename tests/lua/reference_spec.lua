-- The reference says what there is: names, parameters, options and resource types are compared by
-- doc/check.lua; what handlers are handed is looked at here, as are the texts of help.

local help = require "moon2m.help"
local reference = require "moon2m.reference"
local t = require "moon2m.test"

local BIN = os.getenv "MOON2M" or "build/moon2m"

local function fields_of(class)
  local set = {}
  for _, f in ipairs(reference.get().types[class].fields) do set[f.name] = f end
  return set
end

-- What doc/check.lua says of a library, the one that is tested or that of a folder: its lines and
-- the exit code.  (The last --lua counts; the first may be taken for another.)
local function check(folder)
  local p = assert(io.popen(("%s lua --lua lua %s doc/check.lua 2>&1; echo rc=$?"):format(BIN,
    folder and "--lua " .. folder or "")))
  local text = p:read "*a"
  p:close()
  return text
end

-- Every key of the tables is described, and what is described as always there is.
local function compare(class, tables)
  local fields = fields_of(class)
  for _, one in ipairs(tables) do
    for k in pairs(one) do
      local name = type(k) == "number" and "[integer]" or k
      assert.is_truthy(fields[name], ("%s: %s has no entry"):format(class, tostring(name)))
    end
    for name, f in pairs(fields) do
      if not f.optional and name ~= "[integer]" then
        assert.is_not_nil(one[name], ("%s: there is no %s"):format(class, name))
      end
    end
  end
  assert.is_true(#tables > 0)
end

local SPY = [[
local cse = require "moon2m"
local seen = cse.state { request = {}, event = {}, notice = {} }
local function note(list, v)
  local copy = {}
  for k, x in pairs(v) do copy[k] = x end
  list[#list + 1] = copy
end
cse.policy("/a/**", function(req) note(seen.request, req) end)
cse.check("any", "/a/*", function(req) note(seen.request, req) end)
cse.virtual("/a/*/v", function(req)
  note(seen.request, req)
  return { con = 1 }
end)
for _, op in ipairs { "create", "update", "delete", "retrieve" } do
  cse.on(op, "/a/**", function(ev) note(seen.event, ev) end)
end
cse.format("one", function(n)
  note(seen.notice, n)
  note(seen.notice_event, n.event)
  return "x"
end)
cse.format("each", function(n)
  note(seen.notice, n)
  return "x"
end, { per = "target" })
seen.notice_event = {}
]]

local function spied(fn)
  local problems = t.run(function()
    local h = t.host { scripts = { spy = SPY }, tree = { ["/a"] = { ty = "ae" }, ["/a/c"] = {} } }
    local a = h:as "Ca"
    for _, name in ipairs { "one", "each" } do
      t.ok(a:create("/a/c", "subscription", { rn = name, nu = { h:url(name) },
        enc = { net = { 1, 3 } }, lbl = { "format:" .. name } }))
    end
    t.ok(a:create("/a/c", "5"))
    t.ok(a:update("/a/c", { mni = 5 }))
    t.ok(a:retrieve "/a/c/v")
    t.ok(a:delete "/a/c")
    h:advance(1)
    fn(require("moon2m.script").find("spy").state)
  end)
  assert.same({}, problems)
end

describe("the reference", function()
  it("has every public name with its parameters, and no other", function()
    assert.equal("rc=0\n", check())
  end)

  it("is found to be wrong when a name, a parameter, an option or an attribute differs", function()
    local folder = os.tmpname()
    os.remove(folder)
    local function change(file, from, to)
      local edit = "grep -qF '%s' %s/moon2m%s && sed -i 's/%s/%s/' %s/moon2m%s"
      assert.equal(0, os.execute(edit:format(from, folder, file, from, to, folder, file)))
    end
    os.execute(("cp -r lua %s"):format(folder))
    change("/meta.lua", "cse.sleep(seconds)", "cse.doze(seconds)")
    change(".lua", "cse.add(container, content, attrs)", "cse.add(container, content)")
    change("/gateway/serial.lua", "baud = {", "bauds = {")
    change("/types/container.lua", '"disr", "bool"', '"disr", "uint"')
    local text = check(folder)
    for _, line in ipairs { "lua/moon2m/meta%.lua:%d+: there is no cse%.doze",
      "moon2m%.cse: sleep has no entry", "cse%.add has 2 parameters, the entry says 3",
      "moon2m%.serial%.options: bauds has no entry", "moon2m%.serial%.options: there is no baud",
      "meta/resources/container%.lua is not what its type says: run `make meta`" } do
      assert.matches(line, text)
    end
    assert.matches("rc=1\n$", text)
    os.execute("rm -r " .. folder)
  end)

  it("says what handlers are handed", function()
    spied(function(seen)
      compare("moon2m.request", seen.request)
      compare("moon2m.event", seen.event)
      compare("moon2m.notice", seen.notice)
      compare("moon2m.notice.event", seen.notice_event)
    end)
  end)

  it("knows errors", function()
    compare("moon2m.err", { require("moon2m.rsc").err(4004, "gone") })
  end)

  it("is made into a page with an anchor for each name, and into Markdown", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert.equal(0, os.execute(("mkdir %s && %s lua --lua lua doc/make.lua %s"):format(folder, BIN,
      folder)))
    local page = assert(io.open(folder .. "/reference.html")):read "*a"
    local text = assert(io.open(folder .. "/reference.md")):read "*a"
    for name, entry in pairs(reference.get().names) do
      assert.is_truthy(page:find(('<section id="%s">'):format(name), 1, true), name)
      if entry.kind == "function" then
        assert.is_truthy(text:find("`" .. reference.signature(entry) .. "`", 1, true), name)
      end
    end
    local ids = {}
    for id in page:gmatch ' id="([^"]+)"' do
      assert.is_nil(ids[id], id)
      ids[id] = true
    end
    for target in page:gmatch 'href="#([^"]+)"' do assert.is_truthy(ids[target], target) end
    assert.is_nil(page:find("moon2m%.res%."))
    os.execute("rm -r " .. folder)
  end)
end)

describe("help", function()
  it("shows how a function is called, and its text", function()
    local text = help.text "cse.add"
    assert.matches("^cse%.add%(container, content %[, attrs%]%) %-> cin | nil, err\n", text)
    assert.matches("\n    cse%.add%(\"/plant/temp\", 21%.5", text)
    assert.matches("\nParameters\n  container  string: path\n", text)
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 80, line) end
  end)

  it("finds short names, methods, tables and resource types", function()
    local first = { add = "cse.add(", ["cse.add()"] = "cse.add(", ["conn.read"] = "conn:read(",
      event = "event", ["moon2m.event"] = "event", op = "op", cnt = "res.container",
      container = "res.container", ["cse.http"] = "cse.http", reload = "reload([name])",
      conn = "conn" }
    for name, begin in pairs(first) do
      local text = assert(help.text(name))
      assert.equal(begin, text:sub(1, #begin), name)
    end
  end)

  it("finds a function in the world that it is given", function()
    local cse = { http = { get = function() end }, add = function() end }
    assert.matches("^cse%.add%(", help.text(cse.add, { cse = cse }))
    assert.matches("^cse%.http%.get%(", help.text(cse.http.get, { cse = cse }))
    local text, why = help.text(print, { cse = cse })
    assert.is_nil(text)
    assert.matches("no text about that function", why)
  end)

  it("lists all, and names that are near an unknown one", function()
    assert.matches("\nVerbs\n  cse%.create ", help.text())
    local text, why = help.text "cse.http.fetch"
    assert.is_nil(text)
    assert.equal("no text about cse.http.fetch", why)
    assert.matches("there is .*conn:write", select(2, help.text "foo.write"))
    for name, field in pairs { request = "peer", type = "parents", udp = "send" } do
      local both = assert(help.text(name))
      assert.matches("^cse%." .. name .. "%(", both)     -- the function, then the table
      assert.matches("\n\n" .. name .. "\n.*" .. field, both)
    end
    for name, known in pairs { req = "request", ev = "event", n = "notice", res = "resource" } do
      assert.matches("^" .. known .. "\n", help.text(name))
    end
  end)
end)
