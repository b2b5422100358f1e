/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crash replay: a workload runs on a device whose files log every write, hole and flush.
 * Then the power fails, in memory, behind every entry of that log: what was written since the
 * last flush arrived whole, in part, or torn at sectors of 512 or 4096 bytes. Each image that this
 * leaves must open, check without an error but leaks, and hold what crash_model.c allows.
 *
 * Short by default. ZQ_CRASH_SEED, ZQ_CRASH_OPS and ZQ_CRASH_VARIANTS make it longer or replay
 * one run; ZQ_CRASH_IMAGE starts from an image file (with snapshots, say) instead.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "crash_disk.h"
#include "crash_model.h"
#include "crash_shapes.h"
#include "qimage.h"
#include "rng.h"

#define MAX_APPEND 40000u

struct crash_run {
	const struct crash_shape *shape; /* NULL: a given image */
	struct crash_disk *disk;	 /* the files under the workload */
	struct zq_device *dev;
	struct crash_model *model;
	struct zq_writer *writer; /* one per zone */
	struct crash_shared *shared;
	uint64_t rng, seed;
	uint64_t states, opened_again;
};

static uint64_t crash_replay_rnd(struct crash_run *r, uint64_t below)
{
	return rng_below(&r->rng, below);
}

/* ---- the workload ------------------------------------------------------------------------- */

/* Would a write or a finish find no active slot? An image's limits are its own. */
static bool no_slot(struct crash_run *r, uint32_t zone)
{
	struct zq_zone_info zi;
	struct zq_counts c;

	ck_assert_int_eq(zq_report(r->dev, zone, 1, &zi), 0);
	zq_get_counts(r->dev, &c);
	return zi.state == ZQ_EMPTY && r->model->geo.max_active &&
	       c.active >= r->model->geo.max_active;
}

/* With the option "sync" a write that has returned is acknowledged. */
static void written(struct crash_run *r)
{
	if (r->shape && r->shape->sync)
		crash_synced(r->model, crash_sync_begins(r->model), crash_position(r->disk));
}

static void crash_replay_op_append(struct crash_run *r, uint32_t zone)
{
	const struct crash_event *now = crash_now(r->model, zone);
	uint64_t cap = zq_zone_cap(&r->model->geo, zone), len;
	uint32_t gen = now->gen;
	uint64_t end = now->end;
	uint8_t buf[MAX_APPEND + ZQ_BLOCK]; /* it may be made whole blocks */

	if (now->finished || end >= cap || no_slot(r, zone))
		return;
	len = min_u64(cap - end,
		      1 + crash_replay_rnd(r, crash_replay_rnd(r, 3) ? 5000 : MAX_APPEND));
	if (crash_replay_rnd(r, 2)) /* whole blocks more often than chance has it */
		len = min_u64(cap - end, align_up(end + len, ZQ_BLOCK) - end);
	crash_fill(zone, gen, end, buf, len);
	crash_append(r->model, zone, end + len, crash_position(r->disk));
	ck_assert_int_eq(
		zq_append(r->dev, zone, &r->writer[zone], 0, buf, len, ZQ_WRITE_APPEND, NULL),
		(int)len);
	written(r);
}

/* Not all who sync wait for it: then nothing is acknowledged. */
static void crash_replay_op_sync(struct crash_run *r)
{
	size_t seq = crash_sync_begins(r->model);

	ck_assert_int_eq(zq_sync(r->dev), 0);
	if (crash_replay_rnd(r, 4))
		crash_synced(r->model, seq, crash_position(r->disk));
}

static void op_open_close(struct crash_run *r, uint32_t zone)
{
	const struct crash_event *now = crash_now(r->model, zone);
	struct zq_zone_info zi;

	ck_assert_int_eq(zq_report(r->dev, zone, 1, &zi), 0);
	/* closing pads: the stream could not go on behind its last byte */
	if (zi.state == ZQ_FULL || !is_aligned(now->end, ZQ_BLOCK) || no_slot(r, zone))
		return;
	if (zi.state == ZQ_IMPLICIT_OPEN || zi.state == ZQ_EXPLICIT_OPEN)
		ck_assert_int_eq(zq_zone_close(r->dev, zone), 0);
	else if (!r->model->geo.max_open)
		ck_assert_int_eq(zq_zone_open(r->dev, zone), 0);
}

