/*
 * bind_identity.c - originators against credentials, for both bindings.  Never asks Lua: a request
 * that claims what it may not does not get that far.
 */
#define _GNU_SOURCE
#include "bind_identity.h"

#include "log.h"

#define TOKEN_PREFIX STR("bearer.")

static bool cse_refused, origins_listed;

void bind_identity_setup(bool open_cse, bool origins)
{
	cse_refused = !open_cse;
	origins_listed = origins;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* An AE that leaves its AE-ID to the CSE (TS-0001 10.2.2.2). */
static bool leaves_it_open(const struct primitive *p)
{
	if (p->op != OP_CREATE || p->ty != 2)
		return false;
	return p->fr.n == 0 || str_is(p->fr, "C") || str_is(p->fr, "S");
}

/* "/Sx" or "//sp/Sx": an AE of the service provider's, which need not be one of this CSE. */
static bool is_providers(struct str fr, struct str plain)
{
	size_t before;

	if (plain.n < 2 || plain.p[0] != 'S' || fr.n <= plain.n || memchr(plain.p, '/', plain.n))
		return false;
	before = fr.n - plain.n - 1;
	return before == 0 || (before > 2 && fr.p[1] == '/' && !memchr(fr.p + 2, '/', before - 2));
}

static bool admit_open(const struct primitive *p, struct err *e)
{
	struct str plain = identity_plain(p->fr);

	if (!cse_refused || plain.n == 0 || (plain.p[0] != '/' && !is_providers(p->fr, plain)))
		return true;
	return err_code(e, RSC_SECURITY_ASSOCIATION_REQUIRED,
			"fr: %s is a CSE or behind one, and needs a credential", log_quote(p->fr));
}

/* Whether a connection of a notification service stands for it: the AE, or the CSE and those
 * behind it, also when the service provider names them. */
static bool is_its_own(const struct session *s, struct str fr)
{
	struct str plain = identity_plain(fr), only = session_only(s);
	const char *slash;

	if (plain.n == 0 || session_has(s, plain))
		return true;
	if (only.n && only.p[0] == '/' && is_providers(fr, plain))
		return true;
	slash = plain.n > 1 && plain.p[0] == '/' ? memchr(plain.p + 1, '/', plain.n - 1) : NULL;
	return slash && session_has(s, (struct str){ plain.p, (size_t)(slash - plain.p) });
}

static bool may_speak(const struct identity *i, const struct session *s, const struct primitive *p)
{
	if (s && is_its_own(s, p->fr) && !(p->fr.n == 0 && leaves_it_open(p)))
		return true;
	return i && !identity_revoked(i) &&
	       (p->fr.n == 0 || leaves_it_open(p) || identity_covers(i, p->fr));
}

bool bind_identity_admit(const struct identity *i, const struct session *s, struct primitive *p,
			 struct err *e)
{
	if (!identity_required())
		return admit_open(p, e);
	if (i) {
		struct str name = str_of(identity_name(i));

		p->credential = (struct str){ arena_dup(p->arena, name), name.n };
	}
	p->authenticated = may_speak(i, s, p);
	if (p->authenticated)
		return true;
	identity_not_covered(i, p->fr);
	if (!i)
		return err_code(e, RSC_ORIGINATOR_NOT_AUTHENTICATED,
				"fr: %s is not who this connection was opened for",
				log_quote(p->fr));
	return err_code(e, RSC_ORIGINATOR_NOT_AUTHENTICATED,
			"fr: the credential %s may not speak for %s", identity_name(i),
			log_quote(p->fr));
}

int bind_identity_refusal(enum identity_verdict v, struct err *e)
{
	switch (v) {
	case IDENTITY_BRAKED:
		err_code(e, RSC_ORIGINATOR_NOT_AUTHENTICATED,
			 "too many wrong credentials from this address (identity.failures), try"
			 " again later");
		return 429;
	case IDENTITY_BUSY:
		err_code(e, RSC_INTERNAL_SERVER_ERROR,
			 "too many passwords are being checked, try again");
		return 503;
	case IDENTITY_WRONG:
		err_code(e, RSC_ORIGINATOR_NOT_AUTHENTICATED, "the credential is not valid");
		return 401;
	default:
		err_code(e, RSC_ORIGINATOR_NOT_AUTHENTICATED,
			 "a credential is needed: Authorization: Bearer TOKEN, or Basic");
		return 401;
	}
}

/* ---- handshakes ------------------------------------------------------------------------------ */

struct str bind_identity_token(struct str protocols)
{
	while (protocols.n) {
		const char *comma = memchr(protocols.p, ',', protocols.n);
		struct str one = { protocols.p,
				   comma ? (size_t)(comma - protocols.p) : protocols.n };

		protocols.p += one.n + (comma != NULL);
		protocols.n -= one.n + (comma != NULL);
		while (one.n && (one.p[0] == ' ' || one.p[0] == '\t'))
			one = (struct str){ one.p + 1, one.n - 1 };
		while (one.n && (one.p[one.n - 1] == ' ' || one.p[one.n - 1] == '\t'))
			one.n--;
		if (str_starts(one, TOKEN_PREFIX) && one.n > TOKEN_PREFIX.n)
			return (struct str){ one.p + TOKEN_PREFIX.n, one.n - TOKEN_PREFIX.n };
	}
	return STR("");
}

bool bind_identity_service(struct str target, struct str *token)
{
	const char *query = target.n ? memchr(target.p, '?', target.n) : NULL;

	if (query)
		target.n = (size_t)(query - target.p);
	if (!str_starts(target, STR("/notify/")))
		return false;
	*token = (struct str){ target.p + 8, target.n - 8 };
	return true;
}

bool bind_identity_names(struct str origin)
{
	return origin.n && !str_is(origin, "C") && !str_is(origin, "S");
}

struct identity_claim bind_identity_claim(const struct ws_hello *h)
{
	return (struct identity_claim){ .authorization = h->authorization,
					.token = bind_identity_token(h->protocols),
					.peer = bind_identity_tls(h->tls_names),
					.address = h->peer };
}

const struct identity *bind_identity_tls(const char *const *names)
{
	const struct identity *i = NULL;

	while (names && *names && !i)
		i = identity_of_tls(str_of(*names++));
	return i;
}

/* A page of another site may open a connection here with whatever the browser has at hand: the
 * address of this host, a password, a certificate.  Without a list it gets in with what it has to
 * know itself, a token, or when this server is where it comes from. */
static bool good_origin(const struct ws_hello *h)
{
	struct str origin = h->browser_origin, token;
	const char *host;

	if (origins_listed || origin.n == 0 || bind_identity_service(h->target, &token) ||
	    bind_identity_token(h->protocols).n)
		return true;
	host = memmem(origin.p, origin.n, "://", 3);
	return host &&
	       str_ieq((struct str){ host + 3, origin.n - (size_t)(host + 3 - origin.p) }, h->host);
}

int bind_identity_handshake(struct ws_hello *h)
{
	struct identity_claim c = bind_identity_claim(h);
	const struct identity *i;
	enum identity_verdict v;
	struct str token;
	struct err e;

	h->retry_after = identity_brake_left(h->peer);
	if (!good_origin(h))
		return 403;
	if (bind_identity_service(h->target, &token)) {
		if (token.n == 0)
			return 404;
		return identity_token_stopped(h->peer, identity_token(token)) ? 429 : 0;
	}
	v = identity_check(&c, &i);
	if (v == IDENTITY_OPEN || v == IDENTITY_PENDING)
		return 0;
	if (v != IDENTITY_KNOWN)
		return bind_identity_refusal(v, &e);
	if (!bind_identity_names(h->origin_id) || identity_covers(i, h->origin_id))
		return 0;
	identity_not_covered(i, h->origin_id);
	return 403;
}
