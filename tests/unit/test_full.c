/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host without room, as a model: a random workload on a disk that is full at so many
 * clusters, for one number after the other, on each kind of host file; and one whose room is
 * gone from one request on and comes back. Whatever was accepted can be committed and is there
 * afterwards, whatever was refused changed nothing, and nothing leaks.
 *
 * ZQ_FULL_SEED replays one run, ZQ_FULL_RUNS makes it longer (make faults).
 */
#include "check_main.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crash_model.h"
#include "crash_shapes.h"
#include "qimage.h"
#include "rng.h"
#include "util/errors.h"
#include "zonedev.h"

#define FULL_ZONES   40u
#define FULL_ZONE    (UINT64_C(64) << 10)
#define FULL_APPEND  20000u
#define FULL_OPS     120u
#define FULL_TIMEOUT 3600

enum full_host {
	FULL_REGULAR,	 /* a regular file, on a disk of that size: holes need room */
	FULL_LIMITED,	 /* one that may not become larger */
	FULL_DEVICE,	 /* a block device of that size */
	FULL_NO_RESERVE, /* a regular file without fallocate */
	FULL_SPARSE,	 /* a regular file whose zeros are all holes, tables as well */
	FULL_HOSTS,
};

static const char *const full_names[FULL_HOSTS] = {
	"regular file", "limited file", "block device", "no fallocate", "sparse copy",
};

struct full_zone {
	uint32_t gen;
	uint64_t end;
	bool finished;
};

struct full_run {
	struct zonedev z;
	struct full_zone zone[FULL_ZONES];
	uint64_t rng, seed;
	uint64_t refused, accepted;
	enum full_host host;
	unsigned cluster_bits;
	uint64_t room;	 /* clusters */
	bool grown;	 /* the refcount table has become larger */
	uint32_t filled; /* zones that are full before the host is */
};

static uint64_t full_rnd(struct full_run *r, uint64_t below)
{
	return rng_below(&r->rng, below);
}

static const char *full_what(const struct full_run *r)
{
	static char text[128];

	snprintf(text, sizeof(text), "seed %" PRIu64 ", %s, clusters of %u, room for %" PRIu64,
		 r->seed, full_names[r->host], 1u << r->cluster_bits, r->room);
	return text;
}

/* ---- the workload ------------------------------------------------------------------------ */

static void full_append(struct full_run *r, uint32_t zone)
{
	struct full_zone *now = &r->zone[zone];
	uint64_t len = 512 * (1 + full_rnd(r, full_rnd(r, 3) ? 8 : FULL_APPEND / 512));
	uint8_t buf[FULL_APPEND];
	ssize_t n;

	if (now->finished || now->end == FULL_ZONE)
		return;
	len = min_u64(len, FULL_ZONE - now->end);
	crash_fill(zone, now->gen, now->end, buf, len);
	n = zq_append(r->z.dev, zone, NULL, 0, buf, len, ZQ_WRITE_APPEND, NULL);
	if (n < 0) {
		ck_assert_msg(error_is_no_room((int)n), "%s: append: %zd", full_what(r), n);
		r->refused++;
		return;
	}
	ck_assert_int_eq(n, (ssize_t)len);
	now->end += len;
	r->accepted++;
}

static void full_finish(struct full_run *r, uint32_t zone)
{
	int rc = zq_zone_finish(r->z.dev, zone);

	ck_assert_msg(!rc || error_is_no_room(rc), "%s: finish: %d", full_what(r), rc);
	if (rc == 0)
		r->zone[zone].finished = true;
}

static void full_reset(struct full_run *r, uint32_t zone)
{
	int rc = zq_zone_reset(r->z.dev, zone);

	ck_assert_msg(rc == 0, "%s: reset: %d", full_what(r), rc);
	r->zone[zone] = (struct full_zone){ .gen = r->zone[zone].gen + 1 };
}

/* What was accepted can be committed, however full the host is. */
static void full_sync(struct full_run *r)
{
	int rc = zq_sync(r->z.dev);

	ck_assert_msg(rc == 0, "%s: sync: %d", full_what(r), rc);
}

