/*
 * net_lws.h - what the net_*.c files share and nobody else sees: the loop's object, intrusive
 * lists, and the entries by which net_loop.c drives its neighbours.
 */
#pragma once

#include "net.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <ev.h>
#include <libwebsockets.h>

/* ---- lists: a node linked to itself is in none ----------------------------------------------- */

struct link {
	struct link *prev, *next;
};

static inline void link_init(struct link *l)
{
	l->prev = l->next = l;
}

static inline bool link_alone(const struct link *l)
{
	return l->next == l;
}

static inline void link_drop(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	link_init(l);
}

static inline void link_add(struct link *list, struct link *l) /* at the end */
{
	l->prev = list->prev;
	l->next = list;
	list->prev->next = l;
	list->prev = l;
}

static inline void link_move(struct link *from, struct link *to) /* all; to was empty */
{
	link_init(to);
	if (link_alone(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	link_init(from);
}

/* ---- the loop -------------------------------------------------------------------------------- */

#define NET_HOOKS 8
#define NET_TX_MAX (256 * 1024) /* frames gathered for one write */
#define NET_READ_MAX (64 * 1024) /* bytes taken from a socket at once */

struct net_hook {
	void (*fn)(void *arg);
	void *arg;
};

struct net_signal {
	ev_signal watch;
	void (*fn)(void *arg, int signo);
	void *arg;
};

struct net {
	struct ev_loop *loop;
	struct lws_context *lws;
	struct lws_vhost *vhost; /* WebSocket, dialled; it has no listener */
	struct lws_vhost *vhost_tls; /* dialled with TLS; made when first needed */
	struct net_limits lim;
	unsigned max_conns; /* lim.connections, or what descriptors allow */
	struct net_counts counts;
	ev_prepare prepare;
	ev_async wake;
	ev_check check; /* takes the time when the loop wakes up */
	double now; /* s, monotonic: a jump of the wall clock ends nothing */
	ev_idle again; /* no sleep while a flush is unfinished */
	struct net_hook on_wake[NET_HOOKS], on_turn[NET_HOOKS], on_rest[NET_HOOKS];
	struct net_signal on_signal[NET_HOOKS];
	unsigned nwake, nturn, nrest, nsignal;
	int code;
	bool draining, stop;

	struct link listeners;
	struct net_rules *rules; /* net_allow.c; NULL: no bound on outgoing connections */
	int reserve; /* a descriptor to give up when none is left */
	struct peer **peers; /* hash of addresses */

	struct link https, https_dirty; /* struct hconn */
	struct link orphans; /* requests whose client left before the answer */

	struct link conns, conns_dirty; /* struct conn */
	uint64_t next_id;
	struct conn *filling; /* whose fill is running */
	size_t tx_len; /* bytes gathered after LWS_PRE in tx */
	unsigned char *tx;
	char *rx; /* NET_READ_MAX */

	struct resolver *resolver; /* net_dns.c, made when first needed */
	struct link pools; /* net_out.c */
	struct link failed; /* outgoing requests to be told of their failure */
	unsigned out_waiting;
	void *tls; /* net_tls.c */
	char *trust; /* file of the authorities of servers; NULL: the system's */
	struct tls_site *sites; /* net_tls_serve.c; the first is who is shown without a name */
	size_t nsites;
	net_psk psk; /* keys of PSK identities; NULL: none */
	struct link streams; /* net_stream.c */
};

double net_now(const struct net *n); /* s, monotonic, when this turn began */
struct lws_vhost *net_tls_vhost(struct net *n); /* loads the authorities: tens of milliseconds */
void net_tls_vhost_renew(struct net *n); /* the next one that is dialled makes another */

/* net_listen.c: addresses and admission */
struct peer { /* one client address */
	struct peer *next;
	char text[48];
	unsigned count; /* connections from it */
	bool loopback;
};
void net_peer_put(struct net *n, struct peer *p);
void net_listen_free(struct net *n);

/* net_http.c */
struct net_accepted {
	int fd;
	struct tls *tls; /* NULL: a bare connection */
	struct peer *peer;
	uint16_t port;
	bool http, ws;
	bool identified; /* not among counts.unidentified */
	struct net_handlers h;
};
void net_http_accept(struct net *n, const struct net_accepted *a);
void net_http_flush(struct net *n);
void net_http_drain(struct net *n);
void net_http_free(struct net *n);

/* net_ws.c */
struct http1_msg;
/* 0, or the HTTP status to refuse this upgrade with and its reason; protocol gets the choice. */
int net_ws_check(struct net *n, const struct net_accepted *a, const struct http1_msg *m,
		 struct ws_hello *hello, struct buf *text, char *protocol, size_t size,
		 const char **reason);
/* Takes the descriptor over; rest, which is written to, is what the client sent after its
 * handshake. */
void net_ws_adopt(struct net *n, const struct net_accepted *a, const struct http1_msg *m,
		  const struct ws_hello *hello, const char *protocol, struct buf *rest);
int net_ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len);
void net_ws_flush(struct net *n);
void net_ws_free(struct net *n);
/* What a connection tells, whoever carries it: it is open, a message, a pong. */
int net_ws_open(struct conn *c, const struct ws_hello *hello);
const char *net_conn_too_large(struct conn *c); /* counts it; the reason of its close, static */
void net_conn_deliver(struct conn *c, struct str data);
int net_conn_ponged(struct conn *c, struct str payload);

/* net_frame.c: a connection and what leaves through it */
struct conn {
	struct link all, dirty;
	struct net *net;
	struct lws *wsi; /* carries a dialled one; NULL while its name is resolved */
	struct served *served; /* carries an accepted one */
	const struct ws_cb *cb;
	void *arg, *user;
	uint64_t id;
	struct peer *peer; /* accepted ones */
	struct buf out; /* frames queued outside fill */
	struct buf rx; /* a fragmented message being put together */
	char *protocol, *reason;
	ev_timer timer; /* the earliest of ping, hang-up, stall, end of closing */
	double heard; /* when the peer was last heard */
	double stuck; /* since when a full socket stands still; 0: not full */
	double closing_since;
	uint64_t mark, passed; /* of conn_mark: newest given, newest whose ping was answered */
	uint64_t acked; /* bytes the peer's kernel had taken then */
	struct dial *dial; /* net_dial.c, until open */
	uint16_t code; /* what `closed` will be told */
	bool client, open, identified, binary;
	bool want; /* fill has something */
	bool big; /* a frame larger than NET_TX_MAX went to out */
	bool starting; /* inside lws's connect call */
	bool redial; /* an address failed, the next is due */
	bool paused; /* not read until its socket drains */
	bool shut; /* nothing may be written any more */
	bool unmarked; /* something was written since the newest mark */
	bool closing, close_asked, pinged, broken;
};
struct conn *net_conn_new(struct net *n, const struct ws_cb *cb, void *arg);
void net_conn_dirty(struct conn *c);
void net_conn_kill(struct conn *c, int code); /* no close frame; not from its own lws callback */
void net_conn_end(struct conn *c); /* tells `closed` if it was open, frees */
void net_conn_arm(struct conn *c);
void net_conn_timer(struct ev_loop *loop, ev_timer *w, int events);
int net_conn_writeable(struct conn *c); /* from lws; -1 closes; else: a full socket drained */
void net_conn_flush(struct conn *c);
void net_conn_stuck(struct conn *c); /* its socket is full: the peer is watched reading */
void net_conn_pause(struct conn *c); /* not read until its socket drains */

/* net_ws_serve.c: carries a connection that was accepted */
void net_serve_begin(struct conn *c, const struct net_accepted *a, struct str key,
		     const struct ws_hello *hello, struct buf *rest);
bool net_serve_write(struct conn *c, const unsigned char *p, size_t n); /* false: broken */
bool net_serve_full(const struct conn *c);
bool net_serve_close(struct conn *c, int code, struct str why); /* false: broken */
void net_serve_pause(struct conn *c, bool on);
int net_serve_fd(const struct conn *c);
const char *const *net_serve_names(const struct conn *c);
void net_serve_free(struct conn *c);

/* net_dns.c: names to addresses on threads of their own */
#define NET_ADDRS_MAX 4
struct net_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};
struct net_addrs {
	unsigned n;
	struct net_addr a[NET_ADDRS_MAX];
	char error[120]; /* when n is 0 */
};
struct dns_query;
/* fn is called once from the loop, never before this returns. */
struct dns_query *net_resolve(struct net *n, const char *host, uint16_t port,
			      void (*fn)(void *arg, const struct net_addrs *addrs), void *arg);
