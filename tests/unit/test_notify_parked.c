/*
 * test_notify_parked.c - events whose format failed, until it can be tried again; another try or an
 * end for what waits, as the operator asks.
 */
#include "notify_help.h"

static char tried[512];
static int64_t last_id;
static enum { KEEP, RENDER, NOTHING, LATER } verdict;

static void on_reformat(void *arg, int64_t id, struct str format, struct str body)
{
	struct event_opts failed = { .format_failed = "senml" }, good = { .ec = 3 };
	size_t n = strlen(tried);
	char text[64];

	(void)arg;
	last_id = id;
	snprintf(tried + n, sizeof(tried) - n, "%.*s:%.*s ", STRFMT(format), STRFMT(body));
	snprintf(text, sizeof(text), "{\"new\":%.*s}", STRFMT(body));
	if (verdict == KEEP)
		assert_true(notify_reformat(id, &failed, body));
	else if (verdict == RENDER)
		assert_true(notify_reformat(id, &good, str_of(text)));
	else if (verdict == NOTHING)
		assert_true(notify_reformat(id, &good, STR_NONE));
}

static int parked_setup(void **state)
{
	setup(state);
	tried[0] = '\0';
	verdict = KEEP;
	notify_on_reformat(on_reformat, NULL);
	return 0;
}

static int parked_teardown(void **state)
{
	notify_on_reformat(NULL, NULL);
	return teardown(state);
}

static size_t replay(const char *target, int64_t sub, const char *sur)
{
	struct notify_filter f = { str_of(target), sub, str_of(sur) };
	size_t n = notify_replay(&f);

	settle();
	return n;
}

static size_t drop(const char *target, int64_t sub, const char *sur)
{
	struct notify_filter f = { str_of(target), sub, str_of(sur) };
	size_t n = notify_drop(&f);

	settle();
	return n;
}

static void park(struct audience *a, const char *body)
{
	publish_as(a, body, (struct event_opts){ .frame = FRAME_RAW, .format_failed = "senml" });
}

/* ---- formats --------------------------------------------------------------------------------- */

static void test_again(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);
	const struct frame *f;

	(void)state;
	park(a, "1");
	park(a, "2");
	publish(a, "3");
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":3"));
	assert_int_equal(stats().parked, 2);
	audience_unref(a);
	restart(false);
	assert_int_equal(stats().parked, 3);
	assert_int_equal(replay(NULL, 0, NULL), 3); /* and the one that was not answered */
	assert_string_equal(tried, "senml:1 senml:2 ");
	assert_int_equal(stats().parked, 3);
	verdict = RENDER;
	replay(NULL, 0, NULL);
	assert_int_equal(fake_ntf_rows, 3);
	assert_int_equal(stats().parked, 3); /* Ca is away */
	restart(true); /* each is there once, in its new form */
	tried[0] = '\0';
	replay(NULL, 0, NULL);
	assert_string_equal(tried, "");
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":3"));
	f = fake_read(c);
	assert_non_null(strstr(f->p, "\"ec\":3,\"pc\":{\"new\":1}"));
	assert_non_null(strstr(fake_read(c)->p, "{\"new\":2}"));
	for (int i = 0; i < 3; i++)
		assert_true(answer(c, &c->frame[i], 2000));
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 0);
}

/* Connected, and held by nothing else when the engine stops. */
static void test_connected(void **state)
{
	struct audience *a = audience_of(2, "Cb");

	(void)state;
	connect_as("Cb", SESSION_JSON);
	park(a, "1");
	audience_unref(a);
	restart(false);
	assert_int_equal(stats().parked, 1);
}

static void test_nothing_to_send(void **state)
{
	struct audience *a = audience_of(1, "Ca");

	(void)state;
	park(a, "1");
	verdict = NOTHING;
	assert_int_equal(replay("Ca", 0, NULL), 1);
	fake_advance(1);
	settle();
	assert_int_equal(stats().parked, 0);
	assert_int_equal(fake_ntf_rows, 0);
	assert_false(notify_reformat(last_id, &(struct event_opts){ 0 }, STR("1")));
	audience_unref(a);
}

/* The answer may come later, once, and the store may fail: it stays parked then. */
static void test_store_fails(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct event_opts good = { .frame = FRAME_RAW };

	(void)state;
	park(a, "1");
	verdict = LATER;
	fake_store_fail_reads(1);
	replay(NULL, 0, NULL);
	assert_string_equal(tried, "");
	replay(NULL, 0, NULL);
	assert_string_equal(tried, "senml:1 ");
	fake_store_fail(1);
	assert_true(notify_reformat(last_id, &good, STR("x")));
	assert_false(notify_reformat(last_id, &good, STR("y")));
	settle();
	assert_int_equal(stats().parked, 1);
	assert_int_equal(stats().queued, 0);
	assert_true(notify_reformat(last_id, &good, STR("z")));
	settle();
	assert_int_equal(stats().queued, 1);
	audience_unref(a);
	assert_string_equal(fake_read(connect_as("Ca", SESSION_JSON))->p, "z");
}

