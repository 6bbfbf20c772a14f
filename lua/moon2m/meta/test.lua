---@meta moon2m.test
-- The harness of tests: `local t = require "moon2m.test"` in a file that `moon2m test` runs.

-- ---- Tests --------------------------------------------------------------------------------------

---`moon2m test` runs the tests of files, folders, or of `*_test.lua` here and in `apps/`. A test
---runs in the process of the command: the library is the server's, the store is in memory, the
---clock is the test's, sockets and notifications are written down instead of sent.
---
---A test also fails when it leaves behind a script error that it did not expect, a parked event or
---notification, code that never ends, or an open handle.

---The harness.
---@class moon2m.test
local t = {}

---One test. Under busted it becomes an `it`.
---
---```lua
---t.test("readings are counted", function()
---  local h = t.host { scripts = { "count.lua" }, tree = { ["/a"] = { ty = "container" } } }
---  t.ok(h:create("/a", "20"))
---  t.equal(h:latest("/a-count"), 1)
---end)
---```
---@param name string
---@param fn fun()
function t.test(name, fn) end

---A CSE in the test's process, with a clock of its own. One exists at a time; it ends with the
---test.
---@param o? moon2m.test.options
---@return moon2m.host host
function t.host(o) end

---The same methods over `moon2m run` on a free port, in a process of its own. What cannot be done
---to a real server (`advance`, `files`, `now`, the other end of its devices) is refused.
---@param o? moon2m.test.options
---@return moon2m.host host
function t.server(o) end

---The same value (`==`).
---@param got any
---@param want any
---@param note? any said in front of a failure's message
---@return any got
function t.equal(got, want, note) end

---The same content, deep. JSON text counts as what it says.
---
---```lua
---t.same(h:latest("/a"), { min = 10, max = 30 })
---```
---@param got any
---@param want any
---@param note? any
---@return any got
function t.same(got, want, note) end

---It is nil.
---@param got any
---@param note? any
function t.is_nil(got, note) end

---Neither nil nor false; a failure says why (the second value of `nil, err`).
---
---```lua
---local cnt = t.ok(h:retrieve("/a"))
---```
---@param got any
---@param note? any
---@param ... any
---@return any got and all further arguments
function t.ok(got, note, ...) end

---A text (or an err) in which the Lua pattern is found.
---@param got any
---@param pattern string
---@param note? any
---@return any got
function t.match(got, pattern, note) end

---The function raises an error.
---@param fn fun()
---@param pattern? string Lua pattern that is found in the error's text
---@return any error what it raised
function t.raises(fn, pattern) end

---A request that was refused with this response status code.
---
---```lua
---t.refused(4103, h:as("Cguest"):retrieve("/a"))
---```
---@param code integer
---@param got any
---@param err? any
---@return moon2m.err err
function t.refused(code, got, err) end

---A value as text, as failures show it.
---@param v any
---@return string text
function t.show(v) end

---What `t.host` and `t.server` start with.
---@class moon2m.test.options
---files, as seen from here or from the test's folder; or `name = [[text]]`
---@field scripts? table<integer | string, string>
---@field config? table<string, table> settings of scripts: `{ stats = { window = 2 } }`
---@field server? table keys of the configuration file
---what is there when scripts load: path = `{ ty = "container", fr = who makes it, attributes }`;
---parents that are missing become containers; what is below an AE is made by it, the rest by the
---administrator
---@field tree? table<string, table>
---@field files? table<string, string> path = text that `cse.read` finds (host only)
---@field now? number seconds since 1970; else 2026-01-01 09:00 UTC (host only)

-- ---- A host -------------------------------------------------------------------------------------

---What a test does with the CSE of `t.host` or `t.server`. Requests are the administrator's unless
---`h:as` says otherwise; as in a script they give tables, or `nil, err`.

---A CSE under test.
---@class moon2m.host
local h = {}

---Creates an instance (`h:create(container, content)`), or anything (`h:create(parent, type,
---attributes)`).
---
---```lua
---h:create("/a", "21.5")
---h:create("/a", "subscription", { nu = { h:url("x") }, enc = { net = { 3 } } })
---```
---@param to string
---@param what any the content, or the type by name or number
---@param attrs? table<string, any>
---@return moon2m.resource? resource
---@return moon2m.err | integer err or the response status code
function h:create(to, what, attrs) end

---Reads a resource.
---@param path string
---@param query? string as in a URL: `"rcn=4"`
---@return any resource
---@return moon2m.err | integer err or the response status code
function h:retrieve(path, query) end

