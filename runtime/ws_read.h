/*
 * ws_read.h - what a WebSocket client sends (RFC 6455 5) out of bytes: messages and control frames.
 * A pure function, no socket, no clock; the same bytes give the same events however they are cut.
 * Clients are held to the letter: masked frames, no reserved bit or opcode, lengths in their shortest
 * form, control frames whole and of at most 125 bytes, text and reasons in UTF-8, defined codes.
 * A length that is only announced takes no memory.
 */
#pragma once

#include "buf.h"

enum ws_event {
	WS_MORE, /* everything was consumed */
	WS_MESSAGE, /* data, binary */
	WS_PING, /* data */
	WS_PONG, /* data */
	WS_CLOSE, /* code (1005: none was given), data: the reason; nothing more is accepted */
	WS_BAD, /* code: 1002, 1007 or 1009; why; nothing more is accepted */
};

struct ws_read {
	struct str data; /* of the event, valid until the next call */
	bool binary;
	uint16_t code;
	const char *why; /* static; NULL with 1009, which the owner of the limit explains */
	/* private */
	size_t limit; /* bytes of a message */
	uint64_t left; /* bytes to come of this frame */
	struct buf message; /* what there is of a message */
	struct buf control; /* what there is of a control frame */
	unsigned char head[14]; /* of this frame, with the mask at its end */
	uint8_t have; /* bytes of head */
	uint8_t turn; /* of the mask, 0..3 */
	bool in_body, in_message, ended;
};

void ws_read_init(struct ws_read *r, size_t limit);
void ws_read_free(struct ws_read *r);

/* Consumes bytes up to the next event and says how many it took; call again with the rest.  The
 * bytes are unmasked where they are, and data may point into them. */
enum ws_event ws_read_feed(struct ws_read *r, char *p, size_t n, size_t *used);
