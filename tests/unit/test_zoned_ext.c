/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layouts of the zoned extension against bytes written out by hand, there and back again,
 * and the choice between the two layouts of one length.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "qcow2/format/geometry.h"
#include "qcow2/format/header.h"
#include "rng.h"
#include "util/bytes.h"
#include "util/math.h"

/* Every field differs from every other. */
#define HEAD   0x01, 0, 0, 0 /* zoned */
#define ZONES  0x00, 0x00, 0x12, 0x34
#define SIZE   0x10, 0x00, 0x00, 0x00
#define CAP    0x0f, 0xed, 0xcc, 0x00
#define CONV   0x00, 0x00, 0x00, 0x11
#define ACTIVE 0x00, 0x00, 0x03, 0x21
#define OPEN   0x00, 0x00, 0x01, 0x23
#define APPEND 0x00, 0xfe, 0xdc, 0x00
#define NONE   0, 0, 0, 0
#define OFFSET 0x00, 0x02, 0x03, 0x04, 0x05, 0x06, 0x00, 0x00
#define BYTES  NONE, 0x00, 0x00, 0x91, 0xa0 /* zonedmeta_size */

static const struct {
	const char *name;
	uint8_t bytes[64];
	uint32_t len;
	bool append;
} cases[] = {
	{ "44", { HEAD, ZONES, NONE, SIZE, NONE, CAP, OFFSET, CONV, ACTIVE, OPEN }, 44, false },
	{ "56",
	  { HEAD, NONE, SIZE, NONE, CAP, CONV, ZONES, ACTIVE, OPEN, APPEND, BYTES, OFFSET },
	  56,
	  true },
	{ "48", { HEAD, SIZE, CAP, CONV, ZONES, ACTIVE, OPEN, APPEND, BYTES, OFFSET }, 48, true },
	{ "48b",
	  { HEAD, ZONES, NONE, SIZE, NONE, CAP, CONV, ACTIVE, OPEN, APPEND, OFFSET },
	  48,
	  true },
};

static struct qcow2_header header(void)
{
	return (struct qcow2_header){
		.version = 3,
		.cluster_bits = 16,
		.size = UINT64_C(0x1234) * 0x10000000 - 512,
		.file_size = INT64_MAX,
	};
}

/* One layout: there and back. */
static void check_case(unsigned nr)
{
	struct qcow2_header h = header();
	const struct qcow2_zoned_ext *e = &h.zoned;
	const uint8_t *bytes = cases[nr].bytes;
	uint32_t len = cases[nr].len;
	struct zq_error err;
	uint8_t out[64];

	memset(out, 0xee, sizeof(out));
	ck_assert_msg(!qcow2_zoned_ext_parse(bytes, len, &h, &err), "%s", err.msg);
	ck_assert_str_eq(e->layout->name, cases[nr].name);
	ck_assert(e->present);
	ck_assert_uint_eq(e->model, 1);
	ck_assert_uint_eq(e->geo.size, h.size);
	ck_assert_uint_eq(e->geo.zone_size, 0x10000000);
	ck_assert_uint_eq(e->geo.zone_capacity, 0x0fedcc00);
	ck_assert_uint_eq(e->geo.nr_zones, 0x1234);
	ck_assert_uint_eq(e->geo.nr_conv, 0x11);
	ck_assert_uint_eq(e->geo.max_active, 0x321);
	ck_assert_uint_eq(e->geo.max_open, 0x123);
	ck_assert_uint_eq(e->geo.max_append, cases[nr].append ? 0xfedc00 : 0);
	ck_assert_uint_eq(e->meta_size, 0x91a0);
	ck_assert_uint_eq(e->meta_offset, UINT64_C(0x2030405060000));
	ck_assert_int_eq(qcow2_zoned_ext_encode(e, out, NULL), 0);
	ck_assert_mem_eq(out, bytes, len);
	ck_assert_uint_eq(out[len], 0xee); /* not a byte more */
}

START_TEST(bytes_by_hand)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(i);
}
END_TEST

