/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every operation that is done while a full zone is compressed fails once or for good, of the
 * thread that compresses and of those beside it, which write and reset other zones, reset and
 * refill the one that is being compressed, and sync. What a caller was told is true, what a sync
 * acknowledged is there after reopening, the image has no error, and the device goes on: the next
 * full zone is compressed.
 *
 * ZQ_FAULT_SEED and ZQ_FAULT_SEEDS choose other workloads ("make faults"). Since the thread rests
 * between clusters each run takes a while: one is done for 20 of the seeds.
 */
#include "check_main.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crash_model.h"
#include "fault_kinds.h"
#include "qcow2/engine/image.h"
#include "qimage.h"
#include "rng.h"
#include "turns.h"
#include "zone/zone.h"
#include "zonedev.h"

#define CAP	 (32u << 10)
#define CLUSTERS 4u
#define FIRST	 2u /* of the sequential zones; it is compressed */
#define ZONES	 8u

struct compressor_zone { /* what its callers know */
	uint32_t gen, acked_gen;
	uint64_t end, acked_end;
	bool in_doubt; /* a reset has failed */
};

struct compressor_faults {
	struct zonedev z;
	struct turns turns;
	struct compressor_zone zone[ZONES];
	uint64_t rng;
	unsigned goal;	 /* clusters to be looked at in all */
	unsigned refill; /* operations until the zone is reset; 0: it is not */
	unsigned errors; /* callers were told of */
	char what[96];
};

static uint64_t compressor_faults_rnd(struct compressor_faults *r, uint64_t below)
{
	return rng_below(&r->rng, below);
}

static unsigned clusters_done(struct compressor_faults *r)
{
	return atomic_load(&r->z.dev->compressor.pieces);
}

/* ---- what is true -------------------------------------------------------------------------- */

/* The zone holds what was written in that generation, least to most bytes of it. */
static bool zone_has(struct compressor_faults *r, uint32_t zone, uint32_t gen, uint64_t least,
		     uint64_t most)
{
	uint64_t len = zonedev_written(&r->z, zone);
	uint8_t got[CAP], want[CAP];

	crash_fill(zone, gen, 0, want, CAP);
	ck_assert_msg(zq_read(r->z.dev, zone, 0, got, CAP) == (ssize_t)len,
		      "%s: zone %u cannot be read", r->what, zone);
	return len >= least && len <= most && !memcmp(got, want, len);
}

static void expect_what_callers_know(struct compressor_faults *r)
{
	for (uint32_t z = FIRST; z < ZONES; z++)
		ck_assert_msg(zone_has(r, z, r->zone[z].gen, r->zone[z].end, r->zone[z].end),
			      "%s: zone %u does not hold what was written", r->what, z);
}

static void expect_what_was_confirmed(struct compressor_faults *r)
{
	for (uint32_t z = FIRST; z < ZONES; z++) {
		const struct compressor_zone *k = &r->zone[z];
		bool ok = false;

		for (uint32_t gen = k->acked_gen; gen <= k->gen + k->in_doubt && !ok; gen++)
			ok = zone_has(r, z, gen, gen == k->acked_gen ? k->acked_end : 0,
				      gen == k->gen ? k->end : CAP);
		ck_assert_msg(ok, "%s: zone %u lost what was confirmed", r->what, z);
	}
}

/* ---- the workload ------------------------------------------------------------------------ */

static void told_of(struct compressor_faults *r, ssize_t rc)
{
	ck_assert_msg(rc == -EIO || rc == -ENOSPC, "%s: told %zd", r->what, rc);
	r->errors++;
}

static void write_more(struct compressor_faults *r, uint32_t zone, uint64_t len)
{
	struct compressor_zone *k = &r->zone[zone];
	uint8_t buf[CAP];
	ssize_t rc;

	len = min_u64(len, CAP - k->end);
	if (!len)
		return;
	crash_fill(zone, k->gen, k->end, buf, len);
	rc = zq_append(r->z.dev, zone, NULL, k->end, buf, len, 0, NULL);
	if (rc > 0)
		k->end += len;
	else
		told_of(r, rc);
}

static void empty_zone(struct compressor_faults *r, uint32_t zone)
{
	struct compressor_zone *k = &r->zone[zone];
	int rc = zq_zone_reset(r->z.dev, zone);

	if (rc < 0)
		told_of(r, rc);
	if (rc == 0 || (k->end && zonedev_state(&r->z, zone) == ZQ_EMPTY)) {
		k->gen++;
		k->end = 0;
	} else {
		k->in_doubt = true;
	}
}

