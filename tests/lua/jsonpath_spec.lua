-- JSONPath to SQL, judged by SQLite on documents.

local sqlite = require "sqlite"
local jsonpath = require "moon2m.jsonpath"

local DOC = [[{"t":21.5,"u":"C","on":true,"off":false,"none":null,]]
  .. [["list":[1,2,{"k":"v","n":3}],"deep":{"er":{"k":"w"}},"odd key":1,"empty":[]}]]

local function selects(db, text, document)
  local steps, at = jsonpath.parse(text)
  assert(steps, text .. ": " .. tostring(at))
  local params = { document or DOC }
  local sql = jsonpath.sql(steps, "?1", function(v)
    params[#params + 1] = v
    return "?" .. #params
  end)
  return db:find("SELECT (" .. sql .. ") IS TRUE AS yes", params, 1)[1].yes == 1
end

local describe_sql = sqlite.present() and describe or pending

describe_sql("JSONPath", function()
  local db
  setup(function() db = sqlite.new(arg[0]:match("^(.*)/tests/lua/[^/]*$") or ".") end)
  teardown(function() db:close() end)

  it("selects", function()
    for _, text in ipairs { "$", "$.t", "$['t']", '$["odd key"]', "$.none", "$.off", "$.list[0]",
      "$.list[-1].k", "$.list[2]['k']", "$.*", "$.list[*]", "$.list[*].k", "$.deep.*.k", "$..k",
      "$..er.k", "$..*", "$.list[?(@ == 2)]", "$.list[?(@.k == 'v')]", "$.list[?@.n>=3]",
      "$.list[?(@.n < 4 && @.k != 'x')]", "$.list[?(@.n > 9 || @.k == \"v\")].n",
      "$[?(@ == true)]", "$[?(@ == false)]", "$[?(@ == null)]", "$[?(@ == 'C')]",
      "$[?(@.er)]", "$[?(@.er.k=='w')]", "$.list[?(@ != 1)]", "$..list[?(@.n)].k" } do
      assert.is_true(selects(db, text), text)
    end
  end)

  it("does not select", function()
    for _, text in ipairs { "$.x", "$.t.x", "$.list[3]", "$.list[-4]", "$.t[*]", "$.empty[*]",
      "$.empty.*", "$..x", "$.t..*", "$.list[*].x", "$.list[?(@ == '2')]", "$.list[?(@.k == 1)]",
      "$.list[?(@.n < 3 && @.k == 'v')]", "$[?(@.er.k=='v')]", "$.list[?(@ > true)]", "$..t.k",
      "$.list[?(@.x != 1)]" } do
      assert.is_false(selects(db, text), text)
    end
  end)

  it("takes documents of any type", function()
    for _, doc in ipairs { "1", '"text"', "true", "null", "[]", "{}" } do
      assert.is_true(selects(db, "$", doc), doc)
      for _, text in ipairs { "$.a", "$..a", "$.*", "$[0]", "$[?(@ == 1)]" } do
        assert.is_false(selects(db, text, doc), doc .. " " .. text)
      end
    end
  end)

  it("names the place of what it does not read", function()
    for text, at in pairs { [""] = 1, ["t"] = 1, ["$t"] = 2, ["$."] = 2, ["$.a[1:2]"] = 4,
      ["$.a[1,2]"] = 4, ["$.a['x"] = 4, ["$.a['x\"y']"] = 4, ["$[?(@.a ==)]"] = 2,
      ["$[?(@.a == x)]"] = 2, ["$[?(@.a"] = 2, ["$[?($.a)]"] = 2, ["$.a b"] = 4,
      ["$" .. (".a"):rep(33)] = 66 } do
      local steps, place = jsonpath.parse(text)
      assert.is_nil(steps, text)
      assert.same(at, place, text)
    end
  end)
end)
