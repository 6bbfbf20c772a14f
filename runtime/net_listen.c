/*
 * net_listen.c - listening sockets and who gets in.  Every client is counted here, in all and per
 * address, before anything is read from it; one too many is told so and let go.
 * The accept loop never spins: without a descriptor it gives up its reserve once, then rests.
 */
#define _GNU_SOURCE
#include "net_lws.h"

#include "limit.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_EVENT 64 /* then others get their turn */
#define REST 0.2 /* s without accepting when there is no descriptor */
#define PEER_BUCKETS 1024

struct listener {
	struct link link;
	struct net *net;
	ev_io io;
	ev_timer rest;
	struct net_accepted proto; /* what an accepted connection starts with */
	bool tls;
};

/* ---- addresses ------------------------------------------------------------------------------- */

static unsigned bucket(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h % PEER_BUCKETS;
}

static void address_text(const struct sockaddr_storage *sa, char out[48], bool *loopback)
{
	const struct sockaddr_in6 *s6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *s4 = (const struct sockaddr_in *)sa;
	const void *a4 = &s4->sin_addr;
	bool mapped = sa->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&s6->sin6_addr);

	out[0] = 0;
	*loopback = false;
	if (mapped)
		a4 = &s6->sin6_addr.s6_addr[12];
	if (mapped || sa->ss_family == AF_INET) {
		inet_ntop(AF_INET, a4, out, 48);
		*loopback = *(const unsigned char *)a4 == 127;
	} else if (sa->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &s6->sin6_addr, out, 48);
		*loopback = IN6_IS_ADDR_LOOPBACK(&s6->sin6_addr);
	}
}

static struct peer *peer_get(struct net *n, const struct sockaddr_storage *sa)
{
	char text[48];
	bool loopback;
	struct peer **at, *p;

	if (!n->peers)
		n->peers = xcalloc(PEER_BUCKETS, sizeof(*n->peers));
	address_text(sa, text, &loopback);
	at = &n->peers[bucket(text)];
	for (p = *at; p; p = p->next) {
		if (strcmp(p->text, text) == 0)
			break;
	}
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		memcpy(p->text, text, sizeof(text));
		p->loopback = loopback;
		p->next = *at;
		*at = p;
	}
	p->count++;
	return p;
}

