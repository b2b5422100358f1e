/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file's identity as text, the same under each of its names: a mount tells by it which
 * image it shows, even one that was renamed meanwhile.
 */
#ifndef ZQ_UTIL_FILE_ID_H
#define ZQ_UTIL_FILE_ID_H

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define FILE_ID_MAX 48

/* "major:minor:inode"; of a block device its own number and no inode. Returns buf. */
static inline char *file_id(const struct stat *st, char *buf)
{
	dev_t dev = S_ISBLK(st->st_mode) ? st->st_rdev : st->st_dev;

	snprintf(buf, FILE_ID_MAX, "%u:%u:%llu", major(dev), minor(dev),
		 S_ISBLK(st->st_mode) ? 0ULL : (unsigned long long)st->st_ino);
	return buf;
}

#endif
