-- Who may come in, as far as it is not the C core's business (runtime/identity.h): where the server
-- may listen, who the administrator is, and which AE-ID a registration gets.
-- Guarantees: without a credential nothing but loopback is listened on, unless the command line
-- says --dev; once credentials are required, nobody is the administrator by a well-known name.

local core = require "moon2m.core.identity"
local rsc = require "moon2m.rsc"
local sys = require "moon2m.core.sys"

local DEFAULT_ADMIN = "CAdmin"   -- while who connects is believed anyway
local MAX_TRIES = 64             -- patterns that are tried for an AE-ID

local identity = {}

-- ---- listening ----------------------------------------------------------------------------------

local function is_loopback(host)
  return host == "localhost" or host == "::1" or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

-- The first address of the configuration that others reach, with its key.
local function open_address(cfg)
  for i, l in ipairs(cfg.listen) do
    if not is_loopback(l.host) then return l.host, ("listen.%d"):format(i) end
  end
  if cfg.admin.port ~= 0 and not is_loopback(cfg.admin.host) then
    return cfg.admin.host, "admin.host"
  end
end

local function say_what_is_open(cfg, host)
  local function say(text) sys.log("warn", "identity", "--dev: " .. text) end
  say("FOR DEVELOPMENT ONLY: no credential is asked for")
  say(("anybody who reaches %s may be any originator, the administrator too"):format(
    host or "this host's loopback"))
  if cfg.identity.open_cse then say("CSE-IDs are believed") end
  if cfg.outgoing.loopback then say("targets that clients name may be on this host") end
end

-- What a credential is sent over.
local function warn_of_plain(cfg)
  for i, l in ipairs(cfg.listen) do
    if not l.tls and not is_loopback(l.host) then
      sys.log("warn", "identity", ("listen.%d: %s is without TLS: tokens and passwords can be"
        .. " read on the way"):format(i, l.host))
    end
  end
end

--- Raises the text for the user when the configured addresses are not to be listened on.
function identity.check_listen(cfg)
  if core.required() then
    sys.log("info", "identity", ("credentials required count=%d"):format(core.count()))
    return warn_of_plain(cfg)
  end
  local host, key = open_address(cfg)
  if cfg.dev then return say_what_is_open(cfg, host) end
  if host then
    error(("%s: %s can be reached from other hosts and there are no credentials, so anybody could"
      .. " be anybody.  Add one (`moon2m credential add NAME ORIGINATOR`), or listen on 127.0.0.1,"
      .. " or for development only start with --dev"):format(key, host), 0)
  end
end

-- ---- the administrator --------------------------------------------------------------------------

--- The administrator's originator, or false when there is none.
function identity.administrator(cfg)
  local admin = cfg.cse.admin ~= "" and cfg.cse.admin
  if not admin and core.required() then
    sys.log("warn", "identity", "credentials are required and cse.admin is not set: there is no"
      .. " administrator; the operator has `moon2m console`")
  elseif not admin then
    admin = DEFAULT_ADMIN
  end
  core.admin(admin or nil)
  return admin
end

-- ---- registration -------------------------------------------------------------------------------

--- The AE-ID of a registration that leaves it to this CSE, by a request that a credential
-- authenticated: one that the credential covers.  taken(aei): whether it is in use.  nil, err.
-- Yields as taken does.
function identity.assign(req, kind, taken)
  local random, n = sys.random(6), 0
  for _ = 1, MAX_TRIES do
    local aei, next_n = core.assign(req.credential, kind, random, n)
    if not aei then break end
    if not taken(aei) then return aei end
    n = next_n
  end
  return nil, rsc.err(rsc.ORIGINATOR_NOT_AUTHENTICATED,
    "fr: the credential %s has no free AE-ID that begins with %s", req.credential, kind)
end

--- Reads the credentials again: a line that says what is known now; nil, reason.
function identity.reload()
  local ok, why = core.reload()
  if not ok then
    return nil, "credentials not read, nobody is let in until they can be: " .. why
  end
  if not core.required() then return "no credentials" end
  return ("credentials: %d"):format(core.count())
end

return identity
