/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a failed operation does to its zone or to the device (errors=), and the line in the
 * log that says so. Takes device.lock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "util/cleanup.h"
#include "util/errors.h"
#include "zone/zone.h"

int host_error(struct zq_device *dev, int rc)
{
	if (rc == -EUCLEAN)
		return -EIO;
	if (rc != -EFBIG)
		return rc;
	if (!atomic_exchange(&dev->told_limit, true))
		device_log(dev, LOG_CRIT,
			   "no room: a limit, not the disk, keeps the image from growing (%s)",
			   strerror(-rc));
	return -ENOSPC;
}

/* Both tell whether that is news. */
static bool make_readonly(struct zq_device *dev, const char *what, int rc)
{
	SCOPE_LOCK(&dev->lock);
	if (atomic_load(&dev->failed) || dev->readonly)
		return false;
	snprintf(dev->why_readonly, sizeof(dev->why_readonly), "%s failed: %s", what,
		 strerror(-rc));
	atomic_store(&dev->failed, true);
	return true;
}

static bool set_zone_state(struct zq_device *dev, uint32_t zone, enum zq_zone_state state)
{
	uint64_t wp = zone_wp(dev, zone);

	SCOPE_LOCK(&dev->lock);
	if (zone_state(dev, zone) == ZQ_OFFLINE || zone_state(dev, zone) == state)
		return false;
	zone_move(dev, zone, state, wp, wp);
	return true;
}

int zone_fault(struct zq_device *dev, uint32_t zone, int rc, const char *what)
{
	const char *effect = "";
	bool news = false;
	char label[ZQ_ZONE_LABEL_MAX], part[ZQ_ZONE_LABEL_MAX + 32];

	if (!error_is_fault(rc))
		return host_error(dev, rc);
	zq_zone_label(dev->geo.nr_conv, zone, label);
	switch (dev->opts.on_error) {
	case ZQ_ERRORS_REMOUNT_RO:
		snprintf(part, sizeof(part), "%s of %s", what, label);
		news = make_readonly(dev, part, rc);
		effect = "; the device is now read-only";
		break;
	case ZQ_ERRORS_ZONE_RO:
		news = set_zone_state(dev, zone, ZQ_READ_ONLY);
		effect = "; the zone is now read-only";
		break;
	case ZQ_ERRORS_ZONE_OFFLINE:
		news = set_zone_state(dev, zone, ZQ_OFFLINE);
		effect = "; the zone is now offline";
		break;
	case ZQ_ERRORS_REPAIR:
		break;
	}
	device_log(dev, news ? LOG_CRIT : LOG_ERR, "%s: %s failed: %s%s", label, what,
		   strerror(-rc), effect);
	return rc;
}

void commit_fault(struct zq_device *dev, int rc)
{
	bool ro = dev->opts.on_error == ZQ_ERRORS_REMOUNT_RO && error_is_fault(rc);

	if (ro)
		make_readonly(dev, "a commit", rc);
	device_log(dev, LOG_CRIT, "commit failed: %s%s%s", strerror(-rc),
		   qcow2_commits(dev->img) ? "" : "; nothing more will be committed",
		   ro ? "; the device is now read-only" : "");
}
