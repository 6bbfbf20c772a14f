/*
 * Bindings of jscan and cbor; no logic.  Output is built in one scratch buffer, which outlives a
 * Lua error ("not enough memory") and so is never lost; it is given back when it has grown large.
 */
#include "lua_json.h"

#include <lauxlib.h>

#include "cbor.h"
#include "jscan.h"
#include "vm.h"

#define SCRATCH_KEEP (256 * 1024)

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

static int json_intricate(lua_State *L)
{
	lua_pushboolean(L, jscan_intricate(vm_check_str(L, 1)));
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
		{ "intricate", json_intricate },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
