/*
 * notify_books.c - what became of the notices: counters of the engine, of each target and of each
 * subscription's interest of a target; metrics, of which those by target name the busiest only.
 * Guarantees: counting costs a few additions and no allocation but for the text of a fault, which
 * is replaced by the next.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "clock.h"
#include "metrics.h"

#define TOP 100u /* targets that metrics name */

const char *const tally_name[4] = {
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

static struct metric metrics[] = {
	COUNTER("moon2m_events_total", "Events that concerned a subscription", NULL,
		&ng.count[C_EVENTS]),
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

/* ---- by target ------------------------------------------------------------------------------- */

/* A heap of the busiest, the least of them on top. */
struct top {
	const struct target *t[TOP];
	size_t n;
};

static bool busier(const struct target *a, const struct target *b)
{
	if (a->count != b->count)
		return a->count > b->count;
	return a->n[TALLY_SENT] > b->n[TALLY_SENT];
}

static void sink(struct top *top, size_t i)
{
	for (size_t k; (k = 2 * i + 1) < top->n; i = k) {
		const struct target *t = top->t[i];

		if (k + 1 < top->n && busier(top->t[k], top->t[k + 1]))
			k++;
		if (!busier(t, top->t[k]))
			return;
		top->t[i] = top->t[k];
		top->t[k] = t;
	}
}

static void offer(struct top *top, const struct target *t)
{
	size_t i = top->n;

	if (top->n == TOP) {
		if (!busier(t, top->t[0]))
			return;
		top->t[0] = t;
		sink(top, 0);
		return;
	}
	top->t[top->n++] = t;
	for (; i && busier(top->t[(i - 1) / 2], t); i = (i - 1) / 2)
		top->t[i] = top->t[(i - 1) / 2];
	top->t[i] = t;
}

static void sample(struct buf *out, const char *name, const struct target *t, const char *state,
		   uint64_t v)
{
	buf_fmt(out, "%s{target=\"", name);
	metrics_label(out, t ? t->key : STR("other"));
	if (state)
		buf_fmt(out, "\",state=\"%s", state);
	buf_fmt(out, "\"} %llu\n", (unsigned long long)v);
}

static void collect(struct buf *out)
{
	static const char waiting[] = "moon2m_target_waiting",
			  total[] = "moon2m_target_notices_total";
	uint64_t rest[4] = { ng.count[C_SENT], ng.count[C_ACKNOWLEDGED], ng.count[C_FAILED],
			     dropped_now() };
	uint64_t others = ng.total;
	struct top top = { .n = 0 };

	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next)
			offer(&top, container_of(x, struct target, by_key));
	}
	metrics_head(out, waiting, "Notices not done, of the hundred busiest targets",
		     METRIC_GAUGE);
	for (size_t i = 0; i < top.n; i++) {
		sample(out, waiting, top.t[i], NULL, top.t[i]->count);
		others -= top.t[i]->count;
	}
	sample(out, waiting, NULL, NULL, others);
	metrics_head(out, total, "Notices by what became of them, of the hundred busiest targets",
		     METRIC_COUNTER);
	for (int k = 0; k < 4; k++) {
		for (size_t i = 0; i < top.n; i++) {
			sample(out, total, top.t[i], tally_name[k], top.t[i]->n[k]);
			rest[k] -= top.t[i]->n[k] < rest[k] ? top.t[i]->n[k] : rest[k];
		}
		sample(out, total, NULL, tally_name[k], rest[k]);
	}
}

void books_open(void)
{
	for (size_t i = 0; i < countof(metrics); i++)
		metric_register(&metrics[i]);
	metrics_collect(collect);
}
