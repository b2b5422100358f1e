/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new zoned image as the target. Data goes through the engine, past the zones' states:
 * nobody sees the image before it is whole, so its pointers are entered last, all in one commit.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/formats.h"
#include "convert/target_rules.h"
#include "util/math.h"
#include "io/io.h"
#include "offline/inherit.h"
#include "offline/new_image.h"
#include "qcow2/format/header.h"
#include "qcow2/qcow2.h"
#include "qcow2/tables/named_file.h"
#include "util/cleanup.h"

#define MAX_PACKERS 8 /* as many as there are threads */

struct image_target {
	struct disk_target base;
	struct new_image files;
	struct qcow2_image *img;
	bool compress;
	uint64_t cluster_size;
	pthread_mutex_t lock; /* guards the two below; no other is taken under it */
	struct qcow2_packer *packer[MAX_PACKERS]; /* that nobody uses now */
	unsigned nr_packers;
	int level;
};

static struct image_target *image_target_of(struct disk_target *t)
{
	return (struct image_target *)t;
}

/* ---- data -------------------------------------------------------------------------------- */

static int take_packer(struct image_target *i, struct qcow2_packer **p)
{
	*p = NULL;
	pthread_mutex_lock(&i->lock);
	if (i->nr_packers)
		*p = i->packer[--i->nr_packers];
	pthread_mutex_unlock(&i->lock);
	return *p ? 0 : qcow2_packer_new(i->img, i->level, p);
}

static void return_packer(struct image_target *i, struct qcow2_packer *p)
{
	pthread_mutex_lock(&i->lock);
	if (i->nr_packers < MAX_PACKERS) {
		i->packer[i->nr_packers++] = p;
		p = NULL;
	}
	pthread_mutex_unlock(&i->lock);
	qcow2_packer_free(p);
}

static int write_plain(struct image_target *i, uint32_t zone, uint64_t at, const void *buf,
		       size_t len)
{
	struct qcow2_write w = {
		.off = at,
		.buf = buf,
		.len = len,
		.zero_end = at + len,
		.stream = zone,
	};

	return qcow2_write(i->img, &w);
}

/* One guest cluster, of which len bytes are there. */
static int write_cluster(struct image_target *i, struct qcow2_packer *p, uint32_t zone, uint64_t at,
			 const uint8_t *buf, size_t len)
{
	uint8_t *whole CLEANUP_FREE = NULL;
	bool packed = false;
	int ret;

	if (len < i->cluster_size) {
		whole = calloc(1, (size_t)i->cluster_size);
		if (!whole)
			return -ENOMEM;
		memcpy(whole, buf, len);
	}
	ret = qcow2_write_packed(i->img, p, at, whole ? whole : buf, &packed);
	return ret || packed ? ret : write_plain(i, zone, at, buf, len);
}

static int write_compressed(struct image_target *i, uint32_t zone, uint64_t at, const uint8_t *buf,
			    size_t len)
{
	struct qcow2_packer *p;
	int ret = take_packer(i, &p);

	if (ret)
		return ret;
	while (len && !ret) {
		size_t n = (size_t)min_u64(len, i->cluster_size);

		ret = write_cluster(i, p, zone, at, buf, n);
		at += n;
		buf += n;
		len -= n;
	}
	return_packer(i, p);
	return ret;
}

static int image_target_write(struct disk_target *t, uint32_t zone, uint64_t off, const void *buf,
			      size_t len)
{
	struct image_target *i = image_target_of(t);
	uint64_t at = zq_zone_start(&t->geo, zone) + off;

	return i->compress ? write_compressed(i, zone, at, buf, len)
			   : write_plain(i, zone, at, buf, len);
}

