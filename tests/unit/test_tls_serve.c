/*
 * test_tls_serve.c - whom a TLS client proved to be: certificates, pre-shared keys, resumed sessions,
 * and what must not count; certificates by name, what is set up wrongly, clients that never finish.
 */
#define _GNU_SOURCE
#define OVER_TLS
#include "ws_client.h"

#include <openssl/err.h>

#define KEY "0123456789abcdef0123456789abcdef"

static char psk_identity[64];
static unsigned char psk_key[64];
static size_t psk_len;
static bool psk_sha384;
static SSL_SESSION *ticket;

/* ---- the server ------------------------------------------------------------------------------ */

static bool find_psk(const char *identity, unsigned char *key, size_t *len)
{
	if (strcmp(identity, "dev1") != 0 || *len < sizeof(KEY) - 1)
		return false;
	*len = sizeof(KEY) - 1;
	memcpy(key, KEY, *len);
	return true;
}

static void path(char *out, const char *name)
{
	snprintf(out, 80, "%s/%s", cert_dir, name);
}

static void server_all(struct net *n)
{
	char ca[80], b_cert[80], b_key[80];
	struct net_tls_site site[] = { { NULL, cert_file, key_file },
				       { "b.example", b_cert, b_key },
				       { "*.wild.example", b_cert, b_key } };
	struct net_tls_opts o = {
		.profile = "onem2m", .ca = ca, .client = NET_TLS_OPTIONAL, .site = site, .nsites = 3
	};
	struct err e = { 0 };

	path(ca, "ca.pem");
	path(b_cert, "b.pem");
	path(b_key, "b.key");
	net_tls_psk(n, find_psk);
	if (!net_tls_serve(n, &o, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		abort();
	}
	/* what is wrong changes nothing */
	o.profile = "best";
	assert_false(net_tls_serve(n, &o, &e));
	o.profile = "modern";
	site[1].key = key_file;
	assert_false(net_tls_serve(n, &o, &e));
	assert_non_null(strstr(e.msg, key_file));
	site[1].key = b_key;
	o.ca = "/nowhere.pem";
	assert_false(net_tls_serve(n, &o, &e));
	assert_non_null(strstr(e.msg, "/nowhere.pem: No such file"));
}

/* ---- the client ------------------------------------------------------------------------------ */

static unsigned give_psk(SSL *ssl, const char *hint, char *identity, unsigned room,
			 unsigned char *key, unsigned size)
{
	(void)ssl;
	(void)hint;
	snprintf(identity, room, "%s", psk_identity);
	assert_true(psk_len <= size);
	memcpy(key, psk_key, psk_len);
	return (unsigned)psk_len;
}

static int give_session(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *idlen,
			SSL_SESSION **out)
{
	static const unsigned char suite[2][2] = { { 0x13, 0x01 }, { 0x13, 0x02 } };
	SSL_SESSION *s;

	*out = NULL;
	if (md && EVP_MD_get_type(md) != (psk_sha384 ? NID_sha384 : NID_sha256))
		return 1;
	s = SSL_SESSION_new();
	SSL_SESSION_set1_master_key(s, psk_key, psk_len);
	SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, suite[psk_sha384]));
	SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION);
	*id = (const unsigned char *)psk_identity;
	*idlen = strlen(psk_identity);
	*out = s;
	return 1;
}

static int keep_ticket(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = s;
	return 1;
}

static void fresh_client(void)
{
	SSL_CTX_free(client_ctx);
	client_ctx = new_client();
	SSL_CTX_set_session_cache_mode(client_ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client_ctx, keep_ticket);
}

static void use_psk(const char *identity, const char *key, int version)
{
	fresh_client();
	SSL_CTX_set_max_proto_version(client_ctx, version);
	snprintf(psk_identity, sizeof(psk_identity), "%s", identity);
	psk_len = strlen(key);
	memcpy(psk_key, key, psk_len);
	psk_sha384 = false;
	if (version == TLS1_2_VERSION) {
		SSL_CTX_set_psk_client_callback(client_ctx, give_psk);
		SSL_CTX_set_cipher_list(client_ctx, "PSK-AES128-CBC-SHA256");
	} else {
		SSL_CTX_set_psk_use_session_callback(client_ctx, give_session);
	}
}

