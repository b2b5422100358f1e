/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of a commit, read from the log of what reached the file, and the number of flushes
 * it costs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "qimage.h"

static struct qimage q;

/* What an entry of the log is about. */
enum what { DATA, COUNTS, REFTABLE, L2, L1, POINTERS, HEADER, FLUSH, NR_WHAT };

static void commit_setup(void)
{
	qimage_init(&q);
	qimage_create(&q);
	/* Two zones have data; all tables exist, and the refcount block has been written to. */
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 512), 0);
	ck_assert_int_eq(qimage_append(&q, 4, 'a', 16384), 0);
	qimage_reopen(&q);
}

static void commit_teardown(void)
{
	qimage_free(&q);
}

static bool in_cluster(uint64_t off, uint64_t start)
{
	return start && off >> q.p.cluster_bits == start >> q.p.cluster_bits;
}

static enum what commit_classify(const struct memio_entry *e)
{
	uint64_t reftable = image_get(q.m, QCOW2_H_REFTABLE_OFFSET, 8);
	uint64_t l1 = image_get(q.m, QCOW2_H_L1_OFFSET, 8);

	if (e->op == MEMIO_FLUSH)
		return FLUSH;
	if (e->off < 112)
		return HEADER;
	if (in_cluster(e->off, q.img->hdr.zoned.meta_offset))
		return POINTERS;
	if (in_cluster(e->off, reftable))
		return REFTABLE;
	if (in_cluster(e->off, l1))
		return L1;
	for (uint64_t i = 0; i < q.img->reftable.nr; i++)
		if (in_cluster(e->off, image_get(q.m, reftable + i * 8, 8)))
			return COUNTS;
	for (uint64_t i = 0; i < q.img->l1.nr; i++)
		if (in_cluster(e->off, image_get(q.m, l1 + i * 8, 8) & QCOW2_OFFSET_MASK))
			return L2;
	return DATA;
}

/* First or last position in the log of a kind; -1: there is none. */
static int first(enum what kind)
{
	for (size_t i = 0; i < memio_log_count(q.m); i++)
		if (commit_classify(memio_log_get(q.m, i)) == kind)
			return (int)i;
	return -1;
}

static int last(enum what kind)
{
	int found = -1;

	for (size_t i = 0; i < memio_log_count(q.m); i++)
		if (commit_classify(memio_log_get(q.m, i)) == kind)
			found = (int)i;
	return found;
}

static unsigned commit_count(enum what kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < memio_log_count(q.m); i++)
		n += commit_classify(memio_log_get(q.m, i)) == kind;
	return n;
}

static bool flush_between(int from, int to)
{
	for (int i = from + 1; i < to; i++)
		if (memio_log_get(q.m, (size_t)i)->op == MEMIO_FLUSH)
			return true;
	return false;
}

/* All of a comes before all of b, with a flush between. */
static void assert_before(enum what a, enum what b)
{
	ck_assert_int_ge(first(a), 0);
	ck_assert_int_ge(first(b), 0);
	ck_assert_int_lt(last(a), first(b));
	ck_assert(flush_between(last(a), first(b)));
}

START_TEST(new_cluster_goes_step_by_step)
{
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_append(&q, 3, 'b', 8192), 0);
	ck_assert_uint_eq(commit_count(FLUSH), 0);
	qimage_commit(&q);
	assert_before(DATA, L2);
	assert_before(COUNTS, L2);
	assert_before(L2, POINTERS);
	ck_assert(flush_between(last(POINTERS), (int)memio_log_count(q.m)));
	ck_assert_int_eq(first(HEADER), -1);
	ck_assert_int_eq(first(L1), -1);
	ck_assert_uint_eq(qimage_disk_wp(&q, 3), 3 * 65536 + 512 + 8192);
	ck_assert_uint_eq(qimage_check(&q), 0);
}
END_TEST

