/*
 * bind_http_text.c - HTTP request to primitive and answer to HTTP response, as texts.  Guarantees
 * that every string of the primitive is valid UTF-8 without control characters and that `pc` is a
 * well-formed JSON object within the limits; a header is taken once or the request is refused.
 * Never interprets content, never looks at a socket.
 */
#include "bind_http_text.h"

#include <stdlib.h>

#include "bind_media.h"
#include "cbor.h"
#include "jscan.h"
#include "log.h"

/* ---- status codes ---------------------------------------------------------------------------- */

/* Those that differ from their class: 1xxx 202, 2xxx 200, 4xxx 400, 5xxx 500, 6xxx 500. */
static const struct {
	short rsc, status;
} statuses[] = {
	{ 2001, 201 }, { 4001, 501 }, { 4004, 404 }, { 4005, 405 }, { 4008, 504 }, { 4015, 415 },
	{ 4101, 403 }, { 4103, 403 }, { 4104, 409 }, { 4105, 409 }, { 4106, 403 }, { 4107, 403 },
	{ 4108, 403 }, { 4109, 403 }, { 4111, 403 }, { 4112, 403 }, { 4113, 403 }, { 4114, 403 },
	{ 4115, 403 }, { 4116, 403 }, { 4117, 403 }, { 4118, 404 }, { 4119, 404 }, { 4121, 404 },
	{ 4124, 409 }, { 4125, 501 }, { 4126, 403 }, { 4127, 403 }, { 4128, 403 }, { 5001, 501 },
	{ 5103, 404 }, { 5105, 403 }, { 5106, 409 }, { 5107, 404 }, { 5203, 403 }, { 5205, 403 },
	{ 5206, 501 }, { 5207, 406 }, { 5208, 403 }, { 5214, 403 }, { 5215, 403 }, { 5218, 403 },
	{ 5219, 409 }, { 5220, 409 }, { 5222, 403 }, { 6003, 404 }, { 6005, 404 }, { 6010, 400 },
	{ 6022, 400 }, { 6023, 400 }, { 6024, 400 }, { 6028, 409 }, { 6029, 409 }, { 6030, 504 },
	{ 6031, 504 },
};

int http_text_status(int rsc)
{
	for (size_t i = 0; i < countof(statuses); i++) {
		if (statuses[i].rsc == rsc)
			return statuses[i].status;
	}
	switch (rsc / 1000) {
	case 1:
		return 202;
	case 2:
		return 200;
	case 4:
		return 400;
	default:
		return 500;
	}
}

/* ---- request --------------------------------------------------------------------------------- */

