/*
 * test_notify.c - the notification engine case by case: slots, frames to the byte, window, answers,
 * take-over, order.
 */
#include "notify_help.h"

static bool answer_as(struct session *s, struct str rqi, int rsc, struct str pc)
{
	return notify_answer(s, &(struct notify_response){ rqi, rsc, pc, STR_NONE });
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void test_frame_json(void **state)
{
	struct audience *a = audience_of(5, "Cpump");
	struct conn *c = connect_as("Cpump", SESSION_JSON);
	const struct frame *f;
	char body[200], want[300];

	(void)state;
	snprintf(body, sizeof(body),
		 "{\"m2m:sgn\":{\"nev\":{\"rep\":1},\"sur\":\"%.*s\",\"cr\":\"<%.*s>\"}}",
		 STRFMT(notify_slot_text(SLOT_SUR)), STRFMT(notify_slot_text(SLOT_CR)));
	publish(a, body);
	f = fake_read(c);
	assert_non_null(f);
	assert_false(f->binary);
	snprintf(want, sizeof(want),
		 "{\"op\":5,\"to\":\"Cpump\",\"fr\":\"/moon\",\"rqi\":\"%s\",\"rvi\":\"3\",\"pc\":"
		 "{\"m2m:sgn\":{\"nev\":{\"rep\":1},\"sur\":\"/moon/s5\",\"cr\":\"<Cme>\"}}}",
		 field(f, "rqi"));
	assert_string_equal(f->p, want);
	assert_null(fake_read(c));
	audience_unref(a);
}

static void test_frame_escapes(void **state)
{
	struct audience *a = audience_new();
	struct conn *c;
	const struct frame *f;
	char body[100];

	(void)state;
	audience_add(a, 1, STR("a\"b\\c"), STR(""), STR("C\"q"));
	c = connect_as("C\"q", SESSION_JSON);
	snprintf(body, sizeof(body), "[\"%.*s\"]", STRFMT(notify_slot_text(SLOT_SUR)));
	publish_as(a, body, (struct event_opts){ .frame = FRAME_PRIMITIVE, .ec = 4 });
	f = fake_read(c);
	assert_non_null(strstr(f->p, "\"to\":\"C\\\"q\""));
	assert_non_null(strstr(f->p, "\"ec\":4,\"pc\":[\"a\\\"b\\\\c\"]}"));
	assert_true(jscan_check((struct str){ f->p, f->n }, JSCAN_DEFAULT, NULL));
	audience_unref(a);
}

/* The CBOR frame is the one that converting the JSON frame gives. */
static void test_frame_cbor(void **state)
{
	struct audience *a = audience_new();
	struct conn *c, *j;
	struct buf json = BUF_INIT, again = BUF_INIT;
	const struct frame *f, *g;
	char body[300], sur[300], *to;

	(void)state;
	memset(sur, 's', 280);
	sur[280] = '\0';
	audience_add(a, 1, str_of(sur), STR("Cme"), STR("Cbin"));
	audience_add(a, 1, str_of(sur), STR("Cme"), STR("Ctxt"));
	c = connect_as("Cbin", SESSION_CBOR);
	j = connect_as("Ctxt", SESSION_JSON);
	snprintf(body, sizeof(body),
		 "{\"a\":[1,-5,2.5,true,null,\"x%.*sy%.*s\"],\"b\":{\"%s\":\"%.*s\"}}",
		 STRFMT(notify_slot_text(SLOT_CR)), STRFMT(notify_slot_text(SLOT_SUR)), "plain",
		 STRFMT(notify_slot_text(SLOT_RQI)));
	publish(a, body);
	f = fake_read(c);
	g = fake_read(j);
	assert_non_null(f);
	assert_true(f->binary);
	assert_true(cbor_to_json((struct str){ f->p, f->n }, JSCAN_DEFAULT, &json, NULL));
	assert_true(cbor_from_json(buf_view(&json), &again, NULL));
	assert_int_equal(again.n, f->n);
	assert_memory_equal(again.p, f->p, f->n);
	buf_char(&json, '\0');
	to = strstr(json.p, "Cbin");
	memcpy(to, "Ctxt", 4);
	/* rqi ends in the target's id: compare up to it and behind it */
	assert_memory_equal(json.p, g->p, (size_t)(strstr(g->p, "\"rqi\"") - g->p));
	assert_non_null(strstr(json.p, "\"xCmeysss"));
	assert_null(strstr(json.p, "~"));
	buf_free(&json);
	buf_free(&again);
	audience_unref(a);
}

static void test_slots_cannot_be_imitated(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);
	char body[200], fake[32];

	(void)state;
	snprintf(fake, sizeof(fake), "%.*s", STRFMT(notify_slot_text(SLOT_SUR)));
	fake[3] ^= 1; /* another nonce */
	snprintf(body, sizeof(body), "[\"%s\",\"%.*s\",\"~~%.10s\"]", fake,
		 STRFMT(notify_slot_text(SLOT_TO)), fake);
	publish(a, body);
	snprintf(body, sizeof(body), "\"pc\":[\"%s\",\"Ca\",\"~~%.10s\"]}", fake, fake);
	assert_non_null(strstr(fake_read(c)->p, body));
	audience_unref(a);
}

