/*
 * fuzz_http_primitive.c - libFuzzer target: an HTTP request, taken apart already, to a primitive
 * and its answer.  Input: "METHOD TARGET\nName: value\n...\n\nbody".  Whatever the bytes: what is
 * accepted has op, to and rqi in UTF-8 without control characters and JSON content; every answer
 * has its three header lines, each line ends once, and the body fits its type.
 */
#include "bind_http_text.h"
#include "bind_media.h"
#include "cbor.h"
#include "jscan.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct str http_header(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->nheaders; i++) {
		if (str_ieq(r->headers[i].name, str_of(name)))
			return r->headers[i].value;
	}
	return STR_NONE;
}

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x20)
			return false;
	}
	return str_utf8(s);
}

static void check_lines(struct str head)
{
	size_t lines = 0, ends = 0;

	for (size_t i = 0; i < head.n; i++) {
		lines += head.p[i] == '\r';
		ends += head.p[i] == '\n';
		if (head.p[i] == '\n')
			require(i > 1 && head.p[i - 1] == '\r', "a line ends in CRLF");
	}
	require(lines == ends && lines >= 3, "at least three lines, each ended once");
}

static void check_answer(const struct primitive *p, const struct http_form *form, int rsc)
{
	struct answer a = { .rsc = rsc,
			    .pc = STR("{\"m2m:dbg\":\"x\"}"),
			    .vsi = p->vsi,
			    .ot = p->query,
			    .location = p->to,
			    .service = p->host };
	struct buf head = BUF_INIT, body = BUF_INIT;
	int status = http_text_write(p, &a, form, STR("3"), &head, &body);

	require(status >= 200 && status <= 599, "a status");
	check_lines(buf_view(&head));
	require(str_starts(buf_view(&head), STR("X-M2M-RSC: ")), "X-M2M-RSC is first");
	require(form->cbor || str_eq(buf_view(&body), a.pc), "a JSON body is pc");
	require(form->cbor == media_is_cbor(form->type), "the type fits");
	buf_free(&head);
	buf_free(&body);
}

static void check(const struct http_req *r)
{
	struct primitive p = { .arena = arena_new() };
	struct http_form form;
	struct err e = { 0, "" };

	if (http_text_read(r, &p, &form, &e)) {
		require(p.op >= 1 && p.op <= 5 && p.to.n && p.rqi.n, "op, to and rqi are there");
		require((p.op == OP_CREATE) == (p.ty > 0), "ty makes a Create");
		require(is_plain(p.to) && is_plain(p.rqi) && is_plain(p.fr) && is_plain(p.query),
			"texts are plain");
		require(!p.pc.p || (jscan_check(p.pc, JSCAN_DEFAULT, NULL) &&
				    jscan_type(p.pc) == JSCAN_OBJECT),
			"pc is an object");
		check_answer(&p, &form, 2000);
	} else {
		require(e.code >= 4000 && e.msg[0], "a refusal has code and reason");
		check_answer(&p, &form, e.code);
	}
	arena_free(p.arena);
}

/* Cuts up to the separator off rest. */
static struct str cut(struct str *rest, char sep)
{
	const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
	struct str part = *rest;

	if (at)
		part.n = (size_t)(at - rest->p);
	rest->p += part.n + (at != NULL);
	rest->n -= part.n + (at != NULL);
	return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_header headers[32];
	struct str rest = { (const char *)data, size }, line = cut(&rest, '\n');
	struct http_req r = { .headers = headers, .peer = STR("::1") };

	r.method = cut(&line, ' ');
	r.target = line;
	while (rest.n && r.nheaders < countof(headers)) {
		line = cut(&rest, '\n');
		if (line.n == 0)
			break;
		headers[r.nheaders].name = cut(&line, ':');
		if (line.n && line.p[0] == ' ')
			cut(&line, ' ');
		headers[r.nheaders++].value = line;
	}
	r.body = rest;
	check(&r);
	return 0;
}
