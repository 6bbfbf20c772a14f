/*
 * blame.h - whom to blame for a crash: a page mapped from a file of the data folder in which the
 * script that runs is noted, so that the next process on that folder knows it, however this one
 * ended.  Scripts that brought a process down are off until one ends in order, or the operator
 * allows them again.  A process that did not get as far as being ready, without a script to blame,
 * makes the next one start in safe mode (three of them when nothing says that it crashed).
 * One page per process; all functions but open do nothing when there is none.
 */
#pragma once

#include "err.h"

#define BLAME_WHO 256 /* bytes of "script\0rule\0" */
#define BLAME_OFF 16 /* scripts that are off, at most: the oldest is forgotten */

struct blame_off {
	char script[BLAME_WHO];
	char reason[700]; /* "signal 11 in on create /x (apps/s.lua:3)" */
};

/* Maps the file, made when it is missing, and judges what the process before left in it.  From here
 * on a crash (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT) is noted before it takes its course. */
bool blame_open(const char *path, struct err *e) MUSTCHECK;
void blame_ready(void); /* the start has succeeded */
void blame_close(void); /* in order: nobody is off any more */

/* who runs now (n bytes, at most BLAME_WHO); n 0: nobody. */
void blame_who(const char *who, size_t n);
/* For a signal handler: it is stuck, where and at what (either may be ""). */
void blame_stuck(const char *place, const char *event);

const struct blame_off *blame_list(size_t *n); /* who is off in this process, oldest first */
bool blame_allow(const char *script); /* not off any more; false when it was not */
const char *blame_safe(void); /* why no script should be loaded; NULL: they may */
