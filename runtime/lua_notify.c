/*
 * lua_notify.c - binds notify to Lua; no decisions.  An event is a userdata whose first field is
 * the struct event, emptied when it is published or abandoned; one that is collected unpublished
 * is abandoned.  Never holds C memory across a call that can raise.
 */
#include "lua_notify.h"

#include <stdio.h>
#include <limits.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "lua_field.h"
#include "log.h"
#include "metrics.h"
#include "notify.h"
#include "task.h"
#include "vm.h"

#define AUDIENCE "moon2m.audience"
#define EVENT "moon2m.event"
#define ROUTES_MAX 64

struct counts {
	const struct notify_count *list;
	size_t n;
};

/* ---- audiences and events -------------------------------------------------------------------- */

static int cse_slot(lua_State *L)
{
	static const char *const names[] = { "sur", "to", "rqi", "cr", NULL };

	vm_push_str(L, notify_slot_text((enum notify_slot)luaL_checkoption(L, 1, NULL, names)));
	return 1;
}

static int cse_audience(lua_State *L)
{
	struct audience **a = lua_newuserdata(L, sizeof(*a));

	*a = NULL;
	luaL_getmetatable(L, AUDIENCE);
	lua_setmetatable(L, -2);
	*a = audience_new();
	return 1;
}

static struct audience *check_audience(lua_State *L, int i)
{
	return *(struct audience **)luaL_checkudata(L, i, AUDIENCE);
}

static int audience_lua_add(lua_State *L)
{
	struct audience *a = check_audience(L, 1);
	int64_t sub = lua_check_id(L, 2);
	struct str cr = lua_isnil(L, 4) ? STR("") : vm_check_str(L, 4);

	audience_add(a, sub, vm_check_str(L, 3), cr, vm_check_str(L, 5));
	return 0;
}

static int audience_lua_remove(lua_State *L)
{
	audience_remove(check_audience(L, 1), lua_check_id(L, 2));
	return 0;
}

static int audience_lua_size(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)audience_size(check_audience(L, 1)));
	return 1;
}

static int audience_lua_gc(lua_State *L)
{
	struct audience **a = luaL_checkudata(L, 1, AUDIENCE);

	if (*a)
		audience_unref(*a);
	*a = NULL;
	return 0;
}

struct event_opts lua_event_opts(lua_State *L, int table)
{
	static const char *const frames[] = { "primitive", "raw", NULL };
	struct event_opts o = { .frame = FRAME_PRIMITIVE };

	luaL_checktype(L, table, LUA_TTABLE);
	lua_getfield(L, table, "frame");
	if (!lua_isnil(L, -1) && luaL_checkoption(L, lua_gettop(L), NULL, frames))
		o.frame = FRAME_RAW;
	o.binary = lua_field_bool(L, table, "binary", false);
	o.ec = (int)lua_field_number(L, table, "ec", 0, 999);
	o.count = (unsigned)lua_field_number(L, table, "count", 0, 1000000);
	o.type = lua_field_str(L, table, "type");
	o.format_failed = lua_field_str(L, table, "format_failed").p;
	return o;
}

static int cse_event(lua_State *L)
{
	struct audience *a = check_audience(L, 1);
	struct str body = vm_check_str(L, 3);
	struct event_opts o;
	struct event **ev;

	lua_settop(L, 3);
	o = lua_event_opts(L, 2);
	ev = lua_newuserdata(L, sizeof(*ev));
	*ev = NULL;
	luaL_getmetatable(L, EVENT);
	lua_setmetatable(L, -2);
	*ev = event_new(a, &o, body);
	return 1;
}

/* The event, which the userdata gives up. */
static struct event *take_event(lua_State *L)
{
	struct event **ev = luaL_checkudata(L, 1, EVENT), *e = *ev;

	*ev = NULL;
	return e;
}

static int cse_publish(lua_State *L)
{
	struct event *e = take_event(L);

	luaL_argcheck(L, e, 1, "the event was published or abandoned before");
	event_publish(e);
	return 0;
}

static int cse_abandon(lua_State *L)
{
	struct event *e = take_event(L);

	if (e)
		event_abandon(e);
	return 0;
}

/* ---- targets --------------------------------------------------------------------------------- */

/* routes(target, { urls } [, via]) */
static int cse_routes(lua_State *L)
{
	struct str target = vm_check_str(L, 1), url[ROUTES_MAX];
	size_t n;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 4);
	n = lua_objlen(L, 2);
	if (n > ROUTES_MAX)
		n = ROUTES_MAX;
	luaL_checkstack(L, ROUTES_MAX, "too many values");
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, 2, (int)i + 1); /* stays on the stack */
		url[i] = vm_check_str(L, lua_gettop(L));
	}
	if (!lua_isnoneornil(L, 3))
		notify_target_via(target, vm_check_str(L, 3));
	notify_target_token(target, lua_isnoneornil(L, 4) ? STR_NONE : vm_check_str(L, 4));
	notify_target_routes(target, url, n);
	return 0;
}

