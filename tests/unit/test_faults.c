/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every operation of a workload on a zoned device fails once, or for good: the N-th read,
 * write, flush or hole, for every N, with EIO or ENOSPC, torn or not. Whatever fails: what a
 * caller was told is true, what a sync acknowledged is there after reopening, pointers never
 * lead to anything but what was written, and the image is clean but for leaks.
 *
 * ZQ_FAULT_SEED and ZQ_FAULT_OPS choose another workload, ZQ_FAULT_SEEDS runs so many of them
 * ("make faults").
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "crash_model.h"
#include "fault_kinds.h"
#include "qimage.h"
#include "rng.h"
#include "util/math.h"

#define NR_ZONES  6u
#define ZONE_SIZE (UINT64_C(1) << 15)
#define CONV_LEN  (2 * ZONE_SIZE)
#define MAX_LEN	  12000u

/* What the callers know of a zone. */
struct known {
	uint32_t gen;	    /* resets that succeeded */
	uint64_t end;	    /* exact bytes that were written */
	bool full;	    /* finished */
	uint32_t acked_gen; /* at the last sync that succeeded */
	uint64_t acked_end;
	bool acked_full;
	bool in_doubt; /* a reset failed: gen or gen + 1 may be what the disk has */
};

struct run {
	struct memio *m;
	struct zq_device *dev;
	struct known zone[NR_ZONES];
	uint8_t conv[CONV_LEN], conv_acked[CONV_LEN];
	/* blocks that changed since the last sync; blocks that nobody knows since a write failed */
	uint8_t conv_doubt[CONV_LEN / ZQ_BLOCK], conv_unknown[CONV_LEN / ZQ_BLOCK];
	uint64_t rng;
	unsigned errors; /* callers were told of */
	char what[128];
};

static uint64_t faults_rnd(struct run *r, uint64_t below)
{
	return rng_below(&r->rng, below);
}

static int open_it(struct run *r)
{
	struct zq_open_opts o = { .on_error = ZQ_ERRORS_REPAIR };
	struct zq_error err = { "" };

	r->dev = NULL;
	return zq_open_device_io(memio_open(r->m, "mem", true), &o, &r->dev, &err);
}

/* Images on which the workload runs, by the seed. */
static const struct faults_image {
	const char *layout;
	unsigned cluster_bits, refcount_order;
	bool extended_l2;
} faults_images[] = {
	{ "44", 12, 4, false },
	{ "56", 9, 4, false }, /* many tables */
	{ "48", 9, 6, false },
	{ "48b", 14, 4, true },
};

static void faults_setup(struct run *r, uint64_t seed)
{
	const struct faults_image *image = &faults_images[seed % ARRAY_SIZE(faults_images)];
	struct qcow2_create_params p = image_params();

	p.geo.zone_size = ZONE_SIZE;
	p.geo.zone_capacity = ZONE_SIZE - 2048;
	p.geo.nr_zones = NR_ZONES;
	p.geo.size = NR_ZONES * ZONE_SIZE;
	p.layout = zoned_layout_named(image->layout);
	p.cluster_bits = image->cluster_bits;
	p.refcount_order = image->refcount_order;
	p.extended_l2 = image->extended_l2;
	memset(r, 0, sizeof(*r));
	r->rng = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	r->m = image_file_make(&p, "mem", NULL);
	ck_assert_int_eq(open_it(r), 0);
}

/* ---- what is true -------------------------------------------------------------------------- */

/* A zone's bytes are those of gen up to exact, then zeros to the end of written. */
static bool zone_holds(struct run *r, uint32_t z, uint32_t gen, uint64_t least, uint64_t most,
		       const struct zq_zone_info *zi)
{
	uint8_t *data = malloc(ZONE_SIZE), *want = malloc(ZONE_SIZE);
	uint64_t same = 0, i;

	memset(data, 0xee, ZONE_SIZE);
	ck_assert_msg(!zi->written ||
			      zq_read(r->dev, z, 0, data, zi->written) == (ssize_t)zi->written,
		      "%s: zone %u cannot be read", r->what, z);
	crash_fill(z, gen, 0, want, ZONE_SIZE);
	while (same < zi->written && data[same] == want[same])
		same++;
	for (i = same; i < zi->written && !data[i]; i++)
		;
	free(data);
	free(want);
	return i == zi->written && same >= least && same <= most &&
	       (zi->state == ZQ_FULL || zi->written - same < ZQ_BLOCK);
}

