/*
 * notify.h - the notification engine's hot path.  An event is formatted once; every target it
 * concerns gets a notice that refers to the shared body, and only the fields that differ (slots) are
 * spliced in where the frame is built, in the connection's `fill`.
 *
 * Guarantees: notices of one target leave in order of their ids (commit order); at least once, the
 * same rqi at each repeat; what is not acknowledged is in the store (row `ntf`), so it survives
 * kill -9; a target's queue is bounded by count, bytes and age, what is dropped is counted and the
 * target is told of the gap before anything else.  One target never delays another.
 *
 * A notice is in one state: queued -> sent -> acknowledged, or parked (target away, or its format
 * failed), or dropped with a reason.  Targets: an AE-ID stem ("Cpump1"), a URL, or the SP-relative
 * identifier of what another CSE hosts ("/other/Cpump1").
 */
#pragma once

#include "net.h"
#include "session.h"
#include "store.h"

struct notify_opts {
	struct net *net;
	struct store *store;
	struct str cse_id; /* "/moon": the notifications' originator */
	const char *rvi; /* "3" or as configured */
	unsigned window; /* outstanding per connection; 256 */
	unsigned max_count; /* kept per target; 10,000 */
	size_t max_bytes; /* 16 MiB per target */
	double max_age; /* s; 0: none */
	double answer_time; /* s to wait for an acknowledgement; 10 */
	double retry_min, retry_max; /* s; URL targets: 1 doubling to 60, with jitter */
};
bool notify_open(const struct notify_opts *o,
		 struct err *e) MUSTCHECK; /* rebuilds queues from the store */
void notify_close(void);
bool notify_drained(void); /* nothing is queued for a live connection, nothing unanswered */

/* Slots: texts that a body may contain inside JSON strings; replaced per target.  They carry a
 * nonce kept in the store, so content cannot imitate them. */
enum notify_slot { SLOT_SUR, SLOT_TO, SLOT_RQI, SLOT_CR, SLOTS };
struct str notify_slot_text(enum notify_slot s);

/* ---- audiences: the members of one class of subscriptions of one parent ----------------------- */

struct audience; /* reference counted; immutable once an event refers to it (copied on write) */
struct audience *audience_new(void);
void audience_unref(struct audience *a);
/* sur: the subscription's reference; cr: creator or empty.  One subscription may have many targets. */
void audience_add(struct audience *a, int64_t sub, struct str sur, struct str cr,
		  struct str target);
void audience_remove(struct audience *a, int64_t sub);
size_t audience_size(const struct audience *a);

/* ---- events ---------------------------------------------------------------------------------- */

enum notice_frame {
	FRAME_PRIMITIVE,
	FRAME_RAW
}; /* body is the pc of a NOTIFY, or the whole frame */

struct event_opts {
	enum notice_frame frame;
	bool binary; /* raw: opcode 2 */
	struct str type; /* media type over HTTP */
	int ec; /* event category or 0; 4: only the newest per subscription is kept */
	unsigned count; /* events of a lane that this one tells of again; 0: it is one itself */
	const char *
	    format_failed; /* not NULL: body is the event itself, parked under this format's name */
};
struct event;
struct event *event_new(struct audience *a, const struct event_opts *o, struct str body);
void event_store(struct event *e,
		 struct store_tx *tx); /* its rows, in the transaction of its cause */
void event_publish(struct event *e); /* committed: queue it; takes e over */
void event_abandon(struct event *e); /* the transaction failed; takes e over */

/* An event whose format failed is kept, parked, until its format can be tried again (notify_replay):
 * then it is handed to the hook, and given back by notify_reformat as it is now, formatted or
 * failed again; body p NULL: the format has nothing to send.  False: no such event is parked. */
void notify_on_reformat(void (*fn)(void *arg, int64_t id, struct str format, struct str body),
			void *arg);
bool notify_reformat(int64_t id, const struct event_opts *o, struct str body);

/* Told at the end of a turn of what was acknowledged or (raw, URL) handed over in it, in events:
 * expirationCounter, statistics.  A subscription is in the list once; the list is borrowed. */
struct notify_count {
	int64_t sub;
	unsigned n;
};
#define NOTIFY_COUNTS 256 /* in one list; more subscriptions make more lists */
void notify_on_delivered(void (*fn)(void *arg, const struct notify_count *list, size_t n),
			 void *arg);

/* The higher the priority of a subscription, the longer its notices stay when a target has no room
 * for more (notificationStoragePriority, TS-0001 9.6.8); 0 at first.  Known while it is in an
 * audience or has notices. */
void notify_priority(int64_t sub, unsigned priority);

/* Told when a target answered that verification failed (4101, 5205): the subscription may be
 * deleted (TS-0001 10.2.10.7).  The notice itself is done, counted as failed. */
