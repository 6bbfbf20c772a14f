/*
 * console_link.c - see console_link.h.
 */
#define _GNU_SOURCE
#include "console_link.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd_ask.h"
#include "jscan.h"

#define ANSWER_MS 10000 /* until the server has opened the console */
#define MESSAGE_MAX ((size_t)16 << 20)

static bool take(struct console_link *l, struct str *message)
{
	const char *end;

	buf_drop(&l->in, l->used);
	l->used = 0;
	end = l->in.n ? memchr(l->in.p, '\n', l->in.n) : NULL;
	if (!end)
		return false;
	*message = (struct str){ l->in.p, (size_t)(end - l->in.p) };
	l->used = message->n + 1;
	return true;
}

static enum console_event lost(struct err *e, const char *why)
{
	(void)err_set(e, "%s", why);
	return CONSOLE_LOST;
}

static enum console_event receive(struct console_link *l, struct err *e)
{
	ssize_t n = recv(l->fd, buf_reserve(&l->in, 65536), 65536, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return CONSOLE_NOTHING;
	if (n <= 0)
		return lost(e, "the server has gone");
	l->in.n += (size_t)n;
	return l->in.n > MESSAGE_MAX ? lost(e, "the server's answer is too long") : CONSOLE_MESSAGE;
}

static enum console_event check(struct str message, struct err *e)
{
	struct err why;

	if (jscan_check(message, JSCAN_DEFAULT, &why) && jscan_type(message) == JSCAN_OBJECT)
		return CONSOLE_MESSAGE;
	return lost(e, "the server's answer is damaged");
}

enum console_event console_link_next(struct console_link *l, int milliseconds, struct str *message,
				     struct err *e)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	enum console_event what;

	while (!take(l, message)) {
		if (poll(&p, 1, milliseconds) <= 0)
			return CONSOLE_NOTHING;
		what = receive(l, e);
		if (what != CONSOLE_MESSAGE)
			return what;
	}
	return check(*message, e);
}

bool console_link_send(struct console_link *l, struct str message, struct err *e)
{
	return cmd_ask_send(l->fd, message, e) && cmd_ask_send(l->fd, STR("\n"), e);
}

bool console_link_open(struct console_link *l, const char *data, struct err *e)
{
	struct str m, v;
	enum console_event what;

	*l = (struct console_link){ .fd = cmd_ask_dial(data, e) };
	if (l->fd < 0)
		return false;
	if (!console_link_send(l, STR("{\"cmd\":\"console\"}"), e))
		return false;
	what = console_link_next(l, ANSWER_MS, &m, e);
	if (what == CONSOLE_NOTHING)
		return err_set(e, "the server does not answer");
	if (what == CONSOLE_LOST)
		return false;
	return jscan_member(m, "ready", &v) || cmd_ask_verdict(m, e);
}

void console_link_close(struct console_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	buf_free(&l->in);
}
