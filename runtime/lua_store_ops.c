/*
 * lua_store_ops.c - reads the operations of a transaction from Lua arrays and adds them to it; the
 * argument checks of lua_store.c.  Everything raises with the argument's name; strings are borrowed
 * from the Lua stack until they are copied into the transaction.
 */
#include "lua_store_ops.h"

#include <lauxlib.h>

#include "notify.h"

#define EVENT "moon2m.event"
#define TEXT_KEEP (256 * 1024)

/* ---- arguments ------------------------------------------------------------------------------- */

/* The value at i as an integer; nil: otherwise. */
int64_t lua_store_to_int(lua_State *L, int i, const char *what, int64_t otherwise)
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

int64_t lua_store_check_int(lua_State *L, int i, const char *what)
{
	if (lua_isnoneornil(L, i))
		luaL_error(L, "%s: expected a number, got nothing", what);
	return lua_store_to_int(L, i, what, 0);
}

/* A string stays on the stack, so its bytes live until the caller drops what it pushed. */
struct str lua_store_to_text(lua_State *L, int i, const char *what)
{
	struct str s = STR_NONE;

	if (lua_isnoneornil(L, i))
		return s;
	if (lua_type(L, i) != LUA_TSTRING)
		luaL_error(L, "%s: expected a string, got %s", what, luaL_typename(L, i));
	s.p = lua_tolstring(L, i, &s.n);
	return s;
}

struct str lua_store_check_text(lua_State *L, int i, const char *what)
{
	struct str s = lua_store_to_text(L, i, what);

	if (!s.p)
		luaL_error(L, "%s: expected a string, got nothing", what);
	return s;
}

static int64_t field_int(lua_State *L, int t, const char *name, int64_t otherwise)
{
	int64_t v;

	lua_getfield(L, t, name);
	v = lua_store_to_int(L, -1, name, otherwise);
	lua_pop(L, 1);
	return v;
}

static struct str field_text(lua_State *L, int t, const char *name)
{
	lua_getfield(L, t, name);
	return lua_store_to_text(L, lua_gettop(L), name);
}

/* Puts op[2] .. op[n] on the stack; returns where op[2] is. */
static int spread(lua_State *L, int op, int n)
{
	int base = lua_gettop(L) + 1, i;

	for (i = 2; i <= n; i++)
		lua_rawgeti(L, op, i);
	return base;
}

/* ---- operations --------------------------------------------------------------------------- */

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
	int b = spread(L, op, 13);
	struct store_inst i = {
		.cid = lua_store_check_int(L, b, "inst cid"),
		.st = lua_store_check_int(L, b + 1, "inst st"),
		.ct = lua_store_check_int(L, b + 2, "inst ct"),
		.et = lua_store_to_int(L, b + 3, "inst et", STORE_NULL),
		.size = lua_store_check_int(L, b + 4, "inst size"),
		.path = lua_store_check_text(L, b + 5, "inst path"),
		.rn = lua_store_to_text(L, b + 6, "inst rn"),
		.cr = lua_store_to_text(L, b + 7, "inst cr"),
		.lbl = lua_store_to_text(L, b + 8, "inst lbl"),
		.att = lua_store_to_text(L, b + 9, "inst att"),
		.con = lua_store_check_text(L, b + 10, "inst con"),
		.mark = lua_store_to_int(L, b + 11, "inst mark", 0),
	};

	store_tx_inst(tx, &i);
}

static void add_delete(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 3);
	int64_t id = lua_store_check_int(L, b, "delete id");

	store_tx_delete(tx, id, lua_store_check_text(L, b + 1, "delete path"));
}

static void add_inst_delete(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 3);
	int64_t cid = lua_store_check_int(L, b, "inst_delete cid");

	store_tx_inst_delete(tx, cid, lua_store_check_int(L, b + 1, "inst_delete st"));
}

static void add_touch(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 4);
	int64_t cid = lua_store_check_int(L, b, "touch cid"),
		st = lua_store_check_int(L, b + 1, "touch st");

	store_tx_touch(tx, cid, st, lua_store_check_int(L, b + 2, "touch lt"));
}

static void add_event(lua_State *L, int op, struct store_tx *tx)
{
	struct event **ev = luaL_checkudata(L, spread(L, op, 2), EVENT);

	if (!*ev)
		luaL_error(L, "event: it was published or abandoned already");
	event_store(*ev, tx);
}

static void add_lane_done(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 3);
	struct str key = lua_store_check_text(L, b, "lane_done key");

	lane_store_done(key, lua_store_check_int(L, b + 1, "lane_done id"), tx);
}

static void add_meta(lua_State *L, int op, struct store_tx *tx)
{
	int b = spread(L, op, 3);
	struct str k = lua_store_check_text(L, b, "meta key");

	store_tx_meta(tx, k, lua_store_to_text(L, b + 1, "meta value"));
}

/* One part of the text: its length and its bytes, "~" for one that is absent (false). */
static void add_part(lua_State *L, struct buf *text)
{
	struct str s;

	if (lua_isboolean(L, -1)) {
		buf_char(text, '~');
		return;
	}
	s = lua_store_check_text(L, -1, "evt part");
	buf_u64(text, s.n);
	buf_char(text, ':');
	buf_str(text, s);
}

static void add_evt(lua_State *L, int op, struct store_tx *tx)
{
	static struct buf text; /* outlives a Lua error */
	size_t parts = lua_objlen(L, op);
	int64_t n;

	lua_rawgeti(L, op, 2);
	n = lua_store_check_int(L, -1, "evt n");
	buf_clear(&text);
	buf_u64(&text, (uint64_t)n);
	buf_char(&text, ' ');
	for (size_t i = 3; i <= parts; i++) {
		lua_rawgeti(L, op, (int)i);
		add_part(L, &text);
		lua_pop(L, 1);
	}
	store_tx_evt(tx, n, buf_view(&text));
	if (text.cap > TEXT_KEEP)
		buf_free(&text);
}

static void add_evt_delete(lua_State *L, int op, struct store_tx *tx)
{
	store_tx_evt_delete(tx, lua_store_check_int(L, spread(L, op, 2), "evt_delete last"));
}

static const struct {
	const char *name;
	void (*add)(lua_State *L, int op, struct store_tx *tx);
} verbs[] = {
	{ "inst", add_inst },
	{ "event", add_event },
	{ "evt", add_evt },
	{ "put", add_put },
	{ "set", add_set },
	{ "delete", add_delete },
	{ "touch", add_touch },
	{ "inst_delete", add_inst_delete },
	{ "meta", add_meta },
	{ "evt_delete", add_evt_delete },
	{ "lane_done", add_lane_done },
};

void lua_store_op(lua_State *L, int op, struct store_tx *tx)
{
	struct str name;
	size_t i;

	if (!lua_istable(L, op))
		luaL_error(L, "operation: expected an array, got %s", luaL_typename(L, op));
	luaL_checkstack(L, 24, "operation");
	lua_rawgeti(L, op, 1);
	name = lua_store_check_text(L, lua_gettop(L), "operation's name");
	for (i = 0; i < countof(verbs); i++) {
		if (!str_is(name, verbs[i].name))
			continue;
		verbs[i].add(L, op, tx);
		return;
	}
	luaL_error(L, "unknown operation '%s'", name.p);
}
