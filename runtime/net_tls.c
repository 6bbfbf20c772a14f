/*
 * net_tls.c - TLS over a non-blocking descriptor: the bytes of both sides, and the client's context.
 * A client takes TLS 1.2 or newer and verifies: the certificate must be the host's, from the
 * authorities that were configured, or the system's.
 * COMPAT: libwebsockets 4.1.6 starts TLS on a raw client before it has a socket.
 */
#include "net_tls_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

const char *net_tls_why(void)
{
	unsigned long code = ERR_get_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	return why ? why : "unknown reason";
}

static SSL_CTX *new_context(const char *trust)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	if (trust ? SSL_CTX_load_verify_file(ctx, trust) != 1
		  : SSL_CTX_set_default_verify_paths(ctx) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

static SSL_CTX *context(struct net *n)
{
	if (!n->tls)
		n->tls = new_context(n->trust);
	return n->tls;
}

bool net_tls_own(void *ctx, const struct net_tls_files *files, struct err *e)
{
	ERR_clear_error();
	if (!files->cert)
		return true;
	if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
		return err_set(e, "cert %.120s: %s", files->cert, net_tls_why());
	if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
		return err_set(e, "key %.120s: %s", files->key, net_tls_why());
	return true;
}

static SSL_CTX *own_context(const struct net *n, const struct net_tls_files *files, struct err *e)
{
	const char *trust = files->ca ? files->ca : n->trust;
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = new_context(trust);
	if (!ctx) {
		err_set(e, "ca %.120s: %s", trust ? trust : "of the system", net_tls_why());
		return NULL;
	}
	if (net_tls_own(ctx, files, e))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

struct net_tls_files *net_tls_files_copy(const struct net_tls_files *from)
{
	struct net_tls_files *t;

	if (!from)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->ca = from->ca ? xstrdup(from->ca) : NULL;
	t->cert = from->cert ? xstrdup(from->cert) : NULL;
	t->key = from->key ? xstrdup(from->key) : NULL;
	return t;
}

void net_tls_files_free(struct net_tls_files *files)
{
	if (!files)
		return;
	free((char *)(uintptr_t)files->ca);
	free((char *)(uintptr_t)files->cert);
	free((char *)(uintptr_t)files->key);
	free(files);
}

void net_tls_end(struct net *n)
{
	SSL_CTX_free(n->tls);
	n->tls = NULL;
	free(n->trust);
	n->trust = NULL;
}

bool net_tls_trust(struct net *n, const char *file, struct err *e)
{
	char *before = n->trust;
	SSL_CTX *ctx;

	ERR_clear_error();
	n->trust = file ? xstrdup(file) : NULL;
	ctx = new_context(n->trust);
	if (!ctx) {
		err_set(e, "authorities %s: %s", file ? file : "of the system", net_tls_why());
		free(n->trust);
		n->trust = before;
		return false;
	}
	free(before);
	SSL_CTX_free(n->tls);
	n->tls = ctx;
	net_tls_vhost_renew(n);
	net_out_renew(n);
	return true;
}

static bool expect_host(SSL *ssl, const char *host)
{
	struct in6_addr any;

	if (inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

struct tls *net_tls_new(struct net *n, int fd, const char *host, const struct net_tls_files *files,
			struct err *e)
{
	bool own = files && (files->ca || files->cert);
	SSL_CTX *ctx = own ? own_context(n, files, e) : context(n);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	struct tls *t;

	if (own && !ctx)
		return NULL;
	if (own)
		SSL_CTX_free(ctx); /* the session has it */
	if (!ssl || !expect_host(ssl, host) || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		err_set(e, "%.80s: cannot start TLS", host);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	t = xcalloc(1, sizeof(*t));
	t->ssl = ssl;
	return t;
}

void net_tls_finish(struct tls *t)
{
	if (!t)
		return;
	ERR_clear_error();
	if (SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

void net_tls_free(struct tls *t)
{
	if (!t)
		return;
	net_tls_finish(t);
	SSL_free(t->ssl);
	for (size_t i = 0; t->names[i]; i++)
		free((char *)(uintptr_t)t->names[i]);
	free(t);
}

const char *const *net_tls_names(const struct tls *t)
{
	return t && t->names[0] ? t->names : NULL;
}

static enum tls_wants wants(struct tls *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_END;
	default:
		return TLS_FAILED;
	}
}

enum tls_wants net_tls_handshake(struct tls *t, struct err *e)
{
	enum tls_wants w;
	long verify;

	ERR_clear_error();
	w = wants(t, SSL_do_handshake(t->ssl));
	if (w == TLS_OK && t->server) {
		net_tls_read_names(t);
		t->more = SSL_has_pending(t->ssl);
	}
	if (w != TLS_FAILED && w != TLS_END)
		return w;
	verify = SSL_get_verify_result(t->ssl);
	err_set(e, "TLS: %s",
		verify != X509_V_OK ? X509_verify_cert_error_string(verify)
		: t->server         ? net_tls_why()
				    : "the handshake failed");
	return TLS_FAILED;
}

const char *net_tls_verdict(void *ssl)
{
	long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

	return verify == X509_V_OK ? NULL : X509_verify_cert_error_string(verify);
}

enum tls_wants net_tls_read(struct tls *t, char *p, size_t n, size_t *got)
{
	int rc;

	*got = 0;
	ERR_clear_error();
	rc = SSL_read(t->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
	if (rc > 0)
		*got = (size_t)rc;
	t->more = rc > 0 && SSL_has_pending(t->ssl);
	return wants(t, rc);
}

bool net_tls_more(const struct tls *t)
{
	return t && t->more;
}

enum tls_wants net_tls_write(struct tls *t, const char *p, size_t n, size_t *put)
{
	int rc;

	*put = 0;
	ERR_clear_error();
	rc = SSL_write(t->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
	if (rc > 0)
		*put = (size_t)rc;
	return wants(t, rc);
}

/* ---- with TLS or without -------------------------------------------------------------------- */

enum tls_wants net_sock_write(struct tls *t, int fd, const char *p, size_t n, size_t *put)
{
	ssize_t rc;

	if (t)
		return net_tls_write(t, p, n, put);
	rc = send(fd, p, n, MSG_NOSIGNAL);
	*put = rc > 0 ? (size_t)rc : 0;
	if (rc >= 0)
		return TLS_OK;
	return errno == EAGAIN || errno == EINTR ? TLS_WRITE : TLS_FAILED;
}

enum tls_wants net_sock_read(struct tls *t, int fd, char *p, size_t n, size_t *got)
{
	ssize_t rc;

	if (t)
		return net_tls_read(t, p, n, got);
	rc = recv(fd, p, n, 0);
	*got = rc > 0 ? (size_t)rc : 0;
	if (rc > 0)
		return TLS_OK;
	if (rc == 0)
		return TLS_END;
	return errno == EAGAIN || errno == EINTR ? TLS_READ : TLS_FAILED;
}

/* ---- for a library that makes its own sessions ----------------------------------------------- */

/* The library names the numeric address it connected to; the server is told the real name. */
static void say_name(const SSL *ssl, int where, int value)
{
	const char *host = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct in6_addr any;

	(void)value;
	if (!(where & SSL_CB_HANDSHAKE_START) || !host)
		return;
	if (inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1)
		return;
	SSL_set_tlsext_host_name((SSL *)(uintptr_t)ssl, host);
}

void *net_tls_for(struct net *n, const char *host, const struct net_tls_files *files, struct err *e)
{
	SSL_CTX *ctx = own_context(n, files, e);
	X509_VERIFY_PARAM *p = ctx ? SSL_CTX_get0_param(ctx) : NULL;
	struct in6_addr any;
	bool number = inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;

	if (!ctx)
		return NULL;
	if ((number ? X509_VERIFY_PARAM_set1_ip_asc(p, host)
		    : X509_VERIFY_PARAM_set1_host(p, host, strlen(host))) != 1) {
		SSL_CTX_free(ctx);
		err_set(e, "%.80s: cannot start TLS", host);
		return NULL;
	}
	SSL_CTX_set_app_data(ctx, xstrdup(host));
	SSL_CTX_set_info_callback(ctx, say_name);
	return ctx;
}

void net_tls_done(void *ctx)
{
	if (!ctx)
		return;
	free(SSL_CTX_get_app_data(ctx));
	SSL_CTX_set_app_data(ctx, NULL);
	SSL_CTX_free(ctx);
}
