/*
 * lua_field.c - members of a table argument, read with a message that names them.  Never keeps
 * anything.
 */
#include "lua_field.h"

#include <lauxlib.h>

struct str lua_field_str(lua_State *L, int table, const char *name)
{
	size_t n;
	const char *p;

	lua_getfield(L, table, name); /* stays on the stack, and with it the bytes */
	p = lua_tolstring(L, -1, &n);
	return p ? (struct str){ p, n } : STR_NONE;
}

bool lua_field_bool(lua_State *L, int table, const char *name, bool otherwise)
{
	bool v;

	lua_getfield(L, table, name);
	v = lua_isnil(L, -1) ? otherwise : lua_toboolean(L, -1);
	lua_pop(L, 1);
	return v;
}

double lua_field_number(lua_State *L, int table, const char *name, double min, double max)
{
	double v = min;

	lua_getfield(L, table, name);
	if (lua_isnumber(L, -1))
		v = lua_tonumber(L, -1);
	else if (!lua_isnil(L, -1))
		v = max + 1;
	if (!(v >= min && v <= max))
		luaL_error(L, "%s: expected a number from %f to %f", name, min, max);
	lua_pop(L, 1);
	return v;
}

int64_t lua_check_id(lua_State *L, int i)
{
	double v = luaL_checknumber(L, i);

	luaL_argcheck(L, v >= 0 && v < 9007199254740992.0 && v == (double)(int64_t)v, i,
		      "expected an id");
	return (int64_t)v;
}
