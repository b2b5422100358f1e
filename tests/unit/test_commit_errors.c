/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who learns of a commit that failed: those who asked for it, once, and writers when too much
 * awaits one. Nobody learns of a failure that a later commit has made good.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "qcow2/engine/image.h"
#include "qimage.h"
#include "zone/zone.h"
#include "zonedev.h"

#define KIB 1024u

static struct zonedev z;

/* One write of a background commit failed, and the next commit made it good. */
static void fail_in_background(void)
{
	zonedev_init(&z);
	z.opts.on_error = ZQ_ERRORS_REPAIR;
	z.opts.committer = true;
	z.opts.commit_secs = 1;
	zonedev_create(&z);
	ck_assert_int_eq(zonedev_append(&z, 3, 'a', 8 * KIB), 8 * KIB);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zonedev_append(&z, 4, 'a', 4096), 4096);
	memio_fail(z.m, MEMIO_WRITE, 0, ENOSPC, false, 0);
	for (int i = 0; i < 400 && qcow2_dirty(z.dev->img); i++)
		usleep(20000);
	ck_assert_uint_eq(memio_failures(z.m, MEMIO_WRITE), 1);
	ck_assert(!qcow2_dirty(z.dev->img));
}

START_TEST(a_failure_that_was_made_good_is_not_told_by_close)
{
	fail_in_background();
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0); /* its clusters are counted free at close */
	ck_assert_int_eq(zq_close_device(z.dev), 0);
	z.dev = NULL;
	ck_assert_uint_eq(qimage_check_file(z.m, "after close"), 0);
	memio_free(z.m);
}
END_TEST

START_TEST(a_failure_that_was_made_good_is_not_told_by_an_append)
{
	char buf[512] = "x";

	fail_in_background();
	ck_assert_int_eq(zq_append(z.dev, 5, NULL, 0, buf, sizeof(buf),
				   ZQ_WRITE_SYNC | ZQ_WRITE_APPEND, NULL),
			 512);
	zonedev_free(&z);
}
END_TEST

static int no_room_for_block(void *data, enum memio_op op, uint64_t off, uint64_t len,
			     uint64_t *apply)
{
	(void)len;
	(void)apply;
	return op == MEMIO_WRITE && off == *(uint64_t *)data ? -ENOSPC : 0;
}

/* While every commit fails, no more is accepted than the cache may hold. */
START_TEST(writes_fail_when_commits_do)
{
	static char buf[64 * KIB];
	uint64_t block, dirty, accepted = 0;
	ssize_t n = 0;

	zonedev_init(&z);
	z.p.geo = (struct zq_geometry){ .size = UINT64_C(256) << 20,
					.zone_size = 1 << 20,
					.zone_capacity = 1 << 20,
					.nr_zones = 256,
					.max_append = 4096 };
	z.p.cluster_bits = 9;
	z.opts.cache_bytes = 256 * KIB;
	zonedev_create(&z);
	ck_assert_int_eq(zq_append(z.dev, 0, NULL, 0, buf, sizeof(buf), 0, NULL), sizeof(buf));
	block = z.dev->img->l1.word[0] & QCOW2_OFFSET_MASK;
	memio_set_hook(z.m, no_room_for_block, &block);
	for (uint32_t zone = 0; zone < 256 && n >= 0; zone++)
		for (int i = 0; i < 15 && n >= 0; i++) {
			n = zq_append(z.dev, zone, NULL, 0, buf, sizeof(buf), ZQ_WRITE_APPEND,
				      NULL);
			accepted += n > 0 ? (uint64_t)n : 0;
		}
	ck_assert_int_eq(n, -ENOSPC);
	dirty = z.dev->img->cache.nr_dirty * z.dev->img->slice_size;
	ck_assert_uint_le(dirty, 256 * KIB);
	ck_assert_int_eq(zq_sync(z.dev), -ENOSPC);
	memio_set_hook(z.m, NULL, NULL);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_uint_gt(accepted, 0);
	zonedev_free(&z);
}
END_TEST

/* The block is written by no commit before the refcount table has grown: those before succeed.
 * From the last that did, only as much is accepted as the cache's bound can map (39 MiB of clusters
 * of 512 bytes), and nothing once a commit has failed. */
START_TEST(nothing_is_accepted_after_a_failed_commit)
{
	static char buf[64 * KIB];
	uint64_t block, accepted = 0, succeeded = 0, before = 0;
	struct qcow2_stats st = { 0 };
	ssize_t n = 0;

	zonedev_init(&z);
	z.p.geo = (struct zq_geometry){ .size = UINT64_C(512) << 20,
				      .zone_size = 1 << 20,
				      .zone_capacity = 1 << 20,
				      .nr_zones = 512,
				      .max_append = 4096 };
	z.p.cluster_bits = 9;
	z.opts.cache_bytes = 1024 * KIB;
	zonedev_create(&z);
	block = z.dev->img->reftable.word[0] & ~QCOW2_REFTABLE_RESERVED;
	memio_set_hook(z.m, no_room_for_block, &block);
	for (uint32_t i = 0; i < 512 * 16 && n >= 0; i++) {
		n = zq_append(z.dev, i / 16, NULL, 0, buf, sizeof(buf), ZQ_WRITE_APPEND, NULL);
		qcow2_get_stats(z.dev->img, &st);
		if (n > 0 && st.commits != succeeded) {
			succeeded = st.commits;
			before = accepted;
		}
		accepted += n > 0 ? (uint64_t)n : 0;
	}
	ck_assert_int_eq(n, -ENOSPC);
	ck_assert_uint_gt(succeeded, 0);
	ck_assert_uint_gt(st.commits, succeeded);
	ck_assert_uint_le(accepted - before, 40 << 20);
	for (uint32_t zone = 0; zone < 512; zone += 16)
		ck_assert_int_eq(zq_append(z.dev, zone, NULL, 0, buf, 512, ZQ_WRITE_APPEND, NULL),
				 accepted >> 20 > zone ? -EFBIG : -ENOSPC);
	memio_set_hook(z.m, NULL, NULL);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_free(&z);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_failure_that_was_made_good_is_not_told_by_close),
		CHECK_TEST(a_failure_that_was_made_good_is_not_told_by_an_append),
		CHECK_TEST(writes_fail_when_commits_do),
		CHECK_TEST(nothing_is_accepted_after_a_failed_commit),
	};

	return check_main("zone/commit errors", tests, ARRAY_SIZE(tests));
}
