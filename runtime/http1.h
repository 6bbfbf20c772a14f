/*
 * http1.h - HTTP/1.1 messages (RFC 9112) out of bytes: a pure function, no socket, no clock.
 * The same bytes give the same messages however they are cut.  Requests are held to the letter:
 * one Host, at most one X-M2M-Origin, Content-Length of digits only and never beside
 * Transfer-Encoding, "chunked" as the only coding, CRLF as the only line end.
 * It must never guess: what is ambiguous is refused, with the status to answer with.
 */
#pragma once

#include "net.h"

enum http1_kind { HTTP1_REQUEST, HTTP1_RESPONSE };

struct http1_limits {
	size_t line; /* bytes of the request line; 414 */
	size_t headers; /* bytes of the whole head, and of trailers; 431 */
	unsigned count; /* header fields; 431 */
	size_t body; /* bytes; 413 */
};

struct http1_msg { /* complete; owned by whoever took it */
	struct str method; /* request */
	struct str target; /* origin-form or "*", absolute-form reduced to it; not decoded */
	int status; /* response */
	int minor; /* HTTP/1.minor: 0 or 1 */
	bool keep_alive; /* the connection may carry another message */
	bool websocket; /* Connection: upgrade with Upgrade: websocket */
	bool framed; /* had a Content-Length or a Transfer-Encoding */
	struct http_header *headers;
	size_t nheaders;
	struct str head; /* the header lines as received */
	struct str body;
	/* private: what the views above point into */
	struct buf head_mem, body_mem;
	char *extra;
};

enum http1_event {
	HTTP1_MORE, /* everything was consumed, no message yet */
	HTTP1_CONTINUE, /* a head with Expect: 100-continue, its body still to come */
	HTTP1_DONE, /* a message: http1_take */
	HTTP1_BAD, /* see http1_status, http1_reason; nothing more is accepted */
};

enum http1_where { HTTP1_BETWEEN, HTTP1_IN_HEAD, HTTP1_IN_BODY }; /* for timers */

struct http1;
struct http1 *http1_new(enum http1_kind kind, const struct http1_limits *lim);
void http1_free(struct http1 *p);

/* Consumes bytes up to the next event and says how many it took; call again with the rest. */
enum http1_event http1_feed(struct http1 *p, const char *data, size_t n, size_t *used);

/* The peer sent its last byte.  A response delimited by that is DONE, MORE when nothing had begun,
 * BAD when a message was cut short. */
enum http1_event http1_end(struct http1 *p);

struct http1_msg *http1_take(struct http1 *p); /* after DONE; the parser is ready for the next */
void http1_msg_free(struct http1_msg *m);

/* The next response answers a HEAD request: it has no body whatever its headers say. */
void http1_expect_no_body(struct http1 *p);

enum http1_where http1_where(const struct http1 *p);
size_t http1_body_so_far(const struct http1 *p); /* bytes of the message being read */
int http1_status(const struct http1 *p); /* after BAD: 400, 408... to answer with */
const char *http1_reason(const struct http1 *p); /* one line for a person */

/* A header's value by name, ASCII case ignored; p is NULL when there is none. */
struct str http1_header(const struct http_header *h, size_t n, const char *name);

/* Is token in the comma list, ASCII case ignored?  ("Upgrade" in "keep-alive, Upgrade") */
bool http1_has_token(struct str list, const char *token);
