/*
 * net_mqtt.c - an MQTT client: libmosquitto speaks the protocol, its socket and its clock are the
 * loop's.  No thread and no name lookup of the library's own.  What comes waits here in order, and a
 * full queue stops the reading; what is published and unfinished is counted for the writer.
 * The library acknowledges a message when it has been queued here.
 */
#include "net_raw_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <arpa/inet.h>
#include <mosquitto.h>

#include "log.h"

#define OPEN_TIME 15.0 /* s for TCP, TLS and the broker's welcome together */
#define TICK 1.0

struct incoming {
	struct link link;
	struct mqtt_message msg;
	char text[]; /* topic, payload */
};

struct outgoing { /* published, not yet finished */
	struct link link;
	int mid, qos;
	size_t n;
};

struct net_mqtt {
	struct net *net;
	struct raw_opts o;
	struct mosquitto *m;
	void *tls; /* SSL_CTX */
	struct net_tls_files *files;
	char *host;
	int port, keepalive;
	enum raw_state state;
	char why[200];
	ev_io io;
	ev_timer timer; /* the library's clock */
	double since; /* when opening began */
	struct dns_query *query;
	unsigned attempt;
	struct link in, out;
	size_t nin, bytes_in, nout, bytes_out;
	struct incoming *taken; /* handed out */
	bool asked, news;
};

static void tell(struct net_mqtt *m)
{
	if (!m->asked)
		return;
	m->asked = false;
	m->o.changed(m->o.arg);
}

/* ---- what is unfinished ---------------------------------------------------------------------- */

static void finish(struct net_mqtt *m, struct outgoing *o)
{
	link_drop(&o->link);
	m->nout--;
	m->bytes_out -= o->n;
	free(o);
}

/* Messages of qos 0 went with the connection. */
static void forget_unsure(struct net_mqtt *m)
{
	for (struct link *at = m->out.next; at != &m->out;) {
		struct outgoing *o = container_of(at, struct outgoing, link);

		at = at->next;
		if (o->qos == 0) {
			raw_count(m->o.dropped, 1);
			finish(m, o);
		}
	}
}

static void lost(struct net_mqtt *m, const char *why)
{
	if (m->state == RAW_CLOSED)
		return;
	m->state = RAW_CLOSED;
	m->asked = m->news = true; /* its end is always told */
	snprintf(m->why, sizeof(m->why), "%.80s port %d: %.80s", m->host, m->port, why);
	forget_unsure(m);
}

/* ---- the library's callbacks: nothing but notes ---------------------------------------------- */

static void on_connect(struct mosquitto *lib, void *arg, int rc)
{
	struct net_mqtt *m = arg;

	(void)lib;
	if (rc != 0) {
		lost(m, mosquitto_connack_string(rc));
		return;
	}
	m->state = RAW_OPEN;
	m->asked = m->news = true;
}

static void on_disconnect(struct mosquitto *lib, void *arg, int rc)
{
	(void)lib;
	lost(arg, rc == MOSQ_ERR_SUCCESS ? "closed" : mosquitto_strerror(rc));
}

static void on_message(struct mosquitto *lib, void *arg, const struct mosquitto_message *got)
{
	struct net_mqtt *m = arg;
	size_t ntopic = strlen(got->topic), n = (size_t)got->payloadlen;
	struct incoming *i = xmalloc(sizeof(*i) + ntopic + n);

	(void)lib;
	memcpy(i->text, got->topic, ntopic);
	if (n)
		memcpy(i->text + ntopic, got->payload, n);
	i->msg = (struct mqtt_message){ .topic = { i->text, ntopic },
					.payload = { i->text + ntopic, n },
					.qos = got->qos,
					.retain = got->retain };
	link_init(&i->link);
	link_add(&m->in, &i->link);
	m->nin++;
	m->bytes_in += ntopic + n;
	m->news = true;
	raw_count(m->o.received, 1);
}

