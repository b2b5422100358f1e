/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_resize: whole zones more or fewer at the end of an image. The pointer table of the new size,
 * and an L1 table where the old one is too short, go into new clusters, and the header that leads
 * to them is switched as in an amend. A data file is longer before that, or shorter after it.
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
#include "qcow2/format/zoned_word.h"
#include "qcow2/tables/header_read.h"
#include "qcow2/tables/named_file.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "util/size.h"
#include "util/sized.h"

struct resize {
	struct zq_io *io, *data; /* data: NULL without one */
	struct qcow2_header from, to;
	struct amend_table table; /* the pointers as they are */
	uint8_t *words, *l1;	  /* both tables as they will be */
	size_t words_bytes, l1_bytes;
};

/* ---- what it becomes ---------------------------------------------------------------------- */

static int new_size(const struct zq_resize_opts *o, const struct zq_geometry *g, uint64_t *size,
		    struct zq_error *err)
{
	char zone[SIZE_TEXT_MAX];

	*size = o->size;
	if (o->how == ZQ_RESIZE_BY && __builtin_add_overflow(g->size, o->size, size))
		return zq_fail(err, -EINVAL, "cannot be so large");
	if (o->how == ZQ_RESIZE_OFF && __builtin_sub_overflow(g->size, o->size, size))
		return zq_fail(err, -EINVAL, "is not so large");
	if (*size == g->size || (*size && *size % g->zone_size == 0))
		return 0;
	return zq_fail(err, -EINVAL, "size %" PRIu64 " is not a multiple of the zone size %s: %s",
		       *size, size_format_exact(g->zone_size, zone),
		       *size < g->zone_size ? "one zone is the least"
					    : "only whole zones come or go");
}

static int plan_geometry(struct resize *r, uint64_t size, struct zq_error *err)
{
	struct zq_geometry *g = &r->to.zoned.geo;
	uint64_t nr = size / g->zone_size;
	int ret;

	if (nr > UINT32_MAX)
		return zq_fail(err, -EINVAL, "%" PRIu64 " zones are more than %" PRIu32, nr,
			       UINT32_MAX);
	g->size = r->to.size = size;
	g->nr_zones = (uint32_t)nr;
	ret = zq_geometry_validate(g, err);
	if (!ret)
		ret = zoned_layout_fits(r->to.zoned.layout, g, qcow2_header_cluster_size(&r->to),
					err);
	return ret;
}

static int plan_l1(struct resize *r, struct zq_error *err)
{
	uint64_t clusters = div_up(r->to.size, qcow2_header_cluster_size(&r->to));
	uint64_t need = div_up(clusters, amend_l2_entries(&r->to));

	if (need * 8 > QCOW2_MAX_L1_BYTES)
		return zq_fail(err, -EFBIG,
			       "the L1 table would have %" PRIu64 " bytes, more than %" PRIu64
			       "; larger clusters are needed",
			       need * 8, QCOW2_MAX_L1_BYTES);
	r->to.l1_size = (uint32_t)max_u64(need, r->from.l1_size);
	r->l1_bytes = (size_t)r->to.l1_size * 8;
	r->l1 = calloc(1, r->l1_bytes);
	if (!r->l1)
		return zq_fail(err, -ENOMEM, "out of memory");
	return 0;
}

/* ---- is the image fit for it? ------------------------------------------------------------- */

static int refuse_kind(const struct qcow2_header *h, struct zq_error *err)
{
	if (h->backing_file)
		return zq_fail(err, -EINVAL,
			       "has a backing file, which does not grow or shrink "
			       "with it");
	if (h->nb_snapshots)
		return zq_fail(err, -EINVAL,
			       "has internal snapshots, which would keep the old size");
	if (h->nb_bitmaps)
		return zq_fail(err, -EINVAL, "has persistent bitmaps, which are not resized");
	return amend_refuse_unclean(h, err);
}

