/*
 * test_notify_remote.c - targets that other CSEs host: the connection, the points of access or the
 * polling of the CSE they are behind; what that CSE cannot deliver now; another way.
 */
#include "notify_help.h"

#define KEY "/other/Ca"
static const struct str OTHER = { "/other", 6 };
static const struct str POA = { "http://other.example/x/", 23 };
static const struct str POLL = { "pch:", 4 };
static char got[8][400];
static size_t ngot;
static unsigned told;

static void keep(void *arg, struct str request)
{
	(void)arg;
	assert_true(ngot < countof(got));
	snprintf(got[ngot++], sizeof(got[0]), "%.*s", STRFMT(request));
}

static void on_polled(void *arg, struct str target)
{
	(void)arg;
	assert_true(str_eq(target, OTHER));
	told++;
}

static void route(const char *key, const struct str *url, size_t n)
{
	notify_target_via(str_of(key), OTHER);
	notify_target_routes(str_of(key), url, n);
	settle();
}

static bool says(struct conn *c, const char *pc, int rsc)
{
	const struct frame *f = fake_read(c);

	assert_non_null(f);
	assert_string_equal(field(f, "to"), KEY);
	assert_non_null(strstr(f->p, pc));
	return answer(c, f, rsc);
}

static void test_connection(void **state)
{
	struct audience *a = audience_of(7, KEY);
	struct conn *c;

	(void)state;
	publish(a, "1");
	publish(a, "2");
	assert_string_equal(unknown, KEY);
	c = connect_as("/other", SESSION_JSON);
	assert_null(fake_read(c)); /* nobody said that the target is behind it */
	route(KEY, NULL, 0);
	assert_true(says(c, "\"pc\":1}", 2000));
	assert_true(says(c, "\"pc\":2}", 2000));
	assert_int_equal(stats().queued, 0);
	fake_hangup(c);
	settle();
	publish(a, "3");
	c = connect_as("/another", SESSION_JSON);
	assert_null(fake_read(c));
	c = connect_as("/other", SESSION_JSON);
	assert_non_null(fake_read(c));
	session_unbind(OTHER);
	settle();
	assert_int_equal(stats().queued, 1);
	audience_unref(a);
}

static void test_one_after_the_other(void **state)
{
	struct audience *a = audience_of(7, KEY);
	struct conn *c = connect_as("/other", SESSION_JSON);
	const struct frame *f;
	char rqi[80];

	(void)state;
	publish(a, "1");
	publish(a, "2");
	route(KEY, NULL, 0);
	f = fake_read(c);
	assert_non_null(f);
	assert_null(fake_read(c));
	snprintf(rqi, sizeof(rqi), "%s", field(f, "rqi"));
	assert_true(answer(c, f, 5103)); /* not now */
	publish(a, "3");
	assert_null(fake_read(c));
	assert_int_equal(stats().queued, 3);
	fake_advance(1.1);
	settle();
	f = fake_read(c);
	assert_non_null(f);
	assert_string_equal(field(f, "rqi"), rqi);
	assert_true(answer(c, f, 2000));
	assert_true(says(c, "\"pc\":2}", 4103)); /* for good */
	assert_non_null(fake_read(c)); /* not answered */
	fake_advance(13);
	settle();
	assert_true(says(c, "\"pc\":3}", 2000));
	assert_int_equal(stats().queued, 0);
	assert_int_equal(stats().failed, 1);
	assert_int_equal(delivered[7], 2);
	audience_unref(a);
}

static void test_points_of_access(void **state)
{
	struct audience *a = audience_of(7, KEY);

	(void)state;
	publish(a, "1");
	route(KEY, &POA, 1);
	assert_string_equal(fake_requests->url, "http://other.example/x/~/other/Ca");
	fake_answer(fake_requests, 404, "X-M2M-RSC: 5103\r\n", NULL);
	settle();
	assert_null(fake_requests);
	assert_int_equal(stats().queued, 1);
	fake_advance(1.1);
	settle();
	fake_answer(fake_requests, 200, "X-M2M-RSC: 2000\r\n", NULL);
	settle();
	assert_int_equal(stats().queued, 0);
	assert_int_equal(stats().acknowledged, 1);
	audience_unref(a);
}

