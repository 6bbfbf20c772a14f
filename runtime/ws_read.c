/*
 * ws_read.c - see ws_read.h.  A frame's head is gathered and judged as early as it can be, so that
 * nothing behind a broken one is waited for.  A message that came whole in one frame and one piece
 * is handed on where it lies; others are put together in `message`.
 */
#include "ws_read.h"

#include <string.h>

#define FINAL 0x80
#define MASKED 0x80
#define RESERVED 0x70
#define OP_MORE 0
#define OP_TEXT 1
#define OP_BINARY 2
#define OP_CLOSE 8
#define OP_PING 9
#define OP_PONG 10
#define CONTROL_MAX 125

void ws_read_init(struct ws_read *r, size_t limit)
{
	memset(r, 0, sizeof(*r));
	r->limit = limit;
}

void ws_read_free(struct ws_read *r)
{
	buf_free(&r->message);
	buf_free(&r->control);
}

/* ---- the head of a frame --------------------------------------------------------------------- */

static enum ws_event bad(struct ws_read *r, uint16_t code, const char *why)
{
	r->ended = true;
	r->code = code;
	r->why = why;
	r->data = STR("");
	return WS_BAD;
}

static int opcode(const struct ws_read *r)
{
	return r->head[0] & 0x0f;
}

static bool control(const struct ws_read *r)
{
	return opcode(r) >= OP_CLOSE;
}

static enum ws_event judge_first(struct ws_read *r)
{
	int op = opcode(r);

	if (r->head[0] & RESERVED)
		return bad(r, 1002, "a reserved bit is set");
	if ((op > OP_BINARY && op < OP_CLOSE) || op > OP_PONG)
		return bad(r, 1002, "a reserved opcode");
	if (control(r))
		return r->head[0] & FINAL ? WS_MORE : bad(r, 1002, "a control frame in pieces");
	if (op == OP_MORE && !r->in_message)
		return bad(r, 1002, "a continuation of nothing");
	if (op != OP_MORE && r->in_message)
		return bad(r, 1002, "a message inside another");
	return WS_MORE;
}

static enum ws_event judge_second(struct ws_read *r)
{
	if (!(r->head[1] & MASKED))
		return bad(r, 1002, "a frame of a client is not masked");
	if (control(r) && (r->head[1] & 0x7f) > CONTROL_MAX)
		return bad(r, 1002, "a control frame is longer than 125 bytes");
	return WS_MORE;
}

/* Bytes of the length behind the second byte. */
static size_t length_size(const struct ws_read *r)
{
	unsigned n = r->head[1] & 0x7f;

	return n == 127 ? 8 : n == 126 ? 2 : 0;
}

static enum ws_event judge_length(struct ws_read *r)
{
	size_t size = length_size(r);
	uint64_t n = size ? 0 : r->head[1] & 0x7f;

	for (size_t i = 0; i < size; i++)
		n = n << 8 | r->head[2 + i];
	if ((size == 2 && n < 126) || (size == 8 && n < 65536))
		return bad(r, 1002, "a length that is not in its shortest form");
	if (n >> 63)
		return bad(r, 1002, "a length with its highest bit set");
	if (!control(r) && n > r->limit - r->message.n)
		return bad(r, 1009, NULL);
	r->left = n;
	return WS_MORE;
}

/* Takes bytes of the head, each part judged as soon as it is there. */
static enum ws_event feed_head(struct ws_read *r, const char *p, size_t n, size_t *used)
{
	enum ws_event ev = WS_MORE;

	while (*used < n && !r->in_body && ev == WS_MORE) {
		size_t head = r->have < 2 ? 2 : 2 + length_size(r);

		r->head[r->have++] = (unsigned char)p[(*used)++];
		if (r->have == 1) {
			ev = judge_first(r);
			continue;
		}
		if (r->have == 2) {
			ev = judge_second(r);
			head = 2 + length_size(r);
		}
		if (ev == WS_MORE && r->have == head)
			ev = judge_length(r);
		r->in_body = r->have == head + 4;
	}
	return ev;
}

