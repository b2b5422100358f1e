/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The volatile write cache: what it has goes into the image, because a sync asks for it or, with a
 * seed, because a disk might do so. In the image it is an ordinary change that a commit follows.
 */
#include "zone/wcache.h"

#include <errno.h>

#include "io/io.h"
#include "util/cleanup.h"
#include "util/math.h"

/* ---- sequential zones ------------------------------------------------------------------------ */

/* The reset that comes before all that the cache has of the zone. [stripe, lock] */
static int apply_reset(struct zq_device *dev, uint32_t zone, struct wcache_zone *z)
{
	int rc = 0;

	if (z->back) {
		rc = qcow2_begin_change(dev->img);
		if (rc < 0)
			return rc;
		qcow2_wp_back(dev->img, zone);
		qcow2_stream_release(dev->img, zone);
		z->back = false;
	}
	if (z->erase) {
		rc = zone_erase_image(dev, zone);
		z->erase = rc < 0;
	}
	return rc;
}

/* The next bytes, up to limit. [stripe, lock] */
static int apply_chunk(struct zq_device *dev, uint32_t zone, struct wcache_zone *z, uint64_t limit)
{
	const struct zq_geometry *g = &dev->geo;
	struct qcow2_write w = {
		.off = z->from,
		.buf = dev->wcache->buf,
		.len = (size_t)min_u64(limit - z->from,
				       WCACHE_CHUNK - (size_t)(z->from % ZQ_BLOCK)),
		.zero_end = zq_zone_start(g, zone) + zq_zone_len(g, zone),
		.stream = zone,
		.zone = zone,
	};
	int rc = io_pread(dev->wcache->io, dev->wcache->buf, w.len, w.off);

	w.wp = w.off + w.len;
	w.move_wp = w.wp > qcow2_wp_now(dev->img, zone);
	if (rc == 0)
		rc = qcow2_write(dev->img, &w);
	if (rc == 0)
		z->from = w.wp;
	return rc;
}

/* [stripe, lock] */
static int apply_finish(struct zq_device *dev, uint32_t zone, const struct wcache_zone *z)
{
	uint64_t end = zq_zone_start(&dev->geo, zone) + zq_zone_cap(&dev->geo, zone);
	int rc = z->from < end ? qcow2_zero(dev->img, z->from, end - z->from) : 0;

	if (rc == 0) {
		qcow2_wp_forward(dev->img, zone, atomic_load(&z->wp));
		qcow2_stream_release(dev->img, zone);
	}
	return rc;
}

/* Nothing is left to be written back. [stripe, lock] */
static void end_pending(struct zq_device *dev, uint32_t zone, struct wcache_zone *z)
{
	atomic_store(&z->pending, false);
	(void)io_punch(dev->wcache->io, zq_zone_start(&dev->geo, zone),
		       zq_zone_len(&dev->geo, zone));
}

/* All up to limit; with it all, finish tells whether the zone is finished too. [stripe, lock] */
static int apply_seq(struct zq_device *dev, uint32_t zone, struct wcache_zone *z, uint64_t limit,
		     bool finish)
{
	int rc = apply_reset(dev, zone, z);

	while (rc == 0 && z->from < limit)
		rc = apply_chunk(dev, zone, z, limit);
	if (rc == 0 && finish && atomic_load(&z->wp) > qcow2_wp_now(dev->img, zone))
		rc = apply_finish(dev, zone, z);
	if (rc == 0 && z->from >= z->end && atomic_load(&z->wp) == qcow2_wp_now(dev->img, zone))
		end_pending(dev, zone, z);
	return rc;
}

/* ---- conventional zones ---------------------------------------------------------------------- */

/* [off, off + len) of one zone, all of it in the cache. [lock] */
static int apply_run(struct zq_device *dev, uint32_t zone, uint64_t off, uint64_t len)
{
	struct qcow2_write w = {
		.off = off,
		.buf = dev->wcache->buf,
		.len = (size_t)len,
		.zero_end = off + len,
		.stream = zone,
	};
	uint64_t data = off;
	int rc = io_seek(dev->wcache->io, off, false, &data);

	if (rc == -ENXIO || (rc == 0 && data >= off + len))
		return qcow2_zero(dev->img, off, len);
	rc = io_pread(dev->wcache->io, dev->wcache->buf, w.len, off);
	return rc < 0 ? rc : qcow2_write(dev->img, &w);
}

/* How many grains from that one on go into the image at once: with odds above 1 one, or none at
 * random. [lock] */
