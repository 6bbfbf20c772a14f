/*
 * notify_send.c - targets with a connection: frames into it, the window, answers, what happens when
 * the connection goes.
 * Guarantees: notices leave in order; at most `window` of a connection are unanswered; after a
 * connection is lost, what was sent and not answered goes first on the next, in order, with the
 * same rqi; dropped notices are told of before the next one is sent.
 * Never blocks, never sends outside `fill`.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "cbor.h"
#include "clock.h"
#include "log.h"

#define HOLD_LINKS 256u /* so many connections wait for what is being committed, */
#define HOLD_TIME 2000 /* us at most: 4.0 to 5.7 million frames/s at 1,000 connections */

/* ---- links ----------------------------------------------------------------------------------- */

static struct link *link_get(struct session *s)
{
	struct link *l = session_user(s);

	if (l)
		return l;
	l = xcalloc(1, sizeof(*l));
	l->s = s;
	TAILQ_INIT(&l->targets);
	session_set_user(s, l);
	return l;
}

static void want(struct link *l)
{
	if (l->want)
		return;
	l->want = l->listed = true;
	TAILQ_INSERT_TAIL(&ng.wanting, l, on_wanting);
	ng.nwanting++;
}

static void unlist(struct link *l)
{
	if (!l->listed)
		return;
	l->listed = false;
	TAILQ_REMOVE(&ng.wanting, l, on_wanting);
	ng.nwanting--;
}

/* More is about to come for many connections: it leaves with this. */
static bool held(void)
{
	int64_t now;

	if (!ng.pending || ng.nwanting < HOLD_LINKS) {
		ng.held = 0;
		return false;
	}
	now = clock_mono();
	if (!ng.held) {
		ng.held = now;
		net_timer_start(ng.hold, HOLD_TIME / 1e6);
	}
	return now - ng.held < HOLD_TIME;
}

void send_turn(void)
{
	struct link *l;

	if (held())
		return;
	ng.held = 0;
	while ((l = TAILQ_FIRST(&ng.wanting))) {
		unlist(l);
		conn_want_write(session_conn(l->s));
	}
}

/* Behind another CSE one notice goes after the other: what that CSE cannot deliver now must not be
 * overtaken. */
static bool room(const struct target *t)
{
	size_t unsaved = t->unsaved < ng.o.window / 2 ? t->unsaved : ng.o.window / 2;

	if (t->remote && t->fly.n)
		return false;
	return t->fly.n < SPAN * ng.o.window && t->link->out + unsaved < ng.o.window;
}

static bool held_up(const struct target *t)
{
	return t->post.state || (t->remote && t->retry_at);
}

void send_want(struct target *t)
{
	bool some = t->q.n > t->holes;
	enum gap_state gap;

	if (!t->link || held_up(t))
		return;
	gap = gap_look(t);
	if (gap == GAP_SAVING)
		return;
	if (gap == GAP_DUE || (some && room(t)))
		want(t->link);
	else
		t->link->starved |= some;
}

/* One of its notices is not awaited any more: that is room, for whichever of its targets. */
static void link_freed(struct link *l)
{
	l->out--;
	if (l->starved)
		want(l);
}

void send_attach(struct target *t, struct session *s)
{
	struct link *l = link_get(s);

	t->link = l;
	t->gone = false;
	t->retry_at = 0;
	t->fails = 0;
	TAILQ_INSERT_TAIL(&l->targets, t, on_link);
	target_warm(t);
	send_want(t);
	ask_routes(t);
}

/* Back to the front of the queue, newest first. */
static void requeue_all(struct target *t, struct ring *r)
{
	for (size_t i = r->n; i-- > 0;) {
		struct notice n = *ring_at(r, i);

		if (!n.e)
			continue;
		ring_at(r, i)->e = NULL;
		if (r == &t->fly && n.due)
			link_freed(t->link);
		ng.count[C_REQUEUED]++;
		target_requeue(t, n);
	}
	ring_free(r);
}

void send_detach(struct target *t)
{
	struct link *l = t->link;

	t->refs++;
	target_cool(t);
	requeue_all(t, &t->fly);
	requeue_all(t, &t->late);
	t->link = NULL;
	t->raw_out = 0;
	t->gap_sent = false;
	target_unlist(t, L_BUSY);
	if (!t->dial)
		target_unlist(t, L_RAW);
	TAILQ_REMOVE(&l->targets, t, on_link);
	if (TAILQ_EMPTY(&l->targets)) {
		unlist(l);
		session_set_user(l->s, NULL);
		free(l);
	}
	target_unref(t);
}