static void full_verify(struct full_run *r)
{
	static uint8_t buf[FULL_ZONE], want[FULL_ZONE];

	for (uint32_t i = 0; i < FULL_ZONES; i++) {
		const struct full_zone *now = &r->zone[i];
		uint64_t len = now->finished ? FULL_ZONE : now->end;

		ck_assert_msg(zonedev_written(&r->z, i) == len, "%s: zone %u: the pointer is wrong",
			      full_what(r), i);
		memset(want, 0, sizeof(want));
		crash_fill(i, now->gen, 0, want, now->end);
		ck_assert_int_eq(zq_read(r->z.dev, i, 0, buf, len), (int)len);
		ck_assert_msg(!memcmp(buf, want, len), "%s: zone %u: wrong data", full_what(r), i);
	}
}

static void full_op(struct full_run *r)
{
	uint32_t zone = (uint32_t)full_rnd(r, FULL_ZONES);

	switch (full_rnd(r, 24)) {
	case 0:
	case 1:
		full_sync(r);
		break;
	case 2:
		full_reset(r, zone);
		break;
	case 3:
		full_finish(r, zone);
		break;
	default:
		full_append(r, zone);
	}
}

/* ---- the host --------------------------------------------------------------------------- */

static void full_set_host(struct full_run *r)
{
	struct memio *m = r->z.m;
	uint64_t more = r->room << r->cluster_bits;

	switch (r->host) {
	case FULL_LIMITED:
		memio_set_limit(m, memio_size(m) + more);
		return;
	case FULL_DEVICE:
		memio_set_device(m, memio_size(m) + more);
		return;
	case FULL_NO_RESERVE:
		memio_set_no_reserve(m, true);
		break;
	case FULL_SPARSE:
		memio_make_sparse(m);
		break;
	default:
		break;
	}
	memio_set_room(m, memio_used(m) + more);
}

static void full_fill_zone(struct full_run *r, uint32_t zone)
{
	static uint8_t buf[FULL_ZONE];

	crash_fill(zone, 0, 0, buf, sizeof(buf));
	ck_assert_int_eq(zq_append(r->z.dev, zone, NULL, 0, buf, sizeof(buf), 0, NULL),
			 sizeof(buf));
	r->zone[zone].end = FULL_ZONE;
}

static void full_setup(struct full_run *r)
{
	zonedev_init(&r->z);
	r->z.p.geo = (struct zq_geometry){ .size = FULL_ZONES * FULL_ZONE,
					   .zone_size = FULL_ZONE,
					   .zone_capacity = FULL_ZONE,
					   .nr_zones = FULL_ZONES,
					   .max_append = 4096 };
	r->z.p.cluster_bits = r->cluster_bits;
	r->z.p.refcount_order = r->cluster_bits == 9 ? 6 : 4;
	memset(r->zone, 0, sizeof(r->zone));
	zonedev_create(&r->z);
	r->rng = (r->seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t zone = 0; zone < r->filled; zone++)
		full_fill_zone(r, zone);
	full_sync(r);
}

/* Closes, looks at what is left, and has all that room for something else. */
static void full_finish_run(struct full_run *r)
{
	int rc;

	full_sync(r);
	full_verify(r);
	rc = zq_close_device(r->z.dev);
	r->z.dev = NULL;
	ck_assert_msg(rc == 0, "%s: close: %d", full_what(r), rc);
	ck_assert_msg(qimage_check_file(r->z.m, full_what(r)) == 0, "%s: leaks", full_what(r));
	zonedev_reopen(&r->z);
	full_verify(r);
	zonedev_free(&r->z);
}

static void full_one(struct full_run *r)
{
	uint64_t table;

	full_setup(r);
	table = crash_reftable(r->z.m);
	full_set_host(r);
	zonedev_reopen(&r->z); /* it finds such a host, and its caches know nothing */
	for (unsigned i = 0; i < FULL_OPS; i++)
		full_op(r);
	full_sync(r);
	r->grown = crash_reftable(r->z.m) != table;
	full_finish_run(r);
}

