/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of runs of clusters. The owner of a list does the locking.
 */
#ifndef ZQ_QCOW2_ENGINE_RUNS_H
#define ZQ_QCOW2_ENGINE_RUNS_H

#include <stddef.h>
#include <stdint.h>

/* A run of host clusters: [start, start + count), in clusters. */
struct qcow2_run {
	uint64_t start;
	uint64_t count;
};

struct qcow2_runs { /* grows; order does not matter */
	struct qcow2_run *run;
	size_t nr, cap;
};

/* Adds a run (merged with the last one where it continues it). -ENOMEM. */
int runs_add(struct qcow2_runs *r, uint64_t start, uint64_t count);
/* Sorts the runs and merges those that touch or overlap: each cluster is in the list once. */
void runs_tidy(struct qcow2_runs *r);
void runs_free(struct qcow2_runs *r);

#endif
