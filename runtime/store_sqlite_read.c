/*
 * store_sqlite_read.c - the read-only connection: answers lists of reads, each list from one
 * snapshot.  Rows that are deleted or evicted and not yet wiped are never shown: its own statements
 * leave them out, and while any exist, views of the same names do so for searches.
 * A search is bounded in rows, bytes and time.
 */
#include "store_sqlite.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"

#define FOUND 64 /* searches' statements kept, by text */
#define ANSWER_BYTES ((size_t)16 << 20) /* an answer that is longer is cut, `more` says so */
#define SEARCH_US 10000000LL
#define STEPS_PER_LOOK 10000 /* instructions of SQLite between looks at the clock */

#define RES_COLUMNS                                                                                \
	"r.id,r.pid,r.ty,r.rn,r.path,r.ct,r.lt,r.et,r.st,r.lbl,r.acpi,r.aei,r.doc,"                \
	"c.st AS cs_st,c.cni,c.cbs,CASE WHEN c.cni>0 THEN c.ol WHEN c.cni=0 THEN 0 END AS oldest," \
	"c.lt AS cs_lt,c.mni,c.mbs,c.mia FROM main.res r LEFT JOIN main.cs c ON c.cid=r.id WHERE "
#define INST_COLUMNS                                                                               \
	"i.cid,i.st,i.ct,i.et,i.size,i.rn,i.cr,i.lbl,i.att,i.con"                                  \
	" FROM main.cs c CROSS JOIN main.res r ON r.id=c.cid CROSS JOIN main.cin i ON i.cid=c.cid" \
	" WHERE c.cid=?1 AND " SQL_ALIVE " AND "

/* clang-format off */
enum reader_sql {
	R_BY_ID, R_BY_PATH, R_BY_AEI, R_KIDS, R_KIDS_TY,
	R_NEWEST, R_OLDEST, R_AT, R_NAMED, R_RANGE,
	R_PEND, R_BEGIN, R_END, R_HIDES, R_NTF, R_TGT, R_AUD, R_SEQ, R_META,
	READS
};
/* clang-format on */

static const char *const text[READS] = {
	[R_BY_ID] = "SELECT " RES_COLUMNS "r.id=?1 AND " SQL_ALIVE,
	[R_BY_PATH] = "SELECT " RES_COLUMNS "r.path=?1 AND " SQL_ALIVE,
	[R_BY_AEI] = "SELECT " RES_COLUMNS "r.aei=?1 AND " SQL_ALIVE,
	[R_KIDS] = "SELECT " RES_COLUMNS "r.pid=?1 AND r.id>?2 AND " SQL_ALIVE " ORDER BY r.id",
	[R_KIDS_TY] = "SELECT " RES_COLUMNS "r.pid=?1 AND r.ty=?3 AND r.id>?2 AND " SQL_ALIVE
		      " ORDER BY r.id",
	/* One condition on i.st that the index can use, the better one: "+" hides the other. */
	[R_NEWEST] = "SELECT " INST_COLUMNS "i.st>=c.ol ORDER BY i.st DESC",
	[R_OLDEST] = "SELECT " INST_COLUMNS "i.st>=c.ol ORDER BY i.st",
	[R_AT] = "SELECT " INST_COLUMNS "i.st=?2 AND +i.st>=c.ol",
	[R_NAMED] = "SELECT " INST_COLUMNS "i.rn=?2 AND +i.st>=c.ol",
	[R_RANGE] = "SELECT " INST_COLUMNS "i.st>=max(c.ol,?2) ORDER BY i.st",
	[R_PEND] = "SELECT id,et,body FROM main.ntf WHERE id=?1",
	[R_BEGIN] = "BEGIN",
	[R_END] = "COMMIT",
	[R_HIDES] =
	    "SELECT EXISTS(SELECT 1 FROM main.gc_tree) OR EXISTS(SELECT 1 FROM main.gc_inst)",
	[R_NTF] = "SELECT id,et,members,length(body) FROM main.ntf ORDER BY id",
	[R_TGT] = "SELECT id,key,acked FROM main.tgt ORDER BY id",
	[R_AUD] = "SELECT id,members FROM main.aud ORDER BY id",
	[R_SEQ] = "SELECT id FROM main.seq WHERE name=?1",
	[R_META] = "SELECT v FROM main.meta WHERE k=?1",
};

