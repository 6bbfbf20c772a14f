/*
 * bind_ws_text.c - WebSocket messages as primitives.  Guarantees: one pass to check a text and one
 * over its top level decide what it is; whatever the bytes, nothing outside of them is read; a
 * parameter of the wrong type or given twice is refused by name.  Never interprets content.
 */
#define _GNU_SOURCE /* memmem */
#include "bind_ws_text.h"

#include "jscan.h"
#include "log.h"
#include "plain.h"

#define RQI_GUESS_MAX 256 /* bytes of an rqi taken from malformed text */

/* ---- what is it ------------------------------------------------------------------------------ */

struct str ws_text_plain(struct str raw, struct buf *scratch)
{
	if (!memchr(raw.p, '\\', raw.n))
		return (struct str){ raw.p + 1, raw.n - 2 };
	buf_clear(scratch);
	if (!jscan_string(raw, scratch))
		return STR_NONE;
	return (struct str){ scratch->p ? scratch->p : "", scratch->n };
}

/* Names of parameters hold no escapes; one that is written with them is compared unescaped. */
static bool key_is(struct str key, const char *name)
{
	struct buf plain = BUF_INIT;
	bool same;

	if (key.n == 0 || !memchr(key.p, '\\', key.n))
		return str_is(key, name);
	same = jscan_string((struct str){ key.p - 1, key.n + 2 }, &plain) &&
	       str_is(buf_view(&plain), name);
	buf_free(&plain);
	return same;
}

static bool read_uint(struct str raw, uint64_t min, uint64_t max, int *out)
{
	uint64_t v;

	if (!str_u64(raw, &v) || v < min || v > max)
		return false;
	*out = (int)v;
	return true;
}

/* Takes a sole m2m:rqp or m2m:rsp off.  TS-0020 wants none; some senders write one. */
static struct str unwrap(struct str object)
{
	struct jscan it = jscan_enter(object);
	struct str inner;

	if (!jscan_next(&it) || (!key_is(it.key, "m2m:rqp") && !key_is(it.key, "m2m:rsp")))
		return object;
	inner = it.value;
	return jscan_type(inner) == JSCAN_OBJECT && !jscan_next(&it) ? inner : object;
}

/* The first `"rqi": "..."` of any text, well-formed or not. */
static struct str guess_rqi(struct str text)
{
	const char *end = text.p + text.n, *p = text.p, *stop;

	while (p && p < end && (p = memmem(p, (size_t)(end - p), "\"rqi\"", 5))) {
		p += 5;
		while (p < end &&
		       (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == ':'))
			p++;
		if (p == end || *p != '"')
			continue;
		for (stop = p + 1; stop < end && stop - p < RQI_GUESS_MAX && *stop != '"'; stop++)
			stop += *stop == '\\';
		if (stop < end && *stop == '"') {
			struct str raw = { p, (size_t)(stop - p) + 1 };

			if (jscan_check(raw, JSCAN_DEFAULT, NULL))
				return raw;
		}
	}
	return STR_NONE;
}

static enum ws_kind bad(struct ws_message *m, struct err *e, const char *reason)
{
	err_code(e, RSC_BAD_REQUEST, "%s", reason);
	m->kind = WS_BAD;
	return WS_BAD;
}

/* The members that decide, in one pass over the top level. */
static void find_members(struct ws_message *m, struct str *op, struct str *rsc)
{
	struct jscan it = jscan_enter(m->object);

	while (jscan_next(&it)) {
		if (it.key.n > 3 && !memchr(it.key.p, '\\', it.key.n))
			continue;
		if (key_is(it.key, "rqi") && jscan_type(it.value) == JSCAN_STRING)
			m->rqi = it.value;
		else if (key_is(it.key, "op"))
			*op = it.value;
		else if (key_is(it.key, "rsc"))
			*rsc = it.value;
		else if (key_is(it.key, "pc"))
			m->pc = it.value;
	}
}

/* ---- the answer that a notification gets ------------------------------------------------------ */

#define FLAT_MAX 8 /* members */

