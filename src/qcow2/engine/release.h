/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last step of a commit: references that nothing on disk holds any more.
 */
#ifndef ZQ_QCOW2_ENGINE_RELEASE_H
#define ZQ_QCOW2_ENGINE_RELEASE_H

#include "qcow2/engine/image.h"

/*
 * Lowers the counts of the runs by one each. Where a count falls to 0 the cluster's space
 * goes back to the host and it may be used again, after all I/O that was on its way
 * to it has ended. Lowered counts are written by the next commit. Failures leak clusters,
 * which harms nothing. Called without the lock, by commits only.
 */
void release_clusters(struct qcow2_image *img, const struct qcow2_runs *runs);

#endif
