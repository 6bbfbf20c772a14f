/*
 * test_notify_ways.c - other ways to a target: URLs, points of access, dialled connections,
 * back-off; and single requests of the engine's own.
 */
#define _GNU_SOURCE /* memmem */
#include "notify_help.h"

/* ---- URLs ------------------------------------------------------------------------------------ */

static void test_url(void **state)
{
	struct audience *a = audience_of(1, "http://h/x?ct=json");
	struct request *r;
	char want[200];

	(void)state;
	publish(a, "1");
	publish_as(a, "{\"a\":2}", (struct event_opts){ .ec = 3 });
	r = fake_requests;
	assert_string_equal(r->url, "http://h/x");
	assert_null(r->next); /* one at a time */
	assert_string_equal(r->body, "1");
	assert_non_null(strstr(r->head, "X-M2M-Origin: /moon\r\nX-M2M-RI: n"));
	assert_non_null(strstr(r->head, "X-M2M-RVI: 3\r\nContent-Type: application/json\r\n"));
	snprintf(want, sizeof(want), "%s", r->head);
	fake_answer(r, 503, NULL, NULL);
	settle();
	assert_null(fake_requests); /* backs off */
	fake_advance(1.2);
	settle();
	assert_non_null(fake_requests);
	assert_string_equal(fake_requests->head, want); /* same rqi */
	fake_answer(fake_requests, 204, NULL, NULL);
	settle();
	assert_non_null(strstr(fake_requests->head, "X-M2M-EC: 3\r\n"));
	fake_answer(fake_requests, 404, NULL, NULL);
	settle();
	fake_advance(1);
	settle();
	assert_int_equal(stats().acknowledged, 1);
	assert_int_equal(stats().failed, 1);
	assert_int_equal(fake_ntf_rows, 0);
	audience_unref(a);
}

static void test_url_cbor(void **state)
{
	struct audience *a = audience_of(1, "http://h/x?a=1&ct=cbor");

	(void)state;
	publish(a, "{\"a\":2}");
	assert_string_equal(fake_requests->url, "http://h/x?a=1");
	assert_non_null(strstr(fake_requests->head, "Content-Type: application/cbor\r\n"));
	assert_memory_equal(fake_requests->body, "\xa1\x61\x61\x02", 4);
	audience_unref(a);
}

static void test_url_back_off_grows(void **state)
{
	struct audience *a = audience_of(1, "http://h/x");
	int tries = 0;

	(void)state;
	publish(a, "1");
	for (int i = 0; i < 1200; i++) {
		if (fake_requests) {
			fake_answer(fake_requests, 0, NULL, NULL);
			tries++;
		}
		fake_advance(0.5);
		settle();
	}
	assert_in_range(tries, 14, 30); /* 600 s: 1 2 4 8 16 32 60 60 ..., half of it at least */
	audience_unref(a);
}

static void test_poa(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct str urls[3] = { STR("ws://default"), STR("http://one/?ct=cbor"),
			       STR("http://two/p") };
	struct conn *c;

	(void)state;
	publish(a, "1");
	assert_string_equal(unknown, "Ca");
	assert_null(fake_requests);
	notify_target_routes(STR("Ca"), urls, 3);
	settle();
	assert_string_equal(fake_requests->url, "http://one/Ca");
	assert_non_null(strstr(fake_requests->head, "Content-Type: application/cbor\r\n"));
	fake_answer(fake_requests, 0, NULL, NULL);
	assert_string_equal(fake_requests->url, "http://two/p/Ca");
	c = connect_as("Ca", SESSION_JSON); /* comes while the POST is under way: waits for it */
	publish(a, "2");
	assert_null(fake_read(c));
	fake_answer(fake_requests, 200, "X-M2M-RSC: 2000\r\n", NULL);
	settle();
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	assert_int_equal(stats().acknowledged, 1);
	audience_unref(a);
}

static void dial_answer(struct conn *c, const struct frame *f, int rsc)
{
	char text[300];

	snprintf(text, sizeof(text), "{\"rsc\":%d,\"rqi\":\"%s\"}", rsc, field(f, "rqi"));
	c->cb->message(c->arg, c, str_of(text), false);
	settle();
}

