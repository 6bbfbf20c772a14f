/*
 * store_sqlite_cs.c - the storage thread's cache of containers' hot rows, and eviction.  A row is
 * read once, changed in memory by every transaction of a group and written back once per group, so
 * counters are exact after each commit.  Each change within a transaction can be undone.
 */
#include "store_sqlite.h"

#include <stdlib.h>

#define EVICT_NOW 16 /* evicted instances wiped in the same transaction; more: in the background */

static struct cs_row **bucket(struct engine *g, int64_t cid)
{
	uint64_t h = (uint64_t)cid * 0x9e3779b97f4a7c15u;

	return &g->cs.bucket[(h >> 40) % CS_BUCKETS];
}

static struct cs_row *find(struct engine *g, int64_t cid)
{
	struct cs_row *c = *bucket(g, cid);

	while (c && c->cid != cid)
		c = c->next;
	return c;
}

static struct cs_row *insert(struct engine *g, const struct cs_row *row)
{
	struct cs_row **b = bucket(g, row->cid), *c = xmalloc(sizeof(*c));

	*c = *row;
	c->next = *b;
	*b = c;
	g->cs.n++;
	return c;
}

static void drop(struct engine *g, int64_t cid)
{
	struct cs_row **p = bucket(g, cid), *c;

	while (*p && (*p)->cid != cid)
		p = &(*p)->next;
	c = *p;
	if (!c)
		return;
	*p = c->next;
	g->cs.n--;
	free(c);
}

struct cs_row *cs_get(struct engine *g, int64_t cid)
{
	struct cs_row *c = find(g, cid), row = { .cid = cid, .top = STORE_NULL };
	sqlite3_stmt *s;

	if (c)
		return c;
	s = engine_stmt(g, Q_CS_GET);
	bind_int(s, 1, cid);
	if (engine_step(g, s) == SQL_ROW) {
		row.st = sqlite3_column_int64(s, 0);
		row.cni = sqlite3_column_int64(s, 1);
		row.cbs = sqlite3_column_int64(s, 2);
		row.ol = sqlite3_column_int64(s, 3);
		row.lt = sqlite3_column_int64(s, 4);
		row.mni = column_int(s, 5);
		row.mbs = column_int(s, 6);
		row.mia = column_int(s, 7);
		c = insert(g, &row);
	}
	sqlite3_reset(s);
	return c;
}

/* ---- changes of one transaction -------------------------------------------------------------- */

static void note(struct engine *g, int what, const struct cs_row *before)
{
	struct cs_cache *k = &g->cs;

	if (k->nchange == k->change_cap) {
		k->change_cap = k->change_cap ? 2 * k->change_cap : 16;
		k->change = xrealloc(k->change, k->change_cap * sizeof(*k->change));
	}
	k->change[k->nchange].what = what;
	k->change[k->nchange++].before = *before;
}

static void mark_dirty(struct engine *g, struct cs_row *c)
{
	struct cs_cache *k = &g->cs;

	if (c->dirty)
		return;
	c->dirty = true;
	if (k->ndirty == k->dirty_cap) {
		k->dirty_cap = k->dirty_cap ? 2 * k->dirty_cap : 256;
		k->dirty = xrealloc(k->dirty, k->dirty_cap * sizeof(*k->dirty));
	}
	k->dirty[k->ndirty++] = c->cid;
}

struct cs_row *cs_change(struct engine *g, struct cs_row *c)
{
	if (c->txno != g->txno)
		note(g, CS_CHANGED, c);
	c->txno = g->txno;
	mark_dirty(g, c);
	return c;
}

void cs_add(struct engine *g, const struct cs_row *row)
{
	struct cs_row *c = insert(g, row);

	c->txno = g->txno;
	note(g, CS_ADDED, c);
}

void cs_drop(struct engine *g, struct cs_row *c)
{
	note(g, CS_DROPPED, c);
	drop(g, c->cid);
}

void cs_begin(struct engine *g)
{
	g->txno++;
	g->cs.nchange = 0;
}

void cs_undo(struct engine *g)
{
	while (g->cs.nchange) {
		struct cs_change *h = &g->cs.change[--g->cs.nchange];
		struct cs_row *c = find(g, h->before.cid), *next;

		if (h->what == CS_ADDED) {
			drop(g, h->before.cid);
		} else if (c) {
			next = c->next;
			*c = h->before;
			c->next = next;
		} else {
			insert(g, &h->before);
		}
	}
}

void cs_answer(struct engine *g, struct store_tx *tx)
{
	size_t i;

	if (g->cs.nchange > countof(tx->cs_few))
		tx->cs = xmalloc(g->cs.nchange * sizeof(*tx->cs));
	for (i = 0; i < g->cs.nchange; i++) {
		const struct cs_change *h = &g->cs.change[i];
		const struct cs_row *c = h->what == CS_DROPPED ? NULL : find(g, h->before.cid);

		if (!c)
			continue;
		tx->cs[tx->ncs++] = (struct store_cs){
			.cid = c->cid,
			.st = c->st,
			.cni = c->cni,
			.cbs = c->cbs,
			.lt = c->lt,
			.oldest = c->cni > 0 ? c->ol : 0,
		};
	}
}

