/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking and giving back host clusters. Each stream (a zone, or the metadata) takes its
 * clusters from a run of its own, so that zones written at once stay separate streams in
 * the file. The run is a claim (space.h) and costs nothing on disk. All functions want the
 * lock held.
 */
#ifndef ZQ_QCOW2_ENGINE_ALLOC_H
#define ZQ_QCOW2_ENGINE_ALLOC_H

#include "qcow2/engine/image.h"

#define ALLOC_STREAM_META UINT32_MAX
#define ALLOC_STREAM_ZERO (UINT32_MAX - 1) /* zeros written to parts of clusters */
#define ALLOC_STREAM_PACK (UINT32_MAX - 2) /* compressed clusters */
#define ALLOC_STREAM_MOVE (UINT32_MAX - 3) /* what moves towards the start of the file */

int alloc_init(struct qcow2_image *img);
void alloc_destroy(struct qcow2_image *img);
/* Starts from nothing: the refcounts have been rebuilt. */
void alloc_restart(struct qcow2_image *img);

/*
 * Takes 1 to want adjacent clusters for the stream of that number and sets their refcounts to 1.
 * *fresh: nothing was ever stored there, they read as zeros. Drops the lock for I/O.
 * -ENOSPC when the file cannot grow further, -EIO for damaged refcounts.
 */
int alloc_take(struct qcow2_image *img, uint32_t id, uint64_t want, struct qcow2_run *run,
	       bool *fresh);

/* Gives back what was taken and never entered a mapping. Drops the lock for I/O. */
void alloc_give_back(struct qcow2_image *img, const struct qcow2_run *run);

/* Forgets a stream's run. */
void alloc_release_stream(struct qcow2_image *img, uint32_t id);

/* Forgets all runs: the host has no room for one of them, so whoever looks next takes what is
 * free elsewhere. */
void alloc_release_all(struct qcow2_image *img);

#endif
