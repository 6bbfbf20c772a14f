/*
 * lua_file.h - Lua code that C runs synchronously, outside of any task: a file or a module's `main`
 * with arguments, and the boot module's `check`.
 */
#pragma once

#include "err.h"

/* Runs a file as the `lua` interpreter would: `arg` and `...` hold the arguments.  Its result (a
 * number, or a boolean) is the exit code; on an error the traceback is on standard error and it is
 * 1. */
int lua_file_run(const char *path, int argc, char **argv);

/* Calls `main` of a module of the library with the arguments as texts; its result (a number, or a
 * boolean) is the exit code.  Errors as for lua_file_run. */
int lua_file_main(const char *module, int argc, char **argv);

/* Entry check(path) of the boot module: false with the message when the script would not load. */
bool lua_file_check(const char *path, struct err *e) MUSTCHECK;

/* Entry check_config(path) of the boot module: the scripts that are checked from now on run under
 * this configuration file; each is called with the path of every script that it names.  False, e:
 * the file is wrong. */
typedef void (*lua_file_each)(void *arg, const char *path);
bool lua_file_configure(const char *config, lua_file_each each, void *arg, struct err *e) MUSTCHECK;
