/*
 * task.h - a task is one run of library code in a coroutine of the pool: a primitive being handled,
 * a timer's function, a start-up step.  It may yield while the store, the network or a timer works
 * for it, and is resumed once: a reference carries a generation, so a late completion can never
 * resume the wrong coroutine.  Loop thread only.
 */
#pragma once

#include <lua.h>

#include "err.h"

struct task;
struct task_ref {
	struct task *task;
	uint32_t generation;
};

/* Pushes values and returns how many (at most 16); may raise, then the task ends with that
 * error. */
typedef int (*task_push)(lua_State *L, void *arg);
/* The task ended: ok, or the error's text (traceback is already logged). */
typedef void (*task_done)(void *arg, bool ok, struct str error);

/* Starts entry `name` of the boot module with the values that push gives.  Runs until its first
 * yield or end before it returns.  done may be NULL. */
void task_start(const char *name, task_push push, void *push_arg, task_done done, void *done_arg);

/* For C functions called from Lua that will wait: raises a Lua error that names the cure when there
 * is no task, or when it cannot yield here (inside a callback of table.sort, string.gsub, require).
 * Called before anything is set in motion. */
void task_check(lua_State *L);

/* The task that is running now.  Asserts that there is one.  A reference taken later makes the
 * earlier ones of the same task stale. */
struct task_ref task_current(void);

/* For C functions called from Lua: return task_yield(L) after handing task_current() to whoever
 * will resume it.  Works from coroutines nested in the task (the library passes the yield on). */
int task_yield(lua_State *L);

/* Resumes with the values that push gives (NULL: none).  False when the reference is stale: nothing
 * happened.  May be called before the task has yielded: the values wait for it. */
bool task_resume(struct task_ref r, task_push push, void *arg);

bool task_is_running(void); /* now; also for a signal handler of the loop thread */
size_t task_count(void); /* running or waiting */

/* Forgets all tasks without calling their done; before vm_close. */
void task_close(void);
