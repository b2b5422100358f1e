/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest ranges turned into extents: merging, bounds, tables that are missing, damaged entries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "qcow2/engine/map.h"
#include "qimage.h"

#define C UINT64_C(4096)

static struct qimage q;
static struct map_extent ext[8];
static unsigned nr;

static void map_create(bool extended)
{
	qimage_init(&q);
	q.p.extended_l2 = extended;
	q.p.cluster_bits = extended ? 16 : 12;
	qimage_create(&q);
}

static void lookup(uint64_t off, uint64_t len, unsigned max)
{
	nr = 99;
	ck_assert_int_eq(map_lookup(q.img, off, len, ext, max, &nr), 0);
	ck_assert_uint_ge(nr, 1);
	ck_assert_uint_le(nr, max);
}

START_TEST(neighbours_are_one_extent)
{
	map_create(false);
	ck_assert_int_eq(qimage_write(&q, 2 * C, 'a', 5 * C), 0);
	lookup(0, 10 * C, 8);
	ck_assert_uint_eq(nr, 3);
	ck_assert_int_eq(ext[0].kind, MAP_ZERO);
	ck_assert_uint_eq(ext[0].len, 2 * C);
	ck_assert_int_eq(ext[1].kind, MAP_DATA);
	ck_assert_uint_eq(ext[1].len, 5 * C);
	ck_assert_int_eq(ext[2].kind, MAP_ZERO);
	ck_assert_uint_eq(ext[2].len, 3 * C);
	/* and a part of it, from any byte */
	lookup(3 * C + 100, C, 8);
	ck_assert_uint_eq(nr, 1);
	ck_assert_uint_eq(ext[0].len, C);
	qimage_commit(&q);
	ck_assert_uint_eq(ext[0].host,
			  (qimage_disk_entry(&q, 3 * C, NULL) & QCOW2_OFFSET_MASK) + 100);
	qimage_free(&q);
}
END_TEST

START_TEST(clusters_apart_on_the_host_are_apart)
{
	map_create(false);
	ck_assert_int_eq(qimage_write(&q, 1 * C, 'b', C), 0);
	ck_assert_int_eq(qimage_write(&q, 0, 'a', C), 0); /* behind it in the run */
	lookup(0, 2 * C, 8);
	ck_assert_uint_eq(nr, 2);
	ck_assert_uint_eq(ext[0].host, ext[1].host + C);
	qimage_free(&q);
}
END_TEST

START_TEST(full_list_ends_early)
{
	map_create(false);
	for (uint64_t i = 0; i < 8; i += 2)
		ck_assert_int_eq(qimage_write(&q, i * C, 'a', C), 0);
	lookup(0, 8 * C, 3);
	ck_assert_uint_eq(nr, 3);
	ck_assert_uint_eq(ext[0].len + ext[1].len + ext[2].len, 3 * C);
	qimage_free(&q);
}
END_TEST

START_TEST(range_runs_over_tables)
{
	qimage_init(&q);
	q.p.cluster_bits = 9; /* a table maps 32 KiB */
	qimage_create(&q);
	lookup(0, q.p.geo.size, 8);
	ck_assert_uint_eq(nr, 1);
	ck_assert_uint_eq(ext[0].len, q.p.geo.size);
	ck_assert_int_eq(qimage_write(&q, 30000, 'a', 10000), 0);
	lookup(0, q.p.geo.size, 8);
	ck_assert_uint_ge(nr, 3);
	ck_assert_int_eq(ext[0].kind, MAP_ZERO);
	ck_assert_uint_eq(ext[0].len, 30000 / 512 * 512);
	ck_assert_int_eq(ext[1].kind, MAP_DATA);
	qimage_free(&q);
}
END_TEST

START_TEST(subclusters_have_extents_of_their_own)
{
	map_create(true);
	ck_assert_int_eq(qimage_write(&q, 4 * 2048, 'a', 2 * 2048), 0);
	lookup(0, 1 << 16, 8);
	ck_assert_uint_eq(nr, 3);
	ck_assert_uint_eq(ext[0].len, 4 * 2048);
	ck_assert_int_eq(ext[1].kind, MAP_DATA);
	ck_assert_uint_eq(ext[1].len, 2 * 2048);
	ck_assert_uint_eq(ext[1].host % (1 << 16), 4 * 2048);
	ck_assert_uint_eq(ext[2].len, 26 * 2048);
	qimage_free(&q);
}
END_TEST

START_TEST(damaged_entry_ends_the_list_and_then_is_the_error)
{
	uint8_t buf[512];

	map_create(false);
	ck_assert_int_eq(qimage_write(&q, 0, 'a', 4 * C), 0);
	qimage_commit(&q);
	qimage_close(&q);
	qimage_poke_entry(&q, 2 * C, QCOW2_COPIED | 0x555000 | 2, 0);
	qimage_open(&q);
	lookup(0, 4 * C, 8);
	ck_assert_uint_eq(nr, 1);
	ck_assert_uint_eq(ext[0].len, 2 * C);
	ck_assert_int_eq(map_lookup(q.img, 2 * C, C, ext, 8, &nr), -EIO);
	ck_assert_ptr_nonnull(strstr(q.logged, "damaged"));
	/* its neighbours can be read, it cannot */
	ck_assert_int_eq(qcow2_read(q.img, C, buf, sizeof(buf)), 0);
	ck_assert_int_eq(qcow2_read(q.img, 2 * C, buf, sizeof(buf)), -EIO);
	ck_assert_int_eq(qcow2_read(q.img, 3 * C, buf, sizeof(buf)), 0);
	ck_assert_uint_eq(buf[511], 'a');
	qimage_free(&q);
}
END_TEST

START_TEST(block_status_tells_data_from_holes)
{
	uint64_t run;
	bool data;

	map_create(false);
	ck_assert_int_eq(qimage_write(&q, 2 * C, 'a', 3 * C), 0);
	ck_assert_int_eq(qcow2_block_status(q.img, 100, 9 * C, &data, &run), 0);
	ck_assert(!data);
	ck_assert_uint_eq(run, 2 * C - 100);
	ck_assert_int_eq(qcow2_block_status(q.img, 2 * C, 9 * C, &data, &run), 0);
	ck_assert(data);
	ck_assert_uint_eq(run, 3 * C);
	ck_assert_int_eq(qcow2_block_status(q.img, 4 * C, 10, &data, &run), 0);
	ck_assert_uint_eq(run, 10);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(neighbours_are_one_extent),
		CHECK_TEST(clusters_apart_on_the_host_are_apart),
		CHECK_TEST(full_list_ends_early),
		CHECK_TEST(range_runs_over_tables),
		CHECK_TEST(subclusters_have_extents_of_their_own),
		CHECK_TEST(damaged_entry_ends_the_list_and_then_is_the_error),
		CHECK_TEST(block_status_tells_data_from_holes),
	};

	return check_main("qcow2/map", tests, ARRAY_SIZE(tests));
}