static void test_raw(void **state)
{
	struct audience *a = audience_of(2, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);
	const struct frame *f;

	(void)state;
	fake_full(c, true);
	publish_as(a, "\x01\x02", (struct event_opts){ .frame = FRAME_RAW, .binary = true });
	fake_turn();
	assert_int_equal(stats().queued, 1);
	c->full = false;
	fake_turn();
	settle();
	assert_int_equal(stats().acknowledged, 1);
	f = fake_read(c);
	assert_true(f && f->binary && f->n == 2 && memcmp(f->p, "\x01\x02", 2) == 0);
	assert_int_equal(delivered[2], 1);
	audience_unref(a);
}

/* A raw frame stuck in the kernel when the connection goes is sent again. */
static void test_raw_lost(void **state)
{
	struct audience *a = audience_of(2, "Ca");
	struct conn *c = connect_as("Ca", SESSION_RAW);

	(void)state;
	publish_as(a, "one", (struct event_opts){ .frame = FRAME_RAW });
	assert_int_equal(stats().acknowledged, 1);
	c->stuck = xcalloc(1, sizeof(*c->stuck)); /* the kernel is full from here */
	c->stuck[0].p = xstrdup("");
	c->nstuck = 1;
	publish_as(a, "two", (struct event_opts){ .frame = FRAME_RAW });
	assert_int_equal(stats().acknowledged, 1);
	fake_hangup(c);
	c = connect_as("Ca", SESSION_RAW);
	assert_string_equal(fake_read(c)->p, "two");
	assert_int_equal(stats().acknowledged, 2);
	audience_unref(a);
}

/* ---- delivery -------------------------------------------------------------------------------- */

static void test_acknowledged(void **state)
{
	struct audience *a = audience_of(3, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);
	const struct frame *f;

	(void)state;
	publish(a, "1");
	publish(a, "2");
	f = fake_read(c);
	assert_int_equal(fake_ntf_rows, 2);
	assert_true(answer(c, f, 2000));
	assert_false(answer(c, f, 2000)); /* once is enough */
	f = fake_read(c);
	assert_true(answer(c, f, 4004));
	fake_advance(1);
	settle();
	assert_int_equal(fake_ntf_rows, 0);
	assert_int_equal(stats().acknowledged, 1);
	assert_int_equal(stats().failed, 1);
	assert_int_equal(stats().queued, 0);
	assert_int_equal(delivered[3], 1);
	assert_true(notify_drained());
	assert_false(answer_as(c->session, STR("n1.zz.3"), 2000, STR_NONE));
	assert_false(answer_as(c->session, STR("theirs"), 2000, STR_NONE));
	assert_false(answer_as(c->session, STR(""), 2000, STR_NONE));
	audience_unref(a);
}

static int64_t refused_sub;

static void on_refused(void *arg, int64_t sub, struct str target, int rsc)
{
	(void)arg;
	assert_true(str_is(target, "Ca"));
	assert_int_equal(rsc, 5205);
	refused_sub = sub;
}

