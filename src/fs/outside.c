/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads with descriptors of their own; see outside.h.
 */
#include "fs/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

int outside_start(void *(*body)(void *), void *data)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret = pthread_attr_init(&attr);

	if (ret)
		return -ret;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, body, data);
	pthread_attr_destroy(&attr);
	return -ret;
}

/* One call for both, of Linux 5.9: unshare(2) is what containers forbid. */
int outside_enter(void)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_UNSHARE))
		return -errno;
	return 0;
}

int outside_open(int dir, const char *path, int flags)
{
	long fd = syscall(SYS_openat, dir, path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

void outside_close(int fd)
{
	syscall(SYS_close, fd);
}
