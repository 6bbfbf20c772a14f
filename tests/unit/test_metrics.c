/*
 * test_metrics.c - the Prometheus text, families and their bound, quantiles.
 */
#include "metrics.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static char *text(void)
{
	struct buf b = BUF_INIT;

	metrics_write(&b);
	buf_char(&b, '\0');
	return buf_steal(&b, NULL);
}

static void assert_shown(const char *want)
{
	char *all = text();

	if (!strstr(all, want))
		fail_msg("not shown: %s\nin: %s", want, all);
	free(all);
}

static double answer(void *arg)
{
	return *(double *)arg;
}

static void counters_and_gauges(void **state)
{
	static double live = 2.5;
	static struct metric a = { .name = "t_total", .help = "a \\ and\nb", .labels = "op=\"x\"" };
	static struct metric b = { .name = "t_gauge", .help = "g", .kind = METRIC_GAUGE };
	static struct metric c = { .name = "t_total", .help = "?", .labels = "op=\"y\"" };
	static struct metric d = { .name = "t_live", .kind = METRIC_GAUGE, .read = answer };

	(void)state;
	d.arg = &live;
	metric_register(&a);
	metric_register(&b);
	metric_register(&c);
	metric_register(&d);
	metric_register(&a);
	metric_add(&a, 1);
	metric_add(&a, 2);
	metric_set(&b, -0.5);
	assert_shown("# HELP t_total a \\\\ and\\nb\n# TYPE t_total counter\n"
		     "t_total{op=\"x\"} 3\nt_total{op=\"y\"} 0\n# HELP t_gauge g\n"
		     "# TYPE t_gauge gauge\nt_gauge -0.5\n# HELP t_live \n# TYPE t_live gauge\n"
		     "t_live 2.5\n");
	live = INFINITY;
	assert_shown("t_live +Inf\n");
	live = -INFINITY;
	assert_shown("t_live -Inf\n");
	live = NAN;
	assert_shown("t_live NaN\n");
	live = 0;
}

static void histograms(void **state)
{
	static const double bounds[] = { 1, 2.5, 10 };
	static struct metric h = { .name = "t_size",
				   .help = "h",
				   .kind = METRIC_HISTOGRAM,
				   .labels = "k=\"v\"",
				   .bounds = bounds,
				   .nbounds = 3 };
	static struct metric t = { .name = "t_seconds", .help = "t", .kind = METRIC_HISTOGRAM };

	(void)state;
	metric_register(&h);
	metric_register(&t);
	assert_true(metric_quantile(&h, 0.5) == 0);
	metric_observe(&h, 0.5);
	metric_observe(&h, 1);
	metric_observe(&h, 2);
	metric_observe(&h, 11);
	assert_shown("# TYPE t_size histogram\nt_size_bucket{k=\"v\",le=\"1\"} 2\n"
		     "t_size_bucket{k=\"v\",le=\"2.5\"} 3\nt_size_bucket{k=\"v\",le=\"10\"} 3\n"
		     "t_size_bucket{k=\"v\",le=\"+Inf\"} 4\nt_size_sum{k=\"v\"} 14.5\n"
		     "t_size_count{k=\"v\"} 4\n");
	assert_true(metric_quantile(&h, 0) == 1);
	assert_true(metric_quantile(&h, 0.5) == 1);
	assert_true(metric_quantile(&h, 0.75) == 2.5);
	assert_true(metric_quantile(&h, 1) == 10);
	metric_observe(&t, 0.00005);
	metric_observe(&t, 100);
	assert_shown("t_seconds_bucket{le=\"5e-05\"} 1\n");
	assert_shown("t_seconds_bucket{le=\"10\"} 1\nt_seconds_bucket{le=\"+Inf\"} 2\n");
	assert_true(metric_quantile(&t, 0.5) == METRIC_SECONDS[0]);
	for (size_t i = 1; i < countof(METRIC_SECONDS); i++)
		assert_true(METRIC_SECONDS[i] > METRIC_SECONDS[i - 1]);
}

static void families_are_bounded(void **state)
{
	struct metric *other = NULL, *first = NULL;
	char labels[40];

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct metric *m;

		snprintf(labels, sizeof(labels), "script=\"s%d\",n=\"\\\"%d\"", i, i);
		m = metric_labelled("t_calls", "calls", METRIC_COUNTER, labels, 3);
		if (i == 0)
			first = m;
		if (i == 3)
			other = m;
		assert_true(i <= 3 ? m != NULL : m == other);
		metric_add(m, 1);
	}
	assert_true(first == metric_labelled("t_calls", "calls", METRIC_COUNTER,
					     "script=\"s0\",n=\"\\\"0\"", 3));
	assert_shown("t_calls{script=\"s0\",n=\"\\\"0\"} 1\n");
	assert_shown("t_calls{script=\"other\",n=\"other\"} 7\n");
	first = metric_labelled("t_plain", NULL, METRIC_HISTOGRAM, NULL, 1);
	assert_true(first == metric_labelled("t_plain", NULL, METRIC_HISTOGRAM, NULL, 1));
	metric_observe(first, 1);
	assert_shown("t_plain_count 1\n");
}

static void *add_many(void *m)
{
	for (int i = 0; i < 20000; i++)
		metric_add_atomic(m, 1);
	return NULL;
}

static void threads_may_add(void **state)
{
	static struct metric m = { .name = "t_threads", .help = "" };
	pthread_t other;

	(void)state;
	metric_register(&m);
	assert_int_equal(pthread_create(&other, NULL, add_many, &m), 0);
	add_many(&m);
	pthread_join(other, NULL);
	assert_true(m.value == 40000);
}

/* Last: fills the registry. */
static void the_registry_is_bounded(void **state)
{
	struct metric *last = NULL, *m = NULL;
	char name[40], *all;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "t_many_%d", i);
		last = m;
		m = metric_labelled(name, "", METRIC_HISTOGRAM, NULL, 10);
		metric_observe(m, 1);
	}
	assert_true(m == last);
	assert_true(m->count > 0);
	all = text();
	assert_non_null(strstr(all, "t_many_4000_count 1\n"));
	assert_null(strstr(all, "t_many_4999"));
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_and_gauges),     cmocka_unit_test(histograms),
		cmocka_unit_test(families_are_bounded),    cmocka_unit_test(threads_may_add),
		cmocka_unit_test(the_registry_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
