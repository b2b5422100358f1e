/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/append.c: where a write lands, what is refused and in which order.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "check_main.h"
#include "zonedev.h"

#define KIB  1024u
#define CAP  (48 * KIB)
#define ZONE 3u /* any sequential one */

static struct zonedev z;
static char buf[256 * KIB];

static void append_setup(void)
{
	zonedev_init(&z);
	zonedev_create(&z);
	memset(buf, 'x', sizeof(buf));
}

static void append_finish(void)
{
	zonedev_check_counts(&z);
	zonedev_free(&z);
}

static ssize_t append_write_at(struct zq_writer *w, uint64_t off, const char *text, unsigned flags)
{
	return zq_append(z.dev, ZONE, w, off, text, strlen(text), flags, NULL);
}

static void expect_text(uint64_t off, const char *text)
{
	char got[64] = "";

	ck_assert_int_eq(zq_read(z.dev, ZONE, off, got, strlen(text)), (ssize_t)strlen(text));
	ck_assert_str_eq(got, text);
}

START_TEST(whole_blocks_move_the_pointer)
{
	struct zq_zone_info i;
	uint64_t where = 99;

	append_setup();
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 0, buf, 1024, 0, &where), 1024);
	ck_assert_uint_eq(where, 0);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 1024, buf, 512, 0, &where), 512);
	ck_assert_uint_eq(where, 1024);
	i = zonedev_zone(&z, ZONE);
	ck_assert_uint_eq(i.written, 1536);
	ck_assert_uint_eq(i.wp, i.start + 1536);
	ck_assert_uint_eq(i.state, ZQ_IMPLICIT_OPEN);
	zonedev_expect(&z, ZONE, 0, 1536, 'x');
	ck_assert_int_eq(zq_read(z.dev, ZONE, 1024, buf, 4096), 512);
	ck_assert_int_eq(zq_read(z.dev, ZONE, 1536, buf, 1), 0);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_state(&z, ZONE), ZQ_CLOSED);
	zonedev_expect(&z, ZONE, 0, 1536, 'x');
	append_finish();
}
END_TEST

START_TEST(other_offsets_change_nothing)
{
	struct zq_zone_info before, after;

	append_setup();
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'a', 1024), 1024);
	before = zonedev_zone(&z, ZONE);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 0, buf, 512, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 512, buf, 512, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 1536, buf, 512, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 1025, buf, 512, 0, NULL), -EINVAL);
	after = zonedev_zone(&z, ZONE);
	ck_assert_uint_eq(after.wp, before.wp);
	ck_assert_uint_eq(after.state, before.state);
	ck_assert_int_eq(after.mtime_sec, before.mtime_sec);
	ck_assert_uint_eq(after.mtime_nsec, before.mtime_nsec);
	/* not even an empty zone opens */
	ck_assert_int_eq(zq_append(z.dev, ZONE + 1, NULL, 512, buf, 512, 0, NULL), -EINVAL);
	ck_assert_uint_eq(zonedev_state(&z, ZONE + 1), ZQ_EMPTY);
	/* a conventional zone and one that does not exist */
	ck_assert_int_eq(zq_append(z.dev, 0, NULL, 0, buf, 512, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, 8, NULL, 0, buf, 512, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 1024, buf, 0, 0, NULL), 0);
	append_finish();
}
END_TEST

