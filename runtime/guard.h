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

#define GUARD_EXIT_STUCK 70

/* For the calling thread, which must be the one that runs Lua.  stuck_seconds 0: never exits. */
void guard_open(lua_State *L, double stuck_seconds);
void guard_stuck(double seconds); /* another limit from now on */
void guard_close(void); /* before vm_close */

/* Module "moon2m.core.guard":
 *  resume(seconds, rule, co, ...) -> true, results | false, error value, traceback.
 *    Like coroutine.resume, within a budget of CPU time (0.001 to 3600 s).  Overrun: the error is
 *    "file:line: still running after N ms, stopped".  Budgets nest, the outer one rules.  rule
 *    names what runs, for the message of a process that is stuck in C; nil keeps the outer one's.
 *  compile(text, chunk_name, env) -> function | nil, message.  Source text only, interpreted (JIT
 *    off for the chunk and all functions in it), globals in env; no chunk names "@lib/...".
 *  SERVER: the first value that a coroutine of user code yields when the runtime works for its
 *    task (task_yield): the library passes such a yield on to the task and hands the answer back
 *    down.
 * User code must not get the real xpcall: its handler would run inside the hook, where nothing can
 * stop it (env.lua has one that calls the handler after unwinding). */
int guard_lua_open(lua_State *L);

/* What task_yield yields first; its address is guard.SERVER. */
extern const char guard_server_mark;

uint64_t guard_stops(void); /* scripts stopped so far */
