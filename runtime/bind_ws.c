/*
 * bind_ws.c - glue between net's WebSocket messages and primitives.  A connection has a link with
 * its session and what it waits for; the link outlives the connection until its last request is
 * answered.  Guarantees: messages are read in order, also those that arrive while the connection
 * is still being identified; every request gets one response while the connection lives; a
 * response never gets one.  Never holds more than the limits below per connection.  Loop thread
 * only.
 */
#include "bind_ws.h"

#include <stdlib.h>

#include "bind_identity.h"
#include "bind_ws_text.h"
#include "cbor.h"
#include "jscan.h"
#include "limit.h"
#include "log.h"
#include "metrics.h"
#include "notify.h"
#include "task.h"
#include "vm.h"

#define IN_FLIGHT_MAX 1024 /* requests of one connection that wait for their answer */
#define UNREAD_MAX ((size_t)8 << 20) /* bytes of responses that the client has not read */
#define HELD_MAX 64 /* messages kept while the connection is being identified */
#define HELD_BYTES_MAX ((size_t)1 << 20)

struct held {
	struct held *next;
	bool binary;
	size_t n;
	char data[];
};

struct link {
	struct link *chain; /* same slot of the table by connection id */
	struct conn *conn; /* NULL: closed */
	struct session *session; /* NULL: closed */
	char *format; /* notification format that the subprotocol names; NULL: none */
	uint64_t id;
	unsigned in_flight;
	unsigned refs; /* the connection, its requests in flight, its identification */
	bool closing; /* a close was sent: what arrives is ignored */
	bool identifying;
	struct held *held, **held_end;
	unsigned nheld;
	size_t held_bytes;
	struct str id_kind; /* "token" or "origin", while its task is started */
	struct str id_text;
	struct identity *cred; /* what it was opened with; NULL: none, or none was asked for */
	bool computing; /* its password is being checked */
	char *later; /* X-M2M-Origin, meanwhile */
	uint64_t token; /* mark of its notification service's token; 0: it came without */
};

static struct {
	char *rvi;
	bool (*format)(void *arg, struct str name);
	void *arg;
} conf;

static struct link *links[1024];
static struct buf scratch; /* one message as JSON, or an answer as CBOR */
static struct buf plain; /* an unescaped rqi */

static struct metric unmatched = {
	.name = "moon2m_ws_unmatched_responses_total",
	.help = "Responses over WebSocket that belong to no request of ours.",
	.kind = METRIC_COUNTER,
};

void bind_ws_setup(const struct bind_ws_opts *o)
{
	if (!conf.rvi)
		metric_register(&unmatched);
	free(conf.rvi);
	conf.rvi = xstrdup(o->rvi ? o->rvi : "3");
	conf.format = o->format;
	conf.arg = o->arg;
}

/* ---- links ----------------------------------------------------------------------------------- */

static struct link *link_of(uint64_t id)
{
	struct link *l = links[id % countof(links)];

	while (l && l->id != id)
		l = l->chain;
	return l;
}

static void link_unref(struct link *l)
{
	if (--l->refs)
		return;
	identity_unref(l->cred);
	free(l->later);
	free(l->format);
	free(l);
}

static void drop_held(struct link *l)
{
	while (l->held) {
		struct held *h = l->held;

		l->held = h->next;
		free(h);
	}
	l->held_end = &l->held;
	l->nheld = 0;
	l->held_bytes = 0;
}

