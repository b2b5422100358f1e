/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calling an io: one short function per entry of struct zq_io_ops, so that the layers above
 * read "io_pread(io, ...)" and not "io->ops->pread(io, ...)". Semantics, errors and
 * locking are those of <zqfs/io.h>; what is added here are the cases of zero length and what the
 * host's errors mean.
 */
#ifndef ZQ_IO_IO_H
#define ZQ_IO_IO_H

#include <errno.h>
#include <string.h>

#include <zqfs/io.h>

/* To callers of the layers above EINVAL and EPERM say that what they asked for is wrong or not
 * allowed. What a host says so of is not their request but what was made of it: that is the host's
 * failure, whatever the io is. */
static inline int io_host_result(int rc)
{
	return rc == -EINVAL || rc == -EPERM ? -EIO : rc;
}

/* Reads len bytes at off; zeros behind the end of the file. */
static inline int io_pread(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	return len ? io_host_result(io->ops->pread(io, buf, len, off)) : 0;
}

/* Writes all vectors, one behind the other, at off. */
static inline int io_pwritev(struct zq_io *io, const struct iovec *iov, int niov, uint64_t off)
{
	return niov > 0 ? io_host_result(io->ops->pwritev(io, iov, niov, off)) : 0;
}

/* Writes len bytes at off. */
static inline int io_write(struct zq_io *io, const void *buf, size_t len, uint64_t off)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return len ? io_host_result(io->ops->pwritev(io, &iov, 1, off)) : 0;
}

/* Everything written before the call is on stable storage when it returns 0. */
static inline int io_flush(struct zq_io *io)
{
	return io_host_result(io->ops->flush(io));
}

/* The range reads as zeros and its space is given back; -EOPNOTSUPP where that cannot be. */
static inline int io_punch(struct zq_io *io, uint64_t off, uint64_t len)
{
	return len ? io_host_result(io->ops->punch(io, off, len)) : 0;
}

/* Sets room aside, so that a later write there finds some; -EOPNOTSUPP where that cannot be. */
static inline int io_reserve(struct zq_io *io, uint64_t off, uint64_t len)
{
	return len ? io_host_result(io->ops->reserve(io, off, len)) : 0;
}

/* SEEK_DATA, or SEEK_HOLE with hole, from off; -ENXIO past the end of the file. */
static inline int io_seek(struct zq_io *io, uint64_t off, bool hole, uint64_t *found)
{
	return io->ops->seek(io, off, hole, found);
}

/* Bytes of the file. */
static inline int io_size(struct zq_io *io, uint64_t *size)
{
	return io_host_result(io->ops->size(io, size));
}

static inline int io_truncate(struct zq_io *io, uint64_t size)
{
	return io_host_result(io->ops->truncate(io, size));
}

/* Bytes of the host's disk that the file takes. */
static inline int io_usage(struct zq_io *io, uint64_t *bytes)
{
	return io_host_result(io->ops->usage(io, bytes));
}

/* Takes the locks of a mode of enum zq_lock; -EAGAIN when the file is in use elsewhere. */
static inline int io_lock(struct zq_io *io, unsigned mode)
{
	return io->ops->lock(io, mode);
}

/* The same, and a sentence when the locks cannot be had. what is the file's part in the image,
 * "the data file" for instance, or NULL for the image itself. For a writer the file is cold
 * afterwards: call it before anything is read. */
int io_claim(struct zq_io *io, enum zq_lock mode, const char *what, struct zq_error *err);

/* Could a part of what was read lie in a hole? Whatever is not zero is not in one. */
static inline bool io_may_be_hole(const uint8_t *data, size_t len)
{
	static const uint8_t zeros[512]; /* no host has smaller blocks */

	for (size_t at = 0; at + sizeof(zeros) <= len; at += sizeof(zeros))
		if (!memcmp(data + at, zeros, sizeof(zeros)))
			return true;
	return false;
}

/* Whatever a cache has of the file is what stable storage has. */
static inline int io_cold_start(struct zq_io *io)
{
	/* what a program was built without is not even NULL */
	if (io->ops->struct_size <= offsetof(struct zq_io_ops, cold_start))
		return 0;
	return io->ops->cold_start ? io->ops->cold_start(io) : 0;
}

/* Begins to write out what a cache has; only a hint. */
static inline void io_write_out(struct zq_io *io)
{
	if (io->ops->struct_size > offsetof(struct zq_io_ops, write_out) && io->ops->write_out)
		io->ops->write_out(io);
}

/* Unlocks, closes and frees; NULL is ignored. Does not flush. */
static inline void io_close(struct zq_io *io)
{
	if (io)
		io->ops->close(io);
}

#endif
