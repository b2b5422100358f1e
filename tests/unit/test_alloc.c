/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allocator: streams keep to runs of their own, what is free is found, what was let go
 * is not used before a commit, and "fresh" is never said of a cluster that held something.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/refblock.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/engine/space.h"
#include "qimage.h"

static struct qimage q;

static void alloc_create(unsigned cluster_bits)
{
	qimage_init(&q);
	q.p.cluster_bits = cluster_bits;
	q.p.geo.size = 64 << 16;
	q.p.geo.nr_zones = 64;
	qimage_create(&q);
}

static struct qcow2_run alloc_test_take(uint32_t stream, uint64_t want, bool *fresh)
{
	struct qcow2_run run;
	bool f;

	image_lock(q.img);
	ck_assert_int_eq(alloc_take(q.img, stream, want, &run, fresh ? fresh : &f), 0);
	image_unlock(q.img);
	ck_assert_uint_ge(run.count, 1);
	ck_assert_uint_le(run.count, want);
	return run;
}

static void alloc_release(uint32_t stream)
{
	qcow2_stream_release(q.img, stream);
}

START_TEST(two_streams_stay_two_runs)
{
	uint64_t a, b;

	alloc_create(12);
	a = alloc_test_take(1, 1, NULL).start;
	b = alloc_test_take(2, 1, NULL).start;
	for (uint64_t i = 1; i < 200; i++) {
		ck_assert_uint_eq(alloc_test_take(1, 1, NULL).start, a + i);
		ck_assert_uint_eq(alloc_test_take(2, 1, NULL).start, b + i);
	}
	qimage_free(&q);
}
END_TEST

START_TEST(nothing_is_taken_twice)
{
	static uint8_t used[1 << 16];
	struct qcow2_run run;

	alloc_create(9);
	for (unsigned i = 0; i < 3000; i++) {
		run = alloc_test_take(i * 7 % 90, 1 + i % 5, NULL); /* more streams than slots */
		for (uint64_t c = run.start; c < run.start + run.count; c++) {
			ck_assert_uint_lt(c, sizeof(used));
			ck_assert_msg(!used[c], "cluster %llu twice", (unsigned long long)c);
			used[c] = 1;
		}
	}
	qimage_free(&q);
}
END_TEST

START_TEST(reservation_costs_nothing)
{
	uint64_t size;

	alloc_create(12);
	size = memio_size(q.m);
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 512), 0);
	ck_assert_int_eq(qimage_append(&q, 4, 'b', 512), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	/* two data clusters and an L2 table hold something; a reserved MiB does not */
	ck_assert_uint_le(memio_used(q.m), size + 4 * 4096);
	qimage_free(&q);
}
END_TEST

START_TEST(released_run_goes_to_the_next)
{
	uint64_t a, b;

	alloc_create(12);
	a = alloc_test_take(1, 1, NULL).start;
	b = alloc_test_take(2, 1, NULL).start;
	ck_assert_uint_gt(b, a + 100); /* behind what stream 1 has reserved */
	alloc_release(1);
	ck_assert_uint_eq(alloc_test_take(3, 1, NULL).start, a + 1);
	qimage_free(&q);
}
END_TEST

START_TEST(given_back_is_free_at_once_but_not_fresh)
{
	struct qcow2_run run, again;
	bool fresh;

	alloc_create(12);
	run = alloc_test_take(1, 4, &fresh);
	ck_assert(fresh);
	ck_assert_uint_eq(run.count, 4);
	alloc_release(1);
	image_lock(q.img);
	alloc_give_back(q.img, &run);
	image_unlock(q.img);
	again = alloc_test_take(2, 4, &fresh);
	ck_assert_uint_eq(again.start, run.start);
	ck_assert(!fresh);
	qimage_free(&q);
}
END_TEST

/* Takes n clusters; how many of them lie in [from, from + 16). */
static unsigned taken_from(uint64_t from, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		bool fresh;
		uint64_t c = alloc_test_take(5, 1, &fresh).start;

		if (c - from < 16) {
			ck_assert(!fresh);
			found++;
		}
	}
	alloc_release(5);
	return found;
}

START_TEST(let_go_is_not_used_before_the_commit)
{
	uint64_t first;

	alloc_create(12);
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 65536), 0);
	qimage_reopen(&q);
	first = (qimage_disk_entry(&q, 3 << 16, NULL) & QCOW2_OFFSET_MASK) >> 12;
	qcow2_wp_back(q.img, 3);
	ck_assert_int_eq(qcow2_zero(q.img, 3 << 16, 1 << 16), 0);
	ck_assert_uint_eq(taken_from(first, 100), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(taken_from(first, 100), 16);
	qimage_free(&q);
}
END_TEST

START_TEST(clusters_of_a_file_that_was_there_are_not_fresh)
{
	bool fresh = false;
	unsigned old = 0;

	alloc_create(12);
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 512), 0);
	qimage_commit(&q);
	qimage_close(&q);
	memio_resize(q.m, memio_size(q.m) + 8 * 4096); /* what is in there, nobody knows */
	qimage_open(&q);
	while (alloc_test_take(1, 1, &fresh).start << 12 < memio_size(q.m)) {
		ck_assert(!fresh);
		old++;
	}
	ck_assert(fresh);
	ck_assert_uint_ge(old, 8);
	qimage_free(&q);
}
END_TEST

