/*
 * `moon2m listen`: a WebSocket client that prints what it is notified of, one line each, and
 * answers NOTIFY requests.  It comes back after every loss of the connection, with a growing delay,
 * until the wanted number has arrived.  Nothing that arrives can end it but its own end.
 */
#include "cmd.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "cbor.h"
#include "net.h"

#define RETRY_MIN 1.0
#define RETRY_MAX 60.0
#define CLOSE_SECONDS 1.0 /* for the close frame to be answered */
#define OP_NOTIFY_TEXT "5"

static struct {
	const char *url, *protocol, *ca;
	struct buf head; /* further handshake headers */
	uint64_t count, seen; /* wanted (0: no end), arrived */
	bool raw, ack;
	struct net *net;
	struct conn *conn; /* NULL: not connected and not dialling */
	bool was_open, ending;
	unsigned failures; /* in a row */
	struct net_timer *retry, *end;
	struct buf text, answer, frame;
	int code;
} cl;

/* ---- the connection's life ------------------------------------------------------------------- */

static void finish(int code)
{
	cl.code = code;
	cl.ending = true;
	net_timer_stop(cl.retry);
	if (!cl.conn) {
		net_stop(cl.net, cl.code);
		return;
	}
	conn_close(cl.conn, 1000, "");
	net_timer_start(cl.end, CLOSE_SECONDS);
}

static void give_up_waiting(void *arg)
{
	(void)arg;
	net_stop(cl.net, cl.code);
}

/* 1, 2, 4 ... 60 s, of which a random part between a half and the whole. */
static double retry_delay(void)
{
	double most = RETRY_MIN * ldexp(1, cl.failures < 6 ? (int)cl.failures : 6);
	uint16_t dice = 0;

	if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) != sizeof(dice))
		dice = 0x8000;
	most = most < RETRY_MAX ? most : RETRY_MAX;
	return fmax(RETRY_MIN, most * (0.5 + dice / 131072.0));
}

static void on_closed(void *arg, struct conn *c, int code)
{
	double delay = retry_delay();

	(void)arg;
	(void)c;
	cl.conn = NULL;
	if (cl.ending) {
		net_stop(cl.net, cl.code);
		return;
	}
	fprintf(stderr, "moon2m: %s (code %d), again in %.1f s\n",
		cl.was_open ? "connection closed" : "cannot connect", code, delay);
	cl.failures++;
	net_timer_start(cl.retry, delay);
}

static void on_open(void *arg, struct conn *c, const struct ws_hello *h, struct str protocol)
{
	(void)arg;
	(void)c;
	(void)h;
	cl.was_open = true;
	cl.failures = 0;
	fprintf(stderr, "moon2m: connected to %s%s%.*s\n", cl.url, protocol.n ? " as " : "",
		STRFMT(protocol));
}

/* ---- what arrives ---------------------------------------------------------------------------- */

/* One line on standard output; line feeds between JSON's tokens become spaces. */
static void print_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		putchar_unlocked((unsigned char)s.p[i] < 0x20 ? ' ' : s.p[i]);
	putchar_unlocked('\n');
	if (fflush(stdout) != 0)
		finish(CMD_FAILED);
}

static void print_binary(struct str data)
{
	printf("binary %zu bytes:", data.n);
	for (size_t i = 0; i < data.n && i < 64; i++)
		printf(" %02x", (unsigned char)data.p[i]);
	print_line(data.n > 64 ? STR(" ...") : STR(""));
}

static void add_member(struct buf *b, struct str object, const char *name)
{
	struct str value;

	if (!jscan_member(object, name, &value))
		return;
	buf_fmt(b, ",\"%s\":", name);
	buf_str(b, value);
}

/* The answer to a request: 2000 for a NOTIFY; this client has nothing else to offer. */
static void answer(struct conn *c, struct str request, bool notify, bool cbor)
{
	struct str piece;
	struct err e;

	buf_clear(&cl.answer);
	buf_fmt(&cl.answer, "{\"rsc\":%d", notify ? 2000 : 4005);
	add_member(&cl.answer, request, "rqi");
	add_member(&cl.answer, request, "rvi");
	buf_char(&cl.answer, '}');
	piece = buf_view(&cl.answer);
	if (cbor) {
		buf_clear(&cl.frame);
		if (!cbor_from_json(piece, &cl.frame, &e))
			return;
		piece = buf_view(&cl.frame);
	}
	conn_frame(c, cbor, &piece, 1);
}

static void count_one(void)
{
	if (cl.count && ++cl.seen >= cl.count)
		finish(CMD_OK);
}

static void on_json(struct conn *c, struct str text, bool cbor)
{
	struct str op, pc;
	bool request = jscan_type(text) == JSCAN_OBJECT && jscan_member(text, "op", &op);
	bool notify = request && str_is(op, OP_NOTIFY_TEXT);

	print_line(!cl.raw && notify && jscan_member(text, "pc", &pc) ? pc : text);
	if (request && cl.ack)
		answer(c, text, notify, cbor);
	if (notify || !request)
		count_one();
}

static void on_message(void *arg, struct conn *c, struct str data, bool binary)
{
	struct str text = data;
	struct err e;

	(void)arg;
	if (cl.ending)
		return;
	if (binary) {
		buf_clear(&cl.text);
		if (!cbor_to_json(data, JSCAN_DEFAULT, &cl.text, &e)) {
			print_binary(data);
			count_one();
			return;
		}
		text = buf_view(&cl.text);
	}
	if (jscan_check(text, JSCAN_DEFAULT, &e)) {
		on_json(c, text, binary);
		return;
	}
	print_line(text);
	count_one();
}