static void verify_conv_live(struct run *r)
{
	uint8_t *data = malloc(CONV_LEN);

	ck_assert_int_eq(zq_read_conv(r->dev, 0, data, CONV_LEN), (ssize_t)CONV_LEN);
	for (uint64_t b = 0; b < CONV_LEN / ZQ_BLOCK; b++)
		ck_assert_msg(r->conv_unknown[b] || !memcmp(data + b * ZQ_BLOCK,
							    r->conv + b * ZQ_BLOCK, ZQ_BLOCK),
			      "%s: conventional block %" PRIu64 " is not what was written", r->what,
			      b);
	free(data);
}

/* The device that is open tells exactly what the callers know. */
static void verify_live(struct run *r)
{
	struct zq_zone_info zi[NR_ZONES];
	struct zq_counts c;
	uint32_t by_state[ZQ_NR_STATES] = { 0 };

	ck_assert_int_eq(zq_report(r->dev, 0, NR_ZONES, zi), 0);
	zq_get_counts(r->dev, &c);
	for (uint32_t z = 0; z < NR_ZONES; z++)
		by_state[zi[z].state]++;
	ck_assert_mem_eq(by_state, c.by_state, sizeof(by_state));
	for (uint32_t z = 2; z < NR_ZONES; z++) {
		const struct known *k = &r->zone[z];

		if (k->full) {
			ck_assert_msg(zi[z].state == ZQ_FULL, "%s: zone %u not full", r->what, z);
		} else {
			ck_assert_msg(zi[z].written == align_up(k->end, ZQ_BLOCK),
				      "%s: zone %u has %" PRIu64 " bytes, not %" PRIu64, r->what, z,
				      zi[z].written, k->end);
			ck_assert_msg((zi[z].state == ZQ_EMPTY) == (k->end == 0),
				      "%s: zone %u is %s with %" PRIu64 " bytes", r->what, z,
				      zq_state_name(zi[z].state), k->end);
		}
		ck_assert_msg(zone_holds(r, z, k->gen, k->end, k->end, &zi[z]),
			      "%s: zone %u does not read what was written", r->what, z);
	}
	verify_conv_live(r);
}

static void verify_conv(struct run *r)
{
	uint8_t *data = malloc(CONV_LEN);

	ck_assert_int_eq(zq_read_conv(r->dev, 0, data, CONV_LEN), (ssize_t)CONV_LEN);
	for (uint64_t b = 0; b < CONV_LEN / ZQ_BLOCK; b++)
		ck_assert_msg(r->conv_doubt[b] || !memcmp(data + b * ZQ_BLOCK,
							  r->conv_acked + b * ZQ_BLOCK, ZQ_BLOCK),
			      "%s: conventional block %" PRIu64 " lost what was acknowledged",
			      r->what, b);
	free(data);
}

/* After reopening: at least what was acknowledged, at most what was done. */
static void verify_reopened(struct run *r)
{
	struct zq_zone_info zi[NR_ZONES];

	ck_assert_int_eq(zq_report(r->dev, 0, NR_ZONES, zi), 0);
	for (uint32_t z = 2; z < NR_ZONES; z++) {
		const struct known *k = &r->zone[z];
		bool ok = false;

		/* each generation since the acknowledged one may be what is on disk */
		for (uint32_t gen = k->acked_gen; gen <= k->gen + k->in_doubt && !ok; gen++) {
			uint64_t least = gen == k->acked_gen ? k->acked_end : 0;
			uint64_t most = gen == k->gen ? k->end : ZONE_SIZE;

			if (gen == k->acked_gen && k->acked_full && zi[z].state != ZQ_FULL)
				continue;
			ok = zone_holds(r, z, gen, least, most, &zi[z]);
		}
		ck_assert_msg(ok,
			      "%s: zone %u (%s, %" PRIu64 " bytes) after reopening; acknowledged "
			      "gen %u with %" PRIu64 " bytes%s, done gen %u with %" PRIu64,
			      r->what, z, zq_state_name(zi[z].state), zi[z].written, k->acked_gen,
			      k->acked_end, k->acked_full ? ", finished" : "", k->gen, k->end);
	}
	verify_conv(r);
}

/* ---- the workload ------------------------------------------------------------------------ */

static void told(struct run *r, ssize_t rc)
{
	ck_assert_msg(rc == -EIO || rc == -ENOSPC || rc == -EDQUOT, "%s: told %zd", r->what, rc);
	r->errors++;
}

