/*
 * net_udp.c - a socket for datagrams: what comes waits in order, within the bounds of net_raw.h, and
 * what finds no room is counted and told in the log at most every ten seconds.  Sending never waits.
 */
#include "net_raw_int.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

#define ROUND 64 /* datagrams read in one event */
#define KERNEL_BYTES (1024 * 1024) /* asked for; net.core.rmem_max may allow less */
#define TELL_EVERY 10.0 /* s */

struct datagram {
	struct link link;
	struct net_addr from;
	size_t n;
	char data[];
};

struct net_udp {
	struct net *net;
	struct raw_opts o;
	int fd, family;
	ev_io io;
	struct link queue;
	size_t count, bytes;
	struct datagram *taken; /* handed out */
	char from[80];
	bool asked; /* nothing was there: changed is due with the next */
	uint32_t overflow; /* the kernel's own count of what it dropped */
	uint64_t dropped, told; /* told: of dropped, in the log */
	double told_at;
};

static void drop(struct net_udp *u, uint64_t n)
{
	double now = net_now(u->net);

	u->dropped += n;
	raw_count(u->o.dropped, (double)n);
	if (u->told && now - u->told_at < TELL_EVERY)
		return;
	log_warn("gateway", "datagrams dropped, the queue is full socket=%s count=%llu",
		 log_quote(str_of(u->o.name)), (unsigned long long)(u->dropped - u->told));
	u->told = u->dropped;
	u->told_at = now;
}

static void note_overflow(struct net_udp *u, struct msghdr *m)
{
	uint32_t count;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&count, CMSG_DATA(c), sizeof(count));
		if (count != u->overflow)
			drop(u, count - u->overflow);
		u->overflow = count;
	}
}

static void keep(struct net_udp *u, const struct net_addr *from, size_t n)
{
	struct datagram *d;

	if (u->count >= u->o.queue || u->bytes + n > u->o.bytes) {
		drop(u, 1);
		return;
	}
	d = xmalloc(sizeof(*d) + n);
	d->from = *from;
	d->n = n;
	memcpy(d->data, u->net->rx, n);
	link_init(&d->link);
	link_add(&u->queue, &d->link);
	u->count++;
	u->bytes += n;
	raw_count(u->o.received, 1);
}

/* False: nothing more is there. */
static bool receive(struct net_udp *u)
{
	struct net_addr from = { .len = sizeof(from.sa) };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
	} control;
	struct iovec v = { u->net->rx, NET_READ_MAX };
	struct msghdr m = { .msg_name = &from.sa,
			    .msg_namelen = sizeof(from.sa),
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(u->fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR || errno == ECONNREFUSED;
	from.len = m.msg_namelen;
	note_overflow(u, &m);
	keep(u, &from, (size_t)n);
	return true;
}

static void on_read(struct ev_loop *loop, ev_io *w, int events)
{
	struct net_udp *u = w->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < ROUND && receive(u); i++)
		continue;
	if (u->asked && u->count) {
		u->asked = false;
		u->o.changed(u->o.arg);
	}
}

static int open_socket(const struct net_addr *a, struct err *e)
{
	int fd = socket(a->sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, room = KERNEL_BYTES;
	char text[80];

	raw_print(a, text, sizeof(text));
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		if (bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0)
			return fd;
	}
	(void)err_set(e, "udp %s: %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

struct net_udp *net_udp_open(struct net *n, const char *host, int port, const struct raw_opts *o,
			     struct err *e)
{
	struct net_addr a;
	struct net_udp *u;
	int fd = raw_address(host, port, &a, e) ? open_socket(&a, e) : -1;

	if (fd < 0)
		return NULL;
	u = xcalloc(1, sizeof(*u));
	u->net = n;
	u->fd = fd;
	u->family = a.sa.ss_family;
	u->asked = true;
	raw_opts_copy(&u->o, o);
	link_init(&u->queue);
	ev_io_init(&u->io, on_read, fd, EV_READ);
	u->io.data = u;
	ev_io_start(n->loop, &u->io);
	return u;
}

int net_udp_port(const struct net_udp *u)
{
	return raw_bound_port(u->fd);
}

bool net_udp_take(struct net_udp *u, struct str *data, struct str *from)
{
	free(u->taken);
	u->taken = NULL;
	if (link_alone(&u->queue)) {
		u->asked = true;
		return false;
	}
	u->taken = container_of(u->queue.next, struct datagram, link);
	link_drop(&u->taken->link);
	u->count--;
	u->bytes -= u->taken->n;
	raw_print(&u->taken->from, u->from, sizeof(u->from));
	*data = (struct str){ u->taken->data, u->taken->n };
	*from = str_of(u->from);
	return true;
}

static bool allowed(struct net_udp *u, const struct net_addr *a, struct err *e)
{
	char host[64] = "?";
	struct net_whom w = { "udp", host, 0, true };

	w.port =
	    ntohs(a->sa.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&a->sa)->sin6_port
					      : ((const struct sockaddr_in *)&a->sa)->sin_port);
	getnameinfo((const struct sockaddr *)&a->sa, a->len, host, sizeof(host), NULL, 0,
		    NI_NUMERICHOST);
	return net_allow_whom(u->net, &w, e);
}

bool net_udp_send(struct net_udp *u, struct str to, struct str data, struct err *e)
{
	struct net_addr a;
	ssize_t n;

	if (data.n > UDP_MAX)
		return err_set(e, "a datagram of %zu bytes, at most %u are possible", data.n,
			       UDP_MAX);
	if (!raw_parse(to, &a, e) || !allowed(u, &a, e))
		return false;
	if (a.sa.ss_family != u->family)
		return err_set(e, "%.*s: not an address of this socket's family", STRFMT(to));
	do
		n = sendto(u->fd, data.p, data.n, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (const struct sockaddr *)&a.sa, a.len);
	while (n < 0 && (errno == EINTR || errno == ECONNREFUSED));
	if (n < 0)
		return err_set(e, "%.*s: %s", STRFMT(to), strerror(errno));
	raw_count(u->o.sent, 1);
	return true;
}

void net_udp_close(struct net_udp *u)
{
	if (!u)
		return;
	ev_io_stop(u->net->loop, &u->io);
	close(u->fd);
	while (!link_alone(&u->queue)) {
		struct datagram *d = container_of(u->queue.next, struct datagram, link);

		link_drop(&d->link);
		free(d);
	}
	free(u->taken);
	raw_opts_drop(&u->o);
	free(u);
}
