/*
 * lua_ask.c - see lua_ask.h.
 */
#define _GNU_SOURCE
#include "lua_ask.h"

#include <unistd.h>

#include <lauxlib.h>

#include "cmd_ask.h"
#include "vm.h"

static int ask(lua_State *L)
{
	const char *data = luaL_checkstring(L, 1);
	struct str line = vm_check_str(L, 2);
	struct buf answer = BUF_INIT;
	struct err e;

	if (!cmd_ask(data, line, &answer, &e)) {
		buf_free(&answer);
		lua_pushnil(L);
		lua_pushstring(L, e.msg);
		return 2;
	}
	lua_pushlstring(L, answer.n ? answer.p : "", answer.n);
	buf_free(&answer);
	return 1;
}

static int pause_for(lua_State *L)
{
	double seconds = luaL_checknumber(L, 1);

	luaL_argcheck(L, seconds >= 0 && seconds <= 60, 1, "seconds from 0 to 60");
	usleep((useconds_t)(seconds * 1e6));
	return 0;
}

static int terminal(lua_State *L)
{
	lua_pushboolean(L, isatty(STDERR_FILENO));
	return 1;
}

int lua_ask_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "ask", ask },
		{ "pause", pause_for },
		{ "terminal", terminal },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
