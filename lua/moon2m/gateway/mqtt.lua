-- cse.mqtt({ host, port, id, user, password, tls, ca, cert, key, topics, qos, will, keepalive,
-- clean, reconnect }, fn(topic, payload, info, handle)): a client of a broker.  Messages are
-- handled one after the other.  It connects again by itself, subscribes again, and what was
-- published with qos 1 or 2 is not lost.

local gateway = require "moon2m.gateway"
local options = require "moon2m.options"
local sys = require "moon2m.core.sys"
local timers = require "moon2m.timers"
local tls = require "moon2m.gateway.tls"

local core = gateway.core
local mqtt = { methods = {}, fixed = { "tls", "ca", "cert", "key", "user", "password",
  "keepalive", "clean", "will_topic", "will", "will_qos", "will_retain" } }

local OPTIONS = options.declare("moon2m.mqtt.options", tls.rows {
  host = { "string", max = 255, required = true },
  port = { "number", min = 1, max = 65535, whole = true },
  id = { "string", max = 255 }, user = { "string", max = 255 },
  password = { "string", max = 255 },
  topics = { "table" },
  qos = { "number", min = 0, max = 2, whole = true, default = 0 },
  will = { "table" },
  keepalive = { "number", min = 5, max = 65535, whole = true, default = 60 },
  clean = { "boolean" },
  reconnect = { "number", min = 0.05, max = 86400, default = 2 },
  parallel = { "number", min = 1, max = 64, whole = true, default = 1 },
})
local WILL = options.declare("moon2m.mqtt.will", {
  topic = { "string", max = 255, required = true }, payload = { "string", max = 255 },
  qos = { "number", min = 0, max = 2, whole = true, default = 0 },
  retain = { "boolean", default = false },
})

-- ---- declaration --------------------------------------------------------------------------------

-- A filter: "+" alone in a level, "#" alone in the last.  name: without both.
local function topic_error(topic, name)
  if type(topic) ~= "string" or topic == "" or #topic > 1023 or topic:find("%z") then
    return "a topic is a text of 1 to 1023 bytes"
  end
  if name and topic:find("[+#]") then return ("topic %q: + and # are for filters"):format(topic) end
  if topic:find("[^/][+#]") or topic:find("[+#][^/]") or topic:find("#.") then
    return ("topic %q: + and # stand alone between the slashes, # at the end"):format(topic)
  end
end

-- { "a/b", ["c/#"] = 1 } -> topic -> qos
local function read_topics(list, qos)
  local out = {}
  for k, v in pairs(list or {}) do
    local topic, q = v, qos
    if type(k) == "string" then topic, q = k, v end
    local wrong = topic_error(topic)
    if wrong then return nil, "topics: " .. wrong end
    if q ~= 0 and q ~= 1 and q ~= 2 then return nil, "topics: qos is 0, 1 or 2" end
    out[topic] = q
  end
  return out
end

local function read_will(opts)
  if not opts.will then return true end
  local will, why = options.read(opts.will, WILL)
  if not will then return nil, "will: " .. why end
  why = topic_error(will.topic, true)
  if why then return nil, "will: " .. why end
  opts.will_topic, opts.will, opts.will_qos, opts.will_retain = will.topic, will.payload or "",
    will.qos, will.retain
  return true
end

function mqtt.read(o)
  local opts, why = options.read(o, OPTIONS)
  if not opts then return nil, why end
  local topics, wrong = read_topics(opts.topics, opts.qos)
  if not topics then return nil, wrong end
  local ok
  ok, why = read_will(opts)
  if ok then ok, why = tls.check(opts) end
  if not ok then return nil, why end
  opts.topics = topics
  opts.port = opts.port or opts.tls and 8883 or 1883
  if opts.clean == nil then opts.clean = opts.id == nil end
  if not opts.clean and not opts.id then return nil, "clean = false needs an id" end
  return opts
end

function mqtt.key(opts)
  local id = opts.id and " as " .. opts.id or ""
  return ("mqtt %s:%d%s"):format(opts.host, opts.port, id), opts.id ~= nil
end

-- ---- the broker ---------------------------------------------------------------------------------

local function subscribe(live, topic, qos)
  local ok, why = core.subscribe(live.id, topic, qos)
  if not ok then
    live.spec.scope.log("warn", ("%s: cannot subscribe to %s: %s"):format(live.spec.key, topic,
      why))
  end
  return ok, why
end

local function one(live)
  local topic, payload, qos, retain = core.take(live.id)
  if not topic then return false end
  if live.spec.opts.parallel > 1 then gateway.pump(live, live.one) end
  gateway.call(live, "message of " .. topic, "the message is lost, the next one is handled", topic,
    payload, { qos = qos, retain = retain }, live.spec.handle)
  return true
end

local function opened(live)
  live.backoff = nil
  live.spec.scope.log("info", live.spec.key .. ": connected")
  for topic, t in pairs(live.topics) do subscribe(live, topic, t.qos) end