void send_again(struct target *t)
{
	struct session *s = t->link ? t->link->s : NULL;

	if (!s || t->late.n == 0)
		return;
	t->refs++;
	send_detach(t);
	send_attach(t, s);
	target_unref(t);
}

/* ---- frames out ------------------------------------------------------------------------------ */

bool send_json(struct conn *c, enum session_serial serial, struct buf *frame)
{
	struct buf cbor = BUF_INIT;
	struct str s = buf_view(frame);
	struct err e;
	bool ok;

	if (serial != SESSION_CBOR)
		return conn_frame(c, false, &s, 1);
	if (!cbor_from_json(s, &cbor, &e)) {
		log_warn("notify", "no CBOR of a request reason=%s", log_quote(str_of(e.msg)));
		buf_free(&cbor);
		return true;
	}
	s = buf_view(&cbor);
	ok = conn_frame(c, true, &s, 1);
	buf_free(&cbor);
	return ok;
}

static bool send_gap(struct target *t)
{
	struct buf b = BUF_INIT;
	bool ok;

	gap_frame(t, &b);
	ok = send_json(session_conn(t->link->s), session_serial(t->link->s), &b);
	buf_free(&b);
	if (!ok)
		return false;
	gap_sent(t);
	target_list(t, L_RAW);
	tick_need();
	return true;
}

/* False: no room in the connection. */
static bool send_one(struct target *t, struct notice *front)
{
	struct notice n = *front;
	struct session *s = t->link->s;
	bool binary;

	if (!notice_frame(front, session_serial(s), &binary)) {
		target_hold_shift(t);
		event_cool(n.e);
		book_failed(t, &n, 0, "its body does not fit the connection");
		notice_done(t, n);
		return true;
	}
	if (!conn_frame(session_conn(s), binary, ng.piece, ng.pieces))
		return false;
	target_hold_shift(t);
	n.due = n.e->kind->frame == FRAME_RAW ? 0 : ng.now + (int64_t)(ng.o.answer_time * 1e6);
	book_sent(&n);
	ring_push(&t->fly, n);
	if (n.due) {
		t->link->out++;
		target_list(t, L_BUSY);
	} else {
		t->raw_out++;
		ng.raw_sent++;
		target_list(t, L_RAW);
	}
	event_cool(n.e);
	return true;
}

enum sent { SENT_NONE, SENT_SOME, SENT_FULL };

static enum sent send_some(struct target *t, unsigned burst)
{
	enum sent r = SENT_NONE;
	struct notice *n;

	if (held_up(t))
		return r;
	while (burst-- && room(t)) {
		enum gap_state gap;

		n = target_front(t);
		gap = gap_look(t);
		if (gap == GAP_SAVING)
			return r;
		if (gap == GAP_DUE && !send_gap(t))
			return SENT_FULL;
		if (!n)
			return r;
		if (!send_one(t, n))
			return SENT_FULL;
		r = SENT_SOME;
	}
	t->link->starved |= t->q.n > t->holes && !room(t);
	return r;
}

/* The next turn goes on with t, which found no room. */
static void go_on_with(struct link *l, struct target *t)
{
	while (TAILQ_FIRST(&l->targets) != t) {
		struct target *first = TAILQ_FIRST(&l->targets);

		TAILQ_REMOVE(&l->targets, first, on_link);
		TAILQ_INSERT_TAIL(&l->targets, first, on_link);
	}
	l->want = true;
}

void notify_fill(struct session *s)
{
	struct link *l = ng.open ? session_user(s) : NULL;
	struct target *t;
	uint64_t raw;
	bool some;

	if (!l)
		return;
	unlist(l);
	l->want = false;
	l->starved = false;
	ng.now = clock_mono();
	raw = ng.raw_sent;
	do {
		some = false;
		TAILQ_FOREACH(t, &l->targets, on_link)
		{
			enum sent r;

			t->refs++;
			r = send_some(t, 32);
			target_unref(t);
			if (r == SENT_FULL)
				goto full;
			some |= r == SENT_SOME;
		}
	} while (some);
	if (raw != ng.raw_sent)
		tick_soon();
	tick_need();
	return;
full:
	go_on_with(l, t);
	conn_want_write(session_conn(s));
	tick_need();
}

/* ---- answers --------------------------------------------------------------------------------- */

void notice_answered(struct target *t, struct notice n, int rsc)
{
	if (rsc == 2000) {
		notice_delivered(t, n);
		return;
	}
	book_failed(t, &n, rsc, "refused");
	log_debug("notify", "refused target=%s sur=%s rsc=%d", log_quote(t->key),
		  log_quote(n.m->sub->sur.raw), rsc);
	if ((rsc == 4101 || rsc == 5205) && ng.on_refused && !n.m->sub->dead)
		ng.on_refused(ng.refused_arg, n.m->sub->id, t->key, rsc);
	notice_done(t, n);
}

