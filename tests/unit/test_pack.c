/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing compressed clusters: they read back, share host clusters, and what they refer to is
 * counted right, also while they are replaced and let go.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/pack.h"
#include "qimage.h"
#include "rng.h"
#include "util/math.h"

#define C 4096u

static struct qimage q;
static struct qcow2_packer *packer;

static void create_packing(uint8_t compression, unsigned refcount_order)
{
	qimage_init(&q);
	q.p.compression_type = compression;
	q.p.refcount_order = refcount_order;
	qimage_create(&q);
	ck_assert_int_eq(qcow2_packer_new(q.img, 0, &packer), 0);
}

static void end_packing(void)
{
	qcow2_packer_free(packer);
	qimage_free(&q);
}

/* A cluster of which about len bytes cannot be compressed; the rest is fill. */
static void make_cluster(uint8_t *b, uint64_t seed, size_t len, int fill)
{
	uint64_t r = seed;

	memset(b, fill, C);
	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)rng_below(&r, 256);
}

static bool pack(uint64_t nr, size_t len, int fill)
{
	uint8_t b[C];
	bool packed;

	make_cluster(b, nr + 1, len, fill);
	ck_assert_int_eq(qcow2_write_packed(q.img, packer, nr * C, b, &packed), 0);
	return packed;
}

static void expect_packed(uint64_t nr, size_t len, int fill)
{
	uint8_t want[C], got[C];

	make_cluster(want, nr + 1, len, fill);
	ck_assert_int_eq(qcow2_read(q.img, nr * C, got, C), 0);
	ck_assert_mem_eq(got, want, C);
}

static void reads_back_and_shares(uint8_t compression)
{
	uint64_t used;

	create_packing(compression, 4);
	used = memio_used(q.m);
	for (uint64_t i = 0; i < 64; i++)
		ck_assert(pack(i, 700, 'p'));
	qimage_commit(&q);
	/* 64 clusters of some 720 bytes, one behind the other, and an L2 table */
	ck_assert_uint_lt(memio_used(q.m) - used, 16 * C);
	for (uint64_t i = 0; i < 64; i++)
		expect_packed(i, 700, 'p');
	ck_assert_uint_eq(qimage_check(&q), 0);
	qcow2_packer_free(packer);
	packer = NULL;
	qimage_reopen(&q);
	for (uint64_t i = 0; i < 64; i++)
		expect_packed(i, 700, 'p');
	end_packing();
}

START_TEST(clusters_in_deflate_read_back_and_share_host_clusters)
{
	reads_back_and_shares(0);
}
END_TEST

START_TEST(clusters_in_zstd_read_back_and_share_host_clusters)
{
	reads_back_and_shares(1);
}
END_TEST

/* QEMU's check complains of the flag, its reads do not look at it. */
START_TEST(a_compressed_cluster_with_copied_reads_as_without)
{
	create_packing(0, 4);
	ck_assert(pack(5, 700, 'p'));
	qimage_commit(&q);
	qcow2_packer_free(packer);
	packer = NULL;
	qimage_close(&q);
	qimage_poke_entry(&q, 5 * C, image_get(q.m, image_l2_place(q.m, 5 * C), 8) | QCOW2_COPIED,
			  0);
	qimage_open(&q);
	expect_packed(5, 700, 'p');
	ck_assert_int_eq(qimage_write(&q, 5 * C + 512, 'n', 512), 0); /* it gets a cluster */
	qimage_expect(&q, 5 * C + 512, 512, 'n');
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	end_packing();
}
END_TEST

START_TEST(what_does_not_shrink_is_left_alone)
{
	create_packing(1, 4);
	ck_assert(!pack(3, C, 0));
	qimage_expect(&q, 3 * C, C, 0);
	end_packing();
}
END_TEST

START_TEST(what_replaces_or_unmaps_them_gives_the_space_back)
{
	uint64_t used;

	create_packing(1, 4);
	ck_assert_int_eq(qimage_write(&q, 0, 'd', C), 0); /* the table exists */
	qimage_commit(&q);
	used = memio_used(q.m);
	for (uint64_t i = 1; i < 40; i++)
		ck_assert(pack(i, 1500, 'p'));
	qimage_commit(&q);
	ck_assert_int_eq(qimage_write(&q, 7 * C, 'w', C), 0); /* copies nothing, counts fall */
	ck_assert_int_eq(qcow2_zero(q.img, 8 * C, 20 * C), 0);
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_expect(&q, 7 * C, C, 'w');
	expect_packed(6, 1500, 'p');
	expect_packed(30, 1500, 'p');
	ck_assert_int_eq(qcow2_zero(q.img, C, 39 * C), 0);
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	/* the file may end within its last cluster, whose page a hole does not give back */
	ck_assert_uint_le(memio_used(q.m), used + C);
	end_packing();
}
END_TEST

START_TEST(a_host_cluster_that_was_let_go_is_not_packed_into)
{
	create_packing(1, 4);
	ck_assert(pack(1, 500, 'a'));
	qimage_commit(&q);
	ck_assert_int_eq(qcow2_zero(q.img, C, C), 0);
	qimage_commit(&q); /* its count is 0, the cluster is free */
	ck_assert_int_eq(qimage_write(&q, 2 * C, 'd', 4 * C), 0);
	ck_assert(pack(9, 500, 'b'));
	qimage_commit(&q);
	qimage_expect(&q, 2 * C, 4 * C, 'd');
	expect_packed(9, 500, 'b');
	ck_assert_uint_eq(qimage_check(&q), 0);
	end_packing();
}
END_TEST

