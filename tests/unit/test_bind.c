/*
 * Unit tests of the HTTP binding and of primitive.c: tables of requests with what Lua is handed or
 * what the client is told, answers as they leave, expiry.
 */
#include "bind_fakes.h"

#include "bind_http.h"
#include "bind_http_text.h"
#include "bind_media.h"
#include "bind_page.h"
#include "cbor.h"
#include "clock.h"

static char replied_head[4096], replied_body[4096];
static int replied_status, replies;

void http_reply(struct http_req *r, int status, struct str head, struct str body)
{
	(void)r;
	replies++;
	replied_status = status;
	snprintf(replied_head, sizeof(replied_head), "%.*s", STRFMT(head));
	memset(replied_body, 0, sizeof(replied_body));
	memcpy(replied_body, body.p ? body.p : "", body.n);
}

struct str http_header(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->nheaders; i++) {
		if (str_ieq(r->headers[i].name, str_of(name)))
			return r->headers[i].value;
	}
	return STR_NONE;
}

/* What sessions need of connections, of which there are none here. */
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

static uint16_t local_port = 8080;

/* Headers as "Name: value\n" lines; the request stays valid until the next call. */
static struct http_req *make(const char *method, const char *target, const char *headers,
			     struct str body)
{
	static struct http_header list[32];
	static struct http_req r;
	size_t n = 0;

	for (const char *p = headers; *p;) {
		const char *colon = strstr(p, ": "), *end = strchr(p, '\n');

		list[n].name = (struct str){ p, (size_t)(colon - p) };
		list[n++].value = (struct str){ colon + 2, (size_t)(end - colon) - 2 };
		p = end + 1;
	}
	r = (struct http_req){ .method = str_of(method),
			       .target = str_of(target),
			       .headers = list,
			       .nheaders = n,
			       .body = body,
			       .peer = STR("127.0.0.1"),
			       .local_port = local_port };
	return &r;
}

static void send_req(const char *method, const char *target, const char *headers, const char *body)
{
	replies = 0;
	replied_status = 0;
	BIND_HTTP.request(NULL, make(method, target, headers, str_of(body)));
}

#define BASE "X-M2M-Origin: Ca\nX-M2M-RI: r1\nX-M2M-RVI: 3\n"
#define JSON_TYPE "Content-Type: application/json\n"

