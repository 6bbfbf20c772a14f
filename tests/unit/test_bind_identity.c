/*
 * Unit tests of what both bindings do with an identity: whose requests pass, what a refusal is
 * called, which handshakes are let in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "bind_identity.h"
#include "identity_int.h"
#include "log.h"

static char file[] = "/tmp/moon2m-bind-identity.XXXXXX";
static char token[128]; /* of the credential pump */
static struct err e;

void conn_identified(struct conn *c)
{
	(void)c;
}

void conn_close(struct conn *c, int code, const char *reason)
{
	(void)c;
	(void)code;
	(void)reason;
}

static void add(struct identity_list *l, enum identity_kind kind, const char *name,
		const char *subject, const char *originator)
{
	struct identity *i = xcalloc(1, sizeof(*i));
	struct buf shown = BUF_INIT;

	i->refs = 1;
	i->kind = kind;
	i->name = xstrdup(name);
	i->subject = subject ? xstrdup(subject) : NULL;
	assert_true(identity_add_originator(i, str_of(originator), &e));
	assert_true(identity_make_secret(i, STR(""), &shown, &e));
	if (kind == IDENTITY_BEARER)
		snprintf(token, sizeof(token), "%.*s", STRFMT(buf_view(&shown)));
	assert_true(identity_list_add(l, i, &e));
	buf_free(&shown);
}

static void open_with(bool credentials)
{
	struct identity_opts o = { .file = file, .csi = "/moon", .spi = "//sp.example" };
	struct identity_list l = { NULL, 0 };

	if (credentials) {
		add(&l, IDENTITY_BEARER, "pump", NULL, "Cpump");
		add(&l, IDENTITY_CERTIFICATE, "gw", "uri:urn:gw", "/gw");
	}
	assert_true(identity_file_write(file, &l, &e));
	identity_list_free(&l);
	assert_true(identity_open(&o, &e));
}

static int set_up(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(file);
}

static int after(void **state)
{
	(void)state;
	identity_close();
	bind_identity_setup(true, false);
	return 0;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct primitive p;

/* 0, or the code that op with that originator is refused with. */
static int admit(const char *credential, const struct session *s, int op, int ty, const char *fr)
{
	const struct identity *i = credential ? identity_named(str_of(credential)) : NULL;
	bool ok;

	p = (struct primitive){
		.arena = arena_new(), .op = op, .ty = ty, .fr = fr ? str_of(fr) : STR_NONE
	};
	ok = bind_identity_admit(i, s, &p, &e);
	arena_free(p.arena);
	return ok ? 0 : e.code;
}

static void test_open(void **state)
{
	(void)state;
	open_with(false);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "Cpump"), 0);
	assert_false(p.authenticated);
	assert_null(p.credential.p);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "/other"), 0);
	bind_identity_setup(false, false);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "/other"), 4107);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "//sp.example/other/Cx"), 4107);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "/Sx"), 4107);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "//sp.example/Sx"), 4107);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "/moon/Cx"), 0);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "/moon/Sx"), 0);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "Sx"), 0);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "Cx"), 0);
}

static void test_covered(void **state)
{
	(void)state;
	open_with(true);
	assert_int_equal(admit("pump", NULL, OP_RETRIEVE, 0, "Cpump"), 0);
	assert_true(p.authenticated);
	assert_int_equal(p.credential.n, 4);
	assert_int_equal(admit("pump", NULL, OP_RETRIEVE, 0, "Cother"), 4106);
	assert_non_null(strstr(e.msg, "the credential pump may not speak for Cother"));
	assert_false(p.authenticated);
	assert_int_equal(admit(NULL, NULL, OP_RETRIEVE, 0, "Cpump"), 4106);
	assert_int_equal(admit("gw", NULL, OP_CREATE, 16, "/gw"), 0);
	assert_int_equal(admit("gw", NULL, OP_CREATE, 16, "/other"), 4106);
}

/* What the CSE assigns is the CSE's business; whatever else has no originator is 4000 later. */
static void test_left_open(void **state)
{
	(void)state;
	open_with(true);
	assert_int_equal(admit("pump", NULL, OP_CREATE, 2, NULL), 0);
	assert_int_equal(admit("pump", NULL, OP_CREATE, 2, ""), 0);
	assert_int_equal(admit("pump", NULL, OP_CREATE, 2, "C"), 0);
	assert_int_equal(admit("pump", NULL, OP_CREATE, 2, "S"), 0);
	assert_int_equal(admit("pump", NULL, OP_CREATE, 3, "C"), 4106);
	assert_int_equal(admit("pump", NULL, OP_RETRIEVE, 2, "S"), 4106);
	assert_int_equal(admit("pump", NULL, OP_RETRIEVE, 0, NULL), 0);
}

