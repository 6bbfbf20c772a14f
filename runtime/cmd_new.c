/*
 * `moon2m new`: writes a script to start from, its test and the editor's settings.
 */
#include "cmd.h"

#include <getopt.h>

#include "lua_file.h"

static int run(int argc, char **argv)
{
	const char *lua_dir;
	struct err e;
	int code = cmd_options(&cmd_new, argc, argv, "h", "which name?", &lua_dir);

	if (code >= 0)
		return code;
	if (argc - optind > 2)
		return cmd_usage(&cmd_new, "one name and one folder are expected");
	if (!cmd_open_vm(lua_dir, false, 0, &e))
		return cmd_fail(&e);
	code = lua_file_main("moon2m.new", argc - optind, argv + optind);
	cmd_close_vm();
	return code;
}

static const char help[] =
    "Usage: moon2m new NAME [FOLDER]\n"
    "\n"
    "Writes NAME.lua (a script that works, to be changed), NAME_test.lua (its test) and .luarc.json\n"
    "(types and completion for editors, unless it is there) into the folder, which must exist; here\n"
    "when none is given.  Nothing that exists is overwritten.\n"
    "\n"
    "  --lua DIR   read the library from DIR instead of the one in the binary\n"
    "  -h, --help  this text\n"
    "\n"
    "Exit code: 0 done, 1 nothing was written, 2 wrong usage.\n";

const struct cmd cmd_new = {
	.name = "new",
	.summary = "write a script to start from, and its test",
	.run = run,
	.help = help,
};
