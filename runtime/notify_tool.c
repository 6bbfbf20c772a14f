/*
 * notify_tool.c - the small containers of the notification engine: a chained hash of embedded
 * nodes, a ring of notices, texts that are also kept JSON-escaped, varints for what is stored.
 * Guarantees: every operation is O(1) amortised; hashes are seeded, names chosen by peers cannot
 * collide on purpose.  Never interprets what it holds.
 */
#include "notify_int.h"

#include <stdlib.h>

/* ---- hash ------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

uint64_t hash_bytes(struct str s)
{
	uint64_t h = 14695981039346656037u ^ ng.seed;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
	return mix(h);
}

uint64_t hash_int(uint64_t v)
{
	return mix(v ^ ng.seed);
}

static void map_grow(struct map *m)
{
	size_t cap = m->cap ? m->cap * 2 : 64;
	struct node **to = xcalloc(cap, sizeof(*to));

	for (size_t i = 0; i < m->cap; i++) {
		for (struct node *n = m->slot[i], *next; n; n = next) {
			next = n->next;
			n->next = to[n->hash & (cap - 1)];
			to[n->hash & (cap - 1)] = n;
		}
	}
	free(m->slot);
	m->slot = to;
	m->cap = cap;
}

void map_add(struct map *m, struct node *n, uint64_t hash)
{
	struct node **slot;

	if (m->n >= m->cap)
		map_grow(m);
	slot = &m->slot[hash & (m->cap - 1)];
	n->hash = hash;
	n->next = *slot;
	*slot = n;
	m->n++;
}

void map_del(struct map *m, struct node *n)
{
	struct node **at = &m->slot[n->hash & (m->cap - 1)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	if (--m->n == 0 && !ng.open)
		map_free(m);
}

struct node *map_next(const struct node *n)
{
	for (struct node *next = n->next; next; next = next->next) {
		if (next->hash == n->hash)
			return next;
	}
	return NULL;
}

struct node *map_first(const struct map *m, uint64_t hash)
{
	struct node *n = m->cap ? m->slot[hash & (m->cap - 1)] : NULL;

	if (!n || n->hash == hash)
		return n;
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

void map_free(struct map *m)
{
	free(m->slot);
	*m = (struct map){ NULL, 0, 0 };
}

/* ---- ring ------------------------------------------------------------------------------------ */

static void ring_grow(struct ring *r)
{
	size_t cap = r->cap ? r->cap * 2 : 2;
	struct notice *v = xmalloc(cap * sizeof(*v));

	for (size_t i = 0; i < r->n; i++)
		v[i] = *ring_at(r, i);
	free(r->v);
	r->v = v;
	r->cap = cap;
	r->head = 0;
}

void ring_push(struct ring *r, struct notice n)
{
	if (r->n == r->cap)
		ring_grow(r);
	r->n++;
	*ring_at(r, r->n - 1) = n;
}

void ring_unshift(struct ring *r, struct notice n)
{
	if (r->n == r->cap)
		ring_grow(r);
	r->head = (r->head - 1) & (r->cap - 1);
	r->n++;
	*ring_at(r, 0) = n;
}

/* Takes n entries off the front.  The memory of a large ring goes when it is empty. */
void ring_shift(struct ring *r, size_t n)
{
	r->n -= n;
	r->head = r->n ? (r->head + n) & (r->cap - 1) : 0;
	if (r->n == 0 && r->cap > 64)
		ring_free(r);
}

void ring_trim(struct ring *r)
{
	while (r->n && !ring_at(r, 0)->e)
		ring_shift(r, 1);
}

void ring_free(struct ring *r)
{
	free(r->v);
	*r = (struct ring){ NULL, 0, 0, 0 };
}

/* ---- texts and varints ----------------------------------------------------------------------- */

void text_set(struct text *t, struct str s)
{
	struct buf b = BUF_INIT;
	char *p;

	text_free(t);
	if (s.n == 0)
		s = STR("");
	buf_json(&b, s);
	if (b.n - 2 == s.n && memcmp(b.p + 1, s.p, s.n) == 0) {
		p = xstrndup(s.p, s.n);
		t->json = (struct str){ p, s.n };
	} else {
		p = xmalloc(s.n + 1 + b.n);
		memcpy(p, s.p, s.n);
		p[s.n] = '\0';
		memcpy(p + s.n + 1, b.p + 1, b.n - 2);
		t->json = (struct str){ p + s.n + 1, b.n - 2 };
	}
	t->raw = (struct str){ p, s.n };
	buf_free(&b);
}

void text_free(struct text *t)
{
	free((char *)t->raw.p);
	t->raw = t->json = STR_NONE;
}

void put_varint(struct buf *b, uint64_t v)
{
	for (; v > 127; v >>= 7)
		buf_char(b, (char)(v | 128));
	buf_char(b, (char)v);
}

void put_bytes(struct buf *b, struct str s)
{
	put_varint(b, s.n);
	buf_str(b, s);
}

bool get_varint(struct str *s, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64 && s->n; shift += 7) {
		unsigned char c = (unsigned char)*s->p++;

		s->n--;
		*v |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return true;
	}
	return false;
}

bool get_bytes(struct str *s, struct str *v)
{
	uint64_t n;

	if (!get_varint(s, &n) || n > s->n)
		return false;
	*v = (struct str){ s->p, (size_t)n };
	s->p += n;
	s->n -= (size_t)n;
	return true;
}
