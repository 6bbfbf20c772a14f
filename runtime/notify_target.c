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
#include "limit.h"

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
	TAILQ_INIT(&t->lanes);
	map_add(&ng.targets, &t->by_key, hash_bytes(key));
	map_add(&ng.ids, &t->by_id, hash_int((uint64_t)id));
	t->lane = str_starts(key, STR("lane:"));
	t->url = !t->lane && url_is(key);
	t->remote = str_starts(key, STR("/"));
	if (t->url)
		url_own(t);
	else
		text_set(&t->to, key);
	if (t->remote)
		target_list(t, L_REMOTE);
	return t;
}

struct target *target_get(struct str key)
{
	struct target *t = target_find(key);
	struct session *s;

	if (t)
		return t;
	t = target_new(keep_id(), key);
	s = ng.open ? target_session(t) : NULL;
	if (s)
		send_attach(t, s);
	if (t->lane)
		lane_link(t);
	if (ng.open)
		target_rest(t);
	return t;
}

struct target *target_restore(int64_t id, struct str key, int64_t acked)
{
	struct target *t = target_find(key) ? NULL : target_new(id, key);

	if (!t)
		return NULL;
	t->row = true;
	t->saved = t->last = acked;
	return t;
}

void target_free(struct target *t)
{
	t->refs++; /* nothing below frees it again */
	if (t->link)
		send_detach(t);
	if (t->real)
		lane_unlink(t);
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
	free((char *)t->via.p);
	free(t->proof);
	free(t);
}

/* Also in the store. */
static void target_forget(struct target *t)
{
	if (t->row)
		keep_target_gone(t->id);
	target_free(t);
}

void target_rest(struct target *t)
{
	if (t->refs || t->count || t->gap || t->gap_told || t->gap_dirty)
		return;
	if (!ng.open) {
		target_free(t);
		return;
	}
	if (t->gone) { /* its AE was deleted */
		target_forget(t);
		return;
	}
	target_list(t, L_IDLE);
	while (ng.idle > IDLE_TARGETS) {
		struct target *old = TAILQ_FIRST(&ng.list[L_IDLE]);

		if (old->refs) /* something is under way; it comes back */
			target_unlist(old, L_IDLE);
		else
			target_forget(old);
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

/* While an older one is not done, the cursor cannot say so. */
static void tear(struct target *t, int64_t id)
{
	if (id > t->torn)
		t->torn = id;
}

void notice_done(struct target *t, struct notice n)
{
	tear(t, n.id);
	t->count--;
	t->bytes -= n.e->n;
	ng.total--;
	ng.bytes -= n.e->n;
	t->unsaved++;
	n.m->waiting--;
	if (t->count == 0) {
		target_unlist(t, L_KEPT);
		t->lane_told = false;
	}
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
	t->n[TALLY_DONE]++;
	n.m->done += event_weight(n.e);
	if (ng.on_delivered && !s->dead) {
		s->delivered += event_weight(n.e);
		if (!s->telling)
			TAILQ_INSERT_TAIL(&ng.told, s, on_told);
		s->telling = true;
	}
	notice_done(t, n);
}

bool target_unwanted(const struct target *t, const struct member *m)
{
	return t->gone || m->sub->dead || (t->real && t->real->gone);
}

void notice_dropped(struct target *t, struct notice n, enum drop_reason why, bool tell)
{
	const struct target *to = t->real ? t->real : t;

	ng.dropped[why]++;
	if (why == DROP_OVERFLOW)
		limit_hit(LIMIT_TARGET_QUEUE);
	book_dropped(t);
	n.m->dropped += event_weight(n.e);
	if (tell && !to->lane)
		gap_count(t, n.m, event_weight(n.e));
	notice_done(t, n);
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void unhold(struct target *t, const struct notice *n)
{
	t->hot_bytes -= n->e->n;
	event_cool(n->e);
}

/* Its place stays until it comes to the front. */
void queue_hole(struct target *t, size_t i)
{
	struct notice *n = ring_at(&t->q, i);

	if (i < t->hot)
		unhold(t, n);
	if (n->m->has_latest && n->m->latest == t->base + i)
		n->m->has_latest = false;
	n->e = NULL;
	t->holes++;
}

void queue_shift(struct target *t)
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
void queue_tidy(struct target *t)
{
	struct ring *q = &t->q;
	size_t to = 0, hot = 0;

	while (q->n && !ring_at(q, 0)->e)
		queue_shift(t);
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

/* It never comes into the queue. */
static void drop_new(struct target *t, struct member *m, const struct event *e,
		     enum drop_reason why)
{
	ng.dropped[why]++;
	m->dropped += event_weight(e);
	book_dropped(t);
	t->unsaved++;
	tear(t, e->id);
}

/* ec 4: the one that waits gives way to the newer. */
static void replace(struct target *t, struct member *m)
{
	if (m->has_latest)
		drop_at(t, (size_t)(m->latest - t->base), DROP_REPLACED);
}

void target_push(struct target *t, struct event *e, struct member *m)
{
	ng.count[C_NOTICES]++;
	m->events += e->count == 0 && !ng.restoring;
	t->last = e->id;
	if (target_unwanted(t, m)) {
		drop_new(t, m, e, DROP_FORGOTTEN);
		target_list(t, L_DIRTY);
		keep_soon();
		return;
	}
	if (t->count && !drop_for_room(t, e->n, m->sub->priority)) {
		drop_new(t, m, e, DROP_OVERFLOW);
		target_lost(t, m, event_weight(e));
		return;
	}
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
	if (target_unwanted(t, n.m)) {
		notice_dropped(t, n, DROP_FORGOTTEN, false);
		return;
	}
	if (n.e->kind->ec == 4 && n.m->has_latest) {
		notice_dropped(t, n, DROP_REPLACED, false);
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
	queue_shift(t);
}

/* Without a look at the clock. */
static bool ready(const struct target *t, const struct notice *n)
{
	return n->e && n->e->et == STORE_NULL && !n->e->lost && !target_unwanted(t, n->m);
}

struct notice *target_front(struct target *t)
{
	int64_t now;

	if (t->hot && ready(t, ring_at(&t->q, 0))) {
		if (t->hot < t->q.n)
			target_warm(t);
		return ring_at(&t->q, 0);
	}
	now = ng.o.max_age > 0 ? age_clock() : 0;

	for (;;) {
		struct notice *n;

		queue_tidy(t);
		if (t->q.n == 0)
			return NULL;
		n = ring_at(&t->q, 0);
		if (target_unwanted(t, n->m))
			drop_at(t, 0, DROP_FORGOTTEN);
		else if (drop_expired(n->e, now))
			drop_at(t, 0, DROP_AGE);
		else if (n->e->lost)
			drop_at(t, 0, DROP_LOST);
		else
			break;
	}
	target_warm(t);
	return t->hot ? ring_at(&t->q, 0) : NULL;
}

/* Its connection or its routes can take something: now, or at the end of the turn. */
void target_kick(struct target *t)
{
	if (t->link)
		send_want(t);
	else if (t->lane)
		lane_kick(t);
	else if (t->count || t->routes_wanted || t->gap)
		target_list(t, L_KICK);
}

/* ---- memory ---------------------------------------------------------------------------------- */

bool target_live(const struct target *t)
{
	return t->link || t->wanted || (t->nroutes && !t->retry_at);
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
