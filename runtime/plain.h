/*
 * plain.h - the inner loop of reading and writing JSON strings, for jscan.c, buf.c and bind_ws_text.c alone.
 * Guarantees: stops at every byte that JSON or UTF-8 gives a meaning; reads none at or after end.
 * Inline, because most strings cost less than a call.  Must never: decide what such a byte means.
 */
#pragma once

#include "base.h"

#include <endian.h>

#define PLAIN_REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Bytes of a string that need no thought: printable ASCII but for quote and backslash.  Eight at a
 * time: a byte's top bit comes out set when it is below 0x20, a quote, a backslash, or not ASCII;
 * the lowest such byte is exact (a borrow spoils only bytes above it). */
static inline const char *skip_plain(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t w, hit;

		memcpy(&w, p, 8);
		w = le64toh(w);
		hit = w | (w - PLAIN_REPEAT(0x20)) | ((w ^ PLAIN_REPEAT('"')) - PLAIN_REPEAT(1)) |
		      ((w ^ PLAIN_REPEAT('\\')) - PLAIN_REPEAT(1));
		hit &= PLAIN_REPEAT(0x80);
		if (hit)
			return p + (__builtin_ctzll(hit) >> 3);
		p += 8;
	}
	while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
	       *p != '\\')
		p++;
	return p;
}
