/*
 * net_ws.c - WebSocket connections on libwebsockets' WebSocket role.
 * A handshake is read and judged here from what http1.c parsed; lws then gets the descriptor with
 * a handshake written by us, so that its HTTP parser never sees a byte of a client.
 * Every other way into lws's roles is refused.  Messages are put together whole, at most `body`
 * bytes (1009), text is UTF-8 (1007).
 */
#define _GNU_SOURCE
#include "net_lws.h"

#include "http1.h"
#include "limit.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the handshake --------------------------------------------------------------------------- */

static struct str header(const struct http1_msg *m, const char *name)
{
	return http1_header(m->headers, m->nheaders, name);
}

static unsigned count(const struct http1_msg *m, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->nheaders; i++)
		n += str_ieq(m->headers[i].name, str_of(name));
	return n;
}

/* 16 bytes in base64: 22 digits and "==" (RFC 6455 4.1). */
static bool good_key(struct str k)
{
	if (k.n != 24 || k.p[22] != '=' || k.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = k.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      c == '+' || c == '/'))
			return false;
	}
	return true;
}

/* No Origin is a device; a browser's must be on the list, when there is one.  When there is none,
 * `accept` decides. */
static bool good_origin(const struct net *n, struct str origin)
{
	if (!n->lim.origins || !origin.p)
		return true;
	for (const char *const *o = n->lim.origins; *o; o++) {
		if (strcmp(*o, "*") == 0 || str_ieq(origin, str_of(*o)))
			return true;
	}
	return false;
}

static int check_shape(const struct net *n, const struct http1_msg *m, const char **reason)
{
	if (!str_is(m->method, "GET") || m->framed) {
		*reason = "a WebSocket handshake is a GET without a body";
		return 400;
	}
	if (count(m, "Sec-WebSocket-Version") != 1 ||
	    !str_is(header(m, "Sec-WebSocket-Version"), "13")) {
		*reason = "Sec-WebSocket-Version must be 13";
		return 426;
	}
	if (count(m, "Sec-WebSocket-Key") != 1 || !good_key(header(m, "Sec-WebSocket-Key"))) {
		*reason = "Sec-WebSocket-Key must be 24 characters of base64";
		return 400;
	}
	if (count(m, "Origin") > 1 || count(m, "Authorization") > 1) {
		*reason = "Origin and Authorization may stand once each";
		return 400;
	}
	if (!good_origin(n, header(m, "Origin"))) {
		*reason = "this Origin is not allowed";
		return 403;
	}
	return 0;
}

/* Several Sec-WebSocket-Protocol lines count as one list. */
static struct str join_protocols(const struct http1_msg *m, struct buf *text)
{
	for (size_t i = 0; i < m->nheaders; i++) {
		if (!str_ieq(m->headers[i].name, STR("Sec-WebSocket-Protocol")))
			continue;
		if (text->n)
			buf_str(text, STR(", "));
		buf_str(text, m->headers[i].value);
	}
	return text->n ? buf_view(text) : STR("");
}

static struct str or_empty(struct str s)
{
	return s.p ? s : STR("");
}

int net_ws_check(struct net *n, const struct net_accepted *a, const struct http1_msg *m,
		 struct ws_hello *hello, struct buf *text, char *protocol, size_t size,
		 const char **reason)
{
	int status = check_shape(n, m, reason);

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
	hello->target = m->target;
	hello->origin_id = or_empty(header(m, "X-M2M-Origin"));
	hello->protocols = join_protocols(m, text);
	hello->authorization = or_empty(header(m, "Authorization"));
	hello->browser_origin = or_empty(header(m, "Origin"));
	hello->host = or_empty(header(m, "Host"));
	hello->peer = str_of(a->peer->text);
	hello->local_port = a->port;
	hello->tls = a->tls != NULL;
	hello->tls_names = net_tls_names(a->tls);
	protocol[0] = 0;
	status = a->h.ws->accept(a->h.arg, hello, protocol, size);
	*reason = "the connection was refused";
	return status;
}

void net_ws_adopt(struct net *n, const struct net_accepted *a, const struct http1_msg *m,
		  const struct ws_hello *hello, const char *protocol, struct str rest)
{
	struct conn *c = net_conn_new(n, a->h.ws, a->h.arg);
	struct str key = header(m, "Sec-WebSocket-Key");
	struct buf text = BUF_INIT;

	c->peer = a->peer;
	c->protocol = *protocol ? xstrdup(protocol) : NULL;
	n->counts.ws++;
	if (a->identified) /* for what it asked before over HTTP */
		n->counts.unidentified++;
	if (a->tls) {
		net_wss_begin(c, a, key, hello, rest);
		return;
	}
	buf_fmt(&text,
		"GET / HTTP/1.1\r\nHost: m\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n\r\n",
		STRFMT(key));
	buf_str(&text, rest);
	n->adopting = c;
	c->hello = hello;
	lws_adopt_socket_vhost_readbuf(n->vhost, a->fd, text.p, text.n);
	if (n->adopting == c) { /* lws let it go without a word, or cannot go on */
		n->adopting = NULL;
		if (!c->open)
			net_conn_kill(c, 1006);
	}
	buf_free(&text);
}

