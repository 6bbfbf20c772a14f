/*
 * store_sqlite.h - inside the SQLite engine: its state and what its files call of each other.
 * Private to store_sqlite*.c; nothing else sees <sqlite3.h>.
 *
 * Failures: a reason that concerns one transaction (a name is taken, a container is gone) is its
 * enum store_rc.  A failure of SQLite itself is noted once in engine.bad; whoever sees it returns
 * at once, and the whole group is rolled back.
 */
#pragma once

#include <sqlite3.h>

#include "store_engine.h"

extern const char *const store_schema[]; /* step i: from version i to i + 1 */
extern const int store_schema_version;

#define STORE_APPLICATION_ID 0x6d6f6f32 /* "moo2", in the file's header */

/* A row r of res that no subtree deletion in progress has taken. */
#define SQL_ALIVE                                                                                  \
	"NOT EXISTS(SELECT 1 FROM main.gc_tree g WHERE r.path>=g.lo AND r.path<g.hi"               \
	" AND r.id<=g.maxid)"

enum { SEQ_RES, SEQ_NTF, SEQ_TGT, SEQ_AUD, SEQS };

/* clang-format off */
enum engine_sql {
	Q_BEGIN, Q_COMMIT, Q_ROLLBACK, Q_SAVE, Q_UNDO, Q_KEEP,
	Q_RES_PATH, Q_RES_SET_READ, Q_RES_PUT, Q_RES_SET, Q_RES_HOLDERS, Q_RES_BELOW, Q_RES_WIPE,
	Q_LBL_VALID, Q_LBL_ADD, Q_LBL_WIPE,
	Q_GEO_PUT, Q_GEO_WIPE, Q_GEO_WIPE_RANGE, Q_GEO_SOME,
	Q_CS_GET, Q_CS_PUT, Q_CS_SET, Q_CS_WIPE,
	Q_CIN_PUT, Q_CIN_AT, Q_CIN_NAMED, Q_CIN_MARKED, Q_CIN_TOP, Q_CIN_UP, Q_CIN_DOWN, Q_CIN_NEXT, Q_CIN_WIPE,
	Q_CIN_WIPE_RANGE, Q_CIN_SLICE,
	Q_NTF_PUT, Q_NTF_WIPE, Q_TGT_ACK, Q_TGT_PUT, Q_TGT_WIPE, Q_AUD_PUT, Q_AUD_AT, Q_AUD_WIPE,
	Q_EVT_PUT, Q_EVT_WIPE, Q_META_PUT, Q_META_WIPE, Q_SEQ_PUT, Q_SEQ_ALL,
	Q_TREE_PUT, Q_TREE_WIPE, Q_TREE_ALL, Q_GC_PUT, Q_GC_AT, Q_GC_FIRST, Q_GC_WIPE,
	QUERIES
};
/* clang-format on */

/* A container's hot row, cached; written back once per group. */
struct cs_row {
	struct cs_row *next; /* of the hash bucket */
	int64_t top; /* no mark is higher; STORE_NULL: not known */
	int64_t cid, st, cni, cbs, ol, lt, mni, mbs, mia;
	bool dirty;
	uint64_t txno; /* last transaction that changed it */
};

/* What a transaction did to a cached row, for undo and for its answer. */
struct cs_change {
	enum { CS_CHANGED, CS_ADDED, CS_DROPPED } what;
	struct cs_row before;
};

#define CS_BUCKETS 16384
#define CS_MAX 65536 /* cached rows; past it the cache starts anew after the group */

struct cs_cache {
	struct cs_row *bucket[CS_BUCKETS];
	size_t n;
	struct cs_change *change; /* of the current transaction */
	size_t nchange, change_cap;
	int64_t *dirty; /* cids to write back; may name rows that are clean or gone */
	size_t ndirty, dirty_cap;
};

/* A subtree that is deleted and not yet wiped. */
struct gc_tree {
	int64_t id;
	char *lo, *hi;
	int64_t maxid;
};

struct backup; /* store_sqlite_backup.c */

struct engine {
	sqlite3 *db;
	struct backup *backup;
	int lock_fd;
	sqlite3_stmt *stmt[QUERIES];
	int bad; /* SQLite's code of the failure that ends the group; 0: none */
	char why[300]; /* its text */
	bool stale; /* caches were dropped and could not be read back yet */
	int64_t complained; /* clock_mono of the last log line about a failure; 0: healthy */

	uint64_t txno;
	struct cs_cache cs;
	int64_t hi[SEQS], hi_saved[SEQS]; /* highest id used; as in the table seq */

	struct buf evt; /* texts of this group for one row of the table evt */
	int64_t evt_last; /* its id */

	struct gc_tree *tree;
	size_t ntree, tree_cap;
	int64_t tree_next; /* id of the next gc_tree row */
	char *cursor; /* path reached in tree[0] */
	bool gc_inst; /* the table gc_inst may hold rows */
	bool located; /* the table geo may hold rows */
	int64_t gc_after; /* clock_mono: not before, after a failure */
	long budget; /* rows that deletions of this group may still wipe at once */

	int log_pages, log_base; /* pages in the write-ahead log; at the last checkpoint */
	bool log_dirty; /* some of them are not in the file yet */
};

/* ---- locations (store_sqlite_geo.c); false: engine.bad ---- */

