/*
 * console_edit.c - see console_edit.h.  libedit does the work.
 */
#define _GNU_SOURCE
#include "console_edit.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define HISTORY_MAX 1000
#define SHOWN_MAX 100

static struct {
	EditLine *el;
	History *history;
	const char *prompt;
	console_complete complete;
	void *arg;
	char path[4096];
} ed;

/* ---- completion ------------------------------------------------------------------------------ */

static struct str first_word(struct str *words)
{
	const char *end = words->n ? memchr(words->p, '\n', words->n) : NULL;
	struct str word = { words->p, end ? (size_t)(end - words->p) : 0 };

	if (!end)
		return STR_NONE;
	words->p = end + 1;
	words->n -= word.n + 1;
	return word;
}

/* The beginning that all words share; their number. */
static size_t shared(struct str words, struct str *same)
{
	struct str word;
	size_t n = 0, i;

	for (word = first_word(&words); word.p; word = first_word(&words)) {
		if (n++ == 0)
			*same = word;
		for (i = 0; i < same->n && i < word.n && same->p[i] == word.p[i]; i++)
			;
		same->n = i;
	}
	return n;
}

static void show(struct str words)
{
	struct str word;
	int n = 0;

	putchar('\n');
	for (word = first_word(&words); word.p && n < SHOWN_MAX; word = first_word(&words), n++)
		printf("%.*s  ", STRFMT(word));
	puts(word.p ? ".." : "");
	fflush(stdout);
}

static unsigned char on_tab(EditLine *el, int ch)
{
	const LineInfo *li = el_line(el);
	struct str text = { li->buffer, (size_t)(li->cursor - li->buffer) }, same = STR_NONE;
	struct buf words = BUF_INIT, insert = BUF_INIT;
	unsigned char result = CC_NORM;
	size_t from, n;

	(void)ch;
	from = ed.complete(ed.arg, text, &words);
	n = from <= text.n ? shared(buf_view(&words), &same) : 0;
	if (n == 0) {
		result = CC_REFRESH_BEEP;
	} else if (same.n > text.n - from) {
		buf_add(&insert, same.p + (text.n - from), same.n - (text.n - from));
		buf_char(&insert, '\0');
		el_insertstr(el, insert.p);
		result = CC_REFRESH;
	} else if (n > 1) {
		show(buf_view(&words));
		result = CC_REDISPLAY;
	}
	buf_free(&words);
	buf_free(&insert);
	return result;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static char *prompt(EditLine *el)
{
	(void)el;
	return (char *)(uintptr_t)ed.prompt;
}

static void find_path(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n = 0;

	if (state && *state)
		n = snprintf(ed.path, sizeof(ed.path), "%s/moon2m_history", state);
	else if (home && *home)
		n = snprintf(ed.path, sizeof(ed.path), "%s/.moon2m_history", home);
	if (n <= 0 || (size_t)n >= sizeof(ed.path))
		ed.path[0] = '\0';
}

bool console_edit_open(console_complete complete, void *arg)
{
	HistEvent ev;

	setlocale(LC_CTYPE, "");
	ed.complete = complete;
	ed.arg = arg;
	ed.prompt = "";
	ed.el = el_init("moon2m", stdin, stdout, stderr);
	ed.history = history_init();
	if (!ed.el || !ed.history)
		return false;
	history(ed.history, &ev, H_SETSIZE, HISTORY_MAX);
	history(ed.history, &ev, H_SETUNIQUE, 1);
	find_path();
	if (ed.path[0])
		history(ed.history, &ev, H_LOAD, ed.path);
	el_set(ed.el, EL_PROMPT, prompt);
	el_set(ed.el, EL_EDITOR, "emacs");
	el_set(ed.el, EL_HIST, history, ed.history);
	el_set(ed.el, EL_ADDFN, "moon2m-complete", "completes the word", on_tab);
	el_set(ed.el, EL_BIND, "^I", "moon2m-complete", NULL);
	el_source(ed.el, NULL);
	return true;
}

void console_edit_close(void)
{
	mode_t mask = umask(0077);
	HistEvent ev;

	if (ed.history && ed.path[0])
		history(ed.history, &ev, H_SAVE, ed.path);
	umask(mask);
	if (ed.history)
		history_end(ed.history);
	if (ed.el)
		el_end(ed.el);
	ed.history = NULL;
	ed.el = NULL;
}

enum console_line console_edit_read(const char *text, const volatile int *interrupted,
				    struct str *line)
{
	const char *s;
	int n = 0;

	ed.prompt = text;
	s = el_gets(ed.el, &n);
	if (*interrupted) {
		el_reset(ed.el);
		return CONSOLE_INTERRUPTED;
	}
	if (!s || n <= 0)
		return CONSOLE_END;
	*line = (struct str){ s, (size_t)n };
	if (line->p[line->n - 1] == '\n')
		line->n--;
	return CONSOLE_LINE;
}

void console_edit_remember(struct str text)
{
	struct buf entry = BUF_INIT;
	HistEvent ev;

	buf_str(&entry, text);
	buf_char(&entry, '\0');
	history(ed.history, &ev, H_ENTER, entry.p);
	buf_free(&entry);
}