START_TEST(ends_at_the_capacity)
{
	append_setup();
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, CAP, buf, 512, 0, NULL), -EFBIG);
	/* direct and misaligned, but behind the capacity: that is said first */
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, CAP + 1, buf, 3, ZQ_WRITE_DIRECT, NULL),
			 -EFBIG);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, UINT64_MAX, buf, 512, 0, NULL), -EFBIG);
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'a', CAP - 1024), CAP - 1024);
	/* shortened before its length is looked at */
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, CAP - 1024, buf, 5555, ZQ_WRITE_DIRECT, NULL),
			 1024);
	ck_assert_uint_eq(zonedev_state(&z, ZONE), ZQ_FULL);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), CAP);
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'a', 1), -EFBIG);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 0, buf, 512, 0, NULL), -EINVAL);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_state(&z, ZONE), ZQ_FULL);
	/* as a zone that was filled, not finished */
	ck_assert_uint_eq(zonedev_zone(&z, ZONE).wp, zonedev_zone(&z, ZONE).start + CAP);
	zonedev_expect(&z, ZONE, CAP - 1024, 1024, 'x');
	append_finish();
}
END_TEST

START_TEST(direct_and_strict_take_whole_blocks)
{
	append_setup();
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 0, buf, 511, ZQ_WRITE_DIRECT, NULL), -EINVAL);
	ck_assert_int_eq(append_write_at(NULL, 0, "abc", 0), 3);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 512, buf, 512, ZQ_WRITE_DIRECT, NULL), 512);
	z.opts.strict = true;
	zonedev_reopen(&z);
	ck_assert_int_eq(append_write_at(NULL, 1024, "abc", 0), -EINVAL);
	ck_assert_int_eq(append_write_at(NULL, 0, "abc", ZQ_WRITE_APPEND), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 1024, buf, 512, 0, NULL), 512);
	append_finish();
}
END_TEST

START_TEST(a_stream_is_contiguous)
{
	struct zq_writer w = { 0 };

	append_setup();
	ck_assert_int_eq(append_write_at(&w, 0, "one ", 0), 4);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 512);
	ck_assert_int_eq(append_write_at(&w, 4, "two ", 0), 4);
	ck_assert_int_eq(append_write_at(&w, 0, "three", ZQ_WRITE_APPEND), 5);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 512);
	expect_text(0, "one two three");
	zonedev_expect(&z, ZONE, 13, 499, 0);
	/* on disk it is padded, and goes on behind its last byte all the same */
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_append(z.dev, ZONE, &w, 13, buf, 600, 0, NULL), 600);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 1024);
	zonedev_expect(&z, ZONE, 13, 600, 'x');
	zonedev_expect(&z, ZONE, 613, 411, 0);
	/* it may skip its padding */
	ck_assert_int_eq(append_write_at(&w, 1024, "end", 0), 3);
	expect_text(1024, "end");
	ck_assert_int_eq(append_write_at(&w, 613, "no", 0), -EINVAL);
	zonedev_reopen(&z);
	expect_text(0, "one two three");
	append_finish();
}
END_TEST

START_TEST(a_writer_belongs_to_one_zone_and_one_opening)
{
	struct zq_writer w = { 0 };

	zonedev_init(&z);
	zonedev_create(&z);
	/* as many writes in both zones, the last block of the second is somebody else's */
	ck_assert_int_eq(append_write_at(&w, 0, "www", ZQ_WRITE_APPEND), 3);
	for (uint32_t zone = ZONE; zone < ZONE + 2; zone++)
		ck_assert_int_eq(zonedev_append(&z, zone, 'B', 600), 600);
	ck_assert_int_eq(zq_append(z.dev, ZONE + 1, &w, 0, "WWW", 3, ZQ_WRITE_APPEND, NULL), 3);
	zonedev_expect(&z, ZONE + 1, 0, 600, 'B');
	zonedev_expect(&z, ZONE + 1, 1024, 3, 'W');
	/* the same number of writes after the next opening */
	memset(&w, 0, sizeof(w));
	ck_assert_int_eq(zq_zone_reset(z.dev, ZONE), 0);
	zonedev_reopen(&z);
	ck_assert_int_eq(append_write_at(&w, 0, "www", ZQ_WRITE_APPEND), 3);
	zonedev_reopen(&z);
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'B', 600), 600);
	ck_assert_int_eq(append_write_at(&w, 0, "WWW", ZQ_WRITE_APPEND), 3);
	zonedev_expect(&z, ZONE, 512, 600, 'B');
	zonedev_expect(&z, ZONE, 1536, 3, 'W');
	zonedev_free(&z);
}
END_TEST

