/*
 * notify_lane.c - lanes: targets that hold notices back.  What a lane holds is taken out by one
 * transaction that also stores what becomes of it, so a notice is either in its lane or on its way.
 * Guarantees: order; a lane is told of once until it is empty again; nothing of a lane is held in
 * memory but its place in the queue.
 * Never sends.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "log.h"

#define TOLD_PER_TURN 256u
#define READ_BYTES (4u * 1024 * 1024)
#define PREFIX 5 /* "lane:" */

struct reading {
	unsigned generation;
	struct target *t;
	lane_read_cb done;
	void *arg;
	int64_t after;
	size_t want, n;
	int64_t id[LANE_READ_MAX];
	struct event *e[LANE_READ_MAX]; /* held: their rows stay */
	struct str body[LANE_READ_MAX];
	struct lane_item item[LANE_READ_MAX];
};

/* ---- a lane and its target ------------------------------------------------------------------- */

static struct str real_key(struct str key)
{
	const char *at = memchr(key.p + PREFIX, ':', key.n - PREFIX);

	if (!at || (size_t)(at + 1 - key.p) == key.n)
		return STR_NONE;
	return (struct str){ at + 1, key.n - (size_t)(at + 1 - key.p) };
}

void lane_link(struct target *t)
{
	struct str key = real_key(t->key);

	if (t->real || !key.p || str_starts(key, STR("lane:")))
		return;
	t->real = target_get(key);
	t->real->refs++;
	target_unlist(t->real, L_IDLE);
	TAILQ_INSERT_TAIL(&t->real->lanes, t, on_lanes);
}

void lane_unlink(struct target *t)
{
	struct target *real = t->real;

	t->real = NULL;
	TAILQ_REMOVE(&real->lanes, t, on_lanes);
	target_unref(real);
}

/* fn may add targets. */
static void each_lane(void (*fn)(struct target *t))
{
	struct target **lane = xcalloc(ng.targets.n + 1, sizeof(struct target *));
	size_t n = 0;

	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			struct target *t = container_of(x, struct target, by_key);

			if (t->lane)
				lane[n++] = t;
		}
	}
	for (size_t i = 0; i < n; i++)
		fn(lane[i]);
	free(lane);
}

void lane_links(void)
{
	each_lane(lane_link);
}

void lane_clear(struct target *real)
{
	struct target *t;

	TAILQ_FOREACH(t, &real->lanes, on_lanes)
	target_clear(t, DROP_FORGOTTEN);
}

static struct target *lane_find(struct str key)
{
	struct target *t = ng.open ? target_find(key) : NULL;

	return t && t->lane ? t : NULL;
}

size_t lane_waiting(struct str key)
{
	const struct target *t = lane_find(key);

	return t ? t->count : 0;
}

