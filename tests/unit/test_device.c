/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/device.c and zone/committer.c: opening in all modes, locks, when commits happen.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zqfs/create.h>

#include "check_main.h"
#include "zone/zone.h"
#include "zonedev.h"

#define KIB 1024u

static struct zonedev z;

static void device_setup(void)
{
	zonedev_init(&z);
	zonedev_create(&z);
}

/* A copy of what is on the disk now, opened for reading: what a crash would leave. */
static uint64_t committed(uint32_t zone)
{
	struct zonedev copy;
	uint64_t written;

	zonedev_init(&copy);
	copy.opts.readonly = true;
	copy.m = memio_clone(z.m);
	zonedev_reopen(&copy);
	written = zonedev_written(&copy, zone);
	zonedev_free(&copy);
	return written;
}

static bool committed_within(uint32_t zone, uint64_t written, int ms)
{
	struct timespec ts = { .tv_nsec = 5000000 };

	for (; ms > 0; ms -= 5) {
		if (committed(zone) == written)
			return true;
		nanosleep(&ts, NULL);
	}
	return false;
}

START_TEST(readonly_refuses_all_changes)
{
	device_setup();
	ck_assert_int_eq(zonedev_append(&z, 2, 'a', 1000), 1000);
	ck_assert(!zq_device_readonly(z.dev));
	ck_assert_str_eq(zq_device_readonly_reason(z.dev), "");
	z.opts.readonly = true;
	zonedev_reopen(&z);
	ck_assert(zq_device_readonly(z.dev));
	ck_assert_str_ne(zq_device_readonly_reason(z.dev), "");
	ck_assert_int_eq(zonedev_append(&z, 2, 'a', 512), -EROFS);
	ck_assert_int_eq(zq_write(z.dev, 0, "x", 1, 0), -EROFS);
	ck_assert_int_eq(zq_zero(z.dev, 0, 512), -EROFS);
	ck_assert_int_eq(zq_zone_open(z.dev, 2), -EROFS);
	ck_assert_int_eq(zq_zone_reset(z.dev, 2), -EROFS);
	ck_assert_int_eq(zq_zone_finish(z.dev, 2), -EROFS);
	zonedev_expect(&z, 2, 0, 1000, 'a');
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_free(&z);
}
END_TEST

START_TEST(reading_leaves_the_file_alone)
{
	struct memio *before;

	device_setup();
	zonedev_append(&z, 2, 'a', 1000);
	zonedev_reopen(&z);
	before = memio_clone(z.m);
	zonedev_expect(&z, 2, 0, 1000, 'a');
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_reopen(&z);
	ck_assert(memio_equal(before, z.m, NULL));
	memio_free(before);
	zonedev_free(&z);
}
END_TEST

START_TEST(an_open_image_is_locked)
{
	struct zq_open_opts opts = { 0 };
	struct zq_error err = { "" };
	struct zq_device *second;

	device_setup();
	zonedev_append(&z, 2, 'a', 512);
	ck_assert_int_eq(zq_open_device_io(memio_open(z.m, "two", true), &opts, &second, &err),
			 -EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.msg, "in use by another process"));
	opts.readonly = true;
	ck_assert_int_eq(zq_open_device_io(memio_open(z.m, "two", false), &opts, &second, &err),
			 -EAGAIN);
	opts.force_share = true;
	ck_assert_int_eq(zq_open_device_io(memio_open(z.m, "two", false), &opts, &second, &err), 0);
	zq_close_device(second);
	opts.readonly = false;
	ck_assert_int_eq(zq_open_device_io(memio_open(z.m, "two", true), &opts, &second, &err),
			 -EINVAL);
	ck_assert_uint_eq(memio_open_count(z.m), 1); /* the failed ones closed what they got */
	zonedev_free(&z);
}
END_TEST

