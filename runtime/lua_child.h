/*
 * lua_child.h - Lua module "moon2m.core.child": this program's own commands, run beside the loop.
 *
 *  run({args}, seconds) -> code, output | nil, message
 *      Yields until `moon2m args` has ended.  code: its exit code; -1: a signal ended it; -2: it ran
 *      longer than `seconds` and was killed.  output: what it wrote, the first 64 KiB.  nil: it
 *      could not be started.
 */
#pragma once

#include <lua.h>

struct net;

/* lua_dir: where the library is read from, given to the children too; NULL: the embedded one. */
void lua_child_use(struct net *n, const char *lua_dir);
int lua_child_open(lua_State *L);
void lua_child_close(void); /* before net_free: kills those that run; their tasks do not go on */
