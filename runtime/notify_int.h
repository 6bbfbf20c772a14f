/*
 * notify_int.h - what the files of the notification engine share, and nobody else includes.
 *
 *   notify_tool.c      hash, ring, varints
 *   notify_life.c      whether a peer has read what was written to it
 *   notify.c           start, stop, the turn of the loop, the slow tick, answers of the counters
 *   notify_event.c     bodies, their slots and forms, events from preparation to publication
 *   notify_audience.c  subscriptions, members, audiences and their text in the store
 *   notify_target.c    targets and their queues: order, bounds, gaps, what stays in memory
 *   notify_books.c     counters of targets and subscriptions, metrics
 *   notify_drop.c      what leaves a queue without being sent: room, age, forgotten, released
 *   notify_gap.c       what a target has lost, and how it is told
 *   notify_lane.c      targets that hold notices back until someone takes them
 *   notify_send.c      connected targets: frames, window, what was answered
 *   notify_answer.c    whose answer it is that has come
 *   notify_keep.c      the store: rows, cursors, gaps
 *   notify_restore.c   the store: start, bodies that come back
 *   notify_parked.c    events whose format failed
 *   notify_list.c      what the operator sees and asks for
 *   notify_url.c       targets reached by dialling: routes, POST, back-off
 *   notify_dial.c      WebSocket connections the engine opens itself
 *   notify_poll.c      targets that fetch what is for them: polling channels
 *   notify_ask.c       single requests that wait for their answer, and those of others
 *   notify_ways.h      what the ways out of the engine share
 *
 * Ownership: a notice in a queue holds its event and its member; a member holds its subscription
 * and its target; targets that nobody holds and that have nothing to do rest in L_IDLE and are
 * freed oldest first.
 */
#pragma once

#include <sys/queue.h>

#include "notify.h"
#include "notify_life.h"
#include "notify_tool.h"
#include "notify_ways.h"

#define SLOT_LEN 19 /* '~', 16 hex digits, a letter, '~' */
#define RQI_MAX 64
#define FLUSH_TIME 0.1 /* s from the first change to the transaction that saves it */
#define INLINE_MEMBERS 8 /* more members than this are stored once, as an audience row */
#define HOT_BYTES (256u * 1024) /* bodies one target holds in memory */
#define HOT_COUNT 1024u
#define FETCH_COUNT 64u /* bodies asked for at once */
#define FETCH_LOW 16u /* fewer in memory: ask for the next */
#define SPAN 4u /* windows between the oldest unanswered notice and the newest sent */
#define GAP_LIST 100u /* subscriptions named in one gap notice; the sum counts all */
#define IDLE_TARGETS 4096u
#define TOTAL_MAX 4000000u /* waiting notices of all targets together */
#define PARKED_MAX 10000u /* events whose format failed */
#define RESTING_MAX 65536u /* members kept for their counters */

/* ---- events ---------------------------------------------------------------------------------- */

enum seg_kind { SEG_TEXT = SLOTS, SEG_HEAD }; /* below: a slot */
struct seg {
	uint32_t off, len; /* SEG_TEXT: bytes of the text; SEG_HEAD: len of the fixed part */
	uint32_t kind;
	uint32_t run; /* SEG_HEAD: segments of the string whose length it states */
};
struct cut { /* a text split at its slots */
	struct str text;
	char *own; /* the text's memory or NULL when it is the event's body */
	size_t n, heads;
	unsigned slots; /* bit per slot that is there */
	struct seg seg[];
};
enum form { FORM_BODY, FORM_FRAME_CBOR, FORM_BODY_CBOR, FORMS };
struct forms {
	struct cut *cut[FORMS];
};

/* What events of one format have in common. */
struct kind {
	struct kind *next;
	size_t refs;
	enum notice_frame frame;
	bool binary;
	int ec;
	struct str type, failed; /* owned; failed: the format's name or p NULL */
	char *why; /* "format NAME failed" or NULL */
	struct str mid; /* "\"ec\":4,\"pc\":" */
};

