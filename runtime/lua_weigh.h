/*
 * lua_weigh.h - how much memory a script keeps: what can be reached from values of its own, without
 * what is the library's.
 */
#pragma once

#include <lua.h>

/* Module "moon2m.core.weigh":
 *  new(list) -> weigher of what the values of the list lead to: tables with keys, values and
 *    metatables, functions with variables and environments, coroutines with the variables of their
 *    functions, texts.  Each thing counts once.  Not counted: functions of the library and what they
 *    hold, metatables that are sealed (their __metatable is "sealed"), what weak tables lead to.
 *  weigher:add(list)       further values, once the first are done.
 *  weigher:step(n) -> true when all is done; looks at n things (at least 1), a table as a whole.
 *  weigher:bytes() -> bytes so far.  An estimate: tables are taken for as large as their entries need,
 *    the code of functions is not counted.
 * What scripts change between two steps may count or not. */
int lua_weigh_open(lua_State *L);
