/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zone management: explicit open, close, finish, reset, and states set by hand. Each holds
 * the zone's stripe from check to end. The rules are in state.c.
 */
#include <errno.h>

#include "util/cleanup.h"
#include "util/math.h"
#include "zone/wcache.h"
#include "zone/zone.h"

/* The last stream's padding is final: nobody goes on within it. [stripe] */
static void end_stream(struct zq_device *dev, uint32_t zone)
{
	dev->zones[zone].stamp = zone_new_stamp();
	dev->zones[zone].tail_pad = 0;
}

/* ---- open and close: states only, nothing on disk ------------------------------------------ */

static int open_or_close(struct zq_device *dev, uint32_t zone, enum zone_op op)
{
	uint64_t wp = zone_wp(dev, zone);
	struct zone_step step;
	int rc;

	SCOPE_LOCK(&dev->lock);
	rc = zone_take_step(dev, zone, op, wp == zq_zone_start(&dev->geo, zone), false, &step);
	if (rc == 0)
		zone_move(dev, zone, step.next, wp, wp);
	return rc;
}

static int open_for_caller(struct zq_device *dev, uint32_t zone)
{
	int rc = device_check_writable(dev);

	if (zone >= dev->geo.nr_zones)
		return -EINVAL;
	if (rc < 0)
		return rc;
	SCOPE_LOCK(&zone_stripe(dev, zone)->lock);
	return open_or_close(dev, zone, ZONE_OP_OPEN);
}

static int close_for_caller(struct zq_device *dev, uint32_t zone)
{
	int rc;

	/* also on a device that has become read-only: the last close must free the slot */
	if (zone >= dev->geo.nr_zones)
		return -EINVAL;
	if (dev->readonly)
		return -EROFS;
	SCOPE_LOCK(&zone_stripe(dev, zone)->lock);
	rc = open_or_close(dev, zone, ZONE_OP_CLOSE);
	if (rc == 0)
		end_stream(dev, zone);
	return rc;
}

/* ---- finish --------------------------------------------------------------------------------- */

/*
 * What lies between pointer and capacity reads as zeros before the pointer moves over it. No
 * pointer on disk can cover what is overwritten here: a reset either unmapped all of the
 * zone's clusters or was on disk before it zeroed in place.
 */
static int finish_data(struct zq_device *dev, uint32_t zone, uint64_t wp, uint64_t new_wp)
{
	uint64_t end = zq_zone_start(&dev->geo, zone) + zq_zone_cap(&dev->geo, zone);
	int rc = zone_purge(dev, zone);

	return rc < 0 ? rc : cached_finish(dev, zone, wp, end, new_wp);
}

/* *changed: there was something to do. [stripe] */
static int finish(struct zq_device *dev, uint32_t zone, bool *changed)
{
	uint64_t new_wp = qcow2_wp_finished(dev->img, zone);
	struct zone_change c;
	int rc = zone_begin(dev, zone, ZONE_OP_FINISH, false, &c);

	if (rc < 0 || c.before == ZQ_FULL)
		return rc;
	rc = finish_data(dev, zone, c.wp, new_wp);
	zone_end(dev, zone, &c, rc == 0, new_wp, true);
	if (rc < 0)
		return zone_fault(dev, zone, rc, "finish");
	end_stream(dev, zone);
	dev->zones[zone].asked_end = new_wp;
	qcow2_stream_release(dev->img, zone);
	*changed = true;
	return 0;
}

/* ---- reset ---------------------------------------------------------------------------- */

int zone_purge(struct zq_device *dev, uint32_t zone)
{
	int rc = 0;

	if (dev->zones[zone].stale) {
		rc = cached_erase(dev, zone);
		dev->zones[zone].stale = rc < 0;
	}
	return rc;
}

/* Pointer and state, in one step for whoever reports. */
static int rewind_zone(struct zq_device *dev, uint32_t zone, bool *changed)
{
	uint64_t start = zq_zone_start(&dev->geo, zone), wp = zone_wp(dev, zone);
	struct zone_step step;
	int rc;

	SCOPE_LOCK(&dev->lock);
	rc = zone_take_step(dev, zone, ZONE_OP_RESET, wp == start, false, &step);
	if (rc < 0 || wp == start)
		return rc;
	cached_wp_back(dev, zone);
	zone_move(dev, zone, step.next, wp, start);
	zone_touch(dev, zone);
	*changed = true;
	return 0;
}

