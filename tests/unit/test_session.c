/*
 * Unit tests of session.c: binding, take-over and its order of events, many AE-IDs per connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log.h"
#include "session.h"

struct conn {
	int close_code;
	bool identified;
};

static char trace[512]; /* "+aei@n" gained by connection n, "-aei" lost, "!n" closed */
static struct conn conns[3];

void conn_close(struct conn *c, int code, const char *reason)
{
	assert_non_null(reason);
	c->close_code = code;
	snprintf(trace + strlen(trace), sizeof(trace) - strlen(trace), "!%d ", (int)(c - conns));
}

void conn_identified(struct conn *c)
{
	c->identified = true;
}

static void observe(void *arg, struct str aei, struct session *s)
{
	char *at = trace + strlen(trace);

	(void)arg;
	if (s)
		snprintf(at, 64, "+%.*s@%d ", STRFMT(aei), (int)(session_conn(s) - conns));
	else
		snprintf(at, 64, "-%.*s ", STRFMT(aei));
}

static int setup(void **state)
{
	(void)state;
	memset(conns, 0, sizeof(conns));
	trace[0] = '\0';
	session_observe(observe, NULL);
	return 0;
}

static void test_bind_and_close(void **state)
{
	struct session *s = session_open(&conns[0], SESSION_CBOR);

	(void)state;
	assert_int_equal(session_serial(s), SESSION_CBOR);
	assert_int_equal(session_count(), 0);
	assert_int_equal(session_only(s).n, 0);
	assert_null(session_of(STR("Ca")));
	assert_true(session_bind(s, STR("Ca")));
	assert_true(conns[0].identified);
	assert_false(session_bind(s, STR("Ca")));
	assert_false(session_bind(s, STR("")));
	assert_true(str_is(session_only(s), "Ca"));
	assert_true(session_bind(s, STR("Cb")));
	assert_int_equal(session_only(s).n, 0);
	assert_int_equal(session_count(), 1);
	assert_ptr_equal(session_of(STR("Cb")), s);
	assert_true(session_has(s, STR("Ca")));
	assert_false(session_has(s, STR("C")));
	session_unbind(STR("Ca"));
	session_unbind(STR("Cz"));
	assert_false(session_has(s, STR("Ca")));
	session_close(s);
	assert_null(session_of(STR("Cb")));
	assert_int_equal(session_count(), 0);
	assert_int_equal(conns[0].close_code, 0);
	assert_string_equal(trace, "+Ca@0 +Cb@0 -Ca -Cb ");
}

/* The older connection's notices are handed back before the newer one may send. */
static void test_take_over(void **state)
{
	struct session *old = session_open(&conns[0], SESSION_JSON);
	struct session *young = session_open(&conns[1], SESSION_JSON);

	(void)state;
	assert_true(session_bind(old, STR("Ca")));
	assert_true(session_bind(young, session_only(old)));
	assert_ptr_equal(session_of(STR("Ca")), young);
	assert_int_equal(conns[0].close_code, 1000);
	assert_string_equal(trace, "+Ca@0 -Ca !0 +Ca@1 ");
	assert_false(session_bind(old, STR("Ca")));
	assert_ptr_equal(session_of(STR("Ca")), young);
	session_close(old);
	assert_ptr_equal(session_of(STR("Ca")), young);
	session_close(young);
}

static void test_take_over_one_of_two(void **state)
{
	struct session *old = session_open(&conns[0], SESSION_JSON);
	struct session *young = session_open(&conns[1], SESSION_JSON);

	(void)state;
	assert_true(session_bind(old, STR("Ca")));
	assert_true(session_bind(old, STR("Cb")));
	assert_true(session_bind(young, STR("Ca")));
	assert_int_equal(conns[0].close_code, 0);
	assert_true(str_is(session_only(old), "Cb"));
	session_close(old);
	session_close(young);
}

static void test_many(void **state)
{
	static struct conn many[100];
	struct session *s[countof(many)];
	char aei[32];

	(void)state;
	session_observe(NULL, NULL);
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < countof(many); i++) {
		s[i] = session_open(&many[i], SESSION_JSON);
		for (int j = 0; j < 1024; j++) {
			snprintf(aei, sizeof(aei), "C%zu.%d", i, j);
			assert_true(session_bind(s[i], str_of(aei)));
		}
		assert_false(session_bind(s[i], STR("Cone-more")));
	}
	assert_int_equal(session_count(), countof(many));
	for (size_t i = 0; i < countof(many); i++) {
		snprintf(aei, sizeof(aei), "C%zu.%d", i, 1023);
		assert_ptr_equal(session_of(str_of(aei)), s[i]);
		session_close(s[i]);
		assert_null(session_of(str_of(aei)));
	}
	assert_int_equal(session_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bind_and_close, setup),
		cmocka_unit_test_setup(test_take_over, setup),
		cmocka_unit_test_setup(test_take_over_one_of_two, setup),
		cmocka_unit_test_setup(test_many, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
