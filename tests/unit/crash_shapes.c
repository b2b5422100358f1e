/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crash_shapes.h"
#include "qcow2/engine/alloc.h"
#include "qimage.h"
#include "util/math.h"

const struct crash_shape crash_shapes[] = {
	{ .name = "64K clusters",
	  .cluster_bits = 16,
	  .refcount_order = 4,
	  .zone_size = 256 << 10,
	  .size = 2560 << 10,
	  .nr_conv = 2 },
	{ .name = "4K clusters, short last zone",
	  .cluster_bits = 12,
	  .refcount_order = 4,
	  .zone_size = 64 << 10,
	  .zone_capacity = 48 << 10,
	  .size = (600 << 10) + 512,
	  .nr_conv = 2 },
	{ .name = "512-byte clusters, 64-bit refcounts",
	  .cluster_bits = 9,
	  .refcount_order = 6,
	  .zone_size = 32 << 10,
	  .size = 256 << 10,
	  .nr_conv = 1 },
	{ .name = "1-bit refcounts, clusters larger than zones",
	  .cluster_bits = 16,
	  .refcount_order = 0,
	  .zone_size = 16 << 10,
	  .size = 160 << 10,
	  .nr_conv = 2 },
	{ .name = "extended L2",
	  .cluster_bits = 16,
	  .refcount_order = 4,
	  .extended_l2 = true,
	  .zone_size = 128 << 10,
	  .size = 1 << 20,
	  .nr_conv = 2 },
	{ .name = "a host without holes",
	  .cluster_bits = 13,
	  .refcount_order = 4,
	  .nr_conv = 3,
	  .no_punch = true },
	{ .name = "a refcount table that grows",
	  .cluster_bits = 9,
	  .refcount_order = 6,
	  .nr_conv = 1,
	  .grows = true },
	{ .name = "every write is a commit",
	  .cluster_bits = 12,
	  .refcount_order = 3,
	  .nr_conv = 1,
	  .sync = true },
	{ .name = "shared clusters and tables",
	  .cluster_bits = 12,
	  .refcount_order = 4,
	  .nr_conv = 2,
	  .shared = true },
	{ .name = "external data file",
	  .cluster_bits = 12,
	  .refcount_order = 4,
	  .nr_conv = 2,
	  .data_file = true },
	{ .name = "raw external data file, extended L2",
	  .cluster_bits = 14,
	  .refcount_order = 4,
	  .extended_l2 = true,
	  .nr_conv = 2,
	  .data_file = true,
	  .data_raw = true },
};
const size_t crash_nr_shapes = ARRAY_SIZE(crash_shapes);

static void crash_shapes_setup(struct qimage *q, const struct crash_shape *s)
{
	qimage_init(q);
	if (s->size) {
		q->p.geo.size = s->size;
		q->p.geo.zone_size = s->zone_size;
		q->p.geo.zone_capacity = s->zone_capacity ? s->zone_capacity : s->zone_size;
		q->p.geo.nr_zones = (uint32_t)div_up(s->size, s->zone_size);
	}
	q->p.geo.nr_conv = s->nr_conv;
	q->p.cluster_bits = s->cluster_bits;
	q->p.refcount_order = s->refcount_order;
	q->p.extended_l2 = s->extended_l2;
}

/* Leaks clusters until the refcount table has room for few more. */
static void use_up_reftable(struct qimage *q)
{
	uint64_t covered = q->img->reftable.nr << q->img->refblock_bits;

	for (;;) {
		struct qcow2_run run;
		bool fresh;
		int rc;

		image_lock(q->img);
		rc = alloc_take(q->img, 1, 16, &run, &fresh);
		image_unlock(q->img);
		ck_assert_int_eq(rc, 0);
		if (run.start + 400 > covered)
			break;
	}
}

/* An image whose data goes to a second file. */
static struct crash_disk make_two(const struct crash_shape *s)
{
	struct crash_disk d = { 0 };
	struct qimage q;

	crash_shapes_setup(&q, s);
	q.p.data_file = "crash.data";
	q.p.data_file_raw = s->data_raw;
	d.image = image_file_make(&q.p, "crash.qcow2", &d.data);
	return d;
}

struct crash_disk crash_make_disk(const struct crash_shape *s)
{
	struct qimage q;

	if (s->data_file)
		return make_two(s);
	crash_shapes_setup(&q, s);
	qimage_create(&q);
	if (s->grows)
		use_up_reftable(&q);
	for (uint64_t off = 0; s->shared && off < s->nr_conv * q.p.geo.zone_size; off += 6000)
		ck_assert_int_eq(qimage_write(&q, off, (int)(off / 6000 + 1), 5000), 0);
	qimage_commit(&q);
	qimage_close(&q);
	memio_set_no_punch(q.m, s->no_punch);
	return (struct crash_disk){ .image = q.m };
}

uint64_t crash_reftable(struct memio *m)
{
	return image_get(m, QCOW2_H_REFTABLE_OFFSET, 8);
}

/* ---- shared clusters --------------------------------------------------------------------- */

struct crash_shared {
	uint64_t cluster_size;
	size_t nr;
	uint64_t off[512];
	uint8_t *data[512];
};

static void share_one(struct qimage *q, struct crash_shared *s, uint64_t place)
{
	uint64_t word = image_get(q->m, place, 8), off = word & QCOW2_OFFSET_MASK;

	if (!off)
		return;
	ck_assert_uint_lt(s->nr, ARRAY_SIZE(s->off));
	image_put(q->m, place, 8, word & ~QCOW2_COPIED);
	qimage_poke_count(q, off >> q->p.cluster_bits, 2);
	s->off[s->nr] = off;
	s->nr++;
}

struct crash_shared *crash_share(struct memio *m, const struct crash_shape *shape)
{
	struct crash_shared *s;
	struct qimage q;
	uint64_t l1, entries;

	if (!shape || !shape->shared)
		return NULL;
	crash_shapes_setup(&q, shape);
	q.m = m;
	s = calloc(1, sizeof(*s));
	s->cluster_size = UINT64_C(1) << shape->cluster_bits;
	entries = s->cluster_size / 8;
	l1 = image_get(q.m, QCOW2_H_L1_OFFSET, 8);
	for (uint32_t i = 0; i < image_get(q.m, QCOW2_H_L1_SIZE, 4); i++) {
		uint64_t table = image_get(q.m, l1 + i * 8, 8) & QCOW2_OFFSET_MASK;

		for (uint64_t e = 0; table && e < entries; e++)
			share_one(&q, s, table + e * 8);
		share_one(&q, s, l1 + i * 8);
	}
	ck_assert_uint_ge(s->nr, 10);
	for (size_t i = 0; i < s->nr; i++) {
		s->data[i] = malloc(s->cluster_size);
		memio_peek(m, s->off[i], s->data[i], s->cluster_size);
	}
	return s;
}

bool crash_shared_intact(const struct crash_shared *s, struct memio *m)
{
	uint8_t *now = malloc(1 << 16);
	bool ok = true;

	for (size_t i = 0; s && i < s->nr && ok; i++) {
		memio_peek(m, s->off[i], now, s->cluster_size);
		ok = !memcmp(now, s->data[i], s->cluster_size);
	}
	free(now);
	return ok;
}

void crash_shared_free(struct crash_shared *s)
{
	for (size_t i = 0; s && i < s->nr; i++)
		free(s->data[i]);
	free(s);
}
