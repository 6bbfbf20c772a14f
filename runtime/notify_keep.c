/*
 * notify_keep.c - what of the engine is in the store: a row per event (`ntf`), per target (`tgt`,
 * with its cursor), per large audience (`aud`), and in `meta` the ids already given out and the
 * gaps not yet told.
 * Guarantees: an event is stored only when the rows it refers to are; a row goes
 * only when every notice of it is done, together with the cursors and gaps of the same moment; at
 * start the queues are as they were but for what was acknowledged within the last FLUSH_TIME.
 * Never waits: one transaction of its own is under way at a time.
 */
#include "notify_head.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"

#define ID_BLOCK 65536
#define FLUSH_TARGETS 1024u /* cursors of one transaction */

struct ids {
	int64_t *v;
	size_t n, cap;
};

struct saved {
	struct target *t;
	int64_t cursor;
	unsigned unsaved, gap_no; /* gap_no: of what is to be told, or 0 */
	bool gap, row; /* row: of the target, which is in this transaction */
};

struct save { /* one transaction of keep_flush */
	unsigned generation;
	struct ids done, auds, tgts;
	struct saved *v;
	size_t n, ops;
};

struct rows { /* one transaction of keep_rows */
	unsigned generation;
	struct roster *r;
};

static struct ids done, auds, tgts; /* rows to delete */
static bool saving, again, armed;
static int64_t next_id, reserved;
static uint64_t nonce;
static bool meta_saved;

static void ids_add(struct ids *l, int64_t id)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = id;
}