/* The tables as searches see them while rows wait to be wiped. */
#define OF_LIVE_CONTAINER(id, st)                                                                  \
	"EXISTS(SELECT 1 FROM main.cs c CROSS JOIN main.res r ON r.id=c.cid WHERE c.cid=" id       \
	" AND " st ">=c.ol AND " SQL_ALIVE ")"
static const char hide[] =
    "CREATE TEMP VIEW res AS SELECT r.* FROM main.res r WHERE " SQL_ALIVE ";"
    "CREATE TEMP VIEW cs AS SELECT k.* FROM main.cs k WHERE EXISTS(SELECT 1 FROM main.res r"
    " WHERE r.id=k.cid AND " SQL_ALIVE ");"
    "CREATE TEMP VIEW cin AS SELECT i.* FROM main.cin i WHERE " OF_LIVE_CONTAINER(
	"i.cid",
	"i.st") ";"
		"CREATE TEMP VIEW lbl AS SELECT l.* FROM main.lbl l WHERE CASE WHEN l.st=0 THEN"
		" EXISTS(SELECT 1 FROM main.res r WHERE r.id=l.id AND " SQL_ALIVE
		") ELSE " OF_LIVE_CONTAINER("l.id", "l.st") " END";
static const char show[] = "DROP VIEW temp.res; DROP VIEW temp.cs; DROP VIEW temp.cin;"
			   "DROP VIEW temp.lbl";

struct search {
	char *sql;
	size_t n;
	uint64_t used;
	sqlite3_stmt *stmt;
};

struct engine_reader {
	sqlite3 *db;
	sqlite3_stmt *stmt[READS];
	struct search search[FOUND];
	size_t nsearch;
	uint64_t uses;
	bool hiding; /* the views exist */
	int64_t until; /* clock_mono when the search that runs is stopped; 0: none runs */
	bool stop; /* the store closes */
};

/* ---- opening --------------------------------------------------------------------------------- */

static bool stopping(const struct engine_reader *r)
{
	return __atomic_load_n(&r->stop, __ATOMIC_RELAXED);
}

static int look_at_clock(void *arg)
{
	struct engine_reader *r = arg;

	return stopping(r) || (r->until && clock_mono() > r->until);
}

struct engine_reader *engine_reader_open(const char *path, struct err *e)
{
	struct engine_reader *r = xcalloc(1, sizeof(*r));

	r->db = store_sql_connect(path, SQLITE_OPEN_READONLY, e);
	if (!r->db) {
		free(r);
		return NULL;
	}
	sqlite3_exec(r->db, "PRAGMA cache_size=-32768", NULL, NULL, NULL);
	sqlite3_progress_handler(r->db, STEPS_PER_LOOK, look_at_clock, r);
	return r;
}

void engine_reader_stop(struct engine_reader *r)
{
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
}

void engine_reader_close(struct engine_reader *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < READS; i++)
		sqlite3_finalize(r->stmt[i]);
	for (i = 0; i < r->nsearch; i++) {
		sqlite3_finalize(r->search[i].stmt);
		free(r->search[i].sql);
	}
	sqlite3_close(r->db);
	free(r);
}

static sqlite3_stmt *stmt(struct engine_reader *r, enum reader_sql q)
{
	if (!r->stmt[q])
		sqlite3_prepare_v3(r->db, text[q], -1, SQLITE_PREPARE_PERSISTENT, &r->stmt[q],
				   NULL);
	return r->stmt[q];
}

/* ---- an answer ------------------------------------------------------------------------------- */

static void fail(struct store_read *j, const char *why)
{
	free(j->error);
	j->error = xstrdup(why);
	buf_clear(&j->cells);
	j->rows.nrows = 0;
}

