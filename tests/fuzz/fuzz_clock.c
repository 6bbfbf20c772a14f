/*
 * fuzz_clock.c - libFuzzer target: timestamps and durations.  What is read as a timestamp is written
 * as one that says the same; what is read as a duration is not negative.
 */
#include "clock.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	char written[CLOCK_STAMP_MAX];
	int64_t us, again;

	if (clock_parse_stamp(text, &us)) {
		size_t n = clock_stamp(us, written);

		if (!clock_parse_stamp((struct str){ written, n }, &again) || again != us)
			abort();
	}
	if (clock_parse_duration(text, &us) && us < 0)
		abort();
	return 0;
}
