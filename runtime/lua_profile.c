/*
 * lua_profile.c - see lua_profile.h.  LuaJIT's own timer counts the CPU time of the whole process, the
 * store's threads included, in steps of the kernel's clock: it is stopped, and a fine timer sends the
 * signal to the Lua thread instead.  While the profiler is off it costs nothing.
 */
#define _GNU_SOURCE
#include "lua_profile.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <luajit.h>

#include "guard.h"
#include "task.h"
#include "vm.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define STACKS_MAX 4096u
#define SLOTS (STACKS_MAX * 2) /* a power of two */
#define TEXT_MAX ((size_t)1 << 20)
#define DEPTH 64 /* innermost frames that are kept */

struct stack {
	size_t at, n; /* in text */
	uint64_t hash;
	unsigned samples; /* 0: a free slot */
};

static struct {
	bool on;
	timer_t timer;
	void (*sample)(int signo); /* LuaJIT's handler */
	struct timespec began; /* CPU time of the thread */
	volatile unsigned outside;
	unsigned samples, cut, n;
	struct stack *slots;
	struct buf text;
} prof;

/* ---- counting -------------------------------------------------------------------------------- */

static uint64_t hash_of(struct str s)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
	return h;
}

/* The slot of that stack, or a free one. */
static struct stack *slot_of(struct str s, uint64_t hash)
{
	size_t i = hash & (SLOTS - 1);

	for (;; i = (i + 1) & (SLOTS - 1)) {
		struct stack *k = &prof.slots[i];

		if (!k->samples ||
		    (k->hash == hash && k->n == s.n && memcmp(prof.text.p + k->at, s.p, s.n) == 0))
			return k;
	}
}

static void count(struct str s, unsigned samples)
{
	uint64_t hash = hash_of(s);
	struct stack *k = slot_of(s, hash);

	if (!k->samples) {
		if (prof.n >= STACKS_MAX || prof.text.n + s.n > TEXT_MAX) {
			prof.cut += samples;
			return;
		}
		prof.n++;
		*k = (struct stack){ prof.text.n, s.n, hash, 0 };
		buf_str(&prof.text, s);
	}
	k->samples += samples;
}

/* Called by the VM between two instructions; it must not use Lua's memory. */
static void on_sample(void *arg, lua_State *L, int samples, int vmstate)
{
	struct str s;

	(void)arg;
	prof.samples += (unsigned)samples;
	if (vmstate == 'G') {
		count(STR("(garbage collection)"), (unsigned)samples);
		return;
	}
	s.p = luaJIT_profile_dumpstack(L, "plZ;", -DEPTH, &s.n);
	count(s, (unsigned)samples);
}

/* When no task runs, the next instruction has nothing to do with it. */
static void on_signal(int signo)
{
	if (!task_is_running())
		prof.outside++;
	else
		prof.sample(signo);
	guard_insist();
}

/* ---- on and off ------------------------------------------------------------------------------ */

static void take_signal(void)
{
	static const struct itimerval off;
	struct sigaction sa;

	setitimer(ITIMER_PROF, &off, NULL);
	sigaction(SIGPROF, NULL, &sa);
	prof.sample = sa.sa_handler;
	sa.sa_handler = on_signal;
	sa.sa_flags |= SA_RESTART;
	sigaddset(&sa.sa_mask, SIGALRM); /* the guard's */
	sigaction(SIGPROF, &sa, NULL);
}

static bool start_timer(unsigned ms)
{
	struct sigevent ev = { 0 };
	struct itimerspec it = { .it_value.tv_sec = ms / 1000,
				 .it_value.tv_nsec = ms % 1000 * 1000000L };

	it.it_interval = it.it_value;
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev.sigev_signo = SIGPROF;
	ev.sigev_notify_thread_id = gettid();
	return timer_create(CLOCK_MONOTONIC, &ev, &prof.timer) == 0 &&
	       timer_settime(prof.timer, 0, &it, NULL) == 0;
}

static void forget(void)
{
	free(prof.slots);
	prof.slots = NULL;
	buf_free(&prof.text);
	prof.on = false;
}

static int profile_start(lua_State *L)
{
	lua_Integer ms = luaL_checkinteger(L, 1);

	luaL_argcheck(L, ms >= 1 && ms <= 1000, 1, "an interval from 1 to 1000 ms was expected");
	if (prof.on) {
		lua_pushboolean(L, 0);
		return 1;
	}
	prof.on = true;
	prof.outside = prof.samples = prof.cut = prof.n = 0;
	prof.slots = xcalloc(SLOTS, sizeof(*prof.slots));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &prof.began);
	luaJIT_profile_start(L, "li100000", on_sample, NULL);
	take_signal();
	if (!start_timer((unsigned)ms)) {
		luaJIT_profile_stop(L);
		forget();
		return luaL_error(L, "no timer for the profiler");
	}
	lua_pushboolean(L, 1);
	return 1;
}

static void stop(lua_State *L)
{
	timer_delete(prof.timer);
	luaJIT_profile_stop(L);
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)(now.tv_sec - prof.began.tv_sec) +
	       (double)(now.tv_nsec - prof.began.tv_nsec) / 1e9;
}

static void push_count(lua_State *L, const char *name, unsigned n)
{
	lua_pushnumber(L, n);
	lua_setfield(L, -2, name);
}

static int profile_stop(lua_State *L)
{
	if (!prof.on)
		return 0;
	stop(L);
	lua_newtable(L);
	lua_pushnumber(L, cpu_seconds());
	lua_setfield(L, -2, "seconds");
	push_count(L, "samples", prof.samples + prof.outside);
	push_count(L, "outside", prof.outside);
	push_count(L, "cut", prof.cut);
	lua_newtable(L);
	for (size_t i = 0; i < SLOTS; i++) {
		const struct stack *k = &prof.slots[i];

		if (!k->samples)
			continue;
		lua_pushlstring(L, prof.text.p + k->at, k->n);
		lua_pushnumber(L, k->samples);
		lua_rawset(L, -3);
	}
	lua_setfield(L, -2, "stacks");
	forget();
	return 1;
}

int lua_profile_open(lua_State *L)
{
	lua_newtable(L);
	lua_pushcfunction(L, profile_start);
	lua_setfield(L, -2, "start");
	lua_pushcfunction(L, profile_stop);
	lua_setfield(L, -2, "stop");
	return 1;
}

void lua_profile_close(void)
{
	if (!prof.on)
		return;
	stop(vm_state());
	forget();
}
