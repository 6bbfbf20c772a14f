/*
 * net_dial.c - outgoing WebSocket connections: the name is resolved off the loop, the rest (TCP,
 * TLS, handshake) is libwebsockets' client.  Until it is open a connection has a struct dial.
 */
#include "net_lws.h"

#include "log.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

struct dial {
	struct dns_query *query;
	char *url; /* net_url points into it */
	struct net_url u;
	char *protocol;
	struct buf head; /* header lines to send */
	struct net_addrs addrs;
	unsigned next; /* address to try when the one before fails */
};

void net_dial_cancel(struct conn *c)
{
	struct dial *d = c->dial;

	if (!d)
		return;
	c->dial = NULL;
	if (d->query)
		net_resolve_cancel(d->query);
	buf_free(&d->head);
	free(d->protocol);
	free(d->url);
	free(d);
}

void net_dial_failed(struct conn *c, const char *why)
{
	log_info("ws", "cannot connect url=%s reason=%s",
		 c->dial ? log_quote(str_of(c->dial->url)) : "", log_quote(str_of(why)));
}

void net_dial_open(struct conn *c, struct lws *wsi)
{
	char name[128];

	if (lws_hdr_copy(wsi, name, sizeof(name), WSI_TOKEN_PROTOCOL) > 0)
		c->protocol = xstrdup(name);
}

int net_dial_headers(struct conn *c, unsigned char **p, unsigned char *end)
{
	if (!c->dial || c->dial->head.n >= (size_t)(end - *p))
		return c->dial && c->dial->head.n ? -1 : 0;
	if (c->dial->head.n)
		memcpy(*p, c->dial->head.p, c->dial->head.n);
	*p += c->dial->head.n;
	return 0;
}

static bool start(struct conn *c, const struct net_addr *a)
{
	struct dial *d = c->dial;
	struct lws_client_connect_info i;
	static const lws_retry_bo_t no_keepalive;
	char address[64], path[2048];
	struct buf host = BUF_INIT;
	struct lws *wsi;

	if (getnameinfo((const struct sockaddr *)&a->sa, a->len, address, sizeof(address), NULL, 0,
			NI_NUMERICHOST) != 0)
		return false;
	snprintf(path, sizeof(path), "%s%s", *d->u.path == '/' ? "" : "/", d->u.path);
	net_url_host(&d->u, &host);
	buf_char(&host, 0);
	memset(&i, 0, sizeof(i));
	i.context = c->net->lws;
	i.vhost = d->u.tls ? net_tls_vhost(c->net) : c->net->vhost;
	i.address = address;
	i.port = d->u.port;
	i.path = path;
	i.host = host.p;
	i.protocol = d->protocol;
	i.local_protocol_name = "moon2m";
	i.ssl_connection = (d->u.tls ? LCCSCF_USE_SSL : 0) | LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
	i.retry_and_idle_policy = &no_keepalive;
	i.opaque_user_data = c;
	i.pwsi = &c->wsi;
	i.alpn = "http/1.1";
	c->starting = true; /* a failure inside the call is told by its result */
	wsi = lws_client_connect_via_info(&i);
	c->starting = false;
	buf_free(&host);
	return wsi != NULL;
}

void net_dial_next(struct conn *c)
{
	struct dial *d = c->dial;

	c->redial = false;
	while (d->next < d->addrs.n) {
		if (start(c, &d->addrs.a[d->next++]))
			return;
		c->wsi = NULL;
	}
	net_dial_failed(c, d->addrs.n ? "no address answers" : d->addrs.error);
	net_conn_kill(c, 1006);
}

bool net_dial_again(struct conn *c)
{
	if (!c->dial || c->dial->next >= c->dial->addrs.n || c->closing)
		return false;
	c->wsi = NULL;
	c->redial = true;
	net_conn_dirty(c);
	return true;
}

static void resolved(void *arg, const struct net_addrs *addrs)
{
	struct conn *c = arg;
	struct net_whom w = net_whom_of(&c->dial->u, false);

	c->dial->query = NULL;
	c->dial->addrs = *addrs;
	net_allow_addresses(c->net, &w, &c->dial->addrs);
	net_dial_next(c);
}

struct conn *ws_dial(struct net *n, const char *url, const char *protocol, struct str head,
		     const struct ws_cb *cb, void *arg, struct err *e)
{
	struct dial *d = xcalloc(1, sizeof(*d));
	struct conn *c;

	d->url = xstrdup(url);
	if (!net_url_parse(d->url, &d->u, e) || (!d->u.ws && !err_set(e, "%.80s: not ws", url)) ||
	    !net_allow_url(n, &d->u, false, e) ||
	    (strlen(d->u.path) > 2000 && !err_set(e, "the path of a URL is too long"))) {
		free(d->url);
		free(d);
		return NULL;
	}
	d->protocol = protocol ? xstrdup(protocol) : NULL;
	buf_str(&d->head, head);
	c = net_conn_new(n, cb, arg);
	c->client = true;
	c->dial = d;
	n->counts.ws_out++;
	net_conn_arm(c);
	d->query = net_resolve(n, d->u.host, d->u.port, resolved, c);
	return c;
}
