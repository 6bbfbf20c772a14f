/*
 * store_sqlite_ops.c - what each operation of a transaction does to the tables.  An operation that
 * may be refused checks everything before its first write, so that the usual transaction, one such
 * operation and then others, needs no savepoint.
 */
#include "store_sqlite.h"

#define INST_TY 4
#define NO_MARK (STORE_NULL + 1) /* lower than any */

static enum store_rc done(const struct engine *g)
{
	return g->bad ? STORE_IO : STORE_OK;
}

static enum store_rc refuse(struct engine *g, struct store_tx *tx, enum store_rc rc,
			    const char *what, struct str name)
{
	if (g->bad)
		return STORE_IO;
	store_tx_fail(tx, rc, "%.*s%s%s", name.n > 200 ? 200 : (int)name.n, name.p ? name.p : "",
		      name.n ? " " : "", what);
	return rc;
}

static void seen(struct engine *g, int seq, int64_t id)
{
	if (id > g->hi[seq])
		g->hi[seq] = id;
}

/* ---- labels ---------------------------------------------------------------------------------- */

static bool labels_valid(struct engine *g, struct str lbl)
{
	sqlite3_stmt *s;
	bool ok;

	if (!lbl.p)
		return true;
	s = engine_stmt(g, Q_LBL_VALID);
	bind_str(s, 1, lbl);
	ok = engine_step(g, s) == SQL_ROW && sqlite3_column_int(s, 0) == 1;
	sqlite3_reset(s);
	return ok;
}

static bool labels_add(struct engine *g, struct str lbl, struct str path, int64_t st, int ty,
		       int64_t id)
{
	sqlite3_stmt *s;

	if (!lbl.p)
		return true;
	s = engine_stmt(g, Q_LBL_ADD);
	bind_str(s, 1, lbl);
	bind_str(s, 2, path.p ? path : STR(""));
	bind_int(s, 3, st);
	bind_int(s, 4, ty);
	bind_int(s, 5, id);
	return engine_run(g, s) == SQL_DONE;
}

static bool labels_wipe(struct engine *g, int64_t id)
{
	sqlite3_stmt *s = engine_stmt(g, Q_LBL_WIPE);

	bind_int(s, 1, id);
	bind_int(s, 2, 0);
	bind_int(s, 3, 0);
	return engine_run(g, s) == SQL_DONE;
}

/* ---- resources ------------------------------------------------------------------------------- */

/* The row of the instance that a statement finds, whether evicted or not; 0: none. */
static int64_t inst_found(struct engine *g, sqlite3_stmt *s, int64_t *st)
{
	int64_t row = 0;

	if (engine_step(g, s) == SQL_ROW) {
		row = sqlite3_column_int64(s, 0);
		*st = sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return row;
}

/* True when a statement finds an instance of cid; wipes an evicted one that it finds. */
static bool inst_taken(struct engine *g, int64_t cid, sqlite3_stmt *s)
{
	int64_t st = 0, row = inst_found(g, s, &st);
	struct cs_row *c = row ? cs_get(g, cid) : NULL;

	if (!row || g->bad)
		return false;
	if (c && st >= c->ol)
		return true;
	cs_wipe_inst(g, cid, st, row);
	return false;
}

/* True when an instance of cid has this name. */
static bool name_taken(struct engine *g, int64_t cid, struct str rn)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_NAMED);

	bind_int(s, 1, cid);
	bind_str(s, 2, rn);
	return inst_taken(g, cid, s);
}

static int64_t top_mark(struct engine *g, int64_t cid)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_TOP);
	int64_t top = NO_MARK;

	bind_int(s, 1, cid);
	if (engine_step(g, s) == SQL_ROW && column_int(s, 0) != STORE_NULL)
		top = column_int(s, 0);
	sqlite3_reset(s);
	return top;
}

/* Marks ascend as a rule: then nothing is looked up. */
static bool mark_taken(struct engine *g, struct cs_row *c, int64_t mark)
{
	sqlite3_stmt *s;

	if (c->top == STORE_NULL)
		c->top = top_mark(g, c->cid);
	if (mark > c->top)
		return false;
	s = engine_stmt(g, Q_CIN_MARKED);
	bind_int(s, 1, c->cid);
	bind_int(s, 2, mark);
	return inst_taken(g, c->cid, s);
}

