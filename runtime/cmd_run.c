/*
 * `moon2m run`: the server.  Brings the parts up in order, runs the loop, brings them down in
 * reverse: a first signal stops accepting, lets what is in flight finish (5 s at most) and exits 0,
 * a second one exits at once.
 */
#define _GNU_SOURCE
#include "cmd.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "blame.h"
#include "clock.h"
#include "guard.h"
#include "identity.h"
#include "jscan.h"
#include "limit.h"
#include "lua_child.h"
#include "lua_console.h"
#include "lua_cse.h"
#include "lua_identity.h"
#include "lua_operator.h"
#include "lua_gateway.h"
#include "lua_profile.h"
#include "lua_store.h"
#include "lua_sys.h"
#include "lua_outgoing.h"
#include "lua_tls.h"
#include "lua_watch.h"
#include "metrics.h"
#include "options.h"
#include "primitive.h"
#include "service.h"
#include "supervise.h"
#include "task.h"
#include "vm.h"

#define DRAIN_TIME 5000000 /* us, for what is in flight and the scripts' stop functions */
#define CLOSE_TIME 500000 /* us, for close frames to be answered */
#define TICK_SECONDS 0.02

enum phase { RUNNING, DRAINING, STOPPING, CLOSING };

static struct {
	struct run_options opts;
	struct run_config conf;
	struct net *net;
	struct store *store;
	bool notify_up;
	enum phase phase;
	bool stop_done; /* the boot module's entry stop has ended */
	struct net_timer *tick;
	int64_t until; /* monotonic: the phase ends at the latest */
	int code;
} srv;

/* ---- figures --------------------------------------------------------------------------------- */

static double read_lua_bytes(void *arg)
{
	(void)arg;
	return (double)vm_memory();
}

static double read_tasks(void *arg)
{
	(void)arg;
	return (double)task_count();
}

static double read_stops(void *arg)
{
	(void)arg;
	return (double)guard_stops();
}

static double read_queue_ops(void *arg)
{
	struct store_stats s;

	(void)arg;
	store_stats(srv.store, &s);
	return (double)s.queued_ops;
}

static double read_queue_bytes(void *arg)
{
	struct store_stats s;

	(void)arg;
	store_stats(srv.store, &s);
	return (double)s.queued_bytes;
}

static void register_metrics(void)
{
	static struct metric all[] = {
		{ .name = "moon2m_lua_bytes",
		  .help = "memory that Lua holds",
		  .kind = METRIC_GAUGE,
		  .read = read_lua_bytes },
		{ .name = "moon2m_tasks",
		  .help = "tasks running or waiting",
		  .kind = METRIC_GAUGE,
		  .read = read_tasks },
		{ .name = "moon2m_script_stops_total",
		  .help = "scripts stopped for using up their budget",
		  .kind = METRIC_COUNTER,
		  .read = read_stops },
		{ .name = "moon2m_store_queue_operations",
		  .help = "operations submitted to the store and not yet on disk",
		  .kind = METRIC_GAUGE,
		  .read = read_queue_ops },
		{ .name = "moon2m_store_queue_bytes",
		  .help = "bytes submitted to the store and not yet on disk",
		  .kind = METRIC_GAUGE,
		  .read = read_queue_bytes },
	};

	for (size_t i = 0; i < countof(all); i++)
		metric_register(&all[i]);
	limit_open();
}

/* ---- stopping -------------------------------------------------------------------------------- */

static bool stopped(void)
{
	struct store_stats s;

	store_stats(srv.store, &s);
	return srv.stop_done && primitive_count() == 0 && s.queued_ops == 0 && notify_drained();
}

static bool closed(void)
{
	const struct net_counts *c = net_counts(srv.net);

	return c->ws == 0 && c->ws_out == 0;
}

static void on_stopped(void *arg, bool ok, struct str error)
{
	(void)arg;
	(void)ok;
	(void)error;
	srv.stop_done = true;
}

