/*
 * store_sql.c - the text of every statement that the storage thread runs; the readers' are in
 * store_sqlite_read.c.  Values are always parameters.
 */
#include "store_sqlite.h"

static const char *const text[QUERIES] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_SAVE] = "SAVEPOINT t",
	[Q_UNDO] = "ROLLBACK TO t",
	[Q_KEEP] = "RELEASE t",

	[Q_RES_PATH] = "SELECT path FROM res WHERE id=?1",
	[Q_RES_SET_READ] = "SELECT path,lbl,ty FROM res WHERE id=?1",
	[Q_RES_PUT] = "INSERT INTO res(id,pid,ty,rn,path,ct,lt,et,st,lbl,acpi,aei,doc)"
		      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
	[Q_RES_SET] = "UPDATE res SET lt=?2,et=?3,st=?4,lbl=?5,acpi=?6,aei=?7,doc=?8 WHERE id=?1",
	[Q_RES_HOLDERS] = "SELECT id,path FROM res WHERE path=?1 OR aei=?2",
	[Q_RES_BELOW] = "SELECT id,path FROM res WHERE path>?1 AND path<?2 AND id<=?3"
			" ORDER BY path LIMIT 64",
	[Q_RES_WIPE] = "DELETE FROM res WHERE id=?1",

	[Q_LBL_VALID] = "SELECT CASE WHEN json_valid(?1) THEN json_type(?1)='array' ELSE 0 END",
	[Q_LBL_ADD] = "INSERT OR REPLACE INTO lbl(lbl,path,st,ty,id)"
		      " SELECT value,?2,?3,?4,?5 FROM json_each(?1) WHERE type='text'",
	[Q_LBL_WIPE] = "DELETE FROM lbl WHERE id=?1 AND st>=?2 AND st<=?3",

	[Q_GEO_PUT] =
	    "INSERT OR REPLACE INTO geo SELECT ?1,min(iif(t.key=0,t.atom,NULL)),"
	    " max(iif(t.key=0,t.atom,NULL)),min(iif(t.key=1,t.atom,NULL)),"
	    " max(iif(t.key=1,t.atom,NULL)) FROM json_tree(CASE WHEN"
	    " json_valid(json_extract(?2,'$.loc.crd')) THEN json_extract(?2,'$.loc.crd') END) t"
	    " WHERE t.type IN ('integer','real') GROUP BY ?1",
	[Q_GEO_WIPE] = "DELETE FROM geo WHERE id=?1",
	[Q_GEO_WIPE_RANGE] = "DELETE FROM geo WHERE id IN (SELECT id*2+1 FROM cin WHERE cid=?1"
			     " AND st>=?2 AND st<?3)",
	[Q_GEO_SOME] = "SELECT 1 FROM geo LIMIT 1",

	[Q_CS_GET] = "SELECT st,cni,cbs,ol,lt,mni,mbs,mia FROM cs WHERE cid=?1",
	[Q_CS_PUT] = "INSERT INTO cs(cid,st,cni,cbs,ol,lt,mni,mbs,mia)"
		     " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
	[Q_CS_SET] =
	    "UPDATE cs SET st=?2,cni=?3,cbs=?4,ol=?5,lt=?6,mni=?7,mbs=?8,mia=?9 WHERE cid=?1",
	[Q_CS_WIPE] = "DELETE FROM cs WHERE cid=?1",

	[Q_CIN_PUT] = "INSERT INTO cin(cid,st,ct,et,size,rn,cr,lbl,att,con,mark)"
		      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
	[Q_CIN_AT] = "SELECT id,size FROM cin WHERE cid=?1 AND st=?2",
	[Q_CIN_NAMED] = "SELECT id,st FROM cin WHERE cid=?1 AND rn=?2",
	[Q_CIN_MARKED] = "SELECT id,st FROM cin WHERE cid=?1 AND mark=?2",
	[Q_CIN_TOP] = "SELECT max(mark) FROM cin WHERE cid=?1 AND mark IS NOT NULL",
	[Q_CIN_UP] = "SELECT id,st,size FROM cin WHERE cid=?1 AND st>=?2 ORDER BY st",
	[Q_CIN_DOWN] = "SELECT st,size FROM cin WHERE cid=?1 AND st>=?2 ORDER BY st DESC",
	[Q_CIN_NEXT] = "SELECT st FROM cin WHERE cid=?1 AND st>?2 ORDER BY st LIMIT 1",
	[Q_CIN_WIPE] = "DELETE FROM cin WHERE id=?1",
	[Q_CIN_WIPE_RANGE] = "DELETE FROM cin WHERE cid=?1 AND st>=?2 AND st<?3",
	[Q_CIN_SLICE] = "SELECT st FROM cin WHERE cid=?1 AND st<?2 ORDER BY st LIMIT 1 OFFSET ?3",

	[Q_NTF_PUT] = "INSERT OR REPLACE INTO ntf(id,et,members,body) VALUES(?1,?2,?3,?4)",
	[Q_NTF_WIPE] = "DELETE FROM ntf WHERE id>=?1 AND id<=?2",
	[Q_TGT_ACK] = "UPDATE tgt SET acked=max(acked,?3) WHERE id=?1 AND key=?2",
	[Q_TGT_PUT] = "INSERT OR REPLACE INTO tgt(id,key,acked) VALUES(?1,?2,?3)",
	[Q_TGT_WIPE] = "DELETE FROM tgt WHERE id=?1",
	[Q_AUD_PUT] = "INSERT OR REPLACE INTO aud(id,members) VALUES(?1,?2)",
	[Q_AUD_AT] = "SELECT id FROM aud WHERE id=?1",
	[Q_AUD_WIPE] = "DELETE FROM aud WHERE id=?1",

	[Q_EVT_PUT] = "INSERT INTO evt(id,body) VALUES(?1,?2)",
	[Q_EVT_WIPE] = "DELETE FROM evt WHERE id<=?1",
	[Q_META_PUT] = "INSERT OR REPLACE INTO meta(k,v) VALUES(?1,?2)",
	[Q_META_WIPE] = "DELETE FROM meta WHERE k=?1",
	[Q_SEQ_PUT] = "INSERT OR REPLACE INTO seq(name,id) VALUES(?1,?2)",
	[Q_SEQ_ALL] = "SELECT name,id FROM seq",

	[Q_TREE_PUT] = "INSERT INTO gc_tree(id,lo,hi,maxid) VALUES(?1,?2,?3,?4)",
	[Q_TREE_WIPE] = "DELETE FROM gc_tree WHERE id=?1",
	[Q_TREE_ALL] = "SELECT id,lo,hi,maxid FROM gc_tree ORDER BY id",
	[Q_GC_PUT] = "INSERT INTO gc_inst(cid,below) VALUES(?1,?2)"
		     " ON CONFLICT(cid) DO UPDATE SET below=max(below,excluded.below)",
	[Q_GC_AT] = "SELECT 1 FROM gc_inst WHERE cid=?1",
	[Q_GC_FIRST] = "SELECT cid,below FROM gc_inst LIMIT 1",
	[Q_GC_WIPE] = "DELETE FROM gc_inst WHERE cid=?1",
};

const char *store_sql_text(enum engine_sql q)
{
	return text[q];
}
