/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The check finds each kind of damage, once, and says where.
 */
#include "check_image.h"
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/check/check_priv.h"
#include "qcow2/format/format.h"
#include "util/bytes.h"

#define CONV_BIT (UINT64_C(1) << 59)

static struct check_image t;

static void leave(void)
{
	check_image_free(&t);
}

START_TEST(sound)
{
	check_image_make(&t, NULL);
	check_image_expect(&t, 0, 0, NULL);
	ck_assert_str_eq(t.f.lines, "");
	ck_assert_uint_eq(t.f.res.notes, 0);
	ck_assert_uint_eq(t.f.res.allocated_clusters, 4 + 5 + 16 + 3);
	ck_assert_uint_eq(t.f.res.total_clusters, 256);
	leave();
}
END_TEST

START_TEST(refcounts)
{
	uint64_t host;

	check_image_make(&t, NULL);
	host = check_image_host(&t, 0x20000);
	check_image_set_count(&t, host >> 12, 0);
	check_image_expect(&t, 1, 0, "refcount 0, 1 reference");
	check_image_set_count(&t, host >> 12, 1);
	check_image_set_count(&t, 900, 1);
	check_image_set_count(&t, 901, 1);
	check_image_expect(&t, 0, 2,
			   "clusters 0x384000-0x385fff: refcount 1, 0 references: leaked");
	ck_assert_uint_eq(t.f.res.image_end, 902 * 4096);
	leave();
}
END_TEST

START_TEST(refcount_table)
{
	static const struct {
		uint64_t word;
		const char *text;
	} bad[] = {
		{ 0, "no refcount block" },
		{ 0x100200, "not cluster aligned" },
		{ UINT64_C(0x7000000000000), "behind the end of the file" },
		{ 0x20001, "reserved bits" },
		{ 0, NULL }, /* the L2 table, put in below */
	};

	check_image_make(&t, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *text = bad[i].text ? bad[i].text : "used for something else";

		image_put(t.m, t.table, 8, bad[i].text ? bad[i].word : t.l2);
		ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
		ck_assert_msg(t.f.res.corruptions > 28 && strstr(t.f.lines, text), "%zu:\n%s", i,
			      t.f.lines);
	}
	leave();
}
END_TEST

START_TEST(l1_entries)
{
	uint64_t good;

	check_image_make(&t, NULL);
	good = image_get(t.m, t.l1, 8);
	ck_assert(good & QCOW2_COPIED);
	image_put(t.m, t.l1, 8, good & ~QCOW2_COPIED);
	check_image_expect(&t, 1, 0, "the COPIED flag is clear");
	image_put(t.m, t.l1, 8, good | 2);
	check_image_expect(&t, 1, 0, "reserved bits are set");
	image_put(t.m, t.l1, 8, good | UINT64_C(0xff00000000000));
	/* nobody leads to the 28 clusters of data and the table any more */
	check_image_expect(&t, 1, 29, "not aligned or behind the end of the file");
	leave();
}
END_TEST

START_TEST(l2_entries)
{
	uint64_t at, good;

	check_image_make(&t, NULL);
	at = check_image_entry(&t, 0x20000);
	good = image_get(t.m, at, 8);
	image_put(t.m, at, 8, good ^ QCOW2_COPIED);
	check_image_expect(&t, 1, 0, "the COPIED flag is clear");
	image_put(t.m, at, 8, good | 8);
	check_image_expect(&t, 1, 0, "reserved bits are set");
	image_put(t.m, at, 8, good | 0x200);
	check_image_expect(&t, 1, 1, "not aligned");
	image_put(t.m, at, 8, good | UINT64_C(0x80000000000000));
	check_image_expect(&t, 1, 1, "(guest 0x20000) is 0x");
	/* a compressed cluster far behind the end */
	image_put(t.m, at, 8, QCOW2_COMPRESSED | UINT64_C(0x700000000000));
	check_image_expect(&t, 1, 1, "is behind the end of the file");
	/* one whose last sector is the file's last */
	image_put(t.m, at, 8, QCOW2_COMPRESSED | (memio_size(t.m) - 512));
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
	ck_assert_uint_eq(t.f.res.compressed_clusters, 1);
	ck_assert_ptr_null(strstr(t.f.lines, "behind the end"));
	leave();
}
END_TEST

/* Two entries for one cluster: its count is too low and both flags are wrong. */
START_TEST(double_use)
{
	uint64_t other;

	check_image_make(&t, NULL);
	other = check_image_host(&t, 0x40000);
	image_put(t.m, check_image_entry(&t, 0x20000), 8, other | QCOW2_COPIED);
	check_image_expect(&t, 3, 1, "refcount 1, 2 references");
	image_put(t.m, check_image_entry(&t, 0x20000), 8, t.l2 | QCOW2_COPIED);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
	ck_assert_ptr_nonnull(strstr(t.f.lines, "used as L2 table and as data"));
	image_put(t.m, check_image_entry(&t, 0x20000), 8, t.wps | QCOW2_COPIED);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
	ck_assert_ptr_nonnull(strstr(t.f.lines, "used as metadata and as data"));
	image_put(t.m, check_image_entry(&t, 0x20000), 8, t.table | QCOW2_COPIED);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
	ck_assert_ptr_nonnull(strstr(t.f.lines, "used as refcount table and as data"));
	leave();
}
END_TEST

