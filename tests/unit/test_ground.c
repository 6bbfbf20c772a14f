/*
 * test_ground.c - base, err, buf, arena and log: results, boundaries, hostile input.
 * The other ground modules have their own programs: test_json, test_cbor, test_clock, test_metrics.
 */
#include "arena.h"
#include "buf.h"
#include "err.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void assert_buf(const struct buf *b, const char *want)
{
	assert_int_equal(b->n, strlen(want));
	assert_memory_equal(b->p, want, b->n);
}

/* ---- base ---- */

static void strings_compare(void **state)
{
	(void)state;
	assert_true(str_eq(STR("abc"), STR("abc")));
	assert_false(str_eq(STR("abc"), STR("abd")));
	assert_false(str_eq(STR("abc"), STR("ab")));
	assert_true(str_eq(STR_NONE, STR("")));
	assert_true(str_is(STR("a"), "a"));
	assert_int_equal(str_of(NULL).n, 0);
	assert_true(str_starts(STR("abc"), STR("ab")));
	assert_true(str_starts(STR("abc"), STR_NONE));
	assert_false(str_starts(STR("a"), STR("ab")));
	assert_true(str_ieq(STR("X-M2M-ri"), STR("x-m2m-RI")));
	assert_false(str_ieq(STR("a@"), STR("a`"))); /* 0x40 and 0x60 are no letters */
	assert_false(str_ieq(STR("[x"), STR("{x")));
	assert_false(str_ieq(STR("abc"), STR("ab")));
	assert_true(str_ieq(STR_NONE, STR_NONE));
}

static void decimal_numbers(void **state)
{
	static const char *const bad[] = { "",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "0x1",
					   "1.0",
					   "a",
					   "18446744073709551616",
					   "99999999999999999999" };
	uint64_t v = 7;

	(void)state;
	assert_true(str_u64(STR("0"), &v));
	assert_int_equal(v, 0);
	assert_true(str_u64(STR("18446744073709551615"), &v));
	assert_true(v == UINT64_MAX);
	assert_true(str_u64(STR("007"), &v));
	assert_int_equal(v, 7);
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(str_u64(str_of(bad[i]), &v));
	assert_int_equal(v, 7);
}

static void utf8_is_strict(void **state)
{
	static const char *const good[] = { "",
					    "a",
					    "\xc2\x80",
					    "\xdf\xbf",
					    "\xe0\xa0\x80",
					    "\xed\x9f\xbf",
					    "\xee\x80\x80",
					    "\xef\xbf\xbf",
					    "\xf0\x90\x80\x80",
					    "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80",
					   "\xbf",
					   "\xc0\x80",
					   "\xc1\xbf",
					   "\xc2",
					   "\xc2\x61",
					   "\xe0\x9f\xbf",
					   "\xe0\xa0",
					   "\xed\xa0\x80",
					   "\xed\xbf\xbf",
					   "\xf0\x8f\xbf\xbf",
					   "\xf4\x90\x80\x80",
					   "\xf5\x80\x80\x80",
					   "\xf0\x90\x80",
					   "\xff",
					   "a\xfe" };

	(void)state;
	for (size_t i = 0; i < countof(good); i++)
		assert_true(str_utf8(str_of(good[i])));
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(str_utf8(str_of(bad[i])));
	assert_true(str_utf8(STR("0123456789\xc3\xa4"
				 "0123456\xf0\x90\x80\x80")));
	assert_false(str_utf8(STR("0123456789abcdef\xc3")));
	assert_false(str_utf8(STR("0123456\xff"
				  "89abcdef")));
}

static void memory_helpers(void **state)
{
	char *a = xstrdup("abc"), *b = xstrndup("abcdef", 2), *c = xstrndup(NULL, 0);
	unsigned *z = xcalloc(3, sizeof(*z));
	void *none = xmalloc(0);

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	assert_string_equal(c, "");
	assert_int_equal(z[0] | z[1] | z[2], 0);
	assert_non_null(none);
	none = xrealloc(none, 100);
	assert_non_null(none);
	free(a);
	free(b);
	free(c);
	free(z);
	free(none);
}

/* ---- err ---- */

static void errors_say_why(void **state)
{
	struct err e = { 0 };
	char longest[1000];

	(void)state;
	assert_false(err_code(&e, 4000, "%s: %d", "mni", -1));
	assert_int_equal(e.code, 4000);
	assert_string_equal(e.msg, "mni: -1");
	assert_false(err_prefix(&e, "attribute %d", 3));
	assert_string_equal(e.msg, "attribute 3: mni: -1");
	assert_int_equal(e.code, 4000);
	assert_false(err_set(&e, "again: %s", e.msg));
	assert_string_equal(e.msg, "again: attribute 3: mni: -1");
	assert_int_equal(e.code, 0);
	assert_false(err_set(&e, "a\nb\x01"
				 "c\x7f"));
	assert_string_equal(e.msg, "a b c ");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_false(err_set(&e, "%s", longest));
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_false(err_prefix(&e, "%s", longest));
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_false(err_set(NULL, "x"));
	assert_false(err_code(NULL, 1, "x"));
	assert_false(err_prefix(NULL, "x"));
}

