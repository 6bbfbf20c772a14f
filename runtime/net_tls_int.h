/*
 * net_tls_int.h - a TLS session, shared by net_tls.c (its bytes) and net_tls_serve.c (what a server
 * shows and asks) alone.
 */
#pragma once

#include "net_lws.h"

#include <openssl/ssl.h>

#define TLS_NAMES_MAX 16

struct tls {
	SSL *ssl;
	/* Whom the peer proved to be, NULL-terminated, made by the handshake of a server. */
	const char *names[TLS_NAMES_MAX + 1];
	bool server;
	bool more; /* bytes of the next record are here, which the descriptor does not tell of */
};

/* Fills t->names from the session, once the handshake is done. */
void net_tls_read_names(struct tls *t);
/* Why OpenSSL failed: the oldest error of its queue, which is emptied; "unknown reason" without. */
const char *net_tls_why(void);
