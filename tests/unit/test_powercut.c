/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/wcache*.c, the option powercut, against a model: random changes and syncs, and again and
 * again a look at the image as the end of the process would leave it. Without a seed it holds what
 * was confirmed, byte for byte. With one each zone holds something that a disk might have kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/check.h>

#include "check_main.h"
#include "rng.h"
#include "util/math.h"
#include "zone/zone.h"
#include "zonedev.h"

#define ZONE   (64u << 10)
#define CAP    (48u << 10)
#define CONV   2u
#define ZONES  8u
#define GRAIN  4096u
#define LIVES  40u
#define ROUNDS 60
#define STEPS  80

/* What a zone held between two resets. */
struct life {
	uint8_t data[CAP];
	uint64_t least, most; /* the pointer may be found there or between */
	bool finished;	      /* or at the end */
};

struct model {
	struct zonedev z;
	uint64_t rng;
	bool seeded;
	struct life life[ZONES][LIVES]; /* since the last sync of a sequential zone */
	unsigned nr[ZONES];
	struct zq_writer writer[ZONES];
	uint8_t sure_seq[ZONES][CAP]; /* without a seed */
	uint64_t sure_wp[ZONES];
	uint8_t conv[CONV * ZONE], sure[CONV * ZONE];
	bool may[CONV * ZONE / GRAIN][256]; /* with a seed: whole grains of one letter only */
};

static struct model *model_new(uint64_t rng, uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));

	ck_assert_ptr_nonnull(m);
	m->rng = rng;
	m->seeded = seed;
	zonedev_init(&m->z);
	m->z.opts.powercut = true;
	m->z.opts.powercut_seed = seed;
	zonedev_create(&m->z);
	for (uint32_t i = 0; i < ZONES; i++)
		m->nr[i] = 1;
	for (uint32_t g = 0; g < CONV * ZONE / GRAIN; g++)
		m->may[g][0] = true;
	return m;
}

static struct life *now(struct model *m, uint32_t zone)
{
	return &m->life[zone][m->nr[zone] - 1];
}

/* ---- what a sync confirms -------------------------------------------------------------------- */

static void expect_seq(struct model *m, uint32_t zone)
{
	struct life *l = now(m, zone);
	uint64_t wp = l->finished ? CAP : l->most;

	if (l != m->life[zone])
		m->life[zone][0] = *l;
	l = m->life[zone];
	l->least = l->most = wp;
	memcpy(m->sure_seq[zone], l->data, CAP);
	m->sure_wp[zone] = wp;
	m->nr[zone] = 1;
}

static void expect_conv(struct model *m, uint32_t zone)
{
	memcpy(m->sure + zone * ZONE, m->conv + zone * ZONE, ZONE);
	for (uint32_t g = zone * ZONE / GRAIN; g < (zone + 1) * ZONE / GRAIN; g++) {
		memset(m->may[g], 0, sizeof(m->may[g]));
		m->may[g][m->conv[g * GRAIN]] = true;
	}
}

static void confirmed(struct model *m, uint32_t zone)
{
	if (zone < CONV)
		expect_conv(m, zone);
	else
		expect_seq(m, zone);
}

/* ---- changes --------------------------------------------------------------------------------- */

static void change_append(struct model *m, uint32_t zone)
{
	static uint8_t buf[20000];
	struct life *l = now(m, zone);
	size_t len = 1 + rng_below(&m->rng, sizeof(buf) - 1);
	bool sync = !rng_below(&m->rng, 6), own = rng_below(&m->rng, 2);
	uint64_t where, end;
	ssize_t n;

	if (m->seeded)
		len = (len + 511) / 512 * 512;
	if (len > sizeof(buf))
		len = sizeof(buf) / 512 * 512;
	memset(buf, 'a' + (int)rng_below(&m->rng, 26), len);
	n = zq_append(m->z.dev, zone, own ? &m->writer[zone] : NULL, 0, buf, len,
		      ZQ_WRITE_APPEND | (sync ? ZQ_WRITE_SYNC : 0u), &where);
	if (n == -EFBIG) {
		ck_assert(l->finished || l->most == CAP);
		return;
	}
	ck_assert_int_gt(n, 0);
	ck_assert_uint_le(where, l->most);
	memcpy(l->data + where, buf, (size_t)n);
	end = (where + (uint64_t)n + 511) / 512 * 512;
	memset(l->data + where + n, 0, end - where - (uint64_t)n);
	l->most = end > l->most ? end : l->most;
	if (sync)
		confirmed(m, zone);
}

