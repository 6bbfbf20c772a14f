/*
 * notify_head.h - what stands in front of the members of a stored notice.
 */
#pragma once

#include "notify_int.h"

#define HEAD_VERSION 1
enum {
	HEAD_RAW = 1,
	HEAD_BINARY = 2,
	HEAD_AUD = 4,
	HEAD_FAILED = 8,
	HEAD_TYPE = 16,
	HEAD_AT = 32,
	HEAD_COUNT = 64
};

/* Reads the head of a stored notice's members, s moves behind it; *name: owned, what o->format_failed
 * is.  False: it is damaged (*name may be set). */
bool head_parse(struct str *s, struct event_opts *o, char **name, int *flags,
		int64_t *at) MUSTCHECK;
