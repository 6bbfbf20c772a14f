/*
 * lua_tls.h - the module moon2m.core.tls: serve{cert=, key=, profile=, ca=, client=, sni=} and
 * trust(file), each true, or nil and the reason; then it is as it was before.
 */
#pragma once

#include <lua.h>

#include "net.h"

void lua_tls_use(struct net *n); /* before it is opened */
int lua_tls_open(lua_State *L);