static void crash_replay_op_conventional(struct crash_run *r)
{
	uint64_t blocks = (uint64_t)r->model->geo.nr_conv * r->model->geo.zone_size / ZQ_BLOCK;
	uint64_t first, nr;
	uint8_t *buf;

	if (!blocks)
		return;
	first = crash_replay_rnd(r, blocks);
	nr = 1 + crash_replay_rnd(r, min_u64(blocks - first, crash_replay_rnd(r, 3) ? 8 : 100));
	if (crash_replay_rnd(r, 4) == 0) {
		crash_conv(r->model, first * ZQ_BLOCK, NULL, nr * ZQ_BLOCK,
			   crash_position(r->disk));
		ck_assert_int_eq(zq_zero(r->dev, first * ZQ_BLOCK, nr * ZQ_BLOCK),
				 (int64_t)(nr * ZQ_BLOCK));
		return;
	}
	buf = malloc(nr * ZQ_BLOCK);
	crash_conv(r->model, first * ZQ_BLOCK, buf, nr * ZQ_BLOCK, crash_position(r->disk));
	ck_assert_int_eq(zq_write(r->dev, first * ZQ_BLOCK, buf, nr * ZQ_BLOCK, 0),
			 (int)(nr * ZQ_BLOCK));
	written(r);
	free(buf);
}

static void crash_replay_op_any(struct crash_run *r)
{
	const struct zq_geometry *g = &r->model->geo;
	uint32_t zone = g->nr_conv + (uint32_t)crash_replay_rnd(r, g->nr_zones - g->nr_conv);

	switch (crash_replay_rnd(r, 22)) {
	case 0:
	case 1:
		crash_replay_op_sync(r);
		break;
	case 2:
		crash_reset(r->model, zone, crash_position(r->disk));
		ck_assert_int_eq(zq_zone_reset(r->dev, zone), 0);
		break;
	case 3:
		if (crash_replay_rnd(r, 3) || no_slot(r, zone))
			break;
		crash_finish(r->model, zone, crash_position(r->disk));
		ck_assert_int_eq(zq_zone_finish(r->dev, zone), 0);
		break;
	case 20:
	case 21:
		op_open_close(r, zone);
		break;
	case 4:
	case 5:
	case 6:
		crash_replay_op_conventional(r);
		break;
	default:
		crash_replay_op_append(r, zone);
	}
}

static struct zq_device *open_disk(const struct crash_disk *d, bool writable, bool sync)
{
	struct zq_open_opts o = { .readonly = !writable, .sync = sync };
	struct zq_device *dev = NULL;
	struct zq_error err = { "" };
	int rc;

	if (d->data)
		o.data_io = memio_open(d->data, "crash.data", writable);
	rc = zq_open_device_io(memio_open(d->image, "crash.qcow2", writable), &o, &dev, &err);
	ck_assert_msg(rc == 0, "does not open: %s", err.msg);
	return dev;
}

static void run_workload(struct crash_run *r, uint64_t ops)
{
	r->dev = open_disk(r->disk, true, r->shape && r->shape->sync);
	r->model = crash_model_new(r->dev);
	r->writer = calloc(r->model->geo.nr_zones, sizeof(*r->writer));
	/* whatever the zones hold is not ours */
	for (uint32_t z = r->model->geo.nr_conv; z < r->model->geo.nr_zones; z++)
		ck_assert_int_eq(zq_zone_reset(r->dev, z), 0);
	ck_assert_int_eq(zq_sync(r->dev), 0);
	crash_record(r->disk);
	for (uint64_t i = 0; i < ops; i++)
		crash_replay_op_any(r);
	crash_record_end(r->disk);
	ck_assert_int_eq(zq_close_device(r->dev), 0);
	if (r->shape && r->shape->grows)
		ck_assert_msg(crash_reftable(r->disk->image) !=
				      crash_reftable(crash_image_before(r->disk)),
			      "the refcount table did not grow");
}

/* ---- the power failures ---------------------------------------------------------------------- */

