/*
 * `moon2m lua`: runs a Lua file in the VM with the library and the core modules json, sys and
 * guard, without network and store.  For tests of the library and for tools.
 */
#include "cmd.h"

#include <getopt.h>

#include "lua_file.h"

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "lua", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *lua_dir = NULL;
	struct err e;
	int c, code;

	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c == 'h')
			return cmd_help(&cmd_lua);
		if (c != 'l')
			return cmd_usage(&cmd_lua, NULL);
		lua_dir = optarg;
	}
	if (optind >= argc)
		return cmd_usage(&cmd_lua, "which file?");
	if (!cmd_open_vm(lua_dir, true, 0, &e))
		return cmd_fail(&e);
	code = lua_file_run(argv[optind], argc - optind - 1, argv + optind + 1);
	cmd_close_vm();
	return code;
}

static const char help[] =
    "Usage: moon2m lua [--lua DIR] FILE [ARGUMENT]...\n"
    "\n"
    "Runs a Lua file with moon2m's library and the modules moon2m.core.json, .sys and .guard,\n"
    "but without network and store.  The file sees its arguments in `arg` and `...`.\n"
    "\n"
    "  --lua DIR   read the library from DIR instead of the one in the binary\n"
    "  -h, --help  this text\n"
    "\n"
    "Exit code: 0, or the number that the file returns (false: 1); 1 after an error, whose\n"
    "traceback is on standard error; 2 wrong usage.\n";

const struct cmd cmd_lua = {
	.name = "lua",
	.summary = "run a Lua file with the library",
	.run = run,
	.help = help,
};
