/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is compressed next, and when: the queue of zones that have become full, and giving way to
 * those who use the device.
 *
 * Priorities are not enough. A client and the thread that serves it take turns, so that with two
 * processors one is mostly free and the compressor would always run; but it takes memory, caches
 * and often the other half of a core from them. So it works at full speed only while nobody uses
 * the device, and otherwise for a small share of the time: a zone is compressed in the end, however
 * busy the device is.
 */
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "zone/zone.h"

#define QUIET_NS INT64_C(10000000) /* so long without a read or a write: nobody uses the device */
#define SHARE	 25		   /* else the compressor works one part of so many of the time */

void compressor_take(struct zq_device *dev, uint32_t zone)
{
	struct zone_compressor *c = &dev->compressor;

	if (!dev->opts.compress)
		return;
	pthread_mutex_lock(&c->lock);
	if (c->nr == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		uint32_t *queue = realloc(c->queue, cap * sizeof(*queue));

		if (queue) {
			c->queue = queue;
			c->cap = cap;
		}
	}
	if (c->nr < c->cap) /* without memory the zone stays as it is */
		c->queue[c->nr++] = zone;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

bool compressor_next(struct zone_compressor *c, uint32_t *zone)
{
	SCOPE_LOCK(&c->lock);
	while (!c->nr && !atomic_load(&c->stop))
		pthread_cond_wait(&c->cond, &c->lock);
	if (atomic_load(&c->stop))
		return false;
	*zone = c->queue[0];
	memmove(c->queue, c->queue + 1, --c->nr * sizeof(*c->queue));
	return true;
}

/* ---- giving way ------------------------------------------------------------------------------ */

/* Has anybody read or written since the last look? */
static bool is_in_use(struct zq_device *dev)
{
	struct zone_compressor *c = &dev->compressor;
	uint64_t seen = c->seen;
	struct qcow2_stats st;

	qcow2_get_stats(dev->img, &st);
	c->seen = st.reads + st.data_writes;
	return c->seen != seen;
}

/* False: it is time to stop. */
static bool rest(struct zone_compressor *c, int64_t ns)
{
	int64_t until = clock_ns(CLOCK_MONOTONIC) + ns;

	SCOPE_LOCK(&c->lock);
	while (!atomic_load(&c->stop) && cond_wait_until(&c->cond, &c->lock, until) == 0)
		;
	return !atomic_load(&c->stop);
}

bool compressor_give_way(struct zq_device *dev)
{
	struct zone_compressor *c = &dev->compressor;
	int64_t left = c->took * SHARE;

	if (is_in_use(dev))
		c->quiet = false;
	if (c->quiet)
		return !atomic_load(&c->stop);
	atomic_fetch_add(&c->rests, 1);
	do {
		if (!rest(c, QUIET_NS))
			return false;
		left -= QUIET_NS;
		c->quiet = !is_in_use(dev);
	} while (!c->quiet && left > 0);
	return true;
}
