/*
 * Unit tests for the memory of Lua's objects: contents survive whatever the sizes, places are
 * aligned and used again, sizes at the border between the pool and malloc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "vm_pool.h"

#define HELD 500

struct held {
	unsigned char *p;
	size_t n;
	unsigned char mark;
};

static uint32_t state_of_random = 7;

static uint32_t any(uint32_t below)
{
	state_of_random = state_of_random * 1664525u + 1013904223u;
	return (state_of_random >> 8) % below;
}

static void check(const struct held *h)
{
	assert_int_equal((uintptr_t)h->p % 16, 0);
	for (size_t i = 0; i < h->n; i++)
		assert_int_equal(h->p[i], h->mark);
}

static void resize(struct held *h, size_t n)
{
	size_t same = h->n < n ? h->n : n;

	h->p = pool_realloc(h->p, h->n, n);
	assert_true(h->p || n == 0);
	h->n = same;
	check(h);
	h->n = n;
	h->mark = (unsigned char)any(256);
	if (n)
		memset(h->p, h->mark, n);
}

static void test_contents_survive(void **state)
{
	static struct held held[HELD];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct held *h = &held[any(HELD)];
		uint32_t kind = any(8);

		check(h);
		resize(h, kind == 0 ? 0 : kind == 1 ? any(3000) : 1 + any(600));
	}
	for (int i = 0; i < HELD; i++)
		resize(&held[i], 0);
	pool_close();
	memset(held, 0, sizeof(held));
}

static void test_border(void **state)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 511, 512, 513, 528, 65536, 512, 16, 513, 1 };
	struct held h = { NULL, 0, 0 };

	(void)state;
	for (size_t i = 0; i < countof(sizes); i++)
		resize(&h, sizes[i]);
	resize(&h, 0);
	assert_null(h.p);
	assert_null(pool_realloc(NULL, 0, 0));
	pool_close();
}

/* What was freed is used before anything new: the blocks of a large peak are enough for the next. */
static void test_places_are_used_again(void **state)
{
	static unsigned char *p[10000];
	uintptr_t low = UINTPTR_MAX, high = 0;

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 10000; i++) {
			p[i] = pool_realloc(NULL, 0, 40);
			assert_non_null(p[i]);
			if (round == 0) {
				low = (uintptr_t)p[i] < low ? (uintptr_t)p[i] : low;
				high = (uintptr_t)p[i] > high ? (uintptr_t)p[i] : high;
			}
#ifndef __SANITIZE_ADDRESS__
			assert_in_range((uintptr_t)p[i], low, high);
#endif
		}
		for (int i = 0; i < 10000; i++)
			assert_null(pool_realloc(p[i], 40, 0));
	}
	pool_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents_survive),
		cmocka_unit_test(test_border),
		cmocka_unit_test(test_places_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
