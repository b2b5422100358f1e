/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be known about zones: reports and counters. Changes nothing; takes device.lock
 * zone by zone, so a long report does not hold up writers.
 */
#include <errno.h>

#include "util/cleanup.h"
#include "util/math.h"
#include "zone/zone.h"

#define NSEC_PER_SEC 1000000000

static void report_zone(struct zq_device *dev, uint32_t zone, struct zq_zone_info *out)
{
	const struct zq_geometry *g = &dev->geo;
	int64_t mtime;

	{
		SCOPE_LOCK(&dev->lock);
		out->state = zone_state(dev, zone);
		out->wp = zone_wp(dev, zone);
		mtime = dev->zones[zone].mtime;
	}
	out->number = zone;
	out->conventional = zq_zone_is_conv(g, zone);
	out->start = zq_zone_start(g, zone);
	out->len = zq_zone_len(g, zone);
	out->capacity = zq_zone_cap(g, zone);
	out->written = zone_written(dev, zone, out->state, out->wp);
	out->mtime_sec = mtime / NSEC_PER_SEC;
	out->mtime_nsec = (uint32_t)(mtime % NSEC_PER_SEC);
}

int zq_report(struct zq_device *dev, uint32_t first, uint32_t count, struct zq_zone_info *out)
{
	if (!range_within(first, count, dev->geo.nr_zones))
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++)
		report_zone(dev, first + i, &out[i]);
	return 0;
}

void zq_get_counts(struct zq_device *dev, struct zq_counts *c)
{
	SCOPE_LOCK(&dev->lock);
	for (unsigned i = 0; i < ZQ_NR_STATES; i++)
		c->by_state[i] = dev->by_state[i];
	c->active = c->by_state[ZQ_IMPLICIT_OPEN] + c->by_state[ZQ_EXPLICIT_OPEN] +
		    c->by_state[ZQ_CLOSED];
	c->unwritten = dev->unwritten;
	c->usable = dev->usable;
}
