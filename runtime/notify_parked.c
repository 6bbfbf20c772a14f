/*
 * notify_parked.c - events whose format failed: only their rows and members stay, bounded in
 * number, until somebody asks for another try.  Then each is handed to the library, which formats
 * it again and gives it back; what it becomes is stored by the transaction that deletes it.
 * Guarantees: in the order of their events; a try that fails changes nothing; what is too old or
 * too much is dropped, counted, and told to its targets as a gap.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"

#define READ_COUNT 64u /* bodies asked for at once */

struct parked {
	struct node by_id;
	TAILQ_ENTRY(parked) on;
	int64_t id, at, et;
	struct kind *kind;
	struct roster *r;
	struct aud *aud; /* what the row refers to */
	uint32_t bytes;
	unsigned tries;
	bool wanted; /* a try was asked for */
	bool leaving; /* the transaction that replaces it is under way */
};

struct replacing {
	unsigned generation;
	int64_t id;
	struct event *e;
};

struct reading {
	unsigned generation;
	size_t n;
	int64_t id[READ_COUNT];
};

static TAILQ_HEAD(, parked) all = TAILQ_HEAD_INITIALIZER(all);
static struct map ids;
static size_t wanted, leaving;
static bool reading;

static struct parked *find(int64_t id)
{
	struct node *n = map_first(&ids, hash_int((uint64_t)id));

	for (; n; n = map_next(n)) {
		struct parked *p = container_of(n, struct parked, by_id);

		if (p->id == id)
			return p;
	}
	return NULL;
}

static void take_out(struct parked *p)
{
	TAILQ_REMOVE(&all, p, on);
	map_del(&ids, &p->by_id);
	ng.parked -= p->r->n;
	wanted -= p->wanted;
	leaving -= p->leaving;
	if (p->aud)
		aud_unref(p->aud);
	roster_unref(p->r);
	kind_unref(p->kind);
	free(p);
}

static void drop(struct parked *p, enum drop_reason why)
{
	ng.dropped[why] += p->r->n;
	for (size_t i = 0; i < p->r->n; i++) {
		struct member *m = p->r->m[i];

		m->events++;
		m->dropped++;
		book_dropped(m->target);
		target_lost(m->target, m, 1);
	}
	keep_event_gone(p->id);
	take_out(p);
}

/* The oldest make room for the newest. */
static void make_room(void)
{
	struct parked *p = TAILQ_FIRST(&all);

	while (p && p->leaving)
		p = TAILQ_NEXT(p, on);
	if (ids.n >= PARKED_MAX && p)
		drop(p, DROP_OVERFLOW);
}

void parked_age(void)
{
	int64_t now = age_clock();
	struct parked *p, *next;

	for (p = TAILQ_FIRST(&all); p && p->et != STORE_NULL && p->et <= now; p = next) {
		next = TAILQ_NEXT(p, on);
		if (!p->leaving)
			drop(p, DROP_AGE);
	}
}

void parked_add(struct event *e, struct roster *r)
{
	struct parked *p = xcalloc(1, sizeof(*p));

	make_room();
	p->id = e->id;
	p->at = e->at;
	p->et = e->et;
	p->bytes = e->n;
	p->kind = e->kind;
	p->kind->refs++;
	p->aud = e->aud;
	e->aud = NULL;
	p->r = r;
	r->refs++;
	TAILQ_INSERT_TAIL(&all, p, on);
	map_add(&ids, &p->by_id, hash_int((uint64_t)p->id));
	ng.parked += r->n;
	e->abandoned = true; /* so that the row stays */
}

void parked_free(void)
{
	struct parked *p;

	while ((p = TAILQ_FIRST(&all)))
		take_out(p);
	map_free(&ids);
	wanted = leaving = 0;
	reading = false;
}

/* ---- another try ----------------------------------------------------------------------------- */

static void read_next(void);

/* Bodies in the order of their events, as they were asked for. */
static void take_rows(const struct reading *r, const struct store_rows *rows)
{
	for (size_t i = 0; i < rows->nrows && ng.open; i++) {
		const struct store_cell *c = &rows->cell[i * rows->ncols];
		struct parked *p = find(c[0].i);

		if (p && !p->leaving && ng.on_reformat)
			ng.on_reformat(ng.reformat_arg, p->id, p->kind->failed, c[2].s);
	}
	if (rows->nrows == r->n || !ng.open)
		return;
	for (size_t i = 0, k = 0; i < r->n; i++) { /* both ascend */
		struct parked *p;

		while (k < rows->nrows && rows->cell[k * rows->ncols].i < r->id[i])
			k++;
		if (k < rows->nrows && rows->cell[k * rows->ncols].i == r->id[i])
			continue;
		p = find(r->id[i]);
		if (p && !p->leaving)
			drop(p, DROP_LOST);
	}
}

