/*
 * fake_net.c - see fake_net.h.  Time is clock_freeze's.
 */
#include "fake_net.h"

#include <stdlib.h>

#include "clock.h"
#include "notify.h"

struct net {
	int unused;
};
struct net_timer {
	struct net_timer *next;
	void (*fn)(void *arg);
	void *arg;
	int64_t due; /* 0: stopped */
};

static struct net the_net;
struct net *const fake_net = &the_net;
size_t fake_fill_room = 1000;
bool fake_pings = true;
struct request *fake_requests;

static struct conn *conns;
static struct net_timer *timers;
static void (*on_turn)(void *arg), (*on_rest)(void *arg);
static int64_t now = 1700000000000000, ahead; /* monotonic; how much more the wall clock shows */

/* ---- loop ------------------------------------------------------------------------------------ */

void net_on_turn(struct net *n, void (*fn)(void *arg), void *arg)
{
	(void)n;
	(void)arg;
	on_turn = fn;
}

void net_on_rest(struct net *n, void (*fn)(void *arg), void *arg)
{
	(void)n;
	(void)arg;
	on_rest = fn;
}

struct net_timer *net_timer_new(struct net *n, void (*fn)(void *arg), void *arg)
{
	struct net_timer *t = xcalloc(1, sizeof(*t));

	(void)n;
	*t = (struct net_timer){ timers, fn, arg, 0 };
	return timers = t;
}

void net_timer_start(struct net_timer *t, double seconds)
{
	t->due = clock_mono() + (int64_t)(seconds * 1e6) + 1;
}

void net_timer_stop(struct net_timer *t)
{
	t->due = 0;
}

void net_timer_free(struct net_timer *t)
{
	struct net_timer **at = &timers;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	free(t);
}

static struct net_timer *due(int64_t until)
{
	struct net_timer *first = NULL;

	for (struct net_timer *t = timers; t; t = t->next) {
		if (t->due && t->due <= until && (!first || t->due < first->due))
			first = t;
	}
	return first;
}

static void flush_stuck(struct conn *c);

void fake_turn(void)
{
	if (on_turn)
		on_turn(NULL);
	if (on_rest)
		on_rest(NULL);
	for (struct conn *c = conns; c; c = c->next) {
		size_t before = c->nframes;

		if (!c->wants || c->full || c->closing || !c->session)
			continue;
		c->wants = false;
		c->room = fake_fill_room;
		c->filling = true;
		notify_fill(c->session);
		c->filling = false;
		(void)before;
	}
	if (on_rest)
		on_rest(NULL);
}

void fake_advance(double seconds)
{
	int64_t until = now + (int64_t)(seconds * 1e6);
	struct net_timer *t;

	for (;;) {
		fake_turn();
		t = due(until);
		if (!t)
			break;
		now = t->due > now ? t->due : now;
		clock_freeze(now + ahead, now);
		t->due = 0;
		t->fn(t->arg);
	}
	now = until;
	clock_freeze(now + ahead, now);
}

