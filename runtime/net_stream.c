/*
 * net_stream.c - bytes both ways over a descriptor: a TCP connection, with TLS or without, or a
 * serial line.  What is not read is not taken from the kernel beyond the limit, so the peer waits;
 * what is written waits here and is bounded by its writer.  A stream that its owner has left stays a
 * moment, until what was written has gone.
 */
#include "net_raw_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS 8 /* reads per event */
#define LINGER 5.0 /* s for the last bytes and the peer's end */

struct net_stream {
	struct link link;
	struct net *net;
	struct raw_opts o;
	enum raw_state state;
	int fd;
	bool terminal;
	struct tls *tls;
	ev_io io;
	ev_timer timer; /* lingering */
	struct buf in, out;
	size_t at; /* bytes of `in` handed out */
	bool asked; /* nothing was there, or no room: changed is due */
	bool full; /* not read until there is room */
	bool eof; /* the peer sends nothing more */
	bool tls_wants_write;
	bool left; /* by its owner */
	char why[200];
	void (*cancel)(void *arg); /* ends what net_tcp.c does to open it */
	void *cancel_arg;
	void (*end)(void *arg);
	void *end_arg;
};

static void on_event(struct ev_loop *loop, ev_io *w, int events);
static void on_linger(struct ev_loop *loop, ev_timer *w, int events);

