/*
 * The pool of tasks.  A struct task lives until task_close, so that a stale reference always points
 * at something that can say "no"; its coroutine is reused after a run that ended well and thrown
 * away after an error.  Values for a task are pushed on the main state in a protected call and
 * moved over, so that a full heap ends that task and nothing else.
 */
#include "task.h"

#include <assert.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "guard.h"
#include "vm.h"

#define IDLE_MAX 256 /* coroutines kept for reuse */

enum state { TASK_IDLE, TASK_RUNNING, TASK_WAITING };

struct task {
	enum state state;
	uint32_t generation; /* of the one reference that may resume it */
	lua_State *co; /* NULL: made at the next start */
	int ref; /* keeps co */
	lua_State *early; /* holds the values of a completion that came before the yield */
	int early_ref;
	task_done done;
	void *done_arg;
	struct task *next_idle, *next_all;
};

static struct {
	struct task *current, *idle, *all;
	size_t count, idle_coroutines;
} tasks;

/* ---- pool ------------------------------------------------------------------------------------ */

static struct task *take(void)
{
	struct task *t = tasks.idle;

	if (t) {
		tasks.idle = t->next_idle;
	} else {
		t = xcalloc(1, sizeof(*t));
		t->next_all = tasks.all;
		tasks.all = t;
	}
	tasks.idle_coroutines -= t->co != NULL;
	tasks.count++;
	t->state = TASK_RUNNING;
	return t;
}

static void drop_early(struct task *t)
{
	if (t->early)
		luaL_unref(vm_state(), LUA_REGISTRYINDEX, t->early_ref);
	t->early = NULL;
}

static void drop_coroutine(struct task *t)
{
	if (t->co)
		luaL_unref(vm_state(), LUA_REGISTRYINDEX, t->ref);
	t->co = NULL;
}

static void give_back(struct task *t, bool reusable)
{
	drop_early(t);
	if (!reusable || tasks.idle_coroutines >= IDLE_MAX)
		drop_coroutine(t);
	else
		lua_settop(t->co, 0);
	tasks.idle_coroutines += t->co != NULL;
	t->generation++;
	t->state = TASK_IDLE;
	t->next_idle = tasks.idle;
	tasks.idle = t;
	tasks.count--;
}

static void finish(struct task *t, bool ok)
{
	struct buf text = BUF_INIT, trace = BUF_INIT;
	task_done done = t->done;
	void *arg = t->done_arg;

	if (!ok) {
		vm_failure(t->co, &text, &trace);
		vm_log_failure("task", buf_view(&text), buf_view(&trace));
	}
	give_back(t, ok);
	if (!ok)
		vm_relieve(); /* it may have died of a full heap */
	if (done)
		done(arg, ok, buf_view(&text));
	buf_free(&text);
	buf_free(&trace);
}

/* ---- running --------------------------------------------------------------------------------- */

/* A yield that is not task_yield's would never be resumed: it is a mistake in the library. */
static bool waits_for_us(struct task *t)
{
	if (lua_touserdata(t->co, 1) == (const void *)&guard_server_mark)
		return true;
	lua_settop(t->co, 0);
	lua_pushliteral(t->co, "a task yielded, but not to the runtime: nothing would resume it");
	return false;
}

static int take_early(struct task *t)
{
	int n = lua_gettop(t->early);

	lua_xmove(t->early, t->co, n);
	drop_early(t);
	t->generation++;
	return n;
}

static void run(struct task *t, int nargs)
{
	struct task *outer = tasks.current;
	int rc;

	tasks.current = t;
	for (;;) {
		t->state = TASK_RUNNING;
		rc = lua_resume(t->co, nargs);
		if (rc != LUA_YIELD || !waits_for_us(t))
			break;
		lua_settop(t->co, 0);
		t->state = TASK_WAITING;
		if (!t->early)
			break;
		nargs = take_early(t);
	}
	tasks.current = outer;
	if (t->state != TASK_WAITING)
		finish(t, rc == 0);
}

/* What a protected step does on the main state: values for t, and what has to be made for it. */
struct step {
	struct task *t;
	const char *entry; /* start: the boot module's function */
	task_push push;
	void *arg;
	int n; /* values moved */
};

