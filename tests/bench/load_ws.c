/*
 * load_ws.c - the modes with WebSocket subscribers.  Every event carries its number; at the end
 * each connection must have had each event exactly once, and all of them in the same order, else
 * the process ends with a message: no figure of a run that lost, repeated or reordered a frame.
 */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WAIT 20000000000ll /* ns that no frame may come */
#define WARM_UP 3 /* rounds that are not counted */
#define DIGITS 8

/* What a connection has had. */
struct member {
	uint64_t frames, sum, order;
};

static struct {
	struct member *member;
	unsigned n;
	uint64_t frames, bytes, kept;
	int64_t t0, last;
	struct samples lat;
	bool ack, base, each, settling;
	unsigned posted, answered;
	size_t con_at; /* where the number was in the last frame */
	const char *path;
} fan;

/* ---- receiving ------------------------------------------------------------------------------- */

static void acknowledge(struct wconn *c, const char *data, size_t n)
{
	const char *p = memmem(data, n < 400 ? n : 400, "\"rqi\":\"", 7), *q;
	char text[128];
	int k;

	if (!p)
		die("a notification without rqi: %.*s", (int)n, data);
	p += 7;
	q = memchr(p, '"', n - (size_t)(p - data));
	if (!q)
		die("a notification with half an rqi: %.*s", (int)n, data);
	k = snprintf(text, sizeof(text), "{\"rsc\":2000,\"rqi\":\"%.*s\",\"rvi\":\"3\"}",
		     (int)(q - p), p);
	ws_text(c, text, (size_t)k);
}

static const char *tag = "\"con\":\""; /* what stands before the number of an event */

static uint64_t event_number(const char *data, size_t n)
{
	const size_t len = strlen(tag);
	uint64_t v = 0;

	if (fan.con_at + len + DIGITS > n || memcmp(data + fan.con_at, tag, len) != 0) {
		const char *p = memmem(data, n, tag, len);

		if (!p || (size_t)(p - data) + len + DIGITS > n)
			die("a frame without %s: %.*s", tag, (int)n, data);
		fan.con_at = (size_t)(p - data);
	}
	for (size_t i = 0; i < DIGITS; i++)
		v = v * 10 + (uint64_t)(data[fan.con_at + len + i] - '0');
	return v;
}

static void frame(void *arg, struct wconn *c, const char *data, size_t n)
{
	struct member *m = arg;

	if (fan.settling) { /* of an earlier run: an acknowledgement that did not arrive */
		fan.kept++;
		if (fan.ack)
			acknowledge(c, data, n);
		return;
	}
	fan.frames++;
	fan.bytes += n;
	if (fan.each) {
		fan.last = now_ns();
		sample_add(&fan.lat, fan.last - fan.t0);
	}
	m->frames++;
	if (!fan.base) {
		uint64_t v = event_number(data, n);

		m->sum += v;
		m->order = m->order * 31 + v;
	}
	if (fan.ack && fan.base)
		ws_text(c, "{\"rsc\":2000,\"rqi\":\"n00000.00000\",\"rvi\":\"3\"}", 44);
	else if (fan.ack)
		acknowledge(c, data, n);
}

/* ---- connections and events ------------------------------------------------------------------ */

static void settle(int ms)
{
	int64_t end = now_ns() + (int64_t)ms * 1000000;

	while (now_ns() < end)
		client_poll(10);
}

static void connect_all(unsigned n, const char *kind)
{
	fan.base = !strncmp(kind, "base", 4);
	fan.ack = !strcmp(kind, "ack") || !strcmp(kind, "baseack");
	fan.member = calloc(n, sizeof(*fan.member));
	fan.n = n;
	fan.settling = true;
	for (unsigned i = 0; i < n; i++) {
		char origin[32];

		snprintf(origin, sizeof(origin), "Cf%05u", i);
		ws_open("/", origin, "oneM2M.json", frame, &fan.member[i]);
		progress("connect", i, n);
		if (i % 64 == 0)
			client_poll(0);
	}
	settle(300);
	fan.settling = false;
	progress_end();
}

/* The next event as a request, its number in it. */
static int event_text(char *out, size_t size)
{
	char body[64];

	if (fan.base)
		return snprintf(out, size,
				"POST /go HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n");
	snprintf(body, sizeof(body), "{\"m2m:cin\":{\"con\":\"%0*u\"}}", DIGITS, fan.posted);
	return post(out, size, fan.path, "Cbench", 4, body);
}

