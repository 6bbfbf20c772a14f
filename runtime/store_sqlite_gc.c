/*
 * store_sqlite_gc.c - deletion that never holds up a commit for long.  A small subtree is wiped in
 * its transaction.  Of a large one the root goes at once and a row of gc_tree hides the rest from
 * every reader in the same commit; slices between groups wipe it, and go on after a crash.
 * Instances below a mark (gc_inst) go the same way.
 */
#include "store_sqlite.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"

#define SLICE_US 4000 /* of wiping, then its commit */
#define SLICE_ROWS 128 /* instances wiped between looks at the clock */
#define BELOW_MAX 64 /* the LIMIT of Q_RES_BELOW */
#define PAUSE_US 5000000LL /* after a failed slice */

struct found {
	int64_t id;
	char *path;
};

/* ---- what is hidden -------------------------------------------------------------------------- */

static int compare(struct str a, const char *z)
{
	size_t n = strlen(z);
	int c = memcmp(a.p ? a.p : "", z, a.n < n ? a.n : n);

	return c ? c : a.n < n ? -1 : a.n > n;
}

bool gc_hidden(const struct engine *g, struct str path, int64_t id)
{
	size_t i;

	for (i = 0; i < g->ntree; i++)
		if (id <= g->tree[i].maxid && compare(path, g->tree[i].lo) >= 0 &&
		    compare(path, g->tree[i].hi) < 0)
			return true;
	return false;
}

bool gc_alive(struct engine *g, int64_t id)
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_PATH);
	bool alive;

	bind_int(s, 1, id);
	alive = engine_step(g, s) == SQL_ROW && !gc_hidden(g, column_str(s, 0), id);
	sqlite3_reset(s);
	return alive;
}

static void tree_add(struct engine *g, int64_t id, char *lo, char *hi, int64_t maxid)
{
	if (g->ntree == g->tree_cap) {
		g->tree_cap = g->tree_cap ? 2 * g->tree_cap : 8;
		g->tree = xrealloc(g->tree, g->tree_cap * sizeof(*g->tree));
	}
	g->tree[g->ntree++] = (struct gc_tree){ id, lo, hi, maxid };
	if (id >= g->tree_next)
		g->tree_next = id + 1;
}

void gc_truncate(struct engine *g, size_t n)
{
	while (g->ntree > n) {
		g->ntree--;
		free(g->tree[g->ntree].lo);
		free(g->tree[g->ntree].hi);
	}
	if (n == 0) {
		free(g->cursor);
		g->cursor = NULL;
	}
}

static bool seq_load(struct engine *g)
{
	static const char *const name[SEQS] = { "res", "ntf", "tgt", "aud" };
	sqlite3_stmt *s = engine_stmt(g, Q_SEQ_ALL);
	int i;

	while (engine_step(g, s) == SQL_ROW)
		for (i = 0; i < SEQS; i++)
			if (str_is(column_str(s, 0), name[i]))
				g->hi[i] = g->hi_saved[i] = sqlite3_column_int64(s, 1);
	sqlite3_reset(s);
	return !g->bad;
}

/* Reads back what memory mirrors of the file. */
bool gc_load(struct engine *g)
{
	sqlite3_stmt *s = engine_stmt(g, Q_TREE_ALL);

	gc_truncate(g, 0);
	while (engine_step(g, s) == SQL_ROW) {
		struct str lo = column_str(s, 1), hi = column_str(s, 2);

		tree_add(g, sqlite3_column_int64(s, 0), xstrndup(lo.p, lo.n), xstrndup(hi.p, hi.n),
			 sqlite3_column_int64(s, 3));
	}
	sqlite3_reset(s);
	g->gc_inst = true;
	return !g->bad && geo_load(g) && seq_load(g);
}

/* ---- wiping ---------------------------------------------------------------------------------- */

static bool wipe_labels(struct engine *g, int64_t id, int64_t first, int64_t last)
{
	sqlite3_stmt *s = engine_stmt(g, Q_LBL_WIPE);

	bind_int(s, 1, id);
	bind_int(s, 2, first);
	bind_int(s, 3, last);
	return engine_run(g, s) == SQL_DONE;
}

