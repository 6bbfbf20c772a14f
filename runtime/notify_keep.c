/*
 * notify_keep.c - what of the engine is in the store: a row per event (`ntf`), per target (`tgt`,
 * with its cursor), per large audience (`aud`), and in `meta` the ids already given out and the
 * gaps not yet told.
 * Guarantees: rows an event refers to are submitted before the event's own transaction; a row goes
 * only when every notice of it is done, together with the cursors and gaps of the same moment; at
 * start the queues are as they were but for what was acknowledged within the last FLUSH_TIME.
 * Never waits: one transaction of its own is under way at a time.
 */
#include "notify_int.h"

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
	unsigned unsaved;
	bool gap;
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
	struct rows *next;
};

struct parked {
	int64_t id;
	size_t n;
	struct aud *aud;
};

static struct ids done, auds, tgts; /* rows to delete */
static struct rows *failed_rows;
static bool saving, again, armed;
static int64_t next_id, reserved;
static struct parked *parked;
static size_t parked_n, parked_head;

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

static void reserved_cb(void *arg, const struct store_done *d)
{
	(void)arg;
	if (d->rc != STORE_OK)
		log_warn("notify", "ids could not be reserved reason=%s",
			 log_quote(str_of(d->msg)));
}

/* Ids are never given out twice, whatever rows are left: a block of them is taken in advance. */
static void reserve(void)
{
	struct store_tx *tx = store_tx_new(ng.o.store);
	struct buf v = BUF_INIT;

	reserved = next_id + ID_BLOCK;
	buf_u64(&v, (uint64_t)reserved);
	store_tx_meta(tx, STR("notify_ids"), buf_view(&v));
	store_commit(ng.o.store, tx, reserved_cb, NULL);
	buf_free(&v);
}

int64_t keep_id(void)
{
	if (reserved - next_id < ID_BLOCK / 2)
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
	struct store_tx *tx;
	uint64_t nonce = 0;

	if (store_meta(ng.o.store, "slot_nonce", &v) && v.n == 16) {
		buf_char(&v, '\0');
		nonce = strtoull(v.p, NULL, 16);
	} else {
		nonce = random_u64();
		buf_clear(&v);
		buf_fmt(&v, "%016llx", (unsigned long long)nonce);
		tx = store_tx_new(ng.o.store);
		store_tx_meta(tx, STR("slot_nonce"), buf_view(&v));
		store_commit(ng.o.store, tx, reserved_cb, NULL);
	}
	buf_free(&v);
	return nonce;
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
	reserve();
	slots_init(load_nonce());
}

/* ---- events ---------------------------------------------------------------------------------- */

static void head_pack(const struct event *e, struct buf *out)
{
	const struct kind *k = e->kind;
	int flags = (k->frame == FRAME_RAW ? HEAD_RAW : 0) | (k->binary ? HEAD_BINARY : 0) |
		    (e->aud ? HEAD_AUD : 0) | (k->failed.p ? HEAD_FAILED : 0) |
		    (k->type.p ? HEAD_TYPE : 0);

	buf_char(out, HEAD_VERSION);
	buf_char(out, (char)flags);
	put_varint(out, (uint64_t)k->ec);
	if (k->type.p)
		put_bytes(out, k->type);
	if (k->failed.p)
		put_bytes(out, k->failed);
	if (e->aud)
		put_varint(out, (uint64_t)e->aud->id);
	else
		roster_pack(e->roster, out);
}

static void rows_cb(void *arg, const struct store_done *d)
{
	struct rows *w = arg;

	if (w->generation != ng.generation || d->rc == STORE_OK) {
		roster_unref(w->r);
		free(w);
		return;
	}
	log_warn("notify", "targets could not be saved, again soon reason=%s",
		 log_quote(str_of(d->msg)));
	for (size_t i = 0; i < w->r->n; i++) {
		if (w->r->m[i]->target->row == ROW_SAVED)
			w->r->m[i]->target->row = ROW_FAILED;
	}
	if (w->r->aud)
		w->r->aud->stored = false;
	w->r->saved = false;
	w->next = failed_rows;
	failed_rows = w;
	keep_soon();
}

static bool rows_fill(struct roster *r, struct store_tx *tx)
{
	bool any = false;

	for (size_t i = 0; i < r->n; i++) {
		struct target *t = r->m[i]->target;

		if (t->row == ROW_SAVED)
			continue;
		store_tx_tgt(tx, t->id, t->key, t->saved);
		t->row = ROW_SAVED;
		any = true;
	}
	if (r->n > INLINE_MEMBERS && !r->aud) {
		r->aud = xcalloc(1, sizeof(*r->aud));
		r->aud->id = keep_id();
		r->aud->refs = 1;
	}
	if (r->aud && !r->aud->stored) {
		struct buf b = BUF_INIT;

		roster_pack(r, &b);
		store_tx_aud(tx, r->aud->id, buf_view(&b));
		buf_free(&b);
		r->aud->stored = any = true;
	}
	return any;
}

