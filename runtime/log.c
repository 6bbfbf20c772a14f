/*
 * log.c - one line per event to a descriptor.
 * Guarantees: a line is one write(2) and contains no line feed or other control character but its
 * last byte, so nothing from outside can forge one; log_line may be called from any thread.
 * Must never: allocate, fail, or change errno.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define QUOTE_MAX 200
#define QUOTE_BUFFERS 8

static const char *const names[] = { "debug", "info", "warn", "error" };
static _Atomic int min_level = LOG_INFO;
static _Atomic int out_fd = 2;
static const char *const priorities[] = { "<7>", "<6>", "<4>", "<3>" }; /* syslog's, sd-daemon(3) */
static _Atomic bool to_journal;

void log_set_level(enum log_level min)
{
	atomic_store(&min_level, (int)min);
}

bool log_parse_level(const char *name, enum log_level *out)
{
	for (size_t i = 0; name && i < countof(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

void log_to(int fd)
{
	atomic_store(&out_fd, fd);
}

void log_detect(void)
{
	const char *name = getenv("JOURNAL_STREAM");
	struct stat st;
	char is[64];

	if (!name || fstat(atomic_load(&out_fd), &st))
		return;
	snprintf(is, sizeof(is), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	atomic_store(&to_journal, strcmp(is, name) == 0);
}

const char *log_prefix(enum log_level level)
{
	return atomic_load_explicit(&to_journal, memory_order_relaxed) ? priorities[level] : "";
}

/* One attempt: a log that cannot be written is no reason to wait. */
static void put_line(const char *line, size_t n)
{
	int fd = atomic_load(&out_fd);
	ssize_t done;

	do
		done = write(fd, line, n);
	while (done < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *module, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t room = sizeof(line) - 1, n; /* one byte for the line feed */
	int saved = errno, head, body;
	va_list ap;

	if (!log_enabled(level))
		return;
	head = snprintf(line, room, "%s%s %.40s ", log_prefix(level), names[level], module);
	n = (size_t)head;
	va_start(ap, fmt);
	body = vsnprintf(line + n, room - n, fmt, ap);
	va_end(ap);
	n += body > 0 ? (size_t)body : 0;
	if (n >= room) {
		n = room - 1;
		memcpy(line + n - 3, "...", 3);
	}
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[n] = '\n';
	put_line(line, n + 1);
	errno = saved;
}

static bool is_bare(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* Room for four bytes at out; returns how many were used, and in *used those of the input. */
static size_t quote_one(const char *p, const char *end, char *out, size_t *used)
{
	unsigned char c = (unsigned char)*p;
	size_t step = utf8_step(p, end);

	*used = 1;
	if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t') {
		out[0] = '\\';
		out[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : (char)c;
		return 2;
	}
	if (step == 0 || c < 0x20 || c == 0x7f) {
		out[0] = '\\';
		out[1] = 'x';
		out[2] = "0123456789abcdef"[c >> 4];
		out[3] = "0123456789abcdef"[c & 15];
		return 4;
	}
	memcpy(out, p, step);
	*used = step;
	return step;
}

const char *log_quote(struct str s)
{
	static char buffers[QUOTE_BUFFERS][QUOTE_MAX * 4 + 16];
	static unsigned turn;
	char *out = buffers[turn++ % QUOTE_BUFFERS], *to = out;
	size_t i = 0, used;

	while (i < s.n && i < QUOTE_MAX && is_bare((unsigned char)s.p[i]))
		i++;
	if (i == s.n && i > 0) {
		memcpy(out, s.p, s.n);
		out[s.n] = '\0';
		return out;
	}
	*to++ = '"';
	for (i = 0; i < s.n && i < QUOTE_MAX; i += used)
		to += quote_one(s.p + i, s.p + s.n, to, &used);
	if (i < s.n) {
		memcpy(to, "...", 3);
		to += 3;
	}
	*to++ = '"';
	*to = '\0';
	return out;
}
