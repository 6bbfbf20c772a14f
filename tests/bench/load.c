/*
 * load.c - the load generator: one mode per figure of the report, each bounded in count and time,
 * with its progress on stderr and one line of JSON on stdout.
 *
 *   load PORT create  CONNS SECONDS CONTAINERS     durable creates over HTTP keep-alive
 *   load PORT get     CONNS SECONDS PATH           retrieves of one path
 *   load PORT setup   N FORMAT                     N AEs with a subscription each (FORMAT - : standard)
 *   load PORT fanout  N ROUNDS KIND                one event at a time to N connections
 *   load PORT flood   N SECONDS PUBLISHERS KIND    events as fast as they are accepted
 *   load PORT idle    N SECONDS                    N connections that do nothing
 *   load PORT fill    CONTAINERS EACH              instances, for reads on a full store
 * KIND: "raw" (frames are not answered), "ack" (each NOTIFY is acknowledged), "base" (the baseline
 * server of raw_fanout.c).  PID of the server in $PID gives its CPU time.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define MAX_CONNS 20000
#define MAX_WAIT 60000000000ll	/* ns that nothing may happen */

static int pid;
static int64_t cpu_before;

static void progress(const char *what, uint64_t done, uint64_t of)
{
	static int64_t last;
	int64_t t = now_ns();

	if (t - last < 500000000)
		return;
	last = t;
	fprintf(stderr, "\r%s %llu/%llu   ", what, (unsigned long long)done, (unsigned long long)of);
}

static int post(char *out, size_t size, const char *path, const char *origin, const char *type, const char *body)
{
	return snprintf(out, size,
			"POST %s HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: %s\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n"
			"Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", path, origin, type, strlen(body), body);
}

/* ---- request loops: create, get, fill, setup ------------------------------------------------- */

struct loop {
	int64_t end;			/* ns; 0: until `total` */
	uint64_t done, sent, total;
	unsigned open;			/* connections that wait for an answer */
	int expect;
	struct samples lat;
	int (*next)(uint64_t i, char *out, size_t size);
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
	if (status != l->expect && !(l->expect == 201 && status == 409))
		die("answer %d: %.*s", status, (int)n, body);
	sample_add(&l->lat, now_ns() - k->t0);
	l->done++;
	send_next(k);
}

static double run_loop(struct loop *l, unsigned conns, const char *what)
{
	struct client *k = calloc(conns, sizeof(*k));
	int64_t t0 = now_ns(), moved = t0;
	uint64_t seen = 0;

	cpu_before = cpu_ns(pid);
	for (unsigned i = 0; i < conns; i++) {
		k[i] = (struct client){ l, http_open(), 0 };
		l->open++;
	}
	t0 = now_ns();
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
	fprintf(stderr, "\r%40s\r", "");
	return (double)(now_ns() - t0) / 1e9;
}

static void report(const char *mode, unsigned conns, uint64_t count, double seconds, struct samples *s)
{
	double cpu = (double)(cpu_ns(pid) - cpu_before);

	printf("{\"mode\":\"%s\",\"conns\":%u,\"count\":%llu,\"seconds\":%.3f,\"rate\":%.0f,\"p50_us\":%.0f,"
	       "\"p99_us\":%.0f,\"max_us\":%.0f,\"cpu_ns\":%.0f}\n", mode, conns, (unsigned long long)count,
	       seconds, (double)count / seconds, sample_quantile(s, 0.5), sample_quantile(s, 0.99),
	       sample_quantile(s, 1), count ? cpu / (double)count : 0);
}

static unsigned containers = 1;
static const char *get_path;
static const char *sub_format;

static int next_create(uint64_t i, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/moon/bench/c%llu", (unsigned long long)(i % containers));
	return post(out, size, path, "CAdmin", "application/json;ty=4", "{\"m2m:cin\":{\"con\":\"21.50\"}}");
}

static int next_get(uint64_t i, char *out, size_t size)
{
	(void)i;
	return snprintf(out, size, "GET %s HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: CAdmin\r\nX-M2M-RI: 1\r\n"
			"X-M2M-RVI: 3\r\n\r\n", get_path);
}

static int next_ae(uint64_t i, char *out, size_t size)
{
	char body[256], origin[32];

	snprintf(origin, sizeof(origin), "Cf%05llu", (unsigned long long)i);
	snprintf(body, sizeof(body), "{\"m2m:ae\":{\"rn\":\"f%05llu\",\"api\":\"Nbench\",\"rr\":true,\"srv\":[\"3\"]}}",
		 (unsigned long long)i);
	return post(out, size, "/moon", origin, "application/json;ty=2", body);
}

