/*
 * lua_operator.c - see lua_operator.h.  Guarantees that each question is answered once, by its task
 * or by the task's end.
 */
#include "lua_operator.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "task.h"
#include "vm.h"

struct question {
	struct question *next;
	uint64_t id;
	lua_operator_done done;
	void *arg;
};

struct command {
	uint64_t id;
	struct str line;
};

static struct question *waiting;
static uint64_t last_id;

static bool settle(uint64_t id, struct str text)
{
	struct question **at = &waiting, *q;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	q = *at;
	if (!q)
		return false;
	*at = q->next;
	q->done(q->arg, text);
	free(q);
	return true;
}

static int push_command(lua_State *L, void *arg)
{
	const struct command *c = arg;

	lua_pushnumber(L, (double)c->id);
	vm_push_str(L, c->line);
	return 2;
}

/* The task has answered unless it failed. */
static void ended(void *arg, bool ok, struct str error)
{
	uint64_t *id = arg;

	(void)ok;
	(void)error;
	settle(*id, STR("{\"ok\":false,\"error\":\"the command failed, the log says why\"}\n"));
	free(id);
}

void lua_operator_ask(struct str line, lua_operator_done done, void *arg)
{
	struct question *q = xmalloc(sizeof(*q));
	struct command c = { ++last_id, line };
	uint64_t *id = xmalloc(sizeof(*id));

	*q = (struct question){ waiting, c.id, done, arg };
	waiting = q;
	*id = c.id;
	task_start("operator", push_command, &c, ended, id);
}

static int operator_answer(lua_State *L)
{
	lua_Number id = luaL_checknumber(L, 1);

	luaL_argcheck(L, id >= 0 && id < 9007199254740992.0, 1, "not a command's number");
	lua_pushboolean(L, settle((uint64_t)id, vm_check_str(L, 2)));
	return 1;
}

int lua_operator_open(lua_State *L)
{
	lua_newtable(L);
	lua_pushcfunction(L, operator_answer);
	lua_setfield(L, -2, "answer");
	return 1;
}

void lua_operator_close(void)
{
	while (waiting)
		settle(waiting->id, STR("{\"ok\":false,\"error\":\"the server stops\"}\n"));
}
