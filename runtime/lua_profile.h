/*
 * lua_profile.h - Lua module "moon2m.core.profile": LuaJIT's profiler over the thread that runs Lua.
 * What is sampled is counted here, without Lua's memory.
 *
 *  start(milliseconds)   an interval from 1 to 1000; false: it is on already
 *  stop() -> { seconds, samples, outside, cut, stacks }   nil when it is off; seconds: CPU time of the
 *                        thread; samples: how many in all; outside: when no Lua ran (idle, network); cut: counted, but
 *                        without a stack, because there were too many different ones (4,096, 1 MiB);
 *                        stacks: "file:line;file:line" (outermost first) -> samples
 */
#pragma once

#include <lua.h>

int lua_profile_open(lua_State *L);
void lua_profile_close(void); /* before vm_close */
