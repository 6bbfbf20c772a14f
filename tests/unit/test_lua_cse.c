/*
 * Unit tests of module "moon2m.core.cse" in the real Lua state with real tasks and primitives; net
 * and notify are stand-ins.  A request's `to` names the function of the boot module that handles it.
 */
#include "lua_cse.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "embed.h"
#include "guard.h"
#include "log.h"
#include "lua_notices.h"
#include "metrics.h"
#include "net.h"
#include "notify.h"
#include "primitive.h"
#include "task.h"
#include "vm.h"

static const char boot[] =
    "local cse = require 'moon2m.core.cse'\n"
    "local b, to = {}, {}\n"
    "function b.request(id, req) return to[req.to](id, req) end\n"
    "function b.delivered(list) note('delivered ' .. table.concat(list, ' ')) end\n"
    "function b.unknown_target(t) note('unknown ' .. t) cse.routes(t, { 'http://a', 'ws://b' }) "
    "cse.routes('/o/Ca', { 'http://a', 'ws://b' }, '/o') cse.reroute() end\n"
    "function b.polled(t)\n"
    "  local list, loading = cse.poll(t, 2, 9)\n"
    "  local function answer(rsc) return tostring(cse.poll_answer(t, 'n1.2.3', rsc)) end\n"
    "  note(table.concat({ 'polled', t, list[1], list[2], tostring(loading), cse.poll_last(t),\n"
    "    answer(2000), answer(4000) }, ' '))\n"
    "end\n"
    "function to.echo(id, req)\n"
    "  cse.reply(id, 2000, req.pc, { cnst = 1, vsi = req.via, service = 'ws://x' })\n"
    "end\n"
    "function to.twice(id)\n"
    "  note(tostring(cse.reply(id, 2004)))\n"
    "  note(tostring(cse.reply(id, 2004)))\n"
    "end\n"
    "function to.submit(id, req)\n"
    "  local rsc, pc, extra = cse.submit({ op = 2, to = 'echo', rqi = 'in', pc = req.pc })\n"
    "  cse.reply(id, rsc, pc, extra)\n"
    "end\n"
    "function to.ask(id, req)\n"
    "  local rsc, pc = cse.ask('Ca', '{\"q\":1}', nil, 5)\n"
    "  cse.reply(id, 2000, string.format('{\"rsc\":%d,\"pc\":%s}', rsc, pc or 'null'))\n"
    "end\n"
    "function to.pass(id, req)\n"
    "  local how, rsc, pc = cse.pass('/b', { op = 3, frame = 'f', path = '/p', head = 'h',\n"
    "    rqi = 'r', pc = '{}', safe = true, seconds = 5 })\n"
    "  cse.reply(id, 2000, string.format('{\"how\":\"%s\"}', how))\n"
    "end\n"
    "function to.bad(id, req)\n"
    "  local function refused(f, ...)\n"
    "    local ok, why = pcall(f, ...)\n"
    "    note(ok and 'accepted' or why:match('[^:]*$'))\n"
    "  end\n"
    "  refused(cse.reply, id, 1)\n"
    "  refused(cse.reply, -1, 2000)\n"
    "  refused(cse.submit, { op = 6, to = 'a', rqi = 'b' })\n"
    "  refused(cse.submit, { op = 2, to = 'a' })\n"
    "  refused(cse.listen, { port = 70000 })\n"
    "  refused(cse.listen, { port = true })\n"
    "  refused(cse.refuse, 1, 5)\n"
    "  refused(cse.event, {}, {}, '')\n"
    "  refused(cse.slot, 'x')\n"
    "  cse.reply(id, 2000)\n"
    "end\n"
    "function to.events(id)\n"
    "  local a = cse.audience()\n"
    "  a:add(7, '/moon/1k', nil, 'Ca')\n"
    "  a:add(8, '/moon/1m', 'Cx', 'http://h')\n"
    "  a:remove(8)\n"
    "  note('size ' .. a:size() .. ' ' .. cse.slot('rqi'))\n"
    "  local ev = cse.event(a, { frame = 'raw', binary = true, type = 'text/csv', ec = 4 }, 'x,y')\n"
    "  local other = cse.event(a, { format_failed = 'senml' }, '{}')\n"
    "  cse.publish(ev)\n"
    "  note(tostring(pcall(cse.publish, ev)))\n"
    "  cse.abandon(other)\n"
    "  cse.abandon(other)\n"
    "  cse.event(a, {}, 'lost')\n"
    "  ev, other, a = nil, nil, nil\n"
    "  collectgarbage() collectgarbage()\n"
    "  cse.priority(7, 3) cse.forget_sub(7) cse.forget_target('Ca')\n"
    "  cse.reply(id, 2000)\n"
    "end\n"
    "function to.rest(id)\n"
    "  note('port ' .. cse.listen({ host = '::1', port = 5, ws = false }))\n"
    "  note(select(2, cse.listen({ port = 6 })))\n"
    "  cse.configure({ rvi = '4', origins = { 'https://a' }, admin_port = 7, request_time = 2 })\n"
    "  note(tostring(cse.bind(99, 'Ca')) .. tostring(cse.refuse(99, 1008, 'no')))\n"
    "  note(tostring(cse.connected('Ca')))\n"
    "  cse.unbind('Ca')\n"
    "  local s = cse.stats()\n"
    "  note('requests ' .. s.requests .. ' tasks ' .. s.tasks .. ' queued ' .. s.queued)\n"
    "  cse.reply(id, 2000)\n"
    "end\n"
    "return b\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot, sizeof(boot) - 1 },
	{ NULL, NULL, NULL, 0 },
};

