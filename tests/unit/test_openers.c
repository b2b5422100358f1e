/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has which zone open for writing: what opening gives while others open zones in vain, or
 * finish and reset the same zone, and when explicit-open means something.
 */
#include "check_main.h"

#include <pthread.h>
#include <time.h>

#include "fs/openers.c" // NOLINT(bugprone-suspicious-include)
#include "util/clock.h"
#include "zonedev.h"

#define FIRST  2u /* sequential zone */
#define OTHERS 3u
#define RUN_NS (NSEC_PER_SEC / 2)

static struct zonedev z;
static struct openers all;
static atomic_bool stop;

static void openers_begin(uint32_t max_open, uint32_t max_active, bool explicit)
{
	zonedev_init(&z);
	z.p.geo.max_open = max_open;
	z.p.geo.max_active = max_active;
	zonedev_create(&z);
	openers_init(&all, z.dev, explicit);
	atomic_store(&stop, false);
}

static void openers_end(void)
{
	openers_destroy(&all);
	zonedev_free(&z);
}

static void *open_in_vain(void *arg)
{
	const uint32_t *zone = arg;

	while (!atomic_load(&stop))
		ck_assert_int_eq(openers_get(&all, *zone), -EBUSY);
	return NULL;
}

static void *finish_and_reset(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		ck_assert_int_eq(zq_zone_finish(z.dev, FIRST), 0);
		ck_assert_int_eq(zq_zone_reset(z.dev, FIRST), 0);
		openers_reopen(&all, FIRST);
	}
	return NULL;
}

/* Opens and closes the first zone while other threads do that. */
static void open_against(void *(*other)(void *), unsigned nr)
{
	int64_t end = clock_ns(CLOCK_MONOTONIC) + RUN_NS;
	uint32_t zone[OTHERS];
	pthread_t thread[OTHERS];

	for (unsigned i = 0; i < nr; i++) {
		zone[i] = FIRST + 2 + i;
		ck_assert_int_eq(pthread_create(&thread[i], NULL, other, &zone[i]), 0);
	}
	while (clock_ns(CLOCK_MONOTONIC) < end) {
		ck_assert_int_eq(openers_get(&all, FIRST), 0);
		openers_put(&all, FIRST);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
}

START_TEST(one_who_opens_in_vain_takes_no_slot)
{
	openers_begin(2, 2, true);
	/* both are active and closed, so that a third one has no active slot */
	ck_assert_int_eq(zonedev_append(&z, FIRST, 'a', 512), 512);
	ck_assert_int_eq(zonedev_append(&z, FIRST + 1, 'b', 512), 512);
	ck_assert_int_eq(openers_get(&all, FIRST + 1), 0);
	open_against(open_in_vain, OTHERS);
	ck_assert_uint_eq(all.files, 1);
	openers_put(&all, FIRST + 1);
	ck_assert_uint_eq(all.files, 0);
	openers_end();
}
END_TEST

START_TEST(a_zone_that_is_finished_meanwhile_opens)
{
	openers_begin(2, 3, true);
	open_against(finish_and_reset, 1);
	openers_end();
}
END_TEST

START_TEST(full_zones_count)
{
	openers_begin(2, 4, true);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(zq_zone_finish(z.dev, FIRST + i), 0);
	ck_assert_int_eq(openers_get(&all, FIRST), 0);
	ck_assert_int_eq(openers_get(&all, FIRST + 1), 0);
	ck_assert_int_eq(openers_get(&all, FIRST + 2), -EBUSY);
	ck_assert_int_eq(openers_get(&all, FIRST), 0);
	ck_assert_uint_eq(zonedev_state(&z, FIRST), ZQ_FULL);
	ck_assert(!openers_put(&all, FIRST));
	ck_assert(openers_put(&all, FIRST));
	ck_assert_int_eq(openers_get(&all, FIRST + 2), 0);
	openers_end();
}
END_TEST

START_TEST(without_limits_nothing_is_opened_explicitly)
{
	openers_begin(0, 0, true);
	ck_assert_int_eq(openers_get(&all, FIRST), 0);
	ck_assert_uint_eq(zonedev_state(&z, FIRST), ZQ_EMPTY);
	openers_end();
	openers_begin(0, 3, true);
	ck_assert_int_eq(openers_get(&all, FIRST), 0);
	ck_assert_uint_eq(zonedev_state(&z, FIRST), ZQ_EXPLICIT_OPEN);
	openers_end();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(one_who_opens_in_vain_takes_no_slot),
		CHECK_TEST(a_zone_that_is_finished_meanwhile_opens),
		CHECK_TEST(full_zones_count),
		CHECK_TEST(without_limits_nothing_is_opened_explicitly),
	};

	return check_main("fs/openers", tests, ARRAY_SIZE(tests));
}
