/*
 * `moon2m credential`: the file that says who may speak for whom.  Works on the file alone, so it
 * needs no server; one that runs there is told to read it again.  A secret is shown once, on
 * standard output, and is never an argument.
 */
#define _GNU_SOURCE
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "clock.h"
#include "cmd_ask.h"
#include "identity_int.h"
#include "jscan.h"

struct request {
	const char *data, *file, *subject;
	enum identity_kind kind;
	bool from_stdin, json, service;
	char **args; /* after the verb */
	int nargs;
	struct buf path; /* of the file, NUL-terminated */
};

/* ---- the file, for this command alone -------------------------------------------------------- */

/* A lock on the folder: the file itself is replaced.  -1: reason in e. */
static int lock_folder(const struct request *r, struct err *e)
{
	const char *slash = strrchr(r->path.p, '/');
	char *dir = slash ? xstrndup(r->path.p, (size_t)(slash - r->path.p) + 1) : xstrdup(".");
	int fd;

	if (!r->file && mkdir(r->data, 0700) != 0 && errno != EEXIST)
		err_set(e, "%s: %s", r->data, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) != 0) {
		err_set(e, "%s: %s", dir, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	free(dir);
	return fd;
}

/* Reads the file, lets fn change the list, writes it. */
static bool change(const struct request *r,
		   bool (*fn)(const struct request *r, struct identity_list *l, struct buf *shown,
			      struct err *e),
		   struct buf *shown, struct err *e)
{
	struct identity_list l = { NULL, 0 };
	int lock = lock_folder(r, e);
	bool missing, ok = lock >= 0 && identity_file_read(r->path.p, &l, &missing, e);

	ok = ok && fn(r, &l, shown, e) && identity_file_write(r->path.p, &l, e);
	identity_list_free(&l);
	if (lock >= 0)
		close(lock);
	return ok;
}

/* ---- the server ------------------------------------------------------------------------------ */

/* What a running server says to a command: its first line in `line`. */
static bool ask(const struct request *r, struct str command, struct buf *line, struct err *e)
{
	struct buf answer = BUF_INIT;
	struct str *row;
	size_t n;
	bool ok = cmd_ask(r->data, command, &answer, e);

	row = ok ? cmd_ask_lines(buf_view(&answer), &n, e) : NULL;
	ok = row && cmd_ask_verdict(row[n - 1], e);
	if (ok && n > 1)
		ok = jscan_string(row[0], line) || err_set(e, "the server's answer is damaged");
	free(row);
	buf_free(&answer);
	return ok;
}

static bool is_running(const struct request *r)
{
	struct err e;
	int fd = cmd_ask_dial(r->data, &e);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int tell_server(const struct request *r)
{
	struct buf line = BUF_INIT;
	struct err e;
	bool ok;

	if (!is_running(r)) {
		fprintf(stderr, "It counts from the next start of the server on"
				" (or its SIGHUP, when its data folder is another).\n");
		return CMD_OK;
	}
	ok = ask(r, STR("{\"cmd\":\"credentials\"}"), &line, &e);
	if (ok)
		fprintf(stderr, "The server has read it: %.*s\n", STRFMT(buf_view(&line)));
	buf_free(&line);
	return ok ? CMD_OK : cmd_fail(&e);
}

/* ---- add ------------------------------------------------------------------------------------- */

/* The first line of standard input. */
static bool read_secret(struct buf *out, struct err *e)
{
	int c;

	while ((c = getchar()) != EOF && c != '\n') {
		if (out->n > SECRET_MAX)
			return err_set(e, "standard input: the secret is longer than %d bytes",
				       SECRET_MAX);
		buf_char(out, (char)c);
	}
	return out->n || err_set(e, "standard input: expected the secret in its first line");
}

static bool fill(struct identity *i, const struct request *r, struct buf *shown, struct err *e)
{
	struct buf secret = BUF_INIT;
	const char *subject = r->subject ? r->subject : r->args[0];
	bool ok = true;

	i->kind = r->kind;
	i->refs = 1;
	i->name = xstrdup(r->args[0]);
	i->created = clock_wall();
	if (i->kind == IDENTITY_PSK || i->kind == IDENTITY_CERTIFICATE) {
		ok = identity_good_subject(i->kind, str_of(subject), e);
		i->subject = xstrdup(subject);
	}
	for (int k = 1; ok && k < r->nargs; k++)
		ok = identity_add_originator(i, str_of(r->args[k]), e);
	ok = ok && (!r->from_stdin || read_secret(&secret, e)) &&
	     identity_make_secret(i, buf_view(&secret), shown, e);
	if (secret.p)
		OPENSSL_cleanse(secret.p, secret.cap);
	buf_free(&secret);
	return ok;
}

static bool add_to(const struct request *r, struct identity_list *l, struct buf *shown,
		   struct err *e)
{
	struct identity *i = xcalloc(1, sizeof(*i));

	if (fill(i, r, shown, e) && identity_list_add(l, i, e))
		return true;
	identity_free(i);
	return false;
}

static int add_one(const struct request *r)
{
	static const char *const what[] = {
		"The token, shown this once (Authorization: Bearer ...):",
		"The password, shown this once (the user is the name):",
		"The key in hexadecimal, shown this once:",
	};
	struct buf shown = BUF_INIT;
	struct err e;
	bool ok = change(r, add_to, &shown, &e);

	if (ok && shown.n) {
		fprintf(stderr, "%s\n", what[r->kind]);
		printf("%.*s\n", STRFMT(buf_view(&shown)));
		fflush(stdout);
	}
	if (shown.p)
		OPENSSL_cleanse(shown.p, shown.cap);
	buf_free(&shown);
	return ok ? tell_server(r) : cmd_fail(&e);
}

/* ---- revoke, list ---------------------------------------------------------------------------- */

static bool remove_from(const struct request *r, struct identity_list *l, struct buf *shown,
			struct err *e)
{
	(void)shown;
	for (int k = 0; k < r->nargs; k++) {
		if (!identity_list_remove(l, r->args[k]))
			return err_set(e, "no credential is named %s; nothing was changed",
				       r->args[k]);
	}
	return true;
}

static int revoke_names(const struct request *r)
{
	struct err e;

	return change(r, remove_from, NULL, &e) ? tell_server(r) : cmd_fail(&e);
}

static void print_json(const struct identity *i, const char *stamp)
{
	struct buf b = BUF_INIT;

	buf_fmt(&b, "{\"name\":\"%s\",\"kind\":\"%s\",\"created\":\"%s\"", i->name,
		identity_kind_name(i->kind), stamp);
	if (i->subject) {
		buf_fmt(&b, ",\"%s\":", i->kind == IDENTITY_PSK ? "identity" : "subject");
		buf_json(&b, str_of(i->subject));
	}
	buf_str(&b, STR(",\"originators\":["));
	for (size_t k = 0; k < i->noriginators; k++) {
		if (k)
			buf_char(&b, ',');
		buf_json(&b, str_of(i->originators[k]));
	}
	buf_str(&b, STR("]}\n"));
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

static void print_row(const struct identity *i, const char *stamp)
{
	printf("%-20s %-12s %.8s ", i->name, identity_kind_name(i->kind), stamp);
	if (i->subject && strcmp(i->subject, i->name) != 0)
		printf(" %s for", i->subject);
	for (size_t k = 0; k < i->noriginators; k++)
		printf(" %s", i->originators[k]);
	putchar('\n');
}

static int list(const struct request *r)
{
	struct identity_list l;
	struct err e;
	bool missing;

	if (!identity_file_read(r->path.p, &l, &missing, &e))
		return cmd_fail(&e);
	if (l.n && !r->json)
		printf("%-20s %-12s %-8s  %s\n", "NAME", "KIND", "CREATED", "MAY SPEAK FOR");
	for (size_t k = 0; k < l.n; k++) {
		char stamp[CLOCK_STAMP_MAX];

		clock_stamp(l.at[k]->created, stamp);
		if (r->json)
			print_json(l.at[k], stamp);
		else
			print_row(l.at[k], stamp);
	}
	if (!l.n)
		fprintf(stderr, "%s: no credentials%s\n", r->path.p,
			missing ? ", there is no such file" : "");
	identity_list_free(&l);
	return CMD_OK;
}

/* The token of an AE's notification service, which the server keeps. */
static int ask_service(const struct request *r, bool renew)
{
	struct buf command = BUF_INIT, line = BUF_INIT;
	struct err e;
	bool ok;

	buf_str(&command, STR("{\"cmd\":\"service\",\"name\":"));
	buf_json(&command, str_of(r->args[0]));
	buf_fmt(&command, "%s}", renew ? ",\"renew\":true" : "");
	ok = ask(r, buf_view(&command), &line, &e);
	if (ok)
		printf("%.*s\n", STRFMT(buf_view(&line)));
	buf_free(&command);
	buf_free(&line);
	return ok ? CMD_OK : cmd_fail(&e);
}

/* ---- the command line ------------------------------------------------------------------------ */

static bool set_option(struct request *r, int k)
{
	switch (k) {
	case 'd':
		r->data = optarg;
		return true;
	case 'f':
		r->file = optarg;
		return true;
	case 's':
		r->subject = optarg;
		return true;
	case 'i':
		r->from_stdin = true;
		return true;
	case 'j':
		r->json = true;
		return true;
	case 'n':
		r->service = true;
		return true;
	default:
		return k == 'k' && identity_parse_kind(optarg, &r->kind);
	}
}

/* Returns -1 to go on, or the exit code. */
static int read_options(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "file", required_argument, NULL, 'f' },
		{ "kind", required_argument, NULL, 'k' },
		{ "subject", required_argument, NULL, 's' },
		{ "stdin", no_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ "service", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	*r = (struct request){ .data = "data" };
	while ((k = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(&cmd_credential);
		if (k == '?')
			return cmd_usage(&cmd_credential, NULL);
		if (!set_option(r, k))
			return cmd_usage(&cmd_credential,
					 "--kind %s: bearer, basic, psk or certificate expected",
					 optarg);
	}
	buf_fmt(&r->path, r->file ? "%s" : "%s/" IDENTITY_FILE, r->file ? r->file : r->data);
	buf_char(&r->path, '\0');
	r->args = argv + optind + 1;
	r->nargs = argc - optind - 1;
	return -1;
}

static int perform(const struct request *r, const char *verb)
{
	if (strcmp(verb, "list") == 0)
		return r->nargs ? cmd_usage(&cmd_credential, "list takes no argument") : list(r);
	if (strcmp(verb, "add") != 0 && strcmp(verb, "revoke") != 0)
		return cmd_usage(&cmd_credential, "'%s': add, list or revoke expected", verb);
	if (r->service && r->nargs != 1)
		return cmd_usage(&cmd_credential, "--service: one AE-ID or CSE-ID expected");
	if (r->service)
		return ask_service(r, verb[0] == 'a');
	if (verb[0] == 'r')
		return r->nargs > 0 ? revoke_names(r) : cmd_usage(&cmd_credential, "which one?");
	if (r->nargs < 2)
		return cmd_usage(&cmd_credential, "a name and at least one originator expected");
	if (!identity_good_name(str_of(r->args[0])))
		return cmd_usage(&cmd_credential,
				 "'%s': a name has 1 to %d letters, digits, - and _", r->args[0],
				 NAME_MAX_BYTES);
	if (r->kind == IDENTITY_CERTIFICATE && !r->subject)
		return cmd_usage(&cmd_credential, "a certificate needs --subject");
	return add_one(r);
}

static int run(int argc, char **argv)
{
	struct request r;
	int code = read_options(argc, argv, &r);

	if (code < 0)
		code = r.nargs >= 0 ? perform(&r, argv[optind])
				    : cmd_usage(&cmd_credential, "add, list or revoke expected");
	buf_free(&r.path);
	return code;
}

static const char help[] =
    "Usage: moon2m credential add [OPTION]... NAME ORIGINATOR...\n"
    "       moon2m credential list [OPTION]...\n"
    "       moon2m credential revoke [OPTION]... NAME...\n"
    "       moon2m credential add|revoke --service [--data DIR] AE-ID\n"
    "\n"
    "Says who may connect and for whom each may speak.  An originator is an AE-ID, a CSE-ID, an\n"
    "identifier behind one, or a pattern: '*' stands for anything without '/', and alone for\n"
    "everybody but the administrator, who has to be named.  As soon as there is one credential,\n"
    "every request needs one.  The secret is printed once, and is not in the file (but for psk).\n"
    "A running server reads the file again at once; what is revoked is disconnected.\n"
    "\n"
    "      --data DIR      the server's data folder (default: data)\n"
    "      --file FILE     the file, when it is not DIR/credentials (identity.file)\n"
    "      --kind KIND     bearer: a token of 256 random bits (default); basic: a password, the user\n"
    "                      is NAME; psk: a key for TLS; certificate: a client's certificate\n"
    "      --subject TEXT  certificate: uri:URI or dns:NAME of its subjectAltName; psk: the identity,\n"
    "                      when it is not NAME\n"
    "      --stdin         the password, or the key in hexadecimal, is the first line of standard\n"
    "                      input instead of a random one\n"
    "      --service       the token in an AE's notification service URL: add makes a new one and\n"
    "                      prints its path, revoke voids it; the connection it opened ends\n"
    "      --json          list: JSON, one object a line\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit code: 0 done, 1 failure, 2 wrong usage.\n";

const struct cmd cmd_credential = {
	.name = "credential",
	.summary = "say who may connect, and for whom each may speak",
	.run = run,
	.help = help,
};
