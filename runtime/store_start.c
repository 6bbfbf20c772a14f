/*
 * store_start.c - what is asked of the store before the loop runs, and the beginning and end of a
 * backup.  The scans run on the calling thread, under the reader's lock.
 */
#include "store_int.h"

/* ---- start ----------------------------------------------------------------------------------- */

void store_scan_ntf(struct store *s,
		    void (*fn)(void *arg, int64_t id, int64_t et, struct str members,
			       size_t body_len),
		    void *arg)
{
	pthread_mutex_lock(&s->read_lock);
	engine_scan_ntf(s->reader, fn, arg);
	pthread_mutex_unlock(&s->read_lock);
}

void store_scan_tgt(struct store *s,
		    void (*fn)(void *arg, int64_t id, struct str key, int64_t acked), void *arg)
{
	pthread_mutex_lock(&s->read_lock);
	engine_scan_tgt(s->reader, fn, arg);
	pthread_mutex_unlock(&s->read_lock);
}

void store_scan_aud(struct store *s, void (*fn)(void *arg, int64_t id, struct str members),
		    void *arg)
{
	pthread_mutex_lock(&s->read_lock);
	engine_scan_aud(s->reader, fn, arg);
	pthread_mutex_unlock(&s->read_lock);
}

int64_t store_max_id(struct store *s, const char *table)
{
	int64_t id;

	pthread_mutex_lock(&s->read_lock);
	id = engine_max_id(s->reader, table);
	pthread_mutex_unlock(&s->read_lock);
	return id;
}

bool store_meta(struct store *s, const char *k, struct buf *v)
{
	bool found;

	pthread_mutex_lock(&s->read_lock);
	found = engine_meta(s->reader, k, v);
	pthread_mutex_unlock(&s->read_lock);
	return found;
}

/* ---- backup ---------------------------------------------------------------------------------- */

bool store_backup_begin(struct store *s, struct err *e)
{
	if (!engine_backup_begin(s->engine, e))
		return false;
	store_commit(s, store_tx_new(s), NULL, NULL); /* wakes the storage thread */
	return true;
}

void store_backup_look(struct store *s, struct store_backup *out)
{
	engine_backup_look(s->engine, out);
}

void store_backup_end(struct store *s)
{
	engine_backup_end(s->engine);
	store_commit(s, store_tx_new(s), NULL, NULL);
}
