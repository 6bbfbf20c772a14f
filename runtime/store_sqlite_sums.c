/*
 * store_sqlite_sums.c - a checksum in each page of the database file, as a layer over SQLite's own
 * access to files: written with the page, compared whenever a page is read from the file.
 *
 * A page that does not match is an error of the read (SQLITE_CORRUPT), logged once and counted;
 * what is in it is never handed out.  The sum is a CRC-32 (so up to three turned bits are always
 * noticed) of the page's number and its first PAGE - SUM bytes, so that a page at another's place is
 * noticed too.  The log has checksums of its own, by SQLite.
 *
 * Whether the pages have sums is in the file's header: SUM bytes of each page are reserved.  A file
 * of an earlier release has none: it is read as it is.  Whoever writes with something else than
 * this layer leaves sums that do not match.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "log.h"
#include "metrics.h"
#include "store_sqlite.h"

#define PAGE STORE_PAGE_BYTES
#define SUM STORE_SUM_BYTES
#define RESERVED_AT 20 /* of the header: bytes reserved in each page */
#define HAVE_SUMS                                                                                  \
	0x6d6f6f32 /* a file control of our own: pages are written with sums from now on */
#define LOGGED 64 /* damaged pages that are logged, by place; later ones are counted only */

struct sums_file {
	sqlite3_file base;
	bool on; /* the pages have sums */
	const char *path; /* SQLite's, as long as the file is open */
	sqlite3_file *real; /* behind this */
};

static sqlite3_vfs vfs; /* a copy of the real one, with another xOpen */
static sqlite3_vfs *real_vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Thread_local int64_t damaged_page; /* the last one that this thread has met; 0: none */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t logged[LOGGED];
static size_t nlogged;
static struct metric damaged = { .name = "moon2m_store_damaged_reads_total",
				 .help = "Reads of a page that does not match its checksum",
				 .kind = METRIC_COUNTER };

static struct sums_file *of(sqlite3_file *f)
{
	return (struct sums_file *)f;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* The last SUM bytes of a page: the CRC, then zeros. */
static void sum_of(const unsigned char *page, uint32_t number, unsigned char out[SUM])
{
	unsigned char head[4];
	uLong crc;

	put32(head, number);
	crc = crc32(crc32(0, NULL, 0), head, sizeof(head));
	put32(out, (uint32_t)crc32(crc, page, PAGE - SUM));
	memset(out + 4, 0, SUM - 4);
}

static bool first_time(const char *path, uint32_t number)
{
	uint32_t key = (uint32_t)crc32(number, (const unsigned char *)path, (uInt)strlen(path));
	bool first;
	size_t i = 0;

	pthread_mutex_lock(&lock);
	while (i < nlogged && logged[i] != key)
		i++;
	first = i == nlogged && nlogged < LOGGED;
	if (first)
		logged[nlogged++] = key;
	pthread_mutex_unlock(&lock);
	return first;
}

static int check(const struct sums_file *f, const unsigned char *page, uint32_t number)
{
	unsigned char want[SUM];

	sum_of(page, number, want);
	if (memcmp(want, page + PAGE - SUM, SUM) == 0)
		return SQLITE_OK;
	damaged_page = number;
	metric_add_atomic(&damaged, 1);
	if (first_time(f->path, number))
		log_error("store", "a page does not match its checksum file=\"%s\" page=%u",
			  f->path, number);
	return SQLITE_CORRUPT;
}

int64_t store_sql_damaged_page(void)
{
	int64_t page = damaged_page;

	damaged_page = 0;
	return page;
}

/* ---- a file ---------------------------------------------------------------------------------- */

/* Whether a header that is read or written says that pages have sums. */
static bool says_sums(const unsigned char *p, int n, sqlite3_int64 at)
{
	return at == 0 && n > RESERVED_AT && p[RESERVED_AT] == SUM;
}

/* Less than a page, or more than one: by way of whole pages. */
static int read_part(struct sums_file *f, unsigned char *p, int n, sqlite3_int64 at)
{
	unsigned char page[PAGE];
	int rc;

	while (n > 0) {
		int skip = (int)(at % PAGE), part = PAGE - skip < n ? PAGE - skip : n;

		rc = f->real->pMethods->xRead(f->real, page, PAGE, at - skip);
		if (rc == SQLITE_OK)
			rc = check(f, page, (uint32_t)(at / PAGE + 1));
		if (rc)
			return rc;
		memcpy(p, page + skip, (size_t)part);
		p += part;
		n -= part;
		at += part;
	}
	return SQLITE_OK;
}

static int sums_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	struct sums_file *f = of(file);
	int rc;