/* Requests first: while they are answered, the scripts are still there. */
static void next_phase(bool late)
{
	if (srv.phase == DRAINING && (late || primitive_count() == 0)) {
		srv.phase = STOPPING;
		task_start("stop", NULL, NULL, on_stopped, NULL);
	} else if (srv.phase == STOPPING && (late || stopped())) {
		if (late)
			log_warn("run", "not everything finished in time requests=%zu tasks=%zu",
				 primitive_count(), task_count());
		srv.phase = CLOSING;
		srv.until = clock_mono() + CLOSE_TIME;
		net_close_all(srv.net, 1001);
	} else if (srv.phase == CLOSING && (late || closed())) {
		net_stop(srv.net, srv.code);
	}
}

static void on_tick(void *arg)
{
	(void)arg;
	next_phase(clock_mono() >= srv.until);
	net_timer_start(srv.tick, TICK_SECONDS);
}

static void begin_stop(int code)
{
	service_stopping();
	srv.code = code;
	srv.phase = DRAINING;
	srv.until = clock_mono() + DRAIN_TIME;
	net_unlisten(srv.net);
	net_drain(srv.net);
	net_timer_start(srv.tick, 0);
}

static void on_signal(void *arg, int signo)
{
	(void)arg;
	if (srv.phase != RUNNING) {
		log_warn("run", "second signal, exiting at once");
		_exit(CMD_FAILED);
	}
	log_info("run", "stopping signal=%s", signo == SIGINT ? "INT" : "TERM");
	begin_stop(CMD_OK);
}

/* ---- starting -------------------------------------------------------------------------------- */

static bool open_vm(struct err *e)
{
	if (!cmd_open_vm(srv.opts.lua_dir, false, 0, e))
		return false;
	vm_module("store", lua_store_open);
	vm_module("cse", lua_cse_open);
	vm_module("operator", lua_operator_open);
	vm_module("gateway", lua_gateway_open);
	vm_module("watch", lua_watch_open);
	vm_module("child", lua_child_open);
	vm_module("console", lua_console_open);
	vm_module("identity", lua_identity_open);
	vm_module("profile", lua_profile_open);
	vm_module("tls", lua_tls_open);
	return vm_boot("moon2m.boot", e) && lua_config_load(&srv.opts, &srv.conf, e);
}

static void apply_config(void)
{
	vm_set_cap(srv.conf.lua_memory);
	guard_stuck(srv.conf.stuck);
	jscan_members = srv.conf.json_members;
	jscan_depth = srv.conf.json_depth;
	primitive_limit = srv.conf.requests;
	if (srv.conf.has_log)
		log_set_level(srv.conf.log);
}

static void on_reloaded(void *arg, bool ok, struct str error)
{
	(void)arg;
	(void)error;
	if (srv.phase == RUNNING)
		service_ready(ok ? "reloaded" : "reload failed, see the log");
}

static void on_hangup(void *arg, int signo)
{
	(void)arg;
	(void)signo;
	if (srv.phase != RUNNING)
		return;
	service_reloading();
	task_start("hangup", NULL, NULL, on_reloaded, NULL);
}

static void on_wake(void *arg)
{
	store_poll(arg);
}

static void on_rest(void *arg)
{
	store_turn(arg);
}

static void wake(void *arg)
{
	net_wake(arg);
}

static void on_turn(void *arg)
{
	(void)arg;
	vm_relieve();
	if (guard_weigh_due())
		task_start("weigh", NULL, NULL, NULL, NULL);
}

static bool open_net(struct err *e)
{
	srv.net = net_new(&srv.conf.limits, e);
	if (!srv.net)
		return false;
	lua_sys_use(srv.net);
	lua_tls_use(srv.net);
	lua_outgoing_use(srv.net);
	net_on_turn(srv.net, on_turn, NULL);
	net_on_signal(srv.net, SIGTERM, on_signal, NULL);
	net_on_signal(srv.net, SIGINT, on_signal, NULL);
	net_on_signal(srv.net, SIGHUP, on_hangup, NULL);
	service_open(srv.net);
	lua_watch_use(srv.net);
	lua_child_use(srv.net, srv.opts.lua_dir);
	srv.tick = net_timer_new(srv.net, on_tick, NULL);
	return true;
}

