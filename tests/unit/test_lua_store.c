/*
 * The Lua module of the store: a task runs each read and write against a real store and checks what
 * it gets; argument errors raise with the argument's name and leave nothing behind.
 */
#include "lua_store.h"

#include "store_help.h"

#include <lauxlib.h>

#include "embed.h"
#include "guard.h"
#include "notify.h"
#include "task.h"
#include "vm.h"

static const char boot[] =
    "local store = require 'moon2m.core.store'\n"
    "local b = {}\n"
    "local function row(id, path, more)\n"
    "  local r = { id = id, pid = 1, ty = 3, rn = path, path = path, ct = 1, lt = 2, st = 0,\n"
    "    doc = '{}', container = true }\n"
    "  for k, v in pairs(more or {}) do r[k] = v end\n"
    "  return r\n"
    "end\n"
    "local function raises(text, f, ...)\n"
    "  local ok, err = pcall(f, ...)\n"
    "  if ok or not err:find(text, 1, true) then error(tostring(err) .. ' <> ' .. text) end\n"
    "end\n"
    "local function inst(st, con, rn)\n"
    "  return { 'inst', 2, st, 1000 + st, nil, #con, 'c', rn, 'Cme', '[\"l\"]',\n"
    "    '{\"cnf\":1}', con }\n"
    "end\n"
    "function b.writes()\n"
    "  assert(store.commit { { 'put', { id = 1, ty = 5, path = '', ct = 1, lt = 1 } } })\n"
    "  local first = row(2, 'c', { mni = 2, lbl = '[\"x\"]', et = 1.7e15 })\n"
    "  local ok, cs = store.commit { { 'put', first } }\n"
    "  assert(ok == true and cs[1].cid == 2 and cs[1].cni == 0 and cs[1].oldest == 0)\n"
    "  for st = 1, 3 do ok, cs = store.commit { inst(st, ('z'):rep(st), 'n' .. st) } end\n"
    "  assert(cs[1].cni == 2 and cs[1].cbs == 5 and cs[1].oldest == 2 and cs[1].st == 3)\n"
    "  assert(cs[1].lt == 1003 and cs[2] == nil)\n"
    "  local no, code, msg = store.commit { { 'put', row(3, 'c') } }\n"
    "  assert(no == nil and code == 'conflict' and msg == 'c is taken')\n"
    "  no, code = store.commit { { 'touch', 77, 1, 1 } }\n"
    "  assert(no == nil and code == 'gone')\n"
    "  assert(store.commit { { 'set', row(2, 'c', { mbs = 1, mni = 9 }) } })\n"
    "  no, code = store.commit { inst(9, 'four') }\n"
    "  assert(no == nil and code == 'toobig')\n"
    "  first.mni = nil\n"
    "  assert(store.commit { { 'set', first }, inst(4, 'a'), inst(5, 'b'),\n"
    "    { 'inst_delete', 2, 4 }, { 'touch', 2, 6, 99 }, { 'meta', 'k', 'v' },\n"
    "    { 'event', make_event() }, { 'lane_done', 'lane:1:Ca', 3 } })\n"
    "end\n"
    "function b.reads()\n"
    "  local r = store.get('path', 'c')\n"
    "  assert(r.id == 2 and r.cni == 1 and r.cs_st == 6 and r.cs_lt == 99 and r.et == 1.7e15)\n"
    "  assert(r.acpi == nil and r.mni == nil and r.lbl and r.doc == '{}' and r.oldest == 5)\n"
    "  assert(store.get('id', 2).path == 'c' and store.get('id', 9) == nil)\n"
    "  assert(store.get('aei', 'Cx') == nil)\n"
    "  local i = store.inst(2, 'latest')\n"
    "  assert(i.st == 5 and i.con == 'b' and i.cr == 'Cme' and i.size == 1 and i.rn == nil)\n"
    "  assert(store.inst(2, 'oldest').st == 5 and store.inst(2, 'at', 4) == nil)\n"
    "  assert(store.inst(2, 'named', 'n3') == nil and store.inst(3, 'latest') == nil)\n"
    "  local list = store.insts(2, 'newest', 10)\n"
    "  assert(#list == 1 and list[1].st == 5)\n"
    "  assert(#store.insts(2, 'from', 10, 6) == 0)\n"
    "  local kids, more = store.kids(1, 0, 0, 5)\n"
    "  assert(#kids == 1 and kids[1].rn == 'c' and more == false)\n"
    "  list, more = store.find('SELECT id,?1 AS a,?2 AS b,?3 AS c FROM res ORDER BY id',\n"
    "    { 'x', 2.5, store.null }, 1)\n"
    "  assert(#list == 1 and list[1].id == 1 and list[1].a == 'x' and list[1].b == 2.5 and more)\n"
    "  assert(list[1].c == nil)\n"
    "  assert(store.max_id('res') == 2 and store.meta('k') == 'v' and store.meta('none') == nil)\n"
    "end\n"
    "function b.in_order()\n" /* two tasks: what is queued first is on disk first */
    "  local ok, code = store.commit { { 'put', row(30, 'same') } }\n"
    "  assert(ok)\n"
    "end\n"
    "function b.second()\n"
    "  local ok, code = store.commit { { 'put', row(31, 'same') } }\n"
    "  assert(ok == nil and code == 'conflict')\n"
    "end\n"
    "function b.refuses()\n"
    "  raises('store: ', store.find, 'SELECT nope', {}, 1)\n"
    "  raises('sql: expected a string', store.find, 5, {}, 1)\n"
    "  raises('expected 1 to 65536', store.find, 'SELECT 1', {}, 0)\n"
    "  raises('parameter 1', store.find, 'SELECT ?1', { {} }, 1)\n"
    "  raises('key: expected a number', store.get, 'id', 'x')\n"
    "  raises('invalid option', store.get, 'name', 'x')\n"
    "  raises('unknown operation', store.commit, { { 'drop' } })\n"
    "  raises('expected an array', store.commit, { 5 })\n"
    "  raises('row.id', store.commit, { { 'put', { path = 'x' } } })\n"
    "  raises('expected a row', store.commit, { { 'put', 5 } })\n"
    "  raises('lbl: expected a string', store.commit, { { 'put', row(8, 'y', { lbl = {} }) } })\n"
    "  local y = { 'put', row(8, 'y') }\n"
    "  raises('inst con', store.commit, { y, { 'inst', 2, 3, 4, nil, 5, 'c' } })\n"
    "  y[2].mni = 1e300\n"
    "  raises('mni: number out of range', store.commit, { y })\n"
    "  y[2].mni = 0 / 0\n"
    "  raises('mni: number out of range', store.commit, { y })\n"
    "  raises('lane_done id', store.commit, { { 'lane_done', 'lane:1:Ca' } })\n"
    "  raises('published', store.commit, { { 'event', spent_event() } })\n"
    "  assert(store.get('path', 'y') == nil)\n"
    "end\n"
    "function b.none()\n"
    "  raises('not open', store.get, 'id', 1)\n"
    "  raises('not open', store.commit, {})\n"
    "end\n"
    "return b\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot, sizeof(boot) - 1 },
	{ NULL, NULL, NULL, 0 },
};

