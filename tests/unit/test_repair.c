/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Repair mends what the check finds, changes no guest byte, and may be interrupted: whatever
 * part of its writes arrived, the image is no worse than before, and repair can be run again.
 * ZQ_CRASH_SEED and ZQ_CRASH_VARIANTS go to repair_replay.c.
 */
#include "check_image.h"
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/device.h>

#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/header_read.h"
#include "util/bytes.h"
#include "repair_replay.h"
#include "rng.h"

#define CONV_BIT (UINT64_C(1) << 59)
#define SIZE	 0x100000u

static struct check_image t;

static void assert_guest(struct memio *m, const uint8_t *want)
{
	uint8_t *got = check_image_guest(m, SIZE);

	ck_assert_ptr_nonnull(got);
	ck_assert_int_eq(memcmp(got, want, SIZE), 0);
	free(got);
}

/* Mends all that is damaged, and again after power failures within that. */
static void mend_and_replay(repair_fn mend, const uint8_t *guest)
{
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
	ck_assert_msg(t.f.res.corruptions || t.f.res.leaks, "nothing is damaged");
	repair_replay(&t, mend, guest, 21);
	check_image_expect(&t, 0, 0, NULL);
}

static uint8_t *repair_make(void (*change)(struct qcow2_create_params *p))
{
	uint8_t *guest;

	check_image_make(&t, change);
	guest = check_image_guest(t.m, SIZE);
	ck_assert_ptr_nonnull(guest);
	ck_assert_uint_eq(guest[0x20000], 33);
	return guest;
}

static void repair_done(uint8_t *guest)
{
	free(guest);
	check_image_free(&t);
}

/* Repair cannot mend it all, or is told not to; the image stays as it is. */
static void replay_copy(repair_fn mend)
{
	struct check_image copy = t;

	copy.m = memio_clone(t.m);
	repair_replay(&copy, mend, NULL, 21);
	memio_free(copy.m);
}

static int mend_counts(struct check_image *s)
{
	struct zq_io *io = memio_open(s->m, "image", true);
	struct zq_error err = { "" };
	struct qcow2_header h;
	int rc = qcow2_header_read(io, HEADER_ZONED, &h, &err);

	if (rc == 0) {
		rc = check_rebuild_refcounts(io, &h, &err);
		qcow2_header_free(&h);
	}
	io_close(io);
	return rc;
}

START_TEST(leaks)
{
	uint8_t *guest = repair_make(NULL);

	check_image_set_count(&t, 900, 1);
	check_image_set_count(&t, 1500, 7);
	mend_and_replay(repair_mend_leaks, guest);
	ck_assert_uint_eq(check_image_count(&t, 900), 0);
	repair_done(guest);
}
END_TEST

/* Giving leaks back is not a licence for anything else. */
START_TEST(only_leaks)
{
	uint8_t *guest = repair_make(NULL);
	uint64_t host = check_image_host(&t, 0x20000);

	check_image_set_count(&t, 900, 1);
	check_image_set_count(&t, host >> 12, 0);
	image_put(t.m, t.wps + 5 * 8, 8, 1);
	replay_copy(repair_mend_leaks);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_LEAKS), 0);
	ck_assert_uint_eq(t.f.res.leaks_fixed, 1);
	ck_assert_uint_eq(t.f.res.corruptions, 2);
	ck_assert_uint_eq(t.f.res.corruptions_fixed, 0);
	ck_assert_uint_eq(check_image_count(&t, host >> 12), 0);
	ck_assert_uint_eq(check_image_count(&t, 900), 0);
	ck_assert_uint_eq(image_get(t.m, t.wps + 5 * 8, 8), 1);
	repair_done(guest);
}
END_TEST