START_TEST(without_permission_it_opens_readonly)
{
	char dir[] = P_tmpdir "/zqfs-test-XXXXXX", path[64];
	struct zq_create_opts c = { .size = 1 << 20, .zone_size = 1 << 16 };
	struct zq_open_opts opts = { 0 };
	struct zq_error err = { "" };
	struct zq_device *dev;
	int rc;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/i", dir);
	ck_assert_int_eq(zq_create(path, &c, &err), 0);
	ck_assert_int_eq(chmod(path, 0444), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	if (geteuid() == 0) /* whom no mode stops */
		ck_assert_int_eq(seteuid(65534), 0);
	rc = zq_open_device(path, &opts, &dev, &err);
	if (rc == -EACCES && access(path, R_OK) < 0) {
		printf("skipped: the folder cannot be searched by others\n");
	} else {
		ck_assert_msg(rc == 0, "%d %s", rc, err.msg);
		ck_assert(zq_device_readonly(dev));
		ck_assert_ptr_nonnull(strstr(zq_device_readonly_reason(dev), "permission"));
		ck_assert_int_eq(zq_close_device(dev), 0);
		opts.require_rw = true;
		ck_assert_int_eq(zq_open_device(path, &opts, &dev, &err), -EACCES);
		ck_assert_ptr_nonnull(strstr(err.msg, path));
	}
	if (geteuid() != getuid())
		ck_assert_int_eq(seteuid(getuid()), 0);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(most_pointers_damaged_means_readonly)
{
	device_setup();
	for (uint32_t i = 2; i < 7; i++) {
		z.opts.require_rw = false;
		zonedev_poke_wp(&z, i, 1);
		zonedev_reopen(&z);
	}
	ck_assert(zq_device_readonly(z.dev));
	ck_assert_str_ne(zq_device_readonly_reason(z.dev), "");
	ck_assert_int_eq(zonedev_append(&z, 7, 'a', 512), -EROFS);
	zonedev_free(&z);
}
END_TEST

START_TEST(nothing_is_committed_unasked_without_a_committer)
{
	device_setup();
	zonedev_append(&z, 2, 'a', 1000);
	ck_assert_uint_eq(committed(2), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_uint_eq(committed(2), 1024);
	zonedev_append(&z, 2, 'a', 512);
	ck_assert_uint_eq(committed(2), 1024);
	ck_assert_int_eq(
		zq_append(z.dev, 2, NULL, 0, "a", 1, ZQ_WRITE_APPEND | ZQ_WRITE_SYNC, NULL), 1);
	ck_assert_uint_eq(committed(2), 2048);
	zonedev_free(&z);
}
END_TEST

START_TEST(sync_commits_every_change)
{
	zonedev_init(&z);
	z.opts.sync = true;
	zonedev_create(&z);
	zonedev_append(&z, 2, 'a', 1000);
	ck_assert_uint_eq(committed(2), 1024);
	ck_assert_int_eq(zq_zone_finish(z.dev, 2), 0);
	ck_assert_uint_eq(committed(2), 48 * KIB);
	ck_assert_int_eq(zq_zone_reset(z.dev, 2), 0);
	ck_assert_uint_eq(committed(2), 0);
	zonedev_free(&z);
}
END_TEST

START_TEST(the_committer_commits_in_time)
{
	struct memio_stats st;

	zonedev_init(&z);
	z.opts.committer = true;
	z.opts.commit_secs = 1;
	zonedev_create(&z);
	zonedev_append(&z, 2, 'a', 512);
	ck_assert_uint_eq(committed(2), 0);
	ck_assert(committed_within(2, 512, 5000));
	/* and again for the next change; soon when asked */
	zonedev_append(&z, 2, 'a', 512);
	zq_sync_soon(z.dev);
	ck_assert(committed_within(2, 1024, 700));
	/* then it rests */
	memio_clear_stats(z.m);
	zq_sync_soon(z.dev);
	usleep(1200000);
	memio_get_stats(z.m, &st);
	ck_assert_uint_eq(st.ops[MEMIO_FLUSH], 0);
	zonedev_free(&z);
}
END_TEST

START_TEST(the_committer_stops_and_starts)
{
	zonedev_init(&z);
	z.opts.committer = true;
	z.opts.commit_secs = 1;
	zonedev_create(&z);
	zq_stop_committer(z.dev);
	zq_stop_committer(z.dev);
	zonedev_append(&z, 2, 'a', 512);
	usleep(1300000);
	ck_assert_uint_eq(committed(2), 0);
	ck_assert_int_eq(zq_start_committer(z.dev), 0);
	ck_assert(committed_within(2, 512, 5000));
	zonedev_free(&z);
}
END_TEST

/* Much dirty metadata wakes the committer long before its time, and before the engine has to
 * commit in the middle of a write: that happens at three quarters of the cache. */
START_TEST(much_dirty_metadata_wakes_the_committer)
{
	bool some = false;

	zonedev_init(&z);
	z.p.geo.size = 64 << 20;
	z.p.geo.zone_size = 16 << 20;
	z.p.geo.zone_capacity = 16 << 20;
	z.p.geo.nr_zones = 4;
	z.p.geo.nr_conv = 0;
	z.p.cluster_bits = 9;
	z.opts.cache_bytes = 256 << 10;
	z.opts.committer = true;
	z.opts.commit_secs = 1000;
	zonedev_create(&z);
	for (unsigned i = 0; qcow2_pressure(z.dev->img) == QCOW2_PRESSURE_NONE && !some; i++) {
		ck_assert_uint_lt(i, 200);
		ck_assert_int_eq(zonedev_append(&z, 0, 'a', 64 * KIB), 64 * KIB);
		some = committed(0) > 0;
	}
	for (int ms = 0; ms < 3000 && !some; ms += 5) {
		usleep(5000);
		some = committed(0) > 0;
	}
	ck_assert(some);
	zonedev_free(&z);
}
END_TEST

START_TEST(a_million_zones)
{
	struct timespec t0, t1;
	struct zq_counts c;

	zonedev_init(&z);
	z.p.geo = (struct zq_geometry){ .size = UINT64_C(1000000) << 12,
					.zone_size = 4096,
					.zone_capacity = 4096,
					.nr_zones = 1000000,
					.max_append = 512 };
	z.p.cluster_bits = 16;
	zonedev_create(&z);
	ck_assert_int_eq(zonedev_append(&z, 999999, 'a', 512), 512);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	zonedev_reopen(&z);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	ck_assert_int_lt(t1.tv_sec - t0.tv_sec, 5);
	zq_get_counts(z.dev, &c);
	ck_assert_uint_eq(c.by_state[ZQ_EMPTY], 999999);
	ck_assert_uint_eq(c.by_state[ZQ_CLOSED], 1);
	ck_assert_uint_eq(c.unwritten, (UINT64_C(1000000) << 12) - 512);
	zonedev_free(&z);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(readonly_refuses_all_changes),
		CHECK_TEST(reading_leaves_the_file_alone),
		CHECK_TEST(an_open_image_is_locked),
		CHECK_TEST(without_permission_it_opens_readonly),
		CHECK_TEST(most_pointers_damaged_means_readonly),
		CHECK_TEST(nothing_is_committed_unasked_without_a_committer),
		CHECK_TEST(sync_commits_every_change),
		CHECK_TEST(the_committer_commits_in_time),
		CHECK_TEST(the_committer_stops_and_starts),
		CHECK_TEST(much_dirty_metadata_wakes_the_committer),
		CHECK_TEST(a_million_zones),
	};

	return check_main("zone/device", tests, ARRAY_SIZE(tests));
}
