/*
 * Unit tests of the WebSocket binding: what a message is, requests as Lua gets them, responses as
 * they leave in JSON and CBOR, subprotocols, identification, limits, life and death of a
 * connection.
 */
#include "bind_fakes.h"

#include <unistd.h>

#include "bind_ws.h"
#include "bind_ws_text.h"
#include "cbor.h"
#include "identity.h"
#include "jscan.h"

struct conn {
	uint64_t id;
	void *user;
	int close_code, frames;
	bool binary, identified;
	size_t queued;
	size_t n;
	char last[4096]; /* the last frame */
};

static struct conn *conns[8];
static size_t nconns;
static char answered[128]; /* what notify_answer was told: "rqi rsc pc" */
static bool answer_matches;
static int fills;

bool conn_frame(struct conn *c, bool binary, const struct str *piece, size_t n)
{
	assert_int_equal(c->close_code, 0);
	c->frames++;
	c->binary = binary;
	c->n = 0;
	for (size_t i = 0; i < n; i++) {
		assert_true(c->n + piece[i].n < sizeof(c->last));
		memcpy(c->last + c->n, piece[i].p, piece[i].n);
		c->n += piece[i].n;
	}
	c->last[c->n] = '\0';
	return true;
}

void conn_close(struct conn *c, int code, const char *reason)
{
	assert_true(strlen(reason) < 124);
	c->close_code = code;
}

void conn_identified(struct conn *c)
{
	c->identified = true;
}

void conn_set_user(struct conn *c, void *user)
{
	c->user = user;
}

void *conn_user(const struct conn *c)
{
	return c->user;
}

struct str conn_peer(const struct conn *c)
{
	(void)c;
	return STR("10.0.0.1");
}

uint64_t conn_id(const struct conn *c)
{
	return c->id;
}

size_t conn_queued(const struct conn *c)
{
	return c->queued;
}

bool notify_answer(struct session *s, const struct notify_response *r)
{
	assert_non_null(s);
	snprintf(answered, sizeof(answered), "%.*s %d %.*s", STRFMT(r->rqi), r->rsc, STRFMT(r->pc));
	return answer_matches;
}

void notify_fill(struct session *s)
{
	assert_non_null(s);
	fills++;
}

/* ---- speaking -------------------------------------------------------------------------------- */

static struct conn *dial(const char *target, const char *protocols, const char *origin)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	struct ws_hello h = { .target = str_of(target),
			      .protocols = str_of(protocols),
			      .origin_id = str_of(origin),
			      .peer = STR("10.0.0.1") };
	char chosen[64];

	c->id = (uint64_t)(1 + nconns * 1024); /* all in one slot of the table */
	conns[nconns++] = c;
	assert_int_equal(BIND_WS.accept(NULL, &h, chosen, sizeof(chosen)), 0);
	BIND_WS.open(NULL, c, &h, str_of(chosen));
	return c;
}

static void say(struct conn *c, const char *text)
{
	answered[0] = '\0';
	BIND_WS.message(NULL, c, str_of(text), false);
}

static void hang_up(struct conn *c)
{
	if (c->user)
		BIND_WS.closed(NULL, c, 1000);
}

static int ws_open(void **state)
{
	nconns = 0;
	fills = 0;
	answer_matches = true;
	bind_ws_setup(&(struct bind_ws_opts){ .rvi = NULL });
	return fakes_open(state);
}

static int ws_close(void **state)
{
	for (size_t i = 0; i < nconns; i++)
		hang_up(conns[i]);
	for (size_t i = 0; i < ntasks; i++)
		end_task(i, true);
	for (size_t i = 0; i < nconns; i++)
		free(conns[i]);
	return fakes_close(state);
}

/* ---- texts ----------------------------------------------------------------------------------- */

