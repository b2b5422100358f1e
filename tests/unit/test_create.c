/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New images, in memory: walked cluster by cluster by code that shares nothing with what
 * wrote them; interrupted at every step; and large ones.
 */
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image_file.h"
#include "io/io.h"
#include "qcow2/format/format.h"
#include "util/math.h"

/* For loops over clusters: an assertion of Check costs a write to a pipe each time. */
#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ck_abort_msg("not true: %s", #cond);                                       \
	} while (0)

static uint64_t refcount(struct memio *m, const struct qcow2_header *h, uint64_t cluster)
{
	uint64_t size = qcow2_header_cluster_size(h);
	unsigned bits = 1u << h->refcount_order;
	uint64_t per_block = size * 8 / bits;
	uint64_t block = image_get(m, h->reftable_offset + cluster / per_block * 8, 8);
	uint64_t bit = cluster % per_block * bits;

	if (!block)
		return 0;
	REQUIRE(block % size == 0);
	if (bits >= 8)
		return image_get(m, block + bit / 8, bits / 8);
	return image_get(m, block + bit / 8, 1) >> bit % 8 & ((1u << bits) - 1);
}

/* Every cluster has a purpose: how often each is referred to. */
static void create_count(uint8_t *used, uint64_t clusters, const struct qcow2_header *h,
			 uint64_t off, uint64_t bytes)
{
	uint64_t size = qcow2_header_cluster_size(h);

	REQUIRE(off % size == 0);
	for (uint64_t c = off / size; c < (off + bytes + size - 1) / size; c++) {
		REQUIRE(c < clusters);
		used[c]++;
	}
}

static void count_mapping(struct memio *m, uint8_t *used, uint64_t clusters,
			  const struct qcow2_header *h, bool prealloc)
{
	uint64_t size = qcow2_header_cluster_size(h);
	bool ext = h->incompat & QCOW2_INCOMPAT_EXTL2;
	bool data_file = h->incompat & QCOW2_INCOMPAT_DATA_FILE;
	uint64_t per_table = size / (ext ? 16 : 8);
	uint64_t guest = (h->size + size - 1) / size;

	for (uint64_t i = 0; i < h->l1_size; i++) {
		uint64_t word = image_get(m, h->l1_offset + 8 * i, 8);

		if (!prealloc) {
			REQUIRE(word == 0);
			continue;
		}
		REQUIRE(word >> 56 == 0x80);
		create_count(used, clusters, h, word & QCOW2_OFFSET_MASK, size);
		for (uint64_t k = 0; k < per_table; k++) {
			uint64_t at = (word & QCOW2_OFFSET_MASK) + k * (ext ? 16 : 8);
			uint64_t entry = image_get(m, at, 8), g = i * per_table + k;

			if (ext)
				REQUIRE(image_get(m, at + 8, 8) == 0);
			if (g >= guest) {
				REQUIRE(entry == 0);
				continue;
			}
			REQUIRE((entry & ~QCOW2_OFFSET_MASK) == QCOW2_COPIED);
			if (data_file)
				REQUIRE((entry & QCOW2_OFFSET_MASK) == g * size);
			else
				create_count(used, clusters, h, entry & QCOW2_OFFSET_MASK, size);
		}
	}
}

static void create_walk(struct memio *m, const struct qcow2_create_params *p)
{
	struct qcow2_header h;
	struct zq_error err = { "" };
	uint64_t size, clusters, per_block;
	uint8_t *used;

	ck_assert_msg(image_file_header(m, "disk.qcow2", true, &h, &err) == 0, "%s", err.msg);
	size = qcow2_header_cluster_size(&h);
	clusters = memio_size(m) / size;
	per_block = size * 8 >> h.refcount_order;
	ck_assert_uint_eq(memio_size(m) % size, 0);
	used = calloc(clusters, 1);
	create_count(used, clusters, &h, 0, size);
	create_count(used, clusters, &h, h.reftable_offset, h.reftable_clusters * size);
	for (uint64_t i = 0; i < h.reftable_clusters * size / 8; i++) {
		uint64_t block = image_get(m, h.reftable_offset + 8 * i, 8);

		if (block)
			create_count(used, clusters, &h, block, size);
	}
	create_count(used, clusters, &h, h.l1_offset, h.l1_size * 8);
	create_count(used, clusters, &h, h.zoned.meta_offset, h.zoned.meta_size);
	count_mapping(m, used, clusters, &h, p->prealloc_metadata);
	for (uint64_t c = 0; c < clusters; c++) {
		if (used[c] != 1)
			ck_abort_msg("cluster %lu used %u times", (unsigned long)c, used[c]);
		REQUIRE(refcount(m, &h, c) == 1);
	}
	/* and nothing behind the end, as far as the last block reaches (and not for too long) */
	for (uint64_t c = clusters; c % per_block && c < clusters + 600; c++)
		REQUIRE(refcount(m, &h, c) == 0);
	free(used);
	qcow2_header_free(&h);
}

