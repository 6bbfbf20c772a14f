/*
 * lua_watch.c - see lua_watch.h; no logic.
 */
#include "lua_watch.h"

#include <lauxlib.h>

#include "net_watch.h"
#include "task.h"
#include "vm.h"

#define FOLDERS_MAX 256

static struct net *net;
static struct net_watch *watch;

static int push_files(lua_State *L, void *arg)
{
	vm_push_str(L, *(const struct str *)arg);
	return 1;
}

static void on_files(void *arg, struct str files)
{
	(void)arg;
	task_start("changed", push_files, &files, NULL, NULL);
}

static int watch_set(lua_State *L)
{
	struct err e;
	size_t n;

	luaL_checktype(L, 1, LUA_TTABLE);
	if (!net)
		return luaL_error(L, "no event loop is running here");
	n = lua_objlen(L, 1);
	luaL_argcheck(L, n <= FOLDERS_MAX, 1, "too many folders");
	if (!watch)
		watch = net_watch_new(net, on_files, NULL, &e);
	for (size_t i = 0; watch && i < n; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		if (!net_watch_add(watch, luaL_checkstring(L, -1), &e)) {
			lua_pushnil(L);
			lua_pushstring(L, e.msg);
			return 2;
		}
		lua_pop(L, 1);
	}
	if (!watch) {
		lua_pushnil(L);
		lua_pushstring(L, e.msg);
		return 2;
	}
	lua_pushboolean(L, true);
	return 1;
}

void lua_watch_use(struct net *n)
{
	net = n;
}

int lua_watch_open(lua_State *L)
{
	lua_newtable(L);
	lua_pushcfunction(L, watch_set);
	lua_setfield(L, -2, "set");
	return 1;
}

void lua_watch_close(void)
{
	net_watch_free(watch);
	watch = NULL;
	net = NULL;
}
