/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flush fails once and the pages stay in the host's cache, clean, without being on the disk
 * (memio_cache.c). The mount refuses everything from then on; the next one goes on, and then the
 * power fails. Nothing that was acknowledged before or after may be lost, nor anything that the
 * second mount showed to a reader before it acknowledged a sync.
 *
 * Every flush of a random workload fails in turn. ZQ_CRASH_SEED and ZQ_CRASH_OPS as in the crash
 * replay.
 */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "crash_model.h"
#include "crash_shapes.h"
#include "qimage.h"
#include "rng.h"

#define MAX_APPEND 20000u

struct run {
	const struct crash_shape *shape;
	struct crash_disk disk;
	struct zq_device *dev;
	struct crash_model *model;
	struct zq_writer writer[64];
	size_t at; /* in place of a position in a log */
	uint64_t rng;
};

static struct zq_device *open_files(struct memio *image, struct memio *data, bool writable,
				    bool sync)
{
	struct zq_open_opts o = { .readonly = !writable, .sync = sync };
	struct zq_device *dev = NULL;
	struct zq_error err = { "" };
	int rc;

	if (data)
		o.data_io = memio_open(data, "crash.data", writable);
	rc = zq_open_device_io(memio_open(image, "crash.qcow2", writable), &o, &dev, &err);
	ck_assert_msg(rc == 0, "does not open: %s", err.msg);
	return dev;
}

static struct zq_device *lost_open_again(struct run *r)
{
	return open_files(r->disk.image, r->disk.data, true, r->shape->sync);
}

/* ---- the workload, until something fails --------------------------------------------------- */

static int some_append(struct run *r, uint32_t zone)
{
	const struct crash_event *now = crash_now(r->model, zone);
	uint64_t cap = zq_zone_cap(&r->model->geo, zone);
	uint8_t buf[MAX_APPEND];
	uint64_t len;
	ssize_t n;

	if (now->end >= cap)
		return 0;
	len = min_u64(cap - now->end, 1 + rng_below(&r->rng, MAX_APPEND));
	crash_fill(zone, now->gen, now->end, buf, len);
	crash_append(r->model, zone, now->end + len, r->at++);
	n = zq_append(r->dev, zone, &r->writer[zone], 0, buf, len, ZQ_WRITE_APPEND, NULL);
	return n == (ssize_t)len ? 0 : (int)n;
}

static int some_conv(struct run *r)
{
	uint64_t blocks = (uint64_t)r->model->geo.nr_conv * r->model->geo.zone_size / ZQ_BLOCK;
	uint64_t first = rng_below(&r->rng, blocks), nr;
	uint8_t buf[20 * ZQ_BLOCK];
	ssize_t n;

	nr = 1 + rng_below(&r->rng, min_u64(blocks - first, 20));
	crash_conv(r->model, first * ZQ_BLOCK, buf, nr * ZQ_BLOCK, r->at++);
	n = zq_write(r->dev, first * ZQ_BLOCK, buf, nr * ZQ_BLOCK, 0);
	return n == (ssize_t)(nr * ZQ_BLOCK) ? 0 : (int)n;
}

static int some_sync(struct run *r)
{
	size_t seq = crash_sync_begins(r->model);
	int rc = zq_sync(r->dev);

	if (rc == 0)
		crash_synced(r->model, seq, r->at);
	return rc;
}

static int some_operation(struct run *r)
{
	const struct zq_geometry *g = &r->model->geo;
	uint32_t zone = g->nr_conv + (uint32_t)rng_below(&r->rng, g->nr_zones - g->nr_conv);

	switch (rng_below(&r->rng, 10)) {
	case 0:
	case 1:
		return some_sync(r);
	case 2:
		crash_reset(r->model, zone, r->at++);
		return zq_zone_reset(r->dev, zone);
	case 3:
	case 4:
		return g->nr_conv ? some_conv(r) : 0;
	default:
		return some_append(r, zone);
	}
}

static void lost_flush_start(struct run *r)
{
	r->disk = crash_make_disk(r->shape);
	r->dev = lost_open_again(r);
	r->model = crash_model_new(r->dev);
	ck_assert_uint_le(r->model->geo.nr_zones, ARRAY_SIZE(r->writer));
	memset(r->writer, 0, sizeof(r->writer));
	memio_cache_start(r->disk.image);
	if (r->disk.data)
		memio_cache_start(r->disk.data);
}

static void lost_flush_finish(struct run *r)
{
	crash_model_free(r->model);
	crash_disk_free(&r->disk);
}

static struct memio *victim(const struct run *r, uint64_t n)
{
	return r->disk.data && n % 2 ? r->disk.data : r->disk.image;
}

