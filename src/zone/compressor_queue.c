/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue of zones that have become full and wait to be compressed.
 */
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "zone/zone.h"

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
