/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a debug build watches: the order of locks, pinned slices, counts and pointers. Each test
 * breaks a rule and must be stopped.
 */
#include "check_main.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/engine/refcount.h"
#include "qimage.h"

static struct qimage q;

static void invariants_begin(void)
{
	qimage_init(&q);
	qimage_create(&q);
	signal(SIGABRT, SIG_DFL);
}

static struct md_slice *invariants_pin(uint64_t cluster)
{
	struct md_slice *s = NULL;

	ck_assert_int_eq(refcount_pin(q.img, cluster, true, &s), 0);
	return s;
}

START_TEST(what_follows_the_rules_goes_on)
{
	struct md_slice *s;

	invariants_begin();
	locks_take(&q.img->change_lock, LOCK_CHANGE);
	image_lock(q.img);
	s = invariants_pin(1);
	refcount_set(q.img, s, 1, 1);
	mdcache_unpin(&q.img->cache, s);
	image_unlock(q.img);
	locks_give(&q.img->change_lock, LOCK_CHANGE);
	qcow2_wp_forward(q.img, 3, (3 << 16) + 512);
	qimage_free(&q);
}
END_TEST

START_TEST(a_lock_out_of_order)
{
	invariants_begin();
	image_lock(q.img);
	locks_take(&q.img->change_lock, LOCK_CHANGE);
}
END_TEST

START_TEST(a_commit_under_the_lock)
{
	invariants_begin();
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 512), 0);
	image_lock(q.img);
	(void)qcow2_commit(q.img);
}
END_TEST

START_TEST(a_slice_that_nobody_pins)
{
	struct md_slice *s;

	invariants_begin();
	image_lock(q.img);
	s = invariants_pin(1);
	mdcache_unpin(&q.img->cache, s);
	refcount_set(q.img, s, 1, 1);
}
END_TEST

START_TEST(a_count_below_zero)
{
	struct md_slice *s;

	invariants_begin();
	image_lock(q.img);
	s = invariants_pin(1);
	refcount_set(q.img, s, 1, UINT64_C(0) - 1);
}
END_TEST

START_TEST(a_pointer_outside_of_its_zone)
{
	invariants_begin();
	qcow2_wp_forward(q.img, 3, (5 << 16) + 512);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(what_follows_the_rules_goes_on),
#ifndef NDEBUG
		CHECK_SIGNAL(a_lock_out_of_order, SIGABRT),
		CHECK_SIGNAL(a_commit_under_the_lock, SIGABRT),
		CHECK_SIGNAL(a_slice_that_nobody_pins, SIGABRT),
		CHECK_SIGNAL(a_count_below_zero, SIGABRT),
		CHECK_SIGNAL(a_pointer_outside_of_its_zone, SIGABRT),
#endif
	};

	return check_main("invariants", tests, ARRAY_SIZE(tests));
}
