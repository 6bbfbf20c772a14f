/*
 * http1.c - see http1.h.  The head is gathered whole (its end is found here, so that no line end
 * but CRLF counts), then llhttp judges it with every leniency off, then this file takes it apart
 * and checks what llhttp leaves open.  Where both have an opinion (framing) they must agree.
 * Bodies: http1_body.c.  Nothing grows beyond the limits.
 */
#include "http1_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <llhttp.h>

#define BLANK_LINES_MAX 4 /* empty lines tolerated before a request line, RFC 9112 2.2 */

/* ---- life ------------------------------------------------------------------------------------ */

struct http1 *http1_new(enum http1_kind kind, const struct http1_limits *lim)
{
	struct http1 *p = xcalloc(1, sizeof(*p));

	p->kind = kind;
	p->lim = *lim;
	return p;
}

void http1_free(struct http1 *p)
{
	if (!p)
		return;
	http1_msg_free(p->msg);
	buf_free(&p->line);
	free(p);
}

enum http1_event http1_bad(struct http1 *p, int status, const char *reason)
{
	p->state = ST_BAD;
	p->status = status;
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
	return HTTP1_BAD;
}

static bool refuse(struct http1 *p, int status, const char *reason)
{
	http1_bad(p, status, reason);
	return false;
}

int http1_status(const struct http1 *p)
{
	return p->status;
}

const char *http1_reason(const struct http1 *p)
{
	return p->reason;
}

void http1_expect_no_body(struct http1 *p)
{
	p->no_body = true;
}

enum http1_where http1_where(const struct http1 *p)
{
	if (p->state == ST_HEAD)
		return p->msg ? HTTP1_IN_HEAD : HTTP1_BETWEEN;
	return HTTP1_IN_BODY;
}

size_t http1_body_so_far(const struct http1 *p)
{
	return p->msg ? p->msg->body_mem.n : 0;
}

struct http1_msg *http1_take(struct http1 *p)
{
	struct http1_msg *m = p->msg;

	if (p->state != ST_DONE)
		return NULL;
	m->body = buf_view(&m->body_mem);
	p->msg = NULL;
	p->state = ST_HEAD;
	p->scanned = p->line_end = p->trailers = 0;
	p->blanks = 0;
	p->left = 0;
	p->no_body = p->expect = p->chunked = false;
	return m;
}

/* ---- the head -------------------------------------------------------------------------------- */

struct judge { /* what llhttp saw */
	size_t fields;
	bool complete;
	int status;
};

static int on_field_complete(llhttp_t *l)
{
	((struct judge *)l->data)->fields++;
	return 0;
}

static int on_headers_complete(llhttp_t *l)
{
	((struct judge *)l->data)->complete = true;
	return HPE_PAUSED;
}

