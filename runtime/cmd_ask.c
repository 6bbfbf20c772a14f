/*
 * cmd_ask.c - see cmd_ask.h.
 */
#define _GNU_SOURCE
#include "cmd_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.h"
#include "jscan.h"

#define ANSWER_SECONDS 120

int cmd_ask_dial(const char *data, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/" ADMIN_SOCKET, data);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(a.sun_path)) {
		(void)err_set(e, "--data %s: too long for a socket's name; use a shorter path",
			      data);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		return fd;
	}
	(void)err_set(e, "no server to ask: %s: %s", a.sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool cmd_ask_send(int fd, struct str s, struct err *e)
{
	while (s.n) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, "the server does not listen: %s", strerror(errno));
		s.p += n;
		s.n -= (size_t)n;
	}
	return true;
}

static bool receive(int fd, struct buf *in, struct err *e)
{
	ssize_t n;

	do {
		n = recv(fd, buf_reserve(in, 65536), 65536, 0);
		in->n += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return err_set(e, "the server does not answer: %s", strerror(errno));
	return true;
}

bool cmd_ask(const char *data, struct str command, struct buf *answer, struct err *e)
{
	int fd = cmd_ask_dial(data, e);
	bool ok = fd >= 0 && cmd_ask_send(fd, command, e) && cmd_ask_send(fd, STR("\n"), e) &&
		  receive(fd, answer, e);

	if (fd >= 0)
		close(fd);
	return ok;
}

struct str *cmd_ask_lines(struct str in, size_t *n, struct err *e)
{
	struct str *row = NULL;
	size_t cap = 0;

	for (*n = 0; in.n;) {
		const char *end = memchr(in.p, '\n', in.n);
		struct str line = { in.p, end ? (size_t)(end - in.p) : in.n };

		if (!end || !jscan_check(line, JSCAN_DEFAULT, e))
			break;
		if (*n == cap) {
			cap = cap ? cap * 2 : 64;
			row = xrealloc(row, cap * sizeof(*row));
		}
		row[(*n)++] = line;
		in.n -= line.n + 1;
		in.p = end + 1;
	}
	if (in.n == 0 && *n && jscan_type(row[*n - 1]) == JSCAN_OBJECT)
		return row;
	free(row);
	(void)err_set(e, "the server's answer is damaged");
	return NULL;
}

bool cmd_ask_verdict(struct str verdict, struct err *e)
{
	struct buf why = BUF_INIT;
	struct str v;

	if (jscan_member(verdict, "ok", &v) && str_is(v, "true"))
		return true;
	if (jscan_member(verdict, "error", &v) && jscan_string(v, &why))
		(void)err_set(e, "%.*s", STRFMT(buf_view(&why)));
	else
		(void)err_set(e, "the server refused");
	buf_free(&why);
	return false;
}
