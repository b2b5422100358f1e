/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_amend: what an image becomes, and in which order. A new pointer table goes behind the end
 * of the file and gets its refcounts before the header leads to it; the old one's clusters are
 * given back after the header has changed. So an end at any point leaves leaks at most.
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

static int plan_features(struct amend *a, struct zq_error *err)
{
	const struct zq_amend_opts *o = a->o;

	if (o->set_lazy)
		a->to.compat = o->lazy_refcounts ? a->to.compat | QCOW2_COMPAT_LAZY
						 : a->to.compat & ~QCOW2_COMPAT_LAZY;
	if (o->set_compression) {
		a->to.compression_type = o->zstd;
		a->to.incompat = o->zstd ? a->to.incompat | QCOW2_INCOMPAT_COMPRESSION
					 : a->to.incompat & ~QCOW2_INCOMPAT_COMPRESSION;
	}
	return plan_backing(a, err);
}

/* ---- is the image fit for it? ------------------------------------------------------------- */

static int refuse_unclean(const struct amend *a, struct zq_error *err)
{
	if (a->from.incompat & QCOW2_INCOMPAT_DIRTY)
		return zq_fail(err, -EINVAL,
			       "is marked dirty: \"zqfs check --repair=all\" comes first");
	if (a->from.incompat & QCOW2_INCOMPAT_CORRUPT)
		return zq_fail(err, -EINVAL,
			       "is marked corrupt: \"zqfs check --repair=all\" comes first");
	return 0;
}

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
		return zq_fail(err, -EINVAL, "is damaged: \"zqfs check --repair=all\" comes first");
	if (recompress && res.compressed_clusters)
		return zq_fail(err, -EINVAL,
			       "%s: compression_type cannot change: %" PRIu64
			       " clusters are compressed",
			       a->io->name, res.compressed_clusters);
	return 0;
}

/* ---- doing it ------------------------------------------------------------------------------- */

/* Behind all that the file has; nothing leads there yet. */
static int write_table(struct amend *a, struct zq_error *err)
{
	uint64_t cluster = qcow2_header_cluster_size(&a->from), size;
	uint64_t bytes = (uint64_t)a->from.zoned.geo.nr_zones * 8;
	int ret =
		amend_table_convert(&a->table, &a->from.zoned, a->to.zoned.layout, a->little, err);

	if (ret)
		return ret;
	ret = io_size(a->io, &size);
	if (!ret) {
		a->to.zoned.meta_offset = align_up(size, cluster);
		a->to.zoned.meta_size = bytes;
		ret = io_truncate(a->io, a->to.zoned.meta_offset + align_up(bytes, cluster));
	}
	if (!ret)
		ret = io_write(a->io, a->table.raw, (size_t)bytes, a->to.zoned.meta_offset);
	if (!ret)
		ret = io_flush(a->io);
	if (ret)
		return zq_fail(err, ret, "%s: writing the new write pointers: %s", a->io->name,
			       strerror(-ret));
	return check_claim(a->io, &a->from, a->to.zoned.meta_offset, bytes, err);
}

/* The refcount table may have moved when the new table got its refcounts. */
static int refresh_header(struct amend *a, struct zq_error *err)
{
	struct qcow2_header now;
	int ret = qcow2_header_read(a->io, true, &now, err);

	if (ret)
		return ret;
	a->from.reftable_offset = now.reftable_offset;
	a->from.reftable_clusters = now.reftable_clusters;
	a->from.file_size = now.file_size;
	qcow2_header_free(&now);
	return 0;
}

/* The old table's clusters, to which nothing leads any more, are free again. */
static int free_old_table(struct amend *a, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_LEAKS };
	struct zq_check_result res;
	struct qcow2_header now;
	int ret = qcow2_header_read(a->io, true, &now, err);

	if (ret)
		return ret;
	ret = qcow2_check(a->io, &now, &opts, &res, err);
	qcow2_header_free(&now);
	return ret;
}

static int carry_out(struct amend *a, struct zq_error *err)
{
	int ret = 0;

	if (a->new_table) {
		ret = write_table(a, err);
		if (!ret)
			ret = refresh_header(a, err);
	}
	if (!ret) {
		ret = amend_header(a->io, &a->from, &a->to, err);
		if (ret)
			zq_error_prefix(err, a->io->name);
	}
	if (!ret && a->new_table)
		ret = free_old_table(a, err);
	return ret;
}

/* Its sentences do not name the file. */
static int plan_all(struct amend *a, struct zq_error *err)
{
	int ret = refuse_unclean(a, err);

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