static void event_answered(void *arg, struct hconn *c, int status, const char *body, size_t n)
{
	struct hconn **idle = arg;

	if (status / 100 != 2)
		die("event: %d %.*s", status, (int)n, body);
	if (idle)
		idle[fan.posted - fan.answered - 1] = c; /* a stack; see flood_post */
	fan.answered++;
}

static void event_post(struct hconn *c, void *arg)
{
	char text[1024];
	int n = event_text(text, sizeof(text));

	fan.posted++;
	http_request(c, text, (size_t)n, event_answered, arg);
}

/* The time is taken once for all frames that came together, when that of each does not matter. */
static void poll_frames(void)
{
	uint64_t seen = fan.frames;

	client_poll(0);
	if (fan.frames != seen && !fan.each)
		fan.last = now_ns();
}

/* Never sleeps: a send to a sleeping client costs the server its wake-up, which on one machine
 * would punish whoever leaves the client time to sleep. */
static void await(uint64_t frames)
{
	int64_t moved = now_ns();
	uint64_t seen = fan.frames;

	while (fan.frames < frames || fan.answered < fan.posted) {
		poll_frames();
		if (fan.frames != seen) {
			seen = fan.frames;
			moved = now_ns();
		} else if (now_ns() - moved > MAX_WAIT) {
			die("%llu of %llu frames came", (unsigned long long)fan.frames,
			    (unsigned long long)frames);
		}
	}
}

/* Each event once on each connection, in one order everywhere. */
static void check_members(void)
{
	uint64_t sum = (uint64_t)fan.posted * (fan.posted - 1) / 2;

	settle(100); /* what is one too many; and the last acknowledgements leave */
	for (unsigned i = 0; i < fan.n; i++) {
		const struct member *m = &fan.member[i];

		if (m->frames != fan.posted)
			die("connection %u had %llu frames of %u events", i,
			    (unsigned long long)m->frames, fan.posted);
		if (!fan.base && (m->sum != sum || m->order != fan.member[0].order))
			die("connection %u had other events, or in another order", i);
	}
}

static void use_container(const char *container)
{
	static char path[128];

	snprintf(path, sizeof(path), "/moon/bench/%s", container);
	fan.path = path;
}

/* ---- modes ----------------------------------------------------------------------------------- */

/* What a run of single events measures, beside fan.lat: per round, from its create. */
struct rounds {
	struct samples first, last;
	double seconds, waited; /* sums, to the last and to the first frame */
};

static void one_round(struct hconn *c, struct rounds *r)
{
	size_t first = fan.lat.n;

	fan.t0 = now_ns();
	event_post(c, NULL);
	await((uint64_t)fan.n * fan.posted);
	r->seconds += (double)(fan.last - fan.t0) / 1e9;
	r->waited += fan.lat.v[first] / 1e6;
	sample_add(&r->last, fan.last - fan.t0);
	sample_add(&r->first, fan.lat.v[first] * 1000ll);
}

void mode_fanout(unsigned n, unsigned rounds, const char *kind, const char *container)
{
	struct rounds warm = { 0 }, r = { 0 };
	double frames = (double)n * rounds, cpu;
	struct hconn *c;

	use_container(container);
	connect_all(n, kind);
	c = http_open();
	fan.each = true;
	for (unsigned i = 0; i < WARM_UP; i++)
		one_round(c, &warm);
	fan.lat.n = 0;
	cpu_start();
	for (unsigned i = 0; i < rounds; i++) {
		one_round(c, &r);
		progress("round", i, rounds);
	}
	cpu = cpu_used();
	progress_end();
	check_members();
	printf("{\"mode\":\"fanout\",\"kind\":\"%s\",\"conns\":%u,\"rounds\":%u,\"bytes\":%.0f,"
	       "\"rate\":%.0f,\"span_rate\":%.0f,\"first_p50_us\":%.0f,\"last_p50_us\":%.0f,"
	       "\"last_p99_us\":%.0f,\"cpu_ns\":%.0f,\"kept\":%llu}\n",
	       kind, n, rounds, (double)fan.bytes / (double)fan.frames, frames / r.seconds,
	       frames / (r.seconds - r.waited), sample_quantile(&r.first, 0.5),
	       sample_quantile(&r.last, 0.5), sample_quantile(&r.last, 0.99), cpu / frames,
	       (unsigned long long)fan.kept);
}

