/*
 * store_sqlite_verify.c - see store_verify.h.  A check is a query whose rows are the findings, as text;
 * a repair is statements that make the query empty, from what the other tables say.
 * Guarantees: without repair nothing is written, and what is looked at is one moment's state, also of
 * a store in use; repairs are one transaction.
 */
#include "store_verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_sqlite.h"

#define STEPS_PER_LOOK 100000 /* of SQLite's machine, between calls of step */

/* The instances of a container that are there: of an evicted one the row may still be wiped later. */
#define COUNTED                                                                                    \
	"(SELECT c.cid, count(i.st) AS n, coalesce(sum(i.size),0) AS bytes, min(i.st) AS lo,"      \
	" max(i.st) AS hi FROM cs c LEFT JOIN cin i ON i.cid=c.cid AND i.st>=c.ol GROUP BY c.cid)"
#define HIDDEN                                                                                     \
	"EXISTS(SELECT 1 FROM gc_tree g WHERE r.path>=g.lo AND r.path<g.hi AND r.id<=g.maxid)"
#define NO_LABEL_OF_RES                                                                            \
	"FROM lbl l WHERE l.st=0 AND NOT EXISTS(SELECT 1 FROM res r, json_each(r.lbl) j"           \
	" WHERE r.id=l.id AND r.path=l.path AND j.value=l.lbl)"
#define NO_LABEL_OF_CIN                                                                            \
	"FROM lbl l WHERE l.st<>0 AND NOT EXISTS(SELECT 1 FROM cin i WHERE i.cid=l.id AND"         \
	" i.st=l.st)"
#define LABELS_MISSING                                                                             \
	"FROM res r, json_each(r.lbl) j WHERE j.type='text' AND NOT EXISTS(SELECT 1 FROM lbl l"    \
	" WHERE l.lbl=j.value AND l.path=r.path AND l.st=0 AND l.id=r.id)"
#define INST_LABELS_MISSING                                                                        \
	"FROM cin i JOIN cs c ON c.cid=i.cid AND i.st>=c.ol JOIN res r ON r.id=i.cid,"             \
	" json_each(i.lbl) j WHERE i.lbl IS NOT NULL AND j.type='text' AND NOT EXISTS("            \
	"SELECT 1 FROM lbl l WHERE l.lbl=j.value AND l.path=r.path AND l.st=i.st)"
#define LEFT_OVER                                                                                  \
	"FROM cin i LEFT JOIN cs c ON c.cid=i.cid WHERE i.st<c.ol AND NOT EXISTS("                 \
	"SELECT 1 FROM gc_inst g WHERE g.cid=i.cid AND i.st<g.below)"
#define WITHOUT_CONTAINER                                                                          \
	"FROM cin i WHERE NOT EXISTS(SELECT 1 FROM cs c WHERE c.cid=i.cid) AND"                    \
	" NOT EXISTS(SELECT 1 FROM gc_inst g WHERE g.cid=i.cid)"

/* Rows of res and cin with a location that can be read, as box, text and name. */
#define LOCATION(text)                                                                             \
	"CASE WHEN json_valid(" text ") AND instr(" text ",char(34)||'loc'||char(34)||':')>0 THEN" \
	" json_extract(" text ",'$.loc.crd') END"
#define LOCATED                                                                                    \
	"(SELECT 2*r.id AS box, " LOCATION(                                                        \
	    "r.doc") " AS crd, 'resource '||r.id||' ('||r.path||')'"                               \
		     " AS name FROM res r UNION ALL SELECT 2*i.id+1, " LOCATION(                   \
			 "i.att") ", 'container '||i.cid"                                          \
				  "||', instance '||i.st FROM cin i WHERE i.att IS NOT NULL)"
#define NOT_IN_GEO                                                                                 \
	"FROM " LOCATED " o WHERE json_valid(o.crd) AND json_array_length(o.crd)>0 AND"            \
	" NOT EXISTS(SELECT 1 FROM geo g WHERE g.id=o.box)"
#define NOT_LOCATED                                                                                \
	"FROM geo g WHERE CASE g.id%2 WHEN 0 THEN NOT EXISTS(SELECT 1 FROM res r WHERE"            \
	" r.id=g.id/2 AND " LOCATION("r.doc") " IS NOT NULL) ELSE NOT EXISTS(SELECT 1 FROM cin i"  \
					      " WHERE i.id=g.id/2 AND " LOCATION(                  \
						  "i.att") " IS NOT NULL) END"

struct check {
	const char *what;
	const char *sql;
	const char *repair; /* NULL: only a person can decide */
};

