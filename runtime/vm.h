/*
 * vm.h - the one Lua state: its start, where its library comes from (embedded, or --lua DIR), and
 * protected calls with a traceback.  Library chunks are named "@lib/...": the guard never stops
 * those.  No other file but vm, guard, task, lua_*.c includes <lua.h>.
 */
#pragma once

#include "err.h"

#include <lua.h>

struct vm_opts {
	const char *lua_dir;	/* read the library from disk; NULL: the embedded one */
	size_t memory_cap;	/* bytes for all of Lua; 0: none */
};

bool vm_open(const struct vm_opts *o, struct err *e) MUSTCHECK;
void vm_close(void);
lua_State *vm_state(void);

/* Makes a C module available to require: "moon2m.core.NAME". */
void vm_module(const char *name, lua_CFunction open);

/* Requires a Lua module of the library and keeps the table it returns; entries of it are called by
 * name from C through task_start. */
bool vm_boot(const char *module, struct err *e) MUSTCHECK;

/* Calls the function below its nargs arguments, with a traceback; like lua_pcall.  Errors are
 * turned into e->msg (first line) and logged with the traceback. */
bool vm_call(lua_State *L, int nargs, int nresults, struct err *e) MUSTCHECK;

size_t vm_memory(void);			/* bytes Lua holds */

void vm_push_str(lua_State *L, struct str s);	/* nil when s.p is NULL */
struct str vm_check_str(lua_State *L, int i);	/* borrowed while the value is on the stack */