static void test_refused(void **state)
{
	struct audience *a = audience_of(4, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	notify_on_refused(on_refused, NULL);
	publish(a, "1");
	assert_true(answer(c, fake_read(c), 5205));
	assert_int_equal(refused_sub, 4);
	notify_on_refused(NULL, NULL);
	audience_unref(a);
}

static unsigned leaving;

static void on_leaving(void *arg, int64_t sub, struct str target)
{
	(void)arg;
	assert_int_equal(sub, 4);
	assert_true(str_is(target, "Ca"));
	leaving++;
}

/* A word in the content of an answer asks for the target's removal; the notice is done as any. */
static void test_leaving(void **state)
{
	static const struct {
		const char *pc;
		bool leaves;
	} answers[] = {
		{ "{\"trr\":true}", true },
		{ "{\"m2m:sgn\":{\"sur\":\"x\",\"trr\":true}}", true },
		{ "{\"trr\":false}", false },
		{ "{\"trr\":\"true\"}", false },
		{ "{\"m2m:sgn\":{}}", false },
		{ "[{\"trr\":true}]", false },
		{ "{\"trr\":true", false },
		{ "", false },
	};
	struct audience *a = audience_of(4, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	notify_on_leaving(on_leaving, NULL);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		unsigned before = leaving;
		char rqi[64];

		publish(a, "1");
		snprintf(rqi, sizeof(rqi), "%s", field(fake_read(c), "rqi"));
		assert_true(answer_as(c->session, str_of(rqi), 2000, str_of(answers[i].pc)));
		assert_int_equal(leaving - before, answers[i].leaves);
		assert_false(answer_as(c->session, str_of(rqi), 2000, str_of(answers[i].pc)));
		assert_int_equal(leaving - before, answers[i].leaves);
	}
	assert_int_equal(stats().acknowledged, sizeof(answers) / sizeof(answers[0]));
	notify_on_leaving(NULL, NULL);
	audience_unref(a);
}

static void test_window(void **state)
{
	struct audience *a;
	struct conn *c;
	const struct frame *f[20];
	int n = 0;

	(void)state;
	notify_close();
	opts.window = 8;
	start();
	c = connect_as("Ca", SESSION_JSON);
	a = audience_of(1, "Ca");
	for (int i = 0; i < 20; i++)
		publish(a, "1");
	while ((f[n] = fake_read(c)))
		n++;
	assert_int_equal(n, 8);
	assert_true(answer(c, f[3], 2000));
	assert_true(answer(c, f[0], 2000));
	fake_advance(1);
	settle();
	while ((f[n] = fake_read(c)))
		n++;
	assert_int_equal(n, 10);
	audience_unref(a);
}

static void test_take_over(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON), *d;
	char first[2][64];
	const struct frame *f;

	(void)state;
	publish(a, "1");
	publish(a, "2");
	for (int i = 0; i < 2; i++) {
		f = fake_read(c);
		snprintf(first[i], sizeof(first[i]), "%s", field(f, "rqi"));
	}
	d = connect_as("Ca", SESSION_JSON);
	assert_int_equal(c->code, 1000);
	publish(a, "3");
	for (int i = 0; i < 2; i++)
		assert_string_equal(field(fake_read(d), "rqi"), first[i]);
	f = fake_read(d);
	assert_non_null(strstr(f->p, "\"pc\":3}"));
	assert_false(answer_as(c->session, str_of(first[0]), 2000, STR_NONE));
	assert_true(answer_as(d->session, str_of(first[0]), 2000, STR_NONE));
	assert_int_equal(stats().requeued, 2);
	audience_unref(a);
}

static void test_unanswered(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);
	const struct frame *f;
	char rqi[64];

	(void)state;
	publish(a, "1");
	f = fake_read(c);
	snprintf(rqi, sizeof(rqi), "%s", field(f, "rqi"));
	fake_advance(11);
	assert_int_equal(stats().queued, 1);
	assert_null(fake_read(c)); /* not again on this connection */
	publish(a, "2");
	assert_true(answer(c, fake_read(c), 2000));
	fake_hangup(c);
	c = connect_as("Ca", SESSION_JSON);
	f = fake_read(c);
	assert_string_equal(field(f, "rqi"), rqi);
	assert_null(fake_read(c));
	fake_advance(11);
	assert_true(answer(c, f, 2000)); /* late is better than never */
	assert_int_equal(stats().queued, 0);
	audience_unref(a);
}

static void test_many_on_one_connection(void **state)
{
	struct audience *a = audience_new();
	struct conn *c = fake_accept(SESSION_JSON);
	const struct frame *f;
	int n = 0, to_b = 0;

	(void)state;
	audience_add(a, 1, STR("s1"), STR(""), STR("Ca"));
	audience_add(a, 1, STR("s1"), STR(""), STR("Cb"));
	audience_add(a, 1, STR("s1"), STR(""), STR("Cb")); /* twice is once */
	assert_int_equal(audience_size(a), 2);
	session_bind(c->session, STR("Ca"));
	session_bind(c->session, STR("Cb"));
	fake_fill_room = c->room = 1;
	publish(a, "1");
	publish(a, "2");
	while ((f = fake_read(c))) {
		to_b += strcmp(field(f, "to"), "Cb") == 0;
		assert_true(answer(c, f, 2000));
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(to_b, 2);
	assert_int_equal(delivered[1], 4);
	audience_remove(a, 1);
	assert_int_equal(audience_size(a), 0);
	audience_unref(a);
}

static void test_abandoned(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);

	(void)state;
	publish(a, "0");
	fake_store_fail(1);
	publish(a, "1");
	publish(a, "2");
	fake_read(c);
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":2}"));
	assert_null(fake_read(c));
	audience_unref(a);
}

