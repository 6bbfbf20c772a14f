/*
 * lua_watch.h - Lua module "moon2m.core.watch": folders whose files are watched.
 *
 *  set({folders}) -> true | nil, message     watches these too; files that were written are told to
 *                                            the boot module's entry changed(files), a task
 */
#pragma once

#include <lua.h>

struct net;

void lua_watch_use(struct net *n); /* NULL: there is none, and set raises */
int lua_watch_open(lua_State *L);
void lua_watch_close(void); /* before net_free */
