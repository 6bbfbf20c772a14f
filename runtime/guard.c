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
#include "guard_int.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "vm.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define NESTED_MAX 180 /* coroutines inside coroutines: each takes some of the C stack */
#define TRACE_DEPTH 100 /* frames of a stack whose traceback is kept */

const char guard_server_mark = 'S';

static struct {
	lua_State *L; /* any state of the VM: hooks are global in LuaJIT */
	timer_t timer;
	volatile int64_t deadline, us; /* of the run in progress */
	int64_t began; /* of that run */
	volatile int64_t expiry; /* when the pending timer fires; 0: disarmed */
	volatile int64_t cpu0; /* CPU clock at the first expiry of this run */
	volatile int64_t last; /* previous expiry of this run, monotonic */
	volatile int64_t interval; /* from there to the next one */
	volatile int64_t overdue; /* time seen passing since the first expiry */
	volatile int64_t tripped_at; /* overdue when the hook was installed */
	volatile int64_t stuck; /* limit on overdue; 0: none */
	volatile sig_atomic_t suspect; /* first expiry seen */
	volatile sig_atomic_t tripped; /* hook installed: time is up */
	volatile sig_atomic_t greedy; /* hook installed: over the limit of memory */
	lua_State
	    *volatile co; /* the coroutine that runs: the guarded one, or one of the user's in it */
	lua_State *volatile base; /* the guarded one */
	const char *volatile rule; /* on the stack of the caller of resume; NULL: none */
	lua_State *fixed; /* the outermost coroutine that cannot yield; NULL: all can */
	int depth; /* of the user's coroutines */
	size_t limit; /* bytes that Lua may hold in user code; SIZE_MAX: no limit */
	size_t allowed,
	    used; /* of the run that the limit belongs to: its budget, and at its begin */
	const char *verdict; /* why user code of this run is stopped at once; NULL: it may run */
	bool exempt; /* the guard itself, or a collection, needs memory */
	bool kept; /* a collection did not bring a greedy run below its limit */
	char refusal[200]; /* of the run that ended last */
	const struct guard_meter *meter;
	uint64_t stops;
	size_t weigh_above; /* what Lua may hold after a run until scripts are weighed */
	bool weigh_due;
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

static unsigned mib(size_t bytes)
{
	return (unsigned)((bytes + (1 << 20) - 1) >> 20);
}

/* Over its limit with garbage or without?  A collection tells; it is run once per stop. */
static bool is_greedy(lua_State *L)
{
	if (!g.greedy)
		return false;
	if (g.kept)
		return true;
	lua_gc(L, LUA_GCCOLLECT, 0);
	g.kept = vm_memory() > g.limit;
	if (!g.kept)
		g.greedy = 0;
	return g.kept;
}

/* Raises in user code only: a library frame runs on, and is asked again one instruction later. */
static void stop_user_code(lua_State *L, lua_Debug *ar)
{
	lua_getinfo(L, "Sl", ar);
	if (guard_is_library(ar))
		return;
	g.exempt = true;
	if (is_greedy(L)) {
		note_place(L);
		lua_pushfstring(L, "%s:%d: %d MiB of memory used, %d MiB allowed, stopped",
				ar->short_src, ar->currentline, (int)mib(vm_memory() - g.used),
				(int)mib(g.allowed));
	} else if (g.verdict) {
		note_place(L);
		lua_pushstring(L, g.verdict);
	} else if (g.tripped) {
		note_place(L);
		lua_pushfstring(L, "%s:%d: still running after %d ms, stopped", ar->short_src,
				ar->currentline, (int)(g.us / 1000));
	} else {
		lua_sethook(g.L, NULL, 0, 0);
		g.exempt = false;
		return;
	}
	g.exempt = false;
	lua_error(L);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* The innermost Lua frame of what runs is the user's: fills ar, if there is one at all. */
static bool in_user_code(lua_Debug *ar)
{
	int ground = g.co && g.co == g.base ? guard_ground(g.co) : -1;

	for (int level = 0; level < 50 && g.co && lua_getstack(g.co, level, ar); level++) {
		if (!lua_getinfo(g.co, "Sl", ar) || ar->currentline < 0)
			continue;
		if (level == ground && level > 0)
			break; /* what the user's code called last of all */
		return !guard_is_library(ar);
	}
	ar->currentline = -1;
	return true;
}

struct str guard_declared_at(const char *rule)
{
	const char *open = rule ? strrchr(rule, '(') : NULL,
		   *colon = open ? strrchr(open, ':') : NULL;
	size_t n = open ? strlen(open) : 0;

	if (!colon || n < 3 || colon[1] < '0' || colon[1] > '9' || open[n - 1] != ')')
		return str_of("");
	return (struct str){ open + 1, n - 2 };
}

/* A function that was called in place of the last one of the user's has no line: then it is the
 * rule's. */
static void refuse(const lua_Debug *ar, size_t more)
{
	struct str rule = guard_declared_at(g.rule);
	char place[sizeof(g.refusal) / 2] = "";

	if (ar->currentline >= 0)
		snprintf(place, sizeof(place), "%s:%d: ", ar->short_src, ar->currentline);
	else if (rule.n)
		snprintf(place, sizeof(place), "%.*s: ", (int)rule.n, rule.p);
	snprintf(g.refusal, sizeof(g.refusal),
		 "%snot enough memory: %u MiB more wanted, %u MiB allowed", place, mib(more),
		 mib(g.allowed));
}

/* Inside the allocator: more bytes would be beyond the limit.  The hook stops the run at its next
 * instruction; what cannot wait until then is refused.  Library code may go on to the cap. */
static bool may_exceed(size_t more)
{
	size_t used = vm_memory(), cap = vm_user_cap();
	lua_Debug ar;

	if (g.exempt)
		return true;
	if (!g.greedy) {
		g.greedy = 1;
		lua_sethook(g.L, stop_user_code, LUA_MASKCOUNT, 1);
	}
	if (more <= g.allowed && used <= g.limit + (g.allowed - more) && used <= cap &&
	    more <= cap - used)
		return true;
	if (!in_user_code(&ar))
		return true;
	refuse(&ar, more);
	return false;
}

static void set_limit(size_t limit, size_t allowed, size_t used)
{
	g.limit = limit;
	g.allowed = allowed;
	g.used = used;
	vm_limit(limit, may_exceed);
}

/* The meter's budget from what is used now, less when the run around it or the cap leave less. */
static void enter_memory(const struct guard_run *outer, const struct guard_meter *m)
{
	size_t used = outer->now, cap = vm_user_cap(), limit = SIZE_MAX;

	if (m->memory && m->memory < SIZE_MAX - used)
		limit = used + m->memory;
	if (limit > cap)
		limit = cap;
	if (limit < outer->limit)
		set_limit(limit, m->memory ? m->memory : limit, used);
	g.refusal[0] = '\0';
	g.exempt = false;
}

/* The outer run is as greedy as the inner one when the limit was its own. */
static bool leave_memory(const struct guard_run *outer)
{
	bool kept = g.kept || g.refusal[0];

	if (g.limit != outer->limit) {
		g.greedy = g.kept = 0;
		set_limit(outer->limit, outer->allowed, outer->used);
	}
	g.exempt = false;
	return kept;
}

static void count(struct guard_meter *m, const struct guard_run *outer)
{
	uint64_t bytes = vm_allocated() - outer->allocated;

	m->runs++;
	m->allocated += bytes;
	m->retained += (int64_t)(vm_memory() - outer->now);
	if (vm_memory() > g.weigh_above) {
		g.weigh_above = SIZE_MAX;
		g.weigh_due = true;
	}
	if (bytes > m->peak)
		m->peak = bytes;
}

/* ---- the timer ------------------------------------------------------------------------------- */

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Time counts only as far as the timer saw it pass: a process that was stopped and continued, or
 * starved, is not taken for one that is stuck: which is one that was to be stopped and does not come to
 * the hook for a quarter of the limit. */
static void note_overdue(int64_t now)
{
	g.overdue += at_most(now - g.last, g.interval * 2);
	g.last = now;
	if (g.stuck && g.tripped && g.overdue >= g.stuck && g.overdue - g.tripped_at >= g.stuck / 4)
		guard_give_up(g.rule, g.meter, g.base, g.co);
}

static bool used_up(void)
{
	return now_us(CLOCK_THREAD_CPUTIME_ID) - g.cpu0 >= g.us * 7 / 10 ||
	       g.overdue >= g.us * 20 || (g.stuck && g.overdue >= g.stuck / 4 * 3);
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
			g.tripped_at = g.overdue;
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

static void enter_time(const struct guard_run *outer, int64_t us)
{
	int64_t now = now_us(CLOCK_MONOTONIC), mine = now + us;

	if (outer->deadline &&
	    outer->deadline < mine) { /* an inner run lives within the outer one */
		mine = outer->deadline;
	} else {
		g.us = us;
		g.suspect = 0;
	}
	g.began = now;
	g.deadline = mine;
	if (!g.expiry || g.expiry > mine)
		arm(mine - now);
}

void guard_enter(struct guard_run *outer, const struct guard_meter *m, const char *rule,
		 lua_State *co)
{
	*outer = (struct guard_run){ g.deadline,  g.us,           g.rule,    g.co,   g.base,
				     g.fixed,     g.limit,        g.allowed, g.used, g.meter,
				     vm_memory(), vm_allocated(), g.verdict, g.began };
	g.deadline = 0;
	if (g.verdict) { /* it is not the inner one's */
		g.verdict = NULL;
		if (!g.tripped && !g.greedy)
			lua_sethook(g.L, NULL, 0, 0);
	}
	if (rule)
		g.rule = rule;
	g.co = g.base = co;
	g.fixed = NULL;
	g.meter = m;
	if (m->nwho)
		blame_who(m->who, m->nwho);
	buf_clear(&g.trace);
	enter_memory(outer, m);
	enter_time(outer, m->us);
}

void guard_condemn(const char *why)
{
	g.verdict = why;
	lua_sethook(g.L, stop_user_code, LUA_MASKCOUNT, 1);
}

/* The hook goes when neither the time nor the memory of the run around is used up. */
static bool leave_hook(const struct guard_run *outer, bool greedy)
{
	int64_t now;
	bool stopped = g.tripped || greedy || g.verdict;

	if (!outer->deadline && !stopped && !g.greedy && !outer->verdict)
		return false;
	now = now_us(CLOCK_MONOTONIC);
	if (!outer->deadline || now < outer->deadline)
		g.tripped = 0;
	g.verdict = outer->verdict;
	if (g.verdict)
		guard_condemn(g.verdict);
	else if (!g.tripped && !g.greedy)
		lua_sethook(g.L, NULL, 0, 0);
	if (stopped && !g.tripped)
		g.stops++;
	if (outer->deadline && !g.expiry)
		arm(outer->deadline - now);
	return stopped;
}

bool guard_leave(const struct guard_run *outer, struct guard_meter *m)
{
	int64_t mine = g.deadline;
	bool greedy;

	g.deadline = 0;
	if (mine != outer->deadline)
		g.suspect = 0;
	greedy = leave_memory(outer);
	count(m, outer);
	g.us = outer->us;
	g.began = outer->began;
	g.rule = outer->rule;
	g.co = outer->co;
	g.base = outer->base;
	g.fixed = outer->fixed;
	g.meter = outer->meter;
	if (g.meter ? g.meter->nwho : m->nwho)
		blame_who(g.meter ? g.meter->who : "", g.meter ? g.meter->nwho : 0);
	g.deadline = outer->deadline;
	return leave_hook(outer, greedy);
}

int64_t guard_elapsed(void)
{
	return now_us(CLOCK_MONOTONIC) - g.began;
}

/* ---- the user's own coroutines --------------------------------------------------------------- */

bool guard_enter_inner(struct guard_inner *outer, lua_State *L, lua_State *co)
{
	if (g.depth >= NESTED_MAX)
		return false;
	*outer = (struct guard_inner){ g.co, g.fixed };
	if (!g.fixed && !lua_isyieldable(L))
		g.fixed = L;
	g.co = co;
	g.depth++;
	return true;
}

void guard_leave_inner(const struct guard_inner *outer)
{
	g.co = outer->co;
	g.fixed = outer->fixed;
	g.depth--;
}

static const char *qualified(const char *name)
{
	static const char *const names[][2] = {
		{ "sort", "table.sort" },       { "gsub", "string.gsub" },
		{ "foreach", "table.foreach" }, { "foreachi", "table.foreachi" },
		{ "format", "string.format" },  { "concat", "table.concat" },
	};

	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(name, names[i][0]) == 0)
			return names[i][1];
	return name;
}

const char *guard_cannot_wait(lua_State *L)
{
	static const char *const through[] = { "pcall", "inner", "resume", "cannot_wait" };
	static char text[160];
	const char *name = NULL;
	lua_State *at = lua_isyieldable(L) ? g.fixed : L;
	lua_Debug ar;
	size_t i;

	if (!at)
		return NULL;
	for (int level = 1; !name && level < 50 && lua_getstack(at, level, &ar); level++) {
		if (!lua_getinfo(at, "Sn", &ar) || strcmp(ar.what, "C") != 0 || !ar.name)
			continue;
		for (i = 0; i < countof(through) && strcmp(ar.name, through[i]) != 0; i++)
			;
		name = i == countof(through) ? ar.name : NULL;
	}
	snprintf(text, sizeof(text), "verbs cannot wait inside %s: collect first, then act",
		 name ? qualified(name) : "a callback of table.sort or string.gsub, or a load");
	return text;
}

struct str guard_trace(void)
{
	return buf_view(&g.trace);
}

const char *guard_refusal(void)
{
	return g.refusal[0] ? g.refusal : NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

void guard_open(lua_State *L, double stuck_seconds)
{
	struct sigevent ev = { 0 };
	struct sigaction sa = { 0 };

	assert(!g.L);
	memset(&g, 0, sizeof(g));
	g.L = L;
	set_limit(SIZE_MAX, 0, 0);
	g.weigh_above = SIZE_MAX;
	g.stuck = (int64_t)(stuck_seconds * 1e6);
	sa.sa_handler = on_timer;
	sa.sa_flags = SA_RESTART;
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGPROF); /* the profiler's: both change the hooks */
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

void guard_insist(void)
{
	if ((g.tripped && g.deadline) || g.verdict)
		lua_sethook(g.L, stop_user_code, LUA_MASKCOUNT, 1);
}

void guard_weigh_above(double bytes)
{
	g.weigh_above = bytes < (double)SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

bool guard_weigh_due(void)
{
	bool due = g.weigh_due;

	g.weigh_due = false;
	return due;
}

uint64_t guard_stops(void)
{
	return g.stops;
}
