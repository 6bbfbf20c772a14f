-- The public module: what `require "moon2m"` gives a script.  Declarations say what a script adds
-- to the server and belong at its top level; verbs act, inside handlers, look synchronous and never
-- block the loop.  What a verb hands out are copies: plain tables with oneM2M short names.
-- Expected failures are `nil, err` with err.rsc and err.msg; wrong use raises at the caller's line.

local guard = require "moon2m.core.guard"
local sys = require "moon2m.core.sys"
local format = require "moon2m.format"
local gateway = require "moon2m.gateway"
local json = require "moon2m.json"
local mistake = require "moon2m.mistake"
local options = require "moon2m.options"
local page = require "moon2m.page"
local rsc = require "moon2m.rsc"
local rule = require "moon2m.rule"
local sealed = require "moon2m.sealed"
local waiters = require "moon2m.waiters"

local fail, argument = mistake.fail, mistake.argument

local public = {}

local READ_MAX = 64 * 1024
local LONGEST = 366 * 86400             -- seconds of a period

local TYPES = { ae = 2, container = 3, content_instance = 4, subscription = 23, acp = 1,
  cnt = 3, cin = 4, sub = 23 }

-- `v` as JSON text; what cannot be written is the script's mistake.
local function encoded(what, v)
  local ok, text = pcall(json.encode, v)
  if not ok then fail("%s: %s", what, text) end
  return text
end

local function check_table(what, name, v, expected)
  if type(v) ~= "table" then argument(what, name, expected or "a table", v) end
  return v
end

-- Arguments that are tables or absent.
local function optional_table(what, name, v)
  return v == nil and {} or check_table(what, name, v)
end

-- The resource type of a number, a name ("container", "timeSeries", "time_series") or a root
-- ("cnt", "cod:color").
local function type_of(what, t)
  local types = require "moon2m.types"
  local T
  if type(t) == "number" then
    T = types.by_ty[t]
  elseif type(t) == "string" then
    T = types.by_ty[TYPES[t:lower()]] or types.find(t) or types.find("m2m:" .. t)
      or types.by_name[t] or types.by_name[t:gsub("(%l)(%u)", "%1_%2"):lower()]
  end
  if not T and type(t) ~= "string" and type(t) ~= "number" then
    argument(what, "kind", "a resource type (its number or name)", t)
  end
  if not T then fail("%s: kind: unknown resource type %s", what, tostring(t)) end
  return T
end

-- A script's path as the primitive parameter `to`: "/plant/x" is below the CSEBase, anything else
-- is an address as on the wire.
local function address(what, name, to)
  if type(to) ~= "string" or to == "" then argument(what, name, "a path", to) end
  if to == "/" then return "-" end
  if to:sub(1, 1) == "/" and to:sub(1, 2) ~= "//" then return "-" .. to end
  return to
end

local function unwrap(pc)
  if not pc then return nil end
  local value = json.decode(pc)
  if type(value) ~= "table" then return value end
  local root, inner = next(value)
  if root == "m2m:dbg" then return nil, inner end
  return inner
end

local function failed(code, pc)
  local text
  if pc then text = (json.decode(pc) or {})["m2m:dbg"] end
  if type(text) == "string" then text = text:gsub("^to: %-/", "to: /") end   -- of address()
  return nil, rsc.err(code, "%s", text or rsc.name(code) or "failed")
end

local function wrapped(ty, attrs)
  local spec = require("moon2m.types").by_ty[ty]
  if not spec then return nil end
  return encoded(spec.name or spec.root, { [spec.root] = attrs })
end

-- ---- verbs --------------------------------------------------------------------------------------

local OPS = { create = 1, retrieve = 2, update = 3, delete = 4, notify = 5 }
local REQUEST = options.declare("moon2m.request.fields", {
  op = { "string|number", required = true }, to = { "string", required = true },
  fr = { "string" }, ty = { "string|number" }, pc = { "table|string" },
  rcn = { "number", min = 0, whole = true }, fc = { "table" },
  drt = { "number", min = 0, whole = true },
}, "field")

-- The fields of a request that cse.request sends.
local function check_request(r)
  options.check("cse.request", r, REQUEST)
  local op = OPS[r.op] or r.op
  if type(op) ~= "number" or op < 1 or op > 5 or op % 1 ~= 0 then
    fail("cse.request: op: create, retrieve, update, delete or notify was expected")
  end
