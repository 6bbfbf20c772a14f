-- Registration of AEs and CSEs (TS-0001 10.2.2.2, 10.2.2.6; TS-0004 7.4.4, 7.4.5): the AE-ID or
-- CSE-ID, the notification service URL with its token, the routes, and who a connection speaks for.
-- A token is the resource's identifier, a dot and 128 random bits; the store has its digest only.
-- It ends with the resource: a new registration, also under the same identifier, has another one.

local core = require "moon2m.core.cse"
local json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local inactive = require "moon2m.inactive"
local members = require "moon2m.members"
local node = require "moon2m.node"
local path = require "moon2m.path"
local polling = require "moon2m.polling"
local preference = require "moon2m.preference"
local remote = require "moon2m.remote"
local rsc = require "moon2m.rsc"
local tree = require "moon2m.tree"
local write = require "moon2m.write"

local AE, REMOTE_CSE = 2, 16
local POLICY_VIOLATION = 1008    -- WebSocket close code

local register = {}
local service                    -- { url = public base or nil, ports = {...} }; nil: switched off

--- o.service: give AEs a notification service URL.  o.url: its public base, "wss://host/x"; without
-- it the host that the request named is used.  o.listen: { host, port, ws, tls } entries as
-- listened on.
function register.configure(o)
  service = o.service and { url = o.url, listen = o.listen or {} } or nil
end

--- 4117 for an AE-ID or a CSE-ID that is in use.
function register.taken(aei)
  return rsc.err(rsc.ORIGINATOR_HAS_ALREADY_REGISTERED, "fr: %s is already registered", aei)
end

-- ---- AE-ID -------------------------------------------------------------------------------------

local function assigned(req, stem)
  if not req.credential then return stem .. sys.random(6) end
  return require("moon2m.identity").assign(req, stem, tree.by_aei)
end

-- The AE-ID that a registration's originator asks for; nil, err.
local function wanted(req)
  local who = req.who
  if not who or who == "C" or who == "S" then return assigned(req, who or "C") end
  local _, csn = path.configured()
  if not who:find("^[CS]%w[%w%-%._]*$") or #who > 128 or who == csn then
    return nil, rsc.err(rsc.BAD_REQUEST,
      "fr: %s is no AE-ID-Stem (C or S, then letters, digits, - . _)", who)
  end
  return who
end

-- ---- the notification service URL --------------------------------------------------------------

local function port_of(host, tls)
  return tonumber(host:match(":(%d+)$")) or tls and 443 or 80
end

-- The listening socket that a request to this host came in by.
local function came_by(host)
  for _, l in ipairs(service.listen) do
    if port_of(host, l.tls) == l.port then return l end
  end
end

-- The first for WebSocket; tls: nil, or what it must have.
local function first_socket(tls)
  for _, l in ipairs(service.listen) do
    if l.ws and (tls == nil or (l.tls == true) == tls) then return l end
  end
end

-- "ws://HOST:PORT", with TLS wss, for the host that the request named: the same port when WebSocket
-- is there too, else the first that has it, with TLS when the request had it, or may have had.
local function base(host)
  if service.url then return (service.url:gsub("/$", "")) end
  local here = host and came_by(host)
  local l = here and here.ws and here or first_socket(not here or here.tls == true)
    or first_socket()
  if not l then return nil end
  local scheme = l.tls and "wss" or "ws"
  if l == here then return scheme .. "://" .. host end
  return ("%s://%s:%d"):format(scheme, host and host:gsub(":%d+$", "") or l.host, l.port)
end

-- A new token: the digest to keep, and what stands behind "/notify/".
local function new_token(r)
  local secret = sys.random(16)
  return json.quote(sys.sha256(secret)), path.ri(r.id) .. "." .. secret
end

local function give_service(req, r)
  local at = service and base(req.host)
  if not at then return end
  local digest, token = new_token(r)
  r.raw._tok = digest
  r.service = at .. "/notify/" .. token
end

--- Voids the token of an AE or a CSE, by its identifier, and ends its connection; renew: it gets a
-- new one.  The new path, or false; nil, reason.  Yields.
function register.revoke(key, renew)
  local r = tree.by_aei(path.originator(key))
  if not r then return nil, ("%s is not registered here"):format(key) end
  local digest, token
  if renew then digest, token = new_token(r) end
  local ok, e = write.attribute(r, "_tok", digest)
  core.unbind(r.key, POLICY_VIOLATION, "the notification service's token was revoked")
  if not ok then return nil, e.msg end
  return token and "/notify/" .. token or false
end

-- A CSE is what it is called.  Yields.
local function assign_cse(req, r)
  local csi = req.who
  if tree.by_aei(csi) then return register.taken(csi) end
  r.raw.csi, r.key = json.quote(csi), csi
  give_service(req, r)
