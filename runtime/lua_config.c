/*
 * The way to Lua's configuration and back.  Lua has checked types and ranges; a value that is
 * missing here, or of another type, leaves the field's default.
 */
#include "lua_config.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "vm.h"

#define ORIGINS_MAX 64

/* ---- the command line, as a table ------------------------------------------------------------ */

static void set_text(lua_State *L, const char *name, const char *value)
{
	if (!value)
		return;
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

static void set_list(lua_State *L, const char *name, const char *const *value, size_t n)
{
	lua_newtable(L);
	for (size_t i = 0; i < n; i++) {
		lua_pushstring(L, value[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, name);
}

/* {config=, data=, log_level=, strict=, safe=, watch=, listen={...}, set={...}, apps={...}} */
static void push_options(lua_State *L, const struct run_options *o)
{
	lua_newtable(L);
	set_text(L, "config", o->config);
	set_text(L, "data", o->data);
	set_text(L, "log_level", o->log);
	lua_pushboolean(L, o->strict);
	lua_setfield(L, -2, "strict");
	lua_pushboolean(L, o->safe);
	lua_setfield(L, -2, "safe");
	lua_pushboolean(L, o->dev);
	lua_setfield(L, -2, "dev");
	lua_pushboolean(L, o->watch);
	lua_setfield(L, -2, "watch");
	set_list(L, "listen", o->listen, o->nlisten);
	set_list(L, "set", o->set, o->nset);
	set_list(L, "apps", (const char *const *)o->apps, o->napps);
}

/* ---- the answer ------------------------------------------------------------------------------ */

enum kind { K_UNSIGNED, K_SIZE, K_DOUBLE, K_BOOL };
struct key {
	const char *name;
	enum kind kind;
	size_t at;
};

#define LIMIT(kind, field)                                                                         \
	{                                                                                          \
#field, kind, offsetof(struct net_limits, field)                                   \
	}
static const struct key limits[] = {
	LIMIT(K_UNSIGNED, connections),
	LIMIT(K_UNSIGNED, per_address),
	LIMIT(K_UNSIGNED, unidentified),
	LIMIT(K_SIZE, request_line),
	LIMIT(K_SIZE, headers),
	LIMIT(K_UNSIGNED, header_count),
	LIMIT(K_SIZE, body),
	LIMIT(K_UNSIGNED, pipeline),
	LIMIT(K_DOUBLE, handshake_time),
	LIMIT(K_DOUBLE, header_time),
	LIMIT(K_DOUBLE, body_time),
	LIMIT(K_DOUBLE, idle_time),
	LIMIT(K_DOUBLE, body_rate),
	LIMIT(K_DOUBLE, ping),
	LIMIT(K_DOUBLE, hangup),
	LIMIT(K_DOUBLE, read_stall),
};

#define NOTIFY(kind, field)                                                                        \
	{                                                                                          \
#field, kind, offsetof(struct notify_opts, field)                                  \
	}
static const struct key notification[] = {
	NOTIFY(K_UNSIGNED, window),  NOTIFY(K_UNSIGNED, max_count), NOTIFY(K_SIZE, max_bytes),
	NOTIFY(K_DOUBLE, max_age),   NOTIFY(K_DOUBLE, answer_time), NOTIFY(K_DOUBLE, retry_min),
	NOTIFY(K_DOUBLE, retry_max),
};

static void read_value(lua_State *L, const struct key *k, void *base)
{
	char *field = (char *)base + k->at;
	double v = lua_tonumber(L, -1);

	if (k->kind == K_BOOL && lua_isboolean(L, -1))
		*(bool *)field = lua_toboolean(L, -1);
	if (lua_type(L, -1) != LUA_TNUMBER || v < 0)
		return;
	if (k->kind == K_UNSIGNED && v <= UINT32_MAX)
		*(unsigned *)field = (unsigned)v;
	else if (k->kind == K_SIZE && v < 1e15)
		*(size_t *)field = (size_t)v;
	else if (k->kind == K_DOUBLE)
		*(double *)field = v;
}

/* Fields of the table at the top that keys name. */
static void read_keys(lua_State *L, const struct key *k, size_t n, void *base)
{
	if (!lua_istable(L, -1))
		return;
	for (size_t i = 0; i < n; i++) {
		lua_getfield(L, -1, k[i].name);
		read_value(L, &k[i], base);
		lua_pop(L, 1);
	}
}

static const char **read_origins(lua_State *L)
{
	size_t n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
	const char **list;

	if (n == 0)
		return NULL;
	n = n < ORIGINS_MAX ? n : ORIGINS_MAX;
	list = xcalloc(n + 1, sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		list[i] = xstrdup(lua_tostring(L, -1) ? lua_tostring(L, -1) : "");
		lua_pop(L, 1);
	}
	return list;
}

#define STORE(kind, field)                                                                         \
	{                                                                                          \
#field, kind, offsetof(struct store_opts, field)                                   \
	}
static const struct key store[] = {
	STORE(K_UNSIGNED, batch_ops),
	STORE(K_SIZE, batch_bytes),
	STORE(K_SIZE, queue_bytes),
};

static const struct key of_limits[] = {
	{ "memory", K_SIZE, offsetof(struct run_config, lua_memory) },
	{ "json_members", K_UNSIGNED, offsetof(struct run_config, json_members) },
	{ "json_depth", K_UNSIGNED, offsetof(struct run_config, json_depth) },
	{ "requests", K_UNSIGNED, offsetof(struct run_config, requests) },
};
static const struct key identity[] = {
	{ "failures", K_UNSIGNED, offsetof(struct run_config, failures) },
	{ "brake_time", K_DOUBLE, offsetof(struct run_config, brake_time) },
};
static const struct key stuck = { "stuck", K_DOUBLE, offsetof(struct run_config, stuck) };

static void read_section(lua_State *L, const char *name, const struct key *k, size_t n, void *base)
{
	lua_getfield(L, -1, name);
	read_keys(L, k, n, base);
	lua_pop(L, 1);
}

/* Text `name` of section `section` of the table at the top; the caller frees it. */
static char *read_text(lua_State *L, const char *section, const char *name)
{
	char *s = NULL;

	lua_getfield(L, -1, section);
	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, name);
		s = lua_type(L, -1) == LUA_TSTRING ? xstrdup(lua_tostring(L, -1)) : NULL;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return s;
}

static void read_limits(lua_State *L, struct run_config *c)
{
	read_section(L, "limits", limits, countof(limits), &c->limits);
	read_section(L, "limits", of_limits, countof(of_limits), c);
	lua_getfield(L, -1, "limits");
	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, "origins");
		c->origins = read_origins(L);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	c->limits.origins = c->origins;
}

static void read_answer(lua_State *L, struct run_config *c)
{
	char *level = read_text(L, "log", "level");

	c->has_log = level && log_parse_level(level, &c->log);
	free(level);
	c->cse_id = read_text(L, "cse", "id");
	c->cse_sp = read_text(L, "cse", "sp");
	c->rvi = read_text(L, "notification", "release");
	c->credentials = read_text(L, "identity", "file");
	read_section(L, "identity", identity, countof(identity), c);
	lua_getfield(L, -1, "data");
	c->data = xstrdup(lua_tostring(L, -1) ? lua_tostring(L, -1) : "data");
	lua_pop(L, 1);
	read_limits(L, c);
	read_section(L, "notification", notification, countof(notification), &c->notify);
	read_section(L, "store", store, countof(store), &c->store);
	read_section(L, "budgets", &stuck, 1, c);
	c->notify.cse_id = c->cse_id ? str_of(c->cse_id) : STR("/moon");
	c->notify.rvi = c->rvi ? c->rvi : "3";
}

static const struct run_config defaults = {
	.lua_memory = 1 << 30,
	.json_members = 4096,
	.json_depth = 64,
	.requests = 16384,
	.stuck = 5,
	.notify = {
		.window = 256,
		.max_count = 10000,
		.max_bytes = 16 << 20,
		.answer_time = 10,
		.retry_min = 1,
		.retry_max = 60,
	},
	.store = { .batch_ops = 512, .batch_bytes = 2 << 20, .queue_bytes = 64 << 20 },
};

bool lua_config_load(const struct run_options *o, struct run_config *c, struct err *e)
{
	lua_State *L = vm_state();

	*c = defaults;
	c->limits = NET_LIMITS;
	vm_push_entry(L, "config");
	push_options(L, o);
	if (!vm_try(L, 1, 1, e))
		return false;
	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		return err_set(e, "the boot module's entry 'config' returned no table");
	}
	read_answer(L, c);
	lua_pop(L, 1);
	return true;
}

void lua_config_free(struct run_config *c)
{
	for (size_t i = 0; c->origins && c->origins[i]; i++)
		free((void *)c->origins[i]);
	free(c->origins);
	free(c->data);
	free(c->cse_id);
	free(c->cse_sp);
	free(c->credentials);
	free(c->rvi);
	memset(c, 0, sizeof(*c));
}
