/*
 * vm_pool.c - see vm_pool.h.  Guarantees: places are aligned for any object; a place of the pool
 * and one of malloc are told apart by their size alone, which Lua always knows.
 * With AddressSanitizer, and with POOL_OFF for valgrind, all is malloc's, so that they see what is
 * used after it was freed.
 */
#include "vm_pool.h"

#include <stdlib.h>

#define STEP 16 /* sizes are multiples of this */
#define SMALL 512 /* up to this they are the pool's */
#define BLOCK (64 * 1024)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_OFF 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POOL_OFF 1
#endif

struct place {
	struct place *next;
};

static struct {
	struct place *spare[SMALL / STEP + 1]; /* by size / STEP */
	struct place *blocks; /* each begins with its link */
	char *at; /* not yet given out: `left` bytes */
	size_t left;
} pool;

static size_t rounded(size_t n)
{
	return (n + STEP - 1) & ~(size_t)(STEP - 1);
}

static bool is_small(size_t n)
{
#ifdef POOL_OFF
	(void)n;
	return false;
#else
	return n <= SMALL;
#endif
}

static bool more(void)
{
	struct place *b = malloc(BLOCK);

	if (!b)
		return false;
	b->next = pool.blocks;
	pool.blocks = b;
	pool.at = (char *)b + STEP;
	pool.left = BLOCK - STEP;
	return true;
}

/* What is left of a block when a larger place does not fit is a spare one of its own size. */
static void *cut(size_t n)
{
	void *p;

	if (pool.left < n) {
		if (pool.left) {
			struct place *rest = (struct place *)(void *)pool.at;

			rest->next = pool.spare[pool.left / STEP];
			pool.spare[pool.left / STEP] = rest;
			pool.left = 0;
		}
		if (!more())
			return NULL;
	}
	p = pool.at;
	pool.at += n;
	pool.left -= n;
	return p;
}

static void *take(size_t n)
{
	struct place *p;

	if (!is_small(n))
		return malloc(n);
	n = rounded(n);
	p = pool.spare[n / STEP];
	if (!p)
		return cut(n);
	pool.spare[n / STEP] = p->next;
	return p;
}

static void give(void *p, size_t n)
{
	struct place *spare = p;

	if (!is_small(n)) {
		free(p);
		return;
	}
	n = rounded(n);
	spare->next = pool.spare[n / STEP];
	pool.spare[n / STEP] = spare;
}

void *pool_realloc(void *p, size_t old, size_t n)
{
	void *q;

	if (p && n && !is_small(old) && !is_small(n))
		return realloc(p, n);
	if (p && n && is_small(old) && is_small(n) && rounded(old) == rounded(n))
		return p;
	q = n ? take(n) : NULL;
	if (!p || (n && !q))
		return q;
	if (q)
		memcpy(q, p, old < n ? old : n);
	give(p, old);
	return q;
}

void pool_close(void)
{
	while (pool.blocks) {
		struct place *b = pool.blocks;

		pool.blocks = b->next;
		free(b);
	}
	memset(&pool, 0, sizeof(pool));
}