struct aud { /* an audience row */
	int64_t id;
	size_t refs; /* its roster, and events that are in the store */
	bool stored; /* submitted and not known to have failed */
};

struct event {
	TAILQ_ENTRY(event) on_live; /* from event_store until the row is gone, id ascending */
	int64_t id; /* 0: not stored yet */
	int64_t et; /* us, of age_clock; STORE_NULL: none */
	int64_t at; /* us, wall clock: when it was stored */
	struct kind *kind;
	struct aud *aud;
	struct roster *roster; /* until published */
	char *body; /* NULL: only in the store */
	struct forms *forms; /* made when needed, gone with the body */
	uint32_t n; /* bytes of the body */
	uint32_t refs; /* notices, fetches, the publication */
	uint32_t hot; /* holders that will send it soon */
	uint32_t count; /* of event_opts */
	bool ready, abandoned, loading, lost;
	bool carries; /* rows of targets are in its transaction */
};
TAILQ_HEAD(event_list, event);

struct kind *kind_get(const struct event_opts *o);
void kind_unref(struct kind *k);
struct event *event_restore(int64_t id, int64_t et, const struct event_opts *o, size_t body_n);
static inline unsigned event_weight(const struct event *e)
{
	return e->count ? e->count : 1;
}
void event_unref(struct event *e);
void event_heat(struct event *e);
void event_cool(struct event *e); /* the last one releases the body */
void event_body(struct event *e, struct str body); /* it is back from the store */
void slots_init(uint64_t nonce);

/* A notice's frame or HTTP body as pieces in ng.piece, valid until the next call that makes any. */
struct notice;
bool notice_frame(const struct notice *n, enum session_serial serial, bool *binary) MUSTCHECK;
bool notice_body(const struct notice *n, bool cbor, struct buf *out) MUSTCHECK;
size_t notice_rqi(const struct notice *n, char out[RQI_MAX]);
/* A request of the engine's own as JSON text: pc is JSON. */
void frame_json(struct buf *out, const struct text *to, struct str rqi, int ec, struct str pc);

/* ---- subscriptions, members, audiences ------------------------------------------------------- */

/* What is counted; the first four: what became of a notice. */
enum tally { TALLY_SENT, TALLY_DONE, TALLY_FAILED, TALLY_DROPPED, F_EVENTS, F_WAITING, FIGURES };

struct sub {
	struct node by_id;
	int64_t id;
	size_t refs; /* members */
	struct text sur, cr;
	struct member *members;
	unsigned delivered; /* not yet told */
	unsigned priority; /* the higher the longer it is kept */
	uint64_t past[FIGURES]; /* of members that went */
	bool dead, telling;
	TAILQ_ENTRY(sub) on_told;
};
TAILQ_HEAD(sub_list, sub);

struct fault {
	int code; /* rsc, HTTP status, or 0 */
	int64_t at; /* us, wall clock */
	char text[];
};

struct member { /* a subscription's interest of one target */
	struct sub *sub;
	struct target *target;
	size_t refs; /* rosters, notices, the target's gap list */
	size_t waiting;
	uint64_t events, sent, done; /* counted in events, but for those a lane counted before */
	uint64_t latest; /* ec 4: place of the one that waits */
	bool has_latest, in_gap, resting;
	struct member *next; /* of the subscription */
	uint64_t answered, failed, dropped; /* in events */
	struct fault *fault; /* the last, or NULL */
	const struct roster *stamp; /* the roster it was last added to: finds repeats */
	uint64_t gap, gap_told; /* events dropped; told and not yet confirmed */
	TAILQ_ENTRY(member) on_gap;
	TAILQ_ENTRY(member) on_rest; /* nobody refers to it, its counters stay */
};
TAILQ_HEAD(member_list, member);

struct roster { /* the members; shared, copied on write */
	size_t refs, n, cap;
	struct aud *aud;
	enum { ROWS_NONE, ROWS_SUBMITTED, ROWS_SAVED } rows; /* of its targets and audience */
	struct member *m[];
};
struct audience {
	size_t refs;
	struct roster *roster;
};

