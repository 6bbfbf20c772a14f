/*
 * The binary's front door: finds the command and runs it.  No logic.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "cmd.h"

static const struct cmd *const commands[] = {
	&cmd_run,     &cmd_listen,  &cmd_check,   &cmd_new,          &cmd_test,
	&cmd_notices, &cmd_scripts, &cmd_reload,  &cmd_replay,       &cmd_export,
	&cmd_import,  &cmd_backup,  &cmd_verify,  &cmd_capabilities, &cmd_credential,
	&cmd_console, &cmd_eval,    &cmd_explain, &cmd_lua
};

static int help(FILE *out, int code)
{
	fputs("moon2m " MOON2M_VERSION ": a oneM2M CSE, scriptable in Lua\n\n", out);
	fputs("Usage: moon2m COMMAND ...\n\n", out);
	for (size_t i = 0; i < countof(commands); i++)
		fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n`moon2m COMMAND --help` explains a command, `moon2m --version` names this one.\n"
	      "Exit codes: 0 done, 1 failure, 2 wrong usage.\n",
	      out);
	return code;
}

static const struct cmd *find(const char *name)
{
	for (size_t i = 0; i < countof(commands); i++)
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct cmd *c;
	char name[64];

	if (argc < 2)
		return help(stderr, CMD_USAGE);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(stdout, CMD_OK);
	if (strcmp(argv[1], "--version") == 0) {
		puts("moon2m " MOON2M_VERSION);
		return CMD_OK;
	}
	c = find(argv[1]);
	if (c == &cmd_explain && argc == 3 && find(argv[2]))
		return cmd_help(find(argv[2]));
	if (c) {
		snprintf(name, sizeof(name), "moon2m %s", c->name);
		argv[1] = name;
		return c->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "moon2m: no command '%s'\n", argv[1]);
	return help(stderr, CMD_USAGE);
}