static void test_polling(void **state)
{
	struct audience *a = audience_of(7, KEY), *b = audience_of(8, "/other/Cb");
	struct conn *c = connect_as("/other", SESSION_JSON);
	bool loading;

	(void)state;
	told = 0;
	ngot = 0;
	notify_on_polled(on_polled, NULL);
	notify_poll(OTHER, 1, INT64_MAX, &loading, keep, NULL);
	assert_int_equal(ngot, 0);
	publish(a, "1");
	publish(a, "2");
	publish(b, "3");
	route(KEY, &POLL, 1);
	assert_int_equal(told, 1);
	route("/other/Cb", &POLL, 1);
	assert_null(fake_read(c));
	assert_true(notify_poll_last(OTHER) > 0);
	for (int i = 0; i < 9 && ngot < 3; i++) {
		notify_poll(OTHER, 1, INT64_MAX, &loading, keep, NULL);
		settle();
	}
	assert_int_equal(ngot, 3);
	assert_non_null(strstr(got[0], "\"pc\":1}"));
	assert_non_null(strstr(got[1], "\"pc\":3}")); /* each target in its turn */
	assert_non_null(strstr(got[2], "\"pc\":2}"));
	for (size_t i = 0; i < 3; i++) {
		struct frame f = { .p = got[i] };

		assert_false(notify_poll_answer(STR("/third"), str_of(field(&f, "rqi")), 2000));
		assert_true(notify_poll_answer(OTHER, str_of(field(&f, "rqi")), 2000));
		settle();
	}
	assert_int_equal(stats().queued, 0);
	audience_unref(a);
	audience_unref(b);
}

static void test_another_way(void **state)
{
	struct audience *a = audience_of(7, KEY);
	struct conn *c = connect_as("/other", SESSION_JSON), *d;

	(void)state;
	publish(a, "1");
	route(KEY, NULL, 0);
	assert_non_null(fake_read(c));
	unknown[0] = '\0';
	notify_reroute();
	settle();
	assert_string_equal(unknown, KEY);
	d = connect_as("/hop", SESSION_JSON);
	notify_target_via(STR(KEY), STR("/hop"));
	notify_target_routes(STR(KEY), NULL, 0);
	settle();
	assert_null(fake_read(c));
	assert_true(says(d, "\"pc\":1}", 2000));
	publish(a, "2");
	assert_non_null(fake_read(d));
	notify_reroute();
	notify_forget_target(STR(KEY)); /* there is no way any more */
	settle();
	assert_int_equal(stats().queued, 0);
	audience_unref(a);
}

/* What waits survives, and its way is asked for again. */
static void test_restart(void **state)
{
	struct audience *a = audience_of(7, KEY);
	struct conn *c;

	(void)state;
	publish(a, "1");
	audience_unref(a);
	restart(true);
	unknown[0] = '\0';
	settle();
	assert_string_equal(unknown, KEY);
	route(KEY, NULL, 0);
	c = connect_as("/other", SESSION_JSON);
	assert_true(says(c, "\"pc\":1}", 2000));
}

/* ---- requests that are passed on -------------------------------------------------------------- */

static struct {
	unsigned n;
	enum pass_end end;
	int rsc;
	char pc[100], whole[300], head[100];
} back;

static void on_passed(void *arg, const struct passed *a)
{
	(void)arg;
	back.n++;
	back.end = a->end;
	back.rsc = a->rsc;
	snprintf(back.pc, sizeof(back.pc), "%.*s", STRFMT(a->pc));
	snprintf(back.whole, sizeof(back.whole), "%.*s", STRFMT(a->whole));
	snprintf(back.head, sizeof(back.head), "%.*s", STRFMT(a->head));
}

static void pass(bool safe)
{
	struct pass p = { .key = OTHER,
			  .frame = STR("{\"op\":2,\"to\":\"/other/x\""),
			  .pc = STR("{\"a\":1}"),
			  .method = "GET",
			  .path = STR("/~/other/x?rcn=4"),
			  .head = STR("X-M2M-Origin: /moon/Ca\r\n"),
			  .rqi = STR("mark/r1"),
			  .safe = safe,
			  .timeout = 5 };

	memset(&back, 0, sizeof(back));
	notify_pass(&p, on_passed, NULL);
	settle();
}

static bool reply(struct conn *c, const struct frame *f, const char *whole)
{
	struct notify_response r = { str_of(field(f, "rqi")), 2000, STR("{}"), str_of(whole) };
	bool ours = notify_answer(c->session, &r);

	settle();
	return ours;
}

static void test_pass_over_connection(void **state)
{
	struct conn *c = connect_as("/other", SESSION_JSON), *d;
	const struct frame *f;
	struct frame kept;

	(void)state;
	pass(false);
	assert_string_equal(unknown, "/other");
	route("/other", NULL, 0);
	f = fake_read(c);
	assert_non_null(f);
	assert_non_null(strstr(f->p, "{\"op\":2,\"to\":\"/other/x\",\"rqi\":\"v"));
	assert_non_null(strstr(f->p, ".mark/r1\",\"pc\":{\"a\":1}}"));
	d = connect_as("/stranger", SESSION_JSON);
	assert_false(reply(d, f, "{}")); /* whoever else answers */
	assert_true(reply(c, f, "{\"cnst\":1}"));
	assert_int_equal(back.n, 1);
	assert_int_equal(back.rsc, 2000);
	assert_string_equal(back.whole, "{\"cnst\":1}");
	assert_false(reply(c, f, "{}"));
	pass(false);
	f = fake_read(c);
	kept = *f;
	fake_advance(6);
	settle();
	assert_int_equal(back.end, PASS_LATE);
	assert_false(reply(c, &kept, "{}"));
	assert_int_equal(back.n, 1);
}

