/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/fault.c: what is left after a write, a reset, a finish or a commit failed, and what errors=
 * makes of it.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "check_main.h"
#include "zonedev.h"

#define KIB 1024u
#define CAP (48 * KIB)

static struct zonedev z;

/* Zone 2 holds 1000 bytes, all committed. */
static void device_faults_setup(enum zq_on_error policy)
{
	zonedev_init(&z);
	z.p.geo.max_open = 2;
	z.opts.on_error = policy;
	zonedev_create(&z);
	ck_assert_int_eq(zonedev_append(&z, 2, 'a', 1000), 1000);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(z.nr_logged, 0);
}

static void device_faults_finish(void)
{
	zonedev_check_counts(&z);
	zonedev_free(&z);
}

static void break_writes(int error)
{
	memio_fail(z.m, MEMIO_WRITE, 0, error, true, 0);
}

static void mend_device(void)
{
	memio_fail(z.m, MEMIO_WRITE, 0, 0, false, 0);
	memio_fail(z.m, MEMIO_FLUSH, 0, 0, false, 0);
}

START_TEST(a_failed_write_changes_nothing)
{
	struct zq_zone_info before, after;

	device_faults_setup(ZQ_ERRORS_REPAIR);
	ck_assert_int_eq(zq_zone_close(z.dev, 2), 0);
	for (uint32_t zone = 2; zone < 4; zone++) { /* a closed one, an empty one */
		before = zonedev_zone(&z, zone);
		break_writes(EIO);
		ck_assert_int_eq(zonedev_append(&z, zone, 'b', 3000), -EIO);
		ck_assert_int_eq(zonedev_append(&z, zone, 'b', CAP),
				 -EIO); /* would have filled it */
		mend_device();
		after = zonedev_zone(&z, zone);
		ck_assert_uint_eq(after.state, before.state);
		ck_assert_uint_eq(after.wp, before.wp);
		ck_assert_int_eq(after.mtime_sec, before.mtime_sec);
		ck_assert_uint_eq(after.mtime_nsec, before.mtime_nsec);
		zonedev_check_counts(&z);
	}
	ck_assert_int_ge(z.nr_logged, 1);
	ck_assert_ptr_nonnull(strstr(z.logged, "zone 3 (seq/1): write failed"));
	/* and everything goes on */
	ck_assert_int_eq(zonedev_append(&z, 3, 'b', 512), 512);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), 512);
	zonedev_expect(&z, 2, 0, 1000, 'a');
	zonedev_expect(&z, 2, 1000, 24, 0);
	zonedev_expect(&z, 2, 1024, 512, 'b');
	device_faults_finish();
}
END_TEST

START_TEST(a_full_host_changes_nothing)
{
	ssize_t rc;

	device_faults_setup(ZQ_ERRORS_REMOUNT_RO);
	break_writes(ENOSPC);
	rc = zonedev_append(&z, 3, 'b', 40 * KIB);
	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_uint_eq(zonedev_state(&z, 3), ZQ_EMPTY);
	ck_assert_uint_eq(zonedev_written(&z, 3), 0);
	ck_assert(!zq_device_readonly(z.dev));
	mend_device();
	ck_assert_int_eq(zonedev_append(&z, 3, 'b', 40 * KIB), 40 * KIB);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_expect(&z, 3, 0, 40 * KIB, 'b');
	device_faults_finish();
}
END_TEST

START_TEST(a_failed_write_spares_the_padding)
{
	struct zq_writer w = { 0 };

	device_faults_setup(ZQ_ERRORS_REPAIR);
	ck_assert_int_eq(zq_append(z.dev, 3, &w, 0, "abc", 3, 0, NULL), 3);
	/* half of it arrives, then the disk fails once */
	memio_fail(z.m, MEMIO_WRITE, 0, EIO, false, 2);
	ck_assert_int_eq(zq_append(z.dev, 3, &w, 3, "WXYZ", 4, 0, NULL), -EIO);
	zonedev_expect(&z, 3, 3, 509, 0);
	ck_assert_int_eq(zq_append(z.dev, 3, &w, 3, "def", 3, 0, NULL), 3);
	zonedev_expect(&z, 3, 6, 506, 0);
	zonedev_expect(&z, 3, 5, 1, 'f');
	device_faults_finish();
}
END_TEST

