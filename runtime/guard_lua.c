/*
 * What Lua calls of the guard: guarded runs, the user's own coroutines, meters, compiling.  An error
 * becomes text here: nothing that a script raised is run by anyone who is not guarded.
 */
#include "guard_int.h"

#include <lauxlib.h>
#include <luajit.h>

#include "vm.h"

#define METER "moon2m.guard.meter"
#define DEEP 50 /* frames */

/* ---- guarded runs ---------------------------------------------------------------------------- */

static const char *cannot_resume(lua_State *co, int nargs)
{
	lua_Debug ar;
	int status = lua_status(co);

	if (status == 0 && lua_getstack(co, 0, &ar) > 0)
		return "cannot resume non-suspended coroutine";
	if (status != LUA_YIELD && (status != 0 || lua_gettop(co) == 0))
		return "cannot resume dead coroutine";
	return lua_checkstack(co, nargs + 1) ? NULL : "too many arguments";
}

static int give_refusal(lua_State *L, const char *why)
{
	lua_pushboolean(L, 0);
	lua_pushstring(L, why);
	return 2;
}

static int64_t check_seconds(lua_State *L)
{
	double s = luaL_checknumber(L, 1);

	luaL_argcheck(L, s >= 0.001 && s <= 3600, 1, "budget out of range (0.001 to 3600 s)");
	return (int64_t)(s * 1e6);
}

/* Argument 1: a meter, or seconds, for which *once is filled in. */
static struct guard_meter *check_budget(lua_State *L, struct guard_meter *once)
{
	if (lua_isuserdata(L, 1))
		return luaL_checkudata(L, 1, METER);
	once->us = check_seconds(L);
	return once;
}

static int give_results(lua_State *L, lua_State *co)
{
	int n = lua_gettop(co);

	if (!lua_checkstack(L, n + 1))
		return luaL_error(L, "too many results");
	lua_pushboolean(L, 1);
	lua_xmove(co, L, n);
	return n + 1;
}

/* ---- errors as text -------------------------------------------------------------------------- */

int guard_ground(lua_State *co)
{
	lua_Debug ar;
	int level = 0;

	if (lua_getstack(co, DEEP, &ar)) /* finding a frame takes as long as it is deep */
		return -1;
	while (lua_getstack(co, level, &ar))
		level++;
	if (--level < 0 || !lua_getstack(co, level, &ar) || !lua_getinfo(co, "S", &ar) ||
	    strncmp(ar.source, "@lib/", 5) != 0)
		return -1;
	return level;
}

/* A C function that the user's code called in place of its last frame names the ground as the place
 * of its error: that is taken off the text at the top. */
static void drop_ground(lua_State *L, lua_State *co)
{
	char place[LUA_IDSIZE + 16];
	const char *text = lua_tostring(L, -1);
	int level = guard_ground(co);
	lua_Debug ar;

	if (level < 0 || !lua_getstack(co, level, &ar) || !lua_getinfo(co, "Sl", &ar))
		return;
	snprintf(place, sizeof(place), "%s:%d: ", ar.short_src, ar.currentline);
	if (strncmp(text, place, strlen(place)) != 0)
		return;
	lua_pushstring(L, text + strlen(place));
	lua_replace(L, -2);
}

/* "file:line: " of the innermost user frame of a coroutine that has failed; when it has none, as of a
 * function that was called in place of the last one, where the rule was declared, if that is known. */
static void push_place(lua_State *L, lua_State *co, const char *rule)
{
	struct str at = guard_declared_at(rule);
	int ground = guard_ground(co);
	lua_Debug ar;

	for (int level = 0; level < 50 && lua_getstack(co, level, &ar); level++) {
		if (!lua_getinfo(co, "Sl", &ar) || ar.currentline < 0 || level == ground)
			continue;
		lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
		return;
	}
	lua_pushlstring(L, at.p, at.n);
	if (at.n) {
		lua_pushliteral(L, ": ");
		lua_concat(L, 2);
	}
}