/* Zones that go, or get longer, must be empty. */
static int refuse_full(const struct resize *r, struct zq_error *err)
{
	const struct zq_geometry *g = &r->from.zoned.geo;
	uint32_t first = r->to.zoned.geo.nr_zones;
	char label[ZQ_ZONE_LABEL_MAX];

	if (r->to.size > r->from.size) /* a short last one, or none */
		first = (uint32_t)(g->size / g->zone_size);
	for (uint32_t i = first; i < g->nr_zones; i++) {
		const uint8_t *raw = r->table.raw + (size_t)i * 8;
		uint64_t wp =
			zoned_word_wp(r->from.zoned.layout, zoned_word_get(raw, r->table.little));

		if (wp != zq_zone_start(g, i))
			return zq_fail(err, -EINVAL, "%s is not empty, and would %s",
				       zq_zone_label(g->nr_conv, i, label),
				       r->to.size > r->from.size ? "get longer" : "go");
	}
	return 0;
}

static int refuse_damaged(const struct resize *r, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_NONE };
	struct zq_check_result res;
	int ret = qcow2_check(r->io, &r->from, &opts, &res, err);

	if (!ret && res.corruptions > r->table.refused)
		ret = zq_fail(err, -EINVAL,
			      "%s: is damaged: \"zqfs check --repair=all\" comes first",
			      r->io->name);
	return ret;
}

/* Its sentences do not name the file. */
static int plan_resize(struct resize *r, const struct zq_resize_opts *o, struct zq_error *err)
{
	uint64_t size;
	int ret = refuse_kind(&r->from, err);

	if (!ret)
		ret = new_size(o, &r->from.zoned.geo, &size, err);
	if (ret || size == r->from.size)
		return ret;
	ret = plan_geometry(r, size, err);
	if (!ret)
		ret = amend_table_read(r->io, &r->from.zoned, &r->table, err);
	if (!ret)
		ret = refuse_full(r, err);
	if (!ret)
		ret = plan_l1(r, err);
	return ret;
}

/* ---- doing it ------------------------------------------------------------------------------- */

/* The words of the zones that stay, and of new ones, which are empty. */
static int make_words(struct resize *r)
{
	const struct zq_geometry *g = &r->to.zoned.geo;
	uint32_t keep = (uint32_t)min_u64(r->from.zoned.geo.nr_zones, g->nr_zones);

	r->words_bytes = (size_t)g->nr_zones * 8;
	r->words = malloc(r->words_bytes);
	if (!r->words)
		return -ENOMEM;
	memcpy(r->words, r->table.raw, (size_t)keep * 8);
	for (uint32_t i = keep; i < g->nr_zones; i++)
		zoned_word_put(r->words + (size_t)i * 8,
			       zoned_word_make(r->to.zoned.layout, g, i, zq_zone_start(g, i)),
			       r->table.little);
	return 0;
}

static int read_tables(struct resize *r, struct zq_error *err)
{
	int ret = make_words(r);

	if (!ret)
		ret = io_pread(r->io, r->l1, (size_t)r->from.l1_size * 8, r->from.l1_offset);
	return ret ? zq_fail(err, ret, "%s: reading the tables: %s", r->io->name, strerror(-ret))
		   : 0;
}

static int place_tables(struct resize *r, struct zq_error *err)
{
	struct amend_new_table t[] = { { .data = r->words, .bytes = r->words_bytes },
				       { .data = r->l1, .bytes = r->l1_bytes } };
	bool longer_l1 = r->to.l1_size > r->from.l1_size;
	int ret = amend_place(r->io, &r->from, t, longer_l1 ? 2 : 1, err);

	r->to.zoned.meta_offset = t[0].offset;
	r->to.zoned.meta_size = t[0].bytes;
	if (longer_l1)
		r->to.l1_offset = t[1].offset;
	return ret;
}

/* What a raw data file holds behind the old end would be in the new zones. */
static int clear_behind(struct resize *r, uint64_t size)
{
	if (size <= r->from.size || !(r->from.autoclear & QCOW2_AUTOCLEAR_DATA_RAW))
		return 0;
	return io_punch(r->data, r->from.size, min_u64(size, r->to.size) - r->from.size);
}

static int grow_data(struct resize *r, struct zq_error *err)
{
	uint64_t size;
	int ret = io_size(r->data, &size);

	if (!ret)
		ret = clear_behind(r, size);
	if (!ret && size < r->to.size)
		ret = io_truncate(r->data, r->to.size);
	if (!ret)
		ret = io_flush(r->data);
	return ret ? zq_fail(err, ret, "%s: making the data file larger: %s", r->data->name,
			     strerror(-ret))
		   : 0;
}

