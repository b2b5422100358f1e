/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which host clusters are free. The refcounts say so, and nothing else is kept but where to
 * look first, where clusters that were never used begin, and claims: runs that someone is
 * going to use, in memory only. All functions want the lock held.
 */
#ifndef ZQ_QCOW2_ENGINE_SPACE_H
#define ZQ_QCOW2_ENGINE_SPACE_H

#include "qcow2/engine/image.h"

#define SPACE_STREAMS	  64u		/* claims 0 to 63 are those of streams */
#define SPACE_CLAIM_TABLE SPACE_STREAMS /* the place of a larger refcount table */
#define SPACE_CLAIMS	  (SPACE_STREAMS + 1)

int space_init(struct qcow2_image *img);
void space_destroy(struct qcow2_image *img);
/* Starts from nothing: the refcounts have been rebuilt. */
void space_restart(struct qcow2_image *img);

/* Where to begin to look, and what to give to space_note_start() afterwards. */
struct space_start {
	uint64_t cluster, frees;
};
struct space_start space_start(const struct qcow2_image *img);
/* Nothing below is free, if nothing became free since the search began. */
void space_note_start(struct qcow2_image *img, const struct space_start *s, uint64_t cluster);

/*
 * Looks at the clusters from *cluster on, as far as one slice of counts goes, for the first
 * that are free and that nobody claims: *run has at most want of them, all fresh or none, and count
 * 0 when there is none; *cluster moves behind what was looked at. *counted: there is a block for
 * them. Drops the lock for I/O, but not after it has seen them free. -ENOSPC at the end of what an
 * offset can name, -EIO for damaged refcounts.
 */
int space_look(struct qcow2_image *img, uint64_t *cluster, uint64_t want, struct qcow2_run *run,
	       bool *counted);

/* -EIO, with a line in the log, when a table of the image lies in clusters that are free by their
 * counts: such an image is not to be written to. */
int space_check_unused(struct qcow2_image *img, const struct qcow2_run *run);

/* A claim; count 0: none. Its clusters are seen by nobody's search. */
const struct qcow2_run *space_claim(const struct qcow2_image *img, unsigned claim);
void space_set_claim(struct qcow2_image *img, unsigned claim, struct qcow2_run run);
/* The first clusters of a claim have been used. */
void space_use_claim(struct qcow2_image *img, unsigned claim, uint64_t count);
/* Lets go of it: the clusters are for anyone. */
void space_drop_claim(struct qcow2_image *img, unsigned claim);

/* Was nothing ever stored in this cluster and those behind it? They read as zeros. */
bool space_is_fresh(const struct qcow2_image *img, uint64_t cluster);
/* Clusters have been used or claimed. */
void space_note_used(struct qcow2_image *img, const struct qcow2_run *run);
/* After a count fell to 0: look there again. */
void space_note_free(struct qcow2_image *img, uint64_t cluster);

#endif
