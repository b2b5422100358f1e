/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be known about zones: reports and counters. Changes nothing; takes device.lock
 * zone by zone, so a long report does not hold up writers.
 */
#include <errno.h>

#include "util/cleanup.h"
#include "util/math.h"
#include "util/sized.h"
#include "zone/zone.h"

#define NSEC_PER_SEC 1000000000

_Static_assert(ZQ_NR_STATES <= ZQ_COUNTED_STATES, "the counts are full");

static void report_zone(struct zq_device *dev, uint32_t zone, struct zq_zone_info *out)
{
	const struct zq_geometry *g = &dev->geo;
	int64_t mtime;

	{
		SCOPE_LOCK(&dev->lock);
		out->state = zone_state(dev, zone);
		out->wp = zone_wp(dev, zone);
		mtime = zone_mtime(dev, zone);
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

int zq_report_sized(struct zq_device *dev, uint32_t first, uint32_t count, struct zq_zone_info *out,
		    size_t size)
{
	struct call c = { "report", ZONE_NONE, 0, 0 };
	int rc = device_enter(dev);

	if (rc < 0)
		return rc;
	if (!range_within(first, count, dev->geo.nr_zones))
		return call_failed(dev, &c, -EINVAL, "not all of the zones exist");
	if (!out && count)
		return call_failed(dev, &c, -EINVAL, "no place for the result");
	for (uint32_t i = 0; i < count; i++) {
		struct zq_zone_info info = { 0 };

		report_zone(dev, first + i, &info);
		sized_give((char *)out + i * size, size, &info, sizeof(info));
	}
	return 0;
}

ssize_t zq_report_states_sized(struct zq_device *dev, uint32_t *next, unsigned states,
			       struct zq_zone_info *out, uint32_t max, size_t size)
{
	struct call c = { "report", ZONE_NONE, 0, 0 };
	int rc = device_enter(dev);
	uint32_t n = 0;

	if (rc < 0)
		return rc;
	if (!next || (!out && max))
		return call_failed(dev, &c, -EINVAL, "no place for the result");
	for (; n < max && *next < dev->geo.nr_zones; ++*next) {
		struct zq_zone_info info = { 0 };

		if (!(states & 1u << zone_state(dev, *next)))
			continue;
		report_zone(dev, *next, &info);
		/* it may have become another one since */
		if (states & 1u << info.state)
			sized_give((char *)out + n++ * size, size, &info, sizeof(info));
	}
	return (ssize_t)n;
}

int zq_get_counts_sized(struct zq_device *dev, struct zq_counts *out, size_t size)
{
	struct zq_counts c = { 0 };
	int rc = device_enter(dev);

	if (rc == 0 && !out)
		rc = -EINVAL;
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&dev->lock);
	for (unsigned i = 0; i < ZQ_NR_STATES; i++)
		c.by_state[i] = dev->by_state[i];
	c.active =
		c.by_state[ZQ_IMPLICIT_OPEN] + c.by_state[ZQ_EXPLICIT_OPEN] + c.by_state[ZQ_CLOSED];
	c.unwritten = dev->unwritten;
	c.usable = dev->usable;
	pthread_mutex_unlock(&dev->lock);
	sized_give(out, size, &c, sizeof(c));
	return 0;
}
