/*
 * store_inst.c - the store alone, through its contract: N transactions outstanding, each an
 * instance (evicting the oldest once a container has 10) and a kept notification, which the next
 * transaction of the same slot deletes.  The same work as bare_sqlite.c, so the lines compare.
 *
 *   store_inst FILE OUTSTANDING SECONDS [CONTAINERS]
 *
 * The file is made anew.  Prints one line of JSON; latency runs from store_commit to its callback.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "store.h"

#define KEEP 10
#define SAMPLES 2000000

static struct store *store;
static int wake_fd;
static char con[127], body[300];
static int64_t *tag, containers;
static int64_t until, ops, pending, notice;
static double *sample;

struct slot {
	int64_t start, notice;
};

static void wake(void *arg)
{
	uint64_t one = 1;

	(void)arg;
	if (write(wake_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void submit(struct slot *s);

static void committed(void *arg, const struct store_done *d)
{
	struct slot *s = arg;

	if (d->rc != STORE_OK) {
		fprintf(stderr, "store_inst: %s\n", d->msg);
		exit(1);
	}
	pending--;
	if (ops < SAMPLES)
		sample[ops] = (double)(clock_mono() - s->start) / 1e3;
	ops++;
	if (clock_mono() < until && ops < SAMPLES)
		submit(s);
}

static void submit(struct slot *s)
{
	struct store_tx *tx = store_tx_new(store);
	int64_t cid = rand() % containers + 2;
	struct store_inst i = {
		.cid = cid,
		.st = ++tag[cid],
		.ct = tag[cid],
		.et = STORE_NULL,
		.path = STR("c"),
		.con = { con, sizeof(con) },
		.size = sizeof(con),
	};

	s->start = clock_mono();
	store_tx_inst(tx, &i);
	store_tx_ntf(tx, ++notice, STORE_NULL, STR("member"), (struct str){ body, sizeof(body) });
	if (s->notice)
		store_tx_ntf_delete(tx, s->notice, s->notice);
	s->notice = notice;
	pending++;
	store_commit(store, tx, committed, s);
}

static void drain(void)
{
	struct pollfd p = { .fd = wake_fd, .events = POLLIN };
	uint64_t n;

	while (pending) {
		poll(&p, 1, -1);
		if (read(wake_fd, &n, sizeof(n)) == sizeof(n))
			store_poll(store);
	}
}

static void filled(void *arg, const struct store_done *d)
{
	(void)arg;
	if (d->rc != STORE_OK) {
		fprintf(stderr, "store_inst: %s\n", d->msg);
		exit(1);
	}
	pending--;
}

static void fill_commit(struct store_tx *tx)
{
	pending++;
	store_commit(store, tx, filled, NULL);
	drain();
}

static void fill(void)
{
	struct store_res r = {
		.id = 1, .ty = 5, .et = STORE_NULL, .doc = STR("{}"), .path = STR("")
	};
	struct store_tx *tx = store_tx_new(store);
	int64_t i, k;
	char name[24];

	store_tx_put(tx, &r);
	for (i = 0; i < containers; i++) {
		snprintf(name, sizeof(name), "c%lld", (long long)i);
		r = (struct store_res){ .id = i + 2,
					.pid = 1,
					.ty = 3,
					.rn = str_of(name),
					.path = str_of(name),
					.et = STORE_NULL,
					.doc = STR("{}"),
					.container = true,
					.mni = KEEP,
					.mbs = STORE_NULL,
					.mia = STORE_NULL };
		store_tx_put(tx, &r);
		for (k = 0; k < KEEP; k++) {
			struct store_inst n = { .cid = i + 2,
						.st = ++tag[i + 2],
						.et = STORE_NULL,
						.path = r.path,
						.con = { con, sizeof(con) },
						.size = sizeof(con) };

			store_tx_inst(tx, &n);
		}
		if (i % 1000 == 999) {
			fill_commit(tx);
			tx = store_tx_new(store);
		}
	}
	fill_commit(tx);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void remove_old(const char *path)
{
	char name[4096];

	unlink(path);
	snprintf(name, sizeof(name), "%s-wal", path);
	unlink(name);
	snprintf(name, sizeof(name), "%s-shm", path);
	unlink(name);
}

static void report(int outstanding, double seconds, double commits)
{
	qsort(sample, (size_t)ops, sizeof(*sample), by_value);
	printf("{\"bench\":\"store_inst\",\"outstanding\":%d,\"containers\":%lld,"
	       "\"seconds\":%.2f,\"ops\":%lld,\"ops_per_s\":%.0f,\"per_commit\":%.1f,"
	       "\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
	       outstanding, (long long)containers, seconds, (long long)ops, (double)ops / seconds,
	       (double)ops / commits, sample[ops / 2], sample[ops * 99 / 100]);
}

int main(int argc, char **argv)
{
	int outstanding = argc > 2 ? atoi(argv[2]) : 0, i;
	double seconds = argc > 3 ? atof(argv[3]) : 0;
	struct store_opts o = { .path = argc > 1 ? argv[1] : "", .wake = wake };
	struct slot *slot = calloc((size_t)(outstanding > 0 ? outstanding : 1), sizeof(*slot));
	struct store_stats st, before;
	struct err e = { 0 };
	int64_t start;

	containers = argc > 4 ? atoll(argv[4]) : 1000;
	if (outstanding < 1 || seconds <= 0 || containers < 1) {
		fprintf(stderr, "usage: store_inst FILE OUTSTANDING SECONDS [CONTAINERS]\n");
		return 2;
	}
	memset(con, '7', sizeof(con));
	memset(body, 'b', sizeof(body));
	wake_fd = eventfd(0, EFD_CLOEXEC);
	sample = malloc(SAMPLES * sizeof(*sample));
	tag = calloc((size_t)containers + 2, sizeof(*tag));
	remove_old(argv[1]);
	store = store_open(&o, &e);
	if (!store) {
		fprintf(stderr, "store_inst: %s\n", e.msg);
		return 1;
	}
	fill();
	store_stats(store, &before);
	start = clock_mono();
	until = start + (int64_t)(seconds * 1e6);
	for (i = 0; i < outstanding; i++)
		submit(&slot[i]);
	drain();
	seconds = (double)(clock_mono() - start) / 1e6;
	store_stats(store, &st);
	store_close(store);
	report(outstanding, seconds, (double)(st.commits - before.commits));
	return 0;
}
