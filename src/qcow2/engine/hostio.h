/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access to the host's files: metadata, room, zeros, and the epochs of I/O in flight.
 */
#ifndef ZQ_QCOW2_ENGINE_HOSTIO_H
#define ZQ_QCOW2_ENGINE_HOSTIO_H

#include "qcow2/engine/image.h"

/* Metadata I/O on the image file with the counters kept. */
int image_write_meta(struct qcow2_image *img, const void *buf, size_t len, uint64_t off);
/* Writes zeros, and leaves no hole as image_zero_host() does. */
int image_clear_meta(struct qcow2_image *img, uint64_t off, uint64_t len);

/*
 * Room for metadata of the image file, on every kind of host: on those that cannot set room
 * aside the range is written. It holds nothing that anyone needs, and nobody writes to it. Call it
 * without the lock. -ENOSPC, -EFBIG, -EDQUOT; -EIO.
 */
int image_make_room(struct qcow2_image *img, uint64_t off, uint64_t len);
/* The same for a range of whole blocks that keeps its content, before the first change: nobody
 * else writes. */
int image_keep_room(struct qcow2_image *img, uint64_t off, uint64_t len);
/* Room for a table at off, as image_make_room, and for the entry of its parent that is to
 * name it. */
int image_make_room_for_table(struct qcow2_image *img, const struct qcow2_table *parent,
			      uint64_t index, uint64_t off);

/* Gives the space of clusters that nobody refers to back to the host, where it takes it. */
void image_give_back(struct qcow2_image *img, const struct qcow2_run *run);

/* Makes a range of a file read as zeros, by a hole, by extending the file, or by writing. */
int image_zero_host(struct zq_io *io, uint64_t off, uint64_t len);

/* For image_io_end(). Without locks. */
void image_wake_drain(struct qcow2_image *img);

/*
 * Around every access to data that a mapping led to; the token goes back to the end call. There are
 * two counters, by the parity of the epoch. A drain moves the epoch on and waits until the
 * old counter is 0. Whoever read the epoch just before it moved may count himself in the old one
 * afterwards; so he looks again once he has counted.
 */
static inline void image_io_end(struct qcow2_image *img, unsigned token)
{
	/* the last one out wakes a drain that may wait */
	if (atomic_fetch_sub(&img->active[token], 1) == 1 && atomic_load(&img->draining))
		image_wake_drain(img);
}

static inline unsigned image_io_begin(struct qcow2_image *img)
{
	for (;;) {
		unsigned e = atomic_load(&img->epoch);

		atomic_fetch_add(&img->active[e & 1], 1);
		if (atomic_load(&img->epoch) == e)
			return e & 1;
		image_io_end(img, e & 1);
	}
}

/* Returns once all I/O that began before the call has ended. Without the lock. */
void image_io_drain(struct qcow2_image *img);

#endif
