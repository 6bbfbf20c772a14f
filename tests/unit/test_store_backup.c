/*
 * The store's backup: what it holds, what is written meanwhile, who may ask, what it leaves behind.
 */
#include "store_help.h"

#include <sys/stat.h>
#include <time.h>

#define MANY 3000

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof(*b));

	box_new(b);
	assert_int_equal(put(b, res(1, 0, 5, "")).rc, STORE_OK);
	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	box_free(*state);
	free(*state);
	return 0;
}

static int64_t fill(struct box *b, int64_t from, int64_t n)
{
	static char con[1000];
	struct store_tx *tx = store_tx_new(b->s);

	memset(con, 'x', sizeof(con) - 1);
	for (int64_t i = 0; i < n; i++) {
		struct store_inst x = inst(2, "c", from + i, con);

		store_tx_inst(tx, &x);
	}
	commit_ok(b, tx);
	return from + n;
}

static void copy_name(const struct box *b, char out[128])
{
	snprintf(out, 128, "%s" STORE_BACKUP, b->path);
}

/* Until the backup runs no more; adds an instance after each look.  The st that comes next. */
static int64_t add_until_done(struct box *b, int64_t st, struct store_backup *at)
{
	time_t until = time(NULL) + 60;

	for (;;) {
		store_backup_look(b->s, at);
		if (at->state != STORE_BACKUP_RUNS)
			return st;
		assert_true(time(NULL) < until);
		assert_int_equal(add(b, inst(2, "c", st++, "later")).rc, STORE_OK);
	}
}

static void test_copy_is_whole(void **state)
{
	struct box *b = *state, copy = { 0 };
	int64_t st = fill(b, 1, MANY), before, n;
	struct store_backup at;
	struct err e = { 0 };
	struct stat s;
	char name[128];

	assert_true(store_backup_begin(b->s, &e));
	assert_false(store_backup_begin(b->s, &e));
	assert_string_equal(e.msg, "another backup is under way");
	before = st;
	st = add_until_done(b, st, &at);
	assert_int_equal(at.state, STORE_BACKUP_DONE);
	assert_true(at.total > MANY * 1000 && at.done == at.total);
	assert_true(st > before); /* commits went on */
	copy_name(b, name);
	assert_int_equal(stat(name, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	assert_int_equal(s.st_size, at.total);

	snprintf(copy.dir, sizeof(copy.dir), "%s", "/tmp/moon2m-store-XXXXXX");
	assert_non_null(mkdtemp(copy.dir));
	snprintf(copy.path, sizeof(copy.path), "%s/moon2m.db", copy.dir);
	assert_int_equal(rename(name, copy.path), 0);
	copy.wake = b->wake;
	store_backup_end(b->s);
	fill(b, st, 1); /* the original is not concerned by what becomes of the copy */
	box_open(&copy);
	n = find_int(&copy, "SELECT count(*) FROM cin");
	assert_true(n >= before - 1 && n <= st - 1);
	assert_int_equal(find_int(&copy, "SELECT cni FROM cs WHERE cid=2"), n);
	store_close(copy.s);
	snprintf(name, sizeof(name), "%s-lock", copy.path);
	unlink(name);
	unlink(copy.path);
	assert_int_equal(rmdir(copy.dir), 0);
}

static void test_end_stops_it(void **state)
{
	struct box *b = *state;
	struct store_backup at;
	struct err e = { 0 };
	char name[128];

	fill(b, 1, MANY);
	assert_true(store_backup_begin(b->s, &e));
	store_backup_end(b->s);
	add_until_done(b, MANY + 1, &at);
	copy_name(b, name);
	if (at.state == STORE_BACKUP_FAILED) /* it may have been quicker */
		assert_string_equal(at.why, "stopped");
	assert_int_equal(access(name, F_OK), at.state == STORE_BACKUP_DONE ? 0 : -1);
	store_backup_end(b->s);
	unlink(name);
}

static void test_closing_leaves_nothing_half(void **state)
{
	struct box *b = *state;
	struct store_opts o = { .path = b->path, .stepped = true };
	struct err e = { 0 };
	char name[128];

	fill(b, 1, MANY);
	store_close(b->s);
	b->s = NULL;
	b->s = store_open(&o, &e);
	assert_non_null(b->s);
	assert_true(store_backup_begin(b->s, &e));
	assert_true(store_step(b->s)); /* a slice */
	copy_name(b, name);
	assert_int_equal(access(name, F_OK), 0);
	store_close(b->s);
	b->s = NULL;
	if (access(name, F_OK) == 0) /* closing was enough time to complete it */
		assert_int_equal(rename(name, b->path), 0);
	box_open(b);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), MANY);
}

static void test_a_start_removes_what_was_left(void **state)
{
	struct box *b = *state;
	char name[128];
	FILE *f;

	store_close(b->s);
	b->s = NULL;
	copy_name(b, name);
	f = fopen(name, "w");
	assert_non_null(f);
	fclose(f);
	box_open(b);
	assert_int_equal(access(name, F_OK), -1);
}

static void test_failure_says_why(void **state)
{
	struct box *b = *state;
	struct store_backup at;
	struct err e = { 0 };
	char name[128];

	copy_name(b, name);
	assert_int_equal(mkdir(name, 0700), 0); /* in its place: nothing can be made there */
	assert_true(store_backup_begin(b->s, &e));
	add_until_done(b, 1, &at);
	assert_int_equal(at.state, STORE_BACKUP_FAILED);
	assert_non_null(strstr(at.why, "cannot make "));
	assert_int_equal(rmdir(name), 0);
	assert_true(store_backup_begin(b->s, &e));
	add_until_done(b, 1000, &at);
	assert_int_equal(at.state, STORE_BACKUP_DONE);
	unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_copy_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_stops_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closing_leaves_nothing_half, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_start_removes_what_was_left, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_failure_says_why, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
