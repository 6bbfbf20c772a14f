/*
 * net.h - what the rest of the runtime sees of the network: a loop, timers, signals, an HTTP server,
 * WebSocket connections, outgoing requests.  libwebsockets and libev stay behind it.
 *
 * One thread runs the loop; every function here is for that thread, except net_wake.  Callbacks
 * never nest: closing or sending inside a callback takes effect, but `closed` is called later, from
 * the loop.  A struct conn stays valid until its `closed` callback has returned.
 */
#pragma once

#include "buf.h"
#include "err.h"

/* ---- loop ------------------------------------------------------------------------------------ */

struct net_limits { /* hardening: each is named when it is hit, and counted */
	unsigned connections; /* total, server side; default 8192 */
	unsigned per_address; /* default 256 (loopback is not limited) */
	unsigned unidentified; /* connections that have not said who they are; default 512 */
	size_t request_line, headers; /* bytes; 4 KiB, 16 KiB */
	unsigned header_count; /* 100 */
	size_t body; /* HTTP body and WebSocket message, bytes; 1 MiB */
	unsigned pipeline; /* requests waiting per connection; 32, then reading stops */
	double header_time, body_time, idle_time; /* s; 10, 30, 30 */
	double handshake_time; /* s for TLS; 10 */
	double body_rate; /* bytes/s, more than 0, after body_time started; 1024 */
	double ping, hangup; /* s; 30, 40; ping 0: never */
	double read_stall; /* s a peer may leave frames unread; 60, then 1008 */
	/* Origin allow-list, NULL-terminated, "*": any; NULL: `accept` of struct ws_cb decides. */
	const char *const *origins;
};
extern const struct net_limits NET_LIMITS; /* the defaults above */

struct net;
struct net *net_new(const struct net_limits *lim, struct err *e); /* NULL: reason in e */
void net_free(struct net *n);
int net_run(struct net *n); /* until net_stop; its code */
void net_stop(struct net *n, int code);
void net_wake(struct net *n); /* any thread: on_wake runs soon on the loop, coalesced */
void net_on_wake(struct net *n, void (*fn)(void *arg), void *arg); /* several may be set */
void net_on_turn(struct net *n, void (*fn)(void *arg), void *arg); /* before the loop sleeps */
/* After the on_turn hooks, and again when what they asked for has been written: what a turn gathers
 * leaves now. */
void net_on_rest(struct net *n, void (*fn)(void *arg), void *arg);
void net_on_signal(struct net *n, int signo, void (*fn)(void *arg, int signo), void *arg);

struct net_timer; /* one-shot; restart to repeat */
struct net_timer *net_timer_new(struct net *n, void (*fn)(void *arg), void *arg);
void net_timer_start(struct net_timer *t, double seconds); /* from now; restarts */
void net_timer_stop(struct net_timer *t);
void net_timer_free(struct net_timer *t);

struct net_counts {
	unsigned http, ws, ws_out, http_out, unidentified;
	uint64_t accepted;
	uint64_t bytes_in, bytes_out, frames_in, frames_out,
	    writes; /* WebSocket frames, kernel writes */
};
const struct net_counts *net_counts(const struct net *n);

/* ---- HTTP server ----------------------------------------------------------------------------- */

struct http_header {
	struct str name, value;
};

/* One request, complete with its body.  Everything in it is valid until http_reply. */
struct http_req {
	struct str method, target; /* target in origin-form ("/a?b"), absolute-form reduced to it */
	const struct http_header *headers;
	size_t nheaders;
	struct str body;
	struct str peer; /* "127.0.0.1" */
	uint16_t local_port;
	bool tls;
	const char *const *tls_names; /* see TLS below; gone with the client: NULL then */
	bool gone; /* the client left; a reply is still due, and is dropped */
	void *user; /* the owner's */
};
struct str http_header(const struct http_req *r,
		       const char *name); /* STR_NONE; p != NULL when present but empty */

struct http_server_cb {
	/* The answer may come at once or later, exactly one per request; answers leave in request order. */
	void (*request)(void *arg, struct http_req *r);
};

