/*
 * test_notify_books.c - what the operator sees: the notices that are not done, the counters of each
 * subscription and target, metrics by target and
 * by subscription.
 */
#include "notify_help.h"

#include "metrics.h"

static char seen[4096];
static size_t rows;

static void on_notice(void *arg, const struct notify_info *i)
{
	size_t n = strlen(seen);

	(void)arg;
	rows++;
	assert_true(i->at > 0 && i->at <= clock_wall());
	assert_int_equal(i->sub, atoi(i->sur.p + 7));
	snprintf(seen + n, sizeof(seen) - n, "%s %.*s %.*s %u %zu%s%s\n", i->state,
		 STRFMT(i->target), STRFMT(i->sur), i->attempts, i->bytes, i->error ? " " : "",
		 i->error ? i->error : "");
}

static const char *notices(const char *target, int64_t sub, size_t limit)
{
	struct notify_filter f = { .target = str_of(target), .sub = sub };

	seen[0] = '\0';
	rows = 0;
	notify_notices(&f, limit, on_notice, NULL);
	return seen;
}

static void on_account(void *arg, const struct notify_account *a)
{
	size_t n = strlen(seen);

	(void)arg;
	rows++;
	snprintf(seen + n, sizeof(seen) - n, "%.*s %.*s %s %d %d %d/%d %d %d %d/%d%s%s\n",
		 STRFMT(a->sur), STRFMT(a->target), a->state, (int)a->events, (int)a->sent,
		 (int)a->acknowledged, (int)a->answered, (int)a->failed, (int)a->dropped,
		 (int)a->queued, (int)a->held, a->error ? " " : "", a->error ? a->error : "");
	assert_true(a->queued == 0 || a->oldest > 0);
}

static const char *accounts(const char *target, int64_t sub)
{
	struct notify_filter f = { .target = str_of(target), .sub = sub };

	seen[0] = '\0';
	rows = 0;
	notify_accounts(&f, 100, on_account, NULL);
	return seen;
}

/* ---- notices --------------------------------------------------------------------------------- */

