-- Groups whose members at other CSEs could not be asked for their type (`mtv` false, TS-0004
-- 7.4.13.2.1): they are asked again, soon after a CSE has registered or changed, else less and less
-- often; then the consistency strategy applies.  What is asked for is in the store: a restart goes
-- on with it.
-- Guarantees: one sweep at a time, one group after the other; a group that changed meanwhile is
-- looked at in the next.

local core = require "moon2m.core.json"
local store = require "moon2m.core.store"
local sys = require "moon2m.core.sys"
local event = require "moon2m.event"
local far_members = require "moon2m.far_members"
local group = require "moon2m.group"
local members = require "moon2m.members"
local op_delete = require "moon2m.op_delete"
local path = require "moon2m.path"
local remote = require "moon2m.remote"
local sql_life = require "moon2m.sql_life"
local timers = require "moon2m.timers"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local GROUP, PAGE = 9, 100
local SOON, FIRST, LONGEST = 0.5, 5, 300      -- s until the next sweep
local PATIENCE = 10              -- s that the members of a group have to answer

local check = {}
local timer, wait, sweeping, again = nil, FIRST, false, false

-- ---- one group ----------------------------------------------------------------------------------

local function drop(id)
  for _ = 1, 5 do
    local r = tree.by_id(id)
    if not r or op_delete.resource(r, nil) ~= false then return end
  end
end

-- Puts what was found into the group: its texts that differ.  Yields.
local function apply(g, raw)
  event.index(g)
  if g.gone or not g.events then return end
  local changed, new, any = { lt = true }, {}, false
  for name, text in pairs(g.raw) do new[name] = text end
  for name, text in pairs(raw) do
    if text ~= (g.raw[name] or "null") then
      any = true
      new[name] = text ~= "null" and text or nil
      if name:byte() ~= 95 then changed[name] = true end           -- "_": nobody sees it
    end
  end
  if not any then return end
  g.raw, g.lt = new, math.max(sys.now(), g.lt)
  tree.refresh(g)
  local events = event.prepare(g, 1, g, { changed = changed, originator = (path.configured()) })
  local ok, e = write.commit({ { "set", tree.row(g) } }, events, g)
  if not ok then sys.log("error", "group", g.path .. ": " .. e.msg) end
  members.changed(g.id)
  if ok then write.own(g) end
end

-- Its members, and those of them that are to be asked.  What is gone here, or has no way now, stays
-- as it is.  Yields.
local function entries(g)
  local list, far = {}, {}
  for _, address in ipairs(tree.value(g, "mid")) do
    local m = { address = address, target = members.look(address) }
    list[#list + 1] = m
    if m.target and m.target.remote then
      far[#far + 1] = m
    elseif not m.target and not path.is_remote(address) then
      m.kind = { ty = tree.value(g, "mt"), spty = tree.value(g, "spty") }
    end
  end
  return list, far
end

-- True: some of its members are still not known.  Yields.
local function recheck(id)
  local g = tree.by_id(id)
  if not g or g.ty ~= GROUP or g.raw.mtv ~= "false" then return false end
  local mid = g.raw.mid
  local list, far = entries(g)
  far_members.ask(g.raw._chk and core.string(g.raw._chk) or path.configured(), far, PATIENCE)
  g = tree.by_id(id)
  if not g or g.raw.mid ~= mid or g.raw.mtv ~= "false" then return g ~= nil end
  local kept, mt, open = group.judge(list, tree.value(g, "mt"), tree.value(g, "spty"),
    tree.value(g, "csy"))
  if not kept then
    sys.log("info", "group", ("%s is deleted: %s"):format(g.path, mt.msg))
    drop(id)
    return false
  end
  apply(g, group.texts(kept, mt, open, g.raw._chk))
  return open
end

-- ---- sweeps -------------------------------------------------------------------------------------

local function schedule(seconds)
  if timer then timers.cancel(timer) end
  timer = timers.after(seconds, function() return check.sweep() end)
end

local function look()
  local after, more, left = 0, true, false
  while more do
    local rows
    rows, more = store.find(sql_life.unverified_groups, { after }, PAGE)
    for _, row in ipairs(rows) do
      after = row.id
      local ok, open = pcall(recheck, row.id)
      if not ok then sys.log("error", "group", tostring(open)) end
      left = left or not ok or open
    end
  end
  return left
end

--- Looks at all groups that are not verified.  Yields.
function check.sweep()
  if sweeping then
    again = true
    return
  end
  sweeping, again, timer = true, false, nil
  local ok, left = pcall(look)
  sweeping = false
  if not ok then sys.log("error", "group", tostring(left)) end
  if again then return schedule(SOON) end
  if ok and not left then
    wait = FIRST
    return
  end
  schedule(wait)
  wait = math.min(wait * 2, LONGEST)
end

-- Some CSE is there, or elsewhere: those who wait for it need not wait.
local function soon()
  wait = FIRST
  if sweeping then again = true else schedule(SOON) end
end

--- At start.
function check.open()
  group.on_unverified(function()
    if not timer and not sweeping then schedule(wait) end
    again = sweeping
  end)
  remote.on_change(soon)
  soon()
end

return check
