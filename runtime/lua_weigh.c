/*
 * Weighing: a walk over what can be reached, in steps.  Addresses that were seen are in a set outside
 * Lua's memory; things that are still to be looked at are in a list, the weigher's environment, which
 * also keeps them alive.  Reads only: nothing of a script is run.
 */
#include "lua_weigh.h"

#include <stdint.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "base.h"

#define WEIGHER "moon2m.weigh"
#define FRAMES_MAX 200 /* of a coroutine */

/* Bytes on a 64 bit machine with GC64. */
enum {
	STRING = 25,
	TABLE = 64,
	SLOT = 8,
	NODE = 24,
	FUNCTION = 40,
	UPVALUE = 56,
	THREAD = 1100,
	USERDATA = 48
};

struct weigher { /* userdata; its environment is the list of what is to be looked at */
	const void **seen; /* open addressing; a power of two */
	size_t nseen, room;
	int waiting; /* in the list */
	double bytes;
};

/* ---- what was seen --------------------------------------------------------------------------- */

static size_t place_of(const struct weigher *w, const void *p)
{
	size_t i = (size_t)(((uintptr_t)p >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 20);

	while (w->seen[i & (w->room - 1)] && w->seen[i & (w->room - 1)] != p)
		i++;
	return i & (w->room - 1);
}

static void grow(struct weigher *w)
{
	struct weigher old = *w;

	w->room = old.room ? old.room * 2 : 1024;
	w->seen = xcalloc(w->room, sizeof(*w->seen));
	for (size_t i = 0; i < old.room; i++)
		if (old.seen[i])
			w->seen[place_of(w, old.seen[i])] = old.seen[i];
	free(old.seen);
}

/* True the first time. */
static bool see(struct weigher *w, const void *p)
{
	size_t i;

	if (w->nseen * 2 >= w->room)
		grow(w);
	i = place_of(w, p);
	if (w->seen[i])
		return false;
	w->seen[i] = p;
	w->nseen++;
	return true;
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* list: index of the weigher's list.  Takes the value at the top of the stack off it. */
static void take(lua_State *L, struct weigher *w, int list)
{
	int type = lua_type(L, -1);
	size_t n;
	const char *s;

	if (type == LUA_TSTRING) {
		s = lua_tolstring(L, -1, &n);
		if (see(w, s))
			w->bytes += (double)(STRING + n);
	} else if (type == LUA_TUSERDATA) {
		if (see(w, lua_topointer(L, -1)))
			w->bytes += (double)(USERDATA + lua_objlen(L, -1));
	} else if ((type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TTHREAD) &&
		   see(w, lua_topointer(L, -1))) {
		lua_rawseti(L, list, ++w->waiting);
		return;
	}
	lua_pop(L, 1);
}

/* Of the table at the top: takes its metatable, tells which of its references are weak. */
static void take_metatable(lua_State *L, struct weigher *w, int list, bool *keys, bool *values)
{
	const char *s;
	bool is_sealed;

	*keys = *values = true;
	if (!lua_getmetatable(L, -1))
		return;
	lua_pushliteral(L, "__mode");
	lua_rawget(L, -2);
	s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
	*keys = !strchr(s, 'k');
	*values = !strchr(s, 'v');
	lua_pop(L, 1);
	lua_pushliteral(L, "__metatable");
	lua_rawget(L, -2);
	is_sealed = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "sealed") == 0;
	lua_pop(L, 1);
	if (is_sealed)
		lua_pop(L, 1);
	else
		take(L, w, list);
}

static size_t power_above(size_t n)
{
	size_t p = 1;

	while (p < n)
		p *= 2;
	return n ? p : 0;
}

static void look_at_table(lua_State *L, struct weigher *w, int list)
{
	size_t border = lua_objlen(L, -1), entries = 0;
	bool keys, values;

	take_metatable(L, w, list, &keys, &values);
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		entries++;
		if (values)
			take(L, w, list);
		else
			lua_pop(L, 1);
		if (!keys)
			continue;
		lua_pushvalue(L, -1);
		take(L, w, list);
	}
	entries -= border < entries ? border : entries;
	w->bytes +=
	    TABLE + (double)(power_above(border) * SLOT) + (double)(power_above(entries) * NODE);
}

/* The function at the top is the library's, or Lua's own: C, or "[builtin:len]". */
static bool is_ours(lua_State *L)
{
	lua_Debug ar;

	if (lua_iscfunction(L, -1))
		return true;
	lua_pushvalue(L, -1);
	return lua_getinfo(L, ">S", &ar) &&
	       (strncmp(ar.source, "@lib/", 5) == 0 || strncmp(ar.short_src, "[builtin:", 9) == 0);
}

