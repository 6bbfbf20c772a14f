/*
 * net_raw_int.h - what the files behind net_raw.h share and nobody else sees.
 */
#pragma once

#include "net_lws.h"
#include "net_raw.h"

void raw_opts_copy(struct raw_opts *to, const struct raw_opts *from);
void raw_opts_drop(struct raw_opts *o);
void raw_count(struct metric *m, double n); /* m may be NULL */

bool raw_address(const char *host, int port, struct net_addr *a, struct err *e) MUSTCHECK;
bool raw_parse(struct str text, struct net_addr *a, struct err *e) MUSTCHECK;
void raw_print(const struct net_addr *a, char *out, size_t size); /* "10.0.0.7:900" */
int raw_bound_port(int fd);

/* A stream over a descriptor that is connected (or a terminal); takes fd over. */
struct net_stream *stream_new(struct net *n, int fd, bool terminal, const struct raw_opts *o);
/* One that has no descriptor yet (net_tcp.c): it becomes open with a descriptor and, for TLS, a
 * session, or closed for a reason. */
struct net_stream *stream_wait(struct net *n, const struct raw_opts *o, void (*cancel)(void *arg),
			       void *arg);
void stream_ready(struct net_stream *s, int fd, struct tls *tls);
void stream_fail(struct net_stream *s, const char *why);
/* Called when a stream ends, before it is freed. */
void stream_on_end(struct net_stream *s, void (*fn)(void *arg), void *arg);
