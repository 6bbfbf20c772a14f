/*
 * The store when things go wrong: files that are no store, a second process, a full disk, large
 * deletions, kill -9.
 */
#include "store_help.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "store_sqlite.h"

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

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void refused(struct box *b, const char *path, const char *why)
{
	struct store_opts o = { .path = path, .wake = box_wake, .arg = b };
	struct err e = { 0 };
	struct store *s = store_open(&o, &e);

	assert_null(s);
	if (!strstr(e.msg, why))
		fail_msg("expected \"%s\" in \"%s\"", why, e.msg);
}

static void write_file(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *db;

	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, STORE_VFS),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_refuses_what_is_no_store(void **state)
{
	static char junk[20000];
	struct box *b = *state;

	store_close(b->s);
	b->s = NULL;
	sql(b->path, "UPDATE meta SET v='7' WHERE k='schema'");
	refused(b, b->path, "schema version 7, this moon2m knows 6");
	sql(b->path, "DELETE FROM meta");
	refused(b, b->path, "does not say its schema version");
	sql(b->path, "PRAGMA application_id=5");
	refused(b, b->path, "not a moon2m store");
	assert_int_equal(truncate(b->path, 40000), 0);
	refused(b, b->path, "is damaged: it was cut short");
	unlink(b->path);
	memset(junk, 'x', sizeof(junk));
	write_file(b->path, junk, sizeof(junk));
	refused(b, b->path, "not a moon2m store");
	refused(b, "/nonexistent/moon2m.db", "No such file");
	refused(b, b->dir, "Is a directory");
	write_file(b->path, "", 0);
	box_open(b); /* an empty file becomes a store */
	char lock[128];

	snprintf(lock, sizeof(lock), "%s-lock", b->dir);
	unlink(lock);
}

/* A store of the first release: instances without marks. */
static void test_older_schema(void **state)
{
	struct box *b = *state;
	struct store_inst i = inst(2, "c", 1, "1");

	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	assert_int_equal(add(b, i).rc, STORE_OK);
	store_close(b->s);
	b->s = NULL;
	sql(b->path,
	    "UPDATE res SET doc='{\"loc\":{\"typ\":2,\"crd\":\"[[1,5],[3,2]]\"}}' WHERE id=2;"
	    "UPDATE cin SET att='{\"loc\":{\"typ\":1,\"crd\":\"[7,8]\"}}';"
	    "DROP TABLE geo; DROP TABLE evt; DROP INDEX res_ct; DROP INDEX res_lt; DROP INDEX cin_mark;"
	    "ALTER TABLE cin DROP COLUMN mark;"
	    "UPDATE meta SET v='1' WHERE k='schema'");
	box_open(b);
	i.st = 2;
	i.mark = 9;
	assert_int_equal(add(b, i).rc, STORE_OK);
	i.st = 3;
	assert_int_equal(add(b, i).rc, STORE_TWICE);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), 2);
	assert_int_equal(
	    find_int(b, "SELECT CAST(x0*1000+x1*100+y0*10+y1 AS INT) FROM geo WHERE id=4"), 1325);
	assert_int_equal(find_int(b, "SELECT CAST(x0*10+y1 AS INT) FROM geo WHERE id%2=1"), 78);
}

static void test_mode_and_lock(void **state)
{
	struct box *b = *state;
	struct stat st;
	char wal[128], pid[32];

	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(wal, sizeof(wal), "%s-wal", b->path);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(pid, sizeof(pid), "in use by process %d", (int)getpid());
	refused(b, b->path, pid);
	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK); /* not harmed */
}

static size_t load(const char *path, unsigned char **out)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*out = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, *out, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

/* Opens what damage left: a message, or a store that answers without a crash. */
static void try_damaged(struct box *b)
{
	struct store_opts o = { .path = b->path, .wake = box_wake, .arg = b };
	struct err e = { 0 };
	struct outcome out = { 0 };
	struct answer a = { 0 };
	struct store_inst i = inst(2, "c", 900, "1");
	struct store_tx *tx;

	b->s = store_open(&o, &e);
	if (!b->s) {
		assert_string_not_equal(e.msg, "");
		return;
	}
	tx = store_tx_new(b->s);
	store_tx_inst(tx, &i);
	store_commit(b->s, tx, on_commit, &out);
	store_find(b->s, STR("SELECT sum(length(con)) FROM cin"), NULL, 0, 9, on_rows, &a);
	wait_outcome(b, &out);
	wait_answer(b, &a);
	if (out.rc != STORE_OK)
		assert_string_not_equal(out.msg, "");
	store_close(b->s);
	b->s = NULL;
}