static void change_reset(struct model *m, uint32_t zone)
{
	ck_assert_int_eq(zq_zone_reset(m->z.dev, zone), 0);
	if (now(m, zone)->most || now(m, zone)->finished) {
		ck_assert_uint_lt(m->nr[zone], LIVES);
		memset(&m->life[zone][m->nr[zone]++], 0, sizeof(struct life));
	}
}

static void change_finish(struct model *m, uint32_t zone)
{
	ck_assert_int_eq(zq_zone_finish(m->z.dev, zone), 0);
	now(m, zone)->finished = true;
}

/* Where a change of conventional zones goes; with a seed it takes whole grains. */
static uint64_t draw_range(struct model *m, uint64_t *off)
{
	uint64_t unit = m->seeded ? GRAIN : 1;

	*off = rng_below(&m->rng, CONV * ZONE / unit) * unit;
	return rng_below(&m->rng, 20000 / unit) * unit + unit;
}

static void change_conv_bytes(struct model *m)
{
	static uint8_t buf[20000 + GRAIN];
	uint64_t off, len = draw_range(m, &off);
	int letter = rng_below(&m->rng, 4) ? 'A' + (int)rng_below(&m->rng, 26) : 0;
	bool sync = letter && !rng_below(&m->rng, 6);
	int64_t n;

	memset(buf, letter, len);
	n = letter ? zq_write(m->z.dev, off, buf, len, sync ? ZQ_WRITE_SYNC : 0)
		   : zq_zero(m->z.dev, off, len);
	ck_assert_int_gt(n, 0);
	memset(m->conv + off, letter, (size_t)n);
	for (uint64_t g = off / GRAIN; m->seeded && g < (off + (uint64_t)n) / GRAIN; g++)
		m->may[g][letter] = true;
	for (uint64_t i = off / ZONE; sync && i <= (off + (uint64_t)n - 1) / ZONE; i++)
		confirmed(m, (uint32_t)i);
}

static void change_sync(struct model *m)
{
	uint32_t first = (uint32_t)rng_below(&m->rng, ZONES);
	uint32_t count = 1 + (uint32_t)rng_below(&m->rng, ZONES - first);
	bool all = !rng_below(&m->rng, 4);

	if (all) {
		first = 0;
		count = ZONES;
	}
	ck_assert_int_eq(all ? zq_sync(m->z.dev) : zq_sync_zones(m->z.dev, first, count), 0);
	for (uint32_t i = 0; i < count; i++)
		confirmed(m, first + i);
}

/* ---- what is there --------------------------------------------------------------------------- */

static bool fits(const struct life *l, uint64_t written, const uint8_t *data)
{
	if ((written < l->least || written > l->most) && !(l->finished && written == CAP))
		return false;
	return !memcmp(l->data, data, written);
}

static void look_at_seq(struct model *m, struct zonedev *disk, uint32_t zone)
{
	static uint8_t data[ZONE];
	uint64_t written = zonedev_written(disk, zone);
	bool ok = !m->seeded && written == m->sure_wp[zone];

	ck_assert_int_eq(zq_read(disk->dev, zone, 0, data, ZONE), (int)written);
	if (ok)
		ck_assert_mem_eq(data, m->sure_seq[zone], written);
	for (unsigned i = 0; m->seeded && i < m->nr[zone] && !ok; i++)
		ok = fits(&m->life[zone][i], written, data);
	ck_assert_msg(ok, "zone %u: %d bytes, which nothing has confirmed or left so", zone,
		      (int)written);
}

static void look_at_conv(struct model *m, struct zonedev *disk)
{
	static uint8_t data[CONV * ZONE];

	ck_assert_int_eq(zq_read_conv(disk->dev, 0, data, sizeof(data)), (int)sizeof(data));
	if (!m->seeded)
		ck_assert_mem_eq(data, m->sure, sizeof(data));
	for (uint32_t g = 0; m->seeded && g < sizeof(data) / GRAIN; g++) {
		ck_assert_msg(m->may[g][data[g * GRAIN]], "grain %u has '%c'", g, data[g * GRAIN]);
		ck_assert(!memcmp(data + g * GRAIN, data + g * GRAIN + 1, GRAIN - 1));
	}
}

