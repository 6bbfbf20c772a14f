-- Attribute kinds that management objects have in common (TS-0004 6.3.3 to 6.3.5).

local kinds = require "moon2m.kinds"
local shared = require "moon2m.types.shared"

local own = {}

--- mgmtDefinition (TS-0004 6.3.4.2.22, TS-0022 7.1): those without a file here are refused by name.
own.DEFINITIONS = {
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

own.definition = kinds.integer("a management definition (0 or 1001 to 1031)", function(n)
  return own.DEFINITIONS[n] ~= nil
end)

--- mgmtLinkRef (TS-0004 6.3.5.24): another object, its name and its definition.
own.link = kinds.object("a link (object)", {
  { "nm", "name", required = true }, { "typ", own.definition, required = true },
  { "val", "uri", required = true },
})

--- actionStatus (6.3.5.14): acn, the action; sus 0 uninitialised, 1 successful, 2 failure, 3 in
-- process.
own.status = kinds.object("an action status (object)", {
  { "acn", "string" }, { "sus", kinds.range("a status", 0, 3) },
})

--- What a status is before anything was asked for, and its sus as soon as something was.
own.IDLE = '{"acn":"","sus":0}'
own.IN_PROCESS = 3

-- eventCat (6.3.3): 2 immediate, 3 best effort, 4 latest, 100 to 999 of the provider.
local function is_category(n)
  return n >= 2 and n <= 4 or n >= 100 and n <= 999
end

--- An event category; with 0 for all that are not named.
own.category = kinds.integer("an event category (2, 3, 4, 100 to 999)", is_category)
own.category_with_default = kinds.integer("an event category (0, 2, 3, 4, 100 to 999)",
  function(n) return n == 0 or is_category(n) end)

--- listOfMinMax (6.3.3): [least, most] in ms; -1: no bound.
own.min_max = kinds.list(kinds.range("milliseconds", -1, 9007199254740991), 2, 2)

--- backOffParameters: per network action (nwa 1 to 5) the ms to wait before another attempt: ibt at
-- first, abt more each time, mbt at most, rbt at random on top.
own.back_off = kinds.object("back-off parameters (object)", {
  { "bops", kinds.object("back-off parameters of an action (object)", {
      { "nwa", kinds.range("a network action", 1, 5) },
      { "ibt", "uint", required = true }, { "abt", "uint", required = true },
      { "mbt", "uint", required = true }, { "rbt", "uint" },
    }), list = 1, required = true },
})

own.schedule = shared.schedule_entries

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
own.ip = kinds.text("an IP address (string)", function(s)
  return is_ipv4(s) or is_ipv6(s), "not an IP address"
end)

--- A string of least to most digits.
function own.digits(what, least, most)
  return kinds.text(what .. " (string)", function(s)
    return s:find("^%d+$") ~= nil and #s >= least and #s <= most,
      ("not %s (%d to %d digits)"):format(what, least, most)
  end)
end

return own
