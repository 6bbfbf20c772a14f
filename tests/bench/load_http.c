/*
 * load_http.c - the modes that speak HTTP only: each keeps one request outstanding on each of its
 * connections, measures from sending to the whole answer, and ends the process at the first answer
 * that is not what was expected.
 */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEVICES 99 /* of a site */
#define ROOMS 20
#define READINGS 9 /* of a device */
#define MAX_WAIT 60000000000ll /* ns that nothing may happen */

struct loop {
	int64_t end; /* ns; 0: until `total` */
	uint64_t done, sent, total;
	unsigned open; /* connections that wait for an answer */
	int expect;
	struct samples lat;
	int (*next)(uint64_t i, char *out, size_t size);
	void (*check)(const char *body, size_t n); /* NULL: the status is enough */
};

struct client {
	struct loop *loop;
	struct hconn *c;
	int64_t t0;
};

static void answered(void *arg, struct hconn *c, int status, const char *body, size_t n);

static void send_next(struct client *k)
{
	static char text[4096];
	struct loop *l = k->loop;
	int n;

	if ((l->end && now_ns() >= l->end) || (l->total && l->sent >= l->total)) {
		l->open--;
		return;
	}
	n = l->next(l->sent++, text, sizeof(text));
	k->t0 = now_ns();
	http_request(k->c, text, (size_t)n, answered, k);
}

static void answered(void *arg, struct hconn *c, int status, const char *body, size_t n)
{
	struct client *k = arg;
	struct loop *l = k->loop;

	(void)c;
	if (status != l->expect)
		die("answer %d, %d was expected: %.*s", status, l->expect, (int)n, body);
	sample_add(&l->lat, now_ns() - k->t0);
	if (l->check)
		l->check(body, n);
	l->done++;
	send_next(k);
}

static double run_loop(struct loop *l, unsigned conns, double seconds, const char *what)
{
	struct client *k = calloc(conns, sizeof(*k));
	int64_t t0, moved;
	uint64_t seen = 0;

	for (unsigned i = 0; i < conns; i++)
		k[i] = (struct client){ l, http_open(), 0 };
	cpu_start();
	t0 = moved = now_ns();
	l->end = seconds > 0 ? t0 + (int64_t)(seconds * 1e9) : 0;
	l->open = conns;
	for (unsigned i = 0; i < conns; i++)
		send_next(&k[i]);
	while (l->open) {
		client_poll(100);
		progress(what, l->done, l->total);
		if (l->done != seen) {
			seen = l->done;
			moved = now_ns();
		} else if (now_ns() - moved > MAX_WAIT) {
			die("%s: no answer for a minute", what);
		}
	}
	t0 = now_ns() - t0;
	progress_end();
	if (l->done != l->sent)
		die("%s: %llu requests, %llu answers", what, (unsigned long long)l->sent,
		    (unsigned long long)l->done);
	for (unsigned i = 0; i < conns; i++)
		http_close(k[i].c);
	free(k);
	return (double)t0 / 1e9;
}

static void run(struct loop *l, unsigned conns, double seconds, const char *mode)
{
	double took = run_loop(l, conns, seconds, mode), cpu = cpu_used();

	printf("{\"mode\":\"%s\",\"conns\":%u,\"count\":%llu,\"seconds\":%.3f,\"rate\":%.0f,"
	       "\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f,\"cpu_ns\":%.0f}\n",
	       mode, conns, (unsigned long long)l->done, took, (double)l->done / took,
	       sample_quantile(&l->lat, 0.5), sample_quantile(&l->lat, 0.99),
	       sample_quantile(&l->lat, 1), l->done ? cpu / (double)l->done : 0);
}

/* The same sequence in every run. */
static unsigned random_below(unsigned n)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x % n);
}

/* ---- setting up ------------------------------------------------------------------------------ */

static unsigned containers = 1, labels, mni;
static const char *sub_format, *sub_container, *group;

void mode_ready(void)
{
	int64_t end = now_ns() + 60000000000ll;
	struct timespec t;

	while (!http_ready()) {
		if (now_ns() > end || !server_runs())
			die("the server did not become ready");
		usleep(500);
	}
	clock_gettime(CLOCK_REALTIME, &t);
	printf("{\"mode\":\"ready\",\"wall\":%.6f}\n", (double)t.tv_sec + (double)t.tv_nsec / 1e9);
}