/* The image as it would be if the process ended now. */
static void look_at_disk(struct model *m)
{
	struct zonedev disk;
	struct zq_check_result res;
	struct zq_error err;
	struct zq_io *io;

	zonedev_init(&disk);
	disk.m = memio_clone(m->z.m);
	io = memio_open(disk.m, "disk", false);
	ck_assert_int_eq(zq_check_io(io, &(struct zq_check_opts){ 0 }, &res, &err), 0);
	io->ops->close(io);
	ck_assert_uint_eq(res.corruptions, 0);
	disk.opts.readonly = true;
	zonedev_reopen(&disk);
	for (uint32_t i = CONV; i < ZONES; i++)
		look_at_seq(m, &disk, i);
	look_at_conv(m, &disk);
	zonedev_free(&disk);
}

/* What programs read meanwhile is as without the option. */
static void look_at_device(struct model *m)
{
	static uint8_t data[CONV * ZONE];

	for (uint32_t i = CONV; i < ZONES; i++) {
		struct life *l = now(m, i);
		uint64_t wp = l->finished ? CAP : l->most;

		ck_assert_uint_eq(zonedev_written(&m->z, i), wp);
		ck_assert_int_eq(zq_read(m->z.dev, i, 0, data, ZONE), (int)wp);
		ck_assert_mem_eq(data, l->data, wp);
	}
	ck_assert_int_eq(zq_read_conv(m->z.dev, 0, data, sizeof(data)), (int)sizeof(data));
	ck_assert_mem_eq(data, m->conv, sizeof(data));
	zonedev_check_counts(&m->z);
}

static void change_or_sync(struct model *m)
{
	uint32_t zone = CONV + (uint32_t)rng_below(&m->rng, ZONES - CONV);
	uint64_t what = rng_below(&m->rng, 100);

	if (what < 45)
		change_append(m, zone);
	else if (what < 70)
		change_conv_bytes(m);
	else if (what < 78)
		change_reset(m, zone);
	else if (what < 82)
		change_finish(m, zone);
	else
		change_sync(m);
}

static void run_model(uint64_t rng, uint64_t seed)
{
	struct model *m = model_new(rng, seed);

	for (int i = 0; i < STEPS; i++) {
		change_or_sync(m);
		look_at_device(m);
		if (!rng_below(&m->rng, 4))
			look_at_disk(m);
	}
	ck_assert_int_eq(zq_close_device(m->z.dev), 0);
	m->z.dev = NULL;
	look_at_disk(m);
	zonedev_free(&m->z);
	free(m);
}

START_TEST(without_a_seed_the_image_has_what_was_confirmed)
{
	for (uint64_t i = 1; i <= ROUNDS; i++)
		run_model(i * 7919, 0);
}
END_TEST

START_TEST(with_a_seed_it_has_what_a_disk_may_keep)
{
	for (uint64_t i = 1; i <= ROUNDS; i++)
		run_model(i * 7919, i);
}
END_TEST

/* ---- seeds ----------------------------------------------------------------------------------- */

/* A zone with one block confirmed and nine that are not: how many there are at the end. */
static uint64_t kept(uint64_t seed, bool reset)
{
	struct zonedev z, disk;
	uint64_t n;

	zonedev_init(&z);
	z.opts.powercut = true;
	z.opts.powercut_seed = seed;
	zonedev_create(&z);
	zonedev_append(&z, 3, 'a', 512);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	for (int i = 0; i < 9; i++)
		zonedev_append(&z, 3, 'a', 512);
	if (reset)
		ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	zonedev_init(&disk);
	disk.m = memio_clone(z.m);
	zonedev_reopen(&disk);
	n = zonedev_written(&disk, 3) / 512;
	zonedev_free(&disk);
	zonedev_free(&z);
	return n;
}

