/*
 * test_json.c - jscan: what is accepted, what is refused and with which words, iteration, names.
 */
#include "jscan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* In memory of exactly that size, so that a sanitizer sees a byte too far. */
static char *exactly(struct str text)
{
	char *copy = xmalloc(text.n);

	if (text.n)
		memcpy(copy, text.p, text.n);
	return copy;
}

static void check_ok(struct str text)
{
	struct err e;
	char *exact = exactly(text);

	if (!jscan_check((struct str){ exact, text.n }, JSCAN_DEFAULT, &e))
		fail_msg("refused %.*s: %s", STRFMT(text), e.msg);
	free(exact);
}

static void check_bad(struct str text, const char *why)
{
	struct err e = { 0 };
	char *exact = exactly(text);

	if (jscan_check((struct str){ exact, text.n }, JSCAN_DEFAULT, &e))
		fail_msg("accepted %.*s", STRFMT(text));
	if (strcmp(e.msg, why) != 0)
		fail_msg("%.*s: \"%s\" instead of \"%s\"", STRFMT(text), e.msg, why);
	free(exact);
}

static void well_formed(void **state)
{
	static const char *const good[] = {
		"null",
		"true",
		"false",
		"0",
		"-0",
		"1",
		"-1",
		"10",
		"0.5",
		"-0.0",
		"1e5",
		"1E+5",
		"1.25e-7",
		"123456789012345678901234567890",
		"\"\"",
		"\"a\"",
		"\"\\\"\"",
		"\"\\\\\"",
		"\"\\/\\b\\f\\n\\r\\t\"",
		"\"\\u0000\"",
		"\"\\uD83D\\uDE00\"",
		"\"\\ud7ff\\ue000\"",
		"\"\x7f\"",
		"\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"",
		"[]",
		"[ ]",
		"{}",
		"{\n}",
		" \t\r\n[1 , 2,3 ] ",
		"[[],[[]],{}]",
		"{\"a\":1}",
		"{\"a\" : {\"b\":[null,true]} , \"c\":\"\"}",
		"{\"\":0}",
		"{\"a\":1,\"a\":2}",
		"[\"1234567\\\\\",\"12345678\\\"\",\"123456789\"]",
		"\"01234567\"",
		"\"0123456701234567\xc3\xa4 1234567\"",
	};

	(void)state;
	for (size_t i = 0; i < countof(good); i++)
		check_ok(str_of(good[i]));
}

