/*
 * notify_help.h - what the tests of the notification engine share: the engine over fakes, events,
 * connections, answers.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <malloc.h>

#include <cmocka.h>

#include "cbor.h"
#include "clock.h"
#include "fake_net.h"
#include "fake_store.h"
#include "notify.h"

static struct notify_opts opts;
static unsigned delivered[16];
static char unknown[64];

static inline void on_delivered(void *arg, const struct notify_count *list, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		delivered[list[i].sub & 15] += list[i].n;
}

static inline void on_unknown(void *arg, struct str target)
{
	(void)arg;
	snprintf(unknown, sizeof(unknown), "%.*s", STRFMT(target));
}

static inline void start(void)
{
	struct err e = { 0 };

	opts.net = fake_net;
	opts.store = fake_store;
	opts.cse_id = STR("/moon");
	opts.rvi = "3";
	assert_true(notify_open(&opts, &e));
	notify_on_delivered(on_delivered, NULL);
	notify_on_unknown_target(on_unknown, NULL);
}

static inline int setup(void **state)
{
	(void)state;
	fake_advance(0);
	opts = (struct notify_opts){ .answer_time = 10 };
	memset(delivered, 0, sizeof(delivered));
	unknown[0] = '\0';
	start();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	notify_close();
	fake_net_reset();
	fake_store_wipe();
	return 0;
}

static inline void settle(void)
{
	for (int i = 0; i < 10; i++) {
		fake_turn();
		fake_store_step(100);
	}
}

static inline void restart(bool crash)
{
	if (crash)
		fake_store_crash();
	notify_close();
	fake_net_reset();
	fake_store_up();
	start();
}

static inline void committed(void *arg, const struct store_done *d)
{
	if (d->rc == STORE_OK)
		event_publish(arg);
	else
		event_abandon(arg);
}

static inline void publish_as(struct audience *a, const char *body, struct event_opts o)
{
	struct store_tx *tx = store_tx_new(fake_store);
	struct event *e = event_new(a, &o, str_of(body));

	event_store(e, tx);
	store_commit(fake_store, tx, committed, e);
	settle();
}

static inline void publish(struct audience *a, const char *body)
{
	publish_as(a, body, (struct event_opts){ .frame = FRAME_PRIMITIVE });
}

static inline struct conn *connect_as(const char *aei, enum session_serial serial)
{
	struct conn *c = fake_accept(serial);

	session_bind(c->session, str_of(aei));
	settle();
	return c;
}

/* The value of "name":"..." in a JSON frame. */
static inline const char *field(const struct frame *f, const char *name)
{
	static char out[4][200];
	static int turn;
	char key[40];
	const char *at, *end;
	char *to = out[turn++ & 3];

	snprintf(key, sizeof(key), "\"%s\":\"", name);
	at = strstr(f->p, key);
	assert_non_null(at);
	at += strlen(key);
	end = strchr(at, '"');
	snprintf(to, 200, "%.*s", (int)(end - at), at);
	return to;
}

static inline bool answer(struct conn *c, const struct frame *f, int rsc)
{
	struct notify_response r = { .rqi = str_of(field(f, "rqi")), .rsc = rsc };
	bool ours = notify_answer(c->session, &r);

	settle();
	return ours;
}

static inline struct audience *audience_of(int64_t sub, const char *target)
{
	struct audience *a = audience_new();
	char sur[32];

	snprintf(sur, sizeof(sur), "/moon/s%d", (int)sub);
	audience_add(a, sub, str_of(sur), STR("Cme"), str_of(target));
	return a;
}

static inline struct notify_stats stats(void)
{
	struct notify_stats s;

	notify_stats(&s);
	return s;
}
