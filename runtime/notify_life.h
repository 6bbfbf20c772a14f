/*
 * notify_life.h - a sign of life of a peer, from behind what was written to it: that a connection
 * took something says nothing of the peer, that it answered a ping behind it says that it was read.
 */
#pragma once

#include "net.h"

struct life {
	bool asked;
	uint64_t mark; /* of conn_mark; 0: the connection has no pings */
	int64_t due; /* us, monotonic: when an open connection will do, without pings */
};
/* Asks for it at the first call, when c has drained.  True: it came, or, without pings, `wait`
 * seconds have passed on the open connection. */
bool life_seen(struct life *l, struct conn *c, double wait) MUSTCHECK;
/* It was asked for and came, or there are no pings. */
bool life_pong(const struct life *l, const struct conn *c) MUSTCHECK;
