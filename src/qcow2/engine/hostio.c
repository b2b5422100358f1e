/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access to the files on the host: metadata writes, zeroing, and the epochs that keep host
 * clusters from reuse while I/O on them is in flight. Never looks at a table.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/image.h"
#include "util/math.h"

/* ---- host I/O ------------------------------------------------------------------------------- */

int image_write_meta(struct qcow2_image *img, const void *buf, size_t len, uint64_t off)
{
	atomic_fetch_add_explicit(&img->stats.meta_bytes, len, memory_order_relaxed);
	return io_write(img->file, buf, len, off);
}

static int write_zeros(struct zq_io *io, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[65536];

	while (len) {
		size_t n = (size_t)min_u64(len, sizeof(zeros));
		int rc = io_write(io, zeros, n, off);

		if (rc < 0)
			return rc;
		off += n;
		len -= n;
	}
	return 0;
}

int image_clear_meta(struct qcow2_image *img, uint64_t off, uint64_t len)
{
	return write_zeros(img->file, off, len);
}

int image_make_room(struct qcow2_image *img, uint64_t off, uint64_t len)
{
	int rc = io_reserve(img->file, off, len);

	return rc == -EOPNOTSUPP ? write_zeros(img->file, off, len) : rc;
}

/* Writes once more what is there already, wherever it could be a hole. */
static int fill_holes(struct zq_io *io, uint64_t off, uint64_t len)
{
	uint8_t buf[8192];
	int rc = 0;

	while (len && rc == 0) {
		size_t n = (size_t)min_u64(len, sizeof(buf));

		rc = io_pread(io, buf, n, off);
		if (rc == 0 && io_may_be_hole(buf, n))
			rc = io_write(io, buf, n, off);
		off += n;
		len -= n;
	}
	return rc;
}

int image_keep_room(struct qcow2_image *img, uint64_t off, uint64_t len)
{
	int rc = io_reserve(img->file, off, len);

	return rc == -EOPNOTSUPP ? fill_holes(img->file, off, len) : rc;
}

int image_make_room_for_table(struct qcow2_image *img, const struct qcow2_table *parent,
			      uint64_t index, uint64_t off)
{
	uint64_t block = align_down(parent->offset + index * 8, ZQ_BLOCK);
	int rc = image_make_room(img, off, img->cluster_size);

	if (rc < 0 || img->parents_have_room)
		return rc;
	/* the host had no room for all of the parent before the first change */
	rc = io_reserve(img->file, block, ZQ_BLOCK);
	return rc == -EOPNOTSUPP ? -ENOSPC : rc;
}

void image_give_back(struct qcow2_image *img, const struct qcow2_run *run)
{
	int rc = io_punch(img->file, run->start << img->cluster_bits,
			  run->count << img->cluster_bits);

	if (rc < 0 && rc != -EOPNOTSUPP)
		image_log(img, "cannot give back %llu clusters: %s", (unsigned long long)run->count,
			  strerror(-rc));
}

int image_zero_host(struct zq_io *io, uint64_t off, uint64_t len)
{
	uint64_t size, end = off + len;
	int rc = len ? io_size(io, &size) : 0;

	if (!len)
		return 0;
	if (rc < 0)
		return rc;
	if (off < size) {
		uint64_t inside = min_u64(len, size - off);

		rc = inside < ZQ_BLOCK ? -EOPNOTSUPP : io_punch(io, off, inside);
		if (rc == -EOPNOTSUPP)
			rc = write_zeros(io, off, inside);
		if (rc < 0)
			return rc;
	}
	/* Behind the end of the file all is zero already, but the file has to reach there. Not by
	 * truncate: another thread may be extending the file right now. */
	return end > size ? io_write(io, "", 1, end - 1) : 0;
}

/* ---- I/O in flight -------------------------------------------------------------------- */

void image_wake_drain(struct qcow2_image *img)
{
	/* only a drain takes drain_lock for long */
	locks_take(&img->drain_lock, LOCK_DRAIN);
	pthread_cond_broadcast(&img->drain_cond);
	locks_give(&img->drain_lock, LOCK_DRAIN);
}

void image_io_drain(struct qcow2_image *img)
{
	unsigned old;

	locks_take(&img->drain_lock, LOCK_DRAIN);
	atomic_store(&img->draining, true);
	old = atomic_fetch_add(&img->epoch, 1) & 1;
	while (atomic_load(&img->active[old]))
		pthread_cond_wait(&img->drain_cond, &img->drain_lock);
	atomic_store(&img->draining, false);
	locks_give(&img->drain_lock, LOCK_DRAIN);
}
