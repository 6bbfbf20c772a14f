/*
 * notify_books.c - what became of the notices: counters of the engine, of each target and of each
 * subscription's interest of a target; metrics, of which those by target and by subscription name
 * the busiest only.
 * Guarantees: counting costs a few additions and no allocation but for the text of a fault, which
 * is replaced by the next.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "clock.h"
#include "metrics.h"

#define TOP 100u /* targets, and subscriptions, that metrics name */

static const char *const tally_name[4] = {
	[TALLY_SENT] = "sent",
	[TALLY_DONE] = "acknowledged",
	[TALLY_FAILED] = "failed",
	[TALLY_DROPPED] = "dropped",
};

/* ---- counting -------------------------------------------------------------------------------- */

void book_sent(struct notice *n)
{
	ng.count[C_SENT]++;
	n->m->target->n[TALLY_SENT]++;
	if (n->tries == 0)
		n->m->sent += event_weight(n->e);
	if (n->tries < 1023)
		n->tries++;
}

void book_failed(struct target *t, struct notice *n, int code, const char *why)
{
	ng.count[C_FAILED]++;
	t->n[TALLY_FAILED]++;
	n->m->failed += event_weight(n->e);
	book_fault(n->m, code, why);
}

void book_dropped(struct target *t)
{
	(t->real ? t->real : t)->n[TALLY_DROPPED]++;
}

void book_fault(struct member *m, int code, const char *why)
{
	size_t n = strnlen(why, 120);

	if (!m->fault || strlen(m->fault->text) != n)
		m->fault = xrealloc(m->fault, sizeof(*m->fault) + n + 1);
	m->fault->code = code;
	m->fault->at = clock_wall();
	memcpy(m->fault->text, why, n);
	m->fault->text[n] = '\0';
}

/* ---- counters -------------------------------------------------------------------------------- */

size_t parked_now(void)
{
	size_t n = ng.parked;

	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			const struct target *t = container_of(x, struct target, by_key);

			n += t->link || t->nroutes || t->lane ? 0 : t->count;
		}
	}
	return n;
}

size_t held_now(void)
{
	size_t n = 0;

	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			const struct target *t = container_of(x, struct target, by_key);

			n += t->lane ? t->count : 0;
		}
	}
	return n;
}

static uint64_t dropped_now(void)
{
	uint64_t n = 0;

	for (int i = 0; i < DROPS; i++)
		n += ng.dropped[i];
	return n;
}

void notify_stats(struct notify_stats *out)
{
	*out = (struct notify_stats){
		.events = ng.count[C_EVENTS],
		.notices = ng.count[C_NOTICES],
		.sent = ng.count[C_SENT],
		.acknowledged = ng.count[C_ACKNOWLEDGED],
		.failed = ng.count[C_FAILED],
		.dropped = dropped_now(),
		.requeued = ng.count[C_REQUEUED],
		.released = ng.count[C_RELEASED],
		.queued = ng.total,
		.held = held_now(),
		.parked = parked_now(),
		.bytes = ng.kept_bodies,
		.targets = ng.targets.n,
	};
}

static double read_u64(void *arg)
{
	return (double)*(uint64_t *)arg;
}

static double read_size(void *arg)
{
	return (double)*(size_t *)arg;
}

static double read_parked(void *arg)
{
	(void)arg;
	return (double)parked_now();
}

static double read_held(void *arg)
{
	(void)arg;
	return (double)held_now();
}

#define NOTICES "moon2m_notices_total"
#define NOTICES_HELP "Notices (an event for one target) by what became of them"
#define DROPPED "moon2m_notices_dropped_total"
#define DROPPED_HELP "Notices that were dropped, by reason"
#define COUNTER(n, h, l, v)                                                                        \
	{                                                                                          \
		.name = (n), .help = (h), .labels = (l), .kind = METRIC_COUNTER, .read = read_u64, \
		.arg = (v)                                                                         \
	}
#define GAUGE(n, h, v)                                                                             \
	{                                                                                          \
		.name = (n), .help = (h), .kind = METRIC_GAUGE, .read = read_size, .arg = (v)      \
	}

