/*
 * Unit tests of credentials: originators and patterns, the file and who may read it, tokens,
 * passwords and keys, what becomes of them when the file is read again, the brake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "identity_int.h"
#include "log.h"

static char dir[] = "/tmp/moon2m-identity.XXXXXX";
static char file[64];
static struct err e;

/* ---- a file ---------------------------------------------------------------------------------- */

struct row {
	const char *name;
	enum identity_kind kind;
	const char *secret, *subject; /* "" and NULL: none */
	const char *originators[4];
	struct buf shown;
};

static struct identity *make(struct row *r)
{
	struct identity *i = xcalloc(1, sizeof(*i));

	i->refs = 1;
	i->kind = r->kind;
	i->name = xstrdup(r->name);
	i->subject = r->subject ? xstrdup(r->subject) : NULL;
	for (size_t k = 0; k < countof(r->originators) && r->originators[k]; k++)
		assert_true(identity_add_originator(i, str_of(r->originators[k]), &e));
	assert_true(identity_make_secret(i, str_of(r->secret), &r->shown, &e));
	return i;
}

static void write_rows(struct row *rows, size_t n)
{
	struct identity_list l = { NULL, 0 };

	for (size_t k = 0; k < n; k++)
		assert_true(identity_list_add(&l, make(&rows[k]), &e));
	assert_true(identity_file_write(file, &l, &e));
	identity_list_free(&l);
}

