/*
 * metrics.c - the list of metrics and its Prometheus text.
 * Guarantees: the samples of one name stand together under one HELP and TYPE; the number of metrics
 * is bounded; adding and observing never allocate.
 * Must never: be used by two threads, but for metric_add_atomic.
 */
#include "metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define REGISTRY_MAX 4096
#define LABEL_BUCKETS 256

const double METRIC_SECONDS[14] = { 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
				    0.01,    0.025,  0.1,     0.5,    1,     2.5,    10 };

/* Metrics made by metric_labelled, found by name and labels. */
struct labelled {
	struct metric m;
	struct labelled *chain;
};

/* Stands in for what the registry has no room for. */
static struct metric overflow = { .name = "moon2m_metrics_overflow_total",
				  .help = "counted on metrics that found no room" };

static struct metric *first;
static size_t registered;
static void (*collect[8])(struct buf *out);
static struct labelled *table[LABEL_BUCKETS];

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Behind the last metric of its name, so that a family stays together.  More than the registry
 * holds are a mistake of ours: they count, but are not shown. */
void metric_register(struct metric *m)
{
	struct metric **at = &first, **family_end = NULL;

	for (; *at; at = &(*at)->next) {
		if (*at == m)
			return;
		if (strcmp((*at)->name, m->name) == 0)
			family_end = &(*at)->next;
	}
	if (m->kind == METRIC_HISTOGRAM && !m->buckets) {
		if (!m->bounds) {
			m->bounds = METRIC_SECONDS;
			m->nbounds = countof(METRIC_SECONDS);
		}
		m->buckets = xcalloc(m->nbounds + 1, sizeof(*m->buckets));
	}
	if (registered >= REGISTRY_MAX)
		return;
	if (family_end)
		at = family_end;
	m->next = *at;
	*at = m;
	registered++;
}

void metric_add(struct metric *m, double v)
{
	m->value += v;
}

void metric_add_atomic(struct metric *m, double v)
{
	double old, new;

	__atomic_load(&m->value, &old, __ATOMIC_RELAXED);
	do
		new = old + v;
	while (!__atomic_compare_exchange(&m->value, &old, &new, true, __ATOMIC_RELAXED,
					  __ATOMIC_RELAXED));
}

void metric_set(struct metric *m, double v)
{
	m->value = v;
}

void metric_observe(struct metric *m, double v)
{
	size_t i = 0;

	while (i < m->nbounds && v > m->bounds[i])
		i++;
	if (m->buckets)
		m->buckets[i]++;
	m->count++;
	m->value += v;
}

double metric_quantile(const struct metric *m, double q)
{
	uint64_t seen = 0, want;

	if (m->count == 0 || m->nbounds == 0)
		return 0;
	want = (uint64_t)ceil(q * (double)m->count);
	for (size_t i = 0; i < m->nbounds; i++) {
		seen += m->buckets[i];
		if (seen >= want && seen > 0)
			return m->bounds[i];
	}
	return m->bounds[m->nbounds - 1];
}

/* ---- families ------------------------------------------------------------------------------ */

static size_t bucket_of(const char *name, const char *labels)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	for (; labels && *labels; labels++)
		h = (h ^ (unsigned char)*labels) * 16777619u;
	return (h ^ h >> 16) % LABEL_BUCKETS;
}

static struct metric *find(const char *name, const char *labels)
{
	struct labelled *l = table[bucket_of(name, labels)];

	for (; l; l = l->chain)
		if (strcmp(l->m.name, name) == 0 && same_text(l->m.labels, labels))
			return &l->m;
	return NULL;
}

static unsigned family_size(const char *name)
{
	unsigned n = 0;

	for (struct metric *m = first; m; m = m->next)
		n += strcmp(m->name, name) == 0;
	return n;
}

static struct metric *make(const char *name, const char *help, enum metric_kind kind,
			   const char *labels)
{
	struct labelled *l = xcalloc(1, sizeof(*l)), **bucket = &table[bucket_of(name, labels)];

	l->m.name = xstrdup(name);
	l->m.help = xstrdup(help ? help : "");
	l->m.labels = labels ? xstrdup(labels) : NULL;
	l->m.kind = kind;
	l->chain = *bucket;
	*bucket = l;
	metric_register(&l->m);
	return &l->m;
}

