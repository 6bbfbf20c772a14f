/*
 * net_loop.c - the event loop: libev, owned here, with libwebsockets as a guest on it.
 * A turn is: events, then the on_turn hooks, then everything that was asked to be written leaves.
 * All work for others happens in callbacks from here; it must never block.
 */
#include "net_lws.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define FLUSH_PASSES 8 /* a flush may cause writes; what is left waits for the next turn */
#define RESERVE_FDS 96 /* for the store, logs, resolver, lws itself */
#define WS_RX_SIZE 2048 /* lws reads a socket in pieces of this size; kept per connection */

const struct net_limits NET_LIMITS = {
	.connections = 8192,
	.per_address = 256,
	.unidentified = 512,
	.request_line = 4096,
	.headers = 16384,
	.header_count = 100,
	.body = 1024 * 1024,
	.pipeline = 32,
	.handshake_time = 10,
	.header_time = 10,
	.body_time = 30,
	.idle_time = 30,
	.body_rate = 1024,
	.ping = 30,
	.hangup = 40,
	.read_stall = 60,
	.origins = NULL,
};

double net_now(const struct net *n)
{
	return n->now;
}

/* ---- the turn -------------------------------------------------------------------------------- */

static bool unfinished(const struct net *n)
{
	return !link_alone(&n->conns_dirty) || !link_alone(&n->https_dirty) ||
	       !link_alone(&n->failed);
}

static void run_hooks(const struct net_hook *hooks, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		hooks[i].fn(hooks[i].arg);
}

static void end_turn(struct net *n)
{
	run_hooks(n->on_turn, n->nturn);
	run_hooks(n->on_rest, n->nrest);
	for (int pass = 0; pass < FLUSH_PASSES && unfinished(n); pass++) {
		net_out_flush(n);
		net_http_flush(n);
		net_ws_flush(n);
	}
	run_hooks(n->on_rest, n->nrest);
}

static void take_time(struct net *n)
{
	n->now = (double)clock_mono() / 1e6;
}

static void on_check(struct ev_loop *loop, ev_check *w, int events)
{
	(void)loop;
	(void)events;
	take_time(w->data);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct net *n = w->data;

	(void)events;
	end_turn(n);
	if (unfinished(n))
		ev_idle_start(loop, &n->again);
	else
		ev_idle_stop(loop, &n->again);
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int events)
{
	(void)loop;
	(void)w;
	(void)events;
}

static void on_async(struct ev_loop *loop, ev_async *w, int events)
{
	struct net *n = w->data;

	(void)loop;
	(void)events;
	run_hooks(n->on_wake, n->nwake);
}

void net_wake(struct net *n)
{
	ev_async_send(n->loop, &n->wake);
}

static void add_hook(struct net_hook *hooks, unsigned *count, void (*fn)(void *), void *arg)
{
	if (*count == NET_HOOKS)
		abort(); /* ours: hooks are set at start */
	hooks[(*count)++] = (struct net_hook){ fn, arg };
}

void net_on_wake(struct net *n, void (*fn)(void *arg), void *arg)
{
	add_hook(n->on_wake, &n->nwake, fn, arg);
}

void net_on_turn(struct net *n, void (*fn)(void *arg), void *arg)
{
	add_hook(n->on_turn, &n->nturn, fn, arg);
}

void net_on_rest(struct net *n, void (*fn)(void *arg), void *arg)
{
	add_hook(n->on_rest, &n->nrest, fn, arg);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct net_signal *s = container_of(w, struct net_signal, watch);

	(void)loop;
	(void)events;
	s->fn(s->arg, w->signum);
}

void net_on_signal(struct net *n, int signo, void (*fn)(void *arg, int signo), void *arg)
{
	struct net_signal *s;

	if (n->nsignal == NET_HOOKS)
		abort();
	s = &n->on_signal[n->nsignal++];
	s->fn = fn;
	s->arg = arg;
	ev_signal_init(&s->watch, on_signal, signo);
	ev_signal_start(n->loop, &s->watch);
}

int net_run(struct net *n)
{
	if (!n->stop) /* it may have been told before it ran */
		ev_run(n->loop, 0);
	n->stop = false;
	end_turn(n); /* what was answered in the last turn still leaves */
	return n->code;
}

void net_stop(struct net *n, int code)
{
	n->code = code;
	n->stop = true;
	ev_break(n->loop, EVBREAK_ALL);
}

const struct net_counts *net_counts(const struct net *n)
{
	return &n->counts;
}

/* ---- timers ---------------------------------------------------------------------------------- */

struct net_timer {
	ev_timer watch;
	struct net *net;
	void (*fn)(void *arg);
	void *arg;
};

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct net_timer *t = container_of(w, struct net_timer, watch);

	(void)loop;
	(void)events;
	t->fn(t->arg); /* may free t */
}

struct net_timer *net_timer_new(struct net *n, void (*fn)(void *arg), void *arg)
{
	struct net_timer *t = xcalloc(1, sizeof(*t));

	t->net = n;
	t->fn = fn;
	t->arg = arg;
	ev_timer_init(&t->watch, on_timer, 0, 0);
	return t;
}

void net_timer_start(struct net_timer *t, double seconds)
{
	ev_timer_stop(t->net->loop, &t->watch);
	ev_now_update(t->net->loop); /* the turn may have lasted; the delay counts from now */
	ev_timer_set(&t->watch, seconds < 0 ? 0 : seconds, 0);
	ev_timer_start(t->net->loop, &t->watch);
}

void net_timer_stop(struct net_timer *t)
{
	ev_timer_stop(t->net->loop, &t->watch);
}

void net_timer_free(struct net_timer *t)
{
	if (!t)
		return;
	ev_timer_stop(t->net->loop, &t->watch);
	free(t);
}

