-- The keys of the configuration: type, range, default and one line of meaning each.  Data for
-- config.lua, which reads a file against it, and for the README's table (reference()).
--
-- A kind is { name = "as in: expected NAME", check(value) -> value | nil, reason }, or a
-- container of kinds: list, map, records (a list of tables with fields), section.

local path = require "moon2m.path"

local concat = table.concat

-- ---- kinds of values ----------------------------------------------------------------------------

local keys = {}

-- What a value is, for messages.
local function got(v)
  local t = type(v)
  if t == "number" or t == "boolean" then return tostring(v) end
  return "a " .. t
end

local function mismatch(what, v)
  return nil, "expected " .. what .. ", got " .. got(v)
end

local function of_type(t, what)
  return { name = what, check = function(v)
    if type(v) == t then return v end
    return mismatch(what, v)
  end }
end

local bool = of_type("boolean", "true or false")
local text = of_type("string", "a string")

local function number(lo, hi, whole)
  local what = (whole and "an integer" or "a number")
    .. (hi and (" from %d to %d"):format(lo, hi) or (" of at least %g"):format(lo))
  return { name = what, check = function(v)
    if type(v) ~= "number" or v ~= v or v < lo or hi and v > hi or whole and v % 1 ~= 0 then
      return mismatch(what, v)
    end
    return v
  end }
end

local function integer(lo, hi) return number(lo, hi, true) end

local UNIT = { K = 1024, M = 1048576, G = 1073741824 }
local function bytes(lo)
  local what = 'bytes (a number, or "64K", "16M", "1G") of at least ' .. lo
  return { name = what, check = function(v)
    if type(v) == "string" then
      local n, unit = v:match("^(%d+)([KMG])$")
      v = n and tonumber(n) * UNIT[unit] or v
    end
    if type(v) ~= "number" or v ~= v or v < lo or v % 1 ~= 0 then return mismatch(what, v) end
    return v
  end }
end

local function one_of(...)
  local names, set = { ... }, {}
  for i, n in ipairs(names) do
    set[n] = true
    names[i] = '"' .. n .. '"'
  end
  local what = concat(names, " or ")
  return { name = what, check = function(v)
    if type(v) == "string" and set[v] then return v end
    if type(v) == "string" then return nil, ('expected %s, got "%s"'):format(what, v) end
    return mismatch(what, v)
  end }
end

local function form(what, test)
  return { name = what, check = function(v)
    if type(v) == "string" and test(v) then return v end
    if type(v) == "string" then return nil, ('expected %s, got "%s"'):format(what, v) end
    return mismatch(what, v)
  end }
end

local function matching(what, pattern)
  return form(what, function(v) return v:find(pattern) ~= nil end)
end

local function list_of(kind)
  return { name = "a list of: " .. kind.name, list = kind }
end

local function map_of(kind)
  return { name = "a table", map = kind }
end

local section = { name = "a table", section = true }
local anything = { name = "anything", check = function(v) return v end }

-- Resource identifiers start with a digit; a CSEBase's name must not look like one.
local csebase_name = form("a resource name that starts with a letter", function(v)
  return path.is_name(v) and not v:find("^%d")
end)

-- ---- the schema ---------------------------------------------------------------------------------

local budget = {}
local budget_memory = bytes(65536)
budget.name = "{ seconds of a slice, seconds in all [, bytes [, verbs]] }"
function budget.check(v)
  if type(v) == "table" then
    local memory = v[3] == nil and v[4] == nil or budget_memory.check(v[3])
    local verbs = v[4] == nil or type(v[4]) == "number" and v[4] >= 1 and v[4] % 1 == 0
    if type(v[1]) == "number" and v[1] >= 0.001 and v[1] <= 60 and type(v[2]) == "number"
      and v[2] >= v[1] and v[2] <= 3600 and #v <= 4 and memory and verbs then
      return { v[1], v[2], memory ~= true and memory or nil, v[4] }
    end
  end
  return nil, "expected { seconds of a slice (0.001 to 60), seconds in all (to 3600), " ..
    "bytes that a slice may add (at least 64K) or nothing, verbs of a call or nothing }"
end

