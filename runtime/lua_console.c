/*
 * lua_console.c - see lua_console.h.  Carries lines, decides nothing.
 */
#include "lua_console.h"

#include <lauxlib.h>

#include "task.h"
#include "vm.h"

struct said {
	uint64_t client;
	struct str line; /* p NULL: it has gone */
};

static struct net_unix *sock;

static int push_said(lua_State *L, void *arg)
{
	const struct said *s = arg;

	lua_pushnumber(L, (double)s->client);
	vm_push_str(L, s->line);
	return 2;
}

static void on_line(void *arg, uint64_t client, struct str line)
{
	struct said s = { client, line };

	(void)arg;
	task_start("console", push_said, &s, NULL, NULL);
}

static void on_gone(void *arg, uint64_t client)
{
	struct said s = { client, STR_NONE };

	(void)arg;
	task_start("console_gone", push_said, &s, NULL, NULL);
}

bool lua_console_begin(struct net_unix *u, uint64_t client)
{
	static const struct net_unix_session session = { on_line, on_gone, NULL };

	sock = u;
	return net_unix_keep(u, client, &session) &&
	       net_unix_send(u, client, STR("{\"ready\":true}\n"));
}

static uint64_t check_client(lua_State *L)
{
	lua_Number id = luaL_checknumber(L, 1);

	luaL_argcheck(L, id >= 0 && id < 9007199254740992.0, 1, "not a console's number");
	return (uint64_t)id;
}

static int console_send(lua_State *L)
{
	uint64_t client = check_client(L);
	struct str text = vm_check_str(L, 2);

	lua_pushboolean(L, sock && net_unix_send(sock, client, text));
	return 1;
}

static int console_unread(lua_State *L)
{
	uint64_t client = check_client(L);
	ssize_t n = sock ? net_unix_unread(sock, client) : -1;

	if (n < 0)
		return 0;
	lua_pushnumber(L, (double)n);
	return 1;
}

int lua_console_open(lua_State *L)
{
	lua_newtable(L);
	lua_pushcfunction(L, console_send);
	lua_setfield(L, -2, "send");
	lua_pushcfunction(L, console_unread);
	lua_setfield(L, -2, "unread");
	return 1;
}

void lua_console_close(void)
{
	sock = NULL;
}
