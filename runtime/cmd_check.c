/*
 * `moon2m check`: loads scripts as the server would, without starting anything, and says what is
 * wrong.
 */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "lua_file.h"
#include "vm.h"

static int check_all(int n, char **paths)
{
	int code = CMD_OK;
	struct err e;

	if (!vm_boot("moon2m.boot", &e))
		return cmd_fail(&e);
	for (int i = 0; i < n; i++) {
		if (lua_file_check(paths[i], &e)) {
			printf("%s: ok\n", paths[i]);
			continue;
		}
		fprintf(stderr, "%s\n", e.msg);
		code = CMD_FAILED;
	}
	return code;
}

static int run(int argc, char **argv)
{
	const char *lua_dir;
	struct err e;
	int code = cmd_options(&cmd_check, argc, argv, "h", "which scripts?", &lua_dir);

	if (code >= 0)
		return code;
	if (!cmd_open_vm(lua_dir, false, 0, &e))
		return cmd_fail(&e);
	code = check_all(argc - optind, argv + optind);
	cmd_close_vm();
	return code;
}

static const char help[] =
    "Usage: moon2m check [--lua DIR] APP.lua...\n"
    "\n"
    "Loads each script as `moon2m run` would: syntax, declarations, patterns and names.  Nothing\n"
    "is started, stored or sent.\n"
    "\n"
    "  --lua DIR   read the library from DIR instead of the one in the binary\n"
    "  -h, --help  this text\n"
    "\n"
    "Exit code: 0 all scripts load, 1 at least one does not, 2 wrong usage.\n";

const struct cmd cmd_check = {
	.name = "check",
	.summary = "load scripts without running the server, say what is wrong",
	.run = run,
	.help = help,
};
