/*
 * lua_console.h - sessions of the console (`moon2m console`): lines of a client go to the boot module's
 * entry console(id, line), a task each; that it has gone, to console_gone(id).  Lua module
 * "moon2m.core.console":
 *
 *  send(id, text) -> false when it is gone     text ends with a line feed
 *  unread(id) -> bytes that the client has not taken yet; nil when it is gone
 */
#pragma once

#include <lua.h>

#include "net_unix.h"

/* A client that waits becomes a console.  False: too many are open. */
bool lua_console_begin(struct net_unix *u, uint64_t client) MUSTCHECK;
int lua_console_open(lua_State *L);
void lua_console_close(void); /* before the socket closes: nothing is sent any more */
