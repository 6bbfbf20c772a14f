/*
 * Unit tests of module "moon2m.core.gateway" in the real Lua state with real tasks; the network is a
 * stand-in that notes what it is asked and has what a test puts into it.  A test is the entry of the
 * boot module that has its name; what both sides note is compared.
 */
#include "lua_gateway.h"

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
#include "net_raw.h"
#include "task.h"
#include "vm.h"

static const char boot[] =
    "local gw = require 'moon2m.core.gateway'\n"
    "local b = {}\n"
    "local function o(t)\n"
    "  t.queue, t.bytes, t.script, t.kind = t.queue or 10, t.bytes or 1000, 's', 'k'\n"
    "  return t\n"
    "end\n"
    "local function say(...)\n"
    "  local list = {}\n"
    "  for i = 1, select('#', ...) do list[i] = tostring((select(i, ...))) end\n"
    "  note(table.concat(list, ' '))\n"
    "end\n"
    "local base = gw.udp(o { port = 9 })\n"
    "gw.close(base)\n"
    "local function of(id, ...) return id and id - base, ... end\n"
    "local function say_id(...) say(of(...)) end\n"
    "function b.gateway(id) say('changed', of(id), gw.state(id)) end\n"
    "function b.udp()\n"
    "  say_id(gw.udp(o { host = '::1', port = 9 }))\n"
    "  say_id(gw.udp(o { port = 1, queue = 3, bytes = 256 }))\n"
    "  say(gw.state(base + 1), gw.count())\n"
    "  say(gw.take(base + 1))\n"
    "  say(gw.take(base + 1))\n"
    "  say(gw.send(base + 1, 'a:1', 'x\\0y'))\n"
    "  say(gw.send(base + 1, 'bad', 'x'))\n"
    "  say(gw.close(base + 1), gw.close(base + 1), gw.count())\n"
    "  say(gw.state(base + 1))\n"
    "  say(gw.take(base + 1))\n"
    "end\n"
    "function b.streams()\n"
    "  say_id(gw.listen(o { host = '*', port = 0, max = 2 }))\n"
    "  gw.limit(base + 1, 5)\n"
    "  say_id(gw.take(base + 1))\n"
    "  say_id(gw.take(base + 1))\n"
    "  say(gw.read(base + 2), gw.read(base + 2, 'line'), gw.read(base + 2, 'all'), gw.read(base + 2, 4))\n"
    "  say(gw.read(base + 2, 'some'))\n"
    "  say(gw.write(base + 2, 'abc'), gw.waiting(base + 2))\n"
    "  say_id(gw.dial(o { host = 'h', port = 80, tls = true, timeout = 2.5 }))\n"
    "  say_id(gw.serial(o { device = '/dev/x', baud = 9600, bits = 7, stop = 2, parity = 'even',\n"
    "    rtscts = true }))\n"
    "  say_id(gw.serial(o { device = '/dev/none', baud = 50, bits = 8, stop = 1 }))\n"
    "  say(gw.state(base + 2), gw.state(base + 3), gw.state(base + 4), gw.count())\n"
    "  lose()\n"
    "  say(gw.write(base + 2, 'abc'))\n"
    "  say(gw.state(base + 2))\n"
    "end\n"
    "function b.mqtt()\n"
    "  say_id(gw.mqtt(o { host = 'm', port = 1883, id = 'me', user = 'u', password = 'p',\n"
    "    keepalive = 60, will_topic = 'w', will = 'gone', will_qos = 1, will_retain = true }))\n"
    "  say(gw.take(base + 1))\n"
    "  say(gw.take(base + 1))\n"
    "  say(gw.publish(base + 1, 't', 'x', 2, true), gw.publish(base + 1, 'bad', 'x'))\n"
    "  say(gw.subscribe(base + 1, 'a/#', 1), gw.unsubscribe(base + 1, 'a/#'), gw.subscribe(base + 1, 'bad'))\n"
    "  say(gw.room(base + 1))\n"
    "  gw.reopen(base + 1)\n"
    "  say_id(gw.mqtt(o { host = 'bad', port = 1, keepalive = 5 }))\n"
    "end\n"
    "function b.http()\n"
    "  say(gw.http('GET', 'http://h/', '', '', 2))\n"
    "  say(gw.http('POST', 'http://none/', 'A: b\\r\\n', 'body', 2))\n"
    "end\n"
    "function b.refused()\n"
    "  local function no(name, ...)\n"
    "    local ok, why = pcall(gw[name], ...)\n"
    "    say(name, ok and 'accepted' or why:match('[^:]*$'):gsub('^ ', ''))\n"
    "  end\n"
    "  no('udp', 5)\n"
    "  no('udp', o { port = 70000 })\n"
    "  no('udp', o { port = 1, queue = 0 })\n"
    "  no('udp', o { port = 1, bytes = 10 })\n"
    "  no('udp', o { port = 1, host = 'a\\0b' })\n"
    "  no('listen', o { port = 1, max = 0 })\n"
    "  no('dial', o { port = 1, timeout = 0 })\n"
    "  no('serial', o { device = '/d', baud = 0 })\n"
    "  no('mqtt', o { port = 1, keepalive = 1 })\n"
    "  local udp = gw.udp(o { port = 9 })\n"
    "  no('read', udp)\n"
    "  no('publish', udp, 't', 'x')\n"
    "  no('limit', udp, 5)\n"
    "  no('send', udp + 7, 'a', 'x')\n"
    "  no('state', 'x')\n"
    "  local dialled = gw.dial(o { host = 'h', port = 1, timeout = 1 })\n"
    "  no('read', dialled, 0)\n"
    "  no('read', dialled, 1001)\n"
    "  no('read', dialled, 'lines')\n"
    "  no('take', dialled)\n"
    "  no('http', 'GET', 'http://h/', '', '', 0)\n"
    "  say(gw.count())\n"
    "end\n"
    "function b.absent() say(pcall(gw.udp, o { port = 9 })) "
    "say(pcall(gw.http, 'GET', 'u', '', '', 1)) end\n"
    "function b.many()\n"
    "  for i = 1, 3 do gw.udp(o { port = 9 }) end\n"
    "  gw.close(base + 2)\n"
    "end\n"
    "function b.late() say('answer', pcall(gw.http, 'GET', 'http://later/', '', '', 2)) end\n"
    "return b\n";

