/*
 * notify_target.c - targets and their queues.  A notice is in `q` (waiting), `fly` (sent, not
 * answered), `late` (its answer did not come; sent again on the next connection) or in `post`
 * (being sent to a URL); the ids ascend within late, fly, q and from one to the next.
 * Guarantees: O(1) per notice; count and bytes of a target are bounded, the oldest that is not in
 * flight goes first and is counted; only a leading part of q (hot entries) holds bodies in memory.
 * Never sends.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "clock.h"

/* ---- lists ----------------------------------------------------------------------------------- */

void target_list(struct target *t, enum target_list_id l)
{
	if (t->lists & 1u << l)
		return;
	t->lists |= (uint16_t)(1u << l);
	TAILQ_INSERT_TAIL(&ng.list[l], t, on[l]);
	ng.idle += l == L_IDLE;
}

void target_unlist(struct target *t, enum target_list_id l)
{
	if (!(t->lists & 1u << l))
		return;
	t->lists &= (uint16_t) ~(1u << l);
	TAILQ_REMOVE(&ng.list[l], t, on[l]);
	ng.idle -= l == L_IDLE;
}

/* ---- the table ------------------------------------------------------------------------------- */

struct target *target_find(struct str key)
{
	struct node *n = map_first(&ng.targets, hash_bytes(key));

	for (; n; n = map_next(n)) {
		struct target *t = container_of(n, struct target, by_key);

		if (str_eq(t->key, key))
			return t;
	}
	return NULL;
}

struct target *target_by_id(int64_t id)
{
	struct node *n = map_first(&ng.ids, hash_int((uint64_t)id));

	for (; n; n = map_next(n)) {
		struct target *t = container_of(n, struct target, by_id);

		if (t->id == id)
			return t;
	}
	return NULL;
}

static struct target *target_new(int64_t id, struct str key)
{
	struct target *t = xcalloc(1, sizeof(*t));

	t->id = id;
	t->key = (struct str){ xstrndup(key.p, key.n), key.n };
	t->base = (uint64_t)1 << 32;
	TAILQ_INIT(&t->gap_list);
	map_add(&ng.targets, &t->by_key, hash_bytes(key));
	map_add(&ng.ids, &t->by_id, hash_int((uint64_t)id));
	t->url = url_is(key);
	if (t->url)
		url_own(t);
	else
		text_set(&t->to, key);
	return t;
}

struct target *target_get(struct str key)
{
	struct target *t = target_find(key);
	struct session *s;

	if (t)
		return t;
	t = target_new(keep_id(), key);
	s = t->url || !ng.open ? NULL : session_of(key);
	if (s)
		send_attach(t, s);
	if (ng.open)
		target_rest(t);
	return t;
}

struct target *target_restore(int64_t id, struct str key, int64_t acked)
{
	struct target *t = target_find(key) ? NULL : target_new(id, key);

	if (!t)
		return NULL;
	t->row = ROW_SAVED;
	t->saved = t->last = acked;
	return t;
}

void target_free(struct target *t)
{
	if (t->link)
		send_detach(t);
	for (int l = 0; l < LISTS; l++)
		target_unlist(t, l);
	map_del(&ng.targets, &t->by_key);
	map_del(&ng.ids, &t->by_id);
	url_free(t);
	ring_free(&t->q);
	ring_free(&t->fly);
	ring_free(&t->late);
	text_free(&t->to);
	free((char *)t->key.p);
	free(t);
}

void target_rest(struct target *t)
{
	if (t->refs || t->count || t->gap || t->gap_told || t->gap_dirty)
		return;
	if (!ng.open) {
		target_free(t);
		return;
	}
	target_list(t, L_IDLE);
	while (ng.idle > IDLE_TARGETS) {
		struct target *old = TAILQ_FIRST(&ng.list[L_IDLE]);

		if (old->refs) { /* something is under way; it comes back */
			target_unlist(old, L_IDLE);
			continue;
		}
		if (old->row != ROW_NONE)
			keep_target_gone(old->id);
		target_free(old);
	}
}