static bool refuse_llhttp(struct http1 *p, llhttp_errno_t err)
{
	switch (err) {
	case HPE_INVALID_METHOD:
		return refuse(p, 501, "the method is not known");
	case HPE_INVALID_VERSION:
		return refuse(p, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	case HPE_INVALID_URL:
		return refuse(p, 400, "the request target is malformed");
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return refuse(p, 400,
			      "Content-Length is malformed, or stands beside "
			      "Transfer-Encoding");
	case HPE_INVALID_TRANSFER_ENCODING:
		return refuse(p, 400, "Transfer-Encoding is malformed");
	case HPE_INVALID_HEADER_TOKEN:
		return refuse(p, 400, "a header field is malformed");
	default:
		return refuse(p, 400, "the message head is malformed");
	}
}

/* llhttp's verdict on the whole head; its framing must be ours (agree). */
static bool judge_head(struct http1 *p, struct judge *j, uint64_t length)
{
	llhttp_settings_t set;
	llhttp_t l;
	llhttp_errno_t err;
	bool chunked, sized;

	llhttp_settings_init(&set);
	set.on_header_field_complete = on_field_complete;
	set.on_headers_complete = on_headers_complete;
	llhttp_init(&l, p->kind == HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &set);
	l.data = j;
	err = llhttp_execute(&l, p->msg->head_mem.p, p->msg->head_mem.n);
	if (!j->complete)
		return refuse_llhttp(p, err);
	if (j->fields != p->msg->nheaders)
		return refuse(p, 400, "a header field is malformed");
	chunked = (l.flags & F_CHUNKED) != 0;
	sized = (l.flags & F_CONTENT_LENGTH) != 0;
	if (chunked != p->chunked || sized != (p->msg->framed && !p->chunked) ||
	    (sized && l.content_length != length))
		return refuse(p, 400, "the message's length is ambiguous");
	j->status = l.status_code;
	return true;
}

bool http1_check_value(struct str v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* One line of the head, without its CRLF, into the next header. */
static bool take_header(struct http1 *p, struct str line)
{
	struct http1_msg *m = p->msg;
	const char *colon = memchr(line.p, ':', line.n);
	struct http_header *h = &m->headers[m->nheaders];

	if (*line.p == ' ' || *line.p == '\t')
		return refuse(p, 400, "a header line is folded");
	if (!colon)
		return refuse(p, 400, "a header line has no colon");
	h->name = (struct str){ line.p, (size_t)(colon - line.p) };
	h->value = http1_trim((struct str){ colon + 1, line.n - h->name.n - 1 });
	if (!http1_is_token(h->name))
		return refuse(p, 400, "a header's name is malformed");
	if (!http1_check_value(h->value))
		return refuse(p, 400, "a header's value has control characters");
	m->nheaders++;
	return true;
}

static bool split_head(struct http1 *p)
{
	struct http1_msg *m = p->msg;
	const char *at = m->head_mem.p + p->line_end;
	const char *end = m->head_mem.p + m->head_mem.n - 2;
	size_t count = 0;

	for (const char *q = at; q < end; q++)
		count += *q == '\n';
	if (count > p->lim.count)
		return http1_over(p, 431, LIMIT_HEADER_COUNT, "more than %u header fields",
				  p->lim.count) != HTTP1_BAD;
	m->headers = xcalloc(count ? count : 1, sizeof(*m->headers));
	m->head = (struct str){ at, (size_t)(end - at) };
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		if (!take_header(p, (struct str){ at, (size_t)(nl - 1 - at) }))
			return false;
		at = nl + 1;
	}
	return true;
}

static bool take_version(struct http1 *p, struct str v)
{
	if (str_is(v, "HTTP/1.1"))
		p->msg->minor = 1;
	else if (str_is(v, "HTTP/1.0"))
		p->msg->minor = 0;
	else if (v.n == 8 && memcmp(v.p, "HTTP/", 5) == 0 && v.p[6] == '.')
		return refuse(p, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	else
		return refuse(p, 400, "the request line is malformed");
	return true;
}

static bool split_request_line(struct http1 *p)
{
	struct http1_msg *m = p->msg;
	struct str line = { m->head_mem.p, p->line_end - 2 };
	const char *sp = memchr(line.p, ' ', line.n);
	const char *sp2 = sp ? memchr(sp + 1, ' ', line.n - (size_t)(sp + 1 - line.p)) : NULL;

	if (!sp2)
		return refuse(p, 400, "the request line is malformed");
	m->method = (struct str){ line.p, (size_t)(sp - line.p) };
	m->target = (struct str){ sp + 1, (size_t)(sp2 - sp - 1) };
	if (!http1_is_token(m->method) || !m->target.n)
		return refuse(p, 400, "the request line is malformed");
	for (size_t i = 0; i < m->target.n; i++) {
		unsigned char c = (unsigned char)m->target.p[i];

		if (c <= 0x20 || c >= 0x7f || c == '#')
			return refuse(p, 400,
				      "the request target has characters that do not belong there");
	}
	return take_version(p, (struct str){ sp2 + 1, line.n - (size_t)(sp2 + 1 - line.p) });
}

static struct http_header *only(struct http1 *p, const char *name, bool *twice)
{
	struct http_header *found = NULL;

	*twice = false;
	for (size_t i = 0; i < p->msg->nheaders; i++) {
		struct http_header *h = &p->msg->headers[i];

		if (!str_ieq(h->name, str_of(name)))
			continue;
		*twice = found != NULL;
		if (found)
			return found;
		found = h;
	}
	return found;
}

/* RFC 9112 6: which of the two framings, if any. */
static bool take_framing(struct http1 *p, uint64_t *length)
{
	bool many_cl, many_te;
	struct http_header *cl = only(p, "Content-Length", &many_cl);
	struct http_header *te = only(p, "Transfer-Encoding", &many_te);

	*length = 0;
	if (many_cl)
		return refuse(p, 400, "more than one Content-Length");
	if (many_te)
		return refuse(p, 400, "more than one Transfer-Encoding");
	if (cl && te)
		return refuse(p, 400, "Content-Length beside Transfer-Encoding");
	if (te && !str_ieq(te->value, STR("chunked")))
		return refuse(p, 501, "the only Transfer-Encoding understood is chunked");
	if (te && p->msg->minor == 0)
		return refuse(p, 400, "Transfer-Encoding in HTTP/1.0");
	if (cl && !str_u64(cl->value, length))
		return refuse(p, 400, "Content-Length is not a number");
	if (*length > p->lim.body)
		return http1_large(p) != HTTP1_BAD;
	p->chunked = te != NULL;
	p->msg->framed = te || cl;
	return true;
}

/* uri-host [":" port], RFC 9110 7.2. */
static bool check_host(struct str h)
{
	size_t colon = 0;

	if (!h.n)
		return false;
	for (size_t i = 0; i < h.n; i++) {
		unsigned char c = (unsigned char)h.p[i];

		if (c <= 0x20 || c >= 0x7f || strchr("/\\?#@,\"<>{}|^`", c))
			return false;
		colon = c == ':' ? i : colon;
	}
	if (h.p[0] == '[')
		return memchr(h.p, ']', h.n) != NULL;
	for (size_t i = colon + 1; colon && i < h.n; i++) {
		if (h.p[i] < '0' || h.p[i] > '9')
			return false;
	}
	return h.p[0] != ':';
}

static bool take_host(struct http1 *p)
{
	bool many;
	struct http_header *h = only(p, "Host", &many);

	if (many)
		return refuse(p, 400, "more than one Host");
	if (!h)
		return p->msg->minor == 0 || refuse(p, 400, "Host is missing");
	return check_host(h->value) || refuse(p, 400, "Host is malformed");
}

/* absolute-form to origin-form; its authority replaces Host (RFC 9112 3.2.2). */
static bool reduce_target(struct http1 *p)
{
	struct http1_msg *m = p->msg;
	bool many, tls = m->target.n > 8 && strncasecmp(m->target.p, "https://", 8) == 0;
	struct http_header *host = only(p, "Host", &many);
	struct str t = m->target, auth;
	size_t skip = tls ? 8 : 7, i;

	if (t.p[0] == '/')
		return true;
	if (str_is(m->method, "CONNECT"))
		return refuse(p, 501, "CONNECT is not supported");
	if (str_is(t, "*"))
		return str_is(m->method, "OPTIONS") ||
		       refuse(p, 400, "the target * belongs to OPTIONS");
	if (!tls && (t.n <= 7 || strncasecmp(t.p, "http://", 7) != 0))
		return refuse(p, 400, "the request target is malformed");
	for (i = skip; i < t.n && t.p[i] != '/' && t.p[i] != '?'; i++)
		;
	auth = (struct str){ t.p + skip, i - skip };
	if (!check_host(auth))
		return refuse(p, 400, "the request target's host is malformed");
	if (host)
		host->value = auth;
	m->target = (struct str){ t.p + i, t.n - i };
	if (i < t.n && t.p[i] == '/')
		return true;
	m->extra = xmalloc(t.n - i + 1);
	m->extra[0] = '/';
	memcpy(m->extra + 1, t.p + i, t.n - i);
	m->target = (struct str){ m->extra, t.n - i + 1 };
	return true;
}

static bool take_expect(struct http1 *p)
{
	bool many;
	struct http_header *h = only(p, "Expect", &many);

	if (!h || p->msg->minor == 0)
		return true;
	if (many || !str_ieq(h->value, STR("100-continue")))
		return refuse(p, 417, "the only Expect understood is 100-continue");
	p->expect = true;
	return true;
}

/* Several Connection lines count as one list. */
static void take_connection(struct http1_msg *m)
{
	bool close = false, keep = false, upgrade = false;

	for (size_t i = 0; i < m->nheaders; i++) {
		struct str v = m->headers[i].value;

		if (!str_ieq(m->headers[i].name, STR("Connection")))
			continue;
		close = close || http1_has_token(v, "close");
		keep = keep || http1_has_token(v, "keep-alive");
		upgrade = upgrade || http1_has_token(v, "upgrade");
	}
	m->keep_alive = !close && (m->minor == 1 || keep);
	m->websocket =
	    upgrade && m->minor == 1 &&
	    http1_has_token(http1_header(m->headers, m->nheaders, "Upgrade"), "websocket");
}

static enum http1_event head_done(struct http1 *p, uint64_t length)
{
	struct http1_msg *m = p->msg;

	p->left = length;
	if (p->no_body || (!p->chunked && m->framed && !length))
		p->state = ST_DONE;
	else if (p->chunked)
		p->state = ST_CHUNK_SIZE;
	else if (m->framed)
		p->state = ST_LENGTH;
	else if (p->kind == HTTP1_REQUEST)
		p->state = ST_DONE;
	else
		p->state = ST_UNTIL_END;
	if (p->state == ST_UNTIL_END)
		m->keep_alive = false;
	if (p->state == ST_DONE)
		return HTTP1_DONE;
	return p->expect ? HTTP1_CONTINUE : HTTP1_MORE;
}

static enum http1_event request_head(struct http1 *p)
{
	struct judge j = { 0 };
	uint64_t length;
	bool many;

	if (!split_request_line(p) || !split_head(p) || !take_framing(p, &length) ||
	    !judge_head(p, &j, length) || !take_host(p) || !reduce_target(p) || !take_expect(p))
		return HTTP1_BAD;
	only(p, "X-M2M-Origin", &many);
	if (many)
		return http1_bad(p, 400, "more than one X-M2M-Origin");
	take_connection(p->msg);
	return head_done(p, length);
}

static enum http1_event response_head(struct http1 *p)
{
	struct http1_msg *m = p->msg;
	struct judge j = { 0 };
	uint64_t length;

	if (p->line_end < 14 || !take_version(p, (struct str){ m->head_mem.p, 8 }))
		return http1_bad(p, 502, "the status line is malformed");
	if (!split_head(p) || !take_framing(p, &length) || !judge_head(p, &j, length))
		return HTTP1_BAD;
	m->status = j.status;
	take_connection(m);
	if (m->status == 101)
		return http1_bad(p, 502, "switching protocols was not asked for");
	if (m->status < 200) { /* interim: forget it */
		http1_msg_free(m);
		p->msg = NULL;
		p->scanned = p->line_end = 0;
		p->chunked = false;
		return HTTP1_MORE;
	}
	if (m->status == 204 || m->status == 304)
		p->no_body = true;
	return head_done(p, length);
}

/* Looks at what was added to the head; *whole when its empty line is there. */
static bool scan_head(struct http1 *p, bool *whole)
{
	struct buf *b = &p->msg->head_mem;
	size_t i = p->scanned;

	*whole = false;
	for (; i < b->n; i++) {
		unsigned char c = (unsigned char)b->p[i];

		if (c == '\r' && i + 1 == b->n)
			break; /* its LF may come: look at it again */
		if (c == '\r' && b->p[i + 1] != '\n')
			return refuse(p, 400, "a stray CR in the message head");
		if (c < 0x20 && c != '\t' && c != '\r' && c != '\n')
			return refuse(p, 400, "a control character in the message head");
		if (c != '\n')
			continue;
		if (i == 0 || b->p[i - 1] != '\r')
			return refuse(p, 400, "a line of the message head does not end in CRLF");
		*whole = p->line_end && b->p[i - 2] == '\n';
		if (!p->line_end)
			p->line_end = i + 1;
	}
	p->scanned = i;
	return true;
}

/* Bytes the head may still take before a limit is broken. */
static size_t head_room(const struct http1 *p)
{
	size_t n = p->msg->head_mem.n;

	return p->line_end ? p->line_end + p->lim.headers + 2 - n : p->lim.line + 2 - n;
}

/* Empty lines before a message: how many bytes of data they are; false when too many or torn. */
static bool skip_blank(struct http1 *p, const char *data, size_t n, size_t *skipped)
{
	size_t i = 0;

	for (; i < n && (data[i] == '\r' || data[i] == '\n'); i++) {
		if (p->kind == HTTP1_RESPONSE || p->blanks >= 2 * BLANK_LINES_MAX ||
		    (data[i] == '\n') != (p->blanks & 1))
			return refuse(p, 400, "line ends before the message");
		p->blanks++;
	}
	if (i < n && (p->blanks & 1))
		return refuse(p, 400, "line ends before the message");
	*skipped = i;
	return true;
}

/* Takes one line, or what there is of it, so that nothing after the head is copied. */
static enum http1_event feed_head(struct http1 *p, const char *data, size_t n, size_t *used)
{
	const char *nl;
	size_t take, room;
	bool whole;

	if (!p->msg) {
		if (!skip_blank(p, data, n, used))
			return HTTP1_BAD;
		if (*used)
			return HTTP1_MORE;
		p->msg = xcalloc(1, sizeof(*p->msg));
	}
	nl = memchr(data, '\n', n);
	take = nl ? (size_t)(nl + 1 - data) : n;
	room = head_room(p);
	*used = take = take > room ? room + 1 : take;
	buf_add(&p->msg->head_mem, data, take);
	if (!scan_head(p, &whole))
		return HTTP1_BAD;
	if (take > room)
		return p->line_end > p->lim.line + 2 || !p->line_end
			   ? http1_over(p, 414, LIMIT_REQUEST_LINE,
					"the request line is longer than %zu bytes", p->lim.line)
			   : http1_over(p, 431, LIMIT_HEADERS,
					"the header fields are larger than %zu bytes",
					p->lim.headers);
	if (!whole)
		return HTTP1_MORE;
	return p->kind == HTTP1_REQUEST ? request_head(p) : response_head(p);
}

/* ---- feeding --------------------------------------------------------------------------------- */

static enum http1_event feed_one(struct http1 *p, const char *data, size_t n, size_t *used)
{
	switch (p->state) {
	case ST_HEAD:
		return feed_head(p, data, n, used);
	case ST_DONE:
		return HTTP1_DONE;
	case ST_BAD:
		return HTTP1_BAD;
	default:
		return http1_feed_body(p, data, n, used);
	}
}

enum http1_event http1_feed(struct http1 *p, const char *data, size_t n, size_t *used)
{
	enum http1_event ev = p->state == ST_DONE ? HTTP1_DONE : HTTP1_MORE;

	*used = 0;
	while (*used < n && ev == HTTP1_MORE) {
		size_t took = 0;

		ev = feed_one(p, data + *used, n - *used, &took);
		*used += took;
	}
	return p->state == ST_BAD ? HTTP1_BAD : ev;
}

enum http1_event http1_end(struct http1 *p)
{
	switch (p->state) {
	case ST_DONE:
	case ST_UNTIL_END:
		p->state = ST_DONE;
		return HTTP1_DONE;
	case ST_HEAD:
		if (!p->msg)
			return HTTP1_MORE;
		/* fallthrough */
	default:
		return p->state == ST_BAD ? HTTP1_BAD
					  : http1_bad(p, 400, "the message was cut short");
	}
}
