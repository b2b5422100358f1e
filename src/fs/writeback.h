/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has the kernel write back the pages that programs have changed through mappings, when the mount
 * ends while they still have them. Two steps: the mount is reachable by its path until it is
 * detached, and nobody maps anything new afterwards. The main thread's.
 */
#ifndef ZQ_FS_WRITEBACK_H
#define ZQ_FS_WRITEBACK_H

#include <stdint.h>

struct fs;
struct write_back;

/* Before the detach. NULL: there can be no such pages, or they cannot be reached. */
struct write_back *write_back_begin(struct fs *fs, int64_t deadline);
/* After it: returns when they are written, or at the deadline (CLOCK_MONOTONIC, nanoseconds). */
void write_back_end(struct write_back *w, int64_t deadline);

#endif
