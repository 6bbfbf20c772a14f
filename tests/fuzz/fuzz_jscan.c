/*
 * fuzz_jscan.c - libFuzzer target for the JSON scan.
 * Whatever the bytes: iterating, finding members and unescaping stay inside them and end.  What the
 * check accepts: every value found is accepted by itself, strings unescape to UTF-8 and come back
 * when quoted, and the CBOR of the text is JSON of the same meaning.
 */
#include "cbor.h"
#include "jscan.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static bool inside(struct str part, struct str all)
{
	return part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static void check_string(struct str value)
{
	struct buf plain = BUF_INIT, quoted = BUF_INIT, again = BUF_INIT;

	require(jscan_string(value, &plain), "a string is one");
	require(str_utf8(buf_view(&plain)), "a string is UTF-8");
	buf_json(&quoted, buf_view(&plain));
	require(jscan_string(buf_view(&quoted), &again), "a quoted string is one");
	require(str_eq(buf_view(&plain), buf_view(&again)), "a string survives quoting");
	buf_free(&plain);
	buf_free(&quoted);
	buf_free(&again);
}

/* Visits all values below text; recursion is bounded by depth. */
static void walk(struct str text, bool checked, unsigned depth)
{
	struct jscan it = jscan_enter(text);
	size_t turns = 0;

	if (checked && jscan_type(text) == JSCAN_STRING)
		check_string(text);
	while (jscan_next(&it)) {
		require(inside(it.key, text) && inside(it.value, text), "found inside the text");
		require(++turns <= text.n, "iteration ends");
		if (checked)
			require(jscan_check(it.value, JSCAN_DEFAULT, NULL), "a part is good too");
		if (depth > 0)
			walk(it.value, checked, depth - 1);
	}
}

/* JSON -> CBOR -> JSON -> CBOR: both CBOR forms are equal, so the texts mean the same. */
static void convert(struct str text)
{
	struct buf cbor = BUF_INIT, json = BUF_INIT, again = BUF_INIT;
	struct err e;

	if (cbor_from_json(text, &cbor, &e)) {
		require(cbor_to_json(buf_view(&cbor), JSCAN_DEFAULT, &json, &e),
			"our CBOR is good");
		require(jscan_check(buf_view(&json), JSCAN_DEFAULT, &e), "JSON from CBOR is good");
		require(cbor_from_json(buf_view(&json), &again, &e), "and converts again");
		require(str_eq(buf_view(&cbor), buf_view(&again)), "to the same CBOR");
	} else {
		require(strstr(e.msg, "number beyond") != NULL, "only a number is refused");
	}
	buf_free(&cbor);
	buf_free(&json);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, found = STR_NONE;
	struct buf scratch = BUF_INIT;
	struct err e = { 0 };
	bool ok = jscan_check(text, JSCAN_DEFAULT, &e);

	require(ok || e.msg[0], "a refusal has a reason");
	if (ok)
		require(str_utf8(text), "accepted text is UTF-8");
	walk(text, ok, ok ? 64 : 4);
	if (jscan_member(text, "pc", &found) || jscan_duplicate(text, &found))
		require(inside(found, text), "found inside the text");
	if (jscan_string(text, &scratch)) /* a bad "\\u", two bytes, becomes U+FFFD, three */
		require(scratch.n <= (ok ? size : size * 2), "unescaping does not lengthen");
	if (ok)
		convert(text);
	else if (!cbor_from_json(text, &scratch, &e)) /* nonsense perhaps, but no crash */
		require(e.msg[0], "a refusal has a reason");
	buf_free(&scratch);
	return 0;
}
