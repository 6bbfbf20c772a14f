/*
 * notify.c - the notification engine's start and stop, the end of each turn of the loop, the slow
 * tick, and what others ask of it.  The parts are listed in notify_int.h.
 * Guarantees: work at the end of a turn is bounded; the tick runs only while something has a
 * deadline.
 */
#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clock.h"
#include "log.h"
#include "notify_int.h"

#define ASKED_PER_TURN 32 /* routes of unknown targets */
#define AGED_PER_TICK 256

struct engine ng;

uint64_t random_u64(void)
{
	static uint64_t s;
	uint64_t z;

	if (!s && getrandom(&s, sizeof(s), GRND_NONBLOCK) != sizeof(s))
		s = (uint64_t)clock_wall();
	s += 0x9e3779b97f4a7c15u; /* splitmix64 */
	z = s;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- the end of a turn ----------------------------------------------------------------------- */

/* Runs fn for what is in the list now; what is added meanwhile waits for the next turn. */
static void each(enum target_list_id l, bool take, void (*fn)(struct target *t))
{
	struct target *last = TAILQ_LAST(&ng.list[l], target_list), *t, *next;
	bool end;

	for (t = TAILQ_FIRST(&ng.list[l]); t; t = next) {
		end = t == last;
		next = TAILQ_NEXT(t, on[l]);
		if (next)
			next->refs++;
		t->refs++;
		if (take)
			target_unlist(t, l);
		fn(t);
		target_unref(t);
		if (next) {
			next->refs--;
			if (!(next->lists & 1u << l)) { /* it left the list meanwhile */
				target_rest(next);
				break;
			}
		}
		if (end)
			break;
	}
}

static unsigned asked;

static void progress(struct target *t)
{
	if (t->link) {
		send_want(t);
		return;
	}
	if (t->poll) {
		poll_kick(t);
		return;
	}
	if (t->routes_known || t->gone) {
		url_pump(t);
		return;
	}
	if (t->routes_asked || !ng.on_unknown || !(t->count || t->routes_wanted))
		return;
	if (asked++ >= ASKED_PER_TURN) {
		target_list(t, L_KICK);
		return;
	}
	t->routes_asked = true;
	t->routes_wanted = false;
	ng.on_unknown(ng.unknown_arg, t->key);
}

static void tell_delivered(void)
{
	struct notify_count list[NOTIFY_COUNTS];
	struct sub *s;
	size_t n;

	do {
		for (n = 0; n < NOTIFY_COUNTS && (s = TAILQ_FIRST(&ng.told)); n++) {
			TAILQ_REMOVE(&ng.told, s, on_told);
			list[n] = (struct notify_count){ s->id, s->delivered };
			s->telling = false;
			s->delivered = 0;
		}
		if (n && ng.on_delivered)
			ng.on_delivered(ng.delivered_arg, list, n);
	} while (n == NOTIFY_COUNTS);
}

static bool busy(void)
{
	static const enum target_list_id lists[] = { L_BUSY, L_RAW,  L_KICK, L_STARVED,
						     L_URL,  L_KEPT, L_LANE, L_POLL };

	for (size_t i = 0; i < countof(lists); i++) {
		if (!TAILQ_EMPTY(&ng.list[lists[i]]))
			return true;
	}
	return ask_any();
}

static void turn(void *arg)
{
	(void)arg;
	if (!ng.open)
		return;
	asked = 0;
	each(L_RAW, false, send_drained);
	each(L_SWEEP, true, target_sweep);
	each(L_KICK, true, progress);
	lane_turn();
	tell_delivered();
	if (ask_any())
		ask_turn();
	if (!ng.ticking && busy())
		tick_need();
}

/* Also for what was asked for while connections were written to. */
static void rest(void *arg)
{
	(void)arg;
	if (ng.open)
		send_turn();
}

/* ---- the tick -------------------------------------------------------------------------------- */

static void url_tick_now(struct target *t)
{
	url_tick(t, clock_mono());
}

int64_t age_clock(void)
{
	return ng.wall + clock_mono();
}

static void age(void)
{
	for (unsigned i = 0; i < AGED_PER_TICK; i++) {
		struct target *t = TAILQ_FIRST(&ng.list[L_KEPT]);

		if (!t)
			return;
		target_unlist(t, L_KEPT);
		target_list(t, L_KEPT);
		t->refs++;
		target_expire(t);
		target_unref(t);
	}
}

static void tick(void *arg)
{
	(void)arg;
	ng.ticking = ng.soon = false;
	if (!ng.open)
		return;
	send_late(clock_mono());
	each(L_URL, false, url_tick_now);
	each(L_POLL, false, poll_late);
	keep_fed();
	if (ng.o.max_age > 0) {
		age();
		parked_age();
	}
	ask_tick(clock_mono());
	if (busy())
		tick_need();
}

void tick_need(void)
{
	if (ng.ticking || !ng.open)
		return;
	ng.ticking = true;
	net_timer_start(ng.tick, ng.tick_time);
}

/* Handed over is known when the socket has drained: look at once, not at the next event. */
void tick_soon(void)
{
	if (ng.soon)
		return;
	ng.ticking = ng.soon = true;
	net_timer_start(ng.tick, 0.001);
}

static void hold(void *arg) /* the turn does the rest */
{
	(void)arg;
}

static void flush(void *arg)
{
	(void)arg;
	keep_flush();
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void set_heads(const struct notify_opts *o)
{
	struct buf b[3] = { BUF_INIT, BUF_INIT, BUF_INIT };

	ng.cse_id = (struct str){ xstrndup(o->cse_id.p, o->cse_id.n), o->cse_id.n };
	buf_str(&b[0], STR("{\"op\":5,\"to\":\""));
	buf_str(&b[1], STR("\",\"fr\":"));
	buf_json(&b[1], o->cse_id);
	buf_str(&b[1], STR(",\"rqi\":\""));
	buf_str(&b[2], STR("\",\"rvi\":"));
	buf_json(&b[2], str_of(ng.o.rvi));
	buf_char(&b[2], ',');
	for (int i = 0; i < 3; i++)
		ng.head[i].p = buf_steal(&b[i], &ng.head[i].n);
}

static void set_opts(const struct notify_opts *o)
{
	ng.o = *o;
	ng.o.rvi = xstrdup(o->rvi ? o->rvi : "3");
	ng.o.window = o->window ? o->window : 256;
	ng.o.max_count = o->max_count ? o->max_count : 10000;
	ng.o.max_bytes = o->max_bytes ? o->max_bytes : 16u << 20;
	ng.o.answer_time = o->answer_time > 0 ? o->answer_time : 10;
	ng.o.retry_min = o->retry_min > 0 ? o->retry_min : 1;
	ng.o.retry_max = o->retry_max > ng.o.retry_min ? o->retry_max : ng.o.retry_min * 60;
	ng.tick_time = 0.25;
	if (ng.tick_time > ng.o.answer_time / 4)
		ng.tick_time = ng.o.answer_time / 4;
	if (ng.tick_time > ng.o.retry_min / 4)
		ng.tick_time = ng.o.retry_min / 4;
	if (ng.tick_time < 0.01)
		ng.tick_time = 0.01;
}

/* Nothing but the hooks stays. */
static void fresh(unsigned generation)
{
	ng = (struct engine){ .generation = generation,
			      .on_delivered = ng.on_delivered,
			      .delivered_arg = ng.delivered_arg,
			      .on_unknown = ng.on_unknown,
			      .unknown_arg = ng.unknown_arg,
			      .on_polled = ng.on_polled,
			      .polled_arg = ng.polled_arg,
			      .on_refused = ng.on_refused,
			      .refused_arg = ng.refused_arg,
			      .on_leaving = ng.on_leaving,
			      .leaving_arg = ng.leaving_arg,
			      .on_lane = ng.on_lane,
			      .lane_arg = ng.lane_arg,
			      .on_reformat = ng.on_reformat,
			      .reformat_arg = ng.reformat_arg };
	for (int l = 0; l < LISTS; l++)
		TAILQ_INIT(&ng.list[l]);
	TAILQ_INIT(&ng.live);
	TAILQ_INIT(&ng.wanting);
	TAILQ_INIT(&ng.told);
	TAILQ_INIT(&ng.resting);
	TAILQ_INIT(&ng.dials);
}

bool notify_open(const struct notify_opts *o, struct err *e)
{
	static struct net *turns_of;
	unsigned generation = ng.generation + 1;

	if (ng.open || ng.targets.n)
		return err_set(e, "the notification engine is still in use");
	fresh(generation);
	ng.seed = random_u64();
	ng.boot = random_u64() >> 32;
	ng.wall = clock_wall() - clock_mono();
	set_opts(o);
	set_heads(o);
	ng.flush = net_timer_new(o->net, flush, NULL);
	ng.tick = net_timer_new(o->net, tick, NULL);
	ng.hold = net_timer_new(o->net, hold, NULL);
	ng.open = true;
	keep_open();
	keep_restore();
	books_open();
	session_observe(send_observe, NULL);
	if (turns_of != o->net) {
		net_on_turn(o->net, turn, NULL);
		net_on_rest(o->net, rest, NULL);
	}
	turns_of = o->net;
	if (ng.total)
		log_info("notify", "kept notifications waiting=%zu targets=%zu", ng.total,
			 ng.targets.n);
	return true;
}

/* Without the books: what is in the store stays there. */
static void free_ring(struct target *t, struct ring *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct notice n = *ring_at(r, i);

		if (!n.e)
			continue;
		event_unref(n.e);
		member_unref(n.m);
	}
	ring_free(r);
	(void)t;
}

static void free_target(struct target *t)
{
	struct notice n = t->post.n;
	struct member *m;

	t->refs++;
	target_cool(t);
	if (t->post.state && n.e) {
		event_cool(n.e);
		event_unref(n.e);
		member_unref(n.m);
	}
	t->post.n.e = NULL;
	free_ring(t, &t->late);
	free_ring(t, &t->fly);
	free_ring(t, &t->q);
	t->hot = t->hot_bytes = t->holes = t->count = t->bytes = 0;
	t->gap = t->gap_told = 0;
	t->gap_dirty = false;
	while ((m = TAILQ_FIRST(&t->gap_list))) {
		TAILQ_REMOVE(&t->gap_list, m, on_gap);
		m->in_gap = false;
		member_unref(m);
	}
	if (t->link)
		send_detach(t);
	if (t->poll)
		t->refs--;
	t->poll = false;
	target_unref(t);
}

static void free_targets(void)
{
	struct target **all = xcalloc(ng.targets.n + 1, sizeof(struct target *));
	size_t n = 0;

	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			all[n] = container_of(x, struct target, by_key);
			all[n++]->refs++;
		}
	}
	for (size_t i = 0; i < n; i++)
		free_target(all[i]);
	for (size_t i = 0; i < n; i++)
		target_unref(all[i]);
	free(all);
}