/* 100 events for 20 AEs: more than one read, an audience of its own row. */
static void test_many(void **state)
{
	struct audience *a = audience_new();
	char name[32], body[32];
	struct conn *c;

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "C%d", i);
		audience_add(a, i + 1, STR("/moon/s"), STR(""), str_of(name));
	}
	for (int i = 0; i < 100; i++) {
		snprintf(body, sizeof(body), "%d", i);
		park(a, body);
	}
	audience_unref(a);
	restart(true);
	verdict = RENDER;
	assert_int_equal(replay("C7", 0, NULL), 2000);
	while (stats().queued < 2000)
		settle();
	assert_int_equal(fake_ntf_rows, 100);
	assert_int_equal(fake_aud_rows, 1);
	restart(true);
	assert_int_equal(stats().queued, 2000);
	c = connect_as("C7", SESSION_JSON);
	for (int i = 0; i < 100; i++) {
		snprintf(body, sizeof(body), "{\"new\":%d}", i);
		assert_non_null(strstr(fake_read(c)->p, body));
	}
}

static void test_bound(void **state)
{
	struct audience *a;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_age = 60;
	start();
	a = audience_of(1, "Ca");
	park(a, "1");
	fake_advance(30);
	park(a, "2");
	fake_advance(31);
	verdict = RENDER;
	assert_int_equal(replay(NULL, 0, NULL), 1);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":1"));
	assert_non_null(strstr(fake_read(c)->p, "{\"new\":2}"));
	audience_unref(a);
}

/* ---- another try, or an end ------------------------------------------------------------------ */

static void test_replay_late(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	publish(a, "1");
	publish(a, "2");
	assert_non_null(fake_read(c));
	assert_non_null(fake_read(c));
	assert_true(answer(c, &c->frame[1], 2000));
	assert_int_equal(replay("Ca", 0, NULL), 0); /* it is not late yet */
	fake_advance(11);
	assert_null(fake_read(c));
	assert_int_equal(replay("Cb", 0, NULL), 0);
	assert_int_equal(replay(NULL, 1, NULL), 1);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1"));
	assert_null(fake_read(c));
	assert_true(answer(c, &c->frame[2], 2000));
	audience_unref(a);
}

static void test_replay_url(void **state)
{
	struct audience *a = audience_of(1, "http://h/a");

	(void)state;
	publish(a, "1");
	fake_answer(fake_requests, 0, "", "");
	settle();
	assert_null(fake_requests); /* backs off */
	assert_int_equal(replay(NULL, 0, "s1"), 1);
	assert_non_null(fake_requests);
	assert_int_equal(replay(NULL, 0, NULL), 0);
	fake_answer(fake_requests, 200, "", "");
	audience_unref(a);
}

/* Its points of access may have changed: they are asked for again. */
static void test_replay_away(void **state)
{
	struct audience *a = audience_of(1, "Ca");

	(void)state;
	publish(a, "1");
	assert_string_equal(unknown, "Ca");
	notify_target_routes(STR("Ca"), NULL, 0);
	settle();
	unknown[0] = '\0';
	assert_int_equal(replay("Ca", 0, NULL), 1);
	assert_string_equal(unknown, "Ca");
	audience_unref(a);
}

static void test_drop(void **state)
{
	struct audience *a = audience_of(1, "Ca"), *b = audience_of(2, "Ca"),
			*l = audience_of(3, "lane:3:Ca");
	struct conn *c;

	(void)state;
	publish(a, "1");
	publish(b, "2");
	publish(b, "3");
	publish(l, "4");
	park(a, "5");
	park(b, "6");
	assert_int_equal(drop("Cb", 0, NULL), 0);
	assert_int_equal(drop("Ca", 0, "x"), 0);
	assert_int_equal(drop(NULL, 0, "s2"), 3);
	assert_int_equal(drop(NULL, 0, "/moon/s3"), 1);
	assert_int_equal(stats().dropped, 4);
	assert_int_equal(stats().queued, 1);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":4"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1"));
	assert_int_equal(drop("Ca", 0, NULL), 1); /* what is sent is left alone */
	fake_advance(11);
	assert_int_equal(drop("Ca", 0, NULL), 1); /* but not what was not answered */
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 0);
	audience_unref(a);
	audience_unref(b);
	audience_unref(l);
}

#define T(t) cmocka_unit_test_setup_teardown(t, parked_setup, parked_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_again),       T(test_connected),  T(test_nothing_to_send),
		T(test_store_fails), T(test_many),       T(test_bound),
		T(test_replay_late), T(test_replay_url), T(test_replay_away),
		T(test_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
