/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Targets whose bytes lie in one file with a second one that tells the zones: a raw disk with
 * a report, and a dump of libzbd. The second file gets its name first: with the first one
 * alone nobody can do anything.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/formats.h"
#include "convert/dump_format.h"
#include "convert/target_rules.h"
#include "util/math.h"
#include "convert/zone_table.h"
#include "io/io.h"
#include "offline/new_file.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/json.h"

struct flat_target {
	struct disk_target base;
	struct new_file data, zones;
	/* writes the table of zones to io */
	int (*write_zones)(struct zq_io *io, const struct zq_geometry *g,
			   const struct disk_zone *zone);
};

static struct flat_target *flat_target_of(struct disk_target *t)
{
	return (struct flat_target *)t;
}

static int flat_write(struct disk_target *t, uint32_t zone, uint64_t off, const void *buf,
		      size_t len)
{
	return io_write(flat_target_of(t)->data.io, buf, len, zq_zone_start(&t->geo, zone) + off);
}

static void flat_write_out(struct disk_target *t)
{
	io_write_out(flat_target_of(t)->data.io);
}

static int flat_publish(struct disk_target *t, const struct disk_zone *zone, struct zq_error *err)
{
	struct flat_target *f = flat_target_of(t);
	int ret = f->write_zones(f->zones.io, &t->geo, zone);

	if (!ret)
		ret = io_flush(f->zones.io);
	if (!ret)
		ret = io_flush(f->data.io);
	if (ret)
		return zq_fail(err, ret, "%s: %s", t->name, strerror(-ret));
	ret = new_file_publish(&f->zones, err);
	if (!ret) {
		ret = new_file_publish(&f->data, err);
		if (ret)
			new_file_retract(&f->zones);
	}
	if (ret)
		zq_error_prefix(err, t->name);
	return ret;
}

static void flat_target_close(struct disk_target *t)
{
	new_file_end(&flat_target_of(t)->data);
	new_file_end(&flat_target_of(t)->zones);
}

static const struct disk_target_ops flat_target_ops = {
	.write = flat_write,
	.write_out = flat_write_out,
	.publish = flat_publish,
	.close = flat_target_close,
};

/* ---- the two tables ---------------------------------------------------------------------- */

/* As "zqfs report --json" prints it, so that the geometry's limits are kept. */
static void print_report(FILE *out, const struct zq_geometry *g, const struct disk_zone *zone)
{
	struct json j = { .out = out };

	json_object(&j, NULL);
	json_object(&j, "geometry");
	json_number(&j, "size", g->size);
	json_number(&j, "zone_size", g->zone_size);
	json_number(&j, "zone_capacity", g->zone_capacity);
	json_number(&j, "nr_zones", g->nr_zones);
	json_number(&j, "nr_conventional", g->nr_conv);
	json_number(&j, "max_open", g->max_open);
	json_number(&j, "max_active", g->max_active);
	json_number(&j, "max_append", g->max_append);
	json_end_object(&j);
	json_array(&j, "zones");
	for (uint32_t i = 0; i < g->nr_zones; i++) {
		enum zq_zone_state state = (enum zq_zone_state)zone[i].state;

		json_object_line(&j, NULL);
		json_number(&j, "number", i);
		json_string(&j, "type", i < g->nr_conv ? "conventional" : "sequential");
		json_string(&j, "state", zq_state_name(state));
		json_number(&j, "start", zq_zone_start(g, i));
		json_number(&j, "size", zq_zone_len(g, i));
		json_number(&j, "capacity", zq_zone_cap(g, i));
		if (state == ZQ_NOT_WP || state == ZQ_FULL)
			json_null(&j, "wp");
		else
			json_number(&j, "wp", zq_zone_start(g, i) + zone[i].written);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_end_object(&j);
}

static int write_report(struct zq_io *io, const struct zq_geometry *g, const struct disk_zone *zone)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int ret;

	if (!out)
		return -ENOMEM;
	print_report(out, g, zone);
	ret = fclose(out) ? -ENOMEM : io_write(io, text, len, 0);
	free(text);
	return ret;
}

static void fill_dump_header(uint8_t *h, const struct zq_geometry *g)
{
	memset(h, 0, DUMP_HEADER_BYTES);
	memcpy(h + DUMP_VENDOR, "zqfs", 4);
	put_le64(h + DUMP_NR_SECTORS, g->size / ZQ_BLOCK);
	put_le64(h + DUMP_NR_LBLOCKS, g->size / ZQ_BLOCK);
	put_le64(h + DUMP_NR_PBLOCKS, g->size / ZQ_BLOCK);
	put_le64(h + DUMP_ZONE_SIZE, g->zone_size);
	put_le32(h + DUMP_ZONE_SECTORS, (uint32_t)(g->zone_size / ZQ_BLOCK));
	put_le32(h + DUMP_LBLOCK_SIZE, ZQ_BLOCK);
	put_le32(h + DUMP_PBLOCK_SIZE, ZQ_BLOCK);
	put_le32(h + DUMP_NR_ZONES, g->nr_zones);
	put_le32(h + DUMP_MAX_OPEN, g->max_open);
	put_le32(h + DUMP_MAX_ACTIVE, g->max_active);
	put_le32(h + DUMP_MODEL, DUMP_MODEL_HOST_MANAGED);
	put_le32(h + DUMP_ZEND, g->nr_zones);
}