struct member *member_get(int64_t sub, struct str sur, struct str cr, struct target *t);
void member_unref(struct member *m);
void member_figures(const struct member *m, uint64_t v[FIGURES]); /* adds them */
void members_free(void); /* those that rest */
void sub_forget(struct sub *s); /* its members that rest */
struct sub *sub_find(int64_t id);
void roster_unref(struct roster *r);
void aud_unref(struct aud *a);
void roster_pack(const struct roster *r, struct buf *out);
/* Calls fn for each member in text that roster_pack wrote; false when the text is damaged. */
bool roster_parse(struct str text,
		  void (*fn)(void *arg, int64_t sub, int64_t tgt, struct str sur, struct str cr),
		  void *arg) MUSTCHECK;

/* ---- targets --------------------------------------------------------------------------------- */

struct notice {
	struct event *e; /* NULL: done or dropped, the place is skipped */
	struct member *m;
	int64_t id; /* the event's */
	int64_t due : 54; /* sent: us, monotonic, when the answer is late; 0: raw, no answer */
	uint64_t tries : 10;
};
struct ring {
	struct notice *v;
	size_t cap, head, n; /* cap: a power of two */
};
static inline struct notice *ring_at(const struct ring *r, size_t i)
{
	return &r->v[(r->head + i) & (r->cap - 1)];
}
void ring_push(struct ring *r, struct notice n);
void ring_unshift(struct ring *r, struct notice n);
void ring_shift(struct ring *r, size_t n);
void ring_trim(struct ring *r); /* empty entries in front leave */
void ring_free(struct ring *r);

enum target_list_id {
	L_DIRTY, /* cursor or gap is to be saved */
	L_BUSY, /* something sent over its connection is not answered */
	L_RAW, /* something is done when its connection has drained, or shown that it lives */
	L_IDLE, /* nobody needs it */
	L_KICK, /* look at it at the end of the turn */
	L_STARVED, /* waits for a body that another one fetches, or for a read to be repeated */
	L_URL, /* a deadline of its route is running */
	L_KEPT, /* has notices (kept only with max_age) */
	L_SWEEP, /* holds notices of a subscription that died */
	L_LANE, /* a lane that has something, which is to be told */
	L_POLL, /* has handed out notices whose answers are awaited */
	L_REMOTE, /* is not of this CSE */
	LISTS
};
TAILQ_HEAD(target_list, target);

enum post_state { POST_NONE, POST_HTTP, POST_DIAL, POST_SENT };
enum scheme { SCHEME_HTTP, SCHEME_WS };
struct route {
	char *url;
	size_t base; /* of url: the point of access alone */
	enum scheme scheme;
	bool cbor;
};

struct open { /* a notice that is not done, below `torn` */
	int64_t id, sub;
};

struct target {
	/* What each notice looks at stands together: of thousands of targets none is in a cache. */
	uint16_t lists;
	bool gone; /* its AE is deregistered */
	bool gap_sent, gap_dirty, gap_saving, gap_unsaved; /* unsaved: what is to be told */
	unsigned unsaved; /* done since `saved` */
	struct link *link;
	struct target *real; /* a lane's target, held */
	struct ring q; /* waiting */
	size_t hot, hot_bytes, holes; /* of q: leading entries whose bodies are held; empty ones */
	size_t count, bytes; /* notices that are not done */
	int64_t last; /* newest id ever queued */
	uint64_t base; /* place of q's first */
	uint64_t gap, gap_told;
	struct {
		struct notice n;
		bool gap; /* instead of n: the notice of a gap */
		enum post_state state;
		size_t route;
		int64_t due;
	} post;
	struct ring fly; /* sent */
	unsigned raw_out; /* entries of fly that need no answer */
	uint64_t n[4]; /* notices by tally */
	int64_t id;
	size_t refs; /* members and what is under way for it */