static void check_disk(struct crash_run *r, const struct crash_disk *d, size_t at, unsigned variant)
{
	char what[96];

	snprintf(what, sizeof(what), "seed %" PRIu64 ", crash behind entry %zu, variant %u",
		 r->seed, at, variant);
	qimage_check_file(d->image, what);
	ck_assert_msg(crash_shared_intact(r->shared, d->image), "%s: a shared cluster was written",
		      what);
}

/* What is left after a crash can be written to, and what is written then is there. */
static void work_on(struct crash_run *r, const struct crash_disk *d)
{
	struct zq_device *dev = open_disk(d, true, false);
	const struct zq_geometry *g = zq_device_geometry(dev);
	uint32_t zone = g->nr_conv + (uint32_t)crash_replay_rnd(r, g->nr_zones - g->nr_conv);
	uint8_t buf[3000], back[3000];

	crash_fill(zone, 1u << 30, 0, buf, sizeof(buf));
	ck_assert_int_eq(zq_zone_reset(dev, zone), 0);
	for (uint32_t z = g->nr_conv; z < g->nr_zones && g->max_active; z++)
		ck_assert_int_eq(zq_zone_reset(dev, z), 0); /* no slot may be free */
	ck_assert_int_eq(zq_append(dev, zone, NULL, 0, buf, sizeof(buf), 0, NULL), sizeof(buf));
	ck_assert_int_eq(zq_close_device(dev), 0);
	dev = open_disk(d, false, false);
	ck_assert_int_eq(zq_read(dev, zone, 0, back, sizeof(back)), sizeof(back));
	ck_assert_mem_eq(buf, back, sizeof(buf));
	ck_assert_int_eq(zq_close_device(dev), 0);
	r->opened_again++;
}

static void one_state(void *data, const struct crash_disk *left, size_t at, unsigned variant)
{
	struct crash_run *r = data;
	struct zq_device *dev = open_disk(left, false, false);
	const char *bad = crash_verify(r->model, dev, at);

	ck_assert_msg(!bad, "seed %" PRIu64 ", crash behind entry %zu, variant %u: %s", r->seed, at,
		      variant, bad);
	ck_assert_int_eq(zq_close_device(dev), 0);
	check_disk(r, left, at, variant);
	if (crash_replay_rnd(r, 16) == 0) {
		work_on(r, left);
		check_disk(r, left, at, variant);
	}
	r->states++;
}

static uint64_t crash_replay_draw(void *data)
{
	return crash_replay_rnd(data, UINT64_MAX);
}

static void run_on(struct crash_disk *disk, const struct crash_shape *shape, const char *name)
{
	uint64_t ops = from_env("ZQ_CRASH_OPS", 150);
	unsigned variants = (unsigned)from_env("ZQ_CRASH_VARIANTS", 4);
	struct crash_run r = { .disk = disk, .shape = shape, .seed = from_env("ZQ_CRASH_SEED", 1) };

	r.rng = (r.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	r.shared = crash_share(disk->image, shape);
	run_workload(&r, ops);
	crash_each_state(disk, variants, crash_replay_draw, one_state, &r);
	printf("crash replay: %s: seed %" PRIu64 ", %" PRIu64
	       " operations, %zu log entries, %" PRIu64 " crash states (%" PRIu64
	       " written to again), nothing lost\n",
	       name, r.seed, ops, crash_position(disk), r.states, r.opened_again);
	crash_model_free(r.model);
	free(r.writer);
	crash_shared_free(r.shared);
	crash_disk_free(disk);
}

START_TEST(survives_power_failures)
{
	const struct crash_shape *shape = &crash_shapes[_i];

	struct crash_disk disk = crash_make_disk(shape);

	run_on(&disk, shape, shape->name);
}
END_TEST

START_TEST(survives_on_a_given_image)
{
	struct crash_disk disk = { 0 };

	ck_assert_int_eq(memio_load(getenv("ZQ_CRASH_IMAGE"), &disk.image), 0);
	run_on(&disk, NULL, getenv("ZQ_CRASH_IMAGE"));
}
END_TEST

int main(void)
{
	const struct check_test given[] = { CHECK_TEST(survives_on_a_given_image) };
	const struct check_test shapes[] = { CHECK_LOOP(survives_power_failures, crash_nr_shapes) };

	return check_main_timeout("crash replay", getenv("ZQ_CRASH_IMAGE") ? given : shapes, 1,
				  3600);
}