static void test_states(void **state)
{
	struct audience *a = audience_of(1, "Ca"), *b = audience_of(2, "Ca"),
			*l = audience_of(2, "lane:2:Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	publish(a, "1");
	publish(b, "22");
	publish(l, "333");
	assert_string_equal(notices("Ca", 1, 9), "sent Ca /moon/s1 1 1\n");
	notices(NULL, 2, 9); /* targets in no order */
	assert_int_equal(rows, 2);
	assert_non_null(strstr(seen, "held Ca /moon/s2 0 3\n"));
	assert_non_null(strstr(seen, "sent Ca /moon/s2 1 2\n"));
	fake_advance(11);
	assert_string_equal(notices("Ca", 1, 9), "sent Ca /moon/s1 1 1 no answer in time\n");
	fake_hangup(c);
	assert_string_equal(notices("Ca", 1, 9), "parked Ca /moon/s1 1 1 no answer in time\n");
	c = connect_as("Ca", SESSION_JSON);
	assert_string_equal(notices("Ca", 1, 9), "sent Ca /moon/s1 2 1 no answer in time\n");
	assert_string_equal(notices("Cb", 0, 9), "");
	notices(NULL, 0, 2);
	assert_int_equal(rows, 2);
	publish_as(a, "{}", (struct event_opts){ .format_failed = "senml" });
	notices(NULL, 0, 9);
	assert_int_equal(rows, 4);
	assert_non_null(strstr(seen, "parked Ca /moon/s1 0 2 format senml failed\n"));
	audience_unref(a);
	audience_unref(b);
	audience_unref(l);
	restart(true); /* and the times are known after a restart */
	notices(NULL, 0, 9);
	assert_int_equal(rows, 4);
}

static void test_url(void **state)
{
	struct audience *a = audience_of(1, "http://h/a");

	(void)state;
	publish(a, "1");
	publish(a, "2");
	assert_string_equal(notices(NULL, 0, 9),
			    "sent http://h/a /moon/s1 1 1\nqueued http://h/a /moon/s1 0 1\n");
	fake_answer(fake_requests, 503, "", "");
	settle();
	assert_string_equal(accounts(NULL, 1),
			    "/moon/s1 http://h/a backs off 2 1 0/0 0 0 2/0 not accepted\n");
	audience_unref(a);
}

static int code;

static void on_code(void *arg, const struct notify_account *a)
{
	(void)arg;
	code = a->code;
}

/* A status is shown as it came; a response code that came with it says more. */
static void test_status(void **state)
{
	struct notify_filter f = { .sub = 1 };
	struct audience *a = audience_of(1, "http://h/a");

	(void)state;
	publish(a, "1");
	fake_answer(fake_requests, 404, "", "");
	settle();
	notify_accounts(&f, 1, on_code, NULL);
	assert_int_equal(code, 404);
	assert_string_equal(accounts(NULL, 1),
			    "/moon/s1 http://h/a dialled 1 1 0/1 1 0 0/0 refused\n");
	publish(a, "2");
	fake_answer(fake_requests, 403, "X-M2M-RSC: 4103\r\n", "");
	settle();
	notify_accounts(&f, 1, on_code, NULL);
	assert_int_equal(code, 4103);
	audience_unref(a);
}

/* ---- accounts -------------------------------------------------------------------------------- */

static void test_counts(void **state)
{
	struct audience *a = audience_new();
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	audience_add(a, 1, STR("/moon/s1"), STR(""), STR("Ca"));
	audience_add(a, 1, STR("/moon/s1"), STR(""), STR("Cb"));
	audience_add(a, 2, STR("/moon/s2"), STR(""), STR("Ca"));
	publish(a, "1");
	assert_true(answer(c, fake_read(c), 2000));
	assert_true(answer(c, fake_read(c), 4101));
	assert_string_equal(accounts("Ca", 1), "/moon/s1 Ca connected 1 1 1/1 0 0 0/0\n");
	assert_string_equal(accounts("Ca", 2), "/moon/s2 Ca connected 1 1 0/1 1 0 0/0 refused\n");
	assert_string_equal(accounts("Cb", 0), "/moon/s1 Cb away 1 0 0/0 0 0 1/0\n");
	audience_unref(a); /* the counters stay */
	accounts(NULL, 0);
	assert_int_equal(rows, 3);
	a = audience_of(1, "Ca");
	publish_as(a, "x", (struct event_opts){ .frame = FRAME_RAW });
	fake_advance(0.1);
	assert_string_equal(accounts("Ca", 1), "/moon/s1 Ca connected 2 2 2/1 0 0 0/0\n");
	audience_unref(a);
	notify_forget_sub(1);
	settle();
	assert_string_equal(accounts(NULL, 1), "");
	accounts(NULL, 0);
	assert_int_equal(rows, 1);
	notify_forget_target(STR("Ca"));
	assert_string_equal(accounts(NULL, 0), "");
}

/* An event that a lane held counts once, a notice that tells of three as three. */
static void test_lane_counts(void **state)
{
	struct audience *l = audience_of(1, "lane:1:Ca"), *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	for (const char *t = "1\0002\0003\0004\0"; *t; t += 2)
		publish(l, t);
	assert_string_equal(accounts("Ca", 1), "/moon/s1 Ca connected 4 0 0/0 0 0 4/4\n");
	lane_drop(STR("lane:1:Ca"), LANE_BUT_NEWEST, NULL, 0, STR("policy"));
	publish_as(a, "[2,3,4]", (struct event_opts){ .count = 3 });
	assert_string_equal(accounts("Ca", 1), "/moon/s1 Ca connected 4 3 0/0 0 3 2/1\n");
	assert_true(answer(c, fake_read(c), 2000));
	assert_string_equal(accounts("Ca", 1), "/moon/s1 Ca connected 4 3 3/3 0 3 1/1\n");
	assert_int_equal(delivered[1], 3);
	audience_unref(l);
	audience_unref(a);
	restart(false); /* from the start on: what was kept was counted */
	assert_string_equal(accounts("Ca", 1), "/moon/s1 Ca away 0 0 0/0 0 0 1/1\n");
}

/* ---- metrics --------------------------------------------------------------------------------- */

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void test_metrics(void **state)
{
	struct audience *a = audience_new();
	struct buf b = BUF_INIT;
	char name[32];

	(void)state;
	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "C%d", i);
		audience_add(a, i + 1, STR("/moon/s1"), STR(""), str_of(name));
	}
	publish(a, "1");
	audience_unref(a);
	a = audience_of(140, "C139");
	publish(a, "2");
	audience_unref(a);
	a = audience_of(200, "http://h/\"x\"");
	publish(a, "2");
	publish(a, "2");
	publish(a, "2");
	audience_unref(a);
	metrics_write(&b);
	buf_char(&b, '\0');
	assert_int_equal(count_of(b.p, "\nmoon2m_target_waiting{"), 101);
	assert_int_equal(count_of(b.p, "\nmoon2m_target_notices_total{"), 404);
	assert_non_null(strstr(b.p, "moon2m_target_waiting{target=\"C139\"} 2\n"));
	assert_non_null(strstr(b.p, "moon2m_target_waiting{target=\"http://h/\\\"x\\\"\"} 3\n"));
	assert_non_null(strstr(b.p, "moon2m_target_waiting{target=\"other\"} 51\n"));
	assert_non_null(strstr(
	    b.p, "moon2m_target_notices_total{target=\"http://h/\\\"x\\\"\",state=\"sent\"} 1\n"));
	buf_free(&b);
}