static void write_text(const char *text, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static bool open_with(bool must)
{
	struct identity_opts o = { .file = file,
				   .must = must,
				   .csi = "/moon",
				   .spi = "//sp.example",
				   .failures = 3,
				   .brake_time = 5 };

	return identity_open(&o, &e);
}

static int set_up(void **state)
{
	(void)state;
	log_to(open("/dev/null", O_WRONLY));
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/credentials", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

static int after(void **state)
{
	(void)state;
	identity_close();
	clock_release();
	unlink(file);
	return 0;
}

static enum identity_verdict show(const char *authorization, const char *address)
{
	struct identity_claim c = { .authorization = str_of(authorization),
				    .address = str_of(address) };
	const struct identity *i;

	return identity_check(&c, &i);
}

static enum identity_verdict show_token(struct str token, const char *address)
{
	struct identity_claim c = { .token = token, .address = str_of(address) };
	const struct identity *i;

	return identity_check(&c, &i);
}

/* ---- originators ----------------------------------------------------------------------------- */

static void test_plain(void **state)
{
	static const char *const pairs[][2] = {
		{ "Cx", "Cx" },
		{ "/moon/Cx", "Cx" },
		{ "//sp.example/moon/Cx", "Cx" },
		{ "/Sx", "Sx" },
		{ "//sp.example/Sx", "Sx" },
		{ "/other/Cx", "/other/Cx" },
		{ "//sp.example/other/Cx", "/other/Cx" },
		{ "//else/moon/Cx", "//else/moon/Cx" },
		{ "//sp.example//sp.example/moon/Cx", "//sp.example//sp.example/moon/Cx" },
		{ "/moon", "/moon" },
		{ "/moonlight/Cx", "/moonlight/Cx" },
		{ "/S/x", "/S/x" },
		{ "/", "/" },
		{ "", "" },
	};

	(void)state;
	assert_true(open_with(false));
	for (size_t k = 0; k < countof(pairs); k++) {
		struct str got = identity_plain(str_of(pairs[k][0]));

		assert_int_equal(got.n, strlen(pairs[k][1]));
		assert_memory_equal(got.p, pairs[k][1], got.n);
	}
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *originator;
		bool covered;
	} cases[] = {
		{ "Cpump", "Cpump", true },
		{ "Cpump", "/moon/Cpump", true },
		{ "Cpump", "//sp.example/moon/Cpump", true },
		{ "Cpump", "Cpump1", false },
		{ "Cpump", "cpump", false },
		{ "Cpump", "/other/Cpump", false },
		{ "/moon/Cpump", "Cpump", true },
		{ "//sp.example/moon/Cpump", "Cpump", true },
		{ "//else/moon/Cpump", "Cpump", false },
		{ "Cpump-*", "Cpump-7", true },
		{ "Cpump-*", "Cpump-", true },
		{ "Cpump-*", "Cpump-7/x", false },
		{ "C*", "Cx", true },
		{ "C*", "/other/Cx", false },
		{ "C*", "Sx", false },
		{ "C*1*2", "Ca1b12", true },
		{ "C*1*2", "Ca1b1", false },
		{ "S*", "/S123", true },
		{ "/S*", "S123", true },
		{ "/moon/*", "Cx", true },
		{ "/moon/*", "/other/Cx", false },
		{ "/other/*", "/other/Cx", true },
		{ "/other/*", "//sp.example/other/Cx", true },
		{ "/other/*", "/other", false },
		{ "/other/*", "/other/a/b", false },
		{ "//*/moon/Cx", "Cx", true },
		{ "/*/Cx", "Cx", true },
		{ "/*/Cx", "/other/Cx", true },
		{ "/*", "/other", true },
		{ "/*", "Cx", false },
		{ "*", "Cx", true },
		{ "*", "/other/Cx", true },
		{ "*", "//else/there/Cx", true },
		{ "*", "CtheAdmin", false },
		{ "C*", "CtheAdmin", false },
		{ "C*", "/moon/CtheAdmin", false },
		{ "CtheAdmin", "CtheAdmin", true },
		{ "CtheAdmin", "/moon/CtheAdmin", true },
		{ "Cx", "", false },
	};

	(void)state;
	assert_true(open_with(false));
	identity_set_admin("CtheAdmin");
	for (size_t k = 0; k < countof(cases); k++) {
		struct row r = { "a", IDENTITY_BEARER, "", NULL, { cases[k].pattern }, BUF_INIT };
		struct identity *i = make(&r);

		identity_compile(i);
		if (identity_covers(i, str_of(cases[k].originator)) != cases[k].covered)
			fail_msg("%s and %s", cases[k].pattern, cases[k].originator);
		identity_unref(i);
		buf_free(&r.shown);
	}
}

static void test_exact_among_many(void **state)
{
	struct row r = { "a", IDENTITY_BEARER, "", NULL, { "Cz*" }, BUF_INIT };
	struct identity *i = make(&r);
	char text[16];

	(void)state;
	assert_true(open_with(false));
	for (int k = 0; k < 999; k++) {
		snprintf(text, sizeof(text), "C%d", (k * 7919) % 1000);
		assert_true(identity_add_originator(i, str_of(text), &e));
	}
	identity_compile(i);
	assert_true(identity_covers(i, STR("C919")));
	assert_true(identity_covers(i, STR("Czoo")));
	assert_false(identity_covers(i, STR("C1000")));
	for (int k = 1000; k < PATTERNS_MAX; k++)
		assert_true(identity_add_originator(i, STR("Cq"), &e));
	assert_false(identity_add_originator(i, STR("Cq"), &e));
	identity_unref(i);
	buf_free(&r.shown);
}

static const char *assigned(const char *pattern, char kind, size_t times)
{
	static char out[256];
	struct row r = { "a", IDENTITY_BEARER, "", NULL, { pattern, "/other/*", "Sb" }, BUF_INIT };
	struct identity *i = make(&r);
	struct buf b = BUF_INIT;
	size_t n = 0;

	identity_compile(i);
	out[0] = '\0';
	while (times-- && identity_assign(i, kind, STR("rnd"), &n, &b))
		snprintf(out, sizeof(out), "%.*s", STRFMT(buf_view(&b)));
	if (times != SIZE_MAX)
		out[0] = '\0';
	buf_free(&b);
	buf_free(&r.shown);
	identity_unref(i);
	return out;
}

static void test_assign(void **state)
{
	(void)state;
	assert_true(open_with(false));
	identity_set_admin("CtheAdmin");
	assert_string_equal(assigned("Cpump", 'C', 1), "Cpump");
	assert_string_equal(assigned("Cpump", 'C', 2), "");
	assert_string_equal(assigned("Cpump-*", 'C', 1), "Cpump-rnd");
	assert_string_equal(assigned("*", 'C', 1), "Crnd");
	assert_string_equal(assigned("*", 'S', 1), "Sb");
	assert_string_equal(assigned("/moon/Cpump", 'C', 1), "Cpump");
	assert_string_equal(assigned("CtheAdmin", 'C', 1), "");
	assert_string_equal(assigned("/other/Cx", 'C', 1), "");
}

/* ---- the file -------------------------------------------------------------------------------- */

static void test_nothing_there(void **state)
{
	(void)state;
	assert_true(open_with(false));
	assert_false(identity_required());
	assert_int_equal(show("", "10.0.0.1"), IDENTITY_OPEN);
	identity_close();
	assert_false(open_with(true));
	assert_non_null(strstr(e.msg, "no such file"));
}

static void test_modes(void **state)
{
	struct stat st;
	struct row r = { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT };

	(void)state;
	write_rows(&r, 1);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(open_with(false));
	assert_int_equal(identity_count(), 1);
	identity_close();
	assert_int_equal(chmod(file, 0640), 0);
	assert_false(open_with(false));
	assert_non_null(strstr(e.msg, "chmod 600"));
	buf_free(&r.shown);
}

/* root adds a credential for a server that runs as somebody else. */
static void test_owner(void **state)
{
	struct row r = { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT };
	bool root = geteuid() == 0; /* anybody else is the only owner there can be */
	uid_t uid = root ? 4711 : geteuid();
	gid_t gid = root ? 4712 : getegid();
	struct stat st;

	(void)state;
	assert_int_equal(chown(dir, uid, gid), 0);
	write_rows(&r, 1);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	assert_int_equal(chown(dir, geteuid(), getegid()), 0);
	buf_free(&r.shown);
}

static void test_wrong_lines(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{ "x", "line 1" },
		{ "[]", "expected an object" },
		{ "{}", "name: missing" },
		{ "{\"name\":\"-a\"}", "name: not" },
		{ "{\"name\":\"a b\"}", "name: not" },
		{ "{\"name\":\"a\",\"kind\":\"magic\"}", "kind: expected" },
		{ "{\"name\":\"a\",\"kind\":\"bearer\",\"created\":\"now\"}", "created:" },
		{ "{\"name\":\"a\",\"kind\":\"bearer\",\"created\":\"20260101T000000\","
		  "\"hash\":\"sha256:00:11\",\"originators\":[]}",
		  "hash:" },
		{ "{\"name\":\"a\",\"kind\":\"basic\",\"created\":\"20260101T000000\","
		  "\"hash\":\"scrypt:99:00000000000000000000000000000000:"
		  "0000000000000000000000000000000000000000000000000000000000000000\","
		  "\"originators\":[]}",
		  "hash:" },
		{ "{\"name\":\"a\",\"kind\":\"psk\",\"created\":\"20260101T000000\",\"identity\":"
		  "\"a\",\"key\":\"0011\",\"originators\":[]}",
		  "key:" },
		{ "{\"name\":\"a\",\"kind\":\"certificate\",\"created\":\"20260101T000000\","
		  "\"subject\":\"CN=x\",\"originators\":[]}",
		  "subject: expected uri:" },
		{ "{\"name\":\"a\",\"kind\":\"certificate\",\"created\":\"20260101T000000\","
		  "\"subject\":\"uri:x\"}",
		  "originators: missing" },
		{ "{\"name\":\"a\",\"kind\":\"certificate\",\"created\":\"20260101T000000\","
		  "\"subject\":\"uri:x\",\"originators\":[\"Dx\"]}",
		  "originator Dx" },
	};

	(void)state;
	for (size_t k = 0; k < countof(cases); k++) {
		write_text(cases[k].line, 0600);
		assert_false(open_with(false));
		if (!strstr(e.msg, cases[k].why) || !strstr(e.msg, file))
			fail_msg("%s: %s", cases[k].line, e.msg);
		assert_int_equal(identity_count(), 0);
		identity_close();
	}
}

