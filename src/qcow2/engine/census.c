/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting the host clusters that are in use, block by block. Reads counts and changes nothing;
 * holds the lock, which reading a block drops.
 */
#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/census.h"
#include "qcow2/engine/refcount.h"
#include "util/math.h"

/* Clusters in use of those that one slice counts, [from, to). */
static void count_slice(struct qcow2_image *img, const struct md_slice *s, uint64_t from,
			uint64_t to, struct census *c, uint64_t *in_block)
{
	for (uint64_t n = from; n < to; n++) {
		if (!refcount_get(img, s, n))
			continue;
		c->used++;
		c->end = n + 1;
		++*in_block;
	}
}

static int count_block(struct qcow2_image *img, uint64_t index, uint64_t end, struct census *c,
		       uint64_t *in_block)
{
	uint64_t from = index << img->refblock_bits;

	end = min_u64(end, from + (UINT64_C(1) << img->refblock_bits));
	*in_block = 0;
	while (from < end) {
		uint64_t to = min_u64(end, from + refcount_slice_left(img, from));
		struct md_slice *s;
		int rc = refcount_pin(img, from, false, &s);

		if (rc < 0)
			return rc;
		if (s) {
			count_slice(img, s, from, to, c, in_block);
			mdcache_unpin(&img->cache, s);
		}
		from = to;
	}
	return 0;
}

/* Does the block of that number lie among the clusters that it counts? */
static bool counts_itself(const struct qcow2_image *img, uint64_t index)
{
	uint64_t cluster = img->reftable.word[index] >> img->cluster_bits;

	return cluster >> img->refblock_bits == index;
}

int census_take(struct qcow2_image *img, struct census *c)
{
	uint64_t end = div_up(img->file_end, img->cluster_size), in_block;
	uint64_t blocks = min_u64(img->reftable.nr, div_up(end, UINT64_C(1) << img->refblock_bits));

	*c = (struct census){ .nr_blocks = blocks };
	c->idle = calloc(blocks ? (size_t)blocks : 1, 1);
	if (!c->idle)
		return -ENOMEM;
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t last = c->end;
		int rc = img->reftable.word[i] ? count_block(img, i, end, c, &in_block) : 0;

		if (rc < 0) {
			free(c->idle);
			return rc;
		}
		if (!img->reftable.word[i] || in_block > counts_itself(img, i))
			continue;
		/* what it counts is at most itself: without it nothing is in use there */
		c->idle[i] = 1;
		c->used -= in_block;
		c->end = last;
	}
	return 0;
}