local RELOAD = { loads = true, tested = true }
local reload = { name = '"loads", "tested", or a table of these by script name' }
function reload.check(v)
  local list = type(v) == "table" and v or { v }
  for k, how in pairs(list) do
    if not RELOAD[how] or type(v) == "table" and type(k) ~= "string" then
      return mismatch(reload.name, how)
    end
  end
  return v
end

local default_access = { name = 'a table of "creator", "parent" or lists of addresses, by type' }
function default_access.check(v)
  if type(v) ~= "table" then return mismatch(default_access.name, v) end
  for root, what in pairs(v) do
    if root ~= "*" and not (type(root) == "string" and root:find("^%w+:%w+$")) then
      return nil, ('expected types as ["m2m:cnt"] or ["*"], got %s'):format(tostring(root))
    end
    for k, address in pairs(type(what) == "table" and what or {}) do
      if type(k) ~= "number" or type(address) ~= "string" or address == "" then
        return nil, ("%s: expected a list of addresses"):format(root)
      end
    end
    if type(what) ~= "table" and what ~= "creator" and what ~= "parent" then
      return nil, ('%s: expected "creator", "parent" or a list of addresses, got %s'):format(root,
        tostring(what))
    end
  end
  return v
end

-- { ["cse.example"] = { cert =, key = } }
local site = { name = "{ cert = FILE, key = FILE }" }
function site.check(v)
  if type(v) ~= "table" or type(v.cert) ~= "string" or type(v.key) ~= "string" then
    return mismatch(site.name, v)
  end
  for k in pairs(v) do
    if k ~= "cert" and k ~= "key" then return nil, "expected " .. site.name .. " alone" end
  end
  return v
end

local listen_fields = {
  { "host", text, "127.0.0.1", "address to listen on" },
  { "port", integer(0, 65535), 8080, "TCP port; 0: any free one" },
  { "http", bool, true, "serve HTTP here" },
  { "ws", bool, true, "serve WebSocket here (on the same port by hand-over)" },
  { "tls", bool, false, "with TLS: https and wss, by the section tls" },
}

