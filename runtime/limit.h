/*
 * limit.h - counts how often a bound was hit: moon2m_limit_total{limit="..."}.  The name is that of
 * the configuration's key where there is one (limits.NAME, outgoing.NAME).  Whoever hits a bound
 * names it in its answer or close reason too.  Any thread.
 */
#pragma once

#include "base.h"

enum limit {
	LIMIT_REQUEST_LINE, /* 414 */
	LIMIT_HEADERS, /* 431 */
	LIMIT_HEADER_COUNT, /* 431 */
	LIMIT_BODY, /* 413, 1009 */
	LIMIT_JSON_DEPTH, /* 4000 */
	LIMIT_JSON_MEMBERS, /* 4000 */
	LIMIT_CONNECTIONS, /* refused before a byte is read */
	LIMIT_PER_ADDRESS,
	LIMIT_UNIDENTIFIED,
	LIMIT_DESCRIPTORS,
	LIMIT_PIPELINE, /* not read any further */
	LIMIT_REQUESTS, /* 503 */
	LIMIT_HEADER_TIME, /* 408 */
	LIMIT_BODY_TIME, /* 408 */
	LIMIT_HANDSHAKE_TIME, /* closed */
	LIMIT_IDLE_TIME, /* closed */
	LIMIT_HANGUP, /* 1001 */
	LIMIT_READ_STALL, /* 1008, or closed */
	LIMIT_IN_FLIGHT, /* of one WebSocket: 5000, 1008 */
	LIMIT_OUTGOING, /* an address, host, port or scheme that is not allowed */
	LIMIT_OUTGOING_RATE,
	LIMIT_OUTGOING_QUEUE, /* requests to others that wait */
	LIMIT_TARGET_QUEUE, /* notices dropped for room */
	LIMIT_FAILURES, /* identity.failures: 429 */
	LIMITS
};

void limit_open(void); /* puts them into /metrics, at zero; once */
void limit_hit(enum limit l);
double limit_count(enum limit l);
const char *limit_name(enum limit l);
