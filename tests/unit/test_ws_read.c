/*
 * test_ws_read.c - vectors for what clients send over a WebSocket: messages, control frames, what
 * is refused and with which code; and that cutting the bytes anywhere changes nothing.
 */
#include "ws_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT 70000

/* A frame of a client, its mask 1 2 3 4. */
static void add(struct buf *b, int first, const char *p, size_t n)
{
	buf_char(b, (char)first);
	if (n < 126) {
		buf_char(b, (char)(0x80 | n));
	} else if (n < 65536) {
		buf_char(b, (char)(0x80 | 126));
		buf_char(b, (char)(n >> 8));
		buf_char(b, (char)n);
	} else {
		buf_char(b, (char)(0x80 | 127));
		for (int i = 7; i >= 0; i--)
			buf_char(b, (char)((uint64_t)n >> (8 * i)));
	}
	buf_add(b, "\1\2\3\4", 4);
	for (size_t i = 0; i < n; i++)
		buf_char(b, (char)(p[i] ^ (int)(i % 4 + 1)));
}

static void tell(struct buf *out, const struct ws_read *r, enum ws_event ev)
{
	static const char *const names[] = { "", "text", "ping", "pong", "close", "bad" };

	buf_fmt(out, "%s", ev == WS_MESSAGE && r->binary ? "binary" : names[ev]);
	if (ev >= WS_CLOSE)
		buf_fmt(out, " %u", r->code);
	assert_true(ev != WS_BAD || r->why || r->code == 1009);
	if (r->data.n > 60)
		buf_fmt(out, " %zu bytes of %c\n", r->data.n, r->data.p[0]);
	else
		buf_fmt(out, " (%.*s)\n", STRFMT(r->data));
}

/* Everything that came of the bytes, given in pieces of at most `step`, the first of `first`. */
static char *events(struct str in, size_t first, size_t step)
{
	struct ws_read r;
	struct buf out = BUF_INIT;
	enum ws_event ev = WS_MORE;

	ws_read_init(&r, LIMIT);
	for (size_t at = 0; at < in.n && ev < WS_CLOSE;) {
		size_t n = at ? step : first, i = 0, used;
		char *piece;

		n = n < in.n - at ? n : in.n - at;
		piece = malloc(n); /* an exact copy: a sanitizer sees a read past its end */
		memcpy(piece, in.p + at, n);
		while (i < n && ev < WS_CLOSE) {
			ev = ws_read_feed(&r, piece + i, n - i, &used);
			assert_true(used > 0 && used <= n - i);
			i += used;
			assert_true(ev != WS_MORE || i == n);
			if (ev != WS_MORE)
				tell(&out, &r, ev);
		}
		free(piece);
		at += n;
	}
	if (ev >= WS_CLOSE) { /* nothing is read behind the end */
		char more[] = "\x89\x80\1\1\1\1";
		size_t used;

		assert_int_equal(ws_read_feed(&r, more, sizeof(more) - 1, &used), WS_BAD);
		assert_int_equal(used, 0);
	}
	ws_read_free(&r);
	buf_char(&out, 0);
	return out.p;
}

/* The same however it is cut. */
static void expect(struct buf *in, const char *want)
{
	struct str s = buf_view(in);
	char *got = events(s, s.n, s.n);

	assert_string_equal(got, want);
	free(got);
	for (size_t cut = 1; cut<s.n; cut += s.n> 1000 ? s.n / 97 : 1) {
		got = events(s, cut, s.n);
		if (strcmp(got, want) != 0)
			fail_msg("cut at %zu gave\n%s\nnot\n%s", cut, got, want);
		free(got);
	}
	for (size_t step = 1; step < 9; step++) {
		got = events(s, step, step);
		assert_string_equal(got, want);
		free(got);
	}
	buf_free(in);
}

#define ADD(first, text) add(&b, first, text, sizeof(text) - 1)

