/*
 * store_sqlite_geo.c - the boxes around locations (`loc`), in an R*Tree that searches by place are led
 * by (lua/moon2m/sql_geo.lua).  A box has the number of its resource, doubled, or of its instance's
 * row, doubled and one.
 * Guarantees: what has a location that can be read has its box, what is gone has none; who has no
 * location pays for no statement while nothing in the store has one.
 */
#define _GNU_SOURCE /* memmem */
#include "store_sqlite.h"

#include <string.h>

bool geo_load(struct engine *g)
{
	sqlite3_stmt *s = engine_stmt(g, Q_GEO_SOME);

	g->located = engine_step(g, s) == SQL_ROW;
	sqlite3_reset(s);
	return !g->bad;
}

static bool put(struct engine *g, int64_t box, struct str text)
{
	static const char mark[] = "\"loc\":";
	sqlite3_stmt *s;

	if (!text.p || !memmem(text.p, text.n, mark, sizeof(mark) - 1))
		return true;
	s = engine_stmt(g, Q_GEO_PUT);
	bind_int(s, 1, box);
	bind_str(s, 2, text);
	g->located = true;
	return engine_run(g, s) == SQL_DONE;
}

static bool wipe(struct engine *g, int64_t box)
{
	sqlite3_stmt *s;

	if (!g->located)
		return true;
	s = engine_stmt(g, Q_GEO_WIPE);
	bind_int(s, 1, box);
	return engine_run(g, s) == SQL_DONE;
}

bool geo_set_res(struct engine *g, int64_t id, struct str doc)
{
	return wipe(g, 2 * id) && put(g, 2 * id, doc);
}

bool geo_wipe_res(struct engine *g, int64_t id)
{
	return wipe(g, 2 * id);
}

bool geo_put_inst(struct engine *g, int64_t row, struct str att)
{
	return put(g, 2 * row + 1, att);
}

bool geo_wipe_inst(struct engine *g, int64_t row)
{
	return wipe(g, 2 * row + 1);
}

bool geo_wipe_insts(struct engine *g, int64_t cid, int64_t first, int64_t below)
{
	sqlite3_stmt *s;

	if (!g->located)
		return true;
	s = engine_stmt(g, Q_GEO_WIPE_RANGE);
	bind_int(s, 1, cid);
	bind_int(s, 2, first);
	bind_int(s, 3, below);
	return engine_run(g, s) == SQL_DONE;
}