START_TEST(pointers)
{
	uint64_t two, big;

	check_image_make(&t, NULL);
	two = t.wps + 2 * 8;
	big = image_get(t.m, two, 8);
	ck_assert_uint_eq(big, 0x25000);
	image_put(t.m, two, 8, 0x30001);
	check_image_expect(&t, 1, 0, "is outside of its zone 0x20000-0x30000");
	image_put(t.m, two, 8, 0x1ffff);
	check_image_expect(&t, 1, 0, "zone 2 (seq/0): write pointer 0x000000000001ffff");
	image_put(t.m, two, 8, big | CONV_BIT);
	check_image_expect(&t, 1, 0, "bit 59 says conventional, the header says sequential");
	image_put(t.m, two, 8, __builtin_bswap64(big));
	check_image_expect(&t, 1, 0, "stored in the other byte order than most");
	image_put(t.m, two, 8, big | UINT64_C(1) << 61);
	check_image_expect(&t, 0, 0, "bits above their flag, bit 59");
	image_put(t.m, two, 8, big);
	image_put(t.m, t.wps, 8, 0);
	check_image_expect(&t, 1, 0, "bit 59 says sequential, the header says conventional");
	leave();
}
END_TEST

START_TEST(byte_order)
{
	check_image_make(&t, NULL);
	for (uint64_t z = 0; z < 16; z++)
		image_put(t.m, t.wps + z * 8, 8,
			  __builtin_bswap64(image_get(t.m, t.wps + z * 8, 8)));
	check_image_expect(&t, 0, 0, NULL);
	image_put(t.m, t.wps + 3 * 8, 8, 0x40000);
	check_image_expect(&t, 1, 0, "stored in the other byte order than most");
	for (uint64_t z = 5; z < 16; z++)
		image_put(t.m, t.wps + z * 8, 8, UINT64_MAX >> 8);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
	ck_assert_ptr_nonnull(strstr(t.f.lines, "the image opens read-only"));
	leave();
}
END_TEST

START_TEST(mapping_and_pointer)
{
	check_image_make(&t, NULL);
	image_put(t.m, t.wps + 2 * 8, 8, 0x23000);
	check_image_expect(
		&t, 0, 0, "zone 2 (seq/0): 2 clusters are mapped beyond the write pointer 0x23000");
	image_put(t.m, t.wps + 2 * 8, 8, 0x23200);
	check_image_expect(&t, 0, 0,
			   "zone 2 (seq/0): 1 cluster is mapped beyond the write pointer 0x23200");
	image_put(t.m, t.wps + 2 * 8, 8, 0x27200);
	check_image_expect(&t, 0, 0,
			   "zone 2 (seq/0): 3 of 8 clusters before the write pointer 0x27200");
	/* an entry that reads as zeros is not missing */
	for (uint64_t g = 0x25000; g < 0x28000; g += 4096)
		image_put(t.m, check_image_entry(&t, g), 8, QCOW2_ZERO);
	check_image_expect(&t, 0, 0, NULL);
	ck_assert_str_eq(t.f.lines, "");
	/* a finished zone has holes, and nothing to say about them */
	image_put(t.m, t.wps + 5 * 8, 8, 0x60000);
	check_image_expect(&t, 0, 0, NULL);
	ck_assert_str_eq(t.f.lines, "");
	leave();
}
END_TEST

static void short_last_zone(struct qcow2_create_params *p)
{
	p->geo.size -= 0x8000;
}

START_TEST(short_zone)
{
	check_image_make(&t, short_last_zone);
	check_image_expect(&t, 0, 0, NULL);
	image_put(t.m, t.wps + 15 * 8, 8, 0x100000); /* finished */
	check_image_expect(&t, 0, 0, NULL);
	ck_assert_str_eq(t.f.lines, "");
	image_put(t.m, t.wps + 15 * 8, 8, 0xfc000);
	check_image_expect(&t, 0, 0, "between the capacity 0xf8000 and the zone's end");
	image_put(t.m, t.wps + 15 * 8, 8, 0x100200);
	check_image_expect(&t, 1, 0, "outside of its zone");
	leave();
}
END_TEST

static void extended(struct qcow2_create_params *p)
{
	p->cluster_bits = 14;
	p->extended_l2 = true;
}