/* True when a resource, not an instance, has the path. */
static bool path_taken(struct engine *g, struct str path)
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_HOLDERS);
	bool taken = false;

	bind_str(s, 1, path);
	bind_str(s, 2, STR_NONE);
	while (!taken && engine_step(g, s) == SQL_ROW)
		taken = !gc_hidden(g, column_str(s, 1), sqlite3_column_int64(s, 0));
	sqlite3_reset(s);
	return taken;
}

static bool cs_put(struct engine *g, const struct store_res *r)
{
	struct cs_row c = { .cid = r->id,
			    .top = NO_MARK,
			    .st = r->st,
			    .ol = 0,
			    .lt = r->lt,
			    .mni = r->mni,
			    .mbs = r->mbs,
			    .mia = r->mia };
	sqlite3_stmt *s = engine_stmt(g, Q_CS_PUT);

	bind_int(s, 1, c.cid);
	bind_int(s, 2, c.st);
	bind_int(s, 3, c.cni);
	bind_int(s, 4, c.cbs);
	bind_int(s, 5, c.ol);
	bind_int(s, 6, c.lt);
	bind_int(s, 7, c.mni);
	bind_int(s, 8, c.mbs);
	bind_int(s, 9, c.mia);
	if (engine_run(g, s) != SQL_DONE) {
		engine_bad(g);
		return false;
	}
	cs_add(g, &c);
	return true;
}

static enum sql_step res_insert(struct engine *g, const struct store_res *r)
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_PUT);

	bind_int(s, 1, r->id);
	bind_int(s, 2, r->pid);
	bind_int(s, 3, r->ty);
	bind_str(s, 4, r->rn.p ? r->rn : STR(""));
	bind_str(s, 5, r->path.p ? r->path : STR(""));
	bind_int(s, 6, r->ct);
	bind_int(s, 7, r->lt);
	bind_int(s, 8, r->et);
	bind_int(s, 9, r->st);
	bind_str(s, 10, r->lbl);
	bind_str(s, 11, r->acpi);
	bind_str(s, 12, r->aei);
	bind_str(s, 13, r->doc.p ? r->doc : STR("{}"));
	return engine_run(g, s);
}

static enum store_rc op_put(struct engine *g, struct store_tx *tx, const struct store_res *r)
{
	if (r->pid && !gc_alive(g, r->pid))
		return refuse(g, tx, STORE_GONE, "has no parent any more", r->path);
	if (gc_hidden(g, r->path, r->id))
		return refuse(g, tx, STORE_GONE, "was deleted meanwhile", r->path);
	if (!labels_valid(g, r->lbl))
		return refuse(g, tx, STORE_IO, "has labels that are no JSON array", r->path);
	if (name_taken(g, r->pid, r->rn))
		return refuse(g, tx, STORE_CONFLICT, "is the name of an instance", r->rn);
	if (g->bad || !gc_clear(g, r->path, r->aei))
		return STORE_IO;
	if (gc_owes(g, r->id))
		return refuse(g, tx, STORE_GONE, "was deleted and is not wiped yet", r->path);
	if (res_insert(g, r) != SQL_DONE)
		return refuse(g, tx, STORE_CONFLICT, "is taken",
			      path_taken(g, r->path) ? r->path : r->aei);
	seen(g, SEQ_RES, r->id);
	geo_set_res(g, r->id, r->doc);
	if (labels_add(g, r->lbl, r->path, 0, r->ty, r->id) && r->container)
		cs_put(g, r);
	return done(g);
}

static enum sql_step res_update(struct engine *g, const struct store_res *r)
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_SET);

	bind_int(s, 1, r->id);
	bind_int(s, 2, r->lt);
	bind_int(s, 3, r->et);
	bind_int(s, 4, r->st);
	bind_str(s, 5, r->lbl);
	bind_str(s, 6, r->acpi);
	bind_str(s, 7, r->aei);
	bind_str(s, 8, r->doc.p ? r->doc : STR("{}"));
	return engine_run(g, s);
}

/* What op_set needs of the row as it is: path and type (columns that never change), and whether
 * the labels are others now.  False: no such row. */
