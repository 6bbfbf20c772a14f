/*
 * primitive.h - a request in flight: from the binding that read it, through Lua's dispatch, to the
 * answer.  Content (`pc`, fields that are objects) stays the bytes that were received, as JSON
 * text.  Expiry: rqet or the default time; then 4008 is answered and a late answer is dropped.
 */
#pragma once

#include "arena.h"
#include "err.h"

struct net;

enum primitive_op { OP_CREATE = 1, OP_RETRIEVE, OP_UPDATE, OP_DELETE, OP_NOTIFY };
enum primitive_via { VIA_HTTP, VIA_WS, VIA_SCRIPT };

/* The status codes that C itself answers with (TS-0004 6.6.3); all others are Lua's. */
enum primitive_rsc {
	RSC_BAD_REQUEST = 4000,
	RSC_OPERATION_NOT_ALLOWED = 4005,
	RSC_REQUEST_TIMEOUT = 4008,
	RSC_UNSUPPORTED_MEDIA_TYPE = 4015,
	RSC_ORIGINATOR_NOT_AUTHENTICATED = 4106,
	RSC_SECURITY_ASSOCIATION_REQUIRED = 4107,
	RSC_INTERNAL_SERVER_ERROR = 5000,
	RSC_NOT_ACCEPTABLE = 5207
};

struct primitive {
	struct arena *arena; /* owns what follows */
	enum primitive_via via;
	int op; /* 1..5 */
	int ty; /* 0: none */
	struct str to, fr, rqi, rvi; /* p NULL: absent */
	struct str pc; /* JSON text, checked */
	struct str query; /* HTTP: raw query string; Lua's query.lua reads it */
	struct str
	    fields; /* WebSocket: JSON text of the whole primitive, for the rare parameters */
	struct str rqet, rset, oet, ot, ec, gid,
	    vsi; /* raw text of header or member; p NULL: absent */
	struct str rtu; /* HTTP header X-M2M-RTU, raw; empty and absent differ (TS-0009 6.4) */
	struct str peer; /* address, for access contexts */
	struct str host; /* HTTP Host / the URL base to advertise */
	struct str known; /* WebSocket: the connection's only AE-ID, else empty */
	struct str credential; /* name of what authenticated the originator, p NULL: none did */
	bool authenticated; /* by a credential, or by the connection's own token */
	struct str format; /* WebSocket: the notification format its subprotocol names, or empty */
	uint64_t id; /* below 2^53, given by primitive_submit */
};

/* The answer as Lua gives it; strings borrowed during the call. */
struct answer {
	int rsc;
	struct str pc; /* JSON text or p NULL */
	struct str ot, rset, ec, vsi, cnst, cnot; /* optional parameters, p NULL: absent */
	struct str location; /* HTTP Content-Location */
	struct str service; /* notification service URL: HTTP Link header */
	struct str bind; /* AE-ID to bind to the connection it came over */
	bool silent; /* response type noResponse (TS-0004 7.3.2.2): nothing is sent */
};
typedef void (*primitive_reply)(void *arg, const struct primitive *p, const struct answer *a);

/* Before the first primitive; the net gives the timer.  seconds: how long an answer may take when
 * rqet is absent; 0: 30.  May be called again to change it. */
void primitive_open(struct net *n, double seconds);
/* Requests in flight at most; more are refused: limits.requests of the configuration, 16384. */
extern unsigned primitive_limit;
bool primitive_full(void); /* counts a refusal when it is */
void primitive_close(void); /* answers what is in flight with 5000; before net_free */

struct primitive *primitive_new(enum primitive_via via);
void primitive_free(struct primitive *p); /* one that was not submitted */

/* Takes p over; reply is called exactly once, at once or later, and p is freed after it. */
void primitive_submit(struct primitive *p, primitive_reply reply, void *arg);

/* Answers p, which no handler has seen, with code e->code and e->msg as its debug text (TS-0004
 * 7.5.2 m2m:dbg); takes p over as primitive_submit does. */
void primitive_refuse(struct primitive *p, const struct err *e, primitive_reply reply, void *arg);

/* From Lua: answers primitive `id`; false when it is gone (expired, answered). */
bool primitive_answer(uint64_t id, const struct answer *a);
size_t primitive_count(void); /* in flight */