static void test_accepted(void **state)
{
	static const struct {
		const char *method, *target, *headers, *body, *expect; /* "name=value ..." */
	} table[] = {
		{ "POST", "/cb", BASE "Content-Type: application/json;ty=3\n", "{\"m2m:cnt\":{}}",
		  "op=1 ty=3 to=cb fr=Ca rqi=r1 rvi=3 pc={\"m2m:cnt\":{}} via=http peer=127.0.0.1" },
		{ "POST", "/cb",
		  BASE "Content-Type: application/vnd.onem2m-res+json; charset=utf-8; TY=\"4\"\n",
		  "{}", "op=1 ty=4" },
		{ "POST", "/~/moon/cb/a", BASE JSON_TYPE, "{}", "op=5 ty=nil to=/moon/cb/a" },
		{ "POST", "/cb", BASE "Content-Type: application/vnd.onem2m-ntfy+json\n", "{}",
		  "op=5" },
		{ "GET", "/cb/a?rcn=4&lbl=x%20y", BASE, "",
		  "op=2 to=cb/a query=rcn=4&lbl=x%20y pc=nil" },
		{ "GET", "/_/sp.example/moon/15", BASE, "", "to=//sp.example/moon/15 query=nil" },
		{ "GET", "/%7E/moon/cb/", BASE, "", "to=/moon/cb" },
		{ "GET", "/cb/a%41%C3%A9", BASE, "", "to=cb/aA\xc3\xa9" },
		{ "GET", "/cb?", BASE, "", "to=cb query=" },
		{ "HEAD", "/-/a/la", BASE, "", "op=2 to=-/a/la" },
		{ "PUT", "/15", BASE "Content-Type: application/json;ty=3\n", "{}",
		  "op=3 ty=nil to=15" },
		{ "DELETE", "/15", BASE "Content-Type: text/plain\n", "", "op=4 to=15" },
		{ "GET", "/15", "x-m2m-ri: q\n", "", "fr=nil rvi=nil rtu=nil rqi=q" },
		{ "GET", "/15", "X-M2M-Origin: \nX-M2M-RI: q\nX-M2M-RTU: \n", "", "fr= rtu=" },
		{ "GET", "/15",
		  BASE "X-M2M-GID: g\nX-M2M-OT: 1\nX-M2M-RST: 2\nX-M2M-RET: 3000\nX-M2M-OET: 4\n"
		       "X-M2M-EC: 4\nX-M2M-VSI: v\nX-M2M-RTU: a&b\nHost: h:1\n",
		  "",
		  "gid=g ot=1 rset=2 rqet=3000 oet=4 ec=4 vsi=v rtu=a&b host=h:1 known=nil fields=nil" },
	};

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		size_t before = ntasks;

		send_req(table[i].method, table[i].target, table[i].headers, table[i].body);
		if (ntasks != before + 1 || replies)
			fail_msg("row %zu was not handed on: %s", i, replied_body);
		assert_string_equal(tasks[before].name, "request");
		for (const char *p = table[i].expect; *p;) {
			char name[16] = "", value[128] = "";
			size_t n = strcspn(p, "="), len = strcspn(p + n + 1, " ");

			memcpy(name, p, n);
			memcpy(value, p + n + 1, len);
			if (strcmp(field(name), value) != 0)
				fail_msg("row %zu: %s is %s, not %s", i, name, field(name), value);
			p += n + 1 + len + (p[n + 1 + len] == ' ');
		}
		answer_id(tasks[before].id, 2000, NULL);
		assert_int_equal(replies, 1);
		assert_int_equal(replied_status, 200);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *method, *target, *headers, *body;
		int status, rsc;
		const char *says; /* part of m2m:dbg */
	} table[] = {
		{ "GET", "/cb", "X-M2M-Origin: Ca\n", "", 400, 4000, "X-M2M-RI" },
		{ "GET", "/cb", "X-M2M-RI: \n", "", 400, 4000, "X-M2M-RI" },
		{ "GET", "/cb", BASE "X-M2M-Origin: Cb\n", "", 400, 4000,
		  "X-M2M-Origin: given twice" },
		{ "GET", "/cb", "X-M2M-RI: r1\nX-M2M-Origin: C\xff\n", "", 400, 4000,
		  "X-M2M-Origin" },
		{ "GET", "/", BASE, "", 400, 4000, "to: the path names no resource" },
		{ "GET", "/a%2Fb", BASE, "", 400, 4000, "encoded '/'" },
		{ "GET", "/a%2", BASE, "", 400, 4000, "percent-encoding" },
		{ "GET", "/a%zz", BASE, "", 400, 4000, "percent-encoding" },
		{ "GET", "/a%00", BASE, "", 400, 4000, "UTF-8" },
		{ "GET", "/a%ff", BASE, "", 400, 4000, "UTF-8" },
		{ "GET", "/a#b", BASE, "", 400, 4000, "'#'" },
		{ "GET", "a", BASE, "", 400, 4000, "starts with '/'" },
		{ "PATCH", "/cb", BASE, "", 405, 4005, "PATCH" },
		{ "GET", "/cb", BASE "Accept: application/xml\n", "", 406, 5207, "Accept" },
		{ "POST", "/cb", BASE "Content-Type: text/plain\n", "{}", 415, 4015, "text/plain" },
		{ "POST", "/cb", BASE "Content-Type: application/xml;ty=3\n", "<a/>", 415, 4015,
		  "xml" },
		{ "POST", "/cb", BASE, "{}", 415, 4015, "Content-Type: the header is missing" },
		{ "POST", "/cb", BASE "Content-Type: application/json;ty=x\n", "{}", 400, 4000,
		  "ty: " },
		{ "POST", "/cb", BASE "Content-Type: application/json;ty=0\n", "{}", 400, 4000,
		  "ty: " },
		{ "POST", "/cb", BASE "Content-Type: application/json;ty=3;ty=4\n", "{}", 400, 4000,
		  "twice" },
		{ "POST", "/cb", BASE JSON_TYPE, "{\"a\":", 400, 4000, "pc: " },
		{ "POST", "/cb", BASE JSON_TYPE, "[1]", 400, 4000, "pc: expected an object" },
		{ "POST", "/cb", BASE "Content-Type: application/cbor\nAccept: application/json\n",
		  "\xff", 400, 4000, "pc: " },
		{ "DELETE", "/cb", BASE JSON_TYPE, "{}", 400, 4000, "pc: " },
		{ "GET", "/cb", BASE "X-M2M-RET: soon\n", "", 400, 4000, "rqet: expected" },
		{ "GET", "/cb", BASE "X-M2M-RET: 20200101T000000\n", "", 504, 4008, "rqet" },
		{ "GET", "/cb", BASE "X-M2M-RET: 0\n", "", 504, 4008, "rqet" },
	};

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		char rsc[32];

		send_req(table[i].method, table[i].target, table[i].headers, table[i].body);
		snprintf(rsc, sizeof(rsc), "X-M2M-RSC: %d\r\n", table[i].rsc);
		if (ntasks || replies != 1 || replied_status != table[i].status ||
		    !strstr(replied_head, rsc) || !strstr(replied_body, "{\"m2m:dbg\":\"") ||
		    !strstr(replied_body, table[i].says))
			fail_msg("row %zu: %d %s%s", i, replied_status, replied_head, replied_body);
		assert_non_null(strstr(replied_head, "X-M2M-RI: "));
		assert_non_null(strstr(replied_head, "X-M2M-RVI: 3\r\n"));
		assert_true(!strstr(replied_head, "Allow: ") == (table[i].status != 405));
	}
}