/* ---- the group ------------------------------------------------------------------------------- */

static bool write_back(struct engine *g, struct cs_row *c)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CS_SET);

	bind_int(s, 1, c->cid);
	bind_int(s, 2, c->st);
	bind_int(s, 3, c->cni);
	bind_int(s, 4, c->cbs);
	bind_int(s, 5, c->ol);
	bind_int(s, 6, c->lt);
	bind_int(s, 7, c->mni);
	bind_int(s, 8, c->mbs);
	bind_int(s, 9, c->mia);
	c->dirty = false;
	return engine_run(g, s) == SQL_DONE;
}

bool cs_flush(struct engine *g)
{
	size_t i;

	for (i = 0; i < g->cs.ndirty; i++) {
		struct cs_row *c = find(g, g->cs.dirty[i]);

		if (c && c->dirty && !write_back(g, c))
			return false;
	}
	g->cs.ndirty = 0;
	return true;
}

void cs_clear(struct engine *g)
{
	size_t i;

	for (i = 0; i < CS_BUCKETS && g->cs.n; i++) {
		while (g->cs.bucket[i]) {
			struct cs_row *c = g->cs.bucket[i];

			g->cs.bucket[i] = c->next;
			g->cs.n--;
			free(c);
		}
	}
	g->cs.ndirty = 0;
	g->cs.nchange = 0;
}

void cs_trim(struct engine *g)
{
	if (g->cs.n > CS_MAX)
		cs_clear(g);
}

void cs_free(struct engine *g)
{
	cs_clear(g);
	free(g->cs.change);
	free(g->cs.dirty);
}

/* ---- eviction -------------------------------------------------------------------------------- */

static bool exceeds(const struct cs_row *c)
{
	return (c->mni != STORE_NULL && c->cni > c->mni) ||
	       (c->mbs != STORE_NULL && c->cbs > c->mbs);
}

bool cs_wipe_inst(struct engine *g, int64_t cid, int64_t st, int64_t rowid)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_WIPE);

	bind_int(s, 1, rowid);
	if (engine_run(g, s) != SQL_DONE || !geo_wipe_inst(g, rowid))
		return false;
	s = engine_stmt(g, Q_LBL_WIPE);
	bind_int(s, 1, cid);
	bind_int(s, 2, st);
	bind_int(s, 3, st);
	return engine_run(g, s) == SQL_DONE;
}

/* Counts from the oldest upward until the limits hold; wipes few at once, leaves many to the
 * background. */
static bool evict_up(struct engine *g, struct cs_row *c, int64_t coming, int64_t next)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_UP);
	struct {
		int64_t id, st;
	} gone[EVICT_NOW];
	size_t n = 0, i;
	enum sql_step r;

	bind_int(s, 1, c->cid);
	bind_int(s, 2, c->ol);
	while ((r = engine_step(g, s)) == SQL_ROW && exceeds(c)) {
		if (n < EVICT_NOW) {
			gone[n].id = sqlite3_column_int64(s, 0);
			gone[n].st = sqlite3_column_int64(s, 1);
		}
		n++;
		c->cni--;
		c->cbs -= sqlite3_column_int64(s, 2);
	}
	if (r == SQL_ROW) {
		c->ol = sqlite3_column_int64(s, 1);
	} else { /* none is left; by now the counters say so unless the store was damaged */
		c->ol = next;
		c->cni = coming < 0 ? 0 : 1;
		c->cbs = coming < 0 ? 0 : coming;
	}
	sqlite3_reset(s);
	if (n > EVICT_NOW)
		return gc_add_inst(g, c->cid, c->ol);
	for (i = 0; i < n; i++)
		if (!cs_wipe_inst(g, c->cid, gone[i].st, gone[i].id))
			return false;
	return !g->bad;
}

/* Counts what stays, from the newest downward: few stay of many. */
static bool evict_down(struct engine *g, struct cs_row *c, int64_t next)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_DOWN);
	int64_t n = 0, bytes = 0, ol = next;

	bind_int(s, 1, c->cid);
	bind_int(s, 2, c->ol);
	while (engine_step(g, s) == SQL_ROW) {
		int64_t size = sqlite3_column_int64(s, 1);

		if ((c->mni != STORE_NULL && n >= c->mni) ||
		    (c->mbs != STORE_NULL && bytes + size > c->mbs))
			break;
		n++;
		bytes += size;
		ol = sqlite3_column_int64(s, 0);
	}
	sqlite3_reset(s);
	c->cni = n;
	c->cbs = bytes;
	c->ol = ol;
	return !g->bad && gc_add_inst(g, c->cid, ol);
}

bool cs_evict(struct engine *g, struct cs_row *c, int64_t coming, int64_t next)
{
	if (!exceeds(c))
		return true;
	if (coming < 0 && ((c->mni != STORE_NULL && c->cni / 2 > c->mni + EVICT_NOW) ||
			   (c->mbs != STORE_NULL && c->cbs / 2 > c->mbs)))
		return evict_down(g, c, next);
	return evict_up(g, c, coming, next);
}