const struct embed embed_modules[] = {
	{ "moon2m.boot", "@lib/moon2m/boot.lua", boot, sizeof(boot) - 1 },
	{ NULL, NULL, NULL, 0 },
};

/* ---- the stand-in ---------------------------------------------------------------------------- */

static char notes[8192];
static struct net *const some_net = (struct net *)&notes;
static struct raw_opts last; /* of what was opened last */
static bool lost; /* every stream is closed */
static http_done waiting_done;
static void *waiting_arg;

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
	size_t n = strlen(notes);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(notes + n, sizeof(notes) - n - 1, fmt, ap);
	va_end(ap);
	strcat(notes, "\n");
}

struct net_udp {
	struct raw_opts o;
	int left; /* datagrams that wait */
};
struct net_gate {
	struct raw_opts o;
	int left;
};
struct net_stream {
	int id;
	bool dialled;
};
struct net_mqtt {
	struct raw_opts o;
	int left;
};

static int streams; /* how many were made */

struct net_udp *net_udp_open(struct net *n, const char *host, int port, const struct raw_opts *o,
			     struct err *e)
{
	struct net_udp *u;

	assert_ptr_equal(n, some_net);
	note("udp open %s %d queue=%zu bytes=%zu", host, port, o->queue, o->bytes);
	last = *o;
	if (port == 1) {
		(void)!err_set(e, "port 1 is taken");
		return NULL;
	}
	u = xcalloc(1, sizeof(*u));
	u->left = 1;
	return u;
}

int net_udp_port(const struct net_udp *u)
{
	(void)u;
	return 4711;
}

bool net_udp_take(struct net_udp *u, struct str *data, struct str *from)
{
	*data = STR("hello");
	*from = STR("10.0.0.7:900");
	return u->left-- > 0;
}

bool net_udp_send(struct net_udp *u, struct str to, struct str data, struct err *e)
{
	(void)u;
	if (str_eq(to, STR("bad")))
		return err_set(e, "no address");
	note("udp send %.*s %zu", STRFMT(to), data.n);
	return true;
}

void net_udp_close(struct net_udp *u)
{
	note("udp close");
	free(u);
}

static struct net_stream *new_stream(bool dialled)
{
	struct net_stream *s = xcalloc(1, sizeof(*s));

	s->id = ++streams;
	s->dialled = dialled;
	return s;
}

struct net_stream *net_dial(struct net *n, const char *host, int port,
			    const struct net_tls_files *tls, double timeout,
			    const struct raw_opts *o)
{
	(void)n;
	note("dial %s %d tls=%d %.1f", host, port, tls != NULL, timeout);
	last = *o;
	return new_stream(true);
}

struct net_stream *net_serial_open(struct net *n, const char *device, const struct serial_opts *s,
				   const struct raw_opts *o, struct err *e)
{
	(void)n;
	note("serial %s %d %d %d %c %d", device, s->baud, s->bits, s->stop, s->parity, s->rtscts);
	last = *o;
	if (strcmp(device, "/dev/none") == 0) {
		(void)!err_set(e, "no such device");
		return NULL;
	}
	return new_stream(false);
}

enum raw_state net_stream_state(const struct net_stream *s, const char **why)
{
	if (lost)
		*why = "the peer has gone";
	return lost ? RAW_CLOSED : s->dialled ? RAW_OPENING : RAW_OPEN;
}