static bool set_read(struct engine *g, const struct store_res *r, struct buf *path, int *ty,
		     bool *lbl)
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_SET_READ);
	bool found;

	bind_int(s, 1, r->id);
	found = engine_step(g, s) == SQL_ROW && !gc_hidden(g, column_str(s, 0), r->id);
	if (found) {
		buf_str(path, column_str(s, 0));
		*lbl = !str_eq(column_str(s, 1), r->lbl);
		*ty = sqlite3_column_int(s, 2);
	}
	sqlite3_reset(s);
	return found;
}

static enum store_rc set_container(struct engine *g, const struct store_res *r, struct cs_row *c)
{
	cs_change(g, c);
	if (r->st > c->st)
		c->st = r->st;
	c->lt = r->lt;
	c->mni = r->mni;
	c->mbs = r->mbs;
	c->mia = r->mia;
	cs_evict(g, c, -1, c->st + 1);
	return done(g);
}

static enum store_rc set_checked(struct engine *g, struct store_tx *tx, const struct store_res *r,
				 struct str path, int ty, bool relabel)
{
	struct cs_row *c = r->container ? cs_get(g, r->id) : NULL;

	if (g->bad || !gc_clear(g, STR_NONE, r->aei))
		return STORE_IO;
	if (r->container && !c) { /* it begins to hold instances */
		if (!cs_put(g, r))
			return STORE_IO;
		c = cs_get(g, r->id);
	}
	if (res_update(g, r) != SQL_DONE)
		return refuse(g, tx, STORE_CONFLICT, "is taken", r->aei);
	geo_set_res(g, r->id, r->doc);
	if (relabel && labels_wipe(g, r->id))
		labels_add(g, r->lbl, path, 0, ty, r->id);
	if (g->bad || !c)
		return done(g);
	return set_container(g, r, c);
}

static enum store_rc op_set(struct engine *g, struct store_tx *tx, const struct store_res *r)
{
	struct buf path = BUF_INIT;
	bool relabel = false;
	enum store_rc rc;
	int ty = 0;

	if (!set_read(g, r, &path, &ty, &relabel))
		rc = refuse(g, tx, STORE_GONE, "is gone", r->path);
	else if (relabel && !labels_valid(g, r->lbl))
		rc = refuse(g, tx, STORE_IO, "has labels that are no JSON array", r->path);
	else
		rc = set_checked(g, tx, r, buf_view(&path), ty, relabel);
	buf_free(&path);
	return rc;
}

/* ---- instances ------------------------------------------------------------------------------- */

static int64_t inst_at(struct engine *g, int64_t cid, int64_t st, int64_t *size)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_AT);
	int64_t row = 0;

	bind_int(s, 1, cid);
	bind_int(s, 2, st);
	if (engine_step(g, s) == SQL_ROW) {
		row = sqlite3_column_int64(s, 0);
		*size = sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return row;
}

/* The stateTag is key and order: it must not go back, nor be used twice. */
static bool st_free(struct engine *g, const struct cs_row *c, int64_t st)
{
	int64_t size;

	if (st > c->st)
		return true;
	return st == c->st && st >= c->ol && !inst_at(g, c->cid, st, &size) && !g->bad;
}

static enum store_rc inst_check(struct engine *g, struct store_tx *tx, const struct store_inst *i,
				const struct cs_row *c)
{
	if (!c || (g->ntree && !gc_alive(g, i->cid)))
		return refuse(g, tx, STORE_GONE, "is gone", i->path);
	if (!st_free(g, c, i->st))
		return refuse(g, tx, STORE_IO, "has moved on past this stateTag", i->path);
	if (c->mbs != STORE_NULL && i->size > c->mbs)
		return refuse(g, tx, STORE_TOOBIG, "takes no instance of this size (mbs)", i->path);
	if (c->mni == 0)
		return refuse(g, tx, STORE_TOOBIG, "takes no instances (mni is 0)", i->path);
	if (!labels_valid(g, i->lbl))
		return refuse(g, tx, STORE_IO, "got labels that are no JSON array", i->path);
	return done(g);
}

