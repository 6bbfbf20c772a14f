/*
 * net_child.h - runs a program beside the loop and gathers what it writes.  The loop never waits
 * for it; what is kept of its output and how long it may run are bounded.
 */
#pragma once

#include "net.h"

#define NET_CHILD_OUTPUT 65536u /* bytes of output that are kept, the first ones */

struct net_child;

/* It has ended.  code: its exit code; -1: ended by a signal; -2: it ran longer than it may and was
 * killed.  output: what it wrote to its standard output and error, borrowed. */
typedef void (*net_child_fn)(void *arg, int code, struct str output);

/* Starts argv[0] (a path) with these arguments, standard input empty, in a process group of its
 * own, which ends with this process; seconds: how long it may run (> 0).  The child is freed after
 * fn was called.  NULL, e: it cannot be started. */
struct net_child *net_child_start(struct net *n, char *const argv[], double seconds,
				  net_child_fn fn, void *arg, struct err *e) MUSTCHECK;
/* Kills it; fn is not called.  c may be NULL. */
void net_child_free(struct net_child *c);
