/*
 * identity_name.c - originators and the patterns that cover them.  Every form of an identifier is
 * brought to one (TS-0001 7.2): an AE of this CSE is its stem, all else begins with '/'.  A '*'
 * stands for anything without '/', so what covers the AEs of one CSE covers nothing of another; a
 * pattern that is '*' alone covers everybody but the administrator.
 */
#include "identity_int.h"

#include <stdlib.h>

#include "log.h"

static char *csi, *spi, *admin;

void identity_local(const char *new_csi, const char *new_spi)
{
	free(csi);
	free(spi);
	csi = new_csi ? xstrdup(new_csi) : NULL;
	spi = new_spi ? xstrdup(new_spi) : NULL;
}

void identity_set_admin(const char *originator)
{
	free(admin);
	admin = originator ? xstrdup(originator) : NULL;
}

/* What follows prefix and a slash; p NULL when s does not begin so. */
static struct str below(struct str s, const char *prefix)
{
	size_t n = prefix ? strlen(prefix) : 0;

	if (n == 0 || s.n <= n || s.p[n] != '/' || memcmp(s.p, prefix, n) != 0)
		return STR_NONE;
	return (struct str){ s.p + n, s.n - n };
}

struct str identity_plain(struct str s)
{
	struct str rest;

	if (s.n < 2 || s.p[0] != '/')
		return s;
	if (s.p[1] == '/') {
		rest = below(s, spi);
		if (!rest.p || (rest.n > 1 && rest.p[1] == '/'))
			return s;
		s = rest;
	}
	rest = below(s, csi);
	if (rest.p)
		return (struct str){ rest.p + 1, rest.n - 1 };
	if (s.n > 1 && s.p[1] == 'S' && !memchr(s.p + 1, '/', s.n - 1) && !(csi && str_is(s, csi)))
		return (struct str){ s.p + 1, s.n - 1 };
	return s;
}

/* ---- matching -------------------------------------------------------------------------------- */

/* '*' is any run without '/'.  At most one step back per '*': n times m at worst. */
static bool matches(struct str pattern, struct str s)
{
	size_t i = 0, j = 0, star = SIZE_MAX, from = 0;

	while (j < s.n) {
		if (i < pattern.n && pattern.p[i] == '*') {
			star = i++;
			from = j;
		} else if (i < pattern.n && pattern.p[i] == s.p[j]) {
			i++;
			j++;
		} else if (star != SIZE_MAX && s.p[from] != '/') {
			i = star + 1;
			j = ++from;
		} else {
			return false;
		}
	}
	while (i < pattern.n && pattern.p[i] == '*')
		i++;
	return i == pattern.n;
}