static int add_headers(struct conn *c, struct lws_process_html_args *args)
{
	struct buf line = BUF_INIT;
	bool fits;

	if (!c->protocol)
		return 0;
	buf_fmt(&line, "Sec-WebSocket-Protocol: %s\r\n", c->protocol);
	fits = line.n < (size_t)args->max_len;
	if (fits) {
		memcpy(args->p, line.p, line.n);
		args->p += line.n;
	}
	buf_free(&line);
	return fits ? 0 : -1;
}

int net_ws_open(struct conn *c, const struct ws_hello *hello)
{
	static const struct ws_hello none;

	c->hello = NULL;
	c->open = true;
	c->heard = net_now(c->net);
	net_dial_cancel(c);
	net_conn_arm(c);
	c->cb->open(c->arg, c, hello ? hello : &none, conn_protocol(c));
	return 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

static bool valid_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;

	while (p < end) {
		unsigned extra;
		uint32_t code;

		if (*p < 0x80) {
			p++;
			continue;
		}
		extra = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
		if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) <= extra)
			return false;
		code = *p & (0x3f >> extra);
		for (unsigned i = 1; i <= extra; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i] & 0x3f);
		}
		if (code < (extra == 2   ? 0x800u
			    : extra == 3 ? 0x10000u
					 : 0x80u) ||
		    code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return false;
		p += extra + 1;
	}
	return true;
}

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
	if (!c->binary && !valid_utf8(buf_view(&c->rx)))
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
	return c->wss ? net_wss_names(c) : NULL;
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

static struct net *net_of(struct lws *wsi)
{
	struct lws_vhost *vh = lws_get_vhost(wsi);

	return vh ? lws_get_vhost_user(vh) : NULL;
}

static int gone(struct lws *wsi, struct conn *c)
{
	lws_set_opaque_user_data(wsi, NULL);
	c->wsi = NULL;
	net_conn_end(c);
	return 0;
}

static int destroyed(struct lws *wsi)
{
	struct net *n = net_of(wsi);
	struct conn *c = lws_get_opaque_user_data(wsi);

	if (!c && n && n->adopting && n->adopting->wsi == wsi)
		c = n->adopting; /* it failed before it was ours */
	if (c && c->starting) {
		lws_set_opaque_user_data(wsi, NULL);
		return 0;
	}
	return c ? gone(wsi, c) : 0;
}

/* The only upgrade let through is the one being handed over right now. */
static int confirm_upgrade(struct lws *wsi, const char *what)
{
	struct net *n = net_of(wsi);

	if (!n || !n->adopting || n->adopting->wsi != wsi || !what ||
	    strcmp(what, "websocket") != 0)
		return -1;
	lws_set_opaque_user_data(wsi, n->adopting);
	return 0;
}

static int created(struct lws *wsi)
{
	struct net *n = net_of(wsi);

	if (n && n->adopting && !n->adopting->wsi)
		n->adopting->wsi = wsi;
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
		return net_ws_open(c, c->hello);
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

static int fenced(enum lws_callback_reasons reason)
{
	switch (reason) {
	case LWS_CALLBACK_HTTP:
	case LWS_CALLBACK_HTTP_BODY:
	case LWS_CALLBACK_HTTP_WRITEABLE:
	case LWS_CALLBACK_RAW_ADOPT:
	case LWS_CALLBACK_RAW_CONNECTED:
	case LWS_CALLBACK_RAW_RX:
	case LWS_CALLBACK_RAW_WRITEABLE:
		return -1;
	default:
		return 0;
	}
}

static int on_conn(struct lws *wsi, struct conn *c, enum lws_callback_reasons reason, void *in,
		   size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_ADD_HEADERS:
		return add_headers(c, in);
	case LWS_CALLBACK_ESTABLISHED:
		return net_ws_open(c, c->hello);
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return received(c, in, len);
	case LWS_CALLBACK_RECEIVE_PONG:
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		return net_conn_ponged(c, (struct str){ in, len });
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return net_conn_writeable(c);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return peer_closes(c, in, len);
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
	case LWS_CALLBACK_WS_CLIENT_DROP_PROTOCOL:
		return begins_close(c);
	case LWS_CALLBACK_CLOSED:
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
	switch (reason) {
	case LWS_CALLBACK_PROTOCOL_INIT:
	case LWS_CALLBACK_PROTOCOL_DESTROY:
	case LWS_CALLBACK_GET_THREAD_ID:
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS:
		return 0;
	case LWS_CALLBACK_WSI_CREATE:
		return created(wsi);
	case LWS_CALLBACK_WSI_DESTROY:
		return destroyed(wsi);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return confirm_upgrade(wsi, in);
	default:
		break;
	}
	c = lws_get_opaque_user_data(wsi);
	if (fenced(reason) < 0 || (!c && reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION))
		return -1;
	return c ? on_conn(wsi, c, reason, in, len) : 0;
}
