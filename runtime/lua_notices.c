/*
 * lua_notices.c - binds lanes, parked events and what the operator asks for to Lua; no decisions.
 * Guarantees that a task which waits is resumed once.  Never holds C memory across a call that can raise.
 */
#include "lua_notices.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "clock.h"
#include "lua_field.h"
#include "lua_notify.h"
#include "notify.h"
#include "task.h"
#include "vm.h"

/* ---- lanes ----------------------------------------------------------------------------------- */

static int cse_lane_waiting(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)lane_waiting(vm_check_str(L, 1)));
	return 1;
}

static int cse_lane_oldest(lua_State *L)
{
	int64_t at = lane_oldest(vm_check_str(L, 1));

	if (at > 0)
		lua_pushnumber(L, (lua_Number)at);
	else
		lua_pushnil(L);
	return 1;
}

struct lane_answer {
	const struct lane_item *item;
	size_t n;
	const char *error;
};

static void set_text(lua_State *L, const char *name, struct str s)
{
	if (!s.p)
		return;
	vm_push_str(L, s);
	lua_setfield(L, -2, name);
}

static void push_item(lua_State *L, const struct lane_item *i)
{
	lua_createtable(L, 0, 7);
	lua_pushnumber(L, (lua_Number)i->id);
	lua_setfield(L, -2, "id");
	if (i->et != STORE_NULL) {
		lua_pushnumber(L, (lua_Number)i->et);
		lua_setfield(L, -2, "et");
	}
	if (i->ec) {
		lua_pushinteger(L, i->ec);
		lua_setfield(L, -2, "ec");
	}
	lua_pushboolean(L, i->raw);
	lua_setfield(L, -2, "raw");
	lua_pushboolean(L, i->binary);
	lua_setfield(L, -2, "binary");
	set_text(L, "type", i->type);
	set_text(L, "body", i->body);
}