START_TEST(run_ends_before_one_in_use)
{
	struct qcow2_run run;
	struct md_slice *s;
	uint64_t first;

	alloc_create(12);
	first = alloc_test_take(1, 1, NULL).start;
	alloc_release(1);
	image_lock(q.img);
	ck_assert_int_eq(refcount_pin(q.img, first + 5, true, &s), 0);
	refcount_set(q.img, s, first + 5, 1);
	mdcache_unpin(&q.img->cache, s);
	image_unlock(q.img);
	run = alloc_test_take(1, 20, NULL);
	ck_assert_uint_eq(run.start, first + 1);
	ck_assert_uint_eq(run.count, 4);
	ck_assert_uint_eq(alloc_test_take(1, 20, NULL).start, first + 6);
	qimage_free(&q);
}
END_TEST

START_TEST(end_of_what_an_offset_can_name)
{
	uint64_t last = (QCOW2_OFFSET_MASK >> 12) - 1, at = last;
	struct qcow2_run run;
	bool counted;

	alloc_create(12);
	image_lock(q.img);
	/* so that the search does not give up long before */
	space_note_used(q.img, &(struct qcow2_run){ last - 3, 1 });
	ck_assert_int_eq(space_look(q.img, &at, 5, &run, &counted), 0);
	ck_assert_uint_eq(run.start, last);
	ck_assert_uint_eq(run.count, 1);
	ck_assert(!counted);
	at = last + 1;
	ck_assert_int_eq(space_look(q.img, &at, 5, &run, &counted), -ENOSPC);
	ck_assert_int_eq(refblock_make(q.img, last + 1), -ENOSPC);
	image_unlock(q.img);
	qimage_free(&q);
}
END_TEST

START_TEST(no_room_on_the_host_leaves_nothing_behind)
{
	alloc_create(12);
	memio_set_limit(q.m, memio_size(q.m) + 20 * 4096);
	for (uint32_t zone = 2; zone < 30; zone++)
		(void)qimage_append(&q, zone, 'x', 4096);
	ck_assert_int_eq(qimage_append(&q, 31, 'x', 4096), -ENOSPC);
	ck_assert_uint_eq(qcow2_wp_now(q.img, 31), 31 << 16);
	memio_set_limit(q.m, 0);
	ck_assert_int_eq(qimage_append(&q, 31, 'x', 4096), 0);
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_free(&q);
}
END_TEST

static atomic_uint waiting_for_run;

/* The first refcount block takes until both threads have asked for a cluster. */
static int until_both_ask(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	(void)data;
	(void)off;
	(void)len;
	(void)apply;
	for (int i = 0; op == MEMIO_READ && i < 1000 && atomic_load(&waiting_for_run) < 2; i++)
		usleep(1000);
	if (op == MEMIO_READ)
		usleep(20000); /* the second one is on its way to the lock */
	return 0;
}

static void *take_one(void *arg)
{
	atomic_fetch_add(&waiting_for_run, 1);
	*(uint64_t *)arg = alloc_test_take(5, 1, NULL).start;
	return NULL;
}

/* A stream that two threads find without a run gets one, and nothing is passed by. */
START_TEST(two_threads_at_an_empty_slot_share_a_run)
{
	for (int i = 0; i < 10; i++) {
		pthread_t thread[2];
		uint64_t got[2] = { 0, 0 };

		alloc_create(12);
		qimage_reopen(&q); /* the caches know nothing */
		atomic_store(&waiting_for_run, 0);
		memio_set_hook(q.m, until_both_ask, NULL);
		for (int t = 0; t < 2; t++)
			pthread_create(&thread[t], NULL, take_one, &got[t]);
		for (int t = 0; t < 2; t++)
			pthread_join(thread[t], NULL);
		memio_set_hook(q.m, NULL, NULL);
		ck_assert_uint_eq(min_u64(got[0], got[1]) + 1, max_u64(got[0], got[1]));
		alloc_release(5);
		for (unsigned c = 0; c < SPACE_STREAMS; c++)
			ck_assert_uint_eq(space_claim(q.img, c)->count, 0);
		qimage_free(&q);
	}
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(two_streams_stay_two_runs),
		CHECK_TEST(nothing_is_taken_twice),
		CHECK_TEST(two_threads_at_an_empty_slot_share_a_run),
		CHECK_TEST(reservation_costs_nothing),
		CHECK_TEST(released_run_goes_to_the_next),
		CHECK_TEST(given_back_is_free_at_once_but_not_fresh),
		CHECK_TEST(let_go_is_not_used_before_the_commit),
		CHECK_TEST(clusters_of_a_file_that_was_there_are_not_fresh),
		CHECK_TEST(run_ends_before_one_in_use),
		CHECK_TEST(end_of_what_an_offset_can_name),
		CHECK_TEST(no_room_on_the_host_leaves_nothing_behind),
	};

	return check_main("qcow2/alloc", tests, ARRAY_SIZE(tests));
}
