/*
 * http1_priv.h - the parser's state, shared by http1.c (heads) and http1_body.c (bodies) alone.
 */
#pragma once

#include "http1.h"

#include "limit.h"

enum http1_state {
	ST_HEAD,
	ST_LENGTH, /* body of `left` bytes */
	ST_UNTIL_END, /* response body up to the end of the connection */
	ST_CHUNK_SIZE, /* the line before a chunk */
	ST_CHUNK_DATA,
	ST_CHUNK_CRLF, /* the CRLF after it */
	ST_TRAILER,
	ST_DONE,
	ST_BAD,
};

struct http1 {
	enum http1_kind kind;
	enum http1_state state;
	struct http1_limits lim;
	struct http1_msg *msg; /* NULL until its first byte */
	size_t scanned; /* bytes of the head already searched for its end */
	size_t line_end; /* length of the first line with CRLF, 0 while unknown */
	unsigned blanks; /* bytes of empty lines before the message */
	uint64_t left; /* body bytes to come, of the body or of the chunk */
	struct buf line; /* a chunk's size line or a trailer line being gathered */
	size_t trailers; /* bytes of them */
	bool no_body, expect, chunked;
	int status;
	char reason[120];
};

enum http1_event http1_bad(struct http1 *p, int status, const char *reason);
/* The same for what is beyond a limit, which is counted; the reason ends with its key. */
enum http1_event http1_over(struct http1 *p, int status, enum limit l, const char *fmt, ...)
    PRINTF(4, 5);
enum http1_event http1_large(struct http1 *p); /* the body */
struct str http1_trim(struct str s); /* off: spaces and tabs at the ends */
bool http1_is_token(struct str s); /* RFC 9110 5.6.2 */
bool http1_check_value(struct str v); /* no control characters but tab */
enum http1_event http1_feed_body(struct http1 *p, const char *data, size_t n, size_t *used);
