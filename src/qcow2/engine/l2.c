/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L1 and L2 tables. Owns the L1 table in memory; L2 tables are seen slice by slice through
 * the metadata cache. Everything here holds the image's lock. Never touches guest data.
 */
#include <errno.h>

#include "qcow2/engine/alloc.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/format/descriptor.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/l2.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/tables/table.h"
#include "util/apart.h"
#include "util/bytes.h"
#include "util/math.h"

/* ---- entries ----------------------------------------------------------------------------- */

/* Compares with all metadata, and remembers a cluster that lies on none. */
APART static bool search_meta(struct qcow2_image *img, uint64_t host)
{
	if (image_is_meta(img, host, img->cluster_size))
		return true;
	img->known.data = host;
	img->known.data_at = image_table_changes(img);
	return false;
}

/* Whoever goes through a zone asks for the same cluster again and again. */
static bool lies_on_meta(struct qcow2_image *img, uint64_t host)
{
	const struct qcow2_known *k = &img->known;

	if (host == k->data && k->data_at == image_table_changes(img))
		return false;
	return search_meta(img, host);
}

/* Is the host offset one that data may have? */
static bool host_is_sane(struct qcow2_image *img, uint64_t guest, uint64_t host)
{
	if (!is_aligned(host, img->cluster_size))
		return false;
	if (img->has_data_file)
		return host == guest;
	return host < img->file_end && !lies_on_meta(img, host);
}

static enum l2_kind standard_kind(const struct qcow2_image *img, struct l2_entry e)
{
	bool host = l2_has_host(img, e);

	if (e.desc & QCOW2_ZERO)
		return host ? L2_ZERO_ALLOCATED : L2_ZERO;
	return host ? L2_DATA : L2_UNALLOCATED;
}

static enum l2_kind extended_kind(const struct qcow2_image *img, struct l2_entry e, unsigned sub)
{
	bool host = l2_has_host(img, e);
	bool allocated = e.bitmap >> sub & 1;
	bool zero = e.bitmap >> (QCOW2_SUBCLUSTERS + sub) & 1;

	if ((e.desc & QCOW2_ZERO) || (allocated && zero) || (allocated && !host))
		return L2_BAD;
	if (zero)
		return host ? L2_ZERO_ALLOCATED : L2_ZERO;
	return allocated ? L2_DATA : L2_UNALLOCATED;
}

bool l2_overlaps(const struct qcow2_image *img, struct l2_entry e, uint64_t *host)
{
	uint64_t len = img->cluster_size;

	if (img->has_data_file)
		return false;
	if (e.desc & QCOW2_COMPRESSED)
		descriptor_extent(img->cluster_bits, e.desc, host, &len);
	else
		*host = l2_host(e);
	return *host && image_is_meta(img, *host, len);
}

APART static enum l2_kind compressed_kind(const struct qcow2_image *img, struct l2_entry e)
{
	uint64_t off, len;

	if (img->has_data_file)
		return L2_BAD;
	descriptor_extent(img->cluster_bits, e.desc, &off, &len);
	if (off < img->cluster_size || off >= img->file_end || image_is_meta(img, off, len))
		return L2_BAD;
	return L2_COMPRESSED;
}

enum l2_kind l2_kind(struct qcow2_image *img, uint64_t guest, struct l2_entry e, unsigned sub)
{
	if (e.desc & QCOW2_COMPRESSED)
		return compressed_kind(img, e);
	if (e.desc & QCOW2_L2_RESERVED)
		return L2_BAD;
	if (l2_has_host(img, e) && !host_is_sane(img, guest, l2_host(e)))
		return L2_BAD;
	return img->ext_l2 ? extended_kind(img, e, sub) : standard_kind(img, e);
}

void l2_set(struct qcow2_image *img, struct l2_ref *ref, unsigned index, struct l2_entry e)
{
	uint8_t *p = ref->slice->data + ((size_t)index << img->l2_entry_bits);

	put_be64(p, e.desc);
	if (img->ext_l2)
		put_be64(p + 8, e.bitmap);
	mdcache_set_dirty(&img->cache, ref->slice);
}

