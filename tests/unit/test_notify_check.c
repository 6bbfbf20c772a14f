/*
 * test_notify_check.c - what `moon2m verify` says of stored notifications: rows as the engine wrote
 * them are good, damaged and forgotten ones are told.
 */
#include "notify_check.h"

#include "notify_help.h"

static struct {
	int64_t without; /* a target that is left out; its id */
	bool no_lists;
	size_t cut; /* bytes that are kept of each row's members; 0: all of them */
	unsigned told;
} how;

static struct str kept(struct str members)
{
	return how.cut && how.cut < members.n ? (struct str){ members.p, how.cut } : members;
}

static void on_tgt(void *arg, int64_t id, struct str key, int64_t acked)
{
	(void)key;
	(void)acked;
	if (id != how.without)
		notify_check_tgt(arg, id);
}

static void on_aud(void *arg, int64_t id, struct str members)
{
	if (!how.no_lists)
		notify_check_aud(arg, id, kept(members));
}

static void on_ntf(void *arg, int64_t id, int64_t et, struct str members, size_t body_len)
{
	(void)et;
	(void)body_len;
	if (notify_check_ntf(arg, id, kept(members)))
		how.told++;
}

static struct notify_check_sum check(void)
{
	struct notify_check *c = notify_check_new();
	struct notify_check_sum sum;

	how.told = 0;
	store_scan_tgt(fake_store, on_tgt, c);
	store_scan_aud(fake_store, on_aud, c);
	store_scan_ntf(fake_store, on_ntf, c);
	notify_check_end(c, &sum);
	notify_check_free(c);
	assert_int_equal(how.told, sum.damaged);
	return sum;
}

static void note_id(void *arg, int64_t id, struct str key, int64_t acked)
{
	(void)key;
	(void)acked;
	*(int64_t *)arg = id;
}

static int check_setup(void **state)
{
	memset(&how, 0, sizeof(how));
	return setup(state);
}

/* A notice of one target, one whose format failed, and one of many, which has a list. */
static void keep_some(void)
{
	struct audience *one = audience_of(1, "Cone"), *many = audience_of(2, "Ca0");

	for (int i = 1; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "Ca%d", i);
		audience_add(many, 2, STR("/moon/s2"), STR("Cme"), str_of(name));
	}
	publish(one, "1");
	publish_as(one, "2", (struct event_opts){ .frame = FRAME_RAW, .format_failed = "senml" });
	publish(many, "3");
	publish(many, "4");
	audience_unref(one);
	audience_unref(many);
	assert_int_equal(fake_ntf_rows, 4);
	assert_int_equal(fake_aud_rows, 1);
}

static void assert_sum(struct notify_check_sum s, uint64_t damaged, uint64_t damaged_lists,
		       uint64_t without_target, uint64_t unused_lists)
{
	assert_int_equal(s.damaged, damaged);
	assert_int_equal(s.damaged_lists, damaged_lists);
	assert_int_equal(s.without_target, without_target);
	assert_int_equal(s.unused_lists, unused_lists);
}

static void test_nothing(void **state)
{
	(void)state;
	assert_sum(check(), 0, 0, 0, 0);
	notify_check_free(NULL);
}

static void test_good(void **state)
{
	(void)state;
	keep_some();
	assert_sum(check(), 0, 0, 0, 0);
}

/* The notices of one target whose row is gone; those of many have others. */
static void test_targets_gone(void **state)
{
	struct audience *one = audience_of(1, "Cone");

	(void)state;
	publish(one, "1");
	audience_unref(one);
	store_scan_tgt(fake_store, note_id, &how.without);
	assert_true(how.without > 0);
	assert_sum(check(), 0, 0, 1, 0);
	how.without = 0;
	assert_sum(check(), 0, 0, 0, 0);
}

static void test_list_gone(void **state)
{
	(void)state;
	keep_some();
	how.no_lists = true;
	assert_sum(check(), 2, 0, 0, 0);
}

/* A list that no notice names. */
static void test_list_unused(void **state)
{
	struct notify_check *c = notify_check_new();
	struct notify_check_sum sum;

	(void)state;
	keep_some();
	store_scan_tgt(fake_store, on_tgt, c);
	store_scan_aud(fake_store, on_aud, c);
	notify_check_end(c, &sum);
	notify_check_free(c);
	assert_sum(sum, 0, 0, 0, 1);
}

/* Wherever rows are cut: told, and each notice at most once. */
static void test_cut(void **state)
{
	(void)state;
	keep_some();
	for (how.cut = 1; how.cut < 12; how.cut++) {
		struct notify_check_sum s = check();

		assert_in_range(s.damaged, 1, 4);
		assert_int_equal(s.damaged_lists, 1);
	}
	how.cut = 100000;
	assert_sum(check(), 0, 0, 0, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, check_setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_nothing),   T(test_good),        T(test_targets_gone),
		T(test_list_gone), T(test_list_unused), T(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