/* status line and headers are written by net_http (Content-Length, Connection, Date); `head` is
 * further header lines, each ended by CRLF; body may be empty.  A HEAD request gets no body but its
 * length.  Both are copied. */
void http_reply(struct http_req *r, int status, struct str head, struct str body);

/* ---- WebSocket ------------------------------------------------------------------------------- */

struct conn; /* one WebSocket connection, accepted or dialled */

struct ws_hello { /* the handshake, valid during `open` */
	struct str target; /* "/notify/TOKEN" */
	struct str origin_id; /* X-M2M-Origin or empty */
	struct str protocols; /* Sec-WebSocket-Protocol as offered, comma list, or empty */
	struct str authorization, browser_origin, host, peer;
	uint16_t local_port;
	bool tls;
	const char *const *tls_names; /* see TLS below */
	unsigned retry_after; /* s; set by accept where it refuses with 429 */
	const char *refusal; /* set by accept where it refuses and says why; else NULL */
};

struct ws_cb {
	/* Decides on a handshake before it is answered: 0 and *protocol (one of the offered names, as
	 * offered, or NULL when none was offered), or the HTTP status to refuse with. */
	int (*accept)(void *arg, struct ws_hello *h, char *protocol, size_t size);
	void (*open)(void *arg, struct conn *c, const struct ws_hello *h, struct str protocol);
	void (*message)(void *arg, struct conn *c, struct str data, bool binary);
	/* Room to write: append frames with conn_frame until it returns false or nothing waits.
	 * Called at the end of the turn after conn_want_write, and again when a full socket drained. */
	void (*fill)(void *arg, struct conn *c);
	void (*closed)(void *arg, struct conn *c, int code); /* last callback of this connection */
};

/* A frame (FIN, unmasked for a server) of these pieces, joined.  Outside `fill` it queues in the
 * connection (for responses); inside, it goes to the shared write buffer and false says that this
 * frame did not fit: ask again when fill is called next.  Several frames leave in one write. */
bool conn_frame(struct conn *c, bool binary, const struct str *piece, size_t n);
void conn_want_write(struct conn *c); /* fill will be called at the end of the turn */
bool conn_writable(const struct conn *c); /* no write of this connection is stuck in the kernel */
size_t conn_queued(const struct conn *c); /* bytes accepted and not yet handed to the kernel */
/* A sign of life from behind what was written: a ping follows it, and conn_passed is at least the
 * returned number when the peer has answered that, so has read what was in front.  For a connection
 * that is writable with nothing queued.  0: pings are off, there will be none. */
uint64_t conn_mark(struct conn *c);
uint64_t conn_passed(const struct conn *c);
void conn_close(struct conn *c, int code,
		const char *reason); /* after what is queued; RFC 6455 codes */
/* Leaves the limit on unidentified connections.  An HTTP connection leaves it with its first whole
 * request, unless that is answered with 400, 401, 403 or 429. */
void conn_identified(struct conn *c);
void conn_set_user(struct conn *c, void *user);
void *conn_user(const struct conn *c);
struct str conn_protocol(const struct conn *c); /* as negotiated, "" if none */
struct str conn_peer(const struct conn *c);
const char *const *conn_tls_names(const struct conn *c); /* see TLS below */
uint64_t conn_id(const struct conn *c);

/* ---- listening ------------------------------------------------------------------------------- */

struct net_listen {
	const char *host; /* address, e.g. "127.0.0.1", "::1", "0.0.0.0" */
	int port; /* 0: any free one; see net_port */
	bool http, ws; /* both: one port, WebSocket by hand-over */
	bool tls; /* after net_tls_serve */
};
struct net_handlers {
	const struct http_server_cb *http;
	const struct ws_cb *ws;
	void *arg;
};
/* Returns the port listened on, or -1. */
int net_listen(struct net *n, const struct net_listen *l, const struct net_handlers *h,
	       struct err *e) MUSTCHECK;
void net_unlisten(struct net *n); /* accept nothing more; connections stay */
void net_drain(struct net *n); /* HTTP keep-alive off; idle HTTP connections close */
void net_close_all(struct net *n, int ws_code); /* close frames to all WebSockets */

