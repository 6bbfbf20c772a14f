/*
 * Tasks: each waits, is resumed once by the reference that belongs to the wait, and ends in its
 * `done`.  A late or repeated completion never resumes anything.
 */
#include "task.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "embed.h"
#include "guard.h"
#include "log.h"
#include "vm.h"

/* The boot module of this test.  wrapped(): user code in a coroutine of its own, inside a guarded
 * one, with the wrapper that the library puts around both. */
static const char boot[] =
    "local guard = require 'moon2m.core.guard'\n"
    "local b = {}\n"
    "trail = {}\n"
    "function b.plain(...) trail[#trail + 1] = ... end\n"
    "function b.waits(name) local v = wait() trail[#trail + 1] = name .. tostring(v) end\n"
    "function b.twice(name) b.waits(name) b.waits(name) end\n"
    "function b.fails() error('on purpose') end\n"
    "function b.fails_later() wait() error('later') end\n"
    "function b.yields() coroutine.yield(1) end\n"
    "function b.early() local v = wait_early() trail[#trail + 1] = 'early' .. tostring(v) end\n"
    "function b.sorts() table.sort({ 1, 2, 3 }, function() wait() end) end\n"
    "function b.nested() start('waits', 'inner') trail[#trail + 1] = 'outer' .. tostring(wait()) "
    "end\n"
    "local function pass(resume, co, ok, first, ...)\n"
    "  if ok and first == guard.SERVER then\n"
    "    return pass(resume, co, resume(co, coroutine.yield(first)))\n"
    "  end\n"
    "  return ok, first, ...\n"
    "end\n"
    "function b.wrapped()\n"
    "  local function budget(co, ...) return guard.resume(0.05, 'rule', co, ...) end\n"
    "  local outer = coroutine.create(function()\n"
    "    local inner = coroutine.create(function(a) return a + wait() + wait() end)\n"
    "    local _, sum = pass(coroutine.resume, inner, coroutine.resume(inner, 1))\n"
    "    return sum * 2\n"
    "  end)\n"
    "  local _, result = pass(budget, outer, budget(outer))\n"
    "  trail[#trail + 1] = result\n"
    "end\n"
    "function b.abandons()\n"
    "  local co = coroutine.create(function() wait() end)\n"
    "  coroutine.resume(co)\n" /* its reference is lost: nobody passes the yield on */
    "  trail[#trail + 1] = 'got ' .. tostring(wait())\n"
    "end\n"
    "return b\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot, sizeof(boot) - 1 },
	{ NULL, NULL, NULL, 0 },
};

static struct task_ref refs[16]; /* of each wait, in order */
static size_t nrefs;
static char ends[400]; /* "ok;" or "failed:text;" of each end */

static int push_number(lua_State *L, void *arg)
{
	lua_pushinteger(L, *(int *)arg);
	return 1;
}

static int push_text(lua_State *L, void *arg)
{
	lua_pushstring(L, arg);
	return 1;
}

static int push_raises(lua_State *L, void *arg)
{
	return luaL_error(L, "cannot push %s", arg ? (char *)arg : "it");
}

static void note_end(void *arg, bool ok, struct str error)
{
	size_t n = strlen(ends);

	assert_ptr_equal(arg, ends);
	snprintf(ends + n, sizeof(ends) - n, "%s%.*s;", ok ? "ok" : "failed:", STRFMT(error));
}

static void begin(const char *entry, const char *arg)
{
	task_start(entry, arg ? push_text : NULL, (void *)arg, note_end, ends);
}

static bool resume(size_t i, int value)
{
	return task_resume(refs[i], push_number, &value);
}

static int lua_wait(lua_State *L)
{
	task_check(L);
	assert_true(nrefs < countof(refs));
	refs[nrefs++] = task_current();
	return task_yield(L);
}

/* Completes before it yields, twice: the first counts. */
static int lua_wait_early(lua_State *L)
{
	refs[nrefs++] = task_current();
	assert_true(resume(nrefs - 1, 5));
	assert_false(resume(nrefs - 1, 6));
	return task_yield(L);
}

