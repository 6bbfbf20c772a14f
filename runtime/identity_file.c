/*
 * identity_file.c - the file of credentials: one JSON object a line,
 *   {"name":"pump1","kind":"bearer","hash":"sha256:SALT:HASH","created":"20260102T030405,000000",
 *    "originators":["Cpump1"]}
 * basic has "hash":"scrypt:COST:SALT:HASH", psk "identity" and "key", certificate "subject".
 * Guarantees: a file that others may read or write, that is not a plain file, or in which any line
 * is wrong is refused as a whole; it is replaced in one step and is 0600 from its first byte on.
 */
#define _GNU_SOURCE
#include "identity_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "clock.h"
#include "jscan.h"
#include "owner.h"

#define FILE_MAX ((size_t)64 << 20)
#define LINE_LIMITS ((struct jscan_limits){ 4, PATTERNS_MAX + 64 })
#define COST_MIN 10
#define COST_MAX 17

static const char *const kinds[] = { "bearer", "basic", "psk", "certificate" };

const char *identity_kind_name(enum identity_kind k)
{
	return kinds[k];
}

bool identity_parse_kind(const char *name, enum identity_kind *k)
{
	for (size_t i = 0; i < countof(kinds); i++) {
		if (strcmp(name, kinds[i]) == 0) {
			*k = (enum identity_kind)i;
			return true;
		}
	}
	return false;
}

void identity_free(struct identity *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->noriginators; k++)
		free(i->originators[k]);
	for (size_t k = 0; k < i->npatterns; k++)
		free(i->patterns[k].text);
	free(i->originators);
	free(i->patterns);
	free(i->name);
	free(i->subject);
	OPENSSL_cleanse(i, sizeof(*i));
	free(i);
}

/* ---- a line ---------------------------------------------------------------------------------- */

static bool text_of(struct str line, const char *name, struct buf *out, struct err *e)
{
	struct str v;

	buf_clear(out);
	if (!jscan_member(line, name, &v) || !jscan_string(v, out))
		return err_set(e, "%s: missing, or no string", name);
	return true;
}

/* "sha256:SALT:HASH" or "scrypt:COST:SALT:HASH", after its first word. */
static bool read_digests(struct identity *i, struct str s)
{
	const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL;
	struct str salt, hash;
	size_t n, m;

	if (!colon)
		return false;
	salt = (struct str){ s.p, (size_t)(colon - s.p) };
	hash = (struct str){ colon + 1, s.n - salt.n - 1 };
	return identity_unhex(salt, i->salt, SALT_BYTES, &n) && n == SALT_BYTES &&
	       identity_unhex(hash, i->hash, HASH_BYTES, &m) && m == HASH_BYTES;
}

static bool read_hash(struct identity *i, struct str s, struct err *e)
{
	bool ok = false;

	if (i->kind == IDENTITY_BEARER && str_starts(s, STR("sha256:"))) {
		ok = read_digests(i, (struct str){ s.p + 7, s.n - 7 });
	} else if (i->kind == IDENTITY_BASIC && str_starts(s, STR("scrypt:")) && s.n > 10 &&
		   s.p[9] == ':') {
		uint64_t cost;

		ok = str_u64((struct str){ s.p + 7, 2 }, &cost) && cost >= COST_MIN &&
		     cost <= COST_MAX && read_digests(i, (struct str){ s.p + 10, s.n - 10 });
		i->cost = ok ? (unsigned)cost : 0;
	}
	return ok || err_set(e, "hash: not of the form that belongs to %s", kinds[i->kind]);
}

static bool read_secret(struct identity *i, struct str line, struct buf *text, struct err *e)
{
	if (i->kind == IDENTITY_BEARER || i->kind == IDENTITY_BASIC)
		return text_of(line, "hash", text, e) && read_hash(i, buf_view(text), e);
	if (!text_of(line, i->kind == IDENTITY_PSK ? "identity" : "subject", text, e) ||
	    !identity_good_subject(i->kind, buf_view(text), e))
		return false;
	i->subject = xstrndup(text->p, text->n);
	if (i->kind == IDENTITY_CERTIFICATE)
		return true;
	if (!text_of(line, "key", text, e))
		return false;
	if (!identity_unhex(buf_view(text), i->key, sizeof(i->key), &i->key_len) ||
	    i->key_len < KEY_MIN)
		return err_set(e, "key: expected %d to %d bytes in hexadecimal", KEY_MIN, KEY_MAX);
	return true;
}