static int next_container(uint64_t i, char *out, size_t size)
{
	char body[200];

	snprintf(body, sizeof(body),
		 "{\"m2m:cnt\":{\"rn\":\"c%llu\",\"mni\":%u,\"acpi\":[\"moon/all\"]}}",
		 (unsigned long long)i, mni);
	return post(out, size, "/moon/bench", "Cbench", 3, body);
}

void mode_containers(unsigned n, unsigned max)
{
	struct loop l = { .total = n, .expect = 201, .next = next_container };

	mni = max;
	run(&l, 32, 0, "containers");
}

static int next_ae(uint64_t i, char *out, size_t size)
{
	char body[256], origin[32];

	snprintf(origin, sizeof(origin), "Cf%05llu", (unsigned long long)i);
	snprintf(body, sizeof(body),
		 "{\"m2m:ae\":{\"rn\":\"f%05llu\",\"api\":\"Nbench\",\"rr\":true,\"srv\":[\"3\"]}}",
		 (unsigned long long)i);
	return post(out, size, "/moon", origin, 2, body);
}

void mode_aes(unsigned n)
{
	struct loop l = { .total = n, .expect = 201, .next = next_ae };

	run(&l, 64, 0, "aes");
}

static int next_sub(uint64_t i, char *out, size_t size)
{
	static const char format[] = "{\"m2m:sub\":{\"rn\":\"s%05llu\",\"nu\":[\"%s\"],"
				     "\"enc\":{\"net\":[3],\"chty\":[4]}%s}}";
	char body[512], label[128] = "", origin[32], path[128];

	snprintf(origin, sizeof(origin), "Cf%05llu", (unsigned long long)i);
	snprintf(path, sizeof(path), "/moon/bench/%s", sub_container);
	if (*sub_format != '-')
		snprintf(label, sizeof(label), ",\"lbl\":[\"format:%s\"]", sub_format);
	snprintf(body, sizeof(body), format, (unsigned long long)i, origin, label);
	return post(out, size, path, origin, 23, body);
}

void mode_subs(unsigned n, const char *format, const char *container)
{
	struct loop l = { .total = n, .expect = 201, .next = next_sub };

	sub_format = format;
	sub_container = container;
	run(&l, 64, 0, "subs");
}

static int next_watch(uint64_t i, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/moon/bench/c%llu", (unsigned long long)i);
	return post(
	    out, size, path, "Cf00000", 23,
	    "{\"m2m:sub\":{\"rn\":\"w\",\"nu\":[\"Cf00000\"],\"enc\":{\"net\":[3],\"chty\":[4]}}}");
}

void mode_watch(unsigned n)
{
	struct loop l = { .total = n, .expect = 201, .next = next_watch };

	run(&l, 64, 0, "watch");
}

/* ---- instances ------------------------------------------------------------------------------- */

/* Content of 100 bytes: the number, and zeros. */
#define CONTENT "%08llu%092d"

static int next_create(uint64_t i, char *out, size_t size)
{
	char path[64], body[200];

	if (group)
		snprintf(path, sizeof(path), "/moon/bench/%s/fopt", group);
	else
		snprintf(path, sizeof(path), "/moon/bench/c%u", random_below(containers));
	snprintf(body, sizeof(body), "{\"m2m:cin\":{\"con\":\"" CONTENT "\"}}",
		 (unsigned long long)i, 0);
	return post(out, size, path, "Cbench", 4, body);
}

static void await_listener(uint64_t want)
{
	int64_t end = now_ns() + 20000000000ll;

	while (listener_frames() < want && now_ns() < end)
		client_poll(100);
	for (int i = 0; i < 5; i++)
		client_poll(20); /* none may come twice */
	listener_check(want);
}

void mode_create(unsigned conns, double seconds, unsigned n, bool listener)
{
	struct loop l = { .expect = 201, .next = next_create };

	containers = n;
	if (listener)
		listener_open("\"con\":\"");
	run(&l, conns, seconds, listener ? "watched" : "create");
	if (listener)
		await_listener(l.done);
}