static void move_values(lua_State *L, lua_State *to, struct step *s)
{
	s->n = s->push ? s->push(L, s->arg) : 0;
	assert(s->n >= 0 && s->n <= 16);
	lua_xmove(L, to, s->n);
}

static int prepare_start(lua_State *L)
{
	struct step *s = lua_touserdata(L, 1);
	struct task *t = s->t;

	if (!t->co) {
		lua_State *co = lua_newthread(L);

		t->ref = luaL_ref(L, LUA_REGISTRYINDEX);
		t->co = co;
	}
	vm_push_entry(L, s->entry);
	if (!lua_isfunction(L, -1))
		return luaL_error(L, "the boot module has no entry '%s'", s->entry);
	lua_xmove(L, t->co, 1);
	move_values(L, t->co, s);
	return 0;
}

static int prepare_resume(lua_State *L)
{
	struct step *s = lua_touserdata(L, 1);
	struct task *t = s->t;

	if (t->state == TASK_RUNNING) {
		lua_State *early = lua_newthread(L);

		t->early_ref = luaL_ref(L, LUA_REGISTRYINDEX);
		t->early = early;
		move_values(L, early, s);
	} else {
		move_values(L, t->co, s);
	}
	return 0;
}

/* The step failed (no memory, no entry, push raised): its error, on the main state, ends the
 * task. */
static void fail(struct task *t)
{
	lua_State *L = vm_state();
	struct buf text = BUF_INIT;
	task_done done = t->done;
	void *arg = t->done_arg;
	const char *msg = lua_tostring(L, -1);

	buf_str(&text, str_of(msg ? msg : "(error object is no string)"));
	lua_pop(L, 1);
	vm_log_failure("task", buf_view(&text), STR_NONE);
	give_back(t, false);
	if (done)
		done(arg, false, buf_view(&text));
	buf_free(&text);
}

void task_start(const char *name, task_push push, void *push_arg, task_done done, void *done_arg)
{
	struct task *t = take();
	struct step s = { t, name, push, push_arg, 0 };

	t->done = done;
	t->done_arg = done_arg;
	if (lua_cpcall(vm_state(), prepare_start, &s) != 0)
		fail(t);
	else
		run(t, s.n);
}

bool task_resume(struct task_ref r, task_push push, void *arg)
{
	struct task *t = r.task;
	struct step s = { t, NULL, push, arg, 0 };

	if (!t || t->state == TASK_IDLE || t->generation != r.generation || t->early)
		return false;
	if (lua_cpcall(vm_state(), prepare_resume, &s) != 0) {
		if (t->state == TASK_WAITING) {
			fail(t);
			return true;
		}
		lua_pop(vm_state(), 1); /* no memory: it is resumed without values, if at all */
		return t->early != NULL;
	}
	if (t->state == TASK_WAITING) {
		t->generation++;
		run(t, s.n);
	}
	return true;
}

/* ---- waiting --------------------------------------------------------------------------------- */

void task_check(lua_State *L)
{
	const char *why;

	if (!tasks.current)
		luaL_error(L, "this call waits for its result, which only works inside a task");
	why = guard_cannot_wait(L);
	if (why)
		luaL_error(L, "%s", why);
}

struct task_ref task_current(void)
{
	struct task *t = tasks.current;

	assert(t);
	drop_early(t);
	t->generation++;
	return (struct task_ref){ t, t->generation };
}

int task_yield(lua_State *L)
{
	if (tasks.current && !lua_isyieldable(L))
		tasks.current->generation++; /* what was set in motion finds a stale reference */
	task_check(L);
	lua_settop(L, 0);
	lua_pushlightuserdata(L, (void *)&guard_server_mark);
	return lua_yield(L, 1);
}

bool task_is_running(void)
{
	return tasks.current != NULL;
}

size_t task_count(void)
{
	return tasks.count;
}

void task_close(void)
{
	struct task *t = tasks.all, *next;

	for (; t; t = next) {
		next = t->next_all;
		drop_early(t);
		drop_coroutine(t);
		free(t);
	}
	memset(&tasks, 0, sizeof(tasks));
}
