/*
 * net_raw.h - bytes that are no oneM2M binding, for the gateways of scripts: datagrams, streams
 * (TCP both ways, TLS as a client, serial lines) and an MQTT client.  Whoever uses one pulls: `changed`
 * says that there is something new, once after a call that had nothing to give or no room to take.
 *
 * Bounded everywhere: what waits to be taken and what waits to leave.  A full stream is not read
 * until there is room, so its peer waits; a full datagram queue drops what comes next, counted.
 * `changed` is called from the loop, last in its turn of work: the object may be closed in it.
 */
#pragma once

#include "metrics.h"
#include "net.h"

struct raw_opts {
	size_t queue; /* datagrams, messages or connections that may wait */
	size_t bytes; /* bytes that may wait, each way */
	const char *name; /* for the log: "plant udp 5700"; copied */
	struct metric *received, *sent, *dropped; /* counted in; may be NULL */
	void (*changed)(void *arg);
	void *arg;
};

enum raw_state { RAW_OPENING, RAW_OPEN, RAW_CLOSED };

/* ---- datagrams ------------------------------------------------------------------------------- */

#define UDP_MAX 65507u /* bytes of a datagram */

struct net_udp;
/* host: a numeric address, "*" for any of IPv4; port 0: any free one.  NULL: reason in e. */
struct net_udp *net_udp_open(struct net *n, const char *host, int port, const struct raw_opts *o,
			     struct err *e) MUSTCHECK;
int net_udp_port(const struct net_udp *u);
/* The oldest that waits and its sender ("10.0.0.7:900", "[::1]:900"), borrowed until the next call
 * on u.  False: none; changed will be called when one comes. */
bool net_udp_take(struct net_udp *u, struct str *data, struct str *from);
/* to: as `from` above, numeric.  Never waits: a full socket is an error. */
bool net_udp_send(struct net_udp *u, struct str to, struct str data, struct err *e) MUSTCHECK;
void net_udp_close(struct net_udp *u); /* u may be NULL */

/* ---- streams --------------------------------------------------------------------------------- */

struct net_stream;
enum stream_read { READ_SOME, READ_BYTES, READ_LINE, READ_ALL };

struct serial_opts {
	int baud; /* 50 ... 4000000 */
	int bits, stop; /* 5 ... 8; 1 or 2 */
	char parity; /* 'n', 'e' or 'o' */
	bool rtscts;
};

/* Begins to connect; tls: NULL, or verified for the host.  Never fails at once: the state does,
 * also when a file cannot be read. */
struct net_stream *net_dial(struct net *n, const char *host, int port,
			    const struct net_tls_files *tls, double timeout,
			    const struct raw_opts *o);
/* Opens a terminal device, raw and for itself alone.  NULL: reason in e. */
struct net_stream *net_serial_open(struct net *n, const char *device, const struct serial_opts *s,
				   const struct raw_opts *o, struct err *e) MUSTCHECK;
/* why (may be NULL): of RAW_CLOSED, borrowed.  A closed stream may still hold bytes to read. */
enum raw_state net_stream_state(const struct net_stream *s, const char **why);
/* n: bytes wanted, for READ_BYTES, from 1 to the `bytes` of the options.  READ_LINE: without its
 * end (LF or CR LF).  READ_ALL: when the peer has closed.  The data is borrowed until the next call
 * on s.  False: not there yet, or (in a closed stream) never; a last piece without its end is handed
 * out for READ_SOME and READ_ALL alone.  What does not fit `bytes` closes the stream. */
bool net_stream_read(struct net_stream *s, enum stream_read how, size_t n, struct str *data);
/* Takes all of data, however much waits; false: closed, or not open yet. */
bool net_stream_write(struct net_stream *s, struct str data);
/* Bytes not yet handed to the kernel.  More than the options' `bytes`: changed will be called when
 * half of it has left. */
size_t net_stream_waiting(struct net_stream *s);
void net_stream_close(struct net_stream *s); /* what was written leaves first if it can at once */

struct net_gate; /* a listening TCP socket */
/* max: connections at the same time, more are closed at once and counted as dropped.  The options
 * are also those of its connections, but for changed and arg. */
struct net_gate *net_gate_open(struct net *n, const char *host, int port, unsigned max,
			       const struct raw_opts *o, struct err *e) MUSTCHECK;
int net_gate_port(const struct net_gate *g);
void net_gate_limit(struct net_gate *g, unsigned max); /* from now on */
/* A connection that came, with its peer ("10.0.0.7:900", borrowed until the next call); NULL: none. */
struct net_stream *net_gate_take(struct net_gate *g, void (*changed)(void *arg), void *arg,
				 struct str *peer);
void net_gate_close(struct net_gate *g); /* its connections stay */

/* ---- MQTT (3.1.1) ---------------------------------------------------------------------------- */

struct net_mqtt;
struct mqtt_opts {
	const char *host, *id, *user, *password; /* id NULL: a random one */
	int port, keepalive; /* s, at least 5 */
	const struct net_tls_files
	    *tls; /* NULL: without; its certificate is read for each connection */
	bool clean;
	const char *will_topic; /* NULL: none */
	struct str will;
	int will_qos;
	bool will_retain;
};
struct mqtt_message {
	struct str topic, payload;
	int qos;
	bool retain, dup;
};

/* Begins to connect; later losses are for the owner to see and to reopen.  NULL: reason in e. */
struct net_mqtt *net_mqtt_open(struct net *n, const struct mqtt_opts *m, const struct raw_opts *o,
			       struct err *e) MUSTCHECK;
/* After RAW_CLOSED: connects again, with what was in flight. */
void net_mqtt_reopen(struct net_mqtt *m);
enum raw_state net_mqtt_state(const struct net_mqtt *m, const char **why);
bool net_mqtt_take(struct net_mqtt *m, struct mqtt_message *out); /* as net_udp_take */
/* Of qos 1 and 2 also without a connection: it leaves with the next.  False: e says why. */
bool net_mqtt_publish(struct net_mqtt *m, const struct mqtt_message *msg, struct err *e) MUSTCHECK;
/* Fewer than `queue` messages and `bytes` are published and not yet handed over (qos 0) or
 * acknowledged (1, 2).  False: changed will be called when there is room again. */
bool net_mqtt_room(struct net_mqtt *m);
bool net_mqtt_subscribe(struct net_mqtt *m, const char *topic, int qos, struct err *e) MUSTCHECK;
bool net_mqtt_unsubscribe(struct net_mqtt *m, const char *topic, struct err *e) MUSTCHECK;
void net_mqtt_close(struct net_mqtt *m); /* m may be NULL; says good-bye */