/* The next connection that the engine dials, once it has backed off: in steps, as it gives up one
 * that does not open in time, and the back-off is a matter of chance. */
static struct conn *dialled_again(void)
{
	struct conn *c = NULL;

	for (int i = 0; i < 700 && (!c || c->closing); i++) {
		fake_advance(0.1);
		settle();
		c = fake_dialled();
	}
	assert_non_null(c);
	assert_false(c->closing);
	fake_dial_open(c);
	settle();
	return c;
}

static void test_dialled(void **state)
{
	struct audience *b = audience_of(2, "Cb");
	struct str url = STR("ws://poa/");
	struct conn *c;

	(void)state;
	publish(b, "3");
	notify_target_routes(STR("Cb"), &url, 1);
	settle();
	c = fake_dialled();
	assert_string_equal(c->url, "ws://poa/");
	assert_string_equal(c->protocol, "oneM2M.json");
	fake_dial_open(c);
	settle();
	assert_int_equal(stats().acknowledged, 0); /* an AE answers */
	dial_answer(c, fake_read(c), 2000);
	assert_int_equal(stats().acknowledged, 1);
	publish(b, "4"); /* the same connection */
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":4}"));
	dial_answer(c, &c->frame[1], 2000);
	fake_advance(20);
	assert_true(c->closing);
	fake_dial_closed(c, 1000);
	publish(b, "5");
	fake_dial_open(fake_dialled());
	settle();
	fake_dial_closed(fake_dialled(), 1006);
	settle();
	assert_int_equal(stats().queued, 1);
	audience_unref(b);
}

/* A URL that answers is waited for; what it did not answer comes again, with the same rqi. */
static void test_dialled_url(void **state)
{
	struct audience *a = audience_of(1, "ws://h/x");
	struct conn *c;
	char rqi[64];

	(void)state;
	publish(a, "1");
	publish(a, "2");
	c = fake_dialled();
	assert_string_equal(c->url, "ws://h/x");
	fake_dial_open(c);
	settle();
	fake_advance(1);
	assert_int_equal(stats().acknowledged, 0);
	assert_int_equal(c->nframes, 1);
	snprintf(rqi, sizeof(rqi), "%s", field(c->frame, "rqi"));
	fake_dial_closed(c, 1006); /* it was written, and it is lost */
	settle();
	c = dialled_again();
	assert_string_equal(field(c->frame, "rqi"), rqi);
	assert_non_null(strstr(c->frame->p, "\"pc\":1}"));
	dial_answer(c, c->frame, 2000);
	assert_int_equal(stats().acknowledged, 1);
	assert_int_equal(c->nframes, 2);
	snprintf(rqi, sizeof(rqi), "%s", field(&c->frame[1], "rqi"));
	fake_advance(11); /* it answered before: it is held to it */
	settle();
	assert_true(c->closing);
	assert_int_equal(stats().acknowledged, 1);
	fake_dial_closed(c, 1000);
	c = dialled_again();
	assert_string_equal(field(c->frame, "rqi"), rqi);
	dial_answer(c, c->frame, 4103); /* refused is an answer */
	assert_int_equal(stats().failed, 1);
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 0);
	audience_unref(a);
}

/* A URL need not answer (TS-0004 7.3.1.3): the first notice waits for answer_time, and is then
 * delivered when a ping behind it was answered; so are the next, without that wait. */
static void test_dialled_mute(void **state)
{
	struct audience *a = audience_of(1, "ws://h/x");
	struct conn *c;

	(void)state;
	publish(a, "1");
	publish(a, "2");
	c = fake_dialled();
	fake_dial_open(c);
	settle();
	fake_advance(9.5);
	assert_int_equal(stats().acknowledged, 0);
	fake_advance(1);
	settle();
	assert_false(c->closing);
	assert_int_equal(stats().acknowledged, 2);
	c->silent = true;
	c->passed = c->mark;
	publish(a, "3");
	assert_int_equal(c->nframes, 3);
	assert_int_equal(stats().acknowledged, 2);
	c->passed = c->mark;
	settle();
	assert_int_equal(stats().acknowledged, 3);
	publish(a, "4");
	fake_dial_closed(c, 1006); /* nothing says that it was read */
	settle();
	assert_int_equal(stats().queued, 1);
	c = dialled_again();
	assert_non_null(strstr(c->frame->p, "\"pc\":4}"));
	dial_answer(c, c->frame, 2000); /* late, but it does answer: waited for from now on */
	publish(a, "5");
	fake_advance(5);
	assert_int_equal(stats().acknowledged, 4);
	dial_answer(c, &c->frame[1], 2000);
	assert_int_equal(stats().acknowledged, 5);
	audience_unref(a);
}