static int lua_start(lua_State *L)
{
	begin(luaL_checkstring(L, 1), luaL_checkstring(L, 2));
	return 0;
}

static const char *trail(void)
{
	static char out[400];
	lua_State *L = vm_state();

	lua_getglobal(L, "table");
	lua_getfield(L, -1, "concat");
	lua_getglobal(L, "trail");
	lua_pushliteral(L, ",");
	lua_call(L, 2, 1);
	snprintf(out, sizeof(out), "%s", lua_tostring(L, -1));
	lua_pop(L, 2);
	assert_int_equal(lua_gettop(L), 0);
	return out;
}

static int start(void **state)
{
	static const struct vm_opts o = { .memory_cap = 64 << 20 };
	struct err e;

	(void)state;
	nrefs = 0;
	ends[0] = '\0';
	assert_true(vm_open(&o, &e));
	guard_open(vm_state(), 5);
	vm_module("guard", guard_lua_open);
	lua_register(vm_state(), "wait", lua_wait);
	lua_register(vm_state(), "wait_early", lua_wait_early);
	lua_register(vm_state(), "start", lua_start);
	assert_true(vm_boot("moon2m.boot", &e));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	task_close();
	guard_close();
	vm_close();
	assert_int_equal(vm_memory(), 0);
	return 0;
}

static void test_runs_to_its_end(void **state)
{
	(void)state;
	begin("plain", "a");
	begin("plain", "b");
	assert_string_equal(trail(), "a,b");
	assert_string_equal(ends, "ok;ok;");
	assert_int_equal(task_count(), 0);
}

static void test_waits_and_is_resumed_once(void **state)
{
	(void)state;
	begin("waits", "x");
	assert_int_equal(task_count(), 1);
	assert_string_equal(ends, "");
	assert_true(resume(0, 1));
	assert_false(resume(0, 2));
	assert_string_equal(trail(), "x1");
	assert_string_equal(ends, "ok;");
	assert_int_equal(task_count(), 0);
}

static void test_late_completion_resumes_nobody(void **state)
{
	(void)state;
	begin("twice", "a");
	assert_true(resume(0, 1));
	assert_int_equal(nrefs, 2);
	assert_false(resume(0, 9)); /* the same task waits, but for something else */
	assert_true(resume(1, 2));
	begin("waits", "b"); /* takes the coroutine over */
	assert_ptr_equal(refs[2].task, refs[0].task);
	assert_false(resume(0, 9));
	assert_false(resume(1, 9));
	assert_string_equal(trail(), "a1,a2");
	assert_true(resume(2, 3));
	assert_string_equal(trail(), "a1,a2,b3");
	assert_false(task_resume((struct task_ref){ NULL, 0 }, NULL, NULL));
}

static void test_an_abandoned_wait_is_stale(void **state)
{
	(void)state;
	begin("abandons", NULL);
	assert_int_equal(nrefs, 2);
	assert_false(resume(0, 1)); /* the coroutine nobody resumes */
	assert_true(resume(1, 2));
	assert_string_equal(trail(), "got 2");
}

static void test_completion_before_the_yield(void **state)
{
	(void)state;
	begin("early", NULL);
	assert_string_equal(trail(), "early5");
	assert_string_equal(ends, "ok;");
	assert_false(resume(0, 7));
}

static void test_many_tasks_each_get_their_own(void **state)
{
	char want[100] = "";

	(void)state;
	for (int i = 0; i < 10; i++)
		begin("waits", (char[]){ (char)('a' + i), '\0' });
	assert_int_equal(task_count(), 10);
	for (int i = 9; i >= 0; i--) {
		size_t n = strlen(want);

		assert_true(resume((size_t)i, i));
		snprintf(want + n, sizeof(want) - n, "%s%c%d", n ? "," : "", 'a' + i, i);
	}
	assert_string_equal(trail(), want);
	assert_int_equal(task_count(), 0);
}

