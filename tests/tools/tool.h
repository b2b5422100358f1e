/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the test tools share: words of an operation, numbers with suffixes, errno names.
 * The tools know nothing of libzqfs, so that what they say does not depend on it.
 */
#ifndef ZQ_TEST_TOOL_H
#define ZQ_TEST_TOOL_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the tool with status 2: the test itself is wrong. */
__attribute__((format(printf, 1, 2), noreturn)) static inline void tool_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	exit(2);
}

/* A number: decimal or 0x..., at most one suffix K M G T, a leading minus is allowed. */
static inline int64_t tool_number(const char *text)
{
	static const char suffixes[] = "KMGT";
	char *end;
	int64_t n;

	errno = 0;
	n = (int64_t)(text[0] == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0));
	if (errno || end == text)
		tool_die("bad number '%s'", text);
	if (*end) {
		const char *s = strchr(suffixes, *end);

		if (!s || end[1])
			tool_die("bad number '%s'", text);
		n *= (int64_t)1 << (10 * (s - suffixes + 1));
	}
	return n;
}

#define TOOL_WORDS 8

/* An operation "name:a:b:c"; what is missing is "". */
struct tool_op {
	char *text; /* owns the words */
	const char *word[TOOL_WORDS];
};

/* The last word, number max - 1, takes the rest of the text, colons included. */
static inline struct tool_op tool_split(const char *text, int max)
{
	struct tool_op op = { .text = strdup(text) };
	char *p = op.text;

	if (!p)
		tool_die("out of memory");
	for (int i = 0; i < TOOL_WORDS; i++)
		op.word[i] = "";
	for (int i = 0; i < max; i++) {
		char *colon = i < max - 1 ? strchr(p, ':') : NULL;

		op.word[i] = p;
		if (!colon)
			break;
		*colon = '\0';
		p = colon + 1;
	}
	return op;
}

/* "EINVAL" of a positive errno. */
static inline const char *tool_errno(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "unknown-errno";
}

#endif
