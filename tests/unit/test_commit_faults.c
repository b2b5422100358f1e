/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commits that fail: nothing is forgotten, the next one completes, and a power failure while
 * it does so leaves an image without errors.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "qimage.h"

static struct qimage q;

/* Work that touches every step: a reset, a rewrite, new tables, copies. */
static void some_work(void)
{
	qimage_reset(&q, 4);
	ck_assert_int_eq(qimage_append(&q, 4, 'd', 8192), 0);
	ck_assert_int_eq(qimage_append(&q, 3, 'd', 8192), 0);
	ck_assert_int_eq(qimage_append(&q, 6, 'd', 8192), 0);
	ck_assert_int_eq(qimage_write(&q, 4096, 'd', 4096), 0);
}

static void expect_work(void)
{
	qimage_expect(&q, 4 << 16, 8192, 'd');
	qimage_expect(&q, (4 << 16) + 8192, 8192, 0);
	qimage_expect(&q, 3 << 16, 512, 'a');
	qimage_expect(&q, (3 << 16) + 512, 8192, 'd');
	qimage_expect(&q, 6 << 16, 8192, 'd');
	qimage_expect(&q, 4096, 4096, 'd');
	ck_assert_uint_eq(qcow2_wp_now(q.img, 6), (6 << 16) + 8192);
	ck_assert_uint_eq(qcow2_wp_now(q.img, 4), (4 << 16) + 8192);
}

static void setup_small(void)
{
	qimage_init(&q);
	q.p.cluster_bits = 9; /* a table maps 32 KiB */
	qimage_create(&q);
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 512), 0);
	ck_assert_int_eq(qimage_append(&q, 4, 'a', 16384), 0);
	qimage_reopen(&q);
}

START_TEST(failed_write_keeps_all_and_the_next_commit_completes)
{
	unsigned failures = 0;

	for (uint64_t n = 0;; n++) {
		bool failed;

		setup_small();
		some_work();
		memio_fail(q.m, MEMIO_WRITE, n, n % 2 ? ENOSPC : EIO, false, n % 3 * 256);
		failed = qcow2_commit(q.img) != 0;
		ck_assert_int_eq(failed, memio_failures(q.m, MEMIO_WRITE) == 1);
		memio_fail(q.m, MEMIO_WRITE, 0, 0, false, 0);
		if (failed) {
			ck_assert(qcow2_dirty(q.img));
			expect_work(); /* in memory nothing is lost */
			qimage_check(&q);
		}
		qimage_reopen(&q);
		expect_work();
		qimage_commit(&q);
		qimage_check(&q);
		qimage_free(&q);
		if (!failed)
			break;
		failures++;
	}
	ck_assert_uint_ge(failures, 7);
}
END_TEST

START_TEST(after_a_failed_flush_nothing_is_vouched_for)
{
	unsigned failures = 0;

	for (uint64_t n = 0;; n++) {
		setup_small();
		some_work();
		memio_fail(q.m, MEMIO_FLUSH, n, EIO, false, 0);
		if (qcow2_commit(q.img) == 0) {
			qimage_free(&q);
			break;
		}
		failures++;
		memio_log_start(q.m);
		ck_assert_int_eq(qcow2_commit(q.img), -EIO);
		ck_assert_int_eq(qcow2_commit(q.img), -EIO);
		ck_assert_uint_eq(memio_log_count(q.m), 0);
		expect_work();
		qimage_check(&q);
		qimage_free(&q);
	}
	ck_assert_uint_eq(failures, 4);
}
END_TEST

/* All that is written in these tests is not zero: below a pointer there is data. */
static void expect_no_hole(struct memio *m, const char *what)
{
	struct qimage after = { .p = q.p, .m = m, .name = "mem" };
	uint8_t *buf = malloc(q.p.geo.zone_size);

	qimage_open(&after);
	for (uint32_t zone = 2; zone < 8; zone++) {
		uint64_t start = zq_zone_start(&q.p.geo, zone);
		uint64_t len = qcow2_wp_now(after.img, zone) - start;

		ck_assert_int_eq(qcow2_read(after.img, start, buf, len), 0);
		ck_assert_msg(!memchr(buf, 0, len), "%s: zone %u has a hole", what, zone);
	}
	free(buf);
	qimage_close(&after);
}

