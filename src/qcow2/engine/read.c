/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading as callers see it: by the mapping (read_guest.c), or beside a writer (shared.c).
 */
#include <errno.h>

#include "qcow2/engine/hostio.h"
#include "qcow2/engine/map.h"
#include "qcow2/engine/shared.h"
#include "util/math.h"

int qcow2_read(struct qcow2_image *img, uint64_t off, void *buf, size_t len)
{
	unsigned token;
	int rc;

	if (!range_within(off, len, img->hdr.size))
		return -EINVAL;
	atomic_fetch_add_explicit(&img->stats.reads, 1, memory_order_relaxed);
	token = image_io_begin(img);
	rc = img->seen_header ? shared_read(img, off, buf, len) : read_guest(img, off, buf, len);
	image_io_end(img, token);
	return rc;
}

int qcow2_block_status(struct qcow2_image *img, uint64_t off, uint64_t len, bool *data,
		       uint64_t *run)
{
	return img->seen_header ? shared_status(img, off, len, data, run)
				: map_status(img, off, len, data, run);
}