static void test_messages(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	ADD(0x81, "hello");
	ADD(0x82, "\1\2");
	ADD(0x81, "");
	ADD(0x81, "gr\xc3\xbcn");
	expect(&b, "text (hello)\nbinary (\1\2)\ntext ()\ntext (gr\xc3\xbcn)\n");
	ADD(0x01, "one ");
	ADD(0x89, "p");
	ADD(0x00, "");
	ADD(0x00, "two\xc3");
	ADD(0x8a, "");
	ADD(0x80, "\xbc.");
	ADD(0x02, "");
	ADD(0x80, "");
	ADD(0x02, "");
	ADD(0x80, "all at the end");
	expect(&b, "ping (p)\npong ()\ntext (one two\xc3\xbc.)\nbinary ()\n"
		   "binary (all at the end)\n");
	ADD(0x01, "never finished");
	expect(&b, "");
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = { 125, 126, 127, 65535, 65536, LIMIT };
	static char text[LIMIT];
	struct buf b = BUF_INIT;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < countof(sizes); i++) {
		char want[40];

		sprintf(want, "text %zu bytes of x\n", sizes[i]);
		add(&b, 0x81, text, sizes[i]);
		expect(&b, want);
	}
	add(&b, 0x01, text, 40000);
	add(&b, 0x80, text, LIMIT - 40000);
	expect(&b, "text 70000 bytes of x\n");
	add(&b, 0x01, text, 40000);
	add(&b, 0x80, text, LIMIT - 40000 + 1);
	expect(&b, "bad 1009 ()\n");
	buf_str(&b, STR("\x82\xff\0\0\0\0\0\1\x11\x71")); /* 70,001 are announced */
	expect(&b, "bad 1009 ()\n");
	buf_str(&b, STR("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"));
	expect(&b, "bad 1009 ()\n");
}

static void test_heads(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
#define BAD(text) { text, sizeof(text) - 1 }
		BAD("\x91"),
		BAD("\xa1"),
		BAD("\xc1"),
		BAD("\xf1"),
		BAD("\xc8"), /* reserved bits */
		BAD("\x83"),
		BAD("\x87"),
		BAD("\x8b"),
		BAD("\x8f"), /* reserved opcodes */
		BAD("\x08"),
		BAD("\x09"),
		BAD("\x0a"), /* control frames in pieces */
		BAD("\x80"),
		BAD("\x00"), /* nothing to continue */
		BAD("\x01\x80\1\1\1\1\x01"),
		BAD("\x01\x80\1\1\1\1\x81"),
		BAD("\x01\x80\1\1\1\1\x82"),
		BAD("\x81\x80\1\1\1\1\x80"),
		BAD("\x81\x01"),
		BAD("\x81\x00"),
		BAD("\x89\x00"),
		BAD("\x81\x7f"), /* unmasked */
		BAD("\x88\xfe"),
		BAD("\x89\xfe"),
		BAD("\x8a\xff"), /* long control frames */
		BAD("\x81\xfe\0\x7d"),
		BAD("\x81\xff\0\0\0\0\0\0\xff\xff"), /* long lengths */
		BAD("\x81\xff\x80\0\0\0\0\0\0\0"),
	};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		const char *want = bad[i].n > 1 && memcmp(bad[i].p, "\x81\x80", 2) == 0
				       ? "text ()\nbad 1002 ()\n"
				       : "bad 1002 ()\n";

		buf_add(&b, bad[i].p, bad[i].n);
		expect(&b, want);
	}
}

static void test_utf8(void **state)
{
	static const char *const bad[] = { "\x80",         "a\xff",
					   "\xc0\x80",     "\xc3",
					   "\xed\xa0\x80", "\xf4\x90\x80\x80",
					   "\xe2\x82",     "eight bytes of ASCII, then \xfe" };
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		add(&b, 0x81, bad[i], strlen(bad[i]));
		expect(&b, "bad 1007 ()\n");
		add(&b, 0x01, bad[i], 1);
		add(&b, 0x80, bad[i] + 1, strlen(bad[i]) - 1);
		expect(&b, "bad 1007 ()\n");
	}
	ADD(0x82, "\xff\xfe");
	ADD(0x89, "\xff");
	expect(&b, "binary (\xff\xfe)\nping (\xff)\n");
}

static void close_with(struct buf *b, unsigned code, const char *reason)
{
	char payload[128] = { (char)(code >> 8), (char)code };
	size_t n = strlen(reason);

	memcpy(payload + 2, reason, n);
	add(b, 0x88, payload, n + 2);
}

static void test_close(void **state)
{
	static const unsigned good[] = { 1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999 };
	static const unsigned bad[] = { 0,    999,  1004, 1005, 1006, 1015,
					1016, 2000, 2999, 5000, 65535 };
	struct buf b = BUF_INIT;
	char want[40];

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		close_with(&b, good[i], "bye");
		ADD(0x81, "late");
		sprintf(want, "close %u (bye)\n", good[i]);
		expect(&b, want);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		close_with(&b, bad[i], "");
		expect(&b, "bad 1002 ()\n");
	}
	ADD(0x88, "");
	expect(&b, "close 1005 ()\n");
	ADD(0x01, "unfinished");
	close_with(&b, 1000, "");
	expect(&b, "close 1000 ()\n");
	ADD(0x88, "\3");
	expect(&b, "bad 1002 ()\n");
	close_with(&b, 1000, "\xed\xa0\x80");
	expect(&b, "bad 1007 ()\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_heads),    cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
