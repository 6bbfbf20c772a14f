/*
 * lua_store.h - Lua module "moon2m.core.store": store.h for library code that runs in a task.
 * Reads suspend the task and raise when the store fails.  Rows are tables by column name; a NULL
 * column is nil, an integer a number.
 *
 *  get("id"|"path"|"aei", key) -> row | nil	a resource, with its container's counters
 *  inst(cid, "latest"|"oldest") -> row | nil	also (cid, "at", st), (cid, "named", rn)
 *  insts(cid, "newest", n) -> rows		newest first; also (cid, "from", n, st): upward
 *  kids(pid, ty|0, after, n) -> rows, more	children that are no instances, by id
 *  find(sql, {params}, limit) -> rows, more	NULL parameters: core.store.null
 *  commit(ops) -> true, {cs...} | nil, "conflict"|"gone"|"toobig"|"io", message
 *	queued before it suspends: the order of calls is the order on disk.  cs: {cid, st, cni,
 *	cbs, oldest, lt} of each container that changed.  ops, each an array:
 *	{"put", row} {"set", row} {"delete", id, path} {"touch", cid, st, lt}
 *	{"inst", cid, st, ct, et|nil, size, path, rn|nil, cr|nil, lbl|nil, att|nil, con}
 *	{"inst_delete", cid, st} {"event", event} {"meta", key, value|nil}
 *	{"evt", n, part, ...} {"evt_delete", last}; the text of n is "<n> ", then of each part
 *	"<length>:<bytes>", "~" for false
 *  max_id(table) -> number				start only, like meta(key) -> text | nil
 */
#pragma once

#include <lua.h>

struct store;

void lua_store_use(struct store *s); /* NULL: closed, calls raise */
int lua_store_open(lua_State *L);