static void use_cert(const char *name)
{
	char cert[80], key[80], text[40];

	fresh_client();
	snprintf(text, sizeof(text), "%s.pem", name);
	path(cert, text);
	snprintf(text, sizeof(text), "%s.key", name);
	path(key, text);
	assert_int_equal(SSL_CTX_use_certificate_file(client_ctx, cert, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(client_ctx, key, SSL_FILETYPE_PEM), 1);
}

/* What /names says on a connection of its own; NULL: TLS did not come about, or broke. */
static char *names(SSL_SESSION *resume, bool *resumed)
{
	int fd = dial_bare(port);
	char *text = NULL;

	if (try_tls(fd, resume)) {
		static const char ask_names[] =
		    "GET /names HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";

		send(fd, ask_names, sizeof(ask_names) - 1, 0); /* 1.3 refuses after this */
		if (resumed)
			*resumed = SSL_session_reused(sessions[fd]);
		text = strstr(hear_all(fd), "\r\n\r\n");
	} else {
		close(fd);
	}
	ERR_clear_error();
	return text ? text + 4 : NULL;
}

static void expect_names(SSL_SESSION *resume, const char *want)
{
	char *got = names(resume, NULL), all[200];

	snprintf(all, sizeof(all), "tls=1 names=%s ws=", want);
	if (!got || strncmp(got, all, strlen(all)) != 0)
		fail_msg("wanted \"%s\", got \"%s\"", all, got ? got : "no connection");
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_certificates(void **state)
{
	int fd;

	(void)state;
	fresh_client();
	expect_names(NULL, "");
	use_cert("client");
	expect_names(NULL, "uri:urn:ae:Cdev dns:dev.example");
	fd = hello(port, "/x", "X-M2M-Origin: Cme\r\n");
	assert_non_null(strstr(get("/names"), "ws=uri:urn:ae:Cdev dns:dev.example"));
	close(fd);
	use_cert("rogue");
	assert_null(names(NULL, NULL));
	use_cert("server_only"); /* for the other end of a connection */
	assert_null(names(NULL, NULL));
}

static void test_psk(void **state)
{
	static const int version[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		use_psk("dev1", KEY, version[i]);
		expect_names(NULL, "psk:dev1");
		use_psk("dev1", "0123456789abcdef0123456789abcdeX", version[i]);
		assert_null(names(NULL, NULL));
	}
	use_psk("dev2", KEY, TLS1_2_VERSION);
	assert_null(names(NULL, NULL));
	use_psk("dev2", KEY,
		TLS1_3_VERSION); /* unknown: the certificate is used, nobody is named */
	expect_names(NULL, "");
}

/* A client that claims an identity and then lets its key be passed over has proved nothing. */
static void test_claims(void **state)
{
	static const char other[] = "TLS_AES_256_GCM_SHA384"; /* the server's key is for SHA-256 */
	SSL_SESSION *nobody;
	bool resumed = false;

	(void)state;
	fresh_client();
	SSL_CTX_set_ciphersuites(client_ctx, other);
	expect_names(NULL, "");
	nobody = ticket;
	ticket = NULL;
	use_psk("dev1", KEY "0123456789abcdef", TLS1_3_VERSION);
	psk_sha384 = true;
	SSL_CTX_set_ciphersuites(client_ctx, other);
	expect_names(NULL, "");
	names(nobody, &resumed); /* beside a session of nobody */
	assert_true(resumed);
	expect_names(nobody, "");
	SSL_SESSION_free(nobody);
}

static void test_resumed(void **state)
{
	static const int version[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	bool resumed;
	char *text;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		resumed = false;
		use_cert("client");
		SSL_CTX_set_max_proto_version(client_ctx, version[i]);
		names(NULL, NULL);
		text = names(ticket, &resumed);
		assert_true(resumed);
		assert_non_null(text);
		assert_non_null(strstr(text, "names=uri:urn:ae:Cdev dns:dev.example "));
	}
	use_psk("dev1", KEY, TLS1_2_VERSION);
	names(NULL, NULL);
	text = names(ticket, &resumed);
	assert_non_null(text);
	assert_non_null(strstr(text, "names=psk:dev1 "));
	use_psk("dev1", KEY, TLS1_3_VERSION);
	names(NULL, NULL);
	SSL_CTX_set_psk_use_session_callback(client_ctx, NULL);
	text = names(ticket, &resumed);
	assert_true(resumed);
	assert_non_null(text);
	assert_non_null(strstr(text, "names=psk:dev1 "));
}

static const char *shown(const char *name)
{
	static char text[200];
	int fd = dial_bare(port);
	SSL *ssl = SSL_new(client_ctx);

	SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, name);
	sessions[fd] = ssl;
	assert_int_equal(SSL_connect(ssl), 1);
	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl)),
				  NID_commonName, text, sizeof(text));
	close(fd);
	return text;
}

