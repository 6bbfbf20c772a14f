/*
 * admin.c - see admin.h.  Reads a command, asks the notification engine, writes lines; a command that
 * it does not know is Lua's.
 * Guarantees: a bad line gets a message and changes nothing; what is dropped is said explicitly.
 */
#include "admin.h"

#include <stdlib.h>

#include "clock.h"
#include "jscan.h"
#include "log.h"
#include "lua_console.h"
#include "lua_operator.h"
#include "net_unix.h"
#include "notify.h"

#define LIMIT 1000u
#define LIMIT_MAX 100000u

struct command {
	struct str text; /* the object */
	struct buf target, sur;
	struct notify_filter f;
	uint64_t limit;
	bool all;
};

struct listing {
	struct buf *out;
	uint64_t n, limit;
};

static struct net_unix *sock;

/* ---- rows ------------------------------------------------------------------------------------ */

static void put_text(struct buf *b, const char *name, struct str v)
{
	buf_fmt(b, ",\"%s\":", name);
	buf_json(b, v);
}

static void put_int(struct buf *b, const char *name, int64_t v)
{
	buf_fmt(b, ",\"%s\":%lld", name, (long long)v);
}

static void put_age(struct buf *b, const char *name, int64_t at)
{
	int64_t age = clock_wall() - at;

	if (at)
		buf_fmt(b, ",\"%s\":%lld.%03d", name, (long long)(age > 0 ? age / 1000000 : 0),
			age > 0 ? (int)(age / 1000 % 1000) : 0);
}

static void put_error(struct buf *b, int code, const char *error, int64_t at)
{
	if (!error)
		return;
	put_int(b, "code", code);
	put_text(b, "error", str_of(error));
	put_int(b, "error_at", at);
}

static void put_head(struct buf *b, const char *state, struct str target, struct str sur,
		     int64_t sub)
{
	buf_fmt(b, "{\"state\":\"%s\"", state);
	put_text(b, "target", target);
	put_text(b, "sur", sur);
	put_int(b, "sub", sub);
}

static void put_notice(void *arg, const struct notify_info *i)
{
	struct listing *l = arg;

	if (l->n++ == l->limit)
		return;
	put_head(l->out, i->state, i->target, i->sur, i->sub);
	put_int(l->out, "id", i->id);
	if (i->at)
		put_int(l->out, "at", i->at);
	put_age(l->out, "age", i->at);
	put_int(l->out, "attempts", i->attempts);
	put_int(l->out, "bytes", (int64_t)i->bytes);
	put_error(l->out, i->code, i->error, i->error_at);
	buf_str(l->out, STR("}\n"));
}

static void put_account(void *arg, const struct notify_account *a)
{
	struct listing *l = arg;

	if (l->n++ == l->limit)
		return;
	put_head(l->out, a->state, a->target, a->sur, a->sub);
	put_int(l->out, "events", (int64_t)a->events);
	put_int(l->out, "sent", (int64_t)a->sent);
	put_int(l->out, "acknowledged", (int64_t)a->acknowledged);
	put_int(l->out, "answered", (int64_t)a->answered);
	put_int(l->out, "failed", (int64_t)a->failed);
	put_int(l->out, "dropped", (int64_t)a->dropped);
	put_int(l->out, "queued", (int64_t)a->queued);
	put_int(l->out, "held", (int64_t)a->held);
	put_age(l->out, "oldest", a->oldest);
	put_error(l->out, a->code, a->error, a->error_at);
	buf_str(l->out, STR("}\n"));
}

/* ---- commands -------------------------------------------------------------------------------- */

static void put_ok(struct buf *out, uint64_t count, bool more)
{
	buf_fmt(out, "{\"ok\":true,\"count\":%llu%s}\n", (unsigned long long)count,
		more ? ",\"more\":true" : "");
}

static void put_failure(struct buf *out, const char *why)
{
	buf_str(out, STR("{\"ok\":false,\"error\":"));
	buf_json(out, str_of(why));
	buf_str(out, STR("}\n"));
}

/* One more than the limit is asked for: it is counted and not shown. */
static void notices(const struct command *c, struct buf *out)
{
	struct listing l = { out, 0, c->limit };

	notify_notices(&c->f, c->limit + 1, put_notice, &l);
	put_ok(out, l.n < l.limit ? l.n : l.limit, l.n > l.limit);
}

static void accounts(const struct command *c, struct buf *out)
{
	struct listing l = { out, 0, c->limit };

	notify_accounts(&c->f, c->limit + 1, put_account, &l);
	put_ok(out, l.n < l.limit ? l.n : l.limit, l.n > l.limit);
}

static void replay(const struct command *c, struct buf *out)
{
	size_t n = notify_replay(&c->f);

	log_info("admin", "notices tried again count=%zu", n);
	put_ok(out, n, false);
}

static void drop(const struct command *c, struct buf *out)
{
	size_t n;

	if (!c->all && !c->f.target.p && !c->f.sub && !c->f.sur.p) {
		put_failure(out, "drop: target, sub or \"all\":true is needed");
		return;
	}
	n = notify_drop(&c->f);
	log_info("admin", "notices dropped count=%zu", n);
	put_ok(out, n, false);
}

