-- subscription (TS-0001 9.6.8, TS-0004 7.4.8): who is told of which events of the parent.  Its
-- check is of what must stand together (TS-0004 7.4.8.2).

local kinds = require "moon2m.kinds"
local protocols = require "moon2m.types.protocols"
local rsc = require "moon2m.rsc"

local after, enum, object, range = kinds.after, kinds.enum, kinds.object, kinds.range

-- notificationContentType that goes with each notificationEventType (TS-0001 Table 9.6.8-4), the
-- default first; operation monitors get what the subscribed-to resource is.
local content_types = {
  [1] = { 1, 2, 3 }, [2] = { 1, 3 }, [3] = { 1, 3 }, [4] = { 1, 3 }, [5] = { 1, 3 },
  [6] = { 4 }, [7] = { 2 }, [8] = { 5 }, om = { 1, 3 },
}

local UPDATE, BLOCKING, MISSING = 1, 7, 8
local STATE_TAGS = { "crb", "cra", "us", "ms", "sts", "stb", "exb", "exa", "sza", "szb", "fo" }

local operation_monitor = object("an operation monitor (object)", {
  { "ops", range("operations (sum of 1, 2, 4, 8, 16, 32)", 1, 63) }, { "or", "id" },
  { "org", "id" },
}, function(v)
  if v.ops == nil and v["or"] == nil and v.org == nil then return false, "ops or or is needed" end
end)

local missing_data = object("missing data (object)", {
  { "num", "posint", required = true }, { "dur", "duration", required = true },
})

-- eventNotificationCriteria (TS-0004 6.3.5.7).
local criteria = object("criteria (object)", {
  { "net", enum("a notification event type", { 1, 2, 3, 4, 5, 6, 7, 8 }), list = 1 },
  { "atr", "string", list = 1 },
  { "chty", "uint", list = 1 },
  { "om", operation_monitor, list = 1 },
  { "md", missing_data },
  { "crb", "timestamp" }, { "cra", "timestamp" },
  { "us", "timestamp" }, { "ms", "timestamp" },
  { "sts", "posint" }, { "stb", "uint" },
  { "exb", "timestamp" }, { "exa", "timestamp" },
  { "sza", "uint" }, { "szb", "posint" },
  { "fo", enum("a filter operation", { 1, 2 }) },
})

-- A test of an object: a duration in it is longer than nothing.
local function lasting(name)
  return function(v)
    if v[name] == 0 then return false, name .. ": longer than nothing is needed" end
  end
end

local batch = object("a batch policy (object)", { { "num", "posint" }, { "dur", "duration" } },
  lasting "dur")
local rate = object("a rate limit (object)", { { "mnn", "posint" }, { "tww", "duration" } },
  lasting "tww")

local event_category = kinds.integer("an event category (2, 3, 4 or 100 to 999)", function(n)
  return n >= 2 and n <= 4 or n >= 100 and n <= 999
end)

local function has(list, v)
  for _, x in ipairs(list or {}) do
    if x == v then return true end
  end
  return false
end

local function bad(...) return rsc.err(rsc.BAD_REQUEST, ...) end

-- enc by itself: what may stand together (TS-0004 7.4.8.2.1).
local function check_criteria(enc)
  local net = enc.net
  if net and enc.om then return bad("enc: net and om exclude each other") end
  if net and #net > 1 and (has(net, BLOCKING) or has(net, MISSING)) then
    return bad("enc: net 7 and net 8 stand alone")
  end
  if has(net, MISSING) and not enc.md then return bad("enc: net 8 needs md") end
  if enc.md and not has(net, MISSING) then return bad("enc: md goes with net 8") end
  net = net or not enc.om and { UPDATE } or {}
  if enc.atr and not has(net, UPDATE) and not has(net, BLOCKING) then
    return bad("enc: atr goes with net 1 or 7")
  end
  if enc.chty and not has(net, 3) and not has(net, 4) then
    return bad("enc: chty goes with net 3 or 4")
  end
