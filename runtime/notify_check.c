/*
 * notify_check.c - see notify_check.h.  Reads rows as notify_restore.c does and keeps their ids only.
 */
#include "notify_check.h"

#include <stdlib.h>

#include "notify_head.h"

struct list { /* of members */
	int64_t id;
	bool has_target, damaged, used;
};

struct notify_check {
	int64_t *tgt;
	size_t ntgt, tgt_cap;
	struct list *aud;
	size_t naud, aud_cap;
	bool has_target; /* of the list that is being read */
	struct notify_check_sum sum;
};

struct notify_check *notify_check_new(void)
{
	return xcalloc(1, sizeof(struct notify_check));
}

void notify_check_free(struct notify_check *c)
{
	if (!c)
		return;
	free(c->tgt);
	free(c->aud);
	free(c);
}

void notify_check_tgt(struct notify_check *c, int64_t id)
{
	if (c->ntgt == c->tgt_cap) {
		c->tgt_cap = c->tgt_cap ? c->tgt_cap * 2 : 64;
		c->tgt = xrealloc(c->tgt, c->tgt_cap * sizeof(*c->tgt));
	}
	c->tgt[c->ntgt++] = id;
}

static int by_id(const void *key, const void *element)
{
	int64_t a = *(const int64_t *)key, b = *(const int64_t *)element;

	return a < b ? -1 : a > b;
}

/* The id is the first member of a list. */
static struct list *find_list(const struct notify_check *c, int64_t id)
{
	return c->naud ? bsearch(&id, c->aud, c->naud, sizeof(*c->aud), by_id) : NULL;
}

static void note_member(void *arg, int64_t sub, int64_t tgt, struct str sur, struct str cr)
{
	struct notify_check *c = arg;

	(void)sub;
	(void)sur;
	(void)cr;
	if (c->ntgt && bsearch(&tgt, c->tgt, c->ntgt, sizeof(*c->tgt), by_id))
		c->has_target = true;
}

static bool read_members(struct notify_check *c, struct str members)
{
	c->has_target = false;
	return roster_parse(members, note_member, c);
}

void notify_check_aud(struct notify_check *c, int64_t id, struct str members)
{
	struct list l = { .id = id, .damaged = !read_members(c, members) };

	l.has_target = c->has_target;
	c->sum.damaged_lists += l.damaged;
	if (c->naud == c->aud_cap) {
		c->aud_cap = c->aud_cap ? c->aud_cap * 2 : 64;
		c->aud = xrealloc(c->aud, c->aud_cap * sizeof(*c->aud));
	}
	c->aud[c->naud++] = l;
}

static bool read_notice(struct notify_check *c, struct str members, bool *has_target)
{
	struct event_opts o = { .type = STR_NONE };
	struct list *l;
	char *name = NULL;
	uint64_t aud;
	int64_t at;
	int flags;
	bool ok = head_parse(&members, &o, &name, &flags, &at);

	free(name);
	if (!ok)
		return false;
	if (!(flags & HEAD_AUD)) {
		ok = read_members(c, members);
		*has_target = c->has_target;
		return ok;
	}
	if (!get_varint(&members, &aud) || !(l = find_list(c, (int64_t)aud)))
		return false;
	l->used = true;
	*has_target = l->has_target;
	return !l->damaged;
}

const char *notify_check_ntf(struct notify_check *c, int64_t id, struct str members)
{
	bool has_target = false;

	(void)id;
	if (!read_notice(c, members, &has_target)) {
		c->sum.damaged++;
		return "it or its list of members is damaged, a start leaves it out";
	}
	c->sum.without_target += !has_target;
	return NULL;
}

void notify_check_end(const struct notify_check *c, struct notify_check_sum *sum)
{
	*sum = c->sum;
	for (size_t i = 0; i < c->naud; i++)
		sum->unused_lists += !c->aud[i].used;
}