void notify_on_refused(void (*fn)(void *arg, int64_t sub, struct str target, int rsc), void *arg);

/* Told when a target's answer to a notice has "trr": true in its content, by itself or in an m2m:sgn:
 * it wants to be told no more (TS-0001 10.2.10.8).  The notice itself is done as any other. */
void notify_on_leaving(void (*fn)(void *arg, int64_t sub, struct str target), void *arg);

/* ---- lanes ----------------------------------------------------------------------------------- */

/* A target whose key is "lane:<subscription id>:<target key>" holds notices back: it is never
 * connected and has no routes; its notices stay in the store, in order and bounded like those of
 * any target, until someone takes them.  Overflow and age are told to the target itself, as a gap. */

struct lane_item { /* borrowed during the call */
	int64_t id; /* ascending within a lane */
	int64_t et; /* us; STORE_NULL: never too old */
	int ec;
	bool raw, binary;
	struct str type; /* p NULL: none */
	struct str body; /* with its slots */
};
/* error NULL, or why nothing could be read. */
typedef void (*lane_read_cb)(void *arg, const struct lane_item *item, size_t n, const char *error);

#define LANE_READ_MAX 1024 /* notices of one read; and 4 MiB of bodies, or one notice */

size_t lane_waiting(struct str key);
/* When the oldest notice of a lane was made, in microseconds since 1970; 0: it holds none. */
int64_t lane_oldest(struct str key);
/* Up to n of its notices after id `after` (0: from the oldest), oldest first.  done is called once,
 * at once when there are none. */
void lane_read(struct str key, unsigned n, int64_t after, lane_read_cb done, void *arg);
/* All its notices up to id are done with this transaction, which stores what becomes of them;
 * lane_done follows when it has committed.  Nothing is to be done when it fails. */
void lane_store_done(struct str key, int64_t id, struct store_tx *tx);
void lane_done(struct str key, int64_t id);
enum lane_drop { LANE_ALL, LANE_BUT_NEWEST, LANE_THESE };
/* Drops them without a word to the target, counted under `reason` (a name of
 * moon2m_notices_dropped_total, else "policy"); id: n ids, LANE_THESE only.  Returns how many. */
size_t lane_drop(struct str key, enum lane_drop which, const int64_t *id, size_t n,
		 struct str reason);
/* The hook below is told of a lane once more, when n notices wait or if they do; 0: it is not. */
void lane_watch(struct str key, size_t n);
/* Told when a lane that was empty has a notice, and after a restart when it has some. */
void notify_on_lane(void (*fn)(void *arg, struct str key), void *arg);

/* ---- targets --------------------------------------------------------------------------------- */

/* Where an AE may be reached when it has no connection: its poa URLs in order (http, https, ws, wss;
 * "ws://default" is never dialled), CBOR to one that ends with "?ct=cbor" or "&ct=cbor".  n 0: kept
 * until it connects. */
void notify_target_routes(struct str target, const struct str *url, size_t n);
/* A target that is not of this CSE is SP-relative ("/other", "/other/Cpump1") and behind a CSE that
 * speaks for it: `via`, whose connection, or whose polling, is the target's too.  Told with the routes,
 * before them.  One notice at a time is under way to such a target; when that CSE answers 5103 or 4008
 * it is tried again later, as a URL is. */
void notify_target_via(struct str target, struct str via);
/* What such a target's CSE is shown as a bearer token over HTTP and when it is dialled; n 0: nothing. */
void notify_target_token(struct str target, struct str token);
void notify_reroute(void); /* the way to every such target is to be asked for anew */
/* Asked when a target has something waiting and its routes are unknown (after a restart). */
void notify_on_unknown_target(void (*fn)(void *arg, struct str target), void *arg);
void notify_forget_target(
    struct str target); /* AE deregistered: what is kept is dropped, counted */
/* latestNotify was set: of what waits for each of its targets, and is not under way, only the newest
 * is left, the others count as "replaced" (TS-0004 7.4.8.2.2).  Lanes: see lane_drop. */
void notify_keep_newest(int64_t sub);
void notify_forget_sub(int64_t sub); /* subscription deleted: its waiting notices are dropped */

/* A target whose only route is "pch:" fetches what is for it (TS-0001 10.2.5.12, pollingChannel),
 * whatever connection it has.  Up to max notices with ids <= upto are handed to fn, oldest first,
 * as the JSON text of a request; each is done when its answer comes and is handed out again, in
 * order, when none comes in `answer_time`.  Returns how many; *loading: some are being read.  When
 * there is none, notify_on_polled's function is called once as soon as there is one; max 0: not
 * wanted any more. */
typedef void (*notify_handed)(void *arg, struct str request);
size_t notify_poll(struct str target, unsigned max, int64_t upto, bool *loading, notify_handed fn,
		   void *arg);