START_TEST(counts_and_flags)
{
	uint8_t *guest = repair_make(NULL);
	uint64_t at = check_image_entry(&t, 0x40000);

	check_image_set_count(&t, check_image_host(&t, 0x20000) >> 12, 0);
	check_image_set_count(&t, check_image_host(&t, 0x21000) >> 12, 5);
	check_image_set_count(&t, 0, 0);
	check_image_set_count(&t, 700, 3);
	image_put(t.m, at, 8, image_get(t.m, at, 8) & ~QCOW2_COPIED);
	image_put(t.m, t.l1, 8, image_get(t.m, t.l1, 8) & ~QCOW2_COPIED);
	mend_and_replay(repair_mend_all, guest);
	repair_done(guest);
}
END_TEST

START_TEST(lost_block)
{
	uint8_t *guest = repair_make(NULL);

	image_put(t.m, t.table, 8, 0);
	mend_and_replay(repair_mend_all, guest);
	ck_assert_uint_ne(image_get(t.m, t.table, 8), 0);
	repair_done(guest);
}
END_TEST

START_TEST(block_is_l2_table)
{
	uint8_t *guest = repair_make(NULL);

	image_put(t.m, t.table, 8, t.l2);
	mend_and_replay(repair_mend_all, guest);
	ck_assert_uint_ne(image_get(t.m, t.table, 8), t.l2);
	repair_done(guest);
}
END_TEST

/* The file ends behind what the table can reach, so the new block is out of its range. */
static void tiny_clusters(struct qcow2_create_params *p)
{
	p->cluster_bits = 9;
	p->refcount_order = 6;
}

/* The file cannot grow, as on a block device, and has free clusters. */
static void end_the_device(void)
{
	memio_resize(t.m, memio_size(t.m) + 8 * t.cluster);
	memio_set_limit(t.m, memio_size(t.m));
}

START_TEST(blocks_find_room_within_a_device)
{
	uint8_t *guest = repair_make(tiny_clusters);
	uint64_t size;

	end_the_device();
	size = memio_size(t.m);
	for (uint64_t i = 0; i < 3; i++)
		image_put(t.m, t.table + i * 8, 8, 0);
	mend_and_replay(repair_mend_all, guest);
	ck_assert_uint_eq(memio_size(t.m), size);
	repair_done(guest);
}
END_TEST

/* All blocks are good, but one cluster is out of the table's reach: the old entries move along,
 * to a free run in the middle of the file. */
START_TEST(table_moves)
{
	uint8_t *guest = repair_make(tiny_clusters);
	uint64_t far = t.hdr.reftable_clusters * 64 * 64 * 512 + 512, place;

	memio_resize(t.m, far + 512);
	memio_set_limit(t.m, far + 512);
	image_put(t.m, check_image_entry(&t, 0x5000), 8, far | QCOW2_COPIED);
	check_image_expect(&t, 1, 0, "no refcount block");
	mend_and_replay(repair_mend_all, guest);
	place = image_get(t.m, QCOW2_H_REFTABLE_OFFSET, 8);
	ck_assert_uint_ne(place, t.table);
	ck_assert_uint_lt(place, far);
	ck_assert_uint_eq(memio_size(t.m), far + 512);
	repair_done(guest);
}
END_TEST

/* What a damaged entry hides is in use, as far as its refcount says so or is not known. */
START_TEST(hidden_clusters_are_not_free)
{
	uint8_t *guest = repair_make(tiny_clusters), *after;
	uint64_t word = image_get(t.m, t.l1, 8), size;

	end_the_device();
	size = memio_size(t.m);
	image_put(t.m, t.l1, 8, word | 512 << 20 | 8);
	image_put(t.m, t.table + 8, 8, 0);
	replay_copy(repair_mend_all);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_ALL), 0);
	ck_assert_uint_eq(memio_size(t.m), size);
	image_put(t.m, t.l1, 8, word);
	after = check_image_guest(t.m, t.hdr.size);
	ck_assert_mem_eq(after, guest, t.hdr.size);
	free(after);
	repair_done(guest);
}
END_TEST