static void image_target_write_out(struct disk_target *t)
{
	qcow2_write_out(image_target_of(t)->img);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void enter_pointers(struct image_target *i, const struct disk_zone *zone)
{
	const struct zq_geometry *g = &i->base.geo;

	for (uint32_t nr = g->nr_conv; nr < g->nr_zones; nr++) {
		uint64_t start = zq_zone_start(g, nr);

		if (zone[nr].state == ZQ_FULL || zone[nr].written == zq_zone_cap(g, nr))
			qcow2_wp_forward(i->img, nr, qcow2_wp_finished(i->img, nr));
		else if (zone[nr].written)
			qcow2_wp_forward(i->img, nr, start + zone[nr].written);
	}
}

static void free_packers(struct image_target *i)
{
	while (i->nr_packers)
		qcow2_packer_free(i->packer[--i->nr_packers]);
}

static int image_target_publish(struct disk_target *t, const struct disk_zone *zone,
				struct zq_error *err)
{
	struct image_target *i = image_target_of(t);
	int ret = qcow2_begin_change(i->img);

	if (!ret) {
		enter_pointers(i, zone);
		ret = qcow2_commit(i->img);
	}
	/* what was reserved and not used is given back by the next ones */
	for (int n = 0; n < 3 && !ret && qcow2_dirty(i->img); n++)
		ret = qcow2_commit(i->img);
	/* who compresses wants a small file: what was reserved for tables lies free within it */
	if (!ret && i->compress)
		ret = qcow2_gather(i->img, NULL, NULL);
	if (ret)
		return zq_fail(err, ret, "%s: %s", t->name, strerror(-ret));
	free_packers(i);
	qcow2_close(i->img);
	i->img = NULL;
	return new_image_publish(&i->files, err);
}

static void image_target_close(struct disk_target *t)
{
	struct image_target *i = image_target_of(t);

	free_packers(i);
	if (i->img)
		qcow2_close(i->img);
	new_image_end(&i->files);
	pthread_mutex_destroy(&i->lock);
}

static const struct disk_target_ops image_target_ops = {
	.write = image_target_write,
	.write_out = image_target_write_out,
	.publish = image_target_publish,
	.close = image_target_close,
};

/* ---- beginning ---------------------------------------------------------------------- */

static int check_image_options(const char *path, const struct zq_create_opts *o,
			       const struct disk_source *from, struct zq_error *err)
{
	int ret = target_check_geometry(path, o, &from->geo, err);

	if (!ret && o->data_file) {
		char *data CLEANUP_FREE = named_beside(path, o->data_file);

		if (!data)
			ret = zq_fail(err, -ENOMEM, "out of memory");
		else if (from->ops->uses(from, data))
			ret = zq_fail(err, -EINVAL,
				      "%s: data_file %s is the source, or a part of it", path,
				      data);
	}
	if (!ret && o->backing_file)
		ret = zq_fail(err, -EINVAL, "%s: a copy is whole, it has no backing file", path);
	return ret;
}

static int open_new_image(struct image_target *i, struct zq_error *err)
{
	struct qcow2_open_opts o = {
		.writable = true,
		.zoned = true,
		.lock = ZQ_LOCK_WRITE,
		.data_io = i->files.has_data ? i->files.data.io : NULL,
	};
	struct zq_io *io = i->files.image.io;

	i->files.image.io = i->files.data.io = NULL; /* taken over in every case */
	return qcow2_open(io, &o, &i->img, err);
}

/* A pointer within a block is refused with the name of a layout that takes it. */
static int check_whole_blocks(const struct image_target *i, const struct disk_source *from,
			      struct zq_error *err)
{
	const struct zoned_layout *other;
	unsigned row = 0;
	char what[64];

	if (!qcow2_zoned(i->img)->whole_blocks)
		return 0;
	do
		other = zoned_layout_at(row++);
	while (other && other->whole_blocks);
	snprintf(what, sizeof(what), "zone.layout %s, unlike %s,", qcow2_zoned(i->img)->layout,
		 other ? other->name : "none");
	return target_check_blocks(i->base.name, from, what, err);
}

/* With the image open: can it hold what the source has? */
static int check_new_image(struct image_target *i, const struct disk_source *from,
			   struct zq_error *err)
{
	const char *why = i->compress ? qcow2_why_not_packed(i->img) : NULL;
	int ret = target_check_active(i->base.name, from, i->base.geo.max_active, err);

	if (!ret)
		ret = check_whole_blocks(i, from, err);
	if (!ret && why)
		ret = zq_fail(err, -EINVAL, "%s: cannot be compressed: %s", i->base.name, why);
	if (!ret && i->compress && i->cluster_size > i->base.geo.zone_size)
		ret = zq_fail(err, -EINVAL,
			      "%s: cannot be compressed: cluster_size %" PRIu64
			      " is larger than a zone",
			      i->base.name, i->cluster_size);
	return ret;
}

/* Sees to it that the level is one of the method's before anything is compressed. */
static int check_level(struct image_target *i, struct zq_error *err)
{
	struct qcow2_packer *p;
	int min, max, ret = i->compress ? take_packer(i, &p) : 0;

	if (i->compress && !ret)
		return_packer(i, p);
	if (ret != -EINVAL)
		return ret ? zq_fail(err, ret, "%s: %s", i->base.name, strerror(-ret)) : 0;
	qcow2_packer_levels(i->img, &min, &max);
	return zq_fail(err, ret, "%s: its compression_type has levels from %d to %d, not %d",
		       i->base.name, min, max, i->level);
}

static int begin_image_target(struct image_target *i, const struct zq_convert_opts *opts,
			      const struct disk_source *from, struct zq_error *err)
{
	struct zq_create_opts o = { 0 };
	int ret;

	if (opts->create)
		o = *opts->create;
	ret = check_image_options(i->base.name, &o, from, err);
	if (ret)
		return ret;
	inherit_take(&o, &from->geo);
	o.force = opts->force;
	ret = new_image_begin(&i->files, i->base.name, &o, err);
	if (!ret)
		ret = open_new_image(i, err);
	if (ret)
		return ret;
	i->base.geo = qcow2_zoned(i->img)->geo;
	i->base.lacks_append =
		!zoned_layout_has(qcow2_get_header(i->img)->zoned.layout->max_append);
	i->cluster_size = qcow2_header_cluster_size(qcow2_get_header(i->img));
	if (i->compress)
		i->base.unit = (uint32_t)i->cluster_size;
	ret = check_new_image(i, from, err);
	return ret ? ret : check_level(i, err);
}

int target_begin_image(const char *path, const struct zq_convert_opts *opts,
		       const struct disk_source *from, struct disk_target **t, struct zq_error *err)
{
	struct image_target *i = calloc(1, sizeof(*i));
	int ret;

	if (!i)
		return zq_fail(err, -ENOMEM, "out of memory");
	i->base = (struct disk_target){ .ops = &image_target_ops, .name = path, .unit = ZQ_BLOCK };
	i->files = (struct new_image){ .image.fd = -1, .data.fd = -1 };
	i->compress = opts->compress;
	i->level = opts->level;
	pthread_mutex_init(&i->lock, NULL);
	ret = begin_image_target(i, opts, from, err);
	if (ret)
		disk_target_end(&i->base);
	else
		*t = &i->base;
	return ret;
}
