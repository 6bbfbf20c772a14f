/*
 * notify_list.c - what the operator sees and asks for: the notices that are not done, what became of
 * the others, another try or an end for those of a target or a subscription.
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

/* ---- notices --------------------------------------------------------------------------------- */

struct listing {
	const struct notify_filter *f;
	size_t left;
	void (*fn)(void *arg, const struct notify_info *i);
	void *arg;
};

static void list(struct listing *l, const struct notice *n, const char *state)
{
	const struct member *m = n->m;
	const struct target *t = m->target->real ? m->target->real : m->target;
	struct notify_info i = { .state = state,
				 .target = t->key,
				 .sur = m->sub->sur.raw,
				 .sub = m->sub->id,
				 .id = n->id,
				 .at = n->e->at,
				 .attempts = n->tries,
				 .bytes = n->e->n };

	if (m->fault) {
		i.code = m->fault->code;
		i.error = m->fault->text;
		i.error_at = m->fault->at;
	}
	l->fn(l->arg, &i);
	l->left--;
}

static void list_ring(struct listing *l, const struct ring *r, const char *state)
{
	for (size_t i = 0; i < r->n && l->left; i++) {
		const struct notice *n = ring_at(r, i);

		if (n->e && filter_member(l->f, n->m))
			list(l, n, state);
	}
}

static const char *waiting_state(const struct target *t)
{
	if (t->lane)
		return "held";
	return t->link || t->poll || t->nroutes ? "queued" : "parked";
}

void notify_notices(const struct notify_filter *f, size_t limit,
		    void (*fn)(void *arg, const struct notify_info *i), void *arg)
{
	struct listing l = { f, limit, fn, arg };
	struct target **v;
	size_t n;

	if (!ng.open)
		return;
	v = pick(f, &n);
	for (size_t i = 0; i < n; i++) {
		struct target *t = v[i];

		list_ring(&l, &t->late, "sent");
		list_ring(&l, &t->fly, "sent");
		if (l.left && t->post.state && t->post.n.e && filter_member(f, t->post.n.m))
			list(&l, &t->post.n, "sent");
		list_ring(&l, &t->q, waiting_state(t));
		target_unref(t);
	}
	free(v);
	parked_list(f, l.left, fn, arg);
}

/* ---- accounts -------------------------------------------------------------------------------- */

static const char *target_state(const struct target *t)
{
	if (t->link)
		return "connected";
	if (t->poll)
		return "polls";
	if (t->nroutes)
		return t->retry_at ? "backs off" : "dialled";
	return "away";
}

static int64_t oldest_in(const struct ring *r, const struct member *m)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct notice *n = ring_at(r, i);

		if (n->e && n->m == m)
			return n->e->at;
	}
	return 0;
}

static int64_t oldest(const struct member *m)
{
	const struct target *t = m->target;
	int64_t at = m->waiting ? oldest_in(&t->late, m) : 0;

	if (m->waiting && !at)
		at = oldest_in(&t->fly, m);
	if (m->waiting && !at && t->post.state && t->post.n.e && t->post.n.m == m)
		at = t->post.n.e->at;
	return m->waiting && !at ? oldest_in(&t->q, m) : at;
}

static void add(struct notify_account *a, const struct member *m)
{
	int64_t at = oldest(m);

	a->events += m->events;
	a->sent += m->sent;
	a->acknowledged += m->done;
	a->answered += m->answered;
	a->failed += m->failed;
	a->dropped += m->dropped;
	a->queued += m->waiting;
	a->held += m->target->lane ? m->waiting : 0;
	if (at && (!a->oldest || at < a->oldest))
		a->oldest = at;
	if (m->fault && m->fault->at >= a->error_at) {
		a->code = m->fault->code;
		a->error = m->fault->text;
		a->error_at = m->fault->at;
	}
}

static const struct target *real_of(const struct member *m)
{
	return m->target->real ? m->target->real : m->target;
}

/* A member together with those of the same subscription that lead to the same target; false: an
 * earlier one spoke for it. */
static bool account_of(const struct sub *s, const struct member *m, struct notify_account *a)
{
	const struct target *t = real_of(m);

	for (const struct member *x = s->members; x != m; x = x->next) {
		if (real_of(x) == t)
			return false;
	}
	*a = (struct notify_account){
		.state = target_state(t), .target = t->key, .sur = s->sur.raw, .sub = s->id
	};
	for (const struct member *x = m; x; x = x->next) {
		if (real_of(x) == t)
			add(a, x);
	}
	return true;
}

static size_t sub_accounts(const struct sub *s, const struct notify_filter *f, size_t limit,
			   void (*fn)(void *arg, const struct notify_account *a), void *arg)
{
	struct notify_account a;

	for (const struct member *m = s->members; m && limit && !s->dead; m = m->next) {
		if (!filter_member(f, m) || real_of(m)->gone || !account_of(s, m, &a))
			continue;
		fn(arg, &a);
		limit--;
	}
	return limit;
}

void notify_accounts(const struct notify_filter *f, size_t limit,
		     void (*fn)(void *arg, const struct notify_account *a), void *arg)
{
	const struct sub *one = f->sub ? sub_find(f->sub) : NULL;

	if (!ng.open || f->sub) {
		if (ng.open && one)
			sub_accounts(one, f, limit, fn, arg);
		return;
	}
	for (size_t i = 0; i < ng.subs.cap && limit; i++) {
		for (struct node *x = ng.subs.slot[i]; x && limit; x = x->next)
			limit = sub_accounts(container_of(x, struct sub, by_id), f, limit, fn, arg);
	}
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