/* EINVAL is "not at the write pointer" and EPERM "the zone is read-only" to a writer: neither is
 * what a host means that says so. */
START_TEST(what_the_host_refuses_is_an_io_error)
{
	static const int refusals[] = { EINVAL, EPERM };

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		char buf[512];

		device_faults_setup(ZQ_ERRORS_REPAIR);
		break_writes(refusals[i]);
		ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), -EIO);
		ck_assert_int_eq(zq_write(z.dev, 0, "x", 1, 0), -EIO);
		mend_device();
		ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), 512);
		break_writes(refusals[i]);
		ck_assert_int_eq(zq_sync(z.dev), -EIO);
		mend_device();
		memio_fail(z.m, MEMIO_READ, 0, refusals[i], false, 0);
		ck_assert_int_eq(zq_read(z.dev, 2, 0, buf, sizeof(buf)), -EIO);
		memio_fail(z.m, MEMIO_SIZE, 0, refusals[i], true, 0);
		ck_assert_int_eq(zq_sync(z.dev), -EIO);
		memio_fail(z.m, MEMIO_SIZE, 0, 0, false, 0);
		ck_assert_int_eq(zq_sync(z.dev), 0);
		memio_fail(z.m, MEMIO_RESERVE, 0, refusals[i], true, 0);
		memio_fail(z.m, MEMIO_PUNCH, 0, refusals[i], true, 0);
		ck_assert_int_eq(zq_zone_reset(z.dev, 2), 0);
		ck_assert_int_eq(zonedev_append(&z, 2, 'c', CAP), CAP);
		ck_assert_int_eq(zq_sync(z.dev), 0);
		device_faults_finish();
	}
}
END_TEST

START_TEST(errors_remount_ro)
{
	device_faults_setup(ZQ_ERRORS_REMOUNT_RO);
	break_writes(EIO);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), -EIO);
	mend_device();
	ck_assert(zq_device_readonly(z.dev));
	ck_assert_ptr_nonnull(strstr(zq_device_readonly_reason(z.dev), "zone 2"));
	ck_assert_ptr_nonnull(strstr(z.logged, "read-only"));
	ck_assert_int_eq(zonedev_append(&z, 3, 'b', 512), -EROFS);
	ck_assert_int_eq(zq_zone_reset(z.dev, 2), -EROFS);
	ck_assert_uint_eq(zonedev_written(&z, 2), 1024);
	zonedev_expect(&z, 2, 0, 1000, 'a');
	device_faults_finish();
}
END_TEST

START_TEST(errors_zone_ro)
{
	device_faults_setup(ZQ_ERRORS_ZONE_RO);
	break_writes(EIO);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), -EIO);
	mend_device();
	ck_assert(!zq_device_readonly(z.dev));
	ck_assert_uint_eq(zonedev_state(&z, 2), ZQ_READ_ONLY);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), -EPERM);
	zonedev_expect(&z, 2, 0, 1000, 'a');
	ck_assert_int_eq(zonedev_append(&z, 3, 'b', 512), 512);
	device_faults_finish();
}
END_TEST

START_TEST(errors_zone_offline)
{
	char c;

	device_faults_setup(ZQ_ERRORS_ZONE_OFFLINE);
	break_writes(EIO);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), -EIO);
	mend_device();
	ck_assert_uint_eq(zonedev_state(&z, 2), ZQ_OFFLINE);
	ck_assert_uint_eq(zonedev_written(&z, 2), 0);
	ck_assert_int_eq(zq_read(z.dev, 2, 0, &c, 1), -EPERM);
	ck_assert_int_eq(zonedev_append(&z, 3, 'b', 512), 512);
	/* a conventional zone as well */
	break_writes(EIO);
	ck_assert_int_eq(zq_write(z.dev, 0, "x", 1, 0), -EIO);
	mend_device();
	ck_assert_uint_eq(zonedev_state(&z, 0), ZQ_OFFLINE);
	ck_assert_uint_eq(zonedev_state(&z, 1), ZQ_NOT_WP);
	device_faults_finish();
}
END_TEST

