/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to happen before an image is changed for the first time: refcounts that were left
 * behind are rebuilt, and features that we do not maintain are marked as such. An image that
 * is only read is never touched.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/alloc.h"
#include "qcow2/check.h"
#include "qcow2/image.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Autoclear bits that stay true while we write. Bitmaps are not kept up to date. */
static uint64_t maintained_autoclear(const struct qcow2_image *img)
{
	return img->has_data_file ? img->hdr.autoclear & QCOW2_AUTOCLEAR_DATA_RAW : 0;
}

static int write_feature_word(struct qcow2_image *img, uint64_t at, uint64_t value)
{
	uint8_t buf[8];

	put_be64(buf, value);
	return image_write_meta(img, buf, sizeof(buf), at);
}

/* The rebuild went past our caches and may have changed any of the tables. */
static int reload_tables(struct qcow2_image *img)
{
	int rc;

	SCOPE_LOCK(&img->lock);
	mdcache_drop_all(img);
	table_free(&img->l1);
	table_free(&img->reftable);
	alloc_destroy(img);
	rc = table_load(&img->l1, img->file, img->hdr.l1_offset, img->hdr.l1_size);
	if (rc == 0)
		rc = table_load(&img->reftable, img->file, img->hdr.reftable_offset,
				((uint64_t)img->hdr.reftable_clusters << img->cluster_bits) / 8);
	return rc == 0 ? alloc_init(img) : rc;
}

/* The dirty bit: refcounts may be too low. Readers may be about; nobody has changed anything. */
static int rebuild_refcounts(struct qcow2_image *img)
{
	struct qcow2_header fresh;
	struct zq_error err;
	int rc;

	image_log(img, "was not closed properly: rebuilding its refcounts");
	rc = check_rebuild_refcounts(img->file, &img->hdr, &err);
	if (rc < 0) {
		image_log(img, "cannot rebuild refcounts: %s", err.msg);
		return rc;
	}
	/* the table may have moved */
	rc = qcow2_header_read(img->file, img->hdr.zoned.present, &fresh, &err);
	if (rc < 0)
		return rc;
	img->hdr.reftable_offset = fresh.reftable_offset;
	img->hdr.reftable_clusters = fresh.reftable_clusters;
	img->hdr.incompat = fresh.incompat & ~QCOW2_INCOMPAT_DIRTY;
	img->file_end = fresh.file_size;
	qcow2_header_free(&fresh);
	rc = reload_tables(img);
	if (rc == 0)
		rc = write_feature_word(img, QCOW2_H_INCOMPAT, img->hdr.incompat);
	return rc < 0 ? rc : io_flush(img->file);
}

static int prepare_first_change(struct qcow2_image *img)
{
	uint64_t keep = maintained_autoclear(img);
	int rc = 0;

	if (img->hdr.incompat & QCOW2_INCOMPAT_DIRTY)
		rc = rebuild_refcounts(img);
	if (rc == 0 && img->hdr.autoclear != keep) {
		rc = write_feature_word(img, QCOW2_H_AUTOCLEAR, keep);
		if (rc == 0)
			rc = io_flush(img->file);
		if (rc == 0)
			img->hdr.autoclear = keep;
	}
	return rc;
}

int image_begin_change(struct qcow2_image *img)
{
	int rc = 0;

	if (!img->writable)
		return -EROFS;
	if (atomic_load_explicit(&img->changed, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&img->change_lock);
	if (!atomic_load(&img->changed)) {
		rc = prepare_first_change(img);
		if (rc == 0)
			atomic_store_explicit(&img->changed, true, memory_order_release);
	}
	pthread_mutex_unlock(&img->change_lock);
	return rc;
}