int64_t notify_poll_last(struct str target); /* id of the newest notice there ever was, or 0 */
/* The target's answer to a request of notify_poll.  False: it belongs to none. */
bool notify_poll_answer(struct str target, struct str rqi, int rsc);
void notify_on_polled(void (*fn)(void *arg, struct str target), void *arg);

/* An answer from a client: matched by rqi.  True when it belonged to a notice or a request of ours. */
struct notify_response { /* borrowed */
	struct str rqi;
	int rsc;
	struct str pc; /* p NULL: none */
	struct str whole; /* the primitive's JSON text */
};
bool notify_answer(struct session *s, const struct notify_response *r);

/* One blocking request of the CSE's own (verification, NOTIFY to an AE, deletion notice): `pc` to the
 * target over its connection or routes.  done: rsc 0 when unreachable or not answered in `timeout`. */
typedef void (*notify_asked)(void *arg, int rsc, struct str pc);
void notify_ask(struct str target, struct str pc, int ec, double timeout, notify_asked done,
		void *arg);

/* A request of somebody else that is passed on to another CSE (TS-0004 7.3.2.6): over the connection
 * of the CSE that `key`, a CSE-ID, is behind, else its routes in order.  When its way breaks before
 * the answer it goes the next way only if it is `safe`: it may have been executed. */
struct pass {
	struct str key;
	struct str
	    frame; /* '{"op":2,"to":...': the primitive without rqi, pc and its closing brace */
	struct str pc; /* JSON text or p NULL */
	const char *method; /* over HTTP */
	struct str path; /* below the point of access, with the query; n 0: HTTP cannot carry it */
	struct str head; /* header lines without X-M2M-RI */
	struct str rqi; /* stands at the end of the one that is sent; no control characters */
	bool safe;
	double timeout; /* s */
};
enum pass_end {
	PASS_ANSWERED,
	PASS_UNREACHED, /* no way took it */
	PASS_BROKEN, /* it was sent, and the way broke */
	PASS_LATE
};
struct passed { /* borrowed */
	enum pass_end end;
	int rsc; /* answered: any positive number below 100,000 */
	struct str pc; /* JSON text or p NULL */
	struct str whole; /* the response primitive; over HTTP p NULL */
	struct str head; /* over HTTP: its header lines */
	bool unreadable; /* over HTTP: the content was no JSON */
};
typedef void (*notify_passed)(void *arg, const struct passed *a);
void notify_pass(const struct pass *p, notify_passed done, void *arg);

void notify_fill(struct session *s); /* from the connection's fill callback */

/* ---- what the operator sees ------------------------------------------------------------------ */

struct notify_filter { /* what is not given matches everything */
	struct str target; /* a key; its lanes too */
	int64_t sub; /* 0: any */
	struct str sur; /* the subscription's reference, or what follows its last slash */
};

struct notify_info { /* a notice that is not done */
	const char *state; /* "queued", "sent", "parked" (target away, format failed), "held" */
	struct str target, sur;
	int64_t sub, id;
	int64_t at; /* us, wall clock: when it came about; 0: not known */
	unsigned attempts; /* since the start */
	size_t bytes;
	int code; /* of the last fault of this subscription and target: rsc, HTTP status, or 0 */
	const char *error; /* its text, or NULL */
	int64_t error_at; /* us, wall clock */
};
/* Up to `limit` notices, those of a target oldest first. */
void notify_notices(const struct notify_filter *f, size_t limit,
		    void (*fn)(void *arg, const struct notify_info *i), void *arg);

struct notify_account { /* a subscription and one of its targets, since the start */
	const char *state; /* of the target: "connected", "polls", "dialled", "backs off", "away" */
	struct str target, sur;
	int64_t sub;
	uint64_t events, sent, acknowledged, answered, failed, dropped; /* in events */
	size_t queued, held; /* notices; held: of queued, in a lane */
	int64_t oldest; /* us, wall clock: when the oldest of them came about; 0: none, not known */
	int code; /* as above */
	const char *error;
	int64_t error_at;
};
void notify_accounts(const struct notify_filter *f, size_t limit,
		     void (*fn)(void *arg, const struct notify_account *a), void *arg);

/* Another try now for what is parked, not answered or backing off; returns how many notices. */
size_t notify_replay(const struct notify_filter *f);
/* Drops what waits and is not under way, told to its targets as a gap; returns how many notices.  A
 * parked event goes only when all that it concerns match. */
size_t notify_drop(const struct notify_filter *f);

struct notify_stats {
	uint64_t events, notices, sent, acknowledged, failed, dropped, requeued, released;
	size_t queued, parked, held, bytes, targets;
};
void notify_stats(struct notify_stats *out);
