/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power fails while an image is resized, behind every write and flush of it, and sectors of
 * 512 bytes arrive or do not. What is left has the old size or the new one, is clean but for
 * leaks, each zone that both have is in the state that it was in, and the data file is as long as
 * the disk at least. The same where the host runs out of room.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "check_main.h"
#include "crash_disk.h"
#include "image_file.h"
#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/check/check.h"
#include "qcow2/format/zoned_word.h"
#include "qcow2/tables/header_read.h"
#include "qimage.h"
#include "rng.h"

#define ZONE   UINT64_C(65536)
#define FILLED 4u /* zones that hold something or are conventional; all images keep them */
#define MAX_NR 600u

struct resize_case {
	const char *name, *layout;
	unsigned cluster_bits;
	uint64_t from, to; /* bytes */
	bool prealloc, ext_l2, data, raw;
};

#define CASE(NAME, LAYOUT, BITS, FROM, TO, ...)                                                    \
	{                                                                                          \
		.name = NAME, .layout = LAYOUT, .cluster_bits = BITS, .from = FROM, .to = TO,      \
		__VA_ARGS__                                                                        \
	}

static const struct resize_case cases[] = {
	CASE("more", "44", 12, 8 * ZONE, 12 * ZONE, .prealloc = true),
	CASE("a longer L1", "44", 9, 8 * ZONE, 20 * ZONE, .data = false),
	CASE("layout 56", "56", 12, 8 * ZONE, 16 * ZONE, .data = false),
	CASE("layout 48", "48", 16, 8 * ZONE, 9 * ZONE, .data = false),
	CASE("a short last zone", "48b", 12, 8 * ZONE - 4096, 9 * ZONE, .data = false),
	CASE("a short last zone goes", "56", 12, 8 * ZONE - 4096, 5 * ZONE, .data = false),
	CASE("fewer", "44", 9, 20 * ZONE, 5 * ZONE, .prealloc = true),
	CASE("fewer, within a table", "44", 12, 12 * ZONE, 5 * ZONE, .prealloc = true),
	CASE("fewer, extended L2", "44", 14, 64 * ZONE, 5 * ZONE, .prealloc = true, .ext_l2 = true),
	CASE("data file, more", "44", 12, 8 * ZONE, 12 * ZONE, .data = true),
	CASE("raw data file, more", "44", 12, 8 * ZONE, 12 * ZONE, .data = true, .raw = true),
	CASE("raw data file, fewer", "56", 16, 12 * ZONE, 5 * ZONE, .data = true, .raw = true),
};

struct resizing {
	const struct resize_case *c;
	uint64_t wp[FILLED + 1];
	uint64_t rng;
	unsigned old, new;
};

static uint64_t resize_rng(void *data)
{
	struct resizing *r = data;

	return rng_below(&r->rng, UINT64_MAX);
}

static void expect_words(const struct resizing *r, struct zq_io *io, const struct qcow2_header *h)
{
	static uint8_t raw[MAX_NR * 8];
	const struct zq_geometry *g = &h->zoned.geo;

	ck_assert_uint_le(g->nr_zones, MAX_NR);
	ck_assert_int_eq(io_pread(io, raw, g->nr_zones * 8, h->zoned.meta_offset), 0);
	for (uint32_t i = g->nr_conv; i < g->nr_zones; i++) {
		uint64_t word = zoned_word_get(raw + i * 8, false);
		uint64_t want = i <= FILLED && r->wp[i] ? r->wp[i] : zq_zone_start(g, i);

		ck_assert(zoned_word_sane(h->zoned.layout, g, i, word));
		ck_assert_msg(zoned_word_wp(h->zoned.layout, word) == want,
			      "zone %u: 0x%" PRIx64 ", expected 0x%" PRIx64, i, word, want);
	}
}

/* Of a data file: long enough, and of a raw one zeros in the new zones. */
static void expect_data(const struct resizing *r, const struct crash_disk *left,
			const struct qcow2_header *h)
{
	uint8_t byte;

	ck_assert_uint_ge(memio_size(left->data), h->size);
	for (uint64_t at = r->c->from; r->c->raw && at < h->size; at++) {
		memio_peek(left->data, at, &byte, 1);
		ck_assert_msg(!byte, "byte %" PRIu64 " of a new zone is %u", at, byte);
	}
}

