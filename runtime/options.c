/*
 * Reading the options of `moon2m run`.  What a value means is Lua's to say (config.lua).
 */
#include "options.h"

#include <getopt.h>

#include "cmd.h"

static bool add_listen(struct run_options *o, const char *text, struct err *e)
{
	if (o->nlisten == countof(o->listen))
		return err_set(e, "--listen: at most %zu", countof(o->listen));
	o->listen[o->nlisten++] = text;
	return true;
}

static bool add_set(struct run_options *o, const char *text, struct err *e)
{
	if (o->nset == countof(o->set))
		return err_set(e, "--set: at most %zu", countof(o->set));
	o->set[o->nset++] = text;
	return true;
}

static bool set_log(struct run_options *o, const char *name, struct err *e)
{
	enum log_level level;

	if (!log_parse_level(name, &level))
		return err_set(e, "--log %s: debug, info, warn or error expected", name);
	o->log = name;
	return true;
}

static bool set_option(struct run_options *o, int c, const char *value, struct err *e)
{
	switch (c) {
	case 'c':
		o->config = value;
		return true;
	case 'd':
		o->data = value;
		return true;
	case 'l':
		return add_listen(o, value, e);
	case 'k':
		return add_set(o, value, e);
	case 'L':
		return set_log(o, value, e);
	case 'u':
		o->lua_dir = value;
		return true;
	case 's':
		o->strict = true;
		return true;
	case 'S':
		o->safe = true;
		return true;
	}
	if (c == 'D') {
		o->dev = true;
		return true;
	}
	if (c == 'w')
		o->watch = true;
	else
		o->supervise = true;
	return true;
}

int options_run(const struct cmd *c, int argc, char **argv, struct run_options *o)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "data", required_argument, NULL, 'd' },
		{ "listen", required_argument, NULL, 'l' },
		{ "set", required_argument, NULL, 'k' },
		{ "log", required_argument, NULL, 'L' },
		{ "lua", required_argument, NULL, 'u' },
		{ "strict", no_argument, NULL, 's' },
		{ "safe", no_argument, NULL, 'S' },
		{ "supervise", no_argument, NULL, 'p' },
		{ "dev", no_argument, NULL, 'D' },
		{ "watch", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct err e;
	int opt;

	memset(o, 0, sizeof(*o));
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (opt == 'h')
			return cmd_help(c);
		if (opt == '?')
			return cmd_usage(c, NULL);
		if (!set_option(o, opt, optarg, &e))
			return cmd_usage(c, "%s", e.msg);
	}
	o->apps = argv + optind;
	o->napps = (size_t)(argc - optind);
	return -1;
}
