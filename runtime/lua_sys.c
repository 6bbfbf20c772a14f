/*
 * Bindings of clock, log, metrics and net's timers; no logic.  A timer of `after` is a C object in
 * a list and in a Lua table by its id; it is freed when it fires or is cancelled, before its task
 * runs. read never waits for a device or a pipe.
 */
#define _GNU_SOURCE
#include "lua_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "net.h"
#include "task.h"
#include "vm.h"

#define TIMERS_MAX 65536
#define LABELS_MAX 200
#define READ_MAX (16 * 1024 * 1024)

/* One wait: a sleeping task, or a call of the boot module's entry. */
struct wait {
	struct net_timer *timer;
	struct task_ref task; /* sleep */
	double id; /* after, wait */
	bool sleep, gate, woken;
	struct wait *next, **link;
};

static struct {
	struct net *net;
	struct wait *waits;
	size_t count;
	int by_id; /* registry reference: id -> struct wait, as light userdata */
} sys = { .by_id = LUA_NOREF };

/* ---- clocks ---------------------------------------------------------------------------------- */

static int sys_now(lua_State *L)
{
	lua_pushnumber(L, (double)clock_wall());
	return 1;
}

static int sys_mono(lua_State *L)
{
	lua_pushnumber(L, (double)clock_mono());
	return 1;
}

static int sys_stamp(lua_State *L)
{
	double us = luaL_checknumber(L, 1);
	char text[CLOCK_STAMP_MAX];

	luaL_argcheck(L, us >= -62167219200e6 && us < 253402300800e6, 1,
		      "not a time of the years 0 to 9999");
	lua_pushlstring(L, text, clock_stamp((int64_t)us, text));
	return 1;
}

static int give_time(lua_State *L, bool ok, int64_t us)
{
	if (ok)
		lua_pushnumber(L, (double)us);
	else
		lua_pushnil(L);
	return 1;
}

static int sys_parse_stamp(lua_State *L)
{
	int64_t us = 0;
	bool ok = clock_parse_stamp(vm_check_str(L, 1), &us);

	return give_time(L, ok, us);
}

static int sys_parse_duration(lua_State *L)
{
	int64_t us = 0;
	bool ok = clock_parse_duration(vm_check_str(L, 1), &us);

	return give_time(L, ok, us);
}

/* ---- randomness, digests --------------------------------------------------------------------- */

