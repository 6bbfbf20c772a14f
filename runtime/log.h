/*
 * log.h - one line per event: `level module message key=value ...` (timestamps when stderr is no
 * terminal's or journal's business are the reader's).  Values with spaces or quotes are quoted.
 */
#pragma once

#include "base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level min);
bool log_parse_level(const char *name, enum log_level *out) MUSTCHECK;
bool log_enabled(enum log_level level);
void log_to(int fd); /* default 2; one write(2) per line */
/* When the output is the journal's ($JOURNAL_STREAM names it), lines begin with their priority, "<4>",
 * which the journal takes off again. */
void log_detect(void);
const char *log_prefix(enum log_level level); /* "", or that */

/* fmt gives "message key=value key=value"; a value from outside goes through log_quote. */
void log_line(enum log_level level, const char *module, const char *fmt, ...) PRINTF(3, 4);

/* s as it may stand after '=': bare when harmless, else "quoted" with escapes, cut at 200 bytes.
 * One of eight rotating static buffers; loop thread only. */
const char *log_quote(struct str s);

#define log_debug(mod, ...)                                                                        \
	(log_enabled(LOG_DEBUG) ? log_line(LOG_DEBUG, mod, __VA_ARGS__) : (void)0)
#define log_info(mod, ...) log_line(LOG_INFO, mod, __VA_ARGS__)
#define log_warn(mod, ...) log_line(LOG_WARN, mod, __VA_ARGS__)
#define log_error(mod, ...) log_line(LOG_ERROR, mod, __VA_ARGS__)