void net_resolve_cancel(struct dns_query *q);
void net_dns_free(struct net *n);

/* net_allow.c: whom this server may connect to */
struct net_url;
struct net_whom {
	const char *scheme, *host;
	uint16_t port;
	bool script; /* it is a script's wish, not a client's */
};
struct net_whom net_whom_of(const struct net_url *u, bool script);
bool net_allow_whom(struct net *n, const struct net_whom *w, struct err *e) MUSTCHECK;
bool net_allow_url(struct net *n, const struct net_url *u, bool script, struct err *e) MUSTCHECK;
/* Drops the addresses that may not be connected to; none is left: error says why. */
void net_allow_addresses(struct net *n, const struct net_whom *w, struct net_addrs *addrs);
void net_allow_free(struct net *n);
/* net_listen.c: whether a connection to there would come back here; b: the address in 16 bytes. */
bool net_is_own(const struct net *n, const struct sockaddr *sa, const unsigned char b[16],
		uint16_t port);

/* net_url.c */
struct net_url {
	bool tls, ws;
	char host[256]; /* without the brackets of an IPv6 address */
	bool v6;
	uint16_t port;
	const char *path; /* with the query, in the text given; "" when absent */
};
bool net_url_parse(const char *text, struct net_url *u, struct err *e) MUSTCHECK;
void net_url_host(const struct net_url *u, struct buf *out); /* for a Host header */

