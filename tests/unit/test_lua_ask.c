/*
 * Core module ask: a question to an operator's socket and its whole answer, and what is said where
 * nobody answers.
 */
#define _GNU_SOURCE
#include "lua_ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "admin.h"
#include "embed.h"

const struct embed embed_modules[] = { { NULL, NULL, NULL, 0 } };

static lua_State *L;
static char dir[] = "/tmp/moon2m-test.XXXXXX";
static int listening;

static struct sockaddr_un name_of(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/" ADMIN_SOCKET, dir);
	return a;
}

static int start(void **state)
{
	struct sockaddr_un a;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	a = name_of();
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listening, 4) != 0)
		return -1;
	L = luaL_newstate();
	luaL_openlibs(L);
	lua_ask_open(L);
	lua_setglobal(L, "ask");
	lua_pushstring(L, dir);
	lua_setglobal(L, "dir");
	return 0;
}

static int stop(void **state)
{
	struct sockaddr_un a = name_of();

	(void)state;
	lua_close(L);
	close(listening);
	unlink(a.sun_path);
	rmdir(dir);
	return 0;
}

/* The values of an expression, or the error, as text. */
static const char *value(const char *expression)
{
	static char text[300];
	int top = lua_gettop(L);
	size_t n = 0;

	text[0] = '\0';
	lua_pushfstring(L, "return %s", expression);
	if (luaL_loadstring(L, lua_tostring(L, -1)) == 0)
		(void)lua_pcall(L, 0, LUA_MULTRET, 0);
	for (int i = top + 2; i <= lua_gettop(L); i++) {
		lua_getglobal(L, "tostring");
		lua_pushvalue(L, i);
		lua_call(L, 1, 1);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? "|" : "",
				      lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return text;
}

/* A server of one question, which answers with it, some more, and the end. */
static pid_t echo(size_t more)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = accept(listening, NULL, NULL);
		char c = 0;

		while (c != '\n')
			if (read(fd, &c, 1) != 1 || write(fd, &c, 1) != 1)
				_exit(1);
		while (more--)
			if (write(fd, "0123456789", 10) != 10)
				_exit(1);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_an_answer(void **state)
{
	pid_t pid = echo(0);

	(void)state;
	assert_string_equal(value("ask.ask(dir, '{\"a\":1}')"), "{\"a\":1}\n");
	ended(pid);
	pid = echo(20000);
	assert_string_equal(value("#ask.ask(dir, '{}')"), "200003");
	ended(pid);
}

static void test_nobody(void **state)
{
	(void)state;
	assert_non_null(strstr(value("ask.ask(dir .. '/none', '{}')"), "nil|no server to ask: "));
	assert_non_null(strstr(value("ask.ask(('x'):rep(200), '{}')"), "use a shorter path"));
	assert_non_null(strstr(value("ask.ask()"), "string expected, got no value"));
}

static void test_pause(void **state)
{
	(void)state;
	assert_string_equal(value("ask.pause(0.001)"), "");
	assert_non_null(strstr(value("ask.pause(-1)"), "seconds from 0 to 60"));
	assert_non_null(strstr(value("ask.pause(61)"), "seconds from 0 to 60"));
	assert_string_equal(value("ask.terminal()"), isatty(STDERR_FILENO) ? "true" : "false");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_pause),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
