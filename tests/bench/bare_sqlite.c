/*
 * bare_sqlite.c - what the disk and SQLite allow: the floor that the server's durable creates are
 * compared with.  One thread, one connection, the store's tables and settings; every commit carries
 * N operations, each of which inserts an instance, deletes the container's oldest one and updates
 * its counters; with "notices" it also inserts a kept notification and deletes the one of N
 * operations ago.  No network, no Lua, no queue, no check.
 *
 *   bare_sqlite FILE OUTSTANDING SECONDS [CONTAINERS [KEEP [notices]]]
 *
 * KEEP: instances per container, all there from the start (10).
 * The file is made anew.  Prints one line of JSON: operations per second, and how long an operation
 * waits from the begin of its commit to its end (p50 and p99, milliseconds).
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 1000000

static const char tables[] =
    "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-65536;"
    "CREATE TABLE cs(cid INTEGER PRIMARY KEY, st INT NOT NULL, cni INT NOT NULL DEFAULT 0,"
    " cbs INT NOT NULL DEFAULT 0, ol INT NOT NULL DEFAULT 0, lt INT NOT NULL,"
    " mni INT, mbs INT, mia INT);"
    "CREATE TABLE cin(id INTEGER PRIMARY KEY, cid INT NOT NULL, st INT NOT NULL,"
    " ct INT NOT NULL, et INT, size INT NOT NULL, rn TEXT, cr TEXT, lbl TEXT, att TEXT,"
    " con TEXT NOT NULL);"
    "CREATE UNIQUE INDEX cin_key ON cin(cid,st,size);"
    "CREATE TABLE ntf(id INTEGER PRIMARY KEY, et INT, members BLOB NOT NULL,"
    " body BLOB NOT NULL);";

static const char *const text[] = {
	"INSERT INTO cin(cid,st,ct,size,con) VALUES(?1,?2,?3,?4,?5)",
	"DELETE FROM cin WHERE cid=?1 AND st=?2",
	"UPDATE cs SET st=?2,cni=?3,cbs=?4,ol=?5,lt=?6 WHERE cid=?1",
	"INSERT INTO ntf(id,members,body) VALUES(?1,?2,?3)",
	"DELETE FROM ntf WHERE id=?1",
	"BEGIN IMMEDIATE",
	"COMMIT",
	"INSERT INTO cs(cid,st,lt) VALUES(?1,0,0)",
};
enum { ADD, EVICT, COUNT, KEEP_NOTICE, DROP_NOTICE, BEGIN, COMMIT, CONTAINER, STATEMENTS };

static sqlite3 *db;
static sqlite3_stmt *stmt[STATEMENTS];
static char con[101], body[300];
static int64_t *tag; /* stateTag per container */
static int64_t ops, keep = 10;
static bool notices;

