/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the known words a mistyped one was meant to be. Pure; allocates nothing.
 */
#ifndef ZQ_UTIL_SUGGEST_H
#define ZQ_UTIL_SUGGEST_H

#include <stddef.h>

/*
 * Number of single-character changes (insert, delete, replace, swap of neighbours) that lead
 * from a to b. Words over 63 characters are never near: SUGGEST_FAR.
 */
unsigned suggest_distance(const char *a, const char *b);
#define SUGGEST_FAR 1000u

/* The running best over a list of words; begin with { .typed = word }. */
struct suggest {
	const char *typed;
	const char *best; /* NULL while nothing is near; points to a candidate, not a copy */
	unsigned distance;
};

/* Offers one known word. Near means at most a third of the typed word's length, at least one
 * change, or that the typed word (three characters or more) is the beginning of it. */
void suggest_offer(struct suggest *s, const char *candidate);

#endif
