/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crash replay of a device that compresses its full zones: between the operations of the thread
 * that does so zones are written, filled, reset (the one that is being compressed too) and
 * synced. Then the power fails behind each entry of the log. Each state must check without an
 * error, and hold what crash_model.c allows.
 *
 * ZQ_CRASH_SEED, ZQ_CRASH_SEEDS, ZQ_CRASH_OPS and ZQ_CRASH_VARIANTS make it longer or replay one
 * run, as far as threads can be replayed.
 */
#include "check_main.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crash_disk.h"
#include "crash_model.h"
#include "qcow2/engine/image.h"
#include "qimage.h"
#include "rng.h"
#include "turns.h"
#include "zone/zone.h"
#include "zonedev.h"

#define MAX_APPEND (UINT64_C(32) << 10)

struct compressor_run {
	struct zonedev z;
	struct crash_model *model;
	struct turns turns;
	struct memio *before;
	uint64_t rng, seed, states;
	unsigned pieces;
};

/* What the thread writes is bytes of which each has seven bits that cannot be known: a cluster
 * of 4 KiB would not win a sector. */
static const struct compressor_image {
	unsigned cluster_bits, refcount_order;
	uint8_t compression_type;
	bool extended_l2, no_punch;
} compressor_images[] = {
	{ 13, 4, 0, false, false },
	{ 14, 6, 1, true, false },
	{ 13, 2, 1, false, true },
};

static uint64_t compressor_rnd(struct compressor_run *r, uint64_t below)
{
	return rng_below(&r->rng, below);
}

/* ---- the workload -------------------------------------------------------------------------- */

static void compressor_op_append(struct compressor_run *r, uint32_t zone)
{
	const struct crash_event *now = crash_now(r->model, zone);
	uint64_t end = now->end, cap = zq_zone_cap(&r->model->geo, zone), len;
	uint8_t buf[MAX_APPEND];

	if (now->finished || end == cap)
		return;
	len = min_u64(cap - end, ZQ_BLOCK * (1 + compressor_rnd(r, sizeof(buf) / ZQ_BLOCK)));
	crash_fill(zone, now->gen, end, buf, len);
	crash_append(r->model, zone, end + len, memio_log_count(r->z.m));
	ck_assert_int_eq(zq_append(r->z.dev, zone, NULL, 0, buf, len, ZQ_WRITE_APPEND, NULL),
			 (ssize_t)len);
}

static void compressor_op_sync(struct compressor_run *r)
{
	size_t seq = crash_sync_begins(r->model);

	ck_assert_int_eq(zq_sync(r->z.dev), 0);
	crash_synced(r->model, seq, memio_log_count(r->z.m));
}

static void compressor_op_any(struct compressor_run *r)
{
	const struct zq_geometry *g = &r->model->geo;
	uint32_t zone = g->nr_conv + (uint32_t)compressor_rnd(r, g->nr_zones - g->nr_conv);

	switch (compressor_rnd(r, 12)) {
	case 0:
	case 1:
		compressor_op_sync(r);
		break;
	case 2:
		crash_reset(r->model, zone, memio_log_count(r->z.m));
		ck_assert_int_eq(zq_zone_reset(r->z.dev, zone), 0);
		break;
	case 3:
		crash_finish(r->model, zone, memio_log_count(r->z.m));
		ck_assert_int_eq(zq_zone_finish(r->z.dev, zone), 0);
		break;
	default:
		compressor_op_append(r, zone);
	}
}