static void drop_fd(struct net_stream *s)
{
	ev_io_stop(s->net->loop, &s->io);
	net_tls_free(s->tls);
	s->tls = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void stream_free(struct net_stream *s)
{
	if (s->cancel)
		s->cancel(s->cancel_arg);
	if (s->end)
		s->end(s->end_arg);
	drop_fd(s);
	ev_timer_stop(s->net->loop, &s->timer);
	link_drop(&s->link);
	buf_free(&s->in);
	buf_free(&s->out);
	raw_opts_drop(&s->o);
	free(s);
}

/* The last thing that is done with s in a turn: it may be closed in here. */
static void tell(struct net_stream *s)
{
	if (s->left) {
		if (s->fd < 0)
			stream_free(s);
		return;
	}
	if (!s->asked)
		return;
	s->asked = false;
	s->o.changed(s->o.arg);
}

static void watch(struct net_stream *s)
{
	int events = 0;

	if (s->fd < 0)
		return;
	if (!s->full && !s->eof)
		events |= EV_READ;
	if (s->out.n || s->tls_wants_write)
		events |= EV_WRITE;
	if (ev_is_active(&s->io) && (s->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(s->net->loop, &s->io);
	ev_io_set(&s->io, s->fd, events);
	if (events)
		ev_io_start(s->net->loop, &s->io);
}

static void lost(struct net_stream *s, const char *why)
{
	if (s->state != RAW_CLOSED)
		snprintf(s->why, sizeof(s->why), "%s", why);
	s->state = RAW_CLOSED;
	s->asked = true; /* its end is always told */
	drop_fd(s);
	buf_free(&s->out);
}

/* ---- descriptor ------------------------------------------------------------------------------ */

static enum tls_wants get(struct net_stream *s, char *p, size_t n, size_t *got)
{
	ssize_t rc;

	if (s->tls)
		return net_tls_read(s->tls, p, n, got);
	rc = read(s->fd, p, n);
	*got = rc > 0 ? (size_t)rc : 0;
	if (rc > 0)
		return TLS_OK;
	if (rc == 0)
		return TLS_END;
	return errno == EAGAIN || errno == EINTR ? TLS_READ : TLS_FAILED;
}

static enum tls_wants put(struct net_stream *s, const char *p, size_t n, size_t *done)
{
	ssize_t rc;

	if (s->tls)
		return net_tls_write(s->tls, p, n, done);
	rc = s->terminal ? write(s->fd, p, n) : send(s->fd, p, n, MSG_NOSIGNAL);
	*done = rc > 0 ? (size_t)rc : 0;
	if (rc >= 0)
		return TLS_OK;
	return errno == EAGAIN || errno == EINTR ? TLS_WRITE : TLS_FAILED;
}

static size_t unread(const struct net_stream *s)
{
	return s->in.n - s->at;
}

static void keep(struct net_stream *s, size_t n)
{
	if (s->left) /* nobody will read it */
		return;
	if (s->at) {
		buf_drop(&s->in, s->at);
		s->at = 0;
	}
	buf_add(&s->in, s->net->rx, n);
	s->full = s->in.n >= s->o.bytes;
	raw_count(s->o.received, (double)n);
}

static void ended(struct net_stream *s)
{
	const char *why = s->terminal ? "the device is gone" : "closed by the peer";

	if (s->terminal || s->tls || s->left) {
		lost(s, why);
		return;
	}
	s->eof = true; /* it may still be written to */
	s->state = RAW_CLOSED;
	s->asked = true;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static void broke(struct net_stream *s)
{
	if (s->tls)
		lost(s, "the TLS connection broke");
	else
		lost(s, s->terminal ? "the device is gone" : strerror(errno));
}

static void read_more(struct net_stream *s)
{
	for (int i = 0; i < ROUNDS && s->fd >= 0 && !s->full && !s->eof; i++) {
		size_t got, room = s->o.bytes - unread(s);

		switch (get(s, s->net->rx, room < NET_READ_MAX ? room : NET_READ_MAX, &got)) {
		case TLS_OK:
			keep(s, got);
			break;
		case TLS_READ:
			return;
		case TLS_WRITE:
			s->tls_wants_write = true;
			return;
		case TLS_END:
			ended(s);
			return;
		case TLS_FAILED:
			broke(s);
			return;
		}
	}
	if (s->fd >= 0 && s->tls && !s->full) /* it may hold more than the socket tells */
		ev_feed_event(s->net->loop, &s->io, EV_READ);
}

static void write_more(struct net_stream *s)
{
	size_t sent = 0;
	enum tls_wants w = TLS_OK;

	while (sent < s->out.n && w == TLS_OK) {
		size_t n;

		w = put(s, s->out.p + sent, s->out.n - sent, &n);
		sent += n;
	}
	buf_drop(&s->out, sent);
	raw_count(s->o.sent, (double)sent);
	s->tls_wants_write = false;
	if (w == TLS_FAILED || w == TLS_END)
		broke(s);
}

/* The owner has left and all is written: ends, after the peer has for a socket. */
static void say_goodbye(struct net_stream *s)
{
	if (s->fd < 0 || s->out.n)
		return;
	if (s->tls || s->terminal || s->eof)
		drop_fd(s);
	else
		shutdown(s->fd, SHUT_WR);
}

static void on_event(struct ev_loop *loop, ev_io *w, int events)
{
	struct net_stream *s = w->data;
	bool waited = s->out.n > 0;

	(void)loop;
	if ((events & EV_WRITE) || s->tls)
		write_more(s);
	if (s->fd >= 0 && (events & EV_READ))
		read_more(s);
	if (s->left && waited)
		say_goodbye(s);
	watch(s);
	if (s->left || unread(s) || s->state == RAW_CLOSED || s->out.n <= s->o.bytes / 2)
		tell(s);
}

static void on_linger(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	stream_free(w->data);
}

/* ---- making ---------------------------------------------------------------------------------- */

struct net_stream *stream_wait(struct net *n, const struct raw_opts *o, void (*cancel)(void *arg),
			       void *arg)
{
	struct net_stream *s = xcalloc(1, sizeof(*s));

	s->net = n;
	s->fd = -1;
	s->asked = true;
	s->cancel = cancel;
	s->cancel_arg = arg;
	raw_opts_copy(&s->o, o);
	link_init(&s->link);
	link_add(&n->streams, &s->link);
	ev_io_init(&s->io, on_event, -1, 0);
	ev_timer_init(&s->timer, on_linger, LINGER, 0);
	s->io.data = s->timer.data = s;
	return s;
}

static void attach(struct net_stream *s, int fd, struct tls *tls)
{
	s->cancel = NULL;
	s->fd = fd;
	s->tls = tls;
	s->state = RAW_OPEN;
	watch(s);
	if (tls) /* what came with the handshake */
		ev_feed_event(s->net->loop, &s->io, EV_READ);
}

void stream_ready(struct net_stream *s, int fd, struct tls *tls)
{
	attach(s, fd, tls);
	s->asked = true;
	tell(s);
}

void stream_fail(struct net_stream *s, const char *why)
{
	s->cancel = NULL;
	lost(s, why);
	tell(s);
}

struct net_stream *stream_new(struct net *n, int fd, bool terminal, const struct raw_opts *o)
{
	struct net_stream *s = stream_wait(n, o, NULL, NULL);

	s->terminal = terminal;
	attach(s, fd, NULL);
	return s;
}

void stream_on_end(struct net_stream *s, void (*fn)(void *arg), void *arg)
{
	s->end = fn;
	s->end_arg = arg;
}

/* ---- for the owner --------------------------------------------------------------------------- */

enum raw_state net_stream_state(const struct net_stream *s, const char **why)
{
	if (why)
		*why = s->why;
	return s->state;
}

/* n bytes, without the last `cut`. */
static bool hand_out(struct net_stream *s, size_t n, size_t cut, struct str *data)
{
	*data = (struct str){ s->in.p + s->at, n - cut };
	s->at += n;
	if (s->full && unread(s) < s->o.bytes) {
		s->full = false;
		watch(s);
		if (s->tls)
			ev_feed_event(s->net->loop, &s->io, EV_READ);
	}
	return true;
}

static bool read_line(struct net_stream *s, struct str *data)
{
	const char *p = s->in.p + s->at;
	const char *end = unread(s) ? memchr(p, '\n', unread(s)) : NULL;
	size_t n;

	if (!end)
		return false;
	n = (size_t)(end - p) + 1;
	return hand_out(s, n, n > 1 && end[-1] == '\r' ? 2 : 1, data);
}

bool net_stream_read(struct net_stream *s, enum stream_read how, size_t n, struct str *data)
{
	if (how == READ_SOME && unread(s))
		return hand_out(s, unread(s), 0, data);
	if (how == READ_BYTES && unread(s) >= n)
		return hand_out(s, n, 0, data);
	if (how == READ_LINE && read_line(s, data))
		return true;
	if (how == READ_ALL && s->state == RAW_CLOSED && unread(s))
		return hand_out(s, unread(s), 0, data);
	if (s->full && (how == READ_LINE || how == READ_ALL)) {
		char why[100];

		snprintf(why, sizeof(why), "more than %zu bytes without %s", s->o.bytes,
			 how == READ_LINE ? "the end of a line" : "an end");
		s->at = s->in.n;
		lost(s, why);
	}
	s->asked = true;
	return false;
}

bool net_stream_write(struct net_stream *s, struct str data)
{
	if (s->fd < 0 || s->left)
		return false;
	if (!data.n)
		return true;
	buf_str(&s->out, data);
	if (s->out.n == data.n)
		write_more(s);
	if (s->fd < 0) { /* its owner hears of it from the loop */
		ev_feed_event(s->net->loop, &s->io, EV_WRITE);
		return false;
	}
	watch(s);
	return true;
}

size_t net_stream_waiting(struct net_stream *s)
{
	if (s->out.n > s->o.bytes)
		s->asked = true;
	return s->out.n;
}

void net_stream_close(struct net_stream *s)
{
	if (!s)
		return;
	s->left = true;
	s->full = false;
	s->at = s->in.n;
	say_goodbye(s);
	if (s->fd < 0) {
		stream_free(s);
		return;
	}
	ev_timer_start(s->net->loop, &s->timer);
	watch(s);
}

void net_stream_free_all(struct net *n)
{
	while (!link_alone(&n->streams))
		stream_free(container_of(n->streams.next, struct net_stream, link));
}