static void on_publish(struct mosquitto *lib, void *arg, int mid)
{
	struct net_mqtt *m = arg;

	(void)lib;
	for (struct link *at = m->out.next; at != &m->out; at = at->next) {
		struct outgoing *o = container_of(at, struct outgoing, link);

		if (o->mid != mid)
			continue;
		raw_count(m->o.sent, 1);
		finish(m, o);
		if (m->nout <= m->o.queue / 2 && m->bytes_out <= m->o.bytes / 2)
			m->news = true;
		return;
	}
}

static void on_subscribe(struct mosquitto *lib, void *arg, int mid, int n, const int *granted)
{
	struct net_mqtt *m = arg;

	(void)lib;
	(void)mid;
	for (int i = 0; i < n; i++) {
		if (granted[i] > 2)
			log_warn("gateway", "the broker refused a subscription client=%s",
				 log_quote(str_of(m->o.name)));
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

static bool full(const struct net_mqtt *m)
{
	return m->nin >= m->o.queue || m->bytes_in >= m->o.bytes;
}

/* After every call of the library: its socket may have gone, or have something to write. */
static void watch(struct net_mqtt *m)
{
	int fd = mosquitto_socket(m->m), events = 0;

	ev_io_stop(m->net->loop, &m->io);
	if (fd < 0 || m->state == RAW_CLOSED) {
		ev_timer_stop(m->net->loop, &m->timer);
		return;
	}
	if (!full(m))
		events |= EV_READ;
	if (mosquitto_want_write(m->m))
		events |= EV_WRITE;
	ev_io_set(&m->io, fd, events);
	if (events)
		ev_io_start(m->net->loop, &m->io);
}

static void after(struct net_mqtt *m, int rc)
{
	if (rc != MOSQ_ERR_SUCCESS)
		lost(m, mosquitto_strerror(rc));
	watch(m);
	if (!m->news)
		return;
	m->news = false;
	tell(m);
}

/* The library cannot be told to give up; its socket can. */
static void give_up(struct net_mqtt *m, const char *why)
{
	int fd = mosquitto_socket(m->m);

	lost(m, why);
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
	mosquitto_loop_read(m->m, 1);
	after(m, MOSQ_ERR_SUCCESS);
}

/* COMPAT: libmosquitto 2.0.11 takes a refused connection for one whose TLS is not through yet. */
static bool has_peer(int fd)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);

	return getpeername(fd, (struct sockaddr *)&sa, &n) == 0;
}

static void on_event(struct ev_loop *loop, ev_io *w, int events)
{
	struct net_mqtt *m = w->data;
	int rc = MOSQ_ERR_SUCCESS;

	(void)loop;
	if (m->state == RAW_OPENING && !has_peer(w->fd)) {
		give_up(m, "no connection");
		return;
	}
	if (events & EV_WRITE)
		rc = mosquitto_loop_write(m->m, 1);
	if (rc == MOSQ_ERR_SUCCESS && (events & EV_READ))
		rc = mosquitto_loop_read(m->m, 1);
	after(m, rc);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	struct net_mqtt *m = w->data;

	(void)loop;
	(void)events;
	if (m->state == RAW_OPENING && net_now(m->net) - m->since > OPEN_TIME)
		give_up(m, "the broker does not answer");
	else
		after(m, mosquitto_loop_misc(m->m));
}

static void resolved(void *arg, const struct net_addrs *addrs)
{
	struct net_mqtt *m = arg;
	struct net_addrs allowed = *addrs;
	struct net_whom w = { m->tls ? "mqtts" : "mqtt", m->host, (uint16_t)m->port, true };
	const struct net_addr *a;
	char host[64] = "";

	m->query = NULL;
	net_allow_addresses(m->net, &w, &allowed);
	if (!allowed.n) {
		lost(m, allowed.error);
		after(m, MOSQ_ERR_SUCCESS);
		return;
	}
	a = &allowed.a[m->attempt++ % allowed.n];
	if (a->sa.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&a->sa)->sin6_addr, host,
			  sizeof(host));
	else
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&a->sa)->sin_addr, host,
			  sizeof(host));
	ev_timer_again(m->net->loop, &m->timer);
	after(m, mosquitto_connect_async(m->m, host, m->port, m->keepalive));
}

