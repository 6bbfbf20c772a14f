/*
 * http1_msg.c - what a parsed message and its header fields are asked: look-ups, tokens, values; and
 * how a message that is beyond a limit is refused.
 */
#include "http1_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_tchar(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool http1_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_tchar((unsigned char)s.p[i]))
			return false;
	}
	return s.n > 0;
}

struct str http1_trim(struct str s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct str http1_header(const struct http_header *h, size_t n, const char *name)
{
	struct str want = str_of(name);

	for (size_t i = 0; i < n; i++) {
		if (str_ieq(h[i].name, want))
			return h[i].value;
	}
	return STR_NONE;
}

bool http1_has_token(struct str list, const char *token)
{
	struct str want = str_of(token);
	size_t at = 0;

	if (!list.p)
		return false;
	while (at <= list.n) {
		const char *comma = at < list.n ? memchr(list.p + at, ',', list.n - at) : NULL;
		size_t end = comma ? (size_t)(comma - list.p) : list.n;

		if (str_ieq(http1_trim((struct str){ list.p + at, end - at }), want))
			return true;
		at = end + 1;
	}
	return false;
}

void http1_msg_free(struct http1_msg *m)
{
	if (!m)
		return;
	buf_free(&m->head_mem);
	buf_free(&m->body_mem);
	free(m->headers);
	free(m->extra);
	free(m);
}

enum http1_event http1_over(struct http1 *p, int status, enum limit l, const char *fmt, ...)
{
	char what[80], reason[sizeof(p->reason)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(reason, sizeof(reason), "%s (limits.%s)", what, limit_name(l));
	limit_hit(l);
	return http1_bad(p, status, reason);
}

enum http1_event http1_large(struct http1 *p)
{
	return http1_over(p, 413, LIMIT_BODY, "the body is larger than %zu bytes", p->lim.body);
}
