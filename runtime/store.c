/*
 * store.c - the queues and threads of the store.  Transactions go to the storage thread, which
 * commits everything that arrived meanwhile with one fsync; reads go to the reader thread, which
 * answers everything that arrived meanwhile from one snapshot.  Answers come back in order and are
 * handed out by store_poll on the loop thread.
 *
 * A stepped store has no threads: store_step does the work of both.
 *
 * Never: SQL here, an engine call on the loop thread after start (but for a stepped store's), a
 * callback on another thread.
 */
#include "store_int.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "log.h"
#include "metrics.h"

#define BATCH_OPS 512
#define BATCH_BYTES ((size_t)2 << 20)
#define QUEUE_BYTES ((size_t)64 << 20)
#define QUEUE_READS 65536
#define IDLE_MS 500 /* quiet time before what is in the log is moved into the file */
#define CLOSE_ROUNDS 64 /* store_close runs callbacks that callbacks caused, this deep */

static struct metric commit_seconds = {
	.name = "moon2m_store_commit_seconds",
	.help = "Duration of a group commit, fsync included",
	.kind = METRIC_HISTOGRAM,
};
static const double batch_bounds[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512 };
static struct metric batch_size = {
	.name = "moon2m_store_batch",
	.help = "Transactions in a group commit",
	.kind = METRIC_HISTOGRAM,
	.bounds = batch_bounds,
	.nbounds = countof(batch_bounds),
};

static void metrics_once(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	metric_register(&commit_seconds);
	metric_register(&batch_size);
}

/* Calls wake unless it was called already; takes the lock held, gives it back released. */
static void unlock_and_wake(struct store *s)
{
	bool wake = !s->waking;

	s->waking = true;
	pthread_mutex_unlock(&s->lock);
	if (wake && s->o.wake)
		s->o.wake(s->o.arg);
}

/* ---- storage thread -------------------------------------------------------------------------- */

/* Takes as much of the queue as one group may hold, at least one; under the lock. */
static struct store_tx *take_group(struct store *s)
{
	struct store_tx *first = s->writes.first, *tx = first;
	size_t ops = tx->nops, bytes = tx->bytes;

	while (tx->next) {
		ops += tx->next->nops;
		bytes += tx->next->bytes;
		if (ops > s->o.batch_ops || bytes > s->o.batch_bytes)
			break;
		tx = tx->next;
	}
	s->writes.first = tx->next;
	if (!s->writes.first)
		s->writes.last = &s->writes.first;
	tx->next = NULL;
	return first;
}

/* At most ms; below 0: as long as it takes. */
static void wait_for_writes(struct store *s, int ms)
{
	struct timespec until;

	s->writer_waits = true;
	if (ms < 0) {
		pthread_cond_wait(&s->write_due, &s->lock);
	} else {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += ms * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&s->write_due, &s->lock, &until);
	}
	s->writer_waits = false;
}

/* The next group; NULL: nothing came, use the time.  *stop: nothing will come any more. */
static struct store_tx *next_group(struct store *s, bool *stop)
{
	int backup = engine_backup_wait(s->engine);
	struct store_tx *group = NULL;

	pthread_mutex_lock(&s->lock);
	if (!s->writes.first && !s->stop && !engine_wants_slice(s->engine) && backup != 0) {
		int ms = backup > 0 ? backup : engine_unsettled(s->engine) ? IDLE_MS : -1;

		do {
			wait_for_writes(s, ms);
		} while (ms < 0 && !s->writes.first && !s->stop);
	}
	if (s->writes.first)
		group = take_group(s);
	*stop = s->stop && !group;
	pthread_mutex_unlock(&s->lock);
	return group;
}

static void deliver(struct store *s, struct store_tx *group)
{
	struct store_tx *tx, *last = group;
	bool committed = false;

	pthread_mutex_lock(&s->lock);
	for (tx = group; tx; tx = tx->next) {
		s->stats.queued_ops -= tx->nops;
		s->stats.queued_bytes -= tx->bytes;
		if (tx->rc == STORE_OK) {
			s->stats.transactions++;
			s->stats.ops += tx->nops;
			committed = true;
		} else {
			s->stats.failed++;
		}
		last = tx;
	}
	if (committed)
		s->stats.commits++;
	s->stats.last_commit_s = group->seconds;
	*s->written.last = group;
	s->written.last = &last->next;
	unlock_and_wake(s);
}

static void *writer_main(void *arg)
{
	struct store *s = arg;
	bool stop = false;

	while (!stop) {
		struct store_tx *group = next_group(s, &stop);

		if (group) {
			engine_group(s->engine, group);
			deliver(s, group);
		}
		if (engine_wants_slice(s->engine))
			engine_slice(s->engine);
		if (engine_backup_wait(s->engine) == 0)
			engine_backup_slice(s->engine);
		/* Beside a backup the thread is never idle: its pauses are too short for that. */
		engine_checkpoint(s->engine, !group && engine_backup_wait(s->engine) < 0);
	}
	return NULL;
}

