/*
 * The guard: hostile loops end within their budget, sleepers and starved scripts are not stopped,
 * the library is never torn, a script that is stuck in C ends the process with 70.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "embed.h"
#include "vm.h"

const struct embed embed_modules[] = { { NULL, NULL, NULL, 0 } };

static int lua_doze(lua_State *L)
{
	struct timespec t = { 0, (long)(luaL_checknumber(L, 1) * 1e9) };

	while (nanosleep(&t, &t) != 0)
		;
	return 0;
}

/* Library code: run(budget, user_text, ...) -> ok, result or message, traceback. */
static const char library[] =
    "local guard = require 'moon2m.core.guard'\n"
    "local world = setmetatable({}, { __index = _G })\n"
    "world.records = {}\n"
    "function world.add(v) local r = { v } r[2] = v r[3] = v world.records[#world.records + 1] = r "
    "end\n"
    "local function after(h, ok, ...) if ok then return true, ... end return false, h(...) end\n"
    "function world.xpcall(f, h, ...) return after(h, pcall(f, ...)) end\n"
    "function world.each(n, f) for i = 1, n do f(i) end end\n"
    "function compile(text, name) return guard.compile(text, name or '@app.lua', world) end\n"
    "function run(budget, text, ...)\n"
    "  return guard.resume(budget, 'app rule', coroutine.create(assert(compile(text))), ...)\n"
    "end\n"
    "function limited(text)\n"
    "  local co = coroutine.create(assert(compile(text)))\n"
    "  return guard.resume(guard.meter(10, 2 ^ 23, 's', 'r'), 'r', co)\n"
    "end\n"
    "return world\n";

static void open_all(double stuck)
{
	static const struct vm_opts o = { .memory_cap = 256 << 20 };
	struct err e;

	assert_true(vm_open(&o, &e));
	guard_open(vm_state(), stuck);
	vm_module("guard", guard_lua_open);
	lua_register(vm_state(), "doze", lua_doze);
	assert_int_equal(luaL_loadbuffer(vm_state(), library, sizeof(library) - 1, "@lib/test.lua"),
			 0);
	assert_true(vm_call(vm_state(), 0, 1, &e));
	lua_setglobal(vm_state(), "world");
}

static int start(void **state)
{
	(void)state;
	open_all(5);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	guard_close();
	vm_close();
	return 0;
}