static void resize_look(void *data, const struct crash_disk *left, size_t at, unsigned variant)
{
	struct resizing *r = data;
	struct zq_io *io = memio_open(left->image, "left.qcow2", true);
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_LEAKS };
	struct zq_check_result res;
	struct zq_error err = { "" };
	struct qcow2_header h;

	ck_assert_msg(!qcow2_header_read(io, HEADER_ZONED, &h, &err), "%s at %zu/%u: %s",
		      r->c->name, at, variant, err.msg);
	ck_assert(h.size == r->c->from || h.size == r->c->to);
	r->old += h.size == r->c->from;
	r->new += h.size == r->c->to;
	expect_words(r, io, &h);
	if (left->data)
		expect_data(r, left, &h);
	ck_assert_int_eq(qcow2_check(io, &h, &opts, &res, &err), 0);
	ck_assert_msg(!res.corruptions, "%s at %zu/%u: %" PRIu64 " corruptions", r->c->name, at,
		      variant, res.corruptions);
	qcow2_header_free(&h);
	io_close(io);
}

/* Zones closed, full and finished; without a data file, whose image is not opened. */
static void resize_fill(struct qimage *q, struct resizing *r)
{
	const struct zq_geometry *g = &q->p.geo;

	qimage_open(q);
	ck_assert_int_eq(qimage_append(q, 2, 'a', 1024), 0);
	r->wp[2] = zq_zone_start(g, 2) + 1024;
	qcow2_wp_forward(q->img, 3, qcow2_wp_finished(q->img, 3));
	r->wp[3] = qcow2_wp_finished(q->img, 3);
	qimage_commit(q);
	qimage_close(q);
}

static void resize_make(struct crash_disk *d, struct resizing *r)
{
	const struct resize_case *c = r->c;
	struct qimage q;

	qimage_init(&q);
	q.p.geo = (struct zq_geometry){ .size = c->from,
					.zone_size = ZONE,
					.zone_capacity = ZONE,
					.nr_zones = (uint32_t)div_up(c->from, ZONE),
					.nr_conv = 2,
					.max_open = 2,
					.max_active = 3 };
	q.p.layout = zoned_layout_named(c->layout);
	q.p.cluster_bits = c->cluster_bits;
	q.p.prealloc_metadata = c->prealloc;
	q.p.extended_l2 = c->ext_l2;
	q.p.data_file = c->data ? "data" : NULL;
	q.p.data_file_raw = c->raw;
	q.m = image_file_make(&q.p, q.name, c->data ? &d->data : NULL);
	if (!c->data)
		resize_fill(&q, r);
	else if (c->to > c->from) /* what somebody has put behind the disk */
		memio_poke(d->data, c->from, "left over", 9);
	d->image = q.m;
}

static int resize_do(struct crash_disk *d, const struct resize_case *c, struct zq_error *err)
{
	struct zq_io *io = memio_open(d->image, "disk.qcow2", true);
	struct zq_io *data = d->data ? memio_open(d->data, "data", true) : NULL;
	struct zq_resize_opts o = { .size = c->to };
	struct zq_resize_result res;
	int ret = resize_image(io, data, &o, &res, err);

	io_close(data);
	io_close(io);
	return ret;
}

START_TEST(power_fails)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct resizing r = { .c = &cases[i], .rng = 1 + i };
		struct crash_disk d = { 0 };
		struct zq_error err = { "" };

		resize_make(&d, &r);
		crash_record(&d);
		ck_assert_msg(!resize_do(&d, r.c, &err), "%s: %s", r.c->name, err.msg);
		crash_record_end(&d);
		crash_each_state(&d, 3, resize_rng, resize_look, &r);
		printf("%s: %u states of the old size, %u of the new\n", r.c->name, r.old, r.new);
		ck_assert_uint_gt(r.old, 3);
		ck_assert_uint_gt(r.new, 3);
		crash_disk_free(&d);
	}
}
END_TEST

/* Makes the n-th operation of a kind and all that follow fail, then tries again. */
static bool resize_without_room(const struct resize_case *c, enum memio_op op, uint64_t n)
{
	struct resizing r = { .c = c, .rng = 1 };
	struct crash_disk d = { 0 };
	struct zq_error err = { "" };
	bool failed;
	int ret;

	resize_make(&d, &r);
	memio_fail(d.image, op, n, ENOSPC, true, 256);
	ret = resize_do(&d, c, &err);
	memio_fail(d.image, op, 0, 0, false, 0);
	failed = memio_failures(d.image, op);
	if (failed) {
		ck_assert_int_eq(ret, -ENOSPC);
		ck_assert_ptr_nonnull(strstr(err.msg, "No space left on device"));
	}
	resize_look(&r, &d, (size_t)n, 0);
	ck_assert_msg(!resize_do(&d, c, &err), "%s: %s", c->name, err.msg);
	r.new = 0;
	resize_look(&r, &d, (size_t)n, 1);
	ck_assert_uint_eq(r.new, 1);
	memio_free(d.image);
	memio_free(d.data);
	return failed;
}