static enum store_rc inst_check_name(struct engine *g, struct store_tx *tx,
				     const struct store_inst *i)
{
	struct buf path = BUF_INIT;
	bool taken;

	buf_str(&path, i->path);
	buf_char(&path, '/');
	buf_str(&path, i->rn);
	taken = path_taken(g, buf_view(&path));
	buf_free(&path);
	if (taken || name_taken(g, i->cid, i->rn))
		return refuse(g, tx, STORE_CONFLICT, "is taken", i->rn);
	return done(g);
}

static enum sql_step inst_insert(struct engine *g, const struct store_inst *i)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_PUT);

	bind_int(s, 1, i->cid);
	bind_int(s, 2, i->st);
	bind_int(s, 3, i->ct);
	bind_int(s, 4, i->et);
	bind_int(s, 5, i->size);
	bind_str(s, 6, i->rn);
	bind_str(s, 7, i->cr);
	bind_str(s, 8, i->lbl);
	bind_str(s, 9, i->att);
	bind_str(s, 10, i->con.p ? i->con : STR(""));
	bind_int(s, 11, i->mark ? i->mark : STORE_NULL);
	return engine_run(g, s);
}

static enum store_rc op_inst(struct engine *g, struct store_tx *tx, const struct store_inst *i)
{
	struct cs_row *c = cs_get(g, i->cid);
	enum store_rc rc = g->bad ? STORE_IO : inst_check(g, tx, i, c);

	if (rc == STORE_OK && i->rn.p)
		rc = inst_check_name(g, tx, i);
	if (rc == STORE_OK && i->mark && mark_taken(g, c, i->mark))
		rc = refuse(g, tx, STORE_TWICE, "has an instance with this mark", i->path);
	if (rc != STORE_OK)
		return rc;
	cs_change(g, c);
	if (c->cni == 0)
		c->ol = i->st;
	c->cni++;
	c->cbs += i->size;
	if (i->mark && i->mark > c->top)
		c->top = i->mark;
	if (!cs_evict(g, c, i->size, i->st))
		return STORE_IO;
	if (i->st > c->st)
		c->st = i->st;
	c->lt = i->ct;
	if (inst_insert(g, i) != SQL_DONE)
		engine_bad(g);
	geo_put_inst(g, sqlite3_last_insert_rowid(g->db), i->att);
	labels_add(g, i->lbl, i->path, i->st, INST_TY, i->cid);
	return done(g);
}

/* Absent (evicted meanwhile, say): nothing to do. */
static enum store_rc op_inst_delete(struct engine *g, int64_t cid, int64_t st)
{
	struct cs_row *c = cs_get(g, cid);
	int64_t size = 0, row = c ? inst_at(g, cid, st, &size) : 0;
	sqlite3_stmt *s;

	if (!row || st < c->ol || (g->ntree && !gc_alive(g, cid)))
		return done(g);
	if (!cs_wipe_inst(g, cid, st, row))
		return STORE_IO;
	cs_change(g, c);
	c->cni--;
	c->cbs -= size;
	if (st != c->ol)
		return STORE_OK;
	s = engine_stmt(g, Q_CIN_NEXT);
	bind_int(s, 1, cid);
	bind_int(s, 2, st);
	c->ol = engine_step(g, s) == SQL_ROW ? sqlite3_column_int64(s, 0) : c->st + 1;
	sqlite3_reset(s);
	return done(g);
}

static enum store_rc op_touch(struct engine *g, struct store_tx *tx, int64_t cid, int64_t st,
			      int64_t lt)
{
	struct cs_row *c = cs_get(g, cid);

	if (!c || (g->ntree && !gc_alive(g, cid)))
		return refuse(g, tx, STORE_GONE, "the container is gone", STR_NONE);
	cs_change(g, c);
	if (st > c->st)
		c->st = st;
	c->lt = lt;
	return STORE_OK;
}

/* ---- notifications and names ----------------------------------------------------------------- */

static enum store_rc op_ntf(struct engine *g, const struct store_op *op)
{
	sqlite3_stmt *s = engine_stmt(g, Q_NTF_PUT);

	bind_int(s, 1, op->row.id);
	bind_int(s, 2, op->row.st);
	bind_blob(s, 3, op->row.key);
	bind_blob(s, 4, op->row.body);
	engine_run(g, s);
	seen(g, SEQ_NTF, op->row.id);
	return done(g);
}

