/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power fails while an image is amended, behind every write and flush of it, and sectors
 * of 512 bytes arrive or do not. What is left opens as the old layout or as the new one, is
 * clean but for leaks, and each zone is in the state that it was in.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "crash_disk.h"
#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/check/check.h"
#include "qcow2/format/zoned_word.h"
#include "qcow2/tables/header_read.h"
#include "qimage.h"
#include "rng.h"

#define NR_ZONES 12u

struct replay {
	const char *from, *to; /* layouts */
	bool from_little, to_little;
	uint64_t wp[NR_ZONES]; /* of a full zone: UINT64_MAX */
	uint64_t rng;
	unsigned states, old, new;
	/* of the image, or NULL; the name that it gets: NULL the same, "" none */
	const char *backing, *new_backing;
	const char *data_file; /* likewise */
};

/* Names stay or change together with the layout. */
static void expect_names(const struct replay *r, const struct qcow2_header *h)
{
	bool new = !strcmp(h->zoned.layout->name, r->to);
	const char *backing = new && r->new_backing ? r->new_backing : r->backing;

	ck_assert_str_eq(h->backing_file ? h->backing_file : "", backing ? backing : "");
	ck_assert_str_eq(h->data_file ? h->data_file : "", r->data_file ? r->data_file : "");
}

static uint64_t replay_rng(void *data)
{
	struct replay *r = data;

	return rng_below(&r->rng, UINT64_MAX);
}

static void expect_pointers(const struct replay *r, struct zq_io *io, const struct qcow2_header *h,
			    size_t at)
{
	const struct zq_geometry *g = &h->zoned.geo;
	struct zoned_order order = { 0 };
	uint8_t raw[NR_ZONES * 8];

	ck_assert_int_eq(io_pread(io, raw, sizeof(raw), h->zoned.meta_offset), 0);
	zoned_order_count(h->zoned.layout, g, 0, raw, NR_ZONES, &order);
	ck_assert_uint_eq(zoned_order_sane(&order), NR_ZONES);
	for (uint32_t i = g->nr_conv; i < NR_ZONES; i++) {
		uint64_t word = zoned_word_get(raw + i * 8, zoned_order_little(&order));
		uint64_t wp = zoned_word_wp(h->zoned.layout, word);

		if (wp >= zq_zone_start(g, i) + zq_zone_cap(g, i))
			wp = UINT64_MAX;
		ck_assert_msg(wp == r->wp[i], "zone %u: 0x%" PRIx64 " at %zu", i, wp, at);
	}
}

static void look_at_left(void *data, const struct crash_disk *left, size_t at, unsigned variant)
{
	struct replay *r = data;
	struct zq_io *io = memio_open(left->image, "left.qcow2", true);
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_LEAKS };
	struct zq_check_result res;
	struct qcow2_header h;
	struct zq_error err = { "" };

	ck_assert_msg(!qcow2_header_read(io, true, &h, &err), "at %zu/%u: %s", at, variant,
		      err.msg);
	if (!strcmp(h.zoned.layout->name, r->to))
		r->new ++;
	else
		r->old++;
	ck_assert_msg(!strcmp(h.zoned.layout->name, r->to) ||
			      !strcmp(h.zoned.layout->name, r->from),
		      "layout %s", h.zoned.layout->name);
	expect_names(r, &h);
	expect_pointers(r, io, &h, at);
	ck_assert_int_eq(qcow2_check(io, &h, &opts, &res, &err), 0);
	ck_assert_msg(!res.corruptions, "at %zu/%u: %" PRIu64 " corruptions", at, variant,
		      res.corruptions);
	qcow2_header_free(&h);
	io_close(io);
	r->states++;
}

/* Zones empty, closed, full by writing and finished; the last one short. */
static void fill_zones(struct qimage *q, struct replay *r)
{
	for (uint32_t i = q->p.geo.nr_conv; i < NR_ZONES; i++)
		r->wp[i] = zq_zone_start(&q->p.geo, i);
	ck_assert_int_eq(qimage_append(q, 3, 'a', 1024), 0);
	r->wp[3] += 1024;
	ck_assert_int_eq(qimage_append(q, 4, 'b', q->p.geo.zone_capacity), 0);
	r->wp[4] = UINT64_MAX;
	qcow2_wp_forward(q->img, 5, qcow2_wp_finished(q->img, 5));
	r->wp[5] = UINT64_MAX;
	qcow2_wp_forward(q->img, NR_ZONES - 1, qcow2_wp_finished(q->img, NR_ZONES - 1));
	r->wp[NR_ZONES - 1] = UINT64_MAX;
	qimage_commit(q);
}

