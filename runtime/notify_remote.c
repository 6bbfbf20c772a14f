/*
 * notify_remote.c - targets that are not of this CSE: behind which CSE they are, and so which
 * connection or whose polling carries what is for them.
 * Guarantees: a target follows the connections of the CSE it is behind as an AE follows its own;
 * what the next CSE cannot deliver now waits in front and is tried again, so order holds.
 * Never decides the way: that is told (notify_target_via, notify_target_routes).
 */
#include "notify_int.h"

#include <stdlib.h>

#define TARGET_NOT_REACHABLE 5103
#define REQUEST_TIMEOUT 4008

struct session *target_session(const struct target *t)
{
	if (t->url || t->lane)
		return NULL;
	return session_of(t->remote ? t->via : t->key);
}

struct target *remote_next(struct str via, struct target *t)
{
	struct target *n = t ? TAILQ_NEXT(t, on[L_REMOTE]) : TAILQ_FIRST(&ng.list[L_REMOTE]);

	while (n && !str_eq(n->via, via))
		n = TAILQ_NEXT(n, on[L_REMOTE]);
	if (n)
		n->refs++;
	if (t)
		target_unref(t);
	return n;
}

/* Its connection is s now (NULL: none). */
static void relink(struct target *t, struct session *s)
{
	if (t->poll || (t->link ? t->link->s : NULL) == s)
		return;
	t->refs++;
	if (t->link) {
		struct session *old = t->link->s;

		send_detach(t);
		ask_lost(t, old, NULL);
	}
	if (s)
		send_attach(t, s);
	target_kick(t);
	target_unref(t);
}

void send_observe(void *arg, struct str id, struct session *s)
{
	struct target *t = NULL;

	(void)arg;
	if (str_starts(id, STR("/"))) {
		while ((t = remote_next(id, t)))
			relink(t, s);
	} else if ((t = target_find(id))) {
		relink(t, s);
	}
}

bool remote_waits(int rsc)
{
	return rsc == TARGET_NOT_REACHABLE || rsc == REQUEST_TIMEOUT;
}

void remote_put_back(struct target *t, struct notice n, int code, const char *why)
{
	book_fault(n.m, code, why);
	ng.count[C_REQUEUED]++;
	t->refs++;
	target_requeue(t, n);
	url_back_off(t);
	target_unref(t);
}

/* ---- the way ---------------------------------------------------------------------------------- */

static void set_via(struct target *t, struct str via)
{
	if (str_eq(t->via, via))
		return;
	relink(t, NULL);
	free((char *)t->via.p);
	t->via = (struct str){ via.n ? xstrndup(via.p, via.n) : NULL, via.n };
}

void notify_target_via(struct str target, struct str via)
{
	struct target *t = ng.open ? target_find(target) : NULL;

	if (!t || !t->remote)
		return;
	t->refs++;
	t->gone = false;
	set_via(t, via);
	relink(t, target_session(t));
	target_unref(t);
}

void notify_target_token(struct str target, struct str token)
{
	struct target *t = ng.open ? target_find(target) : NULL;
	struct buf line = BUF_INIT;

	if (!t || !t->remote)
		return;
	free(t->proof);
	t->proof = NULL;
	if (!token.n)
		return;
	buf_fmt(&line, "Authorization: Bearer %.*s\r\n", STRFMT(token));
	buf_char(&line, '\0');
	t->proof = buf_steal(&line, &(size_t){ 0 });
}

void remote_proof(const struct target *t, struct buf *head)
{
	if (t->proof)
		buf_str(head, str_of(t->proof));
}

static void forget_way(struct target *t)
{
	t->gone = false;
	poll_off(t);
	set_via(t, STR_NONE);
	t->routes_known = t->routes_asked = false;
	target_kick(t);
}

void notify_reroute(void)
{
	struct target *t = ng.open ? TAILQ_FIRST(&ng.list[L_REMOTE]) : NULL, *next;

	if (t)
		t->refs++;
	for (; t; t = next) {
		next = TAILQ_NEXT(t, on[L_REMOTE]);
		if (next)
			next->refs++;
		forget_way(t);
		target_unref(t);
	}
}
