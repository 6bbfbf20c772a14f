/*
 * net_ws_serve.c - a WebSocket connection that was accepted: our descriptor, bare or with its TLS
 * session, and ws_read.c to read frames.  net_frame.c makes what is written, as for any connection.
 * Output is whole frames in order; what the socket did not take waits in `out`.  It never calls
 * `closed` from within `message`, nor writes behind a close frame.
 */
#include "net_lws.h"

#include "limit.h"
#include "ws_read.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#define READS_PER_EVENT 8 /* records, then others get their turn */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define OP_CLOSE 8
#define OP_PONG 10
#define CONTROL_MAX 125

struct served {
	struct conn *c;
	struct tls *tls; /* NULL: bare */
	int fd;
	ev_io io;
	struct ws_read read;
	struct buf out; /* frames; `sent` bytes of it are gone */
	size_t sent;
	bool paused; /* by net_frame.c: its output stands still */
	bool crossed; /* TLS has to write before it can go on reading */
	bool last; /* our close frame is in out; then only the peer's end is waited for */
	bool ended; /* it has left */
	bool broken;
};

/* ---- output ---------------------------------------------------------------------------------- */

static void watch(struct served *w)
{
	struct ev_loop *loop = w->c->net->loop;
	int want = (w->paused ? 0 : EV_READ) | (w->out.n > w->sent || w->crossed ? EV_WRITE : 0);

	if ((w->io.events & (EV_READ | EV_WRITE)) != want || !ev_is_active(&w->io)) {
		ev_io_stop(loop, &w->io);
		ev_io_set(&w->io, w->fd, want);
		if (want)
			ev_io_start(loop, &w->io);
	}
	if ((want & EV_READ) && net_tls_more(w->tls))
		ev_feed_event(loop, &w->io, EV_READ);
}

/* As much of these bytes as the socket takes now; *done of them are gone. */
static bool put(struct served *w, const char *p, size_t n, size_t *done)
{
	enum tls_wants t = TLS_OK;

	*done = 0;
	while (*done < n && t == TLS_OK) {
		size_t took;

		t = net_sock_write(w->tls, w->fd, p + *done, n - *done, &took);
		*done += took;
	}
	w->broken |= t == TLS_FAILED || t == TLS_END;
	return !w->broken;
}

static bool push_out(struct served *w)
{
	size_t done;

	if (w->out.n > w->sent) {
		if (!put(w, w->out.p + w->sent, w->out.n - w->sent, &done))
			return false;
		w->sent += done;
	}
	if (w->sent == w->out.n) {
		buf_free(&w->out);
		w->sent = 0;
	} else {
		net_conn_stuck(w->c);
	}
	if (w->last && !w->ended && !w->out.n) {
		w->ended = true;
		net_tls_finish(w->tls);
		shutdown(w->fd, SHUT_WR);
	}
	watch(w);
	return true;
}

bool net_serve_write(struct conn *c, const unsigned char *p, size_t n)
{
	struct served *w = c->served;
	size_t done = 0;

	if (!net_serve_full(c) && !put(w, (const char *)p, n, &done))
		return false;
	if (done < n)
		buf_add(&w->out, p + done, n - done);
	watch(w);
	return true;
}

bool net_serve_full(const struct conn *c)
{
	return c->served->out.n > c->served->sent;
}

int net_serve_fd(const struct conn *c)
{
	return c->served->fd;
}

void net_serve_pause(struct conn *c, bool on)
{
	c->served->paused = on;
	watch(c->served);
}

/* ---- control frames -------------------------------------------------------------------------- */

/* Goes behind what is on its way. */
static void say(struct served *w, int op, struct str payload)
{
	size_t n = payload.n < CONTROL_MAX ? payload.n : CONTROL_MAX;

	buf_char(&w->out, (char)(0x80 | op));
	buf_char(&w->out, (char)n);
	buf_add(&w->out, payload.p, n);
}

/* The close frame, and its end: from here on only the peer's is waited for, some seconds. */
static void end(struct served *w, uint16_t code, struct str why)
{
	struct conn *c = w->c;
	char payload[CONTROL_MAX] = { (char)(code >> 8), (char)code };
	size_t n = why.n < sizeof(payload) - 2 ? why.n : sizeof(payload) - 2;

	if (n)
		memcpy(payload + 2, why.p, n);
	say(w, OP_CLOSE, (struct str){ payload, code == 1005 ? 0 : n + 2 });
	w->last = true;
	w->paused = false;
	c->shut = true;
	c->closing_since = net_now(c->net);
	net_conn_arm(c);
}

bool net_serve_close(struct conn *c, int code, struct str why)
{
	end(c->served, (uint16_t)code, why);
	return push_out(c->served);
}