static void make_with_names(struct qimage *q, struct replay *r)
{
	q->p.backing_file = r->backing;
	q->p.backing_format = r->backing ? "raw" : NULL;
	q->p.data_file = r->data_file;
	q->m = image_file_make(&q->p, q->name, NULL);
	for (uint32_t i = 0; i < NR_ZONES; i++)
		r->wp[i] = zq_zone_start(&q->p.geo, i);
}

static void make_image(struct qimage *q, struct replay *r, unsigned cluster_bits,
		       unsigned refcount_order)
{
	qimage_init(q);
	q->p.geo = (struct zq_geometry){
		.size = NR_ZONES * UINT64_C(65536) - 32768,
		.zone_size = 65536,
		.zone_capacity = 40960,
		.nr_zones = NR_ZONES,
		.nr_conv = 2,
		.max_open = 4,
		.max_active = 5,
	};
	q->p.layout = zoned_layout_named(r->from);
	q->p.wp_little_endian = r->from_little;
	q->p.cluster_bits = cluster_bits;
	q->p.refcount_order = refcount_order;
	/* files which are not there: the image is not opened, its zones stay empty */
	if (r->backing || r->new_backing || r->data_file) {
		make_with_names(q, r);
		return;
	}
	qimage_create(q);
	fill_zones(q, r);
	qimage_close(q);
}

static struct zq_amend_opts options_of(const struct replay *r, char *backing, size_t size)
{
	static char format[] = "qcow2";
	struct zq_amend_opts o = { .layout = r->to,
				   .set_order = true,
				   .wp_little_endian = r->to_little };

	if (r->new_backing) {
		snprintf(backing, size, "%s", r->new_backing);
		o.backing_file = backing;
		o.backing_fmt = *backing ? format : NULL;
	}
	return o;
}

static void replay_one(struct replay *r, unsigned cluster_bits, unsigned refcount_order)
{
	char backing[256];
	struct zq_amend_opts o = options_of(r, backing, sizeof(backing));
	struct zq_error err = { "" };
	struct crash_disk d = { 0 };
	struct qimage q;
	struct zq_io *io;

	make_image(&q, r, cluster_bits, refcount_order);
	d.image = q.m;
	crash_record(&d);
	io = memio_open(d.image, "disk.qcow2", true);
	ck_assert_msg(!amend_image(io, &o, &err), "%s to %s: %s", r->from, r->to, err.msg);
	io_close(io);
	crash_record_end(&d);
	crash_each_state(&d, 5, replay_rng, look_at_left, r);
	crash_disk_free(&d);
}

/* Between all layouts and byte orders, where header and extensions span one sector and where
 * they span more. */
static void replay_all(unsigned cluster_bits, unsigned refcount_order)
{
	static const struct {
		const char *name;
		bool little;
	} kinds[] = { { "44", false }, { "56", false }, { "56", true },
		      { "48", false }, { "48", true },	{ "48b", false } };
	unsigned old = 0, new = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct replay r = { .from = kinds[i].name,
					    .from_little = kinds[i].little,
					    .to = kinds[k].name,
					    .to_little = kinds[k].little,
					    .rng = 1 + from_env("ZQ_CRASH_SEED", 1) * 4096 +
						   i * 64 + k };

			if (i == k)
				continue;
			replay_one(&r, cluster_bits, refcount_order);
			ck_assert_uint_ge(r.states, 8);
			if (!strcmp(r.from, r.to))
				continue;
			ck_assert_uint_gt(r.old, 0);
			ck_assert_uint_gt(r.new, 0);
			old += r.old;
			new += r.new;
		}
	}
	printf("amend: clusters of %u: seed %" PRIu64
	       ", %u crash states, nothing lost: %u are of the old layout, %u of the new\n",
	       1u << cluster_bits, from_env("ZQ_CRASH_SEED", 1), old + new, old, new);
}

