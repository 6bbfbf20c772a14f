/*
 * identity.c - the credentials that are valid now, and the judgement of what a client shows.  One
 * hash from name to credential; what was given out stays readable until its last reference goes,
 * and says then that it is revoked.  A bearer costs one SHA-256; a password that was right once is
 * remembered by a keyed digest of its header, so scrypt runs once per client and start.
 * Never: a text of a secret in a log line or an error.
 */
#include "identity_int.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "identity_brake.h"
#include "log.h"
#include "metrics.h"

#define REMEMBERED 1024 /* passwords; the older of two in one place goes */

static struct {
	char *file;
	bool must, required;
	struct identity_list list;
	struct identity **slots;
	size_t nslots; /* a power of two */
	unsigned char salt[SALT_BYTES]; /* of remembered passwords, new at each start */
	struct {
		unsigned char digest[HASH_BYTES];
		struct identity *i;
	} remembered[REMEMBERED];
} id;

#define RESULT(word)                                                                               \
	{                                                                                          \
		.name = "moon2m_identity_total",                                                   \
		.help = "Credentials judged, by what came of it.",                                 \
		.labels = "result=\"" word "\"", .kind = METRIC_COUNTER,                           \
	}
enum { R_KNOWN, R_MISSING, R_WRONG, R_BRAKED, R_BUSY, R_NOT_COVERED };
static struct metric results[] = { RESULT("known"),  RESULT("missing"), RESULT("wrong"),
				   RESULT("braked"), RESULT("busy"),    RESULT("not_covered") };

static double read_credentials(void *arg)
{
	(void)arg;
	return (double)id.list.n;
}

static struct metric credentials = {
	.name = "moon2m_credentials",
	.help = "Credentials that are valid.",
	.kind = METRIC_GAUGE,
	.read = read_credentials,
};

/* ---- references ------------------------------------------------------------------------------ */

struct identity *identity_ref(const struct identity *i)
{
	struct identity *own = (struct identity *)(uintptr_t)i;

	if (own)
		own->refs++;
	return own;
}

void identity_unref(struct identity *i)
{
	if (i && --i->refs == 0)
		identity_free(i);
}

const char *identity_name(const struct identity *i)
{
	return i->name;
}

bool identity_revoked(const struct identity *i)
{
	return i->revoked;
}

/* ---- the table ------------------------------------------------------------------------------- */

static size_t slot_of(struct str name)
{
	uint64_t h = 14695981039346656037u;

	for (size_t k = 0; k < name.n; k++)
		h = (h ^ (unsigned char)name.p[k]) * 1099511628211u;
	return (size_t)(h ^ h >> 32) & (id.nslots - 1);
}

static struct identity *find(struct str name, enum identity_kind kind)
{
	if (!id.nslots)
		return NULL;
	for (struct identity *i = id.slots[slot_of(name)]; i; i = i->chain) {
		if (i->kind == kind && str_is(name, i->name))
			return i;
	}
	return NULL;
}

const struct identity *identity_named(struct str name)
{
	for (int k = IDENTITY_BEARER; k <= IDENTITY_CERTIFICATE; k++) {
		const struct identity *i = find(name, (enum identity_kind)k);

		if (i)
			return i;
	}
	return NULL;
}

static void build_hash(void)
{
	id.nslots = 64;
	while (id.nslots < id.list.n)
		id.nslots *= 2;
	free(id.slots);
	id.slots = xcalloc(id.nslots, sizeof(struct identity *));
	for (size_t k = 0; k < id.list.n; k++) {
		struct identity *i = id.list.at[k], **slot = &id.slots[slot_of(str_of(i->name))];

		i->chain = *slot;
		*slot = i;
	}
}

static bool same_originators(const struct identity *a, const struct identity *b)
{
	if (a->noriginators != b->noriginators)
		return false;
	for (size_t k = 0; k < a->noriginators; k++) {
		if (strcmp(a->originators[k], b->originators[k]) != 0)
			return false;
	}
	return true;
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 && a->cost == b->cost &&
	       (a->subject == NULL) == (b->subject == NULL) &&
	       (!a->subject || strcmp(a->subject, b->subject) == 0) &&
	       CRYPTO_memcmp(a->salt, b->salt, SALT_BYTES) == 0 &&
	       CRYPTO_memcmp(a->hash, b->hash, HASH_BYTES) == 0 && a->key_len == b->key_len &&
	       CRYPTO_memcmp(a->key, b->key, KEY_MAX) == 0 && same_originators(a, b);
}

