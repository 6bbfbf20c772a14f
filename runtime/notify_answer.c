/*
 * notify_answer.c - whose answer it is that has come: the notice, the notice of a gap or the single
 * request that its identifier names, and what its content asks for.
 * Never trusts an identifier: who answers must be whom it was sent to.
 */
#include "notify_int.h"

#include "jscan.h"

static bool says_trr(struct str pc)
{
	struct str sgn, v;

	if (!jscan_check(pc, JSCAN_DEFAULT, NULL) || jscan_type(pc) != JSCAN_OBJECT)
		return false;
	if (jscan_member(pc, "m2m:sgn", &sgn) && jscan_type(sgn) == JSCAN_OBJECT)
		pc = sgn;
	return jscan_member(pc, "trr", &v) && str_eq(v, STR("true"));
}

void answer_content(struct target *t, int64_t sub, struct str pc)
{
	if (pc.n && ng.on_leaving && says_trr(pc))
		ng.on_leaving(ng.leaving_arg, sub, t->key);
}

static bool get_hex(struct str *s, uint64_t *v)
{
	size_t n = 0;

	for (*v = 0; n < s->n && n < 16; n++) {
		char c = s->p[n];

		if (c >= '0' && c <= '9')
			*v = *v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*v = *v << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	if (n == 0 || (n < s->n && s->p[n] != '.'))
		return false;
	n += n < s->n;
	s->p += n;
	s->n -= n;
	return true;
}

/* Most connections have one target, which need not be searched for. */
static struct target *answering(const struct session *s, int64_t id)
{
	const struct link *l = s ? session_user(s) : NULL;
	struct target *first = l ? TAILQ_FIRST(&l->targets) : NULL;

	return first && first->id == id ? first : target_by_id(id);
}

bool answer_rqi(struct session *s, struct conn *c, const struct notify_response *r)
{
	struct target *t;
	struct str rqi = r->rqi;
	uint64_t v[3];
	char what = rqi.n ? rqi.p[0] : 0;

	if (what != 'n' && what != 'g' && what != 'v')
		return false;
	rqi.p++;
	rqi.n--;
	for (int i = 0; i < 3; i++) {
		if (!get_hex(&rqi, &v[i]))
			return false;
	}
	if (what == 'v') /* what follows is the identifier of a request that was passed on */
		return v[0] == ng.boot && ask_answer(s, c, v[1], r);
	if (rqi.n)
		return false;
	t = answering(s, (int64_t)v[2]);
	if (!t)
		return false;
	if (t->link && s && t->link->s == s) {
		t->link->answers = true;
		return what == 'n' ? send_answered(t, (int64_t)v[0], (int64_t)v[1], r->rsc, r->pc)
				   : gap_answered(t, v[0], v[1]);
	}
	return c && t->dial && t->dial->c == c && dial_answered(t, what, v, r->rsc, r->pc);
}

bool notify_answer(struct session *s, const struct notify_response *r)
{
	return ng.open && answer_rqi(s, NULL, r);
}