bool net_stream_read(struct net_stream *s, enum stream_read how, size_t n, struct str *data)
{
	static const char *const texts[] = { "some", "byte", "line", "all" };
	static int reads;

	(void)s;
	(void)n;
	*data = str_of(texts[how]);
	return ++reads % 5 != 0;
}

bool net_stream_write(struct net_stream *s, struct str data)
{
	(void)s;
	note("write %.*s", STRFMT(data));
	return !lost;
}

size_t net_stream_waiting(struct net_stream *s)
{
	return (size_t)s->id * 100;
}

void net_stream_close(struct net_stream *s)
{
	note("stream close");
	free(s);
}

struct net_gate *net_gate_open(struct net *n, const char *host, int port, unsigned max,
			       const struct raw_opts *o, struct err *e)
{
	struct net_gate *g = xcalloc(1, sizeof(*g));

	(void)n;
	(void)e;
	note("listen %s %d max=%u", host, port, max);
	last = *o;
	g->left = 1;
	return g;
}

int net_gate_port(const struct net_gate *g)
{
	(void)g;
	return 4712;
}

void net_gate_limit(struct net_gate *g, unsigned max)
{
	(void)g;
	note("limit %u", max);
}

struct net_stream *net_gate_take(struct net_gate *g, void (*changed)(void *arg), void *arg,
				 struct str *peer)
{
	if (g->left-- <= 0)
		return NULL;
	last.changed = changed;
	last.arg = arg;
	*peer = STR("[::1]:5");
	return new_stream(false);
}

void net_gate_close(struct net_gate *g)
{
	note("gate close");
	free(g);
}

struct net_mqtt *net_mqtt_open(struct net *n, const struct mqtt_opts *m, const struct raw_opts *o,
			       struct err *e)
{
	struct net_mqtt *q;

	(void)n;
	note("mqtt %s %d %s %s %s %d tls=%d clean=%d %s %.*s %d %d", m->host, m->port,
	     m->id ? m->id : "-", m->user ? m->user : "-", m->password ? m->password : "-",
	     m->keepalive, m->tls != NULL, m->clean, m->will_topic ? m->will_topic : "-",
	     STRFMT(m->will), m->will_qos, m->will_retain);
	last = *o;
	if (strcmp(m->host, "bad") == 0) {
		(void)!err_set(e, "no broker");
		return NULL;
	}
	q = xcalloc(1, sizeof(*q));
	q->left = 1;
	return q;
}

void net_mqtt_reopen(struct net_mqtt *m)
{
	(void)m;
	note("reopen");
}

enum raw_state net_mqtt_state(const struct net_mqtt *m, const char **why)
{
	(void)m;
	(void)why;
	return RAW_OPEN;
}

bool net_mqtt_take(struct net_mqtt *m, struct mqtt_message *out)
{
	*out = (struct mqtt_message){ .topic = STR("t"), .payload = STR_NONE, .qos = 1 };
	return m->left-- > 0;
}

bool net_mqtt_publish(struct net_mqtt *m, const struct mqtt_message *msg, struct err *e)
{
	(void)m;
	if (str_eq(msg->topic, STR("bad")))
		return err_set(e, "not connected");
	note("publish %.*s %.*s %d %d", STRFMT(msg->topic), STRFMT(msg->payload), msg->qos,
	     msg->retain);
	return true;
}

bool net_mqtt_room(struct net_mqtt *m)
{
	(void)m;
	return true;
}

bool net_mqtt_subscribe(struct net_mqtt *m, const char *topic, int qos, struct err *e)
{
	(void)m;
	if (strcmp(topic, "bad") == 0)
		return err_set(e, "refused");
	note("subscribe %s %d", topic, qos);
	return true;
}

bool net_mqtt_unsubscribe(struct net_mqtt *m, const char *topic, struct err *e)
{
	(void)m;
	(void)e;
	note("unsubscribe %s", topic);
	return true;
}

void net_mqtt_close(struct net_mqtt *m)
{
	note("mqtt close");
	free(m);
}

void http_send(struct net *n, bool script, const char *method, const char *url, struct str head,
	       struct str body, double timeout, http_done done, void *arg)
{
	struct http_answer a = { 0 };
	struct err e;