/* l takes the place of what was valid; what is the same in both goes on as it is. */
static void replace(struct identity_list *l)
{
	struct identity_list old = id.list;

	for (size_t k = 0; k < l->n; k++) {
		struct identity *was = find(str_of(l->at[k]->name), l->at[k]->kind);

		if (was && identity_equal(was, l->at[k])) {
			identity_unref(l->at[k]);
			l->at[k] = identity_ref(was);
		} else {
			identity_compile(l->at[k]);
		}
	}
	for (size_t k = 0; k < old.n; k++)
		old.at[k]->revoked = true;
	for (size_t k = 0; k < l->n; k++)
		l->at[k]->revoked = false;
	id.list = *l;
	build_hash();
	identity_list_free(&old);
	id.required = id.required || l->n > 0;
}

static bool load(bool must, struct err *e)
{
	struct identity_list l;
	bool missing, ok = identity_file_read(id.file, &l, &missing, e);

	if (ok && missing && must)
		ok = err_set(e, "%s: there is no such file", id.file);
	if (!ok)
		l = (struct identity_list){ NULL, 0 };
	replace(&l);
	return ok;
}

static void register_metrics(void)
{
	static bool done;

	for (size_t k = 0; !done && k < countof(results); k++)
		metric_register(&results[k]);
	if (!done)
		metric_register(&credentials);
	done = true;
}

bool identity_open(const struct identity_opts *o, struct err *e)
{
	identity_local(o->csi, o->spi);
	id.file = xstrdup(o->file);
	id.must = o->must;
	register_metrics();
	brake_open(o->failures, o->brake_time);
	compute_open(o->wake, o->arg);
	return identity_random(id.salt, sizeof(id.salt), e) && load(o->must, e);
}

void identity_close(void)
{
	struct identity_list none = { NULL, 0 };

	compute_close();
	if (id.file)
		replace(&none);
	for (size_t k = 0; k < REMEMBERED; k++)
		identity_unref(id.remembered[k].i);
	brake_close();
	identity_local(NULL, NULL);
	identity_set_admin(NULL);
	free(id.slots);
	free(id.file);
	OPENSSL_cleanse(&id, sizeof(id));
}

bool identity_reload(struct err *e)
{
	bool ok;

	if (!id.file)
		return true;
	ok = load(id.must || id.required, e);
	if (ok)
		log_info("identity", "credentials read count=%zu", id.list.n);
	else
		log_error("identity",
			  "the credentials cannot be read: nobody is let in until they can"
			  " reason=%s",
			  log_quote(str_of(e->msg)));
	id.required = id.required || !ok;
	return ok;
}

bool identity_required(void)
{
	return id.required;
}

size_t identity_count(void)
{
	return id.list.n;
}

/* ---- judgement ------------------------------------------------------------------------------- */

static enum identity_verdict known(const struct identity *i, struct str address,
				   const struct identity **out)
{
	metric_add(&results[R_KNOWN], 1);
	brake_good(address, i->serial);
	*out = i;
	return IDENTITY_KNOWN;
}

static enum identity_verdict wrong(const struct identity *i, struct str address)
{
	metric_add(&results[R_WRONG], 1);
	log_info("identity", "wrong credential address=%s name=%s", log_quote(address),
		 i ? i->name : "(unknown)");
	if (id.list.n) /* else the file cannot be read, and who was right before guesses nothing */
		brake_bad(address, i ? i->serial : 0);
	return IDENTITY_WRONG;
}

/* What an address that is braked may still try: a credential that it has used before. */
static bool stopped(const struct identity *i, struct str address)
{
	if (!identity_braked(address) || brake_knows(address, i ? i->serial : 0))
		return false;
	metric_add(&results[R_BRAKED], 1);
	return true;
}

