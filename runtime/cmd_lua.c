/*
 * `moon2m lua`: runs a Lua file in the VM with the library and the core modules json, sys and
 * guard, without network and store.  For tests of the library and for tools.
 */
#include "cmd.h"

#include <getopt.h>

#include "lua_client.h"
#include "lua_file.h"
#include "lua_host.h"
#include "lua_store.h"
#include "vm.h"

static int run(int argc, char **argv)
{
	const char *lua_dir;
	struct err e;
	int code = cmd_options(&cmd_lua, argc, argv, "+h", "which file?", &lua_dir);

	if (code >= 0)
		return code;
	if (!cmd_open_vm(lua_dir, true, 0, &e))
		return cmd_fail(&e);
	vm_module("host", lua_host_open);
	vm_module("client", lua_client_open);
	vm_module("store", lua_store_open);
	code = lua_file_run(argv[optind], argc - optind - 1, argv + optind + 1);
	lua_client_close();
	lua_host_close();
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
