/*
 * bind_identity.h - what both bindings do with an identity: whether a request may name its
 * originator (TS-0004 7.3.2.1), and how a refusal is said.
 */
#pragma once

#include "identity.h"
#include "net.h"
#include "primitive.h"
#include "session.h"

/* open_cse: without credentials, an originator that is a CSE, or is behind one, is believed (as
 * before any setup), else refused with 4107.  origins: there is a list of browser origins, which
 * net judges. */
void bind_identity_setup(bool open_cse, bool origins);

/* The credential's name and the mark of authentication go to p.  s: the session of a connection
 * that came with its notification service's token, else NULL.  False: 4106 or 4107 in e. */
bool bind_identity_admit(const struct identity *i, const struct session *s, struct primitive *p,
			 struct err *e) MUSTCHECK;

/* The HTTP status of a verdict that refuses, its text and code in e. */
int bind_identity_refusal(enum identity_verdict v, struct err *e);

/* ---- handshakes ------------------------------------------------------------------------------ */

/* 0, or the HTTP status to refuse with: by the browser's origin, the token or the credential. */
int bind_identity_handshake(struct ws_hello *h);
struct identity_claim bind_identity_claim(const struct ws_hello *h);
/* The credential of the first of a TLS connection's names that has one; NULL: none. */
const struct identity *bind_identity_tls(const char *const *names);
/* Whether the target is a notification service; *token is what stands behind it, perhaps empty. */
bool bind_identity_service(struct str target, struct str *token);
/* "C" and "S" ask for an AE-ID to be assigned (TS-0001 10.2.2.2): they name nobody yet. */
bool bind_identity_names(struct str origin);
/* The token in a list of subprotocols ("oneM2M.json, bearer.TOKEN"): what a browser can send. */
struct str bind_identity_token(struct str protocols);
