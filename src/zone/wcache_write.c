/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The volatile write cache: changes. Each is done when the cache's file has it, and the image knows
 * nothing of it.
 */
#include "zone/wcache.h"

#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "util/cleanup.h"
#include "util/math.h"

/* ---- sequential zones ------------------------------------------------------------------------ */

/* The zone's entry, pending from now on; from: what is written next lies there. [stripe] */
static struct wcache_zone *begin_seq(struct zq_device *dev, uint32_t zone, uint64_t from)
{
	struct wcache_zone *z = wcache_zone(dev, zone);

	if (!z || atomic_load(&z->pending))
		return z;
	z->from = z->end = from;
	z->back = z->erase = false;
	z->fate = (enum wcache_fate)wcache_draw(dev->wcache, 3);
	atomic_store(&z->wp, qcow2_wp_now(dev->img, zone));
	atomic_store(&z->pending, true);
	return z;
}

/* A write joins what the cache has: it begins at its end or, into the padding, before that. */
static int cache_seq(struct zq_device *dev, const struct qcow2_write *w, uint32_t zone)
{
	static const uint8_t zeros[ZQ_BLOCK];
	struct wcache_zone *z = begin_seq(dev, zone, w->off);
	const struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)w->buf, .iov_len = w->len },
		{ .iov_base = (void *)(uintptr_t)zeros, .iov_len = w->pad },
	};
	int rc;

	if (!z)
		return -ENOMEM;
	if (w->off > z->end)
		return -EIO;
	rc = io_pwritev(dev->wcache->io, iov, w->pad ? 2 : 1, w->off);
	if (rc < 0)
		return rc;
	z->from = min_u64(z->from, w->off);
	z->end = max_u64(z->end, w->off + w->len + w->pad);
	if (w->move_wp)
		atomic_store(&z->wp, w->wp);
	return 0;
}

int cached_begin_change(struct zq_device *dev, uint32_t zone)
{
	if (!dev->wcache)
		return qcow2_begin_change(dev->img);
	SCOPE_LOCK(&dev->wcache->lock);
	return begin_seq(dev, zone, cached_wp(dev, zone)) ? 0 : -ENOMEM;
}

void cached_wp_back(struct zq_device *dev, uint32_t zone)
{
	struct wcache_zone *z;

	if (!dev->wcache) {
		qcow2_wp_back(dev->img, zone);
		return;
	}
	/* Where things are is left as it is: a reader may still be about to read by the old
	 * pointer. It looks at the count of resets afterwards, which goes up before the erasing. */
	z = wcache_pending(dev, zone);
	z->back = true;
	atomic_store(&z->wp, zq_zone_start(&dev->geo, zone));
}

int cached_erase(struct zq_device *dev, uint32_t zone)
{
	uint64_t start = zq_zone_start(&dev->geo, zone);
	struct wcache_zone *z;

	if (!dev->wcache)
		return zone_erase_image(dev, zone);
	SCOPE_LOCK(&dev->wcache->lock);
	z = begin_seq(dev, zone, start);
	if (!z)
		return -ENOMEM;
	z->from = z->end = start;
	z->erase = true;
	/* only for the room: what the file has there is not looked at any more */
	(void)io_punch(dev->wcache->io, start, zq_zone_len(&dev->geo, zone));
	return 0;
}

int cached_finish(struct zq_device *dev, uint32_t zone, uint64_t wp, uint64_t end, uint64_t new_wp)
{
	struct wcache_zone *z;
	int rc;

	if (!dev->wcache) {
		rc = wp < end ? qcow2_zero(dev->img, wp, end - wp) : 0;
		if (rc == 0)
			qcow2_wp_forward(dev->img, zone, new_wp);
		return rc;
	}
	SCOPE_LOCK(&dev->wcache->lock);
	z = begin_seq(dev, zone, wp);
	if (!z)
		return -ENOMEM;
	z->end = min_u64(z->end, wp); /* behind it is what a write that failed has left */
	z->from = min_u64(z->from, z->end);
	atomic_store(&z->wp, new_wp);
	return 0;
}

/* ---- conventional zones ---------------------------------------------------------------------- */

