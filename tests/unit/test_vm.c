/*
 * The VM: where modules come from and in which order, chunk names, the memory cap, errors with a
 * traceback in the log.  The library here is this file's own.
 */
#include "vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "embed.h"
#include "log.h"

#define MODULE(name, chunk, text)                                                                  \
	{                                                                                          \
		name, chunk, text, sizeof(text) - 1                                                \
	}

const struct embed embed_modules[] = {
	MODULE("moon2m.boot", "@lib/moon2m/boot.lua",
	       "return { twice = function(n) return 2 * n end,\n fails = function() local x = nil; "
	       "return x.y end }"),
	MODULE("moon2m.types", "@lib/moon2m/types/init.lua",
	       "return { where = debug.getinfo(1, 'S').source }"),
	MODULE("moon2m.broken", "@lib/moon2m/broken.lua", "return {"),
	MODULE("moon2m.number", "@lib/moon2m/number.lua", "return 7"),
	{ NULL, NULL, NULL, 0 },
};

static char log_path[] = "/tmp/moon2m_test_vm_XXXXXX";
static int log_fd;

static int start(void **state)
{
	static const struct vm_opts o = { .memory_cap = 64 << 20 };
	struct err e;

	(void)state;
	assert_int_equal(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	assert_true(vm_open(&o, &e));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	vm_close();
	assert_int_equal(vm_memory(), 0);
	return 0;
}

static const char *logged(void)
{
	static char text[8192];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Runs Lua text that returns one string, or the error's. */
static const char *eval(const char *code)
{
	static char out[1000];
	struct err e;

	assert_int_equal(luaL_loadbuffer(vm_state(), code, strlen(code), "@test"), 0);
	if (vm_call(vm_state(), 0, 1, &e)) {
		snprintf(out, sizeof(out), "%s", lua_tostring(vm_state(), -1));
		lua_pop(vm_state(), 1);
	} else {
		snprintf(out, sizeof(out), "error: %s", e.msg);
	}
	assert_int_equal(lua_gettop(vm_state()), 0);
	return out;
}

static void test_embedded_library(void **state)
{
	(void)state;
	assert_string_equal(eval("return require('moon2m.types').where"),
			    "@lib/moon2m/types/init.lua");
	assert_string_equal(eval("return tostring(require('moon2m.boot').twice(4))"), "8");
	eval("return require 'moon2m.nothing'");
	assert_non_null(strstr(logged(), "no embedded module 'moon2m.nothing'"));
	assert_non_null(strstr(eval("return require 'moon2m.broken'"), "lib/moon2m/broken.lua:1:"));
}

static void test_only_the_library_is_found_by_name(void **state)
{
	(void)state;
	assert_string_equal(eval("return package.path"), "");
	assert_null(strstr(eval("return package.cpath"), "./?.so"));
	assert_non_null(strstr(eval("return require 'moon2m..etc.passwd'"), "not found"));
	assert_non_null(strstr(eval("return require 'moon2mx'"), "not found"));
	assert_string_equal(eval("return require('cjson').encode({1})"), "[1]");
}

static int open_seven(lua_State *L)
{
	lua_pushinteger(L, 7);
	return 1;
}

static void test_core_modules(void **state)
{
	(void)state;
	vm_module("seven", open_seven);
	assert_string_equal(eval("return tostring(require 'moon2m.core.seven')"), "7");
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_library_from_disk(void **state)
{
	char dir[] = "/tmp/moon2m_test_lua_XXXXXX", path[300];
	struct vm_opts o = { .lua_dir = dir };
	struct err e;

	(void)state;
	vm_close();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/moon2m", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file(path, "boot.lua", "return { where = debug.getinfo(1, 'S').source }");
	write_file(path, "bad.lua", "\n\nreturn )");
	assert_true(vm_open(&o, &e));
	assert_string_equal(eval("return require('moon2m.boot').where"), "@lib/moon2m/boot.lua");
	assert_non_null(strstr(eval("return require 'moon2m.bad'"), "lib/moon2m/bad.lua:3:"));
	vm_push_source(vm_state(), "moon2m.bad");
	assert_string_equal(lua_tostring(vm_state(), -1), "\n\nreturn )");
	vm_push_source(vm_state(), "moon2m.types");
	assert_true(lua_isnil(vm_state(), -1));
	lua_pop(vm_state(), 2);
	eval("return require 'moon2m.types'");
	assert_non_null(strstr(logged(), "no file '/tmp/moon2m_test_lua_"));
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

static void test_boot_module(void **state)
{
	struct err e;

	(void)state;
	vm_push_entry(vm_state(), "twice");
	assert_true(lua_isnil(vm_state(), -1));
	lua_pop(vm_state(), 1);
	assert_false(vm_boot("moon2m.number", &e));
	assert_non_null(strstr(e.msg, "returned no table"));
	assert_false(vm_boot("moon2m.broken", &e));
	assert_true(vm_boot("moon2m.boot", &e));
	vm_push_entry(vm_state(), "twice");
	lua_pushinteger(vm_state(), 21);
	assert_true(vm_call(vm_state(), 1, 1, &e));
	assert_int_equal(lua_tointeger(vm_state(), -1), 42);
	lua_pop(vm_state(), 1);
}

static void test_errors_leave_a_traceback(void **state)
{
	struct err e;

	(void)state;
	assert_true(vm_boot("moon2m.boot", &e));
	vm_push_entry(vm_state(), "fails");
	assert_false(vm_call(vm_state(), 0, 0, &e));
	assert_string_equal(e.msg,
			    "lib/moon2m/boot.lua:2: attempt to index local 'x' (a nil value)");
	assert_non_null(strstr(logged(), "error lua lib/moon2m/boot.lua:2: attempt to index"));
	assert_non_null(strstr(logged(), "stack traceback:"));
	assert_string_equal(
	    eval("error(setmetatable({}, { __tostring = function() return 'told' end }))"),
	    "error: told");
	assert_string_equal(eval("error {}"), "error: (error object is a table)");
	assert_string_equal(eval("error('first\\nsecond', 0)"), "error: first");
	assert_non_null(strstr(logged(), "error lua second\n"));
}

static void test_try_is_quiet(void **state)
{
	struct err e;

	(void)state;
	luaL_loadstring(vm_state(), "error('config.lua:3: no such key', 0)");
	assert_false(vm_try(vm_state(), 0, 0, &e));
	assert_string_equal(e.msg, "config.lua:3: no such key");
	assert_string_equal(logged(), "");
	assert_int_equal(lua_gettop(vm_state()), 0);
}

static void test_memory_cap(void **state)
{
	size_t before = vm_memory();

	(void)state;
	assert_non_null(
	    strstr(eval("local t = {} for i = 1, 1e9 do t[i] = {} end"), "not enough memory"));
	assert_non_null(strstr(eval("return ('x'):rep(2^30)"), "not enough memory"));
	assert_non_null(
	    strstr(eval("local s = 'xxxxxxxx' while true do s = s .. s end"), "not enough memory"));
	assert_string_equal(eval("return 'alive'"), "alive");
	assert_true(vm_memory() <= (64u << 20));
	for (int i = 0; i < 10; i++) /* LuaJIT's own string buffer shrinks step by step */
		lua_gc(vm_state(), LUA_GCCOLLECT, 0);
	assert_true(vm_memory() < before + (1 << 20));
}

static void test_garbage_is_collected_before_the_cap(void **state)
{
	(void)state;
	/* 40 MiB live: a collector that waits for twice as much would only start beyond the cap. */
	eval("kept = {} for i = 1, 40 do kept[i] = ('x'):rep(2^20) .. i end");
	for (int i = 0; i < 200; i++) {
		assert_string_equal(
		    eval("local s = ('y'):rep(2^20) .. math.random() return 'done'"), "done");
		vm_relieve();
	}
}

static void test_vm_failure(void **state)
{
	struct buf text = BUF_INIT, trace = BUF_INIT;
	lua_State *co = lua_newthread(vm_state());

	(void)state;
	luaL_loadbuffer(co, "local function f() error({}) end f()", 36, "@gone");
	assert_int_equal(lua_resume(co, 0), LUA_ERRRUN);
	vm_failure(co, &text, &trace);
	assert_true(str_is(buf_view(&text), "(error object is a table)"));
	buf_char(&trace, '\0');
	assert_non_null(strstr(trace.p, "gone:1: in function 'f'"));
	buf_free(&text);
	buf_free(&trace);
	lua_pop(vm_state(), 1);
}

static void test_source_of_a_module(void **state)
{
	lua_State *L = vm_state();
	int top = lua_gettop(L);

	(void)state;
	vm_push_source(L, "moon2m.number");
	assert_string_equal(lua_tostring(L, -1), "return 7");
	vm_push_source(L, "moon2m.nothing");
	assert_true(lua_isnil(L, -1));
	vm_push_source(L, "../moon2m");
	assert_true(lua_isnil(L, -1));
	assert_int_equal(lua_gettop(L), top + 3);
	lua_settop(L, top);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_embedded_library),
		T(test_only_the_library_is_found_by_name),
		T(test_source_of_a_module),
		T(test_core_modules),
		T(test_library_from_disk),
		T(test_boot_module),
		T(test_errors_leave_a_traceback),
		T(test_try_is_quiet),
		T(test_memory_cap),
		T(test_garbage_is_collected_before_the_cap),
		T(test_vm_failure),
	};

	log_fd = mkstemp(log_path);
	unlink(log_path);
	log_to(log_fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
