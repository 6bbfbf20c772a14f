/*
 * notify_parked.c - events whose format failed: only their rows stay, bounded in number, until the
 * format can be tried again.
 */
#include "notify_int.h"

#include <stdlib.h>

struct parked {
	int64_t id;
	size_t n;
	struct aud *aud;
};

static struct parked *parked;
static size_t parked_n, parked_head;

/* The oldest make room for the newest. */
void parked_add(int64_t id, size_t notices, struct aud *aud)
{
	if (parked_n == PARKED_MAX) {
		struct parked *old = &parked[parked_head];

		keep_event_gone(old->id);
		ng.parked -= old->n;
		ng.dropped[DROP_OVERFLOW] += old->n;
		if (old->aud)
			aud_unref(old->aud);
		parked_head = (parked_head + 1) % PARKED_MAX;
		parked_n--;
	}
	if (!parked)
		parked = xcalloc(PARKED_MAX, sizeof(*parked));
	parked[(parked_head + parked_n++) % PARKED_MAX] = (struct parked){ id, notices, aud };
	ng.parked += notices;
}

void parked_free(void)
{
	for (; parked_n; parked_n--) {
		if (parked[parked_head].aud)
			aud_unref(parked[parked_head].aud);
		parked_head = (parked_head + 1) % PARKED_MAX;
	}
	free(parked);
	parked = NULL;
	parked_head = 0;
}
