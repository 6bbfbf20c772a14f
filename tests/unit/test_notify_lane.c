/*
 * test_notify_lane.c - lanes: notices held back, taken out by the transaction that stores what
 * becomes of them, dropped, told of.
 */
#include "notify_help.h"

static char told[256];
static struct lane_item item[LANE_READ_MAX];
static char body[64][64];
static size_t items;
static const char *read_error;

static void on_lane(void *arg, struct str key)
{
	size_t n = strlen(told);

	(void)arg;
	snprintf(told + n, sizeof(told) - n, "%.*s ", STRFMT(key));
}

static int lane_setup(void **state)
{
	setup(state);
	told[0] = '\0';
	notify_on_lane(on_lane, NULL);
	return 0;
}

static int lane_teardown(void **state)
{
	notify_on_lane(NULL, NULL);
	return teardown(state);
}

static void was_read(void *arg, const struct lane_item *i, size_t n, const char *error)
{
	(void)arg;
	items = n;
	read_error = error;
	for (size_t k = 0; k < n; k++) {
		item[k] = i[k];
		if (k < 64)
			snprintf(body[k], sizeof(body[k]), "%.*s", STRFMT(i[k].body));
	}
}

static size_t look(const char *key, unsigned n, int64_t after)
{
	items = 99;
	lane_read(str_of(key), n, after, was_read, NULL);
	settle();
	return items;
}

static struct audience *held(void)
{
	return audience_of(7, "lane:7:Ca");
}

struct release {
	struct event *e;
	int64_t id;
};

static void released(void *arg, const struct store_done *d)
{
	struct release *r = arg;

	if (d->rc != STORE_OK) {
		event_abandon(r->e);
		return;
	}
	lane_done(STR("lane:7:Ca"), r->id);
	event_publish(r->e);
}

/* Not settled: the transaction is submitted. */
static void release(struct release *r, int64_t id, const char *text)
{
	struct store_tx *tx = store_tx_new(fake_store);
	struct audience *a = audience_of(7, "Ca");

	*r = (struct release){ event_new(a, &(struct event_opts){ 0 }, str_of(text)), id };
	lane_store_done(STR("lane:7:Ca"), id, tx);
	event_store(r->e, tx);
	store_commit(fake_store, tx, released, r);
	audience_unref(a);
}

static void test_hold(void **state)
{
	struct audience *a = held();
	struct conn *c = connect_as("Ca", SESSION_JSON);
	struct release r;

	(void)state;
	publish(a, "1");
	publish_as(a, "2",
		   (struct event_opts){
		       .frame = FRAME_RAW, .binary = true, .ec = 3, .type = STR("text/csv") });
	publish(a, "3");
	assert_null(fake_read(c));
	assert_int_equal(lane_waiting(STR("lane:7:Ca")), 3);
	assert_int_equal(lane_waiting(STR("Ca")), 0);
	assert_int_equal(lane_oldest(STR("lane:8:Ca")), 0);
	assert_true(lane_oldest(STR("lane:7:Ca")) > 0 &&
		    lane_oldest(STR("lane:7:Ca")) <= clock_wall());
	assert_string_equal(told, "lane:7:Ca ");
	assert_int_equal(look("lane:7:Ca", 2, 0), 2);
	assert_string_equal(body[0], "1");
	assert_string_equal(body[1], "2");
	assert_true(item[0].id < item[1].id && !item[0].raw && item[0].et == STORE_NULL);
	assert_true(item[1].raw && item[1].binary && item[1].ec == 3);
	assert_true(str_is(item[1].type, "text/csv"));
	assert_int_equal(look("lane:7:Ca", 9, item[1].id), 1);
	assert_string_equal(body[0], "3");
	assert_int_equal(look("lane:9:Ca", 2, 0), 0);
	assert_int_equal(look("lane:7:Ca", 2, 0), 2);
	release(&r, item[1].id, "[1,2]");
	settle();
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":[1,2]}"));
	assert_int_equal(lane_waiting(STR("lane:7:Ca")), 1);
	assert_int_equal(fake_ntf_rows, 4); /* until the next flush */
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 2);
	audience_unref(a);
}