end

-- What cse.wait returns.
local function waited(seconds, ok, ...)
  if ok then return true, ... end
  if ok == nil then return nil, rsc.err(rsc.INTERNAL_SERVER_ERROR, "too many handlers wait") end
  return nil, rsc.err(rsc.REQUEST_TIMEOUT, "not woken in %g s", seconds or 0)
end

-- What each verb calls first: raises when it must not be used here.  part: of a verb that another
-- one counts.
local function guarding(scope)
  return function(part)
    if scope.staging then
      fail("verbs work inside a handler or cse.start, not while a script loads")
    end
    local why = guard.cannot_wait()
    if why then fail("%s", why) end
    local current = rule.current()
    local still = current and current.rule.still
    if still then fail("%s cannot wait: verbs do not work in it", still) end
    why = not part and rule.refuse_verb()
    if why then fail("%s", why) end
  end
end

-- The general form: sends a request of the script, gives rsc and the text of the content.
local function performing(guarded)
  return function(req)
    guarded()
    local hop, chain = rule.next_hop("/" .. tostring(req.to):gsub("^%-/?", ""))
    if not hop then return chain.rsc, json.encode({ ["m2m:dbg"] = chain.msg }) end
    req.hop, req.chain, req.patience = hop, chain, rule.time_left()
    return require("moon2m.dispatch").perform(req)
  end
end

local function requests(cse, perform)
  function cse.request(r)
    check_table("cse.request", "r", r)
    check_request(r)
    local req = { op = OPS[r.op] or r.op, to = address("cse.request", "to", r.to), fr = r.fr,
      rcn = r.rcn, fc = r.fc, drt = r.drt }
    if r.ty then req.ty = type(r.ty) == "number" and r.ty or type_of("cse.request", r.ty).ty end
    if type(r.pc) == "table" then
      local root = next(r.pc)
      req.pc = type(root) == "string" and root:find(":", 1, true) and encoded("pc", r.pc) or
        req.ty and wrapped(req.ty, r.pc) or encoded("pc", r.pc)
    else
      req.pc = r.pc
    end
    local code, pc = perform(req)
    if code >= 4000 then return failed(code, pc) end
    return unwrap(pc) or true
  end

  function cse.create(to, kind, attrs)
    to = address("cse.create", "to", to)
    local T = type_of("cse.create", kind)
    local ty = T.ty
    attrs = optional_table("cse.create", "attrs", attrs)
    local fr
    if ty == 2 then fr = attrs.aei or (attrs.rn and "C" .. attrs.rn) or "C" end
    local body = {}
    for k, v in pairs(attrs) do body[k] = v end
    body.aei = nil
    local code, pc = perform { op = 1, to = to, ty = ty, fr = fr,
      pc = encoded("cse.create: attrs", { [T.root] = body }) }
    if code ~= rsc.CREATED then return failed(code, pc) end
    return unwrap(pc)
  end
end

local function changes(cse, perform)
  function cse.retrieve(to)
    local code, pc = perform { op = 2, to = address("cse.retrieve", "to", to) }
    if code ~= rsc.OK then return failed(code, pc) end
    return unwrap(pc)
  end

  function cse.update(to, attrs)
    to = address("cse.update", "to", to)
    check_table("cse.update", "attrs", attrs)
    local code, pc = perform { op = 2, to = to }
    if code ~= rsc.OK then return failed(code, pc) end
    local root = next(json.decode(pc))
    code, pc = perform { op = 3, to = to, pc = encoded("cse.update: attrs", { [root] = attrs }) }
    if code ~= rsc.UPDATED then return failed(code, pc) end
    return unwrap(pc)
  end

  function cse.delete(to)
    local code, pc = perform { op = 4, to = address("cse.delete", "to", to) }
    if code ~= rsc.DELETED then return failed(code, pc) end
    return true
  end
end

