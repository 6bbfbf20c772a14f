/*
 * store_schema.c - the tables of the embedded store, as the steps from one schema version to the
 * next.  A new store runs all of them; an older one those it lacks, each in one transaction.
 * A step that has been released is never edited: a change is a new step at the end.
 * Only text lives here; store_sqlite.c runs it, and lua/moon2m/sql.lua searches these tables.
 */
#include "store_sqlite.h"

static const char step1[] =
    "CREATE TABLE meta(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;"

    /* Highest id ever used, so that ids are never given twice. */
    "CREATE TABLE seq(name TEXT PRIMARY KEY, id INT NOT NULL) WITHOUT ROWID;"

    /* Every resource that is no instance.  path: structured, without the CSEBase's name; a
	 * subtree is the range path||'/' to path||'0'.  doc: the attributes without a column. */
    "CREATE TABLE res(id INTEGER PRIMARY KEY, pid INT NOT NULL, ty INT NOT NULL,"
    " rn TEXT NOT NULL, path TEXT NOT NULL, ct INT NOT NULL, lt INT NOT NULL, et INT,"
    " st INT NOT NULL DEFAULT 0, lbl TEXT, acpi TEXT, aei TEXT, doc TEXT NOT NULL);"
    "CREATE UNIQUE INDEX res_path ON res(path);"
    "CREATE INDEX res_kid ON res(pid,id);"
    "CREATE INDEX res_kid_ty ON res(pid,ty,id);"
    "CREATE INDEX res_ty ON res(ty,path);"
    "CREATE INDEX res_et ON res(et) WHERE et IS NOT NULL;"
    "CREATE UNIQUE INDEX res_aei ON res(aei) WHERE aei IS NOT NULL;"

    /* The narrow hot row of a container: all that creating an instance updates.
	 * ol: the oldest instance's st while cni > 0; never above an instance that is left. */
    "CREATE TABLE cs(cid INTEGER PRIMARY KEY, st INT NOT NULL, cni INT NOT NULL DEFAULT 0,"
    " cbs INT NOT NULL DEFAULT 0, ol INT NOT NULL DEFAULT 0, lt INT NOT NULL,"
    " mni INT, mbs INT, mia INT);"

    /* Instances: a heap that is appended to and one ordered index.  st, the container's stateTag
	 * after the create, is key and order.  size in the index: evictions add up sizes from it.
	 * et: only when the creator set one. */
    "CREATE TABLE cin(id INTEGER PRIMARY KEY, cid INT NOT NULL, st INT NOT NULL,"
    " ct INT NOT NULL, et INT, size INT NOT NULL, rn TEXT, cr TEXT, lbl TEXT, att TEXT,"
    " con TEXT NOT NULL);"
    "CREATE UNIQUE INDEX cin_key ON cin(cid,st,size);"
    "CREATE UNIQUE INDEX cin_rn ON cin(cid,rn) WHERE rn IS NOT NULL;"
    "CREATE INDEX cin_et ON cin(et) WHERE et IS NOT NULL;"

    /* Label index of resources (st 0, their path) and of instances (id: the container, path: the
	 * container's path, ty 4).  Posting lists in path order: label and subtree is one range. */
    "CREATE TABLE lbl(lbl TEXT, path TEXT, st INT NOT NULL DEFAULT 0, ty INT NOT NULL,"
    " id INT NOT NULL, PRIMARY KEY(lbl,path,st)) WITHOUT ROWID;"
    "CREATE INDEX lbl_id ON lbl(id,st);"

    /* Kept notifications, their targets, and shared lists of members. */
    "CREATE TABLE ntf(id INTEGER PRIMARY KEY, et INT, members BLOB NOT NULL,"
    " body BLOB NOT NULL);"
    "CREATE TABLE tgt(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, acked INT NOT NULL);"
    "CREATE TABLE aud(id INTEGER PRIMARY KEY, members BLOB NOT NULL);"

    /* Deleted and not yet wiped: subtrees (ids up to maxid in a path range), and instances of cid
	 * below an st.  Readers never show these rows. */
    "CREATE TABLE gc_tree(id INTEGER PRIMARY KEY, lo TEXT NOT NULL, hi TEXT NOT NULL,"
    " maxid INT NOT NULL);"
    "CREATE TABLE gc_inst(cid INTEGER PRIMARY KEY, below INT NOT NULL);";

/* A number that no two instances of a container share: the time of a measurement, for one.  In the
 * index only where there is one. */
static const char step2[] = "ALTER TABLE cin ADD COLUMN mark INT;"
			    "CREATE UNIQUE INDEX cin_mark ON cin(cid,mark) WHERE mark IS NOT NULL;";

/* Searches by time (lua/moon2m/sql_time.lua).  Not for cs: writing an instance would pay for it. */
static const char step3[] = "CREATE INDEX res_ct ON res(ct);"
			    "CREATE INDEX res_lt ON res(lt);";

/* What has to be handled after its commit: the texts of a group's transactions, one behind the
 * other, in one row; id: the number of the last. */
static const char step4[] = "CREATE TABLE evt(id INTEGER PRIMARY KEY, body TEXT NOT NULL);";

/* From here on pages may have checksums (store_sqlite_sums.c), which an older release would not keep
 * right: the number alone. */
static const char step5[] = "";

/* The boxes around locations (store_sqlite_geo.c), in degrees as 32-bit numbers that are rounded
 * outward: a search looks again. */
static const char step6[] =
    "CREATE VIRTUAL TABLE geo USING rtree(id,x0,x1,y0,y1);"
    "INSERT OR REPLACE INTO geo SELECT o.id*2,min(iif(t.key=0,t.atom,NULL)),"
    " max(iif(t.key=0,t.atom,NULL)),min(iif(t.key=1,t.atom,NULL)),"
    " max(iif(t.key=1,t.atom,NULL)) FROM res o,json_tree(CASE WHEN"
    " json_valid(json_extract(o.doc,'$.loc.crd')) THEN json_extract(o.doc,'$.loc.crd') END) t"
    " WHERE instr(o.doc,char(34)||'loc'||char(34)||':')>0 AND t.type IN ('integer','real') GROUP BY o.id*2;"
    "INSERT OR REPLACE INTO geo SELECT o.id*2+1,min(iif(t.key=0,t.atom,NULL)),"
    " max(iif(t.key=0,t.atom,NULL)),min(iif(t.key=1,t.atom,NULL)),"
    " max(iif(t.key=1,t.atom,NULL)) FROM cin o,json_tree(CASE WHEN"
    " json_valid(json_extract(o.att,'$.loc.crd')) THEN json_extract(o.att,'$.loc.crd') END) t"
    " WHERE o.att IS NOT NULL AND instr(o.att,char(34)||'loc'||char(34)||':')>0 AND t.type IN ('integer','real') GROUP BY o.id*2+1;";

const char *const store_schema[] = { step1, step2, step3, step4, step5, step6 };
const int store_schema_version = countof(store_schema);
