/*
 * The profiler: it sees the lines that burn time, tells what was outside Lua, does not keep the guard
 * from stopping a loop, and can be left on when the VM closes.
 */
#define _GNU_SOURCE
#include "lua_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "embed.h"
#include "guard.h"
#include "task.h"
#include "vm.h"

static const char boot_text[] =
    "local profile, guard = require 'moon2m.core.profile', require 'moon2m.core.guard'\n"
    "local boot, hot = {}, nil\n"
    "local function compile(text) return assert(guard.compile(text, '@app.lua', { seen = hot })) end\n"
    "local function found(pattern)\n"
    "  local n = 0\n"
    "  for stack, k in pairs(boot.data.stacks) do if stack:find(pattern) then n = n + k end end\n"
    "  return n\n"
    "end\n"
    "function boot.start() assert(profile.start(1)) assert(not profile.start(1)) end\n"
    "function boot.burn()\n"
    "  local fn = compile('local s = 0\\nlocal function f(n)\\nfor i = 1, n do s = s + i end end\\n'\n"
    "    .. 'for i = 1, 40 do f(200000) end')\n"
    "  local ok, why = guard.resume(10, 'r', coroutine.create(fn))\n"
    "  assert(ok, why)\n"
    "end\n"
    "function boot.stuck()\n"
    "  local ok, why = guard.resume(0.05, 'r', coroutine.create(compile('while true do end')))\n"
    "  assert(not ok and why:find('app.lua:1: still running', 1, true), why)\n"
    "end\n"
    "function boot.stop() boot.data = assert(profile.stop()) assert(profile.stop() == nil) end\n"
    "function boot.judge()\n"
    "  local d = boot.data\n"
    "  assert(d.samples - d.outside >= 3, d.samples .. ' samples, outside ' .. d.outside)\n"
    "  assert(d.seconds > 0 and d.cut == 0)\n"
    "  local lines = found('app%.lua:4;app%.lua:3$')\n"
    "  assert(lines >= 0.6 * (d.samples - d.outside), lines .. ' of ' .. d.samples - d.outside)\n"
    "end\n"
    "function boot.judge_outside()\n"
    "  assert(boot.data.outside >= 3, boot.data.outside)\n"
    "end\n"
    "return boot\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot_text, sizeof(boot_text) - 1 },
	{ NULL, NULL, NULL, 0 },
};

static int start(void **state)
{
	static const struct vm_opts o = { .memory_cap = 64 << 20 };
	struct err e;

	(void)state;
	assert_true(vm_open(&o, &e));
	guard_open(vm_state(), 5);
	vm_module("guard", guard_lua_open);
	vm_module("profile", lua_profile_open);
	return vm_boot("moon2m.boot", &e) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	lua_profile_close();
	task_close();
	guard_close();
	vm_close();
	return 0;
}

static void on_done(void *arg, bool ok, struct str error)
{
	if (!ok)
		fprintf(stderr, "%.*s\n", STRFMT(error));
	*(bool *)arg = ok;
}

static void run(const char *entry)
{
	bool ok = false;

	task_start(entry, NULL, NULL, on_done, &ok);
	assert_true(ok);
}

static void burn_outside(double seconds)
{
	struct timespec from, now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((double)(now.tv_sec - from.tv_sec) + (double)(now.tv_nsec - from.tv_nsec) / 1e9 <
	       seconds);
}

static void test_lines(void **state)
{
	(void)state;
	run("start");
	run("burn");
	run("stop");
	run("judge");
}

static void test_outside(void **state)
{
	(void)state;
	run("start");
	burn_outside(0.1);
	run("stop");
	run("judge_outside");
}

/* The hook that ends a loop survives the profiler, again and again. */
static void test_guard(void **state)
{
	(void)state;
	run("start");
	for (int i = 0; i < 20; i++)
		run("stuck");
	run("stop");
	run("stuck");
}

static void test_left_on(void **state)
{
	(void)state;
	run("start");
	run("burn");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, start, stop),
		cmocka_unit_test_setup_teardown(test_outside, start, stop),
		cmocka_unit_test_setup_teardown(test_guard, start, stop),
		cmocka_unit_test_setup_teardown(test_left_on, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
