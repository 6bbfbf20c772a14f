/*
 * vm.h - the one Lua state: its start, where its library comes from (embedded, or --lua DIR), and
 * protected calls with a traceback.  Library chunks are named "@lib/...": the guard never stops
 * those.  No other file but vm, guard, task, lua_*.c includes <lua.h>.
 */
#pragma once

#include "buf.h"
#include "err.h"

#include <lua.h>

struct vm_opts {
	const char *lua_dir; /* read the library from disk; NULL: the embedded one */
	size_t memory_cap; /* bytes for all of Lua; 0: none */
	bool search_path; /* package.path as Lua sets it; else no Lua file is found by name */
};

bool vm_open(const struct vm_opts *o, struct err *e) MUSTCHECK;
void vm_close(void);
lua_State *vm_state(void);

/* Makes a C module available to require: "moon2m.core.NAME". */
void vm_module(const char *name, lua_CFunction open);

/* Pushes the source text of a module of the library, or nil when there is none of that name. */
void vm_push_source(lua_State *L, const char *name);

/* Requires a Lua module of the library and keeps the table it returns, in place of the one before; entries of it are called by
 * name from C through task_start. */
bool vm_boot(const char *module, struct err *e) MUSTCHECK;

/* Pushes the boot module's function `name`, or nil when there is none (or no boot module yet). */
void vm_push_entry(lua_State *L, const char *name);

/* Calls the function below its nargs arguments, with a traceback; like lua_pcall.  Errors are
 * turned into e->msg (first line) and logged with the traceback. */
bool vm_call(lua_State *L, int nargs, int nresults, struct err *e) MUSTCHECK;

/* The same for calls whose error is the user's (a configuration file): the traceback is logged at
 * level debug only, the caller shows e->msg. */
bool vm_try(lua_State *L, int nargs, int nresults, struct err *e) MUSTCHECK;

/* Reads what a coroutine died of: the error's text (a string as it is, an object through
 * __tostring, anything else by its type) and the traceback, both appended.  Never raises. */
void vm_failure(lua_State *co, struct buf *text, struct buf *traceback);

/* Logs a failure under `module`: its text, then the traceback, one log line each.  A text without
 * "file:line:" in front was raised on purpose, for a person: its traceback is logged at debug
 * level. */
void vm_log_failure(const char *module, struct str text, struct str traceback);

size_t vm_memory(void); /* bytes Lua holds */
void vm_set_cap(size_t bytes); /* another cap from now on */

uint64_t vm_allocated(void); /* bytes ever asked for, what was given back included */

/* Growth beyond `limit` bytes in all (SIZE_MAX: none) is put to `over` first, with the bytes wanted:
 * false refuses them.  Called inside the allocator: it must not touch Lua's memory. */
void vm_limit(size_t limit, bool (*over)(size_t wanted));

/* The cap less a reserve in which the library can finish what it is at; SIZE_MAX: there is none. */
size_t vm_user_cap(void);

/* For the end of a loop turn: LuaJIT does not collect when the cap is hit, so a full collection
 * runs here once three quarters of it are in use, or when vm_collect_soon was called.  Costs
 * nothing else. */
void vm_relieve(void);
void vm_collect_soon(void);

void vm_push_str(lua_State *L, struct str s); /* nil when s.p is NULL */
struct str vm_check_str(lua_State *L, int i); /* borrowed while the value is on the stack */