#define PASSED "moon2m_passed_total"
#define PASSED_HELP "Requests that were passed on to other CSEs, by how they ended"
static struct metric metrics[] = {
	COUNTER("moon2m_events_total", "Events that concerned a subscription", NULL,
		&ng.count[C_EVENTS]),
	COUNTER(PASSED, PASSED_HELP, "end=\"answered\"", &ng.count[C_PASSED]),
	COUNTER(PASSED, PASSED_HELP, "end=\"unreached\"", &ng.count[C_PASSED_UNREACHED]),
	COUNTER(PASSED, PASSED_HELP, "end=\"broken\"", &ng.count[C_PASSED_BROKEN]),
	COUNTER(PASSED, PASSED_HELP, "end=\"late\"", &ng.count[C_PASSED_LATE]),
	COUNTER(NOTICES, NOTICES_HELP, "state=\"queued\"", &ng.count[C_NOTICES]),
	COUNTER(NOTICES, NOTICES_HELP, "state=\"sent\"", &ng.count[C_SENT]),
	COUNTER(NOTICES, NOTICES_HELP, "state=\"acknowledged\"", &ng.count[C_ACKNOWLEDGED]),
	COUNTER(NOTICES, NOTICES_HELP, "state=\"failed\"", &ng.count[C_FAILED]),
	COUNTER(NOTICES, NOTICES_HELP, "state=\"unanswered\"", &ng.count[C_UNANSWERED]),
	COUNTER(NOTICES, NOTICES_HELP, "state=\"requeued\"", &ng.count[C_REQUEUED]),
	COUNTER(NOTICES, NOTICES_HELP, "state=\"released\"", &ng.count[C_RELEASED]),
	COUNTER(DROPPED, DROPPED_HELP, "reason=\"overflow\"", &ng.dropped[DROP_OVERFLOW]),
	COUNTER(DROPPED, DROPPED_HELP, "reason=\"age\"", &ng.dropped[DROP_AGE]),
	COUNTER(DROPPED, DROPPED_HELP, "reason=\"forgotten\"", &ng.dropped[DROP_FORGOTTEN]),
	COUNTER(DROPPED, DROPPED_HELP, "reason=\"replaced\"", &ng.dropped[DROP_REPLACED]),
	COUNTER(DROPPED, DROPPED_HELP, "reason=\"lost\"", &ng.dropped[DROP_LOST]),
	COUNTER(DROPPED, DROPPED_HELP, "reason=\"policy\"", &ng.dropped[DROP_POLICY]),
	COUNTER(DROPPED, DROPPED_HELP, "reason=\"operator\"", &ng.dropped[DROP_OPERATOR]),
	COUNTER("moon2m_notice_gaps_total", "Gap notices sent", NULL, &ng.count[C_GAPS]),
	COUNTER("moon2m_notice_retries_total", "Back-offs of targets that are dialled", NULL,
		&ng.count[C_RETRIES]),
	GAUGE("moon2m_notices_waiting", "Notices not done: waiting, sent or parked", &ng.total),
	GAUGE("moon2m_notice_bytes", "Bodies of waiting notices held in memory", &ng.kept_bodies),
	GAUGE("moon2m_notice_targets", "Notification targets known", &ng.targets.n),
	{ .name = "moon2m_notices_parked",
	  .help = "Notices whose target is away or whose format failed",
	  .kind = METRIC_GAUGE,
	  .read = read_parked },
	{ .name = "moon2m_notices_held",
	  .help = "Notices that a subscription's policy holds back",
	  .kind = METRIC_GAUGE,
	  .read = read_held },
};

/* ---- by target and by subscription ----------------------------------------------------------- */

struct entry {
	struct str name;
	uint64_t v[FIGURES];
};

/* A heap of the busiest, the least of them on top. */
struct top {
	struct entry e[TOP];
	size_t n;
	uint64_t rest[FIGURES]; /* of all; at last of those that are not named */
};

static bool busier(const struct entry *a, const struct entry *b)
{
	if (a->v[F_WAITING] != b->v[F_WAITING])
		return a->v[F_WAITING] > b->v[F_WAITING];
	return a->v[TALLY_SENT] > b->v[TALLY_SENT];
}

static void swap(struct entry *a, struct entry *b)
{
	struct entry was = *a;

	*a = *b;
	*b = was;
}

static void sink(struct top *top)
{
	for (size_t i = 0, k; (k = 2 * i + 1) < top->n; i = k) {
		if (k + 1 < top->n && busier(&top->e[k], &top->e[k + 1]))
			k++;
		if (!busier(&top->e[i], &top->e[k]))
			return;
		swap(&top->e[i], &top->e[k]);
	}
}

static void offer(struct top *top, const struct entry *e)
{
	size_t i = top->n;

	if (top->n == TOP) {
		if (!busier(e, &top->e[0]))
			return;
		top->e[0] = *e;
		sink(top);
		return;
	}
	top->e[top->n++] = *e;
	for (; i && busier(&top->e[(i - 1) / 2], &top->e[i]); i = (i - 1) / 2)
		swap(&top->e[(i - 1) / 2], &top->e[i]);
}

/* Entries of one name become one, for a sample may be there once. */
static void merge(struct top *top)
{
	for (size_t i = 0; i < top->n; i++) {
		for (size_t j = top->n; --j > i;) {
			if (!str_eq(top->e[i].name, top->e[j].name))
				continue;
			for (int k = 0; k < FIGURES; k++)
				top->e[i].v[k] += top->e[j].v[k];
			top->e[j] = top->e[--top->n];
		}
	}
}

