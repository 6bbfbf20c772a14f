/*
 * store_verify.h - looking through a store file for what must hold between its tables, and putting
 * right what follows from the rest.  On the calling thread, for commands; not for the loop.
 */
#pragma once

#include "store.h"

struct store_verify {
	bool repair; /* the store must not be in use; else it may be */
	void *arg;
	/* A check begins, or goes on. */
	void (*step)(void *arg, const char *what);
	/* Something is wrong; of one check's findings the first STORE_VERIFY_SHOWN are told. */
	void (*finding)(void *arg, const char *what, struct str text);
	/* The check is over: so many findings (all counted), so many put right. */
	void (*checked)(void *arg, const char *what, uint64_t found, uint64_t repaired);
	/* What is not the store's to judge: the rows of ntf, tgt and aud, ids ascending, tgt first. */
	void (*tgt)(void *arg, int64_t id, struct str key, int64_t acked);
	void (*aud)(void *arg, int64_t id, struct str members);
	void (*ntf)(void *arg, int64_t id, struct str members);
};

#define STORE_VERIFY_SHOWN 10

struct store_verify_sum {
	int64_t resources, containers, instances, notices;
	uint64_t found, repaired;
};

/* False: it cannot be looked through, or not be repaired; the reason is in e. */
bool store_verify(const char *path, const struct store_verify *v, struct store_verify_sum *sum,
		  struct err *e) MUSTCHECK;
