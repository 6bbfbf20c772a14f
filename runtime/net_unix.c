/*
 * net_unix.c - see net_unix.h.
 * Guarantees: never blocks; clients, the length of their line and the time they take are bounded; a
 * client that goes away costs nothing.
 */
#define _GNU_SOURCE /* accept4 */
#include "net_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_lws.h"

#define CLIENTS_MAX 16u
#define LINE_MAX_BYTES (8u << 20) /* an imported line may hold a large content */
#define CLIENT_TIME 30.0 /* s without progress */
#define SESSIONS_MAX 8u
#define UNREAD_MAX (8u << 20) /* bytes that a session may leave */

struct client {
	struct link on;
	struct net_unix *u;
	uint64_t id;
	int fd;
	ev_io io;
	ev_timer timer;
	struct buf in, out;
	size_t sent;
	bool answering; /* its line was read */
	bool waiting; /* its answer comes later */
	struct net_unix_session session; /* line NULL: it is none */
	bool broken; /* a session that ends in the next turn */
};

struct net_unix {
	struct net *net;
	char *path;
	int fd;
	ev_io io;
	ev_timer again; /* when there was no descriptor for a client */
	struct link clients;
	unsigned n, sessions;
	uint64_t last_id;
	net_unix_line line;
	void *arg;
};

/* ---- clients --------------------------------------------------------------------------------- */

static void client_free(struct client *c)
{
	struct net_unix *u = c->u;

	ev_io_stop(u->net->loop, &c->io);
	ev_timer_stop(u->net->loop, &c->timer);
	close(c->fd);
	link_drop(&c->on);
	u->n--;
	u->sessions -= c->session.line != NULL;
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static struct client *find(const struct net_unix *u, uint64_t id)
{
	for (struct link *l = u->clients.next; l != &u->clients; l = l->next) {
		struct client *c = container_of(l, struct client, on);

		if (c->id == id)
			return c;
	}
	return NULL;
}

/* False: the client is gone. */
static bool client_write(struct client *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n <= 0)
			break;
		c->sent += (size_t)n;
		ev_timer_again(c->u->net->loop, &c->timer);
	}
	client_free(c);
	return false;
}

/* Writes what is there; false: all is written, and the client gone. */
static bool client_begin(struct client *c)
{
	struct ev_loop *loop = c->u->net->loop;

	c->waiting = false;
	ev_timer_again(loop, &c->timer);
	if (!client_write(c))
		return false;
	ev_io_stop(loop, &c->io);
	ev_io_set(&c->io, c->fd, EV_WRITE);
	ev_io_start(loop, &c->io);
	return true;
}

static void client_answer(struct client *c, struct str line)
{
	struct net_unix *u = c->u;
	uint64_t id = c->id;

	c->answering = c->waiting = true;
	ev_timer_stop(u->net->loop, &c->timer);
	if (u->line(u->arg, id, line, &c->out))
		client_begin(c);
}

bool net_unix_answer(struct net_unix *u, uint64_t id, struct str text)
{
	struct client *c = find(u, id);

	if (!c || !c->waiting)
		return false;
	buf_str(&c->out, text);
	client_begin(c);
	return true;
}

/* Nothing more is expected: what comes is dropped.  One that said all it had to say may still read. */
static void client_idle(struct client *c)
{
	char piece[256];
	ssize_t n = recv(c->fd, piece, sizeof(piece), 0);

	if (n == 0)
		ev_io_stop(c->u->net->loop, &c->io);
	else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		client_free(c);
}

static void client_read(struct client *c)
{
	char piece[65536];
	ssize_t n = recv(c->fd, piece, sizeof(piece), 0);
	const char *end;
	size_t before = c->in.n;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0 || c->in.n + (size_t)n > LINE_MAX_BYTES) {
		client_free(c);
		return;
	}
	buf_add(&c->in, piece, (size_t)n);
	end = memchr(c->in.p + before, '\n', (size_t)n);
	if (end)
		client_answer(c, (struct str){ c->in.p, (size_t)(end - c->in.p) });
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void session_end(struct client *c)
{
	struct net_unix_session s = c->session;
	uint64_t id = c->id;

	client_free(c);
	s.gone(s.arg, id);
}

/* Listens, and waits for room when something is unread. */
static void session_watch(struct client *c)
{
	struct ev_loop *loop = c->u->net->loop;

	ev_io_stop(loop, &c->io);
	ev_io_set(&c->io, c->fd, c->out.n ? EV_READ | EV_WRITE : EV_READ);
	ev_io_start(loop, &c->io);
}

/* Never ends the session itself: who writes may be in the middle of something. */
static void session_write(struct client *c)
{
	bool was_waiting = c->io.events & EV_WRITE;
	ssize_t n = 0;

	while (c->out.n && n >= 0) {
		n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			buf_drop(&c->out, (size_t)n);
	}
	c->broken = c->out.n > UNREAD_MAX ||
		    (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
	if (c->broken)
		ev_feed_event(c->u->net->loop, &c->io, EV_READ);
	else if (was_waiting != (c->out.n != 0))
		session_watch(c);
}

/* Hands over the whole lines that are there.  A line may end the session. */
static void session_lines(struct net_unix *u, uint64_t id)
{
	struct client *c;
	struct buf line = BUF_INIT;
	const char *end;

	while ((c = find(u, id)) && c->in.n && (end = memchr(c->in.p, '\n', c->in.n))) {
		size_t n = (size_t)(end - c->in.p);

		buf_clear(&line);
		buf_add(&line, c->in.p, n);
		buf_drop(&c->in, n + 1);
		c->session.line(c->session.arg, id, buf_view(&line));
	}
	buf_free(&line);
}

static void session_read(struct client *c)
{
	ssize_t n = recv(c->fd, buf_reserve(&c->in, 4096), 4096, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) ||
	    c->in.n + (size_t)(n > 0 ? n : 0) > LINE_MAX_BYTES) {
		session_end(c);
		return;
	}
	c->in.n += n > 0 ? (size_t)n : 0;
	session_lines(c->u, c->id);
}