/* Whenever the process dies, a notice is in its lane or on its way, never both and never neither. */
static void test_crash(void **state)
{
	struct audience *a = held();
	struct release r;

	(void)state;
	publish(a, "1");
	publish(a, "2");
	look("lane:7:Ca", 9, 0);
	audience_unref(a);
	release(&r, item[0].id, "[1]");
	told[0] = '\0';
	notify_on_lane(NULL, NULL);
	restart(true); /* it was not committed */
	notify_on_lane(on_lane, NULL);
	settle();
	assert_string_equal(told, "lane:7:Ca ");
	assert_int_equal(look("lane:7:Ca", 9, 0), 2);
	assert_int_equal(stats().queued, 2);
	release(&r, item[0].id, "[1]");
	settle();
	assert_int_equal(fake_ntf_rows, 3); /* the row of the first is still there */
	restart(true);
	assert_int_equal(look("lane:7:Ca", 9, 0), 1);
	assert_string_equal(body[0], "2");
	assert_int_equal(stats().queued, 2);
	assert_non_null(strstr(fake_read(connect_as("Ca", SESSION_JSON))->p, "\"pc\":[1]}"));
}

/* A flush submitted after the release and before its end writes an older cursor. */
static void test_cursor(void **state)
{
	struct audience *a = audience_new();
	struct release r;

	(void)state;
	audience_add(a, 7, STR("/moon/s7"), STR(""), STR("lane:7:Ca"));
	audience_add(a, 8, STR("/moon/s8"), STR(""), STR("Cb")); /* keeps the rows */
	publish(a, "1");
	publish(a, "2");
	publish(a, "3");
	look("lane:7:Ca", 9, 0);
	assert_int_equal(lane_drop(STR("lane:7:Ca"), LANE_THESE, &item[0].id, 1, STR("x")), 1);
	release(&r, item[1].id, "[2]");
	notify_forget_sub(99);
	fake_advance(0.2); /* the flush */
	settle();
	audience_unref(a);
	restart(true);
	assert_int_equal(look("lane:7:Ca", 9, 0), 1);
	assert_string_equal(body[0], "3");
}

static void test_failed(void **state)
{
	struct audience *a = held();
	struct release r;

	(void)state;
	publish(a, "1");
	look("lane:7:Ca", 9, 0);
	fake_store_fail(1);
	release(&r, item[0].id, "[1]");
	settle();
	assert_int_equal(look("lane:7:Ca", 9, 0), 1);
	assert_int_equal(stats().queued, 1);
	fake_store_fail_reads(1);
	look("lane:7:Ca", 9, 0);
	assert_non_null(read_error);
	lane_read(STR("lane:7:Ca"), 9, 0, was_read, NULL);
	audience_unref(a);
	restart(false);
	assert_non_null(read_error);
	assert_int_equal(look("lane:7:Ca", 9, 0), 1);
	assert_null(read_error);
}

static void test_drop(void **state)
{
	struct audience *a = held();
	struct conn *c;
	int64_t ids[2];

	(void)state;
	for (const char *t = "1\0002\0003\0004\0005\0"; *t; t += 2)
		publish(a, t);
	look("lane:7:Ca", 9, 0);
	ids[0] = item[1].id;
	ids[1] = 12345;
	assert_int_equal(lane_drop(STR("lane:7:Ca"), LANE_THESE, ids, 2, STR("policy")), 1);
	assert_int_equal(lane_drop(STR("lane:7:Ca"), LANE_THESE, NULL, 0, STR("policy")), 0);
	assert_int_equal(lane_drop(STR("lane:7:Cb"), LANE_ALL, NULL, 0, STR("policy")), 0);
	assert_int_equal(look("lane:7:Ca", 9, 0), 4);
	assert_string_equal(body[1], "3");
	audience_unref(a);
	restart(false);
	assert_int_equal(look("lane:7:Ca", 9, 0), 4);
	assert_string_equal(body[1], "3");
	c = connect_as("Ca", SESSION_JSON);
	assert_int_equal(lane_drop(STR("lane:7:Ca"), LANE_BUT_NEWEST, NULL, 0, STR("replaced")), 3);
	assert_int_equal(look("lane:7:Ca", 9, 0), 1);
	assert_string_equal(body[0], "5");
	assert_int_equal(lane_drop(STR("lane:7:Ca"), LANE_ALL, NULL, 0, STR("?")), 1);
	assert_int_equal(stats().dropped, 4);
	told[0] = '\0';
	a = held();
	publish(a, "6");
	publish(a, "7");
	assert_string_equal(told, "lane:7:Ca ");
	assert_null(fake_read(c)); /* no gap: it was the policy's wish */
	audience_unref(a);
}

