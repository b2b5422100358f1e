/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Terminal facts and text layout. Owns no state beyond the caller's struct progress; never
 * writes control characters to anything but a terminal.
 */
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/size.h"

#define HELP_COLUMNS 80

bool term_is_fancy(FILE *f)
{
	const char *term = getenv("TERM");

	return isatty(fileno(f)) && term && *term && strcmp(term, "dumb");
}

bool term_has_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR");

	return term_is_fancy(f) && (!no || !*no);
}

static int from_environment(const char *name)
{
	const char *text = getenv(name);
	uint64_t n;

	return text && !number_parse(text, 10000, &n) ? (int)n : 0;
}

void term_size(FILE *f, int *columns, int *lines)
{
	struct winsize size = { 0 };

	if (ioctl(fileno(f), TIOCGWINSZ, &size))
		size = (struct winsize){ 0 };
	*columns = size.ws_col ? size.ws_col : from_environment("COLUMNS");
	*lines = size.ws_row ? size.ws_row : from_environment("LINES");
	if (!*columns)
		*columns = 80;
	if (!*lines)
		*lines = 24;
}

char *term_bar(uint64_t part, uint64_t whole, int cells, char *buf)
{
	double share = whole ? (double)part / (double)whole : 0;
	int marks = (int)(share * cells + 0.5);

	if (part && !marks)
		marks = 1;
	if (part < whole && marks >= cells)
		marks = cells - 1;
	if (part >= whole)
		marks = whole ? cells : 0;
	buf[0] = '|';
	memset(buf + 1, '#', (size_t)marks);
	memset(buf + 1 + marks, '.', (size_t)(cells - marks));
	buf[cells + 1] = '|';
	buf[cells + 2] = '\0';
	return buf;
}

/* Prints words from text, breaking lines so that none fills the columns; every new line begins
 * at indent. col is where the cursor stands. */
static void wrap(FILE *out, int col, int indent, int columns, const char *text)
{
	bool first = true;

	while (*text) {
		size_t word = strcspn(text, " \n");

		if (!first && col + 1 + (int)word >= columns) {
			fprintf(out, "\n%*s", indent, "");
			col = indent;
			first = true;
		}
		if (!first)
			col += fprintf(out, " ");
		col += (int)fwrite(text, 1, word, out);
		first = false;
		text += word;
		if (*text == '\n') {
			fprintf(out, "\n%*s", indent, "");
			col = indent;
			first = true;
		}
		text += *text != '\0';
	}
	putc('\n', out);
}

void term_help_text(FILE *out, int col, int column, const char *text)
{
	if (col + 2 > column) {
		putc('\n', out);
		col = 0;
	}
	fprintf(out, "%*s", column - col, "");
	wrap(out, column, column, HELP_COLUMNS, text);
}

void term_paragraph(FILE *out, int columns, const char *text)
{
	wrap(out, 0, 0, columns, text);
}

/* ---- progress ------------------------------------------------------------------------------- */

double term_seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void progress_begin(struct progress *p, const char *what)
{
	*p = (struct progress){ .what = what, .fancy = term_is_fancy(stderr) };
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	p->last = p->start;
}

void progress_update(struct progress *p, double done)
{
	if (!p->fancy || term_seconds_since(&p->start) < 1 || term_seconds_since(&p->last) < 0.1)
		return;
	clock_gettime(CLOCK_MONOTONIC, &p->last);
	fprintf(stderr, "\r%s: %3.0f %%", p->what, done * 100);
	fflush(stderr);
	p->shown = true;
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r%*s\r", (int)strlen(p->what) + 8, "");
	p->shown = false;
}