end

-- The keys of content_types that a subscription has.
local function events_of(enc)
  if enc and enc.om then return { "om" } end
  return enc and enc.net or { UPDATE }
end

local function check_content_type(enc, nct)
  for _, e in ipairs(events_of(enc)) do
    if not has(content_types[e], nct) then
      return bad("nct: %d is not possible for %s", nct, e == "om" and "an operation monitor"
        or "the notification event type " .. e)
    end
  end
end

local BLOCKING_ONLY = { "exc", "gpi", "nfu", "bn", "rl", "psn", "pn", "nsp", "ln", "nec", "su",
  "acrs", "nse", "eeno", "ma" }

-- A blocking update: one AE is asked, nothing else of a subscription applies (TS-0004 7.4.8.2.1).
local function check_blocking(values, r, enc)
  if r and not has(events_of(r.enc), BLOCKING) then
    return bad("enc: net 7 cannot be introduced by an UPDATE")
  end
  for _, tag in ipairs(STATE_TAGS) do
    if enc[tag] ~= nil then return bad("enc: net 7 goes with atr only, not with %s", tag) end
  end
  for _, name in ipairs(BLOCKING_ONLY) do
    if after(values, r, name) ~= nil then return bad("%s: not possible with net 7", name) end
  end
  local nu = after(values, r, "nu")
  if #nu ~= 1 then return bad("nu: net 7 has exactly one target, got %d", #nu) end
  if nu[1]:find("^%a[%w+.-]*://") then return bad("nu: net 7 needs an AE, not a URL") end
end

-- A new enc without md keeps the md that it replaces (TS-0004 7.4.8.2).
local function with_md(enc, r)
  local old = enc.md == nil and r and has(enc.net, MISSING) and r.enc
  if not old or not old.md then return enc end
  local new = { md = old.md }
  for name, v in pairs(enc) do new[name] = v end
  return new
end

-- The attributes together, as they will be after the request.
local function check(values, r)
  local enc, nct = after(values, r, "enc"), after(values, r, "nct")
  local e
  if enc and values.enc ~= nil then e = check_criteria(with_md(enc, r)) end
  if not e and nct and (values.enc ~= nil or values.nct ~= nil) then
    e = check_content_type(enc, nct)
  end
  if not e and enc and has(enc.net, BLOCKING) then e = check_blocking(values, r, enc) end
  return e or protocols.refused(values)
end

return {
  ty = 23, name = "subscription", short = "m2m:sub",
  children = { "schedule" },
  virtual = { ntsr = "notificationTargetSelfReference" },
  check = check, content_types = content_types, events_of = events_of,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "cr",
    "cstn",
    { "enc", criteria, create = "O", update = "O" },
    { "exc", "posint", create = "O", update = "O" },
    { "nu", "uri", list = 1, create = "M", update = "O" },
    { "gpi", "uri", create = "O", update = "O" },
    { "nfu", "uri", create = "O", update = "O" },
    { "bn", batch, create = "O", update = "O" },
    { "rl", rate, create = "O", update = "O" },
    { "psn", "posint", create = "O", update = "-" },
    { "pn", enum("a pending notification", { 1, 2 }), create = "O", update = "O" },
    { "nsp", "posint", create = "O", update = "O" },
    { "ln", "bool", create = "O", update = "O" },
    { "nct", enum("a notification content type", { 1, 2, 3, 4, 5 }), create = "O", update = "O",
      one = true },
    { "nec", event_category, create = "O", update = "O" },
    { "su", "uri", create = "O", update = "-" },
    { "acrs", "uri", list = 1, create = "O", update = "O" },
    { "nse", "bool", create = "O", update = "O" },
    { "nsi", "any", create = "-", update = "-" },
    { "eeno", "bool", create = "O", update = "O" },
    { "ma", "duration", create = "O", update = "O",
      later = "it goes with blocking retrieves, which are not supported by this CSE" },
  },
}
