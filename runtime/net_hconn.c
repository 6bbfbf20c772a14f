/*
 * net_hconn.c - the life of an HTTP connection: watchers, deadlines, end.
 * Each state has one deadline: rest, head, body with a least rate, output that does not move, the
 * linger.  A connection whose client waits for us has none.
 */
#include "net_http.h"

#include "limit.h"
#include "log.h"
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void hconn_dirty(struct hconn *hc)
{
	if (link_alone(&hc->dirty))
		link_add(&hc->net->https_dirty, &hc->dirty);
}

/* When this connection has waited long enough; 0: it has no deadline. */
static double deadline(const struct hconn *hc)
{
	const struct net_limits *lim = &hc->net->lim;

	if (hc->state == H_TLS)
		return hc->since + lim->handshake_time;
	if (hc->state == H_LINGER)
		return hc->since + LINGER_TIME;
	if (hc->blocked)
		return hc->moved + lim->idle_time;
	if (hc->nreq || hc->upgrade || hc->in.n)
		return 0;
	switch (http1_where(hc->parser)) {
	case HTTP1_IN_HEAD:
		return hc->since + lim->header_time;
	case HTTP1_IN_BODY:
		return hc->since + lim->body_time +
		       (double)http1_body_so_far(hc->parser) / lim->body_rate;
	default:
		return hc->since + lim->idle_time;
	}
}

static void arm(struct hconn *hc)
{
	double at = deadline(hc), now = net_now(hc->net);

	if (!at || (ev_is_active(&hc->timer) && hc->due <= at))
		return; /* an early timer looks again when it goes off */
	ev_timer_stop(hc->net->loop, &hc->timer);
	hc->due = at;
	ev_timer_set(&hc->timer, at > now ? at - now : 0, 0);
	ev_timer_start(hc->net->loop, &hc->timer);
}

static void count_handshake(const char *result)
{
	metric_add(metric_labelled("moon2m_tls_handshakes_total",
				   "TLS handshakes of clients, by result.", METRIC_COUNTER, result,
				   4),
		   1);
}

/* One line for the first of each burst: a scanner must not fill the log. */
static void tell_failure(struct hconn *hc, const char *why)
{
	static double quiet_until;
	double now = net_now(hc->net);

	count_handshake("result=\"failed\"");
	if (now < quiet_until)
		return;
	quiet_until = now + 1;
	log_info("tls", "no connection peer=%s reason=%s", hc->a.peer->text,
		 log_quote(str_of(why)));
}

static void too_slow(struct hconn *hc)
{
	const struct net_limits *lim = &hc->net->lim;
	char why[120];

	if (http1_where(hc->parser) == HTTP1_IN_HEAD) {
		limit_hit(LIMIT_HEADER_TIME);
		snprintf(why, sizeof(why),
			 "the header fields did not arrive in %g s (limits.header_time)",
			 lim->header_time);
	} else {
		limit_hit(LIMIT_BODY_TIME);
		snprintf(why, sizeof(why),
			 "the body came slower than %g bytes/s for %g s"
			 " (limits.body_rate, limits.body_time)",
			 lim->body_rate, lim->body_time);
	}
	hconn_refuse(hc, 408, STR_NONE, why);
}

static void on_deadline(struct ev_loop *loop, ev_timer *w, int events)
{
	struct hconn *hc = container_of(w, struct hconn, timer);
	double at = deadline(hc);

	(void)loop;
	(void)events;
	if (!at || at > net_now(hc->net) + 0.001) {
		arm(hc);
		return;
	}
	if (hc->state == H_OPEN && !hc->blocked && http1_where(hc->parser) != HTTP1_BETWEEN) {
		too_slow(hc);
		return;
	}
	if (hc->state == H_TLS) {
		limit_hit(LIMIT_HANDSHAKE_TIME);
		tell_failure(hc, "the handshake was not done in time (limits.handshake_time)");
	} else if (hc->state != H_LINGER) {
		limit_hit(LIMIT_IDLE_TIME);
	}
	hconn_close(hc);
}

