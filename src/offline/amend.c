/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_amend: what an image becomes, and whether it is fit for that. How it is changed without a
 * moment at which it is neither the old nor the new one: amend_steps.c and amend_header.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/format/geometry.h"
#include "qcow2/tables/header_read.h"
#include "util/math.h"
#include "util/sized.h"

struct amend {
	struct zq_io *io;
	const struct zq_amend_opts *o;
	struct qcow2_header from, to; /* to borrows its strings from "from" and the options */
	bool little;		      /* byte order that the table is to have */
	bool new_table;
	struct amend_table table;
};

static void warn_of_loss(const struct amend *a)
{
	uint32_t append = a->from.zoned.geo.max_append;
	struct zq_error line;

	if (!a->o->warn)
		return;
	if (append && !a->to.zoned.geo.max_append) {
		zq_fail(&line, 0,
			"max_append_bytes %" PRIu32 " is lost: layout %s has no such field", append,
			a->to.zoned.layout->name);
		a->o->warn(a->o->warn_data, line.msg);
	}
	if (a->from.backing_file && !a->to.backing_file)
		a->o->warn(a->o->warn_data, "what only the backing file holds reads as zeros now");
}

/* ---- what it becomes ---------------------------------------------------------------------- */

static int plan_append(struct amend *a, struct zq_error *err)
{
	struct zq_geometry *g = &a->to.zoned.geo;
	const struct zoned_layout *l = a->to.zoned.layout;

	if (a->o->set_append) {
		if (a->o->max_append > UINT32_MAX)
			return zq_fail(err, -EINVAL,
				       "max_append_bytes %" PRIu64 " is larger than %" PRIu32,
				       a->o->max_append, UINT32_MAX & ~(ZQ_BLOCK - 1));
		g->max_append = (uint32_t)a->o->max_append;
		return 0;
	}
	if (l == a->from.zoned.layout)
		return 0;
	if (!zoned_layout_has(l->max_append))
		g->max_append = 0;
	else if (!g->max_append)
		g->max_append = geometry_default_append(g);
	return 0;
}

static int plan_zoned(struct amend *a, struct zq_error *err)
{
	const struct zq_amend_opts *o = a->o;
	struct qcow2_zoned_ext *z = &a->to.zoned;
	char names[ZONED_LIST_MAX];
	int ret;

	if (o->layout)
		z->layout = zoned_layout_named(o->layout);
	if (!z->layout)
		return zq_fail(err, -EINVAL, "zone.layout %s is unknown (%s)", o->layout,
			       zoned_layout_names(names));
	if (o->set_open)
		z->geo.max_open = o->max_open;
	if (o->set_active)
		z->geo.max_active = o->max_active;
	ret = plan_append(a, err);
	if (!ret)
		ret = zq_geometry_validate(&z->geo, err);
	if (!ret)
		ret = zoned_layout_fits(z->layout, &z->geo, qcow2_header_cluster_size(&a->from),
					err);
	return ret;
}

static int plan_order(struct amend *a, struct zq_error *err)
{
	const struct zoned_layout *l = a->to.zoned.layout;

	a->little = l == a->from.zoned.layout && a->table.little;
	if (a->o->set_order)
		a->little = a->o->wp_little_endian;
	if (a->little && !l->host_order)
		return zq_fail(err, -EINVAL,
			       "zone.wp_order=little does not fit layout %s, whose write pointers "
			       "are big-endian always",
			       l->name);
	a->new_table = l != a->from.zoned.layout || a->little != a->table.little;
	return 0;
}

/* No backing file any more, nor what an overlay remembers of it. */
static int plan_no_backing(struct amend *a, struct zq_error *err)
{
	if (a->o->backing_fmt)
		return zq_fail(err, -EINVAL, "backing_fmt without a backing file makes no sense");
	a->to.backing_file = a->to.backing_format = NULL;
	a->to.base_id.present = false;
	return 0;
}

static int plan_new_backing(const struct amend *a, struct zq_error *err)
{
	if (a->from.backing_file)
		return 0;
	if (!a->o->backing_file)
		return zq_fail(err, -EINVAL, "has no backing file");
	if (!a->o->backing_fmt)
		return zq_fail(err, -EINVAL,
			       "a backing file that is added needs backing_fmt, raw or qcow2");
	if (a->from.autoclear & QCOW2_AUTOCLEAR_DATA_RAW)
		return zq_fail(err, -EINVAL,
			       "a raw external data file and a backing file exclude each other");
	return 0;
}

/* As "qemu-img rebase -u": the names change, and nothing is read or copied. */
static int plan_backing(struct amend *a, struct zq_error *err)
{
	const struct zq_amend_opts *o = a->o;
	int ret;

	if (!o->backing_file && !o->backing_fmt)
		return 0;
	if (o->backing_file && !*o->backing_file)
		return plan_no_backing(a, err);
	ret = plan_new_backing(a, err);
	if (ret)
		return ret;
	if (o->backing_file)
		a->to.backing_file = o->backing_file;
	if (o->backing_fmt)
		a->to.backing_format = o->backing_fmt;
	if (strlen(a->to.backing_file) > QCOW2_MAX_BACKING_NAME)
		return zq_fail(err, -E2BIG, "backing_file: %zu bytes are more than %u",
			       strlen(a->to.backing_file), QCOW2_MAX_BACKING_NAME);
	return 0;
}

