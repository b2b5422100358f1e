/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two layouts of the zoned extension against bytes written out by hand, and there and
 * back again.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/format/header.h"

/* Every field differs from every other, in every byte that it has. */
static const uint8_t bytes48[48] = {
	0x01, 0,    0,	  0,				/* zoned */
	0x11, 0x12, 0x13, 0x14,				/* zone_size */
	0x21, 0x22, 0x23, 0x24,				/* zone_capacity */
	0x31, 0x32, 0x33, 0x34,				/* conventional_zones */
	0x41, 0x42, 0x43, 0x44,				/* nr_zones */
	0x51, 0x52, 0x53, 0x54,				/* max_active_zones */
	0x61, 0x62, 0x63, 0x64,				/* max_open_zones */
	0x71, 0x72, 0x73, 0x74,				/* max_append_bytes */
	0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, /* zonedmeta_size */
	0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, /* zonedmeta_offset */
};

static const uint8_t bytes56[56] = {
	0x01, 0,    0,	  0,				/* zoned */
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* zone_size */
	0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, /* zone_capacity */
	0x31, 0x32, 0x33, 0x34,				/* conventional_zones */
	0x41, 0x42, 0x43, 0x44,				/* nr_zones */
	0x51, 0x52, 0x53, 0x54,				/* max_active_zones */
	0x61, 0x62, 0x63, 0x64,				/* max_open_zones */
	0x71, 0x72, 0x73, 0x74,				/* max_append_bytes */
	0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, /* zonedmeta_size */
	0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, /* zonedmeta_offset */
};

static void check_common(const struct qcow2_zoned_ext *e)
{
	ck_assert(e->present);
	ck_assert_uint_eq(e->model, 1);
	ck_assert_uint_eq(e->geo.nr_conv, 0x31323334);
	ck_assert_uint_eq(e->geo.nr_zones, 0x41424344);
	ck_assert_uint_eq(e->geo.max_active, 0x51525354);
	ck_assert_uint_eq(e->geo.max_open, 0x61626364);
	ck_assert_uint_eq(e->geo.max_append, 0x71727374);
	ck_assert_uint_eq(e->meta_size, UINT64_C(0x8182838485868788));
	ck_assert_uint_eq(e->meta_offset, UINT64_C(0x9192939495969798));
}

START_TEST(layout_48)
{
	struct qcow2_zoned_ext e;
	uint8_t out[56];

	memset(out, 0xee, sizeof(out));
	ck_assert_int_eq(qcow2_zoned_ext_parse(bytes48, 48, &e, NULL), 0);
	check_common(&e);
	ck_assert_uint_eq(e.layout, 48);
	ck_assert_uint_eq(e.stored_len, 48);
	ck_assert_uint_eq(e.geo.zone_size, 0x11121314);
	ck_assert_uint_eq(e.geo.zone_capacity, 0x21222324);
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, NULL), 0);
	ck_assert_mem_eq(out, bytes48, 48);
	ck_assert_uint_eq(out[48], 0xee); /* not a byte more */
}
END_TEST

START_TEST(layout_56)
{
	struct qcow2_zoned_ext e;
	uint8_t out[56];

	ck_assert_int_eq(qcow2_zoned_ext_parse(bytes56, 56, &e, NULL), 0);
	check_common(&e);
	ck_assert_uint_eq(e.layout, 56);
	ck_assert_uint_eq(e.stored_len, 56);
	ck_assert_uint_eq(e.geo.zone_size, UINT64_C(0x1112131415161718));
	ck_assert_uint_eq(e.geo.zone_capacity, UINT64_C(0x2122232425262728));
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, NULL), 0);
	ck_assert_mem_eq(out, bytes56, 56);
}
END_TEST

/* A later revision appends fields: what is known of it is read, its length is kept. */
START_TEST(newer_revision)
{
	static const uint32_t lengths[] = { 57, 64, 100, 4000000000 };
	struct qcow2_zoned_ext e;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ck_assert_int_eq(qcow2_zoned_ext_parse(bytes56, lengths[i], &e, NULL), 0);
		check_common(&e);
		ck_assert_uint_eq(e.layout, 56);
		ck_assert_uint_eq(e.stored_len, lengths[i]);
		ck_assert_uint_eq(e.geo.zone_size, UINT64_C(0x1112131415161718));
	}
}
END_TEST

START_TEST(other_lengths)
{
	struct qcow2_zoned_ext e;
	struct zq_error err;
	char want[128];

	for (uint32_t len = 0; len < 56; len++) {
		if (len == 48)
			continue;
		ck_assert_int_eq(qcow2_zoned_ext_parse(bytes56, len, &e, &err), -EINVAL);
		snprintf(want, sizeof(want),
			 "zoned extension: length %u is that of no known layout (48, 56 or more)",
			 len);
		ck_assert_str_eq(err.msg, want);
	}
}
END_TEST

START_TEST(other_models)
{
	uint8_t data[56];
	struct qcow2_zoned_ext e;
	struct zq_error err;

	memcpy(data, bytes56, sizeof(data));
	for (unsigned model = 0; model < 256; model++) {
		char want[64];

		data[0] = (uint8_t)model;
		ck_assert_int_eq(qcow2_zoned_ext_parse(data, 56, &e, &err),
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
	struct qcow2_zoned_ext e = { .present = true, .layout = 48, .model = 1 };
	uint8_t out[56];
	struct zq_error err;

	e.geo.zone_size = UINT32_MAX;
	e.geo.zone_capacity = UINT32_MAX;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), 0);
	e.geo.zone_size = UINT64_C(1) << 32;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), -ERANGE);
	ck_assert_str_eq(err.msg, "zoned extension: zone_size 4294967296 does not fit the 48-byte "
				  "layout (below 4 GiB)");
	e.geo.zone_size = 4096;
	e.geo.zone_capacity = UINT64_C(1) << 32;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), -ERANGE);
	e.layout = 56;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), 0);
	e.layout = 64;
	ck_assert_int_eq(qcow2_zoned_ext_encode(&e, out, &err), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("zoned_ext");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_test(t, layout_48);
	tcase_add_test(t, layout_56);
	tcase_add_test(t, newer_revision);
	tcase_add_test(t, other_lengths);
	tcase_add_test(t, other_models);
	tcase_add_test(t, sizes_that_48_cannot_hold);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
