/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_compact: full zones are compressed by several threads, then the engine gathers what the file
 * holds. The order on disk is the commit's throughout. Knows nothing of host clusters.
 *
 * packing.lock guards what says so. No other lock is taken under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/check.h>
#include <zqfs/compact.h>
#include <zqfs/info.h>

#include "convert/workers.h"
#include "io/io.h"
#include "qcow2/format/format.h"
#include "qcow2/format/header.h"
#include "qcow2/qcow2.h"
#include "util/cleanup.h"
#include "util/errors.h"
#include "util/math.h"
#include "util/sized.h"

#define PACK_PART 0.8 /* of the progress, where there is something to compress */

struct packing {
	struct qcow2_image *img;
	const struct zq_compact_opts *opts;
	pthread_mutex_t lock;
	uint32_t zone;	 /* [lock] the cursor */
	uint64_t off;	 /* [lock] guest offset in that zone; 0: at its start */
	uint64_t done;	 /* [lock] bytes behind the cursor */
	uint64_t packed; /* [lock] clusters */
	int error;	 /* [lock] the first one ends the work */
	uint64_t total;	 /* bytes of full zones */
	double part;	 /* of all the progress */
};

/* ---- compressing ----------------------------------------------------------------------------- */

static bool is_full(struct qcow2_image *img, uint32_t zone)
{
	const struct zq_geometry *g = &qcow2_zoned(img)->geo;

	return zone >= g->nr_conv && qcow2_wp_written(img, zone) == zq_zone_cap(g, zone);
}

/* The next whole cluster of a full zone. A cluster that another zone has a part of stays as it is.
 * False at the end or after an error. */
static bool next_cluster(struct packing *p, uint64_t *off, double *done)
{
	const struct zq_geometry *g = &qcow2_zoned(p->img)->geo;
	uint64_t cluster = qcow2_cluster_size(p->img);

	SCOPE_LOCK(&p->lock);
	for (; p->zone < g->nr_zones && !p->error; p->zone++, p->off = 0) {
		uint64_t start = zq_zone_start(g, p->zone);
		uint64_t end = start + zq_zone_cap(g, p->zone);
		uint64_t next = start + zq_zone_len(g, p->zone);

		if (!is_full(p->img, p->zone))
			continue;
		*off = max_u64(p->off, align_up(start, cluster));
		if (*off >= end || (*off + cluster > next && next != g->size))
			continue;
		p->off = *off + cluster;
		p->done += cluster;
		*done = p->part * (double)p->done / (double)p->total;
		return true;
	}
	return false;
}

static void note_packing(struct packing *p, int ret, bool packed)
{
	SCOPE_LOCK(&p->lock);
	p->packed += packed;
	if (ret && !p->error)
		p->error = ret;
}

/* With one more try when the host has no room: what was let go gives some. */
static int repack(struct packing *p, struct qcow2_packer *packer, uint64_t off, bool *packed)
{
	int ret = qcow2_repack(p->img, packer, off, packed);

	if (!error_is_no_room(ret))
		return ret;
	ret = qcow2_commit(p->img);
	return ret ? ret : qcow2_repack(p->img, packer, off, packed);
}

static void pack_clusters(void *data, bool caller)
{
	struct packing *p = data;
	struct qcow2_packer *packer = NULL;
	int ret = qcow2_packer_new(p->img, p->opts->level, &packer);
	uint64_t off;
	double done;

	note_packing(p, ret, false);
	while (!ret && next_cluster(p, &off, &done)) {
		bool packed;

		ret = repack(p, packer, off, &packed);
		note_packing(p, ret, !ret && packed);
		if (caller && p->opts->progress && p->opts->progress(p->opts->data, done))
			note_packing(p, -ECANCELED, false);
	}
	qcow2_packer_free(packer);
}

