/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crash replay: a workload runs on a device whose file logs every write, hole and flush.
 * Then the power fails, in memory, behind every entry of that log: what was written since the
 * last flush arrived whole, in part, or torn at 512 bytes. Each file that this leaves must
 * open, check without an error but leaks, and hold what crash_model.c allows.
 *
 * Short by default. ZQ_CRASH_SEED, ZQ_CRASH_OPS and ZQ_CRASH_VARIANTS make it longer or replay
 * one run; ZQ_CRASH_IMAGE starts from an image file (with snapshots, say) instead.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "crash_model.h"
#include "crash_shapes.h"
#include "qimage.h"

#define MAX_APPEND 40000u

struct crash_run {
	const struct crash_shape *shape; /* NULL: a given image */
	struct memio *disk;		 /* the file under the workload */
	struct memio *start;		 /* as it was when the log began */
	struct zq_device *dev;
	struct crash_model *model;
	struct zq_writer *writer; /* one per zone */
	struct crash_shared *shared;
	uint64_t rng, seed;
	uint64_t states, opened_again;
};

static uint64_t rnd(struct crash_run *r, uint64_t below)
{
	r->rng ^= r->rng << 13;
	r->rng ^= r->rng >> 7;
	r->rng ^= r->rng << 17;
	return r->rng * UINT64_C(0x2545f4914f6cdd1d) % below;
}

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);

	return v && *v ? strtoull(v, NULL, 0) : otherwise;
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
		crash_synced(r->model, crash_sync_begins(r->model), memio_log_count(r->disk));
}

static void op_append(struct crash_run *r, uint32_t zone)
{
	const struct crash_event *now = crash_now(r->model, zone);
	uint64_t cap = zq_zone_cap(&r->model->geo, zone), len;
	uint32_t gen = now->gen;
	uint64_t end = now->end;
	uint8_t buf[MAX_APPEND];

	if (now->finished || end >= cap || no_slot(r, zone))
		return;
	len = min_u64(cap - end, 1 + rnd(r, rnd(r, 3) ? 5000 : MAX_APPEND));
	if (rnd(r, 2)) /* whole blocks more often than chance has it */
		len = min_u64(cap - end, align_up(end + len, ZQ_BLOCK) - end);
	crash_fill(zone, gen, end, buf, len);
	crash_append(r->model, zone, end + len, memio_log_count(r->disk));
	ck_assert_int_eq(
		zq_append(r->dev, zone, &r->writer[zone], 0, buf, len, ZQ_WRITE_APPEND, NULL),
		(int)len);
	written(r);
}