static int cse_reroute(lua_State *L)
{
	(void)L;
	notify_reroute();
	return 0;
}

static int cse_forget_target(lua_State *L)
{
	notify_forget_target(vm_check_str(L, 1));
	return 0;
}

static int cse_priority(lua_State *L)
{
	int64_t sub = lua_check_id(L, 1), priority = lua_check_id(L, 2);

	notify_priority(sub, priority > UINT_MAX ? UINT_MAX : (unsigned)priority);
	return 0;
}

static int cse_forget_sub(lua_State *L)
{
	notify_forget_sub(lua_check_id(L, 1));
	return 0;
}

static int cse_keep_newest(lua_State *L)
{
	notify_keep_newest(lua_check_id(L, 1));
	return 0;
}

/* ---- polling channels ------------------------------------------------------------------------ */

struct handed {
	struct buf all; /* length, bytes of each request */
	size_t n;
};

static void handed(void *arg, struct str request)
{
	struct handed *h = arg;

	buf_add(&h->all, &request.n, sizeof(request.n));
	buf_str(&h->all, request);
	h->n++;
}

static int push_handed(lua_State *L)
{
	const struct handed *h = lua_touserdata(L, 1);
	const char *p = h->all.p;

	lua_createtable(L, (int)h->n, 0);
	for (size_t i = 0, n; i < h->n; i++, p += n) {
		memcpy(&n, p, sizeof(n));
		p += sizeof(n);
		lua_pushlstring(L, p, n);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* poll(target, max, upto) -> { requests as JSON texts }, loading */
static int cse_poll(lua_State *L)
{
	struct str target = vm_check_str(L, 1);
	int max = (int)luaL_checkinteger(L, 2);
	int64_t upto = (int64_t)luaL_optnumber(L, 3, 9007199254740991.0);
	struct handed h = { BUF_INIT, 0 };
	bool loading;
	int rc;

	luaL_argcheck(L, max >= 0 && max <= 1024, 2, "expected 0 to 1024");
	notify_poll(target, (unsigned)max, upto, &loading, handed, &h);
	lua_pushcfunction(L, push_handed);
	lua_pushlightuserdata(L, &h);
	rc = lua_pcall(L, 1, 1, 0);
	buf_free(&h.all);
	if (rc)
		return lua_error(L);
	lua_pushboolean(L, loading);
	return 2;
}

static int cse_poll_last(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)notify_poll_last(vm_check_str(L, 1)));
	return 1;
}

static int cse_poll_answer(lua_State *L)
{
	lua_pushboolean(L, notify_poll_answer(vm_check_str(L, 1), vm_check_str(L, 2),
					      (int)luaL_checkinteger(L, 3)));
	return 1;
}

/* ---- requests of the CSE's own --------------------------------------------------------------- */

struct asked_answer {
	int rsc;
	struct str pc;
};

static int push_asked(lua_State *L, void *arg)
{
	const struct asked_answer *a = arg;

	lua_pushinteger(L, a->rsc);
	vm_push_str(L, a->pc);
	return 2;
}

static void asked(void *arg, int rsc, struct str pc)
{
	struct task_ref *waiting = arg;
	struct asked_answer a = { rsc, pc };

	task_resume(*waiting, push_asked, &a);
	free(waiting);
}

static int cse_ask(lua_State *L)
{
	struct str target = vm_check_str(L, 1), pc = vm_check_str(L, 2);
	int ec = (int)luaL_optinteger(L, 3, 0);
	double seconds = luaL_checknumber(L, 4);
	struct task_ref *waiting;

	luaL_argcheck(L, seconds > 0 && seconds <= 3600, 4, "expected 0 to 3600 seconds");
	task_check(L);
	waiting = xmalloc(sizeof(*waiting));
	*waiting = task_current();
	notify_ask(target, pc, ec, seconds, asked, waiting);
	return task_yield(L);
}

static int push_passed(lua_State *L, void *arg)
{
	static const char *const end[] = { "answered", "unreached", "broken", "late" };
	const struct passed *a = arg;

	lua_pushstring(L, a->unreadable ? "unreadable" : end[a->end]);
	lua_pushinteger(L, a->rsc);
	vm_push_str(L, a->pc);
	vm_push_str(L, a->whole);
	vm_push_str(L, a->head);
	return 5;
}

static void passed(void *arg, const struct passed *a)
{
	struct task_ref *waiting = arg;

	task_resume(*waiting, push_passed, (void *)(uintptr_t)a);
	free(waiting);
}

static const char *method_of(lua_State *L, int op)
{
	static const char *const method[] = { "POST", "GET", "PUT", "DELETE", "POST" };

	luaL_argcheck(L, op >= 1 && op <= 5, 2, "op: expected 1 to 5");
	return method[op - 1];
}