/*
 * The retry after a failed commit finds parts of it on disk. Power fails again within the
 * retry: everything since its last flush is in doubt, write by write.
 */
static void crash_in_retry(struct memio *before, unsigned salt, uint64_t n)
{
	size_t entries = memio_log_count(q.m);
	char what[96];

	for (size_t at = 0; at <= entries; at++) {
		struct memio *m = memio_clone(before);
		size_t stable = memio_log_last_flush(q.m, at);

		memio_replay(q.m, 0, stable, m, NULL, NULL);
		for (size_t i = stable; i < at; i++)
			if ((i * 2654435761u >> 7 ^ salt) & 1)
				memio_replay(q.m, i, i + 1, m, NULL, NULL);
		snprintf(what, sizeof(what), "write %llu failed, crash at %zu of %zu, salt %u",
			 (unsigned long long)n, at, entries, salt);
		qimage_check_file(m, what);
		expect_no_hole(m, what);
		memio_free(m);
	}
}

static bool fail_then_crash(uint64_t n, void (*start)(void), void (*work)(void))
{
	struct memio *before;
	bool failed;

	start();
	work();
	memio_fail(q.m, MEMIO_WRITE, n, EIO, false, 0);
	failed = qcow2_commit(q.img) != 0;
	if (failed) {
		before = memio_clone(q.m);
		memio_log_start(q.m);
		for (uint32_t zone = 3; zone < 8; zone++)
			if (qcow2_wp_now(q.img, zone) + 3000 < (zone + 1) << 16)
				ck_assert_int_eq(qimage_append(&q, zone, 'f', 3000), 0);
		qimage_commit(&q);
		memio_log_stop(q.m);
		for (unsigned salt = 0; salt < 16; salt++)
			crash_in_retry(before, salt, n);
		memio_free(before);
	}
	qimage_free(&q);
	return failed;
}

START_TEST(power_may_fail_while_a_commit_is_retried)
{
	uint64_t n = 0;

	while (fail_then_crash(n, setup_small, some_work))
		n++;
	ck_assert_uint_ge(n, 7);
}
END_TEST

static void no_image(void)
{
}

static void commit_faults_grow(void)
{
	qimage_grow_table(&q);
}

START_TEST(power_may_fail_while_a_larger_table_is_retried)
{
	uint64_t n = 0;

	while (fail_then_crash(n, no_image, commit_faults_grow))
		n++;
	ck_assert_uint_ge(n, 8);
}
END_TEST

START_TEST(a_file_that_somebody_cuts_takes_no_more_commits)
{
	setup_small();
	qimage_commit(&q);
	some_work();
	memio_resize(q.m, memio_size(q.m) / 2);
	q.nr_logged = 0;
	ck_assert_int_eq(qcow2_commit(q.img), -EIO);
	ck_assert_uint_eq(q.nr_logged, 1);
	ck_assert_msg(strstr(q.logged, "has been cut from"), "%s", q.logged);
	ck_assert(!qcow2_commits(q.img));
	ck_assert_int_eq(qimage_append(&q, 5, 'e', 512), -EIO);
	ck_assert_int_eq(qcow2_commit(q.img), -EIO);
	ck_assert_uint_eq(q.nr_logged, 1);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_file_that_somebody_cuts_takes_no_more_commits),
		CHECK_TEST(failed_write_keeps_all_and_the_next_commit_completes),
		CHECK_TEST(after_a_failed_flush_nothing_is_vouched_for),
		CHECK_TEST(power_may_fail_while_a_commit_is_retried),
		CHECK_TEST(power_may_fail_while_a_larger_table_is_retried),
	};

	return check_main_timeout("qcow2/commit faults", tests, ARRAY_SIZE(tests), 120);
}
