/*
 * bind_media.h - media types of the HTTP binding (TS-0004 6.7, TS-0009 6.4.2 and 6.4.3): reads
 * Content-Type with its resource type, chooses an answer's type by Accept.  Pure functions.
 */
#pragma once

#include "err.h"

struct media {
	bool cbor; /* else JSON */
	int ty; /* parameter ty (Create), 0 when absent */
};

/*
 * Reads a Content-Type.  Known are application/json, application/cbor and
 * application/vnd.onem2m-{res,ntfy,preq,prsp}+{json,cbor}; case and parameters other than ty do not
 * matter.  False: e->code 4015 for another type, 4000 for a ty that is no number from 1 to 65535.
 */
bool media_content_type(struct str header, struct media *m, struct err *e) MUSTCHECK;

/*
 * The type to answer with under this Accept header (p NULL: absent), or NULL when none of ours is
 * acceptable.  What the client prefers by q wins; among equals JSON, or CBOR when the request was.
 */
const char *media_accept(struct str accept, bool cbor);

bool media_is_cbor(const char *type); /* of a type that media_accept returned */
