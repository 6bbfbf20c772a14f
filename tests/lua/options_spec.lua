-- Tables of options of public functions: the reference and the rows that check them agree, and each
-- option of each function is refused when its value is of a wrong type, or nobody knows its name.
-- The error names the function, the option, what was expected and the caller's line.

local reference = require "moon2m.reference"
local t = require "moon2m.test"
local takes = require "takes"

local classes                    -- class of the reference -> its rows

-- How the options of a class are handed over, %s standing for the table, and what it must have:
-- name = value in Lua.  late: in a handler.
local CALLS = {
  ["moon2m.udp.options"] = { "cse.udp(%s, print)", { port = "1" } },
  ["moon2m.tcp.client"] = { "cse.tcp(%s, print)", { host = '"h"', port = "1" } },
  ["moon2m.tcp.server"] = { "cse.tcp(%s, print)", { listen = "0" } },
  ["moon2m.serial.options"] = { 'cse.serial("/dev/ttyS0", %s, print)', {} },
  ["moon2m.mqtt.options"] = { "cse.mqtt(%s, print)", { host = '"h"' } },
  ["moon2m.mqtt.will"] = { 'cse.mqtt({ host = "h", will = %s }, print)', { topic = '"t"' } },
  ["moon2m.mqtt.publish.options"] = { 'broker:publish("a", "b", %s)', {}, late = true,
    name = "mqtt:publish" },
  ["moon2m.http.options"] = { 'cse.http.request("http://127.0.0.1:9/", %s)', {}, late = true },
  ["moon2m.budget"] = { "cse.budget(%s)", {} },
  ["moon2m.on.options"] = { 'cse.on("create", "/x", print, %s)', {} },
  ["moon2m.format.options"] = { 'cse.format("f", print, %s)', {} },
  ["moon2m.page.text"] = { 'cse.page("/page", %s)', { text = '"x"' } },
  ["moon2m.request.fields"] = { "cse.request(%s)", { op = '"retrieve"', to = '"/"' },
    late = true },
  ["moon2m.type"] = { "cse.type(%s)", { ty = "1001", name = '"x"', short = '"x:x"', attrs = "{}" },
    alone = true },
  ["moon2m.type.attribute"] = { 'cse.type { ty = 1001, name = "x", short = "x:x", attrs = { %s } }',
    { [1] = '"a"', [2] = '"uint"' }, alone = true },
}

local VALUES = { { "boolean", "true" }, { "false", "false" }, { "number", "7" },
  { "string", '"x y"' }, { "table", "{ {} }" }, { "function", "print" } }

-- The types that a type of the reference stands for, as the rows name them.
local BASIC = { string = "string", number = "number", integer = "number", boolean = "boolean",
  table = "table", ["false"] = "false", any = "any" }

local function key_of(field)
  local index = field.name:match("^%[(%d+)%]$")
  return index and tonumber(index) or field.name
end

