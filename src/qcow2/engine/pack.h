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

#endif
