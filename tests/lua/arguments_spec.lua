-- Wrong arguments: each function that scripts have, as the reference describes it, is called with
-- values of every type that a parameter does not take.  The error names the function, the argument
-- and the line of the caller.

local reference = require "moon2m.reference"
local t = require "moon2m.test"
local takes = require "takes"

-- ---- what a parameter takes ---------------------------------------------------------------------

local BASIC = { string = "string", number = "number", integer = "number", boolean = "boolean",
  ["true"] = "boolean", ["false"] = "boolean", table = "table", ["nil"] = "nil" }

-- ---- calls --------------------------------------------------------------------------------------

-- A right value for a parameter, in Lua: for one function, or for all that have it.
local RIGHT = {
  to = '"/in"', where = '"/x"', op = '"create"', fn = "function() end", kind = '"container"',
  attrs = "{}", container = '"/in"', content = "1", n = "1", path = '"/in"', key = '"k"',
  r = '{ op = "retrieve", to = "/in" }', seconds = "1", s = '"1"', t = "{}", file = '"/none"',
  ct = '"20260101T000000"', o = "{}", device = '"/dev/ttyS0"', url = '"http://127.0.0.1:9/"',
  body = '"x"', defaults = "{}", limits = "{}", name = '"f"', hhmm = '"07:30"', opts = "{}",
  source = '{ text = "x" }', data = '"x"', topic = '"a"', payload = '"x"', qos = "0", how = "1",
  spec = "{}", fmt = '"x"', v = "1",
  ["cse.page kind"] = '"text/html"', ["cse.page where"] = '"/page"',
  ["cse.udp o"] = "{ port = 0 }", ["cse.tcp o"] = "{ listen = 0 }",
  ["cse.mqtt o"] = '{ host = "h" }', ["udp:send to"] = '"10.0.0.1:9"',
}

-- Parameters that take any value but nil.
local NEEDED = { ["cse.add content"] = true, ["cse.wait key"] = true, ["cse.wake key"] = true }

local WRONG = { { "nil", "nil" }, { "boolean", "true" }, { "number", "7" }, { "string", '"x y"' },
  { "table", "{}" }, { "function", "print" } }

-- The handles that scripts get, and how each is had.
local HANDLES = { udp = "cse.udp(9, function() end)", conn = "link",
  tcp = 'cse.tcp({ host = "h", port = 1 }, function(c) link = c cse.wait("end", 20) end)',
  serial = 'cse.serial("/dev/ttyS1", {}, function() end)',
  mqtt = 'cse.mqtt({ host = "m" }, function() end)' }

local function right(name, param)
  local value = RIGHT[name .. " " .. param] or RIGHT[param]
  if not value then error(("%s: no right value for %s"):format(name, param)) end
  return value
end

