/*
 * notify_gap.c - the events that a target has lost: counted by subscription, told to it in one notice
 * before anything else, over whatever way it is reached, and kept until that has arrived.
 * Guarantees: a loss is told once; what is lost while a notice of a gap is on its way goes into the
 * next one.  It has arrived when it or a later notice on the same connection is answered; on a connection
 * that answers nothing, when a ping behind it is: never because it was only written.
 */
#include "notify_int.h"

#include <stdlib.h>

#include "cbor.h"

/* ---- counting -------------------------------------------------------------------------------- */

void gap_count(struct target *t, struct member *m, unsigned events)
{
	if (t->real) { /* a lane has nobody to tell */
		t = t->real;
		m = member_get(m->sub->id, m->sub->sur.raw, m->sub->cr.raw, t);
		target_list(t, L_DIRTY);
	}
	t->gap += events;
	t->gap_dirty = true;
	m->gap += events;
	if (m->in_gap)
		return;
	m->in_gap = true;
	m->refs++;
	TAILQ_INSERT_TAIL(&t->gap_list, m, on_gap);
}

void target_lost(struct target *t, struct member *m, unsigned events)
{
	const struct target *to = t->real ? t->real : t;

	if (to->lane || target_unwanted(t, m))
		return;
	t->refs++;
	gap_count(t, m, events);
	target_list(t, L_DIRTY);
	keep_soon();
	target_kick(t);
	target_unref(t);
}

/* A save has ended that had what is to be told (gap_no `no`; 0: nothing). */
void gap_saved(struct target *t, unsigned no)
{
	if (!t->gap_unsaved || !t->gap_told || no != t->gap_no)
		return;
	t->gap_unsaved = false;
	target_list(t, L_KICK);
}

/* The gap notice was received: what it told is done with. */
void target_gap_clear(struct target *t)
{
	struct member *next;

	t->gap_told = 0;
	t->gap_sent = false;
	t->gap_dirty = true;
	target_list(t, L_DIRTY);
	keep_soon();
	for (struct member *m = TAILQ_FIRST(&t->gap_list); m; m = next) {
		next = TAILQ_NEXT(m, on_gap);
		m->gap_told = 0;
		if (m->gap)
			continue;
		TAILQ_REMOVE(&t->gap_list, m, on_gap);
		m->in_gap = false;
		t->refs++;
		member_unref(m);
		t->refs--;
	}
}

/* ---- telling --------------------------------------------------------------------------------- */

/* What was dropped until now is told in one notice; later losses wait until it is confirmed.  What is
 * told must not come back after a crash: it is saved first. */
static void gap_freeze(struct target *t)
{
	struct member *m;

	t->gap_told = t->gap;
	t->gap = 0;
	t->gap_no = ++ng.gaps;
	TAILQ_FOREACH(m, &t->gap_list, on_gap)
	{
		m->gap_told = m->gap;
		m->gap = 0;
	}
	t->gap_unsaved = t->gap_dirty || t->gap_saving;
	if (!t->gap_unsaved)
		return;
	t->gap_dirty = true;
	target_list(t, L_DIRTY);
	keep_flush();
}

enum gap_state gap_look(struct target *t)
{
	if (t->gap_told ? t->gap_sent : t->gap == 0)
		return GAP_NONE;
	if (!t->gap_told)
		gap_freeze(t);
	return t->gap_unsaved ? GAP_SAVING : GAP_DUE;
}

static void put_pc(const struct target *t, struct buf *pc)
{
	struct member *m;
	unsigned n = 0;

	buf_fmt(pc, "{\"moon2m:gap\":{\"dropped\":%llu,\"sur\":[", (unsigned long long)t->gap_told);
	TAILQ_FOREACH(m, &t->gap_list, on_gap)
	{
		if (!m->gap_told)
			continue;
		if (n++ == GAP_LIST)
			break;
		buf_fmt(pc, "%s{\"sur\":\"", n > 1 ? "," : "");
		buf_str(pc, m->sub->sur.json);
		buf_fmt(pc, "\",\"dropped\":%llu}", (unsigned long long)m->gap_told);
	}
	buf_str(pc, STR("]}}"));
}

static void put_rqi(const struct target *t, struct buf *rqi)
{
	buf_fmt(rqi, "g%llx.%x.%llx", (unsigned long long)ng.boot, t->gap_no,
		(unsigned long long)t->id);
}

void gap_frame(struct target *t, struct buf *out)
{
	struct buf pc = BUF_INIT, rqi = BUF_INIT;

	put_pc(t, &pc);
	put_rqi(t, &rqi);
	frame_json(out, &t->to, buf_view(&rqi), 0, buf_view(&pc));
	buf_free(&pc);
	buf_free(&rqi);
}

void gap_post(struct target *t, bool cbor, struct buf *rqi, struct buf *body)
{
	struct buf pc = BUF_INIT;

	put_rqi(t, rqi);
	put_pc(t, &pc);
	if (!cbor || !cbor_from_json(buf_view(&pc), body, NULL))
		buf_str(body, buf_view(&pc));
	buf_free(&pc);
}

void gap_sent(struct target *t)
{
	ng.count[C_GAPS]++;
	t->gap_sent = true;
	t->gap_life.asked = false;
	t->gap_mark = t->q.n ? ring_at(&t->q, 0)->id : t->last + 1;
}

void gap_take(struct target *t, struct buf *out)
{
	gap_frame(t, out);
	gap_sent(t);
}

bool gap_answered(struct target *t, uint64_t boot, uint64_t no)
{
	if (boot != ng.boot || t->gap_no != no || !t->gap_told)
		return false;
	t->refs++;
	target_gap_clear(t);
	send_want(t);
	target_unref(t);
	return true;
}
