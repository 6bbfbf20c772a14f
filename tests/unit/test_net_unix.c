/*
 * test_net_unix.c - the operator's socket: lines in, text out, bounds.  The client is a child
 * process whose exit code is the verdict.
 */
#include "net_unix.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

#define BIG (5u * 1024 * 1024)

static char dir[64], path[96];
static struct net *net;
static struct net_unix *sock;
static struct net_timer *watch;
static pid_t child;
static int verdict;

static uint64_t later; /* the client that waits */
static uint64_t talks; /* the session */
static unsigned ended; /* sessions that have gone */
static bool flood; /* the session is sent more than it takes */

static void session_line(void *arg, uint64_t client, struct str line)
{
	char text[100];
	int n = snprintf(text, sizeof(text), "<%.*s>\n", STRFMT(line));

	(void)arg;
	assert_true(net_unix_send(sock, client, (struct str){ text, (size_t)n }));
	flood = flood || str_is(line, "flood");
}

static void session_gone(void *arg, uint64_t client)
{
	(void)arg;
	assert_int_equal(net_unix_unread(sock, client), -1);
	assert_false(net_unix_send(sock, client, STR("x")));
	ended++;
}

static const struct net_unix_session session = { session_line, session_gone, NULL };

static bool on_line(void *arg, uint64_t client, struct str line, struct buf *out)
{
	(void)arg;
	if (str_is(line, "talk")) {
		talks = client;
		if (net_unix_keep(sock, client, &session))
			return false;
		buf_str(out, STR("full\n"));
		return true;
	}
	if (str_is(line, "later")) {
		later = client;
		return false;
	}
	if (str_is(line, "big")) {
		for (size_t i = 0; i < BIG / 16; i++)
			buf_str(out, STR("0123456789abcde\n"));
		return true;
	}
	buf_fmt(out, "[%.*s]\n", STRFMT(line));
	return true;
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	snprintf(dir, sizeof(dir), "/tmp/moon2m-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	net = net_new(&NET_LIMITS, &e);
	sock = net_unix_listen(net, path, on_line, NULL, &e);
	return net && sock ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	net_unix_close(sock);
	sock = NULL;
	net_free(net);
	assert_int_equal(access(path, F_OK), -1);
	rmdir(dir);
	return 0;
}

static void look(void *arg)
{
	int status;

	(void)arg;
	if (later) {
		assert_false(net_unix_answer(sock, later + 100, STR("no")));
		assert_true(net_unix_answer(sock, later, STR("at last\n")));
		assert_false(net_unix_answer(sock, later, STR("again\n")));
		later = 0;
	}
	if (flood && talks) {
		static char block[65536];

		while (net_unix_send(sock, talks, (struct str){ block, sizeof(block) }))
			assert_true(net_unix_unread(sock, talks) < (10 << 20));
		assert_true(net_unix_unread(sock, talks) > (8 << 20));
		flood = false;
	}
	if (waitpid(child, &status, WNOHANG) == child) {
		verdict = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
		net_stop(net, 0);
		return;
	}
	net_timer_start(watch, 0.01);
}

static void look_again(void *arg)
{
	(void)arg;
	net_stop(net, 0);
}

/* Runs client in a child while the loop runs here; its result, or 99. */
static int with_client(int (*client)(void))
{
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(20);
		_exit(client());
	}
	watch = net_timer_new(net, look, NULL);
	net_timer_start(watch, 0.01);
	net_run(net);
	net_timer_free(watch);
	return verdict;
}

static int dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		_exit(98);
	return fd;
}

static size_t read_all(int fd, char *to, size_t size, useconds_t pause)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, to + n, size - n)) > 0) {
		n += (size_t)got;
		if (pause)
			usleep(pause);
	}
	return n;
}

/* A line in pieces; what follows it is nobody's business. */
static int ask_in_pieces(void)
{
	char in[100];
	int fd = dial();

	for (const char *p = "hello\nmore\n"; *p; p++) {
		if (send(fd, p, 1, MSG_NOSIGNAL) != 1)
			break;
		usleep(1000);
	}
	return read_all(fd, in, sizeof(in), 0) == 8 && memcmp(in, "[hello]\n", 8) == 0 ? 0 : 1;
}

/* The answer comes when it is there; whoever has said everything may close that direction. */
static int ask_later(void)
{
	char in[100];
	int fd = dial();

	if (write(fd, "later\n", 6) != 6)
		return 1;
	shutdown(fd, SHUT_WR);
	return read_all(fd, in, sizeof(in), 0) == 8 && memcmp(in, "at last\n", 8) == 0 ? 0 : 2;
}