static void fill_dump_zone(uint8_t *b, const struct zq_geometry *g, uint32_t nr,
			   const struct disk_zone *z)
{
	bool conv = nr < g->nr_conv;
	uint64_t start = zq_zone_start(g, nr);

	memset(b, 0, DUMP_ZONE_BYTES);
	put_le64(b + DUMP_Z_START, start);
	put_le64(b + DUMP_Z_LEN, zq_zone_len(g, nr));
	put_le64(b + DUMP_Z_CAPACITY, zq_zone_cap(g, nr));
	/* as the kernel reports it: a zone without a pointer has all ones in sectors, a full one
	 * its end */
	put_le64(b + DUMP_Z_WP, conv		      ? UINT64_MAX - (ZQ_BLOCK - 1)
				: z->state == ZQ_FULL ? start + zq_zone_len(g, nr)
						      : start + z->written);
	put_le32(b + DUMP_Z_TYPE, conv ? DUMP_TYPE_CONVENTIONAL : DUMP_TYPE_SEQUENTIAL);
	put_le32(b + DUMP_Z_COND, zone_cond_from_state((enum zq_zone_state)z->state));
}

static int write_dump_info(struct zq_io *io, const struct zq_geometry *g,
			   const struct disk_zone *zone)
{
	uint8_t b[DUMP_HEADER_BYTES];
	int ret;

	fill_dump_header(b, g);
	ret = io_write(io, b, DUMP_HEADER_BYTES, 0);
	for (uint32_t i = 0; i < g->nr_zones && !ret; i++) {
		fill_dump_zone(b, g, i, &zone[i]);
		ret = io_write(io, b, DUMP_ZONE_BYTES,
			       DUMP_HEADER_BYTES + (uint64_t)i * DUMP_ZONE_BYTES);
	}
	return ret;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int begin_flat(struct flat_target *f, const char *data, const char *zones,
		      const struct zq_convert_opts *opts, const struct disk_source *from,
		      struct zq_error *err)
{
	int ret;

	if (from->ops->uses(from, data) || from->ops->uses(from, zones))
		return zq_fail(err, -EINVAL, "%s: is the source, or a part of it", f->base.name);
	ret = new_file_begin(&f->data, data, opts->force, "the target", err);

	if (!ret)
		ret = new_file_begin(&f->zones, zones, opts->force, "the zone table", err);
	if (!ret && !strcmp(f->data.path, f->zones.path))
		ret = zq_fail(err, -EINVAL, "%s: is to hold the disk and its zones", data);
	if (!ret) {
		ret = io_truncate(f->data.io, f->base.geo.size);
		if (ret)
			zq_fail(err, ret, "%s: making it %" PRIu64 " bytes long: %s", data,
				f->base.geo.size, strerror(-ret));
	}
	return ret;
}

/* The limits of the options, where they are given. */
static void take_limits(struct zq_geometry *g, const struct zq_create_opts *o)
{
	if (o && o->max_open)
		g->max_open = o->max_open;
	if (o && o->max_active)
		g->max_active = o->max_active;
	if (o && o->max_append)
		g->max_append = (uint32_t)min_u64(o->max_append, UINT32_MAX);
}

static struct flat_target *new_flat_target(const char *path, const struct zq_convert_opts *opts,
					   const struct disk_source *from)
{
	struct flat_target *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->data.fd = f->zones.fd = -1;
	f->base = (struct disk_target){
		.ops = &flat_target_ops,
		.name = path,
		.geo = from->geo,
		.unit = ZQ_BLOCK,
		.keeps_states = true,
	};
	take_limits(&f->base.geo, opts->create);
	return f;
}

static int check_flat(const char *path, const struct zq_convert_opts *opts,
		      const struct disk_source *from, struct zq_error *err)
{
	if (opts->compress)
		return zq_fail(err, -EINVAL, "%s: only an image can be compressed", path);
	return target_check_geometry(path, opts->create, &from->geo, err);
}

static int hand_on(struct flat_target *f, int ret, struct disk_target **t)
{
	if (ret)
		disk_target_end(&f->base);
	else
		*t = &f->base;
	return ret;
}

int target_begin_raw(const char *path, const struct zq_convert_opts *opts,
		     const struct disk_source *from, struct disk_target **t, struct zq_error *err)
{
	char *beside CLEANUP_FREE = NULL;
	struct flat_target *f;
	int ret = check_flat(path, opts, from, err);

	if (ret)
		return ret;
	f = new_flat_target(path, opts, from);
	if (!f || asprintf(&beside, "%s.zones", path) < 0) {
		free(f);
		return zq_fail(err, -ENOMEM, "out of memory");
	}
	f->write_zones = write_report;
	ret = begin_flat(f, path, beside, opts, from, err);
	return hand_on(f, ret, t);
}

int target_begin_dump(const char *path, const struct zq_convert_opts *opts,
		      const struct disk_source *from, struct disk_target **t, struct zq_error *err)
{
	char *info CLEANUP_FREE = NULL, *data CLEANUP_FREE = NULL;
	struct flat_target *f;
	int ret = check_flat(path, opts, from, err);

	if (!ret)
		ret = target_check_blocks(path, from, "a dump", err);
	if (!ret && from->geo.zone_size / ZQ_BLOCK > UINT32_MAX)
		ret = zq_fail(err, -EINVAL,
			      "%s: zone_size %" PRIu64 " is larger than a dump can hold", path,
			      from->geo.zone_size);
	if (ret)
		return ret;
	f = new_flat_target(path, opts, from);
	if (!f || dump_paths(path, &info, &data)) {
		free(f);
		return zq_fail(err, -ENOMEM, "out of memory");
	}
	f->write_zones = write_dump_info;
	f->base.lacks_append = true;
	ret = begin_flat(f, data, info, opts, from, err);
	return hand_on(f, ret, t);
}
