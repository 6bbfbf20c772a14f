/*
 * notify_url.c - targets that are reached by dialling: a URL, or an AE without a connection through
 * its poa, in order.  One notice at a time per target, so that order holds; failures of the way
 * back off and repeat with the same rqi, refusals are final (TS-0009 6.2, TS-0004 7.5.1.2.2).
 * Guarantees: never blocks; one target's slow server delays no other target.
 * Never follows a redirect, never dials "ws://default".
 */
#define _GNU_SOURCE /* memmem */
#include "notify_int.h"

#include <stdlib.h>
#include <strings.h>

#include "clock.h"
#include "log.h"

struct job { /* a POST under way */
	unsigned generation;
	struct target *t;
};

bool url_is(struct str key)
{
	return memmem(key.p, key.n, "://", 3) != NULL;
}

/* ---- routes ---------------------------------------------------------------------------------- */

static bool scheme_of(struct str url, enum scheme *s)
{
	static const struct {
		struct str prefix;
		enum scheme s;
	} known[] = { { { "http://", 7 }, SCHEME_HTTP },
		      { { "https://", 8 }, SCHEME_HTTP },
		      { { "ws://", 5 }, SCHEME_WS },
		      { { "wss://", 6 }, SCHEME_WS } };

	for (size_t i = 0; i < countof(known); i++) {
		struct str head = { url.p, known[i].prefix.n };

		if (url.n > head.n && str_ieq(head, known[i].prefix)) {
			*s = known[i].s;
			return true;
		}
	}
	return false;
}

/* Takes ?ct=... or &ct=... off the end (TS-0004 7.4.8): what is asked for is CBOR or JSON. */
static bool strip_ct(struct str *url)
{
	bool cbor;
	size_t i;

	for (i = url->n; i > 0; i--) {
		if (url->p[i - 1] == '?' || url->p[i - 1] == '&')
			break;
	}
	if (i == 0 || url->n - i < 3 || memcmp(url->p + i, "ct=", 3) != 0)
		return false;
	cbor = url->n - i == 7 && memcmp(url->p + i + 3, "cbor", 4) == 0;
	url->n = i - 1;
	return cbor;
}

static void add_route(struct target *t, struct str url, bool cbor)
{
	enum scheme s;
	struct route *r;

	if (!scheme_of(url, &s) || str_ieq(url, STR("ws://default")) ||
	    str_ieq(url, STR("wss://default")))
		return;
	t->routes = xrealloc(t->routes, (t->nroutes + 1) * sizeof(*t->routes));
	r = &t->routes[t->nroutes++];
	*r = (struct route){ .scheme = s, .cbor = cbor };
	if (t->url || s == SCHEME_WS) {
		r->url = xstrndup(url.p, url.n);
		r->base = url.n;
	} else { /* the request's path is made from `to` (TS-0009 6.2.2.1) */
		struct buf b = BUF_INIT;

		while (url.n && url.p[url.n - 1] == '/')
			url.n--;
		r->base = url.n;
		buf_str(&b, url);
		buf_str(&b, str_starts(t->key, STR("/")) ? STR("/~") : STR("/"));
		buf_str(&b, t->key);
		buf_char(&b, '\0');
		r->url = buf_steal(&b, &(size_t){ 0 });
	}
}

static void drop_routes(struct target *t)
{
	for (size_t i = 0; i < t->nroutes; i++)
		free(t->routes[i].url);
	free(t->routes);
	t->routes = NULL;
	t->nroutes = 0;
}

void url_own(struct target *t)
{
	struct str url = t->key;
	bool cbor = strip_ct(&url);

	text_set(&t->to, url);
	add_route(t, url, cbor);
	t->routes_known = true;
}

void url_routes(struct target *t, const struct str *url, size_t n)
{
	if (t->url)
		return;
	target_cool(t);
	drop_routes(t);
	for (size_t i = 0; i < n; i++) {
		struct str u = url[i];
		bool cbor = strip_ct(&u);

		add_route(t, u, cbor);
	}
	t->routes_known = true;
	t->routes_asked = false;
	t->retry_at = 0;
	t->fails = 0;
	target_warm(t);
}

void url_free(struct target *t)
{
	drop_routes(t);
	if (t->dial)
		dial_drop(t);
}

/* ---- one notice after the other -------------------------------------------------------------- */

