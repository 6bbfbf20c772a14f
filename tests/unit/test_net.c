/*
 * test_net.c - the HTTP server and client over real sockets: order, reuse, deadlines, refusals,
 * bounds.
 */
#define _GNU_SOURCE
#include "net_app.h"

#define H "Host: t\r\n"

static int setup(void **state)
{
	struct net_limits lim = NET_LIMITS;

	(void)state;
	lim.header_time = 0.4;
	lim.body_time = 0.4;
	lim.body_rate = 1e9;
	lim.idle_time = 0.8;
	lim.pipeline = 4;
	lim.body = 300000;
	start_server(&lim);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(stop_server(), 7);
	end_tls();
	return 0;
}

static void test_get(void **state)
{
	char *text = ask(port, "GET /echo?a HTTP/1.1\r\n" H "Connection: close\r\n\r\n");

	(void)state;
	assert_non_null(strstr(text, "HTTP/1.1 200 \r\nDate: "));
	assert_non_null(strstr(text, "\r\nConnection: close\r\nX-A: b\r\n\r\n"));
	assert_non_null(strstr(text, "Content-Length: 22\r\n"));
	assert_non_null(strstr(text, "GET /echo?a 127.0.0.1\n"));
}

static void test_keep_alive(void **state)
{
	int fd = dial(port);

	(void)state;
	for (int i = 0; i < 5; i++) {
		char *text;

		say(fd, "POST /e HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nxyz");
		text = hear_until(fd, "\nxyz");
		assert_null(strstr(text, "Connection:"));
	}
	say(fd, "GET /last HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_non_null(strstr(hear_until(fd, "127.0.0.1\n"), "Connection: keep-alive"));
	say(fd, "GET /last HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(hear_all(fd), "Connection: close"));
}

static void test_head_and_204(void **state)
{
	int fd = dial(port);
	char *text;

	(void)state;
	say(fd, "HEAD /echo HTTP/1.1\r\n" H "\r\nGET /nobody HTTP/1.1\r\n" H
		"Connection: close\r\n\r\n");
	text = hear_all(fd);
	assert_non_null(strstr(text, "Content-Length: 21\r\nX-A: b\r\n\r\nHTTP/1.1 204 \r\n"));
	assert_null(strstr(strstr(text, "204"), "Content-Length"));
}

/* Later requests are answered sooner by the app; the wire keeps their order.  More than the
 * pipeline takes (4) are all answered. */
static void test_order(void **state)
{
	char text[4000] = "", *heard, *at;
	int fd = dial(port);

	(void)state;
	for (int i = 0; i < 12; i++)
		sprintf(text + strlen(text), "GET /late/%d?%d HTTP/1.1\r\n" H "\r\n",
			i % 4 == 0 ? 60 : 4 - i % 4, i);
	say(fd, text);
	say(fd, "GET /echo HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	at = heard = hear_all(fd);
	for (int i = 0; i < 12; i++) {
		char want[40];

		sprintf(want, "?%d", i);
		at = strstr(at, want);
		if (!at)
			fail_msg("no answer %d in %s", i, heard);
	}
	assert_non_null(strstr(at, "GET /echo"));
}

static void test_slow_pieces(void **state)
{
	static const char text[] = "POST /e HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
	int fd = dial(port);

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		assert_int_equal(send(fd, text + i, 1, 0), 1);
	hear_until(fd, "127.0.0.1\nabcde");
	close(fd);
}

static void test_continue(void **state)
{
	int fd = dial(port);

	(void)state;
	say(fd, "POST /e HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	assert_string_equal(hear_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "ok");
	hear_until(fd, "127.0.0.1\nok");
	/* behind another request it waits its turn */
	say(fd, "GET /late/50 HTTP/1.1\r\n" H "\r\n"
		"POST /e HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	hear_until(fd, "late /late/50");
	assert_string_equal(hear_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "ok");
	hear_until(fd, "127.0.0.1\nok");
	close(fd);
	assert_non_null(strstr(ask(port, "POST /e HTTP/1.1\r\n" H "Expect: 100-continue\r\n"
					 "Content-Length: 99999999\r\n\r\n"),
			       "HTTP/1.1 413 "));
	assert_non_null(
	    strstr(ask(port, "GET /e HTTP/1.1\r\n" H "Expect: magic\r\n\r\n"), "HTTP/1.1 417 "));
}

static void test_refusals(void **state)
{
	(void)state;
	assert_non_null(strstr(ask(port, "BREW / HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 501 "));
	assert_non_null(strstr(ask(port, "GET / HTTP/2.0\r\n" H "\r\n"), "HTTP/1.1 505 "));
	assert_non_null(strstr(ask(port, "GET / HTTP/1.1\r\n\r\n"), "Host is missing"));
	assert_non_null(strstr(ask(port, "GET / HTTP/1.1\r\n\r\n"), "Connection: close"));
	/* answered in order, and nothing after it is looked at */
	{
		char *text =
		    ask(port, "GET /late/30 HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\nX\r\n\r\n"
			      "GET /never HTTP/1.1\r\n" H "\r\n");

		assert_non_null(strstr(text, "late"));
		assert_non_null(strstr(strstr(text, "late"), "HTTP/1.1 400 "));
		assert_null(strstr(text, "never"));
	}
	assert_non_null(strstr(ask(ws_port, "GET / HTTP/1.1\r\n" H "\r\n"), "HTTP/1.1 426 "));
}

/* The answer must arrive although the client is still sending. */
static void test_refused_while_sending(void **state)
{
	int fd = dial(port);
	char *text = calloc(1, 200001);

	(void)state;
	memset(text, 'x', 200000);
	say(fd, "GET / HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n");
	send(fd, text, 200000, MSG_NOSIGNAL);
	free(text);
	assert_non_null(strstr(hear_all(fd), "more than one Host"));
}

static void test_deadlines(void **state)
{
	double start = seconds();
	int head = dial(port), body = dial(port), idle = dial(port), good = dial(port);

	(void)state;
	say(head, "GET / HTTP/1.1\r\nHo");
	say(body, "POST / HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
	assert_non_null(strstr(hear_all(head), "HTTP/1.1 408 "));
	assert_true(seconds() - start < 0.75);
	assert_non_null(strstr(hear_all(body), "HTTP/1.1 408 "));
	assert_true(seconds() - start < 0.75);
	assert_string_equal(hear_all(idle), "");
	assert_true(seconds() - start > 0.7 && seconds() - start < 1.5);
	close(good);
	/* waiting for the application has no deadline */
	assert_non_null(
	    strstr(ask(port, "GET /late/1000 HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), "late"));
}

/* A byte now and then does not keep a head alive. */
static void test_slow_header(void **state)
{
	double start = seconds();
	int fd = dial(port);
	const char *text = "GET / HTTP/1.1\r\nHost: slow and slower\r\n\r\n";

	(void)state;
	for (; *text && seconds() - start < 1; text++) {
		if (send(fd, text, 1, MSG_NOSIGNAL) != 1)
			break;
		usleep(40000);
	}
	assert_non_null(strstr(hear_all(fd), "HTTP/1.1 408 "));
	assert_true(seconds() - start < 1.5);
}

static void test_half_close(void **state)
{
	int fd = dial(port);

	(void)state;
	say(fd, "GET /late/50 HTTP/1.1\r\n" H "\r\n");
	shutdown(fd, SHUT_WR);
	assert_non_null(strstr(hear_all(fd), "late"));
}

static void test_gone(void **state)
{
	int fd = dial(port);
	struct linger hard = { 1, 0 };

	(void)state;
	say(fd, "GET /late/100 HTTP/1.1\r\n" H "\r\nGET /late/10 HTTP/1.1\r\n" H "\r\n");
	usleep(20000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd); /* reset */
	usleep(200000);
	stat_has("http=1 ");
}

static void test_large_body(void **state)
{
	int fd = dial(port);
	char *text = malloc(250001), *heard;

	(void)state;
	memset(text, 'y', 250000);
	text[250000] = 0;
	say(fd, "POST /e HTTP/1.1\r\n" H "Connection: close\r\nContent-Length: 250000\r\n\r\n");
	say(fd, text);
	heard = hear_all(fd);
	assert_int_equal(strlen(strstr(heard, "\n\r\n") + 3),
			 strlen("POST /e 127.0.0.1\n") + 250000);
	free(text);
}

/* A client that sends without reading is not read for ever: no more than the kernel's buffers. */
static void test_backpressure(void **state)
{
	static char one[2100];
	int fd = dial(port),
	    n = sprintf(one, "POST /e HTTP/1.1\r\n" H "Content-Length: 2000\r\n\r\n");
	struct pollfd p = { fd, POLLOUT, 0 };
	size_t total = 0, at = 0, len = (size_t)n + 2000;

	(void)state;
	memset(one + n, 'z', 2000);
	while (poll(&p, 1, 300) == 1) {
		ssize_t put = send(fd, one + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		assert_true(put > 0);
		at = (at + (size_t)put) % len;
		total += (size_t)put;
		assert_true(total < 64u * 1024 * 1024);
	}
	close(fd);
}

static void test_send(void **state)
{
	(void)state;
	assert_string_equal(get("/send/echo?x"), "got 200 POST /echo?x 127.0.0.1\n");
	assert_string_equal(get("/send/echo?y"), "got 200 POST /echo?y 127.0.0.1\n");
	stat_has("out=1 "); /* the same connection served both */
	assert_string_equal(get("/send/nobody"), "got 204 ");
	assert_non_null(strstr(get("/send/late/700"), "failed localhost port"));
	assert_non_null(
	    strstr(get("/send/http://127.0.0.1:1/"), "failed 127.0.0.1 port 1: Connection"));
	assert_non_null(
	    strstr(get("/send/http://no-such-host.invalid/"), "failed no-such-host.invalid"));
	assert_non_null(
	    strstr(get("/send/http://[zz]/"), "failed http://[zz]/: the host is malformed"));
	assert_non_null(strstr(get("/send/httpx://a/"), "not an http"));
	usleep(1000000); /* the server let the resting connection go: sent anew */
	assert_string_equal(get("/send/echo?z"), "got 200 POST /echo?z 127.0.0.1\n");
}

static void test_many_sends(void **state)
{
	int fd[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		fd[i] = dial(port);
		say(fd[i], "GET /send/late/30 HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	}
	for (int i = 0; i < 20; i++)
		assert_non_null(strstr(hear_all(fd[i]), "got 200 late /late/30"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),          cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_head_and_204), cmocka_unit_test(test_order),
		cmocka_unit_test(test_slow_pieces),  cmocka_unit_test(test_continue),
		cmocka_unit_test(test_refusals),     cmocka_unit_test(test_refused_while_sending),
		cmocka_unit_test(test_deadlines),    cmocka_unit_test(test_slow_header),
		cmocka_unit_test(test_half_close),   cmocka_unit_test(test_gone),
		cmocka_unit_test(test_large_body),   cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_send),         cmocka_unit_test(test_many_sends),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