static void test_classify(void **state)
{
	static const struct {
		const char *text;
		enum ws_kind kind;
		const char *rqi; /* raw; NULL: none */
		int rsc;
	} table[] = {
		{ "{\"rsc\":2000,\"rqi\":\"n7\",\"rvi\":\"3\"}", WS_RESPONSE, "\"n7\"", 2000 },
		{ " {\"rqi\":\"a\\\"b\" , \"rsc\" : 4004} ", WS_RESPONSE, "\"a\\\"b\"", 4004 },
		{ "{\"r\\u0073c\":2000,\"rqi\":\"n7\"}", WS_RESPONSE, "\"n7\"", 2000 },
		{ "{\"rsc\":\"2000\",\"rqi\":\"n7\"}", WS_RESPONSE, "\"n7\"", 0 },
		{ "{\"rsc\":2000}", WS_RESPONSE, NULL, 2000 },
		{ "{\"rsc\":2000,\"rqi\":7}", WS_RESPONSE, NULL, 2000 },
		{ "{\"rsc\": 2000, \"rqi\": \"n7\", \"ec\" : 4 }", WS_RESPONSE, "\"n7\"", 2000 },
		{ "{\"rsc\":2001,\"rqi\":\"a\",\"rsc\":2000,\"rqi\":\"b\"}", WS_RESPONSE, "\"b\"",
		  2000 },
		{ "{\"rsc\":2000,\"rsc\":0,\"rqi\":\"a\"}", WS_RESPONSE, "\"a\"", 0 },
		{ "{\"rsc\":02000,\"rqi\":\"a\"}", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\":2000,\"rqi\":\"a\"}x", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\":2000,\"rqi\":\"a\",}", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\":2000,\"rqi\":\"a\"", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\":2000,\"rqi\":\"a\"}}", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\":2000 \"rqi\":\"a\"}", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\"2000,\"rqi\":\"a\"}", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\":2000,\"rqi\":\"a\x01\"}", WS_BAD, NULL, 0 },
		{ "{\"rsc\":2000,\"rqi\":\"a\xff\"}", WS_BAD, NULL, 0 },
		{ "{\"rsc\":2000,\"rqi\":\"\xc3\xa9\"}", WS_RESPONSE, "\"\xc3\xa9\"", 2000 },
		{ "{\"rsc\":2000,\"op\":2,\"rqi\":\"a\"}", WS_BAD, "\"a\"", 0 },
		{ "{\"rsc\":2000,\"rqi\":\"a\",\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7}",
		  WS_RESPONSE, "\"a\"", 2000 },
		{ "{\"m2m:rsp\":{\"rsc\":2000,\"rqi\":\"x\"}}", WS_RESPONSE, "\"x\"", 2000 },
		{ "{\"m2m:rqp\":{\"op\":2,\"rqi\":\"x\"}}", WS_REQUEST, "\"x\"", 0 },
		{ "{\"op\":2,\"pc\":{\"rsc\":1}}", WS_REQUEST, NULL, 0 },
		{ "{\"m2m:rqp\":{\"op\":2},\"rqi\":\"y\"}", WS_BAD, "\"y\"", 0 },
		{ "{\"op\":2,\"rsc\":2000,\"rqi\":\"y\"}", WS_BAD, "\"y\"", 0 },
		{ "{\"pc\":{}}", WS_BAD, NULL, 0 },
		{ "[1]", WS_BAD, NULL, 0 },
		{ "", WS_BAD, NULL, 0 },
		{ "{\"op\":2,\"rqi\":\"z\",}", WS_BAD, "\"z\"", 0 },
		{ "{\"rqi\" : \"a\\\"b\", \"op\"", WS_BAD, "\"a\\\"b\"", 0 },
		{ "{\"rqi\":\"rqi\",\"rqi\"", WS_BAD, "\"rqi\"", 0 },
		{ "{\"rqi\":\"open", WS_BAD, NULL, 0 },
		{ "{\"rqi\":\"esc\\", WS_BAD, NULL, 0 },
		{ "{\"rqi\":\"bad\\x\",\"rqi\":\"good\"", WS_BAD, "\"good\"", 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		char *exact = xmalloc(strlen(table[i].text) + 1); /* ASan sees a read too far */
		size_t n = strlen(table[i].text);
		struct ws_message m;
		struct err e = { 0 };

		memcpy(exact, table[i].text, n);
		exact = xrealloc(exact, n ? n : 1);
		if (ws_text_classify((struct str){ exact, n }, &m, &e) != table[i].kind ||
		    m.rsc != table[i].rsc || !m.rqi.p != !table[i].rqi ||
		    (m.rqi.p && !str_is(m.rqi, table[i].rqi)))
			fail_msg("row %zu: kind %d rsc %d rqi %.*s", i, m.kind, m.rsc,
				 STRFMT(m.rqi));
		if (m.kind == WS_BAD)
			assert_int_equal(e.code, 4000);
		free(exact);
	}
}

static void test_requests(void **state)
{
	static const struct {
		const char *text;
		const char *expect; /* "name=value ..." */
	} table[] = {
		{ "{\"op\":1,\"to\":\"cb\",\"fr\":\"Ca\",\"rqi\":\"a1\",\"rvi\":\"3\",\"ty\":3,"
		  "\"pc\":{\"m2m:cnt\":{\"rn\":\"x\"}}}",
		  "op=1 to=cb fr=Ca rqi=a1 rvi=3 ty=3 pc={\"m2m:cnt\":{\"rn\":\"x\"}} via=ws "
		  "peer=10.0.0.1 known=nil query=nil rtu=nil" },
		{ "{\"op\":2,\"to\":\"a\\/b\\u0041\",\"rqi\":\"\\\"\"}",
		  "op=2 to=a/bA rqi=\" fr=nil rvi=nil ty=nil pc=nil" },
		{ "{\"op\":2,\"to\":\"a\",\"rqi\":\"r\",\"rqet\":5000,\"rset\":\"6000\",\"oet\":1,"
		  "\"ec\":4,\"gid\":\"g\",\"vsi\":\"v\",\"ot\":\"t\"}",
		  "rqet=5000 rset=6000 oet=1 ec=4 gid=g vsi=v ot=t" },
		{ "{\"op\":2,\"to\":\"a\",\"rqi\":\"r\",\"fr\":\"\",\"fc\":{\"fu\":1}}",
		  "fr= fields={\"op\":2,\"to\":\"a\",\"rqi\":\"r\",\"fr\":\"\",\"fc\":{\"fu\":1}}" },
		{ "{\"m2m:rqp\":{\"op\":4,\"to\":\"a\",\"rqi\":\"r\"}}",
		  "op=4 fields={\"op\":4,\"to\":\"a\",\"rqi\":\"r\"}" },
	};
	struct conn *c = dial("/", "oneM2M.json", NULL);

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		size_t before = ntasks;

		say(c, table[i].text);
		if (ntasks != before + 1)
			fail_msg("row %zu was not handed on: %s", i, c->last);
		for (const char *p = table[i].expect; *p;) {
			char name[16] = "", value[256] = "";
			size_t n = strcspn(p, "="), len = strcspn(p + n + 1, " ");

			memcpy(name, p, n);
			memcpy(value, p + n + 1, len);
			if (strcmp(field(name), value) != 0)
				fail_msg("row %zu: %s is %s, not %s", i, name, field(name), value);
			p += n + 1 + len + (p[n + 1 + len] == ' ');
		}
		answer_id(tasks[before].id, 2000, NULL);
	}
	assert_int_equal(c->frames, (int)countof(table));
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *frame;
	} table[] = {
		{ "{\"op\":6,\"to\":\"a\",\"rqi\":\"r\"}",
		  "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"3\",\"pc\":{\"m2m:dbg\":"
		  "\"op: expected a number from 1 to 5\"}}" },
		{ "{\"op\":2,\"rqi\":\"r\"}", "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"3\",\"pc\":"
					      "{\"m2m:dbg\":\"to: missing\"}}" },
		{ "{\"op\":2,\"to\":\"\",\"rqi\":\"r\"}",
		  "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"3\",\"pc\":{\"m2m:dbg\":\"to: expected some text\"}}" },
		{ "{\"op\":2,\"to\":\"a\"}",
		  "{\"rsc\":4000,\"rvi\":\"3\",\"pc\":{\"m2m:dbg\":\"rqi: missing\"}}" },
		{ "{\"op\":2,\"to\":\"a\",\"rqi\":5}",
		  "{\"rsc\":4000,\"rvi\":\"3\",\"pc\":{\"m2m:dbg\":\"rqi: expected a string\"}}" },
		{ "{\"op\":2,\"to\":1,\"rvi\":\"2a\",\"rqi\":\"r\"}",
		  "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"2a\",\"pc\":{\"m2m:dbg\":\"to: expected a string\"}}" },
		{ "{\"op\":2,\"to\":\"a\",\"to\":\"b\",\"rqi\":\"r\"}",
		  "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"3\",\"pc\":{\"m2m:dbg\":\"to: given twice\"}}" },
		{ "{\"op\":1,\"to\":\"a\",\"ty\":\"3\",\"rqi\":\"r\"}",
		  "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"3\",\"pc\":"
		  "{\"m2m:dbg\":\"ty: expected a resource type number\"}}" },
		{ "{\"op\":1,\"to\":\"a\",\"pc\":\"x\",\"rqi\":\"r\"}",
		  "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"3\",\"pc\":{\"m2m:dbg\":\"pc: expected an object\"}}" },
		{ "{\"to\":\"a\",\"rqi\":\"r\"}",
		  "{\"rsc\":4000,\"rqi\":\"r\",\"rvi\":\"3\",\"pc\":"
		  "{\"m2m:dbg\":\"op: missing (a response would have rsc)\"}}" },
	};
	struct conn *c = dial("/", "oneM2M.json", NULL);

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		say(c, table[i].text);
		if (strcmp(c->last, table[i].frame) != 0)
			fail_msg("row %zu: %s", i, c->last);
	}
	say(c, "{\"op\":2,\"rqi\":\"r9\"");
	assert_non_null(
	    strstr(c->last, "{\"rsc\":4000,\"rqi\":\"r9\",\"rvi\":\"3\",\"pc\":{\"m2m:dbg\":\""));
	assert_int_equal(ntasks, 0);
	assert_int_equal(c->close_code, 0);
}

