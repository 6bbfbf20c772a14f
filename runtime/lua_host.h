/*
 * lua_host.h - Lua module "moon2m.core.host": what `moon2m test` needs to run the library without
 * loop and network: a store of its own in memory, and tasks, both stepped by hand.
 *
 *  open() -> folder | nil, message    an empty store; the folder, empty otherwise, goes with it
 *  folder() -> folder | nil, message  the same without a store
 *  close()                            what is queued is done first; files of the folder are removed
 *  step() -> true when the store had something to do
 *  start(id)                          entry run(id) of the boot module, as a task
 *  waiting() -> handle                in a task that is about to yield guard.SERVER
 *  resume(handle, value|nil) -> true when that task waited; value: nil or a boolean
 *  tasks() -> running or waiting
 */
#pragma once

#include <lua.h>

int lua_host_open(lua_State *L);
void lua_host_close(void); /* before vm_close */