/* Neither an answer nor a pong: it comes again. */
static void test_dialled_dead(void **state)
{
	struct audience *a = audience_of(1, "ws://h/x");
	struct conn *c;

	(void)state;
	publish(a, "1");
	c = fake_dialled();
	c->silent = true;
	fake_dial_open(c);
	settle();
	fake_advance(11);
	settle();
	assert_true(c->closing);
	assert_int_equal(stats().queued, 1);
	fake_dial_closed(c, 1000);
	c = dialled_again();
	dial_answer(c, c->frame, 2000);
	assert_int_equal(stats().acknowledged, 1);
	audience_unref(a);
}

/* Without pings nothing can be learned of one that does not answer: an open connection must do. */
static void test_dialled_no_pings(void **state)
{
	struct audience *a = audience_of(1, "ws://h/x");
	struct conn *c;

	(void)state;
	fake_pings = false;
	publish(a, "1");
	c = fake_dialled();
	fake_dial_open(c);
	settle();
	fake_advance(9.5);
	assert_int_equal(stats().acknowledged, 0);
	fake_advance(1);
	assert_int_equal(stats().acknowledged, 1);
	publish(a, "2");
	assert_int_equal(stats().acknowledged, 2);
	fake_dial_closed(c, 1006);
	audience_unref(a);
}

/* A raw frame needs no answer. */
static void test_dialled_raw(void **state)
{
	struct audience *a = audience_of(1, "ws://h/x");

	(void)state;
	publish_as(a, "1", (struct event_opts){ .frame = FRAME_RAW });
	fake_dial_open(fake_dialled());
	settle();
	assert_int_equal(stats().acknowledged, 1);
	audience_unref(a);
}

/* ---- asks ------------------------------------------------------------------------------------ */

static int asked_rsc = -1;

static void on_asked(void *arg, int rsc, struct str pc)
{
	(void)arg;
	(void)pc;
	asked_rsc = rsc;
}

static void test_ask(void **state)
{
	struct conn *c = connect_as("Ca", SESSION_JSON);
	const struct frame *f;

	(void)state;
	notify_ask(STR("Ca"), STR("{\"m2m:sgn\":{\"vrq\":true}}"), 0, 2, on_asked, NULL);
	f = fake_read(c);
	assert_non_null(strstr(f->p, "\"pc\":{\"m2m:sgn\":{\"vrq\":true}}}"));
	assert_true(answer(c, f, 2000));
	assert_int_equal(asked_rsc, 2000);

	notify_ask(STR("Ca"), STR("1"), 0, 2, on_asked, NULL);
	fake_advance(3);
	assert_int_equal(asked_rsc, 0);
	f = fake_read(c);
	assert_false(answer(c, f, 2000));

	notify_ask(STR("Ca"), STR("2"), 0, 2, on_asked, NULL);
	asked_rsc = -1;
	fake_hangup(c);
	settle();
	assert_string_equal(unknown, "Ca"); /* another way? */
	notify_target_routes(STR("Ca"), NULL, 0);
	assert_int_equal(asked_rsc, -1);
	settle();
	assert_int_equal(asked_rsc, 0);

	notify_ask(STR("http://h/"), STR("3"), 0, 2, on_asked, NULL);
	fake_answer(fake_requests, 200, "A: b\r\nx-m2m-rsc: 4101\r\n", NULL);
	assert_int_equal(asked_rsc, 4101);
}

/* ---- gaps ------------------------------------------------------------------------------------ */

