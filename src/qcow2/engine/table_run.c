/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room for tables of several clusters. Owns the one claim that is not a stream's. What can fail
 * comes first; then all is entered in one critical section, so that no commit sees a part of it.
 */
#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/hostio.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/engine/space.h"
#include "qcow2/engine/table_run.h"
#include "util/math.h"

#define NEW_BLOCK (MDCACHE_REFBLOCK | MDCACHE_FRESH | MDCACHE_WRITE)

void table_run_note_used(struct qcow2_image *img, const struct qcow2_run *run)
{
	space_note_used(img, run);
	img->file_end = max_u64(img->file_end, (run->start + run->count) << img->cluster_bits);
}

static bool block_exists(const struct qcow2_image *img, uint64_t index)
{
	return index < img->reftable.nr && img->reftable.word[index];
}

/* How many of the clusters' blocks do not exist. */
static uint64_t missing_blocks(const struct qcow2_image *img, const struct qcow2_run *run)
{
	uint64_t last = (run->start + run->count - 1) >> img->refblock_bits, n = 0;

	for (uint64_t i = run->start >> img->refblock_bits; i <= last; i++)
		n += !block_exists(img, i);
	return n;
}

/* Clusters for the table and for the blocks that are missing, if all begins at start. */
static uint64_t run_size(const struct qcow2_image *img, const struct table_run *r, uint64_t start)
{
	struct qcow2_run run = { start, r->clusters };

	for (;;) {
		uint64_t count = r->clusters + missing_blocks(img, &run);

		if (count == run.count)
			return count;
		run.count = count;
	}
}

/*
 * Claims a free run that is large enough, the first one there is. What has been found of it is
 * claimed while the search goes on, so nobody takes it when the lock is dropped. r->run stays empty
 * where none begins before the limit, or where the refcount table ends before the run does.
 */
static int claim_run(struct qcow2_image *img, struct table_run *r, uint64_t limit)
{
	uint64_t cluster = space_start(img).cluster;
	struct qcow2_run found;

	for (;;) {
		const struct qcow2_run have = *space_claim(img, SPACE_CLAIM_TABLE);
		uint64_t need = run_size(img, r, have.count ? have.start : cluster);
		uint64_t at = cluster;
		struct qcow2_run run;
		bool counted;
		int rc;

		if ((have.count ? have.start : cluster) >= limit)
			return 0;
		if (have.count >= need)
			break;
		rc = space_look(img, &cluster, need - have.count, &run, &counted);
		if (rc < 0)
			return rc;
		if (run.count && have.count && run.start == at)
			run = (struct qcow2_run){ have.start, have.count + run.count };
		else
			space_drop_claim(img, SPACE_CLAIM_TABLE);
		space_set_claim(img, SPACE_CLAIM_TABLE, run);
	}
	found = *space_claim(img, SPACE_CLAIM_TABLE);
	if ((found.start + found.count - 1) >> img->refblock_bits >= r->max_blocks)
		return 0;
	r->run = found;
	return space_check_unused(img, &r->run);
}

/* Offset of the new block with this index: they follow the table in their order. */
static uint64_t new_block_place(const struct qcow2_image *img, const struct table_run *r,
				uint64_t index)
{
	uint64_t cluster = r->run.start + r->clusters;

	for (uint64_t i = r->run.start >> img->refblock_bits; i < index; i++)
		cluster += !block_exists(img, i);
	return cluster << img->cluster_bits;
}

/* Pins all counts of the run, those in blocks that do not exist yet as well. */
static int pin_counts(struct qcow2_image *img, struct table_run *r)
{
	uint64_t c = r->run.start, end = c + r->run.count;

	r->slice = calloc((size_t)r->run.count, sizeof(struct md_slice *));
	if (!r->slice)
		return -ENOMEM;
	for (; c < end; c += refcount_slice_left(img, c)) {
		uint64_t index = c >> img->refblock_bits;
		struct md_slice **s = &r->slice[r->nr_slices];
		int rc;

		if (block_exists(img, index))
			rc = refcount_pin(img, c, true, s);
		else
			rc = mdcache_pin(
				&img->cache,
				refcount_slice_place(img, new_block_place(img, r, index), c),
				NEW_BLOCK, s);
		if (rc < 0)
			return rc;
		r->nr_slices++;
	}
	return 0;
}

int table_run_prepare(struct qcow2_image *img, struct table_run *r, uint64_t limit)
{
	uint64_t off, len;
	int rc;

	r->run.count = r->nr_slices = 0;
	r->slice = NULL;
	rc = claim_run(img, r, limit);
	if (rc < 0 || !r->run.count)
		return rc;
	off = r->run.start << img->cluster_bits;
	len = r->run.count << img->cluster_bits;
	image_unlock(img);
	rc = image_make_room(img, off, len);
	image_lock(img);
	if (rc < 0)
		return rc;
	mdcache_forget(&img->cache, off, len);
	return pin_counts(img, r);
}

void table_run_enter(struct qcow2_image *img, const struct table_run *r)
{
	uint64_t c = r->run.start, end = c + r->run.count;
	uint64_t place = (c + r->clusters) << img->cluster_bits;

	for (size_t i = 0; i < r->nr_slices; i++)
		for (uint64_t n = refcount_slice_left(img, c); n && c < end; n--, c++)
			refcount_set(img, r->slice[i], c, 1);
	for (uint64_t i = r->run.start >> img->refblock_bits; i <= (end - 1) >> img->refblock_bits;
	     i++) {
		if (block_exists(img, i))
			continue;
		table_set(&img->reftable, i, place, true);
		place += img->cluster_size;
	}
	table_run_note_used(img, &r->run);
}

void table_run_end(struct qcow2_image *img, struct table_run *r, bool entered)
{
	for (size_t i = 0; i < r->nr_slices; i++)
		mdcache_unpin(&img->cache, r->slice[i]);
	if (!entered && r->nr_slices) /* new blocks that will never be */
		mdcache_forget(&img->cache, r->run.start << img->cluster_bits,
			       r->run.count << img->cluster_bits);
	free(r->slice);
	space_drop_claim(img, SPACE_CLAIM_TABLE);
}
