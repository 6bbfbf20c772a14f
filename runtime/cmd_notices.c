/*
 * `moon2m notices`: asks a running server, through its operator's socket, what became of its
 * notifications, and prints a table or JSON lines; tries some again or drops them.
 */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd_ask.h"
#include "jscan.h"

#define COLUMNS_MAX 12
#define CELL_MAX 60 /* bytes of a text in a table */

enum kind { TEXT, NUMBER, SECONDS, FAULT };

struct column {
	const char *title, *member;
	enum kind kind;
};

static const struct column notice_columns[] = {
	{ "STATE", "state", TEXT },         { "TARGET", "target", TEXT },
	{ "SUBSCRIPTION", "sur", TEXT },    { "AGE", "age", SECONDS },
	{ "ATTEMPTS", "attempts", NUMBER }, { "BYTES", "bytes", NUMBER },
	{ "ERROR", "error", FAULT },        { NULL, NULL, TEXT },
};
static const struct column account_columns[] = {
	{ "SUBSCRIPTION", "sur", TEXT }, { "TARGET", "target", TEXT },
	{ "IS", "state", TEXT },         { "EVENTS", "events", NUMBER },
	{ "SENT", "sent", NUMBER },      { "ACKED", "acknowledged", NUMBER },
	{ "FAILED", "failed", NUMBER },  { "DROPPED", "dropped", NUMBER },
	{ "QUEUED", "queued", NUMBER },  { "OLDEST", "oldest", SECONDS },
	{ "ERROR", "error", FAULT },     { NULL, NULL, TEXT },
};

static struct {
	const char *data, *target, *sub, *cmd;
	uint64_t limit;
	bool json, all;
} ask;

/* ---- the conversation ------------------------------------------------------------------------ */

static void add_member(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	buf_fmt(b, ",\"%s\":", name);
	buf_json(b, str_of(value));
}

static bool converse(struct buf *in, struct err *e)
{
	struct buf b = BUF_INIT;
	bool ok;

	buf_fmt(&b, "{\"cmd\":\"%s\"", ask.cmd);
	add_member(&b, "target", ask.target);
	add_member(&b, "sub", ask.sub);
	if (ask.all)
		buf_str(&b, STR(",\"all\":true"));
	if (ask.limit)
		buf_fmt(&b, ",\"limit\":%llu", (unsigned long long)ask.limit);
	buf_char(&b, '}');
	ok = cmd_ask(ask.data, buf_view(&b), in, e);
	buf_free(&b);
	return ok;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* "41s", "3m05s", "7h20m", "12d4h". */
static void put_age(struct buf *b, struct str seconds)
{
	unsigned long s = strtoul(seconds.p, NULL, 10);

	if (s < 60)
		buf_fmt(b, "%lus", s);
	else if (s < 3600)
		buf_fmt(b, "%lum%02lus", s / 60, s % 60);
	else if (s < 86400)
		buf_fmt(b, "%luh%02lum", s / 3600, s / 60 % 60);
	else
		buf_fmt(b, "%lud%luh", s / 86400, s / 3600 % 24);
}

/* "404 ": the code of a fault that has one. */
static void put_code(struct buf *b, struct str row)
{
	struct str v;

	if (!jscan_member(row, "code", &v) || str_is(v, "0"))
		return;
	buf_str(b, v);
	buf_char(b, ' ');
}

/* Appends a cell; control characters of texts that clients chose do not reach the terminal. */
static size_t put_cell(struct buf *b, struct str row, const struct column *c)
{
	size_t from = b->n;
	struct str v;

	if (c->kind == FAULT)
		put_code(b, row);
	if (!jscan_member(row, c->member, &v)) {
		buf_char(b, '-');
	} else if (c->kind == SECONDS) {
		put_age(b, v);
	} else if (c->kind == NUMBER || !jscan_string(v, b)) {
		buf_str(b, v);
	}
	if (b->n - from > CELL_MAX) {
		b->n = from + CELL_MAX - 3;
		buf_str(b, STR("..."));
	}
	for (size_t i = from; i < b->n; i++) {
		if ((unsigned char)b->p[i] < 0x20 || b->p[i] == 0x7f)
			b->p[i] = '?';
	}
	return b->n - from;
}

static void print_row(struct str row, const struct column *c, const size_t *width)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; c[i].title; i++) {
		size_t n;

		if (i)
			buf_str(&b, STR("  "));
		if (row.p) {
			n = put_cell(&b, row, &c[i]);
		} else {
			n = strlen(c[i].title);
			buf_str(&b, str_of(c[i].title));
		}
		for (; n < width[i] && c[i + 1].title; n++)
			buf_char(&b, ' ');
	}
	buf_char(&b, '\n');
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

static int by_target(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	struct str t[2] = { STR_NONE, STR_NONE };
	int order;

	(void)jscan_member(*x, "target", &t[0]);
	(void)jscan_member(*y, "target", &t[1]);
	order = memcmp(t[0].p, t[1].p, t[0].n < t[1].n ? t[0].n : t[1].n);
	if (order == 0 && t[0].n != t[1].n)
		order = t[0].n < t[1].n ? -1 : 1;
	return order ? order : (x->p > y->p) - (x->p < y->p);
}

