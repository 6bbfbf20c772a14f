/*
 * notify_poll.c - targets that fetch what is for them: AEs with a polling channel (TS-0001
 * 10.2.5.12).  Notices are handed out in order when they are asked for, rest in `fly` until their
 * answer comes, and go back to the front of the queue when none comes in answer_time.
 * Guarantees: a connection of such a target gets none of them; the ids in fly ascend; a late answer
 * is as good as one in time.  Bodies are in memory only while the target asks.
 */
#include "notify_int.h"

#include <stdio.h>

#include "clock.h"
#include "jscan.h"
#include "log.h"

void poll_on(struct target *t)
{
	if (t->poll)
		return;
	t->poll = true;
	t->refs++;
	target_unlist(t, L_IDLE);
	if (t->link) {
		struct session *s = t->link->s;

		send_detach(t);
		ask_lost(t, s, NULL);
	}
}

/* What was handed out and not answered goes first again, in order. */
static void back(struct target *t)
{
	target_cool(t);
	for (size_t i = t->fly.n; i-- > 0;) {
		struct notice n = *ring_at(&t->fly, i);

		if (!n.e)
			continue;
		ring_at(&t->fly, i)->e = NULL;
		ng.count[C_REQUEUED]++;
		target_requeue(t, n);
	}
	ring_free(&t->fly);
	t->gap_sent = false;
	target_unlist(t, L_POLL);
	target_warm(t);
}

void poll_off(struct target *t)
{
	struct session *s;

	if (!t->poll)
		return;
	t->poll = t->wanted = false;
	back(t);
	s = ng.open && !t->gone ? target_session(t) : NULL;
	if (s)
		send_attach(t, s);
	target_unref(t);
}

void poll_kick(struct target *t)
{
	enum gap_state gap;

	if (!t->wanted || !ng.on_polled || t->post.state || t->fly.n >= ng.o.window)
		return;
	gap = gap_look(t);
	if (gap == GAP_SAVING || (gap == GAP_NONE && !target_front(t)))
		return;
	t->wanted = false;
	ng.on_polled(ng.polled_arg, t->remote ? t->via : t->key);
}

void poll_late(struct target *t)
{
	ring_trim(&t->fly);
	if ((t->fly.n ? ring_at(&t->fly, 0)->due : t->gap_sent ? t->post.due : 0) > clock_mono())
		return;
	if (t->fly.n)
		ng.count[C_UNANSWERED]++;
	back(t);
	target_kick(t);
}

/* ---- handing out ----------------------------------------------------------------------------- */

/* A body that is no NOTIFY: a JSON object is its content, other text becomes a string in one. */
static bool raw_request(const struct notice *n, struct buf *out)
{
	struct buf body = BUF_INIT, pc = BUF_INIT;
	char rqi[RQI_MAX];
	struct str text;
	bool ok = !n->e->kind->binary && notice_body(n, false, &body);

	text = buf_view(&body);
	if (ok && jscan_check(text, JSCAN_DEFAULT, NULL) && jscan_type(text) == JSCAN_OBJECT) {
		buf_str(&pc, text);
	} else if (ok) {
		buf_str(&pc, STR("{\"moon2m:raw\":"));
		buf_json(&pc, text);
		buf_char(&pc, '}');
	}
	if (ok)
		frame_json(out, &n->m->target->to, (struct str){ rqi, notice_rqi(n, rqi) },
			   n->e->kind->ec, buf_view(&pc));
	buf_free(&body);
	buf_free(&pc);
	return ok;
}

static bool request_of(const struct notice *n, struct buf *out)
{
	bool binary;

	if (n->e->kind->frame == FRAME_RAW)
		return raw_request(n, out);
	if (!notice_frame(n, SESSION_JSON, &binary))
		return false;
	for (size_t i = 0; i < ng.pieces; i++)
		buf_str(out, ng.piece[i]);
	return true;
}

/* Takes the front of the queue; false: it cannot be put into a request, and is done. */
static bool take(struct target *t, struct notice *front, struct buf *out)
{
	struct notice n = *front;
	bool ok = request_of(&n, out);

	target_hold_shift(t);
	if (ok) {
		n.due = clock_mono() + (int64_t)(ng.o.answer_time * 1e6);
		book_sent(&n);
		ring_push(&t->fly, n);
		target_list(t, L_POLL);
	}
	event_cool(n.e);
	if (!ok) {
		log_warn("notify", "binary, not for a polling channel target=%s sur=%s",
			 log_quote(t->key), log_quote(n.m->sub->sur.raw));
		book_failed(t, &n, 0, "binary, and its target polls");
		notice_done(t, n);
	}
	return ok;
}

