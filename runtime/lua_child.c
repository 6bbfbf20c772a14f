/*
 * lua_child.c - see lua_child.h.
 */
#include "lua_child.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "net_child.h"
#include "task.h"
#include "vm.h"

#define PROGRAM "/proc/self/exe"
#define ARGS_MAX 16
#define SECONDS_MAX 3600

struct run {
	struct run *next, **link;
	struct net_child *child;
	struct task_ref task;
	int code;
	struct str output;
};

static struct {
	struct net *net;
	const char *lua_dir;
	struct run *runs;
} use;

static void run_free(struct run *r)
{
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	free(r);
}

static int push_end(lua_State *L, void *arg)
{
	const struct run *r = arg;

	lua_pushinteger(L, r->code);
	vm_push_str(L, r->output);
	return 2;
}

static void on_end(void *arg, int code, struct str output)
{
	struct run *r = arg;

	r->code = code;
	r->output = output;
	task_resume(r->task, push_end, r);
	run_free(r);
}

/* The arguments, behind the program's name; the command first, then where the library is. */
static void collect(lua_State *L, const char **argv)
{
	size_t n = lua_objlen(L, 1);
	int k = 0;

	luaL_argcheck(L, n >= 1 && n <= ARGS_MAX, 1, "1 to 16 arguments expected");
	argv[k++] = PROGRAM;
	for (size_t i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, (int)i);
		argv[k++] = luaL_checkstring(L, -1); /* stays on the stack */
		if (i == 1 && use.lua_dir) {
			argv[k++] = "--lua";
			argv[k++] = use.lua_dir;
		}
	}
	argv[k] = NULL;
}

static int child_run(lua_State *L)
{
	const char *argv[ARGS_MAX + 4];
	double seconds = luaL_checknumber(L, 2);
	struct run *r;
	struct err e;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argcheck(L, seconds > 0 && seconds <= SECONDS_MAX, 2, "0 to 3600 seconds expected");
	if (!use.net)
		return luaL_error(L, "no event loop is running here");
	luaL_checkstack(L, ARGS_MAX, NULL);
	collect(L, argv);
	task_check(L);
	r = xcalloc(1, sizeof(*r));
	r->child = net_child_start(use.net, (char *const *)argv, seconds, on_end, r, &e);
	if (!r->child) {
		free(r);
		lua_pushnil(L);
		lua_pushstring(L, e.msg);
		return 2;
	}
	r->next = use.runs;
	r->link = &use.runs;
	if (r->next)
		r->next->link = &r->next;
	use.runs = r;
	r->task = task_current();
	return task_yield(L);
}

void lua_child_use(struct net *n, const char *lua_dir)
{
	use.net = n;
	use.lua_dir = lua_dir;
}

int lua_child_open(lua_State *L)
{
	lua_newtable(L);
	lua_pushcfunction(L, child_run);
	lua_setfield(L, -2, "run");
	return 1;
}

void lua_child_close(void)
{
	while (use.runs) {
		net_child_free(use.runs->child);
		run_free(use.runs);
	}
	use.net = NULL;
}
