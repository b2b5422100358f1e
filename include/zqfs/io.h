/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One file on the host: bytes, flushes, holes and locks.
 *
 * Everything above reaches a file through this table of functions, so that a test can put
 * a recording, delaying, tearing or failing one in its place. Offsets and lengths are bytes.
 * All functions may be called from several threads at once; each returns 0 or a
 * negative errno, and is never short and never fails with EINTR. A program may call them too:
 * io->ops->pread(io, ...) copies an image out of an io, pwritev into it.
 */
#ifndef ZQFS_IO_H
#define ZQFS_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zq_io;

struct zq_io_ops {
	/* Reads len bytes; what lies behind the end of the file reads as zeros. */
	int (*pread)(struct zq_io *io, void *buf, size_t len, uint64_t off);
	/* Writes all of the vectors; extends the file as needed. */
	int (*pwritev)(struct zq_io *io, const struct iovec *iov, int niov, uint64_t off);
	/* Everything written so far is on stable storage when it returns (fdatasync). */
	int (*flush)(struct zq_io *io);
	/* The range reads as zeros afterwards and its space is given back; the size stays.
	 * -EOPNOTSUPP where the host file system cannot. */
	int (*punch)(struct zq_io *io, uint64_t off, uint64_t len);
	/* The host sets room aside for the range, so that a later write to it does not fail for
	 * want of any; contents stay, a range behind the end of the file extends it with zeros.
	 * On a device that is no more than its end. -EOPNOTSUPP where the host cannot (the
	 * caller then writes what is there), -ENOSPC. */
	int (*reserve)(struct zq_io *io, uint64_t off, uint64_t len);
	/* Next offset >= off at or behind which the file has data (SEEK_DATA) or, with hole,
	 * a hole (SEEK_HOLE; the end of the file counts as one). -ENXIO past the end;
	 * -EOPNOTSUPP where the host cannot tell. */
	int (*seek)(struct zq_io *io, uint64_t off, bool hole, uint64_t *found);
	int (*size)(struct zq_io *io, uint64_t *size);
	int (*truncate)(struct zq_io *io, uint64_t size);
	/* Bytes of the host's disk that the file occupies (st_blocks * 512). */
	int (*usage)(struct zq_io *io, uint64_t *bytes);
	/* Takes QEMU's byte-range OFD locks (bytes 100 + n and 200 + n), see enum zq_lock.
	 * -EAGAIN when another process holds a conflicting one. */
	int (*lock)(struct zq_io *io, unsigned mode);
	/* Releases locks, closes and frees io. Does not flush. */
	void (*close)(struct zq_io *io);
	/* sizeof(struct zq_io_ops); 0 stands for the functions above. */
	size_t struct_size;
	/* From the return on, reads give what is on stable storage, and not what a flush that
	 * failed, of whatever process, has left in a cache. Called once by a writer that holds the
	 * locks, before it reads anything. NULL where nothing is cached. */
	int (*cold_start)(struct zq_io *io);
	/* Begins to bring what was written to stable storage and does not wait for it, so that a
	 * later flush of much data has less to do. A hint, which promises nothing. NULL: none. */
	void (*write_out)(struct zq_io *io);
};

/* What a file is opened for, as the locks that QEMU takes on an image. */
enum zq_lock {
	ZQ_LOCK_NONE,	/* no lock at all (force_share) */
	ZQ_LOCK_READ,	/* reads; others may read, nobody may write or resize */
	ZQ_LOCK_WRITE,	/* reads, writes and resizes; nobody else may have it open */
	ZQ_LOCK_SHARED, /* reads; tolerates a writer (QEMU's force-share reader) */
};

/*
 * Implementations embed this as their first member. Their functions are called with locks of the
 * library held and from every thread that uses the device: they must not call the library for
 * that device.
 */
struct zq_io {
	const struct zq_io_ops *ops;
	const char *name; /* for messages; lives as long as the io */
	bool writable;
	void *reserved[3];
};

/*
 * Opens a regular file or block device of the host. writable asks for read-write and is
 * not lowered silently: -EACCES, -EROFS and -EPERM come back as they are. The descriptor
 * is close-on-exec and above 2. No lock is taken. On success *io owns the descriptor.
 */
int zq_io_open(const char *path, bool writable, struct zq_io **io, struct zq_error *err);

/*
 * Creates an empty regular file that must not exist yet (-EEXIST), mode 0666 less the umask.
 */
int zq_io_create(const char *path, struct zq_io **io, struct zq_error *err);

/* A file in memory, empty at first, which takes what has been written to it and no more. */
struct zq_memory;

/* NULL without memory. name is for messages and copied. */
struct zq_memory *zq_memory_new(const char *name);
/* Frees it, at once or when the last io on it has been closed. NULL is ignored. */
void zq_memory_free(struct zq_memory *mem);
/*
 * Opens a file in memory, as zq_io_open() does one of the host. Several ios may be open on it at
 * once; their locks exclude each other as those of processes do. Flushing does nothing. -ENOMEM.
 */
int zq_memory_io(struct zq_memory *mem, bool writable, struct zq_io **io);

#ifdef __cplusplus
}
#endif

#endif
