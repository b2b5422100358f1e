/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading zones, writing and zeroing conventional ones, and looking for holes. Takes no
 * stripe; how reads stay safe against resets is in zone.h.
 */
#include <errno.h>

#include "util/cleanup.h"
#include "util/math.h"
#include "zone/zone.h"

/* The zones that a range of the device touches; len > 0. */
static uint32_t zone_at(const struct zq_device *dev, uint64_t off)
{
	return (uint32_t)(off / dev->geo.zone_size);
}

static uint64_t conv_end(const struct zq_device *dev)
{
	return (uint64_t)dev->geo.nr_conv * dev->geo.zone_size;
}

/* -EPERM when a zone of the range does not take the access. */
static int check_access(const struct zq_device *dev, uint64_t off, uint64_t len, bool write)
{
	for (uint32_t i = zone_at(dev, off); i <= zone_at(dev, off + len - 1); i++) {
		enum zq_zone_state state = zone_state(dev, i);

		if (state == ZQ_OFFLINE || (write && state == ZQ_READ_ONLY))
			return -EPERM;
	}
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------ */

static ssize_t read_once(struct zq_device *dev, uint32_t zone, uint64_t off, void *buf, size_t len)
{
	enum zq_zone_state state = zone_state(dev, zone);
	uint64_t written = zone_written(dev, zone, state, zone_wp(dev, zone));
	int rc;

	if (state == ZQ_OFFLINE)
		return -EPERM;
	if (off >= written)
		return 0;
	len = (size_t)min_u64(len, written - off);
	rc = qcow2_read(dev->img, zq_zone_start(&dev->geo, zone) + off, buf, len);
	return rc < 0 ? rc : (ssize_t)len;
}

ssize_t zq_read(struct zq_device *dev, uint32_t zone, uint64_t off, void *buf, size_t len)
{
	ssize_t n;
	unsigned resets;

	if (zone >= dev->geo.nr_zones)
		return -EINVAL;
	if (!len)
		return 0;
	do { /* comes to an end: each turn takes a reset in between */
		resets = atomic_load(&dev->zones[zone].resets);
		n = read_once(dev, zone, off, buf, len);
	} while (atomic_load(&dev->zones[zone].resets) != resets);
	return n;
}

ssize_t zq_read_conv(struct zq_device *dev, uint64_t off, void *buf, size_t len)
{
	int rc;

	if (!len || off >= conv_end(dev))
		return 0;
	len = (size_t)min_u64(len, conv_end(dev) - off);
	rc = check_access(dev, off, len, false);
	if (rc == 0)
		rc = qcow2_read(dev->img, off, buf, len);
	return rc < 0 ? rc : (ssize_t)len;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int check_conv(const struct zq_device *dev, uint64_t off, uint64_t len)
{
	int rc = device_check_writable(dev);

	return rc < 0 ? rc : check_access(dev, off, len, true);
}

/* Times, or the effect of a failure, for all zones of a range. */
static int conv_done(struct zq_device *dev, uint64_t off, uint64_t len, int rc, const char *what,
		     bool sync)
{
	int told = rc;

	for (uint32_t i = zone_at(dev, off); i <= zone_at(dev, off + len - 1); i++) {
		if (rc < 0) {
			told = zone_fault(dev, i, rc, what);
		} else {
			SCOPE_LOCK(&dev->lock);
			zone_touch(dev, i);
		}
	}
	return rc < 0 ? told : device_changed(dev, sync);
}

ssize_t zq_write(struct zq_device *dev, uint64_t off, const void *buf, size_t len, unsigned flags)
{
	struct qcow2_write w = { .off = off, .buf = buf };
	int rc;

	if (flags & ZQ_WRITE_APPEND)
		return -EINVAL; /* there is no end to append to */
	if (off >= conv_end(dev))
		return -EFBIG;
	if (!len)
		return 0;
	len = (size_t)min_u64(len, conv_end(dev) - off);
	if ((flags & ZQ_WRITE_DIRECT) && !is_aligned(off | len, ZQ_BLOCK))
		return -EINVAL;
	rc = check_conv(dev, off, len);
	if (rc < 0)
		return rc;
	w.len = len;
	w.zero_end = off + len; /* the rest of a cluster keeps what it reads as */
	w.stream = zone_at(dev, off);
	rc = qcow2_write(dev->img, &w);
	rc = conv_done(dev, off, len, rc, "write", flags & ZQ_WRITE_SYNC);
	return rc < 0 ? rc : (ssize_t)len;
}

int zq_zero(struct zq_device *dev, uint64_t off, uint64_t len)
{
	int rc;

	if (off >= conv_end(dev))
		return -EFBIG;
	len = min_u64(len, conv_end(dev) - off);
	if (!len)
		return 0;
	rc = check_conv(dev, off, len);
	if (rc < 0)
		return rc;
	rc = qcow2_zero(dev->img, off, len);
	return conv_done(dev, off, len, rc, "zeroing", false);
}

/* ---- holes ----------------------------------------------------------------------------------- */

int zq_seek(struct zq_device *dev, uint32_t zone, uint64_t off, bool hole, uint64_t limit,
	    uint64_t *found)
{
	uint64_t start, end;
	enum zq_zone_state state;

	if (zone >= dev->geo.nr_zones)
		return -EINVAL;
	start = zq_zone_start(&dev->geo, zone);
	state = zone_state(dev, zone);
	if (state == ZQ_OFFLINE)
		return -EPERM;
	end = zone_written(dev, zone, state, zone_wp(dev, zone));
	if (limit)
		end = zq_zone_is_conv(&dev->geo, zone) ? min_u64(limit, conv_end(dev) - start)
						       : min_u64(limit, end);
	while (off < end) {
		uint64_t run;
		bool data;
		int rc = qcow2_block_status(dev->img, start + off, end - off, &data, &run);

		if (rc < 0)
			return rc;
		if (data != hole) {
			*found = off;
			return 0;
		}
		off += run;
		if (hole && off >= end) { /* the end counts as a hole */
			*found = end;
			return 0;
		}
	}
	return -ENXIO;
}
