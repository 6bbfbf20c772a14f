/*
 * net_wss.c - a WebSocket connection that was accepted over TLS: our descriptor and TLS session, with
 * wslay to read frames.  (libwebsockets makes its own TLS sessions only, so it cannot take over one in
 * which a handshake has been read.)  net_frame.c makes what is written, as for any connection.
 * Output is whole frames in order; what the socket did not take waits in `out`.  It never calls
 * `closed` from within `message`, nor writes behind a close frame.
 */
#include "net_lws.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <wslay/wslay.h>

#define READS_PER_EVENT 8 /* records, then others get their turn */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

struct wss {
	struct conn *c;
	struct tls *tls;
	int fd;
	ev_io io;
	wslay_event_context_ptr ws;
	struct buf out; /* frames; `sent` bytes of it are gone */
	size_t sent;
	struct str in; /* being read by wslay */
	bool paused; /* by net_frame.c: its output stands still */
	bool crossed; /* TLS has to write before it can go on reading */
	bool control; /* the frame being read */
	bool refused; /* a message that is too large */
	bool last; /* our close frame is in out; then only the peer's end is waited for */
	bool ended; /* it has left */
	bool broken;
};

/* ---- output ---------------------------------------------------------------------------------- */

static void watch(struct wss *w)
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
static bool put(struct wss *w, const char *p, size_t n, size_t *done)
{
	enum tls_wants t = TLS_OK;

	*done = 0;
	while (*done < n && t == TLS_OK) {
		size_t took;

		t = net_tls_write(w->tls, p + *done, n - *done, &took);
		*done += took;
	}
	w->broken |= t == TLS_FAILED || t == TLS_END;
	return !w->broken;
}

static bool push_out(struct wss *w)
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

bool net_wss_write(struct conn *c, const unsigned char *p, size_t n)
{
	struct wss *w = c->wss;
	size_t done = 0;

	if (!net_wss_full(c) && !put(w, (const char *)p, n, &done))
		return false;
	if (done < n)
		buf_add(&w->out, p + done, n - done);
	watch(w);
	return true;
}

bool net_wss_full(const struct conn *c)
{
	return c->wss->out.n > c->wss->sent;
}

int net_wss_fd(const struct conn *c)
{
	return c->wss->fd;
}

void net_wss_pause(struct conn *c, bool on)
{
	c->wss->paused = on;
	watch(c->wss);
}

/* ---- control frames -------------------------------------------------------------------------- */

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *p, size_t n, int flags, void *arg)
{
	struct wss *w = arg;

	(void)ws;
	(void)flags;
	buf_add(&w->out, p, n);
	return (ssize_t)n;
}

/* From here on only the peer's end is waited for, some seconds. */
static void ends(struct wss *w)
{
	struct conn *c = w->c;

	w->last = true;
	w->paused = false;
	c->shut = true;
	c->closing_since = net_now(c->net);
	net_conn_arm(c);
}

/* What wslay wants to say goes behind what is on its way. */
static void say(struct wss *w)
{
	wslay_event_send(w->ws);
	if (wslay_event_get_close_sent(w->ws) && !w->last)
		ends(w);
}

bool net_wss_close(struct conn *c, int code, struct str why)
{
	struct wss *w = c->wss;

	wslay_event_queue_close(w->ws, (uint16_t)code, (const uint8_t *)why.p,
				why.n < 123 ? why.n : 123);
	say(w);
	return push_out(w);
}

/* ---- input ----------------------------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *p, size_t n, int flags, void *arg)
{
	struct wss *w = arg;

	(void)flags;
	if (!w->in.n || w->refused) {
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	n = n < w->in.n ? n : w->in.n;
	memcpy(p, w->in.p, n);
	w->in.p += n;
	w->in.n -= n;
	return (ssize_t)n;
}

static void on_start(wslay_event_context_ptr ws,
		     const struct wslay_event_on_frame_recv_start_arg *a, void *arg)
{
	struct wss *w = arg;
	const char *why;

	w->control = wslay_is_ctrl_frame(a->opcode);
	if (w->control || a->payload_length <= w->c->net->lim.body - w->c->rx.n)
		return;
	w->refused = true;
	why = net_conn_too_large(w->c);
	wslay_event_queue_close(ws, WSLAY_CODE_MESSAGE_TOO_BIG, (const uint8_t *)why, strlen(why));
}

/* Kept as it comes, so that a length which is only announced takes no memory. */
static void on_chunk(wslay_event_context_ptr ws,
		     const struct wslay_event_on_frame_recv_chunk_arg *a, void *arg)
{
	struct wss *w = arg;

	(void)ws;
	if (!w->control && !w->refused && !w->c->closing)
		buf_add(&w->c->rx, a->data, a->data_length);
}

