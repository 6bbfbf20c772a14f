/*
 * `moon2m export` and `moon2m import`: the tree of a running server as lines of JSON.  How it is
 * asked for and told is Lua's (lua/moon2m/transfer.lua).
 */
#include "cmd.h"

#include <getopt.h>

#include "lua_ask.h"
#include "lua_file.h"
#include "vm.h"

struct options {
	const char *data, *lua_dir;
	bool replace;
};

/* Returns -1 to go on, or the exit code. */
static int read_options(const struct cmd *c, int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "lua", required_argument, NULL, 'l' },
		{ "replace", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	*o = (struct options){ .data = "data" };
	while ((k = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(c);
		if (k == 'd')
			o->data = optarg;
		else if (k == 'l')
			o->lua_dir = optarg;
		else if (k == 'r' && c == &cmd_import)
			o->replace = true;
		else
			return cmd_usage(c, k == '?' ? NULL : "unknown option");
	}
	if (argc - optind > 1)
		return cmd_usage(c, "unexpected argument '%s'", argv[optind + 1]);
	if (c == &cmd_import && optind == argc)
		return cmd_usage(c, "which file?");
	return -1;
}

static int transfer(const struct cmd *c, int argc, char **argv)
{
	struct options o;
	struct err e;
	int code = read_options(c, argc, argv, &o);
	char *args[4];
	int n = 0;

	if (code >= 0)
		return code;
	args[n++] = (char *)(uintptr_t)c->name;
	args[n++] = (char *)(uintptr_t)o.data;
	args[n++] = o.replace ? (char *)(uintptr_t) "replace" : (char *)(uintptr_t) "";
	if (optind < argc)
		args[n++] = argv[optind];
	if (!cmd_open_vm(o.lua_dir, false, 0, &e))
		return cmd_fail(&e);
	vm_module("ask", lua_ask_open);
	code = lua_file_main("moon2m.transfer", n, args);
	cmd_close_vm();
	return code;
}

static int run_export(int argc, char **argv)
{
	return transfer(&cmd_export, argc, argv);
}

static int run_import(int argc, char **argv)
{
	return transfer(&cmd_import, argc, argv);
}

static const char help_export[] =
    "Usage: moon2m export [OPTION]... [PATH] >FILE\n"
    "\n"
    "Writes the resource tree of a running server, or the part below PATH and the resource there, as\n"
    "lines of JSON: a head, then parents before children with all attributes, then an end.  Requests\n"
    "go on meanwhile; what changes during the export may be in it or not.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "      --lua DIR     read the library from DIR instead of the one in the binary\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (no server runs there, no such resource), 2 wrong usage.\n";

static const char help_import[] =
    "Usage: moon2m import [OPTION]... FILE\n"
    "\n"
    "Brings the resources of an export into a running server, with their identifiers, times and\n"
    "contents; or those of another CSE: one representation a line, {\"m2m:cnt\":{...}}, with rn, ri and\n"
    "pi, parents first.  What is there already stays as it is, so an import that broke off is simply\n"
    "repeated.  Nobody is notified.  The first line that is refused ends the import; it is named.\n"
    "\n"
    "      --data DIR    the server's data folder (default: data)\n"
    "      --replace     what the file begins with and is there already is deleted first\n"
    "      --lua DIR     read the library from DIR instead of the one in the binary\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit code: 0 done, 1 failure (FILE:LINE: attribute: reason), 2 wrong usage.\n";

const struct cmd cmd_export = {
	.name = "export",
	.summary = "write the resource tree of a running server as JSON lines",
	.run = run_export,
	.help = help_export,
};

const struct cmd cmd_import = {
	.name = "import",
	.summary = "bring resources of an export or of another CSE into a running server",
	.run = run_import,
	.help = help_import,
};
