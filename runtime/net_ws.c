/*
 * net_ws.c - WebSocket connections: handshakes that are accepted or refused, and dialled ones.
 * ws_hello.c and whoever listens judge a handshake, then net_ws_serve.c has the connection.
 * libwebsockets carries what was dialled, in its client's role: every way into its other roles is
 * refused.  Messages are put together whole, at most `body` bytes (1009), text is UTF-8 (1007).
 */
#define _GNU_SOURCE
#include "net_lws.h"

#include "http1.h"
#include "limit.h"
#include "log.h"
#include "ws_hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the handshake --------------------------------------------------------------------------- */

int net_ws_check(struct net *n, const struct net_accepted *a, const struct http1_msg *m,
		 struct ws_hello *hello, struct buf *text, char *protocol, size_t size,
		 const char **reason)
{
	int status = ws_hello_judge(m, n->lim.origins, reason);

	if (status)
		return status;
	if (n->draining) {
		*reason = "shutting down";
		return 503;
	}
	if (a->identified && n->counts.unidentified >= n->lim.unidentified) {
		limit_hit(LIMIT_UNIDENTIFIED);
		*reason = "too many connections without an identity (limits.unidentified)";
		return 503;
	}
	ws_hello_read(m, text, hello);
	hello->peer = str_of(a->peer->text);
	hello->local_port = a->port;
	hello->tls = a->tls != NULL;
	hello->tls_names = net_tls_names(a->tls);
	protocol[0] = 0;
	status = a->h.ws->accept(a->h.arg, hello, protocol, size);
	*reason = hello->refusal ? hello->refusal : "the connection was refused";
	return status;
}

void net_ws_adopt(struct net *n, const struct net_accepted *a, const struct http1_msg *m,
		  const struct ws_hello *hello, const char *protocol, struct buf *rest)
{
	struct conn *c = net_conn_new(n, a->h.ws, a->h.arg);
	struct str key = http1_header(m->headers, m->nheaders, "Sec-WebSocket-Key");

	c->peer = a->peer;
	c->protocol = *protocol ? xstrdup(protocol) : NULL;
	n->counts.ws++;
	if (a->identified) /* for what it asked before over HTTP */
		n->counts.unidentified++;
	net_serve_begin(c, a, key, hello, rest);
}

