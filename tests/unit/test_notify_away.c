/*
 * test_notify_away.c - targets that are away: restart, large audiences, bounds and gaps, what is
 * forgotten, trouble with the store, memory.
 */
#include "notify_help.h"

/* ---- away ------------------------------------------------------------------------------------ */

static void test_restart(void **state)
{
	struct audience *a = audience_of(7, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);
	const struct frame *f;
	char rqi[64], body[64], nonce[32];

	(void)state;
	snprintf(nonce, sizeof(nonce), "%.*s", STRFMT(notify_slot_text(SLOT_SUR)));
	snprintf(body, sizeof(body), "[\"%s\",1]", nonce);
	publish(a, body);
	f = fake_read(c);
	snprintf(rqi, sizeof(rqi), "%s", field(f, "rqi"));
	fake_hangup(c);
	publish(a, "2");
	assert_int_equal(stats().bytes, 0); /* nobody there: nothing in memory */
	audience_unref(a);
	restart(true);
	assert_true(str_is(notify_slot_text(SLOT_SUR), nonce));
	assert_int_equal(stats().queued, 2);
	c = connect_as("Ca", SESSION_JSON);
	f = fake_read(c);
	assert_string_equal(field(f, "rqi"), rqi);
	assert_non_null(strstr(f->p, "\"pc\":[\"/moon/s7\",1]}"));
	assert_true(answer(c, f, 2000));
	f = fake_read(c);
	assert_non_null(strstr(f->p, "\"pc\":2}"));
	assert_true(answer(c, f, 2000));
	fake_advance(1);
	settle();
	restart(false);
	assert_int_equal(stats().queued, 0);
	assert_int_equal(fake_ntf_rows, 0);
	a = audience_of(7, "Ca"); /* ids go on: no rqi comes twice */
	c = connect_as("Ca", SESSION_JSON);
	publish(a, "3");
	assert_string_not_equal(field(fake_read(c), "rqi"), rqi);
	audience_unref(a);
}

/* 40 AEs hear of three events; C39 only of two. */
static void publish_to_many(void)
{
	struct audience *a = audience_new();
	char name[32], sur[32];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "C%d", i);
		snprintf(sur, sizeof(sur), "/moon/s%d", i);
		audience_add(a, i, str_of(sur), STR(""), str_of(name));
	}
	publish(a, "1");
	publish(a, "2");
	assert_int_equal(fake_aud_writes, 1);
	audience_remove(a, 39);
	publish(a, "3");
	assert_int_equal(fake_aud_writes, 2);
	assert_int_equal(fake_ntf_rows, 3);
	assert_int_equal(stats().queued, 119);
	audience_unref(a);
}

/* A large audience is stored once per version; cursors tell who has it after a restart. */
static void test_large_audience(void **state)
{
	struct conn *c;
	char name[32];
	int n = 0;

	(void)state;
	publish_to_many();
	c = connect_as("C5", SESSION_JSON);
	for (const struct frame *f; (f = fake_read(c)); n++)
		assert_true(answer(c, f, 2000));
	assert_int_equal(n, 3);
	fake_advance(1);
	settle();
	restart(true);
	assert_int_equal(stats().queued, 116);
	c = connect_as("C5", SESSION_JSON);
	assert_null(fake_read(c));
	c = connect_as("C39", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	assert_null(fake_read(c));
	for (int i = 0; i < 39; i++) {
		snprintf(name, sizeof(name), "C%d", i);
		notify_forget_target(str_of(name));
	}
	for (int i = 0; i < 2; i++)
		answer(c, &c->frame[i], 2000);
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 0);
	assert_int_equal(fake_aud_rows, 0);
	assert_int_equal(stats().queued, 0);
}

/* What is known of an AE goes with it, also in the store, when nothing leads to it any more. */
static void test_forget_whole(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	publish(a, "1");
	assert_true(answer(c, fake_read(c), 2000));
	fake_advance(1);
	settle();
	assert_int_equal(fake_tgt_rows, 1);
	assert_int_equal(stats().targets, 1);
	notify_forget_sub(1);
	audience_unref(a);
	notify_forget_target(STR("Ca"));
	fake_advance(1);
	settle();
	assert_int_equal(stats().targets, 0);
	assert_int_equal(fake_tgt_rows, 0);
}

