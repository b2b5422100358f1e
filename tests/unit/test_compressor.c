/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that compresses full zones: it gives way to those who use the device, and what
 * changes while it compresses a cluster wins.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_main.h"
#include "qcow2/engine/image.h"
#include "rng.h"
#include "zone/zone.h"
#include "zonedev.h"

#define CAP	 (48u << 10)
#define CLUSTERS (CAP / 4096)
#define ZONE	 2u
#define OTHER	 3u

static struct zonedev z;
static pthread_t tester;

static void create_compressing(uint64_t capacity)
{
	zonedev_init(&z);
	z.p.geo.zone_capacity = capacity;
	z.opts.committer = true;
	z.opts.compress = true;
	zonedev_create(&z);
	tester = pthread_self();
	ck_assert_int_eq(zonedev_append(&z, OTHER, 'o', 512), 512);
}

static void compressor_setup(void)
{
	create_compressing(CAP);
}

static void compressor_teardown(void)
{
	memio_set_hook(z.m, NULL, NULL);
	zonedev_free(&z);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* Until the thread has done so many clusters. */
static void wait_for_pieces(unsigned n)
{
	while (atomic_load(&z.dev->compressor.pieces) < n)
		nap();
	zq_stop_committer(z.dev);
}

/* ---- giving way ------------------------------------------------------------------------------ */

static int read_beside(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	static _Thread_local bool within;
	char b[512];

	(void)data, (void)off, (void)len, (void)apply;
	if (op == MEMIO_WRITE && !within && !pthread_equal(pthread_self(), tester)) {
		within = true;
		zq_read(z.dev, OTHER, 0, b, sizeof(b));
		within = false;
	}
	return 0;
}

START_TEST(it_rests_before_each_cluster_while_the_device_is_in_use)
{
	memio_set_hook(z.m, read_beside, NULL);
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'x', CAP), CAP);
	wait_for_pieces(CLUSTERS);
	ck_assert_uint_eq(atomic_load(&z.dev->compressor.rests), CLUSTERS);
	zonedev_expect(&z, ZONE, 0, CAP, 'x');
}
END_TEST

START_TEST(it_goes_on_without_a_rest_while_nobody_uses_the_device)
{
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'x', CAP), CAP);
	wait_for_pieces(CLUSTERS);
	ck_assert_uint_eq(atomic_load(&z.dev->compressor.rests), 1); /* after the append */
	zonedev_expect(&z, ZONE, 0, CAP, 'x');
}
END_TEST

/* ---- what comes in between ----------------------------------------------------------------------
 */

static struct zq_io_ops ops;
static const struct zq_io_ops *below;
static void (*act)(void); /* once, when the compressor has read a cluster */
static struct zq_writer writer;

static int read_then_act(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	int rc = below->pread(io, buf, len, off);
	void (*now)(void) = act;

	if (now && len == 4096 && !pthread_equal(pthread_self(), tester)) {
		act = NULL;
		now();
	}
	return rc;
}

static void act_within_the_first_cluster(void (*what)(void))
{
	struct zq_io *file = z.dev->img->file;

	below = file->ops;
	ops = *below;
	ops.pread = read_then_act;
	act = what;
	file->ops = &ops;
}

static void reset_and_fill_again(void)
{
	ck_assert_int_eq(zq_reset_zones(z.dev, ZONE, 1, NULL), 0);
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'n', CAP), CAP);
}

START_TEST(a_reset_in_the_middle_of_a_cluster_wins)
{
	act_within_the_first_cluster(reset_and_fill_again);
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'x', CAP), CAP);
	wait_for_pieces(CLUSTERS);
	ck_assert_ptr_null(act);
	zonedev_expect(&z, ZONE, 0, CAP, 'n');
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_reopen(&z);
	zonedev_expect(&z, ZONE, 0, CAP, 'n');
}
END_TEST

/* ---- what comes while a cluster is compressed ------------------------------------------------ */

#define LARGE (2u << 20)

static atomic_bool has_read;

