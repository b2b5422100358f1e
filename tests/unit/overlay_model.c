/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "overlay_model.h"
#include "rng.h"
#include "util/math.h"

const struct overlay_shape overlay_shapes[] = {
	{ "same clusters", { 12, 4, false, "44" }, { 12, 4, false, "44" }, false, false, false },
	{ "large base clusters",
	  { 16, 4, false, "44" },
	  { 9, 4, false, "56" },
	  false,
	  false,
	  false },
	{ "large overlay clusters",
	  { 9, 4, false, "48b" },
	  { 15, 3, false, "44" },
	  true,
	  false,
	  false },
	{ "subclusters", { 14, 4, true, "44" }, { 14, 4, true, "44" }, true, false, false },
	{ "compressed overlay",
	  { 12, 6, false, "44" },
	  { 12, 4, false, "44" },
	  false,
	  false,
	  true },
	{ "subclusters below", { 15, 4, true, "56" }, { 11, 4, false, "48" }, false, false, true },
};
const size_t overlay_nr_shapes = ARRAY_SIZE(overlay_shapes);

/* ---- making and opening -------------------------------------------------------------------- */

static struct memio *make_half(const struct overlay_half *h, const struct overlay_shape *s,
			       struct qcow2_create_params *p)
{
	struct memio *m = memio_new();
	struct zq_io *io = memio_open(m, "new.qcow2", true);
	struct zq_error err = { "" };

	p->geo = (struct zq_geometry){
		.size = OVERLAY_SIZE,
		.zone_size = OVERLAY_ZONE,
		.zone_capacity = OVERLAY_CAP,
		.nr_zones = OVERLAY_ZONES,
		.nr_conv = 1,
	};
	p->layout = zoned_layout_named(h->layout);
	if (zoned_layout_has(p->layout->max_append))
		p->geo.max_append = 4096;
	p->cluster_bits = h->cluster_bits;
	p->refcount_order = h->refcount_order;
	p->extended_l2 = h->extended_l2;
	memio_set_no_punch(m, s->no_punch);
	ck_assert_msg(!qcow2_create(io, p, &err), "%s: %s", s->name, err.msg);
	io_close(io);
	return m;
}

struct memio *overlay_make_base(const struct overlay_shape *s)
{
	struct qcow2_create_params p = { .identity = s->no_identity ? 0 : 77 };

	return make_half(&s->base, s, &p);
}

struct memio *overlay_make(const struct overlay_shape *s, struct memio *base)
{
	struct qcow2_create_params p = { .backing_file = "base.qcow2", .backing_format = "qcow2" };
	struct qcow2_image *img = overlay_open(base, NULL, false, false);
	uint64_t written[OVERLAY_ZONES];

	qcow2_tell_base(img, &p.base_id);
	for (uint32_t zone = 0; zone < OVERLAY_ZONES; zone++)
		written[zone] = qcow2_wp_written(img, zone);
	p.written = written;
	qcow2_close(img);
	return make_half(&s->over, s, &p);
}

int overlay_try_open(struct memio *over, struct memio *base, bool writable, bool down,
		     struct qcow2_image **img)
{
	struct qcow2_open_opts o = {
		.writable = writable || down,
		.base_writable = down,
		.zoned = true,
		.lock = writable || down ? ZQ_LOCK_WRITE : ZQ_LOCK_READ,
		.base_io = base ? memio_open(base, "base.qcow2", down) : NULL,
	};
	struct zq_error err = { "" };

	return qcow2_open(memio_open(over, "over.qcow2", o.writable), &o, img, &err);
}

struct qcow2_image *overlay_open(struct memio *over, struct memio *base, bool writable, bool down)
{
	struct qcow2_image *img = NULL;
	int ret = overlay_try_open(over, base, writable, down, &img);

	ck_assert_msg(!ret, "opening: %s", strerror(-ret));
	return img;
}

/* ---- work ------------------------------------------------------------------------------ */

static uint64_t zone_start(uint32_t zone)
{
	return zone * OVERLAY_ZONE;
}

static uint64_t zone_cap(uint32_t zone)
{
	return zone ? min_u64(OVERLAY_CAP, OVERLAY_SIZE - zone_start(zone)) : OVERLAY_ZONE;
}

static void fill_pattern_at_random(uint8_t *b, size_t len, uint64_t *rng)
{
	uint8_t seed = (uint8_t)(1 + rng_below(rng, 255));

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(seed + i / 512 * 7);
}

/* At a place that covers whole clusters, one is compressed. */
static void pack_some(const struct overlay_shape *s, struct qcow2_image *img,
		      struct overlay_model *m, uint64_t off, uint64_t len)
{
	uint64_t cluster = qcow2_cluster_size(img), at = align_up(off, cluster);
	struct qcow2_packer *p = NULL;
	bool packed = false;

	if (!s->packed || at + cluster > off + len || qcow2_why_not_packed(img))
		return;
	ck_assert_int_eq(qcow2_packer_new(img, 0, &p), 0);
	ck_assert_int_eq(qcow2_write_packed(img, p, at, m->disk + at, &packed), 0);
	qcow2_packer_free(p);
}