static void fail_sql(struct engine_reader *r, struct store_read *j)
{
	char why[300];
	int rc = sqlite3_errcode(r->db);

	if (rc == SQLITE_INTERRUPT) {
		fail(j, stopping(r) ? "the store is closing"
				    : "the search took too long and was stopped");
		return;
	}
	store_sql_reason(r->db, rc, why, sizeof(why));
	fail(j, why);
}

/* Column names: the strings, then (finish) the pointers to them, in one buffer. */
static void add_names(struct store_read *j, sqlite3_stmt *s)
{
	int i, n = sqlite3_column_count(s);

	if (j->rows.ncols)
		return;
	j->rows.ncols = (size_t)n;
	buf_reserve(&j->names, (size_t)n * sizeof(char *));
	j->names.n = (size_t)n * sizeof(char *);
	for (i = 0; i < n; i++) {
		const char *name = sqlite3_column_name(s, i);

		name = name ? name : "";
		buf_add(&j->names, name, strlen(name) + 1);
	}
}

static void add_row(struct store_read *j, sqlite3_stmt *s)
{
	size_t i;

	for (i = 0; i < j->rows.ncols; i++) {
		struct store_cell c = { .t = STORE_T_NULL };

		switch (sqlite3_column_type(s, (int)i)) {
		case SQLITE_INTEGER:
			c.t = STORE_T_INT;
			c.i = sqlite3_column_int64(s, (int)i);
			break;
		case SQLITE_FLOAT:
			c.t = STORE_T_REAL;
			c.d = sqlite3_column_double(s, (int)i);
			break;
		case SQLITE_TEXT:
		case SQLITE_BLOB:
			c.t = STORE_T_TEXT;
			c.i = (int64_t)
				  j->bytes.n; /* where the bytes are; finish makes it a pointer */
			c.s = column_str(s, (int)i);
			buf_str(&j->bytes, c.s);
			break;
		}
		buf_add(&j->cells, &c, sizeof(c));
	}
	j->rows.nrows++;
}

/* Runs a bound statement up to the limit. */
static void collect(struct engine_reader *r, struct store_read *j, sqlite3_stmt *s)
{
	int rc = SQLITE_ERROR;

	while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		add_names(j, s);
		if (j->rows.nrows >= j->limit || j->bytes.n > ANSWER_BYTES) {
			j->rows.more = true;
			break;
		}
		add_row(j, s);
	}
	if (s && rc == SQLITE_DONE)
		add_names(j, s);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		fail_sql(r, j);
	sqlite3_reset(s);
}

static void finish(struct store_read *j)
{
	struct store_cell *c = (struct store_cell *)(void *)j->cells.p;
	char **name = (char **)(void *)j->names.p, *at;
	size_t i;

	for (i = 0; i < j->rows.nrows * j->rows.ncols; i++) {
		if (c[i].t != STORE_T_TEXT)
			continue;
		c[i].s.p = j->bytes.p ? j->bytes.p + c[i].i : "";
		c[i].i = 0;
	}
	at = j->names.p + j->rows.ncols * sizeof(char *);
	for (i = 0; i < j->rows.ncols; i++) {
		name[i] = at;
		at += strlen(at) + 1;
	}
	j->rows.cell = c;
	j->rows.name = (const char *const *)name;
	j->rows.error = j->error;
}

/* ---- the kinds of reads ---------------------------------------------------------------------- */

static void read_get(struct engine_reader *r, struct store_read *j)
{
	static const enum reader_sql by[] = {
		[STORE_BY_ID] = R_BY_ID,
		[STORE_BY_PATH] = R_BY_PATH,
		[STORE_BY_AEI] = R_BY_AEI,
	};
	sqlite3_stmt *s = stmt(r, by[j->how]);

	if (j->how == STORE_BY_ID)
		bind_int(s, 1, j->id);
	else
		bind_str(s, 1, j->text.p ? j->text : STR(""));
	collect(r, j, s);
}

