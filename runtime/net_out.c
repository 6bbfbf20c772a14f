/*
 * net_out.c - outgoing HTTP requests: a pool of connections per scheme, host and port; what has to
 * wait waits in order, bounded.  Each request is answered or failed exactly once, from the loop,
 * within its time.  A request is sent again only when a resting connection turned out to be closed
 * before a byte of the answer.
 */
#include "net_out.h"

#include "limit.h"

#include <stdlib.h>
#include <strings.h>

#define PER_POOL 16
#define WAITING_MAX 4096 /* requests in all pools; more fail at once */

/* ---- jobs ------------------------------------------------------------------------------------ */

/* Tells the sender, once, and frees. */
static void finish(struct job *j, const struct http_answer *a)
{
	http_done done = j->done;
	void *arg = j->arg;
	struct err e = j->err;

	ev_timer_stop(j->net->loop, &j->timer);
	link_drop(&j->link);
	j->net->out_waiting--;
	buf_free(&j->text);
	free(j);
	done(arg, a, &e);
}

static void fail(struct job *j)
{
	struct http_answer none = { .sent = j->sent };

	finish(j, &none);
}

static void free_pool(struct pool *p)
{
	if (p->nouts || p->njobs)
		return;
	link_drop(&p->link);
	free(p);
}

static void run_pool(struct pool *p)
{
	struct link *at = p->outs.next;

	while (at != &p->outs && p->njobs) {
		struct out *o = container_of(at, struct out, link);

		at = at->next;
		if (o->state == OUT_IDLE) {
			struct job *j = container_of(p->jobs.next, struct job, link);

			link_drop(&j->link);
			p->njobs--;
			out_send(o, j);
		}
	}
	while (p->njobs > p->starting && p->nouts < PER_POOL)
		out_start(p);
}

/* ---- what connections tell ------------------------------------------------------------------- */

void out_ready(struct out *o)
{
	run_pool(o->pool);
}

static void fail_later(struct job *j, const struct err *why)
{
	j->err = *why;
	link_drop(&j->link);
	j->on = NULL;
	j->pool = NULL;
	link_add(&j->net->failed, &j->link);
}

void out_failed(struct out *o, const struct err *why)
{
	struct pool *p = o->pool;

	out_free(o);
	while (!p->nouts && p->njobs) { /* nobody else will serve them */
		p->njobs--;
		fail_later(container_of(p->jobs.next, struct job, link), why);
	}
	free_pool(p);
}

void out_answered(struct out *o, struct http1_msg *m)
{
	struct http_answer a = { m->status, true, m->head, m->body };
	struct pool *p = o->pool;
	struct job *j = o->job;

	j->on = NULL;
	j->pool = NULL;
	o->job = NULL;
	o->used = true;
	if (m->keep_alive)
		out_rest(o);
	else
		out_free(o);
	run_pool(p);
	free_pool(p);
	finish(j, &a);
	http1_msg_free(m);
}

void out_broken(struct out *o, const char *why)
{
	struct pool *p = o->pool;
	struct job *j = o->job;
	bool again = j && o->used && !o->got && !j->tried;
	struct err e = { 0 };

	out_free(o);
	if (again) {
		j->tried = true;
		j->on = NULL;
		j->link.prev = &p->jobs; /* before the others */
		j->link.next = p->jobs.next;
		p->jobs.next->prev = &j->link;
		p->jobs.next = &j->link;
		p->njobs++;
	} else if (j) {
		err_set(&e, "%.80s port %u: %s", p->u.host, p->u.port, why);
		fail_later(j, &e);
	}
	run_pool(p);
	free_pool(p);
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int events)
{
	struct job *j = container_of(w, struct job, timer);
	struct pool *p = j->pool;

	(void)loop;
	(void)events;
	if (!p)
		return; /* its failure is on the way */
	err_set(&j->err, "%.80s port %u: no answer in %g s", p->u.host, p->u.port, j->timeout);
	if (j->on) {
		j->on->job = NULL;
		out_free(j->on);
	} else {
		p->njobs--;
	}
	link_drop(&j->link);
	run_pool(p);
	free_pool(p);
	fail(j);
}