static struct box box;
static int events;

/* The notification engine's part here: one row of the transaction. */
void event_store(struct event *e, struct store_tx *tx)
{
	events += *(int *)(void *)e;
	store_tx_ntf(tx, 5, STORE_NULL, STR("m"), STR("b"));
}

void lane_store_done(struct str key, int64_t id, struct store_tx *tx)
{
	store_tx_tgt(tx, 8, key, id);
}

static int push_event(lua_State *L, void *e)
{
	void **ud = lua_newuserdata(L, sizeof(*ud));

	*ud = e;
	luaL_newmetatable(L, "moon2m.event");
	lua_setmetatable(L, -2);
	return 1;
}

static int make_event(lua_State *L)
{
	static int one = 1;

	return push_event(L, &one);
}

static int spent_event(lua_State *L)
{
	return push_event(L, NULL);
}

static size_t ended, failed;

static void on_end(void *arg, bool ok, struct str error)
{
	(void)arg;
	ended++;
	if (!ok) {
		failed++;
		print_error("%.*s\n", STRFMT(error));
	}
}

static void run(const char *entry)
{
	size_t want = ended + 1;

	task_start(entry, NULL, NULL, on_end, NULL);
	while (ended < want)
		box_turn(&box);
	assert_int_equal(failed, 0);
}

static int setup(void **state)
{
	struct vm_opts o = { 0 };
	struct err e;

	(void)state;
	box_new(&box);
	if (!vm_open(&o, &e))
		fail_msg("%s", e.msg);
	guard_open(vm_state(), 0);
	vm_module("guard", guard_lua_open);
	vm_module("store", lua_store_open);
	lua_register(vm_state(), "make_event", make_event);
	lua_register(vm_state(), "spent_event", spent_event);
	if (!vm_boot("moon2m.boot", &e))
		fail_msg("%s", e.msg);
	lua_store_use(box.s);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lua_store_use(NULL);
	task_close();
	guard_close();
	vm_close();
	box_free(&box);
	return 0;
}

static void test_writes_and_reads(void **state)
{
	(void)state;
	run("writes");
	assert_int_equal(events, 1);
	run("reads");
	run("refuses");
}

static void test_order(void **state)
{
	size_t want = ended + 2;

	(void)state;
	task_start("in_order", NULL, NULL, on_end, NULL);
	run("second");
	while (ended < want)
		box_turn(&box);
	assert_int_equal(failed, 0);
}

static void test_without_a_store(void **state)
{
	(void)state;
	lua_store_use(NULL);
	task_start("none", NULL, NULL, on_end, NULL);
	assert_int_equal(failed, 0);
	lua_store_use(box.s);
}

/* A task whose answers come when the store closes: it is told, nothing hangs or leaks. */
static void test_close_while_waiting(void **state)
{
	size_t want = ended + 1;

	(void)state;
	task_start("reads", NULL, NULL, on_end, NULL);
	store_close(box.s);
	lua_store_use(NULL);
	assert_true(ended == want); /* in whichever way it ended */
	failed = 0;
	box_open(&box);
	lua_store_use(box.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_and_reads),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_without_a_store),
		cmocka_unit_test(test_close_while_waiting),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