static int next_sub(uint64_t i, char *out, size_t size)
{
	char body[512], label[128] = "", origin[32];

	snprintf(origin, sizeof(origin), "Cf%05llu", (unsigned long long)i);
	if (*sub_format != '-')
		snprintf(label, sizeof(label), ",\"lbl\":[\"format:%s\"]", sub_format);
	snprintf(body, sizeof(body), "{\"m2m:sub\":{\"rn\":\"s%05llu\",\"nu\":[\"%s\"],\"enc\":{\"net\":[3]}%s}}",
		 (unsigned long long)i, origin, label);
	return post(out, size, "/moon/bench/fan", origin, "application/json;ty=23", body);
}

static void mode_requests(const char *mode, unsigned conns, double seconds, uint64_t total, int expect,
			  int (*next)(uint64_t, char *, size_t))
{
	struct loop l = { .total = total, .expect = expect, .next = next };
	double took;

	l.end = seconds > 0 ? now_ns() + (int64_t)(seconds * 1e9) : 0;
	took = run_loop(&l, conns, mode);
	report(mode, conns, l.done, took, &l.lat);
}

/* ---- fan-out --------------------------------------------------------------------------------- */

static struct {
	uint64_t frames, expected;
	int64_t t0, last;
	struct samples lat;
	bool ack, each;
	unsigned posted, answered, open;
	int64_t end;
	int status;
} fan;

static void acknowledge(struct wconn *c, const char *data, size_t n)
{
	const char *p = memmem(data, n < 400 ? n : 400, "\"rqi\":\"", 7), *q;
	char text[128];
	int k;

	if (!p)
		die("a notification without rqi: %.*s", (int)n, data);
	p += 7;
	q = memchr(p, '"', n - (size_t)(p - data));
	k = snprintf(text, sizeof(text), "{\"rsc\":2000,\"rqi\":\"%.*s\",\"rvi\":\"3\"}", (int)(q - p), p);
	ws_text(c, text, (size_t)k);
}

static void frame(void *arg, struct wconn *c, const char *data, size_t n)
{
	(void)arg;
	fan.frames++;
	fan.last = now_ns();
	if (fan.each)
		sample_add(&fan.lat, fan.last - fan.t0);
	if (fan.ack)
		acknowledge(c, data, n);
}

static void connect_all(unsigned n, const char *kind)
{
	fan.ack = !strcmp(kind, "ack");
	for (unsigned i = 0; i < n; i++) {
		char origin[32];

		snprintf(origin, sizeof(origin), "Cf%05u", i);
		ws_open("/", origin, "oneM2M.json", frame, NULL);
		progress("connect", i, n);
		if (i % 64 == 0)
			client_poll(0);
	}
	for (int i = 0; i < 20; i++)	/* identities settle, kept notices of an earlier run arrive */
		client_poll(50);
	fan.frames = 0;
	fprintf(stderr, "\r%40s\r", "");
}

static int event_text(char *out, size_t size, const char *kind)
{
	if (!strcmp(kind, "base"))
		return snprintf(out, size, "POST /go HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n");
	return post(out, size, "/moon/bench/fan", "CAdmin", "application/json;ty=4", "{\"m2m:cin\":{\"con\":\"21.50\"}}");
}

static void posted(void *arg, struct hconn *c, int status, const char *body, size_t n)
{
	(void)arg;
	(void)c;
	if (status / 100 != 2)
		die("event: %d %.*s", status, (int)n, body);
	fan.answered++;
}

static void await_frames(uint64_t want)
{
	int64_t moved = now_ns();
	uint64_t seen = fan.frames;

	while (fan.frames < want) {
		client_poll(100);
		if (fan.frames != seen) {
			seen = fan.frames;
			moved = now_ns();
		} else if (now_ns() - moved > 20000000000ll) {
			die("%llu of %llu frames came", (unsigned long long)fan.frames, (unsigned long long)want);
		}
	}
}

static void mode_fanout(unsigned n, unsigned rounds, const char *kind)
{
	static char text[1024];
	struct hconn *c;
	struct samples last = { 0 };
	double seconds = 0;
	int len;

	connect_all(n, kind);
	c = http_open();
	len = event_text(text, sizeof(text), kind);
	fan.each = true;
	for (unsigned r = 0; r < rounds + 2; r++) {
		if (r == 2) {			/* two rounds to warm up */
			cpu_before = cpu_ns(pid);
			fan.lat.n = 0;
			seconds = 0;
		}
		fan.frames = 0;
		fan.t0 = now_ns();
		http_request(c, text, (size_t)len, posted, NULL);
		await_frames(n);
		seconds += (double)(fan.last - fan.t0) / 1e9;
		if (r >= 2)
			sample_add(&last, fan.last - fan.t0);
		while (fan.answered < r + 1)
			client_poll(100);
		client_poll(0);
		progress("round", r, rounds);
	}
	fprintf(stderr, "\r%40s\r", "");
	printf("{\"mode\":\"fanout\",\"kind\":\"%s\",\"conns\":%u,\"rounds\":%u,\"rate\":%.0f,\"last_p50_us\":%.0f,"
	       "\"last_p99_us\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"cpu_ns\":%.0f}\n", kind, n, rounds,
	       (double)n * rounds / seconds, sample_quantile(&last, 0.5), sample_quantile(&last, 0.99),
	       sample_quantile(&fan.lat, 0.5), sample_quantile(&fan.lat, 0.99),
	       (double)(cpu_ns(pid) - cpu_before) / ((double)n * rounds));
}