/* As many events as may be outstanding: an event is, until all its frames have come. */
static void flood_post(struct hconn **idle, unsigned outstanding)
{
	while (fan.posted - fan.answered < outstanding &&
	       fan.posted - fan.frames / fan.n < outstanding)
		event_post(idle[fan.posted - fan.answered], idle);
}

void mode_flood(unsigned n, double seconds, unsigned outstanding, const char *kind,
		const char *container)
{
	struct hconn **idle = calloc(outstanding, sizeof(struct hconn *));
	int64_t t0, end;
	double took, cpu;

	use_container(container);
	connect_all(n, kind);
	for (unsigned i = 0; i < outstanding; i++)
		idle[i] = http_open();
	cpu_start();
	t0 = now_ns();
	end = t0 + (int64_t)(seconds * 1e9);
	while (now_ns() < end) {
		flood_post(idle, outstanding);
		poll_frames();
		progress("frames", fan.frames, 0);
	}
	await((uint64_t)fan.posted * n);
	took = (double)(fan.last - t0) / 1e9;
	cpu = cpu_used();
	progress_end();
	check_members();
	printf("{\"mode\":\"flood\",\"kind\":\"%s\",\"conns\":%u,\"events\":%u,\"frames\":%llu,"
	       "\"bytes\":%.0f,\"rate\":%.0f,\"cpu_ns\":%.0f,\"kept\":%llu}\n",
	       kind, n, fan.posted, (unsigned long long)fan.frames,
	       (double)fan.bytes / (double)fan.frames, (double)fan.frames / took,
	       cpu / (double)fan.frames, (unsigned long long)fan.kept);
}

/* Timed from when the event was due, so a late one counts in full. */
void mode_latency(double seconds, unsigned rate, const char *kind, const char *container)
{
	unsigned total = (unsigned)(seconds * rate);
	int64_t start, step = 1000000000ll / rate;
	struct hconn *c;

	use_container(container);
	connect_all(1, kind);
	c = http_open();
	for (unsigned i = 0; i < WARM_UP; i++) {
		event_post(c, NULL);
		await(fan.posted);
	}
	fan.each = true;
	cpu_start();
	start = now_ns() + step;
	for (unsigned i = 0; i < total; i++) {
		fan.t0 = start + i * step;
		while (now_ns() < fan.t0)
			client_poll(fan.t0 - now_ns() > 2000000 ? 1 : 0);
		event_post(c, NULL);
		await(fan.posted);
		progress("event", i, total);
	}
	progress_end();
	check_members();
	printf("{\"mode\":\"latency\",\"kind\":\"%s\",\"rate\":%u,\"count\":%zu,\"p50_us\":%.0f,"
	       "\"p99_us\":%.0f,\"max_us\":%.0f}\n",
	       kind, rate, fan.lat.n, sample_quantile(&fan.lat, 0.5),
	       sample_quantile(&fan.lat, 0.99), sample_quantile(&fan.lat, 1));
}

void mode_idle(unsigned n, double seconds)
{
	uint64_t before = server_rss();
	int64_t end;

	connect_all(n, "raw");
	settle(700);
	cpu_start();
	end = now_ns() + (int64_t)(seconds * 1e9);
	while (now_ns() < end)
		client_poll(100);
	printf("{\"mode\":\"idle\",\"conns\":%u,\"seconds\":%.1f,\"cpu_ms\":%.1f,"
	       "\"rss_before\":%llu,\"rss\":%llu}\n",
	       ws_alive(), seconds, cpu_used() / 1e6, (unsigned long long)before,
	       (unsigned long long)server_rss());
}

static struct member listener;

void listener_open(const char *before)
{
	tag = before;
	fan.ack = true;
	ws_open("/", "Cf00000", "oneM2M.json", frame, &listener);
	fan.settling = true;
	settle(300);
	fan.settling = false;
}

uint64_t listener_frames(void)
{
	return listener.frames;
}

void listener_check(uint64_t want)
{
	if (listener.frames != want || listener.sum != want * (want - 1) / 2)
		die("%llu notifications of %llu creates, or others",
		    (unsigned long long)listener.frames, (unsigned long long)want);
}
