/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For LD_PRELOAD: makes the I/O of a process on regular files fail, hang or take long, switched on
 * and off from outside by files in the folder $ZQFS_FAULTS:
 *
 *     OPERATION-eio    fails with EIO
 *     OPERATION-hang   does not return as long as the file is there
 *     OPERATION-slow   takes as many milliseconds as the file says
 *
 * OPERATION is read, write (at an offset), append (at the end: logs) or sync. And two that are no
 * disk's:
 *
 *     ask-slow         what a file system is asked for anew takes so many milliseconds more
 *     kick-lost        what asks the kernel for a sign of life of a ring does not reach it
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HANG_MS 20

static bool fault_path(char *path, size_t size, const char *operation, const char *fault)
{
	const char *dir = getenv("ZQFS_FAULTS");
	int n = dir ? snprintf(path, size, "%s/%s-%s", dir, operation, fault) : -1;

	return n > 0 && (size_t)n < size;
}

static bool fault_on(const char *operation, const char *fault)
{
	char path[512];

	return fault_path(path, sizeof(path), operation, fault) && !access(path, F_OK);
}

static void fault_sleep(long ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

/* Without the C library: a thread may have a table of descriptors of its own, which sanitizers that
 * watch descriptors do not know. */
static long fault_number(const char *path)
{
	char text[32] = "";
	long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (syscall(SYS_read, fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	syscall(SYS_close, fd);
	return strtol(text, NULL, 10);
}

static void fault_slow(const char *operation)
{
	char path[512];

	if (fault_path(path, sizeof(path), operation, "slow"))
		fault_sleep(fault_number(path));
}

/* True, with errno set, when the operation shall fail. */
static bool fault_hits(int fd, const char *operation)
{
	int saved = errno;
	struct stat st;
	bool fails;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		errno = saved;
		return false;
	}
	while (fault_on(operation, "hang"))
		fault_sleep(HANG_MS);
	fault_slow(operation);
	fails = fault_on(operation, "eio");
	errno = fails ? EIO : saved;
	return fails;
}

#define WRAP(type, name, operation, parameters, ...)                                               \
	type name parameters;                                                                      \
	type name parameters                                                                       \
	{                                                                                          \
		static type(*next) parameters;                                                     \
                                                                                                   \
		if (!next)                                                                         \
			next = (type(*) parameters)(uintptr_t)dlsym(RTLD_NEXT, #name);             \
		return fault_hits(fd, operation) ? -1 : next(__VA_ARGS__);                         \
	}

WRAP(ssize_t, pread64, "read", (int fd, void *b, size_t n, off_t o), fd, b, n, o)
WRAP(ssize_t, preadv64, "read", (int fd, const struct iovec *v, int n, off_t o), fd, v, n, o)
WRAP(ssize_t, pwrite64, "write", (int fd, const void *b, size_t n, off_t o), fd, b, n, o)
WRAP(ssize_t, pwritev64, "write", (int fd, const struct iovec *v, int n, off_t o), fd, v, n, o)
WRAP(ssize_t, write, "append", (int fd, const void *b, size_t n), fd, b, n)
WRAP(int, fdatasync, "sync", (int fd), fd)
WRAP(int, fsync, "sync", (int fd), fd)

int statx(int dir, const char *path, int flags, unsigned mask, struct statx *to)
{
	static int (*next)(int, const char *, int, unsigned, struct statx *);

	if (!next)
		next = (int (*)(int, const char *, int, unsigned, struct statx *))(uintptr_t)dlsym(
			RTLD_NEXT, "statx");
	if (flags & AT_STATX_FORCE_SYNC)
		fault_slow("ask");
	return next(dir, path, flags, mask, to);
}

/* An answer or a notification on its way to the kernel. */
ssize_t writev(int fd, const struct iovec *iov, int count);
ssize_t writev(int fd, const struct iovec *iov, int count)
{
	static ssize_t (*next)(int, const struct iovec *, int);
	const struct fuse_out_header *head = iov[0].iov_base;

	if (!next)
		next = (ssize_t(*)(int, const struct iovec *, int))(uintptr_t)dlsym(RTLD_NEXT,
										    "writev");
	if (count == 2 && iov[0].iov_len == sizeof(*head) && !head->unique &&
	    head->error == FUSE_NOTIFY_RETRIEVE && fault_on("kick", "lost"))
		return (ssize_t)head->len;
	return next(fd, iov, count);
}
