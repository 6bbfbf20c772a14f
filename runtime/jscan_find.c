/*
 * jscan_find.c - finds members, unescapes strings and looks for duplicate names in checked text.
 * Guarantees: linear time, no recursion; even in text that was never checked nothing outside the
 * given bytes is read and every iteration ends.
 * Must never: change or copy a value, or allocate while iterating.
 */
#include "jscan.h"

#include <stdlib.h>
#include <sys/random.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* ---- iteration ----------------------------------------------------------------------------- */

enum jscan_type jscan_type(struct str value)
{
	const char *end = str_end(value);
	const char *p = skip_space(value.p, end);

	if (p == end)
		return JSCAN_NULL;
	switch (*p) {
	case '"':
		return JSCAN_STRING;
	case '{':
		return JSCAN_OBJECT;
	case '[':
		return JSCAN_ARRAY;
	case 't':
	case 'f':
		return JSCAN_BOOL;
	case 'n':
		return JSCAN_NULL;
	}
	return JSCAN_NUMBER;
}

/* From the opening quote to behind the closing one; end when there is none.  memchr finds the quote
 * many times faster than a look at each byte would; each run of backslashes is counted once. */
const char *jscan_skip_string(const char *p, const char *end)
{
	const char *start = ++p;

	while (p < end) {
		const char *quote = memchr(p, '"', (size_t)(end - p));
		const char *back;

		if (!quote)
			return end;
		for (back = quote; back > start && back[-1] == '\\'; back--)
			;
		if ((quote - back) % 2 == 0)
			return quote + 1;
		start = p = quote + 1;
	}
	return end;
}

static const char *skip_container(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			p = jscan_skip_string(p, end);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth <= 1)
				return p + 1;
			depth--;
			break;
		}
		p++;
	}
	return end;
}

static const char *skip_value(const char *p, const char *end)
{
	if (p == end)
		return end;
	if (*p == '"')
		return jscan_skip_string(p, end);
	if (*p == '{' || *p == '[')
		return skip_container(p, end);
	while (p < end && !is_space(*p) && *p != ',' && *p != '}' && *p != ']')
		p++;
	return p;
}

struct jscan jscan_enter(struct str value)
{
	const char *end = str_end(value);
	const char *p = skip_space(value.p, end);
	struct jscan it = { STR_NONE, STR_NONE, end, end, '\0' };

	if (p < end && (*p == '{' || *p == '[')) {
		it.p = p + 1;
		it.close = *p == '{' ? '}' : ']';
	}
	return it;
}

/* `"name" :` at it->p. */
static bool next_key(struct jscan *it)
{
	const char *start = it->p;

	if (*start != '"')
		return false;
	it->p = jscan_skip_string(start, it->end);
	if (it->p - start < 2)
		return false;
	it->key = (struct str){ start + 1, (size_t)(it->p - start) - 2 };
	it->p = skip_space(it->p, it->end);
	if (it->p < it->end && *it->p == ':')
		it->p++;
	it->p = skip_space(it->p, it->end);
	return true;
}

bool jscan_next(struct jscan *it)
{
	const char *start;

	it->key = it->value = STR_NONE;
	it->p = skip_space(it->p, it->end);
	if (it->p < it->end && *it->p == ',')
		it->p = skip_space(it->p + 1, it->end);
	if (it->p == it->end || *it->p == it->close)
		return false;
	if (it->close == '}' && !next_key(it))
		return false;
	start = it->p;
	it->p = skip_value(start, it->end);
	it->value = (struct str){ start, (size_t)(it->p - start) };
	return it->p > start;
}

/* ---- strings and names --------------------------------------------------------------------- */

/* Four hexadecimal digits at p, or -1. */
static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		char low = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v * 16 + (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static size_t put_utf8(unsigned u, char out[4])
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 0x3f));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 0x3f));
		out[2] = (char)(0x80 | (u & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 0x3f));
	out[2] = (char)(0x80 | (u >> 6 & 0x3f));
	out[3] = (char)(0x80 | (u & 0x3f));
	return 4;
}