static bool make_folder(const char *dir, struct err *e)
{
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		return true;
	return err_set(e, "data folder %s: %s", dir, strerror(errno));
}

static bool open_store(struct err *e)
{
	struct buf path = BUF_INIT;

	if (!make_folder(srv.conf.data, e))
		return false;
	buf_fmt(&path, "%s/moon2m.db", srv.conf.data);
	buf_char(&path, '\0');
	srv.conf.store.path = path.p;
	srv.conf.store.wake = wake;
	srv.conf.store.arg = srv.net;
	srv.conf.store.turns = true;
	srv.store = store_open(&srv.conf.store, e);
	buf_free(&path);
	if (!srv.store)
		return false;
	net_on_wake(srv.net, on_wake, srv.store);
	net_on_rest(srv.net, on_rest, srv.store);
	lua_store_use(srv.store);
	return true;
}

/* Without it the server works, but a script that brings it down is loaded again. */
static void open_blame(void)
{
	struct buf path = BUF_INIT;
	struct err e;

	buf_fmt(&path, "%s/running", srv.conf.data);
	buf_char(&path, '\0');
	if (!blame_open(path.p, &e))
		log_warn("run",
			 "a script that crashes the server will not be known after it"
			 " reason=%s",
			 log_quote(str_of(e.msg)));
	buf_free(&path);
}

static void on_password(void *arg)
{
	(void)arg;
	identity_poll();
}

/* Before anything listens: without the credentials nobody may get in. */
static bool open_identity(struct err *e)
{
	const char *file = srv.conf.credentials;
	struct buf path = BUF_INIT;
	struct identity_opts o = {
		.must = file && *file,
		.csi = srv.conf.cse_id ? srv.conf.cse_id : "/moon",
		.spi = srv.conf.cse_sp ? srv.conf.cse_sp : "",
		.failures = srv.conf.failures,
		.brake_time = srv.conf.brake_time,
		.wake = wake,
		.arg = srv.net,
	};
	bool ok;

	buf_fmt(&path, "%s/" IDENTITY_FILE, srv.conf.data);
	buf_char(&path, '\0');
	o.file = o.must ? file : path.p;
	net_on_wake(srv.net, on_password, NULL);
	ok = identity_open(&o, e);
	net_tls_psk(srv.net, identity_psk);
	if (ok && !identity_required() && !srv.opts.dev)
		log_info("identity",
			 "no credentials: listening on loopback only, originators are believed");
	buf_free(&path);
	return ok;
}

static bool open_notify(struct err *e)
{
	srv.conf.notify.net = srv.net;
	srv.conf.notify.store = srv.store;
	srv.notify_up = notify_open(&srv.conf.notify, e);
	return srv.notify_up;
}

/* Without it the server works, and its operator is told why it is missing. */
static void open_admin(void)
{
	struct err e;

	if (!admin_open(srv.net, srv.conf.data, &e))
		log_warn("run", "no operator's socket, `moon2m notices` will not work reason=%s",
			 log_quote(str_of(e.msg)));
}

static bool open_all(struct err *e)
{
	if (!open_vm(e))
		return false;
	apply_config();
	register_metrics();
	if (!open_net(e) || !open_identity(e) || !open_store(e) || !open_notify(e))
		return false;
	lua_cse_use(srv.net);
	open_blame();
	lua_gateway_use(srv.net);
	open_admin();
	return true;
}

static void on_started(void *arg, bool ok, struct str error)
{
	(void)arg;
	(void)error;
	if (srv.phase != RUNNING)
		return;
	if (ok) {
		service_ready("ready");
		return;
	}
	log_error("run", "cannot start");
	begin_stop(CMD_FAILED);
}

