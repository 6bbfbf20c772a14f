-- The configuration: a Lua file of assignments ("listen = { ... }") or one that returns a table,
-- run in an empty environment, read against the keys of config_keys.lua.
--
-- A mistake is told with file, line, key and what was expected, e.g.
--   config.lua:12: listen.1.port: expected an integer from 0 to 65535, got a string
-- Unknown keys are mistakes.  The file is source text, never bytecode, and can call nothing.

local sys = require "moon2m.core.sys"
local keys = require "moon2m.config_keys"
local lines = require "moon2m.config_lines"
local startup = require "moon2m.startup"

local concat = table.concat
local got = keys.got

local config = { reference = keys.reference }

local MAX_FILE = 1048576

local by_key = {}
for _, k in ipairs(keys.list) do by_key[k[1]] = k end

-- ---- reading against the schema -----------------------------------------------------------------

-- Where a mistake is: "config.lua:12: key: ", or "--set key=value: key: ".
local function complain(from, key, why)
  local k, line = key, nil
  while k and not line do
    if from.set and from.set[k] then error(("%s: %s: %s"):format(from.set[k], key, why), 0) end
    line = from.at[k]
    k = k:match("^(.*)%.[^.]*$")
  end
  error(("%s:%s%s: %s"):format(from.name, line and line .. ": " or " ", key, why), 0)
end

