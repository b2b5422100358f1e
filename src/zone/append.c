/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Appending to sequential zones, partial blocks included: fs/SEMANTICS sections 4 to 6.
 *
 * What is on disk and the pointer in memory always stand at whole blocks: a write that ends
 * within a block is padded at once. Its writer remembers where its bytes really end and goes
 * on there, within the padding, as long as nobody else has changed the zone (the stamp). An
 * image whose pointer stands within a block goes on exactly there, or behind zeros at the next
 * block where the layout's QEMU refuses such pointers.
 *
 * The zone's stripe is held from the first check until the data is written.
 */
#include <errno.h>

#include "util/apart.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"
#include "zone/append.h"
#include "zone/wcache.h"

/*
 * How long a write waits for the writes before it, counted from the last one that came. Other
 * threads have these writes already, so the wait is only for a thread that gets no processor.
 * That is why it is counted in sleeps: on a busy machine a sleeper comes back late, so the wait
 * grows with the load, and a thread that is ready to run gets its turn meanwhile.
 */
#define GAP_SLEEPS   50u
#define GAP_SLEEP_NS INT64_C(1000000)
#define GAP_LONGER   10000u /* sleeps */

static uint64_t cap_end(const struct append *a)
{
	return zq_zone_start(&a->dev->geo, a->zone) + zq_zone_cap(&a->dev->geo, a->zone);
}

/* The padding of the last block belongs to this writer. */
static bool owns_tail(const struct append *a)
{
	return a->w && zone_last_was(&a->dev->zones[a->zone], a->w->stamp);
}

/* Looks at the pointer. */
static void look_at_wp(struct append *a)
{
	a->wp = a->real_wp = zone_wp(a->dev, a->zone);
	if (qcow2_zoned(a->dev->img)->whole_blocks)
		a->wp = align_up(a->wp, ZQ_BLOCK);
}

uint64_t append_next(struct append *a)
{
	look_at_wp(a);
	return owns_tail(a) ? a->w->end : a->wp;
}

/* Where the last stream ends, without its padding. */
static uint64_t stream_end(const struct append *a)
{
	return a->wp - a->dev->zones[a->zone].tail_pad;
}

/*
 * Is an append at that offset the next one? An append that may wait brings the end that its
 * caller believes in: for the first piece of a call the caller's size of the file, for each
 * further piece the end of the piece before it. The caller's size is one of three: the true
 * one, the end of the last stream, or what the caller made of the last write's own offset,
 * which differs when that write landed elsewhere. The three are less than a block apart, and
 * only pieces smaller than that could take each other's turn.
 */
static bool is_next(const struct append *a)
{
	return !(a->flags & ZQ_WRITE_WAIT) || zone_state(a->dev, a->zone) == ZQ_FULL ||
	       a->off == a->wp || a->off == a->real_wp || a->off == stream_end(a) ||
	       a->off == a->dev->zones[a->zone].asked_end;
}

/* Sets pos and shortens the write there. */
static int put_at(struct append *a, uint64_t pos)
{
	if (pos >= cap_end(a))
		return -EFBIG;
	a->pos = pos;
	a->len = min_u64(a->len, cap_end(a) - pos);
	return 0;
}

static int check_alignment(const struct append *a, uint64_t off)
{
	if (!append_whole_blocks(a))
		return 0;
	return is_aligned(off | a->len, ZQ_BLOCK) ? 0 : -EINVAL;
}

static int place_at_end(struct append *a)
{
	uint64_t end = owns_tail(a) ? a->w->end : a->wp;
	int rc = put_at(a, append_whole_blocks(a) ? a->wp : end);

	/* a direct write has no place within a block, except where the image itself ends so */
	if (rc == 0)
		rc = check_alignment(a, a->dev->opts.strict ? a->pos : 0);
	return rc;
}

