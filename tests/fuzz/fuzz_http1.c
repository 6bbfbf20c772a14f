/*
 * fuzz_http1.c - libFuzzer over the HTTP/1.1 parser.  The first byte chooses requests or responses
 * and how the rest is cut; cut and uncut must give the same messages and the same verdict, and no
 * accepted request may be ambiguous in its length.
 */
#include "http1.h"

#include <stdio.h>
#include <stdlib.h>

static const struct http1_limits LIMITS = { 256, 1024, 16, 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static unsigned fields(const struct http1_msg *m, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->nheaders; i++)
		n += str_ieq(m->headers[i].name, str_of(name));
	return n;
}

static void check_request(const struct http1_msg *m)
{
	must(m->method.n > 0 && m->target.n > 0, "empty method or target");
	must(m->target.p[0] == '/' || str_is(m->target, "*"), "target not in origin-form");
	must(fields(m, "Host") <= 1 && (m->minor == 0 || fields(m, "Host") == 1), "Host");
	must(fields(m, "X-M2M-Origin") <= 1, "X-M2M-Origin");
	must(fields(m, "Content-Length") + fields(m, "Transfer-Encoding") <= 1, "length");
	must(m->framed || !m->body.n, "a body out of nothing");
	must(m->body.n <= LIMITS.body && m->nheaders <= LIMITS.count, "limits");
}

static void describe(struct buf *out, struct http1_msg *m, bool request)
{
	if (request)
		check_request(m);
	buf_fmt(out, "%.*s|%.*s|%d|%d|%d|%d|", STRFMT(m->method), STRFMT(m->target), m->status,
		m->minor, m->keep_alive, m->websocket);
	for (size_t i = 0; i < m->nheaders; i++) {
		buf_str(out, m->headers[i].name);
		buf_char(out, '=');
		buf_str(out, m->headers[i].value);
		buf_char(out, ';');
	}
	buf_str(out, m->body);
	buf_char(out, '\n');
	http1_msg_free(m);
}

static struct buf run(const uint8_t *data, size_t n, bool request, size_t step)
{
	struct http1 *p = http1_new(request ? HTTP1_REQUEST : HTTP1_RESPONSE, &LIMITS);
	enum http1_event ev = HTTP1_MORE;
	struct buf out = BUF_INIT;
	size_t at = 0;

	while (at < n && ev != HTTP1_BAD) {
		size_t take = step < n - at ? step : n - at, used;
		char *piece = malloc(take);

		memcpy(piece, data + at, take);
		ev = http1_feed(p, piece, take, &used);
		free(piece);
		must(used <= take, "took more than there was");
		must(ev != HTTP1_MORE || used == take, "left bytes without a reason");
		at += used;
		if (ev == HTTP1_DONE)
			describe(&out, http1_take(p), request);
	}
	if (ev != HTTP1_BAD && !request && http1_end(p) == HTTP1_DONE)
		describe(&out, http1_take(p), request);
	if (ev == HTTP1_BAD)
		buf_fmt(&out, "bad %d %s", http1_status(p), http1_reason(p));
	else
		buf_fmt(&out, "where %d", http1_where(p));
	http1_free(p);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole, cut;
	bool request;
	size_t step;

	if (n < 2)
		return 0;
	request = !(data[0] & 1);
	step = (data[0] >> 1) + 1;
	whole = run(data + 1, n - 1, request, n);
	cut = run(data + 1, n - 1, request, step);
	must(whole.n == cut.n && memcmp(whole.p, cut.p, whole.n) == 0, "a cut made a difference");
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
