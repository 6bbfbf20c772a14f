/*
 * cmd_ask.h - a command of the binary asks a running server through its operator's socket (admin.h).
 */
#pragma once

#include "buf.h"
#include "cmd.h"

/* A connection to the server of that data folder; -1: the reason is in e. */
int cmd_ask_dial(const char *data, struct err *e) MUSTCHECK;
bool cmd_ask_send(int fd, struct str text, struct err *e) MUSTCHECK;

/* Sends one command, a JSON object without line feed, to the server of that data folder, and reads
 * its whole answer; gives up after two minutes without a byte. */
bool cmd_ask(const char *data, struct str command, struct buf *answer, struct err *e) MUSTCHECK;

/* The lines of an answer, each a JSON value, the last one the verdict; the caller frees the list.
 * NULL: it is damaged. */
struct str *cmd_ask_lines(struct str answer, size_t *n, struct err *e);

/* False: the verdict says that the command failed, the reason is in e. */
bool cmd_ask_verdict(struct str verdict, struct err *e) MUSTCHECK;