START_TEST(a_place_that_is_left_again_is_counted_as_waiting)
{
	create_packing(1, 4);
	ck_assert(pack(1, 3000, 'a'));
	qcow2_stream_release(q.img, ALLOC_STREAM_PACK);
	ck_assert_int_eq(qimage_write(&q, 8 * C, 'd', 4 * C), 0); /* takes what follows */
	ck_assert(pack(2, 3000, 'b'));
	ck_assert_uint_eq(q.img->waiting, 1);
	qimage_commit(&q);
	ck_assert_uint_eq(q.img->waiting, 0);
	ck_assert_int_eq(qcow2_pressure(q.img), QCOW2_PRESSURE_NONE);
	end_packing();
}
END_TEST

START_TEST(narrow_counts_bound_what_shares_a_cluster)
{
	create_packing(1, 2); /* up to 15 */
	for (uint64_t i = 0; i < 60; i++)
		ck_assert(pack(i, 20, 's'));
	qimage_commit(&q);
	for (uint64_t i = 0; i < 60; i++)
		expect_packed(i, 20, 's');
	ck_assert_uint_eq(qimage_check(&q), 0);
	end_packing();
}
END_TEST

START_TEST(counts_of_two_bits_are_too_narrow)
{
	qimage_init(&q);
	q.p.refcount_order = 1;
	qimage_create(&q);
	ck_assert_int_eq(qcow2_packer_new(q.img, 0, &packer), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(qcow2_why_not_packed(q.img));
	packer = NULL;
	end_packing();
}
END_TEST

START_TEST(data_that_is_there_is_repacked)
{
	bool packed;

	create_packing(1, 4);
	ck_assert_int_eq(qimage_write(&q, 0, 'x', 16 * C), 0);
	qimage_commit(&q);
	for (uint64_t i = 0; i < 17; i++) {
		ck_assert_int_eq(qcow2_repack(q.img, packer, i * C, &packed), 0);
		ck_assert_int_eq(packed, i < 16); /* the last one holds nothing */
		ck_assert_int_eq(qcow2_repack(q.img, packer, i * C, &packed), 0);
		ck_assert(!packed); /* it is done */
	}
	qimage_commit(&q);
	qimage_commit(&q);
	qimage_expect(&q, 0, 16 * C, 'x');
	ck_assert_uint_eq(qimage_check(&q), 0);
	end_packing();
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

#define THREADS 4

static void *repack_and_rewrite(void *data)
{
	uint64_t lane = *(uint64_t *)data, r = lane + 77;
	struct qcow2_packer *mine;

	ck_assert_int_eq(qcow2_packer_new(q.img, 0, &mine), 0);
	for (int i = 0; i < 300; i++) {
		uint64_t nr = lane + THREADS * (rng_below(&r, 20));
		int rc = 0;
		bool packed;

		switch (rng_below(&r, 4)) {
		case 0:
			rc = qcow2_zero(q.img, nr * C, C);
			break;
		case 1:
			rc = qcow2_commit(q.img);
			break;
		case 2:
			rc = qcow2_repack(q.img, mine, (rng_below(&r, 80)) * C, &packed);
			break;
		default:
			rc = qimage_write(&q, nr * C, 'a' + (int)(nr % 26), C);
		}
		ck_assert_int_eq(rc, 0);
	}
	qcow2_packer_free(mine);
	return NULL;
}

START_TEST(threads_repack_write_and_unmap_at_once)
{
	pthread_t thread[THREADS];
	uint64_t lane[THREADS];

	create_packing(1, 4);
	for (uint64_t i = 0; i < THREADS; i++) {
		lane[i] = i;
		ck_assert_int_eq(pthread_create(&thread[i], NULL, repack_and_rewrite, &lane[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (uint64_t nr = 0; nr < 80; nr++) {
		uint8_t b[C];

		ck_assert_int_eq(qcow2_read(q.img, nr * C, b, C), 0);
		ck_assert(b[0] == 0 || b[0] == 'a' + nr % 26);
		ck_assert_mem_eq(b, b + 1, C - 1);
	}
	for (int i = 0; i < 3; i++)
		qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	end_packing();
}
END_TEST

int main(void)
{
	const struct check_test tests[] = {
		CHECK_TEST(clusters_in_deflate_read_back_and_share_host_clusters),
		CHECK_TEST(clusters_in_zstd_read_back_and_share_host_clusters),
		CHECK_TEST(a_compressed_cluster_with_copied_reads_as_without),
		CHECK_TEST(what_does_not_shrink_is_left_alone),
		CHECK_TEST(what_replaces_or_unmaps_them_gives_the_space_back),
		CHECK_TEST(a_host_cluster_that_was_let_go_is_not_packed_into),
		CHECK_TEST(a_place_that_is_left_again_is_counted_as_waiting),
		CHECK_TEST(narrow_counts_bound_what_shares_a_cluster),
		CHECK_TEST(counts_of_two_bits_are_too_narrow),
		CHECK_TEST(data_that_is_there_is_repacked),
		CHECK_TEST(threads_repack_write_and_unmap_at_once),
	};

	return check_main("pack", tests, ARRAY_SIZE(tests));
}
