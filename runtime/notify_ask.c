/*
 * notify_ask.c - single requests that wait for their answer: the CSE's own (verification, a
 * blocking update, a script's NOTIFY), and those of others that are passed on to another CSE; over
 * the target's connection, else its routes in order.
 * Guarantees: `done` is called exactly once, never from inside notify_ask or notify_pass (but for an
 * engine that is closed), at the latest when the time is up; a request whose connection was lost is
 * repeated on the next way with the same rqi, one that is passed on only when it is safe.
 * Never kept in the store.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "cbor.h"
#include "clock.h"
#include "jscan.h"
#include "log.h"

#define SPARE 20000 /* us before the time is up: it is */

enum ask_state { ASK_NEW, ASK_ROUTES, ASK_SENT, ASK_HTTP, ASK_DIAL, ASK_OVER };

struct ask {
	TAILQ_ENTRY(ask) on;
	struct node by_no;
	uint64_t no;
	enum ask_state state;
	enum pass_end end; /* ASK_OVER */
	int rsc; /* ASK_OVER and answered */
	struct target *t;
	struct session *s; /* ASK_SENT: over this */
	struct conn *c; /* or this */
	struct pass *pass; /* NULL: the CSE's own; its strings stand behind it */
	struct buf pc; /* the CSE's own */
	int ec;
	size_t route;
	int64_t due;
	notify_asked done;
	notify_passed passed;
	void *arg;
};

struct ask_job {
	unsigned generation;
	uint64_t no;
};

static TAILQ_HEAD(, ask) asks = TAILQ_HEAD_INITIALIZER(asks);
static struct map by_no;
static uint64_t last_no;

/* Over a connection that was dialled, which stays as long as an answer is awaited. */
static void await(struct ask *a, struct conn *c)
{
	struct dial *d = a->t->dial;

	if (a->c && d && d->c == a->c && d->awaited)
		d->awaited--;
	a->c = c;
	if (c && d && d->c == c)
		d->awaited++;
}

static void finish(struct ask *a, const struct passed *r)
{
	await(a, NULL);
	TAILQ_REMOVE(&asks, a, on);
	map_del(&by_no, &a->by_no);
	if (a->pass)
		ng.count[C_PASSED + r->end]++;
	if (a->passed)
		a->passed(a->arg, r);
	else if (a->done)
		a->done(a->arg, r->rsc, r->pc);
	target_unref(a->t);
	buf_free(&a->pc);
	free(a->pass);
	free(a);
}

static struct ask *find(uint64_t no)
{
	uint64_t hash = hash_int(no);

	for (struct node *n = map_first(&by_no, hash); n; n = map_next(n)) {
		struct ask *a = container_of(n, struct ask, by_no);

		if (a->no == no)
			return a;
	}
	return NULL;
}

static void over(struct ask *a, enum pass_end end, int rsc)
{
	a->state = ASK_OVER;
	a->end = end;
	a->rsc = rsc;
}

/* The way that it was sent on broke: the next one, unless it may have been executed. */
static void broke(struct ask *a, bool next_route)
{
	if (a->pass && !a->pass->safe) {
		over(a, PASS_BROKEN, 0);
		return;
	}
	a->route += next_route;
	a->state = ASK_NEW;
}

/* ---- the ways -------------------------------------------------------------------------------- */

static void rqi_of(const struct ask *a, struct buf *out)
{
	buf_fmt(out, "v%llx.%llx.%llx", (unsigned long long)ng.boot, (unsigned long long)a->no,
		(unsigned long long)a->t->id);
	if (a->pass)
		buf_fmt(out, ".%.*s", STRFMT(a->pass->rqi));
}

static void frame_pass(struct buf *out, const struct pass *p, struct str rqi)
{
	buf_str(out, p->frame);
	buf_str(out, STR(",\"rqi\":"));
	buf_json(out, rqi);
	if (p->pc.p) {
		buf_str(out, STR(",\"pc\":"));
		buf_str(out, p->pc);
	}
	buf_char(out, '}');
}

/* False: there is no room in the connection now. */
static bool send_frame(struct ask *a, struct conn *c, enum session_serial serial)
{
	struct buf rqi = BUF_INIT, frame = BUF_INIT;
	bool sent;

	rqi_of(a, &rqi);
	if (a->pass)
		frame_pass(&frame, a->pass, buf_view(&rqi));
	else
		frame_json(&frame, &a->t->to, buf_view(&rqi), a->ec, buf_view(&a->pc));
	sent = send_json(c, serial, &frame);
	buf_free(&rqi);
	buf_free(&frame);
	if (sent)
		a->state = ASK_SENT;
	return sent;
}