static enum store_rc op_tgt(struct engine *g, const struct store_op *op)
{
	sqlite3_stmt *s = engine_stmt(g, Q_TGT_ACK);

	bind_int(s, 1, op->row.id);
	bind_str(s, 2, op->row.key);
	bind_int(s, 3, op->row.st);
	if (engine_run(g, s) != SQL_DONE || sqlite3_changes(g->db))
		return done(g);
	s = engine_stmt(g, Q_TGT_PUT);
	bind_int(s, 1, op->row.id);
	bind_str(s, 2, op->row.key);
	bind_int(s, 3, op->row.st);
	engine_run(g, s);
	seen(g, SEQ_TGT, op->row.id);
	return done(g);
}

static enum store_rc op_aud(struct engine *g, const struct store_op *op)
{
	sqlite3_stmt *s = engine_stmt(g, Q_AUD_PUT);

	bind_int(s, 1, op->row.id);
	bind_blob(s, 2, op->row.key);
	engine_run(g, s);
	seen(g, SEQ_AUD, op->row.id);
	return done(g);
}

static enum store_rc op_aud_need(struct engine *g, struct store_tx *tx, int64_t id)
{
	sqlite3_stmt *s = engine_stmt(g, Q_AUD_AT);
	bool there;

	bind_int(s, 1, id);
	there = engine_step(g, s) == SQL_ROW;
	sqlite3_reset(s);
	return there ? done(g)
		     : refuse(g, tx, STORE_IO, "a list of members was not stored", STR_NONE);
}

static enum store_rc wipe_range(struct engine *g, enum engine_sql q, int64_t first, int64_t last)
{
	sqlite3_stmt *s = engine_stmt(g, q);

	bind_int(s, 1, first);
	if (q == Q_NTF_WIPE)
		bind_int(s, 2, last);
	engine_run(g, s);
	return done(g);
}

static enum store_rc op_evt(struct engine *g, int64_t n, struct str text)
{
	buf_str(&g->evt, text);
	if (n > g->evt_last)
		g->evt_last = n;
	return STORE_OK;
}

static enum store_rc op_meta(struct engine *g, struct store_tx *tx, struct str k, struct str v)
{
	sqlite3_stmt *s = engine_stmt(g, v.p ? Q_META_PUT : Q_META_WIPE);

	if (str_is(k, "schema") || str_is(k, STORE_SUMS))
		return refuse(g, tx, STORE_CONFLICT, "is a name of the store's own", k);
	bind_str(s, 1, k);
	if (v.p)
		bind_str(s, 2, v);
	engine_run(g, s);
	return done(g);
}

enum store_rc engine_apply(struct engine *g, struct store_tx *tx, const struct store_op *op)
{
	switch (op->kind) {
	case SOP_PUT:
		return op_put(g, tx, &op->res);
	case SOP_SET:
		return op_set(g, tx, &op->res);
	case SOP_DELETE:
		return gc_delete(g, op->row.id) ? STORE_OK : STORE_IO;
	case SOP_INST:
		return op_inst(g, tx, &op->inst);
	case SOP_INST_DELETE:
		return op_inst_delete(g, op->row.id, op->row.st);
	case SOP_TOUCH:
		return op_touch(g, tx, op->row.id, op->row.st, op->row.lt);
	case SOP_NTF:
		return op_ntf(g, op);
	case SOP_NTF_DELETE:
		return wipe_range(g, Q_NTF_WIPE, op->row.id, op->row.st);
	case SOP_TGT:
		return op_tgt(g, op);
	case SOP_TGT_DELETE:
		return wipe_range(g, Q_TGT_WIPE, op->row.id, 0);
	case SOP_AUD:
		return op_aud(g, op);
	case SOP_AUD_NEED:
		return op_aud_need(g, tx, op->row.id);
	case SOP_AUD_DELETE:
		return wipe_range(g, Q_AUD_WIPE, op->row.id, 0);
	case SOP_EVT:
		return op_evt(g, op->row.id, op->row.body);
	case SOP_EVT_DELETE:
		return wipe_range(g, Q_EVT_WIPE, op->row.id, 0);
	case SOP_META:
		return op_meta(g, tx, op->row.key, op->row.body);
	}
	return STORE_OK;
}
