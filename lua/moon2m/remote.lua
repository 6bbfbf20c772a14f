-- The way to other CSEs (TS-0001 10.2.2.6, TS-0004 7.3.2.6): behind which CSE that is registered
-- here something is, by its own CSE-ID (csi) or among its descendants (dcse); else the address that
-- the configuration names for it, for its service provider ("//sp.example"), or for all the rest
-- ("*").  The CSEs that are registered are in memory, so asking for a way costs no look-up.
-- Guarantees: an identifier of this CSE has no way.

local core = require "moon2m.core.cse"
local path = require "moon2m.path"
local sys = require "moon2m.core.sys"
local tree = require "moon2m.tree"

local REMOTE_CSE = 16
local REST = "*"
local DIALLED = { http = true, https = true, ws = true, wss = true }

local remote = {}

local opened = false
local observers = {}

local routes = {}                -- CSE-ID or "*" -> URL, of the configuration
local tokens = {}                -- CSE-ID or "*" -> what that CSE is shown
local ids = {}                   -- CSE-ID of a CSE that is registered here -> its number
local behind = {}                -- CSE-ID of a descendant -> CSE-ID of the CSE that named it

--- list: { ["/other"] = URL, ["//sp.example"] = URL, ["*"] = URL }; shown: bearer tokens by the
-- same names, "*" for the CSE that routes["*"] leads to.
function remote.configure(list, shown)
  routes, tokens = list, shown or {}
end

--- The CSE-ID in an SP-relative identifier ("/other/Cx" -> "/other"); nil for any other text.
function remote.cse_of(id)
  return id:match("^(/[^/]+)")
end

--- What a way is asked for by: the CSE-ID in an SP-relative identifier, the service provider in an
-- absolute one; nil for any other text.
function remote.key_of(id)
  return id:match("^//[^/]+") or remote.cse_of(id)
end

--- Whether a target is something that another CSE hosts.
function remote.is(key)
  return key:byte() == 47
end

--- Of a list of points of access, those that can be dialled.
function remote.dialled(poa)
  local urls = {}
  for _, url in ipairs(poa or {}) do
    if DIALLED[url:match("^(%a+)://"):lower()] then urls[#urls + 1] = url end
  end
  return urls
end

local function alive(r)
  return r and r.ty == REMOTE_CSE and not (r.et and r.et <= sys.now()) and r or nil
end

--- The remoteCSE resource of the CSE that an SP-relative identifier is behind; nil when none is
-- registered here.  Yields when it is not in memory.
function remote.csr_of(id)
  local cse = remote.cse_of(id)
  if not cse then return nil end
  if not opened then remote.open() end        -- what was kept asks before the start is over
  local csi = ids[cse] and cse or behind[cse]
  return csi and ids[csi] and alive(tree.by_aei(csi)) or nil
end

--- Whether any CSE is registered here.
function remote.any()
  return next(ids) ~= nil
end

--- The next hop to what an SP-relative or absolute identifier names: { via = CSE-ID, csr = resource
-- or nil, urls, token = what that CSE is shown or nil }; nil when there is none.  Yields.
function remote.hop(id)
  local csr = remote.csr_of(id)
  if csr then
    return { via = csr.key, csr = csr, urls = remote.dialled(tree.value(csr, "poa")),
      token = tokens[csr.key] }
  end
  local key = remote.key_of(id)
  if not key or key == path.configured() then return nil end
  local url = routes[key] or routes[REST]
  return url and { via = key, urls = { url }, token = tokens[routes[key] and key or REST] } or nil
end

-- ---- changes ------------------------------------------------------------------------------------

local function leave(csi)
  ids[csi] = nil
  for cse, of in pairs(behind) do
    if of == csi then behind[cse] = nil end
  end
end

local function enter(r)
  leave(r.key)
  ids[r.key] = r.id
  for _, id in ipairs(tree.value(r, "dcse") or {}) do
    local cse = remote.cse_of(path.originator(id))
    if cse and cse ~= r.key then behind[cse] = r.key end
  end
end

--- fn() is called when a CSE has registered, changed or deregistered.  It never yields.
function remote.on_change(fn)
  observers[#observers + 1] = fn
end

local function tell()
  core.reroute()
  for _, fn in ipairs(observers) do fn() end
end

--- A CSE has registered, or its resource changed: what waits for it or behind it looks for its way.
function remote.changed(r)
  enter(r)
  tell()
end

--- A CSE has deregistered.
function remote.gone(csi)
  leave(csi)
  tell()
end

--- Reads which CSEs are registered.  Yields.
function remote.open()
  for r in tree.all(REMOTE_CSE) do enter(r) end
  opened = true
end

return remote
