/*
 * A stepped store: no threads, so nothing is done before store_step, and then in order.
 */
#include "store_help.h"

static void open_stepped(struct box *b)
{
	struct store_opts o = { .path = b->path, .stepped = true };
	struct err e = { 0 };

	b->s = store_open(&o, &e);
	if (!b->s)
		fail_msg("%s", e.msg);
}

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof(*b));

	box_new(b);
	store_close(b->s);
	open_stepped(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	box_free(*state);
	free(*state);
	return 0;
}

static void submit(struct box *b, int64_t id, const char *path, struct outcome *o)
{
	struct store_tx *tx = store_tx_new(b->s);
	struct store_res r = res(id, id == 1 ? 0 : 1, 3, path);

	store_tx_put(tx, &r);
	store_commit(b->s, tx, on_commit, o);
}

static void count_rows(void *arg, const struct store_rows *r)
{
	assert_null(r->error);
	*(size_t *)arg = r->nrows;
}

static void test_nothing_by_itself(void **state)
{
	struct box *b = *state;
	struct outcome first = { 0 }, second = { 0 };
	size_t rows = 99;

	assert_false(store_step(b->s));
	submit(b, 1, "", &first);
	submit(b, 2, "a", &second);
	store_get(b->s, STORE_BY_PATH, 0, STR("a"), count_rows, &rows);
	store_poll(b->s);
	usleep(1000);
	store_poll(b->s);
	assert_false(first.done);
	assert_int_equal(rows, 99);
	assert_true(store_step(b->s));
	assert_true(first.done && second.done);
	assert_true(first.order < second.order);
	assert_int_equal(rows, 1);
	assert_false(store_step(b->s));
}

static void test_close_does_the_rest(void **state)
{
	struct box *b = *state;
	struct outcome o = { 0 };
	size_t rows = 99;

	submit(b, 1, "", &o);
	store_close(b->s);
	assert_true(o.done);
	assert_int_equal(o.rc, STORE_OK);
	open_stepped(b);
	store_get(b->s, STORE_BY_ID, 1, STR_NONE, count_rows, &rows);
	assert_true(store_step(b->s));
	assert_int_equal(rows, 1);
}

static void test_eviction(void **state)
{
	struct box *b = *state;
	struct outcome o = { 0 };
	struct store_res r = res(1, 0, 3, "");
	struct store_tx *tx = store_tx_new(b->s);

	r.container = true;
	r.mni = 2;
	store_tx_put(tx, &r);
	for (int st = 1; st <= 5; st++) {
		struct store_inst i = { .cid = 1, .st = st, .ct = st, .et = STORE_NULL, .size = 1 };

		i.path = STR("c");
		i.con = STR("1");
		store_tx_inst(tx, &i);
	}
	store_commit(b->s, tx, on_commit, &o);
	while (store_step(b->s))
		;
	assert_true(o.done);
	assert_int_equal(o.rc, STORE_OK);
	assert_int_equal(o.cs[0].cni, 2);
	assert_int_equal(o.cs[0].oldest, 4);
}

/* A resource and a text of `evt`; refused when the path is taken. */
static void submit_with_text(struct box *b, int64_t id, const char *path, const char *text,
			     struct outcome *o)
{
	struct store_tx *tx = store_tx_new(b->s);
	struct store_res r = res(id, 1, 3, path);

	store_tx_evt(tx, 100 + id, str_of(text));
	store_tx_put(tx, &r);
	store_commit(b->s, tx, on_commit, o);
}

static void expect_texts(struct box *b, const char *rows)
{
	struct answer a = { 0 };

	store_find(b->s, STR("SELECT id,body FROM evt ORDER BY id"), NULL, 0, 9, on_rows, &a);
	while (!a.done)
		assert_true(store_step(b->s));
	assert_string_equal(a.error, "");
	assert_string_equal(a.text, rows);
}

static void test_texts_of_a_group_are_one_row(void **state)
{
	struct box *b = *state;
	struct outcome o[6];
	struct store_tx *tx;

	memset(o, 0, sizeof(o));
	submit(b, 1, "", &o[0]);
	submit_with_text(b, 2, "a", "<two>", &o[1]);
	submit_with_text(b, 3, "a", "<refused>", &o[2]);
	submit_with_text(b, 4, "b", "<four>", &o[3]);
	assert_true(store_step(b->s));
	assert_true(o[1].rc == STORE_OK && o[2].rc == STORE_CONFLICT && o[3].rc == STORE_OK);
	submit_with_text(b, 5, "c", "<five>", &o[4]);
	assert_true(store_step(b->s));
	expect_texts(b, "id=104 body=<two><four>\nid=105 body=<five>\n");
	store_close(b->s);
	open_stepped(b);
	expect_texts(b, "id=104 body=<two><four>\nid=105 body=<five>\n");
	tx = store_tx_new(b->s);
	store_tx_evt_delete(tx, 104);
	store_commit(b->s, tx, on_commit, &o[5]);
	assert_true(store_step(b->s));
	expect_texts(b, "id=105 body=<five>\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_does_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eviction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_texts_of_a_group_are_one_row, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
