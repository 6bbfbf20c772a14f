/*
 * test_progress.c - the line of a long command: on a terminal only, a few times a second, gone at its
 * end.
 */
#define _GNU_SOURCE
#include "progress.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"

static int own, terminal;
static struct progress p;

static int start(void **state)
{
	struct termios raw;
	int other;

	(void)state;
	clock_freeze(0, 1000000);
	if (openpty(&terminal, &other, NULL, NULL, NULL) != 0 || tcgetattr(other, &raw) != 0)
		return -1;
	cfmakeraw(&raw);
	if (tcsetattr(other, TCSANOW, &raw) != 0 || fcntl(terminal, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	own = dup(STDERR_FILENO);
	if (own < 0 || dup2(other, STDERR_FILENO) < 0)
		return -1;
	close(other);
	progress_begin(&p, "MiB");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (own >= 0)
		dup2(own, STDERR_FILENO);
	close(own);
	close(terminal);
	clock_release();
	return 0;
}

static bool comes(int ms)
{
	struct pollfd f = { .fd = terminal, .events = POLLIN };

	return poll(&f, 1, ms) == 1;
}

/* The line that was written since the last call, to its end: a terminal hands over in pieces. */
static const char *seen(void)
{
	static char text[256];
	size_t n = 0;
	ssize_t some;

	text[0] = '\0';
	while (!strstr(text, "\033[K") && n < sizeof(text) - 1 && comes(5000)) {
		some = read(terminal, text + n, sizeof(text) - 1 - n);
		if (some <= 0)
			break;
		n += (size_t)some;
		text[n] = '\0';
	}
	return text;
}

static void at(double seconds)
{
	clock_freeze(0, 1000000 + (int64_t)(seconds * 1e6));
}

static void test_parts(void **state)
{
	(void)state;
	progress_show(&p, 0, 400);
	assert_string_equal(seen(), "\r0 MiB, 0 %\033[K");
	at(0.1); /* too early for another */
	progress_show(&p, 50, 400);
	assert_false(comes(20));
	at(2);
	progress_show(&p, 100, 400);
	assert_string_equal(seen(), "\r100 MiB, 50/s, 25 %, 6 s left\033[K");
	at(100);
	progress_show(&p, 100, 400);
	assert_string_equal(seen(), "\r100 MiB, 1/s, 25 %, 6 min left\033[K");
	at(200);
	progress_show(&p, 500, 400); /* it has grown meanwhile */
	assert_string_equal(seen(), "\r500 MiB, 2/s, 100 %\033[K");
	progress_end(&p);
	assert_string_equal(seen(), "\r\033[K");
	progress_end(&p);
	assert_false(comes(20));
}

static void test_steps(void **state)
{
	(void)state;
	progress_step(&p, "counters");
	assert_string_equal(seen(), "\rcounters, 0 s\033[K");
	at(3);
	progress_step(&p, "labels");
	assert_string_equal(seen(), "\rlabels, 3 s\033[K");
}

static void test_an_unknown_length(void **state)
{
	(void)state;
	at(1);
	progress_show(&p, 7, 0);
	assert_string_equal(seen(), "\r7 MiB, 7/s\033[K");
}

static void test_no_terminal(void **state)
{
	char text[8];
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	assert_true(dup2(fd[1], STDERR_FILENO) >= 0);
	progress_show(&p, 1, 2);
	progress_step(&p, "counters");
	progress_end(&p);
	fflush(stderr);
	dup2(own, STDERR_FILENO);
	close(fd[1]);
	assert_int_equal(read(fd[0], text, sizeof(text)), 0);
	close(fd[0]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(test_parts),
		T(test_steps),
		T(test_an_unknown_length),
		T(test_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
