/*
 * client.c - the epoll loop, HTTP and WebSocket connections of the load generator; see client.h.
 * Does as little as possible per answer and frame, so that the server is what is measured.
 * With TLS=1 in the environment everything goes over TLS, whose certificate is not looked at.
 */
#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

struct bytes {
	char *p;
	size_t n, cap;
};

struct hconn {
	bool is_ws;
	int fd;
	SSL *ssl; /* NULL: without TLS */
	struct bytes in, out;
	http_cb cb;
	void *arg;
};

struct wconn {
	bool is_ws;
	int fd;
	SSL *ssl; /* NULL: without TLS */
	struct bytes in, out;
	frame_cb cb;
	void *arg;
	struct wconn *next_dirty;
	bool dirty;
};

static int ep;
static struct sockaddr_in addr;
static char hostport[64];
static struct wconn *dirty;
static unsigned alive;
static SSL_CTX *tls; /* NULL: without */

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void add(struct bytes *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2 + 256;
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			die("out of memory");
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void drop(struct bytes *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

/* Whole requests get the header of $AUTHORIZATION, when there is one. */
static char auth[512];
static size_t auth_n;

static void read_authorization(void)
{
	const char *value = getenv("AUTHORIZATION");

	if (!value || !*value)
		return;
	auth_n = (size_t)snprintf(auth, sizeof(auth), "Authorization: %s\r\n", value);
	if (auth_n >= sizeof(auth))
		die("AUTHORIZATION is too long");
}

void client_init(const char *host, int port)
{
	read_authorization();
	if (getenv("TLS") && *getenv("TLS")) {
		tls = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	}
	ep = epoll_create1(0);
	addr.sin_family = AF_INET;
	addr.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		die("%s is no IPv4 address", host);
	snprintf(hostport, sizeof(hostport), "%s:%d", host, port);
}

/* The handshake, blocking. */
static SSL *secure(int fd)
{
	SSL *ssl;

	if (!tls)
		return NULL;
	ssl = SSL_new(tls);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1)
		die("TLS: no handshake");
	return ssl;
}

/* As send and recv. */
static ssize_t put(int fd, SSL *ssl, const void *p, size_t n)
{
	int rc;

	if (!ssl)
		return send(fd, p, n, MSG_NOSIGNAL);
	rc = SSL_write(ssl, p, (int)n);
	if (rc > 0)
		return rc;
	errno = SSL_get_error(ssl, rc) == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
	return -1;
}

static ssize_t get(int fd, SSL *ssl, void *p, size_t n)
{
	int rc, why;

	if (!ssl)
		return recv(fd, p, n, 0);
	rc = SSL_read(ssl, p, (int)n);
	if (rc > 0)
		return rc;
	why = SSL_get_error(ssl, rc);
	errno = why == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
	return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static int dial(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void watch(int fd, void *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll: %s", strerror(errno));
}

static void flush(int fd, SSL *ssl, struct bytes *out)
{
	while (out->n) {
		ssize_t k = put(fd, ssl, out->p, out->n);

		if (k < 0 && errno == EAGAIN)
			return;
		if (k < 0)
			die("send: %s", strerror(errno));
		drop(out, (size_t)k);
	}
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

struct hconn *http_open(void)
{
	struct hconn *c = calloc(1, sizeof(*c));

	c->fd = dial();
	c->ssl = secure(c->fd);
	watch(c->fd, c);
	return c;
}

void http_close(struct hconn *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	free(c->in.p);
	free(c->out.p);
	free(c);
}

void http_request(struct hconn *c, const char *text, size_t n, http_cb cb, void *arg)
{
	const char *line = auth_n ? memchr(text, '\n', n) : NULL;
	size_t first = line ? (size_t)(line + 1 - text) : 0;

	c->cb = cb;
	c->arg = arg;
	add(&c->out, text, first);
	add(&c->out, auth, auth_n);
	add(&c->out, text + first, n - first);
	flush(c->fd, c->ssl, &c->out);
}

bool http_ready(void)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char in[64] = "";
	bool ok = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		  send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL) > 0 &&
		  recv(fd, in, sizeof(in) - 1, 0) > 12 && !strncmp(in, "HTTP/1.1 200", 12);

	close(fd);
	return ok;
}

static size_t content_length(const char *head, size_t n)
{
	const char *p = memmem(head, n, "ontent-", 7);

	while (p && strncasecmp(p, "ontent-length:", 14) != 0)
		p = memmem(p + 1, n - (size_t)(p + 1 - head), "ontent-", 7);
	return p ? (size_t)strtoull(p + 14, NULL, 10) : 0;
}

static void http_parse(struct hconn *c)
{
	char *end = c->in.n ? memmem(c->in.p, c->in.n, "\r\n\r\n", 4) : NULL;
	size_t head, body;
	http_cb cb = c->cb;
	struct bytes in;

	if (!end)
		return;
	head = (size_t)(end - c->in.p) + 4;
	body = content_length(c->in.p, head);
	if (c->in.n < head + body)
		return;
	in = c->in; /* cb may send again: hand the answer over first */
	c->in = (struct bytes){ NULL, 0, 0 };
	if (in.n > head + body)
		die("more than one answer to one request");
	cb(c->arg, c, atoi(in.p + 9), in.p + head, body);
	free(in.p);
}

/* ---- WebSocket ------------------------------------------------------------------------------- */

static void ws_upgrade(struct wconn *c, const char *path, const char *origin, const char *protocol)
{
	char req[1024];
	int n = snprintf(req, sizeof(req),
			 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
			 "Sec-WebSocket-Version: 13\r\n",
			 path, hostport);

	if (protocol)
		n += snprintf(req + n, sizeof(req) - (size_t)n, "Sec-WebSocket-Protocol: %s\r\n",
			      protocol);
	if (origin)
		n += snprintf(req + n, sizeof(req) - (size_t)n, "X-M2M-Origin: %s\r\n", origin);
	n += snprintf(req + n, sizeof(req) - (size_t)n, "\r\n");
	if (put(c->fd, c->ssl, req, (size_t)n) != n)
		die("handshake: %s", strerror(errno));
}

struct wconn *ws_open(const char *path, const char *origin, const char *protocol, frame_cb cb,
		      void *arg)
{
	struct wconn *c = calloc(1, sizeof(*c));
	char *end = NULL;

	c->is_ws = true;
	c->fd = dial();
	c->ssl = secure(c->fd);
	c->cb = cb;
	c->arg = arg;
	ws_upgrade(c, path, origin, protocol);
	while (!end) {
		char tmp[2048];
		ssize_t k = get(c->fd, c->ssl, tmp, sizeof(tmp));

		if (k <= 0)
			die("handshake of %s was refused: %.*s", origin ? origin : path,
			    (int)c->in.n, c->in.p);
		add(&c->in, tmp, (size_t)k);
		end = memmem(c->in.p, c->in.n, "\r\n\r\n", 4);
	}
	if (strncmp(c->in.p, "HTTP/1.1 101", 12) != 0)
		die("handshake: %.*s", (int)(end - c->in.p), c->in.p);
	drop(&c->in, (size_t)(end - c->in.p) + 4);
	watch(c->fd, c);
	alive++;
	return c;
}

/* Masked with the key 0: legal, and no work. */
static void put_frame(struct wconn *c, int opcode, const char *p, size_t n)
{
	unsigned char h[8] = { (unsigned char)(0x80 | opcode) };
	size_t k = 2;

	if (n < 126) {
		h[1] = (unsigned char)(0x80 | n);
	} else {
		h[1] = 0x80 | 126;
		h[2] = (unsigned char)(n >> 8);
		h[3] = (unsigned char)n;
		k = 4;
	}
	add(&c->out, h, k);
	add(&c->out, "\0\0\0\0", 4);
	add(&c->out, p, n);
	if (!c->dirty) {
		c->dirty = true;
		c->next_dirty = dirty;
		dirty = c;
	}
}

void ws_text(struct wconn *c, const char *text, size_t n)
{
	put_frame(c, 1, text, n);
}

unsigned ws_alive(void)
{
	return alive;
}

static void ws_parse(struct wconn *c)
{
	size_t at = 0;

	for (;;) {
		const unsigned char *p = (const unsigned char *)c->in.p + at;
		size_t left = c->in.n - at, n, head = 2;

		if (left < 2)
			break;
		n = p[1] & 127;
		if (n == 126) {
			head = 4;
			if (left < head)
				break;
			n = (size_t)p[2] << 8 | p[3];
		} else if (n == 127) {
			head = 10;
			if (left < head)
				break;
			n = 0;
			for (int i = 2; i < 10; i++)
				n = n << 8 | p[i];
		}
		if (left < head + n)
			break;
		if ((p[0] & 15) == 9)
			put_frame(c, 10, (const char *)p + head, n);
		else if ((p[0] & 15) == 8)
			die("the server closed a WebSocket: %d",
			    n >= 2 ? p[head] << 8 | p[head + 1] : 0);
		else if ((p[0] & 15) < 3)
			c->cb(c->arg, c, (const char *)p + head, n);
		at += head + n;
	}
	if (at)
		drop(&c->in, at);
}

/* ---- loop ------------------------------------------------------------------------------------ */

static void readable(struct hconn *c)
{
	static char tmp[256 * 1024];

	for (;;) {
		ssize_t k = get(c->fd, c->ssl, tmp, sizeof(tmp));

		if (k < 0 && errno == EAGAIN)
			break;
		if (k <= 0)
			die("the server closed a connection%s", c->is_ws ? " (WebSocket)" : "");
		add(&c->in, tmp, (size_t)k);
		if (!c->ssl && (size_t)k < sizeof(tmp))
			break;
	}
	if (c->is_ws)
		ws_parse((struct wconn *)c);
	else
		http_parse(c);
}

void client_poll(int timeout_ms)
{
	struct epoll_event ev[512];
	int n = epoll_wait(ep, ev, 512, timeout_ms);

	for (int i = 0; i < n; i++)
		readable(ev[i].data.ptr);
	while (dirty) {
		struct wconn *c = dirty;

		dirty = c->next_dirty;
		c->dirty = false;
		flush(c->fd, c->ssl, &c->out);
	}
}

/* ---- figures --------------------------------------------------------------------------------- */

void sample_add(struct samples *s, int64_t ns)
{
	if (s->n == s->cap) {
		if (s->cap >= 8u << 20)
			return;
		s->cap = s->cap ? s->cap * 2 : 4096;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		if (!s->v)
			die("out of memory");
	}
	s->v[s->n++] = (uint32_t)(ns / 1000);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double sample_quantile(struct samples *s, double q)
{
	size_t i;

	if (!s->n)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), by_value);
	i = (size_t)(q * (double)(s->n - 1));
	return s->v[i];
}

int64_t cpu_ns(int pid)
{
	char name[300];
	int64_t sum = 0;
	struct dirent *d;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = pid ? opendir(name) : NULL;
	if (!dir)
		return 0;
	while ((d = readdir(dir))) {
		long long ns = 0;
		FILE *f;

		snprintf(name, sizeof(name), "/proc/%d/task/%s/schedstat", pid, d->d_name);
		f = d->d_name[0] != '.' ? fopen(name, "r") : NULL;
		if (f && fscanf(f, "%lld", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return sum;
}

void fill_hole(const char *text, unsigned n, char *out, size_t size)
{
	size_t before = strcspn(text, "#");

	if (text[before])
		snprintf(out, size, "%.*s%u%s", (int)before, text, n, text + before + 1);
	else
		snprintf(out, size, "%s", text);
}