static void faults_op_append(struct run *r, uint32_t z)
{
	struct known *k = &r->zone[z];
	uint64_t cap = ZONE_SIZE - 2048, len;
	uint8_t buf[MAX_LEN];
	ssize_t rc;

	/* each append is a writer of its own, so it begins at a block */
	if (k->full || k->end >= cap)
		return;
	len = min_u64(cap - k->end, (1 + faults_rnd(r, MAX_LEN / ZQ_BLOCK)) * ZQ_BLOCK);
	crash_fill(z, k->gen, k->end, buf, len);
	rc = zq_append(r->dev, z, NULL, k->end, buf, len, 0, NULL);
	if (rc > 0) {
		ck_assert_int_eq(rc, (ssize_t)len);
		k->end += len;
		k->full = k->end == cap;
	} else {
		told(r, rc);
	}
}

static void op_reset(struct run *r, uint32_t z)
{
	struct known *k = &r->zone[z];
	int rc = zq_zone_reset(r->dev, z);
	struct zq_zone_info zi;

	if (rc < 0)
		told(r, rc);
	ck_assert_int_eq(zq_report(r->dev, z, 1, &zi), 0);
	if (rc == 0 || (zi.state == ZQ_EMPTY && (k->end || k->full))) {
		/* one that failed may have come so far that the old content is gone */
		k->gen++;
		k->end = 0;
		k->full = false;
	} else {
		k->in_doubt = true;
	}
}

static void op_finish(struct run *r, uint32_t z)
{
	int rc = zq_zone_finish(r->dev, z);

	if (rc == 0)
		r->zone[z].full = true;
	else
		told(r, rc);
}

static void faults_op_conv(struct run *r)
{
	uint64_t first = faults_rnd(r, CONV_LEN / ZQ_BLOCK);
	uint64_t nr = 1 + faults_rnd(r, min_u64(CONV_LEN / ZQ_BLOCK - first, 20));
	uint64_t off = first * ZQ_BLOCK, len = nr * ZQ_BLOCK;
	bool zero = faults_rnd(r, 3) == 0;
	uint8_t *buf = malloc(len);
	ssize_t rc;

	memset(buf, zero ? 0 : (int)(1 + faults_rnd(r, 255)), len);
	memset(r->conv_doubt + first, 1, nr);
	rc = zero ? (ssize_t)zq_zero(r->dev, off, len) : zq_write(r->dev, off, buf, len, 0);
	memset(r->conv_unknown + first, rc < 0, nr);
	if (rc < 0)
		told(r, rc);
	else
		memcpy(r->conv + off, buf, len);
	free(buf);
}

static void faults_op_sync(struct run *r)
{
	int rc = zq_sync(r->dev);

	if (rc < 0) {
		told(r, rc);
		return;
	}
	for (uint32_t z = 2; z < NR_ZONES; z++) {
		struct known *k = &r->zone[z];

		k->acked_gen = k->gen;
		k->acked_end = k->end;
		k->acked_full = k->full;
		k->in_doubt = false;
	}
	memcpy(r->conv_acked, r->conv, CONV_LEN);
	memcpy(r->conv_doubt, r->conv_unknown, sizeof(r->conv_doubt));
}

static void faults_op_any(struct run *r)
{
	uint32_t z = 2 + (uint32_t)faults_rnd(r, NR_ZONES - 2);

	switch (faults_rnd(r, 12)) {
	case 0:
	case 1:
		faults_op_sync(r);
		break;
	case 2:
		op_reset(r, z);
		break;
	case 3:
		if (faults_rnd(r, 2))
			op_finish(r, z);
		break;
	case 4:
	case 5:
		faults_op_conv(r);
		break;
	default:
		faults_op_append(r, z);
	}
}

static void work(struct run *r)
{
	uint64_t ops = from_env("ZQ_FAULT_OPS", 60);

	for (uint64_t i = 0; i < ops; i++)
		faults_op_any(r);
}

/* ---- faults --------------------------------------------------------------------------- */

/* A device that has been in use and was opened again, so that nothing is cached. */
static void setup_used(struct run *r, uint64_t seed)
{
	faults_setup(r, seed);
	work(r);
	faults_op_sync(r);
	ck_assert_uint_eq(r->errors, 0);
	ck_assert_int_eq(zq_close_device(r->dev), 0);
	ck_assert_int_eq(open_it(r), 0);
}