static void test_pass_broken(void **state)
{
	struct conn *c = connect_as("/other", SESSION_JSON);

	(void)state;
	pass(false);
	route("/other", &POA, 1);
	assert_non_null(fake_read(c));
	fake_hangup(c);
	settle();
	assert_int_equal(back.n, 1);
	assert_int_equal(back.end, PASS_BROKEN);
	assert_null(fake_requests);
	c = connect_as("/other", SESSION_JSON);
	pass(true);
	assert_non_null(fake_read(c));
	fake_hangup(c);
	settle();
	assert_int_equal(back.n, 0); /* goes the next way */
	assert_non_null(fake_requests);
	fake_answer(fake_requests, 200, "X-M2M-RSC: 2000\r\n", "{\"b\":2}");
	settle();
	assert_int_equal(back.n, 1);
	assert_string_equal(back.pc, "{\"b\":2}");
}

static void test_pass_over_http(void **state)
{
	struct str two[] = { STR("http://down.example"), POA };

	(void)state;
	pass(false);
	route("/other", two, 2);
	assert_string_equal(fake_requests->url, "http://down.example/~/other/x?rcn=4");
	assert_non_null(strstr(fake_requests->head, "X-M2M-RI: v"));
	assert_non_null(strstr(fake_requests->head, "mark/r1\r\nX-M2M-Origin: /moon/Ca\r\n"));
	fake_answer(fake_requests, 0, "", ""); /* cannot be connected */
	settle();
	assert_string_equal(fake_requests->url, "http://other.example/x/~/other/x?rcn=4");
	fake_answer(fake_requests, 500, "X-M2M-RSC: 5103\r\n", "{\"m2m:dbg\":\"x\"}");
	settle();
	assert_int_equal(back.end, PASS_ANSWERED);
	assert_int_equal(back.rsc, 5103);
	assert_string_equal(back.head, "X-M2M-RSC: 5103\r\n");
	pass(false);
	fake_answer(fake_requests, 503, "", "busy"); /* no CSE's answer */
	settle();
	fake_answer(fake_requests, 502, "", "");
	settle();
	assert_int_equal(back.n, 1);
	assert_int_equal(back.end, PASS_UNREACHED);
	pass(false);
	fake_answer(fake_requests, 404, "", "not here");
	settle();
	assert_int_equal(back.rsc, 4000);
	assert_string_equal(back.pc, "");
}

static void test_token(void **state)
{
	struct audience *a = audience_of(7, KEY);

	(void)state;
	publish(a, "1");
	notify_target_via(STR(KEY), OTHER);
	notify_target_token(STR(KEY), STR("t0k"));
	route(KEY, &POA, 1);
	assert_non_null(strstr(fake_requests->head, "Authorization: Bearer t0k\r\n"));
	fake_answer(fake_requests, 200, "X-M2M-RSC: 2000\r\n", NULL);
	settle();
	pass(false);
	notify_target_token(OTHER, STR("t1k"));
	route("/other", &POA, 1);
	assert_non_null(strstr(fake_requests->head, "Authorization: Bearer t1k\r\n"));
	fake_answer(fake_requests, 200, "X-M2M-RSC: 2000\r\n", NULL);
	settle();
	notify_target_token(OTHER, STR_NONE);
	pass(false);
	assert_null(strstr(fake_requests->head, "Authorization"));
	fake_answer(fake_requests, 200, "X-M2M-RSC: 2000\r\n", NULL);
	settle();
	audience_unref(a);
}

static void test_pass_over_dialled(void **state)
{
	struct str url = STR("ws://other.example/");
	const struct frame *f;
	struct conn *c;

	(void)state;
	pass(false);
	route("/other", &url, 1);
	c = fake_dialled();
	assert_non_null(c);
	fake_dial_open(c);
	settle();
	f = fake_read(c);
	assert_non_null(f);
	fake_advance(4); /* an answer is awaited: it stays open */
	settle();
	fake_dial_closed(c, 1006);
	settle();
	assert_int_equal(back.n, 1);
	assert_int_equal(back.end, PASS_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_after_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_points_of_access, setup, teardown),
		cmocka_unit_test_setup_teardown(test_polling, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pass_over_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pass_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pass_over_http, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pass_over_dialled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
