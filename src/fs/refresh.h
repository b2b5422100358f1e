/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the kernel what has changed behind its back: an attribute has set another state, a write
 * has failed or landed elsewhere, a close has padded.
 *
 * Two steps. First the kernel's attributes of the file become invalid: that needs nothing and
 * waits for nothing. Then they are asked for, by a thread outside (outside.h): with the answer
 * the kernel takes the new size and drops the pages of a file whose size or mtime is
 * another. The second step may wait for pages that others have locked. README has the argument
 * why it always ends.
 *
 * It is the caller who got the first new answer that drops the pages, and that may be anybody who
 * asks at the same time, in his own time. So the answer to our own question has a time of change
 * that no other answer has: whatever the kernel has taken from others by then, the pages are gone
 * when the question returns.
 *
 * Only for handlers. Never between these and the answer of a request that may hold pages: READ, and
 * WRITE to a conventional file.
 */
#ifndef ZQ_FS_REFRESH_H
#define ZQ_FS_REFRESH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fs;
struct stat;

/* 0 or -errno. */
int refresh_new(struct fs *fs);
/* Nobody waits for it any more, and no more is begun. */
void refresh_stop(struct fs *fs);
/* After refresh_stop, when nothing is served any more. */
void refresh_free(struct fs *fs);

/* The first step alone: whoever reads or asks next gets what is true. Waits for nothing. */
void refresh_attributes(struct fs *fs, uint64_t node);
/* Both steps; returns when the kernel has what is true, or when that cannot be had. */
void refresh_file(struct fs *fs, uint64_t node);
/* The same, for later: does not wait. */
void refresh_file_soon(struct fs *fs, uint64_t node);

/* For GETATTR. True: this is the question, st has its mark, and the kernel may not keep the answer.
 */
bool refresh_mark_answer(struct fs *fs, pid_t tid, struct stat *st);

#endif