	struct node by_key, by_id;
	TAILQ_ENTRY(target) on[LISTS];
	struct text to; /* the AE-ID, or the URL without ct */
	struct str key; /* as given */
	bool row; /* is in the store */
	bool url; /* the target is a URL */
	bool remote; /* is not of this CSE: its key is SP-relative */
	struct str via; /* remote: the CSE that it is behind, owned; n 0: not known */
	char *proof; /* remote: a header line with the credential for that CSE, or NULL */
	bool lane, lane_told;
	size_t watch; /* a lane: it is told again with so many notices; 0: it is not */
	int64_t taken; /* a lane: up to here a transaction is under way that releases them */
	TAILQ_ENTRY(target) on_lanes;
	struct target_list lanes; /* that hold back what is for this one */
	bool poll, wanted; /* it fetches what is for it; and does so now */

	struct ring late; /* sent and not answered in time */
	int64_t torn; /* newest that is done; above the cursor: although an older one is not */
	struct open *open; /* at start: which are not */
	size_t nopen;
	bool extra_row; /* gap and open notices are in the store */
	int64_t saved; /* cursor in the store */
	struct fetch *fetch;

	struct member_list gap_list;
	int64_t gap_mark; /* an answer to this id or a later one confirms the gap notice */
	unsigned gap_no;
	struct life gap_life; /* from behind the gap notice on its connection */

	TAILQ_ENTRY(target) on_link;

	struct route *routes;
	size_t nroutes;
	bool routes_known, routes_asked, routes_wanted;
	struct dial *dial;
	enum { ANSWERS_UNKNOWN, ANSWERS_NOT, ANSWERS } answers; /* a URL that is dialled */
	int64_t retry_at;
	unsigned fails;
};

struct link { /* a connection and the targets behind it */
	struct session *s;
	struct target_list targets;
	size_t out; /* sent and not answered */
	TAILQ_ENTRY(link) on_wanting;
	bool want; /* it is in ng.wanting, or its connection will fill */
	bool listed; /* in ng.wanting */
	bool starved; /* one of them has something and no room in the window */
	bool answers; /* it has answered something */
};
TAILQ_HEAD(link_list, link);

enum drop_reason {
	DROP_OVERFLOW,
	DROP_AGE,
	DROP_FORGOTTEN,
	DROP_REPLACED,
	DROP_LOST,
	DROP_POLICY,
	DROP_OPERATOR,
	DROPS
};
extern const char *const drop_name[DROPS];

struct target *target_get(struct str key); /* made when it is not there */
struct target *target_find(struct str key);
struct target *target_by_id(int64_t id);
struct target *target_restore(int64_t id, struct str key, int64_t acked);
void target_unref(struct target *t);
void target_free(struct target *t);
void target_rest(struct target *t); /* to L_IDLE when nobody needs it */
void target_list(struct target *t, enum target_list_id l);
void target_unlist(struct target *t, enum target_list_id l);
void target_push(struct target *t, struct event *e, struct member *m);
void target_requeue(struct target *t, struct notice n); /* in front; its state is counted on */
void target_hold_shift(struct target *t); /* q's first leaves; its body stays held by the caller */
struct notice *target_front(struct target *t); /* first that can be sent now, or NULL */
bool target_live(const struct target *t);
void target_warm(struct target *t);
void target_cool(struct target *t);
void target_kick(struct target *t);
int64_t target_cursor(const struct target *t);
bool target_unwanted(const struct target *t, const struct member *m); /* its notices are */
void notice_done(struct target *t, struct notice n); /* off the target's books, however it ended */
void notice_delivered(struct target *t, struct notice n);
void notice_dropped(struct target *t, struct notice n, enum drop_reason why, bool tell);

/* ---- targets of other CSEs ------------------------------------------------------------------- */

struct session *target_session(const struct target *t); /* that speaks for it, or NULL */
/* The next target behind `via` after t (NULL: the first), held; t is let go. */
struct target *remote_next(struct str via, struct target *t);
void remote_proof(const struct target *t,
		  struct buf *head); /* adds the credential that it is shown */
bool remote_waits(int rsc); /* the answer of the next CSE means: try again later */
/* Its notice was not taken: it waits in front, for a while. */
void remote_put_back(struct target *t, struct notice n, int code, const char *why);

