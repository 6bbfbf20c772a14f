/*
 * bind_http.h - the HTTP binding's server side (TS-0009): requests become primitives, answers
 * leave as HTTP responses; CORS, OPTIONS, GET /healthz and GET /metrics are answered here, the
 * scripts' pages by bind_page.
 */
#pragma once

#include "net.h"

struct bind_http_opts {
	const char *rvi; /* release named in answers when the request names none; "3" */
	/* Browser origins that may read answers (CORS), NULL-terminated; "*" allows any.  NULL: none. */
	const char *const *origins;
	uint16_t admin_port; /* /healthz and /metrics on this port only; 0: on all */
};

void bind_http_setup(const struct bind_http_opts *o); /* copies; may be called again */

extern const struct http_server_cb BIND_HTTP; /* for net_listen; arg is not used */
