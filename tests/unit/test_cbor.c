/*
 * test_cbor.c - CBOR to JSON and back: the standard's rules (TS-0004 8.5), RFC 7049's examples,
 * refusals with their words.
 */
#include "cbor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Bytes of a hexadecimal text, in memory of exactly that size. */
static struct str bytes_of(const char *hex)
{
	size_t n = strlen(hex) / 2;
	char *p = xmalloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	return (struct str){ p, n };
}

static void assert_json(const char *hex, const char *want)
{
	struct str cbor = bytes_of(hex);
	struct buf out = BUF_INIT;
	struct err e;

	buf_char(&out, '>'); /* what stood there before stays */
	if (!cbor_to_json(cbor, JSCAN_DEFAULT, &out, &e))
		fail_msg("%s: %s", hex, e.msg);
	buf_char(&out, '\0');
	assert_string_equal(out.p + 1, want);
	assert_true(jscan_check(str_of(out.p + 1), JSCAN_DEFAULT, NULL));
	buf_free(&out);
	free((char *)cbor.p);
}

static void assert_refused(const char *hex, const char *why)
{
	struct str cbor = bytes_of(hex);
	struct buf out = BUF_INIT;
	struct err e = { 0 };

	buf_char(&out, '>');
	if (cbor_to_json(cbor, JSCAN_DEFAULT, &out, &e))
		fail_msg("%s: accepted as %.*s", hex, STRFMT(buf_view(&out)));
	if (strcmp(e.msg, why) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", hex, e.msg, why);
	assert_int_equal(out.n, 1);
	buf_free(&out);
	free((char *)cbor.p);
}

static void assert_cbor(const char *json, const char *want)
{
	struct buf out = BUF_INIT, hex = BUF_INIT;
	struct err e;

	assert_true(jscan_check(str_of(json), JSCAN_DEFAULT, &e));
	if (!cbor_from_json(str_of(json), &out, &e))
		fail_msg("%s: %s", json, e.msg);
	for (size_t i = 0; i < out.n; i++)
		buf_fmt(&hex, "%02x", (unsigned char)out.p[i]);
	buf_char(&hex, '\0');
	assert_string_equal(hex.p, want);
	buf_free(&out);
	buf_free(&hex);
}

static void assert_both(const char *json, const char *hex)
{
	assert_cbor(json, hex);
	assert_json(hex, json);
}

static void primitives(void **state)
{
	(void)state;
	assert_both("{\"rsc\":2000,\"rqi\":\"n7\",\"rvi\":\"3\"}",
		    "a3637273631907d063727169626e37637276696133");
	assert_both(
	    "{\"op\":5,\"to\":\"Cpump1\",\"fr\":\"/cse-a\",\"rqi\":\"n7\",\"rvi\":\"3\",\"pc\":"
	    "{\"m2m:sgn\":{\"vrq\":true,\"sur\":\"/cse-a/sub9\"}}}",
	    "a6626f700562746f664370756d7031626672662f6373652d6163727169626e3763727669613362706"
	    "3a1676d326d3a73676ea263767271f5637375726b2f6373652d612f73756239");
	/* As the standard's own examples have it: all strings are byte strings. */
	assert_json("a1427273"
		    "1907d0",
		    "{\"rs\":2000}");
	assert_json("a1437271694161", "{\"rqi\":\"a\"}");
}

static void integers(void **state)
{
	(void)state;
	assert_both("0", "00");
	assert_both("23", "17");
	assert_both("24", "1818");
	assert_both("255", "18ff");
	assert_both("256", "190100");
	assert_both("65535", "19ffff");
	assert_both("65536", "1a00010000");
	assert_both("4294967295", "1affffffff");
	assert_both("4294967296", "1b0000000100000000");
	assert_both("9007199254740993", "1b0020000000000001");
	assert_both("18446744073709551615", "1bffffffffffffffff");
	assert_both("-1", "20");
	assert_both("-24", "37");
	assert_both("-25", "3818");
	assert_both("-257", "390100");
	assert_both("-65537", "3a00010000");
	assert_both("-4294967297", "3b0000000100000000");
	assert_both("-9223372036854775809", "3b8000000000000000");
	assert_both("-18446744073709551615", "3bfffffffffffffffe");
	assert_both("-18446744073709551616", "3bffffffffffffffff");
	assert_cbor("-0", "00");
	assert_json("1800", "0"); /* longer than need be, yet good */
	assert_json("1b0000000000000001", "1");
}

static void floats(void **state)
{
	(void)state;
	assert_both("1.0", "fa3f800000");
	assert_both("-0.0", "fa80000000");
	assert_both("1.5", "fa3fc00000");
	assert_both("100000.0", "fa47c35000");
	assert_both("0.1", "fb3fb999999999999a");
	assert_both("21.7", "fb4035b33333333333");
	assert_both("1e+300", "fb7e37e43c8800759c");
	assert_both("3.4028234663852886e+38", "fa7f7fffff");
	assert_both("4.94065645841247e-324", "fb0000000000000001");
	assert_cbor("1e2", "fa42c80000");
	assert_cbor("18446744073709551616", "fa5f800000");
	assert_cbor("-18446744073709551617", "fadf800000");
	assert_cbor("1e-999", "fa00000000");
	assert_json("f93e00", "1.5"); /* half */
	assert_json("f90001", "5.9604644775390625e-08");
	assert_json("f97bff", "65504.0");
	assert_json("fb3ff8000000000000", "1.5");
}

static void strings_and_words(void **state)
{
	(void)state;
	assert_both("null", "f6");
	assert_both("true", "f5");
	assert_both("false", "f4");
	assert_json("f7", "null");
	assert_both("\"\"", "60");
	assert_both("\"\xc3\xa4\"", "62c3a4");
	assert_both("\"\\\"\\\\\\n\"", "63225c0a");
	assert_both("\"\\u0000\"", "6100");
	assert_cbor("\"\\ud83d\\ude00\\/\"", "65f09f98802f");
	assert_cbor("{\"\\u0061\":\"\\t\"}", "a161616109");
	assert_cbor("\"0123456789012345678901234\"",
		    "781930313233343536373839303132333435363738393031323334");
	assert_json("42c3a4", "\"\xc3\xa4\"");
	assert_json("780161", "\"a\"");
	assert_json("7f616161626163ff", "\"abc\"");
	assert_json("7fff", "\"\"");
	assert_json("5f41c341a4ff", "\"\xc3\xa4\"");
}

static void containers(void **state)
{
	(void)state;
	assert_both("[]", "80");
	assert_both("{}", "a0");
	assert_both("[1,[2,3],[],{}]", "8401820203"
				       "80a0");
	assert_both("[[[]],[{\"a\":[]}],{\"b\":{}}]", "83818081a1616180a16162a0");
	assert_cbor(" { \"a\" : [ 1 , true , null ] , \"b\" : \"x,y\" } ",
		    "a261618301f5f6616263782c79");
	assert_json("9f0102ff", "[1,2]");
	assert_json("9fff", "[]");
	assert_json("bfff", "{}");
	assert_json("bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}");
	assert_json("bf7f6161ff01ff", "{\"a\":1}");
	assert_json("826161bf61626163ff", "[\"a\",{\"b\":\"c\"}]");
	assert_json("98020102", "[1,2]");
	assert_json("9f80a09fffff", "[[],{},[]]");
}

static void refusals(void **state)
{
	static const struct {
		const char *hex, *why;
	} rows[] = {
		{ "", "byte 0: the bytes end inside an item" },
		{ "18", "byte 0: the bytes end inside an item" },
		{ "6261", "byte 0: the bytes end inside an item" },
		{ "8201", "byte 2: the bytes end inside an item" },
		{ "a16161", "byte 3: the bytes end inside an item" },
		{ "9f01", "byte 2: the bytes end inside an item" },
		{ "7f6161", "byte 3: the bytes end inside an item" },
		{ "7bffffffffffffffff61", "byte 0: the bytes end inside an item" },
		{ "5bfffffffffffffff761", "byte 0: the bytes end inside an item" },
		{ "0000", "byte 1: bytes after the item" },
		{ "80ff", "byte 1: bytes after the item" },
		{ "ff", "byte 0: break outside an item of indefinite length" },
		{ "8101ff", "byte 2: bytes after the item" },
		{ "82ff", "byte 1: break outside an item of indefinite length" },
		{ "bf6161ff", "byte 3: map key without a value" },
		{ "a10102", "byte 1: map key that is no text string" },
		{ "a1f601", "byte 1: map key that is no text string" },
		{ "a18001", "byte 1: map key that is no text string" },
		{ "a1f93c0001", "byte 1: map key that is no text string" },
		{ "c11a514b67b0", "byte 0: tags are not supported" },
		{ "81d82060", "byte 1: tags are not supported" },
		{ "f97c00", "byte 0: number that is not finite" },
		{ "f97e00", "byte 0: number that is not finite" },
		{ "faff800000", "byte 0: number that is not finite" },
		{ "fb7ff8000000000000", "byte 0: number that is not finite" },
		{ "f0", "byte 0: simple value that is not supported" },
		{ "f8ff", "byte 0: simple value that is not supported" },
		{ "fc", "byte 0: simple value that is not supported" },
		{ "1c", "byte 0: malformed item" },
		{ "81ff", "byte 1: break outside an item of indefinite length" },
		{ "61ff", "byte 0: invalid UTF-8 in a string" },
		{ "63eda080", "byte 0: invalid UTF-8 in a string" },
		{ "41ff", "byte 0: invalid UTF-8 in a string" },
		{ "7f61c361a4ff", "byte 1: invalid UTF-8 in a string" },
		{ "5f41c3ff", "byte 3: invalid UTF-8 in a string" },
		{ "7f01ff", "byte 1: item that is no piece of the indefinite string around it" },
		{ "7f80ff", "byte 1: item that is no piece of the indefinite string around it" },
		{ "7f7fffff", "byte 1: indefinite string inside an indefinite string" },
		{ "7f4161ff", "byte 1: piece of an indefinite string that is of another type" },
		{ "5f6161ff", "byte 1: piece of an indefinite string that is of another type" },
		{ "9bffffffffffffffff",
		  "byte 0: more members and elements than 4096 (limits.json_members)" },
		{ "bbffffffffffffffff",
		  "byte 0: more members and elements than 4096 (limits.json_members)" },
		{ "bb8000000000000000",
		  "byte 0: more members and elements than 4096 (limits.json_members)" },
		{ "99100100", "byte 0: more members and elements than 4096 (limits.json_members)" },
	};
	struct buf out = BUF_INIT;
	struct err e;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_refused(rows[i].hex, rows[i].why);
	assert_false(cbor_to_json(STR_NONE, JSCAN_DEFAULT, &out, NULL));
	buf_char(&out, '>');
	assert_false(cbor_from_json(STR("[1, -1e999]"), &out, &e));
	assert_string_equal(e.msg, "byte 4: number beyond a 64-bit float");
	assert_int_equal(out.n, 1);
	assert_false(cbor_from_json(STR("[\""), &out, &e)); /* what no check has passed */
	assert_string_equal(e.msg, "byte 1: not a JSON string");
	assert_false(cbor_from_json(STR("\"a\\"), &out, &e));
	assert_int_equal(out.n, 1);
	buf_free(&out);
}

static bool converts(struct str cbor, unsigned depth, unsigned members)
{
	struct buf out = BUF_INIT;
	bool ok = cbor_to_json(cbor, (struct jscan_limits){ depth, members }, &out, NULL);

	buf_free(&out);
	return ok;
}

static void limits(void **state)
{
	static char deep[100000];
	struct str nested = STR("\x82\x80\x81\xa1\x61\x61\x01"); /* [[],[{"a":1}]] */
	struct str indefinite = STR("\x9f\x80\xbf\x61\x61\x01\xff\xff");

	(void)state;
	assert_true(converts(nested, 3, 4));
	assert_false(converts(nested, 2, 4));
	assert_false(converts(nested, 3, 3));
	assert_true(converts(indefinite, 2, 3));
	assert_false(converts(indefinite, 1, 3));
	assert_false(converts(indefinite, 2, 2));
	assert_true(converts(STR("\x01"), 0, 0));
	memset(deep, 0x81, sizeof(deep));
	assert_false(converts((struct str){ deep, sizeof(deep) }, 1000000, 1000000));
	memset(deep, 0x9f, sizeof(deep));
	assert_false(converts((struct str){ deep, sizeof(deep) }, 1000000, 1000000));
	memset(deep, 0x81, 1023);
	deep[1023] = (char)0x80;
	assert_true(converts((struct str){ deep, 1024 }, 1024, 1024));
}

static void text_heads(void **state)
{
	static const struct {
		size_t n;
		const char *head;
	} rows[] = {
		{ 0, "60" },
		{ 23, "77" },
		{ 24, "7818" },
		{ 255, "78ff" },
		{ 256, "790100" },
		{ 65536, "7a00010000" },
		{ 4294967295u, "7affffffff" },
	};
	struct buf out = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct str want = bytes_of(rows[i].head);

		buf_clear(&out);
		cbor_text_head(&out, rows[i].n);
		assert_true(str_eq(buf_view(&out), want));
		free((char *)want.p);
	}
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(primitives), cmocka_unit_test(integers),
		cmocka_unit_test(floats),     cmocka_unit_test(strings_and_words),
		cmocka_unit_test(containers), cmocka_unit_test(refusals),
		cmocka_unit_test(limits),     cmocka_unit_test(text_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
