/*
 * base.c - byte strings, UTF-8 and allocation.
 * Guarantees: no x*alloc ever returns NULL; no function here reads beyond the length it was given.
 * Must never: allocate a size that a peer chose and nobody limited.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool str_ieq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool str_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned char)s.p[i] - '0';

		if (digit > 9)
			return false;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*out = v;
	return true;
}

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The table of Unicode 15, 3.9, D92 ("Well-Formed UTF-8 Byte Sequences"). */
size_t utf8_step(const char *p, const char *end)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t n = (size_t)(end - p);

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || n < 2 || !is_tail(s[1]))
		return 0;
	if (s[0] < 0xe0)
		return 2;
	if (n < 3 || !is_tail(s[2]))
		return 0;
	if (s[0] < 0xf0) {
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n < 4 || !is_tail(s[3]) || s[0] > 0xf4)
		return 0;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return 4;
}

bool str_utf8(struct str s)
{
	const char *p = s.p, *end = str_end(s);

	while (p < end) {
		uint64_t w;
		size_t n;

		if (end - p >= 8) { /* mostly ASCII: eight bytes at a time */
			memcpy(&w, p, 8);
			if ((w & UINT64_C(0x8080808080808080)) == 0) {
				p += 8;
				continue;
			}
		}
		n = utf8_step(p, end);
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

_Noreturn void out_of_memory(size_t n)
{
	fprintf(
	    stderr,
	    "error base out of memory: the process ends, what it answered is stored bytes=%zu\n",
	    n);
	_exit(1);
}

static void *or_die(void *p, size_t n)
{
	if (!p)
		out_of_memory(n);
	return p;
}

void *xmalloc(size_t n)
{
	return or_die(malloc(n ? n : 1), n);
}

void *xcalloc(size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1;
	return or_die(calloc(count, size), count > SIZE_MAX / size ? SIZE_MAX : count * size);
}

void *xrealloc(void *p, size_t n)
{
	return or_die(realloc(p, n ? n : 1), n);
}

char *xstrdup(const char *z)
{
	return xstrndup(z, strlen(z));
}

char *xstrndup(const char *p, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		or_die(NULL, n);
	copy = xmalloc(n + 1);
	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}
