---@meta _
-- Sockets, serial lines, brokers and HTTP servers.

-- ---- Gateways -----------------------------------------------------------------------------------

---Declarations of what a script speaks with. Each returns a handle, for use inside handlers; while
---the script loads its functions raise an error. Datagrams, lines and messages are handled one at a
---time, in order; what waits is bounded (`gateways.queue`, `gateways.bytes`). A handler that fails
---is in the log, and the next datagram, line or message is handled; five failures in a row let it
---rest for 30 s.
---
---At a reload, what the new version declares with the same port, device or host stays open and
---changes hands; what it does not declare again is closed.

---What the server has for devices.
---@class moon2m.cse
local cse = {}

---Datagrams. Sockets listen on `gateways.host` of the configuration (127.0.0.1) unless `host` says
---otherwise. What waits is bounded: datagrams beyond that are dropped, counted and told in the log.
---
---```lua
---cse.udp(5700, function(data, from, sock)
---  cse.add("/plant/raw", data)
---  sock:send(from, "ok")
---end)
---```
---@param o integer | moon2m.udp.options the port, or options
---@param fn fun(data: string, from: string, sock: moon2m.udp) from: `"10.0.0.7:900"`
---@return moon2m.udp handle
function cse.udp(o, fn) end

---TCP, as a client (`host`, `port`) that connects, and again when the connection is lost, or as a
---server (`listen`). The function is the coroutine of one connection and may last as long as it
---does; when it returns, the connection is closed.
---
---```lua
---cse.tcp({ host = "plc", port = 502 }, function(conn)
---  while true do handle(conn:read("line")) end
---end)
---```
---@param o moon2m.tcp.client | moon2m.tcp.server
---@param fn fun(conn: moon2m.conn)
---@return moon2m.tcp handle
function cse.tcp(o, fn) end

---A serial line or any other terminal device. A device that is unplugged is opened again.
---
---```lua
---cse.serial("/dev/ttyUSB0", { baud = 9600, line = true }, function(line) cse.add("/meter", line) end)
---```
---@param device string absolute path
---@param o moon2m.serial.options
---@param fn fun(data: string, port: moon2m.serial) a line without its end with `line`, else bytes as they come
---@return moon2m.serial handle
function cse.serial(device, o, fn) end

---A client of an MQTT broker. It connects again by itself, subscribes again, and what was published
---with qos 1 or 2 leaves with the next connection.
---
---```lua
---local broker = cse.mqtt({ host = "broker", topics = { "plant/+/temp" } },
---  function(topic, payload) cse.add("/" .. topic, payload) end)
---```
---@param o moon2m.mqtt.options
---@param fn fun(topic: string, payload: string, info: moon2m.mqtt.info, broker: moon2m.mqtt)
---@return moon2m.mqtt handle
function cse.mqtt(o, fn) end

---Requests to HTTP servers, as verbs: they wait for the answer without blocking the server. TLS
---servers are verified against the system's authorities. Redirects are not followed: a 3xx is an
---answer.
cse.http = {}

---Reads a URL.
---
---```lua
---local r, err = cse.http.get("https://host/path", { timeout = 5 })
---if r and r.status == 200 then cse.add("/weather", r.body) end
---```
---@async
---@param url string `"http://..."` or `"https://..."`
---@param o? moon2m.http.options
---@return moon2m.http.answer? answer any status
---@return moon2m.err? err no answer, too late, or larger than `max`
function cse.http.get(url, o) end

---Deletes what a URL names.
---@async
---@param url string
---@param o? moon2m.http.options
---@return moon2m.http.answer? answer any status
---@return moon2m.err? err no answer, too late, or larger than `max`
function cse.http.delete(url, o) end

---Posts a text, or a table as JSON.
---
---```lua
---cse.http.post("http://host/in", { temp = 21.5 })
---```
---@async
---@param url string
---@param body? string | number | table
---@param o? moon2m.http.options
---@return moon2m.http.answer? answer any status
---@return moon2m.err? err no answer, too late, or larger than `max`
function cse.http.post(url, body, o) end

