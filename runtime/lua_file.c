/*
 * Running a Lua file for `moon2m lua` and checking a script for `moon2m check`.  The file runs as
 * library-side code: no budget, all of Lua's own libraries.
 */
#include "lua_file.h"

#include <stdio.h>

#include <lauxlib.h>

#include "log.h"
#include "vm.h"

static void set_arguments(lua_State *L, const char *path, int argc, char **argv)
{
	lua_createtable(L, argc, 1);
	lua_pushstring(L, path);
	lua_rawseti(L, -2, 0);
	for (int i = 0; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setglobal(L, "arg");
}

static int exit_code(lua_State *L)
{
	if (lua_type(L, -1) == LUA_TNUMBER)
		return (int)lua_tointeger(L, -1) & 255;
	return lua_isboolean(L, -1) && !lua_toboolean(L, -1) ? 1 : 0;
}

int lua_file_run(const char *path, int argc, char **argv)
{
	lua_State *L = vm_state();
	struct err e;
	int code;

	set_arguments(L, path, argc, argv);
	if (luaL_loadfilex(L, path, "t") != 0) {
		fprintf(stderr, "moon2m: %s\n", lua_tostring(L, -1));
		lua_pop(L, 1);
		return 1;
	}
	luaL_checkstack(L, argc, "arguments");
	for (int i = 0; i < argc; i++)
		lua_pushstring(L, argv[i]);
	if (!vm_call(L, argc, 1, &e))
		return 1;
	code = exit_code(L);
	lua_pop(L, 1);
	return code;
}

int lua_file_main(const char *module, int argc, char **argv)
{
	lua_State *L = vm_state();
	struct err e;
	int code;

	lua_getglobal(L, "require");
	lua_pushstring(L, module);
	if (!vm_call(L, 1, 1, &e))
		return 1;
	lua_getfield(L, -1, "main");
	lua_remove(L, -2);
	luaL_checkstack(L, argc, "arguments");
	for (int i = 0; i < argc; i++)
		lua_pushstring(L, argv[i]);
	if (!vm_call(L, argc, 1, &e))
		return 1;
	code = exit_code(L);
	lua_pop(L, 1);
	return code;
}

bool lua_file_check(const char *path, struct err *e)
{
	lua_State *L = vm_state();
	bool ok;

	vm_push_entry(L, "check");
	lua_pushstring(L, path);
	if (!vm_try(L, 1, 2, e))
		return false;
	ok = lua_toboolean(L, -2);
	if (!ok)
		err_set(e, "%s",
			lua_isstring(L, -1) ? lua_tostring(L, -1) : "the script does not load");
	lua_pop(L, 2);
	return ok;
}

bool lua_file_configure(const char *config, lua_file_each each, void *arg, struct err *e)
{
	lua_State *L = vm_state();
	size_t n;

	vm_push_entry(L, "check_config");
	lua_pushstring(L, config);
	if (!vm_try(L, 1, 1, e))
		return false;
	n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
	for (size_t i = 1; i <= n; i++) {
		lua_rawgeti(L, -1, (int)i);
		each(arg, lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return true;
}
