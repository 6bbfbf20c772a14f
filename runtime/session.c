/*
 * session.c - which connection speaks for which AE-ID.  One hash from AE-ID to binding; the
 * bindings of one connection are also a list of that connection.  Guarantees: an AE-ID has at most
 * one connection, and the observer hears of a loss before it hears of the next gain, so what was
 * in flight on the older connection is handed back before the newer one sends.  Never sends
 * anything but the close of a connection that was taken over.  Loop thread only.
 */
#include "session.h"

#include <stdlib.h>

#include "log.h"

#define IDS_MAX 1024 /* AE-IDs of one connection */

struct binding {
	struct binding *chain; /* same slot of the hash */
	struct binding *next; /* same session */
	struct session *session;
	uint64_t hash;
	size_t n;
	char aei[];
};

struct session {
	struct conn *conn;
	enum session_serial serial;
	void *user; /* the observer's */
	struct binding *bindings;
	size_t count;
	bool over; /* taken over: being closed, binds nothing any more */
};

static struct binding **slots;
static size_t nslots, nbindings, nbound;
static void (*observer)(void *arg, struct str aei, struct session *s);
static void *observer_arg;

static uint64_t hash_of(struct str s)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
	return h ^ h >> 32;
}

static void grow(void)
{
	size_t n = nslots ? nslots * 2 : 64;
	struct binding **to = xcalloc(n, sizeof(*to));

	for (size_t i = 0; i < nslots; i++) {
		for (struct binding *b = slots[i], *chain; b; b = chain) {
			chain = b->chain;
			b->chain = to[b->hash & (n - 1)];
			to[b->hash & (n - 1)] = b;
		}
	}
	free(slots);
	slots = to;
	nslots = n;
}

static struct binding *find(struct str aei)
{
	uint64_t h = hash_of(aei);

	if (!nslots)
		return NULL;
	for (struct binding *b = slots[h & (nslots - 1)]; b; b = b->chain) {
		if (b->hash == h && str_eq((struct str){ b->aei, b->n }, aei))
			return b;
	}
	return NULL;
}

static void tell(struct str aei, struct session *s)
{
	if (observer)
		observer(observer_arg, aei, s);
}

/* Takes b out of the hash and its session's list, tells the observer, frees it. */
static void drop(struct binding *b)
{
	struct session *s = b->session;
	struct binding **at = &slots[b->hash & (nslots - 1)];

	while (*at != b)
		at = &(*at)->chain;
	*at = b->chain;
	for (at = &s->bindings; *at != b;)
		at = &(*at)->next;
	*at = b->next;
	nbindings--;
	if (--s->count == 0)
		nbound--;
	tell((struct str){ b->aei, b->n }, NULL);
	free(b);
	if (nbindings == 0) {
		free(slots);
		slots = NULL;
		nslots = 0;
	}
}

struct session *session_open(struct conn *c, enum session_serial serial)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->conn = c;
	s->serial = serial;
	return s;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	while (s->bindings)
		drop(s->bindings);
	free(s);
}

static void take_over(struct binding *b)
{
	struct session *old = b->session;

	log_info("session", "taken over aei=%s", log_quote((struct str){ b->aei, b->n }));
	drop(b);
	if (old->count == 0) {
		old->over = true;
		conn_close(old->conn, 1000, "taken over by a newer connection");
	}
}

static struct binding *binding_new(struct session *s, struct str aei)
{
	struct binding *b = xmalloc(sizeof(*b) + aei.n + 1);

	b->session = s;
	b->hash = hash_of(aei);
	b->n = aei.n;
	memcpy(b->aei, aei.p, aei.n);
	b->aei[aei.n] = '\0';
	return b;
}

static void insert(struct binding *b)
{
	struct session *s = b->session;
	struct binding **slot;

	if (nbindings >= nslots)
		grow();
	slot = &slots[b->hash & (nslots - 1)];
	b->chain = *slot;
	*slot = b;
	b->next = s->bindings;
	s->bindings = b;
	nbindings++;
	if (s->count++ == 0)
		nbound++;
}

bool session_bind(struct session *s, struct str aei)
{
	struct binding *old = find(aei), *b;

	if (s->over || aei.n == 0 || (old && old->session == s))
		return false;
	if (s->count >= IDS_MAX) {
		log_warn("session", "too many AE-IDs on one connection aei=%s limit=%d",
			 log_quote(aei), IDS_MAX);
		return false;
	}
	b = binding_new(s, aei); /* copied first: aei may be the older binding's text */
	if (old)
		take_over(old);
	insert(b);
	conn_identified(s->conn);
	tell((struct str){ b->aei, b->n }, s);
	return true;
}

void session_unbind(struct str aei)
{
	struct binding *b = find(aei);

	if (b)
		drop(b);
}

bool session_has(const struct session *s, struct str aei)
{
	const struct binding *b = find(aei);

	return b && b->session == s;
}

struct str session_only(const struct session *s)
{
	if (s->count != 1)
		return STR_NONE;
	return (struct str){ s->bindings->aei, s->bindings->n };
}

struct session *session_of(struct str aei)
{
	const struct binding *b = find(aei);

	return b ? b->session : NULL;
}

struct conn *session_conn(const struct session *s)
{
	return s->conn;
}

enum session_serial session_serial(const struct session *s)
{
	return s->serial;
}

void session_set_user(struct session *s, void *user)
{
	s->user = user;
}

void *session_user(const struct session *s)
{
	return s->user;
}

size_t session_count(void)
{
	return nbound;
}

void session_observe(void (*fn)(void *arg, struct str aei, struct session *s), void *arg)
{
	observer = fn;
	observer_arg = arg;
}