/* One instance in ten has a label; as many labels as give each of them 100 instances. */
static int next_fill(uint64_t i, char *out, size_t size)
{
	char path[64], label[48] = "", body[256];

	snprintf(path, sizeof(path), "/moon/bench/c%llu", (unsigned long long)(i % containers));
	if (labels && i % 10 == 0)
		snprintf(label, sizeof(label), ",\"lbl\":[\"k%llu\"]",
			 (unsigned long long)(i / 10 % labels));
	snprintf(body, sizeof(body), "{\"m2m:cin\":{\"con\":\"" CONTENT "\"%s}}",
		 (unsigned long long)i, 0, label);
	return post(out, size, path, "Cbench", 4, body);
}

void mode_fill(unsigned n, unsigned each)
{
	struct loop l = { .total = (uint64_t)n * each, .expect = 201, .next = next_fill };

	containers = n;
	labels = (unsigned)(l.total / 1000);
	run(&l, 256, 0, "fill");
}

/* ---- containers beside timeSeries ------------------------------------------------------------ */

static const char *holder, *holder_more;
static int holder_ty;

static int next_holder(uint64_t i, char *out, size_t size)
{
	char body[300], more[200];

	fill_hole(*holder_more == '-' ? "" : holder_more, (unsigned)i, more, sizeof(more));
	snprintf(body, sizeof(body), "{\"m2m:%s\":{\"rn\":\"%s%llu\",\"acpi\":[\"moon/all\"]%s%s}}",
		 holder_ty == 3 ? "cnt" : "ts", holder, (unsigned long long)i, *more ? "," : "",
		 more);
	return post(out, size, "/moon/bench", "Cbench", holder_ty, body);
}

void mode_holders(const char *name, int ty, unsigned n, const char *more)
{
	struct loop l = { .total = n, .expect = 201, .next = next_holder };

	holder = name;
	holder_ty = ty;
	holder_more = more;
	run(&l, 32, 0, "holders");
}

/* One after the other; in each the times ascend by a millisecond. */
static int next_value(uint64_t i, char *out, size_t size)
{
	unsigned ms = (unsigned)(i / containers), s = ms / 1000;
	char path[64], dgt[64] = "", body[256];

	snprintf(path, sizeof(path), "/moon/bench/%s%llu", holder,
		 (unsigned long long)(i % containers));
	if (holder_ty == 30)
		snprintf(dgt, sizeof(dgt), "\"dgt\":\"20900101T%02u%02u%02u,%03u\",", s / 3600 % 24,
			 s / 60 % 60, s % 60, ms % 1000);
	snprintf(body, sizeof(body), "{\"m2m:%s\":{%s\"con\":\"" CONTENT "\"}}",
		 holder_ty == 4 ? "cin" : "tsi", dgt, (unsigned long long)i, 0);
	return post(out, size, path, "Cbench", holder_ty, body);
}

void mode_values(const char *name, int ty, unsigned n, unsigned each)
{
	struct loop l = { .total = (uint64_t)n * each, .expect = 201, .next = next_value };

	holder = name;
	holder_ty = ty;
	containers = n;
	run(&l, 64, 0, "values");
}

/* ---- a tree of several types ----------------------------------------------------------------- */

static int next_site(uint64_t i, char *out, size_t size)
{
	char body[200];

	snprintf(body, sizeof(body),
		 "{\"m2m:cnt\":{\"rn\":\"s%llu\",\"lbl\":[\"site\"],\"acpi\":[\"moon/all\"]}}",
		 (unsigned long long)i);
	return post(out, size, "/moon/bench", "Cbench", 3, body);
}

static int next_site_sub(uint64_t i, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/moon/bench/s%llu", (unsigned long long)i);
	return post(out, size, path, "Cbench", 23,
		    "{\"m2m:sub\":{\"rn\":\"sub\",\"nu\":[\"Cbench\"],\"enc\":{\"net\":[2]},"
		    "\"acpi\":[\"moon/all\"]}}");
}