static char notes[2048]; /* what Lua and the stand-ins noted, one a line */

static void note(const char *fmt, ...)
{
	size_t n = strlen(notes);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(notes + n, sizeof(notes) - n - 1, fmt, ap);
	va_end(ap);
	strcat(notes, "\n");
}

/* ---- net ------------------------------------------------------------------------------------- */

static struct net *const some_net = (struct net *)notes;
static struct net_counts counts = { .http = 3 };
static double timer_seconds;

struct net_timer *net_timer_new(struct net *n, void (*fn)(void *arg), void *arg)
{
	(void)n;
	(void)fn;
	(void)arg;
	return (struct net_timer *)notes;
}

void net_timer_start(struct net_timer *t, double seconds)
{
	(void)t;
	timer_seconds = seconds;
}

void net_timer_free(struct net_timer *t)
{
	(void)t;
}

const struct net_counts *net_counts(const struct net *n)
{
	assert_ptr_equal(n, some_net);
	return &counts;
}

int net_listen(struct net *n, const struct net_listen *l, const struct net_handlers *h,
	       struct err *e)
{
	assert_ptr_equal(n, some_net);
	assert_non_null(h->http->request);
	assert_non_null(h->ws->message);
	if (l->port == 6) {
		err_set(e, "port 6 is taken");
		return -1;
	}
	note("listen %s %d %d %d", l->host, l->port, l->http, l->ws);
	return 4711;
}

struct str http_header(const struct http_req *r, const char *name)
{
	(void)r;
	(void)name;
	return STR_NONE;
}

void http_reply(struct http_req *r, int status, struct str head, struct str body)
{
	(void)r;
	(void)head;
	(void)body;
	note("http %d", status);
}

bool conn_frame(struct conn *c, bool binary, const struct str *piece, size_t n)
{
	(void)c;
	(void)binary;
	(void)piece;
	return n > 0;
}

void conn_close(struct conn *c, int code, const char *reason)
{
	(void)c;
	note("close %d %s", code, reason);
}

void conn_identified(struct conn *c)
{
	(void)c;
}

void conn_set_user(struct conn *c, void *user)
{
	(void)c;
	(void)user;
}

void *conn_user(const struct conn *c)
{
	(void)c;
	return NULL;
}

struct str conn_peer(const struct conn *c)
{
	(void)c;
	return STR("");
}

uint64_t conn_id(const struct conn *c)
{
	(void)c;
	return 1;
}

size_t conn_queued(const struct conn *c)
{
	(void)c;
	return 0;
}

/* ---- notify ---------------------------------------------------------------------------------- */

struct audience {
	size_t n;
};
struct event {
	char body[16];
};

