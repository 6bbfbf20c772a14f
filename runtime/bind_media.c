/*
 * bind_media.c - media types of the HTTP binding.  Everything is a pure function of the header's
 * text; lists are read in place, nothing is allocated.  Never rejects a header for a parameter it
 * does not know.
 */
#include "bind_media.h"

#include "log.h"
#include "primitive.h"

static struct str trim(struct str s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Cuts what stands before the next sep that is outside of a quoted string.  False at the end. */
static bool next_part(struct str *rest, char sep, struct str *part)
{
	bool quoted = false;
	size_t i = 0;

	if (!rest->p)
		return false;
	for (; i < rest->n && (quoted || rest->p[i] != sep); i++) {
		if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
			i++;
		else if (rest->p[i] == '"')
			quoted = !quoted;
	}
	*part = trim((struct str){ rest->p, i });
	if (i < rest->n)
		*rest = (struct str){ rest->p + i + 1, rest->n - i - 1 };
	else
		*rest = STR_NONE;
	return true;
}

/* "name=value" or "name"; quotes around the value are taken off. */
static void split_param(struct str param, struct str *name, struct str *value)
{
	const char *eq = param.n ? memchr(param.p, '=', param.n) : NULL;

	*name = param;
	*value = STR("");
	if (!eq)
		return;
	*name = trim((struct str){ param.p, (size_t)(eq - param.p) });
	*value = trim((struct str){ eq + 1, param.n - (size_t)(eq - param.p) - 1 });
	if (value->n >= 2 && value->p[0] == '"' && value->p[value->n - 1] == '"')
		*value = (struct str){ value->p + 1, value->n - 2 };
}

static const struct known {
	const char *type;
	bool cbor;
} known[] = {
	{ "application/json", false },
	{ "application/cbor", true },
	{ "application/vnd.onem2m-res+json", false },
	{ "application/vnd.onem2m-res+cbor", true },
	{ "application/vnd.onem2m-ntfy+json", false },
	{ "application/vnd.onem2m-ntfy+cbor", true },
	{ "application/vnd.onem2m-preq+json", false },
	{ "application/vnd.onem2m-preq+cbor", true },
	{ "application/vnd.onem2m-prsp+json", false },
	{ "application/vnd.onem2m-prsp+cbor", true },
};

static bool read_ty(struct str value, struct media *m, struct err *e)
{
	uint64_t ty;

	if (!str_u64(value, &ty) || ty < 1 || ty > 65535)
		return err_code(e, RSC_BAD_REQUEST,
				"ty: expected a resource type number in Content-Type, got %s",
				log_quote(value));
	if (m->ty && m->ty != (int)ty)
		return err_code(e, RSC_BAD_REQUEST, "ty: given twice in Content-Type");
	m->ty = (int)ty;
	return true;
}

bool media_content_type(struct str header, struct media *m, struct err *e)
{
	struct str rest = header, type, param, name, value;
	size_t i = 0;

	*m = (struct media){ false, 0 };
	if (!next_part(&rest, ';', &type))
		type = STR("");
	while (i < countof(known) && !str_ieq(type, str_of(known[i].type)))
		i++;
	if (i == countof(known))
		return err_code(e, RSC_UNSUPPORTED_MEDIA_TYPE,
				"Content-Type: %s is not supported; JSON and CBOR are",
				log_quote(type));
	m->cbor = known[i].cbor;
	while (next_part(&rest, ';', &param)) {
		split_param(param, &name, &value);
		if (str_ieq(name, STR("ty")) && !read_ty(value, m, e))
			return false;
	}
	return true;
}

/* RFC 9110 12.4.2: 0 to 1 with at most three digits; as thousandths.  Nonsense counts as 1. */
static int read_q(struct str s)
{
	int q = 0, unit = 1000;

	if (s.n == 0 || (s.p[0] != '0' && s.p[0] != '1'))
		return 1000;
	if (s.p[0] == '1')
		return 1000;
	for (size_t i = 2; i < s.n && unit > 1; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			break;
		unit /= 10;
		q += (s.p[i] - '0') * unit;
	}
	return q;
}

/* How closely the range names the type: 3 exactly, 2 "application/" and star, 1 star, 0 not. */
static int specificity(struct str range, const char *type)
{
	if (str_ieq(range, str_of(type)))
		return 3;
	if (str_ieq(range, STR("application/*")))
		return 2;
	return str_is(range, "*/*") || str_is(range, "*") ? 1 : 0;
}

/* The q of a type: that of the most specific range that matches it, 0 when none does. */
static int quality(struct str accept, const char *type)
{
	struct str range, part, name, value;
	int best = 0, q = 0;

	while (next_part(&accept, ',', &range)) {
		int s, range_q = 1000;

		if (!next_part(&range, ';', &part))
			continue;
		s = specificity(part, type);
		if (s <= best)
			continue;
		while (next_part(&range, ';', &part)) {
			split_param(part, &name, &value);
			if (str_ieq(name, STR("q")))
				range_q = read_q(value);
		}
		best = s;
		q = range_q;
	}
	return q;
}

const char *media_accept(struct str accept, bool cbor)
{
	static const char *const offer[2][4] = {
		{ "application/json", "application/vnd.onem2m-res+json", "application/cbor",
		  "application/vnd.onem2m-res+cbor" },
		{ "application/cbor", "application/vnd.onem2m-res+cbor", "application/json",
		  "application/vnd.onem2m-res+json" },
	};
	const char *chosen = NULL;
	int best = 0;

	if (trim(accept).n == 0)
		return offer[cbor][0];
	for (size_t i = 0; i < countof(offer[0]); i++) {
		int q = quality(accept, offer[cbor][i]);

		if (q > best) {
			best = q;
			chosen = offer[cbor][i];
		}
	}
	return chosen;
}

bool media_is_cbor(const char *type)
{
	return str_ieq(str_of(type + strlen(type) - 4), STR("cbor"));
}
