/*
 * lua_store.c - binds store.h to Lua; no logic.  A read or commit remembers the task that waits and
 * resumes it from the store's callback.  A transaction under construction belongs to a userdata, so
 * an argument error in the middle frees it.
 */
#include "lua_store.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "lua_store_ops.h"
#include "store.h"
#include "task.h"
#include "vm.h"

#define TX "moon2m.store_tx"
#define PARAMS_MAX 4096
#define ROWS_MAX 65536

static struct store *store;

/* How the answer of a read looks. */
enum shape { SHAPE_ROW, SHAPE_LIST, SHAPE_PAGE };

struct wait {
	struct task_ref task;
	enum shape shape;
};

struct rows_arg {
	const struct store_rows *rows;
	enum shape shape;
};

void lua_store_use(struct store *s)
{
	store = s;
}

/* Before anything is set in motion: raises when there is no store or no task to suspend. */
static void check(lua_State *L)
{
	if (!store)
		luaL_error(L, "the store is not open");
	task_check(L);
}

static struct wait *wait_new(enum shape shape)
{
	struct wait *w = xmalloc(sizeof(*w));

	w->task = task_current();
	w->shape = shape;
	return w;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void push_cell(lua_State *L, const struct store_cell *c)
{
	switch (c->t) {
	case STORE_T_INT:
		lua_pushnumber(L, (lua_Number)c->i);
		return;
	case STORE_T_REAL:
		lua_pushnumber(L, c->d);
		return;
	case STORE_T_TEXT:
		lua_pushlstring(L, c->s.p, c->s.n);
		return;
	case STORE_T_NULL:
		break;
	}
	lua_pushnil(L);
}

/* The column names are on the stack from `names` on, made once for all rows. */
static void push_row(lua_State *L, const struct store_rows *r, size_t row, int names)
{
	size_t i;

	lua_createtable(L, 0, (int)r->ncols);
	for (i = 0; i < r->ncols; i++) {
		const struct store_cell *c = &r->cell[row * r->ncols + i];

		if (c->t == STORE_T_NULL)
			continue;
		lua_pushvalue(L, names + (int)i);
		push_cell(L, c);
		lua_rawset(L, -3);
	}
}

static int push_rows(lua_State *L, void *arg)
{
	const struct rows_arg *a = arg;
	const struct store_rows *r = a->rows;
	int names = lua_gettop(L) + 1;
	size_t i;

	lua_pushboolean(L, !r->error);
	if (r->error) {
		lua_pushfstring(L, "store: %s", r->error);
		return 2;
	}
	luaL_checkstack(L, (int)r->ncols + 8, "too many columns");
	for (i = 0; i < r->ncols; i++) {
		lua_pushstring(L, r->name[i]);
		lua_insert(L, names + (int)i); /* below `true`: what is returned is on top */
	}
	if (a->shape == SHAPE_ROW) {
		if (r->nrows)
			push_row(L, r, 0, names);
		else
			lua_pushnil(L);
		return 2;
	}
	lua_createtable(L, (int)r->nrows, 0);
	for (i = 0; i < r->nrows; i++) {
		push_row(L, r, i, names);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_pushboolean(L, r->more);
	return 3;
}

static void answered(void *arg, const struct store_rows *rows)
{
	struct wait *w = arg;
	struct rows_arg a = { rows, w->shape };

	task_resume(w->task, push_rows, &a);
	free(w);
}

static void set_number(lua_State *L, const char *name, int64_t v)
{
	lua_pushnumber(L, (lua_Number)v);
	lua_setfield(L, -2, name);
}

static int push_done(lua_State *L, void *arg)
{
	static const char *const code[] = {
		[STORE_OK] = "ok",     [STORE_CONFLICT] = "conflict", [STORE_TWICE] = "twice",
		[STORE_GONE] = "gone", [STORE_TOOBIG] = "toobig",     [STORE_IO] = "io",
	};
	const struct store_done *d = arg;
	size_t i;

	if (d->rc != STORE_OK) {
		lua_pushnil(L);
		lua_pushstring(L, code[d->rc]);
		lua_pushstring(L, d->msg ? d->msg : "");
		return 3;
	}
	lua_pushboolean(L, 1);
	lua_createtable(L, (int)d->ncs, 0);
	for (i = 0; i < d->ncs; i++) {
		lua_createtable(L, 0, 6);
		set_number(L, "cid", d->cs[i].cid);
		set_number(L, "st", d->cs[i].st);
		set_number(L, "cni", d->cs[i].cni);
		set_number(L, "cbs", d->cs[i].cbs);
		set_number(L, "oldest", d->cs[i].oldest);
		set_number(L, "lt", d->cs[i].lt);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 2;
}

static void committed(void *arg, const struct store_done *d)
{
	struct wait *w = arg;

	task_resume(w->task, push_done, (void *)(uintptr_t)d);
	free(w);
}

/* ---- reads ----------------------------------------------------------------------------------- */

static int store_lua_get(lua_State *L)
{
	static const char *const by[] = { "id", "path", "aei", NULL };
	static const enum store_key key[] = { STORE_BY_ID, STORE_BY_PATH, STORE_BY_AEI };
	int k = luaL_checkoption(L, 1, NULL, by);
	int64_t id = key[k] == STORE_BY_ID ? lua_store_check_int(L, 2, "key") : 0;
	struct str text = key[k] == STORE_BY_ID ? STR_NONE : lua_store_check_text(L, 2, "key");

	check(L);
	store_get(store, key[k], id, text, answered, wait_new(SHAPE_ROW));
	return task_yield(L);
}

static int store_lua_inst(lua_State *L)
{
	static const char *const how[] = { "latest", "oldest", "at", "named", NULL };
	static const enum store_sel sel[] = { STORE_LATEST, STORE_OLDEST, STORE_AT, STORE_NAMED };
	int64_t cid = lua_store_check_int(L, 1, "cid"), st = 0;
	int k = luaL_checkoption(L, 2, NULL, how);
	struct str rn = STR_NONE;

	if (sel[k] == STORE_AT)
		st = lua_store_check_int(L, 3, "st");
	else if (sel[k] == STORE_NAMED)
		rn = lua_store_check_text(L, 3, "rn");
	check(L);
	store_inst(store, cid, sel[k], st, rn, 1, answered, wait_new(SHAPE_ROW));
	return task_yield(L);
}

static unsigned check_count(lua_State *L, int i)
{
	int64_t n = lua_store_check_int(L, i, "n");

	luaL_argcheck(L, n >= 1 && n <= ROWS_MAX, i, "expected 1 to 65536 rows");
	return (unsigned)n;
}

static int store_lua_insts(lua_State *L)
{
	static const char *const how[] = { "newest", "from", NULL };
	int64_t cid = lua_store_check_int(L, 1, "cid");
	bool from = luaL_checkoption(L, 2, NULL, how) == 1;
	unsigned n = check_count(L, 3);
	int64_t st = from ? lua_store_check_int(L, 4, "st") : 0;

	check(L);
	store_inst(store, cid, from ? STORE_RANGE : STORE_NEWEST_N, st, STR_NONE, n, answered,
		   wait_new(SHAPE_LIST));
	return task_yield(L);
}

static int store_lua_kids(lua_State *L)
{
	int64_t pid = lua_store_check_int(L, 1, "pid");
	int ty = (int)lua_store_to_int(L, 2, "ty", 0);
	int64_t after = lua_store_to_int(L, 3, "after", 0);
	unsigned n = check_count(L, 4);

	check(L);
	store_kids(store, pid, ty, after, n, answered, wait_new(SHAPE_PAGE));
	return task_yield(L);
}

/* params[i] as a cell; a string is borrowed from the table, which stays on the stack. */
static struct store_cell to_cell(lua_State *L, int params, int i)
{
	struct store_cell c = { .t = STORE_T_NULL };
	lua_Number v;

	lua_rawgeti(L, params, i);
	switch (lua_type(L, -1)) {
	case LUA_TNUMBER:
		v = lua_tonumber(L, -1);
		c.t = v > -INT64_LIMIT && v < INT64_LIMIT && v == (lua_Number)(int64_t)v
			  ? STORE_T_INT
			  : STORE_T_REAL;
		c.d = v;
		c.i = c.t == STORE_T_INT ? (int64_t)v : 0;
		break;
	case LUA_TSTRING:
		c.t = STORE_T_TEXT;
		c.s.p = lua_tolstring(L, -1, &c.s.n);
		break;
	case LUA_TBOOLEAN:
		c.t = STORE_T_INT;
		c.i = lua_toboolean(L, -1);
		break;
	case LUA_TLIGHTUSERDATA: /* store.null */
		break;
	default:
		luaL_error(L, "parameter %d: expected a string or a number", i);
	}
	lua_pop(L, 1);
	return c;
}

static int store_lua_find(lua_State *L)
{
	struct str sql = lua_store_check_text(L, 1, "sql");
	struct store_cell *cell;
	unsigned limit = check_count(L, 3);
	size_t n, i;

	luaL_checktype(L, 2, LUA_TTABLE);
	n = lua_objlen(L, 2);
	luaL_argcheck(L, n <= PARAMS_MAX, 2, "too many parameters");
	check(L);
	cell = lua_newuserdata(L, (n + 1) * sizeof(*cell));
	for (i = 0; i < n; i++)
		cell[i] = to_cell(L, 2, (int)i + 1);
	store_find(store, sql, cell, n, limit, answered, wait_new(SHAPE_PAGE));
	return task_yield(L);
}

/* ---- commit ------------------------------------------------------------------------------- */

static int tx_gc(lua_State *L)
{
	struct store_tx **box = lua_touserdata(L, 1);

	store_tx_free(*box);
	*box = NULL;
	return 0;
}

static int store_lua_commit(lua_State *L)
{
	struct store_tx **box, *tx;
	size_t n, i;

	luaL_checktype(L, 1, LUA_TTABLE);
	check(L);
	lua_settop(L, 1);
	box = lua_newuserdata(L, sizeof(*box));
	*box = NULL;
	luaL_getmetatable(L, TX);
	lua_setmetatable(L, 2);
	*box = store_tx_new(store);
	n = lua_objlen(L, 1);
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, (int)i);
		lua_store_op(L, 3, *box);
		lua_settop(L, 2);
	}
	tx = *box;
	*box = NULL;
	store_commit(store, tx, committed, wait_new(SHAPE_ROW));
	return task_yield(L);
}

/* ---- start ----------------------------------------------------------------------------------- */

static int store_lua_max_id(lua_State *L)
{
	const char *table = luaL_checkstring(L, 1);

	if (!store)
		luaL_error(L, "the store is not open");
	lua_pushnumber(L, (lua_Number)store_max_id(store, table));
	return 1;
}

static int store_lua_meta(lua_State *L)
{
	const char *k = luaL_checkstring(L, 1);
	struct buf v = BUF_INIT;

	if (!store)
		luaL_error(L, "the store is not open");
	if (store_meta(store, k, &v))
		lua_pushlstring(L, v.n ? v.p : "", v.n);
	else
		lua_pushnil(L);
	buf_free(&v);
	return 1;
}

/* ---- backup ---------------------------------------------------------------------------------- */

/* True, or nil and the reason. */
static int store_lua_backup_begin(lua_State *L)
{
	struct err e;

	if (!store)
		luaL_error(L, "the store is not open");
	if (store_backup_begin(store, &e)) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, e.msg);
	return 2;
}