static void sync_all(struct compressor_faults *r)
{
	int rc = zq_sync(r->z.dev);

	if (rc < 0) {
		told_of(r, rc);
		return;
	}
	for (uint32_t z = FIRST; z < ZONES; z++) {
		struct compressor_zone *k = &r->zone[z];

		k->acked_gen = k->gen;
		k->acked_end = k->end;
		k->in_doubt = false;
	}
}

/* Another zone never becomes full: what is compressed is for the test to say. */
static void do_something(struct compressor_faults *r)
{
	uint32_t zone = FIRST + 1 + (uint32_t)compressor_faults_rnd(r, ZONES - FIRST - 1);
	uint64_t room = CAP - ZQ_BLOCK - r->zone[zone].end;

	switch (compressor_faults_rnd(r, 6)) {
	case 0:
	case 1:
		sync_all(r);
		break;
	case 2:
		empty_zone(r, zone);
		break;
	default:
		write_more(r, zone, min_u64(room, ZQ_BLOCK * (1 + compressor_faults_rnd(r, 20))));
	}
}

static void reset_and_refill(struct compressor_faults *r)
{
	unsigned done = clusters_done(r);

	empty_zone(r, FIRST);
	write_more(r, FIRST, CAP);
	r->goal = done + (r->zone[FIRST].end == CAP ? CLUSTERS : 0);
}

/* Between any two operations of the thread something else happens. */
static void work_beside_the_compressor(struct compressor_faults *r, enum memio_op op)
{
	for (unsigned n = 1; n < 1000 && clusters_done(r) < r->goal; n++) {
		bool waits = turns_wait(&r->turns, 30);

		/* something has failed: the zone stays as it is */
		if (!waits && memio_failures(r->z.m, op))
			break;
		if (n == r->refill)
			reset_and_refill(r);
		else if (waits || n < 4)
			do_something(r);
		turns_give(&r->turns);
	}
	sync_all(r);
}

/* ---- faults --------------------------------------------------------------------------- */

/* Zones with something in them; the first is full, and the thread is about to compress it. */
static void compressor_faults_setup(struct compressor_faults *r, uint64_t seed)
{
	static const unsigned char type[] = { 0, 1 };

	memset(r, 0, sizeof(*r));
	r->rng = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	zonedev_init(&r->z);
	r->z.p.cluster_bits = 13; /* see crash_fill(): smaller ones would not win a sector */
	r->z.p.geo.zone_capacity = CAP;
	r->z.p.compression_type = type[seed % 2];
	r->z.opts.on_error = ZQ_ERRORS_REPAIR;
	r->z.opts.committer = true;
	r->z.opts.commit_secs = 3600;
	r->z.opts.compress = true;
	zonedev_create(&r->z);
	for (uint32_t z = FIRST + 1; z < ZONES; z++)
		write_more(r, z, 5000 / ZQ_BLOCK * ZQ_BLOCK);
	sync_all(r);
	zonedev_reopen(&r->z);
	zq_stop_committer(r->z.dev);
	write_more(r, FIRST, CAP);
	sync_all(r);
	ck_assert_uint_eq(r->errors, 0);
	r->goal = CLUSTERS;
}

static void begin_compressing(struct compressor_faults *r)
{
	turns_begin(&r->turns, r->z.m);
	ck_assert_int_eq(zq_start_committer(r->z.dev), 0);
}

static unsigned clusters_packed(struct compressor_faults *r, uint32_t zone)
{
	uint64_t start = zonedev_zone(&r->z, zone).start;
	unsigned packed = 0;

	for (uint64_t off = start; off < start + CAP; off += CAP / CLUSTERS)
		packed +=
			(image_get(r->z.m, image_l2_place(r->z.m, off), 8) & QCOW2_COMPRESSED) != 0;
	return packed;
}

/* What failed works again: all is confirmed, and the next full zone is compressed. */
static void compress_another(struct compressor_faults *r)
{
	uint32_t next = ZONES - 1;

	r->errors = 0;
	empty_zone(r, next);
	write_more(r, next, CAP);
	for (unsigned n = 0; n < 1000 && clusters_packed(r, next) < CLUSTERS; n++) {
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
		sync_all(r);
	}
	ck_assert_msg(r->errors == 0, "%s: it does not go on", r->what);
	ck_assert_msg(clusters_packed(r, next) == CLUSTERS, "%s: nothing is compressed", r->what);
}

static void end_and_look(struct compressor_faults *r, bool may_fail)
{
	int rc = zq_close_device(r->z.dev);

	ck_assert(rc == 0 || may_fail);
	r->z.dev = NULL;
	qimage_check_file(r->z.m, r->what);
	r->z.opts.compress = false;
	zonedev_reopen(&r->z);
	expect_what_was_confirmed(r);
	zonedev_free(&r->z);
}

