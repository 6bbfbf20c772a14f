/*
 * notify_restore.c - what comes back from the store: all queues at start, without bodies, and the
 * bodies of kept notices, some at a time, when their target can be sent to.
 * Guarantees: a damaged row is named in the log and left out, the others are kept; one read per
 * target is under way at a time, and a body that one target asked for serves the others that wait
 * for it.
 */
#include "notify_head.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"

#define OPEN_MAX 4096u /* open notices remembered below a torn place */

struct restored { /* an audience row */
	struct aud *aud;
	struct roster *r;
};
struct restoring {
	struct restored *v;
	size_t n, cap;
	struct roster *r; /* being filled */
};

/* ---- what is remembered of a target besides its cursor --------------------------------------- */

struct str extra_key(int64_t tgt, char out[EXTRA_KEY])
{
	return (struct str){ out, (size_t)snprintf(out, EXTRA_KEY, "tgt.%llx",
						   (unsigned long long)tgt) };
}

static bool pack_notice(const struct notice *x, struct buf *out, size_t *n)
{
	if (++*n > OPEN_MAX)
		return false;
	put_varint(out, (uint64_t)x->id);
	put_varint(out, (uint64_t)x->m->sub->id);
	return true;
}

/* Appends the notices of r up to t->torn; false: too many to be worth it. */
static bool pack_ring(const struct target *t, const struct ring *r, struct buf *out, size_t *n)
{
	for (size_t i = 0; i < r->n && ring_at(r, i)->id <= t->torn; i++) {
		const struct notice *x = ring_at(r, i);

		if (x->e && !pack_notice(x, out, n))
			return false;
	}
	return true;
}

/* The notices up to t->torn that are not done, ids ascending. */
static bool pack_open(const struct target *t, struct buf *out, size_t *n)
{
	const struct notice *post = &t->post.n;

	if (t->post.state && post->e && post->id <= t->torn && !pack_notice(post, out, n))
		return false;
	return pack_ring(t, &t->late, out, n) && pack_ring(t, &t->fly, out, n) &&
	       pack_ring(t, &t->q, out, n);
}

/* False: there is nothing to remember. */
bool extra_pack(const struct target *t, int64_t cursor, struct buf *out)
{
	struct buf open = BUF_INIT;
	struct member *m;
	size_t n = 0;
	bool torn = t->torn > cursor && pack_open(t, &open, &n);

	put_varint(out, torn ? (uint64_t)t->torn : 0);
	put_varint(out, torn ? n : 0);
	if (torn)
		buf_str(out, buf_view(&open));
	buf_free(&open);
	TAILQ_FOREACH(m, &t->gap_list, on_gap)
	{
		put_varint(out, (uint64_t)m->sub->id);
		put_bytes(out, m->sub->sur.raw);
		put_varint(out, m->gap + m->gap_told);
	}
	return torn || t->gap + t->gap_told > 0;
}

static bool parse_open(struct target *t, struct str *s)
{
	uint64_t torn, n, id, sub;

	if (!get_varint(s, &torn) || !get_varint(s, &n) || n > OPEN_MAX)
		return false;
	t->torn = (int64_t)torn;
	t->open = n ? xcalloc(n, sizeof(*t->open)) : NULL;
	for (t->nopen = 0; t->nopen < n; t->nopen++) {
		if (!get_varint(s, &id) || !get_varint(s, &sub))
			return false;
		t->open[t->nopen] = (struct open){ (int64_t)id, (int64_t)sub };
	}
	return true;
}

static void parse_gap(struct target *t, struct str *s)
{
	uint64_t sub, n;
	struct str sur;

	while (get_varint(s, &sub) && get_bytes(s, &sur) && get_varint(s, &n)) {
		struct member *m = member_get((int64_t)sub, sur, STR_NONE, t);

		m->gap = n;
		m->in_gap = true;
		m->refs++;
		TAILQ_INSERT_TAIL(&t->gap_list, m, on_gap);
		t->gap += n;
	}
}

static void restore_extra(struct target *t)
{
	char key[EXTRA_KEY];
	struct buf v = BUF_INIT;
	struct str s;

	extra_key(t->id, key);
	if (store_meta(ng.o.store, key, &v)) {
		s = buf_view(&v);
		if (parse_open(t, &s))
			parse_gap(t, &s);
		t->extra_row = true;
	}
	buf_free(&v);
}