/* "file:12: ..." */
static bool has_place(const char *s)
{
	const char *at = strstr(s, ": ");

	return at && at > s + 1 && at[-1] >= '0' && at[-1] <= '9' &&
	       memchr(s, ':', (size_t)(at - s));
}

/* The error was raised by `error` itself: whoever called it decided whether it has a place. */
static bool on_purpose(lua_State *co)
{
	lua_Debug ar;

	return lua_getstack(co, 0, &ar) && lua_getinfo(co, "Sn", &ar) && ar.what[0] == 'C' &&
	       ar.name && strcmp(ar.name, "error") == 0;
}

/* Replaces the error value at the top by a text, without running anything of the user's.  What a C
 * function raised (a bad pattern) or the VM (stack overflow) gets the place that it lacks. */
static void make_text(lua_State *L, lua_State *co, const char *rule)
{
	int type = lua_type(L, -1);

	if (type == LUA_TSTRING) {
		drop_ground(L, co);
		if (has_place(lua_tostring(L, -1)) || on_purpose(co))
			return;
		push_place(L, co, rule);
		lua_insert(L, -2);
		lua_concat(L, 2);
		return;
	}
	push_place(L, co, rule);
	if (type == LUA_TTABLE) {
		lua_pushliteral(L, "msg");
		lua_rawget(L, -3);
		if (lua_type(L, -1) == LUA_TSTRING) {
			lua_concat(L, 2);
			lua_replace(L, -2);
			return;
		}
		lua_pop(L, 1);
	}
	if (type == LUA_TNUMBER)
		lua_pushfstring(L, "%f", lua_tonumber(L, -2));
	else
		lua_pushfstring(L,
				type == LUA_TNIL ? "error without a message (%s)"
						 : "error without a message (a %s)",
				lua_typename(L, type));
	lua_concat(L, 2);
	lua_replace(L, -2);
}

static bool is_out_of_memory(lua_State *L, int rc)
{
	return rc == LUA_ERRMEM || (lua_type(L, -1) == LUA_TSTRING &&
				    strcmp(lua_tostring(L, -1), "not enough memory") == 0);
}

static int give_error(lua_State *L, lua_State *co, int rc, bool stopped, const char *rule)
{
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	if (is_out_of_memory(L, rc)) {
		vm_collect_soon();
		if (!guard_refusal())
			return 2;
		lua_pushstring(L, guard_refusal());
		lua_replace(L, -2);
		return 2;
	}
	make_text(L, co, rule);
	if (stopped && guard_trace().n) {
		vm_collect_soon();
		vm_push_str(L, guard_trace());
	} else {
		luaL_traceback(L, co, NULL, 0);
	}
	return 3;
}

/* verdict: why its user code must not run any more; NULL: it may. */
static int resume(lua_State *L, int nargs, const char *verdict)
{
	struct guard_meter once = { 0 }, *m = check_budget(L, &once);
	const char *rule = luaL_optstring(L, 2, NULL), *why;
	lua_State *co = lua_tothread(L, 3);
	struct guard_run outer;
	bool stopped;
	int rc;

	luaL_argcheck(L, co, 3, "coroutine expected");
	why = cannot_resume(co, nargs);
	if (why)
		return give_refusal(L, why);
	lua_xmove(L, co, nargs);
	guard_enter(&outer, m, rule, co);
	if (verdict)
		guard_condemn(verdict);
	rc = lua_resume(co, nargs);
	stopped = guard_leave(&outer, m);
	if (rc == 0 || rc == LUA_YIELD)
		return give_results(L, co);
	return give_error(L, co, rc, stopped, rule);
}

static int guard_resume(lua_State *L)
{
	return resume(L, lua_gettop(L) - 3, NULL);
}

