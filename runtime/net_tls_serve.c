/*
 * net_tls_serve.c - TLS for accepted connections: profiles, certificates by name (SNI), ALPN, client
 * certificates and pre-shared keys, and whom the other end proved to be.
 * All of it is read first and then replaces what was there, so that a bad file changes nothing.
 * Tickets of before a change are void after it.  A name comes only from a session that the handshake
 * has verified, never from what a client merely sent.
 */
#include "net_tls_int.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define EXPIRES_SOON (14 * 86400) /* s; then the log warns */
#define NAME_MAX_BYTES 255

/* 1.2 with ECDHE and AEAD, and 1.3: what OpenSSL and its clients since 2014 agree on. */
#define AEAD                                                                                       \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* Of 1.3; those with SHA-256 first, since it is the hash of pre-shared keys. */
#define SUITES13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

/* The order is the server's: the last resorts are last, and a pre-shared key is not passed over. */
static const struct profile {
	const char *name, *suites; /* of TLS 1.2 */
	int least;
} profiles[] = {
	{ "intermediate", AEAD, TLS1_2_VERSION },
	{ "modern", AEAD, TLS1_3_VERSION },
	/* TS-0003 10.2.1 demands the last two. */
	{ "onem2m", AEAD ":ECDHE-ECDSA-AES128-SHA256:PSK-AES128-CBC-SHA256", TLS1_2_VERSION },
};

struct tls_site {
	char *name; /* NULL: the default */
	SSL_CTX *ctx;
};

/* ---- names ----------------------------------------------------------------------------------- */

static void add_name(struct tls *t, const char *kind, const char *p, size_t n)
{
	struct buf text = BUF_INIT;
	size_t at = 0;

	while (at < TLS_NAMES_MAX && t->names[at])
		at++;
	if (at == TLS_NAMES_MAX || !n || n > NAME_MAX_BYTES)
		return;
	for (size_t i = 0; i < n; i++) {
		if (p[i] <= ' ' || p[i] > '~')
			return;
	}
	buf_fmt(&text, "%s:%.*s", kind, (int)n, p);
	buf_char(&text, 0);
	t->names[at] = text.p;
}

static void add_subject_names(struct tls *t, X509 *cert)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		const ASN1_IA5STRING *s;

		if (g->type != GEN_URI && g->type != GEN_DNS)
			continue;
		s = g->type == GEN_URI ? g->d.uniformResourceIdentifier : g->d.dNSName;
		add_name(t, g->type == GEN_URI ? "uri" : "dns",
			 (const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
	}
	GENERAL_NAMES_free(all);
}

/* The identity of a pre-shared key: TLS 1.2 keeps it in the session; of 1.3 it is in what the
 * session carries along, put there when its key was found. */
static void add_psk_name(struct tls *t)
{
	SSL_SESSION *session = SSL_get_session(t->ssl);
	const char *identity = SSL_get_psk_identity(t->ssl);
	void *data = NULL;
	size_t n = 0;

	if (identity)
		add_name(t, "psk", identity, strlen(identity));
	else if (session && SSL_SESSION_get0_ticket_appdata(session, &data, &n) == 1 && n)
		add_name(t, "psk", data, n);
}

void net_tls_read_names(struct tls *t)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);

	if (cert && SSL_get_verify_result(t->ssl) == X509_V_OK)
		add_subject_names(t, cert);
	else if (!cert)
		add_psk_name(t);
}

/* ---- pre-shared keys ------------------------------------------------------------------------- */

static struct net *net_of(SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static size_t find_key(SSL *ssl, const char *identity, unsigned char *key, size_t room)
{
	struct net *n = net_of(ssl);
	size_t len = room;

	if (!n->psk || !n->psk(identity, key, &len) || len > room)
		return 0;
	return len;
}

static unsigned on_psk(SSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
	if (!identity || SSL_version(ssl) != TLS1_2_VERSION)
		return 0;
	return (unsigned)find_key(ssl, identity, key, room);
}

static SSL_SESSION *psk_session(SSL *ssl, const char *identity, const unsigned char *key,
				size_t len)
{
	static const unsigned char suite[2] = { 0x13, 0x01 }; /* TLS_AES_128_GCM_SHA256 */
	SSL_SESSION *s = SSL_SESSION_new();

	if (s && SSL_SESSION_set1_master_key(s, key, len) == 1 &&
	    SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, suite)) == 1 &&
	    SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1 &&
	    SSL_SESSION_set1_ticket_appdata(s, identity, strlen(identity)) == 1)
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

static int on_psk_session(SSL *ssl, const unsigned char *p, size_t n, SSL_SESSION **found)
{
	unsigned char key[PSK_MAX_PSK_LEN];
	char identity[PSK_MAX_IDENTITY_LEN + 1];
	size_t len;

	*found = NULL;
	if (!n || n > PSK_MAX_IDENTITY_LEN || memchr(p, 0, n))
		return 1; /* it may be a ticket */
	memcpy(identity, p, n);
	identity[n] = 0;
	len = find_key(ssl, identity, key, sizeof(key));
	if (len)
		*found = psk_session(ssl, identity, key, len);
	OPENSSL_cleanse(key, sizeof(key));
	return 1;
}

/* ---- during the handshake -------------------------------------------------------------------- */