/* Not all who sync wait for it: then nothing is acknowledged. */
static void op_sync(struct crash_run *r)
{
	size_t seq = crash_sync_begins(r->model);

	ck_assert_int_eq(zq_sync(r->dev), 0);
	if (rnd(r, 4))
		crash_synced(r->model, seq, memio_log_count(r->disk));
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

static void op_conventional(struct crash_run *r)
{
	uint64_t blocks = (uint64_t)r->model->geo.nr_conv * r->model->geo.zone_size / ZQ_BLOCK;
	uint64_t first, nr;
	uint8_t *buf;

	if (!blocks)
		return;
	first = rnd(r, blocks);
	nr = 1 + rnd(r, min_u64(blocks - first, rnd(r, 3) ? 8 : 100));
	if (rnd(r, 4) == 0) {
		crash_conv(r->model, first * ZQ_BLOCK, NULL, nr * ZQ_BLOCK,
			   memio_log_count(r->disk));
		ck_assert_int_eq(zq_zero(r->dev, first * ZQ_BLOCK, nr * ZQ_BLOCK), 0);
		return;
	}
	buf = malloc(nr * ZQ_BLOCK);
	crash_conv(r->model, first * ZQ_BLOCK, buf, nr * ZQ_BLOCK, memio_log_count(r->disk));
	ck_assert_int_eq(zq_write(r->dev, first * ZQ_BLOCK, buf, nr * ZQ_BLOCK, 0),
			 (int)(nr * ZQ_BLOCK));
	written(r);
	free(buf);
}

static void op_any(struct crash_run *r)
{
	const struct zq_geometry *g = &r->model->geo;
	uint32_t zone = g->nr_conv + (uint32_t)rnd(r, g->nr_zones - g->nr_conv);

	switch (rnd(r, 22)) {
	case 0:
	case 1:
		op_sync(r);
		break;
	case 2:
		crash_reset(r->model, zone, memio_log_count(r->disk));
		ck_assert_int_eq(zq_zone_reset(r->dev, zone), 0);
		break;
	case 3:
		if (rnd(r, 3) || no_slot(r, zone))
			break;
		crash_finish(r->model, zone, memio_log_count(r->disk));
		ck_assert_int_eq(zq_zone_finish(r->dev, zone), 0);
		break;
	case 20:
	case 21:
		op_open_close(r, zone);
		break;
	case 4:
	case 5:
	case 6:
		op_conventional(r);
		break;
	default:
		op_append(r, zone);
	}
}

static struct zq_device *open_disk(struct memio *m, bool writable, bool sync)
{
	struct zq_open_opts o = { .readonly = !writable, .sync = sync };
	struct zq_device *dev = NULL;
	struct zq_error err = { "" };
	int rc = zq_open_device_io(memio_open(m, "crash.qcow2", writable), &o, &dev, &err);

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
	r->start = memio_clone(r->disk);
	memio_log_start(r->disk);
	for (uint64_t i = 0; i < ops; i++)
		op_any(r);
	memio_log_stop(r->disk);
	ck_assert_int_eq(zq_close_device(r->dev), 0);
	if (r->shape && r->shape->grows)
		ck_assert_msg(crash_reftable(r->disk) != crash_reftable(r->start),
			      "the refcount table did not grow");
}

/* ---- the power failures ---------------------------------------------------------------------- */

/*
 * What a disk with a volatile cache may have kept. Each sector holds what it held after some of
 * the writes that were not flushed: after all, after none, or after the first few. Sectors
 * are independent of each other, so any subset of the writes, torn at 512 bytes, is reached.
 */
static size_t sector_cut(uint64_t salt, uint64_t sector, size_t pending)
{
	uint64_t h = (sector + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ salt;

	h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 32;
	switch (h % 4) {
	case 0:
		return 0;
	case 1:
		return (size_t)(h / 4 % (pending + 1));
	default:
		return pending;
	}
}

static void apply_entry(struct memio *to, const struct memio_entry *e, size_t nr, uint64_t salt,
			size_t pending)
{
	static const uint8_t zeros[ZQ_BLOCK];
	uint64_t at = e->off, end = e->off + e->len;

	while (at < end) {
		uint64_t stop = min_u64(end, align_down(at, ZQ_BLOCK) + ZQ_BLOCK);

		if (nr < sector_cut(salt, at / ZQ_BLOCK, pending) &&
		    (e->op == MEMIO_WRITE || at < memio_size(to)))
			memio_poke(to, at, e->op == MEMIO_WRITE ? e->data + (at - e->off) : zeros,
				   stop - at);
		at = stop;
	}
}

/* The disk after a power failure: entries up to "flushed" are in it, those up to "at" may be. */
static void apply_some(struct crash_run *r, size_t flushed, size_t at, struct memio *to)
{
	uint64_t salt = r->rng;

	(void)rnd(r, 2);
	for (size_t i = flushed; i < at; i++) {
		const struct memio_entry *e = memio_log_get(r->disk, i);

		if (e->op == MEMIO_WRITE || e->op == MEMIO_PUNCH)
			apply_entry(to, e, i - flushed, salt, at - flushed);
		else if (e->op == MEMIO_TRUNCATE)
			memio_resize(to, e->off);
	}
}

static void check_disk(struct crash_run *r, struct memio *m, size_t at, unsigned variant)
{
	char what[96];

	snprintf(what, sizeof(what), "seed %" PRIu64 ", crash behind entry %zu, variant %u",
		 r->seed, at, variant);
	qimage_check_file(m, what);
	ck_assert_msg(crash_shared_intact(r->shared, m), "%s: a shared cluster was written", what);
}

/* What is left after a crash can be written to, and what is written then is there. */
static void work_on(struct crash_run *r, struct memio *m)
{
	struct zq_device *dev = open_disk(m, true, false);
	const struct zq_geometry *g = zq_device_geometry(dev);
	uint32_t zone = g->nr_conv + (uint32_t)rnd(r, g->nr_zones - g->nr_conv);
	uint8_t buf[3000], back[3000];

	crash_fill(zone, 1u << 30, 0, buf, sizeof(buf));
	ck_assert_int_eq(zq_zone_reset(dev, zone), 0);
	for (uint32_t z = g->nr_conv; z < g->nr_zones && g->max_active; z++)
		ck_assert_int_eq(zq_zone_reset(dev, z), 0); /* no slot may be free */
	ck_assert_int_eq(zq_append(dev, zone, NULL, 0, buf, sizeof(buf), 0, NULL), sizeof(buf));
	ck_assert_int_eq(zq_close_device(dev), 0);
	dev = open_disk(m, false, false);
	ck_assert_int_eq(zq_read(dev, zone, 0, back, sizeof(back)), sizeof(back));
	ck_assert_mem_eq(buf, back, sizeof(buf));
	ck_assert_int_eq(zq_close_device(dev), 0);
	r->opened_again++;
}

static void one_state(struct crash_run *r, struct memio *m, size_t at, unsigned variant)
{
	struct zq_device *dev = open_disk(m, false, false);
	const char *bad = crash_verify(r->model, dev, at);

	ck_assert_msg(!bad, "seed %" PRIu64 ", crash behind entry %zu, variant %u: %s", r->seed, at,
		      variant, bad);
	ck_assert_int_eq(zq_close_device(dev), 0);
	check_disk(r, m, at, variant);
	if (rnd(r, 16) == 0) {
		work_on(r, m);
		check_disk(r, m, at, variant);
	}
	r->states++;
}

static void crash_everywhere(struct crash_run *r, unsigned variants)
{
	struct memio *stable = memio_clone(r->start);
	size_t flushed = 0, entries = memio_log_count(r->disk);

	for (size_t at = 0; at <= entries; at++) {
		size_t last = memio_log_last_flush(r->disk, at);

		memio_replay(r->disk, flushed, last, stable, NULL, NULL);
		flushed = last;
		for (unsigned v = 0; v < variants; v++) {
			struct memio *m;

			if (v && last == at)
				break; /* nothing is in doubt */
			m = memio_clone(stable);
			if (v)
				apply_some(r, last, at, m);
			else
				memio_replay(r->disk, last, at, m, NULL, NULL);
			one_state(r, m, at, v);
			memio_free(m);
		}
	}
	memio_free(stable);
}

static void run_on(struct memio *disk, const struct crash_shape *shape, const char *name)
{
	uint64_t ops = from_env("ZQ_CRASH_OPS", 150);
	unsigned variants = (unsigned)from_env("ZQ_CRASH_VARIANTS", 4);
	struct crash_run r = { .disk = disk, .shape = shape, .seed = from_env("ZQ_CRASH_SEED", 1) };

	r.rng = (r.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	r.shared = crash_share(disk, shape);
	run_workload(&r, ops);
	crash_everywhere(&r, variants);
	printf("crash replay: %s: seed %" PRIu64 ", %" PRIu64
	       " operations, %zu log entries, %" PRIu64 " crash states (%" PRIu64
	       " written to again), nothing lost\n",
	       name, r.seed, ops, memio_log_count(disk), r.states, r.opened_again);
	crash_model_free(r.model);
	free(r.writer);
	crash_shared_free(r.shared);
	memio_free(r.start);
	memio_free(disk);
}

START_TEST(survives_power_failures)
{
	const struct crash_shape *shape = &crash_shapes[_i];

	run_on(crash_make_disk(shape), shape, shape->name);
}
END_TEST

START_TEST(survives_on_a_given_image)
{
	struct memio *m = NULL;

	ck_assert_int_eq(memio_load(getenv("ZQ_CRASH_IMAGE"), &m), 0);
	run_on(m, NULL, getenv("ZQ_CRASH_IMAGE"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("crash replay");
	TCase *tc = tcase_create("power failures");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 3600);
	if (getenv("ZQ_CRASH_IMAGE"))
		tcase_add_test(tc, survives_on_a_given_image);
	else
		tcase_add_loop_test(tc, survives_power_failures, 0, (int)crash_nr_shapes);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
