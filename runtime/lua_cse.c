/*
 * lua_cse.c - binds primitive, session and net's listeners to Lua; no decisions.  Guarantees that a
 * task which waits is resumed once.  Never holds C memory across a call that can raise.
 */
#include "lua_cse.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "bind_http.h"
#include "bind_identity.h"
#include "bind_page.h"
#include "bind_ws.h"
#include "lua_field.h"
#include "lua_notices.h"
#include "lua_notify.h"
#include "metrics.h"
#include "net.h"
#include "notify.h"
#include "primitive.h"
#include "session.h"
#include "task.h"
#include "vm.h"

#define ORIGINS_MAX 256
#define FORMATS_MAX 256

static struct net *net;
static char *format_names[FORMATS_MAX]; /* subprotocols that clients may ask for */
static size_t nformats;

/* ---- answers --------------------------------------------------------------------------------- */

/* The optional members of an answer, in Lua's names. */
static const struct {
	const char *name;
	size_t at;
} extras[] = {
	{ "ot", offsetof(struct answer, ot) },
	{ "rset", offsetof(struct answer, rset) },
	{ "ec", offsetof(struct answer, ec) },
	{ "vsi", offsetof(struct answer, vsi) },
	{ "cnst", offsetof(struct answer, cnst) },
	{ "cnot", offsetof(struct answer, cnot) },
	{ "bind", offsetof(struct answer, bind) },
	{ "location", offsetof(struct answer, location) },
	{ "service", offsetof(struct answer, service) },
};

static struct str *member(const void *base, size_t at)
{
	return (struct str *)((char *)(uintptr_t)base + at);
}

static int cse_reply(lua_State *L)
{
	struct answer a = { .rsc = (int)luaL_checkinteger(L, 2) };
	int64_t id = lua_check_id(L, 1);

	luaL_argcheck(L, a.rsc >= 1000 && a.rsc <= 9999, 2, "expected a response status code");
	lua_settop(L, 4);
	if (!lua_isnil(L, 3))
		a.pc = vm_check_str(L, 3);
	if (!lua_isnil(L, 4)) {
		luaL_checktype(L, 4, LUA_TTABLE);
		for (size_t i = 0; i < countof(extras); i++)
			*member(&a, extras[i].at) = lua_field_str(L, 4, extras[i].name);
		a.silent = lua_field_bool(L, 4, "silent", false);
	}
	lua_pushboolean(L, primitive_answer((uint64_t)id, &a));
	return 1;
}

static int push_answer(lua_State *L, void *arg)
{
	const struct answer *a = arg;

	lua_pushinteger(L, a->rsc);
	vm_push_str(L, a->pc);
	lua_newtable(L);
	for (size_t i = 0; i < countof(extras); i++) {
		const struct str *s = member(a, extras[i].at);

		if (!s->p)
			continue;
		vm_push_str(L, *s);
		lua_setfield(L, -2, extras[i].name);
	}
	return 3;
}

static void submitted(void *arg, const struct primitive *p, const struct answer *a)
{
	struct task_ref *waiting = arg;

	(void)p;
	task_resume(*waiting, push_answer, (void *)(uintptr_t)a);
	free(waiting);
}

static const struct {
	const char *name;
	size_t at;
} params[] = {
	{ "to", offsetof(struct primitive, to) },
	{ "fr", offsetof(struct primitive, fr) },
	{ "rqi", offsetof(struct primitive, rqi) },
	{ "rvi", offsetof(struct primitive, rvi) },
	{ "pc", offsetof(struct primitive, pc) },
	{ "query", offsetof(struct primitive, query) },
	{ "rqet", offsetof(struct primitive, rqet) },
	{ "rset", offsetof(struct primitive, rset) },
	{ "oet", offsetof(struct primitive, oet) },
	{ "ot", offsetof(struct primitive, ot) },
	{ "ec", offsetof(struct primitive, ec) },
	{ "gid", offsetof(struct primitive, gid) },
	{ "vsi", offsetof(struct primitive, vsi) },
	{ "rtu", offsetof(struct primitive, rtu) },
	{ "peer", offsetof(struct primitive, peer) },
	{ "fields", offsetof(struct primitive, fields) },
};

