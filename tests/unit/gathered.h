/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image with full zones that is compacted, and what its zones must hold at every moment.
 */
#ifndef ZQ_TESTS_GATHERED_H
#define ZQ_TESTS_GATHERED_H

#include "crash_disk.h"
#include "qimage.h"

#define GATHER_MAX  64u
#define GATHER_ZONE 65536u

struct gathered {
	struct qimage q;
	uint32_t nr;		     /* zones that are filled */
	unsigned age[GATHER_MAX];    /* of the content; one more with each reset */
	bool may_differ[GATHER_MAX]; /* the one before is as good */
	uint64_t rng;
	unsigned states;
};

/* Before gathered_create: parameters of the image, nr zones. */
void gathered_init(struct gathered *g, unsigned cluster_bits, uint8_t compression, uint32_t nr);
/* All zones are filled, some of the first ten reset, and the image is open. */
void gathered_create(struct gathered *g);
void gathered_fill(struct gathered *g, uint32_t zone);
/* All zones whose pointer is at their end hold what they should, the others nothing. */
void gathered_expect(struct gathered *g, struct qcow2_image *img, const char *when);
/* Compresses what a full zone has; nothing after an error. */
void gathered_repack(struct gathered *g, struct qcow2_packer *p, uint32_t zone, int *rc);
/* As zq_compact does it; the first error ends it. */
int gathered_compact(struct gathered *g, bool compress);

/* For crash_each_state, data is the struct gathered. */
uint64_t gathered_rng(void *data);
void gathered_look(void *data, const struct crash_disk *left, size_t at, unsigned variant);

#endif
