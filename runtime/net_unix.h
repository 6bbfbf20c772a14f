/*
 * net_unix.h - a Unix stream socket for the operator of this host: a client sends one line and gets
 * lines back, then the connection ends; or it becomes a session, lines both ways until one side
 * closes.
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
/* A client that waits becomes a session, beginning with what follows its line: each further line comes
 * to line, as long as it is borrowed; gone is called once when it has closed, broke off, sent a line
 * that is too long or left more than 8 MiB unread (not by net_unix_close).  False: it is gone already,
 * or there are eight sessions. */
struct net_unix_session {
	void (*line)(void *arg, uint64_t client, struct str line);
	void (*gone)(void *arg, uint64_t client);
	void *arg;
};
bool net_unix_keep(struct net_unix *u, uint64_t client, const struct net_unix_session *s) MUSTCHECK;
/* Text for a session; it is written as the client reads.  False: it is gone. */
bool net_unix_send(struct net_unix *u, uint64_t client, struct str text);
/* Bytes that a session has not taken yet; -1: it is gone. */
ssize_t net_unix_unread(const struct net_unix *u, uint64_t client);

void net_unix_close(struct net_unix *u); /* clients go, the socket's file too; u may be NULL */
