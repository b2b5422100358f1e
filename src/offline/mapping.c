/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_map: the pieces that a disk is made of, put together within each zone.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <zqfs/io.h>
#include <zqfs/map.h>

#include "qcow2/qcow2.h"
#include "util/math.h"
#include "util/sized.h"

struct mapping {
	struct qcow2_image *img;
	const struct zq_geometry *geo;
	struct zq_map_piece last; /* not told yet; length 0: none */
	uint64_t packed_end;	  /* where its compressed data ends, in its file */
	zq_map_fn tell;
	void *data;
};

static bool joins(const struct zq_map_piece *a, const struct zq_map_piece *b)
{
	return a->zone == b->zone && a->depth == b->depth && a->present == b->present &&
	       a->zero == b->zero && a->data == b->data && a->compressed == b->compressed &&
	       a->has_offset == b->has_offset && a->file == b->file &&
	       (!a->has_offset || a->offset + a->length == b->offset);
}

static int tell_last(struct mapping *m)
{
	int ret = m->last.length ? m->tell(m->data, &m->last) : 0;

	m->last.length = 0;
	return ret;
}

/* Adds up what is compressed. One that begins in the block where the last one ends shares it. */
static void add_packed(struct mapping *m, const struct qcow2_piece *q)
{
	if (q->offset < m->packed_end && m->packed_end - q->offset < ZQ_BLOCK)
		m->last.packed -= min_u64(m->last.packed, m->packed_end - q->offset);
	m->last.packed += q->packed;
	m->packed_end = q->offset + q->packed;
}

static int add_piece(struct mapping *m, const struct zq_map_piece *p, const struct qcow2_piece *q)
{
	int ret = 0;

	if (m->last.length && joins(&m->last, p)) {
		m->last.length += p->length;
	} else {
		ret = tell_last(m);
		m->last = *p;
		m->packed_end = 0;
	}
	if (p->compressed)
		add_packed(m, q);
	return ret;
}

static int map_zone(struct mapping *m, uint32_t zone, struct zq_error *err)
{
	uint64_t off = zq_zone_start(m->geo, zone), end = off + zq_zone_len(m->geo, zone);

	while (off < end) {
		struct qcow2_piece q = { 0 };
		int ret = qcow2_describe(m->img, off, end - off, &q);
		struct zq_map_piece p = { .zone = zone,
					  .start = off,
					  .length = q.len,
					  .depth = q.depth,
					  .present = q.present,
					  .zero = q.zero,
					  .data = q.data,
					  .compressed = q.compressed,
					  .has_offset = q.has_offset,
					  .offset = q.offset,
					  .file = q.file };

		if (ret)
			return zq_fail(err, ret,
				       "%s: the mapping of offset %" PRIu64
				       " is damaged or cannot be read: \"zqfs check\" tells more",
				       qcow2_name(m->img), off);
		ret = add_piece(m, &p, &q);
		if (ret)
			return ret;
		off += q.len;
	}
	return tell_last(m);
}

static int open_mapped(const char *path, const struct zq_map_opts *o, struct qcow2_image **img,
		       struct zq_error *err)
{
	struct qcow2_open_opts opts = { .zoned = true,
					.lock = o->force_share ? ZQ_LOCK_SHARED : ZQ_LOCK_READ,
					.data_file = o->data_file };
	struct zq_io *io;
	int ret = zq_io_open(path, false, &io, err);

	return ret ? ret : qcow2_open(io, &opts, img, err);
}

int zq_map_sized(const char *path, const struct zq_map_opts *opts, size_t size, zq_map_fn piece,
		 void *data, struct zq_error *err)
{
	struct mapping m = { .tell = piece, .data = data };
	struct zq_map_opts o;
	int ret = sized_take(&o, sizeof(o), opts, size, err);

	if (!ret && (!path || !piece))
		ret = zq_fail(err, -EINVAL, "no path, or nobody to tell");
	if (!ret)
		ret = open_mapped(path, &o, &m.img, err);
	if (ret)
		return ret;
	m.geo = &qcow2_zoned(m.img)->geo;
	for (uint32_t zone = 0; zone < m.geo->nr_zones && !ret; zone++)
		ret = map_zone(&m, zone, err);
	qcow2_close(m.img);
	return ret;
}