START_TEST(every_cluster_is_counted_once)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m;

	p.cluster_bits = 9 + (unsigned)_i % 13;
	p.refcount_order = (unsigned)_i / 13;
	for (unsigned v = 0; v < 8; v++) {
		p.prealloc_metadata = v & 1;
		p.extended_l2 = v & 2;
		p.data_file = v & 4 ? "d" : NULL;
		if (p.extended_l2 && p.cluster_bits < 14)
			continue;
		m = image_file_make(&p, "disk.qcow2", NULL);
		create_walk(m, &p);
		memio_free(m);
	}
}
END_TEST

/* Sizes around the borders where a table needs one cluster more. */
START_TEST(odd_sizes)
{
	struct qcow2_create_params p = image_params_header();

	p.cluster_bits = 9;
	p.prealloc_metadata = true;
	p.geo.nr_conv = 0;
	p.geo.max_open = p.geo.max_active = 0;
	for (uint64_t size = 512; size < UINT64_C(3) << 20; size += 512 * 61) {
		struct memio *m;

		p.refcount_order = (unsigned)(size / 512 % 7);
		p.geo.size = size;
		p.geo.zone_size = p.geo.zone_capacity = 4096;
		p.geo.max_append = 512;
		p.geo.nr_zones = (uint32_t)((size + 4095) / 4096);
		m = image_file_make(&p, "disk.qcow2", NULL);
		create_walk(m, &p);
		memio_free(m);
	}
}
END_TEST

START_TEST(write_pointers)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m;

	p.wp_little_endian = _i;
	m = image_file_make(&p, "disk.qcow2", NULL);
	for (uint32_t zone = 0; zone < 10; zone++) {
		uint64_t word = image_get(m, 0x30000 + 8 * zone, 8);
		uint64_t want = zone * UINT64_C(0x100000);

		if (zone < 2)
			want |= UINT64_C(1) << 59;
		ck_assert_uint_eq(_i ? __builtin_bswap64(word) : word, want);
	}
	ck_assert_uint_eq(image_get(m, 0x30000 + 80, 8), 0);
	memio_free(m);
}
END_TEST

START_TEST(data_file_has_the_size)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *data = memio_new(), *m;
	struct qcow2_header h;
	struct zq_error err = { "" };

	p.data_io = memio_open(data, "disk.data", true);
	p.data_file = "disk.data";
	p.data_file_raw = true;
	m = image_file_make(&p, "disk.qcow2", NULL);
	ck_assert_uint_eq(memio_size(data), p.geo.size);
	ck_assert_int_eq(image_file_header(m, "disk.qcow2", true, &h, &err), 0);
	ck_assert_uint_eq(h.autoclear, QCOW2_AUTOCLEAR_DATA_RAW);
	qcow2_header_free(&h);
	io_close(p.data_io);
	memio_free(data);
	memio_free(m);
}
END_TEST

/* The header's first block is the last thing written, and what it speaks of is on disk before. */
START_TEST(header_is_last)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = memio_new();
	struct zq_io *io = memio_open(m, "disk.qcow2", true);
	size_t n;

	p.prealloc_metadata = true;
	memio_log_start(m);
	ck_assert_int_eq(qcow2_create(io, &p, NULL), 0);
	n = memio_log_count(m);
	ck_assert_uint_ge(n, 4);
	ck_assert_int_eq(memio_log_get(m, n - 1)->op, MEMIO_FLUSH);
	ck_assert_int_eq(memio_log_get(m, n - 2)->op, MEMIO_WRITE);
	ck_assert_uint_eq(memio_log_get(m, n - 2)->off, 0);
	ck_assert_uint_eq(memio_log_get(m, n - 2)->len, ZQ_BLOCK);
	ck_assert_int_eq(memio_log_get(m, n - 3)->op, MEMIO_FLUSH);
	for (size_t i = 0; i + 3 < n; i++)
		if (memio_log_get(m, i)->op == MEMIO_WRITE)
			ck_assert_uint_ge(memio_log_get(m, i)->off, ZQ_BLOCK);
	io_close(io);
	memio_free(m);
}
END_TEST

