/*
 * The store: every operation and read, refusals, atomicity, order.  Eviction is in
 * test_store_evict.c; faults, large deletions and crashes in test_store_faults.c.
 */
#include "store_help.h"

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof(*b));

	box_new(b);
	assert_int_equal(put(b, res(1, 0, 5, "")).rc, STORE_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	box_free(*state);
	free(*state);
	return 0;
}

/* ---- resources ------------------------------------------------------------------------------- */

static void test_put_and_get(void **state)
{
	struct box *b = *state;
	struct store_res r = res(7, 1, 2, "pump");

	r.et = 99;
	r.lbl = STR("[\"a\",\"b\"]");
	r.acpi = STR("[\"acp1\"]");
	r.aei = STR("Cpump");
	r.doc = STR("{\"api\":\"N1\",\"x\":\"\\u00e9\"}");
	assert_int_equal(put(b, r).rc, STORE_OK);
	const char *row =
	    "id=7 pid=1 ty=2 rn=pump path=pump ct=1007 lt=1007 et=99 st=0 lbl=[\"a\",\"b\"] "
	    "acpi=[\"acp1\"] aei=Cpump doc={\"api\":\"N1\",\"x\":\"\\u00e9\"}\n";

	assert_string_equal(get(b, STORE_BY_ID, 7, "").text, row);
	assert_string_equal(get(b, STORE_BY_PATH, 0, "pump").text, row);
	assert_string_equal(get(b, STORE_BY_AEI, 0, "Cpump").text, row);
	assert_int_equal(get(b, STORE_BY_ID, 8, "").nrows, 0);
	assert_int_equal(get(b, STORE_BY_PATH, 0, "pum").nrows, 0);
	assert_int_equal(get(b, STORE_BY_PATH, 0, "").first, 1);
	box_reopen(b);
	assert_string_equal(get(b, STORE_BY_ID, 7, "").text, row);
}

static void test_put_refused(void **state)
{
	struct box *b = *state;
	struct store_res a = res(2, 1, 2, "a"), c = res(3, 1, 2, "c"), bad = res(4, 1, 2, "d");
	struct outcome o;

	a.aei = c.aei = STR("Cx");
	assert_int_equal(put(b, a).rc, STORE_OK);
	o = put(b, c);
	assert_int_equal(o.rc, STORE_CONFLICT);
	assert_non_null(strstr(o.msg, "Cx"));
	o = put(b, res(5, 1, 3, "a"));
	assert_int_equal(o.rc, STORE_CONFLICT);
	assert_string_equal(o.msg, "a is taken");
	assert_int_equal(put(b, res(6, 77, 3, "x/y")).rc, STORE_GONE);
	bad.lbl = STR("[\"a\"");
	assert_int_equal(put(b, bad).rc, STORE_IO);
	bad.lbl = STR("{}");
	assert_int_equal(put(b, bad).rc, STORE_IO);
	assert_int_equal(find_int(b, "SELECT count(*) FROM res"), 2);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cs"), 0);
}

static void test_set(void **state)
{
	struct box *b = *state;
	struct store_res r = res(2, 1, 2, "a"), other = res(3, 1, 2, "b");
	struct store_tx *tx;

	r.lbl = STR("[\"old\",\"both\",\"both\"]");
	r.aei = STR("Ca");
	other.aei = STR("Cb");
	assert_int_equal(put(b, r).rc, STORE_OK);
	assert_int_equal(put(b, other).rc, STORE_OK);
	assert_string_equal(find_limit(b, "SELECT * FROM lbl ORDER BY lbl", 9).text,
			    "lbl=both path=a st=0 ty=2 id=2\nlbl=old path=a st=0 ty=2 id=2\n");
	r.lbl = STR("[\"new\",\"both\",5]");
	r.lt = 4;
	r.et = 5;
	r.st = 6;
	r.doc = STR("{\"k\":1}");
	tx = store_tx_new(b->s);
	store_tx_set(tx, &r);
	commit_ok(b, tx);
	assert_string_equal(get(b, STORE_BY_ID, 2, "").text,
			    "id=2 pid=1 ty=2 rn=a path=a ct=1002 lt=4 et=5 st=6 "
			    "lbl=[\"new\",\"both\",5] aei=Ca doc={\"k\":1}\n");
	assert_string_equal(find_limit(b, "SELECT lbl FROM lbl ORDER BY lbl", 9).text,
			    "lbl=both\nlbl=new\n");

	tx = store_tx_new(b->s);
	r.aei = STR("Cb");
	store_tx_set(tx, &r);
	assert_int_equal(commit(b, tx).rc, STORE_CONFLICT);
	tx = store_tx_new(b->s);
	r.id = 99;
	store_tx_set(tx, &r);
	assert_int_equal(commit(b, tx).rc, STORE_GONE);
}