START_TEST(a_full_device_says_so)
{
	uint8_t *guest = repair_make(NULL);
	struct memio *before;

	/* no count is known, and something is hidden: no cluster is known to be free */
	image_put(t.m, t.l1, 8, image_get(t.m, t.l1, 8) | 512 << 20 | 8);
	image_put(t.m, t.table, 8, 0);
	memio_set_limit(t.m, memio_size(t.m));
	before = memio_clone(t.m);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_ALL), -ENOSPC);
	ck_assert(memio_equal(before, t.m, NULL));
	memio_free(before);
	repair_done(guest);
}
END_TEST

static void reset_zone(uint32_t zone)
{
	struct zq_open_opts o = { .readonly = false };
	struct zq_error err = { "" };
	struct zq_device *dev = NULL;

	ck_assert_msg(!zq_open_device_io(memio_open(t.m, "mem", true), &o, &dev, &err), "%s",
		      err.msg);
	ck_assert_int_eq(zq_zone_reset(dev, zone), 0);
	ck_assert_int_eq(zq_close_device(dev), 0);
}

/* Two zones that share a cluster get one each, and flags that stay right when one is reset. */
START_TEST(shared_cluster_is_split)
{
	uint8_t *guest = repair_make(NULL), *shared;
	uint64_t a = check_image_entry(&t, 0x20000), b = check_image_entry(&t, 0x30000);

	image_put(t.m, b, 8, image_get(t.m, a, 8));
	shared = check_image_guest(t.m, SIZE);
	mend_and_replay(repair_mend_all, shared);
	ck_assert_uint_ne(image_get(t.m, a, 8), image_get(t.m, b, 8));
	ck_assert(image_get(t.m, a, 8) & image_get(t.m, b, 8) & QCOW2_COPIED);
	reset_zone(2);
	check_image_expect(&t, 0, 0, NULL);
	free(shared);
	repair_done(guest);
}
END_TEST

/* An L1 entry that leads to a guest's data makes a table of it: the data's own entry stays. */
START_TEST(data_that_is_taken_for_a_table_stays_mapped)
{
	uint8_t *guest = repair_make(tiny_clusters);
	uint64_t other = image_get(t.m, t.l1 + 5 * 8, 8);
	uint64_t word = image_get(t.m, check_image_entry(&t, 0), 8);

	ck_assert_uint_ne(guest[0], 0);
	image_put(t.m, t.l1 + 5 * 8, 8, (word & QCOW2_OFFSET_MASK) | QCOW2_COPIED);
	replay_copy(repair_mend_all);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_ALL), 0);
	image_put(t.m, t.l1 + 5 * 8, 8, other);
	assert_guest(t.m, guest);
	repair_done(guest);
}
END_TEST

/* A process that was killed has written to clusters that nothing refers to. */
START_TEST(space_goes_back_to_the_host)
{
	uint8_t *guest = repair_make(NULL), full[4096];
	uint64_t end = memio_size(t.m), used = memio_used(t.m);

	memset(full, 0x77, sizeof(full));
	for (uint64_t i = 0; i < 10; i++) /* leaked, or not even counted */
		memio_poke(t.m, end + i * t.cluster, full, sizeof(full));
	for (uint64_t i = 0; i < 5; i++)
		check_image_set_count(&t, end / t.cluster + i, 1);
	ck_assert_uint_eq(memio_used(t.m), used + 10 * t.cluster);
	mend_and_replay(repair_mend_leaks, guest);
	ck_assert_uint_le(memio_used(t.m), used);
	repair_done(guest);
}
END_TEST

