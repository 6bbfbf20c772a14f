/*
 * test_net_raw.c - datagrams, streams, listening and serial lines of net_raw.h against plain sockets
 * and a pseudo-terminal of the same process: the loop runs in short turns, what the peer does happens
 * between them.  The MQTT client is tested against a broker by the wire tests; here are its errors.
 */
#define _GNU_SOURCE /* posix_openpt */
#include "net_raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static struct net *net;
static struct net_timer *timer;
static unsigned changes;

static void on_changed(void *arg)
{
	(void)arg;
	changes++;
	net_stop(net, 0);
}

static void on_timer(void *arg)
{
	(void)arg;
	net_stop(net, 0);
}

static const struct raw_opts opts = { .queue = 4, .bytes = 1000, .changed = on_changed };

static int setup(void **state)
{
	struct err e;

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	net = net_new(&NET_LIMITS, &e);
	if (!net)
		return -1;
	timer = net_timer_new(net, on_timer, NULL);
	changes = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	net_timer_free(timer);
	net_free(net);
	return 0;
}

/* The loop runs until something has changed, at most so long. */
static bool turn(double seconds)
{
	unsigned before = changes;

	net_timer_start(timer, seconds);
	net_run(net);
	return changes > before;
}

static struct sockaddr_in local(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static int plain_socket(int type, int port)
{
	struct timeval limit = { 10, 0 };
	struct sockaddr_in a = local(port);
	int fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

#define assert_str(s, text) assert_true(str_is(s, text))

/* ---- datagrams ------------------------------------------------------------------------------- */

static void test_udp(void **state)
{
	struct str data, from, to;
	struct err e = { 0 };
	struct net_udp *u = net_udp_open(net, "127.0.0.1", 0, &opts, &e);
	char text[80], got[16];
	int fd;

	(void)state;
	assert_non_null(u);
	assert_false(net_udp_take(u, &data, &from));
	fd = plain_socket(SOCK_DGRAM, net_udp_port(u));
	assert_int_equal(send(fd, "one", 3, 0), 3);
	assert_true(turn(5));
	assert_int_equal(send(fd, "", 0, 0), 0);
	assert_false(turn(0.05)); /* told already: nobody has asked again */
	assert_true(net_udp_take(u, &data, &from));
	assert_str(data, "one");
	assert_int_equal(memcmp(from.p, "127.0.0.1:", 10), 0);
	snprintf(text, sizeof(text), "%.*s", STRFMT(from));
	assert_true(net_udp_take(u, &data, &from));
	assert_int_equal(data.n, 0);
	to = str_of(text);
	assert_true(net_udp_send(u, to, STR("back"), &e));
	assert_int_equal(recv(fd, got, sizeof(got), 0), 4);
	close(fd);
	net_udp_close(u);
	net_udp_close(NULL);
}

static void test_udp_bounds(void **state)
{
	static struct metric dropped, received;
	struct raw_opts o = opts;
	struct str data, from;
	struct err e = { 0 };
	struct net_udp *u;
	char block[600] = { 0 };
	int fd;

	(void)state;
	o.dropped = &dropped;
	o.received = &received;
	u = net_udp_open(net, "127.0.0.1", 0, &o, &e);
	fd = plain_socket(SOCK_DGRAM, net_udp_port(u));
	for (char c = '0'; c < '6'; c++)
		assert_int_equal(send(fd, &c, 1, 0), 1);
	assert_true(turn(5));
	assert_int_equal((int)received.value, 4);
	assert_int_equal((int)dropped.value, 2);
	for (char c = '0'; c < '4'; c++) {
		assert_true(net_udp_take(u, &data, &from));
		assert_int_equal(*data.p, c);
	}
	assert_false(net_udp_take(u, &data, &from));
	send(fd, block, sizeof(block), 0);
	send(fd, block, sizeof(block), 0); /* more than 1000 bytes */
	assert_true(turn(5));
	turn(0.02);
	assert_int_equal((int)dropped.value, 3);
	close(fd);
	net_udp_close(u);
}

static void test_udp_errors(void **state)
{
	static const char *const bad[] = { "",
					   ":",
					   "a:1",
					   "127.0.0.1",
					   "127.0.0.1:",
					   ":80",
					   "127.0.0.1:0",
					   "127.0.0.1:70000",
					   "127.0.0.1:8x",
					   "[::1]:80",
					   "1.2.3.4:123456" };
	struct err e = { 0 };
	struct net_udp *u = net_udp_open(net, "127.0.0.1", 0, &opts, &e);
	struct net_udp *six;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(net_udp_send(u, str_of(bad[i]), STR("x"), &e));
	assert_null(net_udp_open(net, "127.0.0.1", net_udp_port(u), &opts, &e));
	assert_non_null(strstr(e.msg, "Address already in use"));
	assert_null(net_udp_open(net, "localhost", 0, &opts, &e));
	assert_string_equal(e.msg, "localhost is no numeric address");
	six = net_udp_open(net, "::1", 0, &opts, &e);
	if (six) { /* a host without IPv6 has none */
		assert_true(net_udp_send(six, STR("[::1]:9"), STR("x"), &e));
		assert_false(net_udp_send(six, STR("127.0.0.1:9"), STR("x"), &e));
	}
	net_udp_close(six);
	net_udp_close(u);
}

/* ---- streams --------------------------------------------------------------------------------- */

static int listening(int *port)
{
	struct sockaddr_in a = local(0);
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* A stream that is open, and its other end. */
static struct net_stream *opened(int *peer)
{
	int port, fd = listening(&port);
	struct net_stream *s = net_dial(net, "127.0.0.1", port, NULL, 5, &opts);

	assert_int_equal(net_stream_state(s, NULL), RAW_OPENING);
	assert_true(turn(5));
	assert_int_equal(net_stream_state(s, NULL), RAW_OPEN);
	*peer = accept(fd, NULL, NULL);
	assert_true(*peer >= 0);
	close(fd);
	return s;
}

static bool reads(struct net_stream *s, enum stream_read how, size_t n, const char *expected)
{
	struct str data;

	for (int i = 0; i < 20; i++) {
		if (net_stream_read(s, how, n, &data))
			return str_is(data, expected);
		turn(0.5);
	}
	return false;
}

static void test_stream_reads(void **state)
{
	struct str data;
	const char *why;
	int peer;
	struct net_stream *s = opened(&peer);

	(void)state;
	assert_false(net_stream_read(s, READ_SOME, 0, &data));
	assert_int_equal(send(peer, "abcline\r\n\r\n\nx", 13, 0), 13);
	assert_true(reads(s, READ_BYTES, 3, "abc"));
	assert_true(reads(s, READ_LINE, 0, "line"));
	assert_true(reads(s, READ_LINE, 0, ""));
	assert_true(reads(s, READ_LINE, 0, ""));
	assert_false(net_stream_read(s, READ_LINE, 0, &data));
	assert_false(net_stream_read(s, READ_BYTES, 2, &data));
	assert_true(reads(s, READ_SOME, 0, "x"));
	assert_false(net_stream_read(s, READ_ALL, 0, &data));
	assert_int_equal(send(peer, "last", 4, 0), 4);
	shutdown(peer, SHUT_WR);
	assert_true(reads(s, READ_ALL, 0, "last"));
	assert_int_equal(net_stream_state(s, &why), RAW_CLOSED);
	assert_string_equal(why, "closed by the peer");
	assert_false(net_stream_read(s, READ_SOME, 0, &data));
	assert_true(net_stream_write(s, STR("half open"))); /* the peer still reads */
	net_stream_close(s);
	turn(0.02);
	close(peer);
}

static void test_stream_stops_reading(void **state)
{
	char block[5000];
	struct str data;
	size_t n = 0;
	int peer;
	struct net_stream *s = opened(&peer);

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(send(peer, block, sizeof(block), 0), sizeof(block));
	turn(0.2);
	while (
	    net_stream_read(s, READ_BYTES, 100, &data)) /* what it holds, not what the kernel has */
		n += data.n;
	assert_int_equal(n, 1000);
	for (int i = 0; i < 100 && n < sizeof(block); i++) {
		turn(0.2);
		while (net_stream_read(s, READ_SOME, 0, &data))
			n += data.n;
	}
	assert_int_equal(n, sizeof(block));
	close(peer);
	net_stream_close(s);
}

static void test_stream_too_long(void **state)
{
	char block[1500];
	struct str data;
	const char *why;
	int peer;
	struct net_stream *s = opened(&peer);

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(send(peer, block, sizeof(block), 0), sizeof(block));
	for (int i = 0; i < 20 && net_stream_state(s, NULL) == RAW_OPEN; i++) {
		turn(0.2);
		assert_false(net_stream_read(s, READ_LINE, 0, &data));
	}
	assert_int_equal(net_stream_state(s, &why), RAW_CLOSED);
	assert_string_equal(why, "more than 1000 bytes without the end of a line");
	assert_false(net_stream_read(s, READ_SOME, 0, &data));
	assert_false(net_stream_write(s, STR("x")));
	close(peer);
	net_stream_close(s);
}

static void test_stream_writes(void **state)
{
	static char block[1000000];
	size_t n = 0, asked = 0;
	int peer;
	struct net_stream *s = opened(&peer);

	(void)state;
	while (net_stream_waiting(s) <= 1000) {
		assert_true(net_stream_write(s, (struct str){ block, sizeof(block) }));
		asked += sizeof(block);
		assert_true(asked < 100 * sizeof(block));
	}
	while (n < asked) {
		ssize_t got = recv(peer, block, sizeof(block), MSG_DONTWAIT);

		if (got > 0)
			n += (size_t)got;
		else
			turn(0.01);
	}
	turn(0.01);
	assert_int_equal(net_stream_waiting(s), 0);
	assert_true(net_stream_write(s, STR("bye")));
	net_stream_close(s); /* what was written leaves, then the end */
	turn(0.02);
	assert_int_equal(recv(peer, block, sizeof(block), 0), 3);
	assert_int_equal(recv(peer, block, sizeof(block), 0), 0);
	close(peer);
	turn(0.02);
}

static void test_dial_errors(void **state)
{
	const char *why;
	int port, fd = listening(&port);
	struct net_stream *s, *given_up;

	(void)state;
	close(fd);
	s = net_dial(net, "127.0.0.1", port, NULL, 5, &opts);
	assert_true(turn(5));
	assert_int_equal(net_stream_state(s, &why), RAW_CLOSED);
	assert_non_null(strstr(why, "Connection refused"));
	assert_false(net_stream_write(s, STR("x")));
	net_stream_close(s);
	given_up = net_dial(net, "127.0.0.1", port, NULL, 5, &opts);
	net_stream_close(given_up); /* while it opens */
	fd = listening(&port);
	s = net_dial(net, "127.0.0.1", port, &(struct net_tls_files){ 0 }, 0.1,
		     &opts); /* the peer says nothing */
	assert_true(turn(5));
	assert_int_equal(net_stream_state(s, &why), RAW_CLOSED);
	assert_non_null(strstr(why, "cannot connect in time"));
	net_stream_close(s);
	close(fd);
	net_dial(net, "127.0.0.1", port, NULL, 5, &opts); /* the loop ends first */
}

static void test_gate(void **state)
{
	static struct metric dropped;
	struct raw_opts o = opts;
	struct net_stream *s[2];
	struct err e = { 0 };
	struct net_gate *g;
	struct str peer;
	int fd[3];
	char c;

	(void)state;
	o.dropped = &dropped;
	g = net_gate_open(net, "127.0.0.1", 0, 2, &o, &e);
	assert_non_null(g);
	assert_null(net_gate_open(net, "127.0.0.1", net_gate_port(g), 2, &o, &e));
	for (int i = 0; i < 3; i++)
		fd[i] = plain_socket(SOCK_STREAM, net_gate_port(g));
	assert_true(turn(5));
	turn(0.05);
	for (int i = 0; i < 2; i++) {
		s[i] = net_gate_take(g, on_changed, NULL, &peer);
		assert_non_null(s[i]);
		assert_int_equal(memcmp(peer.p, "127.0.0.1:", 10), 0);
	}
	assert_null(net_gate_take(g, on_changed, NULL, &peer));
	assert_int_equal((int)dropped.value, 1);
	assert_int_equal(recv(fd[2], &c, 1, 0), 0);
	assert_int_equal(send(fd[0], "hello", 5, 0), 5);
	assert_true(reads(s[0], READ_SOME, 0, "hello"));
	net_gate_close(g);
	assert_int_equal(plain_socket(SOCK_STREAM, 1), -1);
	assert_true(net_stream_write(s[1], STR("still"))); /* its connections stay */
	for (int i = 0; i < 2; i++)
		net_stream_close(s[i]);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	turn(0.05);
}

/* ---- serial lines ---------------------------------------------------------------------------- */

static const struct serial_opts line = { .baud = 9600, .bits = 8, .stop = 1, .parity = 'n' };

static void test_serial(void **state)
{
	struct net_stream *s;
	struct err e = { 0 };
	const char *why;
	char got[8];
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	(void)state;
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	s = net_serial_open(net, ptsname(master), &line, &opts, &e);
	assert_non_null(s);
	assert_int_equal(net_stream_state(s, NULL), RAW_OPEN);
	assert_int_equal(write(master, "a\r\n\003\0z", 6), 6);
	assert_true(reads(s, READ_LINE, 0, "a"));
	assert_true(reads(s, READ_BYTES, 1, "\003"));
	assert_true(net_stream_write(s, STR("\n\r\021")));
	assert_int_equal(read(master, got, sizeof(got)), 3);
	assert_memory_equal(got, "\n\r\021", 3);
	close(master);
	for (int i = 0; i < 20 && net_stream_state(s, NULL) == RAW_OPEN; i++)
		turn(0.2);
	assert_int_equal(net_stream_state(s, &why), RAW_CLOSED);
	assert_string_equal(why, "the device is gone");
	net_stream_close(s);
}

static void test_serial_errors(void **state)
{
	struct serial_opts bad = line;
	struct err e = { 0 };
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	(void)state;
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	bad.baud = 12345;
	assert_null(net_serial_open(net, ptsname(master), &bad, &opts, &e));
	assert_non_null(strstr(e.msg, "12345 baud is not possible"));
	bad = line;
	bad.bits = 9;
	assert_null(net_serial_open(net, ptsname(master), &bad, &opts, &e));
	assert_null(net_serial_open(net, "/dev/null", &line, &opts, &e));
	assert_string_equal(e.msg, "/dev/null: not a terminal");
	assert_null(net_serial_open(net, "/dev/no such", &line, &opts, &e));
	close(master);
}

/* ---- MQTT ------------------------------------------------------------------------------------ */

static void test_mqtt_errors(void **state)
{
	struct mqtt_opts c = { .host = "127.0.0.1", .keepalive = 60, .clean = true };
	struct mqtt_message m = { .topic = STR("t"), .payload = STR("x") };
	struct err e = { 0 };
	struct net_mqtt *q;
	const char *why;
	int fd = listening(&c.port);

	(void)state;
	close(fd);
	q = net_mqtt_open(net, &c, &opts, &e);
	assert_non_null(q);
	assert_false(net_mqtt_publish(q, &m, &e));
	assert_string_equal(e.msg, "not connected");
	for (int i = 0; i < 20 && net_mqtt_state(q, NULL) == RAW_OPENING; i++)
		turn(0.2);
	assert_int_equal(net_mqtt_state(q, &why), RAW_CLOSED);
	m.qos = 1;
	for (int i = 0; i < 4; i++) {
		assert_true(net_mqtt_room(q));
		assert_true(net_mqtt_publish(q, &m, &e));
	}
	assert_false(net_mqtt_room(q));
	assert_false(net_mqtt_take(q, &m));
	assert_false(net_mqtt_subscribe(q, "t", 0, &e));
	net_mqtt_reopen(q);
	net_mqtt_close(q);
	c.will_topic = "not/#";
	c.will = STR("x");
	assert_null(net_mqtt_open(net, &c, &opts, &e));
	assert_int_equal(memcmp(e.msg, "will: ", 6), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_udp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_stops_reading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dial_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_serial, setup, teardown),
		cmocka_unit_test_setup_teardown(test_serial_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mqtt_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
