-- Mirrors topics of an MQTT broker as containers, and containers as topics: plant/pump1/temp is
-- /mqtt/plant/pump1/temp, in both directions and without loops.
-- Run it:  mosquitto -p 1883 &                     (a broker, of Debian's package mosquitto)
--          moon2m run apps/mqtt_bridge.lua
-- Then:    mosquitto_sub -v -t 'plant/#' &         (of mosquitto-clients)
--          mosquitto_pub -t plant/pump1/temp -m 20.5
--          . apps/try.sh; cse_get /mqtt/plant/pump1/temp/la; cse_add /mqtt/plant/pump1/temp 21
-- and      mosquitto_sub shows both.
local cse = require "moon2m"

local cfg = cse.config { host = "127.0.0.1", port = 1883, user = "", password = "",
  id = "",                                -- with one the broker keeps what comes while we are away
  topics = { "plant/#" }, base = "/mqtt", keep = 1000 }
local FROM = "from:mqtt"                  -- the label of what came from the broker
local ECHO_TIME = 30                      -- seconds in which our own messages may come back

local echoes = cse.state { echoes = {} }.echoes    -- topic and payload -> { n, at }

local function key(topic, payload) return topic .. "\0" .. payload end

local function expect_echo(topic, payload, n)
  local e = echoes[key(topic, payload)] or { n = 0 }
  e.n, e.at = e.n + n, cse.now()
  echoes[key(topic, payload)] = e.n > 0 and e or nil
end

local function is_echo(topic, payload)
  if not echoes[key(topic, payload)] then return false end
  expect_echo(topic, payload, -1)
  return true
end

local function is_known(path, payload)    -- a broker repeats its retained messages
  local newest = cse.latest(path)
  return newest and newest.con == payload
end

local function set(text) return text ~= "" and text or nil end

local broker = cse.mqtt({ host = cfg.host, port = cfg.port, qos = 1, topics = cfg.topics,
  id = set(cfg.id), user = set(cfg.user), password = set(cfg.password),
}, function(topic, payload, info)
  local path = cfg.base .. "/" .. topic
  if is_echo(topic, payload) or info.retain and is_known(path, payload) then return end
  local ok, err = cse.ensure(path, "container", { mni = cfg.keep })
  if ok then ok, err = cse.add(path, payload, { lbl = { FROM } }) end
  if not ok then cse.log.warn("topic %s is not mirrored: %s", topic, err.msg) end
end)

cse.on("create", cfg.base .. "/**", function(ev)
  local cin = ev.res
  if cin.ty ~= 4 or cin.lbl and cin.lbl[1] == FROM then return end
  local topic = ev.to:sub(#cfg.base + 2)
  local payload = type(cin.con) == "string" and cin.con or cse.json(cin.con)
  expect_echo(topic, payload, 1)
  local ok, err = broker:publish(topic, payload, { qos = 1 })
  if not ok then
    expect_echo(topic, payload, -1)
    error(err.msg)                        -- the event is kept: `moon2m replay mqtt_bridge`
  end
end)

cse.every(ECHO_TIME, function()           -- of topics that we publish and do not subscribe to
  for k, e in pairs(echoes) do
    if cse.now() - e.at > ECHO_TIME then echoes[k] = nil end
  end
end)
