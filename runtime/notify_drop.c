/*
 * notify_drop.c - what leaves a queue without being sent: the oldest when there is no room, what is
 * too old, what nobody wants any more.
 * Guarantees: each is counted under its reason; what a living target loses without its doing is
 * told to it as a gap.
 */
#include "notify_int.h"

#include "clock.h"

const char *const drop_name[DROPS] = {
	[DROP_OVERFLOW] = "overflow", [DROP_AGE] = "age",   [DROP_FORGOTTEN] = "forgotten",
	[DROP_REPLACED] = "replaced", [DROP_LOST] = "lost", [DROP_POLICY] = "policy",
	[DROP_OPERATOR] = "operator",
};

/* ---- room ------------------------------------------------------------------------------------ */

static bool tells(enum drop_reason why)
{
	return why == DROP_OVERFLOW || why == DROP_AGE || why == DROP_LOST || why == DROP_OPERATOR;
}

void drop_at(struct target *t, size_t i, enum drop_reason why)
{
	struct notice n = *ring_at(&t->q, i);

	queue_hole(t, i);
	queue_tidy(t);
	t->refs++;
	notice_dropped(t, n, why, tells(why));
	t->refs--;
}

/* Place of the oldest notice that waits and is not being released; q.n: there is none. */
static size_t oldest(const struct target *t)
{
	size_t i = 0;

	while (i < t->q.n && (!ring_at(&t->q, i)->e || ring_at(&t->q, i)->id <= t->taken))
		i++;
	return i;
}

/* False: all that is left is in flight. */
static bool drop_oldest(struct target *t, enum drop_reason why)
{
	struct notice n;
	size_t at;

	if (t->late.n) {
		n = *ring_at(&t->late, 0);
		ring_shift(&t->late, 1);
		ring_trim(&t->late);
		notice_dropped(t, n, why, tells(why));
		return true;
	}
	queue_tidy(t);
	at = oldest(t);
	if (at == t->q.n)
		return false;
	drop_at(t, at, why);
	return true;
}

static bool full(const struct target *t, size_t bytes)
{
	return t->count >= ng.o.max_count || t->bytes + bytes > ng.o.max_bytes ||
	       (ng.total >= TOTAL_MAX && t->count);
}

/* Place of the oldest notice of the lowest priority, which is in *priority; q.n: none waits. */
static size_t least(const struct target *t, unsigned *priority)
{
	size_t at = t->q.n;

	for (size_t i = 0; i < t->q.n; i++) {
		const struct notice *n = ring_at(&t->q, i);

		if (n->e && n->id > t->taken && (at == t->q.n || n->m->sub->priority < *priority)) {
			at = i;
			*priority = n->m->sub->priority;
		}
	}
	return at;
}

static bool drop_least(struct target *t, unsigned priority)
{
	unsigned found = 0;
	size_t at = least(t, &found);

	if (at == t->q.n || found > priority)
		return false;
	drop_at(t, at, DROP_OVERFLOW);
	return true;
}

bool drop_for_room(struct target *t, size_t bytes, unsigned priority)
{
	while (full(t, bytes)) {
		if (ng.priorities && !t->late.n && oldest(t) < t->q.n) {
			if (!drop_least(t, priority))
				return false;
		} else if (!drop_oldest(t, DROP_OVERFLOW)) {
			return true;
		}
	}
	return true;
}

/* ---- age ------------------------------------------------------------------------------------- */

bool drop_expired(const struct event *e, int64_t now)
{
	return e->et != STORE_NULL && e->et <= now;
}

bool target_expire(struct target *t)
{
	int64_t now = age_clock();
	bool any = false;

	while (t->late.n && drop_expired(ring_at(&t->late, 0)->e, now)) {
		drop_oldest(t, DROP_AGE);
		any = true;
	}
	for (queue_tidy(t);
	     t->q.n && ring_at(&t->q, 0)->id > t->taken && drop_expired(ring_at(&t->q, 0)->e, now);
	     queue_tidy(t)) {
		drop_at(t, 0, DROP_AGE);
		any = true;
	}
	return any;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

size_t drop_where(struct target *t, bool (*match)(const struct notice *n, void *arg), void *arg,
		  enum drop_reason why, bool tell)
{
	size_t dropped = 0;

	t->refs++;
	for (size_t i = 0; i < t->q.n; i++) {
		struct notice n = *ring_at(&t->q, i);

		if (!n.e || (n.id <= t->taken && why != DROP_FORGOTTEN) || !match(&n, arg))
			continue;
		queue_hole(t, i);
		notice_dropped(t, n, why, tell);
		dropped++;
	}
	queue_tidy(t);
	target_unref(t);
	return dropped;
}

static bool is_dead(const struct notice *n, void *arg)
{
	(void)arg;
	return n->m->sub->dead;
}

void target_sweep(struct target *t)
{
	drop_where(t, is_dead, NULL, DROP_FORGOTTEN, false);
}

struct newest {
	const struct member *m;
	int64_t id; /* 0: nothing waits */
};

static bool is_older(const struct notice *n, void *arg)
{
	const struct newest *w = arg;

	return n->m == w->m && n->id != w->id;
}

void target_keep_newest(struct target *t, struct member *m)
{
	struct newest w = { .m = m };

	for (size_t i = 0; i < t->q.n; i++)
		if (ring_at(&t->q, i)->e && ring_at(&t->q, i)->m == m)
			w.id = ring_at(&t->q, i)->id;
	if (!w.id)
		return;
	drop_where(t, is_older, &w, DROP_REPLACED, false);
	for (size_t i = 0; i < t->q.n; i++) {
		if (ring_at(&t->q, i)->e && ring_at(&t->q, i)->id == w.id) {
			m->latest = t->base + i;
			m->has_latest = true;
		}
	}
}

static void clear_ring(struct target *t, struct ring *r, enum drop_reason why)
{
	while (r->n) {
		struct notice n = *ring_at(r, 0);

		ring_shift(r, 1);
		if (n.e)
			notice_dropped(t, n, why, false);
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
		notice_dropped(t, n, why, false);
	}
	target_unref(t);
}
