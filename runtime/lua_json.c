/*
 * Bindings of jscan and cbor; no logic.  Output is built in one scratch buffer, which outlives a
 * Lua error ("not enough memory") and so is never lost; it is given back when it has grown large.
 */
#include "lua_json.h"

#include <limits.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "cbor.h"
#include "jscan.h"
#include "vm.h"

#define SCRATCH_KEEP (256 * 1024)
#define MAX_DEPTH 64
#define PAIRS 16 /* members of an object that are read before its table is made */
#define EXACT ((uint64_t)1 << 53) /* up to there a double has every integer */

static struct buf scratch;

static struct buf *scratch_start(void)
{
	if (scratch.cap > SCRATCH_KEEP)
		buf_free(&scratch);
	buf_clear(&scratch);
	return &scratch;
}

static int give_scratch(lua_State *L)
{
	lua_pushlstring(L, scratch.p ? scratch.p : "", scratch.n);
	return 1;
}

static int give_error(lua_State *L, const char *msg)
{
	lua_pushnil(L);
	lua_pushstring(L, msg);
	return 2;
}

static int json_check(lua_State *L)
{
	struct err e;

	if (!jscan_check(vm_check_str(L, 1), JSCAN_DEFAULT, &e))
		return give_error(L, e.msg);
	lua_pushboolean(L, 1);
	return 1;
}

/* The member's name, unescaped, on the stack.  A key comes without its quotes, which stand on
 * either side of it in the text. */
static void push_name(lua_State *L, struct str key)
{
	if (memchr(key.p, '\\', key.n) &&
	    jscan_string((struct str){ key.p - 1, key.n + 2 }, scratch_start()))
		give_scratch(L);
	else
		lua_pushlstring(L, key.p, key.n);
}

static int duplicate(lua_State *L)
{
	lua_pushnil(L);
	lua_pushfstring(L, "member \"%s\" occurs twice", lua_tostring(L, -2));
	return 2;
}

static int json_members(lua_State *L)
{
	struct str text = vm_check_str(L, 1);
	struct jscan it;
	int n = 0;

	if (jscan_type(text) != JSCAN_OBJECT)
		return give_error(L, "not an object");
	lua_settop(L, 1);
	lua_newtable(L);
	lua_newtable(L);
	it = jscan_enter(text);
	while (jscan_next(&it)) {
		push_name(L, it.key);
		lua_pushvalue(L, 4);
		lua_rawget(L, 2);
		if (!lua_isnil(L, -1)) {
			lua_pop(L, 1);
			return duplicate(L);
		}
		lua_pop(L, 1);
		lua_pushvalue(L, 4);
		lua_rawseti(L, 3, ++n);
		lua_pushlstring(L, it.value.p, it.value.n);
		lua_rawset(L, 2);
	}
	return 2;
}

static int json_elements(lua_State *L)
{
	struct str text = vm_check_str(L, 1);
	struct jscan it;
	int n = 0;

	if (jscan_type(text) != JSCAN_ARRAY)
		return give_error(L, "not an array");
	lua_newtable(L);
	it = jscan_enter(text);
	while (jscan_next(&it)) {
		lua_pushlstring(L, it.value.p, it.value.n);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

static int json_member(lua_State *L)
{
	struct str text = vm_check_str(L, 1), value;

	if (jscan_member(text, luaL_checkstring(L, 2), &value))
		lua_pushlstring(L, value.p, value.n);
	else
		lua_pushnil(L);
	return 1;
}

static int json_type(lua_State *L)
{
	static const char *const names[] = {
		[JSCAN_NULL] = "null",     [JSCAN_BOOL] = "boolean", [JSCAN_NUMBER] = "number",
		[JSCAN_STRING] = "string", [JSCAN_ARRAY] = "array",  [JSCAN_OBJECT] = "object"
	};

	lua_pushstring(L, names[jscan_type(vm_check_str(L, 1))]);
	return 1;
}

static int json_quote(lua_State *L)
{
	buf_json(scratch_start(), vm_check_str(L, 1));
	return give_scratch(L);
}

static int json_string(lua_State *L)
{
	if (jscan_string(vm_check_str(L, 1), scratch_start()))
		return give_scratch(L);
	lua_pushnil(L);
	return 1;
}

static int json_to_cbor(lua_State *L)
{
	struct str text = vm_check_str(L, 1);
	struct err e;

	if (!jscan_check(text, JSCAN_DEFAULT, &e) || !cbor_from_json(text, scratch_start(), &e))
		return give_error(L, e.msg);
	return give_scratch(L);
}

static int json_from_cbor(lua_State *L)
{
	struct err e;

	if (!cbor_to_json(vm_check_str(L, 1), JSCAN_DEFAULT, scratch_start(), &e))
		return give_error(L, e.msg);
	return give_scratch(L);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A value that is being read: checked text, the metatable of arrays on the stack. */
struct reader {
	lua_State *L;
	const char *p, *end;
	int array;
};

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || (*r->p >= '\t' && *r->p <= '\r')))
		r->p++;
}

