/*
 * progress.c - see progress.h.
 */
#define _GNU_SOURCE
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "clock.h"

#define PAUSE_US 200000 /* between two lines */

void progress_begin(struct progress *p, const char *unit)
{
	int64_t now = clock_mono();

	*p = (struct progress){ .unit = unit, .start = now, .last = now - PAUSE_US };
}

/* It is time for a line; the seconds since the beginning. */
static bool is_due(struct progress *p, double *seconds)
{
	int64_t now = clock_mono();

	if (now - p->last < PAUSE_US || !isatty(STDERR_FILENO))
		return false;
	p->last = now;
	p->shown = true;
	*seconds = (double)(now - p->start) / 1e6;
	return true;
}

static void put_left(double seconds)
{
	if (seconds < 60)
		fprintf(stderr, ", %.0f s left", seconds + 0.5);
	else
		fprintf(stderr, ", %.0f min left", seconds / 60 + 0.5);
}

void progress_show(struct progress *p, double done, double total)
{
	double seconds;

	if (!is_due(p, &seconds))
		return;
	fprintf(stderr, "\r%.0f %s", done, p->unit);
	if (seconds > 0)
		fprintf(stderr, ", %.0f/s", done / seconds);
	if (total > 0)
		fprintf(stderr, ", %.0f %%", done < total ? done / total * 100 : 100);
	if (done > 0 && done < total)
		put_left(seconds * (total - done) / done);
	fputs("\033[K", stderr);
}

void progress_step(struct progress *p, const char *what)
{
	double seconds;

	if (is_due(p, &seconds))
		fprintf(stderr, "\r%s, %.0f s\033[K", what, seconds);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