static uint64_t full_every(unsigned cluster_bits, uint32_t filled, uint64_t most, uint64_t step)
{
	uint64_t seed = from_env("ZQ_FULL_SEED", 1), runs = from_env("ZQ_FULL_RUNS", 1);
	uint64_t n = 0, refused = 0, met = 0, grown = 0;

	for (uint64_t s = seed; s < seed + runs; s++)
		for (unsigned host = 0; host < FULL_HOSTS; host++)
			for (uint64_t room = s % step; room < most; room += step, n++) {
				struct full_run r = { .seed = s,
						      .host = (enum full_host)host,
						      .cluster_bits = cluster_bits,
						      .room = room,
						      .filled = filled };

				full_one(&r);
				refused += r.refused;
				met += r.refused > 0;
				grown += r.grown;
			}
	printf("full disks: clusters of %u: seeds %" PRIu64 " to %" PRIu64 ", %" PRIu64
	       " runs, %" PRIu64 " writes refused, %" PRIu64 " faults injected, nothing lost\n",
	       1u << cluster_bits, seed, seed + runs - 1, n, refused, met);
	ck_assert_uint_gt(refused, 0);
	return grown;
}

START_TEST(full_at_every_cluster_of_512)
{
	full_every(9, 0, 2000, from_env("ZQ_FULL_RUNS", 1) > 1 ? 1 : 61);
}
END_TEST

START_TEST(full_at_every_cluster_of_4096)
{
	full_every(12, 0, 260, from_env("ZQ_FULL_RUNS", 1) > 1 ? 1 : 5);
}
END_TEST

START_TEST(full_at_every_cluster_of_65536)
{
	full_every(16, 0, 20, 1);
}
END_TEST

/* A table of one cluster names blocks for 2 MiB of file. */
START_TEST(full_while_the_refcount_table_grows)
{
	uint64_t step = from_env("ZQ_FULL_RUNS", 1) > 1 ? 3 : 61;

	ck_assert_uint_gt(full_every(9, 29, 1000, step), 20);
}
END_TEST

/* ---- room that goes and comes back --------------------------------------------------------- */

static uint64_t gone_from, gone_to, asked; /* requests for room, counted from 0 */

static int full_hook(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	static const int errors[] = { -ENOSPC, -EDQUOT, -EFBIG };

	(void)off;
	(void)len;
	(void)apply;
	if (op != MEMIO_RESERVE)
		return 0;
	asked++;
	return asked > gone_from && asked <= gone_to ? errors[*(unsigned *)data % 3] : 0;
}

START_TEST(room_goes_at_the_kth_request_and_comes_back)
{
	uint64_t seed = from_env("ZQ_FULL_SEED", 1), runs = from_env("ZQ_FULL_RUNS", 1);
	uint64_t n = 0, refused = 0, met = 0;

	for (uint64_t s = seed; s < seed + runs; s++)
		for (unsigned bits = 9; bits <= 12; bits += 3)
			for (unsigned k = 0; k<60; k += runs> 1 ? 1 : 3, n++) {
				struct full_run r = { .seed = s + k,
						      .cluster_bits = bits,
						      .filled = bits == 9 ? k % 30 : 0 };

				full_setup(&r);
				gone_from = k;
				gone_to = k + 1 + full_rnd(&r, 8);
				asked = 0;
				memio_set_hook(r.z.m, full_hook, &k);
				for (unsigned i = 0; i < FULL_OPS; i++)
					full_op(&r);
				memio_set_hook(r.z.m, NULL, NULL);
				full_finish_run(&r);
				refused += r.refused;
				met += asked > gone_from;
			}
	printf("room that goes and comes back: seeds %" PRIu64 " to %" PRIu64 ", %" PRIu64
	       " runs, %" PRIu64 " writes refused, %" PRIu64 " faults injected, nothing lost\n",
	       seed, seed + runs - 1, n, refused, met);
	ck_assert_uint_gt(refused, 0);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(full_at_every_cluster_of_512),
		CHECK_TEST(full_at_every_cluster_of_4096),
		CHECK_TEST(full_at_every_cluster_of_65536),
		CHECK_TEST(full_while_the_refcount_table_grows),
		CHECK_TEST(room_goes_at_the_kth_request_and_comes_back),
	};

	return check_main_timeout("full disks", tests, ARRAY_SIZE(tests), FULL_TIMEOUT);
}
