/*
 * notify_audience.c - who is told: subscriptions, their members (one per target), and audiences,
 * the members of one class of subscriptions of one parent.
 * Guarantees: one object per subscription and per member, however many audiences and notices refer
 * to it; a roster that an event refers to never changes (copied on write).  What is stored of a
 * roster is enough to build its notices' frames after a restart.
 */
#include "notify_int.h"

#include <stdlib.h>

#define PACK_VERSION 1

/* ---- subscriptions and members --------------------------------------------------------------- */

struct sub *sub_find(int64_t id)
{
	struct node *n = map_first(&ng.subs, hash_int((uint64_t)id));

	for (; n; n = map_next(n)) {
		struct sub *s = container_of(n, struct sub, by_id);

		if (s->id == id)
			return s;
	}
	return NULL;
}

void notify_priority(int64_t id, unsigned priority)
{
	struct sub *s = sub_find(id);

	if (!s)
		return;
	s->priority = priority;
	ng.priorities |= priority > 0;
}

static struct sub *sub_get(int64_t id, struct str sur, struct str cr)
{
	struct sub *s = sub_find(id);

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->id = id;
		map_add(&ng.subs, &s->by_id, hash_int((uint64_t)id));
	}
	if (!s->sur.raw.p || !str_eq(s->sur.raw, sur))
		text_set(&s->sur, sur);
	if (!s->cr.raw.p || !str_eq(s->cr.raw, cr))
		text_set(&s->cr, cr);
	return s;
}

static void sub_free(struct sub *s)
{
	for (int i = 0; i < FIGURES; i++)
		ng.past[i] += s->past[i];
	if (s->telling)
		TAILQ_REMOVE(&ng.told, s, on_told);
	map_del(&ng.subs, &s->by_id);
	text_free(&s->sur);
	text_free(&s->cr);
	free(s);
}

/* Somebody refers to it again, or it is about to go. */
static void rest_over(struct member *m)
{
	if (!m->resting)
		return;
	m->resting = false;
	TAILQ_REMOVE(&ng.resting, m, on_rest);
	ng.nresting--;
}

struct member *member_get(int64_t sub, struct str sur, struct str cr, struct target *t)
{
	struct sub *s = sub_get(sub, sur, cr);
	struct member *m = s->members;

	while (m && m->target != t)
		m = m->next;
	if (m) {
		rest_over(m);
		return m;
	}
	m = xcalloc(1, sizeof(*m));
	m->sub = s;
	m->target = t;
	m->next = s->members;
	s->members = m;
	s->refs++;
	t->refs++;
	target_unlist(t, L_IDLE);
	return m;
}

void member_figures(const struct member *m, uint64_t v[FIGURES])
{
	v[TALLY_SENT] += m->sent;
	v[TALLY_DONE] += m->done;
	v[TALLY_FAILED] += m->failed;
	v[TALLY_DROPPED] += m->dropped;
	v[F_EVENTS] += m->events;
	v[F_WAITING] += m->waiting;
}

static void member_free(struct member *m)
{
	struct sub *s = m->sub;
	struct member **at = &s->members;

	rest_over(m);
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	member_figures(m, s->past);
	target_unref(m->target);
	if (--s->refs == 0)
		sub_free(s);
	free(m->fault);
	free(m);
}

/* What was counted stays, while there is room. */
void member_unref(struct member *m)
{
	if (--m->refs)
		return;
	if (!ng.open || m->sub->dead || !(m->events | m->sent | m->dropped)) {
		member_free(m);
		return;
	}
	m->resting = true;
	TAILQ_INSERT_TAIL(&ng.resting, m, on_rest);
	if (++ng.nresting > RESTING_MAX)
		member_free(TAILQ_FIRST(&ng.resting));
}

void members_free(void)
{
	struct member *m;

	while ((m = TAILQ_FIRST(&ng.resting)))
		member_free(m);
}

void sub_forget(struct sub *s)
{
	struct member *next;

	for (struct member *m = s->members; m; m = next) {
		next = m->next; /* s goes with its last member */
		if (m->resting)
			member_free(m);
	}
}

/* ---- rosters --------------------------------------------------------------------------------- */

static struct roster *roster_new(size_t cap)
{
	struct roster *r = xmalloc(sizeof(*r) + cap * sizeof(r->m[0]));

