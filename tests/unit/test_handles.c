/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open writers: who waits for a close, how long, and what ends it.
 */
#include "check_main.h"

#include <pthread.h>
#include <time.h>

#include "fs/handles.c" // NOLINT(bugprone-suspicious-include)

/* A machine with much to do wakes a thread late; nothing here waits that long. */
#define PATIENT_NS (60 * NSEC_PER_SEC)

static struct handles all;

static void handles_begin(void)
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
static void *handles_release(void *h)
{
	nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
	handle_free(&all, h);
	return NULL;
}

START_TEST(waits_for_a_release)
{
	struct handle *stays, *goes;
	pthread_t thread;

	handles_begin();
	stays = handle_new(&all);
	goes = handle_new(&all);
	handle_closing(&all, goes);
	ck_assert_int_eq(pthread_create(&thread, NULL, handles_release, goes), 0);
	settle(&all, PATIENT_NS);
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

	handles_begin();
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

	handles_begin();
	h = handle_new(&all);
	handle_closing(&all, h);
	handle_used(&all, h);
	handle_used(&all, h);
	ck_assert_uint_eq(all.nr_closing, 0);
	handles_destroy(&all);
}
END_TEST

/* What another thread waits for with all patience comes to an end by what() alone. */
static void *wait_patiently(void *took)
{
	int64_t from = clock_ns(CLOCK_MONOTONIC);

	settle(&all, PATIENT_NS);
	*(int64_t *)took = clock_ns(CLOCK_MONOTONIC) - from;
	return NULL;
}

static void impatient(struct handle *h)
{
	(void)h;
	settle(&all, 1000000);
}

static void write_to(struct handle *h)
{
	/* one that is closed later keeps nobody waiting */
	handle_closing(&all, handle_new(&all));
	handle_used(&all, h);
}

static void close_another(struct handle *h)
{
	handle_closing(&all, h);
}

START_TEST(a_waiter_is_woken)
{
	void (*const what[])(struct handle * h) = { write_to, close_another, impatient };

	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		struct handle *h;
		pthread_t thread;
		int64_t took = 0;

		handles_begin();
		h = handle_new(&all);
		handle_closing(&all, h);
		ck_assert_int_eq(pthread_create(&thread, NULL, wait_patiently, &took), 0);
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		what[i](h);
		pthread_join(thread, NULL);
		ck_assert_int_lt(took, PATIENT_NS / 2);
		handles_destroy(&all);
	}
}
END_TEST

/* Who waits in vain for one takes back no other that was closed meanwhile. */
START_TEST(a_later_close_stays)
{
	struct handle *held, *later, *again;
	uint64_t turn;

	handles_begin();
	held = handle_new(&all);
	later = handle_new(&all);
	again = handle_new(&all);
	handle_closing(&all, held);
	handle_closing(&all, again);
	turn = all.turns;
	handle_closing(&all, later);
	handle_closing(&all, again);
	ck_assert_uint_eq(all.nr_closing, 3);
	ck_assert(any_closing(&all, turn));
	stop_waiting(&all, turn);
	ck_assert(!any_closing(&all, turn));
	ck_assert(!held->closing);
	ck_assert(later->closing);
	ck_assert(again->closing);
	ck_assert_uint_eq(all.nr_closing, 2);
	/* and they are waited for */
	ck_assert_int_ge(settle_ns(), SETTLE_NS);
	ck_assert_uint_eq(all.nr_closing, 0);
	handles_destroy(&all);
}
END_TEST

START_TEST(list)
{
	struct handle *h[3];

	handles_begin();
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
		CHECK_TEST(waits_for_a_release),   CHECK_TEST(waits_in_vain_once),
		CHECK_TEST(a_write_takes_it_back), CHECK_TEST(a_waiter_is_woken),
		CHECK_TEST(a_later_close_stays),   CHECK_TEST(list),
	};

	return check_main("fs/handles", tests, ARRAY_SIZE(tests));
}
