/*
 * lua_notices.h - the part of Lua module "moon2m.core.cse" that looks into the notification engine:
 * lanes.  What the functions are is said in lua_cse.h.
 */
#pragma once

#include <lua.h>

void lua_notices_use(void); /* sets notify's hooks; after notify_open */
void lua_notices_close(void); /* takes them off */
void lua_notices_functions(lua_State *L); /* adds them to the table on top of the stack */
