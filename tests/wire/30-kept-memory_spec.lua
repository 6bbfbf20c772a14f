-- A script that keeps more and more between its runs: it rests, says why, loses no event; others
-- go on; a version that lets go goes on, too.

local h = require "harness"
local expect = h.expect

local ME = "Chome"
local TEMP, OTHER = "/moon/home/temp", "/moon/home/other"

local HOARD = [[
  local cse = require "moon2m"
  local kept = cse.state { list = {} }.list
  local handled = {}
  cse.check("create", "/home/temp", function(req)
    if req.pc.con == "no" then return false, "no" end
  end)
  cse.on("create", "/home/temp", function(ev)
    kept[#kept + 1] = ("x"):rep(500000) .. ev.res.con
    handled[#handled + 1] = ev.res.con
  end)
  cse.virtual("/home/handled", function() return { con = table.concat(handled, " ") } end)]]

describe("memory that a script keeps", function()
  after_each(h.stop_all)

  local function start(text, more)
    local s = h.start { config = 'limits = { script_memory = "4M" }\n' .. (more or ""),
      scripts = { hoard = text, fine = [[
        local cse = require "moon2m"
        local n = 0
        cse.on("create", "/home/other", function() n = n + 1 end)
        cse.virtual("/home/n", function() return { con = n } end)]] } }
    s:register("home")
    expect(2001, s:create("/moon/home", ME, 3, { rn = "temp" }))
    expect(2001, s:create("/moon/home", ME, 3, { rn = "other" }))
    return s
  end

  local function con(s, path) return expect(2000, s:retrieve(path, ME)).con end

  it("is bounded: it rests, others go on, no event is lost; a reload mends it", function()
    local s = start(HOARD)
    local refused
    for i = 1, 40 do
      local a = s:create(TEMP, ME, 4, { con = tostring(i) })
      if a.rsc ~= 2001 then refused = a break end
    end
    s:logs("hoard: %d+ MiB of memory kept, 4 MiB allowed %(limits.script_memory%)" .. "\n" ..
      "[^\n]*hoard: [4-9]%.%d MiB in cse.state, 0%.0 MiB in variables, 0%.0 MiB in handlers" ..
      " that wait\n" ..
      "[^\n]*hoard: it rests: its events wait")
    refused = refused or s:create(TEMP, ME, 4, { con = "late" })
    assert.equal(5000, refused.rsc)
    s:add(OTHER, ME, "1")
    h.wait("the other script", function() return con(s, "/moon/home/n") == 1 end)
    assert.matches("4 MiB allowed", h.sh("%s scripts --data %s", h.bin, s.data))
    local waits = expect(2000, s:retrieve(TEMP, ME)).cni
    h.write_file(s.dir .. "/hoard.lua", (HOARD:gsub('%("x"%):rep%(500000%) %.%. ', "")
      :gsub("local handled", "for i in pairs(kept) do kept[i] = nil end\n  local handled")))
    h.sh("%s reload hoard --data %s", h.bin, s.data)
    s:add(TEMP, ME, "new")
    local last
    h.wait("its events", function()
      last = con(s, "/moon/home/handled")
      return last:find("new", 1, true)
    end)
    local _, n = last:gsub("%S+", "")
    assert.is_true(n >= 1 and n <= waits + 1)
  end)

  it("is bounded in a handler that waits: it is stopped, its event is parked", function()
    local s = start([[
      local cse = require "moon2m"
      cse.on("create", "/home/temp", function(ev)
        local list = {}
        while true do
          list[#list + 1] = ("x"):rep(100000) .. #list
          cse.sleep(0.01)
        end
      end)]])
    s:add(TEMP, ME, "1")
    s:logs("hoard: 0%.0 MiB in cse.state, 0%.0 MiB in variables, [4-9]%.%d MiB in handlers")
    s:logs("hoard.lua:%d: %d+ MiB of memory kept, 4 MiB allowed [^\n]*script_memory%), stopped" ..
      "\n" ..
      "[^\n]*in on create /home/temp[^\n]*\n[^\n]*event parked")
    s:logs("hoard: keeps %d MiB, goes on")
  end)
end)
