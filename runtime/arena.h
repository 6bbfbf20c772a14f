/*
 * arena.h - memory and deferred undo of one primitive.  Everything is released at once, deferred
 * calls first, in reverse order; nothing is freed singly.
 */
#pragma once

#include "base.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* runs what was deferred; takes NULL */
void *arena_alloc(struct arena *a, size_t n); /* aligned for any object, not zeroed */
char *arena_dup(struct arena *a, struct str s); /* NUL-terminated copy */
void arena_defer(struct arena *a, void (*fn)(void *), void *arg);