void net_peer_put(struct net *n, struct peer *p)
{
	struct peer **at;

	if (!p || --p->count)
		return;
	for (at = &n->peers[bucket(p->text)]; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	free(p);
}

/* ---- accepting ------------------------------------------------------------------------------- */

/* One write into an empty socket: it fits or the peer is gone already. */
static void say_no(int fd, enum limit l, const char *why)
{
	char text[300], body[120];
	int n;

	snprintf(body, sizeof(body), "%s (limits.%s)\n", why, limit_name(l));
	n = snprintf(text, sizeof(text),
		     "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
		     "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
		     strlen(body), body);

	if (send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n)
		shutdown(fd, SHUT_WR);
	close(fd);
}

/* A client that expects TLS would not understand a line of text. */
static void turn_away(const struct listener *l, int fd, enum limit hit, const char *why)
{
	limit_hit(hit);
	if (l->tls)
		close(fd);
	else
		say_no(fd, hit, why);
}

static void admit(struct listener *l, int fd, const struct sockaddr_storage *sa)
{
	struct net *n = l->net;
	struct net_accepted a = l->proto;
	int one = 1;

	if (n->counts.http + n->counts.ws >= n->max_conns) {
		turn_away(l, fd, LIMIT_CONNECTIONS, "too many connections");
		return;
	}
	if (n->counts.unidentified >= n->lim.unidentified) {
		turn_away(l, fd, LIMIT_UNIDENTIFIED, "too many connections without an identity");
		return;
	}
	a.fd = fd;
	a.peer = peer_get(n, sa);
	if (!a.peer->loopback && a.peer->count > n->lim.per_address) {
		net_peer_put(n, a.peer);
		turn_away(l, fd, LIMIT_PER_ADDRESS, "too many connections from this address");
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (l->tls && !(a.tls = net_tls_accept(n, fd))) {
		net_peer_put(n, a.peer);
		close(fd);
		return;
	}
	n->counts.accepted++;
	n->counts.unidentified++;
	net_http_accept(n, &a);
}

/* No descriptor left: lets one client know, then rests so that the loop does not spin. */
static void no_descriptor(struct listener *l)
{
	struct net *n = l->net;
	int fd;

	if (n->reserve < 0) {
		limit_hit(LIMIT_DESCRIPTORS);
	} else {
		close(n->reserve);
		fd = accept4(l->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			turn_away(l, fd, LIMIT_DESCRIPTORS, "no descriptor is left");
		n->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	ev_io_stop(n->loop, &l->io);
	ev_timer_set(&l->rest, REST, 0);
	ev_timer_start(n->loop, &l->rest);
}

static void on_rested(struct ev_loop *loop, ev_timer *w, int events)
{
	struct listener *l = container_of(w, struct listener, rest);

	(void)events;
	ev_io_start(loop, &l->io);
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
	struct listener *l = w->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		int fd = accept4(w->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(l, fd, &sa);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			no_descriptor(l);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/* ---- listening ------------------------------------------------------------------------------- */

static int bound_socket(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	one = errno;
	close(fd);
	errno = one;
	return -1;
}

static int open_listener(const struct net_listen *l, struct err *e)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM },
			*ai;
	char port[8];
	int rc, fd;

	snprintf(port, sizeof(port), "%d", l->port);
	rc = getaddrinfo(l->host, port, &hints, &ai);
	if (rc != 0) {
		err_set(e, "listen %s port %d: %s", l->host, l->port, gai_strerror(rc));
		return -1;
	}
	fd = bound_socket(ai);
	freeaddrinfo(ai);
	if (fd < 0)
		err_set(e, "listen %s port %d: %s", l->host, l->port, strerror(errno));
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		return 0;
	return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
					      : ((struct sockaddr_in *)&sa)->sin_port);
}

int net_listen(struct net *n, const struct net_listen *l, const struct net_handlers *h,
	       struct err *e)
{
	struct listener *li;
	int fd;

	if (l->port < 0 || l->port > 65535) {
		err_set(e, "listen %s port %d: a port is 0 to 65535", l->host, l->port);
		return -1;
	}
	if (l->tls && !n->nsites) {
		err_set(e, "listen %s port %d: TLS without a certificate", l->host, l->port);
		return -1;
	}
	fd = open_listener(l, e);
	if (fd < 0)
		return -1;
	li = xcalloc(1, sizeof(*li));
	li->net = n;
	li->proto.h = *h;
	li->proto.port = port_of(fd);
	li->proto.http = l->http && h->http;
	li->proto.ws = l->ws && h->ws;
	li->tls = l->tls;
	ev_io_init(&li->io, on_accept, fd, EV_READ);
	li->io.data = li;
	ev_timer_init(&li->rest, on_rested, REST, 0);
	ev_io_start(n->loop, &li->io);
	link_add(&n->listeners, &li->link);
	return li->proto.port;
}

/* Whether an address is one of this host; b is it in 16 bytes, of IPv4: mapped. */
static bool of_this_host(const struct sockaddr *sa, const unsigned char b[16])
{
	struct ifaddrs *list, *at;
	bool found = false;

	if ((b[10] == 0xff && b[11] == 0xff && (b[12] == 127 || !b[12])) ||
	    (sa->sa_family == AF_INET6 &&
	     (IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr) ||
	      IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)sa)->sin6_addr))))
		return true;
	if (getifaddrs(&list) != 0)
		return false;
	for (at = list; at && !found; at = at->ifa_next) {
		if (!at->ifa_addr)
			continue;
		if (at->ifa_addr->sa_family == AF_INET)
			found = memcmp(&((struct sockaddr_in *)at->ifa_addr)->sin_addr, b + 12,
				       4) == 0 &&
				b[10] == 0xff;
		else if (at->ifa_addr->sa_family == AF_INET6)
			found =
			    memcmp(&((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr, b, 16) == 0;
	}
	freeifaddrs(list);
	return found;
}

bool net_is_own(const struct net *n, const struct sockaddr *sa, const unsigned char b[16],
		uint16_t port)
{
	for (const struct link *at = n->listeners.next; at != &n->listeners; at = at->next) {
		const struct listener *l = container_of(at, struct listener, link);

		if (l->proto.port == port && of_this_host(sa, b))
			return true;
	}
	return false;
}

void net_unlisten(struct net *n)
{
	while (!link_alone(&n->listeners)) {
		struct listener *l = container_of(n->listeners.next, struct listener, link);

		link_drop(&l->link);
		ev_io_stop(n->loop, &l->io);
		ev_timer_stop(n->loop, &l->rest);
		close(l->io.fd);
		free(l);
	}
}

void net_listen_free(struct net *n)
{
	net_unlisten(n);
}