static void test_server_names(void **state)
{
	(void)state;
	fresh_client();
	assert_string_equal(shown("b.example"), "b.example");
	assert_string_equal(shown("B.Example"), "b.example");
	assert_string_equal(shown("x.wild.example"), "b.example");
	assert_string_equal(shown("x.y.wild.example"), "localhost");
	assert_string_equal(shown("wild.example"), "localhost");
	assert_string_equal(shown("nobody.example"), "localhost");
}

static void test_never_finished(void **state)
{
	static const char *const say_first[] = { "", "GET / HTTP/1.1\r\nHost: t\r\n\r\n",
						 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
						 "\x16\x03\x01\x02\x00\x01",
						 "\x80\x2e\x01\x03\x01" };

	(void)state;
	for (size_t i = 0; i < countof(say_first); i++) {
		int fd = dial_bare(port);
		char text[200];
		ssize_t got, n = 0;

		if (*say_first[i])
			assert_true(write(fd, say_first[i], strlen(say_first[i])) > 0);
		while ((got = read(fd, text, sizeof(text))) > 0)
			n += got;
		assert_true(n <= 7); /* an alert at most, no HTTP */
		close(fd);
	}
	fresh_client();
	stat_has("http=1 ");
}

/* ---- certificates ---------------------------------------------------------------------------- */

static const char MAKE[] =
    "cd %s && exec 2>/dev/null\n"
    "new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'\n"
    "openssl req -x509 $new -subj /CN=b.example -keyout b.key -out b.pem &&\n"
    "openssl req -x509 $new -subj /CN=ca -keyout ca.key -out ca.pem &&\n"
    "openssl req -x509 $new -subj /CN=rogue -keyout rogue.key -out rogue.pem "
    "-addext subjectAltName=URI:urn:ae:Cdev &&\n"
    "issue() {\n"
    " openssl req $new -subj /CN=$1 -keyout $1.key -out $1.csr &&\n"
    " printf \"$2\" > $1.ext &&\n"
    " openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile "
    "$1.ext -out $1.pem\n"
    "}\n"
    "issue client 'subjectAltName=URI:urn:ae:Cdev,DNS:dev.example,URI:urn:with blank,"
    "email:a@b.example' &&\n"
    "issue server_only 'subjectAltName=URI:urn:ae:Cother\\nextendedKeyUsage=serverAuth'\n";

static int setup(void **state)
{
	struct net_limits lim = NET_LIMITS;
	char command[2000];

	(void)state;
	make_certificates();
	snprintf(command, sizeof(command), MAKE, cert_dir);
	assert_int_equal(system(command), 0);
	lim.handshake_time = 0.3;
	server_tls = server_all;
	start_server(&lim);
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	assert_int_equal(stop_server(), 7);
	SSL_SESSION_free(ticket);
	snprintf(command, sizeof(command), "rm -rf %s", cert_dir);
	assert_int_equal(system(command), 0);
	SSL_CTX_free(client_ctx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates), cmocka_unit_test(test_psk),
		cmocka_unit_test(test_claims),       cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_server_names), cmocka_unit_test(test_never_finished),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