START_TEST(seeds_differ_and_repeat)
{
	unsigned found[11] = { 0 }, resets = 0;

	ck_assert_uint_eq(kept(0, false), 1);
	ck_assert_uint_eq(kept(0, true), 1);
	for (uint64_t seed = 1; seed <= 200; seed++) {
		uint64_t n = kept(seed, false);

		ck_assert_uint_ge(n, 1);
		ck_assert_uint_le(n, 10);
		ck_assert_uint_eq(n, kept(seed, false));
		found[n]++;
		resets += !kept(seed, true);
	}
	for (unsigned n = 1; n <= 10; n++)
		ck_assert_msg(found[n], "%u blocks were never left", n);
	ck_assert_msg(resets > 20 && resets < 180, "%u of 200 resets were kept", resets);
}
END_TEST

/* The first part of a block may have been written back before the rest comes. */
START_TEST(a_block_that_went_ahead_is_completed)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct zonedev z;
		struct zq_writer w = { 0 };
		char buf[16] = "";

		zonedev_init(&z);
		z.opts.powercut = true;
		z.opts.powercut_seed = seed;
		zonedev_create(&z);
		for (const char *c = "hello world"; *c; c++)
			ck_assert_int_eq(zq_append(z.dev, 3, &w, 0, c, 1, ZQ_WRITE_APPEND, NULL),
					 1);
		for (int again = 0; again < 2; again++) {
			ck_assert_int_eq(zq_read(z.dev, 3, 0, buf, 12), 12);
			ck_assert_str_eq(buf, "hello world");
			ck_assert_int_eq(zq_sync_zones(z.dev, 3, 1), 0);
			zonedev_reopen(&z);
		}
		zonedev_free(&z);
	}
}
END_TEST

START_TEST(a_confirmed_reset_gives_the_room_back)
{
	struct zonedev z;
	struct zq_check_result res;
	struct zq_error err;
	struct zq_io *io;

	zonedev_init(&z);
	z.opts.powercut = true;
	zonedev_create(&z);
	zonedev_append(&z, 3, 'a', CAP);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert_int_eq(zq_close_device(z.dev), 0);
	z.dev = NULL;
	io = memio_open(z.m, "mem", false);
	ck_assert_int_eq(zq_check_io(io, &(struct zq_check_opts){ 0 }, &res, &err), 0);
	io->ops->close(io);
	ck_assert_uint_eq(res.allocated_clusters, 0);
	zonedev_free(&z);
}
END_TEST

/* ---- options --------------------------------------------------------------------------------- */

START_TEST(not_with_compress)
{
	struct zonedev z;
	struct zq_error err = { "" };
	struct zq_device *dev;

	zonedev_init(&z);
	zonedev_create(&z);
	ck_assert_int_eq(zq_close_device(z.dev), 0);
	z.opts.powercut = z.opts.compress = true;
	ck_assert_int_eq(zq_open_device_io(memio_open(z.m, "mem", true), &z.opts, &dev, &err),
			 -EINVAL);
	ck_assert_str_eq(err.msg, "mem: powercut and compress exclude each other");
	z.opts.compress = false;
	z.opts.readonly = true;
	z.dev = NULL;
	zonedev_reopen(&z);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	zonedev_free(&z);
}
END_TEST

/* -o sync confirms each change. */
START_TEST(sync_leaves_nothing_to_lose)
{
	struct model *m = model_new(5, 0);

	ck_assert_int_eq(zq_close_device(m->z.dev), 0);
	m->z.dev = NULL;
	m->z.opts.sync = true;
	zonedev_reopen(&m->z);
	for (int i = 0; i < STEPS; i++) {
		change_or_sync(m);
		for (uint32_t zone = 0; zone < ZONES; zone++)
			confirmed(m, zone);
		look_at_disk(m);
	}
	zonedev_free(&m->z);
	free(m);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(without_a_seed_the_image_has_what_was_confirmed),
		CHECK_TEST(with_a_seed_it_has_what_a_disk_may_keep),
		CHECK_TEST(seeds_differ_and_repeat),
		CHECK_TEST(a_block_that_went_ahead_is_completed),
		CHECK_TEST(a_confirmed_reset_gives_the_room_back),
		CHECK_TEST(not_with_compress),
		CHECK_TEST(sync_leaves_nothing_to_lose),
	};

	return check_main("powercut", tests, ARRAY_SIZE(tests));
}