static void on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *a,
		       void *arg)
{
	struct wss *w = arg;
	struct conn *c = w->c;

	(void)ws;
	if (w->refused)
		return;
	switch (a->opcode) {
	case WSLAY_TEXT_FRAME:
	case WSLAY_BINARY_FRAME:
		c->binary = a->opcode == WSLAY_BINARY_FRAME;
		net_conn_deliver(c, c->rx.n ? buf_view(&c->rx) : STR(""));
		buf_free(&c->rx);
		break;
	case WSLAY_PONG:
		net_conn_ponged(c, (struct str){ (const char *)a->msg, a->msg_length });
		break;
	case WSLAY_CONNECTION_CLOSE:
		if (!c->closing)
			c->code = a->status_code ? a->status_code : 1005;
		c->shut = true;
		break;
	default:
		break;
	}
}

/* A frame that cannot be: wslay gives up without a code. */
static void malformed(struct wss *w)
{
	static const unsigned char frame[] = { 0x88, 2, 1002 >> 8, 1002 & 0xff };

	buf_add(&w->out, frame, sizeof(frame));
	if (!w->c->closing)
		w->c->code = 1002;
	ends(w);
}

/* Reads these bytes as frames.  A breach of the protocol ends in a close frame with its code. */
static void feed(struct wss *w, struct str bytes)
{
	struct conn *c = w->c;

	if (w->last)
		return; /* nothing is read behind the end */
	c->heard = net_now(c->net);
	c->pinged = false;
	c->net->counts.bytes_in += bytes.n;
	w->in = bytes;
	if (wslay_event_recv(w->ws) != 0)
		malformed(w);
	else if (wslay_event_want_write(w->ws))
		say(w);
	w->in = STR_NONE;
	if (wslay_event_get_close_sent(w->ws) && !wslay_event_get_close_received(w->ws) &&
	    !c->closing)
		c->code = wslay_event_get_status_code_sent(w->ws);
	if (w->out.n - w->sent > NET_TX_MAX && !w->last)
		net_conn_pause(c); /* it pings without reading the pongs */
}

/* False: the connection has ended or is broken. */
static bool read_more(struct wss *w)
{
	struct net *n = w->c->net;

	for (int i = 0; i < READS_PER_EVENT && !w->paused && !w->broken; i++) {
		size_t got;
		enum tls_wants t = net_tls_read(w->tls, n->rx, NET_READ_MAX, &got);

		w->crossed = t == TLS_WRITE;
		if (t == TLS_END || t == TLS_FAILED)
			return false;
		if (t != TLS_OK)
			break;
		feed(w, (struct str){ n->rx, got });
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
	struct wss *w = io->data;
	struct conn *c = w->c;
	bool was_full = net_wss_full(c);

	(void)loop;
	if (((events & EV_READ) || w->crossed) && !read_more(w)) {
		net_conn_end(c);
		return;
	}
	if (!push_out(w)) {
		net_conn_end(c);
		return;
	}
	if (was_full && !net_wss_full(c))
		drained(c);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void write_answer(struct wss *w, struct str key, const char *protocol)
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

void net_wss_begin(struct conn *c, const struct net_accepted *a, struct str key,
		   const struct ws_hello *hello, struct str rest)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.on_frame_recv_start_callback = on_start,
		.on_frame_recv_chunk_callback = on_chunk,
		.on_msg_recv_callback = on_message,
	};
	struct wss *w = xcalloc(1, sizeof(*w));

	w->c = c;
	w->tls = a->tls;
	w->fd = a->fd;
	c->wss = w;
	if (wslay_event_context_server_init(&w->ws, &callbacks, w) != 0)
		abort(); /* no memory for a few hundred bytes */
	wslay_event_config_set_no_buffering(w->ws, 1);
	wslay_event_config_set_max_recv_msg_length(w->ws, c->net->lim.body);
	ev_io_init(&w->io, on_event, a->fd, EV_READ);
	w->io.data = w;
	write_answer(w, key, c->protocol);
	if (push_out(w)) {
		net_ws_open(c, hello);
		if (rest.n)
			feed(w, rest);
		push_out(w);
	}
	if (w->broken)
		net_conn_kill(c, 1006);
}

void net_wss_free(struct conn *c)
{
	struct wss *w = c->wss;

	if (!w)
		return;
	c->wss = NULL;
	ev_io_stop(c->net->loop, &w->io);
	net_tls_free(w->tls);
	close(w->fd);
	wslay_event_context_free(w->ws);
	buf_free(&w->out);
	free(w);
}

const char *const *net_wss_names(const struct conn *c)
{
	return net_tls_names(c->wss->tls);
}
