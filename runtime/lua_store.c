/*
 * lua_store.c - binds store.h to Lua; no logic.  A read or commit remembers the task that waits and
 * resumes it from the store's callback.  A transaction under construction belongs to a userdata, so
 * an argument error in the middle frees it.
 */
#include "lua_store.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "notify.h"
#include "store.h"
#include "task.h"
#include "vm.h"

#define TX "moon2m.store_tx"
#define EVENT "moon2m.event"
#define PARAMS_MAX 4096
#define ROWS_MAX 65536
#define INT64_LIMIT 9223372036854775808.0	/* what is below it converts */

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
		lua_insert(L, names + (int)i);	/* below `true`: what is returned is on top */
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
		[STORE_OK] = "ok", [STORE_CONFLICT] = "conflict", [STORE_GONE] = "gone",
		[STORE_TOOBIG] = "toobig", [STORE_IO] = "io",
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

/* ---- arguments ------------------------------------------------------------------------------- */

/* The value at i as an integer; nil: otherwise. */
static int64_t to_int(lua_State *L, int i, const char *what, int64_t otherwise)
{
	lua_Number v;

	if (lua_isnoneornil(L, i))
		return otherwise;
	if (lua_type(L, i) != LUA_TNUMBER)
		return luaL_error(L, "%s: expected a number, got %s", what, luaL_typename(L, i));
	v = lua_tonumber(L, i);
	if (!(v > -INT64_LIMIT && v < INT64_LIMIT))
		return luaL_error(L, "%s: number out of range", what);
	return (int64_t)v;
}

static int64_t check_int(lua_State *L, int i, const char *what)
{
	if (lua_isnoneornil(L, i))
		luaL_error(L, "%s: expected a number, got nothing", what);
	return to_int(L, i, what, 0);
}

/* A string stays on the stack, so its bytes live until the caller drops what it pushed. */
static struct str to_text(lua_State *L, int i, const char *what)
{
	struct str s = STR_NONE;

	if (lua_isnoneornil(L, i))
		return s;
	if (lua_type(L, i) != LUA_TSTRING)
		luaL_error(L, "%s: expected a string, got %s", what, luaL_typename(L, i));
	s.p = lua_tolstring(L, i, &s.n);
	return s;
}

static struct str check_text(lua_State *L, int i, const char *what)
{
	struct str s = to_text(L, i, what);

	if (!s.p)
		luaL_error(L, "%s: expected a string, got nothing", what);
	return s;
}

static int64_t field_int(lua_State *L, int t, const char *name, int64_t otherwise)
{
	int64_t v;

	lua_getfield(L, t, name);
	v = to_int(L, -1, name, otherwise);
	lua_pop(L, 1);
	return v;
}

static struct str field_text(lua_State *L, int t, const char *name)
{
	lua_getfield(L, t, name);
	return to_text(L, lua_gettop(L), name);
}

/* Puts op[2] .. op[n] on the stack; returns where op[2] is. */
static int spread(lua_State *L, int op, int n)
{
	int base = lua_gettop(L) + 1, i;

	for (i = 2; i <= n; i++)
		lua_rawgeti(L, op, i);
	return base;
}

/* ---- reads ----------------------------------------------------------------------------------- */

static int store_lua_get(lua_State *L)
{
	static const char *const by[] = { "id", "path", "aei", NULL };
	static const enum store_key key[] = { STORE_BY_ID, STORE_BY_PATH, STORE_BY_AEI };
	int k = luaL_checkoption(L, 1, NULL, by);
	int64_t id = key[k] == STORE_BY_ID ? check_int(L, 2, "key") : 0;
	struct str text = key[k] == STORE_BY_ID ? STR_NONE : check_text(L, 2, "key");

	check(L);
	store_get(store, key[k], id, text, answered, wait_new(SHAPE_ROW));
	return task_yield(L);
}

static int store_lua_inst(lua_State *L)
{
	static const char *const how[] = { "latest", "oldest", "at", "named", NULL };
	static const enum store_sel sel[] = { STORE_LATEST, STORE_OLDEST, STORE_AT, STORE_NAMED };
	int64_t cid = check_int(L, 1, "cid"), st = 0;
	int k = luaL_checkoption(L, 2, NULL, how);
	struct str rn = STR_NONE;

	if (sel[k] == STORE_AT)
		st = check_int(L, 3, "st");
	else if (sel[k] == STORE_NAMED)
		rn = check_text(L, 3, "rn");
	check(L);
	store_inst(store, cid, sel[k], st, rn, 1, answered, wait_new(SHAPE_ROW));
	return task_yield(L);
}

static unsigned check_count(lua_State *L, int i)
{
	int64_t n = check_int(L, i, "n");

	luaL_argcheck(L, n >= 1 && n <= ROWS_MAX, i, "expected 1 to 65536 rows");
	return (unsigned)n;
}

static int store_lua_insts(lua_State *L)
{
	static const char *const how[] = { "newest", "from", NULL };
	int64_t cid = check_int(L, 1, "cid");
	bool from = luaL_checkoption(L, 2, NULL, how) == 1;
	unsigned n = check_count(L, 3);
	int64_t st = from ? check_int(L, 4, "st") : 0;

	check(L);
	store_inst(store, cid, from ? STORE_RANGE : STORE_NEWEST_N, st, STR_NONE, n, answered,
		   wait_new(SHAPE_LIST));
	return task_yield(L);
}

