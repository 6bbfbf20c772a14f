/*
 * notify_life.c - see notify_life.h.
 */
#include "notify_life.h"

#include "clock.h"

bool life_seen(struct life *l, struct conn *c, double wait)
{
	if (!l->asked)
		*l = (struct life){ true, conn_mark(c), clock_mono() + (int64_t)(wait * 1e6) };
	return l->mark ? life_pong(l, c) : clock_mono() >= l->due;
}

bool life_pong(const struct life *l, const struct conn *c)
{
	return l->asked && (!l->mark || conn_passed(c) >= l->mark);
}
