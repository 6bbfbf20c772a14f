/*
 * notify_event.c - bodies: where their slots are, the forms they take (JSON, CBOR, frame, HTTP
 * body), and how a notice's frame is put together from shared bytes and the few that differ.
 * Guarantees: a body is split once per form, whoever and however many it goes to; a text form's
 * CBOR is made only when a CBOR target asks for it; what is stored is the body with its slots, so
 * it can be split again after a restart.  Never copies a body per target.
 */
#define _GNU_SOURCE /* memmem */
#include "notify_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "cbor.h"
#include "clock.h"
#include "log.h"

static const char LETTER[SLOTS] = { 's', 't', 'q', 'c' };
static char slot_text[SLOTS][SLOT_LEN + 1];
static struct kind *kinds;

void slots_init(uint64_t nonce)
{
	for (int i = 0; i < SLOTS; i++)
		snprintf(slot_text[i], sizeof(slot_text[i]), "~%016llx%c~",
			 (unsigned long long)nonce, LETTER[i]);
}

struct str notify_slot_text(enum notify_slot s)
{
	return (struct str){ slot_text[s], SLOT_LEN };
}

/* Place of the first slot in [from, to) of p, or `to`. */
static size_t find_slot(const char *p, size_t from, size_t to, unsigned *slot)
{
	while (to - from >= SLOT_LEN) {
		const char *at = memmem(p + from, to - from, slot_text[0], SLOT_LEN - 2);

		if (!at || (size_t)(at - p) + SLOT_LEN > to)
			break;
		for (unsigned i = 0; i < SLOTS; i++) {
			if (at[SLOT_LEN - 2] == LETTER[i] && at[SLOT_LEN - 1] == '~') {
				*slot = i;
				return (size_t)(at - p);
			}
		}
		from = (size_t)(at - p) + 1;
	}
	return to;
}

/* ---- splitting ------------------------------------------------------------------------------- */

/* The segments of the text being split; one at a time, kept between calls. */
static struct seg *seg;
static size_t nseg, seg_cap, nheads;

static struct seg *seg_add(unsigned kind, size_t off, size_t len)
{
	if (nseg == seg_cap) {
		seg_cap = seg_cap ? seg_cap * 2 : 32;
		seg = xrealloc(seg, seg_cap * sizeof(*seg));
	}
	seg[nseg] = (struct seg){ (uint32_t)off, (uint32_t)len, kind, 0 };
	return &seg[nseg++];
}

static void seg_text(size_t from, size_t to)
{
	if (to > from)
		seg_add(SEG_TEXT, from, to - from);
}

/* Splits [from, to) into text and slots; returns the bytes of text. */
static size_t split(const char *p, size_t from, size_t to)
{
	size_t text = 0;

	for (unsigned slot; from < to;) {
		size_t at = find_slot(p, from, to, &slot);

		seg_text(from, at);
		text += at - from;
		if (at == to)
			break;
		seg_add(slot, at, SLOT_LEN);
		from = at + SLOT_LEN;
	}
	return text;
}

/* The head of the CBOR item at p: its major type, its argument, how many bytes the head has.  Only
 * what cbor_from_json writes: definite lengths. */
static size_t cbor_head(const unsigned char *p, size_t n, unsigned *major, uint64_t *arg)
{
	static const size_t more[4] = { 1, 2, 4, 8 };
	unsigned info = p[0] & 31;
	size_t len = info >= 24 && info < 28 ? more[info - 24] : 0;

	*major = p[0] >> 5;
	*arg = info < 24 ? info : 0;
	if (1 + len > n)
		return n;
	for (size_t i = 0; i < len; i++)
		*arg = *arg << 8 | p[1 + i];
	return 1 + len;
}

/* Items follow one another in CBOR whatever their nesting, so a flat walk finds every string. */
static void split_cbor(struct str s)
{
	size_t i = 0, done = 0;

	while (i < s.n) {
		unsigned major, slot;
		uint64_t arg;
		size_t from = i + cbor_head((const unsigned char *)s.p + i, s.n - i, &major, &arg),
		       to = from;

		if (major == 2 || major == 3)
			to = arg > s.n - from ? s.n : from + (size_t)arg;
		if (major == 3 && find_slot(s.p, from, to, &slot) < to) {
			size_t head = nseg, text;

			seg_text(done, i);
			head = nseg;
			seg_add(SEG_HEAD, i, 0);
			text = split(s.p, from, to);
			seg[head].len = (uint32_t)text;
			seg[head].run = (uint32_t)(nseg - head - 1);
			nheads++;
			done = to;
		}
		i = to;
	}
	seg_text(done, s.n);
}