static int next_device(uint64_t i, char *out, size_t size)
{
	unsigned long long site = i / DEVICES, device = i % DEVICES;
	char path[64], body[200];

	snprintf(path, sizeof(path), "/moon/bench/s%llu", site);
	snprintf(body, sizeof(body),
		 "{\"m2m:cnt\":{\"rn\":\"d%llu\",\"lbl\":[\"room:%llu\",\"serial:%llu\"],"
		 "\"acpi\":[\"moon/all\"]}}",
		 device, device % ROOMS, (unsigned long long)i);
	return post(out, size, path, "Cbench", 3, body);
}

/* Of the READINGS of a device one has the device's label. */
static int next_reading(uint64_t i, char *out, size_t size)
{
	unsigned long long device = i % (containers * DEVICES);
	char path[64], label[48] = "", body[256];

	snprintf(path, sizeof(path), "/moon/bench/s%llu/d%llu", device / DEVICES, device % DEVICES);
	if (i < (uint64_t)containers * DEVICES)
		snprintf(label, sizeof(label), ",\"lbl\":[\"room:%llu\"]",
			 device % DEVICES % ROOMS);
	snprintf(body, sizeof(body), "{\"m2m:cin\":{\"con\":\"" CONTENT "\"%s}}",
		 (unsigned long long)i, 0, label);
	return post(out, size, path, "Cbench", 4, body);
}

void mode_sites(unsigned sites)
{
	static int (*const next[])(uint64_t, char *, size_t) = { next_site, next_site_sub,
								 next_device, next_reading };
	const uint64_t total[] = { sites, sites, (uint64_t)sites * DEVICES,
				   (uint64_t)sites * DEVICES * READINGS };

	containers = sites;
	for (size_t i = 0; i < 4; i++) {
		struct loop l = { .total = total[i], .expect = 201, .next = next[i] };

		run(&l, 256, 0, "sites");
	}
}

/* ---- flexContainers -------------------------------------------------------------------------- */

static int next_flex(uint64_t i, char *out, size_t size)
{
	char body[400];

	snprintf(body, sizeof(body),
		 "{\"cod:texMe\":{\"rn\":\"f%llu\",\"acpi\":[\"moon/all\"],\"texMe\":\"-\","
		 "\"cnd\":\"org.onem2m.common.moduleclass.textMessage\"%s%s}}",
		 (unsigned long long)i, *holder_more == '-' ? "" : ",",
		 *holder_more == '-' ? "" : holder_more);
	return post(out, size, "/moon/bench", "Cbench", 28, body);
}

static int next_flex_watch(uint64_t i, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/moon/bench/f%llu", (unsigned long long)i);
	return post(out, size, path, "Cf00000", 23,
		    "{\"m2m:sub\":{\"rn\":\"w\",\"nu\":[\"Cf00000\"],\"enc\":{\"net\":[1]}}}");
}

void mode_flex(unsigned n, const char *more)
{
	struct loop l = { .total = n, .expect = 201, .next = next_flex };

	if (!strcmp(more, "watch"))
		l.next = next_flex_watch;
	holder_more = more;
	run(&l, 64, 0, "flex");
}

static int next_update(uint64_t i, char *out, size_t size)
{
	char body[200];
	int n = snprintf(body, sizeof(body), "{\"cod:texMe\":{\"texMe\":\"" CONTENT "\"}}",
			 (unsigned long long)i, 0);

	return snprintf(out, size,
			"PUT /moon/bench/f%u HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: Cbench\r\n"
			"X-M2M-RI: 1\r\nX-M2M-RVI: 3\r\nContent-Type: application/json\r\n"
			"Content-Length: %d\r\n\r\n%s",
			random_below(containers), n, body);
}