end

local function lost(live, why)
  local seconds = gateway.backoff(live, live.spec.opts.reconnect)
  live.spec.scope.log("warn", ("%s: %s; again in %g s"):format(live.spec.key, why, seconds))
  timers.after(seconds, function()
    if live.closed then return end
    live.state = "opening"
    core.reopen(live.id)
  end)
end

local function changed(live)
  if live.closed or not live.id then return end
  local state, why = core.state(live.id)
  if state ~= live.state then
    live.state = state
    if state == "open" then opened(live) end
    if state == "closed" then lost(live, why) end
  end
  return gateway.pump(live, one)
end

function mqtt.bind(live)
  live.topics, live.one, live.changed = {}, one, changed
  return true
end

local function declare_topics(live)
  for topic, qos in pairs(live.spec.opts.topics) do
    local before = live.topics[topic]
    live.topics[topic] = { qos = qos, spec = live.spec }
    if live.state == "open" and not (before and before.qos == qos) then
      subscribe(live, topic, qos)
    end
  end
end

function mqtt.start(live)
  local given = {}
  for _, name in ipairs(mqtt.fixed) do given[name] = live.spec.opts[name] end
  given.host, given.port, given.id = live.spec.opts.host, live.spec.opts.port, live.spec.opts.id
  declare_topics(live)
  live.state = "opening"
  local id, why = core.mqtt(gateway.common(live, given))
  if not id then
    live.spec.scope.log("error", ("%s: %s"):format(live.spec.key, why))
    return gateway.close(live)
  end
  gateway.watch(id, live)
end

--- What the former version had subscribed to and the new one has not goes.
function mqtt.moved(live)
  declare_topics(live)
  for topic, t in pairs(live.topics) do
    if t.spec ~= live.spec then
      live.topics[topic] = nil
      if live.state == "open" then core.unsubscribe(live.id, topic) end
    end
  end
end

-- ---- handle -------------------------------------------------------------------------------------

local PUBLISH = options.declare("moon2m.mqtt.publish.options", {
  qos = { "number", min = 0, max = 2, whole = true },
  retain = { "boolean", default = false },
  timeout = { "number", min = 0, max = 86400 },
})

local function check_topic(what, topic, name)
  if type(topic) ~= "string" then gateway.argument(what, "topic", "a text", topic) end
  local wrong = topic_error(topic, name)
  if wrong then gateway.fail("%s: topic: %s", what, wrong) end
end

-- Waits until the queue has room: true | nil, err.
local function room(live, seconds)
  local deadline = seconds and sys.mono() + seconds * 1e6
  while not core.room(live.id) do
    local left = deadline and (deadline - sys.mono()) / 1e6
    if left and left <= 0 or not gateway.wait(live, left) then
      return gateway.late("the queue of what is published is full")
    end
    if live.closed then gateway.fail("closed") end
  end
  return true
end

--- handle:publish(topic, payload [, { qos, retain, timeout }]): true once it is queued | nil, err.
-- Yields while the queue is full.  Without a connection qos 0 fails; 1 and 2 leave with the next.
function mqtt.methods.publish(live, topic, payload, o)
  check_topic("mqtt:publish", topic, true)
  payload = gateway.text("mqtt:publish", "payload", payload)
  local opts, why = options.read(o == nil and {} or o, PUBLISH)
  if not opts then gateway.fail("mqtt:publish: o: %s", why) end
  if not live.id then return gateway.unreachable("not connected yet") end
  local qos = opts.qos or live.spec.opts.qos
  local ok, err = room(live, opts.timeout)
  if not ok then return nil, err end
  ok, why = core.publish(live.id, topic, payload, qos, opts.retain)
  if not ok then return gateway.unreachable(why) end
  return true
end

--- handle:subscribe(topic [, qos]): from now on, also after the next connection.
function mqtt.methods.subscribe(live, topic, qos)
  check_topic("mqtt:subscribe", topic)
  if qos == nil then qos = live.spec.opts.qos end
  if qos ~= 0 and qos ~= 1 and qos ~= 2 then
    gateway.argument("mqtt:subscribe", "qos", "0, 1 or 2", qos)
  end
  live.topics[topic] = { qos = qos, spec = live.spec }
  if live.state ~= "open" or not live.id then return true end
  local ok, why = subscribe(live, topic, qos)
  if not ok then return gateway.unreachable(why) end
  return true
end

--- handle:unsubscribe(topic).
function mqtt.methods.unsubscribe(live, topic)
  check_topic("mqtt:unsubscribe", topic)
  live.topics[topic] = nil
  if live.state ~= "open" or not live.id then return true end
  local ok, why = core.unsubscribe(live.id, topic)
  if not ok then return gateway.unreachable(why) end
  return true
end

--- Whether the broker is connected.
function mqtt.methods.connected(live) return live.state == "open" end

return mqtt