local function sorted(set)
  local list = {}
  for k in pairs(set) do list[#list + 1] = tostring(k) end
  table.sort(list)
  return table.concat(list, " ")
end

-- "{ port = 1, host = 7 }": what must be there, with one option of another value.
local function with(needed, key, value)
  local all, parts = { [key] = value }, {}
  for k, v in pairs(needed) do all[k] = all[k] or v end
  for k, v in pairs(all) do
    parts[#parts + 1] = ("%s = %s"):format(type(k) == "number" and ("[%d]"):format(k) or k, v)
  end
  table.sort(parts)
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- Calls fn(a call, the option as the error names it) for each mistake of a class.
local function each_mistake(class, call, fn)
  for _, field in ipairs(reference.get().types[class].fields) do
    local key, set = key_of(field), takes({}, field.type, BASIC)
    for _, v in ipairs(VALUES) do
      local fits = set.any or set[v[1]] or v[1] == "false" and set.boolean or key == 2
      if not fits and type(key) == "string" then
        fn(call[1]:format(with(call[2], key, v[2])), key .. ": ")
      end
    end
  end
  fn(call[1]:format(with(call[2], "nobodys", "1")), "unknown %w+ 'nobodys'")
  for key in pairs(call[2]) do
    if classes[class].rows[key].required and key ~= 1 and key ~= "listen" then
      fn(call[1]:format(with(call[2], key, "nil")), key)
    end
  end
end

local function name_of(call)
  return call.name or call[1]:match("^[%w.:]+")
end

describe("options of public functions", function()
  -- The modules that declare them are loaded with the library.
  setup(function()
    t.run(function()
      t.host { scripts = { s = 'local cse = require "moon2m"' } }
      for _, kind in ipairs { "udp", "tcp", "serial", "mqtt" } do
        require("moon2m.gateway." .. kind)
      end
      classes = require("moon2m.options").classes
    end)
  end)

  it("are checked by rows that agree with the reference", function()
    local known, described = {}, {}
    for class, declared in pairs(classes) do
      local kinds = {}
      for name, row in pairs(declared.rows) do
        local set = {}
        for kind in pairs(row.kinds) do set[kind] = true end
        if not row[1] then set.any = true end
        kinds[#kinds + 1] = ("%s%s: %s"):format(tostring(name), row.required and "" or "?",
          sorted(set))
      end
      table.sort(kinds)
      known[class] = kinds
    end
    for class in pairs(CALLS) do
      local kinds = {}
      for _, field in ipairs(reference.get().types[class].fields) do
        local key, set = key_of(field), takes({}, field.type, BASIC)
        if key == 2 then set = { any = true } end      -- a kind, which the schema knows
        kinds[#kinds + 1] = ("%s%s: %s"):format(tostring(key),
          (field.optional or key == 2) and "?" or "", sorted(set))
      end
      table.sort(kinds)
      described[class] = kinds
    end
    assert.same(described, known)
  end)

  it("are refused when they are wrong, with function, option and line", function()
    local lines = { 'local cse = require "moon2m"', "local said = cse.state { list = {} }.list",
      "local function try(n, fn) local ok, why = pcall(fn) " ..
      "said[tostring(n)] = ok and 'taken' or why end",
      'local broker = cse.mqtt({ host = "b" }, print)' }
    local expected, wrong = {}, {}
    local function add(late)
      for class, call in pairs(CALLS) do
        if (call.late or false) == late and not call.alone then
          each_mistake(class, call, function(text, option)
            lines[#lines + 1] = ("try(%d, function() %s end)"):format(#lines + 1, text)
            expected[#lines] = { text, ("^%%S*args%%.lua:%d: %s: (.*)"):format(#lines,
              (name_of(call):gsub("%.", "%%."))), option }
          end)
        end
      end
    end
    add(false)
    lines[#lines + 1] = 'cse.virtual("/run", function()'
    add(true)
    lines[#lines + 1] = 'return "done" end)'
    lines[#lines + 1] = 'cse.virtual("/said", function() return said end)'
    local n = 0
    assert.same({}, t.run(function()
      local h = t.host { scripts = { args = table.concat(lines, "\n") },
        server = { budgets = { load = { 5, 9 }, virtual = { 5, 90 } } } }
      t.ok(h:retrieve "/run")
      local said = h:retrieve "/said"
      for i, e in pairs(expected) do
        n = n + 1
        local got = said[tostring(i)] or "nothing"
        local rest = got:match(e[2])
        if not rest or not rest:find(e[3]) then
          wrong[#wrong + 1] = ("%s: %s"):format(e[1], got:match("^[^\n]*"))
        end
      end
    end))
    table.sort(wrong)
    assert.equal("", table.concat(wrong, "\n"))
    assert.is_true(n > 150, ("only %d calls"):format(n))
  end)

  it("of cse.type: the script is not loaded", function()
    for class, call in pairs(CALLS) do
      if call.alone then
        each_mistake(class, call, function(text, option)
          local why
          t.run(function()
            why = t.raises(function()
              t.host { scripts = { s = 'local cse = require "moon2m"\n' .. text } }
            end)
          end)
          local rest = tostring(why):match("s%.lua:2: cse%.type: ([^\n]*)")
          assert.is_truthy(rest and rest:find(option), ("%s: %s"):format(text, tostring(why)))
        end)
      end
    end
  end)
end)