static void on_session(struct client *c, int events)
{
	if (c->broken) {
		session_end(c);
		return;
	}
	if (events & EV_WRITE)
		session_write(c);
	if (events & EV_READ)
		session_read(c);
}

bool net_unix_keep(struct net_unix *u, uint64_t id, const struct net_unix_session *s)
{
	struct client *c = find(u, id);
	const char *end = c && c->waiting ? memchr(c->in.p, '\n', c->in.n) : NULL;

	if (!end || u->sessions >= SESSIONS_MAX)
		return false;
	buf_drop(&c->in, (size_t)(end - c->in.p) + 1);
	c->waiting = false;
	c->session = *s;
	u->sessions++;
	ev_timer_stop(u->net->loop, &c->timer);
	session_watch(c);
	ev_feed_event(u->net->loop, &c->io, EV_READ); /* what came with its first line */
	return true;
}

bool net_unix_send(struct net_unix *u, uint64_t id, struct str text)
{
	struct client *c = find(u, id);

	if (!c || !c->session.line)
		return false;
	if (c->broken)
		return false;
	buf_str(&c->out, text);
	session_write(c);
	return true;
}

ssize_t net_unix_unread(const struct net_unix *u, uint64_t id)
{
	const struct client *c = find(u, id);

	return c && c->session.line ? (ssize_t)c->out.n : -1;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void on_client(struct ev_loop *loop, ev_io *w, int events)
{
	struct client *c = w->data;

	(void)loop;
	if (c->session.line)
		on_session(c, events);
	else if (c->waiting)
		client_idle(c);
	else if (c->answering)
		client_write(c);
	else
		client_read(c);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	client_free(w->data);
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
	struct net_unix *u = w->data;
	int fd = accept4(u->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c;

	(void)events;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			ev_io_stop(loop, &u->io);
			ev_timer_again(loop, &u->again);
		}
		return;
	}
	if (u->n >= CLIENTS_MAX) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->u = u;
	c->id = ++u->last_id;
	c->fd = fd;
	link_init(&c->on);
	link_add(&u->clients, &c->on);
	u->n++;
	ev_io_init(&c->io, on_client, fd, EV_READ);
	ev_init(&c->timer, on_timer);
	c->timer.repeat = CLIENT_TIME;
	c->io.data = c->timer.data = c;
	ev_io_start(loop, &c->io);
	ev_timer_again(loop, &c->timer);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int events)
{
	struct net_unix *u = w->data;

	(void)events;
	ev_timer_stop(loop, w);
	ev_io_start(loop, &u->io);
}

/* ---- the socket ------------------------------------------------------------------------------ */

/* A file that nobody listens behind is removed. */
static bool make_way(const struct sockaddr_un *a, struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool taken = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0;

	if (fd >= 0)
		close(fd);
	if (taken)
		return err_set(e, "%s: another server listens there", a->sun_path);
	if (unlink(a->sun_path) != 0 && errno != ENOENT)
		return err_set(e, "%s: %s", a->sun_path, strerror(errno));
	return true;
}

static int listen_at(const struct sockaddr_un *a, struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0177);
	bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)a, sizeof(*a)) == 0;

	umask(mask);
	if (ok && listen(fd, CLIENTS_MAX) == 0)
		return fd;
	(void)err_set(e, "%s: %s", a->sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

struct net_unix *net_unix_listen(struct net *n, const char *path, net_unix_line line, void *arg,
				 struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct net_unix *u;
	int fd;

	if (strlen(path) >= sizeof(a.sun_path)) {
		(void)err_set(e, "%s: longer than the %zu bytes of a socket's name", path,
			      sizeof(a.sun_path) - 1);
		return NULL;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (!make_way(&a, e))
		return NULL;
	fd = listen_at(&a, e);
	if (fd < 0)
		return NULL;
	u = xcalloc(1, sizeof(*u));
	*u = (struct net_unix){ n, xstrdup(path), fd, .line = line, .arg = arg };
	link_init(&u->clients);
	ev_io_init(&u->io, on_accept, fd, EV_READ);
	ev_init(&u->again, on_again);
	u->again.repeat = 1;
	u->io.data = u->again.data = u;
	ev_io_start(n->loop, &u->io);
	return u;
}

void net_unix_close(struct net_unix *u)
{
	if (!u)
		return;
	while (!link_alone(&u->clients))
		client_free(container_of(u->clients.next, struct client, on));
	ev_io_stop(u->net->loop, &u->io);
	ev_timer_stop(u->net->loop, &u->again);
	close(u->fd);
	unlink(u->path);
	free(u->path);
	free(u);
}