void l2_let_go(struct qcow2_image *img, struct l2_entry e)
{
	uint64_t off, len = img->cluster_size;

	if (img->has_data_file)
		return;
	if (e.desc & QCOW2_COMPRESSED)
		descriptor_extent(img->cluster_bits, e.desc, &off, &len);
	else if (l2_has_host(img, e))
		off = l2_host(e);
	else
		return;
	backlog_let_go(img, off >> img->cluster_bits,
		       ((off + len - 1) >> img->cluster_bits) - (off >> img->cluster_bits) + 1);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Does something else lie where the table lies? To read a table that two entries lead to does no
 * harm; to change it, for the one, changes it for the other. */
static bool table_is_shared(const struct qcow2_image *img, uint64_t word, bool write)
{
	uint64_t off = word & QCOW2_OFFSET_MASK;

	return image_is_fixed_meta(img, off, img->cluster_size) ||
	       table_refers_to(&img->reftable, off) ||
	       (write && (word & QCOW2_COPIED) && table_refers_to(&img->l1, off) > 1);
}

static bool table_is_sound(const struct qcow2_image *img, uint64_t word, bool write)
{
	uint64_t off = word & QCOW2_OFFSET_MASK;

	return !(word & QCOW2_L1_RESERVED) && is_aligned(off, img->cluster_size) &&
	       off < img->file_end && !table_is_shared(img, word, write);
}

/* The same of what a request needs, nearly always the table that the last one needed. */
static bool table_is_usable(struct qcow2_image *img, uint64_t word, bool write)
{
	struct qcow2_known *k = &img->known;

	if (word == k->table && k->table_at == image_table_changes(img) && (k->for_write || !write))
		return true;
	if (!table_is_sound(img, word, write))
		return false;
	k->table = word;
	k->table_at = image_table_changes(img);
	k->for_write = write;
	return true;
}

static int damaged_table(struct qcow2_image *img, uint64_t l1_index, uint64_t word, bool write)
{
	if (write && table_is_shared(img, word, true))
		image_note_overlap(img, "the L2 table", word & QCOW2_OFFSET_MASK);
	else
		image_log(img, "L1 entry %llu is damaged (0x%llx)", (unsigned long long)l1_index,
			  (unsigned long long)word);
	return -EUCLEAN;
}

/* Does the L1 entry point to a table that nobody else refers to? */
static bool is_ours(uint64_t word)
{
	return (word & QCOW2_COPIED) && (word & QCOW2_OFFSET_MASK);
}

/*
 * Gives the L1 entry a table of its own. A new table is "fresh": the next commit zeroes its
 * cluster. A copied one is not: all of its slices are dirty and marked as unlinked, so that
 * a commit writes all of it before the L1 entry points there.
 */
static int make_table(struct qcow2_image *img, uint64_t l1_index)
{
	uint64_t old = img->l1.word[l1_index];
	struct qcow2_run run;
	bool fresh;
	int rc;

	rc = alloc_take(img, ALLOC_STREAM_META, 1, &run, &fresh);
	if (rc < 0)
		return rc;
	/* as for refcount blocks: no commit may depend on room that the host does not have */
	image_unlock(img);
	rc = image_make_room_for_table(img, &img->l1, l1_index, run.start << img->cluster_bits);
	image_lock(img);
	if (rc < 0) {
		alloc_give_back(img, &run);
		return rc;
	}
	mdcache_forget(&img->cache, run.start << img->cluster_bits, img->cluster_size);
	if (old & QCOW2_OFFSET_MASK) {
		rc = mdcache_copy(&img->cache, old & QCOW2_OFFSET_MASK,
				  run.start << img->cluster_bits, img->cluster_size, 0);
		if (rc < 0) {
			mdcache_forget(&img->cache, run.start << img->cluster_bits,
				       img->cluster_size);
			/* a running commit may write there yet: free for the one after it */
			backlog_let_go(img, run.start, 1);
			return rc;
		}
		backlog_let_go(img, (old & QCOW2_OFFSET_MASK) >> img->cluster_bits, 1);
	}
	table_set(&img->l1, l1_index, run.start << img->cluster_bits | QCOW2_COPIED,
		  !(old & QCOW2_OFFSET_MASK));
	return 0;
}

/* One table is made at a time: it drops the lock, and two must not make the same. */
static int own_table(struct qcow2_image *img, uint64_t l1_index)
{
	int rc = 0;

	while (img->table_busy)
		pthread_cond_wait(&img->cond, &img->lock);
	if (!is_ours(img->l1.word[l1_index])) {
		img->table_busy = true;
		rc = make_table(img, l1_index);
		img->table_busy = false;
		pthread_cond_broadcast(&img->cond);
	}
	return rc;
}

int l2_copy_table(struct qcow2_image *img, uint64_t l1_index)
{
	int rc;

	while (img->table_busy)
		pthread_cond_wait(&img->cond, &img->lock);
	img->table_busy = true;
	rc = make_table(img, l1_index);
	img->table_busy = false;
	pthread_cond_broadcast(&img->cond);
	return rc;
}

int l2_pin(struct qcow2_image *img, uint64_t off, bool write, struct l2_ref *ref)
{
	uint64_t cluster = off >> img->cluster_bits;
	uint64_t l1_index = cluster >> img->l2_bits;
	uint64_t in_table = cluster & ((UINT64_C(1) << img->l2_bits) - 1);
	unsigned per_slice = 1u << (img->slice_bits - img->l2_entry_bits);
	uint64_t word, byte;
	int rc;

	ref->slice = NULL;
	ref->index = (unsigned)in_table & (per_slice - 1);
	ref->count = per_slice - ref->index;
	if (l1_index >= img->l1.nr)
		return -EUCLEAN;
	word = img->l1.word[l1_index];
	if ((word & QCOW2_OFFSET_MASK) && !table_is_usable(img, word, write))
		return damaged_table(img, l1_index, word, write);
	if (write && !is_ours(word)) {
		rc = own_table(img, l1_index);
		if (rc < 0)
			return rc;
		word = img->l1.word[l1_index];
	}
	if (!(word & QCOW2_OFFSET_MASK))
		return 0;
	byte = in_table << img->l2_entry_bits;
	rc = mdcache_pin(&img->cache,
			 (word & QCOW2_OFFSET_MASK) + align_down(byte, img->slice_size),
			 (write ? MDCACHE_WRITE : 0u) |
				 (table_is_fresh(&img->l1, l1_index) ? MDCACHE_FRESH : 0u),
			 &ref->slice);
	if (rc == -EUCLEAN)
		image_log(img, "L2 table 0x%llx is cut off by the end of the file",
			  (unsigned long long)(word & QCOW2_OFFSET_MASK));
	return rc;
}
