-- Keeps min, max and average of the newest readings: in a container beside them (stored, can be
-- subscribed to) and as a virtual resource (computed when read).
-- Run it:  moon2m run apps/stats.lua
-- Then:    . apps/try.sh; cse_make /home/kitchen/temp
--          cse_add /home/kitchen/temp 20; cse_add /home/kitchen/temp 30
--          cse_get /home/kitchen/temp/stats; cse_get /home/kitchen/temp-stats/la
local cse = require "moon2m"
local cfg = cse.config { window = 60 }

local function summary(path)
  local min, max, sum, n = math.huge, -math.huge, 0, 0
  for _, cin in ipairs(cse.latest(path, cfg.window) or {}) do
    local v = tonumber(cin.con)
    if v then min, max, sum, n = math.min(min, v), math.max(max, v), sum + v, n + 1 end
  end
  if n > 0 then return cse.json { min = min, max = max, avg = sum / n, n = n } end
end

cse.on("create", "/home/*/temp", function(ev)
  local out, now = ev.to .. "-stats", summary(ev.to)
  if not now then return end              -- a subscription, say, before the first reading
  cse.ensure(out, "container", { mni = 24 })
  cse.add(out, now)
end)

cse.virtual("/home/*/temp/stats", function(req)
  local con = summary((req.to:gsub("/stats$", "")))
  return con and { con = con }            -- nil: nothing there
end)
