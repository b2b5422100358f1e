/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata cache: its bound, what must not be dropped, failed reads, two who want the same
 * slice, and the copies that a commit takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "qimage.h"

#define S    UINT64_C(4096)
#define BASE (UINT64_C(1) << 20)

static struct qimage q;

static void mdcache_setup(void)
{
	qimage_init(&q);
	q.cache_bytes = 64 * S; /* the smallest there is */
	qimage_create(&q);
	for (uint64_t i = 0; i < 400; i++)
		image_put(q.m, BASE + i * S, 8, i + 1);
	memio_resize(q.m, BASE + 10000 * S);
	image_lock(q.img);
}

static void mdcache_teardown(void)
{
	image_unlock(q.img);
	qimage_free(&q);
}

static struct md_slice *mdcache_test_pin(uint64_t i, bool fresh)
{
	struct md_slice *s = NULL;

	ck_assert_int_eq(mdcache_pin(&q.img->cache, BASE + i * S,
				     MDCACHE_WRITE | (fresh ? MDCACHE_FRESH : 0u), &s),
			 0);
	return s;
}

static void mdcache_look(uint64_t i)
{
	struct md_slice *s = mdcache_test_pin(i, false);

	ck_assert_uint_eq(s->data[7], (uint8_t)(i + 1));
	ck_assert_uint_eq(s->data[6], (uint8_t)((i + 1) >> 8));
	mdcache_unpin(&q.img->cache, s);
}

static uint64_t mdcache_reads(void)
{
	struct memio_stats st;

	memio_get_stats(q.m, &st);
	return st.ops[MEMIO_READ];
}

START_TEST(found_again_without_reading)
{
	uint64_t before;

	mdcache_look(1);
	mdcache_look(2);
	before = mdcache_reads();
	mdcache_look(1);
	mdcache_look(2);
	ck_assert_uint_eq(mdcache_reads(), before);
	ck_assert_ptr_eq(mdcache_test_pin(1, false), mdcache_test_pin(1, false));
}
END_TEST

START_TEST(bounded_and_the_oldest_goes_first)
{
	uint64_t before;

	for (uint64_t i = 0; i < 400; i++) {
		mdcache_look(i);
		mdcache_look(0); /* stays, being used all the time */
		ck_assert_uint_le(q.img->cache.nr, 64);
	}
	before = mdcache_reads();
	mdcache_look(0);
	mdcache_look(399);
	ck_assert_uint_eq(mdcache_reads(), before);
	mdcache_look(1);
	ck_assert_uint_eq(mdcache_reads(), before + 1);
}
END_TEST

START_TEST(pinned_and_dirty_ones_stay)
{
	struct md_slice *pinned = mdcache_test_pin(7, false), *dirty = mdcache_test_pin(8, false);

	dirty->data[100] = 99;
	mdcache_set_dirty(&q.img->cache, dirty);
	mdcache_set_dirty(&q.img->cache, dirty);
	mdcache_unpin(&q.img->cache, dirty);
	ck_assert_uint_eq(q.img->cache.nr_dirty, 1);
	for (uint64_t i = 20; i < 300; i++)
		mdcache_look(i);
	ck_assert_ptr_eq(mdcache_test_pin(7, false), pinned);
	ck_assert_ptr_eq(mdcache_test_pin(8, false), dirty);
	ck_assert_uint_eq(dirty->data[100], 99);
}
END_TEST

START_TEST(fresh_slice_is_zeros_without_reading)
{
	uint64_t before = mdcache_reads();
	struct md_slice *s = mdcache_test_pin(3, true);

	ck_assert_uint_eq(mdcache_reads(), before);
	ck_assert_uint_eq(s->data[7], 0);
	mdcache_unpin(&q.img->cache, s);
}
END_TEST

START_TEST(failed_read_is_tried_again)
{
	struct md_slice *s;
	size_t nr = q.img->cache.nr;

	memio_fail(q.m, MEMIO_READ, 0, EIO, false, 0);
	ck_assert_int_eq(mdcache_pin(&q.img->cache, BASE, 0, &s), -EIO);
	ck_assert_uint_eq(q.img->cache.nr, nr);
	mdcache_look(0);
}
END_TEST