/* The n-th operation of its kind fails, counted from when the thread begins. False: there is no
 * n-th. In every other run the zone is reset meanwhile, each time at another place. */
static bool fail_beside_the_compressor(const struct fault *f, uint64_t n, uint64_t seed)
{
	struct compressor_faults r;
	bool hit;

	compressor_faults_setup(&r, seed);
	snprintf(r.what, sizeof(r.what), "seed %" PRIu64 ", operation kind %d number %" PRIu64,
		 seed, f->op, n);
	r.refill = n % 2 ? 1 + (unsigned)(n / 2 % 9) : 0;
	fault_begins(r.z.m, f, n);
	begin_compressing(&r);
	work_beside_the_compressor(&r, f->op);
	turns_end(&r.turns, r.z.m);
	hit = fault_ends(r.z.m, f);
	expect_what_callers_know(&r);
	ck_assert(hit || !r.errors);
	if (f->op != MEMIO_FLUSH)
		compress_another(&r);
	else if (hit) /* it can vouch for nothing any more */
		ck_assert_int_lt(zq_sync(r.z.dev), 0);
	end_and_look(&r, f->op == MEMIO_FLUSH && hit);
	return hit;
}

static const struct fault compressor_fault[] = {
	{ MEMIO_READ, EIO, false, 0 },	    { MEMIO_WRITE, EIO, false, 0 },
	{ MEMIO_WRITE, EIO, true, 700 },    { MEMIO_WRITE, ENOSPC, false, 0 },
	{ MEMIO_WRITE, ENOSPC, true, 512 }, { MEMIO_FLUSH, EIO, false, 0 },
	{ MEMIO_PUNCH, EIO, true, 0 },	    { MEMIO_SIZE, EIO, false, 0 },
};

START_TEST(whatever_fails_while_zones_are_compressed_nothing_is_lost)
{
	uint64_t first = from_env("ZQ_FAULT_SEED", 1), all = 0;
	uint64_t nr = max_u64(from_env("ZQ_FAULT_SEEDS", 1) / 20, 1);
	const struct fault *f = &compressor_fault[_i];

	for (uint64_t seed = first; seed < first + nr; seed++) {
		uint64_t n = 0, hits = 0;

		/* every other run has more operations */
		for (unsigned missed = 0; missed < 2; n++) {
			bool hit = fail_beside_the_compressor(f, n, seed);

			missed = hit ? 0 : missed + 1;
			hits += hit;
		}
		ck_assert_uint_ge(hits, f->op == MEMIO_WRITE ? 2 * CLUSTERS : 1);
		all += hits;
	}
	fault_tell("faults beside the compressor", f, first, nr, all);
}
END_TEST

/* The host's disk is full at some size, and then has room again. False: it never was. */
static bool compress_with_room_for(uint64_t bytes, uint64_t seed)
{
	struct compressor_faults r;
	bool full;

	compressor_faults_setup(&r, seed);
	snprintf(r.what, sizeof(r.what), "seed %" PRIu64 ", room for %" PRIu64 " bytes", seed,
		 bytes);
	memio_set_room(r.z.m, memio_used(r.z.m) + bytes);
	begin_compressing(&r);
	r.refill = bytes / MEMIO_PAGE % 2 ? 3 : 0;
	for (unsigned n = 1; n < 200 && clusters_done(&r) < r.goal; n++) {
		bool waits = turns_wait(&r.turns, 30);

		if (!waits && n > 20)
			break;
		if (n == r.refill)
			reset_and_refill(&r);
		else
			do_something(&r);
		turns_give(&r.turns);
	}
	sync_all(&r);
	turns_end(&r.turns, r.z.m);
	full = r.errors > 0 || clusters_done(&r) < r.goal;
	memio_set_room(r.z.m, 0);
	expect_what_callers_know(&r);
	compress_another(&r);
	end_and_look(&r, false);
	return full;
}

START_TEST(a_full_host_stops_compressing_and_nothing_else)
{
	uint64_t bytes = 0, nr = 0, seed = from_env("ZQ_FAULT_SEED", 1);

	for (; compress_with_room_for(bytes, seed); bytes += MEMIO_PAGE)
		nr++;
	ck_assert_uint_ge(nr, 4);
	printf("faults beside the compressor: no room, seed %" PRIu64 ", %" PRIu64
	       " faults injected, nothing lost\n",
	       seed, nr);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_LOOP(whatever_fails_while_zones_are_compressed_nothing_is_lost,
			   ARRAY_SIZE(compressor_fault)),
		CHECK_TEST(a_full_host_stops_compressing_and_nothing_else),
	};

	return check_main_timeout("faults beside the compressor", tests, ARRAY_SIZE(tests), 600);
}
