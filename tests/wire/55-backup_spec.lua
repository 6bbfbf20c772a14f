-- Backups of a running server and what looks through them: complete, restorable, never half there;
-- mistakes in a store are found and repaired.

local h = require "harness"
local expect = h.expect

local function moon2m(fmt, ...)
  return h.sh("%s " .. fmt, h.bin, ...)
end

local function fill(s, n)
  s:register "app"
  expect(2001, s:create("/moon/app", "Capp", 3, { rn = "c", lbl = { "x" } }))
  for i = 1, n do s:add("/moon/app/c", "Capp", ("%d"):format(i)) end
end

-- Rows at once: a store of some megabytes.
local function fill_much(s)
  fill(s, 1)
  local rows, con = {}, ("x"):rep(2000)
  for i = 1, 4000 do
    rows[i] = ('{"to":"app/c","m2m:cin":{"rn":"i%d","con":"%s"}}'):format(i, con)
  end
  local file = h.write_file(s.dir .. "/rows", '{"csi":"/moon","csn":"moon","moon2m":1}\n'
    .. table.concat(rows, "\n") .. '\n{"end":true}\n')
  assert.equal(0, select(2, moon2m("import --data %s %s", s.data, file)))
end

-- Does it to a store that is not in use, by way of one whose pages have no checksums: sqlite3 keeps
-- none.
local function change(file, sql)
  h.sh([[sqlite3 %s .dump | sqlite3 %s-new && sqlite3 %s-new "PRAGMA application_id=1836019506;
    DELETE FROM meta WHERE k='sums'; %s" && mv %s-new %s]], file, file, file, sql, file, file)
end

describe("a backup", function()
  after_each(h.stop_all)

  it("is a store that can be put in place", function()
    local s = h.start()
    fill(s, 20)
    local file = s.dir .. "/b.db"
    assert.same({ "", 0 }, { moon2m("backup --data %s %s", s.data, file) })
    s:add("/moon/app/c", "Capp", "later")
    assert.same("600", (h.sh("stat -c %%a %s", file)))
    assert.same("b.db", (h.sh("ls %s | grep b.db", s.dir)))
    assert.same("", (h.sh("ls %s | grep -e backup -e part", s.data)))
    local text, rc = moon2m("verify %s", file)
    assert.equal(0, rc, text)
    assert.truthy(text:find("20 instances, 0 notices: good", 1, true), text)
    assert.same("b.db", (h.sh("ls %s | grep b.db", s.dir)))     -- nothing was made beside it
    -- over an older one, to another file system, then restored
    local other = ("/dev/shm/moon2m-test-%d.db"):format(s.pid)
    assert.same({ "", 0 }, { moon2m("backup --data %s %s", s.data, file) })
    assert.same({ "", 0 }, { moon2m("backup --data %s %s", s.data, other) })
    h.sh("cmp %s %s && rm %s", file, other, other)
    s:stop()
    h.sh("rm -r %s && mkdir -m 700 %s && cp %s %s/moon2m.db", s.data, s.data, file, s.data)
    s:run()
    assert.equal(21, expect(2000, s:retrieve("/moon/app/c", "Capp")).cni)
    assert.equal("later", expect(2000, s:retrieve("/moon/app/c/la", "Capp")).con)
  end)

  it("of a server that runs is looked through like one that does not", function()
    local s = h.start()
    fill(s, 3)
    local text, rc = moon2m("verify --data %s", s.data)
    assert.equal(0, rc, text)
    text, rc = moon2m("verify --repair --data %s", s.data)
    assert.equal(1, rc, text)
    assert.truthy(text:find "is in use by process", text)
    s:stop()
    change(s.data .. "/moon2m.db", "UPDATE cs SET cni=9; DELETE FROM lbl")
    text, rc = moon2m("verify --data %s", s.data)
    assert.equal(1, rc, text)
    assert.truthy(text:find("(app/c): cni 9, cbs 3, oldest 1, st 3; there are 3", 1, true), text)
    assert.truthy(text:find("does not find its label x", 1, true), text)
    text, rc = moon2m("verify --repair --data %s", s.data)
    assert.equal(0, rc, text)
    s:run()
    assert.equal(3, expect(2000, s:retrieve("/moon/app/c", "Capp")).cni)
  end)

  it("tells of kept notifications that cannot be read, and how far it is on a terminal", function()
    local s = h.start()
    fill(s, 1)
    local a = s:register "away"
    expect(2001, s:create("/moon/away", a.aei, 3, { rn = "c" }))
    expect(2001, s:create("/moon/away/c", a.aei, 23,
      { nu = { a.aei }, enc = { net = { 3 }, chty = { 4 } } }))
    for i = 1, 3 do s:add("/moon/away/c", a.aei, tostring(i)) end
    s:stop()
    local file = s.data .. "/moon2m.db"
    assert.matches("3 notices: good", (moon2m("verify %s", file)))
    local seen = h.sh("script -qec '%s verify %s' /dev/null", h.bin, file)
    assert.matches("\r[^\r\n]+, %d+ s\27%[K.*\r\27%[K.*3 notices: good", seen)
    change(file, "UPDATE ntf SET members=x'01' WHERE id=(SELECT min(id) FROM ntf)")
    local text, rc = moon2m("verify %s", file)
    assert.equal(1, rc, text)
    assert.matches("notices: %d+: .* is damaged, a start leaves it out\n", text)
    assert.matches("1 found, 0 repaired", text)
    change(file, "DELETE FROM tgt; INSERT INTO aud VALUES(999999, x'ff')")
    text, rc = moon2m("verify %s", file)
    assert.equal(1, rc, text)
    assert.matches("notices: 1 damaged lists of members", text)
    assert.matches("note: 2 notices whose targets are gone, 1 lists of no notice", text)
    s:run()
    assert.equal(3, expect(2000, s:retrieve("/moon/away/c", a.aei)).cni)
  end)

  it("is there whole or not at all, whoever is killed in the middle", function()
    local s = h.start()
    fill_much(s)
    local file = s.dir .. "/b.db"
    for i = 1, 4 do     -- the command
      h.sh("timeout -s KILL %.3f %s backup --data %s %s", 0.015 * i, h.bin, s.data, file)
      local there = h.sh("ls %s", file) == file
      if there then assert.equal(0, select(2, moon2m("verify %s", file))) end
      h.sh("rm -f %s", file)
    end
    s:kill()            -- the server; the last command may have left its copy under way
    s:run()
    assert.same("", (h.sh("ls %s | grep backup", s.data)))
    h.sh("( %s backup --data %s %s >%s/out 2>&1; echo rc=$? >>%s/out ) &", h.bin, s.data, file,
      s.dir, s.dir)
    h.wait("the copy under way", function()
      return h.sh("ls %s | grep backup", s.data) ~= "" or h.read_file(s.dir .. "/out"):find "rc="
    end)
    s:kill()
    local out = h.wait("the command's end", function()
      local text = h.read_file(s.dir .. "/out")
      return text:find "rc=" and text
    end)
    if out:find "rc=1" then
      assert.same("", (h.sh("ls %s/b.db* 2>/dev/null", s.dir)))
    else
      assert.equal(0, select(2, moon2m("verify %s", file)))
    end
    s:run()
    assert.same({ "", 0 }, { moon2m("backup --data %s %s", s.data, file) })
    assert.truthy(moon2m("verify %s", file):find "4001 instances, 0 notices: good")
  end)

  it("says what is wrong with the request", function()
    local s = h.start()
    local function refused(why, fmt, ...)
      local text, rc = moon2m(fmt, ...)
      assert.equal(1, rc, text)
      assert.truthy(text:find(why, 1, true), text)
    end
    refused("no server to ask", "backup --data %s/nix %s/b", s.dir, s.dir)
    refused("cannot make /nowhere/b.part: No such file", "backup --data %s /nowhere/b", s.data)
    refused("/nowhere/b: No such file", "verify /nowhere/b")
    refused("not a moon2m store", "verify %s",
      (h.sh("sqlite3 %s/other 'CREATE TABLE t(a)' && echo %s/other", s.dir, s.dir)))
    assert.equal(2, select(2, moon2m "backup"))
    assert.equal(2, select(2, moon2m "verify a b"))
  end)
end)
