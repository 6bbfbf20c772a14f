/*
 * notify_dial.c - WebSocket connections that the engine opens to its targets (ws:// and wss://): at
 * most one per target, kept open for a short while after its last use.
 * Guarantees: a notice for an AE is done when the AE answers, for a URL when the kernel has it; a
 * connection that goes takes nothing with it.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "cbor.h"
#include "clock.h"
#include "log.h"

#define IDLE_TIME 10 /* s */

static void dial_open(void *arg, struct conn *c, const struct ws_hello *h, struct str protocol)
{
	struct dial *d = arg;
	struct target *t = d->t;

	(void)h;
	(void)protocol;
	if (!t || !ng.open) {
		conn_close(c, 1000, "not needed");
		return;
	}
	t->refs++;
	d->open = true;
	if (t->post.state == POST_DIAL)
		dial_post(t);
	ask_dialled(t, d);
	dial_rest(t, clock_mono());
	target_unref(t);
}

static void read_answer(struct dial *d, struct str json)
{
	struct str rsc, rqi, pc = STR_NONE;
	struct buf id = BUF_INIT;
	uint64_t code;

	if (jscan_check(json, JSCAN_DEFAULT, NULL) && jscan_type(json) == JSCAN_OBJECT &&
	    jscan_member(json, "rsc", &rsc) && jscan_member(json, "rqi", &rqi) &&
	    str_u64(rsc, &code) && code < 100000 && jscan_string(rqi, &id)) {
		if (!jscan_member(json, "pc", &pc))
			pc = STR_NONE;
		answer_rqi(NULL, d->c, buf_view(&id), (int)code, pc);
	}
	buf_free(&id);
}

static void dial_message(void *arg, struct conn *c, struct str data, bool binary)
{
	struct dial *d = arg;
	struct buf json = BUF_INIT;

	(void)c;
	if (!d->t || !ng.open)
		return;
	if (!binary)
		read_answer(d, data);
	else if (cbor_to_json(data, JSCAN_DEFAULT, &json, NULL))
		read_answer(d, buf_view(&json));
	buf_free(&json);
}

/* Frames are queued where they are made; there is nothing to add. */
static void dial_fill(void *arg, struct conn *c)
{
	(void)arg;
	(void)c;
}

static void dial_closed(void *arg, struct conn *c, int code)
{
	struct dial *d = arg;
	struct target *t = d->t;

	if (ng.open && t) {
		log_debug("notify", "connection ended target=%s code=%d", log_quote(t->key), code);
		t->refs++;
		t->dial = NULL;
		target_unlist(t, L_RAW);
		if (t->post.state == POST_DIAL || t->post.state == POST_SENT)
			url_lost(t, code, d->open ? "connection lost" : "cannot connect");
		ask_lost(t, NULL, c);
		target_unref(t);
	}
	TAILQ_REMOVE(&ng.dials, d, on_dials);
	free(d->url);
	free(d);
}

static const struct ws_cb dial_cb = {
	.open = dial_open, .message = dial_message, .fill = dial_fill, .closed = dial_closed
};

struct dial *dial_get(struct target *t, const struct route *r)
{
	struct dial *d = t->dial;
	struct buf head = BUF_INIT;
	struct err e = { 0 };

	if (d && str_is(str_of(d->url), r->url))
		return d;
	if (d)
		dial_drop(t);
	d = xcalloc(1, sizeof(*d));
	*d = (struct dial){ .t = t, .cbor = r->cbor, .url = xstrdup(r->url) };
	d->idle_at = clock_mono() + IDLE_TIME * 1000000ll;
	TAILQ_INSERT_TAIL(&ng.dials, d, on_dials);
	t->dial = d;
	buf_fmt(&head, "X-M2M-Origin: %.*s\r\n", STRFMT(ng.cse_id));
	d->c = ws_dial(ng.o.net, r->url, r->cbor ? "oneM2M.cbor" : "oneM2M.json", buf_view(&head),
		       &dial_cb, d, &e);
	buf_free(&head);
	if (d->c) {
		target_list(t, L_URL);
		tick_need();
		return d;
	}
	log_debug("notify", "cannot dial url=%s reason=%s", log_quote(str_of(r->url)),
		  log_quote(str_of(e.msg)));
	TAILQ_REMOVE(&ng.dials, d, on_dials);
	t->dial = NULL;
	free(d->url);
	free(d);
	return NULL;
}

/* Handed over is done: who understands it answers, others ignore it. */
static void dial_gap(struct target *t)
{
	struct dial *d = t->dial;
	struct buf b = BUF_INIT;

	t->post.state = POST_SENT;
	gap_frame(t, &b);
	ng.count[C_GAPS]++;
	(void)send_json(d->c, d->cbor ? SESSION_CBOR : SESSION_JSON, &b);
	buf_free(&b);
	target_list(t, L_RAW);
	tick_need();
}

void dial_post(struct target *t)
{
	struct dial *d = t->dial;
	struct notice n = t->post.n;
	bool binary;

	if (t->post.gap) {
		dial_gap(t);
		return;
	}
	if (!n.e || !notice_frame(&n, d->cbor ? SESSION_CBOR : SESSION_JSON, &binary)) {
		url_done(t, 4000);
		return;
	}
	t->post.state = POST_SENT;
	book_sent(&t->post.n);
	(void)conn_frame(d->c, binary, ng.piece, ng.pieces);
	if (t->url || n.e->kind->frame == FRAME_RAW)
		target_list(t, L_RAW);
	tick_need();
}

void dial_rest(struct target *t, int64_t now)
{
	if (t->dial)
		t->dial->idle_at = now + IDLE_TIME * 1000000ll;
}

void dial_drop(struct target *t)
{
	struct dial *d = t->dial;

	if (!d)
		return;
	t->dial = NULL;
	d->t = NULL;
	if (!t->link)
		target_unlist(t, L_RAW);
	conn_close(d->c, 1000, "done");
}

void dial_close_all(void)
{
	struct dial *d;

	TAILQ_FOREACH(d, &ng.dials, on_dials)
	{
		if (d->t)
			d->t->dial = NULL;
		d->t = NULL;
		conn_close(d->c, 1001, "going away");
	}
}
