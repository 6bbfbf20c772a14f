/*
 * lua_json.h - Lua module "moon2m.core.json": JSON text taken apart, or made values; CBOR.
 *
 *  check(text) -> true | nil, message          one well-formed value within the limits of jscan.h
 *  members(object) -> {name = raw}, {names in order} | nil, message     a name twice: message
 *  elements(array) -> {raw, ...} | nil, message
 *  member(object, name) -> raw | nil
 *  type(raw) -> "null" "boolean" "number" "string" "array" "object"
 *  reader(array_mt) -> decode, inside, open         values: arrays have the metatable array_mt,
 *    integers beyond 2^53 are their text, null is `null`
 *    decode(text) -> value | nil, message
 *    inside(object) -> value of its first member, nil when it has none | nil, message
 *    open(members) -> { name = value } of { name = text }; raises what is wrong with a text
 *  untouched(values, members) -> true when values are what open makes of members, and none of them is
 *    a table or null or has an escape; else false or nil
 *  quote(s) -> JSON string text       string(raw) -> s | nil when raw is no JSON string
 *  to_cbor(json) -> bytes | nil, message       from_cbor(bytes) -> JSON text | nil, message
 *
 * All but check, reader's, to_cbor and from_cbor expect text that check passed: what comes of other
 * text is unspecified, but never a crash.
 */
#pragma once

#include <lua.h>

int lua_json_open(lua_State *L);
