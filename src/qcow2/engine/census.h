/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many host clusters are in use, and which refcount blocks count nothing.
 */
#ifndef ZQ_QCOW2_ENGINE_CENSUS_H
#define ZQ_QCOW2_ENGINE_CENSUS_H

#include "qcow2/engine/image.h"

struct census {
	uint64_t used;	    /* clusters, without idle blocks that count themselves */
	uint64_t end;	    /* behind the last one of them */
	uint8_t *idle;	    /* by number of the block: it counts nothing but itself; owned */
	uint64_t nr_blocks; /* of idle */
};

/* Counts. The caller frees c->idle. -ENOMEM, -EIO for damaged refcounts. [lock] */
int census_take(struct qcow2_image *img, struct census *c);

#endif
