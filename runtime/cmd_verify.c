/*
 * `moon2m verify`: looks through a store, of a server or a backup, and with --repair puts right what
 * follows from the rest.  What is looked at is store_verify.h's and notify_check.h's.
 */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "buf.h"
#include "notify_check.h"
#include "progress.h"
#include "store_verify.h"

struct job {
	const char *path;
	bool repair;
	struct progress progress;
	struct notify_check *notices;
	uint64_t damaged_shown;
};

/* ---- telling --------------------------------------------------------------------------------- */

static void on_step(void *arg, const char *what)
{
	struct job *j = arg;

	progress_step(&j->progress, what);
}

static void on_finding(void *arg, const char *what, struct str text)
{
	struct job *j = arg;

	progress_end(&j->progress);
	printf("%s: %.*s\n", what, STRFMT(text));
}

static void on_checked(void *arg, const char *what, uint64_t found, uint64_t repaired)
{
	struct job *j = arg;

	if (!found)
		return;
	progress_end(&j->progress);
	if (found > STORE_VERIFY_SHOWN)
		printf("%s: %llu more\n", what, (unsigned long long)(found - STORE_VERIFY_SHOWN));
	if (repaired)
		printf("%s: repaired %llu of %llu\n", what, (unsigned long long)repaired,
		       (unsigned long long)found);
}

static void on_tgt(void *arg, int64_t id, struct str key, int64_t acked)
{
	struct job *j = arg;

	(void)key;
	(void)acked;
	notify_check_tgt(j->notices, id);
}

static void on_aud(void *arg, int64_t id, struct str members)
{
	struct job *j = arg;

	notify_check_aud(j->notices, id, members);
}

static void on_ntf(void *arg, int64_t id, struct str members)
{
	struct job *j = arg;
	const char *why = notify_check_ntf(j->notices, id, members);

	if (!why || j->damaged_shown++ >= STORE_VERIFY_SHOWN)
		return;
	progress_end(&j->progress);
	printf("notices: %lld: %s\n", (long long)id, why);
}

static uint64_t tell_notices(const struct job *j)
{
	struct notify_check_sum n;

	notify_check_end(j->notices, &n);
	if (n.damaged > STORE_VERIFY_SHOWN)
		printf("notices: %llu more\n",
		       (unsigned long long)(n.damaged - STORE_VERIFY_SHOWN));
	if (n.damaged_lists)
		printf("notices: %llu damaged lists of members\n",
		       (unsigned long long)n.damaged_lists);
	if (n.without_target || n.unused_lists)
		printf(
		    "note: %llu notices whose targets are gone, %llu lists of no notice: the next"
		    " start forgets them\n",
		    (unsigned long long)n.without_target, (unsigned long long)n.unused_lists);
	return n.damaged + n.damaged_lists;
}

static int tell_end(const struct job *j, const struct store_verify_sum *sum)
{
	uint64_t found = sum->found + tell_notices(j);

	printf("%s: %lld resources, %lld containers, %lld instances, %lld notices: ", j->path,
	       (long long)sum->resources, (long long)sum->containers, (long long)sum->instances,
	       (long long)sum->notices);
	if (!found)
		printf("good\n");
	else if (sum->repaired == found)
		printf("%llu repaired, now good\n", (unsigned long long)found);
	else
		printf("%llu found, %llu repaired\n", (unsigned long long)found,
		       (unsigned long long)sum->repaired);
	if (sum->repaired == found)
		return CMD_OK;
	fprintf(stderr, "%s\n",
		j->repair ? "The rest cannot be decided here: restore a backup, or export from a"
			    " server with this store and import into an empty one."
			  : "`moon2m verify --repair` with the server stopped repairs counters,"
			    " labels and indexes; keep a copy of the data folder before.");
	return CMD_FAILED;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int verify(struct job *j)
{
	struct store_verify v = { .repair = j->repair,
				  .arg = j,
				  .step = on_step,
				  .finding = on_finding,
				  .checked = on_checked,
				  .tgt = on_tgt,
				  .aud = on_aud,
				  .ntf = on_ntf };
	struct store_verify_sum sum;
	struct err e = { 0 };
	bool ok;
	int code;

	j->notices = notify_check_new();
	progress_begin(&j->progress, "");
	ok = store_verify(j->path, &v, &sum, &e);
	progress_end(&j->progress);
	code = ok ? tell_end(j, &sum) : cmd_fail(&e);
	notify_check_free(j->notices);
	return code;
}

/* A folder means the store in it. */
static char *store_in(const char *name)
{
	struct buf path = BUF_INIT;
	struct stat st;
	size_t n;

	buf_str(&path, str_of(name));
	if (stat(name, &st) == 0 && S_ISDIR(st.st_mode))
		buf_str(&path, STR("/moon2m.db"));
	buf_char(&path, '\0');
	return buf_steal(&path, &n);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "repair", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct job j = { 0 };
	const char *name = "data";
	char *path;
	int k, code;

	while ((k = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(&cmd_verify);
		if (k == 'd')
			name = optarg;
		else if (k == 'r')
			j.repair = true;
		else
			return cmd_usage(&cmd_verify, NULL);
	}
	if (argc - optind > 1)
		return cmd_usage(&cmd_verify, "unexpected argument '%s'", argv[optind + 1]);
	if (optind < argc)
		name = argv[optind];
	path = store_in(name);
	j.path = path;
	code = verify(&j);
	free(path);
	return code;
}

static const char help[] =
    "Usage: moon2m verify [OPTION]... [FILE]\n"
    "\n"
    "Looks through a store, a server's (it may run) or a backup: is the file whole, do the counters\n"
    "of containers agree with their instances, has every resource a parent, is discovery's index\n"
    "complete, can the kept notices be read and have they targets.  Says what is wrong, a line each.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data), when no FILE is named\n"
    "      --repair      puts right what follows from the rest (counters, labels, indexes, marks for\n"
    "                    wiping), in one transaction; the server must not run\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 good, or all of it repaired; 1 something is wrong, or it cannot be read; 2 wrong\n"
    "usage.\n";

const struct cmd cmd_verify = {
	.name = "verify",
	.summary = "look through a store for mistakes, repair its counters",
	.run = run,
	.help = help,
};