static int place_at_offset(struct append *a)
{
	const struct zone *z = &a->dev->zones[a->zone];
	int rc = check_alignment(a, a->off);

	if (rc < 0)
		return rc;
	if (a->off == a->wp || a->off == a->real_wp)
		return put_at(a, a->wp);
	/* The writer's stream goes on. A caller whose last write landed elsewhere may count from
	 * the offset that it had asked for. */
	if (owns_tail(a) && (a->off == a->w->end || a->off == z->asked_end))
		return put_at(a, a->w->end);
	/* For RWF_APPEND the kernel gives the size that it believes in as the offset, see
	 * is_next(). The size includes the padding, so the write goes to the pointer. */
	if (a->off == stream_end(a) || (a->off == z->asked_end && a->off > a->wp))
		return put_at(a, a->wp);
	return a->off > a->wp ? -EAGAIN : -EINVAL;
}

static bool zone_takes_writes(const struct append *a)
{
	enum zq_zone_state state = zone_state(a->dev, a->zone);

	return device_check_writable(a->dev) == 0 && state != ZQ_FULL && state != ZQ_READ_ONLY &&
	       state != ZQ_OFFLINE;
}

/* 0 with pos and len set; -EAGAIN: ahead of the pointer; or why not. */
static int place(struct append *a)
{
	enum zq_zone_state state = zone_state(a->dev, a->zone);
	int rc = device_check_writable(a->dev);

	if (rc < 0)
		return rc;
	if (state == ZQ_READ_ONLY || state == ZQ_OFFLINE)
		return -EPERM;
	look_at_wp(a);
	if (!(a->flags & ZQ_WRITE_APPEND))
		return place_at_offset(a);
	return is_next(a) ? place_at_end(a) : -EAGAIN;
}

/* The writes that should come before this one have not come. An append ahead of the pointer may be
 * a piece of a call whose first piece failed. The caller of an append behind the pointer has missed
 * a write. */
static int place_late(struct append *a)
{
	if ((a->flags & ZQ_WRITE_APPEND) && a->off < a->wp)
		return place_at_end(a);
	return -EINVAL;
}

/* A wait for writes that come before this one. */
struct gap {
	uint64_t stamp;	 /* the zone's when the wait began anew */
	unsigned sleeps; /* that have ended since then without a write or a commit */
	unsigned longer; /* that have ended during a commit, which do not count among those */
	int64_t end;	 /* of the sleep that is under way; 0: none is */
};

/* Waits until something is written to the zone or a sleep has ended; false when nothing has come in
 * GAP_SLEEPS of them. Drops the stripe meanwhile. Whoever writes holds it, so a slow disk does not
 * end the wait. Nor does it where writes are synchronous: those who wait for a commit may be all
 * that could bring the next piece. */
static bool wait_in_gap(const struct append *a, struct gap *gap)
{
	struct zone_stripe *s = zone_stripe(a->dev, a->zone);
	uint64_t stamp = a->dev->zones[a->zone].stamp;

	if (stamp != gap->stamp)
		*gap = (struct gap){ .stamp = stamp };
	else if (gap->sleeps == GAP_SLEEPS)
		return false;
	if (gap->end == 0)
		gap->end = clock_ns(CLOCK_MONOTONIC) + GAP_SLEEP_NS;
	/* writes to the stripe's other zones wake it, too, and do not make the sleep longer */
	if (cond_wait_until(&s->cond, &s->lock, gap->end) == -ETIMEDOUT) {
		if (atomic_load(&a->dev->committer.underway) && gap->longer < GAP_LONGER)
			gap->longer++;
		else
			gap->sleeps++;
		gap->end = 0;
	}
	return true;
}

/* The pieces of an asynchronous write may overtake each other on their way here. */
APART static int wait_for_place(struct append *a)
{
	struct gap gap = { .stamp = 0 };
	int rc = -EAGAIN;

	while (rc == -EAGAIN && (a->flags & ZQ_WRITE_WAIT) && wait_in_gap(a, &gap))
		rc = place(a);
	return rc == -EAGAIN ? place_late(a) : rc;
}

/*
 * A piece of an asynchronous write that lies behind the capacity is refused in any case, but
 * not before the pieces in front of it have been written: the kernel takes the first failure
 * for that of the whole write and truncates the file to the size that it then knows, of an
 * empty zone to 0.
 */
