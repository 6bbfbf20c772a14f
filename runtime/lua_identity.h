/*
 * lua_identity.h - core module "identity": what Lua asks of the credentials (identity.h).
 */
#pragma once

#include <lua.h>

int lua_identity_open(lua_State *L); /* for vm_module */