static void test_watch(void **state)
{
	struct audience *a = held();

	(void)state;
	lane_watch(STR("lane:9:Ca"), 1); /* there is none */
	publish(a, "1");
	told[0] = '\0';
	lane_watch(STR("lane:7:Ca"), 3);
	publish(a, "2");
	assert_string_equal(told, "");
	publish(a, "3");
	assert_string_equal(told, "lane:7:Ca ");
	publish(a, "4");
	assert_string_equal(told, "lane:7:Ca "); /* once */
	told[0] = '\0';
	lane_watch(STR("lane:7:Ca"), 3); /* they are there already */
	settle();
	assert_string_equal(told, "lane:7:Ca ");
	lane_watch(STR("lane:7:Ca"), 5);
	lane_watch(STR("lane:7:Ca"), 0);
	publish(a, "5");
	assert_string_equal(told, "lane:7:Ca ");
	audience_unref(a);
}

/* What overflows in a lane is told to the target. */
static void test_overflow(void **state)
{
	struct audience *a;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_count = 3;
	start();
	a = held();
	for (const char *t = "1\0002\0003\0004\0005\0"; *t; t += 2)
		publish(a, t);
	assert_int_equal(look("lane:7:Ca", 9, 0), 3);
	assert_string_equal(body[0], "3");
	audience_unref(a);
	fake_advance(1);
	restart(true);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":{\"moon2m:gap\":{\"dropped\":2,\"sur\":["
						"{\"sur\":\"/moon/s7\",\"dropped\":2}]}}"));
	a = audience_of(9, "lane:9:http://h/a"); /* a URL that a lane is for is none itself */
	for (const char *t = "1\0002\0003\0004\0005\0"; *t; t += 2)
		publish(a, t);
	assert_int_equal(look("lane:9:http://h/a", 9, 0), 3);
	assert_null(fake_requests);
	audience_unref(a);
}

/* The gap is saved with the release, which makes the store forget what was dropped. */
/* What is being released is not what makes room for an event that commits just before. */
static void test_overflow_releasing(void **state)
{
	struct audience *a;
	struct conn *c;
	struct release r;
	struct store_tx *tx;
	struct event *e;

	(void)state;
	notify_close();
	opts.max_count = 2;
	start();
	notify_on_lane(on_lane, NULL);
	a = held();
	c = connect_as("Ca", SESSION_JSON);
	publish(a, "1");
	publish(a, "2");
	assert_int_equal(look("lane:7:Ca", 2, 0), 2);
	tx = store_tx_new(fake_store);
	e = event_new(a, &(struct event_opts){ 0 }, STR("3"));
	event_store(e, tx);
	store_commit(fake_store, tx, committed, e);
	release(&r, item[1].id, "[1,2]");
	settle();
	assert_int_equal(stats().dropped, 0);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":[1,2]}"));
	assert_int_equal(lane_waiting(STR("lane:7:Ca")), 1);
	publish(a, "4");
	publish(a, "5");
	assert_int_equal(stats().dropped, 1); /* the bound holds again */
	audience_unref(a);
}