static int push_items(lua_State *L, void *arg)
{
	const struct lane_answer *a = arg;

	if (a->error) {
		lua_pushnil(L);
		lua_pushstring(L, a->error);
		return 2;
	}
	lua_createtable(L, (int)a->n, 0);
	for (size_t i = 0; i < a->n; i++) {
		push_item(L, &a->item[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

static void lane_was_read(void *arg, const struct lane_item *item, size_t n, const char *error)
{
	struct task_ref *waiting = arg;
	struct lane_answer a = { item, n, error };

	task_resume(*waiting, push_items, &a);
	free(waiting);
}

static int cse_lane_read(lua_State *L)
{
	struct str key = vm_check_str(L, 1);
	lua_Number n = luaL_checknumber(L, 2);
	int64_t after = lua_isnoneornil(L, 3) ? 0 : lua_check_id(L, 3);
	struct task_ref *waiting;

	luaL_argcheck(L, n >= 1, 2, "expected a number of notices, from 1");
	task_check(L);
	waiting = xmalloc(sizeof(*waiting));
	*waiting = task_current();
	lane_read(key, n < LANE_READ_MAX ? (unsigned)n : LANE_READ_MAX, after, lane_was_read,
		  waiting);
	return task_yield(L);
}

static int cse_lane_watch(lua_State *L)
{
	struct str key = vm_check_str(L, 1);

	lane_watch(key, (size_t)lua_check_id(L, 2));
	return 0;
}

static int cse_lane_done(lua_State *L)
{
	struct str key = vm_check_str(L, 1);

	lane_done(key, lua_check_id(L, 2));
	return 0;
}

/* ids, the table at index 2, as a block that Lua frees. */
static int64_t *check_ids(lua_State *L, size_t *n)
{
	int64_t *id;

	luaL_checktype(L, 2, LUA_TTABLE);
	*n = lua_objlen(L, 2);
	luaL_argcheck(L, *n <= 1000000, 2, "too many ids");
	id = lua_newuserdata(L, (*n + 1) * sizeof(*id));
	for (size_t i = 0; i < *n; i++) {
		lua_rawgeti(L, 2, (int)i + 1);
		id[i] = lua_check_id(L, lua_gettop(L));
		lua_pop(L, 1);
	}
	return id;
}

static int cse_lane_drop(lua_State *L)
{
	static const char *const which[] = { "all", "but newest", NULL };
	struct str key = vm_check_str(L, 1), reason = vm_check_str(L, 3);
	size_t n = 0;
	const int64_t *id;

	if (lua_type(L, 2) == LUA_TSTRING) {
		enum lane_drop w = luaL_checkoption(L, 2, NULL, which) ? LANE_BUT_NEWEST : LANE_ALL;

		n = lane_drop(key, w, NULL, 0, reason);
	} else {
		id = check_ids(L, &n);
		n = lane_drop(key, LANE_THESE, id, n, reason);
	}
	lua_pushnumber(L, (lua_Number)n);
	return 1;
}

static int push_key(lua_State *L, void *arg)
{
	const struct str *key = arg;

	vm_push_str(L, *key);
	return 1;
}

static void on_lane(void *arg, struct str key)
{
	(void)arg;
	task_start("lane", push_key, &key, NULL, NULL);
}

/* ---- events whose format failed -------------------------------------------------------------- */

struct kept_event {
	int64_t id;
	struct str format, body;
};

static int push_kept(lua_State *L, void *arg)
{
	const struct kept_event *k = arg;

	lua_pushnumber(L, (lua_Number)k->id);
	vm_push_str(L, k->format);
	vm_push_str(L, k->body);
	return 3;
}

static void reformat(void *arg, int64_t id, struct str format, struct str body)
{
	struct kept_event k = { id, format, body };

	(void)arg;
	task_start("reformat", push_kept, &k, NULL, NULL);
}

static int cse_reformat(lua_State *L)
{
	int64_t id = lua_check_id(L, 1);
	struct event_opts o = { .format_failed = NULL };
	struct str body = STR_NONE;

	lua_settop(L, 3);
	if (!lua_isnil(L, 3)) {
		body = vm_check_str(L, 3);
		o = lua_event_opts(L, 2);
	}
	lua_pushboolean(L, notify_reformat(id, &o, body));
	return 1;
}

/* ---- for the operator ------------------------------------------------------------------------ */

/* target at i, a subscription's id or reference at i + 1; nil: any. */
static struct notify_filter check_filter(lua_State *L, int i)
{
	struct notify_filter f = { .sub = 0 };

	if (!lua_isnoneornil(L, i))
		f.target = vm_check_str(L, i);
	if (lua_type(L, i + 1) == LUA_TNUMBER)
		f.sub = lua_check_id(L, i + 1);
	else if (!lua_isnoneornil(L, i + 1))
		f.sur = vm_check_str(L, i + 1);
	return f;
}

/* Rows are gathered first, then handed to Lua in a protected call and without its collector, which
 * could free what the rows borrow from. */
struct rows {
	struct buf all;
	size_t n;
	void (*push)(lua_State *L, const void *row);
	size_t size;
};

static void set_number(lua_State *L, const char *name, double v)
{
	lua_pushnumber(L, v);
	lua_setfield(L, -2, name);
}

static void set_error(lua_State *L, int code, const char *error, int64_t at)
{
	if (!error)
		return;
	set_number(L, "code", code);
	set_number(L, "error_at", (double)at);
	set_text(L, "error", str_of(error));
}

static void set_age(lua_State *L, const char *name, int64_t at)
{
	if (at)
		set_number(L, name, (double)(clock_wall() - at) / 1e6);
}

static void push_notice(lua_State *L, const void *row)
{
	const struct notify_info *i = row;

	lua_createtable(L, 0, 12);
	set_text(L, "state", str_of(i->state));
	set_text(L, "target", i->target);
	set_text(L, "sur", i->sur);
	set_number(L, "sub", (double)i->sub);
	set_number(L, "id", (double)i->id);
	set_number(L, "at", (double)i->at);
	set_age(L, "age", i->at);
	set_number(L, "attempts", i->attempts);
	set_number(L, "bytes", (double)i->bytes);
	set_error(L, i->code, i->error, i->error_at);
}

static void push_account(lua_State *L, const void *row)
{
	const struct notify_account *a = row;

	lua_createtable(L, 0, 16);
	set_text(L, "state", str_of(a->state));
	set_text(L, "target", a->target);
	set_text(L, "sur", a->sur);
	set_number(L, "sub", (double)a->sub);
	set_number(L, "events", (double)a->events);
	set_number(L, "sent", (double)a->sent);
	set_number(L, "acknowledged", (double)a->acknowledged);
	set_number(L, "answered", (double)a->answered);
	set_number(L, "failed", (double)a->failed);
	set_number(L, "dropped", (double)a->dropped);
	set_number(L, "queued", (double)a->queued);
	set_number(L, "held", (double)a->held);
	set_age(L, "oldest", a->oldest);
	set_error(L, a->code, a->error, a->error_at);
}

static void push_stat(lua_State *L, const void *row)
{
	const struct notify_account *a = row;

	lua_createtable(L, 0, 4);
	set_text(L, "tg", a->target);
	set_number(L, "rqs", (double)a->sent);
	set_number(L, "rsr", (double)a->answered);
	set_number(L, "noec", (double)a->events);
}

static void gather_notice(void *arg, const struct notify_info *i)
{
	struct rows *r = arg;

	buf_add(&r->all, i, sizeof(*i));
	r->n++;
}

static void gather_account(void *arg, const struct notify_account *a)
{
	struct rows *r = arg;

	buf_add(&r->all, a, sizeof(*a));
	r->n++;
}

static int push_rows(lua_State *L)
{
	const struct rows *r = lua_touserdata(L, 1);

	lua_createtable(L, (int)r->n, 0);
	for (size_t i = 0; i < r->n; i++) {
		r->push(L, r->all.p + i * r->size);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* Frees the rows, and raises when there was no memory. */
static int give_rows(lua_State *L, struct rows *r)
{
	int rc;

	lua_pushcfunction(L, push_rows);
	lua_pushlightuserdata(L, r);
	lua_gc(L, LUA_GCSTOP, 0);
	rc = lua_pcall(L, 1, 1, 0);
	lua_gc(L, LUA_GCRESTART, 0);
	buf_free(&r->all);
	return rc ? lua_error(L) : 1;
}

/* {target=, sub=, limit=} at 1: a filter, and *limit. */
static struct notify_filter check_listing(lua_State *L, size_t *limit)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	*limit = (size_t)lua_field_number(L, 1, "limit", 0, 100000);
	if (*limit == 0)
		*limit = 1000;
	lua_getfield(L, 1, "target");
	lua_getfield(L, 1, "sub");
	return check_filter(L, 2);
}

static int cse_notices(lua_State *L)
{
	struct rows r = { .push = push_notice, .size = sizeof(struct notify_info) };
	size_t limit;
	struct notify_filter f = check_listing(L, &limit);

	notify_notices(&f, limit, gather_notice, &r);
	return give_rows(L, &r);
}

static int cse_accounts(lua_State *L)
{
	struct rows r = { .push = push_account, .size = sizeof(struct notify_account) };
	size_t limit;
	struct notify_filter f = check_listing(L, &limit);

	notify_accounts(&f, limit, gather_account, &r);
	return give_rows(L, &r);
}

static int cse_sub_stats(lua_State *L)
{
	struct rows r = { .push = push_stat, .size = sizeof(struct notify_account) };
	struct notify_filter f = { .sub = lua_check_id(L, 1) };

	if (f.sub)
		notify_accounts(&f, SIZE_MAX, gather_account, &r);
	return give_rows(L, &r);
}

static int cse_replay(lua_State *L)
{
	struct notify_filter f = check_filter(L, 1);

	lua_pushnumber(L, (lua_Number)notify_replay(&f));
	return 1;
}

static int cse_drop(lua_State *L)
{
	struct notify_filter f = check_filter(L, 1);

	lua_pushnumber(L, (lua_Number)notify_drop(&f));
	return 1;
}

/* ---- module ---------------------------------------------------------------------------------- */

void lua_notices_use(void)
{
	notify_on_lane(on_lane, NULL);
	notify_on_reformat(reformat, NULL);
}

void lua_notices_close(void)
{
	notify_on_lane(NULL, NULL);
	notify_on_reformat(NULL, NULL);
}

void lua_notices_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "lane_waiting", cse_lane_waiting },
		{ "lane_oldest", cse_lane_oldest },
		{ "lane_read", cse_lane_read },
		{ "lane_watch", cse_lane_watch },
		{ "lane_done", cse_lane_done },
		{ "lane_drop", cse_lane_drop },
		{ "reformat", cse_reformat },
		{ "notices", cse_notices },
		{ "accounts", cse_accounts },
		{ "sub_stats", cse_sub_stats },
		{ "replay", cse_replay },
		{ "drop", cse_drop },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