static void test_answer(void **state)
{
	struct answer a = { .rsc = 2001,
			    .pc = STR("{\"m2m:uri\":\"cb/a\"}"),
			    .ot = STR("1"),
			    .rset = STR("2"),
			    .ec = STR("4"),
			    .vsi = STR("x\r\ny"),
			    .cnst = STR("1"),
			    .cnot = STR("7"),
			    .location = STR("cb/a"),
			    .service = STR("ws://h/notify/t") };

	(void)state;
	send_req("POST", "/cb",
		 "X-M2M-RI: r1\nX-M2M-RVI: 2a\nContent-Type: application/json;ty=3\n", "{}");
	assert_true(primitive_answer(tasks[0].id, &a));
	assert_int_equal(replied_status, 201);
	assert_string_equal(replied_head,
			    "X-M2M-RSC: 2001\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 2a\r\n"
			    "Content-Type: application/json\r\nX-M2M-OT: 1\r\nX-M2M-RST: 2\r\n"
			    "X-M2M-EC: 4\r\nX-M2M-VSI: x  y\r\nX-M2M-CTS: 1\r\nX-M2M-CTO: 7\r\n"
			    "Content-Location: cb/a\r\n"
			    "Link: <ws://h/notify/t>; rel=\"urn:moon2m:notification-service\"\r\n");
	assert_string_equal(replied_body, "{\"m2m:uri\":\"cb/a\"}");
	assert_false(primitive_answer(tasks[0].id, &a));
	assert_int_equal(replies, 1);
}

static void test_cbor(void **state)
{
	struct buf in = BUF_INIT, out = BUF_INIT;

	(void)state;
	assert_true(cbor_from_json(STR("{\"m2m:cnt\":{\"rn\":\"a\"}}"), &in, NULL));
	BIND_HTTP.request(
	    NULL, make("POST", "/cb", BASE "Content-Type: application/cbor;ty=3\n", buf_view(&in)));
	assert_string_equal(field("pc"), "{\"m2m:cnt\":{\"rn\":\"a\"}}");
	answer_id(tasks[0].id, 2001, "{\"m2m:cnt\":{\"rn\":\"a\"}}");
	assert_non_null(strstr(replied_head, "Content-Type: application/cbor\r\n"));
	assert_memory_equal(replied_body, in.p, in.n);
	send_req("GET", "/cb", BASE "Accept: application/vnd.onem2m-res+cbor\n", "");
	answer_id(tasks[1].id, 2000, "{}");
	assert_non_null(strstr(replied_head, "Content-Type: application/vnd.onem2m-res+cbor\r\n"));
	assert_memory_equal(replied_body, "\xa0", 2);
	buf_free(&in);
	buf_free(&out);
}

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		bool cbor;
		const char *type;
	} table[] = {
		{ NULL, false, "application/json" },
		{ NULL, true, "application/cbor" },
		{ "", false, "application/json" },
		{ "*/*", true, "application/cbor" },
		{ "application/*;q=0.5", false, "application/json" },
		{ "text/html, application/xhtml+xml, */*;q=0.8", false, "application/json" },
		{ "application/cbor", false, "application/cbor" },
		{ "application/json;q=0.2, application/cbor;q=0.30", false, "application/cbor" },
		{ "application/json;q=0, */*", false, "application/vnd.onem2m-res+json" },
		{ "APPLICATION/VND.onem2m-res+JSON", true, "application/vnd.onem2m-res+json" },
		{ "application/xml, text/*", false, NULL },
		{ "application/json;q=0.000", false, NULL },
		{ ",,;q=1,", false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		const char *type = media_accept(str_of(table[i].accept), table[i].cbor);

		if (!type != !table[i].type || (type && strcmp(type, table[i].type) != 0))
			fail_msg("row %zu: %s", i, type ? type : "none");
	}
}

