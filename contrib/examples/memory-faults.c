/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a test rig looks into failing disks: an image in memory, and between it and the library an io
 * that fails one operation after the other. Whatever fails, what a sync has promised is there
 * when the image is opened again, and a check finds nothing wrong. Builds with
 *
 *     cc memory-faults.c $(pkg-config --cflags --libs libzqfs) -o memory-faults
 *
 * and runs as: memory-faults. No file is made.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/check.h>
#include <zqfs/create.h>
#include <zqfs/device.h>

#define ZONE	1
#define APPENDS 20

/* ---- an io that fails once ---------------------------------------------------------------------
 */

/* The library sees the first member only. This program has one thread, so nothing is locked. */
struct faulty_io {
	struct zq_io io;
	struct zq_io *below;
	long *left; /* changes and flushes until one fails; below 0 when one has */
};

static struct zq_io *below(struct zq_io *io)
{
	return ((struct faulty_io *)io)->below;
}

/* Is this the one? */
static int fault(struct zq_io *io)
{
	return (*((struct faulty_io *)io)->left)-- == 0 ? -EIO : 0;
}

static int faulty_pread(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	return below(io)->ops->pread(below(io), buf, len, off);
}

static int faulty_pwritev(struct zq_io *io, const struct iovec *iov, int niov, uint64_t off)
{
	int ret = fault(io);

	return ret ? ret : below(io)->ops->pwritev(below(io), iov, niov, off);
}

static int faulty_flush(struct zq_io *io)
{
	int ret = fault(io);

	return ret ? ret : below(io)->ops->flush(below(io));
}

static int faulty_punch(struct zq_io *io, uint64_t off, uint64_t len)
{
	int ret = fault(io);

	return ret ? ret : below(io)->ops->punch(below(io), off, len);
}

static int faulty_reserve(struct zq_io *io, uint64_t off, uint64_t len)
{
	return below(io)->ops->reserve(below(io), off, len);
}

static int faulty_seek(struct zq_io *io, uint64_t off, bool hole, uint64_t *found)
{
	return below(io)->ops->seek(below(io), off, hole, found);
}

static int faulty_size(struct zq_io *io, uint64_t *size)
{
	return below(io)->ops->size(below(io), size);
}

static int faulty_truncate(struct zq_io *io, uint64_t size)
{
	int ret = fault(io);

	return ret ? ret : below(io)->ops->truncate(below(io), size);
}

static int faulty_usage(struct zq_io *io, uint64_t *bytes)
{
	return below(io)->ops->usage(below(io), bytes);
}

static int faulty_lock(struct zq_io *io, unsigned mode)
{
	return below(io)->ops->lock(below(io), mode);
}

static void faulty_close(struct zq_io *io)
{
	below(io)->ops->close(below(io));
	free(io);
}

static const struct zq_io_ops faulty_ops = {
	.pread = faulty_pread,
	.pwritev = faulty_pwritev,
	.flush = faulty_flush,
	.punch = faulty_punch,
	.reserve = faulty_reserve,
	.seek = faulty_seek,
	.size = faulty_size,
	.truncate = faulty_truncate,
	.usage = faulty_usage,
	.lock = faulty_lock,
	.close = faulty_close,
	.struct_size = sizeof(struct zq_io_ops),
};

static struct zq_io *faulty_open(struct zq_memory *mem, long *left)
{
	struct faulty_io *f = calloc(1, sizeof(*f)); /* what is reserved must be 0 */

	if (!f || zq_memory_io(mem, true, &f->below)) {
		free(f);
		return NULL;
	}
	f->io.ops = &faulty_ops;
	f->io.name = f->below->name;
	f->io.writable = true;
	f->left = left;
	return &f->io;
}

/* ---- the trial ----------------------------------------------------------------------------------
 */

static int create(struct zq_memory *mem)
{
	struct zq_create_opts opts = { .size = 4 << 20, .zone_size = 1 << 20, .nr_conv = 1 };
	struct zq_error err = { "" };
	struct zq_io *io;
	int ret = zq_memory_io(mem, true, &io);

	if (ret)
		return ret;
	ret = zq_create_io(io, &opts, &err);
	if (ret)
		fprintf(stderr, "memory-faults: %s\n", err.msg);
	io->ops->close(io);
	return ret;
}

/* Appends and syncs; the result is how many bytes were promised. */
static uint64_t work_with_faults(struct zq_device *dev)
{
	uint64_t written = 0, promised = 0;
	char buf[5000];

	for (int i = 0; i < APPENDS; i++) {
		memset(buf, 'A' + i, sizeof(buf));
		if (zq_append(dev, ZONE, NULL, written, buf, 4608, 0, NULL) == 4608)
			written += 4608;
		if (i % 4 == 3 && zq_sync(dev) == 0)
			promised = written;
	}
	return zq_close_device(dev) == 0 ? written : promised;
}

/* Is what was promised there, without a fault now? */
static int look(struct zq_memory *mem, uint64_t promised)
{
	struct zq_check_result res;
	struct zq_error err = { "" };
	struct zq_zone_info info;
	struct zq_device *dev;
	struct zq_io *io;
	int ret = zq_memory_io(mem, true, &io);

	if (ret)
		return ret;
	ret = zq_check_io(io, NULL, &res, &err);
	if (!ret && res.corruptions)
		ret = -EUCLEAN;
	io->ops->close(io);
	if (!ret)
		ret = zq_memory_io(mem, true, &io);
	if (!ret)
		ret = zq_open_device_io(io, NULL, &dev, &err);
	if (ret) {
		fprintf(stderr, "memory-faults: %d %s\n", ret, err.msg);
		return ret;
	}
	ret = zq_report(dev, ZONE, 1, &info);
	if (!ret && info.written < promised) {
		fprintf(stderr, "memory-faults: %llu bytes promised, %llu there\n",
			(unsigned long long)promised, (unsigned long long)info.written);
		ret = -EIO;
	}
	zq_close_device(dev);
	return ret;
}

int main(void)
{
	struct zq_open_opts opts = { .on_error = ZQ_ERRORS_REPAIR };
	long nr, left = -1;

	for (nr = 0; left < 0; nr++) {
		struct zq_memory *mem = zq_memory_new("memory");
		struct zq_error err = { "" };
		struct zq_device *dev;
		uint64_t promised = 0;
		struct zq_io *io;

		left = nr;
		if (!mem || create(mem) || !(io = faulty_open(mem, &left)))
			return 1;
		if (zq_open_device_io(io, &opts, &dev, &err) == 0)
			promised = work_with_faults(dev);
		if (look(mem, promised))
			return 1;
		zq_memory_free(mem);
	}
	printf("%ld faults, nothing lost that was promised\n", nr - 1);
	return 0;
}