START_TEST(new_l2_table_is_whole_before_l1_names_it)
{
	q.p.geo.size = 64 << 20; /* clusters of 4 KiB: a table maps 2 MiB */
	q.p.geo.nr_zones = 1024;
	qimage_free(&q);
	qimage_create(&q);
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 512), 0);
	qimage_commit(&q);
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_append(&q, 500, 'b', 512), 0);
	qimage_commit(&q);
	assert_before(DATA, L1);
	assert_before(COUNTS, L1);
	assert_before(L2, L1);
	assert_before(L1, POINTERS);
	ck_assert_uint_eq(commit_count(FLUSH), 3);
	ck_assert_uint_eq(qimage_check(&q), 0);
}
END_TEST

START_TEST(mapped_cluster_costs_two_flushes)
{
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_append(&q, 3, 'b', 512), 0);
	qimage_commit(&q);
	assert_before(DATA, POINTERS);
	ck_assert_uint_eq(commit_count(FLUSH), 2);
	ck_assert_uint_eq(commit_count(DATA), 1);
	ck_assert_uint_eq(commit_count(POINTERS), 1);
	ck_assert_uint_eq(memio_log_count(q.m), 4);
}
END_TEST

START_TEST(new_cluster_costs_three_flushes)
{
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_append(&q, 5, 'b', 512), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(commit_count(FLUSH), 3);
	/* and so does the next one of the run */
	ck_assert_int_eq(qimage_append(&q, 5, 'b', 4096 - 512), 0);
	qimage_commit(&q);
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_append(&q, 5, 'b', 512), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(commit_count(FLUSH), 3);
}
END_TEST

START_TEST(idle_commit_does_nothing)
{
	struct memio_stats st;

	ck_assert_int_eq(qimage_append(&q, 3, 'b', 512), 0);
	qimage_commit(&q);
	ck_assert(!qcow2_dirty(q.img));
	memio_clear_stats(q.m);
	qimage_commit(&q);
	qimage_commit(&q);
	memio_get_stats(q.m, &st);
	for (unsigned i = 0; i < MEMIO_NR_OPS; i++)
		ck_assert_msg(i == MEMIO_SIZE || st.ops[i] == 0, "%u operations of kind %u",
			      (unsigned)st.ops[i], i);
}
END_TEST

static int first_punch(void)
{
	for (size_t i = 0; i < memio_log_count(q.m); i++)
		if (memio_log_get(q.m, i)->op == MEMIO_PUNCH)
			return (int)i;
	return -1;
}

START_TEST(reset_goes_the_other_way)
{
	uint64_t host = qimage_disk_entry(&q, 4 << 16, NULL) & QCOW2_OFFSET_MASK;

	ck_assert_uint_ne(host, 0);
	memio_log_start(q.m);
	qimage_reset(&q, 4);
	ck_assert_uint_eq(memio_log_count(q.m), 0);
	qimage_commit(&q);
	assert_before(POINTERS, L2);
	ck_assert_int_gt(first_punch(), 0);
	ck_assert_int_lt(last(L2), first_punch());
	ck_assert(flush_between(last(L2), first_punch()));
	ck_assert_uint_eq(commit_count(FLUSH), 2);
	ck_assert_uint_eq(qimage_disk_entry(&q, 4 << 16, NULL), 0);
	/* the lowered counts come with the next commit */
	ck_assert_uint_eq(qimage_disk_count(&q, host >> 12), 1);
	ck_assert_uint_eq(qimage_check(&q), 4);
	memio_log_start(q.m);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_count(&q, host >> 12), 0);
	ck_assert_uint_eq(commit_count(FLUSH), 1);
	ck_assert_uint_eq(qimage_check(&q), 0);
}
END_TEST

