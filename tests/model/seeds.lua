-- Runs seeds of the model test: luajit seeds.lua FROM TO STEP.  Each seed has a random world
-- (world.lua) and a random story; several share one server process.  Prints one line of figures;
-- at the first broken promise the seed, the dialogue of it and the reason, and exits 1.

package.path = "tests/wire/?.lua;tests/model/?.lua;" .. package.path

local cqueues = require "cqueues"
local h = require "harness"
local sink = require "sink"
local world = require "world"

local from, to, step = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3] or 1)

local STEPS = 60
-- Every fourth seed is on a server whose queues overflow.
local KINDS = {
  plain = { window = 16, answer_time = 5, max_count = 10000 },
  small = { window = 8, answer_time = 1.5, max_count = 15, small = true },
}
local CONFIG = [[
notification = { window = %d, answer_time = %g, max_count = %d, retry_min = 0.02, retry_max = 0.1 }
limits = { per_address = 4096 }
]]

local servers = {}
local sums = { seeds = 0, events = 0, notices = 0, repeats = 0, told = 0, kills = 0, stops = 0 }

local function server(kind)
  if not servers[kind] then
    local k = KINDS[kind]
    servers[kind] = h.start { config = CONFIG:format(k.window, k.answer_time, k.max_count),
      apps = { "tests/model/formats.lua" } }
  end
  return servers[kind]
end

-- ---- the story ----------------------------------------------------------------------------------

local function some_ae(w) return #w.aes > 0 and w.r.one_of(w.aes) end
local function some_line(w) return #w.lines > 0 and w.r.one_of(w.lines) end

-- What may happen, with its weight.
local ACTIONS = {
  { 22, function(w) w:create(1) end },
  { 10, function(w) w:create(1 + w.r.below(11)) end },
  { 5, function(w) w:update() end },
  { 4, function(w) w:delete_instance() end },
  { 16, function(w)
    local l = some_line(w)
    if l then l:read(w.r.below(20)) end
  end },
  { 14, function(w)
    local l = some_line(w)
    if l then l:ack(w.r.below(12), w.r.below) end
  end },
  { 4, function(w)
    for _, l in ipairs(w.lines) do
      l:read(1e9)
      l:ack(1e9, function() return 1 end)
    end
  end },
  { 2, function(w)
    local l = some_line(w)
    if l then l:ack(w.r.below(3), w.r.below, true) end
  end },
  { 4, function(w)
    local l = some_line(w)
    if l then l:sync() end
  end },
  { 8, function(w)
    local ae = some_ae(w)
    if ae and not ae.line then w:join(ae) end
  end },
  { 3, function(w)
    local ae = some_ae(w)
    if ae then w:join(ae) end
  end },
  { 4, function(w)
    local ae = some_ae(w)
    if ae and ae.line then w:leave(ae, w.r.chance(50)) end
  end },
  { 3, function(w)
    if #w.sinks > 0 then w.r.one_of(w.sinks).mood = w.r.one_of(sink.MOODS) end
  end },
  { 3, function(w) w:subscribe() end },
  { 2, function(w) w:unsubscribe() end },
  { 1, function(w) w:deregister() end },
}

local TOTAL = 0
for _, a in ipairs(ACTIONS) do TOTAL = TOTAL + a[1] end

local function act(w)
  local n = w.r.below(TOTAL)
  for _, a in ipairs(ACTIONS) do
    n = n - a[1]
    if n <= 0 then return a[2](w) end
  end
end

-- In one seed of four the server is stopped or killed on the way.
local function restarts(w)
  local at = {}
  if w.seed % 4 == 1 or w.seed % 16 == 4 then
    for _ = 1, w.r.below(2) do at[w.r.below(STEPS)] = w.r.chance(60) and "kill" or "stop" end
  end
  return at
end

local function story(w)
  for _ = 1, 1 + w.r.below(5) do w:subscribe() end
  local at = restarts(w)
  for i = 1, STEPS do
    if at[i] then
      w[at[i]](w)
      sums[at[i] .. "s"] = sums[at[i] .. "s"] + 1
    else
      act(w)
      w:look_at_sinks()
    end
  end
  w:finish()
  w:clean()
end

-- ---- running ------------------------------------------------------------------------------------

local function run_seed(cq, seed)
  local kind = seed % 4 == 0 and "small" or "plain"
  local k = KINDS[kind]
  local w
  local ok, why = xpcall(function()
    w = world.new { server = server(kind), seed = seed, cq = cq, small = k.small,
      window = k.window, answer_time = k.answer_time }
    story(w)
  end, function(e)
    return type(e) == "string" and not e:find("^BROKEN") and debug.traceback(e, 2) or tostring(e)
  end)
  if not ok then
    print(("model: seed %d (%s) FAILED, its dialogue:"):format(seed, kind))
    print(w and table.concat(w.dialogue, "\n") or "none")
    print(("model: seed %d (%s): %s"):format(seed, kind, why))
    print(w and ("the data and the logs are left in " .. w.server.dir) or "")
    return false
  end
  sums.seeds = sums.seeds + 1
  for _, name in ipairs { "events", "notices", "repeats", "told" } do
    sums[name] = sums[name] + w.model[name]
  end
  return true
end

local cq = cqueues.new()
local ok = true
cq:wrap(function()
  for seed = from, to, step do
    ok = run_seed(cq, seed)
    if not ok then break end
  end
  if not ok and os.getenv "MODEL_KEEP" then    -- so many seconds, to look at what runs
    for kind, s in pairs(servers) do print("model: server " .. kind .. " pid " .. s.pid) end
    io.stdout:flush()
    cqueues.sleep(tonumber(os.getenv "MODEL_KEEP"))
  end
  if not ok then
    for _, s in pairs(servers) do
      if s:alive() then s:kill() end
    end
    io.stdout:flush()
    os.exit(1)
  end
  h.stop_all()
end)
assert(cq:loop())
print(("model: sums seeds=%d events=%d notices=%d repeats=%d told=%d kills=%d stops=%d"):format(
  sums.seeds, sums.events, sums.notices, sums.repeats, sums.told, sums.kills, sums.stops))