/* ---- its payload ----------------------------------------------------------------------------- */

static void unmask(struct ws_read *r, char *p, size_t n)
{
	const unsigned char *mask = r->head + r->have - 4;
	unsigned char turned[8];
	uint64_t wide, key;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(turned); k++)
		turned[k] = mask[(r->turn + k) & 3];
	memcpy(&key, turned, sizeof(key));
	for (; i + sizeof(wide) <= n; i += sizeof(wide)) {
		memcpy(&wide, p + i, sizeof(wide));
		wide ^= key;
		memcpy(p + i, &wide, sizeof(wide));
	}
	for (; i < n; i++)
		p[i] = (char)(p[i] ^ turned[i & 7]);
	r->turn = (uint8_t)((r->turn + n) & 3);
}

/* RFC 6455 7.4: what may stand in a close frame; 1012 to 1014 were registered later. */
static bool defined(unsigned code)
{
	if (code < 1000 || code > 4999)
		return false;
	return code >= 3000 || (code <= 1014 && code != 1004 && code != 1005 && code != 1006);
}

static enum ws_event take_close(struct ws_read *r)
{
	const unsigned char *p = (const unsigned char *)r->data.p;
	size_t n = r->data.n;

	if (n == 1)
		return bad(r, 1002, "a close frame of one byte");
	r->code = 1005;
	if (n) {
		r->code = (uint16_t)(p[0] << 8 | p[1]);
		r->data = (struct str){ r->data.p + 2, n - 2 };
		if (!defined(r->code))
			return bad(r, 1002, "a close frame with a code that may not be sent");
		if (!str_utf8(r->data))
			return bad(r, 1007, "the reason of a close frame is not UTF-8");
	}
	r->ended = true;
	return WS_CLOSE;
}

/* data is all there is of the frame; for a last fragment, of the message. */
static enum ws_event frame_done(struct ws_read *r)
{
	switch (opcode(r)) {
	case OP_PING:
		return WS_PING;
	case OP_PONG:
		return WS_PONG;
	case OP_CLOSE:
		return take_close(r);
	default:
		break;
	}
	r->in_message = !(r->head[0] & FINAL);
	if (r->in_message)
		return WS_MORE;
	if (!r->binary && !str_utf8(r->data))
		return bad(r, 1007, "a text message is not UTF-8");
	return WS_MESSAGE;
}

/* The frame's bytes in this piece: where they lie when they are all of it, else gathered. */
static enum ws_event feed_body(struct ws_read *r, char *p, size_t n, size_t *used)
{
	struct buf *b = control(r) ? &r->control : &r->message;
	size_t take = n < r->left ? n : (size_t)r->left;
	bool alone = !b->n && take == r->left && (control(r) || (r->head[0] & FINAL));

	unmask(r, p, take);
	*used += take;
	r->left -= take;
	r->data = alone ? (struct str){ take ? p : "", take } : STR("");
	if (!alone && take)
		buf_add(b, p, take);
	if (r->left)
		return WS_MORE;
	if (!alone && b->n)
		r->data = buf_view(b);
	r->in_body = false;
	r->have = r->turn = 0;
	return frame_done(r);
}

/* What the event before showed is let go. */
static void forget(struct ws_read *r)
{
	r->data = STR("");
	if (!r->in_message && !r->in_body)
		buf_free(&r->message);
	if (!r->in_body)
		buf_free(&r->control);
}

enum ws_event ws_read_feed(struct ws_read *r, char *p, size_t n, size_t *used)
{
	enum ws_event ev = WS_MORE;

	*used = 0;
	if (r->ended)
		return WS_BAD;
	forget(r);
	while (*used < n && ev == WS_MORE) {
		if (!r->in_body)
			ev = feed_head(r, p, n, used);
		if (!r->in_body || ev != WS_MORE)
			continue;
		if (opcode(r) == OP_TEXT || opcode(r) == OP_BINARY)
			r->binary = opcode(r) == OP_BINARY;
		ev = feed_body(r, p + *used, n - *used, used);
	}
	return ev;
}
