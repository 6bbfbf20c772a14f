/*
 * console_link.h - the client's side of a console: messages, JSON objects, one a line, both ways over
 * the operator's socket (what they say: lua/moon2m/console.lua).
 */
#pragma once

#include "buf.h"
#include "err.h"

struct console_link {
	int fd;
	struct buf in; /* received; the first `used` bytes are the message that was handed out */
	size_t used;
};

enum console_event { CONSOLE_MESSAGE, CONSOLE_NOTHING, CONSOLE_LOST };

/* Connects to the server of that data folder and opens a console there. */
bool console_link_open(struct console_link *l, const char *data, struct err *e) MUSTCHECK;
void console_link_close(struct console_link *l);

/* message: a JSON object without line feed. */
bool console_link_send(struct console_link *l, struct str message, struct err *e) MUSTCHECK;

/* The next message, borrowed until the next call.  CONSOLE_NOTHING: none came within that time, or a
 * signal did; CONSOLE_LOST: the connection is over, or what came is no message (the reason is in e). */
enum console_event console_link_next(struct console_link *l, int milliseconds, struct str *message,
				     struct err *e);
