/*
 * test_net_ws.c - WebSocket over real sockets, spoken byte by byte: handshakes accepted and
 * refused, fragments, control frames, limits, UTF-8, closing both ways, full sockets, dialling.
 */
#define _GNU_SOURCE
#include "ws_client.h"

static const char *const ORIGINS[] = { "https://good.example", NULL };

static int setup(void **state)
{
	struct net_limits lim = NET_LIMITS;

	(void)state;
	lim.body = 100000;
	lim.ping = 0.5;
	lim.hangup = 0.9;
	lim.read_stall = 0.8;
	lim.unidentified = 5;
	lim.origins = ORIGINS;
	start_server(&lim);
	return 0;
}

static int teardown(void **state)
{
	int status = 0;

	(void)state;
	waitpid(server, &status, 0); /* test_shutdown told it to end */
	assert_int_equal(WEXITSTATUS(status), 7);
	end_tls();
	return 0;
}

static int open_ws(void)
{
	return hello(port, "/x", "X-M2M-Origin: Cme\r\n");
}

/* Closes from this side and checks that the code comes back. */
static void leave(int fd)
{
	send_frame(fd, 0x88, "\x03\xe8", 2, true);
	assert_int_equal(read_frame(fd), 0x88);
	assert_memory_equal(frame, "\x03\xe8", 2);
	assert_int_equal(read_frame(fd), -1);
	close(fd);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_echo(void **state)
{
	int fd = open_ws(), alone = hello(ws_port, "/y", "X-M2M-Origin: Cme\r\n");
	char big[70000];

	(void)state;
	send_text(fd, "hello");
	expect_text(fd, "hello");
	send_frame(fd, 0x82, "\0\1\2", 3, true);
	assert_int_equal(read_frame(fd), 0x82);
	assert_memory_equal(frame, "\0\1\2", 3);
	send_text(fd, "");
	expect_text(fd, "");
	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	big[65536] = 0;
	for (int n = 65536; n > 65534; n--) { /* both sides of the 16-bit length */
		big[n] = 0;
		send_text(fd, big);
		expect_text(fd, big);
	}
	big[126] = 0;
	send_text(fd, big);
	expect_text(fd, big);
	send_text(alone, "alone");
	expect_text(alone, "alone");
	leave(fd);
	leave(alone);
	stat_has("code=1000 ");
}

static void test_hello(void **state)
{
	char text[1000];
	int fd = dial(port);

	(void)state;
	snprintf(text, sizeof(text),
		 "GET /notify/T?x HTTP/1.1\r\n" HELLO
		 "X-M2M-Origin: Cae\r\nAuthorization: Bearer t\r\n"
		 "Origin: https://good.example\r\nSec-WebSocket-Protocol: zzz,oneM2M.JSON\r\n"
		 "Sec-WebSocket-Protocol: a.b\r\n\r\n");
	say(fd, text);
	/* the spelling is the client's */
	assert_non_null(
	    strstr(hear_until(fd, "\r\n\r\n"), "Sec-WebSocket-Protocol: oneM2M.JSON\r\n"));
	leave(fd);
	stat_has(
	    "hello=/notify/T?x|Cae|zzz,oneM2M.JSON, a.b|Bearer t|https://good.example|oneM2M.JSON");
	fd = dial(port);
	say(fd, "GET / HTTP/1.1\r\n" HELLO "X-M2M-Origin: Cae\r\n\r\n");
	assert_null(strstr(hear_until(fd, "\r\n\r\n"), "Protocol:"));
	leave(fd);
}

static void refused(const char *text, const char *status)
{
	char *heard = ask(port, text);

	if (strncmp(heard, status, strlen(status)) != 0)
		fail_msg("%s\ngave\n%s", text, heard);
}

#define UP "Host: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void test_refused(void **state)
{
	(void)state;
	refused("GET /refuse HTTP/1.1\r\n" HELLO "\r\n", "HTTP/1.1 403 ");
	refused("GET / HTTP/1.1\r\n" HELLO "Sec-WebSocket-Protocol: unknown\r\n\r\n",
		"HTTP/1.1 400 ");
	refused("POST / HTTP/1.1\r\n" HELLO "\r\n", "HTTP/1.1 400 ");
	refused("GET / HTTP/1.1\r\n" HELLO "Content-Length: 0\r\n\r\n", "HTTP/1.1 400 ");
	refused("GET / HTTP/1.1\r\n" UP KEY "Sec-WebSocket-Version: 8\r\n\r\n", "HTTP/1.1 426 ");
	refused("GET / HTTP/1.1\r\n" UP KEY "\r\n", "HTTP/1.1 426 ");
	refused("GET / HTTP/1.1\r\n" UP V13 "\r\n", "HTTP/1.1 400 ");
	refused("GET / HTTP/1.1\r\n" UP V13 KEY KEY "\r\n", "HTTP/1.1 400 ");
	refused("GET / HTTP/1.1\r\n" UP V13 "Sec-WebSocket-Key: short\r\n\r\n", "HTTP/1.1 400 ");
	refused("GET / HTTP/1.1\r\n" UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!\r\n\r\n",
		"HTTP/1.1 400 ");
	refused("GET / HTTP/1.1\r\n" HELLO "Host: u\r\n\r\n", "HTTP/1.1 400 ");
	refused("GET / HTTP/1.1\r\n" HELLO "Origin: https://evil.example\r\n\r\n", "HTTP/1.1 403 ");
	/* not an upgrade to us: ordinary HTTP */
	refused("GET /echo HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
		"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
		"HTTP/1.1 200 ");
	refused("GET /echo HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"HTTP/1.1 200 ");
}

/* Behind other requests, and with frames sent along before the answer. */
static void test_hand_over(void **state)
{
	char text[3000];
	int fd = dial(port);
	size_t n;

	(void)state;
	n = (size_t)sprintf(text, "GET /late/50 HTTP/1.1\r\nHost: t\r\n\r\n"
				  "GET /greet HTTP/1.1\r\n" HELLO "X-M2M-Origin: Cme\r\n\r\n");
	memcpy(text + n, "\x81\x83\0\0\0\0abc\x81\x83\0\0\0\0def\x81\x8a\0\0\0\0", 24);
	assert_int_equal(send(fd, text, n + 24, 0), (ssize_t)n + 24);
	hear_until(fd, "late /late/50");
	assert_non_null(strstr(hear_until(fd, "\r\n\r\n"), "HTTP/1.1 101 "));
	expect_text(fd, "welcome");
	expect_text(fd, "abc");
	expect_text(fd, "def");
	assert_int_equal(send(fd, "0123456789", 10, 0), 10);
	expect_text(fd, "0123456789");
	leave(fd);
}

static void test_fragments(void **state)
{
	int fd = open_ws();

	(void)state;
	send_frame(fd, 0x01, "one ", 4, true);
	send_frame(fd, 0x89, "ping", 4, true);
	assert_int_equal(read_frame(fd), 0x8a);
	assert_string_equal(frame, "ping");
	send_frame(fd, 0x00, "two ", 4, true);
	send_frame(fd, 0x80, "three", 5, true);
	expect_text(fd, "one two three");
	send_frame(fd, 0x02, "\xff", 1, true);
	send_frame(fd, 0x80, "", 0, true);
	assert_int_equal(read_frame(fd), 0x82);
	assert_string_equal(frame, "\xff");
	send_frame(fd, 0x01, "gr\xc3", 3, true); /* a character across fragments */
	send_frame(fd, 0x80,
		   "\xbc"
		   "n",
		   2, true);
	expect_text(fd, "gr\xc3\xbcn");
	send_frame(fd, 0x01, "", 0, true);
	send_frame(fd, 0x80, "", 0, true);
	expect_text(fd, "");
	leave(fd);
}

static void test_utf8(void **state)
{
	static const char *const bad[] = { "\xc3(",    "\xed\xa0\x80", "\xf4\x90\x80\x80",
					   "\xc0\x80", "a\xff",        "\xe2\x82" };
	int fd;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		fd = open_ws();
		send_text(fd, bad[i]);
		expect_close(fd, 1007);
		stat_has("code=1007 ");
	}
	fd = open_ws();
	send_frame(fd, 0x01, "gr\xc3", 3, true);
	send_frame(fd, 0x80, "", 0, true); /* torn for ever */
	expect_close(fd, 1007);
	fd = open_ws();
	send_text(fd, "\xf0\x9f\x98\x80");
	expect_text(fd, "\xf0\x9f\x98\x80");
	leave(fd);
}

static void test_too_large(void **state)
{
	char *big = malloc(100001);
	int fd = open_ws();

	(void)state;
	memset(big, 'x', 100001);
	send_frame(fd, 0x82, big, 100000, true);
	assert_int_equal(read_frame(fd), 0x82);
	assert_int_equal(frame_len, 100000);
	/* by the length in its header, before its body is there */
	send(fd, "\x82\xff\0\0\0\0\x7f\0\0\0\1\1\1\1zzzz", 18, 0);
	expect_close(fd, 1009);
	stat_has("code=1009 ");
	fd = open_ws();
	send_frame(fd, 0x02, big, 60000, true);
	send_frame(fd, 0x80, big, 60000, true);
	expect_close(fd, 1009);
	free(big);
}

static void test_broken_frames(void **state)
{
	static const struct {
		int first;
		const char *p;
		size_t n;
	} bad[] = {
		{ 0x83, "x", 1 }, /* reserved opcode */
		{ 0x8b, "x", 1 }, { 0xc1, "x", 1 }, /* a reserved bit */
		{ 0x80, "x", 1 }, /* continues nothing */
		{ 0x09, "x", 1 }, /* fragmented control frame */
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		int fd = open_ws();

		send_frame(fd, bad[i].first, bad[i].p, bad[i].n, true);
		expect_close(fd, 1002);
		stat_has("code=1002 ");
	}
}

static void test_close(void **state)
{
	int fd = open_ws();

	(void)state;
	send_text(fd, "close 4001");
	assert_int_equal(read_frame(fd), 0x88);
	assert_memory_equal(frame,
			    "\x0f\xa1"
			    "asked",
			    7);
	send_frame(fd, 0x88, "\x0f\xa1", 2, true);
	assert_int_equal(read_frame(fd), -1);
	close(fd);
	stat_has("code=4001 ");
	fd = open_ws(); /* what was queued goes first, what comes later does not go */
	send_text(fd, "bye now");
	expect_text(fd, "last words");
	expect_close(fd, 4000);
	stat_has("code=4000 ");
	fd = open_ws();
	send_frame(fd, 0x88, "\x0f\xa5went", 6, true);
	assert_int_equal(read_frame(fd), 0x88);
	assert_int_equal(read_frame(fd), -1);
	close(fd);
	stat_has("code=4005 ");
	fd = open_ws();
	send_frame(fd, 0x88, "", 0, true);
	assert_int_equal(read_frame(fd), 0x88);
	close(fd);
	stat_has("code=1005 ");
	fd = open_ws();
	close(fd);
	stat_has("code=1006 ");
}

/* One that does not answer our close frame is let go. */
static void test_close_ignored(void **state)
{
	double start = seconds();
	int fd = open_ws();

	(void)state;
	send_text(fd, "close 4002");
	assert_int_equal(read_frame(fd), 0x88);
	send_text(fd, "more");
	assert_int_equal(read_frame(fd), -1);
	assert_true(seconds() - start < 6);
	close(fd);
	stat_has("code=4002 ");
}

static void test_ping(void **state)
{
	int fd = open_ws();
	double start = seconds();

	(void)state;
	assert_int_equal(read_frame(fd), 0x89);
	assert_true(seconds() - start > 0.4);
	send_frame(fd, 0x8a, frame, frame_len, true);
	assert_int_equal(read_frame(fd), 0x89); /* alive: it goes on */
	send_text(fd, "talking counts too");
	expect_text(fd, "talking counts too");
	assert_int_equal(read_frame(fd), 0x89);
	assert_int_equal(read_frame(fd), 0x88); /* no pong: hung up, and told */
	assert_int_equal((unsigned char)frame[0] << 8 | (unsigned char)frame[1], 1001);
	assert_non_null(memmem(frame, frame_len, "limits.hangup", 13));
	assert_int_equal(read_frame(fd), -1);
	assert_true(seconds() - start < 4);
	close(fd);
	stat_has("code=1001 ");
}

static void expect_passed(int fd, const char *want)
{
	send_text(fd, "passed");
	expect_text(fd, want);
}

/* A ping behind what was written; none when nothing was. */
static void test_mark(void **state)
{
	int fd = open_ws();

	(void)state;
	expect_passed(fd, "0 0");
	send_text(fd, "mark");
	assert_int_equal(read_frame(fd), 0x89);
	assert_memory_equal(frame, "1", 1);
	send_text(fd, "mark");
	expect_passed(fd, "1 0");
	send_frame(fd, 0x8a, "7", 1, true); /* a number that was never sent */
	expect_passed(fd, "1 0");
	send_frame(fd, 0x8a, "1", 1, true);
	expect_passed(fd, "1 1");
	send_text(fd, "mark");
	assert_int_equal(read_frame(fd), 0x89);
	assert_memory_equal(frame, "2", 1);
	expect_passed(fd, "2 1");
	leave(fd);
}

/* 100 frames of 60 kB, more than a socket takes, all arrive whole. */
static void test_flood(void **state)
{
	int fd = open_ws();

	(void)state;
	send_text(fd, "flood 100");
	usleep(100000);
	for (int i = 100; i > 0; i--) {
		char want[20];
		int n = sprintf(want, "n%d", i);

		while (read_frame(fd) == 0x89)
			send_frame(fd, 0x8a, frame, frame_len, true);
		assert_memory_equal(frame, want, n);
		assert_int_equal(frame_len, 60000 + n);
	}
	leave(fd);
}

/* Larger than the shared buffer: goes by itself. */
static void test_large_push(void **state)
{
	int fd = open_ws();

	(void)state;
	send_text(fd, "flood 0"); /* sets the size: 60000 */
	get("/push/3");
	for (int i = 3; i > 0; i--)
		assert_int_equal(read_frame(fd), 0x81);
	assert_int_equal(frame_len, 60002);
	leave(fd);
}

static void test_stall(void **state)
{
	int fd = open_ws();
	double start = seconds();

	(void)state;
	send_text(fd, "flood 400"); /* 24 MB, unread */
	while (seconds() - start < 4) {
		send_frame(fd, 0x8a, "ping", 4, true); /* alive, but does not read */
		usleep(100000);
		if (strstr(get("/stat"), "code=1008 "))
			break;
	}
	stat_has("code=1008 ");
	assert_true(seconds() - start > 0.7 && seconds() - start < 4);
	close(fd);
}

/* One that asks without reading the answers is not read for ever; when it reads, all are there. */
static void test_unread_answers(void **state)
{
	static char text[10008] = "\x81\xfe\x27\x10";
	int fd = open_ws();
	struct pollfd p = { fd, POLLOUT, 0 };
	size_t total = 0;

	(void)state;
	while (poll(&p, 1, 200) == 1) {
		ssize_t put =
		    send(fd, text + total % sizeof(text), sizeof(text) - total % sizeof(text),
			 MSG_DONTWAIT | MSG_NOSIGNAL);

		assert_true(put > 0);
		total += (size_t)put;
		assert_true(total < 64u * 1024 * 1024);
	}
	for (size_t n = total / sizeof(text); n > 0; n--) {
		assert_int_equal(read_frame(fd), 0x81);
		assert_int_equal(frame_len, 10000);
	}
	close(fd);
}

/* Whether the server ends a connection before TLS, and before a byte is read. */
static bool turned_away(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[400] = "";
	bool away;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	away = poll(&p, 1, 200) == 1;
#ifdef OVER_TLS
	assert_true(!away || read(fd, text, sizeof(text) - 1) == 0);
#else
	assert_true(!away || (read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "limits.unid")));
#endif
	close(fd);
	return away;
}

