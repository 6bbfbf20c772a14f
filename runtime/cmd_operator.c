/*
 * `moon2m scripts`, `moon2m reload` and `moon2m replay`: ask a running server about its scripts and
 * print the lines of its answer; what a line says is lua/moon2m/operator.lua's business.
 */
#define _GNU_SOURCE
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd_ask.h"
#include "jscan.h"

struct ask {
	const char *data, *name;
	bool json, drop;
};

/* Returns -1 to go on, or the exit code. */
static int read_options(const struct cmd *c, int argc, char **argv, struct ask *a)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "drop", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	*a = (struct ask){ .data = "data" };
	while ((k = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(c);
		if (k == 'd')
			a->data = optarg;
		else if (k == 'j' && c == &cmd_scripts)
			a->json = true;
		else if (k == 'x' && c == &cmd_replay)
			a->drop = true;
		else
			return cmd_usage(c, k == '?' ? NULL : "unknown option");
	}
	if (optind < argc)
		a->name = argv[optind++];
	if (optind < argc)
		return cmd_usage(c, "unexpected argument '%s'", argv[optind]);
	if (c == &cmd_replay && !a->name)
		return cmd_usage(c, "which script? `moon2m scripts` lists them");
	return -1;
}

/* Text lines as they are, others as JSON. */
static void print_lines(const struct str *row, size_t n)
{
	struct buf text = BUF_INIT;

	for (size_t i = 0; i + 1 < n; i++) {
		struct str line = row[i];

		buf_clear(&text);
		if (jscan_string(line, &text))
			line = buf_view(&text);
		printf("%.*s\n", STRFMT(line));
	}
	buf_free(&text);
}

/* The whole reason, which may have several lines. */
static int print_failure(struct str verdict)
{
	struct buf why = BUF_INIT;
	struct str v;

	if (!jscan_member(verdict, "error", &v) || !jscan_string(v, &why))
		buf_str(&why, STR("the server refused"));
	fprintf(stderr, "moon2m: %.*s\n", STRFMT(buf_view(&why)));
	buf_free(&why);
	return CMD_FAILED;
}

static int print_answer(struct str answer)
{
	struct err e;
	size_t n;
	struct str *row = cmd_ask_lines(answer, &n, &e);
	int code = CMD_OK;

	if (!row)
		return cmd_fail(&e);
	print_lines(row, n);
	if (!cmd_ask_verdict(row[n - 1], &e))
		code = print_failure(row[n - 1]);
	free(row);
	return code;
}

static int ask_server(const struct cmd *c, int argc, char **argv)
{
	struct buf command = BUF_INIT, answer = BUF_INIT;
	struct ask a;
	struct err e;
	int code = read_options(c, argc, argv, &a);

	if (code >= 0)
		return code;
	buf_fmt(&command, "{\"cmd\":\"%s\"", c->name);
	if (a.name) {
		buf_str(&command, STR(",\"name\":"));
		buf_json(&command, str_of(a.name));
	}
	buf_fmt(&command, "%s%s}", a.json ? ",\"json\":true" : "", a.drop ? ",\"drop\":true" : "");
	code = cmd_ask(a.data, buf_view(&command), &answer, &e) ? print_answer(buf_view(&answer))
								: cmd_fail(&e);
	buf_free(&command);
	buf_free(&answer);
	return code;
}

static int run_scripts(int argc, char **argv)
{
	return ask_server(&cmd_scripts, argc, argv);
}

static int run_reload(int argc, char **argv)
{
	return ask_server(&cmd_reload, argc, argv);
}

static int run_replay(int argc, char **argv)
{
	return ask_server(&cmd_replay, argc, argv);
}

static const char help_scripts[] =
    "Usage: moon2m scripts [OPTION]... [NAME]\n"
    "\n"
    "Shows the scripts of a running server: what each has declared, how often it was called, what\n"
    "went wrong last and what became of the data, and the events that wait for it.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "      --json        JSON, one object a line\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (no server runs there), 2 wrong usage.\n";

static const char help_reload[] =
    "Usage: moon2m reload [OPTION]... [NAME]\n"
    "\n"
    "Replaces the scripts of a running server, or the one of that name, by what their files hold now.\n"
    "A script that does not load leaves the version that runs untouched, and the command fails with\n"
    "its message.  Events that were parked are handed to the new version.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (nothing changed for what failed), 2 wrong usage.\n";

static const char help_replay[] =
    "Usage: moon2m replay [OPTION]... NAME\n"
    "\n"
    "Hands the events that are parked for a script to it once more, oldest first, before the events\n"
    "that wait behind them.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "      --drop        forgets them instead\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure, 2 wrong usage.\n";

const struct cmd cmd_scripts = {
	.name = "scripts",
	.summary = "show the scripts of a running server",
	.run = run_scripts,
	.help = help_scripts,
};

const struct cmd cmd_reload = {
	.name = "reload",
	.summary = "reload scripts of a running server",
	.run = run_reload,
	.help = help_reload,
};

const struct cmd cmd_replay = {
	.name = "replay",
	.summary = "hand parked events to a script again",
	.run = run_replay,
	.help = help_replay,
};
