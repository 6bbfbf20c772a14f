/*
 * net_watch.h - tells when files of some folders were written or moved there (inotify), once they
 * have been quiet for 100 ms.
 */
#pragma once

#include "net.h"

struct net_watch;

/* files: "FOLDER/NAME" a line, each once; "*" when more was written than could be kept. */
typedef void (*net_watch_fn)(void *arg, struct str files);

struct net_watch *net_watch_new(struct net *n, net_watch_fn fn, void *arg, struct err *e) MUSTCHECK;
/* A folder, named as its files are to be reported; one that is watched already: nothing to do. */
bool net_watch_add(struct net_watch *w, const char *folder, struct err *e) MUSTCHECK;
void net_watch_free(struct net_watch *w); /* w may be NULL */