static void were_read(void *arg, const struct store_rows *rows)
{
	struct reading *r = arg;

	if (r->generation == ng.generation && ng.open) {
		reading = false;
		if (rows->error)
			log_error("notify", "parked notifications could not be read reason=%s",
				  log_quote(str_of(rows->error)));
		else
			take_rows(r, rows);
		read_next();
	}
	free(r);
}

/* One read at a time, and none while what became of the last ones is not on disk. */
static void read_next(void)
{
	struct reading *r;
	struct parked *p;

	if (reading || leaving || !wanted || !ng.open)
		return;
	r = xmalloc(sizeof(*r));
	r->generation = ng.generation;
	r->n = 0;
	TAILQ_FOREACH(p, &all, on)
	{
		if (!p->wanted || p->leaving)
			continue;
		p->wanted = false;
		wanted--;
		r->id[r->n++] = p->id;
		if (r->n == READ_COUNT)
			break;
	}
	reading = true;
	store_pend(ng.o.store, r->id, r->n, were_read, r);
}

static bool concerns(const struct parked *p, const struct notify_filter *f, bool whole)
{
	size_t n = 0;

	for (size_t i = 0; i < p->r->n; i++)
		n += filter_member(f, p->r->m[i]);
	return whole ? n == p->r->n : n > 0;
}

size_t parked_retry(const struct notify_filter *f)
{
	struct parked *p;
	size_t n = 0;

	parked_age();
	TAILQ_FOREACH(p, &all, on)
	{
		if (p->leaving || !concerns(p, f, false))
			continue;
		n += p->r->n;
		wanted += !p->wanted;
		p->wanted = true;
	}
	read_next();
	return n;
}

/* ---- what they become ------------------------------------------------------------------------ */

static void replaced(void *arg, const struct store_done *d)
{
	struct replacing *w = arg;
	bool ours = w->generation == ng.generation && ng.open;
	struct parked *p = ours ? find(w->id) : NULL;

	if (p && d->rc == STORE_OK) {
		ng.count[C_RELEASED] += p->r->n;
		take_out(p);
	} else if (p) {
		p->leaving = false;
		leaving--;
		log_warn("notify", "a notification stays parked reason=%s",
			 log_quote(str_of(d->msg)));
	}
	if (d->rc == STORE_OK)
		event_publish(w->e);
	else
		event_abandon(w->e);
	if (ours)
		read_next();
	free(w);
}

static void replace(struct parked *p, const struct event_opts *o, struct str body)
{
	struct audience a = { .refs = 1, .roster = p->r };
	struct store_tx *tx = store_tx_new(ng.o.store);
	struct replacing *w = xcalloc(1, sizeof(*w));

	*w = (struct replacing){ ng.generation, p->id, event_new(&a, o, body) };
	p->leaving = true;
	leaving++;
	event_store(w->e, tx);
	store_tx_ntf_delete(tx, p->id, p->id);
	store_commit(ng.o.store, tx, replaced, w);
}

bool notify_reformat(int64_t id, const struct event_opts *o, struct str body)
{
	struct parked *p = ng.open ? find(id) : NULL;

	if (!p || p->leaving)
		return false;
	if (p->tries < UINT16_MAX)
		p->tries++;
	if (body.p && o->format_failed)
		return true;
	if (body.p && p->r->n) {
		replace(p, o, body);
		return true;
	}
	ng.count[C_RELEASED] += p->r->n;
	keep_event_gone(id);
	take_out(p);
	return true;
}

void notify_on_reformat(void (*fn)(void *arg, int64_t id, struct str format, struct str body),
			void *arg)
{
	ng.on_reformat = fn;
	ng.reformat_arg = arg;
}

/* ---- for the operator ------------------------------------------------------------------------ */

size_t parked_drop(const struct notify_filter *f)
{
	struct parked *p, *next;
	size_t n = 0;

	for (p = TAILQ_FIRST(&all); p; p = next) {
		next = TAILQ_NEXT(p, on);
		if (p->leaving || !concerns(p, f, true))
			continue;
		n += p->r->n;
		drop(p, DROP_OPERATOR);
	}
	return n;
}

static struct notify_info info(const struct parked *p, const struct member *m)
{
	const struct target *t = m->target->real ? m->target->real : m->target;

	return (struct notify_info){ .state = "parked",
				     .target = t->key,
				     .sur = m->sub->sur.raw,
				     .sub = m->sub->id,
				     .id = p->id,
				     .at = p->at,
				     .attempts = p->tries,
				     .bytes = p->bytes,
				     .error = p->kind->why,
				     .error_at = p->at };
}

size_t parked_list(const struct notify_filter *f, size_t limit,
		   void (*fn)(void *arg, const struct notify_info *i), void *arg)
{
	struct parked *p;

	TAILQ_FOREACH(p, &all, on)
	{
		for (size_t i = 0; i < p->r->n && limit; i++) {
			struct notify_info x = info(p, p->r->m[i]);

			if (!filter_member(f, p->r->m[i]))
				continue;
			fn(arg, &x);
			limit--;
		}
	}
	return limit;
}
