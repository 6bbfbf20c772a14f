/*
 * test_admin.c - the operator's commands, over the real notification engine and fakes: what comes
 * out for each line, what is wrong with a bad one.
 */
#include "notify_help.h"

#include "admin.h"
#include "lua_console.h"
#include "lua_operator.h"
#include "net_unix.h"

static char bound[64];
static struct buf out;

struct net_unix *net_unix_listen(struct net *n, const char *path, net_unix_line line, void *arg,
				 struct err *e)
{
	(void)n;
	(void)arg;
	snprintf(bound, sizeof(bound), "%s", path);
	if (strcmp(path, "bad/moon2m.sock") == 0) {
		(void)err_set(e, "no");
		return NULL;
	}
	assert_true(line(arg, 1, STR("{\"cmd\":\"stats\"}"), &out));
	assert_false(line(arg, 2, STR("{\"cmd\":\"fly\"}"), &out));
	assert_false(line(arg, 4, STR("{\"cmd\":\"console\"}"), &out));
	assert_true(line(arg, 5, STR("{\"cmd\":\"console\"}"), &out));
	assert_false(line(arg, 3, STR("{\"cmd\":\"replay\",\"name\":\"s\"}"), &out));
	return (struct net_unix *)bound;
}

bool lua_console_begin(struct net_unix *u, uint64_t client)
{
	(void)u;
	return client == 4;
}

static struct buf asked;

void lua_operator_ask(struct str line, lua_operator_done done, void *arg)
{
	buf_str(&asked, line);
	done(arg, STR("{}\n"));
}

bool net_unix_answer(struct net_unix *u, uint64_t client, struct str text)
{
	(void)u;
	(void)client;
	(void)text;
	return true;
}

void net_unix_close(struct net_unix *u)
{
	if (u)
		bound[0] = '\0';
}

static const char *say(const char *line)
{
	buf_clear(&out);
	admin_answer(str_of(line), &out);
	settle();
	buf_char(&out, '\0');
	return out.p;
}

static int admin_teardown(void **state)
{
	buf_free(&out);
	return teardown(state);
}

static void test_listings(void **state)
{
	struct audience *a = audience_of(7, "Ca"), *b = audience_of(8, "C\"b");

	(void)state;
	publish(a, "1");
	publish(a, "2");
	publish(b, "333");
	say("{\"cmd\":\"notices\",\"target\":\"Ca\",\"sub\":\"s7\"}");
	assert_non_null(strstr(out.p,
			       "{\"state\":\"parked\",\"target\":\"Ca\",\"sur\":\"/moon/s7\","
			       "\"sub\":7,\"id\":"));
	assert_non_null(strstr(out.p, ",\"attempts\":0,\"bytes\":1}\n"));
	assert_non_null(strstr(out.p, "\n{\"ok\":true,\"count\":2}\n"));
	say("{\"cmd\":\"notices\",\"limit\":2}");
	assert_non_null(strstr(out.p, "\n{\"ok\":true,\"count\":2,\"more\":true}\n"));
	say("{\"cmd\":\"notices\",\"sub\":8}");
	assert_non_null(strstr(out.p, "\"target\":\"C\\\"b\""));
	say("{\"cmd\":\"accounts\",\"sub\":7}");
	assert_non_null(strstr(out.p, "{\"state\":\"away\",\"target\":\"Ca\",\"sur\":\"/moon/s7\","
				      "\"sub\":7,\"events\":2,\"sent\":0,\"acknowledged\":0,"
				      "\"answered\":0,\"failed\":0,\"dropped\":0,\"queued\":2,"
				      "\"held\":0,\"oldest\":"));
	assert_non_null(strstr(out.p, "\n{\"ok\":true,\"count\":1}\n"));
	assert_non_null(
	    strstr(say("{\"cmd\":\"stats\"}"), "\"ok\":true,\"events\":3,\"notices\":3"));
	audience_unref(a);
	audience_unref(b);
}

static void test_actions(void **state)
{
	struct audience *a = audience_of(7, "Ca");

	(void)state;
	publish(a, "1");
	publish(a, "2");
	assert_string_equal(say("{\"cmd\":\"replay\",\"target\":\"Cx\"}"),
			    "{\"ok\":true,\"count\":0}\n");
	assert_string_equal(say("{\"cmd\":\"drop\"}"),
			    "{\"ok\":false,\"error\":\"drop: target, sub or \\\"all\\\":true is "
			    "needed\"}\n");
	assert_string_equal(say("{\"cmd\":\"drop\",\"sub\":\"s8\"}"),
			    "{\"ok\":true,\"count\":0}\n");
	assert_string_equal(say("{\"cmd\":\"drop\",\"all\":true}"), "{\"ok\":true,\"count\":2}\n");
	audience_unref(a);
}

static void test_mistakes(void **state)
{
	static const char *const bad[][2] = {
		{ "", "empty" },
		{ "{\"cmd\":\"notices\"", "byte" },
		{ "[]", "expected a JSON object" },
		{ "{}", "cmd: expected a string" },
		{ "{\"cmd\":1}", "cmd: expected a string" },
		{ "{\"cmd\":\"notices\",\"target\":1}", "target: expected a string" },
		{ "{\"cmd\":\"notices\",\"sub\":0}", "sub: expected" },
		{ "{\"cmd\":\"notices\",\"sub\":true}", "sub: expected" },
		{ "{\"cmd\":\"notices\",\"limit\":0}", "limit: expected" },
		{ "{\"cmd\":\"notices\",\"limit\":100001}", "limit: expected" },
		{ "{\"cmd\":\"drop\",\"all\":1}", "all: expected" },
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		say(bad[i][0]);
		if (i)
			assert_non_null(strstr(out.p, bad[i][1]));
		assert_non_null(strstr(out.p, "{\"ok\":false,\"error\":\""));
		assert_int_equal(strchr(out.p, '\n') + 1 - out.p, strlen(out.p));
	}
}

static void test_socket(void **state)
{
	struct err e;

	(void)state;
	buf_clear(&out);
	assert_true(admin_open(fake_net, "some/where", &e));
	assert_string_equal(bound, "some/where/moon2m.sock");
	assert_true(out.n > 0);
	assert_true(
	    str_is(buf_view(&asked), "{\"cmd\":\"fly\"}{\"cmd\":\"replay\",\"name\":\"s\"}"));
	buf_free(&asked);
	admin_close();
	assert_string_equal(bound, "");
	assert_false(admin_open(fake_net, "bad", &e));
	admin_close();
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, admin_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_listings), T(test_actions), T(test_mistakes),
					    T(test_socket) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