static bool read_originators(struct identity *i, struct str line, struct buf *text, struct err *e)
{
	struct jscan it;
	struct str v;

	if (!jscan_member(line, "originators", &v) || jscan_type(v) != JSCAN_ARRAY)
		return err_set(e, "originators: missing, or no list");
	it = jscan_enter(v);
	while (jscan_next(&it)) {
		buf_clear(text);
		if (!jscan_string(it.value, text))
			return err_set(e, "originators: an element is no string");
		if (!identity_add_originator(i, buf_view(text), e))
			return false;
	}
	return true;
}

static bool read_head(struct identity *i, struct str line, struct buf *text, struct err *e)
{
	if (!text_of(line, "name", text, e))
		return false;
	if (!identity_good_name(buf_view(text)))
		return err_set(e, "name: not 1 to %d letters, digits, - and _", NAME_MAX_BYTES);
	i->name = xstrndup(text->p, text->n);
	if (!text_of(line, "kind", text, e))
		return false;
	buf_char(text, '\0');
	if (!identity_parse_kind(text->p, &i->kind))
		return err_set(e, "kind: expected bearer, basic, psk or certificate");
	if (!text_of(line, "created", text, e))
		return false;
	return clock_parse_stamp(buf_view(text), &i->created) ||
	       err_set(e, "created: expected a timestamp");
}

static struct identity *read_line(struct str line, struct err *e)
{
	static uint64_t serial;
	struct identity *i = xcalloc(1, sizeof(*i));
	struct buf text = BUF_INIT;
	bool ok = jscan_check(line, LINE_LIMITS, e);

	i->refs = 1;
	i->serial = ++serial;
	if (ok && jscan_type(line) != JSCAN_OBJECT)
		ok = err_set(e, "expected an object");
	ok = ok && read_head(i, line, &text, e) && read_secret(i, line, &text, e) &&
	     read_originators(i, line, &text, e);
	if (text.p)
		OPENSSL_cleanse(text.p, text.cap);
	buf_free(&text);
	if (ok)
		return i;
	identity_free(i);
	return NULL;
}

static void put_text(struct buf *out, const char *name, const char *value)
{
	buf_fmt(out, ",\"%s\":", name);
	buf_json(out, str_of(value));
}

static void put_hash(struct buf *out, const struct identity *i)
{
	buf_str(out, STR(",\"hash\":\""));
	if (i->kind == IDENTITY_BASIC)
		buf_fmt(out, "scrypt:%02u:", i->cost);
	else
		buf_str(out, STR("sha256:"));
	identity_hex(out, i->salt, SALT_BYTES);
	buf_char(out, ':');
	identity_hex(out, i->hash, HASH_BYTES);
	buf_char(out, '"');
}

static void put_line(struct buf *out, const struct identity *i)
{
	char stamp[32];

	clock_stamp(i->created, stamp);
	buf_str(out, STR("{\"name\":"));
	buf_json(out, str_of(i->name));
	put_text(out, "kind", kinds[i->kind]);
	if (i->kind == IDENTITY_BEARER || i->kind == IDENTITY_BASIC)
		put_hash(out, i);
	else
		put_text(out, i->kind == IDENTITY_PSK ? "identity" : "subject", i->subject);
	if (i->kind == IDENTITY_PSK) {
		buf_str(out, STR(",\"key\":\""));
		identity_hex(out, i->key, i->key_len);
		buf_char(out, '"');
	}
	put_text(out, "created", stamp);
	buf_str(out, STR(",\"originators\":["));
	for (size_t k = 0; k < i->noriginators; k++) {
		if (k)
			buf_char(out, ',');
		buf_json(out, str_of(i->originators[k]));
	}
	buf_str(out, STR("]}\n"));
}

/* ---- a list ---------------------------------------------------------------------------------- */

bool identity_list_add(struct identity_list *l, struct identity *i, struct err *e)
{
	for (size_t k = 0; k < l->n; k++) {
		const struct identity *o = l->at[k];

		if (strcmp(o->name, i->name) == 0)
			return err_set(e, "name: %s is there already", i->name);
		if (o->kind == i->kind && o->subject && strcmp(o->subject, i->subject) == 0)
			return err_set(e, "%s: %s has it already",
				       i->kind == IDENTITY_PSK ? "identity" : "subject", o->name);
	}
	l->at = xrealloc(l->at, (l->n + 1) * sizeof(struct identity *));
	l->at[l->n++] = i;
	return true;
}

