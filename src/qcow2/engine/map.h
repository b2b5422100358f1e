/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turns a guest range into extents, for reading.
 */
#ifndef ZQ_QCOW2_ENGINE_MAP_H
#define ZQ_QCOW2_ENGINE_MAP_H

#include "qcow2/engine/image.h"

enum map_kind { MAP_ZERO, MAP_DATA, MAP_COMPRESSED, MAP_BACKING };

struct map_extent {
	enum map_kind kind;
	uint64_t len;
	uint64_t host; /* MAP_DATA: offset in img->data; MAP_COMPRESSED: the descriptor */
};

/*
 * Describes [off, off + len) by at most max extents, neighbours merged; *nr tells how many,
 * their lengths may sum to less than len. A compressed extent never crosses a guest
 * cluster. MAP_BACKING is given only when there is a backing file. Takes the lock.
 * -EIO at a damaged entry when it is the first; otherwise the extents before it are given.
 */
int map_lookup(struct qcow2_image *img, uint64_t off, uint64_t len, struct map_extent *ext,
	       unsigned max, unsigned *nr);

/* qcow2_block_status of what is known of the image. */
int map_status(struct qcow2_image *img, uint64_t off, uint64_t len, bool *data, uint64_t *run);

/* qcow2_read for those who are within image_io_begin/end already. */
int read_guest(struct qcow2_image *img, uint64_t off, void *buf, size_t len);

#endif