static void test_damage(void **state)
{
	struct box *b = *state;
	unsigned char *good, *bad;
	size_t n, i;

	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	for (i = 1; i <= 100; i++)
		assert_int_equal(
		    add(b, inst(2, "c", (int64_t)i, "0123456789012345678901234567890")).rc,
		    STORE_OK);
	store_close(b->s);
	b->s = NULL;
	n = load(b->path, &good);
	bad = malloc(n);
	srand(7);
	for (i = 0; i < 120; i++) {
		memcpy(bad, good, n);
		if (i < 60)
			bad[(size_t)rand() % n] ^= (unsigned char)(1 << rand() % 8);
		write_file(b->path, bad, i < 60 ? n : n - (i - 59) * 61);
		try_damaged(b);
	}
	write_file(b->path, good, n);
	box_open(b);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), 100);
	free(good);
	free(bad);
}

/* ---- a full disk ----------------------------------------------------------------------------- */

static void file_limit(rlim_t bytes)
{
	struct rlimit r;

	getrlimit(RLIMIT_FSIZE, &r);
	r.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void test_disk_full(void **state)
{
	struct box *b = *state;
	static char con[3000];
	struct outcome o[40];
	int64_t i, acked = 0, st = 1;

	signal(SIGXFSZ, SIG_IGN);
	memset(con, 'x', sizeof(con) - 1);
	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	file_limit(1000000);
	for (; acked == st - 1 && st < 500; st++)
		acked += add(b, inst(2, "c", st, con)).rc == STORE_OK;
	assert_in_range(acked, 10, 400);
	memset(o, 0, sizeof(o));
	for (i = 0; i < 40; i++) {
		struct store_inst n = inst(2, "c", st++, con);
		struct store_tx *tx = store_tx_new(b->s);

		store_tx_inst(tx, &n);
		store_commit(b->s, tx, on_commit, &o[i]);
	}
	for (i = 0; i < 40; i++) {
		wait_outcome(b, &o[i]);
		assert_int_equal(o[i].rc, STORE_IO);
		assert_string_not_equal(o[i].msg, "");
		assert_int_equal(o[i].ncs, 0);
	}
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), acked);
	assert_int_equal(put(b, res(3, 1, 3, "d")).rc, STORE_IO);
	file_limit(RLIM_INFINITY);
	for (i = 0; i < 30; i++)
		assert_int_equal(add(b, inst(2, "c", st++, con)).rc, STORE_OK);
	assert_int_equal(put(b, res(3, 1, 3, "d")).rc, STORE_OK);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), acked + 30);
	assert_int_equal(find_int(b, "SELECT cni FROM cs WHERE cid=2"), acked + 30);
	box_reopen(b);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), acked + 30);
}

/* ---- large deletions ------------------------------------------------------------------------- */

#define ROWS 20000

static void fill(struct box *b)
{
	struct store_res r = res(2, 1, 2, "big");
	struct store_tx *tx = store_tx_new(b->s);
	int64_t i;

	r.aei = STR("Cbig");
	store_tx_put(tx, &r);
	for (i = 0; i < ROWS; i++) {
		char name[32];
		struct store_inst n;

		snprintf(name, sizeof(name), "big/c%lld", (long long)i);
		r = res(10 + i, 2, 3, name);
		r.lbl = STR("[\"l\"]");
		store_tx_put(tx, &r);
		n = inst(10 + i, name, 1, "1");
		if (i % 10 == 0)
			store_tx_inst(tx, &n);
		if (i % 1000 == 999) {
			commit_ok(b, tx);
			tx = store_tx_new(b->s);
		}
	}
	store_tx_free(tx);
}

