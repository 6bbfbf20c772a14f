/*
 * lua_gateway.c - binds net_raw.h and http_send to Lua; no decisions.  An item lives from its opening
 * to close(id) or the end; what net tells about it starts the boot module's entry with its id.
 */
#include "lua_gateway.h"

#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "lua_field.h"
#include "net_raw.h"
#include "task.h"
#include "vm.h"

#define LABELS_MAX 300
#define ITEMS_MAX 65536

enum kind { UDP, GATE, STREAM, MQTT };

struct item {
	struct item *next, **link;
	double id;
	enum kind kind;
	union {
		void *any;
		struct net_udp *udp;
		struct net_gate *gate;
		struct net_stream *stream;
		struct net_mqtt *mqtt;
	} o;
	size_t bytes;
};

static struct {
	struct net *net;
	struct item *items;
	size_t count;
	double last;
	int by_id; /* registry reference: id -> struct item, as light userdata */
} gw = { .by_id = LUA_NOREF };

/* ---- items ----------------------------------------------------------------------------------- */

static int push_id(lua_State *L, void *arg)
{
	lua_pushnumber(L, *(double *)arg);
	return 1;
}

static void changed(void *arg)
{
	double id = ((struct item *)arg)->id;

	task_start("gateway", push_id, &id, NULL, NULL);
}

static void set_by_id(lua_State *L, double id, struct item *i)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, gw.by_id);
	lua_pushnumber(L, id);
	if (i)
		lua_pushlightuserdata(L, i);
	else
		lua_pushnil(L);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

static struct item *item_new(lua_State *L, enum kind kind, size_t bytes)
{
	struct item *i;

	if (gw.count >= ITEMS_MAX)
		luaL_error(L, "too many sockets of gateways (limit %d)", ITEMS_MAX);
	set_by_id(L, gw.last + 1,
		  NULL); /* what can fail for memory does so before there is an item */
	i = xcalloc(1, sizeof(*i));
	i->id = ++gw.last;
	i->kind = kind;
	i->bytes = bytes;
	i->next = gw.items;
	i->link = &gw.items;
	if (i->next)
		i->next->link = &i->next;
	gw.items = i;
	gw.count++;
	set_by_id(L, i->id, i);
	return i;
}

static void item_free(lua_State *L, struct item *i)
{
	set_by_id(L, i->id, NULL);
	*i->link = i->next;
	if (i->next)
		i->next->link = i->link;
	gw.count--;
	free(i);
}

static void item_close(lua_State *L, struct item *i)
{
	switch (i->kind) {
	case UDP:
		net_udp_close(i->o.udp);
		break;
	case GATE:
		net_gate_close(i->o.gate);
		break;
	case STREAM:
		net_stream_close(i->o.stream);
		break;
	case MQTT:
		net_mqtt_close(i->o.mqtt);
		break;
	}
	item_free(L, i);
}

static struct item *find(lua_State *L)
{
	struct item *i;

	luaL_checknumber(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, gw.by_id);
	lua_pushvalue(L, 1);
	lua_rawget(L, -2);
	i = lua_touserdata(L, -1);
	lua_pop(L, 2);
	return i;
}

static struct item *check(lua_State *L, enum kind kind)
{
	struct item *i = find(L);

	if (!i || i->kind != kind)
		luaL_argerror(L, 1, "not open, or of another kind");
	return i;
}

static int failure(lua_State *L, const struct err *e)
{
	lua_pushnil(L);
	lua_pushstring(L, e->msg);
	return 2;
}

/* The item is open, or (object NULL) goes again. */
static int give(lua_State *L, struct item *i, void *object, const struct err *e, int port)
{
	if (!object) {
		item_free(L, i);
		return failure(L, e);
	}
	i->o.any = object;
	lua_pushnumber(L, i->id);
	if (port <= 0)
		return 1;
	lua_pushinteger(L, port);
	return 2;
}

/* ---- options --------------------------------------------------------------------------------- */

static const char *text(lua_State *L, const char *name, const char *otherwise)
{
	struct str s = lua_field_str(L, 1, name);

	if (s.p && memchr(s.p, 0, s.n))
		luaL_error(L, "%s: a text without a zero byte was expected", name);
	return s.p ? s.p : otherwise;
}

static struct metric *counter(lua_State *L, const char *name, const char *help)
{
	const char *labels = lua_pushfstring(L, "script=\"%s\",kind=\"%s\"", text(L, "script", ""),
					     text(L, "kind", ""));

