/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What those who change an image ask of commits (commit_share.c), and the commit itself (commit.c).
 * The rest is in qcow2.h.
 */
#ifndef ZQ_QCOW2_ENGINE_COMMIT_H
#define ZQ_QCOW2_ENGINE_COMMIT_H

#include "qcow2/engine/image.h"

/*
 * Before a change that adds to what awaits a commit: commits when too much does. While commits
 * fail, so does this, and the backlog grows no further. Without the lock, and not between
 * image_io_begin and image_io_end, since a commit waits for what is between them.
 */
int commit_relieve(struct qcow2_image *img);

/*
 * Runs one commit. Only one at a time may run, and commit_share.c sees to that. Without the lock.
 * Returns 0 or a negative errno; after a failed flush every later commit returns -EIO.
 */
int commit_once(struct qcow2_image *img);

/* Commits until nothing waits: what a commit lets go is free on the disk with the next one. */
int commit_until_clean(struct qcow2_image *img);

/* Flushes one of the image's files. A failure is final: no commit succeeds after it. */
int commit_flush(struct qcow2_image *img, struct zq_io *io);

#endif
