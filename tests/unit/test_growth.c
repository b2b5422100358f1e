/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A larger refcount table: it takes any free run, and a growth that fails leaves nothing behind,
 * neither an end of the file that moves on nor counts of blocks that never were.
 */
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qimage.h"

#define GROWTH_ZONES 128u

static struct qimage q;

/* A table of one cluster names blocks for 2 MiB: 64 of them, each with 64 counts. */
static void growth_create(void)
{
	qimage_init(&q);
	q.p.cluster_bits = 9;
	q.p.refcount_order = 6;
	q.p.geo.size = GROWTH_ZONES << 16;
	q.p.geo.nr_zones = GROWTH_ZONES;
	qimage_create(&q);
}

static uint64_t covered(void)
{
	return (q.img->reftable.nr << q.img->refblock_bits) << 9;
}

/* Appends until the first failure; the zone that had it. */
static uint32_t append_until(uint32_t zone, int fill, int err)
{
	for (; zone < GROWTH_ZONES; zone++)
		while (qcow2_wp_now(q.img, zone) < (zone + 1) * UINT64_C(65536)) {
			int rc = qimage_append(&q, zone, fill, 512);

			if (rc == 0)
				continue;
			ck_assert_int_eq(rc, err);
			return zone;
		}
	ck_abort_msg("nothing failed");
}

START_TEST(failures_do_not_move_the_end_of_the_file)
{
	uint64_t end;
	uint32_t zone;

	growth_create();
	memio_set_limit(q.m, covered());
	zone = append_until(2, 'a', -ENOSPC);
	end = q.img->file_end;
	for (unsigned i = 0; i < 3000; i++)
		ck_assert_int_eq(qimage_append(&q, zone, 'b', 512), -ENOSPC);
	ck_assert_uint_eq(q.img->file_end, end);
	ck_assert_uint_le(memio_size(q.m), covered());
	memio_set_limit(q.m, 0);
	ck_assert_int_eq(qimage_append(&q, zone, 'c', 512), 0);
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_free(&q);
}
END_TEST

/* ---- the k-th request for room fails -------------------------------------------------------- */

static unsigned growth_nth, growth_seen;

static int growth_reserve_fails(void *data, enum memio_op op, uint64_t off, uint64_t len,
				uint64_t *apply)
{
	(void)data;
	(void)off;
	(void)len;
	(void)apply;
	return op == MEMIO_RESERVE && growth_seen++ >= growth_nth ? -EFBIG : 0;
}

/* Fills zones up to half a MiB before the table must grow, with a commit at the end. */
static uint32_t fill_almost(void)
{
	uint32_t zone = 2;

	while (q.img->file_end + (1 << 19) < covered()) {
		if (qcow2_wp_now(q.img, zone) == (zone + 1) * UINT64_C(65536))
			zone++;
		ck_assert_int_eq(qimage_append(&q, zone, 'a', 16384), 0);
	}
	qimage_commit(&q);
	return zone;
}

static void growth_fails(unsigned times, unsigned nth)
{
	uint32_t first, zone;

	growth_create();
	memio_set_hook(q.m, growth_reserve_fails, NULL);
	growth_nth = UINT32_MAX;
	first = zone = fill_almost() + 1;
	for (unsigned failed = 0; failed < times && q.img->reftable.nr == 64;) {
		growth_nth = q.img->file_end < covered() ? UINT32_MAX : nth;
		growth_seen = 0;
		if (qimage_append(&q, zone, 'b', 512) < 0)
			failed++;
		else if (qcow2_wp_now(q.img, zone) == (zone + 1) * UINT64_C(65536))
			zone++;
	}
	growth_nth = UINT32_MAX;
	for (uint32_t z = zone; z < zone + 30; z++)
		ck_assert_int_eq(qimage_append(&q, z, 'b',
					       (z + 1) * UINT64_C(65536) - qcow2_wp_now(q.img, z)),
				 0);
	ck_assert_uint_gt(q.img->reftable.nr, 64);
	memio_set_hook(q.m, NULL, NULL);
	qimage_reopen(&q);
	for (uint32_t z = first; z < zone + 30; z++)
		qimage_expect(&q, z << 16, 65536, 'b');
	qimage_check(&q);
	qimage_free(&q);
}

START_TEST(failures_leave_no_counts_behind)
{
	for (unsigned times = 1; times < 60; times += 19)
		for (unsigned nth = 0; nth < 4; nth++)
			growth_fails(times, nth);
}
END_TEST

/* ---- where it goes ----------------------------------------------------------------------------
 */

/* The file is larger than what is used of it: a device, or a sparse tail. */
static void grows_within(uint64_t size, bool device)
{
	uint64_t place;

	growth_create();
	qimage_close(&q);
	if (device)
		memio_set_device(q.m, size);
	else
		memio_resize(q.m, size);
	memio_set_limit(q.m, size);
	qimage_open(&q);
	append_until(2, 'a', -ENOSPC);
	place = q.img->reftable.offset;
	ck_assert_uint_gt(q.img->reftable.nr, 64);
	ck_assert_uint_lt(place, size);
	/* all that the host has is used, but for a few clusters that are too few for an L2 table */
	ck_assert_uint_ge(q.img->file_end, size);
	qimage_reopen(&q);
	ck_assert_uint_eq(q.img->reftable.offset, place);
	qimage_check(&q);
	qimage_free(&q);
}

START_TEST(a_table_grows_within_a_device)
{
	grows_within(3 << 20, true);
}
END_TEST

START_TEST(a_table_grows_within_a_sparse_tail)
{
	grows_within(3 << 20, false);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(failures_do_not_move_the_end_of_the_file),
		CHECK_TEST(failures_leave_no_counts_behind),
		CHECK_TEST(a_table_grows_within_a_device),
		CHECK_TEST(a_table_grows_within_a_sparse_tail),
	};

	return check_main_timeout("qcow2/growth", tests, ARRAY_SIZE(tests), 120);
}