int net_ws_open(struct conn *c, const struct ws_hello *hello)
{
	static const struct ws_hello none;

	c->open = true;
	c->heard = net_now(c->net);
	net_dial_cancel(c);
	net_conn_arm(c);
	c->cb->open(c->arg, c, hello ? hello : &none, conn_protocol(c));
	return 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

static int refuse_message(struct conn *c, int code, const char *why)
{
	c->code = (uint16_t)code;
	c->closing = true;
	buf_free(&c->rx);
	lws_close_reason(c->wsi, (enum lws_close_status)code, (unsigned char *)why, strlen(why));
	return -1;
}

const char *net_conn_too_large(struct conn *c)
{
	static char why[80];

	limit_hit(LIMIT_BODY);
	snprintf(why, sizeof(why), "message larger than %zu bytes (limits.body)", c->net->lim.body);
	return why;
}

void net_conn_deliver(struct conn *c, struct str data)
{
	c->net->counts.frames_in++;
	if (!c->closing)
		c->cb->message(c->arg, c, data, c->binary);
}

static int received(struct conn *c, const char *p, size_t len)
{
	bool first = lws_is_first_fragment(c->wsi), last = lws_is_final_fragment(c->wsi);
	size_t coming = lws_remaining_packet_payload(c->wsi);

	c->heard = net_now(c->net);
	c->pinged = false;
	c->net->counts.bytes_in += len;
	if (c->closing)
		return 0;
	if (first) {
		c->binary = lws_frame_is_binary(c->wsi);
		buf_clear(&c->rx);
	}
	if (c->rx.n + len > c->net->lim.body || coming > c->net->lim.body - c->rx.n - len)
		return refuse_message(c, 1009, net_conn_too_large(c));
	if (first && last) {
		net_conn_deliver(c, (struct str){ len ? p : "", len });
		return 0;
	}
	if (len)
		buf_add(&c->rx, p, len);
	if (!last)
		return 0;
	if (!c->binary && !str_utf8(buf_view(&c->rx)))
		return refuse_message(c, 1007, "bad utf8");
	net_conn_deliver(c, c->rx.n ? buf_view(&c->rx) : STR(""));
	buf_free(&c->rx);
	return 0;
}

static int peer_closes(struct conn *c, const unsigned char *p, size_t len)
{
	c->shut = true;
	if (!c->closing)
		c->code = len >= 2 ? (uint16_t)(p[0] << 8 | p[1]) : 1005;
	buf_free(&c->out);
	return 0;
}

/* lws begins to close, asked by us or by itself (a broken frame, bad UTF-8): from here on nothing
 * may be written.  Its reason is taken now; what is parsed later would overwrite it. */
static int begins_close(struct conn *c)
{
	const unsigned char *p;

	if (!c->open)
		return 0;
	if (c->code == 1006 && lws_get_close_length(c->wsi) >= 2) {
		p = lws_get_close_payload(c->wsi);
		c->code = (uint16_t)(p[0] << 8 | p[1]);
	}
	if (!c->closing_since) { /* COMPAT: 4.1.6 would wait 30 s for the peer */
		c->closing_since = net_now(c->net);
		net_conn_arm(c);
	}
	c->shut = true;
	buf_free(&c->out);
	return 0;
}

/* ---- about a connection --------------------------------------------------------------------- */

void conn_identified(struct conn *c)
{
	if (c->identified)
		return;
	c->identified = true;
	if (!c->client)
		c->net->counts.unidentified--;
}

void conn_set_user(struct conn *c, void *user)
{
	c->user = user;
}

void *conn_user(const struct conn *c)
{
	return c->user;
}

struct str conn_protocol(const struct conn *c)
{
	return c->protocol ? str_of(c->protocol) : STR("");
}

struct str conn_peer(const struct conn *c)
{
	return c->peer ? str_of(c->peer->text) : STR("");
}

const char *const *conn_tls_names(const struct conn *c)
{
	return c->served ? net_serve_names(c) : NULL;
}

uint64_t conn_id(const struct conn *c)
{
	return c->id;
}

uint64_t conn_passed(const struct conn *c)
{
	return c->passed;
}

int net_conn_ponged(struct conn *c, struct str payload)
{
	uint64_t mark;

	c->heard = net_now(c->net);
	c->pinged = false;
	if (str_u64(payload, &mark) && mark <= c->mark && mark > c->passed)
		c->passed = mark;
	return 0;
}

void net_close_all(struct net *n, int ws_code)
{
	for (struct link *at = n->conns.next; at != &n->conns; at = at->next)
		conn_close(container_of(at, struct conn, all), ws_code, "shutting down");
}

/* What lws knows of is closed with it. */
void net_ws_free(struct net *n)
{
	struct link *at = n->conns.next;

	while (at != &n->conns) {
		struct conn *c = container_of(at, struct conn, all);

		at = at->next;
		c->code = 1001;
		c->shut = true;
		if (!c->wsi)
			net_conn_end(c);
	}
}

/* ---- lws ------------------------------------------------------------------------------------- */

static int gone(struct lws *wsi, struct conn *c)
{
	lws_set_opaque_user_data(wsi, NULL);
	c->wsi = NULL;
	net_conn_end(c);
	return 0;
}

static int destroyed(struct lws *wsi, struct conn *c)
{
	if (!c->starting)
		return gone(wsi, c);
	lws_set_opaque_user_data(wsi, NULL);
	return 0;
}

static const char *reason_of(struct lws *wsi, const char *said)
{
	const char *tls = net_tls_verdict(lws_get_ssl(wsi));

	return tls ? tls : said ? said : "the connection failed";
}

static int dialled(struct lws *wsi, struct conn *c, enum lws_callback_reasons reason, void *in,
		   size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return net_dial_headers(c, in, *(unsigned char **)in + len);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		return net_ws_open(c, NULL);
	case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
		net_dial_open(c, wsi);
		return 0;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		if (c->starting)
			return 0;
		if (net_dial_again(c)) {
			lws_set_opaque_user_data(wsi, NULL);
			return 0;
		}
		net_dial_failed(c, reason_of(wsi, in));
		return gone(wsi, c);
	default:
		return 0;
	}
}

/* What only a server's or a bare connection would ask. */
static bool fenced(enum lws_callback_reasons reason)
{
	switch (reason) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
	case LWS_CALLBACK_HTTP:
	case LWS_CALLBACK_HTTP_BODY:
	case LWS_CALLBACK_HTTP_WRITEABLE:
	case LWS_CALLBACK_RAW_ADOPT:
	case LWS_CALLBACK_RAW_CONNECTED:
	case LWS_CALLBACK_RAW_RX:
	case LWS_CALLBACK_RAW_WRITEABLE:
		return true;
	default:
		return false;
	}
}

static int on_conn(struct lws *wsi, struct conn *c, enum lws_callback_reasons reason, void *in,
		   size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_WSI_DESTROY:
		return destroyed(wsi, c);
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return received(c, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		return net_conn_ponged(c, (struct str){ in, len });
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return net_conn_writeable(c);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return peer_closes(c, in, len);
	case LWS_CALLBACK_WS_CLIENT_DROP_PROTOCOL:
		return begins_close(c);
	case LWS_CALLBACK_CLIENT_CLOSED:
		return gone(wsi, c);
	default:
		return dialled(wsi, c, reason, in, len);
	}
}

int net_ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len)
{
	struct conn *c;

	(void)user;
	if (fenced(reason))
		return -1;
	c = lws_get_opaque_user_data(wsi);
	return c ? on_conn(wsi, c, reason, in, len) : 0;
}