/* What is in flight is refused, notify saves its state in the store, the store commits what is
 * queued (its callbacks still resume tasks), then Lua goes, and the sockets last. */
static void close_all(void)
{
	net_timer_free(srv.tick);
	service_close();
	identity_close();
	lua_console_close();
	admin_close();
	lua_operator_close();
	lua_gateway_close();
	lua_watch_close();
	lua_child_close();
	lua_cse_close();
	lua_profile_close();
	if (srv.notify_up)
		notify_close();
	store_close(srv.store);
	lua_store_use(NULL);
	cmd_close_vm();
	net_free(srv.net);
	lua_config_free(&srv.conf);
	blame_close();
}

static void start_task(void *arg)
{
	(void)arg;
	task_start("start", NULL, NULL, on_started, NULL);
}

static int serve(void)
{
	struct net_timer *first = net_timer_new(srv.net, start_task, NULL);
	int code;

	net_timer_start(first, 0); /* inside the loop: its end may stop it */
	code = net_run(srv.net);
	net_timer_free(first);
	log_info("run", "stopped code=%d", code);
	return code;
}

static int run(int argc, char **argv)
{
	struct err e = { 0 };
	enum log_level level;
	int code;

	log_detect();
	code = options_run(&cmd_run, argc, argv, &srv.opts);
	if (code >= 0)
		return code;
	if (srv.opts.log && log_parse_level(srv.opts.log, &level))
		log_set_level(level);
	code = srv.opts.supervise ? supervise() : -1;
	if (code >= 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	if (open_all(&e))
		code = serve();
	else if (strncmp(e.msg, "--", 2) == 0)
		code = cmd_usage(&cmd_run, "%s", e.msg);
	else
		code = cmd_fail(&e);
	close_all();
	return code;
}

static const char help[] =
    "Usage: moon2m run [OPTION]... [APP.lua]...\n"
    "\n"
    "Runs the CSE with these scripts, until SIGTERM or SIGINT; then it answers what is in flight,\n"
    "closes its connections and exits 0.  A second signal exits at once.\n"
    "\n"
    "  -c, --config FILE   configuration, a Lua file (the README lists its keys)\n"
    "      --data DIR      where everything is kept; made when missing (default: data)\n"
    "      --listen ADDRESS:PORT[,http|,ws][,tls]\n"
    "                      listen here, for HTTP and WebSocket or one of them; may be repeated;\n"
    "                      IPv6 in brackets, port 0: any free one (default: 127.0.0.1:8080);\n"
    "                      tls: with the certificate that the configuration names\n"
    "      --set KEY=VALUE one key of the configuration, above the file: --set limits.parked=100,\n"
    "                      --set scripts.stats.window=60; a Lua value, else a text; may be repeated\n"
    "      --strict        exit when a script does not load, instead of running without it\n"
    "      --safe          load no script\n"
    "      --supervise     run the server in a process of its own and start it again when it crashes\n"
    "                      or a script was stuck, without that script\n"
    "      --dev           for development: listen on any address without credentials; who connects\n"
    "                      is believed whatever it says\n"
    "      --watch         load a script again when its file, or one that it requires, is written\n"
    "      --log LEVEL     debug, info, warn or error (default: info)\n"
    "      --lua DIR       read the Lua library from DIR instead of the one in the binary\n"
    "  -h, --help          this text\n"
    "\n"
    "A script that crashed the server or was stuck is left off by the next start, until the one\n"
    "after it, or `moon2m reload NAME`.  A start that crashes before any script ran makes the next\n"
    "one safe.\n"
    "\n"
    "Exit code: 0 stopped by a signal, 1 could not start, 2 wrong usage, 70 a script was stuck in\n"
    "C code (its place is on standard error), or with --supervise: it crashed 5 times in a row.\n";

const struct cmd cmd_run = {
	.name = "run",
	.summary = "run the server",
	.run = run,
	.help = help,
};
