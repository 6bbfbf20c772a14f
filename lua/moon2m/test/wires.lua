-- What stands for moon2m.core.gateway: sockets, serial lines, a broker and HTTP servers whose other
-- end is the test.  Each end has a name: the number of a UDP or listening port, "host:port" of what
-- is dialled (also of a broker), a device's path, or the peer of a connection that `connect` made.
-- What is written arrives at once; nothing is ever full.

local place = require "moon2m.test.place"

local wires = { verbs = {} }

local FIRST_PORT = 40001         -- of those that a script leaves to the system
local loop, boot
local items, last                -- id -> what is open
local sent                       -- name -> list of what scripts wrote
local offline                    -- name -> why it cannot be opened
local server                     -- the test's function that answers cse.http
local peers

local function tell(item)
  if item.told then return end
  item.told = true
  loop.soon(function()
    item.told = nil
    if items[item.id] == item then return boot.gateway(item.id) end
  end)
end

local function add(kind, name, more)
  last = last + 1
  local item = { id = last, kind = kind, name = name, state = "open", queue = {}, bytes = "" }
  for k, v in pairs(more or {}) do item[k] = v end
  items[last] = item
  return item
end

local function find(name, ...)
  for _, kind in ipairs { ... } do
    for _, item in pairs(items) do
      if item.kind == kind and item.name == name then return item end
    end
  end
end

local function write_down(name, what)
  sent[name] = sent[name] or {}
  table.insert(sent[name], what)
end

-- ---- the core module: opening -------------------------------------------------------------------

local core = {}

local function port_of(o, kind)
  local port = o.port
  if port == 0 then
    port = FIRST_PORT
    while find(port, kind) do port = port + 1 end
  end
  if find(port, kind) then return nil, ("port %d: Address already in use"):format(port) end
  return port
end

local function bound(kind)
  return function(o)
    local port, why = port_of(o, kind)
    if not port then return nil, why end
    return add(kind, port).id, port
  end
end

core.udp, core.listen = bound "udp", bound "gate"

-- Open in the next turn, or closed with the reason that the test gave.
local function connect(item)
  item.state, item.why = "opening", nil
  loop.soon(function()
    item.state, item.why = "open", nil
    if offline[item.name] then item.state, item.why = "closed", offline[item.name] end
    for _, m in ipairs(item.state == "open" and item.kept or {}) do write_down(item.name, m) end
    if item.state == "open" then item.kept = {} end
    tell(item)
  end)
  return item.id
end

local function address(o) return ("%s:%d"):format(o.host, o.port) end

function core.dial(o) return connect(add("stream", address(o))) end

function core.serial(o)
  if offline[o.device] then return nil, o.device .. ": " .. offline[o.device] end
  return add("stream", o.device).id
end

function core.mqtt(o) return connect(add("mqtt", address(o), { topics = {}, kept = {} })) end

function core.reopen(id) connect(items[id]) end

-- ---- the core module: using ---------------------------------------------------------------------

function core.state(id)
  local item = items[id]
  if not item then return "closed", "closed" end
  return item.state, item.why
end

function core.take(id)
  local item = items[id]
  local first = item and table.remove(item.queue, 1)
  if not first then return nil end
  return unpack(first, 1, 4)
end

local function cut(item, n, skip)
  local data = item.bytes:sub(1, n)
  item.bytes = item.bytes:sub(n + (skip or 0) + 1)
  return data
end

function core.read(id, how)
  local item = items[id]
  local n = #item.bytes
  if type(how) == "number" then return n >= how and cut(item, how) or nil end
  if how == "line" then
    local at = item.bytes:find("\n", 1, true)
    return at and (cut(item, at - 1, 1):gsub("\r$", "")) or nil
  end
  if n == 0 or how == "all" and item.state ~= "closed" then return nil end
  return cut(item, n)
end

function core.write(id, data)
  local item = items[id]
  if not item or item.state ~= "open" then return nil end
  write_down(item.name, { data = data })
  return 0
end

function core.waiting() return 0 end
function core.limit() end
function core.room() return true end

function core.send(id, to, data)
  if not to:match("^[%x.:%[%]]+:%d+$") then return nil, to .. ": not a numeric address" end
  write_down(items[id].name, { to = to, data = data })
  return true
end

function core.publish(id, topic, payload, qos, retain)
  local item = items[id]
  local m = { topic = topic, data = payload, qos = qos or 0, retain = retain or false }
  if item.state == "open" then
    write_down(item.name, m)
  elseif m.qos == 0 then
    return nil, "not connected"
  else
    table.insert(item.kept, m)
  end
  return true
end

function core.subscribe(id, topic, qos)
  items[id].topics[topic] = qos or 0
  return true
end

function core.unsubscribe(id, topic)
  items[id].topics[topic] = nil
  return true
end

function core.close(id)
  local open = items[id] ~= nil
  items[id] = nil
  return open
end

function core.count()
  local n = 0
  for _ in pairs(items) do n = n + 1 end
  return n
