/*
 * load_away.c - the modes about targets that are many, absent or stalled: one subscription with
 * many targets, notices kept for AEs that are away and taken on their return, a connection that
 * is open beside a measurement and reads or does not.  What is lost, repeated or out of order ends
 * the process with a message.
 */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_WAIT 30000000000ll /* ns */
#define STEP 10000 /* targets that are verified for one request */
#define DIGITS 8

struct target {
	unsigned frames; /* of a kept event, in order: its number is the next one */
};

static struct {
	struct target *target;
	unsigned answered;
	uint64_t frames;
	int64_t last;
	bool reads;
} away;

static void acknowledge(struct wconn *c, const char *data, size_t n)
{
	const char *p = memmem(data, n, "\"rqi\":\"", 7), *q;
	char text[128];

	if (!p)
		return; /* raw */
	p += 7;
	q = memchr(p, '"', n - (size_t)(p - data));
	if (!q)
		die("a notification with half an rqi: %.*s", (int)n, data);
	ws_text(c, text,
		(size_t)snprintf(text, sizeof(text),
				 "{\"rsc\":2000,\"rqi\":\"%.*s\",\"rvi\":\"3\"}", (int)(q - p), p));
}

static void any_frame(void *arg, struct wconn *c, const char *data, size_t n)
{
	(void)arg;
	acknowledge(c, data, n);
}

static struct wconn *listen_as(unsigned i, frame_cb cb, void *arg)
{
	char origin[32];

	snprintf(origin, sizeof(origin), "Cf%05u", i);
	return ws_open("/", origin, "oneM2M.json", cb, arg);
}

static void answered(void *arg, struct hconn *c, int status, const char *body, size_t n)
{
	(void)arg;
	(void)c;
	if (status / 100 != 2)
		die("answered %d %.*s", status, (int)n, body);
	away.answered++;
}

static void wait_answers(unsigned n)
{
	int64_t end = now_ns() + MAX_WAIT;

	while (away.answered < n) {
		client_poll(10);
		if (now_ns() > end)
			die("%u of %u answers came", away.answered, n);
	}
}

/* ---- one subscription, many targets ---------------------------------------------------------- */

/* A request that makes it (n targets), or widens it. */
static void send_sub(struct hconn *c, unsigned n, const char *container)
{
	size_t size = n * 12 + 1024, at;
	char *body = malloc(size), *text = malloc(size + 1024), name[160];

	at =
	    (size_t)snprintf(body, size, "{\"m2m:sub\":{%s\"nu\":[",
			     n > STEP ? "" : "\"rn\":\"wide\",\"enc\":{\"net\":[3],\"chty\":[4]},");
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(body + at, size - at, "%s\"Cf%05u\"", i ? "," : "", i);
	snprintf(body + at, size - at, "]}}");
	snprintf(name, sizeof(name), "/moon/bench/%s%s", container, n > STEP ? "/wide" : "");
	at = (size_t)snprintf(text, size + 1024,
			      "%s %s HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: Cbench\r\nX-M2M-RI: w\r\n"
			      "X-M2M-RVI: 3\r\nContent-Type: application/json%s\r\n"
			      "Content-Length: %zu\r\n\r\n%s",
			      n > STEP ? "PUT" : "POST", name, n > STEP ? "" : ";ty=23",
			      strlen(body), body);
	http_request(c, text, at, answered, NULL);
	free(text);
	free(body);
}

void mode_wide(unsigned n, const char *container)
{
	struct hconn *c = http_open();
	unsigned steps = 0;

	for (unsigned i = 0; i < n; i++)
		listen_as(i, any_frame, NULL);
	for (unsigned i = n < STEP ? n : STEP;; i = i + STEP < n ? i + STEP : n) {
		send_sub(c, i, container);
		wait_answers(++steps);
		progress("targets", i, n);
		if (i == n)
			break;
	}
	progress_end();
	printf("{\"mode\":\"wide\",\"targets\":%u}\n", n);
}

/* ---- kept ------------------------------------------------------------------------------------ */

static void kept_frame(void *arg, struct wconn *c, const char *data, size_t n)
{
	static const char tag[] = "\"con\":\"";
	const char *p = memmem(data, n, tag, sizeof(tag) - 1);
	struct target *t = arg;
	unsigned v;

	if (!p || (size_t)(p - data) + sizeof(tag) - 1 + DIGITS > n)
		die("a frame without con: %.*s", (int)n, data);
	v = (unsigned)strtoul(p + sizeof(tag) - 1, NULL, 10);
	if (v != t->frames)
		die("AE %u had %u events and is told of number %u", (unsigned)(t - away.target),
		    t->frames, v);
	t->frames++;
	away.frames++;
	away.last = now_ns();
	acknowledge(c, data, n);
}

static void post_events(unsigned events, const char *container)
{
	struct hconn *c = http_open();
	char path[128], body[64], text[1024];

	snprintf(path, sizeof(path), "/moon/bench/%s", container);
	for (unsigned i = 0; i < events; i++) {
		snprintf(body, sizeof(body), "{\"m2m:cin\":{\"con\":\"%0*u\"}}", DIGITS, i);
		http_request(c, text, (size_t)post(text, sizeof(text), path, "Cbench", 4, body),
			     answered, NULL);
		wait_answers(i + 1);
		progress("event", i, events);
	}
	progress_end();
}

/* The subscribers of the container are away while so many events happen; then all come. */
void mode_kept(unsigned n, unsigned events, const char *container)
{
	uint64_t before = server_rss(), after, want = (uint64_t)n * events;
	int64_t t0, end;
	double cpu;

	away.target = calloc(n, sizeof(*away.target));
	post_events(events, container);
	for (end = now_ns() + 500000000; now_ns() < end;)
		client_poll(10);
	after = server_rss();
	cpu_start();
	t0 = now_ns();
	for (unsigned i = 0; i < n; i++) {
		listen_as(i, kept_frame, &away.target[i]);
		if (i % 16 == 0)
			client_poll(0);
	}
	for (end = now_ns() + MAX_WAIT; away.frames < want;) {
		client_poll(0);
		if (now_ns() > end)
			die("%llu of %llu kept notices came", (unsigned long long)away.frames,
			    (unsigned long long)want);
	}
	cpu = cpu_used();
	printf("{\"mode\":\"kept\",\"conns\":%u,\"events\":%u,\"rss_before\":%llu,\"rss\":%llu,"
	       "\"rate\":%.0f,\"cpu_ns\":%.0f}\n",
	       n, events, (unsigned long long)before, (unsigned long long)after,
	       (double)want / ((double)(away.last - t0) / 1e9), cpu / (double)want);
}

/* ---- beside a measurement -------------------------------------------------------------------- */

/* AE number `i` is connected for so long and reads what comes, or nothing. */
void mode_hold(unsigned i, double seconds, const char *how)
{
	int64_t end = now_ns() + (int64_t)(seconds * 1e9);
	struct timespec ms = { 0, 1000000 };

	away.reads = !strcmp(how, "reads");
	listen_as(i, any_frame, NULL);
	while (now_ns() < end) {
		if (away.reads)
			client_poll(1);
		else
			nanosleep(&ms, NULL);
	}
	printf("{\"mode\":\"hold\"}\n");
}
