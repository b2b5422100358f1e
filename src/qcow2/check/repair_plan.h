/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where repair puts the refcount blocks that are missing, and a refcount table that reaches them.
 */
#ifndef ZQ_QCOW2_CHECK_REPAIR_PLAN_H
#define ZQ_QCOW2_CHECK_REPAIR_PLAN_H

#include "qcow2/check/check_priv.h"

/* A refcount block that repair makes. */
struct new_block {
	uint64_t index;	  /* in the refcount table */
	uint64_t cluster; /* where it goes */
};

/* What must be made so that every referenced cluster can be counted. */
struct plan {
	struct new_block *block;
	size_t nr, cap;
	uint8_t *planned; /* one per possible entry of the table */
	uint64_t top;	  /* behind the last planned block's index */
	uint64_t from;	  /* no single cluster below it is free */
	uint64_t end;	  /* clusters that the file must have */
	bool new_table;
	uint64_t table_cluster; /* where the new table goes */
	uint64_t table_clusters;
	uint8_t *counts;    /* the refcount block that was looked at last */
	uint64_t counts_of; /* its index + 1 */
};

/*
 * Fills *p, all zeros before, and counts what it plans to use. Free is what nothing refers to;
 * where damage hides references it lies behind the end of the file or, if the file cannot grow, has
 * refcount 0 as well. The file is as long as the plan needs it when this returns. On failure
 * c->error is set: -ENOSPC, -EFBIG, -ENOMEM. Free with plan_free in every case.
 */
void plan_make(struct check *c, struct plan *p);
void plan_free(struct plan *p);
/* Takes one reference away from each cluster, as far as it is counted. */
void plan_uncount(struct check *c, uint64_t first, uint64_t nr);

#endif
