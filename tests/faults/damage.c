/*
 * What the store does with a damaged file: the database or its log cut at each of its last 4,096 bytes, and
 * some single bits turned.  Each case is a process of its own that opens the copy and reads all of it.
 * Usage: damage [STEP [FLIPS]]: every STEP-th cut only (1), FLIPS (500) bits of each file.
 * It must start or say why, never crash or hang; a cut may cost the newest commits of a log, a turned bit is
 * told or where nothing reads, and neither ever gives wrong content.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "store.h"

#define CON 9 /* its column of store_inst */
#define CONTAINERS 20
#define ROWS 60 /* of a container, in the database; as many again in the log */
#define CUTS 4096
#define SECONDS 20 /* a case may take */

enum outcome { WHOLE, SHORT, TOLD, REFUSED, WRONG, CRASHED, OUTCOMES };
static const char *const names[OUTCOMES] = { "whole",   "newest missing", "read error told",
					     "refused", "wrong content",  "crashed" };

static char dir[64];
static unsigned seed = 1, wanted_flips = 500; /* of each file */

static unsigned next_random(void)
{
	seed = seed * 1103515245u + 12345u;
	return seed >> 8;
}

/* What instance st of a container holds. */
static struct str content(int64_t cid, int64_t st, char out[200])
{
	int n = snprintf(out, 200, "%lld/%lld ", (long long)cid, (long long)st);

	for (int i = 0; i < 100; i++)
		out[n++] = (char)('a' + (cid * 31 + st * 17 + i * 7) % 26);
	return (struct str){ out, (size_t)n };
}

/* ---- the file -------------------------------------------------------------------------------- */

struct file {
	char *p;
	size_t n;
};

static void die(const char *what)
{
	fprintf(stderr, "damage: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static struct file load(const char *name)
{
	int fd = open(in_dir(name), O_RDONLY);
	struct file f;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die(name);
	f.n = (size_t)st.st_size;
	f.p = xmalloc(f.n + 1);
	if (read(fd, f.p, f.n) != (ssize_t)f.n)
		die(name);
	close(fd);
	return f;
}

static void save(const char *name, struct file f)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, f.p, f.n) != (ssize_t)f.n)
		die(name);
	close(fd);
}

static struct store *open_store(struct err *e)
{
	struct store_opts o = { .path = in_dir("moon2m.db"), .stepped = true };

	return store_open(&o, e);
}

static void must(void *arg, const struct store_done *d)
{
	(void)arg;
	if (d->rc != STORE_OK)
		die(d->msg);
}

static void put(struct store *s, int64_t id, int64_t pid, int ty, const char *path)
{
	struct store_tx *tx = store_tx_new(s);
	struct store_res r = { .id = id,
			       .pid = pid,
			       .ty = ty,
			       .path = str_of(path),
			       .rn = str_of(path),
			       .ct = 1,
			       .lt = 1,
			       .et = STORE_NULL,
			       .doc = STR("{}"),
			       .container = ty == 3,
			       .mni = STORE_NULL,
			       .mbs = STORE_NULL,
			       .mia = STORE_NULL };

	store_tx_put(tx, &r);
	store_commit(s, tx, must, NULL);
}

static void fill(struct store *s, int64_t from)
{
	for (int64_t st = from; st < from + ROWS; st++) {
		struct store_tx *tx = store_tx_new(s);

		for (int64_t cid = 2; cid < 2 + CONTAINERS; cid++) {
			char con[200], path[24];
			struct store_inst i = { .cid = cid,
						.st = st,
						.ct = st,
						.et = STORE_NULL,
						.con = content(cid, st, con) };

			snprintf(path, sizeof(path), "c%lld", (long long)cid);
			i.path = str_of(path);
			i.size = (int64_t)i.con.n;
			store_tx_inst(tx, &i);
		}
		store_commit(s, tx, must, NULL);
		store_step(s);
	}
}

