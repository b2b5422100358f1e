/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding a section of the manual; see topics.h.
 */
#include <ctype.h>
#include <string.h>

#include "cli/topics.h"
#include "util/math.h"

#define TITLE_ROOM 80

struct topic {
	const char *title;
	bool section; /* else a subsection of the one before */
	const char *text;
};

static const struct topic topics[] = {
#include "topics.inc"
};

/* How a title is compared: small letters, single spaces. */
static void plain_title(char *to, const char *from)
{
	size_t n = 0;

	for (; *from && n < TITLE_ROOM - 1; from++)
		to[n++] = *from == '-' || *from == '_' ? ' ' : (char)tolower((unsigned char)*from);
	to[n] = '\0';
}

static void join_words(char *to, char *const *words, int nr)
{
	char text[TITLE_ROOM] = "";

	for (int i = 0; i < nr; i++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", words[i]);
	}
	plain_title(to, text);
}

/* 3: the title itself, 2: its beginning, 1: the beginning of a word of it, 0: another one. */
static int title_match(const char *title, const char *words)
{
	char plain[TITLE_ROOM];

	plain_title(plain, title);
	if (!strcmp(plain, words))
		return 3;
	if (!strncmp(plain, words, strlen(words)))
		return 2;
	for (const char *at = strstr(plain, words); at; at = strstr(at + 1, words))
		if (at > plain && at[-1] == ' ')
			return 1;
	return 0;
}

bool topics_print(FILE *out, char *const *words, int nr)
{
	char wanted[TITLE_ROOM];
	size_t best = 0;
	int match = 0;

	join_words(wanted, words, nr);
	if (!*wanted)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
		int m = title_match(topics[i].title, wanted);

		if (m > match) {
			match = m;
			best = i;
		}
	}
	if (!match)
		return false;
	fputs(topics[best].text, out);
	for (size_t i = best + 1; topics[best].section && i < ARRAY_SIZE(topics); i++) {
		if (topics[i].section)
			break;
		fprintf(out, "\n%s", topics[i].text);
	}
	return true;
}

void topics_list(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
		char plain[TITLE_ROOM];

		plain_title(plain, topics[i].title);
		fprintf(out, "%s%s\n", topics[i].section ? "" : "  ", plain);
	}
}