/* ---- gaps ------------------------------------------------------------------------------------ */

void gap_count(struct target *t, struct member *m, unsigned events);
/* They were never in the queue: a gap. */
void target_lost(struct target *t, struct member *m, unsigned events);
void gap_saved(struct target *t, unsigned no);
void target_gap_clear(struct target *t); /* the notice of it has arrived */
enum gap_state { GAP_NONE, GAP_SAVING, GAP_DUE }; /* SAVING: the target is kicked when it is due */
enum gap_state gap_look(struct target *t); /* whether a gap goes before what waits */
void gap_frame(struct target *t, struct buf *out); /* a request's JSON text */
void gap_post(struct target *t, bool cbor, struct buf *rqi, struct buf *body); /* over HTTP */
void gap_sent(struct target *t); /* over a connection, or handed out */
void gap_take(struct target *t, struct buf *out); /* both */
bool gap_answered(struct target *t, uint64_t boot, uint64_t no);

/* ---- leaving the queue ----------------------------------------------------------------------- */

void queue_hole(struct target *t, size_t i); /* q's entry i leaves, its place stays */
void queue_shift(struct target *t);
void queue_tidy(struct target *t); /* q's first is a notice, or q is empty */
void drop_at(struct target *t, size_t i, enum drop_reason why);
/* False: all that waits matters more than what comes, which is to be dropped. */
bool drop_for_room(struct target *t, size_t bytes, unsigned priority) MUSTCHECK;
/* us: the wall clock of the start and the time since, so that a clock that is set ages nothing. */
int64_t age_clock(void);
bool drop_expired(const struct event *e, int64_t now);
/* Drops what waits in t and matches; returns how many. */
size_t drop_where(struct target *t, bool (*match)(const struct notice *n, void *arg), void *arg,
		  enum drop_reason why, bool tell);
/* Of what waits for m and is not under way the newest is left; the next of ec 4 replaces it. */
void target_keep_newest(struct target *t, struct member *m);
void target_sweep(struct target *t); /* takes out the notices of dead subscriptions */
void target_clear(struct target *t, enum drop_reason why);
bool target_expire(struct target *t); /* drops what is too old; true: something was */

/* ---- the books ------------------------------------------------------------------------------- */

void books_open(void); /* registers metrics */
void book_sent(struct notice *n); /* its frame or request left */
void book_failed(struct target *t, struct notice *n, int code, const char *why); /* for good */
void book_fault(struct member *m, int code, const char *why);
void book_dropped(struct target *t); /* a lane: for its target */
size_t held_now(void);
size_t parked_now(void);

/* ---- lanes ----------------------------------------------------------------------------------- */

void lane_link(struct target *t); /* finds its real target */
void lane_unlink(struct target *t);
void lane_links(void); /* after the targets are restored */
void lane_kick(struct target *t);
void lane_turn(void); /* tells of those that got something */
void lane_clear(struct target *real); /* its AE is gone */

/* ---- sending --------------------------------------------------------------------------------- */

void send_observe(void *arg, struct str id, struct session *s);
void send_attach(struct target *t, struct session *s);
void send_detach(struct target *t);
void send_again(struct target *t); /* what is not answered in time, at once */
void send_want(struct target *t);
void send_drained(struct target *t); /* L_RAW: hands over what has left */
void send_turn(void); /* connections that have something may fill */
void send_late(int64_t now); /* L_BUSY: answers that did not come */
bool send_left(const struct conn *c); /* the kernel has all that was sent */
bool send_json(struct conn *c, enum session_serial serial, struct buf *frame);
void notice_answered(struct target *t, struct notice n, int rsc); /* or an HTTP status */
/* An answer over the connection, to the notice of that subscription; false: none is awaited. */
bool send_answered(struct target *t, int64_t id, int64_t sub, int rsc, struct str pc);

/* ---- the store ------------------------------------------------------------------------------- */