/* Runs the workload with the n-th operation failing; false: there is no n-th. */
static bool faults_one_fault(const struct fault *f, uint64_t n, uint64_t seed)
{
	struct run r;
	bool hit;
	int rc;

	setup_used(&r, seed);
	snprintf(r.what, sizeof(r.what), "seed %" PRIu64 ", operation kind %d number %" PRIu64,
		 seed, f->op, n);
	fault_begins(r.m, f, n);
	work(&r);
	hit = fault_ends(r.m, f);
	if (!hit) {
		ck_assert_uint_eq(r.errors, 0);
		ck_assert_int_eq(zq_close_device(r.dev), 0);
		memio_free(r.m);
		return false;
	}
	verify_live(&r);
	if (f->op == MEMIO_FLUSH) {
		/* no later sync may vouch for what a failed flush may have lost */
		ck_assert_msg(r.errors, "%s: nobody was told", r.what);
		ck_assert_int_lt(zq_sync(r.dev), 0);
	} else if (f->err == ENOSPC || !f->sticky) {
		/* what failed works again, and all that was done counts */
		/* (a write without room may have tried again after a commit, with success) */
		ck_assert_msg(f->op != MEMIO_WRITE || f->err == ENOSPC || r.errors,
			      "%s: nobody was told", r.what);
		work(&r);
		verify_live(&r);
		faults_op_sync(&r);
		ck_assert_msg(r.zone[2].acked_gen == r.zone[2].gen, "%s: sync fails", r.what);
	}
	rc = zq_close_device(r.dev);
	ck_assert(rc == 0 || f->op == MEMIO_FLUSH || f->sticky);
	qimage_check_file(r.m, r.what);
	ck_assert_int_eq(open_it(&r), 0);
	verify_reopened(&r);
	ck_assert_int_eq(zq_close_device(r.dev), 0);
	memio_free(r.m);
	return true;
}

static const struct fault faults[] = {
	{ MEMIO_READ, EIO, false, 0 },	     { MEMIO_READ, EIO, true, 0 },
	{ MEMIO_WRITE, EIO, false, 0 },	     { MEMIO_WRITE, EIO, false, 700 },
	{ MEMIO_WRITE, ENOSPC, false, 0 },   { MEMIO_WRITE, ENOSPC, true, 512 },
	{ MEMIO_WRITE, EIO, true, 0 },	     { MEMIO_FLUSH, EIO, false, 0 },
	{ MEMIO_FLUSH, EIO, true, 0 },	     { MEMIO_PUNCH, EIO, false, 0 },
	{ MEMIO_PUNCH, EIO, true, 0 },	     { MEMIO_PUNCH, EOPNOTSUPP, true, 0 },
	{ MEMIO_RESERVE, EDQUOT, false, 0 }, { MEMIO_RESERVE, EFBIG, true, 0 },
	{ MEMIO_RESERVE, EIO, false, 0 },    { MEMIO_SIZE, EIO, false, 0 },
};

START_TEST(whatever_fails_nothing_acknowledged_is_lost)
{
	uint64_t first = from_env("ZQ_FAULT_SEED", 1), nr = from_env("ZQ_FAULT_SEEDS", 1), all = 0;

	for (uint64_t seed = first; seed < first + nr; seed++) {
		uint64_t n = 0;

		while (faults_one_fault(&faults[_i], n, seed))
			n++;
		ck_assert_uint_ge(n, 1);
		all += n;
	}
	fault_tell("faults", &faults[_i], first, nr, all);
}
END_TEST

/* The host is full at some size, and then gets room. */
static bool one_limit(uint64_t above, uint64_t seed)
{
	struct run r;
	bool full;

	faults_setup(&r, seed);
	snprintf(r.what, sizeof(r.what), "seed %" PRIu64 ", room for %" PRIu64 " bytes", seed,
		 above);
	memio_set_limit(r.m, memio_size(r.m) + above);
	work(&r);
	full = r.errors > 0; /* somebody was told */
	verify_live(&r);
	memio_set_limit(r.m, 0);
	work(&r);
	verify_live(&r);
	faults_op_sync(&r);
	ck_assert_uint_eq(r.zone[2].acked_gen, r.zone[2].gen);
	ck_assert_int_eq(zq_close_device(r.dev), 0);
	qimage_check_file(r.m, r.what);
	ck_assert_int_eq(open_it(&r), 0);
	verify_reopened(&r);
	ck_assert_int_eq(zq_close_device(r.dev), 0);
	memio_free(r.m);
	return full;
}

START_TEST(a_full_host_loses_nothing_and_goes_on_with_room)
{
	uint64_t above, seed = from_env("ZQ_FAULT_SEED", 1);

	for (above = 0; one_limit(above, seed); above += 1536)
		;
	ck_assert_uint_ge(above, 8 * 1536);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_LOOP(whatever_fails_nothing_acknowledged_is_lost, ARRAY_SIZE(faults)),
		CHECK_TEST(a_full_host_loses_nothing_and_goes_on_with_room),
	};

	return check_main_timeout("faults", tests, ARRAY_SIZE(tests), 600);
}
