/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct zq_io on a file or block device of the host. Owns the descriptor; keeps the lock
 * mode and the flush error under a mutex each, everything else is as thread-safe as the kernel
 * makes it. Never short, never EINTR, never prints, and never changes how a file was opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zqfs/io.h>

#include "io/cold.h"
#include "io/lock.h"
#include "io/room.h"
#include "util/cleanup.h"
#include "util/math.h"

struct posix_io {
	struct zq_io io;
	int fd;
	bool block_device;
	_Atomic uint64_t below_limit; /* the file may become that large */
	pthread_mutex_t flush_lock;
	int flush_error; /* [flush_lock] of the first flush that failed, 0 while all went well */
	pthread_mutex_t lock;
	enum zq_lock mode; /* [lock] */
};

static struct posix_io *to_posix(struct zq_io *io)
{
	return (struct posix_io *)io;
}

/* Offsets of the kernel are signed: refuse what would turn negative. */
static bool offsets_fit(uint64_t off, uint64_t len)
{
	return range_within(off, len, INT64_MAX);
}

/* A device has no limit but its end. */
static int check_size_limit(struct posix_io *p, uint64_t end)
{
	return p->block_device ? 0 : room_within_limit(&p->below_limit, end);
}

static int posix_pread(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	struct posix_io *p = to_posix(io);
	uint8_t *to = buf;

	if (!offsets_fit(off, len))
		return -EINVAL;
	while (len) {
		ssize_t n = pread(p->fd, to, len, (off_t)off);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!n) {
			memset(to, 0, len);
			return 0;
		}
		to += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

static int write_fully(int fd, const uint8_t *from, size_t len, uint64_t off)
{
	while (len) {
		ssize_t n = pwrite(fd, from, len, (off_t)off);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!n)
			return -EIO; /* the kernel neither writes nor says why */
		from += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

static int posix_pwritev(struct zq_io *io, const struct iovec *iov, int niov, uint64_t off)
{
	struct posix_io *p = to_posix(io);
	uint64_t end = off;
	int ret;

	for (int i = 0; i < niov; i++)
		if (!add_u64(end, iov[i].iov_len, &end))
			return -EFBIG;
	if (end > INT64_MAX)
		return -EFBIG;
	ret = check_size_limit(p, end);
	if (ret)
		return ret;
	while (niov > 0) {
		ssize_t n = pwritev(p->fd, iov, niov < IOV_MAX ? niov : IOV_MAX, (off_t)off);
		size_t left;

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		off += (uint64_t)n;
		left = (size_t)n;
		while (niov > 0 && left >= iov->iov_len) {
			left -= iov->iov_len;
			iov++;
			niov--;
		}
		if (niov <= 0 || (n && !left))
			continue;
		/* It stopped within a vector (or wrote nothing): that one by hand, which
		 * also brings out the reason. */
		ret = write_fully(p->fd, (const uint8_t *)iov->iov_base + left, iov->iov_len - left,
				  off);
		if (ret)
			return ret;
		off += iov->iov_len - left;
		iov++;
		niov--;
	}
	return 0;
}

/*
 * After a failed fdatasync the kernel may drop the pages and report success the next time.
 * What was lost is not known, so the file never claims again to be safe. One at a time,
 * since the kernel tells only one of two callers.
 */
static int posix_flush(struct zq_io *io)
{
	struct posix_io *p = to_posix(io);

	SCOPE_LOCK(&p->flush_lock);
	while (!p->flush_error && fdatasync(p->fd) < 0) {
		if (errno != EINTR)
			p->flush_error = -errno;
	}
	return p->flush_error;
}

static int posix_punch(struct zq_io *io, uint64_t off, uint64_t len)
{
	struct posix_io *p = to_posix(io);

	if (!offsets_fit(off, len))
		return -EINVAL;
	while (fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
			 (off_t)len) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == ENOSYS || errno == ENODEV || errno == ENOTTY)
			return -EOPNOTSUPP;
		/* a block device wants it aligned */
		return p->block_device && errno == EINVAL ? -EOPNOTSUPP : -errno;
	}
	return 0;
}

static int posix_size(struct zq_io *io, uint64_t *size)
{
	/* not st_size, which is 0 for a block device */
	off_t end = lseek(to_posix(io)->fd, 0, SEEK_END);

	if (end < 0)
		return -errno;
	*size = (uint64_t)end;
	return 0;
}

static int posix_reserve(struct zq_io *io, uint64_t off, uint64_t len)
{
	struct posix_io *p = to_posix(io);
	int ret;

	if (!offsets_fit(off, len))
		return -EFBIG;
	if (p->block_device)
		return room_on_device(p->fd, off + len);
	ret = check_size_limit(p, off + len);
	return ret ? ret : room_reserve(p->fd, off, len);
}

