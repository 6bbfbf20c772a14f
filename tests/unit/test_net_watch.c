/*
 * test_net_watch.c - files that were written are told of, once they are quiet, each once.
 */
#define _GNU_SOURCE
#include "net_watch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"

static char dir[64], other[96];
static struct net *net;
static struct net_watch *watch;
static struct net_timer *act;
static void (*action)(void);
static struct buf told;
static int calls;
static int64_t wrote, told_at;

static void on_files(void *arg, struct str files)
{
	(void)arg;
	calls++;
	told_at = clock_mono();
	buf_str(&told, files);
	net_stop(net, 0);
}

static void on_act(void *arg)
{
	(void)arg;
	action();
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	wrote = clock_mono();
}

static void add(const char *folder)
{
	struct err e;

	assert_true(net_watch_add(watch, folder, &e));
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	snprintf(dir, sizeof(dir), "/tmp/moon2m-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(mkdir(other, 0700), 0);
	net = net_new(&NET_LIMITS, &e);
	watch = net_watch_new(net, on_files, NULL, &e);
	act = net_timer_new(net, on_act, NULL);
	assert_non_null(watch);
	calls = 0;
	return 0;
}

static int teardown(void **state)
{
	char line[160];

	(void)state;
	net_timer_free(act);
	net_watch_free(watch);
	net_free(net);
	buf_free(&told);
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line);
}

/* Does something on the loop and runs it until files are told of. */
static const char *after(void (*fn)(void))
{
	action = fn;
	buf_clear(&told);
	net_timer_start(act, 0);
	net_run(net);
	buf_char(&told, '\0');
	return told.p;
}

static void two_files(void)
{
	for (int i = 0; i < 3; i++) {
		write_file(dir, "a.lua", "1");
		write_file(dir, "b.lua", "2");
	}
	write_file(other, "c.lua", "not watched");
}

static void moved_there(void)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/c.lua", other);
	snprintf(to, sizeof(to), "%s/d.lua", dir);
	assert_int_equal(rename(from, to), 0);
}

static void test_told_once(void **state)
{
	char want[256];

	(void)state;
	add(dir);
	add(dir); /* again: nothing more */
	snprintf(want, sizeof(want), "%s/a.lua\n%s/b.lua\n", dir, dir);
	assert_string_equal(after(two_files), want);
	assert_int_equal(calls, 1);
	assert_true(told_at - wrote >= 90000); /* 100 ms quiet */
	snprintf(want, sizeof(want), "%s/d.lua\n", dir);
	assert_string_equal(after(moved_there), want);
}

static void both(void)
{
	write_file(dir, "a.lua", "1");
	write_file(other, "a.lua", "1");
}

static void test_folders(void **state)
{
	char want[256];

	(void)state;
	add(dir);
	add(other);
	snprintf(want, sizeof(want), "%s/a.lua\n%s/a.lua\n", dir, other);
	assert_string_equal(after(both), want);
}

static void both_apps(void)
{
	write_file("x/apps", "a.lua", "1");
	write_file("apps", "a.lua", "1");
}

/* The end of one name is another. */
static void test_like_names(void **state)
{
	(void)state;
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(system("mkdir -p x/apps apps"), 0);
	add("x/apps");
	add("apps");
	assert_string_equal(after(both_apps), "x/apps/a.lua\napps/a.lua\n");
	assert_int_equal(chdir("/"), 0);
}

static void many(void)
{
	char name[100];

	for (int i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "%0*d.lua", 80, i);
		write_file(dir, name, "");
	}
}

static void test_too_many(void **state)
{
	(void)state;
	add(dir);
	assert_true(strncmp(after(many), "*\n", 2) == 0);
	assert_true(told.n < 65536 + 2);
}

static void remove_folder(void)
{
	char line[160];

	snprintf(line, sizeof(line), "rm -rf %s", other);
	assert_int_equal(system(line), 0);
	write_file(dir, "z.lua", "");
}

static void test_folder_goes(void **state)
{
	char want[256];

	(void)state;
	add(other);
	add(dir);
	snprintf(want, sizeof(want), "%s/z.lua\n", dir);
	assert_string_equal(after(remove_folder), want);
}

static void test_no_folder(void **state)
{
	struct err e;

	(void)state;
	assert_false(net_watch_add(watch, "/nowhere/at/all", &e));
	assert_string_equal(e.msg, "/nowhere/at/all: No such file or directory");
	net_watch_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_like_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
	};

	return cmocka_run_group_tests_name("net_watch", tests, NULL, NULL);
}
