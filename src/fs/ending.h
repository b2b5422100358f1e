/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a mount, by a signal or because it was unmounted: detach, let mapped pages be written
 * back, answer what was asked, end the threads. A disk that does not answer holds callers up
 * for end_timeout seconds at most; the process itself, and with it the lock on the image, stays
 * until its I/O has come back.
 *
 * All functions are the main thread's.
 */
#ifndef ZQ_FS_ENDING_H
#define ZQ_FS_ENDING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct fs;

struct ending {
	struct fs *fs;
	int64_t deadline; /* CLOCK_MONOTONIC, nanoseconds; 0: the end has not begun */
	bool told;	  /* what is waited for stands in the log */
	bool watched;	  /* there is a thread that looks at the last commit */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool over; /* [lock] */
};

/* After serve_until_asked has returned. When this returns, all threads that served have ended,
 * and the kernel has been told that nobody serves any more. */
void ending_run(struct fs *fs);

/* Around the last commit, which may have to wait for the disk as well. */
void ending_commit_begin(struct fs *fs);
void ending_commit_end(struct fs *fs);

#endif