/* Nothing of the subtree is to be seen, though its rows may still be there. */
static void all_hidden(struct box *b)
{
	struct answer a = { 0 };

	assert_int_equal(find_int(b, "SELECT count(*) FROM res WHERE path>='big' AND path<'bih'"),
			 0);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cs"), 0);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), 0);
	assert_int_equal(find_int(b, "SELECT count(*) FROM lbl"), 0);
	assert_int_equal(get(b, STORE_BY_PATH, 0, "big").nrows, 0);
	assert_int_equal(get(b, STORE_BY_AEI, 0, "Cbig").nrows, 0);
	assert_int_equal(get(b, STORE_BY_PATH, 0, "big/c19990").nrows, 0);
	assert_int_equal(get(b, STORE_BY_ID, 10 + 19990, "").nrows, 0);
	assert_int_equal(get_inst(b, 10 + 19990, STORE_LATEST, 0, NULL, 1).nrows, 0);
	store_kids(b->s, 2, 0, 0, 10, on_rows, &a);
	wait_answer(b, &a);
	assert_int_equal(a.nrows, 0);
}

static void wait_wiped(struct box *b)
{
	int i;

	for (i = 0; i < 500 && find_int(b, "SELECT (SELECT count(*) FROM gc_tree)+"
					   "(SELECT count(*) FROM gc_inst)");
	     i++)
		usleep(20000);
	assert_int_equal(find_int(b, "SELECT count(*) FROM gc_tree"), 0);
	assert_int_equal(find_int(b, "SELECT count(*) FROM gc_inst"), 0);
}

static void test_delete_large_subtree(void **state)
{
	struct box *b = *state;
	struct store_tx *tx;
	struct store_res r;
	double start, worst = 0;
	int64_t i;

	fill(b);
	tx = store_tx_new(b->s);
	store_tx_delete(tx, 2, STR("big"));
	start = seconds();
	commit_ok(b, tx);
	print_message("delete of %d resources: %.1f ms\n", ROWS, 1e3 * (seconds() - start));
	all_hidden(b);
	assert_true(find_int(b, "SELECT count(*) FROM gc_tree") == 1);
	assert_int_equal(add(b, inst(10 + 19990, "big/c19990", 2, "1")).rc, STORE_GONE);
	assert_int_equal(put(b, res(40000, 10 + 19990, 3, "big/c19990/x")).rc, STORE_GONE);
	tx = store_tx_new(b->s);
	r = res(10 + 19990, 2, 3, "big/c19990");
	store_tx_set(tx, &r);
	assert_int_equal(commit(b, tx).rc, STORE_GONE);
	/* The same addresses and identifiers again, while the old rows still hold them. */
	r = res(50000, 1, 2, "big");
	r.aei = STR("Cbig");
	assert_int_equal(put(b, r).rc, STORE_OK);
	r = res(50001, 50000, 3, "big/c19990");
	r.lbl = STR("[\"l\"]");
	assert_int_equal(put(b, r).rc, STORE_OK);
	for (i = 1; find_int(b, "SELECT count(*) FROM gc_tree") && i < 5000; i++) {
		start = seconds();
		assert_int_equal(add(b, inst(50001, "big/c19990", i, "1")).rc, STORE_OK);
		worst = seconds() - start > worst ? seconds() - start : worst;
	}
	print_message("meanwhile %lld creates, the slowest %.1f ms\n", (long long)i, 1e3 * worst);
	wait_wiped(b);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.res"), 3);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.cs"), 1);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.lbl"), 1);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.cin"), i - 1);
	assert_int_equal(find_int(b, "SELECT cni FROM cs WHERE cid=50001"), i - 1);
}

static void die(void *arg, const struct store_done *d)
{
	(void)arg;
	if (d->rc == STORE_OK)
		kill(getpid(), SIGKILL);
	_exit(1);
}

