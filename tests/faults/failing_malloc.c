/*
 * failing_malloc.c - preloaded into a server: from the FAIL_AFTER-th allocation on, FAIL_COUNT of
 * them return NULL (then all is well again).  What the process asked for before the first line of
 * its main counts too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);

static _Atomic long asked;
static long first = -1, count;

__attribute__((constructor)) static void read_plan(void)
{
	const char *after = getenv("FAIL_AFTER"), *n = getenv("FAIL_COUNT");

	count = n ? atol(n) : 1;
	first = after ? atol(after) : -1;
}

static bool fails(void)
{
	long nth = atomic_fetch_add(&asked, 1);

	if (first < 0 || nth < first || nth >= first + count)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t many, size_t n)
{
	return fails() ? NULL : __libc_calloc(many, n);
}

void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