static void stats(const struct command *c, struct buf *out)
{
	struct notify_stats s;

	(void)c;
	notify_stats(&s);
	buf_str(out, STR("{\"ok\":true"));
	put_int(out, "events", (int64_t)s.events);
	put_int(out, "notices", (int64_t)s.notices);
	put_int(out, "sent", (int64_t)s.sent);
	put_int(out, "acknowledged", (int64_t)s.acknowledged);
	put_int(out, "failed", (int64_t)s.failed);
	put_int(out, "dropped", (int64_t)s.dropped);
	put_int(out, "requeued", (int64_t)s.requeued);
	put_int(out, "released", (int64_t)s.released);
	put_int(out, "queued", (int64_t)s.queued);
	put_int(out, "parked", (int64_t)s.parked);
	put_int(out, "held", (int64_t)s.held);
	put_int(out, "targets", (int64_t)s.targets);
	buf_str(out, STR("}\n"));
}

static const struct {
	const char *name;
	void (*run)(const struct command *c, struct buf *out);
} commands[] = { { "notices", notices },
		 { "accounts", accounts },
		 { "replay", replay },
		 { "drop", drop },
		 { "stats", stats } };

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_target(struct command *c, struct err *e)
{
	struct str v;

	if (!jscan_member(c->text, "target", &v))
		return true;
	if (!jscan_string(v, &c->target))
		return err_set(e, "target: expected a string");
	c->f.target = c->target.n ? buf_view(&c->target) : STR("");
	return true;
}

static bool read_sub(struct command *c, struct err *e)
{
	struct str v;
	uint64_t id;

	if (!jscan_member(c->text, "sub", &v))
		return true;
	if (jscan_string(v, &c->sur)) {
		c->f.sur = c->sur.n ? buf_view(&c->sur) : STR("");
		return true;
	}
	if (!str_u64(v, &id) || id == 0 || id > INT64_MAX)
		return err_set(e, "sub: expected an id or a string");
	c->f.sub = (int64_t)id;
	return true;
}

static bool read_rest(struct command *c, struct err *e)
{
	struct str v;

	c->limit = LIMIT;
	if (jscan_member(c->text, "limit", &v) &&
	    (!str_u64(v, &c->limit) || c->limit == 0 || c->limit > LIMIT_MAX))
		return err_set(e, "limit: expected a number from 1 to %u", LIMIT_MAX);
	if (!jscan_member(c->text, "all", &v))
		return true;
	c->all = str_is(v, "true");
	return c->all || str_is(v, "false") || err_set(e, "all: expected true or false");
}

static bool read_command(struct command *c, struct buf *name, struct err *e)
{
	struct str v;

	if (!jscan_check(c->text, JSCAN_DEFAULT, e))
		return false;
	if (jscan_type(c->text) != JSCAN_OBJECT)
		return err_set(e, "expected a JSON object");
	if (!jscan_member(c->text, "cmd", &v) || !jscan_string(v, name))
		return err_set(e, "cmd: expected a string");
	return read_target(c, e) && read_sub(c, e) && read_rest(c, e);
}

static bool run_command(const struct command *c, struct str name, struct buf *out)
{
	struct str v;

	if (jscan_member(c->text, "name", &v))
		return false; /* of a script */
	for (size_t i = 0; i < countof(commands); i++) {
		if (!str_is(name, commands[i].name))
			continue;
		commands[i].run(c, out);
		return true;
	}
	return false;
}

bool admin_answer(struct str line, struct buf *out)
{
	struct command c = { .text = line };
	struct buf name = BUF_INIT;
	bool done = true;
	struct err e;

	if (read_command(&c, &name, &e))
		done = run_command(&c, buf_view(&name), out);
	else
		put_failure(out, e.msg);
	buf_free(&name);
	buf_free(&c.target);
	buf_free(&c.sur);
	return done;
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void on_answer(void *arg, struct str text)
{
	uint64_t *client = arg;

	if (sock)
		net_unix_answer(sock, *client, text);
	free(client);
}

static bool is_console(struct str line)
{
	struct buf name = BUF_INIT;
	struct str v;
	bool is = jscan_member(line, "cmd", &v) && jscan_string(v, &name) &&
		  str_is(buf_view(&name), "console");

	buf_free(&name);
	return is;
}

/* What is no command here is one of Lua's. */
static bool on_line(void *arg, uint64_t id, struct str line, struct buf *out)
{
	uint64_t *client;

	(void)arg;
	if (admin_answer(line, out))
		return true;
	if (is_console(line)) {
		if (lua_console_begin(sock, id))
			return false;
		put_failure(out, "eight consoles are open; close one");
		return true;
	}
	client = xmalloc(sizeof(*client));
	*client = id;
	lua_operator_ask(line, on_answer, client);
	return false;
}

bool admin_open(struct net *n, const char *data, struct err *e)
{
	struct buf path = BUF_INIT;

	buf_fmt(&path, "%s/" ADMIN_SOCKET, data);
	buf_char(&path, '\0');
	sock = net_unix_listen(n, path.p, on_line, NULL, e);
	buf_free(&path);
	return sock != NULL;
}

void admin_close(void)
{
	net_unix_close(sock);
	sock = NULL;
}
