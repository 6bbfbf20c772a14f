/*
 * net_allow.c - whom this server may connect to: schemes, hosts and ports of the operator's list, and
 * never, unless told, what only this host or this link reaches.  A host is judged twice: as it is
 * written, and each address that its name has when it is dialled, so that a name that changes its
 * address between the two gains nothing.
 */
#include "net_lws.h"

#include "limit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define EXPLICIT_BITS 8 /* a wider network does not mean the loopback in it */

enum place { ANYWHERE, LOOPBACK, LINK_LOCAL, NOWHERE };

struct rule {
	char *text, *scheme, *host; /* scheme, host NULL: any; host "*.x": names below x */
	unsigned low, high; /* ports */
	bool network; /* address and bits count, not host */
	unsigned char address[16]; /* of IPv4: mapped */
	unsigned bits; /* of 128 */
};

struct net_rules {
	struct rule *rule;
	size_t n;
	bool loopback, link_local, scripts;
	bool has_own; /* own: what clients are told to call this server */
	char *own_text;
	struct net_url own;
};

/* ---- addresses ------------------------------------------------------------------------------- */

/* As 16 bytes; false: neither IPv4 nor IPv6.  What carries an IPv4 address counts as that. */
static bool bytes_of(const struct sockaddr *sa, unsigned char b[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const unsigned char nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const unsigned char compatible[12];

	memcpy(b, mapped, 12);
	if (sa->sa_family == AF_INET) {
		memcpy(b + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(b, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	if (memcmp(b, nat64, 12) == 0 || (memcmp(b, compatible, 12) == 0 && (b[12] || b[13])))
		memcpy(b, mapped, 12);
	if (b[0] == 0x20 && b[1] == 0x02) { /* 6to4 */
		memmove(b + 12, b + 2, 4);
		memcpy(b, mapped, 12);
	}
	return true;
}

static enum place place4(const unsigned char *a)
{
	if (a[0] == 127)
		return LOOPBACK;
	if (a[0] == 169 && a[1] == 254)
		return a[2] == 169 && a[3] == 254 ? NOWHERE : LINK_LOCAL;
	if (a[0] == 100 && a[1] == 100 && a[2] == 100 && a[3] == 200)
		return NOWHERE; /* metadata of a cloud, like 169.254.169.254 */
	return a[0] == 0 || a[0] >= 224 ? NOWHERE : ANYWHERE;
}

static enum place place_of(const unsigned char b[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const unsigned char metadata[16] = { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 };
	static const unsigned char zero[15];

	if (memcmp(b, mapped, 12) == 0)
		return place4(b + 12);
	if (memcmp(b, zero, 15) == 0)
		return b[15] == 1 ? LOOPBACK : NOWHERE;
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return LINK_LOCAL;
	return b[0] == 0xff || memcmp(b, metadata, 16) == 0 ? NOWHERE : ANYWHERE;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return !rest || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

static bool numeric(const char *host, struct sockaddr_storage *sa)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	sa->ss_family = AF_INET;
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
		return true;
	sa->ss_family = AF_INET6;
	return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* "host", "*.host", "10.0.0.0/8", "[fd00::]/8" */
static bool read_host(struct rule *r, char *text)
{
	struct sockaddr_storage sa;
	char *slash = strchr(text, '/');
	uint64_t bits;

	if (slash)
		*slash = 0;
	if (*text == '[' && text[strlen(text) - 1] == ']') {
		text[strlen(text) - 1] = 0;
		text++;
	}
	r->network = numeric(text, &sa) && bytes_of((struct sockaddr *)&sa, r->address);
	r->bits = 128;
	if (slash) {
		unsigned most = strchr(text, ':') ? 128 : 32;

		if (!r->network || !str_u64(str_of(slash + 1), &bits) || bits > most)
			return false;
		r->bits = (unsigned)bits + 128 - most;
	}
	if (!r->network && strcmp(text, "*") != 0)
		r->host = xstrdup(text);
	return *text != 0;
}

/* "*", "8080", "8000-8999" */
static bool read_ports(struct rule *r, const char *text)
{
	const char *dash = strchr(text, '-');
	struct str low = { text, dash ? (size_t)(dash - text) : strlen(text) };
	uint64_t a, b;

	r->low = 1;
	r->high = 65535;
	if (strcmp(text, "*") == 0)
		return true;
	if (!str_u64(low, &a) || !str_u64(dash ? str_of(dash + 1) : low, &b) || a > b || b > 65535)
		return false;
	r->low = (unsigned)a;
	r->high = (unsigned)b;
	return true;
}

static bool read_rule(struct rule *r, const char *text)
{
	char *copy = xstrdup(text), *at = strstr(copy, "://"), *colon;
	bool good;

	r->text = xstrdup(text);
	if (at) {
		*at = 0;
		if (strcmp(copy, "*") != 0)
			r->scheme = xstrdup(copy);
	}
	at = at ? at + 3 : copy;
	colon = strrchr(at, ':');
	if (colon && strchr(colon, ']'))
		colon = NULL; /* of an IPv6 address */
	if (colon)
		*colon++ = 0;
	good = read_ports(r, colon ? colon : "*") && read_host(r, at);
	free(copy);
	return good;
}

static void free_rules(struct net_rules *rules)
{
	for (size_t i = 0; rules && i < rules->n; i++) {
		free(rules->rule[i].text);
		free(rules->rule[i].scheme);
		free(rules->rule[i].host);
	}
	if (rules) {
		free(rules->own_text);
		free(rules->rule);
	}
	free(rules);
}

void net_allow_free(struct net *n)
{
	free_rules(n->rules);
	n->rules = NULL;
}

bool net_outgoing(struct net *n, const struct net_outgoing *o, struct err *e)
{
	struct net_rules *r = xcalloc(1, sizeof(*r));

	r->rule = xcalloc(o->nallow ? o->nallow : 1, sizeof(*r->rule));
	r->loopback = o->loopback;
	r->link_local = o->link_local;
	r->scripts = o->scripts;
	for (; r->n < o->nallow; r->n++) {
		if (read_rule(&r->rule[r->n], o->allow[r->n]))
			continue;
		r->n++;
		err_set(e,
			"outgoing.allow: %.80s: expected SCHEME://HOST:PORT, of which the host"
			" may be a name, *.NAME, an address or ADDRESS/BITS, the port A-B,"
			" and each may be *",
			o->allow[r->n - 1]);
		free_rules(r);
		return false;
	}
	if (o->own && *o->own) {
		r->own_text = xstrdup(o->own);
		r->has_own = net_url_parse(r->own_text, &r->own, e);
	}
	net_allow_free(n);
	n->rules = r;
	return true;
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool host_matches(const char *pattern, const char *host)
{
	size_t np = strlen(pattern), nh = strlen(host);

	if (*pattern != '*')
		return strcasecmp(pattern, host) == 0;
	return nh >= np && strcasecmp(pattern + 1, host + nh - (np - 1)) == 0;
}

static bool is_localhost(const char *host)
{
	return strcasecmp(host, "localhost") == 0 || host_matches("*.localhost", host);
}

static bool concerns(const struct rule *r, const struct net_whom *w)
{
	return (!r->scheme || strcasecmp(r->scheme, w->scheme) == 0) && w->port >= r->low &&
	       w->port <= r->high;
}

/* What the list says of a host before its addresses are known: a rule of addresses may still do. */
static bool name_listed(const struct net_rules *rules, const struct net_whom *w)
{
	if (!rules->n)
		return true;
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *r = &rules->rule[i];

		if (concerns(r, w) && (r->network || !r->host || host_matches(r->host, w->host)))
			return true;
	}
	return false;
}

static bool refuse(struct err *e, const char *fmt, const char *what)
{
	limit_hit(LIMIT_OUTGOING);
	return err_set(e, fmt, what);
}

/* Whether a rule means this address; *named: it does so by the address, or by "localhost". */
static bool address_listed(const struct net_rules *rules, const struct net_whom *w,
			   const unsigned char b[16], bool *named)
{
	bool listed = rules->n == 0;

	*named = false;
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *r = &rules->rule[i];
		bool match = r->network ? same_bits(r->address, b, r->bits)
					: !r->host || host_matches(r->host, w->host);

		if (!concerns(r, w) || !match)
			continue;
		listed = true;
		*named |= r->network ? r->bits >= EXPLICIT_BITS + (b[10] == 0xff ? 96 : 0)
				     : r->host && is_localhost(r->host);
	}
	return listed;
}

static bool exempt(const struct net *n, const struct net_whom *w)
{
	return !n->rules || (w->script && !n->rules->scripts);
}

static bool address_allowed(struct net *n, const struct net_whom *w, const struct sockaddr *sa,
			    struct err *e)
{
	unsigned char b[16];
	bool named;

	if (!bytes_of(sa, b))
		return refuse(e, "%s", "no internet address");
	if (!w->script && net_is_own(n, sa, b, w->port))
		return refuse(e, "%.80s is this server itself", w->host);
	if (!address_listed(n->rules, w, b, &named))
		return refuse(e, "%.80s is not in outgoing.allow", w->host);
	switch (named ? ANYWHERE : place_of(b)) {
	case LOOPBACK:
		return n->rules->loopback ||
		       refuse(e, "%.80s is a loopback address (outgoing.loopback)", w->host);
	case LINK_LOCAL:
		return n->rules->link_local ||
		       refuse(e, "%.80s is a link-local address (outgoing.link_local)", w->host);
	case NOWHERE:
		return refuse(e, "%.80s is no address to connect to (outgoing.allow)", w->host);
	default:
		return true;
	}
}

bool net_allow_whom(struct net *n, const struct net_whom *w, struct err *e)
{
	struct sockaddr_storage sa;

	if (exempt(n, w))
		return true;
	if (!w->script && n->rules->has_own && n->rules->own.port == w->port &&
	    strcasecmp(n->rules->own.host, w->host) == 0)
		return refuse(e, "%.80s is this server itself", w->host);
	if (numeric(w->host, &sa))
		return address_allowed(n, w, (const struct sockaddr *)&sa, e);
	if (!name_listed(n->rules, w))
		return refuse(e, "%.80s is not in outgoing.allow", w->host);
	if (is_localhost(w->host)) {
		numeric("127.0.0.1", &sa);
		return address_allowed(n, w, (const struct sockaddr *)&sa, e);
	}
	return true;
}

void net_allow_addresses(struct net *n, const struct net_whom *w, struct net_addrs *addrs)
{
	struct err e = { 0 };
	unsigned kept = 0;

	if (exempt(n, w) || !addrs->n)
		return;
	for (unsigned i = 0; i < addrs->n; i++) {
		if (address_allowed(n, w, (const struct sockaddr *)&addrs->a[i].sa, &e))
			addrs->a[kept++] = addrs->a[i];
	}
	addrs->n = kept;
	if (!kept)
		snprintf(addrs->error, sizeof(addrs->error), "%.119s", e.msg);
}

bool net_allow_url(struct net *n, const struct net_url *u, bool script, struct err *e)
{
	struct net_whom w = net_whom_of(u, script);

	return net_allow_whom(n, &w, e);
}

struct net_whom net_whom_of(const struct net_url *u, bool script)
{
	static const char *const names[] = { "http", "https", "ws", "wss" };

	return (struct net_whom){ names[u->ws * 2 + u->tls], u->host, u->port, script };
}

bool net_allowed(struct net *n, const char *url, struct err *e)
{
	struct net_url u;

	return net_url_parse(url, &u, e) && net_allow_url(n, &u, false, e);
}
