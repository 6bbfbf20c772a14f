/*
 * clock.h - time: wall clock in microseconds since 1970 (what resources carry), monotonic clock in
 * microseconds (what timers use), oneM2M timestamps (TS-0004 6.3.3, ISO 8601 basic, UTC) and
 * durations.  Replaceable in tests.
 */
#pragma once

#include "base.h"

int64_t clock_wall(void); /* us since 1970-01-01 UTC */
int64_t clock_mono(void); /* us, never goes back */

/* Tests: both clocks stand still at these values until clock_release. */
void clock_freeze(int64_t wall, int64_t mono);
void clock_release(void);

#define CLOCK_STAMP_MAX 24
/* "YYYYMMDDThhmmss" and, unless the fraction is 0, ",ffffff".  Returns the length. */
size_t clock_stamp(int64_t wall, char out[CLOCK_STAMP_MAX]);

/* Parses YYYYMMDDThhmmss[,f{1,6}] (also '.' for ',', also a trailing Z); checks the calendar. */
bool clock_parse_stamp(struct str s, int64_t *wall) MUSTCHECK;

/* ISO 8601 duration PnYnMnDTnHnMnS / PnW to microseconds (a year is 365 days, a month 30). */
bool clock_parse_duration(struct str s, int64_t *us) MUSTCHECK;
