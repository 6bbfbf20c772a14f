/*
 * guard.h - budgets of CPU time and memory around user code on stock LuaJIT.  User code runs interpreted; a lazily
 * armed timer installs a count hook only after a budget was overrun twice in a row (first expiry:
 * note the thread's CPU clock, second: stop if it really ran), which also stops loops around pcall.
 * A run that needs too much memory is stopped by the same hook, if a full collection does not
 * help; single blocks beyond twice the budget are refused at once, and so is what would leave the
 * library without a reserve.
 * Library frames ("@lib/") are never interrupted, so no operation is torn.  Nothing stops C: after
 * `stuck` seconds the process writes script, line and rule and exits with 70.
 * A guarded call costs 0.3-0.5 us; an idle server has no timer armed.
 */
#pragma once

#include <lua.h>

#include "blame.h"

#define GUARD_EXIT_STUCK 70

/* For the calling thread, which must be the one that runs Lua.  stuck_seconds 0: never exits. */
void guard_open(lua_State *L, double stuck_seconds);
void guard_stuck(double seconds); /* another limit from now on */
void guard_close(void); /* before vm_close */

/* Module "moon2m.core.guard":
 *  resume(budget, rule, co, ...) -> true, results | false, message, traceback.
 *    Like coroutine.resume, within a budget: seconds of CPU time (0.001 to 3600 s), or a meter.
 *    Budgets nest, the outer one rules.  rule names what runs, for the message of a process that is
 *    stuck in C; nil keeps the outer one's.  Messages of the guard:
 *      "file:line: still running after N ms, stopped"
 *      "file:line: N MiB of memory used, M MiB allowed, stopped"
 *      "file:line: not enough memory: N MiB more wanted, M MiB allowed"  (one block, refused)
 *    An error value that is no string is never run: a table's field msg is its message, else
 *    "file:line: error without a message (a table)" stands for it.
 *  finish(budget, rule, co, why, ...) -> as resume.  For a run whose time is over while the library
 *    works for it: what the library has begun comes to its end, user code is stopped at its next
 *    instruction with "file:line: why", the line being that which waits, also in pcall.
 *  thread() -> co, an idle coroutine.
 *  start(meter, rule, co, fn, ...) -> calls fn in an idle coroutine, as resume would:
 *      true, us, results: it took so long, the call is booked, and co is idle again
 *      false, us, message, traceback: the same, but co is dead
 *      nil, us, values: it yielded after so long, and is to be resumed
 *  book(meter, us): one call of that length.   books(meter) -> calls, seconds in all, { [i] = how
 *    many calls took less than 2^i us, and 2^(i-1) at least }.
 *  elapsed() -> us since the innermost run that is under way began.
 *  meter(seconds, bytes|nil, script|nil, rule|nil) -> meter: a budget that also counts.  bytes more
 *    than at its begin are allowed to a run; script and rule are noted in the page of blame.h.
 *  usage(meter) -> bytes asked for, bytes kept (approximate), peak of one run, runs.
 *  weigh_above(bytes): see guard_weigh_above.
 *  compile(text, chunk_name, env) -> function | nil, message.  Source text only, interpreted (JIT
 *    off for the chunk and all functions in it), globals in env; no chunk names "@lib/...".
 *  inner(co, ...) -> like coroutine.resume: for coroutines of the user's own.
 *  cannot_wait() -> nil, or why the caller cannot wait for the server here, and the cure.
 *  SERVER: the first value that a coroutine of user code yields when the runtime works for its
 *    task (task_yield): the library passes such a yield on to the task and hands the answer back
 *    down.
 * User code must not get the real xpcall: its handler would run inside the hook, where nothing can
 * stop it (env.lua has one that calls the handler after unwinding). */
int guard_lua_open(lua_State *L);

/* NULL, or why the code that calls a C function on L cannot wait there.  Valid until the next call. */
const char *guard_cannot_wait(lua_State *L);

/* What task_yield yields first; its address is guard.SERVER. */
extern const char guard_server_mark;

/* For the profiler, which may undo the hook of a run that is over its time: sets it again. */
void guard_insist(void);

/* When Lua holds more than so many bytes at the end of a run, guard_weigh_due says so, once: what
 * scripts keep is then to be weighed. */
void guard_weigh_above(double bytes);
bool guard_weigh_due(void);

uint64_t guard_stops(void); /* scripts stopped so far */
