/*
 * Looking through a store: a good one is good, also in use and with deletions that are not wiped yet;
 * each kind of mistake is found, and repaired where that is possible.
 */
#include "store_help.h"

#include "store_sqlite.h"
#include "store_verify.h"

struct told {
	char text[2000];
	uint64_t found, repaired;
	unsigned ntf, tgt, aud;
};

static void on_step(void *arg, const char *what)
{
	(void)arg;
	(void)what;
}

static void on_finding(void *arg, const char *what, struct str text)
{
	struct told *t = arg;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s: %.*s\n", what, STRFMT(text));
}

static void on_checked(void *arg, const char *what, uint64_t found, uint64_t repaired)
{
	struct told *t = arg;

	(void)what;
	t->found += found;
	t->repaired += repaired;
}

static void on_tgt(void *arg, int64_t id, struct str key, int64_t acked)
{
	(void)id;
	(void)key;
	(void)acked;
	((struct told *)arg)->tgt++;
}

static void on_aud(void *arg, int64_t id, struct str members)
{
	(void)id;
	(void)members;
	((struct told *)arg)->aud++;
}

static void on_ntf(void *arg, int64_t id, struct str members)
{
	(void)id;
	(void)members;
	((struct told *)arg)->ntf++;
}

static struct store_verify_sum verify(const struct box *b, bool repair, struct told *t)
{
	struct store_verify v = { .repair = repair,
				  .arg = t,
				  .step = on_step,
				  .finding = on_finding,
				  .checked = on_checked,
				  .tgt = on_tgt,
				  .aud = on_aud,
				  .ntf = on_ntf };
	struct store_verify_sum sum;
	struct err e = { 0 };

	memset(t, 0, sizeof(*t));
	if (!store_verify(b->path, &v, &sum, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(sum.found, t->found);
	assert_int_equal(sum.repaired, t->repaired);
	return sum;
}

static void good(const struct box *b)
{
	struct told t;

	verify(b, false, &t);
	assert_string_equal(t.text, "");
}

static void fill(struct box *b, int64_t cid, const char *path, int n)
{
	struct store_tx *tx = store_tx_new(b->s);

	for (int i = 1; i <= n; i++) {
		struct store_inst x = inst(cid, path, i, "12");

		x.lbl = i % 3 ? STR_NONE : STR("[\"a\",\"b\"]");
		store_tx_inst(tx, &x);
	}
	commit_ok(b, tx);
}

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof(*b));
	struct store_res few = res(3, 1, 3, "few"), labelled = res(4, 2, 3, "c/inner");
	struct store_tx *tx;

	box_new(b);
	few.mni = 5;
	labelled.lbl = STR("[\"x\",\"y\"]");
	assert_int_equal(put(b, res(1, 0, 5, "")).rc, STORE_OK);
	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	assert_int_equal(put(b, few).rc, STORE_OK);
	assert_int_equal(put(b, labelled).rc, STORE_OK);
	fill(b, 2, "c", 20);
	fill(b, 3, "few", 40);
	tx = store_tx_new(b->s);
	store_tx_inst_delete(tx, 2, 1);
	store_tx_tgt(tx, 7, STR("Cx"), 3);
	store_tx_aud(tx, 8, STR("m"));
	store_tx_ntf(tx, 9, STORE_NULL, STR("m"), STR("body"));
	commit_ok(b, tx);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	box_free(*state);
	free(*state);
	return 0;
}

static void test_good(void **state)
{
	struct box *b = *state;
	struct store_verify_sum sum;
	struct told t;

	good(b);
	sum = verify(b, false, &t);
	assert_int_equal(sum.resources, 4);
	assert_int_equal(sum.containers, 3);
	assert_int_equal(sum.notices, 1);
	assert_int_equal(t.tgt + t.aud + t.ntf, 3);
	store_close(b->s);
	b->s = NULL;
	good(b);
	verify(b, true, &t);
	assert_string_equal(t.text, "");
	box_open(b);
}

static void test_good_while_deleting(void **state)
{
	struct box *b = *state;
	struct store_tx *tx;

	fill(b, 4, "c/inner", 3000);
	good(b);
	tx = store_tx_new(b->s);
	store_tx_delete(tx, 2, STR("c"));
	commit_ok(b, tx);
	good(b); /* some of it is wiped, the rest hidden */
	assert_int_equal(put(b, res(11, 1, 3, "c")).rc, STORE_OK);
	fill(b, 11, "c", 10);
	good(b);
}

