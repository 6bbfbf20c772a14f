/*
 * buf.c - the growing byte buffer.
 * Guarantees: appending is amortised linear; what buf_json writes is always valid JSON in UTF-8.
 * Must never: shrink or move memory behind a reader that has not called it; no locking.
 */
#include "buf.h"
#include "plain.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_SIZE 64

void buf_free(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->n = 0;
}

char *buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;

	if (b->p && more <= b->cap - b->n)
		return b->p + b->n;
	if (__builtin_add_overflow(b->n, more, &need))
		need = SIZE_MAX; /* lets xrealloc end the process with its message */
	cap = b->cap > SIZE_MAX / 2 ? SIZE_MAX : b->cap * 2;
	if (cap < need)
		cap = need;
	if (cap < FIRST_SIZE)
		cap = FIRST_SIZE;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
	return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->n += n;
}

void buf_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_char(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->n++;
}

void buf_u64(struct buf *b, uint64_t v)
{
	char text[20];
	size_t i = sizeof(text);

	do {
		text[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, text + i, sizeof(text) - i);
}

void buf_double(struct buf *b, double v)
{
	char text[40];
	int n = 0;

	if (v == floor(v) && fabs(v) < 1e15 && !(v == 0 && signbit(v))) {
		if (v < 0)
			buf_char(b, '-');
		buf_u64(b, (uint64_t)fabs(v));
		return;
	}
	/* 15 digits survive decimal -> double -> decimal, 17 survive the other way. */
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_add(b, text, (size_t)n);
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *at = buf_reserve(b, FIRST_SIZE);
	size_t room = b->cap - b->n;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= room) {
		at = buf_reserve(b, (size_t)n + 1);
		va_start(ap, fmt);
		vsnprintf(at, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->n += (size_t)n;
}

/* What a byte that is not plain becomes inside a JSON string: 'u' \u00xx, 'm' more than one byte of
 * UTF-8, any other letter stands after a backslash. */
static char escape_of(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	}
	return c < 0x20 ? 'u' : 'm';
}

static void add_escape(struct buf *b, unsigned char c, char esc)
{
	if (esc == 'u') {
		buf_fmt(b, "\\u%04x", c);
		return;
	}
	buf_char(b, '\\');
	buf_char(b, esc);
}

void buf_json(struct buf *b, struct str s)
{
	const char *p = s.p, *end = str_end(s), *run = p;

	buf_reserve(b, s.n + 2);
	buf_char(b, '"');
	while ((p = skip_plain(p, end)) < end) {
		char esc = escape_of((unsigned char)*p);
		size_t step = esc == 'm' ? utf8_step(p, end) : 0;

		if (step) {
			p += step;
			continue;
		}
		buf_add(b, run, (size_t)(p - run));
		if (esc == 'm')
			buf_str(b, STR("\xef\xbf\xbd"));
		else
			add_escape(b, (unsigned char)*p, esc);
		run = ++p;
	}
	buf_add(b, run, (size_t)(p - run));
	buf_char(b, '"');
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	if (n == 0)
		return;
	b->n -= n;
	memmove(b->p, b->p + n, b->n);
}

struct str buf_view(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

char *buf_steal(struct buf *b, size_t *n)
{
	char *p = b->p ? b->p : xmalloc(1);

	if (n)
		*n = b->n;
	*b = BUF_INIT;
	return p;
}