/* Runs library code; true when it returned without an error and its result is true. */
static bool holds(const char *code)
{
	struct err e;
	bool ok;

	assert_int_equal(luaL_loadbuffer(vm_state(), code, strlen(code), "@lib/case.lua"), 0);
	if (!vm_call(vm_state(), 0, 1, &e)) {
		print_error("%s\n", e.msg);
		return false;
	}
	ok = lua_toboolean(vm_state(), -1);
	if (!ok)
		print_error("%s\n",
			    lua_tostring(vm_state(), -1) ? lua_tostring(vm_state(), -1) : "false");
	lua_pop(vm_state(), 1);
	return ok;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The user text runs for ever: it is stopped, with a place, after about its budget of CPU time. */
static void stopped(const char *text)
{
	lua_State *L = vm_state();
	uint64_t before = guard_stops();
	double cpu = cpu_seconds();
	struct err e;
	const char *msg;

	lua_getglobal(L, "run");
	lua_pushnumber(L, 0.05);
	lua_pushstring(L, text);
	assert_true(vm_call(L, 2, 3, &e));
	assert_false(lua_toboolean(L, -3));
	msg = lua_tostring(L, -2);
	assert_non_null(msg);
	assert_non_null(strstr(msg, "still running after 50 ms, stopped"));
	assert_int_equal(strncmp(msg, "app.lua:", 8), 0);
	assert_non_null(strstr(lua_tostring(L, -1), "stack traceback:\n\tapp.lua:1: in "));
	lua_pop(L, 3);
	cpu = cpu_seconds() - cpu;
	assert_true(cpu >= 0.03 &&
		    cpu < 1); /* 70 % of the budget at least, on a busy machine too */
	assert_int_equal(guard_stops(), before + 1);
	assert_null(lua_gethook(L));
	assert_true(holds("return run(0.5, 'return 1')"));
}

static void test_hostile_loops(void **state)
{
	(void)state;
	stopped("while true do end");
	stopped("local x = 0 while true do x = (x * 7 + 1) % 1000003 end");
	stopped("local function loop() while true do end end while true do pcall(loop) end");
	stopped("while true do xpcall(function() while true do end end, function() while true do "
		"end end) end");
	stopped("local co = coroutine.wrap(function() while true do coroutine.yield() end end)"
		" while true do co() end");
	stopped("while true do coroutine.wrap(function() while true do end end)() end");
	stopped("while true do (('x'):rep(1000)):gsub('x', function() local y = 1 end) end");
	stopped("while true do local t = {} for i = 1, 200 do t[i] = i * 7919 % 200 end"
		" table.sort(t, function(a, b) return a < b end) end");
	stopped("local s = 'return 1' while true do loadstring(s)() end");
	stopped("local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })"
		" while true do pcall(function() return t[1] end) end");
	stopped("repeat local ok = pcall(error, {}) until not ok and false");
	stopped("local function f() while true do pcall(f) end end f()");
}

static void test_compiled_library_loop_with_user_callback(void **state)
{
	(void)state;
	stopped("each(1e12, function(i) local x = i * 2 end)");
	stopped("while true do each(1000, function() end) end");
}

static void test_library_is_never_torn(void **state)
{
	(void)state;
	stopped("while true do add(1) end");
	stopped("while true do pcall(add, 2) end");
	assert_true(holds("for i, r in ipairs(world.records) do"
			  " if r[1] ~= r[2] or r[2] ~= r[3] then return false end end"
			  " return #world.records > 100"));
}

static void test_results_and_errors(void **state)
{
	(void)state;
	assert_true(
	    holds("local ok, a, b = run(0.1, 'return ...', 3, 4) return ok and a == 3 and b == 4"));
	assert_true(holds("local ok, m, tb = run(0.1, '\\nerror(\"x\")')"
			  " return not ok and m == 'app.lua:2: x' and tb:find('app.lua:2')"));
	assert_true(holds("local t = { msg = 'no' } local ok, m = run(0.1, 'error(...)', t)"
			  " return not ok and m == 'app.lua:1: no'"));
	assert_true(holds("local ok, m = run(0.1, '\\nerror({})')"
			  " return m == 'app.lua:2: error without a message (a table)'"));
	assert_true(holds("local ok, m = run(0.1, 'error()')"
			  " return m == 'app.lua:1: error without a message (nil)'"));
	assert_true(holds("local ok, m = run(0.1, 'error(setmetatable({}, { __tostring = function()"
			  " while true do end end }))')"
			  " return m == 'app.lua:1: error without a message (a table)'"));
	assert_true(holds(
	    "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1)"
	    " return b * 2 end)\n"
	    "local g = require 'moon2m.core.guard'\n"
	    "local _, x = g.resume(0.1, 'r', co, 1)\n"
	    "local _, y = g.resume(0.1, 'r', co, 10)\n"
	    "local ok, why = g.resume(0.1, 'r', co)\n"
	    "return x == 2 and y == 20 and not ok and why == 'cannot resume dead coroutine'"));
	assert_true(holds(
	    "local g = require 'moon2m.core.guard'\n"
	    "local ok, why = g.resume(0.1, nil, coroutine.running() or coroutine.create(print))\n"
	    "return ok ~= nil"));
	assert_true(
	    holds("local g = require 'moon2m.core.guard'\n"
		  "local co co = coroutine.create(function() return g.resume(0.1, 'r', co) end)\n"
		  "local _, ok, why = coroutine.resume(co)\n"
		  "return ok == false and why:find('non%-suspended') ~= nil"));
	assert_false(holds("return run(0, 'return 1')"));
	assert_false(holds("return run(1e9, 'return 1')"));
	assert_false(holds("return run(0/0, 'return 1')"));
}

static void test_memory(void **state)
{
	static const char *const floods[] = {
		"local t = {} for i = 1, 1e9 do t[i] = i end",
		"local s = 'x' while true do s = s .. s end",
		"local t = {} for i = 1, 1e9 do t[i] = { i } end",
		"local t = {} while true do pcall(function() for i = 1, 1e9 do t[i] = { i } end end) end",
		"local s = {} while true do pcall(function() s[#s + 1] = ('x'):rep(2 ^ 20) .. #s end) end",
		"coroutine.wrap(function() local t = {} for i = 1, 1e9 do t[i] = { i } end end)()",
		"local t = {} while true do coroutine.wrap(function()"
		" for i = 1, 100 do t[#t + 1] = { i } end end)() end",
	};
	size_t base;

	(void)state;
	lua_gc(vm_state(), LUA_GCCOLLECT, 0);
	base = vm_memory();
	for (size_t i = 0; i < countof(floods); i++) {
		char code[600];

		snprintf(
		    code, sizeof(code),
		    "local ok, m = limited [[%s]] return not ok and (m:find('^app.lua:1: %%d+ MiB"
		    " of memory used, 8 MiB allowed, stopped$') or m:find('^app.lua:1: not enough"
		    " memory: %%d+ MiB more wanted, 8 MiB allowed$')) and true or m",
		    floods[i]);
		assert_true(holds(code));
		assert_null(lua_gethook(vm_state()));
		for (int k = 0; k < 5; k++) /* LuaJIT's buffer for strings halves each time */
			lua_gc(vm_state(), LUA_GCCOLLECT, 0);
		if (vm_memory() >= base + (1 << 20))
			fail_msg("%s: %zu bytes of %zu are left", floods[i], vm_memory(), base);
	}
	assert_true(holds("local ok, m = limited [[return #('x'):rep(2 ^ 30)]]"
			  " return m == 'app.lua:1: not enough memory: 1024 MiB more wanted, 8 MiB"
			  " allowed'"));
	/* Refused once, and it goes on: nothing is left of it. */
	assert_true(holds("local ok, a, b = limited [[return pcall(string.rep, 'x', 2 ^ 30)]]"
			  " return ok and a == false and b == 'not enough memory'"));
	/* Garbage is no use of memory: three million tables, and blocks of a quarter of the budget. */
	assert_true(holds("return (limited [[for i = 1, 3e6 do local t = { i } end]])"));
	assert_true(
	    holds("return (limited [[for i = 1, 100 do local t = ('x'):rep(2 ^ 20) .. i end]])"));
	/* The library may finish what it does. */
	assert_true(holds("world.big = function() return #('x'):rep(2 ^ 25) end"
			  " local ok, n = limited [[return pcall(big)]] return ok or n"));
}

static void test_memory_of_inner_runs(void **state)
{
	(void)state;
	assert_true(holds(
	    "local g = require 'moon2m.core.guard'\n"
	    "world.inner = function(text) return g.resume(g.meter(10, 2 ^ 26), 'i',"
	    " coroutine.create(assert(compile(text)))) end\n"
	    "local ok, inner, m = limited [[local a, b = inner 'local t = {} for i = 1, 1e9 do"
	    " t[i] = { i } end' return a, b]]\n"
	    "return not ok and inner:find('8 MiB allowed, stopped')"));
	assert_true(holds(
	    "local g = require 'moon2m.core.guard'\n"
	    "world.inner = function(text) return g.resume(g.meter(10, 2 ^ 21), 'i',"
	    " coroutine.create(assert(compile(text)))) end\n"
	    "local ok, inner, m = limited [[local a, b = inner 'local t = {} for i = 1, 1e9 do"
	    " t[i] = { i } end' return a, b]]\n"
	    "return ok and inner == false and m:find('2 MiB allowed, stopped') and true"));
	assert_null(lua_gethook(vm_state()));
}

/* A run whose time is over: the library comes to its end, the user's code does not go on. */
static void test_finish(void **state)
{
	(void)state;
	assert_true(holds(
	    "local g = require 'moon2m.core.guard'\n"
	    "world.wait = function() local v = coroutine.yield() world.records[#world.records + 1] = v"
	    " return v end\n"
	    "finished = function(text, inner)\n"
	    "  local co = coroutine.create(assert(compile(text)))\n"
	    "  assert(g.resume(1, 'r', co))\n"
	    "  return g.finish(1, 'r', co, 'too late', inner or 7)\n"
	    "end\n"
	    "local ok, why = finished 'local v = wait()\\nrecords.more = true'\n"
	    "return not ok and why == 'app.lua:1: too late' and world.records[1] == 7 and"
	    " not world.records.more"));
	assert_true(holds("local ok, why = finished 'while true do pcall(wait) end'"
			  " return not ok and why == 'app.lua:1: too late'"));
	assert_true(holds("return select(2, finished 'return wait()') == 7"));
	assert_true(
	    holds("return run(0.5, 'local n = 0 for i = 1, 100 do n = n + i end return n')"));
	/* Other scripts that the library calls meanwhile are not concerned. */
	assert_true(
	    holds("world.wait = function() return coroutine.yield()() end\n"
		  "local ok, why = finished('local v = wait()\\nrecords.v = v', function()\n"
		  "  world.sum = select(2, run(0.5, 'local n = 0 for i = 1, 100 do n = n + i end"
		  " return n')) return 1 end)\n"
		  "return not ok and why == 'app.lua:1: too late' and world.sum == 5050"));
	assert_null(lua_gethook(vm_state()));
}

static void test_meter(void **state)
{
	(void)state;
	assert_true(
	    holds("local g = require 'moon2m.core.guard'\n"
		  "local m, keep = g.meter(1, nil, 'app', 'rule'), {}\n"
		  "local f = compile('local t = ... t[#t + 1] = (\"x\"):rep(2 ^ 20) .. #t')\n"
		  "for i = 1, 3 do assert(g.resume(m, 'r', coroutine.create(f), keep)) end\n"
		  "local bytes, kept, peak, runs = g.usage(m)\n"
		  "return bytes > 3 * 2 ^ 20 and kept > 2 ^ 20 and peak < bytes and runs == 3"));
	assert_false(holds("return require('moon2m.core.guard').meter(1, 5)"));
	assert_false(holds("return require('moon2m.core.guard').usage(io.stdout)"));
}

static void test_inner_coroutines(void **state)
{
	(void)state;
	assert_true(holds("world.inner = require('moon2m.core.guard').inner return true"));
	assert_true(holds("local ok, a, b, c = run(1, [[local co = coroutine.create(function(x)"
			  " local y = coroutine.yield(x + 1) error('e' .. y, 0) end)"
			  " local _, p = inner(co, 1) local q, r = inner(co, 5) return p, q, r]])"
			  " return a == 2 and b == false and c == 'e5'"));
	/* Nested without end: refused, not a crash of the process. */
	assert_true(holds("local ok, m = run(5, [[local function f() local co = coroutine.create(f)"
			  " local ok, m = inner(co) if not ok then error(m, 0) end end f()]])"
			  " return not ok and m:find('too many coroutines')"));
}

static void test_no_false_stop(void **state)
{
	(void)state;
	/* Asleep in C far beyond the budget, then a little work: no CPU was used. */
	assert_true(holds("for i = 1, 5 do local ok, m = run(0.02, 'doze(0.1) local x = 0"
			  " for i = 1, 1000 do x = x + i end return x')"
			  " if not ok then return m end end return true"));
	/* Suspended between slices for longer than the budget. */
	assert_true(holds("local g = require 'moon2m.core.guard'\n"
			  "local co = coroutine.create(compile('for i = 1, 10 do "
			  "coroutine.yield(i) end return \"end\"'))\n"
			  "for i = 1, 10 do assert(g.resume(0.01, 'r', co)) doze(0.03) end\n"
			  "local _, r = g.resume(0.01, 'r', co) return r == 'end'"));
	/* Many short runs while the timer of an early one is pending. */
	assert_true(
	    holds("local f = compile('local x = 0 for i = 1, 100 do x = x + i end return x')\n"
		  "local g = require 'moon2m.core.guard'\n"
		  "for i = 1, 100000 do assert(g.resume(0.02, 'r', coroutine.create(f))) end "
		  "return true"));
	assert_int_equal(guard_stops(), 0);
}

static void test_nested_budgets(void **state)
{
	(void)state;
	/* The outer budget rules, also when the inner one is larger ... */
	assert_true(holds(
	    "local t = os.clock()\n"
	    "local g = require 'moon2m.core.guard'\n"
	    "local outer = coroutine.create(function() return run(10, 'while true do end') end)\n"
	    "local ok, inner, m = g.resume(0.05, 'outer', outer)\n"
	    "return ok and inner == false and m:find('after 50 ms') and os.clock() - t < 1"));
	/* ... and an inner stop leaves the outer run alone. */
	assert_true(holds("world.inner = function() return run(0.02, 'while true do end') end\n"
			  "local ok, a, m = run(5, 'local ok, m = inner() local x = 0"
			  " for i = 1, 1000 do x = x + i end return ok, m')\n"
			  "return ok and a == false and m:find('after 20 ms')"));
	assert_true(holds("local ok, m = run(0.1, 'inner() while true do end')\n"
			  "return not ok and m:find('after 100 ms')"));
	assert_null(lua_gethook(vm_state()));
}

static void test_compile(void **state)
{
	(void)state;
	assert_true(
	    holds("local f, why = compile('x = = 1') return not f and why:find('^app.lua:1:')"));
	assert_true(holds("local f, why = compile(string.dump(function() end)) return not f and "
			  "why:find('binary')"));
	assert_true(holds("local f, why = compile('return 1', '@lib/evil.lua') return not f and "
			  "why:find('library')"));
	assert_true(
	    holds("local f = compile('where = 5 return where') local r = f()"
		  " return r == 5 and rawget(world, 'where') == 5 and rawget(_G, 'where') == nil"));
	assert_false(holds("return require('moon2m.core.guard').compile('return 1', '@x')"));
}

/* In a child process: what must end it. */
static int exit_of(const char *text, char *out, size_t size)
{
	int fd[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], 2);
		close(fd[0]);
		open_all(0.3); /* the timer belongs to the process that made it */
		lua_getglobal(vm_state(), "run");
		lua_pushnumber(vm_state(), 0.02);
		lua_pushstring(vm_state(), text);
		lua_call(vm_state(), 2, 0);
		_exit(0);
	}
	close(fd[1]);
	while (n < size - 1 && (got = read(fd[0], out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_stuck_in_c(void **state)
{
	char out[2000];

	(void)state;
	assert_int_equal(
	    exit_of("local s = ('a'):rep(5000)\nlocal x = s:find('.-.-.-.-.-b')", out, sizeof(out)),
	    GUARD_EXIT_STUCK);
	assert_non_null(strstr(out, "rule=app rule at=app.lua:2"));
	assert_int_equal(exit_of("doze(0.1)\n\ndoze(0.9)", out, sizeof(out)), GUARD_EXIT_STUCK);
	assert_non_null(strstr(out, "at=app.lua:3"));
	assert_int_equal(exit_of("doze(0.1)", out, sizeof(out)), 0);
	assert_int_equal(exit_of("while true do end", out, sizeof(out)), 0);
}

/* A process that was stopped and continued is not stuck. */
static void test_a_paused_process_is_not_stuck(void **state)
{
	struct timespec pause = { 0, 700000000 };
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		open_all(0.4);
		lua_getglobal(vm_state(), "run");
		lua_pushnumber(vm_state(), 0.02);
		lua_pushstring(vm_state(), "doze(0.1)");
		raise(SIGSTOP);
		_exit(lua_pcall(vm_state(), 2, 1, 0) || !lua_toboolean(vm_state(), -1));
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	nanosleep(&(struct timespec){ 0, 50000000 }, NULL); /* now inside doze */
	kill(pid, SIGSTOP);
	nanosleep(&pause, NULL);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* One that gets little of the CPU is not stuck either: its own code goes on, and is stopped. */
static void test_a_starved_script_is_not_stuck(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		open_all(1);
		_exit(!holds("local ok, why = run(0.5, 'while true do doze(0.02) end')"
			     " return not ok and why:find('stopped') ~= nil"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_hostile_loops),
		T(test_compiled_library_loop_with_user_callback),
		T(test_library_is_never_torn),
		T(test_results_and_errors),
		T(test_memory),
		T(test_memory_of_inner_runs),
		T(test_finish),
		T(test_meter),
		T(test_inner_coroutines),
		T(test_no_false_stop),
		T(test_nested_budgets),
		T(test_compile),
		cmocka_unit_test(test_stuck_in_c),
		cmocka_unit_test(test_a_paused_process_is_not_stuck),
		cmocka_unit_test(test_a_starved_script_is_not_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
