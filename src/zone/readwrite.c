/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading zones, writing and zeroing conventional ones, and looking for holes. Takes no
 * stripe; how reads stay safe against resets is in zone.h.
 */
#include <errno.h>

#include "util/cleanup.h"
#include "util/math.h"
#include "zone/wcache.h"
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

#define SHARED_TRIES 8 /* of a read beside a writer that changes what it reads */

/* Has a read to be done once more, since another process has changed what led to the data? *rc
 * becomes -EIO after too many tries. */
static bool read_again(struct zq_device *dev, ssize_t *rc, int *tries)
{
	if (*rc != -ESTALE)
		return false;
	*rc = -EIO;
	return ++*tries < SHARED_TRIES && device_look_again(dev, 0) == 0;
}

/* Into one buffer behind the other. */
static ssize_t read_once(struct zq_device *dev, uint32_t zone, uint64_t off,
			 const struct iovec *iov, int niov)
{
	enum zq_zone_state state = zone_state(dev, zone);
	uint64_t written = zone_written(dev, zone, state, zone_wp(dev, zone)), at = off;

	if (state == ZQ_OFFLINE)
		return -EPERM;
	for (int i = 0; i < niov && at < written; i++) {
		size_t len = (size_t)min_u64(iov[i].iov_len, written - at);
		int rc = 0;

		if (len)
			rc = cached_read(dev, zq_zone_start(&dev->geo, zone) + at, iov[i].iov_base,
					 len);
		if (rc < 0)
			return rc;
		at += len;
	}
	return (ssize_t)(at - off);
}

ssize_t zq_readv(struct zq_device *dev, uint32_t zone, uint64_t off, const struct iovec *iov,
		 int niov)
{
	struct call c = { "read", zone, off, 0 };
	ssize_t n = device_enter(dev);
	unsigned resets;
	int tries = 0;

	if (n < 0)
		return n;
	if (zone >= dev->geo.nr_zones)
		return call_failed(dev, &c, -EINVAL, NULL);
	if (iovec_length(iov, niov, &c.len) < 0)
		return call_failed(dev, &c, -EINVAL, "bad buffers");
	do { /* comes to an end: each turn takes a reset in between */
		resets = atomic_load(&dev->zones[zone].resets);
		n = read_once(dev, zone, off, iov, niov);
	} while (read_again(dev, &n, &tries) || atomic_load(&dev->zones[zone].resets) != resets);
	return n < 0 ? call_failed(dev, &c, (int)n, NULL) : n;
}

ssize_t zq_read(struct zq_device *dev, uint32_t zone, uint64_t off, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	return zq_readv(dev, zone, off, &iov, 1);
}

ssize_t zq_read_conv(struct zq_device *dev, uint64_t off, void *buf, size_t len)
{
	struct call c = { "read", ZONE_NONE, off, len };
	int rc = device_enter(dev), tries = 0;
	ssize_t n;

	if (rc < 0)
		return rc;
	if (!len || off >= conv_end(dev))
		return 0;
	if (!buf)
		return call_failed(dev, &c, -EINVAL, "no buffer");
	len = (size_t)min_u64(len, conv_end(dev) - off);
	do {
		rc = check_access(dev, off, len, false);
		n = rc == 0 ? cached_read(dev, off, buf, len) : rc;
	} while (read_again(dev, &n, &tries));
	return n < 0 ? call_failed(dev, &c, (int)n, NULL) : (ssize_t)len;
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
	uint32_t first = zone_at(dev, off), last = zone_at(dev, off + len - 1);
	int told = rc;

	for (uint32_t i = first; i <= last; i++) {
		if (rc < 0) {
			told = zone_fault(dev, i, rc, what);
		} else {
			SCOPE_LOCK(&dev->lock);
			zone_touch(dev, i);
		}
	}
	return rc < 0 ? told : device_changed(dev, first, last - first + 1, sync);
}

/* 0 with len shortened to the conventional space, or why not; why tells more. */
static int write_range(struct zq_device *dev, struct call *c, unsigned flags, const char **why)
{
	int rc;

	if (flags & ~(unsigned)(ZQ_WRITE_DIRECT | ZQ_WRITE_SYNC | ZQ_WRITE_WAIT)) {
		*why = "flags that are not for conventional zones"; /* no end to append to */
		return -EINVAL;
	}
	if (c->off >= conv_end(dev))
		return -EFBIG;
	c->len = min_u64(c->len, conv_end(dev) - c->off);
	if ((flags & ZQ_WRITE_DIRECT) && !is_aligned(c->off | c->len, ZQ_BLOCK)) {
		*why = "not in whole blocks";
		return -EINVAL;
	}
	if (!c->len)
		return 0;
	rc = check_conv(dev, c->off, c->len);
	return rc < 0 ? rc : device_reserve(dev, flags & ZQ_WRITE_SYNC);
}

ssize_t zq_write(struct zq_device *dev, uint64_t off, const void *buf, size_t len, unsigned flags)
{
	struct call c = { "write", ZONE_NONE, off, len };
	struct qcow2_write w = { .off = off, .buf = buf };
	const char *why = NULL;
	int rc = device_enter(dev);

	if (rc < 0)
		return rc;
	rc = write_range(dev, &c, flags, &why);
	if (rc < 0)
		return call_failed(dev, &c, rc, why);
	if (!c.len)
		return 0;
	if (!buf)
		return call_failed(dev, &c, -EINVAL, "no buffer");
	w.len = (size_t)c.len;
	w.zero_end = off + w.len; /* the rest of a cluster keeps what it reads as */
	w.stream = zone_at(dev, off);
	rc = cached_write(dev, &w);
	rc = conv_done(dev, off, w.len, rc, "write", flags & ZQ_WRITE_SYNC);
	return rc < 0 ? call_failed(dev, &c, rc, NULL) : (ssize_t)w.len;
}

int64_t zq_zero(struct zq_device *dev, uint64_t off, uint64_t len)
{
	struct call c = { "zeroing", ZONE_NONE, off, len };
	const char *why = NULL;
	int rc = device_enter(dev);

	if (rc < 0)
		return rc;
	rc = write_range(dev, &c, 0, &why);
	if (rc == 0 && c.len) {
		rc = cached_zero(dev, off, c.len);
		rc = conv_done(dev, off, c.len, rc, "zeroing", false);
	}
	return rc < 0 ? call_failed(dev, &c, rc, why) : (int64_t)c.len;
}

/* ---- holes ----------------------------------------------------------------------------------- */

static int seek(struct zq_device *dev, uint32_t zone, uint64_t off, bool hole, uint64_t limit,
		uint64_t *found)
{
	uint64_t start, end;
	enum zq_zone_state state;

	if (zone >= dev->geo.nr_zones || !found)
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
		int rc = cached_status(dev, start + off, end - off, &data, &run);

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

int zq_seek(struct zq_device *dev, uint32_t zone, uint64_t off, bool hole, uint64_t limit,
	    uint64_t *found)
{
	struct call c = { "seek", zone, off, 0 };
	ssize_t rc = device_enter(dev);
	int tries = 0;

	if (rc < 0)
		return (int)rc;
	do
		rc = seek(dev, zone, off, hole, limit, found);
	while (read_again(dev, &rc, &tries));
	if (rc < 0)
		return call_failed(dev, &c, (int)rc, rc == -ENXIO ? "nothing there" : NULL);
	return 0;
}