/* clang-format off */
static const struct check checks[] = {
	{ "texts that are JSON",
	  "SELECT 'resource '||id||' ('||path||'): '||CASE WHEN NOT json_valid(doc) THEN 'its"
	  " attributes are' WHEN lbl IS NOT NULL AND NOT json_valid(lbl) THEN 'lbl is' ELSE"
	  " 'acpi is' END||' no JSON' FROM res WHERE NOT json_valid(doc) OR (lbl IS NOT NULL AND"
	  " NOT json_valid(lbl)) OR (acpi IS NOT NULL AND NOT json_valid(acpi))", NULL },
	{ "resources have parents",
	  "SELECT 'resource '||r.id||' ('||r.path||'): its parent '||r.pid||' is not there' FROM res r"
	  " WHERE r.pid<>0 AND NOT EXISTS(SELECT 1 FROM res p WHERE p.id=r.pid) AND NOT " HIDDEN, NULL },
	{ "paths follow from names",
	  "SELECT 'resource '||r.id||' ('||r.path||'): expected the path '||CASE p.path WHEN '' THEN ''"
	  " ELSE p.path||'/' END||r.rn FROM res r JOIN res p ON p.id=r.pid WHERE r.path<>"
	  "CASE p.path WHEN '' THEN '' ELSE p.path||'/' END||r.rn", NULL },
	{ "counters of containers are resources'",
	  "SELECT 'counters '||cid||': the resource is not there' FROM cs WHERE NOT EXISTS("
	  "SELECT 1 FROM res r WHERE r.id=cs.cid)", NULL },
	{ "instances have containers",
	  "SELECT 'container '||i.cid||': it is not there, but '||count(*)||' instances of it' "
	  WITHOUT_CONTAINER " GROUP BY i.cid", NULL },
	{ "counters are the instances'",
	  "SELECT 'container '||c.cid||' ('||coalesce((SELECT path FROM res WHERE id=c.cid),'?')||"
	  "'): cni '||c.cni||', cbs '||c.cbs||', oldest '||c.ol||', st '||c.st||'; there are '||x.n||"
	  "' instances with '||x.bytes||' bytes, st '||coalesce(x.lo||' to '||x.hi,'none')"
	  " FROM cs c JOIN " COUNTED " x ON x.cid=c.cid WHERE c.cni<>x.n OR c.cbs<>x.bytes OR"
	  " (x.n>0 AND c.ol<>x.lo) OR c.st<coalesce(x.hi,0)",
	  "UPDATE cs SET cni=x.n, cbs=x.bytes, ol=CASE x.n WHEN 0 THEN cs.ol ELSE x.lo END,"
	  " st=max(cs.st,coalesce(x.hi,0)) FROM " COUNTED " x WHERE x.cid=cs.cid AND (cs.cni<>x.n OR"
	  " cs.cbs<>x.bytes OR (x.n>0 AND cs.ol<>x.lo) OR cs.st<coalesce(x.hi,0))" },
	{ "evicted instances are wiped",
	  "SELECT 'container '||i.cid||': '||count(*)||' evicted instances take room' " LEFT_OVER
	  " GROUP BY i.cid",
	  "INSERT INTO gc_inst SELECT i.cid,c.ol " LEFT_OVER " GROUP BY i.cid"
	  " ON CONFLICT(cid) DO UPDATE SET below=max(below,excluded.below)" },
	{ "labels are in the index",
	  "SELECT 'resource '||r.id||' ('||r.path||'): discovery does not find its label '||j.value "
	  LABELS_MISSING " UNION ALL SELECT 'container '||i.cid||': discovery does not find the label '"
	  "||j.value||' of its instance '||i.st " INST_LABELS_MISSING,
	  "INSERT OR REPLACE INTO lbl(lbl,path,st,ty,id) SELECT j.value,r.path,0,r.ty,r.id "
	  LABELS_MISSING "; INSERT OR REPLACE INTO lbl(lbl,path,st,ty,id)"
	  " SELECT j.value,r.path,i.st,4,i.cid " INST_LABELS_MISSING },
	{ "the index of labels has no others",
	  "SELECT 'label '||l.lbl||' of '||l.path||': no such resource' " NO_LABEL_OF_RES
	  " UNION ALL SELECT 'label '||l.lbl||' of an instance of '||l.path||': not there' "
	  NO_LABEL_OF_CIN,
	  "DELETE FROM lbl WHERE (lbl,path,st) IN (SELECT l.lbl,l.path,l.st " NO_LABEL_OF_RES
	  "); DELETE FROM lbl WHERE (lbl,path,st) IN (SELECT l.lbl,l.path,l.st " NO_LABEL_OF_CIN ")" },
	{ "locations are in the index",
	  "SELECT o.name||': searches by place do not find it' " NOT_IN_GEO,
	  "INSERT OR REPLACE INTO geo SELECT o.box, min(iif(t.key=0,t.atom,NULL)),"
	  " max(iif(t.key=0,t.atom,NULL)), min(iif(t.key=1,t.atom,NULL)),"
	  " max(iif(t.key=1,t.atom,NULL)) FROM (SELECT o.box, o.crd " NOT_IN_GEO ") o,"
	  " json_tree(o.crd) t WHERE t.type IN ('integer','real') GROUP BY o.box" },
	{ "the index of locations has no others",
	  "SELECT 'box '||g.id||' of a location: nothing is there' " NOT_LOCATED,
	  "DELETE FROM geo WHERE id IN (SELECT g.id " NOT_LOCATED ")" },
	{ "numbers are not given twice",
	  "SELECT 'resource '||max(id)||': the highest number given is '||"
	  "coalesce((SELECT id FROM seq WHERE name='res'),0) FROM res HAVING max(id)>"
	  "coalesce((SELECT id FROM seq WHERE name='res'),0)",
	  "INSERT OR REPLACE INTO seq SELECT 'res',max(id) FROM res" },
	{ "positions of targets are notices'",
	  "SELECT 'target '||key||': acknowledged up to '||acked||', but no notice had this number'"
	  " FROM tgt WHERE acked>max(coalesce((SELECT id FROM seq WHERE name='ntf'),0),"
	  "coalesce((SELECT CAST(v AS INT) FROM meta WHERE k='notify_ids'),0))", NULL },
};
/* clang-format on */