---Puts a text, or a table as JSON.
---@async
---@param url string
---@param body? string | number | table
---@param o? moon2m.http.options
---@return moon2m.http.answer? answer any status
---@return moon2m.err? err no answer, too late, or larger than `max`
function cse.http.put(url, body, o) end

---Any method, with a body or without.
---
---```lua
---cse.http.request(url, { method = "PATCH", body = { on = true } })
---```
---@async
---@param url string
---@param o? moon2m.http.options
---@return moon2m.http.answer? answer any status
---@return moon2m.err? err no answer, too late, or larger than `max`
function cse.http.request(url, o) end

---Options of `cse.udp`.
---@class moon2m.udp.options
---@field port integer 0: any free one, see `udp:port()`
---@field host? string numeric address to listen on; `"*"`: any; default `gateways.host`
---@field parallel? integer datagrams that are handled at the same time, 1 (default) to 64

---What `cse.udp` returns.
---@class moon2m.udp
local udp = {}

---Sends a datagram. Never waits.
---@param to string address as handlers get it: `"10.0.0.7:900"`, `"[::1]:900"`
---@param data string | number
---@return true? sent
---@return moon2m.err? err 5103: the system refused it
function udp:send(to, data) end

---The port on which it listens: with `port = 0` the one that the system chose.
---@return integer port
function udp:port() end

---Closes the socket; a reload of the script opens it again.
function udp:close() end

---Options of `cse.tcp` for a client.
---@class moon2m.tcp.client
---@field host string name or address
---@field port integer 1 to 65535
---@field tls? boolean TLS, verified for `host` (default false)
---@field ca? string PEM file, absolute: who issues the peer's certificate (default `outgoing.ca`)
---@field cert? string PEM file, absolute: the certificate to show, with its chain; with `key`
---@field key? string PEM file, absolute: the key of `cert`
---seconds before it connects again, 5 by default; twice as long after each failure, at most a
---minute; false: never
---@field reconnect? number | false
---@field timeout? number seconds to connect, 10 by default

---Options of `cse.tcp` for a server.
---@class moon2m.tcp.server
---@field listen integer port; 0: any free one, see `tcp:port()`
---@field host? string numeric address to listen on; `"*"`: any; default `gateways.host`
---@field max? integer connections at the same time, 64 by default

---What `cse.tcp` returns.
---@class moon2m.tcp
local tcp = {}

---A client's write to its peer; waits while that takes nothing.
---@async
---@param data string | number
---@param seconds? number how long to wait at most
---@return true? written
---@return moon2m.err? err 5103: not connected; 4008: the peer takes nothing
function tcp:write(data, seconds) end

---The open connections; of a client at most one.
---@return moon2m.conn[] list
function tcp:connections() end

---A server's port: with `listen = 0` the one that the system chose.
---@return integer port
function tcp:port() end

---Closes all connections and ends connecting or listening until the script is loaded again.
function tcp:close() end

---A TCP connection, as the function of `cse.tcp` gets it.
---@class moon2m.conn
---@field peer string address of the other end
---@field resumed boolean the connection was taken over from the version before the reload
local conn = {}

---Reads, and waits for it. When the peer has closed, the next read gives `nil, err`, the one after
---it raises `closed`, which ends the function quietly.
---
---```lua
---local head = conn:read(8)
---local line = conn:read("line", 5)
---```
---@async
---@param how? integer | "line" | "all" | "some" so many bytes, a line, all to the end, or what is there
---@param seconds? number how long to wait at most; what came by then stays
---@return string? data
---@return moon2m.err? err 5103: closed; 4008: too late
function conn:read(how, seconds) end

---Writes; waits while the peer does not take what was written before.
---@async
---@param data string | number
---@param seconds? number how long to wait at most
---@return true? written
---@return moon2m.err? err 5103: closed; 4008: the peer takes nothing
function conn:write(data, seconds) end

---Closes it; what was written still leaves.
function conn:close() end

---Options of `cse.serial`.
---@class moon2m.serial.options
---@field baud? integer 9600 by default
---@field bits? integer 5 to 8 (default)
---@field parity? "none" | "even" | "odd" `"none"` by default
---@field stop? integer 1 (default) or 2
---@field rtscts? boolean hardware flow control (default false)
---@field line? boolean hand over whole lines, without their end (default false: bytes)
---@field reconnect? number | false seconds before it is opened again, 5 by default; false: never

