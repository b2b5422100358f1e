/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/ under threads: many writers of one zone, many zones with few open slots, readers during
 * resets. Meant to be run under ThreadSanitizer as well.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "zonedev.h"

#define KIB	(UINT64_C(1) << 10)
#define THREADS 6
#define RECORD	1024u

static struct zonedev z;
static atomic_bool stop;
static atomic_uint failures;

static void device_threads_setup(uint32_t max_open, uint32_t max_active)
{
	zonedev_init(&z);
	z.p.geo = (struct zq_geometry){ .size = 16 << 20,
					.zone_size = 1 << 20,
					.zone_capacity = 1 << 20,
					.nr_zones = 16,
					.nr_conv = 1,
					.max_open = max_open,
					.max_active = max_active,
					.max_append = 4096 };
	z.opts.committer = true;
	z.opts.commit_secs = 1;
	zonedev_create(&z);
}

static void device_threads_run(void *(*fn)(void *), unsigned n)
{
	pthread_t t[THREADS];

	ck_assert_uint_le(n, THREADS);
	for (uintptr_t i = 0; i < n; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(atomic_load(&failures), 0);
	zonedev_check_counts(&z);
}

static void went_wrong(void)
{
	atomic_fetch_add(&failures, 1);
}

/* ---- one zone, many writers ------------------------------------------------------------------ */

/* A record: the writer's letter, its running number, the letter to the end. */
static void *append_records(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	struct zq_writer w = { 0 };
	unsigned char rec[RECORD];

	for (unsigned i = 0; i < 100; i++) {
		memset(rec, (int)('A' + me), sizeof(rec));
		rec[1] = (unsigned char)i;
		if (zq_append(z.dev, 3, &w, 0, rec, sizeof(rec), ZQ_WRITE_APPEND, NULL) != RECORD)
			went_wrong();
		if (i % 32 == 0 && zq_sync(z.dev) != 0)
			went_wrong();
	}
	return NULL;
}

START_TEST(appenders_never_mix)
{
	unsigned next[THREADS] = { 0 };
	unsigned char rec[RECORD];

	device_threads_setup(0, 0);
	device_threads_run(append_records, THREADS);
	zonedev_reopen(&z);
	ck_assert_uint_eq(zonedev_written(&z, 3), THREADS * 100 * RECORD);
	for (unsigned i = 0; i < THREADS * 100; i++) {
		unsigned who;

		ck_assert_int_eq(zq_read(z.dev, 3, i * RECORD, rec, RECORD), RECORD);
		who = rec[0] - 'A';
		ck_assert_uint_lt(who, THREADS);
		ck_assert_uint_eq(rec[1], next[who]++); /* in the writer's order */
		for (unsigned b = 2; b < RECORD; b++)
			ck_assert_uint_eq(rec[b], rec[0]);
	}
	zonedev_free(&z);
}
END_TEST

/* Pieces of one large write that overtake each other: each thread has every sixth. */
static void *write_pieces(void *arg)
{
	char piece[8192];

	for (uintptr_t i = (uintptr_t)arg; i < 120; i += THREADS) {
		memset(piece, (int)i, sizeof(piece));
		if (zq_append(z.dev, 3, NULL, i * sizeof(piece), piece, sizeof(piece),
			      ZQ_WRITE_WAIT | ZQ_WRITE_DIRECT, NULL) != sizeof(piece))
			went_wrong();
	}
	return NULL;
}

START_TEST(pieces_come_in_order)
{
	device_threads_setup(0, 0);
	device_threads_run(write_pieces, THREADS);
	for (unsigned i = 0; i < 120; i++)
		zonedev_expect(&z, 3, i * 8192, 8192, (int)i);
	zonedev_free(&z);
}
END_TEST

/* ---- many zones, few slots ------------------------------------------------------------ */

static void *work_on_zones(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg + 1;
	static const char data[20000];

	for (unsigned i = 0; i < 400; i++) {
		uint32_t zone = 1 + (uint32_t)rand_r(&seed) % 15;
		ssize_t rc = 0;

		switch (rand_r(&seed) % 8) {
		case 0:
			rc = zq_zone_reset(z.dev, zone);
			break;
		case 1:
			rc = zq_zone_finish(z.dev, zone);
			break;
		case 2:
			rc = zq_zone_open(z.dev, zone);
			break;
		case 3:
			rc = zq_zone_close(z.dev, zone);
			break;
		default:
			rc = zq_append(z.dev, zone, NULL, 0, data,
				       1 + (size_t)rand_r(&seed) % 20000, ZQ_WRITE_APPEND, NULL);
		}
		if (rc < 0 && rc != -EBUSY && rc != -EFBIG && rc != -EINVAL)
			went_wrong();
	}
	return NULL;
}

START_TEST(limits_hold_under_load)
{
	device_threads_setup(3, 5);
	device_threads_run(work_on_zones, THREADS);
	zonedev_reopen(&z);
	zonedev_check_counts(&z);
	zonedev_free(&z);
}
END_TEST

/* ---- readers during resets ------------------------------------------------------------ */

static atomic_uint round_no; /* what is in the zone has this number, or the one before */

static void *reset_and_fill(void *arg)
{
	char *data = malloc(128 * KIB);

	for (unsigned r = 1; r <= 150; r++) {
		memset(data, (int)(r & 0xff), 128 * KIB);
		if (zq_zone_reset(z.dev, 5) != 0)
			went_wrong();
		atomic_store(&round_no, r); /* from here on nobody may see the round before */
		if (zq_append(z.dev, 5, NULL, 0, data, 128 * KIB, 0, NULL) != 128 * (ssize_t)KIB)
			went_wrong();
	}
	free(data);
	atomic_store(&stop, true);
	return arg;
}

static void device_threads_read_once(unsigned char *got)
{
	unsigned before = atomic_load(&round_no);
	ssize_t n = zq_read(z.dev, 5, 0, got, 128 * KIB);
	unsigned after = atomic_load(&round_no) + 1; /* the reset may be done, its number not set */

	if (n < 0) {
		went_wrong();
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (got[i] < (before & 0xff) || got[i] > (after & 0xff)) {
			went_wrong();
			return;
		}
}

static void *read_during_resets(void *arg)
{
	unsigned char *got = malloc(128 * KIB);

	if (!arg)
		reset_and_fill(NULL);
	while (!atomic_load(&stop))
		device_threads_read_once(got);
	free(got);
	return NULL;
}

START_TEST(readers_never_see_the_round_before)
{
	device_threads_setup(0, 0);
	device_threads_run(read_during_resets, 3);
	zonedev_free(&z);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(appenders_never_mix),
		CHECK_TEST(pieces_come_in_order),
		CHECK_TEST(limits_hold_under_load),
		CHECK_TEST(readers_never_see_the_round_before),
	};

	return check_main("zone/threads", tests, ARRAY_SIZE(tests));
}
