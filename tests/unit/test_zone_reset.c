/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/manage.c and zone/readwrite.c: reset, finish, what can be read afterwards, conventional
 * zones, holes.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "check_main.h"
#include "zonedev.h"

#define KIB 1024u
#define CAP (48 * KIB)

static struct zonedev z;

static void zone_reset_setup(unsigned cluster_bits)
{
	zonedev_init(&z);
	z.p.cluster_bits = cluster_bits;
	zonedev_create(&z);
}

static void zone_reset_finish(void)
{
	zonedev_check_counts(&z);
	zonedev_free(&z);
}

/* Clusters smaller than, as large as, and larger than a zone. */
static const unsigned cluster_bits[] = { 9, 12, 16, 18 };

static void reset_and_rewrite(unsigned bits)
{
	zone_reset_setup(bits);
	for (uint32_t i = 2; i < 8; i++)
		ck_assert_int_eq(zonedev_append(&z, i, (int)('a' + i), 40 * KIB), 40 * KIB);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_zone_reset(z.dev, 4), 0);
	ck_assert_uint_eq(zonedev_state(&z, 4), ZQ_EMPTY);
	ck_assert_uint_eq(zonedev_written(&z, 4), 0);
	/* what it held is not behind a short new stream, nor in a finished zone */
	ck_assert_int_eq(zonedev_append(&z, 4, 'N', 700), 700);
	zonedev_expect(&z, 4, 0, 700, 'N');
	zonedev_expect(&z, 4, 700, 324, 0);
	ck_assert_int_eq(zq_zone_finish(z.dev, 4), 0);
	zonedev_expect(&z, 4, 700, CAP - 700, 0);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (uint32_t i = 2; i < 8; i++)
			if (i != 4)
				zonedev_expect(&z, i, 0, 40 * KIB, (int)('a' + i));
		zonedev_expect(&z, 4, 0, 700, 'N');
		zonedev_expect(&z, 4, 700, CAP - 700, 0);
		zonedev_reopen(&z);
	}
	ck_assert_uint_eq(zonedev_state(&z, 4), ZQ_FULL);
	zone_reset_finish();
}

START_TEST(reset_leaves_nothing_behind)
{
	for (size_t i = 0; i < ARRAY_SIZE(cluster_bits); i++)
		reset_and_rewrite(cluster_bits[i]);
}
END_TEST

START_TEST(reset_of_an_empty_zone_does_nothing)
{
	struct zq_zone_info before, after;
	struct memio_stats st;

	zone_reset_setup(12);
	ck_assert_int_eq(zq_zone_open(z.dev, 3), 0);
	before = zonedev_zone(&z, 2);
	memio_clear_stats(z.m);
	ck_assert_int_eq(zq_zone_reset(z.dev, 2), 0);
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	after = zonedev_zone(&z, 2);
	ck_assert_int_eq(after.mtime_sec, before.mtime_sec);
	ck_assert_uint_eq(after.mtime_nsec, before.mtime_nsec);
	ck_assert_uint_eq(zonedev_state(&z, 3), ZQ_EXPLICIT_OPEN);
	memio_get_stats(z.m, &st);
	ck_assert_uint_eq(st.ops[MEMIO_WRITE], 0);
	ck_assert_uint_eq(st.ops[MEMIO_FLUSH], 0);
	zone_reset_finish();
}
END_TEST

START_TEST(reset_keeps_an_explicit_open)
{
	zone_reset_setup(12);
	ck_assert_int_eq(zq_zone_open(z.dev, 3), 0);
	ck_assert_int_eq(zonedev_append(&z, 3, 'a', 1000), 1000);
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_uint_eq(zonedev_state(&z, 3), ZQ_EXPLICIT_OPEN);
	ck_assert_uint_eq(zonedev_written(&z, 3), 0);
	ck_assert_int_eq(zq_zone_close(z.dev, 3), 0);
	ck_assert_uint_eq(zonedev_state(&z, 3), ZQ_EMPTY);
	zone_reset_finish();
}
END_TEST

START_TEST(reset_gives_space_back)
{
	uint64_t used;

	zone_reset_setup(12);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	used = memio_used(z.m);
	for (uint32_t i = 2; i < 8; i++)
		zonedev_append(&z, i, 'a', CAP);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_uint_ge(memio_used(z.m), used + 6 * CAP);
	for (uint32_t i = 2; i < 8; i++)
		ck_assert_int_eq(zq_zone_reset(z.dev, i), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_uint_lt(memio_used(z.m), used + CAP);
	zone_reset_finish();
}
END_TEST

/* Bytes that a pointer on disk covers are not overwritten: a crash would show them as data. */
START_TEST(zeroing_in_place_comes_after_the_pointer)
{
	struct zonedev crashed;

	zone_reset_setup(18);
	zonedev_append(&z, 4, 'a', CAP);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_zone_reset(z.dev, 4), 0);
	zonedev_init(&crashed);
	crashed.m = memio_clone(z.m);
	zonedev_reopen(&crashed);
	ck_assert_uint_eq(zonedev_written(&crashed, 4), 0);
	zonedev_free(&crashed);
	zone_reset_finish();
}
END_TEST

