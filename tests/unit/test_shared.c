/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A force_share reader beside a writer, on one file in memory: what it sees after looking again,
 * and that it never takes another zone's data for its own.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "rng.h"
#include "util/bytes.h"
#include "zonedev.h"

static struct zonedev z; /* the writer */
static struct zq_device *reader;

static void shared_open_reader(void)
{
	struct zq_open_opts o = { .readonly = true, .force_share = true };
	struct zq_error err = { "" };
	int rc = zq_open_device_io(memio_open(z.m, "mem", false), &o, &reader, &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
}

static void shared_begin_test(void)
{
	zonedev_init(&z);
	zonedev_create(&z);
	ck_assert_int_eq(zonedev_append(&z, 2, 2, 8192), 8192);
	ck_assert_int_eq(zonedev_append(&z, 3, 3, 40960), 40960);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	shared_open_reader();
}

static void shared_end_test(void)
{
	ck_assert_int_eq(zq_close_device(reader), 0);
	zonedev_free(&z);
}

static uint64_t shared_written(uint32_t zone)
{
	struct zq_zone_info i;

	ck_assert_int_eq(zq_report(reader, zone, 1, &i), 0);
	return i.written;
}

/* What can be read of a zone has its number in every byte, or is padding. */
static ssize_t shared_read_zone(uint32_t zone)
{
	static uint8_t buf[65536];
	ssize_t n = zq_read(reader, zone, 0, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != zone)
			ck_abort_msg("byte %zd of zone %u is %u", i, zone, buf[i]);
	return n;
}

START_TEST(a_look_shows_what_has_been_synced)
{
	struct zq_counts c;

	shared_begin_test();
	ck_assert_int_eq(zonedev_append(&z, 2, 2, 4096), 4096);
	ck_assert_int_eq(zonedev_append(&z, 5, 5, 512), 512);
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_refresh(reader, 3600 * 1000), 0); /* not due yet */
	ck_assert_uint_eq(shared_written(2), 8192);
	ck_assert_int_eq(zq_refresh(reader, 0), 0);
	ck_assert_uint_eq(shared_written(2), 12288);
	ck_assert_uint_eq(shared_written(3), 0);
	ck_assert_uint_eq(shared_written(5), 512);
	ck_assert_int_eq(shared_read_zone(2), 12288);
	ck_assert_int_eq(shared_read_zone(5), 512);
	zq_get_counts(reader, &c);
	ck_assert_uint_eq(c.by_state[ZQ_CLOSED], 2);
	ck_assert_uint_eq(c.active, 2);
	shared_end_test();
}
END_TEST

START_TEST(a_reset_zone_is_not_read_as_zeros)
{
	shared_begin_test();
	ck_assert_int_eq(shared_read_zone(3), 40960);
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(shared_read_zone(3), 0);
	ck_assert_uint_eq(shared_written(3), 0);
	shared_end_test();
}
END_TEST

START_TEST(a_seek_finds_what_there_is_now)
{
	uint8_t block[4096];
	uint64_t at = 0;

	shared_begin_test();
	ck_assert_int_eq(zq_seek(reader, 3, 0, false, 0, &at), 0);
	ck_assert_int_eq(zq_seek(reader, 0, 0, false, 0, &at), -ENXIO);
	memset(block, 7, sizeof(block));
	ck_assert_int_eq(zq_write(z.dev, 8192, block, sizeof(block), 0), sizeof(block));
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_seek(reader, 3, 0, false, 0, &at), -ENXIO);
	ck_assert_int_eq(zq_seek(reader, 0, 0, false, 0, &at), 0);
	ck_assert_uint_eq(at, 8192);
	ck_assert_int_eq(zq_seek(reader, 0, at, true, 0, &at), 0);
	ck_assert_uint_eq(at, 12288);
	shared_end_test();
}
END_TEST

/* While the reader reads data, the writer resets that zone and gives its clusters to another. */
static bool armed;

static int reset_and_reuse(void *data, enum memio_op op, uint64_t off, uint64_t len,
			   uint64_t *apply)
{
	(void)data;
	(void)apply;
	if (!armed || op != MEMIO_READ || len < 32768)
		return 0;
	(void)off;
	armed = false;
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	for (uint32_t zone = 4; zone < 8; zone++)
		ck_assert_int_eq(zonedev_append(&z, zone, (int)zone, 40960), 40960);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	return 0;
}