/* The n-th flush fails. False: the workload has fewer. */
static bool work_until_it_fails(struct run *r, uint64_t n)
{
	uint64_t ops = from_env("ZQ_CRASH_OPS", 60);
	struct memio *m = victim(r, n);
	int rc = 0;

	memio_fail(m, MEMIO_FLUSH, r->disk.data ? n / 2 : n, EIO, false, 0);
	for (uint64_t i = 0; i < ops && rc == 0; i++)
		rc = some_operation(r);
	zq_close_device(r->dev);
	ck_assert(rc == 0 || memio_failures(m, MEMIO_FLUSH));
	return memio_failures(m, MEMIO_FLUSH);
}

/* ---- what is there --------------------------------------------------------------------------- */

struct content {
	uint64_t written[64];
	uint8_t *data[64];
};

static void lost_flush_read_all(struct zq_device *dev, struct content *c)
{
	const struct zq_geometry *g = zq_device_geometry(dev);

	for (uint32_t z = 0; z < g->nr_zones; z++) {
		struct zq_zone_info zi;

		ck_assert_int_eq(zq_report(dev, z, 1, &zi), 0);
		c->written[z] = zi.written;
		c->data[z] = malloc(g->zone_size);
		ck_assert_int_eq(zq_read(dev, z, 0, c->data[z], zi.written), (int)zi.written);
	}
}

static void forget(struct content *c)
{
	for (size_t z = 0; z < ARRAY_SIZE(c->data); z++)
		free(c->data[z]);
}

/* Appends a little to every other zone, and notes it in c. */
static void append_more(struct run *r, struct content *c)
{
	const struct zq_geometry *g = zq_device_geometry(r->dev);

	for (uint32_t z = g->nr_conv; z < g->nr_zones; z += 2) {
		uint64_t len = min_u64(4096, zq_zone_cap(g, z) - c->written[z]);

		if (!len)
			continue;
		memset(c->data[z] + c->written[z], 'C', len);
		ck_assert_int_eq(zq_append(r->dev, z, NULL, 0, c->data[z] + c->written[z], len,
					   ZQ_WRITE_APPEND, NULL),
				 (int)len);
		c->written[z] += len;
	}
}

static void lost_flush_compare(struct zq_device *dev, const struct content *want, const char *what)
{
	const struct zq_geometry *g = zq_device_geometry(dev);
	struct content c = { 0 };

	lost_flush_read_all(dev, &c);
	for (uint32_t z = 0; z < g->nr_zones; z++) {
		ck_assert_msg(c.written[z] == want->written[z],
			      "%s: zone %u has %llu of %llu bytes", what, z,
			      (unsigned long long)c.written[z],
			      (unsigned long long)want->written[z]);
		ck_assert_msg(!memcmp(c.data[z], want->data[z], c.written[z]),
			      "%s: zone %u has lost what was there", what, z);
	}
	forget(&c);
}

/* The second mount, and what is left of it on the disk. */
static void go_on(struct run *r, const char *what)
{
	struct content c = { 0 };
	struct memio *image, *data;
	const char *bad;

	r->dev = lost_open_again(r);
	bad = crash_verify(r->model, r->dev, SIZE_MAX);
	ck_assert_msg(!bad, "%s: %s", what, bad);
	lost_flush_read_all(r->dev, &c);
	append_more(r, &c);
	ck_assert_int_eq(zq_sync(r->dev), 0);
	image = memio_disk(r->disk.image);
	data = r->disk.data ? memio_disk(r->disk.data) : NULL;
	zq_close_device(r->dev);

	r->dev = open_files(image, data, false, false);
	lost_flush_compare(r->dev, &c, what);
	zq_close_device(r->dev);
	qimage_check_file(image, what);
	memio_free(image);
	memio_free(data);
	forget(&c);
}

START_TEST(nothing_is_lost_by_a_flush_that_failed)
{
	uint64_t seed = from_env("ZQ_CRASH_SEED", 1), n = 0;
	struct run r = { .shape = &crash_shapes[_i] };
	bool failed = true;

	for (; failed; n++) {
		char what[128];

		snprintf(what, sizeof(what), "%s, seed %" PRIu64 ", flush %" PRIu64, r.shape->name,
			 seed, n);
		r.rng = (seed + n / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);
		lost_flush_start(&r);
		failed = work_until_it_fails(&r, n);
		if (failed)
			go_on(&r, what);
		lost_flush_finish(&r);
	}
	printf("lost flush: %s: seed %" PRIu64 ", %" PRIu64 " crash states, %" PRIu64
	       " faults injected, nothing lost\n",
	       r.shape->name, seed, n - 1, n - 1);
}
END_TEST

int main(void)
{
	const struct check_test tests[] = {
		CHECK_LOOP(nothing_is_lost_by_a_flush_that_failed, crash_nr_shapes),
	};

	return check_main_timeout("lost flush", tests, ARRAY_SIZE(tests), 600);
}
