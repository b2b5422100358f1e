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
/* Has the host set room aside for metadata of the image file. 0 also where the host cannot;
 * -ENOSPC, -EFBIG, -EDQUOT. With or without the lock: a call that reads and writes nothing. */
int image_reserve(struct qcow2_image *img, uint64_t off, uint64_t len);
/* The same for a table at off and for the entry of its parent that is to name it. */
int image_reserve_table(struct qcow2_image *img, const struct qcow2_table *parent, uint64_t index,
			uint64_t off);
/* Makes a range of a file read as zeros, by a hole, by extending the file, or by writing. */
int image_zero_host(struct zq_io *io, uint64_t off, uint64_t len);

/* Around every access to data that a mapping led to; the token goes back to the end call. */
unsigned image_io_begin(struct qcow2_image *img);
void image_io_end(struct qcow2_image *img, unsigned token);
/* Returns once all I/O that began before the call has ended. Without the lock. */
void image_io_drain(struct qcow2_image *img);

#endif
