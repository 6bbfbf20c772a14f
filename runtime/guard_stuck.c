/*
 * The way out of C code that never returns: what ran is told on standard error and in the page of
 * blame.h, then the process ends.  Runs in a signal handler, while the VM may be caught half way:
 * reads frames and tables only, and what is in the way of that ends the process as well.
 */
#define _GNU_SOURCE
#include "guard_int.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void put(const char *s)
{
	ssize_t n = write(STDERR_FILENO, s, strlen(s));

	(void)n;
}

static void exit_stuck(int sig)
{
	(void)sig;
	_exit(GUARD_EXIT_STUCK);
}

/* The innermost user frame of what runs.  Reads frames only, allocates nothing; what is in the way
 * of that (a VM caught half way) ends in exit_stuck. */
static void find_place(lua_State *co, char *out, size_t size)
{
	lua_Debug ar;

	for (int level = 0; level < 50 && lua_getstack(co, level, &ar); level++) {
		if (!lua_getinfo(co, "Sl", &ar) || ar.currentline < 0 || guard_is_library(&ar))
			continue;
		snprintf(out, size, "%s:%d", ar.short_src, ar.currentline);
		return;
	}
}

static const char *field(lua_State *co, const char *name)
{
	const char *s;

	lua_pushstring(co, name);
	lua_rawget(co, -2);
	s = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : "";
	lua_pop(co, 1);
	return s;
}

/* A handler's first argument is the request or the event: its op and to.  The handler is the
 * outermost frame of user code. */
static void find_event(lua_State *co, char *out, size_t size)
{
	lua_Debug ar;
	int level = 0;

	while (lua_getstack(co, level, &ar))
		level++;
	do {
		if (--level < 0 || !lua_getstack(co, level, &ar) || !lua_getinfo(co, "Sl", &ar))
			return;
	} while (ar.currentline < 0 || guard_is_library(&ar));
	if (!lua_getlocal(co, &ar, 1) || !lua_istable(co, -1))
		return;
	snprintf(out, size, "%s%s%s", field(co, "op"), field(co, "op")[0] ? " " : "",
		 field(co, "to"));
}

static void put_pair(const char *key, const char *value)
{
	if (!value[0])
		return;
	put(key);
	put(value);
}

void guard_give_up(const char *rule, const struct guard_meter *m, lua_State *base, lua_State *co)
{
	char place[128] = "", event[200] = "";

	signal(SIGSEGV, exit_stuck);
	signal(SIGBUS, exit_stuck);
	blame_stuck(place, event);
	put("error guard a script is stuck in C code, exiting rule=");
	put(rule ? rule : "-");
	if (co)
		find_place(co, place, sizeof(place));
	put_pair(" at=", place);
	blame_stuck(place, event);
	if (m && base)
		find_event(base, event, sizeof(event));
	put_pair(" event=", event);
	put_pair(" script=", m && m->nwho ? m->who : "");
	put("\n");
	blame_stuck(place, event);
	_exit(GUARD_EXIT_STUCK);
}