/* ---- sending --------------------------------------------------------------------------------- */

static struct pool *pool_of(struct net *n, const struct net_url *u, bool script)
{
	struct pool *p;

	for (struct link *at = n->pools.next; at != &n->pools; at = at->next) {
		p = container_of(at, struct pool, link);
		if (p->script == script && p->u.tls == u->tls && p->u.port == u->port &&
		    strcasecmp(p->u.host, u->host) == 0)
			return p;
	}
	p = xcalloc(1, sizeof(*p));
	p->net = n;
	p->u = *u;
	p->script = script;
	link_init(&p->jobs);
	link_init(&p->outs);
	link_add(&n->pools, &p->link);
	return p;
}

static bool has_room(const struct net *n, struct err *e)
{
	if (n->out_waiting < WAITING_MAX)
		return true;
	limit_hit(LIMIT_OUTGOING_QUEUE);
	return err_set(e, "too many outgoing requests waiting");
}

static void write_request(struct buf *b, const char *method, const struct net_url *u,
			  struct str head, struct str body)
{
	buf_reserve(b, head.n + body.n + strlen(u->path) + 512);
	buf_fmt(b, "%s %s%s HTTP/1.1\r\nHost: ", method, *u->path == '/' ? "" : "/", u->path);
	net_url_host(u, b);
	buf_str(b, STR("\r\n"));
	if (body.n || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
		buf_fmt(b, "Content-Length: %zu\r\n", body.n);
	buf_str(b, head);
	buf_str(b, STR("\r\n"));
	buf_str(b, body);
}

void http_send(struct net *n, bool script, const char *method, const char *url, struct str head,
	       struct str body, double timeout, http_done done, void *arg)
{
	struct job *j = xcalloc(1, sizeof(*j));
	struct net_url u;
	bool good;

	j->net = n;
	j->done = done;
	j->arg = arg;
	j->timeout = timeout;
	j->head_only = strcmp(method, "HEAD") == 0;
	link_init(&j->link);
	ev_timer_init(&j->timer, on_timeout, 0, 0);
	good = net_url_parse(url, &u, &j->err) &&
	       (!u.ws || err_set(&j->err, "%.80s: not an http or https URL", url)) &&
	       net_allow_url(n, &u, script, &j->err) && has_room(n, &j->err);
	n->out_waiting++;
	if (!good) {
		link_add(&n->failed, &j->link);
		return;
	}
	write_request(&j->text, method, &u, head, body);
	j->pool = pool_of(n, &u, script);
	link_add(&j->pool->jobs, &j->link);
	j->pool->njobs++;
	ev_now_update(n->loop);
	ev_timer_set(&j->timer, timeout > 0 ? timeout : 0, 0);
	ev_timer_start(n->loop, &j->timer);
	run_pool(j->pool);
}

void net_out_flush(struct net *n)
{
	struct link batch;

	link_move(&n->failed, &batch);
	while (!link_alone(&batch))
		fail(container_of(batch.next, struct job, link));
}

void net_out_renew(struct net *n)
{
	struct link *at = n->pools.next;

	while (at != &n->pools) {
		struct pool *p = container_of(at, struct pool, link);
		struct link *o = p->outs.next;

		at = at->next;
		while (p->u.tls && o != &p->outs) {
			struct out *one = container_of(o, struct out, link);

			o = o->next;
			if (one->state == OUT_IDLE)
				out_free(one);
		}
		free_pool(p);
	}
}

/* The loop ends: connections close, requests are told so. */
void net_out_free(struct net *n)
{
	struct err e = { 0 };

	err_set(&e, "shutting down");
	while (!link_alone(&n->pools)) {
		struct pool *p = container_of(n->pools.next, struct pool, link);

		while (!link_alone(&p->outs)) {
			struct out *o = container_of(p->outs.next, struct out, link);

			if (o->job)
				fail_later(o->job, &e);
			o->job = NULL;
			out_free(o);
		}
		while (p->njobs) {
			p->njobs--;
			fail_later(container_of(p->jobs.next, struct job, link), &e);
		}
		free_pool(p);
	}
	net_out_flush(n);
}