static void subtract(struct top *top)
{
	for (size_t i = 0; i < top->n; i++) {
		for (int k = 0; k < FIGURES; k++) {
			uint64_t v = top->e[i].v[k];

			top->rest[k] -= v < top->rest[k] ? v : top->rest[k];
		}
	}
}

struct family {
	const char *name, *help, *label;
	bool states; /* the tallies, each with its label */
	int figure; /* otherwise this one */
};

static void sample(struct buf *out, const struct family *f, const struct entry *e, int figure,
		   const uint64_t *rest)
{
	buf_fmt(out, "%s{%s=\"", f->name, f->label);
	metrics_label(out, e ? e->name : STR("other"));
	if (f->states)
		buf_fmt(out, "\",state=\"%s", tally_name[figure]);
	buf_fmt(out, "\"} %llu\n", (unsigned long long)(e ? e->v[figure] : rest[figure]));
}

static void put_family(struct buf *out, const struct family *f, const struct top *top)
{
	int from = f->states ? 0 : f->figure, to = f->states ? TALLY_DROPPED : f->figure;

	metrics_head(out, f->name, f->help, f->figure == F_WAITING ? METRIC_GAUGE : METRIC_COUNTER);
	for (int k = from; k <= to; k++) {
		for (size_t i = 0; i < top->n; i++)
			sample(out, f, &top->e[i], k, NULL);
		sample(out, f, NULL, k, top->rest);
	}
}

/* What lanes hold back waits for their target. */
static void target_figures(const struct target *t, struct entry *e)
{
	const struct target *lane;

	*e = (struct entry){ .name = t->key };
	memcpy(e->v, t->n, sizeof(t->n));
	e->v[F_WAITING] = t->count;
	TAILQ_FOREACH(lane, &t->lanes, on_lanes)
	e->v[F_WAITING] += lane->count;
}

static void collect_targets(struct buf *out)
{
	static const struct family family[] = {
		{ "moon2m_target_waiting", "Notices not done, of the hundred busiest targets",
		  "target", false, F_WAITING },
		{ "moon2m_target_notices_total",
		  "Notices by what became of them, of the hundred busiest targets", "target", true,
		  0 },
	};
	struct top top = { .n = 0 };
	struct entry e;

	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			const struct target *t = container_of(x, struct target, by_key);

			if (t->lane)
				continue;
			target_figures(t, &e);
			offer(&top, &e);
		}
	}
	top.rest[TALLY_SENT] = ng.count[C_SENT];
	top.rest[TALLY_DONE] = ng.count[C_ACKNOWLEDGED];
	top.rest[TALLY_FAILED] = ng.count[C_FAILED];
	top.rest[TALLY_DROPPED] = dropped_now();
	top.rest[F_WAITING] = ng.total;
	subtract(&top);
	for (size_t i = 0; i < countof(family); i++)
		put_family(out, &family[i], &top);
}

static void sub_figures(const struct sub *s, struct entry *e)
{
	*e = (struct entry){ .name = s->sur.raw };
	memcpy(e->v, s->past, sizeof(s->past));
	for (const struct member *m = s->members; m; m = m->next)
		member_figures(m, e->v);
}

static void collect_subs(struct buf *out)
{
	static const struct family family[] = {
		{ "moon2m_subscription_waiting",
		  "Notices not done, of the hundred busiest subscriptions", "sub", false,
		  F_WAITING },
		{ "moon2m_subscription_events_total",
		  "Events, each once for every target, of the hundred busiest subscriptions", "sub",
		  false, F_EVENTS },
		{ "moon2m_subscription_notices_total",
		  "Events by what became of their notices, of the hundred busiest subscriptions",
		  "sub", true, 0 },
	};
	struct top top = { .n = 0 };
	struct entry e;

	memcpy(top.rest, ng.past, sizeof(ng.past));
	for (size_t i = 0; i < ng.subs.cap; i++) {
		for (struct node *x = ng.subs.slot[i]; x; x = x->next) {
			const struct sub *s = container_of(x, struct sub, by_id);

			sub_figures(s, &e);
			for (int k = 0; k < FIGURES; k++)
				top.rest[k] += e.v[k];
			if (!s->dead)
				offer(&top, &e);
		}
	}
	subtract(&top);
	merge(&top);
	for (size_t i = 0; i < countof(family); i++)
		put_family(out, &family[i], &top);
}

void books_open(void)
{
	for (size_t i = 0; i < countof(metrics); i++)
		metric_register(&metrics[i]);
	metrics_collect(collect_targets);
	metrics_collect(collect_subs);
}
