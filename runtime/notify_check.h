/*
 * notify_check.h - whether the stored rows of notifications fit each other, for `moon2m verify`: fed
 * with every row, targets first, then lists of members, then notices, each by ascending id.  Needs no
 * open engine.
 */
#pragma once

#include "base.h"

struct notify_check_sum {
	uint64_t damaged; /* notices that cannot be read, or whose list of members is not there */
	uint64_t damaged_lists;
	uint64_t
	    without_target; /* notices whose targets are all gone: the next start forgets them */
	uint64_t unused_lists; /* lists of no notice, forgotten the same way */
};

struct notify_check *notify_check_new(void);
void notify_check_free(struct notify_check *c);
void notify_check_tgt(struct notify_check *c, int64_t id);
void notify_check_aud(struct notify_check *c, int64_t id, struct str members);
/* Returns what is wrong with the row, or NULL. */
const char *notify_check_ntf(struct notify_check *c, int64_t id, struct str members);
void notify_check_end(const struct notify_check *c, struct notify_check_sum *sum);
