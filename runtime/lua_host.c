/*
 * lua_host.c - binds a stepped store and the pool of tasks to Lua, for tests of scripts.  The store
 * is a file of a folder in memory (/dev/shm; else $TMPDIR or /tmp), opened and removed with each
 * host.  No decisions: when a task goes on is the harness's business.
 */
#define _GNU_SOURCE
#include "lua_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lauxlib.h>

#include "lua_store.h"
#include "store.h"
#include "task.h"
#include "vm.h"

#define PREFIX "moon2m-host."

static struct {
	struct store *store;
	char folder[256]; /* "": none */
	bool swept; /* what others left was looked for */
} host;

/* ---- the store ------------------------------------------------------------------------------- */

/* The folder and the files in it; nobody makes others below it. */
static void remove_all(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

static void remove_folder(void)
{
	if (*host.folder)
		remove_all(host.folder);
	host.folder[0] = '\0';
}

/* Folders of processes that were killed: their number is in the name. */
static void remove_stale(const char *parent)
{
	DIR *dir = opendir(parent);
	struct dirent *entry;
	char path[sizeof(host.folder)];
	int pid, n;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, PREFIX "%d.", &pid) != 1 || pid <= 0)
			continue;
		n = snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		if (n > 0 && (size_t)n < sizeof(path) && kill(pid, 0) != 0 && errno == ESRCH)
			remove_all(path);
	}
	if (dir)
		closedir(dir);
}

static bool make_folder(const char *parent)
{
	int n = snprintf(host.folder, sizeof(host.folder), "%s/" PREFIX "%d.XXXXXX", parent,
			 (int)getpid());

	if (n > 0 && (size_t)n < sizeof(host.folder) && mkdtemp(host.folder))
		return true;
	host.folder[0] = '\0';
	return false;
}

void lua_host_close(void)
{
	lua_store_use(NULL);
	store_close(host.store);
	host.store = NULL;
	remove_folder();
}

static int host_close(lua_State *L)
{
	(void)L;
	lua_host_close();
	return 0;
}

/* A new, empty folder; false: e says why. */
static bool renew_folder(struct err *e)
{
	const char *tmp = getenv("TMPDIR");

	lua_host_close();
	if (!host.swept)
		remove_stale("/dev/shm");
	host.swept = true;
	if (make_folder("/dev/shm") || make_folder(tmp ? tmp : "/tmp"))
		return true;
	return err_set(e, "no folder for a store: %s", strerror(errno));
}

static int give_folder(lua_State *L, bool ok, const struct err *e)
{
	if (ok) {
		lua_pushstring(L, host.folder);
		return 1;
	}
	remove_folder();
	lua_pushnil(L);
	lua_pushstring(L, e->msg);
	return 2;
}

static int host_folder(lua_State *L)
{
	struct err e = { 0 };
	bool ok = renew_folder(&e);

	return give_folder(L, ok, &e);
}

static int host_open(lua_State *L)
{
	char path[sizeof(host.folder) + sizeof("/moon2m.db")];
	struct store_opts o = { .path = path, .stepped = true };
	struct err e = { 0 };
	bool ok = renew_folder(&e) && vm_boot("moon2m.test.entries", &e);

	snprintf(path, sizeof(path), "%s/moon2m.db", host.folder);
	if (ok)
		host.store = store_open(&o, &e);
	if (host.store)
		lua_store_use(host.store);
	return give_folder(L, host.store != NULL, &e);
}

static int host_step(lua_State *L)
{
	lua_pushboolean(L, host.store && store_step(host.store));
	return 1;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static int push_number(lua_State *L, void *arg)
{
	lua_pushnumber(L, *(lua_Number *)arg);
	return 1;
}

static int host_start(lua_State *L)
{
	lua_Number id = luaL_checknumber(L, 1);

	task_start("run", push_number, &id, NULL, NULL);
	return 0;
}

static int host_waiting(lua_State *L)
{
	struct task_ref *r;

	task_check(L);
	r = lua_newuserdata(L, sizeof(*r));
	*r = task_current();
	return 1;
}

static int push_flag(lua_State *L, void *arg)
{
	lua_pushboolean(L, *(bool *)arg);
	return 1;
}

static int host_resume(lua_State *L)
{
	struct task_ref *r = lua_touserdata(L, 1);
	bool flag = lua_toboolean(L, 2), any = !lua_isnoneornil(L, 2);

	luaL_argcheck(L, r, 1, "a handle was expected");
	lua_pushboolean(L, task_resume(*r, any ? push_flag : NULL, &flag));
	return 1;
}

static int host_tasks(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)task_count());
	return 1;
}

int lua_host_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "open", host_open },     { "folder", host_folder }, { "close", host_close },
		{ "step", host_step },     { "start", host_start },   { "waiting", host_waiting },
		{ "resume", host_resume }, { "tasks", host_tasks },   { NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
