/*
 * err.h - one way to fail: a function returns false and whoever knows most writes the reason.
 * The text is one line for a person; code is a module's own enum or a oneM2M status code, or 0.
 */
#pragma once

#include "base.h"

struct err {
	int code;
	char msg[400];
};

/* Both return false: `return err_set(e, ...)` reads as the failure it is.  e may be NULL. */
bool err_set(struct err *e, const char *fmt, ...) PRINTF(2, 3);
bool err_code(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);

/* Puts "context: " in front of the message.  Returns false. */
bool err_prefix(struct err *e, const char *fmt, ...) PRINTF(2, 3);
