/*
 * test_notify_model.c - the notification engine against a model: random events, connections that
 * come, go and are taken over, answers in any order or lost, a store that stalls and fails,
 * restarts and crashes.  Nothing may be missing, order holds per subscription and target, repeats
 * carry the same rqi and are few, what was dropped is told exactly.
 *   MOON2M_SEED=n test_notify_model	runs that seed alone, in every mode
 *   MOON2M_SEEDS=n			runs so many instead of 40
 */
#include "notify_help.h"

#include <fcntl.h>

#include "log.h"
#include "metrics.h"

#define TARGETS 5
#define SUBS 12
#define AUDIENCES 4
#define EVENTS 2000
#define STEPS 900
#define WINDOW 8

enum mode { MODE_PLAIN, MODE_SMALL, MODE_CALM }; /* SMALL: queues overflow; CALM: and no crash */

struct got {
	char rqi[40];
	bool received;
	unsigned acked; /* the run of the engine that took the answer; 0: none did */
};
struct stream { /* a subscription's notices of one target */
	bool used;
	int v[EVENTS];
	struct got got[EVENTS];
	size_t n, next; /* published; first that may be new */
	unsigned long told; /* dropped, as gap notices say */
};
struct waiting { /* received and not answered */
	char rqi[40];
	struct stream *s;
	size_t i;
};
struct peer {
	struct conn *c;
	struct waiting w[400];
	size_t nw;
	char gap[40]; /* rqi of the last gap notice */
	unsigned long long last_id;
	unsigned repeats, unsafe; /* answered before: since the restart; answers not yet on disk */
};
static struct stream stream[SUBS][TARGETS];
static struct peer peer[TARGETS];
static struct audience *aud[AUDIENCES];
static bool member[AUDIENCES][SUBS][TARGETS];
static unsigned run, seed;
static enum mode mode;
static bool late; /* some answer was waited for in vain: its cursor stands */
static bool crashed;
static bool trouble; /* the store failed since the last safe point: no crash on top */
static int next_v;
static uint64_t rnd;
static unsigned long dropped;

static unsigned below(unsigned n)
{
	rnd = rnd * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(rnd >> 33) % n;
}