/* ---- start and end --------------------------------------------------------------------------- */

static void lws_says(int level, const char *line)
{
	struct str s = str_of(line);

	(void)level;
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	log_warn("lws", "said text=%s", log_quote(s));
}

/* Room for the configured connections if the hard limit allows it; at most what is needed is asked
 * for, since lws makes a table as large as the limit. */
static unsigned fit_descriptors(const struct net_limits *lim)
{
	struct rlimit r;
	rlim_t want = (rlim_t)lim->connections + RESERVE_FDS + 1024;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return lim->connections;
	if (r.rlim_cur < want || r.rlim_cur > 1024 * 1024) {
		r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_cur >= (rlim_t)lim->connections + RESERVE_FDS)
		return lim->connections;
	return r.rlim_cur > RESERVE_FDS + 8 ? (unsigned)(r.rlim_cur - RESERVE_FDS) : 8;
}

/* lws tells of the start of a close only when a connection has user data of at least a byte. */
static const struct lws_protocols protocols[] = {
	{ "moon2m", net_ws_callback, 1, WS_RX_SIZE, 0, NULL, NET_TX_MAX + 1024 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};

/* Liveness is ours (net_frame.c): lws keeps its timers in a sorted list, one walk per ping. */
static const lws_retry_bo_t no_keepalive;

static struct lws_vhost *new_vhost(struct net *n, const char *name, uint64_t options)
{
	struct lws_context_creation_info info;

	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.options = options;
	info.vhost_name = name;
	info.protocols = protocols;
	info.retry_and_idle_policy = &no_keepalive;
	info.alpn = "http/1.1";
	info.user = n;
	if (n->trust && (options & LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT)) {
		info.client_ssl_ca_filepath = n->trust;
		info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
	}
	return lws_create_vhost(n->lws, &info);
}

/* A vhost has its authorities for life, and its open connections need it for theirs. */
void net_tls_vhost_renew(struct net *n)
{
	n->vhost_tls = NULL;
}

struct lws_vhost *net_tls_vhost(struct net *n)
{
	if (!n->vhost_tls)
		n->vhost_tls = new_vhost(n, "wss", LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT);
	return n->vhost_tls;
}

static bool start_lws(struct net *n, struct err *e)
{
	struct lws_context_creation_info info;
	void *loops[1] = { n->loop };

	lws_set_log_level(LLL_ERR, lws_says);
	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
		       LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.foreign_loops = loops;
	info.gid = info.uid = -1;
	info.max_http_header_data = 8192;
	info.alpn = "http/1.1";
	n->lws = lws_create_context(&info);
	if (!n->lws)
		return err_set(e, "cannot start libwebsockets with its libev plugin");
	n->vhost = new_vhost(n, "ws", 0);
	return n->vhost || err_set(e, "cannot start libwebsockets");
}

static void init_lists(struct net *n)
{
	link_init(&n->listeners);
	link_init(&n->https);
	link_init(&n->https_dirty);
	link_init(&n->orphans);
	link_init(&n->conns);
	link_init(&n->conns_dirty);
	link_init(&n->pools);
	link_init(&n->failed);
	link_init(&n->streams);
}

static void start_watchers(struct net *n)
{
	ev_prepare_init(&n->prepare, on_prepare);
	n->prepare.data = n;
	ev_prepare_start(n->loop, &n->prepare);
	ev_check_init(&n->check, on_check);
	ev_set_priority(&n->check, EV_MAXPRI); /* before any other callback of the turn */
	n->check.data = n;
	ev_check_start(n->loop, &n->check);
	ev_async_init(&n->wake, on_async);
	n->wake.data = n;
	ev_async_start(n->loop, &n->wake);
	ev_idle_init(&n->again, on_idle);
}

/* libev's memory: without it the loop would abort. */
static void *loop_memory(void *p, long n)
{
	if (n)
		return xrealloc(p, (size_t)n);
	free(p);
	return NULL;
}

struct net *net_new(const struct net_limits *lim, struct err *e)
{
	struct net *n = xcalloc(1, sizeof(*n));

	n->lim = *lim;
	n->reserve = -1;
	init_lists(n);
	n->max_conns = fit_descriptors(lim);
	ev_set_allocator(loop_memory);
	n->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!n->loop) {
		err_set(e, "cannot make an event loop: %s", strerror(errno));
		net_free(n);
		return NULL;
	}
	take_time(n);
	start_watchers(n);
	if (!start_lws(n, e)) {
		net_free(n);
		return NULL;
	}
	n->tx = xmalloc(LWS_PRE + NET_TX_MAX);
	n->rx = xmalloc(NET_READ_MAX);
	n->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (n->max_conns < lim->connections)
		log_warn("net", "the descriptor limit allows fewer connections max=%u wanted=%u",
			 n->max_conns, lim->connections);
	return n;
}

void net_free(struct net *n)
{
	if (!n)
		return;
	if (n->loop) {
		net_listen_free(n);
		net_http_free(n);
		net_ws_free(n);
		net_out_free(n);
		net_stream_free_all(n);
		if (n->lws)
			lws_context_destroy(n->lws);
		net_dns_free(n);
		net_tls_end(n);
		net_tls_serve_end(n);
		for (unsigned i = 0; i < n->nsignal; i++)
			ev_signal_stop(n->loop, &n->on_signal[i].watch);
		ev_prepare_stop(n->loop, &n->prepare);
		ev_check_stop(n->loop, &n->check);
		ev_async_stop(n->loop, &n->wake);
		ev_idle_stop(n->loop, &n->again);
		ev_loop_destroy(n->loop);
	}
	if (n->reserve >= 0)
		close(n->reserve);
	net_allow_free(n);
	free(n->peers);
	free(n->tx);
	free(n->rx);
	free(n);
}
