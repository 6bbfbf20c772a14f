/*
 * primitive.c - the table of requests in flight.  A primitive gets an id of slot and generation,
 * goes to Lua as a task of the entry "request", and is answered exactly once: by Lua, by the timer
 * when its time is over (4008), or with 5000 when its task failed or ended without an answer.
 * Never frees a primitive while its task may still log under its rqi; never waits.  Loop thread
 * only.
 */
#include "primitive.h"

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "clock.h"
#include "limit.h"
#include "log.h"
#include "metrics.h"
#include "net.h"
#include "task.h"
#include "vm.h"

#define FLIGHTS_MAX 65536 /* in flight in all; the slot number has 20 bits of the id */
#define SLOT_BITS 20
#define RQET_MAX (INT64_C(24) * 3600 * 1000000) /* us a request may wait, whatever rqet says */
#define SECONDS_DEFAULT 30.0

struct flight {
	struct primitive p; /* first: primitive_submit gets the flight from it */
	primitive_reply reply;
	void *arg;
	int64_t started, deadline; /* us, monotonic */
	bool by_rqet; /* the deadline is the originator's */
	size_t heap_at;
	struct flight *next, **link; /* of those whose task goes on after the answer */
	bool answered, ended; /* freed when its answer went out and its task is over */
};

static struct {
	struct flight *f; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* slot + 1 */
} * slots;
unsigned primitive_limit = 16384;
static size_t nslots, nflights;
static struct flight *lingering; /* answered, task not over: found here, not leaked, at exit */
static uint32_t free_slot; /* slot + 1; 0: none */
static struct flight **heap; /* by deadline, the earliest first */
static struct net_timer *timer;
static int64_t armed; /* when the timer fires; 0: stopped */
static int64_t default_us = (int64_t)(SECONDS_DEFAULT * 1e6);

/* ---- metrics --------------------------------------------------------------------------------- */

static double read_count(void *arg)
{
	(void)arg;
	return (double)nflights;
}

static struct metric seconds = {
	.name = "moon2m_request_seconds",
	.help = "Time from a request's arrival to its answer.",
	.kind = METRIC_HISTOGRAM,
};
static struct metric in_flight = {
	.name = "moon2m_requests_in_flight",
	.help = "Requests that wait for their answer.",
	.kind = METRIC_GAUGE,
	.read = read_count,
};

static const char *op_name(int op)
{
	static const char *const name[] = { "unknown", "create", "retrieve",
					    "update",  "delete", "notify" };

	return name[op >= OP_CREATE && op <= OP_NOTIFY ? op : 0];
}

/* The counter of (op, rsc); the small cache saves the search by label on each request. */
static struct metric *counter(int op, int rsc)
{
	static struct {
		int op, rsc;
		struct metric *m;
	} cache[128];
	size_t i = ((unsigned)rsc * 7u + (unsigned)op) % countof(cache);
	char labels[64];

	if (cache[i].m && cache[i].op == op && cache[i].rsc == rsc)
		return cache[i].m;
	snprintf(labels, sizeof(labels), "op=\"%s\",rsc=\"%d\"", op_name(op), rsc);
	cache[i].op = op;
	cache[i].rsc = rsc;
	cache[i].m = metric_labelled("moon2m_requests_total", "Requests answered.", METRIC_COUNTER,
				     labels, 256);
	return cache[i].m;
}

/* ---- heap of deadlines ----------------------------------------------------------------------- */

static void heap_put(size_t i, struct flight *f)
{
	heap[i] = f;
	f->heap_at = i;
}