/* What /metrics says of name{labels}, or -1. */
static long metric(const char *sample)
{
	struct buf b = BUF_INIT;
	const char *at;
	long v;

	metrics_write(&b);
	buf_char(&b, '\0');
	at = strstr(b.p, sample);
	v = at && at[strlen(sample)] == ' ' ? atol(at + strlen(sample)) : -1;
	buf_free(&b);
	return v;
}

/* A lane is no target: what it holds and drops is counted to its own. */
static void test_lane_metrics(void **state)
{
	struct audience *l = audience_of(1, "lane:1:Ca"), *a = audience_of(1, "Ca");
	char name[32];

	(void)state;
	for (const char *t = "1\0002\0003\0004\0"; *t; t += 2)
		publish(l, t);
	publish(a, "5");
	assert_int_equal(metric("moon2m_target_waiting{target=\"Ca\"}"), 5);
	assert_int_equal(lane_drop(STR("lane:1:Ca"), LANE_BUT_NEWEST, NULL, 0, STR("policy")), 3);
	assert_int_equal(metric("moon2m_target_waiting{target=\"Ca\"}"), 2);
	assert_int_equal(metric("moon2m_target_notices_total{target=\"Ca\",state=\"dropped\"}"), 3);
	assert_int_equal(metric("moon2m_target_waiting{target=\"other\"}"), 0);
	for (int i = 0; i < 150; i++) { /* idle ones take no places */
		snprintf(name, sizeof(name), "lane:%d:Cb", i + 2);
		audience_add(l, i + 2, STR("/moon/s2"), STR(""), str_of(name));
	}
	assert_int_equal(metric("moon2m_target_waiting{target=\"lane:1:Ca\"}"), -1);
	assert_int_equal(metric("moon2m_target_waiting{target=\"lane:9:Cb\"}"), -1);
	assert_int_equal(metric("moon2m_target_waiting{target=\"Cb\"}"), 0);
	audience_unref(l);
	audience_unref(a);
}

#define OF(sub, state) "moon2m_subscription_notices_total{sub=\"" sub "\",state=\"" state "\"}"
#define EVENTS(sub) "moon2m_subscription_events_total{sub=\"" sub "\"}"
#define WAITING(sub) "moon2m_subscription_waiting{sub=\"" sub "\"}"

