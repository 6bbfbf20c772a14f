-- Start and stop, and the functions that the C core calls by name.  `config` and `check` run
-- without network and store, so everything that needs those is required when it is needed first.
--
--   config(argv) -> table            the configuration; raises the text for the user
--   start()                          task: tree, scripts, sockets
--   request(id, req)                 task: one primitive; ends in core.cse.reply
--   identify(conn, how, text)        task: who a WebSocket connection speaks for
--   timer(id) delivered(list) lane(key) unknown_target(key) reformat(id, format, body)
--   polled(key) removal(sub, key)    tasks
--   weigh()                          task: what scripts keep is weighed
--   gateway(id)                      task: something about a socket of a script is new
--   hangup() changed(files)          tasks: scripts are loaded again
--   console(id, line) console_gone(id)   tasks: a line of a console; that it has gone
--   operator(id, line)               task: a command of the operator; ends in core.operator.answer
--   stop()                           task: the scripts' stop functions have run
--   check_config(file) -> list       moon2m check --config: its scripts; raises what is wrong
--   check(file) -> true | nil, text  moon2m check

local config = require "moon2m.config"
local sys = require "moon2m.core.sys"
local path = require "moon2m.path"

local boot = {}

local cfg, arguments             -- the configuration; the command line
local trusted = false            -- authorities of servers were set
local dispatch, core, timers     -- required by start()

-- ---- configuration ------------------------------------------------------------------------------

--- Reads the configuration and gives the names of this CSE to the library.
function boot.config(argv)
  arguments = argv
  cfg = config.load(argv.config, argv)
  path.configure { csi = cfg.cse.id, csn = cfg.cse.name, spi = cfg.cse.sp }
  return cfg
end

-- What loading a script depends on.
local function configure_scripts()
  require("moon2m.rule").set_budgets(cfg.budgets)
  require("moon2m.env").configure { trust = cfg.trust, rocks = cfg.rocks,
    rock_trees = cfg.rock_trees }
  require("moon2m.script").configure { scripts = cfg.scripts, read = cfg.read }
end

-- Who may do everything; again when credentials become required.
local function configure_admin(admin)
  require("moon2m.access").configure { admin = admin, cse = cfg.cse.id,
    policies = cfg.policies, default = cfg.default_access }
  require("moon2m.request").configure { admin = admin, cse = cfg.cse.id,
    releases = cfg.cse.releases }
  require("moon2m.restore").configure(admin or cfg.cse.id)
end

local function configure()
  local name = cfg.notification.format
  if name ~= "m2m:sgn" then require("moon2m.event").set_default_format(name) end
  require("moon2m.op_create").configure(cfg.default_et)
  require("moon2m.announced").configure(cfg.announcement)
  require("moon2m.announce").configure(cfg.announcement.wait)
  require("moon2m.announce_send").configure(cfg.default_et)
  require("moon2m.types").configure { any_class = cfg.flex_children == "any",
    bad_request = cfg.flex_unknown == "bad_request" }
  require("moon2m.earlier").configure(cfg.limits.earlier)
  require("moon2m.op_notify").configure(cfg.notification.answer_time)
  require("moon2m.beacon").configure(cfg.notification.answer_time)
  require("moon2m.consult").configure(cfg.notification.answer_time)
  require("moon2m.blocking").configure { answer_time = cfg.notification.answer_time,
    wait_time = cfg.request_time }
  require("moon2m.event").configure { om_net = cfg.notification.om_net }
  require("moon2m.verify").configure { answer_time = cfg.notification.answer_time,
    verify_urls = cfg.notification.verify_urls, targets = cfg.limits.targets }
  require("moon2m.times").configure(cfg.request_time)
  require("moon2m.remote").configure(cfg.routes,
    require("moon2m.peer_tokens").read(cfg.outgoing.tokens))
  require("moon2m.polling").configure { release = cfg.notification.release }
  require("moon2m.passing").configure(cfg.notification.release)
  require("moon2m.nonblocking").configure { limit = cfg.limits.nonblocking,
    each = cfg.limits.nonblocking_each, keep = cfg.result_time, patience = cfg.flex_time }
  require("moon2m.removal").configure { action = cfg.notification.target_removal,
    answer_time = cfg.notification.answer_time }
  require("moon2m.defaults").configure(cfg.notification.batch_time)
  require("moon2m.aggregate").configure(cfg.notification.agn_key)
  require("moon2m.lane").configure(cfg.notification.max_count)
  configure_scripts()
  require("moon2m.park").configure { waiting = cfg.limits.parked,
    watched = arguments.watch == true }
  require("moon2m.gateway").configure(cfg.gateways)
  require("moon2m.weight").configure(cfg.limits.script_memory)
  require("moon2m.tree").limit(cfg.limits.cache)
