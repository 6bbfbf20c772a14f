/*
 * bind_page.c - static pages by path.  A list: there are few, and a request that is no GET of a
 * page costs one comparison of lengths each.  Never reads a file, never looks into a body.  Loop
 * thread only.
 */
#include "bind_page.h"

#include <stdlib.h>

struct page {
	struct page *next;
	struct str path, type, body; /* one allocation, behind the struct */
};

static struct page *pages;
static unsigned npages;

static bool word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

/* Resource identifiers begin with a digit, AE-IDs with C or S, "~", "_" and "-" are the binding's:
 * a lower-case letter begins no address but that of the CSEBase, which the caller knows. */
static bool path_ok(struct str path)
{
	if (str_is(path, "/"))
		return true;
	if (path.n < 2 || path.n > 128 || path.p[0] != '/' || path.p[1] < 'a' || path.p[1] > 'z')
		return false;
	for (size_t i = 1; i < path.n; i++) {
		if (path.p[i] != '/' && !word(path.p[i]))
			return false;
	}
	return path.p[path.n - 1] != '/';
}

static bool own(struct str path)
{
	return str_is(path, "/healthz") || str_is(path, "/metrics") || str_is(path, "/notify") ||
	       str_starts(path, STR("/notify/"));
}

static bool type_ok(struct str type)
{
	if (!type.n || type.n > 128 || !memchr(type.p, '/', type.n))
		return false;
	for (size_t i = 0; i < type.n; i++) {
		if (type.p[i] < ' ' || type.p[i] > '~')
			return false;
	}
	return true;
}

static struct page **find(struct str path)
{
	struct page **at = &pages;

	while (*at && !str_eq((*at)->path, path))
		at = &(*at)->next;
	return at;
}

static struct str put(char **to, struct str s)
{
	struct str copy = { *to, s.n };

	if (s.n)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return copy;
}

bool bind_page_set(struct str path, struct str type, struct str body, struct err *e)
{
	struct page *p;
	char *to;

	if (!path_ok(path))
		return err_set(e,
			       "a path like \"/live\" was expected: letters, digits, - . _ and /, "
			       "a lower-case letter first");
	if (own(path))
		return err_set(e, "the path is one of the server's own");
	if (!type_ok(type))
		return err_set(e, "a media type like \"text/html\" was expected");
	if (body.n > PAGE_MAX)
		return err_set(e, "the page has %zu bytes, at most %zu are possible", body.n,
			       PAGE_MAX);
	if (npages >= PAGES_MAX && !*find(path))
		return err_set(e, "there are %d pages already", PAGES_MAX);
	bind_page_forget(path);
	p = xmalloc(sizeof(*p) + path.n + type.n + body.n);
	to = (char *)(p + 1);
	p->path = put(&to, path);
	p->type = put(&to, type);
	p->body = put(&to, body);
	p->next = pages;
	pages = p;
	npages++;
	return true;
}

void bind_page_forget(struct str path)
{
	struct page **at = find(path), *p = *at;

	if (!p)
		return;
	*at = p->next;
	free(p);
	npages--;
}

void bind_page_clear(void)
{
	while (pages)
		bind_page_forget(pages->path);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The host that the request named, without its port; empty when it would not be one in a policy. */
static struct str host_of(const struct http_req *r)
{
	struct str host = http_header(r, "Host");
	const char *colon = host.n ? memchr(host.p, ':', host.n) : NULL;

	if (colon)
		host.n = (size_t)(colon - host.p);
	for (size_t i = 0; i < host.n; i++) {
		if (!word(host.p[i]))
			return STR("");
	}
	return host;
}

static void put_policy(struct buf *head, struct str host)
{
	buf_str(head,
		STR("Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; "
		    "style-src 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"));
	if (host.n) {
		buf_str(head, STR(" ws://"));
		buf_str(head, host);
		buf_str(head, STR(":* wss://"));
		buf_str(head, host);
		buf_str(head, STR(":*"));
	}
	buf_str(head, STR("; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"));
}

bool bind_page_answer(struct http_req *r)
{
	struct str path = r->target;
	const char *query = path.n ? memchr(path.p, '?', path.n) : NULL;
	struct buf head = BUF_INIT;
	struct page *p;

	if (!pages || (!str_is(r->method, "GET") && !str_is(r->method, "HEAD")))
		return false;
	if (query)
		path.n = (size_t)(query - path.p);
	p = *find(path);
	if (!p)
		return false;
	buf_str(&head, STR("Content-Type: "));
	buf_str(&head, p->type);
	buf_str(&head, STR("\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n"
			   "Referrer-Policy: no-referrer\r\n"));
	put_policy(&head, host_of(r));
	http_reply(r, 200, buf_view(&head), p->body);
	buf_free(&head);
	return true;
}