static void test_answer(void **state)
{
	struct conn *c = dial("/", "oneM2M.json", NULL);
	struct answer a = { .rsc = 2001,
			    .pc = STR("{\"m2m:uri\":\"x\"}"),
			    .ot = STR("1"),
			    .rset = STR("2"),
			    .ec = STR("4"),
			    .vsi = STR("v\""),
			    .cnst = STR("1"),
			    .cnot = STR("7"),
			    .bind = STR("Ca") };

	(void)state;
	say(c, "{\"op\":1,\"ty\":2,\"to\":\"cb\",\"rqi\":\"a\\n1\"}");
	assert_true(primitive_answer(tasks[0].id, &a));
	assert_string_equal(c->last,
			    "{\"rsc\":2001,\"rqi\":\"a\\n1\",\"rvi\":\"3\",\"ot\":\"1\","
			    "\"rset\":\"2\",\"ec\":4,\"cnst\":1,\"cnot\":7,\"vsi\":\"v\\\"\","
			    "\"pc\":{\"m2m:uri\":\"x\"}}");
	assert_false(c->binary);
	assert_ptr_equal(session_conn(session_of(STR("Ca"))), c);
	/* now it is known who speaks, and fr may be left out, except for the next registration */
	say(c, "{\"op\":2,\"to\":\"cb\",\"rqi\":\"b\"}");
	assert_string_equal(field("fr"), "Ca");
	assert_string_equal(field("known"), "Ca");
	say(c, "{\"op\":2,\"to\":\"cb\",\"rqi\":\"b\",\"fr\":\"Cb\"}");
	assert_string_equal(field("fr"), "Cb");
	say(c, "{\"op\":1,\"ty\":2,\"to\":\"cb\",\"rqi\":\"c\"}");
	assert_string_equal(field("fr"), "nil");
	/* answers in any order */
	answer_id(tasks[3].id, 4000, NULL);
	assert_string_equal(c->last, "{\"rsc\":4000,\"rqi\":\"c\",\"rvi\":\"3\"}");
	answer_id(tasks[1].id, 2000, "{}");
	assert_string_equal(c->last, "{\"rsc\":2000,\"rqi\":\"b\",\"rvi\":\"3\",\"pc\":{}}");
	answer_id(tasks[2].id, 2000, NULL);
}