static void (*tell_delivered)(void *arg, const struct notify_count *list, size_t n);
static void (*tell_unknown)(void *arg, struct str target);
static void (*tell_polled)(void *arg, struct str target);
static notify_asked asked;
static void (*refuse)(void *arg, int64_t sub, struct str target, int rsc);
static void *asked_arg;
static bool ask_at_once;

struct audience *audience_new(void)
{
	return xcalloc(1, sizeof(struct audience));
}

void audience_unref(struct audience *a)
{
	note("unref");
	free(a);
}

void audience_add(struct audience *a, int64_t sub, struct str sur, struct str cr, struct str target)
{
	a->n++;
	note("add %d %.*s '%.*s' %.*s", (int)sub, STRFMT(sur), STRFMT(cr), STRFMT(target));
}

void audience_remove(struct audience *a, int64_t sub)
{
	a->n -= sub == 8;
}

size_t audience_size(const struct audience *a)
{
	return a->n;
}

struct event *event_new(struct audience *a, const struct event_opts *o, struct str body)
{
	struct event *e = xcalloc(1, sizeof(*e));

	assert_int_equal(a->n, 1);
	note("event %d %d %.*s %d %s %.*s", o->frame, o->binary, STRFMT(o->type), o->ec,
	     o->format_failed ? o->format_failed : "-", STRFMT(body));
	snprintf(e->body, sizeof(e->body), "%.*s", STRFMT(body));
	return e;
}

void event_publish(struct event *e)
{
	note("publish %s", e->body);
	free(e);
}

void event_abandon(struct event *e)
{
	note("abandon %s", e->body);
	free(e);
}

struct str notify_slot_text(enum notify_slot s)
{
	return s == SLOT_RQI ? STR("|RQI|") : STR("|OTHER|");
}

void notify_on_delivered(void (*fn)(void *arg, const struct notify_count *list, size_t n),
			 void *arg)
{
	(void)arg;
	tell_delivered = fn;
}

void notify_on_unknown_target(void (*fn)(void *arg, struct str target), void *arg)
{
	(void)arg;
	tell_unknown = fn;
}

void notify_on_polled(void (*fn)(void *arg, struct str target), void *arg)
{
	(void)arg;
	tell_polled = fn;
}

size_t notify_poll(struct str target, unsigned max, int64_t upto, bool *loading, notify_handed fn,
		   void *arg)
{
	note("poll %.*s %u %d", STRFMT(target), max, (int)upto);
	*loading = max == 0;
	for (unsigned i = 0; i < max; i++)
		fn(arg, i ? STR("{\"op\":5}") : STR("{}"));
	return max;
}

int64_t notify_poll_last(struct str target)
{
	return (int64_t)target.n;
}

bool notify_poll_answer(struct str target, struct str rqi, int rsc)
{
	note("answer %.*s %.*s %d", STRFMT(target), STRFMT(rqi), rsc);
	return rsc == 2000;
}

void notify_target_routes(struct str target, const struct str *url, size_t n)
{
	assert_int_equal(n, 2);
	note("routes %.*s %.*s %.*s", STRFMT(target), STRFMT(url[0]), STRFMT(url[1]));
}

void notify_target_token(struct str target, struct str token)
{
	if (token.n)
		note("token %.*s %.*s", STRFMT(target), STRFMT(token));
}

void notify_target_via(struct str target, struct str via)
{
	note("via %.*s %.*s", STRFMT(target), STRFMT(via));
}

void notify_reroute(void)
{
	note("reroute");
}

void notify_forget_target(struct str target)
{
	note("forget target %.*s", STRFMT(target));
}

void notify_keep_newest(int64_t sub)
{
	note("keep newest %d", (int)sub);
}

void notify_forget_sub(int64_t sub)
{
	note("forget sub %d", (int)sub);
}

void notify_on_leaving(void (*fn)(void *arg, int64_t sub, struct str target), void *arg)
{
	(void)fn;
	(void)arg;
}

void notify_priority(int64_t sub, unsigned priority)
{
	note("priority %d %u", (int)sub, priority);
}