local function readings(cse, guarded)
  -- An instance of what the container holds; in a timeSeries of now when dgt does not say (a
  -- timestamp, or seconds since 1970).
  function cse.add(container, content, attrs)
    local to = address("cse.add", "container", container)
    if content == nil then argument("cse.add", "content", "a value", nil) end
    local body = { con = content }
    for k, v in pairs(optional_table("cse.add", "attrs", attrs)) do body[k] = v end
    guarded(true)
    local dispatch = require "moon2m.dispatch"
    local T = dispatch.holds(to)
    local dgt = T.attr.dgt
    if dgt and dgt.create == "M" and body.dgt == nil then body.dgt = dispatch.sequence() / 1e6 end
    if type(body.dgt) == "number" then body.dgt = sys.stamp(math.floor(body.dgt * 1e6 + 0.5)) end
    return cse.create(container, T.ty, body)
  end

  function cse.latest(container, n)
    local to = address("cse.latest", "container", container)
    if n ~= nil and not (mistake.is_number(n, 1) and n < 2 ^ 31) then
      argument("cse.latest", "n", "a number of at least 1", n)
    end
    if not n then return cse.retrieve(container .. "/la") end
    guarded()
    return require("moon2m.dispatch").newest(to, math.floor(n))
  end
end

local function ensuring(cse)
  function cse.ensure(path, kind, attrs)
    address("cse.ensure", "path", path)
    type_of("cse.ensure", kind)
    attrs = optional_table("cse.ensure", "attrs", attrs)
    local found, err = cse.retrieve(path)
    if found then return found end
    if err.rsc ~= rsc.NOT_FOUND then return nil, err end
    local parent, name = path:match("^(.*)/([^/]+)$")
    if not name then fail("cse.ensure: path: %q has no name", path) end
    if parent ~= "" then
      local ok, why = cse.ensure(parent, "container")
      if not ok then return nil, why end
    end
    local body = { rn = name }
    for k, v in pairs(attrs) do body[k] = v end
    local made, why = cse.create(parent == "" and "/" or parent, kind, body)
    if not made and why.rsc == rsc.CONFLICT then return cse.retrieve(path) end
    return made, why
  end
end

local function check_key(what, key)
  if key == nil or key ~= key then argument(what, "key", "a value", key) end
end

local function waits(cse, scope, guarded)
  function cse.sleep(seconds)
    guarded()
    if not mistake.is_number(seconds, 0) then
      argument("cse.sleep", "seconds", "a number from 0 on", seconds)
    end
    return sys.sleep(math.max(0, math.min(seconds, rule.time_left() + 0.001)))
  end

  -- The others go on meanwhile; true and what cse.wake hands over | nil, err when it did not come.
  function cse.wait(key, seconds)
    guarded()
    check_key("cse.wait", key)
    if seconds ~= nil and not mistake.is_number(seconds, 0) then
      argument("cse.wait", "seconds", "a number from 0 on", seconds)
    end
    local most = math.min(rule.time_left() + 0.001, LONGEST)
    return waited(seconds, waiters.wait(scope.waiters, key, math.max(0, math.min(seconds or most,
      most))))
  end

  function cse.wake(key, ...)
    check_key("cse.wake", key)
    if scope.staging then guarded() end
    return waiters.wake(scope.waiters, key, ...)
  end
end

local function verbs(cse, scope, script)
  local guarded = guarding(scope)
  local perform = performing(guarded)
  requests(cse, perform)
  changes(cse, perform)
  readings(cse, guarded)
  ensuring(cse)
  waits(cse, scope, guarded)
  cse.http = sealed.new(require("moon2m.gateway.http").new(guarded), "cse.http")

  function cse.spawn(fn)
    guarded()
    if type(fn) ~= "function" then argument("cse.spawn", "fn", "a function", fn) end
    local _, at = mistake.frame()
    local ok, why = script.run(scope, fn, "cse.spawn",
      at and ("%s:%d"):format(at.short_src, at.currentline))
    if not ok then fail("cse.spawn: %s", why) end
  end
end

-- ---- declarations -------------------------------------------------------------------------------

-- Settings are typed by example: what the operator gives must be of the default's type.
local function settings(scope, script, defaults)
  check_table("cse.config", "defaults", defaults)
  local given = script.settings(scope.name)
  for k, v in pairs(given) do
    if defaults[k] == nil then
      fail("scripts.%s.%s: the script has no such setting", scope.name, k)
    end
    if type(v) ~= type(defaults[k]) then
      fail("scripts.%s.%s: expected a %s, got a %s", scope.name, k, type(defaults[k]), type(v))
    end
  end
  local out = {}
  for k, v in pairs(defaults) do
    if given[k] ~= nil then out[k] = given[k] else out[k] = v end
  end
  return setmetatable(out, { __index = function(_, k)
    error(("cse.config declares no setting '%s'"):format(tostring(k)), 2)
  end })