static struct cut *cut_new(struct str text, char *own, bool cbor)
{
	struct cut *c;

	nseg = nheads = 0;
	if (cbor)
		split_cbor(text);
	else
		split(text.p, 0, text.n);
	c = xmalloc(sizeof(*c) + nseg * sizeof(*seg));
	*c = (struct cut){ .text = text, .own = own, .n = nseg, .heads = nheads };
	if (nseg)
		memcpy(c->seg, seg, nseg * sizeof(*seg));
	for (size_t i = 0; i < nseg; i++)
		c->slots |= seg[i].kind < SLOTS ? 1u << seg[i].kind : 0;
	return c;
}

/* ---- forms ----------------------------------------------------------------------------------- */

void frame_json(struct buf *out, const struct text *to, struct str rqi, int ec, struct str pc)
{
	buf_str(out, ng.head[0]);
	buf_str(out, to->json);
	buf_str(out, ng.head[1]);
	buf_str(out, rqi);
	buf_str(out, ng.head[2]);
	if (ec)
		buf_fmt(out, "\"ec\":%d,", ec);
	buf_str(out, STR("\"pc\":"));
	buf_str(out, pc);
	buf_char(out, '}');
}

static struct cut *cut_cbor(const struct event *e, enum form f)
{
	struct str slot_to = notify_slot_text(SLOT_TO);
	struct text to = { slot_to, slot_to };
	struct buf json = BUF_INIT, cbor = BUF_INIT;
	struct str body = { e->body, e->n };
	struct cut *c = NULL;
	struct err err;
	size_t n;

	if (f == FORM_FRAME_CBOR) {
		frame_json(&json, &to, notify_slot_text(SLOT_RQI), e->kind->ec, body);
		body = buf_view(&json);
	}
	if (!jscan_check(body, (struct jscan_limits){ 128, 1u << 20 }, &err) ||
	    !cbor_from_json(body, &cbor, &err)) {
		log_warn("notify", "no CBOR of this body reason=%s", log_quote(str_of(err.msg)));
	} else {
		char *own = buf_steal(&cbor, &n);

		c = cut_new((struct str){ own, n }, own, true);
	}
	buf_free(&json);
	buf_free(&cbor);
	return c;
}

/* NULL: the body has no such form. */
static const struct cut *event_cut(struct event *e, enum form f)
{
	if (!e->body)
		return NULL;
	if (!e->forms)
		e->forms = xcalloc(1, sizeof(*e->forms));
	if (!e->forms->cut[f]) {
		e->forms->cut[f] = f == FORM_BODY
				       ? cut_new((struct str){ e->body, e->n }, NULL, false)
				       : cut_cbor(e, f);
	}
	return e->forms->cut[f];
}

static void body_free(struct event *e)
{
	for (int i = 0; e->forms && i < FORMS; i++) {
		if (e->forms->cut[i])
			free(e->forms->cut[i]->own);
		free(e->forms->cut[i]);
	}
	free(e->forms);
	e->forms = NULL;
	if (e->body)
		ng.kept_bodies -= e->n;
	free(e->body);
	e->body = NULL;
}

void event_body(struct event *e, struct str body)
{
	e->body = xmalloc(body.n + 1);
	if (body.n)
		memcpy(e->body, body.p, body.n);
	ng.kept_bodies += body.n;
}

void event_heat(struct event *e)
{
	e->hot++;
}