static void test_status(void **state)
{
	static const int table[][2] = {
		{ 1000, 202 }, { 2000, 200 }, { 2001, 201 }, { 2002, 200 }, { 2004, 200 },
		{ 4000, 400 }, { 4001, 501 }, { 4004, 404 }, { 4005, 405 }, { 4008, 504 },
		{ 4015, 415 }, { 4102, 400 }, { 4103, 403 }, { 4105, 409 }, { 4117, 403 },
		{ 4999, 400 }, { 5000, 500 }, { 5001, 501 }, { 5103, 404 }, { 5204, 500 },
		{ 5206, 501 }, { 5207, 406 }, { 6003, 404 }, { 6010, 400 }, { 6999, 500 },
	};

	(void)state;
	for (size_t i = 0; i < countof(table); i++)
		assert_int_equal(http_text_status(table[i][0]), table[i][1]);
}

static void test_administration(void **state)
{
	static const char *const origins[] = { "https://a.example", NULL };
	struct bind_http_opts o = { .rvi = "3", .origins = origins, .admin_port = 9 };

	(void)state;
	send_req("GET", "/healthz", "", "");
	assert_int_equal(replied_status, 200);
	assert_string_equal(replied_body, "ok");
	send_req("GET", "/metrics", "", "");
	assert_non_null(strstr(replied_body, "moon2m_requests_total{"));
	send_req("OPTIONS", "/cb", "Origin: https://a.example\n", "");
	assert_int_equal(replied_status, 204);
	assert_null(strstr(replied_head, "Access-Control"));
	bind_http_setup(&o);
	send_req("GET", "/healthz", "", "");
	assert_int_equal(replied_status, 400);
	local_port = 9; /* the admin port */
	send_req("GET", "/healthz", "", "");
	assert_int_equal(replied_status, 200);
	send_req("GET", "/cb", BASE, "");
	assert_int_equal(replied_status, 404);
	local_port = 8080;
	send_req("OPTIONS", "/cb", "Origin: https://a.example\n", "");
	assert_non_null(strstr(replied_head, "Access-Control-Allow-Origin: https://a.example\r\n"));
	assert_non_null(strstr(replied_head, "Access-Control-Allow-Headers: "));
	send_req("GET", "/", "Origin: https://b.example\n", "");
	assert_null(strstr(replied_head, "Access-Control"));
	assert_non_null(strstr(replied_head, "Vary: Origin\r\n"));
	send_req("GET", "/", "Origin: https://a.example\n", "");
	assert_non_null(strstr(replied_head, "Access-Control-Expose-Headers: X-M2M-RSC, "));
	bind_http_setup(&(struct bind_http_opts){ .rvi = NULL });
}

/* ---- life of a primitive --------------------------------------------------------------------- */

static void test_expiry(void **state)
{
	(void)state;
	clock_freeze(1000000000000000, 5000000);
	send_req("GET", "/a", BASE, "");
	assert_true(the_timer->seconds == 30);
	send_req("GET", "/b", BASE "X-M2M-RET: 2000\n", "");
	assert_true(the_timer->seconds == 2);
	send_req("GET", "/c", BASE "X-M2M-RET: 20010909T014645\n", ""); /* in 5 s */
	assert_int_equal(primitive_count(), 3);
	clock_freeze(1000000000000000, 8000000);
	replies = 0;
	the_timer->fn(the_timer->arg);
	assert_int_equal(replies, 1);
	assert_int_equal(replied_status, 504);
	assert_non_null(strstr(replied_head, "X-M2M-RSC: 4008\r\n"));
	assert_non_null(strstr(replied_body, "rqet"));
	assert_true(the_timer->seconds == 2);
	assert_false(primitive_answer(tasks[1].id, &(struct answer){ .rsc = 2000 }));
	clock_freeze(1000000000000000, 90000000);
	the_timer->fn(the_timer->arg);
	assert_int_equal(replies, 3);
	assert_non_null(strstr(replied_body, "no answer in time"));
	assert_int_equal(primitive_count(), 0);
	clock_release();
}