static struct wcache_zone *begin_conv(struct zq_device *dev, uint32_t zone)
{
	struct wcache_zone *z = wcache_zone(dev, zone);

	if (!z || atomic_load(&z->pending))
		return z;
	z->fate = (enum wcache_fate)wcache_draw(dev->wcache, 3);
	atomic_store(&z->wp, qcow2_wp_now(dev->img, zone));
	atomic_store(&z->pending, true);
	return z;
}

/* The grain around off, of which a part is about to be written, comes to the file whole. */
static int fetch_grain(struct zq_device *dev, const struct wcache_zone *z, uint64_t start,
		       uint64_t len, uint64_t off)
{
	uint64_t at = align_down(off - start, WCACHE_GRAIN), grain = at / WCACHE_GRAIN;
	size_t n = (size_t)min_u64(WCACHE_GRAIN, len - at);
	int rc;

	if (wcache_has_grain(z, grain))
		return 0;
	rc = qcow2_read(dev->img, start + at, dev->wcache->buf, n);
	return rc < 0 ? rc : io_write(dev->wcache->io, dev->wcache->buf, n, start + at);
}

static int cache_zeros(struct wcache *c, uint64_t off, uint64_t len)
{
	int rc = io_punch(c->io, off, len);

	if (rc != -EOPNOTSUPP)
		return rc;
	memset(c->buf, 0, WCACHE_CHUNK);
	for (rc = 0; len && rc == 0;) {
		size_t n = (size_t)min_u64(len, WCACHE_CHUNK);

		rc = io_write(c->io, c->buf, n, off);
		off += n;
		len -= n;
	}
	return rc;
}

/* Within one zone; buf NULL: zeros. */
static int change_conv(struct zq_device *dev, uint32_t zone, uint64_t off, const uint8_t *buf,
		       uint64_t len)
{
	uint64_t start = zq_zone_start(&dev->geo, zone), zone_len = zq_zone_len(&dev->geo, zone);
	uint64_t first = (off - start) / WCACHE_GRAIN,
		 last = (off + len - 1 - start) / WCACHE_GRAIN;
	struct wcache_zone *z = begin_conv(dev, zone);
	int rc = z ? 0 : -ENOMEM;

	if (rc == 0)
		rc = fetch_grain(dev, z, start, zone_len, off);
	if (rc == 0)
		rc = fetch_grain(dev, z, start, zone_len, off + len - 1);
	if (rc == 0)
		rc = buf ? io_write(dev->wcache->io, buf, (size_t)len, off)
			 : cache_zeros(dev->wcache, off, len);
	for (uint64_t g = first; g <= last && rc == 0; g++) {
		z->nr_grains += !wcache_has_grain(z, g);
		z->grains[g / 8] |= (uint8_t)(1u << g % 8);
	}
	return rc;
}

static int change_range(struct zq_device *dev, uint64_t off, const uint8_t *buf, uint64_t len)
{
	int rc = 0;

	while (len && rc == 0) {
		uint32_t zone = (uint32_t)(off / dev->geo.zone_size);
		uint64_t end = zq_zone_start(&dev->geo, zone) + zq_zone_len(&dev->geo, zone);
		uint64_t n = min_u64(len, end - off);

		rc = change_conv(dev, zone, off, buf, n);
		off += n;
		buf = buf ? buf + n : NULL;
		len -= n;
	}
	return rc;
}

/* ---- both ------------------------------------------------------------------------------------ */

int wcache_write(struct zq_device *dev, const struct qcow2_write *w)
{
	uint32_t zone = (uint32_t)(w->off / dev->geo.zone_size);

	SCOPE_LOCK(&dev->wcache->lock);
	return zq_zone_is_conv(&dev->geo, zone) ? change_range(dev, w->off, w->buf, w->len)
						: cache_seq(dev, w, zone);
}

int cached_zero(struct zq_device *dev, uint64_t off, uint64_t len)
{
	if (!dev->wcache)
		return qcow2_zero(dev->img, off, len);
	SCOPE_LOCK(&dev->wcache->lock);
	return change_range(dev, off, NULL, len);
}
