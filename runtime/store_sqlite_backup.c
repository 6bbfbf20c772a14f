/*
 * store_sqlite_backup.c - a copy of the store while it is used, by SQLite's backup API, with the
 * writing connection as its source: what is written meanwhile goes into the copy too, so that it
 * never has to begin again, and the copy is the store of the moment at which it is complete.
 * Guarantees: commits wait for a slice at most; nothing of a copy that was stopped or failed is left,
 * nor of one whose process was killed, once the next has started.
 * Must never: fsync; that would hold up the storage thread.
 */
#include "store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define SLICE_US 2000 /* of copying between two groups */
#define PAUSE_MS 2 /* between two slices: for the disk, and for who waits for it */
#define SLICE_PAGES 16 /* between looks at the clock */
#define FORGOTTEN_US 30000000LL /* nobody asked how far it is */
/* 4 MiB of the copy in memory; it is written without fsync, and without a journal on disk. */
#define SETTINGS                                                                                   \
	"PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"       \
	"PRAGMA cache_size=-4096"

struct backup {
	char *path; /* of the copy */

	/* storage thread only */
	sqlite3 *to;
	sqlite3_backup *copy;
	int64_t due; /* clock_mono of the next slice */

	pthread_mutex_t lock; /* everything below */
	bool stop; /* asked for */
	int64_t looked; /* clock_mono of the last look */
	struct store_backup at;
};

struct backup *backup_new(const char *path)
{
	struct backup *b = xcalloc(1, sizeof(*b));
	size_t n = strlen(path) + sizeof(STORE_BACKUP);

	b->path = xmalloc(n);
	snprintf(b->path, n, "%s" STORE_BACKUP, path);
	pthread_mutex_init(&b->lock, NULL);
	unlink(b->path); /* what a process that was killed left */
	return b;
}

/* Closes the copy. */
static void finish(struct backup *b, bool whole)
{
	sqlite3_backup_finish(b->copy);
	sqlite3_close(b->to);
	b->copy = NULL;
	b->to = NULL;
	if (!whole)
		unlink(b->path);
}

void backup_free(struct backup *b)
{
	if (!b)
		return;
	finish(b, b->at.state != STORE_BACKUP_RUNS);
	pthread_mutex_destroy(&b->lock);
	free(b->path);
	free(b);
}

/* ---- any thread ------------------------------------------------------------------------------ */

bool engine_backup_begin(struct engine *g, struct err *e)
{
	struct backup *b = g->backup;
	int64_t now = clock_mono();
	bool ok = true;

	pthread_mutex_lock(&b->lock);
	if (b->at.state == STORE_BACKUP_RUNS ||
	    (b->at.state == STORE_BACKUP_DONE && now - b->looked < FORGOTTEN_US))
		ok = err_set(e, "another backup is under way");
	else
		b->at = (struct store_backup){ .state = STORE_BACKUP_RUNS };
	if (ok) {
		b->looked = now;
		b->stop = false;
	}
	pthread_mutex_unlock(&b->lock);
	return ok;
}

void engine_backup_look(struct engine *g, struct store_backup *out)
{
	struct backup *b = g->backup;

	pthread_mutex_lock(&b->lock);
	b->looked = clock_mono();
	*out = b->at;
	pthread_mutex_unlock(&b->lock);
}

void engine_backup_end(struct engine *g)
{
	struct backup *b = g->backup;

	pthread_mutex_lock(&b->lock);
	if (b->at.state == STORE_BACKUP_RUNS)
		b->stop = true;
	else
		b->at.state = STORE_BACKUP_NONE;
	pthread_mutex_unlock(&b->lock);
}

static bool runs(struct backup *b)
{
	bool does;

	pthread_mutex_lock(&b->lock);
	does = b->at.state == STORE_BACKUP_RUNS;
	pthread_mutex_unlock(&b->lock);
	return does;
}

/* ---- storage thread -------------------------------------------------------------------------- */

int engine_backup_wait(struct engine *g)
{
	int64_t left;

	if (!runs(g->backup))
		return -1;
	left = g->backup->due - clock_mono();
	return left <= 0 ? 0 : (int)(left / 1000) + 1;
}

static void settle(struct backup *b, enum store_backup_state state, const char *why)
{
	finish(b, state == STORE_BACKUP_DONE);
	pthread_mutex_lock(&b->lock);
	b->at.state = state;
	snprintf(b->at.why, sizeof(b->at.why), "%s", why);
	pthread_mutex_unlock(&b->lock);
	if (state == STORE_BACKUP_DONE)
		log_info("store", "backup copied bytes=%lld", (long long)b->at.total);
	else
		log_warn("store", "backup ended reason=\"%s\"", why);
}

static void settle_failed(struct backup *b, int rc)
{
	char why[300];

	store_sql_reason(b->to, rc, why, sizeof(why));
	settle(b, STORE_BACKUP_FAILED, why);
}

/* False: it has failed, and that is settled. */
static bool open_copy(struct engine *g, struct backup *b)
{
	struct err e = { 0 };
	char why[300];
	int fd;

	unlink(b->path);
	fd = open(b->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		snprintf(why, sizeof(why), "cannot make %s: %s", b->path, strerror(errno));
		settle(b, STORE_BACKUP_FAILED, why);
		return false;
	}
	close(fd);
	b->to = store_sql_connect(b->path, SQLITE_OPEN_READWRITE, &e);
	if (!b->to) {
		settle(b, STORE_BACKUP_FAILED, e.msg);
		return false;
	}
	sqlite3_exec(b->to, SETTINGS, NULL, NULL, NULL);
	store_sql_sums_like(b->to, g->db);
	b->copy = sqlite3_backup_init(b->to, "main", g->db, "main");
	if (!b->copy)
		settle_failed(b, sqlite3_errcode(b->to));
	return b->copy != NULL;
}

/* Whoever asked has gone, or wants no more. */
static const char *given_up(struct backup *b)
{
	const char *why = NULL;

	pthread_mutex_lock(&b->lock);
	if (b->stop)
		why = "stopped";
	else if (clock_mono() - b->looked > FORGOTTEN_US)
		why = "nobody asked how far it is";
	pthread_mutex_unlock(&b->lock);
	return why;
}

static void tell(struct backup *b)
{
	int64_t total = sqlite3_backup_pagecount(b->copy), left = sqlite3_backup_remaining(b->copy);

	pthread_mutex_lock(&b->lock);
	b->at.total = total * STORE_PAGE_BYTES;
	b->at.done = (total - left) * STORE_PAGE_BYTES;
	pthread_mutex_unlock(&b->lock);
}

void engine_backup_slice(struct engine *g)
{
	struct backup *b = g->backup;
	int64_t until = clock_mono() + SLICE_US;
	const char *why = given_up(b);
	int rc = SQLITE_OK;

	if (why) {
		settle(b, STORE_BACKUP_FAILED, why);
		return;
	}
	if (!b->copy && !open_copy(g, b))
		return;
	while (rc == SQLITE_OK && clock_mono() < until)
		rc = sqlite3_backup_step(b->copy, SLICE_PAGES);
	b->due = clock_mono() + PAUSE_MS * 1000;
	tell(b);
	if (rc == SQLITE_DONE)
		settle(b, STORE_BACKUP_DONE, "");
	else if (rc != SQLITE_OK && rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
		settle_failed(b, rc);
}
