-- Result content (TS-0001 Table 8.1.2-1, TS-0004 7.5.2): every rcn with every operation and every
-- desired identifier type, each answer beside tests/golden/result_content.txt.  A line of it is the
-- request, the response status code and the content; times are T, identifiers #NAME.
-- GOLDEN=write luajit ... writes the file anew: read the difference before it is committed.

local h = require "harness"
local expect = h.expect

local ME = "Cgold"
local FILE = "tests/golden/result_content.txt"
local RCN = { "-", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 }
local DRT = { "-", 1, 2 }

-- What the standard's table allows; the others are 4000, but 10 in a RETRIEVE is 5001.
local ALLOWED = {
  create = { 0, 1, 2, 3, 9 }, retrieve = { 1, 4, 5, 6, 8, 12 }, update = { 0, 1, 9 },
  delete = { 0, 1, 4, 5, 6, 8 }, discover = { 6, 11 },
}
local DONE = { create = 2001, retrieve = 2000, update = 2004, delete = 2002, discover = 2000 }

describe("result content", function()
  local s, names, got = nil, {}, {}

  -- gold / top (mni 5, lbl a) / kid / deep; top also holds the instance one.
  local function grow()
    for _, r in ipairs { { "", 3, { rn = "top", mni = 5, lbl = { "a" } } },
      { "/top", 3, { rn = "kid" } }, { "/top/kid", 3, { rn = "deep" } },
      { "/top", 4, { rn = "one", con = "1" } } } do
      names[expect(2001, s:create("/moon/gold" .. r[1], ME, r[2], r[3])).ri] = r[3].rn
    end
  end

  local function plain(text)
    text = text:gsub("%d%d%d%d%d%d%d%dT%d%d%d%d%d%d[,%d]*", "T")
    return (text:gsub('"([%w-]+)"', function(id)
      return names[id] and '"#' .. names[id] .. '"' or nil
    end))
  end

  local ASK = {
    create = function(q)
      local a = s:create("/moon/gold/top" .. q, ME, 3, { rn = "new", mni = 7 })
      local made = s:retrieve("/moon/gold/top/new", ME)
      if made.rsc == 2000 then
        names[made.body["m2m:cnt"].ri] = "new"
        expect(2002, s:delete("/moon/gold/top/new", ME))
      end
      return a
    end,
    retrieve = function(q) return s:retrieve("/moon/gold/top" .. q, ME) end,
    update = function(q)
      return s:update("/moon/gold/top/kid" .. q, ME, { ["m2m:cnt"] = { mbs = 100 } })
    end,
    discover = function(q)
      return s:retrieve("/moon/gold/top" .. (q == "" and "?" or q .. "&") .. "fu=1", ME)
    end,
    delete = function(q)
      local a = s:delete("/moon/gold/top" .. q, ME)
      if a.rsc == 2002 then grow() end
      return a
    end,
  }

  local function query(rcn, drt)
    local list = {}
    if rcn ~= "-" then list[1] = "rcn=" .. rcn end
    if drt ~= "-" then list[#list + 1] = "drt=" .. drt end
    return list[1] and "?" .. table.concat(list, "&") or ""
  end

  setup(function()
    s = h.start()
    s:register("gold")
    names[ME] = "gold"
    grow()
  end)
  teardown(h.stop_all)

  for _, op in ipairs { "create", "retrieve", "update", "discover", "delete" } do
    it(op .. ": each rcn and drt, answered or refused", function()
      local allowed = { ["-"] = true }
      for _, rcn in ipairs(ALLOWED[op]) do allowed[rcn] = true end
      for _, rcn in ipairs(RCN) do
        for _, drt in ipairs(DRT) do
          local a = ASK[op](query(rcn, drt))
          local code = allowed[rcn] and DONE[op] or 4000
          if rcn == 10 and op == "retrieve" then code = 5001 end
          assert.equal(code, a.rsc, ("%s rcn %s drt %s: %s"):format(op, rcn, drt, a.text))
          got[#got + 1] = ("%s rcn %s drt %s: %d %s"):format(op, rcn, drt, a.rsc,
            plain(a.text or ""))
        end
      end
    end)
  end

  it("is what the golden file has", function()
    local text = table.concat(got, "\n") .. "\n"
    if os.getenv("GOLDEN") == "write" then
      local f = assert(io.open(FILE, "w"))
      f:write(text)
      f:close()
    end
    local i = 0
    for line in io.lines(FILE) do
      i = i + 1
      assert.equal(line, got[i])
    end
    assert.equal(#got, i)
  end)
end)
