/*
 * identity.h - who a client is: credentials, and the originators each may speak for.
 *
 * A file of one JSON object a line, mode 0600 (`moon2m credential` writes it) is read at start and
 * again on request.  Kinds: bearer (256 random bits, a salted SHA-256 is kept), basic (a password,
 * its scrypt is kept), psk (the key itself: TLS needs it), certificate (a name in it, no secret).
 * Guarantees: secrets are compared in constant time and never logged; a file that cannot be read
 * means that nobody is known, never that everybody is; a credential that was required once stays
 * required until the process ends.
 * Loop thread only, but for the thread of its own that computes scrypt.
 */
#pragma once

#include "buf.h"
#include "err.h"

#define IDENTITY_FILE "credentials" /* in the data folder */

enum identity_kind { IDENTITY_BEARER, IDENTITY_BASIC, IDENTITY_PSK, IDENTITY_CERTIFICATE };
const char *identity_kind_name(enum identity_kind k); /* "bearer" ... */
bool identity_parse_kind(const char *name, enum identity_kind *k) MUSTCHECK;

struct identity; /* a credential; lives while somebody has a reference */
struct identity *identity_ref(const struct identity *i); /* NULL is NULL */
void identity_unref(struct identity *i);
const char *identity_name(const struct identity *i);
const struct identity *identity_named(struct str name); /* NULL: there is none */
bool identity_revoked(const struct identity *i); /* removed or changed since it was given out */

/* ---- the table ------------------------------------------------------------------------------- */

struct identity_opts {
	const char *file;
	bool must; /* a file that does not exist is an error */
	const char *csi, *spi; /* "/moon", "//moon2m.local": what is local in an originator */
	unsigned failures; /* of one address in a minute; 0: 10 */
	double brake_time; /* s; 0: 60 */
	void (*wake)(void *arg); /* from any thread: identity_poll is wanted on the loop's */
	void *arg;
};

/* False: the file is there and cannot be trusted or read; the reason is in e. */
bool identity_open(const struct identity_opts *o, struct err *e) MUSTCHECK;
void identity_close(
    void); /* passwords being checked are answered with BUSY; before the bindings go */

/* Reads the file again.  What did not change stays valid; false: nothing is valid any more until
 * it can be read. */
bool identity_reload(struct err *e) MUSTCHECK;
bool identity_required(void); /* there are credentials, or there were */
size_t identity_count(void);
/* The administrator's originator, NULL: none.  No wildcard covers it, only its own name. */
void identity_set_admin(const char *originator);

/* ---- originators ----------------------------------------------------------------------------- */

/* An originator as the CSE calls it: an AE of this CSE by its stem, others from "/" on.  Borrows. */
struct str identity_plain(struct str originator);
/* Whether the credential may speak for an originator, in any of its forms. */
bool identity_covers(const struct identity *i, struct str originator);
/* An AE-ID-Stem for a registration that leaves it to the CSE: one the credential covers, which
 * begins with `kind` ('C' or 'S'), made of pattern number *n or the next that gives one; *n is then
 * the number to go on with.  `random` stands where a '*' was.  False: there is no further one. */
bool identity_assign(const struct identity *i, char kind, struct str random, size_t *n,
		     struct buf *out);

/* ---- authentication -------------------------------------------------------------------------- */

enum identity_verdict {
	IDENTITY_OPEN, /* no credential is required */
	IDENTITY_KNOWN,
	IDENTITY_MISSING, /* none was shown */
	IDENTITY_WRONG, /* it is not valid; counts for the brake */
	IDENTITY_BRAKED, /* too many wrong ones from this address */
	IDENTITY_BUSY, /* too many passwords are being checked */
	IDENTITY_PENDING /* a password that has to be computed */
};

struct identity_claim {
	struct str authorization; /* header Authorization; empty or p NULL: none */
	struct str token; /* of a subprotocol, used when there is no header */
	const struct identity
	    *peer; /* by TLS (identity_of_tls), used when there is neither; or NULL */
	struct str address; /* of the client, numeric */
};

/* KNOWN gives the credential (borrowed) in *out, else NULL. */
enum identity_verdict identity_check(const struct identity_claim *c, const struct identity **out);
/* After PENDING: computes, then calls done once on the loop's thread with KNOWN, WRONG or, at the end
 * of the process, BUSY.  BUSY:
 * nothing was begun, done is not called; else PENDING. */
enum identity_verdict identity_compute(const struct identity_claim *c,
				       void (*done)(void *arg, enum identity_verdict v,
						    const struct identity *i),
				       void *arg);
void identity_poll(void); /* on the loop's thread, after wake */

/* The credential that a TLS session's authenticated name ("uri:...", "dns:...", "psk:...") is for;
 * NULL: there is none. */
const struct identity *identity_of_tls(struct str name);
/* The key of a PSK identity, at most *len bytes; *len gets its length.  False: unknown. */
bool identity_psk(const char *identity, unsigned char *key, size_t *len) MUSTCHECK;

/* ---- the brake ------------------------------------------------------------------------------- */

bool identity_braked(struct str address);
/* The seconds until it is not, rounded up; 1 at least. */
unsigned identity_brake_left(struct str address);
/* Of tokens that are judged elsewhere.  identity_token: a mark of it, for the others. */
uint64_t identity_token(struct str token);
bool identity_token_stopped(struct str address, uint64_t token); /* braked, and never right here */
void identity_token_good(struct str address, uint64_t token);
void identity_token_wrong(struct str address, uint64_t token);
void identity_not_covered(const struct identity *i, struct str originator); /* counted, logged */

/* In constant time for texts of one length. */
bool identity_same(struct str a, struct str b);
