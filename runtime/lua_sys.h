/*
 * lua_sys.h - Lua module "moon2m.core.sys": clocks, randomness, the log, small files, timers.
 *
 *  now() mono() -> us                     wall clock, monotonic clock
 *  stamp(us) -> text   parse_stamp(text) -> us | nil   parse_duration(text) -> us | nil   (clock.h)
 *  random(n) -> 2n hex digits from the kernel, n 1 to 64      sha256(s) -> 64 hex digits
 *  log(level, module, text)               level: "debug" "info" "warn" "error"
 *  read(path, max [, private]) -> text | nil, message  a regular file of at most max bytes, read at
 *      once; private true: only when nobody but its owner may read or write it
 *  sleep(seconds)                         the task waits
 *  after(seconds, id)                     entry timer(id) is started as a task, once; an id that is
 *                                         waiting starts over
 *  cancel(id) -> true when it was waiting
 *  spawn(id)                              after(0, id): in the next turn of the loop
 *  memory() -> bytes that Lua holds
 *  count(name, labels|nil, n, help)       adds n to a counter, at most 200 label values per name
 *  gauge(name, labels|nil, v, help)       sets a gauge; observe(name, labels|nil, seconds, help) adds
 *                                         to a histogram
 *
 * At most 65,536 timers; seconds 0 to 1e9.
 */
#pragma once

#include <lua.h>

struct net;

/* The loop for sleep and timers; NULL: there is none, and they raise.  Before the first use. */
void lua_sys_use(struct net *n);
int lua_sys_open(lua_State *L);
void lua_sys_close(void); /* stops all timers; before net_free */