/* Behind "\u": one code point, U+FFFD for what the check would have refused. */
static size_t unescape_u(const char **pp, const char *end, char out[4])
{
	int u = hex4(*pp, end), low;

	if (u < 0)
		return put_utf8(0xfffd, out);
	*pp += 4;
	if (u < 0xd800 || u > 0xdfff)
		return put_utf8((unsigned)u, out);
	if (u < 0xdc00 && end - *pp >= 6 && (*pp)[0] == '\\' && (*pp)[1] == 'u') {
		low = hex4(*pp + 2, end);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*pp += 6;
			u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
			return put_utf8((unsigned)u, out);
		}
	}
	return put_utf8(0xfffd, out);
}

/* The next byte or escape of a string's inside, as 1 to 4 bytes of UTF-8; moves *pp past it. */
static size_t unescape(const char **pp, const char *end, char out[4])
{
	char c = *(*pp)++;

	if (c != '\\' || *pp == end) {
		out[0] = c;
		return 1;
	}
	c = *(*pp)++;
	switch (c) {
	case 'u':
		return unescape_u(pp, end, out);
	case 'b':
		c = '\b';
		break;
	case 'f':
		c = '\f';
		break;
	case 'n':
		c = '\n';
		break;
	case 'r':
		c = '\r';
		break;
	case 't':
		c = '\t';
		break;
	}
	out[0] = c;
	return 1;
}

static bool has_escape(struct str s)
{
	return s.n > 0 && memchr(s.p, '\\', s.n) != NULL;
}

/* Whether a key, still escaped, spells this text. */
static bool key_is(struct str key, struct str text)
{
	const char *p = key.p, *end = str_end(key);
	size_t at = 0;

	if (key.n <= text.n)
		return str_eq(key, text); /* an escape is longer than what it spells */
	if (!has_escape(key))
		return false;
	while (p < end) {
		char c[4];
		size_t n = unescape(&p, end, c);

		if (n > text.n - at || memcmp(text.p + at, c, n) != 0)
			return false;
		at += n;
	}
	return at == text.n;
}

bool jscan_member(struct str object, const char *name, struct str *value)
{
	struct jscan it = jscan_enter(object);
	struct str text = str_of(name);

	if (it.close != '}')
		return false;
	while (jscan_next(&it)) {
		if (!key_is(it.key, text))
			continue;
		*value = it.value;
		return true;
	}
	return false;
}

static void add_unescaped(struct str inside, struct buf *out)
{
	const char *p = inside.p, *end = str_end(inside);

	buf_reserve(out, inside.n);
	while (p < end) {
		const char *back = memchr(p, '\\', (size_t)(end - p));
		char c[4];
		size_t n;

		if (!back)
			back = end;
		buf_add(out, p, (size_t)(back - p));
		p = back;
		if (p == end)
			return;
		n = unescape(&p, end, c);
		buf_add(out, c, n);
	}
}

bool jscan_string(struct str value, struct buf *out)
{
	const char *end = str_end(value);
	const char *p = skip_space(value.p, end), *close;

	if (p == end || *p != '"')
		return false;
	close = jscan_skip_string(p, end);
	if (close - p < 2 || close[-1] != '"')
		return false;
	add_unescaped((struct str){ p + 1, (size_t)(close - p) - 2 }, out);
	return true;
}

/* ---- duplicate names ----------------------------------------------------------------------- */

/* Names seen, by object and spelling: open addressing, at most half full. */
struct seen {
	uint32_t object; /* 0: free slot */
	uint32_t hash;
	struct str key;
};

#define FIRST_SEEN 64 /* on the stack: most primitives have fewer than 32 members */

struct names {
	struct seen *slots;
	size_t count, size; /* size: a power of two */
	struct seen first[FIRST_SEEN];
};