static void test_responses(void **state)
{
	struct conn *c = dial("/", "oneM2M.json", NULL);

	(void)state;
	say(c, "{\"rsc\":2000,\"rqi\":\"n7\",\"rvi\":\"3\"}");
	assert_string_equal(answered, "n7 2000 ");
	say(c, "{\"rsc\":2000,\"rqi\":\"n\\u0038\",\"pc\":{\"a\":1}}");
	assert_string_equal(answered, "n8 2000 {\"a\":1}");
	answer_matches = false;
	say(c, "{\"rsc\":2000,\"rqi\":\"n9\"}");
	say(c, "{\"rsc\":\"x\",\"rqi\":\"n9\"}");
	assert_string_equal(answered, "");
	assert_int_equal(c->frames, 0); /* a response is never answered */
	assert_int_equal(ntasks, 0);
}

static void test_cbor(void **state)
{
	struct conn *c = dial("/", "oneM2M.xml, ONEM2M.R2.0.CBOR", NULL);
	struct buf in = BUF_INIT, out = BUF_INIT;

	(void)state;
	assert_true(cbor_from_json(STR("{\"op\":2,\"to\":\"cb\",\"rqi\":\"q\"}"), &in, NULL));
	BIND_WS.message(NULL, c, buf_view(&in), true);
	assert_string_equal(field("to"), "cb");
	answer_id(tasks[0].id, 2000, "{\"m2m:cb\":{}}");
	assert_true(c->binary);
	assert_true(cbor_to_json((struct str){ c->last, c->n }, JSCAN_DEFAULT, &out, NULL));
	assert_true(str_is(buf_view(&out),
			   "{\"rsc\":2000,\"rqi\":\"q\",\"rvi\":\"3\",\"pc\":{\"m2m:cb\":{}}}"));
	BIND_WS.message(NULL, c,
			STR("\xa3\x63rsc\x19\x07\xd0\x63rqi\x62n7\x63rvi\x61"
			    "3"),
			true);
	assert_string_equal(answered, "n7 2000 ");
	BIND_WS.message(NULL, c, STR("\xff"), true);
	assert_int_equal(c->frames, 2);
	/* malformed inside: the answer is made while the request's text is still in use */
	buf_clear(&in);
	assert_true(cbor_from_json(STR("{\"op\":9,\"to\":\"cb\",\"rqi\":\"q2\"}"), &in, NULL));
	BIND_WS.message(NULL, c, buf_view(&in), true);
	assert_int_equal(c->frames, 3);
	BIND_WS.message(NULL, c, STR("{}"), false);
	assert_int_equal(c->close_code, 1003);
	buf_free(&in);
	buf_free(&out);
}