void url_back_off(struct target *t)
{
	double wait = ng.o.retry_min;
	double jitter = 0.5 + (double)(random_u64() >> 11) / 9007199254740992.0 / 2;

	for (unsigned i = 0; i < t->fails && wait < ng.o.retry_max; i++)
		wait *= 2;
	if (wait > ng.o.retry_max)
		wait = ng.o.retry_max;
	t->fails++;
	t->retry_at = clock_mono() + (int64_t)(wait * jitter * 1e6) + 1;
	ng.count[C_RETRIES]++;
	target_cool(t);
	target_list(t, L_URL);
	tick_need();
}

/* All routes were tried: it waits in front. */
static void give_up(struct target *t)
{
	struct notice n = t->post.n;
	bool again = n.e || t->post.gap;

	t->post.state = POST_NONE;
	t->post.n.e = NULL;
	t->post.gap = false;
	if (n.e) {
		target_requeue(t, n);
		event_cool(n.e);
	}
	if (again && !t->link && t->nroutes)
		url_back_off(t);
	target_kick(t);
}

void url_head(struct buf *out, struct str rqi, int ec, struct str type)
{
	buf_fmt(out, "X-M2M-Origin: %.*s\r\nX-M2M-RI: %.*s\r\nX-M2M-RVI: %s\r\n", STRFMT(ng.cse_id),
		STRFMT(rqi), ng.o.rvi);
	if (ec)
		buf_fmt(out, "X-M2M-EC: %d\r\n", ec);
	buf_fmt(out, "Content-Type: %.*s\r\n", STRFMT(type));
}

/* X-M2M-RSC of the answer's head, or 0. */
static int head_rsc(struct str head)
{
	static const char name[] = "x-m2m-rsc:";
	size_t n = sizeof(name) - 1;
	int v = 0;

	for (size_t i = 0; i + n < head.n; i++) {
		if ((i && head.p[i - 1] != '\n') || strncasecmp(head.p + i, name, n) != 0)
			continue;
		for (i += n; i < head.n && head.p[i] == ' '; i++)
			continue;
		for (; i < head.n && head.p[i] >= '0' && head.p[i] <= '9' && v < 100000; i++)
			v = v * 10 + head.p[i] - '0';
		return v;
	}
	return 0;
}

bool url_says(const struct http_answer *a)
{
	return head_rsc(a->head) != 0;
}

int url_rsc(const struct http_answer *a)
{
	int rsc = head_rsc(a->head);

	if (rsc)
		return rsc;
	if (a->status >= 200 && a->status < 300)
		return 2000;
	return a->status >= 500 ? 5000 : 4000;
}

/* What the operator sees of an answer: a status without a response code stays the HTTP status. */
static int outcome(const struct target *t, const struct http_answer *a)
{
	int rsc;

	/* What a URL answers is its own business: a response is for resources (7.3.1.3). */
	if (t->url && a->status < 300)
		return 2000;
	rsc = head_rsc(a->head);
	return rsc || a->status < 300 ? url_rsc(a) : a->status;
}

bool url_retry(int status)
{
	return status == 0 || status == 408 || status == 429 || status >= 500;
}

static void posted(void *arg, const struct http_answer *a, const struct err *e)
{
	struct job *j = arg;
	struct target *t = j->t;
	bool ours = j->generation == ng.generation && ng.open;
	bool later = t->remote && remote_waits(url_rsc(a));
	int64_t sub = ours && t->post.n.e ? t->post.n.m->sub->id : 0;

	free(j);
	if (ours && (later || url_retry(a->status))) {
		log_debug("notify", "not delivered target=%s status=%d reason=%s",
			  log_quote(t->key), a->status,
			  log_quote(a->status || !e ? STR("-") : str_of(e->msg)));
		url_lost(t, a->status, a->status || !e ? "not accepted" : e->msg);
	} else if (ours) {
		url_answered(t);
		url_done(t, outcome(t, a));
		if (sub)
			answer_content(t, sub, a->body);
	}
	target_unref(t);
}

static void post(struct target *t, const char *url, struct str rqi, int ec, struct str type,
		 struct str body)
{
	struct buf head = BUF_INIT;
	struct job *j = xcalloc(1, sizeof(*j));

	url_head(&head, rqi, ec, type);
	remote_proof(t, &head);
	*j = (struct job){ ng.generation, t };
	t->refs++;
	t->post.state = POST_HTTP;
	http_send(ng.o.net, false, "POST", url, buf_view(&head), body, ng.o.answer_time, posted, j);
	buf_free(&head);
}

