/*
 * Binding of blame.h.  No logic.
 */
#include "lua_blame.h"

#include <lauxlib.h>

#include "blame.h"

static int list(lua_State *L)
{
	size_t n;
	const struct blame_off *off = blame_list(&n);

	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_createtable(L, 0, 2);
		lua_pushstring(L, off[i].script);
		lua_setfield(L, -2, "script");
		lua_pushstring(L, off[i].reason);
		lua_setfield(L, -2, "reason");
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

static int allow(lua_State *L)
{
	lua_pushboolean(L, blame_allow(luaL_checkstring(L, 1)));
	return 1;
}

static int safe(lua_State *L)
{
	lua_pushstring(L, blame_safe()); /* nil when there is no reason */
	return 1;
}

static int ready(lua_State *L)
{
	(void)L;
	blame_ready();
	return 0;
}

int lua_blame_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "list", list },   { "allow", allow }, { "safe", safe },
		{ "ready", ready }, { NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