static void test_overflow(void **state)
{
	struct audience *a, *b;
	struct conn *c;
	const struct frame *f;
	char want[200];

	(void)state;
	notify_close();
	opts.max_count = 5;
	start();
	a = audience_of(1, "Ca");
	b = audience_of(2, "Ca");
	for (int i = 0; i < 4; i++) {
		publish(a, "1");
		publish(b, "2");
	}
	assert_int_equal(stats().dropped, 3);
	fake_advance(1);
	settle();
	audience_unref(a);
	audience_unref(b);
	restart(true); /* the gap is remembered */
	assert_int_equal(fake_ntf_rows, 5);
	c = connect_as("Ca", SESSION_JSON);
	f = fake_read(c);
	snprintf(want, sizeof(want),
		 "\"pc\":{\"moon2m:gap\":{\"dropped\":3,\"sur\":["
		 "{\"sur\":\"/moon/s1\",\"dropped\":2},{\"sur\":\"/moon/s2\",\"dropped\":1}]}}}");
	assert_non_null(strstr(f->p, want));
	fake_hangup(c);
	c = connect_as("Ca", SESSION_JSON);
	assert_string_equal(field(fake_read(c), "rqi"), field(c->frame, "rqi"));
	assert_non_null(strstr(c->frame->p, want)); /* not confirmed: again */
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	assert_true(answer(c, &c->frame[1], 2000)); /* confirms it */
	fake_advance(1);
	settle();
	restart(true);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1}"));
}

static void test_overflow_bytes_and_age(void **state)
{
	struct audience *a;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_bytes = 100;
	opts.max_age = 60;
	start();
	a = audience_of(1, "Ca");
	for (int i = 0; i < 3; i++)
		publish(a, "\"0123456789012345678901234567890123456789\"");
	assert_int_equal(stats().dropped, 1);
	assert_int_equal(stats().queued, 2);
	fake_advance(50);
	publish(a, "7");
	fake_advance(20);
	assert_int_equal(stats().queued, 1);
	assert_int_equal(stats().dropped, 3);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":3,"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":7}"));
	audience_unref(a);
}

static void test_age_when_the_clock_is_set(void **state)
{
	static const double day = 86400;
	struct audience *a;

	(void)state;
	notify_close();
	opts.max_age = 60;
	start();
	a = audience_of(1, "Ca");
	publish(a, "1");
	fake_clock_set(day);
	publish(a, "2");
	fake_advance(50);
	assert_int_equal(stats().queued, 2);
	fake_clock_set(-day);
	publish(a, "3");
	fake_advance(20);
	assert_int_equal(stats().queued, 1);
	assert_int_equal(stats().dropped, 2);
	fake_advance(50);
	assert_int_equal(stats().queued, 0);
	fake_clock_set(0);
	audience_unref(a);
}

static void test_newest_only(void **state)
{
	struct audience *a = audience_of(1, "Ca"), *b = audience_of(2, "Ca");
	struct event_opts newest = { .frame = FRAME_PRIMITIVE, .ec = 4 };
	struct conn *c;

	(void)state;
	for (int i = 0; i < 500; i++) {
		char body[20];

		snprintf(body, sizeof(body), "%d", i);
		publish_as(a, body, newest);
		if (i % 100 == 0)
			publish(b, body);
	}
	assert_int_equal(stats().queued, 6);
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 6);
	c = connect_as("Ca", SESSION_JSON);
	for (int i = 0; i < 500; i += 100) {
		char want[32];

		snprintf(want, sizeof(want), "\"pc\":%d}", i);
		assert_non_null(strstr(fake_read(c)->p, want));
	}
	assert_non_null(strstr(fake_read(c)->p, "\"ec\":4,\"pc\":499}"));
	assert_null(fake_read(c));
	audience_unref(a);
	audience_unref(b);
}

