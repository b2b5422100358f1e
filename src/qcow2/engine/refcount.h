/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The refcount table and its blocks. Clusters are named by their number in the file.
 * Spec: "Host cluster management". All functions want the lock held.
 */
#ifndef ZQ_QCOW2_ENGINE_REFCOUNT_H
#define ZQ_QCOW2_ENGINE_REFCOUNT_H

#include "qcow2/engine/image.h"

/*
 * Pins the slice that holds the cluster's refcount; *s is NULL when there is no block
 * (the count is 0). Drops the lock for I/O. -EIO when the table's entry is damaged.
 */
int refcount_pin(struct qcow2_image *img, uint64_t cluster, struct md_slice **s);

/* How many clusters from this one on have their counts in the same slice. */
uint64_t refcount_slice_left(const struct qcow2_image *img, uint64_t cluster);

uint64_t refcount_get(const struct qcow2_image *img, const struct md_slice *s, uint64_t cluster);
/* Marks the slice dirty. value fits the width. */
void refcount_set(struct qcow2_image *img, struct md_slice *s, uint64_t cluster, uint64_t value);
uint64_t refcount_max(const struct qcow2_image *img);

/*
 * Makes the block for a cluster that has none, in that free cluster itself, which it then
 * counts: so one block never needs another first. Grows the table when it is too short.
 * Afterwards look at the refcounts again: the block, or the new table, may have taken it.
 * The table may be replaced under the lock, which is dropped for I/O.
 */
int refcount_make_block(struct qcow2_image *img, uint64_t cluster);

#endif
