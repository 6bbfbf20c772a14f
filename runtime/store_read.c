/*
 * store_read.c - building a read: each call copies what it is given into one request for the reader
 * thread.  Nothing is read here; the answer comes by callback from store_poll.
 */
#include "store_engine.h"

#define PEND_MAX 4096 /* bodies per store_pend */

static struct store_read *read_new(enum store_read_kind kind, size_t bytes, store_rows_cb cb,
				   void *arg)
{
	struct store_read *r = xmalloc(sizeof(*r) + bytes);

	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->cb = cb;
	r->arg = arg;
	return r;
}

/* A copy of s at p. */
static struct str put_str(char *p, struct str s)
{
	if (!s.p)
		return STR_NONE;
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

void store_get(struct store *s, enum store_key by, int64_t id, struct str text, store_rows_cb cb,
	       void *arg)
{
	struct store_read *r = read_new(READ_GET, text.n, cb, arg);

	r->how = by;
	r->id = id;
	r->limit = 1;
	r->text = put_str((char *)(r + 1), text);
	store_read_submit(s, r);
}

void store_inst(struct store *s, int64_t cid, enum store_sel sel, int64_t st, struct str rn,
		unsigned n, store_rows_cb cb, void *arg)
{
	struct store_read *r = read_new(READ_INST, rn.n, cb, arg);

	r->how = sel;
	r->id = cid;
	r->at = st;
	r->limit = sel == STORE_NEWEST_N || sel == STORE_RANGE ? n : 1;
	r->text = put_str((char *)(r + 1), rn);
	store_read_submit(s, r);
}

void store_kids(struct store *s, int64_t pid, int ty, int64_t after, unsigned n, store_rows_cb cb,
		void *arg)
{
	struct store_read *r = read_new(READ_KIDS, 0, cb, arg);

	r->how = ty;
	r->id = pid;
	r->at = after;
	r->limit = n;
	store_read_submit(s, r);
}

void store_find(struct store *s, struct str sql, const struct store_cell *param, size_t n,
		unsigned limit, store_rows_cb cb, void *arg)
{
	size_t i, bytes = n * sizeof(*param) + sql.n;
	struct store_read *r;
	char *at;

	for (i = 0; i < n; i++)
		bytes += param[i].t == STORE_T_TEXT ? param[i].s.n : 0;
	r = read_new(READ_FIND, bytes, cb, arg);
	r->limit = limit;
	r->nparam = n;
	r->param = (struct store_cell *)(r + 1);
	at = (char *)(r->param + n);
	r->text = put_str(at, sql);
	at += sql.n;
	for (i = 0; i < n; i++) {
		r->param[i] = param[i];
		if (param[i].t != STORE_T_TEXT)
			continue;
		r->param[i].s = put_str(at, param[i].s);
		at += param[i].s.n;
	}
	store_read_submit(s, r);
}

void store_pend(struct store *s, const int64_t *id, size_t n, store_rows_cb cb, void *arg)
{
	struct store_read *r;
	size_t i;

	n = n > PEND_MAX ? PEND_MAX : n;
	r = read_new(READ_PEND, n * sizeof(struct store_cell), cb, arg);
	r->limit = (unsigned)n;
	r->nparam = n;
	r->param = (struct store_cell *)(r + 1);
	for (i = 0; i < n; i++)
		r->param[i] = (struct store_cell){ .t = STORE_T_INT, .i = id[i] };
	store_read_submit(s, r);
}