/* An answer that is none of a CSE's means that no CSE was there. */
static bool http_elsewhere(const struct ask *a, const struct http_answer *h)
{
	if (!a->pass)
		return url_retry(h->status);
	return h->status == 429 || (h->status >= 502 && h->status <= 504);
}

/* It goes on in the next turn, which comes soon. */
static void http_failed(struct ask *a, const struct http_answer *h)
{
	tick_soon();
	if (a->pass && a->due - clock_mono() < SPARE) {
		over(a, PASS_LATE, 0);
		return;
	}
	if (h->status == 0 && h->sent) {
		broke(a, true);
		return;
	}
	a->route++;
	a->state = ASK_NEW;
}

static void http_finished(struct ask *a, const struct http_answer *h)
{
	struct passed r = { PASS_ANSWERED, url_rsc(h), h->body, STR_NONE, h->head, false };

	if (!h->body.n)
		r.pc = STR_NONE;
	if (a->pass && r.pc.p && !jscan_check(r.pc, JSCAN_DEFAULT, NULL)) {
		r.pc = STR_NONE;
		r.unreadable = true;
	}
	finish(a, &r);
}

static void http_answered(void *arg, const struct http_answer *h, const struct err *e)
{
	struct ask_job *j = arg;
	struct ask *a = j->generation == ng.generation && ng.open ? find(j->no) : NULL;

	free(j);
	if (!a || a->state != ASK_HTTP)
		return;
	if (h->status == 0 || (http_elsewhere(a, h) && !(a->pass && url_says(h)))) {
		log_debug("notify", "not taken target=%s status=%d reason=%s", log_quote(a->t->key),
			  h->status, log_quote(h->status || !e ? STR("-") : str_of(e->msg)));
		http_failed(a, h);
		return;
	}
	http_finished(a, h);
}

/* What is left; with another way behind this one, half of it. */
static double time_left(const struct ask *a)
{
	double left = (double)(a->due - clock_mono()) / 1e6;

	if (a->pass && a->route + 1 < a->t->nroutes)
		left /= 2;
	return left > 0.05 ? left : 0.05;
}

static void pass_http(struct ask *a, const struct route *r, struct str rqi, struct ask_job *j)
{
	const struct pass *p = a->pass;
	struct buf url = BUF_INIT, head = BUF_INIT;

	buf_str(&url, (struct str){ r->url, r->base });
	buf_str(&url, p->path);
	buf_char(&url, '\0');
	buf_fmt(&head, "X-M2M-RI: %.*s\r\n", STRFMT(rqi));
	buf_str(&head, p->head);
	remote_proof(a->t, &head);
	http_send(ng.o.net, false, p->method, buf_view(&url).p, buf_view(&head),
		  str_is(str_of(p->method), "GET") ? STR_NONE : p->pc, time_left(a), http_answered,
		  j);
	buf_free(&url);
	buf_free(&head);
}

static void ask_http(struct ask *a, const struct route *r, struct str rqi, struct ask_job *j)
{
	struct buf head = BUF_INIT, body = BUF_INIT;
	bool cbor = r->cbor && cbor_from_json(buf_view(&a->pc), &body, NULL);

	url_head(&head, rqi, a->ec, cbor ? STR("application/cbor") : STR("application/json"));
	remote_proof(a->t, &head);
	http_send(ng.o.net, false, "POST", r->url, buf_view(&head),
		  cbor ? buf_view(&body) : buf_view(&a->pc), time_left(a), http_answered, j);
	buf_free(&head);
	buf_free(&body);
}

static void send_http(struct ask *a, const struct route *r)
{
	struct ask_job *j = xcalloc(1, sizeof(*j));
	struct buf rqi = BUF_INIT;

	*j = (struct ask_job){ ng.generation, a->no };
	rqi_of(a, &rqi);
	a->state = ASK_HTTP;
	if (a->pass)
		pass_http(a, r, buf_view(&rqi), j);
	else
		ask_http(a, r, buf_view(&rqi), j);
	buf_free(&rqi);
}