void net_mqtt_reopen(struct net_mqtt *m)
{
	struct err e = { 0 };

	if (m->state != RAW_CLOSED || m->query)
		return;
	if (m->tls && !net_tls_own(m->tls, m->files, &e))
		log_warn("gateway", "%s", e.msg);
	m->state = RAW_OPENING;
	m->asked = true;
	m->since = net_now(m->net);
	m->query = net_resolve(m->net, m->host, (uint16_t)m->port, resolved, m);
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool use_tls(struct net_mqtt *m, struct err *e)
{
	m->tls = net_tls_for(m->net, m->host, m->files, e);
	if (!m->tls)
		return false;
	if (mosquitto_int_option(m->m, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) == MOSQ_ERR_SUCCESS &&
	    mosquitto_void_option(m->m, MOSQ_OPT_SSL_CTX, m->tls) == MOSQ_ERR_SUCCESS)
		return true;
	return err_set(e, "%.80s: cannot start TLS", m->host);
}

static bool configure(struct net_mqtt *m, const struct mqtt_opts *c, struct err *e)
{
	int rc = MOSQ_ERR_SUCCESS;

	if (c->will_topic)
		rc = mosquitto_will_set(m->m, c->will_topic, (int)c->will.n, c->will.p, c->will_qos,
					c->will_retain);
	if (rc != MOSQ_ERR_SUCCESS)
		return err_set(e, "will: %s", mosquitto_strerror(rc));
	if (c->user)
		rc = mosquitto_username_pw_set(m->m, c->user, c->password);
	if (rc != MOSQ_ERR_SUCCESS)
		return err_set(e, "user: %s", mosquitto_strerror(rc));
	mosquitto_connect_callback_set(m->m, on_connect);
	mosquitto_disconnect_callback_set(m->m, on_disconnect);
	mosquitto_message_callback_set(m->m, on_message);
	mosquitto_publish_callback_set(m->m, on_publish);
	mosquitto_subscribe_callback_set(m->m, on_subscribe);
	return !c->tls || use_tls(m, e);
}

static struct mosquitto *new_client(const struct mqtt_opts *c, void *arg)
{
	static bool ready;
	uint64_t random = 0;
	char id[32];

	if (!ready)
		mosquitto_lib_init();
	ready = true;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return NULL;
	snprintf(id, sizeof(id), "moon2m-%015llx", (unsigned long long)(random >> 4));
	return mosquitto_new(c->id ? c->id : id, c->clean, arg);
}

struct net_mqtt *net_mqtt_open(struct net *n, const struct mqtt_opts *c, const struct raw_opts *o,
			       struct err *e)
{
	struct net_mqtt *m = xcalloc(1, sizeof(*m));

	m->net = n;
	m->host = xstrdup(c->host);
	m->files = net_tls_files_copy(c->tls);
	m->port = c->port;
	m->keepalive = c->keepalive;
	m->state = RAW_CLOSED;
	raw_opts_copy(&m->o, o);
	link_init(&m->in);
	link_init(&m->out);
	ev_io_init(&m->io, on_event, -1, 0);
	ev_init(&m->timer, on_tick);
	m->timer.repeat = TICK;
	m->io.data = m->timer.data = m;
	m->m = new_client(c, m);
	if (!m->m || !configure(m, c, e)) {
		if (!m->m)
			(void)err_set(e, "no MQTT client can be made");
		net_mqtt_close(m);
		return NULL;
	}
	net_mqtt_reopen(m);
	return m;
}

void net_mqtt_close(struct net_mqtt *m)
{
	if (!m)
		return;
	if (m->query)
		net_resolve_cancel(m->query);
	if (m->m && m->state == RAW_OPEN) {
		m->state = RAW_CLOSED;
		mosquitto_disconnect(m->m);
		mosquitto_loop_write(m->m, 1);
	}
	m->state = RAW_CLOSED;
	ev_io_stop(m->net->loop, &m->io);
	ev_timer_stop(m->net->loop, &m->timer);
	if (m->m)
		mosquitto_destroy(m->m);
	net_tls_done(m->tls);
	net_tls_files_free(m->files);
	while (!link_alone(&m->in)) {
		struct incoming *i = container_of(m->in.next, struct incoming, link);

		link_drop(&i->link);
		free(i);
	}
	while (!link_alone(&m->out))
		finish(m, container_of(m->out.next, struct outgoing, link));
	free(m->taken);
	free(m->host);
	raw_opts_drop(&m->o);
	free(m);
}

/* ---- for the owner --------------------------------------------------------------------------- */

enum raw_state net_mqtt_state(const struct net_mqtt *m, const char **why)
{
	if (why)
		*why = m->why;
	return m->state;
}

bool net_mqtt_take(struct net_mqtt *m, struct mqtt_message *out)
{
	bool was_full = full(m);

	free(m->taken);
	m->taken = NULL;
	if (link_alone(&m->in)) {
		m->asked = true;
		return false;
	}
	m->taken = container_of(m->in.next, struct incoming, link);
	link_drop(&m->taken->link);
	m->nin--;
	m->bytes_in -= m->taken->msg.topic.n + m->taken->msg.payload.n;
	*out = m->taken->msg;
	if (was_full && !full(m))
		watch(m);
	return true;
}

static bool unfinished(const struct net_mqtt *m, const struct outgoing *o)
{
	for (const struct link *at = m->out.next; at != &m->out; at = at->next) {
		if (at == &o->link)
			return true;
	}
	return false;
}

bool net_mqtt_publish(struct net_mqtt *m, const struct mqtt_message *msg, struct err *e)
{
	struct outgoing *o;
	char topic[1024];
	int rc;

	if (msg->topic.n >= sizeof(topic) || msg->payload.n > m->o.bytes)
		return err_set(e, "a topic of at most 1023 and a payload of at most %zu bytes",
			       m->o.bytes);
	if (msg->qos == 0 && m->state != RAW_OPEN)
		return err_set(e, "not connected");
	snprintf(topic, sizeof(topic), "%.*s", STRFMT(msg->topic));
	o = xcalloc(1, sizeof(*o));
	o->qos = msg->qos;
	o->n = msg->payload.n;
	link_init(&o->link);
	link_add(&m->out, &o->link); /* on_publish may come inside the call */
	m->nout++;
	m->bytes_out += o->n;
	rc = mosquitto_publish(m->m, &o->mid, topic, (int)msg->payload.n, msg->payload.p, msg->qos,
			       msg->retain);
	watch(m);
	if (rc == MOSQ_ERR_SUCCESS || (rc == MOSQ_ERR_NO_CONN && msg->qos > 0))
		return true;
	if (unfinished(m, o))
		finish(m, o);
	return err_set(e, "%s", mosquitto_strerror(rc));
}

bool net_mqtt_room(struct net_mqtt *m)
{
	if (m->nout < m->o.queue && m->bytes_out < m->o.bytes)
		return true;
	m->asked = true;
	return false;
}

bool net_mqtt_subscribe(struct net_mqtt *m, const char *topic, int qos, struct err *e)
{
	int rc = mosquitto_subscribe(m->m, NULL, topic, qos);

	watch(m);
	return rc == MOSQ_ERR_SUCCESS || err_set(e, "%s", mosquitto_strerror(rc));
}

bool net_mqtt_unsubscribe(struct net_mqtt *m, const char *topic, struct err *e)
{
	int rc = mosquitto_unsubscribe(m->m, NULL, topic);

	watch(m);
	return rc == MOSQ_ERR_SUCCESS || err_set(e, "%s", mosquitto_strerror(rc));
}