static void shut(struct link *l, int code, const char *reason)
{
	if (l->closing || !l->conn)
		return;
	l->closing = true;
	log_info("bind_ws", "closing peer=%s code=%d reason=%s", log_quote(conn_peer(l->conn)),
		 code, log_quote(str_of(reason)));
	conn_close(l->conn, code, reason);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void send_cbor(struct link *l, const struct buf *head, struct str pc)
{
	struct buf json = BUF_INIT;
	struct err e;
	struct str frame;

	buf_str(&json, buf_view(head));
	if (pc.n) {
		buf_str(&json, pc);
		buf_char(&json, '}');
	}
	buf_clear(&scratch);
	if (cbor_from_json(buf_view(&json), &scratch, &e)) {
		frame = buf_view(&scratch);
		conn_frame(l->conn, true, &frame, 1);
	} else {
		log_error("bind_ws", "answer is not representable in CBOR reason=%s",
			  log_quote(str_of(e.msg)));
		shut(l, 1011, "answer not representable");
	}
	buf_free(&json);
}

static void send_answer(struct link *l, const struct primitive *p, const struct answer *a)
{
	struct buf head = BUF_INIT;

	if (!l->conn || l->closing || a->silent)
		return;
	ws_text_write(p, a, str_of(conf.rvi ? conf.rvi : "3"), &head);
	if (session_serial(l->session) == SESSION_CBOR) {
		send_cbor(l, &head, a->pc);
	} else {
		struct str piece[3] = { buf_view(&head), a->pc, STR("}") };

		conn_frame(l->conn, false, piece, a->pc.n ? 3 : 1);
	}
	buf_free(&head);
}

static void reply(void *arg, const struct primitive *p, const struct answer *a)
{
	struct link *l = arg;

	l->in_flight--;
	send_answer(l, p, a);
	if (a->bind.n && l->session && !l->closing)
		session_bind(l->session, a->bind);
	link_unref(l);
}

/* ---- messages -------------------------------------------------------------------------------- */

static struct primitive *primitive_of(struct link *l)
{
	struct primitive *p = primitive_new(VIA_WS);
	struct str peer = conn_peer(l->conn), only = session_only(l->session);

	p->peer = (struct str){ arena_dup(p->arena, peer), peer.n };
	if (only.n)
		p->known = (struct str){ arena_dup(p->arena, only), only.n };
	if (l->format)
		p->format = str_of(arena_dup(p->arena, str_of(l->format)));
	l->in_flight++;
	l->refs++;
	return p;
}

/* A message that is no primitive still gets a response, under whatever rqi could be found. */
static void refuse(struct link *l, const struct ws_message *m, const struct err *e)
{
	struct primitive *p = primitive_of(l);

	if (m && m->rqi.p) {
		struct str rqi = ws_text_plain(m->rqi, &plain);

		p->rqi = (struct str){ arena_dup(p->arena, rqi), rqi.n };
	}
	primitive_refuse(p, e, reply, l);
}

static void take_request(struct link *l, const struct ws_message *m)
{
	struct primitive *p;
	struct err e;

	if (conn_queued(l->conn) > UNREAD_MAX) {
		limit_hit(LIMIT_IN_FLIGHT);
		shut(l, 1008, "responses are not read");
		return;
	}
	if (l->in_flight >= IN_FLIGHT_MAX) {
		limit_hit(LIMIT_IN_FLIGHT);
		err_code(&e, RSC_INTERNAL_SERVER_ERROR,
			 "too many requests in flight on this connection: %d are waiting",
			 IN_FLIGHT_MAX);
		refuse(l, m, &e);
		return;
	}
	p = primitive_of(l);
	if (!ws_text_read(m, p, &e)) {
		primitive_refuse(p, &e, reply, l);
		return;
	}
	/* A connection that speaks for one AE may leave fr out; but the next AE's registration has no
	 * fr either (TS-0001 10.2.2.2). */
	if (!p->fr.p && p->known.n && !(p->op == OP_CREATE && p->ty == 2))
		p->fr = p->known;
	if (bind_identity_admit(l->cred, l->token ? l->session : NULL, p, &e))
		primitive_submit(p, reply, l);
	else
		primitive_refuse(p, &e, reply, l);
}

static void take_response(struct link *l, const struct ws_message *m)
{
	struct str rqi = m->rqi.p ? ws_text_plain(m->rqi, &plain) : STR_NONE;

	if (rqi.p && m->rsc &&
	    notify_answer(l->session, &(struct notify_response){ rqi, m->rsc, m->pc, m->object }))
		return;
	metric_add(&unmatched, 1);
	log_debug("bind_ws", "response to nothing rqi=%s rsc=%d", log_quote(rqi), m->rsc);
}

static void take_text(struct link *l, struct str text)
{
	struct ws_message m;
	struct err e;

	switch (ws_text_classify(text, &m, &e)) {
	case WS_REQUEST:
		take_request(l, &m);
		break;
	case WS_RESPONSE:
		take_response(l, &m);
		break;
	case WS_BAD:
		refuse(l, &m, &e);
		break;
	}
}

static void take(struct link *l, struct str data, bool binary)
{
	bool cbor = session_serial(l->session) == SESSION_CBOR;
	struct err e;

	if (binary != cbor) {
		shut(l, 1003, cbor ? "binary messages expected" : "text messages expected");
		return;
	}
	if (!cbor) {
		take_text(l, data);
		return;
	}
	buf_clear(&scratch);
	if (cbor_to_json(data, JSCAN_DEFAULT, &scratch, &e)) {
		struct buf json = scratch; /* an answer may need the scratch meanwhile */

		scratch = BUF_INIT;
		take_text(l, buf_view(&json));
		buf_free(&scratch);
		scratch = json;
		return;
	}
	e.code = RSC_BAD_REQUEST;
	refuse(l, NULL, &e);
}

/* Messages that came before it is known who speaks; their order stays. */
static void hold(struct link *l, struct str data, bool binary)
{
	struct held *h;

	if (l->nheld >= HELD_MAX || l->held_bytes + data.n > HELD_BYTES_MAX) {
		limit_hit(LIMIT_IN_FLIGHT);
		shut(l, 1008, "too many messages before the connection was identified");
		return;
	}
	h = xmalloc(sizeof(*h) + data.n);
	h->next = NULL;
	h->binary = binary;
	h->n = data.n;
	memcpy(h->data, data.p, data.n);
	*l->held_end = h;
	l->held_end = &h->next;
	l->nheld++;
	l->held_bytes += data.n;
}

static void message(void *arg, struct conn *c, struct str data, bool binary)
{
	struct link *l = conn_user(c);

	(void)arg;
	if (!l || l->closing)
		return;
	if (l->identifying)
		hold(l, data, binary);
	else
		take(l, data, binary);
}

/* ---- identity -------------------------------------------------------------------------------- */

static int push_identify(lua_State *L, void *arg)
{
	const struct link *l = arg;

	lua_pushnumber(L, (lua_Number)l->id);
	vm_push_str(L, l->id_kind);
	vm_push_str(L, l->id_text);
	vm_push_str(L, l->format ? str_of(l->format) : STR_NONE);
	return 4;
}

static void identified(void *arg, bool ok, struct str error)
{
	struct link *l = arg;

	l->identifying = false;
	if (!ok) {
		log_error("bind_ws", "identify failed error=%s", log_quote(error));
		shut(l, 1011, "internal error");
	}
	while (l->held && l->conn && !l->closing) {
		struct held *h = l->held;

		l->held = h->next;
		take(l, (struct str){ h->data, h->n }, h->binary);
		free(h);
	}
	drop_held(l);
	link_unref(l);
}

/* Takes over a reference to l. */
static void start_identify(struct link *l, struct str kind, struct str text)
{
	l->identifying = true;
	l->id_kind = kind;
	l->id_text = text;
	task_start("identify", push_identify, l, identified, l);
}

/* A password was computed. */
static void judged(void *arg, enum identity_verdict v, const struct identity *i)
{
	struct link *l = arg;

	l->identifying = l->computing = false;
	if (v != IDENTITY_KNOWN) {
		shut(l, 1008, "the credential is not valid");
		identified(l, true, STR_NONE);
		return;
	}
	l->cred = identity_ref(i);
	if (l->conn)
		conn_identified(l->conn);
	if (!l->later || !l->conn || l->closing) {
		identified(l, true, STR_NONE);
	} else if (identity_covers(i, str_of(l->later))) {
		start_identify(l, STR("origin"), str_of(l->later));
	} else {
		identity_not_covered(i, str_of(l->later));
		shut(l, 1008, "the credential may not speak for this X-M2M-Origin");
		identified(l, true, STR_NONE);
	}
}

static void compute(struct link *l, const struct ws_hello *h)
{
	struct identity_claim c = bind_identity_claim(h);

	if (bind_identity_names(h->origin_id))
		l->later = xstrndup(h->origin_id.p, h->origin_id.n);
	l->identifying = l->computing = true;
	l->refs++;
	if (identity_compute(&c, judged, l) != IDENTITY_PENDING) {
		l->computing = false;
		shut(l, 1013, "too many passwords are being checked, try again");
		identified(l, true, STR_NONE);
	}
}

static void identify(struct link *l, const struct ws_hello *h)
{
	struct identity_claim c = bind_identity_claim(h);
	const struct identity *i = NULL;
	enum identity_verdict v;
	struct str token;

	if (bind_identity_service(h->target, &token)) {
		l->token = identity_token(token);
		l->refs++;
		start_identify(l, STR("token"), token);
		return;
	}
	v = identity_check(&c, &i);
	if (v == IDENTITY_PENDING) {
		compute(l, h);
		return;
	}
	l->cred = identity_ref(i);
	if (i)
		conn_identified(l->conn);
	if (bind_identity_names(h->origin_id)) {
		l->refs++;
		start_identify(l, STR("origin"), h->origin_id);
	}
}

/* ---- connection ------------------------------------------------------------------------------ */

static int accept_hello(void *arg, struct ws_hello *h, char *protocol, size_t size)
{
	struct str name, token;
	enum ws_serial serial;
	bool notify = bind_identity_service(h->target, &token);
	int status = bind_identity_handshake(h);

	(void)arg;
	if (status)
		return status;
	protocol[0] = '\0';
	if (h->protocols.n == 0 && notify)
		return 0;
	if (h->protocols.n == 0) {
		h->refusal = "no subprotocol is offered: oneM2M.json or oneM2M.cbor is needed here";
		return 400;
	}
	if (!ws_text_protocol(h->protocols, conf.format, conf.arg, &name, &serial) ||
	    name.n >= size) {
		h->refusal = "no subprotocol offered is known: oneM2M.json, oneM2M.cbor or a "
			     "notification format";
		return 400;
	}
	memcpy(protocol, name.p, name.n);
	protocol[name.n] = '\0';
	return 0;
}

static enum session_serial serial_of(struct str protocol)
{
	static const enum session_serial to[] = { SESSION_JSON, SESSION_CBOR, SESSION_RAW };
	enum ws_serial serial = WS_JSON;
	struct str name;

	if (protocol.n && !ws_text_protocol(protocol, NULL, NULL, &name, &serial))
		serial = WS_OTHER;
	return to[serial];
}

static void opened(void *arg, struct conn *c, const struct ws_hello *h, struct str protocol)
{
	struct link *l = xcalloc(1, sizeof(*l)), **slot;

	(void)arg;
	l->conn = c;
	l->id = conn_id(c);
	l->refs = 1;
	l->held_end = &l->held;
	l->session = session_open(c, serial_of(protocol));
	if (session_serial(l->session) == SESSION_RAW)
		l->format = xstrndup(protocol.p, protocol.n);
	slot = &links[l->id % countof(links)];
	l->chain = *slot;
	*slot = l;
	conn_set_user(c, l);
	identify(l, h);
}

static void fill(void *arg, struct conn *c)
{
	struct link *l = conn_user(c);

	(void)arg;
	if (l && l->session)
		notify_fill(l->session);
}

static void closed(void *arg, struct conn *c, int code)
{
	struct link *l = conn_user(c), **at;

	(void)arg;
	if (!l)
		return;
	log_debug("bind_ws", "closed peer=%s code=%d", log_quote(conn_peer(c)), code);
	for (at = &links[l->id % countof(links)]; *at != l;)
		at = &(*at)->chain;
	*at = l->chain;
	conn_set_user(c, NULL);
	l->conn = NULL;
	session_close(l->session);
	l->session = NULL;
	drop_held(l);
	link_unref(l);
}

bool bind_ws_bind(uint64_t conn_id, struct str aei)
{
	struct link *l = link_of(conn_id);

	if (!l || l->closing)
		return false;
	if (l->token && l->identifying)
		identity_token_good(conn_peer(l->conn), l->token);
	session_bind(l->session, aei);
	return session_has(l->session, aei);
}

bool bind_ws_refuse(uint64_t conn_id, int code, const char *reason)
{
	struct link *l = link_of(conn_id);

	if (!l)
		return false;
	if (l->token && l->identifying && l->conn)
		identity_token_wrong(conn_peer(l->conn), l->token);
	shut(l, code, reason);
	return true;
}

static void recheck(struct link *l)
{
	if (l->cred && identity_revoked(l->cred))
		shut(l, 1008, "the credential was revoked or changed");
	else if (!l->cred && !l->token && !l->computing && identity_required())
		shut(l, 1008, "a credential is needed now");
}

void bind_ws_recheck(void)
{
	for (size_t i = 0; i < countof(links); i++) {
		for (struct link *l = links[i]; l; l = l->chain)
			recheck(l);
	}
}

const struct ws_cb BIND_WS = {
	.accept = accept_hello,
	.open = opened,
	.message = message,
	.fill = fill,
	.closed = closed,
};