START_TEST(one_sector)
{
	replay_all(9, 4);
}
END_TEST

START_TEST(small_clusters)
{
	replay_all(10, 0);
	replay_all(11, 6);
}
END_TEST

/* Names stand in and behind the extensions and move with them; they come and go in the same step.
 */
static void replay_names(const struct replay *names)
{
	static const char *const layouts[] = { "44", "56", "48", "48b", "44" };

	for (unsigned bits = 9; bits <= 16; bits++) {
		for (unsigned i = 0; i + 1 < ARRAY_SIZE(layouts); i++) {
			struct replay r = *names;

			r.from = layouts[i];
			r.to = layouts[i + 1];
			r.rng = 1 + from_env("ZQ_CRASH_SEED", 1) * 4096 + bits;
			replay_one(&r, bits, 4);
			ck_assert_uint_gt(r.old, 0);
			ck_assert_uint_gt(r.new, 0);
		}
	}
}

#define BASE "/somewhere/else/base.raw"
#define DATA "/somewhere/else/of.a.longer.name/zones.data"

static const struct replay named[] = {
	{ .backing = BASE },
	{ .backing = BASE, .new_backing = "/a/name/that/is/longer/than/the/one/before.qcow2" },
	{ .backing = BASE, .new_backing = "b" },
	{ .backing = BASE, .new_backing = "" },
	{ .new_backing = BASE },
	{ .data_file = DATA },
	{ .data_file = DATA, .backing = BASE },
	{ .data_file = DATA, .new_backing = BASE },
};

START_TEST(names)
{
	for (unsigned i = 0; i < ARRAY_SIZE(named); i++)
		replay_names(&named[i]);
}
END_TEST

/* The host has no room, or an error, from some write on: the image is whole, and a second try with
 * room makes it the new one. */
static void fail_one(struct replay *r, unsigned cluster_bits, enum memio_op op, uint64_t n)
{
	struct zq_amend_opts o = options_of(r, NULL, 0);
	struct crash_disk d = { 0 };
	struct zq_error err = { "" };
	struct qimage q;
	struct zq_io *io;
	int ret;

	make_image(&q, r, cluster_bits, 4);
	d.image = q.m;
	io = memio_open(d.image, "disk.qcow2", true);
	memio_fail(d.image, op, n, ENOSPC, true, 256);
	ret = amend_image(io, &o, &err);
	memio_fail(d.image, op, 0, 0, false, 0);
	if (memio_failures(d.image, op)) {
		ck_assert_int_eq(ret, -ENOSPC);
		ck_assert_ptr_nonnull(strstr(err.msg, "No space left on device"));
	}
	io_close(io);
	look_at_left(r, &d, (size_t)n, 0);
	io = memio_open(d.image, "disk.qcow2", true);
	ck_assert_msg(!amend_image(io, &o, &err), "%s", err.msg);
	io_close(io);
	r->old = r->new = 0;
	look_at_left(r, &d, (size_t)n, 1);
	ck_assert_uint_eq(r->new, 1);
	r->states = (unsigned)memio_failures(d.image, op);
	memio_free(d.image);
}

START_TEST(no_room_midway)
{
	static const unsigned bits[] = { 9, 11, 16 };
	static const enum memio_op ops[] = { MEMIO_WRITE, MEMIO_TRUNCATE, MEMIO_FLUSH };
	unsigned nr = 0;

	for (unsigned b = 0; b < ARRAY_SIZE(bits); b++) {
		for (unsigned k = 0; k < ARRAY_SIZE(ops); k++) {
			struct replay r = { .from = "44", .to = "56", .rng = 1 };
			uint64_t n = 0;

			do {
				fail_one(&r, bits[b], ops[k], n++);
				nr += !!r.states;
			} while (r.states);
			ck_assert_uint_gt(n, 1);
		}
	}
	printf("amend without room: %u places\n", nr);
}
END_TEST

START_TEST(usual_clusters)
{
	replay_all(16, 4);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(one_sector),	    CHECK_TEST(small_clusters), CHECK_TEST(names),
		CHECK_TEST(no_room_midway), CHECK_TEST(usual_clusters),
	};

	return check_main_timeout("offline/amend replay", tests, ARRAY_SIZE(tests), 240);
}