/* `a="x",b="y"` -> `a="other",b="other"` */
static void other_labels(const char *labels, struct buf *out)
{
	const char *p = labels ? labels : "";

	while (*p) {
		buf_char(out, *p);
		if (*p++ != '"')
			continue;
		buf_str(out, STR("other\""));
		while (*p && *p != '"')
			p += p[0] == '\\' && p[1] ? 2 : 1;
		if (*p)
			p++;
	}
	buf_char(out, '\0');
}

struct metric *metric_labelled(const char *name, const char *help, enum metric_kind kind,
			       const char *labels, unsigned max)
{
	struct metric *m = find(name, labels);
	struct buf other = BUF_INIT;

	if (m)
		return m;
	if (family_size(name) < max && registered + 1 < REGISTRY_MAX)
		return make(name, help, kind, labels);
	other_labels(labels, &other);
	m = find(name, other.p);
	if (!m && registered < REGISTRY_MAX)
		m = make(name, help, kind, other.p);
	buf_free(&other);
	return m ? m : &overflow;
}

/* ---- text ---------------------------------------------------------------------------------- */

static void put_number(struct buf *out, double v)
{
	if (isnan(v))
		buf_str(out, STR("NaN"));
	else if (isinf(v))
		buf_str(out, v > 0 ? STR("+Inf") : STR("-Inf"));
	else
		buf_double(out, v);
}

static void put_help(struct buf *out, const char *help)
{
	for (; help && *help; help++) {
		if (*help == '\n')
			buf_str(out, STR("\\n"));
		else if (*help == '\\')
			buf_str(out, STR("\\\\"));
		else
			buf_char(out, *help);
	}
}

void metrics_head(struct buf *out, const char *name, const char *help, enum metric_kind kind)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };

	buf_fmt(out, "# HELP %s ", name);
	put_help(out, help);
	buf_fmt(out, "\n# TYPE %s %s\n", name, kinds[kind]);
}

void metrics_label(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\n') {
			buf_str(out, STR("\\n"));
			continue;
		}
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_char(out, '\\');
		buf_char(out, value.p[i]);
	}
}

void metrics_collect(void (*fn)(struct buf *out))
{
	size_t n = 0;

	while (n < countof(collect) && collect[n] && collect[n] != fn)
		n++;
	assert(n < countof(collect));
	collect[n] = fn;
}

/* name + suffix, the labels and, when bound is not NULL, le="bound"; then value. */
static void put_sample(struct buf *out, const struct metric *m, const char *suffix,
		       const double *bound, double value)
{
	bool labels = m->labels && *m->labels;

	buf_fmt(out, "%s%s", m->name, suffix);
	if (labels || bound)
		buf_char(out, '{');
	if (labels)
		buf_str(out, str_of(m->labels));
	if (bound) {
		buf_fmt(out, "%sle=\"", labels ? "," : "");
		put_number(out, *bound);
		buf_char(out, '"');
	}
	if (labels || bound)
		buf_char(out, '}');
	buf_char(out, ' ');
	put_number(out, value);
	buf_char(out, '\n');
}

static void put_histogram(struct buf *out, const struct metric *m)
{
	static const double infinite = INFINITY;
	uint64_t total = 0;

	for (size_t i = 0; i < m->nbounds; i++) {
		total += m->buckets[i];
		put_sample(out, m, "_bucket", &m->bounds[i], (double)total);
	}
	put_sample(out, m, "_bucket", &infinite, (double)m->count);
	put_sample(out, m, "_sum", NULL, m->value);
	put_sample(out, m, "_count", NULL, (double)m->count);
}

void metrics_write(struct buf *out)
{
	const char *name = "";

	for (struct metric *m = first; m; m = m->next) {
		double v;

		if (strcmp(m->name, name) != 0)
			metrics_head(out, m->name, m->help, m->kind);
		name = m->name;
		if (m->kind == METRIC_HISTOGRAM) {
			put_histogram(out, m);
			continue;
		}
		__atomic_load(&m->value, &v, __ATOMIC_RELAXED);
		put_sample(out, m, "", NULL, m->read ? m->read(m->arg) : v);
	}
	for (size_t i = 0; i < countof(collect) && collect[i]; i++)
		collect[i](out);
}
