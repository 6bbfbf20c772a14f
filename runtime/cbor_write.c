/*
 * cbor_write.c - JSON text to CBOR.
 * Guarantees: no recursion, linear time; definite lengths, the shortest head, integers exact from
 * -2^64 to 2^64 - 1; text that is refused leaves out as it was.
 * Must never: crash or read outside the text, even if nobody checked it.
 */
#include "cbor.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Not <cbor.h>: that name is this module's own header. */
#include <cbor/encoding.h>

#define HEAD_MAX 9

static unsigned char *head_room(struct buf *out)
{
	return (unsigned char *)buf_reserve(out, HEAD_MAX);
}

void cbor_text_head(struct buf *out, size_t n)
{
	unsigned char *at = head_room(out);

	out->n += cbor_encode_string_start(n, at, HEAD_MAX);
}

/* CBOR states the number of members before the first: counted beforehand, in the order in which
 * the containers open. */
struct container {
	uint32_t members, parent;
};

/* In checked text there always is one; a harmless other in text that is none. */
static struct container *container_at(struct buf *list, uint32_t i)
{
	static _Thread_local struct container none;

	if (i >= list->n / sizeof(none))
		return &none;
	return (struct container *)(void *)list->p + i;
}

static bool closes_next(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p < end && (*p == '}' || *p == ']');
}

static void count_containers(struct str json, struct buf *list)
{
	const char *p = json.p, *end = str_end(json);
	uint32_t current = 0, total = 0;

	while (p < end) {
		struct container new = { .parent = current };

		switch (*p) {
		case '"':
			p = jscan_skip_string(p, end);
			continue;
		case '{':
		case '[':
			new.members = !closes_next(p + 1, end);
			current = total++;
			buf_add(list, &new, sizeof(new));
			break;
		case ',':
			container_at(list, current)->members++;
			break;
		case '}':
		case ']':
			current = container_at(list, current)->parent;
			break;
		}
		p++;
	}
}

static bool write_string(struct str raw, struct buf *scratch, struct buf *out)
{
	struct str inside = { raw.p + 1, raw.n - 2 };

	if (raw.n < 2 || raw.p[raw.n - 1] != '"')
		return false;
	if (memchr(inside.p, '\\', inside.n)) {
		buf_clear(scratch);
		if (!jscan_string(raw, scratch))
			return false;
		inside = buf_view(scratch);
	}
	cbor_text_head(out, inside.n);
	buf_str(out, inside);
	return true;
}

static bool is_integer(struct str raw)
{
	for (size_t i = 0; i < raw.n; i++)
		if (raw.p[i] == '.' || raw.p[i] == 'e' || raw.p[i] == 'E')
			return false;
	return true;
}

/* Integers from -2^64 to 2^64 - 1.  False for others. */
static bool write_integer(struct str raw, struct buf *out)
{
	bool negative = raw.p[0] == '-';
	struct str digits = { raw.p + negative, raw.n - negative };
	unsigned char *at;
	uint64_t v;

	if (negative && str_is(digits, "18446744073709551616"))
		v = 0; /* 2^64, whose predecessor is UINT64_MAX */
	else if (!is_integer(raw) || !str_u64(digits, &v))
		return false;
	else if (v == 0)
		negative = false;
	at = head_room(out);
	if (negative)
		out->n += cbor_encode_negint(v - 1, at, HEAD_MAX);
	else
		out->n += cbor_encode_uint(v, at, HEAD_MAX);
	return true;
}

/* Any other number becomes the nearest float; false when that is infinite. */
static bool write_number(struct str raw, struct buf *scratch, struct buf *out)
{
	unsigned char *at;
	double v;

	if (write_integer(raw, out))
		return true;
	buf_clear(scratch);
	buf_str(scratch, raw);
	buf_char(scratch, '\0');
	v = strtod(scratch->p, NULL);
	if (!isfinite(v))
		return false;
	at = head_room(out);
	if (fabs(v) <= FLT_MAX && (double)(float)v == v)
		out->n += cbor_encode_single((float)v, at, HEAD_MAX);
	else
		out->n += cbor_encode_double(v, at, HEAD_MAX);
	return true;
}

static void write_open(char bracket, size_t members, struct buf *out)
{
	unsigned char *at = head_room(out);

	if (bracket == '{')
		out->n += cbor_encode_map_start(members, at, HEAD_MAX);
	else
		out->n += cbor_encode_array_start(members, at, HEAD_MAX);
}

static void write_word(char letter, struct buf *out)
{
	unsigned char *at = head_room(out);

	if (letter == 'n')
		out->n += cbor_encode_null(at, HEAD_MAX);
	else
		out->n += cbor_encode_bool(letter == 't', at, HEAD_MAX);
}

static const char *scalar_end(const char *p, const char *end)
{
	while (p < end && !strchr(" \n\r\t,]}", *p))
		p++;
	return p;
}

/* Token after token; nesting is in the heads, so nothing need be remembered. */
static bool write_text(struct str json, struct buf *list, struct buf *scratch, struct buf *out,
		       struct err *e)
{
	const char *p = json.p, *end = str_end(json), *start;
	uint32_t opened = 0;

	while (p < end) {
		start = p++;
		switch (*start) {
		case '{':
		case '[':
			write_open(*start, container_at(list, opened++)->members, out);
			break;
		case '"':
			p = jscan_skip_string(start, end);
			if (!write_string((struct str){ start, (size_t)(p - start) }, scratch, out))
				return err_set(e, "byte %zu: not a JSON string",
					       (size_t)(start - json.p));
			break;
		case 't':
		case 'f':
		case 'n':
			p = scalar_end(p, end);
			write_word(*start, out);
			break;
		case '-':
		case '0' ... '9':
			p = scalar_end(p, end);
			if (!write_number((struct str){ start, (size_t)(p - start) }, scratch, out))
				return err_set(e, "byte %zu: number beyond a 64-bit float",
					       (size_t)(start - json.p));
			break;
		}
	}
	return true;
}

bool cbor_from_json(struct str json, struct buf *out, struct err *e)
{
	struct buf list = BUF_INIT, scratch = BUF_INIT;
	size_t start = out->n;
	bool ok;

	count_containers(json, &list);
	ok = write_text(json, &list, &scratch, out, e);
	if (!ok)
		out->n = start;
	buf_free(&list);
	buf_free(&scratch);
	return ok;
}
