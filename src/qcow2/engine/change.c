/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to happen before an image is changed for the first time: refcounts that were left
 * behind are rebuilt, and features that we do not maintain are marked as such. An image that
 * is only read is never touched.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/change.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/identity.h"
#include "qcow2/engine/image.h"
#include "qcow2/tables/header_read.h"
#include "util/apart.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

/* Autoclear bits that stay true while we write. Bitmaps are not kept up to date. */
static uint64_t maintained_autoclear(const struct qcow2_image *img)
{
	uint64_t keep = img->has_data_file ? img->hdr.autoclear & QCOW2_AUTOCLEAR_DATA_RAW : 0;

	return img->hdr.identity.present ? keep | QCOW2_AUTOCLEAR_IDENTITY : keep;
}

static int write_feature_word(struct qcow2_image *img, uint64_t at, uint64_t value)
{
	uint8_t buf[8];

	put_be64(buf, value);
	return image_write_meta(img, buf, sizeof(buf), at);
}

/* What replaces our view of the tables after a rebuild. */
struct tables {
	struct qcow2_table l1, reftable;
};

static int load_anew(struct qcow2_image *img, const struct qcow2_header *h, struct tables *t)
{
	int rc = table_load(&t->l1, img->file, h->l1_offset, h->l1_size, h->file_size);

	if (rc == 0)
		rc = table_load(&t->reftable, img->file, h->reftable_offset,
				((uint64_t)h->reftable_clusters << h->cluster_bits) / 8,
				h->file_size);
	return rc;
}

/*
 * The rebuild went past our caches and may have changed any of the tables. Readers may be
 * about, so they see the old tables until all of the new ones have been read.
 */
static int take_over(struct qcow2_image *img, const struct qcow2_header *h)
{
	struct tables t = { 0 };
	int rc = load_anew(img, h, &t);

	if (rc == 0) {
		struct tables old;

		SCOPE_IMAGE_LOCK(img);
		old = (struct tables){ img->l1, img->reftable };
		t.l1.changes =
			img->l1.changes + 1; /* what is known of the old ones is not of these */
		t.reftable.changes = img->reftable.changes + 1;
		mdcache_drop_all(&img->cache);
		img->l1 = t.l1;
		img->reftable = t.reftable;
		t = old;
		img->file_end = h->file_size;
		alloc_restart(img);
		img->hdr.reftable_offset = h->reftable_offset;
		img->hdr.reftable_clusters = h->reftable_clusters;
		img->hdr.incompat = h->incompat;
	}
	table_free(&t.l1);
	table_free(&t.reftable);
	return rc;
}

/* The dirty bit: refcounts may be too low. The rebuild clears it once they are true. */
static int rebuild_refcounts(struct qcow2_image *img)
{
	struct qcow2_header fresh;
	struct zq_error err = { "" };
	int rc;

	image_log(img, "was not closed properly: rebuilding its refcounts");
	rc = check_rebuild_refcounts(img->file, &img->hdr, &err);
	if (rc == 0)
		rc = qcow2_header_read(img->file, HEADER_ANY, &fresh, &err);
	if (rc == 0) {
		if (fresh.incompat & QCOW2_INCOMPAT_DIRTY)
			rc = zq_fail(&err, -EIO, "damage is in the way; run \"zqfs check\"");
		else
			rc = take_over(img, &fresh);
		qcow2_header_free(&fresh);
	}
	if (rc < 0)
		image_log(img, "cannot rebuild refcounts: %s",
			  err.msg[0] ? err.msg : strerror(-rc));
	return rc;
}

static int keep_table_room(struct qcow2_image *img, const struct qcow2_table *t)
{
	return image_keep_room(img, t->offset, align_up(t->nr * 8, ZQ_BLOCK));
}

/*
 * Tables and pointers may lie in holes (of a sparse copy). Only tried: on a host without room
 * what takes none has to go on, and a table that is entered later looks for room by itself.
 */
static void keep_fixed_room(struct qcow2_image *img)
{
	img->parents_have_room =
		keep_table_room(img, &img->l1) == 0 && keep_table_room(img, &img->reftable) == 0;
	if (img->hdr.zoned.present)
		(void)image_keep_room(img, img->hdr.zoned.meta_offset, img->hdr.zoned.meta_size);
}

static int prepare_first_change(struct qcow2_image *img)
{
	uint64_t keep = maintained_autoclear(img);
	int rc = 0;

	if (img->hdr.incompat & QCOW2_INCOMPAT_DIRTY)
		rc = rebuild_refcounts(img);
	if (rc == 0)
		rc = identity_renew(img);
	if (rc == 0 && img->hdr.autoclear != keep) {
		rc = write_feature_word(img, QCOW2_H_AUTOCLEAR, keep);
		if (rc == 0)
			rc = io_flush(img->file);
		if (rc == 0)
			img->hdr.autoclear = keep;
	}
	if (rc == 0)
		keep_fixed_room(img);
	return rc;
}

APART static int first_change(struct qcow2_image *img)
{
	int rc = 0;

	locks_take(&img->change_lock, LOCK_CHANGE);
	if (!atomic_load(&img->changed)) {
		rc = prepare_first_change(img);
		if (rc == 0)
			atomic_store_explicit(&img->changed, true, memory_order_release);
	}
	locks_give(&img->change_lock, LOCK_CHANGE);
	return rc;
}

int qcow2_begin_change(struct qcow2_image *img)
{
	int rc;

	if (!img->writable)
		return -EROFS;
	/* nothing that is changed now would ever reach the disk */
	rc = atomic_load_explicit(&img->flush_error, memory_order_relaxed);
	if (rc < 0)
		return rc;
	return atomic_load_explicit(&img->changed, memory_order_acquire) ? 0 : first_change(img);
}

/* When the host does not take it, the line in the log is all that can be done. */
static void write_corrupt_bit(struct qcow2_image *img)
{
	uint64_t incompat = img->hdr.incompat | QCOW2_INCOMPAT_CORRUPT;
	int rc = write_feature_word(img, QCOW2_H_INCOMPAT, incompat);

	if (rc == 0)
		rc = io_flush(img->file);
	if (rc < 0)
		image_log(img, "cannot set the corrupt bit: %s", strerror(-rc));
	img->hdr.incompat = incompat;
}

void change_set_corrupt(struct qcow2_image *img)
{
	locks_take(&img->change_lock, LOCK_CHANGE);
	if (!(img->hdr.incompat & QCOW2_INCOMPAT_CORRUPT))
		write_corrupt_bit(img);
	locks_give(&img->change_lock, LOCK_CHANGE);
}