-- { key, kind, default, meaning }; a section before its members.
keys.list = {
  { "cse", section, nil, "who this CSE is" },
  { "cse.name", csebase_name, "moon", "name of the CSEBase" },
  { "cse.id", matching('a CSE-ID ("/" and a name)', "^/%w[%w._-]*$"), "/moon", "CSE-ID" },
  { "cse.sp", matching('a service provider ID ("//" and a domain)', "^//[%l%d.-]+$"),
    "//moon2m.local", "service provider's identifier" },
  { "cse.admin", form("an AE-ID-Stem (C or S and a name)", function(v)
      return v == "" or v:find("^[CS][%w._-]+$") ~= nil
    end), "",
    "originator that may do everything; empty: CAdmin without credentials, with them nobody" },
  { "cse.releases", list_of(matching("a release version", "^[1-9]a?$")),
    { "2", "2a", "3", "4", "5" }, "releases (rvi) that are answered, lowest first" },

  { "data", text, "data", "directory of the database" },
  { "listen", { name = "a list of tables", records = listen_fields }, nil,
    "sockets to listen on" },
  { "admin", section, nil, "a port of its own for /healthz and /metrics" },
  { "admin.host", text, "127.0.0.1", "address of it" },
  { "admin.port", integer(0, 65535), 0, "its TCP port; 0: they are on the HTTP ports only" },
  { "identity", section, nil, "who clients are" },
  { "identity.file", text, "",
    "the credentials, written by `moon2m credential`; empty: credentials in the data directory" },
  { "identity.open_cse", bool, true,
    "without credentials: believe an originator that is a CSE or behind one; false: 4107" },
  { "identity.failures", integer(1, 10000), 10,
    "wrong credentials from an address in a minute, then it is refused" },
  { "identity.brake_time", number(0.1, 86400), 60, "seconds it is refused" },
  { "tls", section, nil, "TLS of the listening sockets that have it; read again by a reload" },
  { "tls.cert", text, "", "PEM file: this server's certificate, then those it was issued by" },
  { "tls.key", text, "", "PEM file: its private key, without a password" },
  { "tls.profile", one_of("intermediate", "modern", "onem2m"), "intermediate",
    "TLS 1.2 (ECDHE with AEAD) and 1.3; 1.3 alone; the first with the suites of TS-0003 10.2.1" },
  { "tls.client", one_of("no", "optional", "required"), "no",
    "ask clients for a certificate; required: without it, or a pre-shared key, no connection" },
  { "tls.ca", text, "", "PEM file: who issues the certificates of clients" },
  { "tls.crl", text, "",
    "PEM file: a list of what each of them has revoked, not past its end; empty: not looked at" },
  { "tls.sni", map_of(site), nil,
    'certificates for other names of this server: { ["b.example"] = { cert =, key = } }, ' ..
    '"*.example": one label' },
  { "outgoing", section, nil, "connections that this server makes" },
  { "outgoing.ca", text, "",
    "PEM file: who issues the certificates of servers; empty: the system's authorities" },
  { "outgoing.tokens", map_of(form("an absolute path", function(v)
      return v:sub(1, 1) == "/"
    end)), nil, 'files with the bearer tokens that other CSEs are shown: { ["/other"] = FILE }; ' ..
    '["*"]: for the CSE that routes["*"] leads to' },
  { "outgoing.allow", list_of(text), nil,
    'whom clients may have it connect to: "SCHEME://HOST:PORT", the host a name, "*.NAME", an ' ..
    'address or ADDRESS/BITS, the port also A-B, each of them "*"; none: any' },
  { "outgoing.loopback", bool, nil,
    "loopback addresses too, not only those that outgoing.allow names; with --dev: true" },
  { "outgoing.link_local", bool, false, "link-local addresses too" },
  { "outgoing.scripts", one_of("free", "listed"), "free",
    "whether scripts connect where they want, or within the same bounds as clients" },
  { "outgoing.rate", integer(1, 1000000), 3000, "URLs that one originator may name in a minute" },
  { "url", form("a ws:// or wss:// URL or empty", function(v)
      return v == "" or v:find("^wss?://[^/%s]+") ~= nil
    end), "", "base URL that clients are told; empty: what they called this CSE (Host)" },
  { "routes", map_of(form("an http, https, ws or wss URL", function(v)
      return v:find("^https?://[^/%s]+") ~= nil or v:find("^wss?://[^/%s]+") ~= nil
    end)), nil,
    'where CSEs are that are not registered here: { ["/other"] = URL }; ["//sp.example"]: those of '
      .. 'another service provider; ["*"]: all the rest' },
  { "announcement", section, nil, "announcing to other CSEs" },
  { "announcement.wait", number(0, 60), 3,
    "seconds that an answer waits until the copies of what it is about are made or changed" },
  { "announcement.flex_suffix", one_of("A", "Annc"), "A",
    "what the names of announced flexContainers end with; Annc: as other CSEs have it" },
  { "boot", text, "",
    "Lua file of the start-up tree: who this CSE is, and the resources of an empty store" },
  { "default_access", default_access, nil,
    "who has access to a resource without acpi besides its owner, by its type: "
      .. '{ ["m2m:cnt"] = "parent", ["m2m:ts"] = { "moon/acp" } }; ["*"]: all other types' },
  { "default_et", number(1), 31536000, "life in seconds of a resource created without et" },
  { "request_time", number(0.1, 3600), 30, "seconds an answer may take when rqet is absent" },

  { "result_time", number(1, 2592000), 3600,
    "seconds the result of a non-blocking request is kept when rp is absent" },
  { "flex_time", number(0.01, 3600), 1,
    "seconds flexBlocking waits for the result before it is as non-blocking" },

  { "flex_children", one_of("listed", "any"), "listed",
    "classes of TS-0023 below one of TS-0023: those that it lists, or any" },
  { "flex_unknown", one_of("standard", "bad_request"), "standard",
    "what a flexContainer of an unknown class is refused with: 4125, or 4000 as other CSEs do" },

  { "notification", section, nil, "notifications and the service that delivers them" },
  { "notification.url", bool, true, "tell an AE its notification service URL at registration" },
  { "notification.format", text, "m2m:sgn", "format of subscriptions that name none" },
  { "notification.verify_urls", bool, false, "verify subscriptions whose target is a URL" },
  { "notification.om_net", bool, false,
    "write net 0 into notifications of operation monitors; else no net" },
  { "notification.batch_time", number(0.1, 86400), 60,
    "seconds until a batch is sent whose subscription names no duration" },
  { "notification.agn_key", one_of("m2m:sgn", "sgn"), "m2m:sgn",
    "name of the notifications inside an aggregate (m2m:agn)" },
  { "notification.release", matching("a release version", "^[1-9]a?$"), "3",
    "rvi of notifications" },
  { "notification.window", integer(1, 65536), 256, "unanswered notifications per connection" },
  { "notification.max_count", integer(1, 1e9), 10000, "notifications kept per target" },
  { "notification.max_bytes", bytes(1024), 16 * 1048576, "bytes kept per target" },
  { "notification.max_age", number(0), 0, "seconds to keep one; 0: no limit" },
  { "notification.answer_time", number(0.1, 3600), 10, "seconds to wait for an answer" },
  { "notification.target_removal", one_of("accept", "reject", "seek", "inform"), "accept",
    "what happens when a target wants to be removed and no policy says" },
  { "notification.retry_min", number(0.01, 3600), 1, "seconds before the first retry of a URL" },
  { "notification.retry_max", number(0.01, 86400), 60, "seconds between retries at most" },

  { "limits", section, nil, "bounds of connections, requests and memory" },
  { "limits.connections", integer(1, 1000000), 8192, "connections in all; more are refused, 503" },
  { "limits.per_address", integer(1, 1000000), 256,
    "connections per client address; more are refused, 503; loopback is free" },
  { "limits.unidentified", integer(1, 1000000), 512,
    "connections without a whole request (HTTP) or an identity (WebSocket); more: 503" },
  { "limits.request_line", bytes(256), 4096, "bytes of an HTTP request line; over it: 414" },
  { "limits.headers", bytes(1024), 16384, "bytes of HTTP headers; over it: 431" },
  { "limits.header_count", integer(8, 1000), 100, "HTTP headers of a request; over it: 431" },
  { "limits.body", bytes(1024), 1048576,
    "bytes of an HTTP body or a WebSocket message; over it: 413, 1009" },
  { "limits.json_members", integer(64, 10000000), 4096,
    "members and elements of a JSON text or CBOR item in all; over it: 4000" },
  { "limits.json_depth", integer(16, 512), 64,
    "nesting of a JSON text or CBOR item; over it: 4000" },
  { "limits.requests", integer(16, 65536), 16384,
    "requests that wait for their answer in all; more are answered with 503" },
  { "limits.targets", integer(1, 1000000), 1000,
    "targets that are verified for one subscription" },
  { "limits.earlier", integer(1, 30000), 1000,
    "earlier events (psn) that a new subscription is told of" },
  { "limits.pipeline", integer(1, 1024), 32,
    "requests waiting per HTTP connection; then it is not read" },
  { "limits.handshake_time", number(0.1, 3600), 10, "seconds of a TLS handshake; closed" },
  { "limits.header_time", number(0.1, 3600), 10, "seconds to send the headers; over it: 408" },
  { "limits.body_time", number(0.1, 3600), 30, "seconds to begin sending the body; over it: 408" },
  { "limits.body_rate", number(1), 1024, "bytes per second of a body after that; over it: 408" },
  { "limits.idle_time", number(0.1, 86400), 30, "seconds an HTTP connection may be idle; closed" },
  { "limits.ping", number(0, 3600), 30, "seconds idle before a WebSocket ping; 0: never" },
  { "limits.hangup", number(0, 7200), 40,
    "seconds idle before a WebSocket is given up; over it: 1001" },
  { "limits.read_stall", number(1, 86400), 60,
    "seconds a peer may leave frames unread; over it: 1008" },
  { "limits.origins", list_of(text), nil,
    'browser origins that may connect, "*": any; none: pages of this server, and who has a token' },
  { "limits.cache", integer(64, 100000000), 12288, "resources kept in memory" },
  { "limits.nonblocking", integer(1, 30000), 10000, "non-blocking requests that are not done" },
  { "limits.nonblocking_each", integer(1, 30000), 100, "of them from one originator" },
  { "limits.parked", integer(1, 1000000), 1000, "events that wait for one script" },
  { "limits.memory", bytes(16 * 1048576), 1073741824, "bytes for Lua in all" },
  { "limits.script_memory", bytes(1048576), 134217728,
    "bytes that one script keeps in cse.state and its variables; over it: the script rests" },

  { "store", section, nil, "the database" },
  { "store.batch_ops", integer(1, 100000), 512, "operations of one group commit" },
  { "store.batch_bytes", bytes(65536), 2 * 1048576, "bytes of one group commit" },
  { "store.queue_bytes", bytes(1048576), 64 * 1048576, "bytes submitted and not yet on disk" },

  { "apps", list_of(text), nil,
    "scripts to load, before those of the command line: files, or folders with an init.lua" },
  { "scripts", map_of(map_of(anything)), nil, "values for cse.config, by script name" },
  { "rocks", list_of(matching("a module's name", "^[%w_-][%w_.-]*$")), nil,
    "pure Lua rocks that scripts may require, by module name, with all below it" },
  { "rock_trees", list_of(text), { "/usr/local", "/usr", "~/.luarocks" },
    "where LuaRocks installs; share/lua/5.1 below it is searched" },
  { "trust", map_of(one_of("full")), nil,
    "scripts, by name, that get io, os, ffi and C modules: nothing contains their mistakes" },
  { "reload", reload, "loads",
    "what a script's new version must do to be taken; \"tested\": pass the test beside it" },
  { "strict", bool, false, "exit when a script does not load" },
  { "policies", one_of("grant", "restrict"), "grant",
    "whether a script's policy can grant beyond the ACPs, or only deny" },
  { "read", list_of(form('an absolute path, "*" and "**" allowed', function(v)
      return v:find("^/") ~= nil
    end)), nil, "files that scripts may read with cse.read" },

  { "gateways", section, nil, "sockets of scripts: cse.udp, cse.tcp, cse.serial, cse.mqtt" },
  { "gateways.host", text, "127.0.0.1",
    "numeric address they listen on when a script names none; \"*\": any" },
  { "gateways.handles", integer(1, 10000), 64, "of them in one script" },
  { "gateways.queue", integer(1, 1000000), 1000,
    "datagrams or messages of one that wait; more are dropped, or not read" },
  { "gateways.bytes", bytes(65536), 262144,
    "bytes of one that wait, each way; also the longest line or piece that is read" },

  { "budgets", section, nil,
    "CPU seconds of a slice, wall seconds in all, bytes and verbs, for user code" },
  { "budgets.load", budget, nil, "loading a script" },
  { "budgets.policy", budget, nil, "cse.policy" },
  { "budgets.check", budget, nil, "cse.check" },
  { "budgets.virtual", budget, nil, "cse.virtual" },
  { "budgets.on", budget, nil, "cse.on" },
  { "budgets.format", budget, nil, "cse.format" },
  { "budgets.timer", budget, nil, "cse.every, cse.at, and cse.udp, cse.serial, cse.mqtt" },
  { "budgets.tcp", budget, nil, "cse.tcp; without it a connection's function may last for ever" },
  { "budgets.start", budget, nil, "cse.start" },
  { "budgets.stop", budget, nil, "cse.stop" },
  { "budgets.stuck", number(1, 600), 5, "seconds stuck outside Lua before the process exits" },

  { "log", section, nil, "the log" },
  { "log.level", one_of("debug", "info", "warn", "error"), "info", "least level written" },
}

-- ---- the README's table -------------------------------------------------------------------------

local function shown(v)
  if v == nil then return "" end
  if type(v) == "string" then return '`"' .. v .. '"`' end
  if type(v) == "table" then
    local out = {}
    for i, x in ipairs(v) do out[i] = type(x) == "string" and '"' .. x .. '"' or tostring(x) end
    return "`{ " .. concat(out, ", ") .. " }`"
  end
  return "`" .. (type(v) == "number" and ("%.15g"):format(v) or tostring(v)) .. "`"
end

local function line(key, kind, default, meaning)
  local name = kind.name:gsub("|", "\\|")
  return ("| `%s` | %s | %s | %s |"):format(key, name, shown(default), meaning)
end

--- The reference of all keys as a Markdown table.
function keys.reference()
  local out = { "| key | value | default | meaning |", "|---|---|---|---|" }
  for _, k in ipairs(keys.list) do
    out[#out + 1] = line(k[1], k[2], k[3], k[4])
    for _, row in ipairs(k[2].records or {}) do
      out[#out + 1] = line(k[1] .. "[]." .. row[1], row[2], row[3], row[4])
    end
  end
  return concat(out, "\n") .. "\n"
end

keys.got = got

return keys
