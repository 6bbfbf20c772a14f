-- What must hold under faults, in short; `make faults` has the whole of it (tests/faults).

local h = require "harness"
local expect = h.expect

-- Turns a bit of the store's file, some bytes behind a text in it.
local function turn_bit(s, text)
  local name = s.data .. "/moon2m.db"
  local at = assert(h.read_file(name):find(text, 1, true), "not in the file") + 99
  local f = assert(io.open(name, "r+b"))
  f:seek("set", at)
  local byte = f:read(1):byte()
  f:seek("set", at)
  f:write(string.char(byte % 8 < 4 and byte + 4 or byte - 4))
  f:close()
end

describe("a damaged page of the store", function()
  after_each(h.stop_all)

  it("is an error that names what cannot be read, never content", function()
    local s = h.start()
    s:register "app"
    expect(2001, s:create("/moon/app", "Capp", 3, { rn = "c" }))
    for i = 1, 30 do
      expect(2001, s:create("/moon/app/c", "Capp", 4, { rn = "i" .. i,
        con = ("row %03d "):format(i) .. ("x"):rep(2000) }))
    end
    s:stop()
    turn_bit(s, "row 015 ")
    s:run()
    for _ = 1, 2 do
      expect(5000, s:retrieve("/moon/app/c/i15", "Capp"),
        "moon/app/c/i15 cannot be read: the store is damaged: page %d+ does not match its checksum")
    end
    expect(5000, s:retrieve("/moon/app/c?rcn=4", "Capp"), "moon/app/c cannot be read")
    for _, rn in ipairs { "i1", "i30", "la", "ol" } do
      expect(2000, s:retrieve("/moon/app/c/" .. rn, "Capp"))
    end
    expect(2001, s:create("/moon/app/c", "Capp", 4, { con = "more" }))
    expect(5000, s:delete("/moon/app/c/i15", "Capp"), "damaged")
    assert.is_true(s:metric "moon2m_store_damaged_reads_total" >= 3)
    local _, told = s:text():gsub("a page does not match its checksum", "")
    assert.equal(1, told)
    s:stop()
    local text, rc = h.sh("%s verify --data %s", h.bin, s.data)
    assert.equal(1, rc, text)
    assert.matches("integrity of the file: ", text)
  end)
end)

-- The programs of tests/faults, and the soak, in their short form: with what they are called, and
-- what they print.  Together they take as long as the slowest: most of their time is waiting.
-- PLAIN ones replace the allocator or the clock, or leave no room for the
-- shadow of a sanitized binary's memory.
local sanitized = h.sh("ldd %s", h.bin):find("asan") ~= nil
local PLAIN = { clock = true, memory = true }
local SHORT = {
  { "clock", "3 0.3", "nothing expired early" },
  { "consumers", "9 60 1", "as counted" },
  { "damage", "256 60", "refused" },
  { "descriptors", "160 180 0.5", "no descriptor left: %d+ connections served" },
  { "disk", "3 0.3", "disk full:" },
  { "memory", "2 7 0.3", "nothing answered was lost" },
  { "overload", "1 0.4", "peak %d+" },
  { "restart", "60 kill", "delivered in order" },
  { "scripts", "1", "all stopped and told" },
  { "soak", "3 60", "soak: whole" },
  { "slow", "40 0.3 1 1.5 2.5", "gone after" },
  { "stop", "1", "0 lost" },
  { "sync", "5", "each behind an fdatasync" },
}
for i = #SHORT, 1, -1 do
  if sanitized and PLAIN[SHORT[i][1]] then table.remove(SHORT, i) end
end

describe("in short", function()
  local dir

  setup(function()
    dir = h.directory()
    for _, f in ipairs(SHORT) do
      local own = ("tests/%s/%s.lua"):format(f[1] == "soak" and "soak" or "faults", f[1])
      local program = h.read_file(own) ~= "" and "luajit " .. own
        or (os.getenv "B" or "build") .. "/faults/" .. f[1]
      h.sh("( timeout 100 %s %s >%s/%s 2>&1; echo rc=$? >>%s/%s ) >/dev/null 2>&1 &", program, f[2],
        dir, f[1], dir, f[1])
    end
  end)
  teardown(function() h.sh("rm -r %s", dir) end)

  for _, f in ipairs(SHORT) do
    it(f[1], function()
      local text = h.wait(f[1] .. " to end", function()
        local all = h.read_file(dir .. "/" .. f[1])
        return all:find "rc=%d+%s$" and all
      end, 110)
      assert.equal("0", text:match "rc=(%d+)%s$", text)
      assert.matches(f[3], text)
    end)
  end
end)
