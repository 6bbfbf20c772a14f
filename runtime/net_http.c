/*
 * net_http.c - the HTTP/1.1 server: requests in, answers out in the order of the requests, whatever
 * order they are given in.  Reads with http1.c and nothing else, from sockets of its own, so that
 * a WebSocket handshake passes its descriptor on as it is.  (Handing over a dup() leaves the first
 * one registered in epoll, and libev then rebuilds its whole set: 500,000 system calls for 1,000.)
 * A connection holds a bounded number of requests, input and output bytes; beyond that it is not
 * read.  It must never call `request` from within http_reply.
 */
#include "net_http.h"

#include "limit.h"
#include "log.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- answers --------------------------------------------------------------------------------- */

struct str http_header(const struct http_req *r, const char *name)
{
	return http1_header(r->headers, r->nheaders, name);
}

static void free_request(struct hreq *q)
{
	link_drop(&q->orphan);
	http1_msg_free(q->msg);
	buf_free(&q->answer);
	free(q);
}

static bool last_answer(const struct hreq *q)
{
	return q->last || !q->keep_alive || (q->conn->net->draining && !q->next);
}

/* Without a reason phrase: TS-0009 6.3.3 wants it left out. */
static void write_answer(struct hreq *q, struct buf *out, int status, struct str head,
			 struct str body)
{
	bool bodiless = status == 204 || status == 304 || status < 200;

	q->last = last_answer(q);
	if (q->last && q->conn->state == H_OPEN)
		q->conn->state = H_LAST;
	buf_reserve(out, head.n + body.n + 256);
	buf_fmt(out, "HTTP/1.1 %d \r\nDate: %s\r\n", status, net_http_date());
	if (!bodiless)
		buf_fmt(out, "Content-Length: %zu\r\n", body.n);
	if (q->last)
		buf_str(out, STR("Connection: close\r\n"));
	else if (q->old)
		buf_str(out, STR("Connection: keep-alive\r\n"));
	buf_str(out, head);
	buf_str(out, STR("\r\n"));
	if (!bodiless && !q->head_only)
		buf_str(out, body);
}

/* Who is refused for who it is has not said so yet, unless it has before. */
static void judge_client(struct hconn *hc, int status)
{
	bool stranger = status == 400 || status == 401 || status == 403 || status == 429;

	hc->served |= !stranger;
	hconn_identified(hc, hc->served);
}