	return metric_labelled(name, help, METRIC_COUNTER, labels, LABELS_MAX);
}

static struct raw_opts common(lua_State *L)
{
	struct raw_opts o = { .changed = changed };

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkstack(L, 64, "too many values");
	if (!gw.net)
		luaL_error(L, "no event loop is running here");
	o.queue = (size_t)lua_field_number(L, 1, "queue", 1, 1e6);
	o.bytes = (size_t)lua_field_number(L, 1, "bytes", 256, 1e9);
	o.name = text(L, "name", "gateway");
	o.received = counter(L, "moon2m_gateway_received_total",
			     "Datagrams and messages, of streams bytes, that gateways received.");
	o.sent = counter(L, "moon2m_gateway_sent_total",
			 "Datagrams and messages, of streams bytes, that gateways sent.");
	o.dropped = counter(L, "moon2m_gateway_dropped_total",
			    "Datagrams, messages and connections that found no room.");
	return o;
}

static int port_of(lua_State *L)
{
	return (int)lua_field_number(L, 1, "port", 0, 65535);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int gw_udp(lua_State *L)
{
	struct raw_opts o = common(L);
	const char *host = text(L, "host", "127.0.0.1");
	int port = port_of(L);
	struct err e = { 0 };
	struct net_udp *u;

	o.arg = item_new(L, UDP, o.bytes);
	u = net_udp_open(gw.net, host, port, &o, &e);
	return give(L, o.arg, u, &e, u ? net_udp_port(u) : 0);
}

static int gw_listen(lua_State *L)
{
	struct raw_opts o = common(L);
	const char *host = text(L, "host", "127.0.0.1");
	unsigned max = (unsigned)lua_field_number(L, 1, "max", 1, 65536);
	int port = port_of(L);
	struct err e = { 0 };
	struct net_gate *g;

	o.arg = item_new(L, GATE, o.bytes);
	g = net_gate_open(gw.net, host, port, max, &o, &e);
	return give(L, o.arg, g, &e, g ? net_gate_port(g) : 0);
}

/* The files of tls = true; else NULL. */
static const struct net_tls_files *tls_files(lua_State *L, struct net_tls_files *t)
{
	if (!lua_field_bool(L, 1, "tls", false))
		return NULL;
	t->ca = text(L, "ca", NULL);
	t->cert = text(L, "cert", NULL);
	t->key = text(L, "key", NULL);
	if (!t->cert != !t->key)
		luaL_error(L, "cert and key belong together");
	return t;
}

static int gw_dial(lua_State *L)
{
	struct raw_opts o = common(L);
	const char *host = text(L, "host", "127.0.0.1");
	double timeout = lua_field_number(L, 1, "timeout", 0.1, 3600);
	struct net_tls_files files;
	const struct net_tls_files *tls = tls_files(L, &files);
	int port = port_of(L);
	struct err e = { 0 };

	o.arg = item_new(L, STREAM, o.bytes);
	return give(L, o.arg, net_dial(gw.net, host, port, tls, timeout, &o), &e, 0);
}

static int gw_serial(lua_State *L)
{
	struct raw_opts o = common(L);
	const char *device = text(L, "device", "");
	struct serial_opts s = { .parity = *text(L, "parity", "n") };
	struct err e = { 0 };

	s.baud = (int)lua_field_number(L, 1, "baud", 1, 1e8);
	s.bits = (int)lua_field_number(L, 1, "bits", 5, 8);
	s.stop = (int)lua_field_number(L, 1, "stop", 1, 2);
	s.rtscts = lua_field_bool(L, 1, "rtscts", false);
	o.arg = item_new(L, STREAM, o.bytes);
	return give(L, o.arg, net_serial_open(gw.net, device, &s, &o, &e), &e, 0);
}

static int gw_mqtt(lua_State *L)
{
	struct raw_opts o = common(L);
	struct mqtt_opts m = { .host = text(L, "host", "127.0.0.1"),
			       .id = text(L, "id", NULL),
			       .user = text(L, "user", NULL),
			       .password = text(L, "password", NULL),
			       .will_topic = text(L, "will_topic", NULL) };
	struct net_tls_files files;
	struct err e = { 0 };

	m.port = port_of(L);
	m.keepalive = (int)lua_field_number(L, 1, "keepalive", 5, 65535);
	m.tls = tls_files(L, &files);
	m.clean = lua_field_bool(L, 1, "clean", true);
	m.will = lua_field_str(L, 1, "will");
	m.will_qos = (int)lua_field_number(L, 1, "will_qos", 0, 2);
	m.will_retain = lua_field_bool(L, 1, "will_retain", false);
	o.arg = item_new(L, MQTT, o.bytes);
	return give(L, o.arg, net_mqtt_open(gw.net, &m, &o, &e), &e, 0);
}

/* ---- using ----------------------------------------------------------------------------------- */

static int gw_state(lua_State *L)
{
	static const char *const names[] = { "opening", "open", "closed" };
	struct item *i = find(L);
	const char *why = "closed";
	enum raw_state s = i ? RAW_OPEN : RAW_CLOSED;

	if (i && i->kind == STREAM)
		s = net_stream_state(i->o.stream, &why);
	else if (i && i->kind == MQTT)
		s = net_mqtt_state(i->o.mqtt, &why);
	lua_pushstring(L, names[s]);
	if (s != RAW_CLOSED)
		return 1;
	lua_pushstring(L, why);
	return 2;
}

static int take_datagram(lua_State *L, struct item *i)
{
	struct str data, from;

	if (!net_udp_take(i->o.udp, &data, &from))
		return 0;
	vm_push_str(L, data);
	vm_push_str(L, from);
	return 2;
}

static int take_connection(lua_State *L, struct item *g)
{
	struct item *i = item_new(L, STREAM, g->bytes);
	struct str peer;
	struct net_stream *s = net_gate_take(g->o.gate, changed, i, &peer);

	if (!s) {
		item_free(L, i);
		return 0;
	}
	give(L, i, s, NULL, 0);
	vm_push_str(L, peer);
	return 2;
}

static int take_message(lua_State *L, struct item *i)
{
	struct mqtt_message m;

	if (!net_mqtt_take(i->o.mqtt, &m))
		return 0;
	vm_push_str(L, m.topic);
	lua_pushlstring(L, m.payload.n ? m.payload.p : "", m.payload.n);
	lua_pushinteger(L, m.qos);
	lua_pushboolean(L, m.retain);
	return 4;
}

static int gw_take(lua_State *L)
{
	struct item *i = find(L);

	if (!i)
		return 0;
	switch (i->kind) {
	case UDP:
		return take_datagram(L, i);
	case GATE:
		return take_connection(L, i);
	case MQTT:
		return take_message(L, i);
	case STREAM:
		break;
	}
	return luaL_argerror(L, 1, "a stream is read");
}

static int gw_read(lua_State *L)
{
	static const char *const names[] = { "some", "line", "all", NULL };
	static const enum stream_read hows[] = { READ_SOME, READ_LINE, READ_ALL };
	struct item *i = check(L, STREAM);
	enum stream_read how = READ_BYTES;
	lua_Integer n = 0;
	struct str data;

	if (lua_type(L, 2) == LUA_TNUMBER) {
		n = lua_tointeger(L, 2);
		luaL_argcheck(L, n >= 1 && (size_t)n <= i->bytes, 2, "out of range");
	} else {
		how = hows[luaL_checkoption(L, 2, "some", names)];
	}
	if (!net_stream_read(i->o.stream, how, (size_t)n, &data))
		return 0;
	vm_push_str(L, data);
	return 1;
}

static int gw_write(lua_State *L)
{
	struct item *i = check(L, STREAM);

	if (!net_stream_write(i->o.stream, vm_check_str(L, 2)))
		return 0;
	lua_pushnumber(L, (double)net_stream_waiting(i->o.stream));
	return 1;
}

static int gw_waiting(lua_State *L)
{
	lua_pushnumber(L, (double)net_stream_waiting(check(L, STREAM)->o.stream));
	return 1;
}

static int answer(lua_State *L, bool ok, const struct err *e)
{
	if (!ok)
		return failure(L, e);
	lua_pushboolean(L, true);
	return 1;
}

static int gw_send(lua_State *L)
{
	struct item *i = check(L, UDP);
	struct err e = { 0 };

	return answer(L, net_udp_send(i->o.udp, vm_check_str(L, 2), vm_check_str(L, 3), &e), &e);
}

static int gw_publish(lua_State *L)
{
	struct item *i = check(L, MQTT);
	struct mqtt_message m = { .topic = vm_check_str(L, 2), .payload = vm_check_str(L, 3) };
	struct err e = { 0 };

	m.qos = (int)luaL_optinteger(L, 4, 0);
	m.retain = lua_toboolean(L, 5);
	luaL_argcheck(L, m.qos >= 0 && m.qos <= 2, 4, "0, 1 or 2");
	return answer(L, net_mqtt_publish(i->o.mqtt, &m, &e), &e);
}

static int gw_room(lua_State *L)
{
	lua_pushboolean(L, net_mqtt_room(check(L, MQTT)->o.mqtt));
	return 1;
}

static int gw_subscribe(lua_State *L)
{
	struct item *i = check(L, MQTT);
	int qos = (int)luaL_optinteger(L, 3, 0);
	struct err e = { 0 };

	luaL_argcheck(L, qos >= 0 && qos <= 2, 3, "0, 1 or 2");
	return answer(L, net_mqtt_subscribe(i->o.mqtt, luaL_checkstring(L, 2), qos, &e), &e);
}

static int gw_unsubscribe(lua_State *L)
{
	struct item *i = check(L, MQTT);
	struct err e = { 0 };

	return answer(L, net_mqtt_unsubscribe(i->o.mqtt, luaL_checkstring(L, 2), &e), &e);
}

static int gw_reopen(lua_State *L)
{
	net_mqtt_reopen(check(L, MQTT)->o.mqtt);
	return 0;
}

static int gw_limit(lua_State *L)
{
	struct item *i = check(L, GATE);
	lua_Integer max = luaL_checkinteger(L, 2);

	luaL_argcheck(L, max >= 1 && max <= ITEMS_MAX, 2, "1 to 65536");
	net_gate_limit(i->o.gate, (unsigned)max);
	return 0;
}

static int gw_close(lua_State *L)
{
	struct item *i = find(L);

	if (i)
		item_close(L, i);
	lua_pushboolean(L, i != NULL);
	return 1;
}

static int gw_count(lua_State *L)
{
	lua_pushnumber(L, (double)gw.count);
	return 1;
}

/* ---- http ------------------------------------------------------------------------------------ */

struct asking {
	struct task_ref task;
	const struct http_answer *a;
	const struct err *e;
};

static int push_answer(lua_State *L, void *arg)
{
	const struct asking *q = arg;

	if (!q->a->status)
		return failure(L, q->e);
	lua_pushinteger(L, q->a->status);
	lua_pushlstring(L, q->a->head.n ? q->a->head.p : "", q->a->head.n);
	lua_pushlstring(L, q->a->body.n ? q->a->body.p : "", q->a->body.n);
	return 3;
}

static void answered(void *arg, const struct http_answer *a, const struct err *e)
{
	struct asking *q = arg;

	q->a = a;
	q->e = e;
	if (gw.net) /* else the tasks are gone */
		task_resume(q->task, push_answer, q);
	free(q);
}

static int gw_http(lua_State *L)
{
	const char *method = luaL_checkstring(L, 1), *url = luaL_checkstring(L, 2);
	struct str head = vm_check_str(L, 3), body = vm_check_str(L, 4);
	double seconds = luaL_checknumber(L, 5);
	struct asking *q;

	luaL_argcheck(L, seconds > 0 && seconds <= 3600, 5, "0 to 3600 seconds");
	if (!gw.net)
		return luaL_error(L, "no event loop is running here");
	task_check(L);
	q = xcalloc(1, sizeof(*q));
	q->task = task_current();
	http_send(gw.net, true, method, url, head, body, seconds, answered, q);
	return task_yield(L);
}

/* ---- module ---------------------------------------------------------------------------------- */

void lua_gateway_use(struct net *n)
{
	gw.net = n;
}

void lua_gateway_close(void)
{
	gw.net = NULL;
	while (gw.items)
		item_close(vm_state(), gw.items);
	gw.by_id = LUA_NOREF;
}

int lua_gateway_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "udp", gw_udp },
		{ "listen", gw_listen },
		{ "dial", gw_dial },
		{ "serial", gw_serial },
		{ "mqtt", gw_mqtt },
		{ "state", gw_state },
		{ "take", gw_take },
		{ "read", gw_read },
		{ "write", gw_write },
		{ "waiting", gw_waiting },
		{ "send", gw_send },
		{ "publish", gw_publish },
		{ "room", gw_room },
		{ "subscribe", gw_subscribe },
		{ "unsubscribe", gw_unsubscribe },
		{ "reopen", gw_reopen },
		{ "close", gw_close },
		{ "count", gw_count },
		{ "http", gw_http },
		{ "limit", gw_limit },

		{ NULL, NULL },
	};

	lua_newtable(L);
	gw.by_id = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
