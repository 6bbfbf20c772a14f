/*
 * lua_outgoing.c - see lua_outgoing.h.
 */
#include "lua_outgoing.h"

#include <lauxlib.h>

#include "limit.h"
#include "net.h"

#define RULES_MAX 1024

static struct net *net;

static int verdict(lua_State *L, bool ok, const struct err *e)
{
	if (ok) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, e->msg);
	return 2;
}

static bool flag(lua_State *L, const char *name)
{
	bool on;

	lua_getfield(L, 1, name);
	on = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return on;
}

static int outgoing_set(lua_State *L)
{
	const char *allow[RULES_MAX];
	struct net_outgoing o = { .allow = allow };
	struct err e = { 0 };
	int list;

	luaL_checktype(L, 1, LUA_TTABLE);
	o.loopback = flag(L, "loopback");
	o.link_local = flag(L, "link_local");
	o.scripts = flag(L, "scripts");
	lua_getfield(L, 1, "own");
	o.own = lua_tostring(L, -1);
	lua_getfield(L, 1, "allow");
	list = lua_gettop(L);
	o.nallow = lua_istable(L, list) ? lua_objlen(L, list) : 0;
	if (o.nallow > RULES_MAX)
		return luaL_error(L, "outgoing.allow: at most %d rules", RULES_MAX);
	luaL_checkstack(L, RULES_MAX + 8, "too many rules");
	for (size_t i = 0; i < o.nallow; i++) {
		lua_rawgeti(L, list, (int)i + 1); /* stays on the stack */
		allow[i] = luaL_checkstring(L, -1);
	}
	return verdict(L, !net || net_outgoing(net, &o, &e), &e);
}

static int outgoing_allowed(lua_State *L)
{
	const char *url = luaL_checkstring(L, 1);
	struct err e = { 0 };

	return verdict(L, !net || net_allowed(net, url, &e), &e);
}

static int outgoing_hit(lua_State *L)
{
	(void)L;
	limit_hit(LIMIT_OUTGOING_RATE);
	return 0;
}

void lua_outgoing_use(struct net *n)
{
	net = n;
}

int lua_outgoing_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "set", outgoing_set },
		{ "allowed", outgoing_allowed },
		{ "hit", outgoing_hit },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
