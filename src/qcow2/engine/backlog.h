/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What awaits a commit, and how much of it there may be: the one place that knows when too much
 * is dirty. Clusters that were let go take room on the host until a commit has freed them, and
 * changed metadata takes memory until a commit has written it.
 */
#ifndef ZQ_QCOW2_ENGINE_BACKLOG_H
#define ZQ_QCOW2_ENGINE_BACKLOG_H

#include "qcow2/engine/image.h"

/* Notes that a reference to each of these clusters was dropped. Without memory they leak, and
 * the log says so. [lock] */
void backlog_let_go(struct qcow2_image *img, uint64_t start, uint64_t count);

/* Takes the list along; its clusters still count as waiting. [lock] */
struct qcow2_runs backlog_take(struct qcow2_image *img);
/* Gives back what a failed commit had taken. [lock] */
void backlog_return(struct qcow2_image *img, const struct qcow2_runs *runs);
/* What was taken has been freed, or leaks. [lock] */
void backlog_freed(struct qcow2_image *img, const struct qcow2_runs *runs);

/* Do clusters that were let go wait for a commit? [lock] */
bool backlog_waits(const struct qcow2_image *img);

/* Looks again at how much there is, after metadata was changed or written. [lock] */
void backlog_update(struct qcow2_image *img);

#endif
