/*
 * identity_secret.c - secrets: made, hashed, compared, shown once.  A bearer token has 256 random
 * bits, so one salted SHA-256 is as good as any hash; a password is chosen by somebody and gets
 * scrypt; a PSK cannot be hashed, TLS computes with it.
 */
#include "identity_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define TOKEN_BYTES 32
#define PASSWORD_MIN 8
#define SCRYPT_COST 14 /* N = 2^14, r = 8, p = 1: 16 MiB and some 40 ms */
#define SCRYPT_MEMORY ((uint64_t)160 << 20)

bool identity_random(unsigned char *p, size_t n, struct err *e)
{
	if (getrandom(p, n, 0) == (ssize_t)n)
		return true;
	return err_set(e, "no random bytes from the kernel: %s", strerror(errno));
}

bool identity_same(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

/* The algorithm and its state are looked up once: OpenSSL's SHA256() does so each time, which is most
 * of its time for a text this short. */
void identity_digest(const unsigned char *salt, struct str secret, unsigned char *hash)
{
	static EVP_MD_CTX *ctx;
	static EVP_MD *md;

	if (!ctx) {
		ctx = EVP_MD_CTX_new();
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	}
	memset(hash, 0, HASH_BYTES);
	if (!ctx || !md || EVP_DigestInit_ex2(ctx, md, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, salt, SALT_BYTES) != 1 ||
	    EVP_DigestUpdate(ctx, secret.p, secret.n) != 1 ||
	    EVP_DigestFinal_ex(ctx, hash, NULL) != 1)
		abort(); /* no SHA-256: nobody can be told from anybody */
}

bool identity_scrypt(const unsigned char *salt, unsigned cost, struct str secret,
		     unsigned char *hash)
{
	return EVP_PBE_scrypt(secret.p, secret.n, salt, SALT_BYTES, (uint64_t)1 << cost, 8, 1,
			      SCRYPT_MEMORY, hash, HASH_BYTES) == 1;
}

/* ---- texts ----------------------------------------------------------------------------------- */

void identity_hex(struct buf *out, const unsigned char *p, size_t n)
{
	for (size_t k = 0; k < n; k++)
		buf_fmt(out, "%02x", p[k]);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool identity_unhex(struct str text, unsigned char *p, size_t max, size_t *n)
{
	if (text.n % 2 || text.n / 2 > max)
		return false;
	for (size_t k = 0; k < text.n / 2; k++) {
		int high = hex_digit(text.p[2 * k]), low = hex_digit(text.p[2 * k + 1]);

		if (high < 0 || low < 0)
			return false;
		p[k] = (unsigned char)(high * 16 + low);
	}
	*n = text.n / 2;
	return true;
}

/* base64url without padding, RFC 4648 5. */
static void put_base64url(struct buf *out, const unsigned char *p, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t k = 0; k < n; k++) {
		bits = bits << 8 | p[k];
		for (have += 8; have >= 6; have -= 6)
			buf_char(out, digits[bits >> (have - 6) & 63]);
	}
	if (have)
		buf_char(out, digits[bits << (6 - have) & 63]);
}

static int base64_digit(char c)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool identity_unbase64(struct str text, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	while (text.n && text.p[text.n - 1] == '=')
		text.n--;
	for (size_t k = 0; k < text.n; k++) {
		int v = base64_digit(text.p[k]);

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_char(out, (char)(bits >> have & 255));
		}
	}
	return true;
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool make_bearer(struct identity *i, struct str secret, struct buf *shown, struct err *e)
{
	unsigned char bits[TOKEN_BYTES];
	size_t from;

	if (secret.n)
		return err_set(e, "a bearer token is not chosen, it is made");
	if (!identity_random(bits, sizeof(bits), e))
		return false;
	buf_fmt(shown, "%s.", i->name);
	from = shown->n;
	put_base64url(shown, bits, sizeof(bits));
	identity_digest(i->salt, (struct str){ shown->p + from, shown->n - from }, i->hash);
	OPENSSL_cleanse(bits, sizeof(bits));
	return true;
}

static bool make_basic(struct identity *i, struct str secret, struct buf *shown, struct err *e)
{
	unsigned char bits[18];

	if (secret.n && (secret.n < PASSWORD_MIN || secret.n > SECRET_MAX))
		return err_set(e, "a password has %d to %d bytes", PASSWORD_MIN, SECRET_MAX);
	if (!secret.n) {
		if (!identity_random(bits, sizeof(bits), e))
			return false;
		put_base64url(shown, bits, sizeof(bits));
		secret = buf_view(shown);
	}
	i->cost = SCRYPT_COST;
	return identity_scrypt(i->salt, i->cost, secret, i->hash) ||
	       err_set(e, "no memory for scrypt");
}

static bool make_psk(struct identity *i, struct str secret, struct buf *shown, struct err *e)
{
	if (secret.n) {
		if (!identity_unhex(secret, i->key, sizeof(i->key), &i->key_len) ||
		    i->key_len < KEY_MIN)
			return err_set(e, "a key has %d to %d bytes, in hexadecimal", KEY_MIN,
				       KEY_MAX);
		return true;
	}
	i->key_len = 32;
	if (!identity_random(i->key, i->key_len, e))
		return false;
	identity_hex(shown, i->key, i->key_len);
	return true;
}

bool identity_make_secret(struct identity *i, struct str secret, struct buf *shown, struct err *e)
{
	if (!identity_random(i->salt, sizeof(i->salt), e))
		return false;
	switch (i->kind) {
	case IDENTITY_BEARER:
		return make_bearer(i, secret, shown, e);
	case IDENTITY_BASIC:
		return make_basic(i, secret, shown, e);
	case IDENTITY_PSK:
		return make_psk(i, secret, shown, e);
	default:
		return secret.n == 0 || err_set(e, "a certificate has no secret here");
	}
}