static void malformed(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "byte 0: value expected, but the text ends" },
		{ "  ", "byte 2: value expected, but the text ends" },
		{ "x", "byte 0: value expected" },
		{ "nul", "byte 0: value expected" },
		{ "True", "byte 0: value expected" },
		{ "truex", "byte 4: bytes after the value" },
		{ "1 2", "byte 2: bytes after the value" },
		{ "{}}", "byte 2: bytes after the value" },
		{ "[] []", "byte 3: bytes after the value" },
		{ "\xef\xbb\xbf{}", "byte 0: value expected" },
		{ "NaN", "byte 0: value expected" },
		{ "Infinity", "byte 0: value expected" },
		{ "'a'", "byte 0: value expected" },
		{ "]", "byte 0: value expected" },
		{ ",", "byte 0: value expected" },
		/* numbers */
		{ "-", "byte 1: digit expected in a number" },
		{ "-a", "byte 1: digit expected in a number" },
		{ "+1", "byte 0: value expected" },
		{ ".5", "byte 0: value expected" },
		{ "01", "byte 0: number with a leading zero" },
		{ "[-00]", "byte 2: number with a leading zero" },
		{ "1.", "byte 2: digit expected after the decimal point" },
		{ "1.e5", "byte 2: digit expected after the decimal point" },
		{ "1e", "byte 2: digit expected in an exponent" },
		{ "1e+", "byte 3: digit expected in an exponent" },
		{ "1e+x", "byte 3: digit expected in an exponent" },
		{ "0x1", "byte 1: bytes after the value" },
		/* strings */
		{ "\"", "byte 1: unterminated string" },
		{ "\"abc", "byte 4: unterminated string" },
		{ "\"abc\\", "byte 5: unterminated string" },
		{ "\"abc\\\"", "byte 6: unterminated string" },
		{ "\"a\nb\"", "byte 2: control character in a string" },
		{ "\"0123456\x1f\"", "byte 8: control character in a string" },
		{ "\"01234567\x01\"", "byte 9: control character in a string" },
		{ "\"\\x41\"", "byte 1: unknown escape in a string" },
		{ "\"\\'\"", "byte 1: unknown escape in a string" },
		{ "\"\\U0041\"", "byte 1: unknown escape in a string" },
		{ "\"\\u00g0\"", "byte 1: \\u without four hexadecimal digits" },
		{ "\"\\u00\"", "byte 1: \\u without four hexadecimal digits" },
		{ "\"\\u+123\"", "byte 1: \\u without four hexadecimal digits" },
		{ "\"\\ud800\"", "byte 1: invalid UTF-8 (escape of a lone surrogate)" },
		{ "\"\\udc00\"", "byte 1: invalid UTF-8 (escape of a lone surrogate)" },
		{ "\"\\ud800\\ud800\"", "byte 1: invalid UTF-8 (escape of a lone surrogate)" },
		{ "\"\\ud800\\u0041\"", "byte 1: invalid UTF-8 (escape of a lone surrogate)" },
		{ "\"\\ud800\\n\"", "byte 1: invalid UTF-8 (escape of a lone surrogate)" },
		{ "\"\\ud800\\udc0\"", "byte 1: invalid UTF-8 (escape of a lone surrogate)" },
		{ "\"\xff\"", "byte 1: invalid UTF-8" },
		{ "\"\x80\"", "byte 1: invalid UTF-8" },
		{ "\"\xc0\xaf\"", "byte 1: invalid UTF-8" },
		{ "\"\xe0\x80\xaf\"", "byte 1: invalid UTF-8" },
		{ "\"\xed\xa0\x80\"", "byte 1: invalid UTF-8" },
		{ "\"\xf4\x90\x80\x80\"", "byte 1: invalid UTF-8" },
		{ "\"01234567\xc3\"", "byte 9: invalid UTF-8" },
		{ "\"\xc3", "byte 1: invalid UTF-8" },
		/* containers */
		{ "[", "byte 1: value expected, but the text ends" },
		{ "[1", "byte 2: the text ends inside an array or object" },
		{ "[1,", "byte 3: value expected, but the text ends" },
		{ "[1,]", "byte 3: value expected" },
		{ "[,1]", "byte 1: value expected" },
		{ "[1 2]", "byte 3: ',' or ']' expected" },
		{ "[1}", "byte 2: ',' or ']' expected" },
		{ "{", "byte 1: member name expected" },
		{ "{]", "byte 1: member name expected" },
		{ "{\"a\"", "byte 4: ':' expected after a member name" },
		{ "{\"a\" 1}", "byte 5: ':' expected after a member name" },
		{ "{\"a\":", "byte 5: value expected, but the text ends" },
		{ "{\"a\":}", "byte 5: value expected" },
		{ "{\"a\":1", "byte 6: the text ends inside an array or object" },
		{ "{\"a\":1,}", "byte 7: member name expected" },
		{ "{\"a\":1]", "byte 6: ',' or '}' expected" },
		{ "{\"a\":1 \"b\":2}", "byte 7: ',' or '}' expected" },
		{ "{a:1}", "byte 1: member name expected" },
		{ "{1:2}", "byte 1: member name expected" },
		{ "{\"a\xff\":1}", "byte 3: invalid UTF-8" },
		{ "{\"a\":{\"b\":[}}", "byte 11: value expected" },
		{ "// c\n1", "byte 0: value expected" },
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		check_bad(str_of(bad[i].text), bad[i].why);
	check_bad((struct str){ "1\0", 2 }, "byte 1: bytes after the value");
	check_bad((struct str){ "\"\0\"", 3 }, "byte 1: control character in a string");
	check_bad((struct str){ "\"\\\0\"", 4 }, "byte 1: unknown escape in a string");
	check_bad(STR_NONE, "byte 0: value expected, but the text ends");
	assert_false(jscan_check(STR("["), JSCAN_DEFAULT, NULL));
}

static bool checks(const char *text, unsigned depth, unsigned members, struct err *e)
{
	return jscan_check(str_of(text), (struct jscan_limits){ depth, members }, e);
}