static bool is_text(struct str s)
{
	const char *p = s.p, *end = s.p ? s.p + s.n : NULL;

	while (p < end) {
		size_t step = utf8_step(p, end);

		if (step == 0 || (unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
		p += step;
	}
	return true;
}

static struct str keep(struct primitive *p, struct str s)
{
	return (struct str){ arena_dup(p->arena, s), s.n };
}

static const struct {
	const char *name;
	size_t at;
} fields[] = {
	{ "X-M2M-RI", offsetof(struct primitive, rqi) },
	{ "X-M2M-RVI", offsetof(struct primitive, rvi) },
	{ "X-M2M-Origin", offsetof(struct primitive, fr) },
	{ "X-M2M-GID", offsetof(struct primitive, gid) },
	{ "X-M2M-RTU", offsetof(struct primitive, rtu) },
	{ "X-M2M-OT", offsetof(struct primitive, ot) },
	{ "X-M2M-RST", offsetof(struct primitive, rset) },
	{ "X-M2M-RET", offsetof(struct primitive, rqet) },
	{ "X-M2M-OET", offsetof(struct primitive, oet) },
	{ "X-M2M-EC", offsetof(struct primitive, ec) },
	{ "X-M2M-VSI", offsetof(struct primitive, vsi) },
	{ "Host", offsetof(struct primitive, host) },
};

static bool read_header(struct primitive *p, const struct http_header *h, struct err *e)
{
	for (size_t i = 0; i < countof(fields); i++) {
		struct str *field = (struct str *)((char *)p + fields[i].at);

		if (!str_ieq(h->name, str_of(fields[i].name)))
			continue;
		if (field->p)
			return err_code(e, RSC_BAD_REQUEST, "%s: given twice", fields[i].name);
		if (!is_text(h->value))
			return err_code(e, RSC_BAD_REQUEST,
					"%s: invalid UTF-8 or control character", fields[i].name);
		*field = keep(p, h->value);
		return true;
	}
	return true;
}

/* Reads all of them, so that an answer to a bad one still carries the others. */
static bool read_headers(const struct http_req *r, struct primitive *p, struct err *e)
{
	bool ok = true;

	for (size_t i = 0; i < r->nheaders; i++) {
		if (ok)
			ok = read_header(p, &r->headers[i], e);
		else if (!read_header(p, &r->headers[i], NULL))
			ok = false;
	}
	if (ok && p->rqi.n == 0)
		return err_code(e, RSC_BAD_REQUEST, "X-M2M-RI: the header is missing or empty");
	return ok;
}

static bool read_method(struct str method, int *op, struct err *e)
{
	static const struct {
		const char *name;
		int op;
	} methods[] = { { "GET", OP_RETRIEVE },
			{ "POST", OP_NOTIFY },
			{ "PUT", OP_UPDATE },
			{ "DELETE", OP_DELETE },
			{ "HEAD", OP_RETRIEVE } };

	for (size_t i = 0; i < countof(methods); i++) {
		if (str_is(method, methods[i].name)) {
			*op = methods[i].op;
			return true;
		}
	}
	return err_code(e, RSC_OPERATION_NOT_ALLOWED, "op: there is no operation for method %s",
			log_quote(method));
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes path into out.  An encoded slash would move a segment's border: refused. */
static bool decode(struct str path, char *out, size_t *n, struct err *e)
{
	size_t len = 0;

	for (size_t i = 0; i < path.n; i++) {
		int high, low;

		if (path.p[i] == '#')
			return err_code(e, RSC_BAD_REQUEST, "to: '#' in the path");
		if (path.p[i] != '%') {
			out[len++] = path.p[i];
			continue;
		}
		high = i + 2 < path.n ? hex(path.p[i + 1]) : -1;
		low = i + 2 < path.n ? hex(path.p[i + 2]) : -1;
		if (high < 0 || low < 0)
			return err_code(e, RSC_BAD_REQUEST,
					"to: incomplete percent-encoding in the path");
		if (high * 16 + low == '/')
			return err_code(e, RSC_BAD_REQUEST,
					"to: encoded '/' in a segment of the path");
		out[len++] = (char)(high * 16 + low);
		i += 2;
	}
	*n = len;
	return true;
}

/* TS-0009 Table 6.2.2.1-1: /x is x, /~/x is /x, /_/x is //x; one trailing slash does not count. */
static bool read_target(struct str target, struct primitive *p, struct err *e)
{
	const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
	struct str path = target;
	char *out;
	size_t n = 0;

	if (mark) {
		path.n = (size_t)(mark - target.p);
		p->query = keep(p, (struct str){ mark + 1, target.n - path.n - 1 });
	}
	out = arena_alloc(p->arena, path.n + 1);
	if (!decode(path, out, &n, e))
		return false;
	if (n == 0 || out[0] != '/' || !is_text((struct str){ out, n }) || !is_text(p->query))
		return err_code(e, RSC_BAD_REQUEST,
				"to: expected a path of valid UTF-8 that starts with '/'");
	if (n > 1 && out[n - 1] == '/')
		n--;
	if (n > 3 && memcmp(out, "/~/", 3) == 0) {
		p->to = (struct str){ out + 2, n - 2 };
	} else if (n > 3 && memcmp(out, "/_/", 3) == 0) {
		out[1] = '/';
		p->to = (struct str){ out + 1, n - 1 };
		out[2] = '/';
	} else {
		p->to = (struct str){ out + 1, n - 1 };
	}
	if (p->to.n == 0)
		return err_code(e, RSC_BAD_REQUEST, "to: the path names no resource");
	return true;
}

static bool read_cbor(struct primitive *p, struct str body, struct err *e)
{
	struct buf json = BUF_INIT;
	bool ok = cbor_to_json(body, JSCAN_DEFAULT, &json, e);

	if (ok)
		p->pc = keep(p, buf_view(&json));
	buf_free(&json);
	return ok;
}

static bool read_body(const struct http_req *r, const struct media *m, struct primitive *p,
		      struct err *e)
{
	struct err why;

	if (p->op == OP_DELETE)
		return err_code(e, RSC_BAD_REQUEST, "pc: a Delete has no content");
	if (m->cbor) {
		if (!read_cbor(p, r->body, &why))
			return err_code(e, RSC_BAD_REQUEST, "pc: %s", why.msg);
	} else {
		if (!jscan_check(r->body, JSCAN_DEFAULT, &why))
			return err_code(e, RSC_BAD_REQUEST, "pc: %s", why.msg);
		p->pc = keep(p, r->body);
	}
	if (jscan_type(p->pc) != JSCAN_OBJECT)
		return err_code(e, RSC_BAD_REQUEST, "pc: expected an object");
	return true;
}

bool http_text_read(const struct http_req *r, struct primitive *p, struct http_form *form,
		    struct err *e)
{
	struct str type = http_header(r, "Content-Type");
	struct media m = { false, 0 };
	const char *accepted;
	struct err media_err;
	bool known = type.p && media_content_type(type, &m, &media_err);

	*form = (struct http_form){ .type = "application/json" };
	p->peer = keep(p, r->peer);
	if (!read_method(r->method, &p->op, e)) {
		form->bad_method = true;
		read_headers(r, p, NULL);
		return false;
	}
	accepted = media_accept(http_header(r, "Accept"), m.cbor && r->body.n > 0);
	if (accepted)
		*form = (struct http_form){ .type = accepted, .cbor = media_is_cbor(accepted) };
	if (!read_headers(r, p, e) || !read_target(r->target, p, e))
		return false;
	if (!accepted)
		return err_code(e, RSC_NOT_ACCEPTABLE,
				"Accept: none of the types is supported; JSON and CBOR are");
	if (!known && (r->body.n > 0 || (type.p && media_err.code == RSC_BAD_REQUEST)))
		return err_code(e, type.p ? media_err.code : RSC_UNSUPPORTED_MEDIA_TYPE, "%s",
				type.p ? media_err.msg : "Content-Type: the header is missing");
	if (p->op == OP_NOTIFY && m.ty) {
		p->op = OP_CREATE;
		p->ty = m.ty;
	}
	return r->body.n == 0 || read_body(r, &m, p, e);
}

/* ---- answer ---------------------------------------------------------------------------------- */

void http_text_header(struct buf *head, const char *name, struct str value)
{
	char *at;

	buf_str(head, str_of(name));
	buf_str(head, STR(": "));
	at = buf_reserve(head, value.n + 2);
	for (size_t i = 0; i < value.n; i++)
		at[i] = (unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f ? ' ' : value.p[i];
	head->n += value.n;
	buf_str(head, STR("\r\n"));
}

static void add_optional(struct buf *head, const char *name, struct str value)
{
	if (value.p)
		http_text_header(head, name, value);
}

static void add_service(struct buf *head, struct str url)
{
	struct buf link = BUF_INIT;

	if (!url.p)
		return;
	buf_char(&link, '<');
	buf_str(&link, url);
	buf_str(&link, STR(">; rel=\"urn:moon2m:notification-service\""));
	http_text_header(head, "Link", buf_view(&link));
	buf_free(&link);
}

static void write_body(const struct answer *a, const struct http_form *form, struct buf *head,
		       struct buf *body)
{
	struct err e;

	if (!a->pc.n)
		return;
	if (!form->cbor) {
		buf_str(body, a->pc);
	} else if (!cbor_from_json(a->pc, body, &e)) {
		log_error("bind_http", "answer is not representable in CBOR reason=%s",
			  log_quote(str_of(e.msg)));
		buf_clear(body);
		return;
	}
	http_text_header(head, "Content-Type", str_of(form->type));
}

int http_text_write(const struct primitive *p, const struct answer *a, const struct http_form *form,
		    struct str rvi, struct buf *head, struct buf *body)
{
	int status = form->bad_method ? 405 : http_text_status(a->rsc);

	buf_fmt(head, "X-M2M-RSC: %d\r\n", a->rsc);
	http_text_header(head, "X-M2M-RI", p->rqi);
	http_text_header(head, "X-M2M-RVI", p->rvi.n && a->rsc != 4001 ? p->rvi : rvi);
	write_body(a, form, head, body);
	add_optional(head, "X-M2M-OT", a->ot);
	add_optional(head, "X-M2M-RST", a->rset);
	add_optional(head, "X-M2M-EC", a->ec);
	add_optional(head, "X-M2M-VSI", a->vsi);
	add_optional(head, "X-M2M-CTS", a->cnst);
	add_optional(head, "X-M2M-CTO", a->cnot);
	add_optional(head, "Content-Location", a->location);
	add_service(head, a->service);
	if (status == 405)
		buf_str(head, STR("Allow: " HTTP_METHODS "\r\n"));
	return status;
}
