/*
 * The guard: one POSIX timer aimed at the Lua thread, a count hook that it installs when a budget
 * was really used up, and the way out of C code that never returns.  The timer is armed by the
 * first guarded run and left alone while later runs come and go; when it fires between runs it
 * stays off. The normal path reads the monotonic clock once.  Never raises inside the library.
 *
 * The signal handler and the Lua thread are one thread: a struct field is changed while the
 * deadline is 0, which makes the handler look away.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <luajit.h>

#include "vm.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TRACE_DEPTH 100 /* frames of a stack whose traceback is kept */

const char guard_server_mark = 'S';

struct budget { /* of the run in progress, saved on the C stack of an outer one */
	int64_t deadline; /* monotonic us; 0: no run */
	int64_t us; /* budget that the deadline belongs to */
	const char *rule; /* on the stack of the caller of resume; NULL: none */
	lua_State *co;
};

static struct {
	lua_State *L; /* any state of the VM: hooks are global in LuaJIT */
	timer_t timer;
	volatile int64_t deadline, us; /* of the run in progress */
	volatile int64_t expiry; /* when the pending timer fires; 0: disarmed */
	volatile int64_t cpu0; /* CPU clock at the first expiry of this run */
	volatile int64_t last; /* previous expiry of this run, monotonic */
	volatile int64_t interval; /* from there to the next one */
	volatile int64_t overdue; /* time seen passing since the first expiry */
	volatile int64_t stuck; /* limit on overdue; 0: none */
	volatile sig_atomic_t suspect; /* first expiry seen */
	volatile sig_atomic_t tripped; /* hook installed */
	lua_State *volatile co;
	const char *volatile rule;
	uint64_t stops;
	struct buf trace; /* of the script that was stopped last */
} g;