/* A resource that held no instances begins to when it is written as a container. */
static void test_set_container(void **state)
{
	struct box *b = *state;
	struct store_res r = res(2, 1, 28, "f");
	struct store_inst i = inst(2, "f", 1, "null");
	struct store_tx *tx = store_tx_new(b->s);

	assert_int_equal(put(b, r).rc, STORE_OK);
	store_tx_inst(tx, &i);
	assert_int_equal(commit(b, tx).rc, STORE_GONE);
	r.container = true;
	r.st = 1;
	r.mni = 1;
	tx = store_tx_new(b->s);
	store_tx_set(tx, &r);
	store_tx_inst(tx, &i);
	commit_ok(b, tx);
	i.st = r.st = 2;
	tx = store_tx_new(b->s);
	store_tx_set(tx, &r);
	store_tx_inst(tx, &i);
	commit_ok(b, tx);
	assert_string_equal(find_limit(b, "SELECT st,cni,ol,mni FROM cs", 9).text,
			    "st=2 cni=1 ol=2 mni=1\n");
}

static void test_kids(void **state)
{
	struct box *b = *state;
	struct answer a = { 0 }, c = { 0 }, d = { 0 };
	int64_t i;

	for (i = 2; i < 12; i++) {
		char name[24];

		snprintf(name, sizeof(name), "k%lld", (long long)i);
		assert_int_equal(put(b, res(i, 1, i % 2 ? 3 : 23, name)).rc, STORE_OK);
	}
	store_kids(b->s, 1, 0, 0, 4, on_rows, &a);
	store_kids(b->s, 1, 23, 4, 10, on_rows, &c);
	store_kids(b->s, 1, 0, 11, 10, on_rows, &d);
	wait_answer(b, &d);
	assert_int_equal(a.nrows, 4);
	assert_true(a.more);
	assert_int_equal(a.first, 2);
	assert_int_equal(c.nrows, 3);
	assert_false(c.more);
	assert_int_equal(c.first, 6);
	assert_int_equal(d.nrows, 0);
	assert_int_equal(d.more, 0);
}

/* ---- instances ------------------------------------------------------------------------------- */