void notify_close(void)
{
	struct map *const maps[] = { &ng.targets, &ng.ids, &ng.subs };
	struct event *e;

	if (!ng.open)
		return;
	session_observe(NULL, NULL);
	ask_close();
	keep_flush_all();
	ng.open = false;
	net_timer_free(ng.flush);
	net_timer_free(ng.tick);
	net_timer_free(ng.hold);
	dial_close_all();
	keep_free();
	members_free();
	free_targets();
	while ((e = TAILQ_FIRST(&ng.live))) { /* not published: their owner abandons them */
		TAILQ_REMOVE(&ng.live, e, on_live);
		e->id = 0;
	}
	ng.pending = NULL;
	for (size_t i = 0; i < countof(maps); i++) {
		if (maps[i]->n == 0)
			map_free(maps[i]);
	}
	free(ng.piece);
	ng.piece = NULL;
	ng.piece_cap = 0;
	free((char *)ng.o.rvi);
	free((char *)ng.cse_id.p);
	for (int i = 0; i < 3; i++)
		free((char *)ng.head[i].p);
}

bool notify_drained(void)
{
	if (ask_any())
		return false;
	for (size_t i = 0; i < ng.targets.cap; i++) {
		for (struct node *x = ng.targets.slot[i]; x; x = x->next) {
			const struct target *t = container_of(x, struct target, by_key);

			if (t->post.state || (t->link && (t->q.n > t->holes || t->fly.n)))
				return false;
		}
	}
	return true;
}

