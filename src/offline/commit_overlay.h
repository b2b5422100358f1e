/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing an overlay down into its base: what its files share.
 *
 *   commit_overlay.c  what is refused, the order of the steps, the command's entry
 *   write_down.c      data, zeros and pointers into the base
 *   empty_overlay.c   an overlay that holds nothing of its own any more
 *
 * The order, each step on disk before the next:
 *
 *   1. the overlay remembers the base as it is, and the identity N that it is going to have
 *   2. the base gets the identity N, the mark of a commit that is not finished, the dirty bit
 *   3. data and zeros of the overlay go into the base, then the pointers
 *   4. the base loses the mark and the dirty bit
 *   5. the overlay is emptied
 *   6. the overlay remembers the base as it is
 *
 * Until 5 the overlay hides whatever 3 changes, and after 4 the base shows the same. So the two
 * show the overlay's disk at every moment, and beginning again at 1 is all that resuming takes.
 */
#ifndef ZQ_OFFLINE_COMMIT_OVERLAY_H
#define ZQ_OFFLINE_COMMIT_OVERLAY_H

#include <zqfs/commit.h>

#include "qcow2/qcow2.h"

/* Steps 1 to 6 with an overlay that was opened for writing with base_writable, and both of whose
 * headers have the records. */
int commit_opened(struct qcow2_image *over, const struct zq_commit_opts *o,
		  struct zq_commit_result *res, struct zq_error *err);

/* Step 3. What failed may have been the overlay's or the base's file. */
int write_down(struct qcow2_image *over, const struct zq_commit_opts *o,
	       struct zq_commit_result *res, struct zq_error *err);

/* Step 5, past the engine, which is of no use for the overlay afterwards. */
int empty_overlay(struct qcow2_image *over, struct zq_error *err);

#endif