/* ---- input ----------------------------------------------------------------------------------- */

/* The peer closes, or broke the protocol: it is told the code, once. */
static void ended(struct served *w, struct str why)
{
	if (!w->c->closing)
		w->c->code = w->read.code;
	end(w, w->read.code, why);
}

static void take(struct served *w, enum ws_event ev)
{
	struct conn *c = w->c;

	switch (ev) {
	case WS_MORE:
		break;
	case WS_MESSAGE:
		c->binary = w->read.binary;
		net_conn_deliver(c, w->read.data);
		break;
	case WS_PING:
		say(w, OP_PONG, w->read.data);
		break;
	case WS_PONG:
		net_conn_ponged(c, w->read.data);
		break;
	case WS_CLOSE:
		ended(w, STR(""));
		break;
	case WS_BAD:
		ended(w, str_of(w->read.why ? w->read.why : net_conn_too_large(c)));
		break;
	}
}

/* Reads these bytes as frames. */
static void feed(struct served *w, char *p, size_t n)
{
	struct conn *c = w->c;

	if (w->last)
		return; /* nothing is read behind the end */
	c->heard = net_now(c->net);
	c->pinged = false;
	c->net->counts.bytes_in += n;
	while (n && !w->last) {
		size_t used;
		enum ws_event ev = ws_read_feed(&w->read, p, n, &used);

		p += used;
		n -= used;
		take(w, ev);
	}
	if (w->out.n - w->sent > NET_TX_MAX && !w->last)
		net_conn_pause(c); /* it pings without reading the pongs */
}

/* False: the connection has ended or is broken. */
static bool read_more(struct served *w)
{
	struct net *n = w->c->net;

	for (int i = 0; i < READS_PER_EVENT && !w->paused && !w->broken; i++) {
		size_t got;
		enum tls_wants t = net_sock_read(w->tls, w->fd, n->rx, NET_READ_MAX, &got);

		w->crossed = t == TLS_WRITE;
		if (t == TLS_END || t == TLS_FAILED)
			return false;
		if (t != TLS_OK)
			break;
		feed(w, n->rx, got);
		if (!net_tls_more(w->tls))
			break;
	}
	return !w->broken;
}

static void drained(struct conn *c)
{
	if (!c->shut)
		net_conn_writeable(c);
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct served *w = io->data;
	struct conn *c = w->c;
	bool was_full = net_serve_full(c);

	(void)loop;
	if (((events & EV_READ) || w->crossed) && !read_more(w)) {
		net_conn_end(c);
		return;
	}
	if (!push_out(w)) {
		net_conn_end(c);
		return;
	}
	if ((was_full || w->paused) && !net_serve_full(c))
		drained(c);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void write_answer(struct served *w, struct str key, const char *protocol)
{
	unsigned char hash[EVP_MAX_MD_SIZE], text[64];
	struct buf all = BUF_INIT;
	unsigned len = 0;

	buf_str(&all, key);
	buf_str(&all, STR(GUID));
	if (EVP_Digest(all.p, all.n, hash, &len, EVP_sha1(), NULL) != 1)
		abort();
	EVP_EncodeBlock(text, hash, (int)len);
	buf_free(&all);
	buf_fmt(&w->out,
		"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n",
		(char *)text);
	if (protocol)
		buf_fmt(&w->out, "Sec-WebSocket-Protocol: %s\r\n", protocol);
	buf_str(&w->out, STR("\r\n"));
}

void net_serve_begin(struct conn *c, const struct net_accepted *a, struct str key,
		     const struct ws_hello *hello, struct buf *rest)
{
	struct served *w = xcalloc(1, sizeof(*w));

	w->c = c;
	w->tls = a->tls;
	w->fd = a->fd;
	c->served = w;
	ws_read_init(&w->read, c->net->lim.body);
	ev_io_init(&w->io, on_event, a->fd, EV_READ);
	w->io.data = w;
	write_answer(w, key, c->protocol);
	if (push_out(w)) {
		net_ws_open(c, hello);
		feed(w, rest->p, rest->n);
		push_out(w);
	}
	if (w->broken)
		net_conn_kill(c, 1006);
}

void net_serve_free(struct conn *c)
{
	struct served *w = c->served;

	if (!w)
		return;
	c->served = NULL;
	ev_io_stop(c->net->loop, &w->io);
	net_tls_free(w->tls);
	close(w->fd);
	ws_read_free(&w->read);
	buf_free(&w->out);
	free(w);
}

const char *const *net_serve_names(const struct conn *c)
{
	return net_tls_names(c->served->tls);
}
