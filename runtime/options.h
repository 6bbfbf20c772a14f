/*
 * options.h - the command line of `moon2m run` as a struct.  Says what is wrong itself.
 */
#pragma once

#include "lua_config.h"

struct cmd;

/* -1: *o is filled in; else the exit code of a command that has nothing more to do. */
int options_run(const struct cmd *c, int argc, char **argv, struct run_options *o);