static int give_hex(lua_State *L, const unsigned char *p, size_t n)
{
	char hex[128];

	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = "0123456789abcdef"[p[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
	lua_pushlstring(L, hex, 2 * n);
	return 1;
}

static int sys_random(lua_State *L)
{
	unsigned char bytes[64];
	lua_Integer n = luaL_checkinteger(L, 1);

	if (n < 1 || n > (lua_Integer)sizeof(bytes))
		return luaL_argerror(L, 1, "1 to 64 bytes");
	if (getrandom(bytes, (size_t)n, 0) != n)
		return luaL_error(L, "no random bytes from the kernel: %s", strerror(errno));
	return give_hex(L, bytes, (size_t)n);
}

static int sys_sha256(lua_State *L)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct str s = vm_check_str(L, 1);

	SHA256((const unsigned char *)s.p, s.n, digest);
	return give_hex(L, digest, sizeof(digest));
}

/* same(a, b) -> whether two texts are equal, in constant time for texts of one length */
static int sys_same(lua_State *L)
{
	struct str a = vm_check_str(L, 1), b = vm_check_str(L, 2);

	lua_pushboolean(L, a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0);
	return 1;
}

/* ---- log, metrics, memory -------------------------------------------------------------------- */

static int sys_log(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *module = luaL_checkstring(L, 2);
	struct str text = vm_check_str(L, 3);
	enum log_level level;

	luaL_argcheck(L, log_parse_level(name, &level), 1, "debug, info, warn or error expected");
	log_line(level, module, "%.*s", (int)(text.n < 4096 ? text.n : 4096), text.p);
	return 0;
}

static int sys_count(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *labels = luaL_optstring(L, 2, NULL);
	double n = luaL_checknumber(L, 3);
	const char *help = luaL_optstring(L, 4, "");

	luaL_argcheck(L, n >= 0, 3, "a counter never falls");
	metric_add(metric_labelled(name, help, METRIC_COUNTER, labels, LABELS_MAX), n);
	return 0;
}

static int sys_gauge(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *labels = luaL_optstring(L, 2, NULL);
	double v = luaL_checknumber(L, 3);
	const char *help = luaL_optstring(L, 4, "");

	metric_set(metric_labelled(name, help, METRIC_GAUGE, labels, LABELS_MAX), v);
	return 0;
}

static int sys_observe(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *labels = luaL_optstring(L, 2, NULL);
	double v = luaL_checknumber(L, 3);
	const char *help = luaL_optstring(L, 4, "");

	metric_observe(metric_labelled(name, help, METRIC_HISTOGRAM, labels, LABELS_MAX), v);
	return 0;
}

static int sys_memory(lua_State *L)
{
	lua_pushnumber(L, (double)vm_memory());
	return 1;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int give_failure(lua_State *L, const char *path, const char *why)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", path, why);
	return 2;
}

/* Reads to the end, or max + 1 bytes; files in /proc say that they are empty. */
static ssize_t read_all(int fd, char *out, size_t max)
{
	size_t n = 0;

	while (n < max) {
		ssize_t got = read(fd, out + n, max - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int open_regular(const char *path, bool private, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0) {
		*why = strerror(errno);
		return -1;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		*why = "not a regular file";
	else if (private && (st.st_mode & 077))
		*why = "others may read or write it, chmod 600 it";
	else
		return fd;
	close(fd);
	return -1;
}

static int sys_read(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1), *why = NULL;
	lua_Integer max = luaL_checkinteger(L, 2);
	bool private = lua_toboolean(L, 3);
	char *space;
	ssize_t n;
	int fd;

	luaL_argcheck(L, max >= 0 && max <= READ_MAX, 2, "0 to 16777216 bytes");
	space = lua_newuserdata(L, (size_t)max + 1);
	fd = open_regular(path, private, &why);
	if (fd < 0)
		return give_failure(L, path, why);
	n = read_all(fd, space, (size_t)max + 1);
	why = n < 0 ? strerror(errno) : NULL;
	close(fd);
	if (why)
		return give_failure(L, path, why);
	if (n > max)
		return give_failure(L, path, lua_pushfstring(L, "larger than %d bytes", (int)max));
	lua_pushlstring(L, space, (size_t)n);
	return 1;
}

/* ---- timers ---------------------------------------------------------------------------------- */

static void wait_free(struct wait *w)
{
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	net_timer_free(w->timer);
	free(w);
	sys.count--;
}

static void set_by_id(lua_State *L, double id, struct wait *w)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, sys.by_id);
	lua_pushnumber(L, id);
	if (w)
		lua_pushlightuserdata(L, w);
	else
		lua_pushnil(L);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

static struct wait *get_by_id(lua_State *L, double id)
{
	struct wait *w;

	lua_rawgeti(L, LUA_REGISTRYINDEX, sys.by_id);
	lua_pushnumber(L, id);
	lua_rawget(L, -2);
	w = lua_touserdata(L, -1);
	lua_pop(L, 2);
	return w;
}

static int push_id(lua_State *L, void *arg)
{
	lua_pushnumber(L, *(double *)arg);
	return 1;
}

static int push_woken(lua_State *L, void *arg)
{
	lua_pushboolean(L, *(bool *)arg);
	return 1;
}

static void on_due(void *arg)
{
	struct wait *w = arg;
	struct task_ref task = w->task;
	bool sleeping = w->sleep, gate = w->gate, woken = w->woken;
	double id = w->id;

	if (!sleeping || gate)
		set_by_id(vm_state(), id, NULL);
	wait_free(w);
	if (sleeping)
		task_resume(task, gate ? push_woken : NULL, &woken);
	else
		task_start("timer", push_id, &id, NULL, NULL);
}

static double check_seconds(lua_State *L)
{
	double s = luaL_checknumber(L, 1);

	luaL_argcheck(L, s >= 0 && s <= 1e9, 1, "0 to 1e9 seconds expected");
	if (!sys.net)
		luaL_error(L, "no event loop is running here");
	return s;
}

static struct wait *wait_new(lua_State *L)
{
	struct wait *w;

	if (sys.count >= TIMERS_MAX)
		luaL_error(L, "too many timers (limit %d)", TIMERS_MAX);
	w = xcalloc(1, sizeof(*w));
	w->timer = net_timer_new(sys.net, on_due, w);
	w->next = sys.waits;
	w->link = &sys.waits;
	if (w->next)
		w->next->link = &w->next;
	sys.waits = w;
	sys.count++;
	return w;
}

static int sys_sleep(lua_State *L)
{
	double s = check_seconds(L);
	struct wait *w;

	task_check(L);
	w = wait_new(L);
	w->sleep = true;
	w->task = task_current();
	net_timer_start(w->timer, s);
	return task_yield(L);
}

/* wait(seconds, id) -> true when wake(id) came, false when the time was over first.  The ids are
 * those of `after`. */
static int sys_wait(lua_State *L)
{
	double s = check_seconds(L), id = luaL_checknumber(L, 2);
	struct wait *w;

	luaL_argcheck(L, id == id && !get_by_id(L, id), 2, "the id is in use");
	task_check(L);
	w = wait_new(L);
	w->sleep = w->gate = true;
	w->id = id;
	set_by_id(L, id, w);
	w->task = task_current();
	net_timer_start(w->timer, s);
	return task_yield(L);
}

/* The task goes on in the next turn of the loop.  False: nobody waits. */
static int sys_wake(lua_State *L)
{
	struct wait *w = get_by_id(L, luaL_checknumber(L, 1));
	bool waits = w && w->gate;

	if (waits && !w->woken) {
		w->woken = true;
		net_timer_start(w->timer, 0);
	}
	lua_pushboolean(L, waits);
	return 1;
}

static int start_timer(lua_State *L, double seconds, double id)
{
	struct wait *w = get_by_id(L, id);

	luaL_argcheck(L, id == id && !(w && w->gate), 2, "not a number, or the id is in use");
	if (!w) {
		w = wait_new(L);
		w->id = id;
		set_by_id(L, id, w);
	}
	net_timer_start(w->timer, seconds);
	return 0;
}

static int sys_after(lua_State *L)
{
	return start_timer(L, check_seconds(L), luaL_checknumber(L, 2));
}

static int sys_spawn(lua_State *L)
{
	double id = luaL_checknumber(L, 1);

	lua_pushinteger(L, 0);
	lua_replace(L, 1);
	return start_timer(L, check_seconds(L), id);
}

static int sys_cancel(lua_State *L)
{
	double id = luaL_checknumber(L, 1);
	struct wait *w = get_by_id(L, id);
	bool found = w && !w->gate;

	if (found) {
		set_by_id(L, id, NULL);
		wait_free(w);
	}
	lua_pushboolean(L, found);
	return 1;
}

/* source(module) -> the source text of a module of the library | nil */
static int sys_source(lua_State *L)
{
	vm_push_source(L, luaL_checkstring(L, 1));
	return 1;
}

/* ---- module ---------------------------------------------------------------------------------- */

void lua_sys_use(struct net *n)
{
	sys.net = n;
}

void lua_sys_close(void)
{
	while (sys.waits)
		wait_free(sys.waits);
	sys.net = NULL;
	sys.by_id = LUA_NOREF;
}

int lua_sys_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "now", sys_now },         { "mono", sys_mono },
		{ "stamp", sys_stamp },     { "parse_stamp", sys_parse_stamp },
		{ "random", sys_random },   { "parse_duration", sys_parse_duration },
		{ "sha256", sys_sha256 },   { "same", sys_same },
		{ "log", sys_log },         { "read", sys_read },
		{ "sleep", sys_sleep },     { "after", sys_after },
		{ "cancel", sys_cancel },   { "spawn", sys_spawn },
		{ "memory", sys_memory },   { "count", sys_count },
		{ "wait", sys_wait },       { "gauge", sys_gauge },
		{ "observe", sys_observe }, { "wake", sys_wake },
		{ "source", sys_source },   { NULL, NULL },
	};

	lua_newtable(L);
	sys.by_id = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
