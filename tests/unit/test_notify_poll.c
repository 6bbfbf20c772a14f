/*
 * test_notify_poll.c - targets that fetch what is for them: order, answers, repeats, restart, and
 * what becomes of their notices when they fetch no longer.
 */
#include "notify_help.h"

static const struct str POLL = { "pch:", 4 };
static char got[8][400];
static size_t ngot;
static unsigned told;
static bool loading;

static void keep(void *arg, struct str request)
{
	(void)arg;
	assert_true(ngot < countof(got));
	snprintf(got[ngot++], sizeof(got[0]), "%.*s", STRFMT(request));
}

static size_t poll_upto(unsigned max, int64_t upto)
{
	size_t n;

	ngot = 0;
	n = notify_poll(STR("Ca"), max, upto, &loading, keep, NULL);
	assert_int_equal(n, ngot);
	return n;
}

static size_t poll(unsigned max)
{
	return poll_upto(max, INT64_MAX);
}

/* All there is, up to max; bodies are read as they are asked for. */
static size_t poll_loaded(unsigned max)
{
	ngot = 0;
	for (int i = 0; i < 4 && ngot < max; i++) {
		notify_poll(STR("Ca"), max - (unsigned)ngot, INT64_MAX, &loading, keep, NULL);
		settle();
	}
	return ngot;
}

static void on_polled(void *arg, struct str target)
{
	(void)arg;
	assert_true(str_is(target, "Ca"));
	told++;
}

static int begin(void **state)
{
	setup(state);
	told = 0;
	notify_on_polled(on_polled, NULL);
	notify_target_routes(STR("Ca"), &POLL, 1);
	return 0;
}

static bool answered(size_t i, int rsc)
{
	struct frame f = { .p = got[i] };
	bool ours = notify_poll_answer(STR("Ca"), str_of(field(&f, "rqi")), rsc);

	settle();
	return ours;
}

static void test_order(void **state)
{
	struct audience *a = audience_of(7, "Ca");
	int64_t first;

	(void)state;
	assert_int_equal(notify_poll_last(STR("Ca")), 0);
	publish(a, "1");
	first = notify_poll_last(STR("Ca"));
	publish(a, "2");
	assert_int_equal(told, 0); /* nobody asked */
	assert_int_equal(stats().queued, 2);
	if (poll_upto(5, first) == 0) { /* the body is read first */
		assert_true(loading);
		settle();
		assert_int_equal(told, 1);
		assert_int_equal(poll_upto(5, first), 1);
	}
	assert_non_null(strstr(got[0], "{\"op\":5,\"to\":\"Ca\",\"fr\":\"/moon\",\"rqi\":\"n"));
	assert_non_null(strstr(got[0], "\"pc\":1}"));
	assert_false(notify_poll_answer(STR("Cb"), STR("n1.7.1"), 2000));
	assert_false(notify_poll_answer(STR("Ca"), STR("nonsense"), 2000));
	assert_true(answered(0, 2000));
	assert_false(answered(0, 2000));
	assert_int_equal(delivered[7], 1);
	assert_int_equal(stats().queued, 1);
	audience_unref(a);
}

/* Asked for when nothing is there: told once when something comes. */
static void test_told(void **state)
{
	struct audience *a = audience_of(7, "Ca");

	(void)state;
	assert_int_equal(poll(1), 0);
	assert_false(loading);
	publish(a, "1");
	publish(a, "2");
	assert_int_equal(told, 1);
	assert_int_equal(poll_loaded(8), 2);
	assert_non_null(strstr(got[1], "\"pc\":2}"));
	assert_int_equal(poll(0), 0);
	told = 0;
	publish(a, "3");
	assert_int_equal(told, 0); /* max 0: not wanted any more */
	assert_int_equal(stats().bytes, 0);
	audience_unref(a);
}

