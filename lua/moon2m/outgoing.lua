-- Connections that this server makes because a client named an address: whether it may be
-- connected to (the C core judges, and again when it dials), and how many of them an originator may
-- name in a minute.
-- Must never: let an originator that names many push out the counts of others that do.

local sys = require "moon2m.core.sys"
local rsc = require "moon2m.rsc"

local WHERE = { "nu", "su", "nfu", "poa", "bcnu", "dap" }   -- attributes that hold URLs
local DIALLED = { http = true, https = true, ws = true, wss = true }
local DEFAULT = { ["ws://default"] = true, ["wss://default"] = true }   -- TS-0020: no address
local MAX_ORIGINATORS = 4096

local outgoing = {}

local core                       -- moon2m.core.outgoing; nil: nothing is judged
local rate = 0
local spent, known = {}, 0       -- originator -> { left, at }

--- Makes the configuration's `outgoing` count (c.url: what clients are told).  true | nil, why.
function outgoing.configure(c)
  local o = c.outgoing
  core = require "moon2m.core.outgoing"
  rate = o.rate
  return core.set { allow = o.allow, loopback = o.loopback, link_local = o.link_local,
    scripts = o.scripts == "listed", own = c.url ~= "" and c.url or nil }
end

-- Those whose minute is over need no count.
local function forget(now)
  for who, s in pairs(spent) do
    if now - s.at > 60e6 then
      spent[who] = nil
      known = known - 1
    end
  end
end

-- Takes n of what an originator has left; it gets `rate` in a minute.
local function take(who, n)
  local now, s = sys.mono(), spent[who]
  if not s then
    if known >= MAX_ORIGINATORS then forget(now) end
    if known >= MAX_ORIGINATORS then return false end
    s = { left = rate, at = now }
    spent[who], known = s, known + 1
  end
  s.left = math.min(rate, s.left + (now - s.at) / 60e6 * rate)
  s.at = now
  if s.left < n then return false end
  s.left = s.left - n
  return true
end

local function judge(name, url)
  local scheme = url:match("^(%a+)://")
  if not scheme or not DIALLED[scheme:lower()] or DEFAULT[url:lower()] then return false end
  local ok, why = core.allowed(url)
  if ok then return true end
  local code = (name == "nu" or name == "su" or name == "nfu")
    and rsc.SUBSCRIPTION_VERIFICATION_INITIATION_FAILED or rsc.BAD_REQUEST
  return nil, rsc.err(code, "%s: %s: %s", name, url, why)
end

--- Whether resources of type T hold URLs that are connected to.
function outgoing.concerns(T)
  if not core then return false end
  for i = 1, #WHERE do
    if T.attr[WHERE[i]] then return true end
  end
  return false
end

--- Whether the URLs in values, checked attributes of a request, may be connected to, and who (its
-- originator) has not named too many: nil, or an error.  free: the rate does not count for it.
function outgoing.refused(values, who, free)
  local n = 0
  for i = 1, #WHERE do
    local v = values[WHERE[i]]
    for _, url in ipairs(type(v) == "table" and v or { v }) do
      local dialled, e = judge(WHERE[i], tostring(url))
      if e then return e end
      if dialled then n = n + 1 end
    end
  end
  if n > 0 and not free and not take(who, n) then
    core.hit()
    return rsc.err(rsc.INTERNAL_SERVER_ERROR,
      "%s named more than %d URLs in a minute, later again (outgoing.rate)", who, rate)
  end
end

return outgoing
