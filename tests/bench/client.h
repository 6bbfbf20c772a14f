/*
 * client.h - what the load generator talks with: HTTP keep-alive and WebSocket connections on one
 * epoll loop, one request outstanding per HTTP connection, frames handed out as they arrive.
 * Not a general client: it trusts the servers it measures and aborts with a message when they fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hconn;
struct wconn;

typedef void (*http_cb)(void *arg, struct hconn *c, int status, const char *body, size_t n);
typedef void (*frame_cb)(void *arg, struct wconn *c, const char *data, size_t n);

void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
int64_t now_ns(void);

void client_init(const char *host, int port);
void client_poll(int timeout_ms); /* one turn: reads, calls back, sends what was gathered */

bool http_ready(void); /* whether GET /healthz is answered with 200; blocking */

struct hconn *http_open(void);
/* `text` is a whole request, which gets the header Authorization of the environment; the answer comes to cb.  One at a time per connection. */
void http_request(struct hconn *c, const char *text, size_t n, http_cb cb, void *arg);
void http_close(struct hconn *c);

/* Handshakes with GET path, X-M2M-Origin and subprotocol (either may be NULL), blocking. */
struct wconn *ws_open(const char *path, const char *origin, const char *protocol, frame_cb cb,
		      void *arg);
/* Gathered, sent at the end of the turn. */
void ws_text(struct wconn *c, const char *text, size_t n);
unsigned ws_alive(void);

/* Latencies in microseconds, kept one by one (at most 8 million). */
struct samples {
	uint32_t *v;
	size_t n, cap;
};
void sample_add(struct samples *s, int64_t ns);
double sample_quantile(struct samples *s, double q); /* sorts; microseconds */

/* CPU time of all threads of a process, ns; 0 when pid is 0 or gone. */
int64_t cpu_ns(int pid);

/* The text with n in the place of its '#'. */
void fill_hole(const char *text, unsigned n, char *out, size_t size);
