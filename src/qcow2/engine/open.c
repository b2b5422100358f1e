/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and closing an image. Knows all parts of the engine, and no part knows it but the
 * backing chain, whose links are images too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/ahead.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/backing.h"
#include "qcow2/engine/compress.h"
#include "qcow2/engine/image.h"
#include "qcow2/engine/shared.h"
#include "qcow2/engine/wptable.h"
#include "qcow2/tables/header_read.h"
#include "qcow2/tables/named_file.h"
#include "qcow2/tables/snapshot.h"
#include "util/clock.h"
#include "util/math.h"
#include "util/random.h"

#define DEFAULT_CACHE	  (UINT64_C(32) << 20)
#define MAX_SNAPSHOT_META (UINT64_C(1) << 16) /* clusters; no sane image has more */

static void derive(struct qcow2_image *img)
{
	const struct qcow2_header *h = &img->hdr;

	img->cluster_bits = h->cluster_bits;
	img->cluster_size = qcow2_header_cluster_size(h);
	img->ext_l2 = h->incompat & QCOW2_INCOMPAT_EXTL2;
	img->has_data_file = h->incompat & QCOW2_INCOMPAT_DATA_FILE;
	img->data_raw = img->has_data_file && (h->autoclear & QCOW2_AUTOCLEAR_DATA_RAW);
	img->l2_entry_size = img->ext_l2 ? 16 : 8;
	img->l2_entry_bits = log2_u64(img->l2_entry_size);
	img->l2_bits = h->cluster_bits - img->l2_entry_bits;
	img->subclusters = img->ext_l2 ? QCOW2_SUBCLUSTERS : 1;
	img->sub_size = img->cluster_size / img->subclusters;
	img->sub_bits = log2_u64(img->sub_size);
	img->refblock_bits = h->cluster_bits + 3 - h->refcount_order;
	img->slice_size = (size_t)min_u64(img->cluster_size, 4096);
	img->slice_bits = log2_u64(img->slice_size);
	img->file_end = h->file_size;
}

static int open_data_file(struct qcow2_image *img, const struct qcow2_open_opts *opts,
			  struct zq_error *err)
{
	char *path;
	int rc;

	if (!img->has_data_file)
		return img->data == img->file
			       ? 0
			       : zq_fail(err, -EINVAL, "%s: has no external data file",
					 img->file->name);
	if (img->data != img->file)
		return io_claim(img->data, opts->lock, "the external data file", err);
	if (!opts->data_file && !img->hdr.data_file)
		return zq_fail(err, -EINVAL,
			       "%s: keeps its data in an external file but does not name it; "
			       "give data_file=PATH",
			       img->file->name);
	path = opts->data_file ? strdup(opts->data_file)
			       : named_beside(img->file->name, img->hdr.data_file);
	if (!path)
		return zq_fail(err, -ENOMEM, "out of memory");
	rc = zq_io_open(path, opts->writable, &img->data, err);
	free(path);
	if (rc < 0) {
		img->data = img->file;
		zq_error_prefix(err, "external data file");
		return rc;
	}
	return io_claim(img->data, opts->lock, "the external data file", err);
}

/* Adds the clusters of [off, off + len) as long as there are not too many in all. */
static int add_snapshot_meta(struct qcow2_image *img, uint64_t off, uint64_t len, uint64_t *left)
{
	int rc = 0;

	if (!range_within(off, len, img->file_end) || len > *left << img->cluster_bits)
		return 0; /* damage, which check tells of */
	*left -= len >> img->cluster_bits;
	for (uint64_t c = align_down(off, img->cluster_size); c < off + len && rc == 0;
	     c += img->cluster_size)
		if (c)
			rc = offset_set_add(&img->snapshot_meta, c);
	return rc;
}

/* Where the snapshot table and the L1 tables of snapshots lie. Those whose table cannot be read
 * are protected by their refcounts only. */
static int load_snapshot_meta(struct qcow2_image *img)
{
	uint64_t start = img->hdr.snapshots_offset, end = start, left = MAX_SNAPSHOT_META;
	struct qcow2_snapshot *list = NULL;
	struct zq_error err = { "" };
	int rc;

	if (qcow2_snapshots_read(img->file, &img->hdr, &list, &end, &err) < 0)
		return 0;
	rc = add_snapshot_meta(img, start, end - start, &left);
	for (uint32_t i = 0; i < img->hdr.nb_snapshots && rc == 0; i++)
		rc = add_snapshot_meta(img, list[i].l1_offset, (uint64_t)list[i].l1_size * 8,
				       &left);
	qcow2_snapshots_free(list, img->hdr.nb_snapshots);
	return rc;
}

static int load_tables(struct qcow2_image *img, size_t cache_bytes, struct zq_error *err)
{
	const struct qcow2_header *h = &img->hdr;
	int rc;

	img->cache_bytes = cache_bytes ? cache_bytes : (size_t)DEFAULT_CACHE;
	rc = mdcache_init(&img->cache, &(struct mdcache_host){ img->file, &img->lock, &img->cond },
			  img->slice_size, img->cache_bytes);
	if (rc == 0)
		rc = table_load(&img->l1, img->file, h->l1_offset, h->l1_size, h->file_size);
	if (rc == 0 && img->writable)
		rc = table_load(&img->reftable, img->file, h->reftable_offset,
				((uint64_t)h->reftable_clusters << h->cluster_bits) / 8,
				h->file_size);
	if (rc == 0)
		rc = decomp_init(img);
	if (rc == 0)
		rc = ahead_init(img);
	if (rc == 0 && img->writable && h->nb_snapshots)
		rc = load_snapshot_meta(img);
	if (rc == 0 && img->writable)
		rc = alloc_init(img);
	if (rc < 0)
		return zq_fail(err, rc, "%s: cannot read the mapping tables: %s", img->file->name,
			       strerror(-rc));
	return 0;
}