/* ---- handshake and identity ------------------------------------------------------------------ */

static bool claims_senml(void *arg, struct str name)
{
	return arg == NULL && str_is(name, "senml");
}

static void test_accept(void **state)
{
	static const struct {
		const char *target, *protocols;
		int status;
		const char *chosen;
	} table[] = {
		{ "/", "oneM2M.json", 0, "oneM2M.json" },
		{ "/", "oneM2M.cbor,oneM2M.json", 0, "oneM2M.cbor" },
		{ "/", " oneM2M.xml ,\tonem2m.r2.0.JSON ", 0, "onem2m.r2.0.JSON" },
		{ "/any", "oneM2M.json", 0, "oneM2M.json" },
		{ "/", NULL, 400, NULL },
		{ "/", "", 400, NULL },
		{ "/", "oneM2M.xml", 400, NULL },
		{ "/", ",,", 400, NULL },
		{ "/", "oneM2M.jsonx", 400, NULL },
		{ "/notify/t", NULL, 0, "" },
		{ "/notify/t?x", "oneM2M.cbor", 0, "oneM2M.cbor" },
		{ "/notify/t", "foo", 400, NULL },
		{ "/notify/t", "foo, senml", 0, "senml" },
		{ "/notify/", "oneM2M.json", 404, NULL },
		{ "/notify/?t", NULL, 404, NULL },
	};

	(void)state;
	bind_ws_setup(&(struct bind_ws_opts){ .rvi = NULL, .format = claims_senml });
	for (size_t i = 0; i < countof(table); i++) {
		struct ws_hello h = { .target = str_of(table[i].target),
				      .protocols = str_of(table[i].protocols) };
		char chosen[32] = "?";
		int status = BIND_WS.accept(NULL, &h, chosen, sizeof(chosen));

		if (status != table[i].status ||
		    (table[i].chosen && strcmp(chosen, table[i].chosen) != 0))
			fail_msg("row %zu: %d %s", i, status, chosen);
	}
}