START_TEST(another_writer_goes_behind_the_padding)
{
	struct zq_writer a = { 0 }, b = { 0 };
	uint64_t where;

	append_setup();
	ck_assert_int_eq(append_write_at(&a, 0, "first", 0), 5);
	ck_assert_int_eq(zq_append(z.dev, ZONE, &b, 0, "second", 6, ZQ_WRITE_APPEND, &where), 6);
	ck_assert_uint_eq(where, 512);
	/* the first one's place is gone, unless it appends */
	ck_assert_int_eq(append_write_at(&a, 5, "more", 0), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, &a, 0, "third", 5, ZQ_WRITE_APPEND, &where), 5);
	ck_assert_uint_eq(where, 1024);
	/* what the kernel makes of RWF_APPEND: the end that it knows, within the padding */
	ck_assert_int_eq(zq_append(z.dev, ZONE, &b, 1029, "fourth", 6, 0, &where), 6);
	ck_assert_uint_eq(where, 1536);
	expect_text(0, "first");
	zonedev_expect(&z, ZONE, 5, 507, 0);
	expect_text(512, "second");
	expect_text(1024, "third");
	expect_text(1536, "fourth");
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 2048);
	append_finish();
}
END_TEST

START_TEST(closing_and_reset_end_a_stream)
{
	struct zq_writer w = { 0 };

	append_setup();
	ck_assert_int_eq(append_write_at(&w, 0, "abc", 0), 3);
	ck_assert_int_eq(zq_zone_close(z.dev, ZONE), 0);
	ck_assert_int_eq(append_write_at(&w, 3, "def", 0), -EINVAL);
	ck_assert_int_eq(append_write_at(&w, 0, "def", ZQ_WRITE_APPEND), 3);
	expect_text(512, "def");
	ck_assert_int_eq(zq_zone_reset(z.dev, ZONE), 0);
	ck_assert_int_eq(append_write_at(&w, 515, "ghi", 0), -EINVAL);
	ck_assert_int_eq(append_write_at(&w, 0, "ghi", 0), 3);
	ck_assert_int_eq(zq_zone_finish(z.dev, ZONE), 0);
	ck_assert_int_eq(append_write_at(&w, 3, "jkl", 0), -EINVAL);
	ck_assert_int_eq(append_write_at(&w, 3, "jkl", ZQ_WRITE_APPEND), -EFBIG);
	expect_text(0, "ghi");
	zonedev_expect(&z, ZONE, 3, CAP - 3, 0);
	append_finish();
}
END_TEST

START_TEST(the_last_block_of_a_full_zone)
{
	struct zq_writer w = { 0 }, other = { 0 };

	append_setup();
	ck_assert_int_eq(zq_append(z.dev, ZONE, &w, 0, buf, CAP - 100, 0, NULL), CAP - 100);
	/* the pointer has reached the capacity, the stream has not */
	ck_assert_uint_eq(zonedev_state(&z, ZONE), ZQ_FULL);
	ck_assert_int_eq(append_write_at(&other, CAP - 100, "no", 0), -EFBIG);
	ck_assert_int_eq(append_write_at(&w, CAP - 100, "tail", 0), 4);
	ck_assert_int_eq(zq_append(z.dev, ZONE, &w, CAP - 96, buf, 1000, 0, NULL), 96);
	ck_assert_int_eq(zq_append(z.dev, ZONE, &w, 0, buf, 1, ZQ_WRITE_APPEND, NULL), -EFBIG);
	expect_text(CAP - 100, "tail");
	zonedev_expect(&z, ZONE, CAP - 96, 96, 'x');
	ck_assert_uint_eq(zonedev_written(&z, ZONE), CAP);
	append_finish();
}
END_TEST