static void test_inst(void **state)
{
	struct box *b = *state;
	struct store_inst i = inst(2, "c", 1, "\"one\"");
	struct outcome o;

	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	i.rn = STR("first");
	i.cr = STR("Cme");
	i.lbl = STR("[\"l\"]");
	i.att = STR("{\"cnf\":\"text/plain:0\"}");
	i.et = 77;
	o = add(b, i);
	assert_int_equal(o.rc, STORE_OK);
	assert_int_equal(o.ncs, 1);
	assert_int_equal(o.cs[0].cid, 2);
	assert_int_equal(o.cs[0].st, 1);
	assert_int_equal(o.cs[0].cni, 1);
	assert_int_equal(o.cs[0].cbs, 5);
	assert_int_equal(o.cs[0].oldest, 1);
	assert_int_equal(o.cs[0].lt, 5001);
	assert_int_equal(add(b, inst(2, "c", 5, "")).rc, STORE_OK);
	const char *one = "cid=2 st=1 ct=5001 et=77 size=5 rn=first cr=Cme lbl=[\"l\"] "
			  "att={\"cnf\":\"text/plain:0\"} con=\"one\"\n";
	const char *two = "cid=2 st=5 ct=5005 size=0 con=\n";

	assert_string_equal(get_inst(b, 2, STORE_LATEST, 0, NULL, 0).text, two);
	assert_false(get_inst(b, 2, STORE_LATEST, 0, NULL, 0).more);
	assert_string_equal(get_inst(b, 2, STORE_OLDEST, 0, NULL, 0).text, one);
	assert_string_equal(get_inst(b, 2, STORE_AT, 5, NULL, 0).text, two);
	assert_int_equal(get_inst(b, 2, STORE_AT, 2, NULL, 0).nrows, 0);
	assert_string_equal(get_inst(b, 2, STORE_NAMED, 0, "first", 0).text, one);
	assert_int_equal(get_inst(b, 2, STORE_NAMED, 0, "second", 0).nrows, 0);
	assert_int_equal(get_inst(b, 2, STORE_NEWEST_N, 0, NULL, 1).nrows, 1);
	assert_true(get_inst(b, 2, STORE_NEWEST_N, 0, NULL, 1).more);
	assert_int_equal(get_inst(b, 2, STORE_NEWEST_N, 0, NULL, 9).nrows, 2);
	assert_string_equal(get_inst(b, 2, STORE_RANGE, 2, NULL, 9).text, two);
	assert_int_equal(get_inst(b, 3, STORE_LATEST, 0, NULL, 0).nrows, 0);
	assert_string_equal(find_limit(b, "SELECT lbl,path,ty,id,st FROM lbl", 9).text,
			    "lbl=l path=c ty=4 id=2 st=1\n");
	assert_non_null(
	    strstr(get(b, STORE_BY_ID, 2, "").text, "cs_st=5 cni=2 cbs=5 oldest=1 cs_lt=5005"));
}

static void test_inst_refused(void **state)
{
	struct box *b = *state;
	struct store_res c = res(2, 1, 3, "c");
	struct store_inst i;

	c.mbs = 10;
	assert_int_equal(put(b, c).rc, STORE_OK);
	assert_int_equal(put(b, res(3, 2, 3, "c/sub")).rc, STORE_OK);
	assert_int_equal(add(b, inst(9, "x", 1, "1")).rc, STORE_GONE);
	assert_int_equal(add(b, inst(2, "c", 1, "12345678901")).rc, STORE_TOOBIG);
	i = inst(2, "c", 1, "1");
	i.rn = STR("n");
	assert_int_equal(add(b, i).rc, STORE_OK);
	i.st = 2;
	assert_int_equal(add(b, i).rc, STORE_CONFLICT);
	i.rn = STR("sub");
	assert_int_equal(add(b, i).rc, STORE_CONFLICT);
	i.rn = STR_NONE;
	i.st = 1;
	assert_int_equal(add(b, i).rc, STORE_IO);
	i.st = 0;
	assert_int_equal(add(b, i).rc, STORE_IO);
	assert_int_equal(put(b, res(4, 2, 3, "c/n")).rc, STORE_CONFLICT);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), 1);
	assert_string_equal(find_limit(b, "SELECT cid,cni,cbs,st FROM cs WHERE cid=2", 1).text,
			    "cid=2 cni=1 cbs=1 st=1\n");
}