/* "file:line: why" with the line of the user's code that waits.  Takes the place of argument 4. */
static const char *set_verdict(lua_State *L)
{
	const char *why = luaL_checkstring(L, 4);
	lua_State *co = lua_tothread(L, 3);
	lua_Debug ar;

	for (int level = 0; co && level < DEEP && lua_getstack(co, level, &ar); level++) {
		if (!lua_getinfo(co, "Sl", &ar) || ar.currentline < 0 || guard_is_library(&ar))
			continue;
		lua_pushfstring(L, "%s:%d: %s", ar.short_src, ar.currentline, why);
		lua_replace(L, 4);
		break;
	}
	return lua_tostring(L, 4);
}

static int guard_finish(lua_State *L)
{
	return resume(L, lua_gettop(L) - 4, set_verdict(L));
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int new_thread(lua_State *L)
{
	lua_newthread(L);
	return 1;
}

static struct guard_meter *check_meter(lua_State *L)
{
	if (lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1))) {
		lua_pop(L, 1);
		return lua_touserdata(L, 1);
	}
	return luaL_checkudata(L, 1, METER);
}

static void book(struct guard_meter *m, int64_t us)
{
	size_t i = us > 0 ? 64 - (size_t)__builtin_clzll((uint64_t)us) : 0;

	m->calls++;
	m->call_us += us > 0 ? (uint64_t)us : 0;
	m->took[i < GUARD_TOOK ? i : GUARD_TOOK - 1]++;
}

static bool is_idle(lua_State *co)
{
	lua_Debug ar;

	return lua_status(co) == 0 && lua_gettop(co) == 0 && !lua_getstack(co, 0, &ar);
}

/* What start gives before the values that are on top of co or, after an error, of L. */
static int give_status(lua_State *L, int rc, int64_t us)
{
	if (rc == LUA_YIELD)
		lua_pushnil(L);
	else
		lua_pushboolean(L, rc == 0);
	lua_pushnumber(L, (lua_Number)us);
	return 2;
}

/* Upvalue: the metatable of meters. */
static int guard_start(lua_State *L)
{
	struct guard_meter *m = check_meter(L);
	const char *rule = luaL_checkstring(L, 2);
	lua_State *co = lua_tothread(L, 3);
	int nargs = lua_gettop(L) - 4, rc, n;
	struct guard_run outer;
	int64_t us;
	bool stopped;

	luaL_argcheck(L, co && is_idle(co), 3, "idle coroutine expected");
	luaL_checktype(L, 4, LUA_TFUNCTION);
	if (!lua_checkstack(co, nargs + 1))
		return luaL_error(L, "too many arguments");
	lua_xmove(L, co, nargs + 1);
	guard_enter(&outer, m, rule, co);
	rc = lua_resume(co, nargs);
	us = guard_elapsed();
	stopped = guard_leave(&outer, m);
	if (rc != LUA_YIELD)
		book(m, us);
	give_status(L, rc, us);
	if (rc != 0 && rc != LUA_YIELD) {
		n = give_error(L, co, rc, stopped, rule);
		lua_remove(L, -n); /* its false */
		return n + 1;
	}
	n = lua_gettop(co);
	if (!lua_checkstack(L, n))
		return luaL_error(L, "too many results");
	lua_xmove(co, L, n);
	return n + 2;
}

static int book_call(lua_State *L)
{
	book(luaL_checkudata(L, 1, METER), (int64_t)luaL_checknumber(L, 2));
	return 0;
}

static int books(lua_State *L)
{
	struct guard_meter *m = luaL_checkudata(L, 1, METER);

	lua_pushnumber(L, (lua_Number)m->calls);
	lua_pushnumber(L, (lua_Number)m->call_us / 1e6);
	lua_newtable(L);
	for (int i = 0; i < GUARD_TOOK; i++) {
		if (!m->took[i])
			continue;
		lua_pushnumber(L, m->took[i]);
		lua_rawseti(L, -2, i);
	}
	return 3;
}

static int elapsed(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)guard_elapsed());
	return 1;
}

/* ---- the user's own coroutines --------------------------------------------------------------- */

