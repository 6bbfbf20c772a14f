-- Notification formats: what a notice looks like on the wire.  A format is a function from an event
-- to a body, declared with cse.format; the standard m2m:sgn (standard.lua) is declared with the
-- same call.  A format is entered once per event (per = "event"), whatever the number of
-- targets: the fields that differ from target to target are slots, filled in by the C core.
-- A format that fails never refuses the request that caused the event: its notices are parked.

local cse = require "moon2m.core.cse"
local core_json = require "moon2m.core.json"
local sys = require "moon2m.core.sys"
local json = require "moon2m.json"
local mistake = require "moon2m.mistake"
local options = require "moon2m.options"

local format = {}
local by_name = {}

local OPTIONS = options.declare("moon2m.format.options", {
  per = { "string", values = { "event", "target" } },
  frame = { "string", values = { "raw", "primitive" } },
  binary = { "boolean" }, encoded = { "boolean" },
})

--- Checks a declaration; raises at the script's line what is wrong with it.
function format.check(name, fn, opts)
  if opts ~= nil and type(opts) ~= "table" then
    mistake.argument("cse.format", "opts", "a table like { per = \"target\" }", opts)
  end
  opts = opts or {}
  if type(name) ~= "string" or not name:match("^[%w._-]+$") then
    mistake.argument("cse.format", "name", "a name of letters, digits, '.', '_' or '-'", name)
  end
  if type(fn) ~= "function" then mistake.argument("cse.format", "fn", "a function", fn) end
  options.check("cse.format", opts, OPTIONS)
end

--- Declares (or replaces) the format `name`.
-- fn(n) -> body [, content type], or nil: nothing to send.
-- opts.per    "event" (default) or "target": called once per target, with n.sub and n.target
-- opts.frame  "raw" (default): the body is the whole data frame; "primitive": it is the `pc` of a
--             NOTIFY request (TS-0004 7.5.1), acknowledged by the target
-- opts.binary true: a binary frame (raw only)
-- opts.encoded true: n.rep, the representation as JSON text, instead of n.res and n.old (cheaper)
-- `call` runs fn within the script's budget; nil: fn is the library's own.
function format.register(name, fn, opts, call)
  opts = opts or {}
  format.check(name, fn, opts)
  local per, frame = opts.per or "event", opts.frame or "raw"
  by_name[name] = { name = name, fn = fn, per = per, frame = frame, binary = opts.binary or false,
    encoded = opts.encoded or false, call = call, labels = ('format="%s"'):format(name) }
  return by_name[name]
end

function format.get(name)
  return by_name[name]
end

function format.forget(name)
  by_name[name] = nil
end

--- Puts back what format.get(name) gave before; nil: there is none of that name any more.
function format.restore(name, before)
  by_name[name] = before
end

--- The names that clients may offer as WebSocket subprotocol: every declared format but the
-- standard one, which is oneM2M.json and oneM2M.cbor.
function format.names()
  local names = {}
  for name in pairs(by_name) do
    if name ~= "standard" and name ~= "m2m:sgn" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- ---- helpers for bodies -------------------------------------------------------------------------

local SLOTS = { "sur", "rqi", "cr", "to" }

--- A value as CBOR.  Raises when it holds a slot: a CBOR text states its length, which a slot has
-- only in the frame of a target.
function format.cbor(v)
  local text = json.encode(v)
  for i = 1, #SLOTS do
    if text:find(cse.slot(SLOTS[i]), 1, true) then
      error(("cse.cbor: n.%s is filled in after the format, a CBOR text cannot hold it; declare " ..
        "the format with { per = \"target\" } for n.sur and n.cr"):format(SLOTS[i]), 3)
    end
  end
  local bytes, why = core_json.to_cbor(text)
  if not bytes then error("cse.cbor: " .. tostring(why), 3) end
  return bytes
end

-- ---- what a format is handed --------------------------------------------------------------------

-- What a per-event format cannot know; reading it says what to do instead.
local PER_TARGET = {
  __index = function(_, k)
    if k == "sub" or k == "target" then
      error(("n.%s differs from target to target: declare the format with { per = \"target\" }, " ..
        "or put n.sur, n.cr or n.rqi (filled in per target) into the text"):format(k), 2)
    end
  end,
}

-- One value of `{"m2m:cin":{...}}`: the resource without its wrapper.
local function unwrap(text)
  if not text then return nil end
  local _, inner = next(json.decode(text))
  return inner
end

--- The table that a format is handed.
-- e = { to, rep, old, net, om, op, fr, at, cr, nfu }: rep and old are JSON text; cr is true (each
-- subscription's creator) or an identifier; for one target also sub, target, and its own sur and
-- creator, which then are no slots.
function format.notice(f, e)
  local n = {
    to = e.to, at = e.at, event = { net = e.net, op = e.op, fr = e.fr, om = e.om },
    sur = e.sur or cse.slot("sur"), rqi = cse.slot("rqi"), nfu = e.nfu,
    cr = e.cr and (e.cr == true and (e.creator or cse.slot("cr")) or e.cr) or nil,
  }
  if f.encoded then
    n.rep = e.rep
  else
    n.res, n.old = unwrap(e.rep), unwrap(e.old)
  end
  if f.per == "target" then
    n.sub, n.target = e.sub, e.target
    return n
  end
  return setmetatable(n, PER_TARGET)
end

-- A body may be a table: it is encoded.  Returns text, content type | nil (nothing to send).
local function body_text(f, body, ctype)
  if body == nil or body == false then return nil end
  if type(body) == "table" then
    return json.encode(body), ctype or "application/json"
  elseif type(body) ~= "string" then
    error(("format %s returned a %s, expected a string or a table"):format(f.name, type(body)), 0)
  end
  return body, ctype or (f.binary and "application/octet-stream" or "application/json")
end

--- Renders the notice of event e.  Returns true, text, content type (text nil: nothing to send), or
-- false and the error's text.
function format.render(f, e)
  local n = format.notice(f, e)
  sys.count("moon2m_format_calls_total", f.labels, 1,
    "Calls of notification formats: one per event and format, or per target")
  if not f.call then
    return true, body_text(f, f.fn(n))
  end
  local ok, body, ctype = f.call(n)
  if not ok then return false, body end
  local fine, text, kind = pcall(body_text, f, body, ctype)
  if not fine then return false, text end
  return true, text, kind
end

require "moon2m.standard" { json = json.encode, format = format.register }
by_name["m2m:sgn"] = by_name.standard

return format
