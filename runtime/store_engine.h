/*
 * store_engine.h - between store.c (queues and threads) and the engine behind it.  Private to the
 * store.  The engine is called by one thread at a time per object: `engine` by the storage thread,
 * `engine_reader` by whoever holds the reader's lock.  Another engine implements these functions.
 */
#pragma once

#include "store.h"

enum store_op_kind {
	SOP_PUT,
	SOP_SET,
	SOP_DELETE,
	SOP_INST,
	SOP_INST_DELETE,
	SOP_TOUCH,
	SOP_NTF,
	SOP_NTF_DELETE,
	SOP_TGT,
	SOP_TGT_DELETE,
	SOP_AUD,
	SOP_AUD_NEED,
	SOP_AUD_DELETE,
	SOP_EVT,
	SOP_EVT_DELETE,
	SOP_META,
};

struct store_op {
	struct store_op *next;
	enum store_op_kind kind;
	union {
		struct store_res res; /* PUT SET */
		struct store_inst inst; /* INST */
		struct { /* the others; what they do not use is 0 */
			int64_t id; /* id, cid, or first of a range */
			int64_t st; /* st, acked, et, or last of a range */
			int64_t lt;
			struct str key; /* path, key or members */
			struct str body;
		} row;
	};
	/* the strings' bytes follow */
};

struct store_tx {
	struct store *store;
	struct store_op *first, **last;
	size_t nops, bytes;
	bool careful; /* an operation after the first may fail: undo needs a savepoint */
	bool refused; /* the queue was full: answered in its turn, never run */
	store_commit_cb cb;
	void *arg;
	struct store_tx *next;

	/* The answer: written by the storage thread, read by the loop after the hand-over. */
	enum store_rc rc;
	char *msg; /* owned; NULL when rc is STORE_OK */
	struct store_cs *cs; /* cs_few, or owned when there are more */
	size_t ncs;
	struct store_cs cs_few[2];
	size_t group; /* of the first of a group: transactions in it, else 0 */
	double seconds; /* of the first of a group: its duration, fsync included */
};

/* Sets the answer of a transaction that failed. */
void store_tx_fail(struct store_tx *tx, enum store_rc rc, const char *fmt, ...) PRINTF(3, 4);
void store_tx_reset(struct store_tx *tx); /* no answer yet */
void store_tx_drop(struct store_tx *tx); /* frees what it asks for, keeps its answer */

/* ---- writing --------------------------------------------------------------------------------- */

struct engine;

/* Opens or creates the file, brings its schema up to date, locks it against other processes. */
struct engine *engine_open(const char *path, struct err *e);
void engine_close(struct engine *g); /* checkpoints; every reader was closed before */

/* Runs the list as one group: one commit.  Every transaction has its answer afterwards. */
void engine_group(struct engine *g, struct store_tx *list);

/* Background work: wiping what was deleted or evicted logically.  A slice takes about 5 ms. */
bool engine_wants_slice(const struct engine *g);
void engine_slice(struct engine *g);

/* Moves the log into the file: when it is long enough, or (idle) when it holds anything. */
void engine_checkpoint(struct engine *g, bool idle);
bool engine_unsettled(const struct engine *g); /* idle time is of use, now or later */

/* The backup of store.h, in slices of some milliseconds between groups.  begin, look and end: any
 * thread; wait (ms until a slice is due; 0: now; -1: no backup runs) and slice: the storage thread. */
bool engine_backup_begin(struct engine *g, struct err *e);
void engine_backup_look(struct engine *g, struct store_backup *out);
void engine_backup_end(struct engine *g);
int engine_backup_wait(struct engine *g);
void engine_backup_slice(struct engine *g);

/* ---- reading --------------------------------------------------------------------------------- */

enum store_read_kind { READ_GET, READ_INST, READ_KIDS, READ_FIND, READ_PEND };

struct store_read {
	struct store_read *next;
	enum store_read_kind kind;
	int how; /* GET: enum store_key; INST: enum store_sel; KIDS: ty */
	int64_t id; /* id, cid or pid */
	int64_t at; /* st, or the id that children come after */
	unsigned limit;
	struct str text; /* path, aei, rn or SQL */
	struct store_cell *param; /* FIND: parameters; PEND: ids */
	size_t nparam;
	store_rows_cb cb;
	void *arg;

	/* The answer. */
	struct store_rows rows;
	struct buf cells, bytes, names;
	char *error;
	/* the strings' bytes follow */
};

void store_read_submit(struct store *s, struct store_read *r); /* takes r over */

struct engine_reader;
struct engine_reader *engine_reader_open(const char *path, struct err *e);
void engine_reader_close(struct engine_reader *r);
void engine_reader_stop(struct engine_reader *r); /* any thread: ends a search that is running */

/* Answers the whole list from one snapshot of what is committed. */
void engine_read(struct engine_reader *r, struct store_read *list);

/* The scans of store.h; false: e says why. */
bool engine_scan_ntf(struct engine_reader *r,
		     void (*fn)(void *, int64_t, int64_t, struct str, size_t), void *arg);
bool engine_scan_tgt(struct engine_reader *r, void (*fn)(void *, int64_t, struct str, int64_t),
		     void *arg);
bool engine_scan_aud(struct engine_reader *r, void (*fn)(void *, int64_t, struct str), void *arg);
int64_t engine_max_id(struct engine_reader *r, const char *table);
bool engine_meta(struct engine_reader *r, const char *k, struct buf *v);