static int store_lua_kids(lua_State *L)
{
	int64_t pid = check_int(L, 1, "pid");
	int ty = (int)to_int(L, 2, "ty", 0);
	int64_t after = to_int(L, 3, "after", 0);
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
		c.t = v > -INT64_LIMIT && v < INT64_LIMIT && v == (lua_Number)(int64_t)v ? STORE_T_INT : STORE_T_REAL;
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
	case LUA_TLIGHTUSERDATA:	/* store.null */
		break;
	default:
		luaL_error(L, "parameter %d: expected a string or a number", i);
	}
	lua_pop(L, 1);
	return c;
}

static int store_lua_find(lua_State *L)
{
	struct str sql = check_text(L, 1, "sql");
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

/* ---- commit ---------------------------------------------------------------------------------- */

static void read_res(lua_State *L, int op, struct store_res *r)
{
	int t = spread(L, op, 2);

	if (!lua_istable(L, t))
		luaL_error(L, "put, set: expected a row, got %s", luaL_typename(L, t));
	r->id = field_int(L, t, "id", STORE_NULL);
	if (r->id == STORE_NULL)
		luaL_error(L, "row.id: expected a number, got nothing");
	r->pid = field_int(L, t, "pid", 0);
	r->ty = (int)field_int(L, t, "ty", 0);
	r->ct = field_int(L, t, "ct", 0);
	r->lt = field_int(L, t, "lt", 0);
	r->et = field_int(L, t, "et", STORE_NULL);
	r->st = field_int(L, t, "st", 0);
	r->mni = field_int(L, t, "mni", STORE_NULL);
	r->mbs = field_int(L, t, "mbs", STORE_NULL);
	r->mia = field_int(L, t, "mia", STORE_NULL);
	r->rn = field_text(L, t, "rn");
	r->path = field_text(L, t, "path");
	r->lbl = field_text(L, t, "lbl");
	r->acpi = field_text(L, t, "acpi");
	r->aei = field_text(L, t, "aei");
	r->doc = field_text(L, t, "doc");
	lua_getfield(L, t, "container");
	r->container = lua_toboolean(L, -1);
}

static void add_put(lua_State *L, int op, struct store_tx *tx)
{
	struct store_res r;

	read_res(L, op, &r);
	store_tx_put(tx, &r);
}

static void add_set(lua_State *L, int op, struct store_tx *tx)
{
	struct store_res r;

	read_res(L, op, &r);
	store_tx_set(tx, &r);
}

static void add_inst(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 12);
	struct store_inst i = {
		.cid = check_int(L, b, "inst cid"),
		.st = check_int(L, b + 1, "inst st"),
		.ct = check_int(L, b + 2, "inst ct"),
		.et = to_int(L, b + 3, "inst et", STORE_NULL),
		.size = check_int(L, b + 4, "inst size"),
		.path = check_text(L, b + 5, "inst path"),
		.rn = to_text(L, b + 6, "inst rn"),
		.cr = to_text(L, b + 7, "inst cr"),
		.lbl = to_text(L, b + 8, "inst lbl"),
		.att = to_text(L, b + 9, "inst att"),
		.con = check_text(L, b + 10, "inst con"),
	};

	store_tx_inst(tx, &i);
}

static void add_delete(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 3);
	int64_t id = check_int(L, b, "delete id");

	store_tx_delete(tx, id, check_text(L, b + 1, "delete path"));
}

static void add_inst_delete(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 3);
	int64_t cid = check_int(L, b, "inst_delete cid");

	store_tx_inst_delete(tx, cid, check_int(L, b + 1, "inst_delete st"));
}

static void add_touch(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 4);
	int64_t cid = check_int(L, b, "touch cid"), st = check_int(L, b + 1, "touch st");

	store_tx_touch(tx, cid, st, check_int(L, b + 2, "touch lt"));
}

static void add_event(lua_State *L, int op, struct store_tx *tx)
{
	struct event **ev = luaL_checkudata(L, spread(L, op, 2), EVENT);

	if (!*ev)
		luaL_error(L, "event: it was published or abandoned already");
	event_store(*ev, tx);
}

static void add_meta(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 3);
	struct str k = check_text(L, b, "meta key");

	store_tx_meta(tx, k, to_text(L, b + 1, "meta value"));
}

static const struct {
	const char *name;
	void (*add)(lua_State *L, int op, struct store_tx *tx);
} verbs[] = {
	{ "inst", add_inst },		    { "event", add_event },   { "put", add_put },
	{ "set", add_set },		    { "delete", add_delete }, { "touch", add_touch },
	{ "inst_delete", add_inst_delete }, { "meta", add_meta },
};

static void add_op(lua_State *L, int op, struct store_tx *tx)
{
	struct str name;
	size_t i;

	if (!lua_istable(L, op))
		luaL_error(L, "operation: expected an array, got %s", luaL_typename(L, op));
	luaL_checkstack(L, 24, "operation");
	lua_rawgeti(L, op, 1);
	name = check_text(L, lua_gettop(L), "operation's name");
	for (i = 0; i < countof(verbs); i++) {
		if (!str_is(name, verbs[i].name))
			continue;
		verbs[i].add(L, op, tx);
		return;
	}
	luaL_error(L, "unknown operation '%s'", name.p);
}

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
		add_op(L, 3, *box);
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

/* A yield hands its values straight to the caller, so that raising is left to Lua. */
static const char wrap[] =
	"local raw, module = ...\n"
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
