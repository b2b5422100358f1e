/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the lines of a trace go: a ring in memory, from which a thread writes them to a file
 * (option trace=) and "zqfs trace" reads them through an attribute. Nobody who adds a line waits
 * for a disk: lines that nobody could take in time are lost, and their number is told.
 */
#ifndef ZQ_FS_TRACE_LOG_H
#define ZQ_FS_TRACE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>

#include "fs/log.h"

struct trace_ring;

struct trace_log {
	atomic_bool on; /* somebody wants lines */
	struct trace_ring *ring;
};

/*
 * path: the file, made or appended to, or NULL: lines only when somebody reads them. It must not
 * lie below mountpoint (absolute, or NULL), or writing would wait for the mount itself. With
 * may_reopen a new file of that name is begun when the old one was renamed or removed. 0 or
 * -errno with a sentence.
 */
int trace_log_open(struct trace_log *t, const char *path, const char *mountpoint, bool may_reopen,
		   struct fs_log *log, struct zq_error *err);
/* Starts the thread that writes the file, if there is one; after the fork. 0 or -errno. */
int trace_log_start(struct trace_log *t);
/* Writes what is left, and frees. False: the disk has not taken it for so many seconds. Its thread
 * goes on, and uses the ring and the log. */
bool trace_log_close(struct trace_log *t, unsigned patience);

/* Adds a line with its newline. */
void trace_log_add(struct trace_log *t, const char *line, size_t len);

/*
 * What was added behind the place cursor, as whole lines below one that says where the next
 * read goes on and how many lines were lost before it: "CURSOR LOST\n". cursor UINT64_MAX: only
 * what comes from now on. Lines are kept for some seconds after the last call. Returns the
 * length, or -ENOMEM.
 */
ptrdiff_t trace_log_read(struct trace_log *t, uint64_t cursor, char *buf, size_t size);

#endif
