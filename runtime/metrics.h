/*
 * metrics.h - counters, gauges and histograms, written out as Prometheus text.  Registered once by
 * the module that owns them (static objects), bounded in number; loop thread only, but for
 * metric_add_atomic.
 */
#pragma once

#include "buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
	const char *name; /* "moon2m_requests_total" */
	const char *help;
	const char *labels; /* "op=\"create\",rsc=\"2001\"" or NULL */
	enum metric_kind kind;
	double value; /* counter or gauge; histogram: sum */
	uint64_t count; /* histogram: observations */
	uint64_t *buckets; /* histogram: count per bound, allocated at registration */
	const double *bounds; /* ascending; METRIC_SECONDS when NULL */
	size_t nbounds;
	double (*read)(void *arg); /* gauge computed when asked; value is ignored */
	void *arg;
	struct metric *next;
};

extern const double METRIC_SECONDS[14]; /* 50 us ... 10 s */

void metric_register(struct metric *m); /* m lives for ever */
void metric_add(struct metric *m, double v);
void metric_add_atomic(struct metric *m, double v); /* any thread; no metric_add then */
void metric_set(struct metric *m, double v);
void metric_observe(struct metric *m, double v);
/* 0 when empty, the last bound when beyond it. */
double metric_quantile(const struct metric *m, double q); /* upper bound of the bucket */

/* A family with one metric per label text (`script="x"`, or NULL), found or made; at most `max`
 * of them, the rest count under the text with each value replaced by "other".  name, help and
 * labels are copied.  Never NULL. */
struct metric *metric_labelled(const char *name, const char *help, enum metric_kind kind,
			       const char *labels, unsigned max);

/* Text of families whose members change: fn appends whole families, heads included, whenever the
 * metrics are written.  At most 8 such functions. */
void metrics_collect(void (*fn)(struct buf *out));
void metrics_head(struct buf *out, const char *name, const char *help, enum metric_kind kind);
void metrics_label(struct buf *out, struct str value); /* as it stands between the quotes */
void metrics_write(struct buf *out); /* Prometheus text format 0.0.4 */