static void heap_up(size_t i)
{
	struct flight *f = heap[i];

	while (i > 0 && heap[(i - 1) / 2]->deadline > f->deadline) {
		heap_put(i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(i, f);
}

static void heap_down(size_t i)
{
	struct flight *f = heap[i];

	for (size_t child; (child = 2 * i + 1) < nflights; i = child) {
		if (child + 1 < nflights && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (heap[child]->deadline >= f->deadline)
			break;
		heap_put(i, heap[child]);
	}
	heap_put(i, f);
}

/* Of nflights members before the call, f goes. */
static void heap_remove(struct flight *f)
{
	size_t i = f->heap_at;
	struct flight *last = heap[--nflights];

	if (last == f)
		return;
	heap_put(i, last);
	heap_down(i);
	heap_up(last->heap_at);
}

static void arm(void)
{
	int64_t now = clock_mono(), first = nflights ? heap[0]->deadline : 0;

	if (!first || (armed && armed <= first))
		return;
	armed = first;
	net_timer_start(timer, first > now ? (double)(first - now) / 1e6 : 0);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void grow(void)
{
	size_t n = nslots ? nslots * 2 : 64;

	slots = xrealloc(slots, n * sizeof(*slots));
	heap = xrealloc(heap, n * sizeof(struct flight *));
	for (size_t i = n; i-- > nslots;) {
		slots[i].f = NULL;
		slots[i].generation = 1;
		slots[i].next_free = free_slot;
		free_slot = (uint32_t)i + 1;
	}
	nslots = n;
}

static void enter(struct flight *f)
{
	size_t i;

	if (!free_slot)
		grow();
	i = free_slot - 1;
	free_slot = slots[i].next_free;
	slots[i].f = f;
	f->p.id = (uint64_t)slots[i].generation << SLOT_BITS | i;
	heap_put(nflights++, f);
	heap_up(nflights - 1);
}

static struct flight *find(uint64_t id)
{
	size_t i = id & ((1u << SLOT_BITS) - 1);

	if (i >= nslots || slots[i].generation != id >> SLOT_BITS)
		return NULL;
	return slots[i].f;
}

static void leave(struct flight *f)
{
	size_t i = f->p.id & ((1u << SLOT_BITS) - 1);

	heap_remove(f);
	slots[i].f = NULL;
	slots[i].generation++;
	slots[i].next_free = free_slot;
	free_slot = (uint32_t)i + 1;
}

static void release(struct flight *f)
{
	if (f->answered && f->ended) {
		if (f->link) {
			*f->link = f->next;
			if (f->next)
				f->next->link = f->link;
		}
		arena_free(f->p.arena);
	} else if (f->answered) {
		f->next = lingering;
		f->link = &lingering;
		if (f->next)
			f->next->link = &f->next;
		lingering = f;
	}
}

/* Answers f, which is in no table any more. */
static void answer(struct flight *f, const struct answer *a)
{
	metric_add(counter(f->p.op, a->rsc), 1);
	metric_observe(&seconds, (double)(clock_mono() - f->started) / 1e6);
	f->reply(f->arg, &f->p, a);
	f->answered = true;
	release(f);
}

static void answer_error(struct flight *f, int rsc, struct str text)
{
	struct buf pc = BUF_INIT;

	buf_str(&pc, STR("{\"m2m:dbg\":"));
	buf_json(&pc, text);
	buf_char(&pc, '}');
	answer(f, &(struct answer){ .rsc = rsc, .pc = buf_view(&pc) });
	buf_free(&pc);
}

static void expire(void *arg)
{
	int64_t now = clock_mono();

	(void)arg;
	armed = 0;
	while (nflights && heap[0]->deadline <= now) {
		struct flight *f = heap[0];

		leave(f);
		log_warn("primitive", "expired rqi=%s to=%s by=%s", log_quote(f->p.rqi),
			 log_quote(f->p.to), f->by_rqet ? "rqet" : "default");
		answer_error(f, RSC_REQUEST_TIMEOUT,
			     f->by_rqet ? STR("rqet: the request expired before it was answered")
					: STR("no answer in time"));
	}
	arm();
}

/* TS-0004 6.3.3 absRelTimestamp: a timestamp, or milliseconds from now.  7.3.2.1: past is 4008. */
static bool set_deadline(struct flight *f, struct err *e)
{
	struct str s = f->p.rqet;
	int64_t stamp, wait = default_us;
	uint64_t ms;

	f->by_rqet = s.p != NULL;
	if (s.p) {
		if (str_u64(s, &ms))
			wait = ms < (uint64_t)RQET_MAX / 1000 ? (int64_t)ms * 1000 : RQET_MAX;
		else if (clock_parse_stamp(s, &stamp))
			wait = stamp - clock_wall();
		else
			return err_code(e, RSC_BAD_REQUEST,
					"rqet: expected YYYYMMDDThhmmss or milliseconds, got %s",
					log_quote(s));
		if (wait <= 0)
			return err_code(e, RSC_REQUEST_TIMEOUT, "rqet: the request has expired");
	}
	f->deadline = f->started + (wait < RQET_MAX ? wait : RQET_MAX);
	return true;
}

/* ---- hand to Lua ----------------------------------------------------------------------------- */

static void set_field(lua_State *L, const char *name, struct str s)
{
	if (!s.p)
		return;
	vm_push_str(L, s);
	lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int v)
{
	lua_pushinteger(L, v);
	lua_setfield(L, -2, name);
}

static int push_request(lua_State *L, void *arg)
{
	static const char *const via[] = { "http", "ws", "script" };
	const struct primitive *p = arg;

	lua_pushnumber(L, (lua_Number)p->id);
	lua_createtable(L, 0, 16);
	set_number(L, "op", p->op);
	if (p->ty)
		set_number(L, "ty", p->ty);
	set_field(L, "to", p->to);
	set_field(L, "fr", p->fr);
	set_field(L, "rqi", p->rqi);
	set_field(L, "rvi", p->rvi);
	set_field(L, "pc", p->pc);
	set_field(L, "query", p->query);
	set_field(L, "fields", p->fields);
	set_field(L, "rqet", p->rqet);
	set_field(L, "rset", p->rset);
	set_field(L, "oet", p->oet);
	set_field(L, "ot", p->ot);
	set_field(L, "ec", p->ec);
	set_field(L, "gid", p->gid);
	set_field(L, "vsi", p->vsi);
	set_field(L, "rtu", p->rtu);
	set_field(L, "peer", p->peer);
	set_field(L, "host", p->host);
	set_field(L, "credential", p->credential);
	if (p->authenticated) {
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "authenticated");
	}
	if (p->known.n)
		set_field(L, "known", p->known);
	if (p->format.n)
		set_field(L, "format", p->format);
	set_field(L, "via", str_of(via[p->via]));
	return 2;
}

/* The task of f is over.  Whatever it did, its request gets an answer. */
static void task_over(void *arg, bool ok, struct str error)
{
	struct flight *f = arg;

	if (!ok || !f->answered)
		log_error("primitive", "request failed rqi=%s to=%s error=%s", log_quote(f->p.rqi),
			  log_quote(f->p.to),
			  log_quote(ok ? STR("the handler ended without an answer") : error));
	f->ended = true;
	if (f->answered) {
		release(f);
		return;
	}
	leave(f);
	answer_error(f, RSC_INTERNAL_SERVER_ERROR, STR("internal error"));
}

/* ---- public ---------------------------------------------------------------------------------- */

void primitive_open(struct net *n, double limit)
{
	default_us = (int64_t)((limit > 0 ? limit : SECONDS_DEFAULT) * 1e6);
	if (timer)
		return;
	timer = net_timer_new(n, expire, NULL);
	if (!seconds.buckets) {
		metric_register(&seconds);
		metric_register(&in_flight);
	}
}

void primitive_close(void)
{
	while (nflights) {
		struct flight *f = heap[nflights - 1];

		leave(f);
		answer_error(f, RSC_INTERNAL_SERVER_ERROR, STR("the server is shutting down"));
	}
	if (timer)
		net_timer_free(timer);
	timer = NULL;
	armed = 0;
	free(slots);
	free(heap);
	slots = NULL;
	heap = NULL;
	nslots = 0;
	free_slot = 0;
}

struct primitive *primitive_new(enum primitive_via via)
{
	struct arena *a = arena_new();
	struct flight *f = arena_alloc(a, sizeof(*f));

	memset(f, 0, sizeof(*f));
	f->p.arena = a;
	f->p.via = via;
	f->started = clock_mono();
	return &f->p;
}

void primitive_free(struct primitive *p)
{
	if (p)
		arena_free(p->arena);
}

void primitive_submit(struct primitive *p, primitive_reply reply, void *arg)
{
	struct flight *f = container_of(p, struct flight, p);
	struct err e;

	if (primitive_full()) {
		err_code(&e, RSC_INTERNAL_SERVER_ERROR,
			 "too many requests in flight: %zu are waiting (limits.requests)",
			 nflights);
		primitive_refuse(p, &e, reply, arg);
		return;
	}
	if (!set_deadline(f, &e)) {
		primitive_refuse(p, &e, reply, arg);
		return;
	}
	f->reply = reply;
	f->arg = arg;
	enter(f);
	arm();
	task_start("request", push_request, p, task_over, f);
}

void primitive_refuse(struct primitive *p, const struct err *e, primitive_reply reply, void *arg)
{
	struct flight *f = container_of(p, struct flight, p);

	f->reply = reply;
	f->arg = arg;
	f->ended = true;
	log_debug("primitive", "refused rqi=%s rsc=%d reason=%s", log_quote(p->rqi), e->code,
		  log_quote(str_of(e->msg)));
	answer_error(f, e->code, str_of(e->msg));
}

bool primitive_answer(uint64_t id, const struct answer *a)
{
	struct flight *f = find(id);

	if (!f)
		return false;
	leave(f);
	answer(f, a);
	return true;
}

bool primitive_full(void)
{
	bool full = nflights >= primitive_limit || nflights >= FLIGHTS_MAX;

	if (full)
		limit_hit(LIMIT_REQUESTS);
	return full;
}

size_t primitive_count(void)
{
	return nflights;
}
