/*
 * err.c - formats the one line that says why something failed.
 * Guarantees: the message ends in NUL and holds no control character, however long or hostile the
 * arguments are; arguments may point into the message that is replaced.
 * Must never: allocate, or fail itself.
 */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>

static void set(struct err *e, int code, const char *fmt, va_list ap)
{
	char msg[sizeof(e->msg)];

	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	for (char *c = msg; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	memcpy(e->msg, msg, strlen(msg) + 1);
	e->code = code;
}

bool err_set(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return false;
	va_start(ap, fmt);
	set(e, 0, fmt, ap);
	va_end(ap);
	return false;
}

bool err_code(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return false;
	va_start(ap, fmt);
	set(e, code, fmt, ap);
	va_end(ap);
	return false;
}

bool err_prefix(struct err *e, const char *fmt, ...)
{
	struct err context;
	char rest[sizeof(e->msg)];
	size_t n, room;
	va_list ap;

	if (!e)
		return false;
	memcpy(rest, e->msg, strlen(e->msg) + 1);
	va_start(ap, fmt);
	set(&context, e->code, fmt, ap);
	va_end(ap);

	n = strlen(context.msg);
	memcpy(e->msg, context.msg, n + 1);
	room = sizeof(e->msg) - n;
	snprintf(e->msg + n, room, ": %.*s", (int)(room > 3 ? room - 3 : 0), rest);
	return false;
}
