/*
 * lua_notify.h - the part of Lua module "moon2m.core.cse" that binds notify.h: audiences, events,
 * targets, ask.  What the functions are is said in lua_cse.h.
 */
#pragma once

#include <lua.h>

#include "notify.h"

void lua_notify_use(void); /* sets notify's hooks; after notify_open */
void lua_notify_close(void); /* takes them off */
/* What a table says of an event; its strings stay on the stack.  Raises what is wrong. */
struct event_opts lua_event_opts(lua_State *L, int table);
void lua_notify_functions(lua_State *L); /* adds them to the table on top of the stack */