#define CHECK(c, ...)                                                                              \
	do {                                                                                       \
		if (!(c)) {                                                                        \
			print_message("seed %u mode %d: ", seed, mode);                            \
			print_message(__VA_ARGS__);                                                \
			print_message("\n");                                                       \
			fail_msg("%s", #c);                                                        \
		}                                                                                  \
	} while (0)

static bool newest(int a)
{
	return a == 3;
}

static bool raw(int a)
{
	return a == 2;
}

/* ---- events ---------------------------------------------------------------------------------- */

struct cause {
	struct event *e;
	int a, v;
	bool member[SUBS][TARGETS];
};

static void published(void *arg, const struct store_done *d)
{
	struct cause *k = arg;

	if (d->rc == STORE_OK) {
		for (int s = 0; s < SUBS; s++) {
			for (int t = 0; t < TARGETS; t++) {
				struct stream *x = &stream[s][t];

				if (k->member[s][t])
					x->v[x->n++] = k->v;
			}
		}
		event_publish(k->e);
	} else {
		event_abandon(k->e);
	}
	free(k);
}

static void submit(int a)
{
	struct event_opts o = { .frame = raw(a) ? FRAME_RAW : FRAME_PRIMITIVE,
				.ec = newest(a) ? 4 : 0 };
	struct store_tx *tx = store_tx_new(fake_store);
	struct cause *k = xcalloc(1, sizeof(*k));
	struct buf b = BUF_INIT;

	k->a = a;
	k->v = ++next_v;
	memcpy(k->member, member[a], sizeof(k->member));
	buf_fmt(&b, "{\"v\":%d,\"sur\":\"%.*s\",\"to\":\"%.*s\",\"pad\":\"%*s\"}", k->v,
		STRFMT(notify_slot_text(SLOT_SUR)), STRFMT(notify_slot_text(SLOT_TO)),
		(int)below(80), "");
	k->e = event_new(aud[a], &o, buf_view(&b));
	buf_free(&b);
	event_store(k->e, tx);
	store_commit(fake_store, tx, published, k);
}

static void add_member(int a, int s, int t)
{
	char sur[16], name[16];

	snprintf(sur, sizeof(sur), "s%d", s);
	snprintf(name, sizeof(name), "C%d", t);
	audience_add(aud[a], s + 1, str_of(sur), STR(""), str_of(name));
	member[a][s][t] = true;
	stream[s][t].used = true;
}

/* Subscription s belongs to audience s % AUDIENCES; audience 0 is large. */
static void build(void)
{
	for (int a = 0; a < AUDIENCES; a++) {
		aud[a] = audience_new();
		for (int s = a; s < SUBS; s += AUDIENCES) {
			for (int t = 0; t < TARGETS; t++) {
				if (stream[s][t].used || (run == 1 && (a == 0 || below(3) == 0)))
					add_member(a, s, t);
			}
		}
	}
}

static void change_members(void)
{
	int s = (int)below(SUBS), t = (int)below(TARGETS), a = s % AUDIENCES;

	if (below(2)) {
		add_member(a, s, t);
		return;
	}
	audience_remove(aud[a], s + 1);
	memset(member[a][s], 0, sizeof(member[a][s]));
}

/* ---- the peers' side ------------------------------------------------------------------------- */

static void take_gap(struct peer *p, const struct frame *f)
{
	const char *at = strstr(f->p, "\"sur\":[");
	const char *rqi = field(f, "rqi");
	unsigned long sum = 0, total;
	int s, t = (int)(p - peer), n;

	CHECK(mode != MODE_PLAIN, "a gap where nothing can be dropped: %s", f->p);
	if (strcmp(p->gap, rqi) == 0)
		return;
	snprintf(p->gap, sizeof(p->gap), "%s", rqi);
	CHECK(sscanf(strstr(f->p, "\"dropped\":"), "\"dropped\":%lu", &total) == 1, "gap");
	for (at += 7; sscanf(at, "{\"sur\":\"s%d\",\"dropped\":%d}", &s, &n) == 2; at++) {
		stream[s][t].told += (unsigned)n;
		sum += (unsigned)n;
		at = strchr(at, '}') + 1;
		if (*at != ',')
			break;
	}
	CHECK(sum == total, "gap of %lu names %lu", total, sum);
}

static void repeated(struct peer *p, struct stream *s, size_t i, const char *rqi)
{
	struct got *g = &s->got[i];

	CHECK(strcmp(g->rqi, rqi) == 0, "repeat as %s, was %s", rqi, g->rqi);
	if (!g->acked)
		return;
	CHECK(g->acked < run, "repeat of answered %s", rqi);
	p->repeats++;
	CHECK(late || p->repeats <= 4 * WINDOW + p->unsafe,
	      "%u repeats of answered ones, %u unsafe", p->repeats, p->unsafe);
}

static size_t find(struct stream *s, int v)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i] == v)
			return i;
	}
	return s->n;
}

/* To be answered; ids never go back on one connection. */
static void note(struct peer *p, struct stream *s, size_t i, const char *rqi)
{
	unsigned long long id;

	CHECK(sscanf(rqi, "n%llx.", &id) == 1 && id >= p->last_id, "order: %s after %llx", rqi,
	      p->last_id);
	p->last_id = id;
	if (p->nw == countof(p->w))
		return;
	snprintf(p->w[p->nw].rqi, sizeof(p->w[0].rqi), "%s", rqi);
	p->w[p->nw].s = s;
	p->w[p->nw++].i = i;
}

static void take(struct peer *p, const struct frame *f, bool alive)
{
	const char *rqi = strstr(f->p, "\"rqi\"") ? field(f, "rqi") : "", *sur;
	int v = 0, sub, t = (int)(p - peer);
	struct stream *s;
	size_t i;

	if (strstr(f->p, "moon2m:gap")) {
		take_gap(p, f); /* unread: comes again as the same, or was confirmed by raw ones */
		return;
	}
	sur = field(f, "sur");
	CHECK(sscanf(sur, "s%d", &sub) == 1 && sscanf(strstr(f->p, "\"v\":"), "\"v\":%d", &v) == 1,
	      "frame %s", f->p);
	CHECK(atoi(field(f, "to") + 1) == t, "%d got %s", t, f->p);
	s = &stream[sub][t];
	i = find(s, v);
	CHECK(i < s->n, "never published: %s", f->p);
	if (*rqi && !alive)
		return; /* a primitive that was never read comes again */
	if (*rqi)
		note(p, s, i, rqi);
	if (s->got[i].received && *rqi)
		repeated(p, s, i, rqi);
	if (s->got[i].received)
		return;
	CHECK(i == s->next || mode != MODE_PLAIN || newest(sub % AUDIENCES),
	      "missing before v %d of s%d C%d: %zu of %zu", v, sub, t, s->next, i);
	/* A crash within FLUSH_TIME of a drop brings back what was dropped, behind newer ones. */
	CHECK(i >= s->next || (crashed && mode == MODE_SMALL),
	      "order: v %d of s%d C%d comes after a newer one", v, sub, t);
	if (i >= s->next)
		s->next = i + 1;
	s->got[i].received = true;
	snprintf(s->got[i].rqi, sizeof(s->got[i].rqi), "%s", rqi);
}