static void test_identify(void **state)
{
	struct conn *c = dial("/notify/1k.abc?x=1", NULL, "Cignored");

	(void)state;
	assert_string_equal(tasks[0].name, "identify");
	assert_int_equal(tasks[0].id, c->id);
	assert_string_equal(tasks[0].text, "1k.abc");
	/* what arrives meanwhile waits, in order */
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	say(c, "{\"op\":2,\"to\":\"b\",\"rqi\":\"2\"}");
	assert_int_equal(ntasks, 1);
	assert_true(bind_ws_bind(c->id, STR("Ca")));
	assert_true(c->identified);
	end_task(0, true);
	assert_int_equal(ntasks, 3);
	assert_string_equal(field("to"), "b");
	assert_string_equal(field("fr"), "Ca");
	BIND_WS.fill(NULL, c);
	assert_int_equal(fills, 1);
	answer_id(tasks[1].id, 2000, NULL);
	answer_id(tasks[2].id, 2000, NULL);
	dial("/", "oneM2M.json", "Cb");
	assert_string_equal(tasks[3].text, "Cb");
	end_task(3, true);
	dial("/", "oneM2M.json", "C"); /* to be assigned: no identity */
	dial("/", "oneM2M.json", "");
	assert_int_equal(ntasks, 4);
}

/* A format that the subprotocol names goes with the identification and with each request. */
static void test_format(void **state)
{
	struct conn *c;

	(void)state;
	bind_ws_setup(&(struct bind_ws_opts){ .rvi = NULL, .format = claims_senml });
	c = dial("/notify/t", "senml", NULL);
	assert_string_equal(tasks[0].fourth, "senml");
	assert_true(bind_ws_bind(c->id, STR("Ca")));
	end_task(0, true);
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	assert_string_equal(field("format"), "senml");
	hang_up(c); /* its request still has a copy */
	answer_id(tasks[1].id, 2000, NULL);
	c = dial("/notify/t", "oneM2M.json", NULL);
	assert_string_equal(tasks[2].fourth, "");
	end_task(2, true);
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	assert_string_equal(field("format"), "nil");
	answer_id(tasks[3].id, 2000, NULL);
}

static void test_refuse(void **state)
{
	struct conn *c = dial("/notify/t", NULL, NULL), *d;

	(void)state;
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	assert_true(bind_ws_refuse(c->id, 1008, "no such token"));
	assert_int_equal(c->close_code, 1008);
	assert_false(bind_ws_bind(c->id, STR("Ca")));
	end_task(0, true);
	assert_int_equal(ntasks, 1); /* what waited is dropped */
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"2\"}");
	assert_int_equal(ntasks, 1);
	hang_up(c);
	assert_false(bind_ws_refuse(c->id, 1008, "again"));
	d = dial("/notify/t", NULL, NULL);
	end_task(1, false);
	assert_int_equal(d->close_code, 1011);
	d = dial("/notify/t", NULL, NULL);
	for (int i = 0; i < 65; i++)
		say(d, "{\"rsc\":2000,\"rqi\":\"1\"}");
	assert_int_equal(d->close_code, 1008);
}

