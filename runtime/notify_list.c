/*
 * notify_list.c - what the operator sees and asks for: another try, or an end, for the notices of a
 * target or a subscription.
 * Guarantees: what is under way is left alone; order is kept.
 */
#include "notify_int.h"

#include <stdlib.h>

/* ---- which ----------------------------------------------------------------------------------- */

static bool names(struct str sur, struct str text)
{
	if (str_eq(sur, text))
		return true;
	return sur.n > text.n && sur.p[sur.n - text.n - 1] == '/' &&
	       memcmp(sur.p + sur.n - text.n, text.p, text.n) == 0;
}

static bool filter_target(const struct notify_filter *f, const struct target *t)
{
	return !f->target.p || str_eq(f->target, t->real ? t->real->key : t->key);
}

bool filter_member(const struct notify_filter *f, const struct member *m)
{
	if (f->sub && f->sub != m->sub->id)
		return false;
	if (f->sur.p && !names(m->sub->sur.raw, f->sur))
		return false;
	return filter_target(f, m->target);
}

static bool matches(const struct notice *n, void *arg)
{
	return filter_member(arg, n->m);
}

/* Those that hold something and may match; each is held by a reference. */
static struct target **pick(const struct notify_filter *f, size_t *n)
{
	struct target **v = xcalloc(ng.targets.n + 1, sizeof(struct target *));

	*n = 0;
	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			struct target *t = container_of(x, struct target, by_key);

			if (!t->count || !filter_target(f, t))
				continue;
			t->refs++;
			v[(*n)++] = t;
		}
	}
	return v;
}

/* ---- another try ----------------------------------------------------------------------------- */

static size_t count_in(const struct ring *r, const struct notify_filter *f)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct notice *x = ring_at(r, i);

		n += x->e && filter_member(f, x->m);
	}
	return n;
}

/* Lanes are the policy's business; who fetches what is for it needs no help. */
static size_t retry(struct target *t, const struct notify_filter *f)
{
	size_t n = count_in(&t->late, f);

	if (t->lane || t->poll)
		return 0;
	if (t->link) {
		if (n)
			send_again(t);
		return n;
	}
	n = count_in(&t->q, f);
	if (n == 0 || (t->nroutes && !t->retry_at))
		return 0;
	t->retry_at = 0;
	t->fails = 0;
	if (!t->url && t->nroutes == 0) { /* it may have moved */
		t->routes_known = false;
		t->routes_asked = false;
	}
	target_warm(t);
	target_kick(t);
	return n;
}

size_t notify_replay(const struct notify_filter *f)
{
	struct target **v;
	size_t n, done = 0;

	if (!ng.open)
		return 0;
	v = pick(f, &n);
	for (size_t i = 0; i < n; i++) {
		done += retry(v[i], f);
		target_unref(v[i]);
	}
	free(v);
	tick_soon();
	return done + parked_retry(f);
}

/* ---- an end ---------------------------------------------------------------------------------- */

static size_t drop_late(struct target *t, const struct notify_filter *f)
{
	size_t dropped = 0;

	for (size_t i = 0; i < t->late.n; i++) {
		struct notice n = *ring_at(&t->late, i);

		if (!n.e || !filter_member(f, n.m))
			continue;
		ring_at(&t->late, i)->e = NULL;
		notice_dropped(t, n, DROP_OPERATOR, true);
		dropped++;
	}
	ring_trim(&t->late);
	return dropped;
}

size_t notify_drop(const struct notify_filter *f)
{
	struct notify_filter mine = *f;
	struct target **v;
	size_t n, done = 0;

	if (!ng.open)
		return 0;
	v = pick(f, &n);
	for (size_t i = 0; i < n; i++) {
		done += drop_late(v[i], f);
		done += drop_where(v[i], matches, &mine, DROP_OPERATOR, true);
		target_kick(v[i]);
		target_unref(v[i]);
	}
	free(v);
	return done + parked_drop(f);
}
