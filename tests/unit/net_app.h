/*
 * net_app.h - for test_net*.c: a server process around the real loop (HTTP and WebSocket on one
 * port, WebSocket alone on another) and a blocking client that speaks bytes.
 * The server answers what its paths say, so that the client can look into it:
 *   /echo        method, target and body            /late/MS     after MS milliseconds
 *   /stat        counters and what `closed` said    /push/N      N frames to every connection
 *   /send/PATH   http_send to itself, its result    /dial/PATH   ws_dial to itself, its result
 *   /nobody      204                                /stop        ends the loop with code 7
 *   /trust, /distrust  what it dials is verified by its own certificate, by the system's authorities
 *   /names       whom TLS says the client is, of this connection and of the newest WebSocket
 *   /drain       shuts down as main does, and ends with code 7 half a second later
 * With OVER_TLS all of it is over TLS, also what the server dials itself.
 */
#pragma once

#include "limit.h"
#include "log.h"
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef OVER_TLS
#include "tls_client.h"
#define S "s"
#else
#define S ""
#define start_tls(fd)
#define end_tls()
#endif

/* ---- the server ------------------------------------------------------------------------------ */

#define CONNS 64

struct app {
	struct net *net;
	int port, ws_port;
	struct conn *conns[CONNS];
	unsigned opened, closed, last_code, turns;
	char hello[600], names[600];
	unsigned push, push_size;
	struct net_timer *drain;
	uint64_t mark;
};

static struct app app;

struct late {
	struct http_req *r;
	struct net_timer *t;
	char *method, *url;
};