void mode_update(unsigned conns, double seconds, unsigned n, bool listener)
{
	struct loop l = { .expect = 200, .next = next_update };

	containers = n;
	if (listener)
		listener_open("\"texMe\":\"");
	run(&l, conns, seconds, listener ? "updated" : "update");
	if (listener)
		await_listener(l.done);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char *get_path, *get_part;
static unsigned get_range, get_times;
static uint64_t sum_st, sum_cni;

static int next_get(uint64_t i, char *out, size_t size)
{
	char path[512];

	(void)i;
	fill_hole(get_path, random_below(get_range), path, sizeof(path));
	return snprintf(out, size,
			"GET %s HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: Cbench\r\nX-M2M-RI: 1\r\n"
			"X-M2M-RVI: 3\r\n\r\n",
			path);
}

static void check_part(const char *body, size_t n)
{
	size_t len = strlen(get_part);
	const char *p = body, *end = body + n;
	unsigned times = 0;

	while ((p = memmem(p, (size_t)(end - p), get_part, len))) {
		times++;
		p += len;
	}
	if (times != get_times)
		die("%u times %s in an answer, %u were expected", times, get_part, get_times);
}

void mode_get(unsigned conns, double seconds, const char *path, unsigned range, const char *part,
	      unsigned times)
{
	struct loop l = { .expect = 200, .next = next_get, .check = check_part };

	get_path = path;
	get_range = range;
	get_part = part;
	get_times = times;
	run(&l, conns, seconds, "get");
}

void mode_grouped(unsigned conns, double seconds, const char *name, unsigned members)
{
	struct loop l = { .expect = 200, .next = next_create, .check = check_part };

	group = name;
	get_part = "\"rsc\":2001";
	get_times = members;
	run(&l, conns, seconds, "grouped");
}

static int next_count(uint64_t i, char *out, size_t size)
{
	return snprintf(out, size,
			"GET /moon/bench/c%llu HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: Cbench\r\n"
			"X-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\r\n",
			(unsigned long long)i);
}

static uint64_t member(const char *body, size_t n, const char *name)
{
	const char *p = memmem(body, n, name, strlen(name));

	if (!p)
		die("no %s in %.*s", name, (int)n, body);
	return strtoull(p + strlen(name), NULL, 10);
}

static void add_counts(const char *body, size_t n)
{
	sum_st += member(body, n, "\"st\":");
	sum_cni += member(body, n, "\"cni\":");
}

void mode_count(unsigned n)
{
	struct loop l = { .total = n, .expect = 200, .next = next_count, .check = add_counts };

	run_loop(&l, 32, 0, "count");
	printf("{\"mode\":\"count\",\"containers\":%u,\"st\":%llu,\"cni\":%llu}\n", n,
	       (unsigned long long)sum_st, (unsigned long long)sum_cni);
}

/* ---- deleting -------------------------------------------------------------------------------- */

static const char *drop_path;
static int64_t drop_ns;

static int next_ping(uint64_t i, char *out, size_t size)
{
	(void)i;
	return snprintf(out, size,
			"GET /moon HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: CAdmin\r\n"
			"X-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\r\n");
}

static void dropped(void *arg, struct hconn *c, int status, const char *body, size_t n)
{
	int64_t *t0 = arg;

	(void)c;
	if (status != 200)
		die("the DELETE of %s was answered with %d: %.*s", drop_path, status, (int)n, body);
	drop_ns = now_ns() - *t0;
}

/* What one client at a time waits for a resource in memory, before, while and after another deletes
 * a subtree. */
void mode_drop(const char *path, double seconds)
{
	struct loop before = { .expect = 200, .next = next_ping }, during = before;
	struct hconn *c = http_open();
	char text[512];
	int64_t t0;
	int n;

	run_loop(&before, 1, 1, "before");
	drop_path = path;
	n = snprintf(text, sizeof(text),
		     "DELETE %s HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: Cbench\r\nX-M2M-RI: 1\r\n"
		     "X-M2M-RVI: 3\r\n\r\n",
		     path);
	t0 = now_ns();
	http_request(c, text, (size_t)n, dropped, &t0);
	run_loop(&during, 1, seconds, "drop");
	if (!drop_ns)
		die("the DELETE of %s took more than %.0f s", path, seconds);
	http_close(c);
	printf("{\"mode\":\"drop\",\"delete_ms\":%.1f,\"before_max_ms\":%.2f,\"p50_us\":%.0f,"
	       "\"p99_us\":%.0f,\"max_ms\":%.2f}\n",
	       (double)drop_ns / 1e6, sample_quantile(&before.lat, 1) / 1e3,
	       sample_quantile(&during.lat, 0.5), sample_quantile(&during.lat, 0.99),
	       sample_quantile(&during.lat, 1) / 1e3);
}