static int compress_full_zones(struct packing *p)
{
	if (!p->total || p->opts->no_compress)
		return 0;
	pthread_mutex_init(&p->lock, NULL);
	run_workers(p->opts->threads, pack_clusters, p);
	pthread_mutex_destroy(&p->lock);
	return p->error;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static int tell_gathered(void *data, double done)
{
	const struct packing *p = data;

	if (!p->opts->progress)
		return 0;
	return p->opts->progress(p->opts->data, p->part + (1 - p->part) * done);
}

static int say_compaction_failed(struct packing *p, int ret, struct zq_error *err)
{
	if (ret == -ECANCELED)
		return zq_fail(
			err, ret,
			"%s: interrupted; the image is whole, and compacting it again goes on",
			qcow2_name(p->img));
	return zq_fail(err, ret, "%s: %s", qcow2_name(p->img), strerror(-ret));
}

static int compact_image(struct packing *p, struct zq_error *err)
{
	int ret = compress_full_zones(p), last;

	if (!ret)
		ret = qcow2_gather(p->img, tell_gathered, p);
	if (!ret)
		return 0;
	/* what was compressed stays */
	last = qcow2_commits(p->img) ? qcow2_commit(p->img) : 0;
	return say_compaction_failed(p, last ? last : ret, err);
}

static int check_level_of(struct packing *p, struct zq_error *err)
{
	int min, max;

	qcow2_packer_levels(p->img, &min, &max);
	if (!p->opts->level || (p->opts->level >= min && p->opts->level <= max))
		return 0;
	return zq_fail(err, -EINVAL, "%s: its compression_type has levels from %d to %d, not %d",
		       qcow2_name(p->img), min, max, p->opts->level);
}

/* What an open image must be like. */
static int check_compactable(struct packing *p, struct zq_error *err)
{
	const struct qcow2_header *h = qcow2_get_header(p->img);
	const char *why = p->opts->no_compress ? NULL : qcow2_why_not_packed(p->img);

	if (h->nb_snapshots)
		return zq_fail(err, -EINVAL, "%s: cannot be compacted: it has internal snapshots",
			       qcow2_name(p->img));
	if (h->incompat & QCOW2_INCOMPAT_DATA_FILE)
		return zq_fail(err, -EINVAL,
			       "%s: cannot be compacted: its data lies in an external data file",
			       qcow2_name(p->img));
	if (!qcow2_writable(p->img))
		return zq_fail(err, -EINVAL, "%s: cannot be compacted: %s", qcow2_name(p->img),
			       qcow2_readonly_reason(p->img));
	if (why)
		return zq_fail(err, -EINVAL, "%s: cannot be compressed: %s", qcow2_name(p->img),
			       why);
	return p->opts->no_compress ? 0 : check_level_of(p, err);
}

static void count_full_zones(struct packing *p, struct zq_compact_result *res)
{
	const struct zq_geometry *g = &qcow2_zoned(p->img)->geo;

	for (uint32_t i = 0; i < g->nr_zones; i++) {
		if (!is_full(p->img, i))
			continue;
		res->full_zones++;
		p->total += zq_zone_len(g, i);
	}
	p->part = p->total && !p->opts->no_compress ? PACK_PART : 0;
}

static int measure(const char *path, uint64_t *size, uint64_t *usage, struct zq_error *err)
{
	struct zq_io *io;
	int ret = zq_io_open(path, false, &io, err);

	if (ret)
		return ret;
	ret = io_size(io, size);
	if (!ret)
		ret = io_usage(io, usage);
	io_close(io);
	return ret ? zq_fail(err, ret, "%s: %s", path, strerror(-ret)) : 0;
}

/* Asked before the check, which would make a dirty image clean and forget bitmaps. */
static int check_marks(const char *path, struct zq_error *err)
{
	struct zq_image_info *info;
	int ret = zq_get_image_info(path, NULL, true, &info, err);

	if (ret)
		return ret;
	if (info->dirty || info->corrupt)
		ret = zq_fail(err, -EINVAL,
			      "%s: is marked %s: \"zqfs check --repair=all\" comes first", path,
			      info->dirty ? "dirty" : "corrupt");
	if (!ret && info->bitmaps)
		ret = zq_fail(
			err, -EINVAL,
			"%s: cannot be compacted: it has persistent bitmaps, which would be lost",
			path);
	zq_image_info_free(info);
	return ret;
}

/* Damage is not moved about; clusters that nothing refers to are given back. */
static int check_sound_image(const char *path, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_LEAKS };
	struct zq_check_result res;
	int ret = zq_check(path, &opts, &res, err);

	if (!ret && res.corruptions)
		return zq_fail(err, -EINVAL,
			       "%s: is damaged: \"zqfs check --repair=all\" comes first", path);
	return ret;
}

static int open_and_compact(const char *path, struct packing *p, struct zq_compact_result *res,
			    struct zq_error *err)
{
	struct qcow2_open_opts o = {
		.writable = true, .zoned = true, .lock = ZQ_LOCK_WRITE, .same_contents = true
	};
	struct zq_io *io;
	int ret = zq_io_open(path, true, &io, err);

	if (!ret)
		ret = qcow2_open(io, &o, &p->img, err);
	if (ret)
		return ret;
	ret = check_compactable(p, err);
	if (!ret) {
		count_full_zones(p, res);
		ret = compact_image(p, err);
	}
	res->compressed_clusters = p->packed;
	qcow2_close(p->img);
	return ret;
}

int zq_compact_sized(const char *path, const struct zq_compact_opts *opts, size_t opts_size,
		     struct zq_compact_result *res, size_t res_size, struct zq_error *err)
{
	struct zq_compact_opts o;
	struct zq_compact_result r = { 0 };
	struct packing p = { .opts = &o };
	int ret = sized_take(&o, sizeof(o), opts, opts_size, err);

	if (!ret && !path)
		ret = zq_fail(err, -EINVAL, "no path");
	if (!ret)
		ret = measure(path, &r.size_before, &r.usage_before, err);
	if (!ret)
		ret = check_marks(path, err);
	if (!ret)
		ret = check_sound_image(path, err);
	if (!ret)
		ret = open_and_compact(path, &p, &r, err);
	if (!ret)
		ret = measure(path, &r.size_after, &r.usage_after, err);
	if (res)
		sized_give(res, res_size, &r, sizeof(r));
	return ret;
}
