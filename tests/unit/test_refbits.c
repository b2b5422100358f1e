/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "check_main.h"
#include "qcow2/format/refbits.h"

static uint64_t value_for(uint64_t i, unsigned order)
{
	return (i * UINT64_C(0x9e3779b97f4a7c15)) & refbits_max(order);
}

static void fill_block(uint8_t *block, size_t size, unsigned order)
{
	uint64_t n = refbits_in(size, order);

	for (uint64_t i = 0; i < n; i++)
		refbits_put(block, i, order, value_for(i, order));
	for (uint64_t i = 0; i < n; i++)
		ck_assert_uint_eq(refbits_get(block, i, order), value_for(i, order));
	refbits_put(block, 5, order, 0);
	for (uint64_t i = 0; i < n; i++)
		ck_assert_uint_eq(refbits_get(block, i, order), i == 5 ? 0 : value_for(i, order));
}

START_TEST(counts_of_each_width_keep_apart)
{
	uint8_t block[512];

	for (unsigned order = 0; order <= 6; order++) {
		memset(block, 0xa5, sizeof(block));
		ck_assert_uint_eq(refbits_in(sizeof(block), order), sizeof(block) * 8 >> order);
		fill_block(block, sizeof(block), order);
	}
}
END_TEST

START_TEST(bytes_are_as_the_format_says)
{
	uint8_t b[8] = { 0 };

	refbits_put(b, 1, 0, 1); /* the least significant bit comes first */
	ck_assert_uint_eq(b[0], 2);
	refbits_put(b, 1, 2, 9);
	ck_assert_uint_eq(b[0], 0x92);
	refbits_put(b, 1, 4, 0x1234); /* big-endian */
	ck_assert_uint_eq(b[2], 0x12);
	ck_assert_uint_eq(b[3], 0x34);
	ck_assert_uint_eq(refbits_max(0), 1);
	ck_assert_uint_eq(refbits_max(6), UINT64_MAX);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(counts_of_each_width_keep_apart),
		CHECK_TEST(bytes_are_as_the_format_says),
	};

	return check_main("refbits", tests, ARRAY_SIZE(tests));
}