static int read_large(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	int rc = below->pread(io, buf, len, off);

	if (len == LARGE && !pthread_equal(pthread_self(), tester))
		atomic_store(&has_read, true);
	return rc;
}

/* Words in no order take the highest level longest: much longer than what is done meanwhile. */
static uint8_t *words(uint64_t seed)
{
	uint8_t *b = malloc(LARGE);

	for (size_t i = 0; i < LARGE; i += 4) {
		uint32_t word = (uint32_t)rng_below(&seed, 4096) * 2654435761u;

		memcpy(b + i, &word, 4);
	}
	return b;
}

static void create_large(void)
{
	zonedev_init(&z);
	z.p.geo = (struct zq_geometry){ .size = 8 * LARGE,
					.zone_size = LARGE,
					.zone_capacity = LARGE,
					.nr_zones = 8,
					.nr_conv = 2,
					.max_append = LARGE };
	z.p.cluster_bits = 21;
	z.p.compression_type = 1;
	z.opts = (struct zq_open_opts){ .committer = true, .compress = true, .compress_level = 19 };
	zonedev_create(&z);
	tester = pthread_self();
	below = z.dev->img->file->ops;
	ops = *below;
	ops.pread = read_large;
	z.dev->img->file->ops = &ops;
	atomic_store(&has_read, false);
}

/* Fills the zone and returns where its cluster is. */
static uint64_t fill_large(const uint8_t *b)
{
	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, 0, b, LARGE, ZQ_WRITE_APPEND, NULL), LARGE);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	return image_get(z.m, image_l2_place(z.m, ZONE * (uint64_t)LARGE), 8);
}

/* The host cluster is freed and used again for the same guest cluster, so that the mapping is what
 * it was when the cluster was read. */
START_TEST(a_reset_while_a_cluster_is_compressed_wins)
{
	uint8_t *was = words(1), *is = words(2), *got = malloc(LARGE);
	uint64_t host;

	create_large();
	host = fill_large(was);
	while (!atomic_load(&has_read))
		nap();
	ck_assert_int_eq(zq_reset_zones(z.dev, ZONE, 1, NULL), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_uint_eq(fill_large(is), host);
	wait_for_pieces(1);
	ck_assert_int_eq(zq_read(z.dev, ZONE, 0, got, LARGE), LARGE);
	ck_assert_mem_eq(got, is, LARGE);
	zonedev_free(&z);
	free(was);
	free(is);
	free(got);
}
END_TEST

static void go_on_in_the_padding(void)
{
	ck_assert_int_eq(zq_append(z.dev, ZONE, &writer, 0, "more", 4, ZQ_WRITE_APPEND, NULL), 4);
}

START_TEST(what_is_written_within_the_last_block_meanwhile_is_kept)
{
	char b[4096];

	create_compressing(sizeof(b));
	act_within_the_first_cluster(go_on_in_the_padding);
	memset(b, 'x', sizeof(b));
	ck_assert_int_eq(zq_append(z.dev, ZONE, &writer, 0, b, 4000, ZQ_WRITE_APPEND, NULL), 4000);
	ck_assert_int_eq(zonedev_state(&z, ZONE), ZQ_FULL);
	wait_for_pieces(1);
	ck_assert_ptr_null(act);
	ck_assert_int_eq(zq_read(z.dev, ZONE, 3998, b, 8), 8);
	ck_assert_mem_eq(b, "xxmore\0", 8);
	compressor_teardown();
}
END_TEST

int main(void)
{
	const struct check_test tests[] = {
		CHECK_WITH(it_rests_before_each_cluster_while_the_device_is_in_use,
			   compressor_setup, compressor_teardown),
		CHECK_WITH(it_goes_on_without_a_rest_while_nobody_uses_the_device, compressor_setup,
			   compressor_teardown),
		CHECK_WITH(a_reset_in_the_middle_of_a_cluster_wins, compressor_setup,
			   compressor_teardown),
		CHECK_TEST(a_reset_while_a_cluster_is_compressed_wins),
		CHECK_TEST(what_is_written_within_the_last_block_meanwhile_is_kept),
	};

	return check_main("compressor", tests, ARRAY_SIZE(tests));
}
