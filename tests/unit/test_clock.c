/*
 * test_clock.c - clocks, oneM2M timestamps and durations, against the C library's calendar.
 */
#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#define S INT64_C(1000000)

static void clocks_run_and_freeze(void **state)
{
	int64_t wall = clock_wall(), mono = clock_mono();

	(void)state;
	assert_true(wall / S - time(NULL) <= 1 && time(NULL) - wall / S <= 1);
	assert_true(clock_mono() >= mono);
	clock_freeze(5 * S, 7);
	assert_true(clock_wall() == 5 * S);
	assert_true(clock_mono() == 7);
	clock_release();
	assert_true(clock_wall() >= wall);
	assert_true(clock_mono() >= mono);
}

static void assert_stamp(int64_t wall, const char *want)
{
	char text[CLOCK_STAMP_MAX];

	assert_int_equal(clock_stamp(wall, text), strlen(want));
	assert_string_equal(text, want);
}

static void stamps_are_written(void **state)
{
	(void)state;
	assert_stamp(0, "19700101T000000");
	assert_stamp(1, "19700101T000000,000001");
	assert_stamp(-1, "19691231T235959,999999");
	assert_stamp(-86400 * S, "19691231T000000");
	assert_stamp(951782400 * S, "20000229T000000");
	assert_stamp(1709251199 * S + 500000, "20240229T235959,500000");
	assert_stamp(INT64_C(253402300799) * S + 999999, "99991231T235959,999999");
	assert_stamp(INT64_MAX, "99991231T235959,999999");
	assert_stamp(INT64_MIN, "00000101T000000");
}

/* Alternating seconds go through the cache; every one must come out as its own. */
static void stamps_survive_the_cache(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		assert_stamp(100 * S, "19700101T000140");
		assert_stamp(101 * S, "19700101T000141");
		assert_stamp(102 * S, "19700101T000142");
		assert_stamp(101 * S, "19700101T000141");
		assert_stamp(101 * S + 5, "19700101T000141,000005");
	}
}

static void stamps_agree_with_the_calendar(void **state)
{
	uint64_t random = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char want[40], text[CLOCK_STAMP_MAX];
		int64_t back = 0;
		struct tm tm;
		time_t t;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		t = (time_t)(random % UINT64_C(315569520000)) - INT64_C(62167219200);
		if (t > INT64_C(253402300799))
			continue;
		gmtime_r(&t, &tm);
		snprintf(want, sizeof(want), "%04d%02d%02dT%02d%02d%02d", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		clock_stamp((int64_t)t * S, text);
		assert_string_equal(text, want);
		assert_true(clock_parse_stamp(str_of(text), &back));
		assert_true(back == (int64_t)t * S);
	}
}

static void stamps_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{ "19700101T000000", 0 },
		{ "19700101T000000Z", 0 },
		{ "19700101T000001,5", 1500000 },
		{ "19700101T000001.25Z", 1250000 },
		{ "19700101T000000,000001", 1 },
		{ "20000229T000000", 951782400 * S },
		{ "24000229T000000", INT64_C(13574563200) * S },
		{ "00000101T000000", INT64_C(-62167219200) * S },
		{ "99991231T235959,999999", INT64_C(253402300800) * S - 1 },
	};
	static const char *const bad[] = {
		"",
		"Z",
		"19700101",
		"19700101T",
		"19700101T0000",
		"1970-01-01T00:00:00",
		"19700101 000000",
		"19700101t000000",
		"19700001T000000",
		"19701301T000000",
		"19700100T000000",
		"19700132T000000",
		"19700431T000000",
		"20230229T000000",
		"19000229T000000",
		"19700101T240000",
		"19700101T006000",
		"19700101T000060",
		"19700101T000000,",
		"19700101T000000.",
		"19700101T000000,1234567",
		"19700101T000000,12a",
		"19700101T000000+01",
		"19700101T000000ZZ",
		"19700101T0000000",
		"1970010xT000000",
		"-9700101T000000",
		" 19700101T000000",
		"19700101T000000,-1",
		"19700101T000000;1",
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		us = -7;
		assert_true(clock_parse_stamp(str_of(good[i].text), &us));
		assert_true(us == good[i].us);
	}
	us = -7;
	for (size_t i = 0; i < countof(bad); i++)
		if (clock_parse_stamp(str_of(bad[i]), &us))
			fail_msg("accepted %s", bad[i]);
	assert_false(clock_parse_stamp(STR_NONE, &us));
	assert_true(us == -7);
}

static void durations_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{ "PT0S", 0 },
		{ "PT1S", S },
		{ "PT1.5S", 1500000 },
		{ "PT0,000001S", 1 },
		{ "PT0.1234567S", 123456 },
		{ "PT90M", 5400 * S },
		{ "PT1H1M1S", 3661 * S },
		{ "P1D", 86400 * S },
		{ "P2W", 1209600 * S },
		{ "P1M", 2592000 * S },
		{ "PT1M", 60 * S },
		{ "P1Y2M3DT4H5M6S", (INT64_C(365) * 86400 + 63 * 86400 + 14706) * S },
		{ "P0Y", 0 },
		{ "PT9223372036854S", INT64_C(9223372036854) * S },
	};
	static const char *const bad[] = {
		"",
		"P",
		"PT",
		"1D",
		"-P1D",
		"P-1D",
		"P1",
		"PT1",
		"P1S",
		"PT1D",
		"P1DT",
		"PT1S1M",
		"P1D1D",
		"PT1MT1S",
		"P1.5D",
		"PT.5S",
		"PT1.S",
		"PT1.5M",
		"PT1..5S",
		"P1W1D",
		"P1Y1W",
		"P1WT1H",
		"p1d",
		"P1d",
		"P 1D",
		"PT1S ",
		"PT9223372036855S",
		"P99999999999999999999Y",
		"P300000Y",
		"PTS",
		"PT1.2.3S",
		"PT18446744073709551615S",
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		us = -7;
		if (!clock_parse_duration(str_of(good[i].text), &us))
			fail_msg("refused %s", good[i].text);
		assert_true(us == good[i].us);
	}
	us = -7;
	for (size_t i = 0; i < countof(bad); i++)
		if (clock_parse_duration(str_of(bad[i]), &us))
			fail_msg("accepted %s", bad[i]);
	assert_false(clock_parse_duration(STR_NONE, &us));
	assert_true(us == -7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_run_and_freeze),
		cmocka_unit_test(stamps_are_written),
		cmocka_unit_test(stamps_survive_the_cache),
		cmocka_unit_test(stamps_agree_with_the_calendar),
		cmocka_unit_test(stamps_are_read),
		cmocka_unit_test(durations_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
