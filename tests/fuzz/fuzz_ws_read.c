/*
 * fuzz_ws_read.c - libFuzzer over the frames of a WebSocket client.  The first byte says how the rest
 * is cut: cut and uncut must give the same events; text and reasons are UTF-8, messages within their
 * limit, nothing comes behind the end.
 */
#include "ws_read.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void tell(struct buf *out, const struct ws_read *r, enum ws_event ev)
{
	must(r->data.n <= (ev == WS_MESSAGE ? LIMIT : 125), "longer than allowed");
	must(ev != WS_MESSAGE || r->binary || str_utf8(r->data), "text that is not UTF-8");
	must(ev != WS_CLOSE || (str_utf8(r->data) && r->code >= 1000), "a close that cannot be");
	must(ev != WS_BAD || r->code == 1002 || r->code == 1007 || r->code == 1009, "a code");
	must(ev != WS_BAD || r->why || r->code == 1009, "refused without a reason");
	buf_fmt(out, "%d %d %u ", ev, ev == WS_MESSAGE && r->binary, ev >= WS_CLOSE ? r->code : 0);
	buf_str(out, r->data);
	buf_char(out, '\n');
}

static struct buf run(const uint8_t *data, size_t n, size_t step)
{
	struct ws_read r;
	struct buf out = BUF_INIT;
	enum ws_event ev = WS_MORE;
	size_t at = 0;

	ws_read_init(&r, LIMIT);
	while (at < n && ev < WS_CLOSE) {
		size_t take = step < n - at ? step : n - at, i = 0, used;
		char *piece = malloc(take);

		memcpy(piece, data + at, take);
		while (i < take && ev < WS_CLOSE) {
			ev = ws_read_feed(&r, piece + i, take - i, &used);
			i += used;
			must(used > 0 && i <= take, "took nothing, or more than there was");
			must(ev != WS_MORE || i == take, "left bytes without a reason");
			must(r.message.n <= LIMIT && r.control.n <= 125, "kept more than allowed");
			if (ev != WS_MORE)
				tell(&out, &r, ev);
		}
		free(piece);
		at += take;
	}
	ws_read_free(&r);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole, cut;

	if (n < 2)
		return 0;
	whole = run(data + 1, n - 1, n);
	cut = run(data + 1, n - 1, data[0] + 1u);
	must(whole.n == cut.n && (!whole.n || memcmp(whole.p, cut.p, whole.n) == 0),
	     "a cut made a difference");
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
