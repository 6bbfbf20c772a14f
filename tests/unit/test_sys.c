/*
 * Core module sys: timers and sleep over a loop that this file plays, and the calls that look
 * outside: files, randomness, digests, counters.
 */
#include "lua_sys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "embed.h"
#include "guard.h"
#include "metrics.h"
#include "net.h"
#include "task.h"
#include "vm.h"

static const char boot[] =
    "local sys = require 'moon2m.core.sys'\n"
    "fired = {}\n"
    "return {\n"
    "  timer = function(id) fired[#fired + 1] = id if id == 7 then sys.after(1, 7) end end,\n"
    "  waiter = function(id) fired[#fired + 1] = tostring(sys.wait(2.5, id)) end,\n"
    "  sleeper = function() sys.sleep(2.5) fired[#fired + 1] = 'awake' end,\n"
    "}\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot, sizeof(boot) - 1 },
	{ NULL, NULL, NULL, 0 },
};

/* ---- the loop -------------------------------------------------------------------------------- */

struct net_timer {
	void (*fn)(void *arg);
	void *arg;
	double due; /* negative: stopped */
	struct net_timer *next;
};

static struct net_timer *timers;
static size_t ntimers;
static double loop_time;
static struct net *const the_net = (struct net *)&loop_time;

struct net_timer *net_timer_new(struct net *n, void (*fn)(void *arg), void *arg)
{
	struct net_timer *t = xcalloc(1, sizeof(*t));

	assert_ptr_equal(n, the_net);
	*t = (struct net_timer){ fn, arg, -1, timers };
	timers = t;
	ntimers++;
	return t;
}

void net_timer_start(struct net_timer *t, double seconds)
{
	t->due = loop_time + seconds;
}

void net_timer_free(struct net_timer *t)
{
	struct net_timer **at = &timers;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
	ntimers--;
}

