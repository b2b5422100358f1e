/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adjacent free clusters for a table that is larger than one, and behind them the refcount blocks
 * that have to count all this and do not exist. One at a time; all functions want the lock held.
 */
#ifndef ZQ_QCOW2_ENGINE_TABLE_RUN_H
#define ZQ_QCOW2_ENGINE_TABLE_RUN_H

#include "qcow2/engine/image.h"

struct table_run {
	uint64_t clusters;	 /* of the table alone */
	uint64_t max_blocks;	 /* entries of the refcount table that may be used */
	struct qcow2_run run;	 /* table and blocks, claimed */
	struct md_slice **slice; /* pinned: the counts of the run */
	size_t nr_slices;
};

/*
 * Claims the first free run that is large enough and begins before the cluster "limit", and does
 * all that can fail; run.count is 0 where there is none. Drops the lock for I/O. What the host
 * says when it has no room; -EIO, -ENOMEM; -EUCLEAN where a table lies in it.
 */
int table_run_prepare(struct qcow2_image *img, struct table_run *r, uint64_t limit);
/* Counts the run and enters its blocks in the refcount table, in one piece. */
void table_run_enter(struct qcow2_image *img, const struct table_run *r);
/* In every case. entered: its clusters are in use from now on. */
void table_run_end(struct qcow2_image *img, struct table_run *r, bool entered);

/* Notes that clusters hold metadata from now on. */
void table_run_note_used(struct qcow2_image *img, const struct qcow2_run *run);

#endif
