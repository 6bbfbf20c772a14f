-- Descriptors run out: luajit tests/faults/descriptors.lua [LIMIT] [CLIENTS] [SECONDS]
-- 1. The server may open LIMIT files, and knows it: it takes fewer connections.
-- 2. The limit is lowered below what is open while it runs: no file can be opened, of any kind.
-- In both CLIENTS connect, and others try again and again.  Who is connected is served, the server
-- computes next to nothing, and as soon as there is room new ones are served.

package.path = "tests/wire/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local raw = require "raw"

local LIMIT, CLIENTS = tonumber(arg[1]) or 256, tonumber(arg[2]) or 400
local SECONDS = tonumber(arg[3]) or 5
local SOON = 10           -- seconds to the first service afterwards, on a busy machine; 1 is asked
local OWN = 104           -- files that it keeps for itself
local GET = raw.head("GET", "/moon")

-- CPU seconds of a process so far.
local function cpu(pid)
  local text = h.read_file(("/proc/%d/stat"):format(pid)):match("%) (.*)$")
  local field = {}
  for word in text:gmatch("%S+") do field[#field + 1] = tonumber(word) or 0 end
  return (field[12] + field[13]) / 100
end

-- The answer on a connection, with its code; nil: none, the connection ended.
local function ask(c)
  local good, r = pcall(function() return c:write(GET):response() end)
  return good and r or nil
end

-- `n` clients connect: the connections that are served, and how many were refused.
local function connect(s, n)
  local served, refused = {}, 0
  for _ = 1, n do
    local c = raw.connect(s.port)
    local r = ask(c)
    if r and r.rsc == 2000 then
      served[#served + 1] = c
    else
      refused = refused + 1
      if r and r.status ~= 503 then error("refused with " .. r.line, 0) end
      c:close()
    end
  end
  return served, refused
end

-- Others keep coming, five each tenth of a second: their number, and the server's share of a core.
local function crowd(s)
  local began, before, tries, open = cqueues.monotime(), cpu(s.pid), 0, {}
  repeat
    for _ = 1, 5 do
      open[#open + 1] = raw.connect(s.port)
      open[#open]:write(GET)
      tries = tries + 1
    end
    h.sleep(0.1)
  until cqueues.monotime() - began > SECONDS
  local share = (cpu(s.pid) - before) / (cqueues.monotime() - began)
  for _, c in ipairs(open) do c:close() end
  return tries, share
end

local function all_served(list)
  for i, c in ipairs(list) do
    local r = ask(c)
    if not r or r.rsc ~= 2000 then error("connection " .. i .. " is served no more", 0) end
  end
end

local function served_again(s)
  local began = cqueues.monotime()
  h.wait("service again", function()
    local good, a = pcall(s.retrieve, s, "/moon", "CAdmin")
    return good and a.rsc == 2000
  end, SOON)
  return cqueues.monotime() - began
end

local IDLE = "--set limits.idle_time=600 --set limits.header_time=600"

local function known()
  local s = h.start { env = ("ulimit -n %d;"):format(LIMIT), args = IDLE }
  local served, refused = connect(s, CLIENTS)
  if #served < math.min(LIMIT / 2, LIMIT - OWN) or refused == 0 then
    error(#served .. " were served", 0)
  end
  local tries, share = crowd(s)
  all_served(served)
  for _, c in ipairs(served) do c:close() end
  local after = served_again(s)
  print(("%d descriptors, %d clients: %d served all the time, %d refused (%d more tries), %.1f %%"
    .. " of a core, served again after %.2f s"):format(LIMIT, CLIENTS, #served, refused, tries,
    share * 100, after))
  if share > 0.05 then error("the server was busy with refusing", 0) end
  h.stop_all()
end

local function lowered()
  local s = h.start { args = IDLE }
  local served = connect(s, math.floor(LIMIT / 4))
  local open = tonumber((h.sh("ls /proc/%d/fd | wc -l", s.pid)))
  local was = h.sh("prlimit --pid %d --nofile -o SOFT --noheadings", s.pid):match "%d+"
  local out, rc = h.sh("prlimit --pid %d --nofile=%d:", s.pid, open)
  if rc ~= 0 then error(out, 0) end
  local tries, share = crowd(s)
  all_served(served)
  h.sh("prlimit --pid %d --nofile=%s:", s.pid, was)
  local after = served_again(s)
  local hits = s:metric("moon2m_limit_total", 'limit="descriptors"') or 0
  print(("no descriptor left: %d connections served all the time, %d more tries, told or counted %d"
    .. " times, %.1f %% of a core, served again after %.2f s"):format(#served, tries, hits,
    share * 100, after))
  if hits == 0 then error("the limit was not hit", 0) end
  if share > 0.05 then error("the server was busy with accepting", 0) end
  h.stop_all()
end

local ok, why = pcall(function()
  known()
  lowered()
end)
h.stop_all()
if not ok then print(why) end
os.exit(ok and 0 or 1)