/* Not answered in time: the same again, in order, with the same rqi; a late answer counts. */
static void test_repeat(void **state)
{
	struct audience *a = audience_of(7, "Ca");
	char first[400];

	(void)state;
	publish(a, "1");
	publish(a, "2");
	assert_int_equal(poll_loaded(2), 2);
	snprintf(first, sizeof(first), "%s", got[0]);
	assert_true(answered(1, 2000));
	fake_advance(11);
	settle();
	assert_int_equal(poll_loaded(2), 1);
	assert_string_equal(got[0], first);
	fake_advance(11);
	settle();
	assert_true(answered(0, 2000));
	assert_int_equal(stats().queued, 0);
	assert_int_equal(poll(1), 0);
	assert_int_equal(delivered[7], 2);
	audience_unref(a);
}

/* A connection of the AE gets nothing, until it polls no longer. */
static void test_connection(void **state)
{
	struct audience *a = audience_of(7, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	publish(a, "1");
	publish(a, "2");
	assert_null(fake_read(c));
	assert_int_equal(poll_loaded(1), 1);
	notify_target_routes(STR("Ca"), NULL, 0);
	settle();
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	notify_target_routes(STR("Ca"), &POLL, 1);
	settle();
	publish(a, "3");
	assert_null(fake_read(c));
	assert_int_equal(poll_loaded(8), 3);
	assert_non_null(strstr(got[0], "\"pc\":1}"));
	assert_non_null(strstr(got[2], "\"pc\":3}"));
	audience_unref(a);
}

static void test_restart(void **state)
{
	struct audience *a = audience_of(7, "Ca");

	(void)state;
	publish(a, "1");
	publish(a, "2");
	audience_unref(a);
	assert_int_equal(poll_loaded(1), 1);
	restart(true);
	notify_on_polled(on_polled, NULL);
	notify_target_routes(STR("Ca"), &POLL, 1);
	assert_int_equal(poll_loaded(8), 2);
	assert_true(answered(0, 2000));
	assert_true(answered(1, 4000));
	assert_int_equal(stats().failed, 1);
	assert_int_equal(stats().queued, 0);
}

static void test_forget(void **state)
{
	struct audience *a = audience_of(7, "Ca");

	(void)state;
	publish(a, "1");
	publish(a, "2");
	assert_int_equal(poll_loaded(1), 1);
	notify_forget_target(STR("Ca"));
	settle();
	assert_int_equal(stats().queued, 0);
	assert_int_equal(poll(1), 0);
	audience_unref(a);
}

/* Raw formats: JSON is the content of a NOTIFY, text a string in it; binary cannot be carried. */
static void test_raw(void **state)
{
	struct audience *a = audience_of(7, "Ca");
	struct event_opts o = { .frame = FRAME_RAW };

	(void)state;
	publish_as(a, "{\"v\":1}", o);
	publish_as(a, "v=1", o);
	o.binary = true;
	publish_as(a, "\x01", o);
	assert_int_equal(poll_loaded(8), 2);
	assert_non_null(strstr(got[0], "\"pc\":{\"v\":1}}"));
	assert_non_null(strstr(got[1], "\"pc\":{\"moon2m:raw\":\"v=1\"}}"));
	assert_int_equal(stats().failed, 1);
	audience_unref(a);
}

static void test_gap(void **state)
{
	struct audience *a;

	(void)state;
	notify_close();
	opts.max_count = 2;
	start();
	notify_on_polled(on_polled, NULL);
	notify_target_routes(STR("Ca"), &POLL, 1);
	a = audience_of(7, "Ca");
	publish(a, "1");
	publish(a, "2");
	publish(a, "3");
	assert_int_equal(poll_loaded(1), 1);
	assert_non_null(strstr(got[0], "{\"moon2m:gap\":{\"dropped\":1,"));
	assert_true(answered(0, 2000));
	assert_int_equal(poll_loaded(8), 2);
	assert_non_null(strstr(got[0], "\"pc\":2}"));
	audience_unref(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, begin, teardown),
		cmocka_unit_test_setup_teardown(test_told, begin, teardown),
		cmocka_unit_test_setup_teardown(test_repeat, begin, teardown),
		cmocka_unit_test_setup_teardown(test_connection, begin, teardown),
		cmocka_unit_test_setup_teardown(test_restart, begin, teardown),
		cmocka_unit_test_setup_teardown(test_forget, begin, teardown),
		cmocka_unit_test_setup_teardown(test_raw, begin, teardown),
		cmocka_unit_test_setup_teardown(test_gap, begin, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
