/*
 * lua_field.h - reads members of a table argument and ids, for the lua_*.c bindings.  All raise a
 * Lua error that names the member; strings stay on the stack and are borrowed from there.
 */
#pragma once

#include <lua.h>

#include "base.h"

/* A string or number member; p NULL when absent.  Leaves one value on the stack. */
struct str lua_field_str(lua_State *L, int table, const char *name);
bool lua_field_bool(lua_State *L, int table, const char *name, bool otherwise);
/* min when absent; raises outside of [min, max]. */
double lua_field_number(lua_State *L, int table, const char *name, double min, double max);
int64_t lua_check_id(lua_State *L, int i); /* a whole number from 0 to 2^53 */
