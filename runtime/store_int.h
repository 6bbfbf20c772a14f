/*
 * store_int.h - the store's own state: what the loop, the storage thread and the reader thread share.
 * Private to store.c and store_start.c.
 */
#pragma once

#include <pthread.h>

#include "store_engine.h"

struct tx_list {
	struct store_tx *first, **last;
};

struct read_list {
	struct store_read *first, **last;
};

struct store {
	struct store_opts o;
	struct engine *engine; /* storage thread's after start */
	struct engine_reader *reader; /* under read_lock */
	pthread_t writer_thread, reader_thread;
	pthread_mutex_t read_lock;

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t write_due, read_due;
	struct tx_list writes, written;
	struct read_list reads, answered;
	size_t nreads; /* in reads */
	bool writer_waits, reader_waits;
	bool waking; /* wake was called and store_poll has not come yet */
	bool stop;
	struct store_stats stats;

	/* loop thread only */
	bool polling; /* inside store_poll: the threads are signalled once at its end */
	bool gathered; /* something was submitted since the threads were signalled */
	bool closed;
};
