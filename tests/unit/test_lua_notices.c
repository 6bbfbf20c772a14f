/*
 * test_lua_notices.c - lanes and notices as the library sees them: the real notification engine
 * over fakes, driven by tasks of the boot module.  A test is the entry of the boot module that has
 * its name; what it notes is compared.
 */
#include "notify_help.h"

#include <fcntl.h>
#include <lauxlib.h>

#include "embed.h"
#include "guard.h"
#include "log.h"
#include "lua_notices.h"
#include "lua_notify.h"
#include "lua_store_ops.h"
#include "task.h"
#include "vm.h"

static const char boot[] =
    "local cse = require 'moon2m.core.cse'\n"
    "local b = {}\n"
    "function b.delivered() end\n"
    "function b.unknown_target() end\n"
    "function b.lane(key) note('lane ' .. key) end\n"
    "local function audience(target)\n"
    "  local a = cse.audience()\n"
    "  a:add(7, '/moon/s7', nil, target)\n"
    "  return a\n"
    "end\n"
    "local function publish(target, body, opts)\n"
    "  local ev = cse.event(audience(target), opts or {}, body)\n"
    "  assert(commit { { 'event', ev } })\n"
    "  cse.publish(ev)\n"
    "end\n"
    "local KEY = 'lane:7:Ca'\n"
    "function b.hold()\n"
    "  publish(KEY, '\"' .. cse.slot('sur') .. '\"')\n"
    "  publish(KEY, '2', { frame = 'raw', binary = true, type = 'text/csv', ec = 3 })\n"
    "  publish(KEY, '3')\n"
    "  note(cse.lane_waiting(KEY) .. ' ' .. cse.lane_waiting('lane:8:Ca'))\n"
    "  local l = assert(cse.lane_read(KEY, 2))\n"
    "  note(#l .. ' ' .. l[1].body:gsub(cse.slot('sur'), 'SUR') .. ' ' .. tostring(l[1].raw)\n"
    "    .. ' ' .. tostring(l[1].type) .. ' ' .. tostring(l[1].et))\n"
    "  note(l[2].body .. ' ' .. tostring(l[2].raw) .. tostring(l[2].binary) .. l[2].type .. l[2].ec)\n"
    "  note(#cse.lane_read(KEY, 5, l[2].id) .. ' ' .. #cse.lane_read('lane:8:Ca', 5))\n"
    "  local ev = cse.event(audience('Ca'), {}, '[' .. l[1].body .. ']')\n"
    "  assert(commit { { 'lane_done', KEY, l[1].id }, { 'event', ev } })\n"
    "  cse.lane_done(KEY, l[1].id)\n"
    "  cse.publish(ev)\n"
    "  note(cse.lane_waiting(KEY) .. '')\n"
    "end\n"
    "function b.drop()\n"
    "  for i = 1, 5 do publish(KEY, tostring(i)) end\n"
    "  local l = cse.lane_read(KEY, 99)\n"
    "  note(cse.lane_drop(KEY, { l[2].id, 1 }, 'policy') .. '')\n"
    "  note(cse.lane_drop(KEY, 'but newest', 'replaced') .. '')\n"
    "  note(cse.lane_read(KEY, 1)[1].body)\n"
    "  note(cse.lane_drop(KEY, 'all', 'x') .. '')\n"
    "end\n"
    "function b.refused()\n"
    "  local function refused(f, ...)\n"
    "    local ok, why = pcall(f, ...)\n"
    "    note(ok and 'accepted' or why:match('[^(:]*$'))\n"
    "  end\n"
    "  refused(cse.lane_read, KEY, 0)\n"
    "  refused(cse.lane_read, KEY)\n"
    "  refused(cse.lane_done, KEY, -1)\n"
    "  refused(cse.lane_drop, KEY, 'some', 'x')\n"
    "  refused(cse.lane_drop, KEY, { true }, 'x')\n"
    "  refused(commit, { { 'lane_done', KEY } })\n"
    "  publish(KEY, '1')\n"
    "  fail_reads()\n"
    "  note(select(2, cse.lane_read(KEY, 1)))\n"
    "end\n"
    "function b.reformat(id, format, body)\n"
    "  note('reformat ' .. format .. ' ' .. body)\n"
    "  if body == '1' then cse.reformat(id, { format_failed = format }, body)\n"
    "  elseif body == '2' then cse.reformat(id, {}, nil)\n"
    "  else note(tostring(cse.reformat(id, { frame = 'raw' }, 'new ' .. body))) end\n"
    "end\n"
    "function b.parked()\n"
    "  for i = 1, 3 do publish('Ca', tostring(i), { format_failed = 'senml' }) end\n"
    "  note(cse.replay('Ca', 7) .. ' ' .. cse.replay('Ca', 's8') .. ' ' .. cse.replay('Cb'))\n"
    "  note(tostring(cse.reformat(12345, {}, 'x')))\n"
    "end\n"
    "function b.listing()\n"
    "  for i = 1, 3 do publish(KEY, tostring(i)) end\n"
    "  publish('Ca', '4')\n"
    "  publish('Ca', '5', { format_failed = 'senml' })\n"
    "  local l = cse.notices { target = 'Ca', sub = 's7' }\n"
    "  note(#l .. ' ' .. #cse.notices { sub = 7, limit = 2 } .. ' ' .. #cse.notices { sub = 8 })\n"
    "  table.sort(l, function(x, y) return x.id < y.id end)\n"
    "  for _, n in ipairs { l[1], l[4], l[5] } do\n"
    "    note(table.concat({ n.state, n.target, n.sur, n.sub, n.attempts, n.bytes,\n"
    "      tostring(n.error) }, ' '))\n"
    "    assert(n.age >= 0 and n.age < 60 and n.at > 1e15)\n"
    "  end\n"
    "  local a = cse.accounts { sub = 7 }\n"
    "  note(#a .. ' ' .. table.concat({ a[1].state, a[1].events, a[1].queued, a[1].held }, ' '))\n"
    "  local s = cse.sub_stats(7)\n"
    "  note(#s .. ' ' .. table.concat({ s[1].tg, s[1].rqs, s[1].rsr, s[1].noec }, ' '))\n"
    "  note(cse.drop(nil, 7) .. ' ' .. cse.drop() .. ' ' .. #cse.notices {})\n"
    "end\n"
    "return b\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot, sizeof(boot) - 1 },
	{ NULL, NULL, NULL, 0 },
};

