/*
 * jscan.c - checks JSON text in one pass; all request bodies and WebSocket frames come here.
 * Guarantees: linear time and no recursion whatever the text; what is accepted is RFC 8259 in UTF-8
 * within the limits; a refusal names the byte and the reason.
 * Must never: allocate, or read outside the given bytes.
 */
#include "jscan.h"

#include "limit.h"
#include "plain.h"

#define DEEPEST 1024 /* hard bound of max_depth: one byte of stack per level */

unsigned jscan_members = 4096, jscan_depth = 64;

/* ---- bytes --------------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* Four hexadecimal digits at p, or -1. */
static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		char low = (char)(c | 0x20);

		if (is_digit(c))
			v = v * 16 + (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v * 16 + (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* ---- the check ----------------------------------------------------------------------------- */

struct check {
	const char *p, *end;
	const char *why; /* reason, about the byte at p */
	const unsigned *limit; /* what the reason ends in, or NULL */
	unsigned depth, members;
	struct jscan_limits lim;
	char close[DEEPEST]; /* the bracket that ends each open container */
};

static bool fail(struct check *c, const char *at, const char *why)
{
	c->p = at;
	c->why = why;
	return false;
}

static bool fail_limit(struct check *c, const char *why, const unsigned *limit)
{
	c->limit = limit;
	limit_hit(limit == &c->lim.max_depth ? LIMIT_JSON_DEPTH : LIMIT_JSON_MEMBERS);
	return fail(c, c->p, why);
}

/* At the backslash of an escape. */
static bool check_escape(struct check *c)
{
	const char *p = c->p, *end = c->end;
	int u;

	if (end - p < 2)
		return fail(c, end, "unterminated string");
	if (p[1] != 'u') {
		if (p[1] == '\0' || !strchr("\"\\/bfnrt", p[1]))
			return fail(c, p, "unknown escape in a string");
		c->p = p + 2;
		return true;
	}
	u = hex4(p + 2, end);
	if (u < 0)
		return fail(c, p, "\\u without four hexadecimal digits");
	c->p = p + 6;
	if (u < 0xd800 || u > 0xdfff)
		return true;
	if (u < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
		u = hex4(p + 8, end);
		if (u >= 0xdc00 && u <= 0xdfff) {
			c->p = p + 12;
			return true;
		}
	}
	return fail(c, p, "invalid UTF-8 (escape of a lone surrogate)");
}

/* At the opening quote. */
static bool check_string(struct check *c)
{
	const char *p = c->p + 1;

	for (;;) {
		size_t n;

		p = skip_plain(p, c->end);
		if (p == c->end)
			return fail(c, p, "unterminated string");
		if (*p == '"') {
			c->p = p + 1;
			return true;
		}
		if (*p == '\\') {
			c->p = p;
			if (!check_escape(c))
				return false;
			p = c->p;
			continue;
		}
		if ((unsigned char)*p < 0x20)
			return fail(c, p, "control character in a string");
		n = utf8_step(p, c->end);
		if (n == 0)
			return fail(c, p, "invalid UTF-8");
		p += n;
	}
}

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

static bool check_number(struct check *c)
{
	const char *p = c->p, *end = c->end;

	if (*p == '-')
		p++;
	if (p == end || !is_digit(*p))
		return fail(c, p, "digit expected in a number");
	if (*p == '0' && p + 1 < end && is_digit(p[1]))
		return fail(c, p, "number with a leading zero");
	p = skip_digits(p, end);
	if (p < end && *p == '.') {
		p++;
		if (p == end || !is_digit(*p))
			return fail(c, p, "digit expected after the decimal point");
		p = skip_digits(p, end);
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (p == end || !is_digit(*p))
			return fail(c, p, "digit expected in an exponent");
		p = skip_digits(p, end);
	}
	c->p = p;
	return true;
}

static bool check_word(struct check *c, const char *word, size_t n)
{
	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return fail(c, c->p, "value expected");
	c->p += n;
	return true;
}

static bool check_open(struct check *c, char close)
{
	if (c->depth >= c->lim.max_depth)
		return fail_limit(c, "deeper than", &c->lim.max_depth);
	c->close[c->depth++] = close;
	c->p++;
	return true;
}

/* A scalar to its end, or the opening bracket of a container. */
static bool check_value(struct check *c)
{
	c->p = skip_space(c->p, c->end);
	if (c->p == c->end)
		return fail(c, c->p, "value expected, but the text ends");
	switch (*c->p) {
	case '"':
		return check_string(c);
	case '{':
		return check_open(c, '}');
	case '[':
		return check_open(c, ']');
	case 't':
		return check_word(c, "true", 4);
	case 'f':
		return check_word(c, "false", 5);
	case 'n':
		return check_word(c, "null", 4);
	case '-':
	case '0' ... '9':
		return check_number(c);
	}
	return fail(c, c->p, "value expected");
}

/* Before a member or element: counts it and, in an object, passes `"name" :`. */
static bool check_item(struct check *c)
{
	if (++c->members > c->lim.max_members)
		return fail_limit(c, "more members and elements than", &c->lim.max_members);
	if (c->close[c->depth - 1] != '}')
		return true;
	c->p = skip_space(c->p, c->end);
	if (c->p == c->end || *c->p != '"')
		return fail(c, c->p, "member name expected");
	if (!check_string(c))
		return false;
	c->p = skip_space(c->p, c->end);
	if (c->p == c->end || *c->p != ':')
		return fail(c, c->p, "':' expected after a member name");
	c->p++;
	return true;
}

/* After a value: closes what ends here.  *more is true when another value follows. */
static bool check_after(struct check *c, bool *more)
{
	*more = false;
	while (c->depth > 0) {
		char close = c->close[c->depth - 1];

		c->p = skip_space(c->p, c->end);
		if (c->p == c->end)
			return fail(c, c->p, "the text ends inside an array or object");
		if (*c->p == close) {
			c->p++;
			c->depth--;
			continue;
		}
		if (*c->p != ',')
			return fail(c, c->p,
				    close == '}' ? "',' or '}' expected" : "',' or ']' expected");
		c->p++;
		*more = true;
		return check_item(c);
	}
	return true;
}

static bool check_text(struct check *c)
{
	bool more = true;

	while (more) {
		unsigned depth = c->depth;

		if (!check_value(c))
			return false;
		if (c->depth > depth) { /* it opened a container */
			c->p = skip_space(c->p, c->end);
			if (c->p == c->end || *c->p != c->close[depth]) {
				if (!check_item(c))
					return false;
				continue;
			}
		}
		if (!check_after(c, &more))
			return false;
	}
	c->p = skip_space(c->p, c->end);
	if (c->p != c->end)
		return fail(c, c->p, "bytes after the value");
	return true;
}

bool jscan_check(struct str text, struct jscan_limits lim, struct err *e)
{
	struct check c;

	c.p = text.p;
	c.end = str_end(text);
	c.why = NULL;
	c.limit = NULL;
	c.depth = c.members = 0;
	c.lim = lim;
	if (c.lim.max_depth > DEEPEST)
		c.lim.max_depth = DEEPEST;
	if (check_text(&c))
		return true;
	if (c.limit)
		return err_set(e, "byte %zu: %s %u (limits.json_%s)", (size_t)(c.p - text.p), c.why,
			       *c.limit, c.limit == &c.lim.max_depth ? "depth" : "members");
	return err_set(e, "byte %zu: %s", (size_t)(c.p - text.p), c.why);
}
