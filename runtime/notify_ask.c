/*
 * notify_ask.c - single requests of the CSE's own that wait for their answer (verification,
 * deletion notices, a script's NOTIFY): over the target's connection, else its routes in order.
 * Guarantees: `done` is called exactly once, never from inside notify_ask
 * (but for an engine that is closed), at the latest when the
 * time is up; a request whose connection was lost is repeated on the next way with the same rqi.
 * Never kept in the store.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "cbor.h"
#include "clock.h"

enum ask_state { ASK_NEW, ASK_ROUTES, ASK_SENT, ASK_HTTP, ASK_DIAL, ASK_OVER };

struct ask {
	TAILQ_ENTRY(ask) on;
	uint64_t no;
	enum ask_state state;
	int rsc; /* ASK_OVER */
	struct target *t;
	struct session *s; /* ASK_SENT: over this */
	struct conn *c; /* or this */
	struct buf pc;
	int ec;
	size_t route;
	int64_t due;
	notify_asked done;
	void *arg;
};

struct ask_job {
	unsigned generation;
	uint64_t no;
};

static TAILQ_HEAD(, ask) asks = TAILQ_HEAD_INITIALIZER(asks);
static uint64_t last_no;

static void finish(struct ask *a, int rsc, struct str pc)
{
	TAILQ_REMOVE(&asks, a, on);
	if (a->done)
		a->done(a->arg, rsc, pc);
	target_unref(a->t);
	buf_free(&a->pc);
	free(a);
}

static struct ask *find(uint64_t no)
{
	struct ask *a;

	TAILQ_FOREACH(a, &asks, on)
	{
		if (a->no == no)
			return a;
	}
	return NULL;
}

static void over(struct ask *a, int rsc)
{
	a->state = ASK_OVER;
	a->rsc = rsc;
}

/* ---- the ways -------------------------------------------------------------------------------- */

static void rqi_of(const struct ask *a, struct buf *out)
{
	buf_fmt(out, "v%llx.%llx.%llx", (unsigned long long)ng.boot, (unsigned long long)a->no,
		(unsigned long long)a->t->id);
}

static void send_frame(struct ask *a, struct conn *c, enum session_serial serial)
{
	struct buf rqi = BUF_INIT, frame = BUF_INIT;

	rqi_of(a, &rqi);
	frame_json(&frame, &a->t->to, buf_view(&rqi), a->ec, buf_view(&a->pc));
	(void)send_json(c, serial, &frame);
	buf_free(&rqi);
	buf_free(&frame);
	a->state = ASK_SENT;
}

static void http_answered(void *arg, const struct http_answer *h, const struct err *e)
{
	struct ask_job *j = arg;
	struct ask *a = j->generation == ng.generation && ng.open ? find(j->no) : NULL;

	(void)e;
	free(j);
	if (!a || a->state != ASK_HTTP)
		return;
	if (url_retry(h->status)) {
		a->route++;
		a->state = ASK_NEW;
		return;
	}
	finish(a, url_rsc(h), h->body.n ? h->body : STR_NONE);
}

static void send_http(struct ask *a, const struct route *r)
{
	struct buf rqi = BUF_INIT, head = BUF_INIT, body = BUF_INIT;
	struct ask_job *j = xcalloc(1, sizeof(*j));
	bool cbor = r->cbor && cbor_from_json(buf_view(&a->pc), &body, NULL);
	double left = (double)(a->due - clock_mono()) / 1e6;

	*j = (struct ask_job){ ng.generation, a->no };
	rqi_of(a, &rqi);
	url_head(&head, buf_view(&rqi), a->ec,
		 cbor ? STR("application/cbor") : STR("application/json"));
	a->state = ASK_HTTP;
	http_send(ng.o.net, "POST", r->url, buf_view(&head),
		  cbor ? buf_view(&body) : buf_view(&a->pc), left > 0.05 ? left : 0.05,
		  http_answered, j);
	buf_free(&rqi);
	buf_free(&head);
	buf_free(&body);
}

static void send_dialled(struct ask *a, struct dial *d)
{
	send_frame(a, d->c, d->cbor ? SESSION_CBOR : SESSION_JSON);
	a->c = d->c;
	if (a->t->url)
		over(a, 2000); /* a URL does not answer */
}