static const char *flood_text;
static int flood_len;

static void flood_next(void *arg, struct hconn *c, int status, const char *body, size_t n)
{
	posted(arg, c, status, body, n);
	if (now_ns() >= fan.end) {
		fan.open--;
		return;
	}
	fan.posted++;
	http_request(c, flood_text, (size_t)flood_len, flood_next, arg);
}

static void mode_flood(unsigned n, double seconds, unsigned publishers, const char *kind)
{
	static char text[1024];
	int64_t t0;
	double took;

	connect_all(n, kind);
	flood_len = event_text(text, sizeof(text), kind);
	flood_text = text;
	cpu_before = cpu_ns(pid);
	t0 = now_ns();
	fan.end = t0 + (int64_t)(seconds * 1e9);
	for (unsigned i = 0; i < publishers; i++) {
		fan.open++;
		fan.posted++;
		http_request(http_open(), text, (size_t)flood_len, flood_next, NULL);
	}
	while (fan.open) {
		client_poll(100);
		progress("frames", fan.frames, (uint64_t)fan.posted * n);
	}
	await_frames((uint64_t)fan.posted * n);
	took = (double)(fan.last - t0) / 1e9;
	fprintf(stderr, "\r%40s\r", "");
	printf("{\"mode\":\"flood\",\"kind\":\"%s\",\"conns\":%u,\"events\":%u,\"frames\":%llu,\"rate\":%.0f,"
	       "\"cpu_ns\":%.0f}\n", kind, n, fan.posted, (unsigned long long)fan.frames,
	       (double)fan.frames / took, (double)(cpu_ns(pid) - cpu_before) / (double)fan.frames);
}

static void mode_idle(unsigned n, double seconds)
{
	int64_t end;

	connect_all(n, "raw");
	printf("{\"mode\":\"idle\",\"conns\":%u}\n", n);
	fflush(stdout);
	cpu_before = cpu_ns(pid);
	end = now_ns() + (int64_t)(seconds * 1e9);
	while (now_ns() < end)
		client_poll(100);
	printf("{\"mode\":\"idle_cpu\",\"conns\":%u,\"seconds\":%.0f,\"cpu_ms\":%.1f}\n", ws_alive(), seconds,
	       (double)(cpu_ns(pid) - cpu_before) / 1e6);
}

static unsigned number(char **argv, int argc, int i, unsigned max)
{
	unsigned long v = i < argc ? strtoul(argv[i], NULL, 10) : 0;

	if (v < 1 || v > max)
		die("argument %d: a number from 1 to %u was expected", i, max);
	return (unsigned)v;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "", *env = getenv("PID");

	pid = env ? atoi(env) : 0;
	if (argc < 4)
		die("usage: load PORT MODE ARGUMENTS; see the head of load.c");
	client_init("127.0.0.1", (int)number(argv, argc, 1, 65535));
	if (!strcmp(mode, "create") && argc == 6) {
		containers = number(argv, argc, 5, 100000);
		mode_requests(mode, number(argv, argc, 3, MAX_CONNS), atof(argv[4]), 0, 201, next_create);
	} else if (!strcmp(mode, "get") && argc == 6) {
		get_path = argv[5];
		mode_requests(mode, number(argv, argc, 3, MAX_CONNS), atof(argv[4]), 0, 200, next_get);
	} else if (!strcmp(mode, "setup") && argc == 5) {
		sub_format = argv[4];
		mode_requests("ae", 32, 0, number(argv, argc, 3, MAX_CONNS), 201, next_ae);
		mode_requests("sub", 32, 0, number(argv, argc, 3, MAX_CONNS), 201, next_sub);
	} else if (!strcmp(mode, "fill") && argc == 5) {
		containers = number(argv, argc, 3, 100000);
		mode_requests(mode, 256, 0, (uint64_t)containers * number(argv, argc, 4, 10000000), 201, next_create);
	} else if (!strcmp(mode, "fanout") && argc == 6) {
		mode_fanout(number(argv, argc, 3, MAX_CONNS), number(argv, argc, 4, 10000), argv[5]);
	} else if (!strcmp(mode, "flood") && argc == 7) {
		mode_flood(number(argv, argc, 3, MAX_CONNS), atof(argv[4]), number(argv, argc, 5, 1000), argv[6]);
	} else if (!strcmp(mode, "idle") && argc == 5) {
		mode_idle(number(argv, argc, 3, MAX_CONNS), atof(argv[4]));
	} else {
		die("unknown mode or number of arguments: %s; see the head of load.c", mode);
	}
	return 0;
}
