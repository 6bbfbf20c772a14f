/*
 * lua_identity.c - binds identity to Lua; no decisions.  No secret passes through here.
 */
#include "lua_identity.h"

#include <lauxlib.h>

#include "bind_ws.h"
#include "identity.h"
#include "vm.h"

/* required() -> whether a credential is needed */
static int ask_required(lua_State *L)
{
	lua_pushboolean(L, identity_required());
	return 1;
}

/* count() -> credentials that are valid */
static int ask_count(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)identity_count());
	return 1;
}

/* admin(originator or nil) */
static int set_admin(lua_State *L)
{
	identity_set_admin(luaL_optstring(L, 1, NULL));
	return 0;
}

/* reload() -> true | nil, reason */
static int reload(lua_State *L)
{
	struct err e;
	bool ok = identity_reload(&e);

	bind_ws_recheck();
	if (ok) {
		lua_pushboolean(L, true);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, e.msg);
	return 2;
}

/* assign(credential, "C" or "S", random, n) -> AE-ID, n to go on with | nil; n is 0 at first */
static int assign(lua_State *L)
{
	const struct identity *i = identity_named(vm_check_str(L, 1));
	const char *kind = luaL_checkstring(L, 2);
	struct str random = vm_check_str(L, 3);
	size_t n = (size_t)luaL_checkinteger(L, 4);
	struct buf aei = BUF_INIT;

	if (!identity_assign(i, kind[0], random, &n, &aei)) {
		buf_free(&aei);
		lua_pushnil(L);
		return 1;
	}
	vm_push_str(L, buf_view(&aei));
	buf_free(&aei);
	lua_pushinteger(L, (lua_Integer)n);
	return 2;
}

int lua_identity_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "required", ask_required }, { "count", ask_count }, { "admin", set_admin },
		{ "reload", reload },         { "assign", assign },   { NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
