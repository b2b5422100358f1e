/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power failures within the making of an image: what is left is no image for anybody, or the whole
 * one. ZQ_CRASH_SEED and ZQ_CRASH_VARIANTS replay one run or make it longer.
 */
#include "check_main.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <zqfs/device.h>

#include "crash_disk.h"
#include "image_file.h"
#include "io/io.h"
#include "rng.h"
#include "util/math.h"

struct create_replay {
	struct qcow2_create_params p;
	uint64_t seed, rng;
	uint64_t states, images;
};

static uint64_t create_replay_draw(void *data)
{
	struct create_replay *r = data;

	return rng_below(&r->rng, UINT64_MAX);
}

static void expect_new_device(struct create_replay *r, const struct crash_disk *left,
			      const char *what)
{
	struct zq_open_opts o = { .readonly = true };
	struct zq_device *dev = NULL;
	struct zq_error err = { "" };
	int rc;

	if (left->data)
		o.data_io = memio_open(left->data, "disk.data", false);
	rc = zq_open_device_io(memio_open(left->image, "disk.qcow2", false), &o, &dev, &err);
	ck_assert_msg(!rc, "%s: does not open: %s", what, err.msg);
	for (uint32_t z = r->p.geo.nr_conv; z < r->p.geo.nr_zones; z++) {
		struct zq_zone_info zi;

		ck_assert_int_eq(zq_report(dev, z, 1, &zi), 0);
		ck_assert_msg(zi.state == ZQ_EMPTY, "%s: zone %u is %s", what, z,
			      zq_state_name(zi.state));
	}
	ck_assert_int_eq(zq_close_device(dev), 0);
}

static void create_replay_state(void *data, const struct crash_disk *left, size_t at,
				unsigned variant)
{
	struct create_replay *r = data;
	struct image_findings f = { .lines = "" };
	struct zq_error err = { "" };
	struct qcow2_header h;
	char what[96];
	int rc = image_file_header(left->image, "disk.qcow2", true, &h, &err);

	snprintf(what, sizeof(what), "seed %" PRIu64 ", crash behind entry %zu, variant %u",
		 r->seed, at, variant);
	r->states++;
	if (rc == -EMEDIUMTYPE)
		return;
	ck_assert_msg(!rc, "%s: neither an image nor none: %s", what, err.msg);
	ck_assert_uint_eq(h.size, r->p.geo.size);
	qcow2_header_free(&h);
	rc = image_file_check(left->image, "disk.qcow2", ZQ_REPAIR_NONE, &f, &err);
	ck_assert_msg(!rc && !f.res.corruptions && !f.res.leaks, "%s: %s%s", what, err.msg,
		      f.lines);
	expect_new_device(r, left, what);
	r->images++;
}

static void create_and_replay(const struct qcow2_create_params *p)
{
	struct create_replay r = { .p = *p, .seed = from_env("ZQ_CRASH_SEED", 1) };
	struct crash_disk d = { .image = memio_new() };
	struct zq_error err = { "" };
	struct zq_io *io = memio_open(d.image, "disk.qcow2", true);

	if (p->data_file) {
		d.data = memio_new();
		r.p.data_io = memio_open(d.data, "disk.data", true);
	}
	r.rng = (r.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	crash_record(&d);
	ck_assert_msg(!qcow2_create(io, &r.p, &err), "%s", err.msg);
	crash_record_end(&d);
	io_close(r.p.data_io);
	io_close(io);
	crash_each_state(&d, (unsigned)from_env("ZQ_CRASH_VARIANTS", 40), create_replay_draw,
			 create_replay_state, &r);
	ck_assert_uint_gt(r.images, 0);
	ck_assert_uint_gt(r.states, r.images);
	printf("create: clusters of %u, layout %s%s%s: seed %" PRIu64 ", %" PRIu64
	       " crash states, nothing lost: %" PRIu64 " are the image\n",
	       1u << p->cluster_bits, p->layout->name, p->prealloc_metadata ? ", preallocated" : "",
	       p->data_file ? ", data file" : "", r.seed, r.states, r.images);
	crash_disk_free(&d);
}

START_TEST(an_image_or_none)
{
	static const char *const layouts[] = { "44", "56", "48", "48b" };
	static const unsigned bits[] = { 9, 12, 16 };
	struct qcow2_create_params p = image_params();

	p.layout = zoned_layout_named(layouts[_i % 4]);
	p.cluster_bits = bits[_i / 4 % 3];
	p.prealloc_metadata = _i / 12 & 1;
	p.extended_l2 = p.cluster_bits == 16;
	create_and_replay(&p);
	if (p.prealloc_metadata && p.extended_l2)
		return;
	p.data_file = "disk.data";
	p.data_file_raw = true;
	create_and_replay(&p);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = { CHECK_LOOP(an_image_or_none, 24) };

	return check_main_timeout("create replay", tests, ARRAY_SIZE(tests), 240);
}
