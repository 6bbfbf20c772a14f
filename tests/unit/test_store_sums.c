/*
 * Checksums of pages: a turned bit, a page in another's place and a page of zeros are told and never read
 * as content; a file of an earlier release gets sums and keeps what is in it; a backup has them too.
 */
#define _GNU_SOURCE
#include "store_help.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store_sqlite.h"
#include "store_verify.h"

#define ROWS 40
#define LENGTH 2000 /* of a content: two to a page */
#define PAGE STORE_PAGE_BYTES

/* What instance st holds: a text that is found in the file. */
static char *content(int64_t st)
{
	static char con[LENGTH + 1];

	for (int i = 0; i < LENGTH; i++)
		con[i] = (char)('a' + (st + i) % 26);
	memcpy(con, "\"row ", 5);
	snprintf(con + 5, 8, "%06lld", (long long)st);
	con[11] = ' ';
	con[LENGTH - 1] = '"';
	return con;
}

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof(*b));

	box_new(b);
	assert_int_equal(put(b, res(1, 0, 5, "")).rc, STORE_OK);
	assert_int_equal(put(b, res(2, 1, 3, "c")).rc, STORE_OK);
	for (int64_t st = 1; st <= ROWS; st++)
		assert_int_equal(add(b, inst(2, "c", st, content(st))).rc, STORE_OK);
	store_close(b->s);
	b->s = NULL;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;

	if (!b->s) /* the store may be one that does not open */
		unlink(b->path);
	if (!b->s)
		box_open(b);
	box_free(b);
	free(b);
	return 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static void file_io(const struct box *b, bool put_it, off_t at, void *p, size_t n)
{
	int fd = open(b->path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(put_it ? pwrite(fd, p, n, at) : pread(fd, p, n, at), n);
	close(fd);
}

static off_t file_size(const struct box *b)
{
	struct stat st;

	assert_int_equal(stat(b->path, &st), 0);
	return st.st_size;
}

/* Where instance st's content is in the file. */
static off_t where(const struct box *b, int64_t st)
{
	size_t n = (size_t)file_size(b);
	char *all = xmalloc(n), want[16], *at;
	off_t place;

	snprintf(want, sizeof(want), "row %06lld ", (long long)st);
	file_io(b, false, 0, all, n);
	at = memmem(all, n, want, 11);
	assert_non_null(at);
	place = at - all;
	free(all);
	return place;
}

static void turn_bit(const struct box *b, off_t at)
{
	char c;

	file_io(b, false, at, &c, 1);
	c ^= 4;
	file_io(b, true, at, &c, 1);
}

/* An instance's content is told to be damaged: the page's number is. */
static void told(struct box *b, int64_t st, off_t page)
{
	struct answer a = { 0 };
	char want[80];

	store_inst(b->s, 2, STORE_AT, st, STR_NONE, 1, on_rows, &a);
	wait_answer(b, &a);
	snprintf(want, sizeof(want), "the store is damaged: page %lld does not match its checksum",
		 (long long)page);
	assert_string_equal(a.error, want);
	assert_int_equal(a.nrows, 0);
}

static void is_there(struct box *b, int64_t st)
{
	struct answer a = get_inst(b, 2, STORE_AT, st, NULL, 1);

	assert_int_equal(a.nrows, 1);
	assert_non_null(strstr(a.text, "con=\"row "));
}

static bool refused(const struct box *b, const char *why)
{
	struct store_opts o = { .path = b->path, .wake = box_wake, .arg = (void *)b };
	struct err e = { 0 };
	struct store *s = store_open(&o, &e);

	if (s)
		store_close(s);
	if (s || !strstr(e.msg, why))
		print_message("expected \"%s\" in \"%s\"\n", why, e.msg);
	return !s && strstr(e.msg, why);
}

static void sql(const struct box *b, const char *text)
{
	sqlite3 *db;

	assert_int_equal(
	    sqlite3_open_v2(b->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, STORE_VFS),
	    SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL))
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* A store of an earlier release in its place. */
static void make_earlier(struct box *b)
{
	unsigned char reserved = 9;
	struct buf row = BUF_INIT;

	unlink(b->path);
	for (int i = 0; i < 4; i++)
		sql(b, store_schema[i]);
	sql(b, "PRAGMA journal_mode=WAL; PRAGMA application_id=1836019506;"
	       "INSERT INTO meta VALUES('schema','4'); INSERT INTO seq VALUES('res',2);"
	       "INSERT INTO res(id,pid,ty,rn,path,ct,lt,doc) VALUES(1,0,5,'','',1,1,'{}'),"
	       "(2,1,3,'c','c',1,1,'{}')");
	for (int64_t st = 1; st <= ROWS; st++)
		buf_fmt(&row, "INSERT INTO cin(cid,st,ct,size,con) VALUES(2,%lld,1,%d,'%s');",
			(long long)st, LENGTH, content(st));
	buf_fmt(&row, "INSERT INTO cs(cid,st,cni,cbs,ol,lt) VALUES(2,%d,%d,%d,1,1)", ROWS, ROWS,
		ROWS * LENGTH);
	buf_char(&row, '\0');
	sql(b, row.p);
	buf_free(&row);
	file_io(b, false, 20, &reserved, 1);
	assert_int_equal(reserved, 0);
}

/* ---- looking through ------------------------------------------------------------------------- */

static void on_step(void *arg, const char *what)
{
	(void)arg;
	(void)what;
}

static void on_finding(void *arg, const char *what, struct str text)
{
	struct buf *found = arg;

	buf_fmt(found, "%s: %.*s\n", what, STRFMT(text));
}

static void on_checked(void *arg, const char *what, uint64_t found, uint64_t repaired)
{
	(void)arg, (void)what, (void)found, (void)repaired;
}

static void on_tgt(void *arg, int64_t id, struct str key, int64_t acked)
{
	(void)arg, (void)id, (void)key, (void)acked;
}

static void on_members(void *arg, int64_t id, struct str members)
{
	(void)arg, (void)id, (void)members;
}

/* What is found; "" for nothing. */
static void finds(const struct box *b, const char *want)
{
	struct buf found = BUF_INIT;
	struct store_verify v = { .arg = &found,
				  .step = on_step,
				  .finding = on_finding,
				  .checked = on_checked,
				  .tgt = on_tgt,
				  .aud = on_members,
				  .ntf = on_members };
	struct store_verify_sum sum;
	struct err e = { 0 };

	if (!store_verify(b->path, &v, &sum, &e))
		buf_fmt(&found, "%s\n", e.msg);
	buf_char(&found, '\0');
	if (*want ? !strstr(found.p, want) : *found.p)
		fail_msg("expected \"%s\" in \"%s\"", want, found.p);
	buf_free(&found);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_turned_bit(void **state)
{
	struct box *b = *state;
	off_t at = where(b, 20) + 100;
	struct store_tx *tx;

	finds(b, "");
	turn_bit(b, at);
	box_open(b);
	told(b, 20, at / PAGE + 1);
	told(b, 20, at / PAGE + 1);
	is_there(b, 1);
	is_there(b, ROWS);
	/* What does not touch it goes on. */
	assert_int_equal(add(b, inst(2, "c", ROWS + 1, content(ROWS + 1))).rc, STORE_OK);
	tx = store_tx_new(b->s);
	store_tx_inst_delete(tx, 2, 20);
	assert_int_equal(commit(b, tx).rc, STORE_IO);
	is_there(b, ROWS + 1);
	finds(b, "integrity of the file: ");
	store_close(b->s);
	b->s = NULL;
	turn_bit(b, at);
	finds(b, "");
}

static void test_each_bit_of_a_page(void **state)
{
	struct box *b = *state;
	off_t page = where(b, 20) / PAGE * PAGE;

	for (int i = 0; i < PAGE; i += 97) {
		turn_bit(b, page + i);
		box_open(b);
		told(b, 20, page / PAGE + 1);
		store_close(b->s);
		b->s = NULL;
		turn_bit(b, page + i);
	}
	box_open(b);
	is_there(b, 20);
}

static void test_other_pages_and_zeros(void **state)
{
	struct box *b = *state;
	off_t one = where(b, 10) / PAGE * PAGE, other = where(b, 30) / PAGE * PAGE;
	char was[PAGE], page[PAGE];

	assert_true(one != other);
	file_io(b, false, one, was, PAGE);
	file_io(b, false, other, page, PAGE);
	file_io(b, true, one, page, PAGE);
	box_open(b);
	told(b, 10, one / PAGE + 1);
	is_there(b, 30);
	store_close(b->s);
	memset(page, 0, PAGE);
	file_io(b, true, one, page, PAGE);
	box_open(b);
	told(b, 10, one / PAGE + 1);
	store_close(b->s);
	b->s = NULL;
	file_io(b, true, one, was, PAGE);
	finds(b, "");
}

static void test_header(void **state)
{
	struct box *b = *state;
	unsigned char reserved, none = 0, other = 9;

	file_io(b, false, 20, &reserved, 1);
	assert_int_equal(reserved, STORE_SUM_BYTES);
	file_io(b, true, 20, &other, 1);
	assert_true(refused(b, "its header is not that of a moon2m store"));
	file_io(b, true, 20, &none, 1);
	assert_true(refused(b, "its header does not say that its pages have checksums"));
	finds(b, "does not say that its pages have checksums");
	file_io(b, true, 20, &reserved, 1);
	finds(b, "");
}

static void test_earlier_release(void **state)
{
	struct box *b = *state;
	unsigned char reserved = 0;
	off_t at;

	make_earlier(b);
	box_open(b);
	is_there(b, 20);
	assert_int_equal(find_int(b, "SELECT count(*) FROM cin"), ROWS);
	store_close(b->s);
	b->s = NULL;
	file_io(b, false, 20, &reserved, 1);
	assert_int_equal(reserved, STORE_SUM_BYTES);
	finds(b, "");
	at = where(b, 20) + 100;
	turn_bit(b, at);
	box_open(b);
	told(b, 20, at / PAGE + 1);
	is_there(b, 1);
}

/* The note is made when a process ends between giving the sums and noting it. */
static void test_note_is_made_up(void **state)
{
	struct box *b = *state;
	unsigned char none = 0;

	sql(b, "DELETE FROM meta WHERE k='" STORE_SUMS "'");
	box_open(b);
	assert_int_equal(find_int(b, "SELECT CAST(v AS INT) FROM meta WHERE k='" STORE_SUMS "'"),
			 1);
	store_close(b->s);
	b->s = NULL;
	file_io(b, true, 20, &none, 1);
	assert_true(refused(b, "does not say that its pages have checksums"));
}

static void copy_made(struct box *b, enum store_backup_state want, const char *why)
{
	struct store_backup at = { 0 };
	struct err e;

	assert_true(store_backup_begin(b->s, &e));
	for (int i = 0; i < 2000 && (i == 0 || at.state == STORE_BACKUP_RUNS); i++) {
		usleep(10000);
		store_backup_look(b->s, &at);
	}
	assert_int_equal(at.state, want);
	if (!strstr(at.why, why))
		fail_msg("expected \"%s\" in \"%s\"", why, at.why);
	store_backup_end(b->s);
}

static void test_backup(void **state)
{
	struct box *b = *state, copy = *b;
	off_t at;

	snprintf(copy.path, sizeof(copy.path), "%s/moon2m.db%s", b->dir, STORE_BACKUP);
	box_open(b);
	for (int64_t st = ROWS + 1; st <= 2 * ROWS; st++) /* in the log */
		assert_int_equal(add(b, inst(2, "c", st, content(st))).rc, STORE_OK);
	copy_made(b, STORE_BACKUP_DONE, "");
	finds(&copy, "");
	turn_bit(&copy, where(&copy, 2 * ROWS) + 50);
	finds(&copy, "integrity of the file: ");
	unlink(copy.path);
	store_close(b->s);
	at = where(b, 20) + 100;
	turn_bit(b, at);
	box_open(b);
	copy_made(b, STORE_BACKUP_FAILED, "does not match its checksum");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_turned_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_bit_of_a_page, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_pages_and_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_earlier_release, setup, teardown),
		cmocka_unit_test_setup_teardown(test_note_is_made_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backup, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