end

local UNITS = { [""] = 1, K = 1024, M = 1048576, G = 1073741824 }
local LEAST_MEMORY = 65536
local BUDGET = options.declare("moon2m.budget", {
  time = { "number", min = 0.001, max = 3600 }, memory = { "number|string" },
  verbs = { "number", min = 1, whole = true },
}, "budget")

-- 8388608 or "8M", for cse.budget.
local function bytes(v)
  local n, unit
  if type(v) == "string" then n, unit = v:match("^(%d+)([KMG]?)$") end
  n = type(v) == "number" and v or n and tonumber(n) * UNITS[unit]
  if not (n and n >= LEAST_MEMORY and n < 2 ^ 50) then
    fail("cse.budget: memory: bytes (a number, or \"512K\", \"8M\") of at least 64K were expected")
  end
  return n
end

local function check_socket(what, kind, o)
  if type(o) == "table" or kind == "udp" and type(o) == "number" then return end
  argument(what, "o", kind == "udp" and "a port or a table of options" or "a table of options", o)
end

local function check_serial(device, o)
  if type(device) ~= "string" then
    argument("cse.serial", "device", "a device like \"/dev/ttyUSB0\"", device)
  end
  check_table("cse.serial", "o", o, "a table of options")
end

-- Raises when no script is being loaded.
local function at_top(scope)
  return function()
    if not scope.staging then fail("declarations belong at the top level of a script") end
  end
end

local function limits(cse, scope, script, staging)
  function cse.config(defaults) staging() return settings(scope, script, defaults) end

  function cse.state(defaults)
    staging()
    for k, v in pairs(optional_table("cse.state", "defaults", defaults)) do
      if scope.state[k] == nil then scope.state[k], scope.filled[k] = v, true end
    end
    return scope.state
  end

  function cse.budget(b)
    staging()
    check_table("cse.budget", "limits", b)
    options.check("cse.budget", b, BUDGET)
    if b.memory ~= nil then scope.memory = bytes(b.memory) end
    scope.slice, scope.verbs = b.time or scope.slice, b.verbs or scope.verbs
  end
end

local function handlers(cse, scope, script)
  function cse.policy(where, fn) script.declare(scope, "policy", nil, where, fn) end
  function cse.check(op, where, fn) script.declare(scope, "check", op, where, fn) end
  function cse.on(op, where, fn, opts) script.declare(scope, "on", op, where, fn, opts) end
  function cse.virtual(where, fn) script.declare(scope, "virtual", nil, where, fn) end
  function cse.start(fn) script.declare(scope, "start", nil, nil, fn) end
  function cse.stop(fn) script.declare(scope, "stop", nil, nil, fn) end
end

