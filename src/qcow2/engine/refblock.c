/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making refcount blocks and a larger refcount table. One thread at a time does that
 * (reftable_busy), since it drops the lock to ask the host for room. What can fail comes
 * first; then all is entered in one critical section, so that no commit sees a part of it.
 */
#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/backlog.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/refblock.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/engine/space.h"
#include "util/math.h"

#define NEW_BLOCK (MDCACHE_REFBLOCK | MDCACHE_FRESH | MDCACHE_WRITE)

static bool block_exists(const struct qcow2_image *img, uint64_t index)
{
	return index < img->reftable.nr && img->reftable.word[index];
}

/* Notes that clusters hold metadata from now on. */
static void note_used(struct qcow2_image *img, const struct qcow2_run *run)
{
	space_note_used(img, run);
	img->file_end = max_u64(img->file_end, (run->start + run->count) << img->cluster_bits);
}

/* ---- one block --------------------------------------------------------------------------- */

static int make_block(struct qcow2_image *img, uint64_t index, uint64_t cluster)
{
	uint64_t off = cluster << img->cluster_bits;
	struct qcow2_run run = { cluster, 1 };
	struct md_slice *s;
	int rc;

	/* once it is entered every commit needs it: a host without room must show now */
	image_unlock(img);
	rc = image_make_room_for_table(img, &img->reftable, index, off);
	image_lock(img);
	if (rc < 0)
		return rc;
	mdcache_forget(&img->cache, off, img->cluster_size);
	rc = mdcache_pin(&img->cache, refcount_slice_place(img, off, cluster), NEW_BLOCK, &s);
	if (rc < 0)
		return rc;
	table_set(&img->reftable, index, off, true);
	refcount_set(img, s, cluster, 1);
	mdcache_unpin(&img->cache, s);
	note_used(img, &run);
	return 0;
}

/* ---- a larger table ---------------------------------------------------------------------- */

/* A larger table and, behind it, the blocks that have to count all this and do not exist. */
struct growth {
	uint64_t nr;		 /* entries of the new table */
	uint64_t clusters;	 /* of the table alone */
	struct qcow2_run run;	 /* table and blocks, claimed */
	struct md_slice **slice; /* pinned: the counts of the run */
	size_t nr_slices;
};

