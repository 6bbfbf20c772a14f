/*
 * bind_http.c - glue between net's HTTP requests and primitives.  Guarantees exactly one reply per
 * request and the three X-M2M headers on each oneM2M answer.  The mapping itself is in
 * bind_http_text.c; nothing here looks into content.  Loop thread only.
 */
#include "bind_http.h"

#include <stdlib.h>

#include "bind_http_text.h"
#include "bind_page.h"
#include "metrics.h"
#include "primitive.h"

static struct {
	char *rvi;
	char **origins;
	uint16_t admin_port;
} conf;

/* What an answer needs of its request; lives in the primitive's arena. */
struct pending {
	struct http_req *r;
	struct http_form form;
};

void bind_http_setup(const struct bind_http_opts *o)
{
	size_t n = 0;

	free(conf.rvi);
	for (char **at = conf.origins; at && *at; at++)
		free(*at);
	free(conf.origins);
	conf.rvi = xstrdup(o->rvi ? o->rvi : "3");
	conf.origins = NULL;
	conf.admin_port = o->admin_port;
	if (!o->origins)
		return;
	while (o->origins[n])
		n++;
	conf.origins = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		conf.origins[i] = xstrdup(o->origins[i]);
}

/* ---- CORS ------------------------------------------------------------------------------------ */

static bool origin_allowed(struct str origin)
{
	for (char **at = conf.origins; at && *at; at++) {
		if (strcmp(*at, "*") == 0 || str_ieq(origin, str_of(*at)))
			return true;
	}
	return false;
}

/* True when the request came from a page that may read the answer. */
static bool add_cors(const struct http_req *r, struct buf *head)
{
	struct str origin = http_header(r, "Origin");

	if (!conf.origins)
		return false;
	buf_str(head, STR("Vary: Origin\r\n"));
	if (!origin.p || !origin_allowed(origin))
		return false;
	http_text_header(head, "Access-Control-Allow-Origin", origin);
	buf_str(head,
		STR("Access-Control-Expose-Headers: X-M2M-RSC, X-M2M-RI, X-M2M-RVI, X-M2M-Origin, "
		    "X-M2M-OT, X-M2M-RST, X-M2M-EC, X-M2M-CTS, X-M2M-CTO, X-M2M-VSI, "
		    "Content-Location, Link\r\n"));
	return true;
}

static void answer_options(struct http_req *r)
{
	struct buf head = BUF_INIT;

	buf_str(&head, STR("Allow: " HTTP_METHODS "\r\n"));
	if (add_cors(r, &head))
		buf_str(&head,
			STR("Access-Control-Allow-Methods: " HTTP_METHODS "\r\n"
			    "Access-Control-Allow-Headers: Accept, Authorization, Content-Type, "
			    "X-M2M-Origin, X-M2M-RI, X-M2M-RVI, X-M2M-GID, X-M2M-RTU, "
			    "X-M2M-OT, X-M2M-RST, X-M2M-RET, X-M2M-OET, X-M2M-EC, X-M2M-VSI\r\n"
			    "Access-Control-Max-Age: 600\r\n"));
	http_reply(r, 204, buf_view(&head), STR(""));
	buf_free(&head);
}

/* ---- administration -------------------------------------------------------------------------- */

static void answer_metrics(struct http_req *r)
{
	struct buf body = BUF_INIT;

	metrics_write(&body);
	http_reply(r, 200, STR("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
		   buf_view(&body));
	buf_free(&body);
}

static bool answer_admin(struct http_req *r)
{
	if (!str_is(r->method, "GET") && !str_is(r->method, "HEAD"))
		return false;
	if (conf.admin_port && r->local_port != conf.admin_port)
		return false;
	if (str_is(r->target, "/healthz")) {
		http_reply(r, 200, STR("Content-Type: text/plain\r\nCache-Control: no-store\r\n"),
			   STR("ok"));
		return true;
	}
	if (str_is(r->target, "/metrics")) {
		answer_metrics(r);
		return true;
	}
	return false;
}

/* ---- primitives ------------------------------------------------------------------------------ */

static void reply(void *arg, const struct primitive *p, const struct answer *a)
{
	struct pending *pending = arg;
	struct buf head = BUF_INIT, body = BUF_INIT;
	int status = 204; /* HTTP wants a response even where oneM2M wants none */

	if (!a->silent)
		status = http_text_write(p, a, &pending->form, str_of(conf.rvi ? conf.rvi : "3"),
					 &head, &body);
	add_cors(pending->r, &head);
	http_reply(pending->r, status, buf_view(&head), buf_view(&body));
	buf_free(&head);
	buf_free(&body);
}

static void request(void *arg, struct http_req *r)
{
	struct primitive *p;
	struct pending *pending;
	struct err e;

	(void)arg;
	if (str_is(r->method, "OPTIONS")) {
		answer_options(r);
		return;
	}
	if (answer_admin(r))
		return;
	if (conf.admin_port && r->local_port == conf.admin_port) {
		http_reply(r, 404, STR("Content-Type: text/plain\r\n"),
			   STR("/healthz and /metrics are here, nothing else\n"));
		return;
	}
	if (bind_page_answer(r))
		return;
	p = primitive_new(VIA_HTTP);
	pending = arena_alloc(p->arena, sizeof(*pending));
	pending->r = r;
	if (http_text_read(r, p, &pending->form, &e))
		primitive_submit(p, reply, pending);
	else
		primitive_refuse(p, &e, reply, pending);
}

const struct http_server_cb BIND_HTTP = { .request = request };