static int cse_pass(lua_State *L)
{
	struct pass p = { .key = vm_check_str(L, 1) };
	struct task_ref *waiting;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	p.method = method_of(L, (int)lua_field_number(L, 2, "op", 0, 5));
	p.timeout = lua_field_number(L, 2, "seconds", 0, 86400);
	p.safe = lua_field_bool(L, 2, "safe", false);
	p.frame = lua_field_str(L, 2, "frame");
	p.pc = lua_field_str(L, 2, "pc");
	p.path = lua_field_str(L, 2, "path");
	p.head = lua_field_str(L, 2, "head");
	p.rqi = lua_field_str(L, 2, "rqi");
	luaL_argcheck(L, p.frame.p && p.path.p && p.head.p && p.rqi.p, 2,
		      "frame, path, head and rqi are needed");
	task_check(L);
	waiting = xmalloc(sizeof(*waiting));
	*waiting = task_current();
	notify_pass(&p, passed, waiting);
	return task_yield(L);
}

/* ---- hooks ----------------------------------------------------------------------------------- */

/* { subscription, events, subscription, events, ... } */
static int push_counts(lua_State *L, void *arg)
{
	const struct counts *c = arg;

	lua_createtable(L, (int)(2 * c->n), 0);
	for (size_t i = 0; i < c->n; i++) {
		lua_pushnumber(L, (lua_Number)c->list[i].sub);
		lua_rawseti(L, -2, (int)(2 * i + 1));
		lua_pushnumber(L, c->list[i].n);
		lua_rawseti(L, -2, (int)(2 * i + 2));
	}
	return 1;
}

/* One task for all: one for each of 1,000 subscriptions cost some 250 ns a frame. */
static void delivered(void *arg, const struct notify_count *list, size_t n)
{
	struct counts c = { list, n };

	(void)arg;
	task_start("delivered", push_counts, &c, NULL, NULL);
}

static int push_target(lua_State *L, void *arg)
{
	const struct str *target = arg;

	vm_push_str(L, *target);
	return 1;
}

static void polled(void *arg, struct str target)
{
	(void)arg;
	task_start("polled", push_target, &target, NULL, NULL);
}

static void unknown_target(void *arg, struct str target)
{
	(void)arg;
	task_start("unknown_target", push_target, &target, NULL, NULL);
}

/* The subscription stays: it is its owner's to delete. */
static void refused(void *arg, int64_t sub, struct str target, int rsc)
{
	char labels[32];

	(void)arg;
	snprintf(labels, sizeof(labels), "rsc=\"%d\"", rsc);
	metric_add(metric_labelled("moon2m_notices_unverified_total",
				   "Notices refused as the subscription could not be verified",
				   METRIC_COUNTER, labels, 2),
		   1);
	log_warn("notify", "subscription not verified by its target id=%lld target=%s rsc=%d",
		 (long long)sub, log_quote(target), rsc);
}

struct leaver {
	int64_t sub;
	struct str target;
};

static int push_leaver(lua_State *L, void *arg)
{
	const struct leaver *l = arg;

	lua_pushnumber(L, (lua_Number)l->sub);
	vm_push_str(L, l->target);
	return 2;
}

static void leaving(void *arg, int64_t sub, struct str target)
{
	struct leaver l = { sub, target };

	(void)arg;
	task_start("removal", push_leaver, &l, NULL, NULL);
}

/* ---- module ---------------------------------------------------------------------------------- */

void lua_notify_use(void)
{
	notify_on_delivered(delivered, NULL);
	notify_on_unknown_target(unknown_target, NULL);
	notify_on_refused(refused, NULL);
	notify_on_leaving(leaving, NULL);
	notify_on_polled(polled, NULL);
}

void lua_notify_close(void)
{
	notify_on_delivered(NULL, NULL);
	notify_on_unknown_target(NULL, NULL);
	notify_on_refused(NULL, NULL);
	notify_on_leaving(NULL, NULL);
	notify_on_polled(NULL, NULL);
}

static void make_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc)
{
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

void lua_notify_functions(lua_State *L)
{
	static const luaL_Reg audience_methods[] = { { "add", audience_lua_add },
						     { "remove", audience_lua_remove },
						     { "size", audience_lua_size },
						     { NULL, NULL } };
	static const luaL_Reg no_methods[] = { { NULL, NULL } };
	static const luaL_Reg functions[] = {
		{ "slot", cse_slot },
		{ "audience", cse_audience },
		{ "event", cse_event },
		{ "publish", cse_publish },
		{ "abandon", cse_abandon },
		{ "routes", cse_routes },
		{ "reroute", cse_reroute },
		{ "forget_sub", cse_forget_sub },
		{ "keep_newest", cse_keep_newest },
		{ "priority", cse_priority },
		{ "ask", cse_ask },
		{ "pass", cse_pass },
		{ "poll", cse_poll },
		{ "poll_last", cse_poll_last },
		{ "poll_answer", cse_poll_answer },
		{ "forget_target", cse_forget_target },
		{ NULL, NULL },
	};

	make_class(L, AUDIENCE, audience_methods, audience_lua_gc);
	make_class(L, EVENT, no_methods, cse_abandon);
	luaL_setfuncs(L, functions, 0);
}
