/*
 * `moon2m backup`: asks a running server for a copy of its store and brings it to where it is wanted.
 * The server makes it in its own folder, where it may write; what takes long, fsync and copying to
 * another file system, is done here.
 * Guarantees: FILE is never half a backup, whoever is killed; its mode is 0600.
 */
#define _GNU_SOURCE
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd_ask.h"
#include "jscan.h"
#include "progress.h"
#include "store.h"

#define LOOK_US 50000 /* between two questions */
#define MIB 1048576.0

struct job {
	const char *data, *file;
	char *made; /* the server's copy */
	char *part; /* beside FILE, becomes FILE */
	struct progress progress;
};

struct state {
	char name[16];
	double done, total;
	struct buf why;
};

/* ---- the server's part ----------------------------------------------------------------------- */

static double number(struct str line, const char *name)
{
	struct str v;
	uint64_t n;

	return jscan_member(line, name, &v) && str_u64(v, &n) ? (double)n : 0;
}

static void read_state(struct str line, struct state *s)
{
	struct buf name = BUF_INIT;
	struct str v;

	if (jscan_member(line, "state", &v) && jscan_string(v, &name))
		snprintf(s->name, sizeof(s->name), "%.*s", STRFMT(buf_view(&name)));
	buf_free(&name);
	s->done = number(line, "done");
	s->total = number(line, "total");
	buf_clear(&s->why);
	if (jscan_member(line, "why", &v))
		(void)jscan_string(v, &s->why);
}

static bool ask(const struct job *j, const char *question, struct state *s, struct err *e)
{
	struct buf answer = BUF_INIT;
	struct str *line = NULL;
	size_t n = 0;
	bool ok = cmd_ask(j->data, str_of(question), &answer, e) &&
		  (line = cmd_ask_lines(buf_view(&answer), &n, e)) != NULL &&
		  cmd_ask_verdict(line[n - 1], e);

	if (ok)
		read_state(line[0], s);
	free(line);
	buf_free(&answer);
	return ok;
}

/* What the server has copied begins its way to the disk, so that nobody waits for all of it at the
 * end. */
static void hurry(const struct job *j)
{
	int fd = open(j->made, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	close(fd);
}

static bool let_server_copy(struct job *j, struct err *e)
{
	struct state s = { .why = BUF_INIT };
	bool ok = ask(j, "{\"cmd\":\"backup\",\"do\":\"begin\"}", &s, e);

	progress_begin(&j->progress, "MiB");
	while (ok && strcmp(s.name, "runs") == 0) {
		usleep(LOOK_US);
		hurry(j);
		ok = ask(j, "{\"cmd\":\"backup\"}", &s, e);
		progress_show(&j->progress, s.done / MIB, s.total / MIB);
	}
	progress_end(&j->progress);
	if (ok && strcmp(s.name, "done") != 0)
		ok = err_set(e, "the server made no copy: %.*s", STRFMT(buf_view(&s.why)));
	buf_free(&s.why);
	return ok;
}

/* ---- our part -------------------------------------------------------------------------------- */

static bool fail_on(const char *what, const char *name, struct err *e)
{
	return err_set(e, "%s %s: %s", what, name, strerror(errno));
}

static bool copy_bytes(int from, int to, struct err *e)
{
	static char bytes[1 << 17];
	ssize_t n, done;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n; at += done) {
			done = write(to, bytes + at, (size_t)(n - at));
			if (done <= 0)
				return err_set(e, "cannot write: %s", strerror(errno));
		}
	return n == 0 || err_set(e, "cannot read the copy: %s", strerror(errno));
}

/* To another file system. */
static bool copy_over(const struct job *j, struct err *e)
{
	int from = open(j->made, O_RDONLY | O_CLOEXEC), to;
	bool ok;

	if (from < 0)
		return fail_on("cannot open", j->made, e);
	unlink(j->part);
	to = open(j->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = to >= 0 ? copy_bytes(from, to, e) : fail_on("cannot make", j->part, e);
	if (to >= 0 && close(to) && ok)
		ok = fail_on("cannot write", j->part, e);
	close(from);
	unlink(j->made);
	return ok;
}

static bool sync_name(const char *name, int flags, struct err *e)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | flags);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		fail_on("cannot write to the disk", name, e);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool sync_folder(const char *file, struct err *e)
{
	const char *slash = strrchr(file, '/');
	size_t n = slash == file ? 1 : slash ? (size_t)(slash - file) : 0;
	char *folder = n ? xstrndup(file, n) : xstrdup(".");
	bool ok = sync_name(folder, O_DIRECTORY, e);

	free(folder);
	return ok;
}

static bool take_copy(const struct job *j, struct err *e)
{
	if (rename(j->made, j->part)) {
		if (errno != EXDEV)
			return fail_on("cannot move the copy to", j->part, e);
		if (!copy_over(j, e))
			return false;
	}
	if (!sync_name(j->part, 0, e))
		return false;
	if (rename(j->part, j->file))
		return fail_on("cannot make", j->file, e);
	return sync_folder(j->file, e);
}

/* Before the server works for nothing. */
static bool may_write(const struct job *j, struct err *e)
{
	int fd = open(j->part, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_on("cannot make", j->part, e);
	close(fd);
	return true;
}

static bool backup(struct job *j, struct err *e)
{
	struct state s = { .why = BUF_INIT };
	struct err ignored;
	bool ok = may_write(j, e);

	if (!ok)
		return false;
	if (let_server_copy(j, e)) {
		ok = take_copy(j, e);
		(void)!ask(j, "{\"cmd\":\"backup\",\"do\":\"end\"}", &s, &ignored);
		buf_free(&s.why);
	} else {
		ok = false;
	}
	if (!ok)
		unlink(j->part);
	return ok;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Returns -1 to go on, or the exit code. */
static int read_options(int argc, char **argv, struct job *j)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	*j = (struct job){ .data = "data" };
	while ((k = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(&cmd_backup);
		if (k != 'd')
			return cmd_usage(&cmd_backup, NULL);
		j->data = optarg;
	}
	if (optind == argc)
		return cmd_usage(&cmd_backup, "which file?");
	if (optind + 1 < argc)
		return cmd_usage(&cmd_backup, "unexpected argument '%s'", argv[optind + 1]);
	j->file = argv[optind];
	return -1;
}

static int run(int argc, char **argv)
{
	struct job j;
	struct err e = { 0 };
	int code = read_options(argc, argv, &j);

	if (code >= 0)
		return code;
	if (asprintf(&j.made, "%s/moon2m.db" STORE_BACKUP, j.data) < 0 ||
	    asprintf(&j.part, "%s.part", j.file) < 0)
		abort();
	code = backup(&j, &e) ? CMD_OK : cmd_fail(&e);
	free(j.made);
	free(j.part);
	return code;
}

static const char help[] =
    "Usage: moon2m backup [OPTION]... FILE\n"
    "\n"
    "Makes FILE a copy of the store of a running server, which goes on meanwhile; the copy is the\n"
    "store of the moment at which it was complete.  It is on disk when the command ends, and has its\n"
    "name only then; a file of that name is replaced.  FILE.part is used on the way.  The server's\n"
    "data folder needs as much room for it.\n"
    "\n"
    "To restore: stop the server, put FILE into an empty data folder as moon2m.db, start it.\n"
    "`moon2m verify FILE` looks whether a backup is good.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (no server runs there, the disk is full), 2 wrong usage.\n";

const struct cmd cmd_backup = {
	.name = "backup",
	.summary = "copy the store of a running server to a file",
	.run = run,
	.help = help,
};