/* ---- reader thread --------------------------------------------------------------------------- */

/* Under the lock. */
static struct store_read *take_reads(struct store *s)
{
	struct store_read *list = s->reads.first;

	s->reads.first = NULL;
	s->reads.last = &s->reads.first;
	s->nreads = 0;
	return list;
}

static void answer_reads(struct store *s, struct store_read *list)
{
	struct store_read *last = list, *r;
	size_t n = 0;

	pthread_mutex_lock(&s->read_lock);
	engine_read(s->reader, list);
	pthread_mutex_unlock(&s->read_lock);
	for (r = list; r; r = r->next, n++)
		last = r;
	pthread_mutex_lock(&s->lock);
	s->stats.reads += n;
	*s->answered.last = list;
	s->answered.last = &last->next;
	unlock_and_wake(s);
}

static void *reader_main(void *arg)
{
	struct store *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct store_read *list;

		if (!s->reads.first && s->stop)
			break;
		if (!s->reads.first) {
			s->reader_waits = true;
			pthread_cond_wait(&s->read_due, &s->lock);
			s->reader_waits = false;
			continue;
		}
		list = take_reads(s);
		pthread_mutex_unlock(&s->lock);
		answer_reads(s, list);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Recursive: what a scan calls at start may read meta. */
static void init_read_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void store_init(struct store *s, const struct store_opts *o)
{
	pthread_condattr_t mono;

	s->o = *o;
	s->o.batch_ops = o->batch_ops ? o->batch_ops : BATCH_OPS;
	s->o.batch_bytes = o->batch_bytes ? o->batch_bytes : BATCH_BYTES;
	s->o.queue_bytes = o->queue_bytes ? o->queue_bytes : QUEUE_BYTES;
	s->writes.last = &s->writes.first;
	s->written.last = &s->written.first;
	s->reads.last = &s->reads.first;
	s->answered.last = &s->answered.first;
	pthread_mutex_init(&s->lock, NULL);
	init_read_lock(&s->read_lock);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&s->write_due, &mono);
	pthread_cond_init(&s->read_due, &mono);
	pthread_condattr_destroy(&mono);
}

static void store_destroy(struct store *s)
{
	engine_reader_close(s->reader); /* before the writer: that one removes the log */
	engine_close(s->engine);
	pthread_cond_destroy(&s->write_due);
	pthread_cond_destroy(&s->read_due);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->read_lock);
	free((char *)s->o.path);
	free(s);
}

static void read_free(struct store_read *r)
{
	buf_free(&r->cells);
	buf_free(&r->bytes);
	buf_free(&r->names);
	free(r->error);
	free(r);
}

static void drop_answers(struct store *s)
{
	while (s->written.first) {
		struct store_tx *tx = s->written.first;

		s->written.first = tx->next;
		store_tx_free(tx);
	}
	while (s->answered.first) {
		struct store_read *r = s->answered.first;

		s->answered.first = r->next;
		read_free(r);
	}
}

static void stop_threads(struct store *s, bool reader_runs)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->write_due);
	pthread_cond_signal(&s->read_due);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->writer_thread, NULL);
	if (reader_runs)
		pthread_join(s->reader_thread, NULL);
}

static bool start_threads(struct store *s, struct err *e)
{
	int rc = pthread_create(&s->writer_thread, NULL, writer_main, s);

	if (rc)
		return err_set(e, "store: cannot start the storage thread: %s", strerror(rc));
	rc = pthread_create(&s->reader_thread, NULL, reader_main, s);
	if (rc) {
		stop_threads(s, false);
		return err_set(e, "store: cannot start the reader thread: %s", strerror(rc));
	}
	return true;
}

struct store *store_open(const struct store_opts *o, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));

	metrics_once();
	store_init(s, o);
	s->o.path = xstrdup(o->path);
	s->engine = engine_open(s->o.path, e);
	if (s->engine)
		s->reader = engine_reader_open(s->o.path, e);
	if (!s->reader || (!o->stepped && !start_threads(s, e))) {
		store_destroy(s);
		return NULL;
	}
	return s;
}

void store_close(struct store *s)
{
	unsigned round;

	if (!s)
		return;
	if (s->o.stepped) {
		for (round = 0; round < CLOSE_ROUNDS && store_step(s); round++)
			;
	} else {
		engine_reader_stop(s->reader);
		stop_threads(s, true);
	}
	s->closed = true; /* what callbacks submit from here on is refused, in turn */
	for (round = 0; round < CLOSE_ROUNDS && (s->written.first || s->answered.first); round++)
		store_poll(s);
	drop_answers(s);
	store_destroy(s);
}

