/*
 * identity_brake.c - the brake on guessing.  A bounded table of addresses that failed lately: when
 * it is full, of those that hash to the same place the one that matters least goes, never one that
 * is braked before one that is not.  What was right before is not stopped: others behind the same
 * address go on, but a wrong guess at their credential ends that.
 */
#include "identity_brake.h"

#include <arpa/inet.h>

#include "clock.h"
#include "limit.h"
#include "log.h"

#define PLACES 1024
#define WAYS 8 /* places that one address may take */
#define MINUTE INT64_C(60000000)
#define KNOWN_PLACES 4096

struct source { /* an address */
	unsigned char key[16];
	int64_t since; /* of the first failure of this minute; 0: the place is free */
	int64_t until; /* braked; 0: not */
	unsigned failures;
};

struct used { /* what was right from that address */
	unsigned char key[16];
	uint64_t what; /* 0: the place is free */
};

static struct source sources[PLACES];
static struct used used[KNOWN_PLACES];
static unsigned failures_max = 10;
static int64_t brake_us = MINUTE;
static unsigned braked_now; /* at most; lets the usual case pass quickly */

void brake_open(unsigned failures, double seconds)
{
	failures_max = failures ? failures : 10;
	brake_us = seconds > 0 ? (int64_t)(seconds * 1e6) : MINUTE;
}

void brake_close(void)
{
	memset(used, 0, sizeof(used));
	memset(sources, 0, sizeof(sources));
	braked_now = 0;
}

static void key_of(struct str address, unsigned char key[16])
{
	char text[64];
	size_t n = address.n < sizeof(text) ? address.n : sizeof(text) - 1;

	memset(key, 0, 16);
	memcpy(text, address.p ? address.p : "", n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, key + 12) == 1)
		key[11] = key[10] = 0xff;
	else if (inet_pton(AF_INET6, text, key) == 1)
		memset(key + 8, 0, 8); /* one subscriber has a /64 at least */
}

static size_t place_of(const unsigned char key[16], uint64_t more)
{
	uint64_t h = 14695981039346656037u ^ more;

	for (size_t k = 0; k < 16; k++)
		h = (h ^ key[k]) * 1099511628211u;
	return (size_t)(h ^ h >> 29);
}

static bool is_braked(const struct source *s, int64_t now)
{
	return s->until && s->until > now;
}

/* The place of that address; NULL when it has none and make is false. */
static struct source *source_of(const unsigned char key[16], bool make)
{
	size_t at = place_of(key, 0);
	struct source *least = NULL;
	int64_t now = clock_mono();

	for (size_t k = 0; k < WAYS; k++) {
		struct source *s = &sources[(at + k) % PLACES];

		if (s->since && memcmp(s->key, key, 16) == 0)
			return s;
		if (!least || (is_braked(least, now) && !is_braked(s, now)) ||
		    (is_braked(least, now) == is_braked(s, now) && s->since < least->since))
			least = s;
	}
	if (!make)
		return NULL;
	*least = (struct source){ .since = now ? now : 1 };
	memcpy(least->key, key, 16);
	return least;
}

bool identity_braked(struct str address)
{
	unsigned char key[16];
	struct source *s;

	if (!braked_now)
		return false;
	key_of(address, key);
	s = source_of(key, false);
	if (!s || !s->until)
		return false;
	if (is_braked(s, clock_mono()))
		return true;
	s->since = s->until = 0;
	s->failures = 0;
	braked_now--;
	return false;
}

unsigned identity_brake_left(struct str address)
{
	int64_t now = clock_mono();
	unsigned char key[16];
	struct source *s = NULL;

	if (braked_now) {
		key_of(address, key);
		s = source_of(key, false);
	}
	return s && is_braked(s, now) ? (unsigned)((s->until - now + 999999) / 1000000) : 1;
}

static struct used *used_of(const unsigned char key[16], uint64_t what)
{
	return &used[place_of(key, what * UINT64_C(0x9e3779b97f4a7c15)) % KNOWN_PLACES];
}

void brake_good(struct str address, uint64_t what)
{
	unsigned char key[16];
	struct used *u;

	key_of(address, key);
	u = used_of(key, what);
	u->what = what;
	memcpy(u->key, key, 16);
}

bool brake_knows(struct str address, uint64_t what)
{
	unsigned char key[16];
	const struct used *u;

	if (!what)
		return false;
	key_of(address, key);
	u = used_of(key, what);
	return u->what == what && memcmp(u->key, key, 16) == 0;
}

static void forget_use(const unsigned char key[16], uint64_t what)
{
	struct used *u = used_of(key, what);

	if (u->what == what && memcmp(u->key, key, 16) == 0)
		u->what = 0;
}

void brake_bad(struct str address, uint64_t what)
{
	int64_t now = clock_mono();
	unsigned char key[16];
	struct source *s;

	key_of(address, key);
	if (what)
		forget_use(key, what);
	s = source_of(key, true);
	if (now - s->since > MINUTE && !is_braked(s, now)) {
		s->since = now;
		s->failures = 0;
	}
	if (++s->failures < failures_max || is_braked(s, now))
		return;
	braked_now += s->until == 0;
	s->until = now + brake_us;
	s->failures = 0;
	limit_hit(LIMIT_FAILURES);
	log_warn("identity", "too many wrong credentials, refused for %g s address=%s",
		 (double)brake_us / 1e6, log_quote(address));
}