static void test_keep_newest(void **state)
{
	struct audience *a = audience_of(1, "Ca"), *b = audience_of(2, "Ca");
	struct event_opts newest = { .frame = FRAME_PRIMITIVE, .ec = 4 };
	struct conn *c;

	(void)state;
	publish(a, "1");
	publish(b, "2");
	publish(a, "3");
	notify_keep_newest(1);
	notify_keep_newest(9);
	assert_int_equal(stats().queued, 2);
	assert_int_equal(stats().dropped, 1);
	publish_as(a, "4", newest);
	assert_int_equal(stats().dropped, 2);
	notify_keep_newest(1);
	assert_int_equal(stats().queued, 2);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":4}"));
	assert_null(fake_read(c));
	notify_keep_newest(1); /* what is under way stays */
	assert_int_equal(stats().dropped, 2);
	audience_unref(a);
	audience_unref(b);
}

static void test_forget(void **state)
{
	struct audience *a = audience_of(1, "Ca"), *b = audience_of(2, "Ca");
	struct conn *c;

	(void)state;
	publish(a, "1");
	publish(b, "2");
	publish(a, "3");
	notify_forget_sub(1);
	settle();
	assert_int_equal(stats().queued, 1);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	assert_null(fake_read(c));
	notify_forget_target(STR("Ca"));
	settle();
	assert_int_equal(stats().queued, 0);
	assert_int_equal(stats().dropped, 3);
	publish(b, "4");
	assert_int_equal(stats().queued, 0);
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 0);
	notify_target_routes(STR("Ca"), NULL, 0); /* registered again */
	publish(b, "5");
	assert_int_equal(stats().queued, 1);
	audience_unref(a);
	audience_unref(b);
}

static void test_store_trouble(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c;
	int n = 0;

	(void)state;
	fake_store_fail(1); /* the ids that were reserved: the event carries them */
	publish(a, "1");
	fake_advance(1);
	settle();
	assert_int_equal(fake_tgt_rows, 1);
	audience_unref(a);
	restart(true);
	assert_int_equal(stats().queued, 1);
	fake_store_fail_reads(2);
	c = connect_as("Ca", SESSION_JSON);
	assert_null(fake_read(c));
	for (int i = 0; i < 5; i++) {
		fake_advance(1);
		settle();
	}
	assert_non_null(fake_read(c));
	fake_store_fail(3);
	assert_true(answer(c, &c->frame[0], 2000));
	for (int i = 0; i < 20 && fake_ntf_rows; i++, n++) {
		fake_advance(0.5);
		settle();
	}
	assert_int_equal(fake_ntf_rows, 0);
	assert_true(n > 2);
}

/* 100,000 kept notices of 1,000 absent AEs cost at most 200 bytes each. */
static void test_memory(void **state)
{
	struct event_opts o = { .frame = FRAME_PRIMITIVE };
	struct mallinfo2 before, after;
	char name[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct audience *a;

		snprintf(name, sizeof(name), "Caway%d", i);
		a = audience_of(i, name);
		for (int k = 0; k < 100; k++) {
			struct store_tx *tx = store_tx_new(fake_store);
			struct event *e =
			    event_new(a, &o, STR("{\"m2m:sgn\":{\"nev\":{\"rep\":1}}}"));

			event_store(e, tx);
			store_commit(fake_store, tx, committed, e);
		}
		audience_unref(a);
		fake_store_step(1000);
	}
	assert_int_equal(stats().queued, 100000);
	assert_int_equal(stats().bytes, 0);
	notify_close();
	fake_store_step(1000);
	before = mallinfo2();
	start();
	after = mallinfo2();
	assert_int_equal(stats().parked, 100000);
	/* 0 where the allocator is replaced (ASan) */
	print_message("%zu bytes per kept notice\n", (after.uordblks - before.uordblks) / 100000);
	assert_true(after.uordblks - before.uordblks < 200 * 100000);
}

/* What was answered behind a notice that was not does not come again: after a stop never, after a
 * crash when it had been answered for longer than the engine saves. */