static char notes[2048];

static int lua_note(lua_State *L)
{
	size_t n = strlen(notes);

	snprintf(notes + n, sizeof(notes) - n, "%s\n", luaL_checkstring(L, 1));
	return 0;
}

static int lua_fail_reads(lua_State *L)
{
	(void)L;
	fake_store_fail_reads(1);
	return 0;
}

static int push_done(lua_State *L, void *arg)
{
	lua_pushboolean(L, ((const struct store_done *)arg)->rc == STORE_OK);
	return 1;
}

static void lua_committed(void *arg, const struct store_done *d)
{
	struct task_ref *waiting = arg;

	task_resume(*waiting, push_done, (void *)(uintptr_t)d);
	free(waiting);
}

static struct store_tx *unsent; /* of a commit that raised an error */

static void drop_unsent(void)
{
	if (unsent)
		store_tx_free(unsent);
	unsent = NULL;
}

/* As core.store.commit: the operations of lua_store_ops.c. */
static int lua_commit(lua_State *L)
{
	struct store_tx *tx = store_tx_new(fake_store);
	struct task_ref *waiting;

	drop_unsent();
	unsent = tx;
	for (int i = 1; i <= (int)lua_objlen(L, 1); i++) {
		lua_rawgeti(L, 1, i);
		lua_store_op(L, 2, tx);
		lua_settop(L, 1);
	}
	waiting = xmalloc(sizeof(*waiting));
	*waiting = task_current();
	unsent = NULL;
	store_commit(fake_store, tx, lua_committed, waiting);
	return task_yield(L);
}

/* The rest of the store, which nobody asks for here. */
#define UNUSED_OP(name, ...) void name(struct store_tx *tx, __VA_ARGS__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
UNUSED_OP(store_tx_put, const struct store_res *r)
{
}
UNUSED_OP(store_tx_set, const struct store_res *r)
{
}
UNUSED_OP(store_tx_delete, int64_t id, struct str path)
{
}
UNUSED_OP(store_tx_inst, const struct store_inst *i)
{
}
UNUSED_OP(store_tx_inst_delete, int64_t cid, int64_t st)
{
}
UNUSED_OP(store_tx_touch, int64_t cid, int64_t st, int64_t lt)
{
}
#pragma GCC diagnostic pop