void keep_flush(void); /* what is dirty, in one transaction */
void keep_soon(void); /* within FLUSH_TIME */
void keep_event_gone(int64_t id); /* its row is to be deleted */
void keep_aud_gone(int64_t id);
void keep_target_gone(int64_t id);
void keep_event(struct event *e, struct store_tx *tx);
void keep_published(struct event *e);
int64_t keep_id(void); /* the next id of a notice, target or audience */
void keep_open(void);
void keep_flush_all(void);
void keep_free(void);
void keep_cursor(struct target *t, int64_t cursor, struct store_tx *tx);
#define EXTRA_KEY 32
struct str extra_key(int64_t tgt, char out[EXTRA_KEY]);
bool extra_pack(const struct target *t, int64_t cursor, struct buf *out);
void keep_restore(void);
void keep_fetch(struct target *t);
void keep_fed(void); /* starved targets look again */

/* ---- events whose format failed -------------------------------------------------------------- */

void parked_add(struct event *e, struct roster *r); /* only its row stays */
void parked_age(void);
size_t parked_retry(const struct notify_filter *f); /* how many notices */
size_t parked_drop(const struct notify_filter *f);
/* Lists them; returns what is left of limit. */
size_t parked_list(const struct notify_filter *f, size_t limit,
		   void (*fn)(void *arg, const struct notify_info *i), void *arg);
void parked_free(void);
bool filter_member(const struct notify_filter *f, const struct member *m);

/* ---- the engine ------------------------------------------------------------------------------ */

enum count {
	C_EVENTS,
	C_NOTICES,
	C_SENT,
	C_ACKNOWLEDGED,
	C_FAILED,
	C_REQUEUED,
	C_RELEASED,
	C_UNANSWERED,
	C_GAPS,
	C_RETRIES,
	C_PASSED, /* and the three behind it: by enum pass_end */
	C_PASSED_UNREACHED,
	C_PASSED_BROKEN,
	C_PASSED_LATE,
	COUNTS
};

struct engine {
	bool open;
	unsigned generation; /* a callback of an earlier one does nothing */
	struct notify_opts o;
	struct str cse_id, head[3]; /* owned; head: the JSON frame's fixed text */
	double tick_time;
	uint64_t seed, boot;
	int64_t now; /* us, monotonic: when this fill began */
	int64_t wall; /* us: the wall clock at the start, less the monotonic one */
	unsigned gaps;
	uint64_t raw_sent;
	struct map targets, ids, subs;
	struct target_list list[LISTS];
	size_t idle, nresting;
	struct event_list live;
	struct link_list wanting; /* have something to send; told at the end of the turn */
	size_t nwanting;
	int64_t held; /* us, monotonic: since when they wait for more; 0: they do not */
	struct event *pending; /* of live: the oldest that is stored and not published */
	struct sub_list told;
	struct member_list resting;
	struct dial_list dials;
	struct net_timer *flush, *tick, *hold;
	bool ticking, soon, restoring; /* soon: the tick comes within a millisecond */
	bool priorities; /* some subscription has one */
	size_t total, bytes, parked, kept_bodies;
	uint64_t count[COUNTS], dropped[DROPS], past[FIGURES]; /* past: of subs that went */
	struct str *piece;
	size_t pieces, piece_cap;
	void (*on_delivered)(void *arg, const struct notify_count *list, size_t n);
	void *delivered_arg;
	void (*on_unknown)(void *arg, struct str target);
	void *unknown_arg;
	void (*on_polled)(void *arg, struct str target);
	void *polled_arg;
	void (*on_refused)(void *arg, int64_t sub, struct str target, int rsc);
	void *refused_arg;
	void (*on_leaving)(void *arg, int64_t sub, struct str target);
	void *leaving_arg;
	void (*on_lane)(void *arg, struct str key);
	void *lane_arg;
	void (*on_reformat)(void *arg, int64_t id, struct str format, struct str body);
	void *reformat_arg;
};
extern struct engine ng;

void tick_need(void); /* something has a deadline */
void tick_soon(void);
uint64_t random_u64(void);