static bool is_done(const struct target *t, int64_t id, int64_t sub)
{
	size_t lo = 0, hi = t->nopen;

	if (id <= t->saved)
		return true;
	if (id > t->torn)
		return false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->open[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < t->nopen && t->open[lo].id == id; lo++) {
		if (t->open[lo].sub == sub)
			return false;
	}
	return true;
}

/* ---- start ----------------------------------------------------------------------------------- */

static void restore_tgt(void *arg, int64_t id, struct str key, int64_t acked)
{
	struct target *t = target_restore(id, key, acked);

	(void)arg;
	if (!t) {
		keep_target_gone(id);
		return;
	}
	restore_extra(t);
	target_rest(t);
}

static void restore_member(void *arg, int64_t sub, int64_t tgt, struct str sur, struct str cr)
{
	struct restoring *w = arg;
	struct target *t = target_by_id(tgt);
	struct member *m;

	if (!t)
		return; /* its AE is gone */
	if (w->r->n == w->r->cap) {
		w->r->cap = w->r->cap * 2;
		w->r = xrealloc(w->r, sizeof(*w->r) + w->r->cap * sizeof(w->r->m[0]));
	}
	m = member_get(sub, sur, cr, t);
	m->refs++;
	w->r->m[w->r->n++] = m;
}

static struct roster *restore_roster(struct restoring *w, struct str text)
{
	w->r = xmalloc(sizeof(*w->r) + INLINE_MEMBERS * sizeof(w->r->m[0]));
	*w->r = (struct roster){ .refs = 1, .cap = INLINE_MEMBERS };
	if (!roster_parse(text, restore_member, w))
		log_error("notify", "a stored list of members is damaged bytes=%zu", text.n);
	return w->r;
}

static void restore_aud(void *arg, int64_t id, struct str members)
{
	struct restoring *w = arg;
	struct aud *a = xcalloc(1, sizeof(*a));

	*a = (struct aud){ .id = id, .refs = 2, .stored = true };
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
	}
	w->v[w->n] = (struct restored){ a, restore_roster(w, members) };
	w->v[w->n].r->aud = a;
	w->v[w->n++].r->rows = ROWS_SAVED;
}

static struct restored *find_aud(const struct restoring *w, int64_t id)
{
	size_t lo = 0, hi = w->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->v[mid].aud->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->n && w->v[lo].aud->id == id ? &w->v[lo] : NULL;
}

bool head_parse(struct str *s, struct event_opts *o, char **name, int *flags, int64_t *at)
{
	struct str failed;
	uint64_t ec, wall = 0, count = 0;

	if (s->n < 2 || s->p[0] != HEAD_VERSION)
		return false;
	*flags = (unsigned char)s->p[1];
	s->p += 2;
	s->n -= 2;
	if (!get_varint(s, &ec) || ((*flags & HEAD_TYPE) && !get_bytes(s, &o->type)))
		return false;
	if (*flags & HEAD_FAILED) {
		if (!get_bytes(s, &failed))
			return false;
		o->format_failed = *name = xstrndup(failed.p, failed.n);
	}
	if (((*flags & HEAD_AT) && !get_varint(s, &wall)) ||
	    ((*flags & HEAD_COUNT) && !get_varint(s, &count)))
		return false;
	*at = (int64_t)wall;
	o->count = (unsigned)count;
	o->frame = *flags & HEAD_RAW ? FRAME_RAW : FRAME_PRIMITIVE;
	o->binary = *flags & HEAD_BINARY;
	o->ec = (int)ec;
	return true;
}

static void restore_notices(struct event *e, struct roster *r)
{
	TAILQ_INSERT_TAIL(&ng.live, e, on_live);
	if (e->kind->failed.p) {
		parked_add(e, r);
	}
	for (size_t i = 0; !e->abandoned && i < r->n; i++) {
		struct target *t = r->m[i]->target;

		if (!is_done(t, e->id, r->m[i]->sub->id))
			target_push(t, e, r->m[i]);
	}
	event_unref(e);
}

static void restore_ntf(void *arg, int64_t id, int64_t et, struct str members, size_t body_len)
{
	struct restoring *w = arg;
	struct event_opts o = { .type = STR_NONE };
	struct restored *a = NULL;
	struct event *e;
	struct roster *r;
	char *name = NULL;
	uint64_t aud;
	int64_t at;
	int flags;

	if (!head_parse(&members, &o, &name, &flags, &at) ||
	    ((flags & HEAD_AUD) &&
	     (!get_varint(&members, &aud) || !(a = find_aud(w, (int64_t)aud))))) {
		log_error("notify", "a kept notification is damaged and left out id=%lld",
			  (long long)id);
		free(name);
		return;
	}
	e = event_restore(id, et, &o, body_len);
	e->at = at;
	free(name);
	if (a) {
		e->aud = a->aud;
		e->aud->refs++;
	}
	r = a ? a->r : restore_roster(w, members);
	restore_notices(e, r);
	if (!a)
		roster_unref(r);
}