/* The engine again, with queues of two; five events for the target, of which it loses some. */
static void overflow(const char *target)
{
	struct audience *a;

	notify_close();
	opts.max_count = 2;
	start();
	a = audience_of(1, target);
	for (const char *t = "1\0002\0003\0004\0005\0"; *t; t += 2)
		publish(a, t);
	audience_unref(a);
}

static void test_gap_url(void **state)
{
	char head[200];

	(void)state;
	overflow("http://h/x"); /* 1 is under way, 2 to 4 make room */
	assert_string_equal(fake_requests->body, "1");
	fake_answer(fake_requests, 200, NULL, NULL);
	settle();
	assert_string_equal(fake_requests->body, "{\"moon2m:gap\":{\"dropped\":3,\"sur\":["
						 "{\"sur\":\"/moon/s1\",\"dropped\":3}]}}");
	assert_non_null(strstr(fake_requests->head, "X-M2M-RI: g"));
	assert_non_null(strstr(fake_requests->head, "Content-Type: application/json\r\n"));
	snprintf(head, sizeof(head), "%s", fake_requests->head);
	fake_answer(fake_requests, 0, NULL, NULL);
	settle();
	assert_null(fake_requests);
	fake_advance(1.2);
	settle();
	assert_string_equal(fake_requests->head, head); /* the same again */
	fake_advance(0.3);
	restart(true); /* it was not told */
	settle();
	assert_non_null(strstr(fake_requests->body, "\"dropped\":3"));
	fake_answer(fake_requests, 400, NULL, NULL); /* not understood: told all the same */
	settle();
	assert_string_equal(fake_requests->body, "5");
	fake_answer(fake_requests, 200, NULL, NULL);
	fake_advance(1);
	settle();
	assert_null(fake_requests);
	restart(false);
	settle();
	assert_null(fake_requests);
}

static void test_gap_poa(void **state)
{
	struct str urls[2] = { STR("http://one/"), STR("http://two/") };

	(void)state;
	overflow("Ca");
	assert_null(fake_requests);
	notify_target_routes(STR("Ca"), urls, 2);
	settle();
	assert_string_equal(fake_requests->url, "http://one/Ca");
	assert_non_null(strstr(fake_requests->body, "\"dropped\":3"));
	fake_answer(fake_requests, 0, NULL, NULL);
	assert_string_equal(fake_requests->url, "http://two/Ca");
	assert_non_null(strstr(fake_requests->body, "\"dropped\":3"));
	fake_answer(fake_requests, 200, NULL, NULL);
	settle();
	assert_string_equal(fake_requests->body, "4");
	fake_answer(fake_requests, 200, NULL, NULL);
	settle();
	assert_string_equal(fake_requests->body, "5");
}

static void test_gap_dialled(void **state)
{
	struct str url = STR("ws://one/");
	struct conn *c;

	(void)state;
	overflow("Ca");
	notify_target_routes(STR("Ca"), &url, 1);
	settle();
	c = fake_dialled();
	c->silent = true;
	fake_dial_open(c);
	settle();
	assert_non_null(strstr(fake_read(c)->p, "\"op\":5,\"to\":\"Ca\""));
	assert_non_null(strstr(c->frame[0].p, "{\"moon2m:gap\":{\"dropped\":3,"));
	fake_advance(1);
	assert_null(fake_read(c));
	fake_dial_closed(c, 1006); /* nobody says that it was read */
	settle();
	c = dialled_again();
	assert_non_null(strstr(c->frame[0].p, "{\"moon2m:gap\":{\"dropped\":3,"));
	fake_advance(0.01);
	assert_non_null(strstr(c->frame[1].p, "\"pc\":4}")); /* nobody has to answer it */
	fake_dial_closed(c, 1006);
}

static void test_gap_dialled_answered(void **state)
{
	struct str url = STR("ws://one/");
	struct conn *c;

	(void)state;
	overflow("Ca");
	notify_target_routes(STR("Ca"), &url, 1);
	settle();
	c = fake_dialled();
	c->silent = true;
	fake_dial_open(c);
	settle();
	dial_answer(c, fake_read(c), 4000); /* not understood, but read */
	assert_non_null(strstr(c->frame[1].p, "\"pc\":4}"));
	fake_dial_closed(c, 1006);
}

