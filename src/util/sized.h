/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structures that grow with the library, between a program and a library of different versions:
 * each call brings the size that the program knows. See <zqfs/version.h>.
 */
#ifndef ZQ_UTIL_SIZED_H
#define ZQ_UTIL_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <zqfs/error.h>
#include <zqfs/version.h>

/*
 * Fills our structure of "ours" bytes from the caller's of "theirs" bytes; what it does not have
 * becomes 0. -E2BIG when it sets something that we do not know. from may be NULL: all 0.
 */
static inline int sized_take(void *to, size_t ours, const void *from, size_t theirs,
			     struct zq_error *err)
{
	const char *p = from;

	memset(to, 0, ours);
	if (!from)
		return 0;
	memcpy(to, from, ours < theirs ? ours : theirs);
	for (size_t i = ours; i < theirs; i++)
		if (p[i])
			return zq_fail(err, -E2BIG,
				       "an option is set that libzqfs " ZQFS_VERSION
				       " does not know");
	return 0;
}

/* The other way: fills the caller's structure from ours; what we do not know becomes 0. */
static inline void sized_give(void *to, size_t theirs, const void *from, size_t ours)
{
	memcpy(to, from, ours < theirs ? ours : theirs);
	if (theirs > ours)
		memset((char *)to + ours, 0, theirs - ours);
}

#endif
