/*
 * lua_store_ops.h - the arguments of lua_store.c, and a transaction's operations.  Private to it.
 */
#pragma once

#include <lua.h>

#include "store.h"

#define INT64_LIMIT 9223372036854775808.0 /* doubles below it convert to int64_t */

/* The value at i; nil: otherwise.  check_*: nil raises. */
int64_t lua_store_to_int(lua_State *L, int i, const char *what, int64_t otherwise);
int64_t lua_store_check_int(lua_State *L, int i, const char *what);

/* Borrowed while the value is on the stack; p NULL for nil.  check_*: nil raises. */
struct str lua_store_to_text(lua_State *L, int i, const char *what);
struct str lua_store_check_text(lua_State *L, int i, const char *what);

/* Adds the operation (an array at index op) to tx. */
void lua_store_op(lua_State *L, int op, struct store_tx *tx);
