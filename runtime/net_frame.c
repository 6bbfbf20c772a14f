/*
 * net_frame.c - what leaves through a WebSocket connection, and its life after the handshake.
 * The hot path: at the end of a turn each connection that wants to write has its frames built side
 * by side in one shared buffer and handed to the kernel in one write.  Nothing is kept per
 * connection but what a full socket did not take.
 * It must never write after a close frame, nor between the parts of a torn frame.
 */
#include "net_lws.h"

#include "limit.h"
#include "log.h"

#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define ROUNDS 4 /* writes of one connection per turn, then others get theirs */
#define CLOSE_TIME 5.0 /* s for what is queued and the peer's close frame */
#define DIAL_TIME 20.0 /* s for name, TCP, TLS and handshake of a dialled one */
#define STALL_LOOKS 4 /* looks at a full socket during read_stall */
#define OUT_PAUSE (64 * 1024) /* bytes queued behind a full socket; then the peer is not read */
#define OP_TEXT 1
#define OP_BINARY 2
#define OP_CLOSE 8
#define OP_PING 9
#define MARK_MAX 24 /* digits */

/* ---- life ------------------------------------------------------------------------------------ */

struct conn *net_conn_new(struct net *n, const struct ws_cb *cb, void *arg)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->net = n;
	c->cb = cb;
	c->arg = arg;
	c->id = ++n->next_id;
	c->code = 1006;
	c->heard = net_now(n);
	link_init(&c->dirty);
	link_add(&n->conns, &c->all);
	ev_timer_init(&c->timer, net_conn_timer, 0, 0);
	return c;
}

void net_conn_end(struct conn *c)
{
	struct net *n = c->net;

	link_drop(&c->dirty);
	ev_timer_stop(n->loop, &c->timer);
	if (!c->identified && !c->client)
		n->counts.unidentified--;
	if (c->client)
		n->counts.ws_out--;
	else
		n->counts.ws--;
	if (c->open || c->client)
		c->cb->closed(c->arg, c, c->code);
	link_drop(&c->dirty);
	link_drop(&c->all);
	net_serve_free(c);
	net_dial_cancel(c);
	net_peer_put(n, c->peer);
	buf_free(&c->out);
	buf_free(&c->rx);
	free(c->protocol);
	free(c->reason);
	free(c);
}