START_TEST(a_pointer_within_a_block_goes_on_there)
{
	struct zq_writer w = { 0 };
	struct zq_zone_info i;

	append_setup();
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'a', 1024), 1024);
	i = zonedev_zone(&z, ZONE);
	zonedev_poke_wp(&z, ZONE, i.start + 700);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 700);
	ck_assert_int_eq(append_write_at(&w, 512, "no", 0), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, &w, 700, buf, 512, ZQ_WRITE_DIRECT, NULL), -EINVAL);
	ck_assert_int_eq(append_write_at(&w, 700, "here", 0), 4);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 1024);
	zonedev_expect(&z, ZONE, 0, 700, 'a');
	expect_text(700, "here");
	zonedev_expect(&z, ZONE, 704, 320, 0);
	append_finish();
}
END_TEST

static void *write_later(void *arg)
{
	struct timespec ts = { .tv_nsec = 2000000 };

	nanosleep(&ts, NULL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 0, buf, 4096, 0, NULL), 4096);
	return arg;
}

START_TEST(a_write_ahead_waits_for_the_gap)
{
	struct timespec t0, t1;
	pthread_t t;
	long ms;

	append_setup();
	pthread_create(&t, NULL, write_later, NULL);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 4096, buf, 512, ZQ_WRITE_WAIT, NULL), 512);
	pthread_join(t, NULL);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 4608);
	/* a gap that stays: not at once, not forever */
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 8192, buf, 512, ZQ_WRITE_WAIT, NULL),
			 -EINVAL);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	ms = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
	ck_assert_int_ge(ms, 9);
	ck_assert_int_lt(ms, 2000);
	append_finish();
}
END_TEST

START_TEST(the_short_last_zone)
{
	zonedev_init(&z);
	z.p.geo.size = 7 * 64 * KIB + 5 * KIB;
	zonedev_create(&z);
	ck_assert_uint_eq(zonedev_zone(&z, 7).capacity, 5 * KIB);
	memset(buf, 'q', sizeof(buf));
	ck_assert_int_eq(zq_append(z.dev, 7, NULL, 0, buf, sizeof(buf), 0, NULL), 5 * KIB);
	ck_assert_uint_eq(zonedev_state(&z, 7), ZQ_FULL);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_state(&z, 7), ZQ_FULL);
	zonedev_expect(&z, 7, 0, 5 * KIB, 'q');
	append_finish();
}
END_TEST

START_TEST(times_move_with_every_write)
{
	struct zq_zone_info i, last;

	append_setup();
	last = zonedev_zone(&z, ZONE);
	for (int n = 0; n < 20; n++) {
		ck_assert_int_eq(zonedev_append(&z, ZONE, 'a', 512), 512);
		i = zonedev_zone(&z, ZONE);
		ck_assert(i.mtime_sec > last.mtime_sec ||
			  (i.mtime_sec == last.mtime_sec && i.mtime_nsec > last.mtime_nsec));
		last = i;
	}
	append_finish();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(whole_blocks_move_the_pointer),
		CHECK_TEST(other_offsets_change_nothing),
		CHECK_TEST(ends_at_the_capacity),
		CHECK_TEST(direct_and_strict_take_whole_blocks),
		CHECK_TEST(a_stream_is_contiguous),
		CHECK_TEST(a_writer_belongs_to_one_zone_and_one_opening),
		CHECK_TEST(another_writer_goes_behind_the_padding),
		CHECK_TEST(closing_and_reset_end_a_stream),
		CHECK_TEST(the_last_block_of_a_full_zone),
		CHECK_TEST(a_pointer_within_a_block_goes_on_there),
		CHECK_TEST(a_write_ahead_waits_for_the_gap),
		CHECK_TEST(the_short_last_zone),
		CHECK_TEST(times_move_with_every_write),
	};

	return check_main("zone/append", tests, ARRAY_SIZE(tests));
}
