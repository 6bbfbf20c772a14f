/*
 * console_edit.h - lines typed at a terminal: edited, completed, remembered in a file that the user
 * alone may read ($XDG_STATE_HOME/moon2m_history, else ~/.moon2m_history).
 */
#pragma once

#include "buf.h"

/* Appends to words the words that may stand at the end of text (up to the cursor), each followed by a
 * line feed; returns after how many bytes of text they stand. */
typedef size_t (*console_complete)(void *arg, struct str text, struct buf *words);

enum console_line { CONSOLE_LINE, CONSOLE_INTERRUPTED, CONSOLE_END };

bool console_edit_open(console_complete complete, void *arg);
void console_edit_close(void); /* writes the history */

/* A line without its line feed; borrowed until the next call.  *interrupted: set by SIGINT, whose
 * handler must not restart system calls. */
enum console_line console_edit_read(const char *prompt, const volatile int *interrupted,
				    struct str *line);
void console_edit_remember(struct str text); /* for the history; of several lines too */
