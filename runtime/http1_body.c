/*
 * http1_body.c - the body of a message: counted, chunked (RFC 9112 7.1) or up to the end.
 * Strict: every line of a chunked body ends in CRLF, sizes are hexadecimal digits and nothing else,
 * extensions and trailers are checked, limited and dropped.
 */
#include "http1_priv.h"

#define CHUNK_LINE_MAX 256 /* size and extensions of one chunk; RFC 9112 7.1.1 asks for a limit */

static enum http1_event feed_counted(struct http1 *p, const char *data, size_t n, size_t *used)
{
	size_t take = n < p->left ? n : (size_t)p->left;

	buf_add(&p->msg->body_mem, data, take);
	p->left -= take;
	*used = take;
	if (p->left)
		return HTTP1_MORE;
	p->state = p->state == ST_LENGTH ? ST_DONE : ST_CHUNK_CRLF;
	return p->state == ST_DONE ? HTTP1_DONE : HTTP1_MORE;
}

static enum http1_event feed_until_end(struct http1 *p, const char *data, size_t n, size_t *used)
{
	if (n > p->lim.body - p->msg->body_mem.n)
		return http1_large(p);
	buf_add(&p->msg->body_mem, data, n);
	*used = n;
	return HTTP1_MORE;
}

/* Gathers one line of at most max bytes into p->line and takes its CRLF off; MORE until it is
 * whole, then DONE.  Longer: BAD with status. */
static enum http1_event gather_line(struct http1 *p, const char *data, size_t n, size_t max,
				    int status, size_t *used)
{
	const char *nl = memchr(data, '\n', n);
	size_t take = nl ? (size_t)(nl + 1 - data) : n, room = max + 2 - p->line.n;
	const char *cr;

	*used = take = take > room ? room + 1 : take;
	buf_add(&p->line, data, take);
	cr = memchr(p->line.p, '\r', p->line.n - 1);
	if (memchr(p->line.p, 0, p->line.n) || (cr && cr[1] != '\n'))
		return http1_bad(p, 400, "a stray CR or NUL in the chunked body");
	if (take > room)
		return status == 431
			   ? http1_over(p, 431, LIMIT_HEADERS,
					"the trailers are larger than %zu bytes", p->lim.headers)
			   : http1_bad(p, 400, "a chunk's size line is longer than allowed");
	if (!nl)
		return HTTP1_MORE;
	if (p->line.n < 2 || p->line.p[p->line.n - 2] != '\r')
		return http1_bad(p, 400, "a line of the chunked body does not end in CRLF");
	p->line.n -= 2;
	return HTTP1_DONE;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum http1_event feed_chunk_size(struct http1 *p, const char *data, size_t n, size_t *used)
{
	enum http1_event ev = gather_line(p, data, n, CHUNK_LINE_MAX, 400, used);
	uint64_t size = 0;
	size_t i = 0;

	if (ev != HTTP1_DONE)
		return ev;
	for (; i < p->line.n && hex_digit(p->line.p[i]) >= 0; i++) {
		if (i == 15)
			return http1_large(p);
		size = size << 4 | (uint64_t)hex_digit(p->line.p[i]);
	}
	if (i == 0 || (i < p->line.n && p->line.p[i] != ';') ||
	    !http1_check_value(buf_view(&p->line)))
		return http1_bad(p, 400, "a chunk's size is malformed");
	if (size > p->lim.body - p->msg->body_mem.n)
		return http1_large(p);
	buf_clear(&p->line);
	p->left = size;
	p->state = size ? ST_CHUNK_DATA : ST_TRAILER;
	return HTTP1_MORE;
}

static enum http1_event feed_chunk_crlf(struct http1 *p, const char *data, size_t n, size_t *used)
{
	while (*used < n && p->line.n < 2) {
		if (data[*used] != "\r\n"[p->line.n])
			return http1_bad(p, 400, "a chunk is longer than its size");
		buf_char(&p->line, data[(*used)++]);
	}
	if (p->line.n == 2) {
		buf_clear(&p->line);
		p->state = ST_CHUNK_SIZE;
	}
	return HTTP1_MORE;
}

/* Trailers are checked as headers are, and dropped (RFC 9110 6.5.1 lets a recipient do so). */
static enum http1_event feed_trailer(struct http1 *p, const char *data, size_t n, size_t *used)
{
	enum http1_event ev = gather_line(p, data, n, p->lim.headers - p->trailers, 431, used);
	const char *colon;

	if (ev != HTTP1_DONE)
		return ev;
	if (!p->line.n) {
		p->state = ST_DONE;
		return HTTP1_DONE;
	}
	p->trailers += p->line.n;
	colon = memchr(p->line.p, ':', p->line.n);
	if (!colon || !http1_is_token((struct str){ p->line.p, (size_t)(colon - p->line.p) }) ||
	    !http1_check_value(buf_view(&p->line)))
		return http1_bad(p, 400, "a trailer is malformed");
	buf_clear(&p->line);
	return HTTP1_MORE;
}

enum http1_event http1_feed_body(struct http1 *p, const char *data, size_t n, size_t *used)
{
	switch (p->state) {
	case ST_LENGTH:
	case ST_CHUNK_DATA:
		return feed_counted(p, data, n, used);
	case ST_UNTIL_END:
		return feed_until_end(p, data, n, used);
	case ST_CHUNK_SIZE:
		return feed_chunk_size(p, data, n, used);
	case ST_CHUNK_CRLF:
		return feed_chunk_crlf(p, data, n, used);
	case ST_TRAILER:
		return feed_trailer(p, data, n, used);
	default:
		return HTTP1_BAD;
	}
}