START_TEST(pointers)
{
	uint8_t *guest = repair_make(NULL);

	image_put(t.m, t.wps, 8, 0);			     /* conventional without its bit */
	image_put(t.m, t.wps + 2 * 8, 8, 0x77000);	     /* of another zone */
	image_put(t.m, t.wps + 3 * 8, 8, UINT64_C(1) << 40); /* full: all is mapped */
	image_put(t.m, t.wps + 4 * 8, 8, __builtin_bswap64(0x43000));
	image_put(t.m, t.wps + 5 * 8, 8, 0x50000 | CONV_BIT);
	image_put(t.m, t.wps + 6 * 8, 8, 0); /* nothing is mapped: empty */
	mend_and_replay(repair_mend_all, guest);
	ck_assert_uint_eq(image_get(t.m, t.wps, 8), CONV_BIT);
	ck_assert_uint_eq(image_get(t.m, t.wps + 2 * 8, 8), 0x25000);
	ck_assert_uint_eq(image_get(t.m, t.wps + 3 * 8, 8), 0x40000);
	ck_assert_uint_eq(image_get(t.m, t.wps + 4 * 8, 8), 0x43000);
	ck_assert_uint_eq(image_get(t.m, t.wps + 5 * 8, 8), 0x50000);
	ck_assert_uint_eq(image_get(t.m, t.wps + 6 * 8, 8), 0x60000);
	repair_done(guest);
}
END_TEST

/* While an entry is damaged, what it led to must not be given back. */
START_TEST(damage_keeps_leaks)
{
	uint8_t *guest = repair_make(NULL);
	uint64_t at = check_image_entry(&t, 0x20000), word = image_get(t.m, at, 8);

	image_put(t.m, at, 8, word | 0x200);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_ALL), 0);
	ck_assert_uint_eq(t.f.res.leaks, 1);
	ck_assert_uint_eq(t.f.res.leaks_fixed, 0);
	ck_assert_ptr_nonnull(strstr(t.f.lines, "leaks are kept"));
	image_put(t.m, at, 8, word);
	check_image_expect(&t, 0, 0, NULL);
	assert_guest(t.m, guest);
	repair_done(guest);
}
END_TEST

START_TEST(feature_bits)
{
	uint8_t *guest = repair_make(NULL);
	uint64_t bits = t.hdr.incompat;

	image_put(t.m, QCOW2_H_INCOMPAT, 8, bits | QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT);
	check_image_expect(&t, 0, 0, "the dirty bit is set");
	check_image_set_count(&t, 0, 0);
	mend_and_replay(repair_mend_all, guest);
	ck_assert_uint_eq(image_get(t.m, QCOW2_H_INCOMPAT, 8), bits);
	/* what is not mended keeps the image closed for writing */
	image_put(t.m, QCOW2_H_INCOMPAT, 8, bits | QCOW2_INCOMPAT_CORRUPT);
	image_put(t.m, check_image_entry(&t, 0x20000), 8, t.wps + 512);
	check_image_set_count(&t, 0, 0);
	replay_copy(repair_mend_all);
	ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_ALL), 0);
	ck_assert_uint_eq(image_get(t.m, QCOW2_H_INCOMPAT, 8), bits | QCOW2_INCOMPAT_CORRUPT);
	repair_done(guest);
}
END_TEST

START_TEST(rebuild)
{
	uint8_t *guest = repair_make(NULL);
	struct zq_error err = { "" };
	struct zq_io *io;

	image_put(t.m, QCOW2_H_INCOMPAT, 8, t.hdr.incompat | QCOW2_INCOMPAT_DIRTY);
	image_put(t.m, t.table, 8, 0);
	image_put(t.m, t.wps + 5 * 8, 8, 1); /* no business of a rebuild */
	replay_copy(mend_counts);
	io = memio_open(t.m, "image", true);
	ck_assert_int_eq(check_rebuild_refcounts(io, &t.hdr, &err), 0);
	io_close(io);
	ck_assert_uint_eq(image_get(t.m, QCOW2_H_INCOMPAT, 8), t.hdr.incompat);
	ck_assert_uint_eq(image_get(t.m, t.wps + 5 * 8, 8), 1);
	check_image_expect(&t, 1, 0, "outside of its zone");
	/* metadata that data would overwrite: writing is not safe */
	image_put(t.m, check_image_entry(&t, 0x20000), 8, t.wps | QCOW2_COPIED);
	io = memio_open(t.m, "image", true);
	ck_assert_int_eq(check_rebuild_refcounts(io, &t.hdr, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "overlap"));
	io_close(io);
	repair_done(guest);
}
END_TEST

