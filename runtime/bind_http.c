/*
 * bind_http.c - glue between net's HTTP requests and primitives.  Guarantees exactly one reply per
 * request and the three X-M2M headers on each oneM2M answer.  The mapping itself is in
 * bind_http_text.c; nothing here looks into content.  Loop thread only.
 */
#include "bind_http.h"

#include <stdlib.h>

#include "bind_http_text.h"
#include "bind_identity.h"
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
	int status; /* 0: the one of the response status code */
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
	if (str_is(r->target, "/metrics") && conf.admin_port) {
		answer_metrics(r);
		return true;
	}
	return false;
}

/* On a port that others reach too it takes a credential like everything else. */
static bool wants_metrics(const struct http_req *r)
{
	return !conf.admin_port && str_is(r->target, "/metrics") &&
	       (str_is(r->method, "GET") || str_is(r->method, "HEAD"));
}

/* ---- primitives ------------------------------------------------------------------------------ */

static void add_challenge(int status, struct str peer, struct buf *head)
{
	if (status == 401)
		buf_str(head, STR("WWW-Authenticate: Bearer realm=\"moon2m\"\r\n"
				  "WWW-Authenticate: Basic realm=\"moon2m\"\r\n"));
	else
		buf_fmt(head, "Retry-After: %u\r\n", status == 429 ? identity_brake_left(peer) : 1);
}

static void reply(void *arg, const struct primitive *p, const struct answer *a)
{
	struct pending *pending = arg;
	struct buf head = BUF_INIT, body = BUF_INIT;
	int status = 204; /* HTTP wants a response even where oneM2M wants none */

	if (!a->silent)
		status = http_text_write(p, a, &pending->form, str_of(conf.rvi ? conf.rvi : "3"),
					 &head, &body);
	if (pending->status) {
		status = pending->status;
		add_challenge(status, pending->r->peer, &head);
	}
	add_cors(pending->r, &head);
	http_reply(pending->r, status, buf_view(&head), buf_view(&body));
	buf_free(&head);
	buf_free(&body);
}

/* A refusal carries what an answer needs of its request; its content is not looked at. */
static void refuse(struct http_req *r, enum identity_verdict v)
{
	struct primitive *p = primitive_new(VIA_HTTP);
	struct pending *pending = arena_alloc(p->arena, sizeof(*pending));
	struct err e;

	r->body = STR("");
	pending->r = r;
	(void)!http_text_read(r, p, &pending->form, &e);
	pending->status = bind_identity_refusal(v, &e);
	primitive_refuse(p, &e, reply, pending);
}

static void perform(struct http_req *r, const struct identity *i)
{
	struct primitive *p = primitive_new(VIA_HTTP);
	struct pending *pending = arena_alloc(p->arena, sizeof(*pending));
	struct err e;

	pending->r = r;
	pending->status = 0;
	if (http_text_read(r, p, &pending->form, &e) && bind_identity_admit(i, NULL, p, &e))
		primitive_submit(p, reply, pending);
	else
		primitive_refuse(p, &e, reply, pending);
}

static void judged(void *arg, enum identity_verdict v, const struct identity *i)
{
	struct http_req *r = arg;

	if (v != IDENTITY_OPEN && v != IDENTITY_KNOWN)
		refuse(r, v);
	else if (wants_metrics(r))
		answer_metrics(r);
	else
		perform(r, i);
}

/* Two of them are none that is valid. */
static struct str authorization(const struct http_req *r)
{
	struct str v = STR_NONE;

	for (size_t i = 0; i < r->nheaders; i++) {
		if (str_ieq(r->headers[i].name, STR("Authorization")))
			v = v.p ? STR("twice") : r->headers[i].value;
	}
	return v;
}

static void judge(struct http_req *r)
{
	struct identity_claim c = { .authorization = authorization(r),
				    .peer = bind_identity_tls(r->tls_names),
				    .address = r->peer };
	const struct identity *i;
	enum identity_verdict v = identity_check(&c, &i);

	if (v == IDENTITY_PENDING)
		v = identity_compute(&c, judged, r);
	if (v != IDENTITY_PENDING)
		judged(r, v, i);
}

static void request(void *arg, struct http_req *r)
{
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
	if (!wants_metrics(r) && primitive_full()) {
		http_reply(r, 503, STR("Retry-After: 1\r\nContent-Type: text/plain\r\n"),
			   STR("too many requests in flight (limits.requests)\n"));
		return;
	}
	judge(r);
}

const struct http_server_cb BIND_HTTP = { .request = request };