static void read_inst(struct engine_reader *r, struct store_read *j)
{
	static const enum reader_sql sel[] = {
		[STORE_LATEST] = R_NEWEST, [STORE_OLDEST] = R_OLDEST,   [STORE_AT] = R_AT,
		[STORE_NAMED] = R_NAMED,   [STORE_NEWEST_N] = R_NEWEST, [STORE_RANGE] = R_RANGE,
	};
	sqlite3_stmt *s = stmt(r, sel[j->how]);

	bind_int(s, 1, j->id);
	if (j->how == STORE_NAMED)
		bind_str(s, 2, j->text.p ? j->text : STR(""));
	else if (j->how == STORE_AT || j->how == STORE_RANGE)
		bind_int(s, 2, j->at);
	collect(r, j, s);
	if (j->how == STORE_LATEST || j->how == STORE_OLDEST)
		j->rows.more = false;
}

static void read_kids(struct engine_reader *r, struct store_read *j)
{
	sqlite3_stmt *s = stmt(r, j->how ? R_KIDS_TY : R_KIDS);

	bind_int(s, 1, j->id);
	bind_int(s, 2, j->at);
	if (j->how)
		bind_int(s, 3, j->how);
	collect(r, j, s);
}

static void read_pend(struct engine_reader *r, struct store_read *j)
{
	sqlite3_stmt *s = stmt(r, R_PEND);
	size_t i;

	for (i = 0; i < j->nparam && !j->error && !j->rows.more; i++) {
		bind_int(s, 1, j->param[i].i);
		collect(r, j, s);
	}
}

/* The prepared statement for a text; the least recently used one makes room. */
static sqlite3_stmt *prepare(struct engine_reader *r, struct store_read *j)
{
	struct search *at = NULL, *old = &r->search[0];
	const char *tail = NULL;
	size_t i;

	for (i = 0; i < r->nsearch && !at; i++) {
		if (str_eq((struct str){ r->search[i].sql, r->search[i].n }, j->text))
			at = &r->search[i];
		else if (r->search[i].used < old->used)
			old = &r->search[i];
	}
	if (!at) {
		at = r->nsearch < FOUND ? &r->search[r->nsearch++] : old;
		sqlite3_finalize(at->stmt);
		free(at->sql);
		at->stmt = NULL;
		at->sql = xstrndup(j->text.p ? j->text.p : "", j->text.n);
		at->n = j->text.n;
	}
	at->used = ++r->uses;
	if (!at->stmt &&
	    sqlite3_prepare_v3(r->db, at->sql, -1, SQLITE_PREPARE_PERSISTENT, &at->stmt, &tail))
		fail_sql(r, j);
	else if (!at->stmt || (tail && *tail) || !sqlite3_stmt_readonly(at->stmt))
		fail(j, "a search is one SELECT");
	if (!j->error)
		return at->stmt;
	sqlite3_finalize(at->stmt);
	at->stmt = NULL;
	return NULL;
}

/* Views hide what waits to be wiped, for as long as anything does; as of this snapshot. */
static bool look_for_hidden(struct engine_reader *r)
{
	sqlite3_stmt *s = stmt(r, R_HIDES);
	bool ok = s && sqlite3_step(s) == SQLITE_ROW;
	bool hides = ok && sqlite3_column_int(s, 0);

	sqlite3_reset(s);
	if (ok && hides != r->hiding) {
		ok = sqlite3_exec(r->db, hides ? hide : show, NULL, NULL, NULL) == SQLITE_OK;
		r->hiding = hides;
	}
	return ok;
}

static void read_find(struct engine_reader *r, struct store_read *j)
{
	sqlite3_stmt *s;
	size_t i;

	if (!look_for_hidden(r)) {
		fail_sql(r, j);
		return;
	}
	s = prepare(r, j);
	if (!s)
		return;
	if (j->nparam > (size_t)sqlite3_bind_parameter_count(s)) {
		fail(j, "a search got more values than it has parameters");
		return;
	}
	sqlite3_clear_bindings(s);
	for (i = 0; i < j->nparam; i++) {
		const struct store_cell *p = &j->param[i];

		if (p->t == STORE_T_INT)
			sqlite3_bind_int64(s, (int)i + 1, p->i);
		else if (p->t == STORE_T_REAL)
			sqlite3_bind_double(s, (int)i + 1, p->d);
		else if (p->t == STORE_T_TEXT)
			bind_str(s, (int)i + 1, p->s.p ? p->s : STR(""));
	}
	collect(r, j, s);
}