/* lws holds bytes back for a flush even when killing; a socket shut down fails that at once. */
void net_conn_kill(struct conn *c, int code)
{
	c->code = (uint16_t)code;
	c->shut = true;
	ev_timer_stop(c->net->loop, &c->timer);
	if (!c->wsi)
		net_conn_end(c);
	else if (c->open && lws_partial_buffered(c->wsi))
		shutdown(lws_get_socket_fd(c->wsi), SHUT_RDWR);
	else
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

void net_conn_dirty(struct conn *c)
{
	if (link_alone(&c->dirty))
		link_add(&c->net->conns_dirty, &c->dirty);
}

/* ---- its carrier: net_ws_serve.c, or lws for a dialled one ------------------------------------- */

static bool full(const struct conn *c)
{
	return c->served ? net_serve_full(c) : lws_partial_buffered(c->wsi);
}

static int descriptor(const struct conn *c)
{
	return c->served ? net_serve_fd(c) : lws_get_socket_fd(c->wsi);
}

static void set_reading(struct conn *c, bool on)
{
	c->paused = !on;
	if (c->served)
		net_serve_pause(c, !on);
	else
		lws_rx_flow_control(c->wsi, on);
}

void net_conn_pause(struct conn *c)
{
	if (!c->paused)
		set_reading(c, false);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static size_t put_header(unsigned char *p, int op, size_t n, bool masked)
{
	size_t used = 2;

	p[0] = (unsigned char)(0x80 | op);
	if (n < 126) {
		p[1] = (unsigned char)n;
	} else if (n < 65536) {
		p[1] = 126;
		p[2] = (unsigned char)(n >> 8);
		p[3] = (unsigned char)n;
		used = 4;
	} else {
		p[1] = 127;
		for (int i = 0; i < 8; i++)
			p[2 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
		used = 10;
	}
	if (masked)
		p[1] |= 0x80;
	return used;
}

/* Masking keys must not be foreseeable (RFC 6455 10.3). */
static void new_mask(unsigned char mask[4])
{
	static unsigned char pool[256];
	static size_t left;

	if (!left) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
			abort();
		left = sizeof(pool);
	}
	left -= 4;
	memcpy(mask, pool + left, 4);
}

static size_t joined(const struct str *piece, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += piece[i].n;
	return sum;
}

#define HEADER_MAX 14

/* Writes the whole frame at p, which has room; returns its length. */
static size_t put_frame(const struct conn *c, unsigned char *p, int op, const struct str *piece,
			size_t n, size_t sum)
{
	size_t head = put_header(p, op, sum, c->client);
	unsigned char *body = p + head, mask[4];

	if (c->client) {
		new_mask(mask);
		memcpy(body, mask, 4);
		body += 4;
	}
	for (size_t i = 0, at = 0; i < n; at += piece[i].n, i++) {
		if (piece[i].n)
			memcpy(body + at, piece[i].p, piece[i].n);
	}
	for (size_t i = 0; c->client && i < sum; i++)
		body[i] ^= mask[i & 3];
	return (size_t)(body - p) + sum;
}

/* A frame that waits in the connection. */
static void queue_frame(struct conn *c, bool binary, const struct str *piece, size_t n, size_t sum)
{
	unsigned char *p = (unsigned char *)buf_reserve(&c->out, sum + HEADER_MAX);

	c->out.n += put_frame(c, p, binary ? OP_BINARY : OP_TEXT, piece, n, sum);
	if (c->stuck > 0 && c->out.n > OUT_PAUSE)
		net_conn_pause(c); /* it asks without reading the answers */
	net_conn_dirty(c);
}

bool conn_frame(struct conn *c, bool binary, const struct str *piece, size_t npieces)
{
	struct net *n = c->net;
	size_t sum = joined(piece, npieces);

	if (c->closing || c->shut)
		return true; /* too late: as if lost on the way */
	if (n->filling == c) {
		if (c->big || (n->tx_len && n->tx_len + sum + HEADER_MAX > NET_TX_MAX)) {
			c->want = true;
			return false;
		}
		n->counts.frames_out++;
		c->big = sum + HEADER_MAX > NET_TX_MAX;
		if (c->big)
			queue_frame(c, binary, piece, npieces, sum);
		else
			n->tx_len += put_frame(c, n->tx + LWS_PRE + n->tx_len,
					       binary ? OP_BINARY : OP_TEXT, piece, npieces, sum);
		return true;
	}
	n->counts.frames_out++;
	queue_frame(c, binary, piece, npieces, sum);
	return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

static uint64_t bytes_acked(const struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(descriptor(c), IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_bytes_acked;
}

/* The kernel did not take everything: the carrier keeps the rest and goes on. */
void net_conn_stuck(struct conn *c)
{
	if (c->stuck > 0)
		return;
	c->stuck = net_now(c->net);
	c->acked = bytes_acked(c);
	net_conn_arm(c);
}

/* What the kernel takes at once does not go through lws, which saves a fifth of a lone frame's cost;
 * what it does not take, what stands behind bytes that lws holds, and TLS do. */
static size_t write_direct(struct conn *c, const unsigned char *p, size_t len)
{
	ssize_t k;

	if (lws_is_ssl(c->wsi) || lws_partial_buffered(c->wsi))
		return 0;
	k = send(lws_get_socket_fd(c->wsi), p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return k > 0 ? (size_t)k : 0;
}

/* False: broken. */
static bool carry(struct conn *c, unsigned char *p, size_t len)
{
	size_t k;

	if (c->served)
		return net_serve_write(c, p, len);
	k = write_direct(c, p, len);
	return k == len || lws_write(c->wsi, p + k, len - k, LWS_WRITE_RAW) >= 0;
}

static bool write_raw(struct conn *c, unsigned char *p, size_t len)
{
	c->unmarked = true;
	c->net->counts.writes++;
	c->net->counts.bytes_out += len;
	if (!carry(c, p, len)) {
		c->broken = true;
		return false;
	}
	if (full(c))
		net_conn_stuck(c);
	return true;
}

/* One write: what is queued, then what fill adds.  False: the socket is broken or full. */
static bool write_round(struct conn *c)
{
	struct net *n = c->net;
	struct buf out = c->out;
	bool whole = out.n + HEADER_MAX < NET_TX_MAX, alive = true;

	c->out = BUF_INIT;
	n->tx_len = 0;
	c->big = !whole;
	if (whole && out.n) {
		memcpy(n->tx + LWS_PRE, out.p, out.n);
		n->tx_len = out.n;
	}
	if (whole && c->want && !c->closing) {
		c->want = false;
		n->filling = c;
		c->cb->fill(c->arg, c);
		n->filling = NULL;
	}
	if (!whole)
		alive = write_raw(c, (unsigned char *)out.p, out.n);
	else if (n->tx_len)
		alive = write_raw(c, n->tx + LWS_PRE, n->tx_len);
	buf_free(&out);
	return alive && !full(c);
}

static bool waiting(const struct conn *c)
{
	return c->out.n || (c->want && !c->closing);
}

/* False: broken. */
static bool ask_close(struct conn *c)
{
	if (!c->closing_since) {
		c->closing_since = net_now(c->net);
		net_conn_arm(c);
	}
	if (c->close_asked || full(c) || c->out.n)
		return true;
	c->close_asked = true;
	if (c->served)
		return net_serve_close(c, c->code, c->reason ? str_of(c->reason) : STR(""));
	lws_callback_on_writable(c->wsi); /* the close itself has to come out of a callback */
	return true;
}

void net_conn_flush(struct conn *c)
{
	if (c->closing && !c->open) {
		net_conn_kill(c, 1006);
		return;
	}
	if (c->redial) {
		net_dial_next(c); /* may be its end */
		return;
	}
	if (!c->open || c->shut)
		return;
	for (int i = 0; i < ROUNDS && waiting(c); i++) {
		if (full(c) || !write_round(c))
			break;
	}
	if (waiting(c) && !c->broken && !full(c))
		net_conn_dirty(c);
	if (c->broken || (c->closing && !ask_close(c)))
		net_conn_kill(c, 1006);
}

void net_ws_flush(struct net *n)
{
	struct link batch;

	link_move(&n->conns_dirty, &batch);
	while (!link_alone(&batch)) {
		struct conn *c = container_of(batch.next, struct conn, dirty);

		link_drop(&c->dirty);
		net_conn_flush(c);
	}
}

int net_conn_writeable(struct conn *c)
{
	c->stuck = 0;
	if (c->paused)
		set_reading(c, true);
	if (!c->served && c->close_asked && !c->out.n) {
		struct str why = str_of(c->reason);

		lws_close_reason(c->wsi, (enum lws_close_status)c->code, (unsigned char *)why.p,
				 why.n < 123 ? why.n : 123);
		return -1;
	}
	if (waiting(c) || c->closing)
		net_conn_dirty(c);
	return 0;
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static double earlier(double a, double b)
{
	return !a || (b && b < a) ? b : a;
}

void net_conn_arm(struct conn *c)
{
	const struct net_limits *lim = &c->net->lim;
	double now = net_now(c->net), at = 0;

	if (lim->ping > 0 && c->open)
		at = c->heard + (c->pinged ? lim->hangup : lim->ping);
	if (c->client && !c->open)
		at = c->heard + DIAL_TIME;
	if (c->stuck > 0)
		at = earlier(at, now + lim->read_stall / STALL_LOOKS);
	if (c->closing_since > 0)
		at = earlier(at, c->closing_since + CLOSE_TIME);
	ev_timer_stop(c->net->loop, &c->timer);
	if (!at)
		return;
	ev_timer_set(&c->timer, at > now ? at - now : 0, 0);
	ev_timer_start(c->net->loop, &c->timer);
}

/* It carries the newest mark: its pong tells that the peer has read up to there. */
static void send_ping(struct conn *c)
{
	unsigned char frame[LWS_PRE + HEADER_MAX + MARK_MAX];
	char text[MARK_MAX];
	struct str payload = { text, (size_t)snprintf(text, sizeof(text), "%llu",
						      (unsigned long long)c->mark) };

	write_raw(c, frame + LWS_PRE,
		  put_frame(c, frame + LWS_PRE, OP_PING, &payload, 1, payload.n));
}

/* A full socket whose peer's kernel takes nothing more: true when that has lasted too long. */
static bool stalled(struct conn *c, double now)
{
	uint64_t acked = bytes_acked(c);

	if (acked > c->acked) {
		c->acked = acked;
		c->stuck = now;
	}
	return now - c->stuck >= c->net->lim.read_stall - 0.001;
}

/* It has not answered the ping: it is told, in case it still can hear, and let go. */
static void hang_up(struct conn *c)
{
	unsigned char frame[LWS_PRE + HEADER_MAX + 128];
	char text[126] = { 1001 >> 8, 1001 & 0xff };
	int n = snprintf(text + 2, sizeof(text) - 2, "silent for %g s (limits.hangup)",
			 c->net->lim.hangup);
	struct str payload = { text, (size_t)n + 2 };

	limit_hit(LIMIT_HANGUP);
	if (conn_writable(c))
		write_raw(c, frame + LWS_PRE,
			  put_frame(c, frame + LWS_PRE, OP_CLOSE, &payload, 1, payload.n));
	net_conn_kill(c, c->shut ? c->code : 1001);
}

static void close_stalled(struct conn *c)
{
	limit_hit(LIMIT_READ_STALL);
	log_info("ws", "peer does not read, closing conn=%llu peer=%s", (unsigned long long)c->id,
		 c->peer ? c->peer->text : "");
	net_conn_kill(c, 1008);
}

void net_conn_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct conn *c = container_of(w, struct conn, timer);
	const struct net_limits *lim = &c->net->lim;
	double now = net_now(c->net), silent = now - c->heard + 0.001;

	(void)loop;
	(void)events;
	if (c->closing_since > 0 && now >= c->closing_since + CLOSE_TIME - 0.001) {
		net_conn_kill(c, c->code);
		return;
	}
	if (c->client && !c->open && silent >= DIAL_TIME) {
		net_dial_failed(c, "no answer in time");
		net_conn_kill(c, 1006);
		return;
	}
	if (c->stuck > 0 && stalled(c, now)) {
		close_stalled(c);
		return;
	}
	if (c->paused) /* its silence is ours */
		c->heard = now;
	else if (lim->ping > 0 && c->open && silent >= lim->hangup && c->pinged) {
		hang_up(c);
		return;
	}
	if (lim->ping > 0 && c->open && !c->paused && silent >= lim->ping && !c->pinged) {
		c->pinged = true;
		if (conn_writable(c))
			send_ping(c);
		if (c->broken) {
			net_conn_kill(c, 1006);
			return;
		}
	}
	net_conn_arm(c);
}

/* ---- what the rest of the runtime calls ------------------------------------------------------ */

void conn_want_write(struct conn *c)
{
	c->want = true;
	net_conn_dirty(c);
}

bool conn_writable(const struct conn *c)
{
	return c->open && !c->closing && !c->shut && !full(c);
}

size_t conn_queued(const struct conn *c)
{
	return c->out.n;
}

uint64_t conn_mark(struct conn *c)
{
	if (c->net->lim.ping <= 0)
		return 0;
	if (c->unmarked && conn_writable(c)) {
		c->mark++;
		send_ping(c);
		c->unmarked = false;
		if (c->broken)
			net_conn_dirty(c);
	}
	return c->mark;
}

void conn_close(struct conn *c, int code, const char *reason)
{
	if (c->closing || c->shut)
		return;
	c->closing = true;
	c->code = (uint16_t)code;
	c->reason = reason ? xstrdup(reason) : NULL;
	net_conn_dirty(c);
}