static int64_t now_us(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void arm(int64_t us)
{
	struct itimerspec it = { { 0, 0 }, { us / 1000000, us % 1000000 * 1000 } };

	if (us <= 0)
		it.it_value.tv_nsec = 1000;
	g.expiry = now_us(CLOCK_MONOTONIC) + us;
	timer_settime(g.timer, 0, &it, NULL);
}

static bool is_library(const lua_Debug *ar)
{
	return strncmp(ar->source, "@lib/", 5) == 0;
}

/* ---- stopping a script ----------------------------------------------------------------------- */

/* Keeps the traceback: the frame that the hook ends has lost its line afterwards.  Not of a deep
 * stack: a recursion that catches its errors is stopped in each of its frames, and a traceback
 * walks them all. */
static void note_place(lua_State *L)
{
	size_t n;
	const char *s;
	lua_Debug ar;

	if (lua_getstack(L, TRACE_DEPTH, &ar))
		return;
	luaL_traceback(L, L, NULL, 0);
	s = lua_tolstring(L, -1, &n);
	buf_clear(&g.trace);
	buf_add(&g.trace, s, n);
	lua_pop(L, 1);
}

/* Raises in user code only: a library frame runs on, and is asked again one instruction later. */
static void stop_user_code(lua_State *L, lua_Debug *ar)
{
	lua_getinfo(L, "Sl", ar);
	if (is_library(ar))
		return;
	note_place(L);
	lua_pushfstring(L, "%s:%d: still running after %d ms, stopped", ar->short_src,
			ar->currentline, (int)(g.us / 1000));
	lua_error(L);
}

/* ---- stuck in C ------------------------------------------------------------------------------ */

static void put(const char *s)
{
	ssize_t n = write(STDERR_FILENO, s, strlen(s));

	(void)n;
}

static void exit_stuck(int sig)
{
	(void)sig;
	_exit(GUARD_EXIT_STUCK);
}

/* The innermost user frame of the guarded coroutine.  Reads frames only, allocates nothing; what is
 * in the way of that (a VM caught half way) ends in exit_stuck. */
static void put_place(lua_State *co)
{
	lua_Debug ar;
	char line[16];

	for (int level = 0; level < 50 && lua_getstack(co, level, &ar); level++) {
		if (!lua_getinfo(co, "Sl", &ar) || ar.currentline < 0 || is_library(&ar))
			continue;
		snprintf(line, sizeof(line), "%d", ar.currentline);
		put(" at=");
		put(ar.short_src);
		put(":");
		put(line);
		return;
	}
}

static void give_up(void)
{
	signal(SIGSEGV, exit_stuck);
	signal(SIGBUS, exit_stuck);
	put("error guard a script is stuck in C code, exiting rule=");
	put(g.rule ? g.rule : "-");
	if (g.co)
		put_place(g.co);
	put("\n");
	_exit(GUARD_EXIT_STUCK);
}

/* ---- the timer ------------------------------------------------------------------------------- */

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Time counts only as far as the timer saw it pass: a process that was stopped and continued, or
 * starved, is not taken for one that is stuck. */
static void note_overdue(int64_t now)
{
	g.overdue += at_most(now - g.last, g.interval * 2);
	g.last = now;
	if (g.stuck && g.overdue >= g.stuck)
		give_up();
}

static bool used_up(void)
{
	return now_us(CLOCK_THREAD_CPUTIME_ID) - g.cpu0 >= g.us * 7 / 10 || g.overdue >= g.us * 20;
}

static void expire(int64_t now)
{
	int64_t slice = g.stuck ? g.stuck / 10 : 1000000;

	if (!g.suspect) { /* did it run, or just wait for the CPU? */
		g.suspect = 1;
		g.cpu0 = now_us(CLOCK_THREAD_CPUTIME_ID);
		g.last = now;
		g.overdue = 0;
		g.interval = at_most(g.us, slice);
	} else {
		note_overdue(now);
		if (!g.tripped && used_up()) {
			g.tripped = 1; /* stays on: pcall cannot outlive it */
			lua_sethook(g.L, stop_user_code, LUA_MASKCOUNT, 1);
		}
		g.interval = g.tripped ? slice : at_most(g.us * 3 / 10, slice);
	}
	arm(g.interval);
}

static void on_timer(int sig)
{
	int saved = errno;
	int64_t now, late;

	(void)sig;
	g.expiry = 0;
	if (g.deadline) { /* else idle: stay disarmed */
		now = now_us(CLOCK_MONOTONIC);
		late = now - g.deadline;
		if (late < 0)
			arm(-late);
		else
			expire(now);
	}
	errno = saved;
}

/* ---- a guarded run --------------------------------------------------------------------------- */

static void enter(struct budget *outer, int64_t us, const char *rule, lua_State *co)
{
	int64_t now = now_us(CLOCK_MONOTONIC), mine = now + us;

	*outer = (struct budget){ g.deadline, g.us, g.rule, g.co };
	g.deadline = 0;
	if (rule)
		g.rule = rule;
	g.co = co;
	buf_clear(&g.trace);
	if (outer->deadline &&
	    outer->deadline < mine) { /* an inner run lives within the outer one */
		mine = outer->deadline;
	} else {
		g.us = us;
		g.suspect = 0;
	}
	g.deadline = mine;
	if (!g.expiry || g.expiry > mine)
		arm(mine - now);
}

static void leave(const struct budget *outer)
{
	int64_t mine = g.deadline, now;

	g.deadline = 0;
	if (mine != outer->deadline)
		g.suspect = 0;
	g.us = outer->us;
	g.rule = outer->rule;
	g.co = outer->co;
	g.deadline = outer->deadline;
	if (!outer->deadline && !g.tripped)
		return;
	now = now_us(CLOCK_MONOTONIC);
	if (g.tripped && (!outer->deadline || now < outer->deadline)) {
		lua_sethook(g.L, NULL, 0, 0);
		g.tripped = 0;
		g.stops++;
	}
	if (outer->deadline && !g.expiry)
		arm(outer->deadline - now);
}

static const char *cannot_resume(lua_State *co, int nargs)
{
	lua_Debug ar;
	int status = lua_status(co);

	if (status == 0 && lua_getstack(co, 0, &ar) > 0)
		return "cannot resume non-suspended coroutine";
	if (status != LUA_YIELD && (status != 0 || lua_gettop(co) == 0))
		return "cannot resume dead coroutine";
	return lua_checkstack(co, nargs + 1) ? NULL : "too many arguments";
}

static int64_t check_budget(lua_State *L)
{
	double s = luaL_checknumber(L, 1);

	luaL_argcheck(L, s >= 0.001 && s <= 3600, 1, "budget out of range (0.001 to 3600 s)");
	return (int64_t)(s * 1e6);
}

static int give_results(lua_State *L, lua_State *co)
{
	int n = lua_gettop(co);

	if (!lua_checkstack(L, n + 1))
		return luaL_error(L, "too many results");
	lua_pushboolean(L, 1);
	lua_xmove(co, L, n);
	return n + 1;
}

static int give_error(lua_State *L, lua_State *co, int rc, bool stopped)
{
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	if (rc == LUA_ERRMEM) {
		vm_relieve();
		return 2;
	}
	if (stopped && g.trace.n)
		lua_pushlstring(L, g.trace.p, g.trace.n);
	else
		luaL_traceback(L, co, NULL, 0);
	return 3;
}

static int guard_resume(lua_State *L)
{
	int64_t us = check_budget(L);
	const char *rule = luaL_optstring(L, 2, NULL), *why;
	lua_State *co = lua_tothread(L, 3);
	int nargs = lua_gettop(L) - 3, rc;
	struct budget outer;
	bool stopped;

	luaL_argcheck(L, co, 3, "coroutine expected");
	why = cannot_resume(co, nargs);
	if (why) {
		lua_pushboolean(L, 0);
		lua_pushstring(L, why);
		return 2;
	}
	lua_xmove(L, co, nargs);
	enter(&outer, us, rule, co);
	rc = lua_resume(co, nargs);
	stopped = g.tripped;
	leave(&outer);
	return rc == 0 || rc == LUA_YIELD ? give_results(L, co) : give_error(L, co, rc, stopped);
}

/* ---- compiling user code --------------------------------------------------------------------- */

static int refuse(lua_State *L, const char *why)
{
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

static int guard_compile(lua_State *L)
{
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	const char *name = luaL_checkstring(L, 2);

	luaL_checktype(L, 3, LUA_TTABLE);
	if (strncmp(name, "@lib/", 5) == 0)
		return refuse(L, "chunk names beginning with '@lib/' are the library's");
	if (n && text[0] == LUA_SIGNATURE[0])
		return refuse(L, "compiled (binary) chunks are not accepted");
	if (luaL_loadbufferx(L, text, n, name, "t") != 0) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
	lua_pushvalue(L, 3);
	lua_setfenv(L, -2);
	return 1;
}

int guard_lua_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "resume", guard_resume },
		{ "compile", guard_compile },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pushlightuserdata(L, (void *)&guard_server_mark);
	lua_setfield(L, -2, "SERVER");
	return 1;
}

/* ---- life ------------------------------------------------------------------------------------ */

void guard_open(lua_State *L, double stuck_seconds)
{
	struct sigevent ev = { 0 };
	struct sigaction sa = { 0 };

	assert(!g.L);
	memset(&g, 0, sizeof(g));
	g.L = L;
	g.stuck = (int64_t)(stuck_seconds * 1e6);
	sa.sa_handler = on_timer;
	sa.sa_flags = SA_RESTART;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, NULL);
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev.sigev_signo = SIGALRM;
	ev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, &g.timer) != 0) {
		perror("guard: timer_create");
		abort();
	}
}

void guard_stuck(double seconds)
{
	g.stuck = (int64_t)(seconds * 1e6);
}

void guard_close(void)
{
	if (!g.L)
		return;
	timer_delete(g.timer);
	signal(SIGALRM, SIG_IGN);
	lua_sethook(g.L, NULL, 0, 0);
	buf_free(&g.trace);
	g.L = NULL;
}

uint64_t guard_stops(void)
{
	return g.stops;
}
