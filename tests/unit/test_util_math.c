/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util/math.h: arithmetic that a hostile image cannot make wrap around.
 */
#include <check.h>

#include "check_main.h"
#include "util/math.h"

START_TEST(sums_and_products_are_checked)
{
	uint64_t v = 1;

	ck_assert(add_u64(UINT64_MAX - 1, 1, &v));
	ck_assert_uint_eq(v, UINT64_MAX);
	ck_assert(!add_u64(UINT64_MAX, 1, &v));
	ck_assert(mul_u64(UINT64_C(1) << 32, UINT32_MAX, &v));
	ck_assert_uint_eq(v, UINT64_C(0xffffffff00000000));
	ck_assert(!mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &v));
	ck_assert(mul_u64(0, UINT64_MAX, &v));
	ck_assert_uint_eq(v, 0);
}
END_TEST

START_TEST(ranges_do_not_wrap)
{
	ck_assert(range_within(0, 0, 0));
	ck_assert(range_within(5, 5, 10));
	ck_assert(range_within(10, 0, 10));
	ck_assert(!range_within(5, 6, 10));
	ck_assert(!range_within(11, 0, 10));
	ck_assert(!range_within(UINT64_MAX, 2, 10));
	ck_assert(!range_within(2, UINT64_MAX, 10));
	ck_assert(range_within(0, UINT64_MAX, UINT64_MAX));
}
END_TEST

START_TEST(overlap_needs_a_common_byte)
{
	ck_assert(ranges_overlap(0, 10, 9, 1));
	ck_assert(!ranges_overlap(0, 10, 10, 1));
	ck_assert(!ranges_overlap(10, 1, 0, 10));
	ck_assert(ranges_overlap(3, 1, 0, 10));
	ck_assert(!ranges_overlap(3, 0, 0, 10));
	ck_assert(!ranges_overlap(0, 10, 3, 0));
}
END_TEST

START_TEST(powers_of_two)
{
	ck_assert(!is_pow2(0));
	ck_assert(is_pow2(1));
	ck_assert(is_pow2(UINT64_C(1) << 63));
	ck_assert(!is_pow2(3));
	ck_assert(!is_pow2(UINT64_MAX));
}
END_TEST

START_TEST(alignment)
{
	ck_assert(is_aligned(0, 512));
	ck_assert(is_aligned(1024, 512));
	ck_assert(!is_aligned(1025, 512));
	ck_assert_uint_eq(align_down(1023, 512), 512);
	ck_assert_uint_eq(align_down(UINT64_MAX, 4096), UINT64_MAX - 4095);
	ck_assert_uint_eq(align_up(1, 512), 512);
	ck_assert_uint_eq(align_up(512, 512), 512);
	ck_assert_uint_eq(align_up(0, 512), 0);
}
END_TEST

START_TEST(division_rounds_up)
{
	ck_assert_uint_eq(div_up(0, 7), 0);
	ck_assert_uint_eq(div_up(7, 7), 1);
	ck_assert_uint_eq(div_up(8, 7), 2);
	ck_assert_uint_eq(div_up(UINT64_MAX, 2), UINT64_C(1) << 63);
}
END_TEST

START_TEST(smaller_and_larger)
{
	ck_assert_uint_eq(min_u64(UINT64_MAX, 3), 3);
	ck_assert_uint_eq(max_u64(UINT64_MAX, 3), UINT64_MAX);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(sums_and_products_are_checked),
		CHECK_TEST(ranges_do_not_wrap),
		CHECK_TEST(overlap_needs_a_common_byte),
		CHECK_TEST(powers_of_two),
		CHECK_TEST(alignment),
		CHECK_TEST(division_rounds_up),
		CHECK_TEST(smaller_and_larger),
	};

	return check_main("util/math", tests, ARRAY_SIZE(tests));
}