static int by_text(const void *a, const void *b)
{
	const struct pattern *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int order;

	if (x->wild != y->wild)
		return x->wild ? 1 : -1;
	order = memcmp(x->text, y->text, n);
	return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* "/moon/Cx" or "//sp/moon/Cx" of a plain form; '\0' is not written. */
static struct str longer(struct str plain, bool absolute, char *out, size_t size)
{
	struct buf b = BUF_INIT;
	struct str v = STR_NONE;

	if (absolute && !str_starts(plain, STR("//")))
		buf_str(&b, str_of(spi));
	if (plain.n && plain.p[0] != '/') {
		if (plain.p[0] != 'S')
			buf_str(&b, str_of(csi));
		buf_char(&b, '/');
	}
	buf_str(&b, plain);
	if (b.n <= size) {
		memcpy(out, b.p, b.n);
		v = (struct str){ out, b.n };
	}
	buf_free(&b);
	return v;
}

static bool wild_covers(const struct pattern *p, struct str plain)
{
	char text[2 * ORIGINATOR_MAX];
	struct str s = plain, pattern = { p->text, p->n };

	if (p->all)
		return true;
	if (pattern.p[0] == '/' && csi && spi)
		s = longer(plain, pattern.n > 1 && pattern.p[1] == '/', text, sizeof(text));
	return s.p && matches(pattern, s);
}

bool identity_covers(const struct identity *i, struct str originator)
{
	struct str plain = identity_plain(originator);
	struct pattern key = { .text = (char *)(uintptr_t)plain.p, .n = plain.n };

	if (!i || i->revoked || plain.n == 0 || plain.n > ORIGINATOR_MAX)
		return false;
	if (i->nexact && bsearch(&key, i->patterns, i->nexact, sizeof(key), by_text))
		return true;
	if (admin && str_is(plain, admin))
		return false;
	for (size_t k = i->nexact; k < i->npatterns; k++) {
		if (wild_covers(&i->patterns[k], plain))
			return true;
	}
	return false;
}

/* ---- making an AE-ID ------------------------------------------------------------------------- */

/* The pattern with `random` for its '*'s, when it begins with kind and stays an AE-ID-Stem. */
static bool make_from(const struct pattern *p, char kind, struct str random, struct buf *out)
{
	bool used = false;

	buf_clear(out);
	if (p->all || p->text[0] == '*')
		buf_char(out, kind);
	for (size_t k = 0; k < p->n; k++) {
		if (p->text[k] != '*')
			buf_char(out, p->text[k]);
		else if (!used)
			buf_str(out, random);
		used = used || p->text[k] == '*';
	}
	return out->n > 1 && out->n <= 128 && out->p[0] == kind && !memchr(out->p, '/', out->n);
}

bool identity_assign(const struct identity *i, char kind, struct str random, size_t *n,
		     struct buf *out)
{
	while (i && !i->revoked && *n < i->npatterns) {
		if (make_from(&i->patterns[(*n)++], kind, random, out) &&
		    identity_covers(i, buf_view(out)) && !(admin && str_is(buf_view(out), admin)))
			return true;
	}
	buf_clear(out);
	return false;
}

/* ---- what may stand in the file -------------------------------------------------------------- */

static bool is_word(struct str s)
{
	for (size_t k = 0; k < s.n; k++) {
		if ((unsigned char)s.p[k] <= 0x20 || (unsigned char)s.p[k] >= 0x7f)
			return false;
	}
	return s.n > 0;
}

bool identity_good_name(struct str s)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	for (size_t k = 0; k < s.n; k++) {
		if (s.p[k] == '\0' || !strchr(letters, s.p[k]))
			return false;
	}
	return s.n > 0 && s.n <= NAME_MAX_BYTES && s.p[0] != '-' && s.p[0] != '_';
}

bool identity_good_subject(enum identity_kind k, struct str s, struct err *e)
{
	if (!is_word(s) || s.n > SUBJECT_MAX)
		return err_set(e, "subject: expected 1 to %d printable characters without space",
			       SUBJECT_MAX);
	if (k != IDENTITY_CERTIFICATE)
		return true;
	if ((str_starts(s, STR("uri:")) || str_starts(s, STR("dns:"))) && s.n > 4)
		return true;
	return err_set(e, "subject: expected uri:URI or dns:NAME, as in the certificate's"
			  " subjectAltName");
}

bool identity_add_originator(struct identity *i, struct str text, struct err *e)
{
	if (!is_word(text) || text.n > ORIGINATOR_MAX)
		return err_set(e,
			       "originator %s: expected 1 to %d printable characters without"
			       " space",
			       log_quote(text), ORIGINATOR_MAX);
	if (text.p[0] != 'C' && text.p[0] != 'S' && text.p[0] != '/' && text.p[0] != '*')
		return err_set(e,
			       "originator %s: expected an AE-ID (C... or S...), an identifier"
			       " that begins with '/', or a pattern of them",
			       log_quote(text));
	if (i->noriginators >= PATTERNS_MAX)
		return err_set(e, "originators: more than %d", PATTERNS_MAX);
	i->originators = xrealloc(i->originators, (i->noriginators + 1) * sizeof(*i->originators));
	i->originators[i->noriginators++] = xstrndup(text.p, text.n);
	return true;
}

void identity_compile(struct identity *i)
{
	for (size_t k = 0; k < i->npatterns; k++)
		free(i->patterns[k].text);
	free(i->patterns);
	i->npatterns = i->noriginators;
	i->patterns = xcalloc(i->npatterns + 1, sizeof(*i->patterns));
	i->nexact = 0;
	for (size_t k = 0; k < i->npatterns; k++) {
		struct str plain = identity_plain(str_of(i->originators[k]));
		struct pattern *p = &i->patterns[k];

		p->text = xstrndup(plain.p, plain.n);
		p->n = plain.n;
		p->all = strcmp(i->originators[k], "*") == 0;
		p->wild = memchr(plain.p, '*', plain.n) != NULL;
		i->nexact += !p->wild;
	}
	qsort(i->patterns, i->npatterns, sizeof(*i->patterns), by_text);
}