static void on_fill(void *arg, struct conn *c)
{
	(void)arg;
	(void)c;
}

static void dial(void *arg)
{
	static const struct ws_cb callbacks = {
		.open = on_open,
		.message = on_message,
		.fill = on_fill,
		.closed = on_closed,
	};
	struct err e;

	(void)arg;
	cl.was_open = false;
	cl.conn = ws_dial(cl.net, cl.url, cl.protocol, buf_view(&cl.head), &callbacks, NULL, &e);
	if (cl.conn)
		return;
	cl.code = cmd_fail(&e);
	net_stop(cl.net, cl.code);
}

static void on_signal(void *arg, int signo)
{
	(void)arg;
	(void)signo;
	if (cl.ending)
		_exit(CMD_OK);
	finish(CMD_OK);
}

/* ---- start ----------------------------------------------------------------------------------- */

static int converse(void)
{
	struct net_timer *first;
	struct err e;
	int code;

	cl.net = net_new(&NET_LIMITS, &e);
	if (!cl.net || (cl.ca && !net_tls_trust(cl.net, cl.ca, &e))) {
		net_free(cl.net);
		return cmd_fail(&e);
	}
	net_on_signal(cl.net, SIGINT, on_signal, NULL);
	net_on_signal(cl.net, SIGTERM, on_signal, NULL);
	cl.retry = net_timer_new(cl.net, dial, NULL);
	cl.end = net_timer_new(cl.net, give_up_waiting, NULL);
	first = net_timer_new(cl.net, dial, NULL);
	net_timer_start(first, 0);
	code = net_run(cl.net);
	net_timer_free(first);
	net_timer_free(cl.retry);
	net_timer_free(cl.end);
	net_free(cl.net);
	return code;
}

static bool is_header_safe(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* 0: go on; else the exit code. */
static int set_option(int c, const char *value)
{
	if (c == 'p') {
		cl.protocol = value;
	} else if (c == 'c') {
		cl.ca = value;
	} else if (c == 'o') {
		if (!is_header_safe(value))
			return cmd_usage(&cmd_listen, "--origin: no spaces or control characters");
		buf_fmt(&cl.head, "X-M2M-Origin: %s\r\n", value);
	} else if (c == 'n') {
		if (!str_u64(str_of(value), &cl.count) || cl.count == 0)
			return cmd_usage(&cmd_listen, "--count %s: a number from 1 expected",
					 value);
	} else if (c == 'r') {
		cl.raw = true;
	} else {
		cl.ack = false;
	}
	return 0;
}

static int read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "subprotocol", required_argument, NULL, 'p' },
		{ "origin", required_argument, NULL, 'o' },
		{ "ca", required_argument, NULL, 'c' },
		{ "count", required_argument, NULL, 'n' },
		{ "raw", no_argument, NULL, 'r' },
		{ "no-ack", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, code;

	cl.ack = true;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h')
			return cmd_help(&cmd_listen);
		if (c == '?')
			return cmd_usage(&cmd_listen, NULL);
		code = set_option(c, optarg);
		if (code)
			return code;
	}
	if (argc - optind != 1)
		return cmd_usage(&cmd_listen, optind < argc ? "one URL only" : "which URL?");
	cl.url = argv[optind];
	if (!cl.protocol && cl.head.n)
		cl.protocol = "oneM2M.json"; /* which a connection without a token has to offer */
	return -1;
}

static int run(int argc, char **argv)
{
	int code = read_options(argc, argv);

	if (code < 0) {
		signal(SIGPIPE, SIG_IGN);
		code = converse();
	}
	buf_free(&cl.head);
	buf_free(&cl.text);
	buf_free(&cl.answer);
	buf_free(&cl.frame);
	return code;
}

static const char help[] =
    "Usage: moon2m listen [OPTION]... URL\n"
    "\n"
    "Connects to ws:// or wss://, for example the notification service URL that a registration\n"
    "was answered with, and prints each notification as one line of JSON on standard output.\n"
    "NOTIFY requests are acknowledged.  A lost connection is dialled again after 1 to 60 s.\n"
    "\n"
    "  --subprotocol P  offer this subprotocol, for example oneM2M.json or oneM2M.cbor\n"
    "  --origin AE      send this AE-ID as X-M2M-Origin with the handshake, to ws://HOST/ for one\n"
    "                   whose notification service URL is not at hand (offers oneM2M.json)\n"
    "  --ca FILE        verify the server of a wss URL by the authorities in this PEM file,\n"
    "                   instead of the system's\n"
    "  --count N        exit 0 after N notifications\n"
    "  --raw            print frames as they are, not only the content of notifications\n"
    "  --no-ack         do not acknowledge\n"
    "  -h, --help       this text\n"
    "\n"
    "CBOR is shown as JSON, other binary frames in hexadecimal.\n"
    "Exit code: 0 after N notifications or Ctrl-C, 1 failure, 2 wrong usage.\n";

const struct cmd cmd_listen = {
	.name = "listen",
	.summary = "print the notifications that a WebSocket URL delivers",
	.run = run,
	.help = help,
};
