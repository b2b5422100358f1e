/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Full zones are compressed, what the file holds is gathered at its start, and the file is cut.
 * The power fails behind every write of that, and every operation fails once: each zone
 * always reads as what it held, or as what came after a reset.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_main.h"
#include "gathered.h"
#include "rng.h"
#include "util/math.h"

#define ZONES 16u

static void start_gathered(struct gathered *g, unsigned cluster_bits, uint8_t compression)
{
	gathered_init(g, cluster_bits, compression, ZONES);
	gathered_create(g);
}

/* ---- what is left ------------------------------------------------------------------------ */

static void gathers_and_cuts(unsigned cluster_bits, uint8_t compression, bool compress)
{
	struct gathered g;
	uint64_t before, used;

	start_gathered(&g, cluster_bits, compression);
	before = memio_size(g.q.m);
	ck_assert_int_eq(gathered_compact(&g, compress), 0);
	gathered_expect(&g, g.q.img, "at once");
	qimage_close(&g.q);
	ck_assert_uint_eq(qimage_check(&g.q), 0);
	/* no cluster of the file is free */
	used = memio_size(g.q.m);
	for (uint64_t c = 0; c < used >> cluster_bits; c++)
		ck_assert_msg(qimage_disk_count(&g.q, c), "cluster %" PRIu64 " is free", c);
	ck_assert_uint_lt(used, before - before / 5);
	qimage_open(&g.q);
	gathered_expect(&g, g.q.img, "reopened");
	/* it is an image like any other: the next compaction finds nothing, a write lands */
	ck_assert_int_eq(qcow2_gather(g.q.img, NULL, NULL), 0);
	ck_assert_uint_eq(memio_size(g.q.m), used);
	qimage_close(&g.q);
	qimage_open(&g.q);
	gathered_fill(&g, 2);
	qimage_commit(&g.q);
	qimage_reopen(&g.q);
	gathered_expect(&g, g.q.img, "written to");
	ck_assert_uint_eq(qimage_check(&g.q), 0);
	qimage_free(&g.q);
}

START_TEST(nothing_free_is_left_in_the_file)
{
	for (unsigned bits = 9; bits <= 13; bits++)
		gathers_and_cuts(bits, 1, false);
}
END_TEST

START_TEST(compressed_zones_lie_close_together)
{
	for (unsigned bits = 10; bits <= 16; bits += 2) {
		gathers_and_cuts(bits, 0, true);
		gathers_and_cuts(bits, 1, true);
	}
}
END_TEST

static int stop_at_once(void *data, double done)
{
	(void)done;
	return ++*(int *)data > 1;
}

START_TEST(an_interrupt_leaves_a_whole_image)
{
	struct gathered g;
	int calls = 0;

	start_gathered(&g, 10, 1);
	ck_assert_int_eq(qcow2_gather(g.q.img, stop_at_once, &calls), -ECANCELED);
	ck_assert(!qcow2_dirty(g.q.img));
	gathered_expect(&g, g.q.img, "interrupted");
	ck_assert_uint_eq(qimage_check(&g.q), 0);
	qimage_free(&g.q);
}
END_TEST

/* ---- the power fails ------------------------------------------------------------------------- */

static void replay_compaction(unsigned cluster_bits, bool compress)
{
	struct crash_disk d = { 0 };
	struct gathered g;

	start_gathered(&g, cluster_bits, 1);
	d.image = g.q.m;
	crash_record(&d);
	ck_assert_int_eq(gathered_compact(&g, compress), 0);
	qimage_close(&g.q);
	crash_record_end(&d);
	crash_each_state(&d, 2, gathered_rng, gathered_look, &g);
	printf("compaction, clusters of %u bytes: %u states\n", 1u << cluster_bits, g.states);
	ck_assert_uint_gt(g.states, 50);
	crash_disk_free(&d);
}

START_TEST(power_fails_while_tables_and_blocks_move)
{
	replay_compaction(9, false);
}
END_TEST

START_TEST(power_fails_while_an_image_is_compacted)
{
	replay_compaction(11, true);
	replay_compaction(12, false);
	replay_compaction(13, true);
}
END_TEST

