/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mapping that leads to where metadata lies: it is never read or written through, what it leads
 * to is never freed, the rest of the device goes on, and the image is marked corrupt until it
 * has been repaired.
 */
#include <errno.h>
#include <string.h>

#include <zqfs/check.h>

#include "check_main.h"
#include "qcow2/check/check.h"
#include "qcow2/tables/header_read.h"
#include "qimage.h"
#include "zonedev.h"

#define ZONE UINT64_C(65536)

static struct zonedev z;
static struct qimage on_disk; /* for looking at z's file */

enum target { REFTABLE, L1_TABLE, POINTERS, REFBLOCK, L2_TABLE, NR_TARGETS };

static void overlap_create(void)
{
	uint8_t c[4096];

	zonedev_init(&z);
	z.opts.on_error = ZQ_ERRORS_REMOUNT_RO;
	zonedev_create(&z);
	memset(c, 'C', sizeof(c));
	ck_assert_int_eq(zq_write(z.dev, 0, c, sizeof(c), 0), sizeof(c));
	ck_assert_int_eq(zonedev_append(&z, 2, 'S', 4096 - 512), 4096 - 512);
	ck_assert_int_eq(zonedev_append(&z, 3, 'T', 4096), 4096);
	ck_assert_int_eq(zq_close_device(z.dev), 0);
	z.dev = NULL;
	on_disk = (struct qimage){ .m = z.m };
	on_disk.p.cluster_bits = 12;
	on_disk.p.refcount_order = 4;
}

static uint64_t pointers_offset(void)
{
	struct zq_io *io = memio_open(z.m, "mem", false);
	struct zq_error err = { "" };
	struct qcow2_header h;
	uint64_t off;

	ck_assert_int_eq(qcow2_header_read(io, HEADER_ZONED, &h, &err), 0);
	off = h.zoned.meta_offset;
	qcow2_header_free(&h);
	io->ops->close(io);
	return off;
}

static uint64_t place_of(enum target t)
{
	uint64_t l1 = image_get(on_disk.m, QCOW2_H_L1_OFFSET, 8);
	uint64_t table = image_get(on_disk.m, QCOW2_H_REFTABLE_OFFSET, 8);

	switch (t) {
	case REFTABLE:
		return table;
	case L1_TABLE:
		return l1;
	case POINTERS:
		return pointers_offset();
	case REFBLOCK:
		return image_get(on_disk.m, table, 8);
	case L2_TABLE:
		return image_get(on_disk.m, l1, 8) & QCOW2_OFFSET_MASK;
	default:
		return 0;
	}
}

static void overlap_open(void)
{
	struct zq_error err = { "" };

	ck_assert_msg(zq_open_device_io(memio_open(z.m, "mem", true), &z.opts, &z.dev, &err) == 0,
		      "%s", err.msg);
}

/* Everything else reads as it did, and takes data. */
static void expect_the_rest(void)
{
	zonedev_expect(&z, 3, 0, 4096, 'T');
	ck_assert_int_eq(zonedev_append(&z, 3, 'U', 4096), 4096);
	ck_assert_int_eq(zonedev_append(&z, 5, 'V', 8192), 8192);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	ck_assert(!zq_device_readonly(z.dev));
}

static int overlap_write(void)
{
	ssize_t n = zq_write(z.dev, 16, "XXXXXXXXXXXXXXXX", 16, 0);

	return n < 0 ? (int)n : 0;
}

static int overlap_append(void)
{
	ssize_t n = zonedev_append(&z, 2, 'X', 512);

	return n < 0 ? (int)n : 0;
}

static int overlap_reset(void)
{
	return zq_zone_reset(z.dev, 2);
}

static int overlap_punch(void)
{
	int64_t n = zq_zero(z.dev, 0, ZONE);

	return n < 0 ? (int)n : 0;
}

static const struct {
	const char *name;
	int (*run)(void);
	uint64_t at; /* the guest cluster that it changes */
	int again;   /* what it gives the second time: a mapping that goes away does so once */
} ops[] = {
	{ "write", overlap_write, 0, -EIO },
	{ "append", overlap_append, 2 * ZONE, -EIO },
	{ "reset", overlap_reset, 2 * ZONE, 0 },
	{ "punch", overlap_punch, 0, 0 },
};