void notify_ask(struct str target, struct str pc, int ec, double timeout, notify_asked done,
		void *arg)
{
	note("ask %.*s %.*s %d %.0f", STRFMT(target), STRFMT(pc), ec, timeout);
	asked = done;
	asked_arg = arg;
	if (ask_at_once)
		done(arg, 0, STR_NONE);
}

void notify_pass(const struct pass *p, notify_passed done, void *arg)
{
	struct passed a = { .end = PASS_BROKEN };

	note("pass %.*s %s %.*s %.*s %.*s %.*s %d", STRFMT(p->key), p->method, STRFMT(p->frame),
	     STRFMT(p->path), STRFMT(p->head), STRFMT(p->rqi), p->safe);
	done(arg, &a);
}

bool notify_answer(struct session *s, const struct notify_response *r)
{
	(void)s;
	return r->rsc == 0;
}

void notify_on_refused(void (*fn)(void *arg, int64_t sub, struct str target, int rsc), void *arg)
{
	(void)arg;
	refuse = fn;
}

void lua_notices_functions(lua_State *L)
{
	assert_true(lua_istable(L, -1));
}

void lua_notices_use(void)
{
}

void lua_notices_close(void)
{
}

void notify_fill(struct session *s)
{
	(void)s;
}

void notify_stats(struct notify_stats *out)
{
	*out = (struct notify_stats){ .queued = 12 };
}

/* ---- tests ----------------------------------------------------------------------------------- */

static int lua_note(lua_State *L)
{
	note("%s", luaL_checkstring(L, 1));
	return 0;
}

static int start(void **state)
{
	struct vm_opts o = { .memory_cap = 0 };
	struct err e;

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	notes[0] = '\0';
	ask_at_once = false;
	if (!vm_open(&o, &e))
		return -1;
	guard_open(vm_state(), 0);
	vm_module("guard", guard_lua_open);
	vm_module("cse", lua_cse_open);
	lua_pushcfunction(vm_state(), lua_note);
	lua_setglobal(vm_state(), "note");
	lua_cse_use(some_net);
	return vm_boot("moon2m.boot", &e) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	lua_cse_close();
	task_close();
	guard_close();
	vm_close();
	return 0;
}

static void replied(void *arg, const struct primitive *p, const struct answer *a)
{
	(void)arg;
	note("%.*s: %d %.*s cnst=%.*s vsi=%.*s service=%.*s", STRFMT(p->rqi), a->rsc, STRFMT(a->pc),
	     STRFMT(a->cnst), STRFMT(a->vsi), STRFMT(a->service));
}

static void request(const char *to, const char *pc)
{
	struct primitive *p = primitive_new(VIA_HTTP);

	p->op = OP_RETRIEVE;
	p->to = str_of(to);
	p->rqi = STR("r1");
	p->pc = str_of(pc);
	notes[0] = '\0';
	primitive_submit(p, replied, NULL);
}

static void test_reply(void **state)
{
	(void)state;
	request("echo", "{\"a\":1}");
	assert_string_equal(notes, "r1: 2000 {\"a\":1} cnst=1 vsi=http service=ws://x\n");
	request("echo", NULL);
	assert_string_equal(notes, "r1: 2000  cnst=1 vsi=http service=ws://x\n");
	request("twice", NULL);
	assert_string_equal(notes, "r1: 2004  cnst= vsi= service=\ntrue\nfalse\n");
	request("nothing", NULL);
	assert_string_equal(notes,
			    "r1: 5000 {\"m2m:dbg\":\"internal error\"} cnst= vsi= service=\n");
}

static void test_submit(void **state)
{
	(void)state;
	request("submit", "{\"b\":2}");
	assert_string_equal(notes, "r1: 2000 {\"b\":2} cnst=1 vsi=script service=ws://x\n");
	assert_int_equal(primitive_count(), 0);
	assert_int_equal(task_count(), 0);
}