static void test_twice(void **state)
{
	struct row a = { "a", IDENTITY_PSK, "", "one", { "Ca" }, BUF_INIT };
	struct row b = { "b", IDENTITY_PSK, "", "one", { "Ca" }, BUF_INIT };
	struct row c = { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT };
	struct identity_list l = { NULL, 0 };
	struct identity *second = make(&b), *third = make(&c);

	(void)state;
	assert_true(identity_list_add(&l, make(&a), &e));
	assert_false(identity_list_add(&l, second, &e));
	assert_non_null(strstr(e.msg, "identity: a has it already"));
	assert_false(identity_list_add(&l, third, &e));
	assert_non_null(strstr(e.msg, "name: a is there already"));
	identity_unref(second);
	identity_unref(third);
	assert_false(identity_list_remove(&l, "b"));
	assert_true(identity_list_remove(&l, "a"));
	assert_int_equal(l.n, 0);
	identity_list_free(&l);
	buf_free(&a.shown);
	buf_free(&b.shown);
	buf_free(&c.shown);
}

/* ---- bearer ---------------------------------------------------------------------------------- */

static void test_bearer(void **state)
{
	struct row r = { "pump1", IDENTITY_BEARER, "", NULL, { "Cpump1" }, BUF_INIT };
	char header[128], text[4096];
	int fd;
	ssize_t n;

	(void)state;
	write_rows(&r, 1);
	assert_int_equal(r.shown.n, strlen("pump1.") + 43);
	fd = open(file, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	snprintf(header, sizeof(header), "%.*s", STRFMT(buf_view(&r.shown)));
	assert_null(strstr(text, header + 6)); /* the secret is not in the file */
	assert_true(open_with(false));
	assert_true(identity_required());
	assert_int_equal(show("", "10.0.0.1"), IDENTITY_MISSING);
	snprintf(header, sizeof(header), "bearer  %.*s", STRFMT(buf_view(&r.shown)));
	assert_int_equal(show(header, "10.0.0.1"), IDENTITY_KNOWN);
	assert_int_equal(show_token(buf_view(&r.shown), "10.0.0.1"), IDENTITY_KNOWN);
	header[strlen(header) - 1] ^= 1;
	assert_int_equal(show(header, "10.0.0.1"), IDENTITY_WRONG);
	assert_int_equal(show("Bearer pump1", "10.0.0.2"), IDENTITY_WRONG);
	assert_int_equal(show("Bearer pump2.x", "10.0.0.3"), IDENTITY_WRONG);
	assert_int_equal(show("Digest x", "10.0.0.4"), IDENTITY_WRONG);
	buf_free(&r.shown);
}

static void test_chosen_secrets(void **state)
{
	struct identity i = { .kind = IDENTITY_BEARER, .name = (char *)(uintptr_t) "a" };
	struct buf shown = BUF_INIT;

	(void)state;
	assert_false(identity_make_secret(&i, STR("mine"), &shown, &e));
	i.kind = IDENTITY_BASIC;
	assert_false(identity_make_secret(&i, STR("short"), &shown, &e));
	i.kind = IDENTITY_PSK;
	assert_false(identity_make_secret(&i, STR("00112233"), &shown, &e));
	assert_false(identity_make_secret(&i, STR("zz112233445566778899aabbccddeeff"), &shown, &e));
	assert_true(identity_make_secret(&i, STR("00112233445566778899AABBCCDDEEFF"), &shown, &e));
	assert_int_equal(i.key_len, 16);
	assert_int_equal(i.key[15], 0xff);
	buf_free(&shown);
}

/* ---- passwords ------------------------------------------------------------------------------- */

static enum identity_verdict computed;
static int answers;

static void on_computed(void *arg, enum identity_verdict v, const struct identity *i)
{
	(void)arg;
	assert_true((v == IDENTITY_KNOWN) == (i != NULL));
	computed = v;
	answers++;
}

static enum identity_verdict compute(const char *header, const char *address)
{
	struct identity_claim c = { .authorization = str_of(header), .address = str_of(address) };
	int before = answers;

	assert_int_equal(identity_compute(&c, on_computed, NULL), IDENTITY_PENDING);
	for (int k = 0; k < 6000 && answers == before; k++) {
		usleep(5000);
		identity_poll();
	}
	assert_int_equal(answers, before + 1);
	return computed;
}

static void test_basic(void **state)
{
	static const char right[] = "Basic YW5uYTpvcGVuIHNlc2FtZQ=="; /* anna:open sesame */
	static const char wrong[] = "Basic YW5uYTpzZXNhbWUgb3Blbg=="; /* anna:sesame open */
	static const char nobody[] = "Basic Ym9iOm9wZW4gc2VzYW1l"; /* bob:open sesame */
	struct row r = { "anna", IDENTITY_BASIC, "open sesame", NULL, { "Canna" }, BUF_INIT };

	(void)state;
	write_rows(&r, 1);
	assert_int_equal(r.shown.n, 0);
	assert_true(open_with(false));
	assert_int_equal(show(right, "10.0.0.1"), IDENTITY_PENDING);
	assert_int_equal(compute(right, "10.0.0.1"), IDENTITY_KNOWN);
	assert_int_equal(show(right, "10.0.0.9"), IDENTITY_KNOWN); /* remembered */
	assert_int_equal(show(wrong, "10.0.0.1"), IDENTITY_PENDING);
	assert_int_equal(compute(wrong, "10.0.0.1"), IDENTITY_WRONG);
	assert_int_equal(compute(nobody, "10.0.0.1"), IDENTITY_WRONG);
	assert_int_equal(show("Basic !!!", "10.0.0.2"), IDENTITY_WRONG);
	assert_int_equal(show("Basic YW5uYQ==", "10.0.0.3"), IDENTITY_WRONG); /* no colon */
	buf_free(&r.shown);
}

static void test_busy_and_end(void **state)
{
	struct identity_claim c = { .authorization = STR("Basic YW5uYTp4"),
				    .address = STR("10.0.0.1") };
	struct row r = { "anna", IDENTITY_BASIC, "open sesame", NULL, { "Canna" }, BUF_INIT };
	int before, pending = 0;

	(void)state;
	write_rows(&r, 1);
	assert_true(open_with(false));
	before = answers;
	for (int k = 0; k < 6; k++)
		pending += identity_compute(&c, on_computed, NULL) == IDENTITY_PENDING;
	assert_int_equal(pending, 4); /* of one address */
	identity_close();
	assert_int_equal(answers - before, 4);
	assert_int_equal(computed, IDENTITY_BUSY);
	buf_free(&r.shown);
}

/* ---- reading it again ------------------------------------------------------------------------ */

static void test_reload(void **state)
{
	struct row r[2] = { { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT },
			    { "b", IDENTITY_BEARER, "", NULL, { "Cb" }, BUF_INIT } };
	struct identity_list l;
	struct identity *a, *b;
	bool missing;

	(void)state;
	write_rows(r, 2);
	assert_true(open_with(false));
	a = identity_ref(identity_named(STR("a")));
	b = identity_ref(identity_named(STR("b")));
	assert_true(identity_file_read(file, &l, &missing, &e));
	assert_true(identity_list_remove(&l, "b"));
	assert_true(identity_file_write(file, &l, &e));
	identity_list_free(&l);
	assert_true(identity_reload(&e));
	assert_false(identity_revoked(a));
	assert_true(identity_revoked(b));
	assert_true(identity_covers(a, STR("Ca")));
	assert_false(identity_covers(b, STR("Cb")));
	assert_int_equal(show_token(buf_view(&r[0].shown), "10.0.0.1"), IDENTITY_KNOWN);
	assert_int_equal(show_token(buf_view(&r[1].shown), "10.0.0.1"), IDENTITY_WRONG);
	identity_unref(a);
	identity_unref(b);
	buf_free(&r[0].shown);
	buf_free(&r[1].shown);
}

static void test_fails_closed(void **state)
{
	struct row r = { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT };

	(void)state;
	write_rows(&r, 1);
	assert_true(open_with(false));
	assert_int_equal(chmod(file, 0644), 0);
	assert_false(identity_reload(&e));
	assert_true(identity_required());
	assert_int_equal(show_token(buf_view(&r.shown), "10.0.0.1"), IDENTITY_WRONG);
	assert_int_equal(show("", "10.0.0.1"), IDENTITY_MISSING);
	assert_int_equal(chmod(file, 0600), 0);
	assert_true(identity_reload(&e));
	assert_int_equal(show_token(buf_view(&r.shown), "10.0.0.1"), IDENTITY_KNOWN);
	unlink(file); /* gone is not the same as none */
	assert_false(identity_reload(&e));
	assert_int_equal(show("", "10.0.0.1"), IDENTITY_MISSING);
	write_text("# none\n", 0600); /* the last one was revoked */
	assert_true(identity_reload(&e));
	assert_int_equal(show("", "10.0.0.1"), IDENTITY_MISSING);
	buf_free(&r.shown);
}

/* ---- the brake ------------------------------------------------------------------------------- */

static void test_brake(void **state)
{
	struct row r[2] = { { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT },
			    { "b", IDENTITY_BEARER, "", NULL, { "Cb" }, BUF_INIT } };
	struct str a, b;

	(void)state;
	write_rows(r, 2);
	a = buf_view(&r[0].shown);
	b = buf_view(&r[1].shown);
	clock_freeze(1000000, 1000000);
	assert_true(open_with(false));
	assert_int_equal(show_token(a, "10.0.0.1"), IDENTITY_KNOWN);
	for (int k = 0; k < 3; k++)
		assert_int_equal(show("Bearer no.x", "10.0.0.1"), IDENTITY_WRONG);
	assert_int_equal(show("Bearer no.x", "10.0.0.1"), IDENTITY_BRAKED);
	assert_int_equal(show_token(b, "10.0.0.1"), IDENTITY_BRAKED);
	assert_int_equal(show_token(a, "10.0.0.1"), IDENTITY_KNOWN); /* it was used from there */
	assert_int_equal(show_token(b, "10.0.0.2"), IDENTITY_KNOWN);
	assert_int_equal(show("Bearer a.x", "10.0.0.1"), IDENTITY_WRONG); /* a guess at it */
	assert_int_equal(show_token(a, "10.0.0.1"), IDENTITY_BRAKED);
	clock_freeze(1000000, 1000000 + 6 * 1000000);
	assert_int_equal(show_token(b, "10.0.0.1"), IDENTITY_KNOWN);
	buf_free(&r[0].shown);
	buf_free(&r[1].shown);
}

static void test_brake_forgets(void **state)
{
	struct row r = { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT };

	(void)state;
	write_rows(&r, 1);
	clock_freeze(1000000, 1000000);
	assert_true(open_with(false));
	for (int k = 0; k < 8; k++) { /* two a minute never brake */
		clock_freeze(1000000, 1000000 + (int64_t)k * 31000000);
		assert_int_equal(show("Bearer no.x", "10.0.0.1"), IDENTITY_WRONG);
	}
	assert_false(identity_braked(STR("10.0.0.1")));
	for (int k = 0; k < 3; k++) /* one subscriber's /64 */
		show("Bearer no.x", k ? "2001:db8::1" : "2001:db8::2");
	assert_true(identity_braked(STR("2001:db8::3")));
	assert_false(identity_braked(STR("2001:db8:0:1::3")));
	buf_free(&r.shown);
}

static void test_brake_bounded(void **state)
{
	struct row r = { "a", IDENTITY_BEARER, "", NULL, { "Ca" }, BUF_INIT };
	char address[32];

	(void)state;
	write_rows(&r, 1);
	clock_freeze(1000000, 1000000);
	assert_true(open_with(false));
	for (int k = 0; k < 3; k++)
		show("Bearer no.x", "10.0.0.1");
	for (int k = 0; k < 20000; k++) {
		snprintf(address, sizeof(address), "10.%d.%d.7", 1 + k / 250, k % 250);
		show("Bearer no.x", address);
	}
	assert_true(identity_braked(STR("10.0.0.1"))); /* others do not push it out */
	buf_free(&r.shown);
}

static void test_tokens(void **state)
{
	uint64_t right = identity_token(STR("t1")), other = identity_token(STR("t2"));

	(void)state;
	assert_true(open_with(false));
	right = identity_token(STR("t1"));
	other = identity_token(STR("t2"));
	assert_true(right != other);
	identity_token_good(STR("10.0.0.1"), right);
	for (int k = 0; k < 3; k++)
		identity_token_wrong(STR("10.0.0.1"), other);
	assert_true(identity_token_stopped(STR("10.0.0.1"), other));
	assert_false(identity_token_stopped(STR("10.0.0.1"), right));
	assert_false(identity_token_stopped(STR("10.0.0.2"), other));
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static void test_tls(void **state)
{
	struct row r[2] = {
		{ "gw",
		  IDENTITY_PSK,
		  "00112233445566778899aabbccddeeff",
		  "gw@site",
		  { "/gw" },
		  BUF_INIT },
		{ "dev", IDENTITY_CERTIFICATE, "", "uri:urn:dev:1", { "Cdev" }, BUF_INIT }
	};
	struct identity_claim c = { .address = STR("10.0.0.1") };
	const struct identity *i;
	unsigned char key[64];
	size_t len = sizeof(key);

	(void)state;
	write_rows(r, 2);
	assert_true(open_with(false));
	assert_true(identity_psk("gw@site", key, &len));
	assert_int_equal(len, 16);
	assert_int_equal(key[1], 0x11);
	len = 15;
	assert_false(identity_psk("gw@site", key, &len));
	len = sizeof(key);
	assert_false(identity_psk("gw", key, &len));
	assert_null(identity_of_tls(STR("dns:urn:dev:1")));
	assert_ptr_equal(identity_of_tls(STR("psk:gw@site")), identity_named(STR("gw")));
	c.peer = identity_of_tls(STR("uri:urn:dev:1"));
	assert_int_equal(identity_check(&c, &i), IDENTITY_KNOWN);
	assert_string_equal(identity_name(i), "dev");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_plain, after),
		cmocka_unit_test_teardown(test_patterns, after),
		cmocka_unit_test_teardown(test_exact_among_many, after),
		cmocka_unit_test_teardown(test_assign, after),
		cmocka_unit_test_teardown(test_nothing_there, after),
		cmocka_unit_test_teardown(test_modes, after),
		cmocka_unit_test_teardown(test_owner, after),
		cmocka_unit_test_teardown(test_wrong_lines, after),
		cmocka_unit_test_teardown(test_twice, after),
		cmocka_unit_test_teardown(test_bearer, after),
		cmocka_unit_test(test_chosen_secrets),
		cmocka_unit_test_teardown(test_basic, after),
		cmocka_unit_test_teardown(test_busy_and_end, after),
		cmocka_unit_test_teardown(test_reload, after),
		cmocka_unit_test_teardown(test_fails_closed, after),
		cmocka_unit_test_teardown(test_brake, after),
		cmocka_unit_test_teardown(test_brake_forgets, after),
		cmocka_unit_test_teardown(test_brake_bounded, after),
		cmocka_unit_test_teardown(test_tokens, after),
		cmocka_unit_test_teardown(test_tls, after),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
