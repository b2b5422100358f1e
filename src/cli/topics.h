/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manual in the program: sections of zqfs.1 as text, made when it is built (topics.awk).
 */
#ifndef ZQ_CLI_TOPICS_H
#define ZQ_CLI_TOPICS_H

#include <stdbool.h>
#include <stdio.h>

/* Prints the section, or subsection, that the words name: its whole title, or else the first one
 * whose title, or a word of it, begins with them. Case does not matter, and "-" is a space.
 * False when there is none. */
bool topics_print(FILE *out, char *const *words, int nr);

/* The titles, in the order of the manual; subsections are indented. */
void topics_list(FILE *out);

#endif
