/*
 * tls_client.h - for test_net*_tls.c: certificates of a moment, and socket calls of the same shape
 * as the kernel's, through a TLS session that is kept by descriptor.
 */
#pragma once

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#define SESSIONS 1024

static char cert_dir[] = "/tmp/moon2m-tls.XXXXXX";
static char cert_file[64], key_file[64];
static SSL_CTX *client_ctx;
static SSL *sessions[SESSIONS];

static void make_certificates(void)
{
	char command[600];

	if (*cert_file)
		return;
	signal(SIGPIPE, SIG_IGN);
	assert_non_null(mkdtemp(cert_dir));
	snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", cert_dir);
	snprintf(key_file, sizeof(key_file), "%s/key.pem", cert_dir);
	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "
		 "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
		 "-keyout %s -out %s 2>/dev/null",
		 key_file, cert_file);
	assert_int_equal(system(command), 0);
}

static inline void end_tls(void)
{
	SSL_CTX_free(client_ctx);
	unlink(cert_file);
	unlink(key_file);
	rmdir(cert_dir);
}

static inline void use_certificates(struct net *n)
{
	struct net_tls_site site = { NULL, cert_file, key_file };
	struct net_tls_opts o = { .profile = "intermediate", .site = &site, .nsites = 1 };
	struct err e = { 0 };

	if (!net_tls_serve(n, &o, &e) || !net_tls_trust(n, cert_file, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		abort();
	}
}

/* What the server does with its certificates; a test may have its own. */
static void (*server_tls)(struct net *n) = use_certificates;

static SSL_CTX *new_client(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_int_equal(SSL_CTX_load_verify_file(ctx, cert_file), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	return ctx;
}

/* The handshake with client_ctx, or false. */
static bool try_tls(int fd, SSL_SESSION *resume)
{
	SSL *ssl;

	if (!client_ctx)
		client_ctx = new_client();
	assert_true(fd < SESSIONS);
	ssl = SSL_new(client_ctx);
	if (resume)
		SSL_set_session(ssl, resume);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	sessions[fd] = ssl;
	return SSL_connect(ssl) == 1;
}

static void start_tls(int fd)
{
	assert_true(try_tls(fd, NULL));
}

static ssize_t outcome(SSL *ssl, int rc)
{
	if (rc > 0)
		return rc;
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	default:
		errno = ECONNRESET;
		return -1;
	}
}

static void set_blocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

static ssize_t tls_send(int fd, const void *p, size_t n, int flags)
{
	ssize_t put = 0;

	if (flags & MSG_DONTWAIT)
		set_blocking(fd, false);
	do { /* like the kernel: all of it, unless it must not wait */
		ssize_t rc = n ? outcome(sessions[fd], SSL_write(sessions[fd], p, (int)n)) : 0;

		if (rc <= 0) {
			put = put ? put : rc;
			break;
		}
		put += rc;
		p = (const char *)p + rc;
		n -= (size_t)rc;
	} while (n);
	if (flags & MSG_DONTWAIT)
		set_blocking(fd, true);
	return put;
}

static ssize_t tls_recv(int fd, void *p, size_t n, int flags)
{
	ssize_t got;

	if (flags & MSG_DONTWAIT)
		set_blocking(fd, false);
	got = outcome(sessions[fd], SSL_read(sessions[fd], p, (int)n));
	if (flags & MSG_DONTWAIT)
		set_blocking(fd, true);
	return got;
}

static inline int tls_shutdown(int fd, int how)
{
	SSL_shutdown(sessions[fd]);
	return shutdown(fd, how);
}

static int tls_close(int fd)
{
	if (fd < SESSIONS && sessions[fd]) { /* without a word, but its session stays good */
		SSL_set_shutdown(sessions[fd], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(sessions[fd]);
		sessions[fd] = NULL;
	}
	return close(fd);
}
