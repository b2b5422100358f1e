/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The states of all zones: first values from the pointers, transitions with their counters,
 * and the list of implicitly open zones. Memory only; every function says which locks its
 * caller holds, those that take device.lock themselves are zone_begin and zone_end.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"
#include "zone/wcache.h"
#include "zone/zone.h"

_Static_assert(sizeof(struct zone) <= 32, "a million zones must stay small");

uint64_t zone_wp(struct zq_device *dev, uint32_t zone)
{
	return cached_wp(dev, zone);
}

/* Can the pointer of a sequential zone stand there? It is within the capacity but for some finished
 * zones, so that is asked first. */
static inline bool wp_is_sane(const struct zq_device *dev, uint32_t zone, uint64_t wp)
{
	uint64_t start = zq_zone_start(&dev->geo, zone);

	return wp - start <= zq_zone_cap(&dev->geo, zone) ||
	       (wp > start && wp <= qcow2_wp_finished(dev->img, zone));
}

uint64_t zone_written(const struct zq_device *dev, uint32_t zone, enum zq_zone_state state,
		      uint64_t wp)
{
	uint64_t cap = zq_zone_cap(&dev->geo, zone);

	if (state == ZQ_OFFLINE)
		return 0;
	if (zq_zone_is_conv(&dev->geo, zone))
		return cap;
	/* a corrupt pointer vouches for nothing */
	return wp_is_sane(dev, zone, wp) ? min_u64(wp - zq_zone_start(&dev->geo, zone), cap) : 0;
}

/* Bytes that the zone still takes. Each append asks twice. In a state that takes any the pointer is
 * within the zone, so it needs none of the checks of zone_written(). */
static uint64_t zone_left(const struct zq_device *dev, uint32_t zone, enum zq_zone_state state,
			  uint64_t wp)
{
	uint64_t cap = zq_zone_cap(&dev->geo, zone);

	if (state == ZQ_NOT_WP || state == ZQ_FULL || state == ZQ_READ_ONLY || state == ZQ_OFFLINE)
		return 0;
	return cap - min_u64(wp - zq_zone_start(&dev->geo, zone), cap);
}

/* The state that a pointer stands for, qcow2/FORMAT has it. */
static enum zq_zone_state first_state(const struct zq_device *dev, uint32_t zone,
				      const struct qcow2_wp *p)
{
	uint64_t start = zq_zone_start(&dev->geo, zone);

	if (p->kind == QCOW2_WP_CORRUPT)
		return ZQ_READ_ONLY;
	if (p->kind == QCOW2_WP_CONV)
		return ZQ_NOT_WP;
	if (p->wp == start)
		return ZQ_EMPTY;
	return p->wp < start + zq_zone_cap(&dev->geo, zone) ? ZQ_CLOSED : ZQ_FULL;
}