-- Calls fn(text of the arguments, parameter) for each wrong value of each parameter.
local function each_wrong(entry, fn)
  local before = {}
  for _, p in ipairs(entry.params) do
    if p.name == "..." then break end
    local set = takes({}, p.type, BASIC)
    for _, w in ipairs(WRONG) do
      local fits = set[w[1]] or set.any or w[1] == "nil" and p.optional
      if not fits or w[1] == "nil" and NEEDED[entry.name .. " " .. p.name] then
        local list = { unpack(before) }
        list[#list + 1] = w[2]
        fn(table.concat(list, ", "), p.name)
      end
    end
    before[#before + 1] = right(entry.name, p.name)
  end
end

local function is_declaration(entry)
  return entry.class == "moon2m.cse" and (entry.section == "Declarations" or
    entry.section == "Gateways" and not entry.name:find("^cse%.http"))
end

-- The functions of a script, in order, with the section they stand in.
local function functions()
  local list = {}
  for _, section in ipairs(reference.get().sections) do
    for _, entry in ipairs(section.entries) do
      local base = entry.name:match("^(%w+)[.:]")
      if entry.kind == "function" and (base == "cse" or HANDLES[base]) then
        entry.section = section.title
        list[#list + 1] = entry
      end
    end
  end
  return list
end

-- Lines of a script, and what the error of a line must be.
local function add_calls(lines, expected, entry)
  each_wrong(entry, function(args, param)
    lines[#lines + 1] = ("try(%d, function() %s(%s) end)"):format(#lines + 1, entry.name, args)
    expected[#lines] = { call = ("%s(%s)"):format(entry.name, args),
      text = ("args.lua:%d: %s: %s: "):format(#lines, entry.name, param) }
  end)
end

local function script()
  local expected, lines = {}, { 'local cse, link = require "moon2m", nil',
    "local said = cse.state { list = {} }.list", "local function try(n, fn) " ..
    "local ok, why = pcall(fn) said[tostring(n)] = ok and 'taken' or why end" }
  for name, code in pairs(HANDLES) do
    if name ~= "conn" then lines[#lines + 1] = ("local %s = %s"):format(name, code) end
  end
  for _, entry in ipairs(functions()) do
    if is_declaration(entry) then add_calls(lines, expected, entry) end
  end
  lines[#lines + 1] = 'cse.virtual("/run", function() local conn = link'
  for _, entry in ipairs(functions()) do
    if not is_declaration(entry) then add_calls(lines, expected, entry) end
  end
  lines[#lines + 1] = 'return "done" end)'
  lines[#lines + 1] = 'cse.virtual("/said", function() cse.wake("end") return said end)'
  return table.concat(lines, "\n"), expected
end

describe("wrong arguments of every function that scripts have", function()
  it("raise, with function, argument and the caller's line", function()
    local text, expected = script()
    local wrong, n = {}, 0
    local problems = t.run(function()
      local h = t.host { scripts = { args = text }, tree = { ["/in"] = { ty = "container" } },
        server = { budgets = { load = { 5, 9 }, virtual = { 5, 90 } } } }
      h:advance(0.1)
      t.ok(h:retrieve "/run")
      local said = h:retrieve "/said"
      for i, e in pairs(expected) do
        n = n + 1
        local got = said[tostring(i)] or "nothing"
        if not got:find(e.text, 1, true) then
          wrong[#wrong + 1] = ("%s: %s"):format(e.call, got:match("^[^\n]*"))
        end
      end
    end)
    table.sort(wrong)
    assert.equal("", table.concat(wrong, "\n"))
    assert.same({}, problems)
    assert.is_true(n > 200, ("only %d calls"):format(n))
  end)
end)

describe("what a script is told", function()
  local function said(text)
    local con
    assert.same({}, t.run(function()
      local h = t.host { scripts = { s = 'local cse = require "moon2m"\n' .. text },
        config = { s = { to = 8 } } }
      con = h:retrieve("/said").con
    end))
    return con
  end

  it("of a setting that it does not declare", function()
    assert.matches("^8 %S+s.lua:4: cse%.config declares no setting 'too'$", said [[
      local cfg = cse.config { to = 18 }
      cse.virtual("/said", function()
        local ok, why = pcall(function() return cfg.too .. "" end)
        return { con = cfg.to .. " " .. why }
      end)]])
  end)

  it("of more verbs than its budget has, of any kind of rule", function()
    assert.matches("^2 %S+s.lua:%d: more than 2 verbs in one call, stopped$", said [[
      cse.budget { verbs = 2 }
      local n = 0
      cse.virtual("/said", function()
        local ok, why = pcall(function() while true do cse.sleep(0) n = n + 1 end end)
        return { con = n .. " " .. why }
      end)]])
  end)

  it("by pairs: what the server's tables have, and no way into them", function()
    assert.equal("true true nil nil", said [[
      cse.virtual("/said", function()
        local names = {}
        for name, fn in pairs(cse) do names[name] = fn end
        for name in pairs(cse.http) do names["http." .. name] = true end
        local step, t, k = pairs(cse)
        return { con = ("%s %s %s %s"):format(tostring(names.add == cse.add),
          tostring(names["http.get"]), tostring(rawget(t, "add")), tostring(k)) }
      end)]])
  end)

  it("of a path that is not there, as the script wrote it", function()
    assert.equal("4004 to: /none/x: no such resource", said [[
      cse.virtual("/said", function()
        local _, err = cse.retrieve("/none/x")
        return { con = err.rsc .. " " .. err.msg }
      end)]])
  end)
end)

describe("a type of a script", function()
  -- Whether it loads, and what is said: the first line of the error.
  local function loads(spec, head)
    local why
    t.run(function()
      why = t.raises(function()
        t.host { scripts = { s = 'local cse = require "moon2m"\n' .. (head or "") ..
          ("\ncse.type { ty = 1001, name = 'lamp', short = 'x:lamp', %s }"):format(spec) } }
      end)
    end)
    return why and why:match("s%.lua:3: ([^\n]*)") or why
  end

  it("has no function but its check: the others would run without a budget", function()
    assert.equal("cse.type: unknown field 'create'; known are attrs, check, children, cnd, " ..
      "extends, mgd, name, parents, short, ty", loads "attrs = {}, create = print")
    assert.equal("cse.type: lamp: attribute x: unknown field 'get'; known are create, later, " ..
      "list, one, update",
      loads "attrs = { { 'x', 'uint', get = print } }")
    assert.equal("cse.type: lamp: attribute x: a kind by name, of moon2m.kinds, or a list of " ..
      "texts or numbers was expected", loads "attrs = { { 'x', { check = print } } }")
    assert.equal("cse.type: lamp: check: a function was expected, got a number",
      loads "attrs = {}, check = 5")
    for spec, text in pairs { ["attrs = {}, children = 5"] = "children: a table was expected",
      ["attrs = {}, parents = { 5 }"] = "parents: a list of names of types",
      ["attrs = { { 'x', 'uint', create = 'X' } }"] =
        'attribute x: create: "M", "O" or "-" was expected, got "X"',
      ["attrs = { { 'x', 'uint', update = 'M' } }"] =
        'attribute x: update: "O" or "-" was expected, got "M"',
      ["attrs = { { 'x', 'uint', list = 'x' } }"] =
        "attribute x: list: a number was expected, got a string",
      ["attrs = { { 'x', { 1, 'x' } } }"] = "attribute x: a kind by name, of moon2m.kinds" } do
      local why = loads(spec)
      assert.equal(1, (why or ""):find("cse.type: lamp: " .. text, 1, true), tostring(why))
    end
    assert.equal("cse.type: lamp: attribute 1: a name or a row that begins with one was expected",
      loads "attrs = { { print } }")
  end)

  it("has kinds like the server's own", function()
    assert.same({}, t.run(function()
      local h = t.host { tree = { ["/home"] = { ty = "container" } }, scripts = { s =
        'local cse, kinds = require "moon2m", require "moon2m.kinds"\n' .. [[
        cse.type { ty = 1001, name = "lamp", short = "x:lamp", parents = { "container" }, attrs = {
          "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl",
          { "lv", kinds.range("a level", 0, 100), create = "M", update = "O" },
          { "md", kinds.enum("a mode", { 1, 2, 4 }), create = "O", update = "O" },
          { "pos", kinds.list(kinds.range("a step", -5, 5), 2), create = "O" },
          { "at", kinds.object("a place (object)", { { "x", "number", required = true },
            { "y", kinds.range("a height", 0, 9), list = 1 } }), create = "O" } } }]] } }
      local lamp = t.ok(h:create("/home", "x:lamp", { lv = 100, md = 4, pos = { -5, 5 },
        at = { x = 0.5, y = { 9 } } }))
      t.same({ lamp.lv, lamp.md, lamp.pos, lamp.at }, { 100, 4, { -5, 5 }, { x = 0.5, y = { 9 } } })
      local function no(attrs) return t.refused(4000, h:create("/home", "x:lamp", attrs)).msg end
      t.equal(no { lv = 101 }, "lv: expected a level from 0 to 100, got 101")
      t.equal(no { lv = 1, md = 3 }, "md: expected a mode (one of 1, 2, 4), got 3")
      t.equal(no { lv = 1, pos = { 1 } }, "pos: expected at least 2 in the array, got 1")
      t.match(no { lv = 1, at = { y = { 1 } } }, "^at: member x is missing")
    end))
  end)

  -- What a script says in 5000 and 4000, and that what it refused is not there.
  it("has kinds that ask its own functions, within a budget", function()
    assert.same({}, t.run(function()
      local h = t.host { tree = { ["/home"] = { ty = "container" } }, scripts = { s =
        'local cse, kinds = require "moon2m", require "moon2m.kinds"\n' .. [[
        local even = kinds.integer("an even number", function(n) return n % 2 == 0 end)
        cse.type { ty = 1001, name = "lamp", short = "x:lamp", parents = { "container" }, attrs = {
          "rn", "ty", "ri", "pi", "ct", "lt", "et", { "lbl", create = "-" },
          { "must", "bool", create = "O", update = "O", one = true },
          { "soon", "uint", create = "O", later = "is for another year" },
          { "sn", kinds.text("a serial number (string)", function(s)
            if s == "loop" then while true do end end
            if s == "raise" then return s.x.y end
            if s == "verb" then return cse.retrieve("/home") end
            if not s:find("^%u%d+$") then return false, "no capital letter and digits" end
          end), create = "M", update = "O" },
          { "ev", even, list = 1, create = "O", update = "O" },
          { "up", kinds.text("a word", string.upper), create = "O" },
          { "xy", kinds.object("a place (object)", { { "x", "int" }, { "y", even } }, function(o)
            if not o.x and not o.y then return false, "x or y is needed" end
          end), create = "O" },
          { "tri", kinds.list("int", 3, 3), create = "O" },
          { "few", kinds.list("int", 1, 2), create = "O" },
          { "num", kinds.several("int", 2), create = "O" },
          { "oro", kinds.either("a number or off", { "uint", { "off" } }), create = "O" },
          { "gap", kinds.where("duration", function(us)
            return us >= 1e6, "at least a second is needed"
          end), create = "O" },
          { "val", kinds.value("a pair", function(v) return #v == 2 end), create = "O" },
          { "lo", "uint", create = "O", update = "O" },
          { "hi", "uint", create = "O", update = "O" },
        }, check = function(values, was)
          if values.up and values.up ~= values.up:upper() then error("not what upper gave") end
          if values.num and #values.num ~= 1 then return false, "num: one", 4102 end
          local lo, hi = kinds.after(values, was, "lo"), kinds.after(values, was, "hi")
          if was and was.sn ~= "A1" then error("not the serial number that there was") end
          if lo and hi and lo > hi then
            return require("moon2m.rsc").err(5001, "lo: %d above %d", lo, hi)
          end
        end }]] } }
      local function no(attrs, code)
        attrs.sn = attrs.sn or "A1"
        return t.refused(code or 4000, h:create("/home", "x:lamp", attrs)).msg
      end
      t.equal(no { lbl = { "x" } }, "lbl: not permitted in a CREATE, the CSE sets it")
      t.equal(no({ soon = 1 }, 5001), "soon: is for another year")
      t.equal(no { soon = "x" }, "soon: expected a non-negative integer, got a string")
      t.equal(no { sn = "a1" }, "sn: no capital letter and digits")
      t.equal(no { sn = 5 }, "sn: expected a serial number (string), got a number")
      t.equal(no { ev = { 2, 3 } }, "ev: entry 2: expected an even number, got 3")
      t.equal(no { xy = {} }, "xy: x or y is needed")
      t.equal(no { xy = { y = 1 } }, "xy: y: expected an even number, got 1")
      t.equal(no { tri = { 1, 2 } }, "tri: expected 3 in the array, got 2")
      t.equal(no { few = { 1, 2, 3 } }, "few: expected at most 2 in the array, got 3")
      t.equal(no { num = { 1, 2, 3 } }, "num: expected at most 2 in the array, got 3")
      t.equal(no { oro = "on" }, "oro: expected a number or off, got a string")
      t.equal(no { oro = -1 }, "oro: expected a number or off, got -1")
      t.equal(no { gap = "PT0.5S" }, "gap: at least a second is needed")
      t.equal(no { gap = "x" }, "gap: not a duration (PnYnMnDTnHnMnS)")
      t.equal(no { val = { 1 } }, "val: expected a pair, got an array")
      t.equal(no({ num = { 1, 2 } }, 4102), "num: one")
      t.equal(no({ lo = 2, hi = 1 }, 5001), "lo: 2 above 1")
      local text = "the kind of sn (a serial number (string)) of s failed, nothing was stored"
      for sn, why in pairs { loop = "still running", raise = "attempt to index field 'x'",
        verb = "a kind cannot wait" } do
        h:expect_error(why)
        t.equal(no({ sn = sn }, 5000), text)
        local e = h:errors()[#h:errors()]
        t.match(e.text, why)
        t.match(e.rule, "^kind of lamp.sn ")
      end
      local lamp = t.ok(h:create("/home", "x:lamp", { rn = "l", sn = "A1", ev = { 2 }, up = "a",
        num = 5, oro = "off", gap = "PT1S", val = { 1, "b" }, xy = { x = 1 }, lo = 1 }))
      t.same({ lamp.up, lamp.num, lamp.oro, lamp.val }, { "a", 5, "off", { 1, "b" } })
      t.equal(t.refused(5001, h:update("/home/l", { hi = 0 })).msg, "lo: 1 above 0")
      t.ok(h:update("/home/l", { hi = 0, lo = 0 }))
      t.equal(t.refused(4000, h:request { op = "update", to = "/home/l",
        pc = '{"x:lamp":{"must":null}}' }).msg, "must: mandatory, cannot be removed")
      t.same(t.ok(h:update("/home/l", { lbl = { "y" } })).lbl, { "y" })
      t.refused(4004, h:retrieve("/home/a"))
    end))
  end)

  it("is told at its line what a kind cannot be", function()
    local head = 'local kinds = require "moon2m.kinds"'
    for call, text in pairs { ["kinds.range(1, 0, 1)"] = "kinds.range: what: a text",
      ["kinds.range('a', 0)"] = "kinds.range: most: a number", ["kinds.enum('a')"] =
      "kinds.enum: values: a list of numbers", ["kinds.text('a', 5)"] =
      "kinds.text: test: a function",
      ["kinds.integer('a')"] = "kinds.integer: test: a function", ["kinds.where('uint')"] =
      "kinds.where: test: a function", ["kinds.where('x', print)"] = "kinds.where: kind: a kind",
      ["kinds.value('a')"] =
      "kinds.value: test: a function", ["kinds.list('int', 1, 'x')"] = "kinds.list: most: a number",
      ["kinds.several(5)"] = "kinds.several: kind: a kind", ["kinds.either('a', {})"] =
      "kinds.either: kinds: a list of kinds", ["kinds.object('a', {}, 5)"] =
      "kinds.object: test: a function", ["kinds.list({}, 1)"] = "kinds.list: kind: a kind",
      ["kinds.object('a', { { 'x', print } })"] = "kinds.object: members: x: a kind",
      ["kinds.range('a', 0, 1).x"] = "a kind has no fields" } do
      local why = loads("attrs = { { 'x', " .. call .. " } }", head)
      assert.is_truthy(why and why:find(text, 1, true), call .. ": " .. tostring(why))
    end
  end)
end)

describe("moon2m.schedule of a script", function()
  it("tells of times, and of wrong arguments at their line", function()
    assert.same({}, t.run(function()
      local h = t.host { now = 1710491407, scripts = { s =
        'local cse, schedule = require "moon2m", require "moon2m.schedule"\n' .. [[
        local office = schedule.parse "* * 8-17 * * 1-5 *"
        cse.virtual("/office", function()
          local soon = schedule.parse "0 0 9 * * * *"
          local ok, why = pcall(schedule.covers, "x", cse.now())
          local _, far = pcall(schedule.next, soon, cse.now(), 1e12)
          return { open = schedule.covers(office, cse.now()), why = why, far = far,
            wait = schedule.next(soon, cse.now(), 86400) - cse.now() }
        end)]] } }
      local said = t.ok(h:retrieve("/office"))
      t.same({ said.open, said.wait }, { true, 29 * 60 + 53 })
      t.match(said.why, "s.lua:5: schedule.covers: entry: what schedule.parse gave was expected")
      t.match(said.far, "s.lua:6: schedule.next: horizon: seconds, at most ten years")
    end))
  end)
end)