START_TEST(a_cluster_that_changes_hands_is_not_read)
{
	shared_begin_test();
	ck_assert_int_eq(shared_read_zone(3), 40960);
	memio_set_hook(z.m, reset_and_reuse, NULL);
	armed = true;
	ck_assert_int_eq(shared_read_zone(3), 0);
	ck_assert(!armed);
	memio_set_hook(z.m, NULL, NULL);
	shared_end_test();
}
END_TEST

START_TEST(a_writer_at_work_is_followed)
{
	uint64_t rng = 11;

	shared_begin_test();
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t zone = 2 + (uint32_t)rng_below(&rng, 6);
		uint32_t look = 2 + (uint32_t)rng_below(&rng, 6);
		size_t len = (1 + rng_below(&rng, 20)) * 512;

		if (rng_below(&rng, 5) == 0)
			ck_assert_int_eq(zq_zone_reset(z.dev, zone), 0);
		else if (zonedev_written(&z, zone) + len <= 48 << 10)
			ck_assert_int_eq(zonedev_append(&z, zone, (int)zone, len), (int)len);
		if (rng_below(&rng, 4) == 0)
			ck_assert_int_eq(zq_sync(z.dev), 0);
		if (rng_below(&rng, 10) == 0)
			ck_assert_int_eq(zq_refresh(reader, 0), 0);
		ck_assert_int_ge(shared_read_zone(look), 0);
	}
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_refresh(reader, 0), 0);
	for (uint32_t zone = 2; zone < 8; zone++)
		ck_assert_uint_eq((uint64_t)shared_read_zone(zone), zonedev_written(&z, zone));
	shared_end_test();
}
END_TEST

/* Several threads read and look while the writer works. */
static atomic_bool writer_done;

static void *shared_follow(void *data)
{
	uint32_t *zone = data;
	uint8_t buf[8192];

	while (!atomic_load(&writer_done)) {
		ssize_t n = zq_read(reader, *zone, 0, buf, sizeof(buf));

		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != *zone)
				abort(); /* libcheck's assertions are for one thread */
		zq_refresh(reader, 1);
	}
	return NULL;
}

START_TEST(threads_follow_a_writer)
{
	uint32_t zones[3] = { 2, 3, 4 };
	pthread_t threads[3];

	shared_begin_test();
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, shared_follow, &zones[i]), 0);
	for (unsigned i = 0; i < 300; i++) {
		uint32_t zone = 2 + i % 3;

		if (zonedev_written(&z, zone) + 8192 > 48 << 10)
			ck_assert_int_eq(zq_zone_reset(z.dev, zone), 0);
		ck_assert_int_eq(zonedev_append(&z, zone, (int)zone, 8192), 8192);
		ck_assert_int_eq(zq_sync(z.dev), 0);
	}
	atomic_store(&writer_done, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	shared_end_test();
}
END_TEST

START_TEST(another_image_is_an_error)
{
	uint8_t size[8];

	shared_begin_test();
	put_be64(size, 16 << 16);
	memio_poke(z.m, 24, size, sizeof(size)); /* spec: offset 24, the disk's size */
	ck_assert_int_eq(zq_refresh(reader, 0), -EIO);
	ck_assert_int_eq(shared_read_zone(2), -EIO);
	shared_end_test();
}
END_TEST

START_TEST(others_do_not_look)
{
	struct memio_stats before, after;

	shared_begin_test();
	memio_get_stats(z.m, &before);
	ck_assert_int_eq(zq_refresh(z.dev, 0), 0);
	memio_get_stats(z.m, &after);
	ck_assert_uint_eq(before.ops[MEMIO_READ], after.ops[MEMIO_READ]);
	shared_end_test();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_look_shows_what_has_been_synced),
		CHECK_TEST(a_reset_zone_is_not_read_as_zeros),
		CHECK_TEST(a_seek_finds_what_there_is_now),
		CHECK_TEST(a_cluster_that_changes_hands_is_not_read),
		CHECK_TEST(a_writer_at_work_is_followed),
		CHECK_TEST(threads_follow_a_writer),
		CHECK_TEST(another_image_is_an_error),
		CHECK_TEST(others_do_not_look),
	};

	return check_main("shared", tests, ARRAY_SIZE(tests));
}
