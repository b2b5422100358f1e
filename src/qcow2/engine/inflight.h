/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest clusters whose mapping is about to change while the lock is not held: whoever wants
 * to write or unmap the same clusters waits. A thread registers one range at a time and
 * waits for none while it has one, so nobody waits in a circle. All with the lock held.
 */
#ifndef ZQ_QCOW2_ENGINE_INFLIGHT_H
#define ZQ_QCOW2_ENGINE_INFLIGHT_H

#include "qcow2/engine/image.h"
#include "util/math.h"

/* Waits until no range that shares a cluster with guest bytes [off, end) is registered. */
static inline void inflight_wait(struct qcow2_image *img, uint64_t off, uint64_t end)
{
	uint64_t first = off >> img->cluster_bits, last = (end - 1) >> img->cluster_bits;
	struct qcow2_inflight *p = img->inflight;

	while (p) {
		if (p->first <= last && first <= p->last) {
			pthread_cond_wait(&img->cond, &img->lock);
			p = img->inflight;
		} else {
			p = p->next;
		}
	}
}

/* Registers the range; node lives until inflight_leave. */
static inline void inflight_enter(struct qcow2_image *img, struct qcow2_inflight *node,
				  uint64_t off, uint64_t end)
{
	node->first = off >> img->cluster_bits;
	node->last = (end - 1) >> img->cluster_bits;
	node->next = img->inflight;
	img->inflight = node;
}

static inline void inflight_leave(struct qcow2_image *img, struct qcow2_inflight *node)
{
	struct qcow2_inflight **p = &img->inflight;

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	pthread_cond_broadcast(&img->cond);
}

#endif