/* In two steps, as a mount does it; a commit comes between them, or now and then a reset. */
static void compress_in_steps(struct gathered *g, struct qcow2_packer *p, uint32_t zone)
{
	uint64_t c = g->q.img->cluster_size, start = zone * (uint64_t)GATHER_ZONE;
	bool reset = rng_below(&g->rng, 3) == 0 && !g->may_differ[zone], done = false;

	for (uint64_t off = 0; off < GATHER_ZONE && !done; off += c) {
		bool worth, packed;

		ck_assert_int_eq(qcow2_pack_prepare(g->q.img, p, start + off, &worth), 0);
		if (!worth)
			continue;
		if (rng_below(&g->rng, 4) == 0)
			qimage_commit(&g->q);
		if (reset && rng_below(&g->rng, 4) == 0) {
			g->may_differ[zone] = done = true;
			g->age[zone]++;
			qimage_reset(&g->q, zone);
			gathered_fill(g, zone);
		}
		ck_assert_int_eq(qcow2_pack_enter(g->q.img, p, &packed), 0);
		ck_assert_int_eq(packed, !done); /* another mapping: nothing is entered */
	}
}

/* As a mount with the option compress: zones are compressed while others are reset and filled. */
static void run_compressing(struct gathered *g)
{
	struct qcow2_packer *p;

	ck_assert_int_eq(qcow2_packer_new(g->q.img, 0, &p), 0);
	for (unsigned step = 0; step < 24; step++) {
		uint32_t zone = (uint32_t)rng_below(&g->rng, ZONES);

		if (step % 3 == 2 && !g->may_differ[zone]) {
			g->may_differ[zone] = true;
			g->age[zone]++;
			qimage_reset(&g->q, zone);
			gathered_fill(g, zone);
		}
		if (qcow2_wp_written(g->q.img, zone))
			compress_in_steps(g, p, zone);
		if (step % 4 == 3)
			qimage_commit(&g->q);
	}
	qimage_commit(&g->q);
	qcow2_packer_free(p);
}

START_TEST(power_fails_while_zones_are_compressed_and_reset)
{
	for (unsigned bits = 11; bits <= 13; bits++) {
		struct crash_disk d = { 0 };
		struct gathered g;

		start_gathered(&g, bits, bits & 1);
		d.image = g.q.m;
		crash_record(&d);
		run_compressing(&g);
		qimage_close(&g.q);
		crash_record_end(&d);
		crash_each_state(&d, 2, gathered_rng, gathered_look, &g);
		printf("compressing, clusters of %u bytes: %u states\n", 1u << bits, g.states);
		crash_disk_free(&d);
	}
}
END_TEST

/* ---- failing I/O
 * --------------------------------------------------------------------------------- */

/* The nth operation of that kind fails. False when it did not come to it. */
static bool fails_once(enum memio_op op, uint64_t n, int error, unsigned bits)
{
	struct gathered g;
	int rc;

	start_gathered(&g, bits, 1);
	memio_fail(g.q.m, op, n, error, false, 0);
	rc = gathered_compact(&g, bits > 9);
	memio_fail(g.q.m, op, 0, 0, false, 0);
	if (rc)
		(void)qcow2_commit(g.q.img);
	qimage_close(&g.q);
	qimage_check_file(g.q.m, "after a failure");
	qimage_open(&g.q);
	gathered_expect(&g, g.q.img, "after a failure");
	rc = (int)memio_failures(g.q.m, op);
	qimage_free(&g.q);
	return rc;
}

START_TEST(a_failure_at_any_point_loses_nothing)
{
	static const struct {
		enum memio_op op;
		int error;
		unsigned step;
	} kinds[] = {
		{ MEMIO_WRITE, EIO, 7 },   { MEMIO_WRITE, ENOSPC, 11 }, { MEMIO_FLUSH, EIO, 1 },
		{ MEMIO_PUNCH, EIO, 5 },   { MEMIO_READ, EIO, 13 },	{ MEMIO_TRUNCATE, EIO, 1 },
		{ MEMIO_RESERVE, EIO, 1 },
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		uint64_t n = 0;

		for (unsigned bits = 9; bits <= 12; bits += 3)
			for (n = 0; n < 1000; n += kinds[k].step)
				if (!fails_once(kinds[k].op, n, kinds[k].error, bits))
					break;
		ck_assert_uint_gt(n, 0);
	}
}
END_TEST

int main(void)
{
	const struct check_test tests[] = {
		CHECK_TEST(nothing_free_is_left_in_the_file),
		CHECK_TEST(compressed_zones_lie_close_together),
		CHECK_TEST(an_interrupt_leaves_a_whole_image),
		CHECK_TEST(power_fails_while_tables_and_blocks_move),
		CHECK_TEST(power_fails_while_an_image_is_compacted),
		CHECK_TEST(power_fails_while_zones_are_compressed_and_reset),
		CHECK_TEST(a_failure_at_any_point_loses_nothing),
	};

	return check_main_timeout("gather", tests, ARRAY_SIZE(tests), 300);
}