static uint64_t choose_grains(struct wcache *c, const struct wcache_zone *z, uint64_t grain,
			      uint64_t nr, uint64_t odds)
{
	uint64_t most = odds > 1 ? !wcache_draw(c, odds) : WCACHE_CHUNK / WCACHE_GRAIN, n = 0;

	while (n < most && grain + n < nr && wcache_has_grain(z, grain + n))
		n++;
	return n;
}

/* Each grain with a chance of one in odds. [lock] */
static int apply_grains(struct zq_device *dev, uint32_t zone, struct wcache_zone *z, uint64_t odds)
{
	uint64_t start = zq_zone_start(&dev->geo, zone), len = zq_zone_len(&dev->geo, zone);
	uint64_t nr = wcache_nr_grains(len), n;
	int rc = 0;

	for (uint64_t g = 0; g < nr && z->nr_grains && rc == 0; g += n ? n : 1) {
		n = choose_grains(dev->wcache, z, g, nr, odds);
		if (!n)
			continue;
		rc = apply_run(dev, zone, start + g * WCACHE_GRAIN,
			       min_u64(n * WCACHE_GRAIN, len - g * WCACHE_GRAIN));
		for (uint64_t i = g; i < g + n && rc == 0; i++)
			z->grains[i / 8] &= (uint8_t) ~(1u << i % 8);
		z->nr_grains -= rc == 0 ? n : 0;
	}
	if (rc == 0 && !z->nr_grains)
		end_pending(dev, zone, z);
	return rc;
}

/* ---- a sync asks ----------------------------------------------------------------------------- */

static int confirm_seq(struct zq_device *dev, uint32_t zone)
{
	struct wcache_zone *z;
	int rc;

	SCOPE_LOCK(&zone_stripe(dev, zone)->lock);
	z = wcache_pending(dev, zone);
	if (!z)
		return 0;
	{
		SCOPE_LOCK(&dev->wcache->lock);
		rc = apply_seq(dev, zone, z, z->end, true);
	}
	return rc < 0 ? zone_fault(dev, zone, rc, "sync") : 0;
}

static int confirm_conv(struct zq_device *dev, uint32_t zone)
{
	struct wcache_zone *z;
	int rc = 0;

	{
		SCOPE_LOCK(&dev->wcache->lock);
		z = wcache_pending(dev, zone);
		if (z)
			rc = apply_grains(dev, zone, z, 1);
	}
	return rc < 0 ? zone_fault(dev, zone, rc, "sync") : 0;
}

int wcache_confirm(struct zq_device *dev, uint32_t first, uint32_t count)
{
	int rc = 0;

	for (uint32_t i = 0; dev->wcache && i < count && rc == 0; i++)
		if (wcache_pending(dev, first + i))
			rc = zq_zone_is_conv(&dev->geo, first + i) ? confirm_conv(dev, first + i)
								   : confirm_seq(dev, first + i);
	return rc;
}

/* ---- at random ------------------------------------------------------------------------------- */

/* One of the blocks' borders from a to b. [lock] */
static uint64_t draw_border(struct wcache *c, uint64_t a, uint64_t b)
{
	a = align_up(a, ZQ_BLOCK);
	return a >= b ? b : a + wcache_draw(c, (b - a) / ZQ_BLOCK + 1) * ZQ_BLOCK;
}

static int wander_seq(struct zq_device *dev, uint32_t zone)
{
	struct wcache *c = dev->wcache;
	struct wcache_zone *z;
	uint64_t limit;

	SCOPE_LOCK(&zone_stripe(dev, zone)->lock);
	SCOPE_LOCK(&c->lock);
	z = wcache_pending(dev, zone);
	if (!z || z->fate == WCACHE_STAYS || wcache_draw(c, 2))
		return 0;
	limit = z->fate == WCACHE_FOLLOWS ? z->end : draw_border(c, z->from, z->end);
	return apply_seq(dev, zone, z, limit, limit == z->end && wcache_draw(c, 2));
}

static int wander_conv(struct zq_device *dev, uint32_t zone)
{
	struct wcache *c = dev->wcache;
	struct wcache_zone *z;

	SCOPE_LOCK(&c->lock);
	z = wcache_pending(dev, zone);
	if (!z || z->fate == WCACHE_STAYS || wcache_draw(c, 2))
		return 0;
	return apply_grains(dev, zone, z, z->fate == WCACHE_FOLLOWS ? 1 : 2);
}

void wcache_wander(struct zq_device *dev, uint32_t first, uint32_t count)
{
	int rc = 0;

	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = zq_zone_is_conv(&dev->geo, first + i) ? wander_conv(dev, first + i)
							   : wander_seq(dev, first + i);
	/* nobody has asked for it, so nobody learns that it failed: the next sync tries again */
	if (rc == 0)
		(void)qcow2_commit(dev->img);
}