static void test_own_connection(void **state)
{
	struct session *ae = session_open(NULL, SESSION_JSON);
	struct session *cse = session_open(NULL, SESSION_JSON);

	(void)state;
	open_with(true);
	assert_true(session_bind(ae, STR("Cae")));
	assert_true(session_bind(cse, STR("/far")));
	assert_int_equal(admit(NULL, ae, OP_RETRIEVE, 0, "Cae"), 0);
	assert_true(p.authenticated);
	assert_int_equal(admit(NULL, ae, OP_RETRIEVE, 0, "/moon/Cae"), 0);
	assert_int_equal(admit(NULL, ae, OP_RETRIEVE, 0, "Cpump"), 4106);
	assert_int_equal(admit(NULL, ae, OP_CREATE, 2, NULL), 4106);
	assert_int_equal(admit(NULL, ae, OP_CREATE, 2, "C"), 4106);
	assert_int_equal(admit("pump", ae, OP_RETRIEVE, 0, "Cpump"), 0);
	assert_int_equal(admit(NULL, cse, OP_RETRIEVE, 0, "/far"), 0);
	assert_int_equal(admit(NULL, cse, OP_RETRIEVE, 0, "/far/Cx"), 0);
	assert_int_equal(admit(NULL, cse, OP_RETRIEVE, 0, "/farther/Cx"), 4106);
	assert_int_equal(admit(NULL, cse, OP_RETRIEVE, 0, "/Sx"), 0);
	assert_int_equal(admit(NULL, cse, OP_RETRIEVE, 0, "//sp.example/Sx"), 0);
	assert_int_equal(admit(NULL, cse, OP_RETRIEVE, 0, "/moon/Sx"), 4106);
	assert_int_equal(admit(NULL, ae, OP_RETRIEVE, 0, "/Sx"), 4106);
	assert_int_equal(admit(NULL, cse, OP_RETRIEVE, 0, "Cae"), 4106);
	session_close(ae);
	session_close(cse);
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(bind_identity_refusal(IDENTITY_MISSING, &e), 401);
	assert_int_equal(e.code, 4106);
	assert_int_equal(bind_identity_refusal(IDENTITY_WRONG, &e), 401);
	assert_int_equal(bind_identity_refusal(IDENTITY_BRAKED, &e), 429);
	assert_non_null(strstr(e.msg, "identity.failures"));
	assert_int_equal(bind_identity_refusal(IDENTITY_BUSY, &e), 503);
	assert_int_equal(e.code, 5000);
}

/* ---- handshakes ------------------------------------------------------------------------------ */

static void test_token_among_protocols(void **state)
{
	static const char *const cases[][2] = {
		{ "oneM2M.json, bearer.a.b", "a.b" },
		{ "bearer.a.b,oneM2M.json", "a.b" },
		{ "bearer.a\t, x", "a" },
		{ "oneM2M.json", "" },
		{ "bearer.", "" },
		{ "xbearer.a", "" },
		{ ",,bearer.a", "a" },
		{ "", "" },
	};

	(void)state;
	for (size_t k = 0; k < countof(cases); k++) {
		struct str got = bind_identity_token(str_of(cases[k][0]));

		assert_int_equal(got.n, strlen(cases[k][1]));
		assert_memory_equal(got.p, cases[k][1], got.n);
	}
}

static void test_handshakes(void **state)
{
	static const char *const names[] = { "dns:gw.example", "uri:urn:gw", NULL };
	char header[160], protocols[160];
	struct ws_hello h = { .target = STR("/"),
			      .host = STR("cse:8080"),
			      .peer = STR("10.0.0.1") };

	(void)state;
	open_with(true);
	snprintf(header, sizeof(header), "Bearer %s", token);
	snprintf(protocols, sizeof(protocols), "oneM2M.json, bearer.%s", token);
	assert_int_equal(bind_identity_handshake(&h), 401);
	h.authorization = str_of(header);
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.origin_id = STR("Cpump");
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.origin_id = STR("Cother");
	assert_int_equal(bind_identity_handshake(&h), 403);
	h.origin_id = STR("C");
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.authorization = STR("Bearer pump.x");
	assert_int_equal(bind_identity_handshake(&h), 401);
	h.authorization = STR("");
	h.protocols = str_of(protocols);
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.protocols = STR("");
	h.tls_names = names;
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.origin_id = STR("/gw");
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.tls_names = NULL;
	h.target = STR("/notify/");
	assert_int_equal(bind_identity_handshake(&h), 404);
	h.target = STR("/notify/11.abc?x"); /* judged later */
	assert_int_equal(bind_identity_handshake(&h), 0);
}

static void test_browsers(void **state)
{
	struct ws_hello h = { .target = STR("/"),
			      .host = STR("cse:8080"),
			      .peer = STR("10.0.0.1") };

	(void)state;
	open_with(false);
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.browser_origin = STR("http://CSE:8080");
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.browser_origin = STR("https://cse:8080.evil");
	assert_int_equal(bind_identity_handshake(&h), 403);
	h.browser_origin = STR("null");
	assert_int_equal(bind_identity_handshake(&h), 403);
	h.protocols = STR("oneM2M.json, bearer.a.b");
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.protocols = STR("");
	h.target = STR("/notify/11.abc");
	assert_int_equal(bind_identity_handshake(&h), 0);
	h.target = STR("/");
	bind_identity_setup(true, true); /* net has asked the list */
	assert_int_equal(bind_identity_handshake(&h), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_open, after),
		cmocka_unit_test_teardown(test_covered, after),
		cmocka_unit_test_teardown(test_left_open, after),
		cmocka_unit_test_teardown(test_own_connection, after),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_token_among_protocols),
		cmocka_unit_test_teardown(test_handshakes, after),
		cmocka_unit_test_teardown(test_browsers, after),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