static void test_failed_task(void **state)
{
	(void)state;
	send_req("GET", "/a", BASE, "");
	end_task(0, false);
	assert_int_equal(replied_status, 500);
	assert_non_null(strstr(replied_head, "X-M2M-RSC: 5000\r\n"));
	assert_string_equal(replied_body, "{\"m2m:dbg\":\"internal error\"}");
	send_req("GET", "/a", BASE, "");
	end_task(1, true); /* ended, but said nothing */
	assert_int_equal(replied_status, 500);
	send_req("GET", "/a", BASE, "");
	answer_id(tasks[2].id, 2000, "{}");
	replies = 0;
	end_task(2, false); /* failed after its answer */
	assert_int_equal(replies, 0);
}

/* Answers in any order; an id is never the id of a later request. */
static void set_page(const char *path, const char *type, const char *body, bool fine)
{
	struct err e;

	if (bind_page_set(str_of(path), str_of(type), str_of(body), &e) != fine)
		fail_msg("page %s %s", path, type);
}

static void test_pages(void **state)
{
	static const char *const paths[] = {
		"",         "x",       "/X",        "/1x",  "/x/", "/a b",    "/a?b",  "/healthz",
		"/metrics", "/notify", "/notify/x", "/~/x", "/-",  "/a\r\nb", "/a%20b"
	};

	(void)state;
	for (size_t i = 0; i < countof(paths); i++)
		set_page(paths[i], "text/html", "", false);
	set_page("/a", "html", "", false);
	set_page("/a", "text/html\r\nX: y", "", false);
	set_page("/a", "text/html", "one", true);
	set_page("/a", "text/plain", "two", true); /* takes its place */
	send_req("GET", "/a?q", "Host: h.example:81\n", "");
	assert_int_equal(replied_status, 200);
	assert_string_equal(replied_body, "two");
	assert_non_null(strstr(replied_head, "Content-Type: text/plain\r\n"));
	assert_non_null(strstr(replied_head, "nosniff\r\n"));
	assert_non_null(
	    strstr(replied_head, "connect-src 'self' ws://h.example:* wss://h.example:*;"));
	assert_null(strstr(replied_head, "X-M2M"));
	send_req("HEAD", "/a", "Host: h;x\n", "");
	assert_int_equal(replied_status, 200);
	assert_non_null(strstr(replied_head, "connect-src 'self';"));
	send_req("POST", "/a", "", "");
	assert_int_equal(replied_status, 400);
	bind_page_forget(STR("/a"));
	send_req("GET", "/a", "", "");
	assert_int_equal(replied_status, 400);
	for (int i = 0; i < PAGES_MAX; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/p%d", i);
		set_page(path, "text/html", "", true);
	}
	set_page("/q", "text/html", "", false);
	set_page("/p1", "text/html", "new", true);
	bind_page_clear();
	send_req("GET", "/p1", "", "");
	assert_int_equal(replied_status, 400);
}

static void test_many(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		size_t from = ntasks;
		uint64_t first = 0;

		for (int i = 0; i < 1000; i++) {
			char headers[96];

			snprintf(headers, sizeof(headers), BASE "X-M2M-RET: %d\n",
				 1000 + i * 7919 % 1000);
			send_req("GET", "/a", headers, "");
			first = first ? first : tasks[ntasks - 1].id;
		}
		assert_int_equal(primitive_count(), 1000);
		for (size_t i = 0; i < 1000; i++)
			answer_id(tasks[from + i * 7919 % 1000].id, 2000, NULL);
		assert_int_equal(primitive_count(), 0);
		assert_false(primitive_answer(first, &(struct answer){ .rsc = 2000 }));
	}
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, fakes_open, fakes_close)
	const struct CMUnitTest tests[] = {
		CASE(test_accepted),       CASE(test_refused), CASE(test_answer),
		CASE(test_cbor),           CASE(test_accept),  CASE(test_status),
		CASE(test_administration), CASE(test_expiry),  CASE(test_failed_task),
		CASE(test_many),           CASE(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