void fake_clock_set(double seconds)
{
	ahead = (int64_t)(seconds * 1e6);
	clock_freeze(now + ahead, now);
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct conn *conn_new(void)
{
	struct conn *c = xcalloc(1, sizeof(*c)), **at = &conns;

	while (*at)
		at = &(*at)->next;
	c->room = fake_fill_room;
	return *at = c;
}

static void conn_free(struct conn *c)
{
	struct conn **at = &conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	for (size_t i = 0; i < c->nframes; i++)
		free(c->frame[i].p);
	for (size_t i = 0; i < c->nstuck; i++)
		free(c->stuck[i].p);
	free(c->frame);
	free(c->stuck);
	free(c->url);
	free(c->protocol);
	free(c);
}

struct conn *fake_accept(enum session_serial serial)
{
	struct conn *c = conn_new();

	c->session = session_open(c, serial);
	return c;
}

void fake_hangup(struct conn *c)
{
	session_close(c->session);
	conn_free(c);
}

static void add(struct frame **v, size_t *n, struct frame f)
{
	*v = xrealloc(*v, (*n + 1) * sizeof(**v));
	(*v)[(*n)++] = f;
}

static void flush_stuck(struct conn *c)
{
	for (size_t i = 0; i < c->nstuck; i++)
		add(&c->frame, &c->nframes, c->stuck[i]);
	free(c->stuck);
	c->stuck = NULL;
	c->nstuck = 0;
}

void fake_full(struct conn *c, bool full)
{
	c->full = full;
	if (!full) {
		flush_stuck(c);
		c->wants = true;
	}
}

bool conn_frame(struct conn *c, bool binary, const struct str *piece, size_t n)
{
	struct buf b = BUF_INIT;
	struct frame f = { .binary = binary };

	if (c->filling && c->room == 0)
		return false;
	c->room -= c->filling;
	for (size_t i = 0; i < n; i++)
		buf_str(&b, piece[i]);
	buf_char(&b, '\0');
	f.p = buf_steal(&b, &f.n);
	f.n--;
	if (c->full)
		add(&c->stuck, &c->nstuck, f);
	else
		add(&c->frame, &c->nframes, f);
	return true;
}

const struct frame *fake_read(struct conn *c)
{
	return c->read < c->nframes ? &c->frame[c->read++] : NULL;
}

void conn_want_write(struct conn *c)
{
	c->wants = true;
}

bool conn_writable(const struct conn *c)
{
	return c->nstuck == 0;
}

size_t conn_queued(const struct conn *c)
{
	return c->nstuck;
}

uint64_t conn_mark(struct conn *c)
{
	return fake_pings ? ++c->mark : 0;
}

uint64_t conn_passed(const struct conn *c)
{
	return c->silent ? c->passed : c->mark;
}

void conn_close(struct conn *c, int code, const char *reason)
{
	(void)reason;
	c->closing = true;
	c->code = code;
}

void conn_identified(struct conn *c)
{
	(void)c;
}

struct conn *ws_dial(struct net *n, const char *url, const char *protocol, struct str head,
		     const struct ws_cb *cb, void *arg, struct err *e)
{
	struct conn *c;

	(void)n;
	(void)head;
	if (strstr(url, "refused")) {
		err_set(e, "refused");
		return NULL;
	}
	c = conn_new();
	c->cb = cb;
	c->arg = arg;
	c->url = xstrdup(url);
	c->protocol = xstrdup(protocol);
	return c;
}

struct conn *fake_dialled(void)
{
	struct conn *found = NULL;

	for (struct conn *c = conns; c; c = c->next)
		found = c->cb ? c : found;
	return found;
}

void fake_dial_open(struct conn *c)
{
	struct ws_hello h = { .target = STR("/") };

	c->cb->open(c->arg, c, &h, str_of(c->protocol));
}

void fake_dial_closed(struct conn *c, int code)
{
	c->cb->closed(c->arg, c, code);
	conn_free(c);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

void http_send(struct net *n, bool script, const char *method, const char *url, struct str head,
	       struct str body, double timeout, http_done done, void *arg)
{
	struct request *r = xcalloc(1, sizeof(*r)), **at = &fake_requests;

	(void)n;
	(void)script;
	(void)method;
	(void)timeout;
	*r = (struct request){ .url = xstrdup(url),
			       .head = xstrndup(head.p, head.n),
			       .body = xstrndup(body.p, body.n),
			       .body_n = body.n,
			       .done = done,
			       .arg = arg };
	while (*at)
		at = &(*at)->next;
	*at = r;
}

void fake_answer(struct request *r, int status, const char *head, const char *body)
{
	struct http_answer a = { .status = status, .head = str_of(head), .body = str_of(body) };
	struct err e = { 0 };
	struct request **at = &fake_requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	err_set(&e, "no answer");
	r->done(r->arg, &a, status ? NULL : &e);
	free(r->url);
	free(r->head);
	free(r->body);
	free(r);
}

void fake_net_reset(void)
{
	while (fake_requests)
		fake_answer(fake_requests, 0, NULL, NULL);
	while (conns) {
		if (conns->cb)
			fake_dial_closed(conns, 1006);
		else
			fake_hangup(conns);
	}
	fake_fill_room = 1000;
	fake_pings = true;
}