static void limits(void **state)
{
	static char deep[200001];
	struct err e;

	(void)state;
	assert_true(checks("1", 0, 0, &e));
	assert_false(checks("[]", 0, 0, &e));
	assert_string_equal(e.msg, "byte 0: deeper than 0 (limits.json_depth)");
	assert_true(checks("[]", 1, 0, &e));
	assert_false(checks("[1]", 1, 0, &e));
	assert_string_equal(e.msg,
			    "byte 1: more members and elements than 0 (limits.json_members)");
	assert_true(checks("[{\"a\":[]}]", 3, 2, &e));
	assert_false(checks("[{\"a\":[]}]", 2, 2, &e));
	assert_string_equal(e.msg, "byte 6: deeper than 2 (limits.json_depth)");
	assert_true(checks("[[],[],{\"a\":1}]", 2, 4, &e));
	assert_false(checks("[[],[],{\"a\":1}]", 2, 3, &e));
	memset(deep, '[', 100000);
	memset(deep + 100000, ']', 100000);
	assert_false(checks(deep, 64, 1000000, &e));
	assert_string_equal(e.msg, "byte 64: deeper than 64 (limits.json_depth)");
	assert_false(checks(deep, 1000000, 1000000, &e));
	assert_string_equal(e.msg, "byte 1024: deeper than 1024 (limits.json_depth)");
	assert_true(jscan_check((struct str){ deep + 100000 - 1024, 2048 },
				(struct jscan_limits){ 1024, 1024 }, &e));
}

static void types(void **state)
{
	(void)state;
	assert_int_equal(jscan_type(STR(" null")), JSCAN_NULL);
	assert_int_equal(jscan_type(STR("true")), JSCAN_BOOL);
	assert_int_equal(jscan_type(STR("false")), JSCAN_BOOL);
	assert_int_equal(jscan_type(STR("-1")), JSCAN_NUMBER);
	assert_int_equal(jscan_type(STR("\n0")), JSCAN_NUMBER);
	assert_int_equal(jscan_type(STR("\"x\"")), JSCAN_STRING);
	assert_int_equal(jscan_type(STR("[1]")), JSCAN_ARRAY);
	assert_int_equal(jscan_type(STR("{ }")), JSCAN_OBJECT);
	assert_int_equal(jscan_type(STR_NONE), JSCAN_NULL);
}

/* "key=value;" for each member or element. */
static void assert_walk(const char *json, const char *want)
{
	struct jscan it = jscan_enter(str_of(json));
	struct buf got = BUF_INIT;

	while (jscan_next(&it))
		buf_fmt(&got, "%.*s=%.*s;", STRFMT(it.key), STRFMT(it.value));
	assert_false(jscan_next(&it));
	buf_char(&got, '\0');
	assert_string_equal(got.p, want);
	buf_free(&got);
}

static void iteration(void **state)
{
	(void)state;
	assert_walk("{}", "");
	assert_walk(" [ ] ", "");
	assert_walk("1", "");
	assert_walk("\"[1]\"", "");
	assert_walk("[1,2 , 3]", "=1;=2;=3;");
	assert_walk("[\"]\",\"\\\"]\",[1,\"]\"],{\"a\":\"}\"} ,null]",
		    "=\"]\";=\"\\\"]\";=[1,\"]\"];={\"a\":\"}\"};=null;");
	assert_walk(" { \"a\" : 1 , \"b\\\"\":[ 1 , 2 ],\"c\":{\"a\":{}} , \"\":\"x\\\\\" } ",
		    "a=1;b\\\"=[ 1 , 2 ];c={\"a\":{}};=\"x\\\\\";");
}

/* Text that no check has passed: nothing is found outside it, and it ends. */
static void iteration_is_bounded(void **state)
{
	static const char *const odd[] = { "",       "{",       "[",         "{\"",   "{\"a",
					   "{\"a\"", "{\"a\":", "{\"a\":\"", "[\"\\", "[,,,",
					   "{,}",    "[}",      "{]",        "[[[[",  "{\"a\":}",
					   "[1 2",   "{1:2}",   "[\"\\\"" };

	(void)state;
	for (size_t i = 0; i < countof(odd); i++) {
		size_t n = strlen(odd[i]);
		char *exact = xmalloc(n);
		struct str text = { exact, n }, value;
		struct buf b = BUF_INIT;
		struct jscan it;
		int turns = 0;

		memcpy(exact, odd[i], n);
		it = jscan_enter(text);
		while (jscan_next(&it)) {
			assert_true(it.value.p >= exact && it.value.p + it.value.n <= exact + n);
			assert_true(++turns < 10);
		}
		(void)jscan_member(text, "a", &value);
		(void)jscan_duplicate(text, &value);
		(void)jscan_string(text, &b);
		buf_free(&b);
		free(exact);
	}
}

