/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving what a guest cluster, a table or a refcount block has to another host cluster. The order
 * on disk is the commit's, as for every mapping that changes. One thread at a time.
 */
#ifndef ZQ_QCOW2_ENGINE_MOVE_H
#define ZQ_QCOW2_ENGINE_MOVE_H

#include "qcow2/engine/image.h"
#include "qcow2/engine/l2.h"

/*
 * Moves what the guest cluster at guest has, data or compressed data, to the first place that is
 * free. *moved is false, and all is as it was, where that is not before the old one; with anywhere
 * compressed data moves all the same. Takes the lock.
 */
int move_guest_cluster(struct qcow2_image *img, uint64_t guest, bool anywhere, bool *moved);

/* The same for the L2 table of that number, which exists. Takes the lock. */
int move_table(struct qcow2_image *img, uint64_t l1_index, bool *moved);

/*
 * Moving a refcount block takes two commits: the count of the new place is on disk before the table
 * leads there, since a block is found by the table alone and, unlike a new one, does not
 * count itself. So first a place before the old one, 0 when there is none; a commit; then the move.
 * Both take the lock.
 */
int move_take_place(struct qcow2_image *img, uint64_t old, uint64_t *new);
int move_block(struct qcow2_image *img, uint64_t index, uint64_t new);

#endif
