/*
 * arena.c - bump allocation in blocks that are released together.
 * Guarantees: an arena that needs little is one malloc; deferred calls run once, the latest first,
 * while all memory of the arena is still valid, and may themselves allocate and defer.
 * Must never: be shared between threads; free anything singly.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

/* One primitive's answer, its identifiers and a few defers fit here; measured by the block of 4 KiB
 * malloc serves without a system call. */
#define FIRST_BLOCK 2048
#define BLOCK 8192
#define ALIGN alignof(max_align_t)

struct block {
	struct block *next;
	alignas(max_align_t) char mem[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	struct block *blocks; /* besides the first, which follows this struct */
	struct deferred *deferred;
	char *at; /* next free byte of the current block */
	size_t left; /* bytes after it */
	alignas(max_align_t) char mem[];
};

struct arena *arena_new(void)
{
	struct arena *a = xmalloc(FIRST_BLOCK);

	a->blocks = NULL;
	a->deferred = NULL;
	a->at = a->mem;
	a->left = FIRST_BLOCK - sizeof(*a);
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->deferred) {
		struct deferred *d = a->deferred;

		a->deferred = d->next;
		d->fn(d->arg);
	}
	while (a->blocks) {
		struct block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	free(a);
}

static char *block_new(struct arena *a, size_t n)
{
	struct block *b;
	size_t size;

	if (__builtin_add_overflow(n, sizeof(*b), &size))
		size = SIZE_MAX; /* lets xmalloc end the process with its message */
	b = xmalloc(size);
	b->next = a->blocks;
	a->blocks = b;
	return b->mem;
}

void *arena_alloc(struct arena *a, size_t n)
{
	char *p;

	if (n > SIZE_MAX - ALIGN)
		return xmalloc(SIZE_MAX); /* ends the process */
	n = n ? (n + ALIGN - 1) & ~(ALIGN - 1) : ALIGN;
	if (n > a->left) {
		if (n > BLOCK / 4)
			return block_new(a, n); /* a block of its own; the current one goes on */
		a->at = block_new(a, BLOCK);
		a->left = BLOCK;
	}
	p = a->at;
	a->at += n;
	a->left -= n;
	return p;
}

char *arena_dup(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));

	d->next = a->deferred;
	d->fn = fn;
	d->arg = arg;
	a->deferred = d;
}