void keep_restore(void)
{
	struct restoring w = { NULL, 0, 0, NULL };

	store_scan_tgt(ng.o.store, restore_tgt, &w);
	lane_links();
	store_scan_aud(ng.o.store, restore_aud, &w);
	ng.restoring = true;
	store_scan_ntf(ng.o.store, restore_ntf, &w);
	ng.restoring = false;
	for (size_t i = 0; i < w.n; i++) {
		roster_unref(w.v[i].r);
		aud_unref(w.v[i].aud);
	}
	free(w.v);
	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			struct target *t = container_of(x, struct target, by_key);

			free(t->open);
			t->open = NULL;
		}
	}
	ng.count[C_NOTICES] = 0;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

struct fetch {
	unsigned generation;
	struct target *t;
	size_t n;
	int64_t id[FETCH_COUNT];
	struct event *e[FETCH_COUNT]; /* held */
};

static struct event *fetch_find(const struct fetch *f, int64_t id)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->id[i] == id)
			return f->e[i];
	}
	return NULL;
}

static void take_rows(struct fetch *f, const struct store_rows *r)
{
	for (size_t i = 0; i < r->nrows; i++) {
		const struct store_cell *c = &r->cell[i * r->ncols];
		struct event *e = fetch_find(f, c[0].i);

		if (e && !e->body && c[2].s.n == e->n)
			event_body(e, c[2].s);
	}
	for (size_t i = 0; i < f->n; i++) {
		if (f->e[i]->body)
			continue;
		f->e[i]->lost = true;
		log_error("notify", "a kept notification is gone from the store id=%lld",
			  (long long)f->id[i]);
	}
}

static void fetched(void *arg, const struct store_rows *r)
{
	struct fetch *f = arg;
	struct target *t = f->t;
	bool ours = f->generation == ng.generation && ng.open;

	t->fetch = NULL;
	for (size_t i = 0; i < f->n; i++) {
		f->e[i]->loading = false;
		event_heat(f->e[i]);
	}
	if (ours && r->error) {
		log_error("notify", "kept notifications could not be read, again soon reason=%s",
			  log_quote(str_of(r->error)));
		target_list(t, L_STARVED);
		tick_need();
	} else if (ours) {
		take_rows(f, r);
		target_warm(t);
		target_kick(t);
		keep_fed();
	}
	for (size_t i = 0; i < f->n; i++) {
		event_cool(f->e[i]);
		event_unref(f->e[i]);
	}
	target_unref(t);
	free(f);
}

/* The next events of t's queue that are not in memory, up to the first that another one loads. */
static void collect(const struct target *t, struct fetch *f)
{
	size_t bytes = 0;

	for (size_t i = t->hot; i < t->q.n && f->n < FETCH_COUNT && bytes < HOT_BYTES; i++) {
		struct event *e = ring_at(&t->q, i)->e;

		if (!e || e->body || e->lost || (f->n && f->e[f->n - 1] == e))
			continue;
		if (e->loading)
			break;
		f->id[f->n] = e->id;
		f->e[f->n++] = e;
		bytes += e->n;
	}
}

void keep_fetch(struct target *t)
{
	struct fetch *f;

	if (t->fetch || t->lists & 1u << L_STARVED)
		return;
	f = xcalloc(1, sizeof(*f));
	collect(t, f);
	if (f->n == 0) {
		free(f);
		target_list(t, L_STARVED);
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		f->e[i]->loading = true;
		f->e[i]->refs++;
	}
	f->generation = ng.generation;
	f->t = t;
	t->fetch = f;
	t->refs++;
	store_pend(ng.o.store, f->id, f->n, fetched, f);
}

void keep_fed(void)
{
	struct target *last = TAILQ_LAST(&ng.list[L_STARVED], target_list), *t;

	while (last) {
		t = TAILQ_FIRST(&ng.list[L_STARVED]);
		target_unlist(t, L_STARVED);
		target_warm(t);
		target_kick(t);
		if (t == last)
			break;
	}
}