void target_unref(struct target *t)
{
	if (--t->refs == 0)
		target_rest(t);
}

/* ---- the books ------------------------------------------------------------------------------- */

/* Lowest id that is not done, minus 1: what the store may forget. */
int64_t target_cursor(const struct target *t)
{
	const struct ring *r[3] = { &t->late, &t->fly, &t->q };

	if (t->post.n.e && t->post.state)
		return t->post.n.id - 1;
	for (int k = 0; k < 3; k++) {
		for (size_t i = 0; i < r[k]->n; i++) {
			if (ring_at(r[k], i)->e)
				return ring_at(r[k], i)->id - 1;
		}
	}
	return t->last;
}

/* Done before an older one: the cursor cannot say so. */
static void tear(struct target *t, int64_t id)
{
	if (id > t->torn && target_cursor(t) < id)
		t->torn = id;
}

void notice_done(struct target *t, struct notice n)
{
	if (t->late.n)
		tear(t, n.id);
	t->count--;
	t->bytes -= n.e->n;
	ng.total--;
	ng.bytes -= n.e->n;
	t->unsaved++;
	n.m->waiting--;
	if (t->count == 0)
		target_unlist(t, L_KEPT);
	target_list(t, L_DIRTY);
	if (t->unsaved >= ng.o.window / 4 + 1)
		keep_flush();
	else
		keep_soon();
	event_unref(n.e);
	t->refs++;
	member_unref(n.m);
	target_unref(t);
}

void notice_delivered(struct target *t, struct notice n)
{
	struct sub *s = n.m->sub;

	ng.count[C_ACKNOWLEDGED]++;
	if (ng.on_delivered && !s->dead) {
		s->delivered++;
		if (!s->telling)
			TAILQ_INSERT_TAIL(&ng.told, s, on_told);
		s->telling = true;
	}
	notice_done(t, n);
}

static void gap_count(struct target *t, struct member *m)
{
	t->gap++;
	t->gap_dirty = true;
	m->gap++;
	if (m->in_gap)
		return;
	m->in_gap = true;
	m->refs++;
	TAILQ_INSERT_TAIL(&t->gap_list, m, on_gap);
}

void notice_dropped(struct target *t, struct notice n, enum drop_reason why)
{
	ng.dropped[why]++;
	tear(t, n.id);
	if (!t->url && why != DROP_FORGOTTEN && why != DROP_REPLACED)
		gap_count(t, n.m);
	notice_done(t, n);
}

