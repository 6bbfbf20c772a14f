/*
 * fuzz_ws_primitive.c - libFuzzer target: a WebSocket message to a primitive and its answer.
 * Whatever the bytes (text or, by the first byte, CBOR): reading ends and stays inside them; what
 * is accepted has its mandatory parameters in UTF-8; every answer is well-formed JSON with the
 * request's rqi.
 */
#include "bind_ws_text.h"
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

static void check_answer(const struct primitive *p, int rsc, const char *dbg)
{
	struct answer a = { .rsc = rsc, .vsi = p->vsi, .ec = p->ec, .rset = p->rset };
	struct buf out = BUF_INIT, pc = BUF_INIT, rqi = BUF_INIT;
	struct ws_message m;

	buf_str(&pc, STR("{\"m2m:dbg\":"));
	buf_json(&pc, str_of(dbg));
	buf_char(&pc, '}');
	a.pc = buf_view(&pc);
	ws_text_write(p, &a, STR("3"), &out);
	buf_str(&out, a.pc);
	buf_char(&out, '}');
	require(ws_text_classify(buf_view(&out), &m, NULL) == WS_RESPONSE,
		"an answer is a response");
	require(m.rsc == rsc && jscan_type(m.pc) == JSCAN_OBJECT, "an answer has rsc and pc");
	if (p->rqi.p)
		require(m.rqi.p && jscan_string(m.rqi, &rqi) && str_eq(buf_view(&rqi), p->rqi),
			"an answer carries the rqi");
	buf_free(&out);
	buf_free(&pc);
	buf_free(&rqi);
}

static void check_request(const struct ws_message *m)
{
	struct primitive p = { .arena = arena_new() };
	struct err e = { 0, "ok" };

	if (ws_text_read(m, &p, &e)) {
		require(p.op >= 1 && p.op <= 5 && p.to.n && p.rqi.n, "op, to and rqi are there");
		require(str_utf8(p.to) && str_utf8(p.fr) && str_utf8(p.rqi), "texts are UTF-8");
		require(!p.pc.p || jscan_check(p.pc, JSCAN_DEFAULT, NULL), "pc is JSON");
		check_answer(&p, 2000, "ok");
	} else {
		require(e.code == 4000, "a refusal has its code");
		check_answer(&p, e.code, e.msg);
	}
	arena_free(p.arena);
}

/* Short responses are read in one pass unless a space stands in front: both ways agree. */
static void check_space(struct str text, const struct ws_message *m)
{
	struct buf b = BUF_INIT;
	struct ws_message other;

	buf_char(&b, ' ');
	buf_str(&b, text);
	require(ws_text_classify(buf_view(&b), &other, NULL) == m->kind && other.rsc == m->rsc &&
		    str_eq(other.rqi, m->rqi) && str_eq(other.pc, m->pc),
		"a space in front changes nothing");
	buf_free(&b);
}

static void check_text(struct str text)
{
	struct buf scratch = BUF_INIT;
	struct ws_message m;
	struct err e = { 0, "" };
	struct str plain;

	switch (ws_text_classify(text, &m, &e)) {
	case WS_REQUEST:
		check_request(&m);
		break;
	case WS_BAD:
		require(e.code == 4000 && e.msg[0], "a refusal has code and reason");
		break;
	case WS_RESPONSE:
		break;
	}
	check_space(text, &m);
	if (m.rqi.p) {
		plain = ws_text_plain(m.rqi, &scratch);
		require(plain.p && str_utf8(plain), "an rqi is text");
	}
	buf_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, chosen;
	struct buf json = BUF_INIT;
	enum ws_serial serial;

	if (size && (data[0] & 0xe0) == 0xa0) { /* a CBOR map */
		if (cbor_to_json(text, JSCAN_DEFAULT, &json, NULL))
			check_text(buf_view(&json));
		buf_free(&json);
		return 0;
	}
	if (ws_text_protocol(text, NULL, NULL, &chosen, &serial))
		require(chosen.n && chosen.p >= text.p && chosen.p + chosen.n <= text.p + text.n,
			"a subprotocol is one of those offered");
	check_text(text);
	return 0;
}