static void test_unidentified(void **state)
{
	int fd[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		fd[i] = hello(port, "/x", "");
	assert_true(turned_away());
	for (int i = 0; i < 5; i++)
		leave(fd[i]);
	for (int i = 0; i < 50 && turned_away(); i++)
		usleep(20000);
	stat_has("unident=0 ");
}

static void test_unmasked(void **state)
{
	int fd = open_ws();

	(void)state;
	send_frame(fd, 0x81, "bare", 4, false);
	expect_close(fd, 1002);
}

/* It is not agreed to, and its bit is an error. */
static void test_deflate(void **state)
{
	int fd = dial(port);

	(void)state;
	say(fd, "GET / HTTP/1.1\r\n" HELLO "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
	assert_null(strstr(hear_until(fd, "\r\n\r\n"), "Extensions"));
	send_frame(fd, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, true);
	expect_close(fd, 1002);
}

#ifdef OVER_TLS
/* Other authorities count for the next connection, also where one rests. */
static void test_trust(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_string_equal(get("/trust"), "ok");
		assert_non_null(strstr(get("/send/x"), "got 200"));
		assert_non_null(strstr(get("/dial/x"), "dialled via a.b"));
		assert_string_equal(get("/distrust"), "ok");
		assert_non_null(strstr(get("/send/x"), "self-signed certificate"));
		assert_string_equal(get("/dial/x"), "closed 1006");
	}
	assert_string_equal(get("/trust"), "ok");
}
#endif

static void test_shutdown(void **state)
{
	int ws = open_ws(), idle = dial(port), busy = dial(port), last = dial(port);
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int refused_fd = socket(AF_INET, SOCK_STREAM, 0);
	char *text;

	(void)state;
	say(idle, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n");
	hear_until(idle, "127.0.0.1\n");
	say(busy, "GET /late/200 HTTP/1.1\r\nHost: t\r\n\r\n");
	usleep(20000);
	say(last, "GET /drain HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_non_null(strstr(hear_all(last), "Connection: close"));
	expect_close(ws, 1001);
	assert_string_equal(hear_all(idle), "");
	text = hear_all(busy);
	assert_non_null(strstr(text, "late /late/200"));
	assert_non_null(strstr(text, "Connection: close"));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(refused_fd, (struct sockaddr *)&sa, sizeof(sa)), -1);
	close(refused_fd);
}

static void test_dial(void **state)
{
	(void)state;
	assert_string_equal(get("/dial/x"), "dialled via a.b 0");
	stat_has("code=4321 ");
	stat_has("dialled=0 ");
	stat_has("hello=/x|Cdial|a.b|||a.b");
	assert_string_equal(get("/dial/refuse"), "closed 1006");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),      cmocka_unit_test(test_hello),
		cmocka_unit_test(test_refused),   cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_fragments), cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_too_large), cmocka_unit_test(test_broken_frames),
		cmocka_unit_test(test_close),     cmocka_unit_test(test_close_ignored),
		cmocka_unit_test(test_mark),      cmocka_unit_test(test_ping),
		cmocka_unit_test(test_flood),     cmocka_unit_test(test_large_push),
		cmocka_unit_test(test_stall),     cmocka_unit_test(test_unidentified),
		cmocka_unit_test(test_unmasked),  cmocka_unit_test(test_unread_answers),
		cmocka_unit_test(test_dial),      cmocka_unit_test(test_deflate),
#ifdef OVER_TLS
		cmocka_unit_test(test_trust),
#endif
		cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
