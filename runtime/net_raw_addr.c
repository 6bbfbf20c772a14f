/*
 * net_raw_addr.c - numeric addresses as text and back, and what datagrams and streams share of their
 * options.  Never resolves a name.
 */
#include "net_raw_int.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

void raw_opts_copy(struct raw_opts *to, const struct raw_opts *from)
{
	*to = *from;
	to->name = xstrdup(from->name ? from->name : "gateway");
}

void raw_opts_drop(struct raw_opts *o)
{
	free((char *)(uintptr_t)o->name);
	o->name = NULL;
}

void raw_count(struct metric *m, double n)
{
	if (m)
		metric_add(m, n);
}

bool raw_address(const char *host, int port, struct net_addr *a, struct err *e)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->sa;

	memset(a, 0, sizeof(*a));
	if (strcmp(host, "*") == 0)
		host = "0.0.0.0";
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		a->len = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		a->len = sizeof(*v6);
		return true;
	}
	return err_set(e, "%.80s is no numeric address", host);
}

/* "10.0.0.7:900" or "[::1]:900" */
bool raw_parse(struct str text, struct net_addr *a, struct err *e)
{
	char host[64];
	const char *p = text.p, *end = text.p + text.n, *colon = NULL;
	int port = 0;

	for (const char *c = p; c < end; c++) {
		if (*c == ':')
			colon = c;
	}
	if (!colon || colon == p || end - colon > 6 || end - colon < 2 || colon - p > 60)
		return err_set(e, "an address like \"10.0.0.7:900\" was expected");
	for (const char *c = colon + 1; c < end; c++) {
		if (*c < '0' || *c > '9')
			return err_set(e, "an address ends in a port number");
		port = port * 10 + (*c - '0');
	}
	if (port < 1 || port > 65535)
		return err_set(e, "a port is a number from 1 to 65535");
	if (*p == '[' && colon[-1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)(colon - p - 2), p + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)(colon - p), p);
	return raw_address(host, port, a, e);
}

void raw_print(const struct net_addr *a, char *out, size_t size)
{
	char host[64] = "?", port[8] = "0";

	getnameinfo((const struct sockaddr *)&a->sa, a->len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, size, a->sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int raw_bound_port(int fd)
{
	struct net_addr a = { .len = sizeof(a.sa) };

	if (getsockname(fd, (struct sockaddr *)&a.sa, &a.len) != 0)
		return 0;
	return ntohs(a.sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a.sa)->sin6_port
						: ((struct sockaddr_in *)&a.sa)->sin_port);
}
