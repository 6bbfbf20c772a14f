/*
 * store_sqlite_whole.c - whether a file is all there before SQLite trusts its header, and whether its
 * pages have checksums: a new file's do, a file of an earlier release gets them when it is small.
 */
#include <fcntl.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "store_sqlite.h"

#define HEADER_BYTES 100
#define PAGE_SIZE_AT 16
#define RESERVED_AT 20
#define SMALL (256LL << 20) /* a file up to this size gets its sums at a start: some seconds */

bool store_sql_fail(sqlite3 *db, struct err *e)
{
	char why[300];

	store_sql_reason(db, sqlite3_errcode(db), why, sizeof(why));
	return err_set(e, "store %s: %s", sqlite3_db_filename(db, "main"), why);
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool has_log(const char *path)
{
	struct buf log = BUF_INIT;
	struct stat st;
	bool there;

	buf_fmt(&log, "%s-wal", path);
	buf_char(&log, '\0');
	there = stat(log.p, &st) == 0 && st.st_size > 0;
	buf_free(&log);
	return there;
}

/* What decides how everything else is read. */
static bool header_good(const unsigned char *head)
{
	return head[PAGE_SIZE_AT] == STORE_PAGE_BYTES >> 8 && head[PAGE_SIZE_AT + 1] == 0 &&
	       (head[RESERVED_AT] == 0 || head[RESERVED_AT] == STORE_SUM_BYTES);
}

/* SQLite reads what is missing of a last page as zeros, which may be the content of an instance.  A
 * log beside the file may hold the page: then the log decides. */
bool store_sql_whole(const char *path, struct err *e)
{
	static const char magic[16] = "SQLite format 3";
	unsigned char head[HEADER_BYTES];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ours, cut;

	if (fd < 0)
		return err_set(e, "store: cannot open %s: %s", path, strerror(errno));
	ours = read(fd, head, sizeof(head)) == sizeof(head) && memcmp(head, magic, 16) == 0;
	cut = ours && fstat(fd, &st) == 0 && st.st_size % STORE_PAGE_BYTES != 0;
	close(fd);
	if (cut && !has_log(path))
		return err_set(e, "store %s is damaged: it was cut short", path);
	return !ours || header_good(head) ||
	       err_set(e, "store %s is damaged: its header is not that of a moon2m store", path);
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* One integer of a query; false: SQLite failed.  No row: -1. */
static bool ask(sqlite3 *db, const char *sql, int64_t *out, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	*out = -1;
	if (!rc) {
		rc = sqlite3_step(s);
		if (rc == SQLITE_ROW)
			*out = sqlite3_column_int64(s, 0);
	}
	sqlite3_finalize(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE || store_sql_fail(db, e);
}

/* n: bytes to reserve in the pages of what is written anew, -1: none.  What is reserved. */
static int reserve(sqlite3 *db, int n)
{
	sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &n);
	return n;
}

bool store_sql_sums_begin(sqlite3 *db, struct err *e)
{
	int64_t tables;

	if (!ask(db, "SELECT count(*) FROM sqlite_schema", &tables, e))
		return false;
	if (!tables)
		reserve(db, STORE_SUM_BYTES);
	return true;
}

static bool run(sqlite3 *db, const char *sql, struct err *e)
{
	return !sqlite3_exec(db, sql, NULL, NULL, NULL) || store_sql_fail(db, e);
}

/* Writes all of the file anew, by way of a temporary one. */
static bool rewrite(sqlite3 *db, struct err *e)
{
	bool ok;

	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 1);
	ok = run(db, "PRAGMA temp_store=FILE; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", e);
	sqlite3_exec(db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	return ok;
}

bool store_sql_sums_add(sqlite3 *db, struct err *e)
{
	if (reserve(db, -1) == STORE_SUM_BYTES)
		return true;
	reserve(db, STORE_SUM_BYTES);
	if (!rewrite(db, e))
		return false;
	log_info("store", "each page has a checksum now");
	return run(db, "INSERT OR REPLACE INTO meta VALUES('" STORE_SUMS "','1')", e);
}

static bool kept(sqlite3 *db, bool *has, int64_t *noted, struct err *e)
{
	if (!ask(db, "SELECT v FROM meta WHERE k='" STORE_SUMS "'", noted, e))
		return false;
	*has = reserve(db, -1) == STORE_SUM_BYTES;
	return *has || *noted != 1 ||
	       err_set(e,
		       "store %s is damaged: its header does not say that its pages have checksums",
		       sqlite3_db_filename(db, "main"));
}

bool store_sql_sums_kept(sqlite3 *db, struct err *e)
{
	int64_t noted;
	bool has;

	return kept(db, &has, &noted, e);
}

bool store_sql_sums_note(sqlite3 *db, struct err *e)
{
	int64_t noted, pages;
	struct err why;
	bool has;

	if (!kept(db, &has, &noted, e) || !ask(db, "PRAGMA page_count", &pages, e))
		return false;
	if (has)
		return noted == 1 || run(db, "INSERT INTO meta VALUES('" STORE_SUMS "','1')", e);
	if (pages * STORE_PAGE_BYTES > SMALL)
		log_warn("store",
			 "pages have no checksums: damage may stay unnoticed.  `moon2m verify"
			 " --repair` gives them some, while no server runs");
	else if (!store_sql_sums_add(db, &why))
		log_warn("store", "pages got no checksums reason=%s", log_quote(str_of(why.msg)));
	return true;
}