/* Afterwards the image opens read-only, with all of the other zones. */
static void expect_readonly_until_repaired(const char *what)
{
	struct zq_check_opts o = { .repair = ZQ_REPAIR_ALL };
	struct zq_check_result res;
	struct zq_error err = { "" };
	struct qcow2_header h;
	struct zq_io *io;

	ck_assert_int_eq(zq_close_device(z.dev), 0);
	overlap_open();
	ck_assert_msg(zq_device_readonly(z.dev), "%s", what);
	zonedev_expect(&z, 3, 0, 4096, 'T');
	zonedev_expect(&z, 3, 4096, 4096, 'U');
	zonedev_expect(&z, 5, 0, 8192, 'V');
	ck_assert_int_eq(zq_close_device(z.dev), 0);
	io = memio_open(z.m, "mem", true);
	ck_assert_int_eq(qcow2_header_read(io, HEADER_ZONED, &h, &err), 0);
	ck_assert_int_eq(qcow2_check(io, &h, &o, &res, &err), 0);
	qcow2_header_free(&h);
	io->ops->close(io);
	overlap_open();
}

static void overlap(enum target t, size_t op)
{
	char what[64];

	snprintf(what, sizeof(what), "target %d, %s", (int)t, ops[op].name);
	overlap_create();
	qimage_poke_entry(&on_disk, ops[op].at, place_of(t) | QCOW2_COPIED, 0);
	overlap_open();
	z.nr_logged = 0;
	ck_assert_msg(ops[op].run() == -EIO, "%s", what);
	ck_assert_msg(ops[op].run() == ops[op].again, "%s, again", what);
	ck_assert_msg(z.nr_logged == 1, "%s: %d lines, the last: %s", what, z.nr_logged, z.logged);
	expect_the_rest();
	expect_readonly_until_repaired(what);
	ck_assert_msg(!zq_device_readonly(z.dev), "%s: not repaired", what);
	ck_assert_int_eq(overlap_write(), 0);
	ck_assert_int_eq(overlap_append(), 0);
	ck_assert_int_eq(zq_close_device(z.dev), 0);
	z.dev = NULL;
	ck_assert_uint_eq(qimage_check_file(z.m, what), 0);
	zonedev_free(&z);
}

START_TEST(a_mapping_onto_metadata_does_no_harm)
{
	for (unsigned t = 0; t < NR_TARGETS; t++)
		for (size_t op = 0; op < ARRAY_SIZE(ops); op++)
			overlap((enum target)t, op);
}
END_TEST

/* Two entries of L1 that lead to one table, or one that leads to a refcount block. */
START_TEST(an_l2_table_where_another_table_lies_takes_no_writes)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t l1;

		overlap_create();
		l1 = image_get(on_disk.m, QCOW2_H_L1_OFFSET, 8);
		if (i)
			memio_resize(z.m, memio_size(z.m) + 4096);
		image_put(on_disk.m, l1, 8, place_of(i ? REFBLOCK : POINTERS) | QCOW2_COPIED);
		overlap_open();
		ck_assert_int_eq(overlap_append(), -EIO);
		ck_assert(!zq_device_readonly(z.dev));
		ck_assert_int_eq(zq_close_device(z.dev), 0);
		overlap_open();
		ck_assert(zq_device_readonly(z.dev));
		zonedev_free(&z);
	}
}
END_TEST

START_TEST(a_table_that_the_end_of_the_file_cuts_is_no_zeros)
{
	uint8_t buf[512];
	uint64_t table;

	overlap_create();
	/* the table to the end of the file, and the file to within it */
	table = memio_size(z.m);
	for (uint64_t i = 0; i < 4096; i += 8)
		image_put(on_disk.m, table + i, 8, image_get(on_disk.m, place_of(L2_TABLE) + i, 8));
	image_put(on_disk.m, image_get(on_disk.m, QCOW2_H_L1_OFFSET, 8), 8, table | QCOW2_COPIED);
	memio_resize(z.m, table + 8);
	overlap_open();
	ck_assert_int_eq(zq_read(z.dev, 3, 0, buf, sizeof(buf)), -EIO);
	ck_assert_msg(strstr(z.logged, "cut off by the end of the file"), "%s", z.logged);
	ck_assert_int_eq(overlap_append(), -EIO);
	zonedev_free(&z);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_mapping_onto_metadata_does_no_harm),
		CHECK_TEST(an_l2_table_where_another_table_lies_takes_no_writes),
		CHECK_TEST(a_table_that_the_end_of_the_file_cuts_is_no_zeros),
	};

	return check_main("overlap", tests, ARRAY_SIZE(tests));
}