	(void)n;
	assert_true(script);
	note("%s %s %zu %.*s %.1f", method, url, head.n, STRFMT(body), timeout);
	if (strcmp(url, "http://later/") == 0) {
		waiting_done = done;
		waiting_arg = arg;
		return;
	}
	if (strcmp(url, "http://none/") == 0) {
		(void)!err_set(&e, "cannot connect");
		done(arg, &a, &e);
		return;
	}
	a = (struct http_answer){ .status = 200, .head = STR("A: b\r\n"), .body = STR("ok") };
	done(arg, &a, &e);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int lua_note(lua_State *L)
{
	note("%s", luaL_checkstring(L, 1));
	return 0;
}

static int lua_lose(lua_State *L)
{
	(void)L;
	lost = true;
	return 0;
}

static int start(void **state)
{
	struct vm_opts o = { .memory_cap = 0 };
	struct err e;

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	notes[0] = '\0';
	lost = false;
	streams = 0;
	if (!vm_open(&o, &e))
		return -1;
	guard_open(vm_state(), 0);
	vm_module("guard", guard_lua_open);
	vm_module("gateway", lua_gateway_open);
	lua_pushcfunction(vm_state(), lua_note);
	lua_setglobal(vm_state(), "note");
	lua_pushcfunction(vm_state(), lua_lose);
	lua_setglobal(vm_state(), "lose");
	lua_gateway_use(some_net);
	if (!vm_boot("moon2m.boot", &e))
		return -1;
	notes[0] = '\0';
	return 0;
}

static int stop(void **state)
{
	(void)state;
	lua_gateway_close();
	task_close();
	guard_close();
	vm_close();
	return 0;
}

static void ended(void *arg, bool ok, struct str error)
{
	(void)arg;
	if (!ok)
		note("failed: %.*s", STRFMT(error));
}

static void run(const char *entry)
{
	task_start(entry, NULL, NULL, ended, NULL);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_udp(void **state)
{
	(void)state;
	run("udp");
	assert_string_equal(notes, "udp open ::1 9 queue=10 bytes=1000\n1 4711\n"
				   "udp open 127.0.0.1 1 queue=3 bytes=256\nnil port 1 is taken\n"
				   "open 1\nhello 10.0.0.7:900\n\nudp send a:1 3\ntrue\n"
				   "nil no address\nudp close\ntrue false 0\nclosed closed\n\n");
}

static void test_streams(void **state)
{
	(void)state;
	run("streams");
	assert_string_equal(notes,
			    "listen * 0 max=2\n1 4712\nlimit 5\n2 [::1]:5\nnil\n"
			    "some line all byte\n\nwrite abc\n100 100\n"
			    "dial h 80 tls=1 2.5\n4\nserial /dev/x 9600 7 2 e 1\n5\n"
			    "serial /dev/none 50 8 1 n 0\nnil no such device\n"
			    "open closed opening 4\nwrite abc\n\nclosed the peer has gone\n");
}

static void test_mqtt(void **state)
{
	(void)state;
	run("mqtt");
	assert_string_equal(notes, "mqtt m 1883 me u p 60 tls=0 clean=1 w gone 1 1\n1\n"
				   "t  1 false\n\npublish t x 2 1\ntrue nil not connected\n"
				   "subscribe a/# 1\nunsubscribe a/#\ntrue true nil refused\ntrue\n"
				   "reopen\nmqtt bad 1 - - - 5 tls=0 clean=1 -  0 0\n"
				   "nil no broker\n");
}

static void test_http(void **state)
{
	(void)state;
	run("http");
	assert_string_equal(notes, "GET http://h/ 0  2.0\n200 A: b\r\n ok\n"
				   "POST http://none/ 6 body 2.0\nnil cannot connect\n");
}

static void test_refused(void **state)
{
	(void)state;
	run("refused");
	assert_null(strstr(notes, "accepted"));
	assert_non_null(strstr(notes, "not open, or of another kind"));
	assert_non_null(strstr(notes, "a text without a zero byte was expected"));
	assert_non_null(strstr(notes, "a stream is read"));
	assert_non_null(strstr(notes, "\n2\n")); /* nothing stayed of what was refused */
}

static void test_changed(void **state)
{
	(void)state;
	run("many");
	last.changed(last.arg);
	assert_non_null(strstr(notes, "changed 3 open\n"));
	notes[0] = '\0';
	lua_gateway_close();
	assert_string_equal(notes, "udp close\nudp close\n");
}

static void test_late_answer(void **state)
{
	struct http_answer a = { .status = 204 };
	struct err e;

	(void)state;
	run("late");
	waiting_done(waiting_arg, &a, &e);
	assert_string_equal(notes, "GET http://later/ 0  2.0\nanswer true 204  \n");
	run("late");
	lua_gateway_close(); /* the answer of an end comes when the tasks are gone */
	notes[0] = '\0';
	waiting_done(waiting_arg, &a, &e);
	assert_string_equal(notes, "");
}

static void test_without_loop(void **state)
{
	(void)state;
	lua_gateway_use(NULL);
	run("absent");
	assert_string_equal(notes, "false no event loop is running here\n"
				   "false no event loop is running here\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_udp),     T(test_streams), T(test_mqtt),        T(test_http),
		T(test_refused), T(test_changed), T(test_late_answer), T(test_without_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
