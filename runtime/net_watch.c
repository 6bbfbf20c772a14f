/*
 * net_watch.c - see net_watch.h.
 * Guarantees: never blocks; what is remembered is bounded; a folder that goes away is forgotten.
 */
#define _GNU_SOURCE
#include "net_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "net_lws.h"

#define QUIET 0.1 /* s */
#define NAMES_MAX 65536u /* bytes of names that are kept */

struct folder {
	struct folder *next;
	int wd;
	char name[];
};

struct net_watch {
	struct net *net;
	int fd;
	ev_io io;
	ev_timer quiet;
	struct folder *folders;
	struct buf files;
	net_watch_fn fn;
	void *arg;
};

static const struct folder *folder_of(const struct net_watch *w, int wd)
{
	const struct folder *f = w->folders;

	while (f && f->wd != wd)
		f = f->next;
	return f;
}

static bool known(const struct buf *files, struct str line)
{
	const char *p = files->p, *end = files->p + files->n;

	while (files->n && (p = memmem(p, (size_t)(end - p), line.p, line.n))) {
		if (p == files->p || p[-1] == '\n')
			return true;
		p++;
	}
	return false;
}

static void remember(struct net_watch *w, const char *folder, const char *name)
{
	struct buf line = BUF_INIT;

	if (folder)
		buf_fmt(&line, "%s/", folder);
	buf_fmt(&line, "%s\n", name);
	if (w->files.n + line.n > NAMES_MAX) {
		buf_clear(&w->files);
		buf_str(&w->files, STR("*\n"));
	} else if (!known(&w->files, buf_view(&line))) {
		buf_str(&w->files, buf_view(&line));
	}
	buf_free(&line);
}

static void take(struct net_watch *w, const struct inotify_event *e)
{
	const struct folder *f = folder_of(w, e->wd);

	if (e->mask & IN_Q_OVERFLOW)
		remember(w, NULL, "*");
	else if (f && e->len)
		remember(w, f->name, e->name);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct net_watch *w = io->data;
	_Alignas(struct inotify_event) char space[4096];
	ssize_t n;

	(void)events;
	while ((n = read(w->fd, space, sizeof(space))) > 0) {
		const struct inotify_event *e;

		for (char *p = space; p < space + n; p += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)(void *)p;
			take(w, e);
		}
	}
	if (w->files.n)
		ev_timer_again(loop, &w->quiet);
}

static void on_quiet(struct ev_loop *loop, ev_timer *t, int events)
{
	struct net_watch *w = t->data;
	struct buf files = w->files;

	(void)events;
	ev_timer_stop(loop, t);
	w->files = (struct buf)BUF_INIT;
	w->fn(w->arg, buf_view(&files));
	buf_free(&files);
}

struct net_watch *net_watch_new(struct net *n, net_watch_fn fn, void *arg, struct err *e)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct net_watch *w;

	if (fd < 0) {
		(void)err_set(e, "inotify: %s", strerror(errno));
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	w->net = n;
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	ev_io_init(&w->io, on_readable, fd, EV_READ);
	ev_init(&w->quiet, on_quiet);
	w->quiet.repeat = QUIET;
	w->io.data = w->quiet.data = w;
	ev_io_start(n->loop, &w->io);
	return w;
}

bool net_watch_add(struct net_watch *w, const char *folder, struct err *e)
{
	int wd = inotify_add_watch(w->fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO);
	struct folder *f;

	if (wd < 0)
		return err_set(e, "%s: %s", folder, strerror(errno));
	if (folder_of(w, wd))
		return true;
	f = xmalloc(sizeof(*f) + strlen(folder) + 1);
	f->wd = wd;
	f->next = w->folders;
	memcpy(f->name, folder, strlen(folder) + 1);
	w->folders = f;
	return true;
}

void net_watch_free(struct net_watch *w)
{
	if (!w)
		return;
	ev_io_stop(w->net->loop, &w->io);
	ev_timer_stop(w->net->loop, &w->quiet);
	close(w->fd);
	while (w->folders) {
		struct folder *f = w->folders;

		w->folders = f->next;
		free(f);
	}
	buf_free(&w->files);
	free(w);
}