static void look_at_function(lua_State *L, struct weigher *w, int list)
{
	int i;

	if (is_ours(L))
		return;
	for (i = 1; lua_getupvalue(L, -1, i); i++)
		take(L, w, list);
	w->bytes += FUNCTION + (i - 1) * (SLOT + UPVALUE);
	lua_getfenv(L, -1);
	take(L, w, list);
}

/* Variables with a name of the functions of scripts; what a coroutine that has not begun holds. */
static void look_at_thread(lua_State *L, struct weigher *w, int list)
{
	lua_State *co = lua_tothread(L, -1);
	const char *name;
	lua_Debug ar;

	w->bytes += THREAD;
	if (co == L || !lua_checkstack(co, 2))
		return;
	if (lua_status(co) == 0 && !lua_getstack(co, 0, &ar)) {
		for (int i = 1; i <= lua_gettop(co); i++) {
			lua_pushvalue(co, i);
			lua_xmove(co, L, 1);
			take(L, w, list);
		}
		return;
	}
	for (int level = 0; level < FRAMES_MAX && lua_getstack(co, level, &ar); level++) {
		if (!lua_getinfo(co, "S", &ar) || strcmp(ar.what, "C") == 0 ||
		    strncmp(ar.source, "@lib/", 5) == 0)
			continue;
		for (int i = 1; (name = lua_getlocal(co, &ar, i)) != NULL; i++) {
			lua_xmove(co, L, 1);
			if (name[0] == '(')
				lua_pop(L, 1); /* no variable */
			else
				take(L, w, list);
		}
	}
}

static void look(lua_State *L, struct weigher *w, int list)
{
	switch (lua_type(L, -1)) {
	case LUA_TTABLE:
		look_at_table(L, w, list);
		break;
	case LUA_TFUNCTION:
		look_at_function(L, w, list);
		break;
	case LUA_TTHREAD:
		look_at_thread(L, w, list);
	}
}

/* ---- what Lua calls -------------------------------------------------------------------------- */

static struct weigher *check_weigher(lua_State *L)
{
	return luaL_checkudata(L, 1, WEIGHER);
}

static void add_all(lua_State *L, struct weigher *w, int values, int list)
{
	for (int i = 1, n = (int)lua_objlen(L, values); i <= n; i++) {
		lua_rawgeti(L, values, i);
		take(L, w, list);
	}
}

static int weigher_add(lua_State *L)
{
	struct weigher *w = check_weigher(L);

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	lua_getfenv(L, 1);
	add_all(L, w, 2, 3);
	return 0;
}

static int weigher_step(lua_State *L)
{
	struct weigher *w = check_weigher(L);
	int n = luaL_checkint(L, 2);

	lua_settop(L, 2);
	lua_getfenv(L, 1);
	for (; n > 0 && w->waiting > 0; n--) {
		lua_rawgeti(L, 3, w->waiting);
		lua_pushnil(L);
		lua_rawseti(L, 3, w->waiting--);
		look(L, w, 3);
		lua_settop(L, 3);
	}
	lua_pushboolean(L, w->waiting == 0);
	return 1;
}

static int weigher_bytes(lua_State *L)
{
	lua_pushnumber(L, check_weigher(L)->bytes);
	return 1;
}

static int weigher_gc(lua_State *L)
{
	struct weigher *w = check_weigher(L);

	free(w->seen);
	w->seen = NULL;
	w->room = w->nseen = 0;
	w->waiting = 0;
	return 0;
}

static int new_weigher(lua_State *L)
{
	struct weigher *w;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	w = lua_newuserdata(L, sizeof(*w));
	memset(w, 0, sizeof(*w));
	luaL_getmetatable(L, WEIGHER);
	lua_setmetatable(L, -2);
	lua_newtable(L);
	lua_pushvalue(L, 3);
	lua_setfenv(L, 2);
	add_all(L, w, 1, 3);
	lua_settop(L, 2);
	return 1;
}

int lua_weigh_open(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "add", weigher_add },
		{ "step", weigher_step },
		{ "bytes", weigher_bytes },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, WEIGHER);
	lua_pushliteral(L, "sealed");
	lua_setfield(L, -2, "__metatable");
	lua_pushcfunction(L, weigher_gc);
	lua_setfield(L, -2, "__gc");
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_newtable(L);
	lua_pushcfunction(L, new_weigher);
	lua_setfield(L, -2, "new");
	return 1;
}