static void reply_text(struct http_req *r, int status, const char *fmt, ...) PRINTF(3, 4);
static void reply_text(struct http_req *r, int status, const char *fmt, ...)
{
	char text[2000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	http_reply(r, status, STR("X-A: b\r\n"), str_of(text));
}

static void late_due(void *arg)
{
	struct late *l = arg;

	reply_text(l->r, 200, "late %.*s", STRFMT(l->r->target));
	net_timer_free(l->t);
	free(l);
}

static void late_start(struct http_req *r, int ms)
{
	struct late *l = calloc(1, sizeof(*l));

	l->r = r;
	l->t = net_timer_new(app.net, late_due, l);
	net_timer_start(l->t, ms / 1000.0);
}

static void sent(void *arg, const struct http_answer *a, const struct err *e)
{
	struct http_req *r = arg;

	if (a->status)
		reply_text(r, 200, "got %d %.*s", a->status, STRFMT(a->body));
	else
		reply_text(r, 200, "failed %s", e->msg);
}

static void app_stat(struct http_req *r)
{
	const struct net_counts *c = net_counts(app.net);

	reply_text(r, 200,
		   "opened=%u closed=%u code=%u http=%u ws=%u out=%u dialled=%u unident=%u "
		   "refused=%g/%g/%g hello=%s",
		   app.opened, app.closed, app.last_code, c->http, c->ws, c->http_out, c->ws_out,
		   c->unidentified, limit_count(LIMIT_CONNECTIONS), limit_count(LIMIT_PER_ADDRESS),
		   limit_count(LIMIT_UNIDENTIFIED), app.hello);
}

static void join_names(const char *const *names, char *out, size_t size)
{
	out[0] = 0;
	for (size_t i = 0; names && names[i]; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? " " : "", names[i]);
}

static void app_names(struct http_req *r)
{
	char here[600];

	join_names(r->tls_names, here, sizeof(here));
	reply_text(r, 200, "tls=%d names=%s ws=%s", r->tls, here, app.names);
}

static const struct ws_cb dial_cb;

static void drain_due(void *arg)
{
	(void)arg;
	net_timer_free(app.drain);
	net_stop(app.net, 7);
}

static void app_drain(struct http_req *r)
{
	net_unlisten(app.net);
	net_drain(app.net);
	net_close_all(app.net, 1001);
	app.drain = net_timer_new(app.net, drain_due, NULL);
	net_timer_start(app.drain, 0.5);
	reply_text(r, 200, "draining");
}

static void app_echo(struct http_req *r, const char *target)
{
	char *text = malloc(r->body.n + 400);
	int n = snprintf(text, 400, "%.*s %s %.*s\n", STRFMT(r->method), target, STRFMT(r->peer));

	memcpy(text + n, r->body.p ? r->body.p : "", r->body.n);
	http_reply(r, 200, STR("X-A: b\r\n"), (struct str){ text, (size_t)n + r->body.n });
	free(text);
}

static void app_request(void *arg, struct http_req *r)
{
	char t[300], url[400];
	struct err e = { 0 };

	(void)arg;
	snprintf(t, sizeof(t), "%.*s", STRFMT(r->target));
#ifdef OVER_TLS
	if (strcmp(t, "/trust") == 0 || strcmp(t, "/distrust") == 0) {
		bool ok = net_tls_trust(app.net, t[1] == 't' ? cert_file : NULL, &e);

		reply_text(r, 200, "%s", ok ? "ok" : e.msg);
		return;
	}
#endif
	if (strcmp(t, "/stat") == 0) {
		app_stat(r);
	} else if (strcmp(t, "/names") == 0) {
		app_names(r);
	} else if (strncmp(t, "/late/", 6) == 0) {
		late_start(r, (int)strtol(t + 6, NULL, 10));
	} else if (strncmp(t, "/push/", 6) == 0) {
		app.push = (unsigned)strtol(t + 6, NULL, 10);
		for (int i = 0; i < CONNS; i++) {
			if (app.conns[i])
				conn_want_write(app.conns[i]);
		}
		reply_text(r, 200, "ok");
	} else if (strcmp(t, "/nobody") == 0) {
		http_reply(r, 204, STR_NONE, STR_NONE);
	} else if (strncmp(t, "/send/", 6) == 0) {
		if (strncmp(t + 6, "http", 4) == 0)
			snprintf(url, sizeof(url), "%s", t + 6);
		else
			snprintf(url, sizeof(url), "http%s://localhost:%d%s", S, app.port, t + 5);
		http_send(app.net, false, "POST", url, STR("X-C: d\r\n"), r->body, 0.5, sent, r);
	} else if (strncmp(t, "/dial/", 6) == 0) {
		snprintf(url, sizeof(url), "ws%s://localhost:%d%s", S, app.port, t + 5);
		if (!ws_dial(app.net, url, "a.b", STR("X-M2M-Origin: Cdial\r\n"), &dial_cb, r, &e))
			reply_text(r, 200, "failed %s", e.msg);
	} else if (strcmp(t, "/drain") == 0) {
		app_drain(r);
	} else if (strcmp(t, "/stop") == 0) {
		reply_text(r, 200, "bye");
		net_stop(app.net, 7);
	} else {
		app_echo(r, t);
	}
}

static int app_accept(void *arg, struct ws_hello *h, char *protocol, size_t size)
{
	const char *want[] = { "oneM2M.JSON", "a.b" };

	(void)arg;
	if (str_is(h->target, "/refuse"))
		return 403;
	for (size_t i = 0; i < countof(want); i++) {
		const char *at = h->protocols.n ? memmem(h->protocols.p, h->protocols.n, want[i],
							 strlen(want[i]))
						: NULL;

		if (at) {
			snprintf(protocol, size, "%s", want[i]);
			return 0;
		}
	}
	return h->protocols.n ? 400 : 0;
}

static void app_open(void *arg, struct conn *c, const struct ws_hello *h, struct str protocol)
{
	(void)arg;
	app.opened++;
	join_names(conn_tls_names(c), app.names, sizeof(app.names));
	assert_true(h->tls_names == conn_tls_names(c));
	snprintf(app.hello, sizeof(app.hello), "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", STRFMT(h->target),
		 STRFMT(h->origin_id), STRFMT(h->protocols), STRFMT(h->authorization),
		 STRFMT(h->browser_origin), STRFMT(protocol));
	for (int i = 0; i < CONNS; i++) {
		if (!app.conns[i]) {
			app.conns[i] = c;
			break;
		}
	}
	if (h->origin_id.n)
		conn_identified(c);
	if (str_is(h->target, "/greet"))
		conn_frame(c, false, &STR("welcome"), 1);
}

/* The number that a message ends with, behind `skip` bytes; messages have no NUL at their end. */
static int number_behind(struct str data, size_t skip)
{
	uint64_t n;

	assert_true(str_u64((struct str){ data.p + skip, data.n - skip }, &n));
	return (int)n;
}

/* Text commands; anything else comes back in three pieces joined. */
static void app_message(void *arg, struct conn *c, struct str data, bool binary)
{
	struct str piece[3] = { { data.p, data.n / 2 },
				{ NULL, 0 },
				{ data.p + data.n / 2, data.n - data.n / 2 } };

	(void)arg;
	if (str_starts(data, STR("close ")))
		conn_close(c, number_behind(data, 6), "asked");
	else if (str_starts(data, STR("bye "))) {
		conn_frame(c, false, &STR("last words"), 1);
		conn_close(c, 4000, "said");
		conn_frame(c, false, &STR("too late"), 1);
	} else if (str_starts(data, STR("flood "))) {
		app.push_size = 60000;
		app.push = (unsigned)number_behind(data, 6);
		conn_want_write(c);
	} else if (str_is(data, "mark")) {
		app.mark = conn_mark(c);
	} else if (str_is(data, "passed")) {
		char text[60];

		piece[0] =
		    (struct str){ text, (size_t)snprintf(text, sizeof(text), "%llu %llu",
							 (unsigned long long)app.mark,
							 (unsigned long long)conn_passed(c)) };
		conn_frame(c, false, piece, 1);
	} else
		conn_frame(c, binary, piece, 3);
}

static void app_fill(void *arg, struct conn *c)
{
	static char big[300 * 1024];
	char text[40];

	(void)arg;
	for (; app.push; app.push--) {
		struct str piece[2] = { { text,
					  (size_t)snprintf(text, sizeof(text), "n%u", app.push) },
					{ big, app.push_size } };

		memset(big, 'x', app.push_size);
		if (!conn_frame(c, false, piece, 2))
			return;
	}
}

static void app_closed(void *arg, struct conn *c, int code)
{
	(void)arg;
	app.closed++;
	app.last_code = (unsigned)code;
	for (int i = 0; i < CONNS; i++) {
		if (app.conns[i] == c)
			app.conns[i] = NULL;
	}
}

static const struct ws_cb app_ws = { app_accept, app_open, app_message, app_fill, app_closed };
static const struct http_server_cb app_http = { app_request };

static void dial_open(void *arg, struct conn *c, const struct ws_hello *h, struct str protocol)
{
	char text[100];
	struct str piece = { text,
			     (size_t)snprintf(text, sizeof(text), "via %.*s", STRFMT(protocol)) };

	(void)arg;
	(void)h;
	conn_frame(c, false, &piece, 1);
}

static void dial_message(void *arg, struct conn *c, struct str data, bool binary)
{
	reply_text(arg, 200, "dialled %.*s %d", STRFMT(data), binary);
	conn_set_user(c, arg);
	conn_close(c, 4321, "done");
}

static void dial_fill(void *arg, struct conn *c)
{
	(void)arg;
	(void)c;
}

static void dial_closed(void *arg, struct conn *c, int code)
{
	app.last_code = (unsigned)code;
	if (!conn_user(c))
		reply_text(arg, 200, "closed %d", code);
}

static const struct ws_cb dial_cb = { NULL, dial_open, dial_message, dial_fill, dial_closed };

static void app_turn(void *arg)
{
	(void)arg;
	app.turns++;
}

static int serve(const struct net_limits *lim, int fd)
{
	struct net_listen both = { "127.0.0.1", 0, true, true, *S },
			  ws = { "127.0.0.1", 0, false, true, *S };
	struct net_handlers h = { &app_http, &app_ws, NULL };
	struct err e = { 0 };
	int ports[2], code;

	memset(&app, 0, sizeof(app));
	log_set_level(LOG_ERROR);
	app.net = net_new(lim, &e);
	if (!app.net) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
#ifdef OVER_TLS
	server_tls(app.net);
#endif
	app.port = ports[0] = net_listen(app.net, &both, &h, &e);
	app.ws_port = ports[1] = net_listen(app.net, &ws, &h, &e);
	net_on_turn(app.net, app_turn, NULL);
	if (write(fd, ports, sizeof(ports)) != (ssize_t)sizeof(ports))
		return 1;
	close(fd);
	code = net_run(app.net);
	net_free(app.net);
	return code;
}

static pid_t server;
static int port, ws_port;

static void start_server(const struct net_limits *lim)
{
	int fd[2], ports[2];

#ifdef OVER_TLS
	make_certificates();
#endif
	assert_int_equal(pipe(fd), 0);
	server = fork();
	if (server == 0) {
		close(fd[0]);
		exit(serve(lim, fd[1]));
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], ports, sizeof(ports)), sizeof(ports));
	close(fd[0]);
	port = ports[0];
	ws_port = ports[1];
}

