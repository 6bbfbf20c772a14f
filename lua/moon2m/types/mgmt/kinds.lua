-- Attribute kinds that management objects have in common (TS-0004 6.3.3 to 6.3.5).

local schedule = require "moon2m.schedule"
local schema = require "moon2m.schema"

local kinds = {}

--- mgmtDefinition (TS-0004 6.3.4.2.22, TS-0022 7.1): those without a file here are refused by name.
kinds.DEFINITIONS = {
  [0] = "self-defined",
  [1001] = "firmware", [1002] = "software", [1003] = "memory", [1004] = "areaNwkInfo",
  [1005] = "areaNwkDeviceInfo", [1006] = "battery", [1007] = "deviceInfo",
  [1008] = "deviceCapability", [1009] = "reboot", [1010] = "eventLog", [1011] = "cmdhPolicy",
  [1012] = "activeCmdhPolicy", [1013] = "cmdhDefaults", [1014] = "cmdhDefEcValue",
  [1015] = "cmdhEcDefParamValues", [1016] = "cmdhLimits", [1017] = "cmdhNetworkAccessRules",
  [1018] = "cmdhNwAccessRule", [1019] = "cmdhBuffer", [1020] = "registration",
  [1021] = "dataCollection", [1022] = "authenticationProfile", [1023] = "myCertFileCred",
  [1024] = "trustAnchorCred", [1025] = "MAFClientRegCfg", [1026] = "MEFClientRegCfg",
  [1027] = "OAuth2Authentication", [1028] = "wifiClient", [1029] = "credentials", [1030] = "SIM",
  [1031] = "mobileNetwork",
}

kinds.definition = schema.kind(nil, "a management definition", function(raw)
  local n = raw:find("^%d+$") and tonumber(raw)
  if n and kinds.DEFINITIONS[n] then return n end
  return nil, "expected a management definition (0 or 1001 to 1031), got " .. raw
end, "integer")

--- mgmtLinkRef (TS-0004 6.3.5.24): another object, its name and its definition.
kinds.link = schema.object("a link (object)", {
  { "nm", "name", required = true }, { "typ", kinds.definition, required = true },
  { "val", "uri", required = true },
})

--- actionStatus (6.3.5.14): acn, the action; sus 0 uninitialised, 1 successful, 2 failure, 3 in
-- process.
kinds.status = schema.object("an action status (object)", {
  { "acn", "string" }, { "sus", schema.range("a status", 0, 3) },
})

--- What a status is before anything was asked for, and its sus as soon as something was.
kinds.IDLE = '{"acn":"","sus":0}'
kinds.IN_PROCESS = 3

-- eventCat (6.3.3): 2 immediate, 3 best effort, 4 latest, 100 to 999 of the provider.
local function is_category(n)
  return n and (n >= 2 and n <= 4 or n >= 100 and n <= 999)
end

-- with_default: 0, which stands for any other, too.
local function category(what, with_default)
  return schema.kind(nil, what, function(raw)
    local n = raw:find("^%d+$") and tonumber(raw)
    if is_category(n) or with_default and n == 0 then return n end
    return nil, ("expected %s, got %s"):format(what, raw)
  end, "integer")
end

--- An event category; with 0 for all that are not named.
kinds.category = category("an event category (2, 3, 4, 100 to 999)")
kinds.category_with_default = category("an event category (0, 2, 3, 4, 100 to 999)", true)

--- listOfMinMax (6.3.3): [least, most] in ms; -1: no bound.
local bounds = schema.list(schema.range("milliseconds", -1, 9007199254740991), 2)
kinds.min_max = schema.kind(nil, "a range (array of 2 integers)", function(raw)
  local v, why = bounds.check(raw)
  if v and #v ~= 2 then return nil, "expected the least and the most, got " .. #v .. " entries" end
  return v, why
end, "integer[]")

--- backOffParameters: per network action (nwa 1 to 5) the ms to wait before another attempt: ibt at
-- first, abt more each time, mbt at most, rbt at random on top.
kinds.back_off = schema.object("back-off parameters (object)", {
  { "bops", schema.object("back-off parameters of an action (object)", {
      { "nwa", schema.range("a network action", 1, 5) },
      { "ibt", "uint", required = true }, { "abt", "uint", required = true },
      { "mbt", "uint", required = true }, { "rbt", "uint" },
    }), list = 1, required = true },
})

local entry = schema.string_kind(nil, "a schedule entry (string)", function(s)
  local ok, why = schedule.parse(s)
  if ok then return s end
  return nil, why
end)

--- scheduleEntries (6.3.5.11).
kinds.schedule = schema.object("schedule entries (object)", {
  { "sce", entry, list = 1, required = true },
})

local function is_ipv4(s)
  local parts = { s:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  for _, p in ipairs(parts) do
    if #p > 3 or tonumber(p) > 255 then return false end
  end
  return parts[1] ~= nil
end

-- Groups of four hexadecimal digits, eight or fewer around one "::".
local function is_ipv6(s)
  if s:find(":::") or not s:find("^[%x:]+$") then return false end
  local _, gaps = s:gsub("::", "")
  local n = 0
  for group in s:gmatch("%x+") do
    if #group > 4 then return false end
    n = n + 1
  end
  if gaps == 0 then return n == 8 and s:find("^%x.*%x$") ~= nil end
  return gaps == 1 and n < 8
    and not (s:find("^:[^:]") or s:find("[^:]:$"))
end

--- ipAddress (6.3.3): of version 4 or 6.
kinds.ip = schema.string_kind(nil, "an IP address (string)", function(s)
  if is_ipv4(s) or is_ipv6(s) then return s end
  return nil, "not an IP address"
end)

--- A string of least to most digits.
function kinds.digits(what, least, most)
  return schema.string_kind(nil, what .. " (string)", function(s)
    if s:find("^%d+$") and #s >= least and #s <= most then return s end
    return nil, ("not %s (%d to %d digits)"):format(what, least, most)
  end)
end

return kinds
