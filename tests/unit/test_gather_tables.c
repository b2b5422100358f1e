/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables that the header leads to lie at the end of the file, as amend, resize and a disk that has
 * grown leave them. They move as well: of a compacted file no cluster is free, and the power may
 * fail at any write of that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_main.h"
#include "gathered.h"
#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/engine/census.h"

#define MORE 1024u /* zones after a resize: L1 table and pointers have many small clusters */

struct end_case {
	const char *name;
	unsigned bits, refcount_order;
	uint32_t zones;
	const char *layout;  /* it is amended to that, or NULL */
	bool resize, shrink; /* more zones; and fewer again */
	bool full; /* nothing is reset but one zone's end: too little room to move at once */
};

static const struct end_case end_cases[] = {
	{ "amended", 9, 4, 16, .layout = "56" },
	{ "amended, one cluster", 12, 4, 16, .layout = "48b" },
	{ "resized", 9, 4, 16, .resize = true },
	{ "resized, few clusters are free", 9, 4, 10, .resize = true, .full = true },
	{ "resized to less", 9, 4, 16, .resize = true, .shrink = true },
	{ "all of them", 9, 6, 34, .layout = "48", .resize = true },
	{ "refcount table has grown", 9, 6, 34, .layout = NULL },
};

static void free_one_cluster(struct gathered *g)
{
	const uint64_t size = g->q.img->cluster_size;

	g->may_differ[3] = true;
	qcow2_wp_back(g->q.img, 3);
	qimage_commit(&g->q);
	ck_assert_int_eq(qcow2_zero(g->q.img, 3 * GATHER_ZONE, 5 * size), 0);
	qimage_commit(&g->q);
}

static void resize_to(struct gathered *g, uint32_t zones)
{
	struct zq_resize_opts o = { .how = ZQ_RESIZE_TO, .size = (uint64_t)zones * GATHER_ZONE };
	struct zq_io *io = memio_open(g->q.m, g->q.name, true);
	struct zq_resize_result res;
	struct zq_error err = { "" };

	ck_assert_msg(!resize_image(io, NULL, &o, &res, &err), "%s", err.msg);
	io_close(io);
}

static void amend_to(struct gathered *g, const char *layout)
{
	struct zq_amend_opts o = { .layout = layout };
	struct zq_io *io = memio_open(g->q.m, g->q.name, true);
	struct zq_error err = { "" };

	ck_assert_msg(!amend_image(io, &o, &err), "%s", err.msg);
	io_close(io);
}

/* All zones are full, or some are empty; behind them lie the tables. The image is open. */
static void make_end_case(struct gathered *g, const struct end_case *c)
{
	gathered_init(g, c->bits, 1, c->zones);
	g->q.p.refcount_order = c->refcount_order;
	if (c->full) {
		qimage_create(&g->q);
		for (uint32_t i = 0; i < g->nr; i++)
			gathered_fill(g, i);
		qimage_commit(&g->q);
	} else {
		gathered_create(g);
	}
	qimage_reopen(&g->q);
	qimage_close(&g->q);
	if (c->layout)
		amend_to(g, c->layout);
	if (c->resize)
		resize_to(g, MORE);
	if (c->shrink)
		resize_to(g, c->zones);
	qimage_open(&g->q);
	if (c->full)
		free_one_cluster(g);
	qimage_reopen(&g->q);
}

/* Nothing is free, and the refcount table is no longer than it must be. */
static void expect_tight(struct gathered *g, const char *name)
{
	struct qcow2_image *img = g->q.img;
	struct census c;

	image_lock(img);
	ck_assert_int_eq(census_take(img, &c), 0);
	image_unlock(img);
	free(c.idle);
	ck_assert_msg(c.used == c.end, "%s: of %" PRIu64 " clusters %" PRIu64 " are in use", name,
		      c.end, c.used);
	ck_assert_msg(memio_size(g->q.m) == c.end << img->cluster_bits,
		      "%s: %" PRIu64 " bytes, %" PRIu64 " clusters", name,
		      (uint64_t)memio_size(g->q.m), c.end);
	ck_assert_uint_le(img->reftable.nr * 8,
			  img->cluster_size + (c.end >> img->refblock_bits) * 8);
}

START_TEST(tables_at_the_end_move)
{
	const struct end_case *c = &end_cases[_i];
	struct gathered g;

	make_end_case(&g, c);
	ck_assert_int_eq(gathered_compact(&g, false), 0);
	expect_tight(&g, c->name);
	gathered_expect(&g, g.q.img, c->name);
	qimage_reopen(&g.q);
	ck_assert_uint_eq(qimage_check(&g.q), 0);
	expect_tight(&g, c->name);
	gathered_expect(&g, g.q.img, c->name);
	/* it is an image like any other */
	gathered_fill(&g, 1);
	qimage_reopen(&g.q);
	gathered_expect(&g, g.q.img, c->name);
	ck_assert_uint_eq(qimage_check(&g.q), 0);
	qimage_free(&g.q);
}
END_TEST

START_TEST(power_fails_while_tables_at_the_end_move)
{
	const struct end_case *c = &end_cases[_i];
	struct crash_disk d = { 0 };
	struct gathered g;

	make_end_case(&g, c);
	d.image = g.q.m;
	crash_record(&d);
	ck_assert_int_eq(gathered_compact(&g, false), 0);
	qimage_close(&g.q);
	crash_record_end(&d);
	crash_each_state(&d, 1, gathered_rng, gathered_look, &g);
	printf("compaction, %s: %u states\n", c->name, g.states);
	ck_assert_uint_gt(g.states, 50);
	crash_disk_free(&d);
}
END_TEST

int main(void)
{
	const struct check_test tests[] = {
		CHECK_LOOP(tables_at_the_end_move, ARRAY_SIZE(end_cases)),
		/* the last one is a part of the one before */
		CHECK_LOOP(power_fails_while_tables_at_the_end_move, ARRAY_SIZE(end_cases) - 1),
	};

	return check_main_timeout("gather tables", tests, ARRAY_SIZE(tests), 300);
}
