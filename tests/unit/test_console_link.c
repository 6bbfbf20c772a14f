/*
 * The client's side of a console: messages that come in pieces, what is no message, a server that goes.
 */
#define _GNU_SOURCE
#include "console_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct console_link con;
static int server;

static int start(void **state)
{
	int fd[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return -1;
	con = (struct console_link){ .fd = fd[0] };
	server = fd[1];
	return 0;
}

static int stop(void **state)
{
	(void)state;
	console_link_close(&con);
	if (server >= 0)
		close(server);
	return 0;
}

static void say(const char *text)
{
	assert_int_equal(write(server, text, strlen(text)), strlen(text));
}

static enum console_event next(struct str *m)
{
	struct err e;

	return console_link_next(&con, 20, m, &e);
}

static void test_messages(void **state)
{
	struct str m;

	(void)state;
	assert_int_equal(next(&m), CONSOLE_NOTHING);
	say("{\"a\"");
	assert_int_equal(next(&m), CONSOLE_NOTHING);
	say(":1}\n{\"b\":2}\n{");
	assert_int_equal(next(&m), CONSOLE_MESSAGE);
	assert_true(str_is(m, "{\"a\":1}"));
	assert_int_equal(next(&m), CONSOLE_MESSAGE);
	assert_true(str_is(m, "{\"b\":2}"));
	assert_int_equal(next(&m), CONSOLE_NOTHING);
	say("}\n");
	assert_int_equal(next(&m), CONSOLE_MESSAGE);
	assert_true(str_is(m, "{}"));
}

static void test_damage(void **state)
{
	static const char *const bad[] = { "[1]\n", "{\"a\":}\n", "\n", "hello\n" };
	struct str m;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		say(bad[i]);
		assert_int_equal(next(&m), CONSOLE_LOST);
	}
}

static void test_gone(void **state)
{
	struct str m;
	struct err e;

	(void)state;
	say("{}\n");
	close(server);
	server = -1;
	assert_int_equal(next(&m), CONSOLE_MESSAGE);
	assert_int_equal(console_link_next(&con, 20, &m, &e), CONSOLE_LOST);
	assert_string_equal(e.msg, "the server has gone");
	assert_false(console_link_send(&con, STR("{}"), &e));
}

static void test_send(void **state)
{
	char in[16];
	struct err e;

	(void)state;
	assert_true(console_link_send(&con, STR("{\"x\":1}"), &e));
	assert_int_equal(read(server, in, sizeof(in)), 8);
	assert_memory_equal(in, "{\"x\":1}\n", 8);
}

static void test_no_server(void **state)
{
	struct console_link l;
	struct err e;

	(void)state;
	assert_false(console_link_open(&l, "/nowhere", &e));
	assert_non_null(strstr(e.msg, "no server to ask: /nowhere/moon2m.sock"));
	console_link_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_messages, start, stop),
		cmocka_unit_test_setup_teardown(test_damage, start, stop),
		cmocka_unit_test_setup_teardown(test_gone, start, stop),
		cmocka_unit_test_setup_teardown(test_send, start, stop),
		cmocka_unit_test_setup_teardown(test_no_server, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