static int cse_submit(lua_State *L)
{
	struct str value[countof(params)];
	struct primitive *p;
	struct task_ref *waiting;
	int op, ty;

	luaL_checktype(L, 1, LUA_TTABLE);
	task_check(L);
	op = (int)lua_field_number(L, 1, "op", 0, OP_NOTIFY);
	ty = (int)lua_field_number(L, 1, "ty", 0, 65535);
	luaL_checkstack(L, countof(params), "too many values");
	for (size_t i = 0; i < countof(params); i++)
		value[i] = lua_field_str(L, 1, params[i].name);
	luaL_argcheck(L, op >= OP_CREATE && value[0].p && value[2].p, 1,
		      "op, to and rqi are needed");
	p = primitive_new(VIA_SCRIPT);
	p->op = op;
	p->ty = ty;
	for (size_t i = 0; i < countof(params); i++) {
		if (value[i].p)
			*member(p, params[i].at) =
			    (struct str){ arena_dup(p->arena, value[i]), value[i].n };
	}
	waiting = xmalloc(sizeof(*waiting));
	*waiting = task_current();
	primitive_submit(p, submitted, waiting);
	return task_yield(L);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static int cse_bind(lua_State *L)
{
	lua_pushboolean(L, bind_ws_bind((uint64_t)lua_check_id(L, 1), vm_check_str(L, 2)));
	return 1;
}

static int cse_refuse(lua_State *L)
{
	int code = (int)luaL_checkinteger(L, 2);

	luaL_argcheck(L, code >= 1000 && code <= 4999, 2, "expected a close code");
	lua_pushboolean(L,
			bind_ws_refuse((uint64_t)lua_check_id(L, 1), code, luaL_checkstring(L, 3)));
	return 1;
}

static int cse_connected(lua_State *L)
{
	lua_pushboolean(L, session_of(vm_check_str(L, 1)) != NULL);
	return 1;
}

/* unbind(AE-ID [, close code, reason]) */
static int cse_unbind(lua_State *L)
{
	struct str aei = vm_check_str(L, 1);
	int code = (int)luaL_optinteger(L, 2, 0);
	struct session *s = session_of(aei);

	if (code && s)
		bind_ws_refuse(conn_id(session_conn(s)), code, luaL_checkstring(L, 3));
	session_unbind(aei);
	return 0;
}

/* ---- listening, configuration, figures ------------------------------------------------------- */

static int cse_listen(lua_State *L)
{
	struct net_handlers h = { &BIND_HTTP, &BIND_WS, NULL };
	struct net_listen l = { .host = "127.0.0.1" };
	struct str host;
	struct err e;
	int port;

	luaL_checktype(L, 1, LUA_TTABLE);
	if (!net)
		return luaL_error(L, "there is no network");
	l.port = (int)lua_field_number(L, 1, "port", 0, 65535);
	l.http = lua_field_bool(L, 1, "http", true);
	l.ws = lua_field_bool(L, 1, "ws", true);
	l.tls = lua_field_bool(L, 1, "tls", false);
	host = lua_field_str(L, 1, "host");
	if (host.p)
		l.host = host.p;
	port = net_listen(net, &l, &h, &e);
	if (port < 0) {
		lua_pushnil(L);
		lua_pushstring(L, e.msg);
		return 2;
	}
	lua_pushinteger(L, port);
	return 1;
}

static bool is_format(void *arg, struct str name)
{
	(void)arg;
	for (size_t i = 0; i < nformats; i++) {
		if (str_is(name, format_names[i]))
			return true;
	}
	return false;
}

static void forget_formats(void)
{
	while (nformats)
		free(format_names[--nformats]);
}

static int cse_formats(lua_State *L)
{
	size_t n;

	luaL_checktype(L, 1, LUA_TTABLE);
	n = lua_objlen(L, 1);
	luaL_argcheck(L, n <= FORMATS_MAX, 1, "too many formats");
	forget_formats();
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		format_names[nformats++] = xstrdup(luaL_checkstring(L, -1));
		lua_pop(L, 1);
	}
	return 0;
}

static int cse_page(lua_State *L)
{
	struct err e;

	if (lua_isnoneornil(L, 2)) {
		bind_page_forget(vm_check_str(L, 1));
	} else if (!bind_page_set(vm_check_str(L, 1), vm_check_str(L, 2), vm_check_str(L, 3), &e)) {
		lua_pushnil(L);
		lua_pushstring(L, e.msg);
		return 2;
	}
	lua_pushboolean(L, true);
	return 1;
}