/* Two instances of a container never share a mark; an evicted one and other containers do not count. */
static void test_inst_marked(void **state)
{
	struct box *b = *state;
	struct store_res c = res(2, 1, 3, "c");
	struct store_inst i = inst(2, "c", 1, "1");

	c.mni = 2;
	assert_int_equal(put(b, c).rc, STORE_OK);
	assert_int_equal(put(b, res(3, 1, 3, "d")).rc, STORE_OK);
	i.mark = 7;
	assert_int_equal(add(b, i).rc, STORE_OK);
	i.st = 2;
	assert_int_equal(add(b, i).rc, STORE_TWICE);
	assert_int_equal(find_int(b, "SELECT cni FROM cs WHERE cid=2"), 1);
	i.mark = 8;
	assert_int_equal(add(b, i).rc, STORE_OK);
	i.st = 3;
	i.mark = 0;
	assert_int_equal(add(b, i).rc, STORE_OK); /* evicts 7 */
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin WHERE mark IS NULL"), 1);
	i.st = 4;
	i.mark = 7;
	assert_int_equal(add(b, i).rc, STORE_OK); /* evicts 8 */
	i.st = 5;
	i.mark = -3;
	assert_int_equal(add(b, i).rc, STORE_OK);
	i.st = 6;
	assert_int_equal(add(b, i).rc, STORE_TWICE);
	box_reopen(b);
	assert_int_equal(add(b, i).rc, STORE_TWICE);
	i.mark = 7;
	assert_int_equal(add(b, i).rc, STORE_TWICE);
	i.mark = 10;
	assert_int_equal(add(b, i).rc, STORE_OK);
	i = inst(3, "d", 1, "1");
	i.mark = 7;
	assert_int_equal(add(b, i).rc, STORE_OK);
}

#define LOC(crd) STR("{\"a\":1,\"loc\":{\"typ\":1,\"crd\":\"" crd "\"}}")
#define BOXES "SELECT count(*) FROM geo"
#define AT(x, y) "SELECT count(*) FROM geo WHERE x0<=" x " AND x1>=" x " AND y0<=" y " AND y1>=" y

/* Each location has its box in the index, as long as it is there. */
static void test_locations(void **state)
{
	struct box *b = *state;
	struct store_res c = res(2, 1, 3, "c");
	struct store_inst i = inst(2, "c", 1, "1");
	struct store_tx *tx;
	int n;

	c.mni = 3;
	c.doc = LOC("[1,2]");
	assert_int_equal(put(b, c).rc, STORE_OK);
	assert_int_equal(find_int(b, AT("1", "2")), 1);
	c.doc = LOC("[[5.5,6],[7,-8,100]]");
	tx = store_tx_new(b->s);
	store_tx_set(tx, &c);
	commit_ok(b, tx);
	assert_int_equal(find_int(b, AT("1", "2")), 0);
	assert_int_equal(find_int(b, AT("6", "-8")), 1);
	for (n = 1; n <= 5; n++) {
		i.st = n;
		i.att = LOC("[30,40]");
		assert_int_equal(add(b, i).rc, STORE_OK);
	}
	assert_int_equal(find_int(b, AT("30", "40")), 3);
	box_reopen(b);
	tx = store_tx_new(b->s);
	store_tx_inst_delete(tx, 2, 4);
	commit_ok(b, tx);
	assert_int_equal(find_int(b, BOXES), 3);
	c.doc = STR("{\"loc\":\"here\"}"); /* no location */
	tx = store_tx_new(b->s);
	store_tx_set(tx, &c);
	commit_ok(b, tx);
	assert_int_equal(find_int(b, BOXES), 2);
	tx = store_tx_new(b->s);
	store_tx_delete(tx, 2, STR("c"));
	commit_ok(b, tx);
	assert_int_equal(find_int(b, BOXES), 0);
	c.doc = LOC("[1,"); /* cannot be read: it is kept without a box */
	c.id = 3;
	assert_int_equal(put(b, c).rc, STORE_OK);
	assert_int_equal(find_int(b, BOXES), 0);
}

