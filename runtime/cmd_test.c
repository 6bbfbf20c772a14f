/*
 * `moon2m test`: runs tests of scripts in this process, against the real library over a store in
 * memory.  What a test is and how its result is told is Lua's (lua/moon2m/test).
 */
#define _GNU_SOURCE
#include "cmd.h"

#include <getopt.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua_client.h"
#include "lua_file.h"
#include "lua_host.h"
#include "lua_store.h"
#include "vm.h"

#define ARGS_MAX 4096

static struct {
	char *arg[ARGS_MAX]; /* options for Lua, then files; all owned */
	int n;
} args;

static bool add(const char *text)
{
	if (args.n >= ARGS_MAX)
		return false;
	args.arg[args.n++] = xstrdup(text);
	return true;
}

/* Every file that matches PREFIX*_test.lua, sorted; false: too many. */
static bool add_folder(const char *prefix)
{
	char pattern[4096];
	glob_t g = { 0 };
	bool ok = true;

	snprintf(pattern, sizeof(pattern), "%s*_test.lua", prefix);
	if (glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc && ok; i++)
			ok = add(g.gl_pathv[i]);
	globfree(&g);
	return ok;
}

static bool add_path(const char *path)
{
	char prefix[4096];
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return add(path);
	snprintf(prefix, sizeof(prefix), "%s/", path);
	return add_folder(prefix);
}

static bool add_option(int k, const char *value)
{
	switch (k) {
	case 't':
		return add("--tap");
	case 'c':
		return add("--cover");
	case 'v':
		return add("--verbose");
	default:
		return add("--filter") && add(value);
	}
}

static int parse(int argc, char **argv, const char **lua_dir)
{
	static const struct option options[] = {
		{ "tap", no_argument, NULL, 't' },
		{ "cover", no_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "filter", required_argument, NULL, 'f' },
		{ "lua", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	while ((k = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (k == '?')
			return cmd_usage(&cmd_test, NULL);
		if (k == 'h')
			return cmd_help(&cmd_test);
		if (k == 'l')
			*lua_dir = optarg;
		else
			add_option(k, optarg);
	}
	if (isatty(STDOUT_FILENO) && !getenv("NO_COLOR"))
		add("--color");
	return -1;
}

static int add_files(int argc, char **argv)
{
	int options = args.n;
	bool ok = add("--");

	if (optind == argc)
		ok = ok && add_folder("") && add_folder("apps/");
	for (int i = optind; i < argc; i++)
		ok = ok && add_path(argv[i]);
	if (!ok)
		return cmd_usage(&cmd_test, "too many files");
	return args.n == options + 1 ? cmd_usage(&cmd_test, "no *_test.lua here or in apps/") : -1;
}

static void free_args(void)
{
	while (args.n)
		free(args.arg[--args.n]);
}

static int run(int argc, char **argv)
{
	const char *lua_dir = NULL;
	struct err e;
	int code = parse(argc, argv, &lua_dir);

	if (code < 0)
		code = add_files(argc, argv);
	if (code < 0) {
		signal(SIGPIPE, SIG_IGN);
		if (cmd_open_vm(lua_dir, true, 0, &e)) {
			vm_module("store", lua_store_open);
			vm_module("host", lua_host_open);
			vm_module("client", lua_client_open);
			code = lua_file_main("moon2m.test.main", args.n, args.arg);
			lua_client_close();
			lua_host_close();
			cmd_close_vm();
		} else {
			code = cmd_fail(&e);
		}
	}
	free_args();
	return code;
}

static const char help[] =
    "Usage: moon2m test [OPTION]... [FILE|FOLDER]...\n"
    "\n"
    "Runs tests of scripts: in this process, with the real library, a store in memory, a clock that\n"
    "the test moves, and no sockets.  Without files: *_test.lua here and in apps/.\n"
    "\n"
    "      --filter PATTERN  only tests whose name contains the text or matches the Lua pattern\n"
    "      --tap             results in the Test Anything Protocol\n"
    "      --cover           then, which lines of the scripts did not run\n"
    "  -v, --verbose         what a failed test logged, too\n"
    "      --lua DIR         read the library from DIR instead of the one in the binary\n"
    "  -h, --help            this text\n"
    "\n"
    "Exit code: 0 all tests passed, 1 at least one did not or there was none, 2 wrong usage.\n";

const struct cmd cmd_test = {
	.name = "test",
	.summary = "run tests of scripts",
	.run = run,
	.help = help,
};