bool identity_list_remove(struct identity_list *l, const char *name)
{
	for (size_t k = 0; k < l->n; k++) {
		if (strcmp(l->at[k]->name, name) != 0)
			continue;
		identity_unref(l->at[k]);
		memmove(&l->at[k], &l->at[k + 1], (l->n - k - 1) * sizeof(struct identity *));
		l->n--;
		return true;
	}
	return false;
}

void identity_list_free(struct identity_list *l)
{
	for (size_t k = 0; k < l->n; k++)
		identity_unref(l->at[k]);
	free(l->at);
	*l = (struct identity_list){ NULL, 0 };
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool trusted(const char *file, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_set(e, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, "%s: no plain file", file);
	if (st.st_mode & 077)
		return err_set(e, "%s: others may read or write it (mode %04o): chmod 600 %s", file,
			       (unsigned)(st.st_mode & 07777), file);
	if ((uint64_t)st.st_size > FILE_MAX)
		return err_set(e, "%s: larger than %zu MiB", file, FILE_MAX >> 20);
	return true;
}

static bool slurp(const char *file, int fd, struct buf *text, struct err *e)
{
	ssize_t n;

	while ((n = read(fd, buf_reserve(text, 65536), 65536)) > 0) {
		text->n += (size_t)n;
		if (text->n > FILE_MAX)
			break;
	}
	return n == 0 || err_set(e, "%s: %s", file, n < 0 ? strerror(errno) : "too large");
}

static bool read_lines(struct str text, struct identity_list *l, struct err *e)
{
	for (unsigned number = 1; text.n; number++) {
		const char *end = memchr(text.p, '\n', text.n);
		struct str line = { text.p, end ? (size_t)(end - text.p) : text.n };
		struct identity *i;

		text.p += line.n + (end != NULL);
		text.n -= line.n + (end != NULL);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		i = read_line(line, e);
		if (!i || !identity_list_add(l, i, e)) {
			identity_free(i);
			return err_prefix(e, "line %u", number);
		}
	}
	return true;
}

bool identity_file_read(const char *file, struct identity_list *l, bool *missing, struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct buf text = BUF_INIT;
	bool ok;

	*l = (struct identity_list){ NULL, 0 };
	*missing = fd < 0 && errno == ENOENT;
	if (fd < 0)
		return *missing || err_set(e, "%s: %s", file, strerror(errno));
	ok = trusted(file, fd, e) && slurp(file, fd, &text, e);
	if (ok && !read_lines(buf_view(&text), l, e))
		ok = err_prefix(e, "%s", file);
	close(fd);
	if (text.p)
		OPENSSL_cleanse(text.p, text.cap);
	buf_free(&text);
	if (!ok)
		identity_list_free(l);
	return ok;
}

static bool put_all(int fd, struct str text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			text = (struct str){ text.p + n, text.n - (size_t)n };
	}
	return fsync(fd) == 0;
}

static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!slash || slash == file)
		return xstrdup(slash ? "/" : ".");
	return xstrndup(file, (size_t)(slash - file));
}

/* So that the new name is on disk too. */
static void sync_folder(const char *file)
{
	char *dir = folder_of(file);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!fsync(fd);
		close(fd);
	}
	free(dir);
}

bool identity_file_write(const char *file, const struct identity_list *l, struct err *e)
{
	struct buf text = BUF_INIT, temp = BUF_INIT;
	bool ok;
	int fd;

	buf_str(&text,
		STR("# Credentials: `moon2m credential` writes this file; keep it private.\n"));
	for (size_t k = 0; k < l->n; k++)
		put_line(&text, l->at[k]);
	buf_fmt(&temp, "%s.%ld.new", file, (long)getpid());
	buf_char(&temp, '\0');
	unlink(temp.p);
	fd = open(temp.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		owner_as_folder(fd, temp.p);
	ok = fd >= 0 && put_all(fd, buf_view(&text));
	ok = (fd < 0 || close(fd) == 0) && ok && rename(temp.p, file) == 0;
	if (!ok) {
		err_set(e, "%s: %s", file, strerror(errno));
		unlink(temp.p);
	} else {
		sync_folder(file);
	}
	OPENSSL_cleanse(text.p, text.cap);
	buf_free(&text);
	buf_free(&temp);
	return ok;
}
