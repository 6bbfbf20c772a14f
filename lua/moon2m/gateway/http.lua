-- cse.http: requests to HTTP servers, over the pool that notifications use.  They look synchronous
-- and never block the loop.  TLS servers are verified.  Redirects are not followed: a 3xx is an
-- answer.

local gateway = require "moon2m.gateway"
local json = require "moon2m.json"
local options = require "moon2m.options"
local rules = require "moon2m.rule"

local core = gateway.core
local http = {}

local OPTIONS = options.declare("moon2m.http.options", {
  method = { "string", max = 255 }, headers = { "table" }, body = { "string|number|table" },
  timeout = { "number", min = 0.01, max = 3600, default = 10 },
  max = { "number", min = 0, max = 1e9, whole = true },
})
-- Written by the core.
local OURS = { host = true, connection = true, ["content-length"] = true,
  ["transfer-encoding"] = true, expect = true, upgrade = true }

local function header_lines(headers)
  local lines = {}
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" or not name:match("^[%w!#$%%&'*+.^_`|~-]+$") then
      return nil, ("headers: %q is no name of a header"):format(tostring(name))
    end
    if OURS[name:lower()] then return nil, ("headers: %s is written by the server"):format(name) end
    if type(value) ~= "string" and type(value) ~= "number" then
      return nil, ("headers: %s: a text was expected"):format(name)
    end
    value = tostring(value)
    if value:find("[%c]") then return nil, ("headers: %s: no control characters"):format(name) end
    lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
  end
  table.sort(lines)
  return table.concat(lines)
end

local function has_header(headers, wanted)
  for name in pairs(headers or {}) do
    if type(name) == "string" and name:lower() == wanted then return true end
  end
  return false
end

-- A table is sent as JSON.
local function content(what, body)
  if type(body) == "table" then return json.encode(body), "application/json" end
  if body == nil then return "" end
  if type(body) ~= "string" and type(body) ~= "number" then
    gateway.argument(what, "body", "a text or a table", body)
  end
  return tostring(body)
end

-- Raw header lines as { ["lower-case name"] = value }; repeated ones joined with ", ".
local function read_headers(text)
  local out = {}
  for name, value in text:gmatch("([^:\r\n]+):[ \t]*([^\r\n]*)") do
    name, value = name:lower(), value:gsub("[ \t]+$", "")
    out[name] = out[name] and out[name] .. ", " .. value or value
  end
  return out
end

local function perform(what, method, url, o)
  if type(url) ~= "string" or not url:match("^https?://[^%s%c]+$") then
    gateway.argument(what, "url", "a URL like \"https://host/path\"", url)
  end
  local body, kind = content(what, type(o) == "table" and o.body or nil)
  local opts, why = options.read(o == nil and {} or o, OPTIONS)
  if not opts then gateway.fail("%s: o: %s", what, why) end
  method = method or opts.method or "GET"
  if not method:match("^%u+$") or method == "CONNECT" then
    gateway.fail("%s: o: method %q is not possible", what, method)
  end
  local head, wrong = header_lines(opts.headers)
  if not head then gateway.fail("%s: o: %s", what, wrong) end
  if kind and not has_header(opts.headers, "content-type") then
    head = head .. "Content-Type: " .. kind .. "\r\n"
  end
  local seconds = math.max(0.01, math.min(opts.timeout, rules.time_left()))
  local status, text, answer = core.http(method, url, head, body, seconds)
  if not status then return gateway.unreachable(text) end
  if opts.max and #answer > opts.max then
    return gateway.unreachable(("an answer of %d bytes, at most %d were wanted"):format(#answer,
      opts.max))
  end
  return { status = status, headers = read_headers(text), body = answer }
end

local function with_body(o, body)
  local out = {}
  if o ~= nil and type(o) ~= "table" then return o end     -- told by perform
  for k, v in pairs(o or {}) do out[k] = v end
  out.body = body
  return out
end

--- cse.http of a script; guarded() raises where a verb cannot work.
-- Each returns { status, headers, body } | nil, err (no answer, too late, too large).
-- opts = { headers, timeout = seconds (10), max = bytes of the answer (limits.body), body, method }
function http.new(guarded)
  return {
    get = function(url, o)
      guarded()
      return perform("cse.http.get", "GET", url, o)
    end,
    delete = function(url, o)
      guarded()
      return perform("cse.http.delete", "DELETE", url, o)
    end,
    post = function(url, body, o)
      guarded()
      return perform("cse.http.post", "POST", url, with_body(o, body))
    end,
    put = function(url, body, o)
      guarded()
      return perform("cse.http.put", "PUT", url, with_body(o, body))
    end,
    request = function(url, o)
      guarded()
      return perform("cse.http.request", nil, url, o)
    end,
  }
end

return http