/* Published in another order than stored: they leave in the order of the store. */
static void test_order_of_commit(void **state)
{
	struct audience *a = audience_of(1, "Ca");
	struct conn *c = connect_as("Ca", SESSION_JSON);
	struct store_tx *tx = store_tx_new(fake_store);
	struct event_opts o = { .frame = FRAME_PRIMITIVE };
	struct event *e = event_new(a, &o, STR("1")), *f = event_new(a, &o, STR("2")),
		     *g = event_new(a, &o, STR("3"));

	(void)state;
	event_store(e, tx);
	event_store(f, tx);
	event_store(g, tx);
	store_tx_free(tx);
	event_publish(g);
	settle();
	assert_null(fake_read(c));
	event_abandon(f);
	event_publish(e);
	settle();
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":1}"));
	assert_non_null(strstr(fake_read(c)->p, "\"pc\":3}"));
	audience_unref(a);
}

/* ---- many at once ---------------------------------------------------------------------------- */

#define CROWD 300

static struct audience *crowd(struct conn *c[CROWD])
{
	struct audience *a = audience_new();
	char aei[16];

	for (int i = 0; i < CROWD; i++) {
		snprintf(aei, sizeof(aei), "C%d", i);
		c[i] = fake_accept(SESSION_RAW);
		session_bind(c[i]->session, str_of(aei));
		audience_add(a, 1 + i, STR("/moon/s"), STR("Cme"), str_of(aei));
	}
	settle();
	return a;
}

static struct event *submit(struct audience *a, const char *body)
{
	struct event_opts o = { .frame = FRAME_RAW };
	struct store_tx *tx = store_tx_new(fake_store);
	struct event *e = event_new(a, &o, str_of(body));

	event_store(e, tx);
	store_commit(fake_store, tx, committed, e);
	return e;
}

/* What is being committed leaves with what is there already, in order. */
static void test_many_wait_for_more(void **state)
{
	struct conn *c[CROWD];
	struct audience *a = crowd(c);

	(void)state;
	publish_as(a, "0", (struct event_opts){ .frame = FRAME_RAW }); /* and its rows */
	for (int i = 0; i < CROWD; i++)
		assert_string_equal(fake_read(c[i])->p, "0");
	submit(a, "1");
	submit(a, "2");
	fake_store_step(1);
	fake_turn();
	assert_null(fake_read(c[0]));
	fake_store_step(1);
	fake_turn();
	for (int i = 0; i < CROWD; i++) {
		assert_string_equal(fake_read(c[i])->p, "1");
		assert_string_equal(fake_read(c[i])->p, "2");
	}
	settle();
	for (int i = 0; i < 16; i++) /* subscriptions 1 to 300, 1 to 12 once more */
		assert_int_equal(delivered[i], 3 * (CROWD / 16 + (i >= 1 && i <= CROWD % 16)));
	audience_unref(a);
}

/* A commit that takes its time holds nothing back for longer than two milliseconds. */
static void test_many_do_not_wait_long(void **state)
{
	struct conn *c[CROWD];
	struct audience *a = crowd(c);

	(void)state;
	publish_as(a, "0", (struct event_opts){ .frame = FRAME_RAW });
	submit(a, "1");
	submit(a, "2");
	fake_store_step(1);
	fake_advance(0.001);
	assert_string_equal(fake_read(c[0])->p, "0");
	assert_null(fake_read(c[0]));
	fake_advance(0.0015);
	for (int i = 1; i < CROWD; i++)
		assert_string_equal(fake_read(c[i])->p, "0");
	for (int i = 0; i < CROWD; i++)
		assert_string_equal(fake_read(c[i])->p, "1");
	settle();
	for (int i = 0; i < CROWD; i++)
		assert_string_equal(fake_read(c[i])->p, "2");
	audience_unref(a);
}

/* A connection that goes while it waits is taken out; the others get theirs. */
static void test_one_of_many_goes(void **state)
{
	struct conn *c[CROWD];
	struct audience *a = crowd(c);

	(void)state;
	publish_as(a, "0", (struct event_opts){ .frame = FRAME_RAW });
	submit(a, "1");
	submit(a, "2");
	fake_store_step(1);
	fake_turn();
	fake_hangup(c[7]);
	settle();
	fake_read(c[8]);
	assert_string_equal(fake_read(c[8])->p, "1");
	assert_string_equal(fake_read(c[8])->p, "2");
	assert_int_equal(stats().queued, 2);
	audience_unref(a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_frame_json),
		T(test_frame_escapes),
		T(test_frame_cbor),
		T(test_slots_cannot_be_imitated),
		T(test_raw),
		T(test_raw_lost),
		T(test_acknowledged),
		T(test_refused),
		T(test_leaving),
		T(test_window),
		T(test_take_over),
		T(test_unanswered),
		T(test_many_on_one_connection),
		T(test_abandoned),
		T(test_order_of_commit),
		T(test_many_wait_for_more),
		T(test_many_do_not_wait_long),
		T(test_one_of_many_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
