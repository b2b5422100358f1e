/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and closing an image, and small things that all files of this folder share: the
 * log, what is known of the image, lists of runs.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/backing.h"
#include "qcow2/engine/compress.h"
#include "qcow2/engine/wptable.h"
#include "qcow2/tables/header_read.h"
#include "util/clock.h"
#include "util/math.h"

#define DEFAULT_CACHE (UINT64_C(32) << 20)

void image_log(struct qcow2_image *img, const char *fmt, ...)
{
	char msg[256], line[512];
	va_list ap;

	if (!img->log)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%.200s: %s", img->file->name, msg);
	img->log(img->log_data, line);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static unsigned log2_u64(uint64_t v)
{
	return 63u - (unsigned)__builtin_clzll(v);
}

static void derive(struct qcow2_image *img)
{
	const struct qcow2_header *h = &img->hdr;

	img->cluster_bits = h->cluster_bits;
	img->cluster_size = qcow2_header_cluster_size(h);
	img->ext_l2 = h->incompat & QCOW2_INCOMPAT_EXTL2;
	img->has_data_file = h->incompat & QCOW2_INCOMPAT_DATA_FILE;
	img->data_raw = img->has_data_file && (h->autoclear & QCOW2_AUTOCLEAR_DATA_RAW);
	img->l2_entry_size = img->ext_l2 ? 16 : 8;
	img->l2_bits = h->cluster_bits - log2_u64(img->l2_entry_size);
	img->subclusters = img->ext_l2 ? QCOW2_SUBCLUSTERS : 1;
	img->sub_size = img->cluster_size / img->subclusters;
	img->refblock_bits = h->cluster_bits + 3 - h->refcount_order;
	img->slice_size = (size_t)min_u64(img->cluster_size, 4096);
	img->file_end = h->file_size;
}

/* A path next to the image, unless it is absolute. The caller frees it. */
static char *beside(const char *image, const char *name)
{
	const char *slash = strrchr(image, '/');
	char *path = NULL;

	if (name[0] == '/' || !slash)
		return strdup(name);
	return asprintf(&path, "%.*s%s", (int)(slash - image + 1), image, name) < 0 ? NULL : path;
}

static int lock_data_file(struct qcow2_image *img, const struct qcow2_open_opts *opts,
			  struct zq_error *err)
{
	int rc = io_lock(img->data, opts->lock);

	if (rc < 0)
		return zq_fail(err, rc, "%s: external data file is in use by another process",
			       img->data->name);
	return 0;
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
		return lock_data_file(img, opts, err);
	if (!opts->data_file && !img->hdr.data_file)
		return zq_fail(err, -EINVAL,
			       "%s: keeps its data in an external file but does not name it; "
			       "give data_file=PATH",
			       img->file->name);
	path = opts->data_file ? strdup(opts->data_file)
			       : beside(img->file->name, img->hdr.data_file);
	if (!path)
		return zq_fail(err, -ENOMEM, "out of memory");
	rc = zq_io_open(path, opts->writable, &img->data, err);
	free(path);
	if (rc < 0) {
		img->data = img->file;
		zq_error_prefix(err, "external data file");
		return rc;
	}
	return lock_data_file(img, opts, err);
}

static int load_tables(struct qcow2_image *img, size_t cache_bytes, struct zq_error *err)
{
	const struct qcow2_header *h = &img->hdr;
	int rc;

	img->cache_bytes = cache_bytes ? cache_bytes : (size_t)DEFAULT_CACHE;
	rc = mdcache_init(&img->cache, img->slice_size, img->cache_bytes);
	if (rc == 0)
		rc = table_load(&img->l1, img->file, h->l1_offset, h->l1_size);
	if (rc == 0 && img->writable)
		rc = table_load(&img->reftable, img->file, h->reftable_offset,
				((uint64_t)h->reftable_clusters << h->cluster_bits) / 8);
	if (rc == 0)
		rc = decomp_init(img);
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

static int open_parts(struct qcow2_image *img, const struct qcow2_open_opts *opts,
		      struct zq_error *err)
{
	int rc;

	rc = io_lock(img->file, opts->lock);
	if (rc == -EAGAIN || rc == -EACCES)
		return zq_fail(err, -EAGAIN, "%s: in use by another process", img->file->name);
	if (rc < 0)
		return zq_fail(err, rc, "%s: cannot lock: %s", img->file->name, strerror(-rc));
	rc = qcow2_header_read(img->file, opts->zoned, &img->hdr, err);
	if (rc < 0)
		return rc;
	derive(img);
	img->writable = opts->writable;
	if (img->hdr.incompat & QCOW2_INCOMPAT_CORRUPT)
		set_readonly(img, "the image is marked corrupt; \"zqfs check\" tells more");
	rc = open_data_file(img, opts, err);
	if (rc == 0)
		rc = backing_open(img, opts, err);
	if (rc == 0)
		rc = load_tables(img, opts->cache_bytes, err);
	if (rc == 0 && opts->zoned)
		rc = wptable_load(img, err);
	if (rc < 0)
		return rc;
	if (opts->zoned && qcow2_zoned(img)->corrupt > img->hdr.zoned.geo.nr_zones / 2)
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
		if (opts->data_io)
			io_close(opts->data_io);
		return zq_fail(err, -ENOMEM, "out of memory");
	}
	img->file = img->data = io;
	if (opts->data_io)
		img->data = opts->data_io;
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

void qcow2_close(struct qcow2_image *img)
{
	if (!img)
		return;
	wptable_free(img->wpt);
	alloc_destroy(img);
	mdcache_destroy(&img->cache);
	table_free(&img->l1);
	table_free(&img->reftable);
	runs_free(&img->let_go);
	decomp_destroy(img);
	backing_close(img->backing);
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

/* ---- what others ask ------------------------------------------------------------------------ */

const struct qcow2_header *qcow2_get_header(const struct qcow2_image *img)
{
	return &img->hdr;
}

const char *qcow2_name(const struct qcow2_image *img)
{
	return img->file->name;
}

uint64_t qcow2_size(const struct qcow2_image *img)
{
	return img->hdr.size;
}

bool qcow2_writable(const struct qcow2_image *img)
{
	return img->writable;
}

bool qcow2_commits(const struct qcow2_image *img)
{
	return !atomic_load(&img->flush_error);
}

const char *qcow2_readonly_reason(const struct qcow2_image *img)
{
	return img->why_readonly;
}

void qcow2_get_stats(struct qcow2_image *img, struct qcow2_stats *st)
{
	st->commits = atomic_load(&img->stats.commits);
	st->flushes = atomic_load(&img->stats.flushes);
	st->meta_bytes = atomic_load(&img->stats.meta_bytes);
	st->data_writes = atomic_load(&img->stats.data_writes);
	st->data_bytes = atomic_load(&img->stats.data_bytes);
	st->reads = atomic_load(&img->stats.reads);
}

bool image_is_fixed_meta(const struct qcow2_image *img, uint64_t off, uint64_t len)
{
	const struct qcow2_header *h = &img->hdr;

	return off < img->cluster_size ||
	       (h->nb_snapshots &&
		ranges_overlap(off, len, h->snapshots_offset, img->cluster_size)) ||
	       ranges_overlap(off, len, h->l1_offset, (uint64_t)h->l1_size * 8) ||
	       ranges_overlap(off, len, img->reftable.nr ? img->reftable.offset : 0,
			      img->reftable.nr * 8) ||
	       (h->zoned.present &&
		ranges_overlap(off, len, h->zoned.meta_offset, h->zoned.meta_size));
}

/* ---- runs -------------------------------------------------------------------------------------
 */

int runs_add(struct qcow2_runs *r, uint64_t start, uint64_t count)
{
	if (r->nr && r->run[r->nr - 1].start + r->run[r->nr - 1].count == start) {
		r->run[r->nr - 1].count += count;
		return 0;
	}
	if (r->nr == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct qcow2_run *run = realloc(r->run, cap * sizeof(*run));

		if (!run)
			return -ENOMEM;
		r->run = run;
		r->cap = cap;
	}
	r->run[r->nr++] = (struct qcow2_run){ .start = start, .count = count };
	return 0;
}

void runs_free(struct qcow2_runs *r)
{
	free(r->run);
	*r = (struct qcow2_runs){ 0 };
}
