/*
 * base.h - the ground everything stands on: byte strings with a length, checked results,
 * allocation that ends the process (code 1, a line
 * that says why) instead of failing.  Depends on libc alone.
 * x*alloc is for small internal objects; whatever size a peer chooses is limited first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define MUSTCHECK __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define countof(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Borrowed bytes: valid until the lender's next call; never assumed to end in NUL. */
struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })
#define STRFMT(s) (int)(s).n, (s).p ? (s).p : "" /* for "%.*s" */

static inline struct str str_of(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

/* Behind the last byte; NULL for STR_NONE, to which nothing may be added. */
static inline const char *str_end(struct str s)
{
	return s.n ? s.p + s.n : s.p;
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

static inline bool str_starts(struct str a, struct str prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

bool str_ieq(struct str a, struct str b); /* ASCII case ignored, as in HTTP names */

/* Decimal digits only, no sign, no space; false on overflow, on an empty or any other text. */
bool str_u64(struct str s, uint64_t *out) MUSTCHECK;

/* Length (1..4) of the well-formed UTF-8 sequence at p < end; 0 when there is none (overlong,
 * surrogate, above U+10FFFF, cut short). */
size_t utf8_step(const char *p, const char *end);
bool str_utf8(struct str s); /* well-formed from first byte to last */

/* End the process, code 1 and a message, when memory is out.  Free with free(). */
_Noreturn void out_of_memory(size_t n);
void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *z);
char *xstrndup(const char *p, size_t n); /* NUL-terminated copy */