end

--- Completes a new AE or remoteCSE: its identifier and its token.  nil, or an err (4000, 4117).
-- Yields.
function register.assign(req, r)
  if r.ty == REMOTE_CSE then return assign_cse(req, r) end
  local aei, e = wanted(req)
  if not aei then return e end
  if tree.by_aei(aei) then return register.taken(aei) end
  r.ri, r.key = aei, aei
  r.raw.aei = json.quote(aei)
  preference.created(r, req.format)
  give_service(req, r)
end

-- ---- routes ------------------------------------------------------------------------------------

-- Whether an AE or a CSE would rather have CBOR than JSON: the first of the two in its csz.
local function likes_cbor(r)
  for _, name in ipairs(r.raw.csz and tree.value(r, "csz") or {}) do
    local short = name:lower():match("%a+$")
    if short == "cbor" or short == "json" then return short == "cbor" end
  end
  return false
end

-- The URLs to an AE or a CSE, with "ct" where it wants CBOR.
local function marked(r, urls)
  if not likes_cbor(r) then return urls end
  local list = {}
  for i, url in ipairs(urls) do
    list[i] = url .. (url:find("?", 1, true) and "&" or "?") .. "ct=cbor"
  end
  return list
end

--- Tells the notification engine how an AE is reached: its polling channel when it has one and
-- cannot be reached otherwise (rr false), else its poa while it has no connection.  What is behind
-- a CSE asks for its way anew.  Yields.
function register.routes(r)
  if r.ty == REMOTE_CSE then return remote.changed(r) end
  if polling.uses(r) then return core.routes(r.ri, polling.ROUTE) end
  core.routes(r.ri, marked(r, remote.dialled(tree.value(r, "poa"))))
end

--- An AE or a remoteCSE is on disk.  Yields.
function register.created(r)
  if r.ty == REMOTE_CSE or r.raw.poa then register.routes(r) end
  if r.raw.nl then node.linked(r, nil, tree.value(r, "nl")) end
  if r.ty == AE then
    members.ae_created()
    inactive.set(r)
  end
end

--- An AE or a remoteCSE was updated; nl: its node link before.  Yields.
function register.updated(r, nl)
  if r.ty == AE then inactive.set(r) end
  register.routes(r)
  node.linked(r, nl, tree.value(r, "nl"))
end

--- An AE, by its AE-ID, or a CSE, by its CSE-ID, is gone: its connection speaks for it no longer,
-- what waits for it is dropped.
function register.deleted(key)
  core.unbind(key)
  core.forget_target(key)
  polling.closed(key)
  preference.forget(key)
  if remote.is(key) then return remote.gone(key) end
  members.ae_deleted(key)
  inactive.forget(key)
end

-- What another CSE hosts: behind a CSE that polls, that has a connection or points of access, or
-- where the configuration says.  Yields.
local function route_remote(key)
  local hop = remote.hop(key)
  if not hop then return core.forget_target(key) end
  local polls = hop.csr and polling.uses(hop.csr)
  local urls = hop.csr and marked(hop.csr, hop.urls) or hop.urls
  core.routes(key, polls and polling.ROUTE or urls, hop.via, hop.token)
end

--- Entry of the C core: something waits for a target whose routes are unknown.  Yields.
function register.unknown_target(key)
  if remote.is(key) then return route_remote(key) end
  local r = tree.by_aei(key)
  if r then
    register.routes(r)
  elseif not key:find("://", 1, true) then
    core.forget_target(key)
  end
end

-- ---- who a connection speaks for ---------------------------------------------------------------

local function alive(r)
  return r and (r.ty == AE or r.ty == REMOTE_CSE) and not (r.et and r.et <= sys.now())
end

local function by_token(token)
  local ri, secret = token:match("^(%w+)%.(%x+)$")
  local id = ri and path.parse_ri(ri)
  local r = id and tree.by_id(id)
  if not alive(r) or not r.raw._tok then return nil end
  return sys.same(json.string(r.raw._tok), sys.sha256(secret)) and r or nil
end

--- Entry of the C core: a handshake named itself by a token ("token") or by X-M2M-Origin
-- ("origin"). A bad token is refused; an originator that is not registered (yet) stays anonymous
-- and may register over the connection.  format: the notification format that its subprotocol
-- names, or nil.  Yields.
function register.identify(conn, how, text, format)
  local r
  if how == "token" then
    r = by_token(text)
    if not r then return core.refuse(conn, POLICY_VIOLATION, "unknown or revoked token") end
  else
    r = tree.by_aei(path.originator(text))
    if not alive(r) then return end
  end
  if r.ty == REMOTE_CSE then return core.bind(conn, r.key) end
  return preference.connected(r, format, function() return core.bind(conn, r.ri) end)
end

return register
