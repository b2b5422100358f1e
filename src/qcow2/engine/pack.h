/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where compressed clusters go: one behind the other, at any byte, over the borders of host
 * clusters. Each compressed cluster counts one reference to every host cluster it touches.
 */
#ifndef ZQ_QCOW2_ENGINE_PACK_H
#define ZQ_QCOW2_ENGINE_PACK_H

#include "qcow2/engine/image.h"

/* Nothing more goes into this host cluster: its count is about to fall to 0. [lock] */
static inline void pack_forget(struct qcow2_image *img, uint64_t cluster)
{
	if (img->pack.cluster == cluster)
		img->pack.cluster = 0;
}

/*
 * Takes a place for len compressed bytes, less than a cluster: *host is its offset in the file.
 * Drops the lock for I/O. [lock]
 */
int pack_take_place(struct qcow2_image *img, size_t len, uint64_t *host);

/* Gives a place back that was taken and never entered a mapping. [lock] */
void pack_leave_place(struct qcow2_image *img, uint64_t host, size_t len);

#endif