/* Time passes; timers fire in order. */
static void advance(double seconds)
{
	double end = loop_time + seconds;

	for (;;) {
		struct net_timer *first = NULL;

		for (struct net_timer *t = timers; t; t = t->next)
			if (t->due >= 0 && t->due <= end && (!first || t->due <= first->due))
				first = t;
		if (!first)
			break;
		loop_time = first->due;
		first->due = -1;
		first->fn(first->arg);
	}
	loop_time = end;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static int start(void **state)
{
	static const struct vm_opts o = { .memory_cap = 64 << 20 };
	struct err e;

	(void)state;
	loop_time = 0;
	assert_true(vm_open(&o, &e));
	guard_open(vm_state(), 5);
	lua_sys_use(the_net);
	vm_module("sys", lua_sys_open);
	assert_true(vm_boot("moon2m.boot", &e));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	lua_sys_close();
	assert_int_equal(ntimers, 0);
	task_close();
	guard_close();
	vm_close();
	return 0;
}

/* The result of a Lua expression (sys is the module), or the error, as text. */
static const char *eval(const char *expression)
{
	static char out[1000];
	char code[1000];
	lua_State *L = vm_state();

	snprintf(code, sizeof(code),
		 "local sys = require 'moon2m.core.sys'\n"
		 "local t = { %s } for i = 1, 3 do t[i] = tostring(t[i]) end\n"
		 "return table.concat(t, ' ')",
		 expression);
	assert_int_equal(luaL_loadbuffer(L, code, strlen(code), "@test"), 0);
	if (lua_pcall(L, 0, 1, 0) == 0)
		snprintf(out, sizeof(out), "%s", lua_tostring(L, -1));
	else
		snprintf(out, sizeof(out), "error: %s", lua_tostring(L, -1));
	lua_pop(L, 1);
	return out;
}

static const char *fired(void)
{
	static char out[200];

	lua_getglobal(vm_state(), "table");
	lua_getfield(vm_state(), -1, "concat");
	lua_getglobal(vm_state(), "fired");
	lua_pushliteral(vm_state(), ",");
	lua_call(vm_state(), 2, 1);
	snprintf(out, sizeof(out), "%s", lua_tostring(vm_state(), -1));
	lua_pop(vm_state(), 2);
	return out;
}

#define HAS(text, part) assert_non_null(strstr(text, part))

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_timers(void **state)
{
	(void)state;
	eval("sys.after(3, 1), sys.after(1, 2), sys.spawn(3), sys.after(9, 4)");
	assert_string_equal(fired(), "");
	advance(0);
	assert_string_equal(fired(), "3");
	advance(5);
	assert_string_equal(fired(), "3,2,1");
	assert_int_equal(ntimers, 1);
	assert_string_equal(eval("sys.cancel(4)"), "true nil nil");
	assert_string_equal(eval("sys.cancel(4)"), "false nil nil");
	assert_string_equal(eval("sys.cancel(1)"), "false nil nil");
	advance(100);
	assert_string_equal(fired(), "3,2,1");
}

static void test_an_id_that_waits_starts_over(void **state)
{
	(void)state;
	eval("sys.after(1, 5)");
	advance(0.9);
	eval("sys.after(1, 5)");
	advance(0.9);
	assert_string_equal(fired(), "");
	advance(0.2);
	assert_string_equal(fired(), "5");
}

static void test_a_timer_starts_itself_again(void **state)
{
	(void)state;
	eval("sys.after(1, 7)");
	advance(3.5);
	assert_string_equal(fired(), "7,7,7");
	assert_int_equal(ntimers, 1);
}

static void test_sleep(void **state)
{
	(void)state;
	task_start("sleeper", NULL, NULL, NULL, NULL);
	task_start("sleeper", NULL, NULL, NULL, NULL);
	assert_int_equal(task_count(), 2);
	advance(2.4);
	assert_string_equal(fired(), "");
	advance(0.2);
	assert_string_equal(fired(), "awake,awake");
	assert_int_equal(ntimers, 0);
	task_start("sleeper", NULL, NULL, NULL, NULL); /* asleep when everything ends */
}

static int push_nine(lua_State *L, void *arg)
{
	(void)arg;
	lua_pushinteger(L, 9);
	return 1;
}

/* wait ends by wake or by time; the id is free again; after and cancel leave it alone. */
static void test_wait(void **state)
{
	(void)state;
	task_start("waiter", push_nine, NULL, NULL, NULL);
	HAS(eval("sys.after(1, 9)"), "the id is in use");
	assert_string_equal(eval("sys.cancel(9)"), "false nil nil");
	advance(2.6);
	assert_string_equal(fired(), "false");
	assert_string_equal(eval("sys.wake(9)"), "false nil nil");
	task_start("waiter", push_nine, NULL, NULL, NULL);
	assert_string_equal(eval("sys.wake(9), sys.wake(9)"), "true true nil");
	assert_string_equal(fired(), "false");
	advance(0.1);
	assert_string_equal(fired(), "false,true");
	assert_int_equal(ntimers, 0);
	eval("sys.after(1, 3)");
	assert_string_equal(eval("sys.wake(3)"), "false nil nil");
	task_start("waiter", push_nine, NULL, NULL, NULL); /* waits when everything ends */
}

static void test_refusals(void **state)
{
	(void)state;
	HAS(eval("sys.sleep(1)"), "only works inside a task");
	HAS(eval("sys.after(-1, 1)"), "0 to 1e9 seconds");
	HAS(eval("sys.after(0/0, 1)"), "0 to 1e9 seconds");
	HAS(eval("sys.after(1, 0/0)"), "not a number");
	HAS(eval("(function() for i = 1, 65537 do sys.after(1, i) end end)()"), "too many timers");
	assert_int_equal(ntimers, 65536);
	lua_sys_use(NULL);
	HAS(eval("sys.spawn(1)"), "no event loop");
	HAS(eval("sys.random(0)"), "1 to 64 bytes");
	HAS(eval("sys.random(65)"), "1 to 64 bytes");
	HAS(eval("sys.log('loud', 'x', 'y')"), "debug, info, warn or error");
	HAS(eval("sys.stamp(-1e18)"), "9999");
	HAS(eval("sys.stamp(1e30)"), "9999");
	HAS(eval("sys.count('x', nil, -1)"), "never falls");
}

static void test_read(void **state)
{
	char path[] = "/tmp/moon2m_test_sys_XXXXXX", code[200];
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	snprintf(code, sizeof(code), "sys.read('%s', 5)", path);
	assert_string_equal(eval(code), "hello nil nil");
	snprintf(code, sizeof(code), "sys.read('%s', 5, true)", path);
	assert_string_equal(eval(code), "hello nil nil");
	assert_int_equal(chmod(path, 0640), 0);
	HAS(eval(code), "others may read or write it, chmod 600 it");
	snprintf(code, sizeof(code), "sys.read('%s', 4)", path);
	HAS(eval(code), "larger than 4 bytes");
	unlink(path);
	HAS(eval(code), "No such file");
	HAS(eval("sys.read('/tmp', 10)"), "not a regular file");
	HAS(eval("sys.read('/dev/zero', 10)"), "not a regular file");
	HAS(eval("sys.read('/proc/self/stat', 4096)"), "test_sys");
	HAS(eval("sys.read('/x', 1e9)"), "16777216");
}

static void test_digests_and_clocks(void **state)
{
	(void)state;
	HAS(eval("sys.sha256('abc')"),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(eval("#sys.random(16), sys.random(16) ~= sys.random(16)"),
			    "32 true nil");
	assert_string_equal(eval("sys.parse_stamp('20260101T000000') == 1767225600e6"),
			    "true nil nil");
	assert_string_equal(eval("sys.stamp(1767225600e6), sys.parse_stamp('20261301T000000')"),
			    "20260101T000000 nil nil");
	assert_string_equal(eval("sys.parse_duration('PT1M') == 60e6, sys.parse_duration('x')"),
			    "true nil nil");
	assert_string_equal(
	    eval("sys.now() > 1.6e15, sys.mono() <= sys.mono(), sys.memory() > 1000"),
	    "true true true");
}

static void test_counters(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	eval("sys.count('t_total', 'a=\"x\"', 2, 'what'), sys.count('t_total', 'a=\"x\"', 3, "
	     "'what')");
	eval("(function() for i = 1, 1000 do sys.count('many_total', 'a=\"' .. i .. '\"', 1) end "
	     "end)()");
	metrics_write(&out);
	buf_char(&out, '\0');
	HAS(out.p, "t_total{a=\"x\"} 5\n");
	HAS(out.p, "many_total{a=\"other\"} ");
	buf_free(&out);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_timers),
		T(test_an_id_that_waits_starts_over),
		T(test_a_timer_starts_itself_again),
		T(test_sleep),
		T(test_wait),
		T(test_refusals),
		T(test_read),
		T(test_digests_and_clocks),
		T(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