static void die(const char *what)
{
	fprintf(stderr, "bare_sqlite: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(int which)
{
	if (sqlite3_step(stmt[which]) != SQLITE_DONE)
		die(text[which]);
	sqlite3_reset(stmt[which]);
}

static void bind(int which, int n, const int64_t *v)
{
	int i;

	for (i = 0; i < n; i++)
		sqlite3_bind_int64(stmt[which], i + 1, v[i]);
}

static void operation(int64_t cid, int outstanding)
{
	int64_t st = ++tag[cid], n = st < keep ? st : keep;

	bind(ADD, 4, (int64_t[]){ cid, st, st, sizeof(con) - 1 });
	sqlite3_bind_text(stmt[ADD], 5, con, sizeof(con) - 1, SQLITE_STATIC);
	run(ADD);
	if (st > keep) {
		bind(EVICT, 2, (int64_t[]){ cid, st - keep });
		run(EVICT);
	}
	bind(COUNT, 6, (int64_t[]){ cid, st, n, n * (int64_t)(sizeof(con) - 1), st - n + 1, st });
	run(COUNT);
	ops++;
	if (!notices)
		return;
	bind(KEEP_NOTICE, 1, &ops);
	sqlite3_bind_blob(stmt[KEEP_NOTICE], 2, "member", 6, SQLITE_STATIC);
	sqlite3_bind_blob(stmt[KEEP_NOTICE], 3, body, sizeof(body), SQLITE_STATIC);
	run(KEEP_NOTICE);
	bind(DROP_NOTICE, 1, (int64_t[]){ ops - outstanding });
	run(DROP_NOTICE);
}

static void open_file(const char *path, int64_t containers)
{
	char name[4096];
	int64_t i;
	int k;

	unlink(path);
	snprintf(name, sizeof(name), "%s-wal", path);
	unlink(name);
	snprintf(name, sizeof(name), "%s-shm", path);
	unlink(name);
	if (sqlite3_open(path, &db) || sqlite3_exec(db, tables, NULL, NULL, NULL))
		die(path);
	for (k = 0; k < STATEMENTS; k++)
		if (sqlite3_prepare_v3(db, text[k], -1, SQLITE_PREPARE_PERSISTENT, &stmt[k], NULL))
			die(text[k]);
	tag = calloc((size_t)containers + 1, sizeof(*tag));
	run(BEGIN);
	for (i = 1; i <= containers; i++) {
		bind(CONTAINER, 1, &i);
		run(CONTAINER);
	}
	for (i = 0; i < containers * keep; i++) /* full from the start: every operation evicts */
		operation(i % containers + 1, 1);
	run(COMMIT);
	if (sqlite3_exec(db, "DELETE FROM ntf", NULL, NULL, NULL))
		die("DELETE FROM ntf");
	sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	ops = 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Passive, by this connection, as soon as 1,000 pages were written since the last one. */
static int grew(void *arg, sqlite3 *d, const char *schema, int pages)
{
	static int base;
	int n, done;

	(void)arg;
	if (pages < base)
		base = 0;
	if (pages - base < 1000)
		return SQLITE_OK;
	base = pages;
	return sqlite3_wal_checkpoint_v2(d, schema, SQLITE_CHECKPOINT_PASSIVE, &n, &done);
}

int main(int argc, char **argv)
{
	int outstanding = argc > 2 ? atoi(argv[2]) : 0, i;
	double seconds = argc > 3 ? atof(argv[3]) : 0, start, begin;
	int64_t containers = argc > 4 ? atoll(argv[4]) : 1000;
	double *sample = malloc(SAMPLES * sizeof(*sample));
	size_t n = 0;

	keep = argc > 5 ? atoll(argv[5]) : keep;
	notices = argc > 6 && !strcmp(argv[6], "notices");
	if (outstanding < 1 || seconds <= 0 || containers < 1 || keep < 1 || !sample) {
		fprintf(stderr, "usage: bare_sqlite FILE OUTSTANDING SECONDS "
				"[CONTAINERS [KEEP [notices]]]\n");
		return 2;
	}
	memset(con, '7', sizeof(con));
	memset(body, 'b', sizeof(body));
	open_file(argv[1], containers);
	sqlite3_wal_hook(db, grew, NULL);
	start = now();
	while (now() - start < seconds && n < SAMPLES) {
		begin = now();
		run(BEGIN);
		for (i = 0; i < outstanding; i++)
			operation(rand() % containers + 1, outstanding);
		run(COMMIT);
		sample[n++] = now() - begin;
	}
	seconds = now() - start;
	qsort(sample, n, sizeof(*sample), by_value);
	printf("{\"bench\":\"bare_sqlite\",\"outstanding\":%d,\"containers\":%lld,\"seconds\":%.2f,"
	       "\"ops\":%lld,\"ops_per_s\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
	       outstanding, (long long)containers, seconds, (long long)ops, (double)ops / seconds,
	       1e3 * sample[n / 2], 1e3 * sample[n * 99 / 100]);
	return 0;
}