/* ---- what others say of targets and subscriptions -------------------------------------------- */

void notify_on_delivered(void (*fn)(void *arg, const struct notify_count *list, size_t n),
			 void *arg)
{
	ng.on_delivered = fn;
	ng.delivered_arg = arg;
}

void notify_on_refused(void (*fn)(void *arg, int64_t sub, struct str target, int rsc), void *arg)
{
	ng.on_refused = fn;
	ng.refused_arg = arg;
}

void notify_on_leaving(void (*fn)(void *arg, int64_t sub, struct str target), void *arg)
{
	ng.on_leaving = fn;
	ng.leaving_arg = arg;
}

void notify_on_unknown_target(void (*fn)(void *arg, struct str target), void *arg)
{
	ng.on_unknown = fn;
	ng.unknown_arg = arg;
}

void notify_target_routes(struct str target, const struct str *url, size_t n)
{
	bool poll = n == 1 && str_is(url[0], "pch:");
	struct target *t = poll ? target_get(target) : target_find(target);

	if (!t)
		return;
	t->refs++;
	t->gone = false;
	if (poll) {
		poll_on(t);
		t->wanted |= t->remote; /* its CSE may be asking already */
	} else {
		poll_off(t);
	}
	url_routes(t, url, n);
	ask_routes(t);
	target_kick(t);
	target_unref(t);
}

void notify_forget_target(struct str target)
{
	struct target *t = target_find(target);
	struct member *m;

	if (!t)
		return;
	t->refs++;
	t->gone = true;
	poll_off(t);
	if (t->link)
		send_detach(t);
	target_clear(t, DROP_FORGOTTEN);
	lane_clear(t);
	t->gap = 0;
	TAILQ_FOREACH(m, &t->gap_list, on_gap)
	m->gap = 0;
	target_gap_clear(t);
	url_routes(t, NULL, 0);
	t->routes_known = false;
	ask_routes(t);
	target_unref(t);
}

void notify_forget_sub(int64_t sub)
{
	struct sub *s = sub_find(sub);

	if (!s)
		return;
	s->dead = true;
	for (struct member *m = s->members; m; m = m->next) {
		if (m->waiting)
			target_list(m->target, L_SWEEP);
	}
	sub_forget(s);
}

void notify_keep_newest(int64_t sub)
{
	struct sub *s = sub_find(sub);

	for (struct member *m = s ? s->members : NULL; m; m = m->next) {
		if (m->waiting && !m->target->lane)
			target_keep_newest(m->target, m);
	}
}