static void test_touch_and_delete(void **state)
{
	struct box *b = *state;
	struct store_tx *tx = store_tx_new(b->s);
	struct store_res c = res(2, 1, 3, "c");
	struct store_inst i = inst(2, "c", 9, "abc");
	struct outcome o;

	store_tx_put(tx, &c);
	store_tx_touch(tx, 2, 9, 123);
	store_tx_inst(tx, &i); /* with the stateTag that touch has set */
	store_tx_touch(tx, 2, 9, 124);
	o = commit(b, tx);
	assert_int_equal(o.rc, STORE_OK);
	assert_int_equal(o.ncs, 1);
	assert_int_equal(o.cs[0].lt, 124);
	assert_int_equal(o.cs[0].cni, 1);
	i.st = 10;
	i.lbl = STR("[\"l\"]");
	assert_int_equal(add(b, i).rc, STORE_OK);

	tx = store_tx_new(b->s);
	store_tx_inst_delete(tx, 2, 9);
	store_tx_inst_delete(tx, 2, 8); /* not there: nothing happens */
	store_tx_inst_delete(tx, 55, 8);
	o = commit(b, tx);
	assert_int_equal(o.rc, STORE_OK);
	assert_int_equal(o.cs[0].cni, 1);
	assert_int_equal(o.cs[0].oldest, 10);
	tx = store_tx_new(b->s);
	store_tx_inst_delete(tx, 2, 10);
	o = commit(b, tx);
	assert_int_equal(o.cs[0].cni, 0);
	assert_int_equal(o.cs[0].cbs, 0);
	assert_int_equal(o.cs[0].oldest, 0);
	assert_int_equal(find_int(b, "SELECT count(*) FROM lbl"), 0);
	tx = store_tx_new(b->s);
	store_tx_touch(tx, 56, 1, 1);
	assert_int_equal(commit(b, tx).rc, STORE_GONE);
}

static void test_delete_subtree(void **state)
{
	struct box *b = *state;
	static const char *const path[] = { "a", "a/b", "a/b/c", "a-b", "a0", "b" };
	struct store_tx *tx;
	size_t i;

	for (i = 0; i < countof(path); i++) {
		struct store_res r = res(2 + (int64_t)i, 1, 3, path[i]);

		r.lbl = STR("[\"l\"]");
		assert_int_equal(put(b, r).rc, STORE_OK);
		assert_int_equal(add(b, inst(2 + (int64_t)i, path[i], 1, "1")).rc, STORE_OK);
	}
	tx = store_tx_new(b->s);
	store_tx_delete(tx, 2, STR("a"));
	store_tx_delete(tx, 99, STR("zzz")); /* not there: nothing happens */
	assert_int_equal(commit(b, tx).rc, STORE_OK);
	assert_string_equal(find_limit(b, "SELECT path FROM res ORDER BY path", 9).text,
			    "path=\npath=a-b\npath=a0\npath=b\n");
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), 3);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cs"), 3);
	assert_int_equal(find_int(b, "SELECT count(*) FROM lbl"), 3);
	assert_int_equal(add(b, inst(3, "a/b", 2, "1")).rc, STORE_GONE);
	assert_int_equal(put(b, res(20, 1, 3, "a")).rc, STORE_OK);
	assert_int_equal(get_inst(b, 20, STORE_LATEST, 0, NULL, 0).nrows, 0);
}

/* ---- notifications and names ----------------------------------------------------------------- */

static void scan_ntf(void *arg, int64_t id, int64_t et, struct str members, size_t body)
{
	char *at = (char *)arg + strlen(arg);

	sprintf(at, "%lld %lld %.*s %zu;", (long long)id, et == STORE_NULL ? -1LL : (long long)et,
		STRFMT(members), body);
}

static void scan_tgt(void *arg, int64_t id, struct str key, int64_t acked)
{
	sprintf((char *)arg + strlen(arg), "%lld %.*s %lld;", (long long)id, STRFMT(key),
		(long long)acked);
}

static void scan_aud(void *arg, int64_t id, struct str members)
{
	sprintf((char *)arg + strlen(arg), "%lld %zu;", (long long)id, members.n);
}

