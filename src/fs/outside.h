/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that may wait for the mount which this process serves. No other thread may: when the
 * process is killed, the kernel ends what callers wait for as soon as nobody has /dev/fuse open
 * any more, and a thread that waits like this cannot be killed before. So such a thread has a
 * table of descriptors of its own, with none but 0, 1 and 2 in it.
 */
#ifndef ZQ_FS_OUTSIDE_H
#define ZQ_FS_OUTSIDE_H

/* Starts a detached thread that runs body(data). 0 or -errno; body has not been run then. It must
 * call outside_enter() first. */
int outside_start(void *(*body)(void *), void *data);
/* Leaves the table that all threads share. -errno: it must not wait for the mount. */
int outside_enter(void);
/* Its openat(2), -errno on failure, and its close(2). Sanitizers know one table only and would take
 * such a descriptor for another thread's, so none of these goes through the C library. */
int outside_open(int dir, const char *path, int flags);
void outside_close(int fd);

#endif
