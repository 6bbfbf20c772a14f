/*
 * notify_dial.c - WebSocket connections that the engine opens to its targets (ws:// and wss://): at
 * most one per target, kept open for a short while after its last use.
 * Guarantees: a notice is done when the peer answers it; a URL that answers nothing at all (it need
 * not, TS-0004 7.3.1.3) is believed when it has answered a ping behind the notice; a raw frame is
 * done when the kernel has it.  What was not done goes again, over the next connection.
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

/* Nothing is taken over a connection that was dialled; who sends a request tries another way. */
static void refuse(struct dial *d, struct str rqi)
{
	struct buf b = BUF_INIT;

	buf_str(&b, STR("{\"rsc\":5103,\"rqi\":"));
	buf_str(&b, rqi);
	buf_fmt(&b, ",\"rvi\":\"%s\"}", ng.o.rvi);
	(void)send_json(d->c, d->cbor ? SESSION_CBOR : SESSION_JSON, &b);
	buf_free(&b);
}

static void read_answer(struct dial *d, struct str json)
{
	struct str rsc, rqi, op, pc = STR_NONE;
	struct buf id = BUF_INIT;
	uint64_t code;

	if (!jscan_check(json, JSCAN_DEFAULT, NULL) || jscan_type(json) != JSCAN_OBJECT)
		return;
	if (jscan_member(json, "op", &op)) {
		if (d->t->remote && jscan_member(json, "rqi", &rqi))
			refuse(d, rqi);
		return;
	}
	if (jscan_member(json, "rsc", &rsc) && jscan_member(json, "rqi", &rqi) &&
	    str_u64(rsc, &code) && code < 100000 && jscan_string(rqi, &id)) {
		if (!jscan_member(json, "pc", &pc))
			pc = STR_NONE;
		answer_rqi(NULL, d->c,
			   &(struct notify_response){ buf_view(&id), (int)code, pc, json });
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
	/* Nothing is taken over a connection that was dialled, so it does not speak for this CSE. */
	if (!t->remote)
		buf_fmt(&head, "X-M2M-Origin: %.*s\r\n", STRFMT(ng.cse_id));
	remote_proof(t, &head);
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

/* ---- what is sent ---------------------------------------------------------------------------- */

/* From now on its answer is awaited, and a sign of life. */
static void sent(struct target *t)
{
	t->post.state = POST_SENT;
	t->post.due = clock_mono() + (int64_t)(ng.o.answer_time * 1e6);
	t->dial->life.asked = false;
	target_list(t, L_RAW);
	tick_soon();
}

/* Who understands it answers, others ignore it. */
static void dial_gap(struct target *t)
{
	struct dial *d = t->dial;
	struct buf b = BUF_INIT;

	gap_frame(t, &b);
	ng.count[C_GAPS]++;
	(void)send_json(d->c, d->cbor ? SESSION_CBOR : SESSION_JSON, &b);
	buf_free(&b);
	sent(t);
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
	book_sent(&t->post.n);
	(void)conn_frame(d->c, binary, ng.piece, ng.pieces);
	sent(t);
}

/* ---- how it is done -------------------------------------------------------------------------- */

bool dial_answered(struct target *t, char what, const uint64_t v[3], int rsc, struct str pc)
{
	const struct notice *n = &t->post.n;
	bool ours = t->post.state == POST_SENT;

	t->answers = ANSWERS;
	if (what == 'g') {
		ours = ours && t->post.gap && v[0] == ng.boot && v[1] == t->gap_no;
		if (ours)
			url_done(t, rsc);
		return ours;
	}
	ours = ours && n->e && n->id == (int64_t)v[0] && n->m->sub->id == (int64_t)v[1];
	if (!ours)
		return false;
	t->refs++;
	if (t->remote && remote_waits(rsc)) {
		url_lost(t, rsc, "the next CSE cannot deliver it now");
	} else {
		url_answered(t);
		url_done(t, rsc);
		answer_content(t, (int64_t)v[1], pc);
	}
	target_unref(t);
	return true;
}

static bool is_raw(const struct target *t)
{
	return t->post.n.e && t->post.n.e->kind->frame == FRAME_RAW;
}

bool dial_drained(struct target *t)
{
	struct dial *d = t->dial;
	bool mute = t->url && t->answers == ANSWERS_NOT, life;

	if (t->post.state != POST_SENT)
		return true;
	if (!send_left(d->c))
		return false;
	life = is_raw(t) || life_seen(&d->life, d->c, ng.o.answer_time);
	if (mute && !t->post.gap)
		life |= life_pong(&d->life, d->c);
	else if (!is_raw(t) && !t->post.gap)
		return true; /* its answer, or its deadline */
	if (life)
		url_done(t, 2000);
	return life;
}

bool dial_believed(struct target *t)
{
	bool lives = t->post.state == POST_SENT && life_pong(&t->dial->life, t->dial->c);

	if (!lives || t->post.gap)
		return lives;
	if (!t->url || t->answers == ANSWERS)
		return false;
	if (t->answers == ANSWERS_UNKNOWN)
		log_info("notify", "it does not answer: its pongs will do target=%s",
			 log_quote(t->key));
	t->answers = ANSWERS_NOT;
	return true;
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
	ask_lost(t, NULL, d->c);
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
