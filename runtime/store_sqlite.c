/*
 * store_sqlite.c - the embedded engine: one SQLite file, write-ahead log, synchronous=FULL.  Opens
 * it (schema, migrations, lock), runs groups of transactions and moves the log into the file.
 *
 * Exactly one connection writes and checkpoints; readers are read-only, opened after it and closed
 * before it.  COMPAT: SQLite before 3.51.3 can corrupt the file when two connections write or
 * checkpoint at once.
 * A group is one SQLite transaction; a failure of SQLite fails the group, drops the caches, and the
 * next group starts from what is on disk.
 */
#include "store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "owner.h"

#define LOG_PAGES 1000 /* checkpoint when this many were written since the last one */
#define COMPLAIN_US (10 * 1000000LL) /* between log lines about a failure that lasts */
#define WIPE_BUDGET 512 /* rows that one group's deletions wipe at once */

static const char *const setup[] = {
	"PRAGMA page_size=4096",
	"PRAGMA journal_mode=WAL",
	"PRAGMA synchronous=FULL",
	"PRAGMA wal_autocheckpoint=0",
	"PRAGMA journal_size_limit=67108864",
	"PRAGMA cache_size=-65536",
};

/* ---- statements ------------------------------------------------------------------------------ */

/* The error of db as a person reads it. */
void store_sql_reason(sqlite3 *db, int rc, char *out, size_t n)
{
	int code = db ? sqlite3_extended_errcode(db) : rc;
	const char *text = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
	int64_t page;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		snprintf(out, n, "the disk is full");
		break;
	case SQLITE_IOERR:
		snprintf(out, n, "disk error %d: %s", code,
			 db && sqlite3_system_errno(db) ? strerror(sqlite3_system_errno(db))
							: text);
		break;
	case SQLITE_CORRUPT:
		page = store_sql_damaged_page();
		if (page)
			snprintf(out, n,
				 "the store is damaged: page %lld does not match its"
				 " checksum",
				 (long long)page);
		else
			snprintf(out, n, "the store is damaged: %s", text);
		break;
	case SQLITE_NOTADB:
		snprintf(out, n, "the file is not a moon2m store: %s", text);
		break;
	default:
		snprintf(out, n, "%s (SQLite %d)", text, code);
	}
}

void engine_bad(struct engine *g)
{
	if (g->bad)
		return;
	g->bad = sqlite3_errcode(g->db);
	if (g->bad == SQLITE_OK || g->bad == SQLITE_DONE || g->bad == SQLITE_ROW)
		g->bad = SQLITE_ERROR;
	store_sql_reason(g->db, g->bad, g->why, sizeof(g->why));
}

sqlite3_stmt *engine_stmt(struct engine *g, enum engine_sql q)
{
	if (!g->stmt[q] && sqlite3_prepare_v3(g->db, store_sql_text(q), -1,
					      SQLITE_PREPARE_PERSISTENT, &g->stmt[q], NULL))
		engine_bad(g);
	return g->stmt[q];
}

enum sql_step engine_step(struct engine *g, sqlite3_stmt *s)
{
	int rc;

	if (!s || g->bad)
		return SQL_BAD;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		return SQL_ROW;
	if (rc == SQLITE_DONE)
		return SQL_DONE;
	if (rc == SQLITE_CONSTRAINT && sqlite3_extended_errcode(g->db) != SQLITE_CONSTRAINT_NOTNULL)
		return SQL_TAKEN;
	engine_bad(g);
	return SQL_BAD;
}

enum sql_step engine_run(struct engine *g, sqlite3_stmt *s)
{
	enum sql_step r = engine_step(g, s);

	sqlite3_reset(s);
	return r;
}

enum sql_step engine_do(struct engine *g, enum engine_sql q)
{
	return engine_run(g, engine_stmt(g, q));
}

void bind_str(sqlite3_stmt *s, int i, struct str v)
{
	if (v.p)
		sqlite3_bind_text64(s, i, v.p, v.n, SQLITE_STATIC, SQLITE_UTF8);
	else
		sqlite3_bind_null(s, i);
}

void bind_blob(sqlite3_stmt *s, int i, struct str v)
{
	sqlite3_bind_blob64(s, i, v.n ? v.p : "", v.n, SQLITE_STATIC);
}

void bind_int(sqlite3_stmt *s, int i, int64_t v)
{
	if (v == STORE_NULL)
		sqlite3_bind_null(s, i);
	else
		sqlite3_bind_int64(s, i, v);
}

