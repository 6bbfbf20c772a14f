/*
 * Unit tests for the store's groups with `turns`: what a turn of the loop submits waits for its end
 * and is one group; nothing waits longer than that.
 */
#include "store_help.h"

static struct box box;

static void open_with_turns(void)
{
	struct store_opts o = { .path = box.path, .wake = box_wake, .arg = &box, .turns = true };
	struct err e;

	store_close(box.s);
	box.s = store_open(&o, &e);
	assert_non_null(box.s);
}

static int setup(void **state)
{
	(void)state;
	memset(&box, 0, sizeof(box));
	box_new(&box);
	open_with_turns();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	box_free(&box);
	return 0;
}

static void submit(int64_t id, struct outcome *o)
{
	struct store_tx *tx = store_tx_new(box.s);

	memset(o, 0, sizeof(*o));
	store_tx_ntf(tx, id, STORE_NULL, STR("m"), STR("b"));
	store_commit(box.s, tx, on_commit, o);
}

static struct store_stats stats(void)
{
	struct store_stats s;

	store_stats(box.s, &s);
	return s;
}

static void test_a_turn_is_one_group(void **state)
{
	struct outcome o[20];

	(void)state;
	usleep(20000); /* the storage thread waits by now, or looks once more by itself */
	for (int i = 0; i < 20; i++) {
		submit(1 + i, &o[i]);
		usleep(1000);
	}
	store_turn(box.s);
	while (!o[19].done)
		box_turn(&box);
	assert_in_range(stats().commits, 1, 2);
	assert_int_equal(stats().transactions, 20);
	for (int i = 0; i < 20; i++)
		assert_true(o[i].done && o[i].rc == STORE_OK);
}

/* A second end of the same turn is no harm, and what came between is begun by it. */
static void test_ends_of_turns_may_repeat(void **state)
{
	struct outcome a, b;

	(void)state;
	store_turn(box.s);
	submit(1, &a);
	store_turn(box.s);
	submit(2, &b);
	store_turn(box.s);
	store_turn(box.s);
	while (!b.done)
		box_turn(&box);
	assert_true(a.done && a.rc == STORE_OK && b.rc == STORE_OK);
}

static void on_read(void *arg, const struct store_rows *rows)
{
	*(bool *)arg = rows->error == NULL;
}

static void test_reads_begin_with_the_turn(void **state)
{
	int64_t id = 1;
	bool read = false;

	(void)state;
	store_pend(box.s, &id, 1, on_read, &read);
	store_turn(box.s);
	while (!read)
		box_turn(&box);
}

static void test_close_commits_the_unfinished_turn(void **state)
{
	struct outcome o;

	(void)state;
	submit(1, &o);
	box_reopen(&box);
	assert_true(o.done && o.rc == STORE_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_turn_is_one_group),
		T(test_ends_of_turns_may_repeat),
		T(test_reads_begin_with_the_turn),
		T(test_close_commits_the_unfinished_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