/* FNV-1a from a secret start, so that nobody can prepare names that all meet in one slot. */
static uint32_t hash_key(struct str key, uint32_t object)
{
	static uint64_t secret;
	const char *p = key.p, *end = str_end(key);
	uint64_t h;

	if (secret == 0 && getrandom(&secret, sizeof(secret), GRND_NONBLOCK) < 0)
		secret = (uintptr_t)&secret;
	h = secret ^ object;
	while (p < end) {
		char c[4];
		size_t n = unescape(&p, end, c);

		for (size_t i = 0; i < n; i++)
			h = (h ^ (unsigned char)c[i]) * UINT64_C(0x100000001b3);
	}
	return (uint32_t)(h ^ h >> 32);
}

static bool same_key(struct str a, struct str b)
{
	const char *p = a.p, *pend = str_end(a), *q = b.p, *qend = str_end(b);

	if (!has_escape(a) && !has_escape(b))
		return str_eq(a, b);
	while (p < pend && q < qend) {
		char c[4], d[4];
		size_t n = unescape(&p, pend, c);

		if (unescape(&q, qend, d) != n || memcmp(c, d, n) != 0)
			return false;
	}
	return p == pend && q == qend;
}

/* The slot of that name, or the free one where it belongs. */
static struct seen *slot_of(struct names *t, const struct seen *want)
{
	size_t i = want->hash & (t->size - 1);

	for (;; i = (i + 1) & (t->size - 1)) {
		struct seen *s = &t->slots[i];

		if (s->object == 0)
			return s;
		if (s->hash == want->hash && s->object == want->object &&
		    same_key(s->key, want->key))
			return s;
	}
}

static void names_grow(struct names *t)
{
	struct seen *old = t->slots;
	size_t size = t->size;

	t->size = size * 4;
	t->slots = xcalloc(t->size, sizeof(*t->slots));
	for (size_t i = 0; i < size; i++)
		if (old[i].object)
			*slot_of(t, &old[i]) = old[i];
	if (old != t->first)
		free(old);
}

/* False when that object has the name already. */
static bool names_add(struct names *t, uint32_t object, struct str key)
{
	struct seen new = { object, hash_key(key, object), key };
	struct seen *s = slot_of(t, &new);

	if (s->object)
		return false;
	*s = new;
	if (++t->count > t->size / 2)
		names_grow(t);
	return true;
}

/* A string is a member's name when a colon follows it. */
static bool is_name(const char *behind, const char *end)
{
	behind = skip_space(behind, end);
	return behind < end && *behind == ':';
}

/* Walks over all text; open objects and arrays are numbered in the order they open, their numbers
 * kept in `open`. */
static bool find_duplicate(struct str text, struct names *t, struct buf *open, struct str *name)
{
	const char *p = text.p, *end = str_end(text), *start;
	uint32_t current = 0, last = 0;

	while (p < end) {
		start = p++;
		switch (*start) {
		case '"':
			p = jscan_skip_string(start, end);
			if (p - start < 2 || !is_name(p, end))
				break;
			*name = (struct str){ start + 1, (size_t)(p - start) - 2 };
			if (!names_add(t, current + 1, *name))
				return true;
			break;
		case '{':
		case '[':
			buf_add(open, &current, sizeof(current));
			current = ++last;
			break;
		case '}':
		case ']':
			if (open->n < sizeof(current))
				break;
			open->n -= sizeof(current);
			memcpy(&current, open->p + open->n, sizeof(current));
			break;
		}
	}
	return false;
}

bool jscan_duplicate(struct str text, struct str *name)
{
	struct names t;
	struct buf open = BUF_INIT;
	struct str found;
	bool twice;

	memset(t.first, 0, sizeof(t.first));
	t.slots = t.first;
	t.count = 0;
	t.size = FIRST_SEEN;
	twice = find_duplicate(text, &t, &open, &found);
	if (twice)
		*name = found;
	if (t.slots != t.first)
		free(t.slots);
	buf_free(&open);
	return twice;
}
