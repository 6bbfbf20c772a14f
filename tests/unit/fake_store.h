/*
 * fake_store.h - the notification part of the store in memory.  Transactions and reads wait until
 * the test lets them happen, in order; what was committed survives fake_store_crash.
 */
#pragma once

#include "store.h"

extern struct store *const fake_store;
extern size_t fake_ntf_rows, fake_aud_rows, fake_tgt_rows; /* committed */
extern size_t fake_tgt_writes, fake_aud_writes;

size_t fake_store_step(size_t n); /* up to n transactions, then all reads; how many happened */
void fake_store_fail(unsigned n); /* the next n transactions fail */
void fake_store_fail_reads(unsigned n);
void fake_store_crash(void); /* what waits never happens, nor what is submitted from now on */
void fake_store_up(void); /* after a crash: transactions are accepted again */
void fake_store_wipe(void);