START_TEST(subclusters)
{
	uint64_t at, word;

	check_image_make(&t, extended);
	check_image_expect(&t, 0, 0, NULL);
	at = check_image_entry(&t, 0x20000);
	word = image_get(t.m, at, 8);
	image_put(t.m, at + 8, 8, UINT64_C(0x00000001ffffffff));
	check_image_expect(&t, 1, 0, "subclusters 0x00000001 are both allocated and zero");
	image_put(t.m, at + 8, 8, UINT64_C(0xffffffff));
	image_put(t.m, at, 8, word | QCOW2_ZERO);
	check_image_expect(&t, 1, 0, "reserved bits");
	image_put(t.m, at, 8, 0);
	check_image_expect(&t, 1, 1, "are allocated, but no cluster is");
	leave();
}
END_TEST

/* A snapshot table of one entry, written by hand; its L1 table is a copy of the active one. */
static void check_add_snapshot(uint64_t l1_size)
{
	uint64_t end = (memio_size(t.m) + 4095) & ~UINT64_C(4095);
	uint8_t e[64] = { 0 };

	put_be64(e, end + 4096);
	put_be32(e + 8, (uint32_t)l1_size);
	put_be16(e + 12, 1);
	put_be16(e + 14, 2);
	put_be32(e + 36, 16);
	memcpy(e + 56, "1xy", 3);
	memio_poke(t.m, end, e, sizeof(e));
	image_put(t.m, end + 4096, 8, image_get(t.m, t.l1, 8) & ~QCOW2_COPIED);
	memio_resize(t.m, end + 8192);
	check_image_set_count(&t, end >> 12, 1);
	check_image_set_count(&t, (end >> 12) + 1, 1);
	put_be32(e, 1);
	memio_poke(t.m, QCOW2_H_NB_SNAPSHOTS, e, 4);
	image_put(t.m, QCOW2_H_SNAPSHOTS_OFFSET, 8, end);
}

START_TEST(snapshots)
{
	check_image_make(&t, NULL);
	check_add_snapshot(1);
	/* 28 clusters and the L2 table have a second reference, and all flags are wrong */
	check_image_expect(&t, 29 * 2, 0, "refcount 1, 2 references");
	check_image_mends(&t, ZQ_REPAIR_ALL);
	ck_assert_uint_eq(image_get(t.m, t.l1, 8), t.l2);
	ck_assert_uint_eq(check_image_count(&t, t.l2 >> 12), 2);
	leave();
	check_image_make(&t, NULL);
	check_add_snapshot(1u << 30);
	check_image_expect(&t, 1, 1, "snapshot 0: L1 table");
	leave();
}
END_TEST

START_TEST(counts_of_all_widths)
{
	uint8_t block[64];

	for (unsigned order = 0; order <= 6; order++) {
		uint64_t nr = sizeof(block) * 8 >> order;

		memset(block, 0, sizeof(block));
		for (uint64_t i = 0; i < nr; i++)
			refbits_put(block, i, order, (i * 7 + 1) & refbits_max(order));
		for (uint64_t i = 0; i < nr; i++)
			ck_assert_uint_eq(refbits_get(block, i, order),
					  (i * 7 + 1) & refbits_max(order));
	}
	memset(block, 0, sizeof(block));
	refbits_put(block, 9, 0, 1); /* the least significant bit comes first */
	ck_assert_uint_eq(block[1], 2);
	refbits_put(block, 0, 1, 2);
	ck_assert_uint_eq(block[0], 2);
	refbits_put(block, 5, 2, 0xa);
	ck_assert_uint_eq(block[2], 0xa0);
}
END_TEST

/* A block of metadata that cannot be read is damage, not the end of the check. */
START_TEST(read_error)
{
	check_image_make(&t, NULL);
	for (unsigned n = 0; n < 12; n++) {
		int ret;

		memio_fail(t.m, MEMIO_READ, n, EIO, false, 0);
		ret = check_image_check(&t, ZQ_REPAIR_NONE);
		memio_fail(t.m, MEMIO_READ, 0, 0, false, 0);
		if (memio_failures(t.m, MEMIO_READ) == n) /* no read was the n-th */
			break;
		ck_assert_msg(ret == -EIO || (ret == 0 && t.f.res.corruptions), "read %u: %d\n%s",
			      n, ret, t.f.lines);
	}
	ck_assert_uint_gt(memio_failures(t.m, MEMIO_READ), 4);
	check_image_expect(&t, 0, 0, NULL);
	leave();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(sound),
		CHECK_TEST(refcounts),
		CHECK_TEST(refcount_table),
		CHECK_TEST(l1_entries),
		CHECK_TEST(l2_entries),
		CHECK_TEST(double_use),
		CHECK_TEST(pointers),
		CHECK_TEST(byte_order),
		CHECK_TEST(mapping_and_pointer),
		CHECK_TEST(short_zone),
		CHECK_TEST(subclusters),
		CHECK_TEST(snapshots),
		CHECK_TEST(read_error),
		CHECK_TEST(counts_of_all_widths),
	};

	return check_main("qcow2/check", tests, ARRAY_SIZE(tests));
}
