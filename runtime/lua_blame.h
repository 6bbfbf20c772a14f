/*
 * lua_blame.h - Lua module "moon2m.core.blame": which scripts are off since a crash (blame.h).
 *
 *  list() -> { { script = name, reason = text }, ... }
 *  allow(script) -> true when it was off, and is not any more
 *  safe() -> nil, or why no script should be loaded
 *  ready()                                the start has succeeded
 */
#pragma once

#include <lua.h>

int lua_blame_open(lua_State *L);
