/*
 * store.h - the store's contract.  What is written is written in transactions; a transaction's
 * callback runs on the loop thread after it is on disk (or failed as a whole).  One storage thread
 * owns the only write connection and commits all transactions that arrived meanwhile with one fsync
 * (group commit); one reader thread serves reads from committed data.  Callbacks run in submission
 * order (reads among reads, writes among writes).  Nothing here blocks the loop.
 *
 * Rows: `res` is every resource that is no instance; `cs` the narrow hot row of a container; `cin`
 * an instance, keyed (cid, st); `ntf` a kept notification; `tgt` a notification target with the
 * last notice it acknowledged; `evt` what has to be handled after its commit, in few rows; `meta`
 * names and values.
 */
#pragma once

#include "buf.h"
#include "err.h"

enum store_rc { STORE_OK, STORE_CONFLICT, STORE_TWICE, STORE_GONE, STORE_TOOBIG, STORE_IO };

#define STORE_NULL INT64_MIN /* an integer column that is NULL */

struct store;

struct store_opts {
	const char *path; /* file, or directory/moon2m.db is made by the caller */
	void (*wake)(void *arg); /* any thread: store_poll is due on the loop thread */
	void *arg;
	bool turns; /* what is submitted waits for store_turn, so that it is one group */
	unsigned batch_ops; /* cap of one group commit; 512 */
	size_t batch_bytes; /* 2 MiB */
	size_t queue_bytes; /* submitted and not yet committed; 64 MiB, then STORE_IO "busy" */
	bool stepped; /* no threads: the caller runs everything with store_step */
};

/* Opens or creates; applies migrations; refuses a newer schema with a clear text. */
struct store *store_open(const struct store_opts *o, struct err *e);
/* Commits what is queued, runs the callbacks that are left, checkpoints, joins the threads. */
void store_close(struct store *s);
void store_poll(struct store *s); /* loop thread: runs the callbacks that are due */
void store_turn(struct store *s); /* with `turns`, whenever the loop may sleep: begin the work */
/* A stepped store: does what was submitted, on the calling thread, and runs its callbacks, as
 * store_poll does.  False: nothing was submitted. */
bool store_step(struct store *s);

/* ---- writes ---------------------------------------------------------------------------------- */

struct store_res { /* strings borrowed until store_tx_* returns; p NULL: SQL NULL */
	int64_t id, pid;
	int ty;
	struct str rn, path;
	int64_t ct, lt, et; /* us; et may be STORE_NULL */
	int64_t st;
	struct str lbl; /* JSON array text or NULL; also feeds the label index */
	struct str acpi; /* JSON array text or NULL */
	struct str aei;
	struct str doc; /* JSON object text: every other attribute, as received */
	bool container; /* has a cs row */
	int64_t mni, mbs, mia; /* of the container; STORE_NULL: none */
};

struct store_inst {
	int64_t cid, st; /* st: the container's stateTag after this create */
	int64_t ct, et; /* et: only when the creator set one, else STORE_NULL */
	int64_t size; /* contentSize */
	int64_t mark; /* not 0: no two instances of the container have the same */
	struct str path; /* container's path, for the label index */
	struct str rn; /* NULL: the CSE named it */
	struct str cr; /* creator or NULL */
	struct str lbl; /* JSON array text or NULL */
	struct str att; /* JSON object text of further attributes, or NULL */
	struct str con; /* raw JSON value */
};

struct store_tx;
struct store_tx *store_tx_new(struct store *s);
void store_tx_free(struct store_tx *tx); /* unsubmitted */
/* Insert; path, aei or an instance's name taken: STORE_CONFLICT; pid not 0 and gone: STORE_GONE. */
void store_tx_put(struct store_tx *tx, const struct store_res *r);
/* Replaces the columns of id but ct, pid, ty, rn and path, which never change; a container's limits
 * too, evicting at once what exceeds them.  Gone: STORE_GONE; aei taken: STORE_CONFLICT. */
void store_tx_set(struct store_tx *tx, const struct store_res *r);
/* It and its subtree; atomic to readers, physically in slices.  Absent: nothing to do. */
void store_tx_delete(struct store_tx *tx, int64_t id, struct str path);
/* Appends an instance and evicts the oldest while mni or mbs is exceeded; container gone:
 * STORE_GONE, rn taken: STORE_CONFLICT, mark taken: STORE_TWICE, larger than mbs or mni 0: STORE_TOOBIG.  Counters are exact
 * after each commit; the container's lt becomes ct.  A stateTag that goes back: STORE_IO. */
void store_tx_inst(struct store_tx *tx, const struct store_inst *i);
void store_tx_inst_delete(struct store_tx *tx, int64_t cid, int64_t st); /* absent: nothing to do */
/* The container's stateTag (never lowered) and lt.  Gone: STORE_GONE. */
void store_tx_touch(struct store_tx *tx, int64_t cid, int64_t st, int64_t lt);
/* A kept notification: id given by the caller, ascending.  members: see notify.c; opaque here. */
void store_tx_ntf(struct store_tx *tx, int64_t id, int64_t et, struct str members, struct str body);
void store_tx_ntf_delete(struct store_tx *tx, int64_t first, int64_t last); /* inclusive range */
/* Insert or replace; what the same id and key had acknowledged never goes back. */
void store_tx_tgt(struct store_tx *tx, int64_t id, struct str key, int64_t acked);
void store_tx_tgt_delete(struct store_tx *tx, int64_t id);
/* A shared list of members. */
void store_tx_aud(struct store_tx *tx, int64_t id, struct str members);
/* Fails with STORE_IO unless that row is there: what follows relies on it. */
void store_tx_aud_need(struct store_tx *tx, int64_t id);
void store_tx_aud_delete(struct store_tx *tx, int64_t id);
/* Text to be kept until it is handled, n ascending.  What the transactions of a group have is one
 * row of `evt`: their texts one behind the other, id the last n. */
