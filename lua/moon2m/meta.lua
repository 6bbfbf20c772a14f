---@meta moon2m
-- What a script sees as `cse`: `local cse = require "moon2m"`.  Never loaded: editors read it, and
-- the reference, `moon2m help` and the console's help() are made from it.  A section's text stands
-- below its title; a type that is used here is declared here or in the files of meta/.

-- ---- Declarations ------------------------------------------------------------------------------

---They say what a script adds to the server, belong at its top level, and do nothing else while it
---loads: so loading is a transaction, and a reload is safe. Inside a handler they raise an error.
---
---`where` is a path below the CSEBase, such as `"/home/*/temp"`: `*` stands for one level, `**` for
---any number of levels, and what the stars stand for is handed to the function as `[1]`, `[2]`, ...
---It is matched against the address of the request; "a create in this container" is written with
---the container's path.

---The server as one script sees it. Each script has its own.
---@class moon2m.cse
local cse = {}

---Settings with their defaults. What the operator gives in the configuration (`scripts = { NAME = {
---... } }`, NAME being the file's name without `.lua`) takes their place, and must be of the same
---type. A setting that is not declared here, or of another type, is an error of the configuration:
---the script is not loaded. Reading one that is not declared is an error, too.
---
---```lua
---local cfg = cse.config { port = 5700, window = 60 }
---```
---@param defaults table<string, any> name = default value
---@return table<string, any> settings a new table with the values that hold
function cse.config(defaults) end

---A table in memory that outlives reloads of the script: what the old version left in it, and the
---defaults for what is not there yet. It is gone when the server ends; what must survive that
---belongs into resources.
---
---```lua
---local devices = cse.state { devices = {} }.devices
---```
---@param defaults? table<string, any> name = value while there is none
---@return table<string, any> state the same table after each reload
function cse.state(defaults) end

---Lowers what one run of this script's code may use; it cannot raise what the operator allows
---(`budgets` in the configuration). Code that uses more is stopped, with file and line in the log,
---even inside `pcall`. Between its verbs a call may run for ten times the time of a slice in all,
---and it may use 1,000 verbs (those of timers and sockets 10,000, `cse.start` 100,000), fewer with
---`verbs`; the operator can change both. The function of a `cse.tcp` connection may go on for ever.
---
---```lua
---cse.budget { time = 0.005, memory = "8M", verbs = 20 }
---```
---@param limits moon2m.budget
function cse.budget(limits) end

---Decides who may do what, before anything else looks at the request. The function returns `true`
---(granted, even if the access control policies say otherwise, unless the configuration has
---`policies = "restrict"`), `false` and a reason (refused, 4103), or nothing: no opinion, the next
---policy and then the resource's own decide. It may wait (2 s in all), for example for `cse.http`.
---
---If it fails, or gives another verdict than these, the request is refused: 4103. The verbs of
---scripts are asked too (but for lists of `cse.latest`): their `req.fr` is the CSE-ID, `"/moon"`.
---
---```lua
---cse.policy("/home/**", function(req, res)
---  if req.fr == res.cr then return true end
---  if req.op ~= "retrieve" then return false, "only its creator changes this" end
---end)
---```
---@param where string path pattern of the resource that is asked for
---@param fn fun(req: moon2m.request, res: moon2m.resource): boolean?, string?
function cse.policy(where, fn) end

---Looks at a request that is granted, before anything is stored. `false` and a reason refuse it,
---with 4000 or the response status code that is returned third. What it changes in `req.pc` is what
---is stored.
---
---If it fails, or its verdict is anything but true, false or nil, the request is refused with 5000
---and nothing is stored.
---
---```lua
---cse.check("create", "/home/*/temp", function(req)
---  if req.ty == 4 and not tonumber(req.pc.con) then return false, "a number was expected" end
---end)
---```
---@param op moon2m.op which operation
---@param where string path pattern of the address: of a create, the parent's
---@param fn fun(req: moon2m.request): boolean?, string?, integer?
function cse.check(op, where, fn) end

---Reacts to a change after it is stored and acknowledged: `create` in a container, an `update`, a
---`delete`; `retrieve` and `notify` after they were answered. What the function returns is ignored.
---One event at a time is handled per rule, in the order of the changes, unless
---`{ parallel = n }` allows more. It may wait, 30 s in all.
---
---If it fails, what was stored stays, and the event is parked: it is handled again after a reload,
---at a start, and by `moon2m replay NAME`, also over a crash; `ev.at` is the same then. Five
---failures in a row let the rule rest for 30 s. At most `limits.parked` events wait for a script.
---
---```lua
---cse.on("create", "/home/*/temp", function(ev)
---  cse.log.info("%s in %s", tostring(ev.res.con), ev[1])
---end)
---```
---@param op moon2m.op which operation
---@param where string path pattern of the address: of a create, the parent's
---@param fn fun(ev: moon2m.event)
---@param opts? moon2m.on.options
function cse.on(op, where, fn, opts) end

---A resource that is a function: a retrieve of that path is answered with what it returns, in the
---shape of a contentInstance. `nil`: it is not there (4004).
---
---If it fails, this reader gets 5000; nobody else notices.
---
---```lua
---cse.virtual("/home/*/temp/age", function(req)
---  local cin = cse.latest("/home/" .. req[1] .. "/temp")
---  return cin and { con = cse.now() - cse.epoch(cin.ct) }
---end)
---```
---@param where string path pattern
---@param fn fun(req: moon2m.request): any
function cse.virtual(where, fn) end

---A notification format: what subscribers get. The function makes the body of one event, once for
---all targets; a table as body is sent as JSON; `nil`: nothing is sent. A subscription asks for it
---with the label `format:NAME`, an AE with the subprotocol NAME of its WebSocket. A format cannot
---wait: what it needs must be in its event.
---
---If it fails, the notifications are parked and made anew at the next start and with
---`moon2m notices --replay`; the change that caused them stands.
---
---```lua
---cse.format("line", function(n)
---  if n.res.con then return n.to .. " " .. n.res.con, "text/plain" end
---end)
---```
---@param name string letters, digits, `.`, `_` and `-`
---@param fn fun(n: moon2m.notice): (string | table)?, string?
---@param opts? moon2m.format.options
function cse.format(name, fn, opts) end

---A static page at a path of its own, for GET requests without oneM2M headers. It is read when the
---script loads, at most 1 MiB.
---
---```lua
---cse.page("/live", "live.html")
---```
---@param where string such as `"/live"`: a lower-case letter first
---@param source string | moon2m.page.text a file of the script's folder, or the text itself
---@param kind? string media type; known for html, js, css, json, svg, png, txt, and html for a text
function cse.page(where, source, kind) end

---Declares a resource type, a specialisation of flexContainer (`ty = 28` with `cnd`), or further
---attributes of a type that is there (`extends`). When the script goes, its resources can be read
---and deleted, nothing else.
---
---```lua
---cse.type { extends = "container", attrs = { { "unit", "string", create = "O", update = "O" } } }
---cse.type { ty = 28, name = "color", short = "cod:color", cnd = "org.example.color",
---  attrs = { { "red", "uint", create = "M", update = "O" } } }
---```
---@param spec moon2m.type
function cse.type(spec) end

---Calls the function again and again. A timer never piles up: what is overdue runs once. After a
---reload a timer with the same period goes on in its phase.
---
---If it fails, the failure is in the log and the timer goes on.
---
---```lua
---cse.every(30, function() cse.add("/host/alive", "yes") end)
---```
---@param seconds number above 0, the time between two calls; a leap year at most
---@param fn fun()
function cse.every(seconds, fn) end

---Calls the function once a day, at a local time of day.
---
---```lua
---cse.at("07:30", function() cse.add("/home/blinds/cmd", "up") end)
---```
---@param hhmm string from `"00:00"` to `"23:59"`
---@param fn fun()
function cse.at(hhmm, fn) end

---Runs when the script counts: after the start of the server, and after each reload. Here verbs
---work first. If it fails, the script stays loaded.
---
---```lua
---cse.start(function() cse.ensure("/plant", "container", { mni = 1000 }) end)
---```
---@param fn fun()
function cse.start(fn) end

---Runs before the script goes: at a reload (after the new version has started), and before the
---server ends. It has 2 s.
---
---```lua
---cse.stop(function() cse.log.info("bye") end)
---```
---@param fn fun()
function cse.stop(fn) end

-- ---- Verbs --------------------------------------------------------------------------------------

---They act, and work inside handlers and `cse.start`. They look synchronous and never block the
---server: the handler waits, everything else goes on.
---
---What they hand out are copies: plain tables of oneM2M short names, without the wrapper
---(`m2m:cin`). An expected failure is `nil, err` with `err.rsc`, the response status code, and
---`err.msg`; `tostring(err)` has both. Wrong use raises an error at the caller's line.
---
---Requests of scripts come from the CSE itself, which may do everything; `cse.request` can speak
---for another originator. Each carries a hop count: the ninth handler that a handler led to is
---refused, with the chain of paths in the log.
---
---A path such as `"/plant/temp"` is below the CSEBase, `"/"` the CSEBase itself; anything else is
---an address as on the wire (`"//domain/cse/..."`, a resource identifier).
---
---Lua cannot wait inside `table.sort` and `string.gsub` callbacks: collect there, act afterwards.

---Creates a resource.
---
---```lua
---local cnt, err = cse.create("/plant", "container", { rn = "temp", mni = 1000 })
---if not cnt then return cse.log.warn("no container: %s", tostring(err)) end
---```
---@async
---@param to string path of the parent
---@param kind string | integer `"container"`, `"cnt"` or 3; of a specialisation `"cod:color"`
---@param attrs? table<string, any> attributes; `rn` names it, else the server does
---@return moon2m.resource? resource as it was stored
---@return moon2m.err? err 4004: no such parent; 4105: the name is taken; 4000: an attribute
function cse.create(to, kind, attrs) end

---Reads a resource.
---
---```lua
---local ae = cse.retrieve("/thermostat")
---```
---@async
---@param to string path, also of a virtual child: `"/plant/temp/la"`
---@return moon2m.resource? resource
---@return moon2m.err? err 4004: there is none
function cse.retrieve(to) end

---Changes attributes of a resource. To remove one, say `null` in JSON:
---`cse.request { op = "update", to = path, pc = '{"m2m:cnt":{"mni":null}}' }`.
---
---```lua
---cse.update("/plant/temp", { mni = 100 })
---```
---@async
---@param to string path
---@param attrs table<string, any> the attributes that change
---@return moon2m.resource? resource as it is now
---@return moon2m.err? err 4004: there is none; 4000: an attribute
function cse.update(to, attrs) end

---Deletes a resource with all that is below it.
---
---```lua
---cse.delete("/plant/temp")
---```
---@async
---@param to string path
---@return true? done
---@return moon2m.err? err 4004: there is none
function cse.delete(to) end

---Adds a reading to a container (a contentInstance) or to a timeSeries (a timeSeriesInstance, of
---now unless `dgt` says otherwise: a timestamp, or seconds since 1970).
---
---```lua
---cse.add("/plant/temp", 21.5, { lbl = { "room:2" } })
---cse.add("/plant/power", 230, { dgt = cse.now() - 1 })
---```
---@async
---@param container string path
---@param content any a text, a number, a boolean or a table: stored as JSON, comes back as it was
---@param attrs? table<string, any> further attributes
---@return moon2m.res.content_instance? cin
---@return moon2m.err? err 4004: no such container; 4105: one of that time is there; 5207: too large
function cse.add(container, content, attrs) end

---The newest reading of a container; with a number a list of the newest ones, newest first. Fewer
---than `n`, or none, are no failure of the list.
---
---```lua
---local cin = cse.latest("/plant/temp")
---for _, one in ipairs(cse.latest("/plant/temp", 60)) do sum = sum + one.con end
---```
---@async
---@param container string path
---@param n? integer how many, at least 1
---@return (moon2m.res.content_instance | moon2m.res.content_instance[])? newest with `n` a list
---@return moon2m.err? err 4004: no such container, or without `n` nothing in it
function cse.latest(container, n) end

---The resource at a path: retrieved, or created when it is not there. Parents that are missing
---become containers. Attributes count for a new one only.
---
---```lua
---cse.ensure("/plant/pump1/temp", "container", { mni = 1000 })
---```
---@async
---@param path string the last part becomes its name
---@param kind string | integer as for `cse.create`
---@param attrs? table<string, any> attributes of a new one
---@return moon2m.resource? resource
---@return moon2m.err? err why it could be neither read nor made
function cse.ensure(path, kind, attrs) end

---The general form of all of the above: any operation, by any originator, with filter criteria.
---
---```lua
---local uris = cse.request { op = "retrieve", to = "/plant", fc = { fu = 1, ty = 3 } }
---```
---@async
---@param r moon2m.request.fields
---@return any content without its wrapper; `true` when there is none
---@return moon2m.err? err
function cse.request(r) end

---Waits. No longer than the handler may last in all.
---
---```lua
---cse.sleep(0.5)
---```
---@async
---@param seconds number from 0 on
function cse.sleep(seconds) end

---Waits until another handler of the script says `cse.wake` for the same key: for an answer that
---comes another way, or for its turn. Everything else goes on meanwhile, so what was true before it
---may be otherwise after it: look again. Without `seconds` as long as the handler may last.
---
---```lua
---while busy[line] do cse.wait(line) end      -- one at a time on a line
---busy[line] = true
---local ok, err = pcall(ask, line)
---busy[line] = nil
---cse.wake(line)
---```
---@async
---@param key any what both mean: a text, a number, a table such as a connection
---@param seconds? number how long to wait at most, from 0 on
---@return true? woken
---@return any value what `cse.wake` handed over, one or several; else the error, 4008: not woken
function cse.wait(key, seconds) end

---Lets all handlers of the script that wait for the key go on, in the order they came; what follows
---the key is handed to each. Never waits.
---
---```lua
---cse.mqtt({ host = "broker", topics = { "answer/+" } }, function(topic, payload)
---  cse.wake(topic, payload)                 -- whoever said cse.wait("answer/pump1", 5)
---end)
---```
---@param key any
---@param ... any
---@return integer count how many waited
function cse.wake(key, ...) end

---Runs a function beside the handler, at once; the handler does not wait for it. It has the budget
---of `cse.on`. Its failure is in the log; after five in a row nothing is started from this place
---for 30 s. 1,000 functions of a script may wait or run.
---
---```lua
---cse.spawn(function() cse.http.post(url, body) end)
---```
---@param fn fun()
function cse.spawn(fn) end

-- ---- Helpers ------------------------------------------------------------------------------------

---They work everywhere, also while the script loads, and never wait.

---A Lua value as JSON text. The keys of a table are sorted; sequences are arrays, other tables
---objects. Functions and endless tables raise an error.
---
---```lua
---cse.json { v = 21.5, ok = true, list = cse.array {} }
---```
---@param v any
---@return string json
function cse.json(v) end

---A Lua value as CBOR bytes (RFC 8949), for binary formats. `n.sur`, `n.cr` and `n.rqi` of a format
---have no place in it: they are filled in later.
---
---```lua
---cse.format("tiny", function(n) return cse.cbor { n.res.con } end, { binary = true })
---```
---@param v any
---@return string bytes
function cse.cbor(v) end

---JSON text as a Lua value; `nil` and a message when it is malformed.
---
---```lua
---local v, why = cse.parse('{"t":21.5}')
---```
---@param s string
---@return any value
---@return string? message what is wrong with the text
function cse.parse(s) end

---Marks a table as an array, so that it is `[]` in JSON when it is empty.
---
---```lua
---cse.json(cse.array {})      -- []
---```
---@param t? table a new one when none is given
---@return table array the same table
function cse.array(t) end

---The time: seconds since 1970, with fraction. In `moon2m test` it is the test's clock.
---@return number seconds
function cse.now() end

---A oneM2M timestamp (`ct`, `lt`, `et`: `"20260101T090000,123456"`, UTC) as seconds since 1970.
---
---```lua
---local age = cse.now() - cse.epoch(cin.ct)
---```
---@param ct? string
---@return number? seconds nil: it is no timestamp, or there is none
function cse.epoch(ct) end

---A small file that the operator allows scripts to read (`read = { "/proc/**" }` in the
---configuration), at most 64 KiB.
---
---```lua
---local load = cse.read("/proc/loadavg")
---```
---@param file string absolute path
---@return string? text
---@return moon2m.err? err 4103: not allowed; 4004: not there
function cse.read(file) end

---Lines in the server's log, under `script.NAME`. With one argument the text is taken as it is,
---with more it is a format of `string.format`.
cse.log = {}

---For the developer; hidden unless the configuration has `log = { level = "debug" }`.
---@param fmt any a format, or anything that is to be seen
---@param ... any
function cse.log.debug(fmt, ...) end

---What happened as it should.
---@param fmt any a format, or anything that is to be seen
---@param ... any
function cse.log.info(fmt, ...) end

---What should be looked at.
---
---```lua
---cse.log.warn("bad datagram from %s: %q", from, data)
---```
---@param fmt any a format, or anything that is to be seen
---@param ... any
function cse.log.warn(fmt, ...) end

---What went wrong.
---@param fmt any a format, or anything that is to be seen
---@param ... any
function cse.log.error(fmt, ...) end

-- ---- What a script has of Lua -------------------------------------------------------------------

---Scripts are LuaJIT 2.1 (Lua 5.1 and `bit`), run interpreted, each in an environment of its own
---with copies of `string` (no `dump`), `table`, `math`, `bit`, `coroutine`, of `os` the clocks
---(`time`, `date`, `clock`, `difftime`), and `print`, which writes to the log. There is no `io`,
---`debug`, `ffi`, `jit`, `package`, `dofile`, `loadfile`; `load` takes text; `collectgarbage` only
---`"count"`. Reading or assigning a global that was not declared is an error.
---
---`require` finds `moon2m`, `moon2m.rsc`, `moon2m.kinds`, `moon2m.schedule`, `bit`, Lua files of
---the script's own folder, and the pure Lua rocks that the configuration lists (`rocks`).
---`trust = { NAME = "full" }` hands a script the real `io`, `os`, `ffi` and C modules: nothing
---contains its mistakes then.

return cse
