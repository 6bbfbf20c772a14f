/*
 * fuzz_ws_hello.c - libFuzzer over handshakes: the bytes of a request that http1.c takes for one.
 * The first byte chooses whether there is a list of origins.  What is accepted must be a handshake
 * to the letter; whatever is said of it lies in the message.
 */
#include "http1.h"
#include "ws_hello.h"

#include <stdio.h>
#include <stdlib.h>

static const struct http1_limits LIMITS = { 512, 2048, 32, 2048 };
static const char *const ORIGINS[] = { "https://good.example", "null", NULL };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static struct str only(const struct http1_msg *m, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->nheaders; i++)
		n += str_ieq(m->headers[i].name, str_of(name));
	must(n == 1, name);
	return http1_header(m->headers, m->nheaders, name);
}

static bool within(const struct http1_msg *m, struct str s)
{
	const char *head = m->head_mem.p;

	return !s.n || (s.p >= head && s.p + s.n <= head + m->head_mem.n) || s.p == m->target.p;
}

static void check_accepted(const struct http1_msg *m, bool listed)
{
	struct buf text = BUF_INIT;
	struct ws_hello hello;
	struct str key = only(m, "Sec-WebSocket-Key");

	must(str_is(m->method, "GET") && m->minor == 1 && !m->framed && !m->body.n, "a GET");
	must(m->target.n && m->target.p[0] == '/', "a target in origin-form");
	must(str_is(only(m, "Sec-WebSocket-Version"), "13"), "the version");
	must(key.n == 24 && key.p[22] == '=' && key.p[23] == '=', "the key");
	only(m, "Host");
	ws_hello_read(m, &text, &hello);
	must(!listed || !hello.browser_origin.n ||
		 str_ieq(hello.browser_origin, str_of(ORIGINS[0])) ||
		 str_ieq(hello.browser_origin, str_of(ORIGINS[1])),
	     "the origin is on the list");
	must(within(m, hello.target) && within(m, hello.origin_id) &&
		 within(m, hello.authorization) && within(m, hello.host),
	     "fields lie in the message");
	must(hello.protocols.p && hello.authorization.p && hello.origin_id.p,
	     "absent ones are empty");
	must(!hello.peer.p && !hello.tls, "what the connection says is left to it");
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http1 *p = http1_new(HTTP1_REQUEST, &LIMITS);
	bool listed = n && (data[0] & 1);
	enum http1_event ev = HTTP1_MORE;
	size_t at = n ? 1 : 0;

	while (at < n && ev != HTTP1_BAD) {
		const char *reason = NULL;
		struct http1_msg *m;
		size_t used;
		int status;

		ev = http1_feed(p, (const char *)data + at, n - at, &used);
		at += used;
		if (ev != HTTP1_DONE)
			continue;
		m = http1_take(p);
		if (m->websocket) {
			status = ws_hello_judge(m, listed ? ORIGINS : NULL, &reason);
			must(status == 0 || (status >= 400 && status < 500 && reason),
			     "a refusal has its reason");
			if (status == 0)
				check_accepted(m, listed);
		}
		http1_msg_free(m);
	}
	http1_free(p);
	return 0;
}