end

-- ---- sockets ------------------------------------------------------------------------------------

local ANY = { ["0.0.0.0"] = true, ["::"] = true }

-- A host that others can use for a socket's address.
local function public_host(host)
  if ANY[host] then
    host = (sys.read("/proc/sys/kernel/hostname", 256) or ""):match("^[%w.-]+") or "127.0.0.1"
  end
  return host:find(":", 1, true) and "[" .. host .. "]" or host
end

local function listen_on(l)
  local port, why = core.listen { host = l.host, port = l.port, http = l.http, ws = l.ws,
    tls = l.tls }
  if not port then error(("cannot listen on %s:%d: %s"):format(l.host, l.port, why), 0) end
  sys.log("info", "boot", ("listening host=%s port=%d http=%s ws=%s tls=%s"):format(l.host, port,
    tostring(l.http), tostring(l.ws), tostring(l.tls == true)))
  return port
end

-- Certificates and authorities, at the start and at each reload; true, or nil and what is wrong:
-- then all is as it was before.
local function secure(c)
  local ca = c.outgoing.ca
  local allowed, reason = require("moon2m.outgoing").configure(c)
  if not allowed then return nil, reason end
  if c.tls.cert ~= "" then
    local ok, why = require("moon2m.core.tls").serve(c.tls)
    if not ok then return nil, why end
  end
  if ca == "" and not trusted then return true end
  trusted = true
  return require("moon2m.core.tls").trust(ca)
end

-- Listens everywhere; returns the sockets with their real ports, and the admin port or 0.
local function listen()
  local sockets = {}
  for i, l in ipairs(cfg.listen) do
    sockets[i] = { host = public_host(l.host), port = listen_on(l), http = l.http, ws = l.ws,
      tls = l.tls }
  end
  local admin = cfg.admin.port
  if admin ~= 0 then
    admin = listen_on { host = cfg.admin.host, port = admin, http = true, ws = false }
  end
  return sockets, admin
end

-- Those of HTTP, then those of WebSocket, each as fn(scheme, host, port); with TLS first.
local function each_address(sockets, fn)
  for _, kind in ipairs { "http", "ws" } do
    for _, tls in ipairs { true, false } do
      for _, l in ipairs(sockets) do
        if l[kind] and (l.tls == true) == tls then
          fn(kind .. (tls and "s" or ""), l.host, l.port)
        end
      end
    end
  end
end

-- "ready cse=/moon base=moon http=127.0.0.1:8080 ws=127.0.0.1:8080"
local function ready_line(sockets)
  local line = ("ready cse=%s base=%s"):format(cfg.cse.id, cfg.cse.name)
  each_address(sockets, function(scheme, host, port)
    line = ("%s %s=%s:%d"):format(line, scheme, host, port)
  end)
  return line
end