static void put(const struct overlay_shape *s, struct qcow2_image *img, struct overlay_model *m,
		struct qcow2_write *w, uint64_t *rng)
{
	fill_pattern_at_random(m->disk + w->off, w->len, rng);
	w->buf = m->disk + w->off;
	ck_assert_int_eq(qcow2_write(img, w), 0);
	if (rng_below(rng, 3) == 0)
		pack_some(s, img, m, w->off, w->len);
}

static void append_some(const struct overlay_shape *s, struct qcow2_image *img,
			struct overlay_model *m, uint32_t zone, uint64_t *rng)
{
	uint64_t left = zone_cap(zone) - m->written[zone];
	uint64_t len = min_u64(left, (1 + rng_below(rng, 24)) * ZQ_BLOCK);
	uint64_t off = zone_start(zone) + m->written[zone];
	struct qcow2_write w = {
		.off = off,
		.len = (size_t)len,
		.zero_end = zone_start(zone) + zone_cap(zone),
		.stream = zone,
		.move_wp = true,
		.zone = zone,
		.wp = off + len,
	};

	if (!len)
		return;
	if (len == left)
		w.wp = qcow2_wp_finished(img, zone);
	put(s, img, m, &w, rng);
	m->written[zone] += len;
}

static void reset_one(struct qcow2_image *img, struct overlay_model *m, uint32_t zone)
{
	uint64_t end = min_u64(zone_start(zone) + OVERLAY_ZONE, OVERLAY_SIZE);

	ck_assert_int_eq(qcow2_begin_change(img), 0);
	qcow2_wp_back(img, zone);
	ck_assert_int_eq(qcow2_wp_settle(img), 0);
	ck_assert_int_eq(qcow2_zero(img, zone_start(zone), end - zone_start(zone)), 0);
	m->written[zone] = 0;
}

static void finish_one(struct qcow2_image *img, struct overlay_model *m, uint32_t zone)
{
	uint64_t off = zone_start(zone) + m->written[zone];
	uint64_t len = zone_cap(zone) - m->written[zone];

	ck_assert_int_eq(qcow2_begin_change(img), 0);
	ck_assert_int_eq(qcow2_zero(img, off, len), 0);
	ck_assert_int_eq(qcow2_commit(img), 0);
	qcow2_wp_forward(img, zone, qcow2_wp_finished(img, zone));
	memset(m->disk + off, 0, (size_t)len);
	m->written[zone] += len;
}

static void work_on_conv(const struct overlay_shape *s, struct qcow2_image *img,
			struct overlay_model *m, uint64_t *rng)
{
	uint64_t off = rng_below(rng, OVERLAY_ZONE / ZQ_BLOCK) * ZQ_BLOCK;
	uint64_t len = min_u64(OVERLAY_ZONE - off, (1 + rng_below(rng, 20)) * ZQ_BLOCK);
	struct qcow2_write w = { .off = off, .len = (size_t)len, .zero_end = off + len };

	if (rng_below(rng, 3)) {
		put(s, img, m, &w, rng);
	} else {
		ck_assert_int_eq(qcow2_zero(img, off, len), 0);
		memset(m->disk + off, 0, (size_t)len);
	}
}

void overlay_work(const struct overlay_shape *s, struct qcow2_image *img, struct overlay_model *m,
		  uint64_t *rng, unsigned operations)
{
	for (unsigned i = 0; i < operations; i++) {
		uint32_t zone = (uint32_t)(1 + rng_below(rng, OVERLAY_ZONES - 1));

		switch (rng_below(rng, 10)) {
		case 0:
			reset_one(img, m, zone);
			break;
		case 1:
			finish_one(img, m, zone);
			break;
		case 2:
		case 3:
			work_on_conv(s, img, m, rng);
			break;
		case 4:
			ck_assert_int_eq(qcow2_commit(img), 0);
			break;
		default:
			append_some(s, img, m, zone, rng);
		}
	}
	ck_assert_int_eq(qcow2_commit(img), 0);
	ck_assert_int_eq(qcow2_commit(img), 0);
}

/* ---- looking --------------------------------------------------------------------------- */

void overlay_expect(struct qcow2_image *img, const struct overlay_model *m, const char *what)
{
	static uint8_t buf[OVERLAY_ZONE];

	for (uint32_t zone = 0; zone < OVERLAY_ZONES; zone++) {
		uint64_t written = zone ? m->written[zone] : OVERLAY_ZONE;
		const uint8_t *want = m->disk + zone_start(zone);

		ck_assert_msg(qcow2_wp_written(img, zone) == written,
			      "%s: zone %u holds %" PRIu64 " bytes, not %" PRIu64, what, zone,
			      qcow2_wp_written(img, zone), written);
		ck_assert_int_eq(qcow2_read(img, zone_start(zone), buf, (size_t)written), 0);
		for (uint64_t at = 0; at < written; at++)
			if (buf[at] != want[at])
				ck_abort_msg("%s: zone %u, byte %" PRIu64 ": %u, not %u", what,
					     zone, at, buf[at], want[at]);
	}
}