static void spoil(const struct box *b, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(b->path, &db, SQLITE_OPEN_READWRITE, STORE_VFS),
			 SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* Done to a closed store: is found, and repaired or not. */
static void mistake(struct box *b, const char *sql, const char *finding, bool repairs)
{
	struct told t;

	spoil(b, sql);
	verify(b, false, &t);
	if (!strstr(t.text, finding))
		fail_msg("expected \"%s\" in \"%s\"", finding, t.text);
	verify(b, true, &t);
	assert_int_equal(t.repaired == t.found, repairs);
	if (repairs)
		good(b);
}

static void test_what_is_repaired(void **state)
{
	struct box *b = *state;

	store_close(b->s);
	b->s = NULL;
	mistake(b, "UPDATE cs SET cni=7 WHERE cid=2",
		"container 2 (c): cni 7, cbs 38, oldest 2, st 20; there are 19 instances with 38 "
		"bytes, st 2 to 20",
		true);
	mistake(b, "UPDATE cs SET cbs=cbs+1, st=1", "cbs 39", true);
	mistake(b, "UPDATE cs SET ol=1 WHERE cid=2", "oldest 1", true);
	mistake(b, "DELETE FROM cin WHERE cid=3", "there are 0 instances", true);
	mistake(b, "DELETE FROM lbl WHERE lbl='x'",
		"resource 4 (c/inner): discovery does not find its label x", true);
	mistake(b, "DELETE FROM lbl WHERE st=6", "the label a of its instance 6", true);
	mistake(b, "INSERT INTO lbl VALUES('z','c',0,3,2)", "label z of c: no such resource", true);
	mistake(b, "INSERT INTO lbl VALUES('z','c',99,4,2)", "label z of an instance of c", true);
	mistake(b, "UPDATE res SET doc='{\"loc\":{\"typ\":1,\"crd\":\"[7,8]\"}}' WHERE id=4",
		"resource 4 (c/inner): searches by place do not find it", true);
	mistake(b, "UPDATE cin SET att='{\"loc\":{\"typ\":1,\"crd\":\"[7,8]\"}}' WHERE st=6",
		"container 2, instance 6: searches by place do not find it", true);
	mistake(b, "UPDATE res SET doc='{}' WHERE id=4", "box 8 of a location: nothing is there",
		true);
	mistake(b, "INSERT INTO geo VALUES(98765,1,1,2,2)", "box 98765 of a location", true);
	mistake(b, "DELETE FROM seq WHERE name='res'", "resource 4: the highest number given is 0",
		true);
	mistake(b, "INSERT INTO cin(cid,st,ct,size,con) VALUES(2,1,1,2,'12')",
		"container 2: 1 evicted instances take room", true);
	box_open(b);
}

static void test_what_is_only_told(void **state)
{
	struct box *b = *state;

	store_close(b->s);
	b->s = NULL;
	mistake(b, "UPDATE res SET doc='{' WHERE id=2", "(c): its attributes are no JSON", false);
	mistake(b, "UPDATE res SET acpi='[' WHERE id=2; UPDATE res SET doc='{}'",
		"(c): acpi is no JSON", false);
	mistake(b, "UPDATE res SET pid=77 WHERE id=4; UPDATE res SET acpi=NULL",
		"resource 4 (c/inner): its parent 77 is not there", false);
	mistake(b, "UPDATE res SET pid=2, path='c/other' WHERE id=4", "expected the path c/inner",
		false);
	mistake(b, "DELETE FROM res WHERE id=4", "counters 4: the resource is not there", false);
	mistake(b, "DELETE FROM cs WHERE cid=2",
		"container 2: it is not there, but 19 instances of it", false);
	mistake(b, "UPDATE tgt SET acked=99", "target Cx: acknowledged up to 99", false);
	box_open(b);
}

static void test_integrity(void **state)
{
	struct box *b = *state;

	store_close(b->s);
	b->s = NULL;
	mistake(b,
		"PRAGMA writable_schema=ON; CREATE INDEX extra ON res(rn) WHERE id<0;"
		"UPDATE sqlite_schema SET sql='CREATE INDEX extra ON res(rn)' WHERE name='extra'",
		"missing from index extra", true);
	box_open(b);
}

static void test_no_store(void **state)
{
	struct box *b = *state;
	struct store_verify v = { 0 };
	struct store_verify_sum sum;
	struct err e = { 0 };

	assert_false(store_verify("/nowhere/at all", &v, &sum, &e));
	assert_non_null(strstr(e.msg, "No such file"));
	v.repair = true;
	assert_false(store_verify(b->path, &v, &sum, &e));
	assert_non_null(strstr(e.msg, "is in use by process"));
	store_close(b->s);
	b->s = NULL;
	spoil(b, "UPDATE meta SET v=v+90 WHERE k='schema'");
	v.repair = false;
	assert_false(store_verify(b->path, &v, &sum, &e));
	assert_non_null(strstr(e.msg, "schema version 9"));
	spoil(b, "PRAGMA application_id=1; UPDATE meta SET v=v-90 WHERE k='schema'");
	assert_false(store_verify(b->path, &v, &sum, &e));
	assert_non_null(strstr(e.msg, "not a moon2m store"));
	spoil(b, "PRAGMA application_id=0x6d6f6f32");
	box_open(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_good_while_deleting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_repaired, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_only_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_integrity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_store, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