static int cse_configure(lua_State *L)
{
	const char *origin[ORIGINS_MAX + 1];
	struct bind_http_opts http = { .rvi = NULL };
	struct bind_ws_opts ws = { .format = is_format };
	double seconds;
	size_t n = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	http.admin_port = (uint16_t)lua_field_number(L, 1, "admin_port", 0, 65535);
	seconds = lua_field_number(L, 1, "request_time", 0, 86400);
	http.rvi = ws.rvi = lua_field_str(L, 1, "rvi").p;
	lua_getfield(L, 1, "origins");
	if (lua_istable(L, 3)) {
		luaL_checkstack(L, ORIGINS_MAX, "too many values");
		for (; n < lua_objlen(L, 3) && n < ORIGINS_MAX; n++) {
			lua_rawgeti(L, 3, (int)n + 1); /* stays on the stack */
			origin[n] = luaL_checkstring(L, lua_gettop(L));
		}
		origin[n] = NULL;
		http.origins = origin;
	}
	bind_identity_setup(lua_field_bool(L, 1, "open_cse", true), n > 0);
	bind_http_setup(&http);
	bind_ws_setup(&ws);
	if (net)
		primitive_open(net, seconds);
	return 0;
}

static void set_number(lua_State *L, const char *name, double v)
{
	lua_pushnumber(L, v);
	lua_setfield(L, -2, name);
}

static void add_notify_stats(lua_State *L)
{
	struct notify_stats s;

	notify_stats(&s);
	set_number(L, "events", (double)s.events);
	set_number(L, "notices", (double)s.notices);
	set_number(L, "sent", (double)s.sent);
	set_number(L, "acknowledged", (double)s.acknowledged);
	set_number(L, "failed", (double)s.failed);
	set_number(L, "dropped", (double)s.dropped);
	set_number(L, "requeued", (double)s.requeued);
	set_number(L, "released", (double)s.released);
	set_number(L, "held", (double)s.held);
	set_number(L, "queued", (double)s.queued);
	set_number(L, "parked", (double)s.parked);
	set_number(L, "bytes", (double)s.bytes);
	set_number(L, "targets", (double)s.targets);
}

static int cse_stats(lua_State *L)
{
	const struct net_counts *c = net ? net_counts(net) : NULL;

	lua_newtable(L);
	set_number(L, "requests", (double)primitive_count());
	set_number(L, "tasks", (double)task_count());
	set_number(L, "sessions", (double)session_count());
	set_number(L, "http", c ? c->http : 0);
	set_number(L, "ws", c ? c->ws : 0);
	add_notify_stats(L);
	return 1;
}

/* arg: the offset of an unsigned in struct net_counts. */
static double read_net(void *arg)
{
	if (!net)
		return 0;
	return *(const unsigned *)((const char *)net_counts(net) + (uintptr_t)arg);
}

static double read_sessions(void *arg)
{
	(void)arg;
	return (double)session_count();
}

#define CONNECTIONS(kind_name, member_name)                                                        \
	{                                                                                          \
		.name = "moon2m_connections", .help = "Open connections by kind.",                 \
		.labels = "kind=\"" kind_name "\"", .kind = METRIC_GAUGE, .read = read_net,        \
		.arg = (void *)offsetof(struct net_counts, member_name)                            \
	}

static void register_gauges(void)
{
	static struct metric gauges[] = {
		CONNECTIONS("http", http),
		CONNECTIONS("ws", ws),
		CONNECTIONS("http_out", http_out),
		CONNECTIONS("ws_out", ws_out),
		{ .name = "moon2m_connections_unidentified",
		  .help = "Connections that have not said who they are.",
		  .kind = METRIC_GAUGE,
		  .read = read_net,
		  .arg = (void *)offsetof(struct net_counts, unidentified) },
		{ .name = "moon2m_sessions",
		  .help = "Connections that speak for at least one AE.",
		  .kind = METRIC_GAUGE,
		  .read = read_sessions },
	};
	static bool done;

	for (size_t i = 0; !done && i < countof(gauges); i++)
		metric_register(&gauges[i]);
	done = true;
}

/* ---- module ---------------------------------------------------------------------------------- */

void lua_cse_use(struct net *n)
{
	net = n;
	primitive_open(n, 0);
	bind_http_setup(&(struct bind_http_opts){ .rvi = NULL });
	bind_ws_setup(&(struct bind_ws_opts){ .format = is_format });
	lua_notify_use();
	lua_notices_use();
	register_gauges();
}

void lua_cse_close(void)
{
	if (!net)
		return;
	primitive_close();
	lua_notify_close();
	lua_notices_close();
	forget_formats();
	bind_page_clear();
	net = NULL;
}

int lua_cse_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "reply", cse_reply },         { "submit", cse_submit },
		{ "bind", cse_bind },           { "refuse", cse_refuse },
		{ "connected", cse_connected }, { "unbind", cse_unbind },
		{ "listen", cse_listen },       { "configure", cse_configure },
		{ "stats", cse_stats },         { "formats", cse_formats },
		{ "page", cse_page },           { NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_notify_functions(L);
	lua_notices_functions(L);
	return 1;
}