/* ---- the client ------------------------------------------------------------------------------ */

#ifdef OVER_TLS
#define send tls_send
#define recv tls_recv
#define close tls_close
#define shutdown tls_shutdown
#endif

static inline double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial_bare(int to)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)to) };
	struct timeval limit = { 5, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int dial(int to)
{
	int fd = dial_bare(to);

	start_tls(fd);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Everything up to the end of the connection. */
static char *hear_all(int fd)
{
	static char text[400000];
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, text + n, sizeof(text) - 1 - n, 0)) > 0)
		n += (size_t)got;
	text[n] = 0;
	close(fd);
	return text;
}

/* Up to and including the given text. */
static char *hear_until(int fd, const char *end)
{
	static char text[100000];
	size_t n = 0;

	do {
		ssize_t got = recv(fd, text + n, 1, 0);

		if (got <= 0) {
			text[n] = 0;
			fail_msg("wanted \"%s\", heard \"%s\"", end, text);
		}
		text[++n] = 0;
	} while (n < strlen(end) || strcmp(text + n - strlen(end), end) != 0);
	return text;
}

static char *ask(int to, const char *text)
{
	int fd = dial(to);

	say(fd, text);
	return hear_all(fd);
}

/* GET, its body only. */
static char *get(const char *path)
{
	char text[500], *body;

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
		 path);
	body = strstr(ask(port, text), "\r\n\r\n");
	assert_non_null(body);
	return body + 4;
}

static void stat_has(const char *what)
{
	char *text = NULL;

	for (int i = 0; i < 100; i++) { /* ends are noticed a moment later */
		text = get("/stat");
		if (strstr(text, what))
			return;
		usleep(20000);
	}
	fail_msg("no \"%s\" in \"%s\"", what, text);
}

static inline int stop_server(void)
{
	int status = 0;

	get("/stop");
	waitpid(server, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