static void read_some(struct peer *p, unsigned n)
{
	const struct frame *f;

	while (p->c && n-- && (f = fake_read(p->c)))
		take(p, f, true);
}

static void answer_one(struct peer *p, bool lost)
{
	unsigned k;
	struct waiting w;

	if (!p->c || p->nw == 0)
		return;
	k = below(4) ? 0 : below((unsigned)p->nw);
	w = p->w[k];
	memmove(&p->w[k], &p->w[k + 1], (--p->nw - k) * sizeof(w));
	if (lost)
		return;
	if (notify_answer(p->c->session, str_of(w.rqi), 2000, STR_NONE)) {
		w.s->got[w.i].acked = run;
		p->unsafe++;
	}
}

/* What is in the socket and not read is lost; of raw frames nobody knows. */
static void hang_up(struct peer *p)
{
	const struct frame *f;

	if (!p->c)
		return;
	read_some(p, below(8));
	while ((f = fake_read(p->c)))
		take(p, f, false);
	fake_hangup(p->c);
	p->c = NULL;
	p->nw = 0;
}

static void join(struct peer *p)
{
	struct conn *old = p->c;
	const struct frame *f;
	char name[16];

	snprintf(name, sizeof(name), "C%d", (int)(p - peer));
	if (old) {
		read_some(p, below(8));
		while ((f = fake_read(old)))
			take(p, f, false);
	}
	fake_fill_room = below(3) ? 1000 : 1 + below(4);
	p->c = fake_accept(SESSION_JSON);
	p->nw = 0;
	p->last_id = 0;
	session_bind(p->c->session, str_of(name));
	if (old) {
		CHECK(old->code == 1000, "taken over: %d", old->code);
		fake_hangup(old);
	}
}

/* ---- the run --------------------------------------------------------------------------------- */

static void count_dropped(void)
{
	struct notify_stats s = stats();

	dropped += s.dropped;
}

static void safe_point(void)
{
	for (int i = 0; i < 4; i++) {
		fake_advance(0.2);
		settle();
	}
	for (int t = 0; t < TARGETS; t++)
		peer[t].unsafe = 0;
	trouble = false;
}

static void restart_all(bool crash)
{
	for (int a = 0; a < AUDIENCES; a++)
		audience_unref(aud[a]);
	if (crash)
		fake_store_crash();
	crashed |= crash;
	while (crash && fake_store_step(100)) /* what waits fails */
		continue;
	while (!crash && fake_store_step(100))
		continue;
	count_dropped();
	for (int t = 0; t < TARGETS; t++)
		hang_up(&peer[t]);
	notify_close();
	fake_store_up();
	run++;
	for (int t = 0; t < TARGETS; t++) {
		peer[t].repeats = 0;
		if (!crash)
			peer[t].unsafe = 0;
	}
	start();
	build();
}

static void step(void)
{
	struct peer *p = &peer[below(TARGETS)];
	unsigned what = below(1000);

	if (what < 300)
		submit((int)below(AUDIENCES));
	else if (what < 450)
		fake_store_step(1 + below(5));
	else if (what < 600)
		fake_advance(below(30) / 100.0);
	else if (what < 700)
		read_some(p, 1 + below(10));
	else if (what < 900)
		for (unsigned n = below(6); n; n--)
			answer_one(p, false);
	else if (what < 910)
		answer_one(p, true);
	else if (what < 945)
		p->c ? fake_turn() : join(p);
	else if (what < 955)
		join(p);
	else if (what < 970)
		hang_up(p);
	else if (what < 980 && p->c)
		fake_full(p->c, !p->c->full);
	else if (what < 985) {
		fake_store_fail(1 + below(2));
		trouble = true;
	} else if (what < 988)
		safe_point();
	else if (what < 990)
		change_members();
	else if (what < 991)
		fake_store_fail_reads(1);
	else if (what < 992 && mode == MODE_PLAIN) {
		late = true;
		fake_advance(11);
	} else if (what < 995 && !(mode == MODE_CALM && seed % 2))
		restart_all(mode != MODE_CALM && !trouble && below(2));
}

