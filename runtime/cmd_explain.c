/*
 * `moon2m help`: what the reference says about a name that scripts use.
 */
#include "cmd.h"

#include <getopt.h>

#include "lua_file.h"

static int run(int argc, char **argv)
{
	const char *lua_dir;
	struct err e;
	int code = cmd_options(&cmd_explain, argc, argv, "h", NULL, &lua_dir);

	if (code >= 0)
		return code;
	if (argc - optind > 1)
		return cmd_usage(&cmd_explain, "one name is expected");
	if (!cmd_open_vm(lua_dir, false, 0, &e))
		return cmd_fail(&e);
	code = lua_file_main("moon2m.help", argc - optind, argv + optind);
	cmd_close_vm();
	return code;
}

static const char help[] =
    "Usage: moon2m help [NAME]\n"
    "\n"
    "Tells what the reference says about a function or table that scripts use: cse.add, conn:read,\n"
    "event, container; without a name, which there are.  The name of a command: its --help.\n"
    "\n"
    "  --lua DIR   read the library from DIR instead of the one in the binary\n"
    "  -h, --help  this text\n"
    "\n"
    "Exit code: 0 done, 1 no such name, 2 wrong usage.\n";

const struct cmd cmd_explain = {
	.name = "help",
	.summary = "explain what scripts use: moon2m help cse.add",
	.run = run,
	.help = help,
};