static int ask_big(void)
{
	char *in = malloc(BIG + 1);
	int fd = dial();

	if (write(fd, "big\n", 4) != 4)
		return 1;
	return read_all(fd, in, BIG + 1, 100) == BIG &&
		       memcmp(in + BIG - 16, "0123456789abcde\n", 16) == 0
		   ? 0
		   : 2;
}

/* A line without end is cut off; a client that leaves is forgotten. */
#define TOO_LONG (9u << 20) /* bytes: more than a line may have */

static int too_long(void)
{
	static char line[TOO_LONG], in[10];
	int fd = dial(), other = dial();

	memset(line, 'x', sizeof(line));
	(void)send(fd, line, sizeof(line), MSG_NOSIGNAL);
	if (read_all(fd, in, sizeof(in), 0) != 0)
		return 1;
	if (write(other, "half", 4) != 4)
		return 2;
	close(other);
	return ask_in_pieces();
}

static int too_many(void)
{
	char in[10];
	int fd[17];

	for (int i = 0; i < 17; i++)
		fd[i] = dial();
	if (read(fd[16], in, 1) != 0)
		return 1;
	for (int i = 0; i < 16; i++)
		close(fd[i]);
	usleep(100000);
	return ask_in_pieces();
}

/* Lines both ways, those that came with the first one too; nothing else ends it but the client. */
static int talk(void)
{
	char in[100];
	int fd = dial();
	size_t n = 0;

	if (write(fd, "talk\none\ntwo\nth", 15) != 15)
		return 1;
	while (n < 12)
		n += (size_t)read(fd, in + n, sizeof(in) - n);
	usleep(50000);
	if (n != 12 || memcmp(in, "<one>\n<two>\n", 12) != 0 || write(fd, "ree\n", 4) != 4)
		return 2;
	return read(fd, in, sizeof(in)) == 8 && memcmp(in, "<three>\n", 8) == 0 ? 0 : 3;
}

/* One that reads nothing is dropped; one whose line has no end too. */
static int never_read(void)
{
	static char line[TOO_LONG];
	int fd = dial();

	if (write(fd, "talk\nflood\n", 11) != 11)
		return 1;
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		usleep(1000);
	close(fd);
	fd = dial();
	memset(line, 'x', sizeof(line));
	if (write(fd, "talk\n", 5) != 5)
		return 2;
	(void)send(fd, line, sizeof(line), MSG_NOSIGNAL);
	return read(fd, line, sizeof(line)) <= 0 ? 0 : 3;
}

static int many_talk(void)
{
	char in[10];
	int fd[9];

	for (int i = 0; i < 9; i++) {
		fd[i] = dial();
		if (write(fd[i], "talk\nx\n", 7) != 7)
			return 1;
		if (read_all(fd[i], in, i == 8 ? 5 : 4, 0) < 4)
			return 2;
	}
	return memcmp(in, "full\n", 5) == 0 ? 0 : 3;
}

static void test_sessions(void **state)
{
	(void)state;
	ended = 0;
	assert_int_equal(with_client(talk), 0);
	assert_int_equal(with_client(never_read), 0);
	assert_int_equal(with_client(many_talk), 0);
	for (int i = 0; i < 100 && ended < 11; i++) {
		watch = net_timer_new(net, look_again, NULL);
		net_timer_start(watch, 0.01);
		net_run(net);
		net_timer_free(watch);
	}
	assert_int_equal(ended, 11);
}

static void test_lines(void **state)
{
	(void)state;
	assert_int_equal(with_client(ask_in_pieces), 0);
	assert_int_equal(with_client(ask_big), 0);
	assert_int_equal(with_client(ask_later), 0);
}

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(with_client(too_long), 0);
	assert_int_equal(with_client(too_many), 0);
}

static void test_file(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct net_unix *u;
	char text[200];
	struct stat st;
	struct err e;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_null(net_unix_listen(net, path, on_line, NULL, &e));
	assert_non_null(strstr(e.msg, "another server"));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_null(net_unix_listen(net, text, on_line, NULL, &e));
	assert_null(net_unix_listen(net, "/nowhere/s", on_line, NULL, &e));
	assert_non_null(strstr(e.msg, "/nowhere/s: "));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/dead", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd); /* the file stays */
	u = net_unix_listen(net, a.sun_path, on_line, NULL, &e);
	assert_non_null(u);
	net_unix_close(u);
	assert_int_equal(access(a.sun_path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