static bool quiet(void)
{
	for (int t = 0; t < TARGETS; t++) {
		if (peer[t].nw || peer[t].c->read < peer[t].c->nframes)
			return false;
	}
	return stats().queued == 0;
}

/* Everybody comes and answers everything. */
static void finish(void)
{
	fake_store_fail(0);
	for (int t = 0; t < TARGETS; t++) {
		hang_up(&peer[t]);
		join(&peer[t]);
	}
	for (int i = 0; i < 3000 && !(i > 3 && quiet()); i++) {
		settle();
		for (int t = 0; t < TARGETS; t++) {
			if (peer[t].c->full)
				fake_full(peer[t].c, false);
			read_some(&peer[t], 1000);
			while (peer[t].nw)
				answer_one(&peer[t], false);
		}
		fake_advance(0.05);
	}
	safe_point();
	for (int t = 0; t < TARGETS; t++)
		read_some(&peer[t], 1000);
	CHECK(stats().queued == 0, "%zu are left", stats().queued);
	CHECK(fake_ntf_rows == 0, "%zu rows are left", fake_ntf_rows);
}

static void judge_stream(int sub, int t, unsigned long *told)
{
	struct stream *s = &stream[sub][t];
	unsigned long missing = 0;

	for (size_t i = 0; i < s->n; i++)
		missing += !s->got[i].received;
	*told += s->told;
	if (newest(sub % AUDIENCES)) {
		CHECK(s->n == 0 || s->got[s->n - 1].received || s->told,
		      "the newest of s%d C%d is missing", sub, t);
		return;
	}
	CHECK(missing <= s->told, "s%d C%d: %lu of %zu missing, told %lu", sub, t, missing, s->n,
	      s->told);
	CHECK(mode != MODE_PLAIN || missing == 0, "s%d C%d: %lu of %zu missing", sub, t, missing,
	      s->n);
}

static unsigned long replaced(void)
{
	struct buf b = BUF_INIT;
	unsigned long n = 0;
	const char *at;

	metrics_write(&b);
	buf_char(&b, '\0');
	at = strstr(b.p, "reason=\"replaced\"} ");
	if (at)
		n = strtoul(at + strlen("reason=\"replaced\"} "), NULL, 10);
	buf_free(&b);
	return n;
}

static void run_seed(void)
{
	unsigned long told = 0;

	memset(stream, 0, sizeof(stream));
	memset(peer, 0, sizeof(peer));
	memset(member, 0, sizeof(member));
	rnd = seed * 2654435761u + mode;
	next_v = 0;
	dropped = 0;
	late = trouble = crashed = false;
	run = 1;
	fake_advance(0);
	opts = (struct notify_opts){ .window = WINDOW,
				     .answer_time = 10,
				     .max_count = mode == MODE_PLAIN ? 100000 : 15 };
	start();
	build();
	for (int i = 0; i < STEPS; i++)
		step();
	finish();
	for (int s = 0; s < SUBS; s++) {
		for (int t = 0; t < TARGETS; t++)
			judge_stream(s, t, &told);
	}
	count_dropped();
	if (mode == MODE_CALM && run == 1)
		CHECK(told == dropped - replaced(), "told of %lu, dropped %lu", told,
		      dropped - replaced());
	for (int a = 0; a < AUDIENCES; a++)
		audience_unref(aud[a]);
	for (int t = 0; t < TARGETS; t++)
		hang_up(&peer[t]);
	notify_close();
	fake_net_reset();
	fake_store_wipe();
}

static void run_mode(enum mode m)
{
	const char *only = getenv("MOON2M_SEED"), *many = getenv("MOON2M_SEEDS");
	unsigned seeds = many ? (unsigned)strtoul(many, NULL, 10) : 40;

	mode = m;
	print_message("mode %d seeds 1..%u\n", m, seeds);
	if (only) {
		seed = (unsigned)strtoul(only, NULL, 10);
		run_seed();
		return;
	}
	for (seed = 1; seed <= seeds; seed++)
		run_seed();
}

static void test_plain(void **state)
{
	(void)state;
	run_mode(MODE_PLAIN);
}

static void test_small(void **state)
{
	(void)state;
	run_mode(MODE_SMALL);
}

static void test_calm(void **state)
{
	(void)state;
	run_mode(MODE_CALM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_calm),
	};

	log_to(open("/dev/null", O_WRONLY)); /* the failures it speaks of are made on purpose */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
