/*
 * fake_store.c - see fake_store.h.  Sorted arrays; small.
 */
#include "fake_store.h"

#include <stdlib.h>

enum op_kind {
	OP_NTF,
	OP_NTF_DELETE,
	OP_TGT,
	OP_TGT_DELETE,
	OP_AUD,
	OP_AUD_DELETE,
	OP_AUD_NEED,
	OP_EVT,
	OP_EVT_DELETE,
	OP_META
};

struct op {
	enum op_kind kind;
	int64_t a, b;
	struct buf x, y;
	bool null;
};
struct store_tx {
	struct store_tx *next;
	struct op *op;
	size_t n;
	store_commit_cb cb;
	void *arg;
};
struct row {
	int64_t id, n; /* n: et or acked */
	struct buf x, y; /* members, body | key | members | key, value */
};
struct table {
	struct row *v;
	size_t n;
};
struct read {
	struct read *next;
	int64_t *id;
	size_t n;
	store_rows_cb cb;
	void *arg;
};
struct store {
	struct table ntf, tgt, aud, evt, meta;
	struct store_tx *first, **last;
	struct read *reads;
	unsigned fail, fail_reads;
	bool down;
};

static struct store the_store = { .last = &the_store.first };
struct store *const fake_store = &the_store;
size_t fake_ntf_rows, fake_aud_rows, fake_tgt_rows, fake_tgt_writes, fake_aud_writes;

/* ---- transactions ---------------------------------------------------------------------------- */

struct store_tx *store_tx_new(struct store *s)
{
	(void)s;
	return xcalloc(1, sizeof(struct store_tx));
}

void store_tx_free(struct store_tx *tx)
{
	for (size_t i = 0; i < tx->n; i++) {
		buf_free(&tx->op[i].x);
		buf_free(&tx->op[i].y);
	}
	free(tx->op);
	free(tx);
}

static struct op *op_add(struct store_tx *tx, enum op_kind kind, int64_t a, int64_t b)
{
	tx->op = xrealloc(tx->op, (tx->n + 1) * sizeof(*tx->op));
	tx->op[tx->n] = (struct op){ .kind = kind, .a = a, .b = b };
	return &tx->op[tx->n++];
}

void store_tx_ntf(struct store_tx *tx, int64_t id, int64_t et, struct str members, struct str body)
{
	struct op *o = op_add(tx, OP_NTF, id, et);

	buf_str(&o->x, members);
	buf_str(&o->y, body);
}

void store_tx_ntf_delete(struct store_tx *tx, int64_t first, int64_t last)
{
	op_add(tx, OP_NTF_DELETE, first, last);
}

void store_tx_tgt(struct store_tx *tx, int64_t id, struct str key, int64_t acked)
{
	buf_str(&op_add(tx, OP_TGT, id, acked)->x, key);
}

void store_tx_tgt_delete(struct store_tx *tx, int64_t id)
{
	op_add(tx, OP_TGT_DELETE, id, id);
}

void store_tx_aud(struct store_tx *tx, int64_t id, struct str members)
{
	buf_str(&op_add(tx, OP_AUD, id, 0)->x, members);
}

void store_tx_aud_need(struct store_tx *tx, int64_t id)
{
	op_add(tx, OP_AUD_NEED, id, 0);
}

void store_tx_aud_delete(struct store_tx *tx, int64_t id)
{
	op_add(tx, OP_AUD_DELETE, id, id);
}

void store_tx_evt(struct store_tx *tx, int64_t n, struct str text)
{
	buf_str(&op_add(tx, OP_EVT, n, 0)->x, text);
}

void store_tx_evt_delete(struct store_tx *tx, int64_t last)
{
	op_add(tx, OP_EVT_DELETE, 0, last);
}

void store_tx_meta(struct store_tx *tx, struct str k, struct str v)
{
	struct op *o = op_add(tx, OP_META, 0, 0);

	buf_str(&o->x, k);
	buf_str(&o->y, v);
	o->null = v.p == NULL;
}