static int open_module(lua_State *L)
{
	lua_newtable(L);
	lua_notify_functions(L);
	lua_notices_functions(L);
	return 1;
}

static int lua_setup(void **state)
{
	static const luaL_Reg globals[] = { { "note", lua_note },
					    { "commit", lua_commit },
					    { "fail_reads", lua_fail_reads },
					    { NULL, NULL } };
	struct vm_opts o = { .memory_cap = 0 };
	struct err e;

	log_to(open("/dev/null", O_WRONLY));
	setup(state);
	notes[0] = '\0';
	if (!vm_open(&o, &e))
		return -1;
	guard_open(vm_state(), 0);
	vm_module("guard", guard_lua_open);
	vm_module("cse", open_module);
	lua_pushvalue(vm_state(), LUA_GLOBALSINDEX);
	luaL_setfuncs(vm_state(), globals, 0);
	lua_pop(vm_state(), 1);
	lua_notify_use();
	lua_notices_use();
	return vm_boot("moon2m.boot", &e) ? 0 : -1;
}

static int lua_teardown(void **state)
{
	lua_notify_close();
	lua_notices_close();
	task_close();
	guard_close();
	vm_close();
	drop_unsent();
	return teardown(state);
}

static void ended(void *arg, bool ok, struct str error)
{
	if (!ok)
		print_message("%.*s\n", STRFMT(error));
	*(bool *)arg = ok;
}

/* Runs the entry to its end. */
static void run(const char *entry)
{
	bool ok = false;

	task_start(entry, NULL, NULL, ended, &ok);
	for (int i = 0; i < 100 && !ok; i++) {
		fake_store_step(1);
		fake_turn();
	}
	settle();
	assert_true(ok);
}

static void test_hold(void **state)
{
	(void)state;
	run("hold");
	assert_string_equal(notes,
			    "lane lane:7:Ca\n3 0\n2 \"SUR\" false nil nil\n2 truetruetext/csv3\n"
			    "1 0\n2\n");
	assert_non_null(
	    strstr(fake_read(connect_as("Ca", SESSION_JSON))->p, "\"pc\":[\"/moon/s7\"]"));
}

static void test_drop(void **state)
{
	(void)state;
	run("drop");
	assert_string_equal(notes, "lane lane:7:Ca\n1\n3\n5\n1\n");
}

static void test_parked(void **state)
{
	(void)state;
	run("parked");
	assert_string_equal(notes, "3 0 0\nfalse\nreformat senml 1\nreformat senml 2\n"
				   "reformat senml 3\ntrue\n");
	assert_string_equal(fake_read(connect_as("Ca", SESSION_JSON))->p, "new 3");
	assert_int_equal(stats().parked, 1);
}

static void test_listing(void **state)
{
	(void)state;
	run("listing");
	assert_string_equal(notes, "lane lane:7:Ca\n5 2 0\nheld Ca /moon/s7 7 0 1 nil\n"
				   "parked Ca /moon/s7 7 0 1 nil\n"
				   "parked Ca /moon/s7 7 0 1 format senml failed\n"
				   "1 away 4 4 3\n1 Ca 0 0 4\n5 0 0\n");
}

static void test_refused(void **state)
{
	(void)state;
	run("refused");
	assert_string_equal(notes, "expected a number of notices, from 1)\n"
				   "number expected, got no value)\n"
				   "expected an id)\n"
				   "invalid option 'some')\n"
				   "number expected, got boolean)\n"
				   " expected a number, got nothing\n"
				   "cannot read\n"
				   "lane lane:7:Ca\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hold, lua_setup, lua_teardown),
		cmocka_unit_test_setup_teardown(test_drop, lua_setup, lua_teardown),
		cmocka_unit_test_setup_teardown(test_parked, lua_setup, lua_teardown),
		cmocka_unit_test_setup_teardown(test_listing, lua_setup, lua_teardown),
		cmocka_unit_test_setup_teardown(test_refused, lua_setup, lua_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
