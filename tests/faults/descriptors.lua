-- Descriptors run out: luajit tests/faults/descriptors.lua [LIMIT] [CLIENTS]
-- The server may open LIMIT files; CLIENTS connect, and those that are refused try again and again.
-- Who is connected is served, the server computes next to nothing, and as soon as the others have
-- gone new ones are served.

package.path = "tests/wire/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"

local LIMIT, CLIENTS = tonumber(arg[1]) or 256, tonumber(arg[2]) or 400
local SECONDS = 5

-- CPU seconds of a process so far.
local function cpu(pid)
  local text = h.read_file(("/proc/%d/stat"):format(pid)):match("%) (.*)$")
  local field = {}
  for word in text:gmatch("%S+") do field[#field + 1] = tonumber(word) or 0 end
  return (field[12] + field[13]) / 100
end

local ok, why = pcall(function()
  local s = h.start { env = ("ulimit -n %d;"):format(LIMIT),
    args = "--set limits.idle_time=600 --set limits.header_time=600" }
  local get, served, refused = raw.head("GET", "/moon"), {}, 0
  for _ = 1, CLIENTS do
    local c = raw.connect(s.port)
    local good, r = pcall(function() return c:write(get):response() end)
    if good and r and r.rsc == 2000 then
      served[#served + 1] = c
    else
      refused = refused + 1
      if r and r.status ~= 503 then error("refused with " .. r.line, 0) end
      c:close()
    end
  end
  if #served < LIMIT / 2 or refused == 0 then error(#served .. " were served", 0) end

  local began, before, tries = cqueues.monotime(), cpu(s.pid), 0
  repeat                                        -- others keep coming
    for _ = 1, 5 do
      raw.connect(s.port):close()
      tries = tries + 1
    end
    h.sleep(0.1)
  until cqueues.monotime() - began > SECONDS
  local share = (cpu(s.pid) - before) / (cqueues.monotime() - began)
  for i, c in ipairs(served) do
    local r = c:write(get):response()
    if not r or r.rsc ~= 2000 then error("connection " .. i .. " is served no more", 0) end
  end
  for _, c in ipairs(served) do c:close() end
  began = cqueues.monotime()
  h.wait("service again", function()
    local good, a = pcall(s.retrieve, s, "/moon", "CAdmin")
    return good and a.rsc == 2000
  end, 10)
  print(("%d descriptors, %d clients: %d served all the time, %d refused (%d more tries), %.1f %%"
    .. " of a core, served again after %.2f s"):format(LIMIT, CLIENTS, #served, refused, tries,
    share * 100, cqueues.monotime() - began))
  if share > 0.05 then error("the server was busy with refusing", 0) end
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