/* Entries of a table for at least "need" blocks and those of its own; 0: too large. */
static uint64_t larger_table(const struct qcow2_image *img, uint64_t need)
{
	uint64_t per_cluster = img->cluster_size / 8;
	/* half as much again, so that it does not grow often */
	uint64_t nr = div_up(need + need / 2 + 8, per_cluster) * per_cluster;

	if (nr * 8 > QCOW2_MAX_REFTABLE_BYTES)
		nr = div_up(need + 2, per_cluster) * per_cluster;
	return nr * 8 > QCOW2_MAX_REFTABLE_BYTES ? 0 : nr;
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
static uint64_t growth_size(const struct qcow2_image *img, const struct growth *g, uint64_t start)
{
	struct qcow2_run run = { start, g->clusters };

	for (;;) {
		uint64_t count = g->clusters + missing_blocks(img, &run);

		if (count == run.count)
			return count;
		run.count = count;
	}
}

/*
 * Claims a free run that is large enough, the first one there is. What has been found of it is
 * claimed while the search goes on, so nobody takes it when the lock is dropped.
 */
static int claim_run(struct qcow2_image *img, struct growth *g)
{
	uint64_t cluster = space_start(img).cluster;

	for (;;) {
		const struct qcow2_run have = *space_claim(img, SPACE_CLAIM_TABLE);
		uint64_t need = growth_size(img, g, have.count ? have.start : cluster);
		uint64_t at = cluster;
		struct qcow2_run run;
		bool counted;
		int rc;

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
	g->run = *space_claim(img, SPACE_CLAIM_TABLE);
	if ((g->run.start + g->run.count - 1) >> img->refblock_bits >= g->nr)
		return -ENOSPC;
	return space_check_unused(img, &g->run);
}

/* Offset of the new block with this index: they follow the table in their order. */
static uint64_t new_block_place(const struct qcow2_image *img, const struct growth *g,
				uint64_t index)
{
	uint64_t cluster = g->run.start + g->clusters;

	for (uint64_t i = g->run.start >> img->refblock_bits; i < index; i++)
		cluster += !block_exists(img, i);
	return cluster << img->cluster_bits;
}

/* Pins all counts of the run, those in blocks that do not exist yet as well. */
static int pin_counts(struct qcow2_image *img, struct growth *g)
{
	uint64_t c = g->run.start, end = c + g->run.count;

	g->slice = calloc((size_t)g->run.count, sizeof(struct md_slice *));
	if (!g->slice)
		return -ENOMEM;
	for (; c < end; c += refcount_slice_left(img, c)) {
		uint64_t index = c >> img->refblock_bits;
		struct md_slice **s = &g->slice[g->nr_slices];
		int rc;

		if (block_exists(img, index))
			rc = refcount_pin(img, c, true, s);
		else
			rc = mdcache_pin(
				&img->cache,
				refcount_slice_place(img, new_block_place(img, g, index), c),
				NEW_BLOCK, s);
		if (rc < 0)
			return rc;
		g->nr_slices++;
	}
	return 0;
}

/* Everything that can fail. */
static int prepare_growth(struct qcow2_image *img, struct growth *g)
{
	uint64_t off, len;
	int rc = claim_run(img, g);

	if (rc < 0)
		return rc;
	off = g->run.start << img->cluster_bits;
	len = g->run.count << img->cluster_bits;
	image_unlock(img);
	rc = image_make_room(img, off, len);
	image_lock(img);
	if (rc < 0)
		return rc;
	mdcache_forget(&img->cache, off, len);
	rc = pin_counts(img, g);
	return rc < 0 ? rc : table_grow(&img->reftable, g->nr);
}

/* Enters what has been prepared, in one piece. Nothing here fails. */
static void enter_growth(struct qcow2_image *img, const struct growth *g, uint64_t old_nr)
{
	struct qcow2_table *t = &img->reftable;
	uint64_t c = g->run.start, end = c + g->run.count, old_offset = t->offset;
	uint64_t place = (c + g->clusters) << img->cluster_bits;

	for (size_t i = 0; i < g->nr_slices; i++)
		for (uint64_t n = refcount_slice_left(img, c); n && c < end; n--, c++)
			refcount_set(img, g->slice[i], c, 1);
	for (uint64_t i = g->run.start >> img->refblock_bits; i <= (end - 1) >> img->refblock_bits;
	     i++) {
		if (block_exists(img, i))
			continue;
		table_set(t, i, place, true);
		place += img->cluster_size;
	}
	t->offset = g->run.start << img->cluster_bits;
	img->reftable_moved = true;
	note_used(img, &g->run);
	backlog_let_go(img, old_offset >> img->cluster_bits, (old_nr * 8) >> img->cluster_bits);
}

/*
 * Replaces the refcount table by a larger one. In memory it is at once as large; the next
 * commit writes it whole, and then the header. Only then is the old one let go.
 */
static int grow_table(struct qcow2_image *img, uint64_t need)
{
	uint64_t old_nr = img->reftable.nr;
	struct growth g = { .nr = larger_table(img, need) };
	int rc;

	if (!g.nr)
		return -ENOSPC;
	g.clusters = (g.nr * 8) >> img->cluster_bits;
	rc = prepare_growth(img, &g);
	if (rc == 0)
		enter_growth(img, &g, old_nr);
	for (size_t i = 0; i < g.nr_slices; i++)
		mdcache_unpin(&img->cache, g.slice[i]);
	if (rc < 0 && g.nr_slices) /* new blocks that will never be */
		mdcache_forget(&img->cache, g.run.start << img->cluster_bits,
			       g.run.count << img->cluster_bits);
	free(g.slice);
	space_drop_claim(img, SPACE_CLAIM_TABLE);
	return rc;
}

/* ---- whoever needs one -------------------------------------------------------------------- */

int refblock_make(struct qcow2_image *img, uint64_t cluster)
{
	uint64_t index = cluster >> img->refblock_bits;
	int rc;

	if (img->reftable_busy) { /* this may have been done when it is our turn */
		while (img->reftable_busy)
			pthread_cond_wait(&img->cond, &img->lock);
		return 0;
	}
	if (cluster > (QCOW2_OFFSET_MASK >> img->cluster_bits) - 1)
		return -ENOSPC;
	img->reftable_busy = true;
	if (index >= img->reftable.nr)
		rc = grow_table(img, index + 1);
	else
		rc = make_block(img, index, cluster);
	img->reftable_busy = false;
	pthread_cond_broadcast(&img->cond);
	return rc;
}