static enum identity_verdict check_bearer(struct str token, struct str address,
					  const struct identity **out)
{
	const char *dot = token.n ? memchr(token.p, '.', token.n) : NULL;
	struct str name = { token.p, dot ? (size_t)(dot - token.p) : 0 }, secret = STR("");
	unsigned char hash[HASH_BYTES];
	const struct identity *i = dot ? find(name, IDENTITY_BEARER) : NULL;

	if (stopped(i, address))
		return IDENTITY_BRAKED;
	if (dot)
		secret = (struct str){ dot + 1, token.n - name.n - 1 };
	if (!i || secret.n > SECRET_MAX)
		return wrong(NULL, address);
	identity_digest(i->salt, secret, hash);
	if (CRYPTO_memcmp(hash, i->hash, HASH_BYTES) != 0)
		return wrong(i, address);
	return known(i, address, out);
}

/* ---- passwords ------------------------------------------------------------------------------- */

static size_t remember_slot(struct str header, unsigned char *digest)
{
	identity_digest(id.salt, header, digest);
	return (digest[0] | (size_t)digest[1] << 8) % REMEMBERED;
}

static const struct identity *recall(struct str header)
{
	unsigned char digest[HASH_BYTES];
	size_t k = remember_slot(header, digest);
	const struct identity *i = id.remembered[k].i;

	if (!i || i->revoked || CRYPTO_memcmp(digest, id.remembered[k].digest, HASH_BYTES) != 0)
		return NULL;
	return i;
}

static void remember(struct str header, const struct identity *i)
{
	unsigned char digest[HASH_BYTES];
	size_t k = remember_slot(header, digest);

	identity_unref(id.remembered[k].i);
	id.remembered[k].i = identity_ref(i);
	memcpy(id.remembered[k].digest, digest, HASH_BYTES);
}

/* Splits "user:password" of a Basic header; the text is in out. */
static bool split_basic(struct str header, struct buf *out, struct str *user, struct str *password)
{
	const char *colon;

	if (header.n > SECRET_MAX ||
	    !identity_unbase64((struct str){ header.p + 6, header.n - 6 }, out))
		return false;
	colon = out->n ? memchr(out->p, ':', out->n) : NULL;
	if (!colon)
		return false;
	*user = (struct str){ out->p, (size_t)(colon - out->p) };
	*password = (struct str){ colon + 1, out->n - user->n - 1 };
	return true;
}

static enum identity_verdict check_basic(struct str header, struct str address,
					 const struct identity **out)
{
	struct buf text = BUF_INIT;
	struct str user, password;
	const struct identity *i = NULL, *before;
	bool ok = split_basic(header, &text, &user, &password);

	if (ok)
		i = find(user, IDENTITY_BASIC);
	if (text.p)
		OPENSSL_cleanse(text.p, text.n);
	buf_free(&text);
	if (stopped(i, address))
		return IDENTITY_BRAKED;
	if (!ok)
		return wrong(NULL, address);
	before = recall(header);
	return before ? known(before, address, out) : IDENTITY_PENDING;
}

struct asked {
	struct buf header;
	struct str address;
	char address_text[64];
	struct identity *i; /* NULL: no such user; it takes as long */
	void (*done)(void *arg, enum identity_verdict v, const struct identity *i);
	void *arg;
};

static void free_asked(struct asked *a)
{
	OPENSSL_cleanse(a->header.p, a->header.n);
	buf_free(&a->header);
	identity_unref(a->i);
	free(a);
}

static void computed(void *arg, bool match, bool stop)
{
	struct asked *a = arg;
	const struct identity *i = a->i && !a->i->revoked ? a->i : NULL, *out = NULL;
	enum identity_verdict v = IDENTITY_BUSY;

	if (!stop)
		v = match && i ? known(i, a->address, &out) : wrong(i, a->address);
	if (out)
		remember(buf_view(&a->header), out);
	a->done(a->arg, v, out);
	free_asked(a);
}

