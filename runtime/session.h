/*
 * session.h - which connection speaks for which AE: a connection has a set of AE-IDs (several AEs
 * of one node share it), an AE-ID has at most one live connection.  A newer connection takes an
 * AE-ID over; an older one that is left without any is closed with 1000.
 */
#pragma once

#include "net.h"

struct session; /* per connection: its AE-IDs, its serialisation, what it asked for */

enum session_serial { SESSION_JSON, SESSION_CBOR, SESSION_RAW }; /* by subprotocol */

struct session *session_open(struct conn *c, enum session_serial serial);
void session_close(struct session *s); /* the connection is gone: unbinds, tells the observer */
/* False: nothing changed, as it was bound to s already, s was taken over, or s has 1,024 AE-IDs. */
bool session_bind(struct session *s, struct str aei);
void session_unbind(struct str aei); /* the AE is deregistered; the socket stays open */
bool session_has(const struct session *s, struct str aei);
struct str session_only(const struct session *s); /* its AE-ID when it has exactly one */
struct session *session_of(struct str aei); /* NULL: not connected */
struct conn *session_conn(const struct session *s);
enum session_serial session_serial(const struct session *s);
void session_set_user(struct session *s, void *user); /* the observer's */
void *session_user(const struct session *s); /* NULL when none was set */
size_t session_count(void); /* connections with at least one AE-ID */

/* Told when an AE-ID gets or loses its connection (s NULL); notify sets it. */
void session_observe(void (*fn)(void *arg, struct str aei, struct session *s), void *arg);