static size_t poll_one(struct target *t, unsigned max, int64_t upto, bool *loading,
		       notify_handed fn, void *arg)
{
	struct buf b = BUF_INIT;
	struct notice *front;
	enum gap_state gap;
	size_t n = 0;

	if (!t->poll)
		return 0;
	t->refs++;
	t->wanted = max > 0;
	gap = max ? gap_look(t) : GAP_NONE;
	if (gap == GAP_DUE) {
		gap_take(t, &b);
		t->post.due = clock_mono() + (int64_t)(ng.o.answer_time * 1e6);
		fn(arg, buf_view(&b));
		target_list(t, L_POLL);
		n++;
	}
	while (n < max && gap != GAP_SAVING && !t->post.state && t->fly.n < ng.o.window &&
	       (front = target_front(t)) && front->id <= upto) {
		buf_clear(&b);
		if (!take(t, front, &b))
			continue;
		fn(arg, buf_view(&b));
		n++;
	}
	*loading |= max && n == 0 && !t->post.state && t->fly.n < ng.o.window &&
		    t->q.n > t->holes && ring_at(&t->q, 0)->id <= upto;
	if (n || !max) {
		t->wanted = false;
		target_cool(t);
	}
	target_unref(t);
	buf_free(&b);
	return n;
}

/* For all that are behind one CSE, each in its turn. */
static size_t poll_behind(struct str via, unsigned max, int64_t upto, bool *loading,
			  notify_handed fn, void *arg)
{
	struct target *t = NULL, *served = NULL;
	size_t n = 0, some;

	while ((t = remote_next(via, t))) {
		some = poll_one(t, max - (unsigned)n, upto, loading, fn, arg);
		if (some && !served)
			served = t; /* what it handed out keeps it */
		n += some;
	}
	while (n && (t = remote_next(via, t))) {
		if (t->wanted)
			poll_one(t, 0, 0, loading, fn, arg);
	}
	if (served) {
		target_unlist(served, L_REMOTE);
		target_list(served, L_REMOTE);
		*loading = false;
	}
	return n;
}

size_t notify_poll(struct str target, unsigned max, int64_t upto, bool *loading, notify_handed fn,
		   void *arg)
{
	struct target *t = ng.open ? target_find(target) : NULL;
	size_t n = 0;

	*loading = false;
	if (ng.open && str_starts(target, STR("/")))
		n = poll_behind(target, max, upto, loading, fn, arg);
	else if (t)
		n = poll_one(t, max, upto, loading, fn, arg);
	tick_need();
	return n;
}

int64_t notify_poll_last(struct str target)
{
	struct target *t = ng.open ? target_find(target) : NULL;
	int64_t last = t ? t->last : 0;

	if (!ng.open || !str_starts(target, STR("/")))
		return last;
	for (t = remote_next(target, NULL); t; t = remote_next(target, t))
		last = t->last > last ? t->last : last;
	return last;
}

void notify_on_polled(void (*fn)(void *arg, struct str target), void *arg)
{
	ng.on_polled = fn;
	ng.polled_arg = arg;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Takes the notice out of fly, or out of the queue when its answer comes late. */
static bool find(struct target *t, int64_t id, int64_t sub, struct notice *out)
{
	struct ring *const r[2] = { &t->fly, &t->q };

	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < r[k]->n && ring_at(r[k], i)->id <= id; i++) {
			struct notice *n = ring_at(r[k], i);

			if (!n->e || n->id != id || n->m->sub->id != sub)
				continue;
			*out = *n;
			if (k == 0)
				n->e = NULL;
			else
				queue_hole(t, i);
			ring_trim(&t->fly);
			queue_tidy(t);
			return true;
		}
	}
	return false;
}

bool notify_poll_answer(struct str target, struct str rqi, int rsc)
{
	struct target *t;
	unsigned long long v[3];
	char text[RQI_MAX], end;
	struct notice n;
	bool ok;

	if (!ng.open || rqi.n < 2 || rqi.n >= RQI_MAX)
		return false;
	memcpy(text, rqi.p, rqi.n);
	text[rqi.n] = '\0';
	if (sscanf(text + 1, "%llx.%llx.%llx%c", &v[0], &v[1], &v[2], &end) != 3)
		return false;
	t = target_by_id((int64_t)v[2]);
	if (!t || !t->poll || !str_eq(t->remote ? t->via : t->key, target))
		return false;
	t->refs++;
	if (text[0] == 'g') {
		ok = t->gap_told && v[0] == ng.boot && v[1] == t->gap_no;
		if (ok)
			target_gap_clear(t);
	} else {
		ok = text[0] == 'n' && find(t, (int64_t)v[0], (int64_t)v[1], &n);
		if (ok) {
			n.m->answered += event_weight(n.e);
			notice_answered(t, n, rsc);
		}
	}
	target_kick(t);
	target_unref(t);
	return ok;
}