/* ---- buf ---- */

static void buffers_grow(void **state)
{
	struct buf b = BUF_INIT;
	char *p;
	size_t n = 99;

	(void)state;
	buf_add(&b, NULL, 0);
	assert_int_equal(b.n, 0);
	buf_str(&b, STR("one"));
	buf_char(&b, ' ');
	buf_u64(&b, 0);
	buf_u64(&b, UINT64_MAX);
	assert_buf(&b, "one 018446744073709551615");
	buf_drop(&b, 4);
	assert_buf(&b, "018446744073709551615");
	buf_drop(&b, 0);
	buf_drop(&b, 1000);
	assert_int_equal(b.n, 0);
	buf_fmt(&b, "%0500d|", 7);
	buf_fmt(&b, "%s", "");
	assert_int_equal(b.n, 501);
	assert_memory_equal(b.p + 498, "07|", 3);
	buf_clear(&b);
	assert_true(b.cap >= 501);
	for (int i = 0; i < 100000; i++)
		buf_char(&b, (char)('a' + i % 26));
	assert_int_equal(b.n, 100000);
	assert_int_equal(b.p[99999], 'a' + 99999 % 26);
	assert_true(buf_view(&b).p == b.p && buf_view(&b).n == b.n);
	p = buf_steal(&b, &n);
	assert_int_equal(n, 100000);
	assert_null(b.p);
	free(p);
	p = buf_steal(&b, NULL);
	assert_non_null(p);
	free(p);
	buf_free(&b);
}

static void buffers_reserve(void **state)
{
	struct buf b = BUF_INIT;
	char *at = buf_reserve(&b, 1000);

	(void)state;
	assert_true(b.cap >= 1000 && b.n == 0 && at == b.p);
	memset(at, 'x', 1000);
	b.n = 1000;
	assert_true(buf_reserve(&b, 1) == b.p + 1000);
	assert_non_null(buf_reserve(&b, 0));
	buf_free(&b);
	assert_non_null(buf_reserve(&b, 0));
	buf_free(&b);
}

static void buffers_quote_json(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_json(&b, STR_NONE);
	assert_buf(&b, "\"\"");
	buf_clear(&b);
	buf_json(&b, STR("a/b \"q\" \\ \b\f\n\r\t\x01\x1f\x7f \xc3\xa4\xf0\x9f\x98\x80"));
	assert_buf(&b, "\"a/b \\\"q\\\" \\\\ \\b\\f\\n\\r\\t\\u0001\\u001f\x7f "
		       "\xc3\xa4\xf0\x9f\x98\x80\"");
	buf_clear(&b);
	buf_json(&b, (struct str){ "a\0b", 3 });
	assert_buf(&b, "\"a\\u0000b\"");
	buf_clear(&b);
	buf_json(&b, STR("x\xff\xed\xa0\x80y\xc3"));
	assert_buf(&b, "\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy\xef\xbf\xbd\"");
	buf_free(&b);
}

static void buffers_print_doubles(void **state)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ -0.0, "-0" },
		{ 1, "1" },
		{ -17, "-17" },
		{ 0.1, "0.1" },
		{ 21.7, "21.7" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 1e15, "1e+15" },
		{ 123456789012345, "123456789012345" },
		{ 5e-324, "4.94065645841247e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 9007199254740993.0, "9007199254740992" },
	};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		buf_clear(&b);
		buf_double(&b, rows[i].v);
		assert_buf(&b, rows[i].text);
	}
	buf_free(&b);
}

/* ---- arena ---- */

static char order[8];
static struct arena *current;

static void note(void *arg)
{
	size_t n = strlen(order);

	order[n] = *(const char *)arg;
	order[n + 1] = '\0';
}

static void note_and_defer(void *arg)
{
	note(arg);
	arena_defer(current, note, arena_dup(current, STR("z")));
}

static void arena_gives_aligned_memory(void **state)
{
	struct arena *a = arena_new();
	char *last = NULL;

	(void)state;
	for (size_t n = 0; n < 3000; n += 7) {
		char *p = arena_alloc(a, n);

		assert_int_equal((uintptr_t)p % 16, 0);
		assert_true(p != last);
		memset(p, (int)n, n); /* a sanitizer sees an overlap with what is not ours */
		last = p;
	}
	memset(arena_alloc(a, 1 << 20), 1, 1 << 20);
	assert_string_equal(arena_dup(a, (struct str){ "abc", 2 }), "ab");
	assert_string_equal(arena_dup(a, STR_NONE), "");
	arena_free(a);
	arena_free(NULL);
}