/* What relies on an audience that is not there does not happen; a cursor never goes back. */
static void test_audience_needed(void **state)
{
	struct box *b = *state;
	struct store_tx *tx = store_tx_new(b->s);
	char text[500] = "";

	store_tx_tgt(tx, 1, STR("Ca"), 7);
	store_tx_aud(tx, 4, STR("abc"));
	commit_ok(b, tx);
	tx = store_tx_new(b->s);
	store_tx_tgt(tx, 2, STR("Cb"), 1);
	store_tx_aud_need(tx, 4);
	store_tx_tgt(tx, 1, STR("Ca"), 6);
	commit_ok(b, tx);
	tx = store_tx_new(b->s);
	store_tx_tgt(tx, 3, STR("Cc"), 1);
	store_tx_aud_need(tx, 5);
	assert_int_equal(commit(b, tx).rc, STORE_IO);
	box_reopen(b);
	store_scan_tgt(b->s, scan_tgt, text);
	assert_string_equal(text, "1 Ca 7;2 Cb 1;");
}

static void test_notification_rows(void **state)
{
	struct box *b = *state;
	static const int64_t ids[] = { 12, 99, 10 };
	struct store_tx *tx = store_tx_new(b->s);
	struct answer a = { 0 };
	struct buf v = BUF_INIT;
	char text[500] = "";
	int64_t i;

	for (i = 10; i < 15; i++)
		store_tx_ntf(tx, i, i == 12 ? 5 : STORE_NULL, STR("m\0x"), STR("body"));
	store_tx_tgt(tx, 1, STR("Ca"), 0);
	store_tx_tgt(tx, 2, STR("Cb"), 0);
	store_tx_tgt(tx, 1, STR("Ca"), 12);
	store_tx_aud(tx, 4, STR("abc"));
	store_tx_aud(tx, 5, STR(""));
	store_tx_meta(tx, STR("nonce"), STR("xyz"));
	store_tx_meta(tx, STR("other"), STR("1"));
	commit_ok(b, tx);
	tx = store_tx_new(b->s);
	store_tx_ntf_delete(tx, 13, 20);
	store_tx_tgt_delete(tx, 2);
	store_tx_aud_delete(tx, 4);
	store_tx_meta(tx, STR("other"), STR_NONE);
	commit_ok(b, tx);

	store_pend(b->s, ids, countof(ids), on_rows, &a);
	wait_answer(b, &a);
	assert_string_equal(a.text, "id=12 et=5 body=body\nid=10 body=body\n");
	box_reopen(b);
	store_scan_ntf(b->s, scan_ntf, text);
	assert_string_equal(text, "10 -1 m 4;11 -1 m 4;12 5 m 4;"); /* %.*s stops at the NUL */
	*text = '\0';
	store_scan_tgt(b->s, scan_tgt, text);
	store_scan_aud(b->s, scan_aud, text);
	assert_string_equal(text, "1 Ca 12;5 0;");
	assert_true(store_meta(b->s, "nonce", &v));
	assert_int_equal(v.n, 3);
	assert_memory_equal(v.p, "xyz", 3);
	assert_false(store_meta(b->s, "other", &v));
	buf_free(&v);
	tx = store_tx_new(b->s);
	store_tx_meta(tx, STR("schema"), STR("9"));
	assert_int_equal(commit(b, tx).rc, STORE_CONFLICT);
}

static void test_max_id(void **state)
{
	struct box *b = *state;
	struct store_tx *tx;

	assert_int_equal(put(b, res(40, 1, 3, "c")).rc, STORE_OK);
	tx = store_tx_new(b->s);
	store_tx_ntf(tx, 31, STORE_NULL, STR("m"), STR("b"));
	store_tx_delete(tx, 40, STR("c"));
	commit_ok(b, tx);
	tx = store_tx_new(b->s);
	store_tx_ntf_delete(tx, 0, 100);
	commit_ok(b, tx);
	box_reopen(b);
	assert_int_equal(store_max_id(b->s, "res"), 40);
	assert_int_equal(store_max_id(b->s, "ntf"), 31);
	assert_int_equal(store_max_id(b->s, "tgt"), 0);
}

/* ---- searches -------------------------------------------------------------------------------- */

