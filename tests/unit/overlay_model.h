/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An overlay on its base, both in memory, and a flat model of the disk that they show. Works
 * through the engine, with the order that zone/ keeps.
 */
#ifndef ZQ_TESTS_OVERLAY_MODEL_H
#define ZQ_TESTS_OVERLAY_MODEL_H

#include "memio.h"
#include "qcow2/create/create.h"
#include "qcow2/qcow2.h"

#define OVERLAY_ZONES 6u /* the first is conventional, the last one short */
#define OVERLAY_ZONE  UINT64_C(65536)
#define OVERLAY_CAP   UINT64_C(49152)
#define OVERLAY_SIZE  (OVERLAY_ZONES * OVERLAY_ZONE - 32768)

struct overlay_half {
	unsigned cluster_bits, refcount_order;
	bool extended_l2;
	const char *layout;
};

struct overlay_shape {
	const char *name;
	struct overlay_half base, over;
	bool no_punch, no_identity, packed; /* packed: the overlay compresses */
};

extern const struct overlay_shape overlay_shapes[];
extern const size_t overlay_nr_shapes;

struct overlay_model {
	uint8_t disk[OVERLAY_SIZE];
	uint64_t written[OVERLAY_ZONES]; /* bytes from the zone's start */
};

/* An empty base, and a new overlay of what the base is now. */
struct memio *overlay_make_base(const struct overlay_shape *s);
struct memio *overlay_make(const struct overlay_shape *s, struct memio *base);

/* Opens the overlay with its base, or an image alone (base NULL). Both are open for writing with
 * down, the overlay with writable. What qcow2_open returns. */
int overlay_try_open(struct memio *over, struct memio *base, bool writable, bool down,
		     struct qcow2_image **img);
struct qcow2_image *overlay_open(struct memio *over, struct memio *base, bool writable, bool down);

/* Does something at random to the image and to the model. */
void overlay_work(const struct overlay_shape *s, struct qcow2_image *img, struct overlay_model *m,
		  uint64_t *rng, unsigned operations);

/* Fails the test where the image shows another disk; what says when. */
void overlay_expect(struct qcow2_image *img, const struct overlay_model *m, const char *what);

#endif
