/*
 * raw_fanout.c - the floor of a fan-out: a bare epoll server that accepts WebSocket handshakes on
 * any path (echoing the first offered subprotocol) and, told to, calls send() once per prepared
 * frame on every connection.  Nothing is parsed, queued or decided.  What a server costs above this
 * is its own.
 *
 *   raw_fanout PORT [BYTES [FRAMES]]     frames of BYTES payload (350), FRAMES per round (1)
 *
 * A line "GO" on standard input, or any POST to /go, runs a round; each round prints one JSON line
 * with the wall and CPU time of the sends alone.  A line "QUIT" or end of input (not of a terminal)
 * ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#define CONNS_MAX 65536
#define HEAD_MAX 4096

struct client {
	char *head; /* the handshake so far; NULL once it is a WebSocket */
	size_t n;
	bool open;
};

static struct client clients[CONNS_MAX]; /* by descriptor */
static int high, open_count, epfd;
static unsigned char frame[70000];
static size_t frame_len;
static int frames_per_round = 1, rounds;

static double now(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void prepare_frame(size_t payload)
{
	size_t head = payload < 126 ? 2 : 4;

	frame[0] = 0x81;
	frame[1] = (unsigned char)(payload < 126 ? payload : 126);
	if (head == 4) {
		frame[2] = (unsigned char)(payload >> 8);
		frame[3] = (unsigned char)payload;
	}
	memset(frame + head, 'x', payload);
	frame_len = head + payload;
}

static void drop(int fd)
{
	open_count -= clients[fd].open;
	free(clients[fd].head);
	memset(&clients[fd], 0, sizeof(clients[fd]));
	close(fd);
}

/* One send() per frame and connection, and the time it took. */
static void run_round(void)
{
	long sent = 0, full = 0;
	double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);

	for (int f = 0; f < frames_per_round; f++) {
		for (int fd = 0; fd <= high; fd++) {
			if (!clients[fd].open)
				continue;
			if (send(fd, frame, frame_len, MSG_NOSIGNAL) == (ssize_t)frame_len)
				sent++;
			else
				full++;
		}
	}
	wall = now(CLOCK_MONOTONIC) - wall;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"round\":%d,\"connections\":%d,\"frames\":%ld,\"not_sent\":%ld,\"bytes\":%zu,"
	       "\"wall_s\":%.6f,\"cpu_s\":%.6f,\"cpu_ns_per_frame\":%.0f}\n",
	       ++rounds, open_count, sent, full, frame_len, wall, cpu,
	       sent ? cpu * 1e9 / (double)sent : 0.0);
	fflush(stdout);
}

/* The value of a header, up to a comma or the line's end. */
static size_t header(const char *head, const char *name, char *out, size_t size)
{
	const char *at = strcasestr(head, name);
	size_t n;

	if (!at)
		return 0;
	at += strlen(name);
	at += strspn(at, " \t");
	n = strcspn(at, ", \r\n");
	n = n < size - 1 ? n : size - 1;
	memcpy(out, at, n);
	out[n] = 0;
	return n;
}

static void accept_key(const char *key, char out[64])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char text[160];
	int n = snprintf(text, sizeof(text), "%.64s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);

	EVP_Digest(text, (size_t)n, hash, &len, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)out, hash, (int)len);
}

static void answer_head(int fd)
{
	struct client *c = &clients[fd];
	char key[80], protocol[80], accepted[64], text[400];
	int n;

	if (strncmp(c->head, "POST /go", 8) == 0) {
		static const char ok[] = "HTTP/1.1 204 No Content\r\n\r\n";

		c->n = 0; /* keep-alive: publishers come again */
		run_round();
		if (send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) < 0)
			drop(fd);
		return;
	}
	if (!header(c->head, "\r\nSec-WebSocket-Key:", key, sizeof(key))) {
		drop(fd);
		return;
	}
	accept_key(key, accepted);
	n = snprintf(
	    text, sizeof(text),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n",
	    accepted);
	if (header(c->head, "\r\nSec-WebSocket-Protocol:", protocol, sizeof(protocol)))
		n += snprintf(text + n, sizeof(text) - (size_t)n, "Sec-WebSocket-Protocol: %s\r\n",
			      protocol);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
		drop(fd);
		return;
	}
	free(c->head);
	c->head = NULL;
	c->open = true;
	open_count++;
}

static void readable(int fd)
{
	struct client *c = &clients[fd];
	char waste[16384];
	ssize_t got;

	if (c->open) {
		got = recv(fd, waste, sizeof(waste), 0); /* whatever clients say */
		if (got == 0 || (got < 0 && errno != EAGAIN))
			drop(fd);
		return;
	}
	got = recv(fd, c->head + c->n, HEAD_MAX - 1 - c->n, 0);
	if (got <= 0) {
		drop(fd);
		return;
	}
	c->n += (size_t)got;
	c->head[c->n] = 0;
	if (strstr(c->head, "\r\n\r\n"))
		answer_head(fd);
	else if (c->n == HEAD_MAX - 1)
		drop(fd);
}

static void accept_all(int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

		if (fd >= CONNS_MAX) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		clients[fd].head = malloc(HEAD_MAX);
		clients[fd].n = 0;
		high = fd > high ? fd : high;
		epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
	}
}

/* False at the end. */
static bool command(void)
{
	static char line[200];
	static size_t n;
	ssize_t got = read(0, line + n, sizeof(line) - 1 - n);
	char *nl;

	if (got <= 0)
		return false;
	n += (size_t)got;
	while ((nl = memchr(line, '\n', n))) {
		size_t len = (size_t)(nl + 1 - line);

		if (len >= 4 && strncmp(line, "QUIT", 4) == 0)
			return false;
		if (len >= 3 && strncmp(line, "GO", 2) == 0)
			run_round();
		memmove(line, nl + 1, n - len);
		n -= len;
	}
	n = n == sizeof(line) - 1 ? 0 : n;
	return true;
}

static int listen_on(int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, SOMAXCONN) != 0) {
		perror("raw_fanout: listen");
		exit(1);
	}
	return fd;
}

static void watch(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev); /* a plain file cannot be watched: no commands */
}

int main(int argc, char **argv)
{
	struct rlimit r;
	int listener;

	if (argc < 2) {
		fprintf(stderr, "usage: raw_fanout PORT [BYTES [FRAMES]]\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max < CONNS_MAX ? r.rlim_max : CONNS_MAX;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	prepare_frame(argc > 2 ? strtoul(argv[2], NULL, 10) % 65536 : 350);
	frames_per_round = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
	listener = listen_on((int)strtol(argv[1], NULL, 10));
	epfd = epoll_create1(EPOLL_CLOEXEC);
	watch(listener);
	watch(0);
	for (;;) {
		struct epoll_event ev[256];
		int n = epoll_wait(epfd, ev, 256, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == listener)
				accept_all(listener);
			else if (ev[i].data.fd != 0)
				readable(ev[i].data.fd);
			else if (!command())
				return 0;
		}
	}
}