static void test_find(void **state)
{
	struct box *b = *state;
	struct store_cell p[3] = { { .t = STORE_T_INT, .i = 3 },
				   { .t = STORE_T_TEXT, .s = STR("a/") },
				   { .t = STORE_T_REAL, .d = 0.5 } };
	struct answer a = { 0 }, c;
	int i;

	assert_int_equal(put(b, res(2, 1, 2, "a")).rc, STORE_OK);
	assert_int_equal(put(b, res(3, 2, 3, "a/x")).rc, STORE_OK);
	store_find(b->s, STR("SELECT path,?3 AS half,NULL AS n FROM res WHERE ty=?1 AND path>=?2"),
		   p, 3, 10, on_rows, &a);
	wait_answer(b, &a);
	assert_string_equal(a.text, "path=a/x half=0.5\n");
	assert_int_equal(a.ncols, 3);
	c = find_limit(b, "SELECT id FROM res ORDER BY id", 2);
	assert_int_equal(c.nrows, 2);
	assert_true(c.more);
	c = find_limit(b, "SELECT id FROM res ORDER BY id", 3);
	assert_int_equal(c.nrows, 3);
	assert_false(c.more);
	assert_string_not_equal(find_limit(b, "SELECT nope FROM res", 3).error, "");
	assert_string_not_equal(find_limit(b, "DELETE FROM res", 3).error, "");
	assert_string_not_equal(find_limit(b, "SELECT 1; SELECT 2", 3).error, "");
	assert_string_not_equal(find_limit(b, "", 3).error, "");
	a = (struct answer){ 0 };
	store_find(b->s, STR("SELECT 1"), p, 1, 10, on_rows, &a);
	wait_answer(b, &a);
	assert_string_not_equal(a.error, "");
	for (i = 0; i < 300; i++) { /* more texts than statements are kept */
		char sql[64];

		snprintf(sql, sizeof(sql), "SELECT %d+id FROM res WHERE id=1", i % 150);
		assert_int_equal(find_int(b, sql), i % 150 + 1);
	}
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* Submitted without a turn between them, so they share groups. */
static void test_conflicts_in_one_group(void **state)
{
	struct box *b = *state;
	struct outcome o[30];
	int64_t i;

	memset(o, 0, sizeof(o));
	for (i = 0; i < 30; i++) {
		struct store_tx *tx = store_tx_new(b->s);
		char name[16];
		struct store_res r;

		snprintf(name, sizeof(name), "n%lld", (long long)(i % 10));
		r = res(10 + i, 1, 3, name);
		store_tx_put(tx, &r);
		store_commit(b->s, tx, on_commit, &o[i]);
	}
	outcomes = 0;
	for (i = 0; i < 30; i++)
		wait_outcome(b, &o[i]);
	for (i = 0; i < 30; i++) {
		assert_int_equal(o[i].rc, i < 10 ? STORE_OK : STORE_CONFLICT);
		assert_int_equal(o[i].order, i);
	}
	assert_int_equal(find_int(b, "SELECT count(*) FROM res WHERE ty=3"), 10);
}

/* The second operation of the middle transaction fails: nothing of it stays, its neighbours do. */
static void test_all_or_nothing(void **state)
{
	struct box *b = *state;
	struct store_res c = res(2, 1, 3, "c"), d = res(3, 1, 3, "d"), again = res(4, 1, 3, "c");
	struct store_inst i;
	struct outcome o[3];
	int k;

	memset(o, 0, sizeof(o));
	c.mni = 2;
	assert_int_equal(put(b, c).rc, STORE_OK);
	assert_int_equal(add(b, inst(2, "c", 1, "1")).rc, STORE_OK);
	assert_int_equal(add(b, inst(2, "c", 2, "22")).rc, STORE_OK);
	for (k = 0; k < 3; k++) {
		struct store_tx *tx = store_tx_new(b->s);

		i = inst(2, "c", 3 + k, "333");
		store_tx_inst(tx, &i);
		store_tx_ntf(tx, 100 + k, STORE_NULL, STR("m"), STR("b"));
		if (k == 1) {
			store_tx_put(tx, &d);
			store_tx_delete(tx, 2, STR("c"));
			store_tx_put(tx, &again);
			again.id = 5;
			store_tx_put(tx, &again);
		}
		store_commit(b->s, tx, on_commit, &o[k]);
	}
	for (k = 0; k < 3; k++)
		wait_outcome(b, &o[k]);
	assert_int_equal(o[0].rc, STORE_OK);
	assert_int_equal(o[1].rc, STORE_CONFLICT);
	assert_int_equal(o[1].ncs, 0);
	assert_int_equal(o[2].rc, STORE_OK);
	assert_int_equal(o[2].cs[0].cni, 2);
	assert_int_equal(o[2].cs[0].cbs, 6);
	assert_int_equal(o[2].cs[0].oldest, 3);
	assert_string_equal(find_limit(b, "SELECT st FROM cin ORDER BY st", 9).text,
			    "st=3\nst=5\n");
	assert_string_equal(find_limit(b, "SELECT id FROM ntf ORDER BY id", 9).text,
			    "id=100\nid=102\n");
	assert_int_equal(find_int(b, "SELECT count(*) FROM res"), 2);
}

static void test_read_after_write(void **state)
{
	struct box *b = *state;
	int64_t i;

	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	for (i = 1; i <= 300; i++) {
		assert_int_equal(add(b, inst(2, "c", i, "1")).rc, STORE_OK);
		assert_non_null(strstr(get_inst(b, 2, STORE_LATEST, 0, NULL, 0).text, "size=1"));
		assert_int_equal(find_int(b, "SELECT max(st) FROM cin"), i);
	}
}

static void test_queue_is_bounded(void **state)
{
	struct box *b = *state;
	struct store_opts o = {
		.path = b->path, .wake = box_wake, .arg = b, .queue_bytes = 100000
	};
	static char big[60000];
	struct outcome out[3];
	struct err e;
	int i;

	memset(out, 0, sizeof(out));
	store_close(b->s);
	b->s = store_open(&o, &e);
	assert_non_null(b->s);
	for (i = 0; i < 3; i++) {
		struct store_tx *tx = store_tx_new(b->s);

		store_tx_ntf(tx, 1 + i, STORE_NULL, STR("m"), (struct str){ big, sizeof(big) });
		if (i == 2)
			store_tx_ntf(tx, 5, STORE_NULL, STR("m"), (struct str){ big, sizeof(big) });
		store_commit(b->s, tx, on_commit, &out[i]);
	}
	wait_outcome(b, &out[2]);
	assert_int_equal(out[0].rc, STORE_OK);
	assert_int_equal(out[2].rc, STORE_IO); /* larger than the queue: never */
	assert_non_null(strstr(out[2].msg, "busy"));
	assert_true(out[0].order < out[1].order && out[1].order < out[2].order);
}

/* Closing runs what is queued and every callback. */
static void test_close_commits(void **state)
{
	struct box *b = *state;
	struct outcome o[50];
	int64_t i;

	memset(o, 0, sizeof(o));
	for (i = 0; i < 50; i++) {
		struct store_tx *tx = store_tx_new(b->s);

		store_tx_ntf(tx, 1 + i, STORE_NULL, STR("m"), STR("b"));
		store_commit(b->s, tx, on_commit, &o[i]);
	}
	box_reopen(b);
	for (i = 0; i < 50; i++)
		assert_int_equal(o[i].done && o[i].rc == STORE_OK, 1);
	assert_int_equal(find_int(b, "SELECT count(*) FROM ntf"), 50);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_put_and_get),
		T(test_put_refused),
		T(test_set),
		T(test_set_container),
		T(test_kids),
		T(test_inst),
		T(test_inst_refused),
		T(test_inst_marked),
		T(test_locations),
		T(test_touch_and_delete),
		T(test_delete_subtree),
		T(test_notification_rows),
		T(test_audience_needed),
		T(test_max_id),
		T(test_find),
		T(test_conflicts_in_one_group),
		T(test_all_or_nothing),
		T(test_read_after_write),
		T(test_queue_is_bounded),
		T(test_close_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