/* Instances with first <= st < below.  (A label row with st 0 is the container's own.) */
static bool wipe_insts(struct engine *g, int64_t cid, int64_t first, int64_t below)
{
	sqlite3_stmt *s;

	if (!geo_wipe_insts(g, cid, first, below))
		return false;
	s = engine_stmt(g, Q_CIN_WIPE_RANGE);
	bind_int(s, 1, cid);
	bind_int(s, 2, first);
	bind_int(s, 3, below);
	return engine_run(g, s) == SQL_DONE &&
	       wipe_labels(g, cid, first > 0 ? first : 1, below - 1);
}

bool gc_add_inst(struct engine *g, int64_t cid, int64_t below)
{
	sqlite3_stmt *s = engine_stmt(g, Q_GC_PUT);

	bind_int(s, 1, cid);
	bind_int(s, 2, below);
	g->gc_inst = true;
	return engine_run(g, s) == SQL_DONE;
}

bool gc_owes(struct engine *g, int64_t id)
{
	sqlite3_stmt *s;
	bool owes;

	if (!g->gc_inst || id > g->hi[SEQ_RES])
		return false;
	s = engine_stmt(g, Q_GC_AT);
	bind_int(s, 1, id);
	owes = engine_step(g, s) == SQL_ROW;
	sqlite3_reset(s);
	return owes;
}

/* Wipes a container's hot row; its instances at once when they are few. */
static bool wipe_container(struct engine *g, struct cs_row *c)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CS_WIPE);
	int64_t cid = c->cid, cni = c->cni, ol = c->ol;

	bind_int(s, 1, cid);
	if (engine_run(g, s) != SQL_DONE)
		return false;
	cs_drop(g, c);
	if (cni == 0)
		return true;
	if (cni > g->budget)
		return gc_add_inst(g, cid, INT64_MAX);
	g->budget -= (long)cni;
	return wipe_insts(g, cid, ol, INT64_MAX);
}

static bool wipe(struct engine *g, int64_t id)
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_WIPE);
	struct cs_row *c;

	bind_int(s, 1, id);
	if (engine_run(g, s) != SQL_DONE || !wipe_labels(g, id, 0, 0) || !geo_wipe_res(g, id))
		return false;
	g->budget--;
	c = cs_get(g, id);
	if (g->bad)
		return false;
	return !c || wipe_container(g, c);
}

/* Up to BELOW_MAX resources in a range of paths; -1: engine.bad.  The caller frees the paths. */
static int list_below(struct engine *g, const char *after, const char *hi, int64_t maxid,
		      struct found out[BELOW_MAX])
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_BELOW);
	int n = 0;

	bind_str(s, 1, str_of(after));
	bind_str(s, 2, str_of(hi));
	bind_int(s, 3, maxid);
	while (n < BELOW_MAX && engine_step(g, s) == SQL_ROW) {
		struct str path = column_str(s, 1);

		out[n].id = sqlite3_column_int64(s, 0);
		out[n++].path = xstrndup(path.p, path.n);
	}
	sqlite3_reset(s);
	return n;
}

/* Wipes the next few of a range; *after moves on.  Returns how many. */
static int wipe_below(struct engine *g, char **after, const char *hi, int64_t maxid)
{
	struct found row[BELOW_MAX];
	int i, n = list_below(g, *after, hi, maxid, row);

	for (i = 0; i < n; i++) {
		if (!g->bad)
			wipe(g, row[i].id);
		free(*after);
		*after = row[i].path;
	}
	return n;
}

/* ---- operations ------------------------------------------------------------------------------ */

bool gc_clear(struct engine *g, struct str path, struct str aei)
{
	sqlite3_stmt *s;
	int64_t id[2];
	size_t n = 0, i;

	if (!g->ntree)
		return true;
	s = engine_stmt(g, Q_RES_HOLDERS);
	bind_str(s, 1, path);
	bind_str(s, 2, aei);
	while (n < countof(id) && engine_step(g, s) == SQL_ROW) {
		id[n] = sqlite3_column_int64(s, 0);
		if (gc_hidden(g, column_str(s, 1), id[n]))
			n++;
	}
	sqlite3_reset(s);
	for (i = 0; i < n && !g->bad; i++)
		wipe(g, id[i]);
	return !g->bad;
}

static bool hide_rest(struct engine *g, char *lo, char *hi)
{
	int64_t id = g->tree_next, maxid = g->hi[SEQ_RES];
	sqlite3_stmt *s = engine_stmt(g, Q_TREE_PUT);

	bind_int(s, 1, id);
	bind_str(s, 2, str_of(lo));
	bind_str(s, 3, str_of(hi));
	bind_int(s, 4, maxid);
	if (engine_run(g, s) != SQL_DONE)
		return false;
	tree_add(g, id, xstrdup(lo), xstrdup(hi), maxid);
	return true;
}

