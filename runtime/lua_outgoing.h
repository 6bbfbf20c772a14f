/*
 * lua_outgoing.h - the Lua module moon2m.core.outgoing: whom this server may connect to.
 *
 *   set { allow = {..}, loopback =, link_local =, scripts =, own = URL } -> true | nil, why
 *   allowed(url) -> true | nil, why      as far as can be said without asking for its addresses
 *   hit()                                counts a refusal for the rate of an originator
 */
#pragma once

#include <lua.h>

struct net;

void lua_outgoing_use(struct net *n); /* NULL: everything is allowed */
int lua_outgoing_open(lua_State *L);