/* net_out.c, net_dial.c */
void net_out_flush(struct net *n);
void net_out_free(struct net *n);
void net_out_renew(struct net *n); /* closes resting connections with TLS */
void net_dial_cancel(struct conn *c);
bool net_dial_again(struct conn *c); /* another address is left: tried in the flush */
void net_dial_next(struct conn *c); /* ends the connection when none is left */
int net_dial_headers(struct conn *c, unsigned char **p, unsigned char *end);
void net_dial_failed(struct conn *c, const char *why);
void net_dial_open(struct conn *c, struct lws *wsi); /* the server said yes */

/* net_tls.c: TLS over a non-blocking descriptor */
struct tls;
enum tls_wants { TLS_OK, TLS_READ, TLS_WRITE, TLS_END, TLS_FAILED };
/* files: NULL, or those of this session. */
struct tls *net_tls_new(struct net *n, int fd, const char *host, const struct net_tls_files *files,
			struct err *e);
struct net_tls_files *
net_tls_files_copy(const struct net_tls_files *from); /* a copy; of NULL: NULL */
void net_tls_files_free(struct net_tls_files *files);
enum tls_wants net_tls_handshake(struct tls *t, struct err *e);
enum tls_wants net_tls_read(struct tls *t, char *p, size_t n, size_t *got);
/* Whether reading again may give something although the descriptor does not become readable. */
bool net_tls_more(const struct tls *t);
enum tls_wants net_tls_write(struct tls *t, const char *p, size_t n, size_t *put);
void net_tls_finish(struct tls *t); /* tells the peer that nothing more comes */
void net_tls_free(struct tls *t); /* with net_tls_finish */
void net_tls_end(struct net *n);
/* The same over TLS, or with t NULL over the bare descriptor. */
enum tls_wants net_sock_read(struct tls *t, int fd, char *p, size_t n, size_t *got);
enum tls_wants net_sock_write(struct tls *t, int fd, const char *p, size_t n, size_t *put);
/* NULL: the peer proved nothing; valid as long as t. */
const char *const *net_tls_names(const struct tls *t);

/* net_tls_serve.c: the server's side */
struct tls_site; /* certificates and rules, replaced as a whole */
struct tls *net_tls_accept(struct net *n, int fd); /* NULL: TLS is not set up, or no memory */
void net_tls_serve_end(struct net *n);
/* A SSL_CTX for sessions with this host that somebody else makes, verified like ours.  NULL: e. */
void *net_tls_for(struct net *n, const char *host, const struct net_tls_files *files,
		  struct err *e);
/* Reads its certificate and key anew, for the sessions to come. */
bool net_tls_own(void *ctx, const struct net_tls_files *files, struct err *e) MUSTCHECK;
void net_tls_done(void *ctx);
/* Why the peer's certificate was refused; NULL: it was not. */
const char *net_tls_verdict(void *ssl);

/* net_stream.c */
void net_stream_free_all(struct net *n);