int append_refuse_behind(const struct append *a)
{
	struct gap gap = { .stamp = 0 };

	if (!(a->flags & ZQ_WRITE_WAIT))
		return -EFBIG;
	SCOPE_LOCK(&zone_stripe(a->dev, a->zone)->lock);
	while (zone_takes_writes(a) && wait_in_gap(a, &gap))
		;
	return -EFBIG;
}

/* A write into the padding failed and may have left a part of itself where readers see it. */
APART static void scrub_tail(struct append *a)
{
	static const uint8_t zeros[ZQ_BLOCK];
	struct qcow2_write w = { .off = a->pos, .buf = zeros, .stream = a->zone };

	if (a->pos >= a->wp)
		return;
	w.len = (size_t)(a->wp - a->pos);
	w.zero_end = a->wp;
	cached_write(a->dev, &w); /* what it returns adds nothing to the failure at hand */
}

/* Zeros from a pointer within a block to the end of the block, which the pointer does not cover
 * before the write behind them moves it. */
APART static int complete_block(const struct append *a)
{
	static const uint8_t zeros[ZQ_BLOCK];
	struct qcow2_write w = {
		.off = a->real_wp,
		.buf = zeros,
		.len = (size_t)(a->wp - a->real_wp),
		.zero_end =
			zq_zone_start(&a->dev->geo, a->zone) + zq_zone_len(&a->dev->geo, a->zone),
		.stream = a->zone,
	};

	return cached_write(a->dev, &w);
}

/* The state, the data, the pointer: all of it or nothing. */
static int append_data(struct append *a, uint64_t end, uint64_t new_wp)
{
	const struct zq_geometry *g = &a->dev->geo;
	bool fills = new_wp >= cap_end(a);
	struct qcow2_write w = {
		.off = a->pos,
		.buf = a->buf,
		.len = (size_t)a->len,
		.pad = (size_t)(align_up(end, ZQ_BLOCK) - end),
		.zero_end = zq_zone_start(g, a->zone) + zq_zone_len(g, a->zone),
		.stream = a->zone,
		.move_wp = new_wp != a->real_wp,
		.zone = a->zone,
		.wp = new_wp,
	};
	/* a full zone's writer may still have its own last block to complete: no transition */
	bool within = zone_state(a->dev, a->zone) == ZQ_FULL;
	struct zone_change c;
	int rc = 0;

	if (!within)
		rc = zone_begin(a->dev, a->zone, ZONE_OP_WRITE, fills, &c);
	if (rc < 0)
		return rc;
	rc = zone_purge(a->dev, a->zone);
	if (rc == 0 && a->wp > a->real_wp)
		rc = complete_block(a);
	if (rc == 0)
		rc = cached_write(a->dev, &w);
	if (!within) {
		zone_end(a->dev, a->zone, &c, rc == 0, new_wp, fills);
	} else if (rc == 0) {
		SCOPE_LOCK(&a->dev->lock);
		zone_touch(a->dev, a->zone);
	}
	if (rc < 0) {
		scrub_tail(a);
		rc = zone_fault(a->dev, a->zone, rc, "write");
	} else if (fills) {
		qcow2_stream_release(a->dev->img, a->zone);
	}
	return rc;
}

int append_locked(struct append *a)
{
	struct zone *z = &a->dev->zones[a->zone];
	uint64_t end, padded;
	int rc = place(a);

	if (rc == -EAGAIN)
		rc = wait_for_place(a);
	if (rc < 0)
		return rc;
	end = a->pos + a->len;
	padded = align_up(end, ZQ_BLOCK);
	rc = append_data(a, end, max_u64(padded, a->wp));
	if (rc < 0)
		return rc;
	z->stamp = zone_new_stamp();
	z->tail_pad = (uint16_t)(padded - end);
	z->asked_end = a->flags & ZQ_WRITE_WAIT ? a->off + a->len : end;
	if (a->w) {
		a->w->stamp = z->stamp;
		a->w->end = end;
	}
	return 0;
}
