/*
 * jscan.h - reads JSON text without building anything: checks that it is well formed and finds the
 * byte range of a member.  Attribute values and `con` stay the bytes that were received.
 * RFC 8259, UTF-8 only; depth and number of members are bounded.  Recursion-free on hostile input
 * (bounded by max_depth).  Functions other than jscan_check expect text that jscan_check passed.
 */
#pragma once

#include "buf.h"
#include "err.h"

struct jscan_limits {
	unsigned max_depth; /* nesting of arrays and objects; default 64, at most 1024 */
	unsigned max_members; /* members and elements in all */
};

/* Depth, and members and elements, of what comes from outside: 64 and 4096, or limits.json_depth and
 * json_members of the configuration, set at start before there is another thread. */
extern unsigned jscan_depth, jscan_members;

#define JSCAN_DEFAULT ((struct jscan_limits){ jscan_depth, jscan_members })

/* One JSON value and nothing after it but space.  On failure the message names the byte offset and
 * the reason ("invalid UTF-8", "control character in a string", "deeper than 64", ...). */
bool jscan_check(struct str text, struct jscan_limits lim, struct err *e) MUSTCHECK;

enum jscan_type { JSCAN_NULL, JSCAN_BOOL, JSCAN_NUMBER, JSCAN_STRING, JSCAN_ARRAY, JSCAN_OBJECT };
enum jscan_type jscan_type(struct str value);

/* Iterates over an object's members or an array's elements:
 *   struct jscan it = jscan_enter(text);
 *   while (jscan_next(&it)) use it.value and it.key (still escaped, no quotes; empty in arrays) */
struct jscan {
	struct str key, value; /* value: raw text without surrounding space */
	const char *p, *end;
	char close;
};
struct jscan jscan_enter(struct str value);
bool jscan_next(struct jscan *it);

/* Raw value of the first member with that (unescaped) name; false when there is none. */
bool jscan_member(struct str object, const char *name, struct str *value);

/* The text of a raw JSON string, unescaped, appended to out.  False when value is no string. */
bool jscan_string(struct str value, struct buf *out);

/* From the opening quote of a raw string at p < end to behind its closing one; end without one. */
const char *jscan_skip_string(const char *p, const char *end);

/* Name (still escaped) of a member that occurs twice in one object, at any depth, into *name; false
 * when there is none (TS-0004 8.4.2). */
bool jscan_duplicate(struct str text, struct str *name);
