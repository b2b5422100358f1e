/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New refcount blocks, and a larger refcount table. Spec: "Host cluster management".
 */
#ifndef ZQ_QCOW2_ENGINE_REFBLOCK_H
#define ZQ_QCOW2_ENGINE_REFBLOCK_H

#include "qcow2/engine/image.h"

/*
 * Makes the block for a free cluster that has none, in that cluster itself, which it then
 * counts: so one block never needs another first. Makes the table larger where it is too
 * short. Afterwards look at the refcounts again: the block, or the new table, may have taken the
 * cluster, or another thread was faster. All or nothing: after a failure nothing has changed.
 * The table may be replaced. With the lock held, which is dropped for I/O. -ENOSPC when the
 * host or the format has no room, and what else the host says; -ENOMEM.
 */
int refblock_make(struct qcow2_image *img, uint64_t cluster);

#endif
