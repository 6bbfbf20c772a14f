/*
 * net_unix.h - a Unix stream socket for the operator of this host: a client sends one line and gets
 * lines back, then the connection ends.
 */
#pragma once

#include "net.h"

struct net_unix;

/* line: without its line feed, borrowed.  True: the answer was appended to out; false: it comes later
 * with net_unix_answer, for this client.  Called on the loop. */
typedef bool (*net_unix_line)(void *arg, uint64_t client, struct str line, struct buf *out);

/* Makes the socket, readable and writable by its owner alone; one that a dead server left behind is
 * replaced.  NULL: the path is too long, another server listens there, or it cannot be made. */
struct net_unix *net_unix_listen(struct net *n, const char *path, net_unix_line line, void *arg,
				 struct err *e) MUSTCHECK;
/* The answer of a client that waits; it has no limit of time until then.  False: it is gone. */
bool net_unix_answer(struct net_unix *u, uint64_t client, struct str text);
void net_unix_close(struct net_unix *u); /* clients go, the socket's file too; u may be NULL */
