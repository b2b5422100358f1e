/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counts in refcount blocks that exist. Clusters are named by their number in the file.
 * Spec: "Host cluster management". All functions want the lock held.
 */
#ifndef ZQ_QCOW2_ENGINE_REFCOUNT_H
#define ZQ_QCOW2_ENGINE_REFCOUNT_H

#include "qcow2/engine/image.h"

/*
 * Pins the slice that holds the cluster's refcount; *s is NULL when there is no block
 * (the count is 0). write: the count will be changed. Drops the lock for I/O. -EIO when the
 * table's entry is damaged; with write also what the host says when it has no room.
 */
int refcount_pin(struct qcow2_image *img, uint64_t cluster, bool write, struct md_slice **s);

/* Where in the file the slice with the cluster's count is, in a block at that offset. */
uint64_t refcount_slice_place(const struct qcow2_image *img, uint64_t block, uint64_t cluster);

/* How many clusters from this one on have their counts in the same slice. */
uint64_t refcount_slice_left(const struct qcow2_image *img, uint64_t cluster);

uint64_t refcount_get(const struct qcow2_image *img, const struct md_slice *s, uint64_t cluster);
/* Marks the slice dirty. value fits the width. */
void refcount_set(struct qcow2_image *img, struct md_slice *s, uint64_t cluster, uint64_t value);
/* Takes one reference away. False where there is none: the image is damaged. */
bool refcount_drop(struct qcow2_image *img, struct md_slice *s, uint64_t cluster);
uint64_t refcount_max(const struct qcow2_image *img);

#endif
