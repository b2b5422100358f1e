/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking through the whole mapping, slice by slice. Nobody else uses the image meanwhile. All
 * functions take the lock, and give 0 or a negative errno.
 */
#ifndef ZQ_QCOW2_ENGINE_GATHER_WALK_H
#define ZQ_QCOW2_ENGINE_GATHER_WALK_H

#include "qcow2/engine/image.h"
#include "qcow2/engine/l2.h"

#define MAX_ENTRIES 512u /* of a slice: 4096 bytes and 8 for each */

/* Entries of one slice, as they were. */
struct slice_copy {
	unsigned nr;
	struct l2_entry entry[MAX_ENTRIES];
};

/* Calls see for each slice that has a table, with the guest offset where it begins. A negative
 * result of see ends the walk. */
int gather_walk(struct qcow2_image *img,
		int (*see)(void *data, uint64_t guest, const struct slice_copy *s), void *data);

/* Takes out the L1 words of tables without entries. Nothing in the cache is dirty. The next commit
 * frees the tables. */
int gather_drop_empty(struct qcow2_image *img);

/* Do compressed clusters take more than a hundredth more than they need? */
int gather_is_loose(struct qcow2_image *img, bool *loose);

#endif
