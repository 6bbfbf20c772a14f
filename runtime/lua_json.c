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

static void read_object(struct reader *r)
{
	lua_newtable(r->L);
	for (;;) {
		r->p++;
		skip_space(r);
		if (*r->p == '}')
			break;
		read_string(r);
		skip_space(r);
		r->p++; /* the colon */
		read_value(r);
		lua_rawset(r->L, -3);
		skip_space(r);
		if (*r->p == '}')
			break;
	}
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
		luaL_checkstack(r->L, 6, "JSON text");
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

/* Upvalue: the metatable of arrays.  strtod needs the zero byte behind a Lua string. */
static int json_decode(lua_State *L)
{
	struct str text = vm_check_str(L, 1);
	struct reader r = { L, text.p, str_end(text), lua_upvalueindex(1) };
	struct err e;

	if (!jscan_check(text, (struct jscan_limits){ MAX_DEPTH, UINT_MAX }, &e))
		return give_error(L, e.msg);
	read_value(&r);
	return 1;
}

static int json_decoder(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_pushcclosure(L, json_decode, 1);
	return 1;
}

int lua_json_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "check", json_check },
		{ "members", json_members },
		{ "elements", json_elements },
		{ "member", json_member },
		{ "type", json_type },
		{ "quote", json_quote },
		{ "string", json_string },
		{ "to_cbor", json_to_cbor },
		{ "from_cbor", json_from_cbor },
		{ "decoder", json_decoder },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	return 1;
}