static void set_readonly(struct qcow2_image *img, const char *why)
{
	img->writable = false;
	snprintf(img->why_readonly, sizeof(img->why_readonly), "%s", why);
}

static void warn_open(void *data, const char *line)
{
	image_log(data, "%s", line);
}

static enum header_want wanted(const struct qcow2_open_opts *opts)
{
	if (opts->zoned)
		return HEADER_ZONED;
	return opts->zoned_base ? HEADER_ANY : HEADER_PLAIN;
}

static uint64_t next_identity(const struct qcow2_image *img, const struct qcow2_open_opts *opts)
{
	uint64_t id = opts->same_contents ? qcow2_header_identity(&img->hdr) : 0;

	return id || !opts->writable ? id : random_u64();
}

static int open_parts(struct qcow2_image *img, const struct qcow2_open_opts *opts,
		      struct zq_error *err)
{
	int rc;

	rc = io_claim(img->file, opts->lock, NULL, err);
	if (rc < 0)
		return rc;
	rc = qcow2_header_read(img->file, wanted(opts), &img->hdr, err);
	if (rc < 0)
		return rc;
	derive(img);
	if (img->hdr.zoned.present)
		qcow2_zoned_remarks(&img->hdr, warn_open, img);
	img->writable = opts->writable;
	img->next_identity = next_identity(img, opts);
	if (img->hdr.identity.unfinished && !opts->unfinished)
		set_readonly(img, "an overlay that was written down into it is not finished: "
				  "\"zqfs commit\" of it goes on");
	if (img->hdr.incompat & QCOW2_INCOMPAT_CORRUPT)
		set_readonly(img, "the image is marked corrupt; \"zqfs check\" tells more");
	rc = open_data_file(img, opts, err);
	if (rc == 0)
		rc = backing_open(img, opts, err);
	if (rc == 0)
		rc = load_tables(img, opts->cache_bytes, err);
	if (rc == 0 && img->hdr.zoned.present)
		rc = wptable_load(img, err);
	if (rc == 0 && opts->lock == ZQ_LOCK_SHARED && opts->zoned)
		rc = shared_begin(img);
	if (rc == 0 && img->data != img->file)
		rc = io_size(img->data, &img->data_size_seen);
	if (rc < 0)
		return rc;
	img->size_seen = img->hdr.file_size;
	if (img->hdr.zoned.present && qcow2_zoned(img)->hopeless)
		set_readonly(img, "more than half of its write pointers are damaged; "
				  "\"zqfs check\" tells more");
	return 0;
}

int qcow2_open(struct zq_io *io, const struct qcow2_open_opts *opts, struct qcow2_image **out,
	       struct zq_error *err)
{
	struct qcow2_image *img = calloc(1, sizeof(*img));
	int rc;

	if (!img) {
		io_close(io);
		io_close(opts->data_io);
		io_close(opts->base_io);
		return zq_fail(err, -ENOMEM, "out of memory");
	}
	img->file = img->data = io;
	if (opts->data_io)
		img->data = opts->data_io;
	img->base_io = opts->base_io;
	img->log = opts->log;
	img->log_data = opts->log_data;
	pthread_mutex_init(&img->lock, NULL);
	pthread_mutex_init(&img->change_lock, NULL);
	pthread_mutex_init(&img->commit_lock, NULL);
	pthread_mutex_init(&img->drain_lock, NULL);
	pthread_cond_init(&img->drain_cond, NULL);
	pthread_cond_init(&img->cond, NULL);
	cond_init_monotonic(&img->commit_cond);
	rc = open_parts(img, opts, err);
	if (rc < 0) {
		qcow2_close(img);
		return rc;
	}
	*out = img;
	return 0;
}

void qcow2_abandon(struct qcow2_image *img)
{
	backing_abandon(img->backing);
	if (img->data != img->file)
		io_close(img->data);
	io_close(img->file);
	img->file = img->data = NULL;
	img->backing = NULL;
}

void qcow2_close(struct qcow2_image *img)
{
	if (!img)
		return;
	ahead_destroy(img);
	wptable_free(img->wpt);
	alloc_destroy(img);
	mdcache_destroy(&img->cache);
	table_free(&img->l1);
	table_free(&img->reftable);
	offset_set_free(&img->snapshot_meta);
	runs_free(&img->let_go);
	decomp_destroy(img);
	backing_close(img->backing);
	io_close(img->base_io);
	free(img->seen_header);
	if (img->data != img->file)
		io_close(img->data);
	io_close(img->file); /* the locks go last */
	qcow2_header_free(&img->hdr);
	pthread_mutex_destroy(&img->lock);
	pthread_mutex_destroy(&img->change_lock);
	pthread_mutex_destroy(&img->commit_lock);
	pthread_mutex_destroy(&img->drain_lock);
	pthread_cond_destroy(&img->drain_cond);
	pthread_cond_destroy(&img->cond);
	pthread_cond_destroy(&img->commit_cond);
	free(img);
}