START_TEST(every_row_is_tested_by_hand)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_str_eq(zoned_layout_at(i)->name, cases[i].name);
	ck_assert_ptr_null(zoned_layout_at(ARRAY_SIZE(cases)));
	ck_assert_ptr_null(zoned_layout_named("52"));
	ck_assert_str_eq(zoned_layout_for(false)->name, "44");
	ck_assert_str_eq(zoned_layout_for(true)->name, "56");
}
END_TEST

/* No revision ever said that an extension may be longer than known. */
START_TEST(other_lengths)
{
	struct zq_error err;
	char want[128];

	for (uint32_t len = 0; len < 200; len++) {
		struct qcow2_header h = header();

		if (len == 44 || len == 48 || len == 56)
			continue;
		ck_assert_int_eq(qcow2_zoned_ext_parse(cases[1].bytes, len, &h, &err), -EINVAL);
		snprintf(want, sizeof(want),
			 "zoned extension: length %u is that of no known layout (44, 48, 56)", len);
		ck_assert_str_eq(err.msg, want);
	}
}
END_TEST

START_TEST(other_models)
{
	uint8_t data[56];
	struct zq_error err;

	memcpy(data, cases[1].bytes, sizeof(data));
	for (unsigned model = 0; model < 256; model++) {
		struct qcow2_header h = header();
		char want[64];

		data[0] = (uint8_t)model;
		ck_assert_int_eq(qcow2_zoned_ext_parse(data, 56, &h, &err),
				 model == 1 ? 0 : -EINVAL);
		if (model == 1)
			continue;
		snprintf(want, sizeof(want), "zoned extension: zoned %u is not a known model",
			 model);
		ck_assert_msg(!strncmp(err.msg, want, strlen(want)), "%s", err.msg);
	}
}
END_TEST

START_TEST(sizes_that_48_cannot_hold)
{
	struct qcow2_zoned_ext e = { .layout = zoned_layout_named("48"), .model = 1 };
	uint8_t out[56];
	struct zq_error err;

	e.geo.zone_size = UINT32_MAX;
	e.geo.zone_capacity = UINT32_MAX;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), 0);
	e.geo.zone_size = UINT64_C(1) << 32;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), -ERANGE);
	ck_assert_str_eq(err.msg, "zoned extension: zone_size 4294967296 does not fit layout 48 "
				  "(below 4 GiB)");
	e.geo.zone_size = 4096;
	e.geo.zone_capacity = UINT64_C(1) << 32;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), -ERANGE);
	e.layout = zoned_layout_named("48b");
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), 0);
}
END_TEST

/* Limits that are too large are taken as the largest that makes sense, and said to be so. */
static void keep_remark(void *data, const char *line)
{
	char *all = data;

	snprintf(all + strlen(all), 1024 - strlen(all), "%s\n", line);
}

START_TEST(limits_are_clamped)
{
	struct qcow2_header h = header();
	uint8_t data[44];
	char all[1024] = "";

	memcpy(data, cases[0].bytes, sizeof(data));
	put_be32(data + 36, 0x1235);
	put_be32(data + 40, 0x1234);
	ck_assert_int_eq(qcow2_zoned_ext_parse(data, 44, &h, NULL), 0);
	ck_assert_uint_eq(h.zoned.geo.max_active, 0x1234);
	ck_assert_uint_eq(h.zoned.geo.max_open, 0x1223);
	ck_assert_uint_eq(h.zoned.stored_active, 0x1235);
	ck_assert_uint_eq(h.zoned.stored_open, 0x1234);
	qcow2_zoned_remarks(&h, keep_remark, all);
	ck_assert_str_eq(all, "max_active_zones 4661 is larger than nr_zones: taken as 4660\n"
			      "max_open_zones 4660 is larger than the number of sequential zones: "
			      "taken as 4643\n");
	put_be32(data + 36, 5);
	ck_assert_int_eq(qcow2_zoned_ext_parse(data, 44, &h, NULL), 0);
	ck_assert_uint_eq(h.zoned.geo.max_open, 5);
}
END_TEST

/* ---- 48 or 48b ----------------------------------------------------------------------------- */