/* ---- loop thread ----------------------------------------------------------------------------- */

static void answer_write(struct store_tx *tx)
{
	struct store_done d = { tx->rc, tx->msg, tx->cs, tx->ncs };

	if (tx->group) {
		metric_observe(&commit_seconds, tx->seconds);
		metric_observe(&batch_size, (double)tx->group);
	}
	if (tx->cb)
		tx->cb(tx->arg, &d);
	store_tx_free(tx);
}

/* Takes what is done; false: nothing. */
static bool take_done(struct store *s, struct store_tx **tx, struct store_read **r)
{
	pthread_mutex_lock(&s->lock);
	s->waking = false;
	*tx = s->written.first;
	*r = s->answered.first;
	s->written = (struct tx_list){ NULL, &s->written.first };
	s->answered = (struct read_list){ NULL, &s->answered.first };
	pthread_mutex_unlock(&s->lock);
	return *tx || *r;
}

/* What is submitted now is signalled later, with the rest: of a flood of 64 creates at a time, a
 * turn made one commit instead of eleven. */
static bool gathers(const struct store *s)
{
	return s->polling || s->o.turns;
}

/* Threads that wait are woken once all callbacks have submitted their next work: one group, not a
 * group of one and another of the rest. */
static void signal_threads(struct store *s)
{
	s->gathered = false;
	pthread_mutex_lock(&s->lock);
	if (s->writes.first && s->writer_waits)
		pthread_cond_signal(&s->write_due);
	if (s->reads.first && s->reader_waits)
		pthread_cond_signal(&s->read_due);
	pthread_mutex_unlock(&s->lock);
}

void store_poll(struct store *s)
{
	struct store_tx *tx;
	struct store_read *r;

	if (s->polling || !take_done(s, &tx, &r))
		return;
	s->polling = true;
	while (tx) {
		struct store_tx *next = tx->next;

		answer_write(tx);
		tx = next;
	}
	while (r) {
		struct store_read *next = r->next;

		r->cb(r->arg, &r->rows);
		read_free(r);
		r = next;
	}
	s->polling = false;
	if (!gathers(s))
		signal_threads(s);
}

void store_turn(struct store *s)
{
	if (s->gathered)
		signal_threads(s);
}

bool store_step(struct store *s)
{
	bool any = s->writes.first || s->reads.first;

	assert(s->o.stepped);
	if (s->writes.first) {
		struct store_tx *group = take_group(s);

		engine_group(s->engine, group);
		deliver(s, group);
	}
	if (s->reads.first)
		answer_reads(s, take_reads(s));
	if (engine_wants_slice(s->engine))
		engine_slice(s->engine);
	if (engine_backup_wait(s->engine) >= 0)
		engine_backup_slice(s->engine);
	store_poll(s);
	return any;
}

/* Its answer takes its turn in the queue, like those of the others. */
static void tx_refuse(struct store_tx *tx, const char *why)
{
	store_tx_drop(tx);
	tx->refused = true;
	tx->nops = tx->bytes = 0;
	store_tx_fail(tx, STORE_IO, "%s", why);
}

void store_commit(struct store *s, struct store_tx *tx, store_commit_cb cb, void *arg)
{
	struct tx_list *to = s->closed ? &s->written : &s->writes;

	tx->cb = cb;
	tx->arg = arg;
	tx->next = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->closed)
		tx_refuse(tx, "the store is closed");
	else if (s->stats.queued_bytes + tx->bytes > s->o.queue_bytes)
		tx_refuse(tx, "busy: too many bytes wait to be written");
	s->stats.queued_ops += tx->nops;
	s->stats.queued_bytes += tx->bytes;
	*to->last = tx;
	to->last = &tx->next;
	s->gathered = true;
	if (s->writer_waits && !gathers(s))
		pthread_cond_signal(&s->write_due);
	pthread_mutex_unlock(&s->lock);
}

void store_stats(struct store *s, struct store_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->stats;
	pthread_mutex_unlock(&s->lock);
}

/* A refused read has its error already; it takes its turn in the queue, like the others. */
void store_read_submit(struct store *s, struct store_read *r)
{
	struct read_list *to = s->closed ? &s->answered : &s->reads;

	pthread_mutex_lock(&s->lock);
	if (s->closed)
		r->error = xstrdup("the store is closed");
	else if (s->nreads >= QUEUE_READS)
		r->error = xstrdup("busy: too many reads wait");
	r->rows.error = r->error;
	s->nreads++;
	*to->last = r;
	to->last = &r->next;
	s->gathered = true;
	if (s->reader_waits && !gathers(s))
		pthread_cond_signal(&s->read_due);
	pthread_mutex_unlock(&s->lock);
}
