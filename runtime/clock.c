/*
 * clock.c - the two clocks, oneM2M timestamps and ISO 8601 durations.
 * Guarantees: safe in any thread; formatting costs a copy while the second stays the same; no use
 * of the C library's time zone, so UTC everywhere.
 * Must never: allocate, or accept a date that is in no calendar.
 */
#include "clock.h"

#include <stdatomic.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define DAY INT64_C(86400)
#define YEAR_MAX 9999

static _Atomic bool frozen;
static _Atomic int64_t frozen_wall, frozen_mono;

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec / 1000;
}

int64_t clock_wall(void)
{
	if (atomic_load_explicit(&frozen, memory_order_relaxed))
		return atomic_load(&frozen_wall);
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono(void)
{
	if (atomic_load_explicit(&frozen, memory_order_relaxed))
		return atomic_load(&frozen_mono);
	return read_clock(CLOCK_MONOTONIC);
}

void clock_freeze(int64_t wall, int64_t mono)
{
	atomic_store(&frozen_wall, wall);
	atomic_store(&frozen_mono, mono);
	atomic_store(&frozen, true);
}

void clock_release(void)
{
	atomic_store(&frozen, false);
}

/* ---- calendar ------------------------------------------------------------------------------ */

struct date {
	int64_t year; /* 0..9999 */
	unsigned month, day;
};

/* Days since 1970-01-01, proleptic Gregorian, counted in years that begin in March so that the
 * leap day is the last of its year; 146,097 days are 400 years. */
static int64_t days_from_date(struct date d)
{
	int64_t y = d.year - (d.month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year = y - era * 400;
	int64_t day = (153 * ((int64_t)d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;

	return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

static struct date date_from_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t month = (5 * doy + 2) / 153;
	struct date d;

	d.day = (unsigned)(doy - (153 * month + 2) / 5 + 1);
	d.month = (unsigned)(month < 10 ? month + 3 : month - 9);
	d.year = yoe + era * 400 + (d.month <= 2);
	return d;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* ---- timestamps ---------------------------------------------------------------------------- */

#define SECONDS_LENGTH 15 /* YYYYMMDDThhmmss */

static void put_digits(char *out, unsigned n, uint64_t v)
{
	while (n > 0) {
		out[--n] = (char)('0' + v % 10);
		v /= 10;
	}
}

static void format_second(int64_t second, char out[SECONDS_LENGTH])
{
	int64_t days = second / DAY - (second % DAY < 0);
	uint64_t rest = (uint64_t)(second - days * DAY);
	struct date d = date_from_days(days);

	put_digits(out, 4, (uint64_t)d.year);
	put_digits(out + 4, 2, d.month);
	put_digits(out + 6, 2, d.day);
	out[8] = 'T';
	put_digits(out + 9, 2, rest / 3600);
	put_digits(out + 11, 2, rest / 60 % 60);
	put_digits(out + 13, 2, rest % 60);
}

/* Two seconds are remembered, because a create formats its time and its expiry in turn. */
static const char *second_text(int64_t second)
{
	static _Thread_local struct {
		int64_t second;
		char text[SECONDS_LENGTH];
	} cache[2] = { { INT64_MIN, "" }, { INT64_MIN, "" } };
	static _Thread_local unsigned latest;

	if (cache[latest].second == second)
		return cache[latest].text;
	latest ^= 1;
	if (cache[latest].second != second) {
		cache[latest].second = second;
		format_second(second, cache[latest].text);
	}
	return cache[latest].text;
}

/* Years 0000 to 9999; what lies outside is shown as the nearest of them.  Ends in NUL. */
size_t clock_stamp(int64_t wall, char out[CLOCK_STAMP_MAX])
{
	static const int64_t first = INT64_C(-62167219200) * SECOND;
	static const int64_t last = INT64_C(253402300800) * SECOND - 1;
	size_t n = SECONDS_LENGTH;
	int64_t second, fraction;

	if (wall < first)
		wall = first;
	if (wall > last)
		wall = last;
	second = wall / SECOND - (wall % SECOND < 0);
	fraction = wall - second * SECOND;
	memcpy(out, second_text(second), SECONDS_LENGTH);
	if (fraction) {
		out[n] = ',';
		put_digits(out + n + 1, 6, (uint64_t)fraction);
		n += 7;
	}
	out[n] = '\0';
	return n;
}

/* n digits at p; false when one is no digit. */
static bool get_digits(const char *p, unsigned n, unsigned *out)
{
	uint64_t v;

	if (!str_u64((struct str){ p, n }, &v))
		return false;
	*out = (unsigned)v;
	return true;
}

/* ",f" to ",ffffff", or nothing. */
static bool parse_fraction(struct str s, int64_t *us)
{
	unsigned v;

	*us = 0;
	if (s.n == 0)
		return true;
	if (s.n > 7 || (s.p[0] != ',' && s.p[0] != '.') ||
	    !get_digits(s.p + 1, (unsigned)s.n - 1, &v))
		return false;
	for (size_t i = s.n; i < 7; i++)
		v *= 10;
	*us = v;
	return true;
}

bool clock_parse_stamp(struct str s, int64_t *wall)
{
	unsigned year, month, day, hour, minute, second;
	int64_t fraction, days;

	if (s.n > 0 && s.p[s.n - 1] == 'Z')
		s.n--;
	if (s.n < SECONDS_LENGTH || s.p[8] != 'T')
		return false;
	if (!get_digits(s.p, 4, &year) || !get_digits(s.p + 4, 2, &month) ||
	    !get_digits(s.p + 6, 2, &day) || !get_digits(s.p + 9, 2, &hour) ||
	    !get_digits(s.p + 11, 2, &minute) || !get_digits(s.p + 13, 2, &second))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	s.p += SECONDS_LENGTH;
	s.n -= SECONDS_LENGTH;
	if (!parse_fraction(s, &fraction))
		return false;
	days = days_from_date((struct date){ year, month, day });
	*wall = (days * DAY + hour * 3600 + minute * 60 + second) * SECOND + fraction;
	return true;
}

/* ---- durations ----------------------------------------------------------------------------- */

struct unit {
	char letter;
	bool time; /* behind the T */
	int64_t seconds;
};

static const struct unit units[] = {
	{ 'Y', false, 365 * DAY }, { 'M', false, 30 * DAY }, { 'W', false, 7 * DAY },
	{ 'D', false, DAY },       { 'H', true, 3600 },      { 'M', true, 60 },
	{ 'S', true, 1 },
};

/* The unit of that letter at or after *from, which moves behind it: units come in order, once. */
static const struct unit *find_unit(char letter, bool time, size_t *from)
{
	for (size_t i = *from; i < countof(units); i++) {
		if (units[i].letter != letter || units[i].time != time)
			continue;
		*from = i + 1;
		return &units[i];
	}
	return NULL;
}

/* Digits, a fraction before S alone (its digits beyond the sixth are dropped), and a unit, at *pp.
 * Adds to *us. */
static bool parse_part(const char **pp, const char *end, bool time, size_t *from, int64_t *us)
{
	const char *p = *pp, *start = p, *dot = NULL;
	const struct unit *unit;
	int64_t fraction = 0, part;
	uint64_t v;

	while (p < end && ((*p >= '0' && *p <= '9') || (!dot && (*p == '.' || *p == ',')))) {
		if (*p == '.' || *p == ',')
			dot = p;
		p++;
	}
	if (p == end || !str_u64((struct str){ start, (size_t)((dot ? dot : p) - start) }, &v))
		return false;
	unit = find_unit(*p, time, from);
	if (!unit || v > INT64_MAX)
		return false;
	if (dot) {
		size_t n = (size_t)(p - dot);

		if (unit->letter != 'S' || n < 2)
			return false;
		if (!parse_fraction((struct str){ dot, n < 7 ? n : 7 }, &fraction))
			return false;
	}
	*pp = p + 1;
	return !__builtin_mul_overflow((int64_t)v, unit->seconds * SECOND, &part) &&
	       !__builtin_add_overflow(part, fraction, &part) &&
	       !__builtin_add_overflow(*us, part, us);
}

bool clock_parse_duration(struct str s, int64_t *us)
{
	const char *p = s.p, *end = str_end(s);
	bool time = false, weeks = s.n > 0 && end[-1] == 'W';
	int64_t total = 0;
	size_t from = 0;
	unsigned parts = 0;

	if (s.n < 3 || *p++ != 'P')
		return false;
	while (p < end) {
		if (*p == 'T') {
			if (time || p + 1 == end)
				return false;
			time = true;
			p++;
			continue;
		}
		if (!parse_part(&p, end, time, &from, &total))
			return false;
		parts++;
		if ((p[-1] == 'W') != weeks)
			return false;
	}
	if (parts == 0 || (weeks && parts > 1))
		return false;
	*us = total;
	return true;
}
