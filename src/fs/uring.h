/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One io_uring for one thread, by plain system calls: entries of 128 bytes, and results that
 * arrive only while that thread waits. Needs Linux 6.6.
 *
 * The ring's memory is the process's own (IORING_SETUP_NO_MMAP). A mapping of the ring would hold
 * it, and what is under way in it, for as long as any thread of the process lives.
 */
#ifndef ZQ_FS_URING_H
#define ZQ_FS_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uring {
	int fd;	   /* -1: closed */
	void *mem; /* a page of entries, a page of heads, tails and results */
	size_t page;
	uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail;
	struct io_uring_cqe *results;
	uint32_t sq_mask, cq_mask;
	uint32_t tail;	 /* of the entries, not yet told to the kernel */
	uint32_t queued; /* entries that the kernel has not taken */
};

/* For the calling thread. 0 or -errno. */
int uring_open(struct uring *u);
/* Also after uring_open has failed, and twice. What is under way is cancelled. */
void uring_close(struct uring *u);
/* The next entry, 128 bytes of zeros; at most URING_ENTRIES before uring_enter. */
struct io_uring_sqe *uring_next(struct uring *u);
/* Hands the entries over and waits for that many results (0: for none). What the kernel has
 * taken, or -errno; -EINTR: a signal came while it waited. */
int uring_enter(struct uring *u, unsigned wait);
/* Takes a result; false: there is none. */
bool uring_result(struct uring *u, int32_t *res);

#define URING_ENTRIES 4u

#endif