void store_commit(struct store *s, struct store_tx *tx, store_commit_cb cb, void *arg)
{
	tx->cb = cb;
	tx->arg = arg;
	*s->last = tx;
	s->last = &tx->next;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void row_drop(struct table *t, size_t i)
{
	buf_free(&t->v[i].x);
	buf_free(&t->v[i].y);
	memmove(&t->v[i], &t->v[i + 1], (t->n - i - 1) * sizeof(*t->v));
	t->n--;
}

static void rows_delete(struct table *t, int64_t first, int64_t last)
{
	for (size_t i = t->n; i-- > 0;) {
		if (t->v[i].id >= first && t->v[i].id <= last)
			row_drop(t, i);
	}
}

static void key_delete(struct table *t, struct str key)
{
	for (size_t i = t->n; i-- > 0;) {
		if (str_eq(buf_view(&t->v[i].x), key))
			row_drop(t, i);
	}
}

static void row_put(struct table *t, int64_t id, int64_t n, struct buf *x, struct buf *y)
{
	size_t i;

	if (t->n && t->v[t->n - 1].id >= id)
		rows_delete(t, id, id);
	i = t->n;
	if ((i & (i - 1)) == 0)
		t->v = xrealloc(t->v, (2 * i + 1) * sizeof(*t->v));
	while (i && t->v[i - 1].id > id)
		i--;
	memmove(&t->v[i + 1], &t->v[i], (t->n - i) * sizeof(*t->v));
	t->v[i] = (struct row){ id, n, *x, *y };
	*x = *y = BUF_INIT;
	t->n++;
}

static void apply(struct store *s, struct op *o)
{
	switch (o->kind) {
	case OP_NTF:
		row_put(&s->ntf, o->a, o->b, &o->x, &o->y);
		break;
	case OP_NTF_DELETE:
		rows_delete(&s->ntf, o->a, o->b);
		break;
	case OP_TGT:
		fake_tgt_writes++;
		for (size_t i = 0; i < s->tgt.n; i++) {
			if (s->tgt.v[i].id == o->a && s->tgt.v[i].n > o->b)
				o->b = s->tgt.v[i].n; /* never goes back */
		}
		key_delete(&s->tgt, buf_view(&o->x));
		row_put(&s->tgt, o->a, o->b, &o->x, &o->y);
		break;
	case OP_TGT_DELETE:
		rows_delete(&s->tgt, o->a, o->b);
		break;
	case OP_AUD:
		fake_aud_writes++;
		row_put(&s->aud, o->a, 0, &o->x, &o->y);
		break;
	case OP_AUD_DELETE:
		rows_delete(&s->aud, o->a, o->b);
		break;
	case OP_AUD_NEED:
		break;
	case OP_EVT:
		row_put(&s->evt, o->a, 0, &o->x, &o->y);
		break;
	case OP_EVT_DELETE:
		rows_delete(&s->evt, o->a, o->b);
		break;
	case OP_META:
		key_delete(&s->meta, buf_view(&o->x));
		for (size_t i = 0; i < s->meta.n; i++)
			s->meta.v[i].id = (int64_t)i + 1;
		if (!o->null)
			row_put(&s->meta, (int64_t)s->meta.n + 1, 0, &o->x, &o->y);
		break;
	}
}

static bool has_aud(const struct store *s, int64_t id)
{
	for (size_t i = 0; i < s->aud.n; i++) {
		if (s->aud.v[i].id == id)
			return true;
	}
	return false;
}

static void one(struct store *s)
{
	struct store_tx *tx = s->first;
	struct store_done d = { .rc = STORE_OK };

	s->first = tx->next;
	if (!s->first)
		s->last = &s->first;
	if (s->down || s->fail) {
		s->fail -= s->fail > 0;
		d.rc = STORE_IO;
		d.msg = "the disk is gone";
	}
	for (size_t i = 0; d.rc == STORE_OK && i < tx->n; i++) {
		if (tx->op[i].kind != OP_AUD_NEED || has_aud(s, tx->op[i].a))
			continue;
		d.rc = STORE_IO;
		d.msg = "a list of members was not stored";
	}
	for (size_t i = 0; d.rc == STORE_OK && i < tx->n; i++)
		apply(s, &tx->op[i]);
	fake_ntf_rows = s->ntf.n;
	fake_aud_rows = s->aud.n;
	fake_tgt_rows = s->tgt.n;
	if (tx->cb)
		tx->cb(tx->arg, &d);
	store_tx_free(tx);
}

/* ---- reads ----------------------------------------------------------------------------------- */

void store_pend(struct store *s, const int64_t *id, size_t n, store_rows_cb cb, void *arg)
{
	struct read *r = xcalloc(1, sizeof(*r)), **at = &s->reads;

	*r = (struct read){ .id = xcalloc(n, sizeof(*id)), .n = n, .cb = cb, .arg = arg };
	memcpy(r->id, id, n * sizeof(*id));
	while (*at)
		at = &(*at)->next;
	*at = r;
}

static size_t pend_cells(struct store *s, const struct read *r, struct store_cell *c)
{
	size_t n = 0;

	for (size_t i = 0; i < s->ntf.n && n < r->n; i++) {
		for (size_t k = 0; k < r->n; k++) {
			if (s->ntf.v[i].id != r->id[k])
				continue;
			c[3 * n] = (struct store_cell){ .t = STORE_T_INT, .i = r->id[k] };
			c[3 * n + 1] = (struct store_cell){ .t = STORE_T_NULL };
			c[3 * n++ + 2] =
			    (struct store_cell){ .t = STORE_T_TEXT, .s = buf_view(&s->ntf.v[i].y) };
		}
	}
	return n;
}

static void read_one(struct store *s)
{
	struct read *r = s->reads;
	struct store_cell *c = xcalloc(3 * r->n + 1, sizeof(*c));
	struct store_rows rows = { .ncols = 3, .cell = c };

	s->reads = r->next;
	if (s->down || s->fail_reads) {
		s->fail_reads -= s->fail_reads > 0;
		rows.error = "cannot read";
	} else {
		rows.nrows = pend_cells(s, r, c);
	}
	r->cb(r->arg, &rows);
	free(c);
	free(r->id);
	free(r);
}

size_t fake_store_step(size_t n)
{
	size_t done = 0;

	for (; the_store.first && done < n; done++)
		one(&the_store);
	while (the_store.reads) {
		read_one(&the_store);
		done++;
	}
	return done;
}

/* ---- start ----------------------------------------------------------------------------------- */

void store_scan_ntf(struct store *s,
		    void (*fn)(void *arg, int64_t id, int64_t et, struct str members,
			       size_t body_len),
		    void *arg)
{
	for (size_t i = 0; i < s->ntf.n; i++) {
		struct row *r = &s->ntf.v[i];

		fn(arg, r->id, r->n, buf_view(&r->x), r->y.n);
	}
}

void store_scan_tgt(struct store *s,
		    void (*fn)(void *arg, int64_t id, struct str key, int64_t acked), void *arg)
{
	for (size_t i = 0; i < s->tgt.n; i++)
		fn(arg, s->tgt.v[i].id, buf_view(&s->tgt.v[i].x), s->tgt.v[i].n);
}

void store_scan_aud(struct store *s, void (*fn)(void *arg, int64_t id, struct str members),
		    void *arg)
{
	for (size_t i = 0; i < s->aud.n; i++)
		fn(arg, s->aud.v[i].id, buf_view(&s->aud.v[i].x));
}

/* The least the real one promises: what is there now. */
int64_t store_max_id(struct store *s, const char *table)
{
	struct table *t = strcmp(table, "ntf") == 0   ? &s->ntf
			  : strcmp(table, "tgt") == 0 ? &s->tgt
						      : &s->aud;

	return t->n ? t->v[t->n - 1].id : 0;
}

bool store_meta(struct store *s, const char *k, struct buf *v)
{
	for (size_t i = 0; i < s->meta.n; i++) {
		if (!str_is(buf_view(&s->meta.v[i].x), k))
			continue;
		buf_str(v, buf_view(&s->meta.v[i].y));
		return true;
	}
	return false;
}

/* ---- faults ---------------------------------------------------------------------------------- */

void fake_store_fail(unsigned n)
{
	the_store.fail = n;
}

void fake_store_fail_reads(unsigned n)
{
	the_store.fail_reads = n;
}

void fake_store_crash(void)
{
	the_store.down = true;
}

void fake_store_up(void)
{
	while (fake_store_step(1000))
		continue;
	the_store.down = false;
	the_store.fail = the_store.fail_reads = 0;
}

static void table_wipe(struct table *t)
{
	rows_delete(t, INT64_MIN, INT64_MAX);
	free(t->v);
	*t = (struct table){ NULL, 0 };
}

void fake_store_wipe(void)
{
	fake_store_crash();
	fake_store_up();
	table_wipe(&the_store.ntf);
	table_wipe(&the_store.tgt);
	table_wipe(&the_store.aud);
	table_wipe(&the_store.evt);
	table_wipe(&the_store.meta);
	fake_ntf_rows = fake_aud_rows = fake_tgt_rows = fake_tgt_writes = fake_aud_writes = 0;
}
