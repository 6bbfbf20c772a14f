/*
 * Eviction by mni and mbs: thousands of random operations against a model that keeps plain lists,
 * and a limit lowered far below what is there.
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

#define CONTAINERS 3

struct model {
	int64_t st[2000], size[2000];
	size_t first, end;
	int64_t top, mni, mbs;
};

static void model_evict(struct model *m)
{
	int64_t bytes = 0;
	size_t i;

	for (i = m->first; i < m->end; i++)
		bytes += m->size[i];
	while (m->first < m->end && ((m->mni >= 0 && (int64_t)(m->end - m->first) > m->mni) ||
				     (m->mbs >= 0 && bytes > m->mbs)))
		bytes -= m->size[m->first++];
}

static void model_check(struct box *b, const struct model *m, const struct outcome *o, int64_t cid)
{
	int64_t bytes = 0, n = (int64_t)(m->end - m->first);
	char sql[128];
	size_t i;

	for (i = m->first; i < m->end; i++)
		bytes += m->size[i];
	assert_int_equal(o->rc, STORE_OK);
	if (o->ncs) {
		assert_int_equal(o->cs[0].cni, n);
		assert_int_equal(o->cs[0].cbs, bytes);
		assert_int_equal(o->cs[0].oldest, n ? m->st[m->first] : 0);
		assert_int_equal(o->cs[0].st, m->top);
	}
	snprintf(sql, sizeof(sql),
		 "SELECT count(*)*1000000+coalesce(sum(size),0) FROM cin WHERE cid=%lld",
		 (long long)cid);
	assert_int_equal(find_int(b, sql), n * 1000000 + bytes);
}

static struct outcome random_step(struct box *b, struct model *m, int64_t cid)
{
	static const char con[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	struct store_tx *tx = store_tx_new(b->s);
	struct store_inst i = inst(cid, "c", m->top + 1 + rand() % 3, con + rand() % 50);
	struct store_res r = res(cid, 1, 3, "c");
	int what = rand() % 20;
	size_t k;

	if (what == 0 || (m->mni == 0 && what < 10)) {
		m->mni = rand() % 3 ? rand() % 60 : -1;
		m->mbs = rand() % 3 ? 50 + rand() % 1500 : -1;
		r.mni = m->mni < 0 ? STORE_NULL : m->mni;
		r.mbs = m->mbs < 0 ? STORE_NULL : m->mbs;
		r.st = m->top;
		store_tx_set(tx, &r);
		model_evict(m);
	} else if (what == 1 && m->end > m->first) {
		k = m->first + (size_t)rand() % (m->end - m->first);
		store_tx_inst_delete(tx, cid, m->st[k]);
		memmove(&m->st[k], &m->st[k + 1], (m->end - k) * sizeof(int64_t));
		memmove(&m->size[k], &m->size[k + 1], (m->end - k) * sizeof(int64_t));
		m->end--;
	} else if (m->mni != 0) {
		i.lbl = rand() % 4 ? STR_NONE : STR("[\"l\"]");
		store_tx_inst(tx, &i);
		m->st[m->end] = m->top = i.st;
		m->size[m->end++] = i.size;
		model_evict(m);
	}
	return commit(b, tx);
}

static void test_eviction_is_exact(void **state)
{
	struct box *b = *state;
	static struct model m[CONTAINERS];
	int i;

	srand(20240701);
	for (i = 0; i < CONTAINERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		assert_int_equal(put(b, res(2 + i, 1, 3, name)).rc, STORE_OK);
		m[i].mni = m[i].mbs = -1;
	}
	for (i = 0; i < 3000; i++) {
		int k = rand() % CONTAINERS;
		struct outcome o = random_step(b, &m[k], 2 + k);

		model_check(b, &m[k], &o, 2 + k);
		if (i % 500 == 250)
			box_reopen(b);
	}
	assert_int_equal(find_int(b, "SELECT count(*) FROM lbl l WHERE NOT EXISTS"
				     "(SELECT 1 FROM cin i WHERE i.cid=l.id AND i.st=l.st)"),
			 0);
}

/* Far more instances than are wiped at once, then a limit of a few: counters and reads are right at
 * once, the rows go in the background. */
static void test_lowered_limit(void **state)
{
	struct box *b = *state;
	struct store_res c = res(2, 1, 3, "c");
	struct store_tx *tx = store_tx_new(b->s);
	struct outcome o;
	int64_t i;

	store_tx_put(tx, &c);
	for (i = 1; i <= 3000; i++) {
		struct store_inst n = inst(2, "c", i, "12345");

		n.lbl = STR("[\"l\"]");
		n.rn = i == 7 ? STR("seven") : STR_NONE;
		store_tx_inst(tx, &n);
	}
	commit_ok(b, tx);
	tx = store_tx_new(b->s);
	c.mni = 4;
	c.st = 3000;
	store_tx_set(tx, &c);
	o = commit(b, tx);
	assert_int_equal(o.rc, STORE_OK);
	assert_int_equal(o.cs[0].cni, 4);
	assert_int_equal(o.cs[0].cbs, 20);
	assert_int_equal(o.cs[0].oldest, 2997);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), 4);
	assert_int_equal(find_int(b, "SELECT count(*) FROM lbl"), 4);
	assert_int_equal(get_inst(b, 2, STORE_NEWEST_N, 0, NULL, 100).nrows, 4);
	assert_int_equal(get_inst(b, 2, STORE_NAMED, 0, "seven", 1).nrows, 0);
	struct store_inst n = inst(2, "c", 3001, "1");

	n.rn = STR("seven");
	assert_int_equal(add(b, n).rc, STORE_OK);
	for (i = 0; i < 200 && find_int(b, "SELECT count(*) FROM gc_inst"); i++)
		usleep(20000);
	assert_int_equal(find_int(b, "SELECT count(*) FROM gc_inst"), 0);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.cin"), 4);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.lbl"), 3);
}

/* A number that is given to another container again (an import) while the instances of the one that
 * had it are being wiped: the new one's are not taken for them. */
static void test_number_comes_back(void **state)
{
	struct box *b = *state;
	struct store_res c = res(2, 1, 3, "c");
	struct store_tx *tx = store_tx_new(b->s);
	struct outcome o;
	int64_t i;

	store_tx_put(tx, &c);
	for (i = 1; i <= 20000; i++) {
		struct store_inst n = inst(2, "c", i, "12345");

		store_tx_inst(tx, &n);
	}
	commit_ok(b, tx);
	tx = store_tx_new(b->s);
	store_tx_delete(tx, 2, STR("c"));
	commit_ok(b, tx);
	for (i = 0; i < 500; i++) {
		o = put(b, c);
		if (o.rc != STORE_GONE)
			break;
		usleep(20000);
	}
	assert_int_equal(o.rc, STORE_OK);
	assert_true(i > 0);
	assert_int_equal(add(b, inst(2, "c", 1, "1")).rc, STORE_OK);
	usleep(50000);
	assert_int_equal(find_int(b, "SELECT count(*) FROM gc_inst"), 0);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.cin"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_eviction_is_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lowered_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_number_comes_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
