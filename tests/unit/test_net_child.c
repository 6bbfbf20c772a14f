/*
 * test_net_child.c - programs that run beside the loop: output, exit code, time, descriptors.
 */
#define _GNU_SOURCE
#include "net_child.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"

static struct net *net;
static struct net_timer *beat;
static struct buf seen;
static int seen_code, beats;

static void on_end(void *arg, int code, struct str output)
{
	(void)arg;
	seen_code = code;
	buf_str(&seen, output);
	net_stop(net, 0);
}

static void on_beat(void *arg)
{
	(void)arg;
	beats++;
	net_timer_start(beat, 0.01);
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	net = net_new(&NET_LIMITS, &e);
	beat = net_timer_new(net, on_beat, NULL);
	seen_code = 99;
	beats = 0;
	return net ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	net_timer_free(beat);
	net_free(net);
	buf_free(&seen);
	/* nobody is left, dead or alive */
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : -1;
}

static struct net_child *sh(const char *text, double seconds)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)text, NULL };
	struct err e;
	struct net_child *c = net_child_start(net, argv, seconds, on_end, NULL, &e);

	assert_non_null(c);
	return c;
}

static void run(const char *text, double seconds)
{
	(void)sh(text, seconds);
	net_timer_start(beat, 0.01);
	net_run(net);
	buf_char(&seen, '\0');
}

static void test_output(void **state)
{
	(void)state;
	run("echo out; echo err >&2; cat; exit 3", 20);
	assert_int_equal(seen_code, 3);
	assert_string_equal(seen.p, "out\nerr\n");
}

static void test_loop_goes_on(void **state)
{
	(void)state;
	run("sleep 0.3", 20);
	assert_int_equal(seen_code, 0);
	assert_true(beats >= 5);
}

static void test_too_long(void **state)
{
	int64_t began = clock_mono();

	(void)state;
	run("echo begun; sleep 100 & sleep 100", 0.2);
	assert_int_equal(seen_code, -2);
	assert_string_equal(seen.p, "begun\n");
	assert_true(clock_mono() - began < 20000000);
}

static void test_signal(void **state)
{
	(void)state;
	run("kill -9 $$", 20);
	assert_int_equal(seen_code, -1);
}

/* What it started may hold the pipe open: its end counts. */
static void test_grandchild(void **state)
{
	int64_t began = clock_mono();

	(void)state;
	run("sleep 100 & echo done", 60);
	assert_int_equal(seen_code, 0);
	assert_string_equal(seen.p, "done\n");
	assert_true(clock_mono() - began < 20000000);
}

static void test_much(void **state)
{
	(void)state;
	run("yes | head -c 1000000; exit 4", 20);
	assert_int_equal(seen_code, 4);
	assert_int_equal(seen.n, NET_CHILD_OUTPUT + 1);
}

static void test_descriptors(void **state)
{
	int fd = open("/dev/null", O_RDONLY); /* not close-on-exec */

	(void)state;
	run("ls /proc/self/fd | tr '\\n' ' '", 20);
	assert_string_equal(seen.p, "0 1 2 3 "); /* 3: the folder that ls reads */
	close(fd);
}

static void test_no_such(void **state)
{
	char *const argv[] = { (char *)"/nowhere/program", NULL };
	struct err e;

	(void)state;
	assert_non_null(net_child_start(net, argv, 5, on_end, NULL, &e));
	net_run(net);
	assert_int_equal(seen_code, 127);
}

static void test_freed(void **state)
{
	(void)state;
	net_child_free(sh("sleep 100", 60));
	net_child_free(NULL);
	assert_int_equal(seen_code, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loop_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grandchild, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed, setup, teardown),
	};

	return cmocka_run_group_tests_name("net_child", tests, NULL, NULL);
}