static void test_ask(void **state)
{
	(void)state;
	request("ask", NULL);
	assert_string_equal(notes, "ask Ca {\"q\":1} 0 5\n");
	assert_int_equal(task_count(), 1);
	notes[0] = '\0';
	asked(asked_arg, 2000, STR("{\"c\":3}"));
	assert_string_equal(notes,
			    "r1: 2000 {\"rsc\":2000,\"pc\":{\"c\":3}} cnst= vsi= service=\n");
	ask_at_once = true;
	request("ask", NULL);
	assert_string_equal(notes, "ask Ca {\"q\":1} 0 5\n"
				   "r1: 2000 {\"rsc\":0,\"pc\":null} cnst= vsi= service=\n");
}

static void test_pass(void **state)
{
	(void)state;
	request("pass", NULL);
	assert_string_equal(notes, "pass /b PUT f /p h r 1\n"
				   "r1: 2000 {\"how\":\"broken\"} cnst= vsi= service=\n");
}

static void test_bad_arguments(void **state)
{
	static const char *const expect[] = {
		"expected a response status code",
		"expected an id",
		"expected a number from 0",
		"op, to and rqi are needed",
		"expected a number",
		"expected a number",
		"expected a close code",
		"moon2m.audience expected, got table",
		"invalid option 'x'",
	};
	char *line = notes;

	(void)state;
	request("bad", NULL);
	for (size_t i = 0; i < countof(expect); i++) {
		char *end = strchr(line, '\n');

		assert_non_null(end);
		*end = '\0';
		if (!strstr(line, expect[i]))
			fail_msg("row %zu: %s", i, line);
		line = end + 1;
	}
	assert_string_equal(line, "r1: 2000  cnst= vsi= service=\n");
}

static void test_events(void **state)
{
	(void)state;
	request("events", NULL);
	assert_string_equal(notes,
			    "add 7 /moon/1k '' Ca\nadd 8 /moon/1m 'Cx' http://h\n"
			    "size 1 |RQI|\n"
			    "event 1 1 text/csv 4 - x,y\nevent 0 0  0 senml {}\n"
			    "publish x,y\nfalse\nabandon {}\nevent 0 0  0 - lost\n"
			    "abandon lost\nunref\npriority 7 3\nforget sub 7\nforget target Ca\n"
			    "r1: 2000  cnst= vsi= service=\n");
}

static void test_rest(void **state)
{
	(void)state;
	request("rest", NULL);
	assert_string_equal(notes,
			    "listen ::1 5 1 0\nport 4711\nport 6 is taken\nfalsefalse\nfalse\n"
			    "requests 1 tasks 1 queued 12\nr1: 2000  cnst= vsi= service=\n");
	request("ask", NULL); /* the configured time counts now */
	assert_true(timer_seconds > 1.9 && timer_seconds <= 2);
	asked(asked_arg, 2000, STR_NONE);
}

static void test_hooks(void **state)
{
	(void)state;
	notes[0] = '\0';
	tell_delivered(NULL, (struct notify_count[]){ { 7, 3 }, { 9, 1 } }, 2);
	tell_unknown(NULL, STR("Ca"));
	assert_string_equal(notes, "delivered 7 3 9 1\nunknown Ca\nroutes Ca http://a ws://b\n"
				   "via /o/Ca /o\nroutes /o/Ca http://a ws://b\nreroute\n");
	notes[0] = '\0';
	tell_polled(NULL, STR("Ca"));
	assert_string_equal(notes, "poll Ca 2 9\nanswer Ca n1.2.3 2000\nanswer Ca n1.2.3 4000\n"
				   "polled Ca {} {\"op\":5} false 2 true false\n");
}

static void test_metrics(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	request("echo", NULL);
	metrics_write(&out);
	buf_char(&out, '\0');
	assert_non_null(strstr(out.p, "moon2m_connections{kind=\"http\"} 3\n"));
	assert_non_null(strstr(out.p, "moon2m_requests_total{op=\"retrieve\",rsc=\"2000\"} "));
	assert_non_null(strstr(out.p, "moon2m_request_seconds_count "));
	assert_non_null(strstr(out.p, "moon2m_sessions 0\n"));
	buf_free(&out);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_reply),  T(test_submit), T(test_ask),   T(test_bad_arguments),
		T(test_reply),  T(test_submit), T(test_pass),  T(test_bad_arguments),
		T(test_events), T(test_rest),   T(test_hooks), T(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