/* That nothing is compressed in the zones is seen to later, see check_sound(). */
static int plan_compression(struct amend *a, struct zq_error *err)
{
	bool zstd = a->o->zstd;

	if (zstd != a->from.compression_type && a->from.nb_snapshots)
		return zq_fail(
			err, -EINVAL,
			"compression_type cannot change: it has internal snapshots, which may "
			"hold compressed clusters");
	a->to.compression_type = zstd;
	a->to.incompat = zstd ? a->to.incompat | QCOW2_INCOMPAT_COMPRESSION
			      : a->to.incompat & ~QCOW2_INCOMPAT_COMPRESSION;
	return 0;
}

static int plan_features(struct amend *a, struct zq_error *err)
{
	const struct zq_amend_opts *o = a->o;
	int ret = 0;

	if (o->set_lazy)
		a->to.compat = o->lazy_refcounts ? a->to.compat | QCOW2_COMPAT_LAZY
						 : a->to.compat & ~QCOW2_COMPAT_LAZY;
	if (o->set_compression)
		ret = plan_compression(a, err);
	return ret ? ret : plan_backing(a, err);
}

/* ---- is the image fit for it? ------------------------------------------------------------- */

/* A pointer that only the image's own QEMU minds is no damage: another layout may hold it. */
static int check_sound(const struct amend *a, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_NONE };
	bool recompress = a->to.compression_type != a->from.compression_type;
	struct zq_check_result res;
	int ret;

	if (!a->new_table && !recompress)
		return 0;
	ret = qcow2_check(a->io, &a->from, &opts, &res, err);
	if (ret)
		return ret;
	if (res.corruptions > a->table.refused)
		return zq_fail(err, -EINVAL,
			       "%s: is damaged: \"zqfs check --repair=all\" comes first",
			       a->io->name);
	if (recompress && res.compressed_clusters)
		return zq_fail(err, -EINVAL,
			       "%s: compression_type cannot change: %" PRIu64
			       " clusters are compressed",
			       a->io->name, res.compressed_clusters);
	return 0;
}

/* ---- doing it ------------------------------------------------------------------------------- */

static int place_table(struct amend *a, struct zq_error *err)
{
	struct amend_new_table t = { .bytes = (size_t)a->from.zoned.geo.nr_zones * 8 };
	int ret =
		amend_table_convert(&a->table, &a->from.zoned, a->to.zoned.layout, a->little, err);

	t.data = a->table.raw;
	if (!ret)
		ret = amend_place(a->io, &a->from, &t, 1, err);
	a->to.zoned.meta_offset = t.offset;
	a->to.zoned.meta_size = t.bytes;
	return ret;
}

static int carry_out(struct amend *a, struct zq_error *err)
{
	int ret = a->new_table ? place_table(a, err) : 0;

	if (!ret) {
		ret = amend_header(a->io, &a->from, &a->to, err);
		if (ret)
			zq_error_prefix(err, a->io->name);
	}
	if (!ret && a->new_table)
		ret = amend_give_back(a->io, err);
	return ret;
}

/* Its sentences do not name the file. */
static int plan_all(struct amend *a, struct zq_error *err)
{
	int ret = amend_refuse_unclean(&a->from, err);

	if (!ret)
		ret = amend_table_read(a->io, &a->from.zoned, &a->table, err);
	if (!ret)
		ret = plan_zoned(a, err);
	if (!ret)
		ret = plan_order(a, err);
	if (!ret)
		ret = plan_features(a, err);
	if (!ret && a->new_table && a->table.corrupt)
		ret = zq_fail(err, -EINVAL,
			      "is damaged, %" PRIu32 " of its write pointers make no sense: \"zqfs "
			      "check --repair=all\" comes first",
			      a->table.corrupt);
	if (!ret && a->new_table)
		ret = amend_table_convert(&a->table, &a->from.zoned, a->to.zoned.layout, a->little,
					  err);
	return ret;
}

static int amend_clean(struct amend *a, struct zq_error *err)
{
	int ret = plan_all(a, err);

	if (ret)
		zq_error_prefix(err, a->io->name);
	if (!ret)
		ret = check_sound(a, err);
	if (ret)
		return ret;
	warn_of_loss(a);
	return carry_out(a, err);
}

int amend_image(struct zq_io *io, const struct zq_amend_opts *o, struct zq_error *err)
{
	struct amend a = { .io = io, .o = o };
	int ret = qcow2_header_read(io, true, &a.from, err);

	if (ret)
		return ret;
	a.to = a.from;
	ret = amend_clean(&a, err);
	amend_table_free(&a.table);
	qcow2_header_free(&a.from);
	return ret;
}

int zq_amend_sized(const char *path, const struct zq_amend_opts *opts, size_t size,
		   struct zq_error *err)
{
	struct zq_amend_opts o;
	struct zq_io *io;
	int ret = sized_take(&o, sizeof(o), opts, size, err);

	if (!ret && !path)
		ret = zq_fail(err, -EINVAL, "no path");
	if (!ret)
		ret = zq_io_open(path, true, &io, err);
	if (ret)
		return ret;
	ret = io_claim(io, ZQ_LOCK_WRITE, NULL, err);
	if (!ret)
		ret = amend_image(io, &o, err);
	io_close(io);
	return ret;
}