/* A valid geometry; of every shape that the rules allow, and the extremes often. */
static struct zq_geometry random_geometry(uint64_t *r, const struct zoned_layout *l)
{
	unsigned bits = 12 + (unsigned)rng_below(r, l->zone_size.bytes == 4 ? 20 : 40);
	struct zq_geometry g = { .zone_size = UINT64_C(1) << bits };
	uint64_t blocks = g.zone_size / ZQ_BLOCK, most = l->wp_mask >> bits;
	uint64_t zones = 1 + rng_below(r, min_u64(most, rng_below(r, 2) ? ZQ_MAX_ZONES : 64));

	g.nr_zones = (uint32_t)zones;
	g.size = zones * g.zone_size - rng_below(r, blocks) * ZQ_BLOCK;
	g.zone_capacity = rng_below(r, 2) ? g.zone_size : (1 + rng_below(r, blocks)) * ZQ_BLOCK;
	g.nr_conv = rng_below(r, 2) ? 0 : (uint32_t)rng_below(r, zones);
	g.max_active = rng_below(r, 2) ? 0 : (uint32_t)rng_below(r, zones + 1);
	g.max_open = rng_below(r, 2) ? 0 : (uint32_t)rng_below(r, zones - g.nr_conv + 1);
	g.max_append = (uint32_t)rng_below(r, min_u64(g.zone_capacity, UINT32_MAX) / ZQ_BLOCK + 1) *
		       ZQ_BLOCK;
	geometry_clamp_limits(&g);
	return g;
}

START_TEST(layouts_of_48_bytes_are_never_confused)
{
	static const char *const names[] = { "48", "48b" };
	uint64_t r = 20261127;
	struct zq_error err;

	for (unsigned i = 0; i < 20000; i++) {
		const struct zoned_layout *l = zoned_layout_named(names[i % 2]);
		struct zq_geometry g = random_geometry(&r, l);
		unsigned cluster_bits = 9 + (unsigned)rng_below(&r, 13);
		struct qcow2_header h = { .version = 3, .cluster_bits = cluster_bits };
		struct qcow2_zoned_ext e = { .layout = l, .geo = g, .model = 1 };
		uint8_t data[48];

		ck_assert_msg(!zq_geometry_validate(&g, &err), "%u: %s", i, err.msg);
		h.size = g.size;
		h.file_size = INT64_MAX;
		e.meta_size = (uint64_t)g.nr_zones * 8;
		e.meta_offset = (1 + rng_below(&r, 1u << 30)) << cluster_bits;
		ck_assert_int_eq(qcow2_zoned_ext_encode(&e, data, NULL), 0);
		ck_assert_msg(!qcow2_zoned_ext_parse(data, 48, &h, &err), "%u: %s", i, err.msg);
		ck_assert_str_eq(h.zoned.layout->name, l->name);
		ck_assert_mem_eq(&h.zoned.geo, &g, sizeof(g));
	}
}
END_TEST

START_TEST(neither_of_48_bytes_has_both_reasons)
{
	struct qcow2_header h = header();
	struct zq_error err;
	uint8_t data[48];

	memcpy(data, cases[2].bytes, sizeof(data));
	data[4] = 0x11;
	ck_assert_int_eq(qcow2_zoned_ext_parse(data, 48, &h, &err), -EINVAL);
	ck_assert_str_eq(err.msg,
			 "zoned extension: length 48 fits no layout of that length: as 48: "
			 "zone_size 285212672 is not a power of two; as 48b: zone_size "
			 "1147797780421410833 is not a power of two");
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(bytes_by_hand),
		CHECK_TEST(every_row_is_tested_by_hand),
		CHECK_TEST(other_lengths),
		CHECK_TEST(other_models),
		CHECK_TEST(sizes_that_48_cannot_hold),
		CHECK_TEST(limits_are_clamped),
		CHECK_TEST(layouts_of_48_bytes_are_never_confused),
		CHECK_TEST(neither_of_48_bytes_has_both_reasons),
	};

	return check_main("zoned_ext", tests, ARRAY_SIZE(tests));
}
