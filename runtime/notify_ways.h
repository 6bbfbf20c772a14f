/*
 * notify_ways.h - the ways out of the notification engine, besides the connections of the targets:
 * URLs, connections that it dials, polling, single requests; and whose answer has come.
 */
#pragma once

#include <sys/queue.h>

#include "notify.h"
#include "notify_life.h"

struct notice;
struct route;
struct target;

/* ---- answers --------------------------------------------------------------------------------- */

bool answer_rqi(struct session *s, struct conn *c, const struct notify_response *r);
void answer_content(struct target *t, int64_t sub, struct str pc); /* of an answer to a notice */

/* ---- URLs ------------------------------------------------------------------------------------ */

void url_routes(struct target *t, const struct str *url, size_t n);
void url_own(struct target *t); /* of a target that is a URL; splits off ct */
void url_free(struct target *t);
void url_pump(struct target *t);
void url_tick(struct target *t, int64_t now);
void url_back_off(struct target *t); /* nothing leaves until retry_at */
void url_failed(struct target *t); /* this route: try the next one */
void url_lost(struct target *t, int code, const char *why); /* the same, and remembers why */
void url_answered(struct target *t); /* before url_done, when it was */
void url_done(struct target *t, int rsc); /* answered, or handed over (2000) */
void url_head(struct buf *out, struct str rqi, int ec, struct str type);
bool url_is(struct str key);
int url_rsc(const struct http_answer *a); /* X-M2M-RSC, or one made from the status */
bool url_says(const struct http_answer *a); /* it has a response status code */
bool url_retry(int status); /* worth another try */

struct dial {
	TAILQ_ENTRY(dial) on_dials;
	struct target *t; /* NULL: given up */
	struct conn *c;
	char *url;
	bool open, cbor;
	struct life life; /* from behind what was sent last */
	int64_t idle_at; /* us, monotonic: close then, if nothing is awaited */
	unsigned awaited; /* answers to single requests */
};
TAILQ_HEAD(dial_list, dial);
struct dial *dial_get(struct target *t, const struct route *r); /* NULL: cannot be dialled */
void dial_post(struct target *t); /* sends the notice in post when the connection is open */
bool dial_answered(struct target *t, char what, const uint64_t v[3], int rsc, struct str pc);
bool dial_drained(struct target *t); /* true: nothing more to look for */
bool dial_believed(struct target *t); /* no answer came: whether it may count as delivered */
void dial_rest(struct target *t, int64_t now); /* nothing is under way: close soon */
void dial_drop(struct target *t);
void dial_close_all(void);

/* ---- polling --------------------------------------------------------------------------------- */

void poll_on(struct target *t);
void poll_off(struct target *t);
void poll_kick(struct target *t); /* tells that there is something when that is wanted */
void poll_late(struct target *t); /* L_POLL: what was not answered goes back in front */

/* ---- asks ------------------------------------------------------------------------------------ */

bool ask_answer(struct session *s, struct conn *c, uint64_t no, const struct notify_response *r);
void ask_lost(struct target *t, struct session *s, struct conn *c); /* this way is gone */
void ask_routes(struct target *t); /* a way to it became known */
void ask_dialled(struct target *t, struct dial *d);
void ask_tick(int64_t now);
void ask_turn(void);
void ask_close(void);
bool ask_any(void);
