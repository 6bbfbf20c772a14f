/*
 * net_dns.c - host names to addresses, on threads of their own because getaddrinfo blocks.
 * Numeric addresses do not go there but are answered from the loop all the same.  The queue is
 * bounded.  A thread stuck in a lookup is never waited for: whoever leaves last frees.
 */
#include "net_lws.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 2
#define WAITING_MAX 1024

struct dns_query {
	struct dns_query *next;
	void (*fn)(void *arg, const struct net_addrs *addrs); /* NULL: cancelled; loop thread */
	void *arg;
	char host[256];
	uint16_t port;
	struct net_addrs found;
};

struct resolver {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct dns_query *todo, **todo_end;
	struct dns_query *done;
	struct net *net; /* NULL once the loop is gone */
	ev_async ready; /* under lock, while net is there */
	unsigned threads, idle, users, waiting;
};

static void copy_addresses(struct net_addrs *out, const struct addrinfo *ai)
{
	for (; ai && out->n < NET_ADDRS_MAX; ai = ai->ai_next) {
		struct net_addr *a = &out->a[out->n];

		if (ai->ai_addrlen > sizeof(a->sa))
			continue;
		memcpy(&a->sa, ai->ai_addr, ai->ai_addrlen);
		a->len = ai->ai_addrlen;
		out->n++;
	}
}

static void look_up(struct dns_query *q, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV };
	struct addrinfo *ai = NULL;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", q->port);
	rc = getaddrinfo(q->host, port, &hints, &ai);
	if (rc == 0) {
		copy_addresses(&q->found, ai);
		freeaddrinfo(ai);
	}
	if (!q->found.n)
		snprintf(q->found.error, sizeof(q->found.error), "%.60s: %.50s", q->host,
			 rc ? gai_strerror(rc) : "no address");
}

static void free_list(struct dns_query *q)
{
	while (q) {
		struct dns_query *next = q->next;

		free(q);
		q = next;
	}
}

/* With the lock held; gives it up. */
static void leave(struct resolver *r)
{
	bool last = --r->users == 0;

	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	free_list(r->todo);
	free_list(r->done);
	pthread_cond_destroy(&r->more);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *work(void *arg)
{
	struct resolver *r = arg;

	pthread_mutex_lock(&r->lock);
	while (r->net) {
		struct dns_query *q = r->todo;

		if (!q) {
			r->idle++;
			pthread_cond_wait(&r->more, &r->lock);
			r->idle--;
			continue;
		}
		r->todo = q->next;
		if (!r->todo)
			r->todo_end = &r->todo;
		pthread_mutex_unlock(&r->lock);
		look_up(q, 0);
		pthread_mutex_lock(&r->lock);
		q->next = r->done;
		r->done = q;
		if (r->net)
			ev_async_send(r->net->loop, &r->ready);
	}
	leave(r);
	return NULL;
}

static void on_ready(struct ev_loop *loop, ev_async *w, int events)
{
	struct resolver *r = container_of(w, struct resolver, ready);
	struct dns_query *q;

	(void)loop;
	(void)events;
	pthread_mutex_lock(&r->lock);
	q = r->done;
	r->done = NULL;
	pthread_mutex_unlock(&r->lock);
	while (q) {
		struct dns_query *next = q->next;

		r->waiting--;
		if (q->fn)
			q->fn(q->arg, &q->found);
		free(q);
		q = next;
	}
}

static struct resolver *resolver(struct net *n)
{
	struct resolver *r = n->resolver;

	if (r)
		return r;
	r = xcalloc(1, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->more, NULL);
	r->todo_end = &r->todo;
	r->net = n;
	r->users = 1;
	ev_async_init(&r->ready, on_ready);
	ev_async_start(n->loop, &r->ready);
	n->resolver = r;
	return r;
}

static void start_thread(struct resolver *r)
{
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	if (pthread_create(&id, &attr, work, r) == 0) {
		r->threads++;
		r->users++;
	}
	pthread_attr_destroy(&attr);
}

/* Answered already: it only has to come from the loop. */
static void finish(struct resolver *r, struct dns_query *q)
{
	q->next = r->done;
	r->done = q;
	ev_async_send(r->net->loop, &r->ready);
}

static void enqueue(struct resolver *r, struct dns_query *q)
{
	*r->todo_end = q;
	r->todo_end = &q->next;
	if (!r->idle && r->threads < THREADS)
		start_thread(r);
	pthread_cond_signal(&r->more);
}

struct dns_query *net_resolve(struct net *n, const char *host, uint16_t port,
			      void (*fn)(void *arg, const struct net_addrs *addrs), void *arg)
{
	struct resolver *r = resolver(n);
	struct dns_query *q = xcalloc(1, sizeof(*q));

	q->fn = fn;
	q->arg = arg;
	q->port = port;
	snprintf(q->host, sizeof(q->host), "%s", host);
	look_up(q, AI_NUMERICHOST);
	pthread_mutex_lock(&r->lock);
	if (!q->found.n && r->waiting >= WAITING_MAX)
		snprintf(q->found.error, sizeof(q->found.error), "%.60s: too many lookups waiting",
			 host);
	if (q->found.n || r->waiting >= WAITING_MAX)
		finish(r, q);
	else
		enqueue(r, q);
	r->waiting++;
	pthread_mutex_unlock(&r->lock);
	return q;
}

void net_resolve_cancel(struct dns_query *q)
{
	q->fn = NULL; /* only the loop reads it */
}

void net_dns_free(struct net *n)
{
	struct resolver *r = n->resolver;

	if (!r)
		return;
	n->resolver = NULL;
	pthread_mutex_lock(&r->lock);
	ev_async_stop(n->loop, &r->ready);
	r->net = NULL;
	pthread_cond_broadcast(&r->more);
	leave(r);
}