/* The order of the steps is what readers and the disk rely on, see zone.h. [stripe] */
static int reset(struct zq_device *dev, uint32_t zone, bool *changed)
{
	int rc = 0;

	/* the pointer may reach the disk before the data is touched */
	if (zone_wp(dev, zone) != zq_zone_start(&dev->geo, zone))
		rc = cached_begin_change(dev, zone);
	if (rc == 0)
		rc = rewind_zone(dev, zone, changed);
	if (rc < 0)
		return host_error(dev, rc);
	if (*changed) {
		end_stream(dev, zone);
		dev->zones[zone].asked_end = zq_zone_start(&dev->geo, zone);
		atomic_fetch_add(&dev->zones[zone].resets, 1);
		qcow2_stream_release(dev->img, zone);
		dev->zones[zone].stale = true;
	}
	rc = zone_purge(dev, zone);
	return rc < 0 ? zone_fault(dev, zone, rc, "reset") : 0;
}

static int run_locked(struct zq_device *dev, uint32_t zone,
		      int (*op)(struct zq_device *dev, uint32_t zone, bool *changed))
{
	struct zone_stripe *s = zone_stripe(dev, zone);
	bool changed = false;
	int rc = device_check_writable(dev);

	if (zone >= dev->geo.nr_zones)
		return -EINVAL;
	if (rc == 0)
		rc = device_reserve(dev, false);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	rc = op(dev, zone, &changed);
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	if (changed) {
		int synced = device_changed(dev, zone, 1, false);

		rc = rc < 0 ? rc : synced;
	}
	return rc;
}

static int finish_for_caller(struct zq_device *dev, uint32_t zone)
{
	return run_locked(dev, zone, finish);
}

static int reset_for_caller(struct zq_device *dev, uint32_t zone)
{
	return run_locked(dev, zone, reset);
}

/* ---- states set by hand --------------------------------------------------------------- */

static int set_state(struct zq_device *dev, uint32_t zone, enum zq_zone_state state)
{
	uint64_t wp;

	if (zone >= dev->geo.nr_zones || (state != ZQ_READ_ONLY && state != ZQ_OFFLINE))
		return -EINVAL;
	SCOPE_LOCK(&zone_stripe(dev, zone)->lock);
	wp = zone_wp(dev, zone);
	SCOPE_LOCK(&dev->lock);
	/* what is offline never comes back, as in the standards */
	if (zone_state(dev, zone) == ZQ_OFFLINE && state != ZQ_OFFLINE)
		return -EINVAL;
	zone_move(dev, zone, state, wp, wp);
	return 0;
}

/* ---- what callers have -------------------------------------------------------------------------
 */

/* One of the above, for a caller who is told why it failed. */
static int for_caller(struct zq_device *dev, uint32_t zone, const char *name,
		      int (*op)(struct zq_device *dev, uint32_t zone))
{
	struct call c = { name, zone, 0, 0 };
	int rc = device_enter(dev);

	if (rc < 0)
		return rc;
	rc = op(dev, zone);
	return rc < 0 ? call_failed(dev, &c, rc, NULL) : 0;
}

int zq_zone_open(struct zq_device *dev, uint32_t zone)
{
	return for_caller(dev, zone, "open", open_for_caller);
}

int zq_zone_close(struct zq_device *dev, uint32_t zone)
{
	return for_caller(dev, zone, "close", close_for_caller);
}

int zq_zone_finish(struct zq_device *dev, uint32_t zone)
{
	return for_caller(dev, zone, "finish", finish_for_caller);
}

int zq_zone_reset(struct zq_device *dev, uint32_t zone)
{
	return for_caller(dev, zone, "reset", reset_for_caller);
}

int zq_zone_set_state(struct zq_device *dev, uint32_t zone, enum zq_zone_state state)
{
	struct call c = { "setting the state", zone, 0, 0 };
	int rc = device_enter(dev);

	if (rc < 0)
		return rc;
	rc = set_state(dev, zone, state);
	return rc < 0 ? call_failed(dev, &c, rc, NULL) : 0;
}

static int for_range(struct zq_device *dev, uint32_t first, uint32_t count, uint32_t *done,
		     int (*op)(struct zq_device *dev, uint32_t zone))
{
	struct call c = { "a range of zones", ZONE_NONE, 0, 0 };
	uint32_t n = 0;
	int rc = device_enter(dev);

	if (rc == 0 && !range_within(first, count, dev->geo.nr_zones))
		rc = call_failed(dev, &c, -EINVAL, "not all of the zones exist");
	for (; rc == 0 && n < count; n += rc == 0)
		if (!zq_zone_is_conv(&dev->geo, first + n))
			rc = op(dev, first + n);
	if (done)
		*done = n;
	return rc;
}

int zq_reset_zones(struct zq_device *dev, uint32_t first, uint32_t count, uint32_t *done)
{
	return for_range(dev, first, count, done, zq_zone_reset);
}

int zq_finish_zones(struct zq_device *dev, uint32_t first, uint32_t count, uint32_t *done)
{
	return for_range(dev, first, count, done, zq_zone_finish);
}