void event_cool(struct event *e)
{
	if (--e->hot == 0)
		body_free(e);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static struct buf heads;

static void piece(struct str s)
{
	if (ng.pieces == ng.piece_cap) {
		ng.piece_cap = ng.piece_cap ? ng.piece_cap * 2 : 64;
		ng.piece = xrealloc(ng.piece, ng.piece_cap * sizeof(*ng.piece));
	}
	ng.piece[ng.pieces++] = s;
}

static void piece_head(const struct seg *s, const struct str val[SLOTS])
{
	size_t n = s->len, at = heads.n;

	for (unsigned i = 1; i <= s->run; i++)
		n += s[i].kind < SLOTS ? val[s[i].kind].n : 0;
	cbor_text_head(&heads, n);
	piece((struct str){ heads.p + at, heads.n - at });
}

static void pieces_of(const struct cut *c, const struct str val[SLOTS])
{
	buf_clear(&heads);
	buf_reserve(&heads, 16 * (c->heads + 1)); /* so that it does not move */
	for (size_t i = 0; i < c->n; i++) {
		const struct seg *s = &c->seg[i];

		if (s->kind < SLOTS)
			piece(val[s->kind]);
		else if (s->kind == SEG_HEAD)
			piece_head(s, val);
		else
			piece((struct str){ c->text.p + s->off, s->len });
	}
}

static char *put_hex(char *to, uint64_t v)
{
	int shift = v ? (63 - __builtin_clzll(v)) / 4 * 4 : 0;

	for (; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[v >> shift & 15];
	return to;
}

/* By hand: snprintf cost some 80 ns of each frame. */
size_t notice_rqi(const struct notice *n, char out[RQI_MAX])
{
	char *to = out;

	*to++ = 'n';
	to = put_hex(to, (uint64_t)n->id);
	*to++ = '.';
	to = put_hex(to, (uint64_t)n->m->sub->id);
	*to++ = '.';
	to = put_hex(to, (uint64_t)n->m->target->id);
	return (size_t)(to - out);
}

static void values(const struct notice *n, bool json, struct str rqi, struct str val[SLOTS])
{
	const struct sub *sub = n->m->sub;
	const struct text *to = &n->m->target->to;

	val[SLOT_SUR] = json ? sub->sur.json : sub->sur.raw;
	val[SLOT_TO] = json ? to->json : to->raw;
	val[SLOT_CR] = json ? sub->cr.json : sub->cr.raw;
	val[SLOT_RQI] = rqi;
}

bool notice_frame(const struct notice *n, enum session_serial serial, bool *binary)
{
	static char rqi[RQI_MAX];
	struct event *e = n->e;
	bool raw = e->kind->frame == FRAME_RAW, cbor = !raw && serial == SESSION_CBOR;
	const struct cut *c = event_cut(e, cbor ? FORM_FRAME_CBOR : FORM_BODY);
	struct str val[SLOTS];

	if (!c)
		return false;
	ng.pieces = 0;
	*binary = raw ? e->kind->binary : cbor;
	if (raw && !c->slots) { /* the same for everyone */
		piece(c->text);
		return true;
	}
	values(n, !cbor, (struct str){ rqi, notice_rqi(n, rqi) }, val);
	if (raw || cbor) {
		pieces_of(c, val);
		return true;
	}
	piece(ng.head[0]);
	piece(val[SLOT_TO]);
	piece(ng.head[1]);
	piece(val[SLOT_RQI]);
	piece(ng.head[2]);
	piece(e->kind->mid);
	pieces_of(c, val);
	piece(STR("}"));
	return true;
}

bool notice_body(const struct notice *n, bool cbor, struct buf *out)
{
	char rqi[RQI_MAX];
	bool raw = n->e->kind->frame == FRAME_RAW;
	const struct cut *c = event_cut(n->e, cbor && !raw ? FORM_BODY_CBOR : FORM_BODY);
	struct str val[SLOTS];

	if (!c)
		return false;
	values(n, raw || !cbor, (struct str){ rqi, notice_rqi(n, rqi) }, val);
	ng.pieces = 0;
	pieces_of(c, val);
	for (size_t i = 0; i < ng.pieces; i++)
		buf_str(out, ng.piece[i]);
	return true;
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static struct str own(struct str s)
{
	return s.p ? (struct str){ xstrndup(s.p, s.n), s.n } : STR_NONE;
}

struct kind *kind_get(const struct event_opts *o)
{
	struct str failed = str_of(o->format_failed);
	struct buf mid = BUF_INIT, why = BUF_INIT;
	struct kind *k;

	for (k = kinds; k; k = k->next) {
		if (k->frame == o->frame && k->binary == o->binary && k->ec == o->ec &&
		    str_eq(k->type, o->type) && !k->failed.p == !failed.p &&
		    str_eq(k->failed, failed)) {
			k->refs++;
			return k;
		}
	}
	k = xcalloc(1, sizeof(*k));
	*k = (struct kind){ .next = kinds,
			    .refs = 1,
			    .frame = o->frame,
			    .binary = o->binary,
			    .ec = o->ec,
			    .type = own(o->type),
			    .failed = own(failed) };
	if (failed.p) {
		buf_fmt(&why, "format %.*s failed", STRFMT(failed));
		buf_char(&why, '\0');
		k->why = buf_steal(&why, &(size_t){ 0 });
	}
	if (o->ec)
		buf_fmt(&mid, "\"ec\":%d,", o->ec);
	buf_str(&mid, STR("\"pc\":"));
	k->mid.p = buf_steal(&mid, &k->mid.n);
	return kinds = k;
}

void kind_unref(struct kind *k)
{
	struct kind **at = &kinds;

	if (--k->refs)
		return;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	free((char *)k->type.p);
	free((char *)k->failed.p);
	free((char *)k->mid.p);
	free(k->why);
	free(k);
}

/* ---- events ---------------------------------------------------------------------------------- */

struct event *event_restore(int64_t id, int64_t et, const struct event_opts *o, size_t body_n)
{
	struct event *e = xcalloc(1, sizeof(*e));

	e->id = id;
	e->et = et;
	e->count = o->count;
	e->kind = kind_get(o);
	e->n = (uint32_t)body_n;
	e->refs = 1;
	return e;
}

static void event_free(struct event *e)
{
	body_free(e);
	if (e->roster)
		roster_unref(e->roster);
	if (e->aud)
		aud_unref(e->aud);
	kind_unref(e->kind);
	free(e);
}

void event_unref(struct event *e)
{
	if (--e->refs)
		return;
	if (e->id) {
		TAILQ_REMOVE(&ng.live, e, on_live);
		if (!e->abandoned)
			keep_event_gone(e->id);
	}
	event_free(e);
}

struct event *event_new(struct audience *a, const struct event_opts *o, struct str body)
{
	struct event *e = event_restore(0, STORE_NULL, o, body.n);

	e->roster = a->roster;
	e->roster->refs++;
	event_body(e, body);
	event_heat(e);
	return e;
}

void event_store(struct event *e, struct store_tx *tx)
{
	if (e->id || e->roster->n == 0 || !ng.open)
		return;
	e->at = clock_wall();
	if (ng.o.max_age > 0)
		e->et = age_clock() + (int64_t)(ng.o.max_age * 1e6);
	e->id = keep_id();
	TAILQ_INSERT_TAIL(&ng.live, e, on_live);
	if (!ng.pending)
		ng.pending = e;
	keep_event(e, tx);
}

#define AHEAD 16 /* members */

/* Ten thousand targets are not in the processor's caches; each is asked for before its turn. */
static void fetch_ahead(const struct roster *r, size_t near, size_t far)
{
	const struct target *t = r->m[near]->target;

	__builtin_prefetch(r->m[far], 1);
	__builtin_prefetch(&t->lists, 1);
	__builtin_prefetch(&t->hot, 1);
	__builtin_prefetch(&t->gap, 1);
	__builtin_prefetch(&t->post.state);
}

/* The members get their notices; the body stays in memory for those who can be sent to now. */
static void publish(struct event *e)
{
	struct roster *r = e->roster;

	ng.count[C_EVENTS]++;
	keep_published(e);
	if (e->kind->failed.p) {
		ng.count[C_NOTICES] += r->n;
		parked_add(e, r);
	} else {
		for (size_t i = 0; i < r->n; i++) {
			if (i + AHEAD < r->n)
				fetch_ahead(r, i + AHEAD / 2, i + AHEAD);
			target_push(r->m[i]->target, e, r->m[i]);
		}
	}
	e->roster = NULL;
	roster_unref(r);
	event_cool(e);
	event_unref(e);
}

/* Events take effect in the order of their ids, whatever the order of the calls. */
static void settle(void)
{
	struct event *e;

	while ((e = ng.pending) && (e->ready || e->abandoned)) {
		ng.pending = TAILQ_NEXT(e, on_live);
		if (e->abandoned)
			event_unref(e);
		else
			publish(e);
	}
}

void event_publish(struct event *e)
{
	if (e->id == 0 || !ng.open) {
		event_abandon(e);
		return;
	}
	e->ready = true;
	settle();
}

void event_abandon(struct event *e)
{
	if (e->id == 0 || !ng.open) {
		e->id = 0;
		event_unref(e);
		return;
	}
	e->abandoned = true;
	settle();
}
