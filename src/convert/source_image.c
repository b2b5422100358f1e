/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A zoned image with its backing chain as a source: what is read is what a mount would show.
 * Holds the image's read lock.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "convert/disk.h"
#include "convert/formats.h"
#include "io/io.h"
#include "qcow2/qcow2.h"

struct image_source {
	struct disk_source base;
	struct qcow2_image *img;
};

static struct qcow2_image *image_of(struct disk_source *s)
{
	return ((struct image_source *)s)->img;
}

static int image_source_read(struct disk_source *s, uint32_t zone, uint64_t off, void *buf,
			     size_t len)
{
	return qcow2_read(image_of(s), zq_zone_start(&s->geo, zone) + off, buf, len);
}

static int image_source_status(struct disk_source *s, uint32_t zone, uint64_t off, uint64_t len,
			       bool *data, uint64_t *run)
{
	return qcow2_block_status(image_of(s), zq_zone_start(&s->geo, zone) + off, len, data, run);
}

static void image_source_close(struct disk_source *s)
{
	if (image_of(s))
		qcow2_close(image_of(s));
}

static bool image_source_uses(const struct disk_source *s, const char *path)
{
	const struct image_source *i = (const struct image_source *)s;
	struct stat st;

	return !stat(path, &st) && qcow2_uses(i->img, &st);
}

static const struct disk_source_ops image_ops = {
	.read = image_source_read,
	.status = image_source_status,
	.close = image_source_close,
	.uses = image_source_uses,
};

static int load_zone(struct image_source *i, uint32_t nr, struct zq_error *err)
{
	struct zq_geometry *g = &i->base.geo;
	struct disk_zone *z = &i->base.zone[nr];
	enum qcow2_wp_kind kind;
	uint64_t wp;
	int ret = qcow2_wp_get_sane(i->img, nr, &wp, &kind, err);

	if (ret)
		return ret;
	z->written = qcow2_wp_written(i->img, nr);
	if (kind == QCOW2_WP_CONV)
		z->state = ZQ_NOT_WP;
	else if (z->written == zq_zone_cap(g, nr))
		z->state = ZQ_FULL;
	else
		z->state = z->written ? ZQ_CLOSED : ZQ_EMPTY;
	return 0;
}

static void log_to_note(void *data, const char *line)
{
	const struct zq_convert_opts *opts = data;

	if (opts->note)
		opts->note(opts->data, line);
}

static int open_source_image(struct image_source *i, const struct zq_convert_opts *opts,
			     struct zq_error *err)
{
	struct qcow2_open_opts o = {
		.zoned = true,
		.lock = ZQ_LOCK_READ,
		.data_file = opts->data_file,
		.log = log_to_note,
		.log_data = (void *)opts,
	};
	struct zq_io *io;
	int ret = zq_io_open(i->base.name, false, &io, err);

	if (!ret)
		ret = qcow2_open(io, &o, &i->img, err);
	if (ret)
		return ret;
	i->base.geo = qcow2_zoned(i->img)->geo;
	i->base.unit = (uint32_t)qcow2_cluster_size(i->img);
	i->base.zone = calloc(i->base.geo.nr_zones, sizeof(*i->base.zone));
	if (!i->base.zone)
		return zq_fail(err, -ENOMEM, "out of memory for %u zones", i->base.geo.nr_zones);
	for (uint32_t nr = 0; nr < i->base.geo.nr_zones && !ret; nr++)
		ret = load_zone(i, nr, err);
	return ret;
}

int source_open_image(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		      struct zq_error *err)
{
	struct image_source *i = calloc(1, sizeof(*i));
	int ret;

	if (!i)
		return zq_fail(err, -ENOMEM, "out of memory");
	i->base = (struct disk_source){ .ops = &image_ops, .name = path, .format = ZQ_DISK_IMAGE };
	ret = open_source_image(i, opts, err);
	if (ret) {
		disk_source_close(&i->base);
		return ret;
	}
	*s = &i->base;
	return 0;
}
