/*
 * net_out.h - outgoing HTTP, shared by net_out.c (requests and pools) and net_link.c (one
 * connection to a server) alone.
 */
#pragma once

#include "net_lws.h"

#include "http1.h"

struct pool { /* the connections to one scheme, host and port */
	struct link link;
	struct net *net;
	struct net_url u;
	bool script; /* its requests are those of scripts */ /* its path is not used */
	struct link jobs; /* waiting for a connection */
	struct link outs;
	unsigned nouts, starting, njobs;
};

struct job { /* one http_send */
	struct link link; /* in pool->jobs or net->failed, else alone */
	struct net *net;
	struct pool *pool;
	struct out *on; /* the connection it was sent on */
	struct buf text; /* the whole request */
	ev_timer timer;
	http_done done;
	void *arg;
	struct err err;
	double timeout;
	bool head_only, tried, sent;
};

enum out_state { OUT_RESOLVING, OUT_CONNECTING, OUT_TLS, OUT_IDLE, OUT_BUSY };

struct out { /* one connection */
	struct link link;
	struct pool *pool;
	enum out_state state;
	int fd;
	ev_io io;
	ev_timer timer; /* limits starting and resting */
	struct dns_query *query;
	struct net_addrs addrs;
	unsigned next; /* address to try */
	struct tls *tls;
	struct http1 *parser;
	struct job *job;
	size_t sent;
	bool used, got; /* answered before; bytes of the present answer came */
};

/* net_link.c tells net_out.c; all come from the loop */
void out_ready(struct out *o); /* may take a job */
void out_failed(struct out *o, const struct err *why); /* could not be opened; frees it */
void out_answered(struct out *o, struct http1_msg *m); /* takes m over */
void out_broken(struct out *o, const char *why); /* lost; frees it */

void out_start(struct pool *p);
void out_send(struct out *o, struct job *j);
void out_rest(struct out *o); /* waits for the next request */
void out_free(struct out *o);