static void ids_free(struct ids *l)
{
	free(l->v);
	*l = (struct ids){ NULL, 0, 0 };
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* What everything relies on: the ids given out, and the nonce of the slots in stored bodies. */
static void add_meta(struct store_tx *tx)
{
	struct buf v = BUF_INIT;

	buf_u64(&v, (uint64_t)reserved);
	store_tx_meta(tx, STR("notify_ids"), buf_view(&v));
	buf_clear(&v);
	buf_fmt(&v, "%016llx", (unsigned long long)nonce);
	store_tx_meta(tx, STR("slot_nonce"), buf_view(&v));
	buf_free(&v);
}

static void meta_cb(void *arg, const struct store_done *d)
{
	if (d->rc != STORE_OK)
		log_warn("notify", "ids could not be reserved, again with the next event reason=%s",
			 log_quote(str_of(d->msg)));
	else if ((int64_t)(intptr_t)arg == reserved)
		meta_saved = true;
}

/* Ids are never given out twice, whatever rows are left: a block of them is taken in advance.
 * Until that is on disk, each transaction that uses one of them says it again. */
static void reserve(void)
{
	struct store_tx *tx = store_tx_new(ng.o.store);

	reserved = next_id + ID_BLOCK;
	meta_saved = false;
	add_meta(tx);
	store_commit(ng.o.store, tx, meta_cb, (void *)(intptr_t)reserved);
}

int64_t keep_id(void)
{
	if (ng.open && reserved - next_id < ID_BLOCK / 2)
		reserve();
	return next_id++;
}

static uint64_t meta_u64(const char *k)
{
	struct buf v = BUF_INIT;
	uint64_t n = 0;

	if (store_meta(ng.o.store, k, &v) && !str_u64(buf_view(&v), &n))
		n = 0;
	buf_free(&v);
	return n;
}

static uint64_t load_nonce(void)
{
	struct buf v = BUF_INIT;
	uint64_t n;

	if (store_meta(ng.o.store, "slot_nonce", &v) && v.n == 16) {
		buf_char(&v, '\0');
		n = strtoull(v.p, NULL, 16);
	} else {
		n = random_u64();
	}
	buf_free(&v);
	return n;
}

void keep_open(void)
{
	static const char *const tables[] = { "ntf", "tgt", "aud" };
	int64_t max = (int64_t)meta_u64("notify_ids");

	for (size_t i = 0; i < countof(tables); i++) {
		int64_t m = store_max_id(ng.o.store, tables[i]);

		max = m > max ? m : max;
	}
	next_id = max + 1;
	nonce = load_nonce();
	slots_init(nonce);
	reserve();
}

/* ---- events ---------------------------------------------------------------------------------- */

static void head_pack(const struct event *e, struct buf *out)
{
	const struct kind *k = e->kind;
	int flags = (k->frame == FRAME_RAW ? HEAD_RAW : 0) | (k->binary ? HEAD_BINARY : 0) |
		    (e->aud ? HEAD_AUD : 0) | (k->failed.p ? HEAD_FAILED : 0) |
		    (k->type.p ? HEAD_TYPE : 0) | HEAD_AT | (e->count ? HEAD_COUNT : 0);

	buf_char(out, HEAD_VERSION);
	buf_char(out, (char)flags);
	put_varint(out, (uint64_t)k->ec);
	if (k->type.p)
		put_bytes(out, k->type);
	if (k->failed.p)
		put_bytes(out, k->failed);
	put_varint(out, (uint64_t)e->at);
	if (e->count)
		put_varint(out, e->count);
	if (e->aud)
		put_varint(out, (uint64_t)e->aud->id);
	else
		roster_pack(e->roster, out);
}

static void rows_saved(struct roster *r)
{
	for (size_t i = 0; i < r->n; i++)
		r->m[i]->target->row = true;
	r->rows = ROWS_SAVED;
}

/* What relied on them fails by itself; the next event submits them again. */
static void rows_cb(void *arg, const struct store_done *d)
{
	struct rows *w = arg;

	if (ng.open && w->generation == ng.generation && d->rc == STORE_OK) {
		rows_saved(w->r);
	} else if (ng.open && w->generation == ng.generation) {
		log_warn("notify", "targets could not be saved, again soon reason=%s",
			 log_quote(str_of(d->msg)));
		w->r->aud->stored = false;
		w->r->rows = ROWS_NONE;
	}
	roster_unref(w->r);
	free(w);
}

static bool add_tgts(const struct roster *r, struct store_tx *tx)
{
	bool any = false;

	for (size_t i = 0; i < tgts.n; i++)
		store_tx_tgt_delete(tx, tgts.v[i]); /* a deleted one may have had the same key */
	for (size_t i = 0; i < r->n; i++) {
		struct target *t = r->m[i]->target;

		if (t->row)
			continue;
		store_tx_tgt(tx, t->id, t->key, t->saved);
		any = true;
	}
	return any;
}

static void add_aud(struct roster *r, struct store_tx *tx)
{
	struct buf b = BUF_INIT;

	if (!r->aud) {
		r->aud = xcalloc(1, sizeof(*r->aud));
		r->aud->id = keep_id();
		r->aud->refs = 1;
	}
	roster_pack(r, &b);
	store_tx_aud(tx, r->aud->id, buf_view(&b));
	buf_free(&b);
	r->aud->stored = true;
}

/* A large roster's rows have a transaction of their own, in front of those that refer to them: once
 * per version, not once per event, and whatever becomes of the event.  Until it is known to have
 * succeeded, the events make sure of it in their own. */
static void keep_rows(struct roster *r)
{
	struct store_tx *tx = store_tx_new(ng.o.store);
	struct rows *w = xcalloc(1, sizeof(*w));

	if (!meta_saved)
		add_meta(tx);
	add_tgts(r, tx);
	add_aud(r, tx);
	r->rows = ROWS_SUBMITTED;
	*w = (struct rows){ .generation = ng.generation, .r = r };
	r->refs++;
	store_commit(ng.o.store, tx, rows_cb, w);
}

static void need_rows(struct event *e, struct store_tx *tx)
{
	struct roster *r = e->roster;

	if (r->n <= INLINE_MEMBERS) {
		e->carries = add_tgts(r, tx);
		if (!e->carries)
			r->rows = ROWS_SAVED;
		return;
	}
	if (r->rows == ROWS_NONE)
		keep_rows(r);
	store_tx_aud_need(tx, r->aud->id);
}

/* A small roster's targets go with the event, and with the next ones until one is on disk. */
void keep_event(struct event *e, struct store_tx *tx)
{
	struct roster *r = e->roster;
	struct buf head = BUF_INIT;

	if (r->rows != ROWS_SAVED)
		need_rows(e, tx);
	if (!meta_saved)
		add_meta(tx);
	e->aud = r->aud;
	if (e->aud)
		e->aud->refs++;
	head_pack(e, &head);
	store_tx_ntf(tx, e->id, e->et, buf_view(&head), (struct str){ e->body, e->n });
	buf_free(&head);
}

static void add_state(struct target *t, int64_t cursor, struct store_tx *tx)
{
	struct buf v = BUF_INIT;
	char key[EXTRA_KEY];

	store_tx_tgt(tx, t->id, t->key, cursor);
	if (extra_pack(t, cursor, &v)) {
		store_tx_meta(tx, extra_key(t->id, key), buf_view(&v));
		t->extra_row = true;
	}
	buf_free(&v);
}

/* A cursor that a flush of the same moment writes may be older: the store keeps the newest.  What
 * lanes dropped must not be forgotten before their target's gap is known, nor come back when it is. */
void keep_cursor(struct target *t, int64_t cursor, struct store_tx *tx)
{
	struct target *real = t->real, *lane;

	if (!meta_saved)
		add_meta(tx);
	if (!real || !real->gap_dirty) {
		store_tx_tgt(tx, t->id, t->key, cursor);
		return;
	}
	add_state(real, real->saved, tx);
	add_state(t, cursor, tx);
	TAILQ_FOREACH(lane, &real->lanes, on_lanes)
	{
		if (lane != t && lane->lists & 1u << L_DIRTY)
			add_state(lane, target_cursor(lane), tx);
	}
}

void keep_published(struct event *e)
{
	if (e->carries)
		rows_saved(e->roster);
}

void keep_event_gone(int64_t id)
{
	if (!ng.open)
		return;
	ids_add(&done, id);
	keep_soon();
}

void keep_aud_gone(int64_t id)
{
	if (!ng.open)
		return;
	ids_add(&auds, id);
	keep_soon();
}

void keep_target_gone(int64_t id)
{
	if (!ng.open)
		return;
	ids_add(&tgts, id);
	keep_soon();
}

/* ---- saving ---------------------------------------------------------------------------------- */

void keep_soon(void)
{
	if (armed || saving || !ng.open)
		return;
	armed = true;
	net_timer_start(ng.flush, FLUSH_TIME);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void add_ranges(struct store_tx *tx, struct save *s)
{
	struct ids *l = &s->done;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), compare);
	for (size_t i = 0, j; i < l->n; i = j) {
		for (j = i + 1; j < l->n && l->v[j] <= l->v[j - 1] + 1; j++)
			continue;
		store_tx_ntf_delete(tx, l->v[i], l->v[j - 1]);
		s->ops++;
	}
}

