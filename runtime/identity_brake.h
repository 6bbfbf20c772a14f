/*
 * identity_brake.h - what identity.c has behind it: the brake on guessing, and the thread that
 * computes scrypt.
 */
#pragma once

#include "identity_int.h"

/* The brake: so many wrong credentials of one address in a minute, and it is refused for a time.
 * An IPv6 address counts with its /64. */
void brake_open(unsigned failures, double seconds);
void brake_close(void);
/* what: the credential's serial, or another mark of a secret; 0: none was named. */
void brake_good(struct str address, uint64_t what);
void brake_bad(struct str address, uint64_t what);
/* Whether it was right from that address, and not guessed at since. */
bool brake_knows(struct str address, uint64_t what);

void compute_open(void (*wake)(void *arg), void *arg);
void compute_close(void); /* what waits is done with stop */
/* Computes whether the password is i's (NULL: takes as long, is not); done is called by
 * identity_poll.  False: too many wait, or too many of this address. */
bool compute_start(const struct identity *i, struct str password, struct str address,
		   void (*done)(void *arg, bool match, bool stop), void *arg) MUSTCHECK;
