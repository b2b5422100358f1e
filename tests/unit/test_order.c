/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of requests: which earlier ones are still on their way to a thread.
 */
#include "check_main.h"

#include "fs/order.c" // NOLINT(bugprone-suspicious-include)

static void see(struct order *o, uint64_t from, uint64_t to)
{
	for (uint64_t u = from; u <= to; u += 2)
		order_seen(o, u);
}

START_TEST(whole_when_all_before_were_seen)
{
	struct order o = { .whole = 0 };

	ck_assert(order_is_whole(&o, 2));
	see(&o, 2, 8);
	order_seen(&o, 12);
	ck_assert(order_is_whole(&o, 8));
	ck_assert(!order_is_whole(&o, 12));
	ck_assert(!order_is_whole(&o, 14));
	/* what comes after makes no difference */
	see(&o, 14, 40);
	ck_assert(!order_is_whole(&o, 12));
	order_seen(&o, 10);
	ck_assert(order_is_whole(&o, 12));
	ck_assert(order_is_whole(&o, 40));
	ck_assert(!order_is_whole(&o, 44));
}
END_TEST

START_TEST(what_was_given_up_is_not_missed_again)
{
	struct order o = { .whole = 0 };

	see(&o, 2, 8);
	order_seen(&o, 12);
	ck_assert(!order_is_whole(&o, 12));
	order_give_up(&o, 12);
	ck_assert(order_is_whole(&o, 12));
	see(&o, 14, 20);
	ck_assert(order_is_whole(&o, 22));
	/* nor does giving up an earlier one take anything back */
	order_give_up(&o, 6);
	ck_assert(order_is_whole(&o, 22));
}
END_TEST

START_TEST(interrupts_have_no_order)
{
	struct order o = { .whole = 0 };

	see(&o, 2, 8);
	order_seen(&o, 11);
	ck_assert(!order_is_whole(&o, 12));
}
END_TEST

START_TEST(the_ring_goes_round)
{
	struct order o = { .whole = 0 };
	uint64_t far = ORDER_SLOTS * STEP;

	see(&o, 2, 4);
	/* one is missing, and as many as there are slots come after it */
	see(&o, 8, 6 + far - 2);
	ck_assert(!order_is_whole(&o, 6 + far - 2));
	order_seen(&o, 6 + far);
	ck_assert(order_is_whole(&o, 6 + far + 2));
	/* when it comes at last it does not hide the one that has its slot by now */
	order_seen(&o, 6);
	ck_assert(order_is_whole(&o, 6 + far + 2));
	see(&o, 6 + far + 2, 20 * far);
	ck_assert(order_is_whole(&o, 20 * far + 2));
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(whole_when_all_before_were_seen),
		CHECK_TEST(what_was_given_up_is_not_missed_again),
		CHECK_TEST(interrupts_have_no_order),
		CHECK_TEST(the_ring_goes_round),
	};

	return check_main("fs/order", tests, ARRAY_SIZE(tests));
}
