/*
 * test_http1.c - vectors for the HTTP/1.1 parser: what is accepted, what is refused and how, and
 * that cutting the bytes anywhere changes nothing.
 */
#include "http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http1_limits LIMITS = { 200, 1000, 20, 5000 };

/* Everything that came of some bytes, as text, so that two runs compare with strcmp. */
static void describe(struct buf *out, struct http1_msg *m)
{
	buf_fmt(out, "%.*s|%.*s|%d|%d|ka%d|ws%d|", STRFMT(m->method), STRFMT(m->target), m->status,
		m->minor, m->keep_alive, m->websocket);
	for (size_t i = 0; i < m->nheaders; i++)
		buf_fmt(out, "%.*s=%.*s;", STRFMT(m->headers[i].name), STRFMT(m->headers[i].value));
	buf_fmt(out, "|%.*s\n", STRFMT(m->body));
}

static enum http1_event feed_all(struct http1 *p, struct buf *out, const char *data, size_t n)
{
	size_t at = 0;

	for (;;) {
		size_t used;
		enum http1_event ev = http1_feed(p, data + at, n - at, &used);
		struct http1_msg *m;

		at += used;
		if (ev == HTTP1_BAD)
			return ev;
		if (ev == HTTP1_MORE)
			return ev;
		if (ev == HTTP1_CONTINUE) {
			buf_str(out, STR("continue\n"));
			continue;
		}
		m = http1_take(p);
		describe(out, m);
		http1_msg_free(m);
	}
}

/* cut: the position of the only cut; step: pieces of that size instead. */
static char *parse(enum http1_kind kind, struct str in, size_t cut, size_t step)
{
	struct http1 *p = http1_new(kind, &LIMITS);
	struct buf out = BUF_INIT;
	enum http1_event ev = HTTP1_MORE;

	for (size_t at = 0; at < in.n && ev != HTTP1_BAD;) {
		size_t n = step ? step : at < cut ? cut - at : in.n - at;

		n = n < in.n - at ? n : in.n - at;
		/* an exact copy, so that a sanitizer sees a read past its end */
		char *piece = malloc(n ? n : 1);

		memcpy(piece, in.p + at, n);
		ev = feed_all(p, &out, piece, n);
		free(piece);
		at += n;
	}
	if (ev == HTTP1_BAD)
		buf_fmt(&out, "bad %d %s", http1_status(p), http1_reason(p));
	else
		buf_fmt(&out, "where %d", http1_where(p));
	if (ev != HTTP1_BAD && kind == HTTP1_RESPONSE) {
		ev = http1_end(p);
		buf_fmt(&out, " end %d", ev);
		if (ev == HTTP1_DONE) {
			struct http1_msg *m = http1_take(p);

			buf_char(&out, ' ');
			describe(&out, m);
			http1_msg_free(m);
		}
	}
	buf_char(&out, 0);
	http1_free(p);
	return out.p;
}

struct vector {
	const char *in;
	int status; /* 0: accepted, and want describes it */
	const char *want;
};

#define G "GET / HTTP/1.1\r\n"
#define H "Host: h\r\n"
#define P "POST /a HTTP/1.1\r\nHost: h\r\n"

