/*
 * guard.h - CPU budgets around user code on stock LuaJIT.  User code runs interpreted; a lazily
 * armed timer installs a count hook only after a budget was overrun twice in a row (first expiry:
 * note the thread's CPU clock, second: stop if it really ran), which also stops loops around pcall.
 * Library frames ("@lib/") are never interrupted, so no operation is torn.  Nothing stops C: after
 * `stuck` seconds the process writes script, line and rule and exits with 70.
 * A guarded call costs 0.3-0.5 us; an idle server has no timer armed.
 */
#pragma once

#include <lua.h>

#include "base.h"

void guard_open(lua_State *L, double stuck_seconds);
void guard_close(void);			/* before lua_close */

/* Lua: guard.resume(seconds, rule_name, co, ...) -> true, results | false, "file:line: still running
 * after N ms, stopped" + traceback.  Like coroutine.resume, within a budget; budgets nest, the
 * outer one rules. */
int guard_lua_open(lua_State *L);	/* module "moon2m.core.guard" */

uint64_t guard_stops(void);		/* scripts stopped so far */
