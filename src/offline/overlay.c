/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a new overlay takes from its base. Reads the base through the engine, with its chain.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/tables/named_file.h"
#include "offline/create_backing.h"
#include "offline/inherit.h"
#include "offline/overlay.h"
#include "qcow2/format/header.h"
#include "qcow2/qcow2.h"
#include "util/cleanup.h"

static int take_pointers(struct qcow2_image *base, struct overlay_base *b, struct zq_error *err)
{
	const struct zq_geometry *g = &qcow2_zoned(base)->geo;

	b->written = calloc(g->nr_zones, sizeof(*b->written));
	if (!b->written)
		return zq_fail(err, -ENOMEM, "out of memory for %u zones", g->nr_zones);
	qcow2_tell_base(base, &b->id);
	for (uint32_t zone = 0; zone < g->nr_zones; zone++) {
		enum qcow2_wp_kind kind;
		uint64_t wp;
		int ret = qcow2_wp_get_sane(base, zone, &wp, &kind, err);

		if (ret)
			return ret;
		b->written[zone] = qcow2_wp_written(base, zone);
	}
	return 0;
}

/* One QEMU opens the whole chain, so without a word on it the layout is the base's. */
static void take_layout(struct zq_create_opts *o, const struct qcow2_zoned_info *base)
{
	if (o->layout)
		return;
	o->layout = base->layout;
	o->wp_little_endian |= base->little_endian;
}

/* Open zones come back closed, so all that are neither empty nor full are active. */
static int check_active(const struct zq_create_opts *o, const struct zq_geometry *g,
			const struct overlay_base *b, struct zq_error *err)
{
	uint32_t nr = 0;

	for (uint32_t zone = g->nr_conv; zone < g->nr_zones; zone++)
		nr += b->written[zone] && b->written[zone] < zq_zone_cap(g, zone);
	if (!o->max_active || nr <= o->max_active)
		return 0;
	return zq_fail(err, -EINVAL,
		       "zone.max_active_zones %" PRIu32 " is smaller than %" PRIu32
		       ", the base's zones that are neither empty nor full",
		       o->max_active, nr);
}

static int take_open_base(struct qcow2_image *base, struct zq_create_opts *o,
			  struct overlay_base *b, struct zq_error *err)
{
	const struct zq_geometry *g;
	int ret;

	if (!qcow2_zoned(base))
		return 0;
	if (qcow2_get_header(base)->identity.unfinished)
		return zq_fail(err, -EBUSY,
			       "%s: an overlay that was written down into it is not finished: "
			       "\"zqfs commit\" of it goes on",
			       qcow2_name(base));
	g = &qcow2_zoned(base)->geo;
	ret = inherit_check(o, g, "the zoned backing file", "an overlay has the zones of its base",
			    err);
	if (ret)
		return ret;
	take_layout(o, qcow2_zoned(base));
	inherit_take(o, g);
	ret = take_pointers(base, b, err);
	return ret ? ret : check_active(o, g, b, err);
}

static int check_has_size(const struct zq_create_opts *o, struct zq_error *err)
{
	if (o->size || !o->backing_file)
		return 0;
	return zq_fail(err, -EINVAL,
		       "%s: has no zones to take the size of the disk from, so it "
		       "must be given",
		       o->backing_file);
}

int overlay_take_base(const char *path, struct zq_create_opts *o, struct overlay_base *b,
		      struct zq_error *err)
{
	struct qcow2_open_opts opts = { .zoned_base = true, .lock = ZQ_LOCK_READ };
	char *base_path CLEANUP_FREE = NULL;
	struct qcow2_image *base;
	struct zq_io *io;
	int ret;

	*b = (struct overlay_base){ 0 };
	if (!o->backing_file || !o->backing_fmt || strcmp(o->backing_fmt, "qcow2") != 0)
		return check_has_size(o, err);
	base_path = named_beside(path, o->backing_file);
	if (!base_path)
		return zq_fail(err, -ENOMEM, "out of memory");
	ret = zq_io_open(base_path, false, &io, err);
	if (ret && o->size)
		return 0; /* said where the whole chain is looked at */
	if (!ret)
		ret = qcow2_open(io, &opts, &base, err);
	if (!ret) {
		ret = take_open_base(base, o, b, err);
		qcow2_close(base);
	}
	if (!ret)
		ret = check_has_size(o, err);
	if (ret) {
		overlay_base_free(b);
		zq_error_prefix(err, "backing file");
	}
	return ret;
}

void overlay_base_free(struct overlay_base *b)
{
	free(b->written);
	b->written = NULL;
}

int overlay_check_layout(const struct overlay_base *b, const struct zoned_layout *l,
			 struct zq_error *err)
{
	char label[ZQ_ZONE_LABEL_MAX];

	for (uint32_t zone = 0; b->written && l->whole_blocks && zone < b->id.geo.nr_zones; zone++)
		if (b->written[zone] % ZQ_BLOCK)
			return zq_fail(err, -EINVAL,
				       "the base's write pointer of %s stands within a block, "
				       "which zone.layout %s cannot hold",
				       zq_zone_label(b->id.geo.nr_conv, zone, label), l->name);
	return 0;
}