/* A database with ROWS of each container, then a log with as many, as a killed server leaves them. */
static void make(struct file *db, struct file *db2, struct file *log)
{
	struct err e;
	struct store *s = open_store(&e);
	pid_t pid;
	int status;

	if (!s)
		die(e.msg);
	put(s, 1, 0, 5, "");
	for (int64_t cid = 2; cid < 2 + CONTAINERS; cid++) {
		char path[24];

		snprintf(path, sizeof(path), "c%lld", (long long)cid);
		put(s, cid, 1, 3, path);
	}
	store_step(s);
	fill(s, 1);
	store_close(s);
	*db = load("moon2m.db");
	pid = fork();
	if (pid == 0) {
		s = open_store(&e);
		if (!s)
			die(e.msg);
		fill(s, 1 + ROWS);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("the child");
	*db2 = load("moon2m.db");
	*log = load("moon2m.db-wal");
}

/* ---- a case ---------------------------------------------------------------------------------- */

struct reading {
	size_t rows[CONTAINERS];
	bool wrong, told;
};

static void on_rows(void *arg, const struct store_rows *r)
{
	struct reading *g = arg;
	char con[200];

	if (r->error)
		g->told = true;
	for (size_t i = 0; i < r->nrows; i++) {
		const struct store_cell *c = &r->cell[i * r->ncols];

		if (c[0].t != STORE_T_INT || c[0].i < 2 || c[0].i >= 2 + CONTAINERS ||
		    c[1].i != (int64_t)++g->rows[c[0].i - 2] || c[CON].t != STORE_T_TEXT ||
		    !str_eq(c[CON].s, content(c[0].i, c[1].i, con)))
			g->wrong = true;
	}
}

/* A log that was cut has lost its newest commits: all containers the same ones. */
static enum outcome judge(const struct reading *g, size_t least, size_t most)
{
	if (g->told)
		return TOLD;
	for (size_t i = 1; i < CONTAINERS; i++)
		if (g->rows[i] != g->rows[0])
			return WRONG;
	if (g->wrong || g->rows[0] < least || g->rows[0] > most)
		return WRONG;
	return g->rows[0] == most ? WHOLE : SHORT;
}

static int read_all(size_t least, size_t most)
{
	struct reading g = { .wrong = false };
	struct err e = { 0 };
	struct store *s = open_store(&e);

	if (!s)
		return *e.msg ? REFUSED : CRASHED;
	for (int64_t cid = 2; cid < 2 + CONTAINERS; cid++) {
		store_inst(s, cid, STORE_RANGE, 0, STR_NONE, 10 * ROWS, on_rows, &g);
		while (store_step(s))
			;
	}
	return judge(&g, least, most);
}

static enum outcome try(size_t least, size_t most)
{
	pid_t pid;
	int status;

	unlink(in_dir("moon2m.db-shm"));
	pid = fork();
	if (pid == 0) {
		alarm(SECONDS);
		log_to(-1);
		_exit(read_all(least, most));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("a case");
	return WIFEXITED(status) && WEXITSTATUS(status) < CRASHED ? WEXITSTATUS(status) : CRASHED;
}

static void tell(const char *what, const unsigned count[OUTCOMES])
{
	printf("%-40s", what);
	for (int i = 0; i < OUTCOMES; i++)
		if (count[i])
			printf(" %u %s,", count[i], names[i]);
	printf("\b \n");
	fflush(stdout);
}

/* ---- the rows -------------------------------------------------------------------------------- */

/* other: the undamaged one of the two. */
struct side {
	const char *name;
	struct file f;
	const char *other_name;
	struct file other;
	size_t least, most; /* rows of a container */
};

static enum outcome run_case(const struct side *s, struct file damaged)
{
	save(s->name, damaged);
	if (s->other.p)
		save(s->other_name, s->other);
	else
		unlink(in_dir(s->other_name));
	return try(s->least, s->most);
}

static bool cuts(const struct side *s, unsigned step)
{
	unsigned count[OUTCOMES] = { 0 };
	char what[80];

	for (size_t i = 1; i <= CUTS && i < s->f.n; i += step)
		count[run_case(s, (struct file){ s->f.p, s->f.n - i })]++;
	snprintf(what, sizeof(what), "%s, cut short", s->name);
	tell(what, count);
	return !count[WRONG] && !count[CRASHED];
}

static bool flips(const struct side *s)
{
	unsigned count[OUTCOMES] = { 0 };
	char what[80];

	for (unsigned i = 0; i < wanted_flips; i++) {
		size_t at = next_random() % s->f.n;
		int bit = 1 << next_random() % 8;

		s->f.p[at] = (char)(s->f.p[at] ^ bit);
		count[run_case(s, s->f)]++;
		s->f.p[at] = (char)(s->f.p[at] ^ bit);
	}
	snprintf(what, sizeof(what), "%s, a bit turned", s->name);
	tell(what, count);
	return !count[WRONG] && !count[CRASHED];
}

int main(int argc, char **argv)
{
	unsigned step = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
	static const char *const left[] = { "moon2m.db", "moon2m.db-wal", "moon2m.db-shm",
					    "moon2m.db-lock" };
	struct file db, db2, log;
	struct side file, journal;
	bool ok;

	if (argc > 2)
		wanted_flips = (unsigned)strtoul(argv[2], NULL, 10);
	snprintf(dir, sizeof(dir), "%s", "/dev/shm/moon2m-damage-XXXXXX");
	if (!mkdtemp(dir) || !step)
		die(dir);
	make(&db, &db2, &log);
	file = (struct side){ "moon2m.db", db, "moon2m.db-wal", { NULL, 0 }, ROWS, ROWS };
	journal = (struct side){ "moon2m.db-wal", log, "moon2m.db", db2, ROWS, 2 * ROWS };
	ok = cuts(&file, step);
	ok = cuts(&journal, step) && ok;
	ok = flips(&journal) && ok;
	ok = flips(&file) && ok;
	for (size_t i = 0; i < countof(left); i++)
		unlink(in_dir(left[i]));
	rmdir(dir);
	free(db.p);
	free(db2.p);
	free(log.p);
	return ok ? 0 : 1;
}