/* HTTP/1.1 or nothing: a client that wants only something else is told so (RFC 7301 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		   const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, outlen, ours, sizeof(ours) - 1, in, inlen) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool name_fits(const char *pattern, const char *name)
{
	const char *dot;

	if (strncmp(pattern, "*.", 2) != 0)
		return strcasecmp(pattern, name) == 0;
	dot = strchr(name, '.');
	return dot && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

/* Looks among what is set up now, which may be newer than what this handshake began with. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct net *n = arg;

	(void)alert;
	for (size_t i = 1; name && i < n->nsites; i++) {
		if (name_fits(n->sites[i].name, name)) {
			SSL_set_SSL_CTX(ssl, n->sites[i].ctx);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

struct tls *net_tls_accept(struct net *n, int fd)
{
	SSL *ssl = n->nsites ? SSL_new(n->sites[0].ctx) : NULL;
	struct tls *t;

	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_accept_state(ssl);
	t = xcalloc(1, sizeof(*t));
	t->ssl = ssl;
	t->server = true;
	return t;
}

/* ---- setting up ------------------------------------------------------------------------------ */

static int no_password(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return -1; /* never asks at a terminal */
}

static bool wrong(struct err *e, const char *what, const char *file)
{
	int code = ERR_GET_REASON(ERR_peek_error());

	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SYS)
		err_set(e, "%s %s: %s", what, file, strerror(code));
	else
		err_set(e, "%s %s: %s", what, file, net_tls_why());
	ERR_clear_error();
	return false;
}

static void warn_of_end(const X509 *cert, const char *file)
{
	const ASN1_TIME *end = X509_get0_notAfter(cert);
	time_t soon = time(NULL) + EXPIRES_SOON;
	char text[64] = "";
	struct tm tm;

	if (X509_cmp_time(end, &soon) > 0)
		return;
	if (ASN1_TIME_to_tm(end, &tm) == 1)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	log_warn("tls", "certificate %s file=%s end=%s",
		 X509_cmp_current_time(end) < 0 ? "has expired" : "expires soon",
		 log_quote(str_of(file)), text);
}

static bool use_certificate(SSL_CTX *ctx, const struct net_tls_site *s, struct err *e)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, s->cert) != 1)
		return wrong(e, "tls certificate", s->cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, s->key, SSL_FILETYPE_PEM) != 1)
		return wrong(e, "tls key", s->key);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return wrong(e, "tls key", s->key);
	warn_of_end(SSL_CTX_get0_certificate(ctx), s->cert);
	return true;
}

/* The certificate of a client must not be on the list of who issued it; without such a list, or with
 * one that has ended, no certificate of that authority is good. */
static bool use_lists(SSL_CTX *ctx, const char *file, struct err *e)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

	ERR_clear_error();
	if (!lookup || X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) < 1)
		return wrong(e, "tls revoked certificates of clients", file);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	return true;
}

static bool use_clients(SSL_CTX *ctx, const struct net_tls_opts *o, struct err *e)
{
	STACK_OF(X509_NAME) * names;

	if (o->client == NET_TLS_NO)
		return true;
	ERR_clear_error();
	names = SSL_load_client_CA_file(o->ca);
	if (!names || SSL_CTX_load_verify_file(ctx, o->ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return wrong(e, "tls authorities of clients", o->ca);
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(
	    ctx,
	    SSL_VERIFY_PEER | (o->client == NET_TLS_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
	    NULL);
	return !o->crl || use_lists(ctx, o->crl, e);
}

static const struct profile *profile_of(const char *name, struct err *e)
{
	for (size_t i = 0; i < countof(profiles); i++) {
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	}
	err_set(e, "tls profile %.40s: not intermediate, modern or onem2m", name);
	return NULL;
}

static bool shape(SSL_CTX *ctx, struct net *n, const struct profile *p)
{
	static const unsigned char id[] = "moon2m";

	SSL_CTX_set_app_data(ctx, n);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_IGNORE_UNEXPECTED_EOF |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets carry everything */
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_read_ahead(ctx, 1); /* a record is one read, not two */
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, n);
	if (n->psk) {
		SSL_CTX_set_psk_server_callback(ctx, on_psk);
		SSL_CTX_set_psk_find_session_callback(ctx, on_psk_session);
	}
	return SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) == 1 &&
	       SSL_CTX_set_min_proto_version(ctx, p->least) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, p->suites) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, SUITES13) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1;
}

static bool make_site(struct net *n, const struct net_tls_opts *o, const struct net_tls_site *s,
		      struct tls_site *out, struct err *e)
{
	const struct profile *p = profile_of(o->profile, e);

	if (!p)
		return false;
	out->ctx = SSL_CTX_new(TLS_server_method());
	if (!out->ctx || !shape(out->ctx, n, p))
		return err_set(e, "cannot set up TLS: %s", net_tls_why());
	out->name = s->name ? xstrdup(s->name) : NULL;
	return use_certificate(out->ctx, s, e) && use_clients(out->ctx, o, e);
}

static void free_sites(struct tls_site *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		SSL_CTX_free(all[i].ctx);
		free(all[i].name);
	}
	free(all);
}

bool net_tls_serve(struct net *n, const struct net_tls_opts *o, struct err *e)
{
	struct tls_site *all = xcalloc(o->nsites, sizeof(*all));

	for (size_t i = 0; i < o->nsites; i++) {
		if (!make_site(n, o, &o->site[i], &all[i], e)) {
			free_sites(all, o->nsites);
			return false;
		}
	}
	free_sites(n->sites, n->nsites); /* connections hold theirs */
	n->sites = all;
	n->nsites = o->nsites;
	return true;
}

void net_tls_psk(struct net *n, net_psk find)
{
	n->psk = find;
}

void net_tls_serve_end(struct net *n)
{
	free_sites(n->sites, n->nsites);
	n->sites = NULL;
	n->nsites = 0;
}