static bool post_gap(struct target *t, const struct route *r)
{
	struct buf rqi = BUF_INIT, body = BUF_INIT;

	gap_post(t, r->cbor, &rqi, &body);
	ng.count[C_GAPS]++;
	post(t, r->url, buf_view(&rqi), 0,
	     r->cbor ? STR("application/cbor") : STR("application/json"), buf_view(&body));
	buf_free(&rqi);
	buf_free(&body);
	return true;
}

static bool post_http(struct target *t, const struct route *r)
{
	struct notice *n = &t->post.n;
	const struct kind *k;
	struct str type = STR("application/json");
	struct buf body = BUF_INIT;
	char rqi[RQI_MAX];

	if (t->post.gap)
		return post_gap(t, r);
	k = n->e->kind;
	if (!notice_body(n, r->cbor, &body)) {
		buf_free(&body);
		return false;
	}
	if (r->cbor && k->frame != FRAME_RAW)
		type = STR("application/cbor");
	else if (k->type.n)
		type = k->type;
	book_sent(n);
	post(t, r->url, (struct str){ rqi, notice_rqi(n, rqi) }, k->ec, type, buf_view(&body));
	buf_free(&body);
	return true;
}

static bool post_ws(struct target *t, const struct route *r)
{
	if (!dial_get(t, r))
		return false;
	t->post.state = POST_DIAL;
	t->post.due = clock_mono() + (int64_t)(ng.o.answer_time * 1e6);
	target_list(t, L_URL);
	tick_need();
	if (t->dial->open)
		dial_post(t);
	return true;
}

static void try_routes(struct target *t)
{
	for (; (t->post.n.e || t->post.gap) && t->post.route < t->nroutes; t->post.route++) {
		const struct route *r = &t->routes[t->post.route];

		if (r->scheme == SCHEME_HTTP ? post_http(t, r) : post_ws(t, r))
			return;
	}
	give_up(t);
}

void url_answered(struct target *t)
{
	if (t->post.n.e)
		t->post.n.m->answered += event_weight(t->post.n.e);
}

void url_lost(struct target *t, int code, const char *why)
{
	if (t->post.n.e)
		book_fault(t->post.n.m, code, why);
	url_failed(t);
}

void url_failed(struct target *t)
{
	t->post.route++;
	t->post.state = POST_NONE;
	try_routes(t);
}

void url_done(struct target *t, int rsc)
{
	struct notice n = t->post.n;

	t->refs++;
	t->post.state = POST_NONE;
	t->post.n.e = NULL;
	t->fails = 0;
	if (t->post.gap && t->gap_told) /* refused or not: it was told */
		target_gap_clear(t);
	t->post.gap = false;
	if (n.e) {
		event_cool(n.e);
		notice_answered(t, n, rsc);
	}
	if (t->dial)
		dial_rest(t, clock_mono());
	target_kick(t);
	target_unref(t);
}

void url_pump(struct target *t)
{
	enum gap_state gap;
	struct notice *n;

	if (t->post.state || t->link || t->retry_at || t->nroutes == 0)
		return;
	t->refs++;
	n = target_front(t);
	t->post.route = 0;
	gap = gap_look(t);
	if (gap == GAP_DUE) {
		t->post.gap = true;
		try_routes(t);
	} else if (n && gap == GAP_NONE) {
		t->post.n = *n;
		target_hold_shift(t); /* its body is held until url_done or give_up */
		try_routes(t);
	}
	target_unref(t);
}

void url_tick(struct target *t, int64_t now)
{
	bool waits = t->post.state == POST_DIAL || t->post.state == POST_SENT;

	if (t->retry_at && now >= t->retry_at) {
		t->retry_at = 0;
		target_warm(t);
		target_kick(t);
	}
	if (waits && now >= t->post.due) {
		ng.count[C_UNANSWERED]++;
		if (t->dial && dial_believed(t)) {
			url_done(t, 2000);
		} else {
			dial_drop(t);
			url_lost(t, 0, "no answer in time");
		}
	}
	waits = t->post.state == POST_DIAL || t->post.state == POST_SENT;
	if (t->dial && !waits && !t->dial->awaited && now >= t->dial->idle_at)
		dial_drop(t);
	if (!t->retry_at && !t->dial && !waits)
		target_unlist(t, L_URL);
}