static const char *flat_space(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* A string without escapes at p, with its quotes; returns its end, NULL when it is none. */
static const char *flat_string(const char *p, const char *end, struct str *raw)
{
	const char *stop = p < end && *p == '"' ? skip_plain(p + 1, end) : end;

	if (stop == end || *stop != '"')
		return NULL;
	*raw = (struct str){ p, (size_t)(stop + 1 - p) };
	return stop + 1;
}

/* A whole number of at most nine digits. */
static const char *flat_number(const char *p, const char *end, struct str *raw)
{
	const char *from = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	*raw = (struct str){ from, (size_t)(p - from) };
	return raw->n == 0 || raw->n > 9 || (*from == '0' && raw->n > 1) ? NULL : p;
}

/* One `"name":value` at p; NULL: it takes more than this to read it. */
static const char *flat_member(const char *p, const char *end, struct ws_message *m)
{
	struct str key, value;

	p = flat_string(flat_space(p, end), end, &key);
	p = p ? flat_space(p, end) : end;
	if (p == end || *p != ':')
		return NULL;
	p = flat_space(p + 1, end);
	p = p < end && *p == '"' ? flat_string(p, end, &value) : flat_number(p, end, &value);
	if (!p || str_is(key, "\"op\"") || str_is(key, "\"pc\""))
		return NULL;
	if (str_eq(key, STR("\"rqi\"")) && *value.p == '"')
		m->rqi = value;
	else if (str_eq(key, STR("\"rsc\"")) &&
		 (*value.p == '"' || !read_uint(value, 1000, 9999, &m->rsc)))
		return NULL;
	return flat_space(p, end);
}

/* An object of a few strings and whole numbers, among them rsc and neither op nor pc, checked and
 * read in one pass.  False: it is something else, well-formed or not; m is as it was. */
static bool flat_response(struct str text, struct ws_message *m)
{
	const char *p = text.p, *end = str_end(text);
	struct ws_message r = { .kind = WS_RESPONSE, .object = text };

	for (unsigned i = 0; i < FLAT_MAX && p && p < end && *p == (i ? ',' : '{'); i++)
		p = flat_member(p + 1, end, &r);
	if (!p || p + 1 != end || *p != '}' || !r.rsc)
		return false;
	*m = r;
	return true;
}

enum ws_kind ws_text_classify(struct str text, struct ws_message *m, struct err *e)
{
	struct str op = STR_NONE, rsc = STR_NONE;

	*m = (struct ws_message){ .kind = WS_BAD };
	if (flat_response(text, m))
		return WS_RESPONSE;
	if (!jscan_check(text, JSCAN_DEFAULT, e)) {
		if (e)
			e->code = RSC_BAD_REQUEST;
		m->rqi = guess_rqi(text);
		return WS_BAD;
	}
	if (jscan_type(text) != JSCAN_OBJECT)
		return bad(m, e, "expected an object: one primitive in a message");
	m->object = unwrap(text);
	find_members(m, &op, &rsc);
	if (op.p && rsc.p)
		return bad(m, e, "both op and rsc are there: neither a request nor a response");
	if (op.p) {
		m->kind = WS_REQUEST;
		return WS_REQUEST;
	}
	if (!rsc.p)
		return bad(m, e, "op: missing (a response would have rsc)");
	m->kind = WS_RESPONSE;
	if (!read_uint(rsc, 1000, 9999, &m->rsc))
		m->rsc = 0;
	return WS_RESPONSE;
}

/* ---- request --------------------------------------------------------------------------------- */

enum kind { OP, TY, TEXT, ID, TIME, NUMBER, CONTENT };

static const struct {
	const char *name;
	enum kind kind;
	size_t at; /* of a struct str in the primitive */
} params[] = {
	{ "op", OP, 0 },
	{ "to", ID, offsetof(struct primitive, to) },
	{ "fr", TEXT, offsetof(struct primitive, fr) },
	{ "rqi", ID, offsetof(struct primitive, rqi) },
	{ "rvi", TEXT, offsetof(struct primitive, rvi) },
	{ "ty", TY, 0 },
	{ "pc", CONTENT, offsetof(struct primitive, pc) },
	{ "rqet", TIME, offsetof(struct primitive, rqet) },
	{ "rset", TIME, offsetof(struct primitive, rset) },
	{ "oet", TIME, offsetof(struct primitive, oet) },
	{ "ot", TEXT, offsetof(struct primitive, ot) },
	{ "ec", NUMBER, offsetof(struct primitive, ec) },
	{ "gid", TEXT, offsetof(struct primitive, gid) },
	{ "vsi", TEXT, offsetof(struct primitive, vsi) },
};

static bool wrong(struct err *e, const char *name, const char *expected)
{
	return err_code(e, RSC_BAD_REQUEST, "%s: expected %s", name, expected);
}

/* The unescaped text of a raw string that lies in p's arena. */
static struct str text_of(struct primitive *p, struct str raw)
{
	struct buf scratch = BUF_INIT;
	struct str plain = ws_text_plain(raw, &scratch);

	if (scratch.n)
		plain = (struct str){ arena_dup(p->arena, plain), plain.n };
	buf_free(&scratch);
	return plain;
}

static bool read_value(struct primitive *p, size_t i, struct str raw, struct err *e)
{
	struct str *field = (struct str *)((char *)p + params[i].at);
	enum jscan_type type = jscan_type(raw);

	switch (params[i].kind) {
	case OP:
		return read_uint(raw, OP_CREATE, OP_NOTIFY, &p->op) ||
		       wrong(e, "op", "a number from 1 to 5");
	case TY:
		return read_uint(raw, 1, 65535, &p->ty) || wrong(e, "ty", "a resource type number");
	case NUMBER:
		*field = raw;
		return type == JSCAN_NUMBER || wrong(e, params[i].name, "a number");
	case CONTENT:
		*field = raw;
		return type == JSCAN_OBJECT || wrong(e, params[i].name, "an object");
	case TIME:
		*field = type == JSCAN_STRING ? text_of(p, raw) : raw;
		return type == JSCAN_STRING || type == JSCAN_NUMBER ||
		       wrong(e, params[i].name, "a timestamp or milliseconds");
	default:
		if (type != JSCAN_STRING)
			return wrong(e, params[i].name, "a string");
		*field = text_of(p, raw);
		return field->n > 0 || params[i].kind == TEXT ||
		       wrong(e, params[i].name, "some text");
	}
}

static bool read_params(struct primitive *p, struct err *e)
{
	struct jscan it = jscan_enter(p->fields);
	unsigned seen = 0;
	bool ok = true;

	while (jscan_next(&it)) {
		for (size_t i = 0; i < countof(params); i++) {
			if (!key_is(it.key, params[i].name))
				continue;
			if (ok && seen & 1u << i)
				ok =
				    err_code(e, RSC_BAD_REQUEST, "%s: given twice", params[i].name);
			else if (!(seen & 1u << i) && !read_value(p, i, it.value, ok ? e : NULL))
				ok = false;
			seen |= 1u << i;
			break;
		}
	}
	return ok;
}

bool ws_text_read(const struct ws_message *m, struct primitive *p, struct err *e)
{
	p->fields = (struct str){ arena_dup(p->arena, m->object), m->object.n };
	if (!read_params(p, e)) {
		if (p->rqi.n == 0 && m->rqi.p)
			p->rqi = text_of(p, (struct str){ arena_dup(p->arena, m->rqi), m->rqi.n });
		return false;
	}
	if (!p->rqi.p)
		return err_code(e, RSC_BAD_REQUEST, "rqi: missing");
	if (!p->to.p)
		return err_code(e, RSC_BAD_REQUEST, "to: missing");
	return true;
}

/* ---- answer ---------------------------------------------------------------------------------- */

static void add_text(struct buf *out, const char *name, struct str value)
{
	if (!value.p)
		return;
	buf_fmt(out, ",\"%s\":", name);
	buf_json(out, value);
}

/* A number when it is one, as ec, cnst and cnot are in JSON; else its text. */
static void add_number(struct buf *out, const char *name, struct str value)
{
	uint64_t v;

	if (!value.p || !str_u64(value, &v)) {
		add_text(out, name, value);
		return;
	}
	buf_fmt(out, ",\"%s\":", name);
	buf_u64(out, v);
}

void ws_text_write(const struct primitive *p, const struct answer *a, struct str rvi,
		   struct buf *out)
{
	buf_fmt(out, "{\"rsc\":%d", a->rsc);
	add_text(out, "rqi", p->rqi);
	add_text(out, "rvi", p->rvi.n && a->rsc != 4001 ? p->rvi : rvi);
	add_text(out, "ot", a->ot);
	add_text(out, "rset", a->rset);
	add_number(out, "ec", a->ec);
	add_number(out, "cnst", a->cnst);
	add_number(out, "cnot", a->cnot);
	add_text(out, "vsi", a->vsi);
	buf_str(out, a->pc.n ? STR(",\"pc\":") : STR("}"));
}

/* ---- subprotocol ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum ws_serial serial;
} protocols[] = {
	{ "oneM2M.json", WS_JSON },
	{ "oneM2M.R2.0.json", WS_JSON },
	{ "oneM2M.cbor", WS_CBOR },
	{ "oneM2M.R2.0.cbor", WS_CBOR },
};

static bool supported(struct str name, enum ws_serial *serial)
{
	for (size_t i = 0; i < countof(protocols); i++) {
		if (str_ieq(name, str_of(protocols[i].name))) {
			*serial = protocols[i].serial;
			return true;
		}
	}
	return false;
}

static bool separates(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

bool ws_text_protocol(struct str offered, bool (*other)(void *arg, struct str name), void *arg,
		      struct str *chosen, enum ws_serial *serial)
{
	size_t i = 0, from;

	while (i < offered.n) {
		while (i < offered.n && separates(offered.p[i]))
			i++;
		for (from = i; i < offered.n && !separates(offered.p[i]);)
			i++;
		*chosen = (struct str){ offered.p + from, i - from };
		if (chosen->n && supported(*chosen, serial))
			return true;
		if (chosen->n && other && other(arg, *chosen)) {
			*serial = WS_OTHER;
			return true;
		}
	}
	return false;
}
