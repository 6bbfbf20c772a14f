/*
 * fuzz_cbor.c - libFuzzer target for CBOR.
 * Whatever the bytes: a refusal has a reason and leaves the output alone.  What is accepted is JSON
 * that jscan_check accepts under the same limits, and its CBOR gives that JSON again.
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

static void check_accepted(struct str json, struct jscan_limits lim)
{
	struct buf cbor = BUF_INIT, again = BUF_INIT;
	struct err e;

	require(jscan_check(json, lim, &e), "what is accepted is good JSON");
	require(cbor_from_json(json, &cbor, &e), "and converts back");
	require(cbor_to_json(buf_view(&cbor), lim, &again, &e), "to good CBOR");
	require(str_eq(json, buf_view(&again)), "of the same JSON");
	buf_free(&cbor);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct jscan_limits tight = { 3, 8 };
	struct str bytes = { (const char *)data, size };
	struct jscan_limits lim = size % 2 ? tight : JSCAN_DEFAULT;
	struct buf out = BUF_INIT;
	struct err e = { 0 };

	buf_char(&out, '>');
	if (cbor_to_json(bytes, lim, &out, &e)) {
		check_accepted((struct str){ out.p + 1, out.n - 1 }, lim);
	} else {
		require(e.msg[0], "a refusal has a reason");
		require(out.n == 1 && out.p[0] == '>', "and leaves the output alone");
	}
	buf_free(&out);
	return 0;
}
