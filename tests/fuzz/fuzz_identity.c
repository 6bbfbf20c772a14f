/*
 * fuzz_identity.c - libFuzzer over what clients and the operator give to identity: the first byte
 * chooses an Authorization header, a token, a pattern with an originator or a file of
 * credentials.  Nobody is known without the secret; an originator is covered in all its forms or in
 * none; a file is read as a whole or not at all.
 */
#define _GNU_SOURCE
#include "identity_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static struct buf token, key; /* the secrets of what is in the file */
static int memory; /* a file that the inputs are written to */
static char memory_name[64];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void must(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void add(struct identity_list *l, enum identity_kind kind, const char *name, struct buf *out)
{
	struct identity *i = xcalloc(1, sizeof(*i));
	struct err e;

	i->refs = 1;
	i->kind = kind;
	i->name = xstrdup(name);
	must(identity_add_originator(i, STR("C*"), &e) &&
		 identity_make_secret(i, STR_NONE, out, &e) && identity_list_add(l, i, &e),
	     "setting up");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char file[] = "/tmp/moon2m-fuzz-identity.XXXXXX";
	struct identity_opts o = { .file = file, .must = true, .csi = "/moon", .spi = "//sp.x" };
	struct identity_list l = { NULL, 0 };
	struct err e;

	(void)argc;
	(void)argv;
	log_to(open("/dev/null", O_WRONLY));
	close(mkstemp(file));
	add(&l, IDENTITY_BEARER, "pump", &token);
	add(&l, IDENTITY_BASIC, "anna", &key);
	must(identity_file_write(file, &l, &e) && identity_open(&o, &e), "setting up");
	identity_list_free(&l);
	identity_set_admin("Croot");
	unlink(file);
	memory = memfd_create("credentials", MFD_CLOEXEC);
	must(memory >= 0 && fchmod(memory, 0600) == 0, "setting up");
	snprintf(memory_name, sizeof(memory_name), "/proc/self/fd/%d", memory);
	return 0;
}

static void try_header(struct str s, bool header)
{
	struct identity_claim c = { .address = STR("10.0.0.1") };
	const struct identity *i;
	enum identity_verdict v;

	if (header)
		c.authorization = s;
	else
		c.token = s;
	v = identity_check(&c, &i);
	must((v == IDENTITY_KNOWN) == (i != NULL), "a credential without a verdict");
	must(v != IDENTITY_OPEN, "open");
	must(!i || memmem(s.p, s.n, token.p, token.n), "known without the secret");
}

static void try_pattern(struct str s)
{
	const char *line = s.n ? memchr(s.p, '\n', s.n) : NULL;
	struct identity *i = xcalloc(1, sizeof(*i));
	struct str pattern = { s.p, line ? (size_t)(line - s.p) : 0 }, fr, plain;
	struct buf aei = BUF_INIT;
	size_t next = 0;

	i->refs = 1;
	if (line && identity_add_originator(i, pattern, NULL)) {
		identity_compile(i);
		fr = (struct str){ line + 1, s.n - pattern.n - 1 };
		plain = identity_plain(fr);
		must(identity_covers(i, fr) == identity_covers(i, plain), "one form only");
		must(!str_is(plain, "Croot") || !identity_covers(i, fr) ||
			 str_is(identity_plain(pattern), "Croot"),
		     "a pattern covers the administrator");
		while (identity_assign(i, 'C', STR("0a"), &next, &aei))
			must(identity_covers(i, buf_view(&aei)) && aei.p[0] == 'C', "assigned");
	}
	buf_free(&aei);
	identity_unref(i);
}

static void try_file(struct str s)
{
	struct identity_list l;
	struct err e;
	bool missing;

	if (ftruncate(memory, 0) != 0 || pwrite(memory, s.p, s.n, 0) != (ssize_t)s.n)
		return;
	if (!identity_file_read(memory_name, &l, &missing, &e))
		must(l.n == 0, "a part of a file that was refused");
	for (size_t k = 0; k < l.n; k++)
		must(identity_good_name(str_of(l.at[k]->name)), "a name");
	identity_list_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = { (const char *)data + 1, n ? n - 1 : 0 };

	if (n == 0)
		return 0;
	switch (data[0] % 4) {
	case 0:
		try_header(s, true);
		break;
	case 1:
		try_header(s, false);
		break;
	case 2:
		try_pattern(s);
		break;
	default:
		try_file(s);
	}
	return 0;
}
