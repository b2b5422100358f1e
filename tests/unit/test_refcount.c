/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refcounts: every width, how narrow ones are packed, blocks that are made and count
 * themselves, and the table that grows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/refblock.h"
#include "qcow2/engine/refcount.h"
#include "qimage.h"

static struct qimage q;

static void refcount_create(unsigned cluster_bits, unsigned order)
{
	qimage_init(&q);
	q.p.cluster_bits = cluster_bits;
	q.p.refcount_order = order;
	qimage_create(&q);
	image_lock(q.img);
}

static void destroy(void)
{
	image_unlock(q.img);
	qimage_free(&q);
}

static struct md_slice *refcount_test_pin(uint64_t cluster)
{
	struct md_slice *s;

	ck_assert_int_eq(refcount_pin(q.img, cluster, true, &s), 0);
	return s;
}

static uint64_t refcount_test_get(uint64_t cluster)
{
	struct md_slice *s = refcount_test_pin(cluster);
	uint64_t v = s ? refcount_get(q.img, s, cluster) : 0;

	if (s)
		mdcache_unpin(&q.img->cache, s);
	return v;
}

static void refcount_test_set(uint64_t cluster, uint64_t v)
{
	struct md_slice *s = refcount_test_pin(cluster);

	ck_assert_ptr_nonnull(s);
	refcount_set(q.img, s, cluster, v);
	mdcache_unpin(&q.img->cache, s);
}

START_TEST(every_width_holds_its_values)
{
	unsigned order = (unsigned)_i;
	uint64_t max, c;

	refcount_create(12, order);
	max = refcount_max(q.img);
	ck_assert_uint_eq(max, order == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << order)) - 1);
	/* neighbours keep what they have, in one byte and in different ones */
	for (c = 100; c < 140; c++)
		refcount_test_set(c, c % 3 == 0 ? max : c % 3 == 1 ? 1 : 0);
	for (c = 100; c < 140; c++)
		ck_assert_uint_eq(refcount_test_get(c), c % 3 == 0 ? max : c % 3 == 1 ? 1 : 0);
	for (c = 100; c < 140; c++)
		refcount_test_set(c, 0);
	for (c = 100; c < 140; c++)
		ck_assert_uint_eq(refcount_test_get(c), 0);
	ck_assert_uint_eq(refcount_test_get(0), 1); /* the header's */
	destroy();
}
END_TEST

/* Spec: narrow entries begin at the least significant bit of a byte. */
START_TEST(narrow_counts_are_packed_from_the_low_bit)
{
	static const uint8_t want[3] = { 1 << 3, 1 << 6, 1 << 4 };
	/* cluster 19, 19 and 17: bit 3 of byte 2, bits 6-7 of byte 4, bits 4-7 of byte 8 */
	static const unsigned byte[3] = { 2, 4, 8 }, cluster[3] = { 19, 19, 17 };
	struct md_slice *s;
	uint8_t was;

	refcount_create(12, (unsigned)_i);
	s = refcount_test_pin(cluster[_i]);
	was = s->data[byte[_i]];
	refcount_set(q.img, s, cluster[_i], 1);
	ck_assert_uint_eq(s->data[byte[_i]], was | want[_i]);
	refcount_set(q.img, s, cluster[_i], 0);
	ck_assert_uint_eq(s->data[byte[_i]], was & ~want[_i]);
	mdcache_unpin(&q.img->cache, s);
	destroy();
}
END_TEST