START_TEST(a_failed_finish_changes_nothing)
{
	device_faults_setup(ZQ_ERRORS_REPAIR);
	/* bytes behind the pointer that only a write can make zeros: a pointer moved back by hand
	 */
	zonedev_append(&z, 3, 'b', 3072);
	zonedev_poke_wp(&z, 3, zonedev_zone(&z, 3).start + 512);
	zonedev_reopen(&z);
	zonedev_append(&z, 2, 'a', 512); /* the first change is behind us */
	break_writes(EIO);
	ck_assert_int_eq(zq_zone_finish(z.dev, 3), -EIO);
	mend_device();
	ck_assert_uint_eq(zonedev_state(&z, 3), ZQ_CLOSED);
	ck_assert_uint_eq(zonedev_written(&z, 3), 512);
	zonedev_check_counts(&z);
	ck_assert_int_eq(zq_zone_finish(z.dev, 3), 0);
	zonedev_expect(&z, 3, 0, 512, 'b');
	zonedev_expect(&z, 3, 512, CAP - 512, 0);
	device_faults_finish();
}
END_TEST

/* Zones within one cluster: a reset has to zero in place, after a commit. */
START_TEST(a_failed_reset_shows_nothing_old)
{
	zonedev_init(&z);
	z.p.cluster_bits = 18;
	z.opts.on_error = ZQ_ERRORS_REPAIR;
	zonedev_create(&z);
	zonedev_append(&z, 4, 'o', CAP);
	zonedev_append(&z, 5, 'n', CAP);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	break_writes(EIO);
	ck_assert_int_lt(zq_zone_reset(z.dev, 4), 0);
	ck_assert_uint_eq(zonedev_state(&z, 4), ZQ_EMPTY);
	ck_assert_uint_eq(zonedev_written(&z, 4), 0);
	/* what is stale goes before anything else comes */
	ck_assert_int_lt(zonedev_append(&z, 4, 'x', 512), 0);
	ck_assert_uint_eq(zonedev_state(&z, 4), ZQ_EMPTY);
	mend_device();
	ck_assert_int_eq(zonedev_append(&z, 4, 'x', 512), 512);
	ck_assert_int_eq(zq_zone_finish(z.dev, 4), 0);
	zonedev_expect(&z, 4, 0, 512, 'x');
	zonedev_expect(&z, 4, 512, CAP - 512, 0);
	zonedev_expect(&z, 5, 0, CAP, 'n');
	device_faults_finish();
}
END_TEST

START_TEST(a_failed_commit_is_reported)
{
	device_faults_setup(ZQ_ERRORS_REMOUNT_RO);
	zonedev_append(&z, 2, 'b', 512);
	break_writes(EIO);
	ck_assert_int_eq(zq_sync(z.dev), -EIO);
	ck_assert(zq_device_readonly(z.dev));
	ck_assert_ptr_nonnull(strstr(z.logged, "commit failed"));
	/* all is still dirty: it goes to disk once it can */
	mend_device();
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_written(&z, 2), 1536);
	device_faults_finish();
}
END_TEST

START_TEST(a_commit_without_room_is_no_fault)
{
	device_faults_setup(ZQ_ERRORS_REMOUNT_RO);
	zonedev_append(&z, 2, 'b', 512);
	break_writes(ENOSPC);
	ck_assert_int_eq(zq_sync(z.dev), -ENOSPC);
	ck_assert(!zq_device_readonly(z.dev));
	mend_device();
	ck_assert_int_eq(zq_sync(z.dev), 0);
	device_faults_finish();
}
END_TEST

/* What may come again and again must be told from what happens once: the log leaves out the first.
 */