static int shrink_data(struct resize *r, struct zq_error *err)
{
	int ret = io_truncate(r->data, r->to.size);

	if (!ret)
		ret = io_flush(r->data);
	return ret ? zq_fail(err, ret, "%s: making the data file smaller: %s", r->data->name,
			     strerror(-ret))
		   : 0;
}

static int do_resize(struct resize *r, struct zq_error *err)
{
	bool grows = r->to.size > r->from.size;
	int ret = read_tables(r, err);

	if (!ret && grows && r->data)
		ret = grow_data(r, err);
	if (!ret && !grows)
		ret = resize_unmap(r->io, &r->from, r->to.size, r->l1, err);
	if (!ret)
		ret = place_tables(r, err);
	if (!ret) {
		ret = amend_header(r->io, &r->from, &r->to, err);
		if (ret)
			zq_error_prefix(err, r->io->name);
	}
	if (!ret)
		ret = amend_give_back(r->io, err);
	if (!ret && !grows && r->data)
		ret = shrink_data(r, err);
	return ret;
}

static int resize_read(struct resize *r, const struct zq_resize_opts *o, struct zq_error *err)
{
	int ret = plan_resize(r, o, err);

	if (ret)
		zq_error_prefix(err, r->io->name);
	if (ret || r->to.size == r->from.size)
		return ret;
	ret = refuse_damaged(r, err);
	return ret ? ret : do_resize(r, err);
}

int resize_image(struct zq_io *io, struct zq_io *data, const struct zq_resize_opts *o,
		 struct zq_resize_result *res, struct zq_error *err)
{
	struct resize r = { .io = io, .data = data };
	int ret = qcow2_header_read(io, HEADER_ZONED, &r.from, err);

	if (ret)
		return ret;
	r.to = r.from;
	ret = resize_read(&r, o, err);
	*res = (struct zq_resize_result){ .old_size = r.from.size,
					  .new_size = r.to.size,
					  .old_zones = r.from.zoned.geo.nr_zones,
					  .new_zones = r.to.zoned.geo.nr_zones };
	amend_table_free(&r.table);
	free(r.words);
	free(r.l1);
	qcow2_header_free(&r.from);
	return ret;
}

/* ---- files ------------------------------------------------------------------------------------
 */

/* Opens and locks the image's data file. *data is NULL when it has none. */
static int open_resize_data(struct zq_io *io, const char *given, struct zq_io **data,
			    struct zq_error *err)
{
	char *path CLEANUP_FREE = given ? strdup(given) : NULL;
	struct qcow2_header h;
	int ret = qcow2_header_read(io, HEADER_ZONED, &h, err);
	bool external;

	if (ret)
		return ret;
	external = h.incompat & QCOW2_INCOMPAT_DATA_FILE;
	if (external && !given && h.data_file)
		path = named_beside(io->name, h.data_file);
	if (external && !path)
		ret = given || h.data_file
			      ? zq_fail(err, -ENOMEM, "out of memory")
			      : zq_fail(err, -EINVAL, "%s: does not name its external data file",
					io->name);
	qcow2_header_free(&h);
	if (ret || !external)
		return ret;
	ret = zq_io_open(path, true, data, err);
	return ret ? ret : io_claim(*data, ZQ_LOCK_WRITE, "the data file", err);
}

int zq_resize_sized(const char *path, const struct zq_resize_opts *opts, size_t opts_size,
		    struct zq_resize_result *res, size_t res_size, struct zq_error *err)
{
	struct zq_io *io = NULL, *data = NULL;
	struct zq_resize_result r = { 0 };
	struct zq_resize_opts o;
	int ret = sized_take(&o, sizeof(o), opts, opts_size, err);

	if (!ret && (!path || o.how > ZQ_RESIZE_OFF))
		ret = zq_fail(err, -EINVAL, "no path, or an unknown way to resize");
	if (!ret)
		ret = zq_io_open(path, true, &io, err);
	if (!ret)
		ret = io_claim(io, ZQ_LOCK_WRITE, NULL, err);
	if (!ret)
		ret = open_resize_data(io, o.data_file, &data, err);
	if (!ret)
		ret = resize_image(io, data, &o, &r, err);
	io_close(data);
	io_close(io);
	if (!ret && res)
		sized_give(res, res_size, &r, sizeof(r));
	return ret;
}
