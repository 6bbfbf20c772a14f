/*
 * primitive.h - a request in flight: from the binding that read it, through Lua's dispatch, to the
 * answer.  Content (`pc`, fields that are objects) stays the bytes that were received, as JSON text.
 * Expiry: rqet or the default time; then 4008 is answered and a late answer is dropped.
 */
#pragma once

#include "arena.h"
#include "err.h"

enum primitive_op { OP_CREATE = 1, OP_RETRIEVE, OP_UPDATE, OP_DELETE, OP_NOTIFY };
enum primitive_via { VIA_HTTP, VIA_WS, VIA_SCRIPT };

struct primitive {
	struct arena *arena;		/* owns what follows */
	enum primitive_via via;
	int op;				/* 1..5 */
	int ty;				/* 0: none */
	struct str to, fr, rqi, rvi;	/* p NULL: absent */
	struct str pc;			/* JSON text, checked */
	struct str query;		/* HTTP: raw query string; Lua's query.lua reads it */
	struct str fields;		/* WebSocket: JSON text of the whole primitive, for the rare parameters */
	struct str rqet, rset, oet, ot, ec, gid, vsi, rtu;	/* HTTP headers, raw */
	struct str peer;		/* address, for access contexts */
	struct str host;		/* HTTP Host / the URL base to advertise */
	struct str known;		/* WebSocket: the connection's only AE-ID, else empty */
	uint64_t id;
};

/* The answer as Lua gives it; strings borrowed during the call. */
struct answer {
	int rsc;
	struct str pc;			/* JSON text or p NULL */
	struct str ot, rset, ec, vsi, cnst, cnot;	/* optional parameters, p NULL: absent */
	struct str location;		/* HTTP Content-Location */
	struct str service;		/* notification service URL: HTTP Link header */
	struct str bind;		/* AE-ID to bind to the connection it came over */
};
typedef void (*primitive_reply)(void *arg, const struct primitive *p, const struct answer *a);

struct primitive *primitive_new(enum primitive_via via);
/* Takes p over; reply is called exactly once, at once or later, and p is freed after it. */
void primitive_submit(struct primitive *p, primitive_reply reply, void *arg);

/* From Lua: answers primitive `id`; false when it is gone (expired, answered). */
bool primitive_answer(uint64_t id, const struct answer *a);
size_t primitive_count(void);		/* in flight */