static const struct vector requests[] = {
	{ G H "\r\n", 0, "GET|/|0|1|ka1|ws0|Host=h;|\nwhere 0" },
	{ "\r\n\r\n" G H "\r\n", 0, "GET|/|0|1|ka1|ws0|Host=h;|\nwhere 0" },
	{ G "hOST:\t h:80 \r\nX:\r\n\r\n", 0, "GET|/|0|1|ka1|ws0|hOST=h:80;X=;|\nwhere 0" },
	{ G H "Connection: a, CLOSE\r\n\r\n", 0,
	  "GET|/|0|1|ka0|ws0|Host=h;Connection=a, CLOSE;|\nwhere 0" },
	{ "GET / HTTP/1.0\r\n\r\n", 0, "GET|/|0|0|ka0|ws0||\nwhere 0" },
	{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0,
	  "GET|/|0|0|ka1|ws0|Connection=keep-alive;|\nwhere 0" },
	{ P "Content-Length: 5\r\n\r\nhello", 0,
	  "POST|/a|0|1|ka1|ws0|Host=h;Content-Length=5;|hello\nwhere 0" },
	{ P "Content-Length: 0\r\n\r\n", 0,
	  "POST|/a|0|1|ka1|ws0|Host=h;Content-Length=0;|\nwhere 0" },
	{ P "\r\n", 0, "POST|/a|0|1|ka1|ws0|Host=h;|\nwhere 0" },
	{ P "content-length: 5\r\n\r\nhel", 0, "where 2" },
	{ P "Transfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n",
	  0, "POST|/a|0|1|ka1|ws0|Host=h;Transfer-Encoding=Chunked;|hello!\nwhere 0" },
	{ P "Transfer-Encoding: chunked\r\n\r\n00\r\n\r\n" G H "\r\n", 0,
	  "POST|/a|0|1|ka1|ws0|Host=h;Transfer-Encoding=chunked;|\n"
	  "GET|/|0|1|ka1|ws0|Host=h;|\nwhere 0" },
	{ G H "\r\n" P "Content-Length: 1\r\n\r\nx" G H "\r\nGET", 0,
	  "GET|/|0|1|ka1|ws0|Host=h;|\nPOST|/a|0|1|ka1|ws0|Host=h;Content-Length=1;|x\n"
	  "GET|/|0|1|ka1|ws0|Host=h;|\nwhere 1" },
	{ P "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nok", 0,
	  "continue\n"
	  "POST|/a|0|1|ka1|ws0|Host=h;Expect=100-Continue;Content-Length=2;|ok\nwhere 0" },
	{ P "Expect: 100-continue\r\n\r\n", 0,
	  "POST|/a|0|1|ka1|ws0|Host=h;Expect=100-continue;|\nwhere 0" },
	{ "GET http://o.example:8/p?q HTTP/1.1\r\nHost: other\r\n\r\n", 0,
	  "GET|/p?q|0|1|ka1|ws0|Host=o.example:8;|\nwhere 0" },
	{ "GET HTTP://o HTTP/1.1\r\nHost: o\r\n\r\n", 0, "GET|/|0|1|ka1|ws0|Host=o;|\nwhere 0" },
	{ "GET https://o?x HTTP/1.1\r\nHost: o\r\n\r\n", 0,
	  "GET|/?x|0|1|ka1|ws0|Host=o;|\nwhere 0" },
	{ "OPTIONS * HTTP/1.1\r\nHost: o\r\n\r\n", 0, "OPTIONS|*|0|1|ka1|ws0|Host=o;|\nwhere 0" },
	{ G "Host: [::1]:80\r\n\r\n", 0, "GET|/|0|1|ka1|ws0|Host=[::1]:80;|\nwhere 0" },
	{ G H "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n", 0,
	  "GET|/|0|1|ka1|ws1|Host=h;Upgrade=WebSocket;Connection=keep-alive, Upgrade;|\nwhere 0" },
	{ G H "Connection: Upgrade\r\n\r\n", 0,
	  "GET|/|0|1|ka1|ws0|Host=h;Connection=Upgrade;|\nwhere 0" },
	{ G H "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 0,
	  "GET|/|0|1|ka1|ws0|Host=h;Upgrade=h2c;Connection=Upgrade;|\nwhere 0" },
	{ G H "X-M2M-Origin: Cae\xc3\xa9\r\n\r\n", 0,
	  "GET|/|0|1|ka1|ws0|Host=h;X-M2M-Origin=Cae\xc3\xa9;|\nwhere 0" },

	/* the request line */
	{ "GET /\r\n\r\n", 400, "" },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", 400, "" },
	{ " GET / HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET /a b HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET /a\tb HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET /#f HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET a HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET * HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET ftp://h/ HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET http:///x HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET http://u@h/x HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "CONNECT h:80 HTTP/1.1\r\n" H "\r\n", 501, "" },
	{ "FROB / HTTP/1.1\r\n" H "\r\n", 501, "" },
	{ "get / HTTP/1.1\r\n" H "\r\n", 501, "" },
	{ "GE(T / HTTP/1.1\r\n" H "\r\n", 400, "" },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505, "" },
	{ "GET / HTTP/1.2\r\n" H "\r\n", 505, "" },
	{ "GET / HTTP/0.9\r\n\r\n", 505, "" },
	{ "GET / http/1.1\r\n" H "\r\n", 400, "" },
	{ "GET / HTTP/1.10\r\n" H "\r\n", 400, "" },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "" },
	{ "\x16\x03\x01\x02", 400, "" },
	{ "\r\n\r\n\r\n\r\n\r\n" G H "\r\n", 400, "" },
	{ "\n" G H "\r\n", 400, "" },
	{ "\r" G H "\r\n", 400, "" },

	/* header fields */
	{ G "\r\n", 400, "" },
	{ G H H "\r\n", 400, "" },
	{ G "Host:\r\n\r\n", 400, "" },
	{ G "Host: a b\r\n\r\n", 400, "" },
	{ G "Host: a,b\r\n\r\n", 400, "" },
	{ G "Host: a/b\r\n\r\n", 400, "" },
	{ G "Host: u@b\r\n\r\n", 400, "" },
	{ G "Host: h:8x\r\n\r\n", 400, "" },
	{ G H "X-M2M-Origin: a\r\nx-m2m-origin: a\r\n\r\n", 400, "" },
	{ G H "X : y\r\n\r\n", 400, "" },
	{ G H "X y\r\n\r\n", 400, "" },
	{ G H ": y\r\n\r\n", 400, "" },
	{ G H "X(: y\r\n\r\n", 400, "" },
	{ G H "X: y\r\n z\r\n\r\n", 400, "" },
	{ G H " X: y\r\n\r\n", 400, "" },
	{ G " Host: h\r\n\r\n", 400, "" },
	{ G H "X: y\x01\r\n\r\n", 400, "" },
	{ G H "X: y\x7f\r\n\r\n", 400, "" },
	{ G H "X: y\n\r\n", 400, "" },
	{ G H "X: y\rZ: w\r\n\r\n", 400, "" },
	{ G H "X: y\r\r\n\r\n", 400, "" },
	{ G "Host: h\n\n", 400, "" },
	{ G H "\n", 400, "" },
	{ G H "Expect: 200-maybe\r\n\r\n", 417, "" },
	{ G H "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 417, "" },

	/* length: smuggling */
	{ P "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, "" },
	{ P "Content-Length: 5, 5\r\n\r\nhello", 400, "" },
	{ P "Content-Length: +5\r\n\r\nhello", 400, "" },
	{ P "Content-Length: -5\r\n\r\nhello", 400, "" },
	{ P "Content-Length: 0x5\r\n\r\nhello", 400, "" },
	{ P "Content-Length: 5 5\r\n\r\nhello", 400, "" },
	{ P "Content-Length: 5a\r\n\r\nhello", 400, "" },
	{ P "Content-Length:\r\n\r\nhello", 400, "" },
	{ P "Content-Length: 99999999999999999999999\r\n\r\nhello", 400, "" },
	{ P "Content-Length : 5\r\n\r\nhello", 400, "" },
	{ P "Content-Length\x0b: 5\r\n\r\nhello", 400, "" },
	{ P "Content-Length: 5001\r\n\r\n", 413, "" },
	{ P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "" },
	{ P "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, "" },
	{ P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "" },
	{ P "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "" },
	{ P "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "" },
	{ P "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501, "" },
	{ P "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, "" },
	{ P "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501, "" },
	{ P "Transfer-Encoding:\x0b chunked\r\n\r\n0\r\n\r\n", 400, "" },
	{ P "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400, "" },
	{ P "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400, "" },
	{ "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "" },
#define C P "Transfer-Encoding: chunked\r\n\r\n"
	{ C "\r\n", 400, "" },
	{ C "g\r\n", 400, "" },
	{ C "0x5\r\nhello\r\n", 400, "" },
	{ C " 5\r\nhello\r\n", 400, "" },
	{ C "5 \r\nhello\r\n", 400, "" },
	{ C "-1\r\n", 400, "" },
	{ C "5\nhello\r\n0\r\n\r\n", 400, "" },
	{ C "5\rhello\r\n0\r\n\r\n", 400, "" },
	{ C "5\r\nhello0\r\n\r\n", 400, "" },
	{ C "5\r\nhello\n0\r\n\r\n", 400, "" },
	{ C "5\r\nhello\rx0\r\n\r\n", 400, "" },
	{ C "5\r\nhello!\r\n0\r\n\r\n", 400, "" },
	{ C "5;a\x01\r\nhello\r\n0\r\n\r\n", 400, "" },
	{ C "fffffffffffffffff\r\n", 413, "" },
	{ C "1389\r\n", 413, "" },
	{ C "0\r\nX\r\n\r\n", 400, "" },
	{ C "0\r\nX : y\r\n\r\n", 400, "" },
	{ C "0\r\nX: y\n\r\n", 400, "" },
};

static const struct vector responses[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 0,
	  "||200|1|ka1|ws0|Content-Length=2;|hi\nwhere 0 end 0" },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", 0,
	  "||201|1|ka1|ws0|Content-Length=0;|\nwhere 0 end 0" },
	{ "HTTP/1.1 204 No\r\n\r\n", 0, "||204|1|ka1|ws0||\nwhere 0 end 0" },
	{ "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", 0,
	  "||304|1|ka1|ws0|Content-Length=9;|\nwhere 0 end 0" },
	{ "HTTP/1.0 200 OK\r\n\r\nto the end", 0, "where 2 end 2 ||200|0|ka0|ws0||to the end\n" },
	{ "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 0,
	  "||200|1|ka1|ws0|Transfer-Encoding=chunked;|hi\nwhere 0 end 0" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 0, "where 2 end 3" },
	{ "HTTP/1.1 200 OK\r\nConte", 0, "where 1 end 3" },
	{ "HTTP/1.1 101 Switching\r\n\r\n", 502, "" },
	{ "HTTP/1.1 2x0 OK\r\n\r\n", 400, "" },
	{ "HTTX/1.1 200 OK\r\n\r\n", 502, "" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 400, "" },
};

static void check(enum http1_kind kind, const struct vector *v)
{
	struct str in = str_of(v->in);
	char *whole = parse(kind, in, in.n, 0);
	char *bytes;

	if (v->status) {
		char want[16];
		const char *at = strstr(whole, "bad ");

		snprintf(want, sizeof(want), "bad %d", v->status);
		if (!at || strncmp(at, want, strlen(want)) != 0)
			fail_msg("%s\ngave %s, want %s", v->in, whole, want);
	} else {
		assert_string_equal(whole, v->want);
	}
	for (size_t cut = 1; cut < in.n; cut++) {
		char *got = parse(kind, in, cut, 0);

		if (strcmp(got, whole) != 0)
			fail_msg("%s\ncut at %zu gave\n%s\nnot\n%s", v->in, cut, got, whole);
		free(got);
	}
	bytes = parse(kind, in, 0, 1);
	assert_string_equal(bytes, whole);
	free(bytes);
	free(whole);
}

static void test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(requests); i++)
		check(HTTP1_REQUEST, &requests[i]);
}

static void test_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(responses); i++)
		check(HTTP1_RESPONSE, &responses[i]);
}

static void check_text(struct buf *text, int status)
{
	struct vector v = { NULL, status, "" };

	buf_char(text, 0);
	v.in = text->p;
	check(HTTP1_REQUEST, &v);
	buf_free(text);
}

static void repeat(struct buf *b, const char *z, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_str(b, str_of(z));
}

static void test_limits(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_str(&b, STR("GET /"));
	repeat(&b, "x", 200);
	check_text(&b, 414); /* before its end is there */
	buf_str(&b, STR("GET /"));
	repeat(&b, "x", 187);
	buf_str(&b, STR(" HTTP/1.1\r\n" H "\r\n"));
	check_text(&b, 414); /* 201 bytes */
	buf_str(&b, STR(G H));
	repeat(&b, "A: b\r\n", 20);
	buf_str(&b, STR("\r\n"));
	check_text(&b, 431); /* 21 fields */
	buf_str(&b, STR(G H "A: "));
	repeat(&b, "y", 1100);
	check_text(&b, 431);
	buf_str(&b, STR(C "1;"));
	repeat(&b, "e", 300);
	check_text(&b, 400);
	buf_str(&b, STR(C "0\r\n"));
	repeat(&b, "Trailer: more and more\r\n", 50);
	check_text(&b, 431);
	buf_str(&b, STR(C));
	repeat(&b, "3e8\r\n", 1);
	repeat(&b, "0123456789", 100);
	buf_str(&b, STR("\r\nfa1\r\n")); /* 1000 and 4001 */
	check_text(&b, 413);
	buf_str(&b, STR("GET / HTTP/1.1\r\nHost: h"));
	buf_char(&b, 0);
	assert_true(b.n == 24);
	{
		char *got = parse(HTTP1_REQUEST, buf_view(&b), b.n, 0);

		assert_non_null(strstr(got, "bad 400"));
		free(got);
	}
	buf_free(&b);
}

/* The longest line and head that are allowed, exactly. */
static void test_limits_met(void **state)
{
	struct buf b = BUF_INIT;
	char *got;

	(void)state;
	buf_str(&b, STR("GET /"));
	repeat(&b, "x", 186);
	buf_str(&b, STR(" HTTP/1.1\r\n" H "A: "));
	repeat(&b, "y", 1000 - 9 - 5);
	buf_str(&b, STR("\r\n\r\n"));
	got = parse(HTTP1_REQUEST, buf_view(&b), b.n, 0);
	assert_non_null(strstr(got, "where 0"));
	free(got);
	buf_free(&b);
}

static void test_many_pipelined(void **state)
{
	struct buf b = BUF_INIT;
	size_t lines = 0;
	char *got;

	(void)state;
	repeat(&b, G H "\r\n", 500);
	got = parse(HTTP1_REQUEST, buf_view(&b), b.n, 0);
	for (char *p = got; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 500);
	free(got);
	got = parse(HTTP1_REQUEST, buf_view(&b), 0, 7);
	for (char *p = got; (p = strchr(p, '\n')); p++)
		lines--;
	assert_int_equal(lines, 0);
	free(got);
	buf_free(&b);
}

static void test_head_answer(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
	struct http1 *p = http1_new(HTTP1_RESPONSE, &LIMITS);
	struct http1_msg *m;
	size_t used;

	(void)state;
	http1_expect_no_body(p);
	assert_int_equal(http1_feed(p, text, sizeof(text) - 1, &used), HTTP1_DONE);
	assert_int_equal(used, sizeof(text) - 1);
	m = http1_take(p);
	assert_int_equal(m->body.n, 0);
	assert_true(str_is(m->head, "Content-Length: 9\r\n"));
	http1_msg_free(m);
	assert_int_equal(http1_where(p), HTTP1_BETWEEN);
	http1_free(p);
}

static void test_tokens(void **state)
{
	(void)state;
	assert_true(http1_has_token(STR("a, Upgrade ,b"), "upgrade"));
	assert_true(http1_has_token(STR("upgrade"), "Upgrade"));
	assert_false(http1_has_token(STR("upgraded, xupgrade"), "upgrade"));
	assert_false(http1_has_token(STR(""), "upgrade"));
	assert_false(http1_has_token(STR_NONE, "upgrade"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),       cmocka_unit_test(test_responses),
		cmocka_unit_test(test_limits),         cmocka_unit_test(test_limits_met),
		cmocka_unit_test(test_many_pipelined), cmocka_unit_test(test_head_answer),
		cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
