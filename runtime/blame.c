/*
 * The page that survives its process.  Written with plain stores: the kernel keeps a shared mapping
 * when a process dies, however it dies (a power cut loses it, and then nobody is blamed).
 * Trusted is only what checks: a file of another size or without the mark is begun anew.
 */
#define _GNU_SOURCE
#include "blame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "m2blame1"
#define STUCK 1000 /* as cause, beside the numbers of signals */
#define SILENT_STARTS 3 /* in a row that ended without a cause before they were ready */
#define STACK_SIZE 16384 /* for the handler: a crash may be an overflow of the stack */

enum state { ENDED, STARTING, READY };

struct page {
	char mark[8];
	uint32_t state;
	int32_t cause; /* signal, STUCK; 0: none is known */
	uint32_t starts; /* in a row that were not ready when they ended */
	uint32_t noff;
	char who[BLAME_WHO];
	char place[128];
	char event[200];
	struct blame_off off[BLAME_OFF];
};

static struct page *page;
static char why_safe[100];
static char stack[STACK_SIZE];

static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

/* Sanitizers report a crash themselves. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CATCHES false
#else
#define CATCHES true
#endif

/* ---- what the process before left ------------------------------------------------------------ */

static const char *rule_of(const struct page *p)
{
	size_t n = strnlen(p->who, sizeof(p->who) - 1);

	return n + 1 < sizeof(p->who) ? p->who + n + 1 : "";
}

static void copy(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

static void add_off(struct page *p)
{
	struct blame_off *o;
	char how[40];

	blame_allow(p->who);
	if (p->noff == BLAME_OFF) {
		memmove(p->off, p->off + 1, sizeof(p->off[0]) * (BLAME_OFF - 1));
		p->noff--;
	}
	o = &p->off[p->noff++];
	if (p->cause == STUCK)
		snprintf(how, sizeof(how), "stuck in C code");
	else
		snprintf(how, sizeof(how), "crashed with signal %d", p->cause);
	copy(o->script, sizeof(o->script), p->who);
	snprintf(o->reason, sizeof(o->reason), "%s in %s%s%s%s%s", how, rule_of(p),
		 p->place[0] ? " at " : "", p->place, p->event[0] ? ", " : "", p->event);
}

static void judge(struct page *p)
{
	bool early = p->state == STARTING;

	if (p->state == ENDED) {
		p->noff = 0;
		p->starts = 0;
		return;
	}
	p->starts = early ? p->starts + 1 : 0;
	if (p->cause && p->who[0]) {
		add_off(p);
		p->starts = 0;
	} else if (early && p->cause) {
		snprintf(why_safe, sizeof(why_safe), "the last start crashed with signal %d",
			 p->cause);
	} else if (p->starts >= SILENT_STARTS) {
		snprintf(why_safe, sizeof(why_safe),
			 "the last %u starts ended before they were ready", p->starts);
	}
}

/* Whatever is in the file: strings end, counts are in range. */
static void mend(struct page *p)
{
	if (memcmp(p->mark, MARK, sizeof(p->mark)) != 0 || p->noff > BLAME_OFF ||
	    p->state > READY) {
		memset(p, 0, sizeof(*p));
		memcpy(p->mark, MARK, sizeof(p->mark));
	}
	p->who[sizeof(p->who) - 1] = '\0';
	p->place[sizeof(p->place) - 1] = '\0';
	p->event[sizeof(p->event) - 1] = '\0';
	for (size_t i = 0; i < BLAME_OFF; i++) {
		p->off[i].script[sizeof(p->off[i].script) - 1] = '\0';
		p->off[i].reason[sizeof(p->off[i].reason) - 1] = '\0';
	}
}

/* ---- a crash of this process ----------------------------------------------------------------- */

static void on_crash(int sig)
{
	if (page)
		page->cause = sig;
	signal(sig, SIG_DFL);
	raise(sig);
}

static void catch_crashes(void)
{
	stack_t s = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK };

	sigemptyset(&sa.sa_mask);
	sigaltstack(&s, NULL);
	for (size_t i = 0; CATCHES && i < countof(crashes); i++)
		sigaction(crashes[i], &sa, NULL);
}

void blame_who(const char *who, size_t n)
{
	if (!page)
		return;
	memcpy(page->who, who, n);
	if (n < sizeof(page->who))
		page->who[n] = '\0';
}

void blame_stuck(const char *place, const char *event)
{
	if (!page)
		return;
	copy(page->place, sizeof(page->place), place);
	copy(page->event, sizeof(page->event), event);
	page->cause = STUCK;
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct page *map(int fd)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) != 0)
		return NULL;
	if ((size_t)st.st_size != sizeof(struct page) &&
	    (ftruncate(fd, 0) != 0 || ftruncate(fd, sizeof(struct page)) != 0))
		return NULL;
	p = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

bool blame_open(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	page = map(fd);
	if (!page)
		err_set(e, "%s: %s", path, strerror(errno));
	close(fd);
	if (!page)
		return false;
	why_safe[0] = '\0';
	mend(page);
	judge(page);
	page->state = STARTING;
	page->cause = 0;
	memset(page->who, 0, sizeof(page->who));
	page->place[0] = page->event[0] = '\0';
	catch_crashes();
	return true;
}

void blame_ready(void)
{
	if (!page)
		return;
	page->state = READY;
	page->starts = 0;
}

void blame_close(void)
{
	if (!page)
		return;
	page->state = ENDED;
	for (size_t i = 0; CATCHES && i < countof(crashes); i++)
		signal(crashes[i], SIG_DFL);
	munmap(page, sizeof(*page));
	page = NULL;
}

/* ---- who is off ------------------------------------------------------------------------------ */

const struct blame_off *blame_list(size_t *n)
{
	*n = page ? page->noff : 0;
	return page ? page->off : NULL;
}

bool blame_allow(const char *script)
{
	for (size_t i = 0; page && i < page->noff; i++) {
		if (strcmp(page->off[i].script, script) != 0)
			continue;
		page->noff--;
		memmove(&page->off[i], &page->off[i + 1], sizeof(page->off[0]) * (page->noff - i));
		return true;
	}
	return false;
}

const char *blame_safe(void)
{
	return why_safe[0] ? why_safe : NULL;
}