/* State ("none", "runs", "done", "failed"), bytes done, bytes in all, the reason of "failed". */
static int store_lua_backup_look(lua_State *L)
{
	static const char *const names[] = { "none", "runs", "done", "failed" };
	struct store_backup b;

	if (!store)
		luaL_error(L, "the store is not open");
	store_backup_look(store, &b);
	lua_pushstring(L, names[b.state]);
	lua_pushnumber(L, (lua_Number)b.done);
	lua_pushnumber(L, (lua_Number)b.total);
	lua_pushstring(L, b.why);
	return 4;
}

static int store_lua_backup_end(lua_State *L)
{
	if (!store)
		luaL_error(L, "the store is not open");
	store_backup_end(store);
	return 0;
}

/* A yield hands its values straight to the caller, so that raising is left to Lua. */
static const char wrap[] = "local raw, module = ...\n"
			   "local error = error\n"
			   "local function result(ok, a, b)\n"
			   "  if not ok then error(a, 0) end\n"
			   "  return a, b\n"
			   "end\n"
			   "for name, fn in pairs(raw) do\n"
			   "  module[name] = function(...) return result(fn(...)) end\n"
			   "end\n";

static const luaL_Reg reads[] = {
	{ "get", store_lua_get },   { "inst", store_lua_inst }, { "insts", store_lua_insts },
	{ "kids", store_lua_kids }, { "find", store_lua_find }, { NULL, NULL },
};
static const luaL_Reg others[] = {
	{ "commit", store_lua_commit },
	{ "max_id", store_lua_max_id },
	{ "meta", store_lua_meta },
	{ "backup_begin", store_lua_backup_begin },
	{ "backup_look", store_lua_backup_look },
	{ "backup_end", store_lua_backup_end },
	{ NULL, NULL },
};

int lua_store_open(lua_State *L)
{
	luaL_newmetatable(L, TX);
	lua_pushcfunction(L, tx_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_newtable(L);
	luaL_register(L, NULL, others);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	if (luaL_loadbuffer(L, wrap, sizeof(wrap) - 1, "@lib/core/store"))
		return lua_error(L);
	lua_newtable(L);
	luaL_register(L, NULL, reads);
	lua_pushvalue(L, -3);
	lua_call(L, 2, 0);
	return 1;
}
