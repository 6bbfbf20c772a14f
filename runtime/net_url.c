/*
 * net_url.c - takes an http, https, ws or wss URL apart; strict, no user information, no escapes in
 * the host.  The path and query stay as they are and are checked for characters only.
 */
#include "net_lws.h"

#include <stdlib.h>
#include <strings.h>

static const struct {
	const char *prefix;
	bool tls, ws;
	uint16_t port;
} schemes[] = {
	{ "http://", false, false, 80 },
	{ "https://", true, false, 443 },
	{ "ws://", false, true, 80 },
	{ "wss://", true, true, 443 },
};

static const char *take_scheme(const char *text, struct net_url *u)
{
	for (size_t i = 0; i < countof(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncasecmp(text, schemes[i].prefix, n) != 0)
			continue;
		u->tls = schemes[i].tls;
		u->ws = schemes[i].ws;
		u->port = schemes[i].port;
		return text + n;
	}
	return NULL;
}

static bool host_char(char c, bool v6)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.')
		return true;
	if (v6)
		return c == ':';
	return (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '-' || c == '_';
}

static const char *take_host(const char *at, struct net_url *u)
{
	size_t n = 0;

	u->v6 = *at == '[';
	at += u->v6;
	while (host_char(at[n], u->v6))
		n++;
	if (!n || n >= sizeof(u->host) || (u->v6 && at[n] != ']'))
		return NULL;
	memcpy(u->host, at, n);
	u->host[n] = 0;
	return at + n + u->v6;
}

static const char *take_port(const char *at, struct net_url *u)
{
	uint64_t port;
	size_t n = 0;

	if (*at != ':')
		return at;
	at++;
	while (at[n] >= '0' && at[n] <= '9')
		n++;
	if (n == 0)
		return at; /* "host:" is the default port, RFC 3986 3.2.3 */
	if (!str_u64((struct str){ at, n }, &port) || port == 0 || port > 65535)
		return NULL;
	u->port = (uint16_t)port;
	return at + n;
}

bool net_url_parse(const char *text, struct net_url *u, struct err *e)
{
	const char *at = take_scheme(text, u);

	if (!at)
		return err_set(e, "%.80s: not an http, https, ws or wss URL", text);
	at = take_host(at, u);
	if (!at)
		return err_set(e, "%.80s: the host is malformed", text);
	at = take_port(at, u);
	if (!at || (*at && *at != '/' && *at != '?'))
		return err_set(e, "%.80s: the port is malformed", text);
	for (const char *p = at; *p; p++) {
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '#')
			return err_set(e, "%.80s: the path has characters that do not belong there",
				       text);
	}
	u->path = at;
	return true;
}

void net_url_host(const struct net_url *u, struct buf *out)
{
	unsigned normal = u->tls ? 443 : 80;

	buf_fmt(out, u->v6 ? "[%s]" : "%s", u->host);
	if (u->port != normal)
		buf_fmt(out, ":%u", u->port);
}