static atomic_int resets_to_do;

/* In the middle of a read: the zone is reset and written again. */
static int reset_during_read(void *data, enum memio_op op, uint64_t off, uint64_t len,
			     uint64_t *apply)
{
	(void)data;
	(void)off;
	(void)apply;
	if (op == MEMIO_READ && len == CAP && atomic_fetch_sub(&resets_to_do, 1) > 0) {
		ck_assert_int_eq(zq_zone_reset(z.dev, 4), 0);
		ck_assert_int_eq(zonedev_append(&z, 4, 'n', 512), 512);
	}
	return 0;
}

START_TEST(a_read_overtaken_by_a_reset_mixes_nothing)
{
	unsigned char got[CAP];

	zone_reset_setup(18); /* zeroed in place, so the late read meets the new bytes */
	zonedev_append(&z, 4, 'o', CAP);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	atomic_store(&resets_to_do, 1);
	memio_set_hook(z.m, reset_during_read, NULL);
	ck_assert_int_eq(zq_read(z.dev, 4, 0, got, sizeof(got)), 512);
	memio_set_hook(z.m, NULL, NULL);
	ck_assert_int_le(atomic_load(&resets_to_do), 0);
	ck_assert_uint_eq(got[0], 'n');
	ck_assert_uint_eq(got[511], 'n');
	zone_reset_finish();
}
END_TEST

START_TEST(finish_reads_as_zeros)
{
	struct zq_zone_info i;
	struct zq_counts c;

	zone_reset_setup(16);
	ck_assert_int_eq(zonedev_append(&z, 2, 'a', 5000), 5000);
	ck_assert_int_eq(zq_zone_finish(z.dev, 2), 0);
	ck_assert_int_eq(zq_zone_finish(z.dev, 3), 0); /* an empty one */
	zq_get_counts(z.dev, &c);
	ck_assert_uint_eq(c.unwritten, 4 * CAP);
	zonedev_reopen(&z);
	i = zonedev_zone(&z, 2);
	ck_assert_uint_eq(i.state, ZQ_FULL);
	ck_assert_uint_eq(i.written, CAP);
	ck_assert_uint_eq(i.wp, i.start + 64 * KIB); /* stored as finished */
	zonedev_expect(&z, 2, 0, 5000, 'a');
	zonedev_expect(&z, 2, 5000, CAP - 5000, 0);
	zonedev_expect(&z, 3, 0, CAP, 0);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), -EFBIG);
	ck_assert_int_eq(zq_zone_reset(z.dev, 2), 0);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), 512);
	zone_reset_finish();
}
END_TEST

START_TEST(finish_of_a_short_last_zone)
{
	zonedev_init(&z);
	z.p.geo.size = 7 * 64 * KIB + 5 * KIB;
	zonedev_create(&z);
	ck_assert_int_eq(zonedev_append(&z, 7, 'a', 100), 100);
	ck_assert_int_eq(zq_zone_finish(z.dev, 7), 0);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_state(&z, 7), ZQ_FULL);
	ck_assert_uint_eq(zonedev_zone(&z, 7).wp, 8 * 64 * KIB);
	zonedev_expect(&z, 7, 100, 5 * KIB - 100, 0);
	zone_reset_finish();
}
END_TEST

START_TEST(pointers_of_every_kind)
{
	uint64_t size = 64 * KIB;

	zone_reset_setup(12);
	zonedev_append(&z, 2, 'a', 512);
	zonedev_poke_wp(&z, 3, 3 * size + size + 1);
	zonedev_reopen(&z);
	zonedev_poke_wp(&z, 4, 4 * size - 512);
	zonedev_reopen(&z);
	zonedev_poke_wp(&z, 5, 5 * size + CAP);
	zonedev_reopen(&z);
	zonedev_poke_wp(&z, 6, 6 * size + CAP - 1);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_state(&z, 0), ZQ_NOT_WP);
	ck_assert_uint_eq(zonedev_state(&z, 2), ZQ_CLOSED);
	ck_assert_uint_eq(zonedev_state(&z, 3), ZQ_READ_ONLY);
	ck_assert_uint_eq(zonedev_state(&z, 4), ZQ_READ_ONLY);
	ck_assert_uint_eq(zonedev_state(&z, 5), ZQ_FULL);
	ck_assert_uint_eq(zonedev_state(&z, 6), ZQ_CLOSED);
	ck_assert_uint_eq(zonedev_state(&z, 7), ZQ_EMPTY);
	/* a damaged zone: nothing is known to be written, and nothing touches it */
	ck_assert_uint_eq(zonedev_written(&z, 3), 0);
	ck_assert_int_eq(zonedev_append(&z, 3, 'a', 512), -EPERM);
	ck_assert_int_eq(zq_zone_reset(z.dev, 4), -EPERM);
	ck_assert_int_eq(zonedev_append(&z, 6, 'a', 512), 1);
	ck_assert_uint_eq(zonedev_state(&z, 6), ZQ_FULL);
	zone_reset_finish();
}
END_TEST