	if (f->on && at >= PAGE && (n != PAGE || at % PAGE))
		return read_part(f, p, n, at);
	rc = f->real->pMethods->xRead(f->real, p, n, at);
	if (rc)
		return rc;
	f->on = f->on || says_sums(p, n, at); /* a damaged header does not end it */
	return f->on && n == PAGE ? check(f, p, (uint32_t)(at / PAGE + 1)) : rc;
}

static int sums_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct sums_file *f = of(file);
	unsigned char page[PAGE];

	if (at == 0)
		f->on = says_sums(p, n, at);
	if (!f->on || n != PAGE || at % PAGE)
		return f->real->pMethods->xWrite(f->real, p, n, at);
	memcpy(page, p, PAGE - SUM);
	sum_of(page, (uint32_t)(at / PAGE + 1), page + PAGE - SUM);
	return f->real->pMethods->xWrite(f->real, page, n, at);
}

static int sums_close(sqlite3_file *file)
{
	sqlite3_file *real = of(file)->real;

	return real->pMethods->xClose(real);
}

#define FORWARD(name, params, args)                                                                \
	static int sums_##name params                                                              \
	{                                                                                          \
		sqlite3_file *real = of(file)->real;                                               \
                                                                                                   \
		return real->pMethods->x##name args;                                               \
	}
FORWARD(Truncate, (sqlite3_file * file, sqlite3_int64 n), (real, n))
FORWARD(Sync, (sqlite3_file * file, int flags), (real, flags))
FORWARD(FileSize, (sqlite3_file * file, sqlite3_int64 *n), (real, n))
FORWARD(Lock, (sqlite3_file * file, int level), (real, level))
FORWARD(Unlock, (sqlite3_file * file, int level), (real, level))
FORWARD(CheckReservedLock, (sqlite3_file * file, int *out), (real, out))
FORWARD(SectorSize, (sqlite3_file * file), (real))
FORWARD(DeviceCharacteristics, (sqlite3_file * file), (real))
FORWARD(ShmMap, (sqlite3_file * file, int region, int size, int extend, void volatile **p),
	(real, region, size, extend, p))
FORWARD(ShmLock, (sqlite3_file * file, int offset, int n, int flags), (real, offset, n, flags))
FORWARD(ShmUnmap, (sqlite3_file * file, int remove), (real, remove))

static int sums_control(sqlite3_file *file, int op, void *arg)
{
	sqlite3_file *real = of(file)->real;

	if (op != HAVE_SUMS)
		return real->pMethods->xFileControl(real, op, arg);
	of(file)->on = true;
	return SQLITE_OK;
}

static void sums_barrier(sqlite3_file *file)
{
	of(file)->real->pMethods->xShmBarrier(of(file)->real);
}

/* Version 2: without the calls that map the file, whose pages would not come by here. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = sums_close,
	.xRead = sums_read,
	.xWrite = sums_write,
	.xTruncate = sums_Truncate,
	.xSync = sums_Sync,
	.xFileSize = sums_FileSize,
	.xLock = sums_Lock,
	.xUnlock = sums_Unlock,
	.xCheckReservedLock = sums_CheckReservedLock,
	.xFileControl = sums_control,
	.xSectorSize = sums_SectorSize,
	.xDeviceCharacteristics = sums_DeviceCharacteristics,
	.xShmMap = sums_ShmMap,
	.xShmLock = sums_ShmLock,
	.xShmBarrier = sums_barrier,
	.xShmUnmap = sums_ShmUnmap,
};

void store_sql_sums_like(sqlite3 *to, sqlite3 *from)
{
	int reserved = -1;

	sqlite3_file_control(from, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
	if (reserved == SUM)
		sqlite3_file_control(to, "main", HAVE_SUMS, NULL);
}

/* ---- the layer ------------------------------------------------------------------------------- */

static int sums_open(sqlite3_vfs *v, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct sums_file *f = of(file);
	int rc;

	(void)v;
	if (!(flags & SQLITE_OPEN_MAIN_DB)) /* logs and what is temporary */
		return real_vfs->xOpen(real_vfs, path, file, flags, out);
	memset(f, 0, sizeof(*f));
	f->real = (sqlite3_file *)(f + 1);
	f->path = path ? path : "";
	rc = real_vfs->xOpen(real_vfs, path, f->real, flags, out);
	if (f->real->pMethods)
		f->base.pMethods = &methods;
	return rc;
}

static void add_layer(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	if (!real_vfs)
		return;
	vfs = *real_vfs;
	vfs.zName = STORE_VFS;
	vfs.pNext = NULL;
	vfs.szOsFile = (int)sizeof(struct sums_file) + real_vfs->szOsFile;
	vfs.xOpen = sums_open;
	sqlite3_vfs_register(&vfs, 0);
	metric_register(&damaged);
}

void store_sql_sums(void)
{
	pthread_once(&once, add_layer);
}