/* What a cursor alone cannot say, while it matters. */
static void add_extra(struct store_tx *tx, struct save *s, struct target *t, int64_t cursor)
{
	struct event *oldest = TAILQ_FIRST(&ng.live);
	char key[EXTRA_KEY];
	struct buf v = BUF_INIT;
	bool row;

	if (t->torn <= cursor || !oldest || oldest->id > t->torn)
		t->torn = 0;
	if (!t->gap_dirty && !t->torn && !t->extra_row)
		return;
	t->gap_saving |= t->gap_dirty;
	t->gap_dirty = false;
	row = extra_pack(t, cursor, &v);
	if (row || t->extra_row) {
		store_tx_meta(tx, extra_key(t->id, key), row ? buf_view(&v) : STR_NONE);
		s->ops++;
	}
	t->extra_row = row;
	buf_free(&v);
}

/* A cursor matters only while a row that it covers is left: one of another target. */
static void add_target(struct store_tx *tx, struct save *s, struct target *t)
{
	struct event *oldest = TAILQ_FIRST(&ng.live);
	int64_t cursor = target_cursor(t);

	target_unlist(t, L_DIRTY);
	if (cursor < t->saved)
		cursor = t->saved;
	s->v[s->n++] = (struct saved){
		t, cursor, t->unsaved, t->gap_told ? t->gap_no : 0, t->gap_dirty, false
	};
	t->refs++;
	if (!t->row && !t->gap_dirty)
		return;
	if (!meta_saved && !t->row)
		add_meta(tx);
	if (!t->row || (cursor != t->saved && oldest && oldest->id <= cursor)) {
		store_tx_tgt(tx, t->id, t->key, cursor);
		s->v[s->n - 1].row = true;
		s->ops++;
	}
	add_extra(tx, s, t, cursor);
}

