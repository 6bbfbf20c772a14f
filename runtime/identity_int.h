/*
 * identity_int.h - what the identity*.c files share and nobody else sees: the credential itself,
 * its file, its secret, the patterns of originators.
 */
#pragma once

#include "identity.h"

#define SALT_BYTES 16
#define HASH_BYTES 32
#define SECRET_MAX 1024 /* bytes of a token's secret or a password */
#define KEY_MAX 64 /* bytes of a PSK */
#define KEY_MIN 16
#define NAME_MAX_BYTES 64
#define SUBJECT_MAX 512
#define PATTERNS_MAX 4096 /* of one credential */
#define ORIGINATOR_MAX 512 /* bytes */

struct pattern {
	char *text; /* normal form */
	size_t n;
	bool all; /* "*": any originator */
	bool wild; /* has a '*', which stands for anything without '/' */
};

struct identity {
	struct identity *chain; /* same slot of the table */
	enum identity_kind kind;
	char *name; /* also the user of Basic */
	char *subject; /* psk: its identity; certificate: "uri:..." or "dns:..."; else NULL */
	unsigned char salt[SALT_BYTES];
	unsigned char hash[HASH_BYTES]; /* bearer, basic */
	unsigned char key[KEY_MAX]; /* psk */
	size_t key_len;
	unsigned cost; /* basic: log2 of scrypt's N */
	int64_t created; /* us since 1970 */
	char **originators; /* as given */
	size_t noriginators;
	struct pattern *patterns; /* of them; exact ones first, sorted */
	size_t npatterns, nexact;
	uint64_t serial; /* unique while the process lives */
	unsigned refs;
	bool revoked;
};

void identity_free(struct identity *i);
bool identity_equal(const struct identity *a, const struct identity *b);

/* identity_file.c: a list in the order of the file */
struct identity_list {
	struct identity **at; /* each with one reference */
	size_t n;
};
/* *missing: there is no such file; then the list is empty and true is returned. */
bool identity_file_read(const char *file, struct identity_list *l, bool *missing,
			struct err *e) MUSTCHECK;
/* Replaces the file in one step, mode 0600. */
bool identity_file_write(const char *file, const struct identity_list *l, struct err *e) MUSTCHECK;
/* Adds i, which the list then owns; false: the name or the subject is taken. */
bool identity_list_add(struct identity_list *l, struct identity *i, struct err *e) MUSTCHECK;
bool identity_list_remove(struct identity_list *l, const char *name);
void identity_list_free(struct identity_list *l);

/* identity_secret.c */
bool identity_random(unsigned char *p, size_t n, struct err *e) MUSTCHECK;
/* Loop thread, or a command. */
void identity_digest(const unsigned char *salt, struct str secret, unsigned char *hash);
/* Takes tens of milliseconds; any thread.  False: no memory. */
bool identity_scrypt(const unsigned char *salt, unsigned cost, struct str secret,
		     unsigned char *hash) MUSTCHECK;
/* Makes a bearer token (NAME.SECRET) for i, or the secret of its kind that `secret` gives (empty:
 * a random one); `shown` gets what the client needs. */
bool identity_make_secret(struct identity *i, struct str secret, struct buf *shown,
			  struct err *e) MUSTCHECK;
void identity_hex(struct buf *out, const unsigned char *p, size_t n);
bool identity_unhex(struct str text, unsigned char *p, size_t max, size_t *n) MUSTCHECK;
/* "user:password" of base64 text. */
bool identity_unbase64(struct str text, struct buf *out) MUSTCHECK;

/* identity_name.c */
bool identity_good_name(struct str name); /* letters, digits, '_', '-'; a letter or digit first */
bool identity_good_subject(enum identity_kind k, struct str s, struct err *e) MUSTCHECK;
void identity_local(const char *csi, const char *spi); /* copies */
/* Checks and adds an originator as it was given. */
bool identity_add_originator(struct identity *i, struct str text, struct err *e) MUSTCHECK;
/* Makes the patterns of the originators, for what is local now. */
void identity_compile(struct identity *i);
