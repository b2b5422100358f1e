/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of a zoned device's shape: each bound from both sides, and the arithmetic on
 * zones of different length.
 */
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/geometry.h>

#include "util/math.h"

#define MIB (UINT64_C(1) << 20)

static const struct zq_geometry good = {
	.size = 10 * MIB,
	.zone_size = MIB,
	.zone_capacity = MIB - 4096,
	.nr_zones = 10,
	.nr_conv = 2,
	.max_open = 3,
	.max_active = 5,
	.max_append = 65536,
};

static int validate(const struct zq_geometry *g, struct zq_error *err)
{
	err->msg[0] = '\0';
	return zq_geometry_validate(g, err);
}

#define ACCEPT(...)                                                                                \
	do {                                                                                       \
		struct zq_geometry g = good;                                                       \
		struct zq_error err;                                                               \
                                                                                                   \
		__VA_ARGS__;                                                                       \
		ck_assert_msg(validate(&g, &err) == 0, "%s", err.msg);                             \
		ck_assert_str_eq(err.msg, "");                                                     \
	} while (0)

/* The sentence begins with the field. */
#define REFUSE(field, ...)                                                                         \
	do {                                                                                       \
		struct zq_geometry g = good;                                                       \
		struct zq_error err;                                                               \
                                                                                                   \
		__VA_ARGS__;                                                                       \
		ck_assert_int_eq(validate(&g, &err), -EINVAL);                                     \
		ck_assert_msg(!strncmp(err.msg, "zoned extension: " field " ",                     \
				       strlen("zoned extension: " field " ")),                     \
			      "%s", err.msg);                                                      \
		ck_assert_int_eq(zq_geometry_validate(&g, NULL), -EINVAL);                         \
	} while (0)

START_TEST(zone_size)
{
	ACCEPT();
	ACCEPT(g.zone_size = g.zone_capacity = 4096, g.nr_zones = 2560, g.max_append = 4096);
	REFUSE("zone_size", g.zone_size = 2048, g.zone_capacity = 2048, g.nr_zones = 5120);
	REFUSE("zone_size", g.zone_size = 0);
	REFUSE("zone_size", g.zone_size = MIB + 1);
	REFUSE("zone_size", g.zone_size = 3 * MIB, g.nr_zones = 4);
	REFUSE("zone_size", g.zone_size = UINT64_MAX);
	ACCEPT(g.zone_size = g.zone_capacity = 4 * MIB, g.nr_zones = 3, g.max_open = 1,
	       g.max_active = 3);
	/* one zone, much larger than the device */
	ACCEPT(g.zone_size = UINT64_C(1) << 58, g.nr_zones = 1, g.nr_conv = 0, g.max_open = 1,
	       g.max_active = 1);
}
END_TEST

START_TEST(zone_capacity)
{
	ACCEPT(g.zone_capacity = MIB);
	ACCEPT(g.zone_capacity = 512, g.max_append = 512);
	REFUSE("zone_capacity", g.zone_capacity = MIB + 512);
	REFUSE("zone_capacity", g.zone_capacity = MIB + 1);
	REFUSE("zone_capacity", g.zone_capacity = 0);
	REFUSE("zone_capacity", g.zone_capacity = 256);
	REFUSE("zone_capacity", g.zone_capacity = 1000);
	REFUSE("zone_capacity", g.zone_capacity = UINT64_MAX);
}
END_TEST

START_TEST(size_and_nr_zones)
{
	ACCEPT(g.size = 10 * MIB - 512);
	ACCEPT(g.size = 9 * MIB + 512);
	REFUSE("nr_zones", g.size = 9 * MIB);
	REFUSE("nr_zones", g.size = 10 * MIB + 512);
	REFUSE("nr_zones", g.nr_zones = 0);
	REFUSE("nr_zones", g.nr_zones = UINT32_MAX);
	REFUSE("size", g.size = 0, g.nr_zones = 0);
	REFUSE("size", g.size = 10 * MIB - 1);
	REFUSE("size", g.size = UINT64_MAX - 511);
	/* the largest pointer has 63 bits; a layout may hold fewer */
	ACCEPT(g.size = UINT64_C(1) << 62, g.zone_size = UINT64_C(1) << 61, g.nr_zones = 2,
	       g.nr_conv = 1, g.max_open = 1, g.max_active = 1);
	REFUSE("size", g.size = UINT64_C(1) << 63, g.zone_size = UINT64_C(1) << 61, g.nr_zones = 4);
	REFUSE("size", g.zone_size = UINT64_C(1) << 63, g.nr_zones = 1);
	/* what a header can make us hold in memory is bounded */
	ACCEPT(g.size = UINT64_C(4096) * ZQ_MAX_ZONES, g.zone_size = 4096, g.zone_capacity = 4096,
	       g.max_append = 4096, g.nr_zones = ZQ_MAX_ZONES);
	REFUSE("zone_size", g.size = UINT64_C(4096) * ZQ_MAX_ZONES + 512, g.zone_size = 4096,
	       g.zone_capacity = 4096, g.nr_zones = ZQ_MAX_ZONES + 1);
}
END_TEST

START_TEST(counts)
{
	ACCEPT(g.nr_conv = 0);
	ACCEPT(g.nr_conv = 9, g.max_open = 1, g.max_active = 1);
	REFUSE("conventional_zones", g.nr_conv = 10);
	REFUSE("conventional_zones", g.nr_conv = UINT32_MAX);
	ACCEPT(g.max_open = 0);
	ACCEPT(g.max_active = 0);
	ACCEPT(g.max_open = 0, g.max_active = 0);
	ACCEPT(g.max_active = 10);
	REFUSE("max_active_zones", g.max_active = 11);
	ACCEPT(g.max_open = 8, g.max_active = 0);
	REFUSE("max_open_zones", g.max_open = 9, g.max_active = 0);
	ACCEPT(g.max_open = 5);
	REFUSE("max_open_zones", g.max_open = 6);
}
END_TEST

START_TEST(max_append)
{
	ACCEPT(g.max_append = 0);
	ACCEPT(g.max_append = 512);
	ACCEPT(g.max_append = MIB - 4096);
	REFUSE("max_append_bytes", g.max_append = MIB - 4096 + 512);
	REFUSE("max_append_bytes", g.max_append = 513);
	REFUSE("max_append_bytes", g.max_append = UINT32_MAX);
}
END_TEST

START_TEST(lengths_of_zones)
{
	struct zq_geometry g = good;

	ck_assert_uint_eq(zq_zone_start(&g, 9), 9 * MIB);
	ck_assert_uint_eq(zq_zone_len(&g, 9), MIB);
	ck_assert_uint_eq(zq_zone_cap(&g, 9), MIB - 4096);
	ck_assert_uint_eq(zq_zone_cap(&g, 1), MIB); /* conventional: its length */
	g.size = 9 * MIB + 512;
	ck_assert_uint_eq(zq_zone_len(&g, 9), 512);
	ck_assert_uint_eq(zq_zone_cap(&g, 9), 512);
	g.size = 10 * MIB - 512; /* shorter than a zone, longer than its capacity */
	ck_assert_uint_eq(zq_zone_len(&g, 9), MIB - 512);
	ck_assert_uint_eq(zq_zone_cap(&g, 9), MIB - 4096);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(zone_size), CHECK_TEST(zone_capacity), CHECK_TEST(size_and_nr_zones),
		CHECK_TEST(counts),    CHECK_TEST(max_append),	  CHECK_TEST(lengths_of_zones),
	};

	return check_main("geometry", tests, ARRAY_SIZE(tests));
}