void hconn_watch(struct hconn *hc)
{
	bool room = hc->state == H_LINGER ||
		    (hc->state == H_OPEN && !hc->upgrade && !hc->in.n &&
		     hc->nreq < hc->net->lim.pipeline && hc->out.n - hc->sent < OUT_MAX);
	int want =
	    (room && !hc->eof ? EV_READ : 0) | (hc->out.n > hc->sent || hc->crossed ? EV_WRITE : 0);

	if (hc->state == H_TLS)
		want = hc->crossed ? EV_WRITE : EV_READ;

	if ((hc->io.events & (EV_READ | EV_WRITE)) != want || !ev_is_active(&hc->io)) {
		ev_io_stop(hc->net->loop, &hc->io);
		ev_io_set(&hc->io, hc->io.fd, want);
		if (want)
			ev_io_start(hc->net->loop, &hc->io);
	}
	if ((want & EV_READ) && net_tls_more(hc->a.tls))
		ev_feed_event(hc->net->loop, &hc->io, EV_READ);
	arm(hc);
}

bool hconn_handshake(struct hconn *hc)
{
	struct err e = { 0 };
	enum tls_wants w = net_tls_handshake(hc->a.tls, &e);

	hc->crossed = w == TLS_WRITE;
	if (w == TLS_FAILED) {
		tell_failure(hc, e.msg);
		hconn_close(hc);
		return false;
	}
	if (w == TLS_OK) {
		count_handshake("result=\"done\"");
		hc->state = H_OPEN;
		hc->since = net_now(hc->net);
	}
	hconn_watch(hc);
	return true;
}

static struct http1_limits parse_limits(const struct net_limits *l)
{
	return (struct http1_limits){ l->request_line, l->headers, l->header_count, l->body };
}

void net_http_accept(struct net *n, const struct net_accepted *a)
{
	struct hconn *hc = xcalloc(1, sizeof(*hc));
	struct http1_limits lim = parse_limits(&n->lim);

	hc->net = n;
	hc->a = *a;
	hc->state = a->tls ? H_TLS : H_OPEN;
	hc->parser = http1_new(HTTP1_REQUEST, &lim);
	hc->since = net_now(n);
	link_init(&hc->dirty);
	link_add(&n->https, &hc->all);
	n->counts.http++;
	ev_io_init(&hc->io, hconn_event, a->fd, EV_READ);
	hc->io.data = hc;
	ev_timer_init(&hc->timer, on_deadline, 0, 0);
	hconn_watch(hc);
}

void hconn_release(struct hconn *hc)
{
	struct net *n = hc->net;

	hconn_orphan(hc);
	ev_io_stop(n->loop, &hc->io);
	ev_timer_stop(n->loop, &hc->timer);
	link_drop(&hc->dirty);
	link_drop(&hc->all);
	n->counts.http--;
	http1_free(hc->parser);
	http1_msg_free(hc->upgrade);
	buf_free(&hc->in);
	buf_free(&hc->out);
	free(hc);
}

void hconn_identified(struct hconn *hc, bool yes)
{
	if (hc->a.identified == yes)
		return;
	hc->a.identified = yes;
	if (yes)
		hc->net->counts.unidentified--;
	else
		hc->net->counts.unidentified++;
}

void hconn_close(struct hconn *hc)
{
	struct net *n = hc->net;
	struct peer *peer = hc->a.peer;
	struct tls *tls = hc->a.tls;
	int fd = hc->a.fd;

	hconn_identified(hc, true);
	hconn_release(hc);
	net_tls_free(tls);
	net_peer_put(n, peer);
	close(fd);
}

void net_drain(struct net *n)
{
	struct link *at = n->https.next;

	n->draining = true;
	while (at != &n->https) {
		struct hconn *hc = container_of(at, struct hconn, all);

		at = at->next;
		if (hc->state == H_TLS ||
		    (hc->state == H_OPEN && !hc->nreq && !hc->upgrade && hc->out.n == hc->sent &&
		     http1_where(hc->parser) == HTTP1_BETWEEN))
			hconn_close(hc);
	}
}

const char *net_http_date(void)
{
	static char text[40];
	static time_t when;
	time_t now = time(NULL);
	struct tm tm;

	if (now != when || !text[0]) {
		gmtime_r(&now, &tm);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		when = now;
	}
	return text;
}
