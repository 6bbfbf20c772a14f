/*
 * bind_ws.h - the WebSocket binding (TS-0020): one message is one primitive, both ways.  Requests
 * go to primitive_submit, answers to the CSE's own requests go to notify_answer without touching
 * Lua.  Who a connection speaks for: the token of /notify/TOKEN or X-M2M-Origin in the handshake
 * (entry "identify"), or the first accepted primitive (answer.bind).
 */
#pragma once

#include "net.h"
#include "session.h"

struct bind_ws_opts {
	const char *rvi; /* release named in answers when the request names none; "3" */
	/* Claims further subprotocols: names of registered notification formats, whose connections get
	 * raw frames (SESSION_RAW).  NULL: none. */
	bool (*format)(void *arg, struct str name);
	void *arg;
};

void bind_ws_setup(const struct bind_ws_opts *o); /* rvi is copied; may be called again */

/* From the entry "identify": the AE-ID that connection `conn_id` speaks for, or why it is refused.
 * False when the connection is gone. */
bool bind_ws_bind(uint64_t conn_id, struct str aei);
bool bind_ws_refuse(uint64_t conn_id, int code, const char *reason);

/* After the credentials were read again: closes connections whose credential is gone or changed, or
 * that have none and need one now. */
void bind_ws_recheck(void);

extern const struct ws_cb BIND_WS; /* for net_listen; arg is not used */
