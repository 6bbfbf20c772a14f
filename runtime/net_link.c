/*
 * net_link.c - one outgoing HTTP connection: name, TCP, TLS, one request and its answer at a time,
 * rest.  Addresses are tried in order.  It never calls back from within out_send.
 */
#include "net_out.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define START_TIME 30.0 /* s for name, TCP and TLS together */
#define REST_TIME 20.0 /* s a connection is kept without a request */
#define TLS_READS 16 /* records per event */

static void on_event(struct ev_loop *loop, ev_io *w, int events);

static void watch(struct out *o, int events)
{
	struct ev_loop *loop = o->pool->net->loop;

	if (ev_is_active(&o->io) && (o->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(loop, &o->io);
	ev_io_set(&o->io, o->fd, events);
	ev_io_start(loop, &o->io);
}

static void limit(struct out *o, double seconds)
{
	struct ev_loop *loop = o->pool->net->loop;

	ev_timer_stop(loop, &o->timer);
	if (seconds <= 0)
		return;
	ev_timer_set(&o->timer, seconds, 0);
	ev_timer_start(loop, &o->timer);
}

static void drop_socket(struct out *o)
{
	ev_io_stop(o->pool->net->loop, &o->io);
	net_tls_free(o->tls);
	o->tls = NULL;
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

void out_free(struct out *o)
{
	struct pool *p = o->pool;

	if (o->query)
		net_resolve_cancel(o->query);
	drop_socket(o);
	ev_timer_stop(p->net->loop, &o->timer);
	http1_free(o->parser);
	link_drop(&o->link);
	p->nouts--;
	p->net->counts.http_out--;
	if (o->state < OUT_IDLE)
		p->starting--;
	free(o);
}

void out_rest(struct out *o)
{
	o->state = OUT_IDLE;
	watch(o, EV_READ);
	limit(o, REST_TIME);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void opened(struct out *o)
{
	o->pool->starting--;
	out_rest(o);
	out_ready(o);
}

static void fail(struct out *o, const char *why)
{
	struct err e = { 0 };

	err_set(&e, "%.80s port %u: %s", o->pool->u.host, o->pool->u.port, why);
	out_failed(o, &e);
}

static void handshake(struct out *o)
{
	struct err e = { 0 };

	switch (net_tls_handshake(o->tls, &e)) {
	case TLS_OK:
		opened(o);
		return;
	case TLS_READ:
		watch(o, EV_READ);
		return;
	case TLS_WRITE:
		watch(o, EV_WRITE);
		return;
	default:
		fail(o, e.msg);
	}
}

static void connected(struct out *o)
{
	struct err e = { 0 };
	int one = 1;

	setsockopt(o->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!o->pool->u.tls) {
		opened(o);
		return;
	}
	o->tls = net_tls_new(o->pool->net, o->fd, o->pool->u.host, NULL, &e);
	if (!o->tls) {
		fail(o, e.msg);
		return;
	}
	o->state = OUT_TLS;
	handshake(o);
}

static void try_next(struct out *o, int why)
{
	drop_socket(o);
	o->state = OUT_CONNECTING;
	while (o->next < o->addrs.n) {
		const struct net_addr *a = &o->addrs.a[o->next++];

		o->fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (o->fd < 0) {
			why = errno;
			continue;
		}
		if (connect(o->fd, (const struct sockaddr *)&a->sa, a->len) == 0 ||
		    errno == EINPROGRESS) {
			watch(o, EV_WRITE);
			return;
		}
		why = errno;
		drop_socket(o);
	}
	fail(o, strerror(why));
}

static void resolved(void *arg, const struct net_addrs *addrs)
{
	struct out *o = arg;

	struct net_whom w = net_whom_of(&o->pool->u, o->pool->script);

	o->query = NULL;
	o->addrs = *addrs;
	net_allow_addresses(o->pool->net, &w, &o->addrs);
	if (!o->addrs.n) {
		fail(o, o->addrs.error);
		return;
	}
	try_next(o, EADDRNOTAVAIL);
}

static void connect_result(struct out *o)
{
	int why = 0;
	socklen_t len = sizeof(why);

	if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0)
		why = errno;
	if (why)
		try_next(o, why);
	else
		connected(o);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	struct out *o = container_of(w, struct out, timer);

	(void)loop;
	(void)events;
	if (o->state < OUT_IDLE)
		fail(o, "cannot connect in time");
	else
		out_broken(o, "rested");
}

void out_start(struct pool *p)
{
	const struct net_limits *l = &p->net->lim;
	struct http1_limits lim = { l->request_line, l->headers, l->header_count, l->body };
	struct out *o = xcalloc(1, sizeof(*o));

	o->pool = p;
	o->fd = -1;
	o->parser = http1_new(HTTP1_RESPONSE, &lim);
	ev_io_init(&o->io, on_event, -1, 0);
	o->io.data = o;
	ev_timer_init(&o->timer, on_limit, 0, 0);
	link_add(&p->outs, &o->link);
	p->nouts++;
	p->starting++;
	p->net->counts.http_out++;
	limit(o, START_TIME);
	o->query = net_resolve(p->net, p->u.host, p->u.port, resolved, o);
}

/* ---- a request and its answer ---------------------------------------------------------------- */

/* A failed write shows up as a failed read soon enough, from the loop. */
static void write_more(struct out *o)
{
	const struct buf *b = &o->job->text;
	enum tls_wants w = TLS_OK;

	while (o->sent < b->n && w == TLS_OK) {
		size_t n;

		w = net_sock_write(o->tls, o->fd, b->p + o->sent, b->n - o->sent, &n);
		o->sent += n;
	}
	watch(o, w == TLS_WRITE ? EV_READ | EV_WRITE : EV_READ);
}

void out_send(struct out *o, struct job *j)
{
	o->state = OUT_BUSY;
	o->job = j;
	o->sent = 0;
	o->got = false;
	j->on = o;
	j->sent = true;
	limit(o, 0);
	if (j->head_only)
		http1_expect_no_body(o->parser);
	write_more(o);
}

/* True: goes on with this connection. */
static bool take(struct out *o, const char *p, size_t n)
{
	struct http1_msg *m;
	size_t used;

	o->got = true;
	switch (http1_feed(o->parser, p, n, &used)) {
	case HTTP1_MORE:
	case HTTP1_CONTINUE:
		return true;
	case HTTP1_BAD:
		out_broken(o, http1_reason(o->parser));
		return false;
	case HTTP1_DONE:
		break;
	}
	m = http1_take(o->parser);
	if (used < n || o->sent < o->job->text.n)
		m->keep_alive = false; /* more than was asked for, or before it was asked */
	out_answered(o, m);
	return false;
}

static void ended(struct out *o)
{
	if (o->state == OUT_BUSY && http1_end(o->parser) == HTTP1_DONE)
		out_answered(o, http1_take(o->parser));
	else
		out_broken(o, "the connection was closed before the answer");
}

static void read_more(struct out *o)
{
	struct net *n = o->pool->net;

	for (int i = 0; i < TLS_READS; i++) {
		size_t got;

		switch (net_sock_read(o->tls, o->fd, n->rx, NET_READ_MAX, &got)) {
		case TLS_OK:
			if (o->state != OUT_BUSY) {
				out_broken(o, "bytes that were not asked for");
				return;
			}
			if (!take(o, n->rx, got))
				return;
			break;
		case TLS_READ:
			return;
		case TLS_WRITE:
			watch(o, EV_READ | EV_WRITE);
			return;
		case TLS_END:
			ended(o);
			return;
		case TLS_FAILED:
			out_broken(o, "the connection broke");
			return;
		}
	}
}

static void on_event(struct ev_loop *loop, ev_io *w, int events)
{
	struct out *o = w->data;

	(void)loop;
	if (o->state == OUT_CONNECTING) {
		connect_result(o);
	} else if (o->state == OUT_TLS) {
		handshake(o);
	} else {
		if ((events & EV_WRITE) && o->job)
			write_more(o);
		if (events & EV_READ)
			read_more(o);
	}
}