START_TEST(news_are_critical)
{
	static const struct {
		enum zq_on_error policy;
		int critical;
	} all[] = {
		{ ZQ_ERRORS_REPAIR, 0 },
		{ ZQ_ERRORS_REMOUNT_RO, 1 },
		{ ZQ_ERRORS_ZONE_RO, 1 },
		{ ZQ_ERRORS_ZONE_OFFLINE, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		device_faults_setup(all[i].policy);
		break_writes(EIO);
		for (int n = 0; n < 3; n++)
			ck_assert_int_lt(zonedev_append(&z, 2, 'b', 512), 0);
		ck_assert_int_eq(z.nr_critical, all[i].critical);
		ck_assert_int_eq(z.nr_logged, all[i].critical ? 1 : 3);
		mend_device();
		device_faults_finish();
	}
	/* a commit that fails is told of once, and so is a flush, which is for good */
	device_faults_setup(ZQ_ERRORS_REPAIR);
	zonedev_append(&z, 2, 'b', 512);
	memio_fail(z.m, MEMIO_FLUSH, 0, EIO, true, 0);
	for (int n = 0; n < 3; n++)
		ck_assert_int_eq(zq_sync(z.dev), -EIO);
	ck_assert_int_eq(z.nr_critical, 1);
	ck_assert_int_eq(z.priority, LOG_CRIT);
	ck_assert_ptr_nonnull(strstr(z.logged, "nothing more will be committed"));
	mend_device();
	device_faults_finish();
}
END_TEST

/* To a writer EFBIG is the end of a zone, never a limit of the image's file. */
START_TEST(a_limit_is_a_full_host)
{
	device_faults_setup(ZQ_ERRORS_REMOUNT_RO);
	zonedev_append(&z, 2, 'b', 512);
	break_writes(EFBIG);
	ck_assert_int_eq(zq_sync(z.dev), -ENOSPC);
	ck_assert_int_eq(zonedev_append(&z, 2, 'b', 512), -ENOSPC);
	ck_assert_int_eq(zq_write(z.dev, 0, "a", 1, ZQ_WRITE_SYNC), -ENOSPC);
	ck_assert_int_eq(zq_sync(z.dev), -ENOSPC);
	/* the failed commit and, once, why there is no room */
	ck_assert_int_eq(z.nr_logged, 2);
	ck_assert_int_eq(z.nr_critical, 2);
	ck_assert_ptr_nonnull(strstr(z.logged, "a limit, not the disk"));
	ck_assert(!zq_device_readonly(z.dev));
	mend_device();
	ck_assert_int_eq(zq_sync(z.dev), 0);
	device_faults_finish();
}
END_TEST

START_TEST(a_background_failure_concerns_no_later_sync)
{
	zonedev_init(&z);
	z.opts.on_error = ZQ_ERRORS_REPAIR;
	z.opts.committer = true;
	z.opts.commit_secs = 30;
	zonedev_create(&z);
	zonedev_append(&z, 2, 'a', 512);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_append(&z, 2, 'a', 512);
	break_writes(EIO);
	zq_sync_soon(z.dev);
	for (int i = 0; i < 1000 && !memio_failures(z.m, MEMIO_WRITE); i++)
		usleep(5000);
	zq_stop_committer(z.dev);
	ck_assert_uint_gt(memio_failures(z.m, MEMIO_WRITE), 0);
	ck_assert_int_eq(zq_sync(z.dev), -EIO); /* its own commit */
	mend_device();
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(z.nr_logged, 1);
	device_faults_finish();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_failed_write_changes_nothing),
		CHECK_TEST(a_full_host_changes_nothing),
		CHECK_TEST(a_failed_write_spares_the_padding),
		CHECK_TEST(what_the_host_refuses_is_an_io_error),
		CHECK_TEST(errors_remount_ro),
		CHECK_TEST(errors_zone_ro),
		CHECK_TEST(errors_zone_offline),
		CHECK_TEST(a_failed_finish_changes_nothing),
		CHECK_TEST(a_failed_reset_shows_nothing_old),
		CHECK_TEST(a_failed_commit_is_reported),
		CHECK_TEST(a_commit_without_room_is_no_fault),
		CHECK_TEST(news_are_critical),
		CHECK_TEST(a_limit_is_a_full_host),
		CHECK_TEST(a_background_failure_concerns_no_later_sync),
	};

	return check_main("zone/faults", tests, ARRAY_SIZE(tests));
}