static void members(void **state)
{
	struct str obj = STR(
	    "{\"rqi\":\"a\",\"pc\":{\"to\":1},\"t\\u006f\":2,\"to\":3,\"a\\/b\":4,\"x\\u0000\":5,"
	    "\"\\ud83d\\ude00\":6}");
	struct str v = STR("-");

	(void)state;
	assert_true(jscan_member(obj, "rqi", &v));
	assert_true(str_is(v, "\"a\""));
	assert_true(jscan_member(obj, "to", &v));
	assert_true(str_is(v, "2"));
	assert_true(jscan_member(obj, "a/b", &v));
	assert_true(str_is(v, "4"));
	assert_true(jscan_member(obj, "\xf0\x9f\x98\x80", &v));
	assert_true(str_is(v, "6"));
	assert_true(jscan_member(obj, "pc", &v));
	assert_true(str_is(v, "{\"to\":1}"));
	assert_false(jscan_member(obj, "x", &v));
	assert_false(jscan_member(obj, "", &v));
	assert_false(jscan_member(obj, "rq", &v));
	assert_false(jscan_member(obj, "rqii", &v));
	assert_false(jscan_member(STR("[\"a\",1]"), "a", &v));
	assert_false(jscan_member(STR("1"), "a", &v));
	assert_true(str_is(v, "{\"to\":1}"));
}

static void strings(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_true(jscan_string(
	    STR(" \"a\\n\\\"\\\\\\/\\b\\f\\r\\t\\u0041\\u00e4\\u20AC\\ud83d\\uDE00z\" "), &b));
	assert_true(str_is(buf_view(&b), "a\n\"\\/\b\f\r\tA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"));
	assert_true(jscan_string(STR("\"+\""), &b));
	assert_int_equal(b.p[b.n - 1], '+');
	buf_clear(&b);
	assert_true(jscan_string(STR("\"\""), &b));
	assert_int_equal(b.n, 0);
	assert_true(jscan_string(STR("\"\\u0000\""), &b));
	assert_true(b.n == 1 && b.p[0] == '\0');
	buf_clear(&b);
	assert_true(jscan_string(STR("\"\\ud800x\\uzz\""), &b)); /* the check would refuse it */
	assert_true(str_utf8(buf_view(&b)));
	assert_false(jscan_string(STR("1"), &b));
	assert_false(jscan_string(STR("null"), &b));
	assert_false(jscan_string(STR("\"a"), &b));
	assert_false(jscan_string(STR("\""), &b));
	assert_false(jscan_string(STR_NONE, &b));
	buf_free(&b);
}

static void duplicates(void **state)
{
	static const char *const none[] = { "{}",
					    "[1,1]",
					    "{\"a\":1,\"b\":2}",
					    "{\"a\":{\"a\":{\"a\":1}}}",
					    "[{\"a\":1},{\"a\":2}]",
					    "{\"a\":\"a\",\"b\":\"a\"}",
					    "\"a\"",
					    "{\"a\":[\"b\",\"b\"],\"b\":1}",
					    "{\"a\":{},\"b\":{}}" };
	static const struct {
		const char *text, *name;
	} some[] = {
		{ "{\"a\":1,\"a\":2}", "a" },
		{ "{\"x\":{\"b\":1},\"y\":[{\"c\":1,\"b\" :2,\"c\" : 3}]}", "c" },
		{ "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"a\":2}", "a" },
		{ "{\"to\":1,\"t\\u006f\":2}", "t\\u006f" },
		{ "{\"\\/\":1,\"/\":2}", "/" },
		{ "{\"\":1,\"\":2}", "" },
	};
	struct str name = STR("-");

	(void)state;
	for (size_t i = 0; i < countof(none); i++)
		assert_false(jscan_duplicate(str_of(none[i]), &name));
	assert_true(str_is(name, "-"));
	for (size_t i = 0; i < countof(some); i++) {
		assert_true(jscan_duplicate(str_of(some[i].text), &name));
		assert_true(str_is(name, some[i].name));
	}
}

static void duplicates_among_many(void **state)
{
	struct buf b = BUF_INIT;
	struct str name;

	(void)state;
	buf_char(&b, '{');
	for (int i = 0; i < 4000; i++)
		buf_fmt(&b, "\"k%d\":{\"k%d\":%d},", i, i, i);
	buf_str(&b, STR("\"last\":0}"));
	assert_false(jscan_duplicate(buf_view(&b), &name));
	b.n--;
	buf_str(&b, STR(",\"k1234\":0}"));
	assert_true(jscan_duplicate(buf_view(&b), &name));
	assert_true(str_is(name, "k1234"));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed), cmocka_unit_test(malformed),
		cmocka_unit_test(limits),      cmocka_unit_test(types),
		cmocka_unit_test(iteration),   cmocka_unit_test(iteration_is_bounded),
		cmocka_unit_test(members),     cmocka_unit_test(strings),
		cmocka_unit_test(duplicates),  cmocka_unit_test(duplicates_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