bool geo_load(struct engine *g) MUSTCHECK;
/* A resource's attributes, JSON text, as they are now; with or without a location. */
bool geo_set_res(struct engine *g, int64_t id, struct str doc);
bool geo_wipe_res(struct engine *g, int64_t id) MUSTCHECK;
/* row: of the table cin; att: as its column. */
bool geo_put_inst(struct engine *g, int64_t row, struct str att);
bool geo_wipe_inst(struct engine *g, int64_t row) MUSTCHECK;
/* Of instances with first <= st < below, before they are wiped. */
bool geo_wipe_insts(struct engine *g, int64_t cid, int64_t first, int64_t below) MUSTCHECK;

/* ---- statements (store_sqlite.c) ---- */
sqlite3_stmt *engine_stmt(struct engine *g, enum engine_sql q);
enum sql_step { SQL_DONE, SQL_ROW, SQL_TAKEN, SQL_BAD };
enum sql_step engine_step(struct engine *g,
			  sqlite3_stmt *s); /* SQL_TAKEN: a unique index refused */
enum sql_step engine_run(struct engine *g, sqlite3_stmt *s); /* step, then reset */
enum sql_step engine_do(struct engine *g, enum engine_sql q); /* without parameters */
void engine_bad(struct engine *g); /* notes the connection's error */
bool engine_begin(struct engine *g); /* a group or slice */
bool engine_end(struct engine *g); /* writes back and commits */
void engine_abort(struct engine *g); /* nothing of it remains, in the file or in memory */
const char *store_sql_text(enum engine_sql q);
void store_sql_reason(sqlite3 *db, int rc, char *out, size_t n);

void bind_str(sqlite3_stmt *s, int i, struct str v); /* borrowed until the statement has run */
void bind_blob(sqlite3_stmt *s, int i, struct str v);
void bind_int(sqlite3_stmt *s, int i, int64_t v); /* STORE_NULL: NULL */
int64_t column_int(sqlite3_stmt *s, int i); /* NULL: STORE_NULL */
struct str column_str(sqlite3_stmt *s, int i);

/* "store PATH: " and the error of db; false. */
bool store_sql_fail(sqlite3 *db, struct err *e);
/* Opens one connection with the settings both kinds share; NULL: e. */
sqlite3 *store_sql_connect(const char *path, int flags, struct err *e);

/* ---- checksums of pages (store_sqlite_sums.c, store_sqlite_whole.c) ---- */
#define STORE_PAGE_BYTES 4096
#define STORE_SUM_BYTES 8 /* at the end of each page */
#define STORE_SUMS "sums" /* of meta: 1 when pages have them */
#define STORE_VFS "moon2m" /* SQLite's name of the layer that writes and compares them */
void store_sql_sums(void); /* adds the layer, once */
/* The page whose sum this thread last found wrong, and forgets it; 0: none. */
int64_t store_sql_damaged_page(void);
/* Pages of an empty file get sums when another's have them, whichever is written first. */
void store_sql_sums_like(sqlite3 *to, sqlite3 *from);
/* False: the file has lost its end, or its header is no moon2m store's. */
bool store_sql_whole(const char *path, struct err *e);
/* Before the first page of a new file is written: its pages get sums. */
bool store_sql_sums_begin(sqlite3 *db, struct err *e);
/* False: the pages had sums, and the header does not say so any more. */
bool store_sql_sums_kept(sqlite3 *db, struct err *e);
/* Once the tables are there: notes that the pages have sums, refuses a file that has lost them, gives
 * them to a file without when it is small. */
bool store_sql_sums_note(sqlite3 *db, struct err *e);
/* Gives each page a sum, the file may have any size: everything is written anew. */
bool store_sql_sums_add(sqlite3 *db, struct err *e);

/* ---- operations (store_sqlite_ops.c) ---- */
enum store_rc engine_apply(struct engine *g, struct store_tx *tx, const struct store_op *op);

/* ---- containers and instances (store_sqlite_cs.c) ---- */
struct cs_row *cs_get(struct engine *g, int64_t cid); /* NULL: none, or engine.bad */
struct cs_row *cs_change(struct engine *g,
			 struct cs_row *c); /* call before changing c; marks it dirty */
void cs_add(struct engine *g, const struct cs_row *row); /* was just inserted */
void cs_drop(struct engine *g, struct cs_row *c); /* was just deleted */
void cs_begin(struct engine *g); /* a transaction begins: nothing changed so far */
void cs_undo(struct engine *g);
void cs_answer(struct engine *g, struct store_tx *tx);
bool cs_flush(struct engine *g); /* writes what is dirty */
void cs_trim(struct engine *g);
void cs_clear(struct engine *g); /* forgets everything */
void cs_free(struct engine *g);

/* Evicts the oldest while c exceeds its limits.  coming: size of an instance already counted in c
 * that is not in the table yet and never evicted, or -1; next: c->ol when no other is left. */
bool cs_evict(struct engine *g, struct cs_row *c, int64_t coming, int64_t next);
bool cs_wipe_inst(struct engine *g, int64_t cid, int64_t st, int64_t rowid);

/* ---- deletion (store_sqlite_gc.c) ---- */
bool gc_alive(struct engine *g, int64_t id); /* false also when engine.bad */
bool gc_hidden(const struct engine *g, struct str path, int64_t id);
bool gc_clear(struct engine *g, struct str path,
	      struct str aei); /* wipes hidden rows that hold these */
bool gc_owes(struct engine *g, int64_t id); /* its instances of before wait to be wiped */
bool gc_delete(struct engine *g, int64_t id);
bool gc_add_inst(struct engine *g, int64_t cid, int64_t below);
void gc_truncate(struct engine *g, size_t n);
bool gc_load(struct engine *g);

/* ---- backup (store_sqlite_backup.c) ---- */
struct backup *backup_new(const char *path); /* of the store */
void backup_free(struct backup *b); /* stops it, b may be NULL */
