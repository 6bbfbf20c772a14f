/*
 * net_tcp.c - TCP for gateways: connecting (name, TCP, TLS, each address in turn, within one time)
 * and listening.  Both end in a net_stream.
 */
#define _GNU_SOURCE /* accept4 */
#include "net_raw_int.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

/* ---- connecting ------------------------------------------------------------------------------ */

struct dialing {
	struct net *net;
	struct net_stream *s;
	char *host;
	int port, fd;
	ev_io io;
	ev_timer timer;
	struct dns_query *query;
	struct net_addrs addrs;
	unsigned next; /* address to try */
	struct net_tls_files *files; /* NULL: without TLS */
	struct tls *tls;
};

static void drop_socket(struct dialing *d)
{
	ev_io_stop(d->net->loop, &d->io);
	net_tls_free(d->tls);
	d->tls = NULL;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static void dialing_free(void *arg)
{
	struct dialing *d = arg;

	if (d->query)
		net_resolve_cancel(d->query);
	drop_socket(d);
	ev_timer_stop(d->net->loop, &d->timer);
	net_tls_files_free(d->files);
	free(d->host);
	free(d);
}

static void fail(struct dialing *d, const char *reason)
{
	struct net_stream *s = d->s;
	char why[200];

	snprintf(why, sizeof(why), "%.80s port %d: %.80s", d->host, d->port, reason);
	dialing_free(d);
	stream_fail(s, why);
}

static void done(struct dialing *d)
{
	struct net_stream *s = d->s;
	struct tls *tls = d->tls;
	int fd = d->fd;

	ev_io_stop(d->net->loop, &d->io);
	d->fd = -1;
	d->tls = NULL;
	dialing_free(d);
	stream_ready(s, fd, tls);
}

static void watch(struct dialing *d, int events)
{
	ev_io_stop(d->net->loop, &d->io);
	ev_io_set(&d->io, d->fd, events);
	ev_io_start(d->net->loop, &d->io);
}

static void handshake(struct dialing *d)
{
	struct err e = { 0 };

	switch (net_tls_handshake(d->tls, &e)) {
	case TLS_OK:
		done(d);
		return;
	case TLS_READ:
		watch(d, EV_READ);
		return;
	case TLS_WRITE:
		watch(d, EV_WRITE);
		return;
	default:
		fail(d, e.msg);
	}
}

static void connected(struct dialing *d)
{
	struct err e = { 0 };
	int one = 1;

	setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(d->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (!d->files) {
		done(d);
		return;
	}
	d->tls = net_tls_new(d->net, d->fd, d->host, d->files, &e);
	if (d->tls)
		handshake(d);
	else
		fail(d, e.msg);
}

static void try_next(struct dialing *d, int why)
{
	drop_socket(d);
	while (d->next < d->addrs.n) {
		const struct net_addr *a = &d->addrs.a[d->next++];

		d->fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (d->fd < 0) {
			why = errno;
			continue;
		}
		if (connect(d->fd, (const struct sockaddr *)&a->sa, a->len) == 0 ||
		    errno == EINPROGRESS) {
			watch(d, EV_WRITE);
			return;
		}
		why = errno;
		drop_socket(d);
	}
	fail(d, strerror(why));
}

static void on_dial(struct ev_loop *loop, ev_io *w, int events)
{
	struct dialing *d = w->data;
	socklen_t len = sizeof(int);
	int why = 0;

	(void)loop;
	(void)events;
	if (d->tls) {
		handshake(d);
		return;
	}
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0)
		why = errno;
	if (why)
		try_next(d, why);
	else
		connected(d);
}

static void on_late(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	fail(w->data, "cannot connect in time");
}

static void resolved(void *arg, const struct net_addrs *addrs)
{
	struct dialing *d = arg;

	struct net_whom w = { d->files ? "tls" : "tcp", d->host, (uint16_t)d->port, true };

	d->query = NULL;
	d->addrs = *addrs;
	net_allow_addresses(d->net, &w, &d->addrs);
	if (!d->addrs.n) {
		fail(d, d->addrs.error);
		return;
	}
	try_next(d, EADDRNOTAVAIL);
}

struct net_stream *net_dial(struct net *n, const char *host, int port,
			    const struct net_tls_files *tls, double timeout,
			    const struct raw_opts *o)
{
	struct dialing *d = xcalloc(1, sizeof(*d));

	d->net = n;
	d->host = xstrdup(host);
	d->port = port;
	d->fd = -1;
	d->files = net_tls_files_copy(tls);
	ev_io_init(&d->io, on_dial, -1, 0);
	ev_timer_init(&d->timer, on_late, timeout, 0);
	d->io.data = d->timer.data = d;
	d->s = stream_wait(n, o, dialing_free, d);
	ev_now_update(n->loop);
	ev_timer_start(n->loop, &d->timer);
	d->query = net_resolve(n, host, (uint16_t)port, resolved, d);
	return d->s;
}

/* ---- listening ------------------------------------------------------------------------------- */

#define BACKLOG 64
#define ROUND 16 /* connections taken in one event */

struct arrival {
	struct link link;
	int fd;
	struct net_addr from;
};

struct net_gate {
	struct net *net;
	struct raw_opts o;
	int fd;
	ev_io io;
	ev_timer again; /* when there was no descriptor for a connection */
	unsigned max;
	struct link arrivals;
	struct room *room;
	char peer[80];
	bool asked;
};

struct room { /* counts connections; outlives the listener while they are open */
	unsigned users, conns;
};

static void room_leave(struct room *r)
{
	if (--r->users == 0)
		free(r);
}

static void conn_ended(void *arg)
{
	struct room *r = arg;

	r->conns--;
	room_leave(r);
}

static void refuse(struct net_gate *g, int fd)
{
	close(fd);
	raw_count(g->o.dropped, 1);
	log_warn("gateway", "connection refused, the limit is reached socket=%s max=%u",
		 log_quote(str_of(g->o.name)), g->max);
}

/* False: nobody else is at the door. */
static bool accept_one(struct net_gate *g)
{
	struct net_addr from = { .len = sizeof(from.sa) };
	int one = 1, fd = accept4(g->fd, (struct sockaddr *)&from.sa, &from.len,
				  SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct arrival *a;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			ev_io_stop(g->net->loop, &g->io);
			ev_timer_again(g->net->loop, &g->again);
		}
		return errno == EINTR || errno == ECONNABORTED;
	}
	if (g->room->conns >= g->max) {
		refuse(g, fd);
		return true;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	a = xcalloc(1, sizeof(*a));
	a->fd = fd;
	a->from = from;
	link_init(&a->link);
	link_add(&g->arrivals, &a->link);
	g->room->conns++;
	return true;
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
	struct net_gate *g = w->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < ROUND && accept_one(g); i++)
		continue;
	if (g->asked && !link_alone(&g->arrivals)) {
		g->asked = false;
		g->o.changed(g->o.arg);
	}
}