START_TEST(conventional_zones_are_random_access)
{
	uint64_t end = 128 * KIB;
	char got[8];

	zone_reset_setup(12);
	ck_assert_int_eq(zq_write(z.dev, 65533, "across", 6, 0), 6);
	ck_assert_int_eq(zq_read_conv(z.dev, 65533, got, 6), 6);
	ck_assert_int_eq(memcmp(got, "across", 6), 0);
	ck_assert_int_eq(zq_read(z.dev, 1, 0, got, 3), 3);
	ck_assert_int_eq(memcmp(got, "oss", 3), 0);
	ck_assert_int_eq(zq_write(z.dev, end - 2, "end", 3, 0), 2);
	ck_assert_int_eq(zq_write(z.dev, end, "end", 3, 0), -EFBIG);
	ck_assert_int_eq(zq_write(z.dev, 0, "x", 1, ZQ_WRITE_APPEND), -EINVAL);
	ck_assert_int_eq(zq_write(z.dev, 0, "x", 1, ZQ_WRITE_DIRECT), -EINVAL);
	ck_assert_int_eq(zq_read_conv(z.dev, end - 1, got, 8), 1);
	ck_assert_int_eq(got[0], 'n');
	ck_assert_int_eq(zq_read_conv(z.dev, end, got, 8), 0);
	ck_assert_int_eq(zq_zero(z.dev, 65534, 3), 3);
	ck_assert_int_eq(zq_read_conv(z.dev, 65533, got, 6), 6);
	ck_assert_int_eq(memcmp(got, "a\0\0\0ss", 6), 0);
	/* clamped: nothing of zone 2 goes */
	zonedev_append(&z, 2, 's', 512);
	ck_assert_int_eq(zq_zero(z.dev, 0, UINT64_MAX), (int64_t)end);
	ck_assert_int_eq(zq_read_conv(z.dev, 65533, got, 6), 6);
	ck_assert_int_eq(memcmp(got, "\0\0\0\0\0\0", 6), 0);
	zonedev_expect(&z, 2, 0, 512, 's');
	ck_assert_int_eq(zq_zero(z.dev, end, 1), -EFBIG);
	zone_reset_finish();
}
END_TEST

START_TEST(seek_tells_data_from_holes)
{
	uint64_t at = 99;

	zone_reset_setup(12);
	ck_assert_int_eq(zq_seek(z.dev, 2, 0, false, 0, &at), -ENXIO);
	ck_assert_int_eq(zq_seek(z.dev, 2, 0, true, 0, &at), -ENXIO);
	zonedev_append(&z, 2, 'a', 4096);
	ck_assert_int_eq(zq_zone_finish(z.dev, 2), 0);
	ck_assert_int_eq(zq_seek(z.dev, 2, 100, false, 0, &at), 0);
	ck_assert_uint_eq(at, 100);
	ck_assert_int_eq(zq_seek(z.dev, 2, 100, true, 0, &at), 0);
	ck_assert_uint_eq(at, 4096);
	ck_assert_int_eq(zq_seek(z.dev, 2, 4096, false, 0, &at), -ENXIO);
	ck_assert_int_eq(zq_seek(z.dev, 2, CAP, true, 0, &at), -ENXIO);
	/* without a hole the end is one */
	zonedev_append(&z, 3, 'a', 8192);
	ck_assert_int_eq(zq_seek(z.dev, 3, 1, true, 0, &at), 0);
	ck_assert_uint_eq(at, 8192);
	/* over several conventional zones */
	ck_assert_int_eq(zq_write(z.dev, 64 * KIB + 4096, "x", 1, 0), 1);
	ck_assert_int_eq(zq_seek(z.dev, 0, 0, false, 128 * KIB, &at), 0);
	ck_assert_uint_eq(at, 64 * KIB + 4096);
	ck_assert_int_eq(zq_seek(z.dev, 0, 0, false, 0, &at), -ENXIO);
	zone_reset_finish();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(reset_leaves_nothing_behind),
		CHECK_TEST(reset_of_an_empty_zone_does_nothing),
		CHECK_TEST(reset_keeps_an_explicit_open),
		CHECK_TEST(reset_gives_space_back),
		CHECK_TEST(zeroing_in_place_comes_after_the_pointer),
		CHECK_TEST(a_read_overtaken_by_a_reset_mixes_nothing),
		CHECK_TEST(finish_reads_as_zeros),
		CHECK_TEST(finish_of_a_short_last_zone),
		CHECK_TEST(pointers_of_every_kind),
		CHECK_TEST(conventional_zones_are_random_access),
		CHECK_TEST(seek_tells_data_from_holes),
	};

	return check_main("zone/reset", tests, ARRAY_SIZE(tests));
}
