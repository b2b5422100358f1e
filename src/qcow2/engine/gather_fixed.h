/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables that the header leads to: L1 table, refcount table and write pointers. Each is one
 * run of clusters, which moves as a whole. Nobody else uses the image meanwhile.
 */
#ifndef ZQ_QCOW2_ENGINE_GATHER_FIXED_H
#define ZQ_QCOW2_ENGINE_GATHER_FIXED_H

#include "qcow2/engine/image.h"

/*
 * Up to where everything else has to move, if "used" clusters are in use: behind that the tables
 * that lie at the end find room. In clusters. [lock]
 */
uint64_t gather_fixed_from(const struct qcow2_image *img, uint64_t used);

/*
 * Moves the tables that end behind the cluster "from" to the first run that is free, and shortens
 * those that are longer than they need to be. Nothing awaits a commit. *moved: one has. Takes the
 * lock. A failed flush of the header is final, as every failed flush.
 */
int gather_fixed_move(struct qcow2_image *img, uint64_t from, bool *moved);

#endif