static void send_dialled(struct ask *a, struct dial *d)
{
	if (!send_frame(a, d->c, d->cbor ? SESSION_CBOR : SESSION_JSON)) {
		a->state = ASK_NEW;
		return;
	}
	await(a, d->c);
	if (a->t->url)
		over(a, PASS_ANSWERED, 2000); /* a URL does not answer */
}

static void try_routes(struct ask *a)
{
	struct target *t = a->t;

	for (; a->route < t->nroutes; a->route++) {
		const struct route *r = &t->routes[a->route];

		if (r->scheme == SCHEME_HTTP && a->pass && !a->pass->path.n)
			continue;
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
	over(a, PASS_UNREACHED, 0);
}

static void try_ways(struct ask *a)
{
	struct target *t = a->t;

	a->s = NULL;
	await(a, NULL);
	if (t->link) {
		if (send_frame(a, session_conn(t->link->s), session_serial(t->link->s)))
			a->s = t->link->s;
	} else if (!t->url && !t->routes_known && ng.on_unknown) {
		a->state = ASK_ROUTES;
		t->routes_wanted = true;
		target_list(t, L_KICK);
	} else {
		try_routes(a);
	}
}

static struct ask *ask_new(struct str target, double timeout, void *arg)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->no = ++last_no;
	a->t = target_get(target);
	a->t->refs++;
	target_unlist(a->t, L_IDLE);
	a->due = clock_mono() + (int64_t)(timeout * 1e6);
	a->arg = arg;
	return a;
}

static void ask_start(struct ask *a)
{
	TAILQ_INSERT_TAIL(&asks, a, on);
	map_add(&by_no, &a->by_no, hash_int(a->no));
	try_ways(a);
	tick_need();
}

void notify_ask(struct str target, struct str pc, int ec, double timeout, notify_asked done,
		void *arg)
{
	struct ask *a;

	if (!ng.open) {
		done(arg, 0, STR_NONE);
		return;
	}
	a = ask_new(target, timeout, arg);
	buf_str(&a->pc, pc);
	a->ec = ec;
	a->done = done;
	ask_start(a);
}

/* A copy of s at *at, which goes behind it. */
static struct str put(char **at, struct str s)
{
	struct str out = { s.p ? *at : NULL, s.n };

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return out;
}

void notify_pass(const struct pass *p, notify_passed done, void *arg)
{
	struct passed none = { .end = PASS_UNREACHED };
	struct ask *a;
	char *at;

	if (!ng.open) {
		done(arg, &none);
		return;
	}
	a = ask_new(p->key, p->timeout, arg);
	a->pass = xmalloc(sizeof(*p) + p->frame.n + p->pc.n + p->path.n + p->head.n + p->rqi.n);
	at = (char *)(a->pass + 1);
	*a->pass = *p;
	a->pass->key = STR_NONE;
	a->pass->frame = put(&at, p->frame);
	a->pass->pc = put(&at, p->pc);
	a->pass->path = put(&at, p->path);
	a->pass->head = put(&at, p->head);
	a->pass->rqi = put(&at, p->rqi);
	a->passed = done;
	ask_start(a);
}

/* ---- what becomes of them -------------------------------------------------------------------- */

bool ask_answer(struct session *s, struct conn *c, uint64_t no, const struct notify_response *r)
{
	struct ask *a = find(no);

	if (!a || a->state != ASK_SENT || (s && a->s != s) || (c && a->c != c))
		return false;
	finish(a, &(struct passed){ PASS_ANSWERED, r->rsc, r->pc, r->whole, STR_NONE, false });
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
		tick_soon();
		if (a->state == ASK_SENT) {
			broke(a, dialled);
		} else {
			a->route += dialled;
			a->state = ASK_NEW;
		}
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
			finish(a, &(struct passed){ .end = a->end, .rsc = a->rsc });
	}
}

void ask_tick(int64_t now)
{
	struct ask *a;

	TAILQ_FOREACH(a, &asks, on)
	{
		if (now >= a->due && a->state != ASK_OVER)
			over(a, PASS_LATE, 0);
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
	const struct passed none = { .end = PASS_UNREACHED };
	uint64_t last = last_no;
	struct ask *a;

	while ((a = TAILQ_FIRST(&asks))) {
		if (a->no > last) {
			a->done = NULL;
			a->passed = NULL;
		}
		finish(a, &none);
	}
	map_free(&by_no);
}
