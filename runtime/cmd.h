/*
 * cmd.h - the commands of the binary, one file each (cmd_*.c), and what they share: how a usage
 * error is said, and the Lua VM with the core modules that need no network and no store. Exit codes
 * of all commands: 0 done, 1 failure, 2 wrong usage.
 */
#pragma once

#include "err.h"

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

struct cmd {
	const char *name;
	const char *summary; /* one line */
	const char *help; /* text of --help */
	int (*run)(int argc, char **argv); /* argv[0] is "moon2m NAME"; returns the exit code */
};

extern const struct cmd cmd_run, cmd_listen, cmd_check, cmd_new, cmd_test, cmd_lua, cmd_notices,
    cmd_scripts, cmd_reload, cmd_replay, cmd_export, cmd_import, cmd_backup, cmd_verify,
    cmd_capabilities, cmd_credential, cmd_console, cmd_eval, cmd_explain;

/* --help: prints the text to standard output.  Returns CMD_OK. */
int cmd_help(const struct cmd *c);

/* Says what is wrong (nothing when fmt is NULL: getopt has) and where help is.  Returns
 * CMD_USAGE. */
int cmd_usage(const struct cmd *c, const char *fmt, ...) PRINTF(2, 3);

/* "moon2m: message" on standard error.  Returns CMD_FAILED. */
int cmd_fail(const struct err *e);

/* Reads the options --lua DIR (*lua_dir, NULL when absent) and --help; after them, from optind, at
 * least one argument is expected, or `missing` (NULL: there may be none) is said.  short_options as for getopt: "h", or "+h" to
 * stop at the first argument.  Returns -1 to go on, or the exit code. */
int cmd_options(const struct cmd *c, int argc, char **argv, const char *short_options,
		const char *missing, const char **lua_dir);

/* Opens the VM and the guard and registers core modules blame, guard, json and sys. */
bool cmd_open_vm(const char *lua_dir, bool search_path, size_t memory_cap, struct err *e) MUSTCHECK;
void cmd_close_vm(void);
