/*
 * store_tx.c - building a transaction: each call copies what it is given into one operation of the
 * transaction's list.  Nothing is checked against the store here and nothing is written; that is
 * the storage thread's work after store_commit.
 */
#include "store_engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Copies s to *at and moves *at on.  A NULL string stays NULL; an empty one stays not NULL. */
static struct str keep(char **at, struct str s)
{
	struct str r = { s.p ? *at : NULL, s.n };

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return r;
}

static struct store_op *op_add(struct store_tx *tx, enum store_op_kind kind, size_t bytes,
			       char **at)
{
	struct store_op *op = xmalloc(sizeof(*op) + bytes);
	bool may_fail = kind == SOP_PUT || kind == SOP_SET || kind == SOP_INST ||
			kind == SOP_TOUCH || kind == SOP_META || kind == SOP_AUD_NEED;

	op->next = NULL;
	op->kind = kind;
	*at = (char *)(op + 1);
	*tx->last = op;
	tx->last = &op->next;
	if (may_fail && tx->nops)
		tx->careful = true;
	tx->nops++;
	tx->bytes += sizeof(*op) + bytes;
	return op;
}

static void row_add(struct store_tx *tx, enum store_op_kind kind, int64_t id, int64_t st,
		    int64_t lt, struct str key, struct str body)
{
	char *at;
	struct store_op *op = op_add(tx, kind, key.n + body.n, &at);

	op->row.id = id;
	op->row.st = st;
	op->row.lt = lt;
	op->row.key = keep(&at, key);
	op->row.body = keep(&at, body);
}

struct store_tx *store_tx_new(struct store *s)
{
	struct store_tx *tx = xcalloc(1, sizeof(*tx));

	tx->store = s;
	tx->last = &tx->first;
	tx->cs = tx->cs_few;
	return tx;
}

void store_tx_drop(struct store_tx *tx)
{
	while (tx->first) {
		struct store_op *op = tx->first;

		tx->first = op->next;
		free(op);
	}
	tx->last = &tx->first;
}

void store_tx_reset(struct store_tx *tx)
{
	if (tx->cs != tx->cs_few)
		free(tx->cs);
	free(tx->msg);
	tx->cs = tx->cs_few;
	tx->ncs = 0;
	tx->msg = NULL;
	tx->rc = STORE_OK;
}

void store_tx_free(struct store_tx *tx)
{
	if (!tx)
		return;
	store_tx_drop(tx);
	store_tx_reset(tx);
	free(tx);
}

void store_tx_fail(struct store_tx *tx, enum store_rc rc, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(tx->msg);
	tx->msg = xstrdup(text);
	tx->rc = rc;
	tx->ncs = 0;
}

static void res_add(struct store_tx *tx, enum store_op_kind kind, const struct store_res *r)
{
	size_t n = r->rn.n + r->path.n + r->lbl.n + r->acpi.n + r->aei.n + r->doc.n;
	char *at;
	struct store_op *op = op_add(tx, kind, n, &at);

	op->res = *r;
	op->res.rn = keep(&at, r->rn);
	op->res.path = keep(&at, r->path);
	op->res.lbl = keep(&at, r->lbl);
	op->res.acpi = keep(&at, r->acpi);
	op->res.aei = keep(&at, r->aei);
	op->res.doc = keep(&at, r->doc);
}

void store_tx_put(struct store_tx *tx, const struct store_res *r)
{
	res_add(tx, SOP_PUT, r);
}

void store_tx_set(struct store_tx *tx, const struct store_res *r)
{
	res_add(tx, SOP_SET, r);
}

void store_tx_inst(struct store_tx *tx, const struct store_inst *i)
{
	size_t n = i->path.n + i->rn.n + i->cr.n + i->lbl.n + i->att.n + i->con.n;
	char *at;
	struct store_op *op = op_add(tx, SOP_INST, n, &at);

	op->inst = *i;
	op->inst.path = keep(&at, i->path);
	op->inst.rn = keep(&at, i->rn);
	op->inst.cr = keep(&at, i->cr);
	op->inst.lbl = keep(&at, i->lbl);
	op->inst.att = keep(&at, i->att);
	op->inst.con = keep(&at, i->con);
}

void store_tx_delete(struct store_tx *tx, int64_t id, struct str path)
{
	row_add(tx, SOP_DELETE, id, 0, 0, path, STR_NONE);
}

void store_tx_inst_delete(struct store_tx *tx, int64_t cid, int64_t st)
{
	row_add(tx, SOP_INST_DELETE, cid, st, 0, STR_NONE, STR_NONE);
}

void store_tx_touch(struct store_tx *tx, int64_t cid, int64_t st, int64_t lt)
{
	row_add(tx, SOP_TOUCH, cid, st, lt, STR_NONE, STR_NONE);
}

void store_tx_ntf(struct store_tx *tx, int64_t id, int64_t et, struct str members, struct str body)
{
	row_add(tx, SOP_NTF, id, et, 0, members, body);
}

void store_tx_ntf_delete(struct store_tx *tx, int64_t first, int64_t last)
{
	row_add(tx, SOP_NTF_DELETE, first, last, 0, STR_NONE, STR_NONE);
}

void store_tx_tgt(struct store_tx *tx, int64_t id, struct str key, int64_t acked)
{
	row_add(tx, SOP_TGT, id, acked, 0, key, STR_NONE);
}

void store_tx_tgt_delete(struct store_tx *tx, int64_t id)
{
	row_add(tx, SOP_TGT_DELETE, id, 0, 0, STR_NONE, STR_NONE);
}

void store_tx_aud(struct store_tx *tx, int64_t id, struct str members)
{
	row_add(tx, SOP_AUD, id, 0, 0, members, STR_NONE);
}

void store_tx_aud_need(struct store_tx *tx, int64_t id)
{
	row_add(tx, SOP_AUD_NEED, id, 0, 0, STR_NONE, STR_NONE);
}

void store_tx_aud_delete(struct store_tx *tx, int64_t id)
{
	row_add(tx, SOP_AUD_DELETE, id, 0, 0, STR_NONE, STR_NONE);
}

void store_tx_evt(struct store_tx *tx, int64_t n, struct str text)
{
	row_add(tx, SOP_EVT, n, 0, 0, STR_NONE, text);
}

void store_tx_evt_delete(struct store_tx *tx, int64_t last)
{
	row_add(tx, SOP_EVT_DELETE, last, 0, 0, STR_NONE, STR_NONE);
}

void store_tx_meta(struct store_tx *tx, struct str k, struct str v)
{
	row_add(tx, SOP_META, 0, 0, 0, k, v);
}
