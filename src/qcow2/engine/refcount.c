/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refcounts: the blocks that exist, slice by slice through the metadata cache. Everything here
 * holds the image's lock. refblock.c makes blocks, and alloc.c decides which cluster is used.
 */
#include <assert.h>
#include <errno.h>

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
static unsigned count_bits(const struct qcow2_image *img)
{
	return img->slice_bits + 3 - order(img);
}

uint64_t refcount_slice_left(const struct qcow2_image *img, uint64_t cluster)
{
	uint64_t per_slice = UINT64_C(1) << count_bits(img);

	return per_slice - (cluster & (per_slice - 1));
}

/* Number of the cluster's count in its slice. */
static uint64_t index_in_slice(const struct qcow2_image *img, uint64_t cluster)
{
	return cluster & ((UINT64_C(1) << count_bits(img)) - 1);
}

uint64_t refcount_get(const struct qcow2_image *img, const struct md_slice *s, uint64_t cluster)
{
	return refbits_get(s->data, index_in_slice(img, cluster), order(img));
}

void refcount_set(struct qcow2_image *img, struct md_slice *s, uint64_t cluster, uint64_t value)
{
	assert(value <= refcount_max(img));
	refbits_put(s->data, index_in_slice(img, cluster), order(img), value);
	mdcache_set_dirty(&img->cache, s);
}

bool refcount_drop(struct qcow2_image *img, struct md_slice *s, uint64_t cluster)
{
	uint64_t count = refcount_get(img, s, cluster);

	if (count)
		refcount_set(img, s, cluster, count - 1);
	return count;
}

uint64_t refcount_slice_place(const struct qcow2_image *img, uint64_t block, uint64_t cluster)
{
	uint64_t in_block = cluster & ((UINT64_C(1) << img->refblock_bits) - 1);

	return block + (in_block >> count_bits(img) << img->slice_bits);
}

/* Does something else lie where the block lies? */
static bool block_is_shared(const struct qcow2_image *img, uint64_t off)
{
	return image_is_fixed_meta(img, off, img->cluster_size) || table_refers_to(&img->l1, off) ||
	       table_refers_to(&img->reftable, off) > 1;
}

int refcount_pin(struct qcow2_image *img, uint64_t cluster, bool write, struct md_slice **s)
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
	    off >= img->file_end || block_is_shared(img, off)) {
		image_log(img, "refcount table entry %llu is damaged (0x%llx)",
			  (unsigned long long)index, (unsigned long long)word);
		return -EUCLEAN;
	}
	return mdcache_pin(&img->cache, refcount_slice_place(img, off, cluster),
			   MDCACHE_REFBLOCK | (write ? MDCACHE_WRITE : 0u) |
				   (table_is_fresh(&img->reftable, index) ? MDCACHE_FRESH : 0u),
			   s);
}