/* The entry of that notice in r, which ascends by id; NULL when it is not there or done. */
static struct notice *ring_find(const struct ring *r, int64_t id, int64_t sub)
{
	size_t lo = 0, hi = r->n;

	if (hi && ring_at(r, 0)->id == id)
		hi = 0; /* answers come in order */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ring_at(r, mid)->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < r->n && ring_at(r, lo)->id == id; lo++) {
		struct notice *n = ring_at(r, lo);

		if (n->e && n->m->sub->id == sub)
			return n;
	}
	return NULL;
}

static void answered_no(struct target *t, struct notice n, int rsc)
{
	if (t->fly.n == 0)
		target_unlist(t, L_BUSY);
	remote_put_back(t, n, rsc, "the next CSE cannot deliver it now");
}

static bool answer_sent(struct target *t, int64_t id, int64_t sub, int rsc)
{
	struct notice *at = ring_find(&t->fly, id, sub), n;
	bool again = t->remote && remote_waits(rsc);

	if (at && !at->due)
		return false; /* raw: an answer means nothing */
	if (at)
		link_freed(t->link);
	else
		at = ring_find(&t->late, id, sub);
	if (!at)
		return false;
	n = *at;
	at->e = NULL;
	ring_trim(&t->fly);
	ring_trim(&t->late);
	if (again) {
		answered_no(t, n, rsc);
		return true;
	}
	t->fails = 0;
	n.m->answered += event_weight(n.e);
	if (t->fly.n == 0)
		target_unlist(t, L_BUSY);
	t->refs++;
	notice_answered(t, n, rsc);
	if (t->gap_sent && id >= t->gap_mark)
		target_gap_clear(t);
	send_want(t);
	target_unref(t);
	return true;
}

bool send_answered(struct target *t, int64_t id, int64_t sub, int rsc, struct str pc)
{
	bool ours;

	t->refs++;
	ours = answer_sent(t, id, sub, rsc);
	if (ours)
		answer_content(t, sub, pc);
	target_unref(t);
	return ours;
}

/* ---- without an answer ----------------------------------------------------------------------- */

static void hand_over(struct target *t)
{
	for (size_t i = 0; t->raw_out && i < t->fly.n; i++) {
		struct notice n = *ring_at(&t->fly, i);

		if (!n.e || n.due)
			continue;
		ring_at(&t->fly, i)->e = NULL;
		t->raw_out--;
		notice_delivered(t, n);
	}
	ring_trim(&t->fly);
}

bool send_left(const struct conn *c)
{
	return conn_writable(c) && conn_queued(c) == 0;
}

/* Who answers at all answers a gap notice, or what follows it; of others only pongs can tell. */
static bool gap_arrived(struct target *t)
{
	struct session *s = t->link->s;
	bool life = life_seen(&t->gap_life, session_conn(s), ng.o.answer_time);

	if (session_serial(s) == SESSION_RAW)
		return life;
	return life && !t->link->answers && clock_mono() >= t->gap_life.due;
}

/* True: nothing more to look for. */
static bool link_drained(struct target *t)
{
	struct conn *c = session_conn(t->link->s);

	if (!t->raw_out && !t->gap_sent)
		return true;
	if (!send_left(c))
		return false;
	hand_over(t);
	if (!t->gap_sent)
		return true;
	if (!gap_arrived(t))
		return false;
	target_gap_clear(t);
	return true;
}

void send_drained(struct target *t)
{
	bool left;

	t->refs++;
	left = !t->dial || dial_drained(t);
	if (t->link && !link_drained(t))
		left = false;
	if (left)
		target_unlist(t, L_RAW);
	send_want(t);
	target_unref(t);
}

void send_late(int64_t now)
{
	struct target *t, *next;

	for (t = TAILQ_FIRST(&ng.list[L_BUSY]); t; t = next) {
		next = TAILQ_NEXT(t, on[L_BUSY]); /* has something sent: it stays */
		t->refs++;
		while (t->fly.n) {
			struct notice n = *ring_at(&t->fly, 0);

			if (n.due == 0 || n.due > now)
				break;
			ring_shift(&t->fly, 1);
			ring_trim(&t->fly);
			link_freed(t->link);
			ng.count[C_UNANSWERED]++;
			if (t->remote) {
				remote_put_back(t, n, 0, "no answer in time");
				continue;
			}
			book_fault(n.m, 0, "no answer in time");
			ring_push(&t->late, n);
		}
		if (t->fly.n == 0)
			target_unlist(t, L_BUSY);
		send_want(t);
		target_unref(t);
	}
}