static void arena_keeps_what_it_gave(void **state)
{
	struct arena *a = arena_new();
	unsigned char *got[500];

	(void)state;
	for (size_t i = 0; i < countof(got); i++) {
		got[i] = arena_alloc(a, 1 + i * 13 % 900);
		memset(got[i], (int)(i & 0xff), 1 + i * 13 % 900);
	}
	for (size_t i = 0; i < countof(got); i++)
		for (size_t k = 0; k < 1 + i * 13 % 900; k++)
			assert_int_equal(got[i][k], i & 0xff);
	arena_free(a);
}

static void arena_undoes_in_reverse(void **state)
{
	(void)state;
	order[0] = '\0';
	current = arena_new();
	arena_defer(current, note, arena_dup(current, STR("a")));
	arena_defer(current, note_and_defer, arena_dup(current, STR("b")));
	arena_defer(current, note, arena_dup(current, STR("c")));
	arena_free(current);
	assert_string_equal(order, "cbza");
}

/* ---- log ---- */

static size_t logged(int fd, char *out, size_t room)
{
	ssize_t n = read(fd, out, room - 1);

	if (n < 0)
		n = 0;
	out[n] = '\0';
	return (size_t)n;
}

static void log_writes_lines(void **state)
{
	char line[4096], longest[3000];
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	log_to(fd[1]);
	errno = ENOENT;
	log_info("store", "opened path=%s", "/a");
	assert_int_equal(errno, ENOENT);
	logged(fd[0], line, sizeof(line));
	assert_string_equal(line, "info store opened path=/a\n");

	log_error("net", "bad\nerror forged\x1b[2J");
	logged(fd[0], line, sizeof(line));
	assert_string_equal(line, "error net bad error forged [2J\n");

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	log_warn("net", "%s", longest);
	assert_int_equal(logged(fd[0], line, sizeof(line)), 2047);
	assert_string_equal(line + 2047 - 4, "...\n");

	log_debug("net", "unseen");
	log_set_level(LOG_ERROR);
	log_warn("net", "unseen");
	assert_int_equal(logged(fd[0], line, sizeof(line)), 0);
	log_set_level(LOG_DEBUG);
	log_debug("net", "seen");
	assert_int_equal(logged(fd[0], line, sizeof(line)), 15);
	log_set_level(LOG_INFO);
	close(fd[0]);
	close(fd[1]);
	log_to(-1);
	log_info("net", "nowhere to go");
	log_to(2);
}

static void log_parses_levels(void **state)
{
	enum log_level level = LOG_INFO;

	(void)state;
	assert_true(log_parse_level("debug", &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_true(log_parse_level("error", &level));
	assert_int_equal(level, LOG_ERROR);
	assert_true(log_enabled(LOG_INFO));
	assert_false(log_enabled(LOG_DEBUG));
	assert_false(log_parse_level("loud", &level));
	assert_false(log_parse_level("", &level));
	assert_false(log_parse_level(NULL, &level));
	assert_int_equal(level, LOG_ERROR);
}

static void log_quotes_values(void **state)
{
	char longest[1000], want[300] = "\"";
	const char *kept;

	(void)state;
	assert_string_equal(log_quote(STR("/pump/level")), "/pump/level");
	assert_string_equal(log_quote(STR("")), "\"\"");
	assert_string_equal(log_quote(STR_NONE), "\"\"");
	assert_string_equal(log_quote(STR("a b")), "\"a b\"");
	assert_string_equal(log_quote(STR("a=\"b\\")), "\"a=\\\"b\\\\\"");
	assert_string_equal(log_quote(STR("\n\r\t\x01\xff")), "\"\\n\\r\\t\\x01\\xff\"");
	assert_string_equal(log_quote(STR("\xc3\xa4")), "\"\xc3\xa4\"");
	assert_string_equal(log_quote((struct str){ "\0", 1 }), "\"\\x00\"");
	memset(longest, 'x', sizeof(longest));
	memset(want + 1, 'x', 200);
	memcpy(want + 201, "...\"", 5);
	assert_string_equal(log_quote((struct str){ longest, sizeof(longest) }), want);
	assert_int_equal(strlen(log_quote((struct str){ longest, 200 })), 200);
	memset(longest, 0xff, sizeof(longest));
	assert_int_equal(strlen(log_quote((struct str){ longest, sizeof(longest) })), 805);
	kept = log_quote(STR("first"));
	for (int i = 0; i < 7; i++)
		log_quote(STR("other"));
	assert_string_equal(kept, "first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_compare),
		cmocka_unit_test(decimal_numbers),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(memory_helpers),
		cmocka_unit_test(errors_say_why),
		cmocka_unit_test(buffers_grow),
		cmocka_unit_test(buffers_reserve),
		cmocka_unit_test(buffers_quote_json),
		cmocka_unit_test(buffers_print_doubles),
		cmocka_unit_test(arena_gives_aligned_memory),
		cmocka_unit_test(arena_keeps_what_it_gave),
		cmocka_unit_test(arena_undoes_in_reverse),
		cmocka_unit_test(log_writes_lines),
		cmocka_unit_test(log_parses_levels),
		cmocka_unit_test(log_quotes_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