static void add_deletes(struct store_tx *tx, struct save *s)
{
	char key[EXTRA_KEY];

	for (size_t i = 0; i < s->auds.n; i++)
		store_tx_aud_delete(tx, s->auds.v[i]);
	for (size_t i = 0; i < s->tgts.n; i++) {
		store_tx_tgt_delete(tx, s->tgts.v[i]);
		store_tx_meta(tx, extra_key(s->tgts.v[i], key), STR_NONE);
	}
	s->ops += s->auds.n + s->tgts.n;
}

static void save_free(struct save *s)
{
	for (size_t i = 0; i < s->n; i++)
		target_unref(s->v[i].t);
	ids_free(&s->done);
	ids_free(&s->auds);
	ids_free(&s->tgts);
	free(s->v);
	free(s);
}

static void give_back(struct ids *to, const struct ids *from)
{
	for (size_t i = 0; i < from->n; i++)
		ids_add(to, from->v[i]);
}

static void save_failed(struct save *s, const char *msg)
{
	log_warn("notify", "deliveries could not be saved, again soon reason=%s",
		 log_quote(str_of(msg)));
	give_back(&done, &s->done);
	give_back(&auds, &s->auds);
	give_back(&tgts, &s->tgts);
	for (size_t i = 0; i < s->n; i++) {
		struct target *t = s->v[i].t;

		t->gap_saving = false;
		t->gap_dirty |= s->v[i].gap;
		t->extra_row = true; /* it may be there, it may not */
		target_list(t, L_DIRTY);
	}
	armed = true;
	net_timer_start(ng.flush, 1);
}

static void save_done(struct save *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct target *t = s->v[i].t;

		if (t->saved < s->v[i].cursor)
			t->saved = s->v[i].cursor;
		t->row |= s->v[i].row;
		t->gap_saving = false;
		gap_saved(t, s->v[i].gap_no);
		t->unsaved -= s->v[i].unsaved < t->unsaved ? s->v[i].unsaved : t->unsaved;
		send_want(t);
	}
	if (again)
		keep_flush();
	else if (!TAILQ_EMPTY(&ng.list[L_DIRTY]) || done.n || auds.n || tgts.n)
		keep_soon();
}

static void save_cb(void *arg, const struct store_done *d)
{
	struct save *s = arg;

	if (s->generation == ng.generation && ng.open) {
		saving = false;
		if (d->rc == STORE_OK)
			save_done(s);
		else
			save_failed(s, d->msg);
	}
	save_free(s);
}

static struct save *save_new(struct store_tx *tx)
{
	struct save *s = xcalloc(1, sizeof(*s));
	struct target *t;

	s->generation = ng.generation;
	s->done = done;
	s->auds = auds;
	s->tgts = tgts;
	done = auds = tgts = (struct ids){ NULL, 0, 0 };
	s->v = xmalloc(FLUSH_TARGETS * sizeof(*s->v));
	add_ranges(tx, s);
	while (s->n < FLUSH_TARGETS && (t = TAILQ_FIRST(&ng.list[L_DIRTY])))
		add_target(tx, s, t);
	add_deletes(tx, s);
	return s;
}

void keep_flush(void)
{
	struct store_tx *tx;
	struct save *s;

	again = saving;
	if (saving || !ng.open)
		return;
	armed = false;
	net_timer_stop(ng.flush);
	if (TAILQ_EMPTY(&ng.list[L_DIRTY]) && !done.n && !auds.n && !tgts.n)
		return;
	tx = store_tx_new(ng.o.store);
	s = save_new(tx);
	if (s->ops) {
		saving = true;
		store_commit(ng.o.store, tx, save_cb, s);
		return;
	}
	store_tx_free(tx);
	save_done(s);
	save_free(s);
}

/* What is dirty is submitted, however much it is. */
void keep_flush_all(void)
{
	do {
		saving = false;
		keep_flush();
	} while (!TAILQ_EMPTY(&ng.list[L_DIRTY]));
}

void keep_free(void)
{
	parked_free();
	ids_free(&done);
	ids_free(&auds);
	ids_free(&tgts);
	saving = again = armed = false;
}
