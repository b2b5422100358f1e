/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Following an image that another process writes (force_share).
 */
#include <errno.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "zone/zone.h"

#define NSEC_PER_MSEC INT64_C(1000000)

static void word_changed(void *data, uint32_t zone, uint64_t before)
{
	zone_follow(data, zone, before);
}

static bool is_due(struct zq_device *dev, unsigned max_age_ms)
{
	int64_t age = clock_ns(CLOCK_MONOTONIC) - atomic_load(&dev->refreshed);

	return !max_age_ms || age >= (int64_t)max_age_ms * NSEC_PER_MSEC;
}

int device_look_again(struct zq_device *dev, unsigned max_age_ms)
{
	int rc;

	if (!dev->opts.force_share || !is_due(dev, max_age_ms))
		return 0;
	SCOPE_LOCK(&dev->refresh_lock);
	if (!is_due(dev, max_age_ms)) /* another has looked meanwhile */
		return 0;
	rc = qcow2_refresh(dev->img, word_changed, dev);
	atomic_store(&dev->refreshed, clock_ns(CLOCK_MONOTONIC));
	return rc;
}

int zq_refresh(struct zq_device *dev, unsigned max_age_ms)
{
	struct call c = { "refresh", ZONE_NONE, 0, 0 };
	int rc = device_enter(dev);

	if (rc < 0)
		return rc;
	rc = device_look_again(dev, max_age_ms);
	return rc < 0 ? call_failed(dev, &c, rc, NULL) : 0;
}