#define INTEGRITY "integrity of the file"

struct job {
	sqlite3 *db;
	const struct store_verify *v;
	struct store_verify_sum *sum;
	const char *what; /* the check under way */
	struct err *e;
	uint64_t found;
};

static bool fail(struct job *j)
{
	char why[300];

	store_sql_reason(j->db, sqlite3_errcode(j->db), why, sizeof(why));
	return err_set(j->e, "%s: %s", j->what, why);
}

static int look(void *arg)
{
	struct job *j = arg;

	j->v->step(j->v->arg, j->what);
	return 0;
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* Counts rows but those that say "ok"; tells the first ones when asked to. */
static bool count_findings(struct job *j, const char *sql, bool tell)
{
	sqlite3_stmt *s = NULL;
	int rc;

	j->found = 0;
	if (sqlite3_prepare_v2(j->db, sql, -1, &s, NULL))
		return fail(j);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (str_is(column_str(s, 0), "ok"))
			continue;
		if (++j->found <= STORE_VERIFY_SHOWN && tell)
			j->v->finding(j->v->arg, j->what, column_str(s, 0));
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE || fail(j);
}

static bool check(struct job *j, const char *what, const char *sql, const char *repair)
{
	uint64_t found, repaired = 0;

	j->what = what;
	j->v->step(j->v->arg, what);
	if (!count_findings(j, sql, true))
		return false;
	found = j->found;
	if (found && repair && j->v->repair) {
		if (sqlite3_exec(j->db, repair, NULL, NULL, NULL) && strcmp(what, INTEGRITY) != 0)
			return fail(j);
		if (!count_findings(j, sql, false))
			return false;
		repaired = found > j->found ? found - j->found : 0;
	}
	j->sum->found += found;
	j->sum->repaired += repaired;
	j->v->checked(j->v->arg, what, found, repaired);
	return true;
}

static bool count(struct job *j, const char *sql, int64_t *n)
{
	sqlite3_stmt *s = NULL;
	bool ok = !sqlite3_prepare_v2(j->db, sql, -1, &s, NULL) && sqlite3_step(s) == SQLITE_ROW;

	if (ok)
		*n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return ok || fail(j);
}

static bool count_rows(struct job *j)
{
	return count(j, "SELECT count(*) FROM res", &j->sum->resources) &&
	       count(j, "SELECT count(*) FROM cs", &j->sum->containers) &&
	       count(j, "SELECT count(*) FROM cin", &j->sum->instances) &&
	       count(j, "SELECT count(*) FROM ntf", &j->sum->notices);
}

/* ---- what the caller judges ------------------------------------------------------------------ */

static bool each(struct job *j, const char *sql, void (*fn)(const struct job *, sqlite3_stmt *))
{
	sqlite3_stmt *s = NULL;
	int rc;

	if (sqlite3_prepare_v2(j->db, sql, -1, &s, NULL))
		return fail(j);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW)
		fn(j, s);
	sqlite3_finalize(s);
	return rc == SQLITE_DONE || fail(j);
}

