/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util/size.c: sizes as text.
 */
#include <check.h>
#include <errno.h>

#include "check_main.h"
#include "util/size.h"

START_TEST(parses_plain_numbers_and_suffixes)
{
	static const struct {
		const char *text;
		uint64_t want;
	} t[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "007", 7 },
		{ "1B", 1 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "64M", UINT64_C(64) << 20 },
		{ "3g", UINT64_C(3) << 30 },
		{ "2T", UINT64_C(2) << 40 },
		{ "1P", UINT64_C(1) << 50 },
		{ "7E", UINT64_C(7) << 60 },
		{ "9223372036854775807", INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t got = 12345;

		ck_assert_msg(size_parse(t[i].text, &got) == 0, "%s", t[i].text);
		ck_assert_msg(got == t[i].want, "%s: %llu", t[i].text, (unsigned long long)got);
	}
}
END_TEST

START_TEST(refuses_what_is_no_size)
{
	static const char *const bad[] = { "",	   " 1", "1 ",	"-1", "+1",  "K",   "1KB", "1.5M",
					   "0x10", "1Z", "1KK", "M1", "\n1", "1,0", "1e3" };
	static const char *const large[] = { "8E",
					     "9223372036854775808",
					     "18446744073709551616",
					     "18446744073709551615",
					     "99999999999999999999999K",
					     "9007199254740992K" };
	uint64_t v = 77;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(size_parse(bad[i], &v) == -EINVAL, "%s", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		ck_assert_msg(size_parse(large[i], &v) == -ERANGE, "%s", large[i]);
	ck_assert_uint_eq(v, 77);
}
END_TEST

START_TEST(parses_numbers_within_a_bound)
{
	uint64_t v = 77;

	ck_assert_int_eq(number_parse("12", 12, &v), 0);
	ck_assert_uint_eq(v, 12);
	ck_assert_int_eq(number_parse("13", 12, &v), -ERANGE);
	ck_assert_int_eq(number_parse("1K", 4096, &v), -EINVAL);
	ck_assert_int_eq(number_parse("", 12, &v), -EINVAL);
	ck_assert_int_eq(number_parse("-1", 12, &v), -EINVAL);
	ck_assert_int_eq(number_parse("18446744073709551615", UINT64_MAX, &v), 0);
	ck_assert_uint_eq(v, UINT64_MAX);
	ck_assert_int_eq(number_parse("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	ck_assert_uint_eq(v, UINT64_MAX);
}
END_TEST

START_TEST(formats_for_people)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} t[] = {
		{ 0, "0 B" },
		{ 512, "512 B" },
		{ 999, "999 B" },
		{ 1000, "0.977 KiB" },
		{ 1023, "0.999 KiB" },
		{ 1024, "1 KiB" },
		{ UINT64_C(1023) << 40, "0.999 PiB" },
		{ 196608, "192 KiB" },
		{ 262152, "256 KiB" },
		{ 2621440, "2.5 MiB" },
		{ UINT64_C(768) << 20, "768 MiB" },
		{ UINT64_C(5) << 28, "1.25 GiB" },
		{ (UINT64_C(1) << 40) - 1, "1 TiB" },
		{ UINT64_C(64) << 40, "64 TiB" },
		{ UINT64_C(12) << 39, "6 TiB" },
		{ UINT64_C(101) << 29, "50.5 GiB" },
		{ UINT64_C(3) << 49, "1.5 PiB" },
		{ UINT64_C(3) << 59, "1.5 EiB" },
		{ UINT64_MAX, "16 EiB" },
	};
	char buf[SIZE_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		ck_assert_str_eq(size_format(t[i].bytes, buf), t[i].want);
}
END_TEST

START_TEST(exact_format_parses_back)
{
	static const uint64_t v[] = {
		0,	  1, 1023, 1024, 1536, 65536, 65537, UINT64_C(768) << 20, UINT64_C(5) << 60,
		INT64_MAX
	};
	char buf[SIZE_TEXT_MAX];
	uint64_t back;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		ck_assert_int_eq(size_parse(size_format_exact(v[i], buf), &back), 0);
		ck_assert_uint_eq(back, v[i]);
	}
	ck_assert_str_eq(size_format_exact(65536, buf), "64K");
	ck_assert_str_eq(size_format_exact(UINT64_C(3) << 30, buf), "3G");
	ck_assert_str_eq(size_format_exact(1536, buf), "1536");
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(parses_plain_numbers_and_suffixes), CHECK_TEST(refuses_what_is_no_size),
		CHECK_TEST(parses_numbers_within_a_bound),     CHECK_TEST(formats_for_people),
		CHECK_TEST(exact_format_parses_back),
	};

	return check_main("util/size", tests, ARRAY_SIZE(tests));
}