---Changes attributes.
---@param path string
---@param attrs table<string, any>
---@return moon2m.resource? resource as it is then
---@return moon2m.err | integer err or the response status code
function h:update(path, attrs) end

---Deletes a resource.
---@param path string
---@return any deleted
---@return moon2m.err | integer err or the response status code
function h:delete(path) end

---The general form, by any originator.
---
---```lua
---h:request { op = "retrieve", to = "/a", fr = "Cguest", query = "rcn=4" }
---```
---@param r { op: string | integer, to: string, fr?: string, ty?: any, pc?: any, query?: string }
---@return any content `true` when there is none
---@return moon2m.err | integer err or the response status code
function h:request(r) end

---The same host, asked by another originator.
---@param originator string `"Cguest"`
---@return moon2m.host host
function h:as(originator) end

---The content of the newest instance; with a number a list of contents, newest first.
---@param path string of the container
---@param n? integer
---@return any content
---@return moon2m.err? err
function h:latest(path, n) end

---The names of the direct children, sorted.
---@param path string
---@return string[]? names
---@return moon2m.err? err
function h:children(path) end

---A page of `cse.page`.
---@param path string
---@return { type: string, body: string }? page nil: there is none
function h:page(path) end

---Lets seconds of the host's clock pass: timers fire and sleepers go on, in order.
---@param seconds number
function h:advance(seconds) end

---The host's clock.
---@return number seconds since 1970
function h:now() end

---Calls the function until it returns something true. The clock of a host goes on meanwhile.
---@param fn fun(): any
---@param seconds? number 10 by default; then the test fails
---@return any value what it returned
function h:wait(fn, seconds) end

---The URL of a target of this test, for `nu`.
---@param name string
---@return string url
function h:url(name) end

---What was notified.
---@param which? string a target as in `nu`, or the path of a subscription; nil: all
---@return string[] bodies oldest first
---@return table[] about of each: type, target, frame, binary; of a host also sub and at
function h:notifications(which) end

---A datagram arrives at a UDP port of a script.
---@param port integer
---@param data string
---@param from? string `"10.0.0.7:900"`
function h:datagram(port, data, from) end

---Bytes arrive from a device or the peer of a connection.
---@param name string device, `"host:port"`, or what `h:connect` gave
---@param data string
function h:bytes(name, data) end

---A line arrives; its end is added.
---@param name string device, `"host:port"`, or what `h:connect` gave
---@param line string
function h:line(name, line) end

---Somebody connects to the TCP port that a script listens on.
---@param port integer
---@return string peer its name for `h:line` and the others
function h:connect(port) end

---The other end goes: a connection or the broker is closed, a device unplugged.
---@param name string
---@param why? string
function h:hangup(name, why) end

---From now on the name cannot be opened.
---@param name string device or `"host:port"`
---@param why? string nil: it can again
function h:offline(name, why) end

---A message is published at a broker.
---@param name string `"host:port"`
---@param topic string
---@param payload string
---@param o? { qos?: integer, retain?: boolean }
---@return integer receivers how many scripts had subscribed
function h:message(name, topic, payload, o) end

---Answers `cse.http` from now on: the function gets `method`, `url`, `headers`, `body`, `timeout`
---and returns status, body and headers, or `nil, why`: nobody answers.
---@param fn fun(request: table): integer?, string?, table?
function h:http(fn) end

---What scripts wrote, oldest first: `{ data }` to a device or connection, `{ to, data }` to a UDP
---port, `{ topic, data, qos, retain }` to a broker, `{ method, url, headers, data }` to `"http"`.
---@param name string | integer port, device, `"host:port"` or `"http"`
---@return table[] list
function h:sent(name) end

---The errors that scripts raised.
---@return table[] list of each: text, script, rule, event, fate, trace
function h:errors() end

---How many events wait for a script: parked because a `cse.on` rule failed, or not handled yet.
---@param name string of the script
---@return integer number
function h:parked(name) end

---Errors whose text matches belong to this test: they do not fail it, and it fails when none comes.
---@param pattern string
function h:expect_error(pattern) end

---The log.
---@param pattern? string Lua pattern
---@return { level: string, module: string, text: string }[] lines
function h:logged(pattern) end

---Loads a script's file again, as `moon2m reload` does.
---@param name string of the script
---@return true? done
---@return string? message why not: the old version goes on
function h:reload(name) end

---Writes a script into the host's folder.
---@param name string
---@param text string
---@return string path
function h:write(name, text) end

---Stops the server and starts it again on what it has stored.
function h:restart() end

---Stops it before the test ends.
function h:close() end

return t