/* From the opening quote; to behind the closing one. */
static void read_string(struct reader *r)
{
	const char *start = r->p;

	r->p = jscan_skip_string(start, r->end);
	push_name(r->L, (struct str){ start + 1, (size_t)(r->p - start) - 2 });
}

/* A double, or the text of an integer that a double cannot tell from its neighbours. */
static void read_number(struct reader *r)
{
	const char *start = r->p, *first = start + (*start == '-'), *p = first;
	uint64_t v = 0;
	char *end;

	for (; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	r->p = p;
	if (*p == '.' || *p == 'e' || *p == 'E') {
		lua_pushnumber(r->L, strtod(start, &end));
		r->p = end;
	} else if (p - first > 18 || v > EXACT) {
		lua_pushlstring(r->L, start, (size_t)(p - start));
	} else {
		lua_pushnumber(r->L, first > start ? -(double)v : (double)v);
	}
}

static void read_value(struct reader *r);

static void read_array(struct reader *r)
{
	int n = 0;

	lua_newtable(r->L);
	lua_pushvalue(r->L, r->array);
	lua_setmetatable(r->L, -2);
	for (;;) {
		r->p++; /* the bracket or a comma */
		skip_space(r);
		if (*r->p == ']')
			break;
		read_value(r);
		lua_rawseti(r->L, -2, ++n);
		skip_space(r);
		if (*r->p == ']')
			break;
	}
	r->p++;
}

/* The n pairs on top of the stack become members of the table below them, which is made here, with
 * the room that they need, when it is not there yet.  Of two with the same name the later counts. */
static void set_pairs(lua_State *L, bool made, int n)
{
	int table;

	if (!made) {
		lua_createtable(L, 0, n);
		lua_insert(L, -2 * n - 1);
	}
	table = lua_gettop(L) - 2 * n;
	for (int i = 1; i <= n; i++) {
		lua_pushvalue(L, table + 2 * i - 1);
		lua_pushvalue(L, table + 2 * i);
		lua_rawset(L, table);
	}
	lua_settop(L, table);
}

static void read_object(struct reader *r)
{
	bool made = false;
	int n = 0;

	for (;;) {
		r->p++;
		skip_space(r);
		if (*r->p == '}')
			break;
		read_string(r);
		skip_space(r);
		r->p++; /* the colon */
		read_value(r);
		if (++n == PAIRS) {
			set_pairs(r->L, made, n);
			made = true;
			n = 0;
		}
		skip_space(r);
		if (*r->p == '}')
			break;
	}
	set_pairs(r->L, made, n);
	r->p++;
}

static void read_value(struct reader *r)
{
	skip_space(r);
	switch (*r->p) {
	case '"':
		read_string(r);
		return;
	case '{':
		luaL_checkstack(r->L, 2 * PAIRS + 6, "JSON text");
		read_object(r);
		return;
	case '[':
		luaL_checkstack(r->L, 6, "JSON text");
		read_array(r);
		return;
	case 't':
		lua_pushboolean(r->L, 1);
		r->p += 4;
		return;
	case 'f':
		lua_pushboolean(r->L, 0);
		r->p += 5;
		return;
	case 'n':
		lua_pushlightuserdata(r->L, NULL);
		r->p += 4;
		return;
	}
	read_number(r);
}

/* The value of that JSON text, which lies in a Lua string: strtod needs something behind it that is
 * no digit.  Upvalue: the metatable of arrays. */
static void push_value(lua_State *L, struct str text)
{
	struct reader r = { L, text.p, str_end(text), lua_upvalueindex(1) };

	read_value(&r);
}

static bool check_value(struct str text, struct err *e)
{
	return jscan_check(text, (struct jscan_limits){ MAX_DEPTH, UINT_MAX }, e);
}

static int json_decode(lua_State *L)
{
	struct str text = vm_check_str(L, 1);
	struct err e;

	if (!check_value(text, &e))
		return give_error(L, e.msg);
	push_value(L, text);
	return 1;
}

static int json_inside(lua_State *L)
{
	struct str text = vm_check_str(L, 1);
	struct jscan it;
	struct err e;

	if (!check_value(text, &e))
		return give_error(L, e.msg);
	if (jscan_type(text) != JSCAN_OBJECT)
		return give_error(L, "not an object");
	it = jscan_enter(text);
	if (!jscan_next(&it))
		return 0;
	push_value(L, it.value);
	return 1;
}

/* Members with a text, as a table counts them that has no other values. */
static int count_members(lua_State *L, int table)
{
	int n = 0;

	lua_pushnil(L);
	while (lua_next(L, table)) {
		lua_pop(L, 1);
		n++;
	}
	return n;
}

static int json_open(lua_State *L)
{
	struct str text;
	struct err e;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_createtable(L, 0, count_members(L, 1));
	lua_pushnil(L);
	while (lua_next(L, 1)) {
		text = vm_check_str(L, -1);
		if (!check_value(text, &e))
			return luaL_error(L, "%s", e.msg);
		lua_pushvalue(L, -2);
		push_value(L, text);
		lua_rawset(L, 2);
		lua_pop(L, 1);
	}
	return 1;
}

/* Whether the value at the top is what the raw text of a string, number or boolean says: true only
 * when that shows without making a value of the text. */
static bool is_plainly(lua_State *L, struct str raw)
{
	struct str s;
	char *end;

	switch (lua_type(L, -1)) {
	case LUA_TSTRING:
		s = vm_check_str(L, -1);
		return raw.n == s.n + 2 && raw.p[0] == '"' && memcmp(raw.p + 1, s.p, s.n) == 0 &&
		       !memchr(s.p, '\\', s.n);
	case LUA_TNUMBER:
		return strtod(raw.p, &end) == lua_tonumber(L, -1) && end == str_end(raw);
	case LUA_TBOOLEAN:
		return str_is(raw, lua_toboolean(L, -1) ? "true" : "false");
	}
	return false;
}

static int json_untouched(lua_State *L)
{
	int n = 0;
	bool same;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	lua_pushnil(L);
	while (lua_next(L, 1)) {
		lua_pushvalue(L, -2);
		lua_rawget(L, 2);
		lua_insert(L, -2);
		same = lua_type(L, -2) == LUA_TSTRING && is_plainly(L, vm_check_str(L, -2));
		lua_pop(L, 2);
		if (!same)
			return 0;
		n++;
	}
	lua_pushboolean(L, n == count_members(L, 2));
	return 1;
}

static int json_reader(lua_State *L)
{
	static const lua_CFunction functions[] = { json_decode, json_inside, json_open };

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	for (size_t i = 0; i < countof(functions); i++) {
		lua_pushvalue(L, 1);
		lua_pushcclosure(L, functions[i], 1);
	}
	return (int)countof(functions);
}

int lua_json_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "check", json_check },         { "members", json_members },
		{ "elements", json_elements },   { "member", json_member },
		{ "type", json_type },           { "quote", json_quote },
		{ "string", json_string },       { "to_cbor", json_to_cbor },
		{ "from_cbor", json_from_cbor }, { "reader", json_reader },
		{ "untouched", json_untouched }, { NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	return 1;
}
