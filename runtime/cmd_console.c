/*
 * `moon2m console` and `moon2m eval`: lines of Lua for a running server, what they print.  At a
 * terminal lines are edited (console_edit.h); from a pipe they are read as they come.  What the server
 * says is text for a terminal only after control characters were taken out of it.
 */
#define _GNU_SOURCE
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "console_edit.h"
#include "console_link.h"
#include "jscan.h"
#include "lua_flame.h"

#define COMPLETE_MS 2000
#define TICK_MS 500
#define AGAIN 300000 /* us between two presses of Ctrl-C at least */

enum outcome { DONE, FAILED, MORE, LOST };

static struct {
	struct console_link link;
	const char *data;
	bool json, vm;
	bool terminal; /* lines are typed */
	bool clean; /* output is for a terminal */
	struct err lost; /* why, after LOST */
} con;

static volatile int interrupted;

static void on_interrupt(int signo)
{
	(void)signo;
	interrupted = 1;
}

/* ---- output ---------------------------------------------------------------------------------- */

/* Control characters, those that UTF-8 writes as C2 80 to C2 9F too, would drive the terminal. */
static void print_text(FILE *f, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool c1 = c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0;

		if (con.clean && ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f || c1))
			fputc('?', f);
		else
			fputc(c, f);
		i += con.clean && c1;
	}
	fputc('\n', f);
}