static void try_routes(struct ask *a)
{
	struct target *t = a->t;

	for (; a->route < t->nroutes; a->route++) {
		const struct route *r = &t->routes[a->route];

		if (r->scheme == SCHEME_HTTP) {
			send_http(a, r);
			return;
		}
		if (!dial_get(t, r))
			continue;
		a->state = ASK_DIAL;
		if (t->dial->open)
			send_dialled(a, t->dial);
		return;
	}
	over(a, 0);
}

static void try_ways(struct ask *a)
{
	struct target *t = a->t;

	a->s = NULL;
	a->c = NULL;
	if (t->link) {
		a->s = t->link->s;
		send_frame(a, session_conn(a->s), session_serial(a->s));
	} else if (!t->url && !t->routes_known && ng.on_unknown) {
		a->state = ASK_ROUTES;
		t->routes_wanted = true;
		target_list(t, L_KICK);
	} else {
		try_routes(a);
	}
}

void notify_ask(struct str target, struct str pc, int ec, double timeout, notify_asked done,
		void *arg)
{
	struct ask *a;

	if (!ng.open) {
		done(arg, 0, STR_NONE);
		return;
	}
	a = xcalloc(1, sizeof(*a));
	a->no = ++last_no;
	a->t = target_get(target);
	a->t->refs++;
	target_unlist(a->t, L_IDLE);
	buf_str(&a->pc, pc);
	a->ec = ec;
	a->due = clock_mono() + (int64_t)(timeout * 1e6);
	a->done = done;
	a->arg = arg;
	TAILQ_INSERT_TAIL(&asks, a, on);
	try_ways(a);
	tick_need();
}

/* ---- what becomes of them -------------------------------------------------------------------- */

bool ask_answer(struct session *s, struct conn *c, uint64_t no, int rsc, struct str pc)
{
	struct ask *a = find(no);

	if (!a || a->state != ASK_SENT || (s && a->s != s) || (c && a->c != c))
		return false;
	finish(a, rsc, pc);
	return true;
}

void ask_lost(struct target *t, struct session *s, struct conn *c)
{
	struct ask *a;

	TAILQ_FOREACH(a, &asks, on)
	{
		bool dialled = c && a->t == t && (a->c == c || a->state == ASK_DIAL);

		if (!dialled && !(s && a->t == t && a->s == s))
			continue;
		if (a->state != ASK_SENT && a->state != ASK_DIAL)
			continue;
		a->route += dialled;
		a->state = ASK_NEW;
	}
}

void ask_routes(struct target *t)
{
	struct ask *a;

	TAILQ_FOREACH(a, &asks, on)
	{
		if (a->t == t && a->state == ASK_ROUTES)
			a->state = ASK_NEW;
	}
}

void ask_dialled(struct target *t, struct dial *d)
{
	struct ask *a;

	TAILQ_FOREACH(a, &asks, on)
	{
		if (a->t == t && a->state == ASK_DIAL)
			send_dialled(a, d);
	}
}

/* Calls `done` for those that are over; it may add others, which come later. */
void ask_turn(void)
{
	struct ask *a, *next;
	uint64_t last = last_no;

	for (a = TAILQ_FIRST(&asks); a && a->no <= last; a = next) {
		if (a->state == ASK_NEW)
			try_ways(a);
		next = TAILQ_NEXT(a, on);
		if (a->state == ASK_OVER)
			finish(a, a->rsc, STR_NONE);
	}
}

void ask_tick(int64_t now)
{
	struct ask *a;

	TAILQ_FOREACH(a, &asks, on)
	{
		if (now >= a->due && a->state != ASK_OVER)
			over(a, 0);
	}
	ask_turn();
}

bool ask_any(void)
{
	return !TAILQ_EMPTY(&asks);
}

/* Whoever waits hears that there is no answer; what they ask in return is not sent. */
void ask_close(void)
{
	uint64_t last = last_no;
	struct ask *a;

	while ((a = TAILQ_FIRST(&asks))) {
		if (a->no > last)
			a->done = NULL;
		finish(a, 0, STR_NONE);
	}
}
