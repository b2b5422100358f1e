/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "check_main.h"
#include "rng.h"
#include "util/offset_set.h"

START_TEST(counts_as_a_plain_array_does)
{
	struct offset_set s = { 0 };
	unsigned want[300] = { 0 };
	uint64_t rng = 7;

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t k = 1 + rng_below(&rng, 299);

		/* more often added at first, more often removed in the end */
		if (rng_below(&rng, 20000) > i) {
			ck_assert_int_eq(offset_set_add(&s, k * 4096), 0);
			want[k]++;
		} else {
			offset_set_remove(&s, k * 4096);
			want[k] -= want[k] > 0;
		}
		ck_assert_uint_eq(offset_set_count(&s, k * 4096), want[k]);
	}
	for (uint64_t k = 1; k < 300; k++)
		ck_assert_uint_eq(offset_set_count(&s, k * 4096), want[k]);
	ck_assert_uint_eq(offset_set_count(&s, 300 * 4096), 0);
	offset_set_free(&s);
}
END_TEST

START_TEST(an_offset_with_too_many_references_stays)
{
	struct offset_set s = { 0 };

	ck_assert_uint_eq(offset_set_count(&s, 512), 0);
	for (unsigned i = 0; i < 600; i++)
		ck_assert_int_eq(offset_set_add(&s, 512), 0);
	for (unsigned i = 0; i < 600; i++)
		offset_set_remove(&s, 512);
	ck_assert_uint_eq(offset_set_count(&s, 512), 511);
	offset_set_free(&s);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(counts_as_a_plain_array_does),
		CHECK_TEST(an_offset_with_too_many_references_stays),
	};

	return check_main("offset set", tests, ARRAY_SIZE(tests));
}