---What `cse.serial` returns.
---@class moon2m.serial
local serial = {}

---Writes; waits when the line is slower than what is written.
---@async
---@param data string | number
---@param seconds? number how long to wait at most
---@return true? written
---@return moon2m.err? err 5103: the device is not open; 4008: it takes nothing
function serial:write(data, seconds) end

---The same as `serial:write`.
---@async
---@param data string | number
---@param seconds? number
---@return true? written
---@return moon2m.err? err
function serial:send(data, seconds) end

---Closes the device until the script is loaded again.
function serial:close() end

---Options of `cse.mqtt`.
---@class moon2m.mqtt.options
---@field host string name or address of the broker
---@field port? integer 1883 by default, 8883 with `tls`
---@field id? string client identifier; with one the broker keeps the session (`clean`)
---@field user? string who one is to the broker
---@field password? string for `user`
---@field tls? boolean TLS, verified for `host` (default false)
---@field ca? string PEM file, absolute: who issues the peer's certificate (default `outgoing.ca`)
---@field cert? string PEM file, absolute: the certificate to show, with its chain; with `key`
---@field key? string PEM file, absolute: the key of `cert`
---filters to subscribe to: a list, or `["plant/#"] = 1` for a qos of its own
---@field topics? table<integer | string, string | integer>
---@field qos? integer 0 (default), 1 or 2: of subscriptions and of what is published
---what the broker publishes when this client is lost
---@field will? moon2m.mqtt.will
---@field keepalive? integer seconds, 60 by default
---@field clean? boolean the broker forgets the session (default: true without `id`)
---@field reconnect? number seconds before it connects again, 2 by default
---@field parallel? integer messages that are handled at the same time, 1 (default) to 64

---What a broker publishes when its client is lost.
---@class moon2m.mqtt.will
---@field topic string without `+` and `#`
---@field payload? string nothing by default
---@field qos? integer 0 (default), 1 or 2
---@field retain? boolean the broker keeps it (default false)

---How `mqtt:publish` sends.
---@class moon2m.mqtt.publish.options
---@field qos? integer 0, 1 or 2; that of the declaration by default
---@field retain? boolean the broker keeps it (default false)
---@field timeout? number seconds to wait at most while the queue is full

---What a message was sent with.
---@class moon2m.mqtt.info
---@field qos integer 0, 1 or 2
---@field retain boolean the broker had kept it

---What `cse.mqtt` returns.
---@class moon2m.mqtt
local mqtt = {}

---Publishes; waits while the queue of what is to leave is full. With qos 0 it fails without a
---connection, with 1 and 2 it leaves with the next.
---
---```lua
---broker:publish("plant/pump1/cmd", "stop", { qos = 1 })
---```
---@async
---@param topic string without `+` and `#`
---@param payload string | number
---@param o? moon2m.mqtt.publish.options
---@return true? queued
---@return moon2m.err? err 5103: not connected; 4008: the queue is full
function mqtt:publish(topic, payload, o) end

---Subscribes to a further filter, now and after each connection.
---@param topic string
---@param qos? integer as declared when absent
---@return true? done
---@return moon2m.err? err 5103: the broker does not take it
function mqtt:subscribe(topic, qos) end

---Ends a subscription.
---@param topic string the filter as it was given
---@return true? done
---@return moon2m.err? err
function mqtt:unsubscribe(topic) end

---Whether the broker is connected now.
---@return boolean connected
function mqtt:connected() end

---Leaves the broker until the script is loaded again.
function mqtt:close() end

---Options of `cse.http`.
---@class moon2m.http.options
---@field headers? table<string, string | number> headers of the request
---@field timeout? number seconds for the answer, 10 by default
---@field max? integer bytes of the answer's body at most
---@field body? string | number | table of `cse.http.request`; a table is sent as JSON
---@field method? string of `cse.http.request`, in capitals; `"GET"` by default

---What an HTTP server answered.
---@class moon2m.http.answer
---@field status integer 200, 404, ...
---@field headers table<string, string> names in lower case; repeated ones joined with `, `
---@field body string the whole of it