static bool is_plain_name(struct str s)
{
	if (s.n < 5 || s.n > 200 || s.p[0] == '.' || memcmp(s.p + s.n - 4, ".svg", 4) != 0)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("_.-", s.p[i]) && !((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z') &&
		    !(s.p[i] >= '0' && s.p[i] <= '9'))
			return false;
	return true;
}

static bool write_file(const char *name, struct str text, struct err *e)
{
	FILE *f = fopen(name, "we");
	bool ok = f && fwrite(text.p, 1, text.n, f) == text.n;

	if (f && fclose(f) != 0)
		ok = false;
	return ok || err_set(e, "%s: %s", name, strerror(errno));
}

/* The picture is drawn here, in a VM of this process. */
static bool draw(struct str name, struct str folded, struct str title, struct err *e)
{
	struct buf svg = BUF_INIT, path = BUF_INIT;
	bool ok;

	if (!is_plain_name(name))
		return err_set(e, "the server names a file that is none of this folder");
	buf_str(&path, name);
	buf_char(&path, '\0');
	if (!con.vm)
		con.vm = cmd_open_vm(NULL, false, 0, e);
	ok = con.vm && lua_flame_svg(folded, title, &svg, e) &&
	     write_file(path.p, buf_view(&svg), e);
	if (ok)
		printf("%s written\n", path.p);
	buf_free(&svg);
	buf_free(&path);
	return ok;
}

static bool text_of(struct str message, const char *name, struct buf *out)
{
	struct str v;

	buf_clear(out);
	return jscan_member(message, name, &v) && jscan_string(v, out);
}

static void on_file(struct str message, struct str name)
{
	struct buf folded = BUF_INIT, title = BUF_INIT;
	struct err e;

	(void)text_of(message, "folded", &folded);
	(void)text_of(message, "title", &title);
	if (!draw(name, folded.n ? buf_view(&folded) : STR(""),
		  title.n ? buf_view(&title) : STR(""), &e))
		(void)cmd_fail(&e);
	buf_free(&folded);
	buf_free(&title);
}

/* ---- one line -------------------------------------------------------------------------------- */

/* What a message says; MORE here: go on reading. */
static enum outcome on_message(struct str m, bool *more)
{
	struct buf text = BUF_INIT;
	enum outcome what = MORE;
	struct str v;

	if (text_of(m, "text", &text)) {
		print_text(stdout, buf_view(&text));
	} else if (text_of(m, "file", &text)) {
		on_file(m, buf_view(&text));
	} else if (jscan_member(m, "more", &v)) {
		*more = true;
		what = DONE;
	} else if (text_of(m, "error", &text)) {
		fflush(stdout);
		print_text(stderr, buf_view(&text));
		what = FAILED;
	} else if (jscan_member(m, "done", &v)) {
		what = DONE;
	}
	buf_free(&text);
	return what;
}

/* A first Ctrl-C asks the server to stop; a second one does not wait for it. */
static bool stop_asked(int64_t *asked, struct err *e)
{
	int64_t now = clock_mono();

	if (!interrupted)
		return true;
	interrupted = 0;
	if (*asked && now - *asked < AGAIN)
		return true; /* the same one, sent twice */
	if (*asked)
		return err_set(e, "left, the server had not stopped yet");
	*asked = now;
	return console_link_send(&con.link, STR("{\"stop\":true}"), e);
}

static enum outcome answer(void)
{
	enum console_event what;
	enum outcome o = MORE;
	bool more = false;
	struct str m;
	int64_t asked = 0;

	while (o == MORE) {
		if (!stop_asked(&asked, &con.lost))
			return LOST;
		what = console_link_next(&con.link, TICK_MS, &m, &con.lost);
		if (what == CONSOLE_LOST)
			return LOST;
		if (what == CONSOLE_MESSAGE)
			o = on_message(m, &more);
		fflush(stdout);
	}
	return more ? MORE : o;
}

static int width(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 100;
}

static enum outcome ask(struct str text, bool final)
{
	struct buf m = BUF_INIT;
	bool sent;

	buf_str(&m, STR("{\"eval\":"));
	buf_json(&m, text);
	buf_fmt(&m, ",\"width\":%d%s%s}", width(), final ? ",\"final\":true" : "",
		con.json ? ",\"json\":true" : "");
	sent = console_link_send(&con.link, buf_view(&m), &con.lost);
	buf_free(&m);
	return sent ? answer() : LOST;
}

/* ---- completion ------------------------------------------------------------------------------ */

static size_t take_words(struct str m, struct buf *words)
{
	struct str list, v;
	uint64_t from;

	if (!jscan_member(m, "words", &list) || !jscan_member(m, "from", &v) || !str_u64(v, &from))
		return 0;
	for (struct jscan it = jscan_enter(list); jscan_next(&it);)
		if (jscan_string(it.value, words))
			buf_char(words, '\n');
	return (size_t)from;
}

static size_t complete(void *arg, struct str text, struct buf *words)
{
	struct buf m = BUF_INIT;
	struct str said;
	size_t from = 0;
	struct err e;

	(void)arg;
	buf_str(&m, STR("{\"complete\":"));
	buf_json(&m, text);
	buf_char(&m, '}');
	if (console_link_send(&con.link, buf_view(&m), &e) &&
	    console_link_next(&con.link, COMPLETE_MS, &said, &e) == CONSOLE_MESSAGE)
		from = take_words(said, words);
	buf_free(&m);
	return from;
}

/* ---- many lines ------------------------------------------------------------------------------ */

static enum console_line read_line(bool again, struct str *line)
{
	static char *p;
	static size_t cap;
	ssize_t n;

	if (con.terminal)
		return console_edit_read(again ? "     .. " : "moon2m> ", &interrupted, line);
	n = getline(&p, &cap, stdin);
	if (interrupted || n < 0)
		return CONSOLE_END;
	*line = (struct str){ p, (size_t)n - (p[n - 1] == '\n') };
	return CONSOLE_LINE;
}

/* False: the connection is lost.  What is complete is forgotten. */
static bool give(struct buf *chunk, bool final, int *code)
{
	enum outcome o = ask(buf_view(chunk), final);

	if (o == LOST)
		return false;
	if (o == FAILED && !con.terminal)
		*code = CMD_FAILED;
	if (o == MORE)
		return true;
	if (con.terminal)
		console_edit_remember(buf_view(chunk));
	buf_clear(chunk);
	return true;
}

static int converse(void)
{
	struct buf chunk = BUF_INIT;
	int code = CMD_OK;
	bool here = true, end = false;
	struct str line;

	while (here && !end) {
		enum console_line what = read_line(chunk.n > 0, &line);

		if (what == CONSOLE_INTERRUPTED) {
			interrupted = 0;
			buf_clear(&chunk);
			putchar('\n');
		} else if (what == CONSOLE_END) {
			end = true;
			here = chunk.n == 0 || give(&chunk, true, &code);
		} else if (line.n || chunk.n) {
			if (chunk.n)
				buf_char(&chunk, '\n');
			buf_str(&chunk, line);
			here = give(&chunk, false, &code);
		}
	}
	if (end && con.terminal)
		putchar('\n');
	buf_free(&chunk);
	return here ? code : cmd_fail(&con.lost);
}

/* ---- the commands ---------------------------------------------------------------------------- */

/* Returns -1 to go on, or the exit code. */
static int read_options(const struct cmd *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	con.data = "data";
	while ((k = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(c);
		if (k == 'd')
			con.data = optarg;
		else if (k == 'j' && c == &cmd_eval)
			con.json = true;
		else
			return cmd_usage(c, k == '?' ? NULL : "unknown option");
	}
	return -1;
}

/* Ctrl-C must end waiting calls. */
static bool open_console(struct err *e)
{
	struct sigaction sa = { .sa_handler = on_interrupt };

	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	con.clean = isatty(STDOUT_FILENO);
	return console_link_open(&con.link, con.data, e);
}

static int close_console(int code)
{
	console_link_close(&con.link);
	if (con.vm)
		cmd_close_vm();
	return code;
}

static int run_console(int argc, char **argv)
{
	int code = read_options(&cmd_console, argc, argv);
	struct err e;

	if (code >= 0)
		return code;
	if (optind < argc)
		return cmd_usage(&cmd_console, "unexpected argument '%s'", argv[optind]);
	if (!open_console(&e))
		return close_console(cmd_fail(&e));
	con.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (con.terminal) {
		if (!console_edit_open(complete, NULL))
			con.terminal = false;
		puts("moon2m " MOON2M_VERSION ": Lua, cse.* and commands; help() lists them, Tab "
		     "completes, Ctrl-D leaves.");
	}
	code = converse();
	if (con.terminal)
		console_edit_close();
	return close_console(code);
}

static int run_eval(int argc, char **argv)
{
	int code = read_options(&cmd_eval, argc, argv);
	enum outcome o;
	struct err e;

	if (code >= 0)
		return code;
	if (optind + 1 != argc)
		return cmd_usage(&cmd_eval, "%s",
				 optind == argc ? "which expression?"
						: "one expression is expected");
	if (!open_console(&e))
		return close_console(cmd_fail(&e));
	o = ask(str_of(argv[optind]), true);
	if (o == LOST)
		(void)cmd_fail(&con.lost);
	return close_console(o == DONE ? CMD_OK : CMD_FAILED);
}

static const char help_console[] =
    "Usage: moon2m console [OPTION]...\n"
    "\n"
    "Attaches to a running server: a line of Lua is run there, with the verbs of scripts (cse.*) for\n"
    "the CSE itself, and its results are printed.  scripts() tree() watch() trace() profile()\n"
    "reload() replay() timers() memory(); help() explains them.  A line that is not complete is\n"
    "continued on the next.  Ctrl-C stops what waits, Ctrl-D leaves.  Reads a pipe as well.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (no server runs there; from a pipe: a line failed), 2 wrong\n"
    "usage.\n";

static const char help_eval[] =
    "Usage: moon2m eval [OPTION]... EXPRESSION\n"
    "\n"
    "One line of `moon2m console`: runs an expression or statements in a running server and prints\n"
    "the results.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "      --json        each result as JSON, one a line\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (its message is on standard error), 2 wrong usage.\n";

const struct cmd cmd_console = {
	.name = "console",
	.summary = "talk to a running server in Lua",
	.run = run_console,
	.help = help_console,
};

const struct cmd cmd_eval = {
	.name = "eval",
	.summary = "run one line of Lua in a running server",
	.run = run_eval,
	.help = help_eval,
};
