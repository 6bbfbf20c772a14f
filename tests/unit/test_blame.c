/*
 * Blame: who ran when a process crashed is off in the next one, until one ends in order or the
 * operator allows it; a start that fails without a culprit makes the next one safe.
 */
#define _GNU_SOURCE
#include "blame.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Sanitizers take crashes for themselves, and report those that are meant. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CRASHES false
#else
#define CRASHES true
#endif

static char path[64];

static int start(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/moon2m_test_blame_%d", (int)getpid());
	return 0;
}

static int stop(void **state)
{
	(void)state;
	blame_close();
	unlink(path);
	return 0;
}

/* A process that opens the page, is ready or not, runs `who` and ends by a signal (0: in order). */
static void process(bool ready, const char *who, int sig)
{
	static const struct rlimit no_core = { 0, 0 };
	char text[BLAME_WHO] = "";
	struct err e;
	int status;
	pid_t pid;

	if (!CRASHES && sig > 0 && sig != SIGKILL)
		skip();
	pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		if (!blame_open(path, &e))
			_exit(1);
		if (ready)
			blame_ready();
		if (who) {
			memcpy(text, who, strlen(who));
			memcpy(text + strlen(who) + 1, "on x", 5);
			blame_who(text, strlen(who) + 6);
		}
		if (sig == -1)
			blame_stuck("s.lua:3", "create /x");
		else if (sig)
			raise(sig);
		else
			blame_close();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (sig > 0)
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == sig);
}

static size_t off(void)
{
	size_t n;

	blame_list(&n);
	return n;
}

static void begin(void)
{
	struct err e;

	assert_true(blame_open(path, &e));
}

static void test_the_culprit_is_off_once(void **state)
{
	size_t n;

	(void)state;
	process(true, "bad", SIGSEGV);
	begin();
	assert_int_equal(off(), 1);
	assert_string_equal(blame_list(&n)->script, "bad");
	assert_string_equal(blame_list(&n)->reason, "crashed with signal 11 in on x");
	assert_null(blame_safe());
	blame_close();
	begin();
	assert_int_equal(off(), 0);
}

static void test_several_culprits_while_it_crashes_on(void **state)
{
	size_t n;

	(void)state;
	process(true, "one", SIGABRT);
	process(false, "two", -1);
	process(true, NULL, SIGKILL);
	begin();
	assert_int_equal(off(), 2);
	assert_string_equal(blame_list(&n)[1].reason,
			    "stuck in C code in on x at s.lua:3, create /x");
	assert_true(blame_allow("one"));
	assert_false(blame_allow("one"));
	assert_int_equal(off(), 1);
}

static void test_who_was_only_running_is_not_blamed(void **state)
{
	(void)state;
	process(true, "busy", SIGKILL);
	begin();
	assert_int_equal(off(), 0);
	assert_null(blame_safe());
}

static void test_starts_that_fail(void **state)
{
	(void)state;
	process(false, NULL, SIGSEGV);
	begin();
	assert_non_null(blame_safe());
	assert_int_equal(off(), 0);
	blame_close();
	process(false, NULL, SIGKILL);
	process(false, NULL, SIGKILL);
	begin();
	assert_null(blame_safe());
	blame_close();
	for (int i = 0; i < 3; i++)
		process(false, NULL, SIGKILL);
	begin();
	assert_non_null(blame_safe());
	blame_ready();
	blame_close();
	begin();
	assert_null(blame_safe());
}

static void test_a_file_of_something_else(void **state)
{
	FILE *f = fopen(path, "w");

	(void)state;
	for (int i = 0; i < 100000; i++)
		fputc('x', f);
	fclose(f);
	begin();
	assert_int_equal(off(), 0);
	blame_close();
	assert_false(blame_open("/nowhere/x", &(struct err){ 0 }));
	blame_who("x", 1);
	assert_false(blame_allow("x"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
	static const struct CMUnitTest tests[] = {
		T(test_the_culprit_is_off_once),
		T(test_several_culprits_while_it_crashes_on),
		T(test_who_was_only_running_is_not_blamed),
		T(test_starts_that_fail),
		T(test_a_file_of_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
