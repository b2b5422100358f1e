/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from outside, as names of files and of snapshots, for people's eyes: control characters
 * and bytes that are no UTF-8 come out as \n, \x1b and the like, so that a name can neither
 * drive the terminal nor make up a line of its own.
 */
#ifndef ZQ_UTIL_PRINTABLE_H
#define ZQ_UTIL_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/* Length of the UTF-8 sequence at p, 0 when it is not one (overlong, surrogate, cut off). */
size_t utf8_len(const unsigned char *p);

/* Writes text as above; errors stay in the stream. */
void printable_write(FILE *out, const char *text);
/* The same into buf of size bytes, cut where it does not fit, with a NUL. Returns buf. */
char *printable_to(const char *text, char *buf, size_t size);
/* The same as a string that the caller frees; NULL when there is no memory. */
char *printable_dup(const char *text);

#endif