/* The thread rests 10 ms before a cluster while others use the device. */
static void run_beside_the_compressor(struct compressor_run *r, uint64_t ops)
{
	zonedev_create(&r->z);
	r->model = crash_model_new(r->z.dev);
	r->before = memio_clone(r->z.m);
	memio_log_start(r->z.m);
	turns_begin(&r->turns, r->z.m);
	for (uint64_t i = 0; i < ops; i++) {
		turns_wait(&r->turns, 12);
		for (uint64_t n = compressor_rnd(r, 3); n; n--)
			compressor_op_any(r);
		turns_give(&r->turns);
	}
	turns_end(&r->turns, r->z.m);
	compressor_op_sync(r); /* the last clusters are let go with the second */
	compressor_op_sync(r);
	memio_log_stop(r->z.m);
	r->pieces = atomic_load(&r->z.dev->compressor.pieces);
	ck_assert_int_eq(zq_close_device(r->z.dev), 0);
	r->z.dev = NULL;
	ck_assert_uint_eq(qimage_check_file(r->z.m, "at the end"), 0);
}

/* ---- the power failures ---------------------------------------------------------------------- */

static void compressor_verify(struct compressor_run *r, struct memio *left, size_t at,
			      uint64_t salt)
{
	struct zq_open_opts o = { .readonly = true };
	struct zq_error err = { "" };
	struct zq_device *dev = NULL;
	const char *bad;
	char what[96];

	snprintf(what, sizeof(what), "seed %" PRIu64 ", behind entry %zu, salt %" PRIu64, r->seed,
		 at, salt);
	ck_assert_msg(zq_open_device_io(memio_open(left, "mem", false), &o, &dev, &err) == 0,
		      "%s: %s", what, err.msg);
	bad = crash_verify(r->model, dev, at);
	ck_assert_msg(!bad, "%s: %s", what, bad);
	zq_close_device(dev);
	qimage_check_file(left, what);
	r->states++;
}

static void compressor_fail_power(struct compressor_run *r)
{
	uint64_t variants = from_env("ZQ_CRASH_VARIANTS", 4);
	size_t flushed = 0;

	for (size_t at = 0; at <= memio_log_count(r->z.m); at++) {
		size_t last = memio_log_last_flush(r->z.m, at);

		memio_replay(r->z.m, flushed, last, r->before, NULL, NULL);
		flushed = last;
		for (uint64_t v = 0; v < (flushed < at ? variants : 1); v++) {
			uint64_t salt = v ? 1 + compressor_rnd(r, UINT64_MAX - 1) : 0;
			struct memio *left = crash_left_over(r->z.m, r->before, flushed, at, salt);

			compressor_verify(r, left, at, salt);
			memio_free(left);
		}
	}
}

static void compressor_one(uint64_t seed)
{
	const struct compressor_image *image =
		&compressor_images[seed % ARRAY_SIZE(compressor_images)];
	struct compressor_run *r = calloc(1, sizeof(*r));

	r->seed = seed;
	r->rng = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	zonedev_init(&r->z);
	r->z.p.cluster_bits = image->cluster_bits;
	r->z.p.refcount_order = image->refcount_order;
	r->z.p.compression_type = image->compression_type;
	r->z.p.extended_l2 = image->extended_l2;
	r->z.opts.committer = true;
	r->z.opts.compress = true;
	run_beside_the_compressor(r, from_env("ZQ_CRASH_OPS", 150));
	ck_assert_uint_gt(r->pieces, 10);
	compressor_fail_power(r);
	printf("crash replay with the compressor: clusters of %u, seed %" PRIu64
	       ", %u clusters looked at, %" PRIu64 " of its operations, %zu log entries, %" PRIu64
	       " crash states, nothing lost\n",
	       1u << image->cluster_bits, seed, r->pieces, r->turns.taken, memio_log_count(r->z.m),
	       r->states);
	crash_model_free(r->model);
	zonedev_free(&r->z);
	memio_free(r->before);
	free(r);
}

START_TEST(power_may_fail_while_zones_are_compressed)
{
	uint64_t seed = from_env("ZQ_CRASH_SEED", 1), nr = from_env("ZQ_CRASH_SEEDS", 3);

	for (uint64_t s = seed; s < seed + nr; s++)
		compressor_one(s);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(power_may_fail_while_zones_are_compressed),
	};

	return check_main_timeout("crash replay with the compressor", tests, ARRAY_SIZE(tests),
				  3600);
}