static void test_errors(void **state)
{
	int fd = open("/dev/null", O_WRONLY);
	(void)state;
	log_to(fd);
	begin("fails", NULL);
	assert_string_equal(ends, "failed:lib/moon2m/boot.lua:7: on purpose;");
	ends[0] = '\0';
	begin("fails_later", NULL);
	assert_true(resume(0, 0));
	assert_string_equal(ends, "failed:lib/moon2m/boot.lua:8: later;");
	ends[0] = '\0';
	begin("no_such_entry", NULL);
	assert_string_equal(ends, "failed:the boot module has no entry 'no_such_entry';");
	ends[0] = '\0';
	begin("yields", NULL);
	assert_non_null(strstr(ends, "yielded, but not to the runtime"));
	ends[0] = '\0';
	begin("sorts", NULL);
	assert_non_null(strstr(ends, "verbs cannot wait inside table.sort: collect first"));
	assert_int_equal(task_count(), 0);
	begin("plain", "after");
	assert_string_equal(trail(), "after");
	log_to(2);
	close(fd);
}

static void test_values_that_cannot_be_pushed(void **state)
{
	int fd = open("/dev/null", O_WRONLY);

	(void)state;
	log_to(fd);
	task_start("plain", push_raises, "X", note_end, ends);
	assert_string_equal(ends, "failed:cannot push X;");
	ends[0] = '\0';
	begin("waits", "w");
	assert_true(task_resume(refs[0], push_raises, "Y"));
	assert_string_equal(ends, "failed:cannot push Y;");
	assert_int_equal(task_count(), 0);
	log_to(2);
	close(fd);
}

static void test_a_task_starts_another(void **state)
{
	(void)state;
	begin("nested", NULL);
	assert_int_equal(task_count(), 2);
	assert_true(resume(1, 2));
	assert_true(resume(0, 1));
	assert_string_equal(trail(), "outer2,inner1");
}

static void test_nested_coroutines_pass_the_yield_on(void **state)
{
	(void)state;
	begin("wrapped", NULL);
	assert_int_equal(nrefs, 1);
	usleep(120000); /* waiting is not running: the budget is 50 ms */
	assert_true(resume(0, 10));
	assert_int_equal(nrefs, 2);
	assert_true(resume(1, 100));
	assert_string_equal(trail(), "222");
	assert_int_equal(guard_stops(), 0);
}

static void test_waiting_outside_a_task(void **state)
{
	lua_State *L = vm_state();

	(void)state;
	lua_getglobal(L, "wait");
	assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_ERRRUN);
	assert_non_null(strstr(lua_tostring(L, -1), "only works inside a task"));
	lua_pop(L, 1);
}

static void test_close_with_tasks_waiting(void **state)
{
	(void)state;
	begin("waits", "never");
	begin("waits", "never");
	assert_int_equal(task_count(), 2);
	task_close();
	assert_int_equal(task_count(), 0);
	assert_string_equal(ends, "");
}

static void test_the_pool_is_bounded(void **state)
{
	size_t before;

	(void)state;
	nrefs = 0;
	for (int round = 0; round < 100; round++)
		for (nrefs = 0; nrefs < 16;)
			begin("waits", "x");
	assert_int_equal(task_count(), 1600);
	task_close();
	lua_gc(vm_state(), LUA_GCCOLLECT, 0);
	lua_gc(vm_state(), LUA_GCCOLLECT, 0);
	before = vm_memory();
	for (int i = 0; i < 10000; i++)
		begin("plain", NULL);
	lua_gc(vm_state(), LUA_GCCOLLECT, 0);
	assert_true(vm_memory() < before + 100000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_runs_to_its_end),
		T(test_waits_and_is_resumed_once),
		T(test_late_completion_resumes_nobody),
		T(test_an_abandoned_wait_is_stale),
		T(test_completion_before_the_yield),
		T(test_many_tasks_each_get_their_own),
		T(test_errors),
		T(test_values_that_cannot_be_pushed),
		T(test_a_task_starts_another),
		T(test_nested_coroutines_pass_the_yield_on),
		T(test_waiting_outside_a_task),
		T(test_close_with_tasks_waiting),
		T(test_the_pool_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
