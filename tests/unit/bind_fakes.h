/*
 * bind_fakes.h - stands in for net, notify and the task pool under the bindings' tests.  A task
 * that the code starts leaves its arguments as a Lua table; a frame, a close or an HTTP reply is
 * kept as text.  Included by one file per test program.
 */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "log.h"
#include "metrics.h"
#include "net.h"
#include "notify.h"
#include "primitive.h"
#include "session.h"
#include "task.h"
#include "vm.h"

#define TASKS_MAX 4096

static struct fake_task {
	char name[16];
	uint64_t id; /* first argument */
	int ref; /* second argument: request's table or identify's kind */
	char text[64]; /* third argument */
	char fourth[32]; /* fourth argument */
	task_done done;
	void *arg;
} tasks[TASKS_MAX];
static size_t ntasks;
static lua_State *L;

void task_start(const char *name, task_push push, void *push_arg, task_done done, void *done_arg)
{
	struct fake_task *t = &tasks[ntasks++];
	int n;

	assert_true(ntasks < TASKS_MAX);
	lua_settop(L, 0);
	snprintf(t->name, sizeof(t->name), "%s", name);
	n = push(L, push_arg);
	assert_int_equal(n, lua_gettop(L));
	t->id = (uint64_t)lua_tonumber(L, 1);
	snprintf(t->text, sizeof(t->text), "%s", lua_isnil(L, 3) ? "" : lua_tostring(L, 3));
	snprintf(t->fourth, sizeof(t->fourth), "%s", lua_tostring(L, 4) ? lua_tostring(L, 4) : "");
	lua_settop(L, 2);
	t->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	t->done = done;
	t->arg = done_arg;
}

void vm_push_str(lua_State *to, struct str s)
{
	if (s.p)
		lua_pushlstring(to, s.p, s.n);
	else
		lua_pushnil(to);
}

/* The last task's request field as text, "nil" when absent. */
static const char *field(const char *name)
{
	static char text[4][512];
	static unsigned turn;
	char *out = text[turn++ % 4];

	assert_true(ntasks > 0);
	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, tasks[ntasks - 1].ref);
	lua_getfield(L, 1, name);
	snprintf(out, sizeof(text[0]), "%s", lua_isnil(L, 2) ? "nil" : lua_tostring(L, 2));
	return out;
}

static void answer_id(uint64_t id, int rsc, const char *pc)
{
	struct answer a = { .rsc = rsc, .pc = str_of(pc) };

	assert_true(primitive_answer(id, &a));
}

static void end_task(size_t i, bool ok)
{
	if (tasks[i].done)
		tasks[i].done(tasks[i].arg, ok, ok ? STR("") : STR("boom"));
	tasks[i].done = NULL;
}

/* ---- timers ---------------------------------------------------------------------------------- */

struct net_timer {
	void (*fn)(void *arg);
	void *arg;
	double seconds; /* as started; negative: stopped */
};
static struct net_timer *the_timer;

struct net_timer *net_timer_new(struct net *n, void (*fn)(void *arg), void *arg)
{
	(void)n;
	the_timer = xcalloc(1, sizeof(*the_timer));
	*the_timer = (struct net_timer){ fn, arg, -1 };
	return the_timer;
}

void net_timer_start(struct net_timer *t, double seconds)
{
	t->seconds = seconds;
}

void net_timer_free(struct net_timer *t)
{
	free(t);
	the_timer = NULL;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static int fakes_open(void **state)
{
	static int quiet = -1;

	(void)state;
	if (quiet < 0)
		quiet = open("/dev/null", O_WRONLY);
	log_to(quiet); /* failures are part of the tests */
	L = luaL_newstate();
	ntasks = 0;
	primitive_open(NULL, 0);
	return L ? 0 : -1;
}

static int fakes_close(void **state)
{
	(void)state;
	for (size_t i = 0; i < ntasks; i++)
		end_task(i, true);
	assert_int_equal(primitive_count(), 0);
	primitive_close();
	lua_close(L);
	return 0;
}