static void answer(struct engine_reader *r, struct store_read *j)
{
	r->until = clock_mono() + SEARCH_US;
	switch (j->kind) {
	case READ_GET:
		read_get(r, j);
		break;
	case READ_INST:
		read_inst(r, j);
		break;
	case READ_KIDS:
		read_kids(r, j);
		break;
	case READ_FIND:
		read_find(r, j);
		break;
	case READ_PEND:
		read_pend(r, j);
		break;
	}
	r->until = 0;
	finish(j);
}

void engine_read(struct engine_reader *r, struct store_read *list)
{
	sqlite3_step(stmt(r, R_BEGIN));
	sqlite3_reset(stmt(r, R_BEGIN));
	for (; list; list = list->next)
		if (!list->error) /* else it was refused */
			answer(r, list);
	sqlite3_step(stmt(r, R_END));
	sqlite3_reset(stmt(r, R_END));
	if (!sqlite3_get_autocommit(r->db)) /* an error left it open */
		sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- start ----------------------------------------------------------------------------------- */

static bool scan_end(struct engine_reader *r, sqlite3_stmt *s, int rc, const char *table)
{
	char why[300];

	if (rc != SQLITE_DONE) {
		store_sql_reason(r->db, sqlite3_errcode(r->db), why, sizeof(why));
		log_error("store", "cannot read all of a table table=%s reason=\"%s\"", table, why);
	}
	sqlite3_reset(s);
	return rc == SQLITE_DONE;
}

bool engine_scan_ntf(struct engine_reader *r,
		     void (*fn)(void *, int64_t, int64_t, struct str, size_t), void *arg)
{
	sqlite3_stmt *s = stmt(r, R_NTF);
	int rc;

	while ((rc = sqlite3_step(s)) == SQLITE_ROW)
		fn(arg, sqlite3_column_int64(s, 0), column_int(s, 1), column_str(s, 2),
		   (size_t)sqlite3_column_int64(s, 3));
	return scan_end(r, s, rc, "ntf");
}

bool engine_scan_tgt(struct engine_reader *r, void (*fn)(void *, int64_t, struct str, int64_t),
		     void *arg)
{
	sqlite3_stmt *s = stmt(r, R_TGT);
	int rc;

	while ((rc = sqlite3_step(s)) == SQLITE_ROW)
		fn(arg, sqlite3_column_int64(s, 0), column_str(s, 1), sqlite3_column_int64(s, 2));
	return scan_end(r, s, rc, "tgt");
}

bool engine_scan_aud(struct engine_reader *r, void (*fn)(void *, int64_t, struct str), void *arg)
{
	sqlite3_stmt *s = stmt(r, R_AUD);
	int rc;

	while ((rc = sqlite3_step(s)) == SQLITE_ROW)
		fn(arg, sqlite3_column_int64(s, 0), column_str(s, 1));
	return scan_end(r, s, rc, "aud");
}

int64_t engine_max_id(struct engine_reader *r, const char *table)
{
	sqlite3_stmt *s = stmt(r, R_SEQ);
	int64_t id = 0;

	bind_str(s, 1, str_of(table));
	if (sqlite3_step(s) == SQLITE_ROW)
		id = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return id;
}

bool engine_meta(struct engine_reader *r, const char *k, struct buf *v)
{
	sqlite3_stmt *s = stmt(r, R_META);
	bool found;

	bind_str(s, 1, str_of(k));
	found = sqlite3_step(s) == SQLITE_ROW;
	if (found)
		buf_str(v, column_str(s, 0));
	sqlite3_reset(s);
	return found;
}