int64_t column_int(sqlite3_stmt *s, int i)
{
	return sqlite3_column_type(s, i) == SQLITE_NULL ? STORE_NULL : sqlite3_column_int64(s, i);
}

struct str column_str(sqlite3_stmt *s, int i)
{
	const char *p = sqlite3_column_blob(s, i);
	size_t n = (size_t)sqlite3_column_bytes(s, i);

	if (!p && sqlite3_column_type(s, i) != SQLITE_NULL)
		p = "";
	return (struct str){ p, n };
}

/* ---- opening --------------------------------------------------------------------------------- */

sqlite3 *store_sql_connect(const char *path, int flags, struct err *e)
{
	sqlite3 *db = NULL;
	char why[300];
	int rc;

	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* fails after the first connection: harmless */
	store_sql_sums();
	rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, STORE_VFS);
	if (rc) {
		store_sql_reason(db, rc, why, sizeof(why));
		err_set(e, "store %s: %s", path, why);
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_extended_result_codes(db, 0);
	sqlite3_busy_timeout(db, 5000);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_exec(db, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
	return db;
}

/* A lock file beside the store: descriptors of the store itself are SQLite's business.  Closing one
 * would drop SQLite's own locks. */
static int lock_take(const char *path, struct err *e)
{
	size_t n = strlen(path) + sizeof("-lock");
	char *name = xmalloc(n), owner[24] = "";
	int fd, r;

	snprintf(name, n, "%s-lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_set(e, "store: cannot open %s: %s", name, strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = (int)pread(fd, owner, sizeof(owner) - 1, 0);
		owner[r > 0 ? strcspn(owner, "\n") : 0] = '\0';
		err_set(e, "store %s is in use by %s%s", path,
			*owner ? "process " : "another process", owner);
		close(fd);
		fd = -1;
	} else {
		owner_as_folder(fd, name);
		r = snprintf(owner, sizeof(owner), "%ld\n", (long)getpid());
		/* The number is for the message above only: not writing it costs nothing else. */
		if (ftruncate(fd, 0) || pwrite(fd, owner, (size_t)r, 0) != r)
			log_debug("store", "the lock file does not say who holds it");
	}
	free(name);
	return fd;
}

/* Makes the file with mode 0600, or narrows the mode of an existing one. */
static bool file_prepare(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	bool ok = true;

	if (fd < 0)
		return err_set(e, "store: cannot open %s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		ok = err_set(e, "store: %s is not a regular file", path);
	else if ((st.st_mode & 077) && fchmod(fd, 0600))
		ok = err_set(e, "store: cannot make %s private: %s", path, strerror(errno));
	close(fd);
	return ok;
}

static bool fail_open(struct engine *g, struct err *e)
{
	return store_sql_fail(g->db, e);
}

/* One integer of a query without parameters; -1 when it gives no row; false: SQLite failed. */
static bool ask_int(struct engine *g, const char *sql, int64_t *out)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(g->db, sql, -1, &s, NULL);

	*out = -1;
	if (!rc) {
		rc = sqlite3_step(s);
		if (rc == SQLITE_ROW)
			*out = sqlite3_column_int64(s, 0);
	}
	sqlite3_finalize(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool schema_step(struct engine *g, int version, struct err *e)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "INSERT OR REPLACE INTO meta VALUES('schema','%d');"
		 "PRAGMA application_id=%d; COMMIT",
		 version + 1, STORE_APPLICATION_ID);
	if (sqlite3_exec(g->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) ||
	    sqlite3_exec(g->db, store_schema[version], NULL, NULL, NULL) ||
	    sqlite3_exec(g->db, sql, NULL, NULL, NULL))
		return fail_open(g, e);
	return true;
}

static bool schema_update(struct engine *g, struct err *e)
{
	const char *path = sqlite3_db_filename(g->db, "main");
	int64_t tables, app, version = 0;

	if (!ask_int(g, "SELECT count(*) FROM sqlite_schema", &tables) ||
	    !ask_int(g, "PRAGMA application_id", &app))
		return fail_open(g, e);
	if (tables && app != STORE_APPLICATION_ID)
		return err_set(e, "store %s is an SQLite database, but not a moon2m store", path);
	if (tables && !ask_int(g, "SELECT CAST(v AS INT) FROM meta WHERE k='schema'", &version))
		return fail_open(g, e);
	if (version < 0 || (tables && version == 0))
		return err_set(e, "store %s is damaged: it does not say its schema version", path);
	if (version > store_schema_version)
		return err_set(
		    e, "store %s has schema version %lld, this moon2m knows %d: use a newer moon2m",
		    path, (long long)version, store_schema_version);
	for (; version < store_schema_version; version++)
		if (!schema_step(g, (int)version, e))
			return false;
	return true;
}

/* Called by SQLite after each commit with the length of the log. */
static int log_grew(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct engine *g = arg;

	(void)db;
	(void)name;
	if (pages < g->log_pages) /* it began anew */
		g->log_base = 0;
	g->log_pages = pages;
	g->log_dirty = true;
	return SQLITE_OK;
}

static bool is_wal(struct engine *g)
{
	sqlite3_stmt *s = NULL;
	bool wal = !sqlite3_prepare_v2(g->db, "PRAGMA journal_mode", -1, &s, NULL) &&
		   sqlite3_step(s) == SQLITE_ROW && str_is(column_str(s, 0), "wal");

	sqlite3_finalize(s);
	return wal;
}

static bool engine_setup(struct engine *g, struct err *e)
{
	size_t i;

	if (!store_sql_sums_begin(g->db, e))
		return false;
	for (i = 0; i < countof(setup); i++)
		if (sqlite3_exec(g->db, setup[i], NULL, NULL, NULL))
			return fail_open(g, e);
	if (!is_wal(g))
		return err_set(e, "store %s: the file system allows no write-ahead log",
			       sqlite3_db_filename(g->db, "main"));
	if (!schema_update(g, e) || !store_sql_sums_note(g->db, e))
		return false;
	sqlite3_wal_hook(g->db, log_grew, g);
	/* The first look at every table: a root page that cannot be read is told now. */
	if (!gc_load(g))
		return err_set(e, "store %s: %s", sqlite3_db_filename(g->db, "main"), g->why);
	g->gc_inst = true;
	g->log_dirty = true;
	return true;
}

struct engine *engine_open(const char *path, struct err *e)
{
	struct engine *g = xcalloc(1, sizeof(*g));

	g->lock_fd = lock_take(path, e);
	if (g->lock_fd >= 0 && file_prepare(path, e) && store_sql_whole(path, e))
		g->db = store_sql_connect(path, SQLITE_OPEN_READWRITE, e);
	if (!g->db || !engine_setup(g, e)) {
		engine_close(g);
		return NULL;
	}
	g->backup = backup_new(path);
	return g;
}

void engine_close(struct engine *g)
{
	size_t i;

	if (!g)
		return;
	backup_free(g->backup);
	for (i = 0; i < QUERIES; i++)
		sqlite3_finalize(g->stmt[i]);
	if (g->db && sqlite3_get_autocommit(g->db))
		sqlite3_wal_checkpoint_v2(g->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_close(g->db);
	cs_free(g);
	gc_truncate(g, 0);
	free(g->tree);
	free(g->cursor);
	buf_free(&g->evt);
	if (g->lock_fd >= 0)
		close(g->lock_fd);
	free(g);
}

/* ---- the group ------------------------------------------------------------------------------- */

/* Runs one transaction inside the group.  False: engine.bad. */
static bool tx_run(struct engine *g, struct store_tx *tx)
{
	size_t ntree = g->ntree, nevt = g->evt.n;
	struct store_op *op;

	store_tx_reset(tx);
	cs_begin(g);
	if (tx->careful && engine_do(g, Q_SAVE) == SQL_BAD)
		return false;
	for (op = tx->first; op && tx->rc == STORE_OK; op = op->next)
		tx->rc = engine_apply(g, tx, op);
	/* Without a savepoint it was refused before its first write. */
	if (tx->rc != STORE_OK && !g->bad && tx->careful) {
		engine_do(g, Q_UNDO);
		cs_undo(g);
		gc_truncate(g, ntree);
		g->evt.n = nevt;
	}
	if (tx->careful && !g->bad)
		engine_do(g, Q_KEEP);
	if (tx->rc == STORE_OK && !g->bad)
		cs_answer(g, tx);
	return !g->bad;
}

static bool seq_flush(struct engine *g)
{
	static const char *const name[SEQS] = { "res", "ntf", "tgt", "aud" };
	int i;

	for (i = 0; i < SEQS; i++) {
		sqlite3_stmt *s;

		if (g->hi[i] <= g->hi_saved[i])
			continue;
		s = engine_stmt(g, Q_SEQ_PUT);
		bind_str(s, 1, str_of(name[i]));
		bind_int(s, 2, g->hi[i]);
		if (engine_run(g, s) != SQL_DONE)
			return false;
		g->hi_saved[i] = g->hi[i];
	}
	return true;
}

/* The texts of this group, as one row. */
static bool evt_flush(struct engine *g)
{
	sqlite3_stmt *s;

	if (!g->evt.n)
		return true;
	s = engine_stmt(g, Q_EVT_PUT);
	bind_int(s, 1, g->evt_last);
	bind_str(s, 2, buf_view(&g->evt));
	return engine_run(g, s) == SQL_DONE;
}

/* After a failure: nothing of the group remains, in the file or in memory. */
void engine_abort(struct engine *g)
{
	size_t i;

	for (i = 0; i < QUERIES; i++)
		if (g->stmt[i])
			sqlite3_reset(g->stmt[i]);
	if (!sqlite3_get_autocommit(g->db))
		sqlite3_exec(g->db, "ROLLBACK", NULL, NULL, NULL);
	cs_clear(g);
	gc_truncate(g, 0);
	g->stale = true;
}

bool engine_begin(struct engine *g)
{
	g->bad = 0;
	buf_clear(&g->evt);
	g->evt_last = 0;
	if (g->stale && !gc_load(g))
		return false;
	g->stale = false;
	g->budget = WIPE_BUDGET;
	return engine_do(g, Q_BEGIN) == SQL_DONE;
}

bool engine_end(struct engine *g)
{
	if (!cs_flush(g) || !seq_flush(g) || !evt_flush(g) || engine_do(g, Q_COMMIT) != SQL_DONE)
		return false;
	cs_trim(g);
	return true;
}

static bool group_try(struct engine *g, struct store_tx *list)
{
	struct store_tx *tx;
	bool ok = engine_begin(g);

	for (tx = list; tx && ok; tx = tx->next)
		if (!tx->refused)
			ok = tx_run(g, tx);
	ok = ok && engine_end(g);
	if (!ok)
		engine_abort(g);
	return ok;
}

static void complain(struct engine *g, size_t n)
{
	int64_t now = clock_mono();

	if (g->complained && now - g->complained < COMPLAIN_US)
		return;
	g->complained = now ? now : 1;
	log_error("store", "commit failed transactions=%zu reason=\"%s\"", n, g->why);
}

/* A fault in one place (a damaged page) must not fail those who do not touch it. */
static bool worth_splitting(const struct engine *g, const struct store_tx *list)
{
	int code = g->bad & 0xff;

	return list->next && code != SQLITE_FULL && code != SQLITE_IOERR && code != SQLITE_NOMEM;
}

static void group_run(struct engine *g, struct store_tx *list, size_t n)
{
	struct store_tx *tx, *next;

	if (group_try(g, list)) {
		if (g->complained)
			log_info("store", "commits work again");
		g->complained = 0;
		return;
	}
	if (worth_splitting(g, list)) {
		for (tx = list; tx; tx = next) {
			next = tx->next;
			tx->next = NULL;
			group_run(g, tx, 1);
			tx->next = next;
		}
		return;
	}
	complain(g, n);
	for (tx = list; tx; tx = tx->next)
		if (!tx->refused)
			store_tx_fail(tx, STORE_IO, "%s", g->why);
}

void engine_group(struct engine *g, struct store_tx *list)
{
	int64_t start = clock_mono();
	struct store_tx *tx;
	size_t n = 0;

	for (tx = list; tx; tx = tx->next)
		n += !tx->refused;
	if (n)
		group_run(g, list, n);
	list->group = n;
	list->seconds = (double)(clock_mono() - start) / 1e6;
}

/* ---- the log --------------------------------------------------------------------------------- */

bool engine_unsettled(const struct engine *g)
{
	return g->log_dirty || g->ntree || g->gc_inst;
}

void engine_checkpoint(struct engine *g, bool idle)
{
	int pages = 0, done = 0;

	if (!g->log_dirty || (!idle && g->log_pages - g->log_base < LOG_PAGES))
		return;
	g->log_base = g->log_pages;
	/* A failure (disk full) leaves the log as it is; the next call tries again. */
	if (sqlite3_wal_checkpoint_v2(g->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &done) ==
	    SQLITE_OK)
		g->log_dirty = done < pages;
}