static void answered_behind(bool crash)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	audience_add(a, 1, STR("/moon/s1"), STR("Cme"), STR("Caway")); /* keeps the rows */
	for (const char *t = "1\0002\0003\0004\0005\0"; *t; t += 2)
		publish(a, t);
	for (int i = 0; i < 5; i++)
		fake_read(c);
	assert_true(answer(c, &c->frame[1], 2000));
	assert_true(answer(c, &c->frame[2], 2000));
	assert_true(answer(c, &c->frame[4], 2000));
	if (crash) {
		fake_advance(0.15);
		settle();
	}
	audience_unref(a);
	restart(crash);
	assert_int_equal(stats().queued, 7);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":4}"));
	assert_null(fake_read(c));
	assert_true(answer(c, &c->frame[0], 2000));
	assert_true(answer(c, &c->frame[1], 2000));
	fake_advance(0.15);
	settle();
	restart(crash);
	assert_int_equal(stats().queued, 5);
}

static void test_answered_behind(void **state)
{
	(void)state;
	answered_behind(false);
}

static void test_answered_behind_crash(void **state)
{
	(void)state;
	answered_behind(true);
}

/* The first of a URL is under way, the second was dropped: that one does not come again. */
static void test_dropped_behind_post(void **state)
{
	struct audience *a = audience_of(1, "http://h/x"), *b = audience_of(2, "http://h/x");
	struct notify_filter f = { .target = STR("http://h/x"), .sub = 2 };

	(void)state;
	audience_add(b, 2, STR("/moon/s2"), STR("Cme"), STR("Caway"));
	publish(a, "1");
	publish(b, "2");
	publish(a, "3");
	assert_int_equal(notify_drop(&f), 1);
	fake_advance(0.15);
	settle();
	audience_unref(a);
	audience_unref(b);
	restart(true);
	settle();
	assert_non_null(strstr(fake_requests->body, "\"dropped\":1"));
	for (const char *t = "1\0003\0"; *t; t += 2) {
		fake_answer(fake_requests, 200, NULL, NULL);
		settle();
		assert_string_equal(fake_requests->body, t);
	}
}

/* What is told as dropped is so on disk: after a crash it does not come, and nothing overtakes. */
static void test_gap_is_saved(void **state)
{
	struct audience *a;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_count = 2;
	start();
	a = audience_of(1, "Ca");
	for (const char *t = "1\0002\0003\0"; *t; t += 2)
		publish(a, t);
	audience_unref(a);
	c = fake_accept(SESSION_JSON);
	session_bind(c->session, STR("Ca"));
	for (int i = 0; i < 5; i++)
		fake_turn();
	assert_null(fake_read(c)); /* it is being saved */
	settle();
	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":1,"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	fake_store_crash();
	notify_close();
	fake_net_reset();
	fake_store_up();
	opts.max_count = 100;
	start();
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":1,"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
}

/* A notice that tells of several events again is as many that are lost. */
static void test_gap_counts_events(void **state)
{
	struct event_opts batch = { .count = 3 };
	struct audience *a;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_count = 2;
	start();
	a = audience_of(1, "Ca");
	for (const char *t = "1\0002\0003\0004\0"; *t; t += 2)
		publish_as(a, t, batch);
	audience_unref(a);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "{\"dropped\":6,\"sur\":[{\"sur\":\"/moon/s1\","
						"\"dropped\":6}]}"));
}

/* One that finds no room, since all that waits matters more, is dropped for good. */
static void test_dropped_at_once(void **state)
{
	struct audience *a, *b;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_count = 2;
	start();
	a = audience_of(1, "Ca");
	b = audience_of(2, "Ca");
	audience_add(b, 2, STR("/moon/s2"), STR("Cme"), STR("Caway"));
	notify_priority(1, 5);
	publish(a, "1");
	publish(a, "2");
	publish(b, "3");
	fake_advance(0.15);
	settle();
	audience_unref(a);
	audience_unref(b);
	restart(true);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":1,"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	assert_null(fake_read(c));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_restart),
		T(test_large_audience),
		T(test_overflow),
		T(test_overflow_bytes_and_age),
		T(test_age_when_the_clock_is_set),
		T(test_newest_only),
		T(test_keep_newest),
		T(test_forget),
		T(test_forget_whole),
		T(test_store_trouble),
		T(test_memory),
		T(test_answered_behind),
		T(test_answered_behind_crash),
		T(test_dropped_behind_post),
		T(test_dropped_at_once),
		T(test_gap_is_saved),
		T(test_gap_counts_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