	*r = (struct roster){ .refs = 1, .cap = cap };
	return r;
}

void aud_unref(struct aud *a)
{
	if (--a->refs)
		return;
	if (a->stored)
		keep_aud_gone(a->id);
	free(a);
}

void roster_unref(struct roster *r)
{
	if (--r->refs)
		return;
	for (size_t i = 0; i < r->n; i++) {
		if (r->m[i]->stamp == r)
			r->m[i]->stamp = NULL; /* another one may come to lie there */
		member_unref(r->m[i]);
	}
	if (r->aud)
		aud_unref(r->aud);
	free(r);
}

/* The audience's roster, its own alone, of a new version, with room for one more. */
static struct roster *roster_edit(struct audience *a)
{
	struct roster *r = a->roster, *copy;

	if (r->refs == 1) {
		if (r->aud)
			aud_unref(r->aud);
		r->aud = NULL;
		r->rows = ROWS_NONE;
		if (r->n == r->cap) {
			copy = xrealloc(r, sizeof(*r) + r->cap * 2 * sizeof(r->m[0]));
			copy->cap *= 2;
			for (size_t i = 0; copy != r && i < copy->n; i++)
				copy->m[i]->stamp = copy;
			r = copy;
		}
		return a->roster = r;
	}
	copy = roster_new(r->n < r->cap ? r->cap : r->cap * 2);
	copy->n = r->n;
	for (size_t i = 0; i < r->n; i++) {
		copy->m[i] = r->m[i];
		copy->m[i]->refs++;
		copy->m[i]->stamp = copy;
	}
	roster_unref(r);
	return a->roster = copy;
}

struct audience *audience_new(void)
{
	struct audience *a = xcalloc(1, sizeof(*a));

	a->refs = 1;
	a->roster = roster_new(2);
	return a;
}

void audience_unref(struct audience *a)
{
	if (!a || --a->refs)
		return;
	roster_unref(a->roster);
	free(a);
}

void audience_add(struct audience *a, int64_t sub, struct str sur, struct str cr, struct str target)
{
	struct member *m = member_get(sub, sur, cr, target_get(target));
	struct roster *r;

	m->sub->dead = false;
	if (m->stamp == a->roster)
		return;
	m->refs++;
	r = roster_edit(a);
	r->m[r->n++] = m;
	m->stamp = r;
}

void audience_remove(struct audience *a, int64_t sub)
{
	struct roster *r = a->roster;
	size_t i = 0, left = 0, n;

	while (i < r->n && r->m[i]->sub->id != sub)
		i++;
	if (i == r->n)
		return;
	r = roster_edit(a);
	n = r->n;
	for (i = 0; i < n; i++) {
		if (r->m[i]->sub->id != sub) {
			r->m[left++] = r->m[i];
			continue;
		}
		r->m[i]->stamp = NULL;
		member_unref(r->m[i]);
	}
	r->n = left;
}

size_t audience_size(const struct audience *a)
{
	return a->roster->n;
}

/* ---- their text in the store ----------------------------------------------------------------- */

void roster_pack(const struct roster *r, struct buf *out)
{
	buf_char(out, PACK_VERSION);
	put_varint(out, r->n);
	for (size_t i = 0; i < r->n; i++) {
		put_varint(out, (uint64_t)r->m[i]->sub->id);
		put_varint(out, (uint64_t)r->m[i]->target->id);
		put_bytes(out, r->m[i]->sub->sur.raw);
		put_bytes(out, r->m[i]->sub->cr.raw);
	}
}

bool roster_parse(struct str text,
		  void (*fn)(void *arg, int64_t sub, int64_t tgt, struct str sur, struct str cr),
		  void *arg)
{
	uint64_t n, sub, tgt;
	struct str sur, cr;

	if (text.n < 1 || text.p[0] != PACK_VERSION)
		return false;
	text.p++;
	text.n--;
	if (!get_varint(&text, &n))
		return false;
	for (; n; n--) {
		if (!get_varint(&text, &sub) || !get_varint(&text, &tgt) ||
		    !get_bytes(&text, &sur) || !get_bytes(&text, &cr))
			return false;
		fn(arg, (int64_t)sub, (int64_t)tgt, sur, cr);
	}
	return true;
}
