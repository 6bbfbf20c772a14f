/*
 * lua_ask.h - commands of the binary that are written in Lua ask a running server: module
 * "moon2m.core.ask":
 *
 *  ask(data, line)    the whole answer (cmd_ask.h) to one line; nil, reason
 *  pause(seconds)     blocks
 *  terminal()         whether standard error is one
 */
#pragma once

#include <lua.h>

int lua_ask_open(lua_State *L);