uint64_t zone_new_stamp(void)
{
	/* of the process: a writer may be kept from one device to the next */
	static _Atomic uint64_t last;

	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

/*
 * An empty zone of an overlay must not show what its base holds there. A reset enters zeros for
 * that; but the pointer goes back first, and the power may have failed in between.
 */
static bool shows_base(struct zq_device *dev, uint32_t zone)
{
	uint64_t off = zq_zone_start(&dev->geo, zone), end = off + zq_zone_cap(&dev->geo, zone);
	bool data = false;

	while (off < end && !data) {
		uint64_t run;

		if (qcow2_block_status(dev->img, off, end - off, &data, &run) < 0)
			return true;
		off += run;
	}
	return data;
}

static void first_count(struct zq_device *dev, uint32_t zone, const struct qcow2_wp *p)
{
	enum zq_zone_state state = first_state(dev, zone, p);

	atomic_init(&dev->states[zone], (unsigned char)state);
	dev->by_state[state]++;
	dev->unwritten += zone_left(dev, zone, state, p->wp);
	dev->usable += zq_zone_cap(&dev->geo, zone);
}

int zones_load(struct zq_device *dev)
{
	bool overlay = qcow2_is_overlay(dev->img);
	uint32_t total = dev->geo.nr_zones;
	struct qcow2_wp p[256];

	dev->opened = clock_ns(CLOCK_REALTIME);
	dev->zones = calloc(total, sizeof(*dev->zones));
	dev->states = calloc(total, sizeof(*dev->states));
	dev->implicit = dev->geo.max_open ? calloc(total, sizeof(*dev->implicit)) : NULL;
	if (!dev->zones || !dev->states || (dev->geo.max_open && !dev->implicit))
		return -ENOMEM;
	for (uint32_t zone = 0, nr; zone < total; zone += nr) {
		nr = (uint32_t)min_u64(total - zone, ARRAY_SIZE(p));
		qcow2_wp_list(dev->img, zone, nr, p);
		for (uint32_t i = 0; i < nr; i++)
			first_count(dev, zone + i, &p[i]);
	}
	for (uint32_t zone = 0; overlay && zone < total; zone++)
		if (zone_state(dev, zone) == ZQ_EMPTY && shows_base(dev, zone))
			dev->zones[zone].stale = true;
	return 0;
}

void zones_free(struct zq_device *dev)
{
	free(dev->zones);
	free(dev->states);
	free(dev->implicit);
}

int64_t zone_mtime(const struct zq_device *dev, uint32_t zone)
{
	int64_t own = dev->zones[zone].mtime;

	return own ? own : dev->opened;
}

/* ---- the list of implicitly open zones ------------------------------------------------------ */

static void implicit_remove(struct zq_device *dev, uint32_t zone)
{
	struct zone_link *all = dev->implicit, *l;

	if (!all)
		return;
	l = &all[zone];
	*(l->prev ? &all[l->prev - 1].next : &dev->implicit_first) = l->next;
	*(l->next ? &all[l->next - 1].prev : &dev->implicit_last) = l->prev;
	*l = (struct zone_link){ 0 };
}

static void implicit_append(struct zq_device *dev, uint32_t zone)
{
	struct zone_link *all = dev->implicit;

	if (!all)
		return;
	all[zone] = (struct zone_link){ .prev = dev->implicit_last };
	*(dev->implicit_last ? &all[dev->implicit_last - 1].next : &dev->implicit_first) = zone + 1;
	dev->implicit_last = zone + 1;
}

/* The zone has just been written. */
static void implicit_renew(struct zq_device *dev, uint32_t zone)
{
	implicit_remove(dev, zone);
	implicit_append(dev, zone);
}

/* ---- transitions ---------------------------------------------------------------------- */

static void move_zone(struct zq_device *dev, uint32_t zone, enum zq_zone_state next,
		      uint64_t wp_old, uint64_t wp_new, bool implicit)
{
	enum zq_zone_state old = zone_state(dev, zone);

	/* a corrupt pointer makes a read-only zone, whose pointer stays where it is */
	assert(wp_new == wp_old || wp_is_sane(dev, zone, wp_new));
	dev->unwritten -= zone_left(dev, zone, old, wp_old);
	dev->unwritten += zone_left(dev, zone, next, wp_new);
	if (old == next)
		return;
	dev->by_state[old]--;
	dev->by_state[next]++;
	if (old == ZQ_IMPLICIT_OPEN)
		implicit_remove(dev, zone);
	if (next == ZQ_IMPLICIT_OPEN)
		implicit_append(dev, zone);
	atomic_store(&dev->states[zone], (unsigned char)next);
	if (dev->opts.on_state)
		dev->opts.on_state(dev->opts.state_data, zone, old, next, implicit);
}

void zone_move(struct zq_device *dev, uint32_t zone, enum zq_zone_state next, uint64_t wp_old,
	       uint64_t wp_new)
{
	move_zone(dev, zone, next, wp_old, wp_new, next == ZQ_IMPLICIT_OPEN);
}

void zone_touch(struct zq_device *dev, uint32_t zone)
{
	int64_t now = clock_ns(CLOCK_REALTIME_COARSE);
	int64_t last = zone_mtime(dev, zone);

	dev->zones[zone].mtime = now > last ? now : last + 1;
}

/*
 * Closes the implicitly open zone that was written longest ago. Its stripe is not held: a first
 * write to it may be under way, so it becomes closed and not empty even where its
 * pointer is still at the start; zone_end() sets that right when the write fails.
 */
static void evict(struct zq_device *dev)
{
	uint32_t zone = dev->implicit_first - 1; /* one is open: the limit is reached */
	uint64_t start = zq_zone_start(&dev->geo, zone);

	move_zone(dev, zone, ZQ_CLOSED, start, start, true);
}

int zone_take_step(struct zq_device *dev, uint32_t zone, enum zone_op op, bool at_start, bool fills,
		   struct zone_step *step)
{
	struct zone_slots slots = { .implicit = dev->by_state[ZQ_IMPLICIT_OPEN],
				    .explicit = dev->by_state[ZQ_EXPLICIT_OPEN],
				    .closed = dev->by_state[ZQ_CLOSED] };
	struct zone_limits limits = { dev->geo.max_open, dev->geo.max_active };
	int rc = zone_step(zone_state(dev, zone), op, at_start, fills, &slots, &limits, step);

	if (rc == 0 && step->evict)
		evict(dev);
	return rc;
}

int zone_begin(struct zq_device *dev, uint32_t zone, enum zone_op op, bool fills,
	       struct zone_change *c)
{
	uint64_t wp = zone_wp(dev, zone);
	struct zone_step step;
	int rc;

	c->before = zone_state(dev, zone);
	c->wp = wp;
	/* An open zone has all it needs; that it may be closed right now to make room for another
	 * one is for zone_end() to see. Without the stripe nothing else changes its state. */
	if (c->before == ZQ_IMPLICIT_OPEN || c->before == ZQ_EXPLICIT_OPEN)
		return 0;
	SCOPE_LOCK(&dev->lock);
	rc = zone_take_step(dev, zone, op, wp == zq_zone_start(&dev->geo, zone), fills, &step);
	if (rc < 0)
		return rc;
	if (c->before == ZQ_EMPTY || c->before == ZQ_CLOSED)
		zone_move(dev, zone, ZQ_IMPLICIT_OPEN, wp, wp);
	return 0;
}

void zone_end(struct zq_device *dev, uint32_t zone, const struct zone_change *c, bool ok,
	      uint64_t wp_new, bool full)
{
	enum zq_zone_state now;

	SCOPE_LOCK(&dev->lock);
	now = zone_state(dev, zone); /* closed by now, perhaps, to make room for others */
	if (ok) {
		zone_move(dev, zone, full ? ZQ_FULL : now, c->wp, wp_new);
		zone_touch(dev, zone);
		if (full)
			compressor_take(dev, zone);
		else if (now == ZQ_IMPLICIT_OPEN)
			implicit_renew(dev, zone);
	} else if (c->before == ZQ_EMPTY || c->before == ZQ_CLOSED) {
		zone_move(dev, zone, c->before, c->wp, c->wp);
	}
}

void zone_follow(struct zq_device *dev, uint32_t zone, uint64_t wp_old)
{
	struct qcow2_wp now;
	enum zq_zone_state next;

	qcow2_wp_list(dev->img, zone, 1, &now);
	next = first_state(dev, zone, &now);
	SCOPE_LOCK(&dev->lock);
	if (zone_state(dev, zone) != ZQ_OFFLINE)
		zone_move(dev, zone, next, wp_old, now.wp);
	zone_touch(dev, zone);
	if (now.wp < wp_old)
		atomic_fetch_add(&dev->zones[zone].resets, 1);
}
