-- After a restart: notices of subscriptions that are no more.  What became of a notice is written
-- in groups, a little later; a crash in between brings back those of a subscription whose deletion
-- was answered.  Nobody is told of it any more, and nothing else would ever end them.
-- Must run before the server listens.

local sys = require "moon2m.core.sys"
local path = require "moon2m.path"
local store = require "moon2m.core.store"

local LIMIT = 100000             -- pairs of subscription and target that are looked at

local orphans = {}

-- Notices that are not a subscription's own name something else than the resource.
local function of_resource(a)
  return a.sur == path.sp_relative(path.ri(a.sub))
end

--- Drops them.  Yields.
function orphans.drop()
  local core = require "moon2m.core.cse"
  local seen, n = {}, 0
  for _, a in ipairs(core.accounts { limit = LIMIT }) do
    if not seen[a.sub] and of_resource(a) and not store.get("id", a.sub) then
      core.forget_sub(a.sub)
      n = n + 1
    end
    seen[a.sub] = true
  end
  if n > 0 then sys.log("info", "boot", "notices of deleted subscriptions dropped subs=" .. n) end
end

return orphans