-- The CSEBase's points of access.
local function points_of_access(sockets)
  local list = {}
  each_address(sockets, function(scheme, host, port)
    list[#list + 1] = ("%s://%s:%d"):format(scheme, host, port)
  end)
  if cfg.url ~= "" then list[#list + 1] = cfg.url end
  return list
end

local function network(admin)
  local origins = cfg.limits.origins
  core.configure { admin_port = admin, request_time = cfg.request_time,
    open_cse = cfg.identity.open_cse,
    rvi = cfg.notification.release, origins = origins[1] and origins or nil }
end

-- ---- scripts ------------------------------------------------------------------------------------

-- Why a script must not be loaded now: nil, or what brought the server down when it ran.
local function why_off()
  local blame = require "moon2m.core.blame"
  local safe = cfg.safe and "--safe" or blame.safe()
  if safe then
    sys.log("warn", "boot", "safe mode, no script is loaded: " .. safe)
    return function() return "safe mode: " .. safe end
  end
  local reasons = {}
  for _, o in ipairs(blame.list()) do reasons[o.script] = o.reason end
  return function(name) return reasons[name], true end
end

local function load_script(script, file)
  local scope, why = script.load(file)
  if scope then return end
  if cfg.strict then error(why, 0) end
  script.keep_out(file, why)
  sys.log("error", "boot", "script not loaded: " .. why)
  sys.log("error", "boot", "the server runs without " .. file)
end

local function load_scripts()
  local script = require "moon2m.script"
  local off = why_off()
  for _, file in ipairs(cfg.apps) do
    local why, blamed = off(script.name_of(file))
    if why then
      script.leave_off(file, why, blamed)
    else
      load_script(script, file)
    end
  end
end

-- Settings for a script that is not there are allowed, and most often a name written wrong.
local function check_settings()
  local script, there = require "moon2m.script", {}
  for _, file in ipairs(cfg.apps) do there[script.name_of(file)] = true end
  for name in pairs(cfg.scripts) do
    if not there[name] then
      sys.log("warn", "boot", ("scripts.%s: settings of a script that is not loaded"):format(name))
    end
  end
end

-- A default format that no script declares would park every notice.
local function check_format()
  local name = cfg.notification.format
  if require("moon2m.format").get(name) then return end
  local text = ("notification.format: no script declares the format %s"):format(name)
  if cfg.strict then error(text, 0) end
  sys.log("error", "boot", text .. "; notices wait until one does")
end

local function start_scripts()
  local script = require "moon2m.script"
  for _, scope in ipairs(script.list()) do script.start(scope) end
end

-- The CSEBase tells which types there are.
local function types_changed()
  require("moon2m.base").ensure { releases = cfg.cse.releases }
end

local function read_credentials()
  local identity = require "moon2m.identity"
  local line, why = identity.reload()
  configure_admin(identity.administrator(cfg))
  return line, why
end

local function open_reload()
  require("moon2m.parts.types").gone = types_changed
  require("moon2m.reload").open { config = cfg,
    load = function() return config.load(arguments.config, arguments) end,
    apply = function(c)
      require("moon2m.script").configure { scripts = c.scripts, read = c.read }
    end,
    secure = secure, done = types_changed,
    identity = read_credentials,
    watch = arguments.watch and require("moon2m.core.watch").set or nil }
end

-- ---- entries ------------------------------------------------------------------------------------

-- What is stored, and the modules that keep something of it in memory.
local function open_store()
  require("moon2m.tree").open()
  require("moon2m.orphans").drop()
  require("moon2m.opening").open()
  require("moon2m.policy").open()
  require("moon2m.remote").open()
  require("moon2m.far_policy").open()
  require("moon2m.node").open()
  require("moon2m.base").ensure { releases = cfg.cse.releases, boot = cfg.startup ~= nil }
  require("moon2m.monitor").open()
  require("moon2m.inactive").open()
  require("moon2m.polling").open()
end

-- What acts without being asked; when the sockets are open.
local function open_activities()
  require("moon2m.expire").start()
  require("moon2m.cross").start()
  require("moon2m.window").open()
  require("moon2m.missing").open()
  require("moon2m.series").open()
  require("moon2m.beacon").open()
  require("moon2m.action").open()
  require("moon2m.location").open()
  require("moon2m.announce").open()
  require("moon2m.group_check").open()
  require("moon2m.lane").open()
end

--- The server's start, in a task.  An error ends the process with its text.  prepare (tests): runs
-- when the tree is open and no script is loaded yet.
function boot.start(prepare)
  core = require "moon2m.core.cse"
  timers = require "moon2m.timers"
  dispatch = require "moon2m.dispatch"
  local base, identity = require "moon2m.base", require "moon2m.identity"
  identity.check_listen(cfg)
  local admin = identity.administrator(cfg)
  configure_admin(admin)
  configure()
  open_store()
  if prepare then prepare() end
  require("moon2m.park").open()
  load_scripts()
  check_settings()
  check_format()
  require("moon2m.nonblocking").open(dispatch.execute)
  if cfg.startup then require("moon2m.startup").apply(cfg.startup, admin or cfg.cse.id) end
  network(cfg.admin.port)
  local safe, why = secure(cfg)
  if not safe then error(why, 0) end
  local sockets, admin_port = listen()
  if admin_port ~= cfg.admin.port then network(admin_port) end
  require("moon2m.register").configure { service = cfg.notification.url,
    url = cfg.url ~= "" and cfg.url or nil, listen = sockets }
  base.ensure { releases = cfg.cse.releases, poa = points_of_access(sockets) }
  open_activities()
  start_scripts()
  require("moon2m.core.blame").ready()
  open_reload()
  core.replay()                -- notices whose format is there now
  sys.log("info", "boot", ready_line(sockets))
end

--- One primitive, in a task of its own.
function boot.request(id, req)
  local code, pc, extra = dispatch.perform(req)
  if not core.reply(id, code, pc, extra) and extra and extra.undelivered then
    extra.undelivered()
  end
end

function boot.identify(conn, how, text, format)
  return require("moon2m.register").identify(conn, how, text, format)
end

function boot.timer(id)
  return timers.fire(id)
end

--- Lua holds much: what scripts keep is weighed.
function boot.weigh()
  return require("moon2m.weight").round()
end

function boot.delivered(list)
  return require("moon2m.expire").all_delivered(list)
end

function boot.lane(key)
  if require("moon2m.target").is_local(key) then return require("moon2m.cross").lane(key) end
  if require("moon2m.target").of_lane(key) then return require("moon2m.forward").lane(key) end
  return require("moon2m.lane").wake(key)
end

function boot.unknown_target(key)
  return require("moon2m.register").unknown_target(key)
end

--- An event whose format had failed is tried again.
function boot.reformat(id, name, body)
  if not require("moon2m.format").get(name) then
    return core.reformat(id, { format_failed = name }, body)
  end
  return core.reformat(id, require("moon2m.event").reformat(name, body))
end

function boot.removal(sub, key)
  return require("moon2m.removal").indicated(sub, key)
end

--- SIGHUP.
function boot.hangup()
  sys.log("info", "boot", "SIGHUP: reading configuration and scripts again")
  return require("moon2m.reload").run()
end

--- Files of scripts were written; one path a line.
function boot.changed(files)
  return require("moon2m.reload").changed(files)
end

--- A command of the operator that the C core has not.
function boot.operator(id, line)
  require("moon2m.core.operator").answer(id, require("moon2m.operator").perform(line))
end

--- Something about a socket of a script is new.
function boot.gateway(id)
  return require("moon2m.gateway").changed(id)
end

--- A line of a console.
function boot.console(id, line)
  return require("moon2m.console").line(id, line)
end

function boot.console_gone(id)
  return require("moon2m.console").gone(id)
end

function boot.polled(key)
  return require("moon2m.polling").polled(key)
end

function boot.stop()
  require("moon2m.expire").stop()
  require("moon2m.script").stop_all()
  require("moon2m.lane").stop()
  require("moon2m.statistics").save()
end

-- ---- moon2m check -------------------------------------------------------------------------------

-- Stands where a core module would be that needs a running server.
local function absent(name)
  if package.loaded[name] or package.preload[name] then return end
  package.loaded[name] = setmetatable({}, { __index = function(_, key)
    return function() error(name .. "." .. key .. " needs a running server", 2) end
  end })
end

local function without_server()
  absent "moon2m.core.cse"
  absent "moon2m.core.store"
  absent "moon2m.core.gateway"
end

--- Scripts are checked under this configuration file, not under the defaults; its `apps`.
function boot.check_config(file)
  without_server()
  boot.config { config = file }
  configure_scripts()
  return cfg.apps
end

--- Loads a script as the server would and throws it away.
function boot.check(file)
  without_server()
  return require("moon2m.script").try(config.script_file(file))
end

return boot