static void hand_tgt(const struct job *j, sqlite3_stmt *s)
{
	j->v->tgt(j->v->arg, sqlite3_column_int64(s, 0), column_str(s, 1),
		  sqlite3_column_int64(s, 2));
}

static void hand_aud(const struct job *j, sqlite3_stmt *s)
{
	j->v->aud(j->v->arg, sqlite3_column_int64(s, 0), column_str(s, 1));
}

static void hand_ntf(const struct job *j, sqlite3_stmt *s)
{
	j->v->ntf(j->v->arg, sqlite3_column_int64(s, 0), column_str(s, 1));
}

static bool hand_over(struct job *j)
{
	j->what = "notices";
	return each(j, "SELECT id,key,acked FROM tgt ORDER BY id", hand_tgt) &&
	       each(j, "SELECT id,members FROM aud ORDER BY id", hand_aud) &&
	       each(j, "SELECT id,members FROM ntf ORDER BY id", hand_ntf);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The structure of the file first: when it is damaged, what other queries say is worth little. */
static bool look_through(struct job *j)
{
	if (!check(j, INTEGRITY, "PRAGMA integrity_check(1000)", "REINDEX"))
		return false;
	if (j->sum->found > j->sum->repaired)
		return true;
	for (size_t i = 0; i < countof(checks); i++)
		if (!check(j, checks[i].what, checks[i].sql, checks[i].repair))
			return false;
	return count_rows(j) && hand_over(j);
}

/* A file without a log beside it is looked at as it is: nothing is made beside a backup. */
static char *uri_of(const char *path)
{
	struct buf u = BUF_INIT, log = BUF_INIT;
	struct stat st;
	size_t n;

	buf_fmt(&log, "%s-wal", path);
	buf_char(&log, '\0');
	buf_str(&u, STR("file:"));
	for (const char *p = path; *p; p++)
		if (strchr("%?#", *p))
			buf_fmt(&u, "%%%02x", (unsigned char)*p);
		else
			buf_char(&u, *p);
	buf_str(&u, stat(log.p, &st) == 0 ? STR("?mode=ro") : STR("?immutable=1"));
	buf_char(&u, '\0');
	buf_free(&log);
	return buf_steal(&u, &n);
}

static bool is_store(struct job *j, const char *path)
{
	int64_t app = 0, version = 0;

	j->what = path;
	if (!count(j, "PRAGMA application_id", &app))
		return false;
	if (app != STORE_APPLICATION_ID)
		return err_set(j->e, "%s: not a moon2m store", path);
	if (!count(j, "SELECT CAST(v AS INT) FROM meta WHERE k='schema'", &version))
		return false;
	if (version == store_schema_version)
		return store_sql_sums_kept(j->db, j->e);
	return err_set(j->e, "%s: schema version %lld, this moon2m knows %d: %s", path,
		       (long long)version, store_schema_version,
		       version > store_schema_version
			   ? "use a newer moon2m"
			   : "start a server with it once, that brings it up to date");
}

static bool run_on(struct job *j, const char *path, const char *begin)
{
	bool ok = is_store(j, path);

	if (!ok)
		return false;
	sqlite3_progress_handler(j->db, STEPS_PER_LOOK, look, j);
	if (sqlite3_exec(j->db, begin, NULL, NULL, NULL))
		return fail(j);
	ok = look_through(j);
	if (ok && sqlite3_exec(j->db, "COMMIT", NULL, NULL, NULL))
		ok = fail(j);
	if (!ok)
		sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_progress_handler(j->db, 0, NULL, NULL);
	return ok;
}

static bool only_look(struct job *j, const char *path)
{
	char *uri = uri_of(path);
	bool ok;

	j->db = store_sql_connect(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, j->e);
	free(uri);
	if (!j->db)
		return false;
	ok = run_on(j, path, "BEGIN");
	sqlite3_close(j->db);
	return ok;
}

/* With the server's own lock and settings. */
static bool repair(struct job *j, const char *path)
{
	struct engine *g = engine_open(path, j->e);
	bool ok;

	if (!g)
		return false;
	j->db = g->db;
	ok = run_on(j, path, "BEGIN IMMEDIATE") && store_sql_sums_add(j->db, j->e);
	engine_close(g);
	return ok;
}

bool store_verify(const char *path, const struct store_verify *v, struct store_verify_sum *sum,
		  struct err *e)
{
	struct job j = { .v = v, .sum = sum, .e = e, .what = path };

	*sum = (struct store_verify_sum){ 0 };
	if (access(path, R_OK)) /* or it would be made */
		return err_set(e, "%s: %s", path, strerror(errno));
	if (!store_sql_whole(path, e))
		return false;
	return v->repair ? repair(&j, path) : only_look(&j, path);
}