START_TEST(rewritten_zone_goes_back_first_and_forward_last)
{
	uint64_t table = q.img->hdr.zoned.meta_offset;
	struct memio *half;
	uint8_t word[8];

	qimage_reset(&q, 4);
	half = memio_clone(q.m);
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_append(&q, 4, 'c', 512), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(commit_count(POINTERS), 2);
	ck_assert_int_lt(first(POINTERS), first(L2));
	ck_assert_int_gt(last(POINTERS), last(L2));
	ck_assert(flush_between(first(POINTERS), first(L2)));
	ck_assert(flush_between(last(L2), last(POINTERS)));
	/* what the first of them wrote is the start */
	memio_replay(q.m, 0, (size_t)first(POINTERS) + 1, half, NULL, NULL);
	memio_peek(half, table + 4 * 8, word, sizeof(word));
	ck_assert_mem_eq(word, ((uint8_t[8]){ 0, 0, 0, 0, 0, 4, 0, 0 }), 8);
	ck_assert_uint_eq(qimage_disk_wp(&q, 4), (4 << 16) + 512);
	memio_free(half);
}
END_TEST

START_TEST(data_written_after_the_copy_comes_later)
{
	/* a pointer that moves while a commit runs must not be taken along */
	ck_assert_int_eq(qimage_append(&q, 3, 'b', 512), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_wp(&q, 3), (3 << 16) + 1024);
	ck_assert_int_eq(qimage_append(&q, 3, 'b', 512), 0);
	ck_assert_uint_eq(qimage_disk_wp(&q, 3), (3 << 16) + 1024);
	ck_assert(qcow2_dirty(q.img));
}
END_TEST

/* ---- a larger refcount table ---------------------------------------------------------------- */

START_TEST(larger_refcount_table_is_written_before_it_is_named)
{
	uint64_t old;

	qimage_free(&q);
	qimage_grow_table(&q);
	old = image_get(q.m, QCOW2_H_REFTABLE_OFFSET, 8);
	qimage_commit(&q);
	ck_assert_uint_ne(image_get(q.m, QCOW2_H_REFTABLE_OFFSET, 8), old);
	ck_assert_uint_eq(image_get(q.m, QCOW2_H_REFTABLE_OFFSET, 8), q.img->reftable.offset);
	ck_assert_uint_eq(commit_count(HEADER), 1);
	assert_before(REFTABLE, HEADER);
	assert_before(HEADER, L2);
	assert_before(L2, POINTERS);
	/* the old table's clusters are free now */
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_reopen(&q);
	qimage_expect(&q, 2 << 16, 65536, 'x');
}
END_TEST

START_TEST(failed_punch_costs_only_space)
{
	memio_fail(q.m, MEMIO_PUNCH, 0, EIO, true, 0);
	qimage_reset(&q, 4);
	qimage_commit(&q);
	ck_assert_uint_ge(memio_failures(q.m, MEMIO_PUNCH), 1);
	ck_assert_uint_ge(q.nr_logged, 1);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	/* what the clusters still hold is not seen by who gets them next */
	ck_assert_int_eq(qimage_append(&q, 5, 'e', 512), -EIO);
	memio_fail(q.m, MEMIO_PUNCH, 0, 0, false, 0);
	ck_assert_int_eq(qimage_append(&q, 5, 'e', 512), 0);
	qimage_expect(&q, (5 << 16) + 512, 4096 - 512, 0);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_WITH(new_cluster_goes_step_by_step, commit_setup, commit_teardown),
		CHECK_WITH(new_l2_table_is_whole_before_l1_names_it, commit_setup, commit_teardown),
		CHECK_WITH(mapped_cluster_costs_two_flushes, commit_setup, commit_teardown),
		CHECK_WITH(new_cluster_costs_three_flushes, commit_setup, commit_teardown),
		CHECK_WITH(idle_commit_does_nothing, commit_setup, commit_teardown),
		CHECK_WITH(reset_goes_the_other_way, commit_setup, commit_teardown),
		CHECK_WITH(rewritten_zone_goes_back_first_and_forward_last, commit_setup,
			   commit_teardown),
		CHECK_WITH(data_written_after_the_copy_comes_later, commit_setup, commit_teardown),
		CHECK_WITH(larger_refcount_table_is_written_before_it_is_named, commit_setup,
			   commit_teardown),
		CHECK_WITH(failed_punch_costs_only_space, commit_setup, commit_teardown),
	};

	return check_main_timeout("qcow2/commit", tests, ARRAY_SIZE(tests), 120);
}
