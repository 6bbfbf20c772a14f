/*
 * notify_tool.h - the small containers of the notification engine: a chained hash, texts that are
 * also kept JSON-escaped, varints for what is stored.
 */
#pragma once

#include "buf.h"

/* A chained hash of embedded nodes; the owner compares. */
struct node {
	struct node *next;
	uint64_t hash;
};
struct map {
	struct node **slot;
	size_t cap, n;
};
void map_add(struct map *m, struct node *n, uint64_t hash);
void map_del(struct map *m, struct node *n);
struct node *map_first(const struct map *m, uint64_t hash);
struct node *map_next(const struct node *n); /* same hash */
void map_free(struct map *m);
uint64_t hash_bytes(struct str s);
uint64_t hash_int(uint64_t v);

/* A text as it is and as it stands inside a JSON string. */
struct text {
	struct str raw, json; /* json may be the same bytes */
};
void text_set(struct text *t, struct str s);
void text_free(struct text *t);

void put_varint(struct buf *b, uint64_t v);
void put_bytes(struct buf *b, struct str s); /* length, bytes */
bool get_varint(struct str *s, uint64_t *v) MUSTCHECK; /* false: no varint at the start of s */
bool get_bytes(struct str *s, struct str *v) MUSTCHECK;