/* On a connection of raw frames the pong to a ping behind it tells that the gap was read. */
static void test_gap_raw(void **state)
{
	struct audience *a;
	struct conn *c;

	(void)state;
	notify_close();
	opts.max_count = 2;
	start();
	a = audience_of(1, "Ca");
	for (const char *t = "1\0002\0003\0"; *t; t += 2)
		publish_as(a, t, (struct event_opts){ .frame = FRAME_RAW });
	audience_unref(a);
	for (int i = 0; i < 2; i++) {
		c = fake_accept(SESSION_RAW);
		c->silent = true;
		session_bind(c->session, STR("Ca"));
		settle();
		fake_advance(20);
		settle();
		assert_int_equal(c->nframes, i ? 1 : 3); /* the others were handed over */
		assert_non_null(strstr(fake_read(c)->p, "\"dropped\":1,"));
		if (i)
			break;
		fake_hangup(c);
	}
	assert_int_equal(stats().acknowledged, 2);
	c->silent = false;
	settle();
	fake_hangup(c);
	c = connect_as("Ca", SESSION_RAW);
	assert_null(fake_read(c));
}

/* The gap notice is told to one that does not answer and is seen for some seconds. */
static void told(bool serial_raw, double seconds, bool again)
{
	enum session_serial serial = serial_raw ? SESSION_RAW : SESSION_JSON;
	struct conn *c = connect_as("Ca", serial);

	assert_non_null(strstr(fake_read(c)->p, "\"dropped\":3,"));
	fake_advance(seconds);
	settle();
	fake_hangup(c);
	c = connect_as("Ca", serial);
	assert_int_equal(again, strstr(fake_read(c)->p, "\"dropped\":3,") != NULL);
	fake_hangup(c);
}

/* Of one that answers nothing only pongs tell, and it has answer_time first. */
static void test_gap_unanswered(void **state)
{
	(void)state;
	overflow("Ca");
	told(false, 5, true);
	told(false, 11, false);
}

/* Without pings an open connection must do. */
static void test_gap_no_pings(void **state)
{
	(void)state;
	fake_pings = false;
	overflow("Ca");
	told(true, 5, true);
	told(true, 11, false);
}

/* An answer to what followed it on the connection confirms it. */
static void test_gap_answered_behind(void **state)
{
	struct conn *c;

	(void)state;
	overflow("Ca");
	c = connect_as("Ca", SESSION_JSON);
	fake_read(c);
	assert_true(answer(c, fake_read(c), 2000)); /* behind it: confirms */
	fake_hangup(c);
	c = connect_as("Ca", SESSION_JSON);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":5}"));
	assert_true(answer(c, c->frame, 2000));
}

/* A URL that is a WebSocket, and loses its connection before the gap was told. */
static void test_gap_lost(void **state)
{
	struct conn *c;

	(void)state;
	overflow("ws://h/x?ct=cbor");
	c = fake_dialled();
	fake_dial_closed(c, 1006);
	settle();
	fake_advance(1.2);
	settle();
	c = fake_dialled();
	fake_dial_open(c);
	settle();
	assert_non_null(memmem(c->frame[0].p, c->frame[0].n, "moon2m:gap", 10));
	assert_true(c->frame[0].binary);
	fake_advance(0.01);
	assert_int_equal(c->nframes, 2);
	fake_dial_closed(c, 1006);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_url),
		T(test_url_cbor),
		T(test_url_back_off_grows),
		T(test_poa),
		T(test_dialled),
		T(test_ask),
		T(test_gap_url),
		T(test_gap_poa),
		T(test_gap_dialled),
		T(test_gap_lost),
		T(test_dialled_url),
		T(test_dialled_mute),
		T(test_dialled_dead),
		T(test_dialled_no_pings),
		T(test_dialled_raw),
		T(test_gap_dialled_answered),
		T(test_gap_raw),
		T(test_gap_unanswered),
		T(test_gap_no_pings),
		T(test_gap_answered_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
