/*
 * net_child.c - see net_child.h.
 * Guarantees: never blocks; no descriptor of this process is left open in the child; no child
 * outlives its end, nor does a zombie stay.
 */
#define _GNU_SOURCE
#include "net_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "net_lws.h"

#define LOOK_TIME 0.01 /* s between looks whether it has ended */

extern char **environ;

struct net_child {
	struct net *net;
	pid_t pid; /* 0: has ended */
	int fd; /* what it writes; -1: closed */
	ev_io io;
	ev_timer look;
	int64_t until;
	bool late;
	struct buf out;
	net_child_fn fn;
	void *arg;
};

static void close_pipe(struct net_child *c)
{
	if (c->fd < 0)
		return;
	ev_io_stop(c->net->loop, &c->io);
	close(c->fd);
	c->fd = -1;
}

/* What it has written so far; beyond the bound it is read and forgotten. */
static void drain(struct net_child *c)
{
	char space[4096];
	ssize_t n;

	while (c->fd >= 0 && (n = read(c->fd, space, sizeof(space))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (c->out.n < NET_CHILD_OUTPUT) {
			size_t room = NET_CHILD_OUTPUT - c->out.n;
			size_t take = (size_t)n < room ? (size_t)n : room;

			buf_str(&c->out, (struct str){ space, take });
		}
	}
	close_pipe(c);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	drain(io->data);
}

static void ended(struct net_child *c, int status)
{
	int code = c->late ? -2 : WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	kill(-c->pid, SIGKILL); /* what it started */
	c->pid = 0;
	drain(c);
	c->fn(c->arg, code, buf_view(&c->out));
	net_child_free(c);
}

static void on_look(struct ev_loop *loop, ev_timer *t, int events)
{
	struct net_child *c = t->data;
	int status;

	(void)loop;
	(void)events;
	if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
		ended(c, status);
	} else if (!c->late && clock_mono() >= c->until) {
		c->late = true;
		kill(-c->pid, SIGKILL);
	}
}

/* Between vfork and exec: only what changes nothing of the parent's memory. */
static void become(char *const argv[], int in, int out, const sigset_t *none)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		_exit(127);
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, none, NULL);
	execve(argv[0], argv, environ);
	_exit(127);
}

/* The memory of a server may be large: vfork copies none of it. */
static pid_t start(char *const argv[], int out, struct err *e)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t all, none, before;
	pid_t pid;

	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = vfork();
	if (pid == 0)
		become(argv, in, out, &none);
	if (pid < 0)
		(void)err_set(e, "%s: %s", argv[0], strerror(errno));
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(in);
	return pid;
}

struct net_child *net_child_start(struct net *n, char *const argv[], double seconds,
				  net_child_fn fn, void *arg, struct err *e)
{
	struct net_child *c;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		(void)err_set(e, "pipe: %s", strerror(errno));
		return NULL;
	}
	pid = start(argv, ends[1], e);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return NULL;
	}
	setpgid(pid, pid); /* whoever comes first */
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	c = xcalloc(1, sizeof(*c));
	*c = (struct net_child){ .net = n, .pid = pid, .fd = ends[0], .fn = fn, .arg = arg };
	c->until = clock_mono() + (int64_t)(seconds * 1e6);
	ev_io_init(&c->io, on_readable, c->fd, EV_READ);
	ev_timer_init(&c->look, on_look, LOOK_TIME, LOOK_TIME);
	c->io.data = c->look.data = c;
	ev_io_start(n->loop, &c->io);
	ev_timer_start(n->loop, &c->look);
	return c;
}

void net_child_free(struct net_child *c)
{
	if (!c)
		return;
	if (c->pid) {
		kill(-c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
	}
	close_pipe(c);
	ev_timer_stop(c->net->loop, &c->look);
	buf_free(&c->out);
	free(c);
}
