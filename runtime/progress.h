/*
 * progress.h - how far a long command is, on standard error when that is a terminal: one line that is
 * written over.  On anything else nothing is said.
 */
#pragma once

#include "base.h"

struct progress {
	const char *unit; /* "MiB" */
	bool shown;
	int64_t start, last; /* clock_mono */
};

void progress_begin(struct progress *p, const char *unit);
/* done of total units; a few times a second at most it is written, with the rate and the time left. */
void progress_show(struct progress *p, double done, double total);
/* A step without a known length: "what", and the seconds since the beginning. */
void progress_step(struct progress *p, const char *what);
void progress_end(struct progress *p); /* removes the line */