/* Killed right after the delete was acknowledged: it holds; wiping goes on at the next start. */
static void test_delete_survives_kill(void **state)
{
	struct box *b = *state;
	pid_t pid;
	int status;

	fill(b);
	store_close(b->s);
	b->s = NULL;
	pid = fork();
	if (pid == 0) {
		struct store_tx *tx;

		box_open(b);
		tx = store_tx_new(b->s);
		store_tx_delete(tx, 2, STR("big"));
		store_commit(b->s, tx, die, NULL);
		for (;;)
			box_turn(b);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	box_open(b);
	all_hidden(b);
	wait_wiped(b);
	all_hidden(b);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.res"), 1);
	assert_int_equal(find_int(b, "SELECT count(*) FROM main.cin"), 0);
}

/* ---- kill -9 --------------------------------------------------------------------------------- */

#define OUTSTANDING 40

struct run {
	struct box *b;
	int out; /* pipe: stateTags that were acknowledged */
	int64_t next;
};

static void submit(struct run *r);

static void acknowledged(void *arg, const struct store_done *d)
{
	struct run *r = arg;
	int64_t st;

	if (d->rc != STORE_OK)
		_exit(2);
	st = d->cs[0].st;
	if (write(r->out, &st, sizeof(st)) != sizeof(st))
		_exit(3);
	submit(r);
}

/* One reading in a container that keeps all and one in a container that keeps 20, and a notice. */
static void submit(struct run *r)
{
	struct store_tx *tx = store_tx_new(r->b->s);
	struct store_inst all = inst(2, "all", r->next, "123"), few = inst(3, "few", r->next, "12");

	store_tx_inst(tx, &all);
	store_tx_inst(tx, &few);
	store_tx_ntf(tx, r->next, STORE_NULL, STR("m"), STR("b"));
	r->next++;
	store_commit(r->b->s, tx, acknowledged, r);
}

static void child(struct box *b, int out, int64_t next)
{
	struct run r = { b, out, next };
	int i;

	box_open(b);
	for (i = 0; i < OUTSTANDING; i++)
		submit(&r);
	for (;;)
		box_turn(b);
}

/* Lets a child write for a while, kills it; returns the highest acknowledged stateTag. */
static int64_t run_and_kill(struct box *b, int64_t next, int ms)
{
	int fd[2], status;
	int64_t st, top = 0;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		child(b, fd[1], next);
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], &st, sizeof(st)), sizeof(st));
	top = st;
	double until = seconds() + ms / 1e3;
	while (seconds() < until && read(fd[0], &st, sizeof(st)) == sizeof(st))
		top = st;
	kill(pid, SIGKILL);
	while (read(fd[0], &st, sizeof(st)) == sizeof(st))
		top = st;
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return top;
}

static void test_kill(void **state)
{
	struct box *b = *state;
	struct store_res all = res(2, 1, 3, "all"), few = res(3, 1, 3, "few");
	int64_t top, n, next = 1;
	int cycle;

	few.mni = 20;
	assert_int_equal(put(b, all).rc, STORE_OK);
	assert_int_equal(put(b, few).rc, STORE_OK);
	srand(3);
	for (cycle = 0; cycle < 5; cycle++) {
		store_close(b->s);
		b->s = NULL;
		top = run_and_kill(b, next, 30 + rand() % 200);
		box_open(b);
		n = find_int(b, "SELECT count(*) FROM cin WHERE cid=2");
		assert_true(n >= top); /* none was missing before, so all up to n are there */
		assert_int_equal(find_int(b, "SELECT max(st) FROM cin WHERE cid=2"), n);
		assert_int_equal(find_int(b, "SELECT cni FROM cs WHERE cid=2"), n);
		assert_int_equal(find_int(b, "SELECT cbs FROM cs WHERE cid=2"), 3 * n);
		assert_int_equal(find_int(b, "SELECT st FROM cs WHERE cid=2"), n);
		assert_int_equal(find_int(b, "SELECT count(*) FROM ntf"), n);
		assert_int_equal(store_max_id(b->s, "ntf"), n);
		assert_int_equal(find_int(b, "SELECT count(*) FROM cin WHERE cid=3"),
				 n < 20 ? n : 20);
		assert_int_equal(find_int(b, "SELECT cni FROM cs WHERE cid=3"), n < 20 ? n : 20);
		assert_int_equal(find_int(b, "SELECT min(st) FROM cin WHERE cid=3"),
				 n < 20 ? 1 : n - 19);
		next = n + 1;
	}
	print_message("%lld transactions over five kills\n", (long long)n);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_refuses_what_is_no_store),
		T(test_older_schema),
		T(test_mode_and_lock),
		T(test_damage),
		T(test_disk_full),
		T(test_delete_large_subtree),
		T(test_delete_survives_kill),
		T(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