local function sorted(t)
  local list = {}
  for k in pairs(t) do list[#list + 1] = k end
  table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
  return list
end

local function known_below(prefix)
  local names = {}
  for _, k in ipairs(keys.list) do
    local head, name = k[1]:match("^(.*)%.([^.]+)$")
    if (head or "") == prefix then names[#names + 1] = name or k[1] end
  end
  return concat(names, ", ")
end

local read

local function read_list(from, key, kind, v)
  if type(v) ~= "table" then complain(from, key, "expected " .. kind.name .. ", got " .. got(v)) end
  local out = {}
  for _, k in ipairs(sorted(v)) do
    if type(k) ~= "number" or k > #v then
      complain(from, key .. "." .. tostring(k), "expected a list, without names")
    end
  end
  for i, one in ipairs(v) do out[i] = read(from, key .. "." .. i, kind.list, one) end
  return out
end

local function read_map(from, key, kind, v)
  if type(v) ~= "table" then complain(from, key, "expected a table, got " .. got(v)) end
  local out = {}
  for _, k in ipairs(sorted(v)) do
    out[k] = read(from, key .. "." .. tostring(k), kind.map, v[k])
  end
  return out
end

local function read_record(from, key, rows, v)
  if type(v) ~= "table" then complain(from, key, "expected a table, got " .. got(v)) end
  local out, names, seen = {}, {}, {}
  for i, row in ipairs(rows) do
    names[i], seen[row[1]] = row[1], true
    out[row[1]] = row[3]
    if v[row[1]] ~= nil then out[row[1]] = read(from, key .. "." .. row[1], row[2], v[row[1]]) end
  end
  for _, k in ipairs(sorted(v)) do
    if not seen[k] then
      complain(from, key .. "." .. tostring(k), "unknown key; known here: " .. concat(names, ", "))
    end
  end
  return out
end

local function read_records(from, key, kind, v)
  if type(v) ~= "table" or v[1] == nil then complain(from, key, "expected " .. kind.name) end
  local out = {}
  for _, k in ipairs(sorted(v)) do
    if type(k) ~= "number" then
      complain(from, key .. "." .. tostring(k), "expected a list of tables")
    end
  end
  for i, one in ipairs(v) do out[i] = read_record(from, key .. "." .. i, kind.records, one) end
  return out
end

function read(from, key, kind, v)
  if kind.list then return read_list(from, key, kind, v) end
  if kind.map then return read_map(from, key, kind, v) end
  if kind.records then return read_records(from, key, kind, v) end
  local ok, why = kind.check(v)
  if ok == nil then complain(from, key, why) end
  return ok
end

local function place(cfg, key, v)
  local head, name = key:match("^(.*)%.([^.]+)$")
  if head then cfg[head][name] = v else cfg[key] = v end
end

local function copy(v)
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = copy(x) end
  return out
end

-- The defaults, complete: sections, lists and maps are there, empty.
local function defaults()
  local cfg = {}
  for _, k in ipairs(keys.list) do
    local kind, v = k[2], copy(k[3])
    if kind.section or kind.list or kind.map then v = v or {} end
    if kind.records then v = { read_record(nil, k[1], kind.records, {}) } end
    if v ~= nil then place(cfg, k[1], v) end
  end
  return cfg
end

local function fill(cfg, from, prefix, given)
  for _, name in ipairs(sorted(given)) do
    local key = prefix .. tostring(name)
    local k = type(name) == "string" and by_key[key]
    if not k then
      complain(from, key, "unknown key; known here: " .. known_below(prefix:gsub("%.$", "")))
    end
    local v = given[name]
    if k[2].section then
      if type(v) ~= "table" then complain(from, key, "expected a table, got " .. got(v)) end
      fill(cfg, from, key .. ".", v)
    else
      place(cfg, key, read(from, key, k[2], v))
    end
  end
end

-- ---- the file and the command line --------------------------------------------------------------

local function run(name)
  if type(name) == "table" then return name, { name = "configuration", at = {} } end
  local source, why = sys.read(name, MAX_FILE)
  if not source then error(("%s: %s"):format(name, why), 0) end
  if source:byte() == 27 then error(name .. ": is compiled Lua, expected source text", 0) end
  local chunk, message = loadstring(source, "@" .. name)
  if not chunk then error(message, 0) end
  local env = {}
  local ok, result = pcall(setfenv(chunk, env))
  if not ok then error(tostring(result), 0) end
  if result ~= nil and type(result) ~= "table" then
    error(("%s: returned a %s, expected a table or nothing"):format(name, type(result)), 0)
  end
  for k, v in pairs(result or {}) do env[k] = v end
  return env, { name = name, at = lines.of(source), digest = sys.sha256(source) }
end

-- The value of --set: what it is in Lua, else the text itself.
local function value_of(text)
  local chunk = text:byte() ~= 27 and loadstring("return " .. text, "=value")
  local ok, v = pcall(chunk and setfenv(chunk, {}) or error)
  if ok and v ~= nil then return v end
  return text
end

local function set_one(given, option, key, text)
  local t, name = given, nil
  for part in (key .. "."):gmatch("([^.]*)%.") do
    if part == "" then error(option .. ": expected KEY=VALUE", 0) end
    if name ~= nil then
      if t[name] == nil then t[name] = {} end
      t = t[name]
    end
    if type(t) ~= "table" then error(("%s: %s is a %s"):format(option, name, type(t)), 0) end
    name = tonumber(part) or part
  end
  t[name] = value_of(text)
end

-- Puts what the command line sets (a list of "KEY=VALUE") above what the file assigns.
local function set_all(given, from, list)
  from.set = {}
  for _, one in ipairs(list or {}) do
    local key, text = one:match("^([^=]+)=(.*)$")
    local option = "--set " .. one
    if not key then error(option .. ": expected KEY=VALUE", 0) end
    set_one(given, option, key, text)
    from.set[key] = option
  end
end

-- The boot file: its `cse` and `default_access` stand below those of the configuration.
local function read_boot(cfg, name)
  if type(name) ~= "string" or name == "" then return end
  local given, from = run(name)
  cfg.startup = startup.read(given, function(key, why) complain(from, key, why) end, from.digest)
  fill(cfg, from, "", { cse = given.cse, default_access = given.default_access })
end

--- One socket of the command line: "HOST:PORT" or "PORT" (HTTP and WebSocket), one of them only
-- with ",http" or ",ws" behind it, with TLS with ",tls"; "[::1]:8080" for IPv6.  nil, reason.
function config.parse_listen(s)
  local rest, words = s:match("^([^,]*)(.*)$")
  local has = {}
  for word in words:gmatch(",([^,]*)") do
    if word ~= "http" and word ~= "ws" and word ~= "tls" then
      return nil, "expected ,http or ,ws or ,tls behind the port"
    end
    has[word] = true
  end
  local host, port = rest:match("^%[([%x:.]+)%]:(%d+)$")
  if not host then host, port = rest:match("^([^:%s]*):(%d+)$") end
  if not host then host, port = "", rest:match("^(%d+)$") end
  port = tonumber(port)
  if not port or port > 65535 then return nil, "expected HOST:PORT[,http|,ws][,tls]" end
  return { host = host ~= "" and host or "127.0.0.1", port = port,
    http = has.http or not has.ws, ws = has.ws or not has.http, tls = has.tls == true }
end

--- The file of a script that may be named by its folder: the init.lua in it.
function config.script_file(name)
  local inside = name:gsub("/*$", "") .. "/init.lua"
  local f = not name:find("%.lua$") and io.open(inside, "rb")
  if not f then return name end
  f:close()
  return inside
end

local function command_line(cfg, argv)
  if argv.data then cfg.data = argv.data end
  if argv.strict then cfg.strict = true end
  cfg.safe = argv.safe == true
  cfg.dev = argv.dev == true
  if cfg.outgoing.loopback == nil then cfg.outgoing.loopback = cfg.dev end
  if argv.listen and argv.listen[1] then
    cfg.listen = {}
    for i, s in ipairs(argv.listen) do
      local socket, why = config.parse_listen(s)
      if not socket then error(("--listen %s: %s"):format(s, why), 0) end
      cfg.listen[i] = socket
    end
  end
  for _, app in ipairs(argv.apps or {}) do cfg.apps[#cfg.apps + 1] = app end
  for i, app in ipairs(cfg.apps) do cfg.apps[i] = config.script_file(app) end
  if argv.log_level then
    local level, why = by_key["log.level"][2].check(argv.log_level)
    if not level then error("--log: " .. why, 0) end
    cfg.log.level = level
  end
end

local function check_tls(cfg)
  local tls = cfg.tls
  for i, l in ipairs(cfg.listen) do
    if l.tls and (tls.cert == "" or tls.key == "") then
      error(("listen.%d: TLS needs tls.cert and tls.key"):format(i), 0)
    end
  end
  if tls.client ~= "no" and tls.ca == "" then
    error(("tls.client: %s needs tls.ca, the authorities of clients"):format(tls.client), 0)
  end
  if tls.crl ~= "" and tls.client == "no" then
    error("tls.crl: lists of revoked certificates, but tls.client asks for none", 0)
  end
end

local function check_whole(cfg)
  check_tls(cfg)
  for i, l in ipairs(cfg.listen) do
    if not l.http and not l.ws then
      error(("listen.%d: neither http nor ws is true"):format(i), 0)
    end
  end
  for section, map in pairs { routes = cfg.routes, ["outgoing.tokens"] = cfg.outgoing.tokens } do
    for id in pairs(map) do
      if id ~= "*" and not tostring(id):find("^//?[^/%s]+$") then
        error(('%s.%s: expected a CSE-ID ("/" and a name), a service provider ("//") or "*"')
          :format(section, tostring(id)), 0)
      end
    end
  end
  if cfg.notification.retry_max < cfg.notification.retry_min then
    error("notification.retry_max: less than retry_min", 0)
  end
end

--- The configuration: defaults, the file (nil: none; a table: what a file would assign), then the
-- command line's
-- argv = { data, listen = {...}, set = {"KEY=VALUE", ...}, apps = {...}, strict, safe, log_level }.
-- A complete table: every
-- section, list and map of the schema is there; `limits.origins` empty means any.  `startup` is the
-- plan of the boot file (startup.lua), when there is one.
-- Raises the text for the user (without position) at the first mistake.
function config.load(file, argv)
  local cfg = defaults()
  argv = argv or {}
  if file or argv.set and argv.set[1] then
    local given, from = run(file or {})
    set_all(given, from, argv.set)
    read_boot(cfg, given.boot)
    fill(cfg, from, "", given)
  end
  command_line(cfg, argv)
  check_whole(cfg)
  return cfg
end

return config