int64_t lane_oldest(struct str key)
{
	const struct target *t = lane_find(key);

	for (size_t i = 0; t && i < t->q.n; i++) {
		if (ring_at(&t->q, i)->e)
			return ring_at(&t->q, i)->e->at;
	}
	return 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

void notify_on_lane(void (*fn)(void *arg, struct str key), void *arg)
{
	ng.on_lane = fn;
	ng.lane_arg = arg;
	if (ng.open && fn)
		each_lane(lane_kick); /* it comes after notify_open */
}

void lane_kick(struct target *t)
{
	if (t->count && ng.on_lane && (!t->lane_told || (t->watch && t->count >= t->watch)))
		target_list(t, L_LANE);
}

void lane_watch(struct str key, size_t n)
{
	struct target *t = lane_find(key);

	if (!t)
		return;
	t->watch = n;
	lane_kick(t);
}

void lane_turn(void)
{
	for (unsigned i = 0; i < TOLD_PER_TURN; i++) {
		struct target *t = TAILQ_FIRST(&ng.list[L_LANE]);

		if (!t)
			return;
		target_unlist(t, L_LANE);
		if (!t->count || !ng.on_lane)
			continue;
		t->refs++;
		t->lane_told = true;
		t->watch = 0;
		ng.on_lane(ng.lane_arg, t->key);
		target_unref(t);
	}
	if (!TAILQ_EMPTY(&ng.list[L_LANE]))
		tick_soon();
}

/* ---- reading --------------------------------------------------------------------------------- */

static size_t reading_find(const struct reading *r, int64_t id)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->id[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n && r->id[lo] == id ? lo : r->n;
}

static void take_rows(struct reading *r, const struct store_rows *rows)
{
	for (size_t i = 0; i < rows->nrows; i++) {
		const struct store_cell *c = &rows->cell[i * rows->ncols];
		size_t at = reading_find(r, c[0].i);

		if (at < r->n && c[2].s.n == r->e[at]->n)
			r->body[at] = c[2].s.p ? c[2].s : STR("");
	}
}

static bool is_lost(const struct notice *n, void *arg)
{
	(void)arg;
	return n->e->lost;
}

static void item_set(struct lane_item *to, const struct event *e, struct str body)
{
	*to = (struct lane_item){ .id = e->id,
				  .et = e->et,
				  .ec = e->kind->ec,
				  .raw = e->kind->frame == FRAME_RAW,
				  .binary = e->kind->binary,
				  .type = e->kind->type,
				  .body = body };
}

/* Those that are still there: something may have been dropped meanwhile. */
static size_t items(struct reading *r)
{
	bool lost = false;
	size_t n = 0;

	for (size_t i = 0; i < r->t->q.n; i++) {
		const struct notice *x = ring_at(&r->t->q, i);
		size_t at = x->e ? reading_find(r, x->id) : r->n;

		if (at == r->n)
			continue;
		if (r->body[at].p) {
			item_set(&r->item[n++], x->e, r->body[at]);
			continue;
		}
		x->e->lost = lost = true;
		log_error("notify", "a notification that was held back is gone id=%lld",
			  (long long)x->id);
	}
	if (lost)
		drop_where(r->t, is_lost, NULL, DROP_LOST, true);
	return n;
}

static void let_go(struct reading *r)
{
	for (size_t i = 0; i < r->n; i++)
		event_unref(r->e[i]);
	r->n = 0;
}

static void collect(struct reading *r)
{
	size_t bytes = 0;

	for (size_t i = 0; i < r->t->q.n && r->n < r->want; i++) {
		const struct notice *x = ring_at(&r->t->q, i);

		if (!x->e || x->id <= r->after)
			continue;
		if (r->n && bytes + x->e->n > READ_BYTES)
			return;
		bytes += x->e->n;
		r->id[r->n] = x->id;
		r->body[r->n] = STR_NONE;
		r->e[r->n++] = x->e;
		x->e->refs++;
	}
}

static void was_read(void *arg, const struct store_rows *rows)
{
	struct reading *r = arg;
	struct target *t = r->t;
	bool ours = r->generation == ng.generation && ng.open;
	const char *error = ours ? rows->error : "the notification engine was stopped";
	size_t n = 0;

	if (!error) {
		take_rows(r, rows);
		n = items(r);
	}
	if (!error && n == 0) { /* all were dropped meanwhile */
		let_go(r);
		collect(r);
		if (r->n) {
			store_pend(ng.o.store, r->id, r->n, was_read, r);
			return;
		}
	}
	r->done(r->arg, r->item, n, error);
	let_go(r);
	target_unref(t);
	free(r);
}

void lane_read(struct str key, unsigned n, int64_t after, lane_read_cb done, void *arg)
{
	struct target *t = lane_find(key);
	struct reading *r = t && t->count ? xmalloc(sizeof(*r)) : NULL;

	if (r) {
		r->t = t;
		r->n = 0;
		r->after = after;
		r->want = n < LANE_READ_MAX ? n : LANE_READ_MAX;
		collect(r);
	}
	if (!r || r->n == 0) {
		free(r);
		done(arg, NULL, 0, NULL);
		return;
	}
	r->generation = ng.generation;
	r->done = done;
	r->arg = arg;
	t->refs++;
	store_pend(ng.o.store, r->id, r->n, was_read, r);
}

/* ---- taking out ------------------------------------------------------------------------------ */

void lane_store_done(struct str key, int64_t id, struct store_tx *tx)
{
	struct target *t = lane_find(key);

	if (!t)
		return;
	t->taken = id;
	keep_cursor(t, id, tx);
}

void lane_done(struct str key, int64_t id)
{
	struct target *t = lane_find(key);

	if (!t)
		return;
	t->refs++;
	if (t->saved < id)
		t->saved = id;
	for (queue_tidy(t); t->q.n && ring_at(&t->q, 0)->id <= id; queue_tidy(t)) {
		struct notice n = *ring_at(&t->q, 0);

		queue_shift(t);
		ng.count[C_RELEASED]++;
		notice_done(t, n);
	}
	target_unref(t);
}

struct choice {
	const int64_t *id;
	size_t n;
	int64_t keep;
};

static bool chosen(const struct notice *n, void *arg)
{
	const struct choice *c = arg;

	if (!c->id)
		return n->id != c->keep;
	for (size_t i = 0; i < c->n; i++) {
		if (c->id[i] == n->id)
			return true;
	}
	return false;
}

static int64_t newest(const struct target *t)
{
	for (size_t i = t->q.n; i-- > 0;) {
		if (ring_at(&t->q, i)->e)
			return ring_at(&t->q, i)->id;
	}
	return 0;
}

static enum drop_reason reason_of(struct str name)
{
	for (int i = 0; i < DROPS; i++) {
		if (str_is(name, drop_name[i]))
			return (enum drop_reason)i;
	}
	return DROP_POLICY;
}

size_t lane_drop(struct str key, enum lane_drop which, const int64_t *id, size_t n,
		 struct str reason)
{
	struct target *t = lane_find(key);
	struct choice c = { which == LANE_THESE ? id : NULL, n, 0 };

	if (!t || (which == LANE_THESE && n == 0))
		return 0;
	if (which == LANE_BUT_NEWEST)
		c.keep = newest(t);
	return drop_where(t, chosen, &c, reason_of(reason), false);
}