START_TEST(forgotten_slices_are_gone)
{
	struct md_slice *s = mdcache_test_pin(5, false);

	mdcache_set_dirty(&q.img->cache, s);
	mdcache_unpin(&q.img->cache, s);
	mdcache_look(6);
	mdcache_forget(&q.img->cache, BASE + 5 * S, 2 * S);
	ck_assert_uint_eq(q.img->cache.nr_dirty, 0);
	s = mdcache_test_pin(6, true);
	ck_assert_uint_eq(s->data[7], 0);
	mdcache_unpin(&q.img->cache, s);
	mdcache_look(5);
}
END_TEST

START_TEST(commit_takes_values_and_a_failed_one_gives_them_back)
{
	bool ok = _i & 1, linked = _i & 2;
	struct md_slice *s = mdcache_test_pin(5, false);
	struct md_copy *copies;
	size_t nr;

	s->data[9] = 1;
	s->unlinked = true;
	mdcache_set_dirty(&q.img->cache, s);
	mdcache_unpin(&q.img->cache, s);
	ck_assert_int_eq(mdcache_commit_begin(&q.img->cache, &copies, &nr), 0);
	ck_assert_uint_eq(nr, 1);
	ck_assert_ptr_eq(copies[0].slice, s);
	ck_assert(copies[0].unlinked);
	ck_assert(!s->dirty);
	for (uint64_t i = 20; i < 300; i++)
		mdcache_look(i);
	/* still there, though clean: the disk has the old value */
	ck_assert_ptr_eq(mdcache_test_pin(5, false), s);
	s->data[9] = 2;
	ck_assert_uint_eq(copies[0].data[9], 1);
	mdcache_unpin(&q.img->cache, s);
	mdcache_commit_end(&q.img->cache, copies, nr, ok, linked);
	ck_assert(s->dirty == !ok);
	ck_assert(s->unlinked == !(ok || linked));
	ck_assert_uint_eq(q.img->cache.nr_dirty, ok ? 0 : 1);
}
END_TEST

static void *pin_in_thread(void *arg)
{
	struct md_slice **s = arg;

	image_lock(q.img);
	if (mdcache_pin(&q.img->cache, BASE + 11 * S, 0, s) < 0)
		*s = NULL;
	image_unlock(q.img);
	return NULL;
}

static int mdcache_slow_read(void *data, enum memio_op op, uint64_t off, uint64_t len,
			     uint64_t *apply)
{
	(void)data;
	(void)off;
	(void)len;
	(void)apply;
	if (op == MEMIO_READ)
		usleep(20000);
	return 0;
}

START_TEST(two_who_miss_read_once)
{
	struct md_slice *s[4];
	pthread_t t[4];
	uint64_t before = mdcache_reads();

	memio_set_hook(q.m, mdcache_slow_read, NULL);
	image_unlock(q.img);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, pin_in_thread, &s[i]);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	image_lock(q.img);
	ck_assert_uint_eq(mdcache_reads(), before + 1);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_ptr_eq(s[i], s[0]);
	ck_assert_ptr_nonnull(s[0]);
	ck_assert_uint_eq(s[0]->pins, 4);
	ck_assert_uint_eq(s[0]->data[7], 12);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_WITH(found_again_without_reading, mdcache_setup, mdcache_teardown),
		CHECK_WITH(bounded_and_the_oldest_goes_first, mdcache_setup, mdcache_teardown),
		CHECK_WITH(pinned_and_dirty_ones_stay, mdcache_setup, mdcache_teardown),
		CHECK_WITH(fresh_slice_is_zeros_without_reading, mdcache_setup, mdcache_teardown),
		CHECK_WITH(failed_read_is_tried_again, mdcache_setup, mdcache_teardown),
		CHECK_WITH(forgotten_slices_are_gone, mdcache_setup, mdcache_teardown),
		CHECK_LOOP_WITH(commit_takes_values_and_a_failed_one_gives_them_back, 4,
				mdcache_setup, mdcache_teardown),
		CHECK_WITH(two_who_miss_read_once, mdcache_setup, mdcache_teardown),
	};

	return check_main("qcow2/mdcache", tests, ARRAY_SIZE(tests));
}
