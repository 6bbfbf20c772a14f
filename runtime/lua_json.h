/*
 * lua_json.h - Lua module "moon2m.core.json": JSON text taken apart, or made values; CBOR.
 *
 *  check(text) -> true | nil, message          one well-formed value within the limits of jscan.h
 *  members(object) -> {name = raw}, {names in order} | nil, message     a name twice: message
 *  elements(array) -> {raw, ...} | nil, message
 *  member(object, name) -> raw | nil
 *  type(raw) -> "null" "boolean" "number" "string" "array" "object"
 *  decoder(array_mt) -> decode(text) -> value | nil, message        values: arrays have the
 *    metatable array_mt, integers beyond 2^53 are their text, null is `null`
 *  quote(s) -> JSON string text       string(raw) -> s | nil when raw is no JSON string
 *  to_cbor(json) -> bytes | nil, message       from_cbor(bytes) -> JSON text | nil, message
 *
 * All but check, decode, to_cbor and from_cbor expect text that check passed: what comes of other
 * text is unspecified, but never a crash.
 */
#pragma once

#include <lua.h>

int lua_json_open(lua_State *L);
