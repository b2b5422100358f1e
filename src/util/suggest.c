/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Edit distance for "did you mean". Owns nothing, locks nothing, never allocates: the words
 * are short and the rows of the table fit on the stack.
 */
#include "util/suggest.h"

#include <string.h>

#include "util/math.h"

#define MAX_WORD 63

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned suggest_distance(const char *a, const char *b)
{
	/* Three rows of the table: swapping neighbours looks two rows back. */
	unsigned rows[3][MAX_WORD + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > MAX_WORD || lb > MAX_WORD)
		return SUGGEST_FAR;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *row = rows[i % 3], *prev = rows[(i - 1) % 3], *prev2 = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned change = a[i - 1] != b[j - 1];

			row[j] = min3(prev[j] + 1, row[j - 1] + 1, prev[j - 1] + change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    prev2[j - 2] + 1 < row[j])
				row[j] = prev2[j - 2] + 1;
		}
	}
	return rows[la % 3][lb];
}

void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t len = strlen(s->typed);
	unsigned near = len / 3 ? (unsigned)(len / 3) : 1;
	unsigned d = suggest_distance(s->typed, candidate);

	/* A beginning is what someone types who remembers abbreviations from elsewhere. */
	if (len >= 3 && !strncmp(s->typed, candidate, len))
		d = 1;
	if (!len || d > near || (s->best && d >= s->distance))
		return;
	s->best = candidate;
	s->distance = d;
}
