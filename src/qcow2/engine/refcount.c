/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refcounts: the table in memory, the blocks slice by slice through the metadata cache.
 * Everything here holds the image's lock. Never decides which cluster is used: alloc.c does.
 */
#include <errno.h>
#include <string.h>

#include "qcow2/engine/alloc.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/format/refbits.h"
#include "util/bytes.h"
#include "util/math.h"

static unsigned order(const struct qcow2_image *img)
{
	return img->hdr.refcount_order;
}

uint64_t refcount_max(const struct qcow2_image *img)
{
	return refbits_max(order(img));
}

/* log2 of the number of counts in a slice */
static unsigned slice_bits(const struct qcow2_image *img)
{
	unsigned bits = 0;

	while ((UINT64_C(1) << bits) < img->slice_size)
		bits++;
	return bits + 3 - order(img);
}

uint64_t refcount_slice_left(const struct qcow2_image *img, uint64_t cluster)
{
	uint64_t per_slice = UINT64_C(1) << slice_bits(img);

	return per_slice - (cluster & (per_slice - 1));
}

/* Number of the cluster's count in its slice. */
static uint64_t index_in_slice(const struct qcow2_image *img, uint64_t cluster)
{
	return cluster & ((UINT64_C(1) << slice_bits(img)) - 1);
}

uint64_t refcount_get(const struct qcow2_image *img, const struct md_slice *s, uint64_t cluster)
{
	return refbits_get(s->data, index_in_slice(img, cluster), order(img));
}

void refcount_set(struct qcow2_image *img, struct md_slice *s, uint64_t cluster, uint64_t value)
{
	refbits_put(s->data, index_in_slice(img, cluster), order(img), value);
	mdcache_set_dirty(&img->cache, s);
}

/* Pins the slice of a block that exists. */
static int pin_in_block(struct qcow2_image *img, uint64_t cluster, struct md_slice **s)
{
	uint64_t index = cluster >> img->refblock_bits;
	uint64_t in_block = cluster & ((UINT64_C(1) << img->refblock_bits) - 1);
	uint64_t byte = in_block >> slice_bits(img) << (slice_bits(img) + order(img)) >> 3;

	return mdcache_pin(&img->cache,
			   (img->reftable.word[index] & ~QCOW2_REFTABLE_RESERVED) + byte, true,
			   table_is_fresh(&img->reftable, index), s);
}

int refcount_pin(struct qcow2_image *img, uint64_t cluster, struct md_slice **s)
{
	uint64_t index = cluster >> img->refblock_bits;
	uint64_t word, off;

	*s = NULL;
	if (index >= img->reftable.nr)
		return 0;
	word = img->reftable.word[index];
	off = word & ~QCOW2_REFTABLE_RESERVED;
	if (!word)
		return 0;
	if ((word & QCOW2_REFTABLE_RESERVED) || !off || !is_aligned(off, img->cluster_size) ||
	    off >= img->file_end || image_is_fixed_meta(img, off, img->cluster_size)) {
		image_log(img, "refcount table entry %llu is damaged (0x%llx)",
			  (unsigned long long)index, (unsigned long long)word);
		return -EIO;
	}
	return pin_in_block(img, cluster, s);
}

/* ---- new blocks ------------------------------------------------------------------------------ */

/* Enters a block that lies in the given cluster for the range that it is the block of. */
static int link_block(struct qcow2_image *img, uint64_t index, uint64_t cluster)
{
	uint64_t off = cluster << img->cluster_bits;

	int rc;

	if (off >> img->cluster_bits != cluster || off > INT64_MAX - img->cluster_size)
		return -ENOSPC;
	/* once it is entered every commit needs it: a host without room must show now */
	rc = image_reserve_table(img, &img->reftable, index, off);
	if (rc < 0)
		return rc;
	mdcache_forget(&img->cache, off, img->cluster_size);
	table_set(&img->reftable, index, off, true);
	img->file_end = max_u64(img->file_end, off + img->cluster_size);
	alloc_note_used(img, cluster);
	return 0;
}

/* Sets a count to 1, in a block that exists. */
static int count_one(struct qcow2_image *img, uint64_t cluster)
{
	struct md_slice *s;
	int rc = pin_in_block(img, cluster, &s);

	if (rc < 0)
		return rc;
	refcount_set(img, s, cluster, 1);
	mdcache_unpin(&img->cache, s);
	return 0;
}

/* Counts a cluster at the end of the file; blocks that are missing there go behind it. */
static int count_at_end(struct qcow2_image *img, uint64_t cluster)
{
	uint64_t index = cluster >> img->refblock_bits, at;
	int rc;

	if (!img->reftable.word[index]) {
		rc = alloc_take_end(img, 1, &at);
		if (rc < 0)
			return rc;
		if (at >> img->refblock_bits >= img->reftable.nr)
			return -ENOSPC; /* the table was made large enough for that */
		rc = link_block(img, index, at);
		if (rc < 0)
			return rc;
		rc = count_at_end(img, at); /* in this block or in the next one: ends */
		if (rc < 0)
			return rc;
	}
	return count_one(img, cluster);
}

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

/*
 * Replaces the refcount table by a larger one at the end of the file. In memory it is at
 * once as large; the next commit writes it whole, and then the header. Only then is the old
 * one let go. Table and new blocks lie where no block was before: nothing has to be read,
 * so the lock is held throughout and no commit sees a part of it. Spec: "refcount table".
 */
static int grow_table(struct qcow2_image *img, uint64_t need)
{
	struct qcow2_table *t = &img->reftable;
	uint64_t old_nr = t->nr, old_offset = t->offset;
	uint64_t nr = larger_table(img, need), clusters = (nr * 8) >> img->cluster_bits, start;
	bool was_moved = img->reftable_moved;
	int rc;

	if (!nr)
		return -ENOSPC;
	alloc_note_used(img, (old_nr << img->refblock_bits) - 1);
	rc = alloc_take_end(img, clusters, &start);
	if (rc < 0)
		return rc;
	if ((start + 2 * clusters) >> img->refblock_bits >= nr)
		return -ENOSPC;
	rc = image_reserve(img, start << img->cluster_bits, clusters << img->cluster_bits);
	if (rc < 0)
		return rc;
	rc = table_grow(t, nr);
	if (rc < 0)
		return rc;
	t->offset = start << img->cluster_bits;
	img->reftable_moved = true;
	for (uint64_t c = 0; c < clusters && rc == 0; c++)
		rc = count_at_end(img, start + c);
	if (rc < 0) { /* no memory or no room: the old table is still good */
		t->nr = old_nr;
		t->offset = old_offset;
		img->reftable_moved = was_moved;
		return rc;
	}
	runs_add(&img->let_go, old_offset >> img->cluster_bits, (old_nr * 8) >> img->cluster_bits);
	return 0;
}

int refcount_make_block(struct qcow2_image *img, uint64_t cluster)
{
	uint64_t index = cluster >> img->refblock_bits;
	int rc;

	if (index >= img->reftable.nr) {
		rc = grow_table(img, index + 1);
		if (rc < 0)
			return rc;
		/* the new table may have taken the cluster, or made its block */
		if (img->reftable.word[index])
			return 0;
	}
	rc = link_block(img, index, cluster);
	if (rc < 0)
		return rc;
	rc = count_one(img, cluster);
	if (rc < 0) /* no memory: there is no block yet */
		table_set(&img->reftable, index, 0, false);
	return rc;
}
