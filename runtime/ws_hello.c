/*
 * ws_hello.c - see ws_hello.h.  What http1.c lets pass is taken as it is: one Host, one X-M2M-Origin.
 */
#include "ws_hello.h"

#include "http1.h"

static struct str header(const struct http1_msg *m, const char *name)
{
	return http1_header(m->headers, m->nheaders, name);
}

static unsigned count(const struct http1_msg *m, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->nheaders; i++)
		n += str_ieq(m->headers[i].name, str_of(name));
	return n;
}

/* 16 bytes in base64: 22 digits and "==" (RFC 6455 4.1). */
static bool good_key(struct str k)
{
	if (k.n != 24 || k.p[22] != '=' || k.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = k.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      c == '+' || c == '/'))
			return false;
	}
	return true;
}

/* No Origin is a device; a browser's must be on the list, when there is one. */
static bool good_origin(const char *const *origins, struct str origin)
{
	if (!origins || !origin.p)
		return true;
	for (const char *const *o = origins; *o; o++) {
		if (strcmp(*o, "*") == 0 || str_ieq(origin, str_of(*o)))
			return true;
	}
	return false;
}

int ws_hello_judge(const struct http1_msg *m, const char *const *origins, const char **reason)
{
	if (!str_is(m->method, "GET") || m->framed) {
		*reason = "a WebSocket handshake is a GET without a body";
		return 400;
	}
	if (count(m, "Sec-WebSocket-Version") != 1 ||
	    !str_is(header(m, "Sec-WebSocket-Version"), "13")) {
		*reason = "Sec-WebSocket-Version must be 13";
		return 426;
	}
	if (count(m, "Sec-WebSocket-Key") != 1 || !good_key(header(m, "Sec-WebSocket-Key"))) {
		*reason = "Sec-WebSocket-Key must be 24 characters of base64";
		return 400;
	}
	if (count(m, "Origin") > 1 || count(m, "Authorization") > 1) {
		*reason = "Origin and Authorization may stand once each";
		return 400;
	}
	if (!good_origin(origins, header(m, "Origin"))) {
		*reason = "this Origin is not allowed";
		return 403;
	}
	return 0;
}

/* Several Sec-WebSocket-Protocol lines count as one list. */
static struct str join_protocols(const struct http1_msg *m, struct buf *text)
{
	for (size_t i = 0; i < m->nheaders; i++) {
		if (!str_ieq(m->headers[i].name, STR("Sec-WebSocket-Protocol")))
			continue;
		if (text->n)
			buf_str(text, STR(", "));
		buf_str(text, m->headers[i].value);
	}
	return text->n ? buf_view(text) : STR("");
}

static struct str or_empty(struct str s)
{
	return s.p ? s : STR("");
}

void ws_hello_read(const struct http1_msg *m, struct buf *text, struct ws_hello *hello)
{
	*hello = (struct ws_hello){
		.target = m->target,
		.origin_id = or_empty(header(m, "X-M2M-Origin")),
		.protocols = join_protocols(m, text),
		.authorization = or_empty(header(m, "Authorization")),
		.browser_origin = or_empty(header(m, "Origin")),
		.host = or_empty(header(m, "Host")),
	};
}
