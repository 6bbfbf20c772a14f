/*
 * store_help.h - for the tests of the store: a store in a fresh directory, a loop that waits for
 * answers, rows of answers as text.  Every wait is bounded; a missing answer fails the test.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store.h"

struct box {
	char dir[64], path[96];
	int wake; /* eventfd */
	struct store *s;
};

static inline void box_wake(void *arg)
{
	struct box *b = arg;
	uint64_t one = 1;

	if (write(b->wake, &one, sizeof(one)) != sizeof(one))
		abort();
}

static inline void box_open(struct box *b)
{
	struct store_opts o = { .path = b->path, .wake = box_wake, .arg = b };
	struct err e = { 0 };

	b->s = store_open(&o, &e);
	if (!b->s)
		fail_msg("%s", e.msg);
}

static inline void box_new(struct box *b)
{
	snprintf(b->dir, sizeof(b->dir), "%s", "/tmp/moon2m-store-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/moon2m.db", b->dir);
	b->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(b->wake >= 0);
	box_open(b);
}

static inline void box_reopen(struct box *b)
{
	store_close(b->s);
	box_open(b);
}

static inline void box_free(struct box *b)
{
	static const char *const tail[] = { "", "-wal", "-shm", "-lock" };
	char name[128];
	size_t i;

	store_close(b->s);
	close(b->wake);
	for (i = 0; i < countof(tail); i++) {
		snprintf(name, sizeof(name), "%s%s", b->path, tail[i]);
		unlink(name);
	}
	assert_int_equal(rmdir(b->dir), 0);
}

/* One turn of the loop: waits for a wake-up, runs the callbacks. */
static inline void box_turn(struct box *b)
{
	struct pollfd p = { .fd = b->wake, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, 20000) != 1)
		fail_msg("no answer from the store for 20 s");
	if (read(b->wake, &n, sizeof(n)) != sizeof(n))
		abort();
	store_poll(b->s);
}

/* ---- transactions ---------------------------------------------------------------------------- */

struct outcome {
	bool done;
	enum store_rc rc;
	char msg[200];
	struct store_cs cs[8];
	size_t ncs;
	unsigned order; /* count of outcomes before it */
};
static unsigned outcomes;

static inline void on_commit(void *arg, const struct store_done *d)
{
	struct outcome *o = arg;
	size_t i;

	o->done = true;
	o->rc = d->rc;
	o->order = outcomes++;
	snprintf(o->msg, sizeof(o->msg), "%s", d->msg ? d->msg : "");
	o->ncs = d->ncs;
	for (i = 0; i < d->ncs && i < countof(o->cs); i++)
		o->cs[i] = d->cs[i];
}

static inline void wait_outcome(struct box *b, struct outcome *o)
{
	while (!o->done)
		box_turn(b);
}

static inline struct outcome commit(struct box *b, struct store_tx *tx)
{
	struct outcome o = { 0 };

	store_commit(b->s, tx, on_commit, &o);
	wait_outcome(b, &o);
	return o;
}

static inline void commit_ok(struct box *b, struct store_tx *tx)
{
	struct outcome o = commit(b, tx);

	if (o.rc != STORE_OK)
		fail_msg("commit failed: %d %s", o.rc, o.msg);
}

static inline struct store_res res(int64_t id, int64_t pid, int ty, const char *path)
{
	const char *slash = strrchr(path, '/');

	return (struct store_res){
		.id = id,
		.pid = pid,
		.ty = ty,
		.path = str_of(path),
		.rn = str_of(slash ? slash + 1 : path),
		.ct = 1000 + id,
		.lt = 1000 + id,
		.et = STORE_NULL,
		.doc = STR("{}"),
		.container = ty == 3,
		.mni = STORE_NULL,
		.mbs = STORE_NULL,
		.mia = STORE_NULL,
	};
}

static inline struct store_inst inst(int64_t cid, const char *path, int64_t st, const char *con)
{
	return (struct store_inst){
		.cid = cid,
		.st = st,
		.ct = 5000 + st,
		.et = STORE_NULL,
		.path = str_of(path),
		.con = str_of(con),
		.size = (int64_t)strlen(con),
	};
}

static inline struct outcome put(struct box *b, struct store_res r)
{
	struct store_tx *tx = store_tx_new(b->s);

	store_tx_put(tx, &r);
	return commit(b, tx);
}

static inline struct outcome add(struct box *b, struct store_inst i)
{
	struct store_tx *tx = store_tx_new(b->s);

	store_tx_inst(tx, &i);
	return commit(b, tx);
}

/* ---- reads ----------------------------------------------------------------------------------- */

struct answer {
	bool done, more;
	char error[300];
	size_t nrows, ncols;
	char text[4096]; /* "name=value name=value\n" per row; NULLs left out; cut when long */
	int64_t first; /* the first cell when it is an integer, else -1 */
};

static inline void on_rows(void *arg, const struct store_rows *r)
{
	struct answer *a = arg;
	size_t i, n = 0;

	a->done = true;
	a->more = r->more;
	a->nrows = r->nrows;
	a->ncols = r->ncols;
	a->first = r->nrows && r->cell[0].t == STORE_T_INT ? r->cell[0].i : -1;
	snprintf(a->error, sizeof(a->error), "%s", r->error ? r->error : "");
	for (i = 0; i < r->nrows * r->ncols && n < sizeof(a->text) - 600; i++) {
		const struct store_cell *c = &r->cell[i];
		const char *name = r->name[i % r->ncols];

		if (c->t == STORE_T_INT)
			n += (size_t)snprintf(a->text + n, 500, "%s=%lld ", name, (long long)c->i);
		else if (c->t == STORE_T_REAL)
			n += (size_t)snprintf(a->text + n, 500, "%s=%g ", name, c->d);
		else if (c->t == STORE_T_TEXT)
			n += (size_t)snprintf(a->text + n, 500, "%s=%.*s ", name,
					      c->s.n > 400 ? 400 : (int)c->s.n, c->s.p);
		if (i % r->ncols == r->ncols - 1)
			a->text[n - 1] = '\n';
	}
	a->text[n] = '\0';
}

static inline void wait_answer(struct box *b, struct answer *a)
{
	while (!a->done)
		box_turn(b);
}

static inline struct answer get(struct box *b, enum store_key by, int64_t id, const char *text)
{
	struct answer a = { 0 };

	store_get(b->s, by, id, str_of(text), on_rows, &a);
	wait_answer(b, &a);
	assert_string_equal(a.error, "");
	return a;
}

static inline struct answer get_inst(struct box *b, int64_t cid, enum store_sel sel, int64_t st,
				     const char *rn, unsigned n)
{
	struct answer a = { 0 };

	store_inst(b->s, cid, sel, st, str_of(rn), n, on_rows, &a);
	wait_answer(b, &a);
	assert_string_equal(a.error, "");
	return a;
}

static inline struct answer find_limit(struct box *b, const char *sql, unsigned limit)
{
	struct answer a = { 0 };

	store_find(b->s, str_of(sql), NULL, 0, limit, on_rows, &a);
	wait_answer(b, &a);
	return a;
}

static inline int64_t find_int(struct box *b, const char *sql)
{
	struct answer a = find_limit(b, sql, 1);

	assert_string_equal(a.error, "");
	assert_int_equal(a.nrows, 1);
	return a.first;
}
