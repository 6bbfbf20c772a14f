/*
 * test_notify_model.c - the notification engine against a model: random events, connections that
 * come, go and are taken over, answers in any order or lost, a store that stalls and fails,
 * restarts and crashes, a policy that holds events back in lanes, a format that fails.  Nothing may be missing, order holds per subscription and target, repeats
 * carry the same rqi and are few, what was dropped is told exactly.
 *   MOON2M_SEED=n test_notify_model	runs that seed alone, in every mode
 *   MOON2M_SEEDS=n			runs so many instead of 40
 */
#include "notify_help.h"

#include <fcntl.h>

#include "log.h"
#include "metrics.h"

#define TARGETS 5
#define SUBS 15
#define AUDIENCES 5
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
#define BATCH 4 /* events that one notice tells of, once they were held back */
struct waiting { /* received and not answered */
	char rqi[40];
	struct stream *s;
	size_t i[BATCH], n;
};
struct peer {
	struct conn *c;
	struct waiting w[400];
	size_t nw;
	char gap[40]; /* rqi of the last gap notice */
	unsigned long long last_id;
	bool again; /* some of this connection were sent again: ids go back */
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

static bool parks(int a) /* its format fails now and then: some events come later */
{
	return a == 1;
}

static bool raw(int a)
{
	return a == 2;
}

static bool held(int a)
{
	return a == 4;
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool mended; /* the format never fails any more */

static void on_reformat(void *arg, int64_t id, struct str format, struct str body)
{
	struct event_opts o = { .format_failed = mended || below(2) ? NULL : "f" };

	(void)arg;
	CHECK(str_is(format, "f"), "format %.*s", STRFMT(format));
	CHECK(notify_reformat(id, &o, body), "parked %lld", (long long)id);
}

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
	if (parks(a) && below(6) == 0)
		o.format_failed = "f";
	buf_fmt(&b, "{\"v\":%d,\"sur\":\"%.*s\",\"to\":\"%.*s\",\"pad\":\"%*s\"}", k->v,
		STRFMT(notify_slot_text(SLOT_SUR)), STRFMT(notify_slot_text(SLOT_TO)),
		(int)below(80), "");
	k->e = event_new(aud[a], &o, buf_view(&b));
	buf_free(&b);
	event_store(k->e, tx);
	store_commit(fake_store, tx, published, k);
}

#include "model_lane.h"

static void add_member(int a, int s, int t)
{
	char sur[16], name[32];

	snprintf(sur, sizeof(sur), "s%d", s);
	if (held(a))
		lane_name(name, s, t);
	else
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

#include "model_peer.h"

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
}

/* What was not answered in time comes again, on the same connection. */
static void replay(void)
{
	(void)notify_replay(&(struct notify_filter){ .sub = 0 });
	for (int t = 0; t < TARGETS; t++)
		peer[t].again = true;
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
	lanes_reset();
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

	if (what < 250)
		submit((int)below(AUDIENCES));
	else if (what < 300)
		lanes_some(1 + below(5));
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
	else if (what < 985)
		fake_store_fail(1 + below(2));
	else if (what < 986)
		replay();
	else if (what < 988)
		safe_point();
	else if (what < 990)
		change_members();
	else if (what < 991)
		fake_store_fail_reads(1);
	else if (what < 992 && mode == MODE_PLAIN) {
		late = true;
		fake_advance(11);
	} else if (what < 995 && !(mode == MODE_CALM && seed % 2))
		restart_all(mode != MODE_CALM && below(2));
}

static bool quiet(void)
{
	for (int t = 0; t < TARGETS; t++) {
		if (peer[t].nw || peer[t].c->read < peer[t].c->nframes)
			return false;
	}
	return stats().queued == 0 && stats().parked == 0;
}

/* Everybody comes and answers everything. */
static void finish(void)
{
	fake_store_fail(0);
	mended = true;
	for (int t = 0; t < TARGETS; t++) {
		hang_up(&peer[t]);
		join(&peer[t]);
	}
	for (int i = 0; i < 3000 && !(i > 3 && quiet()); i++) {
		settle();
		if (stats().parked)
			replay();
		lanes_some(100);
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
	CHECK(stats().parked == 0, "%zu are parked", stats().parked);
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
	CHECK(missing <= s->told * (held(sub % AUDIENCES) ? BATCH : 1),
	      "s%d C%d: %lu of %zu missing, told %lu", sub, t, missing, s->n, s->told);
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
	late = crashed = mended = false;
	lanes_reset();
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

	notify_on_lane(on_lane, NULL);
	notify_on_reformat(on_reformat, NULL);
	log_to(open("/dev/null", O_WRONLY)); /* the failures it speaks of are made on purpose */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