local function kinds(cse, scope, script, staging)
  function cse.format(name, fn, opts)
    staging()
    format.check(name, fn, opts)
    local declared = script.declare(scope, "format", nil, nil, fn, nil, name)
    declared.still = "a format"
    scope.formats[name] = { fn = fn, opts = opts, rule = declared }
  end

  function cse.page(where, source, kind)
    staging()
    local declared, why = page.declare(scope, where, source, kind)
    if not declared then fail("cse.page: %s", why) end
    table.insert(scope.pages, declared)
  end

  function cse.type(spec)
    staging()
    check_table("cse.type", "spec", spec)
    local _, at = mistake.frame()                 -- none: returned by the script as a tail call
    table.insert(scope.types, spec)
    scope.type_places[#scope.types] = at and ("%s:%d"):format(at.short_src, at.currentline)
      or scope.file
  end
end

local function periods(cse, scope, script)
  function cse.every(seconds, fn)
    if type(seconds) ~= "number" or not (seconds > 0 and seconds <= LONGEST) then
      argument("cse.every", "seconds", ("a number above 0, %d at most,"):format(LONGEST), seconds)
    end
    script.declare(scope, "every", nil, nil, fn, nil, seconds .. " s").period = seconds
  end

  function cse.at(hhmm, fn)
    local hour = type(hhmm) == "string" and hhmm:match("^(%d%d?):[0-5]%d$")
    if not hour or tonumber(hour) > 23 then
      argument("cse.at", "hhmm", "a time of day like \"07:30\"", hhmm)
    end
    script.declare(scope, "at", nil, nil, fn, nil, hhmm).hhmm = hhmm
  end
end

local function gateways(cse, scope, script, staging)
  -- What a gateway's arguments ask for; the caller adds the rule of its function.
  local function socket(kind, ...)
    staging()
    local what = "cse." .. kind
    if kind == "serial" then check_serial(...) else check_socket(what, kind, ...) end
    local fn = select(select("#", ...), ...)
    if type(fn) ~= "function" then argument(what, "fn", "a function", fn) end
    local spec, why = gateway.declare(scope, kind, ...)
    return spec or fail("cse.%s: %s", kind, why)
  end

  for _, kind in ipairs { "udp", "tcp", "mqtt" } do
    cse[kind] = function(o, fn)
      local spec = socket(kind, o, fn)
      spec.rule = script.declare(scope, kind, nil, nil, fn, nil, spec.key:sub(#kind + 2))
      spec.rule.lasting = kind == "tcp"         -- as long as its connection, until that is closed
      return gateway.handle(spec)
    end
  end

  function cse.serial(device, o, fn)
    local spec = socket("serial", device, o, fn)
    spec.rule = script.declare(scope, "serial", nil, nil, fn, nil, spec.opts.device)
    return gateway.handle(spec)
  end
end

local function declarations(cse, scope, script)
  local staging = at_top(scope)
  limits(cse, scope, script, staging)
  handlers(cse, scope, script)
  kinds(cse, scope, script, staging)
  periods(cse, scope, script)
  gateways(cse, scope, script, staging)
end

-- ---- helpers ------------------------------------------------------------------------------------

local function values(cse)
  --- A Lua value as JSON text; keys sorted, cse.array(t) and sequences as arrays.
  function cse.json(v) return encoded("cse.json", v) end
  --- A Lua value as CBOR bytes (RFC 8949), for binary formats.  What a format fills in per target
  -- (n.sur, n.cr, n.rqi) has no place in it: its length is not known yet.
  function cse.cbor(v)
    local ok, bytes_or_why = pcall(format.cbor, v)
    if not ok then fail("cse.cbor: %s", tostring(bytes_or_why)) end
    return bytes_or_why
  end
  --- JSON text as Lua value; nil, message when it is malformed.
  function cse.parse(s)
    if type(s) ~= "string" then argument("cse.parse", "s", "a text", s) end
    local ok, v = pcall(json.decode, s)
    if not ok then return nil, type(v) == "table" and v.msg or v end
    return v
  end
  function cse.array(t) return json.array(optional_table("cse.array", "t", t)) end
  --- Seconds since 1970, with fraction.
  function cse.now() return sys.now() / 1e6 end
  --- A oneM2M timestamp as seconds since 1970; nil when it is none.
  function cse.epoch(ct)
    if ct == nil then return nil end
    if type(ct) ~= "string" then argument("cse.epoch", "ct", "a timestamp", ct) end
    local us = sys.parse_stamp(ct)
    return us and us / 1e6 or nil
  end
end

local function reading(cse, script)
  --- A small file that the operator allowed (`read` in the configuration); text | nil, err.
  function cse.read(file)
    if type(file) ~= "string" then argument("cse.read", "file", "a path", file) end
    if not script.may_read(file) then
      return nil, rsc.err(rsc.ORIGINATOR_HAS_NO_PRIVILEGE,
        "reading %s is not allowed (configuration: read)", tostring(file))
    end
    local text, why = sys.read(file, READ_MAX)
    if not text then return nil, rsc.err(rsc.NOT_FOUND, "%s", why) end
    return text
  end
end

local function logging(cse, scope)
  local log = {}
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    log[level] = function(fmt, ...)
      if select("#", ...) == 0 then return scope.log(level, tostring(fmt)) end
      local ok, text = pcall(string.format, tostring(fmt), ...)
      if not ok then fail("cse.log.%s: %s", level, text) end
      scope.log(level, text)
    end
  end
  cse.log = sealed.new(log, "cse.log")
end

local function helpers(cse, scope, script)
  values(cse)
  reading(cse, script)
  logging(cse, scope)
end

--- A script's own view of the server.
function public.new(scope, script)
  local cse = {}
  declarations(cse, scope, script)
  verbs(cse, scope, script)
  helpers(cse, scope, script)
  return sealed.new(cse, "cse")
end

return public