void store_tx_evt(struct store_tx *tx, int64_t n, struct str text);
void store_tx_evt_delete(struct store_tx *tx, int64_t last); /* rows up to that id, inclusive */
/* v NULL: delete.  The name "schema" is the store's own: STORE_CONFLICT. */
void store_tx_meta(struct store_tx *tx, struct str k, struct str v);

/* What a transaction changed in a container, for the caller's cache; one per cid, last state. */
struct store_cs {
	int64_t cid, st, cni, cbs, lt;
	int64_t oldest; /* st of the oldest instance that is left; 0: none */
};
struct store_done {
	enum store_rc rc;
	const char *msg; /* reason when rc is not STORE_OK */
	const struct store_cs *cs;
	size_t ncs;
};
typedef void (*store_commit_cb)(void *arg, const struct store_done *d);
/* Takes tx over.  All or nothing; a transaction that fails leaves the others of its group whole. */
void store_commit(struct store *s, struct store_tx *tx, store_commit_cb cb, void *arg);

/* ---- reads ----------------------------------------------------------------------------------- */

enum store_type { STORE_T_NULL, STORE_T_INT, STORE_T_REAL, STORE_T_TEXT };
struct store_cell {
	enum store_type t;
	int64_t i;
	double d;
	struct str s;
};
struct store_rows {
	const char *const *name; /* ncols column names */
	size_t ncols, nrows;
	const struct store_cell *cell; /* nrows * ncols */
	bool more; /* the limit cut the answer */
	const char *error; /* NULL, or why the read failed */
};
/* The rows are borrowed during the call. */
typedef void (*store_rows_cb)(void *arg, const struct store_rows *r);

enum store_key { STORE_BY_ID, STORE_BY_PATH, STORE_BY_AEI };
/* A res row: its columns, and cs_st cni cbs oldest cs_lt mni mbs mia of a container. */
void store_get(struct store *s, enum store_key by, int64_t id, struct str text, store_rows_cb cb,
	       void *arg);

enum store_sel { STORE_LATEST, STORE_OLDEST, STORE_AT, STORE_NAMED, STORE_NEWEST_N, STORE_RANGE };
/* Instances of a container: columns cid st ct et size rn cr lbl att con.  AT: by st; NAMED: by
 * rn; NEWEST_N: n newest, newest first; RANGE: n from st upward. */
void store_inst(struct store *s, int64_t cid, enum store_sel sel, int64_t st, struct str rn,
		unsigned n, store_rows_cb cb, void *arg);

/* Children of pid that are no instances, by id ascending after `after`; ty 0: all types. */
void store_kids(struct store *s, int64_t pid, int ty, int64_t after, unsigned n, store_rows_cb cb,
		void *arg);

/* Discovery and other searches: SQL that lua/moon2m/sql.lua renders (the SQLite dialect lives there
 * and in store_sqlite.c, nowhere else), read-only by the connection, parameters ?1...  Statements
 * are cached by text. */
void store_find(struct store *s, struct str sql, const struct store_cell *param, size_t n,
		unsigned limit, store_rows_cb cb, void *arg);

/* Bodies of kept notifications by id: columns id et body. */
void store_pend(struct store *s, const int64_t *id, size_t n, store_rows_cb cb, void *arg);

/* Start only, before the loop runs, on the calling thread: every row in order. */
void store_scan_ntf(struct store *s,
		    void (*fn)(void *arg, int64_t id, int64_t et, struct str members,
			       size_t body_len),
		    void *arg);
void store_scan_tgt(struct store *s,
		    void (*fn)(void *arg, int64_t id, struct str key, int64_t acked), void *arg);
void store_scan_aud(struct store *s, void (*fn)(void *arg, int64_t id, struct str members),
		    void *arg);
/* Highest id ever used in res, ntf, tgt or aud; 0: none. */
int64_t store_max_id(struct store *s, const char *table);
bool store_meta(struct store *s, const char *k, struct buf *v); /* start only */

struct store_stats {
	uint64_t commits, transactions, ops, reads, failed;
	double last_commit_s; /* seconds of the last commit, fsync included */
	size_t queued_ops, queued_bytes;
};
void store_stats(struct store *s, struct store_stats *out);
/* Histograms moon2m_store_commit_seconds and moon2m_store_batch are registered by store.c and fed
 * in store_poll. */

/* ---- backup ---------------------------------------------------------------------------------- */

#define STORE_BACKUP "-backup" /* the copy's name is the file's with this behind it */

enum store_backup_state {
	STORE_BACKUP_NONE,
	STORE_BACKUP_RUNS,
	STORE_BACKUP_DONE,
	STORE_BACKUP_FAILED
};

struct store_backup {
	enum store_backup_state state;
	int64_t done, total; /* bytes */
	char why[300]; /* of FAILED */
};

/* Begins a copy of the store as it is when the copy is complete, made by the storage thread in slices
 * between its commits; mode 0600, not yet on disk (fsync is the caller's, on no thread of ours).  One
 * at a time: a second one is refused until the first was ended, or nobody has looked for 30 s, which
 * ends it too.  What an earlier one left is removed, at a start too. */
bool store_backup_begin(struct store *s, struct err *e) MUSTCHECK;
void store_backup_look(struct store *s, struct store_backup *out);
void store_backup_end(struct store *s); /* stops it; the copy stays when it is complete */