START_TEST(host_has_no_room)
{
	static const enum memio_op ops[] = { MEMIO_WRITE, MEMIO_TRUNCATE, MEMIO_FLUSH };
	unsigned nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t k = 0; k < ARRAY_SIZE(ops); k++)
			for (uint64_t n = 0; resize_without_room(&cases[i], ops[k], n); n++)
				nr++;
	printf("resize without room: %u places\n", nr);
	ck_assert_uint_gt(nr, 50);
}
END_TEST

/* Guest clusters with data or room for it. */
static uint64_t allocated(struct memio *m)
{
	struct zq_io *io = memio_open(m, "disk.qcow2", false);
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_NONE };
	struct zq_check_result res;
	struct zq_error err = { "" };
	struct qcow2_header h;

	ck_assert_int_eq(qcow2_header_read(io, HEADER_ZONED, &h, &err), 0);
	ck_assert_int_eq(qcow2_check(io, &h, &opts, &res, &err), 0);
	ck_assert_uint_eq(res.leaks, 0);
	qcow2_header_free(&h);
	io_close(io);
	return res.allocated_clusters;
}

/* What went does not come back with another resize: no mapping, no leak. */
START_TEST(forth_and_back)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct resize_case back = cases[i];
		struct resizing r = { .c = &cases[i] };
		struct crash_disk d = { 0 };
		struct zq_error err = { "" };

		resize_make(&d, &r);
		ck_assert_int_eq(resize_do(&d, r.c, &err), 0);
		back.to = align_down(cases[i].from, ZONE);
		ck_assert_msg(!resize_do(&d, &back, &err), "%s: %s", back.name, err.msg);
		r.c = &back;
		back.from = back.to;
		resize_look(&r, &d, 0, 0);
		ck_assert_msg(allocated(d.image) << back.cluster_bits <=
				      (cases[i].to < cases[i].from ? cases[i].to : back.to),
			      "%s: what went is mapped again", back.name);
		memio_free(d.image);
		memio_free(d.data);
	}
}
END_TEST

/* The disk stays as it was. */
static void expect_refusal(struct crash_disk *d, const struct zq_resize_opts *o, int rc,
			   const char *why)
{
	struct memio *before = memio_clone(d->image);
	struct zq_io *io = memio_open(d->image, "disk.qcow2", true);
	struct zq_io *data = d->data ? memio_open(d->data, "data", true) : NULL;
	struct zq_resize_result res;
	struct zq_error err = { "" };

	ck_assert_int_eq(resize_image(io, data, o, &res, &err), rc);
	ck_assert_msg(strstr(err.msg, why), "said '%s', not '%s'", err.msg, why);
	ck_assert(memio_equal(d->image, before, NULL));
	io_close(data);
	io_close(io);
	memio_free(before);
}

START_TEST(a_size_that_no_number_holds_is_refused)
{
	struct resizing r = { .c = &cases[0] };
	struct crash_disk d = { 0 };

	resize_make(&d, &r);
	expect_refusal(
		&d, &(struct zq_resize_opts){ .how = ZQ_RESIZE_BY, .size = UINT64_MAX - ZONE + 1 },
		-EINVAL, "disk.qcow2: cannot be so large");
	memio_free(d.image);
}
END_TEST

START_TEST(a_device_does_not_grow_with_its_image)
{
	const struct resize_case *raw = &cases[10];
	struct resizing r = { .c = raw };
	struct crash_disk d = { 0 };
	struct zq_error err = { "" };

	ck_assert(raw->data && raw->to > raw->from);
	resize_make(&d, &r);
	memio_set_device(d.data, raw->to - ZONE);
	expect_refusal(&d, &(struct zq_resize_opts){ .size = raw->to }, -ENOSPC,
		       "data: making the data file larger: No space left on device");
	memio_set_device(d.data, raw->to);
	ck_assert_msg(!resize_do(&d, raw, &err), "%s", err.msg);
	resize_look(&r, &d, 0, 0);
	memio_free(d.image);
	memio_free(d.data);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(power_fails),
		CHECK_TEST(host_has_no_room),
		CHECK_TEST(forth_and_back),
		CHECK_TEST(a_size_that_no_number_holds_is_refused),
		CHECK_TEST(a_device_does_not_grow_with_its_image),
	};

	return check_main_timeout("offline/resize replay", tests, ARRAY_SIZE(tests), 240);
}