static void test_take_over(void **state)
{
	struct conn *c = dial("/", "oneM2M.json", NULL), *d = dial("/", "oneM2M.json", NULL);

	(void)state;
	assert_true(bind_ws_bind(c->id, STR("Ca")));
	assert_true(bind_ws_bind(d->id, STR("Ca")));
	assert_int_equal(c->close_code, 1000);
	assert_int_equal(d->close_code, 0);
	assert_ptr_equal(session_conn(session_of(STR("Ca"))), d);
	hang_up(c);
	hang_up(d);
	assert_null(session_of(STR("Ca")));
}

/* ---- limits and ends ------------------------------------------------------------------------- */

static void test_limits(void **state)
{
	struct conn *c = dial("/", "oneM2M.json", NULL);

	(void)state;
	for (int i = 0; i < 1024; i++)
		say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	assert_int_equal(c->frames, 0);
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"over\"}");
	assert_int_equal(ntasks, 1024);
	assert_non_null(strstr(c->last, "{\"rsc\":5000,\"rqi\":\"over\",\"rvi\":\"3\","));
	answer_id(tasks[7].id, 2000, NULL);
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"again\"}");
	assert_int_equal(ntasks, 1025);
	hang_up(c);
	for (size_t i = 0; i < ntasks; i++) {
		if (i != 7)
			answer_id(tasks[i].id, 2000, "{}"); /* dropped: nobody is there */
	}
	assert_int_equal(c->frames, 2);
	c = dial("/", "oneM2M.json", NULL);
	c->queued = (size_t)9 << 20;
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	assert_int_equal(c->close_code, 1008);
}

/* The client leaves before it is identified and before it is answered. */
static void test_early_close(void **state)
{
	struct conn *c = dial("/notify/t", NULL, NULL);
	struct answer a = { .rsc = 2001, .bind = STR("Ca") };

	(void)state;
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	hang_up(c);
	end_task(0, true);
	assert_int_equal(ntasks, 1);
	c = dial("/", "oneM2M.json", NULL);
	say(c, "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\"}");
	hang_up(c);
	assert_true(primitive_answer(tasks[1].id, &a));
	assert_null(session_of(STR("Ca")));
	assert_int_equal(c->frames, 0);
}

/* ---- credentials ------------------------------------------------------------------------------ */

/* The first credential comes while connections are open, one of them just being identified. */
static void test_recheck(void **state)
{
	static const char line[] = "{\"name\":\"a\",\"kind\":\"certificate\",\"subject\":\"uri:a\","
				   "\"created\":\"20260101T000000\",\"originators\":[\"Ca\"]}\n";
	char file[] = "/tmp/moon2m-bind-ws.XXXXXX";
	struct identity_opts o = { .file = file, .csi = "/moon", .spi = "//sp.example" };
	struct conn *anonymous = dial("/", "oneM2M.json", "");
	struct conn *named = dial("/", "oneM2M.json", "Cpump");
	struct conn *service = dial("/notify/11.abc", "oneM2M.json", "");
	struct err e;
	int fd = mkstemp(file);

	(void)state;
	bind_ws_recheck();
	assert_int_equal(anonymous->close_code + named->close_code + service->close_code, 0);
	assert_int_equal(write(fd, line, sizeof(line) - 1), sizeof(line) - 1);
	close(fd);
	assert_true(identity_open(&o, &e));
	bind_ws_recheck();
	assert_int_equal(anonymous->close_code, 1008);
	assert_int_equal(named->close_code, 1008);
	assert_int_equal(service->close_code, 0);
	identity_close();
	unlink(file);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, ws_open, ws_close)
	const struct CMUnitTest tests[] = {
		CASE(test_classify),    CASE(test_requests), CASE(test_refused),
		CASE(test_answer),      CASE(test_cbor),     CASE(test_accept),
		CASE(test_responses),   CASE(test_identify), CASE(test_format),
		CASE(test_refuse),      CASE(test_limits),   CASE(test_take_over),
		CASE(test_early_close), CASE(test_recheck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
