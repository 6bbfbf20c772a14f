/*
 * lua_operator.h - commands of the operator that Lua answers: the line goes to the boot module's
 * entry operator(id, line), a task; the answer comes back through Lua module "moon2m.core.operator":
 *
 *  answer(id, text)     the whole answer; false when nobody waits for it any more
 */
#pragma once

#include <lua.h>

#include "base.h"

/* text is borrowed; called once, also when the task failed (then text is a verdict that says so). */
typedef void (*lua_operator_done)(void *arg, struct str text);

void lua_operator_ask(struct str line, lua_operator_done done, void *arg);
int lua_operator_open(lua_State *L);
void lua_operator_close(void); /* who waits is told that the server stops */
