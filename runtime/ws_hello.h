/*
 * ws_hello.h - the handshake that a WebSocket client sends (RFC 6455 4), out of a parsed HTTP
 * request: whether it is one, and what it says.  Pure functions, no socket, no clock.
 */
#pragma once

#include "net.h"

struct http1_msg;

/* 0, or the HTTP status to refuse it with and why (static).  origins: those of browsers that may, "*"
 * is any; NULL: none is asked for. */
int ws_hello_judge(const struct http1_msg *m, const char *const *origins, const char **reason);

/* Its fields, those of the connection apart; absent ones are "".  They are valid as long as m and
 * text, which gets what stands in several lines. */
void ws_hello_read(const struct http1_msg *m, struct buf *text, struct ws_hello *hello);
