/*
 * `moon2m check`: loads scripts as the server would, without starting anything, and says what is
 * wrong.
 */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "lua_file.h"
#include "vm.h"

static int code;

static void check(void *arg, const char *path)
{
	struct err e;

	(void)arg;
	if (lua_file_check(path, &e)) {
		printf("%s: ok\n", path);
		return;
	}
	fprintf(stderr, "%s\n", e.msg);
	code = CMD_FAILED;
}

static void ignore(void *arg, const char *path)
{
	(void)arg;
	(void)path;
}

/* The scripts of the command line, or without any those of the configuration. */
static int check_all(const char *config, int n, char **paths)
{
	struct err e;

	code = CMD_OK;
	if (!vm_boot("moon2m.boot", &e) ||
	    (config && !lua_file_configure(config, n ? ignore : check, NULL, &e)))
		return cmd_fail(&e);
	for (int i = 0; i < n; i++)
		check(NULL, paths[i]);
	return code;
}

static int parse(int argc, char **argv, const char **lua_dir, const char **config)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "lua", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	while ((k = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(&cmd_check);
		if (k == 'c')
			*config = optarg;
		else if (k == 'l')
			*lua_dir = optarg;
		else
			return cmd_usage(&cmd_check, NULL);
	}
	return optind < argc || *config ? -1 : cmd_usage(&cmd_check, "which scripts?");
}

static int run(int argc, char **argv)
{
	const char *lua_dir = NULL, *config = NULL;
	struct err e;
	int rc = parse(argc, argv, &lua_dir, &config);

	if (rc >= 0)
		return rc;
	if (!cmd_open_vm(lua_dir, false, 0, &e))
		return cmd_fail(&e);
	rc = check_all(config, argc - optind, argv + optind);
	cmd_close_vm();
	return rc;
}

static const char help[] =
    "Usage: moon2m check [--config FILE] [--lua DIR] [APP.lua]...\n"
    "\n"
    "Loads each script as `moon2m run` would: syntax, declarations, patterns and names.  Nothing\n"
    "is started, stored or sent.\n"
    "\n"
    "  -c, --config FILE  with the settings, rocks, trust and budgets of this configuration; without\n"
    "                     scripts: those that it names\n"
    "      --lua DIR      read the library from DIR instead of the one in the binary\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit code: 0 all scripts load, 1 at least one does not, 2 wrong usage.\n";

const struct cmd cmd_check = {
	.name = "check",
	.summary = "load scripts without running the server, say what is wrong",
	.run = run,
	.help = help,
};