static int guard_inner(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);
	int nargs = lua_gettop(L) - 1, rc;
	struct guard_inner outer;
	const char *why;

	luaL_argcheck(L, co, 1, "coroutine expected");
	why = cannot_resume(co, nargs);
	if (why)
		return give_refusal(L, why);
	if (!guard_enter_inner(&outer, L, co))
		return give_refusal(L, "too many coroutines inside each other");
	lua_xmove(L, co, nargs);
	rc = lua_resume(co, nargs);
	guard_leave_inner(&outer);
	if (rc == 0 || rc == LUA_YIELD)
		return give_results(L, co);
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	return 2;
}

static int cannot_wait(lua_State *L)
{
	const char *why = guard_cannot_wait(L);

	if (!why)
		return 0;
	lua_pushstring(L, why);
	return 1;
}

/* ---- meters ---------------------------------------------------------------------------------- */

/* "script\0rule\0"; a rule's name that is too long is cut. */
static void set_who(struct guard_meter *m, struct str script, struct str rule)
{
	size_t room = sizeof(m->who) - 2;
	size_t n = script.n < room ? script.n : room;
	size_t k = rule.n < room - n ? rule.n : room - n;

	memcpy(m->who, script.p, n);
	memcpy(m->who + n + 1, rule.p, k);
	m->nwho = n + k + 2;
}

static int new_meter(lua_State *L)
{
	int64_t us = check_seconds(L);
	double memory = luaL_optnumber(L, 2, 0);
	struct guard_meter *m;

	luaL_argcheck(L, memory == 0 || (memory >= 65536 && memory <= 1e15), 2,
		      "64 KiB at least expected");
	luaL_optstring(L, 3, NULL);
	m = lua_newuserdata(L, sizeof(*m));
	memset(m, 0, sizeof(*m));
	m->us = us;
	m->memory = (size_t)memory;
	if (lua_isstring(L, 3))
		set_who(m, vm_check_str(L, 3), str_of(luaL_optstring(L, 4, "")));
	luaL_getmetatable(L, METER);
	lua_setmetatable(L, -2);
	return 1;
}

static int usage(lua_State *L)
{
	struct guard_meter *m = luaL_checkudata(L, 1, METER);

	lua_pushnumber(L, (double)m->allocated);
	lua_pushnumber(L, (double)(m->retained > 0 ? m->retained : 0));
	lua_pushnumber(L, (double)m->peak);
	lua_pushnumber(L, (double)m->runs);
	return 4;
}

static int weigh_above(lua_State *L)
{
	guard_weigh_above(luaL_checknumber(L, 1));
	return 0;
}

/* ---- compiling user code --------------------------------------------------------------------- */

static int refuse(lua_State *L, const char *why)
{
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

static int guard_compile(lua_State *L)
{
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	const char *name = luaL_checkstring(L, 2);

	luaL_checktype(L, 3, LUA_TTABLE);
	if (strncmp(name, "@lib/", 5) == 0)
		return refuse(L, "chunk names beginning with '@lib/' are the library's");
	if (n && text[0] == LUA_SIGNATURE[0])
		return refuse(L, "compiled (binary) chunks are not accepted");
	if (luaL_loadbufferx(L, text, n, name, "t") != 0) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
	lua_pushvalue(L, 3);
	lua_setfenv(L, -2);
	return 1;
}

int guard_lua_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "resume", guard_resume },
		{ "finish", guard_finish },
		{ "thread", new_thread },
		{ "book", book_call },
		{ "books", books },
		{ "elapsed", elapsed },
		{ "compile", guard_compile },
		{ "inner", guard_inner },
		{ "cannot_wait", cannot_wait },
		{ "meter", new_meter },
		{ "usage", usage },
		{ "weigh_above", weigh_above },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, METER);
	lua_pushliteral(L, "sealed");
	lua_setfield(L, -2, "__metatable");
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pushvalue(L, -2);
	lua_pushcclosure(L, guard_start, 1);
	lua_setfield(L, -2, "start");
	lua_pushlightuserdata(L, (void *)&guard_server_mark);
	lua_setfield(L, -2, "SERVER");
	return 1;
}