static bool delete_below(struct engine *g, struct str path)
{
	size_t n = path.n + 2;
	char *lo = xmalloc(n), *hi = xmalloc(n), *after;
	int wiped = BELOW_MAX;

	/* Everything under "a/b" lies from "a/b/" up to "a/b0"; under the root, from "". */
	snprintf(lo, n, path.n ? "%.*s/" : "%.*s", STRFMT(path));
	snprintf(hi, n, path.n ? "%.*s0" : "%.*s\xff", STRFMT(path));
	after = xstrdup(lo);
	while (!g->bad && wiped == BELOW_MAX && g->budget > 0)
		wiped = wipe_below(g, &after, hi, INT64_MAX);
	if (!g->bad && wiped == BELOW_MAX)
		hide_rest(g, lo, hi);
	free(after);
	free(lo);
	free(hi);
	return !g->bad;
}

bool gc_delete(struct engine *g, int64_t id)
{
	sqlite3_stmt *s = engine_stmt(g, Q_RES_PATH);
	struct str path = STR_NONE;
	char *copy = NULL;

	bind_int(s, 1, id);
	if (engine_step(g, s) == SQL_ROW && !gc_hidden(g, column_str(s, 0), id)) {
		path = column_str(s, 0);
		path.p = copy = xstrndup(path.p, path.n);
	}
	sqlite3_reset(s);
	if (copy && wipe(g, id))
		delete_below(g, path);
	free(copy);
	return !g->bad;
}

/* ---- slices ---------------------------------------------------------------------------------- */

bool engine_wants_slice(const struct engine *g)
{
	return (g->ntree || g->gc_inst) && (!g->gc_after || clock_mono() >= g->gc_after);
}

/* The next rows of the first hidden subtree; it is done when none are left. */
static bool slice_tree(struct engine *g)
{
	struct gc_tree *t = &g->tree[0];
	sqlite3_stmt *s;

	if (!g->cursor)
		g->cursor = xstrdup(t->lo);
	if (wipe_below(g, &g->cursor, t->hi, t->maxid) == BELOW_MAX || g->bad)
		return !g->bad;
	s = engine_stmt(g, Q_TREE_WIPE);
	bind_int(s, 1, t->id);
	if (engine_run(g, s) != SQL_DONE)
		return false;
	free(t->lo);
	free(t->hi);
	memmove(t, t + 1, --g->ntree * sizeof(*t));
	free(g->cursor);
	g->cursor = NULL;
	return true;
}

/* The mark up to which SLICE_ROWS instances of cid go now; `below` itself when fewer are left. */
static int64_t slice_mark(struct engine *g, int64_t cid, int64_t below)
{
	sqlite3_stmt *s = engine_stmt(g, Q_CIN_SLICE);

	bind_int(s, 1, cid);
	bind_int(s, 2, below);
	bind_int(s, 3, SLICE_ROWS);
	if (engine_step(g, s) == SQL_ROW)
		below = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return below;
}

static bool slice_inst(struct engine *g)
{
	sqlite3_stmt *s = engine_stmt(g, Q_GC_FIRST);
	int64_t cid = 0, below = 0, mark;

	g->gc_inst = engine_step(g, s) == SQL_ROW;
	if (g->gc_inst) {
		cid = sqlite3_column_int64(s, 0);
		below = sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	if (!g->gc_inst || g->bad)
		return !g->bad;
	mark = slice_mark(g, cid, below);
	if (g->bad || !wipe_insts(g, cid, 0, mark))
		return false;
	if (mark < below)
		return true;
	s = engine_stmt(g, Q_GC_WIPE);
	bind_int(s, 1, cid);
	return engine_run(g, s) == SQL_DONE;
}

void engine_slice(struct engine *g)
{
	int64_t until = clock_mono() + SLICE_US;
	bool ok = engine_begin(g);

	while (ok && (g->ntree || g->gc_inst) && clock_mono() < until) {
		cs_begin(g);
		g->budget = SLICE_ROWS;
		ok = g->ntree ? slice_tree(g) : slice_inst(g);
	}
	if (ok && engine_end(g)) {
		g->gc_after = 0;
		return;
	}
	engine_abort(g);
	g->gc_after = clock_mono() + PAUSE_US;
	log_error("store", "wiping deleted rows failed, tried again later reason=\"%s\"", g->why);
}