/* The gap notice was received: what it told is done with. */
void target_gap_clear(struct target *t)
{
	struct member *next;

	t->gap_told = 0;
	t->gap_sent = false;
	t->gap_dirty = true;
	target_list(t, L_DIRTY);
	keep_soon();
	for (struct member *m = TAILQ_FIRST(&t->gap_list); m; m = next) {
		next = TAILQ_NEXT(m, on_gap);
		m->gap_told = 0;
		if (m->gap)
			continue;
		TAILQ_REMOVE(&t->gap_list, m, on_gap);
		m->in_gap = false;
		t->refs++;
		member_unref(m);
		t->refs--;
	}
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void unhold(struct target *t, const struct notice *n)
{
	t->hot_bytes -= n->e->n;
	event_cool(n->e);
}

/* q's entry i leaves; its place stays until it comes to the front. */
static void hole(struct target *t, size_t i)
{
	struct notice *n = ring_at(&t->q, i);

	if (i < t->hot)
		unhold(t, n);
	if (n->m->has_latest && n->m->latest == t->base + i)
		n->m->has_latest = false;
	n->e = NULL;
	t->holes++;
}

static void shift(struct target *t)
{
	struct notice *n = ring_at(&t->q, 0);

	if (n->e && n->m->has_latest && n->m->latest == t->base)
		n->m->has_latest = false;
	if (!n->e)
		t->holes--;
	if (t->hot)
		t->hot--;
	ring_shift(&t->q, 1);
	t->base++;
}

/* Leading empty places go at once; many in the middle are closed up. */
static void tidy(struct target *t)
{
	struct ring *q = &t->q;
	size_t to = 0, hot = 0;

	while (q->n && !ring_at(q, 0)->e)
		shift(t);
	if (t->holes < 64 || t->holes * 2 < q->n)
		return;
	for (size_t i = 0; i < q->n; i++) {
		struct notice n = *ring_at(q, i);

		if (!n.e)
			continue;
		hot += i < t->hot;
		if (n.m->has_latest && n.m->latest == t->base + i)
			n.m->latest = t->base + to;
		*ring_at(q, to++) = n;
	}
	q->n = to;
	t->hot = hot;
	t->holes = 0;
}

static void drop_at(struct target *t, size_t i, enum drop_reason why)
{
	struct notice n = *ring_at(&t->q, i);

	hole(t, i);
	tidy(t);
	t->refs++;
	notice_dropped(t, n, why);
	t->refs--;
}

/* False: all that is left is in flight. */
static bool drop_oldest(struct target *t, enum drop_reason why)
{
	struct notice n;

	if (t->late.n) {
		n = *ring_at(&t->late, 0);
		ring_shift(&t->late, 1);
		ring_trim(&t->late);
		notice_dropped(t, n, why);
		return true;
	}
	tidy(t);
	if (t->q.n == 0)
		return false;
	drop_at(t, 0, why);
	return true;
}

static void make_room(struct target *t, size_t n)
{
	while ((t->count >= ng.o.max_count || t->bytes + n > ng.o.max_bytes ||
		(ng.total >= TOTAL_MAX && t->count)) &&
	       drop_oldest(t, DROP_OVERFLOW))
		continue;
}

/* ec 4: the one that waits gives way to the newer. */
static void replace(struct target *t, struct member *m)
{
	if (m->has_latest)
		drop_at(t, (size_t)(m->latest - t->base), DROP_REPLACED);
}

static bool unwanted(const struct target *t, const struct member *m)
{
	return t->gone || m->sub->dead;
}

void target_push(struct target *t, struct event *e, struct member *m)
{
	ng.count[C_NOTICES]++;
	t->last = e->id;
	if (unwanted(t, m)) {
		ng.dropped[DROP_FORGOTTEN]++;
		t->unsaved++;
		target_list(t, L_DIRTY);
		keep_soon();
		return;
	}
	if (t->count)
		make_room(t, e->n);
	if (e->kind->ec == 4)
		replace(t, m);
	ring_push(&t->q, (struct notice){ .e = e, .m = m, .id = e->id });
	if (e->kind->ec == 4) {
		m->latest = t->base + t->q.n - 1;
		m->has_latest = true;
	}
	e->refs++;
	m->refs++;
	m->waiting++;
	t->count++;
	t->bytes += e->n;
	ng.total++;
	ng.bytes += e->n;
	target_unlist(t, L_IDLE);
	if (ng.o.max_age > 0)
		target_list(t, L_KEPT);
	target_warm(t);
	target_kick(t);
}

void target_requeue(struct target *t, struct notice n)
{
	n.due = 0;
	if (unwanted(t, n.m)) {
		notice_dropped(t, n, DROP_FORGOTTEN);
		return;
	}
	if (n.e->kind->ec == 4 && n.m->has_latest) {
		notice_dropped(t, n, DROP_REPLACED);
		return;
	}
	target_cool(t); /* the held ones are the first ones */
	ring_unshift(&t->q, n);
	t->base--;
	if (n.e->kind->ec == 4) {
		n.m->latest = t->base;
		n.m->has_latest = true;
	}
}

void target_hold_shift(struct target *t)
{
	t->hot_bytes -= ring_at(&t->q, 0)->e->n;
	shift(t);
}

static bool expired(const struct event *e, int64_t now)
{
	return e->et != STORE_NULL && e->et <= now;
}

struct notice *target_front(struct target *t)
{
	int64_t now = ng.o.max_age > 0 ? clock_wall() : 0;

	for (;;) {
		struct notice *n;

		tidy(t);
		if (t->q.n == 0)
			return NULL;
		n = ring_at(&t->q, 0);
		if (unwanted(t, n->m))
			drop_at(t, 0, DROP_FORGOTTEN);
		else if (expired(n->e, now))
			drop_at(t, 0, DROP_AGE);
		else if (n->e->lost)
			drop_at(t, 0, DROP_LOST);
		else
			break;
	}
	target_warm(t);
	return t->hot ? ring_at(&t->q, 0) : NULL;
}

bool target_expire(struct target *t)
{
	int64_t now = clock_wall();
	bool any = false;

	while (t->late.n && expired(ring_at(&t->late, 0)->e, now)) {
		drop_oldest(t, DROP_AGE);
		any = true;
	}
	for (tidy(t); t->q.n && expired(ring_at(&t->q, 0)->e, now); tidy(t)) {
		drop_at(t, 0, DROP_AGE);
		any = true;
	}
	return any;
}

/* Its connection or its routes can take something: now, or at the end of the turn. */
void target_kick(struct target *t)
{
	if (t->link)
		send_want(t);
	else if (t->count || t->routes_wanted)
		target_list(t, L_KICK);
}

/* ---- memory ---------------------------------------------------------------------------------- */

bool target_live(const struct target *t)
{
	return t->link || (t->nroutes && !t->retry_at);
}

static bool affordable(const struct target *t, const struct event *e)
{
	return t->hot_bytes == 0 || (t->hot_bytes + e->n <= HOT_BYTES && t->hot < HOT_COUNT);
}

void target_warm(struct target *t)
{
	if (!target_live(t))
		return;
	for (; t->hot < t->q.n; t->hot++) {
		struct notice *n = ring_at(&t->q, t->hot);

		if (!n->e)
			continue;
		if (!affordable(t, n->e))
			return;
		if (!n->e->body && !n->e->lost)
			break;
		event_heat(n->e);
		t->hot_bytes += n->e->n;
	}
	if (t->hot < t->q.n && t->hot < FETCH_LOW)
		keep_fetch(t);
}

void target_cool(struct target *t)
{
	for (size_t i = 0; i < t->hot; i++) {
		if (ring_at(&t->q, i)->e)
			unhold(t, ring_at(&t->q, i));
	}
	t->hot = 0;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

void target_sweep(struct target *t)
{
	t->refs++;
	for (size_t i = 0; i < t->q.n; i++) {
		struct notice n = *ring_at(&t->q, i);

		if (!n.e || !n.m->sub->dead)
			continue;
		hole(t, i);
		notice_dropped(t, n, DROP_FORGOTTEN);
	}
	tidy(t);
	target_unref(t);
}

static void clear_ring(struct target *t, struct ring *r, enum drop_reason why)
{
	while (r->n) {
		struct notice n = *ring_at(r, 0);

		ring_shift(r, 1);
		if (n.e)
			notice_dropped(t, n, why);
	}
}

/* Nothing is left of it but the target itself, which has no connection. */
void target_clear(struct target *t, enum drop_reason why)
{
	struct notice n = t->post.n;

	t->refs++;
	target_cool(t);
	for (size_t i = 0; i < t->q.n; i++)
		if (ring_at(&t->q, i)->e)
			ring_at(&t->q, i)->m->has_latest = false;
	clear_ring(t, &t->q, why); /* without a connection the others are empty */
	t->holes = 0;
	if (t->post.state && n.e) {
		t->post.n.e = NULL;
		event_cool(n.e);
		notice_dropped(t, n, why);
	}
	target_unref(t);
}