/* Each write and each flush may fail: the repair says so, and nothing is worse. */
START_TEST(write_errors)
{
	static const enum memio_op op[] = { MEMIO_WRITE, MEMIO_FLUSH };
	uint8_t *guest = repair_make(NULL);
	struct memio *good = t.m;

	for (size_t k = 0; k < ARRAY_SIZE(op); k++) {
		for (unsigned n = 0;; n++) {
			int ret;

			t.m = memio_clone(good);
			image_put(t.m, t.table, 8, 0);
			image_put(t.m, t.wps + 5 * 8, 8, 1);
			image_put(t.m, t.l1, 8, t.l2);
			memio_fail(t.m, op[k], n, ENOSPC, false, 100);
			ret = check_image_check(&t, ZQ_REPAIR_ALL);
			if (!memio_failures(t.m, op[k])) {
				ck_assert_int_eq(ret, 0);
				ck_assert_uint_gt(n, 2);
				memio_free(t.m);
				break;
			}
			ck_assert_int_eq(ret, -ENOSPC);
			check_image_mends(&t, ZQ_REPAIR_ALL);
			assert_guest(t.m, guest);
			memio_free(t.m);
		}
	}
	t.m = good;
	repair_done(guest);
}
END_TEST

/* Any bytes of the tables may be anything: the check ends, and repair does no harm to itself. */
START_TEST(noise)
{
	uint8_t *guest = repair_make(NULL);
	struct memio *good = t.m;
	uint64_t seed = 4711;

	for (unsigned round = 0; round < 1500; round++) {
		const uint64_t area[] = { t.l1, t.l2, t.l2, t.table, t.block, t.wps };
		unsigned spots = 1 + (unsigned)rng_below(&seed, 4);
		uint64_t left;

		t.m = memio_clone(good);
		for (unsigned i = 0; i < spots; i++) {
			uint64_t at = area[rng_below(&seed, ARRAY_SIZE(area))];
			uint64_t word =
				rng_below(&seed, UINT32_MAX) << 33 ^ rng_below(&seed, UINT32_MAX);

			at += rng_below(&seed, 40) * 8;
			switch (rng_below(&seed, 3)) {
			case 0:
				word = (word & 0x3ff) << 12;
				break;
			case 1:
				word = image_get(t.m, at, 8) ^ UINT64_C(1) << word % 64;
				break;
			default:
				break;
			}
			image_put(t.m, at, 8, word);
		}
		if (round % 30 == 0)
			replay_copy(repair_mend_all);
		ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_ALL), 0);
		left = t.f.res.corruptions - t.f.res.corruptions_fixed;
		ck_assert_int_eq(check_image_check(&t, ZQ_REPAIR_NONE), 0);
		ck_assert_msg(t.f.res.corruptions <= left, "round %u: %llu left, then\n%s", round,
			      (unsigned long long)left, t.f.lines);
		if (!left)
			ck_assert_msg(!t.f.res.leaks, "round %u: leaks after repair\n%s", round,
				      t.f.lines);
		memio_free(t.m);
	}
	t.m = good;
	repair_done(guest);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(leaks),
		CHECK_TEST(only_leaks),
		CHECK_TEST(counts_and_flags),
		CHECK_TEST(lost_block),
		CHECK_TEST(block_is_l2_table),
		CHECK_TEST(blocks_find_room_within_a_device),
		CHECK_TEST(hidden_clusters_are_not_free),
		CHECK_TEST(a_full_device_says_so),
		CHECK_TEST(data_that_is_taken_for_a_table_stays_mapped),
		CHECK_TEST(shared_cluster_is_split),
		CHECK_TEST(space_goes_back_to_the_host),
		CHECK_TEST(table_moves),
		CHECK_TEST(pointers),
		CHECK_TEST(damage_keeps_leaks),
		CHECK_TEST(feature_bits),
		CHECK_TEST(rebuild),
		CHECK_TEST(write_errors),
		CHECK_TEST(noise),
	};

	return check_main("qcow2/repair", tests, ARRAY_SIZE(tests));
}