end

local function header_lines(headers)
  local lines = {}
  for name, value in pairs(headers or {}) do lines[#lines + 1] = name .. ": " .. value .. "\r\n" end
  table.sort(lines)
  return table.concat(lines)
end

function core.http(method, url, head, body, seconds)
  loop.sys.sleep(0)
  local headers = {}
  for name, value in head:gmatch("([^:\r\n]+):%s*([^\r\n]*)") do headers[name:lower()] = value end
  write_down("http", { method = method, url = url, headers = headers, data = body })
  if not server then return nil, url .. ": nobody answers; h:http(fn) does" end
  local status, answer, more = server { method = method, url = url, headers = headers, body = body,
    timeout = seconds }
  if not status then return nil, tostring(answer) end
  return status, header_lines(more), answer or ""
end

-- ---- the test's end -----------------------------------------------------------------------------

local verbs = wires.verbs

local function need(name, ...)
  local item = find(name, ...)
  if item then return item end
  local names = {}
  for _, one in pairs(items) do names[#names + 1] = tostring(one.name) end
  table.sort(names)
  place.fail("no script has %s open; open are: %s", tostring(name),
    names[1] and table.concat(names, ", ") or "none")
end

local function text(what, v)
  if type(v) == "number" then v = tostring(v) end
  if type(v) ~= "string" then place.fail("%s: a text was expected, got a %s", what, type(v)) end
  return v
end

--- A datagram arrives at a UDP port of a script, from "address:port" (127.0.0.1:9 when not said).
function verbs.datagram(port, data, from)
  local item = need(port, "udp")
  table.insert(item.queue, { text("datagram", data), from or "127.0.0.1:9" })
  tell(item)
end

--- Bytes arrive from a device or the peer of a connection.
function verbs.bytes(name, data)
  local item = need(name, "stream")
  item.bytes = item.bytes .. text("bytes", data)
  tell(item)
end

--- A line arrives from a device or the peer of a connection; "\n" is added.
function verbs.line(name, line)
  return verbs.bytes(name, text("line", line) .. "\n")
end

--- Somebody connects to the TCP port that a script listens on; the name of that peer.
function verbs.connect(port)
  local gate = need(port, "gate")
  peers = peers + 1
  local peer = ("10.0.0.%d:4000"):format(peers)
  table.insert(gate.queue, { add("stream", peer).id, peer })
  tell(gate)
  return peer
end

--- The other end goes: a connection or the broker is closed, a device unplugged.
function verbs.hangup(name, why)
  local item = need(name, "stream", "mqtt")
  item.state, item.why = "closed", why or "the peer has closed the connection"
  tell(item)
end

--- From now on the name cannot be opened, for that reason; nil: it can again.
function verbs.offline(name, why)
  offline[name] = why
end

-- Whether an MQTT filter is about a topic.
local function matches(filter, topic)
  local p = filter:gsub("[%^%$%(%)%%%.%[%]%*%-%?]", "%%%0"):gsub("%+", "[^/]*")
  if filter == "#" then return true end
  p = p:gsub("/#$", "\0")
  if p:sub(-1) == "\0" then
    p = p:sub(1, -2)
    return topic:match("^" .. p .. "$") ~= nil or topic:match("^" .. p .. "/") ~= nil
  end
  return topic:match("^" .. p .. "$") ~= nil
end

--- A message is published at a broker ("host:port"): it reaches the scripts that subscribed to its
-- topic; how many those are.  o: { qos, retain }.
function verbs.message(name, topic, payload, o)
  need(name, "mqtt")
  local n = 0
  for _, item in pairs(items) do
    local wanted = false
    for filter in pairs(item.kind == "mqtt" and item.name == name and item.topics or {}) do
      wanted = wanted or matches(filter, topic)
    end
    if wanted then
      n = n + 1
      table.insert(item.queue, { topic, text("message", payload), o and o.qos or 0,
        o and o.retain or false })
      tell(item)
    end
  end
  return n
end

--- fn{ method, url, headers (names in lower case), body, timeout } answers cse.http from now on: it
-- returns status, body, headers; or nil, why: no answer.
function verbs.http(fn)
  server = fn
end

--- What scripts wrote to a name, oldest first: { data } of a stream, { to, data } of a UDP port,
-- { topic, data, qos, retain } of a broker, { method, url, headers, data } of "http".
function verbs.sent(name)
  return sent[name] or {}
end

-- ---- the host's side ----------------------------------------------------------------------------

--- Nothing is open; the module that the library requires as moon2m.core.gateway.
function wires.open(the_loop)
  loop, items, last, sent, offline, server, peers = the_loop, {}, 0, {}, {}, nil, 0
  return core
end

--- The boot module of the library that was loaded over it.
function wires.serve(the_boot) boot = the_boot end

--- The names of what is open.
function wires.left()
  local names = {}
  for _, item in pairs(items) do names[#names + 1] = tostring(item.name) end
  table.sort(names)
  return names
end

return wires
