/*
 * vm_pool.h - memory for Lua's objects, most of which are small, many and short-lived: a list of
 * free places per size, cut from larger blocks; a tenth of a durable create's CPU time was malloc's.
 * One pool, for the one Lua state.
 *
 * Small places stay the pool's until pool_close: what Lua needed at its peak is used again, not
 * given back.  Larger ones are malloc's.
 */
#pragma once

#include "base.h"

/* Like realloc, told the size of p as the caller knows it; n 0 frees p and returns NULL.  NULL
 * otherwise: no memory, p is as it was. */
void *pool_realloc(void *p, size_t old, size_t n);

void pool_close(void); /* every place is gone, whoever holds it */
