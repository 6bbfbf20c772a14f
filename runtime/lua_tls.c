/*
 * lua_tls.c - binds net's TLS to Lua.  Files are named by the configuration; "" is none.
 */
#include "lua_tls.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "lua_field.h"

#define SITES_MAX 256

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

/* A member that stays on the stack; NULL: absent or empty. */
static const char *text(lua_State *L, int table, const char *name)
{
	struct str s = lua_field_str(L, table, name);

	return s.n ? s.p : NULL;
}

/* { ["cse.example"] = { cert=, key= } } below what is there; returns how many there are then. */
static size_t add_sites(lua_State *L, struct net_tls_site *site, size_t n)
{
	int table;

	lua_getfield(L, 1, "sni");
	table = lua_gettop(L);
	if (!lua_istable(L, table))
		return n;
	lua_pushnil(L);
	while (lua_next(L, table)) {
		int name = lua_gettop(L) - 1;

		if (n == SITES_MAX || lua_type(L, name) != LUA_TSTRING || !lua_istable(L, -1))
			luaL_error(L, "sni: a table of at most %d names expected", SITES_MAX - 1);
		luaL_checkstack(L, 8, "too many names");
		site[n].name = lua_tostring(L, name);
		site[n].cert = text(L, name + 1, "cert");
		site[n].key = text(L, name + 1, "key");
		if (!site[n].cert || !site[n].key)
			luaL_error(L, "sni: %s needs cert and key", site[n].name);
		n++;
		lua_pushvalue(L, name); /* the files stay on the stack */
	}
	return n;
}

static int tls_serve(lua_State *L)
{
	static const char *const clients[] = { "no", "optional", "required", NULL };
	static struct net_tls_site site[SITES_MAX];
	struct net_tls_opts o = { .site = site };
	struct err e = { 0 };

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	site[0] = (struct net_tls_site){ NULL, text(L, 1, "cert"), text(L, 1, "key") };
	if (!net || !site[0].cert || !site[0].key)
		return luaL_error(L, "cert and key expected");
	lua_getfield(L, 1, "client");
	o.client = (enum net_tls_client)luaL_checkoption(L, -1, "no", clients);
	o.profile = text(L, 1, "profile");
	o.profile = o.profile ? o.profile : "intermediate";
	o.ca = text(L, 1, "ca");
	o.crl = text(L, 1, "crl");
	if (o.client != NET_TLS_NO && !o.ca)
		return luaL_error(L, "client certificates need ca");
	o.nsites = add_sites(L, site, 1);
	return verdict(L, net_tls_serve(net, &o, &e), &e);
}

static int tls_trust(lua_State *L)
{
	const char *file = luaL_optstring(L, 1, "");
	struct err e = { 0 };

	return verdict(L, net_tls_trust(net, *file ? file : NULL, &e), &e);
}

void lua_tls_use(struct net *n)
{
	net = n;
}

int lua_tls_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "serve", tls_serve },
		{ "trust", tls_trust },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
