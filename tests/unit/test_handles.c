/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open writers: who waits for a close, how long, and what ends it.
 */
#include "check_main.h"

#include <pthread.h>
#include <time.h>

#include "fs/handles.c" // NOLINT(bugprone-suspicious-include)

static struct handles all;

static void begin(void)
{
	ck_assert_int_eq(handles_init(&all), 0);
}

static int64_t settle_ns(void)
{
	int64_t from = clock_ns(CLOCK_MONOTONIC);

	handles_settle(&all);
	return clock_ns(CLOCK_MONOTONIC) - from;
}

/* The RELEASE that another thread serves a little later. */
static void *release(void *h)
{
	nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
	handle_free(&all, h);
	return NULL;
}

START_TEST(waits_for_a_release)
{
	struct handle *stays, *goes;
	pthread_t thread;

	begin();
	stays = handle_new(&all);
	goes = handle_new(&all);
	handle_closing(&all, goes);
	ck_assert_int_eq(pthread_create(&thread, NULL, release, goes), 0);
	handles_settle(&all);
	ck_assert_uint_eq(all.nr_closing, 0);
	ck_assert_ptr_eq(all.first, stays);
	ck_assert_ptr_null(stays->next);
	pthread_join(thread, NULL);
	handles_destroy(&all);
}
END_TEST

START_TEST(waits_in_vain_once)
{
	struct handle *h;

	begin();
	h = handle_new(&all);
	handle_closing(&all, h);
	handle_closing(&all, h); /* two descriptors of three */
	ck_assert_uint_eq(all.nr_closing, 1);
	ck_assert_int_ge(settle_ns(), SETTLE_NS);
	ck_assert_uint_eq(all.nr_closing, 0);
	ck_assert(!h->closing);
	/* and the next close counts again */
	handle_closing(&all, h);
	ck_assert_uint_eq(all.nr_closing, 1);
	handle_free(&all, h);
	ck_assert_uint_eq(all.nr_closing, 0);
	handles_destroy(&all);
}
END_TEST

START_TEST(a_write_takes_it_back)
{
	struct handle *h;

	begin();
	h = handle_new(&all);
	handle_closing(&all, h);
	handle_used(&all, h);
	handle_used(&all, h);
	ck_assert_uint_eq(all.nr_closing, 0);
	handles_destroy(&all);
}
END_TEST

START_TEST(list)
{
	struct handle *h[3];

	begin();
	for (int i = 0; i < 3; i++)
		h[i] = handle_new(&all);
	handle_free(&all, h[1]);
	ck_assert_ptr_eq(all.first, h[2]);
	ck_assert_ptr_eq(h[2]->next, h[0]);
	handle_free(&all, h[2]);
	handle_free(&all, h[0]);
	ck_assert_ptr_null(all.first);
	/* freed with the list where no RELEASE comes */
	ck_assert_ptr_nonnull(handle_new(&all));
	handles_destroy(&all);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(waits_for_a_release),
		CHECK_TEST(waits_in_vain_once),
		CHECK_TEST(a_write_takes_it_back),
		CHECK_TEST(list),
	};

	return check_main("fs/handles", tests, ARRAY_SIZE(tests));
}