static void test_sub_metrics(void **state)
{
	struct audience *a = audience_new(), *l = audience_of(1, "lane:1:Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	audience_add(a, 1, STR("/moon/s1"), STR(""), STR("Ca"));
	audience_add(a, 1, STR("/moon/s1"), STR(""), STR("Cb"));
	audience_add(a, 2, STR("/moon/s2"), STR(""), STR("Ca"));
	publish(a, "1");
	publish(l, "2");
	assert_true(answer(c, fake_read(c), 2000));
	assert_true(answer(c, fake_read(c), 4101));
	assert_int_equal(metric(EVENTS("/moon/s1")), 3);
	assert_int_equal(metric(WAITING("/moon/s1")), 2);
	assert_int_equal(metric(OF("/moon/s1", "sent")), 1);
	assert_int_equal(metric(OF("/moon/s1", "acknowledged")), 1);
	assert_int_equal(metric(OF("/moon/s1", "failed")), 0);
	assert_int_equal(metric(OF("/moon/s2", "failed")), 1);
	assert_int_equal(lane_drop(STR("lane:1:Ca"), LANE_ALL, NULL, 0, STR("policy")), 1);
	assert_int_equal(metric(OF("/moon/s1", "dropped")), 1);
	assert_int_equal(metric(WAITING("/moon/s1")), 1);
	audience_unref(a);
	audience_unref(l);
	notify_forget_sub(1); /* what is counted of it stays in the sum */
	settle();
	assert_int_equal(metric(EVENTS("/moon/s1")), -1);
	assert_int_equal(metric(EVENTS("other")), 3);
	assert_int_equal(metric(OF("other", "acknowledged")), 1);
	assert_int_equal(metric(OF("other", "dropped")), 2);
	assert_int_equal(metric(WAITING("other")), 0);
}

/* What finds no room beside more important ones never waited, and is counted. */
static void test_sub_dropped(void **state)
{
	struct audience *a, *b;

	(void)state;
	notify_close();
	opts.max_count = 2;
	start();
	a = audience_of(1, "Ca");
	b = audience_of(2, "Ca");
	notify_priority(1, 5);
	publish(a, "1");
	publish(a, "2");
	publish(b, "3");
	assert_string_equal(accounts("Ca", 2), "/moon/s2 Ca away 1 0 0/0 0 1 0/0\n");
	assert_int_equal(metric(OF("/moon/s2", "dropped")), 1);
	assert_int_equal(metric(WAITING("/moon/s1")), 2);
	audience_unref(a);
	audience_unref(b);
}

static void test_sub_bound(void **state)
{
	struct audience *a = audience_new(), *b = audience_of(140, "Ca");
	struct buf text = BUF_INIT;
	char sur[32];

	(void)state;
	for (int i = 0; i < 150; i++) {
		snprintf(sur, sizeof(sur), "/moon/s%d", i + 1);
		audience_add(a, i + 1, str_of(sur), STR(""), STR("Ca"));
	}
	publish(a, "1");
	publish(b, "2");
	audience_unref(b);
	metrics_write(&text);
	buf_char(&text, '\0');
	assert_int_equal(count_of(text.p, "\nmoon2m_subscription_waiting{"), 101);
	assert_int_equal(count_of(text.p, "\nmoon2m_subscription_events_total{"), 101);
	assert_int_equal(count_of(text.p, "\nmoon2m_subscription_notices_total{"), 404);
	buf_free(&text);
	assert_int_equal(metric(WAITING("/moon/s140")), 2);
	assert_int_equal(metric(WAITING("other")), 50);
	audience_add(a, 200, STR("/moon/s140"), STR(""), STR("Cb")); /* a second one of that name */
	for (int i = 0; i < 3; i++)
		publish(a, "3");
	metrics_write(&text);
	buf_char(&text, '\0');
	assert_int_equal(count_of(text.p, WAITING("/moon/s140")), 1);
	buf_free(&text);
	audience_unref(a);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_states),    T(test_url),          T(test_counts),      T(test_lane_counts),
		T(test_metrics),   T(test_lane_metrics), T(test_sub_metrics), T(test_sub_dropped),
		T(test_sub_bound), T(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
