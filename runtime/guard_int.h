/*
 * guard_int.h - what the guard's files share: guard.c has the clock, the hook and the account of
 * memory, guard_stuck.c the way out of C, guard_lua.c the functions that Lua calls.
 */
#pragma once

#include "guard.h"

#define GUARD_TOOK 40 /* the last one counts all that took longer, too */

struct guard_meter { /* userdata: what one rule may use in a run, and what its runs did use */
	int64_t us; /* CPU time of an uninterrupted slice */
	size_t memory; /* bytes more than at its begin; 0: no limit of its own */
	uint64_t allocated; /* bytes asked for, of all runs */
	int64_t retained; /* bytes more at the end than at the begin, sum of all runs */
	uint64_t peak; /* most bytes that one run added */
	uint64_t runs;
	uint64_t calls, call_us; /* of whole calls: how many, wall time in all */
	uint32_t took[GUARD_TOOK]; /* by i: how many took less than 2^i us, and 2^(i-1) at least */
	size_t nwho;
	char who[BLAME_WHO]; /* "script\0rule\0" for the page of blame.h; nwho 0: nobody */
};

struct guard_run { /* the run around the one that begins, kept by its caller */
	int64_t deadline, us;
	const char *rule;
	lua_State *co, *base, *fixed;
	size_t limit, allowed, used;
	const struct guard_meter *meter;
	size_t now; /* bytes that Lua holds at the begin of the new one */
	uint64_t allocated;
	const char *verdict;
	int64_t began; /* monotonic us */
};

/* A run of co begins: m's budget, or less when an outer one leaves less. */
void guard_enter(struct guard_run *outer, const struct guard_meter *m, const char *rule,
		 lua_State *co);
/* User code of the run that began is stopped at its next instruction, with the error why; the library's
 * goes on until it is done.  why is borrowed until guard_leave.  Not of runs inside this one. */
void guard_condemn(const char *why);
/* It has ended or yielded.  True when it was stopped by the guard. */
bool guard_leave(const struct guard_run *outer, struct guard_meter *m);

/* Wall time since the run that is under way began, us. */
int64_t guard_elapsed(void);

/* co, a coroutine of the user's, is resumed by L inside the run, and is done. */
struct guard_inner {
	lua_State *co, *fixed;
};
bool guard_enter_inner(struct guard_inner *outer, lua_State *L, lua_State *co);
void guard_leave_inner(const struct guard_inner *outer);

/* Of the library: never interrupted.  ar: with source ("S"). */
static inline bool guard_is_library(const lua_Debug *ar)
{
	return strncmp(ar->source, "@lib/", 5) == 0;
}

/* In the signal handler: ends the process with GUARD_EXIT_STUCK.  What is certain is told first:
 * the rule (or NULL), then the place in co and the event that base was handed, which may fail.  m,
 * base and co may be NULL. */
_Noreturn void guard_give_up(const char *rule, const struct guard_meter *m, lua_State *base,
			     lua_State *co);

/* The traceback of the run that was stopped last; n is 0 when there is none. */
struct str guard_trace(void);

/* "file:line" at the end of a rule's name, where it was declared: "on create /x (file:line)"; empty
 * when there is none (rule may be NULL).  Part of the name. */
struct str guard_declared_at(const char *rule);

/* The level of the frame that the library began a coroutine with, which is the user's above it; -1:
 * there is none, or far away. */
int guard_ground(lua_State *co);

/* "file:line: not enough memory: ..." when the run that just ended was refused memory; else NULL.
 * Valid until the next run. */
const char *guard_refusal(void);