static void on_again(struct ev_loop *loop, ev_timer *w, int events)
{
	struct net_gate *g = w->data;

	(void)events;
	ev_timer_stop(loop, w);
	ev_io_start(loop, &g->io);
}

static int listen_at(const struct net_addr *a, struct err *e)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	char text[80];

	raw_print(a, text, sizeof(text));
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0 &&
		    listen(fd, BACKLOG) == 0)
			return fd;
	}
	(void)err_set(e, "tcp %s: %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

struct net_gate *net_gate_open(struct net *n, const char *host, int port, unsigned max,
			       const struct raw_opts *o, struct err *e)
{
	struct net_addr a;
	struct net_gate *g;
	int fd = raw_address(host, port, &a, e) ? listen_at(&a, e) : -1;

	if (fd < 0)
		return NULL;
	g = xcalloc(1, sizeof(*g));
	g->net = n;
	g->fd = fd;
	g->max = max;
	g->asked = true;
	g->room = xcalloc(1, sizeof(*g->room));
	g->room->users = 1;
	raw_opts_copy(&g->o, o);
	link_init(&g->arrivals);
	ev_io_init(&g->io, on_accept, fd, EV_READ);
	ev_init(&g->again, on_again);
	g->again.repeat = 1;
	g->io.data = g->again.data = g;
	ev_io_start(n->loop, &g->io);
	return g;
}

int net_gate_port(const struct net_gate *g)
{
	return raw_bound_port(g->fd);
}

void net_gate_limit(struct net_gate *g, unsigned max)
{
	g->max = max;
}

struct net_stream *net_gate_take(struct net_gate *g, void (*changed)(void *arg), void *arg,
				 struct str *peer)
{
	struct raw_opts o = g->o;
	struct net_stream *s;
	struct arrival *a;

	if (link_alone(&g->arrivals)) {
		g->asked = true;
		return NULL;
	}
	a = container_of(g->arrivals.next, struct arrival, link);
	link_drop(&a->link);
	raw_print(&a->from, g->peer, sizeof(g->peer));
	*peer = str_of(g->peer);
	o.changed = changed;
	o.arg = arg;
	s = stream_new(g->net, a->fd, false, &o);
	g->room->users++;
	stream_on_end(s, conn_ended, g->room);
	free(a);
	return s;
}

void net_gate_close(struct net_gate *g)
{
	if (!g)
		return;
	ev_io_stop(g->net->loop, &g->io);
	ev_timer_stop(g->net->loop, &g->again);
	close(g->fd);
	while (!link_alone(&g->arrivals)) {
		struct arrival *a = container_of(g->arrivals.next, struct arrival, link);

		link_drop(&a->link);
		close(a->fd);
		free(a);
	}
	room_leave(g->room);
	raw_opts_drop(&g->o);
	free(g);
}