START_TEST(wide_counts_are_big_endian)
{
	static const uint8_t want[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct md_slice *s;

	refcount_create(12, 6);
	s = refcount_test_pin(20);
	refcount_set(q.img, s, 20, UINT64_C(0x0102030405060708));
	ck_assert_mem_eq(s->data + 160, want, 8);
	mdcache_unpin(&q.img->cache, s);
	destroy();
}
END_TEST

START_TEST(slice_ends_where_it_says)
{
	uint64_t per_slice;

	refcount_create(14, 4); /* a block has four slices of 4096 bytes */
	per_slice = 4096 / 2;
	ck_assert_uint_eq(refcount_slice_left(q.img, 0), per_slice);
	ck_assert_uint_eq(refcount_slice_left(q.img, per_slice - 1), 1);
	ck_assert_uint_eq(refcount_slice_left(q.img, per_slice), per_slice);
	refcount_test_set(per_slice - 1, 7);
	refcount_test_set(per_slice, 9);
	ck_assert_uint_eq(refcount_test_get(per_slice - 1), 7);
	ck_assert_uint_eq(refcount_test_get(per_slice), 9);
	ck_assert_uint_ne(refcount_test_pin(per_slice - 1)->off, refcount_test_pin(per_slice)->off);
	destroy();
}
END_TEST

START_TEST(block_counts_itself)
{
	uint64_t per_block, c;

	refcount_create(9, 4); /* a block counts 256 clusters */
	per_block = UINT64_C(1) << q.img->refblock_bits;
	ck_assert_uint_eq(per_block, 256);
	c = 3 * per_block + 17;
	ck_assert_ptr_null(refcount_test_pin(c));
	ck_assert_int_eq(refblock_make(q.img, c), 0);
	ck_assert_uint_eq(refcount_test_get(c), 1);
	ck_assert_uint_eq(refcount_test_get(c + 1), 0);
	ck_assert_uint_eq(q.img->reftable.word[3], c << 9);
	ck_assert_uint_ge(q.img->file_end, (c + 1) << 9);
	image_unlock(q.img);
	qimage_commit(&q);
	qimage_check(&q);
	ck_assert_uint_eq(qimage_disk_count(&q, c), 1);
	image_lock(q.img);
	destroy();
}
END_TEST

START_TEST(table_grows_and_lets_the_old_one_go)
{
	uint64_t old_offset, old_nr, c;

	refcount_create(9, 6); /* a block counts 64 clusters, a cluster of the table 64 blocks */
	old_offset = q.img->reftable.offset;
	old_nr = q.img->reftable.nr;
	c = old_nr << q.img->refblock_bits;
	while (q.img->reftable.offset == old_offset) {
		struct qcow2_run run;
		bool fresh;

		ck_assert_int_eq(alloc_take(q.img, 0, 64, &run, &fresh), 0);
		ck_assert_uint_le(run.start, c + 64);
	}
	ck_assert_uint_gt(q.img->reftable.nr, old_nr);
	ck_assert_uint_eq(refcount_test_get(q.img->reftable.offset >> 9), 1);
	ck_assert(q.img->reftable_moved);
	ck_assert_uint_eq(q.img->let_go.nr, 1);
	ck_assert_uint_eq(q.img->let_go.run[0].start, old_offset >> 9);
	for (uint64_t i = 0; i < old_nr; i++)
		ck_assert_uint_ne(q.img->reftable.word[i], 0);
	image_unlock(q.img);
	qimage_commit(&q);
	qimage_reopen(&q);
	image_lock(q.img);
	ck_assert_uint_ne(q.img->reftable.offset, old_offset);
	ck_assert_uint_eq(refcount_test_get(old_offset >> 9), 0);
	destroy();
	/* nothing but what was taken above is leaked, and nothing is referenced uncounted */
}
END_TEST

START_TEST(damaged_table_entry_is_an_error)
{
	static const uint64_t bad[] = { 0x3001, 0x3010, 0x200, UINT64_C(1) << 50, 0xfff };
	struct md_slice *s;

	refcount_create(12, 4);
	q.img->reftable.word[0] = bad[_i];
	ck_assert_int_eq(refcount_pin(q.img, 5, true, &s), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(q.logged, "refcount table entry 0 is damaged"));
	ck_assert_ptr_null(
		refcount_test_pin(UINT64_C(1) << 40)); /* behind the table: not counted */
	destroy();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_LOOP(every_width_holds_its_values, 7),
		CHECK_LOOP(narrow_counts_are_packed_from_the_low_bit, 3),
		CHECK_TEST(wide_counts_are_big_endian),
		CHECK_TEST(slice_ends_where_it_says),
		CHECK_TEST(block_counts_itself),
		CHECK_TEST(table_grows_and_lets_the_old_one_go),
		CHECK_LOOP(damaged_table_entry_is_an_error, 5),
	};

	return check_main("qcow2/refcount", tests, ARRAY_SIZE(tests));
}
