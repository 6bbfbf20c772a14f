/*
 * What the commands share.  Messages go to standard error, one line each, and begin with the name
 * of the program, as those of getopt do.
 */
#include "cmd.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "guard.h"
#include "log.h"
#include "lua_blame.h"
#include "lua_json.h"
#include "lua_outgoing.h"
#include "lua_sys.h"
#include "lua_weigh.h"
#include "task.h"
#include "vm.h"

#define STUCK_SECONDS 5.0 /* in C code, called by a script; then the process exits */

int cmd_help(const struct cmd *c)
{
	fputs(c->help, stdout);
	return CMD_OK;
}

int cmd_usage(const struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	if (fmt) {
		fprintf(stderr, "moon2m %s: ", c->name);
		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
		fputc('\n', stderr);
	}
	fprintf(stderr, "Try 'moon2m %s --help'.\n", c->name);
	return CMD_USAGE;
}

int cmd_fail(const struct err *e)
{
	fprintf(stderr, "%smoon2m: %s\n", log_prefix(LOG_ERROR), e->msg);
	return CMD_FAILED;
}

int cmd_options(const struct cmd *c, int argc, char **argv, const char *short_options,
		const char *missing, const char **lua_dir)
{
	static const struct option options[] = {
		{ "lua", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int k;

	*lua_dir = NULL;
	while ((k = getopt_long(argc, argv, short_options, options, NULL)) != -1) {
		if (k == 'h')
			return cmd_help(c);
		if (k != 'l')
			return cmd_usage(c, NULL);
		*lua_dir = optarg;
	}
	return optind < argc || !missing ? -1 : cmd_usage(c, "%s", missing);
}

bool cmd_open_vm(const char *lua_dir, bool search_path, size_t memory_cap, struct err *e)
{
	struct vm_opts o = {
		.lua_dir = lua_dir,
		.search_path = search_path,
		.memory_cap = memory_cap,
	};

	if (!vm_open(&o, e))
		return false;
	guard_open(vm_state(), STUCK_SECONDS);
	vm_module("blame", lua_blame_open);
	vm_module("guard", guard_lua_open);
	vm_module("json", lua_json_open);
	vm_module("outgoing", lua_outgoing_open);
	vm_module("sys", lua_sys_open);
	vm_module("weigh", lua_weigh_open);
	return true;
}

void cmd_close_vm(void)
{
	lua_sys_close();
	task_close();
	guard_close();
	vm_close();
}