void http_reply(struct http_req *r, int status, struct str head, struct str body)
{
	struct hreq *q = container_of(r, struct hreq, pub);
	struct hconn *hc = q->conn;

	if (!hc) {
		free_request(q);
		return;
	}
	write_answer(q, hc->first == q ? &hc->out : &q->answer, status, head, body);
	judge_client(hc, status);
	q->answered = true;
	http1_msg_free(q->msg);
	q->msg = NULL;
	hconn_dirty(hc);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct hreq *add_request(struct hconn *hc)
{
	struct hreq *q = xcalloc(1, sizeof(*q));

	q->conn = hc;
	link_init(&q->orphan);
	memcpy(q->peer, hc->a.peer->text, sizeof(q->peer));
	q->pub.peer = str_of(q->peer);
	q->pub.local_port = hc->a.port;
	q->pub.tls = hc->a.tls != NULL;
	q->pub.tls_names = net_tls_names(hc->a.tls);
	if (hc->last)
		hc->last->next = q;
	else
		hc->first = q;
	hc->last = q;
	hc->nreq++;
	if (hc->nreq == hc->net->lim.pipeline)
		limit_hit(LIMIT_PIPELINE);
	return q;
}

/* An answer of our own; nothing more is read as a request after it. */
void hconn_refuse(struct hconn *hc, int status, struct str head, const char *reason)
{
	struct hreq *q = add_request(hc);
	struct buf body = BUF_INIT, lines = BUF_INIT;

	q->last = true;
	hc->state = H_LAST;
	buf_fmt(&body, "%s\n", reason);
	buf_str(&lines, STR("Content-Type: text/plain\r\n"));
	buf_str(&lines, head);
	log_debug("http", "refused status=%d peer=%s reason=%s", status, hc->a.peer->text,
		  log_quote(str_of(reason)));
	http_reply(&q->pub, status, buf_view(&lines), buf_view(&body));
	buf_free(&body);
	buf_free(&lines);
}

static void hand_request(struct hconn *hc, struct http1_msg *m)
{
	struct hreq *q = add_request(hc);

	q->msg = m;
	q->head_only = str_is(m->method, "HEAD");
	q->keep_alive = m->keep_alive;
	q->old = m->minor == 0;
	q->pub.method = m->method;
	q->pub.target = m->target;
	q->pub.headers = m->headers;
	q->pub.nheaders = m->nheaders;
	q->pub.body = m->body;
	hconn_identified(hc, true);
	if (!m->keep_alive)
		hc->state = H_LAST;
	hc->a.h.http->request(hc->a.h.arg, &q->pub);
}

static void message_done(struct hconn *hc)
{
	struct http1_msg *m = http1_take(hc->parser);

	hc->owe_continue = false;
	hc->since = net_now(hc->net);
	if (m->websocket && hc->a.ws) {
		hc->upgrade = m;
		hconn_dirty(hc);
	} else if (hc->a.http) {
		hand_request(hc, m);
	} else {
		hconn_refuse(hc, 426, STR("Upgrade: websocket\r\n"),
			     "this port speaks WebSocket only");
		http1_msg_free(m);
	}
}

static bool may_parse(const struct hconn *hc)
{
	return hc->state == H_OPEN && !hc->upgrade && hc->nreq < hc->net->lim.pipeline &&
	       hc->out.n - hc->sent < OUT_MAX;
}

/* Feeds as much as may be; returns how much that was. */
static size_t pump(struct hconn *hc, const char *data, size_t n)
{
	size_t at = 0;

	while (at < n && may_parse(hc)) {
		enum http1_where before = http1_where(hc->parser);
		size_t used;
		enum http1_event ev = http1_feed(hc->parser, data + at, n - at, &used);

		at += used;
		if (ev == HTTP1_DONE)
			message_done(hc);
		else if (ev == HTTP1_BAD)
			hconn_refuse(hc, http1_status(hc->parser), STR_NONE,
				     http1_reason(hc->parser));
		else if (ev == HTTP1_CONTINUE)
			hc->owe_continue = at == n;
		if (ev != HTTP1_DONE && http1_where(hc->parser) != before)
			hc->since = net_now(hc->net);
		if (hc->owe_continue)
			hconn_dirty(hc);
	}
	return hc->state == H_OPEN ? at : n; /* what follows the last request is dropped */
}

/* ---- reading and writing --------------------------------------------------------------------- */

static void on_bytes(struct hconn *hc, const char *data, size_t n)
{
	size_t used;

	if (hc->state == H_LINGER) {
		hc->dropped += n;
		if (hc->dropped > LINGER_BYTES)
			hconn_close(hc);
		else
			hconn_watch(hc);
		return;
	}
	hc->owe_continue = false; /* it did not wait */
	used = pump(hc, data, n);
	buf_add(&hc->in, data + used, n - used);
	hconn_watch(hc);
}

static void on_readable(struct hconn *hc)
{
	struct net *n = hc->net;
	size_t got;
	enum tls_wants w = net_sock_read(hc->a.tls, hc->io.fd, n->rx, NET_READ_MAX, &got);

	hc->crossed = w == TLS_WRITE;
	if (w == TLS_WRITE)
		hconn_watch(hc);
	if (w == TLS_READ || w == TLS_WRITE)
		return;
	if (w == TLS_OK) {
		on_bytes(hc, n->rx, got);
	} else if (w == TLS_FAILED || hc->state == H_LINGER ||
		   (!hc->nreq && !hc->upgrade && hc->out.n == hc->sent)) {
		hconn_close(hc);
	} else { /* it may have closed its side only: the answers still go out */
		hc->eof = true;
		hc->state = H_LAST;
		hconn_watch(hc);
	}
}

/* False: the connection is gone. */
static bool write_out(struct hconn *hc)
{
	while (hc->sent < hc->out.n) {
		size_t put;
		enum tls_wants w = net_sock_write(hc->a.tls, hc->io.fd, hc->out.p + hc->sent,
						  hc->out.n - hc->sent, &put);

		if (w == TLS_FAILED || w == TLS_END) {
			hconn_close(hc);
			return false;
		}
		if (put > 0 || !hc->blocked)
			hc->moved = net_now(hc->net);
		hc->blocked = w != TLS_OK;
		if (hc->blocked)
			return true;
		hc->sent += put;
	}
	if (hc->out.n && http1_where(hc->parser) == HTTP1_BETWEEN)
		hc->since = net_now(hc->net);
	buf_free(&hc->out);
	hc->sent = 0;
	hc->blocked = false;
	return true;
}

/* Moves the answers that are next in order into out. */
static void collect_answers(struct hconn *hc)
{
	while (hc->first && hc->first->answered) {
		struct hreq *q = hc->first;

		hc->first = q->next;
		hc->last = hc->first ? hc->last : NULL;
		hc->nreq--;
		if (hc->state != H_LINGER && !hc->closing) {
			buf_str(&hc->out, buf_view(&q->answer));
			hc->closing = q->last;
		}
		free_request(q);
	}
	if (hc->owe_continue && !hc->first) {
		buf_str(&hc->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
		hc->owe_continue = false;
	}
}

/* The answer is out; the client gets time to read it before the socket goes (RFC 9112 9.6). */
static void linger(struct hconn *hc)
{
	if (hc->eof) {
		hconn_close(hc);
		return;
	}
	hc->state = H_LINGER;
	hc->since = net_now(hc->net);
	buf_free(&hc->in);
	if (hc->a.tls)
		net_tls_finish(hc->a.tls);
	shutdown(hc->io.fd, SHUT_WR);
	hconn_watch(hc);
}

/* What a client is told beside the status of a handshake that is refused. */
static struct str refusal_head(int status, unsigned retry_after, char text[40])
{
	switch (status) {
	case 401:
		return STR("WWW-Authenticate: Bearer realm=\"moon2m\"\r\n"
			   "WWW-Authenticate: Basic realm=\"moon2m\"\r\n");
	case 426:
		return STR("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
	case 429:
		snprintf(text, 40, "Retry-After: %u\r\n", retry_after ? retry_after : 1);
		return str_of(text);
	default:
		return STR_NONE;
	}
}

static void hand_over(struct hconn *hc)
{
	struct net *n = hc->net;
	struct http1_msg *m = hc->upgrade;
	struct buf text = BUF_INIT;
	struct ws_hello hello = { .retry_after = 0 };
	char retry[40], protocol[128] = "";
	const char *reason = "";
	int status = net_ws_check(n, &hc->a, m, &hello, &text, protocol, sizeof(protocol), &reason);

	hc->upgrade = NULL;
	if (status) {
		hconn_refuse(hc, status, refusal_head(status, hello.retry_after, retry), reason);
	} else {
		struct net_accepted a = hc->a;
		struct buf rest = hc->in;

		hc->in = BUF_INIT;
		hconn_release(hc);
		net_ws_adopt(n, &a, m, &hello, protocol, &rest);
		buf_free(&rest);
	}
	http1_msg_free(m);
	buf_free(&text);
}

static void flush_one(struct hconn *hc)
{
	size_t used;

	collect_answers(hc);
	if (hc->in.n && may_parse(hc)) {
		struct buf in = hc->in;

		hc->in = BUF_INIT;
		used = pump(hc, in.p, in.n);
		buf_add(&hc->in, in.p + used, in.n - used);
		buf_free(&in);
		collect_answers(hc);
	}
	if (!write_out(hc))
		return;
	if (hc->out.n || hc->first) {
		hconn_watch(hc);
	} else if (hc->closing || (hc->state == H_LAST && !hc->upgrade)) {
		linger(hc);
	} else if (hc->upgrade) {
		hand_over(hc);
	} else {
		hconn_watch(hc);
		if (hc->in.n && may_parse(hc))
			hconn_dirty(hc);
	}
}

void net_http_flush(struct net *n)
{
	struct link batch;

	link_move(&n->https_dirty, &batch);
	while (!link_alone(&batch)) {
		struct hconn *hc = container_of(batch.next, struct hconn, dirty);

		link_drop(&hc->dirty);
		flush_one(hc);
	}
}

void hconn_event(struct ev_loop *loop, ev_io *w, int events)
{
	struct hconn *hc = w->data;

	(void)loop;
	if (hc->state == H_TLS && !hconn_handshake(hc))
		return;
	if (events & EV_WRITE)
		hconn_dirty(hc);
	if (hc->state != H_TLS && (events & EV_READ || hc->crossed))
		on_readable(hc); /* may free hc */
}

/* A client that left: its requests are still due an answer, which will be dropped. */
void hconn_orphan(struct hconn *hc)
{
	while (hc->first) {
		struct hreq *q = hc->first;

		hc->first = q->next;
		q->conn = NULL;
		q->pub.gone = true;
		q->pub.tls_names = NULL;
		if (q->answered)
			free_request(q);
		else
			link_add(&hc->net->orphans, &q->orphan);
	}
	hc->last = NULL;
}

void net_http_free(struct net *n)
{
	while (!link_alone(&n->https))
		hconn_close(container_of(n->https.next, struct hconn, all));
	while (!link_alone(&n->orphans))
		free_request(container_of(n->orphans.next, struct hreq, orphan));
}
