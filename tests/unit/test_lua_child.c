/*
 * Core module child: what a script's test is started with, what the task gets back, what ends early.
 * Programs are played by this file.
 */
#include "lua_child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "embed.h"
#include "guard.h"
#include "net_child.h"
#include "task.h"
#include "vm.h"

static const char boot[] =
    "local child = require 'moon2m.core.child'\n"
    "said = {}\n"
    "local function say(...)\n"
    "  for i = 1, select('#', ...) do said[#said + 1] = tostring((select(i, ...))) end\n"
    "end\n"
    "local function no(...) say((select(2, pcall(child.run, ...)):gsub('^.*: ', ''))) end\n"
    "return {\n"
    "  run = function() say(child.run({ 'test', 'a.lua' }, 2.5)) end,\n"
    "  twice = function() say(child.run({ 'one' }, 1)) say(child.run({ 'two' }, 1)) end,\n"
    "  none = function() no({ 'test' }, 1) end,\n"
    "  refused = function()\n"
    "    local many = {}\n"
    "    for i = 1, 17 do many[i] = 'x' end\n"
    "    no({}, 1) no(many, 1) no('test', 1) no({ 'test' }, 0) no({ 'test' }, 3601)\n"
    "    no({ 'test' })\n"
    "  end,\n"
    "}\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot, sizeof(boot) - 1 },
	{ NULL, NULL, NULL, 0 },
};

/* ---- the stand-in ---------------------------------------------------------------------------- */

struct net_child {
	net_child_fn fn;
	void *arg;
	double seconds;
	char line[200];
};

static struct net_child *running[4];
static size_t nrunning;
static const char *broken; /* why none can be started */
static struct net *const the_net = (struct net *)&nrunning;

struct net_child *net_child_start(struct net *n, char *const argv[], double seconds,
				  net_child_fn fn, void *arg, struct err *e)
{
	struct net_child *c;

	assert_ptr_equal(n, the_net);
	assert_true(nrunning < countof(running));
	if (broken) {
		(void)err_set(e, "%s", broken);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct net_child){ .fn = fn, .arg = arg, .seconds = seconds };
	for (size_t i = 0; argv[i]; i++) {
		size_t len = strlen(c->line);

		snprintf(c->line + len, sizeof(c->line) - len, "%s ", argv[i]);
	}
	running[nrunning++] = c;
	return c;
}

void net_child_free(struct net_child *c)
{
	size_t i = 0;

	while (running[i] != c)
		i++;
	for (nrunning--; i < nrunning; i++)
		running[i] = running[i + 1];
	free(c);
}

/* As the real one: the child is freed after fn was called. */
static void ends(struct net_child *c, int code, const char *output)
{
	c->fn(c->arg, code, str_of(output));
	net_child_free(c);
}

/* ---- the tests ------------------------------------------------------------------------------- */

static int start(void **state)
{
	static const struct vm_opts o = { .memory_cap = 64 << 20 };
	struct err e;

	(void)state;
	broken = NULL;
	assert_true(vm_open(&o, &e));
	guard_open(vm_state(), 5);
	vm_module("guard", guard_lua_open);
	vm_module("child", lua_child_open);
	assert_true(vm_boot("moon2m.boot", &e));
	lua_child_use(the_net, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	lua_child_close();
	assert_int_equal(nrunning, 0);
	task_close();
	guard_close();
	vm_close();
	return 0;
}

static void run(const char *entry)
{
	task_start(entry, NULL, NULL, NULL, NULL);
}

static const char *said(void)
{
	static char text[1000];
	lua_State *L = vm_state();

	assert_int_equal(luaL_dostring(L, "local s = table.concat(said, '|') said = {} return s"),
			 0);
	snprintf(text, sizeof(text), "%s", lua_tostring(L, -1));
	lua_pop(L, 1);
	return text;
}

static void test_an_end(void **state)
{
	(void)state;
	run("run");
	assert_int_equal(nrunning, 1);
	assert_string_equal(running[0]->line, "/proc/self/exe test a.lua ");
	assert_true(running[0]->seconds > 2.4 && running[0]->seconds < 2.6);
	assert_string_equal(said(), "");
	ends(running[0], 3, "two failed\n");
	assert_string_equal(said(), "3|two failed\n");
	assert_int_equal(task_count(), 0);
}

static void test_the_library_is_passed_on(void **state)
{
	(void)state;
	lua_child_use(the_net, "/src/lua");
	run("run");
	assert_string_equal(running[0]->line, "/proc/self/exe test --lua /src/lua a.lua ");
	ends(running[0], -2, "");
	assert_string_equal(said(), "-2|");
}

/* Several at once, ended in another order; one starts the next. */
static void test_several(void **state)
{
	(void)state;
	run("twice");
	run("run");
	run("twice");
	ends(running[1], 0, "b");
	assert_string_equal(said(), "0|b");
	ends(running[0], 1, "a");
	assert_string_equal(said(), "1|a");
	assert_int_equal(nrunning, 2);
	assert_string_equal(running[1]->line, "/proc/self/exe two ");
	ends(running[1], -1, "c");
	assert_string_equal(said(), "-1|c");
	assert_int_equal(nrunning, 1); /* killed by stop() */
}

static void test_cannot_be_started(void **state)
{
	(void)state;
	broken = "fork: no memory";
	run("run");
	assert_string_equal(said(), "nil|fork: no memory");
	lua_child_close();
	run("none");
	assert_string_equal(said(), "no event loop is running here");
}

static void test_refused(void **state)
{
	(void)state;
	run("refused");
	assert_string_equal(said(), "bad argument #1 to '?' (1 to 16 arguments expected)|"
				    "bad argument #1 to '?' (1 to 16 arguments expected)|"
				    "bad argument #1 to '?' (table expected, got string)|"
				    "bad argument #2 to '?' (0 to 3600 seconds expected)|"
				    "bad argument #2 to '?' (0 to 3600 seconds expected)|"
				    "bad argument #2 to '?' (number expected, got no value)");
	assert_int_equal(nrunning, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_an_end),  T(test_the_library_is_passed_on),
		T(test_several), T(test_cannot_be_started),
		T(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
