/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many lines a damaged image can make a mount write.
 */
#include "check_main.h"

#include "fs/log.c" // NOLINT(bugprone-suspicious-include)

START_TEST(some_in_a_minute)
{
	struct log_limit l = { .since = 0 };
	unsigned left_out = 7, passed = 0;

	for (int64_t t = 0; t < 1000; t++)
		passed += log_limit_pass(&l, 5 + t, &left_out);
	ck_assert_uint_eq(passed, LOG_LIMIT_LINES);
	ck_assert_uint_eq(left_out, 0);
	/* a nanosecond before the minute is over */
	ck_assert(!log_limit_pass(&l, 5 + LOG_LIMIT_NS - 1, &left_out));
	ck_assert(log_limit_pass(&l, 5 + LOG_LIMIT_NS, &left_out));
	ck_assert_uint_eq(left_out, 1001 - LOG_LIMIT_LINES);
	/* told once, and counted from then on */
	ck_assert(log_limit_pass(&l, 5 + LOG_LIMIT_NS, &left_out));
	ck_assert_uint_eq(left_out, 0);
	for (unsigned i = 2; i < LOG_LIMIT_LINES; i++)
		ck_assert(log_limit_pass(&l, 5 + LOG_LIMIT_NS, &left_out));
	ck_assert(!log_limit_pass(&l, 4 + 2 * LOG_LIMIT_NS, &left_out));
}
END_TEST

START_TEST(never_when_they_are_rare)
{
	struct log_limit l = { .since = 0 };
	unsigned left_out = 0;

	for (int64_t i = 0; i < 1000; i++) {
		ck_assert(log_limit_pass(&l, i * (LOG_LIMIT_NS / (int64_t)LOG_LIMIT_LINES + 1),
					 &left_out));
		ck_assert_uint_eq(left_out, 0);
	}
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(some_in_a_minute),
		CHECK_TEST(never_when_they_are_rare),
	};

	return check_main("fs/log", tests, ARRAY_SIZE(tests));
}