static int posix_seek(struct zq_io *io, uint64_t off, bool hole, uint64_t *found)
{
	off_t at;

	if (off > INT64_MAX)
		return -ENXIO;
	at = lseek(to_posix(io)->fd, (off_t)off, hole ? SEEK_HOLE : SEEK_DATA);
	if (at < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	*found = (uint64_t)at;
	return 0;
}

static int posix_truncate(struct zq_io *io, uint64_t size)
{
	struct posix_io *p = to_posix(io);

	int ret;

	if (size > INT64_MAX)
		return -EFBIG;
	if (p->block_device)
		return room_on_device(p->fd, size);
	ret = check_size_limit(p, size);
	if (ret)
		return ret;
	while (ftruncate(p->fd, (off_t)size) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int posix_usage(struct zq_io *io, uint64_t *bytes)
{
	struct stat st;

	if (to_posix(io)->block_device) /* is given as a whole, and st_blocks is 0 */
		return posix_size(io, bytes);
	if (fstat(to_posix(io)->fd, &st) < 0)
		return -errno;
	*bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int posix_lock(struct zq_io *io, unsigned mode)
{
	struct posix_io *p = to_posix(io);
	int ret;

	if (mode > ZQ_LOCK_SHARED)
		return -EINVAL;
	SCOPE_LOCK(&p->lock);
	ret = lock_change(p->fd, p->mode, (enum zq_lock)mode);
	if (!ret)
		p->mode = (enum zq_lock)mode;
	return ret;
}

static int posix_cold_start(struct zq_io *io)
{
	return cold_start(to_posix(io)->fd);
}

static void posix_close(struct zq_io *io)
{
	struct posix_io *p = to_posix(io);

	/* The locks end with the last descriptor. Not before: a daemon's parent closes its copy
	 * while the child goes on. */
	close(p->fd);
	pthread_mutex_destroy(&p->flush_lock);
	pthread_mutex_destroy(&p->lock);
	free((char *)io->name);
	free(p);
}

/* Errors are the next flush's to tell: without waiting this takes none of them away. */
static void posix_write_out(struct zq_io *io)
{
	(void)sync_file_range(to_posix(io)->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static const struct zq_io_ops posix_ops = {
	.pread = posix_pread,
	.pwritev = posix_pwritev,
	.flush = posix_flush,
	.punch = posix_punch,
	.reserve = posix_reserve,
	.seek = posix_seek,
	.size = posix_size,
	.truncate = posix_truncate,
	.usage = posix_usage,
	.lock = posix_lock,
	.close = posix_close,
	.struct_size = sizeof(struct zq_io_ops),
	.cold_start = posix_cold_start,
	.write_out = posix_write_out,
};

/* 0, or why this kind of file cannot hold an image. */
static int check_type(const struct stat *st, const char *path, struct zq_error *err)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	if (S_ISDIR(st->st_mode))
		return zq_fail(err, -EISDIR, "%s: is a directory, not an image file", path);
	return zq_fail(err, -EINVAL, "%s: neither a regular file nor a block device", path);
}

/* Standard input, output and error are replaced when a daemon starts: stay clear of them. */
static int move_above_2(int fd)
{
	int moved;

	if (fd > 2)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (moved < 0)
		moved = -errno;
	close(fd);
	return moved;
}

/* Opens, checks the type of what was opened, and makes an io of it. */
static int open_posix(const char *path, int flags, struct zq_io **io, struct zq_error *err)
{
	int fd CLEANUP_CLOSE = -1;
	char *name CLEANUP_FREE = NULL;
	struct posix_io *p;
	struct stat st;
	int ret;

	/* O_NONBLOCK: a FIFO that was put in the file's place must not hang us. */
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
	if (fd < 0) {
		int e = errno;

		return zq_fail(err, -e, "%s: %s", path, strerror(e));
	}
	fd = move_above_2(fd);
	if (fd < 0)
		return zq_fail(err, fd, "%s: %s", path, strerror(-fd));
	if (fstat(fd, &st) < 0 || fcntl(fd, F_SETFL, flags & O_ACCMODE) < 0) {
		int e = errno;

		return zq_fail(err, -e, "%s: %s", path, strerror(e));
	}
	ret = check_type(&st, path, err);
	if (ret)
		return ret;

	name = strdup(path);
	p = calloc(1, sizeof(*p));
	if (!name || !p) {
		free(p);
		return zq_fail(err, -ENOMEM, "%s: out of memory", path);
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->flush_lock, NULL);
	p->block_device = S_ISBLK(st.st_mode);
	p->mode = ZQ_LOCK_NONE;
	p->io.ops = &posix_ops;
	p->io.name = steal_ptr(&name);
	p->io.writable = (flags & O_ACCMODE) == O_RDWR;
	p->fd = fd;
	fd = -1;
	*io = &p->io;
	return 0;
}

int zq_io_open(const char *path, bool writable, struct zq_io **io, struct zq_error *err)
{
	struct stat st;
	int ret;

	/* Asked before opening too: merely opening some devices does something to them. */
	if (stat(path, &st) == 0) {
		ret = check_type(&st, path, err);
		if (ret)
			return ret;
	}
	return open_posix(path, writable ? O_RDWR : O_RDONLY, io, err);
}

int zq_io_create(const char *path, struct zq_io **io, struct zq_error *err)
{
	return open_posix(path, O_RDWR | O_CREAT | O_EXCL, io, err);
}
