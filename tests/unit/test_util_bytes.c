/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util/bytes.h: on-disk integers.
 */
#include <check.h>

#include "check_main.h"
#include "util/bytes.h"

static const uint8_t raw[] = { 0xff, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xee };

START_TEST(reads_big_endian)
{
	/* odd addresses on purpose */
	ck_assert_uint_eq(get_be16(raw + 1), 0x0123);
	ck_assert_uint_eq(get_be32(raw + 1), 0x01234567);
	ck_assert_uint_eq(get_be64(raw + 1), UINT64_C(0x0123456789abcdef));
}
END_TEST

START_TEST(reads_little_endian)
{
	ck_assert_uint_eq(get_le64(raw + 1), UINT64_C(0xefcdab8967452301));
}
END_TEST

START_TEST(writes_what_it_reads)
{
	uint8_t buf[10] = { 0xee, 0, 0, 0, 0, 0, 0, 0, 0, 0xee };

	put_be16(buf + 1, 0xfedc);
	ck_assert_uint_eq(get_be16(buf + 1), 0xfedc);
	ck_assert_uint_eq(buf[1], 0xfe);
	ck_assert_uint_eq(buf[3], 0);
	put_be32(buf + 1, 0xfedcba98);
	ck_assert_uint_eq(get_be32(buf + 1), 0xfedcba98);
	ck_assert_uint_eq(buf[5], 0);
	put_be64(buf + 1, UINT64_C(0xfedcba9876543210));
	ck_assert_uint_eq(get_be64(buf + 1), UINT64_C(0xfedcba9876543210));
	put_le64(buf + 1, UINT64_C(0xfedcba9876543210));
	ck_assert_uint_eq(buf[1], 0x10);
	ck_assert_uint_eq(get_le64(buf + 1), UINT64_C(0xfedcba9876543210));
	/* nothing beyond the eight bytes */
	ck_assert_uint_eq(buf[0], 0xee);
	ck_assert_uint_eq(buf[9], 0xee);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(reads_big_endian),
		CHECK_TEST(reads_little_endian),
		CHECK_TEST(writes_what_it_reads),
	};

	return check_main("util/bytes", tests, ARRAY_SIZE(tests));
}