enum identity_verdict identity_compute(const struct identity_claim *c,
				       void (*done)(void *arg, enum identity_verdict v,
						    const struct identity *i),
				       void *arg)
{
	struct buf text = BUF_INIT;
	struct str user, password;
	struct asked *a = xcalloc(1, sizeof(*a));
	bool ok = split_basic(c->authorization, &text, &user, &password);

	a->i = ok ? identity_ref(find(user, IDENTITY_BASIC)) : NULL;
	buf_str(&a->header, c->authorization);
	a->address.n = c->address.n < sizeof(a->address_text) ? c->address.n : 0;
	memcpy(a->address_text, c->address.p, a->address.n);
	a->address.p = a->address_text;
	a->done = done;
	a->arg = arg;
	ok = ok && compute_start(a->i, password, a->address, computed, a);
	if (text.p)
		OPENSSL_cleanse(text.p, text.n);
	buf_free(&text);
	if (ok)
		return IDENTITY_PENDING;
	metric_add(&results[R_BUSY], 1);
	free_asked(a);
	return IDENTITY_BUSY;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool has_scheme(struct str header, const char *scheme)
{
	size_t n = strlen(scheme);

	return header.n > n && header.p[n] == ' ' &&
	       str_ieq((struct str){ header.p, n }, str_of(scheme));
}

static struct str trimmed(struct str s)
{
	while (s.n && s.p[0] == ' ') {
		s.p++;
		s.n--;
	}
	return s;
}

enum identity_verdict identity_check(const struct identity_claim *c, const struct identity **out)
{
	struct str h = c->authorization;

	*out = NULL;
	if (!id.required)
		return IDENTITY_OPEN;
	if (has_scheme(h, "Bearer"))
		return check_bearer(trimmed((struct str){ h.p + 7, h.n - 7 }), c->address, out);
	if (has_scheme(h, "Basic"))
		return check_basic(h, c->address, out);
	if (h.n)
		return wrong(NULL, c->address);
	if (c->token.n)
		return check_bearer(c->token, c->address, out);
	if (c->peer && !c->peer->revoked) {
		metric_add(&results[R_KNOWN], 1);
		*out = c->peer;
		return IDENTITY_KNOWN;
	}
	metric_add(&results[R_MISSING], 1);
	return IDENTITY_MISSING;
}

/* The high bit keeps tokens apart from the serials of credentials. */
uint64_t identity_token(struct str token)
{
	unsigned char digest[HASH_BYTES];
	uint64_t mark;

	identity_digest(id.salt, token, digest);
	memcpy(&mark, digest, sizeof(mark));
	return mark | UINT64_C(1) << 63;
}

bool identity_token_stopped(struct str address, uint64_t token)
{
	if (!identity_braked(address) || brake_knows(address, token))
		return false;
	metric_add(&results[R_BRAKED], 1);
	return true;
}

void identity_token_good(struct str address, uint64_t token)
{
	brake_good(address, token);
}

void identity_token_wrong(struct str address, uint64_t token)
{
	metric_add(&results[R_WRONG], 1);
	log_info("identity", "wrong token of a notification service address=%s",
		 log_quote(address));
	brake_bad(address, token);
}

void identity_not_covered(const struct identity *i, struct str originator)
{
	metric_add(&results[R_NOT_COVERED], 1);
	log_info("identity", "originator not covered name=%s fr=%s", i ? i->name : "-",
		 log_quote(originator));
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static const struct identity *by_subject(enum identity_kind kind, struct str subject)
{
	for (size_t k = 0; k < id.list.n; k++) {
		const struct identity *i = id.list.at[k];

		if (i->kind == kind && str_is(subject, i->subject))
			return i;
	}
	return NULL;
}

const struct identity *identity_of_tls(struct str name)
{
	if (str_starts(name, STR("psk:")))
		return by_subject(IDENTITY_PSK, (struct str){ name.p + 4, name.n - 4 });
	return by_subject(IDENTITY_CERTIFICATE, name);
}

bool identity_psk(const char *identity, unsigned char *key, size_t *len)
{
	const struct identity *i = by_subject(IDENTITY_PSK, str_of(identity));

	if (!i || i->key_len > *len)
		return false;
	memcpy(key, i->key, i->key_len);
	*len = i->key_len;
	return true;
}