/* Any write, flush or truncate that fails: the error comes out, and no image is there. */
START_TEST(failures)
{
	static const enum memio_op ops[] = { MEMIO_WRITE, MEMIO_FLUSH, MEMIO_TRUNCATE };
	static const uint64_t nr[] = { 6, 1, 1 };
	struct qcow2_create_params p = image_params_header();

	p.prealloc_metadata = true;
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		for (uint64_t n = 0; n < nr[i]; n++) {
			struct memio *m = memio_new();
			struct zq_io *io = memio_open(m, "disk.qcow2", true);
			struct qcow2_header h;
			struct zq_error err = { "" };

			memio_fail(m, ops[i], n, ENOSPC, true, 0);
			ck_assert_int_eq(qcow2_create(io, &p, &err), -ENOSPC);
			ck_assert_ptr_nonnull(strstr(err.msg, "No space left on device"));
			ck_assert_uint_gt(memio_failures(m, ops[i]), 0);
			ck_assert_int_eq(image_file_header(m, "disk.qcow2", true, &h, &err),
					 -EMEDIUMTYPE);
			io_close(io);
			memio_free(m);
		}
	}
}
END_TEST

/* 64 TiB, a million zones: what is written stays small, and so does memory. */
START_TEST(large)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m;
	struct qcow2_header h;
	struct zq_error err = { "" };

	p.geo.size = UINT64_C(64) << 40;
	p.geo.zone_size = p.geo.zone_capacity = UINT64_C(64) << 20;
	p.geo.nr_zones = 1u << 20;
	p.geo.nr_conv = 1000;
	p.cluster_bits = _i ? 21 : 16;
	m = image_file_make(&p, "disk.qcow2", NULL);
	ck_assert_msg(image_file_header(m, "disk.qcow2", true, &h, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(h.l1_size, _i ? 128 : 131072);
	ck_assert_uint_lt(memio_used(m), UINT64_C(12) << 20);
	ck_assert_uint_eq(image_get(m, h.zoned.meta_offset + 8 * 999, 8),
			  (UINT64_C(999) << 26) | UINT64_C(1) << 59);
	ck_assert_uint_eq(image_get(m, h.zoned.meta_offset + 8 * 1048575, 8), UINT64_C(1048575)
										      << 26);
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

START_TEST(too_large)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = memio_new();
	struct zq_io *io = memio_open(m, "disk.qcow2", true);
	struct zq_error err = { "" };

	p.cluster_bits = 9;
	p.geo.size = (UINT64_C(128) << 30) + 512;
	p.geo.zone_size = p.geo.zone_capacity = UINT64_C(1) << 30;
	p.geo.nr_zones = 129;
	ck_assert_int_eq(qcow2_create(io, &p, &err), -EFBIG);
	ck_assert_str_eq(err.msg, "size 137438953984 is larger than 137438953472, the most that a "
				  "cluster_size of 512 allows");
	p.geo.size -= 512;
	p.geo.nr_zones = 128;
	p.refcount_order = 6;
	p.prealloc_metadata = true;
	ck_assert_int_eq(qcow2_create(io, &p, &err), -EFBIG);
	ck_assert_str_eq(err.msg, "size 137438953472 is too large to preallocate with a "
				  "cluster_size of 512 and refcount_bits of 64");
	ck_assert_uint_eq(memio_size(m), 0);
	io_close(io);
	memio_free(m);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_LOOP(every_cluster_is_counted_once, 13 * 7),
		CHECK_TEST(odd_sizes),
		CHECK_LOOP(write_pointers, 2),
		CHECK_TEST(data_file_has_the_size),
		CHECK_TEST(header_is_last),
		CHECK_TEST(failures),
		CHECK_LOOP(large, 2),
		CHECK_TEST(too_large),
	};

	return check_main("create", tests, ARRAY_SIZE(tests));
}
