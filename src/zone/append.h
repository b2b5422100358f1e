/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One write to a sequential zone on its way from writers.c, which takes it from the caller, to
 * append.c, which finds its place and does it. Offsets are absolute.
 */
#ifndef ZQ_ZONE_APPEND_H
#define ZQ_ZONE_APPEND_H

#include "zone/zone.h"

struct append {
	struct zq_device *dev;
	uint32_t zone;
	struct zq_writer *w; /* or NULL */
	const void *buf;
	uint64_t off; /* where the caller wants it, or takes the end to be */
	uint64_t len; /* clamped to the capacity */
	unsigned flags;
	uint64_t real_wp; /* the pointer, as last looked at */
	uint64_t wp;	  /* where writing goes on: real_wp, or the next block where the
			   * layout has no pointers within a block */
	uint64_t pos;	  /* where it goes */
};

static inline bool append_whole_blocks(const struct append *a)
{
	return a->dev->opts.strict || (a->flags & ZQ_WRITE_DIRECT);
}

/* Finds the place, writes, moves the pointer. Sets pos, and len to what was written: all of it,
 * up to the capacity. On failure the pointer stands where it stood. [stripe] */
int append_locked(struct append *a);

/* -EFBIG for a write that lies behind the capacity, once nothing is on its way that comes before
 * it. Takes the stripe. */
int append_refuse_behind(const struct append *a);

/* Where the writer's next append begins, absolute. [stripe] */
uint64_t append_next(struct append *a);

#endif