void keep_rows(struct roster *r)
{
	struct store_tx *tx = store_tx_new(ng.o.store);
	struct rows *w;

	for (size_t i = 0; i < tgts.n; i++)
		store_tx_tgt_delete(tx, tgts.v[i]); /* a deleted one may have had the same key */
	r->saved = true;
	if (!rows_fill(r, tx)) {
		store_tx_free(tx);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	*w = (struct rows){ .generation = ng.generation, .r = r };
	r->refs++;
	store_commit(ng.o.store, tx, rows_cb, w);
}

void keep_event(struct event *e, struct store_tx *tx)
{
	struct buf head = BUF_INIT;

	if (!e->roster->saved)
		keep_rows(e->roster);
	e->aud = e->roster->aud;
	if (e->aud)
		e->aud->refs++;
	head_pack(e, &head);
	store_tx_ntf(tx, e->id, e->et, buf_view(&head), (struct str){ e->body, e->n });
	buf_free(&head);
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

/* The oldest make room for the newest. */
void keep_park(int64_t id, size_t notices, struct aud *aud)
{
	if (parked_n == PARKED_MAX) {
		struct parked *old = &parked[parked_head];

		keep_event_gone(old->id);
		ng.parked -= old->n;
		ng.dropped[DROP_OVERFLOW] += old->n;
		if (old->aud)
			aud_unref(old->aud);
		parked_head = (parked_head + 1) % PARKED_MAX;
		parked_n--;
	}
	if (!parked)
		parked = xcalloc(PARKED_MAX, sizeof(*parked));
	parked[(parked_head + parked_n++) % PARKED_MAX] = (struct parked){ id, notices, aud };
	ng.parked += notices;
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

struct str gap_key(int64_t tgt, char out[GAP_KEY])
{
	return (struct str){ out,
			     (size_t)snprintf(out, GAP_KEY, "gap.%llx", (unsigned long long)tgt) };
}

static void add_gap(struct store_tx *tx, struct save *s, struct target *t)
{
	char key[GAP_KEY];
	struct buf v = BUF_INIT;
	struct member *m;

	t->gap_dirty = false;
	if (t->gap + t->gap_told == 0 && !t->gap_row)
		return;
	t->gap_row = t->gap + t->gap_told > 0;
	TAILQ_FOREACH(m, &t->gap_list, on_gap)
	{
		put_varint(&v, (uint64_t)m->sub->id);
		put_bytes(&v, m->sub->sur.raw);
		put_varint(&v, m->gap + m->gap_told);
	}
	store_tx_meta(tx, gap_key(t->id, key), t->gap_row ? buf_view(&v) : STR_NONE);
	buf_free(&v);
	s->ops++;
}

/* A cursor matters only while a row that it covers is left: one of another target. */
static void add_target(struct store_tx *tx, struct save *s, struct target *t)
{
	struct event *oldest = TAILQ_FIRST(&ng.live);
	int64_t cursor = target_cursor(t);

	target_unlist(t, L_DIRTY);
	if (cursor < t->saved)
		cursor = t->saved;
	s->v[s->n++] = (struct saved){ t, cursor, t->unsaved, t->gap_dirty };
	t->refs++;
	if (t->row == ROW_NONE)
		return;
	if (t->row == ROW_FAILED || (cursor != t->saved && oldest && oldest->id <= cursor)) {
		store_tx_tgt(tx, t->id, t->key, cursor);
		t->row = ROW_SAVED;
		s->ops++;
	}
	if (t->gap_dirty)
		add_gap(tx, s, t);
}

static void add_deletes(struct store_tx *tx, struct save *s)
{
	char key[GAP_KEY];

	for (size_t i = 0; i < s->auds.n; i++)
		store_tx_aud_delete(tx, s->auds.v[i]);
	for (size_t i = 0; i < s->tgts.n; i++) {
		store_tx_tgt_delete(tx, s->tgts.v[i]);
		store_tx_meta(tx, gap_key(s->tgts.v[i], key), STR_NONE);
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

		t->gap_dirty |= s->v[i].gap;
		target_list(t, L_DIRTY);
	}
	armed = true;
	net_timer_start(ng.flush, 1);
}

static void save_done(struct save *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct target *t = s->v[i].t;

		t->saved = s->v[i].cursor;
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

static void retry_rows(void)
{
	struct rows *w;

	while ((w = failed_rows)) {
		failed_rows = w->next;
		keep_rows(w->r);
		roster_unref(w->r);
		free(w);
	}
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
	if (failed_rows)
		retry_rows();
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
	struct rows *w;

	while ((w = failed_rows)) {
		failed_rows = w->next;
		roster_unref(w->r);
		free(w);
	}
	for (; parked_n; parked_n--) {
		if (parked[parked_head].aud)
			aud_unref(parked[parked_head].aud);
		parked_head = (parked_head + 1) % PARKED_MAX;
	}
	free(parked);
	parked = NULL;
	parked_head = 0;
	ids_free(&done);
	ids_free(&auds);
	ids_free(&tgts);
	saving = again = armed = false;
}
