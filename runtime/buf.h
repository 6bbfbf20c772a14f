/*
 * buf.h - a growing byte buffer; the only realloc of network data.
 * The bytes are valid until the next call that may grow the buffer.  Not NUL-terminated.
 */
#pragma once

#include "base.h"

struct buf {
	char *p;
	size_t n; /* bytes used */
	size_t cap; /* bytes allocated */
};

#define BUF_INIT ((struct buf){ NULL, 0, 0 })

void buf_free(struct buf *b); /* releases the memory; b may be used again */
void buf_clear(struct buf *b); /* n = 0, memory kept */
char *buf_reserve(struct buf *b, size_t more); /* room after n; returns where it is */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_char(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t v); /* decimal */
void buf_double(struct buf *b, double v); /* finite; the fewest of 15, 16 or 17 digits that
						 * read back as v, without trailing zeros */
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_json(struct buf *b, struct str s); /* a quoted JSON string, escaped; '/' stays '/';
						 * a byte that is not UTF-8 becomes U+FFFD */
void buf_drop(struct buf *b, size_t n); /* removes the first n bytes */
struct str buf_view(const struct buf *b);
char *buf_steal(struct buf *b, size_t *n); /* hands the memory out, b is empty; free() it */
