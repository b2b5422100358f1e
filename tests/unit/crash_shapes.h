/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The images that crash replay runs on, each with something of its own: cluster sizes,
 * refcount widths, a file system without holes, a refcount table that grows, clusters that
 * a snapshot seems to share, an external data file.
 */
#ifndef ZQ_TESTS_CRASH_SHAPES_H
#define ZQ_TESTS_CRASH_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crash_disk.h"

struct crash_shape {
	const char *name;
	unsigned cluster_bits, refcount_order;
	bool extended_l2;
	uint64_t zone_size, zone_capacity, size; /* size 0: 8 zones of 64 KiB; capacity 0: all */
	uint32_t nr_conv;
	bool no_punch; /* recycled clusters keep what they held */
	bool sync;     /* the device is opened with that option */
	bool grows;    /* the refcount table has hardly any room left */
	bool shared;   /* what is mapped at first has refcount 2 */
	bool data_file, data_raw;
};

extern const struct crash_shape crash_shapes[];
extern const size_t crash_nr_shapes;

struct crash_disk crash_make_disk(const struct crash_shape *s);
/* Offset of the refcount table, from the header. */
uint64_t crash_reftable(struct memio *m);

/* Host clusters that must keep what they hold. */
struct crash_shared;
/* Makes everything that is mapped shared, when the shape says so; NULL otherwise. */
struct crash_shared *crash_share(struct memio *m, const struct crash_shape *s);
bool crash_shared_intact(const struct crash_shared *s, struct memio *m);
void crash_shared_free(struct crash_shared *s);

#endif