/* ---- TLS ------------------------------------------------------------------------------------- */

/* Whom the other end of an accepted connection proved to be is a NULL-terminated list of
 * "uri:URI" and "dns:NAME" (the subjectAltNames of a certificate from `ca`) or one "psk:IDENTITY";
 * printable ASCII without blanks; NULL when it proved nothing. */

struct net_tls_site {
	const char
	    *name; /* "cse.example", "*.example": one label; NULL: without or for other names */
	const char *cert, *key; /* PEM files: the chain, its first certificate's key */
};

enum net_tls_client { NET_TLS_NO, NET_TLS_OPTIONAL, NET_TLS_REQUIRED };

struct net_tls_opts {
	const char *profile; /* "intermediate", "modern", "onem2m" */
	const char *ca; /* PEM file: authorities of client certificates; NULL with NET_TLS_NO */
	enum net_tls_client client; /* REQUIRED: a certificate or a pre-shared key */
	const struct net_tls_site *site; /* the first has no name */
	size_t nsites;
	const char *crl; /* PEM file: lists of what the authorities have revoked; NULL: not asked */
};
/* Sets up TLS for what is accepted from now on, or replaces all of it; false: as it was before. */
bool net_tls_serve(struct net *n, const struct net_tls_opts *o, struct err *e) MUSTCHECK;
/* Finds the key of an identity: *len is the room at key, then its length (16 to 64 bytes). */
typedef bool (*net_psk)(const char *identity, unsigned char *key, size_t *len);
void net_tls_psk(struct net *n, net_psk find); /* before net_tls_serve; without it: no PSK */

/* The authorities that servers we connect to are verified by, for connections made from now on; a
 * PEM file, NULL: the system's.  Resting HTTP connections are not used again. */
bool net_tls_trust(struct net *n, const char *file, struct err *e) MUSTCHECK;

/* ---- outgoing -------------------------------------------------------------------------------- */

/* PEM files of a TLS client; ca NULL: who is trusted by all outgoing TLS; cert (a chain) and key:
 * both, or NULL: no certificate is shown. */
struct net_tls_files {
	const char *ca, *cert, *key;
};

/* Whom this server may connect to.  Until it is called there is no bound. */
struct net_outgoing {
	const char *const *allow; /* rules as in outgoing.allow of the configuration; none: any */
	size_t nallow;
	bool loopback, link_local; /* also what no rule of `allow` names by its address */
	bool scripts; /* the same for what scripts connect to; else they are free */
	const char *own; /* URL that clients are told, or NULL: nothing is sent there */
};
/* False, with all as it was: a rule is malformed.  Counts from now on, not for open connections. */
bool net_outgoing(struct net *n, const struct net_outgoing *o, struct err *e) MUSTCHECK;
/* Whether an http, https, ws or wss URL of a client may be connected to, as far as it can be said
 * without asking for its addresses; those are judged when it is. */
bool net_allowed(struct net *n, const char *url, struct err *e) MUSTCHECK;

/* POST or any method to http(s)://host[:port]/path.  Names are resolved on a thread of their own;
 * keep-alive connections are pooled per scheme, host and port (at most 16 each, one request at a
 * time on each, the rest waits in order).  done is called once; status 0: no answer, reason in e. */
struct http_answer {
	int status;
	bool sent; /* status 0: bytes of the request may have left */
	struct str head; /* raw header lines */
	struct str body;
};
typedef void (*http_done)(void *arg, const struct http_answer *a, const struct err *e);
/* script: asked by a script, not for a client (struct net_outgoing). */
void http_send(struct net *n, bool script, const char *method, const char *url, struct str head,
	       struct str body, double timeout, http_done done, void *arg);

/* Dials ws(s)://.  The connection then behaves like an accepted one with these callbacks (`accept`
 * is not used); a failure to connect is `closed` with code 1006 without `open`. */
struct conn *ws_dial(struct net *n, const char *url, const char *protocol, struct str head,
		     const struct ws_cb *cb, void *arg, struct err *e);