/* What one lane dropped is on disk when the gap is, also when another lane's release saves that. */
static void test_two_lanes_crash(void **state)
{
	struct audience *a, *b;
	struct release r;

	(void)state;
	notify_close();
	opts.max_count = 1;
	start();
	notify_on_lane(on_lane, NULL);
	a = held();
	b = audience_of(8, "lane:8:Ca");
	audience_add(b, 8, STR("/moon/s8"), STR("Cme"), STR("Caway")); /* keeps the row */
	publish(a, "1");
	assert_int_equal(look("lane:7:Ca", 1, 0), 1);
	publish(b, "2");
	audience_unref(b);
	b = audience_of(8, "lane:8:Ca");
	publish(b, "3"); /* 2 is dropped */
	release(&r, item[0].id, "1");
	settle();
	audience_unref(a);
	audience_unref(b);
	fake_store_crash();
	notify_close();
	fake_net_reset();
	fake_store_up();
	opts.max_count = 100;
	start();
	assert_int_equal(lane_waiting(STR("lane:8:Ca")), 1);
}

static void test_overflow_crash(void **state)
{
	struct audience *a;
	struct release r;

	(void)state;
	notify_close();
	opts.max_count = 3;
	start();
	a = held();
	for (const char *t = "1\0002\0003\0004\0005\0"; *t; t += 2)
		publish(a, t);
	audience_unref(a);
	look("lane:7:Ca", 9, 0);
	release(&r, item[2].id, "[3,4,5]");
	fake_store_step(1);
	restart(true);
	assert_non_null(strstr(fake_read(connect_as("Ca", SESSION_JSON))->p, "\"dropped\":2"));
}

/* What matters least goes first, the newcomer too. */
static void test_priority(void **state)
{
	struct audience *low, *high;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_count = 3;
	start();
	low = audience_of(8, "Ca");
	high = audience_of(9, "Ca");
	notify_priority(9, 5);
	notify_priority(99, 5); /* there is none */
	publish(low, "1");
	publish(high, "2");
	publish(low, "3");
	publish(high, "4"); /* instead of 1 */
	publish(high, "5"); /* instead of 3 */
	publish(low, "6"); /* not kept */
	publish(high, "7"); /* instead of 2 */
	assert_int_equal(stats().queued, 3);
	assert_int_equal(stats().dropped, 4);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":4"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":4}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":5}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":7}"));
	assert_null(fake_read(c));
	audience_unref(low);
	audience_unref(high);
}

static void test_forget(void **state)
{
	struct audience *a = held(), *b = audience_of(8, "lane:8:Ca"),
			*d = audience_of(9, "lane:9");

	(void)state;
	publish(a, "1");
	publish(b, "2");
	publish(d, "3");
	assert_int_equal(stats().queued, 3);
	assert_int_equal(stats().parked, 0);
	notify_forget_sub(8);
	settle();
	assert_int_equal(lane_waiting(STR("lane:8:Ca")), 0);
	notify_forget_target(STR("Ca"));
	settle();
	assert_int_equal(stats().queued, 1);
	publish(a, "4");
	assert_int_equal(lane_waiting(STR("lane:7:Ca")), 0);
	connect_as("Ca", SESSION_JSON); /* registered again */
	publish(a, "5");
	assert_int_equal(lane_waiting(STR("lane:7:Ca")), 1);
	audience_unref(a);
	audience_unref(b);
	audience_unref(d);
}

static void test_age(void **state)
{
	struct audience *a;

	(void)state;
	notify_close();
	opts.max_age = 60;
	start();
	a = held();
	publish(a, "1");
	look("lane:7:Ca", 9, 0);
	assert_true(item[0].et > clock_wall());
	fake_advance(61);
	assert_int_equal(lane_waiting(STR("lane:7:Ca")), 0);
	assert_int_equal(stats().dropped, 1);
	audience_unref(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hold, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_crash, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_cursor, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_failed, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_drop, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_watch, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_overflow, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_overflow_crash, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_two_lanes_crash, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_overflow_releasing, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_priority, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_forget, lane_setup, lane_teardown),
		cmocka_unit_test_setup_teardown(test_age, lane_setup, lane_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
