/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of open writers.
 */
#include "check_main.h"

#include "fs/handles.c" // NOLINT(bugprone-suspicious-include)

START_TEST(list_of_handles)
{
	struct handles all;
	struct handle *h[3];

	handles_init(&all);
	for (int i = 0; i < 3; i++)
		h[i] = handle_new(&all);
	ck_assert_uint_eq(all.nr, 3);
	handle_free(&all, h[1]);
	ck_assert_ptr_eq(all.first, h[2]);
	ck_assert_ptr_eq(h[2]->next, h[0]);
	handle_free(&all, h[2]);
	handle_free(&all, h[0]);
	ck_assert_ptr_null(all.first);
	ck_assert_uint_eq(all.nr, 0);
	/* freed with the list where no RELEASE comes */
	ck_assert_ptr_nonnull(handle_new(&all));
	handles_destroy(&all);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(list_of_handles),
	};

	return check_main("fs/handles", tests, ARRAY_SIZE(tests));
}
