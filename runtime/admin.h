/*
 * admin.h - the operator's socket, DATA/moon2m.sock: one JSON object in, JSON objects out, one a
 * line; the last one has "ok".
 *
 *  {"cmd":"notices"}   what is not done: state target sub sur id at age attempts bytes, and code
 *                      error error_at when something went wrong
 *  {"cmd":"accounts"}  each subscription and target: state target sub sur events sent acknowledged
 *                      answered failed dropped queued held oldest, and code error error_at
 *  {"cmd":"replay"}    another try now for what is parked, not answered or backing off
 *  {"cmd":"drop"}      an end for what waits; "target" or "sub" or "all":true is needed
 *  {"cmd":"stats"}     the engine's counters
 *
 * {"cmd":"console"} makes the connection a console's, see lua/moon2m/console.lua for what is said there.
 * Any other command, and one with "name" (of a script), is a function of lua/moon2m/operator.lua.
 * All but stats take "target" (a key), "sub" (a number: the subscription's id; a string: its
 * reference, or its resource id), the first two "limit" (1,000).  The last line is {"ok":true,
 * "count":n}, "more":true with it when the limit cut the list, or {"ok":false,"error":"..."}.
 */
#pragma once

#include "net.h"

#define ADMIN_SOCKET "moon2m.sock"

/* After notify_open.  False: the reason is in e, the server can run without. */
bool admin_open(struct net *n, const char *data, struct err *e) MUSTCHECK;
void admin_close(void); /* before net_free */
/* The answer to one line; false: it is no command of this file.  For tests. */
bool admin_answer(struct str line, struct buf *out);
