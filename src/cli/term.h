/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the output goes to: a person at a terminal, or a program. Colour, bars and progress
 * are for the former only.
 */
#ifndef ZQ_CLI_TERM_H
#define ZQ_CLI_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* True when f is a terminal that can do more than print lines (TERM is not "dumb"). */
bool term_is_fancy(FILE *f);
/* True when colour is wanted too: NO_COLOR is unset or empty. */
bool term_has_colour(FILE *f);

/* Columns and lines of the terminal, 80 and 24 where it does not say. */
void term_size(FILE *f, int *columns, int *lines);

enum { TERM_BAR_CELLS = 12 }; /* at most */
#define TERM_BAR_MAX (TERM_BAR_CELLS + 3)
/* Draws "|#####.......|" for part of whole into buf (TERM_BAR_MAX bytes); returns buf. A part
 * above nothing shows at least one mark, one below the whole at least one gap. */
char *term_bar(uint64_t part, uint64_t whole, int cells, char *buf);

/* Ends a line of help whose cursor stands at column col: text from column on, wrapped. */
void term_help_text(FILE *out, int col, int column, const char *text);
/* Text in lines of less than columns characters; "\n" in it starts a new line. */
void term_paragraph(FILE *out, int columns, const char *text);

/*
 * A percentage on stderr, rewritten in place: on a terminal only, after the first second,
 * at most ten times a second.
 */
struct progress {
	const char *what; /* "checking" */
	bool fancy, shown;
	struct timespec start, last;
};
void progress_begin(struct progress *p, const char *what);
void progress_update(struct progress *p, double done); /* 0 to 1 */
void progress_end(struct progress *p);		       /* wipes it from the line */

/* Seconds and nanoseconds of the monotonic clock since then, in seconds. */
double term_seconds_since(const struct timespec *then);

#endif