static void print_table(struct str *row, size_t n, const struct column *c)
{
	size_t width[COLUMNS_MAX] = { 0 };
	struct buf b = BUF_INIT;

	for (size_t k = 0; c[k].title; k++)
		width[k] = strlen(c[k].title);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; c[k].title; k++) {
			size_t w;

			buf_clear(&b);
			w = put_cell(&b, row[i], &c[k]);
			width[k] = w > width[k] ? w : width[k];
		}
	}
	buf_free(&b);
	qsort(row, n, sizeof(*row), by_target);
	print_row(STR_NONE, c, width);
	for (size_t i = 0; i < n; i++)
		print_row(row[i], c, width);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static bool listing(void)
{
	return strcmp(ask.cmd, "notices") == 0 || strcmp(ask.cmd, "accounts") == 0;
}

/* "1 notice", "2 notices". */
static void print_count(struct str n, const char *what)
{
	printf("%.*s %s%s", STRFMT(n), what, str_is(n, "1") ? "" : "s");
}

static void print_verdict(struct str verdict)
{
	struct str v = STR("0");
	const char *tail = "";

	(void)jscan_member(verdict, "count", &v);
	print_count(v, strcmp(ask.cmd, "accounts") == 0 ? "account" : "notice");
	if (!listing())
		tail = strcmp(ask.cmd, "drop") == 0 ? " dropped" : " tried again";
	else if (jscan_member(verdict, "more", &v))
		tail = ", and more: see --limit";
	printf("%s\n", tail);
}

static int print_answer(struct str in)
{
	struct err e;
	size_t n;
	struct str *row = cmd_ask_lines(in, &n, &e);
	int code = CMD_OK;

	if (!row)
		return cmd_fail(&e);
	if (!cmd_ask_verdict(row[n - 1], &e)) {
		code = cmd_fail(&e);
	} else if (ask.json) {
		for (size_t i = 0; i < (listing() ? n - 1 : n); i++)
			printf("%.*s\n", STRFMT(row[i]));
	} else {
		if (listing() && n > 1)
			print_table(row, n - 1,
				    strcmp(ask.cmd, "notices") == 0 ? notice_columns
								    : account_columns);
		print_verdict(row[n - 1]);
	}
	free(row);
	return code;
}

/* ---- options --------------------------------------------------------------------------------- */

static int set_command(const char *name)
{
	if (strcmp(ask.cmd, "notices") != 0)
		return cmd_usage(&cmd_notices, "one of --counters, --replay and --drop only");
	ask.cmd = name;
	return -1;
}

static int set_option(int c, const char *value)
{
	if (c == 'd')
		ask.data = value;
	else if (c == 't')
		ask.target = value;
	else if (c == 's')
		ask.sub = value;
	else if (c == 'j')
		ask.json = true;
	else if (c == 'a')
		ask.all = true;
	else if (c == 'c' || c == 'r' || c == 'x')
		return set_command(c == 'c' ? "accounts" : c == 'r' ? "replay" : "drop");
	else if (!str_u64(str_of(value), &ask.limit) || ask.limit == 0 || ask.limit > 100000)
		return cmd_usage(&cmd_notices, "--limit %s: a number from 1 to 100000 expected",
				 value);
	return -1;
}

static int read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "target", required_argument, NULL, 't' },
		{ "sub", required_argument, NULL, 's' },
		{ "limit", required_argument, NULL, 'n' },
		{ "counters", no_argument, NULL, 'c' },
		{ "replay", no_argument, NULL, 'r' },
		{ "drop", no_argument, NULL, 'x' },
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, code;

	ask.data = "data";
	ask.cmd = "notices";
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h')
			return cmd_help(&cmd_notices);
		if (c == '?')
			return cmd_usage(&cmd_notices, NULL);
		code = set_option(c, optarg);
		if (code >= 0)
			return code;
	}
	if (optind < argc)
		return cmd_usage(&cmd_notices, "unexpected argument '%s'", argv[optind]);
	if (strcmp(ask.cmd, "drop") == 0 && !ask.target && !ask.sub && !ask.all)
		return cmd_usage(&cmd_notices, "--drop: which? --target, --sub or --all");
	return -1;
}

static int run(int argc, char **argv)
{
	struct buf in = BUF_INIT;
	struct err e;
	int code = read_options(argc, argv);

	if (code >= 0)
		return code;
	code = converse(&in, &e) ? print_answer(buf_view(&in)) : cmd_fail(&e);
	buf_free(&in);
	return code;
}

static const char help[] =
    "Usage: moon2m notices [OPTION]...\n"
    "\n"
    "Shows the notifications that a running server has not delivered yet, oldest first for each\n"
    "target, with what went wrong.  A notice is queued (its target can be reached), sent (its\n"
    "answer is awaited), parked (the target is away, or the format failed) or held (by the\n"
    "subscription's policy).\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "      --target T    only those for this AE-ID or URL\n"
    "      --sub S       only those of this subscription: its reference or its resource ID\n"
    "      --limit N     at most so many (default: 1000)\n"
    "      --counters    what became of the others: a line per subscription and target, since\n"
    "                    the server's start\n"
    "      --replay      tries again now what is parked, not answered or backing off\n"
    "      --drop        drops what waits and is not under way; targets are told of the gap;\n"
    "                    needs --target, --sub or --all\n"
    "      --json        JSON, one object a line\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (no server runs there), 2 wrong usage.\n";

const struct cmd cmd_notices = {
	.name = "notices",
	.summary = "show the notifications that a server keeps, try them again, drop them",
	.run = run,
	.help = help,
};
