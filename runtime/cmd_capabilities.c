/*
 * `moon2m capabilities`: what the server does, tried against a scratch instance of it.  What is
 * tried and how it is told is Lua's (lua/moon2m/capabilities.lua).
 */
#include "cmd.h"

#include <getopt.h>
#include <signal.h>

#include "lua_client.h"
#include "lua_file.h"
#include "lua_host.h"
#include "lua_store.h"
#include "vm.h"

/* Returns -1 to go on, or the exit code. */
static int read_options(int argc, char **argv, char *file[2], const char **lua_dir)
{
	static const struct option options[] = {
		{ "json", required_argument, NULL, 'j' },
		{ "md", required_argument, NULL, 'm' },
		{ "lua", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	while ((k = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(&cmd_capabilities);
		if (k == 'j')
			file[0] = optarg;
		else if (k == 'm')
			file[1] = optarg;
		else if (k == 'l')
			*lua_dir = optarg;
		else
			return cmd_usage(&cmd_capabilities, NULL);
	}
	if (optind < argc)
		return cmd_usage(&cmd_capabilities, "unexpected argument '%s'", argv[optind]);
	return -1;
}

static int run(int argc, char **argv)
{
	char none[1] = "", *file[2] = { none, none };
	const char *lua_dir = NULL;
	struct err e;
	int code = read_options(argc, argv, file, &lua_dir);

	if (code >= 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	if (!cmd_open_vm(lua_dir, false, 0, &e))
		return cmd_fail(&e);
	vm_module("store", lua_store_open);
	vm_module("host", lua_host_open);
	vm_module("client", lua_client_open);
	code = lua_file_main("moon2m.capabilities", 2, file);
	lua_client_close();
	lua_host_close();
	cmd_close_vm();
	return code;
}

static const char help[] =
    "Usage: moon2m capabilities [OPTION]...\n"
    "\n"
    "Starts a server on a free port of 127.0.0.1 with an empty store, tries types, operations,\n"
    "attributes, result contents, filters, response types, delayed execution, serializations and\n"
    "bindings on it, and with a second one what CSEs pass on to each other, and writes what was\n"
    "accepted.  Without files: Markdown on standard output.\n"
    "\n"
    "      --json FILE   every status code that was answered, as JSON\n"
    "      --md FILE     tables of what is supported, as Markdown\n"
    "      --lua DIR     read the library from DIR instead of the one in the binary\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure, 2 wrong usage.\n";

const struct cmd cmd_capabilities = {
	.name = "capabilities",
	.summary = "try what this server supports and write it down",
	.run = run,
	.help = help,
};
